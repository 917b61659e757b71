//! The scheduler of the CPU: a fixed number of threads, shared by all who compute on it.
//!
//! Work comes as *turns*. A thread takes a *seat* for each turn that it computes; there are as
//! many seats as threads, so that never more compute at a time than the processor has cores, whoever
//! asks. Turns of queries go before turns of bulk work. A caller whose work is small takes a
//! seat itself where one is free, with helpers where others are, so that a query on an idle host
//! waits for no other thread to wake.

use crate::encoder::Priority;
use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// Something that a thread of the crew computes when it is its turn.
pub(super) trait Turn: Send + Sync {
    /// Computes the next piece of work. Where `crowded`, no seat is free, so that several small
    /// pieces are better computed as one.
    fn take(&self, priority: Priority, crowded: bool);
}

type Help = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// Seats taken.
    busy: usize,
    /// Work whose seat is taken already.
    help: VecDeque<Help>,
    queries: VecDeque<Arc<dyn Turn>>,
    bulk: VecDeque<Arc<dyn Turn>>,
    /// Whether the threads were started.
    started: bool,
    /// The threads that the system gave.
    running: usize,
    /// Whether they are to end.
    ended: bool,
}

struct Shared {
    seats: usize,
    state: Mutex<State>,
    work: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; were it so, the queues are whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back seats.
    fn leave(&self, seats: usize) {
        let mut state = self.lock();
        state.busy -= seats;
        let waiting = state.queries.len() + state.bulk.len();
        drop(state);
        for _ in 0..seats.min(waiting) {
            self.work.notify_one();
        }
    }

    /// What each thread does.
    fn run(&self) {
        loop {
            let mut state = self.lock();
            let job = loop {
                if let Some(help) = state.help.pop_front() {
                    break Ok(help);
                }
                if state.ended {
                    return;
                }
                if state.busy < self.seats {
                    let query = state.queries.pop_front().map(|t| (t, Priority::Query));
                    let next = query.or_else(|| {
                        let bulk = state.bulk.pop_front();
                        bulk.map(|t| (t, Priority::Bulk))
                    });
                    if let Some((turn, priority)) = next {
                        state.busy += 1;
                        break Err((turn, priority, state.busy == self.seats));
                    }
                }
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            // A panic is told to whoever waits for the work; the thread goes on.
            match job {
                Ok(help) => {
                    let _ = catch_unwind(AssertUnwindSafe(help));
                }
                Err((turn, priority, crowded)) => {
                    let taken = AssertUnwindSafe(|| turn.take(priority, crowded));
                    let _ = catch_unwind(taken);
                    self.leave(1);
                }
            }
        }
    }
}

/// The threads. They end when nobody has the crew any more.
pub(super) struct Crew {
    shared: Arc<Shared>,
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_all();
    }
}

/// Seats that the caller holds.
pub(super) struct Seats<'a> {
    crew: &'a Crew,
    count: usize,
}

impl Drop for Seats<'_> {
    fn drop(&mut self) {
        self.crew.shared.leave(self.count);
    }
}

