//! A model's weights, packed for the kernels.

use super::kernels::{Finish, Kernels, Packed};
use crate::encoder::relative::bucket;
use crate::error::{Error, Result};
use crate::model::{Architecture, Config, ModelFiles};
use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device};
use rayon::prelude::*;
use serde::Deserialize;

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
    layer_norm_eps: f64,
    /// MPNet's.
    #[serde(default = "buckets")]
    relative_attention_num_buckets: usize,
}

/// DistilBERT's, which its configuration does not name.
fn eps() -> f64 {
    1e-12
}

fn buckets() -> usize {
    32
}

/// Gain and bias of a LayerNorm.
pub(super) struct NormWeights {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// One layer: attention, its output and norm, the feed-forward pair and its norm.
pub(super) struct Layer {
    pub qkv: Packed,
    pub output: Packed,
    pub norm: NormWeights,
    pub up: Packed,
    pub down: Packed,
    pub last_norm: NormWeights,
}

/// A transformer of the BERT family.
pub(super) struct Weights {
    pub hidden: usize,
    pub heads: usize,
    pub intermediate: usize,
    pub eps: f32,
    pub activation: Finish,
    /// (tokens of the vocabulary, hidden).
    pub words: Vec<f32>,
    /// (positions, hidden), with the token type's embedding added; the first row is that of a
    /// text's first token.
    pub positions: Vec<f32>,
    pub norm: NormWeights,
    pub layers: Vec<Layer>,
    /// MPNet's relative bias: for each head, what is added to scores by the key's position
    /// less the query's, from `1 - longest` to `longest - 1`.
    pub bias: Option<RelativeBias>,
}

/// See [`Weights::bias`].
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

/// Reads tensors by name, each of the shape asked for and all of finite numbers.
struct Reader<'a> {
    tensors: BufferedSafetensors,
    prefix: &'static str,
    bad: &'a (dyn Fn(String) -> Error + Sync),
}

