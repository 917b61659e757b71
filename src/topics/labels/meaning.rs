//! Terms ranked again by their meaning.
//!
//! Candidates by c-TF-IDF are embedded and chosen by maximal marginal relevance (Carbonell and
//! Goldstein, 1998): each next term is the one of the highest λ · relevance - (1 - λ) · the
//! highest cosine to a term that was chosen before. Relevance is half the term's c-TF-IDF weight
//! and half its cosine to the topic's centroid, both scaled to the candidates' range.

use crate::encoder::{EncodeOptions, Encoder};
use crate::error::Result;
use crate::topics::watch::Watch;
use crate::vectors::dot;
use std::collections::HashMap;

/// A topic's candidates, weightiest first, with their weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidates<'a> {
    /// The terms.
    pub terms: &'a [(String, f32)],
    /// The topic's centroid.
    pub centroid: &'a [f32],
}

/// λ: how much relevance counts against being different.
const LAMBDA: f32 = 0.75;
/// The share of the cosine in a term's relevance.
const MEANING: f32 = 0.5;

/// The best terms of each topic, `max_terms` at most, by relevance and difference. Weights stay
/// those of c-TF-IDF.
///
/// # Errors
/// The encoder fails; the job is cancelled.
pub(crate) fn rerank(
    encoder: &Encoder,
    topics: &[Candidates<'_>],
    max_terms: usize,
    watch: &Watch,
) -> Result<Vec<Vec<(String, f32)>>> {
    let mut number: HashMap<&str, usize> = HashMap::new();
    let mut texts: Vec<&str> = Vec::new();
    for topic in topics {
        for (term, _) in topic.terms {
            number.entry(term).or_insert_with(|| {
                texts.push(term);
                texts.len() - 1
            });
        }
    }
    let options = EncodeOptions::new().bulk().job(watch.job());
    let vectors = encoder.encode(&texts, options)?;
    let vector = |term: &str| &vectors.values[number[term] * vectors.dim..][..vectors.dim];
    topics
        .iter()
        .map(|&Candidates { terms, centroid }| {
            watch.check()?;
            let cosines: Vec<f32> = terms
                .iter()
                .map(|(t, _)| dot(vector(t), centroid))
                .collect();
            let weights: Vec<f32> = terms.iter().map(|t| t.1).collect();
            let relevance: Vec<f32> = scaled(&weights)
                .into_iter()
                .zip(scaled(&cosines))
                .map(|(w, c)| (1.0 - MEANING) * w + MEANING * c)
                .collect();
            let alike = |a: usize, b: usize| dot(vector(&terms[a].0), vector(&terms[b].0));
            let chosen = marginal(&relevance, alike, max_terms);
            Ok(chosen.into_iter().map(|i| terms[i].clone()).collect())
        })
        .collect()
}

/// Numbers scaled to 0 to 1.
fn scaled(values: &[f32]) -> Vec<f32> {
    let (low, high) = values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &x| {
            (l.min(x), h.max(x))
        });
    let range = (high - low).max(f32::MIN_POSITIVE);
    values.iter().map(|x| (x - low) / range).collect()
}

/// Maximal marginal relevance: indices in the order in which they are chosen.
fn marginal(
    relevance: &[f32],
    alike: impl Fn(usize, usize) -> f32,
    max_terms: usize,
) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut nearest = vec![0.0f32; relevance.len()];
    while chosen.len() < max_terms.min(relevance.len()) {
        let score = |i: usize| LAMBDA * relevance[i] - (1.0 - LAMBDA) * nearest[i];
        let next = (0..relevance.len())
            .filter(|i| !chosen.contains(i))
            .max_by(|&a, &b| score(a).total_cmp(&score(b)).then(b.cmp(&a)));
        let Some(next) = next else { break };
        chosen.push(next);
        for (i, near) in nearest.iter_mut().enumerate() {
            *near = near.max(alike(i, next));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_already_waits() {
        let vectors = [[1.0, 0.0], [0.99, 0.141], [0.0, 1.0]];
        let alike = |a: usize, b: usize| dot(&vectors[a], &vectors[b]);
        assert_eq!(marginal(&[1.0, 0.9, 0.7], alike, 3), [0, 2, 1]);
        assert_eq!(marginal(&[1.0, 0.9, 0.7], |_, _| 0.0, 2), [0, 1]);
        assert_eq!(marginal(&[], alike, 2), [0; 0]);
    }

    #[test]
    fn numbers_are_scaled() {
        assert_eq!(scaled(&[2.0, 4.0, 3.0]), [0.0, 1.0, 0.5]);
        assert_eq!(scaled(&[2.0, 2.0]), [0.0, 0.0]);
    }
}
