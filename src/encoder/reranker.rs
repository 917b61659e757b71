//! Pairs of texts in, judgements out: cross-encoders, which read a query together with each text
//! and order texts better than vectors do, at a transformer's run for each.

mod raw;

use super::builder::{Opening, opening_setters};
use super::run::Run;
use super::{
    Backend, Call, DeviceChoice, DtypeChoice, Identity, OpenDevice, Priority, TextTokens, loaded,
};
use crate::corpus::passages::{Tokenized, Window, split};
use crate::error::{Error, Result};
use crate::job::{Job, NoteKind};
use crate::model::{Config, DEFAULT_RERANKER, Judge, ModelFiles, PairForm, Tokenizer};
use std::ops::Range;
use std::sync::Arc;

/// A model ready to judge pairs of texts.
///
/// Cheap to clone, and used by any number of threads at once, as an
/// [`Encoder`](crate::Encoder) is.
///
/// ```no_run
/// # fn main() -> nearwise::Result<()> {
/// use nearwise::Reranker;
/// use nearwise::encoder::RerankOptions;
///
/// let reranker = Reranker::open("cross-encoder/ms-marco-MiniLM-L6-v2")?;
/// let texts = ["The bank cut its rate.", "A goal in the last minute."];
/// let ranked = reranker.rerank("interest rates", &texts, &RerankOptions::new())?;
/// assert_eq!(ranked[0].index, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Reranker {
    inner: Arc<Inner>,
}

struct Inner {
    tokenizer: Tokenizer,
    backend: Box<dyn Backend>,
    identity: Identity,
    judge: Judge,
    form: PairForm,
}

impl std::fmt::Debug for Reranker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reranker")
            .field("identity", self.identity())
            .field("device", &self.device())
            .finish_non_exhaustive()
    }
}

/// What a re-ranker is opened with; see [`Reranker::builder`].
#[derive(Debug, Clone, Default)]
pub struct RerankerBuilder {
    opening: Opening,
    prompt: Option<String>,
}

impl RerankerBuilder {
    /// The model: the name of a known one, a folder, or a hub id (`OWNER/NAME`, with `@REVISION`
    /// if wanted). [`DEFAULT_RERANKER`] where none is given.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.opening.model = Some(name.into());
        self
    }

    opening_setters!();

    /// What stands in front of the first text of a pair, in place of the model's own prompt; may be
    /// empty. A language model is told by it what to judge by, such as "Given a question, find what
    /// answers it".
    #[must_use]
    pub fn prompt(mut self, prompt: Option<String>) -> Self {
        self.prompt = prompt;
        self
    }

    /// Finds, verifies and loads the model.
    ///
    /// # Errors
    /// The model cannot be found, verified or loaded, or embeds texts instead of judging pairs;
    /// the device or dtype asked for cannot be used; the job is cancelled.
    pub fn open(self) -> Result<Reranker> {
        let opening = &self.opening;
        let load = |files: &ModelFiles| Config::load_to_judge(files, self.prompt.as_deref());
        let (files, config) = opening.find(DEFAULT_RERANKER, load)?;
        let judge = judge_of(&files, &config)?;
        if judge.by_name {
            let note = format!(
                "the model {} is taken for a Qwen3-Reranker, whose form pairs are written in",
                files.id
            );
            opening.job.note(NoteKind::Model, note);
        }
        self.opening.load(|device, dtype, threads| {
            Reranker::load_on(&files, &config, judge.clone(), device, dtype, threads)
        })
    }
}

/// How a model judges pairs; fails where it does not.
fn judge_of(files: &ModelFiles, config: &Config) -> Result<Judge> {
    config.judge.clone().ok_or_else(|| {
        Error::model(
            &files.id,
            "it embeds single texts and cannot re-rank; a model that judges pairs of texts is needed here (a cross-encoder, whose config.json names an architecture ForSequenceClassification, or a language model such as Qwen3-Reranker)",
        )
    })
}

/// How texts are re-ranked.
#[derive(Debug, Clone, Default)]
pub struct RerankOptions {
    top: Option<usize>,
    passages: bool,
    label: Option<String>,
    call: Call,
}

impl RerankOptions {
    /// All of the texts, each cut where it is too long, before bulk work.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only so many of the best.
    #[must_use]
    pub fn top(mut self, top: Option<usize>) -> Self {
        self.top = top;
        self
    }

