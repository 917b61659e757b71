//! Archives of files: each member is read as a file of a folder is.
//!
//! Nothing is written under a member's name; names are labels only.

use super::compression::{ALWAYS, TOO_MUCH, Unpacked};
use super::member_names::{decoded, decoded_one};
use super::{Context, Format, cut_zip, docx, foreign, read_member};
use crate::corpus::fingerprint::fingerprint;
use crate::corpus::inputs::Note;
use crate::error::{Error, Result};
use crate::guard::guarded;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;
use zip::ZipArchive;
use zip::result::ZipError;

/// The members of a zip archive may unpack to this many times the archive's size, all together: texts
/// do to four or ten, and members that lie upon each other to millions.
pub(super) const ZIP_TIMES: u64 = 100;

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
    let again = file.try_clone().map_err(|e| Error::io(context.path, e))?;
    let mut archive = match guarded(context.path, || ZipArchive::new(file)) {
        Ok(Ok(archive)) => archive,
        Ok(Err(e)) => {
            let whole = match named {
                Format::Docx => 0,
                _ => cut_zip::read(again, size, given, context)?,
            };
            let why = match whole {
                0 => format!("not a readable zip file ({e})"),
                1 => format!("a zip file that breaks off ({e}); the file before is read"),
                n => format!("a zip file that breaks off ({e}); the {n} files before are read"),
            };
            return context.bad(None, why);
        }
        Err(_) => return context.bad(None, "not a readable zip file"),
    };
    // Of members with one name the archive knows the last alone.
    let all = members(&again, archive.central_directory_start());
    let mut passed_over = all.saturating_sub(archive.len());
    let raw: Vec<&[u8]> = archive.file_names_raw().collect();
    let mut names: Vec<(String, usize)> = decoded(&raw)
        .into_iter()
        .enumerate()
        .map(|(i, name)| (name.into_owned(), i))
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
    // Names that differ may lead to one place, where unpacking leaves the last.
    let last: HashMap<String, usize> = names
        .iter()
        .filter(|(raw, _)| !is_folder(raw))
        .filter_map(|(raw, index)| Some((label(raw)?, *index)))
        .fold(HashMap::new(), |mut last, (name, index)| {
            let known = last.entry(name).or_insert(index);
            *known = index.max(*known);
            last
        });
    let left = Rc::new(Cell::new(ALWAYS.max(size.saturating_mul(ZIP_TIMES))));
    let mut any = false;
    for (raw, index) in names {
        let Some(name) = label(&raw).filter(|_| !is_folder(&raw)) else {
            continue;
        };
        if last.get(&name) != Some(&index) {
            passed_over += 1;
            continue;
        }
        let member = match guarded(&name, || archive.by_index(index)) {
            Ok(Ok(member)) => member,
            Ok(Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED))) => {
                bad(&name, "encrypted; unpack it first", context)?;
                continue;
            }
            Ok(Err(e)) => {
                bad(&name, format!("damaged ({e})"), context)?;
                continue;
            }
            Err(_) => {
                bad(&name, "damaged", context)?;
                continue;
            }
        };
        if member.is_symlink() {
            continue;
        }
        any = true;
        let member = Metered {
            inner: member,
            left: left.clone(),
        };
        read_member(member, &name, given, context)?;
    }
    if passed_over > 0 {
        context.sink.note(Note::Ignored {
            path: context.path.to_string(),
            what: came_again(passed_over),
        });
    }
    nothing(any, context)
}

/// Reads a tar archive, in its order. `file` is the file whose bytes the stream gives, where it is one;
/// `given` is the format of members whose names say none.
///
/// What is put into an archive again stands behind what it was, and unpacking leaves the last. So a file is
/// gone through once to find the last of each name. A stream comes only once: its first is read.
pub(super) fn read_tar(
    stream: impl Read,
    file: Option<File>,
    given: Option<Format>,
    context: &mut Context<'_>,
) -> Result<()> {
    let last = match file.map(last_of_names).transpose() {
        Ok(last) => last,
        Err(e) => return Err(Error::io(context.path, e)),
    };
    let mut names = Names {
        last,
        seen: HashSet::new(),
        members: 0,
        passed_over: 0,
    };
    let outcome = read_members(stream, &mut names, given, context);
    if names.passed_over > 0 {
        let n = names.passed_over;
        let what = match names.last {
            Some(_) => came_again(n as usize),
            None => format!(
                "{n} members with the name of one before, which may be newer; give the archive as a file to read the last of each"
            ),
        };
        context.sink.note(Note::Ignored {
            path: context.path.to_string(),
            what,
        });
    }
    outcome
}

fn came_again(members: usize) -> String {
    match members {
        1 => "a member that came again behind, as which it is read".to_string(),
        n => format!("{n} members that came again behind, of which the last is read"),
    }
}

