//! Values of columns as texts: scalars, lists, and the objects in which exports wrap them.

use super::{Role, rich};
use chrono::DateTime;
use serde_json::{Map, Number, Value};

/// What a value is for a role.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reading {
    /// Nothing: null, blank, an empty list.
    Nothing,
    /// A text, and what of the value is not in it.
    Text(String, Option<Value>),
    /// Something, but nothing that the role can be.
    Unusable,
}

pub(super) fn read(role: Role, value: &Value) -> Reading {
    if role == Role::Text
        && let Some(rich) = rich::text(value)
    {
        // What holds a tree may hold the text beside it, and more of it.
        let reading = plain(role, value);
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
        return match &reading {
            Reading::Text(text, _) if letters(text) > letters(&rich.text) => reading,
            _ => Reading::Text(rich.text, rich.rest.then(|| value.clone())),
        };
    }
    plain(role, value)
}

fn plain(role: Role, value: &Value) -> Reading {
    match value {
        Value::Null => Reading::Nothing,
        Value::String(text) if text.trim().is_empty() => Reading::Nothing,
        Value::String(text) => Reading::Text(text.clone(), None),
        Value::Number(number) => Reading::Text(written(role, number), None),
        Value::Bool(truth) => Reading::Text(truth.to_string(), None),
        Value::Array(items) => list(role, items),
        Value::Object(object) => {
            let placed = (role == Role::Text).then(|| of_positions(object)).flatten();
            placed.map_or_else(|| unwrapped(role, object), |text| Reading::Text(text, None))
        }
    }
}

/// The text whose words stand with their places in it, as OpenAlex has abstracts: `{"Hello": [0], "world": [1, 3]}`.
fn of_positions(object: &Map<String, Value>) -> Option<String> {
    let mut words: Vec<(u64, &str)> = Vec::new();
    for (word, places) in object {
        let places = places.as_array().filter(|places| !places.is_empty())?;
        for place in places {
            words.push((place.as_u64()?, word));
        }
    }
    words.sort_unstable();
    let first = words.first().is_some_and(|(place, _)| *place == 0);
    let apart = words.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let words: Vec<&str> = words.into_iter().map(|(_, word)| word).collect();
    (first && apart).then(|| words.join(" "))
}

/// pandas makes floats of whole numbers where some are missing: an id 12.0 is 12.
fn written(role: Role, number: &Number) -> String {
    let text = number.to_string();
    match text.strip_suffix(".0") {
        Some(whole) if role == Role::Id => whole.to_string(),
        _ => text,
    }
}

/// Paragraphs, names, or several values of which the first counts. What is more than one value
/// stays whole beside it, except for a text, of which every piece is in the text.
fn list(role: Role, items: &[Value]) -> Reading {
    if role == Role::Text
        && let Some(text) = runs(items)
    {
        return if text.trim().is_empty() {
            Reading::Nothing
        } else {
            Reading::Text(text, None)
        };
    }
    if role == Role::Date
        && let Some(date) = of_parts(items)
    {
        return Reading::Text(date, None);
    }
    let mut texts = Vec::new();
    let mut rest = Vec::new();
    let mut some = false;
    for item in items {
        let reading = match item {
            Value::Object(object) if role == Role::Text => section(object),
            _ => None,
        };
        match reading.unwrap_or_else(|| read(role, item)) {
            Reading::Nothing => {}
            Reading::Unusable => {
                some = true;
                rest.push(item.clone());
            }
            Reading::Text(text, more) => {
                some = true;
                texts.push(text);
                rest.extend(more);
            }
        }
    }
    if texts.is_empty() {
        return if some {
            Reading::Unusable
        } else {
            Reading::Nothing
        };
    }
    let between = match role {
        Role::Text => {
            let rest = (!rest.is_empty()).then_some(Value::Array(rest));
            return Reading::Text(texts.join("\n\n"), rest);
        }
        Role::Id if texts.len() > 1 => return Reading::Unusable,
        Role::Date | Role::Url | Role::Id => {
            texts.truncate(1);
            ""
        }
        Role::Title => " ",
        Role::Source => ", ",
    };
    let whole = items.len() > 1 || !rest.is_empty();
    Reading::Text(
        texts.join(between),
        whole.then(|| Value::Array(items.to_vec())),
    )
}

