//! What is wrong with a request, in the words of the interface that it came by.
//!
//! A handler answers with a [`Fault`]. [`told`], around all handlers, writes its body: it knows
//! which interface the path belongs to.

use super::error::ApiError;
use crate::error::{Error, ErrorKind};
use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An interface, by how it words errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// text-embeddings-inference's.
    Tei,
    /// OpenAI's, below `/v1`, and Cohere's below `/v2`.
    OpenAi,
    /// That to corpora, below `/api`, and whatever is none of the others.
    Api,
}

impl Dialect {
    /// The interface that a path belongs to.
    pub(super) fn of(path: &str) -> Self {
        let below = |prefix: &str| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if below("/v1") || below("/v2") || path == "/embeddings" {
            Self::OpenAi
        } else if below("/api") || below("/mcp") || below("/page") {
            Self::Api
        } else {
            Self::Tei
        }
    }
}

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The request says nothing to work on.
    Empty,
    /// The request cannot be used.
    Invalid,
    /// The body is no JSON.
    Malformed,
    /// The body is not said to be JSON.
    NotJson,
    /// The body is too long.
    TooLarge,
    /// The client took too long.
    TooSlow,
    /// The tokenizer fails on a text.
    Tokenizer,
    /// What is served cannot do this, or failed.
    Backend,
    /// Too much waits already.
    Overloaded,
    /// The server is stopping or not well.
    Unhealthy,
    /// No key, or one that is not known.
    Unauthorized,
    /// The key or the origin may not do this.
    Forbidden,
    /// The name of the host is none of this server's.
    Misdirected,
    /// Nothing is there.
    NotFound,
    /// A handler panicked.
    Internal,
}

/// Something that is wrong with a request, or with answering it.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    message: String,
    parameter: Option<&'static str>,
}

/// Seconds after which a client may try again.
const RETRY_AFTER: &str = "1";

