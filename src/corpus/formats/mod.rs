//! The input formats, a file for each.
//!
//! An input comes as a stream. `compression` takes its packing off, `detect` tells its format, and the
//! format's reader hands its articles to the sink; an archive's members go the same way again.

mod answers;
mod archives;
mod bounded;
mod compression;
mod cut_zip;
mod detect;
mod docx;
mod downloads;
mod feeds;
mod foreign;
mod format;
mod given;
pub(in crate::corpus) mod html;
mod json;
pub(super) mod mail;
pub(super) mod mail_text;
pub(super) mod markdown;
mod markup;
mod mbox;
mod member_names;
mod members;
mod parquet;
mod pdf;
#[cfg(feature = "documents")]
mod pdf_bounds;
mod recode;
mod records;
mod repeats;
#[cfg(feature = "documents")]
mod running_heads;
mod sgml;
mod subtitles;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod warc;
mod warc_records;
mod watched;
mod wiki;
mod window;
mod xml;

pub use table::TableOptions;

use super::article::Article;
use super::columns::{ColumnReport, Mapping, Role, Tally, Unread};
use super::dates::is_no_date;
use super::decode::{Decoder, SAMPLE, looks_binary, unmarked};
use super::inputs::{Note, ReadOptions, Sink};
use crate::error::{Error, Result};
use compression::{Compression, Unpacked, spool};
use detect::HEAD;
use encoding_rs::Encoding;
pub use format::Format;
pub use given::TextEncoding;
use recode::Recoded;
use repeats::Ids;
use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;
use watched::{Met, Watched};

