//! Products estimated in bf16, so that few have to be computed in f32.

#![allow(unsafe_code)]

use super::products::multiply;
use crate::kernels::{self, Dtype, Kernels, Level, Packed, Rows, wanted_level};

/// Vectors whose products with others are estimated by the encoder's bf16 kernel, each within a
/// bound that is known, and computed where the estimate does not decide. What is computed has the
/// bits of [`Products`](super::Products), so that whoever wants the highest products gets the same ones as from there
/// in about half the time, where the processor multiplies bf16 twice as fast as f32.
#[derive(Debug, Clone)]
pub struct Screen<'a> {
    kernels: Kernels,
    packed: Packed,
    vectors: &'a [f32],
    offsets: &'a [f32],
    columns: usize,
    dim: usize,
    /// The length of the longest of the vectors, rounded to bf16.
    longest: f32,
    /// The length of the largest difference of a vector and what it is rounded to.
    farthest: f32,
    /// The largest of the offsets.
    offset: f32,
}

/// What a thread needs while it estimates; it is used again.
#[derive(Debug, Clone, Default)]
pub struct Room {
    operands: Vec<u32>,
    estimates: Vec<f32>,
}

/// More than estimated lengths and bounds can be wrong by, as they are computed in f32 themselves.
const SLACK: f32 = 1.001;

impl<'a> Screen<'a> {
    /// Packs `vectors`, `dim` numbers each, one after another, whose `offsets` (one for each, or
    /// none) are added to their products; `None` where this processor does not compute bf16 faster
    /// than f32.
    pub fn new(vectors: &'a [f32], dim: usize, offsets: &'a [f32]) -> Option<Self> {
        let level = wanted_level().unwrap_or_else(|_| Level::best());
        level
            .speeds_up(Dtype::Bf16)
            .then(|| Self::for_level(vectors, dim, offsets, level))?
    }

    /// As [`Screen::new`], for a level of instructions, whether bf16 is fast there or not; `None` where
    /// the processor has not the level.
    pub fn for_level(
        vectors: &'a [f32],
        dim: usize,
        offsets: &'a [f32],
        level: Level,
    ) -> Option<Self> {
        let kernels = level.kernels(Dtype::Bf16)?;
        let dim = dim.max(1);
        let columns = vectors.len() / dim;
        let vectors = &vectors[..columns * dim];
        let mut bias = offsets.to_vec();
        bias.resize(columns, 0.0);
        let packed = Packed::new(vectors, &bias, dim, kernels.format, kernels.width);
        let (mut longest, mut farthest) = (0.0f32, 0.0f32);
        for vector in vectors.chunks_exact(dim) {
            let (length, off) = lengths(vector);
            longest = longest.max(length);
            farthest = farthest.max(off);
        }
        Some(Self {
            kernels,
            packed,
            vectors,
            offsets,
            columns,
            dim,
            longest,
            farthest,
            offset: offsets.iter().fold(0.0f32, |most, o| most.max(o.abs())),
        })
    }

    /// Estimates the products of `rows`, one vector after another, with every packed vector: for
    /// each row a slice of as many numbers as there are packed vectors, and how much each of them
    /// may differ at most from what [`Screen::exact`] gives. A bound that is no number says that
    /// the numbers are too large for an estimate.
    pub fn estimate<'r>(
        &self,
        rows: &[f32],
        room: &'r mut Room,
    ) -> impl Iterator<Item = (&'r [f32], f32)> + use<'r, '_, 'a> {
        let count = if self.columns == 0 {
            0
        } else {
            rows.len() / self.dim
        };
        // A vector of lanes is stored at a row's end, whatever is left of the row.
        let operand_stride =
            (self.dim.next_multiple_of(WIDEST) / self.kernels.format.group()).max(1);
        let stride = self.packed.panels * self.kernels.width;
        room.operands.resize(count * operand_stride, 0);
        room.estimates.resize(count * stride, 0.0);
        let values = rows.as_ptr().cast_mut();
        let operands = room.operands.as_mut_ptr();
        let r = Rows {
            values,
            stride: self.dim,
            normed: values,
            normed_stride: self.dim,
            len: self.dim,
            count,
            operands,
            operand_stride,
            scales: std::ptr::null_mut(),
            zeros: std::ptr::null_mut(),
        };
        let (kernels, packed) = (&self.kernels, &self.packed);
        // SAFETY: having the kernels proves the level; `rows` holds `count` rows of `dim` numbers, which
        // `operands` only reads, and writes as bf16 to rows that end at a whole vector of lanes; they
        // hold as many words as the packed vectors have groups, and `estimates` was made as long as
        // the rows times the panels' width. bf16 kernels do not quantise.
        unsafe {
            (kernels.operands)(&r);
            multiply(
                kernels,
                packed,
                operands,
                operand_stride,
                count,
                &mut room.estimates,
            );
        }
        let rows = rows[..count * self.dim].chunks_exact(self.dim);
        let bounds: Vec<f32> = rows.map(|row| self.bound(row)).collect();
        room.estimates
            .chunks_exact(stride.max(1))
            .map(|row| &row[..self.columns])
            .zip(bounds)
    }

    /// What an estimate of this row may be wrong by: by Cauchy and Schwarz the rounding of the row
    /// times the longest vector, and of the vectors times the row, and then what is lost by adding
    /// in f32, here and there.
    fn bound(&self, row: &[f32]) -> f32 {
        let (length, off) = lengths(row);
        // The row's own length is at most that of what it is rounded to and the difference.
        let own = length + off;
        let sums =
            4.0 * (self.dim as f32 + 2.0) * f32::EPSILON * own * (self.longest + self.farthest);
        SLACK * (off * self.longest + own * self.farthest + sums + f32::EPSILON * self.offset)
            + f32::MIN_POSITIVE
    }

    /// The products of `row` with the `chosen` of the packed vectors, in f32, to the bit those of
    /// [`Products`](super::Products) with the same offsets.
    pub fn exact(&self, row: &[f32], chosen: &[u32], out: &mut Vec<f32>) {
        Self::exact_of(row, self.vectors, chosen, out);
        for (product, &column) in out.iter_mut().zip(chosen) {
            *product += self.offsets.get(column as usize).copied().unwrap_or(0.0);
        }
    }

    /// As [`Screen::exact`], with any vectors and no offsets.
    pub fn exact_of(row: &[f32], vectors: &[f32], chosen: &[u32], out: &mut Vec<f32>) {
        kernels::dots_in_order(row, vectors, chosen, out);
        // As the kernels add what is nothing, of which a negative zero becomes one that is not.
        out.iter_mut().for_each(|product| *product += 0.0);
    }
}

