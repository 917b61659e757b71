//! The input formats, a file for each.

mod html;
mod json;
mod markdown;
mod parquet;
mod table;
mod text;
mod window;

pub use table::TableOptions;

use super::columns::{ColumnReport, Columns, Mapping};
use super::decode::{Decoder, SAMPLE, looks_binary};
use super::inputs::{Note, Sink};
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// An input format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A plain text file, one article.
    Text,
    /// A Markdown file, one article.
    Markdown,
    /// An HTML page, one article.
    Html,
    /// JSON, an object for each article: one a line, one after the other, or in a list.
    Jsonl,
    /// Comma-separated values, or with another delimiter, an article a row.
    Csv,
    /// Tab-separated values, an article a row.
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
            "jsonl" | "ndjson" | "json" => Format::Jsonl,
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
    /// How tables in text form are read.
    pub table: TableOptions,
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
            table: TableOptions::default(),
            reported: HashSet::new(),
        }
    }

    pub(super) fn bad(&mut self, row: Option<u64>, message: impl Into<String>) -> Result<()> {
        self.sink.bad(Error::input(self.path, row, message))
    }

    /// Reports the columns of this input, once for each set of them.
    pub(super) fn report(&mut self, mapping: &Mapping) {
        self.report_at(mapping.report(self.path));
    }

    /// The same for a list in this input.
    fn report_in(&mut self, mapping: &Mapping, list: &str) {
        self.report_at(mapping.report(&format!("{}, list {list}", self.path)));
    }

    fn report_at(&mut self, report: ColumnReport) {
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
    let rows = matches!(format, Format::Jsonl | Format::Csv | Format::Tsv);
    if looks_binary(&sample) && !(rows && is_text_with_nul(&sample)) {
        return context.bad(None, "a binary file, not text; formats are txt, md, html, jsonl, csv, tsv and parquet, each also .gz or .zst");
    }
    let mut decoder = Decoder::for_sample(&sample);
    drop(sample);
    context.report_encoding(&decoder);
    match format {
        Format::Text => text::read(stream, &mut decoder, context),
        Format::Markdown => markdown::read(stream, &mut decoder, context),
        Format::Html => html::read(stream, &mut decoder, context),
        Format::Jsonl => json::read(stream, &mut decoder, context),
        Format::Csv => table::read(stream, b',', &mut decoder, context),
        Format::Tsv => table::read(stream, b'\t', &mut decoder, context),
        // Parquet is no stream: both callers have taken it before.
        Format::Parquet => context.bad(None, "Parquet inside another stream is not read"),
    }
}

/// Whether a sample is text but for some stray NUL bytes, which readers of rows drop.
fn is_text_with_nul(sample: &[u8]) -> bool {
    let text: Vec<u8> = sample.iter().copied().filter(|b| *b != 0).collect();
    // Text in UTF-16 has as many of them as letters.
    (sample.len() - text.len()) * 20 < sample.len() && !looks_binary(&text)
}

/// The longest file that is read as one article, and the longest record of a table or object of
/// JSON, in bytes. Books have a few million.
const LONGEST: u64 = 64 << 20;

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