/// How many members a zip file lists from a place on. The file stands where it stood.
fn members(file: &File, start: u64) -> usize {
    /// How the header of one begins, how long it is without names and more, and where their lengths stand.
    const BEGIN: &[u8] = b"PK\x01\x02";
    const HEADER: usize = 46;
    const LENGTHS: [usize; 3] = [28, 30, 32];
    let count = |mut file: &File| -> io::Result<usize> {
        let at = file.stream_position()?;
        file.seek(SeekFrom::Start(start))?;
        let mut list = io::BufReader::new(file);
        let mut header = [0; HEADER];
        let mut members = 0;
        while list.read_exact(&mut header).is_ok() && header.starts_with(BEGIN) {
            members += 1;
            let lengths =
                LENGTHS.map(|at| u64::from(u16::from_le_bytes([header[at], header[at + 1]])));
            let more = lengths.iter().sum();
            if io::copy(&mut (&mut list).take(more), &mut io::sink())? < more {
                break;
            }
        }
        drop(list);
        file.seek(SeekFrom::Start(at))?;
        Ok(members)
    };
    // Whoever reads the members tells that the file cannot be read.
    count(file).unwrap_or(0)
}

fn read_members(
    stream: impl Read,
    names: &mut Names,
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
        let mut entry = match guarded(context.path, || entries.next()) {
            Ok(None) => return nothing(any, context),
            Ok(Some(Ok(entry))) => entry,
            Ok(Some(Err(e))) => {
                return context.bad(None, format!("damaged ({e}); what came before is read"));
            }
            Err(_) => return context.bad(None, "damaged; what came before is read"),
        };
        left.set(u64::MAX);
        let kind = entry.header().entry_type();
        if let Some(name) = file_name(&entry) {
            any = true;
            if names.is_to_be_read(&name) {
                read_member(&mut entry, &name, given, context)?;
            }
        } else if kind.is_gnu_sparse()
            && let Some(name) = entry_label(&entry)
        {
            // Its holes may be of any size.
            bad(
                &name,
                "a sparse file, which is not read; unpack it first",
                context,
            )?;
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

fn entry_label(entry: &tar::Entry<'_, impl Read>) -> Option<String> {
    label(&decoded_one(&entry.path_bytes()))
}

/// What a member that is a plain file is called.
fn file_name(entry: &tar::Entry<'_, impl Read>) -> Option<String> {
    let kind = entry.header().entry_type();
    let file = kind.is_file() || kind.is_contiguous();
    file.then(|| entry_label(entry)).flatten()
}

/// Which of the members with one name is read.
struct Names {
    /// The number of the last of each name, where that is known before.
    last: Option<HashMap<u128, u64>>,
    /// The names so far, where it is not.
    seen: HashSet<u128>,
    members: u64,
    passed_over: u64,
}

impl Names {
    /// Asked of each member once, in their order.
    fn is_to_be_read(&mut self, name: &str) -> bool {
        self.members += 1;
        let name = fingerprint([name.as_bytes()]);
        let read = match &self.last {
            Some(last) => last.get(&name).is_none_or(|last| *last <= self.members),
            None => self.seen.insert(name),
        };
        self.passed_over += u64::from(!read);
        read
    }
}

/// The number of the last whole member of each name, from 1; the file stands where it stood. Where the
/// archive is damaged this ends, and whoever reads it tells.
fn last_of_names(mut file: File) -> io::Result<HashMap<u128, u64>> {
    let at = file.stream_position()?;
    file.rewind()?;
    let mut last = HashMap::new();
    // Damage at its beginning is told by whoever reads it.
    if let Ok(stream) = Unpacked::new(&file) {
        number_members(stream, &mut last);
    }
    file.seek(SeekFrom::Start(at))?;
    Ok(last)
}

fn number_members(stream: impl Read, last: &mut HashMap<u128, u64>) {
    let left = Rc::new(Cell::new(TAR_HEADER));
    let mut archive = tar::Archive::new(Metered {
        inner: stream,
        left: left.clone(),
    });
    let Ok(mut entries) = archive.entries() else {
        return;
    };
    let mut members = 0;
    loop {
        left.set(TAR_HEADER);
        let Ok(Some(Ok(mut entry))) = guarded("a tar file", || entries.next()) else {
            return;
        };
        left.set(u64::MAX);
        let name = file_name(&entry);
        let sparse = entry.header().entry_type().is_gnu_sparse();
        let size = entry.size();
        // A member that is cut off takes no other's place.
        if sparse || !io::copy(&mut entry, &mut io::sink()).is_ok_and(|n| n == size) {
            return;
        }
        if let Some(name) = name {
            members += 1;
            last.insert(fingerprint([name.as_bytes()]), members);
        }
    }
}

pub(super) fn is_folder(name: &str) -> bool {
    name.ends_with(['/', '\\'])
}

/// What a member is called: its path without what leads out of the archive; `None` for a hidden one.
pub(super) fn label(name: &str) -> Option<String> {
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
    if let Ok(Ok(member)) = guarded(name, || archive.by_name(name)) {
        let _ = member.take(1024).read_to_string(&mut text);
    }
    text
}

/// A stream that ends in an error when more is read than is left to it and others.
pub(super) struct Metered<R> {
    pub inner: R,
    pub left: Rc<Cell<u64>>,
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
