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
use crate::corpus::columns::{Mapping, proposed};
use crate::corpus::decode::Decoder;
use crate::corpus::line::snippet;
use crate::error::{Error, Result};
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
    let (sample, eof) = (window.bytes(), window.at_end());
    let dialect = sniff::dialect(sample, eof, known, |first| {
        !options.no_header && context.options.columns.map(&names(first, decoder)).is_ok()
    });
    let mut columns = context.options.columns.clone();
    if options.no_header {
        let mut n = 0;
        sniff::each(sample, eof, dialect, |first, _| {
            n = first.len();
            false
        });
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
    let names = if options.no_header {
        header::numbers(records.record().len())
    } else {
        names(records.record(), decoder)
    };
    let mapping = match columns.map(&names) {
        Ok(mapping) => mapping,
        Err(message) => {
            let first = raw(records.record(), decoder);
            let mut sample = Vec::new();
            for _ in 0..SAMPLED {
                match records.next().map_err(failed)? {
                    Next::End => break,
                    Next::Bad { .. } => {}
                    Next::Row { .. } => sample.push(fields(&names, records.record(), decoder)),
                }
            }
            let message = unusable(&first, proposed(message, &sample), dialect, options);
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
            .map(|(i, _)| i + 1)
            .max()
            .unwrap_or(0)
    };
    records.expect(needed..=names.len(), LONGEST);
    if !options.no_header {
        next = records.next().map_err(failed)?;
    }
    loop {
        match next {
            Next::End => return Ok(()),
            Next::Bad { line, message } => context.bad(Some(line), message)?,
            Next::Row { line } => {
                match article(records.record(), needed, &names, &mapping, decoder) {
                    Ok(None) => {}
                    Ok(Some(mut article)) => {
                        article.origin = context.origin.to_string();
                        article.row = Some(line);
                        context.sink.article(article)?;
                    }
                    Err(message) => context.bad(Some(line), message)?,
                }
            }
        }
        next = records.next().map_err(failed)?;
    }
}

/// How many rows tell which column is likeliest the text, where none is called so.
const SAMPLED: usize = 20;

/// The article of a record; `None` for a record of empty fields.
fn article(
    record: &Record,
    needed: usize,
    names: &[String],
    mapping: &Mapping,
    decoder: &mut Decoder,
) -> std::result::Result<Option<Article>, String> {
    let empty = |field: Option<&[u8]>| field.is_none_or(|f| f.trim_ascii().is_empty());
    if record.fields().all(empty) {
        return Ok(None);
    }
    let n = record.len();
    if n < needed || record.fields().skip(names.len()).any(|f| !empty(f)) {
        return Err(format!(
            "{n} fields where the first row has {}; quote fields that hold the delimiter or a line end",
            names.len()
        ));
    }
    mapping.article(fields(names, record, decoder)).map(Some)
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
fn unusable(first: &[String], message: String, dialect: Dialect, options: TableOptions) -> String {
    if options.no_header {
        return message;
    }
    let some = snippet(&first.join(" | "), 60);
    if header::looks_like_data(first) {
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
