//! The ranking of all articles that an answer is cut out of.

use super::ann::AnnIndex;
use super::answer::CountedOver;
use super::fused;
use super::meaning::{self, Scope, best_passage};
use super::rank::{Candidate, Top};
use super::recency::Ages;
use super::words;
use super::{SearchBy, SearchOptions};
use crate::error::Result;
use crate::store::{Reader, ScannedPassage};
use crate::vectors::dot;
use rustc_hash::FxHashSet;
use std::collections::HashSet;
use std::sync::Arc;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    /// A query by its vector and its words; by words alone, the vector is empty.
    Query { vector: &'a [f32], words: &'a str },
    /// The articles like a vector, but for these rows.
    Similar {
        vector: &'a [f32],
        left_out: &'a HashSet<i64>,
    },
}

pub(super) struct Ranking<'a> {
    pub store: &'a Reader,
    pub options: &'a SearchOptions,
    pub asked: Asked<'a>,
    pub ages: Option<&'a Ages>,
    pub index: Option<Arc<AnnIndex>>,
    /// The nearest articles as far as they are known already.
    pub known: Option<Known>,
}

/// So many of the nearest articles, or all there are.
pub(super) struct Known {
    pub depth: usize,
    pub near: Vec<Candidate>,
}

/// An approximate search for one more is not the one before with one more: the pages of an answer
/// are cut out of searches of a few sizes.
const LEAST: usize = 32;

