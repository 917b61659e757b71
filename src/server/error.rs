//! How errors are answered.

use crate::error::{Error, ErrorKind};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::path::Path;
use utoipa::ToSchema;

/// The status of an error.
pub(super) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidInput
        | ErrorKind::InvalidParameter(_)
        | ErrorKind::InvalidFilter { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NotFound(_) => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::WrongModel | ErrorKind::NoResult => {
            StatusCode::CONFLICT
        }
        ErrorKind::Busy | ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::ReadOnly => StatusCode::FORBIDDEN,
        ErrorKind::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What is wrong, in the interface to corpora.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Problem {
    /// What a program acts on, such as `not_found`, `invalid_parameter` or `busy`.
    kind: &'static str,
    /// What a person reads: one line.
    message: String,
    /// The field of the request that cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
}

/// An error of the interface to corpora: a status, and `{"error": {…}}`.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    problem: Problem,
}

impl ApiError {
    /// An error of the server's own.
    pub(super) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            problem: Problem {
                kind,
                message: message.into(),
                parameter: None,
            },
        }
    }

    /// Names the field of the request that it is about.
    pub(super) fn about(mut self, parameter: &str) -> Self {
        self.problem.parameter = Some(parameter.to_string());
        self
    }
}

/// The name of a kind in answers.
fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Io => "io",
        ErrorKind::DiskFull => "disk_full",
        ErrorKind::ReadOnly => "read_only",
        ErrorKind::InvalidInput => "invalid_input",
        ErrorKind::InvalidParameter(_) => "invalid_parameter",
        ErrorKind::InvalidFilter { .. } => "invalid_filter",
        ErrorKind::NotFound(_) => "not_found",
        ErrorKind::AlreadyExists => "already_exists",
        ErrorKind::Busy => "busy",
        ErrorKind::WrongModel => "wrong_model",
        ErrorKind::NotACorpus => "not_a_corpus",
        ErrorKind::Damaged => "damaged",
        ErrorKind::Model => "model",
        ErrorKind::Network => "network",
        ErrorKind::Device => "device",
        ErrorKind::NoResult => "no_result",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Internal => "internal",
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let parameter = match error.kind() {
            ErrorKind::InvalidParameter(name) => Some(name.to_string()),
            ErrorKind::InvalidFilter { .. } => Some("filter".to_string()),
            _ => None,
        };
        Self {
            kind: name(error.kind()),
            message: told(error),
            parameter,
        }
    }
}

/// What an error says, where its file's name stands for the whole path: which folders this host has is nobody's
/// business.
pub(super) fn told(error: &Error) -> String {
    let place = error.place();
    let (what, path) = match place.strip_prefix("corpus ") {
        Some(path) => ("corpus ", path),
        None => ("", place),
    };
    match Path::new(path).file_name().and_then(|name| name.to_str()) {
        Some(name) if !what.is_empty() || Path::new(path).is_absolute() => {
            format!("{what}{name}: {}", error.message())
        }
        _ => error.to_string(),
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self {
            status: status(error.kind()),
            problem: Problem::from(&error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(serde_json::json!({ "error": self.problem }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            // Whoever is at work on it needs seconds, not minutes.
            let seconds = HeaderValue::from_static("2");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Missing;

    #[test]
    fn answers_name_files_and_no_folders() {
        let message = |error: &Error| Problem::from(error).message;
        let missing = ErrorKind::NotFound(Missing::Vectors);
        let error = Error::corpus(missing, Path::new("/srv/a/news.nearwise"), "it is empty");
        assert_eq!(message(&error), "corpus news.nearwise: it is empty");
        let error = Error::corpus(missing, Path::new("a/news.nearwise"), "it is empty");
        assert_eq!(message(&error), "corpus news.nearwise: it is empty");
        let error = Error::new(ErrorKind::Io, "/srv/a/b.tmp", "it cannot be read");
        assert_eq!(message(&error), "b.tmp: it cannot be read");
        // No path.
        let error = Error::new(ErrorKind::Model, "model owner/name", "it is damaged");
        assert_eq!(message(&error), "model owner/name: it is damaged");
        let error = Error::parameter("k", "3/4 is no number");
        assert_eq!(message(&error), error.to_string());
    }
}
