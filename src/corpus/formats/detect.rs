//! What a file is, told by its first bytes.

use super::Format;
use super::foreign::{self, Foreign};
use super::records::Syntax;
use super::subtitles;
use crate::corpus::decode::{looks_binary, lossy};
use encoding_rs::Encoding;
use std::borrow::Cow;

/// How many bytes tell a format.
pub(super) const HEAD: usize = 64 << 10;

/// What is said of a page that has the name of data.
fn page_of(named: Format) -> String {
    format!(
        "a page of HTML, not the {} that its name says (a server's answer?); rename it if it is an article",
        named.name()
    )
}

/// Whether a page in place of what a file's name says is a server's answer, such as of an error or to log in,
/// and not the article: names of pages and of texts may be an article's page.
fn is_answer(named: Format, name: &str, head: &[u8]) -> bool {
    // XHTML is XML, and begins as such.
    let xhtml = || name.contains(".xml") && text(head).trim_start().starts_with("<?xml");
    !(named.may_be_a_page() || named == Format::Feed && xhtml())
}

/// How many lines of a text are looked at.
const LINES: usize = 200;

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Content {
    /// This format and no other.
    Is(Format),
    /// Text that looks like this format, if the name does not say otherwise.
    Like(Format),
    /// Something that is not read, and has a name.
    Foreign(&'static Foreign),
    /// Text of no particular form.
    Text,
    /// Bytes that are no text, of an unknown kind.
    Binary,
}

/// The format to read a file as.
///
/// `given` is what the user says, `named` what the file's name says. A name gives way to contents that
/// are certainly something else; what the user says gives way only to an archive, whose members it is then
/// said of, and to what no reader of text can read.
///
/// # Errors
/// The file is of a kind that is not read; the message names it and the way out.
pub(super) fn format(
    given: Option<Format>,
    named: Option<Format>,
    name: &str,
    head: &[u8],
) -> Result<Format, String> {
    let content = of(head);
    match (given, named, content) {
        (Some(given), _, Content::Is(archive))
            if archive.is_archive() && given != Format::Docx && !given.is_archive() =>
        {
            Ok(archive)
        }
        (_, _, Content::Foreign(foreign)) if foreign.certain => Err(foreign.message()),
        (Some(given), ..) => Ok(given),
        (_, Some(named), Content::Foreign(foreign)) if foreign.data && named.may_be_a_page() => {
            Err(foreign.message())
        }
        // All of these are read by one reader, which looks closer.
        (_, Some(Format::Docx), Content::Is(Format::Zip)) => Ok(Format::Docx),
        (_, Some(Format::Jsonl), Content::Is(Format::Json)) => Ok(Format::Jsonl),
        (_, Some(Format::Pdf), Content::Is(Format::Email | Format::Html)) if pdf_within(head) => {
            Ok(Format::Pdf)
        }
        // Data that the file held before may be known, and are not gone.
        (_, Some(named), Content::Is(Format::Html)) if is_answer(named, name, head) => {
            Err(page_of(named))
        }
        (_, Some(Format::Email), Content::Like(Format::Html)) => Err(page_of(Format::Email)),
        (_, _, Content::Is(format)) => Ok(format),
        (_, Some(Format::Text), Content::Like(table @ Format::Tsv)) => Ok(table),
        (_, Some(named), _) => Ok(named),
        (_, _, Content::Like(format)) => Ok(format),
        (_, _, Content::Foreign(foreign)) => Err(foreign.message()),
        (_, _, Content::Text) => match foreign::by_name(name) {
            Some(foreign) => Err(foreign.message()),
            None => Ok(Format::Text),
        },
        (_, _, Content::Binary) => Err(format!(
            "a binary file of no known format; {}",
            Format::list()
        )),
    }
}

/// What the first bytes of a file say.
pub(super) fn of(head: &[u8]) -> Content {
    if let Some(content) = by_signature(head) {
        return content;
    }
    if looks_binary(head) {
        return if pdf_within(head) {
            Content::Is(Format::Pdf)
        } else {
            Content::Binary
        };
    }
    let text = text(head);
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if text.starts_with('<') {
        markup(text)
    } else if let Some(content) = mail(text).or_else(|| json(text)).or_else(|| tweets(text)) {
        content
    } else if Syntax::of(text).is_some() {
        Content::Is(Format::Records)
    } else if subtitles::is_one(text) {
        Content::Is(Format::Subtitles)
    } else if let Some(foreign) = foreign::by_text(text) {
        Content::Foreign(foreign)
    } else if let Some(format) = table(text).or_else(|| markdown(text)) {
        Content::Like(format)
    } else if pdf_lines(head) {
        Content::Like(Format::Pdf)
    } else if is_code(text) {
        Content::Foreign(&foreign::CODE)
    } else {
        Content::Text
    }
}

fn by_signature(head: &[u8]) -> Option<Content> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(Content::Is(Format::Zip));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(Content::Is(Format::Tar));
    }
    if head.starts_with(b"PAR1") {
        return Some(Content::Is(Format::Parquet));
    }
    if head.starts_with(b"WARC/") {
        return Some(Content::Is(Format::Warc));
    }
    if head.starts_with(PDF) {
        return Some(Content::Is(Format::Pdf));
    }
    foreign::by_signature(head).map(Content::Foreign)
}

