//! What becomes of token vectors: the modules behind the transformer, as sentence-transformers
//! lists them.

use super::architecture::{Activation, Module, Norm, NormKind, Pooling};
use super::families::{Classifier, StepAt};
use super::files::ModelFiles;
use super::layout::{self, MODULES_FILE};
use super::tensors::{LinearAt, NormAt};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::HashMap;

/// The most numbers that come out of a dense module; real ones have up to 8,192.
const OUT: usize = 65_536;
/// PyTorch's for a LayerNorm.
const EPS: f32 = 1e-5;

/// Pooling, and the steps behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// How token vectors become one.
    pub pooling: Pooling,
    /// Other ways in which they do, whose vectors stand behind the first one's.
    pub beside: Vec<Pooling>,
    /// Whether the tokens of a prompt are pooled with the others.
    pub pools_prompt: bool,
    /// The steps, first to last.
    pub steps: Vec<Step>,
}

/// A step behind the pooling.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it computes.
    pub module: Module,
    /// Where its weights lie, where it has some.
    pub at: Option<StepAt>,
    /// The file of its weights, by its path in the model's folder; `None` for the transformer's.
    pub file: Option<String>,
}

impl Head {
    /// A pooling and no more.
    pub fn only(pooling: Pooling) -> Self {
        Self {
            pooling,
            beside: Vec::new(),
            pools_prompt: true,
            steps: Vec::new(),
        }
    }

    /// The head of a sequence classifier, whose weights lie in the transformer's files.
    pub(super) fn of_classifier(classifier: &Classifier) -> Self {
        let steps = classifier.steps.iter().map(|(module, at)| Step {
            module: *module,
            at: Some(at.clone()),
            file: None,
        });
        Self {
            pooling: classifier.pooling,
            beside: Vec::new(),
            pools_prompt: true,
            steps: steps.collect(),
        }
    }

    /// All poolings, first to last.
    pub fn poolings(&self) -> Vec<Pooling> {
        let first = std::iter::once(self.pooling);
        first.chain(self.beside.iter().copied()).collect()
    }

    /// The numbers of a text that go into the steps, where a token has `hidden`.
    pub fn pooled(&self, hidden: usize) -> usize {
        hidden * (1 + self.beside.len())
    }

    /// The length of the vectors that come out, where a token has `hidden` numbers.
    pub fn dim(&self, hidden: usize) -> usize {
        self.steps
            .iter()
            .fold(self.pooled(hidden), |dim, step| match step.module {
                Module::Dense { out, .. } => out,
                Module::Norm(_) | Module::Normalize => dim,
            })
    }

    /// The files of the steps' weights and their settings.
    pub(super) fn files(&self) -> Vec<String> {
        let files = self.steps.iter().filter_map(|s| s.file.as_ref());
        files
            .flat_map(|f| [f.replace(WEIGHTS, CONFIG), f.clone()])
            .collect()
    }
}

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";

/// The head that the modules of a model describe; `None` where none of them pools.
///
/// # Errors
/// A module is not supported, or its settings are; the modules do not fit each other.
pub(super) fn of_modules(
    files: &ModelFiles,
    modules: &[layout::Module],
    hidden: usize,
) -> Result<Option<Head>> {
    let mut head: Option<Head> = None;
    let mut size = hidden;
    for (number, module) in modules.iter().enumerate() {
        let class = module.class();
        let bad = |message: String| Error::model(&files.id, message);
        let misplaced = || bad(format!("{MODULES_FILE}: the {class} is out of place"));
        match (class, head.as_mut()) {
            ("Transformer", None) if number == 0 => continue,
            // Of training.
            ("Dropout", _) => continue,
            // Of a model that judges pairs, which reads it.
            (LOGIT_SCORE, None) if number + 1 == modules.len() => continue,
            ("Pooling", None) => {
                let pooling = settings(files, module, |s| pooling(s, size))?;
                size = pooling.pooled(hidden);
                head = Some(pooling);
            }
            ("Normalize", Some(head)) => {
                // Older models have no file of its settings.
                if files.folder.join(module.file(CONFIG)).is_file() && !module.path.is_empty() {
                    settings(files, module, place)?;
                }
                head.steps.push(Step {
                    module: Module::Normalize,
                    at: None,
                    file: None,
                });
            }
            ("Dense", Some(head)) => {
                let dense = settings(files, module, |s| dense(s, size))?;
                if let Module::Dense { out, .. } = dense.0 {
                    size = out;
                }
                head.steps.push(step(module, dense));
            }
            ("LayerNorm", Some(head)) => {
                let norm = settings(files, module, |s| layer_norm(s, size))?;
                head.steps.push(step(module, norm));
            }
            ("Transformer" | "Pooling" | "Normalize" | "Dense" | "LayerNorm" | LOGIT_SCORE, _) => {
                return Err(misplaced());
            }
            (other, _) => return Err(bad(unknown(other))),
        }
    }
    Ok(head)
}

