//! Texts to token ids.

mod pieces;
mod words;

pub use pieces::TokenPiece;
pub(crate) use words::TextIds;

use super::config::Config;
use super::files::ModelFiles;
use super::tokenizer_limits as limits;
use super::tokens;
use crate::error::{Error, Result};
use crate::guard::guarded;
use rayon::prelude::*;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::utils::truncation::{
    TruncationDirection, TruncationParams, TruncationStrategy, truncate_encodings,
};

/// How long a tokenizer may take to load and to take a short text apart. The largest take a few
/// seconds on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A text with what the steps of tokenizers look for: words, blanks, digits, marks, other scripts,
/// long runs, characters of several code points.
const PROBE: &str = "The quick brown fox, 1,234.5 times!  \u{201c}Caf\u{e9}\u{301}\u{201d} \
    \u{fb01}\u{fdfa} \u{65e5}\u{672c} \u{1f468}\u{200d}\u{1f469} \
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\t<s>[CLS]";
/// Tokens that a tokenizer may make of each byte of the probe: a byte is one at most, and a few
/// are put around all of them.
const PROBE_TOKENS: usize = 8 * PROBE.len();

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
    /// How many special tokens are put around a pair of texts.
    special_of_pair: usize,
    /// The id that stands for what is not in the vocabulary.
    unknown: Option<u32>,
    /// What stands around every text, where the tokenizer works word by word.
    frame: Option<words::Frame>,
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
    /// The file is missing, malformed or beyond what a tokenizer may ask for.
    pub fn load(files: &ModelFiles, config: &Config) -> Result<Self> {
        let path = files.file("tokenizer.json")?;
        Self::open(&path, &files.id, config.max_tokens, config.lower_case)
    }

    /// Loads a tokenizer file for texts of at most `max_tokens`.
    ///
    /// # Errors
    /// As [`Tokenizer::load`].
    pub fn from_file(path: &Path, model: &str, max_tokens: usize) -> Result<Self> {
        Self::open(path, model, max_tokens, false)
    }

    fn open(path: &Path, model: &str, max_tokens: usize, lower_case: bool) -> Result<Self> {
        let bad = |message: String| Error::model(model, format!("{}: {message}", path.display()));
        let io = |e: std::io::Error| bad(e.to_string()).with_source(e);
        let mut json = Vec::new();
        let file = std::fs::File::open(path).map_err(io)?;
        file.take(limits::FILE_BYTES + 1)
            .read_to_end(&mut json)
            .map_err(io)?;
        if json.len() as u64 > limits::FILE_BYTES {
            return Err(bad(format!("longer than {} MiB", limits::FILE_BYTES >> 20)));
        }
        limits::check(&json).map_err(bad)?;
        // On a thread that is given up where it does not end: the file is a program of a kind.
        let (send, receive) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(guarded("tokenizer", || build(&json, lower_case)));
        });
        let built = match receive.recv_timeout(PATIENCE) {
            Ok(built) => built.map_err(|e| bad(e.message().to_string()))?,
            Err(_) => Err(format!(
                "takes longer than {} s to load and to take a short text apart",
                PATIENCE.as_secs()
            )),
        };
        let (inner, special, special_of_pair) = built.map_err(bad)?;
        if special >= max_tokens {
            return Err(bad(format!(
                "puts {special} tokens around every text, and the model takes {max_tokens}"
            )));
        }
        let unknown = unknown(&inner);
        let frame = words::frame(&inner);
        Ok(Self {
            inner,
            unknown,
            frame,
            model: model.to_string(),
            max_tokens,
            special,
            special_of_pair,
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

    /// How many special tokens are put around a pair of texts.
    pub fn special_tokens_of_pair(&self) -> usize {
        self.special_of_pair
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
        let all = self.text_ids(text)?;
        Ok((all.offsets, all.unknown))
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
        let encoding = self.guard(|| {
            if prompt.is_empty() {
                self.inner.encode_fast(text, true)
            } else {
                self.inner.encode_fast(format!("{prompt}{text}"), true)
            }
        })?;
        Ok(self.fit(&encoding))
    }

    /// The tokens of each pair of texts, with `prompt` in front of the first ones, as the
    /// tokenizer's own template puts them together; with the type of each token, where `typed`.
    /// Of a pair that is too long, the end of the longer text is cut off until both are of a
    /// length, and then that of both.
    ///
    /// # Errors
    /// The tokenizer fails on a text; the model's length leaves no room beside special tokens.
    pub fn encode_pairs<A, B>(
        &self,
        prompt: &str,
        pairs: &[(A, B)],
        typed: bool,
    ) -> Result<Vec<Tokens>>
    where
        A: AsRef<str> + Sync,
        B: AsRef<str> + Sync,
    {
        // One token of each text.
        if self.special_of_pair + 2 > self.max_tokens {
            return Err(Error::model(
                &self.model,
                format!(
                    "tokenizer: puts {} tokens around every pair, and the model takes {}",
                    self.special_of_pair, self.max_tokens
                ),
            ));
        }
        pairs
            .par_iter()
            .map(|(a, b)| self.encode_pair(prompt, a.as_ref(), b.as_ref(), typed))
            .collect()
    }

    fn encode_pair(&self, prompt: &str, a: &str, b: &str, typed: bool) -> Result<Tokens> {
        let room = TruncationParams {
            max_length: self.max_tokens - self.special_of_pair,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
            direction: TruncationDirection::Right,
        };
        let (encoding, cut) = self.guard(|| {
            let first = self.inner.encode_fast(format!("{prompt}{a}"), false)?;
            let mut second = self.inner.encode_fast(b, false)?;
            // As where both are encoded in one call; a template may give other types.
            second.set_type_ids(vec![1; second.len()]);
            let whole = first.len() + second.len();
            let (mut first, second) = truncate_encodings(first, Some(second), &room)?;
            let mut second = second.unwrap_or_default();
            // What was cut off would be put together too, each piece of one with each of the other.
            first.take_overflowing();
            second.take_overflowing();
            let cut = whole - first.len() - second.len();
            let encoding = self.inner.post_process(first, Some(second), true)?;
            Ok((encoding, cut))
        })?;
        let ids = encoding.get_ids().iter().zip(encoding.get_type_ids());
        let token = |(&id, &kind): (&u32, &u32)| tokens::typed(id, if typed { kind } else { 0 });
        let ids: Vec<u32> = ids.map(token).collect();
        if ids.len() > self.max_tokens {
            return Err(Error::model(
                &self.model,
                format!(
                    "tokenizer: makes {} tokens of a pair, and the model takes {}",
                    ids.len(),
                    self.max_tokens
                ),
            ));
        }
        Ok(Tokens { ids, cut })
    }

    /// What the crate says of a text. Its steps may panic on one, where the file is made for it.
    fn guard<T>(&self, f: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
        let failed = |message: &str| Error::model(&self.model, format!("tokenizer: {message}"));
        let out = guarded("tokenizer", f).map_err(|e| failed(e.message()))?;
        out.map_err(|e| failed(&e.to_string()))
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
}

/// Makes a tokenizer of a file's content, tries it, and counts the special tokens that it puts
/// around a text and around a pair of texts.
fn build(
    json: &[u8],
    lower_case: bool,
) -> std::result::Result<(tokenizers::Tokenizer, usize, usize), String> {
    let bad = |e: tokenizers::Error| e.to_string();
    let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(bad)?;
    // The file may ask for padding and truncation of its own, often at another length
    // than the model's; both are done here, and truncation is counted.
    inner.with_padding(None);
    inner.with_truncation(None).map_err(bad)?;
    if lower_case {
        // In front of the tokenizer's own steps, so that offsets are those of the text.
        let own = inner.get_normalizer().cloned();
        let steps = std::iter::once(Lowercase.into()).chain(own).collect();
        let steps = Some(Sequence::new(steps));
        inner.with_normalizer(steps).map_err(bad)?;
    }
    let probe = inner.encode(PROBE, true).map_err(bad)?.len();
    if probe > PROBE_TOKENS {
        return Err(format!("makes {probe} tokens of {} bytes", PROBE.len()));
    }
    inner.encode(PROBE, false).map_err(bad)?;
    let special = inner.encode("", true).map_err(bad)?.get_ids().len();
    let pair = inner.encode(("", ""), true).map_err(bad)?;
    if pair.len() > PROBE_TOKENS {
        return Err(format!("puts {} tokens around a pair of texts", pair.len()));
    }
    Ok((inner, special, pair.len()))
}
