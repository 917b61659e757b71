//! Pages in XML's syntax, where any element may end in its own tag: `<script src="a.js"/>`. To a parser of HTML it
//! is open, and holds the rest of the page.

use std::borrow::Cow;

/// Elements that hold whatever follows them until their end tag.
const HOLDING: [&str; 8] = [
    "script", "style", "title", "iframe", "textarea", "noscript", "div", "a",
];

/// How far into a page it says that it is of this kind, in bytes.
const HEAD: usize = 1024;

/// A page with an end tag behind each start tag that ends its element itself, where it is of this kind.
pub(super) fn with_end_tags(source: &str) -> Cow<'_, str> {
    if !is_xhtml(source) {
        return Cow::Borrowed(source);
    }
    let mut written = String::new();
    // Up to where the source is written, and read.
    let (mut copied, mut at) = (0, 0);
    while let Some(start) = memchr::memchr(b'<', &source.as_bytes()[at..]).map(|i| at + i) {
        let Some(end) = end_of_tag(&source[start..]) else {
            break;
        };
        at = start + end;
        let tag = &source[start..at];
        if let Some(open) = tag.strip_suffix("/>")
            && let Some(name) = HOLDING.iter().find(|name| is_named(&tag[1..], name))
        {
            written.push_str(&source[copied..start + open.len()]);
            written.push_str("></");
            written.push_str(name);
            written.push('>');
            copied = at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    written.push_str(&source[copied..]);
    Cow::Owned(written)
}

fn is_xhtml(source: &str) -> bool {
    let start = source.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let head = &start.as_bytes()[..start.len().min(HEAD)];
    start.starts_with("<?xml") || memchr::memmem::find(head, b"www.w3.org/1999/xhtml").is_some()
}

/// Where the tag or comment ends that a text begins with, past `>` in quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    if text.starts_with("<!--") {
        return text.find("-->").map(|at| at + 3);
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', &bytes[at..])?;
        match bytes[at] {
            b'>' => return Some(at + 1),
            quote if text[..at].trim_end().ends_with('=') => {
                at += 2 + memchr::memchr(quote, &bytes[at + 1..])?;
            }
            _ => at += 1,
        }
    }
}

fn is_named(tag: &str, name: &str) -> bool {
    let own = tag.as_bytes().get(..name.len());
    own.is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
        && tag[name.len()..].starts_with(|c: char| c == '/' || c == '>' || c.is_whitespace())
}

/// What a page shows where no program runs: all that its `<noscript>` elements hold.
pub(super) fn unscripted(source: &str) -> String {
    let lower = source.to_ascii_lowercase();
    let (mut all, mut at) = (String::new(), 0);
    while let Some(start) = lower[at..].find("<noscript") {
        let Some(open) = lower[at + start..]
            .find('>')
            .map(|end| at + start + end + 1)
        else {
            break;
        };
        let end = lower[open..]
            .find("</noscript")
            .map_or(lower.len(), |end| open + end);
        all.push_str(&source[open..end]);
        at = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{unscripted, with_end_tags};

    #[test]
    fn elements_that_end_in_their_own_tag_get_an_end_tag() {
        let page = "<?xml version='1.0'?><!-- <a/> --><title/><script src='a>b'\n/><br/><p>1 > 0</p><DIV/><abbr/>";
        let wanted = "<?xml version='1.0'?><!-- <a/> --><title></title><script src='a>b'\n></script><br/>\
            <p>1 > 0</p><DIV></div><abbr/>";
        assert_eq!(with_end_tags(page), wanted);
        let html = "<html><script src=a/><p>";
        assert_eq!(with_end_tags(html), html);
        assert_eq!(with_end_tags("<?xml ?><p <"), "<?xml ?><p <");
    }

    #[test]
    fn what_is_shown_without_programs_is_found() {
        assert_eq!(
            unscripted("a<NOSCRIPT x><p>b</p></noscript>c<noscript>d"),
            "<p>b</p>d"
        );
        assert_eq!(unscripted("<noscript"), "");
    }
}