/// A part of a text that has a heading of its own or parts in it, as laws, books and papers have: `{"title": "Scope",
/// "text": "…", "subsections": [{"text": "…"}]}`. Nests as deep as what was parsed does, which is bounded.
fn section(object: &Map<String, Value>) -> Option<Reading> {
    const HEADINGS: [&str; 4] = ["heading", "title", "header", "headline"];
    const PARTS: [&str; 10] = [
        "sections",
        "subsections",
        "chapters",
        "articles",
        "paragraphs",
        "clauses",
        "parts",
        "items",
        "children",
        "blocks",
    ];
    let filled = |name: &&&str| {
        let text = object.get(**name).and_then(Value::as_str);
        text.is_some_and(|text| !text.trim().is_empty())
    };
    let heading = HEADINGS.iter().find(filled);
    let inner = PARTS.iter().find_map(|name| {
        let items = object.get(*name)?.as_array()?;
        match list(Role::Text, items) {
            Reading::Text(text, rest) => Some((*name, text, rest)),
            _ => None,
        }
    });
    if heading.is_none() && inner.is_none() {
        return None;
    }
    let (own, mut rest) = match unwrapped(Role::Text, object) {
        Reading::Text(text, Some(Value::Object(rest))) => (Some(text), rest),
        Reading::Text(text, _) => (Some(text), Map::new()),
        _ => (None, object.clone()),
    };
    if own.is_none() && inner.is_none() {
        return None;
    }
    let mut texts = Vec::new();
    if let Some(name) = heading
        && let Some(Value::String(heading)) = rest.shift_remove(*name)
    {
        // It may be the beginning of the text as well.
        let behind = own
            .as_ref()
            .and_then(|own| own.strip_prefix(heading.as_str()));
        let said = behind.is_some_and(|behind| !behind.starts_with(char::is_alphanumeric));
        texts.extend((!said).then_some(heading));
    }
    texts.extend(own);
    if let Some((name, text, more)) = inner {
        texts.push(text);
        rest.shift_remove(name);
        rest.extend(more.map(|more| (name.to_string(), more)));
    }
    rest.retain(|_, value| !value.is_null());
    let rest = (!rest.is_empty()).then_some(Value::Object(rest));
    Some(Reading::Text(texts.join("\n\n"), rest))
}

/// A text of which some stretches have a look of their own, as Telegram writes it: `["It ", {"type": "bold",
/// "text": "opens"}, " today"]`.
fn runs(items: &[Value]) -> Option<String> {
    let strings = items.iter().filter(|item| item.is_string()).count();
    if strings == 0 || strings == items.len() {
        return None;
    }
    let mut text = String::new();
    for item in items {
        text.push_str(match item {
            Value::String(text) => text,
            _ => item
                .get("text")?
                .as_str()
                .filter(|_| item["type"].is_string())?,
        });
    }
    Some(text)
}

/// The date that a list of its parts is, from the year on, as Java's programs and bibliographies write it:
/// `[2024, 5, 3]`, `[2024, 5, 3, 10, 11]`.
fn of_parts(items: &[Value]) -> Option<String> {
    let parts: Vec<u32> = items.iter().map(part).collect::<Option<_>>()?;
    let (year, month, rest) = match parts.as_slice() {
        [year @ 1000..=2999, month @ 1..=12, rest @ ..] => (year, month, rest),
        _ => return None,
    };
    match rest {
        [] => Some(format!("{year}-{month:02}")),
        [day @ 1..=31] => Some(format!("{year}-{month:02}-{day:02}")),
        // Seconds are left out where there are none; Python's have the days of the week and year behind them.
        [day @ 1..=31, hour @ 0..=23, minute @ 0..=59, more @ ..]
            if more.len() <= 2 || more.len() == 4 =>
        {
            let second = more.first().unwrap_or(&0);
            Some(format!(
                "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
            ))
        }
        _ => None,
    }
}

fn part(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// The date of `{"year": 2024, "month": 5, "day": 3}`.
fn of_named_parts(object: &Map<String, Value>) -> Option<String> {
    let names = ["year", "month", "day"];
    let parts: Vec<Value> = names
        .iter()
        .map_while(|name| object.get(*name).cloned())
        .collect();
    let alone = parts.len() >= 2 && object.keys().all(|key| names.contains(&key.as_str()));
    alone.then(|| of_parts(&parts)).flatten()
}

/// What exports wrap values in: `{"rendered": …}`, `{"name": …}`, `{"#text": …}`.
fn unwrapped(role: Role, object: &Map<String, Value>) -> Reading {
    if role == Role::Date
        && let Some(date) = of_named_parts(object)
    {
        return Reading::Text(date, None);
    }
    let keys: &[&str] = match role {
        Role::Id => &["id", "_id", "value", "rendered", "#text"],
        Role::Title => &[
            "rendered", "main", "title", "text", "plain", "value", "name", "#text", "__cdata", "_",
            "$t",
        ],
        Role::Text => &[
            "rendered", "text", "body", "content", "plain", "value", "html", "raw", "document",
            "json", "#text", "__cdata", "_", "$t", "*", "context",
        ],
        Role::Date => &[
            "date",
            "dateTime",
            "datetime",
            "iso",
            "utc",
            "value",
            "rendered",
            "#text",
            "seconds",
            "_seconds",
            "date-parts",
            "raw",
            "literal",
        ],
        Role::Url => &[
            "url",
            "href",
            "@href",
            "link",
            "canonical",
            "rendered",
            "value",
            "#text",
        ],
        Role::Source => &[
            "name",
            "title",
            "screen_name",
            "username",
            "display_name",
            "domain",
            "uri",
            "url",
            "rendered",
            "value",
            "#text",
            "id",
        ],
    };
    let filled = object
        .values()
        .any(|v| !matches!(read(role, v), Reading::Nothing));
    for key in keys {
        let Some(value) = object.get(*key) else {
            continue;
        };
        let Reading::Text(text, more) = read(role, value) else {
            continue;
        };
        let mut rest = object.clone();
        rest.shift_remove(*key);
        if let Some(more) = more {
            rest.insert((*key).to_string(), more);
        }
        rest.retain(|_, v| !v.is_null());
        return Reading::Text(text, (!rest.is_empty()).then_some(Value::Object(rest)));
    }
    if filled {
        Reading::Unusable
    } else {
        Reading::Nothing
    }
}

/// Takes off what MongoDB's exports write around values: `{"$oid": …}`, `{"$date": …}`,
/// `{"$numberLong": …}`.
pub(super) fn unwrap_mongo(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(unwrap_mongo),
        Value::Object(object) => {
            object.values_mut().for_each(unwrap_mongo);
            if object.len() == 1
                && let Some((key, inner)) = object.iter().next()
                && let Some(plain) = mongo(key, inner)
            {
                *value = plain;
            }
        }
        _ => {}
    }
}

