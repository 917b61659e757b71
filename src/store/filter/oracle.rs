//! What filters mean, in plain Rust and without SQL, on a few articles that are awkward.

use super::{Field, Filter, Op, Value};
use rusqlite::{Connection, params, params_from_iter};
use serde_json::{Value as Json, json};
use std::cmp::Ordering;

/// An article as the oracle knows it.
pub(super) struct Known {
    pub id: &'static str,
    title: &'static str,
    text: &'static str,
    date: Option<&'static str>,
    url: Option<&'static str>,
    source: Option<&'static str>,
    meta: Json,
    topic: Option<(i64, &'static str)>,
}

/// Names of metadata; some are those of other fields, keywords, or no words.
pub(super) const METADATA: [&str; 13] = [
    "section", "words", "odd name", "Title", "topic", "not", "`; --", "Größe", "WORDS", "", "tags",
    "author", "tweet",
];

pub(super) fn articles() -> Vec<Known> {
    let article = |id, title, date, source, meta| Known {
        id,
        title,
        text: "a line; \"quoted\" -- and\nanother ?",
        date,
        url: None,
        source,
        meta,
        topic: None,
    };
    vec![
        Known {
            topic: Some((4, "football, cup")),
            ..article(
                "a",
                "Budget vote",
                Some("2016-03-01T10:00:00"),
                Some("x"),
                json!({"section": "sport", "words": "600", "odd name": 1, "Title": "own", "topic": 7,
                    "tweet": 1_700_000_000_000_000_001_i64,
                    "tags": ["bridge", "local"], "author": {"name": "Ann", "langs": ["en", "de"]}}),
            )
        },
        Known {
            url: Some("u"),
            ..article(
                "b",
                "Cup 100% _",
                Some("2016-03-02"),
                Some("y"),
                json!({"section": "tv", "words": 90, "not": true, "tweet": "1700000000000000002", "`; --": "'; DROP TABLE article",
                    "tags": [], "author": [{"name": "Ann"}, {"name": "Bo", "langs": "en"}, "x"]}),
            )
        },
        Known {
            url: Some("u"),
            topic: Some((-1, "")),
            ..article(
                "c",
                "O'Brien",
                None,
                None,
                json!({"words": "none", "tweet": -1_700_000_000_000_000_003_i64, "Größe": 1.5, "WORDS": 3, "": "empty",
                    "tags": ["local", null, 90, "600", true, ["x"], {"name": "Ann"}], "author": {"name": null}}),
            )
        },
        article(
            "d",
            "Ärger ÄRGER ? ;",
            Some("2017"),
            Some("X"),
            json!({"section": null, "words": "-12.5e1 words", "Größe": "1.50", "not": false, "tags": "bridge",
                "author": "{\"name\": \"Ann\"}"}),
        ),
        Known {
            topic: Some((12, "2016-03")),
            text: "",
            ..article(
                "2016",
                "",
                Some("2016"),
                Some(""),
                json!({"words": "2016-03", "section": "é\u{1f600}", "tags": null,
                    "author": {"name": {"first": "x"}}}),
            )
        },
    ]
}

/// A corpus of these articles, as far as conditions look at it.
pub(super) fn connection() -> Connection {
    let c = Connection::open_in_memory().unwrap();
    c.execute_batch(
        "CREATE TABLE article (id INTEGER PRIMARY KEY, ext_id TEXT NOT NULL UNIQUE, title TEXT NOT NULL,
            text TEXT NOT NULL, date TEXT, url TEXT, source TEXT, meta TEXT NOT NULL, origin TEXT NOT NULL);
         CREATE TABLE article_topic (article INTEGER PRIMARY KEY, topic INTEGER NOT NULL);
         CREATE TABLE topic (id INTEGER PRIMARY KEY, label TEXT NOT NULL);",
    )
    .unwrap();
    for (key, a) in articles().iter().enumerate() {
        c.execute(
            "INSERT INTO article VALUES (?, ?, ?, ?, ?, ?, ?, ?, '-')",
            params![
                key as i64,
                a.id,
                a.title,
                a.text,
                a.date,
                a.url,
                a.source,
                a.meta.to_string()
            ],
        )
        .unwrap();
        if let Some((topic, label)) = a.topic {
            c.execute(
                "INSERT INTO article_topic VALUES (?, ?)",
                params![key as i64, topic],
            )
            .unwrap();
            c.execute("INSERT INTO topic VALUES (?, ?)", params![topic, label])
                .unwrap();
        }
    }
    c
}

pub(super) fn metadata() -> Vec<String> {
    METADATA.map(String::from).to_vec()
}

