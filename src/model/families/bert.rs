//! BERT (<https://arxiv.org/abs/1810.04805>), RoBERTa and its kin, and JinaBERT, which is a BERT
//! with ALiBi and a gate (<https://arxiv.org/abs/2310.19923>).

use super::encoder::{self, Sizes, two_norms};
use super::{Described, POSITIONS, TYPES, WIDTH, layer_norm, pad_id};
use crate::model::architecture::{
    Activation, Block, Embedding, FeedForward, Norms, Place, Positions,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt};
use serde_json::json;

/// Which of the two ways to count positions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bert,
    /// Positions begin behind the padding's.
    Roberta,
}

const PREFIXES: &[&str] = &["", "bert.", "roberta."];
const UNUSED: &[&str] = &[
    "pooler.",
    "cls.",
    "lm_head.",
    "classifier.",
    "embeddings.position_ids",
    "embeddings.token_type_ids",
];

pub(super) fn describe(s: &Settings, kind: Kind) -> Result<Described> {
    let sizes = Sizes::usual(s)?;
    let width = s.size(&["intermediate_size"], WIDTH)?;
    let rows = s.size(&["max_position_embeddings"], POSITIONS)?;
    let norm = layer_norm(s.eps(&["layer_norm_eps"], 1e-12)?);
    let activation = s.activation(&["hidden_act"], "gelu")?;
    let pad = pad_id(s, if kind == Kind::Bert { 0 } else { 1 })?;
    s.only("embedding_size", &[json!(sizes.hidden)])?;
    let alibi = match s.text("position_embedding_type")? {
        None | Some("absolute") => false,
        Some("alibi") if kind == Kind::Bert => true,
        Some(other) => {
            return Err(format!(
                "position_embedding_type {other:?} is not supported; absolute is, and alibi for bert"
            ));
        }
    };
    // Jina's; without ALiBi there is no gate.
    let gate = match s.text("feed_forward_type")? {
        Some("geglu") if alibi => Some(Activation::Gelu),
        Some("reglu") if alibi => Some(Activation::Relu),
        None | Some("original") => None,
        Some(other) => {
            return Err(format!(
                "feed_forward_type {other:?} is not supported; original is, and geglu and reglu with alibi"
            ));
        }
    };
    s.only("attention_head_size", &[json!(sizes.head_dim)])?;
    s.only("emb_pooler", &[json!("mean")])?;

    let first = if kind == Kind::Roberta {
        pad as usize + 1
    } else {
        0
    };
    let longest = if alibi {
        rows
    } else {
        rows.saturating_sub(first)
    };
    let types = s.optional_size(&["type_vocab_size"], TYPES)?.unwrap_or(2);
    let block = Block {
        attention: sizes.attention(if alibi { Place::Alibi } else { Place::None }),
        feed_forward: FeedForward {
            width,
            activation: gate.unwrap_or(activation),
            gated: gate.is_some(),
        },
        norms: Norms::Post([norm; 2]),
    };
    let blocks_at = (0..sizes.layers).map(|i| {
        let name = |part: &str| format!("encoder.layer.{i}.{part}");
        let (gate_at, up, down, last) = if gate.is_some() {
            let both = name("mlp.gated_layers");
            (
                Some(LinearAt::rows(&both, false, 0..width, 2 * width)),
                LinearAt::rows(&both, false, width..2 * width, 2 * width),
                "mlp.wo",
                "mlp.layernorm",
            )
        } else {
            let up = LinearAt::new(&name("intermediate.dense"), true);
            (None, up, "output.dense", "output.LayerNorm")
        };
        BlockAt {
            qkv: ["query", "key", "value"]
                .map(|part| LinearAt::new(&name(&format!("attention.self.{part}")), true)),
            output: LinearAt::new(&name("attention.output.dense"), true),
            head_norms: None,
            norms: two_norms([name("attention.output.LayerNorm"), name(last)]),
            gate: gate_at,
            up,
            down: LinearAt::new(&name(down), true),
        }
    });
    let (first_step, last_step) = match kind {
        Kind::Bert => ("pooler.dense", "classifier"),
        Kind::Roberta => ("classifier.dense", "classifier.out_proj"),
    };
    let classifier = sizes.classifier(s, first_step, Activation::Tanh, last_step)?;
    let embedding = Embedding {
        positions: (!alibi).then_some(Positions {
            rows,
            first,
            padding: (kind == Kind::Roberta).then_some(pad),
        }),
        types,
        scale: 1.0,
        norm: Some(norm),
    };
    let tensors = encoder::tensors(PREFIXES, &embedding, blocks_at, UNUSED);
    sizes.described(s, longest, embedding, block, tensors, classifier)
}
