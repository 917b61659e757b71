//! The records of a web archive, one behind another.
//!
//! Each says how long it is, and tools that changed texts or line ends have left many saying what is no
//! longer so. What a record says is believed where another record, or the end, is behind it.

use super::LONGEST;
use super::warc::{Broken, Header};
use std::io::{self, BufRead, Read};

/// The longest piece that is looked at as one line, in bytes; records that are no text have few ends of
/// lines.
const PIECE: u64 = 64 << 10;

/// No first line of a record is as long, in bytes.
const RECORD_LINE: usize = 16;

/// The records of a stream.
pub(super) struct Records<R> {
    stream: Backed<R>,
    /// Whether a record went on beyond where it was to end. Then none is believed where another begins
    /// before its end, so that every byte is read once.
    doubt: bool,
}

/// What stands in a record.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Its bytes; none where it is too long.
    pub(super) bytes: Vec<u8>,
    /// Whether it is longer than [`LONGEST`].
    pub(super) too_long: bool,
    /// Whether the stream ended before it.
    pub(super) cut: bool,
    /// Whether the length that it gives is not its own.
    pub(super) wrong: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(stream: R) -> Self {
        let stream = Backed {
            back: io::Cursor::default(),
            inner: stream,
        };
        Self {
            stream,
            doubt: false,
        }
    }

    /// The header of the next record; `None` at the end.
    pub(super) fn header(&mut self) -> std::result::Result<Option<Header>, Broken> {
        Header::read(&mut self.stream)
    }

    /// Passes what stands before the next record; `false` where there is none.
    pub(super) fn pass_to_record(&mut self) -> io::Result<bool> {
        self.lines(None, &mut Block::default())
    }

    /// What stands in the record whose header was read last, and that says to be so long.
    pub(super) fn block(&mut self, length: Option<u64>) -> io::Result<Block> {
        let mut block = Block::default();
        match length {
            Some(length) if !self.doubt && length <= LONGEST => {
                let stream = &mut self.stream;
                stream.by_ref().take(length).read_to_end(&mut block.bytes)?;
                let cut = (block.bytes.len() as u64) < length;
                if !cut && self.at_record()? {
                    return Ok(block);
                }
                if let Some(at) = find_record(&block.bytes) {
                    // It takes the next records for its own.
                    self.stream.give_back(block.bytes.split_off(at));
                    block.wrong = true;
                } else if cut {
                    block.cut = true;
                } else {
                    // It may end within the first line of a record.
                    let line = memchr::memrchr(b'\n', &block.bytes).map_or(0, |at| at + 1);
                    if block.bytes.len() - line < RECORD_LINE {
                        self.stream.give_back(block.bytes.split_off(line));
                    }
                    self.lines(None, &mut block)?;
                }
            }
            length => {
                self.lines(length, &mut block)?;
            }
        }
        self.doubt |= block.wrong;
        Ok(block)
    }

    /// Reads on to where `length` bytes are read and a record, or the end, follows; else to where one
    /// begins, or the stream ends. `false` at the end of the stream.
    fn lines(&mut self, length: Option<u64>, block: &mut Block) -> io::Result<bool> {
        let (mut read, mut line, mut at_start) = (0, Vec::new(), true);
        loop {
            if length == Some(read) && self.at_record()? {
                return Ok(true);
            }
            line.clear();
            // Up to its length, it is read to there and not to the end of a line.
            let most = match length.unwrap_or(0).saturating_sub(read) {
                0 => PIECE,
                left => left.min(PIECE),
            };
            let n = self
                .stream
                .by_ref()
                .take(most)
                .read_until(b'\n', &mut line)?;
            if n == 0 {
                block.cut = length.is_some_and(|length| read < length);
                block.wrong |= !block.cut;
                return Ok(false);
            }
            if at_start && is_record(&line) {
                block.wrong = true;
                self.stream.give_back(line);
                return Ok(true);
            }
            at_start = line.ends_with(b"\n");
            read += n as u64;
            block.too_long |= (block.bytes.len() + n) as u64 > LONGEST;
            if block.too_long {
                block.bytes = Vec::new();
            } else {
                block.bytes.extend_from_slice(&line);
            }
        }
    }

    /// Whether a record, or the end, is behind what was read; nothing is passed.
    fn at_record(&mut self) -> io::Result<bool> {
        const BEGIN: &[u8] = b"WARC/";
        let mut next = Vec::new();
        let found = loop {
            let mut byte = [0];
            if self.stream.read(&mut byte)? == 0 {
                break true;
            }
            next.push(byte[0]);
            let word = next.trim_ascii_start();
            if word.len() == BEGIN.len() {
                break word == BEGIN;
            }
            // Two blank lines stand between records; some tools write one more.
            if !BEGIN.starts_with(word) || next.len() > 32 {
                break false;
            }
        };
        self.stream.give_back(next);
        Ok(found)
    }
}

