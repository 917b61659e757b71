//! text-embeddings-inference's routes that embed.

use super::super::app::App;
use super::super::batch::Text;
use super::super::dialect::{Fault, FaultKind};
use super::asked::Asked;
use super::embed::{Direction, Wish, embed, embed_tokens};
use super::inputs::{Inputs, InputsDoc};
use super::judge::{PredictRequest, RerankRequest, predict, rerank};
use super::written;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoResponses, ToSchema};

/// Texts to embed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct EmbedRequest {
    #[schema(value_type = InputsDoc)]
    inputs: Inputs,
    /// Whether a text that is too long for the model is cut, or the request refused; by default as
    /// the server is set.
    #[serde(default)]
    truncate: Option<bool>,
    /// Which end is cut off.
    #[serde(default)]
    truncation_direction: Option<Direction>,
    /// The name of the model's prompt to put in front of each text.
    #[serde(default)]
    prompt_name: Option<String>,
    /// Whether vectors are scaled to unit length.
    #[serde(default)]
    #[schema(default = true)]
    normalize: Option<bool>,
    /// How many values of each vector are kept, for models trained for that.
    #[serde(default)]
    #[schema(minimum = 1)]
    dimensions: Option<usize>,
}

/// What is wrong.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorResponse {
    /// In one line.
    error: String,
    /// `Unhealthy`, `Backend`, `Overloaded`, `Validation`, `Tokenizer` or `Empty`.
    error_type: String,
}

/// How any request may be refused.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it is in the document alone")]
pub(super) enum Refused {
    /// No JSON, or nothing to work on
    #[response(status = 400)]
    Empty(ErrorResponse),
    /// The body is too long
    #[response(status = 413)]
    TooLong(ErrorResponse),
    /// The body is not said to be JSON
    #[response(status = 415)]
    NotJson(ErrorResponse),
    /// The request cannot be used
    #[response(status = 422)]
    Invalid(ErrorResponse),
    /// Too much waits already
    #[response(status = 429)]
    Overloaded(ErrorResponse),
    /// The server is stopping
    #[response(status = 503)]
    Stopping(ErrorResponse),
}

/// Vectors of texts.
///
/// The header `x-truncated` says how many of them were cut because the model takes no more; other
/// headers say what was computed and how long it took.
#[utoipa::path(
    post, path = "/embed", tag = "embedding", request_body = EmbedRequest,
    responses(
        (status = 200, description = "A vector for each text", body = Vec<Vec<f32>>),
        Refused,
        (status = 424, description = "Computing failed", body = ErrorResponse),
    )
)]
pub(super) async fn embed_dense(
    State(app): State<Arc<App>>,
    asked: Asked<EmbedRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value,
        mut held,
        since,
        ..
    } = asked;
    let wish = Wish {
        truncate: value.truncate,
        direction: value.truncation_direction,
        prompt_name: value.prompt_name,
        normalize: value.normalize,
        dimensions: value.dimensions,
    };
    let texts = value.inputs.texts();
    let (embedded, took) = embed(&app, "inputs", texts, wish, &mut held, since).await?;
    let bytes = written::numbers(embedded.values.len(), move |out| {
        let rows: Vec<&[f32]> = embedded.rows().collect();
        serde_json::to_writer(out, &rows)
    })
    .await?;
    Ok(written::told(&app, written::json(bytes, held), &took))
}

/// Texts whose tokens are embedded.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct EmbedAllRequest {
    #[schema(value_type = InputsDoc)]
    inputs: Inputs,
    /// Whether a text that is too long for the model is cut, or the request refused; by default as
    /// the server is set.
    #[serde(default)]
    truncate: Option<bool>,
    /// Which end is cut off: the right one alone, here.
    #[serde(default)]
    truncation_direction: Option<Direction>,
    /// The name of the model's prompt to put in front of each text.
    #[serde(default)]
    prompt_name: Option<String>,
}

/// A vector for each token of each text, as the transformer gives it: before pooling.
///
/// Special tokens and the prompt are among them. CUDA devices give none (424).
#[utoipa::path(
    post, path = "/embed_all", tag = "embedding", request_body = EmbedAllRequest,
    responses(
        (status = 200, description = "For each text, a vector for each token", body = Vec<Vec<Vec<f32>>>),
        Refused,
        (status = 424, description = "The device gives none, or computing failed", body = ErrorResponse),
    )
)]
pub(super) async fn embed_all(
    State(app): State<Arc<App>>,
    asked: Asked<EmbedAllRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value,
        mut held,
        since,
        ..
    } = asked;
    let wish = Wish {
        truncate: value.truncate,
        direction: value.truncation_direction,
        prompt_name: value.prompt_name,
        ..Wish::default()
    };
    let texts = value.inputs.texts();
    let (embedded, took) = embed_tokens(&app, texts, wish, &mut held, since).await?;
    let bytes = written::numbers(embedded.values.len(), move |out| {
        let rows: Vec<Vec<&[f32]>> = embedded
            .rows()
            .map(|text| text.chunks_exact(embedded.dim.max(1)).collect())
            .collect();
        serde_json::to_writer(out, &rows)
    })
    .await?;
    Ok(written::told(&app, written::json(bytes, held), &took))
}

