//! What all handlers share.

use super::corpora::Desk;
use crate::encoder::{Encoder, EncoderBuilder, Reranker};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Corpus, Reader};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// A corpus to serve, and the name it goes by.
#[derive(Debug, Clone)]
pub struct CorpusAt {
    /// The name in addresses; by default that of the file without its ending.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// What is served and how.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// The corpora.
    pub corpora: Vec<CorpusAt>,
    /// The model to embed with where no corpus says one.
    pub encoder: EncoderBuilder,
    /// The cross-encoder, by name; none where it is not given.
    pub rerank: Option<String>,
    /// Whether articles and topics may be changed.
    pub writable: bool,
}

/// A corpus that is served.
pub(super) struct Served {
    pub(super) name: String,
    pub(super) corpus: Corpus,
    encoder: OnceLock<Arc<Encoder>>,
}

/// What all handlers share.
pub(super) struct App {
    pub(super) options: ServeOptions,
    pub(super) corpora: Vec<Arc<Served>>,
    /// What `/embed` and `/v1/embeddings` compute with.
    pub(super) encoder: Arc<Encoder>,
    pub(super) reranker: Option<Arc<Reranker>>,
    /// Jobs, and what is kept of each corpus.
    pub(super) desk: Desk,
}

impl App {
    /// Opens whatever is served.
    ///
    /// # Errors
    /// A corpus or a model cannot be opened.
    pub(super) fn open(options: ServeOptions) -> Result<Self> {
        let mut corpora = Vec::new();
        for at in &options.corpora {
            corpora.push(Arc::new(Served {
                name: at.name.clone(),
                corpus: Corpus::open(&at.path)?,
                encoder: OnceLock::new(),
            }));
        }
        let encoder = match corpora.first() {
            Some(first) => first.corpus.reader()?.encoder(options.encoder.clone())?,
            None => options.encoder.clone().open()?,
        };
        let encoder = Arc::new(encoder);
        let reranker = match &options.rerank {
            Some(model) => Some(Arc::new(Reranker::open(model)?)),
            None => None,
        };
        Ok(Self {
            options,
            corpora,
            encoder,
            reranker,
            desk: Desk::default(),
        })
    }

    /// The corpus of this name.
    pub(super) fn corpus(&self, name: &str) -> Option<&Arc<Served>> {
        self.corpora.iter().find(|c| c.name == name)
    }

    /// The encoder of a corpus: the server's where it made the corpus's vectors, else one of its
    /// own, opened when it is first needed. Blocks.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn encoder_of(&self, served: &Served) -> Result<Arc<Encoder>> {
        if let Some(encoder) = served.encoder.get() {
            return Ok(encoder.clone());
        }
        let reader = served.corpus.reader()?;
        let same = match reader.identity()? {
            Some(_) => reader.check_model(self.encoder.identity()).is_ok(),
            None => true,
        };
        let encoder = if same {
            self.encoder.clone()
        } else {
            Arc::new(reader.encoder(self.options.encoder.clone())?)
        };
        Ok(served.encoder.get_or_init(|| encoder).clone())
    }
}

impl Served {
    /// One view of the corpus. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn reader(&self) -> Result<Reader> {
        self.corpus.reader()
    }
}

/// Runs what blocks (reading a corpus, embedding) on a thread that may.
///
/// # Errors
/// What `work` says; it panicked.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Internal,
            "",
            "a request ended unexpectedly",
        ))
    })
}
