//! Texts in, vectors out.
//!
//! An [`Encoder`] tokenises, plans batches and normalises; a [`Backend`] runs the
//! transformer. On the CPU that is [`CpuBackend`], Nearwise's own; [`CandleBackend`] is the
//! plain reference that it is tested against, and what runs on Metal. CUDA devices have an
//! encoder of their own in builds with the feature `cuda`.

mod accelerator;
mod batch;
mod candle;
mod checkpoint;
mod cpu;
#[cfg(any(feature = "cuda", all(test, unix)))]
mod cuda;
mod device;
mod dtype;
mod pipeline;
mod relative;

pub use accelerator::Accelerator;
pub use batch::{Batch, plan};
pub use candle::CandleBackend;
#[doc(hidden)]
pub use cpu::bench;
pub use cpu::{CpuBackend, Level, Products};
#[cfg(all(test, unix))]
pub(crate) use cuda::twin_of;
pub use device::{DeviceChoice, OpenDevice, Place, SeenDevice, seen_devices};
pub use dtype::{Dtype, DtypeChoice};

use crate::error::{Error, Result};
use crate::model::{Config, Fetch, ModelFiles, Tokenizer, Tokens};

/// Runs the transformer and its pooling on one batch.
///
/// The seam between what is common to all encoders and what each device does its own way.
pub trait Backend: Send {
    /// The vectors of `texts`, one after another, `dim` values each, not normalised.
    ///
    /// # Errors
    /// The device fails.
    fn forward(&mut self, texts: &[&[u32]]) -> Result<Vec<f32>>;

    /// The device's name, such as `cpu`.
    fn device(&self) -> &str;

    /// The type of number computed with, such as `f32`.
    fn dtype(&self) -> &str;

    /// Tokens of a batch, padding included, at which this backend is fastest.
    fn token_budget(&self) -> usize;

    /// Whether all texts of a batch take as many tokens as the longest.
    fn pads(&self) -> bool {
        true
    }

    /// Batches that it is best given at once.
    fn batches_at_once(&self) -> usize {
        1
    }

    /// Queues that take batches ahead of their results, for so many batches; none where
    /// [`Backend::forward`] uses all of the device by itself.
    ///
    /// # Errors
    /// A device that was not needed before cannot be opened.
    fn queues(&mut self, batches: usize) -> Result<Vec<Box<dyn Queue + '_>>> {
        let _ = batches;
        Ok(Vec::new())
    }

    /// What it computes on and with, for people.
    fn about(&self) -> String {
        format!("{}, {}", self.device(), self.dtype())
    }
}

/// A device that takes batches ahead of their results.
pub trait Queue: Send {
    /// Hands over a batch, whose texts are as for [`Backend::forward`].
    ///
    /// # Errors
    /// The device fails.
    fn submit(&mut self, texts: &[&[u32]]) -> Result<()>;

    /// Waits for the oldest batch that was not collected; its vectors as
    /// [`Backend::forward`] gives them.
    ///
    /// # Errors
    /// The device fails.
    fn collect(&mut self) -> Result<Vec<f32>>;

    /// How many batches it is best to have under way.
    fn depth(&self) -> usize;
}

/// What to compute on, and with what numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compute {
    /// The device.
    pub device: DeviceChoice,
    /// The type of number.
    pub dtype: DtypeChoice,
}

impl From<DeviceChoice> for Compute {
    fn from(device: DeviceChoice) -> Self {
        Self {
            device,
            dtype: DtypeChoice::Auto,
        }
    }
}

/// The identity of the model that made a vector.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Identity {
    /// The model's id.
    pub model: String,
    /// Its revision.
    pub revision: String,
    /// SHA-256 over what decides a vector.
    pub hash: String,
    /// The length of a vector.
    pub dim: usize,
    /// The most tokens of one text.
    pub max_tokens: usize,
    /// The type of number computed with.
    pub dtype: String,
}

/// Whether a text asks or is asked for; some models want a prompt in front of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A search query.
    Query,
    /// A document or a passage of one.
    Document,
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// The values, `dim` for each text, each vector of unit length.
    pub values: Vec<f32>,
    /// The length of a vector.
    pub dim: usize,
    /// Tokens computed, special tokens included.
    pub tokens: usize,
    /// Texts that were longer than the model's length and were cut.
    pub cut: usize,
}

impl Vectors {
    /// The vectors, one for each text.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim)
    }
}

