//! Products of many vectors with many others, by the encoder's f32 kernel.

#![allow(unsafe_code)]

use crate::kernels::{self, Dtype, Epilogue, Gemm, Kernels, Level, Output, Packed, wanted_level};

/// Vectors packed so that dot products with other vectors run at the speed of the encoder's
/// linear layers. In f32; a product does not depend on which others are computed with it.
#[derive(Debug, Clone)]
pub struct Products {
    kernels: Kernels,
    packed: Packed,
    columns: usize,
    dim: usize,
}

impl Products {
    /// Rows that are best multiplied at a time: they and their products stay in the cache.
    pub const ROWS: usize = 64;

    /// Packs `vectors`, `dim` numbers each, one after another.
    pub fn new(vectors: &[f32], dim: usize) -> Self {
        let level = wanted_level().unwrap_or_else(|_| Level::best());
        Self::for_level(vectors, dim, level)
    }

    /// As [`Products::new`]; `offsets`, one for each vector, are added to its products.
    pub fn with_offsets(vectors: &[f32], dim: usize, offsets: &[f32]) -> Self {
        let mut out = Self::new(vectors, dim);
        out.set_offsets(offsets);
        out
    }

    pub(super) fn set_offsets(&mut self, offsets: &[f32]) {
        for (bias, offset) in self.packed.bias.iter_mut().zip(offsets) {
            *bias = *offset;
        }
    }

    /// As [`Products::new`], for a level of instructions; the portable one where the processor
    /// has it not.
    pub fn for_level(vectors: &[f32], dim: usize, level: Level) -> Self {
        let columns = vectors.len().checked_div(dim).unwrap_or(0);
        let kernels = level
            .kernels(Dtype::F32)
            .unwrap_or(kernels::portable_f32::KERNELS);
        let bias = vec![0.0; columns];
        let inner = dim.max(1);
        let packed = Packed::new(
            &vectors[..columns * dim],
            &bias,
            inner,
            kernels.format,
            kernels.width,
        );
        Self {
            kernels,
            packed,
            columns,
            dim: inner,
        }
    }

    /// How many vectors were packed.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// From the products of one row to the next: the vectors, filled up to whole panels.
    fn stride(&self) -> usize {
        self.packed.panels * self.kernels.width
    }

    /// The products of `rows`, one vector after another, with every packed vector: a slice of
    /// [`Products::columns`] numbers for each row, none where nothing was packed. They lie in
    /// `out`, whose memory is used again.
    pub fn multiply<'a>(
        &self,
        rows: &[f32],
        out: &'a mut Vec<f32>,
    ) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        let count = rows.len() / self.dim;
        let (columns, stride) = (self.columns, self.stride());
        out.resize(count * stride, 0.0);
        if columns > 0 {
            // SAFETY: having the kernels proves the level; `rows` holds `count` rows of `dim`
            // numbers, which is what the packed vectors' groups are for f32, and `out` was made as
            // long as the rows times the panels' width. f32 kernels do not quantise.
            unsafe {
                let rows = rows.as_ptr().cast();
                multiply(&self.kernels, &self.packed, rows, self.dim, count, out);
            }
        }
        out.chunks_exact(stride.max(1))
            .map(move |row| &row[..columns])
    }
}

/// The products of `count` rows of words, `stride` words apart, with all packed columns.
///
/// # Safety
/// The kernels' level is there, and they do not quantise; `packed` was packed for them; `rows` is valid for
/// the rows, each of as many words as `packed` has groups; `out` is as long as the rows times
/// the panels' width.
pub(super) unsafe fn multiply(
    kernels: &Kernels,
    packed: &Packed,
    rows: *const u32,
    stride: usize,
    count: usize,
    out: &mut [f32],
) {
    let out_stride = packed.panels * kernels.width;
    for first in (0..count).step_by(Products::ROWS) {
        // SAFETY: the caller's; kernels that do not quantise read no scales and no zero points.
        unsafe {
            (kernels.gemm)(&Gemm {
                rows: rows.add(first * stride),
                stride,
                count: Products::ROWS.min(count - first),
                scales: std::ptr::null(),
                zeros: std::ptr::null(),
                weights: packed,
                panels: 0..packed.panels,
                out: out[first * out_stride..].as_mut_ptr().cast(),
                out_stride,
                output: Output::F32,
                epilogue: Epilogue::Plain,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_equal_sums_at_every_level(
            rows in 0usize..140, columns in 0usize..70, dim in 1usize..50, seed in 0u32..1000,
        ) {
            let value = |i: usize| {
                let x = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed * 97);
                (x >> 8) as f32 / (1 << 24) as f32 - 0.5
            };
            let a: Vec<f32> = (0..rows * dim).map(value).collect();
            let b: Vec<f32> = (0..columns * dim).map(|i| value(i + 7919)).collect();
            for level in Level::ALL.into_iter().filter(|l| l.available()) {
                let products = Products::for_level(&b, dim, level);
                let mut out = Vec::new();
                let found: Vec<&[f32]> = products.multiply(&a, &mut out).collect();
                prop_assert_eq!(found.len(), if columns == 0 { 0 } else { rows });
                for r in 0..found.len() {
                    prop_assert_eq!(found[r].len(), columns);
                    for c in 0..columns {
                        let exact: f64 = (0..dim)
                            .map(|i| f64::from(a[r * dim + i]) * f64::from(b[c * dim + i]))
                            .sum();
                        let got = f64::from(found[r][c]);
                        prop_assert!((got - exact).abs() < 1e-4, "{} {}", got, exact);
                    }
                }
            }
        }
    }
}
