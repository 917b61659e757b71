//! PDF files that hold text: paragraphs of all pages, and title, author and date from their properties.
//!
//! The parser is another crate's, which panics on some files; it runs behind a border, on a document that
//! was looked through before for what would have no end.

use super::Context;
use crate::error::Result;
use std::fs::File;

/// The largest PDF file that is read, in bytes: it is held in memory as a whole.
#[cfg(feature = "documents")]
const LARGEST: u64 = 256 << 20;

#[cfg(not(feature = "documents"))]
pub(super) fn read(_: File, context: &mut Context<'_>) -> Result<()> {
    context.bad(
        None,
        "a PDF file, which this build does not read; save it as text",
    )
}

#[cfg(feature = "documents")]
pub(super) fn read(mut file: File, context: &mut Context<'_>) -> Result<()> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|e| crate::error::Error::io(context.path, e))?;
    if bytes.len() as u64 > LARGEST {
        return context.bad(
            None,
            "a PDF file larger than 256 MiB; split it, or save it as text",
        );
    }
    // Offsets count from the header, which mail gateways and servers put something before.
    let header = bytes.windows(5).take(1024).position(|w| w == b"%PDF-");
    match document::read(&bytes[header.unwrap_or(0)..]) {
        Ok((mut article, unread)) => {
            if let Some(what) = unread {
                context.sink.note(super::Note::Ignored {
                    path: context.path.to_string(),
                    what,
                });
            }
            article.id = context.file_id.clone();
            article.origin = context.origin.to_string();
            context.sink.article(article)
        }
        Err(message) => context.bad(None, message),
    }
}

#[cfg(feature = "documents")]
mod document {
    use crate::corpus::article::{Article, is_blank, one_line, split_title, tidy};
    use crate::corpus::dates::parse_date;
    use crate::corpus::formats::LONGEST;
    use crate::corpus::formats::pdf_bounds::{
        drop_pictures, forms_end, page_ends, unpacks_to_too_much,
    };
    use crate::corpus::formats::running_heads;
    use crate::guard;
    use pdf_extract::{
        ColorSpace, Document, MediaBox, Object, OutputDev, OutputError, Path, PlainTextOutput,
        Transform, output_doc_page,
    };
    use serde_json::Value;
    use std::collections::{HashMap, HashSet};

    /// How many pages are read.
    const PAGES: usize = 10_000;

    /// Characters and shapes of one page.
    const MARKS: u64 = 10_000_000;

    /// What the PDF library gives; `None` where it panics.
    fn guarded<T>(f: impl FnOnce() -> T) -> Option<T> {
        guard::guarded("a PDF file", f).ok()
    }

    /// The article, and what of the file could not be read.
    pub(super) fn read(bytes: &[u8]) -> Result<(Article, Option<String>), String> {
        if unpacks_to_too_much(bytes) {
            return Err("a PDF file that unpacks to more than 200 times its size".to_string());
        }
        let damaged = |e: &dyn std::fmt::Display| format!("not a readable PDF file ({e})");
        let mut document = match guarded(|| Document::load_mem(bytes)) {
            Some(Ok(document)) => document,
            Some(Err(e)) if e.to_string().to_lowercase().contains("password") => {
                return Err(ENCRYPTED.into());
            }
            Some(Err(e)) => return Err(damaged(&e)),
            None => return Err(damaged(&"its parts contradict each other")),
        };
        if document.is_encrypted() {
            match guarded(|| document.decrypt("")) {
                Some(Ok(())) => {}
                _ => return Err(ENCRYPTED.to_string()),
            }
        }
        let pictures = drop_pictures(&mut document);
        let pages = guarded(|| document.get_pages()).unwrap_or_default();
        if pages.is_empty() {
            return Err("a PDF file without a page that can be read".to_string());
        }
        let (total, mut failed, mut length) = (pages.len(), 0usize, 0usize);
        let mut texts = Vec::new();
        let mut lengths = HashMap::new();
        let drawable = guarded(|| forms_end(&document)).unwrap_or(false);
        for (number, page) in pages.into_iter().take(PAGES) {
            let safe =
                drawable && guarded(|| page_ends(&document, page, &mut lengths)).unwrap_or(false);
            let mut piece = String::new();
            let read = safe
                && guarded(|| {
                    let mut output = Limited {
                        inner: PlainTextOutput::new(&mut piece),
                        marks: 0,
                    };
                    output_doc_page(&document, &mut output, number)
                })
                .is_some_and(|outcome| outcome.is_ok());
            failed += usize::from(!read);
            length += piece.len();
            texts.push(piece);
            if length as u64 > LONGEST {
                return Err(
                    "a PDF file with more than 64 MiB of text, which is no one article".to_string(),
                );
            }
        }
        failed += total.saturating_sub(PAGES);
        let text = tidy(&running_heads::without(&texts).join("\n\n"));
        if is_blank(&text) {
            return Err(match (failed == total, pictures) {
                (true, _) => damaged(&"no page of it can be read"),
                (_, true) => "a PDF file without text: its pages are pictures; make their text readable (OCR) first".to_string(),
                _ => "a PDF file without text".to_string(),
            });
        }
        let unread =
            (failed > 0).then(|| format!("{failed} of its {total} pages, which cannot be read"));
        Ok((article(&document, &text), unread))
    }

