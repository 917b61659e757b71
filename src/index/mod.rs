//! From inputs to a corpus with vectors: read, then embed, both resumable.
//!
//! Reading stores every article and marks what is new or changed as pending; embedding takes
//! the pending ones in order, a chunk at a time, each chunk one transaction. Whatever
//! interrupts a run, the next one goes on from the last transaction and ends with the same
//! corpus, row for row. Memory holds one chunk, however large the corpus.

mod lock;
mod prepare;

use prepare::Preparer;
pub use prepare::{Prepared, article_vector, prepare};

use crate::corpus::{Article, ColumnReport, Input, Note, ReadOptions, Sink, boilerplate, read};
use crate::encoder::{Encoder, Kind};
use crate::error::{Error, Result};
use crate::store::{Added, NewPassage, Pending, Store};
use crate::store::{Embedded, EmbeddedVectors};
use lock::Lock;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How inputs become a corpus.
#[derive(Debug, Clone, Default)]
pub struct IndexOptions {
    /// How inputs are read.
    pub read: ReadOptions,
    /// Leave out files and rows that cannot be used, instead of stopping at the first.
    pub skip_bad: bool,
    /// Remove articles that came from these inputs and are no longer there.
    pub prune: bool,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Report {
    /// Articles read.
    pub read: u64,
    /// Of these, new ones.
    pub new: u64,
    /// Those whose text, title or source changed.
    pub changed: u64,
    /// Those of which only the date, address or metadata changed.
    pub described: u64,
    /// Those that were as before.
    pub same: u64,
    /// Articles removed by pruning.
    pub pruned: u64,
    /// Files and rows that were left out.
    pub bad: u64,
    /// Articles embedded.
    pub embedded: u64,
    /// Passages embedded.
    pub passages: u64,
    /// Tokens computed.
    pub tokens: u64,
    /// Paragraphs that recur in a source and are kept out of the vectors.
    pub recurring_paragraphs: u64,
    /// Time spent on reading and storing articles.
    pub reading_seconds: f64,
    /// Time spent on embedding, with storing vectors.
    pub embedding_seconds: f64,
}

/// Something that a run tells while it goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// The columns of an input.
    Columns(&'a ColumnReport),
    /// A file is read in an encoding other than UTF-8.
    Encoding {
        /// The file.
        path: &'a str,
        /// The encoding.
        encoding: &'static str,
    },
    /// A file of an unknown format is left out.
    LeftOut {
        /// The file.
        path: &'a str,
    },
    /// A file or row is left out because of a problem.
    Bad(&'a Error),
    /// So many articles have been read.
    Read {
        /// Articles read so far.
        articles: u64,
    },
    /// Reading is done, embedding begins.
    Estimate(Estimate),
    /// A chunk has been embedded and stored.
    Embedded(Progress),
}

/// What embedding will cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Articles to embed.
    pub articles: u64,
    /// Their tokens, about.
    pub tokens: u64,
    /// Tokens a second, measured on a sample; `None` where there is too little to measure.
    pub tokens_per_second: Option<f64>,
}

/// How far embedding has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Articles embedded in this run.
    pub articles: u64,
    /// Articles to embed in this run.
    pub of: u64,
    /// Tokens computed.
    pub tokens: u64,
    /// Since embedding began.
    pub elapsed: Duration,
    /// Until it is done, by the bytes that are left.
    pub left: Duration,
}

/// Articles stored in one transaction while reading, and their bytes.
const READ_ARTICLES: usize = 256;
const READ_BYTES: usize = 4 << 20;
/// Bytes of text in a chunk, for each token of the encoder's batch: several batches, so that
/// texts of like length meet, and yet only seconds of work between transactions.
const CHUNK_BYTES_PER_TOKEN: usize = 96;
const CHUNK_ARTICLES: usize = 4096;
/// Passages that the rate is measured on, and the least pending articles to measure for.
const SAMPLE_PASSAGES: usize = 8;
const SAMPLE_FROM: u64 = 64;

