//! What a sentence-transformers folder says of its model: architecture, pooling, length, prompts.

use super::files::{ModelFiles, hex};
use crate::error::{Error, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

/// The transformer of the BERT family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `model_type` bert.
    Bert,
    /// `model_type` distilbert.
    DistilBert,
    /// `model_type` roberta, xlm-roberta or camembert: positions begin after the padding's.
    Roberta,
    /// `model_type` mpnet: positions as RoBERTa's, and a bias by relative position.
    Mpnet,
}

impl Architecture {
    /// The first row of the table of positions that a token has, where padding has `pad_id`.
    fn first_position(self, pad_id: u32) -> usize {
        match self {
            Self::Bert | Self::DistilBert => 0,
            Self::Roberta | Self::Mpnet => pad_id as usize + 1,
        }
    }
}

/// How token vectors become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first token's.
    Cls,
    /// The mean over tokens.
    Mean,
    /// The largest value of each dimension over tokens.
    Max,
    /// The sum over tokens divided by the square root of their number.
    MeanSqrtLen,
}

impl Pooling {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::MeanSqrtLen => "mean_sqrt_len",
        }
    }
}

/// What a model wants put in front of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// In front of a query; empty for most models.
    pub query: String,
    /// In front of a document or passage.
    pub document: String,
    /// All of the model's prompts by name.
    pub named: BTreeMap<String, String>,
}

/// A model's configuration, as its own files give it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The transformer.
    pub architecture: Architecture,
    /// `config.json`, for the transformer's own loader.
    pub json: String,
    /// The length of a vector.
    pub dim: usize,
    /// Layers.
    pub layers: usize,
    /// The most tokens of one text, special tokens included.
    pub max_tokens: usize,
    /// The token that fills short rows of a batch.
    pub pad_id: u32,
    /// The row of the table of positions that a text's first token has.
    pub first_position: usize,
    /// The pooling.
    pub pooling: Pooling,
    /// What to put in front of texts.
    pub prompts: Prompts,
    /// SHA-256 over everything that decides a vector: weights, tokenizer, configuration.
    pub hash: String,
}

#[derive(Deserialize)]
struct Transformer {
    model_type: String,
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    pad_token_id: Option<u32>,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Config {
    /// Reads the configuration of a model.
    ///
    /// # Errors
    /// A file is missing or malformed, or says something that is not supported; the message
    /// says what.
    pub fn load(files: &ModelFiles) -> Result<Self> {
        let folder = &files.folder;
        let bad = |message: String| Error::model(&files.id, message);
        let json = read(folder, "config.json", &files.id)?
            .ok_or_else(|| bad("config.json is missing".into()))?;
        let transformer: Transformer =
            serde_json::from_str(&json).map_err(|e| bad(format!("config.json: {e}")))?;
        let architecture = match transformer.model_type.as_str() {
            "bert" => Architecture::Bert,
            "distilbert" => Architecture::DistilBert,
            "roberta" | "xlm-roberta" | "camembert" => Architecture::Roberta,
            "mpnet" => Architecture::Mpnet,
            other => {
                return Err(bad(format!(
                    "model_type {other:?} is not supported; bert, distilbert, roberta, xlm-roberta, camembert and mpnet are"
                )));
            }
        };
        if let Some(kind) = &transformer.position_embedding_type
            && kind != "absolute"
        {
            return Err(bad(format!(
                "position_embedding_type {kind:?} is not supported; absolute is"
            )));
        }

        let modules: Vec<Module> = match read(folder, "modules.json", &files.id)? {
            Some(text) => {
                serde_json::from_str(&text).map_err(|e| bad(format!("modules.json: {e}")))?
            }
            None => Vec::new(),
        };
        let mut pooling = Pooling::Mean;
        for module in &modules {
            match module.kind.rsplit('.').next().unwrap_or("") {
                "Transformer" | "Normalize" => {}
                "Pooling" => {
                    let name = format!("{}/config.json", module.path);
                    let text = read(folder, &name, &files.id)?
                        .ok_or_else(|| bad(format!("{name} is missing")))?;
                    pooling = read_pooling(&text).map_err(|m| bad(format!("{name}: {m}")))?;
                }
                other => {
                    return Err(bad(format!(
                        "modules.json: a module of type {other} is not supported; Transformer, Pooling and Normalize are"
                    )));
                }
            }
        }

        let pad_id = transformer.pad_token_id.unwrap_or(match architecture {
            Architecture::Bert | Architecture::DistilBert => 0,
            Architecture::Roberta | Architecture::Mpnet => 1,
        });
        let first_position = architecture.first_position(pad_id);
        let positions = transformer
            .max_position_embeddings
            .saturating_sub(first_position);
        let max_tokens =
            max_tokens(folder, &files.id)?.map_or(positions, |(n, _)| n.min(positions));
        if max_tokens < 8 {
            return Err(bad(format!(
                "a length of {max_tokens} tokens is too short to use"
            )));
        }
        let prompts = prompts(folder, &files.id)?;
        Ok(Self {
            architecture,
            dim: transformer.hidden_size,
            layers: transformer.num_hidden_layers,
            max_tokens,
            pad_id,
            first_position,
            pooling,
            prompts,
            hash: identity(files, &modules)?,
            json,
        })
    }
}

fn read(folder: &Path, name: &str, model: &str) -> Result<Option<String>> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::model(model, format!("{}: {e}", path.display()))),
    }
}

