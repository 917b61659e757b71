//! Counting values of fields over a whole result. Nothing is kept but the counts.

use super::answer::{CountedOver, Facet, FacetValue, Facets};
use super::ranking::Ranking;
use crate::error::{Error, Result};
use crate::store::{FacetRow, Field, Filter, Reader};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::cmp::Reverse;

/// Where a value is found.
#[derive(Debug)]
enum Place {
    Source,
    Origin,
    Topic,
    /// The first characters of a date.
    Date(usize),
    /// Metadata of this name, and names that lead into objects.
    /// Metadata, by the names on each way that leads to its values.
    Meta(Vec<Vec<String>>),
}

const BUILT_IN: [(&str, Place); 6] = [
    ("source", Place::Source),
    ("topic", Place::Topic),
    ("year", Place::Date(4)),
    ("month", Place::Date(7)),
    ("date", Place::Date(10)),
    ("origin", Place::Origin),
];
/// What every article has for itself, so that a count says nothing.
const OWN: [&str; 4] = ["id", "title", "text", "url"];

/// The fields of facets, looked up in a corpus.
pub(super) struct Counter {
    fields: Vec<(String, Place)>,
    counts: Vec<Counts>,
    articles: u64,
}

#[derive(Default)]
struct Counts {
    /// By the value's JSON.
    values: FxHashMap<String, u64>,
    missing: u64,
}

impl Counter {
    pub(super) fn new(store: &Reader, fields: &[Field]) -> Result<Self> {
        let metadata = store.fields()?;
        let find = |field: &Field| Ok((field.name().to_string(), place(field, &metadata)?));
        let fields: Vec<(String, Place)> = fields.iter().map(find).collect::<Result<_>>()?;
        Ok(Self {
            counts: fields.iter().map(|_| Counts::default()).collect(),
            fields,
            articles: 0,
        })
    }

    fn reads_metadata(&self) -> bool {
        let meta = |(_, place): &(String, Place)| matches!(place, Place::Meta(..));
        self.fields.iter().any(meta)
    }

    fn take(&mut self, row: &FacetRow) {
        self.articles += 1;
        for ((_, place), counts) in self.fields.iter().zip(&mut self.counts) {
            let values = place.values(row);
            if values.is_empty() {
                counts.missing += 1;
            }
            for value in values {
                *counts.values.entry(value).or_default() += 1;
            }
        }
    }

    fn finish(self, store: &Reader, over: CountedOver, limit: usize) -> Result<Facets> {
        let mut fields = Vec::new();
        for ((field, place), counts) in self.fields.into_iter().zip(self.counts) {
            let mut all: Vec<(String, u64)> = counts.values.into_iter().collect();
            all.sort_unstable_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
            let more = all.len().saturating_sub(limit) as u64;
            all.truncate(limit);
            let labels: FxHashMap<i64, String> = match place {
                Place::Topic => store
                    .topics()?
                    .into_iter()
                    .map(|t| (t.id, t.label))
                    .collect(),
                _ => FxHashMap::default(),
            };
            let values = all.into_iter().map(|(json, count)| {
                let value: Value = serde_json::from_str(&json).unwrap_or(Value::Null);
                let label = value.as_i64().and_then(|id| labels.get(&id).cloned());
                FacetValue {
                    value,
                    label,
                    count,
                }
            });
            fields.push(Facet {
                field,
                values: values.collect(),
                more,
                missing: counts.missing,
            });
        }
        Ok(Facets {
            over,
            articles: self.articles,
            fields,
        })
    }
}

impl Place {
    /// An article's values there, as JSON.
    fn values(&self, row: &FacetRow) -> Vec<String> {
        let text = |text: &Option<String>| {
            let text = text.as_ref().filter(|t| !t.is_empty());
            Vec::from_iter(text.map(|t| Value::from(t.as_str()).to_string()))
        };
        match self {
            Self::Source => text(&row.source),
            Self::Origin => text(&Some(row.origin.clone())),
            Self::Topic => Vec::from_iter(row.topic.map(|t| t.to_string())),
            Self::Date(most) => {
                let part = row.date.as_ref().and_then(|date| date.get(..*most));
                text(&part.map(String::from))
            }
            Self::Meta(ways) => {
                let mut values = Vec::new();
                for way in ways {
                    if let Some((name, rest)) = way.split_first() {
                        reach(row.meta.get(name), rest, &mut values);
                    }
                }
                values.sort_unstable();
                values.dedup();
                values
            }
        }
    }
}

/// The values that a way into metadata leads to, as JSON: of lists each element, also of lists in them, as a filter
/// takes them, and of nothing none.
fn reach(value: Option<&Value>, rest: &[String], out: &mut Vec<String>) {
    match (value, rest) {
        (None | Some(Value::Null), _) => {}
        (Some(Value::Array(elements)), rest) => {
            for element in elements {
                reach(Some(element), rest, out);
            }
        }
        (Some(Value::String(text)), []) if text.is_empty() => {}
        (Some(value), []) => out.push(value.to_string()),
        (Some(Value::Object(object)), [name, rest @ ..]) => reach(object.get(name), rest, out),
        (Some(_), _) => {}
    }
}

