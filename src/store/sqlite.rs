//! What SQLite says, as errors of ours.

use super::seal;
use crate::error::{Error, ErrorKind};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use std::path::Path;

/// Opens a database whose pages carry checksums; [`failed`] puts what SQLite says into words.
pub(super) fn open(path: impl AsRef<Path>, flags: OpenFlags) -> rusqlite::Result<Connection> {
    Connection::open_with_flags_and_vfs(path, flags, seal::vfs()?)
}

/// What ends a transaction, as SQLite says it itself where it is told to stop.
pub(super) fn interrupted() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERRUPT), None)
}

/// A failure of SQLite on a corpus: its kind, and words that tell what to do.
pub(super) fn failed(path: &Path, e: rusqlite::Error) -> Error {
    if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
        return Error::cancelled();
    }
    if is_unreadable(&e) {
        let place = match seal::failed_page() {
            Some(page) => format!("page {page} of it does not agree with its checksum"),
            None => "a page of it does not agree with its checksum".to_string(),
        };
        let message =
            format!("damaged, or changed by another program: {place}; what it holds is not shown");
        return Error::corpus(ErrorKind::Damaged, path, message).with_source(e);
    }
    let (kind, hint) = match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => (
            ErrorKind::NotACorpus,
            "not a Nearwise corpus; name another file",
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            ErrorKind::Damaged,
            "damaged; restore it from a copy, or index the articles into a new corpus",
        ),
        Some(ErrorCode::DiskFull) => (
            ErrorKind::DiskFull,
            "the disk is full; what was committed is kept: make room and try again",
        ),
        Some(ErrorCode::ReadOnly) => (
            ErrorKind::ReadOnly,
            "cannot be written: the file or its folder is read-only",
        ),
        Some(ErrorCode::CannotOpen) => (
            ErrorKind::Io,
            "cannot be opened: look at the path and its permissions",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::Busy,
            "in use by another program that writes to it; try again when it is done",
        ),
        Some(ErrorCode::SystemIoFailure) => (
            ErrorKind::Io,
            "reading or writing it failed (is the disk full or unplugged?); what was committed is kept",
        ),
        // A row that must be there is not, or a value is of another type.
        _ if matches!(
            e,
            rusqlite::Error::QueryReturnedNoRows
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
        ) =>
        {
            (
                ErrorKind::Damaged,
                "damaged: something in it is missing or of the wrong type; restore it from a copy, or index the articles into a new corpus",
            )
        }
        _ => (ErrorKind::Internal, ""),
    };
    let message = match &e {
        // Not the statement, which only we understand.
        rusqlite::Error::SqlInputError { msg, .. } => {
            format!("a statement of ours does not suit it ({msg})")
        }
        _ if hint.is_empty() => e.to_string(),
        rusqlite::Error::SqliteFailure(_, Some(detail)) => format!("{hint} ({detail})"),
        _ => hint.to_string(),
    };
    Error::corpus(kind, path, message).with_source(e)
}

/// Whether a page was refused because its checksum does not agree.
pub(super) fn is_unreadable(e: &rusqlite::Error) -> bool {
    e.sqlite_error()
        .is_some_and(|e| e.extended_code == ffi::SQLITE_IOERR_DATA)
}

/// A value in the file that cannot be what this program wrote.
pub(super) fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        Some(what.to_string()),
    )
}

/// A value that is kept as JSON; `what` it is, where it cannot be what this program wrote.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    text: &str,
    what: &str,
) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|e| damaged(&format!("{what}: {e}")))
}

/// A column that holds JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: usize,
    what: &str,
) -> rusqlite::Result<T> {
    from_json(row.get_ref(column)?.as_str()?, what)
}
