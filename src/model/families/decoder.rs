//! What families share whose blocks are those of a language model.

use super::{
    Described, HEAD, HEADS, HIDDEN, LAYERS, POSITIONS, VOCABULARY, WIDTH, labels, rms_norm,
};
use crate::model::architecture::{
    Activation, Architecture, Attention, Block, Embedding, FeedForward, Norm, Place, Reach,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, NormAt, TensorsAt};

/// The sizes of grouped heads and gated feed-forward networks, and the RMSNorm of all places.
pub(super) struct Sizes {
    pub hidden: usize,
    heads: usize,
    kv_heads: usize,
    pub head_dim: usize,
    pub layers: usize,
    width: usize,
    pub norm: Norm,
    /// Whether the attention's products have a bias.
    bias: bool,
}

impl Sizes {
    pub(super) fn read(s: &Settings, head_dim: usize) -> Result<Self> {
        let hidden = s.size(&["hidden_size"], HIDDEN)?;
        let heads = s.size(&["num_attention_heads"], HEADS)?;
        let kv_heads = s.optional_size(&["num_key_value_heads"], HEADS)?;
        Ok(Self {
            hidden,
            heads,
            kv_heads: kv_heads.unwrap_or(heads),
            head_dim: s.optional_size(&["head_dim"], HEAD)?.unwrap_or(head_dim),
            layers: s.size(&["num_hidden_layers"], LAYERS)?,
            width: s.size(&["intermediate_size"], WIDTH)?,
            norm: rms_norm(s.eps(&["rms_norm_eps"], 1e-6)?),
            bias: s.flag("attention_bias", false)?,
        })
    }

    pub(super) fn attention(&self, scale: f64, place: Place, reach: Reach) -> Attention {
        Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            scale,
            head_norm: Some(self.norm),
            place,
            reach,
        }
    }

    pub(super) fn feed_forward(&self, activation: Activation) -> FeedForward {
        FeedForward {
            width: self.width,
            activation,
            gated: true,
        }
    }

    /// A model of these blocks, each with norms of these names, which `norm` makes; embeddings are
    /// multiplied by `scale`.
    pub(super) fn described(
        &self,
        s: &Settings,
        scale: f64,
        blocks: Vec<Block>,
        norms: &[&str],
        norm: impl Fn(String) -> NormAt,
    ) -> Result<Described> {
        let block_at = |i: usize| {
            let name = |part: &str| format!("layers.{i}.{part}");
            let own = |part: &str| norm(name(part));
            let linear = |part: &str| LinearAt::new(&name(part), false);
            let attention =
                |part: &str| LinearAt::new(&name(&format!("self_attn.{part}")), self.bias);
            BlockAt {
                qkv: ["q_proj", "k_proj", "v_proj"].map(attention),
                output: attention("o_proj"),
                head_norms: Some(["self_attn.q_norm", "self_attn.k_norm"].map(own)),
                norms: norms.iter().map(|part| Some(own(part))).collect(),
                gate: Some(linear("mlp.gate_proj")),
                up: linear("mlp.up_proj"),
                down: linear("mlp.down_proj"),
            }
        };
        Ok(Described {
            architecture: Architecture {
                vocabulary: s.size(&["vocab_size"], VOCABULARY)?,
                hidden: self.hidden,
                longest: s.size(&["max_position_embeddings"], POSITIONS)?,
                embedding: Embedding {
                    positions: None,
                    types: 0,
                    scale: scale as f32,
                    norm: None,
                },
                blocks,
                last_norm: Some(self.norm),
            },
            tensors: TensorsAt {
                prefixes: &["", "model."],
                words: "embed_tokens.weight".into(),
                positions: None,
                types: None,
                embedding_norm: None,
                blocks: (0..self.layers).map(block_at).collect(),
                last_norm: Some(norm("norm".to_string())),
                buckets: None,
                unused: &["lm_head."],
            },
            classifier: None,
        })
    }
}

/// Fails where the model classifies sequences, which those of `family` are not read for.
pub(super) fn no_classifier(s: &Settings, family: &str) -> Result<()> {
    match labels(s)? {
        None => Ok(()),
        Some(_) => Err(format!(
            "a {family} that classifies sequences is not supported"
        )),
    }
}
