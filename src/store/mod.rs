//! The corpus on disk: articles, passages, vectors, topics, in one SQLite file.
//!
//! Every change is one transaction, so that a kill at any moment leaves the state before or
//! after it. Vectors are kept as f16. What is derived and large (the approximate index) lives
//! in a file beside the corpus and can be lost.

mod articles;
mod blob;
mod export;
mod filter;
mod neighbours;
mod schema;
mod topics;

pub use articles::{Added, Described, NewPassage, Pending, StoredArticle, StoredPassage};
pub(crate) use articles::{Embedded, EmbeddedVectors};
pub use blob::{dot, from_f16, to_f16};
pub use export::{ExportFormat, Exported, export, export_jsonl, npy_header};
pub use filter::Filter;
pub use neighbours::{Closest, Matrix, ScannedPassage};
pub use topics::{
    Dated, Member, NO_TOPIC, StoredJoin, StoredPart, StoredTopic, StoredTopics, TopicRun,
};

use crate::encoder::Identity;
use crate::error::{Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An open corpus.
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
    path: PathBuf,
}

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

/// What a corpus is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Create,
    Write,
    Read,
}

impl Store {
    /// Opens a corpus for reading and writing, and makes it where there is none.
    ///
    /// # Errors
    /// The file is no corpus, is damaged, was made by a newer version, or cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty())
            && !folder.is_dir()
        {
            return Err(Error::corpus(
                path,
                format!("the folder {} does not exist", folder.display()),
            ));
        }
        Self::open_with(path, Access::Create)
    }

    /// Deletes a corpus that holds no article, such as one that was just made for inputs that
    /// turned out unusable; any other is left alone.
    ///
    /// # Errors
    /// The file is damaged or cannot be deleted.
    pub fn remove_if_empty(self) -> Result<()> {
        if self.counts()?.articles > 0 {
            return Ok(());
        }
        let path = self.path.clone();
        drop(self);
        std::fs::remove_file(&path).map_err(|e| Error::io(path, e))
    }

    /// Opens a corpus that is there, for reading and writing.
    ///
    /// # Errors
    /// As [`Self::create`], and when there is none.
    pub fn open(path: &Path) -> Result<Self> {
        Self::exists(path)?;
        Self::open_with(path, Access::Write)
    }

    /// Opens a corpus for reading alone, also from a folder that cannot be written to.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_read_only(path: &Path) -> Result<Self> {
        Self::exists(path)?;
        match Self::open_with(path, Access::Read) {
            Ok(store) => Ok(store),
            // Reading in WAL mode wants a shared-memory file beside the corpus. Where the
            // folder is read-only nobody writes, and the file can be read as it is.
            Err(first) => {
                let uri = format!("file:{}?immutable=1", uri_path(path));
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                let wal = PathBuf::from(format!("{}-wal", path.display()));
                if wal.metadata().is_ok_and(|m| m.len() > 0) {
                    return Err(first);
                }
                let connection = Connection::open_with_flags(uri, flags)
                    .map_err(|e| Error::corpus(path, words(&e)))?;
                let store = Self {
                    connection,
                    path: path.to_path_buf(),
                };
                store.run(schema::check).map_err(|_| first)?;
                Ok(store)
            }
        }
    }

    fn exists(path: &Path) -> Result<()> {
        if path.is_file() {
            return Ok(());
        }
        Err(Error::corpus(
            path,
            "no such corpus; make one with `nearwise index PATH --corpus FILE`",
        ))
    }

    fn open_with(path: &Path, access: Access) -> Result<Self> {
        // Readers open for writing as well where they may, and write nothing: only then does
        // the last of them take away the files that WAL mode puts beside the corpus.
        let flags = match access {
            Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            Access::Write | Access::Read => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|e| Error::corpus(path, words(&e)))?;
        let store = Self {
            connection,
            path: path.to_path_buf(),
        };
        store.run(|c| {
            c.busy_timeout(Duration::from_secs(20))?;
            c.pragma_update(None, "cache_size", -16_384)
        })?;
        if access == Access::Read {
            store.run(|c| {
                c.pragma_update(None, "query_only", true)?;
                // Only readers map the file: its pages count as the process's memory, which
                // must not grow with the corpus while it is written.
                c.pragma_update(None, "mmap_size", 1_i64 << 32)
            })?;
            store.run(schema::check)?;
        } else {
            store.run(|c| {
                // NORMAL in WAL mode survives a kill at any moment; a power cut may undo the
                // last transactions but damages nothing.
                c.pragma_update(None, "synchronous", "NORMAL")?;
                c.pragma_update(None, "temp_store", "FILE")
            })?;
            store.migrate()?;
        }
        Ok(store)
    }

    fn migrate(&self) -> Result<()> {
        match schema::migrate(&self.connection) {
            Ok(()) => Ok(()),
            Err(schema::Refused::Sqlite(e)) => Err(Error::corpus(&self.path, words(&e))),
            Err(schema::Refused::Foreign) => Err(Error::corpus(
                &self.path,
                "an SQLite database of another program; name another file",
            )),
            Err(schema::Refused::Newer(version)) => Err(Error::corpus(
                &self.path,
                format!("made by a newer nearwise (schema {version}); update nearwise"),
            )),
        }
    }

    /// The corpus file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `f` on the connection, and puts what SQLite says into words.
    pub(crate) fn run<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        f(&self.connection).map_err(|e| Error::corpus(&self.path, words(&e)))
    }

    /// Runs `f` in a transaction that is undone when `f` fails.
    pub(crate) fn transaction<T>(
        &mut self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let path = &self.path;
        let connection = &mut self.connection;
        let go = || {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let out = f(&transaction)?;
            transaction.commit()?;
            Ok(out)
        };
        go().map_err(|e: rusqlite::Error| Error::corpus(path, words(&e)))
    }

    pub(crate) fn meta(&self, key: &str) -> Result<Option<String>> {
        self.run(|c| meta(c, key))
    }

    /// The identity of the model that made this corpus's vectors; `None` before the first.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn identity(&self) -> Result<Option<Identity>> {
        let get = |key: &str| self.meta(&format!("model.{key}"));
        let Some(model) = get("id")? else {
            return Ok(None);
        };
        let text = |key: &str| get(key).map(Option::unwrap_or_default);
        let number = |key: &str| -> Result<usize> {
            text(key)?.parse().map_err(|_| {
                Error::corpus(&self.path, "damaged: it does not say which model made it")
            })
        };
        Ok(Some(Identity {
            model,
            revision: text("revision")?,
            hash: text("hash")?,
            dim: number("dim")?,
            max_tokens: number("max_tokens")?,
            dtype: text("dtype")?,
        }))
    }

    /// Checks that `identity` made this corpus's vectors, and writes it down in a new corpus.
    ///
    /// # Errors
    /// Another model made them.
    pub fn bind(&mut self, identity: &Identity) -> Result<()> {
        match self.identity()? {
            None => self.transaction(|c| {
                for (key, value) in [
                    ("id", identity.model.clone()),
                    ("revision", identity.revision.clone()),
                    ("hash", identity.hash.clone()),
                    ("dim", identity.dim.to_string()),
                    ("max_tokens", identity.max_tokens.to_string()),
                    ("dtype", identity.dtype.clone()),
                ] {
                    set_meta(c, &format!("model.{key}"), &value)?;
                }
                Ok(())
            }),
            Some(_) => self.check_model(identity),
        }
    }

    /// Checks that `identity` made this corpus's vectors.
    ///
    /// # Errors
    /// Another model made them, or none are there yet.
    pub fn check_model(&self, identity: &Identity) -> Result<()> {
        let Some(stored) = self.identity()? else {
            return Err(Error::corpus(
                &self.path,
                "it holds no vectors yet; run `nearwise index`",
            ));
        };
        if stored.hash == identity.hash {
            return Ok(());
        }
        Err(Error::corpus(
            &self.path,
            format!(
                "its vectors are of the model {} ({}), not of {} ({}), and cannot be compared; pass --model {}, or index into a new corpus",
                stored.model,
                short(&stored.hash),
                identity.model,
                short(&identity.hash),
                stored.model
            ),
        ))
    }

    /// Refuses to add vectors computed with another type of number: they would be close to
    /// the others and yet not those that one run makes. Searching with another is fine.
    pub(crate) fn check_dtype(&self, stored: &Identity, identity: &Identity) -> Result<()> {
        // f16 and f32 differ by less than storing rounds both.
        let fine = |dtype: &str| matches!(dtype, "f32" | "f16");
        if stored.dtype == identity.dtype || fine(&stored.dtype) && fine(&identity.dtype) {
            return Ok(());
        }
        Err(Error::corpus(
            &self.path,
            format!(
                "its vectors were computed with {}, not {}; leave out --dtype and --device, or index into a new corpus",
                stored.dtype, identity.dtype
            ),
        ))
    }

    /// A number that grows whenever a vector is added or removed; what is derived from the
    /// vectors is stale when its number is another.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn generation(&self) -> Result<i64> {
        Ok(self
            .meta("generation")?
            .and_then(|g| g.parse().ok())
            .unwrap_or(0))
    }

    /// An identifier that this corpus alone has.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn uuid(&self) -> Result<String> {
        Ok(self.meta("uuid")?.unwrap_or_default())
    }

    /// Counts over the corpus.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn counts(&self) -> Result<Counts> {
        self.run(|c| {
            let count = |sql: &str| c.query_row(sql, [], |row| row.get::<_, u64>(0));
            Ok(Counts {
                articles: count("SELECT count(*) FROM article")?,
                pending: count("SELECT count(*) FROM article WHERE pending")?,
                passages: count("SELECT count(*) FROM passage")?,
                tokens: count("SELECT coalesce(sum(tokens), 0) FROM passage")?,
                topics: count("SELECT count(*) FROM topic")?,
            })
        })
    }

    /// The number of passages.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn passage_count(&self) -> Result<u64> {
        self.run(|c| c.query_row("SELECT count(*) FROM passage", [], |row| row.get(0)))
    }
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

