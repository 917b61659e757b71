//! The tables, and the steps from each version of them to the next.

use super::seal;
use crate::corpus::{boilerplate, segment};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, Transaction};

/// Marks the file as a corpus: "NRWS".
const APPLICATION_ID: i32 = 0x4e52_5753;

/// Step N leads from version N to version N + 1. A step that was released never changes.
const STEPS: &[&str] = &[
    r"
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE article (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ext_id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    date TEXT,
    url TEXT,
    source TEXT,
    meta TEXT NOT NULL,           -- a JSON object
    origin TEXT NOT NULL,         -- the file it was read from, or '-'
    row INTEGER,
    content_hash BLOB NOT NULL,   -- of title, text and source
    boilerplate TEXT NOT NULL,    -- a JSON list of byte ranges of the text
    pending INTEGER NOT NULL      -- 1 until it is embedded
);
CREATE INDEX article_pending ON article (id) WHERE pending;
CREATE INDEX article_origin ON article (origin);
CREATE INDEX article_date ON article (date);

-- Which paragraphs stand in which articles. `variant` tells titles apart, so that copies
-- of one article do not make its paragraphs look like boilerplate.
CREATE TABLE paragraph (
    key INTEGER NOT NULL,
    article INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    PRIMARY KEY (key, article)
) WITHOUT ROWID;
CREATE TABLE recurring (key INTEGER PRIMARY KEY);

CREATE TABLE passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    article INTEGER NOT NULL,
    start INTEGER NOT NULL,       -- bytes of the article's text
    stop INTEGER NOT NULL,
    tokens INTEGER NOT NULL,      -- that no earlier passage holds
    vector BLOB NOT NULL          -- f16, little-endian, unit length
);
CREATE INDEX passage_article ON passage (article);

CREATE TABLE article_vector (
    article INTEGER PRIMARY KEY,
    inputs_hash BLOB NOT NULL,    -- of what the encoder was given
    vector BLOB NOT NULL
);

CREATE TABLE field (name TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE topic (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL,
    size INTEGER NOT NULL,
    words TEXT NOT NULL,          -- a JSON list of [term, weight]
    typical TEXT NOT NULL,        -- a JSON list of article ids
    centroid BLOB NOT NULL
);
CREATE TABLE article_topic (
    article INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    similarity REAL NOT NULL
);
CREATE INDEX article_topic_topic ON article_topic (topic);

CREATE VIRTUAL TABLE words USING fts5 (
    title, text, content = 'article', content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER words_insert AFTER INSERT ON article BEGIN
    INSERT INTO words (rowid, title, text) VALUES (new.id, new.title, new.text);
END;
CREATE TRIGGER words_delete AFTER DELETE ON article BEGIN
    INSERT INTO words (words, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
END;
CREATE TRIGGER words_update AFTER UPDATE OF title, text ON article BEGIN
    INSERT INTO words (words, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
    INSERT INTO words (rowid, title, text) VALUES (new.id, new.title, new.text);
END;
",
    r"
ALTER TABLE topic ADD COLUMN named INTEGER NOT NULL DEFAULT 0;      -- 1 where the user gave the label
ALTER TABLE article_topic ADD COLUMN part INTEGER;                  -- its subtopic
ALTER TABLE article_topic ADD COLUMN joined INTEGER NOT NULL DEFAULT 0; -- 1 where it came after the fit

-- Subtopics, leaves of the tree of topics.
CREATE TABLE topic_part (
    id INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    label TEXT NOT NULL,
    size INTEGER NOT NULL,
    words TEXT NOT NULL,
    centroid BLOB NOT NULL
);

-- Where articles stand on the map.
CREATE TABLE layout (article INTEGER PRIMARY KEY, x REAL NOT NULL, y REAL NOT NULL);
",
    // What belongs to an article goes with it. Two programs that wrote at once could leave
    // passages and vectors without an article, on which every search then failed: such rows are
    // left behind here.
    r"
CREATE TABLE new_paragraph (
    key INTEGER NOT NULL,
    article INTEGER NOT NULL REFERENCES article (id) ON DELETE CASCADE,
    variant INTEGER NOT NULL,
    PRIMARY KEY (key, article)
) WITHOUT ROWID;
INSERT INTO new_paragraph SELECT key, article, variant FROM paragraph
    WHERE article IN (SELECT id FROM article);
DROP TABLE paragraph;
ALTER TABLE new_paragraph RENAME TO paragraph;
CREATE INDEX paragraph_article ON paragraph (article);

CREATE TABLE new_passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    article INTEGER NOT NULL REFERENCES article (id) ON DELETE CASCADE,
    start INTEGER NOT NULL,       -- bytes of the article's text
    stop INTEGER NOT NULL,
    tokens INTEGER NOT NULL,      -- that no earlier passage holds
    vector BLOB NOT NULL          -- f16, little-endian, unit length
);
INSERT INTO new_passage SELECT id, article, start, stop, tokens, vector FROM passage
    WHERE article IN (SELECT id FROM article) ORDER BY id;
-- Numbers that passages had are not given again: the approximate index knows passages by them.
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'new_passage', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'new_passage');
UPDATE sqlite_sequence
    SET seq = max(seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'passage'), 0))
    WHERE name = 'new_passage';
