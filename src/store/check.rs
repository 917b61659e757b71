//! Looking at the whole of a corpus, and making anew what can be made from the rest of it.

use super::articles::add_paragraphs;
use super::corpus::resolved;
use super::lock::Lock;
use super::sqlite::{failed, is_unreadable};
use super::{Corpus, Reader, beside, corpus, meta, seal};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, Stage};
use crate::new_file::NewFile;
use crate::vectors::{dot, from_f16};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

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
    /// Articles.
    pub articles: u64,
    /// Those that wait to be embedded.
    pub pending: u64,
    /// What is damaged; nothing where the corpus is whole.
    pub faults: Vec<Fault>,
    /// What could not be looked at, and why.
    pub not_checked: Vec<String>,
}

/// What [`Corpus::repair`] saved and what it could not.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Repaired {
    /// Articles that were saved.
    pub articles: u64,
    /// Those of them that wait to be embedded again because their vectors were lost.
    pub pending: u64,
    /// Articles that were lost, as far as can be told; they have to be indexed again from where
    /// they came from.
    pub lost: u64,
    /// Whether the topics were lost; they have to be found again.
    pub topics_lost: bool,
    /// Whether some articles brought their vectors: those that lost them are embedded by the model,
    /// unless they are indexed again with them.
    pub own_vectors: bool,
    /// Where the damaged file was put.
    pub kept: PathBuf,
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
                out.fault("the file", e.message(), Heal::Restore);
                return Ok(out);
            }
            reader => reader?,
        };
        pages(&reader, &mut out, job)?;
        job.check()?;
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

    /// Saves what can be read into a new file, and puts that in the place of this one, which is kept
    /// beside it. What is derived is made anew; articles whose vectors are lost wait to be embedded.
    ///
    /// # Errors
    /// Somebody has the corpus open; it cannot be read at all, or does not say which model made it;
    /// the disk is full; the job is cancelled. The corpus then stays as it is.
    pub fn repair(&self, job: &Job) -> Result<Repaired> {
        let path = &resolved(self.path());
        let lock = Lock::take(path)?;
        self.close_idle();
        let old = corpus::open_to_write(path, false)?;
        // Out of WAL mode goes only who is alone; nobody else can then come until this is done.
        let alone = old.query_row("PRAGMA journal_mode = DELETE", [], |row| {
            row.get::<_, String>(0)
        });
        match alone {
            Ok(mode) if mode == "delete" => {}
            Err(e) if is_unreadable(&e) => return Err(failed(path, e)),
            _ => {
                return Err(Error::corpus(
                    ErrorKind::Busy,
                    path,
                    "another program has it open; try again when it is done",
                ));
            }
        }
        old.execute_batch("BEGIN EXCLUSIVE")
            .map_err(|e| failed(path, e))?;
        let (mut out, file) = saved(&old, path, job).inspect_err(|_| {
            // It stays as it was; where this fails, the next writer does it.
            let _ = old.execute_batch("ROLLBACK; PRAGMA journal_mode = WAL");
        })?;
        // Some systems do not replace a file that is open.
        drop(old);
        out.kept = keep(path).map_err(|e| Error::io(path, e))?;
        file.finish()?;
        std::fs::rename(beside(path, REPAIRED), path).map_err(|e| Error::io(path, e))?;
        // Which paragraphs recur is counted anew, before anybody else may write.
        let mut writer = self.writer_with(lock)?;
        writer.update_recurring()?;
        let counts = writer.counts()?;
        (out.articles, out.pending) = (counts.articles, counts.pending);
        Ok(out)
    }
}

/// What is put behind a corpus's name for the new file, until it takes the place of the old one.
const REPAIRED: &str = ".repaired";

/// Saves what can be read into a new file. The caller holds the lock.
fn saved(old: &Connection, path: &Path, job: &Job) -> Result<(Repaired, NewFile)> {
    let place = beside(path, REPAIRED);
    // Left by a repair that was killed before it was done.
    match std::fs::remove_file(&place) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(place, e)),
        _ => {}
    }
    let file = NewFile::create(place)?;
    let new = corpus::make_at(file.path())?;
    let out = salvage(old, &new, job).map_err(|e| match e {
        Salvage::Sqlite(e) => failed(path, e),
        Salvage::Error(e) => e,
    })?;
    new.close().map_err(|(_, e)| failed(path, e))?;
    Ok((out, file))
}

/// Gives the damaged file a second name, which no file has yet: what an earlier repair kept may be
/// all that is left of some articles.
fn keep(path: &Path) -> io::Result<PathBuf> {
    let taken = |e: &io::Error| e.kind() == io::ErrorKind::AlreadyExists;
    let mut number = 1_u64;
    loop {
        let kept = match number {
            1 => beside(path, ".damaged"),
            _ => beside(path, &format!(".damaged-{number}")),
        };
        let named = match std::fs::hard_link(path, &kept) {
            Err(e) if !taken(&e) => copied(path, &kept),
            named => named,
        };
        match named {
            Err(e) if taken(&e) => number += 1,
            named => return named.map(|()| kept),
        }
    }
}

