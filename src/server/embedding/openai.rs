//! OpenAI's interface: `/v1/embeddings`, `/v1/models`, and the `/v1/rerank` of those who follow it;
//! `/v2/rerank` is Cohere's path for the same.

use super::super::app::{App, name_of};
use super::super::batch::{Embedded, Text};
use super::super::dialect::{Fault, FaultKind};
use super::asked::Asked;
use super::embed::{Wish, embed};
use super::inputs::{Inputs, InputsDoc};
use super::judge::{ranked, reranker};
use super::written;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use utoipa::{IntoResponses, ToSchema};

/// The header that says that lists of numbers are this model's own token ids.
const OWN_IDS: &str = "x-token-ids";

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    /// As numbers.
    #[default]
    Float,
    /// As base64 of little-endian 32-bit floats.
    Base64,
}

/// Texts to embed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = openai::EmbeddingsRequest)]
pub(super) struct EmbeddingsRequest {
    #[schema(value_type = InputsDoc)]
    input: Inputs,
    /// Which model; another name than that of the one that is served is not minded.
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    encoding_format: Option<Encoding>,
    /// How many values of each vector are kept, for models trained for that.
    #[serde(default)]
    #[schema(minimum = 1)]
    dimensions: Option<usize>,
    #[serde(default)]
    #[allow(dead_code, reason = "who asks is not minded")]
    user: Option<String>,
    /// Not OpenAI's: whether a text that is too long for the model is cut, or the request refused.
    #[serde(default)]
    truncate: Option<bool>,
    /// Not OpenAI's: the name of the model's prompt to put in front of each text.
    #[serde(default)]
    prompt_name: Option<String>,
}

/// What is wrong, as OpenAI words it.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenAiError {
    error: OpenAiProblem,
}

/// How any request may be refused.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it is in the document alone")]
pub(super) enum OpenAiRefused {
    /// The request cannot be used
    #[response(status = 400)]
    Invalid(OpenAiError),
    /// The body is too long
    #[response(status = 413)]
    TooLong(OpenAiError),
    /// The body is not said to be JSON
    #[response(status = 415)]
    NotJson(OpenAiError),
    /// Too much waits already
    #[response(status = 429)]
    Overloaded(OpenAiError),
    /// Computing failed
    #[response(status = 500)]
    Failed(OpenAiError),
    /// The server is stopping
    #[response(status = 503)]
    Stopping(OpenAiError),
}

/// What is wrong.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenAiProblem {
    /// In one line.
    message: String,
    r#type: String,
    /// The field that it is about.
    param: Option<String>,
    code: Option<String>,
}

/// A vector.
#[derive(Serialize, ToSchema)]
#[schema(as = openai::Embedding)]
pub(super) struct Embedding {
    /// `embedding`.
    object: String,
    /// Which of the texts it is of.
    index: usize,
    embedding: VectorDoc,
}

/// A vector's values.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it only stands in the document of the interface")]
pub(super) enum VectorDoc {
    /// Numbers.
    Float(Vec<f32>),
    /// Base64 of little-endian 32-bit floats.
    Base64(String),
}

/// Tokens that were computed.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = openai::Usage)]
pub(super) struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// Vectors of texts.
#[derive(Serialize, ToSchema)]
#[schema(as = openai::EmbeddingsResponse)]
pub(super) struct EmbeddingsResponse {
    /// `list`.
    object: String,
    data: Vec<Embedding>,
    model: String,
    usage: Usage,
}

/// Vectors of texts.
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "OpenAI", request_body = EmbeddingsRequest,
    params(("x-token-ids" = Option<String>, Header, description = "`own` says that lists of numbers are ids of this very model's tokens; they are refused without")),
    responses(
        (status = 200, description = "A vector for each text", body = EmbeddingsResponse),
        OpenAiRefused,
    )
)]
pub(super) async fn embeddings(
    State(app): State<Arc<App>>,
    asked: Asked<EmbeddingsRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value,
        mut held,
        headers,
        since,
    } = asked;
    mind(&app, value.model.as_deref());
    let texts = value.input.texts();
    if !may_be_ids(&headers) && texts.iter().any(|t| matches!(t, Text::Ids(_))) {
        let message = "input holds numbers, which are token ids of another model's vocabulary where nothing else is \
            said; send texts (LangChain does with check_embedding_ctx_length=False), or the header x-token-ids: own \
            if they are this model's ids";
        return Err(Fault::invalid("input", message));
    }
    let wish = Wish {
        truncate: value.truncate,
        prompt_name: value.prompt_name,
        dimensions: value.dimensions,
        ..Wish::default()
    };
    let (embedded, took) = embed(&app, "input", texts, wish, &mut held, since).await?;
    let encoding = value.encoding_format.unwrap_or_default();
    let model = name_of(app.encoder.identity()).to_string();
    let tokens = took.tokens;
    let bytes = written::numbers(embedded.values.len(), move |out| {
        write(&embedded, encoding, &model, tokens, out)
    })
    .await?;
    Ok(written::told(&app, written::json(bytes, held), &took))
}

