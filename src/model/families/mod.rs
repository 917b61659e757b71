//! Families of models: from a `config.json` to the description of an architecture and to where
//! its tensors lie. A file each; what they compute, no backend knows by name.

mod bert;
mod decoder;
mod distilbert;
mod encoder;
mod gemma3;
mod gte;
mod modernbert;
mod mpnet;
mod nomic;
mod qwen3;

use super::architecture::{
    Activation, Architecture, Module, Norm, NormKind, Place, Pooling, Rotary,
};
use super::settings::{Result, Settings};
use super::tensors::{LinearAt, NormAt, Part, TensorsAt};
use super::tokens;
use serde_json::Value;
use std::ops::RangeInclusive;

// What a configuration may ask for. Numbers far beyond those of any model of these families would
// have memory reserved before the weights show that they do not fit.
/// The numbers of a hidden state; real models have up to 8,192.
const HIDDEN: RangeInclusive<usize> = 1..=32_768;
/// Layers; real models have up to 96.
const LAYERS: RangeInclusive<usize> = 1..=512;
/// The tokens of one text; real models have up to 131,072.
const POSITIONS: RangeInclusive<usize> = 1..=262_144;
/// The numbers of the feed-forward pair; real models have up to 32,768.
const WIDTH: RangeInclusive<usize> = 1..=262_144;
/// Words; real models have up to 262,144.
const VOCABULARY: RangeInclusive<usize> = 1..=4_194_304;
/// Kinds of tokens; real models have one or two.
const TYPES: RangeInclusive<usize> = 0..=tokens::TYPES;
/// Heads; real models have up to 128.
const HEADS: RangeInclusive<usize> = 1..=1024;
/// Numbers of a head; real models have up to 256.
const HEAD: RangeInclusive<usize> = 2..=1024;
/// Labels of a classifier.
const LABELS: usize = 4096;

/// A model as its family reads its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// What it computes.
    pub architecture: Architecture,
    /// Where its weights lie.
    pub tensors: TensorsAt,
    /// The classifier of a model that judges pairs, where it is one.
    pub classifier: Option<Classifier>,
    /// The table (vocabulary, hidden) whose rows times the last state are words' logits, of a
    /// model that was saved as one that writes text.
    pub language_head: Option<String>,
}

/// What a sequence classifier does with the blocks' results.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    /// How token vectors become one.
    pub pooling: Pooling,
    /// The steps behind it, and where their weights lie; those of a [`Module::Norm`] have no bias
    /// unless the name says so.
    pub steps: Vec<(Module, StepAt)>,
    /// The numbers that come out.
    pub labels: usize,
    /// The token that pads: those at the end of a pair take no part.
    pub padding: Option<u32>,
    /// Whether a language model judges by the logits of its tokens.
    pub of_tokens: bool,
}

impl Classifier {
    /// The judgement of a model that writes text: how much likelier than `no` it is that it goes on
    /// with the token `yes`, as the difference of their logits; the logit of `yes` where there is
    /// no other. `table` is the language model's head.
    pub(super) fn of_tokens(table: &str, vocabulary: usize, yes: u32, no: Option<u32>) -> Self {
        let dense = Module::Dense {
            out: 1,
            bias: false,
            activation: Activation::Identity,
        };
        let row = |id: u32| {
            let id = id as usize;
            Part::rows(table, id..id + 1, vocabulary)
        };
        let at = StepAt::Difference {
            plus: row(yes),
            minus: no.map(row),
        };
        Self {
            pooling: Pooling::Last,
            steps: vec![(dense, at)],
            labels: 1,
            padding: None,
            of_tokens: true,
        }
    }
}

/// Where the weights of a step behind the pooling lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepAt {
    /// A dense layer's.
    Dense(LinearAt),
    /// A norm's.
    Norm(NormAt),
    /// A dense layer's of one row without a bias: a row less another.
    Difference {
        /// The row.
        plus: Part,
        /// What is taken off it.
        minus: Option<Part>,
    },
}