/// A model ready to embed texts.
pub struct Encoder {
    tokenizer: Tokenizer,
    backend: Box<dyn Backend>,
    identity: Identity,
    query_prompt: String,
    document_prompt: String,
    budget: usize,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("identity", &self.identity)
            .field("device", &self.backend.device())
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// Finds, verifies and loads the model called `name` on a device, with the type of
    /// number that suits both where `compute` leaves it open.
    ///
    /// ```no_run
    /// # fn main() -> nearwise::Result<()> {
    /// use nearwise::encoder::{DeviceChoice, Encoder, Kind};
    /// use nearwise::model::{DEFAULT_MODEL, Fetch};
    ///
    /// let mut encoder = Encoder::open(DEFAULT_MODEL, DeviceChoice::Auto, Fetch::quiet())?;
    /// let vectors = encoder.encode(&["a text", "another"], Kind::Document)?;
    /// assert_eq!(vectors.rows().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The model cannot be found, verified or loaded, or the device cannot be used.
    pub fn open(name: &str, compute: impl Into<Compute>, fetch: Fetch<'_>) -> Result<Self> {
        let compute = compute.into();
        let files = crate::model::find(name, fetch)?;
        let opened = compute.device.open_for(compute.dtype)?;
        if let Some(why) = &opened.fallback {
            (fetch.say)(why);
        }
        let first_choice = !matches!(opened.place, Place::Cpu);
        match Self::load(&files, opened, compute.dtype) {
            // A device that works and yet does not hold or not compute this model.
            Err(Error::Device { device, message })
                if first_choice && compute.device == DeviceChoice::Auto =>
            {
                (fetch.say)(&format!("using the CPU: {device}: {message}"));
                Self::load(&files, OpenDevice::cpu(), compute.dtype)
            }
            other => other,
        }
    }

    /// Loads a model on a device.
    ///
    /// # Errors
    /// A file of the model is malformed or says something that is not supported; the device
    /// does not compute with that type of number.
    pub fn load(files: &ModelFiles, device: OpenDevice, dtype: DtypeChoice) -> Result<Self> {
        let config = Config::load(files)?;
        let tokenizer = Tokenizer::load(files, &config)?;
        let backend = backend(files, &config, device, dtype)?;
        let identity = Identity {
            model: files.id.clone(),
            revision: files.revision.clone(),
            hash: config.hash.clone(),
            dim: config.dim,
            max_tokens: config.max_tokens,
            dtype: backend.dtype().to_string(),
        };
        let mut encoder = Self::from_parts(tokenizer, backend, identity);
        encoder.query_prompt = config.query_prompt;
        encoder.document_prompt = config.document_prompt;
        Ok(encoder)
    }

    /// An encoder of a tokenizer and any backend.
    pub fn from_parts(tokenizer: Tokenizer, backend: Box<dyn Backend>, identity: Identity) -> Self {
        Self {
            budget: backend.token_budget(),
            tokenizer,
            backend,
            identity,
            query_prompt: String::new(),
            document_prompt: String::new(),
        }
    }

    /// Sets the tokens of a batch, padding included, in place of the backend's own number.
    #[must_use]
    pub fn with_token_budget(mut self, tokens: usize) -> Self {
        self.budget = tokens.max(1);
        self
    }

    /// Tokens of a batch, padding included.
    pub fn token_budget(&self) -> usize {
        self.budget
    }

    /// Tokens that are worth handing over at once: where several batches are under way at a
    /// time, many of them.
    pub fn appetite(&self) -> usize {
        self.budget * self.backend.batches_at_once()
    }

    /// The model's identity.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The device's name.
    pub fn device(&self) -> &str {
        self.backend.device()
    }

    /// What it computes on and with, such as `cpu, int8 by avx512-vnni`.
    pub fn about(&self) -> String {
        self.backend.about()
    }

    /// How many tokens the document prompt takes of every passage.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn document_prompt_tokens(&self) -> Result<usize> {
        Ok(self.tokenizer.offsets(&self.document_prompt)?.len())
    }

    /// Embeds texts. Vectors come in the order of the texts, and do not depend on which
    /// other texts are embedded with them: on the CPU not by a bit, elsewhere not beyond
    /// rounding.
    ///
    /// # Errors
    /// The tokenizer or the device fails, or computes a value that is no finite number.
    pub fn encode(&mut self, texts: &[&str], kind: Kind) -> Result<Vectors> {
        let prompt = match kind {
            Kind::Query => &self.query_prompt,
            Kind::Document => &self.document_prompt,
        };
        // As many batches as there are texts for, roughly: a few texts are one batch, and what
        // is one batch gains nothing from a pipeline.
        let batches = texts.len() * self.identity.max_tokens / self.budget.max(1);
        if batches > 1 {
            let queues = self.backend.queues(batches)?;
            if !queues.is_empty() {
                let vectors = pipeline::Pipeline {
                    tokenizer: &self.tokenizer,
                    prompt,
                    budget: self.budget,
                    dim: self.identity.dim,
                }
                .run(texts, queues)?;
                self.check(&vectors.values, texts.len())?;
                return Ok(vectors);
            }
        }
        self.encode_tokens(&tokens_of(&self.tokenizer, prompt, texts)?)
    }

    fn encode_tokens(&mut self, texts: &[Tokens]) -> Result<Vectors> {
        let dim = self.identity.dim;
        let mut values = vec![0.0; texts.len() * dim];
        let lengths: Vec<usize> = texts.iter().map(|t| t.ids.len()).collect();
        for batch in plan(&lengths, self.budget, self.backend.pads()) {
            let ids: Vec<&[u32]> = batch
                .texts
                .iter()
                .map(|&i| texts[i].ids.as_slice())
                .collect();
            let vectors = self.backend.forward(&ids)?;
            self.check(&vectors, ids.len())?;
            place(&batch.texts, &vectors, dim, &mut values);
        }
        Ok(Vectors {
            values,
            dim,
            tokens: lengths.iter().sum(),
            cut: texts.iter().filter(|t| t.cut > 0).count(),
        })
    }

    /// A value that is no number would be stored and would then win or lose every search.
    fn check(&self, vectors: &[f32], texts: usize) -> Result<()> {
        let message = if vectors.len() != texts * self.identity.dim {
            format!("gave {} values for {texts} texts", vectors.len())
        } else if vectors.iter().any(|x| !x.is_finite()) {
            "computed a value that is no finite number; nothing of this batch is stored".to_string()
        } else {
            return Ok(());
        };
        Err(Error::Device {
            device: self.device().to_string(),
            message: format!("model {} {message}", self.identity.model),
        })
    }
}

