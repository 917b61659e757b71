//! The Model Context Protocol: a corpus as tools of an assistant, over streamable HTTP at `/mcp`
//! and over standard input and output.
//!
//! [`tools`] says which there are and what each takes; [`answers`] calls the library. Nothing here
//! changes a corpus.

mod answers;
mod tools;

use super::app::{App, blocking_job, snapshot};
use super::error::told;
use crate::encoder::{Encoder, EncoderBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::job::Job;
use crate::store::{Corpus, Reader};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
    Tool,
};
use rmcp::service::{RequestContext, RoleServer, ServiceExt};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// A corpus that tools read, and what embeds for it.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) corpus: Corpus,
    pub(super) encoder: Box<dyn Fn() -> Result<Arc<Encoder>> + Send + Sync>,
}

impl Known {
    /// A snapshot, whose reading ends when the job is cancelled.
    fn reader(&self, job: &Job) -> Result<Reader> {
        snapshot(&self.corpus, job)
    }
}

/// The tools of some corpora.
#[derive(Clone)]
pub(super) struct Tools {
    corpora: Arc<Vec<Known>>,
}

const INSTRUCTIONS: &str = "Finds and reads articles of local corpora. Start with search (by meaning, by words, or both; \
    an empty query with a filter lists the newest). article reads one; similar finds others like it; topics says what a \
    corpus is about, timeline when. Filters look like: source = \"x\" AND date >= 2024-03 AND topic = 4.";

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("nearwise", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all(&self.names())
            .into_iter()
            .find(|tool| tool.name == name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> std::result::Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all(&self.names())))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> std::result::Result<CallToolResponse, ErrorData> {
        let tools = self.clone();
        let name = request.name.to_string();
        if !tools::NAMES.contains(&name.as_str()) {
            let message = format!("there is no tool {name:?}");
            return Err(ErrorData::invalid_params(message, None));
        }
        let arguments = serde_json::Value::Object(request.arguments.unwrap_or_default());
        let answered =
            blocking_job(move |job| answers::call(&tools.corpora, &name, arguments, job));
        // What goes wrong is told to whoever asked, who may ask otherwise.
        let result = match answered.await {
            Ok(answer) => {
                let mut result = CallToolResult::structured(answer.value);
                result.content = vec![ContentBlock::text(answer.text)];
                result
            }
            Err(e) => CallToolResult::error(vec![ContentBlock::text(told(&e))]),
        };
        Ok(result.into())
    }
}

impl Tools {
    fn names(&self) -> Vec<&str> {
        self.corpora
            .iter()
            .map(|known| known.name.as_str())
            .collect()
    }

    fn of_server(app: &Arc<App>) -> Self {
        let known = app.corpora.iter().map(|served| {
            let (app, own) = (app.clone(), served.clone());
            Known {
                name: served.name.clone(),
                corpus: served.corpus.clone(),
                encoder: Box::new(move || app.encoder_of(&own)),
            }
        });
        Self {
            corpora: Arc::new(known.collect()),
        }
    }
}

/// The route `/mcp`. No sessions are kept: each message is answered by itself.
pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let tools = Tools::of_server(app);
    // Who may ask, from which host and by which name is looked at for all routes alike.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts()
        .with_max_request_body_bytes(app.options.limits.max_body)
        .with_cancellation_token(app.stop.child_token());
    let service = StreamableHttpService::new(
        move || Ok(tools.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    Router::new()
        .route_service("/mcp", service)
        .layer(axum::middleware::map_request(any_kind))
}

/// Whoever takes any kind of answer takes those of the protocol.
async fn any_kind(mut request: Request) -> Request {
    let kinds = request.headers().get_all(header::ACCEPT).iter();
    let mut kinds = kinds.filter_map(|kinds| kinds.to_str().ok()).peekable();
    if kinds.peek().is_none() || kinds.any(|kinds| kinds.contains("*/*")) {
        let both = HeaderValue::from_static("application/json, text/event-stream");
        request.headers_mut().insert(header::ACCEPT, both);
    }
    request
}

/// Serves the tools over standard input and output, until the input ends. Nothing but messages of
/// the protocol is written there. The model is opened when it is first needed. Blocks.
///
/// # Errors
/// A corpus cannot be opened; the system gives no threads; the other side does not speak the
/// protocol.
pub fn serve_stdio(corpora: &[(String, PathBuf)], encoder: &EncoderBuilder) -> Result<()> {
    let mut known = Vec::new();
    for (name, path) in corpora {
        let corpus = Corpus::open(path)?;
        let (own, builder) = (corpus.clone(), encoder.clone());
        let opened: OnceLock<Arc<Encoder>> = OnceLock::new();
        known.push(Known {
            name: name.clone(),
            corpus,
            encoder: Box::new(move || {
                if let Some(encoder) = opened.get() {
                    return Ok(encoder.clone());
                }
                let encoder = Arc::new(own.reader()?.encoder(builder.clone())?);
                Ok(opened.get_or_init(|| encoder).clone())
            }),
        });
    }
    let tools = Tools {
        corpora: Arc::new(known),
    };
    let failed = |e: String| Error::new(ErrorKind::InvalidInput, "standard input", e);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .thread_name("nearwise-mcp")
        .build()
        .map_err(|e| Error::io("the server's threads", e))?;
    let served = runtime.block_on(async {
        let running = tools.serve(rmcp::transport::io::stdio()).await;
        let running = running.map_err(|e| failed(e.to_string()))?;
        running.waiting().await.map_err(|e| failed(e.to_string()))?;
        Ok(())
    });
    // A read of standard input that nobody ends is not waited for.
    runtime.shutdown_background();
    served
}
