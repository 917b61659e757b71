//! The records of a table one after the other, past those that cannot be read.

use super::record::{Dialect, Found, Quoting, Record, Skip};
use super::{LONGEST, MOST_COLUMNS, Window, blank};
use memchr::{memchr, memchr_iter};
use std::io::{self, Read};
use std::ops::RangeInclusive;

/// What comes next in a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record, which begins on this line.
    Row { line: u64 },
    /// Something that cannot be read, and what is wrong with it.
    Bad { line: u64, message: String },
    /// Nothing.
    End,
}

/// Reads records of bounded length, in time linear in the input.
pub(super) struct Records<R> {
    window: Window<R>,
    dialect: Dialect,
    record: Record,
    limit: u64,
    /// How many fields a record should have; none is known for the first.
    columns: Option<RangeInclusive<usize>>,
    /// Bytes passed, and bytes that were read once more after a record went wrong.
    passed: u64,
    again: u64,
}

impl<R: Read> Records<R> {
    /// Records of at most `limit` bytes each.
    pub(super) fn new(window: Window<R>, dialect: Dialect, limit: u64) -> Self {
        Self {
            window,
            dialect,
            record: Record::default(),
            limit,
            columns: None,
            passed: 0,
            again: 0,
        }
    }

    /// Says what is to be expected of all further records.
    pub(super) fn expect(&mut self, columns: RangeInclusive<usize>, limit: u64) {
        self.columns = Some(columns);
        self.limit = limit;
    }

