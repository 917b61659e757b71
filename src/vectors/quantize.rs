//! Vectors of fewer bits, by the definition of sentence-transformers' `quantize_embeddings`
//! (<https://github.com/UKPLab/sentence-transformers>, `util/quantization.py`), so that what was
//! made by either can be used with the other.

use crate::error::{Error, Result};

/// What each value of a vector becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// It stays as it is.
    #[default]
    Float32,
    /// One of 256 steps between the least and the greatest value of its dimension, from -128.
    Int8,
    /// As `Int8`, from 0.
    Uint8,
    /// Whether it is above 0, eight in a byte, the first in the highest bit; the byte less 128.
    Binary,
    /// As `Binary`, the byte as it is.
    Ubinary,
}

impl Precision {
    /// Its name, as sentence-transformers has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Binary => "binary",
            Self::Ubinary => "ubinary",
        }
    }

    /// Whether it needs [`Ranges`].
    pub fn needs_ranges(self) -> bool {
        matches!(self, Self::Int8 | Self::Uint8)
    }

    /// The numbers of a vector of `dim` values.
    pub fn length(self, dim: usize) -> usize {
        match self {
            Self::Binary | Self::Ubinary => dim.div_ceil(8),
            Self::Float32 | Self::Int8 | Self::Uint8 => dim,
        }
    }

    /// NumPy's name of the type of these numbers.
    pub fn numpy(self) -> &'static str {
        match self {
            Self::Float32 => "<f4",
            Self::Int8 | Self::Binary => "|i1",
            Self::Uint8 | Self::Ubinary => "|u1",
        }
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        const ALL: [Precision; 5] = [
            Precision::Float32,
            Precision::Int8,
            Precision::Uint8,
            Precision::Binary,
            Precision::Ubinary,
        ];
        let found = ALL.into_iter().find(|p| p.name() == name);
        found.ok_or_else(|| "use float32, int8, uint8, binary or ubinary".to_string())
    }
}

/// The least and the greatest value of each dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    least: Vec<f32>,
    greatest: Vec<f32>,
    vectors: u64,
}

impl Ranges {
    /// Of no vector yet, of `dim` values.
    pub fn new(dim: usize) -> Self {
        Self {
            least: vec![f32::INFINITY; dim],
            greatest: vec![f32::NEG_INFINITY; dim],
            vectors: 0,
        }
    }

    /// Takes a vector of as many values into account.
    pub fn add(&mut self, vector: &[f32]) {
        let bounds = self.least.iter_mut().zip(&mut self.greatest);
        for (x, (least, greatest)) in vector.iter().zip(bounds) {
            *least = least.min(*x);
            *greatest = greatest.max(*x);
        }
        self.vectors += 1;
    }

    /// Of how many vectors they are.
    pub fn vectors(&self) -> u64 {
        self.vectors
    }
}

/// Vectors of one precision, one behind another.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantized {
    /// Of `Float32`.
    Float32(Vec<f32>),
    /// Of `Int8` and `Binary`.
    Signed(Vec<i8>),
    /// Of `Uint8` and `Ubinary`.
    Unsigned(Vec<u8>),
}

impl Quantized {
    /// The numbers as bytes, in little-endian order.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Float32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Signed(values) => values.iter().map(|x| x.to_le_bytes()[0]).collect(),
            Self::Unsigned(values) => values.clone(),
        }
    }
}

/// Brings vectors of `dim` values each, one behind another, to a precision. int8 and uint8 need the
/// ranges of the values, of these vectors or better of many more that are like them.
///
/// ```
/// use nearwise::vectors::{Precision, Quantized, quantize};
///
/// let bits = quantize(&[0.3, -0.1, 0.0, 0.7], 4, Precision::Ubinary, None).unwrap();
/// assert_eq!(bits, Quantized::Unsigned(vec![0b1001_0000]));
/// ```
///
/// # Errors
/// int8 or uint8 without ranges, or with those of fewer than two vectors or of vectors of another
/// length.
///
/// # Panics
/// `dim` is 0.
pub fn quantize(
    values: &[f32],
    dim: usize,
    precision: Precision,
    ranges: Option<&Ranges>,
) -> Result<Quantized> {
    Ok(match precision {
        Precision::Float32 => Quantized::Float32(values.to_vec()),
        Precision::Uint8 => Quantized::Unsigned(steps(values, dim, precision, ranges)?.collect()),
        Precision::Int8 => {
            let steps = steps(values, dim, precision, ranges)?;
            // Less 128.
            Quantized::Signed(steps.map(|x| (x ^ 0x80).cast_signed()).collect())
        }
        Precision::Ubinary => Quantized::Unsigned(bits(values, dim).collect()),
        Precision::Binary => {
            let bits = bits(values, dim);
            Quantized::Signed(bits.map(|x| (x ^ 0x80).cast_signed()).collect())
        }
    })
}

