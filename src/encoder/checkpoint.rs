//! A model's weights as its file has them, under the names of its family.

use super::relative::bucket;
use crate::error::{Error, Result};
use crate::guard::guarded;
use crate::model::{Architecture, Config, ModelFiles};
use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device};
use serde::Deserialize;
use std::path::PathBuf;

/// What the configuration says of a transformer, under the names of all families.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shape {
    #[serde(alias = "dim")]
    pub hidden_size: usize,
    #[serde(alias = "n_layers")]
    pub num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    pub num_attention_heads: usize,
    #[serde(alias = "hidden_dim")]
    pub intermediate_size: usize,
    #[serde(alias = "activation")]
    hidden_act: String,
    #[serde(default = "eps")]
    pub layer_norm_eps: f64,
    /// MPNet's.
    #[serde(default = "buckets")]
    relative_attention_num_buckets: usize,
}

/// The numbers of the feed-forward pair; real models have up to 32,768.
const INTERMEDIATE: usize = 262_144;
/// MPNet's buckets, which are halved twice; it has 32.
const BUCKETS: std::ops::RangeInclusive<usize> = 4..=4096;

impl Shape {
    /// What would have memory reserved before the weights show that they do not fit.
    fn check(&self) -> std::result::Result<(), String> {
        if !(1..=INTERMEDIATE).contains(&self.intermediate_size) {
            return Err(format!(
                "intermediate_size is {}; 1 to {INTERMEDIATE} can be used",
                self.intermediate_size
            ));
        }
        if !BUCKETS.contains(&self.relative_attention_num_buckets) {
            return Err(format!(
                "relative_attention_num_buckets is {}; {} to {} can be used",
                self.relative_attention_num_buckets,
                BUCKETS.start(),
                BUCKETS.end()
            ));
        }
        if !self.layer_norm_eps.is_finite() || self.layer_norm_eps < 0.0 {
            return Err(format!("layer_norm_eps is {}", self.layer_norm_eps));
        }
        Ok(())
    }
}

/// DistilBERT's, which its configuration does not name.
fn eps() -> f64 {
    1e-12
}

fn buckets() -> usize {
    32
}

/// What is done to the numbers between the feed-forward pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// GELU by the error function.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// Zero below zero.
    Relu,
}

/// Gain and bias of a LayerNorm.
pub(super) struct NormWeights {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// A linear layer: weights (columns, inner) and a bias for each column.
pub(super) type Linear = (Vec<f32>, Vec<f32>);

/// One layer: attention, its output and norm, the feed-forward pair and its norm.
pub(super) struct LayerWeights {
    /// Queries, keys and values of all heads, (3 * hidden, hidden). Queries are scaled so that
    /// 2^score is the softmax's numerator.
    pub qkv: Linear,
    pub output: Linear,
    pub norm: NormWeights,
    pub up: Linear,
    pub down: Linear,
    pub last_norm: NormWeights,
}

/// What comes before the layers.
pub(super) struct Embeddings {
    /// (tokens of the vocabulary, hidden).
    pub words: Vec<f32>,
    /// (positions, hidden), with the token type's embedding added; the first row is that of a
    /// text's first token.
    pub positions: Vec<f32>,
    pub norm: NormWeights,
}

/// MPNet's relative bias: for each head, what is added to scores by the key's position less the
/// query's, from `1 - longest` to `longest - 1`.
pub(super) struct RelativeBias {
    /// (heads, `2 * longest - 1`).
    pub values: Vec<f32>,
    /// The most tokens of a text.
    pub longest: usize,
}

/// Where a family keeps its tensors, below the model's own prefix and `layer.N`.
struct Names {
    layers: &'static str,
    query: [&'static str; 3],
    output: &'static str,
    norm: &'static str,
    up: &'static str,
    down: &'static str,
    last_norm: &'static str,
}

const BERT: Names = Names {
    layers: "encoder.layer",
    query: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    ],
    output: "attention.output.dense",
    norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    last_norm: "output.LayerNorm",
};

const MPNET: Names = Names {
    query: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    output: "attention.attn.o",
    norm: "attention.LayerNorm",
    ..BERT
};

const DISTILBERT: Names = Names {
    layers: "transformer.layer",
    query: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    output: "attention.out_lin",
    norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    last_norm: "output_layer_norm",
};

/// The words' tensor, whose name tells the model's prefix.
const WORDS: &str = "embeddings.word_embeddings.weight";

/// Reads tensors by name, each of the shape asked for and all of finite numbers.
struct Reader {
    tensors: BufferedSafetensors,
    prefix: &'static str,
    model: String,
    path: PathBuf,
}

impl Reader {
    fn bad(&self, message: impl std::fmt::Display) -> Error {
        Error::model(&self.model, format!("{}: {message}", self.path.display()))
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.get(&format!("{}{name}", self.prefix)).is_ok()
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>> {
        let name = format!("{}{name}", self.prefix);
        let view = self
            .tensors
            .get(&name)
            .map_err(|_| self.bad(format!("there is no tensor {name:?}")))?;
        Ok(view.shape().to_vec())
    }

    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let found = self.shape(name)?;
        let name = format!("{}{name}", self.prefix);
        if found != shape {
            return Err(self.bad(format!(
                "does not fit config.json (tensor {name:?} has the shape {found:?}, not {shape:?})"
            )));
        }
        let load = || {
            let tensor = self.tensors.load(&name, &Device::Cpu)?;
            tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
        };
        let values: Vec<f32> = guarded(self.path.display(), load)?
            .map_err(|e| self.bad(format!("tensor {name:?}: {e}")))?;
        if values.iter().any(|x| !x.is_finite()) {
            return Err(self.bad(format!(
                "the weights hold NaN or infinite values (tensor {name:?})"
            )));
        }
        Ok(values)
    }

