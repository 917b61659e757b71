//! Texts in, vectors out.
//!
//! An [`Encoder`] tokenises, plans batches and normalises; a [`Backend`] runs the
//! transformer. On the CPU that is [`CpuBackend`], Nearwise's own; [`PlainBackend`] is the
//! plain reference that it is tested against, and what runs on Metal. CUDA devices have an
//! encoder of their own in builds with the feature `cuda`.

mod backend;
mod batch;
mod builder;
mod checkpoint;
mod cpu;
#[cfg(any(feature = "cuda", all(test, unix)))]
mod cuda;
mod device;
mod head;
mod options;
mod pipeline;
mod plain;
mod relative;
mod reranker;
mod run;
mod token_vectors;

pub use crate::kernels::{Dtype, DtypeChoice, Level};
pub use backend::{Backend, Call, Done, Priority, Queue};
pub use batch::{Batch, plan};
pub use builder::{EncoderBuilder, MOST_THREADS};
#[doc(hidden)]
pub use cpu::bench;
pub use cpu::{CpuBackend, CpuRate, cpu_rates};
#[cfg(all(test, unix))]
pub(crate) use cuda::twin_of;
pub use device::{DeviceChoice, OpenDevice, Place, SeenDevice, seen_devices};
pub use options::{EncodeOptions, Prompt, TextTokens, TooLong, Vectors};
pub use plain::PlainBackend;
pub use reranker::{Ranked, RerankOptions, Reranker, RerankerBuilder, Scores};
pub use token_vectors::TokenVectors;

use crate::error::{Error, Result};
use crate::guard::guarded;
use crate::model::architecture::Pooling;
use crate::model::tokens;
use crate::model::{Config, ModelFiles, Prompts, Similarity, Tokenizer, Tokens};
use std::ops::Range;
use std::sync::Arc;

/// The identity of the model that made a vector.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
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
    /// The dtype computed with.
    pub dtype: String,
}

impl Identity {
    /// The identity of a model that Nearwise does not run, for articles that bring their vectors:
    /// its name and the length of a vector. Two are the same where both are.
    pub fn external(name: &str, dim: usize) -> Self {
        Self {
            model: name.to_string(),
            revision: "external".to_string(),
            hash: format!("external:{name}:{dim}"),
            dim,
            max_tokens: 0,
            dtype: "f32".to_string(),
        }
    }
}

/// A model ready to embed texts.
///
/// Cheap to clone, and used by any number of threads at once: clones share the weights, and one
/// scheduler of the device computes queries before bulk work. The vectors of a text do not depend
/// on what else is computed at the time.
///
/// ```no_run
/// # fn main() -> nearwise::Result<()> {
/// use nearwise::Encoder;
/// use nearwise::encoder::Prompt;
///
/// let encoder = Encoder::open("sentence-transformers/all-MiniLM-L6-v2")?;
/// let vectors = encoder.encode(&["a text", "another"], Prompt::Document)?;
/// assert_eq!(vectors.rows().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Encoder {
    inner: Arc<Inner>,
    budget: usize,
}

struct Inner {
    tokenizer: Tokenizer,
    backend: Box<dyn Backend>,
    identity: Identity,
    prompts: Prompts,
    /// The values that the backend gives for a text; the identity's `dim` are kept by default.
    full_dim: usize,
    /// Whether the model itself scales them to unit length last of all.
    unit_length: bool,
    /// Whether the tokens of a prompt are pooled with the others.
    pools_prompt: bool,
    /// How tokens become one vector, each way after another; empty where nobody says.
    poolings: Vec<Pooling>,
    similarity: Similarity,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("identity", self.identity())
            .field("device", &self.device())
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// Opens a model on the device and with the dtype that suit it; see [`Encoder::builder`] for
    /// others.
    ///
    /// # Errors
    /// As [`EncoderBuilder::open`].
    pub fn open(model: &str) -> Result<Self> {
        Self::builder().model(model).open()
    }

    /// Sets out to open a model.
    pub fn builder() -> EncoderBuilder {
        EncoderBuilder::default()
    }

    /// Loads a model on a device.
    ///
    /// # Errors
    /// A file of the model is malformed or says something that is not supported; the device
    /// does not compute with that dtype.
    pub fn load(files: &ModelFiles, device: OpenDevice, dtype: DtypeChoice) -> Result<Self> {
        Self::load_on(files, Config::load(files)?, device, dtype, None)
    }