/// The `model_type` of each family, for messages.
const SUPPORTED: &str = "bert (also with ALiBi, as JinaBERT), camembert, distilbert, gemma3_text, modernbert, mpnet, new (GTE), nomic_bert, qwen3, roberta and xlm-roberta";

/// Describes the model of a `config.json`.
///
/// # Errors
/// In one line, without the file's name: a key is missing or has a value that cannot be used, the
/// family is not known, a key that may change the vectors is not known.
pub(super) fn describe(json: &str) -> Result<Described> {
    let settings = Settings::parse(json)?;
    single_vectors(&settings)?;
    let kind = settings.text("model_type")?;
    let described = match kind {
        Some("bert") => bert::describe(&settings, bert::Kind::Bert),
        Some("roberta" | "xlm-roberta" | "camembert") => {
            bert::describe(&settings, bert::Kind::Roberta)
        }
        Some("distilbert") => distilbert::describe(&settings),
        Some("mpnet") => mpnet::describe(&settings),
        Some("nomic_bert") => nomic::describe(&settings),
        Some("modernbert") => modernbert::describe(&settings),
        Some("new" | "gte") => gte::describe(&settings),
        Some("qwen3") => qwen3::describe(&settings),
        Some("gemma3_text") => gemma3::describe(&settings),
        Some(other) => Err(format!(
            "model_type {other:?} is not supported; {SUPPORTED} are"
        )),
        None => Err("model_type is missing".to_string()),
    }?;
    // Also where a family does not count positions from it.
    pad_id(&settings, 0)?;
    settings.nothing_unread()?;
    check(&described.architecture)?;
    Ok(described)
}

/// What the model was called where it was saved; empty where it is not said.
pub(super) fn saved_as(json: &str) -> String {
    let settings = Settings::parse(json).ok();
    let name = settings.as_ref().and_then(|s| s.get("_name_or_path"));
    name.and_then(Value::as_str).unwrap_or("").to_string()
}

/// The first of the classes that the model was saved as.
fn first_class(settings: &Settings) -> Option<&str> {
    settings.get("architectures")?.get(0)?.as_str()
}

/// The pooling of a model whose files name none, as sentence-transformers takes it: the last token
/// of what was saved as a language model, which has seen all others, unless attention goes both
/// ways; else the mean.
pub(super) fn assumed_pooling(json: &str) -> Pooling {
    let Ok(settings) = Settings::parse(json) else {
        return Pooling::Mean;
    };
    let writes = first_class(&settings).is_some_and(|name| name.ends_with("ForCausalLM"));
    if writes && settings.flag("is_causal", true) != Ok(false) {
        Pooling::Last
    } else {
        Pooling::Mean
    }
}

/// What a configuration says that earlier versions of Nearwise read otherwise, so that a model's
/// vectors are not those that they gave.
pub(super) fn read_anew(json: &str) -> Vec<&'static str> {
    let Ok(settings) = Settings::parse(json) else {
        return Vec::new();
    };
    let s = &settings;
    let kind = s.text("model_type").ok().flatten();
    let modern = kind == Some("modernbert");
    let decoder = matches!(kind, Some("qwen3" | "gemma3_text"));
    let other_eps = s.get("layer_norm_eps").is_some_and(|eps| *eps != 1e-5);
    let all = [
        (
            "is_causal false",
            decoder && s.flag("is_causal", true) == Ok(false),
        ),
        (
            "norm_eps",
            modern && s.get("norm_eps").is_none() && other_eps,
        ),
        (
            "local_rope_theta null",
            modern && s.is_null("local_rope_theta"),
        ),
    ];
    let holds = all.into_iter().filter(|(_, holds)| *holds);
    holds.map(|(name, _)| name).collect()
}

