//! Matrix products with what follows them done on the way out.

use super::math;
use super::pack::Packed;
use super::simd::{Dot, Simd};
use std::ops::Range;

/// What becomes of a product before it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Epilogue {
    /// It is stored as it is.
    Plain,
    /// It is added to what stands there.
    Add,
    /// The exact GELU.
    Gelu,
    /// The GELU by its tanh approximation.
    GeluTanh,
    /// What is below zero becomes zero.
    Relu,
    /// x times its logistic function.
    Silu,
    /// The logistic function.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

/// How a product is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// As f32.
    F32,
    /// As the level's attention takes its operands: f32 or bf16.
    Attention,
    /// As rows of another product, of a level that does not quantise them.
    Rows,
}

/// Rows times weights, plus bias, finished and stored; the columns of `panels` alone.
#[derive(Debug, Clone)]
pub(crate) struct Gemm<'a> {
    /// The rows, in words.
    pub rows: *const u32,
    /// Words from a row to the next.
    pub stride: usize,
    /// How many rows.
    pub count: usize,
    /// For each quantised row, what a unit stands for.
    pub scales: *const f32,
    /// For each quantised row, its zero point.
    pub zeros: *const i32,
    /// The weights.
    pub weights: &'a Packed,
    /// The panels of them to compute.
    pub panels: Range<usize>,
    /// Where the first row goes.
    pub out: *mut u32,
    /// Words from there to the next row's.
    pub out_stride: usize,
    /// How it is stored; [`Epilogue::Add`] takes f32 alone.
    pub output: Output,
    /// What happens before.
    pub epilogue: Epilogue,
}

/// # Safety
/// The level's instructions are there. The rows, `out`, and the scales and zero points where
/// `D` is quantised are valid for `count` rows, `out` as wide as the panels; nothing else
/// uses those columns of `out` meanwhile. `weights` were packed for `D` and a width of
/// `NV * LANES`.
#[inline(always)]
pub(super) unsafe fn gemm<S: Simd, D: Dot<S>, O: Dot<S>, const MR: usize, const NV: usize>(
    g: &Gemm<'_>,
) {
    // SAFETY: the caller's.
    unsafe {
        for panel in g.panels.clone() {
            let mut row = 0;
            while row + MR <= g.count {
                block::<S, D, O, MR, NV>(g, panel, row);
                row += MR;
            }
            if MR > 4 && row + 4 <= g.count {
                block::<S, D, O, 4, NV>(g, panel, row);
                row += 4;
            }
            if MR > 2 && row + 2 <= g.count {
                block::<S, D, O, 2, NV>(g, panel, row);
                row += 2;
            }
            while row < g.count {
                block::<S, D, O, 1, NV>(g, panel, row);
                row += 1;
            }
        }
    }
}

/// `MR` rows times one panel.
#[inline(always)]
unsafe fn block<S: Simd, D: Dot<S>, O: Dot<S>, const MR: usize, const NV: usize>(
    g: &Gemm<'_>,
    panel: usize,
    row: usize,
) {
    let w = g.weights;
    let column = panel * NV * S::LANES;
    // SAFETY: the caller's.
    unsafe {
        let mut zeros = [0; MR];
        let mut scales = [0.0; MR];
        if D::QUANTISED {
            for m in 0..MR {
                zeros[m] = *g.zeros.add(row + m);
                scales[m] = *g.scales.add(row + m);
            }
        }
        let mut acc = [[D::start(0, w.sums.as_ptr().add(column)); NV]; MR];
        if D::QUANTISED {
            for m in 0..MR {
                for v in 0..NV {
                    acc[m][v] = D::start(zeros[m], w.sums.as_ptr().add(column + v * S::LANES));
                }
            }
        }
        let a = g.rows.add(row * g.stride);
        let b = w.words.as_ptr().add(panel * w.groups * NV * S::LANES);
        D::tile(a, g.stride, b, w.groups, &mut acc);
        for m in 0..MR {
            finish::<S, D, O, NV>(g, panel, row + m, scales[m], &acc[m]);
        }
    }
}

