//! The input formats, a file for each.
//!
//! An input comes as a stream. `compression` takes its packing off, `detect` tells its format, and the
//! format's reader hands its articles to the sink; an archive's members go the same way again.

mod archives;
mod compression;
mod detect;
mod docx;
mod feeds;
mod foreign;
mod guard;
mod html;
mod jsonl;
mod mail;
mod markdown;
mod markup;
mod parquet;
mod pdf;
mod sgml;
mod table;
mod text;
mod warc;

use super::article::Article;
use super::columns::{ColumnReport, Columns, Mapping};
use super::decode::{Decoder, SAMPLE, looks_binary};
use super::inputs::{Note, Sink};
use crate::error::{Error, Result};
use compression::{Compression, Health, Unpacked, spool};
use detect::HEAD;
use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// An input format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A plain text file, one article.
    Text,
    /// A Markdown file, one article.
    Markdown,
    /// An HTML page, one article.
    Html,
    /// JSON: an array, objects one after another, or one object.
    Json,
    /// A JSON object a line, an article each.
    Jsonl,
    /// Comma-separated values with a header, an article a row.
    Csv,
    /// Tab-separated values with a header, an article a row.
    Tsv,
    /// Parquet, an article a row.
    Parquet,
    /// RSS, Atom or a WordPress export, an article an item.
    Feed,
    /// An e-mail, one article.
    Email,
    /// A mailbox, an article a mail.
    Mbox,
    /// A page saved with its parts (MHTML), one article.
    Mhtml,
    /// A Word document, one article.
    Docx,
    /// A PDF file with text, one article.
    Pdf,
    /// A web archive (WARC, WET), an article a page.
    Warc,
    /// Newswire in SGML, as Reuters-21578 and TREC have it, an article a document.
    Sgml,
    /// A zip archive of files.
    Zip,
    /// A tar archive of files.
    Tar,
}

/// Every format with its names, which are also the endings of files; the first stands in messages.
const NAMES: &[(Format, &[&str])] = &[
    (Format::Text, &["txt", "text"]),
    (Format::Markdown, &["md", "markdown"]),
    (Format::Html, &["html", "htm", "xhtml", "shtml"]),
    (Format::Json, &["json"]),
    (Format::Jsonl, &["jsonl", "ndjson"]),
    (Format::Csv, &["csv"]),
    (Format::Tsv, &["tsv", "tab"]),
    (Format::Parquet, &["parquet"]),
    (Format::Feed, &["xml", "rss", "atom", "rdf", "feed", "wxr"]),
    (Format::Email, &["eml", "email"]),
    (Format::Mbox, &["mbox"]),
    (Format::Mhtml, &["mhtml", "mht"]),
    (Format::Docx, &["docx", "docm"]),
    (Format::Pdf, &["pdf"]),
    (Format::Warc, &["warc", "wet"]),
    (Format::Sgml, &["sgm", "sgml"]),
    (Format::Zip, &["zip"]),
    (Format::Tar, &["tar"]),
];

impl Format {
    /// The format by a name as in `--format`.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        NAMES
            .iter()
            .find(|(_, names)| names.contains(&name.as_str()))
            .map(|(format, _)| *format)
    }

    /// The names of all formats, as a sentence of a message.
    pub fn list() -> String {
        let names: Vec<&str> = NAMES.iter().map(|(_, names)| names[0]).collect();
        format!(
            "formats are {} (xml is RSS, Atom or a WordPress export), each also packed as .gz, .bz2, .xz or .zst",
            names.join(", ")
        )
    }

    /// The format that a file's name says, if it says any; packed or not.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let (name, _) = Compression::strip(&name);
        let (_, ending) = name.rsplit_once('.')?;
        // wget keeps what stood behind the name in the address: `index.html?p=3`, `index.html@p=3`.
        let ending = ending.split(['?', '@']).next().unwrap_or(ending);
        Self::from_name(ending)
    }

    /// Whether it holds files.
    fn is_archive(self) -> bool {
        matches!(self, Self::Zip | Self::Tar)
    }

    /// Whether it is read from any place in a file and not from its beginning to its end.
    fn needs_file(self) -> bool {
        matches!(self, Self::Parquet | Self::Docx | Self::Pdf | Self::Zip)
    }
}