/// The class that a model was saved as, where it is one of code that came with the model, and the
/// family has no such code of which is known what it computes.
pub(super) fn own_class(json: &str) -> Option<String> {
    let settings = Settings::parse(json).ok()?;
    settings.get("auto_map")?.get("AutoModel")?;
    let stem = match settings.text("model_type").ok()?? {
        // JinaBERT's code is known.
        "bert" if settings.text("position_embedding_type") != Ok(Some("alibi")) => "Bert",
        "camembert" => "Camembert",
        "distilbert" => "DistilBert",
        "gemma3_text" => "Gemma3",
        "modernbert" => "ModernBert",
        "mpnet" => "MPNet",
        "qwen3" => "Qwen3",
        "roberta" => "Roberta",
        "xlm-roberta" => "XLMRoberta",
        _ => return None,
    };
    let name = first_class(&settings)?;
    let known = name.strip_prefix(stem).is_some_and(|rest| {
        let rest = rest.strip_prefix("Text").unwrap_or(rest);
        rest.is_empty() || TASKS.contains(&rest)
    });
    (!known).then(|| name.to_string())
}

/// What the names of HF transformers' classes end in, behind that of the family.
const TASKS: [&str; 10] = [
    "ForCausalLM",
    "ForMaskedLM",
    "ForMultipleChoice",
    "ForNextSentencePrediction",
    "ForPreTraining",
    "ForQuestionAnswering",
    "ForSequenceClassification",
    "ForTokenClassification",
    "LMHeadModel",
    "Model",
];

/// Refuses what gives a vector for each token instead of one of the text.
fn single_vectors(settings: &Settings) -> Result<()> {
    match first_class(settings) {
        Some(name) if name.to_lowercase().contains("colbert") => Err(format!(
            "architectures {name:?}: such a model has a vector for each token of a text, which is not supported; models with one vector a text are"
        )),
        _ => Ok(()),
    }
}

/// What no backend computes.
fn check(architecture: &Architecture) -> Result<()> {
    for block in &architecture.blocks {
        let a = &block.attention;
        if a.head_dim % 2 != 0 {
            return Err(format!("heads of {} numbers, which is odd", a.head_dim));
        }
        if a.heads % a.kv_heads != 0 {
            return Err(format!(
                "{} heads of queries do not share {} heads of keys",
                a.heads, a.kv_heads
            ));
        }
        if let Place::Rotary(rotary) = &a.place
            && rotary.dim() > a.head_dim
        {
            return Err(format!(
                "{} rotated numbers of heads of {}",
                rotary.dim(),
                a.head_dim
            ));
        }
    }
    Ok(())
}

/// The numbers of a head where heads share the hidden state.
fn even_share(hidden: usize, heads: usize) -> Result<usize> {
    if !hidden.is_multiple_of(heads) || !(hidden / heads).is_multiple_of(2) {
        return Err(format!(
            "{heads} heads do not fit a hidden size of {hidden}"
        ));
    }
    Ok(hidden / heads)
}

/// The scale of scores that most attention has.
fn usual_scale(head_dim: usize) -> f64 {
    1.0 / (head_dim as f64).sqrt()
}

fn layer_norm(eps: f32) -> Norm {
    Norm {
        kind: NormKind::Layer,
        eps,
    }
}

fn rms_norm(eps: f32) -> Norm {
    Norm {
        kind: NormKind::Rms,
        eps,
    }
}

fn pad_id(settings: &Settings, default: u32) -> Result<u32> {
    let most = *VOCABULARY.end();
    // Some write -1 for none.
    if settings.get("pad_token_id").and_then(Value::as_i64) == Some(-1) {
        return Ok(default);
    }
    let id = settings.optional_size(&["pad_token_id"], 0..=most)?;
    Ok(id.map_or(default, |id| id as u32))
}

/// The token that pads, where one is said.
fn padding(settings: &Settings) -> Result<Option<u32>> {
    let said = settings.get("pad_token_id").is_some();
    let id = pad_id(settings, u32::MAX)?;
    Ok(Some(id).filter(|&id| said && id != u32::MAX))
}