    fn load_on(
        files: &ModelFiles,
        config: Config,
        device: OpenDevice,
        dtype: DtypeChoice,
        threads: Option<usize>,
    ) -> Result<Self> {
        check_kind(files, &config)?;
        let tokenizer = Tokenizer::load(files, &config)?;
        check_prompts(&tokenizer, &config.prompts)?;
        let (backend, identity) = loaded(files, &config, device, dtype, threads)?;
        Ok(Self {
            budget: backend.token_budget(),
            inner: Arc::new(Inner {
                tokenizer,
                backend,
                identity,
                full_dim: config.full_dim,
                unit_length: config.ends_in_unit_length(),
                poolings: config.head.poolings(),
                similarity: config.similarity,
                pools_prompt: config.head.pools_prompt,
                prompts: config.prompts,
            }),
        })
    }

    /// An encoder of a tokenizer and any backend, without prompts.
    pub fn from_parts(tokenizer: Tokenizer, backend: Box<dyn Backend>, identity: Identity) -> Self {
        Self {
            budget: backend.token_budget(),
            inner: Arc::new(Inner {
                tokenizer,
                backend,
                full_dim: identity.dim,
                identity,
                prompts: Prompts::default(),
                unit_length: false,
                pools_prompt: true,
                poolings: Vec::new(),
                similarity: Similarity::default(),
            }),
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

    /// Tokens that are worth handing over in one call: where several batches are under way at a
    /// time, many of them.
    pub fn preferred_tokens(&self) -> usize {
        self.budget * self.inner.backend.batches_at_once()
    }

    /// The model's identity.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// The model's prompts by name.
    pub fn prompts(&self) -> &Prompts {
        &self.inner.prompts
    }

    /// How near two of the model's vectors are to each other, as its own files have it: the cosine for
    /// most. Corpora and searches go by the cosine whatever it is.
    pub fn similarity_fn(&self) -> Similarity {
        self.inner.similarity
    }

    /// How the model makes one vector of its tokens'; several where it puts several behind each
    /// other.
    pub fn poolings(&self) -> &[Pooling] {
        &self.inner.poolings
    }

    /// The device's name, such as `cpu` or `cuda:0`.
    pub fn device(&self) -> String {
        self.inner.backend.device()
    }

    /// The device and dtype, for people.
    pub fn about(&self) -> String {
        self.inner.backend.about()
    }

    /// What is put in front of a text.
    ///
    /// # Errors
    /// The model has no prompt of that name.
    fn prompt<'a>(&'a self, prompt: &'a Prompt) -> Result<&'a str> {
        let prompts = &self.inner.prompts;
        let text = match prompt {
            Prompt::Query => &prompts.query,
            Prompt::Document => &prompts.document,
            Prompt::Text(text) => text,
            Prompt::None => "",
            Prompt::Default => {
                let named = prompts.default.as_ref().and_then(|n| prompts.named.get(n));
                named.map_or("", String::as_str)
            }
            Prompt::Named(name) => prompts.named.get(name).ok_or_else(|| {
                let names: Vec<&str> = prompts.named.keys().map(String::as_str).collect();
                let there = if names.is_empty() {
                    "it has none".to_string()
                } else {
                    format!("it has {}", names.join(", "))
                };
                let model = &self.inner.identity.model;
                Error::parameter(
                    "prompt",
                    format!("the model {model} has no prompt {name:?}; {there}"),
                )
            })?,
        };
        Ok(text)
    }

    /// Leaves the tokens of a prompt out of the pooling, where the model asks for that. As
    /// sentence-transformers 6 counts them (`_get_prompt_length` in `base/modules/transformer.py`): those
    /// of the prompt alone, the special ones in front of it among them. `from_beginning`: whether texts
    /// that are too long lost their beginning.
    fn leave_out(&self, prompt: &str, texts: &mut [Tokens], from_beginning: bool) -> Result<()> {
        if self.inner.pools_prompt || prompt.is_empty() {
            return Ok(());
        }
        let count = self.inner.tokenizer.prompt_tokens(prompt)?;
        for text in texts {
            let lost = if from_beginning { text.cut } else { 0 };
            tokens::leave_out(&mut text.ids, count.saturating_sub(lost));
        }
        Ok(())
    }

    /// As [`Encoder::tokenize`], for [`Encoder::encode_ids`]: the tokens of a prompt are left out of the
    /// pooling where the model asks for that. With `keep_end`, the beginning of a text that is too long
    /// is cut off instead of its end.
    pub(crate) fn tokenize_to_encode<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        prompt: &Prompt,
        keep_end: bool,
    ) -> Result<Vec<Tokens>> {
        let (prompt, tokenizer) = (self.prompt(prompt)?, &self.inner.tokenizer);
        let mut tokens = if keep_end {
            tokenizer.encode_ends(prompt, texts)?
        } else {
            tokenizer.encode(prompt, texts)?
        };
        self.leave_out(prompt, &mut tokens, keep_end)?;
        Ok(tokens)
    }

    /// How many tokens the document prompt takes of every passage.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn document_prompt_tokens(&self) -> Result<usize> {
        let prompt = &self.inner.prompts.document;
        Ok(self.inner.tokenizer.offsets(prompt)?.len())
    }

