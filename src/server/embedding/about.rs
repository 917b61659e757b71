//! What the server says of itself: its model, its health, its figures.

use super::super::app::{App, blocking, name_of};
use super::super::batch::{How, Text};
use super::super::dialect::{Fault, FaultKind};
use super::tei::ErrorResponse;
use crate::encoder::Prompt;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// How the model makes a vector of a text.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct EmbeddingModel {
    pooling: String,
}

/// The labels that the model judges by.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ClassifierModel {
    id2label: BTreeMap<String, String>,
    label2id: BTreeMap<String, usize>,
}

/// What kind of model it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "each is written where it is served")]
pub(super) enum ModelType {
    /// It embeds texts.
    Embedding(EmbeddingModel),
    /// It judges pairs by one label.
    Reranker(ClassifierModel),
    /// It judges pairs by several.
    Classifier(ClassifierModel),
}

/// A model that is served beside the first one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Beside {
    model_id: String,
    model_sha: Option<String>,
    model_dtype: String,
    model_type: ModelType,
    max_input_length: usize,
}

/// What is served.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Info {
    model_id: String,
    model_sha: Option<String>,
    model_dtype: String,
    served_model_name: String,
    model_type: ModelType,
    max_concurrent_requests: usize,
    max_input_length: usize,
    max_batch_tokens: usize,
    max_batch_requests: Option<usize>,
    max_client_batch_size: usize,
    auto_truncate: bool,
    tokenization_workers: usize,
    version: &'static str,
    /// The length of a vector.
    dimensions: usize,
    /// What computes.
    device: String,
    /// The names of the model's prompts.
    prompts: Vec<String>,
    /// The cross-encoder, where one is loaded.
    reranker: Option<Beside>,
}

/// What is served, and what it bears.
#[utoipa::path(
    get, path = "/info", tag = "running",
    responses((status = 200, description = "The model and the limits", body = Info))
)]
pub(super) async fn info(State(app): State<Arc<App>>) -> Json<Info> {
    let encoder = &app.encoder;
    let identity = encoder.identity();
    let limits = &app.options.limits;
    let poolings: Vec<&str> = encoder.poolings().iter().map(|p| p.name()).collect();
    let reranker = app.reranker.as_ref().map(|reranker| {
        let identity = reranker.identity();
        let labels = reranker.labels();
        let numbered = || labels.iter().cloned().enumerate();
        let model = ClassifierModel {
            id2label: numbered()
                .map(|(i, label)| (i.to_string(), label))
                .collect(),
            label2id: numbered().map(|(i, label)| (label, i)).collect(),
        };
        Beside {
            model_id: name_of(identity).to_string(),
            model_sha: sha(&identity.revision),
            model_dtype: identity.dtype.clone(),
            model_type: match labels.len() {
                1 => ModelType::Reranker(model),
                _ => ModelType::Classifier(model),
            },
            max_input_length: identity.max_tokens,
        }
    });
    Json(Info {
        model_id: name_of(identity).to_string(),
        model_sha: sha(&identity.revision),
        model_dtype: identity.dtype.clone(),
        served_model_name: name_of(identity).to_string(),
        model_type: ModelType::Embedding(EmbeddingModel {
            pooling: poolings.join("+"),
        }),
        max_concurrent_requests: limits.max_concurrent_requests,
        max_input_length: identity.max_tokens,
        max_batch_tokens: app.batcher.encoder().token_budget(),
        max_batch_requests: None,
        max_client_batch_size: limits.max_client_batch,
        auto_truncate: limits.auto_truncate,
        tokenization_workers: rayon::current_num_threads(),
        version: env!("CARGO_PKG_VERSION"),
        dimensions: identity.dim,
        device: encoder.about(),
        prompts: encoder.prompts().named.keys().cloned().collect(),
        reranker,
    })
}

/// A revision, where it is one of a hub.
fn sha(revision: &str) -> Option<String> {
    (revision != "local").then(|| revision.to_string())
}

/// Whether the server can do what it is for: it embeds, and each corpus can be read.
#[utoipa::path(
    get, path = "/health", tag = "running",
    responses(
        (status = 200, description = "Ready"),
        (status = 503, description = "Not ready, or stopping", body = ErrorResponse),
    )
)]
pub(in super::super) async fn health(State(app): State<Arc<App>>) -> Result<(), Fault> {
    let unwell = |message: String| Fault::new(FaultKind::Unhealthy, message);
    if app.stop.is_cancelled() {
        return Err(Fault::stopping());
    }
    if app.batcher.is_failing() {
        // It may have been one text that could not be computed.
        let how = How {
            prompt: Prompt::None,
            normalize: true,
            dimensions: None,
            truncate: true,
            keep_end: false,
        };
        let tried = app.batcher.embed(vec![Text::Text("ready".into())], how);
        tried
            .await
            .map_err(|fault| unwell(format!("embedding fails: {}", fault.message())))?;
    }
    let corpora = app.corpora.clone();
    let read = blocking(move || corpora.iter().try_for_each(|c| c.reader().map(drop)));
    read.await.map_err(|e| unwell(e.to_string()))
}

/// As `/health`.
#[utoipa::path(
    get, path = "/ping", tag = "running",
    responses(
        (status = 200, description = "Ready"),
        (status = 503, description = "Not ready, or stopping", body = ErrorResponse),
    )
)]
pub(super) async fn ping(state: State<Arc<App>>) -> Result<(), Fault> {
    health(state).await
}

/// Figures for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "running",
    responses((status = 200, description = "Figures in Prometheus's text format", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Fault> {
    let held = app.admission.held_bytes();
    app.metrics.queued_bytes.set(held as f64);
    let text = app.metrics.text()?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
