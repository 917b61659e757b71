//! What a mail's parts say, where their bytes are not in what the mail declares: mails without a
//! charset, or with one that their program was never told to set, are told by their bytes as files are. And what is
//! to be said of them.

use super::html;
use super::{Context, Format};
use crate::corpus::article::one_line;
use crate::corpus::decode::{Decoder, encoding_of, looks_binary};
use crate::corpus::inputs::Note;
use crate::guard::guarded;
use encoding_rs::{Encoding, UTF_8};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding as Transfer, Message, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;
use std::path::Path;

/// How far into a mail the end of its header is looked for, in bytes.
const LONGEST_HEADER: usize = 1 << 20;

/// What is said of all mails of an input.
#[derive(Default)]
pub(in crate::corpus) struct Remarks {
    /// The encodings that nothing declared.
    found: Vec<&'static str>,
    replaced: u64,
    /// Files that came with mails and could be read by themselves, and what the first is called.
    attached: u64,
    first: String,
}

impl Remarks {
    fn decode(&mut self, bytes: &[u8], declared: Option<&'static Encoding>) -> String {
        let mut decoder = Decoder::default();
        let text = decoder
            .decode_declared(bytes, declared.as_slice())
            .into_owned();
        self.count(&decoder, declared);
        text
    }

    fn count(&mut self, decoder: &Decoder, declared: Option<&'static Encoding>) {
        self.replaced += decoder.replaced();
        if let Some(found) = decoder.other_than_utf8()
            && declared.is_none_or(|declared| declared.name() != found)
            && !self.found.contains(&found)
        {
            self.found.push(found);
        }
    }

    /// Takes note of the files that came with a mail; pictures, calendars and signatures are none that are read, unless
    /// the mail has no other text. `bodies` says whether its text is that of its bodies, and not of any part, `text`
    /// whether it has any.
    pub(super) fn count_attached(&mut self, message: &Message<'_>, bodies: bool, text: bool) {
        let read = |id: &u32| message.text_body.contains(id) || message.html_body.contains(id);
        for id in message.attachments.iter().filter(|id| !read(id)) {
            let Some(part) = message.part(*id) else {
                continue;
            };
            let is_text = matches!(part.body, PartType::Text(_) | PartType::Html(_));
            if matches!(part.body, PartType::Message(_)) || is_text && !bodies {
                continue;
            }
            let Some(name) = part.attachment_name().map(one_line) else {
                continue;
            };
            if !text || Format::of(Path::new(&name)).is_some() {
                if self.attached == 0 {
                    self.first = name;
                }
                self.attached += 1;
            }
        }
    }

    /// Says what was found.
    pub(super) fn report(self, context: &mut Context<'_>) {
        context.report_encodings(self.found, self.replaced);
        let (n, first) = (self.attached, self.first);
        if n > 0 {
            let what = match n {
                1 => format!("the file {first:?} that came with a mail"),
                _ => format!("{n} files that came with mails, as {first:?}"),
            };
            context.sink.note(Note::Ignored {
                path: context.path.to_string(),
                what: format!("{what}; save what is to be read beside it"),
            });
        }
    }
}

/// Whether a charset is the one of mails that were to have no letters beyond it, which says nothing of
/// those that are there.
fn is_ascii(label: &str) -> bool {
    label.to_ascii_lowercase().contains("ascii")
}

/// The encoding that a mail's text is declared to be in.
fn declared_by(label: &str) -> Option<&'static Encoding> {
    (!is_ascii(label)).then(|| encoding_of(label)).flatten()
}

/// A mail whose header, where it has bytes that are no UTF-8, is given in UTF-8. What it declares of
/// its text counts for its header too, and so does what its text is in.
pub(super) fn header_as_utf8<'m>(mail: &'m [u8], remarks: &mut Remarks) -> Cow<'m, [u8]> {
    let near = &mail[..mail.len().min(LONGEST_HEADER)];
    let end = [&b"\n\n"[..], b"\n\r\n"]
        .iter()
        .filter_map(|blank| memchr::memmem::find(near, blank))
        .min();
    let (header, body) = mail.split_at(end.unwrap_or(near.len()));
    if std::str::from_utf8(header).is_ok() {
        return Cow::Borrowed(mail);
    }
    let lower = header.to_ascii_lowercase();
    let declared = memchr::memmem::find(&lower, b"charset=").and_then(|at| {
        let label = &lower[at + b"charset=".len()..];
        let label = label
            .split(|b| b.is_ascii_whitespace() || *b == b';')
            .next()?;
        declared_by(std::str::from_utf8(label).ok()?.trim_matches('"'))
    });
    let mut decoder = Decoder::default();
    let all = std::str::from_utf8(body).is_err();
    let encoding = decoder.settle(if all { mail } else { header }, declared.as_slice());
    remarks.count(&decoder, declared);
    let header = encoding.decode_without_bom_handling(header).0;
    Cow::Owned([header.as_bytes(), body].concat())
}

/// The bytes of a part as they were before they were made fit for sending.
pub(super) fn content<'m>(
    message: &'m Message<'_>,
    part: &MessagePart<'_>,
) -> Option<Cow<'m, [u8]>> {
    let (from, to) = (part.offset_body as usize, part.offset_end as usize);
    let raw = message.raw_message().get(from..to)?;
    guarded("a part of a mail", || match part.encoding {
        Transfer::None => Some(Cow::Borrowed(raw)),
        Transfer::QuotedPrintable => quoted_printable_decode(raw).map(Cow::Owned),
        Transfer::Base64 => base64_decode(raw).map(Cow::Owned),
    })
    .ok()
    .flatten()
}

