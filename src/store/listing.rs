//! Lists of articles in an order, and what a corpus holds in short.

use super::sqlite::json;
use super::{Filter, Reader};
use crate::corpus::{boilerplate, snippet};
use crate::encoder::Identity;
use crate::error::{Error, Result};
use rusqlite::{OptionalExtension, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The order of a list of articles. Those without a date come last when it is by date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum Order {
    /// The newest first.
    #[default]
    #[serde(rename = "-date")]
    Newest,
    /// The oldest first.
    #[serde(rename = "date")]
    Oldest,
    /// By their ids.
    #[serde(rename = "id")]
    Id,
    /// As they were added.
    #[serde(rename = "added")]
    Added,
}

impl Order {
    fn sql(self) -> &'static str {
        match self {
            Self::Newest => "a.date DESC NULLS LAST, a.id DESC",
            Self::Oldest => "a.date ASC NULLS LAST, a.id ASC",
            Self::Id => "a.ext_id",
            Self::Added => "a.id",
        }
    }
}

impl std::str::FromStr for Order {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "-date" => Self::Newest,
            "date" => Self::Oldest,
            "id" => Self::Id,
            "added" => Self::Added,
            _ => return Err(Error::parameter("sort", "give date, -date, id or added")),
        })
    }
}

/// An article of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ListedArticle {
    /// The row in the store.
    #[serde(skip)]
    pub key: i64,
    /// Its id.
    pub id: String,
    /// Its title, or the start of its text.
    pub title: String,
    /// Its date, ISO 8601.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// The start of its own text, on one line.
    pub snippet: String,
    /// The number of its topic; `None` where it has none.
    pub topic: Option<i64>,
}

/// A page of a list of articles.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Listed {
    /// The articles.
    pub articles: Vec<ListedArticle>,
    /// Whether there are more after these.
    pub more: bool,
}

/// What a field of articles holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A date, or a part of it.
    Date,
    /// A topic's number.
    Topic,
    /// A list of values.
    List,
    /// An object.
    Object,
    /// Values of several kinds, or none in the articles that were looked at.
    Mixed,
}

/// A field that filters and facets know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FieldInfo {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it is metadata of the articles' own.
    pub metadata: bool,
}

/// What a corpus holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Articles.
    pub articles: u64,
    /// Those with a vector.
    pub embedded: u64,
    /// Those that wait to be embedded.
    pub pending: u64,
    /// Passages, each with a vector.
    pub passages: u64,
    /// The model that made the vectors; `None` before the first.
    pub model: Option<Identity>,
    /// How many topics there are; `None` where none were fitted.
    pub topics: Option<u64>,
    /// How many publishers.
    pub sources: u64,
    /// The first and the last date; `None` where no article has one.
    pub dates: Option<[String; 2]>,
    /// Grows with each change of the vectors.
    pub generation: i64,
    /// The size of the file.
    pub bytes: u64,
}

/// Bytes of a text that a snippet is made from, and its characters.
const LOOKED_AT: usize = 2_000;
const SNIPPET: usize = 280;
/// Articles whose metadata tell a field's kind.
const SAMPLE: usize = 400;

impl Reader {
    /// The articles that the filter lets through, in an order: `limit` of them from `offset` on.
    /// Also those that are not embedded yet.
    ///
    /// # Errors
    /// The filter names a field that the corpus does not have; the file is damaged.
    pub fn list(
        &self,
        filter: Option<&Filter>,
        order: Order,
        offset: usize,
        limit: usize,
    ) -> Result<Listed> {
        let (condition, values) = self.sql_of(filter)?;
        let sql = format!(
            "SELECT a.id FROM article a WHERE {condition} ORDER BY {} LIMIT {} OFFSET {}",
            order.sql(),
            limit.saturating_add(1).min(i64::MAX as usize),
            offset.min(i64::MAX as usize),
        );
        let mut keys: Vec<i64> = self.run(|c| {
            c.prepare(&sql)?
                .query_map(params_from_iter(values), |row| row.get(0))?
                .collect()
        })?;
        let more = keys.len() > limit;
        keys.truncate(limit);
        let articles = keys.into_iter().map(|key| self.listed_at(key));
        Ok(Listed {
            articles: articles.collect::<Result<_>>()?,
            more,
        })
    }

