//! Embedding and re-ranking, as clients of other servers ask for it.

use super::app::App;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// The routes at the root.
pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
}
