//! The Model Context Protocol.

use super::app::App;
use axum::Router;
use std::sync::Arc;

/// The route `/mcp`.
pub(super) fn router(_app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
}
