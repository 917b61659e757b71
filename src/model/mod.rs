//! Which model, where its files come from, how it is configured, its tokenizer.

mod added_tokens;
pub mod architecture;
mod chat;
mod config;
mod families;
mod files;
mod head;
mod hub;
mod judge;
mod layout;
mod manifest;
#[cfg(test)]
#[path = "../../tests/common/offline.rs"]
pub(crate) mod offline;
mod package;
mod prompts;
mod sentence;
mod settings;
mod staging;
mod tensors;
mod tokenizer;
mod tokenizer_config;
mod tokenizer_limits;
pub mod tokens;
mod vocabulary;

pub use chat::Written;
pub use config::Config;
pub use families::{Classifier, Described, StepAt};
pub(crate) use files::hex;
pub use files::{Fetch, ModelFiles, Source, cache_root, cached, find, verify};
pub use head::{Head, Step};
pub use judge::Judge;
pub use manifest::{KnownModel, Purpose, known_models};
pub(crate) use prompts::KeptPrompts;
pub use prompts::{PromptSource, Prompts, Similarity};
pub use tensors::{BlockAt, LinearAt, NormAt, Part, TensorsAt};
pub(crate) use tokenizer::TextIds;
pub use tokenizer::{Offsets, PairForm, TokenPiece, Tokenizer, Tokens};
pub use tokenizer_config::{BertSteps, TokenizerSettings};

/// Minimum cosine to f32 for a lower-precision dtype to be chosen automatically.
pub const FAITHFUL_COSINE: f64 = 0.99;
/// The model used where none is named.
pub const DEFAULT_MODEL: &str = "sentence-transformers/all-MiniLM-L6-v2";
/// The model that texts are re-ranked with where none is named.
pub const DEFAULT_RERANKER: &str = "cross-encoder/ms-marco-MiniLM-L6-v2";
/// A model that reads some hundred languages, to name where another cannot read a text.
pub const MULTILINGUAL: &str = "intfloat/multilingual-e5-small";
