//! Mails (EML), and pages saved as mails are (MHTML).

use super::mail_text::{self, Remarks};
use super::markup::{mailed, page};
use super::{Context, whole};
use crate::corpus::article::{Article, one_line, site, tidy};
use crate::corpus::dates::parse_date;
use crate::error::Result;
use crate::guard::guarded;
use mail_parser::{
    DateTime, HeaderName, HeaderValue, Message, MessageParser, MimeHeaders, PartType,
};
use serde_json::Value;
use std::collections::HashSet;
use std::io::Read;
use std::sync::LazyLock;

/// A plain text this many times shorter than its HTML leaves out what the mail is about.
const STUB: usize = 2;

/// A plain text of fewer letters that speaks of a browser or of HTML is no text of its own.
const SHORT: usize = 300;

/// Mails within mails within mails are read so deep; each is gone through once more for all that it
/// lies in.
const DEEPEST: usize = 8;

pub(super) fn read(stream: impl Read, context: &mut Context<'_>) -> Result<()> {
    let Some(bytes) = whole(stream, context)? else {
        return Ok(());
    };
    let mut remarks = Remarks::default();
    let outcome = match parse(counted(&bytes), 0, &mut remarks) {
        Ok(mut article) => {
            article.id = context.file_id.clone();
            article.origin = context.origin.to_string();
            context.count_date(&article);
            context.sink.article(article)
        }
        Err(message) => context.bad(None, message),
    };
    remarks.report(context);
    outcome
}

pub(super) fn read_mhtml(stream: impl Read, context: &mut Context<'_>) -> Result<()> {
    let Some(bytes) = whole(stream, context)? else {
        return Ok(());
    };
    match parse_page(&bytes) {
        Ok(mut article) => {
            article.id = context.file_id.clone();
            article.origin = context.origin.to_string();
            context.sink.article(article)
        }
        Err(message) => context.bad(None, message),
    }
}

/// Every header but those that are used is taken as it stands, dates among them: the parser's own reader of
/// dates goes on behind some (`… 10:11:12 Z`) into the next header, or the text.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .with_mime_headers()
        .header_text(HeaderName::Subject)
        .header_address(HeaderName::From)
        .header_id(HeaderName::MessageId)
        .default_header_raw()
});

fn message(bytes: &[u8]) -> std::result::Result<Message<'_>, String> {
    guarded("a mail", || PARSER.parse(bytes))
        .ok()
        .flatten()
        .ok_or_else(|| "not a readable mail".to_string())
}

/// A mail as Apple's program keeps it (EMLX), without the line in front that says its length and what the
/// program notes behind it; any other as it is.
fn counted(bytes: &[u8]) -> &[u8] {
    let line = bytes.iter().take(32).position(|b| *b == b'\n');
    let mail = line.and_then(|end| {
        let length: usize = std::str::from_utf8(&bytes[..end])
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let mail = &bytes[end + 1..];
        let notes = mail.get(length..)?;
        // A length that some other program changed loses nothing.
        let ends = memchr::memmem::find(notes, b"<?xml").map_or(mail.len(), |at| length + at);
        Some(&mail[..ends])
    });
    let mail = mail.or_else(|| {
        let end = line.filter(|end| bytes[..*end].trim_ascii().iter().all(u8::is_ascii_digit))?;
        Some(&bytes[end + 1..])
    });
    mail.unwrap_or(bytes)
}

