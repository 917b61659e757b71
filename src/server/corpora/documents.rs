//! The OpenAPI document of all routes, and a page that shows it and lets one try them.

use super::super::app::App;
use super::super::embedding::__path_model;
use super::super::error::Problem;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use std::sync::Arc;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Info, LicenseBuilder, OpenApi, PathItem, Ref, RefOr,
    ResponseBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, Path, ToSchema};

/// What is wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Failure {
    /// What is wrong.
    error: Problem,
}

const TAGS: [(&str, &str); 8] = [
    ("Corpora", "What is served, and writing it out."),
    (
        "Search",
        "By meaning, by words, by both; similar articles; counts; duplicates.",
    ),
    ("Articles", "Reading, adding, replacing, deleting."),
    ("Topics", "What a corpus is about, and how that changes."),
    ("Map", "Articles as points, near ones near each other."),
    ("Jobs", "Work that takes longer than a request."),
    ("Assistants", "The Model Context Protocol."),
    ("Documents", "This document, and a page that shows it."),
];

/// The OpenAPI document of this server.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "Documents", operation_id = "openapi",
    responses((status = 200, content_type = "application/json", body = Object)),
)]
#[allow(dead_code, reason = "it is in the document alone")]
fn openapi() {}

/// The same document, where text-embeddings-inference has it.
#[utoipa::path(
    get, path = "/api-doc/openapi.json", tag = "Documents", operation_id = "openapi_as_tei",
    responses((status = 200, content_type = "application/json", body = Object)),
)]
#[allow(dead_code, reason = "it is in the document alone")]
fn openapi_as_tei() {}

/// A page that shows this document and lets one try the routes.
#[utoipa::path(
    get, path = "/docs", tag = "Documents", operation_id = "docs",
    responses((status = 200, content_type = "text/html", body = String)),
)]
#[allow(dead_code, reason = "it is in the document alone")]
fn docs() {}

/// The Model Context Protocol over streamable HTTP: JSON-RPC messages. The tools are search,
/// similar, article, topics and timeline.
#[utoipa::path(
    post, path = "/mcp", tag = "Assistants", operation_id = "mcp",
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, content((Object = "application/json"), (String = "text/event-stream"))),
        (status = 202, description = "A notification was taken."),
    ),
)]
#[allow(dead_code, reason = "it is in the document alone")]
fn mcp() {}

/// Completes the document: what the routes of `document` do not say each for itself.
pub(in crate::server) fn completed(mut document: OpenApi) -> OpenApi {
    let mut info = Info::new("Nearwise", env!("CARGO_PKG_VERSION"));
    info.description = Some(env!("CARGO_PKG_DESCRIPTION").to_string());
    info.license = Some(
        LicenseBuilder::new()
            .name("Apache-2.0")
            .identifier(Some("Apache-2.0"))
            .build(),
    );
    document.info = info;
    let paths = &mut document.paths;
    paths.add_path_operation(
        __path_openapi::path(),
        __path_openapi::methods(),
        __path_openapi::operation(),
    );
    paths.add_path_operation(
        __path_openapi_as_tei::path(),
        __path_openapi_as_tei::methods(),
        __path_openapi_as_tei::operation(),
    );
    paths.add_path_operation(
        __path_docs::path(),
        __path_docs::methods(),
        __path_docs::operation(),
    );
    paths.add_path_operation(
        __path_mcp::path(),
        __path_mcp::methods(),
        __path_mcp::operation(),
    );
    // Its route takes the slash in a model's id, which no path of a document says.
    paths.add_path_operation(
        __path_model::path(),
        __path_model::methods(),
        __path_model::operation(),
    );
    // Any of them can be refused, in one form.
    let failure = ResponseBuilder::new()
        .description("It was refused, or failed.")
        .content(
            "application/json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Failure")))
                .build(),
        )
        .build();
    for (path, item) in &mut paths.paths {
        if !path.starts_with("/api/") {
            continue;
        }
        for operation in operations(item) {
            let responses = &mut operation.responses.responses;
            responses
                .entry("default".to_string())
                .or_insert_with(|| RefOr::T(failure.clone()));
        }
    }
    // What the protocol says of messages that are none.
    let refused = ResponseBuilder::new()
        .description("The message was refused.")
        .build();
    if let Some(item) = paths.paths.get_mut("/mcp") {
        for operation in operations(item) {
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_string(), RefOr::T(refused.clone()));
        }
    }
    let mut components = document
        .components
        .take()
        .unwrap_or_else(|| ComponentsBuilder::new().build());
    components
        .schemas
        .insert("Failure".to_string(), Failure::schema());
    components
        .schemas
        .insert("Problem".to_string(), Problem::schema());
    components.add_security_scheme(
        "bearer",
        SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
    );
    components.add_security_scheme(
        "key",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
    );
    document.components = Some(components);
    let none: [&str; 0] = [];
    // Without keys everybody may ask.
    document.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new("bearer", none),
        SecurityRequirement::new("key", none),
    ]);
    let tag = |(name, about): (&str, &str)| {
        TagBuilder::new()
            .name(name)
            .description(Some(about))
            .build()
    };
    document.tags.get_or_insert_default().extend(TAGS.map(tag));
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description = meaning(status);
                }
            }
        }
    }
    document
}

/// What a status means, which a document has to say of each response.
fn meaning(status: &str) -> String {
    let status: Option<StatusCode> = status.parse().ok();
    let reason = status.and_then(|status| status.canonical_reason());
    reason.unwrap_or("An answer").to_string()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

/// No script but the page's own file runs, and nothing is fetched from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(kind: &'static str, content: Bytes) -> Response {
    let header = |value| HeaderValue::from_static(value);
    (
        [
            (header::CONTENT_TYPE, header(kind)),
            (header::CONTENT_SECURITY_POLICY, header(POLICY)),
            (header::X_CONTENT_TYPE_OPTIONS, header("nosniff")),
            (header::CACHE_CONTROL, header("no-cache")),
        ],
        content,
    )
        .into_response()
}

/// The document and the page.
pub(in crate::server) fn documents(document: OpenApi) -> Router<Arc<App>> {
    // Made once; it can be written, as it is made of texts and lists alone.
    let json = serde_json::to_vec(&completed(document)).unwrap_or_default();
    let json = Bytes::from(json);
    let serve = |kind, content: Bytes| get(move || std::future::ready(file(kind, content.clone())));
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    let page = text(include_str!("docs/docs.html"));
    let script = text(include_str!("docs/docs.js"));
    let style = text(include_str!("docs/docs.css"));
    Router::new()
        // Where text-embeddings-inference has it.
        .route(
            "/api-doc/openapi.json",
            serve("application/json", json.clone()),
        )
        .route("/api/openapi.json", serve("application/json", json))
        .route("/docs", serve("text/html; charset=utf-8", page))
        .route(
            "/docs/docs.js",
            serve("text/javascript; charset=utf-8", script),
        )
        .route("/docs/docs.css", serve("text/css; charset=utf-8", style))
}
