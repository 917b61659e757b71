//! Text in the encoding that the user says.

use crate::corpus::decode::encoding_of;
use encoding_rs::Encoding;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// An encoding of text, such as UTF-8, windows-1252 or Shift_JIS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextEncoding(pub(super) &'static Encoding);

impl TextEncoding {
    /// The encoding of a label as pages of the web declare it (the WHATWG's list): `utf-8`, `latin1`, `cp1252`,
    /// `gbk`, `shift_jis`, `koi8-r`.
    pub fn from_label(label: &str) -> Option<Self> {
        // As Python and databases write them.
        let label = label.trim().to_ascii_lowercase();
        let other = match label.as_str() {
            "utf_8" | "utf8mb4" => "utf-8",
            "latin-1" | "iso8859_1" => "latin1",
            "cp936" => "gbk",
            "cp932" | "sjis" => "shift_jis",
            "cp949" => "euc-kr",
            "cp950" => "big5",
            label => label,
        };
        encoding_of(other)
            .or_else(|| encoding_of(&other.replace('_', "-")))
            .map(Self)
    }

    /// Its name in that list.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

/// A stream in an encoding, as UTF-8, and a count of what is no character in it, which is replaced.
pub(super) fn decoded<'r>(
    stream: impl Read + 'r,
    encoding: TextEncoding,
) -> (impl Read + 'r, Rc<Cell<u64>>) {
    let inner = encoding_rs_io::DecodeReaderBytesBuilder::new()
        .encoding(Some(encoding.0))
        .build(stream);
    let replaced = Rc::new(Cell::new(0));
    let counted = Counted {
        inner,
        met: 0,
        replaced: replaced.clone(),
    };
    (counted, replaced)
}

/// Counts the characters that stand for what is none.
struct Counted<R> {
    inner: R,
    /// Bytes of one that were met last.
    met: usize,
    replaced: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const SIGN: &[u8] = "\u{fffd}".as_bytes();
        let n = self.inner.read(buffer)?;
        for &byte in &buffer[..n] {
            // Its first byte is none of the others.
            self.met = match byte {
                _ if byte == SIGN[self.met] => self.met + 1,
                _ if byte == SIGN[0] => 1,
                _ => 0,
            };
            if self.met == SIGN.len() {
                self.met = 0;
                self.replaced.set(self.replaced.get() + 1);
            }
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_known_as_people_write_them() {
        for (label, name) in [
            ("UTF-8", "UTF-8"),
            ("latin-1", "windows-1252"),
            ("cp1252", "windows-1252"),
            ("Windows-1251", "windows-1251"),
            ("cp932", "Shift_JIS"),
            ("euc_kr", "EUC-KR"),
            ("GB18030", "gb18030"),
        ] {
            let known = TextEncoding::from_label(label).map(TextEncoding::name);
            assert_eq!(known, Some(name), "{label}");
        }
        for label in ["", "utf-9", "base64"] {
            assert_eq!(TextEncoding::from_label(label), None, "{label}");
        }
    }

    #[test]
    fn what_is_no_character_is_counted_however_it_is_read() {
        let utf8 = TextEncoding::from_label("utf-8").unwrap();
        let bytes = b"a\xffb\xe2\x82c\xf0";
        for size in [7, 8, 64] {
            let (mut stream, replaced) = decoded(&bytes[..], utf8);
            let (mut text, mut part) = (Vec::new(), vec![0; size]);
            loop {
                let n = stream.read(&mut part).unwrap();
                if n == 0 {
                    break;
                }
                text.extend_from_slice(&part[..n]);
            }
            assert_eq!(
                String::from_utf8(text).unwrap(),
                "a\u{fffd}b\u{fffd}c\u{fffd}"
            );
            assert_eq!(replaced.get(), 3);
        }
    }
}
