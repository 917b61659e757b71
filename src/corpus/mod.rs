//! Reading articles: formats, columns, encodings, boilerplate, passages.
//!
//! [`read`] walks the inputs and hands each [`Article`] to a [`Sink`], one at a time, so
//! that memory does not grow with the input. What is done to an article afterwards
//! (which paragraphs are boilerplate, where its passages end) is in [`boilerplate`] and
//! [`passages`].

mod article;
pub mod boilerplate;
mod columns;
mod dates;
mod decode;
pub(crate) mod fingerprint;
pub mod fold;
mod formats;
mod inputs;
pub mod paragraphs;
pub mod passages;
pub mod segment;

pub use crate::line::{clean, plain_json, snippet};
pub use article::{Article, split_title};
#[cfg(feature = "server")]
pub(crate) use article::{one_line, tidy};
pub(crate) use columns::EXPORTED;
pub use columns::{ColumnReport, Columns, Role};
pub use dates::parse_date;
pub use decode::looks_binary;
pub use formats::{Format, TableOptions, TextEncoding};
pub use inputs::{Input, Note, OriginPattern, ReadOptions, Sink, read, read_single, read_stream};
