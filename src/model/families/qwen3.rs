//! Qwen3 (<https://arxiv.org/abs/2505.09388>), whose embedding models take the last token's state
//! (<https://arxiv.org/abs/2506.05176>), and whose re-rankers judge by it: causal, grouped heads, RMSNorm
//! of each head.

use super::decoder::{self, Sizes};
use super::{Described, layer_types, rotary, usual_scale};
use crate::model::architecture::{Block, Norms, Place, Reach};
use crate::model::settings::{Result, Settings};
use crate::model::tensors::NormAt;
use serde_json::json;

pub(super) fn describe(s: &Settings) -> Result<Described> {
    let sizes = Sizes::read(s, 128)?;
    s.only("use_sliding_window", &[json!(false)])?;
    s.get("sliding_window");
    if let Some(types) = layer_types(s, sizes.layers)?
        && types.iter().any(|t| t != "full_attention")
    {
        return Err("layer_types: sliding_attention is not supported for qwen3".to_string());
    }
    let head_dim = sizes.head_dim;
    let place = Place::Rotary(rotary(s, None, &["rope_theta"], 10_000.0, head_dim)?);
    // HF transformers lets any decoder see both ways by it.
    let reach = if s.flag("is_causal", true)? {
        Reach::CAUSAL
    } else {
        Reach::ALL
    };
    let block = Block {
        attention: sizes.attention(usual_scale(head_dim), place, reach),
        feed_forward: sizes.feed_forward(s.activation(&["hidden_act"], "silu")?),
        norms: Norms::Pre([Some(sizes.norm); 2]),
    };
    let blocks = vec![block; sizes.layers];
    let norms = ["input_layernorm", "post_attention_layernorm"];
    let norm = |name| NormAt::new(name, false);
    Ok(Described {
        classifier: decoder::classifier(s)?,
        language_head: decoder::language_head(s, false)?,
        ..sizes.described(s, 1.0, blocks, &norms, norm)?
    })
}
