//! Gemma 3 (<https://arxiv.org/abs/2503.19786>) as EmbeddingGemma has it
//! (<https://arxiv.org/abs/2509.20354>): norms before and behind both halves of a block, grouped
//! heads, a window in five of six layers.

use super::{
    Described, HEAD, HEADS, HIDDEN, LAYERS, POSITIONS, VOCABULARY, WIDTH, labels, layer_types,
    pad_id, rms_norm, rotary,
};
use crate::model::architecture::{
    Architecture, Attention, Block, Embedding, FeedForward, Norms, Place, Reach,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, NormAt, TensorsAt};

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let hidden = s.size(&["hidden_size"], HIDDEN)?;
    let heads = s.size(&["num_attention_heads"], HEADS)?;
    let kv_heads = s
        .optional_size(&["num_key_value_heads"], HEADS)?
        .unwrap_or(heads);
    let head_dim = s.optional_size(&["head_dim"], HEAD)?.unwrap_or(256);
    let layers = s.size(&["num_hidden_layers"], LAYERS)?;
    let width = s.size(&["intermediate_size"], WIDTH)?;
    let norm = rms_norm(s.eps(&["rms_norm_eps"], 1e-6)?);
    let bias = s.flag("attention_bias", false)?;
    let scalar = s.positive(&["query_pre_attn_scalar"])?.unwrap_or(256.0);
    let both_ways = s.flag("use_bidirectional_attention", false)?;
    s.only("attn_logit_softcapping", &[])?;
    // Of the language model's head, which takes no part.
    s.get("final_logit_softcapping");
    if labels(s)?.is_some() {
        return Err("a gemma3_text that classifies sequences is not supported".to_string());
    }
    let window = s
        .optional_size(&["sliding_window"], 1..=1 << 30)?
        .unwrap_or(4096);
    let pattern = s
        .optional_size(
            &["sliding_window_pattern", "_sliding_window_pattern"],
            1..=512,
        )?
        .unwrap_or(6);
    // HF transformers writes it beside the types of layers, and does not read it.
    s.get("_sliding_window_pattern");
    let types = layer_types(s, layers)?;
    let is_local = |i: usize| match &types {
        Some(names) => names[i] == "sliding_attention",
        None => !(i + 1).is_multiple_of(pattern),
    };
    // HF transformers counts the token itself, and halves the window where it has two sides.
    let reach = |local: bool| match (local, both_ways) {
        (false, true) => Reach::ALL,
        (false, false) => Reach::CAUSAL,
        (true, true) => Reach::window(window / 2),
        (true, false) => Reach {
            before: window - 1,
            behind: 0,
        },
    };
    let full = rotary(s, Some("full_attention"), &["rope_theta"], 1e6, head_dim)?;
    let local_keys: &[&str] = &["rope_local_base_freq"];
    let local = rotary(s, Some("sliding_attention"), local_keys, 1e4, head_dim)?;
    let activation = s.activation(&["hidden_activation", "hidden_act"], "gelu_pytorch_tanh")?;
    let block = |i: usize| Block {
        attention: Attention {
            heads,
            kv_heads,
            head_dim,
            scale: 1.0 / scalar.sqrt(),
            head_norm: Some(norm),
            place: Place::Rotary(if is_local(i) { &local } else { &full }.clone()),
            reach: reach(is_local(i)),
        },
        feed_forward: FeedForward {
            width,
            activation,
            gated: true,
        },
        norms: Norms::Sandwich([norm; 4]),
    };
    let blocks_at = (0..layers).map(|i| {
        let name = |part: &str| format!("layers.{i}.{part}");
        let own = |part: &str| less_one(name(part));
        let linear = |part: &str| LinearAt::new(&name(part), false);
        let attention = |part: &str| LinearAt::new(&name(&format!("self_attn.{part}")), bias);
        BlockAt {
            qkv: ["q_proj", "k_proj", "v_proj"].map(attention),
            output: attention("o_proj"),
            head_norms: Some(["self_attn.q_norm", "self_attn.k_norm"].map(own)),
            norms: [
                "input_layernorm",
                "post_attention_layernorm",
                "pre_feedforward_layernorm",
                "post_feedforward_layernorm",
            ]
            .map(|part| Some(own(part)))
            .to_vec(),
            gate: Some(linear("mlp.gate_proj")),
            up: linear("mlp.up_proj"),
            down: linear("mlp.down_proj"),
        }
    });
    Ok(Described {
        architecture: Architecture {
            vocabulary: s.size(&["vocab_size"], VOCABULARY)?,
            hidden,
            longest: s.size(&["max_position_embeddings"], POSITIONS)?,
            embedding: Embedding {
                positions: None,
                types: 0,
                scale: (hidden as f64).sqrt() as f32,
                norm: None,
            },
            blocks: (0..layers).map(block).collect(),
            last_norm: Some(norm),
        },
        tensors: TensorsAt {
            prefixes: &["", "model."],
            words: "embed_tokens.weight".into(),
            positions: None,
            types: None,
            embedding_norm: None,
            blocks: blocks_at.collect(),
            last_norm: Some(less_one("norm".to_string())),
            buckets: None,
            unused: &["lm_head."],
        },
        pad_id: pad_id(s, 0)?,
        classifier: None,
    })
}

/// Gemma saves gains less one.
fn less_one(name: String) -> NormAt {
    NormAt {
        plus_one: true,
        ..NormAt::new(name, false)
    }
}
