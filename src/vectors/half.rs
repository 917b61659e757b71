//! Vectors as bytes: f16, little-endian.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// A vector as it is stored.
pub fn to_f16(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|&x| f16::from_f32(x).to_le_bytes())
        .collect()
}

/// Reads a stored vector into `out`, whose length must be the vector's.
pub fn from_f16(bytes: &[u8], out: &mut [f32]) {
    const STEP: usize = 64;
    let mut halves = [f16::ZERO; STEP];
    for (bytes, out) in bytes.chunks(2 * STEP).zip(out.chunks_mut(STEP)) {
        let n = out.len().min(bytes.len() / 2);
        for (half, pair) in halves.iter_mut().zip(bytes.chunks_exact(2)) {
            *half = f16::from_le_bytes([pair[0], pair[1]]);
        }
        halves[..n].convert_to_f32_slice(&mut out[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn there_and_back_within_half_precision(
            vector in proptest::collection::vec(-1.0f32..1.0, 1..300),
        ) {
            let mut back = vec![0.0; vector.len()];
            from_f16(&to_f16(&vector), &mut back);
            for (a, b) in vector.iter().zip(&back) {
                prop_assert!((a - b).abs() <= 0.0005, "{} {}", a, b);
            }
        }
    }
}
