//! Archives of files: each member is read as a file of a folder is.
//!
//! Nothing is written under a member's name; names are labels only.

use super::compression::{ALWAYS, TOO_MUCH};
use super::guard::guarded;
use super::{Context, Format, docx, foreign, read_member};
use crate::error::Result;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;
use zip::ZipArchive;
use zip::result::ZipError;

/// The members of a zip archive may unpack to this many times the archive's size, all together: texts
/// do to four or ten, and members that lie upon each other to millions.
const ZIP_TIMES: u64 = 100;

/// What a tar archive may spend on a member's name and attributes, in bytes: a path is some thousands.
const TAR_HEADER: u64 = 1 << 20;

/// Reads a zip file: a Word document, or an archive of files, in the order of their names. `given` is the
/// format of members whose names say none.
pub(super) fn read_zip(
    file: File,
    named: Format,
    given: Option<Format>,
    context: &mut Context<'_>,
) -> Result<()> {
    let size = file.metadata().map_or(0, |m| m.len());
    let mut archive = match guarded(|| ZipArchive::new(file)) {
        Some(Ok(archive)) => archive,
        Some(Err(e)) => return context.bad(None, format!("not a readable zip file ({e})")),
        None => return context.bad(None, "not a readable zip file"),
    };
    let mut names: Vec<(String, usize)> = archive
        .file_names_raw()
        .enumerate()
        .map(|(i, name)| (String::from_utf8_lossy(name).into_owned(), i))
        .collect();
    if names.iter().any(|(name, _)| name == docx::DOCUMENT) {
        return docx::read(&mut archive, context);
    }
    let mimetype = small(&mut archive, "mimetype");
    let known = names.iter().map(|(name, _)| name.as_str());
    if let Some(foreign) = foreign::by_members(known, &mimetype) {
        return context.bad(None, foreign.message());
    }
    if named == Format::Docx {
        return context.bad(None, "not a Word document: it holds no word/document.xml");
    }
    names.sort();
    let left = Rc::new(Cell::new(ALWAYS.max(size.saturating_mul(ZIP_TIMES))));
    let mut any = false;
    for (raw, index) in names {
        let Some(name) = label(&raw) else { continue };
        let member = match guarded(|| archive.by_index(index)) {
            Some(Ok(member)) => member,
            Some(Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED))) => {
                bad(&name, "encrypted; unpack it first", context)?;
                continue;
            }
            Some(Err(e)) => {
                bad(&name, format!("damaged ({e})"), context)?;
                continue;
            }
            None => {
                bad(&name, "damaged", context)?;
                continue;
            }
        };
        if member.is_dir() || member.is_symlink() {
            continue;
        }
        any = true;
        let member = Metered {
            inner: member,
            left: left.clone(),
        };
        read_member(member, &name, given, context)?;
    }
    nothing(any, context)
}

/// Reads a tar archive, in its order.
pub(super) fn read_tar(
    stream: impl Read,
    given: Option<Format>,
    context: &mut Context<'_>,
) -> Result<()> {
    let left = Rc::new(Cell::new(TAR_HEADER));
    let mut archive = tar::Archive::new(Metered {
        inner: stream,
        left: left.clone(),
    });
    let mut any = false;
    let mut entries = match archive.entries() {
        Ok(entries) => entries,
        Err(e) => return context.bad(None, format!("not a readable tar file ({e})")),
    };
    loop {
        left.set(TAR_HEADER);
        let mut entry = match guarded(|| entries.next()) {
            Some(None) => return nothing(any, context),
            Some(Some(Ok(entry))) => entry,
            Some(Some(Err(e))) => {
                return context.bad(None, format!("damaged ({e}); what came before is read"));
            }
            None => return context.bad(None, "damaged; what came before is read"),
        };
        left.set(u64::MAX);
        let kind = entry.header().entry_type();
        let name = label(&String::from_utf8_lossy(&entry.path_bytes()));
        if let Some(name) = name
            && !kind.is_dir()
        {
            if kind.is_file() || kind.is_contiguous() {
                any = true;
                read_member(&mut entry, &name, given, context)?;
            } else if kind.is_gnu_sparse() {
                // Its holes may be of any size.
                bad(
                    &name,
                    "a sparse file, which is not read; unpack it first",
                    context,
                )?;
            }
        }
        // What the reader left is passed over here, so that only headers count as such.
        if let Err(e) = io::copy(&mut entry, &mut io::sink()) {
            return context.bad(None, format!("damaged ({e}); what came before is read"));
        }
        if kind.is_gnu_sparse() {
            return context.bad(None, "ends at a sparse file; unpack it first");
        }
    }
}

/// What a member is called: its path without what leads out of the archive; `None` for a hidden one.
fn label(name: &str) -> Option<String> {
    let name = name.replace('\\', "/");
    let parts: Vec<&str> = name
        .split('/')
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .collect();
    let hidden = parts
        .iter()
        .any(|part| part.starts_with('.') || *part == "__MACOSX");
    (!hidden && !parts.is_empty()).then(|| parts.join("/"))
}

fn bad(name: &str, message: impl Into<String>, context: &mut Context<'_>) -> Result<()> {
    context.bad(None, format!("{name} in it is {}", message.into()))
}

fn nothing(any: bool, context: &mut Context<'_>) -> Result<()> {
    if any {
        return Ok(());
    }
    context.bad(None, "an archive without any file in it")
}

/// A small text file of an archive; empty if it is not there.
fn small(archive: &mut ZipArchive<File>, name: &str) -> String {
    let mut text = String::new();
    if let Some(Ok(member)) = guarded(|| archive.by_name(name)) {
        let _ = member.take(1024).read_to_string(&mut text);
    }
    text
}

/// A stream that ends in an error when more is read than is left to it and others.
struct Metered<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        match self.left.get().checked_sub(n as u64) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::other(TOO_MUCH)),
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_lead_nowhere() {
        for (name, expected) in [
            ("a/b.txt", Some("a/b.txt")),
            ("./a.txt", Some("a.txt")),
            ("../../etc/a.txt", Some("etc/a.txt")),
            ("/a.txt", Some("a.txt")),
            ("C:\\x\\a.txt", Some("C:/x/a.txt")),
            ("a/.hidden/b.txt", None),
            ("__MACOSX/a.txt", None),
            ("..", None),
        ] {
            assert_eq!(label(name).as_deref(), expected, "{name}");
        }
    }
}
