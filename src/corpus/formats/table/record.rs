//! One record of a table: where it ends, what its fields hold.

use memchr::{memchr, memchr2, memchr3};

/// What quotes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// They enclose a field; one inside is written twice.
    Doubled,
    /// They enclose a field; a backslash stands before one inside, and before itself.
    Backslash,
    /// They are characters like others.
    None,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// What quotes do.
    pub quoting: Quoting,
    /// Whether `\n`, `\t` and their like stand for characters, as in dumps of databases.
    pub escapes: bool,
    /// Whether blanks may stand around a field's quotes.
    pub spaced: bool,
    /// Ends a record: `\n` (with or without `\r` before it), or `\r`.
    pub line_end: u8,
}

impl Dialect {
    /// The first place from `at` on that is no blank around quotes.
    fn blanks(self, bytes: &[u8], at: usize) -> usize {
        if !self.spaced {
            return at;
        }
        let blanks = bytes.get(at..).unwrap_or_default().iter();
        at + blanks.take_while(|b| **b == b' ').count()
    }
}

/// The fields of one record, without quotes. Its buffers are used again.
#[derive(Debug, Default)]
pub(super) struct Record {
    data: Vec<u8>,
    ends: Vec<usize>,
    /// Which fields are the null of databases, `\N`; sorted.
    nulls: Vec<usize>,
}

/// What was found at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record that takes so many bytes with its line end. `tidy` says that each quote was where
    /// the dialect has one.
    Record { length: usize, tidy: bool },
    /// It goes on behind these bytes.
    More,
    /// The quote at this place is not closed where a field can end, or not at all.
    Open { quote: usize },
    /// It has more fields than a record may have.
    TooWide,
}

impl Record {
    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each field in turn; `None` is null.
    pub(super) fn fields(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut nulls = self.nulls.iter().peekable();
        starts
            .zip(&self.ends)
            .enumerate()
            .map(move |(i, (start, &end))| {
                (nulls.next_if(|&&n| n == i).is_none()).then(|| &self.data[start..end])
            })
    }

    fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
        self.nulls.clear();
        if self.data.capacity() > 1 << 22 {
            self.data.shrink_to(1 << 16);
        }
    }

    /// Reads the record at the start of `bytes`; `eof` says that nothing follows them. Lines
    /// without anything are not skipped here: they are records of one empty field.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        eof: bool,
        dialect: Dialect,
        most_fields: usize,
    ) -> Found {
        self.clear();
        let mut at = 0;
        let mut tidy = true;
        loop {
            let after = dialect.blanks(bytes, at);
            let quoted = dialect.quoting != Quoting::None && bytes.get(after) == Some(&b'"');
            if quoted {
                at = after;
            }
            let field = if quoted {
                self.quoted(bytes, at, eof, dialect)
            } else {
                self.plain(bytes, at, eof, dialect)
            };
            let (end, well) = match field {
                Ok(found) => found,
                Err(other) => return other,
            };
            let end = if quoted {
                dialect.blanks(bytes, end)
            } else {
                end
            };
            tidy &= well;
            if self.ends.len() == most_fields {
                return Found::TooWide;
            }
            self.ends.push(self.data.len());
            match bytes.get(end) {
                Some(&b) if b == dialect.delimiter => at = end + 1,
                // A `\r` that the field left goes with the line end.
                Some(b'\r') if dialect.line_end == b'\n' => {
                    let length = (end + 2).min(bytes.len());
                    return Found::Record { length, tidy };
                }
                Some(_) => {
                    let length = end + 1;
                    return Found::Record { length, tidy };
                }
                None => return Found::Record { length: end, tidy },
            }
        }
    }

    /// A field without quotes around it, from `at`; the place of what ends it.
    fn plain(
        &mut self,
        bytes: &[u8],
        at: usize,
        eof: bool,
        dialect: Dialect,
    ) -> Result<(usize, bool), Found> {
        let backslash = dialect.escapes || dialect.quoting == Quoting::Backslash;
        let mut from = at;
        loop {
            let rest = &bytes[from..];
            let next = if backslash {
                memchr3(dialect.delimiter, dialect.line_end, b'\\', rest)
            } else {
                memchr2(dialect.delimiter, dialect.line_end, rest)
            };
            let Some(next) = next.map(|n| from + n) else {
                if !eof {
                    return Err(Found::More);
                }
                self.data.extend_from_slice(rest);
                return Ok((self.end_plain(bytes, at, bytes.len(), dialect), true));
            };
            self.data.extend_from_slice(&bytes[from..next]);
            if bytes[next] != b'\\' {
                return Ok((self.end_plain(bytes, at, next, dialect), true));
            }
            match bytes.get(next + 1) {
                None if !eof => return Err(Found::More),
                None => {
                    self.data.push(b'\\');
                    from = next + 1;
                }
                Some(b'N') if next == at => {
                    // Null, if the field ends here.
                    self.data.extend_from_slice(b"\\N");
                    from = next + 2;
                }
                Some(&escaped) => {
                    self.escape(escaped, dialect);
                    from = next + 2;
                }
            }
        }
    }

    /// Closes a plain field that goes from `at` to `end`; gives the place of what ends it.
    fn end_plain(&mut self, bytes: &[u8], at: usize, end: usize, dialect: Dialect) -> usize {
        let mut end = end;
        let line_ends = bytes.get(end).is_none_or(|&b| b == dialect.line_end);
        if line_ends && dialect.line_end == b'\n' && end > at && bytes[end - 1] == b'\r' {
            end -= 1;
            self.data.pop();
        }
        if &bytes[at..end] == b"\\N" {
            self.nulls.push(self.ends.len());
        }
        end
    }

    /// What a backslash and a byte stand for.
    fn escape(&mut self, byte: u8, dialect: Dialect) {
        let plain = match byte {
            b'n' if dialect.escapes => b'\n',
            b't' if dialect.escapes => b'\t',
            b'r' if dialect.escapes => b'\r',
            b'0' if dialect.escapes => return,
            b'"' | b'\\' | b'\n' | b'\r' => byte,
            b if b == dialect.delimiter => b,
            // Whatever else follows a backslash, it is one.
            other => {
                self.data.push(b'\\');
                other
            }
        };
        self.data.push(plain);
    }

    /// A field in quotes, the first of them at `at`; the place of what ends it, and whether the
    /// quotes were where they belong.
    fn quoted(
        &mut self,
        bytes: &[u8],
        at: usize,
        eof: bool,
        dialect: Dialect,
    ) -> Result<(usize, bool), Found> {
        let began = self.data.len();
        let mut from = at + 1;
        // Quotes before this place are characters of the field.
        let mut literal = 0;
        loop {
            let rest = &bytes[from..];
            let next = match dialect.quoting {
                Quoting::Backslash => memchr2(b'"', b'\\', rest),
                _ => memchr(b'"', rest),
            };
            let Some(next) = next.map(|n| from + n) else {
                let open = Found::Open { quote: at };
                return Err(if eof { open } else { Found::More });
            };
            self.data.extend_from_slice(&bytes[from..next]);
            let Some(&after) = bytes.get(next + 1) else {
                // At the very end a quote closes; a backslash escapes nothing.
                if !eof {
                    return Err(Found::More);
                }
                if bytes[next] == b'"' {
                    return Ok((next + 1, literal == 0));
                }
                return Err(Found::Open { quote: at });
            };
            from = next + 2;
            if bytes[next] == b'\\' {
                self.escape(after, dialect);
                continue;
            }
            if after == b'"' {
                self.data.push(b'"');
                continue;
            }
            if next < literal {
                self.data.push(b'"');
                from = next + 1;
                continue;
            }
            match ends_field(bytes, next + 1, eof, dialect) {
                None => return Err(Found::More),
                Some(true) => return Ok((next + 1, literal == 0)),
                Some(false) => {}
            }
            // A quote inside that was not written as one, or one of an earlier record that was
            // never closed.
            if memchr(dialect.line_end, &bytes[at..next]).is_some() {
                return Err(Found::Open { quote: at });
            }
            match closes_later(bytes, next + 1, eof, dialect) {
                Later::More => return Err(Found::More),
                Later::At(close) => {
                    literal = close;
                    self.data.push(b'"');
                    from = next + 1;
                }
                Later::Never => {
                    // Quotes around the field's beginning only: they are characters.
                    self.data.truncate(began);
                    self.data.extend_from_slice(&bytes[at..=next]);
                    let (end, _) = self.plain(bytes, next + 1, eof, dialect)?;
                    return Ok((end, false));
                }
            }
        }
    }
}

