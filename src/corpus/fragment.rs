//! A placeholder: `formats::html::fragment` takes its place, and this file goes.

use scraper::{Html, Node};

/// The plain text of a string that is markup, or holds entities; `None` where it does not.
pub(crate) fn fragment(text: &str) -> Option<String> {
    let is_markup = ["</", "<br", "<!--", "<div", "<p>", "<img"]
        .iter()
        .any(|t| text.contains(t));
    let has_entity = text.contains('&') && text.contains(';');
    if !(is_markup || has_entity) {
        return None;
    }
    let page = Html::parse_fragment(text);
    let mut out = String::new();
    for node in page.tree.nodes() {
        match node.value() {
            Node::Element(e) if ["p", "li", "br", "div"].contains(&e.name()) => {
                out.push_str("\n\n")
            }
            Node::Text(t) => {
                let parent = node
                    .parent()
                    .and_then(|p| p.value().as_element().map(|e| e.name().to_string()));
                if !matches!(parent.as_deref(), Some("script" | "style")) {
                    out.push_str(&t.replace('\u{a0}', " "));
                }
            }
            _ => {}
        }
    }
    let blocks = out.split("\n\n").map(str::trim).filter(|b| !b.is_empty());
    Some(blocks.collect::<Vec<_>>().join("\n\n"))
}
