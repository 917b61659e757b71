//! The two queues, and what of them makes the next batch.

use super::super::metrics::Metrics;
use super::work::{BYTES_PER_TOKEN, Work};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Single short texts, that somebody waits for.
    Queries,
    /// All else.
    Bulk,
}

impl Lane {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queries => "queries",
            Self::Bulk => "bulk",
        }
    }
}

/// Texts of one request that are of one batch.
pub(super) struct Piece {
    pub(super) work: Arc<Work>,
    pub(super) range: Range<usize>,
}

/// A request and how many of its texts were taken.
struct Waiting {
    work: Arc<Work>,
    next: usize,
}

/// How long a bulk batch should take, so that queries that come after it need not wait for it long
/// on devices that compute one batch after another.
const BULK: Duration = Duration::from_millis(100);
/// The fewest tokens of a bulk batch.
const FEW: usize = 512;
/// How much longer than alone a bulk batch may take before queries let it pass: without, clients
/// that never pause would keep it from ever being computed.
const PATIENCE: (u32, Duration) = (4, Duration::from_millis(200));
/// How often a thread that lets bulk work pass looks whether it has.
const LOOK: Duration = Duration::from_millis(20);
/// The most texts of a batch.
const TEXTS: usize = 512;

/// A bulk batch that is being computed.
#[derive(Clone, Copy)]
struct Running {
    worker: usize,
    since: Instant,
    tokens: usize,
}

#[derive(Default)]
struct State {
    queries: VecDeque<Waiting>,
    bulk: VecDeque<Waiting>,
    running: Vec<Running>,
    /// Tokens a second of bulk batches, the most of late.
    rate: f64,
    failing: bool,
    ended: bool,
}

/// The queues.
pub(super) struct Lanes {
    state: Mutex<State>,
    queries: Condvar,
    bulk: Condvar,
    budget: usize,
    metrics: Arc<Metrics>,
}

impl Lanes {
    pub(super) fn new(budget: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            state: Mutex::default(),
            queries: Condvar::new(),
            bulk: Condvar::new(),
            budget,
            metrics,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; were it so, the queues are whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, lane: Lane, work: Arc<Work>) {
        let mut state = self.lock();
        if state.ended {
            // Whoever waits hears it from the sender that is dropped here.
            return;
        }
        let waiting = Waiting { work, next: 0 };
        match lane {
            Lane::Queries => {
                state.queries.push_back(waiting);
                self.queries.notify_one();
            }
            Lane::Bulk => {
                state.bulk.push_back(waiting);
                self.bulk.notify_one();
            }
        }
        self.count(&state);
    }

    fn count(&self, state: &State) {
        let waiting = state.queries.len() + state.bulk.len();
        self.metrics.queue_size.set(waiting as i64);
    }

