//! Which dtype is computed with.

use std::str::FromStr;

/// A dtype that linear layers compute with; sums are f32 or exact integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats: the vectors of the reference, to rounding.
    F32,
    /// Weights and activations rounded to f16, sums f32; on CUDA devices.
    F16,
    /// Weights and activations rounded to bf16, all else f32.
    Bf16,
    /// Weights and activations as 8-bit integers, all else f32 or bf16.
    ///
    /// Weights are symmetric with a scale for each output channel, activations have a scale and
    /// a zero point for each token.
    Int8,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Bf16, Self::Int8];

    /// Those that the CPU computes with.
    pub const CPU: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

impl FromStr for Dtype {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        // As PyTorch and NumPy call them.
        let name = match name {
            "float32" => "f32",
            "float16" => "f16",
            "bfloat16" => "bf16",
            other => other,
        };
        Self::ALL
            .into_iter()
            .find(|dtype| dtype.name() == name)
            .ok_or_else(|| "use auto, f32, f16, bf16 or int8".to_string())
    }
}

/// The dtype that a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DtypeChoice {
    /// The fastest on this device whose vectors are known to be faithful for the model: on a
    /// CPU int8 where that was measured, else bf16, else f32; on a CUDA device f16.
    #[default]
    Auto,
    /// This one.
    Only(Dtype),
    /// The one that a corpus was made with, or on a device that lacks it one whose vectors
    /// differ by less than storing rounds them: f16 stands for f32 and f32 for f16.
    Like(Dtype),
}

impl FromStr for DtypeChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            _ => name.parse().map(Self::Only),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types() {
        assert_eq!("auto".parse(), Ok(DtypeChoice::Auto));
        for dtype in Dtype::ALL {
            assert_eq!(dtype.name().parse(), Ok(DtypeChoice::Only(dtype)));
        }
        for (name, dtype) in [
            ("float32", Dtype::F32),
            ("float16", Dtype::F16),
            ("bfloat16", Dtype::Bf16),
        ] {
            assert_eq!(name.parse(), Ok(DtypeChoice::Only(dtype)));
        }
        assert!("fp16".parse::<DtypeChoice>().is_err());
    }
}
