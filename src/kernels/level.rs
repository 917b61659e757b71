//! Which of the processor's instructions are used.

use super as kernels;
use super::Dtype;
use super::Kernels;
use crate::error::{Error, Result};
use std::str::FromStr;

/// Overrides the level of instructions; for tests and measurements.
const LEVEL_VARIABLE: &str = "NEARWISE_CPU_LEVEL";

/// The level that the environment asks for, else the best.
pub(crate) fn wanted_level() -> Result<Level> {
    let wrong = |why: String| Error::parameter(LEVEL_VARIABLE, why);
    match std::env::var(LEVEL_VARIABLE) {
        Ok(name) if !name.is_empty() => {
            let level: Level = name.parse().map_err(wrong)?;
            if level.available() {
                Ok(level)
            } else {
                Err(wrong(format!("this processor has no {name}")))
            }
        }
        _ => Ok(Level::best()),
    }
}

/// A set of instructions that the CPU encoder has kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust: whatever the program was compiled for.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX2 with AVX-VNNI for int8.
    AvxVnni,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AVX-512 with VNNI for int8.
    Avx512Vnni,
    /// AVX-512 with VNNI, and BF16 for bf16 and for the attention of int8.
    Avx512Bf16,
    /// The tile unit of Intel's servers (AMX) for the products of weights in bf16 and int8 and those of
    /// the attention in bf16, and AVX-512 for the rest.
    Amx,
    /// NEON, of every 64-bit Arm processor.
    Neon,
    /// NEON with the dot product instructions for int8.
    NeonDotprod,
    /// NEON with the matrix instructions of Arm's servers (I8MM, BF16) for the products of weights in
    /// int8 and bf16 and those of the attention in bf16.
    NeonMmla,
}

impl Level {
    /// All of them, from the least to the fastest.
    pub const ALL: [Self; 10] = [
        Self::Portable,
        Self::Avx2,
        Self::AvxVnni,
        Self::Avx512,
        Self::Avx512Vnni,
        Self::Avx512Bf16,
        Self::Amx,
        Self::Neon,
        Self::NeonDotprod,
        Self::NeonMmla,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Amx => "amx",
            Self::Neon => "neon",
            Self::NeonDotprod => "neon-dotprod",
            Self::NeonMmla => "neon-mmla",
        }
    }

    /// Whether this processor has it.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = || has!("avx2") && has!("fma");
            let avx512 = || {
                has!("avx512f")
                    && has!("avx512bw")
                    && has!("avx512dq")
                    && has!("avx512vl")
                    && avx2()
            };
            match self {
                Self::Portable => true,
                Self::Avx2 => avx2(),
                Self::AvxVnni => avx2() && has!("avxvnni"),
                Self::Avx512 => avx512(),
                Self::Avx512Vnni => avx512() && has!("avx512vnni"),
                Self::Avx512Bf16 => avx512() && has!("avx512vnni") && has!("avx512bf16"),
                Self::Amx => Self::Avx512Bf16.available() && kernels::amx::works(),
                Self::Neon | Self::NeonDotprod | Self::NeonMmla => false,
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            use std::arch::is_aarch64_feature_detected as has;
            match self {
                Self::Portable => true,
                Self::Neon => has!("neon"),
                Self::NeonDotprod => has!("neon") && has!("dotprod"),
                Self::NeonMmla => Self::NeonDotprod.available() && has!("i8mm") && has!("bf16"),
                _ => false,
            }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            self == Self::Portable
        }
    }

    /// The fastest that this processor has: not each has a level's every instruction as fast as
    /// the ones that it replaces.
    pub fn best() -> Self {
        Self::best_of(Self::available, bf16_is_fast)
    }

    fn best_of(available: impl Fn(Self) -> bool, bf16_is_fast: impl Fn() -> bool) -> Self {
        Self::ALL
            .into_iter()
            .rev()
            .find(|&level| available(level) && (level != Self::Avx512Bf16 || bf16_is_fast()))
            .unwrap_or(Self::Portable)
    }

    /// Whether it computes with `dtype` faster than with f32.
    pub fn speeds_up(self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::F32 => true,
            Dtype::F16 => false,
            Dtype::Bf16 => matches!(self, Self::Avx512Bf16 | Self::Amx | Self::NeonMmla),
            Dtype::Int8 => matches!(
                self,
                Self::AvxVnni
                    | Self::Avx512Vnni
                    | Self::Avx512Bf16
                    | Self::Amx
                    | Self::NeonDotprod
                    | Self::NeonMmla
            ),
        }
    }

    /// What is computed with where nobody asks for a dtype: the fastest that is faithful. On tiles int8
    /// gains a fifth on bf16, and its vectors are much further from those of f32.
    pub fn chosen(self, int8_is_faithful: bool) -> Dtype {
        if int8_is_faithful && self.speeds_up(Dtype::Int8) && self != Self::Amx {
            Dtype::Int8
        } else if self.speeds_up(Dtype::Bf16) {
            Dtype::Bf16
        } else {
            Dtype::F32
        }
    }

    fn portable(dtype: Dtype) -> Option<Kernels> {
        match dtype {
            Dtype::F32 => Some(kernels::portable_f32::KERNELS),
            Dtype::F16 => None,
            Dtype::Bf16 => Some(kernels::portable_bf16::KERNELS),
            Dtype::Int8 => Some(kernels::portable_int8::KERNELS),
        }
    }

    /// The kernels, where the processor has the level and the CPU computes with the type.
    pub(crate) fn kernels(self, dtype: Dtype) -> Option<Kernels> {
        if !self.available() {
            return None;
        }
        #[cfg(target_arch = "x86_64")]
        let kernels = match (self, dtype) {
            (_, Dtype::F16) => return None,
            (Self::Portable, _) => return Self::portable(dtype),
            (Self::Avx2 | Self::AvxVnni, Dtype::F32) => kernels::avx2_f32::KERNELS,
            (Self::Avx2 | Self::AvxVnni, Dtype::Bf16) => kernels::avx2_bf16::KERNELS,
            (Self::Avx2, Dtype::Int8) => kernels::avx2_int8::KERNELS,
            (Self::AvxVnni, Dtype::Int8) => kernels::avxvnni_int8::KERNELS,
            (Self::Avx512 | Self::Avx512Vnni | Self::Avx512Bf16 | Self::Amx, Dtype::F32) => {
                kernels::avx512_f32::KERNELS
            }
            (Self::Amx, Dtype::Bf16) => kernels::amx::BF16,
            (Self::Amx, Dtype::Int8) => kernels::amx::INT8,
            (Self::Avx512 | Self::Avx512Vnni, Dtype::Bf16) => kernels::avx512_rounded::KERNELS,
            (Self::Avx512Bf16, Dtype::Bf16) => kernels::avx512_bf16::KERNELS,
            (Self::Avx512, Dtype::Int8) => kernels::avx512_pairs::KERNELS,
            (Self::Avx512Vnni, Dtype::Int8) => kernels::avx512_vnni::KERNELS,
            (Self::Avx512Bf16, Dtype::Int8) => kernels::avx512_vnni_bf16::KERNELS,
            (Self::Neon | Self::NeonDotprod | Self::NeonMmla, _) => return None,
        };
        #[cfg(target_arch = "aarch64")]
        let kernels = match (self, dtype) {
            (Self::Neon | Self::NeonDotprod | Self::NeonMmla, Dtype::F32) => {
                kernels::neon_f32::KERNELS
            }
            (Self::Neon | Self::NeonDotprod, Dtype::Bf16) => kernels::neon_bf16::KERNELS,
            (Self::Neon, Dtype::Int8) => kernels::neon_int8::KERNELS,
            (Self::NeonDotprod, Dtype::Int8) => kernels::neon_dotprod_int8::KERNELS,
            (Self::NeonMmla, Dtype::Bf16) => kernels::mmla::BF16,
            (Self::NeonMmla, Dtype::Int8) => kernels::mmla::INT8,
            _ => return Self::portable(dtype),
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let kernels = Self::portable(dtype)?;
        Some(kernels)
    }
}

