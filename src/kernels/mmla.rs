//! Products by the matrix instructions of Arm's servers: of weights in int8 (I8MM), and of weights and
//! the attention in bf16 (BF16).
//!
//! One instruction multiplies two rows, two words of each, with two columns, two words of each, and adds
//! to a square of four sums. Words of rows lie in memory as it takes them, and those of columns where
//! panels are laid by [`pair`](super::pack::pair), so that eight words of rows and columns cost
//! three loads. The sums of a register tile are kept as squares while the inner dimension passes, and
//! made rows again for the epilogue. A last word without another is multiplied by the instructions for
//! vectors, and a row without another takes its own place twice.
//!
//! The instructions are written as assembly, because the compiler's functions for them are not stable.
//! What stands around them is written over [`Squares`] and tested on any processor by [a twin](tests).

use super::gemm;
use super::simd::{Dot, Simd};
use std::mem::transmute_copy;

/// A vector unit whose vectors also hold squares: in every four words two of an upper row and two of
/// a lower one.
///
/// # Safety
/// As [`Simd`].
pub(super) trait Squares: Simd {
    /// Two words of each of two rows, the same in every four.
    unsafe fn words(upper: *const u32, lower: *const u32) -> Self::I;
    /// Two rows as squares: those of the first half of the columns, and of the second.
    unsafe fn squares(rows: [Self::I; 2]) -> [Self::I; 2];
    /// The rows of which these are the squares.
    unsafe fn rows(squares: [Self::I; 2]) -> [Self::I; 2];
}

/// A dot product whose words are multiplied in squares as well.
///
/// # Safety
/// As [`Dot`].
pub(super) trait Mmla<S: Squares>: Dot<S> {
    /// Adds to squares of sums the products of two rows' words with those of columns.
    unsafe fn multiply(sums: S::I, rows: S::I, columns: S::I) -> S::I;
}

/// As [`gemm::tile`], by squares.
///
/// # Safety
/// As there; the words of `b` are laid by [`pair`](super::pack::pair).
#[inline(always)]
unsafe fn tile<S: Squares, D: Mmla<S>, const MR: usize, const NV: usize>(
    a: *const u32,
    stride: usize,
    b: *const u32,
    groups: usize,
    acc: &mut [[D::Acc; NV]; MR],
) {
    const { assert!(D::PAIRED && size_of::<D::Acc>() == size_of::<S::I>()) };
    let lower = |m: usize| (2 * m + 1).min(MR - 1);
    // SAFETY: the caller's. Sums are as many 32-bit numbers as words are, of which every bit pattern
    // is valid.
    unsafe {
        let none = S::splat_word(0);
        // One in two rows is used.
        let mut sums = [[[none; 2]; NV]; MR];
        for m in 0..MR.div_ceil(2) {
            for v in 0..NV {
                let (upper, lower) = (&acc[2 * m][v], &acc[lower(m)][v]);
                sums[m][v] = S::squares([transmute_copy(upper), transmute_copy(lower)]);
            }
        }
        for two in 0..groups / 2 {
            let mut rows = [none; MR];
            for m in 0..MR.div_ceil(2) {
                let a = a.add(2 * two);
                rows[m] = S::words(a.add(2 * m * stride), a.add(lower(m) * stride));
            }
            for v in 0..NV {
                for half in 0..2 {
                    let at = ((two * NV + v) * 2 + half) * S::LANES;
                    let columns = S::load_words(b.add(at));
                    for m in 0..MR.div_ceil(2) {
                        sums[m][v][half] = D::multiply(sums[m][v][half], rows[m], columns);
                    }
                }
            }
        }
        for m in 0..MR.div_ceil(2) {
            for v in 0..NV {
                let rows = S::rows(sums[m][v]);
                acc[2 * m][v] = transmute_copy(&rows[0]);
                if 2 * m + 1 < MR {
                    acc[2 * m + 1][v] = transmute_copy(&rows[1]);
                }
            }
        }
        if groups % 2 == 1 {
            let done = groups - 1;
            let (a, b) = (a.add(done), b.add(done * NV * S::LANES));
            gemm::tile::<S, D, MR, NV>(a, stride, b, 1, acc);
        }
    }
}

