//! Saving what can be read of a damaged corpus.

use super::super::corpus::{self, resolved};
use super::super::lock::Lock;
use super::super::sqlite::{failed, is_unreadable};
use super::super::{Corpus, beside};
use super::reseal;
use super::salvage::{Salvage, salvage};
use crate::error::{Error, ErrorKind, Result};
use crate::job::Job;
use crate::new_file::NewFile;
use rusqlite::Connection;
use std::io;
use std::path::{Path, PathBuf};

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
    /// Pages that another program wrote, without checksums, in a file whose tables agree with each
    /// other: they got checksums, nothing else was done, and what they hold could not be compared.
    pub resealed: u64,
    /// Articles of which only the metadata were lost; they come back with the next run over their files.
    pub metadata_lost: u64,
    /// Where the damaged file was put, unless it stayed in its place.
    pub kept: Option<PathBuf>,
}

impl Corpus {
    /// Saves what can be read into a new file, and puts that in the place of this one, which is kept
    /// beside it. What is derived is made anew; articles whose vectors are lost wait to be embedded.
    /// Where nothing is wrong but that another program wrote pages without checksums, they get them.
    ///
    /// # Errors
    /// Somebody has the corpus open; it cannot be read at all, or does not say which model made it;
    /// the disk is full; the job is cancelled. The corpus then stays as it is.
    pub fn repair(&self, job: &Job) -> Result<Repaired> {
        let path = &resolved(self.path());
        let lock = Lock::take(path)?;
        self.close_idle();
        if let Some(resealed) = reseal::reseal(path, job)? {
            let counts = self.writer_with(lock)?.counts()?;
            return Ok(Repaired {
                articles: counts.articles,
                pending: counts.pending,
                resealed,
                ..Repaired::default()
            });
        }
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
        out.kept = Some(keep(path).map_err(|e| Error::io(path, e))?);
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
