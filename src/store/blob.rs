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

/// The dot product of two vectors of the same length; their cosine where both have unit length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Sixteen sums side by side let the compiler use vector registers; a fixed order keeps
    // the result the same everywhere.
    let mut sums = [0.0f32; 16];
    let (a16, b16) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a16
        .remainder()
        .iter()
        .zip(b16.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a16.zip(b16) {
        for i in 0..16 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum::<f32>() + rest
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

        #[test]
        fn dot_is_the_sum_of_products(
            pairs in proptest::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..300),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let exact: f64 = pairs.iter().map(|&(x, y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
        }
    }
}
