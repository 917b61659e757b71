//! Jobs over HTTP: the list, one, its events, cancelling it.

use super::super::app::App;
use super::super::auth::Access;
use super::super::error::ApiError;
use super::super::jobs::{Entry, JobInfo, State as JobState};
use super::asked::Names;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The least time between two events of progress: more often nobody can see.
const OFTEN: Duration = Duration::from_millis(100);
/// How often something is sent while nothing happens, so that nobody in between gives up.
const ALIVE: Duration = Duration::from_secs(15);

fn found(app: &App, id: &str) -> Result<Arc<Entry>, ApiError> {
    app.desk.jobs.find(id).ok_or_else(|| {
        let message = format!("there is no job {id:?}; jobs are forgotten an hour after their end");
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    })
}

/// The jobs that run, and those that ended within the hour, the newest first.
#[utoipa::path(get, path = "/jobs", tag = "Jobs", operation_id = "jobs", responses((status = 200, body = Vec<JobInfo>)))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Vec<JobInfo>> {
    Json(app.desk.jobs.list())
}

/// A job: what it is at, or what it did.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "Jobs", operation_id = "job",
    params(("id" = String, Path, description = "The job's id.")),
    responses((status = 200, body = JobInfo)),
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Names(id): Names<String>,
) -> Result<Json<JobInfo>, ApiError> {
    Ok(Json(found(&app, &id)?.info()))
}

/// Asks a job to stop; what it committed is kept. Answers at once, with the job as it is.
#[utoipa::path(
    delete, path = "/jobs/{id}", tag = "Jobs", operation_id = "cancel_job",
    params(("id" = String, Path, description = "The job's id.")),
    responses((status = 200, body = JobInfo)),
)]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Names(id): Names<String>,
    access: Access,
) -> Result<Json<JobInfo>, ApiError> {
    app.may_write(access)?;
    let entry = found(&app, &id)?;
    entry.cancel();
    Ok(Json(entry.info()))
}

/// What a listener was told.
struct Told {
    entry: Arc<Entry>,
    changes: watch::Receiver<u64>,
    progress: Option<crate::Progress>,
    notes: usize,
    waiting: VecDeque<Event>,
    ended: bool,
    /// Cancelled when the server stops.
    stop: CancellationToken,
}

impl Told {
    /// Puts what happened since into events.
    fn look(&mut self) {
        let info = self.entry.info();
        if info.progress != self.progress {
            self.progress = info.progress;
            self.push("progress", &info.progress);
        }
        for note in info.notes.iter().skip(self.notes) {
            self.push("note", note);
        }
        self.notes = info.notes.len();
        if info.state != JobState::Running {
            self.ended = true;
            let name = match info.state {
                JobState::Done => "done",
                _ => "failed",
            };
            self.push(name, &info);
        }
    }

    fn push(&mut self, name: &str, data: &impl serde::Serialize) {
        // What is told has no keys that JSON could not hold.
        if let Ok(event) = Event::default().event(name).json_data(data) {
            self.waiting.push_back(event);
        }
    }
}

fn events_of(
    entry: Arc<Entry>,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut changes = entry.watch();
    changes.mark_changed();
    let told = Told {
        entry,
        changes,
        progress: None,
        notes: 0,
        waiting: VecDeque::new(),
        ended: false,
        stop,
    };
    unfold(told, |mut told| async move {
        loop {
            if let Some(event) = told.waiting.pop_front() {
                return Some((Ok(event), told));
            }
            if told.ended {
                return None;
            }
            tokio::select! {
                changed = told.changes.changed() => changed.ok()?,
                () = told.stop.cancelled() => return None,
            }
            told.look();
            if !told.ended {
                tokio::time::sleep(OFTEN).await;
            }
        }
    })
}

/// What a job tells while it runs, as server-sent events: `progress`, `note`, and at the end `done`
/// or `failed` with the job as it is then.
#[utoipa::path(
    get, path = "/jobs/{id}/events", tag = "Jobs", operation_id = "job_events",
    params(("id" = String, Path, description = "The job's id.")),
    responses((status = 200, body = String, content_type = "text/event-stream")),
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Names(id): Names<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let events = events_of(found(&app, &id)?, app.stop.clone());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)))
}
