//! What the server bears: how large requests may be, how many are accepted at a time, how long a
//! slow client is waited for.

use super::dialect::Fault;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// What the server bears. The defaults suit a host of a few cores and gigabytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The longest body of a request, in bytes; 413 beyond. Streams of articles are not bounded.
    pub max_body: usize,
    /// The most texts of a request to embed; they are split inside.
    pub max_client_batch: usize,
    /// The most tokens that are computed together.
    pub max_batch_tokens: usize,
    /// Requests that are accepted at a time; 429 beyond.
    pub max_concurrent_requests: usize,
    /// Memory for what accepted requests hold, in bytes: their bodies, texts and answers; 429 beyond.
    pub max_queued_bytes: usize,
    /// Connections that are open at a time; 503 beyond.
    pub max_connections: usize,
    /// How long a client may take to send a request's head, and to say nothing between two
    /// requests.
    pub header_timeout: Duration,
    /// How long a client may take between two pieces of a body.
    pub body_timeout: Duration,
    /// How long a client may take to read anything of an answer.
    pub write_timeout: Duration,
    /// How long running requests may take when the server is stopped.
    pub grace: Duration,
    /// Whether a text that is too long for the model is cut where a request does not say.
    pub auto_truncate: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 32 << 20,
            max_client_batch: 2048,
            max_batch_tokens: 16_384,
            max_concurrent_requests: 512,
            max_queued_bytes: 512 << 20,
            max_connections: 4096,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(30),
            auto_truncate: true,
        }
    }
}

/// The most that [`Limits::max_client_batch`] can be: longer lists are refused while they are read.
pub const MOST_TEXTS: usize = 65_536;
/// A body is sent within so many timeouts of a piece.
pub(super) const BODY_PIECES: u32 = 10;

/// Memory is counted in pages of this many bytes.
const PAGE: usize = 4096;
/// Bytes of memory for each of a body: itself, its texts, their tokens.
const PER_BYTE: usize = 4;
/// Bytes of memory for each value of an answer: itself, and as it is written.
const PER_VALUE: usize = 16;

/// Who is let in.
pub(super) struct Admission {
    requests: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    pages: usize,
}

/// A request's place; given back when nobody holds it any more.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// The memory of a request.
#[derive(Default)]
pub(super) struct Memory(Option<OwnedSemaphorePermit>);

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let pages = (limits.max_queued_bytes / PAGE).clamp(1, Semaphore::MAX_PERMITS);
        let requests = limits
            .max_concurrent_requests
            .clamp(1, Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            memory: Arc::new(Semaphore::new(pages)),
            pages,
        }
    }

    /// A place for a request.
    ///
    /// # Errors
    /// All are taken.
    pub(super) fn place(&self) -> Result<Place, Fault> {
        let place = self.requests.clone().try_acquire_owned();
        let place = place.map_err(|_| Fault::overloaded("too many requests are waiting"))?;
        Ok(Arc::new(place))
    }

    /// Bytes of memory that requests hold.
    pub(super) fn held_bytes(&self) -> usize {
        (self.pages - self.memory.available_permits()) * PAGE
    }

    /// More memory for a request whose body has so many bytes more.
    ///
    /// # Errors
    /// There is none left.
    pub(super) fn body(&self, memory: &mut Memory, bytes: usize) -> Result<(), Fault> {
        self.more(memory, bytes.saturating_mul(PER_BYTE))
    }

    /// More memory for a request that will be answered with so many values.
    ///
    /// # Errors
    /// There is none left.
    pub(super) fn values(&self, memory: &mut Memory, values: usize) -> Result<(), Fault> {
        self.more(memory, values.saturating_mul(PER_VALUE))
    }

    fn more(&self, memory: &mut Memory, bytes: usize) -> Result<(), Fault> {
        let held = memory
            .0
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        // One request is always let in where it is alone, however large.
        let pages = bytes.div_ceil(PAGE).min(self.pages - held);
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        match self.memory.clone().try_acquire_many_owned(pages) {
            Ok(more) => match &mut memory.0 {
                Some(held) => held.merge(more),
                none => *none = Some(more),
            },
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                let message = "the requests that are waiting take all memory meant for them";
                return Err(Fault::overloaded(message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        let admission = Admission::new(&Limits {
            max_concurrent_requests: 2,
            max_queued_bytes: 10 * PAGE,
            ..Limits::default()
        });
        let (one, two) = (admission.place().unwrap(), admission.place().unwrap());
        assert!(admission.place().is_err());
        drop(one);
        assert!(admission.place().is_ok());
        drop(two);

        let (mut first, mut second) = (Memory::default(), Memory::default());
        admission.body(&mut first, PAGE).unwrap();
        admission.body(&mut first, 1).unwrap();
        assert_eq!(admission.held_bytes(), 5 * PAGE);
        assert!(admission.body(&mut second, 2 * PAGE).is_err());
        // More than there is, and yet alone.
        drop(first);
        admission.body(&mut second, 1000 * PAGE).unwrap();
        admission.values(&mut second, 1000).unwrap();
        assert_eq!(admission.held_bytes(), 10 * PAGE);
        assert!(admission.body(&mut Memory::default(), 1).is_err());
        drop(second);
        assert_eq!(admission.held_bytes(), 0);
    }
}
