//! The sentence of a passage that answers best.

use super::answer::Sentence;
use super::words::Terms;
use crate::corpus::paragraphs::{paragraphs, sentences};
use crate::encoder::{Encoder, Prompt};
use crate::error::Result;
use crate::store::StoredArticle;
use crate::vectors::dot;
use std::ops::Range;

/// Words of a sentence that can answer; a heading or a name cut off is passed over where there is
/// something longer.
const WORDS: usize = 4;
/// Sentences of a passage that are compared: far more than one of 256 tokens has.
const MOST: usize = 64;

/// The sentences of an article that stand in a range of its text, boilerplate left out.
pub(super) fn within(article: &StoredArticle, range: &Range<usize>) -> Vec<Sentence> {
    let text = &article.text;
    let left_out = |part: &Range<usize>| {
        let mut spans = article.boilerplate.iter();
        spans.any(|s| s.start <= part.start && part.end <= s.end)
    };
    let mut out = Vec::new();
    for paragraph in paragraphs(text) {
        if paragraph.end <= range.start || range.end <= paragraph.start || left_out(&paragraph) {
            continue;
        }
        for sentence in sentences(text, paragraph) {
            let (start, end) = (sentence.start.max(range.start), sentence.end.min(range.end));
            if let Some(said) = text.get(start..end).filter(|said| !said.trim().is_empty()) {
                out.push(Sentence {
                    text: said.to_string(),
                    start,
                    end,
                });
            }
        }
    }
    out.truncate(MOST);
    out
}

/// For each hit's sentences the nearest to a query's vector, all embedded in one call.
pub(super) fn nearest(
    encoder: &Encoder,
    queries: &[&[f32]],
    mut hits: Vec<Vec<Sentence>>,
) -> Result<Vec<Option<Sentence>>> {
    let long = |s: &Sentence| s.text.split_whitespace().nth(WORDS - 1).is_some();
    for sentences in &mut hits {
        if sentences.iter().any(long) {
            sentences.retain(long);
        }
    }
    // Where there is no choice, nothing is to be computed.
    let texts: Vec<&str> = hits
        .iter()
        .filter(|sentences| sentences.len() > 1)
        .flatten()
        .map(|s| s.text.as_str())
        .collect();
    let vectors = if texts.is_empty() {
        Vec::new()
    } else {
        encoder.encode(&texts, Prompt::Document)?.values
    };
    let dim = encoder.identity().dim;
    let mut vectors = vectors.chunks_exact(dim.max(1));
    let mut out = Vec::with_capacity(hits.len());
    for (mut sentences, query) in hits.into_iter().zip(queries) {
        if sentences.len() < 2 {
            out.push(sentences.pop());
            continue;
        }
        let mut best: Option<(f32, Sentence)> = None;
        for (sentence, vector) in sentences.into_iter().zip(&mut vectors) {
            let cosine = dot(query, vector);
            if best.as_ref().is_none_or(|(most, _)| cosine > *most) {
                best = Some((cosine, sentence));
            }
        }
        out.push(best.map(|(_, sentence)| sentence));
    }
    Ok(out)
}

/// The sentence that holds the most of the words; `None` where none holds any.
pub(super) fn with_words(terms: &Terms, mut sentences: Vec<Sentence>) -> Option<Sentence> {
    let best = terms.best(sentences.iter().map(|s| s.text.as_str()))?;
    Some(sentences.swap_remove(best))
}
