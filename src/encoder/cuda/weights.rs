//! A model's weights, as numbers of the type that a device computes with.
//!
//! Kernels take four numbers at a time: the hidden state and what is between a feed-forward pair are
//! as wide as that, with zeros behind their own numbers. Where a width is divisible by four, as
//! those of nearly all models are, nothing is added.

use super::gpu::{Buffer, Gpu, GpuDtype, GpuResult, Staging, finish};
use crate::encoder::checkpoint::{
    BlockWeights, Checkpoint, Linear, NormWeights, RotaryTable, Table,
};
use crate::error::{Error, Result};
use crate::model::architecture::{Architecture, Block, NormKind, Norms, Place, Pooling, Rotary};

/// Numbers that kernels take at a time.
const FOUR: usize = 4;

/// What is computed.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub architecture: Architecture,
    /// Types that tokens may have, at least one.
    pub types: usize,
    /// Rows of the table of places for each type; 1 where all places are alike.
    pub place_rows: usize,
    /// The most tokens of a text.
    pub longest: usize,
    /// How token vectors become one; the vectors of several stand behind each other.
    pub poolings: Vec<Pooling>,
    pub number: GpuDtype,
}

impl Shape {
    /// Numbers of a hidden state.
    pub(super) fn hidden(&self) -> usize {
        self.architecture.hidden
    }

    /// Numbers of a hidden state as it lies in memory.
    pub(super) fn hidden_width(&self) -> usize {
        self.hidden().next_multiple_of(FOUR)
    }

    /// Numbers of a text's vector as it lies in memory: one hidden state for each pooling.
    pub(super) fn out_width(&self) -> usize {
        self.poolings.len() * self.hidden_width()
    }
}

/// Numbers of a row of queries, keys and values.
pub(super) fn qkv_width(block: &Block) -> usize {
    let a = &block.attention;
    (a.heads + 2 * a.kv_heads) * a.head_dim
}

/// Numbers of a row of the attention's results.
pub(super) fn context_width(block: &Block) -> usize {
    block.attention.heads * block.attention.head_dim
}

/// Numbers of a row between the feed-forward pair, behind the activation.
pub(super) fn inner_width(block: &Block) -> usize {
    block.feed_forward.width.next_multiple_of(FOUR)
}

/// Numbers of a row of the first of the feed-forward pair.
pub(super) fn up_width(block: &Block) -> usize {
    inner_width(block) * if block.feed_forward.gated { 2 } else { 1 }
}

/// A linear layer's weights (columns, inner) and bias.
pub(super) struct Pair<B> {
    pub weights: B,
    pub bias: B,
}

/// A norm: its gain and, where it has one, its bias, in f32.
pub(super) struct Norm<B> {
    pub kind: NormKind,
    pub eps: f32,
    pub gain: B,
    pub bias: Option<B>,
}

/// A rotation's cosines and sines in f32, (longest, pairs) each.
pub(super) struct Rotation<B> {
    pub cosines: B,
    pub sines: B,
    pub pairs: usize,
}

/// One block.
pub(super) struct Layer<B> {
    pub qkv: Pair<B>,
    /// Of queries and of keys.
    pub head_norms: Option<[Norm<B>; 2]>,
    /// Which of the rotations.
    pub rotation: Option<usize>,
    pub output: Pair<B>,
    pub norms: Norms<Norm<B>>,
    pub up: Pair<B>,
    pub down: Pair<B>,
}

/// All of a model: bytes on the host, read and rounded once whatever the number of devices, or
/// buffers on one device.
pub(super) struct Weights<B> {
    pub words: B,
    /// What types and places add, (types, `place_rows`, hidden).
    pub places: Option<B>,
    pub norm: Option<Norm<B>>,
    pub layers: Vec<Layer<B>>,
    /// Those of all blocks, each once.
    pub rotations: Vec<Rotation<B>>,
    pub last_norm: Option<Norm<B>>,
    /// What scores get by distance in f32, (heads, 2 * longest - 1).
    pub relative: Option<B>,
}

