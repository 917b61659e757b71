//! Reading vectors back: scans, the closest of a scan, and matrices.

use super::blob::from_f16;
use super::{Filter, Store};
use crate::error::Result;
use ndarray::Array2;
use rusqlite::{OptionalExtension, params_from_iter};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

/// Keeps the `k` highest scores of a scan. Of equal scores the smaller key wins, so that the
/// order of the scan does not matter.
#[derive(Debug)]
pub struct Closest<T> {
    k: usize,
    heap: BinaryHeap<Reverse<Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    score: f32,
    key: i64,
    value: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.key.cmp(&self.key))
    }
}

impl<T> Closest<T> {
    /// Keeps the `k` highest.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::with_capacity(k.min(4096) + 1),
        }
    }

    /// The score that a candidate must reach to be kept.
    pub fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(Reverse(lowest)) if self.heap.len() >= self.k => lowest.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Offers a candidate.
    pub fn push(&mut self, score: f32, key: i64, value: T) {
        if self.k == 0 || score < self.threshold() {
            return;
        }
        self.heap.push(Reverse(Entry { score, key, value }));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    /// What was kept, highest score first, as (score, key, value).
    pub fn into_sorted(self) -> Vec<(f32, i64, T)> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(e)| (e.score, e.key, e.value))
            .collect()
    }
}

/// A passage met in a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedPassage {
    /// The passage's row.
    pub key: i64,
    /// Its article's row.
    pub article: i64,
    /// Its byte range in the article's text.
    pub range: Range<usize>,
}

/// Vectors as rows of a matrix, with the row in the store that each belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// The rows in the store, ascending.
    pub keys: Vec<i64>,
    /// Unit vectors, (keys, dim).
    pub values: Array2<f32>,
}

