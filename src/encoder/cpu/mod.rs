//! Nearwise's own encoder on the CPU: no padding, weights packed for the register tile, all
//! layers on a run of tokens that stays in the cache, int8 and bf16 where the processor
//! multiplies them.

pub mod bench;
mod forward;
mod kernels;
mod level;
mod products;
mod team;
mod weights;

pub use level::Level;
pub use products::Products;

use super::{Backend, Dtype, check_texts};
use crate::error::{Error, Result};
use crate::model::{Config, ModelFiles, Pooling};
use forward::{Run, Scratch};
use kernels::Kernels;
use rayon::prelude::*;
use std::sync::Mutex;
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
/// Overrides the level of instructions; for tests and measurements.
const LEVEL_VARIABLE: &str = "NEARWISE_CPU_LEVEL";

/// A transformer of the BERT family on the CPU.
///
/// Vectors are the same to the bit whichever texts are in the batch, in whatever order, on any
/// number of threads; between levels of instructions they differ by rounding.
pub struct CpuBackend {
    weights: Weights,
    kernels: Kernels,
    pooling: Pooling,
    dtype: Dtype,
    level: Level,
    /// Memory of runs, kept for the next.
    scratch: Mutex<Vec<Scratch>>,
}

impl std::fmt::Debug for CpuBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuBackend")
            .field("dtype", &self.dtype)
            .field("level", &self.level)
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
        let kernels = level.kernels(dtype).ok_or_else(|| Error::Device {
            device: "cpu".to_string(),
            message: format!(
                "this processor has no {} with {}",
                level.name(),
                dtype.name()
            ),
        })?;
        Ok(Self {
            weights: Weights::load(files, config, &kernels)?,
            kernels,
            pooling: config.pooling,
            dtype,
            level,
            scratch: Mutex::default(),
        })
    }

    /// The level of instructions.
    pub fn level(&self) -> Level {
        self.level
    }

    fn run_tokens(&self) -> usize {
        if self.kernels.format.group() == 1 {
            RUN_TOKENS.0
        } else {
            RUN_TOKENS.1
        }
    }

    /// Computes one run on `workers` threads.
    fn run(&self, texts: &[&[u32]], out: &mut [f32], workers: usize) {
        let kept = self.scratch.lock().ok().and_then(|mut kept| kept.pop());
        let mut scratch = kept.unwrap_or_default();
        let run = Run::new(&self.weights, &self.kernels, texts, workers, &mut scratch);
        team::run(workers, |worker| run.compute(worker));
        run.pool(self.pooling, out);
        if let Ok(mut kept) = self.scratch.lock() {
            kept.push(scratch);
        }
    }
}

/// The level that the environment asks for, else the best.
fn wanted_level() -> Result<Level> {
    match std::env::var(LEVEL_VARIABLE) {
        Ok(name) if !name.is_empty() => {
            let level: Level = name.parse().map_err(|e| Error::usage(LEVEL_VARIABLE, e))?;
            if level.available() {
                Ok(level)
            } else {
                Err(Error::usage(
                    LEVEL_VARIABLE,
                    format!("this processor has no {name}"),
                ))
            }
        }
        _ => Ok(Level::best()),
    }
}

/// The type of number for a model: what is asked for, or the fastest here that is known to be
/// faithful.
pub(super) fn dtype(choice: Option<Dtype>, files: &ModelFiles) -> Result<Dtype> {
    let level = wanted_level()?;
    Ok(match choice {
        Some(dtype) => dtype,
        None if files.int8_is_faithful() && level.speeds_up(Dtype::Int8) => Dtype::Int8,
        None if level.speeds_up(Dtype::Bf16) => Dtype::Bf16,
        None => Dtype::F32,
    })
}

impl Backend for CpuBackend {
    fn forward(&mut self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let hidden = self.weights.hidden;
        let vocabulary = self.weights.words.len() / hidden;
        check_texts(texts, self.weights.longest(), vocabulary, self.device())?;
        let mut out = vec![0.0; texts.len() * hidden];
        let threads = rayon::current_num_threads();
        let tokens: usize = texts.iter().map(|t| t.len()).sum();
        let share = self.run_tokens().min(tokens.div_ceil(threads)).max(1);
        let mut runs = Vec::new();
        let (mut rest, mut places) = (texts, out.as_mut_slice());
        while !rest.is_empty() {
            let mut sum = 0;
            let fits = |t: &&&[u32]| {
                sum += t.len();
                sum <= share
            };
            let n = rest.iter().take_while(fits).count().max(1);
            let (run, place);
            (run, rest) = rest.split_at(n);
            (place, places) = std::mem::take(&mut places).split_at_mut(n * hidden);
            runs.push((run, place));
        }
        if 2 * runs.len() > threads {
            let this = &*self;
            runs.into_par_iter()
                .for_each(|(run, place)| this.run(run, place, 1));
        } else {
            for (run, place) in runs {
                let tokens: usize = run.iter().map(|t| t.len()).sum();
                let useful = tokens * self.weights.operations() / SHARE_OPERATIONS;
                self.run(run, place, threads.min(TEAM).min(useful).max(1));
            }
        }
        Ok(out)
    }

    fn device(&self) -> &str {
        "cpu"
    }

    fn dtype(&self) -> &str {
        self.dtype.name()
    }

    fn token_budget(&self) -> usize {
        BATCH_TOKENS
    }

    fn pads(&self) -> bool {
        false
    }

    fn about(&self) -> String {
        format!("cpu, {} by {}", self.dtype.name(), self.level.name())
    }
}
