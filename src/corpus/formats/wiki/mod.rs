//! Dumps of wikis (MediaWiki's XML, as Wikipedia has them), an article a page.
//!
//! One page is held at a time, and of its revisions the last.

mod brackets;
mod lines;
mod table;
mod tags;
mod template;
mod text;

use super::Context;
use super::markup::entity;
use super::xml::{self, Ended};
use crate::corpus::article::{Article, one_line, tidy};
use crate::corpus::dates::parse_date;
use crate::corpus::decode::Decoder;
use crate::corpus::inputs::Note;
use crate::error::Result;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use std::io::Read;
use text::{Names, page};

pub(super) fn read(
    stream: impl Read,
    sample: &[u8],
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let (mut reader, since_record) = xml::reader(stream, sample, decoder);
    let mut dump = Dump::default();
    let mut others = 0;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(error) => {
                let row = Some(dump.pages).filter(|n| *n > 0);
                return match Ended::of(error, context.path)? {
                    Ended::TooLong => context.bad(row, "a page longer than 64 MiB"),
                    Ended::Malformed(message) => context.bad(row, message),
                };
            }
        };
        match event {
            Event::Start(e) => {
                if dump.open.len() >= DEEPEST {
                    let message = "damaged: its elements nest deeper than those of any dump";
                    return context.bad(Some(dump.pages).filter(|n| *n > 0), message);
                }
                let unended = dump.page.is_some();
                let name = dump.start(&e);
                if name == "page" && unended {
                    context.bad(Some(dump.pages - 1), "this page does not end")?;
                }
                // All revisions of a page together may be longer than any one.
                if matches!(name.as_str(), "page" | "revision") {
                    since_record.set(0);
                }
            }
            Event::Empty(e) => {
                dump.start(&e);
                dump.end();
            }
            Event::Text(e) => dump.text(&e),
            Event::CData(e) => dump.text(&e),
            Event::GeneralRef(e) => match entity(&e) {
                Some(c) => dump.text(c.encode_utf8(&mut [0; 4])),
                None => dump.text(&format!("&{};", &*e)),
            },
            Event::End(_) => {
                if let Some(page) = dump.end() {
                    match page.article(&dump) {
                        Some(article) => context.document(article, dump.pages)?,
                        None => others += 1,
                    }
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if dump.page.is_some() {
        context.bad(Some(dump.pages), "the file ends within this page")?;
    } else if dump.pages > 0 && !dump.open.is_empty() {
        context.bad(
            Some(dump.pages),
            "the file ends behind this page and not as dumps do; some may be missing",
        )?;
    }
    if dump.pages == 0 {
        return context.bad(None, "a dump of a wiki without a page");
    }
    if others == dump.pages {
        let message = "a dump of a wiki without an article: its pages are redirects, discussions, templates, empty and the like";
        return context.bad(None, message);
    }
    if others > 0 {
        context.sink.note(Note::Ignored {
            path: context.path.to_string(),
            what: format!(
                "{others} of its pages, which are no articles (redirects, discussions, templates, pages without a text)"
            ),
        });
    }
    Ok(())
}

/// Elements in elements, at most.
const DEEPEST: usize = 100;
/// Names of one kind of pages that are remembered, at most.
const MOST_NAMES: usize = 64;

/// Where the reader is in a dump, and what it says of the wiki.
#[derive(Default)]
struct Dump {
    site: String,
    /// What an article's address begins with.
    address: Option<String>,
    names: Names,
    /// The names of all kinds of pages but articles.
    spaces: Vec<String>,
    /// Pages begun so far.
    pages: u64,
    /// The names of the open elements.
    open: Vec<String>,
    page: Option<Page>,
    field: String,
    revision: Revision,
    /// The number of the kind of pages whose name is read.
    space: Option<String>,
}

fn remember(names: &mut Vec<String>, name: &str) {
    if !name.is_empty() && name.len() < 200 && names.len() < MOST_NAMES {
        names.push(name.to_string());
    }
}

#[derive(Default)]
struct Page {
    title: String,
    id: String,
    space: String,
    redirects: bool,
    last: Revision,
}

#[derive(Default)]
struct Revision {
    model: String,
    date: String,
    text: String,
}

impl Dump {
    /// Begins an element; its name.
    fn start(&mut self, e: &BytesStart<'_>) -> String {
        let name = e.local_name().as_ref().to_ascii_lowercase();
        self.field.clear();
        match name.as_str() {
            "page" => {
                self.pages += 1;
                self.page = Some(Page::default());
                self.revision = Revision::default();
            }
            "redirect" => {
                if let Some(page) = &mut self.page {
                    page.redirects = true;
                }
            }
            "namespace" => {
                let mut attributes = e.attributes();
                let mut known = attributes.with_checks(false).flatten();
                let key = known.find(|a| a.key.as_ref() == "key");
                self.space = key.map(|a| a.value.to_string());
            }
            _ => {}
        }
        self.open.push(name.clone());
        name
    }

    fn text(&mut self, text: &str) {
        self.field.push_str(text);
    }

    /// Ends an element; the page if that was one.
    fn end(&mut self) -> Option<Page> {
        let name = self.open.pop()?;
        let field = std::mem::take(&mut self.field);
        let parent = self.open.last().map_or("", String::as_str);
        let Some(page) = &mut self.page else {
            match name.as_str() {
                "sitename" => self.site = one_line(&field),
                "base" => self.address = address(field.trim()),
                "namespace" => {
                    let name = field.trim().to_lowercase();
                    match self.space.take().as_deref() {
                        _ if name.is_empty() => {}
                        Some("6" | "-2") => remember(&mut self.names.files, &name),
                        Some("14") => remember(&mut self.names.categories, &name),
                        _ => {}
                    }
                    remember(&mut self.spaces, &name);
                }
                _ => {}
            }
            return None;
        };
        match (parent, name.as_str()) {
            ("page", "title") => page.title = one_line(&field),
            ("page", "ns") => page.space = one_line(&field),
            ("page", "id") => page.id = one_line(&field),
            ("page", "revision") => {
                // Histories are written from either end.
                let revision = std::mem::take(&mut self.revision);
                if page.last.date <= revision.date || page.last.text.is_empty() {
                    page.last = revision;
                }
            }
            ("revision", "timestamp") => self.revision.date = one_line(&field),
            ("revision", "model") => self.revision.model = one_line(&field),
            ("revision", "text") => self.revision.text = field,
            (_, "page") => return self.page.take(),
            _ => {}
        }
        None
    }
}

impl Page {
    /// The article; `None` for what is none: a redirect, a discussion, a template, a program.
    fn article(self, dump: &Dump) -> Option<Article> {
        // Old dumps tell what a page is by its title alone.
        let space = self
            .title
            .split_once(':')
            .map(|(space, _)| space.to_lowercase());
        let is_article = match self.space.as_str() {
            "" => space.is_none_or(|space| !dump.spaces.contains(&space)),
            space => space == "0",
        };
        let is_text = matches!(self.last.model.as_str(), "" | "wikitext");
        if !is_article || !is_text || self.redirects || redirects(&self.last.text) {
            return None;
        }
        let page = page(&self.last.text, &dump.names);
        let mut article = Article {
            text: tidy(&page.text),
            url: dump
                .address
                .as_ref()
                .map(|before| addressed(before, &self.title)),
            title: self.title,
            id: Some(self.id).filter(|id| !id.is_empty()),
            source: Some(dump.site.clone()).filter(|site| !site.is_empty()),
            date: parse_date(&self.last.date),
            ..Article::default()
        };
        if article.text.is_empty() {
            return None;
        }
        if !page.categories.is_empty() {
            let categories = page.categories.into_iter().map(Value::String).collect();
            article.meta.insert("categories".to_string(), categories);
        }
        Some(article)
    }
}

/// Whether a page only leads to another, in any language: `#REDIRECT [[Bridge]]`.
fn redirects(text: &str) -> bool {
    let Some(rest) = text.trim_start().strip_prefix('#') else {
        return false;
    };
    let word = |c: char| c.is_alphabetic() || c == ' ' || c == ':' || c == '\u{640}';
    let behind = rest.trim_start_matches(word);
    rest.starts_with(char::is_alphabetic)
        && rest.len() - behind.len() < 60
        && behind.starts_with("[[")
}

/// What the addresses of a wiki's pages begin with, by that of its main page.
fn address(base: &str) -> Option<String> {
    let is_one = base.starts_with("http://") || base.starts_with("https://");
    let (before, _) = base.rsplit_once('/')?;
    (is_one && before.len() > "https://".len()).then(|| format!("{before}/"))
}

/// The address of a page by its title.
fn addressed(before: &str, title: &str) -> String {
    let mut address = before.to_string();
    for c in title.chars() {
        match c {
            ' ' => address.push('_'),
            '?' | '#' | '%' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => {
                address.push_str(&format!("%{:02X}", c as u32));
            }
            c => address.push(c),
        }
    }
    address
}

/// The text of a page as an interface answers it, in wikitext.
pub(super) fn text_of(wikitext: &str) -> String {
    tidy(&page(wikitext, &Names::default()).text)
}
