//! Looking at the whole of a corpus, and making anew what can be made from the rest of it.

mod repair;
mod reseal;
mod salvage;

pub use repair::Repaired;

use super::seal::Unlike;
use super::{Corpus, Reader, seal};
use crate::error::{ErrorKind, Result};
use crate::job::{Job, Stage};
use crate::vectors::dot;
use rusqlite::functions::FunctionFlags;

/// How something damaged is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Heal {
    /// [`Corpus::repair`] makes it anew from the rest.
    Repair,
    /// [`Corpus::repair`] saves the rest; what was lost comes back when its articles are indexed
    /// again from where they came from.
    RepairAndIndex,
    /// A copy of the corpus has to be put in its place, or the articles indexed into a new one.
    Restore,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// What it is in.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What heals it.
    pub heal: Heal,
}

/// What [`Corpus::check`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Pages of the file that were compared with their checksums.
    pub pages: u64,
    /// The numbers of those that do not agree, from 1.
    pub damaged_pages: Vec<u64>,
    /// The numbers of those that have none, because a program wrote them that knows nothing of
    /// checksums.
    pub unsealed_pages: Vec<u64>,
    /// Articles.
    pub articles: u64,
    /// Those that wait to be embedded.
    pub pending: u64,
    /// What is damaged; nothing where the corpus is whole.
    pub faults: Vec<Fault>,
    /// What could not be looked at, and why.
    pub not_checked: Vec<String>,
}

/// Messages of SQLite's own check that are listed.
const LISTED: usize = 20;

impl Corpus {
    /// Compares every page of the corpus with its checksum, and looks whether its tables agree with
    /// each other: indexes, foreign keys, vectors, passages, topics, and whether the index of words has
    /// the articles and no others.
    ///
    /// # Errors
    /// There is no corpus, or it is not one; the job is cancelled. What is damaged is told by what
    /// is returned.
    pub fn check(&self, job: &Job) -> Result<Checked> {
        let mut out = Checked::default();
        let reader = match self.reader() {
            Err(e) if e.kind() == ErrorKind::Damaged => {
                // It may be that nothing is wrong but that the first pages have no checksums.
                if !reseal::explain(self.path(), &mut out, job)? {
                    out.fault("the file", e.message(), Heal::Restore);
                }
                return Ok(out);
            }
            reader => reader?,
        };
        reader.run(|c| pages(c, &mut out, job))?;
        job.check()?;
        if !out.damaged_pages.is_empty()
            && let Ok(writer) = self.writer()
        {
            // Where the disk was full, the log was moved into the file by half: what it holds goes
            // before what stands in the file, and is moved now as the writer ends.
            drop(writer);
            reader.run(|c| pages(c, &mut out, job))?;
            job.check()?;
        }
        if !out.unsealed_pages.is_empty() && reseal::explain(self.path(), &mut out, job)? {
            return Ok(out);
        }
        out.damaged_pages.append(&mut out.unsealed_pages);
        out.damaged_pages.sort_unstable();
        let looked = if out.damaged_pages.is_empty() {
            tables(&reader, &mut out, job)
        } else {
            owners(&reader, &mut out)
        };
        match looked {
            Err(e) if e.kind() == ErrorKind::Damaged => {
                out.fault("the tables", e.message(), Heal::RepairAndIndex);
            }
            looked => looked?,
        }
        // What is damaged may be what is counted.
        let count = |sql: &str| reader.run(|c| c.query_row(sql, [], |row| row.get(0)));
        out.articles = count("SELECT count(*) FROM article").unwrap_or(0);
        out.pending = count("SELECT count(*) FROM article WHERE pending").unwrap_or(0);
        drop(reader);
        if out.damaged_pages.is_empty() {
            self.check_words(&mut out)?;
        }
        Ok(out)
    }

