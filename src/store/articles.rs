//! Articles and passages: reading, adding, replacing, removing.

use super::identity::{self, Known, Stored};
use super::sqlite::{damaged, interrupted, json};
use super::{Reader, Writer, next_generation};
use crate::corpus::boilerplate::Recurs;
use crate::corpus::{Article, OriginPattern, boilerplate};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::vectors::{dot, from_f16, normalize, to_f16};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// An article to add, and its vector where it brings one.
///
/// Made from an [`Article`], or from an article and its vector.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewArticle {
    /// The article.
    pub article: Article,
    /// Its vector, of the length that the corpus's vectors have; it is scaled to unit length.
    /// Without one, [`Writer::embed`] computes it.
    pub vector: Option<Vec<f32>>,
}

impl From<Article> for NewArticle {
    fn from(article: Article) -> Self {
        Self {
            article,
            vector: None,
        }
    }
}

impl From<(Article, Vec<f32>)> for NewArticle {
    fn from((article, vector): (Article, Vec<f32>)) -> Self {
        Self {
            article,
            vector: Some(vector),
        }
    }
}

/// What became of an article that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// Its text changed.
    Changed,
    /// Only its date, address or metadata changed.
    Described,
    /// It is as it was.
    Same,
    /// Its id stood in this run's input before.
    Repeated,
}

/// An article that waits to be embedded.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    /// The row in the store.
    pub key: i64,
    /// The title.
    pub title: String,
    /// The text.
    pub text: String,
    /// The publisher, empty where there is none.
    pub source: String,
}

/// A passage and its vector, to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewPassage {
    /// The byte range of the article's text.
    pub range: Range<usize>,
    /// Tokens that no earlier passage holds.
    pub tokens: u32,
    /// The vector.
    pub vector: Vec<f32>,
}

/// An article as it is stored.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StoredArticle {
    /// The row in the store.
    #[serde(skip)]
    pub key: i64,
    /// The article's id.
    pub id: String,
    /// The title.
    pub title: String,
    /// The date, ISO 8601.
    pub date: Option<String>,
    /// The publisher.
    pub source: Option<String>,
    /// The address.
    pub url: Option<String>,
    /// Other columns.
    pub meta: Map<String, Value>,
    /// The file it was read from.
    pub origin: String,
    /// The row there.
    pub row: Option<u64>,
    /// The text, boilerplate included.
    pub text: String,
    /// Boilerplate, as byte ranges of the text.
    pub boilerplate: Vec<Range<usize>>,
}

/// What a list shows of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The article's id.
    pub id: String,
    /// The title, or the start of the text.
    pub title: String,
    /// The date, ISO 8601.
    pub date: Option<String>,
    /// The publisher.
    pub source: Option<String>,
}

/// A passage as it is stored.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StoredPassage {
    /// The row in the store.
    #[serde(skip)]
    pub key: i64,
    /// The byte range of the article's text; empty for the title alone.
    pub range: Range<usize>,
    /// Tokens that no earlier passage holds.
    pub tokens: u32,
}

/// Characters of a text that stand for a title.
const HEADING: usize = 200;

impl StoredArticle {
    /// The title, or the start of the text.
    pub fn heading(&self) -> String {
        if self.title.is_empty() {
            self.text.chars().take(HEADING).collect()
        } else {
            self.title.clone()
        }
    }
}

const COLUMNS: &str = "id, ext_id, title, date, source, url, meta, origin, row, text, boilerplate";

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredArticle> {
    let text: String = row.get(9)?;
    let spans: Vec<(usize, usize)> = json(row, 10, "where an article's boilerplate stands")?;
    let mut boilerplate = Vec::with_capacity(spans.len());
    for (start, stop) in spans {
        if text.get(start..stop).is_none() {
            return Err(damaged("an article's boilerplate lies outside of its text"));
        }
        boilerplate.push(start..stop);
    }
    Ok(StoredArticle {
        key: row.get(0)?,
        id: row.get(1)?,
        title: row.get(2)?,
        date: row.get(3)?,
        source: row.get(4)?,
        url: row.get(5)?,
        meta: json(row, 6, "an article's metadata")?,
        origin: row.get(7)?,
        row: row.get(8)?,
        text,
        boilerplate,
    })
}