/// Marks everything derived from the vectors as stale.
pub(crate) fn next_generation(c: &Connection) -> rusqlite::Result<()> {
    c.execute(
        "INSERT INTO meta (key, value) VALUES ('generation', '1')
         ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1",
        [],
    )?;
    Ok(())
}

fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

fn uri_path(path: &Path) -> String {
    path.to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}

/// What SQLite says, in words that tell what to do.
fn words(e: &rusqlite::Error) -> String {
    let hint = match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "not a Nearwise corpus; name another file",
        Some(ErrorCode::DatabaseCorrupt) => {
            "damaged; restore it from a copy, or index the articles into a new corpus"
        }
        Some(ErrorCode::DiskFull) => {
            "the disk is full; what was committed is kept: make room and run the same command again"
        }
        Some(ErrorCode::ReadOnly) => "cannot be written: the file or its folder is read-only",
        Some(ErrorCode::CannotOpen) => "cannot be opened: look at the path and its permissions",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "in use by another program that writes to it; try again when it is done"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "reading or writing it failed (is the disk full or unplugged?); what was committed is kept"
        }
        _ => return e.to_string(),
    };
    match e {
        rusqlite::Error::SqliteFailure(_, Some(detail)) => format!("{hint} ({detail})"),
        _ => hint.to_string(),
    }
}
