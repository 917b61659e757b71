//! WordPiece's vocabulary as one flat table of its tokens' bytes.

use tokenizers::Model;
use tokenizers::models::wordpiece::WordPiece;

/// How far from its place a token may lie in the table. It is a handful for words, and more only for
/// a vocabulary made to collide.
const REACH: usize = 48;

/// The hash of some bytes, which goes on byte by byte, so that one pass gives those of all prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) const EMPTY: Self = Self(0x243f_6a88_85a3_08d3);

    #[inline(always)]
    pub(super) fn then(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) fn of(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |hash, &b| hash.then(b))
    }

    /// The bits mixed: those above tell the place, those below what lies there.
    #[inline(always)]
    fn mixed(self) -> u64 {
        (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
    }
}

/// A place of the table.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Bits of the hash; zero where the place is free.
    mark: u32,
    id: u32,
    /// Where the token's bytes begin.
    at: u32,
    length: u32,
}

/// The tokens, and those that go on within a word.
#[derive(Debug)]
pub(super) struct Vocabulary {
    slots: Vec<Slot>,
    /// What a hash is shifted by to become a place.
    shift: u32,
    bytes: Vec<u8>,
    /// What stands in front of a token within a word, and its hash.
    prefix: Vec<u8>,
    within: Hash,
    /// The bytes of the longest token that begins a word, and that goes on within one.
    longest: usize,
    longest_within: usize,
}

impl Vocabulary {
    /// A table of `tokens` that words of at most `word` characters are looked up in; `None` where it
    /// cannot be made.
    pub(super) fn of(model: &WordPiece, word: usize) -> Option<Self> {
        let prefix = &model.continuing_subword_prefix;
        // By their ids, which is far quicker than to copy the model's maps; several tokens of one id
        // need those.
        let length = model.get_vocab_size();
        let ids = 0..u32::try_from(length).ok()?;
        let by_id = ids.filter_map(|id| Some((model.id_to_token(id)?, id)));
        let by_id: Vec<(String, u32)> = by_id.collect();
        if by_id.len() == length {
            return Self::new(&by_id, prefix, word);
        }
        let mut all: Vec<(String, u32)> = model.get_vocab().into_iter().collect();
        all.sort_unstable();
        Self::new(&all, prefix, word)
    }

    fn new(tokens: &[(String, u32)], prefix: &str, word: usize) -> Option<Self> {
        let most = prefix.len() + 4 * word;
        let places = (2 * tokens.len()).next_power_of_two().max(64);
        let free = Slot {
            mark: 0,
            id: 0,
            at: 0,
            length: 0,
        };
        let mut out = Self {
            slots: vec![free; places],
            shift: u64::BITS - places.trailing_zeros(),
            bytes: Vec::new(),
            within: Hash::EMPTY.of(prefix.as_bytes()),
            prefix: prefix.as_bytes().to_vec(),
            longest: 0,
            longest_within: 0,
        };
        // A longer one is never found.
        for &(ref token, id) in tokens.iter().filter(|(token, _)| token.len() <= most) {
            let (place, mark) = out.place(Hash::EMPTY.of(token.as_bytes()));
            let mask = places - 1;
            let free = (0..REACH)
                .map(|step| (place + step) & mask)
                .find(|&at| out.slots[at].mark == 0)?;
            out.slots[free] = Slot {
                mark,
                id,
                at: u32::try_from(out.bytes.len()).ok()?,
                length: u32::try_from(token.len()).ok()?,
            };
            out.bytes.extend_from_slice(token.as_bytes());
            out.longest = out.longest.max(token.len());
            if let Some(rest) = token.strip_prefix(prefix) {
                out.longest_within = out.longest_within.max(rest.len());
            }
        }
        Some(out)
    }

    #[inline(always)]
    fn place(&self, hash: Hash) -> (usize, u32) {
        let mixed = hash.mixed();
        // The lowest bit is set, as zero marks a free place.
        ((mixed >> self.shift) as usize, mixed as u32 | 1)
    }

