//! What is done to rows between matrix products: LayerNorm, and numbers to operands.

use super::simd::{Dot, Simd};

/// Rows of f32 that become operands of a matrix product.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// The rows.
    pub values: *mut f32,
    /// Floats from a row to the next.
    pub stride: usize,
    /// Numbers of a row.
    pub len: usize,
    /// How many rows.
    pub count: usize,
    /// Where the operands go, in words.
    pub operands: *mut u32,
    /// Words from an operand row to the next.
    pub operand_stride: usize,
    /// For each row, where it is quantised: what a unit stands for.
    pub scales: *mut f32,
    /// For each row, where it is quantised: its zero point.
    pub zeros: *mut i32,
}

/// LayerNorm's parameters.
#[derive(Debug, Clone)]
pub(crate) struct Norm<'a> {
    /// The gain, one for each number.
    pub weight: &'a [f32],
    /// The bias, one for each number.
    pub bias: &'a [f32],
    /// What is added to the variance.
    pub eps: f32,
}

/// Numbers of a row `n`, from `i` on: a whole vector, or what is left.
#[inline(always)]
unsafe fn load<S: Simd>(row: *const f32, i: usize, n: usize) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        if i + S::LANES <= n {
            S::load(row.add(i))
        } else {
            S::load_first(row.add(i), n - i)
        }
    }
}

#[inline(always)]
unsafe fn store<S: Simd>(row: *mut f32, i: usize, n: usize, x: S::F) {
    // SAFETY: the caller's.
    unsafe {
        if i + S::LANES <= n {
            S::store(row.add(i), x);
        } else {
            S::store_first(row.add(i), x, n - i);
        }
    }
}

/// LayerNorm (<https://arxiv.org/abs/1607.06450>) of each row in place, and the operands.
///
/// # Safety
/// The level's instructions are there; all that `r` names is valid for its counts, operands
/// for `len` numbers filled up to a whole vector; `norm` has `len` numbers.
#[inline(always)]
pub(super) unsafe fn layer_norm<S: Simd, D: Dot<S>>(r: &Rows, norm: &Norm<'_>) {
    let n = r.len;
    // SAFETY: the caller's.
    unsafe {
        for row in 0..r.count {
            let x = r.values.add(row * r.stride);
            let mut sum = S::splat(0.0);
            for i in (0..n).step_by(S::LANES) {
                sum = S::add(sum, load::<S>(x, i, n));
            }
            let mean = S::splat(S::sum(sum) / n as f32);
            let mut squares = S::splat(0.0);
            for i in (0..n).step_by(S::LANES) {
                let mut d = S::sub(load::<S>(x, i, n), mean);
                if i + S::LANES > n {
                    d = S::keep_first(d, n - i, 0.0);
                }
                squares = S::fma(d, d, squares);
            }
            let factor = S::splat(1.0 / (S::sum(squares) / n as f32 + norm.eps).sqrt());
            let (mut low, mut high) = (S::splat(0.0), S::splat(0.0));
            for i in (0..n).step_by(S::LANES) {
                let d = S::mul(S::sub(load::<S>(x, i, n), mean), factor);
                let weight = load::<S>(norm.weight.as_ptr(), i, n);
                let y = S::fma(d, weight, load::<S>(norm.bias.as_ptr(), i, n));
                store::<S>(x, i, n, y);
                if D::QUANTISED {
                    // Behind the end of a row y is zero, which the range holds anyway.
                    low = S::min(low, y);
                    high = S::max(high, y);
                } else {
                    D::put(r.operands.add(row * r.operand_stride), i, y, 0);
                }
            }
            if D::QUANTISED {
                quantise::<S, D>(r, row, S::smallest(low), S::largest(high));
            }
        }
    }
}

/// The operands of each row.
///
/// # Safety
/// As for [`layer_norm`].
#[inline(always)]
pub(super) unsafe fn operands<S: Simd, D: Dot<S>>(r: &Rows) {
    let n = r.len;
    // SAFETY: the caller's.
    unsafe {
        for row in 0..r.count {
            let x = r.values.add(row * r.stride);
            if D::QUANTISED {
                let (mut low, mut high) = (S::splat(0.0), S::splat(0.0));
                for i in (0..n).step_by(S::LANES) {
                    let x = load::<S>(x, i, n);
                    low = S::min(low, x);
                    high = S::max(high, x);
                }
                quantise::<S, D>(r, row, S::smallest(low), S::largest(high));
            } else {
                for i in (0..n).step_by(S::LANES) {
                    let to = r.operands.add(row * r.operand_stride);
                    D::put(to, i, load::<S>(x, i, n), 0);
                }
            }
        }
    }
}

/// Quantises a row to 0..=255 so that its range, which holds zero, just fits: what is one-sided,
/// as after the GELU, keeps a bit more than it would by a symmetric scale.
#[inline(always)]
unsafe fn quantise<S: Simd, D: Dot<S>>(r: &Rows, row: usize, low: f32, high: f32) {
    let n = r.len;
    let range = high - low;
    let scale = if range > 0.0 { range / 255.0 } else { 1.0 };
    let inverse = 1.0 / scale;
    let zero = (-low * inverse).round_ties_even() as i32;
    // SAFETY: the caller's.
    unsafe {
        *r.scales.add(row) = scale;
        *r.zeros.add(row) = zero;
        let x = r.values.add(row * r.stride);
        let to = r.operands.add(row * r.operand_stride);
        let factor = S::splat(inverse);
        for i in (0..n).step_by(S::LANES) {
            D::put(to, i, S::mul(load::<S>(x, i, n), factor), zero);
        }
    }
}
