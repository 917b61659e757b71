//! Word documents: the text of the body and its notes, without what was deleted, moved away or hidden;
//! title, author and date from their properties.

use super::markup::entity;
use super::{Context, LONGEST, downloads};
use crate::corpus::article::{Article, one_line, split_title, tidy};
use crate::corpus::dates::parse_date;
use crate::error::Result;
use crate::guard::guarded;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, Read};
use zip::ZipArchive;

/// The part of the zip file that makes it a Word document.
pub(super) const DOCUMENT: &str = "word/document.xml";

/// The parts that hold its notes.
const NOTES: [&str; 2] = ["word/footnotes.xml", "word/endnotes.xml"];

/// Titles that programs give and nobody chose.
const NO_TITLES: &[&str] = &["word document", "document", "microsoft word", "untitled"];

pub(super) fn read(archive: &mut ZipArchive<File>, context: &mut Context<'_>) -> Result<()> {
    let body = match part(archive, DOCUMENT) {
        Ok(body) => body,
        Err(message) => return context.bad(None, message),
    };
    let (mut body, broken) = paragraphs(&body);
    if let Some(why) = broken {
        return context.bad(None, format!("a damaged Word document ({why})"));
    }
    // The notes stand behind the text, as on the last page.
    for notes in NOTES {
        let Ok(notes) = part(archive, notes) else {
            continue;
        };
        body.extend(paragraphs(&notes).0.into_iter().map(|note| Paragraph {
            style: String::new(),
            ..note
        }));
    }
    let lines: Vec<&str> = body.iter().map(|line| line.text.as_str()).collect();
    if downloads::read(&lines.join("\n"), context)? {
        return Ok(());
    }
    let properties = part(archive, "docProps/core.xml").unwrap_or_default();
    let mut article = article(body, &properties);
    if article.is_blank() {
        return context.bad(None, "a Word document without text");
    }
    article.id = context.file_id.clone();
    article.origin = context.origin.to_string();
    context.sink.article(article)
}

/// A part of the document, as text.
fn part(archive: &mut ZipArchive<File>, name: &str) -> std::result::Result<String, String> {
    let mut bytes = Vec::new();
    let outcome = guarded(name, || -> std::result::Result<(), String> {
        let part = archive.by_name(name).map_err(|e| e.to_string())?;
        let read = part.take(LONGEST + 1).read_to_end(&mut bytes);
        read.map_err(|e| e.to_string()).map(|_| ())
    });
    match outcome {
        Err(_) => Err("a damaged Word document".to_string()),
        Ok(Err(e)) => Err(format!("a damaged Word document ({e})")),
        Ok(Ok(())) if bytes.len() as u64 > LONGEST => Err(
            "a Word document whose text is longer than 64 MiB, which is no one article".to_string(),
        ),
        Ok(Ok(())) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// One paragraph, with the name of its style.
#[derive(Debug, Default, PartialEq)]
struct Paragraph {
    style: String,
    text: String,
}

/// The paragraphs of the body, and what is wrong with its XML.
fn paragraphs(xml: &str) -> (Vec<Paragraph>, Option<String>) {
    let mut reader = Reader::from_reader(BufReader::new(xml.as_bytes()));
    reader.config_mut().check_end_names = false;
    let mut done = Vec::new();
    let mut current = Paragraph::default();
    // Within a run's text; and how deep within what is shown in place of something newer, or was moved
    // to elsewhere.
    let (mut in_text, mut skipped) = (false, 0usize);
    // Within a run, and whether it is hidden; what is said outside runs is of a paragraph's mark.
    let (mut in_run, mut hidden) = (false, false);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(e) => return (done, Some(e.to_string())),
        };
        let shown = in_text && skipped == 0 && !hidden;
        match event {
            Event::Start(e) => match e.local_name().as_ref() {
                "Fallback" | "moveFrom" => skipped += 1,
                "t" => in_text = true,
                "r" => (in_run, hidden) = (true, false),
                "vanish" if in_run => hidden = is_on(&e),
                // A text box is a paragraph within one.
                "p" => finish(&mut current, &mut done),
                _ => mark(&e, &mut current),
            },
            Event::Empty(e) => match e.local_name().as_ref() {
                "vanish" if in_run => hidden = is_on(&e),
                _ => mark(&e, &mut current),
            },
            Event::End(e) => match e.local_name().as_ref() {
                "Fallback" | "moveFrom" => skipped = skipped.saturating_sub(1),
                "t" => in_text = false,
                "r" => (in_run, hidden) = (false, false),
                "p" => finish(&mut current, &mut done),
                _ => {}
            },
            Event::Text(e) if shown => current.text.push_str(&e),
            Event::CData(e) if shown => current.text.push_str(&e),
            Event::GeneralRef(e) if shown => current.text.extend(entity(&e)),
            Event::Eof => break,
            _ => {}
        }
    }
    finish(&mut current, &mut done);
    (done, None)
}

