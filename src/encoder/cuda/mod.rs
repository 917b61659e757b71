//! Nearwise's own encoder on CUDA devices: no padding, tensor-core products by cuBLASLt with
//! bias and activation fused, attention that stores no scores, residual and LayerNorm in one
//! kernel, pooling on the device, one copy back a batch.
//!
//! [`gpu`] is the seam to the driver; all else is the same on a device and on its twin in the
//! tests. `docs/performance.md` says what of it has run where.

#[cfg(feature = "cuda")]
mod driver;
mod forward;
mod gpu;
mod lane;
mod near;
mod pack;
#[cfg(test)]
#[path = "../../../tests/common/random_model.rs"]
mod random_model;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;
mod weights;

#[cfg(feature = "cuda")]
pub(super) use driver::{cards, numbers, open};
pub(crate) use gpu::{Failure, Gpu, Number};
#[cfg(feature = "cuda")]
pub(super) use near::{DeviceVectors, Sizes};

use super::checkpoint::Checkpoint;
use super::{Backend, Queue, check_texts};
use crate::error::{Error, Result};
use crate::model::{Config, ModelFiles};
use lane::Lane;
use weights::{Shape, Weights};

/// The tokens of a batch: the widest activations of a small model, 50 MB, stay in a large
/// device's cache. `benches/gpu.sh` measures others.
const BATCH_TOKENS: usize = 16_384;

/// Batches that each device is given at once, so that filling and emptying its queue is little
/// of it.
const AT_ONCE: usize = 16;

/// Opens the device of a number.
pub(crate) type Opener = Box<dyn Fn(usize) -> std::result::Result<Box<dyn Gpu>, Failure> + Send>;

/// A transformer of the BERT family on one or several CUDA devices.
pub(crate) struct CudaBackend {
    lanes: Vec<Lane>,
    /// Devices that are opened when there are batches for them.
    later: Vec<usize>,
    opener: Opener,
    shape: Shape,
    weights: Weights<Vec<u8>>,
}

impl CudaBackend {
    /// Loads the weights of a model and copies them to the first of `devices`; the others get
    /// them when there is more than one batch.
    ///
    /// # Errors
    /// The weights are damaged, of other shapes than the configuration says, or hold a value
    /// that is no finite number; the device fails or has no memory for them.
    pub fn load(
        files: &ModelFiles,
        config: &Config,
        devices: &[usize],
        opener: Opener,
        number: Number,
    ) -> Result<Self> {
        let checkpoint = Checkpoint::open(files, config)?;
        let (shape, weights) = weights::read(&checkpoint, config.pooling, number)?;
        let mut backend = Self {
            lanes: Vec::new(),
            later: devices.to_vec(),
            opener,
            shape,
            weights,
        };
        backend.open_next()?;
        Ok(backend)
    }

    fn open_next(&mut self) -> Result<()> {
        if self.later.is_empty() {
            return Ok(());
        }
        let number = self.later.remove(0);
        let opened = (self.opener)(number)
            .and_then(|gpu| Lane::new(gpu, &self.shape, &self.weights, BATCH_TOKENS))
            .and_then(|mut lane| {
                lane.fit_budget()?;
                Ok(lane)
            });
        let lane = opened.map_err(|failure| named(&format!("cuda:{number}"), failure))?;
        self.lanes.push(lane);
        Ok(())
    }
}

fn check(shape: &Shape, device: &str, texts: &[&[u32]]) -> Result<()> {
    check_texts(texts, shape.longest, shape.vocabulary, device)
}

/// Vectors on a twin of a device, for tests of what uses an accelerator.
#[cfg(test)]
pub(crate) fn twin_of(vectors: &[f32], dim: usize) -> std::sync::Arc<dyn super::Accelerator> {
    let twin = Box::new(twin::Twin::new(0, 1 << 30));
    let held = near::DeviceVectors::new(twin, vectors, dim, near::Sizes::default());
    std::sync::Arc::new(held.unwrap())
}

pub(super) fn named(device: &str, failure: Failure) -> Error {
    Error::Device {
        device: device.to_string(),
        message: match &failure {
            Failure::OutOfMemory(_) => {
                format!("{failure}; close what else uses the device, or pass --device cpu")
            }
            Failure::Other(_) => failure.to_string(),
        },
    }
}

impl Backend for CudaBackend {
    fn forward(&mut self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        check(&self.shape, self.device(), texts)?;
        let lane = &mut self.lanes[0];
        let done = lane.submit(texts).and_then(|()| lane.collect());
        Ok(done
            .map_err(|failure| named(lane.name(), failure))?
            .unwrap_or_default())
    }

    fn device(&self) -> &str {
        self.lanes.first().map_or("cuda", Lane::name)
    }

    fn dtype(&self) -> &str {
        self.shape.number.name()
    }

    fn token_budget(&self) -> usize {
        self.lanes
            .iter()
            .map(Lane::budget)
            .min()
            .unwrap_or(BATCH_TOKENS)
    }

    fn pads(&self) -> bool {
        false
    }

    fn batches_at_once(&self) -> usize {
        AT_ONCE * (self.lanes.len() + self.later.len())
    }

    fn about(&self) -> String {
        let cards: Vec<String> = self.lanes.iter().map(Lane::about).collect();
        let more = match self.later.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        format!("{}{more}, {}", cards.join(", "), self.shape.number.name())
    }

    fn queues(&mut self, batches: usize) -> Result<Vec<Box<dyn Queue + '_>>> {
        while self.lanes.len() < batches && !self.later.is_empty() {
            self.open_next()?;
        }
        let shape = &self.shape;
        Ok(self
            .lanes
            .iter_mut()
            .map(|lane| Box::new(LaneQueue { lane, shape }) as Box<dyn Queue + '_>)
            .collect())
    }
}

/// A lane as the pipeline sees it.
struct LaneQueue<'a> {
    lane: &'a mut Lane,
    shape: &'a Shape,
}

impl Queue for LaneQueue<'_> {
    fn submit(&mut self, texts: &[&[u32]]) -> Result<()> {
        check(self.shape, self.lane.name(), texts)?;
        self.lane
            .submit(texts)
            .map_err(|failure| named(self.lane.name(), failure))
    }

    fn collect(&mut self) -> Result<Vec<f32>> {
        let vectors = self.lane.collect();
        Ok(vectors
            .map_err(|failure| named(self.lane.name(), failure))?
            .unwrap_or_default())
    }

    fn depth(&self) -> usize {
        lane::DEPTH
    }
}
