//! Nearwise's own encoder on the CPU: no padding, weights packed for the register tile, all
//! layers on a run of tokens that stays in the cache, int8 and bf16 where the processor
//! multiplies them.

pub mod bench;
mod crew;
mod forward;
mod rates;
mod weights;

pub use rates::{CpuRate, cpu_rates};

use super::{Backend, Call, Limits, Priority, check_texts};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::kernels::{Dtype, Level, wanted_level};
use crate::model::architecture::Pooling;
use crate::model::{Config, ModelFiles};
use crew::{Crew, Seats, Turn};
use forward::{Model, Run, Scratch};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use weights::Weights;

/// The tokens of a run, what one thread takes through all layers at a time, for operands of
/// four bytes and for smaller ones; see `docs/performance.md`.
const RUN_TOKENS: (usize, usize) = (128, 256);
/// The tokens of a batch: enough for every thread to be busy to its end.
const BATCH_TOKENS: usize = 16_384;
/// Operations below which another thread costs more than it saves.
const SHARE_OPERATIONS: usize = 30_000_000;
/// The most threads that share one run: beyond, they wait for each other.
const TEAM: usize = 8;

/// A transformer on the CPU.
///
/// Vectors are the same to the bit whichever texts are in the batch, in whatever order, on any
/// number of threads; between levels of instructions they differ by rounding. Clones share the
/// weights.
#[derive(Clone)]
pub struct CpuBackend {
    shared: Arc<Shared>,
    crew: Arc<Crew>,
}

/// What the threads of the crew compute with.
struct Shared {
    model: Arc<Model>,
    poolings: Vec<Pooling>,
    dtype: Dtype,
    level: Level,
    /// Memory of runs, kept for the next.
    scratch: Mutex<Vec<Scratch>>,
    queries: Mutex<VecDeque<Piece>>,
    bulk: Mutex<VecDeque<Piece>>,
}

/// Texts that are computed together, a part of what one call gave.
struct Piece {
    texts: Vec<Vec<u32>>,
    tokens: usize,
    /// Where their vectors belong among those of the call.
    first: usize,
    ticket: Arc<Ticket>,
}

/// One call that waits for its vectors.
struct Ticket {
    result: Mutex<Awaited>,
    done: Condvar,
    given_up: AtomicBool,
}

struct Awaited {
    values: Vec<f32>,
    /// Pieces that are not computed yet.
    left: usize,
    failed: bool,
}

/// How often a call that waits looks whether its job was cancelled.
const LOOK: Duration = Duration::from_millis(100);

impl Ticket {
    fn lock(&self) -> MutexGuard<'_, Awaited> {
        // The values of a piece are copied whole or not at all.
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, first: usize, vectors: Option<&[f32]>) {
        let mut result = self.lock();
        match vectors {
            Some(vectors) => result.values[first..first + vectors.len()].copy_from_slice(vectors),
            None => result.failed = true,
        }
        result.left -= 1;
        if result.left == 0 {
            self.done.notify_one();
        }
    }

    fn wait(&self, job: &Job) -> Result<Vec<f32>> {
        let mut result = self.lock();
        while result.left > 0 {
            let waited = self.done.wait_timeout(result, LOOK);
            result = waited.unwrap_or_else(PoisonError::into_inner).0;
            if result.left > 0 {
                drop(result);
                if let Err(e) = job.check() {
                    // Pieces that nobody has begun are dropped when it is their turn.
                    self.given_up.store(true, Ordering::Relaxed);
                    return Err(e);
                }
                result = self.lock();
            }
        }
        if result.failed {
            return Err(panicked());
        }
        Ok(std::mem::take(&mut result.values))
    }
}

fn panicked() -> Error {
    Error::internal("computing a batch on the CPU panicked; please report it with the model's name")
}

impl std::fmt::Debug for CpuBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuBackend")
            .field("dtype", &self.shared.dtype)
            .field("level", &self.shared.level)
            .finish_non_exhaustive()
    }
}

impl CpuBackend {
    /// Loads the weights of a model and packs them for the fastest instructions that the
    /// processor has, or those that the environment variable `NEARWISE_CPU_LEVEL` names.
    ///
    /// # Errors
    /// As [`CpuBackend::load_for`]; the variable names no level.
    pub fn load(files: &ModelFiles, config: &Config, dtype: Dtype) -> Result<Self> {
        Self::load_for(files, config, dtype, wanted_level()?)
    }

