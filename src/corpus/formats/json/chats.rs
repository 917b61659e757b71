//! Messages of chats, as programs export them.

use super::exports::mended;
use serde_json::{Map, Value};

/// Members of which a message or a conversation has at least one: an object without any of them is neither.
pub(super) const TELLING: [&str; 24] = [
    "attachments",
    "blocks",
    "candidates",
    "chat_messages",
    "choices",
    "conversation",
    "conversations",
    "deleted",
    "embeds",
    "files",
    "kind",
    "mapping",
    "media_attachments",
    "messages",
    "object",
    "poll",
    "reblog",
    "response",
    "sender_name",
    "stickers",
    "timestamp_ms",
    "ts",
    "type",
    "action",
];

/// Brings a message, or a conversation, into the form that others have.
pub(super) fn prepare(object: &mut Map<String, Value>) {
    let talked = [
        "mapping",
        "chat_messages",
        "conversations",
        "conversation",
        "messages",
        "choices",
        "candidates",
        "response",
    ];
    if talked.iter().any(|name| object.contains_key(*name)) {
        conversed(object);
    } else if object.contains_key("timestamp_ms") {
        sent(object);
    } else if object.contains_key("ts") {
        said(object);
    } else if object.contains_key("embeds") && object.contains_key("timestamp") {
        embedded(object);
    } else if object.contains_key("poll") && object.contains_key("text_entities") {
        asked(object);
    }
}

/// A message of Discord whose text is in what it shows of pages, as those of programs and bare links are:
/// `{"content": "", "embeds": [{"title": "…", "description": "…"}]}`.
fn embedded(object: &mut Map<String, Value>) {
    let Some(content) = object.get("content").and_then(Value::as_str) else {
        return;
    };
    let is_link = |word: &str| word.starts_with("https://") || word.starts_with("http://");
    if !content.split_whitespace().all(is_link) {
        return;
    }
    let mut texts = Vec::new();
    if let Some(embeds) = object.get("embeds") {
        shown(embeds, "embeds", &mut texts);
    }
    if !texts.is_empty() {
        texts.push(content.trim());
        let text = texts.join("\n\n").trim_end().to_string();
        object.insert("content".to_string(), Value::String(text));
    }
}

/// A poll of Telegram, which is all that its message has:
/// `{"text": "", "poll": {"question": "…", "answers": [{"text": "…"}]}}`.
fn asked(object: &mut Map<String, Value>) {
    if !object.get("text").is_some_and(is_nothing) {
        return;
    }
    let Some(poll) = object.get("poll") else {
        return;
    };
    let Some(question) = poll.get("question").and_then(Value::as_str) else {
        return;
    };
    let mut texts = vec![question];
    if let Some(answers) = poll.get("answers") {
        shown(answers, "answers", &mut texts);
    }
    let text = texts.join("\n");
    object.insert("text".to_string(), Value::String(text));
}

/// A conversation with a language model: its messages are one text, in the order in which they were written. ChatGPT
/// has them in a tree by their ids, `{"mapping": {"…": {"message": {"content": {"parts": ["…"]}}}}}`, and Claude in a
/// list, `{"chat_messages": [{"text": "…"}]}`.
fn conversed(object: &mut Map<String, Value>) {
    if object.contains_key("text") {
        return;
    }
    let (name, texts) = if let Some(Value::Object(nodes)) = object.get("mapping") {
        let linked = |node: &Value| node.get("parent").is_some() || node.get("children").is_some();
        if nodes.is_empty() || !nodes.values().all(linked) {
            return;
        }
        // What is written in no time stands behind what comes before it.
        let mut last = f64::MIN;
        let mut messages: Vec<(f64, &Value)> = Vec::new();
        for message in nodes.values().filter_map(|node| node.get("message")) {
            last = message
                .get("create_time")
                .and_then(Value::as_f64)
                .unwrap_or(last);
            messages.push((last, message));
        }
        messages.sort_by(|a, b| a.0.total_cmp(&b.0));
        let texts: Vec<String> = messages.iter().filter_map(|(_, m)| parts(m)).collect();
        ("mapping", texts)
    } else if let Some(Value::Array(messages)) = object.get("chat_messages") {
        ("chat_messages", messages.iter().filter_map(text).collect())
    } else if let Some(Value::Array(messages)) = object.get("conversations") {
        // Those that people shared, as data sets have them: who says what.
        let said = |message: &Value| {
            message.get("from")?.as_str()?;
            let text = message.get("value")?.as_str()?.trim();
            (!text.is_empty()).then(|| text.to_string())
        };
        let texts: Vec<String> = messages.iter().filter_map(said).collect();
        if texts.len() != messages.len() || texts.is_empty() {
            return;
        }
        ("conversations", texts)
    } else if let Some((name, texts)) = exchanged(object) {
        (name, texts)
    } else if let Some(Value::Object(body)) = object.get("response").and_then(|r| r.get("body"))
        && let Some((_, texts)) = exchanged(body)
    {
        ("response", texts)
    } else {
        return;
    };
    // One without a message is told by the member that it keeps.
    if !texts.is_empty() {
        object.shift_remove(name);
    }
    object.insert("text".to_string(), Value::String(texts.join("\n\n")));
    dated(object, "create_time");
}

