//! The elements of a page that say something of its article, found in one walk.

use super::text::{Edge, Walk};
use dom_query::{Document, Element, NodeRef, local_name};
use html5ever::LocalName;

/// Elements by what they may say; each kind in the order of the page.
#[derive(Default)]
pub(super) struct Marks<'a> {
    /// The page's own element.
    pub root: Option<NodeRef<'a>>,
    pub metas: Vec<NodeRef<'a>>,
    /// Links to the page's own address.
    pub canonical: Vec<NodeRef<'a>>,
    /// The title of the page, in its head.
    pub window_titles: Vec<NodeRef<'a>>,
    /// Titles wherever they stand, of pictures too.
    pub titles: Vec<NodeRef<'a>>,
    /// Headings of the first level.
    pub headings: Vec<NodeRef<'a>>,
    /// Descriptions for search engines.
    pub descriptions: Vec<NodeRef<'a>>,
    /// What is marked as an author.
    pub authors: Vec<NodeRef<'a>>,
    /// What is called an author or a byline by its class, the first few behind a heading.
    pub bylines: Vec<NodeRef<'a>>,
}

/// So many bylines are looked at.
const BYLINES: usize = 8;

impl<'a> Marks<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        let mut marks = Self::default();
        let mut heads = 0usize;
        for edge in Walk::new(document.root()) {
            match edge {
                Edge::Open(node) => {
                    if let Some(element) = node.element_ref() {
                        heads += usize::from(element.name.local == local_name!("head"));
                        marks.add(node, &element, heads > 0);
                    }
                }
                Edge::Close(node) => {
                    if heads > 0 && node.has_name("head") {
                        heads -= 1;
                    }
                }
            }
        }
        marks
    }

    fn add(&mut self, node: NodeRef<'a>, element: &Element, in_head: bool) {
        let name = &element.name.local;
        if *name == local_name!("meta") {
            self.metas.push(node);
        } else if *name == local_name!("h1") {
            self.headings.push(node);
        } else if *name == local_name!("title") {
            self.titles.push(node);
            if in_head {
                self.window_titles.push(node);
            }
        } else if *name == local_name!("html") {
            self.root.get_or_insert(node);
        } else if *name == local_name!("link") {
            let canonical = |rel: &str| words(rel).any(|w| w.eq_ignore_ascii_case("canonical"));
            if value(element, &local_name!("rel")).is_some_and(canonical) {
                self.canonical.push(node);
            }
        } else if *name == local_name!("script") {
            let linked = |kind: &str| kind.to_ascii_lowercase().contains("ld+json");
            if value(element, &local_name!("type")).is_some_and(linked) {
                self.descriptions.push(node);
            }
        }
        let author =
            |key: &LocalName| value(element, key).is_some_and(|v| words(v).any(|w| w == "author"));
        if author(&local_name!("itemprop")) || author(&local_name!("rel")) {
            self.authors.push(node);
        }
        if self.bylines.len() < BYLINES
            && !self.headings.is_empty()
            && value(element, &local_name!("class")).is_some_and(names_author)
        {
            self.bylines.push(node);
        }
    }
}

/// Whether a class is an author's or a byline's.
fn names_author(class: &str) -> bool {
    let author = |word: &str| {
        matches!(
            word,
            "author"
                | "article-author"
                | "article__author"
                | "post-author"
                | "entry-author"
                | "p-author"
                | "author-info"
                | "by-author"
        ) || [
            "author-name",
            "author__name",
            "author_name",
            "-author__link",
        ]
        .iter()
        .any(|end| word.ends_with(end))
    };
    class.contains("byline")
        || class.contains("Byline")
        || class.contains("author") && words(class).any(author)
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split_ascii_whitespace()
}

fn value<'e>(element: &'e Element, key: &LocalName) -> Option<&'e str> {
    let attribute = element.attrs.iter().find(|a| a.name.local == *key)?;
    Some(&attribute.value)
}

#[cfg(test)]
mod tests {
    use super::Marks;
    use crate::corpus::formats::html::parse;

    /// What selectors found, each in a walk of its own.
    #[test]
    fn elements_are_told_apart_by_name_and_attributes() {
        let page = parse::page(
            r#"<html lang=en><head><title>The page</title><meta name=a content=b>
            <link rel="alternate CANONICAL" href=/own><link rel=canonicals href=/none>
            <script type="application/LD+JSON">{}</script><script type=module>x</script></head>
            <body><h1>One</h1><svg><title>A picture</title></svg><h1>Two</h1>
            <a rel="nofollow author">Ann</a><b itemprop=author>Bo</b><b itemprop=Author>None</b>"#,
        );
        let marks = Marks::of(&page);
        let texts = |nodes: &[dom_query::NodeRef<'_>]| -> Vec<String> {
            nodes.iter().map(|n| n.text().to_string()).collect()
        };
        assert_eq!(texts(&marks.window_titles), ["The page"]);
        assert_eq!(texts(&marks.titles), ["The page", "A picture"]);
        assert_eq!(texts(&marks.headings), ["One", "Two"]);
        assert_eq!(texts(&marks.authors), ["Ann", "Bo"]);
        assert_eq!(texts(&marks.descriptions), ["{}"]);
        assert_eq!((marks.metas.len(), marks.canonical.len()), (1, 1));
        assert_eq!(
            marks.root.and_then(|r| r.attr("lang")).as_deref(),
            Some("en")
        );
    }
}
