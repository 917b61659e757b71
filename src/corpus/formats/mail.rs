//! Mails (EML), mailboxes (mbox), and pages saved as mails are (MHTML).

use super::markup::{page, plain};
use super::{Context, LONGEST, whole};
use crate::corpus::article::{Article, one_line, tidy};
use crate::corpus::dates::parse_date;
use crate::error::{Error, Result};
use crate::guard::guarded;
use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders, PartType};
use serde_json::Value;
use std::io::{BufRead, Read};

/// A plain text this many times shorter than its HTML says only that there is HTML.
const STUB: usize = 8;

pub(super) fn read(stream: impl Read, context: &mut Context<'_>) -> Result<()> {
    let Some(bytes) = whole(stream, context)? else {
        return Ok(());
    };
    match parse(&bytes) {
        Ok(mut article) => {
            article.id = context.file_id.clone();
            article.origin = context.origin.to_string();
            context.sink.article(article)
        }
        Err(message) => context.bad(None, message),
    }
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

/// Reads a mailbox: mails that each begin with a line `From …`.
pub(super) fn read_mbox(mut stream: impl BufRead, context: &mut Context<'_>) -> Result<()> {
    let mut mail: Vec<u8> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    let (mut row, mut blank_before, mut too_long) = (0, true, false);
    loop {
        line.clear();
        let n = stream
            .by_ref()
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io(context.path, e))?;
        if n == 0 || (blank_before && line.starts_with(b"From ")) {
            if row > 0 {
                if too_long {
                    context.bad(
                        Some(row),
                        "a mail longer than 64 MiB, which is no one article",
                    )?;
                } else {
                    take(&mail, row, context)?;
                }
            }
            if n == 0 {
                break;
            }
            row += 1;
            mail.clear();
            (too_long, blank_before) = (false, false);
            continue;
        }
        blank_before = line.iter().all(u8::is_ascii_whitespace);
        if (mail.len() + line.len()) as u64 > LONGEST {
            too_long = true;
            mail.clear();
        }
        // A line of the text that begins so was quoted when it was written.
        let quoted = line.iter().take_while(|&&b| b == b'>').count();
        let from = usize::from(quoted > 0 && line[quoted..].starts_with(b"From "));
        mail.extend_from_slice(&line[from..]);
    }
    if row == 0 {
        return context.bad(
            None,
            "a mailbox without a mail; each begins with a line \"From …\"",
        );
    }
    Ok(())
}

fn take(mail: &[u8], row: u64, context: &mut Context<'_>) -> Result<()> {
    match parse(mail) {
        Ok(mut article) => {
            article.origin = context.origin.to_string();
            article.row = Some(row);
            context.item(article)
        }
        Err(message) => context.bad(Some(row), message),
    }
}

fn message(bytes: &[u8]) -> std::result::Result<Message<'_>, String> {
    guarded("a mail", || MessageParser::default().parse(bytes))
        .ok()
        .flatten()
        .ok_or_else(|| "not a readable mail".to_string())
}

/// The article of a mail; its id is the mail's own.
fn parse(bytes: &[u8]) -> std::result::Result<Article, String> {
    let message = message(bytes)?;
    let mut text = String::new();
    let mut markup = String::new();
    for part in message.text_bodies().chain(message.html_bodies()) {
        match &part.body {
            // A part without HTML of its own counts as both; once is enough.
            PartType::Text(piece) if !text.contains(piece.as_ref()) => {
                text.push_str(piece);
                text.push_str("\n\n");
            }
            PartType::Html(piece) if !markup.contains(piece.as_ref()) => markup.push_str(piece),
            _ => {}
        }
    }
    let mut text = tidy(&text);
    if !markup.is_empty() {
        let full = plain(&markup);
        if text.trim().is_empty() || full.len() / STUB > text.len() {
            text = full;
        }
    }
    let mut article = Article {
        title: message.subject().map(one_line).unwrap_or_default(),
        text: text.trim().to_string(),
        date: message.date().and_then(|d| parse_date(&d.to_rfc3339())),
        id: message.message_id().map(one_line),
        ..Article::default()
    };
    if article.text.is_empty() && article.title.is_empty() {
        return Err("a mail without subject and text".to_string());
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
    let mut article = page(part.1.as_bytes())?;
    let saved = match message.header("Snapshot-Content-Location") {
        Some(HeaderValue::Text(url)) => Some(one_line(url)),
        _ => None,
    };
    let url = saved.or_else(|| part.0.content_location().map(one_line));
    article.url = article
        .url
        .or_else(|| url.filter(|url| url.starts_with("http")));
    if article.title.is_empty() {
        article.title = message.subject().map(one_line).unwrap_or_default();
    }
    Ok(article)
}
