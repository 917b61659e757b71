//! Articles on their way from Python to the store, a few hundred at a time.

use nearwise::Article;
use nearwise::corpus::parse_date;
use nearwise::store::NewArticle;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use serde_json::{Map, Value};
use std::sync::Mutex;

/// Id, title, text, date, address, source, and metadata as JSON.
type Row = (
    Option<String>,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// Lists of rows that a Python iterator gives. What it raises is kept, and is its end.
pub(crate) struct Batches<'a> {
    iterator: Py<PyIterator>,
    raised: &'a Mutex<Option<PyErr>>,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(iterator: Py<PyIterator>, raised: &'a Mutex<Option<PyErr>>) -> Self {
        Self { iterator, raised }
    }

    fn raise(&self, error: PyErr) {
        if let Ok(mut raised) = self.raised.lock() {
            raised.get_or_insert(error);
        }
    }

    /// The next rows; none at the end.
    fn next(&self) -> Vec<Row> {
        Python::attach(|py| match self.iterator.bind(py).clone().next() {
            None => Vec::new(),
            Some(list) => list
                .and_then(|list| list.extract())
                .unwrap_or_else(|error| {
                    self.raise(error);
                    Vec::new()
                }),
        })
    }
}

/// The articles of rows, each with its vector where there are any.
pub(crate) struct Articles<'a> {
    batches: Batches<'a>,
    rows: std::vec::IntoIter<Row>,
    ended: bool,
    vectors: Option<std::slice::ChunksExact<'a, f32>>,
}

impl<'a> Articles<'a> {
    /// `vectors` are the values and the length of one vector.
    pub(crate) fn new(batches: Batches<'a>, vectors: Option<(&'a [f32], usize)>) -> Self {
        Self {
            batches,
            rows: Vec::new().into_iter(),
            ended: false,
            vectors: vectors.map(|(values, dim)| values.chunks_exact(dim.max(1))),
        }
    }
}

impl Iterator for Articles<'_> {
    type Item = NewArticle;

    fn next(&mut self) -> Option<NewArticle> {
        while self.rows.len() == 0 && !self.ended {
            let rows = self.batches.next();
            self.ended = rows.is_empty();
            self.rows = rows.into_iter();
        }
        let uneven = || {
            let message = "vectors: there are more or fewer than articles; give one for each";
            self.batches.raise(PyValueError::new_err(message));
        };
        let Some(row) = self.rows.next() else {
            if self.vectors.as_ref().is_some_and(|v| v.len() > 0) {
                uneven();
            }
            return None;
        };
        let vector = match &mut self.vectors {
            None => None,
            Some(vectors) => match vectors.next() {
                Some(vector) => Some(vector.to_vec()),
                None => {
                    uneven();
                    self.ended = true;
                    self.rows = Vec::new().into_iter();
                    return None;
                }
            },
        };
        Some(NewArticle {
            article: article(row),
            vector,
        })
    }
}

fn article((id, title, text, date, url, source, meta): Row) -> Article {
    let mut meta: Map<String, Value> = meta
        .and_then(|meta| serde_json::from_str(&meta).ok())
        .unwrap_or_default();
    let parsed = date.as_deref().and_then(parse_date);
    // A date that cannot be told is kept as what it was, as files' are.
    if let (Some(date), None) = (date, &parsed) {
        meta.insert("date".to_string(), Value::String(date));
    }
    Article {
        id,
        title,
        text,
        date: parsed,
        url,
        source,
        meta,
        ..Article::default()
    }
}