    /// Loads the weights of a model and packs them for a level of instructions.
    ///
    /// # Errors
    /// The processor has not the level; the weights are damaged, of other shapes than the
    /// configuration says, or hold a value that is no finite number.
    pub fn load_for(
        files: &ModelFiles,
        config: &Config,
        dtype: Dtype,
        level: Level,
    ) -> Result<Self> {
        let kernels = level.kernels(dtype).ok_or_else(|| {
            let (level, dtype) = (level.name(), dtype.name());
            Error::device("cpu", format!("this processor has no {level} with {dtype}"))
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                model: Arc::new(Model {
                    weights: Weights::load(files, config, &kernels)?,
                    kernels,
                }),
                poolings: config.head.poolings(),
                dtype,
                level,
                scratch: Mutex::default(),
                queries: Mutex::default(),
                bulk: Mutex::default(),
            }),
            crew: Crew::of_process(),
        })
    }

    /// Computes on this many threads of its own, instead of those that all encoders of the
    /// process share; `None` changes nothing.
    #[must_use]
    pub fn on_threads(mut self, threads: Option<usize>) -> Self {
        if let Some(threads) = threads {
            self.crew = Arc::new(Crew::new(threads));
        }
        self
    }

    /// The level of instructions.
    pub fn level(&self) -> Level {
        self.shared.level
    }
}

impl Shared {
    /// The numbers that come out for a text.
    fn width(&self) -> usize {
        self.model.weights.hidden * self.poolings.len()
    }

    fn run_tokens(&self) -> usize {
        if self.model.kernels.format.group() == 1 {
            RUN_TOKENS.0
        } else {
            RUN_TOKENS.1
        }
    }

    fn queue(&self, priority: Priority) -> MutexGuard<'_, VecDeque<Piece>> {
        let queue = match priority {
            Priority::Query => &self.queries,
            Priority::Bulk => &self.bulk,
        };
        queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scratch(&self) -> Scratch {
        let kept = self.scratch.lock().ok().and_then(|mut kept| kept.pop());
        kept.unwrap_or_default()
    }

    /// Takes the vectors out of a run that was computed, and keeps its memory for the next.
    fn finish(&self, run: Run, texts: usize) -> Vec<f32> {
        let (hidden, width) = (self.model.weights.hidden, self.width());
        let mut out = vec![0.0; texts * width];
        if let [only] = self.poolings[..] {
            run.pool(only, &mut out);
        } else {
            let mut one = vec![0.0; texts * hidden];
            for (number, pooling) in self.poolings.iter().enumerate() {
                run.pool(*pooling, &mut one);
                for (to, from) in out.chunks_exact_mut(width).zip(one.chunks_exact(hidden)) {
                    to[number * hidden..][..hidden].copy_from_slice(from);
                }
            }
        }
        if let Ok(mut kept) = self.scratch.lock() {
            kept.push(run.into_scratch());
        }
        out
    }

    /// Computes texts on this thread.
    fn alone(&self, texts: Vec<Vec<u32>>) -> Vec<f32> {
        let count = texts.len();
        let run = Run::new(self.model.clone(), texts, 1, self.scratch());
        crew::alone(|worker| run.compute(worker));
        self.finish(run, count)
    }

    /// Computes texts on all of `seats`.
    fn together(&self, texts: Vec<Vec<u32>>, seats: Seats<'_>) -> Result<Vec<f32>> {
        let count = texts.len();
        let run = self.computed(texts, seats)?;
        Ok(self.finish(run, count))
    }

    /// A run of texts that all of `seats` have computed.
    fn computed(&self, texts: Vec<Vec<u32>>, seats: Seats<'_>) -> Result<Run> {
        let run = Run::new(self.model.clone(), texts, seats.count(), self.scratch());
        let run = Arc::new(run);
        seats
            .run(run.clone(), |run: &Run, worker| run.compute(worker))
            .map_err(|_| panicked())?;
        // All helpers have dropped theirs.
        Arc::into_inner(run).ok_or_else(panicked)
    }
}

impl Turn for Shared {
    fn take(&self, priority: Priority, crowded: bool) {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut tokens = 0;
        let mut queue = self.queue(priority);
        while let Some(next) = queue.front() {
            if !pieces.is_empty() && (!crowded || tokens + next.tokens > self.run_tokens()) {
                break;
            }
            let Some(piece) = queue.pop_front() else {
                break;
            };
            if !piece.ticket.given_up.load(Ordering::Relaxed) {
                tokens += piece.tokens;
                pieces.push(piece);
            }
        }
        drop(queue);
        let mut sizes = Vec::with_capacity(pieces.len());
        let mut all = Vec::new();
        for piece in &mut pieces {
            sizes.push(piece.texts.len() * self.width());
            all.append(&mut piece.texts);
        }
        if all.is_empty() {
            return;
        }
        let computed = catch_unwind(AssertUnwindSafe(|| self.alone(all)));
        let mut rest = computed.as_deref().ok();
        for (piece, size) in pieces.iter().zip(sizes) {
            let own = rest.map(|values| values.split_at(size));
            rest = own.map(|(_, rest)| rest);
            piece.ticket.deliver(piece.first, own.map(|(own, _)| own));
        }
    }
}

