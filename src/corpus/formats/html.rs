//! HTML: the article's own text out of its page.

use super::{Context, whole};
use crate::corpus::article::{Article, one_line, tidy};
use crate::corpus::dates::parse_date;
use crate::corpus::decode::Decoder;
use crate::error::Result;
use encoding_rs::Encoding;
use scraper::{ElementRef, Html, Node, Selector};
use std::io::Read;

/// What holds no article text.
const SKIPPED: &[&str] = &[
    "script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form",
    "button", "svg", "iframe", "figure", "select", "head", "title", "dialog",
];

/// Elements that end a paragraph.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "section",
    "article",
    "main",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "ul",
    "ol",
    "blockquote",
    "pre",
    "table",
    "tr",
    "dd",
    "dt",
    "hr",
];

pub(super) fn read(
    stream: impl Read,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let Some(bytes) = whole(stream, context)? else {
        return Ok(());
    };
    let source = if std::str::from_utf8(&bytes).is_err()
        && let Some(encoding) = declared(&bytes)
    {
        encoding.decode(&bytes).0
    } else {
        decoder.decode(&bytes)
    };
    let article = extract(&source);
    if article.text.trim().is_empty() {
        return context.bad(None, "no article text found in the page");
    }
    context.sink.article(Article {
        id: context.file_id.clone(),
        origin: context.origin.to_string(),
        ..article
    })
}

/// The encoding that the page itself declares.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).to_lowercase();
    let label = head.split("charset=").nth(1)?;
    let label: String = label
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    Encoding::for_label(label.as_bytes())
}

fn extract(source: &str) -> Article {
    let page = Html::parse_document(source);
    let all = |css: &str| -> Vec<ElementRef<'_>> {
        Selector::parse(css).map_or_else(|_| Vec::new(), |s| page.select(&s).collect())
    };
    let attribute = |css: &str, name: &str| -> Option<String> {
        all(css)
            .into_iter()
            .find_map(|e| e.value().attr(name).map(one_line).filter(|s| !s.is_empty()))
    };
    let inner = |css: &str| -> Option<String> {
        all(css)
            .into_iter()
            .map(|e| one_line(&e.text().collect::<String>()))
            .find(|s| !s.is_empty())
    };

    let title = attribute(r#"meta[property="og:title"]"#, "content")
        .or_else(|| inner("article h1"))
        .or_else(|| inner("h1"))
        .or_else(|| inner("title"))
        .unwrap_or_default();
    let date = [
        (r#"meta[property="article:published_time"]"#, "content"),
        (r#"meta[name="date"]"#, "content"),
        (r#"meta[itemprop="datePublished"]"#, "content"),
        ("time[datetime]", "datetime"),
    ]
    .iter()
    .find_map(|(css, name)| attribute(css, name).and_then(|d| parse_date(&d)));

    let mut text = String::new();
    for css in [
        r#"[itemprop="articleBody"]"#,
        "article",
        "main",
        r#"[role="main"]"#,
        "body",
    ] {
        // Pages nest teasers as <article> too: the longest one is the article.
        let candidate = all(css)
            .into_iter()
            .map(|element| tidy(&block_text(element, &title)))
            .max_by_key(String::len);
        if let Some(candidate) = candidate
            && !candidate.trim().is_empty()
        {
            text = candidate;
            break;
        }
    }
    Article {
        title,
        text,
        date,
        url: attribute(r#"link[rel="canonical"]"#, "href")
            .or_else(|| attribute(r#"meta[property="og:url"]"#, "content")),
        source: attribute(r#"meta[property="og:site_name"]"#, "content"),
        ..Article::default()
    }
}

/// The element's text, with a blank line after each block.
fn block_text(root: ElementRef<'_>, title: &str) -> String {
    let mut paragraphs: Vec<String> = vec![String::new()];
    walk(root, &mut paragraphs);
    paragraphs
        .iter()
        .map(|p| one_line(p))
        .filter(|p| !p.is_empty())
        .enumerate()
        .filter(|(i, p)| *i > 0 || p != title)
        .map(|(_, p)| p)
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// Walks the tree without recursion, since a page may nest as deep as it likes.
fn walk(root: ElementRef<'_>, paragraphs: &mut Vec<String>) {
    use ego_tree::iter::Edge;
    let mut skipped = 0usize;
    for edge in root.traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Element(element) => {
                    let name = element.name();
                    if node.id() != root.id() && SKIPPED.contains(&name) {
                        skipped += 1;
                    }
                    if name == "br" {
                        if let Some(last) = paragraphs.last_mut() {
                            last.push(' ');
                        }
                    } else if BLOCKS.contains(&name) {
                        paragraphs.push(String::new());
                    }
                }
                Node::Text(text) if skipped == 0 => {
                    if let Some(last) = paragraphs.last_mut() {
                        last.push_str(text);
                    }
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    let name = element.name();
                    if node.id() != root.id() && SKIPPED.contains(&name) {
                        skipped -= 1;
                    }
                    if BLOCKS.contains(&name) {
                        paragraphs.push(String::new());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_article_is_found_in_its_page() {
        let article = extract(
            r#"<html><head><title>Site - T</title><meta property="og:title" content="The title">
            <meta property="article:published_time" content="2016-03-24T08:00:00Z">
            <meta property="og:site_name" content="The Site"></head>
            <body><nav>Home News</nav><article><h1>The title</h1><p>One <b>bold</b> word.</p>
            <script>alert(1)</script><div><p>Two.</p></div></article><footer>Terms</footer></body></html>"#,
        );
        assert_eq!(article.title, "The title");
        assert_eq!(article.text, "One bold word.\n\nTwo.");
        assert_eq!(article.date.as_deref(), Some("2016-03-24T08:00:00"));
        assert_eq!(article.source.as_deref(), Some("The Site"));
    }

    #[test]
    fn deep_nesting_is_no_problem() {
        let page = format!(
            "{}<p>deep</p>{}",
            "<div>".repeat(20_000),
            "</div>".repeat(20_000)
        );
        assert_eq!(extract(&page).text, "deep");
    }
}
