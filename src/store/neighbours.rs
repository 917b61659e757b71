//! Reading vectors back: scans and matrices.

use super::sqlite::damaged;
use super::{Filter, Reader};
use crate::error::Result;
use crate::vectors::from_f16;
use ndarray::Array2;
use rusqlite::{OptionalExtension, params_from_iter};
use std::ops::Range;

const WRONG_LENGTH: &str = "a vector has the wrong length";

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

impl Reader {
    /// Calls `f` with every passage (of the articles that the filter lets through) and its
    /// vector. All passages of an article come one after another.
    ///
    /// # Errors
    /// The filter has a field that the corpus does not have, or the file is damaged; `f`'s own, which
    /// end the scan.
    pub fn scan_passages(
        &self,
        dim: usize,
        filter: Option<&Filter>,
        mut f: impl FnMut(ScannedPassage, &[f32]) -> Result<()>,
    ) -> Result<()> {
        // Reading in the order of rows is reading the file from start to end; with a filter,
        // finding the articles first reads only theirs.
        let (sql, values) = match filter {
            None => (
                "SELECT id, article, start, stop, vector FROM passage ORDER BY id".to_string(),
                vec![],
            ),
            Some(filter) => {
                let condition = self.condition(filter)?;
                let sql = format!(
                    "SELECT p.id, p.article, p.start, p.stop, p.vector
                     FROM article a JOIN passage p ON p.article = a.id WHERE {} ORDER BY a.id, p.id",
                    condition.sql
                );
                (sql, condition.values)
            }
        };
        let mut stopped = Ok(());
        self.run(|c| {
            let mut query = c.prepare(&sql)?;
            let mut rows = query.query(params_from_iter(values))?;
            let mut vector = vec![0.0; dim];
            while let Some(row) = rows.next()? {
                let bytes = row.get_ref(4)?.as_blob()?;
                if bytes.len() != 2 * dim {
                    return Err(damaged(WRONG_LENGTH));
                }
                from_f16(bytes, &mut vector);
                let passage = ScannedPassage {
                    key: row.get(0)?,
                    article: row.get(1)?,
                    range: row.get(2)?..row.get(3)?,
                };
                stopped = f(passage, &vector);
                if stopped.is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        stopped
    }

    /// Calls `f` with the row of every article (that the filter lets through) and its vector.
    ///
    /// # Errors
    /// The filter has a field that the corpus does not have, or the file is damaged; `f`'s own, which
    /// end the scan.
    pub fn scan_articles(
        &self,
        dim: usize,
        filter: Option<&Filter>,
        mut f: impl FnMut(i64, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let (sql, values) = match filter {
            None => (
                "SELECT article, vector FROM article_vector ORDER BY article".to_string(),
                vec![],
            ),
            Some(filter) => {
                let condition = self.condition(filter)?;
                let sql = format!(
                    "SELECT a.id, v.vector FROM article a JOIN article_vector v ON v.article = a.id
                     WHERE {} ORDER BY a.id",
                    condition.sql
                );
                (sql, condition.values)
            }
        };
        let mut stopped = Ok(());
        self.run(|c| {
            let mut query = c.prepare(&sql)?;
            let mut rows = query.query(params_from_iter(values))?;
            let mut vector = vec![0.0; dim];
            while let Some(row) = rows.next()? {
                let bytes = row.get_ref(1)?.as_blob()?;
                if bytes.len() != 2 * dim {
                    return Err(damaged(WRONG_LENGTH));
                }
                from_f16(bytes, &mut vector);
                stopped = f(row.get(0)?, &vector);
                if stopped.is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        stopped
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
        let (condition, mut values) = self.sql_of(filter)?;
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
            Ok(())
        })?;
        let values = Array2::from_shape_vec((keys.len(), dim), values)
            .map_err(|e| crate::Error::internal(e.to_string()))?;
        Ok(Matrix { keys, values })
    }

    /// The rows of the articles that a filter lets through.
    ///
    /// # Errors
    /// The filter has a field that the corpus does not have, or the file is damaged.
    pub fn matching(&self, filter: &Filter) -> Result<Vec<i64>> {
        let condition = self.condition(filter)?;
        self.run(|c| {
            c.prepare(&format!(
                "SELECT a.id FROM article a WHERE {} ORDER BY a.id",
                condition.sql
            ))?
            .query_map(params_from_iter(condition.values), |row| row.get(0))?
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
        return Err(damaged(WRONG_LENGTH));
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
