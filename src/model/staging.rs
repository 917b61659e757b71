//! Folders that a model is put together in, beside where models are kept.

use super::files::cache_root;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const PREFIX: &str = ".fetching-";
/// Held by whoever works in the folder.
pub(super) const LOCK: &str = ".lock";
/// A folder without a lock in it is being made or unmade, or an older version left it: only one
/// that nothing was done in for so long is litter.
const UNLOCKED: Duration = Duration::from_secs(24 * 3600);

/// A fresh folder next to where models are kept, so that a finished model moves there in
/// one step and a download that is cut off leaves no half model behind. Dropped, it goes; what
/// killed processes left goes when the next one is made.
pub(super) struct Staging {
    folder: TempDir,
    lock: File,
}

impl Staging {
    pub(super) fn make() -> Result<Self> {
        Self::make_in(&cache_root())
    }

    fn make_in(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|e| Error::io(root, e))?;
        sweep(root, SystemTime::now());
        let make = || -> io::Result<Self> {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root)?;
            let lock = File::create_new(folder.path().join(LOCK))?;
            // Where the file system has no locks, nothing is ever taken for litter.
            let _ = lock.try_lock();
            Ok(Self { folder, lock })
        };
        make().map_err(|e| Error::io(root, e))
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folder, without what marks it as ours.
    pub(super) fn keep(self) -> Result<PathBuf> {
        let lock = self.path().join(LOCK);
        // Closed first: some systems remove no open file.
        drop(self.lock);
        fs::remove_file(&lock).map_err(|e| Error::io(&lock, e))?;
        Ok(self.folder.keep())
    }
}

/// Removes the folders that nobody works in any more. Whatever cannot be removed stays for the
/// next time.
fn sweep(root: &Path, now: SystemTime) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && entry.file_type().is_ok_and(|t| t.is_dir()) && left(&entry.path(), now) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn left(folder: &Path, now: SystemTime) -> bool {
    match File::options()
        .read(true)
        .write(true)
        .open(folder.join(LOCK))
    {
        // Free: whoever held it has ended. A system without locks says neither.
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => {
            let changed = folder.metadata().and_then(|m| m.modified());
            changed.is_ok_and(|t| now.duration_since(t).is_ok_and(|age| age > UNLOCKED))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_fetch_left_goes_and_what_runs_stays() {
        let root = tempfile::tempdir().unwrap();
        let running = Staging::make_in(root.path()).unwrap();
        let killed = root.path().join(".fetching-killed");
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join(LOCK), "").unwrap();
        fs::write(killed.join("model.safetensors"), "half").unwrap();
        let older = root.path().join(".fetching-older");
        fs::create_dir(&older).unwrap();
        let next = Staging::make_in(root.path()).unwrap();
        assert!(running.path().exists() && next.path().exists());
        assert!(!killed.exists());
        assert!(older.exists(), "it may be in the making");
        sweep(root.path(), SystemTime::now() + 2 * UNLOCKED);
        assert!(!older.exists());
        assert!(running.path().exists());
        let kept = next.keep().unwrap();
        assert_eq!(fs::read_dir(kept).unwrap().count(), 0);
    }
}