fn content_hash(article: &Article) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in [
        &article.title,
        &article.text,
        article.source.as_deref().unwrap_or(""),
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

pub(super) fn add_paragraphs(
    c: &Connection,
    id: i64,
    title: &str,
    text: &str,
    source: &str,
) -> rusqlite::Result<()> {
    let variant = boilerplate::variant(title, text);
    let mut insert = c.prepare_cached(
        "INSERT OR IGNORE INTO paragraph (key, article, variant) VALUES (?1, ?2, ?3)",
    )?;
    for key in boilerplate::keys(source, text) {
        insert.execute(params![key, id, variant])?;
    }
    Ok(())
}

fn remove_paragraphs(c: &Connection, id: i64) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM paragraph WHERE article = ?1")?
        .execute([id])?;
    Ok(())
}

/// What became of one article of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What became of it.
    pub added: Added,
    /// The id that it has now.
    pub id: String,
    /// Where the article comes from that has the id which the input gave; this one got another.
    pub taken_by: Option<String>,
    /// Whether it is as another file tells it, which stays its origin.
    pub stays: bool,
}

/// Adds or replaces an article; what became of it, and its row unless its id came before.
fn add(
    c: &Connection,
    article: &Article,
    fields: &mut HashSet<String>,
    replace: bool,
) -> rusqlite::Result<(Outcome, i64)> {
    let hash = content_hash(article);
    let meta = serde_json::to_string(&article.meta).unwrap_or_else(|_| "{}".to_string());
    let known = identity::resolve(c, article, &hash, &meta, replace)?;
    for name in article.meta.keys() {
        if fields.insert(name.clone()) {
            c.prepare_cached("INSERT OR IGNORE INTO field (name) VALUES (?1)")?
                .execute([name])?;
        }
    }
    let outcome = |added, id| Outcome {
        added,
        id,
        taken_by: None,
        stays: false,
    };
    match known {
        Known::Repeated => {
            let id = article.id.clone().unwrap_or_default();
            Ok((outcome(Added::Repeated, id), 0))
        }
        Known::New { id, own, taken_by } => {
            identity::see(c, &id)?;
            let key = insert(c, &id, own.as_deref(), article, &hash, &meta)?;
            let outcome = Outcome {
                taken_by,
                ..outcome(Added::New, id)
            };
            Ok((outcome, key))
        }
        // Another file tells the same; the first stays its origin.
        Known::Stored {
            stored,
            stays: true,
        } => {
            // Not seen: that is said by its origin alone.
            identity::also(c, stored.key, article)?;
            let outcome = Outcome {
                stays: true,
                ..outcome(Added::Same, stored.id)
            };
            Ok((outcome, stored.key))
        }
        Known::Stored { stored, .. } => {
            identity::see(c, &stored.id)?;
            if stored.origin != article.origin {
                identity::not_also(c, stored.key, &article.origin)?;
            }
            let added = update(c, &stored, article, &hash, &meta)?;
            Ok((outcome(added, stored.id), stored.key))
        }
    }
}

/// Stores a new article; its row.
fn insert(
    c: &Connection,
    id: &str,
    own_id: Option<&str>,
    article: &Article,
    hash: &[u8; 32],
    meta: &str,
) -> rusqlite::Result<i64> {
    c.prepare_cached(
        "INSERT INTO article (ext_id, title, text, date, url, source, meta, origin, row,
            content_hash, boilerplate, pending, own_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, '[]', 1, ?11)",
    )?
    .execute(params![
        id,
        article.title,
        article.text,
        article.date,
        article.url,
        article.source,
        meta,
        article.origin,
        article.row,
        hash,
        own_id
    ])?;
    let key = c.last_insert_rowid();
    let source = article.source.as_deref().unwrap_or("");
    add_paragraphs(c, key, &article.title, &article.text, source)?;
    Ok(key)
}

