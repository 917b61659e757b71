//! The one way to write a file: it appears under its name when it is complete, or not at all.

use crate::error::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// A file that is being written.
///
/// It is made beside its place under another name, and moved there by [`NewFile::finish`]; dropped
/// before, it goes, and a file that was there stays as it was. What killed processes left goes when
/// the next file is made in the folder. Permissions are the usual ones, or those of the file that it
/// replaces. A link is followed to the file that it names, whether that is there or not; what is no
/// plain file, such as a pipe or `/dev/stdout`, is written to directly.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    Temporary(BufWriter<NamedTempFile>),
    Direct(BufWriter<File>),
}

impl NewFile {
    /// Whether the system keeps a name for what is already open, such as `/dev/stdout`: a file of it is
    /// added to, and not put in another's place.
    pub fn is_of_the_system(path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        cfg!(unix) && (path.starts_with("/dev") || path.starts_with("/proc"))
    }

    /// Begins a file that is to stand at `path`.
    ///
    /// # Errors
    /// Its folder does not exist or cannot be written to; `path` names a folder.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |e| Error::io(path, e);
        // What the system names for the program, such as /dev/stdout, is already open elsewhere: it is
        // added to, because whoever opened it may have written before.
        if Self::is_of_the_system(path) {
            let file = File::options().append(true).open(path).map_err(failed)?;
            return Ok(Self {
                path: path.to_path_buf(),
                to: To::Direct(BufWriter::new(file)),
            });
        }
        let target = followed(path).map_err(failed)?;
        let plain = target.metadata().map_or(true, |m| m.is_file());
        let to = if plain {
            if let Some(what) = part_of_a_corpus(&target) {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    path.display().to_string(),
                    format!(
                        "it is {what}, and is not replaced by anything else; name another file"
                    ),
                ));
            }
            let temporary = beside(&target, path).map_err(|e| {
                if e.kind() == io::ErrorKind::NotFound {
                    let folder = folder_of(&target).display();
                    let message = format!("there is no folder {folder}; make it first");
                    return failed(io::Error::new(e.kind(), message));
                }
                failed(plain_error(e))
            })?;
            To::Temporary(BufWriter::new(temporary))
        } else {
            let file = File::options().write(true).open(&target).map_err(failed)?;
            To::Direct(BufWriter::new(file))
        };
        Ok(Self { path: target, to })
    }

    /// Where what writes by path writes to; [`NewFile::finish`] moves it.
    pub fn path(&self) -> &Path {
        match &self.to {
            To::Temporary(file) => file.get_ref().path(),
            To::Direct(_) => &self.path,
        }
    }

    /// A handle of its own, for what takes a file.
    ///
    /// # Errors
    /// The system gives none.
    pub fn handle(&self) -> Result<File> {
        let handle = match &self.to {
            To::Temporary(file) => file.get_ref().reopen(),
            To::Direct(file) => file.get_ref().try_clone(),
        };
        handle.map_err(|e| Error::io(&self.path, e))
    }

    /// Completes the file and puts it in its place.
    ///
    /// # Errors
    /// The disk is full; the file cannot be moved.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        let failed = |e| Error::io(&path, e);
        match self.to {
            To::Temporary(file) => {
                let file = file
                    .into_inner()
                    .map_err(|e| failed(plain_error(e.into_error())))?;
                // A file that is replaced keeps who may read it.
                if let Ok(old) = path.metadata() {
                    let permissions = old.permissions();
                    file.as_file()
                        .set_permissions(permissions)
                        .map_err(failed)?;
                }
                // On the disk before it has its name, so that a power cut leaves no empty file.
                file.as_file().sync_all().map_err(failed)?;
                file.persist(&path).map_err(|e| failed(e.error))?;
                // And its name as well. Some file systems cannot say; the name comes then when it may.
                #[cfg(unix)]
                if let Ok(folder) = File::open(folder_of(&path)) {
                    let _ = folder.sync_all();
                }
            }
            To::Direct(mut file) => file.flush().map_err(failed)?,
        }
        Ok(())
    }
}

/// The file that a link leads to, whether it is there or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    /// As many as the system follows.
    const LINKS: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links lead from one to the next"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// What a file is to a corpus, where it is the corpus itself or lies beside one.
fn part_of_a_corpus(path: &Path) -> Option<&'static str> {
    if is_corpus(path) {
        return Some("a corpus");
    }
    let name = path.file_name()?.as_encoded_bytes();
    let ends: [&[u8]; 4] = [b"-wal", b"-shm", b"-journal", b"-lock"];
    let end = ends.into_iter().find(|end| name.ends_with(end))?;
    let whole = path.as_os_str().as_encoded_bytes();
    // Safe to cut: what is cut off is ASCII. Lossy for a name that is no UTF-8, which then names no
    // corpus.
    let base = String::from_utf8_lossy(&whole[..whole.len() - end.len()]);
    is_corpus(Path::new(base.as_ref())).then_some("kept beside a corpus")
}

/// Whether a file is a corpus, by SQLite's header and our mark in it.
fn is_corpus(path: &Path) -> bool {
    // A pipe would be waited for.
    if !path.is_file() {
        return false;
    }
    let mut header = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.starts_with(b"SQLite format 3\0") && header[68..] == *b"NRWS"
}