fn may_be_ids(headers: &HeaderMap) -> bool {
    headers.get(OWN_IDS).is_some_and(|own| own == "own")
}

/// Says once that a client names a model that is not served.
fn mind(app: &App, model: Option<&str>) {
    static SAID: AtomicBool = AtomicBool::new(false);
    let served = name_of(app.encoder.identity());
    if let Some(model) = model
        && model != served
        && !SAID.swap(true, Ordering::Relaxed)
    {
        tracing::info!(
            model,
            served,
            "a client names another model than the one served; it gets that one"
        );
    }
}

/// Writes the answer. Base64 is made of each vector's bytes, without an array of numbers between.
fn write(
    embedded: &Embedded,
    encoding: Encoding,
    model: &str,
    tokens: usize,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let io = serde_json::Error::io;
    out.extend_from_slice(br#"{"object":"list","data":["#);
    let mut bytes = Vec::with_capacity(embedded.dim * size_of::<f32>());
    let mut text = String::new();
    for (index, row) in embedded.rows().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write!(
            out,
            r#"{{"object":"embedding","index":{index},"embedding":"#
        )
        .map_err(io)?;
        match encoding {
            Encoding::Float => serde_json::to_writer(&mut *out, row)?,
            Encoding::Base64 => {
                bytes.clear();
                bytes.extend(row.iter().flat_map(|x| x.to_le_bytes()));
                text.clear();
                STANDARD.encode_string(&bytes, &mut text);
                out.push(b'"');
                out.extend_from_slice(text.as_bytes());
                out.push(b'"');
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(br#"],"model":"#);
    serde_json::to_writer(&mut *out, model)?;
    write!(
        out,
        r#","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#
    )
    .map_err(io)
}

/// A model that is served.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = openai::Model)]
pub(super) struct Model {
    id: String,
    /// `model`.
    object: &'static str,
    /// When the server was started, in seconds since 1970.
    created: u64,
    owned_by: String,
}

/// Models that are served.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = openai::Models)]
pub(super) struct Models {
    /// `list`.
    object: &'static str,
    data: Vec<Model>,
}

/// The models that are served: the one that embeds, and the one that re-ranks where there is one.
#[utoipa::path(
    get, path = "/v1/models", tag = "OpenAI",
    responses((status = 200, description = "The models that are served", body = Models))
)]
pub(super) async fn models(State(app): State<Arc<App>>) -> Json<Models> {
    Json(Models {
        object: "list",
        data: served(&app),
    })
}

/// One of the models that are served.
#[utoipa::path(
    get, path = "/v1/models/{model}", tag = "OpenAI",
    params(("model" = String, Path, description = "The model's id, whose slash may stand as it is.")),
    responses(
        (status = 200, description = "The model", body = Model),
        (status = 404, description = "It is not served"),
    )
)]
pub(in super::super) async fn model(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Model>, Fault> {
    let mut models = served(&app).into_iter();
    let found = models.find(|model| model.id == id);
    found.map(Json).ok_or_else(|| {
        let message =
            format!("the model {id:?} is not served here; /v1/models lists those that are");
        Fault::new(FaultKind::NotFound, message)
    })
}

fn served(app: &App) -> Vec<Model> {
    let embeds = name_of(app.encoder.identity()).to_string();
    let ranks = app.reranker.as_ref();
    let ranks = ranks.map(|r| name_of(r.identity()).to_string());
    let model = |id: String| Model {
        owned_by: id
            .split_once('/')
            .map_or("nearwise", |(owner, _)| owner)
            .to_string(),
        id,
        object: "model",
        created: app.opened,
    };
    std::iter::once(embeds).chain(ranks).map(model).collect()
}

/// A text to rank.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a text, or an object with a text: {\"text\": …}"
)]
#[schema(as = openai::Document)]
pub(super) enum Document {
    /// A text.
    Text(String),
    /// An object with a text.
    Object {
        /// The text.
        text: String,
    },
}

