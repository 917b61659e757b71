//! The seam between what is common to all encoders and what each device does its own way.

use crate::error::{Error, Result};
use crate::job::Job;

/// What is computed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Priority {
    /// Before all bulk work that has not begun: somebody waits for the answer.
    #[default]
    Query,
    /// When nothing else waits.
    Bulk,
}

/// How a call is to be computed.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// What goes first.
    pub priority: Priority,
    /// Looked at several times a second while the call waits.
    pub job: Job,
}

/// Runs the transformer and its pooling.
///
/// Calls come from several threads at once. A backend schedules them on its device: queries
/// before bulk work, and never more at a time than the device computes well.
pub trait Backend: Send + Sync {
    /// The vectors of `texts`, each a list of token ids, one after another, of `dim` values each,
    /// not normalised. Blocks until they are there.
    ///
    /// # Errors
    /// The device fails; the call's job is cancelled.
    fn forward(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>>;

    /// The vectors of the tokens of `texts`, one token after another, of as many values each as the
    /// transformer is wide, before any pooling. Blocks until they are there; for bulk work.
    ///
    /// # Errors
    /// The device does not give them, or fails; the call's job is cancelled.
    fn tokens(&self, texts: &[&[u32]], call: &Call) -> Result<Vec<f32>> {
        let _ = (texts, call);
        Err(Error::device(
            self.device(),
            "it gives no vectors of single tokens; the CPU does",
        ))
    }

    /// The device's name, such as `cpu`.
    fn device(&self) -> String;

    /// The dtype computed with, such as `f32`.
    fn dtype(&self) -> &str;

    /// Tokens of a batch, padding included, at which this backend is fastest.
    fn token_budget(&self) -> usize;

    /// Whether all texts of a batch take as many tokens as the longest.
    fn pads(&self) -> bool {
        true
    }

    /// Batches that it is best given at once.
    fn batches_at_once(&self) -> usize {
        1
    }

    /// The queue that takes batches ahead of their results; `None` where
    /// [`Backend::forward`] uses all of the device by itself.
    fn queue(&self) -> Option<&dyn Queue> {
        None
    }

    /// What it computes on and with, for people.
    fn about(&self) -> String {
        format!("{}, {}", self.device(), self.dtype())
    }
}

/// Called once with a batch's vectors, or why there are none, from a thread of the device.
pub type Done = Box<dyn FnOnce(Result<Vec<f32>>) + Send>;

/// Takes batches ahead of their results.
pub trait Queue: Send + Sync {
    /// Hands over a batch and returns at once; `done` is called when it is computed. `waiting`
    /// says how many batches the caller has for it, so that devices are opened for them.
    fn submit(&self, texts: Vec<Vec<u32>>, call: &Call, waiting: usize, done: Done);
}
