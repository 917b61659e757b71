//! Embedding what waits, and articles from outside.

use super::Report;
use super::prepare::{Prepared, Preparer, article_vector, prepare};
use super::readable::{Readable, Reads};
use crate::corpus::{Article, boilerplate};
use crate::encoder::{EncodeOptions, Encoder, Prompt};
use crate::error::Result;
use crate::job::{Event, Job, Progress, Stage};
use crate::store::{Embedded, EmbeddedVectors, NewPassage, Pending, Reader, Writer};
use rayon::prelude::*;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A chunk is as much text as is embedded in about this time, what a kill costs; one article at
/// least.
const CHUNK_TIME: Duration = Duration::from_millis(2500);
/// The text of the first chunk, before the rate is known.
const FIRST_BYTES: usize = 8 << 10;
/// The most text of a chunk, for each token of the encoder's preferred batch, which bounds
/// memory.
const BYTES_PER_TOKEN: usize = 96;
const CHUNK_ARTICLES: usize = 4096;
/// Passages that the rate is measured on, and the least pending articles to measure for.
const SAMPLE_PASSAGES: usize = 8;
const SAMPLE_FROM: u64 = 64;

impl Writer {
    /// Fails where the encoder's vectors cannot be mixed with those of the corpus.
    ///
    /// # Errors
    /// They are of another model, or computed with another dtype.
    pub fn check_encoder(&self, encoder: &Encoder) -> Result<()> {
        if let Some(stored) = self.identity()? {
            self.check_model(encoder.identity())?;
            self.check_dtype(&stored, encoder.identity())?;
        }
        Ok(())
    }

    /// Embeds the articles that wait for it, a few seconds of work at a time, each committed.
    /// A run that ends early, however it ends, is resumed by the next.
    ///
    /// # Errors
    /// The encoder's vectors cannot be mixed with those of the corpus; the device fails; the file
    /// cannot be written; the job is cancelled. What was committed before stays.
    pub fn embed(&mut self, encoder: &Encoder, job: &Job) -> Result<Report> {
        self.embed_while(encoder, job, || true)
    }

