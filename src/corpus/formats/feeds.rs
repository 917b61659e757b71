//! Feeds and exports in XML: RSS 0.9 to 2.0, RSS 1.0 (RDF), Atom, and WordPress' WXR.
//!
//! One item is held at a time. Namespaces go by their usual prefixes, as feeds' readers do.

use super::Context;
use super::markup::{entities, entity, plain};
use super::xml::{self, Ended};
use crate::corpus::article::{Article, one_line};
use crate::corpus::dates::{is_no_date, parse_date};
use crate::corpus::decode::Decoder;
use crate::error::Result;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;
use std::io::Read;

pub(super) fn read(
    stream: impl Read,
    sample: &[u8],
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let (mut reader, since_record) = xml::reader(stream, sample, decoder);
    let mut feed = Feed::default();
    let mut passed_over = 0;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let row = Some(feed.items).filter(|n| *n > 0);
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(error) => {
                return match Ended::of(error, context.path)? {
                    Ended::TooLong => {
                        context.bad(row, "an item longer than 64 MiB, which is no one article")
                    }
                    Ended::Malformed(message) => context.bad(row, message),
                };
            }
        };
        let finished = match event {
            Event::Start(e) => {
                since_record.set(if feed.item.is_none() {
                    0
                } else {
                    since_record.get()
                });
                feed.start(&e);
                None
            }
            Event::Empty(e) => {
                feed.start(&e);
                feed.end(&name(e.name().as_ref()))
            }
            Event::End(e) => feed.end(&name(e.name().as_ref())),
            Event::Text(e) => {
                feed.text(&e);
                None
            }
            Event::CData(e) => {
                feed.cdata(&e);
                None
            }
            Event::GeneralRef(e) => {
                feed.reference(&e);
                None
            }
            Event::Eof => break,
            _ => None,
        };
        if let Some(item) = finished {
            match item.article(&feed.title) {
                Ok(Some(article)) => context.document(article, feed.items)?,
                Ok(None) => passed_over += 1,
                Err(message) => context.bad(Some(feed.items), message)?,
            }
        }
    }
    if feed.item.is_some() {
        return context.bad(Some(feed.items), "the file ends within this item");
    }
    if feed.items == 0 {
        return context.bad(None, super::foreign::XML.message());
    }
    if passed_over == feed.items {
        let message = "an export without a post: its items are attachments, menus or thrown away";
        return context.bad(None, message);
    }
    Ok(())
}

/// Where the reader is in a feed.
#[derive(Default)]
struct Feed {
    /// The feed's own title, which is its articles' source.
    title: String,
    /// Items begun so far.
    items: u64,
    depth: usize,
    /// The names of the elements outside items, to their depth.
    outside: Vec<String>,
    item: Option<(usize, Item)>,
    field: Option<Field>,
}

/// An element of an item, or the feed's title.
struct Field {
    name: String,
    depth: usize,
    href: Option<String>,
    rel: Option<String>,
    term: Option<String>,
    text: String,
}

/// One article, as its elements say.
#[derive(Default)]
struct Item {
    title: String,
    id: Option<String>,
    url: Option<String>,
    /// With how good each is; the best counts.
    dates: Vec<(u8, String)>,
    content: String,
    teaser: String,
    media: String,
    source: Option<String>,
    authors: Vec<String>,
    categories: Vec<String>,
    status: String,
    kind: String,
}

