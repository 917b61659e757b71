//! One request's texts on their way to vectors.

use super::super::dialect::Fault;
use crate::encoder::{Prompt, TextTokens};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A text, or its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Text {
    /// A text.
    Text(String),
    /// Ids of the model's own vocabulary, special tokens included.
    Ids(Vec<u32>),
}

impl Text {
    /// How long it is in bytes; of ids, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Ids(ids) => ids.len() * BYTES_PER_TOKEN,
        }
    }
}

/// Bytes of a token in most texts.
pub(super) const BYTES_PER_TOKEN: usize = 4;

/// How texts are to be embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct How {
    pub(in super::super) prompt: Prompt,
    pub(in super::super) normalize: bool,
    pub(in super::super) dimensions: Option<usize>,
    /// Whether a text that is too long is cut, or refused.
    pub(in super::super) truncate: bool,
    /// Whether the beginning is cut off instead of the end.
    pub(in super::super) keep_end: bool,
}

impl How {
    /// Whether texts of both can be of one batch.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        (self.normalize, self.dimensions) == (other.normalize, other.dimensions)
    }
}

/// Where the time of a request went.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Times {
    pub(in super::super) tokenization: Duration,
    pub(in super::super) queue: Duration,
    pub(in super::super) inference: Duration,
}

/// What a request cost.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Took {
    pub(in super::super) total: Duration,
    pub(in super::super) times: Times,
    pub(in super::super) characters: usize,
    pub(in super::super) tokens: usize,
    /// Texts that were cut.
    pub(in super::super) cut: usize,
}

impl Took {
    /// What texts cost; how long all of it took is not known yet.
    pub(in super::super) fn of(times: Times, characters: usize, texts: &[TextTokens]) -> Self {
        Self {
            total: Duration::ZERO,
            times,
            characters,
            tokens: texts.iter().map(|t| t.tokens).sum(),
            cut: texts.iter().filter(|t| t.cut > 0).count(),
        }
    }
}

/// Vectors of a request's texts.
#[derive(Debug)]
pub(in super::super) struct Embedded {
    /// The values, `dim` for each text, in the order of the texts.
    pub(in super::super) values: Vec<f32>,
    pub(in super::super) dim: usize,
    pub(in super::super) texts: Vec<TextTokens>,
    pub(in super::super) times: Times,
}

impl Embedded {
    /// The vectors.
    pub(in super::super) fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim.max(1))
    }
}

type Answer = Result<Embedded, Fault>;

/// One request's texts.
pub(super) struct Work {
    pub(super) texts: Vec<Text>,
    pub(super) how: How,
    pub(super) since: Instant,
    state: Mutex<State>,
}

struct State {
    answer: Option<oneshot::Sender<Answer>>,
    /// What is there of it.
    embedded: Embedded,
    /// Texts that are not there yet.
    left: usize,
    begun: bool,
}

impl Work {
    pub(super) fn new(texts: Vec<Text>, how: How, answer: oneshot::Sender<Answer>) -> Arc<Self> {
        let n = texts.len();
        Arc::new(Self {
            how,
            since: Instant::now(),
            state: Mutex::new(State {
                answer: Some(answer),
                embedded: Embedded {
                    values: Vec::new(),
                    dim: 0,
                    texts: vec![TextTokens::default(); n],
                    times: Times::default(),
                },
                left: n,
                begun: false,
            }),
            texts,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A piece is put in whole or not at all.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody waits for it any more: it was answered, or the client has gone.
    pub(super) fn is_over(&self) -> bool {
        self.lock()
            .answer
            .as_ref()
            .is_none_or(oneshot::Sender::is_closed)
    }

    /// Notes that it waits no longer.
    pub(super) fn begin(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.begun, true) {
            state.embedded.times.queue = self.since.elapsed();
        }
    }

    /// Fails, for good.
    pub(super) fn fail(&self, fault: Fault) {
        if let Some(answer) = self.lock().answer.take() {
            // The client may have gone.
            let _ = answer.send(Err(fault));
        }
    }

    /// Takes the vectors of some texts, and answers when all are there.
    pub(super) fn deliver(&self, range: Range<usize>, part: Part<'_>) {
        let mut state = self.lock();
        let n = self.texts.len();
        let embedded = &mut state.embedded;
        embedded.times.tokenization += part.tokenization;
        embedded.times.inference += part.inference;
        embedded.texts[range.clone()].copy_from_slice(part.texts);
        embedded.dim = part.dim;
        if range.len() == n {
            embedded.values = part.values.to_vec();
        } else {
            if embedded.values.is_empty() {
                embedded.values = vec![0.0; n * part.dim];
            }
            let at = range.start * part.dim..range.end * part.dim;
            embedded.values[at].copy_from_slice(part.values);
        }
        state.left -= range.len();
        if state.left > 0 {
            return;
        }
        let Some(answer) = state.answer.take() else {
            return;
        };
        let embedded = Embedded {
            values: std::mem::take(&mut state.embedded.values),
            texts: std::mem::take(&mut state.embedded.texts),
            ..state.embedded
        };
        drop(state);
        let _ = answer.send(Ok(embedded));
    }
}

/// The vectors of some texts of a request.
pub(super) struct Part<'a> {
    pub(super) values: &'a [f32],
    pub(super) dim: usize,
    pub(super) texts: &'a [TextTokens],
    pub(super) tokenization: Duration,
    pub(super) inference: Duration,
}
