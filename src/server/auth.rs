//! Who may ask, and for what.

use super::app::App;
use super::dialect::{Fault, FaultKind};
use super::error::ApiError;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Everything that changes nothing: embedding, searching, reading.
    Read,
    /// All of it; writing as well, where the server is writable.
    Full,
}

/// A key that clients send as `Authorization: Bearer KEY` or `X-API-Key: KEY`. Only its hash is
/// kept.
#[derive(Debug, Clone)]
pub struct ApiKey {
    access: Access,
    hash: [u8; 32],
}

impl ApiKey {
    /// A key that allows `access`.
    pub fn new(access: Access, key: &str) -> Self {
        Self {
            access,
            hash: hash(key.as_bytes()),
        }
    }

    /// Reads `KEY`, `full:KEY` or `read:KEY`; a key without a word in front allows everything.
    ///
    /// # Errors
    /// It is empty, or holds a character that no header can.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (access, key) = match text.split_once(':') {
            Some(("read", key)) => (Access::Read, key),
            Some(("full", key)) => (Access::Full, key),
            _ => (Access::Full, text),
        };
        if key.is_empty() {
            return Err("a key is empty".to_string());
        }
        if !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a key holds what is no visible ASCII character".to_string());
        }
        Ok(Self::new(access, key))
    }
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// What the keys allow whoever sends `sent`. All of them are compared, and the time that takes does
/// not depend on how much of one is right.
fn access(keys: &[ApiKey], sent: &[u8]) -> Option<Access> {
    let sent = hash(sent);
    let mut found = 0u8;
    for key in keys {
        let same: Choice = key.hash.ct_eq(&sent);
        found.conditional_assign(&(1 + key.access as u8), same);
    }
    match found {
        1 => Some(Access::Read),
        2 => Some(Access::Full),
        _ => None,
    }
}

/// The key of a request.
fn sent(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let value = value.as_bytes();
        let scheme = value.get(..7)?;
        scheme
            .eq_ignore_ascii_case(b"Bearer ")
            .then(|| value[7..].trim_ascii())
    });
    bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()))
}

/// Whether a path is answered without a key: what only tells that the server is there, and what
/// the page is made of, which holds nothing of a corpus.
fn is_open(method: &Method, path: &str) -> bool {
    matches!(path, "/health" | "/ping" | "/docs" | "/api/openapi.json")
        || path.starts_with("/page/")
        || path.starts_with("/docs/")
        || (path == "/" && method == Method::GET)
}

/// Lets nobody in whose key is not known.
pub(super) async fn known(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let keys = &app.options.api_keys;
    if keys.is_empty() {
        request.extensions_mut().insert(Access::Full);
        return next.run(request).await;
    }
    let sent = sent(request.headers());
    match sent.and_then(|sent| access(keys, sent)) {
        Some(access) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        None if is_open(request.method(), request.uri().path()) => next.run(request).await,
        None => {
            let message = match sent {
                None => "a key is needed: send it as Authorization: Bearer KEY",
                Some(_) => "the key is not known",
            };
            refused(Fault::new(FaultKind::Unauthorized, message))
        }
    }
}

fn refused(fault: Fault) -> Response {
    axum::response::IntoResponse::into_response(fault)
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::Read))
    }
}

impl App {
    /// Fails where nothing may be changed: by anybody, or by who has only `access`.
    pub(super) fn may_write(&self, access: Access) -> Result<(), ApiError> {
        let message = if !self.options.writable {
            "this server does not change anything (its setting writable is off)"
        } else if access < Access::Full {
            "this key may only read"
        } else {
            return Ok(());
        };
        Err(ApiError::new(StatusCode::FORBIDDEN, "read_only", message))
    }
}

/// The name of a host without its port.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') => {
            name
        }
        _ => host,
    }
}

/// Whether a name is always this very host.
fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Keeps pages of other sites out, which a browser on this host would let ask a server that needs
/// no key: by a name of theirs that leads to this host, or by a form that they send.
pub(super) async fn own_site(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    if !app.options.api_keys.is_empty() {
        // No browser sends a key by itself.
        return next.run(request).await;
    }
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(|a| a.as_str()))
        .unwrap_or("");
    let allowed = |name: &str| {
        let mut hosts = app.options.allow_hosts.iter();
        hosts.any(|host| host.eq_ignore_ascii_case(name))
    };
    let name = without_port(host);
    if app.options.loopback && !host.is_empty() && !is_local(name) && !allowed(name) {
        let message = format!(
            "this server is not known as {name:?} (its setting allow-host says which names are)"
        );
        return refused(Fault::new(FaultKind::Misdirected, message));
    }
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| !reads) {
        let origin = origin.to_str().unwrap_or("null");
        let authority = origin.split_once("://").map_or("null", |(_, rest)| rest);
        let own = authority.eq_ignore_ascii_case(host) || allowed(without_port(authority));
        let named = app.options.cors.iter().any(|o| o == "*" || o == origin);
        if !own && !named {
            let message = format!(
                "a page of {origin:?} may not ask this server (its setting cors says which may)"
            );
            return refused(Fault::new(FaultKind::Forbidden, message));
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let keys = ["read:abc", "full:d:e", "plain"].map(|k| ApiKey::parse(k).unwrap());
        assert_eq!(access(&keys, b"abc"), Some(Access::Read));
        assert_eq!(access(&keys, b"d:e"), Some(Access::Full));
        assert_eq!(access(&keys, b"plain"), Some(Access::Full));
        for wrong in ["", "ab", "abcd", "read:abc", "plain "] {
            assert_eq!(access(&keys, wrong.as_bytes()), None, "{wrong}");
        }
        for wrong in ["", "read:", "a b", "schl\u{fc}ssel"] {
            assert!(ApiKey::parse(wrong).is_err(), "{wrong}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "bearer  abc ".parse().unwrap());
        assert_eq!(sent(&headers), Some(&b"abc"[..]));
        headers.insert("authorization", "Basic abc".parse().unwrap());
        assert_eq!(sent(&headers), None);
        headers.insert("x-api-key", "k".parse().unwrap());
        assert_eq!(sent(&headers), Some(&b"k"[..]));
    }

    #[test]
    fn names_of_this_host() {
        for (host, local) in [
            ("localhost:7700", true),
            ("127.0.0.1", true),
            ("127.3.2.1:80", true),
            ("[::1]:7700", true),
            ("app.LOCALHOST", true),
            ("localhost.example.com", false),
            ("example.com:7700", false),
            ("10.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_local(without_port(host)), local, "{host}");
        }
    }
}