impl Feed {
    fn start(&mut self, e: &BytesStart<'_>) {
        self.depth += 1;
        let name = name(e.name().as_ref());
        let attribute = |wanted: &str| {
            e.attributes()
                .with_checks(false)
                .filter_map(std::result::Result::ok)
                .find(|a| a.key.as_ref() == wanted)
                .and_then(|a| {
                    a.normalized_value(quick_xml::XmlVersion::Implicit1_0)
                        .ok()
                        .map(|v| v.into_owned())
                })
        };
        if let Some(field) = &mut self.field {
            // XHTML within Atom is put together again.
            field.text.push('<');
            field.text.push_str(&name);
            field.text.push('>');
            return;
        }
        let new = |name: String| Field {
            name,
            depth: self.depth,
            href: attribute("href"),
            rel: attribute("rel"),
            term: attribute("term"),
            text: String::new(),
        };
        if self.item.is_some() {
            self.field = Some(new(name));
        } else if name == "item" || name == "entry" {
            self.items += 1;
            let item = Item {
                id: attribute("rdf:about"),
                ..Item::default()
            };
            self.item = Some((self.depth, item));
        } else {
            let parent = self.outside.last().map(String::as_str);
            if name == "title" && matches!(parent, Some("channel" | "feed")) {
                self.field = Some(new(name));
            } else {
                self.outside.push(name);
            }
        }
    }

    /// Ends an element; the item if that was one.
    fn end(&mut self, name: &str) -> Option<Item> {
        let depth = self.depth;
        self.depth = depth.saturating_sub(1);
        if let Some(field) = self.field.as_mut() {
            if field.depth < depth {
                if !matches!(name, "br" | "img" | "hr") {
                    field.text.push_str(&format!("</{name}>"));
                }
                return None;
            }
            let field = self.field.take()?;
            match &mut self.item {
                Some((_, item)) => item.set(field),
                None if self.title.is_empty() => self.title = one_line(&plain(&field.text)),
                None => {}
            }
            return None;
        }
        if self.item.as_ref().is_some_and(|(at, _)| *at >= depth) {
            return self.item.take().map(|(_, item)| item);
        }
        self.outside.pop();
        None
    }

    fn text(&mut self, text: &str) {
        if let Some(field) = &mut self.field {
            field.text.push_str(text);
        }
    }

    fn cdata(&mut self, text: &str) {
        if let Some(field) = &mut self.field {
            if field.depth == self.depth {
                field.text.push_str(text);
            } else {
                field
                    .text
                    .push_str(&text.replace('&', "&amp;").replace('<', "&lt;"));
            }
        }
    }

    fn reference(&mut self, name: &str) {
        if let Some(field) = &mut self.field {
            match entity(name) {
                // Escaped HTML becomes HTML; within XHTML, an escaped character stays one.
                Some(c) if field.depth == self.depth => field.text.push(c),
                _ => {
                    field.text.push('&');
                    field.text.push_str(name);
                    field.text.push(';');
                }
            }
        }
    }
}

/// An element's name in lower case, without a prefix that says no more than the format.
fn name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.split_once(':') {
        Some(("atom" | "a" | "rss" | "rdf" | "xhtml" | "html", local)) => local.to_string(),
        _ => name,
    }
}

