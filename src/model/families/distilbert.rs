//! DistilBERT (<https://arxiv.org/abs/1910.01108>).

use super::encoder::{self, Sizes, two_norms};
use super::{Described, POSITIONS, WIDTH, layer_norm};
use crate::model::architecture::{
    Activation, Block, Embedding, FeedForward, Norms, Place, Positions,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt};

/// The configuration does not name it.
const EPS: f32 = 1e-12;

const UNUSED: &[&str] = &[
    "vocab_transform.",
    "vocab_layer_norm.",
    "vocab_projector.",
    "pre_classifier.",
    "classifier.",
    "qa_outputs.",
    "embeddings.position_ids",
];

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let sizes = Sizes::read(
        s,
        &["dim", "hidden_size"],
        &["n_heads", "num_attention_heads"],
        &["n_layers", "num_hidden_layers"],
    )?;
    let width = s.size(&["hidden_dim", "intermediate_size"], WIDTH)?;
    let rows = s.size(&["max_position_embeddings"], POSITIONS)?;
    let norm = layer_norm(s.eps(&["layer_norm_eps"], EPS)?);
    let block = Block {
        attention: sizes.attention(Place::None),
        feed_forward: FeedForward {
            width,
            activation: s.activation(&["activation", "hidden_act"], "gelu")?,
            gated: false,
        },
        norms: Norms::Post([norm; 2]),
    };
    let blocks_at = (0..sizes.layers).map(|i| {
        let name = |part: &str| format!("transformer.layer.{i}.{part}");
        BlockAt {
            qkv: ["q_lin", "k_lin", "v_lin"]
                .map(|part| LinearAt::new(&name(&format!("attention.{part}")), true)),
            output: LinearAt::new(&name("attention.out_lin"), true),
            head_norms: None,
            norms: two_norms([name("sa_layer_norm"), name("output_layer_norm")]),
            gate: None,
            up: LinearAt::new(&name("ffn.lin1"), true),
            down: LinearAt::new(&name("ffn.lin2"), true),
        }
    });
    let classifier = sizes.classifier(s, "pre_classifier", Activation::Relu, "classifier")?;
    let embedding = Embedding {
        positions: Some(Positions {
            rows,
            first: 0,
            padding: None,
        }),
        types: 0,
        scale: 1.0,
        norm: Some(norm),
    };
    let tensors = encoder::tensors(&["", "distilbert."], &embedding, blocks_at, UNUSED);
    sizes.described(s, rows, embedding, block, tensors, classifier)
}