/// Brings a stored article to what its origin says now.
fn update(
    c: &Connection,
    stored: &Stored,
    article: &Article,
    hash: &[u8; 32],
    meta: &str,
) -> rusqlite::Result<Added> {
    let key = stored.key;
    if stored.hash == hash {
        // Where it stands in its file is not something that a user would call a change.
        let same = stored.equals(article, hash, meta);
        let added = if same { Added::Same } else { Added::Described };
        if !same || stored.origin != article.origin || stored.row != article.row {
            c.prepare_cached(
                "UPDATE article SET date = ?2, url = ?3, meta = ?4, origin = ?5, row = ?6 WHERE id = ?1",
            )?
            .execute(params![
                key,
                article.date,
                article.url,
                meta,
                article.origin,
                article.row
            ])?;
        }
        return Ok(added);
    }
    remove_paragraphs(c, key)?;
    c.prepare_cached(
        "UPDATE article SET title = ?2, text = ?3, date = ?4, url = ?5, source = ?6, meta = ?7,
            origin = ?8, row = ?9, content_hash = ?10, boilerplate = '[]', pending = 1
         WHERE id = ?1",
    )?
    .execute(params![
        key,
        article.title,
        article.text,
        article.date,
        article.url,
        article.source,
        meta,
        article.origin,
        article.row,
        hash
    ])?;
    let source = article.source.as_deref().unwrap_or("");
    add_paragraphs(c, key, &article.title, &article.text, source)?;
    Ok(Added::Changed)
}

/// Removes an article and, by the foreign keys, all that belongs to it.
fn remove(c: &Connection, id: i64) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM article WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Stores an article's passages and vectors in place of those that it had.
fn put_vectors(
    c: &Connection,
    key: i64,
    vectors: &EmbeddedVectors,
    unread: bool,
) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM passage WHERE article = ?1")?
        .execute([key])?;
    let mut insert = c.prepare_cached(
        "INSERT INTO passage (article, start, stop, tokens, vector) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for passage in &vectors.passages {
        insert.execute(params![
            key,
            passage.range.start,
            passage.range.end,
            passage.tokens,
            to_f16(&passage.vector)
        ])?;
    }
    c.prepare_cached(
        "INSERT INTO article_vector (article, inputs_hash, own, vector, unread)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (article) DO UPDATE SET inputs_hash = ?2, own = ?3, vector = ?4, unread = ?5",
    )?
    .execute(params![
        key,
        vectors.inputs_hash,
        vectors.own,
        to_f16(&vectors.article),
        unread
    ])?;
    // Its place among the topics was that of another vector.
    for sql in [
        "DELETE FROM article_topic WHERE article = ?1",
        "DELETE FROM layout WHERE article = ?1",
    ] {
        c.prepare_cached(sql)?.execute([key])?;
    }
    Ok(())
}

/// What is stored of an article that brings its vector: one passage, the whole of it.
fn own_vector(new: &NewArticle, vector: &[f32], dim: Option<usize>) -> Result<EmbeddedVectors> {
    let article = &new.article;
    let id = article.id.as_deref().unwrap_or(&article.title);
    let Some(dim) = dim else {
        return Err(Error::parameter(
            "vector",
            "no model is bound to the corpus yet; say which made the vectors (Writer::bind)",
        ));
    };
    if vector.len() != dim {
        return Err(Error::parameter(
            "vector",
            format!(
                "that of {id:?} has {} values, those of the corpus have {dim}",
                vector.len()
            ),
        ));
    }
    let mut unit = vector.to_vec();
    normalize(&mut unit);
    if !unit.iter().all(|x| x.is_finite()) || dot(&unit, &unit) < 0.5 {
        return Err(Error::parameter(
            "vector",
            format!("that of {id:?} is zero or holds a value that is no finite number"),
        ));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"own vector");
    hasher.update(&to_f16(&unit));
    let words = article.text.split_whitespace().count();
    Ok(EmbeddedVectors {
        inputs_hash: *hasher.finalize().as_bytes(),
        own: true,
        passages: vec![NewPassage {
            range: 0..article.text.len(),
            tokens: words.clamp(1, 1 << 30) as u32,
            vector: unit.clone(),
        }],
        article: unit,
    })
}

/// Stores an article's own vector, unless it has it already; whether it did.
fn put_own(c: &Connection, key: i64, vectors: &EmbeddedVectors) -> rusqlite::Result<bool> {
    let same: bool = c
        .prepare_cached(
            "SELECT 1 FROM article_vector v JOIN article a ON a.id = v.article
             WHERE v.article = ?1 AND v.inputs_hash = ?2 AND NOT a.pending",
        )?
        .exists(params![key, vectors.inputs_hash])?;
    if same {
        return Ok(false);
    }
    c.prepare_cached("UPDATE article SET pending = 0 WHERE id = ?1")?
        .execute([key])?;
    put_vectors(c, key, vectors, false)?;
    Ok(true)
}

