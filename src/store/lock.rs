//! One writer at a time, in all processes and threads.

use crate::error::{Error, ErrorKind, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Held while someone writes to a corpus. The operating system frees it when the process ends,
/// however it ends; a file left behind locks nothing.
///
/// The lock is an advisory lock on a file beside the corpus. It is not on the corpus itself,
/// because closing any handle of that file would drop SQLite's own locks on it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

/// Times that the file is opened anew because the one before was removed in the meantime.
const TRIES: usize = 100;

impl Lock {
    /// Takes the lock of a corpus, without waiting.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] where another writer holds it; the file cannot be made; the file
    /// system has no locks.
    pub(super) fn take(corpus: &Path) -> Result<Self> {
        let path = super::beside(corpus, "-lock");
        for _ in 0..TRIES {
            let file = open(&path).map_err(|e| refused(corpus, e))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::corpus(
                        ErrorKind::Busy,
                        corpus,
                        "another writer is at work on it; wait until it is done",
                    ));
                }
                Err(TryLockError::Error(e)) => {
                    return Err(Error::corpus(
                        ErrorKind::Io,
                        corpus,
                        format!(
                            "its file system does not lock files ({e}), so that two writers could harm it; keep the corpus on another"
                        ),
                    )
                    .with_source(e));
                }
            }
            // The holder before us removes the file as it leaves. Whoever had opened that file by
            // then locks one that has no name any more, which keeps nobody out.
            if is_named(&file, &path) {
                return Ok(Self { file, path });
            }
        }
        Err(Error::corpus(
            ErrorKind::Busy,
            corpus,
            "other writers keep taking it; try again later",
        ))
    }
}

fn refused(corpus: &Path, e: io::Error) -> Error {
    let kind = match e.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => ErrorKind::ReadOnly,
        io::ErrorKind::StorageFull => ErrorKind::DiskFull,
        _ => ErrorKind::Io,
    };
    let message =
        format!("it cannot be locked to write: its folder does not let a file be made ({e})");
    Error::corpus(kind, corpus, message).with_source(e)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A link in its place would make or open a file elsewhere.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    }
    options.open(path)
}

/// Whether this open file is the one that the path names.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}

/// Elsewhere the file is never removed.
#[cfg(not(unix))]
fn is_named(_: &File, _: &Path) -> bool {
    true
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while still held. Both may fail only by leaving an empty file behind.
        if cfg!(unix) && is_named(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn one_holder_at_a_time_whoever_removes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = folder.path().join("a.nearwise");
        let (inside, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        match Lock::take(&corpus) {
                            Ok(lock) => {
                                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                                std::thread::yield_now();
                                inside.fetch_sub(1, Ordering::SeqCst);
                                taken.fetch_add(1, Ordering::SeqCst);
                                drop(lock);
                            }
                            Err(e) => assert_eq!(e.kind(), ErrorKind::Busy, "{e}"),
                        }
                    }
                });
            }
        });
        assert!(taken.load(Ordering::SeqCst) > 0);
        assert!(Lock::take(&corpus).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, folder.path().join("a.nearwise-lock")).unwrap();
        assert!(Lock::take(&folder.path().join("a.nearwise")).is_err());
        assert!(!target.exists());
    }
}
