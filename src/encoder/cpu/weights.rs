//! A model's weights, packed for the kernels.

use crate::encoder::checkpoint::{Activation, Checkpoint, Linear};
pub(super) use crate::encoder::checkpoint::{NormWeights, RelativeBias};
use crate::error::Result;
use crate::kernels::{Epilogue, Kernels, Packed};
use crate::model::{Config, ModelFiles};
use rayon::prelude::*;

/// One layer: attention, its output and norm, the feed-forward pair and its norm.
pub(super) struct Layer {
    pub qkv: Packed,
    pub output: Packed,
    pub norm: NormWeights,
    pub up: Packed,
    pub down: Packed,
    pub last_norm: NormWeights,
}

/// A transformer of the BERT family.
pub(super) struct Weights {
    pub hidden: usize,
    pub heads: usize,
    pub intermediate: usize,
    pub eps: f32,
    pub activation: Epilogue,
    /// (tokens of the vocabulary, hidden).
    pub words: Vec<f32>,
    /// (positions, hidden), with the token type's embedding added; the first row is that of a
    /// text's first token.
    pub positions: Vec<f32>,
    pub norm: NormWeights,
    pub layers: Vec<Layer>,
    pub bias: Option<RelativeBias>,
}

impl Weights {
    /// Reads and packs a model's weights.
    ///
    /// # Errors
    /// The file is damaged, has other tensors than the configuration says, or one that holds a
    /// value that is no finite number.
    pub(super) fn load(files: &ModelFiles, config: &Config, kernels: &Kernels) -> Result<Self> {
        let checkpoint = Checkpoint::open(files, config)?;
        let embeddings = checkpoint.embeddings()?;
        let shape = &checkpoint.shape;
        let layers = (0..shape.num_hidden_layers)
            .into_par_iter()
            .map(|i| layer(&checkpoint, i, kernels))
            .collect::<Result<_>>()?;
        Ok(Self {
            hidden: shape.hidden_size,
            heads: shape.num_attention_heads,
            intermediate: shape.intermediate_size,
            eps: shape.layer_norm_eps as f32,
            activation: match checkpoint.activation {
                Activation::Gelu => Epilogue::Gelu,
                Activation::GeluTanh => Epilogue::GeluTanh,
                Activation::Relu => Epilogue::Relu,
            },
            words: embeddings.words,
            positions: embeddings.positions,
            norm: embeddings.norm,
            layers,
            bias: checkpoint.relative_bias()?,
        })
    }

    /// The most tokens of a text.
    pub(super) fn longest(&self) -> usize {
        let positions = self.positions.len() / self.hidden;
        self.bias
            .as_ref()
            .map_or(positions, |bias| bias.longest.min(positions))
    }

    /// Multiplications and additions for one token, those of the attention left out.
    pub(super) fn operations(&self) -> usize {
        let (h, i) = (self.hidden, self.intermediate);
        2 * self.layers.len() * (4 * h * h + 2 * h * i)
    }
}

fn layer(checkpoint: &Checkpoint, i: usize, kernels: &Kernels) -> Result<Layer> {
    let layer = checkpoint.layer(i)?;
    let shape = &checkpoint.shape;
    let (hidden, intermediate) = (shape.hidden_size, shape.intermediate_size);
    let pack = |(weights, bias): Linear, inner: usize| {
        Packed::new(&weights, &bias, inner, kernels.format, kernels.width)
    };
    Ok(Layer {
        qkv: pack(layer.qkv, hidden),
        output: pack(layer.output, hidden),
        norm: layer.norm,
        up: pack(layer.up, hidden),
        down: pack(layer.down, intermediate),
        last_norm: layer.last_norm,
    })
}