    const ENCRYPTED: &str = "an encrypted PDF file; save it without a password";

    /// The article of a text that stands in lines, as on its pages.
    fn article(document: &Document, text: &str) -> Article {
        let property = |name: &str| guarded(|| information(document, name)).flatten();
        let mut article = Article::default();
        let title = property("Title").map(|title| {
            let title = title.trim_start_matches("Microsoft Word - ");
            title.to_string()
        });
        // What a program made of a file's name is no title.
        match title.filter(|t| t.contains(' ') || !t.contains(['.', '_', '\\', '/'])) {
            Some(title) if !title.is_empty() && !title.eq_ignore_ascii_case("untitled") => {
                let rest = flowing(behind_title(text, &title).unwrap_or_default());
                article.text = if rest.is_empty() { flowing(text) } else { rest };
                article.title = title;
            }
            _ => {
                (article.title, article.text) = split_title(&flowing(text));
                article.title = one_line(&article.title);
            }
        }
        article.date = property("CreationDate").and_then(|d| date(&d));
        if let Some(author) = property("Author") {
            article
                .meta
                .insert("author".to_string(), Value::String(author));
        }
        article
    }

    /// What stands behind a title, where a text begins with it: in one line or some, and nothing else in
    /// the last of them.
    fn behind_title<'t>(text: &'t str, title: &str) -> Option<&'t str> {
        let mut wanted = title.split_whitespace();
        let mut rest = text.trim_start();
        loop {
            let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
            for word in line.split_whitespace() {
                if wanted.next() != Some(word) {
                    return None;
                }
            }
            if wanted.clone().next().is_none() {
                return Some(behind);
            }
            if behind.is_empty() {
                return None;
            }
            rest = behind;
        }
    }

    /// An entry of the document's information.
    fn information(document: &Document, name: &str) -> Option<String> {
        let information = document.trailer.get(b"Info").ok()?;
        let (_, information) = document.dereference(information).ok()?;
        let (_, value) = document
            .dereference(information.as_dict().ok()?.get(name.as_bytes()).ok()?)
            .ok()?;
        let Object::String(bytes, _) = value else {
            return None;
        };
        let text = match bytes.as_slice() {
            [0xfe, 0xff, rest @ ..] => encoding_rs::UTF_16BE.decode_without_bom_handling(rest).0,
            [0xff, 0xfe, rest @ ..] => encoding_rs::UTF_16LE.decode_without_bom_handling(rest).0,
            [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
            // PDF's own encoding is Latin-1 in nearly all letters.
            other => match std::str::from_utf8(other) {
                Ok(text) => text.into(),
                Err(_) => {
                    encoding_rs::WINDOWS_1252
                        .decode_without_bom_handling(other)
                        .0
                }
            },
        };
        Some(one_line(&text)).filter(|text| !text.is_empty())
    }

    /// A date as PDF writes it: `D:20240503081112+02'00'`.
    fn date(text: &str) -> Option<String> {
        let digits = text.strip_prefix("D:").unwrap_or(text);
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let (time, zone) = digits.split_at(end);
        if time.len() < 8 {
            return None;
        }
        let day = format!("{}-{}-{}", &time[..4], &time[4..6], &time[6..8]);
        if time.len() < 14 {
            return parse_date(&day);
        }
        let zone: String = zone.chars().filter(|c| *c != '\'').take(5).collect();
        let zone = match zone.split_at_checked(3) {
            Some((hours, minutes)) if minutes.len() == 2 => format!("{hours}:{minutes}"),
            _ => "Z".to_string(),
        };
        let clock = format!("{}:{}:{}", &time[8..10], &time[10..12], &time[12..14]);
        parse_date(&format!("{day}T{clock}{zone}")).or_else(|| parse_date(&day))
    }

    /// Words before a hyphen that is nearly always their own.
    const COMPOUNDS: [&str; 2] = ["well", "self"];

    /// Lines of pages as paragraphs: lines are joined, words divided at a line's end made whole.
    fn flowing(text: &str) -> String {
        // What the text writes with a hyphen within a line has it at a line's end, too.
        let plain = |word: &str| {
            word.trim_matches(|c: char| !c.is_alphanumeric())
                .to_lowercase()
        };
        let joined: HashSet<String> = text
            .split_whitespace()
            .filter(|word| word.contains('-'))
            .map(plain)
            .filter(|word| word.contains('-'))
            .collect();
        let hyphenated = |before: &str, line: &str| {
            let first = plain(
                before
                    .rsplit(char::is_whitespace)
                    .next()
                    .unwrap_or_default(),
            );
            let second = plain(line.split_whitespace().next().unwrap_or_default());
            COMPOUNDS.contains(&first.as_str()) || joined.contains(&format!("{first}-{second}"))
        };
        let mut out = String::with_capacity(text.len());
        for line in text.lines().map(str::trim) {
            if line.is_empty() {
                let end = out.trim_end().len();
                out.truncate(end);
                if !out.is_empty() {
                    out.push_str("\n\n");
                }
                continue;
            }
            if out.is_empty() || out.ends_with('\n') {
                out.push_str(line);
                continue;
            }
            let divided = out.ends_with('-')
                && out[..out.len() - 1].ends_with(char::is_alphabetic)
                && line.starts_with(char::is_lowercase);
            if divided && hyphenated(&out, line) {
                // It goes on without a blank.
            } else if divided || out.ends_with('\u{ad}') {
                out.pop();
            } else {
                out.push(' ');
            }
            out.push_str(line);
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// Passes a page's text on, up to a bound.
    struct Limited<D> {
        inner: D,
        marks: u64,
    }

    impl<D> Limited<D> {
        fn mark(&mut self) -> Result<(), OutputError> {
            self.marks += 1;
            if self.marks > MARKS {
                return Err(OutputError::FormatError(std::fmt::Error));
            }
            Ok(())
        }
    }

    impl<D: OutputDev> OutputDev for Limited<D> {
        fn begin_page(
            &mut self,
            number: u32,
            media: &MediaBox,
            art: Option<(f64, f64, f64, f64)>,
        ) -> Result<(), OutputError> {
            self.inner.begin_page(number, media, art)
        }

        fn end_page(&mut self) -> Result<(), OutputError> {
            self.inner.end_page()
        }

        fn output_character(
            &mut self,
            transform: &Transform,
            width: f64,
            spacing: f64,
            size: f64,
            text: &str,
        ) -> Result<(), OutputError> {
            self.mark()?;
            self.inner
                .output_character(transform, width, spacing, size, text)
        }

        fn begin_word(&mut self) -> Result<(), OutputError> {
            self.mark()?;
            self.inner.begin_word()
        }

        fn end_word(&mut self) -> Result<(), OutputError> {
            self.inner.end_word()
        }

        fn end_line(&mut self) -> Result<(), OutputError> {
            self.inner.end_line()
        }

        fn stroke(
            &mut self,
            _: &Transform,
            _: &ColorSpace,
            _: &[f64],
            _: &Path,
        ) -> Result<(), OutputError> {
            self.mark()
        }

        fn fill(
            &mut self,
            _: &Transform,
            _: &ColorSpace,
            _: &[f64],
            _: &Path,
        ) -> Result<(), OutputError> {
            self.mark()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn dates() {
            assert_eq!(
                date("D:20240503101112+02'00'").as_deref(),
                Some("2024-05-03T08:11:12")
            );
            assert_eq!(
                date("D:20240503101112Z").as_deref(),
                Some("2024-05-03T10:11:12")
            );
            assert_eq!(date("D:20240503").as_deref(), Some("2024-05-03"));
            assert_eq!(date("yesterday"), None);
        }

        #[test]
        fn a_title_is_whole_lines() {
            assert_eq!(
                behind_title("Ann Lee\n\nsaid it", "Ann Lee"),
                Some("\nsaid it")
            );
            assert_eq!(behind_title("Ann\nLee\nsaid", "Ann  Lee"), Some("said"));
            assert_eq!(behind_title("Ann Lee", "Ann Lee"), Some(""));
            assert_eq!(behind_title("Ann Lee said it.", "Ann Lee"), None);
            assert_eq!(behind_title("Ann\nLee said it.", "Ann Lee"), None);
            assert_eq!(behind_title("Ann", "Ann Lee"), None);
        }

        #[test]
        fn lines_become_paragraphs() {
            assert_eq!(
                flowing("The infor-\nmation is\nhere.\n\n\nNext one"),
                "The information is here.\n\nNext one"
            );
            assert_eq!(
                flowing(
                    "The well-\nknown, long-\nterm plan. A long-term plan is a far-\nther one."
                ),
                "The well-known, long-term plan. A long-term plan is a farther one."
            );
        }
    }
}
