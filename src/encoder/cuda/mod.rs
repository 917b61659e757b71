//! Nearwise's own encoder on CUDA devices: no padding, tensor-core products by cuBLASLt with
//! bias and activation fused, attention that stores no scores, residual and norm in one kernel,
//! pooling on the device, one copy back a batch. It interprets a description of any
//! architecture, as the CPU's encoder does.
//!
//! [`gpu`] is the seam to the driver; all else is the same on a device and on its twin in the
//! tests. `docs/performance.md` says what of it has run where.

#[cfg(feature = "cuda")]
mod cublaslt;
#[cfg(feature = "cuda")]
mod driver;
mod executor;
#[cfg(test)]
#[path = "../../../tests/common/families.rs"]
mod families;
mod forward;
mod gpu;
#[cfg(any(feature = "cuda", test))]
mod libraries;
#[cfg(any(feature = "cuda", test))]
mod machine_code;
mod near;
mod pack;
#[cfg(feature = "cuda")]
mod plans;
mod products;
#[cfg(test)]
#[path = "../../../tests/common/random_architecture.rs"]
mod random_architecture;
#[cfg(test)]
#[path = "../../../tests/common/random_model.rs"]
mod random_model;
mod segments;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;
mod weights;

#[cfg(feature = "cuda")]
pub(super) use driver::{cards, numbers, open};
pub(crate) use gpu::{Gpu, GpuDtype, GpuError};
#[cfg(feature = "cuda")]
pub(super) use near::{DeviceVectors, Sizes};

use super::checkpoint::Checkpoint;
use super::{Backend, Call, Done, Dtype, DtypeChoice, Limits, Priority, Queue, check_texts};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::model::architecture::{Architecture, Block, Norms};
use crate::model::{Config, ModelFiles};
use executor::Executor;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use weights::{Shape, Weights};

/// The tokens of a batch: on an H200 4 % faster than half as many, for the last blocks of a kernel,
/// which leave multiprocessors idle, are less of it. `benches/gpu.sh` measures others.
const BATCH_TOKENS: usize = 32_768;

/// Batches in a row after which a device that failed at each gets no more.
const FAILURES: usize = 4;
/// How often a call that waits looks whether its job was cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// Batches that each device is given at once, so that filling and emptying its queue is little
/// of it.
const AT_ONCE: usize = 16;

/// Opens the device of a number.
pub(crate) type Opener =
    Box<dyn Fn(usize) -> std::result::Result<Box<dyn Gpu>, GpuError> + Send + Sync>;

/// A transformer on one or several CUDA devices. Each is driven by a thread of its own, which
/// takes batches from one queue, those of queries first.
pub(crate) struct CudaBackend {
    shared: Arc<Shared>,
}

struct Shared {
    shape: Shape,
    weights: Weights<Vec<u8>>,
    opener: Opener,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queries: VecDeque<Work>,
    bulk: VecDeque<Work>,
    /// Devices that are opened when there are batches for them.
    later: VecDeque<usize>,
    /// Whether one of those is being opened.
    opening: bool,
    /// What the devices that were opened are called, and what they are.
    names: Vec<(String, String)>,
    /// Those that could not be opened, and why.
    left_out: Vec<String>,
    /// Devices that work.
    working: usize,
    /// Tokens of a batch, less than at first where memory ended.
    budget: usize,
    /// Why the last device stopped working.
    failure: Option<String>,
    closed: bool,
}

/// A batch and who waits for it.
struct Work {
    texts: Vec<Vec<u32>>,
    job: Job,
    done: Done,
}

