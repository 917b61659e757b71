//! Random numbers of a seeded generator, the same on every machine.

use rand_xoshiro::rand_core::RngCore;

/// A whole number below `n`.
pub(super) fn below(random: &mut impl RngCore, n: usize) -> usize {
    ((u128::from(random.next_u64()) * n as u128) >> 64) as usize
}

/// A number from 0 to 1, 1 left out.
pub(super) fn uniform(random: &mut impl RngCore) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// As [`uniform`], in single precision.
pub(super) fn uniform_f32(random: &mut impl RngCore) -> f32 {
    (random.next_u32() >> 8) as f32 / (1 << 24) as f32
}
