//! The interface to corpora, below `/api`.

use super::app::{App, Served};
use super::error::ApiError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes below `/api`.
pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(names))
}

/// The document of all routes.
pub(super) fn documents(document: OpenApi) -> Router<Arc<App>> {
    Router::new().route(
        "/api/openapi.json",
        get(move || std::future::ready(Json(document.clone()))),
    )
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

/// The names of the corpora.
#[utoipa::path(get, path = "/corpora", responses((status = 200, body = Vec<String>)))]
async fn names(State(app): State<Arc<App>>) -> Json<Vec<String>> {
    Json(app.corpora.iter().map(|c| c.name.clone()).collect())
}
