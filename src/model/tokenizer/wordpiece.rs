//! BERT's tokenizer in one pass over a text's bytes, without the copies that the crate makes of each
//! word. Its tokens and their places are those of the crate, which gets whatever is not plain: words
//! with an added token in them, or with marks whose order matters.

mod characters;
mod pass;
mod vocabulary;

#[cfg(test)]
mod tests;

use super::Offsets;
use super::words::SPACE;
use characters::{Characters, Kind};
use pass::Pass;
use tokenizers::models::ModelWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::PostProcessorWrapper;
use vocabulary::{Hash, Vocabulary};

/// The longest word that is taken apart, in characters: the longest that a tokenizer's file may ask for.
const WORD: usize = 256;
/// Added tokens that texts are searched for, and the bytes of the longest. Models have a handful.
const ADDED: usize = 64;
const ADDED_BYTES: usize = 64;
/// Stretches of a text that are handed to the crate one by one; behind them it gets all the rest, as
/// each call has a price.
const STRETCHES: usize = 8;

/// What an ASCII character is, where it is no letter: letters are told by what they become, which is
/// never below a blank.
const BLANK: u8 = 0;
const GONE: u8 = 1;
const MARK: u8 = 2;
/// See [`Characters`].
const ASK: u8 = 3;
const LETTER: u8 = b' ';

/// A text's tokens.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) ids: Vec<u32>,
    /// Empty where nobody asks for them.
    pub(super) offsets: Offsets,
}

impl Found {
    #[inline(always)]
    fn push<const PLACES: bool>(&mut self, id: u32, start: usize, end: usize) {
        self.ids.push(id);
        if PLACES {
            self.offsets.push((start, end));
        }
    }

    fn drop_behind<const PLACES: bool>(&mut self, ids: usize) {
        let dropped = self.ids.len() - ids;
        self.ids.truncate(ids);
        if PLACES {
            self.offsets.truncate(self.offsets.len() - dropped);
        }
    }
}

/// A fast form of a tokenizer.
pub(super) struct WordPieces {
    vocabulary: Vocabulary,
    unknown: u32,
    /// The longest word that is taken apart, in characters.
    word: usize,
    ascii: [u8; 256],
    /// The tokens of ASCII's punctuation.
    marks: [u32; 128],
    characters: Characters,
    added: Vec<Vec<u8>>,
    /// The bytes that they begin with, at most three.
    first: Vec<u8>,
}

impl WordPieces {
    /// The fast form of a tokenizer; `None` of one that has a step that is not known.
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> Option<Self> {
        let ModelWrapper::WordPiece(model) = tokenizer.get_model() else {
            return None;
        };
        let split = tokenizer.get_pre_tokenizer();
        let framed = tokenizer.get_post_processor();
        let added = tokenizer.get_added_tokens_decoder();
        let plain = matches!(split, Some(PreTokenizerWrapper::BertPreTokenizer(_)))
            && matches!(
                framed,
                None | Some(PostProcessorWrapper::Template(_) | PostProcessorWrapper::Bert(_))
            )
            && model.max_input_chars_per_word <= WORD
            && added.len() <= ADDED
            && added.values().all(|token| {
                let text = &token.content;
                let spread = token.lstrip || token.rstrip || token.normalized;
                !spread && text.len() <= ADDED_BYTES && !text.contains(char::is_whitespace)
            });
        let added: Vec<Vec<u8>> = added.values().map(|t| t.content.clone().into()).collect();
        let mut first: Vec<u8> = added.iter().filter_map(|t| t.first().copied()).collect();
        first.sort_unstable();
        first.dedup();
        if !plain || first.len() > 3 {
            return None;
        }
        let characters = Characters::of(tokenizer)?;
        let unknown = tokenizers::Model::token_to_id(model, &model.unk_token)?;
        let word = model.max_input_chars_per_word;
        let mut out = Self {
            vocabulary: Vocabulary::of(model, word)?,
            unknown,
            word,
            ascii: [ASK; 256],
            marks: [unknown; 128],
            characters,
            added,
            first,
        };
        for byte in 0..128u8 {
            let at = usize::from(byte);
            out.ascii[at] = match out.kind(char::from(byte), tokenizer) {
                Kind::Space if SPACE.contains(&char::from(byte)) => BLANK,
                // All else takes it that they are.
                _ if SPACE.contains(&char::from(byte)) => return None,
                Kind::Gone => GONE,
                Kind::Alone(id) => {
                    out.marks[at] = id;
                    MARK
                }
                Kind::Letters(letters) => match letters.bytes() {
                    &[one] if one > LETTER => one,
                    _ => ASK,
                },
                Kind::Space | Kind::Other => ASK,
            };
        }
        Some(out)
    }

