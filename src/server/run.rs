//! Listening, answering, and stopping.

use super::app::{App, ServeOptions};
use super::{corpora, embedding, mcp, page};
use crate::error::{Error, Result};
use axum::Router;
use std::net::SocketAddr;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// A server that has opened what it serves.
pub struct Server {
    app: Arc<App>,
}

impl Server {
    /// Opens whatever is served.
    ///
    /// # Errors
    /// A corpus or a model cannot be opened.
    pub fn open(options: ServeOptions) -> Result<Self> {
        Ok(Self {
            app: Arc::new(App::open(options)?),
        })
    }

    /// All routes.
    pub fn router(&self) -> Router {
        let (api, document) = OpenApiRouter::new()
            .merge(embedding::router())
            .nest("/api", corpora::router())
            .split_for_parts();
        api.merge(mcp::router(&self.app))
            .merge(page::router())
            .merge(corpora::documents(document))
            .with_state(self.app.clone())
    }

    /// Answers at `address` until `stop` ends; running requests are answered first.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub fn run(
        &self,
        address: SocketAddr,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::io("the server's threads", e))?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(address)
                .await
                .map_err(|e| Error::io(address.to_string(), e))?;
            axum::serve(listener, self.router())
                .with_graceful_shutdown(stop)
                .await
                .map_err(|e| Error::io(address.to_string(), e))
        })
    }
}
