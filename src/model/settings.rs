//! A model's `config.json`, read key by key, so that no key that may change the vectors passes
//! unread.

use super::architecture::Activation;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Why a configuration cannot be used: one line that names the key.
pub(super) type Result<T> = std::result::Result<T, String>;

/// Keys that change nothing of what a loaded model computes.
const HARMLESS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_name_or_path",
    "adapters",
    "add_cross_attention",
    "architectures",
    "attn_dropout",
    "attn_implementation",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "chunk_size_feed_forward",
    "compile",
    "cross_attention_hidden_size",
    "dense_seq_output",
    "deterministic_flash_attn",
    "directionality",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "fused_bias_fc",
    "fused_dropout_add_ln",
    "gradient_checkpointing",
    "id2label",
    "initializer_cutoff_factor",
    "initializer_range",
    "label2id",
    "language",
    "length_penalty",
    "max_length",
    "max_window_layers",
    "min_length",
    "model_max_length",
    "model_type",
    "name",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "output_scores",
    "pad_vocab_size_multiple",
    "prefix",
    "problem_type",
    "pruned_heads",
    "reference_compile",
    "remove_invalid_values",
    "repad_logits_with_grad",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sentence_transformers",
    "sbert_ce_default_activation_function",
    "seq_classif_dropout",
    "sinusoidal_pos_embds",
    "sparse_pred_ignore_index",
    "sparse_prediction",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tie_weights_",
    "tie_word_embeddings",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "unpad_inputs",
    "use_bfloat16",
    "use_cache",
    "use_flash_attn",
    "use_memory_efficient_attention",
    "use_xentropy",
    "vocab_size",
];
/// Keys that change nothing where they are false, which is what they are by default. Others may be
/// true by default, such as a norm that a model has unless it is told otherwise.
const HARMLESS_OFF: &[&str] = &[
    "_flash_attn_2_enabled",
    "_output_attentions",
    "add_pooling_layer",
    "causal",
    "causal_mask",
    "flash_attn",
    "fp16",
    "is_causal",
    "is_composition",
    "is_decoder",
    "is_encoder_decoder",
    "last_layer_subset",
    "load_in_4bit",
    "load_in_8bit",
    "output_router_logits",
    "parallel_block",
    "parallel_block_tied_norm",
    "quantized",
    "use_bidirectional_attention",
    "use_flash_attention",
    "use_flash_attention_2",
    "use_pooler",
    "use_return_dict",
    "use_sliding_window",
    "xla_device",
];
/// Parts of the names of other such keys.
const HARMLESS_PARTS: &[&str] = &[
    "dropout",
    "pdrop",
    "_token_id",
    "initializer",
    "pooler_",
    "summary_",
    "decoder_",
    "classifier_",
    "loss",
    "_init",
    "prediction",
];

/// The keys and values of a configuration, and which were read.
pub(super) struct Settings {
    values: Map<String, Value>,
    read: RefCell<BTreeSet<String>>,
}

