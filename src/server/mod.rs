//! The server: interfaces that clients of embedding servers already speak, an interface to
//! corpora, the Model Context Protocol, and a page for people.
//!
//! A handler parses, calls the library on a thread that may block, and shows. `app` holds what
//! all handlers share; `embedding`, `corpora`, `mcp` and `page` each bring a router.

mod app;
mod auth;
mod batch;
mod corpora;
mod dialect;
mod embedding;
mod error;
mod jobs;
mod limits;
mod listen;
mod mcp;
mod metrics;
mod page;
mod run;
mod telemetry;

pub use app::{CorpusAt, ServeOptions};
pub use auth::{Access, ApiKey};
pub use limits::{Limits, MOST_TEXTS};
pub use listen::listen;
pub use mcp::serve_stdio;
pub use run::Server;
pub use telemetry::{LogFormat, log_to_stderr};