/// The dtype for a model: what is asked for, or the fastest here that is known to be
/// faithful.
pub(super) fn dtype(choice: Option<Dtype>, files: &ModelFiles) -> Result<Dtype> {
    let level = wanted_level()?;
    Ok(match choice {
        Some(dtype) => dtype,
        None => level.chosen(files.int8_is_faithful()),
    })
}

impl CpuBackend {
    fn check(&self, texts: &[&[u32]]) -> Result<()> {
        let weights = &self.shared.model.weights;
        let limits = Limits {
            longest: weights.longest,
            vocabulary: weights.vocabulary,
            types: weights.types,
        };
        check_texts(texts, limits, "cpu")
    }
}

impl Backend for CpuBackend {
    fn tokens(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>> {
        let shared = &self.shared;
        self.check(texts)?;
        let mut out = Vec::new();
        // A text at a time by a team: whoever wants every token wants few texts, or has time.
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let run = loop {
                call.job.check()?;
                if let Some(seats) = self.crew.seats(TEAM) {
                    break shared.computed(vec![text.to_vec()], seats)?;
                }
                std::thread::sleep(LOOK / 100);
            };
            run.rows(&mut out);
            if let Ok(mut kept) = shared.scratch.lock() {
                kept.push(run.into_scratch());
            }
        }
        Ok(out)
    }

    fn forward(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>> {
        let shared = &self.shared;
        let weights = &shared.model.weights;
        let width = shared.width();
        self.check(texts)?;
        let threads = self.crew.threads();
        let tokens: usize = texts.iter().map(|t| t.len()).sum();
        let share = shared.run_tokens().min(tokens.div_ceil(threads)).max(1);
        let mut runs: Vec<&[&[u32]]> = Vec::new();
        let mut rest = texts;
        while !rest.is_empty() {
            let mut sum = 0;
            let fits = |t: &&&[u32]| {
                sum += t.len();
                sum <= share
            };
            let n = rest.iter().take_while(fits).count().max(1);
            let run;
            (run, rest) = rest.split_at(n);
            runs.push(run);
        }
        let owned = |run: &[&[u32]]| -> Vec<Vec<u32>> { run.iter().map(|t| t.to_vec()).collect() };
        let length = |run: &[&[u32]]| -> usize { run.iter().map(|t| t.len()).sum() };

        let mut values = Vec::with_capacity(texts.len() * width);
        if 2 * runs.len() <= threads {
            // Too little for all threads: each run is shared by a team, if there are seats.
            let mut alone = 0;
            for run in &runs {
                let useful = length(run) * weights.operations / SHARE_OPERATIONS;
                let Some(seats) = self.crew.seats(useful.clamp(1, TEAM)) else {
                    break;
                };
                values.extend(shared.together(owned(run), seats)?);
                alone += 1;
            }
            runs.drain(..alone);
        }
        if runs.is_empty() {
            return Ok(values);
        }
        let first = values.len();
        values.resize(texts.len() * width, 0.0);
        let ticket = Arc::new(Ticket {
            result: Mutex::new(Awaited {
                values,
                left: runs.len(),
                failed: false,
            }),
            done: Condvar::new(),
            given_up: AtomicBool::new(false),
        });
        let mut at = first;
        let pieces: Vec<Piece> = runs
            .iter()
            .map(|run| {
                let piece = Piece {
                    texts: owned(run),
                    tokens: length(run),
                    first: at,
                    ticket: ticket.clone(),
                };
                at += run.len() * width;
                piece
            })
            .collect();
        let turns = pieces.len();
        shared.queue(call.priority).extend(pieces);
        let turn: Arc<dyn Turn> = shared.clone();
        self.crew.enqueue(&turn, call.priority, turns);
        ticket.wait(&call.job)
    }

    fn device(&self) -> String {
        "cpu".to_string()
    }

    fn dtype(&self) -> &str {
        self.shared.dtype.name()
    }

    fn token_budget(&self) -> usize {
        BATCH_TOKENS
    }

    fn pads(&self) -> bool {
        false
    }

    fn about(&self) -> String {
        let (dtype, level) = (self.shared.dtype.name(), self.shared.level.name());
        format!("cpu, {dtype} by {level}")
    }
}