    /// Ends the threads, and what waits.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.queries.clear();
        state.bulk.clear();
        drop(state);
        self.queries.notify_all();
        self.bulk.notify_all();
    }

    /// What the next batch of a lane is made of; `None` at the end.
    pub(super) fn take(&self, lane: Lane) -> Option<Vec<Piece>> {
        let signal = match lane {
            Lane::Queries => &self.queries,
            Lane::Bulk => &self.bulk,
        };
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            if lane == Lane::Queries && !state.queries.is_empty() && state.bulk_is_late() {
                let waited = signal.wait_timeout(state, LOOK);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let pieces = match lane {
                Lane::Queries => taken(&mut state.queries, self.budget),
                Lane::Bulk => {
                    let most = state.bulk_tokens(self.budget);
                    taken(&mut state.bulk, most)
                }
            };
            if !pieces.is_empty() {
                self.count(&state);
                return Some(pieces);
            }
            state = signal.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A bulk batch is about to be computed by a worker.
    pub(super) fn bulk_begins(&self, worker: usize, tokens: usize) {
        self.lock().running.push(Running {
            worker,
            since: Instant::now(),
            tokens,
        });
    }

    /// It is computed.
    pub(super) fn bulk_ends(&self, worker: usize) {
        let mut state = self.lock();
        if let Some(at) = state.running.iter().position(|r| r.worker == worker) {
            let done = state.running.swap_remove(at);
            let seconds = done.since.elapsed().as_secs_f64().max(1e-6);
            // The fastest of late: others shared the device with queries.
            state.rate = (done.tokens as f64 / seconds).max(state.rate * 0.99);
        }
        drop(state);
        self.queries.notify_all();
    }

    pub(super) fn failing(&self, yes: bool) {
        self.lock().failing = yes;
    }

    pub(super) fn is_failing(&self) -> bool {
        self.lock().failing
    }
}

impl State {
    /// Tokens of the next bulk batch.
    fn bulk_tokens(&self, budget: usize) -> usize {
        let tokens = self.rate * BULK.as_secs_f64();
        (tokens as usize).clamp(FEW.min(budget), budget)
    }

    /// Whether a bulk batch takes much longer than it would alone.
    fn bulk_is_late(&self) -> bool {
        self.running.iter().any(|r| {
            // Nobody knows yet how long the first one takes.
            let alone = match self.rate {
                0.0 => BULK,
                rate => Duration::from_secs_f64(r.tokens as f64 / rate),
            };
            r.since.elapsed() > alone.saturating_mul(PATIENCE.0) + PATIENCE.1
        })
    }
}

/// Takes about `budget` tokens of texts that go together from the front of a queue; at least one
/// text, where any waits. A request that is taken in part goes to the end, so that requests share.
fn taken(queue: &mut VecDeque<Waiting>, budget: usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut tokens, mut texts) = (0, 0);
    while let Some(next) = queue.front() {
        if next.work.is_over() {
            queue.pop_front();
            continue;
        }
        if let Some(first) = pieces.first()
            && !first.work.how.goes_with(&next.work.how)
        {
            break;
        }
        let mut end = next.next;
        for text in &next.work.texts[next.next..] {
            let more = text.bytes() / BYTES_PER_TOKEN + 2;
            if texts > 0 && (tokens + more > budget || texts == TEXTS) {
                break;
            }
            tokens += more;
            texts += 1;
            end += 1;
        }
        if end == next.next {
            break;
        }
        let Some(mut waiting) = queue.pop_front() else {
            break;
        };
        pieces.push(Piece {
            work: waiting.work.clone(),
            range: waiting.next..end,
        });
        if end < waiting.work.texts.len() {
            waiting.next = end;
            queue.push_back(waiting);
            break;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::work::{How, Text};
    use super::*;
    use crate::encoder::Prompt;
    use tokio::sync::oneshot;

    fn how(normalize: bool) -> How {
        How {
            prompt: Prompt::None,
            normalize,
            dimensions: None,
            truncate: true,
            keep_end: false,
        }
    }

    type Receiver = oneshot::Receiver<Result<super::super::Embedded, super::super::Fault>>;

    fn waiting(texts: usize, bytes: usize, normalize: bool) -> (Waiting, Receiver) {
        let (send, receive) = oneshot::channel();
        let texts = vec![Text::Text("x".repeat(bytes)); texts];
        let work = Work::new(texts, how(normalize), send);
        (Waiting { work, next: 0 }, receive)
    }

    #[test]
    fn a_batch_holds_its_budget_and_requests_take_turns() {
        let (first, _keep1) = waiting(10, 40, true);
        let (second, _keep2) = waiting(1, 40, true);
        let mut queue = VecDeque::from([first, second]);
        // Twelve tokens each.
        let ranges = |pieces: Vec<Piece>| -> Vec<(usize, Range<usize>)> {
            let of = |p: Piece| (p.work.texts.len(), p.range);
            pieces.into_iter().map(of).collect()
        };
        assert_eq!(ranges(taken(&mut queue, 48)), [(10, 0..4)]);
        // The other one goes first now, and the rest beside it.
        assert_eq!(ranges(taken(&mut queue, 48)), [(1, 0..1), (10, 4..7)]);
        assert_eq!(ranges(taken(&mut queue, 1)), [(10, 7..8)]);
        assert_eq!(ranges(taken(&mut queue, 1000)), [(10, 8..10)]);
        assert!(taken(&mut queue, 1000).is_empty());
    }

    #[test]
    fn what_nobody_waits_for_is_dropped_and_unlike_ones_are_apart() {
        let (gone, receiver) = waiting(1, 4, true);
        let (one, _keep1) = waiting(1, 4, true);
        let (other, _keep2) = waiting(1, 4, false);
        let mut queue = VecDeque::from([gone, one, other]);
        drop(receiver);
        let pieces = taken(&mut queue, 1000);
        assert_eq!(pieces.len(), 1);
        assert!(pieces[0].work.how.normalize);
        let pieces = taken(&mut queue, 1000);
        assert_eq!(pieces.len(), 1);
        assert!(!pieces[0].work.how.normalize);
    }

    #[test]
    fn bulk_work_that_is_kept_waiting_is_let_pass() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let lanes = Lanes::new(16_384, metrics);
        assert_eq!(lanes.lock().bulk_tokens(16_384), FEW);
        lanes.bulk_begins(0, 1000);
        assert!(!lanes.lock().bulk_is_late());
        lanes.lock().rate = 1e6;
        assert!(!lanes.lock().bulk_is_late());
        assert_eq!(lanes.lock().bulk_tokens(16_384), 16_384);
        let before = Instant::now().checked_sub(Duration::from_secs(1));
        lanes.lock().running[0].since = before.unwrap();
        assert!(lanes.lock().bulk_is_late());
        lanes.lock().rate = 0.0;
        assert!(lanes.lock().bulk_is_late());
        lanes.bulk_ends(0);
        assert!(lanes.lock().rate > 0.0);
        assert!(!lanes.lock().bulk_is_late());
    }
}
