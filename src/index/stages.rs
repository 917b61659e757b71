//! Preparing and computing beside each other: while the encoder computes a chunk of articles, the
//! next is prepared, and whoever holds the corpus reads the one behind it and stores the one before.
//! So a run takes as long as its slowest stage, not as all of them.
//!
//! Chunks keep their order, and what is computed of each does not depend on the others.

use super::embed::KnownVectors;
use super::prepare::{Prepared, Preparer};
use super::readable::{Judge, Reads};
use crate::corpus::boilerplate::{self, Recurs};
use crate::encoder::{EncodeOptions, Encoder, Prompt, Vectors};
use crate::error::{Error, Result};
use crate::guard::guarded;
use crate::job::Job;
use crate::store::Pending;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Chunks under way at a time: one is computed, one prepared, and one read or stored.
pub(super) const UNDER_WAY: usize = 3;
/// How often a job is asked while nothing comes.
const LOOK: Duration = Duration::from_millis(100);

/// Articles that wait, with what the corpus knows of them.
pub(super) struct Waiting {
    pub pending: Vec<Pending>,
    pub recurring: HashMap<i64, Recurs>,
    /// The hash of what the encoder was given for each before.
    pub hashes: Vec<Option<Vec<u8>>>,
}

/// A pending article with what the encoder is to be given for it.
pub(super) struct Ready {
    pub key: i64,
    pub boilerplate: Vec<Range<usize>>,
    pub left_out: Vec<i64>,
    pub reads: Reads,
    pub inputs_hash: [u8; 32],
    /// `None` where its vectors stay.
    pub prepared: Option<Prepared>,
    /// Its vectors, where they need not be computed.
    pub known: Option<KnownVectors>,
}

impl Ready {
    /// What the encoder is to be given, where anything is to be computed.
    fn to_compute(&self) -> Option<&Prepared> {
        self.prepared.as_ref().filter(|_| self.known.is_none())
    }
}

/// Articles that are prepared.
pub(super) struct Chunk {
    pub ready: Vec<Ready>,
    /// Bytes of their texts and titles.
    pub bytes: usize,
}

/// Articles whose vectors are there: those of all passages that were to be computed, in their order.
pub(super) struct Computed {
    pub chunk: Chunk,
    pub vectors: Vectors,
    /// What the encoder took.
    pub time: Duration,
}

/// What a stage hands back.
pub(super) enum Done {
    Prepared(Chunk),
    Computed(Computed),
    /// A chunk that was not begun, as the run is to end.
    Skipped,
}

/// The way to and from the stages, for whoever holds the corpus.
pub(super) struct Stages<'a> {
    waiting: Sender<Waiting>,
    prepared: Sender<Chunk>,
    done: Receiver<Result<Done>>,
    job: &'a Job,
    ends: &'a AtomicBool,
}

impl Stages<'_> {
    /// Has a chunk prepared.
    pub(super) fn prepare(&self, waiting: Waiting) {
        // A stage that is gone has said why.
        let _ = self.waiting.send(waiting);
    }

    /// Has a chunk computed.
    pub(super) fn compute(&self, chunk: Chunk) {
        let _ = self.prepared.send(chunk);
    }

    /// No chunk is computed that is not begun.
    pub(super) fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    /// What is done next.
    ///
    /// # Errors
    /// A stage failed; the job is cancelled.
    pub(super) fn next(&self) -> Result<Done> {
        loop {
            match self.done.recv_timeout(LOOK) {
                Ok(done) => return done,
                Err(RecvTimeoutError::Timeout) => self.job.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a stage of the run ended"));
                }
            }
        }
    }
}

