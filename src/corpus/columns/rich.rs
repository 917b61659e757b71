//! Texts that an editor wrote as a tree of blocks, as content management systems keep them: ProseMirror and TipTap,
//! Contentful, Slate and Strapi, Lexical, Portable Text of Sanity, Editor.js, Draft.js, Quill and Notion.

use serde_json::{Map, Value};

/// Members that hold what a node is made of.
const PARTS: [&str; 2] = ["content", "children"];
/// Members that hold a run of text.
const RUNS: [&str; 4] = ["text", "value", "insert", "plain_text"];
/// Members that hold the text of a block in one piece.
const WHOLE: [&str; 4] = ["content", "html", "body", "code"];

/// The text of a tree of blocks, a paragraph for each.
pub(super) struct Rich {
    pub text: String,
    /// Whether something in it is no text, such as a picture.
    pub rest: bool,
}

/// The text of a tree of blocks; `None` where a value is no such tree, or has no text.
pub(super) fn text(value: &Value) -> Option<Rich> {
    let (blocks, in_line) = blocks(value)?;
    let mut out = Paragraphs::default();
    out.nodes(blocks, in_line);
    out.end();
    (!out.done.is_empty()).then(|| Rich {
        text: out.done.join("\n\n"),
        rest: out.rest,
    })
}

/// Whether a value is such a tree.
pub(crate) fn is_tree(value: &Value) -> bool {
    blocks(value).is_some()
}

/// The blocks of a tree, where a value is one, and whether they are runs of one line.
fn blocks(value: &Value) -> Option<(&[Value], bool)> {
    let named = |items: &[Value], name: &str| items.iter().all(|item| item.get(name).is_some());
    match value {
        Value::Array(items) => {
            // Articles, of which each has its own.
            let titled = |item: &Value| {
                let names = ["title", "headline", "name", "subject", "heading"];
                names
                    .iter()
                    .any(|name| item.get(*name).is_some_and(Value::is_string))
            };
            if items.is_empty() || !items.iter().all(is_node) || items.iter().all(titled) {
                return None;
            }
            if items.iter().all(is_run) || named(items, "insert") {
                return Some((items, true));
            }
            let kept = items
                .iter()
                .all(|item| kept(item).is_some() && kind(item).is_some());
            (kept || items.iter().any(is_block)).then_some((items, false))
        }
        Value::Object(object) => {
            if let Some(Value::Object(root)) = object.get("root") {
                let nodes = |items: &&[Value]| items.iter().all(is_node);
                return part(root).filter(nodes).map(|items| (items, false));
            }
            // Editor.js and Draft.js; Quill.
            if let Some(Value::Array(items)) = object.get("blocks") {
                let known = |item: &Value| {
                    let data = item.get("data").is_some_and(Value::is_object);
                    kind(item).is_some() && (data || is_text(item))
                };
                return (!items.is_empty() && items.iter().all(known)).then_some((items, false));
            }
            if let Some(Value::Array(items)) = object.get("ops") {
                return (!items.is_empty() && named(items, "insert")).then_some((items, true));
            }
            let kind = kind(value)?;
            let nodes = |items: &&[Value]| items.iter().all(is_node);
            let whole = matches!(kind, "doc" | "document" | "root");
            let items = whole.then(|| part(object)).flatten().filter(nodes)?;
            Some((items, false))
        }
        _ => None,
    }
}

fn part(object: &Map<String, Value>) -> Option<&[Value]> {
    parts(object).next()
}

/// The lists that a node is made of.
fn parts(object: &Map<String, Value>) -> impl Iterator<Item = &[Value]> {
    let parts = PARTS.iter().filter_map(|name| object.get(*name));
    parts.filter_map(Value::as_array).map(Vec::as_slice)
}

/// What a node says of itself that it is.
fn kind(value: &Value) -> Option<&str> {
    let names = ["type", "_type", "nodeType"];
    names.iter().find_map(|name| value.get(*name)?.as_str())
}

fn is_node(value: &Value) -> bool {
    kind(value).is_some() || is_text(value) || value.get("insert").is_some() || is_block(value)
}

/// Whether a node is made of nodes.
fn is_block(value: &Value) -> bool {
    let parts = value.as_object().and_then(part);
    parts.is_some_and(|parts| {
        parts.iter().all(is_node) && (kind(value).is_some() || parts.iter().any(is_text))
    })
}

/// Whether a value is a run of Notion's, which no other text looks like.
fn is_run(value: &Value) -> bool {
    kind(value).is_some() && value.get("plain_text").is_some_and(Value::is_string)
}

/// Whether a node is a run of text.
fn is_text(value: &Value) -> bool {
    run(value).is_some()
}

fn run(value: &Value) -> Option<&str> {
    // Notion's has its text twice.
    if let Some(text) = value.get("plain_text") {
        return text.as_str();
    }
    RUNS.iter().find_map(|name| value.get(*name)?.as_str())
}

/// Paragraphs as they are put together.
#[derive(Default)]
struct Paragraphs {
    done: Vec<String>,
    open: String,
    rest: bool,
}