/// Reads a model's weights and rounds them to `number`.
///
/// # Errors
/// The kernels do not compute the architecture; a tensor is missing, has another shape or a value
/// that is no finite number.
pub(super) fn read(
    checkpoint: &Checkpoint,
    poolings: &[Pooling],
    number: GpuDtype,
) -> Result<(Shape, Weights<Vec<u8>>)> {
    let architecture = &checkpoint.architecture;
    if let Some(why) = super::forward::unsupported(architecture) {
        return Err(Error::device(
            "cuda",
            format!("the kernels for CUDA devices do not fit this model: {why}"),
        ));
    }
    let embedding = checkpoint.embedding()?;
    let hidden = architecture.hidden;
    let types = embedding.places.as_ref();
    let types = types.map_or(1, |p| p.len() / (embedding.rows * hidden));
    let shape = Shape {
        architecture: architecture.clone(),
        types,
        place_rows: embedding.rows,
        longest: checkpoint.longest,
        poolings: poolings.to_vec(),
        number,
    };
    let to = To {
        number,
        hidden,
        hidden_width: shape.hidden_width(),
    };
    let mut known: Vec<&Rotary> = Vec::new();
    let mut layers = Vec::with_capacity(architecture.blocks.len());
    for (i, block) in architecture.blocks.iter().enumerate() {
        let rotation = match &block.attention.place {
            Place::Rotary(rotary) => {
                let at = known.iter().position(|r| *r == rotary);
                Some(at.unwrap_or_else(|| {
                    known.push(rotary);
                    known.len() - 1
                }))
            }
            _ => None,
        };
        layers.push(to.layer(block, checkpoint.block(i)?, rotation)?);
    }
    let rotation = |rotary: &&Rotary| {
        let RotaryTable { cos, sin, pairs } = RotaryTable::new(rotary, checkpoint.longest);
        Rotation {
            cosines: GpuDtype::F32.encode(&cos),
            sines: GpuDtype::F32.encode(&sin),
            pairs,
        }
    };
    let places = embedding.places.as_ref();
    let relative = checkpoint.relative_bias()?;
    let weights = Weights {
        words: to.table(&embedding.words, architecture.vocabulary),
        places: places.map(|p| number.encode(&widened(p, hidden, to.hidden_width))),
        norm: embedding.norm.as_ref().map(|n| to.norm(n)),
        layers,
        rotations: known.iter().map(rotation).collect(),
        last_norm: checkpoint.last_norm()?.as_ref().map(|n| to.norm(n)),
        relative: relative.map(|r| GpuDtype::F32.encode(&r.values)),
    };
    Ok((shape, weights))
}

/// Rows of `from` numbers as rows of `to`, zeros behind them.
fn widened(rows: &[f32], from: usize, to: usize) -> Vec<f32> {
    if from == to {
        return rows.to_vec();
    }
    let mut out = Vec::with_capacity(rows.len() / from * to);
    for row in rows.chunks_exact(from) {
        out.extend_from_slice(row);
        out.resize(out.len() + to - from, 0.0);
    }
    out
}

/// What weights are made to.
struct To {
    number: GpuDtype,
    hidden: usize,
    hidden_width: usize,
}

impl To {
    /// (columns, inner) with zeros, so that there are this many of each. Where `parts` stand one
    /// below another, the columns of each.
    fn linear(
        &self,
        (weights, bias): &Linear,
        parts: usize,
        columns: (usize, usize),
        inner: (usize, usize),
    ) -> Pair<Vec<u8>> {
        let ((columns, all_columns), (inner, all_inner)) = (columns, inner);
        debug_assert_eq!(weights.len(), parts * columns * inner);
        let pair = |weights: &[f32], bias: &[f32]| Pair {
            weights: self.number.encode(weights),
            bias: self.number.encode(bias),
        };
        if columns == all_columns && inner == all_inner {
            return pair(weights, bias);
        }
        let mut wide = Vec::with_capacity(parts * all_columns * all_inner);
        let mut wide_bias = Vec::with_capacity(parts * all_columns);
        let both = weights.chunks_exact(columns * inner);
        for (weights, bias) in both.zip(bias.chunks_exact(columns)) {
            wide.extend(widened(weights, inner, all_inner));
            wide_bias.extend_from_slice(bias);
            wide_bias.resize(wide_bias.len() + all_columns - columns, 0.0);
            wide.resize(wide_bias.len() * all_inner, 0.0);
        }
        pair(&wide, &wide_bias)
    }

    /// The norm of a hidden state.
    fn norm(&self, n: &NormWeights) -> Norm<Vec<u8>> {
        norm(n, self.hidden_width)
    }

