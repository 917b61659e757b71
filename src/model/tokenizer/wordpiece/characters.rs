//! What a tokenizer's normalizer and pre-tokenizer do with each character. It is not written down
//! here once more: they are asked, once for each block of characters that occurs.

use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use std::sync::OnceLock;
use tokenizers::normalizer::Range;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

/// Characters of a block.
const BLOCK: usize = 64;
/// The planes with scripts and emoji. Beyond are tags and what nobody has assigned; to learn all
/// of it would take memory and time that a text made for it could ask for.
const END: usize = 0x4_0000;
/// The bytes that a character may become: three jamo of three bytes each are nine.
const BYTES: usize = 12;

/// What becomes of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Gone,
    /// It separates words.
    Space,
    /// It is a word of its own, which is the token of this id.
    Alone(u32),
    /// It stands in a word as these bytes.
    Letters(Letters),
    /// It depends on what stands around it, or is not known.
    Other,
}

/// The bytes of one or a few characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letters {
    bytes: [u8; BYTES],
    length: u8,
    /// How many characters they are.
    pub(super) count: u8,
}

impl Letters {
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; BYTES];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self {
            bytes,
            // At most `BYTES` both.
            length: text.len() as u8,
            count: text.chars().count() as u8,
        })
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// What is known of the characters so far.
pub(super) struct Characters {
    blocks: Vec<OnceLock<Box<[Kind; BLOCK]>>>,
    /// Whether accents are taken off, for which marks are put in order first.
    orders: bool,
}

impl Characters {
    /// `None` where a step of the tokenizer is not known to look at one character at a time.
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> Option<Self> {
        let mut orders = false;
        let mut known = |step: &NormalizerWrapper| match step {
            NormalizerWrapper::Lowercase(_) => true,
            NormalizerWrapper::BertNormalizer(bert) => {
                orders |= bert.strip_accents.unwrap_or(bert.lowercase);
                true
            }
            _ => false,
        };
        let all = match tokenizer.get_normalizer() {
            None => true,
            Some(NormalizerWrapper::Sequence(steps)) => steps.as_ref().iter().all(&mut known),
            Some(one) => known(one),
        };
        all.then(|| Self {
            blocks: (0..END / BLOCK).map(|_| OnceLock::new()).collect(),
            orders,
        })
    }

    /// What becomes of a character; `token` is asked for the token of a word that one is.
    #[inline(always)]
    pub(super) fn get(
        &self,
        character: char,
        tokenizer: &tokenizers::Tokenizer,
        token: impl Fn(&str) -> Option<u32>,
    ) -> Kind {
        let at = character as usize;
        let Some(block) = self.blocks.get(at / BLOCK) else {
            return Kind::Other;
        };
        let block = match block.get() {
            Some(block) => block,
            None => block.get_or_init(|| self.learn(at / BLOCK, tokenizer, token)),
        };
        block[at % BLOCK]
    }

    #[cold]
    fn learn(
        &self,
        block: usize,
        tokenizer: &tokenizers::Tokenizer,
        token: impl Fn(&str) -> Option<u32>,
    ) -> Box<[Kind; BLOCK]> {
        Box::new(std::array::from_fn(|i| {
            u32::try_from(block * BLOCK + i)
                .ok()
                .and_then(char::from_u32)
                .and_then(|c| kind(c, tokenizer, self.orders, &token))
                .unwrap_or(Kind::Other)
        }))
    }
}

/// What a tokenizer makes of a character between two letters.
fn kind(
    character: char,
    tokenizer: &tokenizers::Tokenizer,
    orders: bool,
    token: impl Fn(&str) -> Option<u32>,
) -> Option<Kind> {
    let mut text = NormalizedString::from(format!("a{character}a"));
    if let Some(normalizer) = tokenizer.get_normalizer() {
        normalizer.normalize(&mut text).ok()?;
    }
    let end = 1 + character.len_utf8();
    let middle = text.get().strip_prefix('a')?.strip_suffix('a')?.to_string();
    // All that it becomes must stand for all of it, and for nothing else.
    let place = |at: usize| text.convert_offsets(Range::Normalized(at..at + 1));
    let last = 1 + middle.len();
    if place(0)? != (0..1)
        || place(last)? != (end..end + 1)
        || (1..last).any(|at| place(at) != Some(1..end))
    {
        return None;
    }
    // Such a mark changes places with others beside it.
    let classes = CanonicalCombiningClassMapBorrowed::new();
    if orders && middle.chars().any(|c| classes.get_u8(c) != 0) {
        return None;
    }
    let mut words = PreTokenizedString::from(text);
    tokenizer
        .get_pre_tokenizer()?
        .pre_tokenize(&mut words)
        .ok()?;
    let words = words.get_splits(OffsetReferential::Original, OffsetType::Byte);
    let words: Vec<&str> = words.iter().map(|(word, _, _)| *word).collect();
    match words[..] {
        ["aa"] => Some(Kind::Gone),
        ["a", "a"] => Some(Kind::Space),
        ["a", alone, "a"] => Some(Kind::Alone(token(alone)?)),
        [word] if word.len() == middle.len() + 2 => Some(Kind::Letters(Letters::new(&middle)?)),
        _ => None,
    }
}
