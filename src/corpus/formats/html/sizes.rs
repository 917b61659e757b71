//! How much text is in each element of a page, and before it.

use super::text::{Edge, Walk, visible};
use dom_query::{LocalName, NodeData, NodeId, NodeRef, local_name};
use rustc_hash::{FxBuildHasher, FxHashMap};

/// A text this long, in characters, is a sentence.
pub(super) const SENTENCE: usize = 20;

/// What is known of an element and all below it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Characters without blanks, as [`visible`] counts them.
    pub chars: usize,
    pub linked: usize,
    /// It has a heading of the first level.
    pub headline: bool,
    /// It has an element that the page calls its article or main part.
    pub landmark: bool,
    /// Characters outside links between the headline, or else the beginning, and it.
    pub before: usize,
    /// Characters of paragraphs that are sentences between the headline and it.
    pub told: usize,
    /// Characters outside links of paragraphs in it that end like a sentence.
    pub sentences: usize,
}

impl Size {
    /// Whether it is mostly paragraphs that are sentences, with few links.
    pub(super) fn is_told(&self) -> bool {
        let plain = self.chars - self.linked;
        self.sentences >= SENTENCE && self.sentences * 3 > plain * 2 && self.linked * 4 < self.chars
    }

    /// Takes away what another has.
    pub(super) fn less(&mut self, other: Self) {
        self.chars = self.chars.saturating_sub(other.chars);
        self.linked = self.linked.saturating_sub(other.linked);
        self.sentences = self.sentences.saturating_sub(other.sentences);
    }
}

/// The sizes of all elements in `root`, in one walk.
pub(super) fn sizes(root: NodeRef<'_>) -> FxHashMap<NodeId, Size> {
    let mut sizes = FxHashMap::with_capacity_and_hasher(root.tree.len() / 4, FxBuildHasher);
    let mut open: Vec<Size> = Vec::new();
    let (mut links, mut unseen) = (0usize, 0usize);
    let (mut titled, mut before, mut told) = (false, 0, 0);
    // The last text that shows anything.
    let mut last: Option<NodeRef<'_>> = None;
    for edge in Walk::new(root) {
        match edge {
            Edge::Open(node) => {
                if node.is_element() {
                    let name = name(&node);
                    links += usize::from(name == local_name!("a"));
                    unseen += usize::from(is_code(&name));
                    open.push(Size {
                        headline: name == local_name!("h1"),
                        landmark: matches!(name.as_ref(), "article" | "main"),
                        before,
                        told,
                        ..Size::default()
                    });
                } else if unseen == 0
                    && let Some(top) = open.last_mut()
                {
                    let chars = of_text(&node, visible).unwrap_or(0);
                    top.chars += chars;
                    if links > 0 {
                        top.linked += chars;
                    } else {
                        before += chars;
                    }
                    if chars > 0 {
                        last = Some(node);
                    }
                }
            }
            Edge::Close(node) => {
                if !node.is_element() {
                    continue;
                }
                let name = name(&node);
                links -= usize::from(name == local_name!("a"));
                unseen -= usize::from(is_code(&name));
                let Some(mut size) = open.pop() else {
                    continue;
                };
                let plain = size.chars - size.linked;
                let sentence = name == local_name!("p")
                    && plain >= SENTENCE
                    && last.is_some_and(|text| of_text(&text, ends) == Some(true));
                if sentence {
                    size.sentences = plain;
                }
                if let Some(parent) = open.last_mut() {
                    parent.chars += size.chars;
                    parent.linked += size.linked;
                    parent.sentences += size.sentences;
                    parent.headline |= size.headline;
                    parent.landmark |= size.landmark;
                }
                if name == local_name!("h1") {
                    (titled, before, told) = (true, 0, 0);
                } else if sentence && titled {
                    told += plain;
                }
                sizes.insert(node.id, size);
            }
        }
    }
    sizes
}

/// What `f` says of a node's own text.
fn of_text<T>(node: &NodeRef<'_>, f: impl FnOnce(&str) -> T) -> Option<T> {
    node.query_or(None, |node| match &node.data {
        NodeData::Text { contents } => Some(f(contents)),
        _ => None,
    })
}

/// Whether a text ends like a sentence.
pub(super) fn ends(text: &str) -> bool {
    let quotes = ['"', '\'', '”', '’', '»', '」', '』', ')'];
    let text = text.trim_end().trim_end_matches(quotes);
    text.ends_with(['.', '!', '?', '…', '。', '！', '？', '؟', '।'])
}

/// An element's name; empty for any other node.
pub(super) fn name(node: &NodeRef<'_>) -> LocalName {
    node.qual_name_ref()
        .map_or_else(|| local_name!(""), |name| name.local.clone())
}

fn is_code(name: &LocalName) -> bool {
    matches!(name.as_ref(), "script" | "style" | "noscript" | "template")
}