/// The article of a mail; its id is the mail's own. `depth` is in how many others it lies.
pub(in crate::corpus) fn parse(
    bytes: &[u8],
    depth: usize,
    remarks: &mut Remarks,
) -> std::result::Result<Article, String> {
    // Blank lines before a header would end it.
    let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let bytes = mail_text::header_as_utf8(&bytes[blank..], remarks);
    let message = message(&bytes)?;
    let mut text = String::new();
    let mut markup = String::new();
    // What has no other form counts as both; once is enough.
    let mut seen = HashSet::new();
    let bodies = message.text_body.iter().chain(&message.html_body);
    for part in bodies.filter(|id| seen.insert(**id)) {
        let Some(part) = message.part(*part) else {
            continue;
        };
        match &part.body {
            PartType::Text(piece) => {
                let piece = mail_text::text(&message, part, piece, remarks);
                if !text.contains(piece.as_ref()) {
                    text.push_str(&piece);
                    text.push_str("\n\n");
                }
            }
            PartType::Html(piece) => {
                let piece = mail_text::text(&message, part, piece, remarks);
                if !markup.contains(piece.as_ref()) {
                    markup.push_str(&piece);
                }
            }
            _ => {}
        }
    }
    let mut text = tidy(&text);
    if !markup.is_empty() {
        let full = mailed(&markup);
        if is_stub(&text, &full) {
            text = full;
        }
    }
    let found = !text.trim().is_empty();
    if !found {
        text = tidy(&mail_text::of_any_part(&message, remarks));
    }
    remarks.count_attached(&message, found, !text.trim().is_empty());
    for part in &message.parts {
        if let PartType::Message(_) = part.body
            && depth < DEEPEST
            && let Some(inner) = mail_text::content(&message, part)
            && let Ok(inner) = parse(&inner, depth + 1, remarks)
        {
            text.truncate(text.trim_end().len());
            text.push_str("\n\n");
            text.push_str(&forwarded(&inner));
        }
    }
    let mut article = Article {
        title: subject(&message),
        text: text.trim().to_string(),
        id: message.message_id().map(one_line),
        ..Article::default()
    };
    if article.is_blank() {
        return Err("a mail without subject and text".to_string());
    }
    let said = message.header_raw(HeaderName::Date).map(one_line);
    let said = said.filter(|said| !said.is_empty());
    article.date = said.as_deref().and_then(parse_date).or_else(|| {
        let read = DateTime::parse_rfc822(said.as_deref()?)?;
        read.is_valid().then(|| parse_date(&read.to_rfc3339()))?
    });
    if let Some(said) = said.filter(|_| article.date.is_none()) {
        article.meta.insert("date".to_string(), Value::String(said));
    }
    if let Some(from) = message.from().and_then(|from| from.first()) {
        let name = from.name().map(one_line).filter(|n| !n.is_empty());
        let address = from.address().map(one_line);
        article.source = name.clone().or_else(|| address.clone());
        let author = match (name, address) {
            (Some(name), Some(address)) => Some(format!("{name} <{address}>")),
            (name, address) => name.or(address),
        };
        if let Some(author) = author {
            article
                .meta
                .insert("author".to_string(), Value::String(author));
        }
    }
    Ok(article)
}

/// What a mail is about. A letter that some program cut in two, a word of its code in each, is put together.
fn subject(message: &Message<'_>) -> String {
    let read = message.subject().map(one_line).unwrap_or_default();
    if !read.contains('\u{fffd}') {
        return read;
    }
    let Some(joined) = message
        .header_raw(HeaderName::Subject)
        .map(mail_text::joined_words)
    else {
        return read;
    };
    let again = format!("Subject: {joined}\n\n");
    let again =
        self::message(again.as_bytes()).map(|m| m.subject().map(one_line).unwrap_or_default());
    again
        .ok()
        .filter(|again| !again.contains('\u{fffd}'))
        .unwrap_or(read)
}

/// Whether a mail's plain text only says that there is HTML, or a part of what that says.
fn is_stub(text: &str, full: &str) -> bool {
    // Addresses of links are long, and no text.
    let letters = |text: &str| -> usize {
        let words = text.split_whitespace().filter(|word| !word.contains("://"));
        words.map(str::len).sum()
    };
    let (own, full) = (letters(text), letters(full));
    let says_so = || {
        let lower = text.to_lowercase();
        own < SHORT && (lower.contains("browser") || lower.contains("html"))
    };
    own * STUB < full || (own < full && says_so())
}

/// A mail within another, as mail programs show it in the text of the one that forwards it.
fn forwarded(mail: &Article) -> String {
    let author = mail.meta.get("author").and_then(Value::as_str);
    let date = mail.date.as_deref();
    let title = Some(mail.title.as_str()).filter(|title| !title.is_empty());
    let mut out = String::new();
    for (name, value) in [("From", author), ("Date", date), ("Subject", title)] {
        if let Some(value) = value {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
    out.push('\n');
    out.push_str(&mail.text);
    out
}

/// The article of a saved page: that of its first part of HTML.
fn parse_page(bytes: &[u8]) -> std::result::Result<Article, String> {
    let message = message(bytes)?;
    let part = message
        .parts
        .iter()
        .find_map(|part| match &part.body {
            PartType::Html(html) => Some((part, html)),
            _ => None,
        })
        .ok_or("a saved page without HTML in it")?;
    let mut article = match mail_text::undecoded(&message, part.0, part.1) {
        // The page says itself what it is in, or it is told by its bytes.
        Some((bytes, declared)) => page(&bytes, declared)?,
        None => page(part.1.as_bytes(), None)?,
    };
    let saved = match message.header("Snapshot-Content-Location") {
        Some(HeaderValue::Text(url)) => Some(one_line(url)),
        _ => None,
    };
    let url = saved.or_else(|| part.0.content_location().map(one_line));
    article.url = article
        .url
        .or_else(|| url.filter(|url| url.starts_with("http")));
    article.source = article.source.or_else(|| site(article.url.as_deref()?));
    if article.title.is_empty() {
        article.title = message.subject().map(one_line).unwrap_or_default();
    }
    Ok(article)
}
