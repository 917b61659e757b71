//! One consistent view of a corpus.

use super::corpus::Opened;
use super::lock::Lock;
use super::sqlite::failed;
use super::{Corpus, Counts, meta};
use crate::encoder::Identity;
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::Job;
use crate::model::KeptPrompts;
use rusqlite::Connection;
use std::path::Path;

/// After so many steps of a statement a reader looks whether its job was cancelled: some hundred rows of
/// a scan.
const LOOK_AFTER: i32 = 10_000;

/// A snapshot of a corpus: search, similar articles, duplicates, topics and articles agree with
/// each other, whatever is written meanwhile.
///
/// A reader belongs to one thread at a time ([`Send`]); threads that work side by side take a
/// reader each from their [`Corpus`], which keeps connections for the next. One that is held for
/// long keeps SQLite's log of later changes from being emptied, so drop it when it has answered.
pub struct Reader {
    /// Given back to the corpus when the reader is dropped.
    opened: Option<Opened>,
    corpus: Corpus,
    /// Whether it reads within a snapshot; a writer's own does not.
    snapshot: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reader").field(&self.path()).finish()
    }
}

impl Reader {
    /// Begins a snapshot.
    pub(super) fn begin(opened: Opened, corpus: Corpus) -> Result<Self> {
        // The first read takes the snapshot; BEGIN alone would leave it to the next.
        opened
            .connection
            .execute_batch("BEGIN; SELECT 1 FROM meta LIMIT 1;")
            .map_err(|e| failed(corpus.path(), e))?;
        Ok(Self {
            opened: Some(opened),
            corpus,
            snapshot: true,
        })
    }

    /// Ends what it reads, and whatever it is asked afterwards, with an error of the kind
    /// [`ErrorKind::Cancelled`] once `job` is cancelled. It holds for searches as well, which take no job:
    /// what takes them long is reading.
    ///
    /// # Errors
    /// SQLite refuses.
    pub fn stop_with(&mut self, job: &Job) -> Result<()> {
        let job = job.clone();
        let set = self
            .connection_mut()
            .progress_handler(LOOK_AFTER, Some(move || job.is_cancelled()));
        set.map_err(|e| failed(self.path(), e))
    }

    /// What a writer reads by: its own connection, which sees what it wrote.
    pub(super) fn of_writer(opened: Opened, corpus: Corpus) -> Self {
        Self {
            opened: Some(opened),
            corpus,
            snapshot: false,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        match &self.opened {
            Some(opened) => &opened.connection,
            None => unreachable!("it is taken when the reader is dropped, and not before"),
        }
    }

    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        match &mut self.opened {
            Some(opened) => &mut opened.connection,
            None => unreachable!("it is taken when the reader is dropped, and not before"),
        }
    }

    /// Whether the path still names the file that is open.
    pub(super) fn is_named(&self) -> bool {
        let opened = self.opened.as_ref();
        opened.is_some_and(|opened| opened.is_named(self.path()))
    }

    /// The corpus that it reads.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// The corpus file.
    pub fn path(&self) -> &Path {
        self.corpus.path()
    }