/// The most numbers in a vector of lanes.
const WIDEST: usize = 16;

/// The length of a vector rounded to bf16, and that of the difference.
fn lengths(vector: &[f32]) -> (f32, f32) {
    // Sixteen sums side by side, as for a dot product.
    let (mut length, mut off) = ([0.0f32; 16], [0.0f32; 16]);
    let mut add = |i: usize, x: f32| {
        // Ties to even, by adding a half, less one where the last bit that stays is even.
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
        let rounded = f32::from_bits(rounded);
        length[i] += rounded * rounded;
        off[i] += (x - rounded) * (x - rounded);
    };
    let (whole, rest) = vector.as_chunks::<16>();
    for some in whole {
        for (i, &x) in some.iter().enumerate() {
            add(i, x);
        }
    }
    for (i, &x) in rest.iter().enumerate() {
        add(i, x);
    }
    (
        length.iter().sum::<f32>().sqrt(),
        off.iter().sum::<f32>().sqrt(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::Products;
    use proptest::prelude::*;

    fn value(i: usize, seed: u32) -> f32 {
        let x = (i as u32)
            .wrapping_mul(2_654_435_761)
            .wrapping_add(seed * 97);
        (x >> 8) as f32 / (1 << 24) as f32 - 0.5
    }

    /// Levels whose f32 kernels fuse multiplication and addition.
    fn fused() -> impl Iterator<Item = Level> {
        Level::ALL
            .into_iter()
            .filter(|&l| l != Level::Portable && l.available())
    }

    proptest! {
        #[test]
        fn estimates_are_within_their_bounds_and_what_is_exact_has_the_products_bits(
            rows in 0usize..140, columns in 0usize..70, dim in 1usize..70, seed in 0u32..1000,
            scale in prop_oneof![Just(1e-6f32), Just(1.0), Just(1e6)],
        ) {
            let a: Vec<f32> = (0..rows * dim).map(|i| scale * value(i, seed)).collect();
            let b: Vec<f32> = (0..columns * dim).map(|i| value(i + 7919, seed)).collect();
            let offsets: Vec<f32> = (0..columns).map(|i| value(i + 31, seed)).collect();
            for level in fused() {
                let Some(screen) = Screen::for_level(&b, dim, &offsets, level) else { continue };
                let mut products = Products::for_level(&b, dim, level);
                products.set_offsets(&offsets);
                let (mut room, mut out, mut exact) = (Room::default(), Vec::new(), Vec::new());
                let all: Vec<u32> = (0..columns as u32).collect();
                let estimates: Vec<_> = screen.estimate(&a, &mut room).collect();
                let products: Vec<&[f32]> = products.multiply(&a, &mut out).collect();
                prop_assert_eq!(estimates.len(), products.len());
                for (r, ((estimates, bound), products)) in estimates.iter().zip(products).enumerate() {
                    screen.exact(&a[r * dim..][..dim], &all, &mut exact);
                    prop_assert_eq!(&exact[..], products, "{}", level.name());
                    for (e, p) in estimates.iter().zip(products) {
                        prop_assert!((e - p).abs() <= *bound, "{}: {} {} {}", level.name(), e, p, bound);
                    }
                    // It is of use: within a hundredth of the lengths' product.
                    let row = &a[r * dim..][..dim];
                    let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                    prop_assert!(*bound <= 0.01 * length * (screen.longest + 1e-3) + 1e-6);
                }
            }
        }
    }

    #[test]
    fn numbers_that_bf16_does_not_hold_have_no_bound() {
        let huge = [3.4e38f32, 3.4e38];
        for level in fused() {
            let Some(screen) = Screen::for_level(&huge, 2, &[], level) else {
                continue;
            };
            let mut room = Room::default();
            let found: Vec<_> = screen.estimate(&huge, &mut room).collect();
            assert!(!found[0].1.is_finite(), "{}", level.name());
        }
    }
}