/// What a PDF file begins with.
const PDF: &[u8] = b"%PDF-";

/// How far into a file readers of PDF look for its beginning: mail gateways and servers put something
/// before it.
const PDF_WITHIN: usize = 1024;

/// Whether a PDF file begins somewhere in the first bytes. Archives and texts may hold that beginning as
/// well, so it tells nothing of what may be one of these.
fn pdf_within(head: &[u8]) -> bool {
    let head = &head[..head.len().min(PDF_WITHIN + PDF.len())];
    memchr::memmem::find(head, PDF).is_some()
}

/// Whether a text has the first two lines of a PDF file in it, which all such files have: its version,
/// then bytes that say that it is binary, or its first object.
fn pdf_lines(head: &[u8]) -> bool {
    if memchr::memmem::find(head, PDF).is_none() {
        return false;
    }
    let mut lines = head.split(|b| matches!(b, b'\n' | b'\r')).skip(1);
    let mut before = 0;
    while let Some(line) = lines.next() {
        before += line.len() + 1;
        let version = line.strip_prefix(PDF).map(<[u8]>::trim_ascii_end);
        if before > PDF_WITHIN + PDF.len() {
            return false;
        }
        if version.is_some_and(|v| v.len() == 3 && v[0].is_ascii_digit() && v[1] == b'.') {
            let next = lines.find(|line| !line.is_empty()).unwrap_or_default();
            let object = next.ends_with(b" obj") && next[0].is_ascii_digit();
            return object || (next.starts_with(b"%") && !next.is_ascii());
        }
    }
    false
}

/// The bytes as text, near enough to look at. UTF-16 is known by its mark.
fn text(head: &[u8]) -> Cow<'_, str> {
    match Encoding::for_bom(head) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&head[mark..]).0,
        None => lossy(head),
    }
}

/// The beginning in lower case, to compare names with.
fn lower(text: &str) -> String {
    foreign::beginning(text, 4096).to_ascii_lowercase()
}

