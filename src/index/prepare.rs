//! What the encoder is given for an article, and how its vector is made of the passages'.

use crate::corpus::passages::{Passage, Tokenized, Window, split};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::model::{TextIds, Tokenizer, Tokens};
use crate::vectors::normalize;
use std::ops::Range;

/// Bytes of a long text that are tokenized at once; what a tokenizer holds of a text takes a hundred
/// times its bytes.
const PIECE: usize = 64 << 10;

/// The passages of an article, ready for the encoder.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The passages; never none.
    pub passages: Vec<Passage>,
    /// The share of the text's tokens that the model does not know, 0 to 1.
    pub unknown: f32,
    /// What the tokenizer would give for each passage, where that is known from the text's tokens.
    pub(super) tokens: Vec<Option<Tokens>>,
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
    /// The tokens of the prompt in front of each passage, where they can be put there by themselves.
    prompt: Option<Vec<u32>>,
}

impl<'a> Preparer<'a> {
    pub(super) fn new(encoder: &'a Encoder) -> Result<Self> {
        let tokenizer = encoder.tokenizer();
        let prompt = encoder.prompts().document.as_str();
        let ids = tokenizer.text_ids(prompt)?.ids;
        let taken = tokenizer.special_tokens() + ids.len();
        let apart = tokenizer.parts_at(&format!("{prompt}a"), prompt.len());
        Ok(Self {
            tokenizer,
            window: Window::of(tokenizer.max_tokens(), taken),
            prompt: apart.then_some(ids),
        })
    }

    /// A text's tokens. A long text is tokenized in pieces of about `piece` bytes, cut at white
    /// space, so that memory is a few bytes a byte of text however long it is; the ids of its tokens
    /// are left out.
    fn tokens(&self, text: &str, piece: usize) -> Result<TextIds> {
        if text.len() <= 2 * piece {
            return self.tokenizer.text_ids(text);
        }
        let mut out = TextIds::default();
        let mut start = 0;
        while start < text.len() {
            let end = cut(text, start, piece);
            let (tokens, unread) = self.tokenizer.offsets_and_unknown(&text[start..end])?;
            out.unknown += unread;
            let moved = tokens.into_iter().map(|(a, b)| (start + a, start + b));
            out.offsets.extend(moved);
            start = end;
        }
        Ok(out)
    }

    /// See [`prepare`].
    pub(super) fn prepare(
        &self,
        title: &str,
        text: &str,
        boilerplate: &[Range<usize>],
    ) -> Result<Prepared> {
        let (of_title, of_text) = (self.tokens(title, PIECE)?, self.tokens(text, PIECE)?);
        let mut passages = split(
            tokenized(title, &of_title),
            tokenized(text, &of_text),
            boilerplate,
            self.window,
        );
        if passages.is_empty() {
            // Nothing in it is a token, such as a text of blanks: it still gets a vector.
            passages.push(Passage {
                input: title.to_string(),
                range: 0..text.len(),
                fresh_tokens: 1,
            });
        }
        let tokens = passages
            .iter()
            .map(|p| self.known(title, text, p, &of_title, &of_text))
            .collect();
        let all = of_title.offsets.len() + of_text.offsets.len();
        let unknown = of_title.unknown + of_text.unknown;
        Ok(Prepared {
            passages,
            unknown: unknown as f32 / all.max(1) as f32,
            tokens,
        })
    }

    /// The tokens of a passage that is the title and one part of the text, cut where the tokenizer
    /// lets it be; `None` of any other.
    fn known(
        &self,
        title: &str,
        text: &str,
        passage: &Passage,
        of_title: &TextIds,
        of_text: &TextIds,
    ) -> Option<Tokens> {
        let prompt = self.prompt.as_ref()?;
        let Range { start, end } = passage.range;
        let before = passage.input.strip_suffix(&text[start..end])?;
        let title_ids = match before.strip_suffix('\n') {
            _ if before.is_empty() => &[][..],
            Some(put) if put == title => of_title.known()?,
            _ => return None,
        };
        let text_ids = of_text.known()?;
        let apart = |at| self.tokenizer.parts_at(text, at);
        if !apart(start) || !apart(end) {
            return None;
        }
        let first = of_text.offsets.partition_point(|t| t.0 < start);
        let last = of_text.offsets.partition_point(|t| t.0 < end);
        self.tokenizer
            .assembled(&[prompt, title_ids, &text_ids[first..last]])
    }
}

