//! Texts that an editor wrote as a tree of blocks, as content management systems keep them: ProseMirror and TipTap,
//! Contentful, Slate and Strapi, Lexical, Portable Text of Sanity, Editor.js, Draft.js, Quill and Notion.

use serde_json::{Map, Value};

/// Members that hold what a node is made of.
const PARTS: [&str; 2] = ["content", "children"];
/// Members that hold a run of text.
const RUNS: [&str; 4] = ["text", "value", "insert", "plain_text"];

/// The text of a tree of blocks, a paragraph for each; `None` where a value is no such tree, or has no text.
pub(super) fn text(value: &Value) -> Option<String> {
    let blocks = blocks(value)?;
    let mut out = Paragraphs::default();
    out.nodes(blocks);
    out.end();
    (!out.done.is_empty()).then(|| out.done.join("\n\n"))
}

/// Whether a value is such a tree.
pub(crate) fn is_tree(value: &Value) -> bool {
    blocks(value).is_some()
}

/// The blocks of a tree, where a value is one.
fn blocks(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => {
            let all = items.iter().all(is_node);
            (all && items.iter().any(|item| is_block(item) || is_run(item)))
                .then_some(items.as_slice())
        }
        Value::Object(object) => {
            if let Some(root @ Value::Object(_)) = object.get("root") {
                return part(root.as_object()?).filter(|items| items.iter().all(is_node));
            }
            // Editor.js and Draft.js; Quill.
            if let Some(Value::Array(items)) = object.get("blocks") {
                let known = |item: &Value| {
                    let data = item.get("data").is_some_and(Value::is_object);
                    kind(item).is_some() && (data || is_text(item))
                };
                return (!items.is_empty() && items.iter().all(known)).then_some(items);
            }
            if let Some(Value::Array(items)) = object.get("ops") {
                let known = |item: &Value| item.get("insert").is_some();
                return (!items.is_empty() && items.iter().all(known)).then_some(items);
            }
            let named = kind(value)?;
            matches!(named, "doc" | "document")
                .then(|| part(object))
                .flatten()
                .filter(|items| items.iter().all(is_node))
        }
        _ => None,
    }
}

fn part(object: &Map<String, Value>) -> Option<&[Value]> {
    let parts = PARTS.iter().filter_map(|name| object.get(*name));
    parts.filter_map(Value::as_array).map(Vec::as_slice).next()
}

/// What a node says of itself that it is.
fn kind(value: &Value) -> Option<&str> {
    let names = ["type", "_type", "nodeType"];
    names.iter().find_map(|name| value.get(*name)?.as_str())
}

fn is_node(value: &Value) -> bool {
    kind(value).is_some() || is_text(value)
}

/// Whether a node is made of nodes.
fn is_block(value: &Value) -> bool {
    let parts = value.as_object().and_then(part);
    kind(value).is_some() && parts.is_some_and(|parts| parts.iter().all(is_node))
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
    let plain = value.get("plain_text");
    if let Some(text) = plain {
        return text.as_str();
    }
    RUNS.iter().find_map(|name| value.get(*name)?.as_str())
}

/// Paragraphs as they are put together.
#[derive(Default)]
struct Paragraphs {
    done: Vec<String>,
    open: String,
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

    /// Nodes of one parent: where one is a run of text, all stand in its line. Nests as deep as what was parsed does,
    /// which is bounded.
    fn nodes(&mut self, nodes: &[Value]) {
        let in_line = nodes.iter().any(stands_in_line);
        for node in nodes {
            if !in_line {
                self.end();
            }
            self.node(node);
        }
        if !in_line {
            self.end();
        }
    }

    fn node(&mut self, node: &Value) {
        if let Some(parts) = node.as_object().and_then(part) {
            return self.nodes(parts);
        }
        if let Some(data) = kept(node) {
            return self.data(data);
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
        if kind(node).is_some_and(|kind| kind.to_ascii_lowercase().ends_with("break")) {
            self.open.push('\n');
        }
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
                    "title", "text", "message", "content", "items", "caption", "code",
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
    const KINDS: [&str; 6] = [
        "text",
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
        for (value, wanted) in [
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
            assert_eq!(text(&value).as_deref(), Some(wanted), "{value}");
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
            json!([{"type": "comment", "children": [{"id": 3}]}]),
            json!({"type": "article", "content": [{"type": "p", "text": "a"}]}),
            json!({"blocks": [{"id": 3}]}),
            json!({"blocks": []}),
            json!({"type": "doc", "content": []}),
            json!({"root": "a"}),
        ] {
            assert_eq!(text(&value), None, "{value}");
        }
    }
}
