//! Work that outlasts a request: jobs with progress, which can be watched and cancelled, and are
//! remembered for an hour.

use super::error::{ApiError, Problem};
use crate::error::{Error, Result};
use crate::job::{Event, Job, NoteKind, Progress};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// How long a job is remembered after its end, and how many are.
const KEPT: Duration = Duration::from_secs(3600);
const MOST: usize = 500;
/// Jobs that may run or wait at a time: each holds a thread, and those of one corpus wait for each
/// other anyway.
const RUNNING: usize = 32;
/// Notes that a job keeps, the first ones, and the characters of each.
const NOTES: usize = 100;
const NOTE: usize = 1_000;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// Embeds the articles that wait for it.
    Embed,
    /// Finds topics.
    FitTopics,
    /// Changes topics by hand, or undoes that.
    EditTopics,
    /// Places the articles on the map.
    Layout,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It runs, or waits for its turn to write.
    Running,
    /// It did what it was to do.
    Done,
    /// It could not; `error` says why.
    Failed,
    /// It was cancelled; what it had committed is kept.
    Cancelled,
}

/// Something that a person may want to know.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct JobNote {
    /// Of what it tells.
    pub(super) kind: NoteKind,
    /// The line.
    pub(super) text: String,
}

/// A job as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct JobInfo {
    /// Its id.
    pub(super) id: String,
    /// The corpus that it works on.
    pub(super) corpus: String,
    /// What it does.
    pub(super) what: What,
    /// How far it has come.
    pub(super) state: State,
    /// What it is at; `null` before the first sign.
    pub(super) progress: Option<Progress>,
    /// What it told, the first hundred notes.
    pub(super) notes: Vec<JobNote>,
    /// What it did, once it is done.
    #[schema(value_type = Option<Object>)]
    pub(super) result: Option<Value>,
    /// Why it failed.
    pub(super) error: Option<Problem>,
    /// When it began, ISO 8601, UTC.
    pub(super) started: String,
    /// When it ended.
    pub(super) ended: Option<String>,
}

/// The id of a job that was started.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct JobStarted {
    /// Its id, to be asked for at `/api/jobs/{id}`; `null` where nothing was to be done.
    pub(super) job: Option<String>,
}

/// A job that runs or ran.
pub(super) struct Entry {
    job: Job,
    status: Mutex<Status>,
    /// Changes with the status, and is closed by nothing: the state says when it has ended.
    changed: watch::Sender<u64>,
}

struct Status {
    info: JobInfo,
    ended: Option<Instant>,
}

/// All jobs of a server.
pub(super) struct Jobs {
    /// What ids begin with, so that those of another run of the server are not taken for its own.
    run: String,
    all: Mutex<(u64, BTreeMap<u64, Arc<Entry>>)>,
    stop: CancellationToken,
}

/// A lock that is of use although another thread panicked: what it guards is whole at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time as ISO 8601, UTC.
fn now() -> String {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let time = chrono::DateTime::from_timestamp(since.as_secs() as i64, since.subsec_nanos());
    time.unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

impl Jobs {
    /// No jobs yet; those to come end when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Self {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            run: format!("{:x}", since.as_millis()),
            all: Mutex::default(),
            stop,
        }
    }

    /// Begins a job on a thread of its own; must be called within the server's runtime.
    ///
    /// # Errors
    /// Too many run.
    pub(super) fn start(
        &self,
        corpus: &str,
        what: What,
        work: impl FnOnce(&Job) -> Result<Value> + Send + 'static,
    ) -> std::result::Result<Arc<Entry>, ApiError> {
        let entry = {
            let mut all = lock(&self.all);
            let (next, jobs) = &mut *all;
            forget(jobs);
            if jobs.values().filter(|e| e.is_running()).count() >= RUNNING {
                return Err(ApiError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "busy",
                    format!("{RUNNING} jobs run already; try again when one has ended"),
                ));
            }
            *next += 1;
            let stop = self.stop.clone();
            let entry = Arc::new(Entry {
                job: Job::new().cancel_when(move || stop.is_cancelled()),
                status: Mutex::new(Status {
                    info: JobInfo {
                        id: format!("{}-{next}", self.run),
                        corpus: corpus.to_string(),
                        what,
                        state: State::Running,
                        progress: None,
                        notes: Vec::new(),
                        result: None,
                        error: None,
                        started: now(),
                        ended: None,
                    },
                    ended: None,
                }),
                changed: watch::Sender::new(0),
            });
            jobs.insert(*next, entry.clone());
            entry
        };
        let running = entry.clone();
        tokio::task::spawn_blocking(move || {
            // Who listens is no part of the entry's own job, which would hold itself for ever.
            let listening = Arc::downgrade(&running);
            let job = running.job.clone().on_event(move |event| {
                if let Some(entry) = listening.upgrade() {
                    entry.hear(event);
                }
            });
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&job)))
                .unwrap_or_else(|_| Err(Error::internal("a job ended unexpectedly")));
            running.end(outcome);
        });
        Ok(entry)
    }

    /// The job of this id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Entry>> {
        let number = id.strip_prefix(self.run.as_str())?.strip_prefix('-')?;
        let number: u64 = number.parse().ok()?;
        let mut all = lock(&self.all);
        forget(&mut all.1);
        all.1.get(&number).cloned()
    }

    /// All that are remembered, the newest first.
    pub(super) fn list(&self) -> Vec<JobInfo> {
        let mut all = lock(&self.all);
        forget(&mut all.1);
        all.1.values().rev().map(|entry| entry.info()).collect()
    }
}

