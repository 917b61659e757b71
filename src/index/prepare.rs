//! What the encoder is given for an article, and how its vector is made of the passages'.

use crate::corpus::passages::{Passage, Window, split};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::model::Tokenizer;
use crate::vectors::normalize;
use std::cell::Cell;
use std::ops::Range;

/// The passages of an article, ready for the encoder.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The passages; never none.
    pub passages: Vec<Passage>,
    /// The share of the text's tokens that the model does not know, 0 to 1.
    pub unknown: f32,
}

impl Prepared {
    /// A hash of everything that decides the vectors besides the model.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for passage in &self.passages {
            for number in [passage.input.len(), passage.range.start, passage.range.end] {
                hasher.update(&(number as u64).to_le_bytes());
            }
            hasher.update(&passage.fresh_tokens.to_le_bytes());
            hasher.update(passage.input.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

/// Splits an article into passages that fit the encoder's model, leaving out `boilerplate`.
///
/// # Errors
/// The tokenizer fails.
pub fn prepare(
    encoder: &Encoder,
    title: &str,
    text: &str,
    boilerplate: &[Range<usize>],
) -> Result<Prepared> {
    Preparer::new(encoder)?.prepare(title, text, boilerplate)
}

/// Prepares articles for one encoder, on any thread.
pub(super) struct Preparer<'a> {
    tokenizer: &'a Tokenizer,
    window: Window,
}

impl<'a> Preparer<'a> {
    pub(super) fn new(encoder: &'a Encoder) -> Result<Self> {
        let tokenizer = encoder.tokenizer();
        let taken = tokenizer.special_tokens() + encoder.document_prompt_tokens()?;
        Ok(Self {
            tokenizer,
            window: Window::of(tokenizer.max_tokens(), taken),
        })
    }

    /// See [`prepare`].
    pub(super) fn prepare(
        &self,
        title: &str,
        text: &str,
        boilerplate: &[Range<usize>],
    ) -> Result<Prepared> {
        let (all, unknown) = (Cell::new(0), Cell::new(0));
        let mut passages = split(title, text, boilerplate, self.window, |t| {
            let (offsets, unread) = self.tokenizer.offsets_and_unknown(t)?;
            all.set(all.get() + offsets.len());
            unknown.set(unknown.get() + unread);
            Ok(offsets)
        })?;
        if passages.is_empty() {
            // Nothing in it is a token, such as a text of blanks: it still gets a vector.
            passages.push(Passage {
                input: title.to_string(),
                range: 0..text.len(),
                fresh_tokens: 1,
            });
        }
        Ok(Prepared {
            passages,
            unknown: unknown.get() as f32 / all.get().max(1) as f32,
        })
    }
}

/// The vector of an article: the mean of its passages' vectors, each weighted by its tokens
/// that no earlier passage holds, scaled to unit length.
///
/// With mean pooling this is close to what a model with a longer window would pool to, so
/// that the end of a long article counts as much as its beginning; truncation, the usual
/// way, drops it; README.md has the figures.
///
/// `passages` are (tokens, unit vector).
pub fn article_vector<'a>(passages: impl Iterator<Item = (u32, &'a [f32])>) -> Vec<f32> {
    let mut sum: Vec<f32> = Vec::new();
    for (tokens, vector) in passages {
        sum.resize(vector.len(), 0.0);
        let weight = tokens.max(1) as f32;
        for (s, x) in sum.iter_mut().zip(vector) {
            *s += weight * x;
        }
    }
    normalize(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_count_by_their_tokens() {
        let vector = article_vector([(3, &[1.0, 0.0][..]), (4, &[0.0, 1.0][..])].into_iter());
        assert!((vector[0] - 0.6).abs() < 1e-6 && (vector[1] - 0.8).abs() < 1e-6);
    }
}