DROP TABLE passage;
ALTER TABLE new_passage RENAME TO passage;
CREATE INDEX passage_article ON passage (article);

CREATE TABLE new_article_vector (
    article INTEGER PRIMARY KEY REFERENCES article (id) ON DELETE CASCADE,
    inputs_hash BLOB NOT NULL,    -- of what the encoder was given
    own INTEGER NOT NULL DEFAULT 0, -- 1 where the article brought its vector
    vector BLOB NOT NULL
);
INSERT INTO new_article_vector (article, inputs_hash, vector)
    SELECT article, inputs_hash, vector FROM article_vector
    WHERE article IN (SELECT id FROM article) ORDER BY article;
DROP TABLE article_vector;
ALTER TABLE new_article_vector RENAME TO article_vector;

CREATE TABLE new_article_topic (
    article INTEGER PRIMARY KEY REFERENCES article (id) ON DELETE CASCADE,
    topic INTEGER NOT NULL,
    similarity REAL NOT NULL,
    part INTEGER,                 -- its subtopic
    joined INTEGER NOT NULL DEFAULT 0 -- 1 where it came after the fit
);
INSERT INTO new_article_topic SELECT article, topic, similarity, part, joined FROM article_topic
    WHERE article IN (SELECT id FROM article) ORDER BY article;
DROP TABLE article_topic;
ALTER TABLE new_article_topic RENAME TO article_topic;
CREATE INDEX article_topic_topic ON article_topic (topic);

CREATE TABLE new_layout (
    article INTEGER PRIMARY KEY REFERENCES article (id) ON DELETE CASCADE,
    x REAL NOT NULL,
    y REAL NOT NULL
);
INSERT INTO new_layout SELECT article, x, y FROM layout
    WHERE article IN (SELECT id FROM article) ORDER BY article;
DROP TABLE layout;
ALTER TABLE new_layout RENAME TO layout;

-- An article whose vectors were lost on the way waits to be embedded.
UPDATE article SET pending = 1 WHERE NOT pending AND id NOT IN (SELECT article FROM article_vector);
-- Whatever was derived from the vectors before is made anew.
UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation';
",
    IDENTITY_STEP,
    WORDS_STEP,
    INTEGRITY_STEP,
    TELLERS_STEP,
];

/// The id that an article's input gave, where an article from elsewhere has that id.
const IDENTITY_STEP: &str = r"
ALTER TABLE article ADD COLUMN own_id TEXT;
CREATE INDEX article_own ON article (origin, own_id) WHERE own_id IS NOT NULL;
";

/// Words are compared in one form, whatever their typography, and those of scripts without blanks
/// are found. The text is not kept a second time: the index holds what [`define_functions`] makes
/// of it.
const WORDS_STEP: &str = r#"
DROP TRIGGER words_insert;
DROP TRIGGER words_delete;
DROP TRIGGER words_update;
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5 (
    title, text, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co M* So'"
);
INSERT INTO words (rowid, title, text) SELECT id, indexed_words(title), indexed_words(text) FROM article;
CREATE TRIGGER words_insert AFTER INSERT ON article BEGIN
    INSERT INTO words (rowid, title, text)
        VALUES (new.id, indexed_words(new.title), indexed_words(new.text));
END;
CREATE TRIGGER words_delete AFTER DELETE ON article BEGIN
    DELETE FROM words WHERE rowid = old.id;
END;
CREATE TRIGGER words_update AFTER UPDATE OF title, text ON article BEGIN
    DELETE FROM words WHERE rowid = old.id;
    INSERT INTO words (rowid, title, text)
        VALUES (new.id, indexed_words(new.title), indexed_words(new.text));
END;

-- Paragraphs are known by their words in that form.
DELETE FROM paragraph;
INSERT OR IGNORE INTO paragraph (key, article, variant)
    SELECT k.value, a.id, paragraph_variant(a.title, a.text)
    FROM article a, json_each(paragraph_keys(coalesce(a.source, ''), a.text)) k;
ALTER TABLE recurring ADD COLUMN anywhere INTEGER NOT NULL DEFAULT 0; -- 1 where most articles of its source hold it
ALTER TABLE recurring ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0; -- 1 where it is in no vector of an article
UPDATE recurring SET left_out = 1 WHERE key IN (SELECT key FROM paragraph);
ALTER TABLE article_vector ADD COLUMN unread INTEGER NOT NULL DEFAULT 0; -- 1 where the model cannot read the article
CREATE INDEX article_vector_unread ON article_vector (article) WHERE unread;
"#;