/// An element's value.
fn value(e: &BytesStart<'_>) -> Option<String> {
    let mut attributes = e.attributes();
    let value = attributes
        .with_checks(false)
        .filter_map(std::result::Result::ok)
        .find(|a| a.key.local_name().as_ref() == "val");
    value.map(|a| a.value.to_string())
}

/// Whether a property that is on or off is on: it is where nothing else is said.
fn is_on(e: &BytesStart<'_>) -> bool {
    !matches!(value(e).as_deref(), Some("0" | "false" | "off"))
}

/// What an element without text says: a style, a tab, a line's end.
fn mark(e: &BytesStart<'_>, current: &mut Paragraph) {
    match e.local_name().as_ref() {
        "pStyle" => current.style = value(e).unwrap_or_default(),
        "tab" => current.text.push('\t'),
        "br" | "cr" => current.text.push('\n'),
        "noBreakHyphen" => current.text.push('-'),
        _ => {}
    }
}

fn finish(current: &mut Paragraph, done: &mut Vec<Paragraph>) {
    let mut paragraph = std::mem::take(current);
    paragraph.text = tidy(&paragraph.text).trim().to_string();
    if !paragraph.text.is_empty() {
        done.push(paragraph);
    }
}

fn article(mut body: Vec<Paragraph>, properties: &str) -> Article {
    let property = |name: &str| -> Option<String> {
        let after = properties.split_once(&format!("<{name}"))?.1;
        let value = after.split_once('>')?.1.split('<').next()?;
        Some(one_line(&super::markup::entities(value))).filter(|v| !v.is_empty())
    };
    let chosen = property("dc:title").filter(|title| {
        let lower = title.to_lowercase();
        !NO_TITLES.contains(&lower.as_str()) && !lower.starts_with("microsoft word -")
    });
    let is = |style: &str, wanted: &[&str]| wanted.contains(&style.to_lowercase().as_str());
    let first = body.first();
    let mut article = Article::default();
    if first.is_some_and(|p| is(&p.style, &["title", "titel", "titre"])) {
        article.title = one_line(&body.remove(0).text);
    } else if let Some(title) = chosen {
        if first.is_some_and(|p| one_line(&p.text) == title) {
            body.remove(0);
        }
        article.title = title;
    } else if first.is_some_and(|p| is(&p.style, &["heading1", "berschrift1", "titre1"])) {
        article.title = one_line(&body.remove(0).text);
    }
    let texts: Vec<String> = body.into_iter().map(|p| p.text).collect();
    article.text = texts.join("\n\n");
    if article.title.is_empty() {
        (article.title, article.text) = split_title(&article.text);
        article.title = one_line(&article.title);
    }
    article.date = property("dcterms:created").and_then(|d| parse_date(&d));
    if let Some(author) = property("dc:creator") {
        article
            .meta
            .insert("author".to_string(), Value::String(author));
    }
    article
}