impl Item {
    fn set(&mut self, field: Field) {
        let text = field.text.trim();
        match field.name.as_str() {
            "title" if self.title.is_empty() => self.title = one_line(&plain(text)),
            "link" => {
                let alternate = field.rel.as_deref().is_none_or(|rel| rel == "alternate");
                let url = field.href.unwrap_or_else(|| text.to_string());
                if alternate && self.url.is_none() && !url.trim().is_empty() {
                    self.url = Some(url.trim().to_string());
                }
            }
            "guid" | "id" if !text.is_empty() => self.id = Some(one_line(text)),
            "published" | "pubdate" => self.dates.push((0, text.to_string())),
            "dc:date" | "dcterms:created" | "dcterms:issued" | "date" | "issued" => {
                self.dates.push((1, text.to_string()));
            }
            "wp:post_date_gmt" => self.dates.push((2, text.to_string())),
            // Of a draft, the only one that is real.
            "wp:post_date" => self.dates.push((3, text.to_string())),
            "updated" | "modified" | "dcterms:modified" => self.dates.push((4, text.to_string())),
            "content:encoded" | "content" | "body" => longest(&mut self.content, text),
            "description" | "summary" | "excerpt:encoded" | "itunes:summary" => {
                longest(&mut self.teaser, text);
            }
            "source" => {
                let name = inner(text, "title").unwrap_or(text);
                self.source = Some(one_line(&plain(name))).filter(|s| !s.is_empty());
            }
            "author" | "dc:creator" | "creator" | "itunes:author" => {
                let name = one_line(&plain(inner(text, "name").unwrap_or(text)));
                if !name.is_empty() && !self.authors.contains(&name) {
                    self.authors.push(name);
                }
            }
            "category" | "dc:subject" => {
                let name = field
                    .term
                    .map_or_else(|| one_line(&plain(text)), |t| one_line(&t));
                // Of an export of Blogger, what an entry is.
                if let Some(kind) = name.strip_prefix(BLOGGER) {
                    self.kind = kind.to_string();
                    return;
                }
                // A post has some; the bound keeps the search in a hostile feed short.
                if !name.is_empty()
                    && self.categories.len() < 256
                    && !self.categories.contains(&name)
                {
                    self.categories.push(name);
                }
            }
            // Of a video, and of pictures that are all there is.
            "media:description" => longest(&mut self.media, text),
            "media:group" | "media:content" => {
                let description = inner(text, "media:description").unwrap_or("");
                longest(&mut self.media, &entities(description));
            }
            "blogger:type" => self.kind = text.to_lowercase(),
            "wp:status" => self.status = text.to_string(),
            "wp:post_type" => self.kind = text.to_string(),
            _ => {}
        }
    }

    /// The article; `None` for what is none: menus, attachments, and what was thrown away.
    fn article(mut self, feed: &str) -> std::result::Result<Option<Article>, String> {
        let machinery = self.kind.starts_with("wp_") || self.kind.starts_with("nav_");
        if machinery
            || matches!(
                self.kind.as_str(),
                "attachment"
                    | "revision"
                    | "custom_css"
                    | "oembed_cache"
                    | "template"
                    | "settings"
                    | "comment"
            )
            || matches!(self.status.as_str(), "trash" | "auto-draft")
        {
            return Ok(None);
        }
        let mut article = Article {
            text: plain(&self.content),
            title: self.title,
            source: self
                .source
                .or_else(|| Some(feed.to_string()).filter(|s| !s.is_empty())),
            ..Article::default()
        };
        for other in [&self.teaser, &self.media] {
            if article.text.is_empty() {
                article.text = plain(other);
            }
        }
        if article.is_blank() {
            return Err("an item without title and text".to_string());
        }
        self.dates.sort_by_key(|(rank, _)| *rank);
        article.date = self.dates.iter().find_map(|(_, date)| parse_date(date));
        if article.date.is_none()
            && let Some((_, date)) = self.dates.into_iter().find(|(_, d)| !is_no_date(d))
        {
            article.meta.insert("date".to_string(), Value::String(date));
        }
        article.url = self.url.or_else(|| {
            let address = |id: &&String| id.starts_with("http://") || id.starts_with("https://");
            self.id.as_ref().filter(address).cloned()
        });
        article.id = self.id.or_else(|| article.url.clone());
        if !self.authors.is_empty() {
            let authors = self.authors.join(", ");
            article
                .meta
                .insert("author".to_string(), Value::String(authors));
        }
        if !self.categories.is_empty() {
            let categories = self.categories.into_iter().map(Value::String).collect();
            article.meta.insert("categories".to_string(), categories);
        }
        if !self.status.is_empty() && self.status != "publish" {
            article
                .meta
                .insert("status".to_string(), Value::String(self.status));
        }
        Ok(Some(article))
    }
}

/// What the kinds of entries begin with in an export of Blogger.
const BLOGGER: &str = "http://schemas.google.com/blogger/2008/kind#";

/// Keeps the longer of two texts: some feeds give an article twice, once cut.
fn longest(kept: &mut String, text: &str) {
    if text.len() > kept.len() {
        *kept = text.to_string();
    }
}

/// The text of the first element of this name within a field.
fn inner<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let after = text.split_once(&format!("<{name}>"))?.1;
    after.split('<').next()
}
