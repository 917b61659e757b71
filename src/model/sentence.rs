//! The settings of a model's transformer, `sentence_bert_config.json`, read key by key: as
//! sentence-transformers 6 reads them in `base/modules/transformer.py`. What may change the result and
//! is not used here is refused by name.

use super::manifest::Purpose;
use super::settings::brief;
use serde_json::{Map, Value};

/// What the settings say that is used.
#[derive(Debug, Default)]
pub(super) struct Sentence {
    /// The most tokens of a text.
    pub max_tokens: Option<usize>,
    /// Whether texts are put in lower case before the tokenizer has them.
    pub lower_case: bool,
    /// What counts before the same key of the tokenizer's own settings.
    pub tokenizer: Map<String, Value>,
}

/// Keys of the libraries that load a model: where it comes from, how it is kept in memory, and which
/// kernels compute it.
const OF_LOADING: &[&str] = &[
    "attn_implementation",
    "cache_dir",
    "code_revision",
    "device_map",
    "dtype",
    "force_download",
    "local_files_only",
    "low_cpu_mem_usage",
    "revision",
    "subfolder",
    "token",
    "torch_dtype",
    "trust_remote_code",
    "unpad_inputs",
    "use_auth_token",
    "use_cache",
    "use_memory_efficient_attention",
    "use_safetensors",
];

/// Keys of the tokenizer's own settings that are used.
const OF_TOKENIZER: &[&str] = &[
    "do_lower_case",
    "model_max_length",
    "strip_accents",
    "tokenize_chinese_chars",
    "truncation_side",
];

/// Reads the settings of a model that is used for `purpose`; `config` is its `config.json`.
///
/// # Errors
/// In one line, without the file's name: a key that may change the result is not known, or has a
/// value that cannot be used.
pub(super) fn read(said: &Value, purpose: Purpose, config: &Value) -> Result<Sentence, String> {
    let mut found = Sentence::default();
    let fields = match said {
        Value::Null => return Ok(found),
        Value::Object(fields) => fields,
        other => return Err(format!("{} is no object", brief(other))),
    };
    let mut longest_text = None;
    // Newer names stand before older ones, as there.
    for (key, value) in fields.iter().filter(|(_, value)| !is_off(value)) {
        let unused = || {
            Err(format!(
                "{key} {} is not supported, and may change the result",
                brief(value)
            ))
        };
        match key.as_str() {
            "max_seq_length" => found.max_tokens = length(key, value)?,
            "do_lower_case" if *value == Value::Bool(true) => found.lower_case = true,
            "transformer_task" => task(value, purpose)?,
            "modality_config" => modalities(value, purpose)?,
            "module_output_name" => {
                let outputs: &[&str] = match purpose {
                    Purpose::Embedding => &["token_embeddings"],
                    Purpose::Reranking => &["scores", "causal_logits"],
                };
                if !outputs.iter().any(|name| value == name) {
                    return Err(not_that(key, value, outputs));
                }
            }
            "processing_kwargs" => longest_text = processing(key, value)?,
            "processor_kwargs" | "tokenizer_args" => {
                for (name, value) in object(key, value)? {
                    if OF_TOKENIZER.contains(&name.as_str()) {
                        found.tokenizer.insert(name.clone(), value.clone());
                    } else if !(is_off(value)
                        || OF_LOADING.contains(&name.as_str())
                        || [
                            "clean_up_tokenization_spaces",
                            "padding",
                            "padding_side",
                            "use_fast",
                            "verbose",
                        ]
                        .contains(&name.as_str()))
                    {
                        return Err(unknown(key, name, value));
                    }
                }
            }
            "model_kwargs" | "model_args" => {
                for (name, value) in object(key, value)? {
                    // A pooler of HF's is used by nobody.
                    let known = OF_LOADING.contains(&name.as_str()) || name == "add_pooling_layer";
                    if !known && !is_off(value) {
                        return Err(unknown(key, name, value));
                    }
                }
            }
            "config_kwargs" | "config_args" => {
                for (name, value) in object(key, value)? {
                    let known = OF_LOADING.contains(&name.as_str());
                    if !known && config.get(name) != Some(value) {
                        return Err(unknown(key, name, value));
                    }
                }
            }
            // How batches are laid out in memory.
            "unpad_inputs" => {}
            _ => return unused(),
        }
    }
    // One that is said for each call counts before that of the tokenizer.
    if longest_text.is_some() {
        found.max_tokens = longest_text;
    } else if let Some(value) = found.tokenizer.remove("model_max_length") {
        found.max_tokens = length("model_max_length", &value)?;
    }
    Ok(found)
}

