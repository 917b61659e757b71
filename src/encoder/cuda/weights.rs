//! A model's weights, as numbers of the type that a device computes with.

use super::gpu::{Buffer, Gpu, GpuDtype, GpuResult, put};
use crate::encoder::checkpoint::{Activation, Checkpoint, Linear, NormWeights};
use crate::error::Result;
use crate::model::Pooling;

/// The sizes of a transformer and how its parts are computed.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub hidden: usize,
    pub heads: usize,
    pub intermediate: usize,
    /// The words of the vocabulary.
    pub vocabulary: usize,
    /// The most tokens of a text.
    pub longest: usize,
    pub eps: f32,
    pub activation: Activation,
    pub pooling: Pooling,
    pub number: GpuDtype,
}

/// A linear layer's weights (columns, inner) and bias, or a LayerNorm's gain and bias, the
/// latter two in f32.
pub(super) struct Pair<B> {
    pub weights: B,
    pub bias: B,
}

/// One layer.
pub(super) struct Layer<B> {
    pub qkv: Pair<B>,
    pub output: Pair<B>,
    pub norm: Pair<B>,
    pub up: Pair<B>,
    pub down: Pair<B>,
    pub last_norm: Pair<B>,
}

/// All of a model: bytes on the host, read and rounded once whatever the number of devices, or
/// buffers on one device.
pub(super) struct Weights<B> {
    pub words: B,
    pub positions: B,
    pub norm: Pair<B>,
    pub layers: Vec<Layer<B>>,
    /// MPNet's relative bias in f32, (heads, 2 * longest - 1).
    pub relative: Option<B>,
}

/// Reads a model's weights and rounds them to `number`.
///
/// # Errors
/// A tensor is missing, has another shape or a value that is no finite number.
pub(super) fn read(
    checkpoint: &Checkpoint,
    pooling: Pooling,
    number: GpuDtype,
) -> Result<(Shape, Weights<Vec<u8>>)> {
    let embeddings = checkpoint.embeddings()?;
    let relative = checkpoint.relative_bias()?;
    let from = &checkpoint.shape;
    let hidden = from.hidden_size;
    let positions = embeddings.positions.len() / hidden;
    let shape = Shape {
        hidden,
        heads: from.num_attention_heads,
        intermediate: from.intermediate_size,
        vocabulary: embeddings.words.len() / hidden,
        longest: relative
            .as_ref()
            .map_or(positions, |r| r.longest.min(positions)),
        eps: from.layer_norm_eps as f32,
        activation: checkpoint.activation,
        pooling,
        number,
    };
    let norm = |n: &NormWeights| Pair {
        weights: GpuDtype::F32.encode(&n.weight),
        bias: GpuDtype::F32.encode(&n.bias),
    };
    let linear = |(weights, bias): &Linear| Pair {
        weights: number.encode(weights),
        bias: number.encode(bias),
    };
    let layers = (0..from.num_hidden_layers)
        .map(|i| {
            let layer = checkpoint.layer(i)?;
            Ok(Layer {
                qkv: linear(&layer.qkv),
                output: linear(&layer.output),
                norm: norm(&layer.norm),
                up: linear(&layer.up),
                down: linear(&layer.down),
                last_norm: norm(&layer.last_norm),
            })
        })
        .collect::<Result<_>>()?;
    let weights = Weights {
        words: number.encode(&embeddings.words),
        positions: number.encode(&embeddings.positions),
        norm: norm(&embeddings.norm),
        layers,
        relative: relative.map(|r| GpuDtype::F32.encode(&r.values)),
    };
    Ok((shape, weights))
}

impl Weights<Vec<u8>> {
    /// Copies them to a device.
    pub(super) fn put(&self, gpu: &mut dyn Gpu) -> GpuResult<Weights<Buffer>> {
        let mut pair = |p: &Pair<Vec<u8>>| {
            Ok(Pair {
                weights: put(gpu, &p.weights)?,
                bias: put(gpu, &p.bias)?,
            })
        };
        let norm = pair(&self.norm)?;
        let layers = self
            .layers
            .iter()
            .map(|layer| {
                Ok(Layer {
                    qkv: pair(&layer.qkv)?,
                    output: pair(&layer.output)?,
                    norm: pair(&layer.norm)?,
                    up: pair(&layer.up)?,
                    down: pair(&layer.down)?,
                    last_norm: pair(&layer.last_norm)?,
                })
            })
            .collect::<GpuResult<_>>()?;
        Ok(Weights {
            words: put(gpu, &self.words)?,
            positions: put(gpu, &self.positions)?,
            norm,
            layers,
            relative: self.relative.as_ref().map(|r| put(gpu, r)).transpose()?,
        })
    }
}
