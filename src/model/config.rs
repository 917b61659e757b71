//! What a sentence-transformers folder says of its model: architecture, pooling, length, prompts.

use super::files::{ModelFiles, hex};
use super::layout::{Layout, MODULES_FILE, Module};
use super::prompts::{self, Prompts};
use crate::error::{Error, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

// What a configuration may ask for. Numbers far beyond those of any model of these families would
// have memory reserved before the weights show that they do not fit.
/// The length of a vector; real models have up to 8,192.
const HIDDEN: usize = 32_768;
/// Layers; real models have up to 96.
const LAYERS: usize = 512;
/// The tokens of one text; real models have up to 8,192.
const POSITIONS: usize = 131_072;

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
    /// Whether the model does not say its pooling, so that the mean was taken for it.
    pub pooling_assumed: bool,
    /// Whether texts are put in lower case before the tokenizer has them.
    pub lower_case: bool,
    /// What to put in front of texts: what the model's own files say, else what its family is
    /// known to want.
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
    /// What the model was called where it was saved.
    #[serde(default, rename = "_name_or_path")]
    name: String,
}

impl Transformer {
    fn check(&self) -> std::result::Result<(), String> {
        for (name, value, most) in [
            ("hidden_size", self.hidden_size, HIDDEN),
            ("num_hidden_layers", self.num_hidden_layers, LAYERS),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                POSITIONS,
            ),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("{name} is {value}; 1 to {most} can be used"));
            }
        }
        Ok(())
    }
}

impl Config {
    /// Reads the configuration of a model.
    ///
    /// # Errors
    /// A file is missing or malformed, or says something that is not supported; the message
    /// says what.
    pub fn load(files: &ModelFiles) -> Result<Self> {
        let bad = |message: String| Error::model(&files.id, message);
        let layout = Layout::read(&files.id, &files.folder)?;
        let json = read(files, &layout.file("config.json"))?
            .ok_or_else(|| bad("config.json is missing".into()))?;
        let transformer: Transformer =
            serde_json::from_str(&json).map_err(|e| bad(format!("config.json: {e}")))?;
        let sizes = transformer.check();
        sizes.map_err(|m| bad(format!("config.json: {m}")))?;
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

        let pooling = pooling(files, &layout.modules)?;

        let pad_id = transformer.pad_token_id.unwrap_or(match architecture {
            Architecture::Bert | Architecture::DistilBert => 0,
            Architecture::Roberta | Architecture::Mpnet => 1,
        });
        let first_position = architecture.first_position(pad_id);
        let positions = transformer
            .max_position_embeddings
            .saturating_sub(first_position);
        let settings = Settings::read(files, &layout)?;
        let max_tokens = settings
            .max_tokens
            .as_ref()
            .map_or(positions, |(n, _)| positions.min(*n));
        if max_tokens < 8 {
            return Err(bad(format!(
                "a length of {max_tokens} tokens is too short to use"
            )));
        }
        let prompts = prompts::of(files, &transformer.name)?;
        Ok(Self {
            architecture,
            dim: transformer.hidden_size,
            layers: transformer.num_hidden_layers,
            max_tokens,
            pad_id,
            first_position,
            pooling: pooling.unwrap_or(Pooling::Mean),
            pooling_assumed: pooling.is_none(),
            lower_case: settings.lower_case,
            prompts,
            hash: identity(files, &layout, &settings)?,
            json,
        })
    }
}

fn read(files: &ModelFiles, name: &str) -> Result<Option<String>> {
    super::layout::read(&files.id, &files.folder.join(name))
}

/// The pooling that the modules say; `None` where none of them does.
fn pooling(files: &ModelFiles, modules: &[Module]) -> Result<Option<Pooling>> {
    let bad = |message: String| Error::model(&files.id, message);
    let mut pooling = None;
    for module in modules {
        match module.class() {
            "Transformer" | "Normalize" => {}
            "Pooling" => {
                let name = module.file("config.json");
                let text = read(files, &name)?.ok_or_else(|| bad(format!("{name} is missing")))?;
                pooling = Some(read_pooling(&text).map_err(|m| bad(format!("{name}: {m}")))?);
            }
            other => {
                return Err(bad(format!(
                    "{MODULES_FILE}: a module of type {other} is not supported; Transformer, Pooling and Normalize are"
                )));
            }
        }
    }
    Ok(pooling)
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

const SENTENCE: &str = "sentence_bert_config.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// What is done to texts before the transformer has them.
struct Settings {
    /// The length that the model was trained for, from the first file that says it, and that file.
    max_tokens: Option<(usize, String)>,
    lower_case: bool,
    /// The transformer's settings, by the name of their file.
    sentence: String,
}

impl Settings {
    fn read(files: &ModelFiles, layout: &Layout) -> Result<Self> {
        // Older models have it in the transformer's folder.
        let inside = layout.file(SENTENCE);
        let sentence = if files.folder.join(&inside).is_file() {
            inside
        } else {
            SENTENCE.to_string()
        };
        let json = |name: &str| -> Result<serde_json::Value> {
            let Some(text) = read(files, name)? else {
                return Ok(serde_json::Value::Null);
            };
            serde_json::from_str(&text).map_err(|e| Error::model(&files.id, format!("{name}: {e}")))
        };
        let said = json(&sentence)?;
        let mut max_tokens = length(&said, "max_seq_length").map(|n| (n, sentence.clone()));
        if max_tokens.is_none() {
            let name = layout.file(TOKENIZER_CONFIG);
            max_tokens = length(&json(&name)?, "model_max_length").map(|n| (n, name));
        }
        Ok(Self {
            max_tokens,
            lower_case: said.get("do_lower_case").and_then(|v| v.as_bool()) == Some(true),
            sentence,
        })
    }
}

fn length(settings: &serde_json::Value, key: &str) -> Option<usize> {
    let n = settings.get(key)?.as_f64()?;
    // Tokenizers without a limit write an astronomically large one.
    (1.0..1e6).contains(&n).then_some(n as usize)
}

/// One hash over every file that decides a vector.
fn identity(files: &ModelFiles, layout: &Layout, settings: &Settings) -> Result<String> {
    let mut names = vec![
        layout.file("config.json"),
        MODULES_FILE.to_string(),
        settings.sentence.clone(),
        prompts::FILE.to_string(),
        layout.file("tokenizer.json"),
        layout.file("model.safetensors"),
    ];
    // The length may stand there; where it does not, corpora keep the hash that they have.
    if let Some((_, file)) = &settings.max_tokens
        && *file != settings.sentence
    {
        names.push(file.clone());
    }
    let pooling = layout.modules.iter().filter(|m| m.class() == "Pooling");
    names.extend(pooling.map(|m| m.file("config.json")));
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
    // Earlier versions did not heed it: their vectors are not these.
    if settings.lower_case {
        hasher.update(b"do_lower_case");
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
