//! Whole pages within other formats: in a column, in an item of a feed, in a mail.

use super::fragment::without_entities;
use super::page;
use crate::corpus::article::Article;
use std::borrow::Cow;

/// Whether a text is a whole page and no piece of one: it begins as a document does, past declarations and
/// comments, as it is or escaped once more.
pub(in crate::corpus) fn is_page(text: &str) -> bool {
    let mut rest = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if rest.starts_with("&lt;") {
        return is_page(&unescaped_beginning(rest));
    }
    while let Some(after) = rest.strip_prefix('<') {
        if begins(after, "!doctype html") {
            return true;
        }
        let end = if after.starts_with("!--") {
            after.find("-->").map(|at| at + 3)
        } else if after.starts_with(['!', '?']) {
            after.find('>').map(|at| at + 1)
        } else {
            // A sentence may begin with the name of an element; a page has another of these, or an end.
            return is_of_pages(after)
                && memchr::memchr_iter(b'<', after.as_bytes())
                    .map(|at| &after[at + 1..])
                    .any(|tag| is_of_pages(tag.strip_prefix('/').unwrap_or(tag)));
        };
        match end {
            Some(end) => rest = after[end..].trim_start(),
            None => return false,
        }
    }
    false
}

/// The article of a whole page; `None` where the text is none, or no article is found in it.
pub(in crate::corpus) fn page_in(text: &str) -> Option<Article> {
    if !is_page(text) {
        return None;
    }
    let escaped = text.trim_start().starts_with("&lt;");
    let source = match escaped {
        true => without_entities(text).map_or(Cow::Borrowed(text), Cow::Owned),
        false => Cow::Borrowed(text),
    };
    let article = page::extract(&source);
    (!article.text.trim().is_empty()).then_some(article)
}

/// Whether a page is one of a site, with parts of it around an article, as hardly any page is that was
/// written for one letter.
pub(in crate::corpus) fn is_of_a_site(page: &str) -> bool {
    const PARTS: [&str; 6] = [
        "nav",
        "main",
        "article",
        "meta property=\"og:",
        "meta property='og:",
        "link rel=\"canonical\"",
    ];
    let tags = memchr::memchr_iter(b'<', page.as_bytes());
    tags.map(|at| &page[at + 1..]).any(|tag| {
        PARTS.iter().any(|part| {
            begins(tag, part)
                && (part.len() > 8 || !tag[part.len()..].starts_with(char::is_alphanumeric))
        })
    })
}

/// A page from its body on: what its head says is not shown.
pub(in crate::corpus) fn without_head(page: &str) -> &str {
    if !is_page(page) {
        return page;
    }
    let mut tags = memchr::memchr_iter(b'<', page.as_bytes());
    let body = tags.find(|at| begins(&page[at + 1..], "body"));
    body.map_or(page, |at| &page[at..])
}

/// Whether a tag is of an element that a page has once.
fn is_of_pages(tag: &str) -> bool {
    let mut names = ["html", "head", "body"].iter();
    names.any(|name| {
        begins(tag, name) && tag[name.len()..].starts_with(|c: char| c == '>' || c.is_whitespace())
    })
}

/// Whether a text begins so, in any case of letters; `wanted` is in small ones.
fn begins(text: &str, wanted: &str) -> bool {
    let beginning = text.as_bytes().get(..wanted.len());
    beginning.is_some_and(|bytes| bytes.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// So many characters tell whether what was escaped is a page.
const BEGINNING: usize = 1000;

fn unescaped_beginning(text: &str) -> String {
    let beginning: String = text.chars().take(BEGINNING).collect();
    beginning.replace("&lt;", "<").replace("&gt;", ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_pieces_and_texts() {
        for page in [
            "<!DOCTYPE html><p>x",
            "\u{feff}\n<?xml version='1.0'?><!-- saved --><HTML lang=en><body>",
            "<body class=x>Text</body>",
            "&lt;html&gt;&lt;body&gt;x",
        ] {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "",
            "<p>The &lt;html&gt; element</p>",
            "The <body> element holds what is shown.",
            "<header>A</header>",
            "<bodyguard>",
            "<html> is the element that holds all others.",
            "<!-- <html>",
            "&lt;p&gt;x",
            "&lt;",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn a_letter_is_no_page_of_a_site() {
        assert!(is_of_a_site("<html><body><NAV class=x>Home</nav>"));
        assert!(is_of_a_site("<head><meta property=\"og:title\" content=x>"));
        assert!(!is_of_a_site("<html><body><mainframe><table>Dear all"));
        assert_eq!(
            without_head("<html><head><title>T</title></head><BODY>x</BODY></html>"),
            "<BODY>x</BODY></html>"
        );
        assert_eq!(without_head("a <body> b"), "a <body> b");
    }
}
