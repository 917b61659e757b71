//! Words: BM25 by SQLite's FTS5, and what of a text they stand in.

use super::rank::{Candidate, Top};
use super::recency::Ages;
use crate::corpus::segment;
use crate::error::Result;
use crate::store::{Filter, Reader};
use icu_normalizer::DecomposingNormalizerBorrowed;
use rustc_hash::FxHashSet;

/// How much more a word in the title counts than one in the text.
const TITLE_WEIGHT: f64 = 4.0;
/// More articles than a corpus can have.
const ALL: usize = i64::MAX as usize;

/// The first `k` articles that hold any of the query's words.
pub(super) fn ranked(
    store: &Reader,
    query: &str,
    k: usize,
    filter: Option<&Filter>,
    ages: Option<&Ages>,
) -> Result<Vec<Candidate>> {
    let expression = segment::expression(query);
    if expression.is_empty() {
        return Ok(Vec::new());
    }
    // An old article may come first by words and last by age.
    let depth = if ages.is_some() { ALL } else { k };
    let found = store.bm25(&expression, TITLE_WEIGHT, depth, filter)?;
    let found = found.into_iter();
    if ages.is_none() {
        return Ok(found
            .map(|(key, score)| Candidate::of_words(key, score, None))
            .collect());
    }
    let mut top = Top::new(k);
    found.for_each(|(key, score)| top.push(Candidate::of_words(key, score, ages)));
    Ok(top.into_sorted())
}

/// The rows of all articles that hold any of the query's words.
pub(super) fn all(store: &Reader, query: &str, filter: Option<&Filter>) -> Result<Vec<i64>> {
    let found = ranked(store, query, ALL, filter, None)?;
    Ok(found.into_iter().map(|c| c.key).collect())
}

/// The words of a query, each with its weight: the rarer in the corpus, the more it counts.
#[derive(Debug)]
pub(super) struct Terms(Vec<(String, f64)>);

impl Terms {
    pub(super) fn of(store: &Reader, query: &str) -> Result<Self> {
        let articles = store.counts()?.articles as f64;
        let mut out: Vec<(String, f64)> = Vec::new();
        for word in segment::indexed(query).split_whitespace() {
            let word = bare(word);
            if out.iter().any(|(known, _)| *known == word) {
                continue;
            }
            let with = store.articles_with(&format!("\"{}\"", word.replace('"', "")))? as f64;
            // The idf of BM25, kept above 0.
            let weight = (1.0 + (articles - with + 0.5).max(0.0) / (with + 0.5)).ln();
            out.push((word, weight));
        }
        Ok(Self(out))
    }

    /// The weight of those words that stand in a text.
    pub(super) fn weight(&self, text: &str) -> f64 {
        let indexed = segment::indexed(text);
        let words: FxHashSet<String> = indexed.split_whitespace().map(bare).collect();
        let held = self.0.iter().filter(|(word, _)| words.contains(word));
        held.map(|(_, weight)| weight).sum()
    }

    /// The first of the texts that hold the most of the words; `None` where none holds any.
    pub(super) fn best<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (i, text) in texts.enumerate() {
            let weight = self.weight(text);
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, i));
            }
        }
        best.map(|(_, i)| i)
    }
}

/// A word without the marks that the index does not tell apart.
fn bare(word: &str) -> String {
    if word.is_ascii() {
        return word.to_string();
    }
    let apart = DecomposingNormalizerBorrowed::new_nfd();
    let plain = apart.normalize_iter(word.chars());
    plain
        .filter(|c| !matches!(c, '\u{300}'..='\u{36f}'))
        .collect()
}
