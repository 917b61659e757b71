//! The plain reference: candle-transformers' models on the CPU and on Metal.

mod mpnet;
mod pooling;

use super::{Backend, Call, OpenDevice, Place};
use crate::error::{Error, Result};
use crate::model::{Architecture, Config, ModelFiles, Pooling};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, distilbert, xlm_roberta};

/// The tokens of a batch on the CPU: one text of full length at a time keeps the
/// activations in the cache; see `benches/encoder.rs`.
const CPU_TOKENS: usize = 1024;
/// The tokens of a batch on a GPU.
const GPU_TOKENS: usize = 32_768;

enum Transformer {
    Bert(bert::BertModel),
    DistilBert(distilbert::DistilBertModel),
    Roberta(xlm_roberta::XLMRobertaModel),
    Mpnet(mpnet::Mpnet),
}

/// A transformer of the BERT family in f32, as candle-transformers has it.
pub struct CandleBackend {
    transformer: Transformer,
    pooling: Pooling,
    pad_id: u32,
    device: Device,
    name: String,
}

impl std::fmt::Debug for CandleBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CandleBackend")
            .field("device", &self.name)
            .finish_non_exhaustive()
    }
}

impl CandleBackend {
    /// Loads the weights of a model on a device.
    ///
    /// # Errors
    /// The weights are damaged, of other shapes than the configuration says, or hold a
    /// value that is no finite number; the device is CUDA's, which has an encoder of its own.
    pub fn load(files: &ModelFiles, config: &Config, opened: OpenDevice) -> Result<Self> {
        let device = match opened.place {
            Place::Cpu => Device::Cpu,
            Place::Metal(device) => device,
            Place::Cuda(_) => {
                return Err(Error::device(
                    opened.name,
                    "the plain reference does not run on CUDA devices".to_string(),
                ));
            }
        };
        let path = files.file("model.safetensors")?;
        let bad =
            |message: String| Error::model(&files.id, format!("{}: {message}", path.display()));
        let bytes = std::fs::read(&path).map_err(|e| bad(e.to_string()))?;
        let weights = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &device)
            .map_err(|e| bad(format!("truncated or damaged ({})", first_line(&e))))?;
        let mismatch =
            |e: candle_core::Error| bad(format!("does not fit config.json ({})", first_line(&e)));
        let transformer = match config.architecture {
            Architecture::Bert => {
                // candle-transformers has a name of its own for the tanh approximation here.
                let json = ["\"gelu_new\"", "\"gelu_pytorch_tanh\""]
                    .iter()
                    .fold(config.json.clone(), |json, name| {
                        json.replace(name, "\"geluapproximate\"")
                    });
                let parsed: bert::Config = parse(&json, files)?;
                Transformer::Bert(bert::BertModel::load(weights, &parsed).map_err(mismatch)?)
            }
            Architecture::DistilBert => {
                let parsed: distilbert::Config = parse(&config.json, files)?;
                Transformer::DistilBert(
                    distilbert::DistilBertModel::load(weights, &parsed).map_err(mismatch)?,
                )
            }
            Architecture::Roberta => {
                let parsed: xlm_roberta::Config = parse(&config.json, files)?;
                let weights =
                    if weights.contains_tensor("roberta.embeddings.word_embeddings.weight") {
                        weights.pp("roberta")
                    } else {
                        weights
                    };
                Transformer::Roberta(
                    xlm_roberta::XLMRobertaModel::new(&parsed, weights).map_err(mismatch)?,
                )
            }
            Architecture::Mpnet => {
                let parsed: mpnet::Config = parse(&config.json, files)?;
                Transformer::Mpnet(mpnet::Mpnet::load(weights, &parsed).map_err(mismatch)?)
            }
        };
        let backend = Self {
            transformer,
            pooling: config.pooling,
            pad_id: config.pad_id,
            device,
            name: opened.name,
        };
        // One token through the model shows weights that are no numbers before any article
        // is embedded with them.
        let probe = backend.forward(&[&[config.pad_id + 1]], &Call::default())?;
        if probe.iter().any(|x| !x.is_finite()) {
            return Err(bad("the weights hold NaN or infinite values".to_string()));
        }
        Ok(backend)
    }

    /// The hidden states of padded rows, (texts, longest, dim).
    fn hidden(&self, ids: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor> {
        match &self.transformer {
            Transformer::Bert(model) => model.forward(ids, &ids.zeros_like()?, Some(mask)),
            Transformer::DistilBert(model) => {
                // Here the mask is the other way round, and reaches the scores as it is.
                let (texts, longest) = mask.dims2()?;
                let hidden = mask.eq(0u32)?.reshape((texts, 1, 1, longest))?;
                model.forward(ids, &hidden)
            }
            Transformer::Roberta(model) => {
                let mask = mask.to_dtype(DType::F32)?;
                model.forward(ids, &mask, &ids.zeros_like()?, None, None, None)
            }
            Transformer::Mpnet(model) => model.forward(ids, mask),
        }
    }
}

impl Backend for CandleBackend {
    fn forward(&self, texts: &[&[u32]], _: &Call) -> Result<Vec<f32>> {
        let longest = texts.iter().map(|t| t.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(texts.len() * longest);
        let mut mask = Vec::with_capacity(texts.len() * longest);
        for text in texts {
            ids.extend_from_slice(text);
            ids.resize(ids.len() + longest - text.len(), self.pad_id);
            mask.resize(mask.len() + text.len(), 1u32);
            mask.resize(mask.len() + longest - text.len(), 0);
        }
        let shape = (texts.len(), longest);
        let compute = || {
            let ids = Tensor::from_vec(ids, shape, &self.device)?;
            let mask = Tensor::from_vec(mask, shape, &self.device)?;
            let hidden = self.hidden(&ids, &mask)?;
            let pooled = pooling::pool(&hidden, &mask.to_dtype(DType::F32)?, self.pooling)?;
            debug_assert_eq!(pooled.dim(D::Minus2)?, texts.len());
            pooled.flatten_all()?.to_vec1()
        };
        compute().map_err(|e| Error::device(&self.name, first_line(&e)).with_source(e))
    }

    fn device(&self) -> String {
        self.name.clone()
    }

    fn dtype(&self) -> &'static str {
        "f32"
    }

    fn token_budget(&self) -> usize {
        if self.device.is_cpu() {
            CPU_TOKENS
        } else {
            GPU_TOKENS
        }
    }
}

/// Reads a configuration as candle-transformers has it, which names some fields that newer
/// files leave out where they are the architecture's defaults.
fn parse<T: serde::de::DeserializeOwned>(json: &str, files: &ModelFiles) -> Result<T> {
    let bad = |e: serde_json::Error| Error::model(&files.id, format!("config.json: {e}"));
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(json).map_err(bad)?;
    for (name, default) in [
        ("position_embedding_type", serde_json::json!("absolute")),
        // Training's, not read at inference.
        ("hidden_dropout_prob", serde_json::json!(0.1)),
        ("attention_probs_dropout_prob", serde_json::json!(0.1)),
        ("initializer_range", serde_json::json!(0.02)),
    ] {
        fields.entry(name).or_insert(default);
    }
    serde_json::from_value(serde_json::Value::Object(fields)).map_err(bad)
}

fn first_line(e: &candle_core::Error) -> String {
    e.to_string().lines().next().unwrap_or("").to_string()
}
