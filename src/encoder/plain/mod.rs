//! The plain reference: an architecture's description in candle's tensors, f32, padded. It is
//! what the kernels are tested against, and what runs on Metal.

mod transformer;

use super::{Backend, Call, OpenDevice, Place};
use crate::error::{Error, Result};
use crate::model::architecture::Pooling;
use crate::model::{Config, ModelFiles, tokens};
use candle_core::{Device, Tensor};
use transformer::Transformer;

/// The tokens of a batch on the CPU: one text of full length at a time keeps the
/// activations in the cache; see `benches/encoder.rs`.
const CPU_TOKENS: usize = 1024;
/// The tokens of a batch on a GPU.
const GPU_TOKENS: usize = 32_768;

/// A transformer in f32, of candle's tensors.
pub struct PlainBackend {
    transformer: Transformer,
    poolings: Vec<Pooling>,
    device: Device,
    name: String,
}

impl std::fmt::Debug for PlainBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainBackend")
            .field("device", &self.name)
            .finish_non_exhaustive()
    }
}

impl PlainBackend {
    /// Loads the weights of a model on a device.
    ///
    /// # Errors
    /// The weights are damaged, of other shapes than the configuration says, or hold a
    /// value that is no finite number; the device is CUDA's, which has an encoder of its own, and
    /// the build is without the feature `candle-cuda`.
    pub fn load(files: &ModelFiles, config: &Config, opened: OpenDevice) -> Result<Self> {
        let device = match opened.place {
            Place::Cpu => Device::Cpu,
            Place::Metal(device) => device,
            Place::Cuda(numbers) => cuda(&numbers, &opened.name)?,
        };
        let checkpoint = super::checkpoint::Checkpoint::open(files, config)?;
        Ok(Self {
            transformer: Transformer::load(&checkpoint, &device)
                .map_err(|e| e.named(&opened.name))?,
            poolings: config.head.poolings(),
            device,
            name: opened.name,
        })
    }

    /// What all poolings give, one behind another.
    fn pool(&self, texts: &[&[u32]], hidden: &Tensor) -> candle_core::Result<Tensor> {
        let all = self.poolings.iter();
        let all: candle_core::Result<Vec<Tensor>> =
            all.map(|p| self.pool_by(*p, texts, hidden)).collect();
        Tensor::cat(&all?, 1)
    }

    fn pool_by(
        &self,
        pooling: Pooling,
        texts: &[&[u32]],
        hidden: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let longest = hidden.dim(1)?;
        let mut weights = vec![0.0f32; texts.len() * longest];
        if pooling == Pooling::Max {
            // Padding, and what is left out, must lose against any value.
            for (text, row) in texts.iter().zip(weights.chunks_exact_mut(longest)) {
                row[..tokens::left_out(text)].fill(f32::NEG_INFINITY);
                row[text.len()..].fill(f32::NEG_INFINITY);
            }
            let padding = Tensor::from_vec(weights, (texts.len(), longest, 1), &self.device)?;
            return hidden.broadcast_add(&padding)?.max(1);
        }
        for (text, row) in texts.iter().zip(weights.chunks_exact_mut(longest)) {
            token_weights(pooling, &mut row[..text.len()], tokens::left_out(text));
        }
        let weights = Tensor::from_vec(weights, (texts.len(), 1, longest), &self.device)?;
        weights.matmul(hidden)?.squeeze(1)
    }
}

/// candle's handle of the first of some CUDA devices.
#[cfg(feature = "candle-cuda")]
fn cuda(numbers: &[usize], name: &str) -> Result<Device> {
    let number = numbers.first().copied().unwrap_or(0);
    Device::new_cuda(number).map_err(|e| Error::device(name, first_line(&e)).with_source(e))
}

#[cfg(not(feature = "candle-cuda"))]
fn cuda(_: &[usize], name: &str) -> Result<Device> {
    let message = "the plain reference runs on CUDA devices in builds with candle-cuda alone";
    Err(Error::device(name, message.to_string()))
}

/// The weights with which the token vectors of a text are added, for all poolings but max; those of
/// the first `left_out` stay zero.
fn token_weights(pooling: Pooling, row: &mut [f32], left_out: usize) {
    let row = &mut row[left_out..];
    let n = row.len() as f32;
    match pooling {
        Pooling::Cls => row.iter_mut().take(1).for_each(|w| *w = 1.0),
        Pooling::Last => row.iter_mut().rev().take(1).for_each(|w| *w = 1.0),
        Pooling::Mean => row.fill(1.0 / n),
        Pooling::MeanSqrtLen => row.fill(1.0 / n.sqrt()),
        Pooling::Weighted => {
            let sum = n * (n + 1.0) / 2.0 + left_out as f32 * n;
            for (place, w) in (left_out + 1..).zip(row) {
                *w = place as f32 / sum;
            }
        }
        Pooling::Max => {}
    }
}

impl Backend for PlainBackend {
    fn forward(&self, texts: &[&[u32]], _: &Call) -> Result<Vec<f32>> {
        let transformer = &self.transformer;
        super::check_texts(texts, transformer.limits(), &self.name)?;
        if texts.iter().all(|t| t.is_empty()) {
            let width = transformer.hidden() * self.poolings.len();
            return Ok(vec![0.0; texts.len() * width]);
        }
        let compute = || {
            let hidden = transformer.forward(texts)?;
            self.pool(texts, &hidden)?.flatten_all()?.to_vec1()
        };
        compute().map_err(|e: candle_core::Error| {
            Error::device(&self.name, first_line(&e)).with_source(e)
        })
    }

    fn tokens(&self, texts: &[&[u32]], _: &Call) -> Result<Vec<f32>> {
        let transformer = &self.transformer;
        super::check_texts(texts, transformer.limits(), &self.name)?;
        let compute = || {
            let mut out = Vec::new();
            for text in texts.iter().filter(|text| !text.is_empty()) {
                out.extend(
                    transformer
                        .forward(&[text])?
                        .flatten_all()?
                        .to_vec1::<f32>()?,
                );
            }
            Ok(out)
        };
        compute().map_err(|e: candle_core::Error| {
            Error::device(&self.name, first_line(&e)).with_source(e)
        })
    }

    fn device(&self) -> String {
        self.name.clone()
    }

    fn dtype(&self) -> &'static str {
        "f32"
    }

    fn token_budget(&self) -> usize {
        if self.device.is_cpu() {
            CPU_TOKENS
        } else {
            GPU_TOKENS
        }
    }
}

fn first_line(e: &candle_core::Error) -> String {
    e.to_string().lines().next().unwrap_or("").to_string()
}