    /// Adds the ids of a text's tokens, special ones left out, to those of `found`.
    pub(super) fn ids(
        &self,
        tokenizer: &tokenizers::Tokenizer,
        text: &str,
        found: &mut Found,
    ) -> tokenizers::Result<()> {
        self.tokens::<false>(tokenizer, text, found)
    }

    /// As [`Self::ids`], with the tokens' places in bytes.
    pub(super) fn places(
        &self,
        tokenizer: &tokenizers::Tokenizer,
        text: &str,
        found: &mut Found,
    ) -> tokenizers::Result<()> {
        self.tokens::<true>(tokenizer, text, found)
    }

    fn tokens<const PLACES: bool>(
        &self,
        tokenizer: &tokenizers::Tokenizer,
        text: &str,
        found: &mut Found,
    ) -> tokenizers::Result<()> {
        let mut pass = Pass::<PLACES>::new(self, tokenizer, text, found);
        let mut from = 0;
        let mut added = self.next_added(text, 0);
        let mut stretches = 0;
        loop {
            let stop = pass.plain(from, added);
            if stop == text.len() {
                return Ok(());
            }
            stretches += 1;
            let blank = |b: &u8| SPACE.contains(&char::from(*b));
            let rest = &text.as_bytes()[stop..];
            let end = match rest.iter().position(blank) {
                Some(length) if stretches <= STRETCHES => stop + length,
                _ => text.len(),
            };
            pass.by_the_crate(end)?;
            if end == text.len() {
                return Ok(());
            }
            if added < end {
                added = self.next_added(text, end);
            }
            from = end;
        }
    }

    /// Where the next added token begins, or the text's end. It has no blank in it.
    fn next_added(&self, text: &str, from: usize) -> usize {
        let bytes = text.as_bytes();
        let begins = |at: usize| {
            self.added
                .iter()
                .any(|token| bytes[at..].starts_with(token))
        };
        let rest = &bytes[from..];
        let found = match self.first[..] {
            [a] => memchr::memchr_iter(a, rest).find(|&at| begins(from + at)),
            [a, b] => memchr::memchr2_iter(a, b, rest).find(|&at| begins(from + at)),
            [a, b, c] => memchr::memchr3_iter(a, b, c, rest).find(|&at| begins(from + at)),
            _ => None,
        };
        found.map_or(bytes.len(), |at| from + at)
    }

    #[inline(always)]
    fn kind(&self, character: char, tokenizer: &tokenizers::Tokenizer) -> Kind {
        self.characters
            .get(character, tokenizer, |word| self.one(word))
    }

    /// The tokens of a word that is none; `place` tells where each of its bytes comes from.
    fn pieces<const PLACES: bool>(
        &self,
        word: &[u8],
        place: impl Fn(usize) -> (usize, usize),
        found: &mut Found,
        hashes: &mut Vec<Hash>,
    ) {
        let before = found.ids.len();
        let whole = self.vocabulary.pieces(word, hashes, |start, end, id| {
            if PLACES {
                found.push::<PLACES>(id, place(start).0, place(end - 1).1);
            } else {
                found.push::<PLACES>(id, 0, 0);
            }
        });
        if !whole {
            found.drop_behind::<PLACES>(before);
            let (start, end) = match PLACES {
                true => (place(0).0, place(word.len() - 1).1),
                false => (0, 0),
            };
            found.push::<PLACES>(self.unknown, start, end);
        }
    }

    /// The token of a word that is one; `None` where it is several.
    fn one(&self, word: &str) -> Option<u32> {
        if word.chars().count() > self.word {
            return Some(self.unknown);
        }
        let mut ids = Vec::new();
        let whole = self
            .vocabulary
            .pieces(word.as_bytes(), &mut Vec::new(), |_, _, id| ids.push(id));
        match ids[..] {
            _ if !whole => Some(self.unknown),
            [id] => Some(id),
            _ => None,
        }
    }
}
