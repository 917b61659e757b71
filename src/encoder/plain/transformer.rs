//! The interpreter of a description, in candle's tensors.

use crate::encoder::Limits;
use crate::encoder::checkpoint::{
    BlockWeights, Checkpoint, Linear as LinearWeights, NormWeights, RotaryTable,
};
use crate::error::Error;
use crate::model::architecture::{
    Activation, Architecture, Block as Described, NormKind, Norms, Place, Reach,
};
use crate::model::tokens;
use candle_core::{D, Device, Tensor};
use candle_nn::ops::{rms_norm, sigmoid, softmax_last_dim};
use candle_nn::rotary_emb::rope;
use candle_nn::{LayerNorm, Linear, Module};
use candle_transformers::utils::repeat_kv;
use std::f64::consts::LN_2;

type Computed<T> = candle_core::Result<T>;

/// What is added to scores of what a query does not see.
const UNSEEN: f32 = -1e9;

struct Norm {
    kind: NormKind,
    eps: f32,
    weight: Tensor,
    bias: Tensor,
}

struct Block {
    qkv: Linear,
    head_norms: Option<[Norm; 2]>,
    output: Linear,
    norms: Norms<Norm>,
    up: Linear,
    down: Linear,
    /// Cosines and sines, (longest, pairs).
    rotary: Option<(Tensor, Tensor)>,
}

/// A transformer on a device.
pub(super) struct Transformer {
    architecture: Architecture,
    longest: usize,
    words: Tensor,
    /// (types * rows, hidden).
    places: Option<Tensor>,
    types: usize,
    rows: usize,
    /// The token that takes no place.
    padding: Option<u32>,
    embedding_norm: Option<Norm>,
    blocks: Vec<Block>,
    last_norm: Option<Norm>,
    /// (heads, 2 * longest - 1), for 2^score.
    bias: Option<Vec<f32>>,
    device: Device,
}

/// Why a model could not be put on the device.
pub(super) enum LoadError {
    Model(Error),
    Device(candle_core::Error),
}

impl LoadError {
    pub(super) fn named(self, device: &str) -> Error {
        match self {
            Self::Model(e) => e,
            Self::Device(e) => Error::device(device, super::first_line(&e)).with_source(e),
        }
    }
}

impl From<Error> for LoadError {
    fn from(e: Error) -> Self {
        Self::Model(e)
    }
}

impl From<candle_core::Error> for LoadError {
    fn from(e: candle_core::Error) -> Self {
        Self::Device(e)
    }
}

impl Transformer {
    pub(super) fn load(
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let architecture = checkpoint.architecture.clone();
        let (hidden, longest) = (architecture.hidden, checkpoint.longest);
        let embedding = checkpoint.embedding()?;
        let norm = |n: NormWeights| -> Computed<Norm> {
            let size = n.weight.len();
            Ok(Norm {
                kind: n.kind,
                eps: n.eps,
                weight: Tensor::from_vec(n.weight, size, device)?,
                bias: Tensor::from_vec(n.bias, size, device)?,
            })
        };
        let linear = |(weights, bias): LinearWeights| -> Computed<Linear> {
            let (columns, all) = (bias.len(), weights.len());
            let weights = Tensor::from_vec(weights, (columns, all / columns), device)?;
            Ok(Linear::new(
                weights,
                Some(Tensor::from_vec(bias, columns, device)?),
            ))
        };
        let block = |i: usize| -> std::result::Result<Block, LoadError> {
            let BlockWeights {
                qkv,
                head_norms,
                output,
                norms,
                up,
                down,
            } = checkpoint.block(i)?;
            let rotary = match &architecture.blocks[i].attention.place {
                Place::Rotary(rotary) => {
                    let RotaryTable { cos, sin, pairs } = RotaryTable::new(rotary, longest);
                    let shape = (longest, pairs);
                    let cos = Tensor::from_vec(cos, shape, device)?;
                    Some((cos, Tensor::from_vec(sin, shape, device)?))
                }
                _ => None,
            };
            Ok(Block {
                qkv: linear(qkv)?,
                head_norms: match head_norms {
                    Some([q, k]) => Some([norm(q)?, norm(k)?]),
                    None => None,
                },
                output: linear(output)?,
                norms: norms.try_map(|n| norm(n.clone()))?,
                up: linear(up)?,
                down: linear(down)?,
                rotary,
            })
        };
        let blocks = (0..architecture.blocks.len()).map(block);
        let blocks = blocks.collect::<std::result::Result<_, _>>()?;
        let rows = embedding.rows;
        let places_of = embedding.places.as_ref().map_or(0, |p| p.len() / hidden);
        Ok(Self {
            words: Tensor::from_vec(
                embedding.words.into_f32(),
                (architecture.vocabulary, hidden),
                device,
            )?,
            types: places_of / rows,
            places: embedding
                .places
                .map(|p| Tensor::from_vec(p, (places_of, hidden), device))
                .transpose()?,
            rows,
            padding: embedding.padding,
            embedding_norm: embedding.norm.map(norm).transpose()?,
            blocks,
            last_norm: checkpoint.last_norm()?.map(norm).transpose()?,
            bias: checkpoint.relative_bias()?.map(|b| b.values),
            longest,
            architecture,
            device: device.clone(),
        })
    }