/// Of the files that tell an article, how many there are, how many of them are looked at, and how
/// many of these tell it no longer.
#[derive(Default)]
struct Tellers {
    key: i64,
    all: u64,
    known: u64,
    gone: u64,
}

/// Whether a file is one of `places`, or lies in one of them.
fn lies_in(origin: &str, places: &HashSet<&str>) -> bool {
    let mut end = origin.len();
    loop {
        if places.contains(&origin[..end]) {
            return true;
        }
        match origin[..end].rfind(std::path::is_separator) {
            Some(0) => return end > 1 && places.contains(&origin[..1]),
            Some(slash) => end = slash,
            None => return false,
        }
    }
}

impl Writer {
    /// Begins a run of [`Self::add_batch`]: no id has been seen yet.
    pub(crate) fn begin_run(&mut self) -> Result<()> {
        self.run(|c| {
            c.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS seen (ext_id TEXT PRIMARY KEY) WITHOUT ROWID;
                 CREATE TEMP TABLE IF NOT EXISTS copies (place TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;
                 CREATE TEMP TABLE IF NOT EXISTS told
                     (article INTEGER, origin TEXT, PRIMARY KEY (article, origin)) WITHOUT ROWID;
                 DELETE FROM temp.seen;
                 DELETE FROM temp.copies;
                 DELETE FROM temp.told;",
            )
        })
    }

    /// Adds articles in one transaction, all or none; says what became of each. `replace` lets them
    /// take the place of articles of the same id that came from elsewhere.
    pub(crate) fn add_batch(
        &mut self,
        articles: &[NewArticle],
        replace: bool,
    ) -> Result<Vec<Outcome>> {
        let dim = self.identity()?.map(|i| i.dim);
        let mut vectors = Vec::with_capacity(articles.len());
        for new in articles {
            let vector = match &new.vector {
                Some(vector) => Some(own_vector(new, vector, dim)?),
                None => None,
            };
            vectors.push(vector);
        }
        let mut fields = HashSet::new();
        self.transaction(|c| {
            let mut out = Vec::with_capacity(articles.len());
            let mut any = false;
            for (new, vectors) in articles.iter().zip(&vectors) {
                let (outcome, key) = add(c, &new.article, &mut fields, replace)?;
                if let Some(vectors) = vectors
                    && outcome.added != Added::Repeated
                    && !outcome.stays
                {
                    any |= put_own(c, key, vectors)?;
                }
                out.push(outcome);
            }
            if any {
                next_generation(c)?;
            }
            Ok(out)
        })
    }