    /// Judges a text that the model does not take whole by the best of its passages, instead of
    /// by its beginning.
    #[must_use]
    pub fn passages(mut self, yes: bool) -> Self {
        self.passages = yes;
        self
    }

    /// The label whose value is the score, for a model with several.
    #[must_use]
    pub fn label(mut self, label: Option<String>) -> Self {
        self.label = label;
        self
    }

    /// Lets queries pass: for work that nobody waits for.
    #[must_use]
    pub fn bulk(mut self) -> Self {
        self.call.priority = Priority::Bulk;
        self
    }

    /// Ends the call when the job is cancelled.
    #[must_use]
    pub fn job(mut self, job: &Job) -> Self {
        self.call.job = job.clone();
        self
    }
}

/// A text at its place in the order.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Ranked {
    /// Which of the texts it is, from 0.
    pub index: usize,
    /// How well it answers the query; from 0 to 1 for most models, of any size for those whose own
    /// files say so.
    pub score: f32,
    /// The passage that the score is of, as a byte range, where it is not the whole text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passage: Option<Range<usize>>,
    /// Tokens of the query and the text that were cut off because the model takes no more.
    pub cut: usize,
}

/// Judgements of pairs of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The values, one for each label, in the order of the pairs.
    pub values: Vec<f32>,
    /// The labels' names.
    pub labels: Vec<String>,
    /// What was computed of each pair.
    pub pairs: Vec<TextTokens>,
}

impl Scores {
    /// The values of each pair, one for each label.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.labels.len())
    }
}

/// A text to judge, or a passage of one.
struct Piece<'a> {
    index: usize,
    text: std::borrow::Cow<'a, str>,
    range: Option<Range<usize>>,
}

impl Reranker {
    /// Opens a model on the device and with the dtype that suit it; see [`Reranker::builder`] for
    /// others.
    ///
    /// # Errors
    /// As [`RerankerBuilder::open`].
    pub fn open(model: &str) -> Result<Self> {
        Self::builder().model(model).open()
    }

    /// Sets out to open a model.
    pub fn builder() -> RerankerBuilder {
        RerankerBuilder::default()
    }

    fn load_on(
        files: &ModelFiles,
        config: &Config,
        judge: Judge,
        device: OpenDevice,
        dtype: DtypeChoice,
        threads: Option<usize>,
    ) -> Result<Self> {
        let tokenizer = Tokenizer::load(files, config)?;
        let form = tokenizer.pair_form(&judge)?;
        let (backend, identity) = loaded(files, config, device, dtype, threads)?;
        Ok(Self {
            inner: Arc::new(Inner {
                tokenizer,
                backend,
                identity,
                judge,
                form,
            }),
        })
    }

    /// The model's identity; its `dim` is the number of labels.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The labels' names; one for most re-rankers.
    pub fn labels(&self) -> &[String] {
        &self.inner.judge.labels
    }

    /// The device's name, such as `cpu` or `cuda:0`.
    pub fn device(&self) -> String {
        self.inner.backend.device()
    }

    /// The device and dtype, for people.
    pub fn about(&self) -> String {
        self.inner.backend.about()
    }

    /// Judges pairs of texts: a value for each label, with the activation that the model's files
    /// ask for, in the order of the pairs. A pair that is too long is cut as its tokenizer does it
    /// (`longest_first`), or at the end of the second text where a language model has pairs written as
    /// one text. Of the options, what is about ranking is not used.
    ///
    /// # Errors
    /// The tokenizer or the device fails, or computes a value that is no finite number; the job
    /// is cancelled.
    pub fn scores<A, B>(&self, pairs: &[(A, B)], options: &RerankOptions) -> Result<Scores>
    where
        A: AsRef<str> + Sync,
        B: AsRef<str> + Sync,
    {
        let (mut values, pairs) = self.logits(pairs, &options.call)?;
        values.iter_mut().for_each(|x| *x = self.activated(*x));
        Ok(Scores {
            values,
            labels: self.inner.judge.labels.clone(),
            pairs,
        })
    }

    fn activated(&self, logit: f32) -> f32 {
        self.inner.judge.activation.of(logit)
    }