/// Copies to a file that is not there yet, for file systems without links.
fn copied(path: &Path, to: &Path) -> io::Result<()> {
    let mut copy = std::fs::File::create_new(to)?;
    let done = std::fs::File::open(path)
        .and_then(|mut from| io::copy(&mut from, &mut copy))
        .and_then(|_| copy.sync_all());
    done.inspect_err(|_| {
        let _ = std::fs::remove_file(to);
    })
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

fn pages(reader: &Reader, out: &mut Checked, job: &Job) -> Result<()> {
    let (mut damaged, mut cancelled) = (Vec::new(), false);
    out.pages = reader.run(|c| {
        seal::verify(
            c,
            |page| damaged.push(page),
            |page, pages| {
                job.progress(Stage::Checking, page, Some(pages));
                cancelled = job.is_cancelled();
                !cancelled
            },
        )
    })?;
    out.damaged_pages = damaged;
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
    for (place, what, heal, sql) in RULES {
        job.check()?;
        let broken: u64 = reader.run(|c| c.query_row(sql, [], |row| row.get(0)))?;
        if broken > 0 {
            out.fault(*place, format!("{what}: {broken}"), *heal);
        }
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

enum Salvage {
    Sqlite(rusqlite::Error),
    Error(Error),
}

impl From<rusqlite::Error> for Salvage {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e)
    }
}

impl From<Error> for Salvage {
    fn from(e: Error) -> Self {
        Self::Error(e)
    }
}

/// A row, or `None` where it cannot be read.
fn readable<T>(row: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(e) if damage(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

fn damage(e: &rusqlite::Error) -> bool {
    is_unreadable(e) || e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt)
}

fn columns(c: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    c.prepare("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

/// How rows of a table are read by a condition, and written.
fn statements(c: &Connection, table: &str, condition: &str) -> rusqlite::Result<(String, String)> {
    let names = columns(c, table)?;
    let list = names.join(", ");
    let marks = vec!["?"; names.len()].join(", ");
    Ok((
        format!("SELECT {list} FROM {table} {condition}"),
        format!("INSERT OR REPLACE INTO {table} ({list}) VALUES ({marks})"),
    ))
}

fn values(row: &rusqlite::Row<'_>) -> rusqlite::Result<Vec<Value>> {
    (0..row.as_ref().column_count())
        .map(|i| row.get(i))
        .collect()
}

/// Copies a table from end to end; whether all of it could be read. Nothing of it is kept where not.
fn whole(old: &Connection, new: &Connection, table: &str) -> rusqlite::Result<bool> {
    let (read, write) = statements(new, table, "")?;
    let copy = || -> rusqlite::Result<()> {
        let mut query = old.prepare(&read)?;
        let mut insert = new.prepare(&write)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            insert.execute(params_from_iter(values(row)?))?;
        }
        Ok(())
    };
    if readable(copy())?.is_some() {
        return Ok(true);
    }
    new.execute(&format!("DELETE FROM {table}"), [])?;
    Ok(false)
}

/// The highest number that rows of a table have had.
fn last(old: &Connection, table: &str) -> rusqlite::Result<i64> {
    let counted = old
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = ?1",
            [table],
            |row| row.get(0),
        )
        .optional();
    match readable(counted)? {
        Some(Some(last)) => Ok(last),
        _ => old.query_row(
            &format!("SELECT coalesce(max(id), 0) FROM {table}"),
            [],
            |row| row.get(0),
        ),
    }
}

/// Copies the rows of a table one by one, as far as they can be read; the numbers of those that
/// cannot.
fn each(
    old: &Connection,
    new: &Connection,
    table: &str,
    key: &str,
    last: i64,
    job: &Job,
) -> std::result::Result<BTreeSet<i64>, Salvage> {
    let (read, write) = statements(new, table, &format!("WHERE {key} = ?1"))?;
    let mut query = old.prepare(&read)?;
    let mut insert = new.prepare(&write)?;
    let mut lost = BTreeSet::new();
    for number in 1..=last {
        if number % 1000 == 0 {
            job.check()?;
            job.progress(Stage::Writing, number as u64, Some(last as u64));
        }
        match readable(query.query_row([number], values).optional())? {
            Some(Some(row)) => {
                // A vector of an article that was lost has nowhere to go.
                match insert.execute(params_from_iter(row)) {
                    Err(e)
                        if e.sqlite_error_code()
                            == Some(rusqlite::ErrorCode::ConstraintViolation) => {}
                    done => {
                        done?;
                    }
                }
            }
            Some(None) => {}
            None => {
                lost.insert(number);
            }
        }
    }
    Ok(lost)
}

fn salvage(
    old: &Connection,
    new: &Connection,
    job: &Job,
) -> std::result::Result<Repaired, Salvage> {
    let mut out = Repaired::default();
    new.execute_batch("BEGIN")?;
    if !whole(old, new, "meta")? {
        return Err(Error::new(
            ErrorKind::Damaged,
            "",
            "the corpus cannot be repaired, as what it says of itself is damaged; restore it from a copy, or index the articles into a new corpus",
        )
        .into());
    }
    let articles = last(old, "article")?;
    let lost = each(old, new, "article", "id", articles, job)?;
    out.lost = lost.len() as u64;
    whole(old, new, "field")?;
    let fields = "INSERT OR IGNORE INTO field (name) SELECT DISTINCT key FROM article, json_each(article.meta)";
    new.execute(fields, [])?;
    each(old, new, "article_vector", "article", articles, job)?;
    let passages = last(old, "passage")?;
    let gone = each(old, new, "passage", "id", passages, job)?;
    // An article's passages have numbers one after another: those that are lost are of the articles
    // that stand before and after the hole.
    for number in &gone {
        for sql in [
            "SELECT article FROM passage WHERE id < ?1 ORDER BY id DESC LIMIT 1",
            "SELECT article FROM passage WHERE id > ?1 ORDER BY id LIMIT 1",
        ] {
            let article: Option<i64> = new
                .prepare_cached(sql)?
                .query_row([number], |row| row.get(0))
                .optional()?;
            if let Some(article) = article {
                new.prepare_cached("DELETE FROM article_vector WHERE article = ?1")?
                    .execute([article])?;
            }
        }
    }
    unsound(new, &mut out)?;
    new.execute_batch(
        "UPDATE article SET pending = 1
             WHERE id NOT IN (SELECT article FROM article_vector) OR id NOT IN (SELECT article FROM passage);
         DELETE FROM article_vector WHERE article IN (SELECT id FROM article WHERE pending)
             AND article NOT IN (SELECT article FROM passage);
         DELETE FROM passage WHERE article NOT IN (SELECT article FROM article_vector);",
    )?;
    paragraphs(new)?;
    whole(old, new, "recurring")?;
    // Topics that lack one of their tables mean nothing.
    for table in ["topic", "topic_part", "article_topic", "layout"] {
        new.execute_batch("PRAGMA defer_foreign_keys = 1")?;
        out.topics_lost |= !whole(old, new, table)?;
    }
    // Nor do those of which some are not there.
    out.topics_lost |= new
        .prepare(
            "SELECT 1 FROM article_topic WHERE topic >= 0 AND topic NOT IN (SELECT id FROM topic)",
        )?
        .exists([])?;
    new.execute_batch(
        "DELETE FROM article_topic WHERE article NOT IN (SELECT article FROM article_vector);
         DELETE FROM layout WHERE article NOT IN (SELECT article FROM article_vector);",
    )?;
    if out.topics_lost {
        new.execute_batch(
            "DELETE FROM topic; DELETE FROM topic_part; DELETE FROM article_topic; DELETE FROM layout;
             DELETE FROM meta WHERE key IN ('topics', 'topics.tree', 'layout');",
        )?;
    }
    // Numbers are not given again, also where no row that has had one is left.
    for (table, last) in [("article", articles), ("passage", passages)] {
        new.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0
             WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
            [table],
        )?;
        new.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
            params![table, last],
        )?;
    }
    new.execute_batch("COMMIT")?;
    Ok(out)
}

