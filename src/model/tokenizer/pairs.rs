//! Pairs of texts, as cross-encoders read them.

use super::wordpiece::Found;
use super::words::Cut;
use super::{Tokenizer, Tokens};
use crate::error::{Error, Result};
use crate::model::{Judge, Written, tokens};
use rayon::prelude::*;
use tokenizers::utils::truncation::{
    TruncationDirection, TruncationParams, TruncationStrategy, truncate_encodings,
};

/// What stands around two texts: special tokens with their types, and the types of the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PairFrame {
    front: Vec<(u32, u32)>,
    middle: Vec<(u32, u32)>,
    back: Vec<(u32, u32)>,
    kinds: [u32; 2],
}

impl PairFrame {
    /// How many special tokens it has.
    pub(super) fn length(&self) -> usize {
        self.front.len() + self.middle.len() + self.back.len()
    }
}

/// What a tokenizer puts around two texts; `None` where it does more than that.
pub(super) fn frame(tokenizer: &tokenizers::Tokenizer) -> Option<PairFrame> {
    // One word of one letter is one token.
    let encoding = joined(tokenizer, "a", "a a", usize::MAX, Cut::End).ok()?.0;
    let mask = encoding.get_special_tokens_mask();
    let typed = encoding.get_ids().iter().zip(encoding.get_type_ids());
    let typed: Vec<(u32, u32)> = typed.map(|(&id, &kind)| (id, kind)).collect();
    // Where texts and special tokens begin: front, first, middle, second, back.
    let run = |from: usize, special: u32| {
        let rest = mask[from..].iter();
        from + rest.take_while(|&&m| m == special).count()
    };
    let first = run(0, 1);
    let middle = run(first, 0);
    let second = run(middle, 1);
    let back = run(second, 0);
    let kind = |from: usize, to: usize| {
        let (_, kind) = *typed.get(from)?;
        typed[from..to].iter().all(|t| t.1 == kind).then_some(kind)
    };
    if (middle - first, back - second) != (1, 2) || run(back, 1) != mask.len() {
        return None;
    }
    Some(PairFrame {
        front: typed[..first].to_vec(),
        middle: typed[middle..second].to_vec(),
        back: typed[back..].to_vec(),
        kinds: [kind(first, middle)?, kind(second, back)?],
    })
}

/// A pair with special tokens, of which at most `room` tokens are left, and how many were cut off.
fn joined(
    tokenizer: &tokenizers::Tokenizer,
    a: &str,
    b: &str,
    room: usize,
    cut: Cut,
) -> tokenizers::Result<(tokenizers::Encoding, usize)> {
    let room = TruncationParams {
        max_length: room,
        strategy: TruncationStrategy::LongestFirst,
        stride: 0,
        direction: match cut {
            Cut::End => TruncationDirection::Right,
            Cut::Beginning => TruncationDirection::Left,
        },
    };
    let first = tokenizer.encode_fast(a, false)?;
    let mut second = tokenizer.encode_fast(b, false)?;
    // As where both are encoded in one call; a template may give other types.
    second.set_type_ids(vec![1; second.len()]);
    let whole = first.len() + second.len();
    let (mut first, second) = truncate_encodings(first, Some(second), &room)?;
    let mut second = second.unwrap_or_default();
    // What was cut off would be put together too, each piece of one with each of the other.
    first.take_overflowing();
    second.take_overflowing();
    let cut = whole - first.len() - second.len();
    let encoding = tokenizer.post_process(first, Some(second), true)?;
    Ok((encoding, cut))
}

/// How many tokens are left of two texts where there is room for so many: the longer one is cut
/// until both are of a length, and then both.
fn longest_first(a: usize, b: usize, room: usize) -> (usize, usize) {
    if a + b <= room {
        return (a, b);
    }
    let short = a.min(b);
    let (short, long) = if 2 * short <= room {
        (short, room - short)
    } else {
        (room / 2, room - room / 2)
    };
    if a > b { (long, short) } else { (short, long) }
}

/// How pairs become the tokens that a model judges.
#[derive(Debug, Clone)]
pub struct PairForm {
    prompt: String,
    typed: bool,
    /// How a pair is written as one text, and the tokens that the text always ends in.
    written: Option<(Written, Vec<u32>)>,
    /// The token that pads.
    padding: Option<u32>,
}

impl Tokenizer {
    /// How pairs become the tokens that a model judges.
    ///
    /// # Errors
    /// The tokenizer fails; what is written around a pair leaves no room for it.
    pub fn pair_form(&self, judge: &Judge) -> Result<PairForm> {
        let written = judge.written.clone().map(|written| {
            let ids = |text: &str| self.written(&written.text(text, text));
            // What both end in, where they differ before it, is behind both texts.
            let (one, other) = (ids("0")?, ids("1 2 3 4")?);
            let both = one.iter().rev().zip(other.iter().rev());
            let tail = both.take_while(|(a, b)| a == b).count();
            let around = self.written(&written.text("", ""))?.len();
            // One token of each text.
            if around + 2 > self.max_tokens {
                return Err(Error::model(
                    &self.model,
                    format!(
                        "its form of a pair takes {around} tokens, and the model takes {}",
                        self.max_tokens
                    ),
                ));
            }
            let tail = if tail < one.len().min(other.len()) {
                tail
            } else {
                0
            };
            Ok((written, one[one.len() - tail..].to_vec()))
        });
        Ok(PairForm {
            prompt: judge.prompt.clone(),
            typed: judge.typed,
            written: written.transpose()?,
            padding: judge.padding,
        })
    }