    /// The record that [`Records::next`] told of.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Goes to the next record.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        loop {
            let (bytes, eof) = (self.window.bytes(), self.window.at_end());
            if bytes.is_empty() {
                if !self.window.next()? {
                    return Ok(Next::End);
                }
                continue;
            }
            let line = self.window.line();
            let found = self.record.read(bytes, eof, self.dialect, MOST_COLUMNS);
            match found {
                Found::Record { length, .. } if length as u64 > self.limit => {
                    self.pass(length);
                    let message = self.too_long();
                    return Ok(Next::Bad { line, message });
                }
                Found::Record { length, .. } if blank(&bytes[..length]) => self.pass(length),
                Found::Record { length, tidy } => {
                    let length = if tidy && self.fits() {
                        length
                    } else {
                        self.otherwise(length)
                    };
                    self.pass(length);
                    return Ok(Next::Row { line });
                }
                Found::More if bytes.len() as u64 > self.limit => return self.long(line),
                Found::More => {
                    self.window.widen()?;
                }
                Found::TooWide => {
                    self.skip()?;
                    let message = format!("more than {MOST_COLUMNS} fields");
                    return Ok(Next::Bad { line, message });
                }
                Found::Open { quote } => {
                    if let Some(length) = self.other_quoting() {
                        self.pass(length);
                        return Ok(Next::Row { line });
                    }
                    return Ok(self.open(quote));
                }
            }
        }
    }

    fn pass(&mut self, n: usize) {
        self.passed += n as u64;
        self.window.pass(n);
    }

    fn too_long(&self) -> String {
        if self.limit < LONGEST {
            return format!("longer than {} MiB", self.limit >> 20);
        }
        format!("a record longer than {} MiB begins here", self.limit >> 20)
    }

    /// Whether the record has as many fields as it should.
    fn fits(&self) -> bool {
        self.columns
            .as_ref()
            .is_none_or(|columns| columns.contains(&self.record.len()))
    }

    /// The record of `length` bytes as the other way of quoting reads it, if that is the better one;
    /// its length.
    fn otherwise(&mut self, length: usize) -> usize {
        let here = &self.window.bytes()[..length];
        if memchr(b'\\', here).is_none() {
            return length;
        }
        if let Some(other) = self.other_quoting() {
            return other;
        }
        // What it was, once more.
        let (bytes, eof) = (self.window.bytes(), self.window.at_end());
        self.record.read(bytes, eof, self.dialect, MOST_COLUMNS);
        length
    }

    /// Exports mix both ways of writing a quote. The length of the record here, if the other way
    /// reads it without fault; nothing certain is in the record else.
    fn other_quoting(&mut self) -> Option<usize> {
        let quoting = match self.dialect.quoting {
            Quoting::Doubled => Quoting::Backslash,
            Quoting::Backslash => Quoting::Doubled,
            Quoting::None => return None,
        };
        let dialect = Dialect {
            quoting,
            ..self.dialect
        };
        self.columns.as_ref()?;
        if !self.may_read_again() {
            return None;
        }
        let (bytes, eof) = (self.window.bytes(), self.window.at_end());
        let found = self.record.read(bytes, eof, dialect, MOST_COLUMNS);
        let (length, tidy) = match found {
            Found::Record { length, tidy } => (length, tidy),
            _ => (bytes.len(), false),
        };
        self.again += length as u64;
        (tidy && self.fits()).then_some(length)
    }

    /// Whether bytes may be read once more: not so often that time grows faster than the input.
    fn may_read_again(&self) -> bool {
        self.again <= 4 * LONGEST + 4 * self.passed
    }

    /// A record that goes on beyond the limit.
    fn long(&mut self, line: u64) -> io::Result<Next> {
        let bytes = self.window.bytes();
        // A quote that is not closed, or really so much?
        let found = self.record.read(bytes, true, self.dialect, MOST_COLUMNS);
        if let Found::Open { quote } = found
            && self.columns.is_some()
            && let Some((n, true)) = self.resume(quote)
        {
            let line = self.line_of(quote);
            self.pass(n);
            let message = "the quote that opens here is not closed".to_string();
            return Ok(Next::Bad { line, message });
        }
        let mut message = self.too_long();
        if let Found::Open { .. } = found {
            message.push_str("; is a quote not closed?");
        }
        if self.columns.is_some() {
            self.skip()?;
        }
        Ok(Next::Bad { line, message })
    }

    /// A quote that is not closed where a field can end.
    fn open(&mut self, quote: usize) -> Next {
        let line = self.line_of(quote);
        let n = match self.resume(quote) {
            Some((n, _)) => n,
            None => self.window.bytes().len(),
        };
        self.pass(n);
        let message = "the quote that opens here is not closed where its field ends".to_string();
        Next::Bad { line, message }
    }

    fn line_of(&self, at: usize) -> u64 {
        let before = &self.window.bytes()[..at];
        self.window.line() + memchr_iter(self.dialect.line_end, before).count() as u64
    }

    /// Where the next record begins after a quote that is not closed: at the first line below it
    /// that reads like a record, or (then `false`) behind all whole lines here. `None` if there is no
    /// line below.
    fn resume(&mut self, quote: usize) -> Option<(usize, bool)> {
        let columns = self.columns.clone()?;
        if !self.may_read_again() {
            return None;
        }
        let bytes = self.window.bytes();
        let line_end = self.dialect.line_end;
        let mut record = Record::default();
        let mut at = quote + memchr(line_end, &bytes[quote..])? + 1;
        let mut found_one = false;
        while at < bytes.len() {
            let end = match memchr(line_end, &bytes[at..]) {
                Some(n) => at + n + 1,
                None if self.window.at_end() => bytes.len(),
                None => break,
            };
            let line = &bytes[at..end];
            let found = record.read(line, true, self.dialect, MOST_COLUMNS);
            let like = match found {
                Found::Record { .. } => columns.contains(&record.len()),
                // It may go on over several lines.
                Found::Open { .. } => (1..*columns.end()).contains(&record.len()),
                _ => false,
            };
            found_one = like && !blank(line);
            if found_one {
                break;
            }
            at = end;
        }
        self.again += at as u64;
        Some((at, found_one))
    }

    /// Passes the record here, whatever its length.
    fn skip(&mut self) -> io::Result<()> {
        let mut skip = Skip::new(self.dialect);
        loop {
            if let Some(n) = skip.feed(self.window.bytes()) {
                self.pass(n);
                return Ok(());
            }
            self.pass(self.window.bytes().len());
            if !self.window.next()? {
                return Ok(());
            }
        }
    }
}