    /// Whether the parts of the index of words agree with each other; `RULES` compare it with the
    /// articles, whose words it does not keep. SQLite counts this as writing.
    fn check_words(&self, out: &mut Checked) -> Result<()> {
        let mut writer = match self.writer() {
            Ok(writer) => writer,
            Err(e) => {
                out.not_checked.push(format!("the index of words: {e}"));
                return Ok(());
            }
        };
        let compared = writer.transaction(|c| {
            c.execute(
                "INSERT INTO words (words, rank) VALUES ('integrity-check', 1)",
                [],
            )
        });
        match compared {
            Err(e) if matches!(e.kind(), ErrorKind::Damaged) => {
                out.fault(
                    "the index of words",
                    "its parts do not agree with each other",
                    Heal::Repair,
                );
            }
            compared => {
                compared?;
            }
        }
        Ok(())
    }
}

impl Checked {
    /// Whether nothing is damaged.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, place: impl Into<String>, message: impl Into<String>, heal: Heal) {
        self.faults.push(Fault {
            place: place.into(),
            message: message.into(),
            heal,
        });
    }
}

/// Compares the pages with their checksums.
fn pages(c: &rusqlite::Connection, out: &mut Checked, job: &Job) -> rusqlite::Result<()> {
    (out.damaged_pages, out.unsealed_pages) = Default::default();
    out.pages = seal::verify(
        c,
        |page, how| match how {
            Unlike::Damaged => out.damaged_pages.push(page),
            Unlike::Unsealed => out.unsealed_pages.push(page),
        },
        |page, pages| {
            job.progress(Stage::Checking, page, Some(pages));
            !job.is_cancelled()
        },
    )?;
    Ok(())
}

/// Tells what the damaged pages belong to.
fn owners(reader: &Reader, out: &mut Checked) -> Result<()> {
    let named: Vec<(String, String)> = reader.run(|c| {
        c.prepare("SELECT name, tbl_name FROM sqlite_schema WHERE rootpage > 0")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    })?;
    let before = out.faults.len();
    for (name, table) in named {
        // Walks every page of the table or index.
        let walked = reader.run(|c| {
            c.query_row(
                "SELECT count(*) FROM dbstat WHERE name = ?1",
                [&name],
                |row| row.get::<_, i64>(0),
            )
        });
        let Err(e) = walked else { continue };
        let (place, heal) = match table.as_str() {
            _ if name != table => (format!("an index of {table}"), Heal::Repair),
            "article" => ("the articles".to_string(), Heal::RepairAndIndex),
            "passage" | "article_vector" => ("the vectors".to_string(), Heal::Repair),
            "topic" | "topic_part" | "article_topic" | "layout" => {
                ("the topics".to_string(), Heal::Repair)
            }
            "meta" => ("what the corpus says of itself".to_string(), Heal::Restore),
            table if table.starts_with("words") => ("the index of words".to_string(), Heal::Repair),
            table => (format!("the table {table}"), Heal::Repair),
        };
        out.fault(place, e.message(), heal);
    }
    if out.faults.len() == before {
        out.fault(
            "unused pages",
            "they do not agree with their checksums",
            Heal::Repair,
        );
    }
    out.not_checked
        .push("whether the tables agree with each other, as pages are damaged".to_string());
    Ok(())
}

