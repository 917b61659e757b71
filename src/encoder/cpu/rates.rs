//! What this processor does with each dtype, measured in a moment; for people to see.

use super::bench::Product;
use crate::error::Result;
use crate::kernels::{Dtype, wanted_level};
use std::time::{Duration, Instant};

/// How fast one thread multiplies with a dtype.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CpuRate {
    /// The dtype.
    pub dtype: Dtype,
    /// Billions of operations a second, a multiplication and an addition counted as two: the best
    /// of some calls of a product of a small model's shape.
    pub gop_per_second: f64,
    /// Whether `--dtype auto` takes it, as far as the processor decides that.
    pub chosen: bool,
    /// Why, or why not.
    pub why: &'static str,
}

/// Rows, inner dimension and columns of the product: the widest layer of the default model.
const SHAPE: [usize; 3] = [256, 384, 1536];
/// How long each dtype is measured.
const TIME: Duration = Duration::from_millis(40);

/// Measures every dtype that the CPU computes with, for about a tenth of a second in all.
///
/// # Errors
/// `NEARWISE_CPU_LEVEL` names no level of this processor.
pub fn cpu_rates() -> Result<Vec<CpuRate>> {
    let level = wanted_level()?;
    let (faithful, other) = (level.chosen(true), level.chosen(false));
    let mut out = Vec::new();
    for dtype in [Dtype::Int8, Dtype::Bf16, Dtype::F32] {
        let (chosen, why) = match dtype {
            _ if dtype == other && faithful == other => (true, "for all models"),
            _ if dtype == other => (true, "for all other models"),
            _ if dtype == faithful => (true, "for models on which it was measured to be faithful"),
            Dtype::Int8 if level.speeds_up(dtype) => (false, "little faster than bf16 here"),
            Dtype::F32 => (false, "bf16 is faster here"),
            _ => (false, "no faster than f32 here"),
        };
        out.push(CpuRate {
            dtype,
            gop_per_second: rate(dtype),
            chosen,
            why,
        });
    }
    Ok(out)
}

/// The best of the calls that fit into [`TIME`].
fn rate(dtype: Dtype) -> f64 {
    let [rows, inner, columns] = SHAPE;
    let mut product = Product::new(dtype, rows, inner, columns);
    product.run();
    let begun = Instant::now();
    let mut best = f64::INFINITY;
    while begun.elapsed() < TIME || best.is_infinite() {
        let call = Instant::now();
        product.run();
        best = best.min(call.elapsed().as_secs_f64());
    }
    product.operations() as f64 / best / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_the_encoders() {
        let rates = cpu_rates().unwrap();
        let level = wanted_level().unwrap();
        for rate in &rates {
            assert!(rate.gop_per_second.is_finite() && rate.gop_per_second > 0.0);
            let chosen = [true, false].map(|faithful| level.chosen(faithful));
            assert_eq!(rate.chosen, chosen.contains(&rate.dtype));
        }
        // What models that nobody measured are computed with is one of the two.
        let others: Vec<_> = rates
            .iter()
            .filter(|r| ["for all models", "for all other models"].contains(&r.why))
            .collect();
        assert_eq!(others.len(), 1);
    }
}
