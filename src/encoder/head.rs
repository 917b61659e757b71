//! The steps behind the pooling, on the CPU in f32, whichever device ran the transformer: they
//! are small beside it.

use super::backend::{Backend, Call, Done, Queue};
use super::checkpoint::{Checkpoint, NormWeights, StepWeights};
use crate::error::{Error, Result};
use crate::model::architecture::{Activation, Module, NormKind};
use crate::model::{self, Config, ModelFiles};
use crate::vectors::normalize;
use ndarray::{Array2, ArrayView2, Axis};
use std::sync::Arc;

/// A step with its weights.
enum Step {
    Dense {
        /// (in, out).
        weights: Array2<f32>,
        bias: Vec<f32>,
        activation: Activation,
    },
    Norm(NormWeights),
    Normalize,
}

/// The steps of a model.
struct Steps {
    steps: Vec<Step>,
    /// Numbers of a text that go in.
    pooled: usize,
}

impl Steps {
    /// Loads the weights of some steps of a model.
    fn load(files: &ModelFiles, config: &Config, some: &[model::Step]) -> Result<Self> {
        let hidden = config.described.architecture.hidden;
        let pooled = config.head.pooled(hidden);
        let mut size = pooled;
        let mut steps = Vec::new();
        let mut own: Option<Checkpoint> = None;
        for step in some {
            let weights = match (&step.at, &step.file) {
                (None, _) => None,
                (Some(at), Some(file)) => {
                    let checkpoint = Checkpoint::of_step(files, config, file)?;
                    Some(checkpoint.step(&step.module, at, size)?)
                }
                (Some(at), None) => {
                    let checkpoint = match &own {
                        Some(open) => open,
                        None => own.insert(Checkpoint::open(files, config)?),
                    };
                    Some(checkpoint.step(&step.module, at, size)?)
                }
            };
            steps.push(match (&step.module, weights) {
                (
                    Module::Dense {
                        out, activation, ..
                    },
                    Some(StepWeights::Dense((w, bias))),
                ) => {
                    let weights = ArrayView2::from_shape((*out, size), &w);
                    // The checkpoint gives exactly these.
                    let weights = weights.map_err(|e| Error::internal(e.to_string()))?;
                    size = *out;
                    Step::Dense {
                        weights: weights.t().as_standard_layout().into_owned(),
                        bias,
                        activation: *activation,
                    }
                }
                (_, Some(StepWeights::Norm(norm))) => Step::Norm(norm),
                _ => Step::Normalize,
            });
        }
        Ok(Self { steps, pooled })
    }

    /// The vectors that become of pooled ones, one behind another.
    ///
    /// Each is multiplied by itself, so that its values do not depend on what is beside it.
    fn apply(&self, pooled: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        for vector in pooled.chunks_exact(self.pooled) {
            let mut x = vector.to_vec();
            for step in &self.steps {
                step.apply(&mut x);
            }
            out.append(&mut x);
        }
        out
    }
}

impl Step {
    fn apply(&self, x: &mut Vec<f32>) {
        match self {
            Self::Dense {
                weights,
                bias,
                activation,
            } => {
                let mut y = bias.clone();
                for (value, row) in x.iter().zip(weights.axis_iter(Axis(0))) {
                    for (y, w) in y.iter_mut().zip(row) {
                        *y += value * w;
                    }
                }
                y.iter_mut().for_each(|y| *y = activation.of(*y));
                *x = y;
            }
            Self::Norm(norm) => normed(x, norm),
            Self::Normalize => normalize(x),
        }
    }
}

fn normed(x: &mut [f32], norm: &NormWeights) {
    let n = x.len() as f64;
    let mean = match norm.kind {
        NormKind::Layer => x.iter().map(|x| f64::from(*x)).sum::<f64>() / n,
        NormKind::Rms => 0.0,
    };
    let squares = x
        .iter()
        .map(|x| (f64::from(*x) - mean).powi(2))
        .sum::<f64>()
        / n;
    let factor = 1.0 / (squares + f64::from(norm.eps)).sqrt();
    for ((x, weight), bias) in x.iter_mut().zip(&norm.weight).zip(&norm.bias) {
        *x = ((f64::from(*x) - mean) * factor) as f32 * weight + bias;
    }
}

/// A backend with the steps of its model behind it.
struct Headed {
    inner: Box<dyn Backend>,
    steps: Arc<Steps>,
}

/// Puts a model's steps behind a backend. The encoder scales to unit length itself, and knows
/// whether the model does so too: that is no step here where nothing comes behind it.
///
/// # Errors
/// The weights of a step are missing or damaged.
pub(super) fn behind(
    inner: Box<dyn Backend>,
    files: &ModelFiles,
    config: &Config,
) -> Result<Box<dyn Backend>> {
    let steps = &config.head.steps;
    let last = steps.iter().rposition(|s| s.module != Module::Normalize);
    let Some(last) = last else {
        return Ok(inner);
    };
    let steps = Arc::new(Steps::load(files, config, &steps[..=last])?);
    Ok(Box::new(Headed { inner, steps }))
}

impl Backend for Headed {
    fn forward(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>> {
        Ok(self.steps.apply(&self.inner.forward(texts, call)?))
    }

    fn tokens(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>> {
        self.inner.tokens(texts, call)
    }

    fn device(&self) -> String {
        self.inner.device()
    }

    fn dtype(&self) -> &str {
        self.inner.dtype()
    }

    fn token_budget(&self) -> usize {
        self.inner.token_budget()
    }

    fn pads(&self) -> bool {
        self.inner.pads()
    }

    fn batches_at_once(&self) -> usize {
        self.inner.batches_at_once()
    }

    fn queue(&self) -> Option<&dyn Queue> {
        self.inner.queue().map(|_| self as &dyn Queue)
    }

    fn about(&self) -> String {
        self.inner.about()
    }
}

impl Queue for Headed {
    fn submit(&self, texts: Vec<Vec<u32>>, call: &Call, waiting: usize, done: Done) {
        let steps = self.steps.clone();
        let behind: Done = Box::new(move |result| {
            done(result.map(|pooled| steps.apply(&pooled)));
        });
        // `queue` gives this one only where the backend has one.
        if let Some(queue) = self.inner.queue() {
            queue.submit(texts, call, waiting, behind);
        }
    }
}
