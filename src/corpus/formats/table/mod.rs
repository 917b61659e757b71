//! Tables as text: comma-separated values and their kin.

mod header;
mod record;
mod records;
mod sniff;
#[cfg(test)]
mod tests;

use super::window::Window;
use super::{Context, LONGEST};
use crate::corpus::article::Article;
use crate::corpus::columns::{Mapping, Role, Unread, proposed};
use crate::corpus::decode::Decoder;
use crate::corpus::inputs::Note;
use crate::error::{Error, Result};
use crate::line::snippet;
use header::Signs;
use record::{Dialect, Record};
use records::{Next, Records};
use serde_json::{Map, Value};
use sniff::Known;
use std::io::Read;

/// Fields of a record, at most: as many as a spreadsheet has columns. Tables of articles have
/// some tens; a row of a thousand million separators must not become as many fields.
const MOST_COLUMNS: usize = 16_384;
/// The longest row of names, in bytes. Names are kept for each row and looked at many times.
const LONGEST_HEADER: u64 = 1 << 20;
/// How much of a table its dialect is guessed from, in bytes.
const SAMPLE: usize = 1 << 18;

/// How tables in text form (CSV, TSV) are read, where it is not to be guessed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// The ASCII character between fields; guessed if `None`. A quote, a backslash and the
    /// characters of line ends cannot be one.
    pub delimiter: Option<u8>,
    /// The first row is an article as well; columns are called 1, 2, 3 and so on.
    pub no_header: bool,
}

