//! Reading what a client asks.

use super::super::app::App;
use super::super::dialect::{Fault, FaultKind};
use super::super::limits::{BODY_PIECES, Memory, Place};
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::sync::Arc;
use std::time::Instant;

/// A body longer than this is parsed on a thread of its own, in bytes.
const LONG: usize = 256 << 10;
/// What is set aside for a body before any of it has come, in bytes.
const FIRST: usize = 64 << 10;

/// What a client asks, as JSON.
pub(super) struct Asked<T> {
    pub(super) value: T,
    pub(super) held: Held,
    pub(super) headers: HeaderMap,
    pub(super) since: Instant,
}

/// A request's place and memory, which it keeps until its answer is written.
#[derive(Default)]
pub(super) struct Held {
    /// Only held.
    pub(super) _place: Option<Place>,
    pub(super) memory: Memory,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<Arc<App>> for Asked<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Fault> {
        let since = Instant::now();
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let message =
                "the body is not said to be JSON; send the header Content-Type: application/json";
            return Err(Fault::new(FaultKind::NotJson, message));
        }
        let mut held = Held {
            _place: parts.extensions.get().cloned(),
            memory: Memory::default(),
        };
        let bytes = read(app, &parts.headers, body, &mut held.memory).await?;
        let value = if bytes.len() > LONG {
            let parsed = tokio::task::spawn_blocking(move || parsed(&bytes)).await;
            parsed.map_err(|_| Fault::new(FaultKind::Internal, "reading the body failed"))??
        } else {
            parsed(&bytes)?
        };
        Ok(Self {
            value,
            held,
            headers: parts.headers,
            since,
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|k| k.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

/// What is answered to a body that is too long.
pub(in super::super) fn too_large(most: usize) -> Fault {
    let message = format!(
        "the body is longer than the {most} bytes that this server takes (its setting max-body)"
    );
    Fault::new(FaultKind::TooLarge, message)
}

/// The whole body, as far as the server bears it.
async fn read(
    app: &App,
    headers: &HeaderMap,
    mut body: Body,
    memory: &mut Memory,
) -> Result<Vec<u8>, Fault> {
    let limits = &app.options.limits;
    let length = headers.get(header::CONTENT_LENGTH);
    let length: Option<usize> = length.and_then(|n| n.to_str().ok()?.parse().ok());
    let whole = async {
        // All that was announced, so that what is accepted is answered; else piece by piece.
        let mut taken = length.unwrap_or(FIRST);
        app.admission.body(memory, taken)?;
        let mut bytes = Vec::with_capacity(taken.min(FIRST));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| broken_off(&e))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let n = bytes.len() + data.len();
            if n > limits.max_body {
                return Err(too_large(limits.max_body));
            }
            if n > taken {
                let more = n.max(2 * taken) - taken;
                app.admission.body(memory, more)?;
                taken += more;
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    };
    let whole = tokio::time::timeout(limits.body_timeout * BODY_PIECES, whole);
    whole.await.unwrap_or_else(|_| Err(too_slow()))
}

fn too_slow() -> Fault {
    Fault::new(FaultKind::TooSlow, "the body did not come in time")
}

/// Why a body does not go on.
fn broken_off(error: &axum::Error) -> Fault {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if e.is::<tower_http::timeout::TimeoutError>() {
            return too_slow();
        }
        cause = e.source();
    }
    Fault::new(FaultKind::Malformed, "the body was broken off")
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    if let Some(message) = super::super::no_object(bytes) {
        return Err(Fault::new(FaultKind::Invalid, message));
    }
    // It stops at 128 brackets within each other, and at what is no UTF-8.
    serde_json::from_slice(bytes).map_err(|e| {
        let kind = match e.classify() {
            Category::Data => FaultKind::Invalid,
            Category::Syntax | Category::Eof | Category::Io => FaultKind::Malformed,
        };
        Fault::new(kind, format!("the body cannot be read: {e}"))
    })
}