const MODULES: [&str; 7] = [
    "Transformer",
    "Pooling",
    "Dense",
    "LayerNorm",
    "Normalize",
    "Dropout",
    LOGIT_SCORE,
];
/// The module by which a language model judges pairs.
pub(super) const LOGIT_SCORE: &str = "LogitScore";

/// Fails on the first module that is not supported.
///
/// # Errors
/// As said.
pub(super) fn check_classes(modules: &[layout::Module]) -> std::result::Result<(), String> {
    let mut classes = modules.iter().map(layout::Module::class);
    match classes.find(|class| !MODULES.contains(class)) {
        None => Ok(()),
        Some(class) => Err(unknown(class)),
    }
}

fn unknown(class: &str) -> String {
    if class.contains('.') {
        return format!(
            "{MODULES_FILE}: the module {class} is none of sentence_transformers' own, and a model's own code is not run"
        );
    }
    format!(
        "{MODULES_FILE}: a module of type {class} is not supported; {} are",
        MODULES.join(", ")
    )
}

fn step(module: &layout::Module, (what, at): (Module, StepAt)) -> Step {
    Step {
        module: what,
        at: Some(at),
        file: Some(module.file(WEIGHTS)),
    }
}

pub(super) type Fields = HashMap<String, Value>;

/// What `parse` makes of a module's settings.
pub(super) fn settings<T>(
    files: &ModelFiles,
    module: &layout::Module,
    parse: impl Fn(&Fields) -> std::result::Result<T, String>,
) -> Result<T> {
    let name = module.file(CONFIG);
    let bad = |message: String| Error::model(&files.id, message);
    let text = layout::read(&files.id, &files.folder.join(&name))?
        .ok_or_else(|| bad(format!("{name} is missing")))?;
    let fields: std::result::Result<Fields, _> = serde_json::from_str(&text);
    let fields = fields.map_err(|e| bad(format!("{name}: {e}")))?;
    parse(&fields).map_err(|m| bad(format!("{name}: {m}")))
}

/// Fails where a key that says how many numbers go in says another than `size`.
fn fits(fields: &Fields, key: &str, size: usize) -> std::result::Result<(), String> {
    match fields.get(key).map(|v| v.as_u64()) {
        Some(n) if n != Some(size as u64) => Err(format!(
            "{key} is {}, and {size} numbers come in",
            fields[key]
        )),
        _ => Ok(()),
    }
}

/// Poolings by their names, in the order in which the vectors of several stand behind each other
/// where a file has a flag for each.
const POOLINGS: [(&str, Pooling); 6] = [
    ("cls", Pooling::Cls),
    ("max", Pooling::Max),
    ("mean", Pooling::Mean),
    ("mean_sqrt_len_tokens", Pooling::MeanSqrtLen),
    ("weightedmean", Pooling::Weighted),
    ("lasttoken", Pooling::Last),
];