impl Fault {
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            parameter: None,
        }
    }

    /// The same of another field, where an interface calls it so.
    pub(super) fn called(mut self, parameter: &'static str, own: &'static str) -> Self {
        if self.parameter == Some(parameter) {
            self.parameter = Some(own);
        }
        self
    }

    /// A field of the request that cannot be used.
    pub(super) fn invalid(parameter: &'static str, message: impl Into<String>) -> Self {
        Self {
            parameter: Some(parameter),
            ..Self::new(FaultKind::Invalid, message)
        }
    }

    /// A field of the request that is empty.
    pub(super) fn empty(parameter: &'static str, message: impl Into<String>) -> Self {
        Self {
            parameter: Some(parameter),
            ..Self::new(FaultKind::Empty, message)
        }
    }

    pub(super) fn overloaded(message: &str) -> Self {
        Self::new(
            FaultKind::Overloaded,
            format!("{message}; try again in a moment"),
        )
    }

    pub(super) fn stopping() -> Self {
        Self::new(FaultKind::Unhealthy, "the server is stopping")
    }

    /// What is wrong, for the log.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// A word for what is counted.
    pub(super) fn counted_as(&self) -> &'static str {
        match self.kind {
            FaultKind::Empty | FaultKind::Invalid => "validation",
            FaultKind::Malformed | FaultKind::NotJson => "malformed",
            FaultKind::TooLarge => "too_large",
            FaultKind::TooSlow => "too_slow",
            FaultKind::Tokenizer => "tokenizer",
            FaultKind::Backend => "backend",
            FaultKind::Overloaded => "overloaded",
            FaultKind::Unhealthy => "unhealthy",
            FaultKind::Unauthorized | FaultKind::Forbidden | FaultKind::Misdirected => "access",
            FaultKind::NotFound => "not_found",
            FaultKind::Internal => "internal",
        }
    }

    fn status(&self, dialect: Dialect) -> StatusCode {
        match self.kind {
            FaultKind::Malformed => StatusCode::BAD_REQUEST,
            FaultKind::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            FaultKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            FaultKind::TooSlow => StatusCode::REQUEST_TIMEOUT,
            FaultKind::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            FaultKind::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
            FaultKind::Unauthorized => StatusCode::UNAUTHORIZED,
            FaultKind::Forbidden => StatusCode::FORBIDDEN,
            FaultKind::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            FaultKind::NotFound => StatusCode::NOT_FOUND,
            FaultKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            // What a re-ranker is asked for and is not loaded, above all.
            FaultKind::Backend if dialect == Dialect::Tei => StatusCode::FAILED_DEPENDENCY,
            FaultKind::Backend => StatusCode::INTERNAL_SERVER_ERROR,
            FaultKind::Empty | FaultKind::Invalid | FaultKind::Tokenizer => match dialect {
                Dialect::OpenAi => StatusCode::BAD_REQUEST,
                Dialect::Tei if self.kind == FaultKind::Empty => StatusCode::BAD_REQUEST,
                Dialect::Tei | Dialect::Api => StatusCode::UNPROCESSABLE_ENTITY,
            },
        }
    }

    /// The answer in the words of an interface.
    fn answer(&self, dialect: Dialect) -> Response {
        let status = self.status(dialect);
        let mut response = body(dialect, status, &self.message, Some(self));
        let headers = response.headers_mut();
        match self.kind {
            FaultKind::Overloaded | FaultKind::Unhealthy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            }
            FaultKind::Unauthorized => {
                let scheme = HeaderValue::from_static("Bearer");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            _ => {}
        }
        if matches!(
            self.kind,
            FaultKind::Unhealthy | FaultKind::TooLarge | FaultKind::TooSlow
        ) {
            // What was not read of the request would be taken for the next one.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The body of an error.
fn body(dialect: Dialect, status: StatusCode, message: &str, fault: Option<&Fault>) -> Response {
    let parameter = fault.and_then(|f| f.parameter);
    let kind = fault.map(|f| f.kind);
    match dialect {
        Dialect::Tei => {
            let error_type = match kind {
                Some(FaultKind::Empty) => "Empty",
                Some(FaultKind::Tokenizer) => "Tokenizer",
                Some(FaultKind::Backend | FaultKind::Internal) => "Backend",
                Some(FaultKind::Overloaded) => "Overloaded",
                Some(FaultKind::Unhealthy) => "Unhealthy",
                None if status.is_server_error() => "Backend",
                _ => "Validation",
            };
            let body = json!({"error": message, "error_type": error_type});
            (status, Json(body)).into_response()
        }
        Dialect::OpenAi => {
            let kind = match status.as_u16() {
                401 => "authentication_error",
                403 => "permission_error",
                404 => "not_found_error",
                429 => "rate_limit_error",
                500.. => "server_error",
                _ => "invalid_request_error",
            };
            let code = match status.as_u16() {
                401 => Some("invalid_api_key"),
                429 => Some("rate_limit_exceeded"),
                _ => None,
            };
            let body = json!({"error": {
                "message": message, "type": kind, "param": parameter, "code": code,
            }});
            (status, Json(body)).into_response()
        }
        Dialect::Api => {
            let kind = match status.as_u16() {
                400 => "malformed",
                401 => "unauthorized",
                403 => "forbidden",
                404 => "not_found",
                405 => "method_not_allowed",
                408 => "too_slow",
                413 => "too_large",
                415 => "not_json",
                421 => "misdirected",
                422 => "invalid_parameter",
                429 => "overloaded",
                503 => "unavailable",
                500.. => "internal",
                _ => "invalid_input",
            };
            let error = ApiError::new(status, kind, message);
            match parameter {
                Some(parameter) => error.about(parameter).into_response(),
                None => error.into_response(),
            }
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let message = super::error::told(&error);
        match error.kind() {
            ErrorKind::InvalidParameter(name) => Self::invalid(name, message),
            ErrorKind::InvalidInput | ErrorKind::InvalidFilter { .. } => {
                Self::new(FaultKind::Invalid, message)
            }
            ErrorKind::Model if error.message().starts_with("tokenizer: ") => {
                Self::new(FaultKind::Tokenizer, message)
            }
            ErrorKind::NotFound(_) => Self::new(FaultKind::NotFound, message),
            ErrorKind::Busy | ErrorKind::Cancelled => Self::new(FaultKind::Unhealthy, message),
            ErrorKind::Internal => Self::new(FaultKind::Internal, message),
            _ => Self::new(FaultKind::Backend, message),
        }
    }
}

impl IntoResponse for Fault {
    /// The status of no interface in particular, for [`told`] to take.
    fn into_response(self) -> Response {
        let mut response = self.status(Dialect::Api).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The longest plain text of an error that is told, in bytes.
const LONGEST: usize = 4096;

/// Writes errors in the words of the interface that the request came by: those that handlers
/// answer with, and the plain texts of the layers below them.
pub(super) async fn told(request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let mut response = next.run(request).await;
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        let mut answer = fault.answer(dialect);
        answer.extensions_mut().insert(fault);
        return answer;
    }
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let plain = match response.headers().get(header::CONTENT_TYPE) {
        None => true,
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
    };
    if !plain {
        return response;
    }
    let (parts, text) = response.into_parts();
    let text = to_bytes(text, LONGEST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let message = if text.is_empty() {
        match status {
            StatusCode::NOT_FOUND => "there is nothing at this address",
            StatusCode::METHOD_NOT_ALLOWED => "this address does not know the method",
            _ => status.canonical_reason().unwrap_or("failed"),
        }
    } else {
        text.as_ref()
    };
    let mut answer = body(dialect, status, message, None);
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            answer.headers_mut().append(name, value.clone());
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interface_has_its_own_words() {
        for (path, dialect) in [
            ("/embed", Dialect::Tei),
            ("/", Dialect::Tei),
            ("/v1/embeddings", Dialect::OpenAi),
            ("/v1", Dialect::OpenAi),
            ("/v2/rerank", Dialect::OpenAi),
            ("/embeddings", Dialect::OpenAi),
            ("/v11", Dialect::Tei),
            ("/api/corpora", Dialect::Api),
            ("/apis", Dialect::Tei),
        ] {
            assert_eq!(Dialect::of(path), dialect, "{path}");
        }
        let fault = Fault::overloaded("too many");
        for dialect in [Dialect::Tei, Dialect::OpenAi, Dialect::Api] {
            let answer = fault.answer(dialect);
            assert_eq!(answer.status(), 429);
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        let empty = Fault::empty("inputs", "nothing");
        assert_eq!(empty.answer(Dialect::Tei).status(), 400);
        assert_eq!(empty.answer(Dialect::Api).status(), 422);
    }
}
