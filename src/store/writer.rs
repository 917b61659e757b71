//! The one way to write to a corpus.

use super::corpus::Opened;
use super::lock::Lock;
use super::sqlite::failed;
use super::{Corpus, Reader, set_meta};
use crate::encoder::Identity;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{PromptSource, Prompts};
use rusqlite::Connection;

/// The writer of a corpus: while it lives nobody else can write, in any process.
///
/// It reads as well, and sees what it wrote. Each method commits before it returns, and longer
/// ones commit as they go, so that a kill at any moment loses seconds of work and nothing else.
#[derive(Debug)]
pub struct Writer {
    reader: Reader,
    /// Whether this writer made the file.
    made: bool,
    /// Dropped last: the connection is closed before another writer may begin.
    _lock: Lock,
}

impl std::ops::Deref for Writer {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Writer {
    pub(super) fn begin(opened: Opened, corpus: Corpus, lock: Lock, made: bool) -> Self {
        Self {
            reader: Reader::of_writer(opened, corpus),
            made,
            _lock: lock,
        }
    }

    /// Runs `f` in a transaction that is undone when `f` fails.
    pub(crate) fn transaction<T>(
        &mut self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let connection = self.reader.connection_mut();
        let go = || {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let out = f(&transaction)?;
            transaction.commit()?;
            Ok(out)
        };
        let outcome: rusqlite::Result<T> = go();
        let out = outcome.map_err(|e| failed(self.reader.path(), e))?;
        // Who deletes the file leaves the writer with one that has no name.
        if !self.reader.is_named() {
            return Err(Error::corpus(
                ErrorKind::Io,
                self.reader.path(),
                "the file was deleted or replaced while it was written to, and what was written went with it; run it again",
            ));
        }
        Ok(out)
    }

    /// Checks that `identity` made this corpus's vectors, and writes it down in a corpus that has
    /// none yet.
    ///
    /// # Errors
    /// Another model made them.
    pub fn bind(&mut self, identity: &Identity) -> Result<()> {
        self.bind_with(identity, None)
    }

    /// As [`Writer::bind`], with what is put in front of texts. What stands in front of passages
    /// decides their vectors, and stays; what stands in front of queries may be given anew.
    pub(crate) fn bind_with(
        &mut self,
        identity: &Identity,
        prompts: Option<&Prompts>,
    ) -> Result<()> {
        if self.identity()?.is_some() {
            self.check_model(identity)?;
            return prompts.map_or(Ok(()), |prompts| self.check_prompts(prompts));
        }
        self.transaction(|c| {
            if let Some(prompts) = prompts {
                set_meta(c, "model.prompt.query", &prompts.query)?;
                set_meta(c, "model.prompt.document", &prompts.document)?;
            }
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
        })
    }

    fn check_prompts(&mut self, prompts: &Prompts) -> Result<()> {
        let Some(kept) = self.prompts()? else {
            // Made before prompts were written down, with those of the model's own files.
            return match prompts.source {
                PromptSource::Model => Ok(()),
                _ if prompts.document.is_empty() => Ok(()),
                _ => Err(self.other_prompt("", prompts)),
            };
        };
        if kept.document != prompts.document {
            return Err(self.other_prompt(&kept.document, prompts));
        }
        if kept.query != prompts.query && prompts.source == PromptSource::Caller {
            self.transaction(|c| set_meta(c, "model.prompt.query", &prompts.query))?;
        }
        Ok(())
    }

    fn other_prompt(&self, kept: &str, prompts: &Prompts) -> Error {
        let message = format!(
            "its passages were embedded with {kept:?} in front, not {:?}",
            prompts.document
        );
        Error::corpus(ErrorKind::WrongModel, self.path(), message)
    }

    /// Ends the writing. A corpus that [`Corpus::open_or_create`] made for this writer and that
    /// holds no article is deleted again, such as one for inputs that turned out unusable; any
    /// other stays.
    ///
    /// # Errors
    /// The file is damaged or cannot be deleted.
    pub fn abandon(self) -> Result<()> {
        if !self.made || self.counts()?.articles > 0 {
            return Ok(());
        }
        // Deleted before another writer may begin. What SQLite keeps beside it goes as it leaves its
        // log, but not as it closes a file that is gone; where it cannot, that is left behind.
        let connection = self.reader.connection();
        let alone = connection.busy_timeout(std::time::Duration::ZERO);
        let _ = alone.and_then(|()| {
            connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        });
        let path = self.path().to_path_buf();
        std::fs::remove_file(&path).map_err(|e| Error::io(path, e))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SQLite's log is emptied into the file where no reader needs it, so that the file by itself
        // is the corpus. Nobody is waited for; the log is whole either way.
        let _ = self.run(|c| {
            c.busy_timeout(std::time::Duration::ZERO)?;
            c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        });
    }
}
