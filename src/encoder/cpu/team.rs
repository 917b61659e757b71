//! Threads that compute one thing together.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of several threads that run the same function on different shares.
pub(super) struct Worker<'a> {
    index: usize,
    count: usize,
    barrier: &'a Barrier,
}

/// Where workers meet between steps. It spins, since a step takes microseconds.
#[derive(Default)]
struct Barrier {
    arrived: AtomicUsize,
    round: AtomicUsize,
}

/// Turns of spinning before a waiting thread lets others run.
const SPINS: usize = 2000;

impl Worker<'_> {
    /// Which of the workers this is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// This worker's share of `n` things: a range, and those of all workers are all of them.
    pub fn share(&self, n: usize) -> Range<usize> {
        n * self.index / self.count..n * (self.index + 1) / self.count
    }

    /// Waits until all workers are here; what each wrote before, all see after.
    pub fn wait(&self) {
        if self.count == 1 {
            return;
        }
        let barrier = self.barrier;
        let round = barrier.round.load(Ordering::Acquire);
        if barrier.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.count {
            barrier.arrived.store(0, Ordering::Relaxed);
            barrier.round.store(round + 1, Ordering::Release);
            return;
        }
        let mut spins = 0;
        while barrier.round.load(Ordering::Acquire) == round {
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// Runs `f` on `count` threads, this one among them.
///
/// `f` must not panic: the others would wait for it for ever.
pub(super) fn run(count: usize, f: impl Fn(&Worker<'_>) + Sync) {
    let barrier = Barrier::default();
    let worker = |index| Worker {
        index,
        count,
        barrier: &barrier,
    };
    if count == 1 {
        return f(&worker(0));
    }
    std::thread::scope(|scope| {
        for index in 1..count {
            let (f, worker) = (&f, worker(index));
            scope.spawn(move || f(&worker));
        }
        f(&worker(0));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn every_step_sees_all_of_the_one_before() {
        for count in [1, 2, 3, 5] {
            let log = Mutex::new(Vec::new());
            run(count, |worker| {
                for step in 0..50 {
                    for item in worker.share(7) {
                        log.lock().unwrap().push((step, item));
                    }
                    worker.wait();
                    assert!(log.lock().unwrap().len() >= 7 * (step + 1));
                    worker.wait();
                }
            });
            let mut seen = log.into_inner().unwrap();
            assert!(seen.is_sorted_by_key(|(step, _)| *step));
            seen.sort_unstable();
            let all: Vec<_> = (0..50).flat_map(|s| (0..7).map(move |i| (s, i))).collect();
            assert_eq!(seen, all);
        }
    }
}