/// Rules between rows, each a query that counts the rows that break it.
const RULES: &[(&str, &str, Heal, &str)] = &[
    (
        "the index of words",
        "articles are not in it",
        Heal::Repair,
        "SELECT count(*) FROM article WHERE id NOT IN (SELECT id FROM words_docsize)",
    ),
    (
        "the index of words",
        "it has words of articles that are not there",
        Heal::Repair,
        "SELECT count(*) FROM words_docsize WHERE id NOT IN (SELECT id FROM article)",
    ),
    (
        "the vectors",
        "articles that count as embedded have none",
        Heal::Repair,
        "SELECT count(*) FROM article WHERE NOT pending
         AND (id NOT IN (SELECT article FROM article_vector) OR id NOT IN (SELECT article FROM passage))",
    ),
    (
        "the articles",
        "metadata are no object of JSON",
        Heal::RepairAndIndex,
        "SELECT count(*) FROM article WHERE CASE WHEN json_valid(meta) THEN json_type(meta) <> 'object' ELSE 1 END",
    ),
    (
        "the articles",
        "it is not known where their boilerplate stands",
        Heal::Repair,
        "SELECT count(*) FROM article WHERE NOT is_spans(boilerplate, text)",
    ),
    (
        "the articles",
        "further files tell articles that are not there",
        Heal::Repair,
        "SELECT count(*) FROM also_told WHERE article NOT IN (SELECT id FROM article)",
    ),
    (
        "the passages",
        "ranges lie outside of their texts",
        Heal::Repair,
        "SELECT count(*) FROM passage p JOIN article a ON a.id = p.article
         WHERE NOT a.pending AND (p.start < 0 OR p.start > p.stop OR p.stop > length(CAST(a.text AS BLOB)))",
    ),
    (
        "the topics",
        "articles are in topics that are not there",
        Heal::Repair,
        "SELECT count(*) FROM article_topic WHERE topic >= 0 AND topic NOT IN (SELECT id FROM topic)",
    ),
    (
        "the topics",
        "articles without a vector have a topic",
        Heal::Repair,
        "SELECT count(*) FROM article_topic WHERE article NOT IN (SELECT article FROM article_vector)",
    ),
];

/// The function `is_spans`: whether a text of JSON lists ranges of another text.
fn define_spans(c: &rusqlite::Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    c.create_scalar_function("is_spans", 2, flags, |call| {
        let (Ok(spans), Ok(text)) = (call.get_raw(0).as_str(), call.get_raw(1).as_str()) else {
            return Ok(false);
        };
        let spans = serde_json::from_str::<Vec<(usize, usize)>>(spans);
        Ok(spans.is_ok_and(|spans| {
            let mut spans = spans.iter();
            spans.all(|&(start, stop)| text.get(start..stop).is_some())
        }))
    })
}

/// Whether the tables agree with each other.
fn tables(reader: &Reader, out: &mut Checked, job: &Job) -> Result<()> {
    let said: Vec<String> = reader.run(|c| {
        c.prepare(&format!("PRAGMA integrity_check({LISTED})"))?
            .query_map([], |row| row.get(0))?
            .collect()
    })?;
    for line in said.iter().filter(|line| *line != "ok") {
        out.fault("the tables", line, Heal::Repair);
    }
    job.check()?;
    let strays: u64 = reader.run(|c| {
        c.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
    })?;
    if strays > 0 {
        let message = format!("{strays} rows belong to articles that are not there");
        out.fault("the tables", message, Heal::Repair);
    }
    reader.run(define_spans)?;
    for (place, what, heal, sql) in RULES {
        job.check()?;
        let broken: u64 = reader.run(|c| c.query_row(sql, [], |row| row.get(0)))?;
        if broken > 0 {
            out.fault(*place, format!("{what}: {broken}"), *heal);
        }
    }
    // What is wrong here is told, and the rest looked at all the same.
    if let Err(e) = reader.stored_topics() {
        if e.kind() != ErrorKind::Damaged {
            return Err(e);
        }
        out.fault("the topics", e.message(), Heal::Repair);
    }
    let Some(identity) = reader.identity()? else {
        return Ok(());
    };
    let mut strange = 0u64;
    reader.scan_passages(identity.dim, None, |_, vector| {
        strange += u64::from(!is_unit(vector));
        Ok(())
    })?;
    reader.scan_articles(identity.dim, None, |_, vector| {
        strange += u64::from(!is_unit(vector));
        Ok(())
    })?;
    if strange > 0 {
        let message = format!("{strange} of them are not of unit length");
        out.fault("the vectors", message, Heal::Repair);
    }
    Ok(())
}

/// Whether a vector is of unit length, as far as f16 tells.
fn is_unit(vector: &[f32]) -> bool {
    (dot(vector, vector) - 1.0).abs() < 0.02
}
