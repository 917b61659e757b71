//! The best of many candidates.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Keeps the `k` highest scores of a scan. Of equal scores the smaller key wins, so that the
/// order of the scan does not matter.
#[derive(Debug)]
pub struct TopK<T> {
    k: usize,
    heap: BinaryHeap<Reverse<Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    score: f32,
    key: i64,
    value: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.key.cmp(&self.key))
    }
}

impl<T> TopK<T> {
    /// Keeps the `k` highest.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::with_capacity(k.min(4096) + 1),
        }
    }

    /// The score that a candidate must reach to be kept.
    pub fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(Reverse(lowest)) if self.heap.len() >= self.k => lowest.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Offers a candidate.
    pub fn push(&mut self, score: f32, key: i64, value: T) {
        if self.k == 0 || score < self.threshold() {
            return;
        }
        self.heap.push(Reverse(Entry { score, key, value }));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    /// What was kept, highest score first, as (score, key, value).
    pub fn into_sorted(self) -> Vec<(f32, i64, T)> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(e)| (e.score, e.key, e.value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::TopK;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn top_k_equals_sorting(
            scores in proptest::collection::vec(-4i8..4, 0..60),
            k in 0usize..12,
        ) {
            let mut top = TopK::new(k);
            for (key, &s) in scores.iter().enumerate().rev() {
                top.push(f32::from(s), key as i64, ());
            }
            let mut all: Vec<(i8, i64)> =
                scores.iter().enumerate().map(|(key, &s)| (s, key as i64)).collect();
            all.sort_by_key(|&(s, key)| (-s, key));
            all.truncate(k);
            let got: Vec<(i8, i64)> =
                top.into_sorted().into_iter().map(|(s, key, ())| (s as i8, key)).collect();
            prop_assert_eq!(got, all);
        }
    }
}
