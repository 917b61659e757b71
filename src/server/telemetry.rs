//! What the server says of itself: a line in the log for each request, and figures.

use super::app::App;
use super::dialect::{Fault, FaultKind};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus::IntGauge;
use std::any::Any;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use tracing_subscriber::EnvFilter;

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("give text or json".to_string()),
        }
    }
}

/// The environment variable that says what is logged.
const FILTER: &str = "NEARWISE_LOG";

/// Writes the log on standard error from now on: what the environment variable `NEARWISE_LOG` says,
/// as `tracing` filters are written (`warn`, `nearwise=debug`), by default `info`. Panics become a
/// line of it as well.
///
/// # Errors
/// The variable cannot be read as a filter.
pub fn log_to_stderr(format: LogFormat) -> Result<(), String> {
    let filter = match std::env::var(FILTER) {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter)
            .map_err(|e| format!("{FILTER}: {e}; give a level such as info or warn"))?,
        _ => EnvFilter::new("info"),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr);
    // A program that logs already goes on as it does.
    let _ = match format {
        LogFormat::Text => {
            let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            log.with_ansi(terminal).try_init()
        }
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let said = said(info.payload());
        tracing::error!(place, said, "a panic; please report it");
    }));
    Ok(())
}

/// The first line of what a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.and_then(|text| text.lines().next()).unwrap_or("")
}

/// The answer of a handler that panicked. The log has what it said.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let message = "answering this failed unexpectedly; the server's log says where";
    Fault::new(FaultKind::Internal, message).into_response()
}

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id of a request that is taken from a client.
const LONGEST_ID: usize = 128;

/// A request's id; a client may bring its own.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    fn of(request: &Request) -> Self {
        let fits = |id: &&HeaderValue| {
            (1..=LONGEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        let own = request.headers().get(&REQUEST_ID).filter(fits);
        Self(own.cloned().unwrap_or_else(Self::fresh))
    }

    /// One that no other request has: a random beginning for the process, and a number.
    fn fresh() -> HeaderValue {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request"));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:016x}{next:08x}", *PROCESS);
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// A request that is being answered; where its client goes away meanwhile, it is dropped.
struct Running<'a> {
    gauge: &'a IntGauge,
    id: &'a RequestId,
    path: &'a str,
    answered: bool,
}

impl<'a> Running<'a> {
    fn new(gauge: &'a IntGauge, id: &'a RequestId, path: &'a str) -> Self {
        gauge.inc();
        Self {
            gauge,
            id,
            path,
            answered: false,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.gauge.dec();
        if !self.answered {
            let (path, id) = (self.path, self.id.0.to_str().unwrap_or("-"));
            tracing::info!(path, id, "the client has gone");
        }
    }
}

/// Requests that nobody reads in a log: the page's files, and what watches the server.
fn is_quiet(route: &str) -> bool {
    matches!(route, "/health" | "/ping" | "/metrics") || route.starts_with("/page/")
}

/// Gives each request an id, counts it, and logs how it was answered.
pub(super) async fn observed(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = RequestId::of(&request);
    let method = request.method().clone();
    let path = request.uri().path().to_string();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let client = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .copied();
    let mut running = Running::new(&app.metrics.running, &id, &path);
    let mut response = next.run(request).await;
    running.answered = true;
    drop(running);
    let took = started.elapsed();
    let status = response.status().as_u16();
    // Addresses that are none of ours are counted as one.
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.metrics.http(method.as_str(), route, status, took);
    let fault = response.extensions_mut().remove::<Fault>();
    let problem = fault.as_ref().map(Fault::message);
    // To the microsecond.
    let ms = took.as_micros() as f64 / 1e3;
    let id_text = id.0.to_str().unwrap_or("-");
    let client = client.map(|c| c.0.to_string()).unwrap_or_default();
    let method = method.as_str();
    match status {
        500.. => {
            tracing::error!(
                method,
                path,
                status,
                ms,
                id = id_text,
                client,
                problem,
                "answered"
            );
        }
        _ if is_quiet(route) => {
            tracing::debug!(
                method,
                path,
                status,
                ms,
                id = id_text,
                client,
                problem,
                "answered"
            );
        }
        _ => tracing::info!(
            method,
            path,
            status,
            ms,
            id = id_text,
            client,
            problem,
            "answered"
        ),
    }
    response.headers_mut().insert(&REQUEST_ID, id.0);
    response
}

#[cfg(test)]
mod tests {
    use super::super::dialect::told;
    use super::*;
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    #[tokio::test]
    async fn a_panic_is_an_answer_in_one_line() {
        async fn broken() -> String {
            let index = std::hint::black_box(9);
            [1, 2, 3][index].to_string()
        }
        let router: Router = Router::new()
            .route("/embed", get(broken))
            .route("/v1/embeddings", get(broken))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn(told));
        for path in ["/embed", "/v1/embeddings"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 500);
            let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(body["error"].is_string() || body["error"]["type"] == "server_error");
        }
    }
}
