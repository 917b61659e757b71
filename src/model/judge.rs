//! How a model judges pairs of texts: its labels, and what becomes of its logits.

use super::architecture::Activation;
use super::files::ModelFiles;
use super::head;
use super::layout::{self, Layout};
use super::prompts;
use crate::error::{Error, Result};
use serde_json::Value;

/// How a cross-encoder judges pairs of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judge {
    /// The names of its labels, in the order of its values; one for most re-rankers.
    pub labels: Vec<String>,
    /// What becomes of its logits.
    pub activation: Activation,
    /// Whether its tokenizer tells the second text of a pair by the types of tokens.
    pub typed: bool,
    /// What is put in front of the first text of a pair; empty for most.
    pub prompt: String,
}

/// Reads what a model with `labels` labels says of itself; `config` is its `config.json`.
///
/// As sentence-transformers 6 has it in `cross_encoder/model.py`: the activation stands in the
/// model's own settings, in `config.json` of newer or of older versions; else it is the logistic
/// function for one label and nothing for several.
///
/// # Errors
/// A file is malformed, or names an activation that is not supported.
pub(super) fn of(
    files: &ModelFiles,
    layout: &Layout,
    config: &str,
    labels: usize,
) -> Result<Judge> {
    let parse = |name: &str, text: &str| -> Result<Value> {
        serde_json::from_str(text).map_err(|e| Error::model(&files.id, format!("{name}: {e}")))
    };
    let optional = |name: &str| -> Result<Value> {
        match layout::read(&files.id, &files.folder.join(name))? {
            Some(text) => parse(name, &text),
            None => Ok(Value::Null),
        }
    };
    let config_name = layout.file("config.json");
    let config = parse(&config_name, config)?;
    let own = optional(prompts::FILE)?;
    let tokenizer = optional(&layout.file(layout::TOKENIZER_CONFIG))?;

    let newer = config.get("sentence_transformers");
    let said = [
        (prompts::FILE, "activation_fn", own.get("activation_fn")),
        (
            config_name.as_str(),
            "sentence_transformers.activation_fn",
            newer.and_then(|s| s.get("activation_fn")),
        ),
        (
            config_name.as_str(),
            "sbert_ce_default_activation_function",
            config.get("sbert_ce_default_activation_function"),
        ),
    ];
    let said = said.into_iter().find_map(|(file, key, value)| {
        let value = value.filter(|v| !v.is_null())?;
        Some((file, key, value.as_str().unwrap_or("")))
    });
    let activation = match said {
        Some((file, key, class)) => head::activation(class)
            .map_err(|m| Error::model(&files.id, format!("{file}: {key} {m}")))?,
        None if labels == 1 => Activation::Sigmoid,
        None => Activation::Identity,
    };
    let inputs = tokenizer.get("model_input_names").and_then(Value::as_array);
    Ok(Judge {
        labels: names(&config, labels),
        activation,
        typed: inputs.is_none_or(|all| all.iter().any(|name| name == "token_type_ids")),
        prompt: prompts::default_of(files)?,
    })
}

/// The labels' names by their numbers, `LABEL_n` for one without.
fn names(config: &Value, labels: usize) -> Vec<String> {
    let name = |n: usize| {
        let named = config.get("id2label")?.get(n.to_string())?.as_str()?;
        Some(named.to_string())
    };
    let names = (0..labels).map(|n| name(n).unwrap_or_else(|| format!("LABEL_{n}")));
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_in_the_order_of_their_numbers() {
        let many: serde_json::Map<String, Value> = (0..12)
            .map(|n| (n.to_string(), Value::from(format!("l{n}"))))
            .collect();
        let config = serde_json::json!({ "id2label": many });
        let got = names(&config, 13);
        assert_eq!((got[2].as_str(), got[10].as_str()), ("l2", "l10"));
        assert_eq!(got[12], "LABEL_12");
    }
}
