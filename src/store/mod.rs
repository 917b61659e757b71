//! The corpus on disk: articles, passages, vectors, topics, in one SQLite file.
//!
//! A [`Corpus`] gives any number of [`Reader`]s, each a snapshot, and one [`Writer`] at a time.
//! Every change is one transaction, so that a kill at any moment leaves the state before or
//! after it. Vectors are kept as f16. What is derived and large (the approximate index) lives
//! in a file beside the corpus and can be lost.

mod articles;
mod check;
mod corpus;
mod export;
mod facets;
mod filter;
mod identity;
mod listing;
mod lock;
mod neighbours;
mod reader;
mod schema;
mod seal;
mod sqlite;
mod topics;
mod writer;

pub use articles::{Added, Described, NewArticle, StoredArticle, StoredPassage};
pub(crate) use articles::{Embedded, EmbeddedVectors, NewPassage, Pending};
pub use check::{Checked, Fault, Heal, Repaired};
pub use corpus::Corpus;
pub use export::{ExportFormat, Exported, export, export_text, npy_header};
pub(crate) use facets::FacetRow;
pub use filter::{Field, Filter, Op, Value};
pub use listing::{FieldInfo, FieldKind, Listed, ListedArticle, Order, Summary};
pub use neighbours::{Matrix, ScannedPassage};
pub use reader::Reader;
pub use topics::{
    Dated, Member, NO_TOPIC, StoredJoin, StoredPart, StoredTopic, StoredTopics, TopicRun,
};
pub use writer::Writer;

use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};

/// Counts over a corpus.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Articles.
    pub articles: u64,
    /// Articles read but not embedded yet.
    pub pending: u64,
    /// Passages, each with a vector.
    pub passages: u64,
    /// Tokens of all passages, overlaps and titles left out.
    pub tokens: u64,
    /// Topics, if they were fitted.
    pub topics: u64,
}

/// The path of a file beside the corpus, by what is put behind its name.
pub(crate) fn beside(corpus: &Path, end: &str) -> PathBuf {
    let mut name = corpus.as_os_str().to_os_string();
    name.push(end);
    PathBuf::from(name)
}

pub(crate) fn meta(c: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    c.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
        row.get(0)
    })
    .optional()
}

pub(crate) fn set_meta(c: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    c.execute(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        params![key, value],
    )?;
    Ok(())
}

/// States of the vectors that are remembered: what was derived from one of them is brought up to
/// date, what was derived from an older one is made anew.
const STATES: i64 = 1000;

/// Marks everything derived from the vectors as stale.
pub(crate) fn next_generation(c: &Connection) -> rusqlite::Result<()> {
    c.execute(
        "INSERT INTO meta (key, value) VALUES ('generation', '1')
         ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1",
        [],
    )?;
    c.prepare_cached("INSERT INTO state (id) VALUES (lower(hex(randomblob(16))))")?
        .execute([])?;
    c.prepare_cached("DELETE FROM state WHERE n <= ?1")?
        .execute([c.last_insert_rowid() - STATES])?;
    Ok(())
}
