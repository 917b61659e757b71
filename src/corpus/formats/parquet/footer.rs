//! Looks at a Parquet file's footer before its library does: that reads it by recursion, and whole.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// The longest footer, in bytes: all of it stays in memory while the file is read.
const LONGEST: u64 = 64 << 20;
/// The most columns, with those inside of structs; each has buffers of its own.
const COLUMNS: usize = 10_000;
/// How deep columns nest: the library's stack grows with it.
const DEPTH: usize = 64;

/// What is wrong with the footer, if anything; leaves the file at its beginning.
pub(super) fn check(file: &mut File) -> Result<(), String> {
    let io = |e: std::io::Error| e.to_string();
    let length = file.seek(SeekFrom::End(0)).map_err(io)?;
    if length < 12 {
        return Err("it is too short to be one".to_string());
    }
    let mut end = [0; 8];
    file.seek(SeekFrom::End(-8)).map_err(io)?;
    file.read_exact(&mut end).map_err(io)?;
    let [a, b, c, d, mark @ ..] = end;
    match &mark {
        b"PAR1" => {}
        b"PARE" => return Err("it is encrypted".to_string()),
        _ => return Err("its end is missing".to_string()),
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > LONGEST || footer + 12 > length {
        return Err("its footer is longer than it can be".to_string());
    }
    // At most `LONGEST` + 8, which was looked at.
    file.seek(SeekFrom::End(-8 - footer as i64)).map_err(io)?;
    let mut bytes = Vec::new();
    file.by_ref()
        .take(footer)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    schema(&bytes).unwrap_or_else(|| Err("its footer is damaged".to_string()))?;
    file.rewind().map_err(io)
}

/// Walks the list of columns, field 2 of the metadata; `None` where it is no Thrift.
fn schema(bytes: &[u8]) -> Option<Result<(), String>> {
    let mut thrift = Thrift { bytes };
    let mut field = 0;
    loop {
        let kind = thrift.field(&mut field)?;
        match (field, kind) {
            (_, STOP) => return None,
            (2, LIST) => break,
            _ => thrift.skip(kind, DEPTH)?,
        }
    }
    let (elements, kind) = thrift.list()?;
    if kind != STRUCT {
        return None;
    }
    if elements > 2 * COLUMNS as u64 {
        return Some(Err(format!("it has more than {COLUMNS} columns")));
    }
    // How many children each open column still has.
    let mut open: Vec<u64> = Vec::new();
    for _ in 0..elements {
        let mut children = 0;
        let mut field = 0;
        loop {
            let kind = thrift.field(&mut field)?;
            match (field, kind) {
                (_, STOP) => break,
                (5, INTEGER) => children = thrift.varint()? / 2,
                _ => thrift.skip(kind, DEPTH)?,
            }
        }
        if let Some(left) = open.last_mut() {
            *left = left.saturating_sub(1);
        }
        open.push(children);
        while open.last() == Some(&0) {
            open.pop();
        }
        if open.len() > DEPTH {
            return Some(Err(format!("its columns nest deeper than {DEPTH}")));
        }
    }
    Some(Ok(()))
}

const STOP: u8 = 0;
const INTEGER: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Thrift's compact protocol, as far as it takes to pass over it:
/// <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.
struct Thrift<'a> {
    bytes: &'a [u8],
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn pass(&mut self, n: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(n).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// The next field's kind, and its number.
    fn field(&mut self, number: &mut i64) -> Option<u8> {
        let byte = self.byte()?;
        let (delta, kind) = (byte >> 4, byte & 0x0f);
        if kind == STOP {
            return Some(STOP);
        }
        *number = match delta {
            0 => {
                let zigzag = self.varint()?;
                (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
            }
            delta => number.checked_add(i64::from(delta))?,
        };
        Some(kind)
    }

    /// How many elements a list has, and of what kind.
    fn list(&mut self) -> Option<(u64, u8)> {
        let byte = self.byte()?;
        let size = match byte >> 4 {
            15 => self.varint()?,
            size => u64::from(size),
        };
        Some((size, byte & 0x0f))
    }

    /// Passes over a value within a struct, where booleans have no byte of their own.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => Some(()),
            _ => self.skip_value(kind, depth),
        }
    }

    fn skip_value(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1..=3 => self.pass(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            LIST | 10 => {
                let (size, kind) = self.list()?;
                (0..size).try_for_each(|_| self.skip_value(kind, depth))
            }
            11 => {
                let size = self.varint()?;
                let kinds = if size > 0 { self.byte()? } else { 0 };
                (0..size).try_for_each(|_| {
                    self.skip_value(kinds >> 4, depth)?;
                    self.skip_value(kinds & 0x0f, depth)
                })
            }
            STRUCT => {
                let mut field = 0;
                loop {
                    match self.field(&mut field)? {
                        STOP => return Some(()),
                        kind => self.skip(kind, depth)?,
                    }
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The metadata of a file whose only column is inside so many structs.
    fn nested(depth: usize) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, 0xfc];
        let mut n = depth as u64 + 2;
        while n >= 0x80 {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes.extend([0x48, 1, b'm', 0x15, 2, 0]);
        for _ in 0..depth {
            bytes.extend([0x35, 0, 0x18, 1, b'g', 0x15, 2, 0]);
        }
        bytes.extend([0x15, 12, 0x25, 0, 0x18, 1, b'x', 0]);
        bytes.extend([0x16, 0, 0x19, 0x0c, 0]);
        bytes
    }

    #[test]
    fn what_nests_too_deep_or_is_no_footer_is_refused() {
        assert_eq!(schema(&nested(3)), Some(Ok(())));
        let deep = schema(&nested(DEPTH + 1)).unwrap().unwrap_err();
        assert!(deep.contains("deeper"), "{deep}");
        let wide = schema(&nested(300_000)).unwrap().unwrap_err();
        assert!(wide.contains("columns"), "{wide}");
        assert_eq!(schema(b""), None);
        assert_eq!(schema(&nested(3)[..20]), None);
        assert_eq!(schema(&[0x1c; 5000]), None);
    }
}