    fn logits<A, B>(&self, pairs: &[(A, B)], call: &Call) -> Result<(Vec<f32>, Vec<TextTokens>)>
    where
        A: AsRef<str> + Sync,
        B: AsRef<str> + Sync,
    {
        let inner = &self.inner;
        let run = Run {
            backend: inner.backend.as_ref(),
            budget: inner.backend.token_budget(),
            dim: inner.identity.dim,
            max_tokens: inner.identity.max_tokens,
            model: &inner.identity.model,
            call,
        };
        run.texts(pairs.len(), |range| {
            inner.tokenizer.encode_as(&inner.form, &pairs[range])
        })
    }

    /// Orders texts by how well they answer a query, best first. Texts of the same score come in
    /// the order in which they were given.
    ///
    /// # Errors
    /// As [`Reranker::scores`]; the model has several labels and the options name none of them.
    pub fn rerank<S: AsRef<str> + Sync>(
        &self,
        query: &str,
        documents: &[S],
        options: &RerankOptions,
    ) -> Result<Vec<Ranked>> {
        let label = self.label(options.label.as_deref())?;
        let pieces = self.pieces(query, documents, options)?;
        let pairs: Vec<(&str, &str)> = pieces.iter().map(|p| (query, p.text.as_ref())).collect();
        let (logits, tokens) = self.logits(&pairs, &options.call)?;
        let labels = self.labels().len();
        let mut best: Vec<Option<(f32, f32, Ranked)>> = vec![None; documents.len()];
        for ((piece, logits), tokens) in pieces.iter().zip(logits.chunks_exact(labels)).zip(&tokens)
        {
            let logit = logits[label];
            let score = self.activated(logit);
            let better = |b: &(f32, f32, Ranked)| (score, logit) > (b.0, b.1);
            if best[piece.index].as_ref().is_none_or(better) {
                let ranked = Ranked {
                    index: piece.index,
                    score,
                    passage: piece.range.clone(),
                    cut: tokens.cut,
                };
                best[piece.index] = Some((score, logit, ranked));
            }
        }
        let mut best: Vec<_> = best.into_iter().flatten().collect();
        // Scores that are rounded to the same number are told apart by their logits.
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        best.truncate(options.top.unwrap_or(usize::MAX));
        Ok(best.into_iter().map(|(_, _, ranked)| ranked).collect())
    }

    /// The number of the label that texts are ranked by.
    fn label(&self, name: Option<&str>) -> Result<usize> {
        let labels = self.labels();
        let position = name.and_then(|name| labels.iter().position(|label| label == name));
        match (name, labels, position) {
            (None, [_], _) => Ok(0),
            (_, _, Some(position)) => Ok(position),
            _ => Err(Error::parameter(
                "label",
                format!(
                    "the model {} has the labels {}; name one of them to rank by",
                    self.identity().model,
                    labels.join(", ")
                ),
            )),
        }
    }

    /// What is judged: the texts, or passages of those that are too long for the model.
    fn pieces<'a, S: AsRef<str>>(
        &self,
        query: &str,
        documents: &'a [S],
        options: &RerankOptions,
    ) -> Result<Vec<Piece<'a>>> {
        let whole = |(index, text): (usize, &'a S)| Piece {
            index,
            text: text.as_ref().into(),
            range: None,
        };
        if !options.passages {
            return Ok(documents.iter().enumerate().map(whole).collect());
        }
        let tokenizer = &self.inner.tokenizer;
        let beside = tokenizer.tokens_beside(&self.inner.form, query)?;
        let window = Window::of(tokenizer.max_tokens(), beside);
        let mut out = Vec::new();
        for (index, document) in documents.iter().enumerate() {
            options.call.job.check()?;
            let text = document.as_ref();
            let tokens = tokenizer.offsets(text)?;
            let text = Tokenized {
                text,
                tokens: &tokens,
            };
            let passages = split(Tokenized::default(), text, &[], window);
            if passages.len() < 2 {
                out.push(whole((index, document)));
                continue;
            }
            out.extend(passages.into_iter().map(|passage| Piece {
                index,
                // The title that each passage begins with is empty here.
                text: passage.input.trim_start().to_string().into(),
                range: Some(passage.range),
            }));
        }
        Ok(out)
    }
}