/// What was said between somebody and a model, as its interface takes and answers it:
/// `{"messages": [{"role": "user", "content": "…"}]}`, `{"choices": [{"message": {"content": "…"}}]}`,
/// `{"candidates": [{"content": {"parts": [{"text": "…"}]}}]}`; with the member that held it.
fn exchanged(object: &Map<String, Value>) -> Option<(&'static str, Vec<String>)> {
    const ROLES: [&str; 12] = [
        "user",
        "assistant",
        "model",
        "human",
        "prompter",
        "ai",
        "bot",
        "gpt",
        "system",
        "developer",
        "tool",
        "function",
    ];
    let items = |name: &str| object.get(name).and_then(Value::as_array);
    for name in ["messages", "conversation"] {
        let Some(messages) = items(name).filter(|messages| !messages.is_empty()) else {
            continue;
        };
        let role = |message: &Value| {
            let role = message.get("role")?.as_str()?.to_ascii_lowercase();
            message.get("content")?;
            ROLES.iter().position(|known| **known == *role)
        };
        let roles: Vec<Option<usize>> = messages.iter().map(role).collect();
        if roles.iter().any(Option::is_none) {
            continue;
        }
        // What the model was told about itself, and what programs answered it, is none of it.
        let said = messages
            .iter()
            .zip(roles)
            .filter(|(_, role)| role.is_some_and(|role| role < 8));
        let texts = said.filter_map(|(message, _)| written(message.get("content")?));
        return Some((name, texts.collect()));
    }
    // Choices of a poll, and candidates of an election, are others.
    let chosen = |answer: &Value| match answer.get("message") {
        Some(message) => written(message.get("content")?),
        None => written(answer.get("text")?).filter(|_| answer.get("finish_reason").is_some()),
    };
    let candidate = |answer: &Value| written(answer.pointer("/content/parts")?);
    let texts = |name: &str, text: &dyn Fn(&Value) -> Option<String>| {
        let texts: Vec<String> = items(name)?.iter().filter_map(text).collect();
        (!texts.is_empty()).then_some(texts)
    };
    if let Some(texts) = texts("choices", &chosen) {
        return Some(("choices", texts));
    }
    if let Some(texts) = texts("candidates", &candidate) {
        return Some(("candidates", texts));
    }
    None
}