    /// What a list shows of an article, by its row.
    ///
    /// # Errors
    /// No article has this row.
    pub fn listed_at(&self, key: i64) -> Result<ListedArticle> {
        type Shown = (ListedArticle, String, Vec<(usize, usize)>);
        let (mut article, text, spans): Shown = self.run(|c| {
            c.prepare_cached(
                "SELECT a.ext_id, a.title, a.date, a.source, a.url, substr(a.text, 1, ?2), a.boilerplate,
                        (SELECT topic FROM article_topic t WHERE t.article = a.id AND t.topic >= 0)
                 FROM article a WHERE a.id = ?1",
            )?
            .query_row((key, LOOKED_AT), |row| {
                let article = ListedArticle {
                    key,
                    id: row.get(0)?,
                    title: row.get(1)?,
                    date: row.get(2)?,
                    source: row.get(3)?,
                    url: row.get(4)?,
                    snippet: String::new(),
                    topic: row.get(7)?,
                };
                let spans = json(row, 6, "where an article's boilerplate stands")?;
                Ok((article, row.get(5)?, spans))
            })
        })?;
        let within = spans
            .into_iter()
            .map(|(start, end)| start..end.min(text.len()));
        let within: Vec<_> = within
            .filter(|span| text.get(span.clone()).is_some())
            .collect();
        let own = boilerplate::without(&text, &within);
        article.snippet = snippet(if own.trim().is_empty() { &text } else { &own }, SNIPPET);
        if article.title.is_empty() {
            article.title = snippet(&article.snippet, SNIPPET / 2);
        }
        Ok(article)
    }

    /// As [`Reader::listed_at`]; `None` where the row is no article's (any more).
    ///
    /// # Errors
    /// The file is damaged.
    pub fn listed_if_there(&self, key: i64) -> Result<Option<ListedArticle>> {
        let there = self.run(|c| {
            c.prepare_cached("SELECT 1 FROM article WHERE id = ?1")?
                .exists([key])
        })?;
        there.then(|| self.listed_at(key)).transpose()
    }

