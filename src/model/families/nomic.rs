//! NomicBERT (<https://arxiv.org/abs/2402.01613>): a BERT with rotary positions and a gate.

use super::encoder::{self, Sizes, two_norms};
use super::{Described, POSITIONS, TYPES, WIDTH, layer_norm, rotary};
use crate::model::architecture::{Activation, Block, Embedding, FeedForward, Norms, Place};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, NormAt, TensorsAt};
use serde_json::json;

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let sizes = Sizes::read(
        s,
        &["n_embd", "hidden_size"],
        &["n_head", "num_attention_heads"],
        &["n_layer", "num_hidden_layers"],
    )?;
    let (hidden, head_dim) = (sizes.hidden, sizes.head_dim);
    let norm = layer_norm(s.eps(&["layer_norm_epsilon", "layer_norm_eps"], 1e-12)?);
    for (key, only) in [
        ("prenorm", json!(false)),
        ("causal", json!(false)),
        ("use_rms_norm", json!(false)),
        ("parallel_block", json!(false)),
        ("parallel_block_tied_norm", json!(false)),
        ("rotary_emb_scale_base", json!(null)),
        ("scale_attn_by_inverse_layer_idx", json!(false)),
        ("reorder_and_upcast_attn", json!(false)),
        ("scale_attn_weights", json!(true)),
        ("head_dim", json!(head_dim)),
        ("mlp_fc1_bias", json!(false)),
        ("mlp_fc2_bias", json!(false)),
    ] {
        s.only(key, &[only])?;
    }
    // A mixture of experts in some layers.
    s.only("moe_every_n_layers", &[json!(0)])?;
    for key in [
        "num_experts",
        "moe_top_k",
        "moe_impl",
        "moe_normalize_expert_weights",
        "moe_resid_pdrop",
        "num_shared_experts",
        "expert_choice_router",
        "router_aux_loss_coef",
        "ffn_div",
    ] {
        s.get(key);
    }
    let (activation, gated) = match s.text("activation_function")? {
        Some("swiglu") => (Activation::Silu, true),
        Some("geglu") => (Activation::Gelu, true),
        Some("glu") => (Activation::Sigmoid, true),
        Some(name) => {
            let named = Activation::named(name);
            let known = named.ok_or_else(|| {
                format!("activation_function {name:?} is not supported; swiglu, geglu, glu, gelu and relu are")
            })?;
            (known, false)
        }
        None => (s.activation(&["hidden_act"], "silu")?, true),
    };
    let width = match s.optional_size(&["n_inner", "intermediate_size"], WIDTH)? {
        Some(width) => width,
        // What its own code takes.
        None if gated => (8 * hidden / 3).next_multiple_of(256),
        None => 4 * hidden,
    };
    let fraction = s.positive(&["rotary_emb_fraction"])?.unwrap_or(1.0);
    let interleaved = s.flag("rotary_emb_interleaved", false)?;
    let dim = (head_dim as f64 * fraction) as usize;
    let mut rotary = rotary(s, None, &["rotary_emb_base"], 1000.0, dim)?;
    rotary.interleaved = interleaved;
    let positions = s.size(&["n_positions", "max_position_embeddings"], POSITIONS)?;
    let trained = s.optional_size(&["max_trained_positions"], POSITIONS)?;
    // Rotations are stretched for longer texts, by their length; up to here they are not.
    let longest = match (s.positive(&["rotary_scaling_factor"])?, trained) {
        (Some(_), Some(trained)) => positions.min(trained),
        _ => positions,
    };
    let types = s.optional_size(&["type_vocab_size"], TYPES)?.unwrap_or(2);
    let bias = s.flag("qkv_proj_bias", false)?;
    let block = Block {
        attention: sizes.attention(Place::Rotary(rotary)),
        feed_forward: FeedForward {
            width,
            activation,
            gated,
        },
        norms: Norms::Post([norm; 2]),
    };
    let blocks_at = (0..sizes.layers).map(|i| {
        let name = |part: &str| format!("encoder.layers.{i}.{part}");
        let linear = |part: &str| LinearAt::new(&name(part), false);
        BlockAt {
            qkv: sizes.thirds(&name("attn.Wqkv"), bias),
            output: LinearAt::new(&name("attn.out_proj"), bias),
            head_norms: None,
            norms: two_norms([name("norm1"), name("norm2")]),
            gate: gated.then(|| linear("mlp.fc12")),
            up: linear(if gated { "mlp.fc11" } else { "mlp.fc1" }),
            down: linear("mlp.fc2"),
        }
    });
    let classifier = sizes.classifier(s, "pooler.dense", Activation::Tanh, "classifier")?;
    let embedding = Embedding {
        positions: None,
        types,
        scale: 1.0,
        norm: Some(norm),
    };
    let tensors = TensorsAt {
        embedding_norm: Some(NormAt::new("emb_ln", true)),
        ..encoder::tensors(
            &["", "bert.", "nomic_bert."],
            &embedding,
            blocks_at,
            &["pooler.", "cls.", "classifier."],
        )
    };
    sizes.described(s, longest, embedding, block, tensors, classifier)
}
