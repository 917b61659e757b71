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
        .routes(routes!(openai::models))
        .routes(routes!(openai::rank))
        .route("/v1/models/{*model}", get(openai::model))
}

/// What the document says of the route of one model.
pub(super) mod model_path {
    pub(in super::super) use super::openai::__path_model as Described;

    use utoipa::Path;
    use utoipa::openapi::HttpMethod;
    use utoipa::openapi::path::Operation;

    pub(in super::super) fn path() -> String {
        Described::path()
    }

    pub(in super::super) fn methods() -> Vec<HttpMethod> {
        Described::methods()
    }

    pub(in super::super) fn operation() -> Operation {
        Described::operation()
    }
}