/// Reads the inputs into the corpus and embeds what is new or changed.
///
/// `watch` is told what happens; when `stop` is set, the run ends after the transaction at
/// hand with [`Error::Interrupted`].
///
/// # Errors
/// An input cannot be read (unless [`IndexOptions::skip_bad`] leaves it out), the corpus
/// belongs to another model or is being written to, the disk is full, the device fails.
/// Whatever was committed before stays.
pub fn index(
    store: &mut Store,
    encoder: &mut Encoder,
    inputs: &[Input],
    options: &IndexOptions,
    watch: &mut dyn FnMut(&Event<'_>),
    stop: &AtomicBool,
) -> Result<Report> {
    let _lock = Lock::take(store.path())?;
    if let Some(stored) = store.identity()? {
        store.check_model(encoder.identity())?;
        store.check_dtype(&stored, encoder.identity())?;
    }
    let mut report = Report::default();
    let started = Instant::now();
    ingest(store, inputs, options, watch, stop, &mut report)?;
    report.reading_seconds = started.elapsed().as_secs_f64();
    store.bind(encoder.identity())?;
    embed_pending(store, encoder, watch, stop, &mut report)?;
    Ok(report)
}

fn ingest(
    store: &mut Store,
    inputs: &[Input],
    options: &IndexOptions,
    watch: &mut dyn FnMut(&Event<'_>),
    stop: &AtomicBool,
    report: &mut Report,
) -> Result<()> {
    store.begin_run()?;
    let mut reader = Ingest {
        store,
        buffer: Vec::new(),
        bytes: 0,
        skip_bad: options.skip_bad,
        watch,
        stop,
        report,
    };
    let outcome = read(inputs, &options.read, &mut reader);
    // What was read before a problem is kept, so that the next run finds it done.
    let flushed = reader.flush();
    outcome?;
    flushed?;
    if options.prune {
        let origins = inputs
            .iter()
            .map(Input::origin)
            .collect::<Result<Vec<_>>>()?;
        report.pruned = store.prune(&origins)?;
    }
    report.recurring_paragraphs = store.update_recurring()?;
    Ok(())
}

struct Ingest<'a> {
    store: &'a mut Store,
    buffer: Vec<Article>,
    bytes: usize,
    skip_bad: bool,
    watch: &'a mut dyn FnMut(&Event<'_>),
    stop: &'a AtomicBool,
    report: &'a mut Report,
}

impl Ingest<'_> {
    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let articles = std::mem::take(&mut self.buffer);
        self.bytes = 0;
        let outcomes = self.store.add(&articles)?;
        for (article, added) in articles.iter().zip(outcomes) {
            self.report.read += 1;
            match added {
                Added::New => self.report.new += 1,
                Added::Changed => self.report.changed += 1,
                Added::Described => self.report.described += 1,
                Added::Same => self.report.same += 1,
                Added::Repeated => {
                    self.report.read -= 1;
                    let id = article.id.as_deref().unwrap_or_default();
                    self.bad(Error::input(
                        &article.origin,
                        article.row,
                        format!("the id {id:?} stands in the input before; ids must differ, or pass --skip-bad to keep the first"),
                    ))?;
                }
            }
        }
        (self.watch)(&Event::Read {
            articles: self.report.read,
        });
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}

impl Sink for Ingest<'_> {
    fn article(&mut self, article: Article) -> Result<()> {
        self.bytes += article.text.len();
        self.buffer.push(article);
        if self.buffer.len() >= READ_ARTICLES || self.bytes >= READ_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        if !self.skip_bad {
            return Err(problem);
        }
        self.report.bad += 1;
        (self.watch)(&Event::Bad(&problem));
        Ok(())
    }

    fn note(&mut self, note: Note) {
        match &note {
            Note::Columns(report) => (self.watch)(&Event::Columns(report)),
            Note::Encoding { path, encoding } => (self.watch)(&Event::Encoding { path, encoding }),
            Note::LeftOut { path } => (self.watch)(&Event::LeftOut { path }),
        }
    }
}

/// A pending article with what the encoder is to be given for it.
struct Ready {
    id: i64,
    boilerplate: Vec<Range<usize>>,
    inputs_hash: [u8; 32],
    prepared: Option<Prepared>,
}

