//! Pages that another program wrote, without checksums.
//!
//! SQLite by itself, or an older version of this program, moves what the log of a killed run holds
//! into the file as soon as it opens it to write. Such pages have zeros in the place of their
//! checksums. What they hold cannot be compared with anything; but where all other pages are as
//! they were written, and SQLite finds that all tables and indexes agree with each other, nothing
//! speaks against them.

use super::super::corpus;
use super::super::sqlite::failed;
use super::{Checked, Heal, pages};
use crate::error::{Error, ErrorKind, Result};
use crate::job::Job;
use rusqlite::Connection;
use std::path::Path;

/// Whether the pages without checksums are all that is wrong; then it is told as a fault.
pub(super) fn explain(path: &Path, out: &mut Checked, job: &Job) -> Result<bool> {
    let Ok(c) = corpus::open_plain(path, false) else {
        return Ok(false);
    };
    let mut found = Checked::default();
    if !sound_but_unsealed(&c, &mut found, job)? {
        return Ok(false);
    }
    let count = |sql: &str| c.query_row(sql, [], |row| row.get(0));
    out.articles = count("SELECT count(*) FROM article").unwrap_or(0);
    out.pending = count("SELECT count(*) FROM article WHERE pending").unwrap_or(0);
    out.pages = found.pages;
    out.unsealed_pages = found.unsealed_pages;
    out.fault(
        "pages without checksums",
        format!(
            "{} written by another program, such as SQLite by itself; what they hold cannot be compared, but all tables agree with each other",
            out.unsealed_pages.len()
        ),
        Heal::Repair,
    );
    out.not_checked
        .push("whether articles, vectors and topics agree with each other".to_string());
    Ok(true)
}

/// Gives the pages without checksums new ones where they are all that is wrong; how many they are,
/// and `None` where more is. The caller holds the lock.
pub(super) fn reseal(path: &Path, job: &Job) -> Result<Option<u64>> {
    let c = corpus::open_plain(path, true)?;
    let mut found = Checked::default();
    // Without anybody to be in the way, a look into the file is enough to leave it as it is.
    if pages(&c, &mut found, job).is_err() || found.unsealed_pages.is_empty() {
        job.check()?;
        return Ok(None);
    }
    c.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .map_err(|e| match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => Error::corpus(
                ErrorKind::Busy,
                path,
                "another program has it open; try again when it is done",
            ),
            _ => failed(path, e),
        })?;
    if !sound_but_unsealed(&c, &mut found, job)? {
        return Ok(None);
    }
    super::seal::seal_anew(&c, &found.unsealed_pages).map_err(|e| failed(path, e))?;
    c.execute_batch("ROLLBACK").map_err(|e| failed(path, e))?;
    Ok(Some(found.unsealed_pages.len() as u64))
}

/// Whether there are pages without checksums, none with a wrong one, and SQLite finds no fault.
fn sound_but_unsealed(c: &Connection, found: &mut Checked, job: &Job) -> Result<bool> {
    let looked = pages(c, found, job);
    job.check()?;
    if looked.is_err() || found.unsealed_pages.is_empty() || !found.damaged_pages.is_empty() {
        return Ok(false);
    }
    let said = c.query_row("PRAGMA integrity_check(1)", [], |row| {
        row.get::<_, String>(0)
    });
    job.check()?;
    Ok(said.is_ok_and(|said| said == "ok"))
}