/// HTML, feeds and SGML by their first elements.
fn markup(text: &str) -> Content {
    let text = lower(text);
    if text.starts_with("<?php") {
        return Content::Foreign(&foreign::CODE);
    }
    let xml = text.starts_with("<?xml");
    let mut rest = text.as_str();
    // Past declarations, comments and processing instructions, to the first element.
    while let Some(after) = rest.strip_prefix('<') {
        if after.starts_with("!doctype html") {
            return Content::Is(Format::Html);
        }
        if after.starts_with("!doctype lewis") {
            return Content::Is(Format::Sgml);
        }
        let end = if after.starts_with("!--") {
            after.find("-->").map(|i| i + 3)
        } else if after.starts_with(['!', '?']) {
            after.find('>').map(|i| i + 1)
        } else {
            break;
        };
        match end {
            Some(end) => rest = after[end..].trim_start(),
            None => break,
        }
    }
    let element: String = rest
        .trim_start_matches('<')
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_'))
        .collect();
    let local = element.rsplit(':').next().unwrap_or(&element);
    match local {
        "html" => Content::Is(Format::Html),
        "rss" | "feed" => Content::Is(Format::Feed),
        "rdf" if text.contains("purl.org/rss") => Content::Is(Format::Feed),
        "mediawiki" => Content::Is(Format::Wiki),
        "reuters" => Content::Is(Format::Sgml),
        "doc" if text.contains("<docno>") || text.contains("<docid>") => Content::Is(Format::Sgml),
        // WikiExtractor's, and newswire of the Linguistic Data Consortium.
        "doc" if !xml && rest.starts_with("<doc id=\"") => Content::Is(Format::Sgml),
        "nitf" | "newsml" | "newsitem" | "tei" | "teicorpus" | "tmx" | "urlset"
        | "sitemapindex" | "opml" => Content::Foreign(&foreign::XML),
        "svg" => Content::Foreign(&foreign::IMAGE),
        _ if xml => Content::Foreign(&foreign::XML),
        "head" | "body" | "title" | "meta" | "link" | "script" | "style" | "div" | "p"
        | "article" | "section" | "main" | "header" | "h1" | "h2" | "h3" | "table" | "span"
        | "center" | "ul" | "ol" | "a" | "b" | "i" | "em" | "strong" | "blockquote" => {
            Content::Like(Format::Html)
        }
        _ => Content::Text,
    }
}

/// An e-mail, a mailbox or a saved page: its first lines are header fields that mails have.
fn mail(text: &str) -> Option<Content> {
    // Apple's program writes a mail's length in front of it.
    let counted = text.split_once('\n').filter(|(first, _)| {
        let first = first.trim();
        !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit())
    });
    let text = counted.map_or(text, |(_, mail)| mail);
    let mut lines = text.lines();
    let mailbox = text.starts_with("From ") && {
        lines.next();
        true
    };
    let mut names = Vec::new();
    let mut related = false;
    for line in lines.take(LINES) {
        let line = line.to_ascii_lowercase();
        related |= line.contains("multipart/related");
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else {
            break;
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            break;
        }
        names.push(name.to_string());
    }
    let any = |wanted: &[&str]| names.iter().any(|n| wanted.contains(&n.as_str()));
    if any(&["snapshot-content-location"]) || (related && any(&["mime-version"]) && !mailbox) {
        return Some(Content::Is(Format::Mhtml));
    }
    let certain = any(&["message-id", "mime-version", "received", "return-path"]);
    let usual = any(&["from", "subject", "date"]);
    // With few fields, an address tells a mail from a play.
    let fields = names.len();
    let from = text.lines().take(fields).any(|line| {
        let line = line.to_ascii_lowercase();
        (line.starts_with("from:") || line.starts_with("to:")) && line.contains('@')
    });
    let ended = text
        .lines()
        .nth(fields)
        .is_some_and(|line| line.trim().is_empty());
    let plain = from && ended && fields >= 2 && any(&["from"]) && any(&["subject", "date", "to"]);
    let certain = certain || plain;
    match (mailbox, certain && usual, usual && names.len() >= 2) {
        (true, _, true) => Some(Content::Is(Format::Mbox)),
        (false, true, _) => Some(Content::Is(Format::Email)),
        _ => None,
    }
}

