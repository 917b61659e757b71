//! The ways to multiply.

use super::simd::{Dot, Simd};

/// f32; or, where `ROUNDED`, bf16 without an instruction that multiplies it: numbers rounded
/// to bf16, stored as f32.
#[derive(Clone, Copy)]
pub(super) struct F32<const ROUNDED: bool>;

impl<S: Simd, const ROUNDED: bool> Dot<S> for F32<ROUNDED> {
    const GROUP: usize = 1;
    const QUANTISED: bool = false;
    const ROUGH: bool = ROUNDED;
    type Acc = S::F;

    #[inline(always)]
    unsafe fn start(_: i32, _: *const i32) -> S::F {
        // SAFETY: the caller's.
        unsafe { S::splat(0.0) }
    }

    #[inline(always)]
    unsafe fn dot(acc: S::F, a: S::I, b: S::I) -> S::F {
        // SAFETY: the caller's.
        unsafe { S::fma(floats::<S>(a), floats::<S>(b), acc) }
    }

    #[inline(always)]
    unsafe fn finish(acc: S::F, _: f32, _: *const f32) -> S::F {
        acc
    }

    #[inline(always)]
    unsafe fn put(row: *mut u32, column: usize, x: S::F, _: i32) {
        // SAFETY: the caller's.
        unsafe {
            let x = if ROUNDED { S::round_bf16(x) } else { x };
            S::store(row.cast::<f32>().add(column), x);
        }
    }
}

/// The numbers of a vector of words that holds floats.
#[inline(always)]
pub(super) unsafe fn floats<S: Simd>(words: S::I) -> S::F {
    // SAFETY: both are vectors of LANES 32-bit values without padding, of which every bit
    // pattern is valid.
    unsafe { std::mem::transmute_copy(&words) }
}

/// Implements [`Dot`] for integers: `$product` adds to 32-bit sums the products of words that
/// hold `$group` numbers; `$store` stores a row's, less `$offset`.
///
/// A row's number x stands for scale * (x - zero), so the sums begin at -zero times the sums
/// of the weights, which makes them exact whatever the zero point is. What else the dot product has
/// of its own may follow.
macro_rules! quantised {
    ($dot:ty, $simd:ty, $group:literal, $store:ident, $number:ty, $offset:literal, $product:expr
     $(; $($own:tt)*)?) => {
        impl Dot<$simd> for $dot {
            const GROUP: usize = $group;
            const QUANTISED: bool = true;
            const ROUGH: bool = true;
            type Acc = <$simd as Simd>::I;

            #[inline(always)]
            unsafe fn start(zero: i32, weight_sums: *const i32) -> Self::Acc {
                // SAFETY: the caller's.
                unsafe {
                    let sums = <$simd>::load_words(weight_sums.cast());
                    <$simd>::mul_int(sums, <$simd>::splat_word(($offset - zero) as u32))
                }
            }

            #[inline(always)]
            unsafe fn dot(acc: Self::Acc, a: Self::Acc, b: Self::Acc) -> Self::Acc {
                #[allow(unused_unsafe, reason = "plain Rust needs none")]
                // SAFETY: the caller's.
                unsafe {
                    $product(acc, a, b)
                }
            }

            #[inline(always)]
            unsafe fn finish(
                acc: Self::Acc,
                row_scale: f32,
                weight_scales: *const f32,
            ) -> <$simd as Simd>::F {
                // SAFETY: the caller's.
                unsafe {
                    let x = <$simd>::mul(<$simd>::to_float(acc), <$simd>::splat(row_scale));
                    <$simd>::mul(x, <$simd>::load(weight_scales))
                }
            }

            #[inline(always)]
            unsafe fn finish_plus(
                acc: Self::Acc,
                row_scale: f32,
                weight_scales: *const f32,
                plus: <$simd as Simd>::F,
            ) -> <$simd as Simd>::F {
                // SAFETY: the caller's.
                unsafe {
                    let x = <$simd>::mul(<$simd>::to_float(acc), <$simd>::splat(row_scale));
                    <$simd>::fma(x, <$simd>::load(weight_scales), plus)
                }
            }

            #[inline(always)]
            unsafe fn put(row: *mut u32, column: usize, x: <$simd as Simd>::F, zero: i32) {
                // SAFETY: the caller's.
                unsafe { <$simd>::$store(row.cast::<$number>().add(column), x, zero) }
            }

            $($($own)*)?
        }
    };
}
pub(super) use quantised;