/// Whether the processor multiplies bf16 faster than f32, by who made it.
///
/// Billions of operations a second of one core, f32 and bf16: an AMD EPYC of the fourth generation
/// 117 and 235; an Intel Xeon of the fourth generation 232 and 117, which has its fast bf16 in the
/// tile unit. A table and not a measurement, so that the same host always decides alike.
#[cfg(target_arch = "x86_64")]
fn bf16_is_fast() -> bool {
    // Asked for each product's kernels, and virtual machines take microseconds to answer.
    static FAST: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *FAST.get_or_init(|| {
        #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
        // SAFETY: every 64-bit x86 processor has the instruction, and leaf 0.
        let leaf = unsafe { std::arch::x86_64::__cpuid(0) };
        let vendor = [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes);
        vendor.as_flattened() == b"AuthenticAMD"
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn bf16_is_fast() -> bool {
    false
}

impl FromStr for Level {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|level| level.name()).collect();
                format!("use one of {}", names.join(", "))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_bf16_is_not_chosen() {
        let has = |level: Level| level <= Level::Avx512Bf16;
        assert_eq!(Level::best_of(has, || true), Level::Avx512Bf16);
        let best = Level::best_of(has, || false);
        assert_eq!(best, Level::Avx512Vnni);
        // So `auto` takes f32 there for models on which int8 was not measured.
        assert!(best.speeds_up(Dtype::Int8) && !best.speeds_up(Dtype::Bf16));
        // The tile unit is fast where there is one.
        assert_eq!(
            Level::best_of(|level| level <= Level::Amx, || false),
            Level::Amx
        );
        assert!(Level::Amx.speeds_up(Dtype::Bf16));
        for (level, faithful, dtype) in [
            (Level::Amx, true, Dtype::Bf16),
            (Level::Amx, false, Dtype::Bf16),
            (Level::Avx512Bf16, true, Dtype::Int8),
            (Level::Avx512Bf16, false, Dtype::Bf16),
            (Level::Avx512Vnni, true, Dtype::Int8),
            (Level::Avx512Vnni, false, Dtype::F32),
            (Level::Avx2, true, Dtype::F32),
            (Level::NeonMmla, true, Dtype::Int8),
            (Level::NeonMmla, false, Dtype::Bf16),
            (Level::NeonDotprod, true, Dtype::Int8),
            (Level::NeonDotprod, false, Dtype::F32),
        ] {
            assert_eq!(level.chosen(faithful), dtype, "{level:?} {faithful}");
        }
        // A processor without anything newer is not asked.
        let old = |level: Level| level <= Level::Avx2;
        assert_eq!(Level::best_of(old, || unreachable!()), Level::Avx2);
    }
}