fn tokenized<'a>(text: &'a str, tokens: &'a TextIds) -> Tokenized<'a> {
    Tokenized {
        text,
        tokens: &tokens.offsets,
    }
}

/// Where a piece of a text that begins at `start` ends: at the last white space within `piece`
/// bytes, else at the last character.
fn cut(text: &str, start: usize, piece: usize) -> usize {
    if text.len() - start <= piece {
        return text.len();
    }
    let mut end = start + piece;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let space = text[start..end].rfind(char::is_whitespace);
    match space {
        Some(at) if at > 0 => start + at,
        // A piece is longer than a character, so that it is not empty.
        _ => end,
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
    fn a_long_text_has_the_tokens_that_it_has_in_one_piece() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-bert");
        let encoder = Encoder::builder()
            .device(crate::encoder::DeviceChoice::Cpu)
            .model(folder)
            .open()
            .unwrap();
        let preparer = Preparer::new(&encoder).unwrap();
        let text = "The müller’s bridge, re-opened\n\nin 1987 (and closed) — ünder\u{3000}way. "
            .repeat(300);
        let whole = encoder.tokenizer().offsets(&text).unwrap();
        for piece in [50, 64, 1000, 5000] {
            assert_eq!(
                preparer.tokens(&text, piece).unwrap().offsets,
                whole,
                "{piece}"
            );
        }
        // Without white space it is cut between characters.
        let word = "ü".repeat(1000);
        let offsets = preparer.tokens(&word, 99).unwrap().offsets;
        assert!(offsets.iter().all(|&(a, b)| word.get(a..b).is_some()));
    }

    #[test]
    fn passages_have_the_tokens_that_the_tokenizer_gives_them() {
        let text = "The bank (of Varland) raised its rate. “Prices,” it said, rise!\n\nA note.\n\n\
                    It is re-opened — ünder\u{3000}way;\u{b}so\u{200b} it is. Moreover"
            .repeat(12);
        let long = "an unusually long headline ".repeat(20);
        for prompt in ["", "passage: ", "passage:"] {
            for (folder, some) in [("tiny-bert", true), ("families/xlm-roberta-e5", false)] {
                let path = format!("{}/tests/fixtures/{folder}", env!("CARGO_MANIFEST_DIR"));
                let encoder = Encoder::builder()
                    .device(crate::encoder::DeviceChoice::Cpu)
                    .model(&path)
                    .document_prompt(prompt)
                    .open()
                    .unwrap();
                let preparer = Preparer::new(&encoder).unwrap();
                let mut known = 0;
                let mut passages = 0;
                for title in ["", "Rates", "  odd\u{b}title ", &long] {
                    for boilerplate in [None, Some(69..76)] {
                        let prepared = preparer
                            .prepare(title, &text, boilerplate.as_slice())
                            .unwrap();
                        assert_eq!(prepared.tokens.len(), prepared.passages.len());
                        for (p, tokens) in prepared.passages.iter().zip(&prepared.tokens) {
                            passages += 1;
                            let Some(tokens) = tokens else { continue };
                            known += 1;
                            let prompt = crate::encoder::Prompt::Document;
                            let expected = encoder.tokenize(&[&p.input], prompt).unwrap();
                            assert_eq!(*tokens, expected[0], "{:?}", p.input);
                        }
                    }
                }
                let some = some && prompt != "passage:";
                assert_eq!(
                    known > passages / 2,
                    some,
                    "{folder}: {known} of {passages}"
                );
                assert!(known < passages);
            }
        }
    }

    #[test]
    fn passages_count_by_their_tokens() {
        let vector = article_vector([(3, &[1.0, 0.0][..]), (4, &[0.0, 1.0][..])].into_iter());
        assert!((vector[0] - 0.6).abs() < 1e-6 && (vector[1] - 0.8).abs() < 1e-6);
    }
}