/// One input being read: where it is and what was said about it already.
pub(crate) struct Context<'a> {
    /// The input as messages name it.
    pub path: &'a str,
    /// Where its articles come from: an absolute path, or `-`.
    pub origin: &'a str,
    /// The id of a file that is one article.
    pub file_id: Option<String>,
    /// How it is read.
    pub options: &'a ReadOptions,
    pub sink: &'a mut dyn Sink,
    /// Whether it is a file of an archive.
    inside: bool,
    reported: HashSet<Vec<String>>,
    /// What could not be used of its columns; told when the input ends.
    tally: Rc<Tally>,
    /// The ids that its articles brought along.
    ids: Ids,
    /// Rows of which nothing but a mark is left.
    gone: u64,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        path: &'a str,
        origin: &'a str,
        file_id: Option<String>,
        options: &'a ReadOptions,
        sink: &'a mut dyn Sink,
    ) -> Self {
        Self {
            path,
            origin,
            file_id,
            options,
            sink,
            inside: false,
            reported: HashSet::new(),
            tally: Rc::default(),
            ids: Ids::default(),
            gone: 0,
        }
    }

    /// Says what is wrong with a row. Those whose text was removed are counted, and told at the end.
    pub(super) fn bad(&mut self, row: Option<u64>, why: impl Into<Unread>) -> Result<()> {
        match why.into() {
            Unread::Removed => {
                self.gone += 1;
                Ok(())
            }
            Unread::Bad(message) => self.sink.bad(Error::input(self.path, row, message)),
        }
    }

    /// Says that the input is of no known format.
    fn left_out(&mut self) -> Result<()> {
        self.sink.incomplete(self.origin);
        self.sink.note(Note::LeftOut {
            path: self.path.to_string(),
        });
        Ok(())
    }

    /// Hands on a document that says its date in words of its own; see [`Context::item`]. One that nobody
    /// reads is counted.
    fn document(&mut self, article: Article, row: u64) -> Result<()> {
        self.count_date(&article);
        self.hand_on(article, row, false)
    }

    /// Hands on one of several articles, which stands in this row of the input. Nobody chose their ids:
    /// where one comes again it is told apart.
    fn item(&mut self, article: Article, row: u64) -> Result<()> {
        self.hand_on(article, row, self.options.keep_ids)
    }

    fn hand_on(&mut self, mut article: Article, row: u64, keep_id: bool) -> Result<()> {
        article.origin = self.origin.to_string();
        article.row = Some(row);
        if keep_id || self.ids.admit(&mut article) {
            self.sink.article(article)?;
        }
        Ok(())
    }

    /// Counts the date of an article that nobody reads, and that was kept as metadata.
    fn count_date(&self, article: &Article) {
        let said = article.meta.get("date").and_then(|date| date.as_str());
        if let Some(said) = said.filter(|said| article.date.is_none() && !is_no_date(said)) {
            self.tally.count(Role::Date, said);
        }
    }

    /// Reports the columns of this input, once for each set of them.
    pub(super) fn report(&mut self, mapping: &Mapping) {
        self.count(mapping);
        self.report_at(mapping.report(self.path));
    }

    /// The same for a list in this input.
    fn report_in(&mut self, mapping: &Mapping, list: &str) {
        self.count(mapping);
        self.report_at(mapping.report(&format!("{}, list {list}", self.path)));
    }

    fn report_at(&mut self, report: ColumnReport) {
        let names = report.roles.iter().map(|(_, name)| name.clone());
        let names: Vec<String> = names.chain([report.path.clone()]).collect();
        if self.reported.len() < 8 && self.reported.insert(names) {
            self.sink.note(Note::Columns(report));
        }
    }

    /// Counts what cannot be used of these columns.
    pub(super) fn count(&self, mapping: &Mapping) {
        mapping.count_in(&self.tally);
    }

    fn report_encoding(&mut self, decoder: &Decoder) {
        self.report_encodings(decoder.other_than_utf8(), decoder.replaced());
    }

    /// Says which encodings were found that nothing declared, and in how many places bytes were
    /// `replaced`.
    fn report_encodings(&mut self, found: impl IntoIterator<Item = &'static str>, replaced: u64) {
        for encoding in found {
            self.sink.note(Note::Encoding {
                path: self.path.to_string(),
                encoding,
            });
        }
        if replaced > 0 {
            self.sink.note(Note::Replaced {
                path: self.path.to_string(),
                count: replaced,
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
        if self.gone > 0 {
            self.sink.note(Note::Ignored {
                path: self.path.to_string(),
                what: match std::mem::take(&mut self.gone) {
                    1 => "a row whose text was removed ([deleted], [removed])".to_string(),
                    n => format!("{n} rows whose text was removed ([deleted], [removed])"),
                },
            });
        }
        let copies = self.ids.take_copies();
        if copies > 0 {
            self.sink.note(Note::Ignored {
                path: self.path.to_string(),
                what: match copies {
                    1 => "an exact copy of another article in it".to_string(),
                    n => format!("{n} exact copies of other articles in it"),
                },
            });
        }
        if let Some((count, own, id)) = self.ids.take_numbered() {
            self.sink.note(Note::Numbered {
                path: self.path.to_string(),
                count,
                own,
                id,
            });
        }
    }
}

/// Reads a file: as `given`, else as its name and its contents say. An `unsure` one is left out where
/// these do not.
pub(crate) fn read_file(
    path: &Path,
    given: Option<Format>,
    unsure: bool,
    context: &mut Context<'_>,
) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
    // A named pipe has no length and no places to go to.
    let file_again = if metadata.is_file() {
        if metadata.len() == 0 && unsure {
            return context.left_out();
        }
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
        unsure,
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
    /// Whether it is left out where its contents do not tell its format.
    unsure: bool,
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
    let file_id = context.file_id.clone();
    let (path, origin) = (context.path, context.origin);
    let mut inner = Context::new(path, origin, file_id, context.options, &mut watched);
    inner.inside = context.inside;
    let outcome = read_unpacked(stream, hints, met, &mut inner);
    drop(inner);
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
    let (head, rest) = look(stream, HEAD, context.path)?;
    if head.is_empty() {
        return context.bad(None, "the input is empty");
    }
    let (head, stream): (_, Box<dyn Read + '_>) = match Recoded::of(&head) {
        None => (head.clone(), Box::new(head.before(rest))),
        Some(encoding) => {
            let Some(bytes) = whole(head.before(rest), context)? else {
                return Ok(());
            };
            context.sink.note(Note::Encoding {
                path: context.path.to_string(),
                encoding: encoding.name(),
            });
            let text = encoding.utf8(&bytes);
            let head = text[..text.len().min(HEAD)].to_vec();
            (Head(head.into()), Box::new(io::Cursor::new(text)))
        }
    };
    let name = context.path.to_lowercase();
    let format = match detect::format(hints.given, hints.named, &name, &head) {
        // Nothing but a name makes a text of bytes with a NUL among them.
        Ok(Format::Text)
            if hints.unsure
                && head.contains(&0)
                && Encoding::for_bom(&head).is_none()
                && unmarked(&head).is_none() =>
        {
            return context.left_out();
        }
        // Its name says no more than that it is packed, which a server's answer is not.
        Ok(Format::Html) if hints.named.is_none() && !compressed && Compression::strip(&name).1 => {
            let message = "a page of HTML, not the packed file that its name says (a server's answer?); rename it if it is an article";
            return context.bad(None, message);
        }
        Ok(format) => format,
        Err(_) if hints.unsure => return context.left_out(),
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
        Format::Tar => archives::read_tar(stream, hints.file, hints.given, context),
        Format::Warc => warc::read(BufReader::with_capacity(1 << 16, stream), context),
        Format::Email => mail::read(stream, context),
        Format::Mhtml => mail::read_mhtml(stream, context),
        Format::Mbox => mbox::read(BufReader::with_capacity(1 << 16, stream), context),
        _ => read_stream(stream, &head, format, context),
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
    let origin = format!("{}/{name}", context.origin);
    let file_id = context.file_id.as_ref().map(|id| format!("{id}/{name}"));
    let mut member = Context::new(&path, &origin, file_id, context.options, &mut *context.sink);
    member.inside = true;
    // As in a folder, what the user says is of the names that say nothing.
    let hints = Hints {
        given: given.filter(|_| named.is_none()),
        named,
        file: None,
        unsure: named.or(given).is_none(),
    };
    read_source(stream, hints, &mut member)
}

/// So much room a stream's bytes are given at first, so that a small file's need no more.
const BUFFER: usize = 64 << 10;

/// The first bytes of a stream, as many as there are up to `most`, and the rest of it.
/// One read may bring fewer than there are: pipes and decoders give what they have. An error
/// behind some bytes is met again by whoever reads on, as [`Unpacked`] promises.
fn look<R: Read>(mut stream: R, most: usize, path: &str) -> Result<(Head, R)> {
    let mut head = Vec::with_capacity(most.min(BUFFER));
    let outcome = stream.by_ref().take(most as u64).read_to_end(&mut head);
    if let Err(e) = outcome
        && head.is_empty()
    {
        return Err(Error::io(path, e));
    }
    Ok((Head(head.into()), stream))
}

/// The first bytes of a stream. Clones are the same bytes.
#[derive(Clone)]
struct Head(Rc<Vec<u8>>);

impl Head {
    /// The whole stream: these, and the rest of it.
    fn before<R: Read>(self, rest: R) -> io::Chain<io::Cursor<Self>, R> {
        io::Cursor::new(self).chain(rest)
    }
}

impl AsRef<[u8]> for Head {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A stream that begins so without its mark: UTF-16 with one becomes UTF-8 here. Every other byte passes
/// unchanged, and where there is none the stream is as it is.
fn without_mark<'r>(stream: impl Read + 'r, head: &[u8]) -> Box<dyn Read + 'r> {
    if Encoding::for_bom(head).is_none() {
        return Box::new(stream);
    }
    Box::new(
        encoding_rs_io::DecodeReaderBytesBuilder::new()
            .utf8_passthru(true)
            .strip_bom(true)
            .bom_override(true)
            .build(stream),
    )
}

fn read_stream(
    stream: Met<impl Read>,
    head: &[u8],
    format: Format,
    context: &mut Context<'_>,
) -> Result<()> {
    let Met { inner, met } = stream;
    let stream = without_mark(inner, head);
    let (sample, inner) = look(stream, SAMPLE, context.path)?;
    // A buffer is zeroed first; a small file needs a small one.
    let capacity = sample.len().clamp(1 << 10, 1 << 16);
    let stream = sample.clone().before(Met { inner, met });
    let stream = BufReader::with_capacity(capacity, stream);
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    if sample.iter().all(blank) && sample.len() < SAMPLE {
        return context.bad(None, "the file is empty");
    }
    let rows = matches!(
        format,
        Format::Json | Format::Jsonl | Format::Csv | Format::Tsv
    );
    if looks_binary(&sample) && !(rows && is_text_with_nul(&sample)) {
        return context.bad(None, format!("a binary file, not text; {}", Format::list()));
    }
    let given = context.options.encoding;
    // What its mark says was heard before.
    let given = given.filter(|_| Encoding::for_bom(head).is_none());
    let mut replaced = None;
    let encoding = given.or_else(|| unmarked(&sample).map(TextEncoding));
    let (stream, sample) = match encoding {
        Some(encoding) => {
            let (stream, count) = given::decoded(stream, encoding);
            if given.is_some() {
                replaced = Some(count);
            } else {
                context.sink.note(Note::Encoding {
                    path: context.path.to_string(),
                    encoding: encoding.name(),
                });
            }
            // What looks at the beginning sees what the stream gives.
            let sample = encoding.0.decode_without_bom_handling(&sample).0;
            let sample = Head(sample.into_owned().into_bytes().into());
            let stream = BufReader::with_capacity(1 << 16, stream);
            (Box::new(stream) as Box<dyn BufRead>, sample)
        }
        None => (Box::new(stream) as Box<dyn BufRead>, sample),
    };
    let mut decoder = Decoder::for_sample(&sample);
    let outcome = match format {
        Format::Feed => feeds::read(stream, &sample, &mut decoder, context),
        Format::Wiki => wiki::read(stream, &sample, &mut decoder, context),
        Format::Records => records::read(stream, &sample, &mut decoder, context),
        _ => {
            drop(sample);
            read_text(stream, format, &mut decoder, context)
        }
    };
    context.report_encoding(&decoder);
    let replaced = replaced.map_or(0, |count| count.get());
    context.report_encodings([], replaced);
    outcome
}

fn read_text(
    stream: impl BufRead,
    format: Format,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    match format {
        Format::Markdown => markdown::read(stream, decoder, context),
        Format::Html => html::read(stream, decoder, context),
        Format::Json | Format::Jsonl => json::read(stream, decoder, context),
        Format::Csv => table::read(stream, b',', decoder, context),
        Format::Tsv => table::read(stream, b'\t', decoder, context),
        Format::Sgml => sgml::read(stream, decoder, context),
        Format::Subtitles => subtitles::read(stream, decoder, context),
        // Every other format is read before it comes here.
        _ => text::read(stream, decoder, context),
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

/// What is said of a page that is something else.
fn no_article(what: &str) -> String {
    format!("no article but {what}")
}

/// What is said of one article beyond [`LONGEST`].
const TOO_LONG: &str =
    "longer than 64 MiB, which is no one article; for many articles use jsonl, csv or parquet";

/// Reads a whole file that is one article; `None` after having called it bad.
fn whole(stream: impl Read, context: &mut Context<'_>) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(BUFFER);
    stream
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(context.path, e))?;
    if bytes.len() as u64 > LONGEST {
        context.bad(None, TOO_LONG)?;
        return Ok(None);
    }
    Ok(Some(bytes))
}
