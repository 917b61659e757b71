//! What is done to rows between matrix products: norms, rotations, gates, and numbers to operands.

use super::gemm::{Epilogue, activate};
use super::simd::{Dot, Simd};

/// Rows of f32 that become operands of a matrix product.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// The rows.
    pub values: *mut f32,
    /// Floats from a row to the next.
    pub stride: usize,
    /// Where normalised rows go; the rows themselves, or others.
    pub normed: *mut f32,
    /// Floats from there to the next row's.
    pub normed_stride: usize,
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

/// A norm's parameters.
#[derive(Debug, Clone)]
pub(crate) struct Norm<'a> {
    /// Whether the mean is taken off first (LayerNorm), or not (RMSNorm).
    pub centred: bool,
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

/// Rows at once: what is done to one waits for itself at every turn.
const AT_ONCE: usize = 4;

/// How many rows are done so: of long ones not even a few stay in the first-level cache from one turn
/// to the next.
fn several(r: &Rows) -> usize {
    const LONGEST: usize = 1024;
    if r.len > LONGEST {
        0
    } else {
        r.count - r.count % AT_ONCE
    }
}

/// LayerNorm (<https://arxiv.org/abs/1607.06450>) or RMSNorm (<https://arxiv.org/abs/1910.07467>)
/// of each row, and the operands.
///
/// # Safety
/// The level's instructions are there; all that `r` names is valid for its counts, operands
/// for `len` numbers filled up to a whole vector; `norm` has `len` numbers.
#[inline(always)]
pub(super) unsafe fn norm<S: Simd, D: Dot<S>>(r: &Rows, norm: &Norm<'_>) {
    // SAFETY: the caller's.
    unsafe { all::<S, D>(r, Some(norm)) }
}

/// The operands of all rows, normalised or as they are.
#[inline(always)]
unsafe fn all<S: Simd, D: Dot<S>>(r: &Rows, norm: Option<&Norm<'_>>) {
    let several = several(r);
    // SAFETY: the caller's.
    unsafe {
        for row in (0..several).step_by(AT_ONCE) {
            some::<S, D, AT_ONCE>(r, row, norm);
        }
        for row in several..r.count {
            some::<S, D, 1>(r, row, norm);
        }
    }
}

/// The same of `R` rows.
#[inline(always)]
unsafe fn some<S: Simd, D: Dot<S>, const R: usize>(
    r: &Rows,
    first: usize,
    norm: Option<&Norm<'_>>,
) {
    let n = r.len;
    // SAFETY: the caller's.
    unsafe {
        let values: [_; R] =
            std::array::from_fn(|m| r.values.add((first + m) * r.stride).cast_const());
        // Where nothing is normalised, they may not be there.
        let normed_rows: [_; R] =
            std::array::from_fn(|m| r.normed.wrapping_add((first + m) * r.normed_stride));
        let norm = norm.map(|norm| (norm, moments::<S, R>(&values, n, norm)));
        let (mut low, mut high) = ([S::splat(0.0); R], [S::splat(0.0); R]);
        for i in (0..n).step_by(S::LANES) {
            for m in 0..R {
                let x = match &norm {
                    Some((norm, moments)) => {
                        let y = normed::<S>(values[m], i, n, norm, moments[m]);
                        store::<S>(normed_rows[m], i, n, y);
                        y
                    }
                    None => load::<S>(values[m], i, n),
                };
                if D::QUANTISED {
                    // Behind the end of a row x is zero, which the range holds anyway.
                    low[m] = S::min(low[m], x);
                    high[m] = S::max(high[m], x);
                } else {
                    D::put(r.operands.add((first + m) * r.operand_stride), i, x, 0);
                }
            }
        }
        if D::QUANTISED {
            let rows = match &norm {
                Some(_) => normed_rows.map(|row| row.cast_const()),
                None => values,
            };
            quantise::<S, D, R>(r, first, &rows, &low, &high);
        }
    }
}

