//! A model's weights, as numbers of the type that a device computes with.

use super::gpu::{Buffer, Gpu, GpuDtype, GpuResult, put};
use crate::encoder::checkpoint::{Checkpoint, Linear, NormWeights};
use crate::error::{Error, Result};
use crate::model::architecture::{Activation, NormKind, Norms, Place, Pooling, Reach};

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
    let from = &checkpoint.architecture;
    let unsupported = |what: &str| {
        Error::device(
            "cuda",
            format!("a model with {what} does not run on CUDA devices yet"),
        )
    };
    let Some(first) = from.blocks.first() else {
        return Err(unsupported("no layers"));
    };
    let post = match first.norms {
        Norms::Post([norm, _]) if norm.kind == NormKind::Layer => norm,
        _ => return Err(unsupported("norms before its layers")),
    };
    if from.blocks.iter().any(|b| b != first)
        || first.feed_forward.gated
        || matches!(first.attention.place, Place::Rotary(_))
        || first.attention.reach != Reach::ALL
        || first.attention.kv_heads != first.attention.heads
        || first.attention.heads * first.attention.head_dim != from.hidden
        || from.embedding.scale != 1.0
        || from.last_norm.is_some()
    {
        return Err(unsupported("rotary positions, gates or windows"));
    }
    let embeddings = checkpoint.embedding()?;
    let relative = checkpoint.relative_bias()?;
    let hidden = from.hidden;
    let (Some(places), Some(first_norm)) = (embeddings.places, embeddings.norm) else {
        return Err(unsupported("no table of positions"));
    };
    if embeddings.rows < checkpoint.longest {
        return Err(unsupported("no table of positions"));
    }
    let words = embeddings.words.into_f32();
    let shape = Shape {
        hidden,
        heads: first.attention.heads,
        intermediate: first.feed_forward.width,
        vocabulary: from.vocabulary,
        longest: checkpoint.longest,
        eps: post.eps,
        activation: first.feed_forward.activation,
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
    let layers = (0..from.blocks.len())
        .map(|i| {
            let layer = checkpoint.block(i)?;
            let [Some(after_attention), Some(after_feed_forward)] = layer.norms.as_slice() else {
                return Err(unsupported("no norms"));
            };
            Ok(Layer {
                qkv: linear(&layer.qkv),
                output: linear(&layer.output),
                norm: norm(after_attention),
                up: linear(&layer.up),
                down: linear(&layer.down),
                last_norm: norm(after_feed_forward),
            })
        })
        .collect::<Result<_>>()?;
    let weights = Weights {
        words: number.encode(&words),
        positions: number.encode(&places),
        norm: norm(&first_norm),
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