/// Whether a value sets nothing.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(all) => all.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// A number of tokens; `None` for one that says that there is no limit.
fn length(key: &str, value: &Value) -> Result<Option<usize>, String> {
    match value.as_f64() {
        // Tokenizers without a limit write an astronomically large one.
        Some(n) if n >= 1.0 => Ok((n < 1e6).then_some(n as usize)),
        _ => Err(format!(
            "{key} is {}; a whole number above 0 can be used",
            brief(value)
        )),
    }
}

fn task(value: &Value, purpose: Purpose) -> Result<(), String> {
    let tasks: &[&str] = match purpose {
        Purpose::Embedding => &["feature-extraction"],
        Purpose::Reranking => &["sequence-classification", "text-generation", "any-to-any"],
    };
    if tasks.iter().any(|task| value == task) {
        return Ok(());
    }
    Err(not_that("transformer_task", value, tasks))
}

/// What goes in, and which of the transformer's results is taken.
fn modalities(value: &Value, purpose: Purpose) -> Result<(), String> {
    let key = "modality_config";
    let result = match purpose {
        Purpose::Embedding => "last_hidden_state",
        Purpose::Reranking => "logits",
    };
    let all = object(key, value)?;
    if purpose == Purpose::Embedding && all.contains_key("message") {
        return Err(format!(
            "{key} has \"message\": texts written out by a chat template are not supported where they are embedded"
        ));
    }
    let texts = ["text", "message"].map(|kind| Some((kind, all.get(kind)?)));
    if texts.iter().all(Option::is_none) {
        return Err(format!("{key} has no \"text\"; only texts are read"));
    }
    for (kind, way) in texts.into_iter().flatten() {
        let method = way.get("method").unwrap_or(&Value::Null);
        if method != "forward" {
            return Err(not_that(
                &format!("{key}.{kind}.method"),
                method,
                &["forward"],
            ));
        }
        let taken = way.get("method_output_name").unwrap_or(&Value::Null);
        // A path of names, of which there may be one.
        let one = taken.as_array().filter(|path| path.len() == 1);
        if one.map_or(taken, |path| &path[0]) != result {
            let name = format!("{key}.{kind}.method_output_name");
            return Err(not_that(&name, taken, &[result]));
        }
    }
    Ok(())
}

/// What a tokenizer is called with; the most tokens of a text, where that is said.
fn processing(key: &str, value: &Value) -> Result<Option<usize>, String> {
    let mut longest = None;
    let kinds = object(key, value)?;
    // What is said of texts counts before what is said of all. Of other kinds there is none, and chat
    // templates are read where they are used.
    for kind in ["common", "text"] {
        let Some(settings) = kinds.get(kind).filter(|v| !v.is_null()) else {
            continue;
        };
        for (name, value) in object(&format!("{key}.{kind}"), settings)? {
            let harmless = match name.as_str() {
                "max_length" => {
                    if !value.is_null() {
                        longest = length(&format!("{key}.{kind}.{name}"), value)?;
                    }
                    true
                }
                "truncation" => *value == Value::Bool(true) || value == "longest_first",
                "add_special_tokens" => *value == Value::Bool(true),
                "return_token_type_ids" | "return_attention_mask" => {
                    value.is_null() || *value == Value::Bool(true)
                }
                "stride" => value.as_u64() == Some(0),
                "logits_to_keep" => value.as_u64() == Some(1),
                "padding" | "pad_to_multiple_of" | "padding_side" | "return_tensors"
                | "verbose" => true,
                _ => false,
            };
            if !harmless {
                return Err(unknown(&format!("{key}.{kind}"), name, value));
            }
        }
    }
    Ok(longest)
}

fn object<'a>(key: &str, value: &'a Value) -> Result<&'a Map<String, Value>, String> {
    let fields = value.as_object();
    fields.ok_or_else(|| format!("{key} is {}, no object", brief(value)))
}

fn unknown(group: &str, key: &str, value: &Value) -> String {
    format!(
        "{group}.{key} {} is not supported, and may change the result",
        brief(value)
    )
}