    /// The id of the token with this hash that is made of these parts.
    #[inline(always)]
    fn find(&self, hash: Hash, front: &[u8], rest: &[u8]) -> Option<u32> {
        let (place, mark) = self.place(hash);
        let mask = self.slots.len() - 1;
        for step in 0..REACH {
            let slot = &self.slots[(place + step) & mask];
            if slot.mark == mark && slot.length as usize == front.len() + rest.len() {
                let token = &self.bytes[slot.at as usize..][..slot.length as usize];
                let (first, second) = token.split_at(front.len());
                if first == front && second == rest {
                    return Some(slot.id);
                }
            }
            if slot.mark == 0 {
                return None;
            }
        }
        None
    }

    /// The id of a word that is a token as a whole.
    #[inline(always)]
    pub(super) fn whole(&self, hash: Hash, word: &[u8]) -> Option<u32> {
        self.find(hash, &[], word)
    }

    /// The longest token that `rest` begins with, as its bytes and its id; at a word's beginning or
    /// `within` it. `hashes` is room to work in.
    fn longest(&self, rest: &[u8], within: bool, hashes: &mut Vec<Hash>) -> Option<(usize, u32)> {
        let (front, mut hash, most) = if within {
            (&self.prefix[..], self.within, self.longest_within)
        } else {
            (&[][..], Hash::EMPTY, self.longest)
        };
        let rest = &rest[..rest.len().min(most)];
        hashes.clear();
        hashes.extend(rest.iter().map(|&b| {
            hash = hash.then(b);
            hash
        }));
        // A token ends where a character does, so that no other end is found.
        let ends = (1..=rest.len()).rev();
        ends.map(|end| (end, self.find(hashes[end - 1], front, &rest[..end])))
            .find_map(|(end, id)| Some((end, id?)))
    }

    /// Takes a word apart as WordPiece does, and hands on where each token begins and ends, in bytes,
    /// with its id. Whether it can be: where not, what was handed on is void.
    pub(super) fn pieces(
        &self,
        word: &[u8],
        hashes: &mut Vec<Hash>,
        mut found: impl FnMut(usize, usize, u32),
    ) -> bool {
        let mut start = 0;
        while start < word.len() {
            let Some((length, id)) = self.longest(&word[start..], start > 0, hashes) else {
                return false;
            };
            found(start, start + length, id);
            start += length;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(vocabulary: &Vocabulary, word: &str) -> Option<Vec<(usize, usize, u32)>> {
        let mut out = Vec::new();
        let all = vocabulary.pieces(word.as_bytes(), &mut Vec::new(), |a, b, id| {
            out.push((a, b, id));
        });
        all.then_some(out)
    }

    #[test]
    fn the_longest_token_comes_first() {
        let tokens = [
            "un", "##aff", "##able", "##a", "una", "ü", "##", "", "[UNK]",
        ];
        let tokens: Vec<(String, u32)> = tokens.iter().map(|t| t.to_string()).zip(0..).collect();
        let vocabulary = Vocabulary::new(&tokens, "##", 100).unwrap();
        let word = |word: &str| vocabulary.whole(Hash::EMPTY.of(word.as_bytes()), word.as_bytes());
        assert_eq!(word("un"), Some(0));
        assert_eq!(word("u"), None);
        assert_eq!(pieces(&vocabulary, "unable"), None);
        assert_eq!(
            pieces(&vocabulary, "unaaffable"),
            Some(vec![(0, 3, 4), (3, 6, 1), (6, 10, 2)])
        );
        assert_eq!(pieces(&vocabulary, "üa"), Some(vec![(0, 2, 5), (2, 3, 3)]));
        assert_eq!(pieces(&vocabulary, "unü"), None);
        assert_eq!(pieces(&vocabulary, ""), Some(vec![]));
    }

    #[test]
    fn every_token_is_found_and_no_other() {
        let tokens: Vec<(String, u32)> = (0..40_000).map(|i| (format!("{i:x}"), i)).collect();
        let vocabulary = Vocabulary::new(&tokens, "##", 100).unwrap();
        for i in 0..80_000u32 {
            let word = format!("{i:x}");
            let found = vocabulary.whole(Hash::EMPTY.of(word.as_bytes()), word.as_bytes());
            assert_eq!(found, (i < 40_000).then_some(i), "{word}");
        }
    }
}