/// Of each row the mean, or zero, and what numbers less the mean are multiplied by.
#[inline(always)]
unsafe fn moments<S: Simd, const R: usize>(
    rows: &[*const f32; R],
    n: usize,
    norm: &Norm<'_>,
) -> [(S::F, S::F); R] {
    // SAFETY: the caller's.
    unsafe {
        let mut means = [S::splat(0.0); R];
        if norm.centred {
            let mut sums = [S::splat(0.0); R];
            for i in (0..n).step_by(S::LANES) {
                for m in 0..R {
                    sums[m] = S::add(sums[m], load::<S>(rows[m], i, n));
                }
            }
            means = sums.map(|sum| S::splat(S::sum(sum) / n as f32));
        }
        let mut squares = [S::splat(0.0); R];
        for i in (0..n).step_by(S::LANES) {
            for m in 0..R {
                let mut d = S::sub(load::<S>(rows[m], i, n), means[m]);
                if i + S::LANES > n {
                    d = S::keep_first(d, n - i, 0.0);
                }
                squares[m] = S::fma(d, d, squares[m]);
            }
        }
        std::array::from_fn(|m| {
            let factor = 1.0 / (S::sum(squares[m]) / n as f32 + norm.eps).sqrt();
            (means[m], S::splat(factor))
        })
    }
}

/// Numbers of a row from `i` on, normalised by its [`moments`].
#[inline(always)]
unsafe fn normed<S: Simd>(
    x: *const f32,
    i: usize,
    n: usize,
    norm: &Norm<'_>,
    (mean, factor): (S::F, S::F),
) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        let d = S::mul(S::sub(load::<S>(x, i, n), mean), factor);
        let weight = load::<S>(norm.weight.as_ptr(), i, n);
        S::fma(d, weight, load::<S>(norm.bias.as_ptr(), i, n))
    }
}

/// Adds each row, normalised, to the row of `normed`; makes no operands.
///
/// # Safety
/// As for [`norm`].
#[inline(always)]
pub(super) unsafe fn add_normed<S: Simd>(r: &Rows, norm: &Norm<'_>) {
    let n = r.len;
    // SAFETY: the caller's.
    unsafe {
        for row in 0..r.count {
            let x = r.values.add(row * r.stride);
            let to = r.normed.add(row * r.normed_stride);
            let [moments] = moments::<S, 1>(&[x.cast_const()], n, norm);
            for i in (0..n).step_by(S::LANES) {
                let y = normed::<S>(x, i, n, norm, moments);
                store::<S>(to, i, n, S::add(load::<S>(to, i, n), y));
            }
        }
    }
}

/// Queries, keys and values of tokens that stand behind each other in a text.
#[derive(Debug, Clone)]
pub(crate) struct Heads<'a> {
    /// The rows: heads of queries, then heads of keys, then the values.
    pub values: *mut f32,
    /// Floats from a row to the next.
    pub stride: usize,
    /// How many rows.
    pub count: usize,
    /// Numbers of a row.
    pub len: usize,
    /// Heads of queries, and of keys.
    pub heads: [usize; 2],
    /// Numbers of a head.
    pub head_dim: usize,
    /// Of each head's queries, and of its keys.
    pub norms: Option<[Norm<'a>; 2]>,
    /// Cosines and sines of the first row's position, `pairs` each; those of the next rows behind.
    pub rotation: Option<(*const f32, *const f32)>,
    /// Pairs of numbers of a head that are rotated: number `i` with number `i + pairs`.
    pub pairs: usize,
    /// Where the operands go, in words; may be `values` where operands are f32.
    pub operands: *mut u32,
    /// Words from an operand row to the next.
    pub operand_stride: usize,
}

/// Normalises and rotates queries and keys in place, and makes operands of all of each row.
///
/// # Safety
/// The level's instructions are there; all that `h` names is valid for its counts, operands
/// for `len` numbers filled up to a whole vector; norms have `head_dim` numbers.
#[inline(always)]
pub(super) unsafe fn heads<S: Simd, O: Dot<S>>(h: &Heads<'_>) {
    let n = h.head_dim;
    // SAFETY: the caller's.
    unsafe {
        for row in 0..h.count {
            let x = h.values.add(row * h.stride);
            for head in 0..h.heads[0] + h.heads[1] {
                let x = x.add(head * n);
                if let Some(norms) = &h.norms {
                    let norm = &norms[usize::from(head >= h.heads[0])];
                    let [moments] = moments::<S, 1>(&[x.cast_const()], n, norm);
                    for i in (0..n).step_by(S::LANES) {
                        let y = normed::<S>(x, i, n, norm, moments);
                        store::<S>(x, i, n, y);
                    }
                }
                if let Some((cos, sin)) = h.rotation {
                    let (cos, sin) = (cos.add(row * h.pairs), sin.add(row * h.pairs));
                    rotate::<S>(x, cos, sin, h.pairs);
                }
            }
            let to = h.operands.add(row * h.operand_stride);
            for i in (0..h.len).step_by(S::LANES) {
                O::put(to, i, load::<S>(x, i, h.len), 0);
            }
        }
    }
}