impl Paragraphs {
    /// Ends the paragraph, if one is begun.
    fn end(&mut self) {
        let text = self.open.trim();
        if !text.is_empty() {
            self.done.push(text.to_string());
        }
        self.open.clear();
    }

    /// Nodes of one parent. Nests as deep as what was parsed does, which is bounded.
    fn nodes(&mut self, nodes: &[Value], in_line: bool) {
        for node in nodes {
            if !in_line {
                self.end();
            }
            self.node(node, in_line);
        }
        if !in_line {
            self.end();
        }
    }

    /// What a node says in these members, a paragraph each.
    fn own(&mut self, node: &Map<String, Value>, names: &[&str]) {
        for text in names.iter().filter_map(|name| node.get(*name)?.as_str()) {
            self.end();
            self.open.push_str(text);
            self.end();
        }
    }

    fn node(&mut self, node: &Value, in_line: bool) {
        let Some(object) = node.as_object() else {
            return;
        };
        let mut parts = parts(object).peekable();
        if parts.peek().is_some() {
            // It may say something itself, before what is below it.
            // A link has a title that is not shown.
            if in_line {
                self.open.push_str(run(node).unwrap_or(""));
            } else {
                self.own(object, &["title", "heading", "question", "text"]);
            }
            let list = kind(node).is_some_and(|kind| {
                let kind = kind.to_ascii_lowercase();
                kind.contains("list") && !kind.contains("item")
                    || matches!(kind.as_str(), "ul" | "ol" | "tool_result")
            });
            for nodes in parts {
                // Where one is a run of text, all stand in its line.
                self.nodes(nodes, !list && nodes.iter().any(stands_in_line));
            }
            if !in_line {
                self.own(object, &["caption"]);
            }
            return;
        }
        if let Some(data) = kept(node) {
            let before = self.done.len();
            self.data(data);
            self.rest |= self.done.len() == before;
            return;
        }
        if let Some(text) = run(node) {
            // Quill's paragraphs end where their line does.
            if node.get("insert").is_none() {
                self.open.push_str(text);
                return;
            }
            for (i, line) in text.split('\n').enumerate() {
                if i > 0 {
                    self.end();
                }
                self.open.push_str(line);
            }
            return;
        }
        if let Some(text) = WHOLE.iter().find_map(|name| object.get(*name)?.as_str()) {
            self.open.push_str(text);
            return;
        }
        if let Some(Value::Array(rows)) = object.get("rows") {
            for cell in rows.iter().filter_map(|row| row.get("cells")) {
                self.data(cell);
            }
            return;
        }
        // Whom or what a sentence names.
        let named = ["/attrs/text", "/attrs/label", "/insert/mention/value"];
        if let Some(name) = named.iter().find_map(|way| node.pointer(way)?.as_str()) {
            self.open.push_str(name);
            return;
        }
        if kind(node).is_some_and(|kind| kind.to_ascii_lowercase().ends_with("break")) {
            self.open.push('\n');
            return;
        }
        self.rest = true;
    }