/// JSON: an object, or an array of objects; certain if what is there of it parses.
fn json(text: &str) -> Option<Content> {
    // What begins each of a sequence of texts (RFC 7464).
    let text = text.trim_start_matches('\u{1e}');
    let inner = match text.strip_prefix('[') {
        Some(inner) => inner.trim_start(),
        None => text,
    };
    let key = inner.strip_prefix('{')?.trim_start().strip_prefix('"')?;
    let after = key.split_once('"')?.1.trim_start();
    if !after.starts_with(':') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => {
            // Of front matter, a text follows the object.
            let rest = text[values.byte_offset()..].trim_start();
            let goes_on = rest.is_empty() || rest.starts_with(['{', '[', ',', ';', ')', '\u{1e}']);
            Some(if goes_on {
                Content::Is(Format::Json)
            } else {
                Content::Like(Format::Json)
            })
        }
        // Cut at the end of what was looked at.
        Some(Err(e)) if e.is_eof() && text.len() > HEAD / 2 => Some(Content::Is(Format::Json)),
        _ => Some(Content::Like(Format::Json)),
    }
}

/// A file of posts in an archive of Twitter, whose program reads them as assignments:
/// `window.YTD.tweets.part0 = [`. The archive's other files hold no texts.
fn tweets(text: &str) -> Option<Content> {
    const OF_TEXTS: [&str; 6] = [
        "tweet",
        "tweets",
        "note_tweet",
        "community_tweet",
        "deleted_tweets",
        "like",
    ];
    let (name, rest) = text.strip_prefix("window.YTD.")?.split_once('.')?;
    let (_, list) = rest.split_once('=')?;
    (OF_TEXTS.contains(&name) && list.trim_start().starts_with('['))
        .then_some(Content::Is(Format::Json))
}

/// A table with a header: rows of as many fields as it, and a header of short, different names.
fn table(text: &str) -> Option<Format> {
    // A last line that may be cut says nothing.
    let complete = if text.len() > HEAD / 2 {
        &text[..text.rfind('\n')?]
    } else {
        text
    };
    [b',', b'\t', b';', b'|'].into_iter().find_map(|separator| {
        // Making a parser of tables takes longer than reading a short text.
        let (first, _) = complete.split_once('\n')?;
        if !first.as_bytes().contains(&separator) {
            return None;
        }
        let unquoted = !first.contains('"');
        if unquoted && !first.split(char::from(separator)).all(is_name) {
            return None;
        }
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(complete.as_bytes())
            .into_records();
        let header = rows.next()?.ok()?;
        let distinct = header.iter().enumerate().all(|(i, name)| {
            is_name(name) && !header.iter().take(i.min(64)).any(|other| other == name)
        });
        if header.len() < 2 || !distinct {
            return None;
        }
        let mut count = 0;
        for row in rows.take(LINES) {
            if row.ok()?.len() != header.len() {
                return None;
            }
            count += 1;
        }
        // Two lines of prose may have as many commas; then no name of a column has a blank in it.
        let sure = count >= 2 || (count == 1 && !header.iter().any(|n| n.trim().contains(' ')));
        let format = if separator == b'\t' {
            Format::Tsv
        } else {
            Format::Csv
        };
        sure.then_some(format)
    })
}

/// Whether it may be the name of a column.
fn is_name(name: &str) -> bool {
    let name = name.trim_end_matches('\r');
    let words = name.split_whitespace().count();
    (1..=3).contains(&words)
        && name.len() <= 40
        && !name.ends_with(['.', '!', '?'])
        && name.parse::<f64>().is_err()
}

/// Markdown with front matter, or with headings.
fn markdown(text: &str) -> Option<Format> {
    let fenced = ["---\n", "---\r\n", "+++\n"]
        .iter()
        .find_map(|fence| text.strip_prefix(fence))
        .is_some_and(|rest| {
            let first = rest.lines().next().unwrap_or("");
            first.contains([':', '=']) && (rest.contains("\n---") || rest.contains("\n+++"))
        });
    let headed = text.starts_with("# ") && (text.contains("\n## ") || text.contains("]("));
    (fenced || headed).then_some(Format::Markdown)
}