/// A query and texts to order by how well they answer it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = openai::RankRequest)]
pub(super) struct RankRequest {
    #[serde(default)]
    model: Option<String>,
    query: String,
    documents: Vec<Document>,
    /// Only so many of the best.
    #[serde(default)]
    #[schema(minimum = 1)]
    top_n: Option<usize>,
    /// Whether texts are repeated in the answer.
    #[serde(default, deserialize_with = "crate::server::or_usual")]
    #[schema(value_type = Option<bool>)]
    return_documents: bool,
}

/// A text in an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = openai::RankedText)]
pub(super) struct RankedText {
    text: String,
}

/// A text at its place in the order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = openai::RankedDocument)]
pub(super) struct RankedDocument {
    /// Which of the texts it is.
    index: usize,
    /// From 0 to 1.
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<RankedText>,
}

/// Texts in order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = openai::RankResponse)]
pub(super) struct RankResponse {
    model: String,
    /// Best first.
    results: Vec<RankedDocument>,
    usage: Usage,
}

/// Orders texts by how well they answer a query, where a cross-encoder is loaded.
#[utoipa::path(
    post, path = "/v1/rerank", tag = "OpenAI", request_body = RankRequest,
    responses(
        (status = 200, description = "Best first", body = RankResponse),
        OpenAiRefused,
        (status = 400, description = "The request cannot be used, or no cross-encoder is loaded", body = OpenAiError),
    )
)]
pub(super) async fn rank(
    State(app): State<Arc<App>>,
    asked: Asked<RankRequest>,
) -> Result<Response, Fault> {
    let Asked {
        value,
        mut held,
        since,
        ..
    } = asked;
    // The name is free, as that of an embedding model is.
    let _ = value.model;
    let model = match reranker(&app) {
        Ok(reranker) => name_of(reranker.identity()).to_string(),
        // A client's mistake here, where the name of a model says what is wanted.
        Err(fault) => return Err(Fault::invalid("model", fault.message())),
    };
    if value.documents.is_empty() {
        return Err(Fault::empty("documents", "documents is empty"));
    }
    let texts = value.documents.into_iter().map(|d| match d {
        Document::Text(text) | Document::Object { text } => text,
    });
    let mut texts: Vec<String> = texts.collect();
    let ranked = ranked(&app, &value.query, &texts, false, None, &mut held, since).await;
    // What is ranked has another name in the other interface.
    let (mut ranks, took) = ranked.map_err(|fault| fault.called("texts", "documents"))?;
    ranks.truncate(value.top_n.unwrap_or(usize::MAX));
    let repeats = value.return_documents;
    let mut document = |index: usize| {
        repeats.then(|| RankedText {
            text: std::mem::take(&mut texts[index]),
        })
    };
    let results = ranks
        .into_iter()
        .map(|rank| RankedDocument {
            document: document(rank.index),
            index: rank.index,
            relevance_score: rank.score,
        })
        .collect();
    let answer = RankResponse {
        model,
        results,
        usage: Usage {
            prompt_tokens: took.tokens,
            total_tokens: took.tokens,
        },
    };
    Ok(written::told(&app, written::value(&answer, held)?, &took))
}

/// As `/v1/embeddings`, under the path that text-embeddings-inference has beside it.
#[utoipa::path(
    post, path = "/embeddings", tag = "OpenAI", request_body = EmbeddingsRequest,
    params(("x-token-ids" = Option<String>, Header, description = "As for /v1/embeddings")),
    responses(
        (status = 200, description = "A vector for each text", body = EmbeddingsResponse),
        OpenAiRefused,
    )
)]
pub(super) async fn embeddings_as_tei(
    app: State<Arc<App>>,
    asked: Asked<EmbeddingsRequest>,
) -> Result<Response, Fault> {
    embeddings(app, asked).await
}

/// As `/v1/rerank`, under the path that Cohere's newer clients ask.
#[utoipa::path(
    post, path = "/v2/rerank", tag = "OpenAI", request_body = RankRequest,
    responses(
        (status = 200, description = "Best first", body = RankResponse),
        OpenAiRefused,
        (status = 400, description = "The request cannot be used, or no cross-encoder is loaded", body = OpenAiError),
    )
)]
pub(super) async fn rank_v2(
    app: State<Arc<App>>,
    asked: Asked<RankRequest>,
) -> Result<Response, Fault> {
    rank(app, asked).await
}
