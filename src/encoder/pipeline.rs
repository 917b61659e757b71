//! Many texts through a device that computes while the host does something else: the tokenizer
//! runs ahead on all cores, and the device's queue always holds the next batches.

use super::run::place;
use super::{Call, Queue, TextTokens, plan};
use crate::error::{Error, Result};
use crate::model::Tokens;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Texts that are tokenized at a time: some dozens of batches, so that texts of a like length
/// meet in one. So many more may be under way when the next are handed over.
const AHEAD: usize = 8192;
/// Those that are tokenized first, twice as many the next time and so on: the device waits for them.
const FIRST: usize = 512;
/// How often it is looked whether the job was cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// What all texts are embedded with.
pub(super) struct Pipeline<'a> {
    pub queue: &'a dyn Queue,
    /// Tokens of a batch.
    pub budget: usize,
    /// The length of a vector.
    pub dim: usize,
    pub call: &'a Call,
}

/// What has come back from the device.
struct Arrived {
    values: Vec<f32>,
    /// Texts that are under way.
    texts: usize,
    error: Option<Error>,
}

struct Shared {
    arrived: Mutex<Arrived>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cancels what is left of a run when it ends.
struct EndOfRun(Call);

impl Drop for EndOfRun {
    fn drop(&mut self) {
        self.0.job.cancel();
    }
}

impl Pipeline<'_> {
    /// The vectors of `count` texts, which `tokenize` gives the tokens of, a range at a time.
    ///
    /// # Errors
    /// The tokenizer or a device fails; the first failure ends all of it. The job is cancelled.
    pub(super) fn run(
        &self,
        count: usize,
        tokenize: impl Fn(Range<usize>) -> Result<Vec<Tokens>>,
    ) -> Result<(Vec<f32>, Vec<TextTokens>)> {
        let shared = Arc::new(Shared {
            arrived: Mutex::new(Arrived {
                values: vec![0.0; count * self.dim],
                texts: 0,
                error: None,
            }),
            changed: Condvar::new(),
        });
        // Batches that wait when the run ends early are no longer computed.
        let own = EndOfRun(Call {
            priority: self.call.priority,
            job: self.call.job.child(),
        });
        let mut counts = Vec::with_capacity(count);
        let (mut first, mut ahead) = (0, FIRST);
        while first < count {
            let end = count.min(first + ahead);
            let mut tokens = tokenize(first..end)?;
            counts.extend(tokens.iter().map(TextTokens::of));
            let lengths: Vec<usize> = tokens.iter().map(|t| t.ids.len()).collect();
            let batches = plan(&lengths, self.budget, false);
            let mut waiting = batches.len();
            // Texts wait for the device, not the device for texts; their ids bound the memory.
            self.wait(&shared, |texts| texts <= AHEAD)?;
            for batch in batches {
                let take = |&i: &usize| std::mem::take(&mut tokens[i].ids);
                let ids: Vec<Vec<u32>> = batch.texts.iter().map(take).collect();
                let places: Vec<usize> = batch.texts.iter().map(|i| first + i).collect();
                shared.lock().texts += places.len();
                let (to, dim) = (shared.clone(), self.dim);
                let done = Box::new(move |vectors: Result<Vec<f32>>| {
                    let mut arrived = to.lock();
                    arrived.texts -= places.len();
                    match vectors {
                        Ok(vectors) if vectors.len() != places.len() * dim => {
                            let n = vectors.len();
                            arrived.error.get_or_insert_with(|| {
                                Error::internal(format!("a batch came back with {n} values"))
                            });
                        }
                        Ok(vectors) => place(&places, &vectors, dim, &mut arrived.values),
                        Err(e) => {
                            arrived.error.get_or_insert(e);
                        }
                    }
                    to.changed.notify_one();
                });
                self.queue.submit(ids, &own.0, waiting, done);
                waiting -= 1;
            }
            first = end;
            ahead = AHEAD.min(2 * ahead);
        }
        self.wait(&shared, |texts| texts == 0)?;
        let values = std::mem::take(&mut shared.lock().values);
        Ok((values, counts))
    }

    /// Waits until so few texts are under way.
    fn wait(&self, shared: &Shared, few: impl Fn(usize) -> bool) -> Result<()> {
        loop {
            let mut arrived = shared.lock();
            if let Some(e) = arrived.error.take() {
                return Err(e);
            }
            if few(arrived.texts) {
                return Ok(());
            }
            drop(
                shared
                    .changed
                    .wait_timeout(arrived, LOOK)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            self.call.job.check()?;
        }
    }
}
