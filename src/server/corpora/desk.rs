//! What the server keeps of each corpus while it runs: whose turn it is to write, what was derived
//! and need not be made again, which changes can be undone.

use super::super::app::{App, Served, blocking};
use super::super::error::ApiError;
use super::super::jobs::{Jobs, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::job::Job;
use crate::store::{Corpus, Writer};
use crate::topics::Undo;
use std::any::Any;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// How long a request waits for its turn to write, and for another program that writes.
const TURN: Duration = Duration::from_secs(10);
const OTHERS: Duration = Duration::from_secs(5);
/// How often a job looks whether it was cancelled while it waits for its turn, and how often
/// another program's lock is tried.
const LOOK: Duration = Duration::from_millis(200);
const TRY: Duration = Duration::from_millis(50);
/// So many times as long as it took to make it, what was derived serves although the corpus was
/// written to since.
const WORTH: u32 = 20;
/// Changes that can be undone, and the articles whose places they hold together, of 40 bytes each.
const UNDOS: usize = 20;
const UNDO_ARTICLES: usize = 4_000_000;

/// What is kept of all corpora.
pub(in crate::server) struct Desk {
    pub(in crate::server) jobs: Jobs,
    corpora: Mutex<HashMap<String, Arc<Tray>>>,
}

/// What is kept of one corpus.
#[derive(Default)]
pub(super) struct Tray {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Requests that wait for their turn.
    waiting: AtomicUsize,
    /// Grows with each change that must be seen at once.
    epoch: AtomicU64,
    derived: Mutex<HashMap<&'static str, Arc<Slot>>>,
    undos: Mutex<Vec<Undo>>,
    /// The running job of each kind that runs once, and whether it is to begin anew at its end.
    pub(super) single: Mutex<HashMap<&'static str, Single>>,
    /// Places on the map that could not be stored: (row, x, y), and how good they are.
    pub(super) places: Mutex<Option<Places>>,
}

/// A job that runs once at a time.
pub(super) struct Single {
    pub(super) id: String,
    pub(super) again: bool,
}

/// Where the articles stand on a map that is not stored.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) places: Arc<Vec<(i64, f32, f32)>>,
    pub(super) trustworthiness: f32,
}

type Slot = Mutex<Option<Derived>>;

/// Something made of a state of a corpus.
struct Derived {
    stamp: Stamp,
    made: Instant,
    took: Duration,
    value: Arc<dyn Any + Send + Sync>,
}

/// What tells states of a corpus apart without opening it.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    epoch: u64,
    files: [Option<(u64, SystemTime)>; 2],
}

impl Desk {
    /// A desk whose jobs end when `stop` is cancelled.
    pub(in crate::server) fn new(stop: CancellationToken) -> Self {
        Self {
            jobs: Jobs::new(stop),
            corpora: Mutex::default(),
        }
    }

    /// What is kept of a corpus.
    pub(super) fn of(&self, served: &Served) -> Arc<Tray> {
        let mut corpora = lock(&self.corpora);
        corpora.entry(served.name.clone()).or_default().clone()
    }
}

/// A turn to write.
pub(super) type Turn = OwnedMutexGuard<()>;

/// Frees a job's place when it is dropped.
pub(super) struct Ended<'a> {
    tray: &'a Tray,
    what: &'static str,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        lock(&self.tray.single).remove(self.what);
    }
}

