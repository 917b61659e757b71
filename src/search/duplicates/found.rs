//! Pairs as they are found, and the groups that they join.

use crate::vectors::TopK;
use std::collections::HashMap;

/// The texts of a group, and the score of its best pair.
pub(super) type Scored = (f32, Vec<u32>);

/// Pairs of texts, of which the best are kept, and the groups of all of them: memory does not grow
/// with their number.
#[derive(Debug)]
pub(super) struct Found {
    /// A text of the same group, itself at the head of one; the first of a group is its head.
    parent: Vec<u32>,
    /// The score of each text's best pair.
    best: Vec<f32>,
    pairs: TopK<(u32, u32)>,
    /// How many pairs were found.
    pub count: u64,
}

impl Found {
    /// Nothing found yet among `texts`; the best `most` pairs will be kept.
    pub(super) fn new(texts: usize, most: usize) -> Self {
        Self {
            parent: (0..texts as u32).collect(),
            best: vec![f32::NEG_INFINITY; texts],
            pairs: TopK::new(most),
            count: 0,
        }
    }

    /// The first text of the group that a text is in.
    pub(super) fn head(&mut self, text: u32) -> u32 {
        let mut at = text;
        while self.parent[at as usize] != at {
            let above = self.parent[at as usize];
            self.parent[at as usize] = self.parent[above as usize];
            at = above;
        }
        at
    }

    /// Puts two texts into one group.
    pub(super) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.head(a), self.head(b));
        // The order in which pairs are found makes no difference.
        self.parent[a.max(b) as usize] = a.min(b);
    }

    /// Keeps a pair if it is among the best.
    pub(super) fn keep(&mut self, a: u32, b: u32, score: f32) {
        self.count += 1;
        for text in [a, b] {
            let best = &mut self.best[text as usize];
            *best = best.max(score);
        }
        let (a, b) = (a.min(b), a.max(b));
        let key = (u64::from(a) << 32 | u64::from(b)) as i64;
        self.pairs.push(score, key, (a, b));
    }

    /// Both.
    pub(super) fn pair(&mut self, a: u32, b: u32, score: f32) {
        self.keep(a, b, score);
        self.join(a, b);
    }

    /// The best pairs, best first, and the texts of each group with the score of its best pair;
    /// texts in no pair are groups of one.
    pub(super) fn into_parts(mut self) -> (Vec<(u32, u32)>, Vec<Scored>) {
        let mut groups: Vec<Scored> = Vec::new();
        let mut at: HashMap<u32, usize> = HashMap::new();
        for text in 0..self.parent.len() as u32 {
            let head = self.head(text);
            let group = *at.entry(head).or_insert_with(|| {
                groups.push((f32::NEG_INFINITY, Vec::new()));
                groups.len() - 1
            });
            groups[group].0 = groups[group].0.max(self.best[text as usize]);
            groups[group].1.push(text);
        }
        let pairs = self.pairs.into_sorted();
        (pairs.into_iter().map(|(_, _, pair)| pair).collect(), groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn groups_are_what_pairs_connect(
            pairs in proptest::collection::vec((0u32..12, 0u32..12), 0..16),
        ) {
            let pairs: Vec<_> = pairs.into_iter().filter(|(a, b)| a != b).collect();
            let mut found = Found::new(12, 3);
            for (i, &(a, b)) in pairs.iter().enumerate() {
                found.pair(a, b, i as f32);
            }
            // By definition: labels spread along pairs until nothing changes.
            let mut label: Vec<u32> = (0..12).collect();
            for _ in 0..12 {
                for &(a, b) in &pairs {
                    let least = label[a as usize].min(label[b as usize]);
                    label[a as usize] = least;
                    label[b as usize] = least;
                }
            }
            let (best, groups) = found.into_parts();
            prop_assert_eq!(best.len(), pairs.len().min(3));
            for (_, texts) in &groups {
                for &text in texts {
                    prop_assert_eq!(label[text as usize], texts[0]);
                }
            }
            prop_assert_eq!(groups.iter().map(|g| g.1.len()).sum::<usize>(), 12);
        }
    }
}
