//! Elementary functions on vectors.
//!
//! The polynomials are weighted minimax fits (Lawson's algorithm); their errors were measured
//! over the whole range, and a test repeats that.

use super::simd::Simd;

/// `2^x` for `x` up to 127, to 2e-7 relative, or 8e-5 where `ROUGH`.
#[inline(always)]
pub(super) unsafe fn exp2<S: Simd, const ROUGH: bool>(x: S::F) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        let f = S::fraction(x);
        let power = if ROUGH {
            polynomial::<S, 4>(f, &[0.999_925_2, 0.695_833_56, 0.226_067_17, 0.078_024_514])
        } else {
            polynomial::<S, 6>(
                f,
                &[
                    0.999_999_94,
                    0.693_153_1,
                    0.240_153_6,
                    0.055_826_318,
                    0.008_989_341,
                    0.001_877_576_6,
                ],
            )
        };
        S::scale2(power, x)
    }
}

/// `x` times the normal distribution function, the exact GELU
/// (<https://arxiv.org/abs/1606.08415>), to 2e-6, or 4e-4 where `ROUGH`.
#[inline(always)]
pub(super) unsafe fn gelu<S: Simd, const ROUGH: bool>(x: S::F) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        // erf(x / sqrt 2) = x p(x^2) up to a limit behind which it is 1 to that precision.
        let limit = if ROUGH { 4.0 } else { 5.0 };
        let z = S::min(S::max(x, S::splat(-limit)), S::splat(limit));
        let t = S::fma(
            S::mul(z, z),
            S::splat(2.0 / (limit * limit)),
            S::splat(-1.0),
        );
        let p = if ROUGH {
            polynomial::<S, 8>(
                t,
                &[
                    0.351_895_5,
                    -0.168_714_94,
                    0.112_101_62,
                    -0.072_990_76,
                    0.043_243_404,
                    -0.026_519_945,
                    0.016_422_573,
                    -0.005_458_038_3,
                ],
            )
        } else {
            polynomial::<S, 13>(
                t,
                &[
                    0.282_727_57,
                    -0.140_593_3,
                    0.103_042_84,
                    -0.080_865_9,
                    0.062_852_46,
                    -0.046_673_46,
                    0.032_995_313,
                    -0.021_946_466,
                    0.012_330_863,
                    -0.005_831_343,
                    0.004_003_718_5,
                    -0.003_028_309,
                    0.000_985_94,
                ],
            )
        };
        let half = S::mul(x, S::splat(0.5));
        S::fma(half, S::mul(z, p), half)
    }
}

/// The GELU by its tanh approximation, `x / (1 + e^-2y)` with
/// `y = sqrt(2/pi) (x + 0.044715 x^3)`.
#[inline(always)]
pub(super) unsafe fn gelu_tanh<S: Simd>(x: S::F) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        // -2 sqrt(2/pi) log2(e)
        let factor = -2.302_208_2;
        let cubic = S::fma(S::mul(x, x), S::splat(0.044_715 * factor), S::splat(factor));
        let power = S::min(S::mul(x, cubic), S::splat(126.0));
        S::div(x, S::add(S::splat(1.0), exp2::<S, false>(power)))
    }
}

/// The logistic function, `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) unsafe fn sigmoid<S: Simd>(x: S::F) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        let power = S::mul(x, S::splat(-std::f32::consts::LOG2_E));
        let power = S::max(S::min(power, S::splat(126.0)), S::splat(-126.0));
        let one = S::splat(1.0);
        S::div(one, S::add(one, exp2::<S, false>(power)))
    }
}

/// By Horner's rule, the constant first.
#[inline(always)]
unsafe fn polynomial<S: Simd, const N: usize>(x: S::F, coefficients: &[f32; N]) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        let mut sum = S::splat(coefficients[N - 1]);
        let mut i = N - 1;
        while i > 0 {
            i -= 1;
            sum = S::fma(sum, x, S::splat(coefficients[i]));
        }
        sum
    }
}
