//! AVX2 with FMA, and AVX-VNNI for int8 where the processor has it.

use super::dot::quantised;
use super::portable::Int8Pairs;
use super::simd::{Dot, Simd};
use std::arch::x86_64::*;

/// Vectors of 8 floats.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

impl Simd for Avx2 {
    const LANES: usize = 8;
    type F = __m256;
    type I = __m256i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: the caller's, as for every function here.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m256) {
        unsafe { _mm256_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fraction(x: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(x, _mm256_floor_ps(x)) }
    }
    #[inline(always)]
    unsafe fn scale2(a: __m256, x: __m256) -> __m256 {
        unsafe {
            let n = _mm256_floor_ps(_mm256_max_ps(x, _mm256_set1_ps(-126.0)));
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn sum(x: __m256) -> f32 {
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }
    #[inline(always)]
    unsafe fn largest(x: __m256) -> f32 {
        unsafe {
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }
    #[inline(always)]
    unsafe fn smallest(x: __m256) -> f32 {
        unsafe {
            let x = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_min_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_min_ss(x, _mm_shuffle_ps::<1>(x, x)))
        }
    }
    #[inline(always)]
    unsafe fn splat_word(x: u32) -> __m256i {
        unsafe { _mm256_set1_epi32(x as i32) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, x: __m256i) {
        unsafe { _mm256_storeu_si256(to.cast(), x) }
    }
    #[inline(always)]
    unsafe fn add_int(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_int(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_mullo_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn to_float(x: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(x) }
    }
    #[inline(always)]
    unsafe fn round_bf16(x: __m256) -> __m256 {
        unsafe {
            let high = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            _mm256_castsi256_ps(_mm256_and_si256(rounded_bf16(x), high))
        }
    }
    #[inline(always)]
    unsafe fn interleave(low: *const u16, high: *const u16) -> __m256i {
        unsafe {
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(low.cast()));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(high.cast()));
            _mm256_or_si256(low, _mm256_slli_epi32::<16>(high))
        }
    }
    #[inline(always)]
    unsafe fn store_u8(to: *mut u8, x: __m256, zero: i32) {
        unsafe {
            let words = narrow(level(x, zero));
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
    }
    #[inline(always)]
    unsafe fn store_u8_wide(to: *mut u16, x: __m256, zero: i32) {
        unsafe { _mm_storeu_si128(to.cast(), narrow(level(x, zero))) }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const u32, stride: usize, to: *mut u32, to_stride: usize) {
        unsafe {
            let mut a = [_mm256_setzero_si256(); 8];
            let mut b = a;
            for i in 0..8 {
                a[i] = _mm256_loadu_si256(from.add(i * stride).cast());
            }
            for i in 0..4 {
                b[2 * i] = _mm256_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
                b[2 * i + 1] = _mm256_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
            }
            for i in 0..2 {
                for j in 0..2 {
                    a[4 * i + 2 * j] = _mm256_unpacklo_epi64(b[4 * i + j], b[4 * i + j + 2]);
                    a[4 * i + 2 * j + 1] = _mm256_unpackhi_epi64(b[4 * i + j], b[4 * i + j + 2]);
                }
            }
            // a[4 g + c] now holds, in its half l, column 4 l + c of rows 4 g to 4 g + 3.
            for c in 0..4 {
                let low = _mm256_permute2x128_si256::<0x20>(a[c], a[4 + c]);
                let high = _mm256_permute2x128_si256::<0x31>(a[c], a[4 + c]);
                _mm256_storeu_si256(to.add(c * to_stride).cast(), low);
                _mm256_storeu_si256(to.add((4 + c) * to_stride).cast(), high);
            }
        }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(from, first(n)) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, x: __m256, n: usize) {
        unsafe { _mm256_maskstore_ps(to, first(n), x) }
    }
    #[inline(always)]
    unsafe fn keep_first(x: __m256, n: usize, fill: f32) -> __m256 {
        unsafe { _mm256_blendv_ps(_mm256_set1_ps(fill), x, _mm256_castsi256_ps(first(n))) }
    }
}

/// All bits of the first `n < 8` lanes.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lanes)
    }
}

/// The bits of `x`, rounded so that its upper half is the nearest bf16, ties to even.
#[inline(always)]
unsafe fn rounded_bf16(x: __m256) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let bits = _mm256_castps_si256(x);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
        // What is no number must not overflow into one.
        let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
        _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc0_0000), nan)
    }
}

/// Whole numbers from 0 to 255.
#[inline(always)]
unsafe fn level(x: __m256, zero: i32) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let x = _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(zero));
        _mm256_min_epi32(
            _mm256_max_epi32(x, _mm256_setzero_si256()),
            _mm256_set1_epi32(255),
        )
    }
}

/// Eight words, each below 2^16, as 16-bit numbers.
#[inline(always)]
unsafe fn narrow(x: __m256i) -> __m128i {
    // SAFETY: the caller's.
    unsafe { _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x)) }
}

quantised!(Int8Pairs, Avx2, 2, store_u8_wide, u16, 0, |acc, a, b| {
    _mm256_add_epi32(acc, _mm256_madd_epi16(a, b))
});

/// int8 by AVX-VNNI, four bytes to a word.
#[derive(Clone, Copy)]
pub(super) struct AvxVnni;

quantised!(AvxVnni, Avx2, 4, store_u8, u8, 0, |acc, a, b| {
    _mm256_dpbusd_avx_epi32(acc, a, b)
});
