//! NumPy's file format, version 1.0:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The length of every header that is written.
const LENGTH: usize = 128;
/// The longest header that is read; those of arrays of two dimensions have 128 bytes.
const LONGEST: usize = 16_384;
const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The header of an array of (rows, dim), always 128 bytes. `descr` is NumPy's name of the numbers'
/// type, such as `<f4`.
pub fn npy_header_of(descr: &str, rows: u64, dim: usize) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(b"\x01\x00");
    out.extend_from_slice(&((LENGTH - 10) as u16).to_le_bytes());
    out.extend_from_slice(
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {dim}), }}")
            .as_bytes(),
    );
    out.resize(LENGTH - 1, b' ');
    out.push(b'\n');
    out
}

/// Reads an array of f32 or f64 of (rows, dim), a row at a time: `each` is given every row.
///
/// # Errors
/// The file cannot be read, is no such array, or ends early; a number is not finite; `each` fails.
pub fn read_npy_rows(path: &Path, dim: usize, mut each: impl FnMut(&[f32])) -> Result<u64> {
    let bad = |message: String| Error::input(path.to_string_lossy(), None, message);
    let io = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => bad("ends before its array does".to_string()),
        _ => Error::io(path, e),
    };
    let mut file = BufReader::new(File::open(path).map_err(|e| Error::io(path, e))?);
    let mut start = [0; 10];
    file.read_exact(&mut start).map_err(io)?;
    if start[..6] != *MAGIC {
        return Err(bad("no NumPy array (.npy)".to_string()));
    }
    // From version 2 on, the length has four bytes.
    let mut length = usize::from(u16::from_le_bytes([start[8], start[9]]));
    if start[6] > 1 {
        let mut more = [0; 2];
        file.read_exact(&mut more).map_err(io)?;
        length |= usize::from(u16::from_le_bytes(more)) << 16;
    }
    if length > LONGEST {
        return Err(bad(format!("has a header of {length} bytes")));
    }
    let mut text = vec![0; length];
    file.read_exact(&mut text).map_err(io)?;
    let text = String::from_utf8_lossy(&text);
    let (rows, found) = shape(&text)
        .ok_or_else(|| bad("no array of two dimensions in the order of C".to_string()))?;
    let size = match field(&text, "descr") {
        Some("'<f4'") => 4,
        Some("'<f8'") => 8,
        other => {
            let other = other.unwrap_or("nothing");
            return Err(bad(format!("holds {other}; '<f4' and '<f8' are read")));
        }
    };
    if found != dim {
        return Err(bad(format!("has rows of {found} numbers, not {dim}")));
    }
    let mut bytes = vec![0; size * dim];
    let mut row = vec![0.0; dim];
    for number in 0..rows {
        file.read_exact(&mut bytes).map_err(io)?;
        for (x, bytes) in row.iter_mut().zip(bytes.chunks_exact(size)) {
            *x = match bytes {
                [a, b, c, d] => f32::from_le_bytes([*a, *b, *c, *d]),
                [a, b, c, d, e, f, g, h] => {
                    f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as f32
                }
                _ => 0.0,
            };
        }
        if !row.iter().all(|x| x.is_finite()) {
            return Err(bad(format!("row {number} holds no finite number")));
        }
        each(&row);
    }
    Ok(rows)
}

/// What stands behind a key of the header, up to the next comma.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    rest.split(',').next().map(str::trim)
}

/// Rows and numbers of a row.
fn shape(header: &str) -> Option<(u64, usize)> {
    if field(header, "fortran_order")? != "False" {
        return None;
    }
    let (_, rest) = header.split_once("'shape':")?;
    let (inner, _) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
    let mut sizes = inner.split(',').map(str::trim).filter(|s| !s.is_empty());
    let two = (sizes.next()?.parse().ok()?, sizes.next()?.parse().ok()?);
    (sizes.next().is_none() && two.1 > 0).then_some(two)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], dim: usize) -> Result<Vec<f32>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, bytes).unwrap();
        let mut out = Vec::new();
        read_npy_rows(&path, dim, |row| out.extend_from_slice(row))?;
        Ok(out)
    }

    fn array(descr: &str, rows: u64, dim: usize, numbers: &[u8]) -> Vec<u8> {
        [npy_header_of(descr, rows, dim), numbers.to_vec()].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let numbers = [1.5f32, -2.0, 0.25, 4.0];
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(read(&array("<f4", 2, 2, &bytes), 2).unwrap(), numbers);
        let wide: Vec<u8> = numbers
            .iter()
            .flat_map(|x| f64::from(*x).to_le_bytes())
            .collect();
        assert_eq!(read(&array("<f8", 1, 4, &wide), 4).unwrap(), numbers);
    }

    #[test]
    fn what_is_no_such_array_is_told() {
        let nan = f32::NAN.to_le_bytes();
        for (bytes, part) in [
            (array("<f4", 2, 1, &[0; 4]), "ends before"),
            (array("<f4", 1, 2, &[0; 8]), "rows of 2 numbers"),
            (array("|i1", 1, 1, &[0]), "'|i1'"),
            (array("<f4", 1, 1, &nan), "row 0"),
            (array("<f4", u64::MAX, 1, &[]), "ends before"),
            (b"no array at all".to_vec(), "no NumPy array"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "a header of"),
        ] {
            let e = read(&bytes, 1).unwrap_err();
            assert!(e.to_string().contains(part), "{part}: {e}");
        }
        assert_eq!(shape("'fortran_order': True, 'shape': (2, 2)"), None);
        assert_eq!(shape("'fortran_order': False, 'shape': (2,)"), None);
    }
}