impl Crew {
    /// A separate crew of this many threads, which start when there is work for them.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                seats: threads.max(1),
                state: Mutex::default(),
                work: Condvar::new(),
            }),
        }
    }

    /// The crew that all encoders of the process share, of as many threads as rayon's pool.
    pub(super) fn of_process() -> Arc<Self> {
        static CREW: OnceLock<Arc<Crew>> = OnceLock::new();
        CREW.get_or_init(|| Arc::new(Self::new(rayon::current_num_threads())))
            .clone()
    }

    /// How many threads it has.
    pub(super) fn threads(&self) -> usize {
        self.shared.seats
    }

    fn start(&self, state: &mut State) {
        if std::mem::replace(&mut state.started, true) {
            return;
        }
        for i in 0..self.shared.seats {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name(format!("nearwise-cpu-{i}"));
            // Where the system gives no more threads, those that there are do the work.
            if thread.spawn(move || shared.run()).is_ok() {
                state.running += 1;
            }
        }
    }

    /// Has `turns` turns taken, some time; by the caller, now, where the system gives no threads.
    pub(super) fn enqueue(&self, turn: &Arc<dyn Turn>, priority: Priority, turns: usize) {
        let mut state = self.shared.lock();
        self.start(&mut state);
        if state.running == 0 {
            drop(state);
            (0..turns).for_each(|_| turn.take(priority, true));
            return;
        }
        let queue = match priority {
            Priority::Query => &mut state.queries,
            Priority::Bulk => &mut state.bulk,
        };
        queue.extend(std::iter::repeat_n(turn.clone(), turns));
        drop(state);
        for _ in 0..turns.min(self.shared.seats) {
            self.shared.work.notify_one();
        }
    }

    /// Takes up to `most` seats for the caller, if any is free and no turn waits for one.
    pub(super) fn seats(&self, most: usize) -> Option<Seats<'_>> {
        let mut state = self.shared.lock();
        let free = self.shared.seats - state.busy;
        if free == 0 || !state.queries.is_empty() || !state.bulk.is_empty() {
            return None;
        }
        if most > 1 {
            self.start(&mut state);
        }
        let count = free.min(most).min(1 + state.running).max(1);
        state.busy += count;
        Some(Seats { crew: self, count })
    }
}

impl Seats<'_> {
    /// How many.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Runs `f` on as many threads as there are seats, the caller's among them; each is a
    /// [`Worker`] of the same team. Fails where one of them panics.
    pub(super) fn run<T: Send + Sync + 'static>(
        self,
        shared: Arc<T>,
        f: impl Fn(&T, &Worker<'_>) + Send + Sync + Copy + 'static,
    ) -> Result<(), Panicked> {
        let count = self.count;
        let barrier = Arc::new(Barrier::default());
        if count > 1 {
            let mut state = self.crew.shared.lock();
            for index in 1..count {
                let (barrier, shared) = (barrier.clone(), shared.clone());
                let crew = self.crew.shared.clone();
                state.help.push_back(Box::new(move || {
                    // A panic is told by the barrier.
                    let _ = barrier.run(index, count, |worker| f(&shared, worker));
                    drop(shared);
                    // The seat is free before the caller goes on, who may want it again.
                    crew.leave(1);
                    barrier.left.fetch_add(1, Ordering::Release);
                }));
            }
            drop(state);
            for _ in 1..count {
                self.crew.shared.work.notify_one();
            }
        }
        let own = barrier.run(0, count, |worker| f(&shared, worker));
        // The last step ends with no barrier: what the helpers wrote is there when they left.
        let mut spins = 0;
        while barrier.left.load(Ordering::Acquire) + 1 < count {
            relax(&mut spins);
        }
        // Each helper has given its own seat back.
        self.crew.shared.leave(1);
        std::mem::forget(self);
        if barrier.panicked.load(Ordering::Acquire) {
            return Err(Panicked);
        }
        own
    }
}

/// A worker of a team panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panicked;

/// One of several threads that run the same function on different shares.
pub(super) struct Worker<'a> {
    index: usize,
    count: usize,
    barrier: &'a Barrier,
}

/// Where workers meet between steps. It spins, since a step takes microseconds; there are never
/// more workers than seats.
#[derive(Default)]
struct Barrier {
    arrived: AtomicUsize,
    round: AtomicUsize,
    /// Helpers that are done.
    left: AtomicUsize,
    panicked: AtomicBool,
}

/// Turns of spinning before a waiting thread lets others run.
const SPINS: usize = 2000;

