//! Answers, and what is told in their headers.

use super::super::app::App;
use super::super::batch::Took;
use super::super::dialect::{Fault, FaultKind};
use super::asked::Held;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Values beyond which an answer is written on a thread of its own.
const LONG: usize = 16_384;
/// Characters of a value as JSON, about.
const VALUE: usize = 13;
/// How many of a request's texts were cut.
const TRUNCATED: HeaderName = HeaderName::from_static("x-truncated");

/// An answer's bytes, with what the request holds until they are written.
struct Owned {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// JSON that is written already as an answer.
pub(super) fn json(bytes: Vec<u8>, held: Held) -> Response {
    let kind = HeaderValue::from_static("application/json");
    let body = Bytes::from_owner(Owned { bytes, _held: held });
    ([(header::CONTENT_TYPE, kind)], Body::from(body)).into_response()
}

/// A value as an answer.
pub(super) fn value(value: &impl serde::Serialize, held: Held) -> Result<Response, Fault> {
    Ok(json(
        serde_json::to_vec(value).map_err(|e| unwritten(&e))?,
        held,
    ))
}

fn unwritten(error: &serde_json::Error) -> Fault {
    Fault::new(FaultKind::Internal, format!("writing the answer: {error}"))
}

/// Has `values` numbers written, on a thread of its own where they are many.
pub(super) async fn numbers(
    values: usize,
    write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()> + Send + 'static,
) -> Result<Vec<u8>, Fault> {
    let written = move || {
        let mut out = Vec::with_capacity(values * VALUE + 256);
        write(&mut out).map_err(|e| unwritten(&e))?;
        Ok(out)
    };
    if values <= LONG {
        return written();
    }
    let joined = tokio::task::spawn_blocking(written).await;
    joined.map_err(|_| Fault::new(FaultKind::Internal, "writing the answer failed"))?
}

/// Tells in headers what a request cost, and whether texts were cut.
pub(super) fn told(app: &App, mut response: Response, took: &Took) -> Response {
    let headers = response.headers_mut();
    let device = HeaderValue::from_str(&app.encoder.device());
    let device = device.unwrap_or(HeaderValue::from_static("unknown"));
    headers.insert(HeaderName::from_static("x-compute-type"), device);
    number(headers, "x-compute-time", ms(took.total));
    number(headers, "x-compute-characters", took.characters as u64);
    number(headers, "x-compute-tokens", took.tokens as u64);
    number(headers, "x-total-time", ms(took.total));
    number(headers, "x-tokenization-time", ms(took.times.tokenization));
    number(headers, "x-queue-time", ms(took.times.queue));
    number(headers, "x-inference-time", ms(took.times.inference));
    if took.cut > 0 {
        headers.insert(TRUNCATED, HeaderValue::from(took.cut as u64));
    }
    response
}

fn number(headers: &mut HeaderMap, name: &'static str, value: u64) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
