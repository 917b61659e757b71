//! Joining two rankings by reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009.

use super::meaning::best_passage;
use super::rank::Candidate;
use crate::error::Result;
use crate::store::Reader;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry;

/// How far down both rankings are joined at first.
pub(super) const FUSED: usize = 100;
/// The constant of reciprocal rank fusion.
pub(super) const RRF_K: f32 = 60.0;

/// How far down both rankings must be known for `n` places in the joined one.
pub(super) fn depth(n: usize) -> usize {
    let mut depth = FUSED;
    while depth < n {
        depth *= 2;
    }
    depth
}

/// Joins the nearest articles and those found by words, both as far as [`depth`].
///
/// The first hundred places of each are joined; then, behind all of these, what the first two
/// hundred of each add to them, and so on. So a place does not depend on how many are asked for.
pub(super) fn join(
    store: &Reader,
    query: &[f32],
    near: Vec<Candidate>,
    by_words: &[Candidate],
) -> Result<Vec<Candidate>> {
    let longest = near.len().max(by_words.len());
    let mut known: FxHashMap<i64, Option<Candidate>> = FxHashMap::default();
    let near_keys: Vec<i64> = near.iter().map(|c| c.key).collect();
    known.extend(near.into_iter().map(|c| (c.key, Some(c))));
    let mut out: Vec<Candidate> = Vec::new();
    let mut placed: FxHashSet<i64> = FxHashSet::default();
    let mut depth = FUSED;
    loop {
        let mut fused: FxHashMap<i64, f32> = FxHashMap::default();
        let words = by_words.iter().map(|c| c.key).take(depth).enumerate();
        for (rank, key) in near_keys
            .iter()
            .copied()
            .take(depth)
            .enumerate()
            .chain(words)
        {
            *fused.entry(key).or_default() += 1.0 / (RRF_K + rank as f32 + 1.0);
        }
        let mut tier: Vec<Candidate> = Vec::new();
        for (key, score) in fused {
            if placed.contains(&key) {
                continue;
            }
            let candidate = match known.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let best = best_passage(store, key, query)?;
                    let new = |(cosine, p)| Candidate::of_cosine(key, cosine, Some(p), None);
                    entry.insert(best.map(new))
                }
            };
            // An article that is not embedded yet has words but no passage, and takes nobody's
            // place.
            if let Some(candidate) = candidate {
                tier.push(Candidate {
                    order: f64::from(score),
                    score,
                    fused: Some(score),
                    ..candidate.clone()
                });
            }
        }
        tier.sort_by(|a, b| b.order.total_cmp(&a.order).then(a.key.cmp(&b.key)));
        placed.extend(tier.iter().map(|c| c.key));
        out.append(&mut tier);
        if depth >= longest {
            return Ok(out);
        }
        depth *= 2;
    }
}
