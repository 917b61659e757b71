//! Places in a ranking.

use super::recency::Ages;
use crate::store::ScannedPassage;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// An article that may become a hit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// The article's row.
    pub key: i64,
    /// What it is ordered by: the score, with a half-life its logarithm.
    pub order: f64,
    /// What is shown.
    pub score: f32,
    pub cosine: Option<f32>,
    pub fused: Option<f32>,
    pub passage: Option<ScannedPassage>,
}

impl Candidate {
    /// A candidate with this cosine, as old as it is.
    pub(super) fn of_cosine(
        key: i64,
        cosine: f32,
        passage: Option<ScannedPassage>,
        ages: Option<&Ages>,
    ) -> Self {
        let (order, score) = aged(key, cosine, ages);
        Self {
            key,
            order,
            score,
            cosine: Some(cosine),
            fused: None,
            passage,
        }
    }

    /// A candidate with this BM25 score, as old as it is.
    pub(super) fn of_words(key: i64, bm25: f64, ages: Option<&Ages>) -> Self {
        let (order, score) = aged(key, bm25 as f32, ages);
        Self {
            key,
            order: if ages.is_some() { order } else { bm25 },
            score,
            cosine: None,
            fused: None,
            passage: None,
        }
    }

    /// Which of two comes first. What the logarithm does not tell, the cosine does; of equals, the
    /// one that was read first comes first.
    pub(super) fn place(&self, other: &Self) -> Ordering {
        let cosine = |c: &Self| c.cosine.unwrap_or(0.0);
        other
            .order
            .total_cmp(&self.order)
            .then_with(|| cosine(other).total_cmp(&cosine(self)))
            .then_with(|| self.key.cmp(&other.key))
    }
}

/// What a score is ordered by, and what is left of it.
fn aged(key: i64, score: f32, ages: Option<&Ages>) -> (f64, f32) {
    match ages {
        None => (f64::from(score), score),
        // Nothing is left over a negative one by being old.
        Some(_) if score <= 0.0 => (f64::NEG_INFINITY, score),
        Some(ages) => {
            let halvings = ages.halvings(key);
            let order = f64::from(score).log2() - halvings;
            (order, (f64::from(score) * (-halvings).exp2()) as f32)
        }
    }
}

/// Keeps the first `k` places of a ranking, in whatever order candidates come.
#[derive(Debug)]
pub(super) struct Top {
    k: usize,
    heap: BinaryHeap<Entry>,
}

/// The heap's greatest is the last place.
#[derive(Debug)]
struct Entry(Candidate);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.place(&other.0)
    }
}

impl Top {
    pub(super) fn new(k: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::with_capacity(k.min(4096) + 1),
        }
    }

    /// Whether something of this order could still have a place.
    pub(super) fn takes(&self, order: f64) -> bool {
        self.k > 0
            && (self.heap.len() < self.k || self.heap.peek().is_some_and(|l| order >= l.0.order))
    }

    pub(super) fn push(&mut self, candidate: Candidate) {
        if !self.takes(candidate.order) {
            return;
        }
        self.heap.push(Entry(candidate));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    /// The candidates, first place first.
    pub(super) fn into_sorted(self) -> Vec<Candidate> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|entry| entry.0).collect()
    }
}

/// A score for the ranking of hits in which a candidate stands, 0 to about 1: what diversity
/// weighs.
pub(super) fn relevance(candidate: &Candidate, first: &Candidate, logarithm: bool) -> f32 {
    /// The first of both lists.
    const BEST_FUSED: f32 = 2.0 / (super::fused::RRF_K + 1.0);
    if let Some(fused) = candidate.fused {
        return fused / BEST_FUSED;
    }
    if logarithm {
        // Of ones that are not above 0, nothing is left.
        let share = (candidate.order - first.order).exp2();
        return if share.is_finite() { share as f32 } else { 0.0 };
    }
    match candidate.cosine {
        Some(cosine) => cosine,
        None => (candidate.order / first.order) as f32,
    }
}