/// A head of a pooling alone.
fn pooling(fields: &Fields, size: usize) -> std::result::Result<Head, String> {
    fits(fields, "word_embedding_dimension", size)?;
    fits(fields, "embedding_dimension", size)?;
    let unknown = |what: &str| {
        let all: Vec<&str> = POOLINGS.iter().map(|p| p.0).collect();
        format!("{what} is not supported; {} are", all.join(", "))
    };
    let named = |name: &str| POOLINGS.iter().find(|p| p.0 == name).map(|p| p.1);
    let mut all = Vec::new();
    // Newer files name the modes, older ones have a flag for each.
    if let Some(modes) = fields.get("pooling_mode") {
        let modes = modes.as_array().map_or(std::slice::from_ref(modes), |m| m);
        for mode in modes {
            let pooling = mode.as_str().and_then(named);
            all.push(pooling.ok_or_else(|| unknown(&format!("pooling_mode {mode}")))?);
        }
    } else {
        let flag = |name: &str| match name {
            "cls" => "pooling_mode_cls_token".to_string(),
            "max" | "mean" => format!("pooling_mode_{name}_tokens"),
            "weightedmean" => "pooling_mode_weightedmean_tokens".to_string(),
            other => format!("pooling_mode_{other}"),
        };
        let known: Vec<String> = POOLINGS.iter().map(|p| flag(p.0)).collect();
        let set = |name: &str| fields.get(name).and_then(Value::as_bool) == Some(true);
        let mut flags = fields.keys().filter(|k| k.starts_with("pooling_mode_"));
        if let Some(other) = flags.find(|k| set(k) && !known.contains(k)) {
            return Err(unknown(other));
        }
        let set = known.iter().zip(POOLINGS).filter(|(flag, _)| set(flag));
        all.extend(set.map(|(_, (_, pooling))| pooling));
        // What sentence-transformers takes where nothing is said at all.
        if !fields.keys().any(|k| k.starts_with("pooling_mode_")) {
            all.push(Pooling::Mean);
        }
    }
    // As many as there are: each would only be given again.
    if all.is_empty() || all.len() > POOLINGS.len() {
        return Err(format!("{} pooling modes are set", all.len()));
    }
    Ok(Head {
        beside: all.split_off(1),
        pools_prompt: flag(fields, "include_prompt", true)?,
        ..Head::only(all[0])
    })
}

fn dense(fields: &Fields, size: usize) -> std::result::Result<(Module, StepAt), String> {
    place(fields)?;
    fits(fields, "in_features", size)?;
    let out = fields.get("out_features").and_then(Value::as_u64);
    let out = out.and_then(|n| usize::try_from(n).ok());
    let Some(out) = out.filter(|n| (1..=OUT).contains(n)) else {
        return Err(format!("out_features is no number from 1 to {OUT}"));
    };
    let bias = flag(fields, "bias", true)?;
    let class = match fields.get("activation_function") {
        None => "torch.nn.modules.activation.Tanh",
        Some(class) => class.as_str().unwrap_or(""),
    };
    let activation = activation(class).map_err(|m| format!("activation_function {m}"))?;
    if flag(fields, "use_residual", false)? {
        return Err("use_residual true is not supported; false is".to_string());
    }
    let module = Module::Dense {
        out,
        bias,
        activation,
    };
    Ok((module, StepAt::Dense(LinearAt::new("linear", bias))))
}

/// The activation of a class of PyTorch, such as `torch.nn.modules.activation.Tanh`.
pub(super) fn activation(class: &str) -> std::result::Result<Activation, String> {
    let own = class.strip_prefix("torch.nn.").unwrap_or("");
    Ok(match own.rsplit('.').next().unwrap_or("") {
        "Identity" => Activation::Identity,
        "Tanh" => Activation::Tanh,
        "ReLU" => Activation::Relu,
        "GELU" => Activation::Gelu,
        "SiLU" => Activation::Silu,
        "Sigmoid" => Activation::Sigmoid,
        _ => {
            return Err(format!(
                "{class:?} is not supported; Identity, Tanh, ReLU, GELU, SiLU and Sigmoid of torch.nn are"
            ));
        }
    })
}

/// A yes or no.
fn flag(fields: &Fields, key: &str, default: bool) -> std::result::Result<bool, String> {
    match fields.get(key) {
        None => Ok(default),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(other) => Err(format!("{key} is {other}, neither true nor false")),
    }
}

/// Where a module takes its input from and puts its result, which may be elsewhere than at the
/// text's vector.
fn place(fields: &Fields) -> std::result::Result<(), String> {
    for key in ["module_input_name", "module_output_name"] {
        match fields.get(key) {
            None | Some(Value::Null) => {}
            Some(name) if name == "sentence_embedding" => {}
            Some(name) => {
                return Err(format!(
                    "{key} {name} is not supported; sentence_embedding is"
                ));
            }
        }
    }
    Ok(())
}