    /// The token ids of texts, with the prompt in front and special tokens around, cut at the
    /// model's length.
    ///
    /// # Errors
    /// The tokenizer fails; the model has no such prompt.
    pub fn tokenize<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        prompt: Prompt,
    ) -> Result<Vec<Tokens>> {
        self.inner.tokenizer.encode(self.prompt(&prompt)?, texts)
    }

    /// Embeds texts. Vectors come in the order of the texts, and do not depend on which
    /// other texts are embedded with them: on the CPU not by a bit, elsewhere not beyond
    /// rounding.
    ///
    /// Blocks until they are there. Calls from several threads go side by side.
    ///
    /// # Errors
    /// The tokenizer or the device fails, or computes a value that is no finite number; a text
    /// is too long and [`TooLong::Refuse`] is set; an option cannot be used; the job is cancelled.
    pub fn encode<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        options: impl Into<EncodeOptions>,
    ) -> Result<Vectors> {
        self.embed(texts.len(), options.into(), |prompt, range| {
            self.inner.tokenizer.encode(prompt, &texts[range])
        })
    }

    /// As [`Encoder::encode`], for texts of which some are tokens already: what
    /// [`Encoder::tokenize`] gives for the prompt of `options`.
    pub(crate) fn encode_known(
        &self,
        texts: &[(&str, Option<&Tokens>)],
        options: impl Into<EncodeOptions>,
    ) -> Result<Vectors> {
        self.embed(texts.len(), options.into(), |prompt, range| {
            let some = &texts[range];
            let asked = some.iter().filter(|(_, known)| known.is_none());
            let asked: Vec<&str> = asked.map(|(text, _)| *text).collect();
            let mut asked = self.inner.tokenizer.encode(prompt, &asked)?.into_iter();
            let tokens = some.iter();
            Ok(tokens
                .filter_map(|(_, known)| known.cloned().or_else(|| asked.next()))
                .collect())
        })
    }

    /// The vectors of so many texts, of which `tokens` gives those of a range with the prompt in front.
    fn embed(
        &self,
        texts: usize,
        options: EncodeOptions,
        tokens: impl Fn(&str, Range<usize>) -> Result<Vec<Tokens>>,
    ) -> Result<Vectors> {
        let prompt = self.prompt(&options.prompt)?;
        self.length(&options)?;
        let (values, texts) = self.run(&options).texts(texts, |range| {
            let first = range.start;
            let mut tokens = tokens(prompt, range)?;
            self.check_lengths(&tokens, first, &options)?;
            self.leave_out(prompt, &mut tokens, false)?;
            Ok(tokens)
        })?;
        self.vectors(values, texts, &options)
    }

    /// Embeds texts that are token ids already, special tokens included, such as
    /// [`Encoder::tokenize`] gives. The prompt of `options` is not used, and all tokens are pooled, also
    /// where the model leaves those of a prompt out.
    ///
    /// # Errors
    /// As [`Encoder::encode`]; an id is not in the vocabulary, or a text has more tokens than
    /// the model takes.
    pub fn encode_ids<T: AsRef<[u32]>>(
        &self,
        texts: &[T],
        options: impl Into<EncodeOptions>,
    ) -> Result<Vectors> {
        let options = options.into();
        self.length(&options)?;
        let ids: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
        if let Some(i) = ids.iter().position(|t| t.is_empty()) {
            let message = format!("text {i} has no token");
            return Err(Error::parameter("texts", message));
        }
        let values = self.run(&options).ids(&ids)?;
        let counts = |t: &&[u32]| TextTokens {
            tokens: t.len(),
            cut: 0,
        };
        self.vectors(values, ids.iter().map(counts).collect(), &options)
    }

    /// What texts are computed with.
    fn run<'a>(&'a self, options: &'a EncodeOptions) -> run::Run<'a> {
        run::Run {
            backend: self.inner.backend.as_ref(),
            budget: self.budget,
            dim: self.inner.full_dim,
            max_tokens: self.identity().max_tokens,
            model: &self.identity().model,
            call: &options.call,
        }
    }

    /// The length of the vectors that are asked for.
    fn length(&self, options: &EncodeOptions) -> Result<usize> {
        options.length(self.inner.full_dim, self.identity().dim)
    }

    fn vectors(
        &self,
        values: Vec<f32>,
        texts: Vec<TextTokens>,
        options: &EncodeOptions,
    ) -> Result<Vectors> {
        let inner = &self.inner;
        let dim = self.length(options)?;
        Ok(Vectors {
            values: options.shape(values, inner.full_dim, dim, inner.unit_length),
            dim,
            texts,
        })
    }

    /// Fails on the first text that is too long, where that is asked for.
    fn check_lengths(
        &self,
        tokens: &[Tokens],
        first: usize,
        options: &EncodeOptions,
    ) -> Result<()> {
        if options.too_long == TooLong::Cut {
            return Ok(());
        }
        match tokens.iter().position(|t| t.cut > 0) {
            None => Ok(()),
            Some(i) => Err(Error::parameter(
                "texts",
                format!(
                    "text {} has {} tokens, and the model takes {}",
                    first + i,
                    tokens[i].ids.len() + tokens[i].cut,
                    self.identity().max_tokens
                ),
            )),
        }
    }
}