/// Reads a table; `usual` is the delimiter that such files usually have.
pub(super) fn read(
    stream: impl Read,
    usual: u8,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let options = context.options.table;
    if let Some(b'"' | b'\\' | b'\n' | b'\r' | 0 | 0x80..) = options.delimiter {
        let message = "a quote, a backslash, a line end or what is not ASCII cannot be a delimiter";
        return Err(Error::parameter("delimiter", message));
    }
    let mut window = Window::new(stream);
    window.widen_to(SAMPLE);
    let line_end = sniff::line_end(window.bytes());
    window.set_line_end(line_end);
    let mut known = Known {
        delimiter: options.delimiter,
        usual,
        line_end,
        wide: matches!(
            decoder.other_than_utf8(),
            Some("Shift_JIS" | "GBK" | "gb18030" | "Big5")
        ),
    };
    if let Some((delimiter, length)) = declared(window.bytes()) {
        window.pass(length);
        known.delimiter.get_or_insert(delimiter);
    }
    let set = &context.options.columns;
    let named = |first: &Record, decoder: &mut Decoder| {
        !options.no_header && set.map(&names(first, decoder)).is_ok()
    };
    let guessed = |window: &Window<_>, decoder: &mut Decoder| {
        let named = |first: &Record| named(first, decoder);
        sniff::dialect(window.bytes(), window.at_end(), known, named)
    };
    let mut dialect = guessed(&window, decoder);
    let is_named = |first: &Record| named(first, decoder);
    if !options.no_header && !first_row(window.bytes(), window.at_end(), dialect, is_named) {
        // One usual name may stand in a line of any text, but not two alone between delimiters.
        let certain = |first: &Record| {
            let names = names(first, decoder);
            set.usual(&names) >= 2
                && set.map(&names).is_ok()
                && Signs::of(&names, &[]) == Signs::default()
        };
        let above = sniff::preamble(window.bytes(), window.at_end(), known, certain);
        if let Some((length, lines)) = above {
            window.pass(length);
            context.sink.note(Note::Ignored {
                path: context.path.to_string(),
                what: match lines {
                    1 => "the line above the names of the columns".to_string(),
                    n => format!("the {n} lines above the names of the columns"),
                },
            });
            dialect = guessed(&window, decoder);
        }
    }
    let (sample, eof) = (window.bytes(), window.at_end());
    let head = head(sample, eof, dialect);
    let mut columns = context.options.columns.clone();
    if options.no_header {
        let n = head.first().map_or(0, Vec::len);
        columns = header::guessed(&columns, sample, eof, dialect, n);
    }

    let limit = if options.no_header {
        LONGEST
    } else {
        LONGEST_HEADER
    };
    let mut records = Records::new(window, dialect, limit);
    let path = context.path;
    let failed = |e| Error::io(path, e);
    let mut next = records.next().map_err(failed)?;
    let line = match next {
        Next::End => return Ok(()),
        Next::Row { line } => line,
        Next::Bad { line, message } if options.no_header => {
            context.bad(Some(line), message)?;
            return context.bad(Some(line), "the first row says how many columns there are");
        }
        Next::Bad { line, message } => {
            let message = format!("{message}; this row should name the columns");
            return context.bad(Some(line), message);
        }
    };
    let mut names = if options.no_header {
        header::numbers(records.record().len())
    } else {
        names(records.record(), decoder)
    };
    let signs = match head.split_first() {
        Some((first, below)) if !options.no_header => Signs::of(first, below),
        _ => Signs::default(),
    };
    let data = signs.outweigh(columns.usual(&names));
    // R writes the names of rows in front of them, and nothing in front of the columns'.
    let row_names = !options.no_header && has_row_names(&head);
    if row_names {
        names.insert(0, String::new());
        names = header::distinct(names.into_iter());
    }
    let mapping = match columns.map(&names) {
        Ok(mapping) if !data || columns.any_set() => mapping,
        outcome => {
            let message = outcome.err().unwrap_or_default();
            let first = raw(records.record(), decoder);
            let mut sample = Vec::new();
            for _ in 0..SAMPLED {
                match records.next().map_err(failed)? {
                    Next::End => break,
                    Next::Bad { .. } => {}
                    Next::Row { .. } => sample.push(fields(&names, records.record(), decoder)),
                }
            }
            let message = proposed(message, &sample);
            let message = unusable(&first, data, message, dialect, options);
            return context.bad(Some(line), message);
        }
    };
    context.report(&mapping);
    let needed = if options.no_header {
        names.len()
    } else {
        // Names that are missing at the end may be of columns that are.
        let named = |f: Option<&[u8]>| f.is_some_and(|f| !f.trim_ascii().is_empty());
        let fields = records.record().fields();
        fields
            .enumerate()
            .filter(|(_, f)| named(*f))
            .map(|(i, _)| i + 1 + usize::from(row_names))
            .max()
            .unwrap_or(0)
    };
    let table = Table {
        header: if options.no_header {
            Vec::new()
        } else {
            bytes(records.record())
        },
        // What an article has to have; the columns behind it may be missing.
        least: names
            .iter()
            .position(|name| {
                mapping.column(Role::Text).or(mapping.column(Role::Title)) == Some(name.as_str())
            })
            .map_or(needed, |at| (at + 1).max(2))
            .min(needed),
        names,
        mapping,
    };
    let mut short: u64 = 0;
    records.expect(needed..=table.names.len(), LONGEST);
    if !options.no_header {
        next = records.next().map_err(failed)?;
    }
    loop {
        match next {
            Next::End => break,
            Next::Bad { line, message } => context.bad(Some(line), message)?,
            Next::Row { line } => match table.article(records.record(), decoder) {
                Ok(None) => {}
                Ok(Some(article)) => {
                    short += u64::from(records.record().len() < needed);
                    context.item(article, line)?;
                }
                Err(message) => context.bad(Some(line), message)?,
            },
        }
        next = records.next().map_err(failed)?;
    }
    if short > 0 {
        context.sink.note(Note::Short {
            path: context.path.to_string(),
            count: short,
        });
    }
    Ok(())
}

/// How many rows tell which column is likeliest the text, where none is called so.
const SAMPLED: usize = 20;

/// What is known of a table when its rows are read.
struct Table {
    /// The first row, as it is written.
    header: Vec<Vec<u8>>,
    /// How many fields a row has at least: as many as to its text.
    least: usize,
    names: Vec<String>,
    mapping: Mapping,
}

impl Table {
    /// The article of a record; `None` for a record of empty fields, and for the names once more, as where
    /// tables were put one behind the other.
    fn article(
        &self,
        record: &Record,
        decoder: &mut Decoder,
    ) -> std::result::Result<Option<Article>, Unread> {
        let empty = |field: Option<&[u8]>| field.is_none_or(|f| f.trim_ascii().is_empty());
        if record.fields().all(empty) || self.is_header(record) {
            return Ok(None);
        }
        let n = record.len();
        let columns = self.names.len();
        if n < self.least || record.fields().skip(columns).any(|f| !empty(f)) {
            return Err(format!(
                "{n} fields where the first row has {columns}; quote fields that hold the delimiter or a line end"
            )
            .into());
        }
        let fields = fields(&self.names, record, decoder);
        self.mapping.article(fields).map(Some)
    }

