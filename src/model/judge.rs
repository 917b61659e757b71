//! How a model judges pairs of texts: its labels, and what becomes of its logits.

use super::added_tokens::NAMED;
use super::architecture::Activation;
use super::chat::{self, Given, Unfit, Written};
use super::config;
use super::families::{Classifier, Described};
use super::files::{ModelFiles, own_name};
use super::head;
use super::layout::{self, Layout};
use super::prompts;
use super::vocabulary;
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
    /// What is put in front of the first text of a pair; empty for most. Of a model that has its
    /// pairs written, what it is told to judge by.
    pub prompt: String,
    /// How a pair is written as one text, of a language model.
    pub written: Option<Written>,
    /// Whether its name says how its pairs are written, and none of its files.
    pub by_name: bool,
    /// The token that pads: those at the end of a pair take no part.
    pub padding: Option<u32>,
}

/// What a model is to judge by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    /// The prompt in place of the model's own.
    pub prompt: Option<&'a str>,
}

/// What says that a language model judges pairs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// Its modules end in one that reads logits of a token or two.
    module: bool,
    /// It goes by the name of Qwen3-Reranker, whose files say nothing of it.
    named: bool,
    /// It is opened for that.
    asked: bool,
}

impl Evidence {
    pub(super) fn of(files: &ModelFiles, layout: &Layout, saved_as: &str, asked: bool) -> Self {
        let last = layout.modules.last();
        Self {
            module: last.is_some_and(|m| m.class() == head::LOGIT_SCORE),
            named: [files.id.as_str(), saved_as]
                .into_iter()
                .any(is_qwen3_reranker),
            asked,
        }
    }
}

/// Whether a model of this name is a Qwen3-Reranker, or one that others made of it.
fn is_qwen3_reranker(name: &str) -> bool {
    own_name(name).is_some_and(|own| own.to_lowercase().contains("qwen3-reranker"))
}

/// The classifier that a language model is, by the logits of its tokens; `None` where it is none,
/// or nothing says that it is to be one.
///
/// # Errors
/// The module that says which tokens cannot be read, or is behind another kind of model; the
/// tokenizer has no tokens "yes" and "no".
pub(super) fn by_tokens(
    files: &ModelFiles,
    layout: &Layout,
    described: &Described,
    evidence: Evidence,
) -> Result<Option<Classifier>> {
    let bad = |message: String| Error::model(&files.id, message);
    let module = layout.modules.last().filter(|_| evidence.module);
    let Some(table) = &described.language_head else {
        return match module {
            None => Ok(None),
            Some(_) => Err(bad(format!(
                "{}: a {} can only stand behind a language model without bent logits, which config.json does not describe",
                layout::MODULES_FILE,
                head::LOGIT_SCORE
            ))),
        };
    };
    let vocabulary = described.architecture.vocabulary;
    let (yes, no) = match module {
        Some(module) => head::settings(files, module, |s| tokens(s, vocabulary))?,
        None if evidence.named || evidence.asked => {
            let name = layout.file("tokenizer.json");
            let found = vocabulary::ids(&files.folder.join(&name), ["yes", "no"]);
            let [yes, no] = found.map_err(|m| {
                bad(format!(
                    "{name}: {m}, by which a language model judges pairs"
                ))
            })?;
            (yes, Some(no))
        }
        None => return Ok(None),
    };
    let beyond = [Some(yes), no].into_iter().flatten();
    if let Some(id) = beyond.into_iter().find(|&id| id as usize >= vocabulary) {
        return Err(bad(format!(
            "the token {id} is beyond a vocabulary of {vocabulary}"
        )));
    }
    Ok(Some(Classifier::of_tokens(table, vocabulary, yes, no)))
}

/// The tokens that a [`head::LOGIT_SCORE`] reads the logits of.
fn tokens(
    fields: &head::Fields,
    vocabulary: usize,
) -> std::result::Result<(u32, Option<u32>), String> {
    let input = fields.get("module_input_name").filter(|v| !v.is_null());
    if let Some(other) = input.filter(|name| *name != "causal_logits") {
        return Err(format!(
            "module_input_name {other} is not supported; causal_logits is"
        ));
    }
    let id = |key: &str| -> std::result::Result<Option<u32>, String> {
        let Some(value) = fields.get(key).filter(|v| !v.is_null()) else {
            return Ok(None);
        };
        let id = value.as_u64().filter(|&id| id < vocabulary as u64);
        let id = id.and_then(|id| u32::try_from(id).ok());
        id.map(Some)
            .ok_or_else(|| format!("{key} is {value}, no token below {vocabulary}"))
    };
    let yes = id("true_token_id")?.ok_or("true_token_id is missing")?;
    Ok((yes, id("false_token_id")?))
}

