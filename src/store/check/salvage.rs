//! What of a damaged corpus goes into the new one.

use super::super::articles::add_paragraphs;
use super::super::meta;
use super::super::sqlite::is_unreadable;
use super::is_unit;
use super::repair::Repaired;
use crate::error::{Error, ErrorKind};
use crate::job::{Job, Stage};
use crate::vectors::from_f16;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::collections::BTreeSet;

/// Why nothing was saved.
pub(super) enum Salvage {
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

/// Numbers one after another of which none can be read, or has a row, after which a table is taken to
/// be at its end. A page of the tree above the rows has a few hundred below it, with some dozen each.
const GAP: i64 = 100_000;

/// The highest number that rows of a table have had, as far as anything tells it.
fn last(old: &Connection, table: &str) -> rusqlite::Result<i64> {
    let ask = |sql: &str| -> rusqlite::Result<Option<i64>> {
        let answer = old.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        Ok(readable(answer.optional())?.flatten().flatten())
    };
    // The end of the table itself, and what names its rows elsewhere: an index of the table, which is
    // read alone where it holds all that is asked for, and other tables.
    let elsewhere: &[&str] = match table {
        "article" => &[
            "SELECT max(id) FROM (SELECT id FROM article INDEXED BY article_origin WHERE origin >= '')",
            "SELECT max(article) FROM article_vector",
            "SELECT max(article) FROM (SELECT article FROM passage INDEXED BY passage_article WHERE article >= 0)",
            "SELECT max(id) FROM words_docsize",
        ],
        _ => &[
            "SELECT max(id) FROM (SELECT id FROM passage INDEXED BY passage_article WHERE article >= 0)",
        ],
    };
    let counted = ask(&format!(
        "SELECT max(seq) FROM sqlite_sequence WHERE name = '{table}'"
    ))?;
    let mut last = counted.unwrap_or(0);
    let edge = ask(&format!("SELECT max(id) FROM {table}"))?;
    last = last.max(edge.unwrap_or(0));
    if counted.is_some() || edge.is_some() {
        return Ok(last);
    }
    for sql in elsewhere {
        last = last.max(ask(sql)?.unwrap_or(0));
    }
    // From there on up, row by row.
    let mut row = old.prepare(&format!("SELECT 1 FROM {table} WHERE id = ?1"))?;
    let mut number = last;
    while number < last.saturating_add(GAP) {
        number += 1;
        if readable(row.exists([number]))? == Some(true) {
            last = number;
        }
    }
    Ok(last)
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

/// Copies from the old file to the new what can be read and agrees with the rest.
pub(super) fn salvage(
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
    each(old, new, "article_vector", "article", articles, job)?;
    out.metadata_lost = texts(new)?;
    whole(old, new, "field")?;
    let fields = "INSERT OR IGNORE INTO field (name) SELECT DISTINCT key FROM article, json_each(article.meta)";
    new.execute(fields, [])?;
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
    // Where it is lost, the next run over the other files finds it again.
    new.execute_batch("PRAGMA defer_foreign_keys = 1")?;
    whole(old, new, "also_told")?;
    new.execute(
        "DELETE FROM also_told WHERE article NOT IN (SELECT id FROM article)",
        [],
    )?;
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
    out.topics_lost |= !topics_can_be_read(new)?;
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

/// Mends what stands as JSON in articles and cannot be read; of how many the metadata were lost.
fn texts(new: &Connection) -> rusqlite::Result<u64> {
    super::define_spans(new)?;
    new.execute(
        "UPDATE article SET boilerplate = '[]', pending = id NOT IN
             (SELECT article FROM article_vector WHERE own)
         WHERE NOT is_spans(boilerplate, text)",
        [],
    )?;
    let lost = new.execute(
        "UPDATE article SET meta = '{}'
         WHERE CASE WHEN json_valid(meta) THEN json_type(meta) <> 'object' ELSE 1 END",
        [],
    )?;
    Ok(lost as u64)
}

/// Whether the topics are as this program writes them.
fn topics_can_be_read(new: &Connection) -> rusqlite::Result<bool> {
    use super::super::{StoredJoin, TopicRun};
    fn is<T: serde::de::DeserializeOwned>(text: &str) -> bool {
        serde_json::from_str::<T>(text).is_ok()
    }
    let words: fn(&str) -> bool = is::<Vec<(String, f32)>>;
    for (sql, fits) in [
        (
            "SELECT words FROM topic UNION ALL SELECT words FROM topic_part",
            words,
        ),
        ("SELECT typical FROM topic", is::<Vec<i64>>),
        (
            "SELECT value FROM meta WHERE key = 'topics'",
            is::<TopicRun>,
        ),
        (
            "SELECT value FROM meta WHERE key = 'topics.tree'",
            is::<Vec<StoredJoin>>,
        ),
    ] {
        let mut query = new.prepare(sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            if !row.get_ref(0)?.as_str().is_ok_and(fits) {
                return Ok(false);
            }
        }
    }
    Ok(true)
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
