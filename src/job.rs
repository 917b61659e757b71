//! Progress and cancelling of whatever can take longer than a second.
//!
//! A [`Job`] is handed to the operation and kept by whoever waits for it: clones are the same
//! job. The operation looks at [`Job::check`] at least once a second and tells how far it is;
//! the other side listens, and may call [`Job::cancel`] from any thread, also from a signal
//! handler's.
//!
//! ```
//! use nearwise::{Event, Job};
//!
//! let job = Job::new().on_event(|event| {
//!     if let Event::Progress(p) = event {
//!         eprintln!("{}: {} of {:?}", p.stage, p.done, p.total);
//!     }
//! });
//! let other = job.clone();
//! std::thread::spawn(move || other.cancel()).join().unwrap();
//! assert!(job.check().unwrap_err().is_cancelled());
//! ```

use crate::error::{Error, Result};
use crate::line::cleaned;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a job is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Fetching a model's files.
    Fetching,
    /// Reading articles; counted in articles.
    Reading,
    /// Embedding; counted in articles.
    Embedding,
    /// Building the approximate index; counted in passages.
    Indexing,
    /// Finding nearest neighbours of vectors; counted in vectors.
    Neighbours,
    /// Clustering; counted in steps.
    Clustering,
    /// Reading articles for the labels of topics; counted in articles.
    Labelling,
    /// Placing articles on the map; counted in epochs.
    Layout,
    /// Comparing articles; counted in articles or pairs.
    Comparing,
    /// Writing results; counted in articles.
    Writing,
    /// Comparing a corpus with its checksums; counted in pages.
    Checking,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetching => "fetching the model",
            Self::Reading => "reading articles",
            Self::Embedding => "embedding",
            Self::Indexing => "building the approximate index",
            Self::Neighbours => "finding neighbours",
            Self::Clustering => "clustering",
            Self::Labelling => "reading articles for labels",
            Self::Layout => "placing articles on the map",
            Self::Comparing => "comparing articles",
            Self::Writing => "writing",
            Self::Checking => "checking the corpus",
        })
    }
}

/// How far a stage has come.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Progress {
    /// What is done.
    pub stage: Stage,
    /// How much of it is done.
    pub done: u64,
    /// Of how much; `None` where nobody knows.
    pub total: Option<u64>,
    /// Tokens computed so far in this stage; 0 where none are.
    pub tokens: u64,
    /// Seconds until the stage is done, estimated; `None` where nothing is to go by.
    pub seconds_left: Option<f64>,
}

/// Of what a note tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoteKind {
    /// The columns of an input, and what they were taken for.
    Columns,
    /// A file is not in UTF-8; as what it is read.
    Encoding,
    /// Values of a column that cannot be used as what it is; they are kept as metadata.
    Unused,
    /// A file is left out because its format is not known.
    LeftOut,
    /// A link in a folder is not followed.
    Link,
    /// A part of an input is ignored.
    Ignored,
    /// A file or row is left out because it cannot be used.
    BadInput,
    /// Articles got another id than their input gave, because another article has it.
    SameId,
    /// Articles are kept that pruning did not touch, and why.
    NotPruned,
    /// Which device computes, and why not another.
    Device,
    /// What is fetched from where, or why it cannot be.
    Model,
    /// How many articles the model cannot read, or reads less well.
    Language,
}

/// What a job tells while it runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// How far it has come.
    Progress(Progress),
    /// What embedding will cost, before it begins.
    Estimate {
        /// Articles to embed.
        articles: u64,
        /// Their tokens, about.
        tokens: u64,
        /// Tokens a second, measured on a sample; `None` where there is too little to measure.
        tokens_per_second: Option<f64>,
        /// What computes, for people.
        device: Cow<'a, str>,
    },
    /// Something that a person may want to know, in one line.
    Note {
        /// Of what it tells.
        kind: NoteKind,
        /// The line.
        text: Cow<'a, str>,
    },
}

