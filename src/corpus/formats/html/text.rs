//! The visible text of a part of the tree, block by block.

use super::hidden::is_hidden;
use crate::corpus::decode::count;
use dom_query::{Element, NodeData, NodeRef};
use html5ever::{LocalName, QualName, local_name};

/// What a block of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Paragraph,
    Heading,
    Item,
    Caption,
    /// Its line breaks are its own.
    Preformatted,
}

/// A paragraph, heading, list item, row of a table …
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub kind: Kind,
    pub text: String,
    /// How many of its characters are a link's, as [`visible`] counts them.
    pub linked: usize,
    /// All of its characters, as [`visible`] counts them.
    pub chars: usize,
}

impl Block {
    /// The part of its text that is links, from 0 to 1.
    pub(super) fn link_density(&self) -> f32 {
        self.linked as f32 / self.chars.max(1) as f32
    }
}

/// Whether an element of this name starts a paragraph of its own: everything but what the standard
/// calls phrasing content.
pub(super) fn is_block(name: &LocalName) -> bool {
    matches!(
        name.as_ref(),
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "listing"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "optgroup"
            | "option"
            | "p"
            | "plaintext"
            | "pre"
            | "search"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "tfoot"
            | "thead"
            | "tr"
            | "ul"
            | "xmp"
    )
}

/// A cell with more text than this, in bytes, is one of a layout and stands for itself; shorter
/// ones are a row together.
const LAYOUT_CELL: usize = 100;

/// Whether the element's author calls it a caption.
fn is_caption(element: &Element) -> bool {
    element.attrs.iter().any(|a| {
        a.name.local == local_name!("class")
            && a.value
                .split(|c: char| !c.is_alphanumeric())
                .any(|w| w.eq_ignore_ascii_case("caption"))
    })
}

/// What is never text.
fn is_unseen(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "noscript"
            | "template"
            | "iframe"
            | "object"
            | "embed"
            | "audio"
            | "video"
            | "canvas"
            | "head"
            | "datalist"
            | "noembed"
            | "noframes"
            | "rp"
    )
}

/// How text is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Blank lines in the source part paragraphs, as editors of content management systems save
    /// them.
    pub blank_lines: bool,
    /// Single line ends in the source stay.
    pub lines: bool,
    /// Text of buttons, inputs and pictures, readings above characters and deleted text count too.
    pub everything: bool,
    /// So does what is hidden from readers. Of a page it was pruned.
    pub hidden: bool,
}

impl Reading {
    /// Of a page that was pruned.
    pub(super) const PRUNED: Self = Self {
        blank_lines: false,
        lines: false,
        everything: false,
        hidden: true,
    };
}

/// The blocks of text in `root`, in order.
pub(super) fn blocks(root: NodeRef<'_>, reading: Reading) -> Vec<Block> {
    blocks_and_hidden(root, reading).0
}

/// The same, and whether anything was left out as it is hidden.
pub(super) fn blocks_and_hidden(root: NodeRef<'_>, reading: Reading) -> (Vec<Block>, bool) {
    let mut writer = Writer::new(reading);
    writer.walk(Walk::new(root), usize::MAX);
    (writer.blocks, writer.hid)
}

/// Up to `most` blocks that stand behind a node, in `root`.
pub(super) fn blocks_behind(node: NodeRef<'_>, root: NodeRef<'_>, most: usize) -> Vec<Block> {
    // Pruning leaves what is hidden where it is most of a page.
    let mut writer = Writer::new(Reading {
        hidden: false,
        ..Reading::PRUNED
    });
    writer.walk(Walk::behind(node, root), most);
    writer.blocks.truncate(most);
    writer.blocks
}

struct Writer {
    reading: Reading,
    blocks: Vec<Block>,
    /// Whether something hidden was met.
    hid: bool,
    text: String,
    kind: Kind,
    chars: usize,
    linked: usize,
    /// A blank is due before the next character.
    blank: bool,
    breaks: usize,
    links: usize,
    preformatted: usize,
    /// Where the current cell's text begins, if it is a cell's.
    cell: Option<usize>,
}

impl Writer {
    fn new(reading: Reading) -> Self {
        Self {
            reading,
            blocks: Vec::new(),
            hid: false,
            text: String::new(),
            kind: Kind::Paragraph,
            chars: 0,
            linked: 0,
            blank: false,
            breaks: 0,
            links: 0,
            preformatted: 0,
            cell: None,
        }
    }