/// Whether a quoted field may end before the byte at `at`; `None` where that is not known yet.
fn ends_field(bytes: &[u8], at: usize, eof: bool, dialect: Dialect) -> Option<bool> {
    let at = dialect.blanks(bytes, at);
    match bytes.get(at) {
        None => eof.then_some(true),
        Some(&b) if b == dialect.delimiter || b == dialect.line_end => Some(true),
        Some(b'\r') if dialect.line_end == b'\n' => match bytes.get(at + 1) {
            None => eof.then_some(true),
            Some(&b) => Some(b == b'\n'),
        },
        Some(_) => Some(false),
    }
}

enum Later {
    At(usize),
    Never,
    More,
}

/// Where on this line the quote stands that closes a field, after one at which it cannot end. A
/// quote after a delimiter opens the next field.
fn closes_later(bytes: &[u8], from: usize, eof: bool, dialect: Dialect) -> Later {
    let mut at = from;
    while let Some(next) = memchr2(b'"', dialect.line_end, &bytes[at..]).map(|n| at + n) {
        let before = match dialect.spaced {
            true => bytes[..next].trim_ascii_end().last(),
            false => bytes[..next].last(),
        };
        if bytes[next] != b'"' || before == Some(&dialect.delimiter) {
            return Later::Never;
        }
        match ends_field(bytes, next + 1, eof, dialect) {
            None => return Later::More,
            Some(true) => return Later::At(next),
            Some(false) => {}
        }
        at = next + 1;
    }
    if eof { Later::Never } else { Later::More }
}

/// Finds the end of a record that is not kept, however long, over any number of pieces.
#[derive(Debug)]
pub(super) struct Skip {
    dialect: Dialect,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    PlainEscape,
    Quoted,
    QuotedEscape,
    /// After a quote in a quoted field: the end of it, or the first of two.
    Closing,
}

impl Skip {
    pub(super) fn new(dialect: Dialect) -> Self {
        let state = State::FieldStart;
        Self { dialect, state }
    }

    /// Takes the next piece; how many of its bytes belong to the record, if it ends in it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let Dialect {
            delimiter,
            quoting,
            escapes,
            spaced,
            line_end,
        } = self.dialect;
        let backslash = escapes || quoting == Quoting::Backslash;
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                State::Plain => {
                    let next = if backslash {
                        memchr3(delimiter, line_end, b'\\', rest)
                    } else {
                        memchr2(delimiter, line_end, rest)
                    };
                    at += next?;
                }
                State::Quoted if quoting == Quoting::Backslash => at += memchr2(b'"', b'\\', rest)?,
                State::Quoted => at += memchr(b'"', rest)?,
                _ => {}
            }
            let byte = bytes[at];
            at += 1;
            self.state = match self.state {
                State::PlainEscape => State::Plain,
                State::QuotedEscape => State::Quoted,
                State::Quoted if byte == b'\\' => State::QuotedEscape,
                State::Quoted => State::Closing,
                State::Closing if byte == b'"' => State::Quoted,
                State::FieldStart if byte == b'"' && quoting != Quoting::None => State::Quoted,
                State::FieldStart if byte == b' ' && spaced => State::FieldStart,
                _ if byte == line_end => return Some(at),
                _ if byte == delimiter => State::FieldStart,
                _ if byte == b'\\' && backslash => State::PlainEscape,
                _ => State::Plain,
            };
        }
        None
    }
}