fn mongo(key: &str, inner: &Value) -> Option<Value> {
    match (key, inner) {
        ("$oid" | "$uuid" | "$symbol", Value::String(text)) => Some(Value::String(text.clone())),
        ("$date", Value::String(text)) => Some(Value::String(text.clone())),
        // Milliseconds, be they few or before 1970.
        ("$date", Value::Number(number)) => {
            let time = DateTime::from_timestamp_millis(number.as_i64()?)?;
            Some(Value::String(time.format("%Y-%m-%dT%H:%M:%S").to_string()))
        }
        ("$numberLong" | "$numberInt", Value::String(text)) => {
            text.parse::<i64>().ok().map(Value::from)
        }
        ("$numberDouble" | "$numberDecimal", Value::String(text)) => text
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wrapped_values_are_found_and_the_rest_is_kept() {
        let text =
            |s: &str, rest: Value| Reading::Text(s.to_string(), (!rest.is_null()).then_some(rest));
        for (role, value, reading) in [
            (
                Role::Source,
                json!({"id": null, "name": "Post"}),
                text("Post", Value::Null),
            ),
            (
                Role::Source,
                json!({"id": "p", "name": "Post"}),
                text("Post", json!({"id": "p"})),
            ),
            (
                Role::Title,
                json!({"rendered": "A"}),
                text("A", Value::Null),
            ),
            (
                Role::Title,
                json!({"main": "A", "kicker": "B"}),
                text("A", json!({"kicker": "B"})),
            ),
            (
                Role::Source,
                json!(["a", "b"]),
                text("a, b", json!(["a", "b"])),
            ),
            (Role::Source, json!([{"name": "a"}]), text("a", Value::Null)),
            (
                Role::Text,
                json!(["a", {"text": "b"}, {"image": 1}]),
                text("a\n\nb", json!([{"image": 1}])),
            ),
            (
                Role::Date,
                json!([2024, 5, 3]),
                text("2024-05-03", Value::Null),
            ),
            (Role::Date, json!([2024, 5]), text("2024-05", Value::Null)),
            (
                Role::Date,
                json!([2024, 5, 3, 10, 11, 12, 500_000_000]),
                text("2024-05-03T10:11:12", Value::Null),
            ),
            (
                Role::Date,
                json!({"date-parts": [["2024", 5, 3]]}),
                text("2024-05-03", Value::Null),
            ),
            (
                Role::Date,
                json!({"year": 2024, "month": 5, "day": 3}),
                text("2024-05-03", Value::Null),
            ),
            // Nothing says which is the month.
            (
                Role::Date,
                json!([3, 5, 2024]),
                text("3", json!([3, 5, 2024])),
            ),
            (Role::Id, json!(12.0), text("12", Value::Null)),
            (Role::Id, json!([1, 2]), Reading::Unusable),
            (Role::Text, json!({"image": 1}), Reading::Unusable),
            (Role::Text, json!({"a": null}), Reading::Nothing),
            (Role::Text, json!([]), Reading::Nothing),
            (Role::Text, json!("  "), Reading::Nothing),
        ] {
            assert_eq!(read(role, &value), reading, "{value}");
        }
    }

    #[test]
    fn mongo_wraps_nothing_that_is_left() {
        let mut value = json!({
            "_id": {"$oid": "5f"}, "a": {"$date": "2024-05-03T10:11:12Z"},
            "b": {"$date": {"$numberLong": "1714731072000"}}, "c": {"$date": 86400000},
            "d": [{"$numberInt": "5"}], "e": {"$other": 1},
        });
        unwrap_mongo(&mut value);
        assert_eq!(
            value,
            json!({
                "_id": "5f", "a": "2024-05-03T10:11:12Z", "b": "2024-05-03T10:11:12",
                "c": "1970-01-02T00:00:00", "d": [5], "e": {"$other": 1},
            })
        );
    }
}