/// The bytes of a part and what is declared of them, where these tell its text better than the
/// parser did, which reads them as declared or else as UTF-8.
pub(super) fn undecoded<'m>(
    message: &'m Message<'_>,
    part: &MessagePart<'_>,
    read: &str,
) -> Option<(Cow<'m, [u8]>, Option<&'static Encoding>)> {
    if read.is_ascii() {
        return None;
    }
    let label = part
        .content_type()
        .and_then(|kind| kind.attribute("charset"))
        .filter(|label| !is_ascii(label));
    let declared = label.and_then(declared_by);
    // What was read so without a fault is what decoding it once more would give.
    if declared == Some(UTF_8) && !read.contains(['\u{fffd}', '\u{feff}', '\0']) {
        return None;
    }
    // The parser knows some that the standard of the web leaves out; and what is not like ASCII
    // cannot be told by its bytes.
    let known = label.is_some() && declared.is_none_or(|e| !e.is_ascii_compatible());
    if known && !read.contains('\u{fffd}') {
        return None;
    }
    Some((content(message, part)?, declared))
}

/// The text of a part that the parser `read`.
pub(super) fn text<'m>(
    message: &'m Message<'_>,
    part: &MessagePart<'_>,
    read: &'m str,
    remarks: &mut Remarks,
) -> Cow<'m, str> {
    match undecoded(message, part, read) {
        Some((bytes, declared)) => Cow::Owned(remarks.decode(&bytes, declared)),
        None => Cow::Borrowed(read),
    }
}

/// A header in which neighbouring words of one code are one word: `=?utf-8?Q?=C3?= =?utf-8?Q?=B6?=`.
pub(super) fn joined_words(header: &str) -> String {
    /// A longer one, in bytes, is left as it is: each word moves all behind it.
    const LONGEST: usize = 16 << 10;
    let mut out = one_line(header);
    if out.len() > LONGEST {
        return out;
    }
    let mut from = 0;
    while let Some(at) = out[from..].find("?= =?").map(|at| from + at) {
        let begin = out[..at].rfind("=?").map(|begin| begin + 2);
        let next = at + "?= =?".len();
        // A charset and how it is written: `utf-8?Q?`.
        let code = |text: &str| Some(text.match_indices('?').nth(1)?.0 + 1);
        let joined = begin.and_then(|begin| {
            let first = code(&out[begin..at])?;
            let second = code(&out[next..])?;
            let same = out[begin..begin + first].eq_ignore_ascii_case(&out[next..next + second]);
            // In Base64, four letters are three bytes.
            let whole = out
                .as_bytes()
                .get(begin + first - 2)
                .is_some_and(|b| b.eq_ignore_ascii_case(&b'q'))
                || (at - begin - first) % 4 == 0 && !out[..at].ends_with('=');
            (same && whole).then_some(next + second)
        });
        match joined {
            Some(end) => out.replace_range(at..end, ""),
            None => from = next,
        }
    }
    out
}

/// Kinds of text that are nothing to read, or belong to another.
const NO_TEXT: [&str; 8] = [
    "calendar",
    "css",
    "csv",
    "directory",
    "javascript",
    "rfc822-headers",
    "vcard",
    "x-vcard",
];

/// The texts of a mail's parts where none of them is its text by the standard: programs call a text an
/// attachment, or by a type of their own (`text`, `text/markdown`), or by one that says nothing.
pub(super) fn of_any_part(message: &Message<'_>, remarks: &mut Remarks) -> String {
    let mut out = String::new();
    let mut add = |piece: &str| {
        out.push_str(piece);
        out.push_str("\n\n");
    };
    for part in &message.parts {
        let kind = part.content_type();
        let name = kind.and_then(|kind| kind.subtype()).unwrap_or_default();
        match &part.body {
            PartType::Text(_) if NO_TEXT.iter().any(|no| name.eq_ignore_ascii_case(no)) => {}
            PartType::Text(piece) if name.to_ascii_lowercase().ends_with("html") => {
                add(&html::block(&text(message, part, piece, remarks)));
            }
            PartType::Text(piece) => add(&text(message, part, piece, remarks)),
            PartType::Html(piece) => add(&html::block(&text(message, part, piece, remarks))),
            // One that the parser knows nothing of, if it is the mail itself.
            PartType::Binary(_) if message.parts.len() == 1 => {
                let bytes = content(message, part).unwrap_or_default();
                if !looks_binary(&bytes) {
                    add(&remarks.decode(&bytes, None));
                }
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::joined_words;

    #[test]
    fn words_of_one_code_are_joined() {
        for (header, joined) in [
            (
                " =?utf-8?Q?Die_Br=C3=BC?=\r\n =?utf-8?Q?cke_=C3?=\r\n =?UTF-8?q?=B6ffnet?=\r\n",
                "=?utf-8?Q?Die_Br=C3=BCcke_=C3=B6ffnet?=",
            ),
            (
                "=?utf-8?B?RGllIEJyw7xja2Ugw7Y=?= =?utf-8?B?eA==?=",
                "=?utf-8?B?RGllIEJyw7xja2Ugw7Y=?= =?utf-8?B?eA==?=",
            ),
            ("=?utf-8?B?RGll?= =?utf-8?B?eA==?=", "=?utf-8?B?RGlleA==?="),
            (
                "=?utf-8?Q?a?= =?iso-8859-1?Q?b?=",
                "=?utf-8?Q?a?= =?iso-8859-1?Q?b?=",
            ),
            ("?= =? ?= =?x", "?= =? ?= =?x"),
            ("plain", "plain"),
        ] {
            assert_eq!(joined_words(header), joined);
        }
    }
}