/// Reads what a model that judges by `classifier` says of itself; `config` is its `config.json`.
///
/// As sentence-transformers 6 has it in `cross_encoder/model.py`: the activation stands in the
/// model's own settings, in `config.json` of newer or of older versions; else it is the logistic
/// function for one label and nothing for several.
///
/// # Errors
/// A file is malformed, or names an activation that is not supported; pairs cannot be written as
/// the model's files say.
pub(super) fn of(
    files: &ModelFiles,
    layout: &Layout,
    config: &str,
    classifier: &Classifier,
    evidence: Evidence,
    asked: Asked<'_>,
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
    let labels = classifier.labels;
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
    let prompt = match asked.prompt {
        Some(prompt) => prompt.to_string(),
        None => prompts::default_of(files)?,
    };
    let sentence_name = config::sentence_file(files, layout);
    let form = Form {
        files,
        layout,
        tokenizer: &tokenizer,
        sentence: &optional(&sentence_name)?,
        sentence_name: &sentence_name,
        prompt: &prompt,
    };
    let mut written = form.own()?;
    // Its own files come first, as far as they write a pair.
    let assumed = evidence.named || (classifier.of_tokens && !evidence.module);
    let by_name = written.is_none() && assumed;
    if by_name {
        let qwen3 = config.get("model_type").is_some_and(|kind| kind == "qwen3");
        if !qwen3 {
            return Err(Error::model(
                &files.id,
                "it writes text, and neither its chat template nor its name says how it has pairs written that it is to judge",
            ));
        }
        let given = Given {
            instruction: &prompt,
            structured: false,
            variables: Vec::new(),
        };
        let form = chat::written(chat::QWEN3, &given);
        written = Some(form.map_err(|why| Error::internal(why.message()))?);
    }
    Ok(Judge {
        labels: names(&config, labels),
        activation,
        typed: inputs.is_none_or(|all| all.iter().any(|name| name == "token_type_ids")),
        prompt,
        written,
        by_name,
        padding: classifier.padding,
    })
}

/// The files that say how pairs are written.
pub(super) fn files(layout: &Layout) -> [String; 2] {
    [layout::CHAT_TEMPLATE, layout::TOKENIZER_CONFIG].map(|name| layout.file(name))
}

/// What says how a model has pairs written.
struct Form<'a> {
    files: &'a ModelFiles,
    layout: &'a Layout,
    /// The tokenizer's settings.
    tokenizer: &'a Value,
    /// The transformer's.
    sentence: &'a Value,
    sentence_name: &'a str,
    prompt: &'a str,
}

impl Form<'_> {
    /// How the model's own files have a pair written; `None` where its tokenizer puts pairs
    /// together. As sentence-transformers 6 decides it in `base/modules/transformer.py`.
    fn own(&self) -> Result<Option<Written>> {
        let bad = |file: &str, message: String| {
            Error::model(&self.files.id, format!("{file}: {message}"))
        };
        let inputs = self
            .sentence
            .get("modality_config")
            .filter(|v| !v.is_null());
        let message = inputs.and_then(|inputs| inputs.get("message"));
        if inputs.is_some() && message.is_none() {
            return Ok(None);
        }
        let Some((file, template)) = self.template()? else {
            return match message {
                None => Ok(None),
                Some(_) => Err(bad(
                    self.sentence_name,
                    "modality_config has message, and there is no chat template".to_string(),
                )),
            };
        };
        let said = message
            .and_then(|m| m.get("format"))
            .and_then(Value::as_str);
        let given = Given {
            instruction: self.prompt,
            structured: match said {
                Some("flat") => false,
                Some("structured") => true,
                _ => chat::reads_parts(&template),
            },
            variables: self.variables().map_err(|m| bad(self.sentence_name, m))?,
        };
        match chat::written(&template, &given) {
            Ok(written) => Ok(Some(written)),
            // A template for talks, which came with the model that this one was made of.
            Err(Unfit::NoPair(_)) if message.is_none() && !names_roles(&template) => Ok(None),
            Err(why) => Err(bad(
                &file,
                format!("the chat template cannot be used: {}", why.message()),
            )),
        }
    }

    /// The chat template, and the file in which it stands.
    fn template(&self) -> Result<Option<(String, String)>> {
        let name = self.layout.file(layout::CHAT_TEMPLATE);
        if let Some(text) = layout::read(&self.files.id, &self.files.folder.join(&name))? {
            return Ok(Some((name, text)));
        }
        let own = self.tokenizer.get("chat_template");
        let text = match own {
            Some(Value::Array(named)) => {
                let default = |t: &&Value| t.get("name").is_some_and(|name| name == "default");
                named.iter().find(default).and_then(|t| t.get("template"))
            }
            other => other,
        };
        let text = text.and_then(Value::as_str);
        let name = self.layout.file(layout::TOKENIZER_CONFIG);
        Ok(text.map(|text| (name, text.to_string())))
    }

    /// What the template is given by name.
    fn variables(&self) -> std::result::Result<Vec<(String, Value)>, String> {
        let token = |name: &&str| {
            let value = self.tokenizer.get(*name)?;
            let text = value.get("content").unwrap_or(value);
            text.is_string().then(|| (name.to_string(), text.clone()))
        };
        let mut all: Vec<(String, Value)> = NAMED.iter().filter_map(token).collect();
        let kinds = self
            .sentence
            .get("processing_kwargs")
            .and_then(Value::as_object);
        for (kind, settings) in kinds.into_iter().flatten() {
            for (key, value) in settings.as_object().into_iter().flatten() {
                let harmless = match (kind.as_str(), key.as_str()) {
                    ("chat_template", "restore_suffix") => *value == Value::Bool(true),
                    (_, "truncation") => *value == Value::Bool(true) || value == "longest_first",
                    (_, "padding") => true,
                    (
                        "chat_template",
                        "chat_template" | "max_length" | "continue_final_message",
                    ) => false,
                    ("chat_template", _) => {
                        all.push((key.clone(), value.clone()));
                        true
                    }
                    // Of no text.
                    ("audio" | "image" | "video", _) => true,
                    _ => false,
                };
                if !harmless {
                    return Err(format!(
                        "processing_kwargs.{kind}.{key} {value} is not supported"
                    ));
                }
            }
        }
        Ok(all)
    }
}

/// Whether a template names the two roles of a pair.
fn names_roles(template: &str) -> bool {
    let named = |role: &str| {
        ["\"", "'"]
            .iter()
            .any(|quote| template.contains(&format!("{quote}{role}{quote}")))
    };
    named("query") && named("document")
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
