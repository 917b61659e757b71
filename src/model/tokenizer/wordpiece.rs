//! BERT's tokenizer in one pass over a text's bytes, without the copies that the crate makes of each
//! word. Its tokens and their places are those of the crate, which gets whatever is not plain: words
//! with an added token in them, or with marks whose order matters.

mod characters;
mod vocabulary;

#[cfg(test)]
mod tests;

use super::Offsets;
use super::words::SPACE;
use characters::{Characters, Kind};
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
        let tokens = tokenizers::Model::get_vocab(model);
        let unknown = *tokens.get(&model.unk_token)?;
        let word = model.max_input_chars_per_word;
        let mut out = Self {
            vocabulary: Vocabulary::new(&tokens, &model.continuing_subword_prefix, word)?,
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

/// Room to work in.
struct Room {
    ascii: [u8; WORD],
    word: Vec<u8>,
    /// Where each of the word's bytes comes from.
    places: Offsets,
    hashes: Vec<Hash>,
}

/// One pass over a text.
struct Pass<'a, const PLACES: bool> {
    fast: &'a WordPieces,
    tokenizer: &'a tokenizers::Tokenizer,
    text: &'a str,
    found: &'a mut Found,
    /// Behind the last blank so far, and how many tokens there were then.
    begin: usize,
    kept: usize,
    room: Room,
}

impl<'a, const PLACES: bool> Pass<'a, PLACES> {
    fn new(
        fast: &'a WordPieces,
        tokenizer: &'a tokenizers::Tokenizer,
        text: &'a str,
        found: &'a mut Found,
    ) -> Self {
        Self {
            fast,
            tokenizer,
            text,
            kept: found.ids.len(),
            found,
            begin: 0,
            room: Room {
                ascii: [0; WORD],
                word: Vec::new(),
                places: Offsets::new(),
                hashes: Vec::new(),
            },
        }
    }

    #[inline(always)]
    fn push(&mut self, id: u32, start: usize, end: usize) {
        self.found.push::<PLACES>(id, start, end);
    }

    /// Finds the tokens of a part of the text, and returns where it ended: at `to`, or before what is
    /// not plain.
    fn plain(&mut self, from: usize, to: usize) -> usize {
        let bytes = &self.text.as_bytes()[..to];
        let mut at = from;
        self.begin = at;
        self.kept = self.found.ids.len();
        while let Some(&byte) = bytes.get(at) {
            match self.fast.ascii[usize::from(byte)] {
                BLANK => {
                    at += 1;
                    self.begin = at;
                    self.kept = self.found.ids.len();
                }
                GONE => at += 1,
                MARK => {
                    self.push(self.fast.marks[usize::from(byte & 127)], at, at + 1);
                    at += 1;
                }
                ASK => {
                    let Some((kind, next)) = self.ask(at) else {
                        return at;
                    };
                    match kind {
                        Kind::Gone | Kind::Space => {}
                        Kind::Alone(id) => self.push(id, at, next),
                        Kind::Letters(_) => match self.word(at, to, 0) {
                            Ok(end) => {
                                at = end;
                                continue;
                            }
                            Err(other) => return other,
                        },
                        Kind::Other => return at,
                    }
                    at = next;
                }
                _ => match self.ascii_word(at, to) {
                    Ok(end) => at = end,
                    Err(other) => return other,
                },
            }
        }
        at
    }

    /// What becomes of the character at a byte, and where the next one begins.
    #[inline(always)]
    fn ask(&self, at: usize) -> Option<(Kind, usize)> {
        let character = self.text.get(at..)?.chars().next()?;
        let kind = self.fast.kind(character, self.tokenizer);
        Some((kind, at + character.len_utf8()))
    }

    /// The tokens of a word that begins with a letter of ASCII; returns its end, or the place of what
    /// is not plain.
    #[inline(always)]
    fn ascii_word(&mut self, start: usize, to: usize) -> Result<usize, usize> {
        let bytes = &self.text.as_bytes()[..to];
        let fast = self.fast;
        let word = &mut self.room.ascii[..fast.word];
        let mut length = 0;
        let mut hash = Hash::EMPTY;
        let mut ended = true;
        for (&byte, place) in bytes[start..].iter().zip(word.iter_mut()) {
            let letter = fast.ascii[usize::from(byte)];
            if letter < LETTER {
                ended = letter == BLANK || letter == MARK;
                break;
            }
            *place = letter;
            hash = hash.then(letter);
            length += 1;
        }
        let end = start + length;
        // It goes on, or is too long.
        if !ended || (length == fast.word && end < to) {
            return self.word(start, to, length);
        }
        let word = &word[..length];
        match fast.vocabulary.whole(hash, word) {
            Some(id) => self.push(id, start, end),
            None => {
                let place = |at| (start + at, start + at + 1);
                fast.pieces::<PLACES>(word, place, self.found, &mut self.room.hashes);
            }
        }
        Ok(end)
    }

    /// The tokens of any word, of which the first `done` letters are those of ASCII that were just
    /// read; as [`Self::ascii_word`].
    fn word(&mut self, start: usize, to: usize, done: usize) -> Result<usize, usize> {
        let fast = self.fast;
        self.room.word.clear();
        self.room.places.clear();
        self.room.word.extend_from_slice(&self.room.ascii[..done]);
        if PLACES {
            let places = (start..start + done).map(|at| (at, at + 1));
            self.room.places.extend(places);
        }
        let (mut at, mut count, mut end) = (start + done, done, start + done);
        while at < to {
            let Some((kind, next)) = self.ask(at) else {
                return Err(at);
            };
            match kind {
                Kind::Gone => {}
                Kind::Space | Kind::Alone(_) => break,
                Kind::Letters(letters) => {
                    count += usize::from(letters.count);
                    end = next;
                    // Of a word that is too long nothing more is asked.
                    if count <= fast.word {
                        let bytes = letters.bytes();
                        self.room.word.extend_from_slice(bytes);
                        if PLACES {
                            let places = std::iter::repeat_n((at, next), bytes.len());
                            self.room.places.extend(places);
                        }
                    }
                }
                Kind::Other => return Err(at),
            }
            at = next;
        }
        if count > fast.word {
            self.push(fast.unknown, start, end);
            return Ok(at);
        }
        let Room {
            word,
            places,
            hashes,
            ..
        } = &mut self.room;
        match fast.vocabulary.whole(Hash::EMPTY.of(word), word) {
            Some(id) => self.push(id, start, end),
            None => fast.pieces::<PLACES>(word, |at| places[at], self.found, hashes),
        }
        Ok(at)
    }

    /// Leaves the part of the text from the last blank to `end` to the crate.
    fn by_the_crate(&mut self, end: usize) -> tokenizers::Result<()> {
        self.found.drop_behind::<PLACES>(self.kept);
        let part = &self.text[self.begin..end];
        if PLACES {
            let encoding = self.tokenizer.encode(part, false)?;
            self.found.ids.extend_from_slice(encoding.get_ids());
            let offsets = encoding.get_offsets().iter();
            let moved = offsets.map(|&(a, b)| (self.begin + a, self.begin + b));
            self.found.offsets.extend(moved);
        } else {
            let encoding = self.tokenizer.encode_fast(part, false)?;
            self.found.ids.extend_from_slice(encoding.get_ids());
        }
        Ok(())
    }
}
