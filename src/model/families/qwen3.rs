//! Qwen3 (<https://arxiv.org/abs/2505.09388>), whose embedding models take the last token's state
//! (<https://arxiv.org/abs/2506.05176>): causal, grouped heads, RMSNorm of each head.

use super::{
    Described, HEAD, HEADS, HIDDEN, LAYERS, POSITIONS, VOCABULARY, WIDTH, labels, layer_types,
    pad_id, rms_norm, rotary, usual_scale,
};
use crate::model::architecture::{
    Architecture, Attention, Block, Embedding, FeedForward, Norms, Place, Reach,
};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::{BlockAt, LinearAt, NormAt, TensorsAt};
use serde_json::json;

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let hidden = s.size(&["hidden_size"], HIDDEN)?;
    let heads = s.size(&["num_attention_heads"], HEADS)?;
    let kv_heads = s
        .optional_size(&["num_key_value_heads"], HEADS)?
        .unwrap_or(heads);
    let head_dim = s.optional_size(&["head_dim"], HEAD)?.unwrap_or(128);
    let layers = s.size(&["num_hidden_layers"], LAYERS)?;
    let width = s.size(&["intermediate_size"], WIDTH)?;
    let norm = rms_norm(s.eps(&["rms_norm_eps"], 1e-6)?);
    let bias = s.flag("attention_bias", false)?;
    s.only("use_sliding_window", &[json!(false)])?;
    s.get("sliding_window");
    if let Some(types) = layer_types(s, layers)?
        && types.iter().any(|t| t != "full_attention")
    {
        return Err("layer_types: sliding_attention is not supported for qwen3".to_string());
    }
    if labels(s)?.is_some() {
        return Err("a qwen3 that classifies sequences is not supported".to_string());
    }
    let place = Place::Rotary(rotary(s, None, &["rope_theta"], 10_000.0, head_dim)?);
    let block = Block {
        attention: Attention {
            heads,
            kv_heads,
            head_dim,
            scale: usual_scale(head_dim),
            head_norm: Some(norm),
            place,
            reach: Reach::CAUSAL,
        },
        feed_forward: FeedForward {
            width,
            activation: s.activation(&["hidden_act"], "silu")?,
            gated: true,
        },
        norms: Norms::Pre([Some(norm); 2]),
    };
    let blocks_at = (0..layers).map(|i| {
        let name = |part: &str| format!("layers.{i}.{part}");
        let own = |part: &str| NormAt::new(name(part), false);
        let linear = |part: &str| LinearAt::new(&name(part), false);
        let attention = |part: &str| LinearAt::new(&name(&format!("self_attn.{part}")), bias);
        BlockAt {
            qkv: ["q_proj", "k_proj", "v_proj"].map(attention),
            output: attention("o_proj"),
            head_norms: Some(["self_attn.q_norm", "self_attn.k_norm"].map(own)),
            norms: vec![
                Some(own("input_layernorm")),
                Some(own("post_attention_layernorm")),
            ],
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
                scale: 1.0,
                norm: None,
            },
            blocks: vec![block; layers],
            last_norm: Some(norm),
        },
        tensors: TensorsAt {
            prefixes: &["", "model."],
            words: "embed_tokens.weight".into(),
            positions: None,
            types: None,
            embedding_norm: None,
            blocks: blocks_at.collect(),
            last_norm: Some(NormAt::new("norm", false)),
            buckets: None,
            unused: &["lm_head."],
        },
        pad_id: pad_id(s, 0)?,
        classifier: None,
    })
}
