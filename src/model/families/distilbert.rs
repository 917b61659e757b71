//! DistilBERT (<https://arxiv.org/abs/1910.01108>).

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

/// The configuration does not name it.
const EPS: f32 = 1e-12;

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let hidden = s.size(&["dim", "hidden_size"], HIDDEN)?;
    let heads = s.size(&["n_heads", "num_attention_heads"], HEADS)?;
    let head_dim = even_share(hidden, heads)?;
    let layers = s.size(&["n_layers", "num_hidden_layers"], LAYERS)?;
    let width = s.size(&["hidden_dim", "intermediate_size"], WIDTH)?;
    let rows = s.size(&["max_position_embeddings"], POSITIONS)?;
    let norm = layer_norm(s.eps(&["layer_norm_eps"], EPS)?);
    let block = Block {
        attention: Attention {
            heads,
            kv_heads: heads,
            head_dim,
            scale: usual_scale(head_dim),
            head_norm: None,
            place: Place::None,
            reach: Reach::ALL,
        },
        feed_forward: FeedForward {
            width,
            activation: s.activation(&["activation", "hidden_act"], "gelu")?,
            gated: false,
        },
        norms: Norms::Post([norm; 2]),
    };
    let blocks_at = (0..layers).map(|i| {
        let name = |part: &str| format!("transformer.layer.{i}.{part}");
        BlockAt {
            qkv: ["q_lin", "k_lin", "v_lin"]
                .map(|part| LinearAt::new(&name(&format!("attention.{part}")), true)),
            output: LinearAt::new(&name("attention.out_lin"), true),
            head_norms: None,
            norms: [name("sa_layer_norm"), name("output_layer_norm")]
                .map(|n| Some(NormAt::new(n, true)))
                .to_vec(),
            gate: None,
            up: LinearAt::new(&name("ffn.lin1"), true),
            down: LinearAt::new(&name("ffn.lin2"), true),
        }
    });
    let classifier = labels(s)?.map(|labels| Classifier {
        pooling: Pooling::Cls,
        steps: vec![
            dense("pre_classifier", hidden, Activation::Relu),
            dense("classifier", labels, Activation::Identity),
        ],
        labels,
    });
    Ok(Described {
        architecture: Architecture {
            vocabulary: s.size(&["vocab_size"], VOCABULARY)?,
            hidden,
            longest: rows,
            embedding: Embedding {
                positions: Some(Positions { rows, first: 0 }),
                types: 0,
                scale: 1.0,
                norm: Some(norm),
            },
            blocks: vec![block; layers],
            last_norm: None,
        },
        tensors: TensorsAt {
            prefixes: &["", "distilbert."],
            words: "embeddings.word_embeddings.weight".into(),
            positions: Some("embeddings.position_embeddings.weight".into()),
            types: None,
            embedding_norm: Some(NormAt::new("embeddings.LayerNorm", true)),
            blocks: blocks_at.collect(),
            last_norm: None,
            buckets: None,
            unused: &[
                "vocab_transform.",
                "vocab_layer_norm.",
                "vocab_projector.",
                "pre_classifier.",
                "classifier.",
                "qa_outputs.",
                "embeddings.position_ids",
            ],
        },
        pad_id: pad_id(s, 0)?,
        classifier,
    })
}