/// The rotation of layers of a type (`full_attention`, `sliding_attention`) or of all, whose
/// base stands under one of `flat` in older configurations and in `rope_parameters` in newer ones.
fn rotary(
    settings: &Settings,
    layers: Option<&str>,
    flat: &[&str],
    default: f64,
    dim: usize,
) -> Result<Rotary> {
    let mut theta = settings.positive(flat)?.unwrap_or(default);
    let mut divisor = 1.0;
    // Gemma's local layers are not scaled where the others are.
    let scaled = layers != Some("sliding_attention");
    let mut read = |key: &str, value: &Value| -> Result<()> {
        let kind = value.get("rope_type").or_else(|| value.get("type"));
        match kind.and_then(Value::as_str) {
            None | Some("default") => {}
            Some("linear") => {
                let factor = value.get("factor").and_then(Value::as_f64).unwrap_or(0.0);
                if !(factor.is_finite() && factor > 0.0) {
                    return Err(format!("{key}: the factor is no number above 0"));
                }
                divisor = factor;
            }
            Some(other) => {
                return Err(format!(
                    "{key}: the type {other:?} is not supported; default and linear are"
                ));
            }
        }
        match value.get("rope_theta").map(|t| t.as_f64()) {
            None => Ok(()),
            Some(Some(t)) if t > 0.0 && t.is_finite() => {
                theta = t;
                Ok(())
            }
            Some(_) => Err(format!("{key}: rope_theta is no number above 0")),
        }
    };
    if let Some(value) = settings.get("rope_parameters") {
        let own = layers.and_then(|l| value.get(l)).unwrap_or(value);
        read("rope_parameters", own)?;
    } else if let Some(value) = settings.get("rope_scaling").filter(|_| scaled) {
        read("rope_scaling", value)?;
    }
    let mut rotary = Rotary::new(theta, dim);
    for frequency in &mut rotary.frequencies {
        *frequency /= divisor;
    }
    Ok(rotary)
}

/// The types of layers, where the configuration lists them.
fn layer_types(settings: &Settings, layers: usize) -> Result<Option<Vec<String>>> {
    let Some(value) = settings.get("layer_types") else {
        return Ok(None);
    };
    let names: Option<Vec<String>> = value.as_array().map(|all| {
        all.iter()
            .map(|t| t.as_str().unwrap_or("").to_string())
            .collect()
    });
    let Some(names) = names.filter(|n| n.len() == layers) else {
        return Err(format!("layer_types does not name {layers} layers"));
    };
    for name in &names {
        if !["full_attention", "sliding_attention"].contains(&name.as_str()) {
            return Err(format!(
                "layer_types: {name:?} is not supported; full_attention and sliding_attention are"
            ));
        }
    }
    Ok(Some(names))
}

/// Whether the model was saved as one for `task`, as HF transformers names its classes.
fn saved_for(settings: &Settings, task: &str) -> bool {
    let names = settings.get("architectures").and_then(Value::as_array);
    let mut names = names.into_iter().flatten().filter_map(Value::as_str);
    names.any(|name| name.strip_suffix(task).is_some_and(|n| n.ends_with("For")))
}

/// The labels of a sequence classifier; `None` where the model is none.
fn labels(settings: &Settings) -> Result<Option<usize>> {
    if !saved_for(settings, "SequenceClassification") {
        return Ok(None);
    }
    let named = settings
        .get("id2label")
        .and_then(Value::as_object)
        .map(serde_json::Map::len);
    let labels = match named {
        Some(n) => n,
        // What HF transformers takes where nothing is said.
        None => settings
            .optional_size(&["num_labels"], 1..=LABELS)?
            .unwrap_or(2),
    };
    if (1..=LABELS).contains(&labels) {
        Ok(Some(labels))
    } else {
        Err(format!("{labels} labels; 1 to {LABELS} can be used"))
    }
}

/// A dense step with a bias.
fn dense(name: &str, out: usize, activation: Activation) -> (Module, StepAt) {
    let module = Module::Dense {
        out,
        bias: true,
        activation,
    };
    (module, StepAt::Dense(LinearAt::new(name, true)))
}
