//! What all handlers share.

use super::auth::ApiKey;
use super::batch::Batcher;
use super::corpora::Desk;
use super::limits::{Admission, Limits, MOST_TEXTS};
use super::metrics::Metrics;
use crate::encoder::{EncodeOptions, Encoder, EncoderBuilder, Identity, Reranker, RerankerBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::job::Job;
use crate::store::{Corpus, Reader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Requests whose pairs are judged at a time: one computes while the next is tokenized.
const JUDGING: usize = 2;

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
    /// The cross-encoder; none where it is not given.
    pub rerank: Option<RerankerBuilder>,
    /// Whether articles and topics may be changed.
    pub writable: bool,
    /// What is borne.
    pub limits: Limits,
    /// The keys that clients need; without any, everybody may ask.
    pub api_keys: Vec<ApiKey>,
    /// Origins (`https://example.com`) whose pages may ask; `*` for all.
    pub cors: Vec<String>,
    /// Whether only this host can reach the server. Without keys, names that lead to it from elsewhere
    /// are then refused, as a page in a browser on this host may bring them.
    pub loopback: bool,
    /// Names of hosts that are answered to nevertheless.
    pub allow_hosts: Vec<String>,
    /// Leaves the page out.
    pub no_page: bool,
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
    /// Turns to judge pairs: each takes the whole device.
    pub(super) judging: Arc<Semaphore>,
    /// Embeds what requests give, together.
    pub(super) batcher: Batcher,
    pub(super) admission: Admission,
    pub(super) metrics: Arc<Metrics>,
    /// Cancelled when the server is told to stop: what would go on for ever, such as a stream of
    /// events, ends then.
    pub(super) stop: CancellationToken,
    /// When the server was opened, in seconds since 1970.
    pub(super) opened: u64,
}

impl App {
    /// Opens whatever is served.
    ///
    /// # Errors
    /// A corpus or a model cannot be opened.
    pub(super) fn open(options: ServeOptions) -> Result<Self> {
        check(&options)?;
        let mut corpora = Vec::new();
        for at in &options.corpora {
            corpora.push(Arc::new(Served {
                name: at.name.clone(),
                corpus: Corpus::open(&at.path)?,
                encoder: OnceLock::new(),
            }));
        }
        let encoder = Arc::new(first_encoder(&corpora, &options.encoder)?);
        let reranker = match options.rerank.clone() {
            Some(builder) => Some(Arc::new(builder.open()?)),
            None => None,
        };
        // Ready means that it computes; the first text also makes what is made once.
        encoder.encode(&["ready"], EncodeOptions::new())?;
        let metrics = Arc::new(Metrics::new()?);
        let tokens = options.limits.max_batch_tokens;
        let stop = CancellationToken::new();
        let opened = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Ok(Self {
            batcher: Batcher::new(encoder.clone(), tokens, metrics.clone())?,
            admission: Admission::new(&options.limits),
            options,
            corpora,
            encoder,
            reranker,
            metrics,
            judging: Arc::new(Semaphore::new(JUDGING)),
            desk: Desk::new(stop.clone()),
            stop,
            opened: opened.map_or(0, |t| t.as_secs()),
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
        if brings_vectors(&reader)? {
            return Err(Error::corpus(
                ErrorKind::WrongModel,
                served.corpus.path(),
                "its articles brought vectors of a model that is not run here, so a text cannot be compared with them; search by words",
            ));
        }
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

/// What a model goes by in answers. Where it lies on this host is nobody's business: of a model in a folder
/// that is the folder's name.
pub(super) fn model_name<'a>(model: &'a str, revision: &str) -> &'a str {
    let name = Path::new(model).file_name().and_then(|name| name.to_str());
    match name {
        Some(name) if revision == "local" => name,
        _ => model,
    }
}

/// The name of the model that identifies vectors or judgements.
pub(super) fn name_of(identity: &Identity) -> &str {
    model_name(&identity.model, &identity.revision)
}

/// Fails on options that cannot be used.
fn check(options: &ServeOptions) -> Result<()> {
    let mut names: Vec<&str> = options.corpora.iter().map(|c| c.name.as_str()).collect();
    names.sort_unstable();
    for name in &names {
        if name.is_empty() || name.contains(|c: char| c == '/' || c.is_control()) {
            let message = format!("{name:?} cannot be a corpus's name in addresses; give another");
            return Err(Error::parameter("corpora", message));
        }
    }
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let message = format!(
            "two corpora are called {:?}; give one another name",
            pair[0]
        );
        return Err(Error::parameter("corpora", message));
    }
    let most = options.limits.max_client_batch;
    if !(1..=MOST_TEXTS).contains(&most) {
        let message = format!("{most}; give 1 to {MOST_TEXTS}");
        return Err(Error::parameter("max_client_batch", message));
    }
    Ok(())
}

/// What embeds where nothing else is said: the encoder of the first corpus that has one.
fn first_encoder(corpora: &[Arc<Served>], builder: &EncoderBuilder) -> Result<Encoder> {
    for served in corpora {
        let reader = served.corpus.reader()?;
        if brings_vectors(&reader)? {
            continue;
        }
        let encoder = reader.encoder(builder.clone())?;
        if reader.identity()?.is_some() {
            reader.check_model(encoder.identity())?;
        }
        return Ok(encoder);
    }
    builder.clone().open()
}

/// Whether a corpus's articles brought vectors of a model that Nearwise does not run.
fn brings_vectors(reader: &Reader) -> Result<bool> {
    let identity = reader.identity()?;
    Ok(identity.is_some_and(|identity| identity.revision == "external"))
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

/// A snapshot of a corpus, whose reading ends when the job is cancelled: a search that nobody waits for any
/// more is not finished. Blocks.
///
/// # Errors
/// The file cannot be read.
pub(super) fn snapshot(corpus: &Corpus, job: &Job) -> Result<Reader> {
    let mut reader = corpus.reader()?;
    reader.stop_with(job)?;
    Ok(reader)
}

/// Cancels a job when nobody waits for it any more.
struct Abandon(Job);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// As [`blocking`], with a job that is cancelled when the client goes.
///
/// # Errors
/// As there.
pub(super) async fn blocking_job<T: Send + 'static>(
    work: impl FnOnce(&Job) -> Result<T> + Send + 'static,
) -> Result<T> {
    let job = Job::new();
    let _abandon = Abandon(job.clone());
    blocking(move || work(&job)).await
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
