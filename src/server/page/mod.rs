//! The page: everything it is made of is inside the program.

use super::app::App;
use axum::Router;
use std::sync::Arc;

/// The page and its files.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
}