/// Takes away the vectors of articles with a vector or a passage that cannot be right, so that these
/// wait to be embedded.
fn unsound(new: &Connection, out: &mut Repaired) -> rusqlite::Result<()> {
    let dim: Option<usize> = meta(new, "model.dim")?.and_then(|dim| dim.parse().ok());
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    new.create_scalar_function("is_vector", 1, flags, move |call| {
        let Ok(bytes) = call.get_raw(0).as_blob() else {
            return Ok(false);
        };
        if bytes.len() % 2 != 0 || dim.is_some_and(|dim| bytes.len() != 2 * dim) {
            return Ok(false);
        }
        let mut vector = vec![0.0; bytes.len() / 2];
        from_f16(bytes, &mut vector);
        Ok(is_unit(&vector))
    })?;
    out.own_vectors = new
        .prepare("SELECT 1 FROM article_vector WHERE own")?
        .exists([])?;
    new.execute_batch(
        "DELETE FROM article_vector WHERE NOT is_vector(vector) OR article IN
             (SELECT p.article FROM passage p JOIN article a ON a.id = p.article
              WHERE NOT is_vector(p.vector)
                  OR typeof(p.start) <> 'integer' OR typeof(p.stop) <> 'integer' OR p.start < 0
                  OR p.start > p.stop OR p.stop > length(CAST(a.text AS BLOB)));",
    )
}

/// Whether a vector is of unit length, as far as f16 tells.
fn is_unit(vector: &[f32]) -> bool {
    (dot(vector, vector) - 1.0).abs() < 0.02
}

/// Which paragraphs stand in which articles, from their texts.
fn paragraphs(new: &Connection) -> rusqlite::Result<()> {
    let mut query = new.prepare("SELECT id, title, text, source FROM article")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let source: Option<String> = row.get(3)?;
        add_paragraphs(
            new,
            row.get(0)?,
            row.get_ref(1)?.as_str()?,
            row.get_ref(2)?.as_str()?,
            source.as_deref().unwrap_or(""),
        )?;
    }
    Ok(())
}