impl Store {
    /// Calls `f` with every passage (of the articles that the filter lets through) and its
    /// vector. All passages of an article come one after another.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn scan_passages(
        &self,
        dim: usize,
        filter: Option<&Filter>,
        mut f: impl FnMut(ScannedPassage, &[f32]),
    ) -> Result<()> {
        // Reading in the order of rows is reading the file from start to end; with a filter,
        // finding the articles first reads only theirs.
        let (sql, values) = match filter {
            None => ("SELECT id, article, start, stop, vector FROM passage ORDER BY id".to_string(), vec![]),
            Some(filter) => (
                format!(
                    "SELECT p.id, p.article, p.start, p.stop, p.vector
                     FROM article a JOIN passage p ON p.article = a.id WHERE {} ORDER BY a.id, p.id",
                    filter.sql
                ),
                filter.values.clone(),
            ),
        };
        self.run(|c| {
            let mut query = c.prepare(&sql)?;
            let mut rows = query.query(params_from_iter(values))?;
            let mut vector = vec![0.0; dim];
            while let Some(row) = rows.next()? {
                let bytes = row.get_ref(4)?.as_blob()?;
                if bytes.len() != 2 * dim {
                    return Err(damaged_vector());
                }
                from_f16(bytes, &mut vector);
                let passage = ScannedPassage {
                    key: row.get(0)?,
                    article: row.get(1)?,
                    range: row.get(2)?..row.get(3)?,
                };
                f(passage, &vector);
            }
            Ok(())
        })
    }

    /// Calls `f` with the row of every article (that the filter lets through) and its vector.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn scan_articles(
        &self,
        dim: usize,
        filter: Option<&Filter>,
        mut f: impl FnMut(i64, &[f32]),
    ) -> Result<()> {
        let (sql, values) = match filter {
            None => (
                "SELECT article, vector FROM article_vector ORDER BY article".to_string(),
                vec![],
            ),
            Some(filter) => (
                format!(
                    "SELECT a.id, v.vector FROM article a JOIN article_vector v ON v.article = a.id
                     WHERE {} ORDER BY a.id",
                    filter.sql
                ),
                filter.values.clone(),
            ),
        };
        self.run(|c| {
            let mut query = c.prepare(&sql)?;
            let mut rows = query.query(params_from_iter(values))?;
            let mut vector = vec![0.0; dim];
            while let Some(row) = rows.next()? {
                let bytes = row.get_ref(1)?.as_blob()?;
                if bytes.len() != 2 * dim {
                    return Err(damaged_vector());
                }
                from_f16(bytes, &mut vector);
                f(row.get(0)?, &vector);
            }
            Ok(())
        })
    }

    /// The passages of an article with their vectors.
    pub(crate) fn passage_vectors(
        &self,
        article: i64,
        dim: usize,
    ) -> Result<Vec<(ScannedPassage, Vec<f32>)>> {
        self.run(|c| {
            c.prepare_cached(
                "SELECT id, article, start, stop, vector FROM passage WHERE article = ?1 ORDER BY id",
            )?
            .query_map([article], |row| passage_vector(row, dim))?
            .collect()
        })
    }

    /// A passage and its vector; `None` where it is no longer there.
    pub(crate) fn passage_vector(
        &self,
        key: i64,
        dim: usize,
    ) -> Result<Option<(ScannedPassage, Vec<f32>)>> {
        self.run(|c| {
            c.prepare_cached("SELECT id, article, start, stop, vector FROM passage WHERE id = ?1")?
                .query_row([key], |row| passage_vector(row, dim))
                .optional()
        })
    }

    /// Articles that an FTS5 expression matches, best first, as (row, score).
    pub(crate) fn bm25(
        &self,
        expression: &str,
        title_weight: f64,
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<(i64, f64)>> {
        let (condition, mut values) = match filter {
            Some(filter) => (filter.sql.clone(), filter.values.clone()),
            None => ("1".to_string(), Vec::new()),
        };
        values.insert(0, expression.to_string().into());
        values.insert(0, title_weight.into());
        values.push((k as i64).into());
        self.run(|c| {
            c.prepare(&format!(
                "SELECT a.id, -bm25(words, ?, 1.0) AS score FROM words JOIN article a ON a.id = words.rowid
                 WHERE words MATCH ? AND {condition} ORDER BY score DESC, a.id LIMIT ?"
            ))?
            .query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })
    }

    /// The vectors of all articles that have one.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn matrix(&self, dim: usize) -> Result<Matrix> {
        let mut keys = Vec::new();
        let mut values = Vec::new();
        self.scan_articles(dim, None, |key, vector| {
            keys.push(key);
            values.extend_from_slice(vector);
        })?;
        let values = Array2::from_shape_vec((keys.len(), dim), values)
            .map_err(|e| crate::Error::corpus(self.path(), e.to_string()))?;
        Ok(Matrix { keys, values })
    }

    /// The rows of the articles that a filter lets through.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn matching(&self, filter: &Filter) -> Result<Vec<i64>> {
        self.run(|c| {
            c.prepare(&format!(
                "SELECT a.id FROM article a WHERE {} ORDER BY a.id",
                filter.sql
            ))?
            .query_map(params_from_iter(filter.values.clone()), |row| row.get(0))?
            .collect()
        })
    }
}

fn passage_vector(
    row: &rusqlite::Row<'_>,
    dim: usize,
) -> rusqlite::Result<(ScannedPassage, Vec<f32>)> {
    let bytes = row.get_ref(4)?.as_blob()?;
    if bytes.len() != 2 * dim {
        return Err(damaged_vector());
    }
    let mut vector = vec![0.0; dim];
    from_f16(bytes, &mut vector);
    let passage = ScannedPassage {
        key: row.get(0)?,
        article: row.get(1)?,
        range: row.get(2)?..row.get(3)?,
    };
    Ok((passage, vector))
}

fn damaged_vector() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        Some("a vector has the wrong length".to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::Closest;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn closest_equals_sorting(
            scores in proptest::collection::vec(-4i8..4, 0..60),
            k in 0usize..12,
        ) {
            let mut closest = Closest::new(k);
            for (key, &s) in scores.iter().enumerate().rev() {
                closest.push(f32::from(s), key as i64, ());
            }
            let mut all: Vec<(i8, i64)> =
                scores.iter().enumerate().map(|(key, &s)| (s, key as i64)).collect();
            all.sort_by_key(|&(s, key)| (-s, key));
            all.truncate(k);
            let got: Vec<(i8, i64)> =
                closest.into_sorted().into_iter().map(|(s, key, ())| (s as i8, key)).collect();
            prop_assert_eq!(got, all);
        }
    }
}