    /// Row by row, for this is the largest of a small model's tensors.
    fn table(&self, words: &Table, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(count * self.hidden_width * self.number.size());
        let mut row = vec![0.0; self.hidden_width];
        for i in 0..count {
            words.row(i, &mut row[..self.hidden]);
            out.extend(self.number.encode(&row));
        }
        out
    }

    fn layer(
        &self,
        block: &Block,
        weights: BlockWeights,
        rotation: Option<usize>,
    ) -> Result<Layer<Vec<u8>>> {
        let hidden = (self.hidden, self.hidden_width);
        let width = (block.feed_forward.width, inner_width(block));
        let (qkv, context) = (qkv_width(block), context_width(block));
        let parts = if block.feed_forward.gated { 2 } else { 1 };
        let head_dim = block.attention.head_dim;
        let norms = weights.norms.try_map(|n| Ok::<_, Error>(self.norm(n)))?;
        Ok(Layer {
            qkv: self.linear(&weights.qkv, 1, (qkv, qkv), hidden),
            head_norms: weights
                .head_norms
                .map(|both| both.map(|n| norm(&n, head_dim))),
            rotation,
            output: self.linear(&weights.output, 1, hidden, (context, context)),
            norms,
            up: self.linear(&weights.up, parts, width, hidden),
            down: self.linear(&weights.down, 1, hidden, width),
        })
    }
}

/// A norm of rows of this width.
fn norm(n: &NormWeights, width: usize) -> Norm<Vec<u8>> {
    let encode = |x: &[f32]| GpuDtype::F32.encode(&widened(x, x.len(), width));
    Norm {
        kind: n.kind,
        eps: n.eps,
        gain: encode(&n.weight),
        // RMSNorm has none, and LayerNorm is often without.
        bias: n.bias.iter().any(|&b| b != 0.0).then(|| encode(&n.bias)),
    }
}

impl Weights<Vec<u8>> {
    /// Copies them to a device.
    pub(super) fn put(&self, gpu: &mut dyn Gpu) -> GpuResult<Weights<Buffer>> {
        // One for all: making pinned memory takes longer than most transfers.
        let mut staging = Staging::default();
        let one = &mut |bytes: &Vec<u8>| {
            let buffer = gpu.alloc(bytes.len().max(16))?;
            staging.copy(gpu, bytes, buffer.address())?;
            Ok(buffer)
        };
        let weights = Weights {
            words: one(&self.words)?,
            places: self.places.as_ref().map(&mut *one).transpose()?,
            norm: self.norm.as_ref().map(|n| n.put(one)).transpose()?,
            layers: self
                .layers
                .iter()
                .map(|layer| layer.put(one))
                .collect::<GpuResult<_>>()?,
            rotations: self
                .rotations
                .iter()
                .map(|r| {
                    Ok(Rotation {
                        cosines: one(&r.cosines)?,
                        sines: one(&r.sines)?,
                        pairs: r.pairs,
                    })
                })
                .collect::<GpuResult<_>>()?,
            last_norm: self.last_norm.as_ref().map(|n| n.put(one)).transpose()?,
            relative: self.relative.as_ref().map(&mut *one).transpose()?,
        };
        // The last transfers read what is given back here.
        finish(gpu)?;
        Ok(weights)
    }
}

/// Copies bytes to a device.
type Put<'a> = &'a mut dyn FnMut(&Vec<u8>) -> GpuResult<Buffer>;

impl Pair<Vec<u8>> {
    fn put(&self, one: Put<'_>) -> GpuResult<Pair<Buffer>> {
        Ok(Pair {
            weights: one(&self.weights)?,
            bias: one(&self.bias)?,
        })
    }
}

impl Norm<Vec<u8>> {
    fn put(&self, one: Put<'_>) -> GpuResult<Norm<Buffer>> {
        Ok(Norm {
            kind: self.kind,
            eps: self.eps,
            gain: one(&self.gain)?,
            bias: self.bias.as_ref().map(one).transpose()?,
        })
    }
}

impl Layer<Vec<u8>> {
    fn put(&self, one: Put<'_>) -> GpuResult<Layer<Buffer>> {
        Ok(Layer {
            qkv: self.qkv.put(one)?,
            head_norms: match &self.head_norms {
                Some([queries, keys]) => Some([queries.put(one)?, keys.put(one)?]),
                None => None,
            },
            rotation: self.rotation,
            output: self.output.put(one)?,
            norms: self.norms.try_map(|n| n.put(one))?,
            up: self.up.put(one)?,
            down: self.down.put(one)?,
        })
    }
}
