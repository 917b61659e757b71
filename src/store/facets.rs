//! What an answer counts and ages articles by: their sources, dates, topics and metadata, read
//! row for row, and the dates of the whole corpus.

use super::sqlite::from_json;
use super::{Filter, Reader};
use crate::error::Result;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use serde_json::{Map, Value};

/// What is counted of an article.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FacetRow {
    /// The article's row.
    pub key: i64,
    pub source: Option<String>,
    pub date: Option<String>,
    pub origin: String,
    /// `None` where it has no topic, or was found to be in none.
    pub topic: Option<i64>,
    /// Other columns; empty where they were not asked for.
    pub meta: Map<String, Value>,
}

/// The columns of a row; metadata is read only where it is wanted.
fn columns(meta: bool) -> String {
    let meta = if meta { "a.meta" } else { "NULL" };
    format!(
        "a.id, a.source, a.date, a.origin,
         (SELECT topic FROM article_topic t WHERE t.article = a.id AND t.topic >= 0), {meta}"
    )
}

fn read(row: &Row<'_>) -> rusqlite::Result<FacetRow> {
    let meta: Option<String> = row.get(5)?;
    Ok(FacetRow {
        key: row.get(0)?,
        source: row.get(1)?,
        date: row.get(2)?,
        origin: row.get(3)?,
        topic: row.get(4)?,
        meta: meta
            .map(|meta| from_json(&meta, "an article's metadata"))
            .transpose()?
            .unwrap_or_default(),
    })
}

impl Reader {
    /// Calls `f` with every article that the filter lets through, `embedded` ones alone or all.
    pub(crate) fn each_facet_row(
        &self,
        filter: Option<&Filter>,
        embedded: bool,
        meta: bool,
        mut f: impl FnMut(FacetRow) -> Result<()>,
    ) -> Result<()> {
        let (condition, values) = self.sql_of(filter)?;
        let sql = format!(
            "SELECT {} FROM {} WHERE {condition}",
            columns(meta),
            if embedded {
                "article_vector v JOIN article a ON a.id = v.article"
            } else {
                "article a"
            },
        );
        let mut stopped = Ok(());
        self.run(|c| {
            let mut query = c.prepare(&sql)?;
            let mut rows = query.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                stopped = f(read(row)?);
                if stopped.is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        stopped
    }

    /// What is counted of one article.
    pub(crate) fn facet_row(&self, key: i64, meta: bool) -> Result<FacetRow> {
        self.run(|c| {
            c.prepare_cached(&format!(
                "SELECT {} FROM article a WHERE a.id = ?1",
                columns(meta)
            ))?
            .query_row([key], read)
        })
    }

    /// Calls `f` with the row and the date of every article that has one and that the filter lets
    /// through.
    pub(crate) fn each_date(
        &self,
        filter: Option<&Filter>,
        mut f: impl FnMut(i64, &str),
    ) -> Result<()> {
        let (condition, values) = self.sql_of(filter)?;
        self.run(|c| {
            let mut query = c.prepare(&format!(
                "SELECT a.id, a.date FROM article a WHERE a.date IS NOT NULL AND {condition}"
            ))?;
            let mut rows = query.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                f(row.get(0)?, row.get_ref(1)?.as_str()?);
            }
            Ok(())
        })
    }

    /// The date in the middle of those that articles have, and the latest; `None` where no article
    /// has a date.
    pub(crate) fn middle_and_latest_date(&self) -> Result<Option<(String, String)>> {
        self.run(|c| {
            let dated: i64 =
                c.query_row("SELECT count(*) FROM article WHERE date IS NOT NULL", [], |row| {
                    row.get(0)
                })?;
            let at = |place: i64| {
                c.query_row(
                    "SELECT date FROM article WHERE date IS NOT NULL ORDER BY date LIMIT 1 OFFSET ?1",
                    [place],
                    |row| row.get::<_, String>(0),
                )
                .optional()
            };
            Ok(at(dated / 2)?.zip(at((dated - 1).max(0))?))
        })
    }

    /// How many articles an FTS5 expression matches.
    pub(crate) fn articles_with(&self, expression: &str) -> Result<u64> {
        self.run(|c| {
            c.prepare_cached("SELECT count(*) FROM words WHERE words MATCH ?1")?
                .query_row([expression], |row| row.get(0))
        })
    }

    pub(super) fn sql_of(
        &self,
        filter: Option<&Filter>,
    ) -> Result<(String, Vec<rusqlite::types::Value>)> {
        Ok(match filter {
            Some(filter) => {
                let condition = self.condition(filter)?;
                (condition.sql, condition.values)
            }
            None => ("1".to_string(), Vec::new()),
        })
    }
}