    fn linear(&self, name: &str, columns: usize, inner: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        Ok((
            self.read(&format!("{name}.weight"), &[columns, inner])?,
            self.read(&format!("{name}.bias"), &[columns])?,
        ))
    }

    fn norm(&self, name: &str, hidden: usize) -> Result<NormWeights> {
        // Checkpoints from TensorFlow have the older names.
        let pick = |new: &str, old: &str| {
            let new = format!("{name}.{new}");
            if self.has(&new) {
                new
            } else {
                format!("{name}.{old}")
            }
        };
        Ok(NormWeights {
            weight: self.read(&pick("weight", "gamma"), &[hidden])?,
            bias: self.read(&pick("bias", "beta"), &[hidden])?,
        })
    }
}

/// A model's file of weights, opened; its tensors are read one by one.
pub(super) struct Checkpoint {
    pub shape: Shape,
    pub activation: Activation,
    reader: Reader,
    names: Names,
    architecture: Architecture,
    first_position: usize,
    max_tokens: usize,
}

impl Checkpoint {
    /// Opens a model's weights.
    ///
    /// # Errors
    /// The file is damaged; the configuration says what is not supported.
    pub(super) fn open(files: &ModelFiles, config: &Config) -> Result<Self> {
        let path = files.file("model.safetensors")?;
        let bad =
            |message: String| Error::model(&files.id, format!("{}: {message}", path.display()));
        let shape: Shape = serde_json::from_str(&config.json)
            .map_err(|e| Error::model(&files.id, format!("config.json: {e}")))?;
        let (hidden, heads) = (shape.hidden_size, shape.num_attention_heads);
        if heads == 0 || hidden == 0 || hidden % heads != 0 || (hidden / heads) % 2 != 0 {
            return Err(Error::model(
                &files.id,
                format!("config.json: {heads} heads do not fit a hidden size of {hidden}"),
            ));
        }
        shape
            .check()
            .map_err(|m| Error::model(&files.id, format!("config.json: {m}")))?;
        let activation = match shape.hidden_act.as_str() {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_approximate" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            other => {
                return Err(Error::model(
                    &files.id,
                    format!(
                        "config.json: the activation {other:?} is not supported; gelu, gelu_new, gelu_pytorch_tanh and relu are"
                    ),
                ));
            }
        };
        let bytes = std::fs::read(&path).map_err(|e| bad(e.to_string()))?;
        let opened = guarded(path.display(), || BufferedSafetensors::new(bytes))?;
        let tensors = opened.map_err(|e| {
            let reason = e.to_string();
            bad(format!(
                "truncated or damaged ({})",
                reason.lines().next().unwrap_or("")
            ))
        })?;
        let prefix = ["", "bert.", "roberta.", "mpnet.", "distilbert."]
            .into_iter()
            .find(|p| tensors.get(&format!("{p}{WORDS}")).is_ok())
            .unwrap_or("");
        Ok(Self {
            shape,
            activation,
            reader: Reader {
                tensors,
                prefix,
                model: files.id.clone(),
                path,
            },
            names: match config.architecture {
                Architecture::Bert | Architecture::Roberta => BERT,
                Architecture::DistilBert => DISTILBERT,
                Architecture::Mpnet => MPNET,
            },
            architecture: config.architecture,
            first_position: config.first_position,
            max_tokens: config.max_tokens,
        })
    }

