//! Encodings that the Encoding Standard has left out and old files still have: UTF-32 with its
//! mark, and HZ, Chinese in seven bits as mail and news groups sent it.

use encoding_rs::GBK;

/// An encoding that is known by the first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recoded {
    Utf32Le,
    Utf32Be,
    Hz,
}

/// So many Chinese characters are no accident of other text.
const ENOUGH: usize = 4;

impl Recoded {
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        // Of UTF-16 with the same mark, the first character would be NUL.
        if head.starts_with(b"\xff\xfe\0\0") {
            return Some(Self::Utf32Le);
        }
        if head.starts_with(b"\0\0\xfe\xff") {
            return Some(Self::Utf32Be);
        }
        let begin = memchr::memmem::find(head, b"~{")?;
        (head[begin..].is_ascii() && is_hz(&head[begin..])).then_some(Self::Hz)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf32Le | Self::Utf32Be => "UTF-32",
            Self::Hz => "HZ",
        }
    }

    /// The text as UTF-8; what is no character becomes U+FFFD.
    pub(super) fn utf8(self, bytes: &[u8]) -> Vec<u8> {
        let utf32 = |number: fn([u8; 4]) -> u32| -> String {
            bytes
                .chunks(4)
                .skip(1)
                .map(|four| match four {
                    [a, b, c, d] => char::from_u32(number([*a, *b, *c, *d])).unwrap_or('\u{fffd}'),
                    _ => '\u{fffd}',
                })
                .collect()
        };
        let text = match self {
            Self::Utf32Le => utf32(u32::from_le_bytes),
            Self::Utf32Be => utf32(u32::from_be_bytes),
            Self::Hz => GBK.decode_without_bom_handling(&gbk(bytes)).0.into_owned(),
        };
        text.into_bytes()
    }
}

/// Whether what stands between `~{` and `~}` is Chinese, as far as the bytes go.
fn is_hz(bytes: &[u8]) -> bool {
    let mut characters = 0;
    let mut rest = bytes;
    while let Some(begin) = memchr::memmem::find(rest, b"~{") {
        rest = &rest[begin + 2..];
        loop {
            match rest {
                [b'~', b'}', after @ ..] => {
                    rest = after;
                    break;
                }
                // Each line begins in ASCII.
                [b'\r' | b'\n', after @ ..] => {
                    rest = after;
                    break;
                }
                // Of the first bytes, GB 2312 has no more than these.
                [0x21..=0x77, 0x21..=0x7e, after @ ..] => {
                    characters += 1;
                    rest = after;
                }
                [] | [_] => return characters >= ENOUGH,
                _ => return false,
            }
        }
    }
    characters >= ENOUGH
}

/// HZ as GBK, which has the same characters with their high bits set.
fn gbk(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut chinese = false;
    let mut rest = bytes;
    loop {
        rest = match (chinese, rest) {
            (_, []) => return out,
            (false, [b'~', b'{', after @ ..]) => {
                chinese = true;
                after
            }
            (false, [b'~', b'~', after @ ..]) => {
                out.push(b'~');
                after
            }
            // A line that was broken only to be sent.
            (false, [b'~', b'\n', after @ ..]) => after,
            (true, [b'~', b'}', after @ ..]) => {
                chinese = false;
                after
            }
            (true, [a @ 0x21..=0x7e, b @ 0x21..=0x7e, after @ ..]) => {
                out.extend([a | 0x80, b | 0x80]);
                after
            }
            // Each line begins in ASCII.
            (_, [byte, after @ ..]) => {
                chinese &= *byte != b'\n';
                out.push(*byte);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::Recoded;

    #[test]
    fn utf32_is_known_by_its_mark() {
        let text = "Brücke 桥 😀";
        let with = |mark: [u8; 4], bytes: fn(u32) -> [u8; 4]| {
            let body = text.chars().flat_map(|c| bytes(u32::from(c)));
            mark.into_iter().chain(body).collect::<Vec<u8>>()
        };
        let little = with([0xff, 0xfe, 0, 0], u32::to_le_bytes);
        let big = with([0, 0, 0xfe, 0xff], u32::to_be_bytes);
        for bytes in [little, big] {
            let encoding = Recoded::of(&bytes).expect("it has the mark");
            assert_eq!(encoding.name(), "UTF-32");
            assert_eq!(encoding.utf8(&bytes), text.as_bytes());
            let cut = encoding.utf8(&bytes[..bytes.len() - 1]);
            assert!(String::from_utf8(cut).is_ok_and(|t| t.ends_with(" \u{fffd}")));
        }
        assert_eq!(Recoded::of(b"\xff\xfea\0"), None);
    }

    #[test]
    fn hz_is_known_by_what_stands_in_its_braces() {
        let hz = b"Old ~~ bridge: ~{8[?Z5D>IGE~}, ~{=+SZ\nnext line";
        assert_eq!(Recoded::of(hz), Some(Recoded::Hz));
        assert_eq!(
            String::from_utf8(Recoded::Hz.utf8(hz)).as_deref(),
            Ok("Old ~ bridge: 港口的旧桥, 将于\nnext line")
        );
        for other in [
            &b"a ~{b~} c"[..],
            b"\\ref~{fig} and \\cite~{one} as in \\eq~{two}",
            b"~{",
            b"plain",
            "~{8[?Z5D>IGE~} und Brücke".as_bytes(),
        ] {
            assert_eq!(Recoded::of(other), None, "{}", other.escape_ascii());
        }
    }
}
