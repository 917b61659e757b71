//! The input formats, a file for each.

mod html;
mod jsonl;
mod markdown;
mod parquet;
mod table;
mod text;

use super::columns::{ColumnReport, Columns, Mapping, Tally};
use super::decode::{Decoder, SAMPLE, looks_binary, unmarked};
use super::inputs::{Note, Sink};
use crate::error::{Error, Result};
use encoding_rs::Encoding;
use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// An input format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A plain text file, one article.
    Text,
    /// A Markdown file, one article.
    Markdown,
    /// An HTML page, one article.
    Html,
    /// A JSON object a line, an article each.
    Jsonl,
    /// Comma-separated values with a header, an article a row.
    Csv,
    /// Tab-separated values with a header, an article a row.
    Tsv,
    /// Parquet, an article a row.
    Parquet,
}

/// How many bytes tell a stream's compression and format.
const HEAD: usize = 512;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Format {
    /// The format by a name as in `--format`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "txt" | "text" => Format::Text,
            "md" | "markdown" => Format::Markdown,
            "html" | "htm" | "xhtml" => Format::Html,
            "jsonl" | "ndjson" => Format::Jsonl,
            "csv" => Format::Csv,
            "tsv" => Format::Tsv,
            "parquet" => Format::Parquet,
            _ => return None,
        })
    }

    /// The format and compression that a file's name says, if it says any.
    pub(crate) fn of(path: &Path) -> (Option<Self>, Compression) {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let (name, compression) = if let Some(stem) = name.strip_suffix(".gz") {
            (stem, Compression::Gzip)
        } else if let Some(stem) = name.strip_suffix(".zst") {
            (stem, Compression::Zstd)
        } else {
            (name.as_str(), Compression::None)
        };
        let format = name
            .rsplit_once('.')
            .and_then(|(_, extension)| Self::from_name(extension));
        (format, compression)
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
    reported: HashSet<Vec<String>>,
    /// What could not be used of its columns; told when the input ends.
    tally: Rc<Tally>,
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
            reported: HashSet::new(),
            tally: Rc::default(),
        }
    }

    pub(super) fn bad(&mut self, row: Option<u64>, message: impl Into<String>) -> Result<()> {
        self.sink.bad(Error::input(self.path, row, message))
    }

    /// Reports the columns of this input, once for each set of them.
    pub(super) fn report(&mut self, mapping: &Mapping) {
        self.count(mapping);
        let report: ColumnReport = mapping.report(self.path);
        let names: Vec<String> = report.roles.iter().map(|(_, name)| name.clone()).collect();
        if self.reported.len() < 8 && self.reported.insert(names) {
            self.sink.note(Note::Columns(report));
        }
    }

    /// Counts what cannot be used of these columns.
    pub(super) fn count(&self, mapping: &Mapping) {
        mapping.count_in(&self.tally);
    }

    fn report_encoding(&mut self, decoder: &Decoder) {
        if let Some(encoding) = decoder.other_than_utf8() {
            self.sink.note(Note::Encoding {
                path: self.path.to_string(),
                encoding,
            });
        }
        let count = decoder.replaced();
        if count > 0 {
            self.sink.note(Note::Replaced {
                path: self.path.to_string(),
                count,
            });
        }
    }
}

impl Drop for Context<'_> {
    /// What was counted is told once, however the reading ended.
    fn drop(&mut self) {
        for (role, count, example) in self.tally.take() {
            self.sink.note(Note::Unused {
                path: self.path.to_string(),
                role,
                count,
                example,
            });
        }
    }
}

/// Reads a file of a known format.
pub(crate) fn read_file(
    path: &Path,
    format: Format,
    compression: Compression,
    context: &mut Context<'_>,
) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    if file.metadata().map_err(|e| Error::io(path, e))?.len() == 0 {
        return context.bad(None, "the file is empty");
    }
    if format == Format::Parquet {
        if compression == Compression::None {
            return parquet::read(file, context);
        }
        let mut plain = tempfile::tempfile().map_err(|e| Error::io(std::env::temp_dir(), e))?;
        io::copy(&mut decompress(file, compression, path)?, &mut plain)
            .map_err(|e| Error::io(path, e))?;
        return parquet::read(plain, context);
    }
    read_stream(decompress(file, compression, path)?, format, context)
}