/// Runs `f` beside the stages, which end with it.
///
/// # Errors
/// Those of `f`.
pub(super) fn beside<T>(
    encoder: &Encoder,
    preparer: &Preparer<'_>,
    judge: &Judge,
    job: &Job,
    f: impl FnOnce(&Stages<'_>) -> Result<T>,
) -> Result<T> {
    let (waiting, to_prepare) = channel::<Waiting>();
    let (prepared, to_compute) = channel::<Chunk>();
    let (send, done) = channel();
    // What is under way when `f` fails is not waited for to its end.
    let own = job.child();
    let ends = AtomicBool::new(false);
    let stages = Stages {
        waiting,
        prepared,
        done,
        job,
        ends: &ends,
    };
    std::thread::scope(|scope| {
        let (back, computing, ending) = (send.clone(), &own, &ends);
        scope.spawn(move || {
            stage(to_prepare, &send, |waiting| {
                prepare(preparer, judge, waiting).map(Done::Prepared)
            });
        });
        scope.spawn(move || {
            stage(to_compute, &back, |chunk| {
                if ending.load(Ordering::Relaxed) {
                    return Ok(Done::Skipped);
                }
                compute(encoder, computing, chunk).map(Done::Computed)
            });
        });
        let outcome = f(&stages);
        if outcome.is_err() {
            own.cancel();
        }
        // The stages end when nothing can come any more.
        drop(stages);
        outcome
    })
}

/// A stage's thread: takes what comes until nothing can come, or it failed.
fn stage<T>(from: Receiver<T>, to: &Sender<Result<Done>>, mut f: impl FnMut(T) -> Result<Done>) {
    for one in from {
        // A panic must not leave the run waiting.
        let outcome = guarded("run", || f(one))
            .unwrap_or_else(|e| Err(Error::internal(e.message().to_string())));
        let failed = outcome.is_err();
        if to.send(outcome).is_err() || failed {
            return;
        }
    }
}

/// What the encoder is to be given for each article; the tokenizing on all threads.
fn prepare(preparer: &Preparer<'_>, judge: &Judge, waiting: Waiting) -> Result<Chunk> {
    let Waiting {
        pending,
        recurring,
        hashes,
    } = waiting;
    let bytes = pending.iter().map(|p| p.text.len() + p.title.len()).sum();
    let ready = pending
        .into_par_iter()
        .zip(hashes)
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
                reads: judge.judge(&p.text, prepared.unknown),
                inputs_hash,
                prepared: (!same).then_some(prepared),
                known: None,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Chunk { ready, bytes })
}