/// Whether a line is the first of a record, such as `WARC/1.1`.
fn is_record(line: &[u8]) -> bool {
    let version = line.strip_prefix(b"WARC/").map(<[u8]>::trim_ascii_end);
    version.is_some_and(|version| {
        let digits = version.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        digits && (3..=8).contains(&version.len())
    })
}

/// Where a record begins behind others' text.
fn find_record(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, b"\nWARC/")
        .map(|at| at + 1)
        .find(|at| {
            let line = &bytes[*at..];
            let end = line.iter().take(RECORD_LINE).position(|b| *b == b'\n');
            end.is_some_and(|end| is_record(&line[..end]))
        })
}

/// A stream to which bytes can be given back.
struct Backed<R> {
    back: io::Cursor<Vec<u8>>,
    inner: R,
}

impl<R> Backed<R> {
    /// Gives back what was read last.
    fn give_back(&mut self, mut bytes: Vec<u8>) {
        let at = self.back.position() as usize;
        let back = self.back.get_ref();
        // After a record that took many for its own, it came from what was given back then.
        match at.checked_sub(bytes.len()) {
            Some(before) if back.get(before..at) == Some(bytes.as_slice()) => {
                self.back.set_position(before as u64);
            }
            _ => {
                bytes.extend_from_slice(back.get(at..).unwrap_or_default());
                self.back = io::Cursor::new(bytes);
            }
        }
    }
}

impl<R: BufRead> Read for Backed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.back.read(buffer)? {
            0 => self.inner.read(buffer),
            n => Ok(n),
        }
    }
}

impl<R: BufRead> BufRead for Backed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.back.fill_buf()?.is_empty() {
            self.inner.fill_buf()
        } else {
            self.back.fill_buf()
        }
    }

    fn consume(&mut self, n: usize) {
        if (self.back.position() as usize) < self.back.get_ref().len() {
            self.back.consume(n);
        } else {
            self.inner.consume(n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: &str, text: &str) -> String {
        format!("WARC/1.0\r\nX: y\r\nContent-Length: {length}\r\n\r\n{text}\r\n\r\n")
    }

    /// The records' texts, and which of them had a wrong length or were cut.
    fn read(archive: &str) -> Vec<(String, bool, bool)> {
        let mut records = Records::new(archive.as_bytes());
        let mut all = Vec::new();
        while let Ok(Some(header)) = records.header() {
            let length = header.get("content-length").and_then(|n| n.parse().ok());
            let block = records.block(length).unwrap();
            let text = String::from_utf8(block.bytes).unwrap();
            all.push((text.trim_end().to_string(), block.wrong, block.cut));
        }
        all
    }

    #[test]
    fn a_wrong_length_costs_no_other_record() {
        let text = "A text.\r\nWARC/1.0 is a format.";
        let good = || record(&text.len().to_string(), text);
        let long = (LONGEST + 1).to_string();
        for wrong in ["0", "3", "36", "100", "300", "100000", "no", "", &long] {
            let archive = [
                good(),
                record(wrong, text),
                good(),
                record("5", text),
                good(),
            ]
            .concat();
            let all = read(&archive);
            let texts: Vec<&str> = all.iter().map(|one| one.0.as_str()).collect();
            assert_eq!(texts, [text; 5], "{wrong}");
            let wrongs: Vec<bool> = all.iter().map(|one| one.1).collect();
            assert_eq!(wrongs, [false, true, false, true, false], "{wrong}");
        }
        assert_eq!(read(&good()[..60]).last().map(|one| one.2), Some(true));
        let cut = [record("1", text), good()].concat();
        let all = read(&cut[..cut.len() - 10]);
        assert_eq!(all.last().map(|one| one.2), Some(true));
    }
}