fn embed_pending(
    store: &mut Store,
    encoder: &mut Encoder,
    watch: &mut dyn FnMut(&Event<'_>),
    stop: &AtomicBool,
    report: &mut Report,
) -> Result<()> {
    let (articles, bytes) = store.pending_size()?;
    if articles == 0 {
        return Ok(());
    }
    watch(&Event::Estimate(estimate(store, encoder, articles, bytes)?));
    let chunk_bytes = encoder.appetite() * CHUNK_BYTES_PER_TOKEN;
    let started = Instant::now();
    let mut done_bytes = 0;
    let mut done = 0;
    loop {
        let pending = store.pending(CHUNK_ARTICLES, chunk_bytes)?;
        if pending.is_empty() {
            break;
        }
        done_bytes += pending
            .iter()
            .map(|p| p.text.len() + p.title.len())
            .sum::<usize>() as u64;
        done += pending.len() as u64;
        embed_chunk(store, encoder, &pending, report)?;
        let elapsed = started.elapsed();
        let left = elapsed.as_secs_f64() * (bytes.saturating_sub(done_bytes)) as f64
            / done_bytes.max(1) as f64;
        report.embedding_seconds = elapsed.as_secs_f64();
        watch(&Event::Embedded(Progress {
            articles: done,
            of: articles,
            tokens: report.tokens,
            elapsed,
            left: Duration::from_secs_f64(left),
        }));
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
    }
    Ok(())
}

/// What the encoder is to be given for each article; the tokenizing on all threads.
fn ready(store: &Store, encoder: &Encoder, pending: &[Pending]) -> Result<Vec<Ready>> {
    let mut articles = Vec::with_capacity(pending.len());
    for p in pending {
        let mut keys = Vec::new();
        for key in boilerplate::keys(&p.source, &p.text) {
            if store.recurs(key)? {
                keys.push(key);
            }
        }
        let spans = boilerplate::spans(&p.source, &p.text, |key| keys.contains(&key));
        articles.push((p, spans, store.inputs_hash(p.id)?));
    }
    let preparer = Preparer::new(encoder)?;
    articles
        .into_par_iter()
        .map(|(p, boilerplate, old)| {
            let prepared = preparer.prepare(&p.title, &p.text, &boilerplate)?;
            let inputs_hash = prepared.hash();
            Ok(Ready {
                id: p.id,
                boilerplate,
                inputs_hash,
                prepared: (old.as_deref() != Some(&inputs_hash[..])).then_some(prepared),
            })
        })
        .collect()
}

fn embed_chunk(
    store: &mut Store,
    encoder: &mut Encoder,
    pending: &[Pending],
    report: &mut Report,
) -> Result<()> {
    let ready = ready(store, encoder, pending)?;
    let inputs: Vec<&str> = ready
        .iter()
        .filter_map(|r| r.prepared.as_ref())
        .flat_map(|p| p.passages.iter().map(|passage| passage.input.as_str()))
        .collect();
    let vectors = encoder.encode(&inputs, Kind::Document)?;
    report.tokens += vectors.tokens as u64;
    report.passages += inputs.len() as u64;

    let mut rows = vectors.rows();
    let mut embedded = Vec::with_capacity(ready.len());
    for article in ready {
        let vectors = article.prepared.map(|prepared| {
            let passages: Vec<NewPassage> = prepared
                .passages
                .into_iter()
                .zip(&mut rows)
                .map(|(passage, vector)| NewPassage {
                    range: passage.range,
                    tokens: passage.fresh_tokens,
                    vector: vector.to_vec(),
                })
                .collect();
            report.embedded += 1;
            EmbeddedVectors {
                inputs_hash: article.inputs_hash,
                article: article_vector(passages.iter().map(|p| (p.tokens, p.vector.as_slice()))),
                passages,
            }
        });
        embedded.push(Embedded {
            id: article.id,
            boilerplate: article.boilerplate,
            vectors,
        });
    }
    store.embedded(&embedded)
}

/// Measures the rate on a few passages, so that the user knows the cost before it is paid.
fn estimate(store: &Store, encoder: &mut Encoder, articles: u64, bytes: u64) -> Result<Estimate> {
    // English takes about 4.5 bytes a token; the sample corrects it.
    let mut tokens = bytes as f64 / 4.5;
    let mut tokens_per_second = None;
    if articles >= SAMPLE_FROM {
        let sample = store.pending(SAMPLE_PASSAGES, 1 << 16)?;
        let mut inputs = Vec::new();
        let mut sample_bytes = 0;
        for pending in &sample {
            sample_bytes += pending.text.len() + pending.title.len();
            let prepared = prepare(encoder, &pending.title, &pending.text, &[])?;
            inputs.extend(prepared.passages.into_iter().map(|p| p.input));
        }
        let counted: usize = encoder
            .tokenizer()
            .encode(&inputs.iter().map(String::as_str).collect::<Vec<_>>())?
            .iter()
            .map(|t| t.ids.len())
            .sum();
        inputs.truncate(SAMPLE_PASSAGES);
        let texts: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let started = Instant::now();
        let vectors = encoder.encode(&texts, Kind::Document)?;
        tokens_per_second = Some(vectors.tokens as f64 / started.elapsed().as_secs_f64().max(1e-6));
        if sample_bytes > 0 {
            tokens = bytes as f64 * counted as f64 / sample_bytes as f64;
        }
    }
    Ok(Estimate {
        articles,
        tokens: tokens as u64,
        tokens_per_second,
    })
}