fn read_pooling(text: &str) -> std::result::Result<Pooling, String> {
    let fields: HashMap<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|e| e.to_string())?;
    // Newer files name the mode, older ones have a flag for each.
    if let Some(mode) = fields.get("pooling_mode").and_then(|v| v.as_str()) {
        return match mode {
            "cls" => Ok(Pooling::Cls),
            "mean" => Ok(Pooling::Mean),
            "max" => Ok(Pooling::Max),
            "mean_sqrt_len_tokens" => Ok(Pooling::MeanSqrtLen),
            other => Err(format!(
                "pooling {other:?} is not supported; cls, mean, max and mean_sqrt_len are"
            )),
        };
    }
    let set: Vec<&str> = fields
        .iter()
        .filter(|(name, value)| name.starts_with("pooling_mode_") && value.as_bool() == Some(true))
        .map(|(name, _)| name.as_str())
        .collect();
    match set.as_slice() {
        ["pooling_mode_cls_token"] => Ok(Pooling::Cls),
        ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_max_tokens"] => Ok(Pooling::Max),
        ["pooling_mode_mean_sqrt_len_tokens"] => Ok(Pooling::MeanSqrtLen),
        [] => Err("no pooling mode is set".to_string()),
        modes => Err(format!(
            "{} is not supported; one of cls, mean, max and mean_sqrt_len is",
            modes.join(" with ")
        )),
    }
}

const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// The length that the model was trained for, from the first file that says it, and that file.
fn max_tokens(folder: &Path, model: &str) -> Result<Option<(usize, &'static str)>> {
    for (name, key) in [
        ("sentence_bert_config.json", "max_seq_length"),
        (TOKENIZER_CONFIG, "model_max_length"),
    ] {
        if let Some(text) = read(folder, name, model)? {
            let value: serde_json::Value = serde_json::from_str(&text)
                .map_err(|e| Error::model(model, format!("{name}: {e}")))?;
            // Tokenizers without a limit write an astronomically large one.
            if let Some(n) = value.get(key).and_then(serde_json::Value::as_f64)
                && (1.0..1e6).contains(&n)
            {
                return Ok(Some((n as usize, name)));
            }
        }
    }
    Ok(None)
}

/// The prompts for queries and for documents, under the names in use.
fn prompts(folder: &Path, model: &str) -> Result<Prompts> {
    #[derive(Deserialize, Default)]
    struct File {
        #[serde(default)]
        prompts: HashMap<String, Option<String>>,
        #[serde(default)]
        default_prompt_name: Option<String>,
    }
    let name = "config_sentence_transformers.json";
    let file: File = match read(folder, name, model)? {
        Some(text) => {
            serde_json::from_str(&text).map_err(|e| Error::model(model, format!("{name}: {e}")))?
        }
        None => File::default(),
    };
    let prompt = |names: &[&str]| {
        names
            .iter()
            .copied()
            .chain(file.default_prompt_name.as_deref())
            .find_map(|n| file.prompts.get(n).cloned().flatten())
            .unwrap_or_default()
    };
    let (query, document) = (
        prompt(&["query"]),
        prompt(&["document", "passage", "corpus"]),
    );
    let named = file.prompts.into_iter();
    Ok(Prompts {
        query,
        document,
        named: named.filter_map(|(name, p)| Some((name, p?))).collect(),
    })
}

/// One hash over every file that decides a vector.
fn identity(files: &ModelFiles, modules: &[Module]) -> Result<String> {
    let mut names = vec![
        "config.json".to_string(),
        "modules.json".to_string(),
        "sentence_bert_config.json".to_string(),
        "config_sentence_transformers.json".to_string(),
        "tokenizer.json".to_string(),
        "model.safetensors".to_string(),
    ];
    // The length may stand there; where it does not, corpora keep the hash that they have.
    if max_tokens(&files.folder, &files.id)?.is_some_and(|(_, file)| file == TOKENIZER_CONFIG) {
        names.push(TOKENIZER_CONFIG.to_string());
    }
    names.extend(
        modules
            .iter()
            .filter(|m| m.kind.ends_with("Pooling"))
            .map(|m| format!("{}/config.json", m.path)),
    );
    let mut hasher = Sha256::new();
    for name in names {
        let path = files.folder.join(&name);
        let hash = match files.hashes.get(&name) {
            Some(verified) => verified.clone(),
            None if path.is_file() => super::files::sha256(&path)
                .map_err(|e| Error::model(&files.id, format!("{}: {e}", path.display())))?,
            None => continue,
        };
        hasher.update(name.as_bytes());
        hasher.update(hash.as_bytes());
    }
    Ok(hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_in_both_spellings() {
        let old = r#"{"word_embedding_dimension": 8, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
        assert_eq!(read_pooling(old), Ok(Pooling::Cls));
        assert_eq!(
            read_pooling(r#"{"pooling_mode": "mean"}"#),
            Ok(Pooling::Mean)
        );
        assert!(read_pooling(r#"{"pooling_mode_weightedmean_tokens": true}"#).is_err());
        let both = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#;
        assert!(read_pooling(both).is_err());
    }
}