/// One input being read: where it is and what was said about it already.
pub(crate) struct Context<'a> {
    /// The input as messages name it.
    pub path: &'a str,
    /// Where its articles come from: an absolute path, or `-`.
    pub origin: &'a str,
    /// The id of a file that is one article.
    pub file_id: Option<String>,
    pub columns: &'a Columns,
    pub sink: &'a mut dyn Sink,
    /// Whether it is a file of an archive.
    inside: bool,
    reported: HashSet<Vec<String>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        path: &'a str,
        origin: &'a str,
        file_id: Option<String>,
        columns: &'a Columns,
        sink: &'a mut dyn Sink,
    ) -> Self {
        Self {
            path,
            origin,
            file_id,
            columns,
            sink,
            inside: false,
            reported: HashSet::new(),
        }
    }

    pub(super) fn bad(&mut self, row: Option<u64>, message: impl Into<String>) -> Result<()> {
        self.sink.bad(Error::input(self.path, row, message))
    }

    /// Reports the columns of this input, once for each set of them.
    pub(super) fn report(&mut self, mapping: &Mapping) {
        let report: ColumnReport = mapping.report(self.path);
        let names: Vec<String> = report.roles.iter().map(|(_, name)| name.clone()).collect();
        if self.reported.len() < 8 && self.reported.insert(names) {
            self.sink.note(Note::Columns(report));
        }
    }

    fn report_encoding(&mut self, decoder: &Decoder) {
        if let Some(encoding) = decoder.other_than_utf8() {
            self.sink.note(Note::Encoding {
                path: self.path.to_string(),
                encoding,
            });
        }
    }
}

/// Reads a file: as `given`, else as its name and its contents say.
pub(crate) fn read_file(
    path: &Path,
    given: Option<Format>,
    context: &mut Context<'_>,
) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
    // A named pipe has no length and no places to go to.
    let file_again = if metadata.is_file() {
        if metadata.len() == 0 {
            return context.bad(None, "the file is empty");
        }
        Some(file.try_clone().map_err(|e| Error::io(path, e))?)
    } else {
        None
    };
    let hints = Hints {
        given,
        named: Format::of(path),
        file: file_again,
    };
    read_source(file, hints, context)
}

/// Reads standard input, or whatever else is a stream: as `given`, else as its first bytes say.
pub(crate) fn read_unnamed(
    stream: impl Read,
    given: Option<Format>,
    context: &mut Context<'_>,
) -> Result<()> {
    let hints = Hints {
        given,
        ..Hints::default()
    };
    read_source(stream, hints, context)
}

/// What is known of a stream before it is looked at.
#[derive(Default)]
struct Hints {
    /// The format that the user says.
    given: Option<Format>,
    /// The format that its name says.
    named: Option<Format>,
    /// The file whose bytes it gives, where they are a file's.
    file: Option<File>,
}

/// Reads any stream. An error while it is read or unpacked is one problem of this input, told after
/// the articles before it.
fn read_source(stream: impl Read, hints: Hints, context: &mut Context<'_>) -> Result<()> {
    let stream = match Unpacked::new(stream) {
        Ok(stream) => stream,
        Err(e) => return context.bad(None, format!("cannot be read ({e})")),
    };
    let health = stream.health();
    let mut watched = Watched {
        inner: &mut *context.sink,
        path: context.path,
        health: &health,
        met: Rc::default(),
        said: false,
        stopped: false,
    };
    let met = watched.met.clone();
    let mut inner = Context {
        path: context.path,
        origin: context.origin,
        file_id: context.file_id.clone(),
        columns: context.columns,
        sink: &mut watched,
        inside: context.inside,
        reported: HashSet::new(),
    };
    let outcome = read_unpacked(stream, hints, met, &mut inner);
    let (said, stopped) = (watched.said, watched.stopped);
    if stopped {
        return outcome;
    }
    if health.damage().is_none() {
        if health.trailing() {
            context.sink.note(Note::Ignored {
                path: context.path.to_string(),
                what: "what stands after the end of the compressed data".to_string(),
            });
        }
        return outcome;
    }
    match health.damage() {
        Some(damage) if !said => context.bad(None, damage),
        _ => Ok(()),
    }
}