    /// What a block of Editor.js holds: texts, items of a list, cells of a table.
    fn data(&mut self, data: &Value) {
        match data {
            Value::String(text) => {
                self.open.push_str(text);
                self.end();
            }
            Value::Array(items) => items.iter().for_each(|item| self.data(item)),
            Value::Object(members) => {
                for name in [
                    "title", "text", "message", "content", "items", "html", "caption", "code",
                ] {
                    if let Some(inner) = members.get(name) {
                        self.data(inner);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a node is a run of text within a paragraph, not one in whole.
fn stands_in_line(node: &Value) -> bool {
    const KINDS: [&str; 7] = [
        "text",
        "extended-text",
        "span",
        "mention",
        "equation",
        "code-highlight",
        "tab",
    ];
    is_text(node) && kind(node).is_none_or(|kind| KINDS.contains(&kind))
}

/// What a block of Editor.js keeps apart.
fn kept(node: &Value) -> Option<&Value> {
    node.get("data")
        .filter(|data| data.as_object().is_some_and(|data| !data.is_empty()))
        .filter(|_| !is_text(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn trees_of_blocks_are_their_paragraphs() {
        let prose = json!({"type": "doc", "content": [
            {"type": "heading", "attrs": {"level": 2}, "content": [{"type": "text", "text": "Bridge"}]},
            {"type": "paragraph", "content": [
                {"type": "text", "text": "It "},
                {"type": "text", "marks": [{"type": "bold"}], "text": "opens"},
                {"type": "hardBreak"},
                {"type": "text", "text": "today."}]},
            {"type": "image", "attrs": {"src": "a.png"}},
            {"type": "bulletList", "content": [
                {"type": "listItem", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "One"}]}]},
                {"type": "listItem", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Two"}]}]}]},
        ]});
        let contentful = json!({"nodeType": "document", "data": {}, "content": [
            {"nodeType": "paragraph", "data": {}, "content": [
                {"nodeType": "text", "value": "It ", "marks": [], "data": {}},
                {"nodeType": "hyperlink", "data": {"uri": "https://a.example"}, "content": [
                    {"nodeType": "text", "value": "opens", "marks": [], "data": {}}]},
                {"nodeType": "text", "value": " today.", "marks": [], "data": {}}]}]});
        let slate = json!([
            {"type": "paragraph", "children": [{"type": "text", "text": "It "}, {"type": "text", "bold": true, "text": "opens"},
                {"type": "link", "url": "#", "children": [{"type": "text", "text": " today"}]}, {"type": "text", "text": "."}]},
            {"type": "list", "children": [{"type": "list-item", "children": [{"text": "One"}]}]}]);
        let lexical = json!({"root": {"type": "root", "children": [
            {"type": "paragraph", "children": [{"type": "text", "text": "It opens"}, {"type": "linebreak"}, {"type": "text", "text": "today."}]}]}});
        let portable = json!([
            {"_type": "block", "style": "h2", "children": [{"_type": "span", "text": "Bridge"}]},
            {"_type": "image", "asset": {"_ref": "x"}},
            {"_type": "block", "children": [{"_type": "span", "text": "It "}, {"_type": "span", "text": "opens."}]}]);
        let editor = json!({"time": 1, "version": "2", "blocks": [
            {"id": "a", "type": "header", "data": {"text": "Bridge", "level": 2}},
            {"id": "b", "type": "list", "data": {"style": "ordered", "items": ["One", {"content": "Two", "items": [{"content": "Three"}]}]}},
            {"id": "c", "type": "table", "data": {"content": [["a", "b"], ["c", "d"]]}},
            {"id": "d", "type": "delimiter", "data": {}}]});
        let draft = json!({"entityMap": {}, "blocks": [
            {"key": "a", "text": "It opens.", "type": "unstyled", "data": {}}, {"key": "b", "text": "Today.", "type": "unstyled"}]});
        let quill = json!({"ops": [{"insert": "It "}, {"insert": "opens", "attributes": {"bold": true}},
            {"insert": ".\nToday.\n"}, {"insert": {"image": "a.png"}}]});
        let notion = json!([
            {"type": "text", "text": {"content": "It ", "link": null}, "plain_text": "It "},
            {"type": "mention", "mention": {}, "plain_text": "opens"}]);
        let mixed = json!([{"type": "p", "text": "One."}, {"type": "list", "children": [{"text": "Two."}]}]);
        let own = json!([{"type": "post", "text": "One", "children": []}, {"type": "post", "text": "Two", "children": [{"type": "post", "text": "Three"}]},
            {"type": "p", "content": "Four"}, {"type": "code", "code": "five()"}]);
        let apart = json!([{"type": "text", "text": "One."}, {"type": "quote", "children": [{"type": "text", "text": "Two."}]}, {"type": "text", "text": "Three."},
            {"type": "list", "children": [{"type": "text", "text": "Four"}, {"type": "text", "text": "Five"}]}]);
        let named = json!([{"children": [{"text": "Ask "}, {"type": "mention", "attrs": {"label": "Ann"}}, {"text": "."}]},
            {"type": "table", "rows": [{"cells": ["a", "b"]}]}]);
        let ops = json!([{"insert": "One.\nTwo"}, {"insert": {"mention": {"value": " Ann"}}}, {"insert": ".\n"}]);
        for (value, wanted) in [
            (own, "One\n\nTwo\n\nThree\n\nFour\n\nfive()"),
            (apart, "One.\n\nTwo.\n\nThree.\n\nFour\n\nFive"),
            (named, "Ask Ann.\n\na\n\nb"),
            (ops, "One.\n\nTwo Ann."),
            (prose, "Bridge\n\nIt opens\ntoday.\n\nOne\n\nTwo"),
            (contentful, "It opens today."),
            (slate, "It opens today.\n\nOne"),
            (lexical, "It opens\ntoday."),
            (portable, "Bridge\n\nIt opens."),
            (editor, "Bridge\n\nOne\n\nTwo\n\nThree\n\na\n\nb\n\nc\n\nd"),
            (draft, "It opens.\n\nToday."),
            (quill, "It opens.\n\nToday."),
            (mixed, "One.\n\nTwo."),
            (notion, "It opens"),
        ] {
            let found = text(&value).map(|rich| rich.text);
            assert_eq!(found.as_deref(), Some(wanted), "{value}");
        }
    }

    #[test]
    fn other_values_are_none() {
        for value in [
            json!("text"),
            json!([]),
            json!({}),
            json!(["a", {"type": "bold", "text": "b"}]),
            json!([{"text": "a"}, {"text": "b"}]),
            json!([{"type": "article", "text": "a"}]),
            json!([{"type": "story", "title": "A", "children": [], "text": "a"}, {"type": "story", "title": "B", "content": [{"type": "p", "text": "b"}]}]),
            json!([{"type": "comment", "children": [{"id": 3}]}]),
            json!({"type": "article", "content": [{"type": "p", "text": "a"}]}),
            json!({"blocks": [{"id": 3}]}),
            json!({"blocks": []}),
            json!({"type": "doc", "content": []}),
            json!({"root": "a"}),
        ] {
            assert!(text(&value).is_none(), "{value}");
        }
    }
}