    /// What the corpus holds.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn summary(&self) -> Result<Summary> {
        let counts = self.counts()?;
        let (sources, first, last) = self.run(|c| {
            let date = |which: &str| {
                c.query_row(&format!("SELECT {which}(date) FROM article"), [], |row| {
                    row.get::<_, Option<String>>(0)
                })
            };
            let sources = "SELECT count(DISTINCT source) FROM article WHERE source <> ''";
            let sources = c.query_row(sources, [], |row| row.get::<_, u64>(0))?;
            Ok((sources, date("min")?, date("max")?))
        })?;
        Ok(Summary {
            articles: counts.articles,
            embedded: self.embedded()?,
            pending: counts.pending,
            passages: counts.passages,
            model: self.identity()?,
            topics: self.topic_run()?.map(|_| counts.topics),
            sources,
            dates: first.zip(last).map(|(first, last)| [first, last]),
            generation: self.generation()?,
            bytes: self.path().metadata().map_or(0, |m| m.len()),
        })
    }

    /// The fields that filters and facets know: those of all articles, then their metadata, with
    /// the kinds of value that the first few hundred articles have there.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn field_kinds(&self) -> Result<Vec<FieldInfo>> {
        let built_in = [
            ("source", FieldKind::Text),
            ("topic", FieldKind::Topic),
            ("date", FieldKind::Date),
            ("year", FieldKind::Date),
            ("month", FieldKind::Date),
            ("origin", FieldKind::Text),
        ];
        let metas: Vec<Map<String, Value>> = self.run(|c| {
            c.prepare("SELECT meta FROM article WHERE meta <> '{}' LIMIT ?1")?
                .query_map([SAMPLE], |row| json(row, 0, "an article's metadata"))?
                .collect()
        })?;
        let mut kinds: BTreeMap<String, Option<FieldKind>> = BTreeMap::new();
        for meta in metas {
            for (name, value) in meta {
                let kind = match value {
                    Value::Null => continue,
                    Value::Bool(_) => FieldKind::Boolean,
                    Value::Number(_) => FieldKind::Number,
                    Value::String(_) => FieldKind::Text,
                    Value::Array(_) => FieldKind::List,
                    Value::Object(_) => FieldKind::Object,
                };
                let known = kinds.entry(name).or_insert(Some(kind));
                if *known != Some(kind) {
                    *known = None;
                }
            }
        }
        let field = |name: &str, kind, metadata| FieldInfo {
            name: name.to_string(),
            kind,
            metadata,
        };
        let mut out = Vec::new();
        for (name, kind) in built_in {
            out.push(field(name, kind, false));
        }
        for name in self.fields()? {
            let kind = kinds.get(&name).copied().flatten();
            out.push(field(&name, kind.unwrap_or(FieldKind::Mixed), true));
        }
        Ok(out)
    }

    /// Whether an article has a vector.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn is_embedded(&self, key: i64) -> Result<bool> {
        let pending: Option<bool> = self.run(|c| {
            c.prepare_cached(
                "SELECT a.pending FROM article a JOIN article_vector v ON v.article = a.id WHERE a.id = ?1",
            )?
            .query_row([key], |row| row.get(0))
            .optional()
        })?;
        Ok(pending == Some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Article, Corpus, Job};
    use serde_json::json;

    fn corpus() -> (tempfile::TempDir, Corpus) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
        let article = |id: &str, date: Option<&str>, source: &str, meta: Value| Article {
            id: Some(id.into()),
            title: if id == "c" {
                String::new()
            } else {
                format!("Title {id}")
            },
            text: format!("The text\n\nof {id}."),
            date: date.map(String::from),
            source: Some(source.into()),
            meta: meta.as_object().cloned().unwrap_or_default(),
            ..Article::default()
        };
        let all = [
            article("b", Some("2024-05-01"), "x", json!({"n": 1, "tags": ["a"]})),
            article(
                "a",
                Some("2025-01-01"),
                "y",
                json!({"n": "two", "ok": true}),
            ),
            article("c", None, "x", json!({})),
            article("d", Some("2023-01-01T10:00:00"), "x", json!({"ok": false})),
        ];
        corpus.writer().unwrap().add(all, &Job::new()).unwrap();
        (folder, corpus)
    }

    #[test]
    fn orders_pages_and_filters() {
        let (_folder, corpus) = corpus();
        let reader = corpus.reader().unwrap();
        let ids = |filter: Option<&str>, order: &str, offset, limit| {
            let filter: Option<Filter> = filter.map(|f| f.parse().unwrap());
            let listed = reader
                .list(filter.as_ref(), order.parse().unwrap(), offset, limit)
                .unwrap();
            let ids: Vec<String> = listed.articles.into_iter().map(|a| a.id).collect();
            (ids.join(""), listed.more)
        };
        assert_eq!(ids(None, "-date", 0, 10), ("abdc".into(), false));
        assert_eq!(ids(None, "date", 0, 10), ("dbac".into(), false));
        assert_eq!(ids(None, "id", 0, 10), ("abcd".into(), false));
        assert_eq!(ids(None, "added", 1, 2), ("ac".into(), true));
        assert_eq!(
            ids(Some("source = \"x\""), "-date", 0, 2),
            ("bd".into(), true)
        );
        assert_eq!(ids(None, "id", 9, 2), (String::new(), false));
        assert!("newest".parse::<Order>().is_err());
        let one = &reader.list(None, Order::Added, 2, 1).unwrap().articles[0];
        assert_eq!(
            (one.title.as_str(), one.snippet.as_str()),
            ("The text of c.", "The text of c.")
        );
        assert!(!reader.is_embedded(one.key).unwrap());
    }

    #[test]
    fn a_corpus_in_short() {
        let (_folder, corpus) = corpus();
        let reader = corpus.reader().unwrap();
        let summary = reader.summary().unwrap();
        assert_eq!(
            (summary.articles, summary.embedded, summary.pending),
            (4, 0, 4)
        );
        assert_eq!((summary.sources, summary.topics), (2, None));
        assert_eq!(
            summary.dates.unwrap(),
            ["2023-01-01T10:00:00", "2025-01-01"]
        );
        let kinds: Vec<(String, FieldKind)> = reader
            .field_kinds()
            .unwrap()
            .into_iter()
            .filter(|f| f.metadata)
            .map(|f| (f.name, f.kind))
            .collect();
        let expected = [
            ("n", FieldKind::Mixed),
            ("ok", FieldKind::Boolean),
            ("tags", FieldKind::List),
        ];
        assert_eq!(kinds, expected.map(|(name, kind)| (name.to_string(), kind)));
    }
}