/// Functions of ours that the tables call when they are written.
pub(super) fn define_functions(c: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    c.create_scalar_function("indexed_words", 1, flags, |call| {
        Ok(segment::indexed(call.get_raw(0).as_str()?))
    })?;
    c.create_scalar_function("paragraph_keys", 2, flags, |call| {
        let keys = boilerplate::keys(call.get_raw(0).as_str()?, call.get_raw(1).as_str()?);
        Ok(serde_json::to_string(&keys).unwrap_or_else(|_| "[]".to_string()))
    })?;
    c.create_scalar_function("paragraph_variant", 2, flags, |call| {
        let (title, text) = (call.get_raw(0).as_str()?, call.get_raw(1).as_str()?);
        Ok(boilerplate::variant(title, text))
    })
}

/// From here on pages carry checksums (`seal`), and the states of the vectors have names.
const INTEGRITY_STEP: &str = r"
-- The last states of the vectors, the present one last. Each has a random name: numbers repeat
-- when a copy of the corpus is put in its place and gone on with, and what is kept beside the
-- corpus would be taken for its own.
CREATE TABLE state (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL
);
INSERT INTO state (id) VALUES (lower(hex(randomblob(16))));
";

/// An article goes when none of the files that tell it does so any more.
const TELLERS_STEP: &str = r"
-- The files that tell an article just as its origin does.
CREATE TABLE also_told (
    article INTEGER NOT NULL REFERENCES article (id) ON DELETE CASCADE,
    origin TEXT NOT NULL,
    row INTEGER,
    PRIMARY KEY (article, origin)
) WITHOUT ROWID;

-- Whether the model can read an article was not looked at in corpora that were made before. Those
-- that it embedded wait for that; they keep their vectors.
UPDATE article SET pending = 1 WHERE id IN (SELECT article FROM article_vector WHERE NOT own);
-- Paragraphs are known by other keys since; which of them recur is found with the next articles.
DELETE FROM recurring WHERE key NOT IN (SELECT key FROM paragraph);
";

/// The version from which pages carry checksums.
fn sealed_from() -> usize {
    let step = STEPS.iter().position(|&step| step == INTEGRITY_STEP);
    step.map_or(usize::MAX, |step| step + 1)
}

/// Why a file is not opened.
#[derive(Debug)]
pub(super) enum Refused {
    Sqlite(rusqlite::Error),
    Foreign,
    Newer(usize),
    /// It does not say of which version it is.
    Unversioned,
    /// Its pages have lost their checksums.
    Unsealed,
}

impl From<rusqlite::Error> for Refused {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e)
    }
}

fn version(c: &Connection) -> rusqlite::Result<usize> {
    c.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn application(c: &Connection) -> rusqlite::Result<i32> {
    c.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Brings the tables to the newest version, in one transaction.
pub(super) fn migrate(c: &Connection) -> Result<(), Refused> {
    let from = version(c)?;
    if from > STEPS.len() {
        return Err(Refused::Newer(from));
    }
    define_functions(c)?;
    let tables: i64 = c.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application(c)? != APPLICATION_ID {
        return Err(Refused::Foreign);
    }
    if tables > 0 && from == 0 {
        return Err(Refused::Unversioned);
    }
    if from >= sealed_from() && !seal::is_sealed(c)? {
        return Err(Refused::Unsealed);
    }
    let with_log = || -> rusqlite::Result<String> {
        c.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
    };
    if from == STEPS.len() {
        // A repair takes a corpus out of WAL mode, and may be killed before it is done. Where
        // somebody reads the corpus just now, the next writer does it.
        return match with_log() {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            done => Ok(done.map(drop)?),
        };
    }
    if tables == 0 {
        seal::reserve(c)?;
    }
    with_log()?;
    if !seal::is_sealed(c)? {
        // Every page is written anew, with room for its checksum. A corpus that is left between
        // this and the steps below has an old version still, and goes on with the steps.
        seal::reserve(c)?;
        c.execute_batch("VACUUM")?;
    }
    let transaction = Transaction::new_unchecked(c, rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have done it while this one waited.
    let from = version(&transaction)?;
    for step in &STEPS[from.min(STEPS.len())..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len())?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.execute(
        "INSERT OR IGNORE INTO meta (key, value) VALUES ('uuid', lower(hex(randomblob(16))))",
        [],
    )?;
    transaction.commit()?;
    Ok(())
}

/// Of which version the tables of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Current,
    Older(usize),
    Newer(usize),
    /// The file is of another program.
    Foreign,
    /// Its pages have lost their checksums.
    Unsealed,
}

/// Looks at the version, and changes nothing.
pub(super) fn version_of(c: &Connection) -> rusqlite::Result<Version> {
    if application(c)? != APPLICATION_ID {
        return Ok(Version::Foreign);
    }
    Ok(match version(c)? {
        v if v > STEPS.len() => Version::Newer(v),
        v if v >= sealed_from() && !seal::is_sealed(c)? => Version::Unsealed,
        v if v == STEPS.len() => Version::Current,
        v => Version::Older(v),
    })
}
