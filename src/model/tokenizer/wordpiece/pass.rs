//! One pass over a text.

use super::super::Offsets;
use super::characters::Kind;
use super::vocabulary::Hash;
use super::{ASK, BLANK, Found, GONE, LETTER, MARK, WORD, WordPieces};

/// Room to work in.
struct Room {
    ascii: [u8; WORD],
    word: Vec<u8>,
    /// Where each of the word's bytes comes from.
    places: Offsets,
    hashes: Vec<Hash>,
}

/// One pass over a text: what has been found, and what may have to be given back.
pub(super) struct Pass<'a, const PLACES: bool> {
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
    pub(super) fn new(
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
    pub(super) fn plain(&mut self, from: usize, to: usize) -> usize {
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
    pub(super) fn by_the_crate(&mut self, end: usize) -> tokenizers::Result<()> {
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