    /// Writes what a walk meets, until there are so many blocks.
    fn walk(&mut self, mut walk: Walk<'_>, most: usize) {
        while self.blocks.len() < most
            && let Some(edge) = walk.next()
        {
            match edge {
                Edge::Open(node) => {
                    if let Some(element) = node.element_ref() {
                        if !self.open(&element) {
                            drop(element);
                            walk.skip_children();
                        }
                    } else {
                        node.query_or((), |node| {
                            if let NodeData::Text { contents } = &node.data {
                                self.text(contents);
                            }
                        });
                    }
                }
                Edge::Close(node) => {
                    if let Some(name) = node.qual_name_ref() {
                        self.close(&name);
                    }
                }
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        if self.chars > 0 {
            let kind = if self.preformatted > 0 {
                Kind::Preformatted
            } else {
                self.kind
            };
            // The next block is written into the same room.
            let text = self.text.as_str();
            let text = match kind {
                Kind::Preformatted => text.trim_matches('\n').trim_end().to_string(),
                // A link to the heading itself.
                Kind::Heading if text.ends_with('¶') => {
                    text.trim_end_matches(['¶', ' ']).to_string()
                }
                _ => text.to_string(),
            };
            self.blocks.push(Block {
                kind,
                text,
                linked: self.linked,
                chars: self.chars,
            });
        }
        self.text.clear();
        (self.chars, self.linked, self.breaks) = (0, 0, 0);
        self.blank = false;
        self.cell = None;
    }

    /// Whether to go into the element.
    fn open(&mut self, element: &Element) -> bool {
        let name = &element.name;
        let local = name.local.as_ref();
        if is_unseen(local) {
            return false;
        }
        if !self.reading.hidden && is_hidden(element) {
            self.hid = true;
            return false;
        }
        if !self.reading.everything
            && matches!(
                local,
                "button" | "select" | "textarea" | "svg" | "rt" | "menu" | "title" | "del"
            )
        {
            return false;
        }
        match local {
            "br" => {
                self.breaks += 1;
                if self.preformatted > 0 {
                    self.text.push('\n');
                } else if self.breaks > 1 {
                    self.flush();
                } else {
                    self.blank = true;
                }
            }
            "td" | "th" => self.cell(),
            "label" | "button" | "select" | "textarea" | "output" => self.blank = true,
            "a" => self.links += 1,
            "pre" | "listing" | "xmp" => {
                self.flush();
                self.preformatted += 1;
            }
            _ if is_block(&name.local) => {
                self.flush();
                self.kind = match local {
                    "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Kind::Heading,
                    "li" | "dt" | "dd" => Kind::Item,
                    "figcaption" | "caption" => Kind::Caption,
                    _ if is_caption(element) => Kind::Caption,
                    // A paragraph in an item or a caption is still the item's.
                    "p" | "div" if matches!(self.kind, Kind::Item | Kind::Caption) => self.kind,
                    _ => Kind::Paragraph,
                };
            }
            _ => {}
        }
        true
    }

    /// The next cell of a row: after a blank, or apart where either is a part of a layout.
    fn cell(&mut self) {
        match self.cell {
            Some(begin) if self.text.len() - begin.min(self.text.len()) > LAYOUT_CELL => {
                self.flush();
            }
            _ => self.blank = true,
        }
        self.cell = Some(self.text.len());
    }

    fn close(&mut self, name: &QualName) {
        match name.local.as_ref() {
            "td" | "th" => {
                let begin = self.cell.unwrap_or(0).min(self.text.len());
                if self.text.len() - begin > LAYOUT_CELL {
                    self.flush();
                }
                self.blank = true;
            }
            "label" | "button" | "select" | "textarea" | "output" => self.blank = true,
            "a" => self.links = self.links.saturating_sub(1),
            "pre" | "listing" | "xmp" => {
                self.flush();
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            local if is_block(&name.local) => {
                self.flush();
                // A paragraph within an item or a caption ends without ending it.
                if !(matches!(local, "p" | "div") && self.kind == Kind::Item) {
                    self.kind = Kind::Paragraph;
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.preformatted > 0 {
            self.count(text);
            self.text.push_str(&text.replace("\r\n", "\n"));
            return;
        }
        let mut newlines = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let word = rest.trim_start();
            let blanks = &rest[..rest.len() - word.len()];
            self.blank |= !blanks.is_empty();
            newlines += blanks.bytes().filter(|b| *b == b'\n').count();
            if word.is_empty() {
                break;
            }
            let end = end_of_word(word);
            let word = &word[..end];
            rest = &rest[blanks.len() + end..];
            if newlines > 1 && self.reading.blank_lines {
                self.flush();
            } else if newlines > 0 && self.reading.lines && !self.text.is_empty() {
                self.text.push('\n');
                self.blank = false;
            }
            newlines = 0;
            if std::mem::take(&mut self.blank) && !self.text.is_empty() {
                self.text.push(' ');
            }
            self.breaks = 0;
            self.text.push_str(word);
            self.add(if word.is_ascii() {
                word.len()
            } else {
                visible(word)
            });
        }
        if newlines > 1 && self.reading.blank_lines {
            self.flush();
        } else if newlines > 0 && self.reading.lines && !self.text.is_empty() {
            self.text.push('\n');
            self.blank = false;
        }
    }

    fn count(&mut self, text: &str) {
        self.add(visible(text));
    }

    fn add(&mut self, n: usize) {
        self.chars += n;
        if self.links > 0 {
            self.linked += n;
        }
    }
}

/// Where the word that a text begins with ends.
fn end_of_word(text: &str) -> usize {
    let is_letter = |b: u8| b.is_ascii() && !matches!(b, b'\t'..=b'\r' | b' ');
    let Some(letters) = text.bytes().position(|b| !is_letter(b)) else {
        return text.len();
    };
    let rest = &text[letters..];
    letters + rest.find(char::is_whitespace).unwrap_or(rest.len())
}

/// How much text there is: its characters without blanks, where a character of a script that writes
/// a syllable or word with each counts for two and a half, which is about what a translation into
/// Latin letters has.
pub(super) fn visible(text: &str) -> usize {
    if text.is_ascii() {
        return count(text.as_bytes(), |b| !matches!(b, b'\t'..=b'\r' | b' '));
    }
    let (mut all, mut wide) = (0, 0);
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        all += 1;
        wide += usize::from(c >= '\u{2e80}' && is_wide(c));
    }
    all + wide * 3 / 2
}

/// Whether it is Chinese, Japanese or Korean.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

/// A step of a walk through a tree.
pub(super) enum Edge<'a> {
    Open(NodeRef<'a>),
    Close(NodeRef<'a>),
}

/// A walk through a node and all below it, without recursion.
pub(super) struct Walk<'a> {
    root: NodeRef<'a>,
    next: Option<Edge<'a>>,
    last: Option<NodeRef<'a>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(root: NodeRef<'a>) -> Self {
        Self {
            root,
            next: Some(Edge::Open(root)),
            last: None,
        }
    }

    /// Through what stands behind a node.
    fn behind(node: NodeRef<'a>, root: NodeRef<'a>) -> Self {
        Self {
            root,
            next: Some(Edge::Close(node)),
            last: None,
        }
    }

    /// Leaves out what is below the node that was just opened.
    pub(super) fn skip_children(&mut self) {
        if let Some(node) = self.last.take() {
            self.next = Some(Edge::Close(node));
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Edge<'a>;

    fn next(&mut self) -> Option<Edge<'a>> {
        let edge = self.next.take()?;
        match edge {
            Edge::Open(node) => {
                self.last = Some(node);
                self.next = Some(node.first_child().map_or(Edge::Close(node), Edge::Open));
            }
            Edge::Close(node) => {
                if node.id != self.root.id {
                    self.next = match node.next_sibling() {
                        Some(sibling) => Some(Edge::Open(sibling)),
                        None => node.parent().map(Edge::Close),
                    };
                }
            }
        }
        Some(edge)
    }
}

#[cfg(test)]
mod tests {
    use super::visible;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn characters_without_blanks_are_counted(text in "[a-z \\t\\r\\n\u{b}\u{1c}é\u{a0}“\u{2009}\u{3000}\u{85}🌉]{0,40}") {
            prop_assert_eq!(visible(&text), text.chars().filter(|c| !c.is_whitespace()).count());
        }

        #[test]
        fn characters_of_words_count_for_more(text in "[橋が다。]{0,40}") {
            prop_assert_eq!(visible(&text), text.chars().count() * 5 / 2);
        }
    }
}