impl Drop for CudaBackend {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl CudaBackend {
    /// Loads the weights of a model and copies them to the first of `devices` that can be opened;
    /// the others get them when there is more than one batch.
    ///
    /// # Errors
    /// The kernels do not compute the architecture; the weights are damaged, of other shapes
    /// than the configuration says, or hold a value that is no finite number; no device can be
    /// opened or has memory for them, for the reason that the first of them gives.
    pub(super) fn load(
        files: &ModelFiles,
        config: &Config,
        devices: &[usize],
        opener: Opener,
        number: GpuDtype,
    ) -> Result<Self> {
        let checkpoint = Checkpoint::open(files, config)?;
        let (shape, weights) = weights::read(&checkpoint, &config.head.poolings(), number)?;
        let shared = Arc::new(Shared {
            shape,
            weights,
            opener,
            state: Mutex::new(State {
                later: devices.iter().copied().collect(),
                budget: BATCH_TOKENS,
                ..State::default()
            }),
            work: Condvar::new(),
        });
        let failed = shared.open_for(1);
        let none_works = shared.lock().working == 0;
        match failed {
            Some(e) if none_works => Err(e),
            _ => Ok(Self { shared }),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a device and starts the thread that drives it.
    fn open(self: &Arc<Self>, number: usize) -> Result<()> {
        let name = format!("cuda:{number}");
        let opened = (self.opener)(number)
            .and_then(|gpu| Executor::new(gpu, &self.shape, &self.weights, BATCH_TOKENS))
            .and_then(|mut executor| {
                executor.fit_budget()?;
                Ok(executor)
            });
        let executor = opened.map_err(|failure| named(&name, failure))?;
        {
            let mut state = self.lock();
            let names = (executor.name().to_string(), executor.about());
            state.names.push(names);
            state.budget = state.budget.min(executor.budget());
            state.working += 1;
        }
        let shared = self.clone();
        let spawned = std::thread::Builder::new()
            .name(format!("nearwise-{name}"))
            .spawn(move || shared.drive(executor));
        if let Err(e) = spawned {
            self.stopped(format!("no thread can be started for it ({e})"));
            return Err(Error::device(name, "no thread can be started for it").with_source(e));
        }
        Ok(())
    }

    /// Opens further devices for this many batches. One that cannot be opened is left out: the
    /// others do its work. The failure of the first that was left out, if any was.
    fn open_for(self: &Arc<Self>, batches: usize) -> Option<Error> {
        let mut failed = None;
        loop {
            let mut state = self.lock();
            if state.opening || state.working >= batches {
                return failed;
            }
            let Some(number) = state.later.pop_front() else {
                return failed;
            };
            state.opening = true;
            drop(state);
            let outcome = self.open(number);
            let mut state = self.lock();
            state.opening = false;
            if let Err(e) = outcome {
                let about = format!("cuda:{number} was left out: {}", e.message());
                state.left_out.push(about);
                failed.get_or_insert(e);
            }
        }
    }

    /// A device's thread: takes batches as long as it has room for them, and hands over what it
    /// computed.
    fn drive(&self, mut executor: Executor) {
        let mut waiting: VecDeque<Done> = VecDeque::new();
        let (mut failures, mut last) = (0, String::new());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            while failures < FAILURES
                && let Some(step) = self.next(waiting.len())
            {
                match step {
                    Step::Submit(work) => {
                        if let Err(failure) = self.submit_to(&mut executor, work, &mut waiting) {
                            failures += 1;
                            last = failure;
                        }
                    }
                    Step::Collect => {
                        let vectors = executor.collect().and_then(|vectors| {
                            let lost = || GpuError::Other("a batch was lost".to_string());
                            vectors.ok_or_else(lost)
                        });
                        let vectors = vectors.map_err(|failure| named(executor.name(), failure));
                        match &vectors {
                            Ok(_) => failures = 0,
                            Err(e) => {
                                failures += 1;
                                last = e.message().to_string();
                            }
                        }
                        if let Some(done) = waiting.pop_front() {
                            done(vectors);
                        }
                    }
                }
            }
        }));
        let why = if outcome.is_err() {
            "the thread that drives it panicked".to_string()
        } else if failures >= FAILURES {
            format!("it failed {FAILURES} times in a row: {last}")
        } else {
            return;
        };
        for done in waiting {
            done(Err(Error::device(executor.name(), &why)));
        }
        self.stopped(format!("{}: {why}", executor.name()));
    }

    /// Fails where the device did; a batch that does not fit the model is not its fault.
    fn submit_to(
        &self,
        executor: &mut Executor,
        work: Work,
        waiting: &mut VecDeque<Done>,
    ) -> std::result::Result<(), String> {
        let texts: Vec<&[u32]> = work.texts.iter().map(Vec::as_slice).collect();
        // Who waits is known before anything can panic.
        waiting.push_back(work.done);
        let mut took = Ok(());
        let submitted = check(&self.shape, executor.name(), &texts).and_then(|()| {
            let done = executor.submit(&texts);
            took = done.as_ref().map(|_| ()).map_err(ToString::to_string);
            done.map_err(|failure| named(executor.name(), failure))
        });
        if let Err(e) = submitted
            && let Some(done) = waiting.pop_back()
        {
            done(Err(e));
        }
        let mut state = self.lock();
        state.budget = state.budget.min(executor.budget());
        took
    }

