//! Newswire in SGML: Reuters-21578 (`<REUTERS NEWID=…>`), the `<DOC>` of TREC's collections and, with an id
//! as its attribute, of the Linguistic Data Consortium's; and the `<doc id= url= title=>` that WikiExtractor
//! writes around the plain text of a page.

use super::markup::{entities, plain};
use super::{Context, LONGEST};
use crate::corpus::article::{Article, one_line, tidy};
use crate::corpus::dates::parse_date;
use crate::corpus::decode::Decoder;
use crate::error::{Error, Result};
use memchr::memchr;
use serde_json::Value;
use std::io::{self, BufRead};

/// The longest tag that is taken out of a text, in bytes; a longer one is text between signs.
const LONGEST_TAG: usize = 100;

/// The ends of the elements that are a document.
const ENDS: [&[u8]; 2] = [b"</reuters>", b"</doc>"];

pub(super) fn read(
    mut stream: impl BufRead,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    // A document whose end was not yet met, and how far it was looked for. Every byte is looked at
    // once, and what is behind the documents of a step is moved once: documents may stand on one line.
    let mut buffer: Vec<u8> = Vec::new();
    let mut looked = 0;
    let (mut row, mut too_long) = (0, false);
    loop {
        let n = match stream.fill_buf() {
            Ok(bytes) => {
                buffer.extend_from_slice(bytes);
                bytes.len()
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::io(context.path, e)),
        };
        stream.consume(n);
        if n == 0 {
            break;
        }
        let mut begin = 0;
        while let Some(end) = find_end(&buffer, &mut looked) {
            row += 1;
            let document = &buffer[begin..end];
            begin = end;
            if std::mem::take(&mut too_long) {
                context.bad(
                    Some(row),
                    "a document longer than 64 MiB, which is no one article",
                )?;
            } else if let Some(article) = article(&decoder.decode(document)) {
                context.document(article, row)?;
            } else {
                context.bad(Some(row), "a document without title and text")?;
            }
        }
        if (buffer.len() - begin) as u64 > LONGEST {
            too_long = true;
            begin = looked;
        }
        buffer.drain(..begin);
        looked -= begin;
    }
    if too_long
        || find(&buffer, b"<reuters")
            .or(find(&buffer, b"<doc>"))
            .or(find(&buffer, b"<doc "))
            .is_some()
    {
        return context.bad(Some(row + 1), "the file ends within this document");
    }
    if row == 0 {
        return context.bad(
            None,
            "SGML without <REUTERS> or <DOC> elements; convert it to HTML or text",
        );
    }
    Ok(())
}

/// Where the first document ends whose end tag begins at `looked` or behind it; `looked` goes on to what
/// has to be looked at next.
fn find_end(bytes: &[u8], looked: &mut usize) -> Option<usize> {
    while let Some(at) = memchr(b'<', &bytes[*looked..]) {
        *looked += at;
        let here = &bytes[*looked..];
        for end in ENDS {
            let n = end.len().min(here.len());
            if here[..n].eq_ignore_ascii_case(&end[..n]) {
                // Its rest may come with the next bytes.
                let whole = n == end.len();
                *looked += if whole { n } else { 0 };
                return whole.then_some(*looked);
            }
        }
        *looked += 1;
    }
    *looked = bytes.len();
    None
}

/// Where `wanted`, in lower case, stands first, whatever its case there.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window.eq_ignore_ascii_case(wanted))
}

/// One document's elements. Names are looked for in a copy in lower case, whose bytes stand as in the text.
struct Elements<'t> {
    text: &'t str,
    lower: String,
}

impl<'t> Elements<'t> {
    /// What stands within the first element of this name, up to its end or, where that is missing, to the
    /// next of the elements `until`.
    fn inner(&self, name: &str) -> Option<&'t str> {
        let open = format!("<{name}");
        let mut from = 0;
        loop {
            let at = from + self.lower[from..].find(&open)?;
            let after = at + open.len();
            let rest = &self.lower[after..];
            if rest.starts_with(['>', ' ', '\t', '\r', '\n']) {
                let begin = after + rest.find('>')? + 1;
                let end = self.lower[begin..].find(&format!("</{name}>"))?;
                return Some(&self.text[begin..begin + end]);
            }
            from = after;
        }
    }

    /// The first that is there and not blank, on one line.
    fn line(&self, names: &[&str]) -> Option<String> {
        names
            .iter()
            .filter_map(|name| self.inner(name))
            .map(|text| one_line(&plain(text)))
            .find(|text| !text.is_empty())
    }

    /// The entries of a list: `<D>cocoa</D><D>coffee</D>`.
    fn list(&self, name: &str) -> Vec<Value> {
        let Some(inner) = self.inner(name) else {
            return Vec::new();
        };
        inner
            .split(['<', '>'])
            .map(str::trim)
            .filter(|piece| !piece.is_empty() && !matches!(*piece, "D" | "/D" | "d" | "/d"))
            .map(|piece| Value::String(entities(piece)))
            .collect()
    }
}

