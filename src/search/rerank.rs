//! Hits in the order of a model that reads them together with the query.

use super::Hit;
use crate::encoder::{RerankOptions, Reranker};
use crate::error::{Error, Result};
use crate::job::Job;

/// The fewest candidates that are re-ranked.
const LEAST: usize = 50;
/// Candidates for each hit that is wanted.
const EACH: usize = 4;

/// A hit with the score that it is ordered by.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RerankedHit {
    /// The re-ranker's score of the query and the best passage.
    pub rerank: f32,
    /// The hit as the search found it.
    #[serde(flatten)]
    pub hit: Hit,
}

/// How many candidates a search is to find, of which `k` are kept: 50, or four for each hit.
pub fn rerank_depth(k: usize) -> usize {
    LEAST.max(k.saturating_mul(EACH))
}

/// Orders hits by how well a re-ranker finds that the best passage of each, with its title in
/// front, answers the query, and keeps the first `k`. Hits of the same score stay in the order in
/// which the search found them.
///
/// # Errors
/// The model has several labels; the tokenizer or the device fails; the job is cancelled.
pub fn rerank(
    reranker: &Reranker,
    query: &str,
    hits: Vec<Hit>,
    k: usize,
    job: &Job,
) -> Result<Vec<RerankedHit>> {
    let texts: Vec<String> = hits
        .iter()
        .map(|hit| match (hit.title.trim(), hit.passage.text.trim()) {
            ("", text) => text.to_string(),
            (title, text) => format!("{title}\n{text}"),
        })
        .collect();
    let options = RerankOptions::new().top(Some(k)).job(job);
    let ranked = reranker.rerank(query, &texts, &options)?;
    let mut hits: Vec<Option<Hit>> = hits.into_iter().map(Some).collect();
    let mut take = |index: usize| hits.get_mut(index).and_then(Option::take);
    ranked
        .into_iter()
        .map(|ranked| {
            let hit =
                take(ranked.index).ok_or_else(|| Error::internal("a hit was ranked twice"))?;
            Ok(RerankedHit {
                rerank: ranked.score,
                hit,
            })
        })
        .collect()
}
