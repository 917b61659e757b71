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
mod unread;

pub use app::{CorpusAt, ServeOptions};
pub use auth::{Access, ApiKey};
pub use limits::{Limits, MOST_TEXTS};
pub use listen::listen;
pub use mcp::serve_stdio;
pub use run::Server;
pub use telemetry::{LogFormat, log_to_stderr};

use serde::{Deserialize, Deserializer};

/// A field that may be null, which says no more than leaving it out.
fn or_usual<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What is wrong with a body of JSON that is a list where an object is due. Else the fields of the
/// object would be taken from the list, in an order that nobody wrote down.
fn no_object(json: &[u8]) -> Option<&'static str> {
    let first = json.iter().find(|byte| !byte.is_ascii_whitespace());
    (first == Some(&b'[')).then_some("the body is a list; send a JSON object")
}
