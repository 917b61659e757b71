//! The routes and what is around them; starting and stopping.

use super::app::{App, ServeOptions};
use super::dialect::{Fault, FaultKind, told};
use super::{auth, corpora, embedding, listen, mcp, page, telemetry, unread};
use crate::error::{Error, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};
use tower_http::timeout::TimeoutBody;
use utoipa_axum::router::OpenApiRouter;

/// A server that has opened what it serves.
pub struct Server {
    app: Arc<App>,
}

/// How long what still runs on other threads is waited for at the end.
const LAST: Duration = Duration::from_millis(200);

impl Server {
    /// Opens whatever is served. Blocks.
    ///
    /// # Errors
    /// A corpus or a model cannot be opened; an option cannot be used.
    pub fn open(options: ServeOptions) -> Result<Self> {
        Ok(Self {
            app: Arc::new(App::open(options)?),
        })
    }

    /// What embeds, for people.
    pub fn about(&self) -> String {
        let encoder = &self.app.encoder;
        format!("{} on {}", encoder.identity().model, encoder.about())
    }

    /// All routes.
    pub fn router(&self) -> Router {
        let app = &self.app;
        let (api, document) = OpenApiRouter::new()
            .merge(embedding::router())
            .nest("/api", corpora::router())
            .split_for_parts();
        let mut router = api
            .merge(mcp::router(app))
            .merge(corpora::documents(document));
        router = if app.options.no_page {
            router.route("/", get(embedding::health))
        } else {
            router.merge(page::router())
        };
        // From the inside out.
        router = router
            .layer(CatchPanicLayer::custom(telemetry::panicked))
            .layer(DefaultBodyLimit::max(app.options.limits.max_body))
            .layer(from_fn_with_state(app.clone(), admitted))
            .layer(from_fn_with_state(app.clone(), auth::known))
            .layer(from_fn_with_state(app.clone(), auth::own_site))
            .layer(from_fn(told));
        if !app.options.cors.is_empty() {
            router = router.layer(cors(&app.options.cors));
        }
        router
            .layer(from_fn(unread::read_on))
            .layer(from_fn_with_state(app.clone(), telemetry::observed))
            .with_state(app.clone())
    }

    /// Answers until `stop` ends. Requests that are running then are answered, for as long as the
    /// limits' `grace`; new ones are told that the server is stopping. `ready` is called with the
    /// address once requests are answered. Blocks.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn run(
        self,
        listener: TcpListener,
        ready: impl FnOnce(SocketAddr),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let io = |e| Error::io("the server's threads", e);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("nearwise-http")
            .build()
            .map_err(io)?;
        let served = runtime.block_on(self.serve(listener, ready, stop));
        // A search that nobody waits for any more may go on; it is not worth waiting for.
        runtime.shutdown_timeout(LAST);
        served
    }

    /// As [`Server::run`], on the runtime of the caller.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub async fn serve(
        self,
        listener: TcpListener,
        ready: impl FnOnce(SocketAddr),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let address = listener
            .local_addr()
            .map_err(|e| Error::io("the address to listen at", e))?;
        let io = |e| Error::io(address.to_string(), e);
        listener.set_nonblocking(true).map_err(io)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(io)?;
        let router = self.router();
        ready(address);
        listen::answer(listener, router, self.app, stop).await;
        Ok(())
    }
}

/// Who of other sites may ask.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|o| o == "*") {
        AllowOrigin::from(Any)
    } else {
        AllowOrigin::list(origins.iter().filter_map(|o| HeaderValue::from_str(o).ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        // Clients add their own, such as the version of their program; none of them is trusted.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Any)
        .max_age(Duration::from_secs(3600))
}

/// Requests that take no place: what watches the server, and what the page is made of.
fn is_free(method: &Method, path: &str) -> bool {
    matches!(path, "/health" | "/ping" | "/metrics" | "/info")
        || path.starts_with("/page/")
        || (path == "/" && method == Method::GET)
}

/// Lets no more requests in than are borne, and none when the server is stopping; bounds the time
/// and the length of what they send.
async fn admitted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let limits = &app.options.limits;
    if app.stop.is_cancelled() {
        return Fault::stopping().into_response();
    }
    if let Some(coding) = request.headers().get(header::CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let coding = String::from_utf8_lossy(coding.as_bytes());
        let message = format!(
            "the body is compressed (Content-Encoding: {coding}), which this server does not read; send it as it is"
        );
        return Fault::new(FaultKind::NotJson, message).into_response();
    }
    let stream = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-ndjson"));
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|n| n.to_str().ok()?.parse::<u64>().ok());
    if !stream && length.is_some_and(|n| n > limits.max_body as u64) {
        return embedding::too_large(limits.max_body).into_response();
    }
    let mut request = request.map(|body| Body::new(TimeoutBody::new(limits.body_timeout, body)));
    if is_free(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    match app.admission.place() {
        Ok(place) => {
            // Who answers at length keeps it to the end.
            request.extensions_mut().insert(place.clone());
            let response = next.run(request).await;
            drop(place);
            response
        }
        Err(fault) => fault.into_response(),
    }
}