/// What a dot product by squares has of its own.
macro_rules! by_squares {
    ($simd:ty) => {
        const PAIRED: bool = true;

        #[inline(always)]
        unsafe fn tile<const MR: usize, const NV: usize>(
            a: *const u32,
            stride: usize,
            b: *const u32,
            groups: usize,
            acc: &mut [[Self::Acc; NV]; MR],
        ) {
            // SAFETY: the caller's.
            unsafe { tile::<$simd, Self, MR, NV>(a, stride, b, groups, acc) }
        }
    };
}

#[cfg(target_arch = "aarch64")]
pub(super) use unit::{BF16, BfMmla, INT8, UsMmla};

#[cfg(target_arch = "aarch64")]
mod unit {
    use super::super::dot::quantised;
    use super::super::neon::Neon;
    use super::super::{Kernels, neon_mmla_bf16, neon_mmla_int8};
    use super::{Dot, Mmla, Simd, Squares, tile};
    use std::arch::aarch64::*;
    use std::arch::asm;
    use std::hint::black_box;

    impl Squares for Neon {
        #[inline(always)]
        unsafe fn words(upper: *const u32, lower: *const u32) -> uint32x4_t {
            let words;
            // SAFETY: the caller's; only the two words are read. Written out, since the compiler loads
            // both before it joins them, and then has too few registers for a tile.
            unsafe {
                asm!(
                    "ldr {words:d}, [{upper}]",
                    "ld1 {{{words:v}.d}}[1], [{lower}]",
                    words = out(vreg) words,
                    upper = in(reg) upper,
                    lower = in(reg) lower,
                    options(pure, readonly, nostack, preserves_flags)
                );
            }
            words
        }
        #[inline(always)]
        unsafe fn squares([upper, lower]: [uint32x4_t; 2]) -> [uint32x4_t; 2] {
            // SAFETY: the caller's.
            unsafe {
                let (upper, lower) = (vreinterpretq_u64_u32(upper), vreinterpretq_u64_u32(lower));
                [vzip1q_u64(upper, lower), vzip2q_u64(upper, lower)]
                    .map(|x| vreinterpretq_u32_u64(x))
            }
        }
        #[inline(always)]
        unsafe fn rows(squares: [uint32x4_t; 2]) -> [uint32x4_t; 2] {
            // SAFETY: the caller's. Of two squares the way back is the way there.
            unsafe { Self::squares(squares) }
        }
    }

    /// An instruction that adds to sums what two vectors of words give.
    macro_rules! adding {
        ($name:ident, $instruction:literal) => {
            #[inline(always)]
            unsafe fn $name(acc: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
                let mut sums = acc;
                // SAFETY: the instruction is there by the caller, and touches nothing but its operands.
                unsafe {
                    asm!(
                        $instruction,
                        sums = inout(vreg) sums,
                        a = in(vreg) a,
                        b = in(vreg) b,
                        options(pure, nomem, nostack, preserves_flags)
                    );
                }
                sums
            }
        };
    }

    adding!(usdot, "usdot {sums:v}.4s, {a:v}.16b, {b:v}.16b");
    adding!(usmmla, "usmmla {sums:v}.4s, {a:v}.16b, {b:v}.16b");
    adding!(bfdot, "bfdot {sums:v}.4s, {a:v}.8h, {b:v}.8h");
    adding!(bfmmla, "bfmmla {sums:v}.4s, {a:v}.8h, {b:v}.8h");

    /// int8 by the instruction for matrices of bytes, unsigned ones of rows and signed ones of weights.
    #[derive(Clone, Copy)]
    pub(in super::super) struct UsMmla;

    quantised!(UsMmla, Neon, 4, store_u8, u8, 0, usdot; by_squares!(Neon););

