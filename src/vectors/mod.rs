//! Vectors and what is done with them: unit length, dot products, f16, the best of many, products
//! of many with many on the CPU or on a device. No text; files only of
//! NumPy's arrays.
//!
//! Vectors are slices of `f32`; many of them stand one behind another, `dim` values each. All that
//! Nearwise stores have unit length, so that a dot product is a cosine.

mod accelerator;
mod half;
mod npy;
mod products;
mod quantize;
mod screen;
mod top_k;

pub use accelerator::Accelerator;
pub use half::{from_f16, to_f16};
pub use npy::{npy_header_of, read_npy_rows};
pub use products::Products;
pub use quantize::{Precision, Quantized, Ranges, quantize};
pub use screen::{Room, Screen};
pub use top_k::TopK;

/// Scales a vector to unit length; a vector of zeros stays as it is.
pub fn normalize(vector: &mut [f32]) {
    let norm = vector
        .iter()
        .map(|x| f64::from(*x) * f64::from(*x))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 {
        let scale = (1.0 / norm) as f32;
        for x in vector {
            *x *= scale;
        }
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

/// Goes over the parts of a row of numbers in which one is at least `least`: `each` gets where a part
/// begins and its numbers, and says how high they must be from then on.
#[inline]
pub(crate) fn scan(row: &[f32], mut least: f32, mut each: impl FnMut(usize, &[f32]) -> f32) {
    for (at, part) in row.chunks(16).enumerate() {
        // Most parts hold none, which the compiler finds out 16 numbers at a time.
        if part.iter().fold(false, |any, &x| any | (x >= least)) {
            least = each(16 * at, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dot_is_the_sum_of_products(
            pairs in proptest::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..300),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let exact: f64 = pairs.iter().map(|&(x, y)| f64::from(x) * f64::from(y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
        }

        #[test]
        fn unit_length(mut vector in proptest::collection::vec(-10.0f32..10.0, 1..300)) {
            normalize(&mut vector);
            let square = dot(&vector, &vector);
            prop_assert!((square - 1.0).abs() < 1e-5 || vector.iter().all(|x| *x == 0.0));
        }
    }
}