impl Settings {
    /// Parses a `config.json`.
    pub(super) fn parse(json: &str) -> Result<Self> {
        match serde_json::from_str(json) {
            Ok(Value::Object(values)) => Ok(Self {
                values,
                read: RefCell::default(),
            }),
            Ok(_) => Err("not a JSON object".to_string()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// A value; `None` where it is absent or null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(key.to_string());
        self.values.get(key).filter(|v| !v.is_null())
    }

    /// Whether a key is there, and said to be none.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(Value::is_null)
    }

    /// The first of some names that there is.
    fn any<'a>(&self, keys: &[&'a str]) -> (&'a str, Option<&Value>) {
        let found: Vec<_> = keys.iter().map(|&k| (k, self.get(k))).collect();
        let first = (keys.first().copied().unwrap_or(""), None);
        found.into_iter().find(|f| f.1.is_some()).unwrap_or(first)
    }

    /// Text; an error where the key is there and is none.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s)),
            Some(other) => Err(format!("{key} is {}, not text", brief(other))),
        }
    }

    /// A whole number within `range`, under the first of some names that is there.
    pub(super) fn size(&self, keys: &[&str], range: RangeInclusive<usize>) -> Result<usize> {
        let (key, _) = self.any(keys);
        self.optional_size(keys, range)?
            .ok_or_else(|| format!("{key} is missing"))
    }

    /// As [`Settings::size`], where the key may be absent.
    pub(super) fn optional_size(
        &self,
        keys: &[&str],
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>> {
        let (key, Some(value)) = self.any(keys) else {
            return Ok(None);
        };
        let n = value.as_u64().and_then(|n| usize::try_from(n).ok());
        // Some write 8192.0.
        let n = n.or_else(|| {
            let x = value.as_f64()?;
            (x.fract() == 0.0 && (0.0..1e15).contains(&x)).then_some(x as usize)
        });
        match n {
            Some(n) if range.contains(&n) => Ok(Some(n)),
            _ => Err(format!(
                "{key} is {}; {} to {} can be used",
                brief(value),
                range.start(),
                range.end()
            )),
        }
    }

    /// A number above zero and finite.
    pub(super) fn positive(&self, keys: &[&str]) -> Result<Option<f64>> {
        let (key, Some(value)) = self.any(keys) else {
            return Ok(None);
        };
        match value.as_f64() {
            Some(x) if x > 0.0 && x.is_finite() => Ok(Some(x)),
            _ => Err(format!(
                "{key} is {}; a number above 0 can be used",
                brief(value)
            )),
        }
    }

    /// What is added to a norm's variance.
    pub(super) fn eps(&self, keys: &[&str], default: f32) -> Result<f32> {
        let (key, Some(value)) = self.any(keys) else {
            return Ok(default);
        };
        match value.as_f64() {
            Some(x) if (0.0..1.0).contains(&x) => Ok(x as f32),
            _ => Err(format!(
                "{key} is {}; 0 to below 1 can be used",
                brief(value)
            )),
        }
    }

    /// A yes or no.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(yes)) => Ok(*yes),
            Some(other) => Err(format!("{key} is {}, neither true nor false", brief(other))),
        }
    }

    /// An activation, under the first of some names that is there.
    pub(super) fn activation(&self, keys: &[&str], default: &str) -> Result<Activation> {
        let (key, value) = self.any(keys);
        let name = match value {
            None => default,
            Some(Value::String(name)) => name,
            Some(other) => return Err(format!("{key} is {}, not a name", brief(other))),
        };
        Activation::named(name).ok_or_else(|| {
            format!("{key}: the activation {name:?} is not supported; gelu, gelu_new, gelu_pytorch_tanh, relu, silu and tanh are")
        })
    }

    /// Refuses a key that has another value than those under which the model is as described
    /// here; absent is always allowed.
    pub(super) fn only(&self, key: &str, allowed: &[Value]) -> Result<()> {
        match self.get(key) {
            Some(value) if !allowed.contains(value) => {
                let names: Vec<String> = allowed.iter().map(brief).collect();
                let there = if names.is_empty() {
                    "models without it are".to_string()
                } else {
                    format!("{} is", names.join(" or "))
                };
                Err(format!("{key} {} is not supported; {there}", brief(value)))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a key that nothing here reads and that may change what is computed. What is null or
    /// empty changes nothing.
    pub(super) fn nothing_unread(&self) -> Result<()> {
        let read = self.read.borrow();
        let off = |v: &Value| match v {
            Value::Null => true,
            Value::Object(o) => o.is_empty(),
            Value::Array(a) => a.is_empty(),
            Value::String(s) => s.is_empty(),
            _ => false,
        };
        for (key, value) in &self.values {
            let harmless = HARMLESS.contains(&key.as_str())
                || HARMLESS_PARTS.iter().any(|part| key.contains(part))
                || *value == Value::Bool(false) && HARMLESS_OFF.contains(&key.as_str());
            if !(harmless || read.contains(key) || off(value)) {
                return Err(format!(
                    "the key {key:?} ({}) is not known, and may change the vectors",
                    brief(value)
                ));
            }
        }
        Ok(())
    }
}

/// A value as JSON, cut where it is long.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