type Listener = dyn Fn(&Event<'_>) + Send + Sync;
type Asked = dyn Fn() -> bool + Send + Sync;

#[derive(Clone, Default)]
struct Inner {
    /// Shared by all that came from one job.
    cancelled: Arc<AtomicBool>,
    listener: Option<Arc<Listener>>,
    asked: Option<Arc<Asked>>,
}

/// A running operation: who listens to its progress, and whether it was cancelled.
///
/// The default job has no listener and runs to its end.
#[derive(Clone, Default)]
pub struct Job {
    inner: Arc<Inner>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Job {
    /// A job that nobody listens to.
    pub fn new() -> Self {
        Self::default()
    }

    fn change(self, change: impl FnOnce(&mut Inner)) -> Self {
        // A clone that was handed on keeps its listener; cancelling is shared either way.
        let mut inner = Arc::unwrap_or_clone(self.inner);
        change(&mut inner);
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Calls `listener` with what happens, from whichever thread does the work; it should return
    /// at once. Clones that were made before are not heard.
    #[must_use]
    pub fn on_event(self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.listener = Some(Arc::new(listener)))
    }

    /// Cancels the job as soon as `asked` says `true`, which is called at least once a second
    /// while the operation runs, from any thread.
    #[must_use]
    pub fn cancel_when(self, asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.asked = Some(Arc::new(asked)))
    }

    /// A job for a part of this one: it ends with it, and may be ended by itself. Nobody listens.
    pub(crate) fn child(&self) -> Self {
        let parent = self.clone();
        Self::new().cancel_when(move || parent.is_cancelled())
    }

    /// Asks the operation to stop. It ends within about a second with an error of the kind
    /// [`crate::ErrorKind::Cancelled`]; what it committed is kept.
    pub fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the job was cancelled.
    pub fn is_cancelled(&self) -> bool {
        if self.inner.cancelled.load(Ordering::Relaxed) {
            return true;
        }
        let asked = self.inner.asked.as_ref().is_some_and(|asked| asked());
        if asked {
            self.cancel();
        }
        asked
    }

    /// Fails where the job was cancelled.
    ///
    /// # Errors
    /// It was.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::cancelled());
        }
        Ok(())
    }

    /// Tells how far a stage has come.
    pub fn progress(&self, stage: Stage, done: u64, total: Option<u64>) {
        self.tell(&Event::Progress(Progress {
            stage,
            done,
            total,
            tokens: 0,
            seconds_left: None,
        }));
    }

    /// Tells something in one line, whatever names of files and of articles it repeats.
    pub fn note<'a>(&self, kind: NoteKind, text: impl Into<Cow<'a, str>>) {
        if self.inner.listener.is_some() {
            self.tell(&Event::Note {
                kind,
                text: cleaned(text.into()),
            });
        }
    }

    /// Tells an event.
    pub fn tell(&self, event: &Event<'_>) {
        if let Some(listener) = &self.inner.listener {
            listener(event);
        }
    }

    /// Runs `f`, which cannot be interrupted, on a thread of its own, and gives it up when the
    /// job is cancelled: the thread then ends by itself, unheard.
    pub(crate) fn run_apart<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        const LOOK: std::time::Duration = std::time::Duration::from_millis(100);
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(f());
        });
        loop {
            match receive.recv_timeout(LOOK) {
                Ok(out) => return Ok(out),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => self.check()?,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal("a thread ended unexpectedly"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn clones_are_the_same_job() {
        let heard = Arc::new(AtomicU64::new(0));
        let count = heard.clone();
        let job = Job::new().on_event(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let clone = job.clone();
        clone.progress(Stage::Reading, 1, None);
        job.note(NoteKind::LeftOut, "a");
        assert_eq!(heard.load(Ordering::Relaxed), 2);
        assert!(job.check().is_ok());
        clone.cancel();
        assert!(job.check().unwrap_err().is_cancelled());
    }

    #[test]
    fn a_note_is_one_line() {
        let heard = Arc::new(std::sync::Mutex::new(String::new()));
        let line = heard.clone();
        let job = Job::new().on_event(move |event| {
            if let Event::Note { text, .. } = event {
                line.lock().unwrap().push_str(text);
            }
        });
        job.note(NoteKind::LeftOut, "a\nb\u{1b}.txt");
        assert_eq!(*heard.lock().unwrap(), "a b .txt");
    }

    #[test]
    fn a_child_ends_with_its_parent_and_not_the_other_way() {
        let job = Job::new();
        let (ended, child) = (job.child(), job.child());
        ended.cancel();
        assert!(ended.is_cancelled() && !child.is_cancelled() && !job.is_cancelled());
        job.cancel();
        assert!(child.is_cancelled());
    }

    #[test]
    fn it_stops_when_asked() {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let job = Job::new().cancel_when(move || flag.load(Ordering::Relaxed));
        assert_eq!(job.run_apart(|| 7).unwrap(), 7);
        stop.store(true, Ordering::Relaxed);
        let slow = || std::thread::sleep(std::time::Duration::from_secs(60));
        assert!(job.run_apart(slow).unwrap_err().is_cancelled());
    }
}