fn place(field: &Field, metadata: &[String]) -> Result<Place> {
    let name = field.name();
    let lower = name.to_lowercase();
    let built_in = || BUILT_IN.into_iter().find(|(known, _)| *known == lower);
    // As filters take it: they know no year and no month, but of metadata.
    let own = built_in().is_some_and(|(known, _)| !matches!(known, "year" | "month"));
    if field.is_metadata() || !own {
        let ways = field.ways(metadata);
        if !ways.is_empty() {
            return Ok(Place::Meta(ways));
        }
    }
    if let Some((_, place)) = built_in() {
        return Ok(place);
    }
    if OWN.contains(&lower.as_str()) {
        let message = format!("{name:?} is of each article alone, and is not counted");
        return Err(Error::parameter("facets", message));
    }
    let all: Vec<&str> = BUILT_IN
        .iter()
        .map(|(name, _)| *name)
        .chain(metadata.iter().map(String::as_str))
        .collect();
    let near = all
        .iter()
        .map(|known| {
            (
                strsim::damerau_levenshtein(&lower, &known.to_lowercase()),
                known,
            )
        })
        .min()
        .filter(|(edits, known)| *edits <= 1 + known.chars().count() / 4);
    let meant = near.map_or(String::new(), |(_, known)| {
        format!(" (did you mean {known:?}?)")
    });
    Err(Error::parameter(
        "facets",
        format!("no field {name:?}{meant}; there are {}", all.join(", ")),
    ))
}

/// Counts the fields over all that has a place in a ranking.
pub(super) fn count(ranking: &Ranking<'_>, mut counter: Counter, limit: usize) -> Result<Facets> {
    let store = ranking.store;
    let meta = counter.reads_metadata();
    let over = ranking.over();
    if matches!(over, CountedOver::Corpus | CountedOver::Filter) {
        let filter = ranking.options.filter.as_ref();
        store.each_facet_row(filter, true, meta, |row| {
            if !ranking.is_left_out(row.key) {
                counter.take(&row);
            }
            Ok(())
        })?;
    } else {
        ranking.each(|key| {
            counter.take(&store.facet_row(key, meta)?);
            Ok(())
        })?;
    }
    counter.finish(store, over, limit)
}

/// Whether the fields are there; for a check before anything is computed.
pub(super) fn check(store: &Reader, fields: &[Field]) -> Result<()> {
    Counter::new(store, fields).map(drop)
}

impl Reader {
    /// How often the values of fields occur in the articles that the filter lets through, also in
    /// those that are not embedded yet; of each field the `limit` values that most articles have.
    ///
    /// # Errors
    /// A field is unknown; the filter cannot be used; the file is damaged.
    pub fn facets(
        &self,
        fields: &[Field],
        filter: Option<&Filter>,
        limit: usize,
    ) -> Result<Facets> {
        let mut counter = Counter::new(self, fields)?;
        let meta = counter.reads_metadata();
        self.each_facet_row(filter, false, meta, |row| {
            counter.take(&row);
            Ok(())
        })?;
        let over = match filter {
            Some(_) => CountedOver::Filter,
            None => CountedOver::Corpus,
        };
        counter.finish(self, over, limit)
    }

    /// Calls `f` with the row of every embedded article and its value of a field, as JSON: the
    /// first of several, `None` where it has none.
    ///
    /// # Errors
    /// The field is unknown; the file is damaged.
    pub(crate) fn each_value(
        &self,
        field: &Field,
        mut f: impl FnMut(i64, Option<String>) -> Result<()>,
    ) -> Result<()> {
        let counter = Counter::new(self, std::slice::from_ref(field))?;
        let meta = counter.reads_metadata();
        self.each_facet_row(None, true, meta, |row| {
            let values = counter.fields[0].1.values(&row);
            f(row.key, values.into_iter().next())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    #[test]
    fn ways_into_metadata() {
        let meta: Map<String, Value> = serde_json::from_value(json!({
            "tags": ["a", "b", "a", null, ["c"]], "n": 3, "author": [{"name": "Ann"}, {"name": ["Bo", "Cy"]}, 7],
            "none": [], "empty": "",
        }))
        .unwrap();
        let found = |name: &str, rest: &[&str]| {
            let mut out = Vec::new();
            let rest: Vec<String> = rest.iter().map(|s| s.to_string()).collect();
            reach(meta.get(name), &rest, &mut out);
            out
        };
        assert_eq!(found("tags", &[]), ["\"a\"", "\"b\"", "\"a\"", "\"c\""]);
        assert_eq!(found("n", &[]), ["3"]);
        assert_eq!(found("author", &["name"]), ["\"Ann\"", "\"Bo\"", "\"Cy\""]);
        for none in ["none", "empty", "missing"] {
            assert!(found(none, &[]).is_empty(), "{none}");
        }
        assert!(found("n", &["x"]).is_empty());
    }
}
