//! Gemma 3 (<https://arxiv.org/abs/2503.19786>) as EmbeddingGemma has it
//! (<https://arxiv.org/abs/2509.20354>): norms before and behind both halves of a block, grouped
//! heads, a window in five of six layers.

use super::decoder::{self, Sizes};
use super::{Described, layer_types, rotary};
use crate::model::architecture::{Block, Norms, Place, Reach};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::NormAt;

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let sizes = Sizes::read(s, 256)?;
    let scalar = s.positive(&["query_pre_attn_scalar"])?.unwrap_or(256.0);
    // Two keys open attention to both sides, with windows of another length each.
    let halved = s.flag("use_bidirectional_attention", false)?;
    let causal = s.flag("is_causal", true)?;
    let both_ways = halved || !causal;
    s.only("attn_logit_softcapping", &[])?;
    // Of the language model's head: where logits are bent, a difference of them is no row of it.
    let bent = s.positive(&["final_logit_softcapping"])?.is_some();
    let classifier = decoder::classifier(s)?;
    if both_ways && classifier.is_some() {
        return Err(
            "a gemma3_text with attention both ways that classifies sequences is not supported"
                .to_string(),
        );
    }
    let window = s
        .optional_size(&["sliding_window"], 1..=1 << 30)?
        .unwrap_or(4096);
    let pattern = s
        .optional_size(&["sliding_window_pattern"], 1..=512)?
        .unwrap_or(6);
    // HF transformers writes it beside the types of layers, and does not read it.
    s.get("_sliding_window_pattern");
    let types = layer_types(s, sizes.layers)?;
    let is_local = |i: usize| match &types {
        Some(names) => names[i] == "sliding_attention",
        None => !(i + 1).is_multiple_of(pattern),
    };
    // HF transformers counts the token itself where attention is causal, not where `is_causal` is
    // false, and halves the window by the other key alone.
    let reach = |local: bool| match (local, halved, causal) {
        (false, false, true) => Reach::CAUSAL,
        (false, ..) => Reach::ALL,
        (true, false, true) => Reach {
            before: window - 1,
            behind: 0,
        },
        (true, true, true) => Reach::window(window / 2),
        (true, false, false) => Reach::window(window),
        (true, true, false) => Reach::window(window / 2 + 1),
    };
    let full = rotary(
        s,
        Some("full_attention"),
        &["rope_theta"],
        1e6,
        sizes.head_dim,
    )?;
    let local_keys: &[&str] = &["rope_local_base_freq"];
    let local = rotary(
        s,
        Some("sliding_attention"),
        local_keys,
        1e4,
        sizes.head_dim,
    )?;
    let activation = s.activation(&["hidden_activation", "hidden_act"], "gelu_pytorch_tanh")?;
    let block = |i: usize| {
        let place = Place::Rotary(if is_local(i) { &local } else { &full }.clone());
        Block {
            attention: sizes.attention(1.0 / scalar.sqrt(), place, reach(is_local(i))),
            feed_forward: sizes.feed_forward(activation),
            norms: Norms::Sandwich([sizes.norm; 4]),
        }
    };
    let blocks = (0..sizes.layers).map(block).collect();
    let norms = [
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ];
    let scale = (sizes.hidden as f64).sqrt();
    let language_head = decoder::language_head(s, true)?;
    Ok(Described {
        classifier,
        language_head: language_head.filter(|_| !bent && !both_ways),
        ..sizes.described(s, scale, blocks, &norms, less_one)?
    })
}

/// Gemma saves gains less one.
fn less_one(name: String) -> NormAt {
    NormAt {
        plus_one: true,
        ..NormAt::new(name, false)
    }
}