fn relax(spins: &mut usize) {
    if *spins < SPINS {
        *spins += 1;
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

impl Barrier {
    fn run(&self, index: usize, count: usize, f: impl FnOnce(&Worker<'_>)) -> Result<(), Panicked> {
        let worker = Worker {
            index,
            count,
            barrier: self,
        };
        catch_unwind(AssertUnwindSafe(|| f(&worker))).map_err(|_| {
            // Those who wait for this one must not wait for ever.
            self.panicked.store(true, Ordering::Release);
            Panicked
        })
    }
}

impl Worker<'_> {
    /// Which of the workers this is.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// This worker's share of `n` things: a range, and those of all workers are all of them.
    pub(super) fn share(&self, n: usize) -> Range<usize> {
        n * self.index / self.count..n * (self.index + 1) / self.count
    }

    /// Waits until all workers are here; what each wrote before, all see after.
    ///
    /// # Panics
    /// Another worker panicked, so that it will never be here.
    pub(super) fn wait(&self) {
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
            assert!(
                !barrier.panicked.load(Ordering::Acquire),
                "another worker of the team panicked"
            );
            relax(&mut spins);
        }
    }
}

/// Runs `f` as the only worker, on this thread.
pub(super) fn alone(f: impl FnOnce(&Worker<'_>)) {
    f(&Worker {
        index: 0,
        count: 1,
        barrier: &Barrier::default(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_step_sees_all_of_the_one_before() {
        for count in [1, 2, 3, 5] {
            let crew = Crew::new(count);
            for _ in 0..20 {
                let log = Arc::new(Mutex::new(Vec::new()));
                let seats = crew.seats(count).unwrap();
                assert_eq!(seats.count, count);
                let done = seats.run(log.clone(), |log: &Mutex<Vec<(usize, usize)>>, worker| {
                    for step in 0..50 {
                        for item in worker.share(7) {
                            log.lock().unwrap().push((step, item));
                        }
                        worker.wait();
                        assert!(log.lock().unwrap().len() >= 7 * (step + 1));
                        worker.wait();
                    }
                });
                assert_eq!(done, Ok(()));
                let mut seen = std::mem::take(&mut *log.lock().unwrap());
                assert!(seen.is_sorted_by_key(|(step, _)| *step));
                seen.sort_unstable();
                let all: Vec<_> = (0..50).flat_map(|s| (0..7).map(move |i| (s, i))).collect();
                assert_eq!(seen, all);
                // All seats are free again, perhaps a moment later.
                while crew.shared.lock().busy > 0 {
                    std::thread::yield_now();
                }
            }
        }
    }

    #[test]
    fn a_panic_ends_the_team_and_no_thread() {
        let crew = Crew::new(3);
        for culprit in 0..3 {
            let seats = loop {
                // The seats of the round before are given back a moment later.
                match crew.seats(3) {
                    Some(seats) if seats.count == 3 => break seats,
                    _ => std::thread::yield_now(),
                }
            };
            let done = seats.run(Arc::new(culprit), |culprit, worker| {
                worker.wait();
                assert_ne!(worker.index(), *culprit);
                worker.wait();
            });
            assert_eq!(done, Err(Panicked));
        }
    }

    /// Notes in which order turns are taken, and how many at a time.
    struct Slow {
        order: Mutex<Vec<Priority>>,
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Turn for Slow {
        fn take(&self, priority: Priority, _: bool) {
            self.order.lock().unwrap().push(priority);
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
            self.now.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn queries_pass_bulk_work_and_no_more_run_than_there_are_seats() {
        let crew = Crew::new(2);
        let slow = Arc::new(Slow {
            order: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let turn: Arc<dyn Turn> = slow.clone();
        crew.enqueue(&turn, Priority::Bulk, 40);
        while slow.order.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert!(crew.seats(1).is_none(), "turns are waiting");
        crew.enqueue(&turn, Priority::Query, 4);
        let before = slow.order.lock().unwrap().len();
        while slow.order.lock().unwrap().len() < 44 {
            std::thread::yield_now();
        }
        let order = slow.order.lock().unwrap();
        let last = order.iter().rposition(|p| *p == Priority::Query).unwrap();
        assert!(last <= before + 6, "{before} {last} {order:?}");
        assert!(slow.most.load(Ordering::SeqCst) <= 2);
    }
}