/// What the system said, without the name of the temporary file.
fn plain_error(e: io::Error) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&e);
    while let Some(error) = cause {
        let code = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error);
        if let Some(code) = code {
            return io::Error::from_raw_os_error(code);
        }
        cause = error.source();
    }
    // Where the library says no number, it says the place behind the cause.
    let text = e.to_string();
    match text.rsplit_once(" at path \"") {
        Some((cause, _)) => io::Error::new(e.kind(), cause.to_string()),
        None => e,
    }
}

/// What files are called until they have their names.
const PREFIX: &str = ".nearwise-new-";
/// Letters that follow, no two files with the same.
const LETTERS: usize = 8;
/// Nothing was written to it for so long, and nobody holds it: whoever made it was killed.
const LEFT: Duration = Duration::from_secs(600);

/// A file beside its place, with the end of the name that was asked for.
fn beside(place: &Path, named: &Path) -> io::Result<NamedTempFile> {
    let folder = folder_of(place);
    sweep(folder, SystemTime::now());
    // Some writers tell the format by the name's end.
    let end = named.extension().map(|e| format!(".{}", e.display()));
    let end = end.unwrap_or_default();
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).rand_bytes(LETTERS).suffix(&end);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Less what the user's umask takes away; a temporary file would be the user's alone.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder)?;
    // Held while it is written. Windows would keep other handles of this process from writing.
    if cfg!(unix) {
        let _ = file.as_file().try_lock();
    }
    Ok(file)
}

/// Removes what killed processes left in a folder. What cannot be removed stays for the next time.
fn sweep(folder: &Path, now: SystemTime) {
    if !cfg!(unix) {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let letters = name.as_encoded_bytes().strip_prefix(PREFIX.as_bytes());
        let ours = letters
            .and_then(|rest| rest.get(..LETTERS))
            .is_some_and(|rest| rest.iter().all(u8::is_ascii_alphanumeric));
        if ours && left(&entry.path(), now) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn left(path: &Path, now: SystemTime) -> bool {
    let old = |m: std::fs::Metadata| {
        let changed = m.modified().ok();
        let age = changed.and_then(|t| now.duration_since(t).ok());
        m.is_file() && age.is_some_and(|age| age > LEFT)
    };
    // Opened only where it is a file: a link would lead elsewhere, a pipe would be waited for.
    path.symlink_metadata().is_ok_and(old)
        && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Temporary(file) => file.write(bytes).map_err(plain_error),
            To::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Temporary(file) => file.flush().map_err(plain_error),
            To::Direct(file) => file.flush(),
        }
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.to {
            To::Temporary(file) => file.seek(to),
            To::Direct(file) => file.seek(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "old").unwrap();
        let mut given_up = NewFile::create(&path).unwrap();
        given_up.write_all(b"half").unwrap();
        drop(given_up);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(NewFile::create(folder.path().join("no/a.txt")).is_err());
        assert!(NewFile::create(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_process_left_goes_and_what_is_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let old = SystemTime::now() - 2 * LEFT;
        let make = |name: &str| {
            let file = File::create(path(name)).unwrap();
            file.set_modified(old).unwrap();
        };
        let names = [
            ".nearwise-new-abcd1234.png",
            ".nearwise-new-abcd12",
            ".nearwise-notes",
            ".nearwiseignore",
        ];
        names.into_iter().for_each(make);
        std::fs::write(path(".nearwise-new-wxyz9876"), "").unwrap();
        std::os::unix::fs::symlink(path("a.txt"), path(".nearwise-new-link1234")).unwrap();
        // Written slowly: as old, and held.
        let slow = NewFile::create(path("slow.txt")).unwrap();
        slow.handle().unwrap().set_modified(old).unwrap();
        let mut file = NewFile::create(path("a.txt")).unwrap();
        file.write_all(b"a").unwrap();
        file.finish().unwrap();
        assert!(!path(names[0]).exists());
        for kept in [names[1], names[2], names[3], ".nearwise-new-wxyz9876"] {
            assert!(path(kept).exists(), "{kept}");
        }
        assert!(path(".nearwise-new-link1234").symlink_metadata().is_ok());
        slow.finish().unwrap();
        assert!(path("slow.txt").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_leads_to_the_file_that_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        std::os::unix::fs::symlink("a", &link).unwrap();
        let mut new = NewFile::create(&link).unwrap();
        new.write_all(b"new").unwrap();
        new.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let endless = folder.path().join("c");
        std::os::unix::fs::symlink("c", &endless).unwrap();
        assert!(
            NewFile::create(&endless)
                .unwrap_err()
                .to_string()
                .contains("links")
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_their_file_and_pipes_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut new = NewFile::create(&link).unwrap();
        new.write_all(b"new").unwrap();
        new.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let mut null = NewFile::create("/dev/null").unwrap();
        null.write_all(b"gone").unwrap();
        null.finish().unwrap();
        assert!(!Path::new("/dev/null").metadata().unwrap().is_file());
    }
}