/// Reads standard input, or whatever else is a stream. Gzip and Zstandard are recognised by
/// their first bytes; a stream that begins with `{` is JSON lines unless `format` says
/// otherwise.
pub(crate) fn read_unnamed(
    stream: impl Read + 'static,
    format: Option<Format>,
    context: &mut Context<'_>,
) -> Result<()> {
    let (head, stream) = look(stream, HEAD, context.path)?;
    let compression = match head.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    };
    let path = Path::new(context.path).to_path_buf();
    let plain = decompress(stream, compression, &path)?;
    let (head, mut stream) = look(plain, HEAD, context.path)?;
    if head.is_empty() {
        return context.bad(None, "the input is empty");
    }
    let format = format.unwrap_or_else(|| {
        let first = head.iter().find(|b| !b.is_ascii_whitespace());
        if first == Some(&b'{') {
            Format::Jsonl
        } else if head.starts_with(b"PAR1") {
            Format::Parquet
        } else {
            Format::Text
        }
    });
    if format == Format::Parquet {
        let mut plain = tempfile::tempfile().map_err(|e| Error::io(std::env::temp_dir(), e))?;
        io::copy(&mut stream, &mut plain).map_err(|e| Error::io(&path, e))?;
        return parquet::read(plain, context);
    }
    read_stream(stream, format, context)
}

/// The first bytes of a stream, as many as there are up to `most`, and the whole stream.
/// One read may bring fewer than there are: pipes and decoders give what they have.
fn look<R: Read>(mut stream: R, most: usize, path: &str) -> Result<(Vec<u8>, impl Read + use<R>)> {
    let mut head = Vec::new();
    stream
        .by_ref()
        .take(most as u64)
        .read_to_end(&mut head)
        .map_err(|e| Error::io(path, e))?;
    Ok((head.clone(), io::Cursor::new(head).chain(stream)))
}

fn decompress<R: Read + 'static>(
    stream: R,
    compression: Compression,
    path: &Path,
) -> Result<Box<dyn Read>> {
    Ok(match compression {
        Compression::None => Box::new(stream),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(stream)),
        Compression::Zstd => Box::new(zstd::Decoder::new(stream).map_err(|e| Error::io(path, e))?),
    })
}

fn read_stream(stream: impl Read, format: Format, context: &mut Context<'_>) -> Result<()> {
    // UTF-16 with its mark becomes UTF-8 here; every other byte passes unchanged.
    let stream = encoding_rs_io::DecodeReaderBytesBuilder::new()
        .utf8_passthru(true)
        .strip_bom(true)
        .bom_override(true)
        .build(stream);
    let (sample, stream) = look(stream, SAMPLE, context.path)?;
    let stream = BufReader::with_capacity(1 << 16, stream);
    if sample.iter().all(u8::is_ascii_whitespace) && sample.len() < SAMPLE {
        return context.bad(None, "the file is empty");
    }
    if looks_binary(&sample) {
        return context.bad(None, "a binary file, not text; formats are txt, md, html, jsonl, csv, tsv and parquet, each also .gz or .zst");
    }
    let stream = match unmarked(&sample) {
        Some(encoding) => decoded(stream, encoding, context),
        None => Box::new(stream) as Box<dyn BufRead>,
    };
    let mut decoder = Decoder::for_sample(&sample);
    drop(sample);
    let outcome = match format {
        Format::Text => text::read(stream, &mut decoder, context),
        Format::Markdown => markdown::read(stream, &mut decoder, context),
        Format::Html => html::read(stream, &mut decoder, context),
        Format::Jsonl => jsonl::read(stream, &mut decoder, context),
        Format::Csv => table::read(stream, b',', &mut decoder, context),
        Format::Tsv => table::read(stream, b'\t', &mut decoder, context),
        // Parquet is no stream: both callers have taken it before.
        Format::Parquet => context.bad(None, "Parquet inside another stream is not read"),
    };
    context.report_encoding(&decoder);
    outcome
}

/// A stream in an encoding whose bytes look like others', as UTF-8.
fn decoded<'r>(
    stream: impl Read + 'r,
    encoding: &'static Encoding,
    context: &mut Context<'_>,
) -> Box<dyn BufRead + 'r> {
    context.sink.note(Note::Encoding {
        path: context.path.to_string(),
        encoding: encoding.name(),
    });
    let stream = encoding_rs_io::DecodeReaderBytesBuilder::new()
        .encoding(Some(encoding))
        .build(stream);
    Box::new(BufReader::with_capacity(1 << 16, stream))
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