    pub(super) fn hidden(&self) -> usize {
        self.architecture.hidden
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            longest: self.longest,
            vocabulary: self.architecture.vocabulary,
            types: self.types.max(1),
        }
    }

    /// Hidden states (texts, longest, hidden) of texts, which are filled up to the longest; those
    /// of what they are filled with are anything.
    pub(super) fn forward(&self, texts: &[&[u32]]) -> Computed<Tensor> {
        let longest = texts.iter().map(|t| t.len()).max().unwrap_or(0);
        let shape = (texts.len(), longest);
        let mut ids = Vec::with_capacity(texts.len() * longest);
        let mut places = Vec::with_capacity(texts.len() * longest);
        let mut padding = vec![0.0; texts.len() * longest];
        for (text, padding) in texts.iter().zip(padding.chunks_exact_mut(longest)) {
            let placed = text.iter().copied().zip(tokens::places(text, self.padding));
            let filled = placed.chain(std::iter::repeat((0, 0))).take(longest);
            for (token, position) in filled {
                ids.push(tokens::id(token));
                let row = if self.rows == 1 { 0 } else { position };
                places.push((tokens::kind(token) as usize * self.rows + row) as u32);
            }
            padding[text.len()..].fill(UNSEEN);
        }
        let on_device =
            |values: Vec<u32>| Tensor::from_vec(values, texts.len() * longest, &self.device);
        let embedding = &self.architecture.embedding;
        let mut x = self.words.index_select(&on_device(ids)?, 0)?;
        if embedding.scale != 1.0 {
            x = (x * f64::from(embedding.scale))?;
        }
        if let Some(table) = &self.places {
            x = (x + table.index_select(&on_device(places)?, 0)?)?;
        }
        let mut x = x.reshape((shape.0, shape.1, self.hidden()))?;
        if let Some(norm) = &self.embedding_norm {
            x = norm.forward(&x)?;
        }
        let padding = Tensor::from_vec(padding, (texts.len(), 1, 1, longest), &self.device)?;
        let mut masks: Vec<(Reach, Tensor)> = Vec::new();
        for (block, described) in self.blocks.iter().zip(&self.architecture.blocks) {
            let reach = described.attention.reach;
            let mask = match masks.iter().find(|(known, _)| *known == reach) {
                Some((_, mask)) => mask.clone(),
                None => {
                    let mask = self.mask(reach, longest)?.broadcast_add(&padding)?;
                    masks.push((reach, mask.clone()));
                    mask
                }
            };
            x = block.forward(described, &x, &mask)?;
        }
        match &self.last_norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }

    /// What is added to scores: (1, heads or 1, tokens, tokens).
    fn mask(&self, reach: Reach, n: usize) -> Computed<Tensor> {
        let one = |head: usize, query: usize, key: usize| {
            if !reach.keys(query, n).contains(&key) {
                return UNSEEN;
            }
            self.bias.as_ref().map_or(0.0, |values| {
                let row = &values[head * (2 * self.longest - 1)..];
                row[self.longest - 1 + key - query]
            })
        };
        let heads = match (&self.bias, self.architecture.blocks.first()) {
            (Some(_), Some(block)) => block.attention.heads,
            _ => 1,
        };
        let all = (0..heads).flat_map(|h| (0..n).flat_map(move |q| (0..n).map(move |k| (h, q, k))));
        let values: Vec<f32> = all.map(|(h, q, k)| one(h, q, k)).collect();
        Tensor::from_vec(values, (1, heads, n, n), &self.device)
    }
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        match self.kind {
            NormKind::Layer => {
                let (weight, bias) = (self.weight.clone(), self.bias.clone());
                LayerNorm::new(weight, bias, f64::from(self.eps)).forward(x)
            }
            NormKind::Rms => rms_norm(&x.contiguous()?, &self.weight, self.eps),
        }
    }
}

