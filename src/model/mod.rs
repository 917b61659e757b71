//! Which model, where its files come from, how it is configured, its tokenizer.

mod config;
mod files;
mod hub;
mod manifest;
mod package;
mod tokenizer;

pub use config::{Architecture, Config, Pooling, Prompts};
pub(crate) use files::hex;
pub use files::{Fetch, ModelFiles, Source, cache_root, cached, find, verify};
pub use manifest::{KnownModel, known_models};
pub use tokenizer::{Offsets, Tokenizer, Tokens};

/// Minimum cosine to f32 for a lower-precision dtype to be chosen automatically.
pub const FAITHFUL_COSINE: f64 = 0.99;
/// The model used where none is named.
pub const DEFAULT_MODEL: &str = "sentence-transformers/all-MiniLM-L6-v2";
/// A model that reads some hundred languages, to name where another cannot read a text.
pub const MULTILINGUAL: &str = "intfloat/multilingual-e5-small";
