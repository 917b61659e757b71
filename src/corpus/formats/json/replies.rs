//! What is written below an article in the same form, as a discussion nests it: each is an article too.

use super::chats::is_nothing;
use super::envelope::{has_text, unwrapped, wrapped};
use crate::corpus::columns::{Columns, Mapping, Role};
use serde_json::{Map, Value};

/// Members that hold replies. Comments are written about an article, and stay what it is described by.
const LISTS: [&str; 4] = [REPLIES, "children", "answers", "responses"];
const REPLIES: &str = "replies";
/// Where a list stands in an object in place of the member itself: `{"data": {"children": […]}}`.
const INNER: [&str; 6] = ["children", "items", "nodes", "edges", "comments", "data"];
/// How many objects are around such a list.
const AROUND: usize = 3;
/// Items of a list that are looked at: the first may have been taken back.
const ITEMS: usize = 64;
/// Who wrote something. Answers to choose from, and the paragraphs of a text, have nobody of their own.
const AUTHORS: [&str; 11] = [
    "author",
    "author_id",
    "by",
    "creator",
    "from",
    "owner",
    "sender",
    "user",
    "user_id",
    "username",
    "account",
];
/// The member that says what a reply stands below, where it says so itself, and where it is said here.
const PARENTS: [&str; 5] = [
    "parent",
    "parent_id",
    "parentId",
    "in_reply_to",
    "inReplyTo",
];

/// Takes the replies out of an article, and theirs out of them: in order, each before those below it.
pub(super) fn taken(
    article: &mut Map<String, Value>,
    columns: &Columns,
) -> Vec<Map<String, Value>> {
    let mut all = Vec::new();
    gather(article, columns, &mut all);
    all
}

/// Whether a reply says nothing, as one that was taken back.
pub(super) fn is_empty(reply: &Map<String, Value>, mapping: &Mapping) -> bool {
    [Role::Text, Role::Title].into_iter().all(|role| {
        let value = mapping.column(role).and_then(|column| reply.get(column));
        value.is_none_or(is_nothing)
    })
}

/// Nests as deep as what was parsed does, which is bounded.
fn gather(article: &mut Map<String, Value>, columns: &Columns, all: &mut Vec<Map<String, Value>>) {
    for name in LISTS {
        let Some(list) = article.get(name).and_then(|value| list(value, AROUND)) else {
            continue;
        };
        let mut items = list.iter().take(ITEMS).filter_map(Value::as_object);
        if !items.any(|item| is_reply(item, name, article, columns)) {
            continue;
        }
        let id = id(article, columns);
        let items = article.shift_remove(name).and_then(into_list);
        let mut others = Vec::new();
        for item in items.unwrap_or_default() {
            let Value::Object(item) = item else {
                others.push(item);
                continue;
            };
            let mut reply = unwrapped(item, columns);
            if let Some(id) = &id
                && !PARENTS.iter().any(|parent| reply.contains_key(*parent))
            {
                reply.insert(PARENTS[0].to_string(), id.clone());
            }
            let mut below = Vec::new();
            gather(&mut reply, columns, &mut below);
            all.push(reply);
            all.append(&mut below);
        }
        if !others.is_empty() {
            article.insert(name.to_string(), Value::Array(others));
        }
    }
}

/// Whether a list that an article was found in is one of replies, by its name.
pub(super) fn is_list(name: &str) -> bool {
    name.split('.').any(|part| LISTS.contains(&part))
}

/// Whether an item of the list `name` of an article is a reply to it: somebody wrote it, and it may have replies itself
/// or the article has an author as well.
fn is_reply(
    item: &Map<String, Value>,
    name: &str,
    article: &Map<String, Value>,
    columns: &Columns,
) -> bool {
    let inner = match has_text(item, columns) {
        true => item,
        false => match wrapped(item, columns) {
            Some(inner) => inner,
            None => return false,
        },
    };
    let is_written =
        |by: &Map<String, Value>| AUTHORS.iter().any(|author| by.contains_key(*author));
    let list = item.contains_key(name) || inner.contains_key(name);
    let written = is_written(item) || is_written(inner);
    name == REPLIES || written && (list || is_written(article))
}

fn list(value: &Value, around: usize) -> Option<&Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(object) if around > 0 => INNER
            .iter()
            .filter_map(|name| object.get(*name))
            .find_map(|inner| list(inner, around - 1)),
        _ => None,
    }
}

/// The items of the list that [`list`] finds.
fn into_list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(mut object) => INNER
            .iter()
            .filter_map(|name| object.shift_remove(*name))
            .find_map(into_list),
        _ => None,
    }
}

fn id(article: &Map<String, Value>, columns: &Columns) -> Option<Value> {
    let keys: Vec<String> = article.keys().cloned().collect();
    let mapping = columns.map_first(&keys).ok()?;
    let id = article.get(mapping.column(Role::Id)?)?;
    (id.is_string() || id.is_number()).then(|| id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str) -> (Vec<String>, String) {
        let mut article = serde_json::from_str(json).unwrap();
        let replies = taken(&mut article, &Columns::default());
        let text = |reply: &Map<String, Value>| {
            let parent = reply.get("parent").map(ToString::to_string);
            format!(
                "{} {}",
                reply["text"].as_str().unwrap_or("-"),
                parent.unwrap_or_default()
            )
        };
        (
            replies.iter().map(text).collect(),
            Value::Object(article).to_string(),
        )
    }

    #[test]
    fn replies_are_taken_out_in_order() {
        let (replies, left) = texts(
            r#"{"id": 1, "text": "A", "replies": [{"id": 2, "text": "B", "replies": {"data": {"children": [
                {"data": {"id": 3, "text": "C", "replies": ""}}]}}}, {"id": 4, "text": null, "parent_id": 1,
                "replies": [{"id": 5, "text": "D"}]}]}"#,
        );
        assert_eq!(replies, ["B 1", "C 2", "- ", "D 4"]);
        assert_eq!(left, r#"{"id":1,"text":"A"}"#);
        let (replies, left) = texts(
            r#"{"id": 1, "owner": 7, "text": "A", "answers": ["x", {"id": 2, "owner": 8, "text": "B"}, [3]]}"#,
        );
        assert_eq!(replies, ["B 1"]);
        assert_eq!(left, r#"{"id":1,"owner":7,"text":"A","answers":["x",[3]]}"#);
    }

    #[test]
    fn what_is_in_another_form_stays() {
        for json in [
            r#"{"title":"T","text":"A","children":[{"type":"p","text":"B"}]}"#,
            r#"{"id":1,"text":"A","replies":[{"id":2,"replies":[]}]}"#,
            r#"{"id":1,"text":"A","replies":["a"]}"#,
            r#"{"id":1,"text":"A","replies":12}"#,
            r#"{"id":1,"text":"Which is it?","answers":[{"id":2,"text":"One"},{"id":3,"text":"Two"}]}"#,
            r#"{"id":1,"text":"A","children":[{"id":2,"type":"p","text":"B","children":[]}]}"#,
            r#"{"id":1,"text":"A","comments":[{"id":2,"text":"B"}]}"#,
        ] {
            assert_eq!(texts(json), (Vec::new(), json.to_string()));
        }
    }
}
