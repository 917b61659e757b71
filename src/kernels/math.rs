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
/// (<https://arxiv.org/abs/1606.08415>), to 2e-6 and, where `x` is beyond 5, to 4e-7 of it; or to 5e-4 where `ROUGH`.
#[inline(always)]
pub(super) unsafe fn gelu<S: Simd, const ROUGH: bool>(x: S::F) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        // The distribution function is 1/2 + x p(x^2) up to a limit behind which it is 1 to that
        // precision.
        if ROUGH {
            // At the limit the sum is 1, so that the ends are x and zero.
            let z = S::min(S::max(x, S::splat(-3.65)), S::splat(3.65));
            let p = polynomial::<S, 6>(
                S::mul(z, z),
                &[
                    0.396_530_16,
                    -0.062_653_91,
                    7.873_827e-3,
                    -6.215_808_7e-4,
                    2.718_463e-5,
                    -4.978_58e-7,
                ],
            );
            return S::mul(x, S::fma(z, p, S::splat(0.5)));
        }
        let z = S::min(S::max(x, S::splat(-5.0)), S::splat(5.0));
        let t = S::fma(S::mul(z, z), S::splat(2.0 / 25.0), S::splat(-1.0));
        let p = polynomial::<S, 13>(
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
        );
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

#[cfg(test)]
mod tests {
    use super::super::portable::Portable;
    use super::super::tests::erf;
    use super::*;

    /// Numbers from `from` to `to`, eight at a time, with what a function makes of them.
    fn grid(from: f32, to: f32, f: impl Fn([f32; 8]) -> [f32; 8]) -> Vec<(f64, f64)> {
        const STEPS: usize = 50_000;
        let step = (to - from) / STEPS as f32;
        let numbers = |i: usize| std::array::from_fn(|lane| from + (8 * i + lane) as f32 * step);
        let all = (0..STEPS / 8).flat_map(|i| std::iter::zip(numbers(i), f(numbers(i))));
        all.map(|(x, y)| (f64::from(x), f64::from(y))).collect()
    }

    #[test]
    fn powers_of_two_are_as_exact_as_said() {
        // SAFETY: plain Rust.
        let exact = grid(-125.0, 0.0, |x| unsafe { exp2::<Portable, false>(x) });
        // SAFETY: plain Rust.
        let rough = grid(-125.0, 0.0, |x| unsafe { exp2::<Portable, true>(x) });
        for (all, bound) in [(exact, 2e-7), (rough, 8.1e-5)] {
            for (x, y) in all {
                assert!((y / x.exp2() - 1.0).abs() < bound, "{x}: {y}");
            }
        }
    }

    #[test]
    fn the_gelu_is_as_exact_as_said_and_ends_in_zero_and_its_number() {
        let gelu_of = |x: f64| 0.5 * x * (1.0 + erf(x / 2.0f64.sqrt()));
        // SAFETY: plain Rust.
        let exact = grid(-12.0, 12.0, |x| unsafe { gelu::<Portable, false>(x) });
        // SAFETY: plain Rust.
        let rough = grid(-12.0, 12.0, |x| unsafe { gelu::<Portable, true>(x) });
        for (all, bound) in [(exact, 2e-6), (rough, 5e-4)] {
            for (x, y) in all {
                let error = (y - gelu_of(x)).abs();
                // Processors differ in the last bits of the sum, by which the end is multiplied.
                let bound = f64::max(bound, 4e-7 * x.abs());
                assert!(error < bound, "{x}: {y}, {error}");
            }
        }
        // SAFETY: plain Rust.
        for (x, y) in grid(-1000.0, 1000.0, |x| unsafe { gelu::<Portable, true>(x) }) {
            let end = if x < 0.0 { 0.0 } else { x };
            assert!(
                x.abs() < 4.0 || (y - end).abs() < 2e-7 * x.abs() + 1e-6,
                "{x}: {y}"
            );
        }
    }
}