    fn is_header(&self, record: &Record) -> bool {
        let mark = "\u{feff}".as_bytes();
        !self.header.is_empty()
            && record.len() == self.header.len()
            && record.fields().zip(&self.header).all(|(field, name)| {
                let field = field.unwrap_or_default();
                field.strip_prefix(mark).unwrap_or(field) == name
            })
    }
}

/// The fields of a record as they are written.
fn bytes(record: &Record) -> Vec<Vec<u8>> {
    record
        .fields()
        .map(|field| field.unwrap_or_default().to_vec())
        .collect()
}

/// Whether the first row of a sample is one that `named` knows.
fn first_row(
    sample: &[u8],
    eof: bool,
    dialect: Dialect,
    mut named: impl FnMut(&Record) -> bool,
) -> bool {
    let mut known = false;
    sniff::each(sample, eof, dialect, |first, _| {
        known = named(first);
        false
    });
    known
}

/// The first rows of a sample as text, near enough to look at.
fn head(sample: &[u8], eof: bool, dialect: Dialect) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    sniff::each(sample, eof, dialect, |record, _| {
        let fields = record.fields().map(Option::unwrap_or_default);
        rows.push(
            fields
                .map(|field| String::from_utf8_lossy(field).into_owned())
                .collect(),
        );
        rows.len() <= SAMPLED
    });
    rows
}

/// Whether each row has one field more than the first, a number in front, and is not only ended by a
/// delimiter.
fn has_row_names(head: &[Vec<String>]) -> bool {
    let Some((first, below)) = head.split_first() else {
        return false;
    };
    let numbered = |row: &Vec<String>| row[0].parse::<u64>().is_ok();
    let last = |row: &Vec<String>| row.last().is_some_and(|field| !field.trim().is_empty());
    !below.is_empty()
        && below
            .iter()
            .all(|row| row.len() == first.len() + 1 && numbered(row))
        && first.last().is_some_and(|name| !name.trim().is_empty())
        && below.iter().any(last)
}

/// The fields of a record by name, those that hold something.
fn fields(names: &[String], record: &Record, decoder: &mut Decoder) -> Map<String, Value> {
    names
        .iter()
        .zip(record.fields())
        .filter_map(|(name, field)| {
            let field = field.filter(|field| !field.is_empty())?;
            let text = decoder.decode(field).into_owned();
            Some((name.clone(), Value::String(text)))
        })
        .collect()
}

/// The delimiter that the first line declares, as spreadsheets write it (`sep=;`), and the length
/// of that line.
fn declared(bytes: &[u8]) -> Option<(u8, usize)> {
    let start = if bytes.first() == Some(&b'"') { 1 } else { 0 };
    let bytes = &bytes[start..];
    if !bytes.get(..4)?.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    let delimiter = *bytes.get(4)?;
    if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\\' | b'\r' | b'\n') {
        return None;
    }
    let rest = &bytes[5..];
    let rest = if start == 1 {
        rest.strip_prefix(b"\"")?
    } else {
        rest
    };
    let end = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        _ => return None,
    };
    Some((delimiter, 2 * start + 5 + end))
}

/// The fields of a row as text.
fn raw(record: &Record, decoder: &mut Decoder) -> Vec<String> {
    record
        .fields()
        .map(|field| decoder.decode(field.unwrap_or_default()).into_owned())
        .collect()
}

/// The names in a first row.
fn names(first: &Record, decoder: &mut Decoder) -> Vec<String> {
    header::distinct(raw(first, decoder).into_iter())
}

/// Why a first row cannot be used, where `message` says which columns it lacks.
fn unusable(
    first: &[String],
    data: bool,
    message: String,
    dialect: Dialect,
    options: TableOptions,
) -> String {
    if options.no_header {
        return message;
    }
    let some = snippet(&first.join(" | "), 60);
    if data {
        return format!(
            "the first row looks like data, not like {} ({some}); say so if there is no header",
            if first.len() == 1 {
                "the name of a column"
            } else {
                "names of columns"
            }
        );
    }
    if first.len() == 1 {
        let delimiter = match options.delimiter {
            Some(_) => format!("no {:?}", char::from(dialect.delimiter)),
            None => "no comma, semicolon, tab or |".to_string(),
        };
        return format!(
            "{message}; {delimiter} separates fields in the first row, so say which delimiter does"
        );
    }
    message
}

/// Whether a line is blank: no record.
fn blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b'\n' | b'\r' | b' '))
}