    /// What a device with this many batches under way does next; `None` when it is to end.
    fn next(&self, under_way: usize) -> Option<Step> {
        let mut state = self.lock();
        loop {
            if under_way < executor::DEPTH {
                let query = state.queries.pop_front();
                if let Some(work) = query.or_else(|| state.bulk.pop_front()) {
                    if work.job.is_cancelled() {
                        // Nobody waits for it any more.
                        drop(state);
                        (work.done)(Err(Error::cancelled()));
                        state = self.lock();
                        continue;
                    }
                    return Some(Step::Submit(work));
                }
            }
            if under_way > 0 {
                return Some(Step::Collect);
            }
            if state.closed {
                return None;
            }
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A device works no more. Without any other, nobody must wait for one.
    fn stopped(&self, why: String) {
        let mut state = self.lock();
        state.working -= 1;
        let mut left = VecDeque::new();
        if state.working == 0 {
            left.append(&mut state.queries);
            left.append(&mut state.bulk);
        }
        state.failure = Some(why.clone());
        drop(state);
        for work in left {
            (work.done)(Err(Error::device("cuda", &why)));
        }
    }

    fn submit(&self, work: Work, priority: Priority) {
        let mut state = self.lock();
        if state.working == 0 {
            let why = state.failure.clone().unwrap_or_default();
            drop(state);
            (work.done)(Err(Error::device(
                "cuda",
                format!("no device works: {why}"),
            )));
            return;
        }
        match priority {
            Priority::Query => state.queries.push_back(work),
            Priority::Bulk => state.bulk.push_back(work),
        }
        drop(state);
        self.work.notify_one();
    }
}

enum Step {
    Submit(Work),
    Collect,
}

/// The dtype of a model's numbers: the one that was asked for, and where it was left open, 16 bits
/// that hold them.
///
/// Norms of what is added to the stream are there because it grows large: in models that have them
/// (Gemma 3) the stream passes what f16 holds, 65,504, and they are published for bf16 and f32.
pub(super) fn number(choice: DtypeChoice, architecture: &Architecture) -> GpuDtype {
    let large = |b: &Block| matches!(b.norms, Norms::Sandwich(_));
    let large = architecture.blocks.iter().any(large);
    match choice {
        DtypeChoice::Auto if large => GpuDtype::Bf16,
        // As near as f16 is to f32 where f16 can be used.
        DtypeChoice::Like(Dtype::F32 | Dtype::F16) if large => GpuDtype::F32,
        DtypeChoice::Only(Dtype::F32) => GpuDtype::F32,
        DtypeChoice::Only(Dtype::Bf16) | DtypeChoice::Like(Dtype::Bf16) => GpuDtype::Bf16,
        _ => GpuDtype::F16,
    }
}

fn check(shape: &Shape, device: &str, texts: &[&[u32]]) -> Result<()> {
    let limits = Limits {
        longest: shape.longest,
        vocabulary: shape.architecture.vocabulary,
        types: shape.types,
    };
    check_texts(texts, limits, device)
}

/// Vectors on a twin of a device, for tests of what uses an accelerator.
#[cfg(test)]
pub(crate) fn twin_of(
    vectors: &[f32],
    dim: usize,
) -> std::sync::Arc<dyn crate::vectors::Accelerator> {
    let twin = Box::new(twin::Twin::new(0, 1 << 30));
    let held = near::DeviceVectors::new(twin, vectors, dim, near::Sizes::default());
    std::sync::Arc::new(held.unwrap())
}

pub(super) fn named(device: &str, failure: GpuError) -> Error {
    let message = match &failure {
        GpuError::OutOfMemory(_) => {
            format!("{failure}; close what else uses the device, or compute on the CPU")
        }
        GpuError::Other(_) => failure.to_string(),
    };
    Error::device(device, message)
}

impl Backend for CudaBackend {
    fn forward(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let work = Work {
            texts: texts.iter().map(|t| t.to_vec()).collect(),
            job: call.job.clone(),
            done: Box::new(move |vectors| {
                // The caller may have given it up.
                let _ = send.send(vectors);
            }),
        };
        self.shared.open_for(1);
        self.shared.submit(work, call.priority);
        loop {
            match receive.recv_timeout(LOOK) {
                Ok(vectors) => return vectors,
                Err(RecvTimeoutError::Timeout) => call.job.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::device(
                        self.device(),
                        "the thread that drives it ended",
                    ));
                }
            }
        }
    }

    fn device(&self) -> String {
        let state = self.shared.lock();
        let first = state.names.first();
        first.map_or("cuda".to_string(), |(name, _)| name.clone())
    }

    fn dtype(&self) -> &str {
        self.shared.shape.number.name()
    }

    fn token_budget(&self) -> usize {
        self.shared.lock().budget
    }

    fn pads(&self) -> bool {
        false
    }

    fn batches_at_once(&self) -> usize {
        let state = self.shared.lock();
        AT_ONCE * (state.working + state.later.len())
    }

    fn about(&self) -> String {
        let state = self.shared.lock();
        let devices: Vec<&str> = state
            .names
            .iter()
            .map(|(_, about)| about.as_str())
            .chain(state.left_out.iter().map(String::as_str))
            .collect();
        let more = match state.later.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let dtype = self.shared.shape.number.name();
        format!("{}{more}, {dtype}", devices.join(", "))
    }

    fn queue(&self) -> Option<&dyn Queue> {
        Some(self)
    }
}

impl Queue for CudaBackend {
    fn submit(&self, texts: Vec<Vec<u32>>, call: &Call, waiting: usize, done: Done) {
        self.shared.open_for(waiting);
        let job = call.job.clone();
        self.shared.submit(Work { texts, job, done }, call.priority);
    }
}