/// Counts who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tray {
    /// Waits for a turn to write, for a while.
    ///
    /// # Errors
    /// Others write for too long.
    async fn turn(&self) -> Result<Turn> {
        let _waiting = Waiting::new(&self.waiting);
        let turn = tokio::time::timeout(TURN, self.turn.clone().lock_owned());
        turn.await.map_err(|_| {
            Error::new(
                ErrorKind::Busy,
                "",
                "a job writes to the corpus; try again when it has ended",
            )
        })
    }

    /// Waits for a turn to write, until the job is cancelled; on a thread that may block.
    ///
    /// # Errors
    /// The job is cancelled.
    pub(super) fn turn_of(&self, job: &Job) -> Result<Turn> {
        let (give, taken) = std::sync::mpsc::channel();
        let turn = self.turn.clone().lock_owned();
        // Waited for over there, as no clock of the runtime may be asked from here while it ends.
        tokio::runtime::Handle::current().spawn(async move {
            // Nobody takes it where the job was cancelled.
            let _ = give.send(turn.await);
        });
        loop {
            match taken.recv_timeout(LOOK) {
                Ok(turn) => return Ok(turn),
                Err(RecvTimeoutError::Timeout) => job.check()?,
                // The server ends.
                Err(RecvTimeoutError::Disconnected) => {
                    job.cancel();
                    job.check()?;
                }
            }
        }
    }

    /// Says that a job that runs once has ended, when what this gives is dropped: however it ends.
    pub(super) fn at_end(&self, what: &'static str) -> Ended<'_> {
        Ended { tray: self, what }
    }

    /// Whether a request waits for its turn.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Has what was derived made anew: something changed that must be seen.
    pub(super) fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// What `make` makes of the corpus as it is now, or made a moment ago. Blocks; whoever asks
    /// while it is made waits for it.
    ///
    /// # Errors
    /// What `make` says.
    pub(super) fn derived<T: Send + Sync + 'static>(
        &self,
        what: &'static str,
        corpus: &Corpus,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let slot = lock(&self.derived).entry(what).or_default().clone();
        let mut slot = lock(&slot);
        // Looked at before anything is read, so that it is never newer than what is made.
        let stamp = Stamp {
            epoch: self.epoch.load(Ordering::SeqCst),
            files: [
                file(corpus.path()),
                file(&crate::store::beside(corpus.path(), "-wal")),
            ],
        };
        if let Some(derived) = slot.as_ref()
            && derived.stamp.epoch == stamp.epoch
            && (derived.stamp == stamp || derived.made.elapsed() < WORTH * derived.took)
            && let Ok(value) = derived.value.clone().downcast()
        {
            return Ok(value);
        }
        let begun = Instant::now();
        let value = Arc::new(make()?);
        *slot = Some(Derived {
            stamp,
            made: Instant::now(),
            took: begun.elapsed(),
            value: value.clone(),
        });
        Ok(value)
    }

    /// Keeps what undoes a change.
    pub(super) fn keep_undo(&self, undo: Undo) {
        let mut undos = lock(&self.undos);
        undos.push(undo);
        let articles = |undos: &[Undo]| undos.iter().map(Undo::articles).sum::<usize>();
        while undos.len() > UNDOS || undos.len() > 1 && articles(&undos) > UNDO_ARTICLES {
            undos.remove(0);
        }
    }

    /// What undoes the last change that is kept.
    pub(super) fn last_undo(&self) -> Option<Undo> {
        lock(&self.undos).last().cloned()
    }

    /// How many changes can be undone, one after another.
    pub(super) fn undos(&self) -> usize {
        lock(&self.undos).len()
    }

    /// Forgets what undoes the last change, or all of them.
    pub(super) fn forget_undo(&self, all: bool) {
        let mut undos = lock(&self.undos);
        undos.pop();
        if all {
            undos.clear();
        }
    }
}

/// The length of a file and when it was written.
fn file(path: &Path) -> Option<(u64, SystemTime)> {
    let data = path.metadata().ok()?;
    Some((data.len(), data.modified().ok()?))
}

/// The writer of a corpus; another program that writes is waited for a while. Blocks.
///
/// # Errors
/// As [`Corpus::writer`].
pub(super) fn writer(corpus: &Corpus) -> Result<Writer> {
    let begun = Instant::now();
    loop {
        match corpus.writer() {
            Err(e) if e.kind() == ErrorKind::Busy && begun.elapsed() < OTHERS => {
                std::thread::sleep(TRY);
            }
            outcome => return outcome,
        }
    }
}

/// Writes, when it is the request's turn. What was begun is done although the client goes.
///
/// # Errors
/// Others write for too long; what `work` says.
pub(super) async fn write<T: Send + 'static>(
    app: &Arc<App>,
    served: &Arc<Served>,
    work: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
) -> std::result::Result<T, ApiError> {
    let tray = app.desk.of(served);
    let turn = tray.turn().await?;
    let served = served.clone();
    let out = blocking(move || {
        let _turn = turn;
        work(&mut writer(&served.corpus)?)
    });
    Ok(out.await?)
}
