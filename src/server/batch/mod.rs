//! Dynamic batching: what all waiting requests give to embed, computed together.
//!
//! A request is put in one of two lanes, queries (a single short text) and bulk work, and waits
//! without a thread. Two threads for each lane take what waits, tokenize it and hand the encoder
//! batches of ids: one is computed while the other is made. The encoder's scheduler lets queries
//! pass bulk work between its runs.
//!
//! On the CPU that scheduler joins small calls by itself; what is gained here is that a request
//! that waits costs no thread and no call of its own, that one that nobody waits for any more is
//! not computed, and that a device which wants large batches gets them.

mod lanes;
mod work;
mod worker;

pub(super) use work::{Embedded, How, Text, Times, Took};

use super::dialect::{Fault, FaultKind};
use super::metrics::Metrics;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use lanes::{Lane, Lanes};
use std::sync::Arc;
use tokio::sync::oneshot;
use work::Work;

/// Threads of each lane.
const WORKERS: usize = 2;
/// The longest text that is a query, in bytes.
const QUERY: usize = 8 << 10;

/// Embeds what requests give, batch by batch. Dropping it ends its threads; what still waits is
/// told that the server is stopping.
pub(super) struct Batcher {
    lanes: Arc<Lanes>,
    encoder: Arc<Encoder>,
    metrics: Arc<Metrics>,
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.lanes.end();
    }
}

impl Batcher {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives none.
    pub(super) fn new(
        encoder: Arc<Encoder>,
        batch_tokens: usize,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let budget = encoder.token_budget().min(batch_tokens.max(1));
        let encoder = Arc::new(Encoder::clone(&encoder).with_token_budget(budget));
        let lanes = Arc::new(Lanes::new(budget, metrics.clone()));
        let batcher = Self {
            lanes,
            encoder,
            metrics,
        };
        for lane in [Lane::Queries, Lane::Bulk] {
            for number in 0..WORKERS {
                let worker = worker::Worker {
                    lane,
                    number,
                    lanes: batcher.lanes.clone(),
                    encoder: batcher.encoder.clone(),
                    metrics: batcher.metrics.clone(),
                };
                std::thread::Builder::new()
                    .name(format!("nearwise-{}-{number}", lane.name()))
                    .spawn(move || worker.run())
                    .map_err(|e| Error::io("the server's threads", e))?;
            }
        }
        Ok(batcher)
    }

    /// What embeds.
    pub(super) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Whether the batch that was computed last failed.
    pub(super) fn is_failing(&self) -> bool {
        self.lanes.is_failing()
    }

    /// Embeds texts. Where the caller drops this future, what was not computed yet will not be.
    ///
    /// # Errors
    /// A text or an option cannot be used; the device fails; the server is stopping.
    pub(super) async fn embed(
        &self,
        texts: Vec<Text>,
        how: How,
    ) -> std::result::Result<Embedded, Fault> {
        let lane = match texts.as_slice() {
            [one] if one.bytes() <= QUERY => Lane::Queries,
            _ => Lane::Bulk,
        };
        let (send, receive) = oneshot::channel();
        self.lanes.push(lane, Work::new(texts, how, send));
        match receive.await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::stopping()),
        }
    }
}

/// What a batch's thread says when it panicked.
fn broken() -> Fault {
    let message = "computing a batch failed unexpectedly; the server's log says where";
    Fault::new(FaultKind::Internal, message)
}
