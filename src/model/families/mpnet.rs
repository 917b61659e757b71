//! MPNet (<https://arxiv.org/abs/2004.09297>): a BERT whose scores get a learned number for the
//! distance as well.

use super::{
    Classifier, Described, HEADS, HIDDEN, LAYERS, POSITIONS, VOCABULARY, WIDTH, dense, even_share,
    labels, layer_norm, pad_id, usual_scale,
};
use crate::model::architecture::{
    Activation, Architecture, Attention, Block, Embedding, FeedForward, Norms, Place, Pooling,
    Positions, Reach,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, NormAt, TensorsAt};

/// Buckets, which are halved twice; MPNet has 32.
const BUCKETS: std::ops::RangeInclusive<usize> = 4..=4096;

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let hidden = s.size(&["hidden_size"], HIDDEN)?;
    let heads = s.size(&["num_attention_heads"], HEADS)?;
    let head_dim = even_share(hidden, heads)?;
    let layers = s.size(&["num_hidden_layers"], LAYERS)?;
    let width = s.size(&["intermediate_size"], WIDTH)?;
    let rows = s.size(&["max_position_embeddings"], POSITIONS)?;
    let buckets = s.optional_size(&["relative_attention_num_buckets"], BUCKETS)?;
    let norm = layer_norm(s.eps(&["layer_norm_eps"], 1e-12)?);
    let pad = pad_id(s, 1)?;
    let first = pad as usize + 1;
    // Some configurations were written for BERT first.
    s.get("type_vocab_size");
    let block = Block {
        attention: Attention {
            heads,
            kv_heads: heads,
            head_dim,
            scale: usual_scale(head_dim),
            head_norm: None,
            place: Place::Buckets(buckets.unwrap_or(32)),
            reach: Reach::ALL,
        },
        feed_forward: FeedForward {
            width,
            activation: s.activation(&["hidden_act"], "gelu")?,
            gated: false,
        },
        norms: Norms::Post([norm; 2]),
    };
    let blocks_at = (0..layers).map(|i| {
        let name = |part: &str| format!("encoder.layer.{i}.{part}");
        BlockAt {
            qkv: ["q", "k", "v"]
                .map(|part| LinearAt::new(&name(&format!("attention.attn.{part}")), true)),
            output: LinearAt::new(&name("attention.attn.o"), true),
            head_norms: None,
            norms: [name("attention.LayerNorm"), name("output.LayerNorm")]
                .map(|n| Some(NormAt::new(n, true)))
                .to_vec(),
            gate: None,
            up: LinearAt::new(&name("intermediate.dense"), true),
            down: LinearAt::new(&name("output.dense"), true),
        }
    });
    let classifier = labels(s)?.map(|labels| Classifier {
        pooling: Pooling::Cls,
        steps: vec![
            dense("classifier.dense", hidden, Activation::Tanh),
            dense("classifier.out_proj", labels, Activation::Identity),
        ],
        labels,
    });
    Ok(Described {
        architecture: Architecture {
            vocabulary: s.size(&["vocab_size"], VOCABULARY)?,
            hidden,
            longest: rows.saturating_sub(first),
            embedding: Embedding {
                positions: Some(Positions { rows, first }),
                types: 0,
                scale: 1.0,
                norm: Some(norm),
            },
            blocks: vec![block; layers],
            last_norm: None,
        },
        tensors: TensorsAt {
            prefixes: &["", "mpnet."],
            words: "embeddings.word_embeddings.weight".into(),
            positions: Some("embeddings.position_embeddings.weight".into()),
            types: None,
            embedding_norm: Some(NormAt::new("embeddings.LayerNorm", true)),
            blocks: blocks_at.collect(),
            last_norm: None,
            buckets: Some("encoder.relative_attention_bias.weight".into()),
            unused: &[
                "pooler.",
                "lm_head.",
                "classifier.",
                "embeddings.position_ids",
            ],
        },
        pad_id: pad,
        classifier,
    })
}