/// The ids that SQLite lets through.
pub(super) fn by_sqlite(c: &Connection, filter: &Filter) -> crate::Result<Vec<String>> {
    let condition = super::sql::compile(filter, &metadata())?;
    let sql = format!(
        "SELECT a.ext_id FROM article a WHERE 1 AND {} ORDER BY a.id LIMIT ?",
        condition.sql
    );
    let mut values = condition.values;
    values.push(1000.into());
    Ok(c.prepare(&sql)
        .unwrap()
        .query_map(params_from_iter(values), |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect())
}

/// The ids that the filter lets through by what is said of it.
pub(super) fn by_hand(filter: &Filter) -> Vec<String> {
    let articles = articles();
    let wanted = articles.iter().filter(|a| a.matches(filter));
    wanted.map(|a| a.id.to_string()).collect()
}

impl Known {
    fn matches(&self, filter: &Filter) -> bool {
        match filter {
            Filter::And(parts) => parts.iter().all(|p| self.matches(p)),
            Filter::Or(parts) => parts.iter().any(|p| self.matches(p)),
            Filter::Not(inner) => !self.matches(inner),
            Filter::Compare { field, op, value } => self.compares(field, *op, value),
            Filter::In { field, values } => values.iter().any(|v| self.compares(field, Op::Eq, v)),
            Filter::Between { field, low, high } => self.values(field).iter().any(|own| {
                let least = self.order(field, own, low);
                let most = self.order(field, own, high);
                least.is_some_and(Ordering::is_ge) && most.is_some_and(Ordering::is_le)
            }),
            Filter::Contains { field, text } => self.values(field).iter().any(|v| {
                let v = written(v).to_ascii_lowercase();
                v.contains(&text.to_ascii_lowercase())
            }),
            Filter::IsNull { field } => self.values(field).is_empty(),
        }
    }

    /// The metadata that a field means, if it means any, and the names of what is inside.
    fn metadata_of<'f>(&self, field: &'f Field) -> Option<(&'static str, Vec<&'f str>)> {
        let name = field.name();
        let exact = METADATA.iter().find(|m| **m == name);
        let built_in = [
            "id", "title", "text", "date", "url", "source", "origin", "topic",
        ]
        .contains(&name.to_lowercase().as_str());
        if built_in {
            return exact
                .filter(|_| field.is_metadata())
                .map(|m| (*m, Vec::new()));
        }
        let lower = name.to_lowercase();
        let whole = exact.or_else(|| METADATA.iter().find(|m| m.to_lowercase() == lower));
        if let Some(whole) = whole {
            return Some((*whole, Vec::new()));
        }
        let mut steps = name.split('.');
        let first = steps.next()?.to_lowercase();
        let outer = METADATA.iter().find(|m| m.to_lowercase() == first)?;
        Some((*outer, steps.collect()))
    }

    /// What a field has: a list has each of its elements.
    fn values(&self, field: &Field) -> Vec<Json> {
        if let Some((name, steps)) = self.metadata_of(field) {
            return inside(&self.meta[name], &steps);
        }
        let value = match field.name().to_lowercase().as_str() {
            "id" => Some(json!(self.id)),
            "title" => Some(json!(self.title)),
            "text" => Some(json!(self.text)),
            "date" => self.date.map(Json::from),
            "url" => self.url.map(Json::from),
            "source" => self.source.map(Json::from),
            "origin" => Some(json!("-")),
            "topic" => self.topic.map(|t| json!(t.0)),
            other => panic!("{other:?} is no field"),
        };
        value.into_iter().collect()
    }

    fn compares(&self, field: &Field, op: Op, value: &Value) -> bool {
        let values = self.values(field);
        let orders: Vec<Ordering> = values
            .iter()
            .filter_map(|own| self.order(field, own, value))
            .collect();
        match op {
            Op::Eq => orders.contains(&Ordering::Equal),
            Op::Ne => !orders.is_empty() && !orders.contains(&Ordering::Equal),
            Op::Lt => orders.contains(&Ordering::Less),
            Op::Le => orders.iter().any(|o| o.is_le()),
            Op::Gt => orders.contains(&Ordering::Greater),
            Op::Ge => orders.iter().any(|o| o.is_ge()),
        }
    }

    /// How one value of a field compares; `None` where it does not.
    fn order(&self, field: &Field, own: &Json, value: &Value) -> Option<Ordering> {
        let built_in = self.metadata_of(field).is_none();
        let is = |name: &str| built_in && field.name().eq_ignore_ascii_case(name);
        if is("date") {
            let date = super::date::operand(value).unwrap();
            let start: String = written(own).chars().take(date.len()).collect();
            return Some(start.cmp(&date));
        }
        match value {
            Value::Text(text) if is("topic") => self.topic.map(|t| t.1.cmp(text)),
            Value::Text(text) => Some(written(own).cmp(text)),
            Value::Long(number) => match whole(own) {
                Some(own) => Some(own.cmp(number)),
                None => numeric(own).and_then(|n| n.partial_cmp(&(*number as f64))),
            },
            Value::Number(number) => numeric(own).and_then(|n| {
                let order = n.partial_cmp(number)?;
                // As numbers of f64 they are the same, which need not be all.
                Some(order.then_with(|| match whole(own) {
                    Some(own) => i128::from(own).cmp(&(*number as i128)),
                    None => Ordering::Equal,
                }))
            }),
            Value::Bool(truth) => {
                numeric(own).and_then(|n| n.partial_cmp(&f64::from(u8::from(*truth))))
            }
        }
    }
}

fn inside(value: &Json, steps: &[&str]) -> Vec<Json> {
    fn elements(value: &Json) -> Vec<&Json> {
        match value {
            Json::Array(items) => items.iter().flat_map(elements).collect(),
            other => vec![other],
        }
    }
    let items = elements(value);
    let Some((step, rest)) = steps.split_first() else {
        let filled = items.iter().filter(|v| !v.is_null());
        return filled
            .map(|v| {
                v.as_bool()
                    .map_or((*v).clone(), |truth| json!(i32::from(truth)))
            })
            .collect();
    };
    let found = items.iter().filter_map(|v| v.as_object()?.get(*step));
    found.flat_map(|v| inside(v, rest)).collect()
}

fn written(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A whole number, or a text that is one.
fn whole(value: &Json) -> Option<i64> {
    match value {
        Json::String(text) => text.trim_start().parse().ok(),
        other => other.as_i64(),
    }
}

/// A number, or the number that a text begins with.
fn numeric(value: &Json) -> Option<f64> {
    let Json::String(text) = value else {
        return value.as_f64();
    };
    let text = text.trim_start();
    let is_part = |c: char| c.is_ascii_digit() || "-+.eE".contains(c);
    let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
    (1..=length).rev().find_map(|n| text[..n].parse().ok())
}
