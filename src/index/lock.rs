//! One writer at a time.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Held while a run writes to a corpus. The operating system frees it when the process ends,
/// however it ends; a file left behind locks nothing.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    pub fn take(corpus: &Path) -> Result<Self> {
        let path = PathBuf::from(format!("{}-lock", corpus.display()));
        let file = File::create(&path).map_err(|e| Error::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path }),
            Err(TryLockError::WouldBlock) => Err(Error::corpus(
                corpus,
                "another nearwise is indexing into it; wait until it is done",
            )),
            // A file system without locks: SQLite's own transactions still keep it whole.
            Err(TryLockError::Error(_)) => Ok(Self { file, path }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while still held, so that nobody holds a file that has no name. Both may
        // fail only by leaving an empty file behind.
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}