    /// Runs `f` on the connection, and puts what SQLite says into words.
    pub(crate) fn run<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        f(self.connection()).map_err(|e| failed(self.path(), e))
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
        let damaged = || {
            Error::corpus(
                ErrorKind::Damaged,
                self.path(),
                "damaged: it does not say which model made it",
            )
        };
        let text = |key: &str| get(key)?.ok_or_else(damaged);
        let number = |key: &str| -> Result<usize> { text(key)?.parse().map_err(|_| damaged()) };
        Ok(Some(Identity {
            model,
            revision: text("revision")?,
            hash: text("hash")?,
            dim: number("dim")?,
            max_tokens: number("max_tokens")?,
            dtype: text("dtype")?,
        }))
    }

    /// What was put in front of texts; `None` for a corpus without vectors, and for one of before
    /// this was written down.
    pub(crate) fn prompts(&self) -> Result<Option<KeptPrompts>> {
        let query = self.meta("model.prompt.query")?;
        let document = self.meta("model.prompt.document")?;
        Ok(query
            .zip(document)
            .map(|(query, document)| KeptPrompts { query, document }))
    }

    /// Checks that `identity` made this corpus's vectors.
    ///
    /// # Errors
    /// Another model made them, or none are there yet.
    pub fn check_model(&self, identity: &Identity) -> Result<()> {
        let Some(stored) = self.identity()? else {
            return Err(Error::corpus(
                ErrorKind::NotFound(Missing::Vectors),
                self.path(),
                "it holds no vectors yet",
            ));
        };
        if stored.hash == identity.hash && stored.dim == identity.dim {
            return Ok(());
        }
        if stored.hash == identity.hash {
            return Err(Error::corpus(
                ErrorKind::WrongModel,
                self.path(),
                format!(
                    "{} values are kept of each of its vectors, not {}, and the two cannot be compared",
                    stored.dim, identity.dim
                ),
            ));
        }
        Err(Error::corpus(
            ErrorKind::WrongModel,
            self.path(),
            format!(
                "its vectors are of the model {} ({}), not of {} ({}), and cannot be compared",
                stored.model,
                short(&stored.hash),
                identity.model,
                short(&identity.hash),
            ),
        ))
    }

    /// Refuses to add vectors computed with another dtype: they would be close to
    /// the others and yet not those that one run makes. Searching with another is fine.
    pub(crate) fn check_dtype(&self, stored: &Identity, identity: &Identity) -> Result<()> {
        // f16 and f32 differ by less than storing rounds both.
        let fine = |dtype: &str| matches!(dtype, "f32" | "f16");
        if stored.dtype == identity.dtype || fine(&stored.dtype) && fine(&identity.dtype) {
            return Ok(());
        }
        Err(Error::corpus(
            ErrorKind::WrongModel,
            self.path(),
            format!(
                "its vectors were computed with {}, not {}, and the two cannot be mixed",
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
        // Until the first vector it has none.
        self.meta("generation")?.map_or(Ok(0), |number| {
            number.parse().map_err(|_| {
                Error::corpus(
                    ErrorKind::Damaged,
                    self.path(),
                    "damaged: it does not say how often its vectors were changed",
                )
            })
        })
    }

    /// The name of the state of the vectors: another after each change of them, and never the same
    /// in a corpus that was restored from a copy and gone on with.
    ///
    /// # Errors
    /// The file is damaged.
    pub(crate) fn state(&self) -> Result<String> {
        self.run(|c| {
            c.prepare_cached("SELECT id FROM state ORDER BY n DESC LIMIT 1")?
                .query_row([], |row| row.get(0))
        })
    }

    /// Keeps others from making a file that is derived from the corpus and lies beside it.
    pub(crate) fn lock_beside(&self, derived: &Path) -> Result<Lock> {
        Lock::take(derived)
    }

    /// Whether the vectors were in this state lately, or are.
    pub(crate) fn was_in_state(&self, state: &str) -> Result<bool> {
        self.run(|c| {
            c.prepare_cached("SELECT 1 FROM state WHERE id = ?1")?
                .exists([state])
        })
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

    /// The number of articles that have a vector.
    pub(crate) fn embedded(&self) -> Result<u64> {
        self.run(|c| c.query_row("SELECT count(*) FROM article_vector", [], |row| row.get(0)))
    }

    /// The number of passages.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn passage_count(&self) -> Result<u64> {
        self.run(|c| c.query_row("SELECT count(*) FROM passage", [], |row| row.get(0)))
    }
}

fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(mut opened) = self.opened.take() else {
            return;
        };
        // Whoever has the connection next has another job.
        let freed = opened.connection.progress_handler(0, None::<fn() -> bool>);
        // A connection that cannot end its snapshot is closed, which ends it as well.
        if self.snapshot && freed.is_ok() && opened.connection.execute_batch("ROLLBACK").is_ok() {
            self.corpus.keep(opened);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::job::Job;
    use crate::{Article, Corpus, ErrorKind};

    #[test]
    fn a_cancelled_job_ends_what_its_reader_reads_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
        let article = |i: usize| Article {
            id: Some(i.to_string()),
            text: format!("text {i}"),
            ..Article::default()
        };
        let mut writer = corpus.writer().unwrap();
        writer.add((0..200).map(article), &Job::new()).unwrap();
        drop(writer);
        // Far more steps than are made before the job is looked at.
        let count = "SELECT count(*) FROM article a, article b, article c";
        let job = Job::new();
        let mut reader = corpus.reader().unwrap();
        reader.stop_with(&job).unwrap();
        let read = |reader: &crate::Reader| -> crate::Result<u64> {
            reader.run(|c| c.query_row(count, [], |row| row.get(0)))
        };
        assert_eq!(read(&reader).unwrap(), 8_000_000);
        job.cancel();
        assert_eq!(read(&reader).unwrap_err().kind(), ErrorKind::Cancelled);
        // The next has the same connection.
        drop(reader);
        assert_eq!(read(&corpus.reader().unwrap()).unwrap(), 8_000_000);
    }
}