/// Turns the numbers `i` and `i + pairs` of `x` by an angle each.
#[inline(always)]
unsafe fn rotate<S: Simd>(x: *mut f32, cos: *const f32, sin: *const f32, pairs: usize) {
    // SAFETY: the caller's.
    unsafe {
        let y = x.add(pairs);
        for i in (0..pairs).step_by(S::LANES) {
            let (a, b) = (load::<S>(x, i, pairs), load::<S>(y, i, pairs));
            let (cos, sin) = (load::<S>(cos, i, pairs), load::<S>(sin, i, pairs));
            let turned = S::sub(S::mul(a, cos), S::mul(b, sin));
            store::<S>(y, i, pairs, S::fma(b, cos, S::mul(a, sin)));
            store::<S>(x, i, pairs, turned);
        }
    }
}

/// Of each row's first `len` numbers the activation, times the `len` numbers behind them, in
/// place of the first; and the operands.
///
/// # Safety
/// As for [`norm`]; rows have `2 * len` numbers.
#[inline(always)]
pub(super) unsafe fn gate<S: Simd, D: Dot<S>>(r: &Rows, activation: Epilogue) {
    let n = r.len;
    // SAFETY: the caller's.
    unsafe {
        for row in 0..r.count {
            let x = r.values.add(row * r.stride);
            let (mut low, mut high) = (S::splat(0.0), S::splat(0.0));
            for i in (0..n).step_by(S::LANES) {
                let gate = activate::<S, D>(load::<S>(x, i, n), activation);
                let y = S::mul(gate, load::<S>(x.add(n), i, n));
                if D::QUANTISED {
                    store::<S>(x, i, n, y);
                    low = S::min(low, y);
                    high = S::max(high, y);
                } else {
                    D::put(r.operands.add(row * r.operand_stride), i, y, 0);
                }
            }
            if D::QUANTISED {
                quantise::<S, D, 1>(r, row, &[x.cast_const()], &[low], &[high]);
            }
        }
    }
}

/// The operands of each row.
///
/// # Safety
/// As for [`norm`].
#[inline(always)]
pub(super) unsafe fn operands<S: Simd, D: Dot<S>>(r: &Rows) {
    // SAFETY: the caller's.
    unsafe { all::<S, D>(r, None) }
}

/// Quantises rows to 0..=255 so that the range of each, which holds zero, just fits: what is one-sided,
/// as after the GELU, keeps a bit more than it would by a symmetric scale. The least and the
/// largest numbers are the least and largest of all lanes.
#[inline(always)]
unsafe fn quantise<S: Simd, D: Dot<S>, const R: usize>(
    r: &Rows,
    first: usize,
    rows: &[*const f32; R],
    low: &[S::F; R],
    high: &[S::F; R],
) {
    let n = r.len;
    // SAFETY: the caller's.
    unsafe {
        let ways: [(S::F, i32); R] = std::array::from_fn(|m| {
            let (low, high) = (S::smallest(low[m]), S::largest(high[m]));
            let range = high - low;
            let scale = if range > 0.0 { range / 255.0 } else { 1.0 };
            let inverse = 1.0 / scale;
            let zero = (-low * inverse).round_ties_even() as i32;
            *r.scales.add(first + m) = scale;
            *r.zeros.add(first + m) = zero;
            (S::splat(inverse), zero)
        });
        for i in (0..n).step_by(S::LANES) {
            for m in 0..R {
                let to = r.operands.add((first + m) * r.operand_stride);
                let (factor, zero) = ways[m];
                D::put(to, i, S::mul(load::<S>(rows[m], i, n), factor), zero);
            }
        }
    }
}