/// Forgets what ended long ago, and the oldest where there are too many.
fn forget(jobs: &mut BTreeMap<u64, Arc<Entry>>) {
    jobs.retain(|_, entry| lock(&entry.status).ended.is_none_or(|t| t.elapsed() < KEPT));
    while jobs.len() > MOST {
        let ended = jobs.iter().find(|(_, entry)| !entry.is_running());
        let Some(number) = ended.map(|(number, _)| *number) else {
            break;
        };
        jobs.remove(&number);
    }
}

impl Entry {
    /// The job as it is now.
    pub(super) fn info(&self) -> JobInfo {
        lock(&self.status).info.clone()
    }

    /// Its id.
    pub(super) fn id(&self) -> String {
        lock(&self.status).info.id.clone()
    }

    pub(super) fn is_running(&self) -> bool {
        lock(&self.status).ended.is_none()
    }

    /// Asks it to stop.
    pub(super) fn cancel(&self) {
        self.job.cancel();
    }

    /// Tells when it changes.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> JobInfo {
        let mut changes = self.watch();
        while self.is_running() {
            // It never fails: the sender is here.
            if changes.changed().await.is_err() {
                break;
            }
        }
        self.info()
    }

    fn hear(&self, event: &Event<'_>) {
        {
            let mut status = lock(&self.status);
            match event {
                Event::Progress(progress) => status.info.progress = Some(*progress),
                Event::Note { kind, text } => {
                    if status.info.notes.len() >= NOTES {
                        return;
                    }
                    let text = text.chars().take(NOTE).collect();
                    status.info.notes.push(JobNote { kind: *kind, text });
                }
                Event::Estimate { .. } => return,
            }
        }
        self.changed.send_modify(|n| *n += 1);
    }

    fn end(&self, outcome: Result<Value>) {
        {
            let mut status = lock(&self.status);
            let info = &mut status.info;
            info.ended = Some(now());
            match outcome {
                Ok(result) => {
                    info.state = State::Done;
                    info.result = Some(result);
                }
                Err(error) => {
                    info.state = match error.is_cancelled() {
                        true => State::Cancelled,
                        false => State::Failed,
                    };
                    info.error = Some(Problem::from(&error));
                }
            }
            status.ended = Some(Instant::now());
        }
        self.changed.send_modify(|n| *n += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Stage;
    use serde_json::json;

    #[tokio::test]
    async fn jobs_are_watched_and_cancelled() {
        let jobs = Jobs::new(CancellationToken::new());
        let done = jobs.start("c", What::Embed, |job| {
            job.progress(Stage::Embedding, 3, Some(4));
            for i in 0..2 * NOTES {
                job.note(
                    NoteKind::Model,
                    format!("note {i} {}", "x".repeat(2 * NOTE)),
                );
            }
            Ok(json!({"n": 1}))
        });
        let done = done.ok().unwrap();
        let info = done.ended().await;
        assert_eq!(
            (info.state, info.result),
            (State::Done, Some(json!({"n": 1})))
        );
        assert_eq!(info.progress.unwrap().done, 3);
        assert_eq!((info.notes.len(), info.notes[0].text.len()), (NOTES, NOTE));
        assert!(info.ended.is_some());

        let endless = jobs.start("c", What::Layout, |job| {
            loop {
                job.check()?;
                std::thread::yield_now();
            }
        });
        let endless = endless.ok().unwrap();
        let found = jobs.find(&endless.id()).unwrap();
        found.cancel();
        assert_eq!(found.ended().await.state, State::Cancelled);
        assert!(jobs.find("1-1").is_none() && jobs.find("").is_none());
        assert_eq!(jobs.list()[0].what, What::Layout);

        let panics = jobs.start("c", What::Embed, |_| panic!("as it happens"));
        let info = panics.ok().unwrap().ended().await;
        assert_eq!(info.state, State::Failed);
    }

    #[tokio::test]
    async fn jobs_are_bounded() {
        let jobs = Jobs::new(CancellationToken::new());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let mut all = Vec::new();
        for _ in 0..RUNNING {
            let wait = wait.clone();
            let started = jobs.start("c", What::Embed, move |_| {
                let _ = lock(&wait).recv();
                Ok(Value::Null)
            });
            all.push(started.ok().unwrap());
        }
        assert!(jobs.start("c", What::Embed, |_| Ok(Value::Null)).is_err());
        drop(go);
        for entry in all {
            entry.ended().await;
        }
        for _ in 0..MOST {
            let started = jobs.start("c", What::Embed, |_| Ok(Value::Null));
            started.ok().unwrap().ended().await;
        }
        assert!(jobs.list().len() <= MOST);
    }
}