fn not_that(key: &str, value: &Value, others: &[&str]) -> String {
    format!(
        "{key} {} is not supported here; {} is",
        brief(value),
        others.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn embedding(said: Value) -> Result<Sentence, String> {
        read(&said, Purpose::Embedding, &json!({"hidden_act": "gelu"}))
    }

    #[test]
    fn what_changes_nothing_or_is_used_is_read() {
        let plain = embedding(json!({
            "max_seq_length": null, "do_lower_case": false, "unpad_inputs": true,
            "model_args": {"attn_implementation": "eager", "torch_dtype": "float16"},
            "config_kwargs": {"trust_remote_code": true, "hidden_act": "gelu"},
            "processor_kwargs": {"padding_side": "left", "use_fast": true},
            "processing_kwargs": {"text": {"padding": "longest", "truncation": true}, "audio": {"max_length": 5}},
            "query_length": null, "tokenizer_name_or_path": null, "of_tomorrow": false,
        }))
        .unwrap();
        assert_eq!((plain.max_tokens, plain.lower_case), (None, false));
        assert!(plain.tokenizer.is_empty());
        for (said, longest) in [
            (json!({"max_seq_length": 20}), Some(20)),
            (json!({"max_seq_length": 1e30}), None),
            (
                json!({"max_seq_length": 20, "tokenizer_args": {"model_max_length": 30}}),
                Some(30),
            ),
            (
                json!({"max_seq_length": 20, "processing_kwargs": {"common": {"max_length": 7}, "text": {"max_length": 8}}}),
                Some(8),
            ),
        ] {
            assert_eq!(
                embedding(said.clone()).unwrap().max_tokens,
                longest,
                "{said}"
            );
        }
        let side = embedding(json!({"processor_kwargs": {"truncation_side": "left"}})).unwrap();
        assert_eq!(side.tokenizer["truncation_side"], "left");
    }

    #[test]
    fn what_may_change_the_result_is_refused_by_name() {
        let text =
            |output: Value| json!({"text": {"method": "forward", "method_output_name": output}});
        for (said, part) in [
            (json!({"pad_with": 3}), "pad_with 3"),
            (json!({"query_length": 8}), "query_length"),
            (
                json!({"tokenizer_name_or_path": "a/b"}),
                "tokenizer_name_or_path",
            ),
            (json!({"max_seq_length": "20"}), "max_seq_length"),
            (
                json!({"transformer_task": "fill-mask"}),
                "feature-extraction is",
            ),
            (
                json!({"module_output_name": "sentence_embedding"}),
                "token_embeddings is",
            ),
            (
                json!({"modality_config": text(json!("pooler_output"))}),
                "last_hidden_state is",
            ),
            (
                json!({"modality_config": text(json!(["hidden_states", 1]))}),
                "hidden_states",
            ),
            (json!({"modality_config": {"image": {}}}), "no \"text\""),
            (
                json!({"modality_config": {"text": {"method": "get_text_features", "method_output_name": "last_hidden_state"}}}),
                "get_text_features",
            ),
            (
                json!({"modality_config": {"message": {}, "text": {}}}),
                "chat template",
            ),
            (
                json!({"config_kwargs": {"hidden_act": "relu"}}),
                "config_kwargs.hidden_act \"relu\"",
            ),
            (
                json!({"model_args": {"variant": "fp16"}}),
                "model_args.variant",
            ),
            (
                json!({"tokenizer_args": {"add_prefix_space": true}}),
                "tokenizer_args.add_prefix_space",
            ),
            (
                json!({"processing_kwargs": {"text": {"add_special_tokens": false}}}),
                "processing_kwargs.text.add_special_tokens",
            ),
            (
                json!({"processing_kwargs": {"common": {"truncation": false}}}),
                "processing_kwargs.common.truncation",
            ),
            (json!([]), "no object"),
            (json!({"processing_kwargs": 7}), "processing_kwargs is 7"),
        ] {
            let e = embedding(said.clone()).unwrap_err();
            assert!(e.contains(part), "{said}: {e}");
        }
        let judged = json!({"transformer_task": "sequence-classification", "modality_config": text(json!("logits")), "module_output_name": "scores"});
        assert!(read(&judged, Purpose::Reranking, &Value::Null).is_ok());
        assert!(embedding(judged).is_err());
    }
}
