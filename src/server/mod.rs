//! The server: interfaces that clients of embedding servers already speak, an interface to
//! corpora, the Model Context Protocol, and a page for people.
//!
//! A handler parses, calls the library on a thread that may block, and shows. [`app`] holds what
//! all handlers share; [`embedding`], [`corpora`], [`mcp`] and [`page`] each bring a router.

mod app;
mod corpora;
mod embedding;
mod error;
mod jobs;
mod mcp;
mod page;
mod run;

pub use app::{CorpusAt, ServeOptions};
pub use run::Server;