    /// How many articles are told by `origins` (files, or folders they lie in), and how many of them
    /// no file tells any more: those that [`Self::prune`] removes. A file tells an article no more if
    /// it is one of `origins` and not of `spared`, and has not told it since [`Self::begin_run`].
    ///
    /// Origins may be given by patterns too, that match them or a folder they lie in.
    pub(crate) fn unseen(
        &mut self,
        origins: &[String],
        patterns: &[OriginPattern],
        spared: &[String],
    ) -> Result<(u64, u64)> {
        let origins: HashSet<&str> = origins.iter().map(String::as_str).collect();
        let spared: HashSet<&str> = spared.iter().map(String::as_str).collect();
        self.run(|c| {
            c.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS unseen
                     (article INTEGER, origin TEXT, PRIMARY KEY (article, origin)) WITHOUT ROWID;
                 DELETE FROM temp.unseen;",
            )?;
            let mut query = c.prepare(
                "SELECT a.id, a.origin, EXISTS (SELECT 1 FROM temp.seen s WHERE s.ext_id = a.ext_id)
                 FROM article a
                 UNION ALL
                 SELECT o.article, o.origin, EXISTS
                     (SELECT 1 FROM temp.told t WHERE t.article = o.article AND t.origin = o.origin)
                 FROM also_told o
                 ORDER BY 1",
            )?;
            let mut insert =
                c.prepare("INSERT OR IGNORE INTO temp.unseen (article, origin) VALUES (?1, ?2)")?;
            let mut rows = query.query([])?;
            let (mut known, mut unseen) = (0, 0);
            let mut count = |article: &Tellers| {
                known += u64::from(article.known > 0);
                unseen += u64::from(article.known > 0 && article.gone == article.all);
            };
            let mut article = Tellers::default();
            while let Some(row) = rows.next()? {
                let key: i64 = row.get(0)?;
                if key != article.key {
                    count(&article);
                    article = Tellers {
                        key,
                        ..Tellers::default()
                    };
                }
                article.all += 1;
                let origin = row.get_ref(1)?.as_str()?;
                if !lies_in(origin, &origins) && !patterns.iter().any(|p| p.covers(origin)) {
                    continue;
                }
                article.known += 1;
                if !row.get::<_, bool>(2)? && !lies_in(origin, &spared) {
                    insert.execute(params![key, origin])?;
                    article.gone += 1;
                }
            }
            count(&article);
            Ok((known, unseen))
        })
    }

    /// The files of which [`Writer::unseen`] found all that is known, and that are still there: the first, and
    /// how many.
    pub(crate) fn still_there(&mut self) -> Result<Option<(String, u64)>> {
        self.run(|c| {
            let mut query = c.prepare(
                "SELECT DISTINCT u.origin FROM temp.unseen u
                 WHERE NOT EXISTS (SELECT 1 FROM article a JOIN temp.seen s ON s.ext_id = a.ext_id
                                   WHERE a.origin = u.origin)
                     AND u.origin NOT IN (SELECT origin FROM temp.told)
                 ORDER BY 1",
            )?;
            let mut rows = query.query([])?;
            let mut found: Option<(String, u64)> = None;
            while let Some(row) = rows.next()? {
                let origin: String = row.get(0)?;
                if std::path::Path::new(&origin).is_file() {
                    found.get_or_insert((origin, 0)).1 += 1;
                }
            }
            Ok(found)
        })
    }

    /// Removes what [`Self::unseen`] found last; an article that other files tell is theirs from now
    /// on. Returns how many went.
    ///
    /// # Errors
    /// The file cannot be written; then nothing is removed.
    pub(crate) fn prune(&mut self) -> Result<u64> {
        self.transaction(|c| {
            c.execute(
                "DELETE FROM also_told WHERE (article, origin) IN
                     (SELECT article, origin FROM temp.unseen)",
                [],
            )?;
            let gone = c.execute(
                "DELETE FROM article WHERE (id, origin) IN (SELECT article, origin FROM temp.unseen)
                     AND id NOT IN (SELECT article FROM also_told)",
                [],
            )?;
            c.execute(
                "UPDATE article SET (origin, row) =
                     (SELECT origin, row FROM also_told WHERE article = id ORDER BY origin LIMIT 1)
                 WHERE (id, origin) IN (SELECT article, origin FROM temp.unseen)",
                [],
            )?;
            c.execute(
                "DELETE FROM also_told WHERE (article, origin) IN (SELECT id, origin FROM article)",
                [],
            )?;
            if gone > 0 {
                next_generation(c)?;
            }
            Ok(gone as u64)
        })
    }

    /// Removes articles by their ids, all or none; how many there were.
    ///
    /// # Errors
    /// An id is unknown, or the file cannot be written.
    pub fn delete<S: AsRef<str>>(&mut self, ids: impl IntoIterator<Item = S>) -> Result<u64> {
        self.delete_with(ids, &Job::new())
    }

    /// Removes articles by their ids, all or, where the job is cancelled before the last, none.
    ///
    /// # Errors
    /// An id is unknown, the file cannot be written, or the job was cancelled.
    pub fn delete_with<S: AsRef<str>>(
        &mut self,
        ids: impl IntoIterator<Item = S>,
        job: &Job,
    ) -> Result<u64> {
        let mut keys = Vec::new();
        for id in ids {
            keys.push(self.key_of(id.as_ref())?);
        }
        keys.sort_unstable();
        keys.dedup();
        self.transaction(|c| {
            for &key in &keys {
                if job.is_cancelled() {
                    return Err(interrupted());
                }
                remove(c, key)?;
            }
            if !keys.is_empty() {
                next_generation(c)?;
            }
            Ok(keys.len() as u64)
        })
    }

    /// Brings up to date which paragraphs recur in a source, and which of them in most of its
    /// articles. Articles that hold one whose state changed wait to be embedded again.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn update_recurring(&mut self) -> Result<()> {
        self.transaction(|c| {
            c.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS now_recurring
                     (key INTEGER PRIMARY KEY, variants INTEGER, anywhere INTEGER);
                 CREATE TEMP TABLE IF NOT EXISTS source_size (source TEXT PRIMARY KEY, variants INTEGER);
                 DELETE FROM temp.now_recurring;
                 DELETE FROM temp.source_size;",
            )?;
            c.execute(
                "INSERT INTO temp.now_recurring (key, variants, anywhere)
                 SELECT key, count(DISTINCT variant) AS variants, 0 FROM paragraph
                 GROUP BY key HAVING variants >= ?1",
                [boilerplate::RECURRENCE],
            )?;
            let often: bool = c
                .prepare("SELECT 1 FROM temp.now_recurring WHERE variants >= ?1")?
                .exists([boilerplate::ANYWHERE])?;
            if often {
                c.execute(
                    "INSERT INTO temp.source_size (source, variants)
                     SELECT coalesce(a.source, ''), count(DISTINCT
                         (SELECT variant FROM paragraph p WHERE p.article = a.id LIMIT 1))
                     FROM article a GROUP BY 1",
                    [],
                )?;
                // A key is one of a source, so that any article which holds it tells its source.
                c.execute(
                    "UPDATE temp.now_recurring SET anywhere = 1
                     WHERE variants >= ?1 AND 2 * variants > (
                         SELECT s.variants FROM paragraph p JOIN article a ON a.id = p.article
                         JOIN temp.source_size s ON s.source = coalesce(a.source, '')
                         WHERE p.key = now_recurring.key LIMIT 1)",
                    [boilerplate::ANYWHERE],
                )?;
            }
            c.execute(
                "UPDATE article SET pending = 1
                 WHERE id NOT IN (SELECT article FROM article_vector WHERE own) AND id IN (
                    SELECT p.article FROM paragraph p WHERE p.key IN (
                        SELECT key FROM (SELECT key, anywhere FROM temp.now_recurring
                            EXCEPT SELECT key, anywhere FROM recurring)
                        UNION ALL
                        SELECT key FROM (SELECT key, anywhere FROM recurring
                            EXCEPT SELECT key, anywhere FROM temp.now_recurring)
                    )
                )",
                [],
            )?;
            // Those whose articles wait are found to be left out, or not, when these are embedded.
            c.execute(
                "DELETE FROM recurring WHERE (key, anywhere) NOT IN
                    (SELECT key, anywhere FROM temp.now_recurring)",
                [],
            )?;
            c.execute(
                "INSERT OR IGNORE INTO recurring (key, anywhere)
                 SELECT key, anywhere FROM temp.now_recurring",
                [],
            )?;
            Ok(())
        })
    }

    /// Stores what became of pending articles, in one transaction: for each its boilerplate,
    /// and, unless its vectors stay as they were, its passages and its own vector.
    pub(crate) fn embedded(&mut self, articles: &[Embedded]) -> Result<()> {
        self.transaction(|c| {
            let mut any = false;
            for article in articles {
                let spans: Vec<(usize, usize)> = article
                    .boilerplate
                    .iter()
                    .map(|r| (r.start, r.end))
                    .collect();
                let spans = serde_json::to_string(&spans).unwrap_or_else(|_| "[]".to_string());
                let there = c
                    .prepare_cached(
                        "UPDATE article SET pending = 0, boilerplate = ?2 WHERE id = ?1",
                    )?
                    .execute(params![article.key, spans])?;
                for key in &article.left_out {
                    c.prepare_cached("UPDATE recurring SET left_out = 1 WHERE key = ?1")?
                        .execute([key])?;
                }
                match &article.vectors {
                    _ if there == 0 => {}
                    Some(vectors) => {
                        put_vectors(c, article.key, vectors, article.unread)?;
                        any = true;
                    }
                    // Those of before stay, and it may not have been looked at then.
                    None => {
                        c.prepare_cached(
                            "UPDATE article_vector SET unread = ?2 WHERE article = ?1 AND unread <> ?2",
                        )?
                        .execute(params![article.key, article.unread])?;
                    }
                }
            }
            if any {
                next_generation(c)?;
            }
            Ok(())
        })
    }
}

