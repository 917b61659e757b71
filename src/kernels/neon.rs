//! NEON, with the dot product instructions for int8 where the processor has them.

use super::dot::quantised;
use super::portable::Int8Pairs;
use super::simd::{Dot, Simd};
use std::arch::aarch64::*;
use std::arch::asm;

/// Vectors of 4 floats.
#[derive(Clone, Copy)]
pub(super) struct Neon;

impl Simd for Neon {
    const LANES: usize = 4;
    type F = float32x4_t;
    type I = uint32x4_t;

    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        // SAFETY: the caller's, as for every function here.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: float32x4_t) {
        unsafe { vst1q_f32(to, x) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fraction(x: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(x, vrndmq_f32(x)) }
    }
    #[inline(always)]
    unsafe fn scale2(a: float32x4_t, x: float32x4_t) -> float32x4_t {
        unsafe {
            let n = vcvtmq_s32_f32(vmaxq_f32(x, vdupq_n_f32(-126.0)));
            let power = vshlq_n_s32::<23>(vaddq_s32(n, vdupq_n_s32(127)));
            vmulq_f32(a, vreinterpretq_f32_s32(power))
        }
    }
    #[inline(always)]
    unsafe fn sum(x: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(x) }
    }
    #[inline(always)]
    unsafe fn largest(x: float32x4_t) -> f32 {
        unsafe { vmaxvq_f32(x) }
    }
    #[inline(always)]
    unsafe fn smallest(x: float32x4_t) -> f32 {
        unsafe { vminvq_f32(x) }
    }
    #[inline(always)]
    unsafe fn splat_word(x: u32) -> uint32x4_t {
        unsafe { vdupq_n_u32(x) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> uint32x4_t {
        unsafe { vld1q_u32(from) }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, x: uint32x4_t) {
        unsafe { vst1q_u32(to, x) }
    }
    #[inline(always)]
    unsafe fn add_int(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        unsafe { vaddq_u32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_int(a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        unsafe { vmulq_u32(a, b) }
    }
    #[inline(always)]
    unsafe fn to_float(x: uint32x4_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(vreinterpretq_s32_u32(x)) }
    }
    #[inline(always)]
    unsafe fn round_bf16(x: float32x4_t) -> float32x4_t {
        unsafe {
            let bits = vreinterpretq_u32_f32(x);
            let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
            let rounded = vandq_u32(rounded, vdupq_n_u32(0xffff_0000));
            // What is no number must not overflow into one.
            vbslq_f32(vceqq_f32(x, x), vreinterpretq_f32_u32(rounded), x)
        }
    }
    #[inline(always)]
    unsafe fn interleave(low: *const u16, high: *const u16) -> uint32x4_t {
        unsafe {
            let (low, high) = (vmovl_u16(vld1_u16(low)), vmovl_u16(vld1_u16(high)));
            vorrq_u32(low, vshlq_n_u32::<16>(high))
        }
    }
    #[inline(always)]
    unsafe fn store_u8(to: *mut u8, x: float32x4_t, zero: i32) {
        unsafe { store_bytes(to, level(x, zero)) }
    }
    #[inline(always)]
    unsafe fn store_u8_wide(to: *mut u16, x: float32x4_t, zero: i32) {
        unsafe { vst1_u16(to, vmovn_u32(level(x, zero))) }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const u32, stride: usize, to: *mut u32, to_stride: usize) {
        unsafe {
            let row = |i: usize| vld1q_u32(from.add(i * stride));
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let (ab0, ab1) = (vtrn1q_u32(a, b), vtrn2q_u32(a, b));
            let (cd0, cd1) = (vtrn1q_u32(c, d), vtrn2q_u32(c, d));
            let low = |x, y| {
                vreinterpretq_u32_u64(vtrn1q_u64(
                    vreinterpretq_u64_u32(x),
                    vreinterpretq_u64_u32(y),
                ))
            };
            let high = |x, y| {
                vreinterpretq_u32_u64(vtrn2q_u64(
                    vreinterpretq_u64_u32(x),
                    vreinterpretq_u64_u32(y),
                ))
            };
            vst1q_u32(to, low(ab0, cd0));
            vst1q_u32(to.add(to_stride), low(ab1, cd1));
            vst1q_u32(to.add(2 * to_stride), high(ab0, cd0));
            vst1q_u32(to.add(3 * to_stride), high(ab1, cd1));
        }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> float32x4_t {
        let mut buffer = [0.0; 4];
        for (i, x) in buffer.iter_mut().take(n).enumerate() {
            // SAFETY: valid for n floats by the caller.
            *x = unsafe { *from.add(i) };
        }
        unsafe { vld1q_f32(buffer.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, x: float32x4_t, n: usize) {
        let mut buffer = [0.0; 4];
        unsafe { vst1q_f32(buffer.as_mut_ptr(), x) }
        for (i, x) in buffer.iter().take(n).enumerate() {
            // SAFETY: valid for n floats by the caller.
            unsafe { *to.add(i) = *x }
        }
    }
    #[inline(always)]
    unsafe fn keep_first(x: float32x4_t, n: usize, fill: f32) -> float32x4_t {
        unsafe {
            let lanes = vld1q_u32([0, 1, 2, 3].as_ptr());
            let kept = vcltq_u32(lanes, vdupq_n_u32(n as u32));
            vbslq_f32(kept, x, vdupq_n_f32(fill))
        }
    }
}

impl Neon {
    /// As `store_u8`, less 128: signed bytes.
    #[inline(always)]
    unsafe fn store_i8(to: *mut u8, x: float32x4_t, zero: i32) {
        // SAFETY: the caller's.
        unsafe { store_bytes(to, veorq_u32(level(x, zero), vdupq_n_u32(0x80))) }
    }
}

/// Whole numbers from 0 to 255.
#[inline(always)]
unsafe fn level(x: float32x4_t, zero: i32) -> uint32x4_t {
    // SAFETY: the caller's.
    unsafe {
        let x = vaddq_s32(vcvtnq_s32_f32(x), vdupq_n_s32(zero));
        let x = vminq_s32(vmaxq_s32(x, vdupq_n_s32(0)), vdupq_n_s32(255));
        vreinterpretq_u32_s32(x)
    }
}

/// Stores words below 256 as four bytes.
#[inline(always)]
unsafe fn store_bytes(to: *mut u8, x: uint32x4_t) {
    // SAFETY: the caller's.
    unsafe {
        let words = vmovn_u32(x);
        let bytes = vmovn_u16(vcombine_u16(words, words));
        let four = vget_lane_u32::<0>(vreinterpret_u32_u8(bytes));
        to.cast::<u32>().write_unaligned(four);
    }
}

/// int8 by the dot product of four signed bytes, for which a row's bytes are less 128.
#[derive(Clone, Copy)]
pub(super) struct DotProduct;

quantised!(DotProduct, Neon, 4, store_i8, u8, 128, sdot);
quantised!(Int8Pairs, Neon, 2, store_u8_wide, u16, 0, pairs);

/// Rust has no stable intrinsic for it at this crate's oldest version.
#[inline(always)]
unsafe fn sdot(acc: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
    let mut sum = acc;
    // SAFETY: the instruction is there by the caller, and touches nothing but its operands.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

#[inline(always)]
unsafe fn pairs(acc: uint32x4_t, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
    // SAFETY: the caller's.
    unsafe {
        let (a, b) = (vreinterpretq_s16_u32(a), vreinterpretq_s16_u32(b));
        let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
        let high = vmull_high_s16(a, b);
        let sums = vpaddq_s32(low, high);
        vaddq_u32(acc, vreinterpretq_u32_s32(sums))
    }
}
