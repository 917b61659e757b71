//! A model's weights, packed for the kernels.

use crate::encoder::checkpoint::{Checkpoint, Linear};
pub(super) use crate::encoder::checkpoint::{NormWeights, RelativeBias, RotaryTable, Table};
use crate::error::Result;
use crate::kernels::{Epilogue, Kernels, Norm, Packed};
use crate::model::architecture::{self, Activation, NormKind, Norms, Place, Reach};
use crate::model::{Config, ModelFiles};
use rayon::prelude::*;
use std::sync::Arc;

/// A block: attention and feed-forward network, and the norms around them.
pub(super) struct Block {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub reach: Reach,
    pub qkv: Packed,
    pub head_norms: Option<[NormWeights; 2]>,
    pub rotary: Option<Arc<RotaryTable>>,
    pub output: Packed,
    pub norms: Norms<NormWeights>,
    pub width: usize,
    pub activation: Epilogue,
    pub gated: bool,
    pub up: Packed,
    pub down: Packed,
}

impl Block {
    /// Numbers of a row of queries, keys and values.
    pub(super) fn qkv_len(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Numbers of a row of the attention's results.
    pub(super) fn context_len(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Whether queries and keys are changed before they meet.
    pub(super) fn prepares_heads(&self) -> bool {
        self.head_norms.is_some() || self.rotary.is_some()
    }
}

/// A transformer.
pub(super) struct Weights {
    pub hidden: usize,
    /// Words of the vocabulary.
    pub vocabulary: usize,
    /// Types of tokens.
    pub types: usize,
    /// The most tokens of a text.
    pub longest: usize,
    /// (vocabulary, hidden).
    pub words: Table,
    /// What words are multiplied by.
    pub scale: f32,
    /// What is added to them by type and place, (types, rows, hidden).
    pub places: Option<Vec<f32>>,
    /// Places of a type: one for each position, or 1 for all.
    pub rows: usize,
    /// The token that takes no place.
    pub padding: Option<u32>,
    pub norm: Option<NormWeights>,
    pub blocks: Vec<Block>,
    pub last_norm: Option<NormWeights>,
    pub bias: Option<RelativeBias>,
    /// Multiplications and additions for one token, those of the attention left out.
    pub operations: usize,
}

impl Weights {
    /// Reads and packs a model's weights.
    ///
    /// # Errors
    /// The file is damaged, has other tensors than the configuration says, or one that holds a
    /// value that is no finite number.
    pub(super) fn load(files: &ModelFiles, config: &Config, kernels: &Kernels) -> Result<Self> {
        let checkpoint = Checkpoint::open(files, config)?;
        let architecture = &checkpoint.architecture;
        let embedding = checkpoint.embedding()?;
        let rotary = rotary_tables(architecture, checkpoint.longest);
        let blocks = (0..architecture.blocks.len())
            .into_par_iter()
            .map(|i| block(&checkpoint, i, rotary[i].clone(), kernels))
            .collect::<Result<_>>()?;
        let (hidden, rows) = (architecture.hidden, embedding.rows);
        let types = embedding.places.as_ref();
        Ok(Self {
            hidden,
            vocabulary: architecture.vocabulary,
            types: types.map_or(1, |p| p.len() / (rows * hidden)),
            longest: checkpoint.longest,
            words: embedding.words,
            scale: architecture.embedding.scale,
            places: embedding.places,
            rows,
            padding: embedding.padding,
            norm: embedding.norm,
            blocks,
            last_norm: checkpoint.last_norm()?,
            bias: checkpoint.relative_bias()?,
            operations: architecture.operations(),
        })
    }

    /// Whether all norms are of the stream itself, which is then what products take.
    pub(super) fn in_place(&self) -> bool {
        let post = |b: &Block| matches!(b.norms, Norms::Post(_));
        self.norm.is_some() && self.blocks.iter().all(post)
    }

    /// The widest of what blocks have.
    pub(super) fn widest(&self, what: impl Fn(&Block) -> usize) -> usize {
        self.blocks.iter().map(what).max().unwrap_or(0)
    }
}

/// The tables of each block's rotation, each made once.
fn rotary_tables(
    architecture: &architecture::Architecture,
    longest: usize,
) -> Vec<Option<Arc<RotaryTable>>> {
    let mut known: Vec<(&architecture::Rotary, Arc<RotaryTable>)> = Vec::new();
    let mut out = Vec::with_capacity(architecture.blocks.len());
    for block in &architecture.blocks {
        let Place::Rotary(rotary) = &block.attention.place else {
            out.push(None);
            continue;
        };
        let found = known.iter().find(|(r, _)| *r == rotary);
        let made = match found {
            Some((_, table)) => table.clone(),
            None => {
                let table = Arc::new(RotaryTable::new(rotary, longest));
                known.push((rotary, table.clone()));
                table
            }
        };
        out.push(Some(made));
    }
    out
}

fn block(
    checkpoint: &Checkpoint,
    i: usize,
    rotary: Option<Arc<RotaryTable>>,
    kernels: &Kernels,
) -> Result<Block> {
    let described = &checkpoint.architecture.blocks[i];
    let weights = checkpoint.block(i)?;
    let hidden = checkpoint.architecture.hidden;
    let (a, f) = (&described.attention, described.feed_forward);
    let pack = |(weights, bias): Linear, inner: usize| {
        Packed::new(&weights, &bias, inner, kernels.format, kernels.width)
    };
    Ok(Block {
        heads: a.heads,
        kv_heads: a.kv_heads,
        head_dim: a.head_dim,
        reach: a.reach,
        qkv: pack(weights.qkv, hidden),
        head_norms: weights.head_norms,
        rotary,
        output: pack(weights.output, a.heads * a.head_dim),
        norms: weights.norms,
        width: f.width,
        activation: epilogue(f.activation),
        gated: f.gated,
        up: pack(weights.up, hidden),
        down: pack(weights.down, f.width),
    })
}

fn epilogue(activation: Activation) -> Epilogue {
    match activation {
        Activation::Gelu => Epilogue::Gelu,
        Activation::GeluTanh => Epilogue::GeluTanh,
        Activation::Relu => Epilogue::Relu,
        Activation::Silu => Epilogue::Silu,
        Activation::Tanh => Epilogue::Tanh,
        Activation::Sigmoid => Epilogue::Sigmoid,
        Activation::Identity => Epilogue::Plain,
    }
}

impl NormWeights {
    /// As the kernels take it.
    pub(super) fn kernel(&self) -> Norm<'_> {
        Norm {
            centred: self.kind == NormKind::Layer,
            weight: &self.weight,
            bias: &self.bias,
            eps: self.eps,
        }
    }
}
