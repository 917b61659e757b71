//! What the kernels ask of a vector unit.

use super::gemm;

/// A vector unit: `LANES` floats, or as many 32-bit words, at a time.
///
/// The kernels are written once, over this trait; each level of instructions implements it.
/// Every function is inlined into an entry point that enables the level's instructions.
///
/// # Safety
/// For every function: the processor has the level's instructions, and pointers are valid for
/// `LANES` elements (of the bytes that the function names).
pub(super) trait Simd: Copy {
    /// Floats of a vector.
    const LANES: usize;
    /// A vector of f32.
    type F: Copy;
    /// A vector of 32-bit words: integers, or packed smaller numbers.
    type I: Copy;

    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    /// `x` less the largest integer below it; `x` from -1e30 to 127.
    unsafe fn fraction(x: Self::F) -> Self::F;
    /// `a * 2^n`, where `n` is the largest integer below `x`; nearly zero for `x` below -126.
    unsafe fn scale2(a: Self::F, x: Self::F) -> Self::F;
    unsafe fn sum(x: Self::F) -> f32;
    unsafe fn largest(x: Self::F) -> f32;
    unsafe fn smallest(x: Self::F) -> f32;

    unsafe fn splat_word(x: u32) -> Self::I;
    unsafe fn load_words(from: *const u32) -> Self::I;
    unsafe fn store_words(to: *mut u32, x: Self::I);
    /// The sum of 32-bit integers, modulo 2^32.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    unsafe fn add_int(a: Self::I, b: Self::I) -> Self::I;
    /// The product of 32-bit integers, modulo 2^32.
    unsafe fn mul_int(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn to_float(x: Self::I) -> Self::F;

    /// Rounds to bf16 and back.
    unsafe fn round_bf16(x: Self::F) -> Self::F;
    /// From two rows of `LANES` bf16, words that hold the first's number below the second's.
    unsafe fn interleave(low: *const u16, high: *const u16) -> Self::I;
    /// Rounds to integers, adds `zero`, limits to 0..=255 and stores `LANES` bytes.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    unsafe fn store_u8(to: *mut u8, x: Self::F, zero: i32);
    /// The same as 16-bit numbers.
    unsafe fn store_u8_wide(to: *mut u16, x: Self::F, zero: i32);
    /// Writes the transpose of `LANES` x `LANES` words; strides are in words.
    unsafe fn transpose(from: *const u32, stride: usize, to: *mut u32, to_stride: usize);

    /// Loads `n < LANES` floats, and zeros behind them.
    unsafe fn load_first(from: *const f32, n: usize) -> Self::F;
    /// Stores the first `n < LANES` floats.
    unsafe fn store_first(to: *mut f32, x: Self::F, n: usize);
    /// The first `n < LANES` floats of `x`, and `fill` behind them.
    unsafe fn keep_first(x: Self::F, n: usize, fill: f32) -> Self::F;
}

/// How numbers are stored and multiplied: the product at the heart of a matrix product.
///
/// Operands are addressed in words of 32 bits, each holding `GROUP` numbers that stand one
/// after another along the inner dimension.
pub(super) trait Dot<S: Simd>: Sized {
    /// Numbers in a word.
    const GROUP: usize;
    /// Whether activations are stored as integers, each row with a scale and a zero point.
    const QUANTISED: bool;
    /// Whether approximations below the rounding of the stored numbers will do.
    const ROUGH: bool;
    /// Whether [`Dot::tile`] takes two words of each column at a time, which then stand side by side
    /// in panels: see [`pair`](super::pack::pair).
    const PAIRED: bool = false;
    /// Sums, one for each lane.
    type Acc: Copy;

    /// The sums to begin with, for a row whose zero point is `zero`.
    unsafe fn start(zero: i32, weight_sums: *const i32) -> Self::Acc;
    /// Adds the products of a word of a row, in every lane, with `LANES` words of weights.
    unsafe fn dot(acc: Self::Acc, a: S::I, b: S::I) -> Self::Acc;
    /// The sums as numbers: times the row's scale and the weights' scales.
    unsafe fn finish(acc: Self::Acc, row_scale: f32, weight_scales: *const f32) -> S::F;
    /// The same, plus a vector.
    #[inline(always)]
    unsafe fn finish_plus(
        acc: Self::Acc,
        row_scale: f32,
        weight_scales: *const f32,
        plus: S::F,
    ) -> S::F {
        // SAFETY: the caller's.
        unsafe { S::add(Self::finish(acc, row_scale, weight_scales), plus) }
    }
    /// Stores `LANES` numbers of a row, from number `column` on; those of a quantised row are
    /// in steps of its scale, and `zero` is its zero point.
    unsafe fn put(row: *mut u32, column: usize, x: S::F, zero: i32);

    /// The register tile; see [`gemm::tile`].
    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        a: *const u32,
        stride: usize,
        b: *const u32,
        groups: usize,
        acc: &mut [[Self::Acc; NV]; MR],
    ) {
        // SAFETY: the caller's.
        unsafe { gemm::tile::<S, Self, MR, NV>(a, stride, b, groups, acc) }
    }
}
