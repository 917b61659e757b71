//! What `tokenizer_config.json` says beside `tokenizer.json`, as HF transformers 5 heeds it: which
//! class a tokenizer is of decides which of its keys count.

use super::tokenizer_limits::FILE_BYTES;
use serde::Deserialize;
use serde_json::Value;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenizerSettings {
    /// Whether a text that is too long loses its beginning; where nothing is said, the file may say
    /// it.
    pub cuts_beginning: Option<bool>,
    /// The steps in front of BERT's tokenizers, where they are others than the file has.
    pub steps: Option<BertSteps>,
    /// Whether the second text of a pair is told by the types of its tokens.
    pub typed: bool,
}

/// The kind of a tokenizer's class in HF transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// One that makes BERT's steps anew of its settings.
    Bert { typed: bool },
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
        _ => Class::Other,
    }
}

impl TokenizerSettings {
    /// What the settings `said` say of the tokenizer in `file`; `config` is the model's `config.json`.
    ///
    /// # Errors
    /// In one line, without the file's name: a value is none of those that there may be.
    pub(super) fn of(said: &Value, config: &Value, file: &Path) -> Result<Self, String> {
        let class = class(said, config);
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
            Class::Other => None,
            Class::Bert { .. } => {
                let accents = said.get("strip_accents").is_some_and(|v| !v.is_null());
                let asked = BertSteps {
                    lower_case: flag("do_lower_case", true)?,
                    strip_accents: accents.then(|| flag("strip_accents", false)).transpose()?,
                    chinese: flag("tokenize_chinese_chars", true)?,
                };
                // Other steps are left to their file, which may be of another kind of tokenizer.
                in_file(file).filter(|own| *own != asked).map(|_| asked)
            }
        };
        let inputs = said.get("model_input_names").and_then(Value::as_array);
        let typed = match inputs {
            Some(all) => all.iter().any(|name| name == "token_type_ids"),
            None => class == Class::Bert { typed: true },
        };
        Ok(Self {
            cuts_beginning,
            steps,
            typed,
        })
    }

    /// What a vector depends on and no file of the model's hash may tell.
    pub(super) fn in_hash(&self) -> String {
        let side = self.cuts_beginning == Some(true);
        let side = if side { "truncation_side left" } else { "" };
        let steps = self.steps.map(|steps| format!("{steps:?}"));
        format!("{side}{}", steps.unwrap_or_default())
    }
}

/// BERT's steps in a tokenizer's file; `None` where it has others, or cannot be read, which is told
/// when the tokenizer is loaded.
fn in_file(path: &Path) -> Option<BertSteps> {
    #[derive(Deserialize)]
    struct File {
        normalizer: Option<Value>,
    }
    let mut json = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(FILE_BYTES).read_to_end(&mut json).ok()?;
    let own = serde_json::from_slice::<File>(&json).ok()?.normalizer?;
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
            ("roberta", None, Class::Other),
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
