//! Objects of certain exports, which say of an article what stands around it.

use crate::corpus::formats::wiki;
use serde_json::{Map, Value};

/// A line of Elasticsearch's bulk format, which says what becomes of the document on the next:
/// `{"index": {"_index": "news", "_id": "1"}}`.
pub(super) struct Action {
    id: Option<Value>,
}

impl Action {
    /// The action that an object is, if it is one.
    pub(super) fn of(object: &Map<String, Value>) -> Option<Self> {
        const OTHERS: [&str; 6] = [
            "routing",
            "version",
            "version_type",
            "pipeline",
            "require_alias",
            "retry_on_conflict",
        ];
        let (name, Value::Object(said)) = object.iter().next()? else {
            return None;
        };
        let is_known = |key: &String| key.starts_with('_') || OTHERS.contains(&key.as_str());
        let is_one = object.len() == 1
            && matches!(name.as_str(), "index" | "create" | "update" | "delete")
            && said.keys().all(is_known)
            && !said.contains_key("_source");
        is_one.then(|| Self {
            id: said.get("_id").cloned(),
        })
    }

    /// Gives a document the id that was said of it.
    pub(super) fn tell(self, document: &mut Map<String, Value>) {
        if let Some(id) = self.id
            && !document.contains_key("id")
        {
            document.entry("_id").or_insert(id);
        }
    }
}

/// A tweet in its wrapper, as Twitter's archive has each: `{"tweet": {…}}`; elsewhere a `tweet` is a text.
pub(super) fn bared(object: &mut Map<String, Value>) {
    if object.len() == 1
        && let Some(Value::Object(tweet)) = object.get_mut("tweet")
    {
        *object = std::mem::take(tweet);
    }
}

/// Gives an entry of Contentful the id and the date that its system knows: `{"sys": {"id": …}, "fields": {…}}`.
pub(super) fn known_to_the_system(object: &mut Map<String, Value>) {
    if !object.get("fields").is_some_and(Value::is_object) {
        return;
    }
    let Some(Value::Object(system)) = object.get("sys") else {
        return;
    };
    let told = [("id", "id"), ("createdAt", "created_at")];
    let told = told.map(|(name, by)| (by, system.get(name).cloned()));
    for (name, value) in told {
        if let Some(value) = value
            && !object.contains_key(name)
        {
            object.insert(name.to_string(), value);
        }
    }
}

/// A post of Facebook's export, whose text stands in a list beside its date and title:
/// `{"timestamp": …, "data": [{"post": …}], "title": …}`; so does a comment's, in an object of its own.
pub(super) fn posted(object: &mut Map<String, Value>) {
    if !object.contains_key("timestamp") {
        return;
    }
    let Some(Value::Array(items)) = object.get("data") else {
        return;
    };
    let mut posts: Vec<String> = items
        .iter()
        .filter_map(|item| {
            let said = item
                .get("post")
                .or_else(|| item.pointer("/comment/comment"));
            said?.as_str().map(mended)
        })
        .collect();
    let written = !posts.is_empty();
    if !written && let Some(Value::Array(attached)) = object.get("attachments") {
        // What was written of a picture, which is said again of each.
        let media = attached
            .iter()
            .filter_map(|item| item.get("data")?.as_array());
        let told = media
            .flatten()
            .filter_map(|item| item.pointer("/media/description")?.as_str());
        posts = told.map(mended).collect();
        posts.dedup();
    }
    if posts.is_empty() || object.contains_key("post") {
        return;
    }
    if written {
        object.shift_remove("data");
    }
    if let Some(Value::String(title)) = object.get_mut("title") {
        *title = mended(title);
    }
    object.insert("post".to_string(), Value::String(posts.join("\n\n")));
}

/// A page of a wiki as its interface answers, whose text is that of its first revision:
/// `{"title": "…", "revisions": [{"slots": {"main": {"content": "…"}}}]}`.
pub(super) fn revised(object: &mut Map<String, Value>) {
    const TEXTS: [&str; 4] = ["/slots/main/content", "/slots/main/*", "/content", "/*"];
    let Some(Value::Array(revisions)) = object.get_mut("revisions") else {
        return;
    };
    let Some(first) = revisions.first_mut() else {
        return;
    };
    let told = TEXTS.iter().find_map(|way| match first.pointer_mut(way) {
        Some(text @ Value::String(_)) => Some(text.take()),
        _ => None,
    });
    let date = first.get("timestamp").cloned();
    if let Some(text) = told
        && !object.contains_key("text")
    {
        object.shift_remove("revisions");
        let text = text.as_str().map(wiki::text_of).unwrap_or_default();
        object.insert("text".to_string(), Value::String(text));
        if let Some(date) = date
            && !object.contains_key("timestamp")
        {
            object.insert("timestamp".to_string(), date);
        }
    }
}

/// The pages of a wiki by their numbers, as its interface answers: `{"query": {"pages": {"12": {"title": "…"}}}}`.
pub(super) fn pages(object: &Map<String, Value>) -> Option<Vec<Map<String, Value>>> {
    let Value::Object(pages) = object.get("query")?.get("pages")? else {
        return None;
    };
    let mut rows = Vec::new();
    for page in pages.values() {
        let mut page = page.as_object()?.clone();
        // Asked for, but not there.
        if !page.contains_key("missing") && !page.contains_key("invalid") {
            revised(&mut page);
            rows.push(page);
        }
    }
    (!rows.is_empty()).then_some(rows)
}

/// A text whose bytes of UTF-8 were written as a character each, as that export has them.
pub(super) fn mended(text: &str) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    let mended = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    mended.unwrap_or_else(|| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn actions_are_told_from_articles() {
        for action in [
            r#"{"index": {"_index": "n", "_id": "1"}}"#,
            r#"{"create": {}}"#,
            r#"{"update": {"_id": 3, "retry_on_conflict": 3}}"#,
        ] {
            assert!(Action::of(&object(action)).is_some(), "{action}");
        }
        for other in [
            r#"{"index": {"_id": "1", "title": "T"}}"#,
            r#"{"index": 3}"#,
            r#"{"index": {"_id": "1"}, "text": "T"}"#,
            r#"{"_source": {"_id": "1"}}"#,
            "{}",
        ] {
            assert!(Action::of(&object(other)).is_none(), "{other}");
        }
    }

    #[test]
    fn a_post_keeps_what_stands_beside_its_list() {
        let mut post = object(
            r#"{"timestamp": 1714731072, "data": [{"post": "Caf\u00c3\u00a9"}, {"update": 1}], "title": "Ann wrote."}"#,
        );
        posted(&mut post);
        assert_eq!(
            (&post["post"], &post["title"]),
            (&"Café".into(), &"Ann wrote.".into())
        );
        assert!(!post.contains_key("data"));
        let list = r#"{"timestamp": 1, "data": [{"title": "T", "text": "x"}]}"#;
        let mut other = object(list);
        posted(&mut other);
        assert_eq!(other, object(list));
        assert_eq!(mended("naïve"), "naïve");
    }
}
