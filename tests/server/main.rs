//! The server, as its clients meet it: over HTTP, on the loopback interface.

#![cfg(feature = "server")]

#[path = "../common/mod.rs"]
mod world;

mod common;
mod corpora;
mod embedding;
mod mcp;
mod openapi;
mod running;
