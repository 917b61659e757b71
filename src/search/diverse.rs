//! Maximal marginal relevance: Carbonell and Goldstein, "The use of MMR, diversity-based reranking
//! for reordering documents and producing summaries", SIGIR 1998.

use crate::vectors::dot;

/// The n-th hit is chosen from so many of the ranking at least.
const POOL: usize = 100;
/// And from so many times n.
const FOR_EACH: usize = 5;

/// Of how many candidates the first `n` hits are chosen. The n-th is chosen from `pool(n)` whatever
/// is asked for besides, so that pages join.
pub(super) fn pool(n: usize) -> usize {
    POOL.max(FOR_EACH.saturating_mul(n))
}

/// The first `n` of candidates in the order of their marginal relevance, as places in the ranking.
/// One without a vector is unlike all others.
pub(super) fn choose(
    lambda: f32,
    relevance: &[f32],
    vectors: &[Option<Vec<f32>>],
    n: usize,
) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::with_capacity(n.min(relevance.len()));
    // The greatest cosine of each candidate and those chosen, as far as they were compared.
    let mut nearest: Vec<f32> = vec![f32::NEG_INFINITY; relevance.len()];
    let mut compared: Vec<usize> = vec![0; relevance.len()];
    let mut chosen = vec![false; relevance.len()];
    for place in 1..=n.min(relevance.len()) {
        let mut best: Option<(f32, usize)> = None;
        for i in 0..pool(place).min(relevance.len()) {
            if chosen[i] {
                continue;
            }
            for &before in &out[compared[i]..] {
                let cosine = match (&vectors[i], &vectors[before]) {
                    (Some(a), Some(b)) => dot(a, b),
                    _ => 0.0,
                };
                nearest[i] = nearest[i].max(cosine);
            }
            compared[i] = out.len();
            let unlike = if out.is_empty() { 0.0 } else { nearest[i] };
            let marginal = lambda * relevance[i] - (1.0 - lambda) * unlike;
            if best.is_none_or(|(most, _)| marginal > most) {
                best = Some((marginal, i));
            }
        }
        let Some((_, i)) = best else { break };
        chosen[i] = true;
        out.push(i);
    }
    out
}
