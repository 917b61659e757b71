//! The interface to corpora, below `/api`.
//!
//! Every handler works on one reader, a snapshot, on a thread that may block ([`reading`]); whoever
//! writes waits for a turn ([`desk`]).

mod articles;
mod asked;
mod desk;
mod documents;
mod export;
mod info;
mod jobs;
mod map;
mod search;
mod topics;
mod writing;

pub(super) use articles::shown;
pub(super) use asked::{ExampleAsked, TextExample};
pub(super) use desk::Desk;
pub(super) use documents::documents;
pub(super) use search::examples;
pub(super) use topics::{SpanAsked, over_time};

use super::app::{App, Served, blocking_job, snapshot};
use super::error::ApiError;
use crate::error::Result as Outcome;
use crate::job::Job;
use crate::store::Reader;
use axum::http::StatusCode;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes below `/api`.
pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(info::corpora))
        .routes(routes!(info::corpus))
        .routes(routes!(search::get, search::post))
        .routes(routes!(search::many))
        .routes(routes!(search::similar))
        .routes(routes!(search::facets))
        .routes(routes!(search::duplicates))
        .routes(routes!(articles::list, writing::add))
        .routes(routes!(articles::one, writing::put, writing::delete))
        .routes(routes!(articles::neighbours))
        .routes(routes!(articles::copies))
        .routes(routes!(topics::list))
        .routes(routes!(topics::tree))
        .routes(routes!(topics::timeline))
        .routes(routes!(topics::one))
        .routes(routes!(topics::fit))
        .routes(routes!(topics::edit))
        .routes(routes!(topics::undo))
        .routes(routes!(map::head, map::anew))
        .routes(routes!(map::points))
        .routes(routes!(map::articles))
        .routes(routes!(map::rows))
        .routes(routes!(map::field))
        .routes(routes!(map::about))
        .routes(routes!(export::export))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::one, jobs::cancel))
        .routes(routes!(jobs::events))
}

/// The corpus that a path names.
pub(super) fn served(app: &App, name: &str) -> Result<Arc<Served>, ApiError> {
    app.corpus(name).cloned().ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("no corpus {name:?} is served"),
        )
    })
}

/// Answers from one snapshot of a corpus, on a thread that may block. The job is cancelled when the
/// client goes.
///
/// # Errors
/// The corpus is not served or cannot be read; what `work` says.
pub(super) async fn reading<T: Send + 'static>(
    app: &Arc<App>,
    corpus: &str,
    work: impl FnOnce(&App, &Served, &Reader, &Job) -> Outcome<T> + Send + 'static,
) -> Result<T, ApiError> {
    let served = served(app, corpus)?;
    let app = app.clone();
    let out = blocking_job(move |job| {
        let reader = snapshot(&served.corpus, job)?;
        work(&app, &served, &reader, job)
    });
    Ok(out.await?)
}