    impl Mmla<Neon> for UsMmla {
        #[inline(always)]
        unsafe fn multiply(sums: uint32x4_t, rows: uint32x4_t, columns: uint32x4_t) -> uint32x4_t {
            // SAFETY: the caller's.
            unsafe { usmmla(sums, rows, columns) }
        }
    }

    /// bf16 by the instruction for matrices of it, which adds to f32.
    #[derive(Clone, Copy)]
    pub(in super::super) struct BfMmla;

    impl Dot<Neon> for BfMmla {
        const GROUP: usize = 2;
        const QUANTISED: bool = false;
        const ROUGH: bool = true;
        type Acc = uint32x4_t;

        #[inline(always)]
        unsafe fn start(_: i32, _: *const i32) -> uint32x4_t {
            // SAFETY: the caller's.
            unsafe { vdupq_n_u32(0) }
        }
        #[inline(always)]
        unsafe fn dot(acc: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
            // SAFETY: the caller's.
            unsafe { bfdot(acc, a, b) }
        }
        #[inline(always)]
        unsafe fn finish(acc: uint32x4_t, _: f32, _: *const f32) -> float32x4_t {
            // SAFETY: the caller's.
            unsafe { vreinterpretq_f32_u32(acc) }
        }
        #[inline(always)]
        unsafe fn put(row: *mut u32, column: usize, x: float32x4_t, _: i32) {
            let rounded: uint16x4_t;
            // SAFETY: the caller's; the instruction touches nothing but its operands, and rounds as
            // the processor is set up to, which is to the nearest.
            unsafe {
                asm!(
                    "bfcvtn {rounded:v}.4h, {x:v}.4s",
                    rounded = lateout(vreg) rounded,
                    x = in(vreg) x,
                    options(pure, nomem, nostack, preserves_flags)
                );
                vst1_u16(row.cast::<u16>().add(column), rounded);
            }
        }
        by_squares!(Neon);
    }

    impl Mmla<Neon> for BfMmla {
        #[inline(always)]
        unsafe fn multiply(sums: uint32x4_t, rows: uint32x4_t, columns: uint32x4_t) -> uint32x4_t {
            // SAFETY: the caller's.
            unsafe { bfmmla(sums, rows, columns) }
        }
    }

    /// Squares of a register tile.
    const SQUARES: usize = 24;

    /// As [`gemm::peak`](super::gemm::peak).
    #[inline(always)]
    unsafe fn peak<D: Mmla<Neon>>(rounds: usize) -> f32 {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [Neon::splat_word(0); SQUARES];
            let columns = Neon::splat_word(1);
            for _ in 0..rounds {
                let rows = Neon::splat_word(black_box(1));
                for sum in &mut sums {
                    *sum = D::multiply(*sum, rows, columns);
                }
            }
            let numbers = sums.map(|x| Neon::to_float(x));
            numbers.into_iter().map(|x| Neon::sum(x)).sum()
        }
    }

    #[target_feature(enable = "neon,bf16")]
    unsafe fn peak_bf16(rounds: usize) -> f32 {
        // SAFETY: the caller's.
        unsafe { peak::<BfMmla>(rounds) }
    }

    #[target_feature(enable = "neon,i8mm")]
    unsafe fn peak_int8(rounds: usize) -> f32 {
        // SAFETY: the caller's.
        unsafe { peak::<UsMmla>(rounds) }
    }

    /// Words that a round of `peak` multiplies: each of four sums takes two.
    const PEAK: usize = SQUARES * 4 * 2;

    pub(in super::super) const BF16: Kernels = Kernels {
        peak: peak_bf16,
        peak_words: PEAK,
        ..neon_mmla_bf16::KERNELS
    };
    pub(in super::super) const INT8: Kernels = Kernels {
        peak: peak_int8,
        peak_words: PEAK,
        ..neon_mmla_int8::KERNELS
    };
}

#[cfg(test)]
pub(super) mod tests;
