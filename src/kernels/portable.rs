//! Plain Rust, which the compiler turns to whatever vectors the target has.

use super::dot::quantised;
use super::simd::{Dot, Simd};

/// No instructions beyond the target's own.
#[derive(Clone, Copy)]
pub(super) struct Portable;

const LANES: usize = 8;

#[inline(always)]
fn each<T: Copy, U: Copy + Default>(a: [T; LANES], f: impl Fn(T) -> U) -> [U; LANES] {
    let mut out = [U::default(); LANES];
    for i in 0..LANES {
        out[i] = f(a[i]);
    }
    out
}

#[inline(always)]
fn both<T: Copy + Default>(a: [T; LANES], b: [T; LANES], f: impl Fn(T, T) -> T) -> [T; LANES] {
    let mut out = [T::default(); LANES];
    for i in 0..LANES {
        out[i] = f(a[i], b[i]);
    }
    out
}

#[inline(always)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
    // Without the instruction, mul_add is a slow call.
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// To the nearest integer, ties to even, for what is below 2^22: adding and taking away
/// 1.5 * 2^23 leaves no bits behind the point. What is larger stays about as large.
#[inline(always)]
pub(super) fn round(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    (x + MAGIC) - MAGIC
}

/// The largest integer that is not above `x`.
#[inline(always)]
fn floor(x: f32) -> f32 {
    let n = round(x);
    n - if n > x { 1.0 } else { 0.0 }
}

/// bf16, ties to even; what is no number stays none.
#[inline(always)]
fn bf16(x: f32) -> u16 {
    half::bf16::from_f32(x).to_bits()
}

impl Simd for Portable {
    const LANES: usize = LANES;
    type F = [f32; LANES];
    type I = [u32; LANES];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        // SAFETY: valid for LANES floats by the caller; an array has the alignment of one.
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        // SAFETY: as for load.
        unsafe { to.cast::<Self::F>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |x, y| x - y)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |x, y| x * y)
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |x, y| x / y)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let mut out = c;
        for i in 0..LANES {
            out[i] = fma(a[i], b[i], c[i]);
        }
        out
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |x, y| if x < y { x } else { y })
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    unsafe fn fraction(x: Self::F) -> Self::F {
        each(x, |x| x - floor(x))
    }
    #[inline(always)]
    unsafe fn scale2(a: Self::F, x: Self::F) -> Self::F {
        both(a, x, |a, x| {
            let n = floor(if x > -126.0 { x } else { -126.0 });
            a * f32::from_bits(((n as i32 + 127) as u32) << 23)
        })
    }
    #[inline(always)]
    unsafe fn sum(x: Self::F) -> f32 {
        let pairs = [x[0] + x[4], x[1] + x[5], x[2] + x[6], x[3] + x[7]];
        (pairs[0] + pairs[2]) + (pairs[1] + pairs[3])
    }
    #[inline(always)]
    unsafe fn largest(x: Self::F) -> f32 {
        x.iter()
            .copied()
            .fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
    }
    #[inline(always)]
    unsafe fn smallest(x: Self::F) -> f32 {
        x.iter()
            .copied()
            .fold(f32::INFINITY, |a, b| if b < a { b } else { a })
    }
    #[inline(always)]
    unsafe fn splat_word(x: u32) -> Self::I {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> Self::I {
        // SAFETY: as for load.
        unsafe { from.cast::<Self::I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, x: Self::I) {
        // SAFETY: as for load.
        unsafe { to.cast::<Self::I>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn add_int(a: Self::I, b: Self::I) -> Self::I {
        both(a, b, u32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn mul_int(a: Self::I, b: Self::I) -> Self::I {
        both(a, b, u32::wrapping_mul)
    }
    #[inline(always)]
    unsafe fn to_float(x: Self::I) -> Self::F {
        each(x, |x| x as i32 as f32)
    }
    #[inline(always)]
    unsafe fn round_bf16(x: Self::F) -> Self::F {
        each(x, |x| f32::from_bits(u32::from(bf16(x)) << 16))
    }
    #[inline(always)]
    unsafe fn interleave(low: *const u16, high: *const u16) -> Self::I {
        // SAFETY: valid for LANES numbers by the caller.
        let (low, high) = unsafe {
            (
                low.cast::<[u16; LANES]>().read_unaligned(),
                high.cast::<[u16; LANES]>().read_unaligned(),
            )
        };
        let mut out = [0; LANES];
        for i in 0..LANES {
            out[i] = u32::from(low[i]) | u32::from(high[i]) << 16;
        }
        out
    }
    #[inline(always)]
    unsafe fn store_u8(to: *mut u8, x: Self::F, zero: i32) {
        // SAFETY: valid for LANES bytes by the caller.
        unsafe {
            let x = each(x, |x| (round(x) as i32 + zero).clamp(0, 255) as u8);
            to.cast::<[u8; LANES]>().write_unaligned(x);
        }
    }
    #[inline(always)]
    unsafe fn store_u8_wide(to: *mut u16, x: Self::F, zero: i32) {
        // SAFETY: valid for LANES numbers by the caller.
        unsafe {
            let x = each(x, |x| (round(x) as i32 + zero).clamp(0, 255) as u16);
            to.cast::<[u16; LANES]>().write_unaligned(x);
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const u32, stride: usize, to: *mut u32, to_stride: usize) {
        for i in 0..LANES {
            for j in 0..LANES {
                // SAFETY: valid for LANES rows of LANES words by the caller.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * stride + j) }
            }
        }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self::F {
        let mut out = [0.0; LANES];
        for (i, x) in out.iter_mut().take(n).enumerate() {
            // SAFETY: valid for n floats by the caller.
            *x = unsafe { *from.add(i) };
        }
        out
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, x: Self::F, n: usize) {
        for (i, x) in x.into_iter().take(n).enumerate() {
            // SAFETY: valid for n floats by the caller.
            unsafe { *to.add(i) = x }
        }
    }
    #[inline(always)]
    unsafe fn keep_first(x: Self::F, n: usize, fill: f32) -> Self::F {
        let mut out = x;
        for (i, x) in out.iter_mut().enumerate() {
            if i >= n {
                *x = fill;
            }
        }
        out
    }
}

/// int8 as pairs of 16-bit numbers, which most vector units multiply and add to 32 bits: the
/// sums are the same integers as those of the instructions for bytes.
#[derive(Clone, Copy)]
pub(super) struct Int8Pairs;

quantised!(Int8Pairs, Portable, 2, store_u8_wide, u16, 0, pairs);

#[inline(always)]
fn pairs(acc: [u32; LANES], a: [u32; LANES], b: [u32; LANES]) -> [u32; LANES] {
    let mut out = acc;
    let product = |a: u32, b: u32| i32::from(a as i16) * i32::from(b as i16);
    for i in 0..LANES {
        let sum = product(a[i], b[i]) + product(a[i] >> 16, b[i] >> 16);
        out[i] = out[i].wrapping_add(sum as u32);
    }
    out
}
