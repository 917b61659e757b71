//! AVX-512 (F, BW, DQ, VL), with VNNI for int8 and BF16 where the processor has them.

use super::dot::quantised;
use super::portable::Int8Pairs;
use super::simd::{Dot, Simd};
use std::arch::x86_64::*;

/// Vectors of 16 floats.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

impl Simd for Avx512 {
    const LANES: usize = 16;
    type F = __m512;
    type I = __m512i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller's, as for every function here.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m512) {
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fraction(x: __m512) -> __m512 {
        unsafe { _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x) }
    }
    #[inline(always)]
    unsafe fn scale2(a: __m512, x: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(a, x) }
    }
    #[inline(always)]
    unsafe fn sum(x: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(x) }
    }
    #[inline(always)]
    unsafe fn largest(x: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(x) }
    }
    #[inline(always)]
    unsafe fn smallest(x: __m512) -> f32 {
        unsafe { _mm512_reduce_min_ps(x) }
    }
    #[inline(always)]
    unsafe fn splat_word(x: u32) -> __m512i {
        unsafe { _mm512_set1_epi32(x as i32) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, x: __m512i) {
        unsafe { _mm512_storeu_si512(to.cast(), x) }
    }
    #[inline(always)]
    unsafe fn add_int(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_int(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_mullo_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn to_float(x: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(x) }
    }
    #[inline(always)]
    unsafe fn round_bf16(x: __m512) -> __m512 {
        unsafe {
            let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            _mm512_castsi512_ps(_mm512_and_si512(rounded_bf16(x), high))
        }
    }
    #[inline(always)]
    unsafe fn interleave(low: *const u16, high: *const u16) -> __m512i {
        unsafe {
            let low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(low.cast()));
            let high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(high.cast()));
            _mm512_or_si512(low, _mm512_slli_epi32::<16>(high))
        }
    }
    #[inline(always)]
    unsafe fn store_u8(to: *mut u8, x: __m512, zero: i32) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtusepi32_epi8(level(x, zero))) }
    }
    #[inline(always)]
    unsafe fn store_u8_wide(to: *mut u16, x: __m512, zero: i32) {
        unsafe {
            let x = _mm512_min_epi32(level(x, zero), _mm512_set1_epi32(255));
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(x));
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const u32, stride: usize, to: *mut u32, to_stride: usize) {
        unsafe {
            // Pairs of rows, then pairs of pairs, within lanes of 128 bits; then the lanes.
            let mut a = [_mm512_setzero_si512(); 16];
            let mut b = a;
            for i in 0..16 {
                a[i] = _mm512_loadu_si512(from.add(i * stride).cast());
            }
            for i in 0..8 {
                b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
                b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
            }
            for i in 0..4 {
                for j in 0..2 {
                    a[4 * i + 2 * j] = _mm512_unpacklo_epi64(b[4 * i + j], b[4 * i + j + 2]);
                    a[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(b[4 * i + j], b[4 * i + j + 2]);
                }
            }
            // a[4 g + c] now holds, in its lane l, column 4 l + c of rows 4 g to 4 g + 3.
            for c in 0..4 {
                let low01 = _mm512_shuffle_i32x4::<0x88>(a[c], a[4 + c]);
                let high01 = _mm512_shuffle_i32x4::<0xdd>(a[c], a[4 + c]);
                let low23 = _mm512_shuffle_i32x4::<0x88>(a[8 + c], a[12 + c]);
                let high23 = _mm512_shuffle_i32x4::<0xdd>(a[8 + c], a[12 + c]);
                let column = |l: usize| to.add((4 * l + c) * to_stride).cast();
                _mm512_storeu_si512(column(0), _mm512_shuffle_i32x4::<0x88>(low01, low23));
                _mm512_storeu_si512(column(2), _mm512_shuffle_i32x4::<0xdd>(low01, low23));
                _mm512_storeu_si512(column(1), _mm512_shuffle_i32x4::<0x88>(high01, high23));
                _mm512_storeu_si512(column(3), _mm512_shuffle_i32x4::<0xdd>(high01, high23));
            }
        }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first(n), from) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, x: __m512, n: usize) {
        unsafe { _mm512_mask_storeu_ps(to, first(n), x) }
    }
    #[inline(always)]
    unsafe fn keep_first(x: __m512, n: usize, fill: f32) -> __m512 {
        unsafe { _mm512_mask_mov_ps(_mm512_set1_ps(fill), first(n), x) }
    }
}

/// The first `n < 16` lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    (1 << n) - 1
}

/// The bits of `x`, rounded so that its upper half is the nearest bf16, ties to even.
#[inline(always)]
unsafe fn rounded_bf16(x: __m512) -> __m512i {
    // SAFETY: the caller's.
    unsafe {
        let bits = _mm512_castps_si512(x);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        // What is no number must not overflow into one.
        let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
        _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7fc0_0000))
    }
}

/// Whole numbers from 0 up.
#[inline(always)]
unsafe fn level(x: __m512, zero: i32) -> __m512i {
    // SAFETY: the caller's.
    unsafe {
        let x = _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(zero));
        _mm512_max_epi32(x, _mm512_setzero_si512())
    }
}

/// int8 by VNNI, four bytes to a word.
#[derive(Clone, Copy)]
pub(super) struct Vnni;

quantised!(Vnni, Avx512, 4, store_u8, u8, 0, |acc, a, b| {
    _mm512_dpbusd_epi32(acc, a, b)
});
quantised!(Int8Pairs, Avx512, 2, store_u8_wide, u16, 0, |acc, a, b| {
    _mm512_add_epi32(acc, _mm512_madd_epi16(a, b))
});

/// bf16 by the instruction that multiplies pairs and adds them to f32.
#[derive(Clone, Copy)]
pub(super) struct Bf16;

impl Dot<Avx512> for Bf16 {
    const GROUP: usize = 2;
    const QUANTISED: bool = false;
    const ROUGH: bool = true;
    type Acc = __m512;

    #[inline(always)]
    unsafe fn start(_: i32, _: *const i32) -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn dot(acc: __m512, a: __m512i, b: __m512i) -> __m512 {
        // SAFETY: the types differ in name only; each holds 512 bits.
        unsafe {
            _mm512_dpbf16_ps(
                acc,
                std::mem::transmute::<__m512i, __m512bh>(a),
                std::mem::transmute::<__m512i, __m512bh>(b),
            )
        }
    }
    #[inline(always)]
    unsafe fn finish(acc: __m512, _: f32, _: *const f32) -> __m512 {
        acc
    }
    #[inline(always)]
    unsafe fn put(row: *mut u32, column: usize, x: __m512, _: i32) {
        // SAFETY: the types differ in name only; each holds 256 bits.
        unsafe {
            let x = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x));
            _mm256_storeu_si256(row.cast::<u16>().add(column).cast(), x);
        }
    }
}
