//! GTE's encoders (<https://arxiv.org/abs/2407.19669>): BERTs with rotary positions and a gate,
//! saved under `model_type` new, and as gte by newer versions of HF transformers.

use super::encoder::{self, Sizes, two_norms};
use super::{Described, POSITIONS, TYPES, WIDTH, layer_norm, rotary};
use crate::model::architecture::{Activation, Block, Embedding, FeedForward, Norms, Place, Rotary};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt};
use serde_json::{Value, json};

const UNUSED: &[&str] = &[
    "pooler.",
    "lm_head.",
    "classifier.",
    "embeddings.position_ids",
];

pub(super) fn describe(s: &Settings) -> Result<Described> {
    // HF transformers' own class has other defaults than the code that came with the models.
    let native = s.text("model_type")? == Some("gte");
    let sizes = Sizes::usual(s)?;
    let width = s.size(&["intermediate_size"], WIDTH)?;
    let norm = layer_norm(s.eps(&["layer_norm_eps"], 1e-12)?);
    for (key, only) in [
        ("position_embedding_type", json!("rope")),
        ("layer_norm_type", json!("layer_norm")),
        ("logn_attention_scale", json!(false)),
        ("logn_attention_clip1", json!(false)),
        ("pack_qkv", json!(true)),
        ("word_type_add", json!(false)),
    ] {
        s.only(key, &[only])?;
    }
    let positions = s.size(&["max_position_embeddings"], POSITIONS)?;
    let (rotary, longest) = rotation(
        s,
        sizes.head_dim,
        positions,
        if native { 160_000.0 } else { 10_000.0 },
    )?;
    let types = s.optional_size(&["type_vocab_size"], TYPES)?;
    let types = types.unwrap_or(usize::from(native));
    let block = Block {
        attention: sizes.attention(Place::Rotary(rotary)),
        feed_forward: FeedForward {
            width,
            activation: s.activation(&["hidden_act"], "gelu")?,
            gated: true,
        },
        norms: Norms::Post([norm; 2]),
    };
    let blocks_at = (0..sizes.layers).map(|i| {
        let name = |part: &str| format!("encoder.layer.{i}.{part}");
        let wide = name("mlp.up_gate_proj");
        BlockAt {
            qkv: sizes.thirds(&name("attention.qkv_proj"), true),
            output: LinearAt::new(&name("attention.o_proj"), true),
            head_norms: None,
            norms: two_norms([name("attn_ln"), name("mlp_ln")]),
            gate: Some(LinearAt::rows(&wide, false, width..2 * width, 2 * width)),
            up: LinearAt::rows(&wide, false, 0..width, 2 * width),
            down: LinearAt::new(&name("mlp.down_proj"), true),
        }
    });
    let classifier = sizes.classifier(s, "pooler.dense", Activation::Tanh, "classifier")?;
    let embedding = Embedding {
        positions: None,
        types,
        scale: 1.0,
        norm: Some(norm),
    };
    let tensors = encoder::tensors(&["", "new."], &embedding, blocks_at, UNUSED);
    sizes.described(s, longest, embedding, block, tensors, classifier)
}

/// The rotation, and the tokens that it reaches. GTE stretches it for texts beyond those that it
/// was trained on first, by a scaling called ntk, whatever the length of the text at hand.
fn rotation(
    s: &Settings,
    head_dim: usize,
    positions: usize,
    default: f64,
) -> Result<(Rotary, usize)> {
    let scaling = s.get("rope_scaling");
    let kind = scaling.and_then(|v| v.get("type").or_else(|| v.get("rope_type")));
    if kind.and_then(Value::as_str) != Some("ntk") {
        let rotary = rotary(s, None, &["rope_theta"], default, head_dim)?;
        return Ok((rotary, positions));
    }
    let factor = scaling
        .and_then(|v| v.get("factor"))
        .and_then(Value::as_f64);
    let Some(factor) = factor.filter(|f| f.is_finite() && *f >= 1.0) else {
        return Err("rope_scaling: the factor is no number of at least 1".to_string());
    };
    if scaling
        .and_then(|v| v.get("mixed_b"))
        .is_some_and(|b| !b.is_null())
    {
        return Err("rope_scaling: mixed_b is not supported".to_string());
    }
    let theta = s.positive(&["rope_theta"])?.unwrap_or(default);
    let mut rotary = Rotary::new(theta * factor, head_dim);
    let divisor = factor.powf(2.0 / head_dim as f64);
    for frequency in &mut rotary.frequencies {
        *frequency /= divisor;
    }
    Ok((rotary, positions))
}
