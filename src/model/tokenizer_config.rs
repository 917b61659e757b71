//! What `tokenizer_config.json` says beside `tokenizer.json`, as HF transformers 5 heeds it: which
//! class a tokenizer is of decides which of its keys count.

use super::added_tokens::{self, Added};
use super::tokenizer_limits::FILE_BYTES;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

/// What BERT's tokenizers do with a text before they take it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BertSteps {
    /// Letters become small ones.
    pub lower_case: bool,
    /// Accents are taken away; as `lower_case` where nothing is said.
    pub strip_accents: Option<bool>,
    /// Each Chinese character is a word.
    pub chinese: bool,
}

/// What the settings of a tokenizer say that its file does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenizerSettings {
    /// Whether a text that is too long loses its beginning; where nothing is said, the file may say
    /// it.
    pub cuts_beginning: Option<bool>,
    /// The steps in front of BERT's tokenizers, where they are others than the file has.
    pub steps: Option<BertSteps>,
    /// Whether a blank is put in front of every text, of tokenizers that spell in bytes, where it is
    /// otherwise in the file.
    pub blank_in_front: Option<bool>,
    /// Tokens that the file does not have.
    pub(crate) added: Vec<Added>,
    /// Whether the second text of a pair is told by the types of its tokens.
    pub typed: bool,
}

/// The kind of a tokenizer's class in HF transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// One that makes BERT's steps anew of its settings.
    Bert { typed: bool },
    /// One that spells in bytes, and puts a blank in front of texts where its settings say so.
    Bytes,
    /// One that takes them from its file.
    Other,
}

/// The class that `AutoTokenizer` of HF transformers 5 takes: the one that is named, else that of the
/// model's type.
fn class(tokenizer: &Value, config: &Value) -> Class {
    let kind = config.get("model_type").and_then(Value::as_str);
    // Its class is known there to be misnamed.
    if kind == Some("modernbert") {
        return Class::Other;
    }
    let named = [tokenizer, config]
        .into_iter()
        .find_map(|file| file.get("tokenizer_class")?.as_str());
    match (
        named.map(|name| name.strip_suffix("Fast").unwrap_or(name)),
        kind,
    ) {
        (
            Some(
                "BertTokenizer"
                | "ConvBertTokenizer"
                | "ElectraTokenizer"
                | "LayoutLMTokenizer"
                | "MobileBertTokenizer"
                | "SqueezeBertTokenizer",
            ),
            _,
        )
        | (None, Some("bert" | "distilbert" | "nomic_bert")) => Class::Bert { typed: true },
        (Some("DistilBertTokenizer" | "MPNetTokenizer"), _) | (None, Some("mpnet")) => {
            Class::Bert { typed: false }
        }
        (
            Some(
                "BartTokenizer"
                | "BlenderbotTokenizer"
                | "CodeGenTokenizer"
                | "DebertaTokenizer"
                | "GPT2Tokenizer"
                | "LEDTokenizer"
                | "LongformerTokenizer"
                | "MvpTokenizer"
                | "Qwen2Tokenizer"
                | "RobertaTokenizer",
            ),
            _,
        )
        | (None, Some("roberta" | "qwen3")) => Class::Bytes,
        _ => Class::Other,
    }
}

/// The files of a model's tokenizer, besides `tokenizer.json` itself.
pub(super) struct Beside<'a> {
    /// The tokenizer's settings.
    pub said: &'a Value,
    /// `special_tokens_map.json`; null where there is none.
    pub special: &'a Value,
    /// `added_tokens.json`, likewise.
    pub added: &'a Value,
    /// The model's `config.json`.
    pub config: &'a Value,
}

impl TokenizerSettings {
    /// What the files beside it say of the tokenizer in `file`.
    ///
    /// # Errors
    /// In one line, without the file's name: a value is none of those that there may be.
    pub(super) fn of(beside: &Beside<'_>, file: &Path) -> Result<Self, String> {
        let said = beside.said;
        let class = class(said, beside.config);
        // Where it cannot be read, that is told when the tokenizer is loaded.
        let own = Own::read(file).unwrap_or_default();
        let cuts_beginning = match said.get("truncation_side").filter(|v| !v.is_null()) {
            None => None,
            Some(side) if side == "left" => Some(true),
            Some(side) if side == "right" => Some(false),
            Some(other) => return Err(format!("truncation_side is {other}; left or right is")),
        };
        let flag = |key: &str, default: bool| match said.get(key).filter(|v| !v.is_null()) {
            None => Ok(default),
            Some(Value::Bool(yes)) => Ok(*yes),
            Some(other) => Err(format!("{key} is {other}, neither true nor false")),
        };
        let steps = match class {
            Class::Bytes | Class::Other => None,
            Class::Bert { .. } => {
                let accents = said.get("strip_accents").is_some_and(|v| !v.is_null());
                let asked = BertSteps {
                    lower_case: flag("do_lower_case", true)?,
                    strip_accents: accents.then(|| flag("strip_accents", false)).transpose()?,
                    chinese: flag("tokenize_chinese_chars", true)?,
                };
                // Other steps are left to their file, which may be of another kind of tokenizer.
                own.bert_steps().filter(|own| *own != asked).map(|_| asked)
            }
        };
        let blank_in_front = match class {
            Class::Bytes => {
                let asked = flag("add_prefix_space", false)?;
                let other = |own: &bool| *own != asked;
                own.blanks_in_front().iter().any(other).then_some(asked)
            }
            Class::Bert { .. } | Class::Other => None,
        };
        let known = own.added_tokens.into_iter().flatten();
        let known: BTreeSet<String> = known.map(|token| token.content).collect();
        let added = added_tokens::missing(said, beside.special, beside.added, &known)?;
        let inputs = said.get("model_input_names").and_then(Value::as_array);
        let typed = match inputs {
            Some(all) => all.iter().any(|name| name == "token_type_ids"),
            None => class == Class::Bert { typed: true },
        };
        Ok(Self {
            cuts_beginning,
            steps,
            blank_in_front,
            added,
            typed,
        })
    }