impl<'a> Ranking<'a> {
    fn scope(&self) -> Scope<'a> {
        Scope {
            filter: self.options.filter.as_ref(),
            threshold: self.options.threshold,
            ages: self.ages,
        }
    }

    /// The vector that is asked by; empty by words alone.
    pub(super) fn vector(&self) -> &'a [f32] {
        match self.asked {
            Asked::Query { vector, .. } | Asked::Similar { vector, .. } => vector,
        }
    }

    /// Whether an article is kept out of the ranking by what is asked.
    pub(super) fn is_left_out(&self, key: i64) -> bool {
        match self.asked {
            Asked::Similar { left_out, .. } => left_out.contains(&key),
            Asked::Query { .. } => false,
        }
    }

    /// At least the first `n` places, or all there are.
    pub(super) fn first(&self, n: usize) -> Result<Vec<Candidate>> {
        let (vector, text) = match self.asked {
            Asked::Similar { vector, .. } => return self.similar(vector, n),
            Asked::Query { vector, words } => (vector, words),
        };
        match self.options.by {
            SearchBy::Meaning => self.near(vector, n),
            SearchBy::Words => {
                let filter = self.options.filter.as_ref();
                words::ranked(self.store, text, n, filter, self.ages)
            }
            SearchBy::Both => {
                let depth = fused::depth(n);
                let near = self.near(vector, depth)?;
                let by_words = self.found_by_words(vector, text, depth)?;
                let near = near.into_iter().take(depth).collect();
                fused::join(self.store, vector, near, &by_words)
            }
        }
    }

    fn near(&self, query: &[f32], n: usize) -> Result<Vec<Candidate>> {
        if let Some(known) = self.known.as_ref().filter(|known| known.depth >= n) {
            return Ok(known.near.clone());
        }
        let Some(index) = &self.index else {
            return meaning::exact(self.store, query, n, self.scope(), |_| Ok(()));
        };
        let n = n.max(LEAST).next_power_of_two();
        let found = index.articles(self.store, query, n)?.into_iter();
        let reaches = |cosine: f32| self.options.threshold.is_none_or(|least| cosine >= least);
        Ok(found
            .filter(|(cosine, _)| reaches(*cosine))
            .map(|(cosine, p)| Candidate::of_cosine(p.article, cosine, Some(p), self.ages))
            .collect())
    }

    /// For both: by words, and where there is a threshold those that reach it.
    fn found_by_words(&self, query: &[f32], text: &str, n: usize) -> Result<Vec<Candidate>> {
        let filter = self.options.filter.as_ref();
        let Some(least) = self.options.threshold else {
            return words::ranked(self.store, text, n, filter, self.ages);
        };
        let mut out = Vec::new();
        for candidate in words::ranked(self.store, text, i64::MAX as usize, filter, self.ages)? {
            let best = best_passage(self.store, candidate.key, query)?;
            if best.is_some_and(|(cosine, _)| cosine >= least) {
                out.push(candidate);
            }
            if out.len() == n {
                break;
            }
        }
        Ok(out)
    }

    fn similar(&self, query: &[f32], n: usize) -> Result<Vec<Candidate>> {
        let mut top = Top::new(n);
        let least = self.options.threshold.unwrap_or(f32::NEG_INFINITY);
        let mut offer = |key: i64, cosine: f32| {
            if cosine >= least && !self.is_left_out(key) {
                top.push(Candidate::of_cosine(key, cosine, None, self.ages));
            }
        };
        if let Some(index) = &self.index {
            // Passages of what is left out, and several of one article, take places among the
            // candidates: more are asked for until there are enough, or no others.
            let (mut depth, all) = (4 * n.max(LEAST), self.store.passage_count()? as usize);
            loop {
                depth = depth.next_power_of_two();
                let candidates = index.articles(self.store, query, depth)?;
                let others = candidates.len() >= depth && depth < all;
                let mut seen: FxHashSet<i64> = FxHashSet::default();
                let articles = candidates.iter().map(|(_, passage)| passage.article);
                let enough = articles
                    .filter(|key| !self.is_left_out(*key) && seen.insert(*key))
                    .count()
                    >= n;
                if enough || !others {
                    for key in seen {
                        if let Some(other) = self.store.article_vector(key)? {
                            offer(key, dot(query, &other));
                        }
                    }
                    break;
                }
                depth *= 4;
            }
        } else {
            let filter = self.options.filter.as_ref();
            self.store
                .scan_articles(query.len(), filter, |key, other| {
                    offer(key, dot(query, other));
                    Ok(())
                })?;
        }
        Ok(top.into_sorted())
    }

    /// Calls `f` with every article that has a place, in no order.
    pub(super) fn each(&self, mut f: impl FnMut(i64) -> Result<()>) -> Result<()> {
        let filter = self.options.filter.as_ref();
        match self.asked {
            Asked::Query { words, .. } if self.options.by == SearchBy::Words => {
                words::all(self.store, words, filter)?
                    .into_iter()
                    .try_for_each(f)
            }
            Asked::Query { vector, .. } => {
                let scope = Scope {
                    ages: None,
                    ..self.scope()
                };
                meaning::exact(self.store, vector, 0, scope, f).map(drop)
            }
            Asked::Similar { vector, .. } => {
                let least = self.options.threshold.unwrap_or(f32::NEG_INFINITY);
                self.store
                    .scan_articles(vector.len(), filter, |key, other| {
                        if dot(vector, other) >= least && !self.is_left_out(key) {
                            f(key)?;
                        }
                        Ok(())
                    })
            }
        }
    }

    /// What [`Ranking::each`] goes over.
    pub(super) fn over(&self) -> CountedOver {
        let words = matches!(self.asked, Asked::Query { .. }) && self.options.by == SearchBy::Words;
        if words {
            CountedOver::Words
        } else if self.options.threshold.is_some() {
            CountedOver::Threshold
        } else if self.options.filter.is_some() {
            CountedOver::Filter
        } else {
            CountedOver::Corpus
        }
    }

    /// Tells of embedded articles that the filter lets through whether they have a place.
    pub(super) fn places(&self) -> Result<impl FnMut(i64, &[f32]) -> Result<bool>> {
        let by_words = match self.asked {
            Asked::Query { words, .. } if self.options.by == SearchBy::Words => {
                let filter = self.options.filter.as_ref();
                let keys = words::all(self.store, words, filter)?;
                Some(FxHashSet::from_iter(keys))
            }
            _ => None,
        };
        Ok(move |key: i64, article: &[f32]| {
            if let Some(keys) = &by_words {
                return Ok(keys.contains(&key));
            }
            let least = self.options.threshold;
            match self.asked {
                Asked::Similar { vector, .. } => Ok(!self.is_left_out(key)
                    && least.is_none_or(|least| dot(vector, article) >= least)),
                Asked::Query { vector, .. } => match least {
                    None => Ok(true),
                    Some(least) => {
                        let best = best_passage(self.store, key, vector)?;
                        Ok(best.is_some_and(|(cosine, _)| cosine >= least))
                    }
                },
            }
        })
    }

    /// The passage of an article to show where the ranking names none.
    pub(super) fn passage(&self, key: i64) -> Result<Option<ScannedPassage>> {
        let vector = self.vector();
        if vector.is_empty() {
            return Ok(None);
        }
        Ok(best_passage(self.store, key, vector)?.map(|(_, passage)| passage))
    }
}