/// What a message says, in one piece or several; pictures and thoughts are none.
fn written(content: &Value) -> Option<String> {
    let text = match content {
        Value::String(text) => text.trim().to_string(),
        Value::Array(pieces) => {
            let texts = pieces.iter().filter_map(|piece| match piece {
                Value::String(text) => Some(text.as_str()),
                _ => piece.get("text")?.as_str(),
            });
            texts.collect::<Vec<_>>().join("\n\n").trim().to_string()
        }
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// What a message of ChatGPT says; what was said to the model about itself, and programs that it ran, are none of it.
fn parts(message: &Value) -> Option<String> {
    let role = message.pointer("/author/role").and_then(Value::as_str);
    if !matches!(role, Some("user" | "assistant")) {
        return None;
    }
    let content = message.get("content")?;
    let kind = content.get("content_type").and_then(Value::as_str);
    if !matches!(kind, Some("text" | "multimodal_text")) {
        return None;
    }
    let parts = content.get("parts")?.as_array()?;
    // What was spoken is an object.
    let texts = parts
        .iter()
        .filter_map(|part| part.as_str().or_else(|| part.get("text")?.as_str()));
    let all = texts.collect::<Vec<_>>().join("\n\n");
    (!all.trim().is_empty()).then_some(all)
}

/// What a message of Claude says: in pieces where it has any, of which the whole may leave some out.
fn text(message: &Value) -> Option<String> {
    let texts = |list: &str, name: &str| {
        let list = message.get(list).and_then(Value::as_array);
        let texts = list.into_iter().flatten();
        let texts: Vec<&str> = texts
            .filter_map(|item| item.get(name)?.as_str())
            .filter(|text| !text.trim().is_empty())
            .collect();
        texts.join("\n\n")
    };
    let pieces = texts("content", "text");
    let whole = message.get("text").and_then(Value::as_str).unwrap_or("");
    let said = if pieces.len() > whole.len() {
        pieces.as_str()
    } else {
        whole
    };
    // Long texts that were put in are kept beside.
    let put_in = texts("attachments", "extracted_content");
    let all = [said.trim(), put_in.trim()].join("\n\n");
    (!all.trim().is_empty()).then(|| all.trim().to_string())
}

/// A message of Facebook or Instagram: `{"sender_name": "…", "timestamp_ms": …, "content": "…"}`.
fn sent(object: &mut Map<String, Value>) {
    if !object.contains_key("sender_name") {
        return;
    }
    for (_, value) in object.iter_mut() {
        if let Value::String(text) = value {
            *text = mended(text);
        }
    }
    dated(object, "timestamp_ms");
}

/// A message of Slack: `{"type": "message", "user": "…", "text": "…", "ts": "1714731072.000100"}`.
fn said(object: &mut Map<String, Value>) {
    if object.get("type").is_none_or(|kind| kind != "message") {
        return;
    }
    if object.get("text").is_none_or(is_nothing) {
        let mut texts = Vec::new();
        for name in ["blocks", "attachments"] {
            if let Some(parts) = object.get(name) {
                shown(parts, name, &mut texts);
            }
        }
        if !texts.is_empty() {
            let text = texts.join("\n");
            object.insert("text".to_string(), Value::String(text));
        }
    }
    if let Some(Value::String(text)) = object.get_mut("text") {
        *text = plain(text);
    }
    dated(object, "ts");
}

/// What parts of a message show, in order. Nests as deep as what was parsed does, which is bounded.
fn shown<'v>(part: &'v Value, name: &str, texts: &mut Vec<&'v str>) {
    match part {
        Value::String(text)
            if matches!(name, "text" | "title" | "pretext" | "value" | "description")
                && !text.trim().is_empty() =>
        {
            texts.push(text);
        }
        Value::Array(parts) => parts.iter().for_each(|part| shown(part, name, texts)),
        Value::Object(members) => {
            let before = texts.len();
            members
                .iter()
                .for_each(|(name, part)| shown(part, name, texts));
            // What a program that shows no parts says in their place.
            if texts.len() == before
                && let Some(Value::String(text)) = members.get("fallback")
            {
                texts.push(text);
            }
        }
        _ => {}
    }
}

/// Whether a value is there in place of a text that there is not.
pub(super) fn is_nothing(value: &Value) -> bool {
    value.is_null() || *value == ""
}

/// Says when an object was written by the name that others have for it.
fn dated(object: &mut Map<String, Value>, by: &str) {
    if object.contains_key("date") {
        return;
    }
    if let Some(date) = object.get(by).cloned() {
        object.insert("date".to_string(), date);
    }
}

/// A text without Slack's marks: `<@U1>` is who is spoken to, `<https://e.example|here>` a link.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('<') {
        plain.push_str(before);
        // What was written as such a bracket is escaped; where none ends, no mark follows.
        let Some((mark, after)) = behind.split_once('>') else {
            plain.push('<');
            rest = behind;
            break;
        };
        let (target, label) = match mark.split_once('|') {
            Some((target, label)) if !label.is_empty() => (target, Some(label)),
            Some((target, _)) => (target, None),
            None => (mark, None),
        };
        let sign = match target.chars().next() {
            Some(sign @ ('@' | '#')) => Some(sign),
            Some('!') => Some('@'),
            _ => None,
        };
        match (sign, label) {
            (Some(sign), Some(label)) => {
                if !label.starts_with(sign) && !target.starts_with("!date") {
                    plain.push(sign);
                }
                plain.push_str(label);
            }
            (Some(sign), None) => {
                plain.push(sign);
                plain.push_str(&target[1..]);
            }
            (None, _) => plain.push_str(label.unwrap_or(target)),
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Whether an object of a chat's export is no message, or one without a text: who joined, a picture, a call; or where
/// a discussion goes on.
pub(super) fn is_notice(object: &Map<String, Value>) -> bool {
    const BESIDE: [&str; 8] = [
        "attachments",
        "blocks",
        "embeds",
        "stickers",
        "media_attachments",
        "files",
        "reblog",
        "poll",
    ];
    /// Of messages of Slack.
    const JOINED: [&str; 10] = [
        "channel_join",
        "channel_leave",
        "channel_archive",
        "channel_unarchive",
        "channel_name",
        "group_join",
        "group_leave",
        "bot_add",
        "bot_remove",
        "pinned_item",
    ];
    let has = |names: &[&str]| names.iter().any(|name| object.contains_key(*name));
    let empty = |name: &str| object.get(name).is_some_and(is_nothing);
    if (empty("content") || empty("text"))
        && has(&BESIDE)
        && !has(&["title", "headline", "subject"])
    {
        return true;
    }
    if empty("text") && has(&["mapping", "chat_messages", "messages", "conversation"]) {
        let told = object.get("summary").and_then(Value::as_str);
        return told.is_none_or(|told| told.trim().is_empty());
    }
    if object.contains_key("timestamp_ms") && object.contains_key("sender_name") {
        return !object.contains_key("content");
    }
    if object
        .get("deleted")
        .is_some_and(|deleted| *deleted == true)
        && !has(&["text", "content", "title"])
    {
        return true;
    }
    // A picture of Facebook's export that somebody posted without a word.
    if object.get("timestamp").is_some_and(Value::is_number)
        && ["data", "attachments"]
            .iter()
            .all(|name| object.get(*name).is_some_and(Value::is_array))
        && !has(&["title", "post", "text", "content"])
    {
        return true;
    }
    if object.get("kind").is_some_and(|kind| kind == "more") && object.contains_key("data") {
        return true;
    }
    let text = || object.get("text").filter(|text| *text != "");
    match object.get("type").and_then(Value::as_str) {
        // What somebody else wrote is told by its address alone.
        Some("Announce") if object.get("object").is_some_and(Value::is_string) => true,
        Some("service") => object.contains_key("action") && text().is_none(),
        Some("message") => {
            let kind = object.get("subtype").and_then(Value::as_str);
            object.contains_key("ts") && kind.is_some_and(|kind| JOINED.contains(&kind))
                || text().is_none()
                    && object.contains_key("text_entities")
                    && object.contains_key("date_unixtime")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_slack_are_taken_off() {
        for (text, wanted) in [
            (
                "Hello <@U2>, see <https://x.example|the page> &amp; <https://y.example>",
                "Hello @U2, see the page &amp; https://y.example",
            ),
            (
                "<#C1|general> <!here> <!subteam^S1|@desk> <@U1|ann>",
                "#general @here @desk @ann",
            ),
            ("<!date^1392734382^{date}|18 February>", "18 February"),
            ("a < b and <unclosed", "a < b and <unclosed"),
            ("<@U1> a <<< b", "@U1 a <<< b"),
            ("", ""),
        ] {
            assert_eq!(plain(text), wanted);
        }
    }

    #[test]
    fn other_objects_stay_as_they_are() {
        for json in [
            r#"{"mapping":{"a":{"type":"text"}},"title":"T"}"#,
            r#"{"mapping":{},"title":"T"}"#,
            r#"{"mapping":"x","chat_messages":3}"#,
            r#"{"timestamp_ms":3,"text":"cafÃ©"}"#,
            r#"{"ts":3,"text":"a <b> c"}"#,
        ] {
            let mut object = serde_json::from_str(json).unwrap();
            prepare(&mut object);
            assert_eq!(Value::Object(object).to_string(), json);
        }
    }
}
