//! MPNet (<https://arxiv.org/abs/2004.09297>): a BERT whose scores get a learned number for the
//! distance as well.

use super::encoder::{self, Sizes, two_norms};
use super::{Described, POSITIONS, WIDTH, layer_norm, pad_id};
use crate::model::architecture::{
    Activation, Block, Embedding, FeedForward, Norms, Place, Positions,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, TensorsAt};

/// Buckets, which are halved twice; MPNet has 32.
const BUCKETS: std::ops::RangeInclusive<usize> = 4..=4096;

const UNUSED: &[&str] = &[
    "pooler.",
    "lm_head.",
    "classifier.",
    "embeddings.position_ids",
];

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let sizes = Sizes::usual(s)?;
    let width = s.size(&["intermediate_size"], WIDTH)?;
    let rows = s.size(&["max_position_embeddings"], POSITIONS)?;
    let buckets = s.optional_size(&["relative_attention_num_buckets"], BUCKETS)?;
    let norm = layer_norm(s.eps(&["layer_norm_eps"], 1e-12)?);
    let pad = pad_id(s, 1)?;
    let first = pad as usize + 1;
    // Some configurations were written for BERT first.
    s.get("type_vocab_size");
    let block = Block {
        attention: sizes.attention(Place::Buckets(buckets.unwrap_or(32))),
        feed_forward: FeedForward {
            width,
            activation: s.activation(&["hidden_act"], "gelu")?,
            gated: false,
        },
        norms: Norms::Post([norm; 2]),
    };
    let blocks_at = (0..sizes.layers).map(|i| {
        let name = |part: &str| format!("encoder.layer.{i}.{part}");
        BlockAt {
            qkv: ["q", "k", "v"]
                .map(|part| LinearAt::new(&name(&format!("attention.attn.{part}")), true)),
            output: LinearAt::new(&name("attention.attn.o"), true),
            head_norms: None,
            norms: two_norms([name("attention.LayerNorm"), name("output.LayerNorm")]),
            gate: None,
            up: LinearAt::new(&name("intermediate.dense"), true),
            down: LinearAt::new(&name("output.dense"), true),
        }
    });
    let classifier = sizes.classifier(
        s,
        "classifier.dense",
        Activation::Tanh,
        "classifier.out_proj",
    )?;
    let embedding = Embedding {
        positions: Some(Positions {
            rows,
            first,
            padding: Some(pad),
        }),
        types: 0,
        scale: 1.0,
        norm: Some(norm),
    };
    let tensors = TensorsAt {
        buckets: Some("encoder.relative_attention_bias.weight".into()),
        ..encoder::tensors(&["", "mpnet."], &embedding, blocks_at, UNUSED)
    };
    sizes.described(
        s,
        rows.saturating_sub(first),
        embedding,
        block,
        tensors,
        classifier,
    )
}
