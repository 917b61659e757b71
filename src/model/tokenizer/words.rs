//! Tokenizers that take a text apart word by word: the tokens of a part of a text are those that it
//! has in the whole, so that the parts need not be tokenized again.

use super::wordpiece::Found;
use super::{Offsets, Tokenizer, Tokens};
use crate::error::Result;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;

/// White space that every step of such a tokenizer takes for it. Others are control characters to
/// some step, which leaves them out and joins the words around them.
pub(super) const SPACE: [char; 4] = [' ', '\n', '\t', '\r'];

/// About how many bytes of a text become a token.
const BYTES_OF_A_TOKEN: usize = 4;

/// The ids that a tokenizer puts around every text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    front: Vec<u32>,
    back: Vec<u32>,
}

impl Frame {
    /// How many tokens it has.
    pub(super) fn length(&self) -> usize {
        self.front.len() + self.back.len()
    }
}

/// Where a text that is too long is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its beginning is left out.
    Beginning,
    /// Its end is.
    End,
}

/// A text's tokens, special ones left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TextIds {
    /// Where each begins and ends, in bytes.
    pub offsets: Offsets,
    /// Their ids.
    pub ids: Vec<u32>,
    /// How many of them are unknown to the model.
    pub unknown: usize,
}

/// What stands around a text, where the tokenizer works word by word: BERT's does, whose steps look
/// at one character or at what stands between two blanks.
pub(super) fn frame(tokenizer: &tokenizers::Tokenizer) -> Option<Frame> {
    let by_characters = |n: &NormalizerWrapper| {
        matches!(
            n,
            NormalizerWrapper::BertNormalizer(_) | NormalizerWrapper::Lowercase(_)
        )
    };
    let normalized = match tokenizer.get_normalizer() {
        None => true,
        Some(NormalizerWrapper::Sequence(steps)) => steps.as_ref().iter().all(by_characters),
        Some(one) => by_characters(one),
    };
    let split = matches!(
        tokenizer.get_pre_tokenizer(),
        Some(PreTokenizerWrapper::BertPreTokenizer(_))
    );
    let model = matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_));
    let added = tokenizer.get_added_tokens_decoder();
    let added = added
        .values()
        .all(|token| !token.content.contains(char::is_whitespace));
    if !(normalized && split && model && added) {
        return None;
    }
    let encoding = tokenizer.encode("a", true).ok()?;
    let (ids, mask) = (encoding.get_ids(), encoding.get_special_tokens_mask());
    let front = mask.iter().take_while(|&&m| m == 1).count();
    let back = mask.iter().rev().take_while(|&&m| m == 1).count();
    // The text's one token, and nothing else, between them.
    (front + 1 + back == ids.len()).then(|| Frame {
        front: ids[..front].to_vec(),
        back: ids[ids.len() - back..].to_vec(),
    })
}

impl TextIds {
    /// The ids, where they were not left out.
    pub(crate) fn known(&self) -> Option<&[u32]> {
        (self.ids.len() == self.offsets.len()).then_some(&self.ids)
    }
}

impl Tokenizer {
    /// The tokens of a text, special ones left out.
    ///
    /// # Errors
    /// The tokenizer fails on the text.
    pub(crate) fn text_ids(&self, text: &str) -> Result<TextIds> {
        let (offsets, ids) = self.places(text)?;
        let unknown = match self.unknown {
            Some(unknown) => ids.iter().filter(|&&id| id == unknown).count(),
            None => 0,
        };
        Ok(TextIds {
            offsets,
            ids,
            unknown,
        })
    }

    fn places(&self, text: &str) -> Result<(Offsets, Vec<u32>)> {
        if let Some(fast) = &self.fast {
            let mut found = Found::default();
            self.guard(|| fast.places(&self.inner, text, &mut found))?;
            return Ok((found.offsets, found.ids));
        }
        let encoding = self.guard(|| self.inner.encode(text, false))?;
        Ok((encoding.get_offsets().to_vec(), encoding.get_ids().to_vec()))
    }