fn read_unpacked(
    stream: Unpacked<'_>,
    hints: Hints,
    met: Rc<Cell<bool>>,
    context: &mut Context<'_>,
) -> Result<()> {
    let (health, compressed) = (stream.health(), stream.was_compressed());
    let (head, stream) = look(stream, HEAD, context.path)?;
    if head.is_empty() {
        return context.bad(None, "the input is empty");
    }
    let name = context.path.to_lowercase();
    let format = match detect::format(hints.given, hints.named, &name, &head) {
        Ok(format) => format,
        Err(message) => return context.bad(None, message),
    };
    if format.is_archive() && context.inside {
        return context.bad(
            None,
            "an archive within an archive, which is not opened; unpack it first",
        );
    }
    if format.needs_file() {
        let file = match hints.file {
            Some(file) if !compressed => file,
            _ => spool(stream, &health, compressed).map_err(|e| match health.damage() {
                Some(_) => Error::io(context.path, e),
                None => Error::io(std::env::temp_dir(), e),
            })?,
        };
        return match format {
            Format::Parquet => parquet::read(file, context),
            Format::Pdf => pdf::read(file, context),
            // A Word document is a zip file, and which of both it is stands in it.
            _ => archives::read_zip(file, format, hints.given, context),
        };
    }
    let stream = Met { inner: stream, met };
    match format {
        Format::Tar => archives::read_tar(stream, hints.given, context),
        Format::Warc => warc::read(BufReader::with_capacity(1 << 16, stream), context),
        Format::Email => mail::read(stream, context),
        Format::Mhtml => mail::read_mhtml(stream, context),
        Format::Mbox => mail::read_mbox(BufReader::with_capacity(1 << 16, stream), context),
        _ => read_stream(stream, format, context),
    }
}

/// Reads a file of an archive.
fn read_member(
    stream: impl Read,
    name: &str,
    given: Option<Format>,
    context: &mut Context<'_>,
) -> Result<()> {
    let named = Format::of(Path::new(name));
    let path = format!("{}/{name}", context.path);
    if named.or(given).is_none() {
        context.sink.note(Note::LeftOut { path });
        return Ok(());
    }
    let origin = format!("{}/{name}", context.origin);
    let mut member = Context {
        path: &path,
        origin: &origin,
        file_id: context.file_id.as_ref().map(|id| format!("{id}/{name}")),
        columns: context.columns,
        sink: &mut *context.sink,
        inside: true,
        reported: HashSet::new(),
    };
    // As in a folder, what the user says is of the names that say nothing.
    let hints = Hints {
        given: given.filter(|_| named.is_none()),
        named,
        file: None,
    };
    read_source(stream, hints, &mut member)
}

/// The sink of one input, which knows what is wrong with the input's stream.
struct Watched<'a> {
    inner: &'a mut dyn Sink,
    path: &'a str,
    health: &'a Health,
    /// Whether the reader has come to the damage.
    met: Rc<Cell<bool>>,
    /// Whether the damage was told.
    said: bool,
    /// Whether the sink itself ended the reading.
    stopped: bool,
}

impl Sink for Watched<'_> {
    fn article(&mut self, article: Article) -> Result<()> {
        let outcome = self.inner.article(article);
        self.stopped |= outcome.is_err();
        outcome
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        // What a reader says of the place where its stream breaks off is the stream's fault, and
        // told once.
        let problem = match self.health.damage() {
            Some(_) if self.met.get() && self.said => return Ok(()),
            Some(damage) if self.met.get() => {
                self.said = true;
                Error::input(self.path, None, damage)
            }
            _ => problem,
        };
        let outcome = self.inner.bad(problem);
        self.stopped |= outcome.is_err();
        outcome
    }

    fn note(&mut self, note: Note) {
        self.inner.note(note);
    }
}