/// The tokens of texts, each with a prompt in front.
fn tokens_of(tokenizer: &Tokenizer, prompt: &str, texts: &[&str]) -> Result<Vec<Tokens>> {
    if prompt.is_empty() {
        return tokenizer.encode(texts);
    }
    let prompted: Vec<String> = texts.iter().map(|t| format!("{prompt}{t}")).collect();
    let prompted: Vec<&str> = prompted.iter().map(String::as_str).collect();
    tokenizer.encode(&prompted)
}

/// Puts a batch's vectors, scaled to unit length, where those of its texts belong.
fn place(texts: &[usize], vectors: &[f32], dim: usize, values: &mut [f32]) {
    for (&i, vector) in texts.iter().zip(vectors.chunks_exact(dim)) {
        let row = &mut values[i * dim..(i + 1) * dim];
        row.copy_from_slice(vector);
        normalize(row);
    }
}

/// Fails where a text is too long for a model or a token is not in its vocabulary.
fn check_texts(texts: &[&[u32]], longest: usize, vocabulary: usize, device: &str) -> Result<()> {
    for text in texts {
        if text.len() > longest || text.iter().any(|&id| id as usize >= vocabulary) {
            return Err(Error::Device {
                device: device.to_string(),
                message: format!(
                    "a text of {} tokens does not fit the model: at most {longest} tokens, each below {vocabulary}",
                    text.len()
                ),
            });
        }
    }
    Ok(())
}

/// What computes a model on a device, without a tokenizer before it.
///
/// # Errors
/// As [`Encoder::load`].
pub fn backend(
    files: &ModelFiles,
    config: &Config,
    device: OpenDevice,
    dtype: DtypeChoice,
) -> Result<Box<dyn Backend>> {
    let wanted = device.dtype(dtype).map_err(|message| Error::Device {
        device: device.name.clone(),
        message,
    })?;
    match &device.place {
        Place::Cpu => {
            let dtype = cpu::dtype(wanted, files)?;
            Ok(Box::new(CpuBackend::load(files, config, dtype)?))
        }
        Place::Metal(_) => Ok(Box::new(CandleBackend::load(files, config, device)?)),
        Place::Cuda(numbers) => cuda_backend(files, config, numbers, wanted),
    }
}

#[cfg(feature = "cuda")]
fn cuda_backend(
    files: &ModelFiles,
    config: &Config,
    devices: &[usize],
    dtype: Option<Dtype>,
) -> Result<Box<dyn Backend>> {
    let number = match dtype {
        Some(Dtype::F32) => cuda::Number::F32,
        Some(Dtype::Bf16) => cuda::Number::Bf16,
        _ => cuda::Number::F16,
    };
    let opener = Box::new(cuda::open);
    let backend = cuda::CudaBackend::load(files, config, devices, opener, number)?;
    Ok(Box::new(backend))
}

#[cfg(not(feature = "cuda"))]
fn cuda_backend(
    _: &ModelFiles,
    _: &Config,
    _: &[usize],
    _: Option<Dtype>,
) -> Result<Box<dyn Backend>> {
    // No device of this kind can be opened in such a build.
    Err(Error::Device {
        device: "cuda".to_string(),
        message: "this build has no CUDA".to_string(),
    })
}

/// Scales a vector to unit length; a vector of zeros stays as it is.
pub fn normalize(vector: &mut [f32]) {
    let norm = vector
        .iter()
        .map(|x| f64::from(*x) * f64::from(*x))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 {
        let scale = (1.0 / norm) as f32;
        for x in vector {
            *x *= scale;
        }
    }
}