/// Whether most lines look like those of a program.
fn is_code(text: &str) -> bool {
    if text.starts_with("#!") {
        return true;
    }
    const BEGINNINGS: [&str; 25] = [
        "import ",
        "from ",
        "def ",
        "class ",
        "return ",
        "#include",
        "#define",
        "//",
        "/*",
        "package ",
        "using ",
        "const ",
        "let ",
        "var ",
        "fn ",
        "pub ",
        "use ",
        "public ",
        "private ",
        "static ",
        "function ",
        "if (",
        "for (",
        "while (",
        "@",
    ];
    let (mut lines, mut code) = (0, 0);
    for line in text.lines().take(LINES).map(str::trim) {
        if line.is_empty() {
            continue;
        }
        lines += 1;
        let ends =
            || line.ends_with([';', '{', '}']) || line.ends_with("):") || line.ends_with("*/");
        let begins = || BEGINNINGS.iter().any(|word| line.starts_with(word));
        let prose = || line.ends_with(['.', '!', '?', ',']) && line.split_whitespace().count() > 8;
        code += usize::from((begins() || ends()) && !prose());
    }
    lines >= 3 && code * 2 > lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(text: &str) -> Content {
        of(text.as_bytes())
    }

    #[test]
    fn text_formats() {
        use Content::{Is, Like};
        for (text, content) in [
            ("<!DOCTYPE html><p>x", Is(Format::Html)),
            ("\u{feff}<!-- saved -->\n<HTML><body>", Is(Format::Html)),
            ("<p>One.</p>", Like(Format::Html)),
            (
                "<?xml version=\"1.0\"?>\n<!-- x --><rss version=\"2.0\">",
                Is(Format::Feed),
            ),
            (
                "<feed xmlns=\"http://www.w3.org/2005/Atom\">",
                Is(Format::Feed),
            ),
            (
                "<!DOCTYPE lewis SYSTEM \"lewis.dtd\">\n<REUTERS ",
                Is(Format::Sgml),
            ),
            ("{\"title\": \"T\", \"text\": \"x\"}\n", Is(Format::Json)),
            ("[\n {\"text\": \"x\"}]", Is(Format::Json)),
            (
                "\u{1e}{\"text\": \"x\"}\n\u{1e}{\"text\": \"y\"}\n",
                Is(Format::Json),
            ),
            (
                "window.YTD.tweets.part0 = [ {\n  \"tweet\" : {",
                Is(Format::Json),
            ),
            ("{\"a\": NaN}", Like(Format::Json)),
            ("id,title,text\n1,A,\"x, y\"\n", Like(Format::Csv)),
            ("id;title;text\n1;A;x\n2;B;y\n", Like(Format::Csv)),
            ("id\ttitle\n1\tA\n", Like(Format::Tsv)),
            (
                "From: a@example.org\nSubject: S\nMessage-ID: <1>\n\nText",
                Is(Format::Email),
            ),
            (
                "From a@example.org Mon Jan  1\nFrom: a@example.org\nSubject: S\n\nText",
                Is(Format::Mbox),
            ),
            (
                "From: <Saved by Blink>\nSnapshot-Content-Location: https://example.org/\nMIME-Version: 1.0\n",
                Is(Format::Mhtml),
            ),
            ("---\ntitle: T\n---\nText", Like(Format::Markdown)),
            ("WARC/1.0\r\nWARC-Type: response\r\n", Is(Format::Warc)),
        ] {
            assert_eq!(is(text), content, "{text}");
        }
    }

    #[test]
    fn the_beginning_of_a_pdf_file_within_another_is_not_its_own() {
        let pdf = |named, head: &[u8]| format(None, named, "x", head) == Ok(Format::Pdf);
        let body = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n\0\x01\x02\x03\x04";
        let behind = |before: &[u8], body: &[u8]| [before, body].concat();
        assert!(pdf(None, body));
        assert!(pdf(Some(Format::Text), body));
        // Something before it, as servers put it there.
        assert!(pdf(None, &behind(b"HTTP/1.1 200 OK\r\n\r\n", body)));
        let plain = behind(b"X-Sent: yes\n\n", b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\n");
        assert!(pdf(None, &plain));
        assert!(pdf(Some(Format::Pdf), &plain));
        // Others that hold one, or speak of one.
        let mut tar = vec![0; 512];
        tar[..5].copy_from_slice(b"a.pdf");
        tar[257..262].copy_from_slice(b"ustar");
        for other in [
            behind(b"PK\x03\x04\x0a\0\0\0\0\0", body),
            behind(&tar, body),
            behind(b"WARC/1.0\r\nWARC-Type: resource\r\n\r\n", body),
            b"Files begin with %PDF-1.4 mostly.\n\nMany have %PDF-1.7 there.".to_vec(),
            b"id,text\n1,It begins with %PDF-1.4 always\n".to_vec(),
            b"<html><p>It begins with %PDF-1.4 always".to_vec(),
            b"{\"text\": \"It begins with\\n%PDF-1.4\\n\"}".to_vec(),
        ] {
            assert!(!pdf(None, &other), "{}", other.escape_ascii());
        }
    }

    #[test]
    fn prose_is_prose() {
        for text in [
            "A title\n\nA text of two\nlines, and more.\n",
            "Bread, butter and jam, she said.\nMilk, tea and cake, he said.\n",
            "{curly} braces begin this text.",
            "[1] A reference\n[2] Another",
            "From here on, all is text.\nIt goes on: so it does.\n",
            "Note: this is no header.\nIt is a text.",
            "import duties rise again this year, says the minister.\nThe market waits.\nNothing happens.\n",
            "<3 is what they wrote below the picture.",
        ] {
            assert_eq!(is(text), Content::Text, "{text}");
        }
    }

    #[test]
    fn what_is_not_read_has_a_name() {
        for (bytes, name) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "an image"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "Office"),
            (b"\x7fELF\x02\x01", "a program"),
            (b"{\\rtf1\\ansi Text", "RTF"),
            (b"SQLite format 3\0", "SQLite"),
            (
                b"#include <stdio.h>\nint main(void) {\n  return 0;\n}\n",
                "source code",
            ),
            (b"\\documentclass{article}\n\\begin{document}", "LaTeX"),
            (b"<?xml version='1.0'?><note><to>x</to></note>", "XML"),
        ] {
            let Content::Foreign(foreign) = of(bytes) else {
                panic!("{name}: {:?}", of(bytes));
            };
            assert!(foreign.message().contains(name), "{}", foreign.message());
        }
    }

    #[test]
    fn a_name_gives_way_to_what_is_certain() {
        let pick = |named, head: &[u8]| format(None, Some(named), "x", head);
        assert_eq!(pick(Format::Text, b"%PDF-1.4\n"), Ok(Format::Pdf));
        assert_eq!(pick(Format::Csv, b"{\"text\": \"x\"}"), Ok(Format::Json));
        assert_eq!(pick(Format::Text, b"{\"text\": she said"), Ok(Format::Text));
        assert_eq!(pick(Format::Text, b"id,text\n1,x\n"), Ok(Format::Text));
        assert_eq!(pick(Format::Text, b"#!/bin/sh\n"), Ok(Format::Text));
        assert_eq!(pick(Format::Text, b"<!doctype html>"), Ok(Format::Html));
        for data in [
            Format::Csv,
            Format::Tsv,
            Format::Jsonl,
            Format::Parquet,
            Format::Feed,
            Format::Email,
            Format::Mbox,
            Format::Docx,
            Format::Pdf,
            Format::Warc,
            Format::Sgml,
            Format::Zip,
            Format::Tar,
        ] {
            assert_eq!(pick(data, b"<!doctype html>"), Err(page_of(data)));
        }
        assert_eq!(pick(Format::Markdown, b"<!doctype html>"), Ok(Format::Html));
        let page = b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>";
        let xhtml = |name| format(None, Some(Format::Feed), name, page);
        assert_eq!(xhtml("x.xml"), Ok(Format::Html));
        assert!(xhtml("x.rss").is_err());
        assert!(pick(Format::Text, b"\x89PNG\r\n\x1a\n").is_err());
        let said = format(Some(Format::Text), None, "x.py", b"#!/usr/bin/python\n");
        assert_eq!(said, Ok(Format::Text));
        assert!(format(None, None, "x.py", b"print(1)\n").is_err());
    }
}