/// Sparse vectors: not given.
#[utoipa::path(
    post, path = "/embed_sparse", tag = "embedding", request_body = EmbedRequest,
    responses(
        (status = 424, description = "No model for sparse vectors is served", body = ErrorResponse),
        (status = "default", description = "The request cannot be used", body = ErrorResponse),
    )
)]
pub(super) async fn embed_sparse(_: Asked<EmbedRequest>) -> Fault {
    let message = "the model gives dense vectors and no sparse ones (it is no SPLADE model); /embed gives them";
    Fault::new(FaultKind::Backend, message)
}

/// A sentence and those to compare it with.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct SimilarityInput {
    source_sentence: String,
    sentences: Vec<String>,
}

/// How sentences are embedded.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub(super) struct SimilarityParameters {
    #[serde(default)]
    truncate: Option<bool>,
    #[serde(default)]
    truncation_direction: Option<Direction>,
    #[serde(default)]
    prompt_name: Option<String>,
}

/// Sentences to compare.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct SimilarityRequest {
    inputs: SimilarityInput,
    #[serde(default)]
    parameters: Option<SimilarityParameters>,
}

/// Cosines of a sentence and others.
#[utoipa::path(
    post, path = "/similarity", tag = "embedding", request_body = SimilarityRequest,
    responses(
        (status = 200, description = "A cosine for each sentence", body = Vec<f32>),
        Refused,
        (status = 424, description = "Computing failed, or nothing is loaded that can", body = ErrorResponse),
    )
)]
pub(super) async fn similarity(
    State(app): State<Arc<App>>,
    asked: Asked<SimilarityRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value,
        mut held,
        since,
        ..
    } = asked;
    let SimilarityInput {
        source_sentence,
        sentences,
    } = value.inputs;
    if sentences.is_empty() {
        return Err(Fault::empty("sentences", "sentences is empty"));
    }
    let parameters = value.parameters.unwrap_or_default();
    let wish = Wish {
        truncate: parameters.truncate,
        direction: parameters.truncation_direction,
        prompt_name: parameters.prompt_name,
        ..Wish::default()
    };
    let texts = std::iter::once(source_sentence).chain(sentences);
    let texts: Vec<Text> = texts.map(Text::Text).collect();
    let (embedded, took) = embed(&app, "inputs", texts, wish, &mut held, since).await?;
    let mut rows = embedded.rows();
    let source = rows.next().unwrap_or_default();
    let cosine = |row: &[f32]| -> f32 { row.iter().zip(source).map(|(a, b)| a * b).sum() };
    let cosines: Vec<f32> = rows.map(cosine).collect();
    Ok(written::told(&app, written::value(&cosines, held)?, &took))
}

/// What a client may post to the address of the server itself: embedding, comparing, re-ranking or
/// judging, by the fields that it sends.
#[utoipa::path(
    post, path = "/", tag = "embedding", request_body = EmbedRequest,
    responses(
        (status = 200, description = "As /embed, /similarity, /rerank or /predict", body = Vec<Vec<f32>>),
        Refused,
        (status = 424, description = "Computing failed, or nothing is loaded that can", body = ErrorResponse),
    )
)]
pub(super) async fn root(
    State(app): State<Arc<App>>,
    asked: Asked<Value>,
) -> Result<Response, Fault> {
    let Asked {
        value,
        held,
        headers,
        since,
    } = asked;
    let is_object = value.get("inputs").is_some_and(Value::is_object);
    let ranks = value.get("query").is_some() && value.get("texts").is_some();
    let judges = value.get("raw_scores").is_some();
    macro_rules! ask {
        ($handler:ident, $request:ty) => {{
            let value: $request = serde_json::from_value(value).map_err(|e| {
                Fault::new(FaultKind::Invalid, format!("the body cannot be read: {e}"))
            })?;
            let asked = Asked {
                value,
                held,
                headers,
                since,
            };
            $handler(State(app), asked).await
        }};
    }
    if is_object {
        ask!(similarity, SimilarityRequest)
    } else if ranks {
        ask!(rerank, RerankRequest)
    } else if judges {
        ask!(predict, PredictRequest)
    } else {
        ask!(embed_dense, EmbedRequest)
    }
}

/// As posting to `/`, for SageMaker.
#[utoipa::path(
    post, path = "/invocations", tag = "embedding", request_body = EmbedRequest,
    responses(
        (status = 200, description = "As /embed, /similarity, /rerank or /predict", body = Vec<Vec<f32>>),
        Refused,
        (status = 424, description = "Computing failed, or nothing is loaded that can", body = ErrorResponse),
    )
)]
pub(super) async fn invocations(
    state: State<Arc<App>>,
    asked: Asked<Value>,
) -> Result<Response, Fault> {
    root(state, asked).await
}