impl Reader {
    /// Which of these paragraphs recur in their source, and how.
    pub(crate) fn recurring(&self, keys: &[i64]) -> Result<HashMap<i64, Recurs>> {
        let list = serde_json::to_string(keys).unwrap_or_else(|_| "[]".to_string());
        self.run(|c| {
            c.prepare_cached(
                "SELECT key, anywhere FROM recurring
                 WHERE key IN (SELECT value FROM json_each(?1))",
            )?
            .query_map([list], |row| {
                let anywhere: bool = row.get(1)?;
                let recurs = if anywhere {
                    Recurs::Anywhere
                } else {
                    Recurs::AtEnds
                };
                Ok((row.get(0)?, recurs))
            })?
            .collect()
        })
    }

    /// How many recurring paragraphs are left out of an article's vectors.
    pub(crate) fn left_out(&self) -> Result<u64> {
        self.run(|c| {
            c.query_row("SELECT count(*) FROM recurring WHERE left_out", [], |row| {
                row.get(0)
            })
        })
    }

    /// The rows of the articles that the model cannot read: most of their tokens are unknown to
    /// it, so that their vectors say nothing.
    pub(crate) fn unread(&self) -> Result<HashSet<i64>> {
        self.run(|c| {
            c.prepare_cached("SELECT article FROM article_vector WHERE unread")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// The first articles behind row `after` that wait to be embedded, up to `most` of them and
    /// about `bytes` of text, in the order in which they were read.
    ///
    /// # Errors
    /// The file is damaged.
    pub(crate) fn pending(&self, after: i64, most: usize, bytes: usize) -> Result<Vec<Pending>> {
        self.run(|c| {
            let mut query = c.prepare_cached(
                "SELECT id, title, text, source FROM article INDEXED BY article_pending
                 WHERE pending AND id > ?1 ORDER BY id",
            )?;
            let mut rows = query.query([after])?;
            let mut out: Vec<Pending> = Vec::new();
            let mut size = 0;
            while let Some(row) = rows.next()? {
                let pending = Pending {
                    key: row.get(0)?,
                    title: row.get(1)?,
                    text: row.get(2)?,
                    source: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                };
                size += pending.text.len();
                out.push(pending);
                if out.len() >= most || size >= bytes {
                    break;
                }
            }
            Ok(out)
        })
    }

    /// Counts the articles that wait and their bytes of text and title.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn pending_size(&self) -> Result<(u64, u64)> {
        self.run(|c| {
            c.query_row(
                "SELECT count(*), coalesce(sum(length(CAST(text AS BLOB)) + length(CAST(title AS BLOB))), 0)
                 FROM article WHERE pending",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })
    }

    /// The hash of what the encoder was given for an article when it was last embedded.
    pub(crate) fn inputs_hash(&self, id: i64) -> Result<Option<Vec<u8>>> {
        self.run(|c| {
            c.prepare_cached("SELECT inputs_hash FROM article_vector WHERE article = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()
        })
    }

    /// The row of an article.
    ///
    /// # Errors
    /// No article has this id.
    pub fn key_of(&self, id: &str) -> Result<i64> {
        self.run(|c| {
            c.query_row("SELECT id FROM article WHERE ext_id = ?1", [id], |row| {
                row.get(0)
            })
            .optional()
        })?
        .ok_or_else(|| Error::unknown_article(id))
    }

    /// An article by its id.
    ///
    /// # Errors
    /// No article has this id.
    pub fn article(&self, id: &str) -> Result<StoredArticle> {
        let key = self.key_of(id)?;
        self.article_at(key)
    }

    /// An article by its row.
    ///
    /// # Errors
    /// No article has this row.
    pub fn article_at(&self, key: i64) -> Result<StoredArticle> {
        self.run(|c| {
            c.prepare_cached(&format!("SELECT {COLUMNS} FROM article WHERE id = ?1"))?
                .query_row([key], stored)
        })
    }

    /// The further files that tell an article as its origin does, each with the row there.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn also_told(&self, key: i64) -> Result<Vec<(String, Option<u64>)>> {
        self.run(|c| {
            c.prepare_cached(
                "SELECT origin, row FROM also_told WHERE article = ?1 ORDER BY origin",
            )?
            .query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })
    }

    /// What a list shows of an article.
    ///
    /// # Errors
    /// No article has this row.
    pub fn described_at(&self, key: i64) -> Result<Described> {
        self.run(|c| {
            c.prepare_cached(
                "SELECT ext_id, CASE WHEN title = '' THEN substr(text, 1, 200) ELSE title END, date, source
                 FROM article WHERE id = ?1",
            )?
            .query_row([key], |row| {
                Ok(Described {
                    id: row.get(0)?,
                    title: row.get(1)?,
                    date: row.get(2)?,
                    source: row.get(3)?,
                })
            })
        })
    }

    /// The bytes of an article's text.
    ///
    /// # Errors
    /// No article has this row.
    pub(crate) fn text_length(&self, key: i64) -> Result<usize> {
        self.run(|c| {
            c.prepare_cached("SELECT octet_length(text) FROM article WHERE id = ?1")?
                .query_row([key], |row| row.get(0))
        })
    }

    /// The rows of embedded articles that have no place among the topics.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn unplaced(&self) -> Result<Vec<i64>> {
        self.run(|c| {
            c.prepare_cached(
                "SELECT article FROM article_vector
                 WHERE article NOT IN (SELECT article FROM article_topic) ORDER BY article",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
        })
    }

    /// Calls `f` with each article in turn, in the order of their rows.
    ///
    /// # Errors
    /// The file is damaged, or `f` fails.
    pub fn each_article(&self, mut f: impl FnMut(StoredArticle) -> Result<()>) -> Result<()> {
        let mut last = i64::MIN;
        // A query held open over a long export would keep the WAL from being emptied.
        loop {
            let batch: Vec<StoredArticle> = self.run(|c| {
                c.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM article WHERE id > ?1 ORDER BY id LIMIT 256"
                ))?
                .query_map([last], stored)?
                .collect()
            })?;
            let Some(end) = batch.last() else {
                return Ok(());
            };
            last = end.key;
            for article in batch {
                f(article)?;
            }
        }
    }

    /// The passages of an article, in order.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn passages(&self, key: i64) -> Result<Vec<StoredPassage>> {
        self.run(|c| {
            c.prepare_cached(
                "SELECT id, start, stop, tokens FROM passage WHERE article = ?1 ORDER BY id",
            )?
            .query_map([key], |row| {
                Ok(StoredPassage {
                    key: row.get(0)?,
                    range: row.get(1)?..row.get(2)?,
                    tokens: row.get(3)?,
                })
            })?
            .collect()
        })
    }

    /// The vector of an article, `None` while it waits to be embedded.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn article_vector(&self, key: i64) -> Result<Option<Vec<f32>>> {
        self.run(|c| {
            c.prepare_cached(
                "SELECT vector, (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'model.dim')
                 FROM article_vector WHERE article = ?1",
            )?
            .query_row([key], |row| {
                let (bytes, dim) = (row.get_ref(0)?.as_blob()?, row.get::<_, usize>(1)?);
                if bytes.len() != 2 * dim {
                    return Err(damaged("a vector has the wrong length"));
                }
                let mut vector = vec![0.0; dim];
                from_f16(bytes, &mut vector);
                Ok(vector)
            })
            .optional()
        })
    }

    /// The names of metadata that articles have.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn fields(&self) -> Result<Vec<String>> {
        self.run(|c| {
            c.prepare_cached("SELECT name FROM field ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }
}

/// What became of a pending article.
#[derive(Debug, Clone)]
pub(crate) struct Embedded {
    pub key: i64,
    pub boilerplate: Vec<Range<usize>>,
    /// The keys of paragraphs in it.
    pub left_out: Vec<i64>,
    /// Whether most of its tokens are unknown to the model.
    pub unread: bool,
    /// `None`: what the encoder would be given is what it was given before.
    pub vectors: Option<EmbeddedVectors>,
}

#[derive(Debug, Clone)]
pub(crate) struct EmbeddedVectors {
    pub inputs_hash: [u8; 32],
    /// Whether the article brought its vector.
    pub own: bool,
    pub passages: Vec<NewPassage>,
    pub article: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::lies_in;
    use std::collections::HashSet;

    #[test]
    fn what_lies_in_a_folder() {
        let places = HashSet::from(["/news/a", "/old.csv", "-"]);
        for inside in ["/news/a", "/news/a/b/c.txt", "/old.csv", "-", "/old.csv/x"] {
            assert!(lies_in(inside, &places), "{inside}");
        }
        for outside in ["/news/ab", "/news", "/old.csv2", "", "/", "x/-"] {
            assert!(!lies_in(outside, &places), "{outside}");
        }
        assert!(lies_in("/a/b", &HashSet::from(["/"])));
    }
}
