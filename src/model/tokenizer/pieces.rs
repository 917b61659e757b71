//! A text's tokens for people and programs to look at, and the way back.

use super::words::Cut;
use super::{Tokenizer, Tokens};
use crate::error::Result;
use rayon::prelude::*;

/// A token as its tokenizer writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPiece {
    /// The id in the vocabulary.
    pub id: u32,
    /// What it stands for in the text; the token's own name, where it is a special one.
    pub text: String,
    /// Whether the tokenizer put it there.
    pub special: bool,
    /// Where it begins and ends in the text, in characters; `None` for special ones.
    pub range: Option<(usize, usize)>,
}

impl Tokenizer {
    /// The words of the vocabulary, those that were added to it included.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// All tokens of a text; with special tokens around, where `special`. None are cut off.
    ///
    /// # Errors
    /// The tokenizer fails on the text.
    pub fn pieces(&self, text: &str, special: bool) -> Result<Vec<TokenPiece>> {
        let encoding = self.guard(|| self.inner.encode_char_offsets(text, special))?;
        // Where each character begins, and the end: offsets are in characters.
        let starts = text.char_indices().map(|(at, _)| at);
        let starts: Vec<usize> = starts.chain(std::iter::once(text.len())).collect();
        let at = |character: usize| starts.get(character).copied().unwrap_or(text.len());
        let tokens = encoding.get_ids().iter().zip(encoding.get_tokens());
        let places = encoding.get_offsets().iter();
        let marked = places.zip(encoding.get_special_tokens_mask());
        let pieces = tokens.zip(marked).map(|((&id, token), (&(a, b), &mask))| {
            let special = mask == 1;
            TokenPiece {
                id,
                text: if special {
                    token.clone()
                } else {
                    text.get(at(a)..at(b)).unwrap_or_default().to_string()
                },
                special,
                range: (!special).then_some((a, b)),
            }
        });
        Ok(pieces.collect())
    }

    /// The text that ids stand for; without special tokens, where `skip_special`.
    ///
    /// # Errors
    /// The tokenizer fails on the ids.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.guard(|| self.inner.decode(ids, skip_special))
    }

    /// As [`Tokenizer::encode`]; of a text that is too long, the beginning is cut off instead of
    /// the end.
    ///
    /// # Errors
    /// The tokenizer fails on a text.
    pub fn encode_ends<S: AsRef<str> + Sync>(
        &self,
        prompt: &str,
        texts: &[S],
    ) -> Result<Vec<Tokens>> {
        let one = |text: &S| self.encode_cut(prompt, text.as_ref(), Cut::Beginning);
        texts.par_iter().map(one).collect()
    }

    /// Cuts a text that is too long before its tokens that fit, and keeps the special tokens at its
    /// beginning.
    pub(super) fn fit_end(&self, encoding: &tokenizers::Encoding) -> Tokens {
        let ids = encoding.get_ids();
        let cut = ids.len().saturating_sub(self.max_tokens);
        if cut == 0 {
            return self.fit(encoding);
        }
        let mask = encoding.get_special_tokens_mask();
        let head = mask.iter().take_while(|&&m| m == 1).count();
        let head = head.min(self.max_tokens);
        let mut kept = ids[..head].to_vec();
        kept.extend_from_slice(&ids[head + cut..]);
        Tokens { ids: kept, cut }
    }
}
