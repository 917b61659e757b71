//! Texts to token ids.

use super::config::Config;
use super::files::ModelFiles;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::path::Path;

/// Byte offsets of a text's tokens.
pub type Offsets = Vec<(usize, usize)>;

/// The token ids of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The ids, special tokens included, at most the model's length.
    pub ids: Vec<u32>,
    /// How many tokens the text had beyond that.
    pub cut: usize,
}

/// A model's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    model: String,
    max_tokens: usize,
    special: usize,
    /// The id that stands for what is not in the vocabulary.
    unknown: Option<u32>,
}

/// The id of unknown tokens; models that spell every text in bytes have none.
fn unknown(tokenizer: &tokenizers::Tokenizer) -> Option<u32> {
    use tokenizers::models::ModelWrapper;
    let token = match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => model.unk_token.clone(),
        ModelWrapper::WordLevel(model) => model.unk_token.clone(),
        ModelWrapper::BPE(model) => model.unk_token.clone()?,
        // Unigram models spell out in bytes, or give <unk>.
        ModelWrapper::Unigram(_) => "<unk>".to_string(),
    };
    tokenizer.token_to_id(&token)
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("model", &self.model)
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Loads `tokenizer.json`.
    ///
    /// # Errors
    /// The file is missing or malformed.
    pub fn load(files: &ModelFiles, config: &Config) -> Result<Self> {
        Self::from_file(
            &files.folder.join("tokenizer.json"),
            &files.id,
            config.max_tokens,
        )
    }

    /// Loads a tokenizer file for texts of at most `max_tokens`.
    ///
    /// # Errors
    /// The file is missing or malformed.
    pub fn from_file(path: &Path, model: &str, max_tokens: usize) -> Result<Self> {
        let bad = |e: tokenizers::Error| Error::model(model, format!("{}: {e}", path.display()));
        let mut inner = tokenizers::Tokenizer::from_file(path).map_err(bad)?;
        // The file may ask for padding and truncation of its own, often at another length
        // than the model's; both are done here, and truncation is counted.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(bad)?;
        let special = inner.encode("", true).map_err(bad)?.get_ids().len();
        let unknown = unknown(&inner);
        Ok(Self {
            inner,
            unknown,
            model: model.to_string(),
            max_tokens,
            special,
        })
    }

    /// The most tokens of one text, special tokens included.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// How many special tokens are put around a text.
    pub fn special_tokens(&self) -> usize {
        self.special
    }

    /// The byte offsets of a text's tokens, special tokens left out.
    ///
    /// # Errors
    /// The tokenizer fails on the text.
    pub fn offsets(&self, text: &str) -> Result<Offsets> {
        Ok(self.offsets_and_unknown(text)?.0)
    }

    /// As [`Self::offsets`], and how many of the tokens are unknown to the model.
    ///
    /// # Errors
    /// The tokenizer fails on the text.
    pub fn offsets_and_unknown(&self, text: &str) -> Result<(Offsets, usize)> {
        let encoding = self
            .inner
            .encode(text, false)
            .map_err(|e| self.failed(&e))?;
        let ids = encoding.get_ids();
        let unknown = match self.unknown {
            Some(unknown) => ids.iter().filter(|&&id| id == unknown).count(),
            None => 0,
        };
        Ok((encoding.get_offsets().to_vec(), unknown))
    }

    /// The ids of each text with a prompt in front; of many, on all threads.
    ///
    /// # Errors
    /// The tokenizer fails on a text.
    pub fn encode<S: AsRef<str> + Sync>(&self, prompt: &str, texts: &[S]) -> Result<Vec<Tokens>> {
        if let [one] = texts {
            return Ok(vec![self.encode_one(prompt, one.as_ref())?]);
        }
        texts
            .par_iter()
            .map(|text| self.encode_one(prompt, text.as_ref()))
            .collect()
    }

    fn encode_one(&self, prompt: &str, text: &str) -> Result<Tokens> {
        let encoding = if prompt.is_empty() {
            self.inner.encode_fast(text, true)
        } else {
            self.inner.encode_fast(format!("{prompt}{text}"), true)
        };
        Ok(self.fit(&encoding.map_err(|e| self.failed(&e))?))
    }

    /// Cuts a text that is too long behind its last token that fits, and keeps the special
    /// tokens at its end.
    fn fit(&self, encoding: &tokenizers::Encoding) -> Tokens {
        let ids = encoding.get_ids();
        if ids.len() <= self.max_tokens {
            return Tokens {
                ids: ids.to_vec(),
                cut: 0,
            };
        }
        let mask = encoding.get_special_tokens_mask();
        let tail = mask.iter().rev().take_while(|&&m| m == 1).count();
        let tail = tail.min(self.max_tokens);
        let mut kept = ids[..self.max_tokens - tail].to_vec();
        kept.extend_from_slice(&ids[ids.len() - tail..]);
        Tokens {
            ids: kept,
            cut: ids.len() - self.max_tokens,
        }
    }

    fn failed(&self, e: &tokenizers::Error) -> Error {
        Error::model(&self.model, format!("tokenizer: {e}"))
    }
}
