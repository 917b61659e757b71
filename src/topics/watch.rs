//! A job as the loops of topics look at it.

use crate::error::{Error, Result};
use crate::job::{Job, Stage};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Milliseconds between two looks at the job, and between two lines of progress.
const LOOK: u64 = 50;
const TELL: u64 = 100;

/// A job that is looked at a few times a second however often it is asked: what it asks may be
/// a closure of the caller's, slow beside a block of products, and is not to be called by every
/// thread at every block.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    /// Whether steps are told.
    tells: bool,
}

#[derive(Debug)]
struct Shared {
    job: Job,
    begun: Instant,
    /// When to look next, and when to tell next, in milliseconds from the beginning.
    look: AtomicU64,
    tell: AtomicU64,
    cancelled: AtomicBool,
    steps: AtomicU64,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(&Job::new())
    }
}

impl Watch {
    pub(crate) fn new(job: &Job) -> Self {
        Self {
            shared: Arc::new(Shared {
                job: job.clone(),
                begun: Instant::now(),
                look: AtomicU64::new(0),
                tell: AtomicU64::new(0),
                cancelled: AtomicBool::new(false),
                steps: AtomicU64::new(0),
            }),
            tells: true,
        }
    }

    /// The same, without telling steps: for clustering that serves another stage.
    pub(crate) fn quiet(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            tells: false,
        }
    }

    pub(crate) fn job(&self) -> &Job {
        &self.shared.job
    }

    /// Whether `next` has come; if so it is put off by `by`. Two threads may both be told so.
    fn due(&self, next: &AtomicU64, by: u64) -> bool {
        let now = self.shared.begun.elapsed().as_millis() as u64;
        let due = now >= next.load(Ordering::Relaxed);
        if due {
            next.store(now + by, Ordering::Relaxed);
        }
        due
    }

    /// Fails where the job was cancelled, at most a twentieth of a second ago.
    pub(crate) fn check(&self) -> Result<()> {
        let shared = &self.shared;
        if shared.cancelled.load(Ordering::Relaxed)
            || self.due(&shared.look, LOOK) && shared.job.is_cancelled()
        {
            shared.cancelled.store(true, Ordering::Relaxed);
            return Err(Error::cancelled());
        }
        Ok(())
    }

    /// Tells how far a stage has come, if that was not told just before.
    pub(crate) fn progress(&self, stage: Stage, done: usize, total: usize) {
        let ends = done == 0 || done == total;
        if self.tells && (self.due(&self.shared.tell, TELL) || ends) {
            let job = &self.shared.job;
            job.progress(stage, done as u64, Some(total as u64));
        }
    }

    /// Tells that one more step of clustering is done; nobody knows of how many.
    pub(crate) fn step(&self) {
        if self.tells {
            let steps = self.shared.steps.fetch_add(1, Ordering::Relaxed) + 1;
            if self.due(&self.shared.tell, TELL) || steps == 1 {
                self.shared.job.progress(Stage::Clustering, steps, None);
            }
        }
    }

    /// Runs `f`, which cannot be interrupted, apart, and gives it up when the job is cancelled.
    ///
    /// It gets threads of its own: the caller may be one of a pool's threads, which waits here,
    /// and a pool whose threads all wait computes nothing.
    pub(crate) fn run_apart<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let threads = rayon::current_num_threads();
        self.shared.job.run_apart(move || {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .map_err(|e| Error::internal(e.to_string()))?
                .install(f)
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_asked_a_few_times_a_second() {
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        let job = Job::new().cancel_when(move || {
            count.fetch_add(1, Ordering::Relaxed);
            false
        });
        let watch = Watch::new(&job);
        let begun = Instant::now();
        while begun.elapsed().as_millis() < 200 {
            watch.check().unwrap();
        }
        let asked = asked.load(Ordering::Relaxed);
        assert!((2..20).contains(&asked), "{asked}");
        job.cancel();
        std::thread::sleep(std::time::Duration::from_millis(LOOK + 10));
        assert!(watch.quiet().check().unwrap_err().is_cancelled());
    }
}