/// Fails where a model judges pairs of texts instead of embedding single ones.
fn check_kind(files: &ModelFiles, config: &Config) -> Result<()> {
    if config.judges_pairs() {
        return Err(Error::model(
            &files.id,
            "it judges pairs of texts and has no vectors to give; it is for re-ranking, and an embedding model is needed here",
        ));
    }
    Ok(())
}

/// A prompt that leaves no room for a text would be all that is embedded.
fn check_prompts(tokenizer: &Tokenizer, prompts: &Prompts) -> Result<()> {
    /// Tokens of a text that must fit behind it, as many as the shortest passage may have.
    const ROOM: usize = 8;
    for (name, prompt) in [
        ("query_prompt", &prompts.query),
        ("document_prompt", &prompts.document),
    ] {
        let taken = tokenizer.special_tokens() + tokenizer.offsets(prompt)?.len();
        let most = tokenizer.max_tokens();
        if !prompt.is_empty() && taken + ROOM > most {
            return Err(Error::parameter(
                name,
                format!("it takes {taken} of the {most} tokens that the model has for a text"),
            ));
        }
    }
    Ok(())
}

/// What a backend can be given.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The most tokens of a text.
    longest: usize,
    /// Words of the vocabulary.
    vocabulary: usize,
    /// Types of tokens.
    types: usize,
}

/// Fails on a text that would read beyond a table.
fn check_texts(texts: &[&[u32]], limits: Limits, device: &str) -> Result<()> {
    let Limits {
        longest,
        vocabulary,
        types,
    } = limits;
    let fits = |&token: &u32| {
        (tokens::id(token) as usize) < vocabulary && (tokens::kind(token) as usize) < types
    };
    for text in texts {
        if text.len() > longest || !text.iter().all(fits) {
            return Err(Error::device(
                device.to_string(),
                format!(
                    "a text of {} tokens does not fit the model: at most {longest} tokens, each below {vocabulary}",
                    text.len()
                ),
            ));
        }
    }
    Ok(())
}

/// What computes a model on a device, and the identity of what it gives.
fn loaded(
    files: &ModelFiles,
    config: &Config,
    device: OpenDevice,
    dtype: DtypeChoice,
    threads: Option<usize>,
) -> Result<(Box<dyn Backend>, Identity)> {
    // Nobody vouched for the weights of a model of the user's own.
    let load = || backend(files, config, device, dtype, threads);
    let backend = guarded(format!("model {}", files.id), load)??;
    let identity = Identity {
        model: files.id.clone(),
        revision: files.revision.clone(),
        hash: config.hash.clone(),
        dim: config.dim,
        max_tokens: config.max_tokens,
        dtype: backend.dtype().to_string(),
    };
    Ok((backend, identity))
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
    threads: Option<usize>,
) -> Result<Box<dyn Backend>> {
    let wanted = device
        .dtype(dtype)
        .map_err(|message| Error::device(device.name.clone(), message))?;
    let backend: Box<dyn Backend> = match &device.place {
        Place::Cpu => {
            let dtype = cpu::dtype(wanted, files)?;
            Box::new(CpuBackend::load(files, config, dtype)?.on_threads(threads))
        }
        Place::Metal(_) => Box::new(PlainBackend::load(files, config, device)?),
        Place::Cuda(numbers) => cuda_backend(files, config, numbers, dtype)?,
    };
    head::behind(backend, files, config)
}

#[cfg(feature = "cuda")]
fn cuda_backend(
    files: &ModelFiles,
    config: &Config,
    devices: &[usize],
    dtype: DtypeChoice,
) -> Result<Box<dyn Backend>> {
    let number = cuda::number(dtype, &config.described.architecture);
    let opener = Box::new(cuda::open);
    let backend = cuda::CudaBackend::load(files, config, devices, opener, number)?;
    Ok(Box::new(backend))
}

#[cfg(not(feature = "cuda"))]
fn cuda_backend(
    _: &ModelFiles,
    _: &Config,
    _: &[usize],
    _: DtypeChoice,
) -> Result<Box<dyn Backend>> {
    // No device of this kind can be opened in such a build.
    Err(Error::device(
        "cuda".to_string(),
        "this build has no CUDA".to_string(),
    ))
}