/// The step of each value, of 256.
fn steps<'a>(
    values: &'a [f32],
    dim: usize,
    precision: Precision,
    ranges: Option<&'a Ranges>,
) -> Result<impl Iterator<Item = u8> + 'a> {
    let wrong = |message: String| Error::parameter("calibration", message);
    let Some(ranges) = ranges.filter(|r| r.vectors > 1) else {
        return Err(wrong(format!(
            "{} takes the range of each dimension from vectors, of which there are not two; give more, or others that are like them",
            precision.name()
        )));
    };
    if ranges.least.len() != dim {
        return Err(wrong(format!(
            "ranges of {} dimensions for vectors of {dim} values",
            ranges.least.len()
        )));
    }
    let bounds: Vec<(f32, f32)> = ranges
        .least
        .iter()
        .zip(&ranges.greatest)
        .map(|(least, greatest)| {
            let step = (greatest - least) / 255.0;
            (*least, if step == 0.0 { 1.0 } else { step })
        })
        .collect();
    let of_vector = move |vector: &'a [f32]| {
        let bounds = bounds.clone();
        vector.iter().zip(bounds).map(|(x, (least, step))| {
            // What is beyond the ranges goes to their ends.
            ((x - least) / step).floor().clamp(0.0, 255.0) as u8
        })
    };
    Ok(values.chunks_exact(dim).flat_map(of_vector))
}

/// Whether each value is above 0, eight in a byte; the last byte of a vector filled up with zeros.
fn bits(values: &[f32], dim: usize) -> impl Iterator<Item = u8> {
    let byte = |eight: &[f32]| {
        let bits = eight.iter().enumerate();
        bits.fold(0u8, |byte, (i, x)| byte | u8::from(*x > 0.0) << (7 - i))
    };
    let vectors = values.chunks_exact(dim);
    vectors.flat_map(move |vector| vector.chunks(8).map(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Arrays of `tests/fixtures/make_quantized.py`, which sentence-transformers computed.
    #[test]
    fn numbers_are_those_of_sentence_transformers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/quantized.json");
        let cases: Vec<Value> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let rows =
                |key: &str| -> Vec<Vec<f32>> { serde_json::from_value(case[key].clone()).unwrap() };
            let embeddings = rows("embeddings");
            let dim = embeddings[0].len();
            let values = embeddings.concat();
            let calibration = match &case["calibration"] {
                Value::Null => embeddings.clone(),
                _ => rows("calibration"),
            };
            let mut ranges = Ranges::new(dim);
            calibration.iter().for_each(|row| ranges.add(row));
            for name in ["float32", "int8", "uint8", "binary", "ubinary"] {
                let precision: Precision = name.parse().unwrap();
                let got = quantize(&values, dim, precision, Some(&ranges)).unwrap();
                let expected = case[name].as_array().unwrap();
                let expected: Vec<f64> = expected
                    .iter()
                    .flat_map(|row| row.as_array().unwrap())
                    .map(|x| x.as_f64().unwrap())
                    .collect();
                let got: Vec<f64> = match got {
                    Quantized::Float32(all) => all.iter().map(|x| f64::from(*x)).collect(),
                    Quantized::Signed(all) => all.iter().map(|x| f64::from(*x)).collect(),
                    Quantized::Unsigned(all) => all.iter().map(|x| f64::from(*x)).collect(),
                };
                if name == "float32" {
                    assert!(got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-7));
                } else {
                    assert_eq!(got, expected, "{} {name}", case["name"]);
                }
                assert_eq!(expected.len(), embeddings.len() * precision.length(dim));
            }
        }
    }

    #[test]
    fn ranges_of_one_vector_say_nothing() {
        let mut ranges = Ranges::new(2);
        ranges.add(&[0.1, 0.2]);
        for ranges in [None, Some(&ranges)] {
            let e = quantize(&[0.1, 0.2], 2, Precision::Int8, ranges).unwrap_err();
            assert!(e.to_string().contains("not two"), "{e}");
        }
        ranges.add(&[0.1, 0.3]);
        assert!(quantize(&[0.1, 0.2, 0.3], 3, Precision::Uint8, Some(&ranges)).is_err());
        // A dimension of one value is the first step.
        let got = quantize(&[0.1, 0.3], 2, Precision::Uint8, Some(&ranges)).unwrap();
        assert_eq!(got, Quantized::Unsigned(vec![0, 255]));
    }
}