/// A stream that marks when its reader comes to an error.
struct Met<R> {
    inner: R,
    met: Rc<Cell<bool>>,
}

impl<R: Read> Read for Met<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|_| self.met.set(true))
    }
}

/// The first bytes of a stream, as many as there are up to `most`, and the whole stream.
/// One read may bring fewer than there are: pipes and decoders give what they have. An error
/// behind some bytes is met again by whoever reads on, as [`Unpacked`] promises.
fn look<R: Read>(mut stream: R, most: usize, path: &str) -> Result<(Vec<u8>, impl Read + use<R>)> {
    let mut head = Vec::new();
    let outcome = stream.by_ref().take(most as u64).read_to_end(&mut head);
    if let Err(e) = outcome
        && head.is_empty()
    {
        return Err(Error::io(path, e));
    }
    Ok((head.clone(), io::Cursor::new(head).chain(stream)))
}

fn read_stream(stream: Met<impl Read>, format: Format, context: &mut Context<'_>) -> Result<()> {
    let Met { inner, met } = stream;
    // UTF-16 with its mark becomes UTF-8 here; every other byte passes unchanged.
    let stream = encoding_rs_io::DecodeReaderBytesBuilder::new()
        .utf8_passthru(true)
        .strip_bom(true)
        .bom_override(true)
        .build(inner);
    let (sample, inner) = look(stream, SAMPLE, context.path)?;
    let stream = BufReader::with_capacity(1 << 16, Met { inner, met });
    if sample.iter().all(u8::is_ascii_whitespace) && sample.len() < SAMPLE {
        return context.bad(None, "the file is empty");
    }
    if looks_binary(&sample) {
        return context.bad(None, format!("a binary file, not text; {}", Format::list()));
    }
    let mut decoder = Decoder::for_sample(&sample);
    if format == Format::Feed {
        return feeds::read(stream, &sample, &decoder, context);
    }
    drop(sample);
    context.report_encoding(&decoder);
    match format {
        Format::Markdown => markdown::read(stream, &mut decoder, context),
        Format::Html => html::read(stream, &mut decoder, context),
        Format::Json | Format::Jsonl => jsonl::read(stream, &mut decoder, context),
        Format::Csv => table::read(stream, b',', &mut decoder, context),
        Format::Tsv => table::read(stream, b'\t', &mut decoder, context),
        Format::Sgml => sgml::read(stream, &mut decoder, context),
        // Every other format is read before it comes here.
        _ => text::read(stream, &mut decoder, context),
    }
}

/// The longest file that is read as one article, and the longest line of JSON, in bytes.
const LONGEST: u64 = 64 << 20;

/// A stream that fails when a record goes on for longer than [`LONGEST`] bytes: with a quote that is
/// never closed, all of a file would be one record in memory.
struct Bounded<R> {
    inner: R,
    since_record: Rc<Cell<u64>>,
}

impl<R> Bounded<R> {
    /// The stream, and the count of bytes since the last record began, to be set to 0 at each.
    fn new(inner: R) -> (Self, Rc<Cell<u64>>) {
        let since_record = Rc::new(Cell::new(0));
        let count = since_record.clone();
        let bounded = Self {
            inner,
            since_record,
        };
        (bounded, count)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_record.get() > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let n = self.inner.read(buffer)?;
        self.since_record.set(self.since_record.get() + n as u64);
        Ok(n)
    }
}

/// Reads a whole file that is one article; `None` after having called it bad.
fn whole(stream: impl Read, context: &mut Context<'_>) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    stream
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(context.path, e))?;
    if bytes.len() as u64 > LONGEST {
        context.bad(None, "longer than 64 MiB, which is no one article; for many articles use jsonl, csv or parquet")?;
        return Ok(None);
    }
    Ok(Some(bytes))
}