    /// What a vector depends on and no file of the model's hash may tell.
    pub(super) fn in_hash(&self) -> String {
        let side = self.cuts_beginning == Some(true);
        let side = if side { "truncation_side left" } else { "" };
        let steps = self.steps.map(|steps| format!("{steps:?}"));
        let blank = self.blank_in_front;
        let blank = blank.map(|yes| format!("add_prefix_space {yes}"));
        let added: String = self.added.iter().map(Added::in_hash).collect();
        format!(
            "{side}{}{}{added}",
            steps.unwrap_or_default(),
            blank.unwrap_or_default()
        )
    }
}

/// What a tokenizer's file itself says of what settings may say otherwise.
#[derive(Deserialize, Default)]
struct Own {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    added_tokens: Option<Vec<OwnToken>>,
}

#[derive(Deserialize)]
struct OwnToken {
    content: String,
}

impl Own {
    fn read(path: &Path) -> Option<Self> {
        let mut json = Vec::new();
        let file = std::fs::File::open(path).ok()?;
        file.take(FILE_BYTES).read_to_end(&mut json).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// BERT's steps; `None` where there are others.
    fn bert_steps(&self) -> Option<BertSteps> {
        let own = &self.normalizer;
        if own.get("type")? != "BertNormalizer" {
            return None;
        }
        let flag = |key: &str| own.get(key).and_then(Value::as_bool);
        Some(BertSteps {
            lower_case: flag("lowercase").unwrap_or(true),
            strip_accents: flag("strip_accents"),
            chinese: flag("handle_chinese_chars").unwrap_or(true),
        })
    }

    /// Whether each step that spells in bytes puts a blank in front of texts.
    fn blanks_in_front(&self) -> Vec<bool> {
        let steps = self.pre_tokenizer.get("pretokenizers");
        let steps = steps.and_then(Value::as_array).map(Vec::as_slice);
        let steps = steps.unwrap_or(std::slice::from_ref(&self.pre_tokenizer));
        let bytes = steps
            .iter()
            .filter(|step| step.get("type").is_some_and(|kind| kind == "ByteLevel"));
        let blank = |step: &Value| step.get("add_prefix_space").and_then(Value::as_bool);
        bytes.map(|step| blank(step).unwrap_or(true)).collect()
    }
}

/// Puts `over` in the place of what a tokenizer's settings say.
pub(super) fn with(mut said: Value, over: serde_json::Map<String, Value>) -> Value {
    if said.is_null() {
        said = Value::Object(Default::default());
    }
    if let Value::Object(fields) = &mut said {
        fields.extend(over);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes_are_those_of_hf_transformers() {
        // As AutoTokenizer of transformers 5.24 answers.
        let typed = Class::Bert { typed: true };
        let untyped = Class::Bert { typed: false };
        for (kind, named, expected) in [
            ("bert", None, typed),
            ("bert", Some("PreTrainedTokenizerFast"), Class::Other),
            ("bert", Some("TokenizersBackend"), Class::Other),
            ("bert", Some("BertTokenizerFast"), typed),
            ("bert", Some("DistilBertTokenizer"), untyped),
            ("bert", Some("MPNetTokenizer"), untyped),
            ("bert", Some("ElectraTokenizer"), typed),
            ("bert", Some("NoSuchTokenizer"), Class::Other),
            ("distilbert", None, typed),
            ("mpnet", None, untyped),
            ("nomic_bert", None, typed),
            ("roberta", Some("BertTokenizer"), typed),
            ("roberta", None, Class::Bytes),
            ("roberta", Some("PreTrainedTokenizerFast"), Class::Other),
            ("roberta", Some("BartTokenizerFast"), Class::Bytes),
            ("qwen3", None, Class::Bytes),
            ("qwen3", Some("Qwen2Tokenizer"), Class::Bytes),
            ("xlm-roberta", None, Class::Other),
            ("modernbert", Some("BertTokenizer"), Class::Other),
            ("new", Some("BertTokenizer"), typed),
        ] {
            let said = named.map_or(json!({}), |name| json!({"tokenizer_class": name}));
            let config = json!({"model_type": kind});
            assert_eq!(class(&said, &config), expected, "{kind} {named:?}");
            if named.is_some() {
                let config = json!({"model_type": kind, "tokenizer_class": named});
                assert_eq!(class(&Value::Null, &config), expected, "{kind} {named:?}");
            }
        }
    }
}