fn layer_norm(fields: &Fields, size: usize) -> std::result::Result<(Module, StepAt), String> {
    fits(fields, "dimension", size)?;
    let norm = Norm {
        kind: NormKind::Layer,
        eps: EPS,
    };
    Ok((Module::Norm(norm), StepAt::Norm(NormAt::new("norm", true))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Pooling, String> {
        let head = pooling(&serde_json::from_str(text).unwrap(), 8)?;
        assert!(head.beside.is_empty());
        Ok(head.pooling)
    }

    #[test]
    fn pooling_in_both_spellings() {
        let old = r#"{"word_embedding_dimension": 8, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
        assert_eq!(read(old), Ok(Pooling::Cls));
        assert_eq!(read(r#"{"pooling_mode": "mean"}"#), Ok(Pooling::Mean));
        assert_eq!(
            read(r#"{"pooling_mode_weightedmean_tokens": true}"#),
            Ok(Pooling::Weighted)
        );
        assert_eq!(
            read(r#"{"pooling_mode_lasttoken": true}"#),
            Ok(Pooling::Last)
        );
        let several = |text: &str| {
            let head = pooling(&serde_json::from_str(text).unwrap(), 8);
            head.map(|h| (h.poolings(), h.pooled(8)))
        };
        // In their own order where flags are set, else as they are named.
        let flags = r#"{"pooling_mode_mean_tokens": true, "pooling_mode_mean_sqrt_len_tokens": true, "pooling_mode_cls_token": true}"#;
        let expected = vec![Pooling::Cls, Pooling::Mean, Pooling::MeanSqrtLen];
        assert_eq!(several(flags), Ok((expected, 24)));
        let named = several(r#"{"pooling_mode": ["lasttoken", "cls"]}"#);
        assert_eq!(named, Ok((vec![Pooling::Last, Pooling::Cls], 16)));
        assert_eq!(
            several(r#"{"embedding_dimension": 8}"#),
            Ok((vec![Pooling::Mean], 8))
        );
        for wrong in [
            r#"{"pooling_mode": []}"#,
            r#"{"pooling_mode_cls_token": false}"#,
            r#"{"pooling_mode": ["mean", "median"]}"#,
            r#"{"pooling_mode_median_tokens": true}"#,
            r#"{"pooling_mode": ["cls", "cls", "cls", "cls", "cls", "cls", "cls"]}"#,
        ] {
            assert!(several(wrong).is_err(), "{wrong}");
        }
        assert!(read(r#"{"pooling_mode": "mean", "word_embedding_dimension": 9}"#).is_err());
        assert_eq!(read(r#"{"pooling_mode": ["mean"]}"#), Ok(Pooling::Mean));
        assert!(read(r#"{"pooling_mode": "mean", "embedding_dimension": 9}"#).is_err());
    }

    #[test]
    fn dense_modules_and_their_activations() {
        let read = |text: &str| dense(&serde_json::from_str(text).unwrap(), 8);
        let (module, _) = read(
            r#"{"in_features": 8, "out_features": 4, "bias": false, "activation_function": "torch.nn.modules.linear.Identity"}"#,
        )
        .unwrap();
        let expected = Module::Dense {
            out: 4,
            bias: false,
            activation: Activation::Identity,
        };
        assert_eq!(module, expected);
        assert!(read(r#"{"in_features": 9, "out_features": 4}"#).is_err());
        assert!(read(r#"{"in_features": 8, "out_features": 0}"#).is_err());
        let e = read(
            r#"{"in_features": 8, "out_features": 4, "activation_function": "torch.nn.Mish"}"#,
        );
        assert!(e.unwrap_err().contains("Mish"));
        let elsewhere = r#"{"in_features": 8, "out_features": 4, "module_output_name": "scores"}"#;
        assert!(read(elsewhere).unwrap_err().contains("scores"));
        let residual = r#"{"in_features": 8, "out_features": 4, "use_residual": true}"#;
        assert!(read(residual).unwrap_err().contains("use_residual"));
    }
}
