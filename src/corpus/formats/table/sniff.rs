//! How a table is written, guessed from its beginning.

use super::record::{Dialect, Found, Quoting, Record};
use super::{MOST_COLUMNS, blank};
use memchr::memchr;
use memchr::memmem::Finder;

/// Rows that a guess is made from.
const ROWS: usize = 200;
/// Delimiters that are tried, likeliest first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The delimiter of a table of one column: a byte that no text has.
pub(super) const NO_DELIMITER: u8 = 0;

/// What is known before the guess.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The delimiter, where the user or the file said it.
    pub delimiter: Option<u8>,
    /// The delimiter that files of this name usually have.
    pub usual: u8,
    /// The line end; see [`line_end`].
    pub line_end: u8,
    /// Whether bytes of two-byte characters may look like a backslash or `|`.
    pub wide: bool,
}

impl Known {
    /// The delimiters that are tried, likeliest first.
    fn delimiters(&self) -> Vec<u8> {
        if let Some(delimiter) = self.delimiter {
            return vec![delimiter];
        }
        let others = DELIMITERS.into_iter().filter(|&d| d != self.usual);
        let mut delimiters: Vec<u8> = std::iter::once(self.usual).chain(others).collect();
        if self.wide {
            delimiters.retain(|&d| d != b'|');
        }
        delimiters
    }
}

/// How one dialect reads the beginning of a table.
#[derive(Debug)]
struct Trial {
    dialect: Dialect,
    /// Whether the names of the first row are those of an article.
    named: bool,
    /// Fields of the first row.
    columns: usize,
    /// The share of rows with as many fields as the first.
    regular: f64,
    /// Rows whose quotes are not where the dialect has them.
    untidy: usize,
}

/// What ends the lines of a table that begins with `sample`: `\n` also where a `\r` is before it.
pub(super) fn line_end(sample: &[u8]) -> u8 {
    // Macintosh files of old have no other line end.
    if memchr(b'\n', sample).is_none() && memchr(b'\r', sample).is_some() {
        b'\r'
    } else {
        b'\n'
    }
}

/// The dialect of a table that begins with `sample`; `eof` says that this is all of it, `named`
/// whether a first row holds names of columns that are known.
pub(super) fn dialect(
    sample: &[u8],
    eof: bool,
    known: Known,
    mut named: impl FnMut(&Record) -> bool,
) -> Dialect {
    let line_end = known.line_end;
    let escaped_quotes = !known.wide && Finder::new(b"\\\"").find(sample).is_some();
    let nulls = !known.wide && Finder::new(b"\\N").find(sample).is_some();
    let mut best: Option<Trial> = None;
    for delimiter in known.delimiters() {
        let mut ways = vec![(Quoting::Doubled, false)];
        // Of equals the first is kept: where blanks may be around quotes, they are.
        if Finder::new(&[delimiter, b' ', b'"']).find(sample).is_some() {
            ways.insert(0, (Quoting::Doubled, true));
        }
        if escaped_quotes {
            ways.push((Quoting::Backslash, false));
        }
        // Tab-separated files are often written without a thought of quotes.
        if delimiter == b'\t' {
            ways.push((Quoting::None, false));
        }
        for (quoting, spaced) in ways {
            let dialect = Dialect {
                delimiter,
                quoting,
                escapes: false,
                spaced,
                line_end,
            };
            let trial = trial(sample, eof, dialect, &mut named);
            if best.as_ref().is_none_or(|best| trial.beats(best)) {
                best = Some(trial);
            }
        }
    }
    let Some(best) = best else {
        unreachable!("there is a delimiter, and so a trial");
    };
    let mut dialect = best.dialect;
    if best.columns <= 1 && known.delimiter.is_none() {
        dialect.delimiter = NO_DELIMITER;
    }
    // Whoever writes a null as `\N` writes a backslash as two.
    if nulls && has_null(sample, eof, dialect) {
        dialect.escapes = true;
        if dialect.quoting == Quoting::Doubled && escaped_quotes {
            dialect.quoting = Quoting::Backslash;
        }
    }
    dialect
}