    /// The ids of a text in its frame, cut where it is too long; `None` where the tokenizer has no
    /// fast form.
    ///
    /// # Errors
    /// The tokenizer fails on the text.
    pub(super) fn encode_words(&self, text: &str, cut: Cut) -> Result<Option<Tokens>> {
        let (Some(fast), Some(frame)) = (&self.fast, &self.frame) else {
            return Ok(None);
        };
        let mut found = Found::default();
        found
            .ids
            .reserve(text.len() / BYTES_OF_A_TOKEN + frame.length());
        found.ids.extend_from_slice(&frame.front);
        self.guard(|| fast.ids(&self.inner, text, &mut found))?;
        let mut ids = found.ids;
        // There is room for more than the frame, as a tokenizer is only opened so.
        let beyond = (ids.len() + frame.back.len()).saturating_sub(self.max_tokens);
        match cut {
            Cut::End => ids.truncate(ids.len() - beyond),
            Cut::Beginning => drop(ids.drain(frame.front.len()..frame.front.len() + beyond)),
        }
        ids.extend_from_slice(&frame.back);
        // Many texts may be kept, and the room was for the whole of a long one.
        if ids.capacity() > 2 * ids.len() {
            ids.shrink_to_fit();
        }
        Ok(Some(Tokens { ids, cut: beyond }))
    }

    /// Whether a text may be taken apart at a byte, so that the tokens of both parts are those of the
    /// whole: at its ends, and beside a blank.
    pub(crate) fn parts_at(&self, text: &str, at: usize) -> bool {
        let blank = |c: Option<char>| c.is_none_or(|c| SPACE.contains(&c));
        self.frame.is_some()
            && text.is_char_boundary(at)
            && (blank(text[..at].chars().next_back()) || blank(text[at..].chars().next()))
    }

    /// What [`Tokenizer::encode`] gives for a text that is made of these parts, with blanks between
    /// them; `None` where it must be asked.
    pub(crate) fn assembled(&self, parts: &[&[u32]]) -> Option<Tokens> {
        let frame = self.frame.as_ref()?;
        let mut ids = frame.front.clone();
        parts.iter().for_each(|part| ids.extend_from_slice(part));
        ids.extend_from_slice(&frame.back);
        (ids.len() <= self.max_tokens).then_some(Tokens { ids, cut: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;
    use std::sync::OnceLock;

    fn tiny(name: &str) -> Tokenizer {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        let path = Path::new(folder).join(name).join("tokenizer.json");
        Tokenizer::from_file(&path, name, 128).unwrap()
    }

    #[test]
    fn only_berts_tokenizer_works_by_words() {
        assert!(tiny("tiny-bert").parts_at("a b", 1));
        assert!(!tiny("tiny-bert").parts_at("ab", 1));
        for name in ["families/qwen3-embedding", "families/xlm-roberta-e5"] {
            assert!(!tiny(name).parts_at("a b", 1), "{name}");
            assert_eq!(tiny(name).assembled(&[&[5]]), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn parts_have_the_tokens_of_the_whole(
            parts in proptest::collection::vec(
                "([a-zA-ZäéßΣİ日本]{1,6}|[.,'’!\u{301}\u{200b}\u{b}\u{85}\u{a0}\u{3000}\u{0}]|\\[SEP\\]|\\[cls\\]|[ \n\t]){0,8}",
                1..4,
            ),
            blank in prop_oneof![Just(" "), Just("\n"), Just("\t \r\n")],
        ) {
            static BERT: OnceLock<Tokenizer> = OnceLock::new();
            let bert = BERT.get_or_init(|| tiny("tiny-bert"));
            let whole = parts.join(blank);
            let ids: Vec<Vec<u32>> =
                parts.iter().map(|part| bert.text_ids(part).unwrap().ids).collect();
            let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
            let expected = bert.encode("", &[&whole]).unwrap().remove(0);
            match bert.assembled(&ids) {
                Some(assembled) => prop_assert_eq!(assembled, expected),
                None => prop_assert!(expected.cut > 0),
            }
            // And the other way round: a text is taken apart where that is allowed.
            let all = bert.text_ids(&whole).unwrap();
            for at in (0..=whole.len()).filter(|&at| bert.parts_at(&whole, at)) {
                let (left, right) = whole.split_at(at);
                let first = all.offsets.partition_point(|&(start, _)| start < at);
                prop_assert_eq!(&bert.text_ids(left).unwrap().ids, &all.ids[..first].to_vec());
                prop_assert_eq!(&bert.text_ids(right).unwrap().ids, &all.ids[first..].to_vec());
            }
        }
    }
}
