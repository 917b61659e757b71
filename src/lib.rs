#![doc = include_str!("front.md")]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![deny(unsafe_code)]

// Tests share helpers with those in `tests/`, which know the library by its name.
#[cfg(test)]
extern crate self as nearwise;

#[cfg(test)]
#[path = "../tests/common/cases.rs"]
mod cases;

mod error;
mod guard;
mod job;
mod kernels;
mod line;
mod new_file;

pub mod vectors;

pub mod corpus;
pub mod model;

pub mod encoder;
pub mod store;

pub mod index;
pub mod search;
pub mod topics;

#[cfg(feature = "server")]
pub mod server;

pub use corpus::Article;
pub use encoder::{Encoder, Reranker};
pub use error::{Error, ErrorKind, Missing, Result};
pub use job::{Event, Job, NoteKind, Progress, Stage};
pub use new_file::NewFile;
pub use store::{Corpus, Filter, Reader, Writer};