/// Lines above the names of columns, at most: a title, a date, who made it.
const PREAMBLE: usize = 20;

/// Where the row of names begins of a table that begins with other lines; how many bytes and lines stand
/// before it. `named` says whether a row is certainly one of names.
pub(super) fn preamble(
    sample: &[u8],
    eof: bool,
    known: Known,
    mut named: impl FnMut(&Record) -> bool,
) -> Option<(usize, usize)> {
    let delimiters = known.delimiters();
    let mut record = Record::default();
    let mut at = 0;
    for line in 1..=PREAMBLE {
        at += memchr(known.line_end, &sample[at..])? + 1;
        for &delimiter in &delimiters {
            let dialect = Dialect {
                delimiter,
                quoting: Quoting::Doubled,
                escapes: false,
                spaced: false,
                line_end: known.line_end,
            };
            let found = record.read(&sample[at..], eof, dialect, MOST_COLUMNS);
            if matches!(found, Found::Record { .. }) && named(&record) {
                return Some((at, line));
            }
        }
    }
    None
}

impl Trial {
    /// Whether this is the better guess; of equals, the earlier is kept.
    fn beats(&self, other: &Trial) -> bool {
        let split = |t: &Trial| t.columns > 1 && t.regular >= 0.5;
        let rank = |t: &Trial| (t.named, t.named && t.columns > 1, split(t));
        if rank(self) != rank(other) {
            return rank(self) > rank(other);
        }
        // Quotes out of place spoil rows as much as fields too many.
        let errors = |t: &Trial| 1.0 - t.regular + t.untidy as f64 / ROWS as f64;
        if self.dialect.delimiter == other.dialect.delimiter {
            return errors(self) < errors(other);
        }
        (errors(self), other.columns) < (errors(other), self.columns)
    }
}

fn trial(
    sample: &[u8],
    eof: bool,
    dialect: Dialect,
    named: &mut impl FnMut(&Record) -> bool,
) -> Trial {
    let mut trial = Trial {
        dialect,
        named: false,
        columns: 0,
        regular: 1.0,
        untidy: 0,
    };
    let mut rows = 0;
    let mut regular = 0;
    each(sample, eof, dialect, |record, tidy| {
        if rows == 0 {
            trial.columns = record.len();
            trial.named = named(record);
        }
        rows += 1;
        regular += usize::from(record.len() == trial.columns);
        trial.untidy += usize::from(!tidy);
        rows < ROWS
    });
    if rows > 0 {
        trial.regular = regular as f64 / rows as f64;
    }
    trial
}

/// Hands over each record of a sample until told to stop. What cannot be read as one counts as an
/// untidy record, and the next line is taken for the next.
pub(super) fn each(
    sample: &[u8],
    eof: bool,
    dialect: Dialect,
    mut take: impl FnMut(&Record, bool) -> bool,
) {
    let mut record = Record::default();
    let mut rest = sample;
    while !rest.is_empty() {
        match record.read(rest, eof, dialect, MOST_COLUMNS) {
            Found::Record { length, tidy } => {
                let (line, after) = rest.split_at(length);
                rest = after;
                if !blank(line) && !take(&record, tidy) {
                    return;
                }
            }
            Found::More => return,
            Found::Open { .. } | Found::TooWide => {
                if !take(&record, false) {
                    return;
                }
                let Some(end) = memchr(dialect.line_end, rest) else {
                    return;
                };
                rest = &rest[end + 1..];
            }
        }
    }
}

fn has_null(sample: &[u8], eof: bool, dialect: Dialect) -> bool {
    let mut found = false;
    let mut rows = 0;
    each(sample, eof, dialect, |record, _| {
        found |= record.fields().any(|field| field.is_none());
        rows += 1;
        !found && rows < ROWS
    });
    found
}
