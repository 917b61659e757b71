//! MPNet (<https://arxiv.org/abs/2004.09297>) on candle tensors, which candle-transformers
//! lacks; after HF transformers' `modeling_mpnet.py`.

use crate::encoder::relative::bucket;
use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::{
    Activation, Embedding, LayerNorm, Linear, Module, VarBuilder, embedding, layer_norm, linear,
};
use serde::Deserialize;

/// The configuration, as `config.json` has it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: Activation,
    max_position_embeddings: usize,
    layer_norm_eps: f64,
    #[serde(default = "pad")]
    pad_token_id: u32,
    #[serde(default = "buckets")]
    relative_attention_num_buckets: usize,
}

fn pad() -> u32 {
    1
}

fn buckets() -> usize {
    32
}

struct Layer {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    norm: LayerNorm,
    up: Linear,
    down: Linear,
    last_norm: LayerNorm,
}

/// The transformer.
pub(super) struct Mpnet {
    config: Config,
    words: Embedding,
    positions: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    bias: Embedding,
}

impl Mpnet {
    pub(super) fn load(weights: VarBuilder<'_>, config: &Config) -> Result<Self> {
        let weights = if weights.contains_tensor("mpnet.embeddings.word_embeddings.weight") {
            weights.pp("mpnet")
        } else {
            weights
        };
        let (h, i, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let embeddings = weights.pp("embeddings");
        let layers = (0..config.num_hidden_layers)
            .map(|n| {
                let w = weights.pp(format!("encoder.layer.{n}"));
                let attention = w.pp("attention");
                Ok(Layer {
                    q: linear(h, h, attention.pp("attn.q"))?,
                    k: linear(h, h, attention.pp("attn.k"))?,
                    v: linear(h, h, attention.pp("attn.v"))?,
                    o: linear(h, h, attention.pp("attn.o"))?,
                    norm: layer_norm(h, eps, attention.pp("LayerNorm"))?,
                    up: linear(h, i, w.pp("intermediate.dense"))?,
                    down: linear(i, h, w.pp("output.dense"))?,
                    last_norm: layer_norm(h, eps, w.pp("output.LayerNorm"))?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            words: embedding(config.vocab_size, h, embeddings.pp("word_embeddings"))?,
            positions: embedding(
                config.max_position_embeddings,
                h,
                embeddings.pp("position_embeddings"),
            )?,
            norm: layer_norm(h, eps, embeddings.pp("LayerNorm"))?,
            bias: embedding(
                config.relative_attention_num_buckets,
                config.num_attention_heads,
                weights.pp("encoder.relative_attention_bias"),
            )?,
            layers,
            config: config.clone(),
        })
    }

    /// Hidden states (texts, tokens, hidden) of ids and a mask (texts, tokens) of ones and
    /// zeros.
    pub(super) fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let (texts, tokens) = ids.dims2()?;
        let device = ids.device();
        let first = self.config.pad_token_id + 1;
        let positions = Tensor::arange(first, first + tokens as u32, device)?;
        let x = self
            .words
            .forward(ids)?
            .broadcast_add(&self.positions.forward(&positions)?)?;
        let mut x = self.norm.forward(&x)?;
        let hidden = mask.to_dtype(x.dtype())?.reshape((texts, 1, 1, tokens))?;
        let bias = self
            .relative_bias(tokens, device)?
            .broadcast_add(&((hidden - 1.0)? * 1e9)?)?;
        for layer in &self.layers {
            let attended = self.attention(layer, &x, &bias)?;
            x = layer.norm.forward(&(attended + x)?)?;
            let wide = layer.up.forward(&x)?.apply(&self.config.hidden_act)?;
            x = layer
                .last_norm
                .forward(&(layer.down.forward(&wide)? + x)?)?;
        }
        Ok(x)
    }

    /// (1, heads, tokens, tokens).
    fn relative_bias(&self, tokens: usize, device: &Device) -> Result<Tensor> {
        let n = tokens as i64;
        let buckets: Vec<u32> = (0..n)
            .flat_map(|query| (0..n).map(move |key| key - query))
            .map(|d| bucket(d, self.config.relative_attention_num_buckets) as u32)
            .collect();
        let buckets = Tensor::from_vec(buckets, (tokens, tokens), device)?;
        self.bias
            .forward(&buckets)?
            .permute((2, 0, 1))?
            .unsqueeze(0)
    }

    fn attention(&self, layer: &Layer, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (texts, tokens, hidden) = x.dims3()?;
        let heads = self.config.num_attention_heads;
        let split = |linear: &Linear| {
            linear
                .forward(x)?
                .reshape((texts, tokens, heads, hidden / heads))?
                .transpose(1, 2)?
                .contiguous()
        };
        let (q, k, v) = (split(&layer.q)?, split(&layer.k)?, split(&layer.v)?);
        let scale = 1.0 / ((hidden / heads) as f64).sqrt();
        let scores = (q.matmul(&k.transpose(D::Minus1, D::Minus2)?.contiguous()?)? * scale)?;
        let weights = softmax_last_dim(&scores.broadcast_add(bias)?)?;
        let context = weights
            .matmul(&v)?
            .transpose(1, 2)?
            .reshape((texts, tokens, hidden))?;
        layer.o.forward(&context)
    }
}