fn compute(encoder: &Encoder, job: &Job, chunk: Chunk) -> Result<Computed> {
    let started = Instant::now();
    let wanted = chunk.ready.iter().filter_map(Ready::to_compute);
    let texts: Vec<_> = wanted
        .flat_map(|p| p.passages.iter().zip(&p.tokens))
        .map(|(passage, tokens)| (passage.input.as_str(), tokens.as_ref()))
        .collect();
    let options = EncodeOptions::from(Prompt::Document).bulk().job(job);
    let vectors = encoder.encode_known(&texts, options)?;
    Ok(Computed {
        vectors,
        chunk,
        time: started.elapsed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Article;
    use crate::encoder::{Backend, Call, Identity};
    use crate::model::{Config, Fetch, Tokenizer, find};
    use crate::store::Corpus;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, Condvar, Mutex};

    const DIM: usize = 8;

    type Before = dyn Fn(&[&[u32]]) -> Result<()> + Send + Sync;

    /// A device that makes a vector of a text's ids alone, after whatever a test wants of it.
    struct Stub {
        before: Box<Before>,
    }

    impl Backend for Stub {
        fn forward(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>> {
            call.job.check()?;
            (self.before)(texts)?;
            Ok(texts.iter().flat_map(|text| vector(text)).collect())
        }
        fn device(&self) -> String {
            "stub".to_string()
        }
        fn dtype(&self) -> &str {
            "f32"
        }
        fn token_budget(&self) -> usize {
            1 << 14
        }
        fn pads(&self) -> bool {
            false
        }
    }

    fn vector(text: &[u32]) -> Vec<f32> {
        let mut out = vec![0.1; DIM];
        for (i, id) in text.iter().enumerate() {
            out[(*id as usize + i) % DIM] += 1.0;
        }
        out
    }

    fn encoder_on(backend: Box<dyn Backend>) -> Encoder {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-bert");
        let files = find(folder, &Fetch::new()).unwrap();
        let config = Config::load(&files).unwrap();
        let identity = Identity {
            model: "stub".into(),
            revision: "local".into(),
            hash: "stub".into(),
            dim: DIM,
            max_tokens: config.max_tokens,
            dtype: "f32".into(),
        };
        let tokenizer = Tokenizer::load(&files, &config).unwrap();
        Encoder::from_parts(tokenizer, backend, identity)
    }

    fn stub(before: impl Fn(&[&[u32]]) -> Result<()> + Send + Sync + 'static) -> Encoder {
        encoder_on(Box::new(Stub {
            before: Box::new(before),
        }))
    }

    /// Articles of several chunks, each of a few passages.
    fn articles(count: usize) -> impl Iterator<Item = Article> {
        (0..count).map(|n| Article {
            id: Some(format!("a{n}")),
            title: format!("the bank {n}"),
            text: format!("the bank cut interest rates after a match {n}. ").repeat(30),
            ..Article::default()
        })
    }

    fn corpus(count: usize) -> (tempfile::TempDir, Corpus) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("a.nearwise")).unwrap();
        let mut writer = corpus.writer().unwrap();
        writer.add(articles(count), &Job::new()).unwrap();
        (folder, corpus)
    }

    #[test]
    fn the_next_chunk_is_prepared_while_one_is_computed() {
        let (_folder, corpus) = corpus(40);
        // The device does not end its first call before an article of a later chunk is prepared.
        let seen = Arc::new((Mutex::new(0), Condvar::new()));
        let (told, asked) = (seen.clone(), AtomicUsize::new(0));
        let encoder = stub(move |_| {
            if asked.fetch_add(1, Ordering::Relaxed) > 0 {
                return Ok(());
            }
            let (count, changed) = &*told;
            let count = count.lock().unwrap();
            let patience = Duration::from_secs(60);
            let (count, _) = changed
                .wait_timeout_while(count, patience, |n| *n < 9)
                .unwrap();
            assert!(*count >= 9, "nothing was prepared meanwhile");
            Ok(())
        });
        let known = |_: &str, _: &[Range<usize>]| -> Option<KnownVectors> {
            *seen.0.lock().unwrap() += 1;
            seen.1.notify_all();
            None
        };
        // A chunk holds 8 KiB, fewer than nine articles, as long as the rate is not known.
        let mut writer = corpus.writer().unwrap();
        let report = writer.embed_unless(&encoder, &known, &Job::new()).unwrap();
        assert_eq!(report.embedded, 40);
        drop(writer);
        let reader = corpus.reader().unwrap();
        for article in articles(40) {
            let id = article.id.as_deref().unwrap();
            let stored = reader.article_vector(reader.key_of(id).unwrap()).unwrap();
            let alone = reader.vector_of(&encoder, &article).unwrap();
            let alone: Vec<f32> = alone
                .into_iter()
                .map(|x| half::f16::from_f32(x).to_f32())
                .collect();
            assert_eq!(stored.unwrap(), alone, "{id}");
        }
    }

    #[test]
    fn a_failure_ends_the_run_and_keeps_what_was_stored() {
        for panics in [false, true] {
            let (_folder, corpus) = corpus(40);
            let asked = AtomicUsize::new(0);
            let encoder = stub(move |_| {
                if asked.fetch_add(1, Ordering::Relaxed) < 2 {
                    return Ok(());
                }
                assert!(!panics, "a fault that a test asked for");
                Err(Error::device("stub", "it broke"))
            });
            let mut writer = corpus.writer().unwrap();
            let error = writer.embed(&encoder, &Job::new()).unwrap_err().to_string();
            let why = if panics { "a fault" } else { "it broke" };
            assert!(error.contains(why), "{error}");
            let left = writer.pending_size().unwrap().0;
            assert!(0 < left && left < 40, "{left}");
            // Another run does the rest.
            let report = writer.embed(&stub(|_| Ok(())), &Job::new()).unwrap();
            assert_eq!(report.embedded, left);
        }
    }

    #[test]
    fn a_cancelled_run_ends_while_the_device_computes() {
        let (_folder, corpus) = corpus(40);
        let job = Job::new();
        let other = job.clone();
        let encoder = stub(move |_| {
            other.cancel();
            Ok(())
        });
        let mut writer = corpus.writer().unwrap();
        assert!(writer.embed(&encoder, &job).unwrap_err().is_cancelled());
        assert!(writer.pending_size().unwrap().0 > 0);
    }

    #[test]
    fn others_may_write_after_what_is_computed_at_the_time() {
        let (_folder, corpus) = corpus(40);
        let mut writer = corpus.writer().unwrap();
        let report = writer
            .embed_while(&stub(|_| Ok(())), &Job::new(), || false)
            .unwrap();
        let left = writer.pending_size().unwrap().0;
        assert_eq!(report.embedded + left, 40);
        assert!(0 < left, "{left}");
    }
}