    /// As [`Writer::embed`], but ends early, without an error, when `go_on` says `false`: it is
    /// asked after every few seconds of work, all of it committed. So others can write in between.
    ///
    /// # Errors
    /// As [`Writer::embed`].
    pub fn embed_while(
        &mut self,
        encoder: &Encoder,
        job: &Job,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Report> {
        self.check_encoder(encoder)?;
        self.bind_with(encoder.identity(), Some(encoder.prompts()))?;
        let mut report = Report::default();
        let (articles, bytes) = self.pending_size()?;
        if articles == 0 {
            report.recurring_paragraphs = self.left_out()?;
            return Ok(report);
        }
        let estimate = estimate(self, encoder, articles, bytes, job)?;
        job.tell(&estimate);
        let most = encoder.preferred_tokens() * BYTES_PER_TOKEN;
        let mut chunk_bytes = match estimate {
            Event::Estimate {
                tokens,
                tokens_per_second: Some(rate),
                ..
            } => {
                let bytes_per_second = rate * bytes as f64 / tokens.max(1) as f64;
                (bytes_per_second * CHUNK_TIME.as_secs_f64()) as usize
            }
            _ => FIRST_BYTES,
        }
        .clamp(1, most);
        let started = Instant::now();
        let mut readable = Readable::new(encoder);
        let mut done_bytes = 0;
        let mut done = 0;
        loop {
            let pending = self.pending(CHUNK_ARTICLES, chunk_bytes)?;
            if pending.is_empty() {
                break;
            }
            // Where nothing is left, the run was done before it was stopped.
            job.check()?;
            let chunk_started = Instant::now();
            let size: usize = pending.iter().map(|p| p.text.len() + p.title.len()).sum();
            let computed = embed_chunk(self, encoder, &pending, job, &mut report, &mut readable)?;
            done_bytes += size as u64;
            done += pending.len() as u64;
            if computed {
                // As much as takes the time, but no leap from one odd chunk.
                let seconds = chunk_started.elapsed().as_secs_f64().max(1e-3);
                let fits = size as f64 / seconds * CHUNK_TIME.as_secs_f64();
                chunk_bytes = (fits as usize).clamp(1, 4 * chunk_bytes).min(most);
            }
            let elapsed = started.elapsed().as_secs_f64();
            report.embedding_seconds = elapsed;
            job.tell(&Event::Progress(Progress {
                stage: Stage::Embedding,
                done,
                total: Some(articles),
                tokens: report.tokens,
                seconds_left: Some(
                    elapsed * (bytes.saturating_sub(done_bytes)) as f64 / done_bytes.max(1) as f64,
                ),
            }));
            if !go_on() {
                break;
            }
        }
        readable.tell(job);
        report.recurring_paragraphs = self.left_out()?;
        Ok(report)
    }
}

impl Reader {
    /// The vector of an article that need not be in the corpus, made as those of the corpus are:
    /// of all its passages, with what recurs in its source left out.
    ///
    /// # Errors
    /// The encoder is of another model than the corpus's vectors; the device fails.
    pub fn vector_of(&self, encoder: &Encoder, article: &Article) -> Result<Vec<f32>> {
        self.check_model(encoder.identity())?;
        let source = article.source.as_deref().unwrap_or("");
        let keys = boilerplate::keys(source, &article.text);
        let recurring = self.recurring(&keys)?;
        let spans = boilerplate::spans(source, &article.text, |key| recurring.get(&key).copied());
        let prepared = prepare(encoder, &article.title, &article.text, &spans)?;
        let texts: Vec<&str> = prepared.passages.iter().map(|p| p.input.as_str()).collect();
        let vectors = encoder.encode(&texts, Prompt::Document)?;
        let rows = prepared.passages.iter().zip(vectors.rows());
        Ok(article_vector(rows.map(|(p, v)| (p.fresh_tokens, v))))
    }
}

/// A pending article with what the encoder is to be given for it.
struct Ready {
    key: i64,
    boilerplate: Vec<Range<usize>>,
    left_out: Vec<i64>,
    reads: Reads,
    inputs_hash: [u8; 32],
    prepared: Option<Prepared>,
}

/// What the encoder is to be given for each article; the tokenizing on all threads.
fn ready(
    store: &Reader,
    encoder: &Encoder,
    pending: &[Pending],
    readable: &Readable,
) -> Result<Vec<Ready>> {
    let keys: Vec<Vec<i64>> = pending
        .par_iter()
        .map(|p| boilerplate::keys(&p.source, &p.text))
        .collect();
    let all: Vec<i64> = keys.iter().flatten().copied().collect();
    let recurring = store.recurring(&all)?;
    let mut articles = Vec::with_capacity(pending.len());
    for p in pending {
        articles.push((p, store.inputs_hash(p.key)?));
    }
    let preparer = Preparer::new(encoder)?;
    articles
        .into_par_iter()
        .map(|(p, old)| {
            let boilerplate =
                boilerplate::spans(&p.source, &p.text, |key| recurring.get(&key).copied());
            let prepared = preparer.prepare(&p.title, &p.text, &boilerplate)?;
            let inputs_hash = prepared.hash();
            // Where the encoder would be given what it was given before, its vectors stay.
            let same = old.as_deref() == Some(&inputs_hash[..]);
            let mut left_out = boilerplate::keys_within(&p.source, &p.text, &boilerplate);
            left_out.retain(|key| recurring.contains_key(key));
            Ok(Ready {
                key: p.key,
                boilerplate,
                left_out,
                reads: readable.judge(&p.text, prepared.unknown),
                inputs_hash,
                prepared: (!same).then_some(prepared),
            })
        })
        .collect()
}

/// Embeds and stores a chunk; whether anything was computed for it.
fn embed_chunk(
    writer: &mut Writer,
    encoder: &Encoder,
    pending: &[Pending],
    job: &Job,
    report: &mut Report,
    readable: &mut Readable,
) -> Result<bool> {
    let ready = ready(writer, encoder, pending, readable)?;
    let inputs: Vec<&str> = ready
        .iter()
        .filter_map(|r| r.prepared.as_ref())
        .flat_map(|p| p.passages.iter().map(|passage| passage.input.as_str()))
        .collect();
    let options = EncodeOptions::from(Prompt::Document).bulk().job(job);
    let vectors = encoder.encode(&inputs, options)?;
    report.tokens += vectors.tokens() as u64;
    report.passages += inputs.len() as u64;
    let computed = !inputs.is_empty();

    let mut rows = vectors.rows();
    let mut embedded = Vec::with_capacity(ready.len());
    for article in ready {
        let unread = article.reads == Reads::Not;
        let vectors = article.prepared.map(|prepared| {
            readable.count(article.reads, prepared.unknown);
            report.unread += u64::from(unread);
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
                own: false,
                article: article_vector(passages.iter().map(|p| (p.tokens, p.vector.as_slice()))),
                passages,
            }
        });
        embedded.push(Embedded {
            key: article.key,
            boilerplate: article.boilerplate,
            left_out: article.left_out,
            unread,
            vectors,
        });
    }
    writer.embedded(&embedded)?;
    Ok(computed)
}

/// Measures the rate on a few passages, so that the user knows the cost before it is paid.
fn estimate(
    store: &Reader,
    encoder: &Encoder,
    articles: u64,
    bytes: u64,
    job: &Job,
) -> Result<Event<'static>> {
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
        let counted = encoder.tokenize(&inputs, Prompt::Document)?;
        let counted: usize = counted.iter().map(|t| t.ids.len()).sum();
        inputs.truncate(SAMPLE_PASSAGES);
        let started = Instant::now();
        let options = EncodeOptions::from(Prompt::Document).bulk().job(job);
        let vectors = encoder.encode(&inputs, options)?;
        tokens_per_second =
            Some(vectors.tokens() as f64 / started.elapsed().as_secs_f64().max(1e-6));
        if sample_bytes > 0 {
            tokens = bytes as f64 * counted as f64 / sample_bytes as f64;
        }
    }
    Ok(Event::Estimate {
        articles,
        tokens: tokens as u64,
        tokens_per_second,
        device: encoder.about().into(),
    })
}