fn article(document: &str) -> Option<Article> {
    let lower = document.to_ascii_lowercase();
    let doc = || lower.find("<doc>").or_else(|| lower.find("<doc "));
    let (begin, reuters) = match lower.find("<reuters") {
        Some(at) => (at, true),
        None => (doc()?, false),
    };
    let elements = Elements {
        text: &document[begin..],
        lower: lower[begin..].to_string(),
    };
    let head = elements.text.lines().next().unwrap_or("");
    if !reuters && attribute(head, "title").is_some() && elements.inner("text").is_none() {
        return page(elements.text);
    }
    let mut article = Article {
        title: elements
            .line(&["title", "headline", "hl", "head", "h3", "ti"])
            .unwrap_or_default(),
        id: elements
            .line(&["docno", "docid"])
            .or_else(|| attribute(head, "id")),
        ..Article::default()
    };
    if let Some(kind) = attribute(head, "type").filter(|_| !reuters) {
        article.meta.insert("type".to_string(), Value::String(kind));
    }
    if reuters {
        let head = elements.text.split('>').next().unwrap_or("");
        article.id = attribute(head, "NEWID");
        article.source = Some("Reuters".to_string());
        for (name, key) in [("LEWISSPLIT", "split"), ("TOPICS", "has_topics")] {
            if let Some(value) = attribute(head, name) {
                article.meta.insert(key.to_string(), Value::String(value));
            }
        }
        for list in [
            "topics",
            "places",
            "people",
            "orgs",
            "exchanges",
            "companies",
        ] {
            let entries = elements.list(list);
            if !entries.is_empty() {
                article.meta.insert(list.to_string(), Value::Array(entries));
            }
        }
    }
    if let Some(date) = elements.line(&["date", "date_time", "date1", "pubdate"]) {
        article.date = parse_date(&date);
        if article.date.is_none() {
            article.meta.insert("date".to_string(), Value::String(date));
        }
    }
    for (names, key) in [
        (&["author", "byline"], "author"),
        (&["dateline", "dl"], "dateline"),
    ] {
        if let Some(value) = elements.line(names) {
            article.meta.insert(key.to_string(), Value::String(value));
        }
    }
    article.text = if let Some(body) = elements.inner("body") {
        paragraphs(&entities(body))
    } else if let Some(text) = elements.inner("text") {
        // Reuters' unprocessed stories have their text between no tags of their own.
        let text = without_elements(text, &["title", "author", "dateline"]);
        if text.contains("<P>") || text.contains("<p>") {
            plain(&text)
        } else {
            paragraphs(&entities(&untagged(&text)))
        }
    } else {
        String::new()
    };
    (!article.is_blank()).then_some(article)
}

/// The page of an encyclopedia as WikiExtractor writes it: its title, a blank line and its text behind a
/// tag that is a line.
fn page(document: &str) -> Option<Article> {
    let (head, body) = document.split_once('\n')?;
    // Nothing in a title is escaped, so that it may have quotes in it.
    let (_, title) = head.split_once(" title=\"")?;
    let title = one_line(&entities(title.rsplit_once('"')?.0));
    let body = body.rfind('<').map_or(body, |end| &body[..end]);
    let text = tidy(&entities(body));
    let text = text.trim();
    let text = match text.split_once('\n') {
        Some((first, rest)) if first.trim() == title => rest.trim(),
        None if text == title => "",
        _ => text,
    };
    let filled = |name| attribute(head, name).filter(|value| !value.is_empty());
    Some(Article {
        id: filled("id"),
        url: filled("url"),
        title,
        text: text.to_string(),
        ..Article::default()
    })
}

/// An attribute of a start tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let after = tag.split_once(&format!(" {name}=\""))?.1;
    after.split('"').next().map(one_line)
}

/// A text without these elements and what they hold.
fn without_elements(text: &str, names: &[&str]) -> String {
    let mut out = text.to_string();
    for name in names {
        let lower = out.to_ascii_lowercase();
        let end = format!("</{name}>");
        if let (Some(begin), Some(at)) = (lower.find(&format!("<{name}>")), lower.find(&end))
            && begin < at
        {
            out.replace_range(begin..at + end.len(), "");
        }
    }
    out
}

/// A text without its tags.
fn untagged(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        // Looked for within a tag's length, not to the end of the text for each sign.
        let near = &after.as_bytes()[..after.len().min(LONGEST_TAG)];
        match near.iter().position(|b| matches!(b, b'<' | b'>' | b'\n')) {
            Some(end) if near[end] == b'>' => rest = &after[end + 1..],
            _ => {
                out.push('<');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Lines of fixed length as paragraphs: one begins where a line is indented or a blank one stands before it.
fn paragraphs(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut new = true;
    for line in tidy(text).lines() {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            new = true;
            continue;
        }
        match out.last_mut() {
            Some(last) if !new && !line.starts_with("  ") => {
                last.push(' ');
                last.push_str(&words);
            }
            _ => out.push(words),
        }
        new = false;
    }
    out.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_found_in_pieces() {
        let bytes = b"<DOC>a </b> <</DOC><reuters></REUTERS></do";
        let mut looked = 0;
        assert_eq!(find_end(bytes, &mut looked), Some(19));
        assert_eq!(find_end(bytes, &mut looked), Some(38));
        assert_eq!((find_end(bytes, &mut looked), looked), (None, 38));
        let more = [bytes.as_slice(), b"c> "].concat();
        assert_eq!(find_end(&more, &mut looked), Some(44));
        assert_eq!((find_end(&more, &mut looked), looked), (None, more.len()));
    }

    #[test]
    fn signs_without_an_end_are_text() {
        assert_eq!(untagged("1 < 2 <b>and</b> 3<\n4>"), "1 < 2 and 3<\n4>");
        let many = "<".repeat(1 << 20);
        assert_eq!(untagged(&many), many);
    }
}
