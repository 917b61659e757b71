//! Embedding and re-ranking, as clients of other servers ask for it.

mod about;
mod asked;
mod embed;
mod inputs;
mod judge;
mod openai;
mod tei;
mod tokens;
mod written;

pub(super) use about::health;
pub(super) use asked::too_large;
pub(super) use openai::__path_model;

use super::app::App;
use axum::routing::get;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes at the root.
pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(tei::embed_dense))
        .routes(routes!(tei::embed_all))
        .routes(routes!(tei::embed_sparse))
        .routes(routes!(tei::similarity))
        .routes(routes!(tei::root))
        .routes(routes!(tei::invocations))
        .routes(routes!(judge::rerank))
        .routes(routes!(judge::predict))
        .routes(routes!(tokens::tokenize))
        .routes(routes!(tokens::decode))
        .routes(routes!(about::info))
        .routes(routes!(about::health))
        .routes(routes!(about::ping))
        .routes(routes!(about::metrics))
        .routes(routes!(openai::embeddings))
        .routes(routes!(openai::embeddings_as_tei))
        .routes(routes!(openai::models))
        .routes(routes!(openai::rank))
        .routes(routes!(openai::rank_v2))
        .route("/v1/models/{*model}", get(openai::model))
}
