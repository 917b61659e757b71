//! Embedding what waits, and articles from outside.

use super::Report;
use super::prepare::{Prepared, Preparer, article_vector, prepare};
use super::readable::{Judge, Readable, Reads};
use super::stages::{Computed, Done, Ready, Stages, UNDER_WAY, Waiting, beside};
use crate::corpus::{Article, boilerplate};
use crate::encoder::{EncodeOptions, Encoder, Prompt};
use crate::error::Result;
use crate::job::{Event, Job, Progress, Stage};
use crate::store::{Embedded, EmbeddedVectors, NewPassage, Reader, Writer};
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

/// Vectors of an article that are known already.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownVectors {
    /// The unit vectors of its passages, one behind the other.
    pub passages: Vec<f32>,
    /// Its own.
    pub article: Vec<f32>,
}

/// What is known of an article, by its id and the ranges of its passages.
pub type Known<'a> = dyn Fn(&str, &[Range<usize>]) -> Option<KnownVectors> + 'a;

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
        self.embed_pending(encoder, None, job, &mut || true)
    }

    /// As [`Writer::embed`], except that vectors which are known already are not computed: `known`
    /// is asked for those of an article by its id and the ranges of its passages.
    ///
    /// It is not asked where a paragraph is left out because it recurs in the article's source: what
    /// is embedded then depends on the other articles of this corpus.
    ///
    /// # Errors
    /// As for [`Writer::embed`].
    pub fn embed_unless(
        &mut self,
        encoder: &Encoder,
        known: &Known<'_>,
        job: &Job,
    ) -> Result<Report> {
        self.embed_pending(encoder, Some(known), job, &mut || true)
    }

    /// As [`Writer::embed`], but ends early, without an error, when `go_on` says `false`: it is
    /// asked after every few seconds of work, and then only what is being computed at the time is
    /// still waited for and committed. So others can write in between.
    ///
    /// # Errors
    /// As for [`Writer::embed`].
    pub fn embed_while(
        &mut self,
        encoder: &Encoder,
        job: &Job,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Report> {
        self.embed_pending(encoder, None, job, &mut go_on)
    }

    fn embed_pending(
        &mut self,
        encoder: &Encoder,
        known: Option<&Known<'_>>,
        job: &Job,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Report> {
        self.check_encoder(encoder)?;
        self.bind_with(encoder.identity(), Some(encoder.prompts()))?;
        let mut report = Report::default();
        let (articles, bytes) = self.pending_size()?;
        if articles == 0 {
            report.recurring_paragraphs = self.left_out()?;
            return Ok(report);
        }
        let preparer = Preparer::new(encoder)?;
        let estimate = estimate(self, encoder, &preparer, (articles, bytes), job)?;
        job.tell(&estimate);
        let most = encoder.preferred_tokens() * BYTES_PER_TOKEN;
        let chunk_bytes = match estimate {
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
        let mut readable = Readable::new(&encoder.identity().model);
        let judge = Judge::new(encoder);
        let mut run = Run {
            writer: self,
            known,
            job,
            readable: &mut readable,
            report: &mut report,
            dim: encoder.identity().dim,
            articles,
            bytes,
            chunk_bytes,
            most,
            last: i64::MIN,
            done: 0,
            done_bytes: 0,
            started: Instant::now(),
        };
        beside(encoder, &preparer, &judge, job, |stages| {
            run.all(stages, go_on)
        })?;
        readable.tell(job);
        report.recurring_paragraphs = self.left_out()?;
        Ok(report)
    }
}

/// A run of embedding, as whoever holds the corpus sees it.
struct Run<'a> {
    writer: &'a mut Writer,
    known: Option<&'a Known<'a>>,
    job: &'a Job,
    readable: &'a mut Readable,
    report: &'a mut Report,
    dim: usize,
    /// How many articles there are, and their bytes.
    articles: u64,
    bytes: u64,
    /// The text of the next chunk, and of any.
    chunk_bytes: usize,
    most: usize,
    /// The row that was read last.
    last: i64,
    done: u64,
    done_bytes: u64,
    started: Instant,
}

impl Run<'_> {
    /// Reads, has prepared and computed, and stores, until nothing waits or `go_on` says so.
    fn all(&mut self, stages: &Stages<'_>, go_on: &mut dyn FnMut() -> bool) -> Result<()> {
        let (mut under_way, mut more, mut ended) = (0, true, false);
        loop {
            while more && under_way < UNDER_WAY {
                match self.read()? {
                    Some(waiting) => {
                        // Where nothing is left, the run was done before it was stopped.
                        self.job.check()?;
                        stages.prepare(waiting);
                        under_way += 1;
                    }
                    None => more = false,
                }
            }
            if under_way == 0 {
                return Ok(());
            }
            match stages.next()? {
                Done::Prepared(mut chunk) => {
                    self.look_up(&mut chunk.ready)?;
                    stages.compute(chunk);
                }
                Done::Computed(computed) => {
                    under_way -= 1;
                    self.store(computed)?;
                    if !ended && !go_on() {
                        (more, ended) = (false, true);
                        stages.end();
                    }
                }
                Done::Skipped => under_way -= 1,
            }
        }
    }

    /// The next articles that wait, with what the corpus knows of them.
    fn read(&mut self) -> Result<Option<Waiting>> {
        let store: &Reader = self.writer;
        let pending = store.pending(self.last, CHUNK_ARTICLES, self.chunk_bytes)?;
        let Some(last) = pending.last() else {
            return Ok(None);
        };
        self.last = last.key;
        let keys: Vec<Vec<i64>> = pending
            .par_iter()
            .map(|p| boilerplate::keys(&p.source, &p.text))
            .collect();
        let all: Vec<i64> = keys.iter().flatten().copied().collect();
        let recurring = store.recurring(&all)?;
        let hashes = pending.iter().map(|p| store.inputs_hash(p.key));
        let hashes = hashes.collect::<Result<_>>()?;
        Ok(Some(Waiting {
            pending,
            recurring,
            hashes,
        }))
    }

    /// Adds what is known of each article that is to be embedded.
    fn look_up(&self, ready: &mut [Ready]) -> Result<()> {
        let Some(known) = self.known else {
            return Ok(());
        };
        for article in ready {
            let Some(prepared) = &article.prepared else {
                continue;
            };
            if !article.left_out.is_empty() {
                continue;
            }
            let ranges: Vec<_> = prepared.passages.iter().map(|p| p.range.clone()).collect();
            let id = self.writer.described_at(article.key)?.id;
            let fits = |found: &KnownVectors| {
                found.article.len() == self.dim && found.passages.len() == self.dim * ranges.len()
            };
            article.known = known(&id, &ranges).filter(fits);
        }
        Ok(())
    }

    /// Stores a chunk and tells how far the run is.
    fn store(&mut self, computed: Computed) -> Result<()> {
        let Computed {
            chunk,
            vectors,
            time,
        } = computed;
        let report = &mut *self.report;
        report.tokens += vectors.tokens() as u64;
        let mut rows = vectors.rows();
        report.passages += rows.len() as u64;
        if rows.len() > 0 {
            // As much as takes the time, but no leap from one odd chunk.
            let seconds = time.as_secs_f64().max(1e-3);
            let fits = chunk.bytes as f64 / seconds * CHUNK_TIME.as_secs_f64();
            self.chunk_bytes = (fits as usize)
                .clamp(1, 4 * self.chunk_bytes)
                .min(self.most);
        }
        self.done += chunk.ready.len() as u64;
        self.done_bytes += chunk.bytes as u64;
        let mut embedded = Vec::with_capacity(chunk.ready.len());
        for article in chunk.ready {
            let known = article.known;
            let unread = article.reads == Reads::Not;
            let vectors = article.prepared.map(|prepared| {
                self.readable.count(article.reads, prepared.unknown);
                report.unread += u64::from(unread);
                report.embedded += 1;
                let passages = new_passages(prepared, known.as_ref(), self.dim, &mut rows);
                EmbeddedVectors {
                    inputs_hash: article.inputs_hash,
                    own: false,
                    article: match known {
                        Some(known) => known.article,
                        None => {
                            article_vector(passages.iter().map(|p| (p.tokens, p.vector.as_slice())))
                        }
                    },
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
        self.writer.embedded(&embedded)?;
        let elapsed = self.started.elapsed().as_secs_f64();
        report.embedding_seconds = elapsed;
        let left = self.bytes.saturating_sub(self.done_bytes);
        self.job.tell(&Event::Progress(Progress {
            stage: Stage::Embedding,
            done: self.done,
            total: Some(self.articles),
            tokens: report.tokens,
            seconds_left: Some(elapsed * left as f64 / self.done_bytes.max(1) as f64),
        }));
        Ok(())
    }
}

/// An article's passages with the vectors that were known, or the next that were computed.
fn new_passages<'a>(
    prepared: Prepared,
    known: Option<&KnownVectors>,
    dim: usize,
    computed: &mut impl Iterator<Item = &'a [f32]>,
) -> Vec<NewPassage> {
    let mut given = known.iter().flat_map(|k| k.passages.chunks_exact(dim));
    prepared
        .passages
        .into_iter()
        .filter_map(|passage| {
            let vector = if known.is_some() {
                given.next()
            } else {
                computed.next()
            };
            vector.map(|vector| NewPassage {
                range: passage.range,
                tokens: passage.fresh_tokens,
                vector: vector.to_vec(),
            })
        })
        .collect()
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

/// Measures the rate on a few passages, so that the user knows the cost before it is paid.
fn estimate(
    store: &Reader,
    encoder: &Encoder,
    preparer: &Preparer<'_>,
    (articles, bytes): (u64, u64),
    job: &Job,
) -> Result<Event<'static>> {
    // English takes about 4.5 bytes a token; the sample corrects it.
    let mut tokens = bytes as f64 / 4.5;
    let mut tokens_per_second = None;
    if articles >= SAMPLE_FROM {
        let sample = store.pending(i64::MIN, SAMPLE_PASSAGES, 1 << 16)?;
        let mut inputs = Vec::new();
        let mut sample_bytes = 0;
        for pending in &sample {
            sample_bytes += pending.text.len() + pending.title.len();
            let prepared = preparer.prepare(&pending.title, &pending.text, &[])?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Corpus;

    #[test]
    fn vectors_that_are_known_are_not_computed() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-bert");
        let encoder = Encoder::builder()
            .device(crate::encoder::DeviceChoice::Cpu)
            .model(model)
            .open()
            .unwrap();
        let dim = encoder.identity().dim;
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("a.nearwise")).unwrap();
        let mut writer = corpus.writer().unwrap();
        let articles = ["known", "short", "other"].map(|id| Article {
            id: Some(id.to_string()),
            text: format!("the bank set the interest rate, said {id}"),
            ..Article::default()
        });
        let job = Job::new();
        writer.add(articles, &job).unwrap();
        let mut unit = vec![0.0; dim];
        unit[3] = 1.0;
        // Of another length, what is known is of no use.
        let known = |id: &str, ranges: &[Range<usize>]| {
            assert_eq!(ranges.len(), 1, "{id}");
            let vector = match id {
                "known" => unit.clone(),
                "short" => unit[..dim - 1].to_vec(),
                _ => return None,
            };
            Some(KnownVectors {
                passages: vector.clone(),
                article: vector,
            })
        };
        let report = writer.embed_unless(&encoder, &known, &job).unwrap();
        assert_eq!((report.embedded, report.passages), (3, 2));
        drop(writer);

        let reader = corpus.reader().unwrap();
        let vector = |id| {
            reader
                .article_vector(reader.key_of(id).unwrap())
                .unwrap()
                .unwrap()
        };
        assert_eq!(vector("known"), unit);
        for id in ["short", "other"] {
            let text = format!("the bank set the interest rate, said {id}");
            let computed = encoder.encode(&[&text], Prompt::Document).unwrap();
            for (a, b) in vector(id).iter().zip(computed.rows().next().unwrap()) {
                assert!((a - b).abs() < 1e-3, "{id}");
            }
        }
        reader
            .scan_passages(dim, None, |passage, vector| {
                let is_known = passage.article == reader.key_of("known")?;
                assert_eq!(vector == unit, is_known);
                Ok(())
            })
            .unwrap();
    }
}