impl Reader<'_> {
    fn has(&self, name: &str) -> bool {
        self.tensors.get(&format!("{}{name}", self.prefix)).is_ok()
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>> {
        let name = format!("{}{name}", self.prefix);
        let view = self
            .tensors
            .get(&name)
            .map_err(|_| (self.bad)(format!("there is no tensor {name:?}")))?;
        Ok(view.shape().to_vec())
    }

    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let found = self.shape(name)?;
        let name = format!("{}{name}", self.prefix);
        if found != shape {
            return Err((self.bad)(format!(
                "does not fit config.json (tensor {name:?} has the shape {found:?}, not {shape:?})"
            )));
        }
        let values: Vec<f32> = self
            .tensors
            .load(&name, &Device::Cpu)
            .and_then(|t| t.to_dtype(DType::F32)?.flatten_all()?.to_vec1())
            .map_err(|e| (self.bad)(format!("tensor {name:?}: {e}")))?;
        if values.iter().any(|x| !x.is_finite()) {
            return Err((self.bad)(format!(
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

impl Weights {
    /// Reads and packs a model's weights.
    ///
    /// # Errors
    /// The file is damaged, has other tensors than the configuration says, or one that holds a
    /// value that is no finite number.
    pub fn load(files: &ModelFiles, config: &Config, kernels: &Kernels) -> Result<Self> {
        let path = files.folder.join("model.safetensors");
        let bad =
            |message: String| Error::model(&files.id, format!("{}: {message}", path.display()));
        let shape: Shape = serde_json::from_str(&config.json)
            .map_err(|e| Error::model(&files.id, format!("config.json: {e}")))?;
        let (hidden, heads) = (shape.hidden_size, shape.num_attention_heads);
        if heads == 0 || hidden % heads != 0 || (hidden / heads) % 2 != 0 {
            return Err(Error::model(
                &files.id,
                format!("config.json: {heads} heads do not fit a hidden size of {hidden}"),
            ));
        }
        let activation = match shape.hidden_act.as_str() {
            "gelu" => Finish::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_approximate" => Finish::GeluTanh,
            "relu" => Finish::Relu,
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
        let tensors = BufferedSafetensors::new(bytes).map_err(|e| {
            let reason = e.to_string();
            bad(format!(
                "truncated or damaged ({})",
                reason.lines().next().unwrap_or("")
            ))
        })?;
        let mut reader = Reader {
            tensors,
            prefix: "",
            bad: &bad,
        };
        let table = "embeddings.word_embeddings.weight";
        if let Some(prefix) = ["", "bert.", "roberta.", "mpnet.", "distilbert."]
            .into_iter()
            .find(|p| reader.tensors.get(&format!("{p}{table}")).is_ok())
        {
            reader.prefix = prefix;
        }
        let names = match config.architecture {
            Architecture::Bert | Architecture::Roberta => BERT,
            Architecture::DistilBert => DISTILBERT,
            Architecture::Mpnet => MPNET,
        };

        let vocabulary = reader.shape(table)?.first().copied().unwrap_or(0);
        let words = reader.read(table, &[vocabulary, hidden])?;
        let name = "embeddings.position_embeddings.weight";
        let rows = reader.shape(name)?.first().copied().unwrap_or(0);
        let mut positions = reader.read(name, &[rows, hidden])?;
        positions.drain(..(config.first_position * hidden).min(positions.len()));
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
        if positions.len() / hidden < config.max_tokens {
            return Err(bad(format!(
                "has {} positions, fewer than the {} tokens of a text",
                positions.len() / hidden,
                config.max_tokens
            )));
        }
        let norm = reader.norm("embeddings.LayerNorm", hidden)?;
        let layers = (0..shape.num_hidden_layers)
            .into_par_iter()
            .map(|i| layer(&reader, &names, i, &shape, kernels))
            .collect::<Result<_>>()?;
        let bias = match config.architecture {
            Architecture::Mpnet => Some(relative_bias(&reader, &shape, config.max_tokens)?),
            _ => None,
        };
        Ok(Self {
            hidden,
            heads,
            intermediate: shape.intermediate_size,
            eps: shape.layer_norm_eps as f32,
            activation,
            words,
            positions,
            norm,
            layers,
            bias,
        })
    }

    /// The most tokens of a text.
    pub fn longest(&self) -> usize {
        let positions = self.positions.len() / self.hidden;
        self.bias
            .as_ref()
            .map_or(positions, |bias| bias.longest.min(positions))
    }

    /// Multiplications and additions for one token, those of the attention left out.
    pub fn operations(&self) -> usize {
        let (h, i) = (self.hidden, self.intermediate);
        2 * self.layers.len() * (4 * h * h + 2 * h * i)
    }
}

fn layer(
    reader: &Reader<'_>,
    names: &Names,
    i: usize,
    shape: &Shape,
    kernels: &Kernels,
) -> Result<Layer> {
    let (hidden, intermediate) = (shape.hidden_size, shape.intermediate_size);
    let name = |part: &str| format!("{}.{i}.{part}", names.layers);
    let pack = |(weights, bias): (Vec<f32>, Vec<f32>), inner: usize| {
        Packed::new(&weights, &bias, inner, kernels.format, kernels.width)
    };
    let mut weights = Vec::with_capacity(3 * hidden * hidden);
    let mut bias = Vec::with_capacity(3 * hidden);
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
    Ok(Layer {
        qkv: pack((weights, bias), hidden),
        output: pack(reader.linear(&name(names.output), hidden, hidden)?, hidden),
        norm: reader.norm(&name(names.norm), hidden)?,
        up: pack(
            reader.linear(&name(names.up), intermediate, hidden)?,
            hidden,
        ),
        down: pack(
            reader.linear(&name(names.down), hidden, intermediate)?,
            intermediate,
        ),
        last_norm: reader.norm(&name(names.last_norm), hidden)?,
    })
}

fn relative_bias(reader: &Reader<'_>, shape: &Shape, longest: usize) -> Result<RelativeBias> {
    let (heads, buckets) = (
        shape.num_attention_heads,
        shape.relative_attention_num_buckets,
    );
    let table = reader.read("encoder.relative_attention_bias.weight", &[buckets, heads])?;
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
    Ok(RelativeBias { values, longest })
}
