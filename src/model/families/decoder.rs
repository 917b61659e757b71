//! What families share whose blocks are those of a language model.

use super::{
    Classifier, Described, HEAD, HEADS, HIDDEN, LAYERS, POSITIONS, StepAt, VOCABULARY, WIDTH,
    labels, padding, rms_norm, saved_for,
};
use crate::model::architecture::{
    Activation, Architecture, Attention, Block, Embedding, FeedForward, Module, Norm, Place,
    Pooling, Reach,
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
                words: WORDS.into(),
                positions: None,
                types: None,
                embedding_norm: None,
                blocks: (0..self.layers).map(block_at).collect(),
                last_norm: Some(norm("norm".to_string())),
                buckets: None,
                unused: &["lm_head.", "score."],
            },
            classifier: None,
            language_head: None,
        })
    }
}

/// The table of words, and that of the language model's head where it is another.
const WORDS: &str = "embed_tokens.weight";
const HEAD_TABLE: &str = "lm_head.weight";

/// The classifier of a causal model: one dense step without a bias on the state of the last token that
/// does not pad, as `GenericForSequenceClassification` of HF transformers has it.
pub(super) fn classifier(s: &Settings) -> Result<Option<Classifier>> {
    let Some(labels) = labels(s)? else {
        return Ok(None);
    };
    let dense = Module::Dense {
        out: labels,
        bias: false,
        activation: Activation::Identity,
    };
    Ok(Some(Classifier {
        pooling: Pooling::Last,
        steps: vec![(dense, StepAt::Dense(LinearAt::new("score", false)))],
        labels,
        padding: padding(s)?,
        of_tokens: false,
    }))
}

/// The table of the language model's head, of a model that was saved with it; `tied` is what holds
/// where the configuration does not say whether that is the table of words.
pub(super) fn language_head(s: &Settings, tied: bool) -> Result<Option<String>> {
    let tied = s.flag("tie_word_embeddings", tied)?;
    let table = if tied { WORDS } else { HEAD_TABLE };
    Ok(saved_for(s, "CausalLM").then(|| table.to_string()))
}