    /// The tokens of each pair of texts in a form, at least one. A pair that is written as one text
    /// and is too long loses the end of its second text; any other is cut as
    /// [`Tokenizer::encode_pairs`] cuts it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_pairs`]; a pair has no token.
    pub fn encode_as<A, B>(&self, form: &PairForm, pairs: &[(A, B)]) -> Result<Vec<Tokens>>
    where
        A: AsRef<str> + Sync,
        B: AsRef<str> + Sync,
    {
        let mut all = match &form.written {
            None => self.encode_pairs(&form.prompt, pairs, form.typed)?,
            Some((written, tail)) => {
                let one = |(a, b): &(A, B)| {
                    let mut ids = self.written(&written.text(a.as_ref(), b.as_ref()))?;
                    let cut = ids.len().saturating_sub(self.max_tokens);
                    if cut > 0 {
                        ids.truncate(self.max_tokens - tail.len());
                        ids.extend_from_slice(tail);
                    }
                    Ok(Tokens { ids, cut })
                };
                pairs.par_iter().map(one).collect::<Result<_>>()?
            }
        };
        for Tokens { ids, .. } in &mut all {
            // A causal model's state of a token does not depend on what follows.
            while ids.len() > 1 && ids.last().map(|&t| tokens::id(t)) == form.padding {
                ids.pop();
            }
            if ids.is_empty() {
                let message = "a query and a text that are both empty make no token to judge";
                return Err(Error::parameter("texts", message));
            }
        }
        Ok(all)
    }

    /// How many tokens of a pair in a form are not its second text's, where `query` is the first
    /// one; at most so many that half of all tokens that are not special are left for a text.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn tokens_beside(&self, form: &PairForm, query: &str) -> Result<usize> {
        let (around, whole) = match &form.written {
            None => {
                let of_query = self.offsets(&format!("{}{query}", form.prompt))?.len();
                (self.special_of_pair, self.special_of_pair + of_query)
            }
            Some((written, _)) => (
                self.written(&written.text("", ""))?.len(),
                self.written(&written.text(query, ""))?.len(),
            ),
        };
        Ok(whole.min(around + self.max_tokens.saturating_sub(around) / 2))
    }

    /// The ids of a text that has its special tokens written in it.
    fn written(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.guard(|| self.inner.encode_fast(text, false))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of each pair of texts, with `prompt` in front of the first ones, as the
    /// tokenizer's own template puts them together; with the type of each token, where `typed`.
    /// Of a pair that is too long, the end of the longer text is cut off until both are of a
    /// length, and then that of both; the beginning, where the model's settings ask for that.
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
        let one = |(a, b): &(A, B)| {
            let first = format!("{prompt}{}", a.as_ref());
            let (mut ids, mut kinds, cut) = self.pair(&first, b.as_ref())?;
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
            if !typed {
                kinds.fill(0);
            }
            let tokens = ids.iter_mut().zip(kinds);
            tokens.for_each(|(id, kind)| *id = tokens::typed(*id, kind));
            Ok(Tokens { ids, cut })
        };
        pairs.par_iter().map(one).collect()
    }

    /// The ids of a pair, their types, and how many were cut off.
    fn pair(&self, a: &str, b: &str) -> Result<(Vec<u32>, Vec<u32>, usize)> {
        let room = self.max_tokens - self.special_of_pair;
        let (Some(fast), Some(frame)) = (&self.fast, &self.pair) else {
            let (encoding, cut) = self.guard(|| joined(&self.inner, a, b, room, self.cut))?;
            let (ids, kinds) = (encoding.get_ids(), encoding.get_type_ids());
            return Ok((ids.to_vec(), kinds.to_vec(), cut));
        };
        let of = |text: &str| -> Result<Vec<u32>> {
            let mut found = Found::default();
            self.guard(|| fast.ids(&self.inner, text, &mut found))?;
            Ok(found.ids)
        };
        let texts = [of(a)?, of(b)?];
        let whole = texts[0].len() + texts[1].len();
        let (first, second) = longest_first(texts[0].len(), texts[1].len(), room);
        let (mut ids, mut kinds) = (Vec::new(), Vec::new());
        let text = |i: usize, length: usize| {
            let from = match self.cut {
                Cut::End => 0,
                Cut::Beginning => texts[i].len() - length,
            };
            let kept = texts[i][from..from + length].iter();
            kept.map(move |&id| (id, frame.kinds[i]))
        };
        let front = frame.front.iter().copied().chain(text(0, first));
        let middle = frame.middle.iter().copied().chain(text(1, second));
        for (id, kind) in front.chain(middle).chain(frame.back.iter().copied()) {
            ids.push(id);
            kinds.push(kind);
        }
        Ok((ids, kinds, whole - first - second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::Encoding;

    #[test]
    fn pairs_are_cut_as_the_crate_cuts_them() {
        let text = |length: usize| {
            let token = tokenizers::Token::new(7, String::new(), (0, 0));
            Encoding::from_tokens(vec![token; length], 0)
        };
        for (a, b, room) in (0..12)
            .flat_map(|a| (0..12).map(move |b| (a, b)))
            .flat_map(|(a, b)| (2..26).map(move |room| (a, b, room)))
        {
            let params = TruncationParams {
                max_length: room,
                strategy: TruncationStrategy::LongestFirst,
                ..TruncationParams::default()
            };
            let (first, second) = truncate_encodings(text(a), Some(text(b)), &params).unwrap();
            let expected = (first.len(), second.unwrap().len());
            assert_eq!(longest_first(a, b, room), expected, "{a} {b} {room}");
        }
    }
}