/// Finishes the sums of a row and a panel, and stores them.
///
/// # Safety
/// As [`gemm`]; `row` is one of the rows, `panel` one of the panels.
#[inline(always)]
pub(super) unsafe fn finish<S: Simd, D: Dot<S>, O: Dot<S>, const NV: usize>(
    g: &Gemm<'_>,
    panel: usize,
    row: usize,
    scale: f32,
    acc: &[D::Acc; NV],
) {
    let w = g.weights;
    // SAFETY: the caller's.
    unsafe {
        let to = g.out.add(row * g.out_stride);
        for v in 0..NV {
            let at = (panel * NV + v) * S::LANES;
            let bias = S::load(w.bias.as_ptr().add(at));
            let x = D::finish_plus(acc[v], scale, w.scales.as_ptr().add(at), bias);
            let x = match g.epilogue {
                Epilogue::Add => S::add(x, S::load(to.cast::<f32>().add(at))),
                other => activate::<S, D>(x, other),
            };
            match g.output {
                Output::F32 => S::store(to.cast::<f32>().add(at), x),
                Output::Attention => O::put(to, at, x, 0),
                Output::Rows => D::put(to, at, x, 0),
            }
        }
    }
}

/// The activation of numbers; those to be added to others are left as they are.
///
/// # Safety
/// The level's instructions are there.
#[inline(always)]
pub(super) unsafe fn activate<S: Simd, D: Dot<S>>(x: S::F, activation: Epilogue) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        match activation {
            Epilogue::Plain | Epilogue::Add => x,
            Epilogue::Gelu if D::ROUGH => math::gelu::<S, true>(x),
            Epilogue::Gelu => math::gelu::<S, false>(x),
            Epilogue::GeluTanh => math::gelu_tanh::<S>(x),
            Epilogue::Relu => S::max(x, S::splat(0.0)),
            Epilogue::Silu => S::mul(x, math::sigmoid::<S>(x)),
            Epilogue::Sigmoid => math::sigmoid::<S>(x),
            // 2 / (1 + e^-2x) - 1
            Epilogue::Tanh => {
                let twice = math::sigmoid::<S>(S::add(x, x));
                S::fma(twice, S::splat(2.0), S::splat(-1.0))
            }
        }
    }
}

/// The register tile: `MR` rows of words times `groups` x `NV` vectors of words.
///
/// # Safety
/// The level's instructions are there; `a` is valid for `groups` words of `MR` rows, `b` for
/// `groups * NV` vectors.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, D: Dot<S>, const MR: usize, const NV: usize>(
    a: *const u32,
    stride: usize,
    b: *const u32,
    groups: usize,
    acc: &mut [[D::Acc; NV]; MR],
) {
    let mut sums = *acc;
    // SAFETY: the caller's.
    unsafe {
        for g in 0..groups {
            let mut weights = [S::splat_word(0); NV];
            for v in 0..NV {
                weights[v] = S::load_words(b.add((g * NV + v) * S::LANES));
            }
            for m in 0..MR {
                let x = S::splat_word(*a.add(m * stride + g));
                for v in 0..NV {
                    sums[m][v] = D::dot(sums[m][v], x, weights[v]);
                }
            }
        }
    }
    *acc = sums;
}

/// What the unit does at most: `rounds` times `MR` x `NV` multiply-adds on registers that do
/// not wait for each other. Returns their sum, so that they are done.
///
/// # Safety
/// The level's instructions are there.
#[inline(always)]
pub(super) unsafe fn peak<S: Simd, D: Dot<S>, const MR: usize, const NV: usize>(
    rounds: usize,
) -> f32 {
    let (sums, scales) = ([0i32; 16], [1.0f32; 16]);
    // SAFETY: the caller's; LANES <= 16.
    unsafe {
        let mut acc = [[D::start(0, sums.as_ptr()); NV]; MR];
        let b = S::splat_word(1);
        for _ in 0..rounds {
            // Not known to the compiler, which might else multiply by the rounds.
            let a = S::splat_word(std::hint::black_box(1));
            for m in 0..MR {
                for v in 0..NV {
                    acc[m][v] = D::dot(acc[m][v], a, b);
                }
            }
        }
        let mut total = 0.0;
        for m in 0..MR {
            for v in 0..NV {
                total += S::sum(D::finish(acc[m][v], 1.0, scales.as_ptr()));
            }
        }
        total
    }
}
