//! The one way to write a file: it appears under its name when it is complete, or not at all.

use crate::error::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that is being written.
///
/// It is made beside its place under another name, and moved there by [`NewFile::finish`]; dropped
/// before, it goes, and a file that was there stays as it was. Permissions are the usual ones, or
/// those of the file that it replaces. A
/// link is followed to the file that it names; what is no plain file, such as a pipe or
/// `/dev/stdout`, is written to directly.
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
    /// Begins a file that is to stand at `path`.
    ///
    /// # Errors
    /// Its folder does not exist or cannot be written to; `path` names a folder.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |e| Error::io(path, e);
        // Where nothing is yet, the name stands for itself.
        let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let plain = target.metadata().map_or(true, |m| m.is_file());
        let to = if plain {
            if is_corpus(&target) {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    path.display().to_string(),
                    "it is a corpus, and is not replaced by anything else; name another file",
                ));
            }
            let temporary = beside(&target).map_err(|e| failed(plain_error(e)))?;
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
                let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
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
            }
            To::Direct(mut file) => file.flush().map_err(failed)?,
        }
        Ok(())
    }
}

/// Whether a file is a corpus, by SQLite's header and our mark in it.
fn is_corpus(path: &Path) -> bool {
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
    e
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    // Some writers tell the format by the name's end.
    let end = path.extension().map(|e| format!(".{}", e.display()));
    let end = end.unwrap_or_default();
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nearwise-").suffix(&end);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Less what the user's umask takes away; a temporary file would be the user's alone.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder.unwrap_or(Path::new(".")))
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Temporary(file) => file.write(bytes),
            To::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Temporary(file) => file.flush(),
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