    /// The embeddings of words and positions.
    ///
    /// # Errors
    /// A tensor is missing, has another shape or a value that is no finite number; there are
    /// fewer positions than a text may have tokens.
    pub(super) fn embeddings(&self) -> Result<Embeddings> {
        let (reader, hidden) = (&self.reader, self.shape.hidden_size);
        let vocabulary = reader.shape(WORDS)?.first().copied().unwrap_or(0);
        let words = reader.read(WORDS, &[vocabulary, hidden])?;
        let name = "embeddings.position_embeddings.weight";
        let rows = reader.shape(name)?.first().copied().unwrap_or(0);
        let mut positions = reader.read(name, &[rows, hidden])?;
        positions.drain(..(self.first_position * hidden).min(positions.len()));
        let name = "embeddings.token_type_embeddings.weight";
        if reader.has(name) {
            let kinds = reader.shape(name)?.first().copied().unwrap_or(0);
            let kinds = reader.read(name, &[kinds, hidden])?;
            for row in positions.chunks_exact_mut(hidden) {
                for (x, kind) in row.iter_mut().zip(&kinds) {
                    *x += kind;
                }
            }
        }
        if positions.len() / hidden < self.max_tokens {
            return Err(reader.bad(format!(
                "has {} positions, fewer than the {} tokens of a text",
                positions.len() / hidden,
                self.max_tokens
            )));
        }
        Ok(Embeddings {
            words,
            positions,
            norm: reader.norm("embeddings.LayerNorm", hidden)?,
        })
    }

    /// The layer of this number.
    ///
    /// # Errors
    /// A tensor is missing, has another shape or a value that is no finite number.
    pub(super) fn layer(&self, number: usize) -> Result<LayerWeights> {
        let (reader, names, shape) = (&self.reader, &self.names, &self.shape);
        let (hidden, intermediate) = (shape.hidden_size, shape.intermediate_size);
        let name = |part: &str| format!("{}.{number}.{part}", names.layers);
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for part in names.query {
            let (w, b) = reader.linear(&name(part), hidden, hidden)?;
            weights.extend(w);
            bias.extend(b);
        }
        // Scores come out scaled, and so that 2^score is the softmax's numerator.
        let head_dim = (hidden / shape.num_attention_heads) as f64;
        let scale = (std::f64::consts::LOG2_E / head_dim.sqrt()) as f32;
        for x in weights[..hidden * hidden]
            .iter_mut()
            .chain(&mut bias[..hidden])
        {
            *x *= scale;
        }
        Ok(LayerWeights {
            qkv: (weights, bias),
            output: reader.linear(&name(names.output), hidden, hidden)?,
            norm: reader.norm(&name(names.norm), hidden)?,
            up: reader.linear(&name(names.up), intermediate, hidden)?,
            down: reader.linear(&name(names.down), hidden, intermediate)?,
            last_norm: reader.norm(&name(names.last_norm), hidden)?,
        })
    }

    /// MPNet's relative bias, scaled as the queries are; no other family has one.
    ///
    /// # Errors
    /// As [`Checkpoint::layer`].
    pub(super) fn relative_bias(&self) -> Result<Option<RelativeBias>> {
        if self.architecture != Architecture::Mpnet {
            return Ok(None);
        }
        let (heads, buckets) = (
            self.shape.num_attention_heads,
            self.shape.relative_attention_num_buckets,
        );
        let longest = self.max_tokens;
        let table = self
            .reader
            .read("encoder.relative_attention_bias.weight", &[buckets, heads])?;
        let reach = longest as i64 - 1;
        let values = (0..heads)
            .flat_map(|head| {
                let table = &table;
                (-reach..=reach).map(move |distance| {
                    let bucket = bucket(distance, buckets);
                    table[bucket * heads + head] * std::f32::consts::LOG2_E
                })
            })
            .collect();
        Ok(Some(RelativeBias { values, longest }))
    }
}
