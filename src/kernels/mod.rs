//! The CPU's kernels: products, attention and row operations, for each level of instructions
//! and each dtype. No text, no files, no model.
//!
//! Each is written once over [`simd::Simd`], and compiled for each level of instructions, in
//! entry points that enable them. [`Kernels`] are those entry points; having one is the proof
//! that the processor has the level.

#![allow(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    reason = "loops over registers and pointers, of lengths known when compiling"
)]

#[cfg(any(target_arch = "x86_64", test))]
mod amx;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dot;
mod dtype;
mod gemm;
mod level;
mod math;
#[cfg(any(target_arch = "aarch64", test))]
mod mmla;
#[cfg(target_arch = "aarch64")]
mod neon;
mod ordered;
mod pack;
mod portable;
mod rows;
mod simd;
#[cfg(test)]
mod tests;

pub(crate) use attention::{Attention, AttentionScratch};
pub use dtype::{Dtype, DtypeChoice};
pub(crate) use gemm::{Epilogue, Gemm, Output};
pub use level::Level;
pub(crate) use level::wanted_level;
pub(crate) use ordered::dots_in_order;
pub(crate) use pack::{Aligned, Format, Packed};
pub(crate) use rows::{Heads, Norm, Rows};

/// The entry points for one level and one dtype.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    /// How weights are packed.
    pub format: Format,
    /// Columns of a panel.
    pub width: usize,
    /// How operands of the attention stand in words.
    pub operand: Format,
    /// Rows that go through the feed-forward pair at a time, so that what is between stays in the
    /// second-level cache; see `docs/performance.md`.
    pub rows: usize,
    /// See [`gemm::gemm`].
    pub gemm: unsafe fn(&Gemm<'_>),
    /// See [`rows::norm`].
    pub norm: unsafe fn(&Rows, &Norm<'_>),
    /// See [`rows::add_normed`].
    pub add_normed: unsafe fn(&Rows, &Norm<'_>),
    /// See [`rows::heads`].
    pub heads: unsafe fn(&Heads<'_>),
    /// See [`rows::gate`].
    pub gate: unsafe fn(&Rows, Epilogue),
    /// See [`rows::operands`].
    pub operands: unsafe fn(&Rows),
    /// See [`attention::attention`].
    pub attention: unsafe fn(&Attention, &mut AttentionScratch),
    /// See [`gemm::peak`].
    pub peak: unsafe fn(usize) -> f32,
    /// Vectors of multiply-adds in a round of `peak`, times their words.
    pub peak_words: usize,
}

/// Makes the entry points of a level: a module for each dtype.
macro_rules! entry_points {
    ($name:ident, $simd:ty, $dot:ty as $format:expr, $operand:ty as $operand_format:expr,
     $mr:literal x $nv:literal $(, $features:literal)?) => {
        pub(crate) mod $name {
            use super::*;

            $(#[target_feature(enable = $features)])?
            unsafe fn gemm(g: &Gemm<'_>) {
                // SAFETY: the caller's.
                unsafe { gemm::gemm::<$simd, $dot, $operand, $mr, $nv>(g) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn norm(r: &Rows, norm: &Norm<'_>) {
                // SAFETY: the caller's.
                unsafe { rows::norm::<$simd, $dot>(r, norm) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn add_normed(r: &Rows, norm: &Norm<'_>) {
                // SAFETY: the caller's.
                unsafe { rows::add_normed::<$simd>(r, norm) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn heads(h: &Heads<'_>) {
                // SAFETY: the caller's.
                unsafe { rows::heads::<$simd, $operand>(h) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn gate(r: &Rows, activation: Epilogue) {
                // SAFETY: the caller's.
                unsafe { rows::gate::<$simd, $dot>(r, activation) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn operands(r: &Rows) {
                // SAFETY: the caller's.
                unsafe { rows::operands::<$simd, $dot>(r) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn attention(a: &Attention, scratch: &mut AttentionScratch) {
                // SAFETY: the caller's.
                unsafe { attention::attention::<$simd, $operand, $mr, $nv>(a, scratch) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn peak(rounds: usize) -> f32 {
                // SAFETY: the caller's.
                unsafe { gemm::peak::<$simd, $dot, $mr, $nv>(rounds) }
            }
            pub(crate) const KERNELS: Kernels = Kernels {
                format: $format,
                width: $nv * <$simd as simd::Simd>::LANES,
                operand: $operand_format,
                rows: 64,
                gemm,
                norm,
                add_normed,
                heads,
                gate,
                operands,
                attention,
                peak,
                peak_words: $mr * $nv * <$simd as simd::Simd>::LANES,
            };
        }
    };
}

use dot::F32;
use portable::{Int8Pairs, Portable};

entry_points!(portable_f32, Portable, F32<false> as Format::F32, F32<false> as Format::F32, 4 x 2);
entry_points!(portable_bf16, Portable, F32<true> as Format::RoundedBf16, F32<true> as Format::RoundedBf16, 4 x 2);
entry_points!(portable_int8, Portable, Int8Pairs as Format::Int8Pairs, F32<false> as Format::F32, 4 x 2);

#[cfg(target_arch = "x86_64")]
mod x86 {
    pub(super) use super::avx2::{Avx2, AvxVnni};
    pub(super) use super::avx512::{Avx512, Bf16, Vnni};
}
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512, AvxVnni, Bf16, Vnni};

#[cfg(target_arch = "x86_64")]
entry_points!(avx2_f32, Avx2, F32<false> as Format::F32, F32<false> as Format::F32, 6 x 2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
entry_points!(avx2_bf16, Avx2, F32<true> as Format::RoundedBf16, F32<true> as Format::RoundedBf16, 6 x 2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
entry_points!(avx2_int8, Avx2, Int8Pairs as Format::Int8Pairs, F32<false> as Format::F32, 6 x 2, "avx2,fma");
#[cfg(target_arch = "x86_64")]
entry_points!(avxvnni_int8, Avx2, AvxVnni as Format::Int8, F32<false> as Format::F32, 6 x 2, "avx2,fma,avxvnni");
#[cfg(target_arch = "x86_64")]
entry_points!(avx512_f32, Avx512, F32<false> as Format::F32, F32<false> as Format::F32, 8 x 3, "avx512f,avx512bw,avx512dq,avx512vl");
#[cfg(target_arch = "x86_64")]
entry_points!(avx512_rounded, Avx512, F32<true> as Format::RoundedBf16, F32<true> as Format::RoundedBf16, 8 x 3, "avx512f,avx512bw,avx512dq,avx512vl");
#[cfg(target_arch = "x86_64")]
entry_points!(avx512_pairs, Avx512, Int8Pairs as Format::Int8Pairs, F32<false> as Format::F32, 8 x 3, "avx512f,avx512bw,avx512dq,avx512vl");
#[cfg(target_arch = "x86_64")]
entry_points!(avx512_vnni, Avx512, Vnni as Format::Int8, F32<false> as Format::F32, 8 x 3, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni");
#[cfg(target_arch = "x86_64")]
entry_points!(avx512_bf16, Avx512, Bf16 as Format::Bf16, Bf16 as Format::Bf16, 8 x 3, "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16");
#[cfg(target_arch = "x86_64")]
entry_points!(avx512_vnni_bf16, Avx512, Vnni as Format::Int8, Bf16 as Format::Bf16, 8 x 3, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16");

// What the tile unit leaves to vectors.
#[cfg(target_arch = "x86_64")]
entry_points!(amx_bf16_vectors, Avx512, Bf16 as Format::Bf16, Bf16 as Format::Bf16, 8 x 2, "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16");
#[cfg(target_arch = "x86_64")]
entry_points!(amx_int8_vectors, Avx512, Vnni as Format::Int8, Bf16 as Format::Bf16, 8 x 2, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16");
#[cfg(test)]
entry_points!(twin_bf16, Portable, amx::tests::Pairs as Format::Bf16, amx::tests::Pairs as Format::Bf16, 4 x 4);
#[cfg(test)]
entry_points!(twin_int8, Portable, amx::tests::Bytes as Format::Int8, amx::tests::Pairs as Format::Bf16, 4 x 4);

#[cfg(target_arch = "aarch64")]
use neon::{DotProduct, Neon};
#[cfg(target_arch = "aarch64")]
entry_points!(neon_f32, Neon, F32<false> as Format::F32, F32<false> as Format::F32, 8 x 3, "neon");
#[cfg(target_arch = "aarch64")]
entry_points!(neon_bf16, Neon, F32<true> as Format::RoundedBf16, F32<true> as Format::RoundedBf16, 8 x 3, "neon");
#[cfg(target_arch = "aarch64")]
entry_points!(neon_int8, Neon, Int8Pairs as Format::Int8Pairs, F32<false> as Format::F32, 8 x 3, "neon");
#[cfg(target_arch = "aarch64")]
entry_points!(neon_dotprod_int8, Neon, DotProduct as Format::Int8Signed, F32<false> as Format::F32, 8 x 3, "neon,dotprod");

// What `mmla` takes; it has peaks of its own.
#[cfg(target_arch = "aarch64")]
entry_points!(neon_mmla_bf16, Neon, mmla::BfMmla as Format::PairedBf16, mmla::BfMmla as Format::PairedBf16, 8 x 3, "neon,bf16");
#[cfg(target_arch = "aarch64")]
entry_points!(neon_mmla_int8, Neon, mmla::UsMmla as Format::PairedInt8, mmla::BfMmla as Format::PairedBf16, 8 x 3, "neon,i8mm,bf16");
#[cfg(test)]
entry_points!(twin_paired_bf16, Portable, mmla::tests::Pairs as Format::PairedBf16, mmla::tests::Pairs as Format::PairedBf16, 8 x 2);
#[cfg(test)]
entry_points!(twin_paired_int8, Portable, mmla::tests::Bytes as Format::PairedInt8, mmla::tests::Pairs as Format::PairedBf16, 8 x 2);
