//! BERT (<https://arxiv.org/abs/1810.04805>), RoBERTa and its kin, and JinaBERT, which is a BERT
//! with ALiBi and a gate (<https://arxiv.org/abs/2310.19923>).

use super::{
    Classifier, Described, HEADS, HIDDEN, LAYERS, POSITIONS, TYPES, VOCABULARY, WIDTH, dense,
    even_share, labels, layer_norm, pad_id, usual_scale,
};
use crate::model::architecture::{
    Activation, Architecture, Attention, Block, Embedding, FeedForward, Norms, Place, Pooling,
    Positions, Reach,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, NormAt, TensorsAt};
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
    let hidden = s.size(&["hidden_size"], HIDDEN)?;
    let heads = s.size(&["num_attention_heads"], HEADS)?;
    let head_dim = even_share(hidden, heads)?;
    let layers = s.size(&["num_hidden_layers"], LAYERS)?;
    let width = s.size(&["intermediate_size"], WIDTH)?;
    let rows = s.size(&["max_position_embeddings"], POSITIONS)?;
    let norm = layer_norm(s.eps(&["layer_norm_eps"], 1e-12)?);
    let activation = s.activation(&["hidden_act"], "gelu")?;
    let pad = pad_id(s, if kind == Kind::Bert { 0 } else { 1 })?;
    s.only("embedding_size", &[json!(hidden)])?;
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
    s.only("attention_head_size", &[json!(head_dim)])?;
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
        attention: Attention {
            heads,
            kv_heads: heads,
            head_dim,
            scale: usual_scale(head_dim),
            head_norm: None,
            place: if alibi { Place::Alibi } else { Place::None },
            reach: Reach::ALL,
        },
        feed_forward: FeedForward {
            width,
            activation: gate.unwrap_or(activation),
            gated: gate.is_some(),
        },
        norms: Norms::Post([norm; 2]),
    };
    let blocks_at = (0..layers).map(|i| {
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
            norms: [name("attention.output.LayerNorm"), name(last)]
                .map(|n| Some(NormAt::new(n, true)))
                .to_vec(),
            gate: gate_at,
            up,
            down: LinearAt::new(&name(down), true),
        }
    });
    let classifier = labels(s)?.map(|labels| Classifier {
        pooling: Pooling::Cls,
        steps: match kind {
            Kind::Bert => vec![
                dense("pooler.dense", hidden, Activation::Tanh),
                dense("classifier", labels, Activation::Identity),
            ],
            Kind::Roberta => vec![
                dense("classifier.dense", hidden, Activation::Tanh),
                dense("classifier.out_proj", labels, Activation::Identity),
            ],
        },
        labels,
    });
    Ok(Described {
        architecture: Architecture {
            vocabulary: s.size(&["vocab_size"], VOCABULARY)?,
            hidden,
            longest,
            embedding: Embedding {
                positions: (!alibi).then_some(Positions { rows, first }),
                types,
                scale: 1.0,
                norm: Some(norm),
            },
            blocks: vec![block; layers],
            last_norm: None,
        },
        tensors: TensorsAt {
            prefixes: PREFIXES,
            words: "embeddings.word_embeddings.weight".into(),
            positions: (!alibi).then(|| "embeddings.position_embeddings.weight".into()),
            types: (types > 0).then(|| "embeddings.token_type_embeddings.weight".into()),
            embedding_norm: Some(NormAt::new("embeddings.LayerNorm", true)),
            blocks: blocks_at.collect(),
            last_norm: None,
            buckets: None,
            unused: UNUSED,
        },
        pad_id: pad,
        classifier,
    })
}