impl Block {
    fn forward(&self, described: &Described, x: &Tensor, mask: &Tensor) -> Computed<Tensor> {
        let optional = |norm: &Option<Norm>, x: &Tensor| match norm {
            Some(norm) => norm.forward(x),
            None => Ok(x.clone()),
        };
        match &self.norms {
            Norms::Post([first, second]) => {
                let x = first.forward(&(x + self.attention(described, x, mask)?)?)?;
                second.forward(&(&x + self.feed_forward(described, &x)?)?)
            }
            Norms::Pre([first, second]) => {
                let x = (x + self.attention(described, &optional(first, x)?, mask)?)?;
                &x + self.feed_forward(described, &optional(second, &x)?)?
            }
            Norms::Sandwich([first, attended, second, fed]) => {
                let y = self.attention(described, &first.forward(x)?, mask)?;
                let x = (x + attended.forward(&y)?)?;
                let y = self.feed_forward(described, &second.forward(&x)?)?;
                &x + fed.forward(&y)?
            }
        }
    }

    fn attention(&self, described: &Described, x: &Tensor, mask: &Tensor) -> Computed<Tensor> {
        let a = &described.attention;
        let (texts, n, _) = x.dims3()?;
        let qkv = self.qkv.forward(x)?;
        let split = |first: usize, heads: usize| {
            qkv.narrow(2, first * a.head_dim, heads * a.head_dim)?
                .reshape((texts, n, heads, a.head_dim))?
                .transpose(1, 2)?
                .contiguous()
        };
        let mut q = split(0, a.heads)?;
        let mut k = split(a.heads, a.kv_heads)?;
        let v = split(a.heads + a.kv_heads, a.kv_heads)?;
        if let Some([of_q, of_k]) = &self.head_norms {
            (q, k) = (of_q.forward(&q)?, of_k.forward(&k)?);
        }
        if let Some((cos, sin)) = &self.rotary {
            let (cos, sin) = (cos.narrow(0, 0, n)?, sin.narrow(0, 0, n)?);
            (q, k) = (rotate(&q, &cos, &sin)?, rotate(&k, &cos, &sin)?);
        }
        let shared = a.heads / a.kv_heads;
        let (k, v) = (repeat_kv(k, shared)?, repeat_kv(v, shared)?);
        let scores = q.matmul(&k.transpose(D::Minus1, D::Minus2)?.contiguous()?)?;
        // Queries are scaled for powers of two.
        let scores = (scores.broadcast_add(mask)? * LN_2)?;
        let context = softmax_last_dim(&scores)?.matmul(&v.contiguous()?)?;
        let context = context
            .transpose(1, 2)?
            .reshape((texts, n, a.heads * a.head_dim))?;
        self.output.forward(&context)
    }

    fn feed_forward(&self, described: &Described, x: &Tensor) -> Computed<Tensor> {
        let f = described.feed_forward;
        let wide = self.up.forward(x)?;
        let wide = if f.gated {
            let gate = activate(f.activation, &wide.narrow(D::Minus1, 0, f.width)?)?;
            (gate * wide.narrow(D::Minus1, f.width, f.width)?)?
        } else {
            activate(f.activation, &wide)?
        };
        self.down.forward(&wide)
    }
}

/// Rotates the first numbers of each head, (texts, heads, tokens, head size), as many as there
/// are pairs for.
fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Computed<Tensor> {
    let (size, rotated) = (x.dim(D::Minus1)?, 2 * cos.dim(D::Minus1)?);
    if rotated == size {
        return rope(x, cos, sin);
    }
    let first = rope(&x.narrow(D::Minus1, 0, rotated)?.contiguous()?, cos, sin)?;
    let rest = x.narrow(D::Minus1, rotated, size - rotated)?;
    Tensor::cat(&[&first, &rest], D::Minus1)
}

fn activate(activation: Activation, x: &Tensor) -> Computed<Tensor> {
    match activation {
        Activation::Gelu => x.gelu_erf(),
        Activation::GeluTanh => x.gelu(),
        Activation::Relu => x.relu(),
        Activation::Silu => x.silu(),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Identity => Ok(x.clone()),
    }
}
