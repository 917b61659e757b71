//! ModernBERT (<https://arxiv.org/abs/2412.13663>): pre-norm, rotary, gated; of every three
//! layers, two see a window of the text.

use super::encoder::Sizes;
use super::{
    Classifier, Described, POSITIONS, StepAt, VOCABULARY, WIDTH, dense, labels, layer_norm,
    layer_types, rotary,
};
use crate::model::architecture::{
    Activation, Architecture, Attention, Block, Embedding, FeedForward, Module, Norms, Place,
    Pooling, Reach,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, NormAt, TensorsAt};
use serde_json::json;

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let sizes = Sizes::usual(s)?;
    let (hidden, layers) = (sizes.hidden, sizes.layers);
    let width = s.size(&["intermediate_size"], WIDTH)?;
    let norm = layer_norm(s.eps(&["norm_eps"], 1e-5)?);
    // Some configurations have that of a BERT too, which HF transformers leaves alone.
    s.get("layer_norm_eps");
    let norm_bias = s.flag("norm_bias", false)?;
    let attention_bias = s.flag("attention_bias", false)?;
    let feed_bias = s.flag("mlp_bias", false)?;
    // HF transformers does not read it; mmBERT has "sans_pos", as it has no table of positions.
    let known = ["absolute", "rope", "sans_pos"].map(|name| json!(name));
    s.only("position_embedding_type", &known)?;
    // Written from the architecture's variants that were never released.
    s.get("decoder_bias");
    let activation = s.activation(&["hidden_activation"], "gelu")?;
    let window = s
        .optional_size(&["local_attention"], 1..=1 << 30)?
        .unwrap_or(128);
    let every = s.optional_size(&["global_attn_every_n_layers"], 1..=512)?;
    let types = layer_types(s, layers)?;
    let is_local = |i: usize| match &types {
        Some(names) => names[i] == "sliding_attention",
        None => !i.is_multiple_of(every.unwrap_or(3)),
    };
    let global_keys: &[&str] = &["global_rope_theta"];
    let global_theta = s.positive(global_keys)?.unwrap_or(160_000.0);
    let full = rotary(
        s,
        Some("full_attention"),
        global_keys,
        global_theta,
        sizes.head_dim,
    )?;
    let local_keys: &[&str] = &["local_rope_theta"];
    // Where it is said to be none, all layers have the same.
    let local_theta = if s.is_null(local_keys[0]) {
        global_theta
    } else {
        10_000.0
    };
    let local = rotary(
        s,
        Some("sliding_attention"),
        local_keys,
        local_theta,
        sizes.head_dim,
    )?;
    let block = |i: usize| Block {
        attention: Attention {
            reach: if is_local(i) {
                Reach::window(window / 2)
            } else {
                Reach::ALL
            },
            ..sizes.attention(Place::Rotary(
                if is_local(i) { &local } else { &full }.clone(),
            ))
        },
        feed_forward: FeedForward {
            width,
            activation,
            gated: true,
        },
        // What comes out of the embedding's norm is not normalised again.
        norms: Norms::Pre([(i > 0).then_some(norm), Some(norm)]),
    };
    let blocks_at = (0..layers).map(|i| {
        let name = |part: &str| format!("layers.{i}.{part}");
        let wide = name("mlp.Wi");
        BlockAt {
            qkv: sizes.thirds(&name("attn.Wqkv"), attention_bias),
            output: LinearAt::new(&name("attn.Wo"), attention_bias),
            head_norms: None,
            norms: vec![
                (i > 0).then(|| NormAt::new(name("attn_norm"), norm_bias)),
                Some(NormAt::new(name("mlp_norm"), norm_bias)),
            ],
            gate: Some(LinearAt::rows(&wide, feed_bias, 0..width, 2 * width)),
            up: LinearAt::rows(&wide, feed_bias, width..2 * width, 2 * width),
            down: LinearAt::new(&name("mlp.Wo"), feed_bias),
        }
    });
    let pooling = match s.text("classifier_pooling")? {
        None | Some("cls") => Pooling::Cls,
        Some("mean") => Pooling::Mean,
        Some(other) => {
            return Err(format!(
                "classifier_pooling {other:?} is not supported; cls and mean are"
            ));
        }
    };
    let head_bias = s.flag("classifier_bias", false)?;
    let head_activation = s.activation(&["classifier_activation"], "gelu")?;
    let classifier = labels(s)?.map(|labels| Classifier {
        pooling,
        steps: vec![
            (
                Module::Dense {
                    out: hidden,
                    bias: head_bias,
                    activation: head_activation,
                },
                StepAt::Dense(LinearAt::new("head.dense", head_bias)),
            ),
            (
                Module::Norm(norm),
                StepAt::Norm(NormAt::new("head.norm", norm_bias)),
            ),
            dense("classifier", labels, Activation::Identity),
        ],
        labels,
        padding: None,
        of_tokens: false,
    });
    Ok(Described {
        architecture: Architecture {
            vocabulary: s.size(&["vocab_size"], VOCABULARY)?,
            hidden,
            longest: s.size(&["max_position_embeddings"], POSITIONS)?,
            embedding: Embedding {
                positions: None,
                types: 0,
                scale: 1.0,
                norm: Some(norm),
            },
            blocks: (0..layers).map(block).collect(),
            last_norm: Some(norm),
        },
        tensors: TensorsAt {
            prefixes: &["", "model."],
            words: "embeddings.tok_embeddings.weight".into(),
            positions: None,
            types: None,
            embedding_norm: Some(NormAt::new("embeddings.norm", norm_bias)),
            blocks: blocks_at.collect(),
            last_norm: Some(NormAt::new("final_norm", norm_bias)),
            buckets: None,
            unused: &["head.", "decoder.", "classifier."],
        },
        classifier,
        language_head: None,
    })
}
