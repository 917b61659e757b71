//! Folding articles that are nearly the same into the first of them.
//!
//! Down the ranking, each article joins the first hit before it that it is nearly the same as, or
//! becomes a hit. What ranks behind the last hit that is needed can no longer become one that is
//! shown, but is counted where it joins one: so a count is that of the whole result, however many
//! hits are asked for. Vectors tell what is worth comparing; only that is read.

use super::answer::{Folded, FoldedArticle};
use super::duplicates::{own_shingles, shared};
use super::rank::Candidate;
use super::{FoldBy, SearchOptions};
use crate::error::Result;
use crate::store::{Filter, Reader};
use crate::vectors::{Products, dot};
use rustc_hash::FxHashSet;

/// Articles of a lower cosine are not compared by their words.
const COMPARED: f32 = 0.7;
/// Folded articles that are listed.
const LISTED: usize = 100;
/// Products are rounded in another order than a single one.
const ROUNDING: f32 = 1e-4;

/// The hits found so far, in order, and what was folded into each.
pub(super) struct Folder<'a> {
    store: &'a Reader,
    words: Option<f32>,
    meaning: Option<f32>,
    hits: Vec<First>,
    seen: FxHashSet<i64>,
}

struct First {
    candidate: Candidate,
    vector: Option<Vec<f32>>,
    /// Read when something is compared with it.
    shingles: Option<Vec<u64>>,
    members: Vec<i64>,
}

/// An article's vector, and its shingles once they are needed.
struct Compared<'v> {
    key: i64,
    vector: &'v [f32],
    shingles: Option<Vec<u64>>,
}

impl<'a> Folder<'a> {
    pub(super) fn new(store: &'a Reader, by: FoldBy) -> Self {
        let (words, meaning) = by.thresholds();
        Self {
            store,
            words,
            meaning,
            hits: Vec::new(),
            seen: FxHashSet::default(),
        }
    }

    /// How many hits there are.
    pub(super) fn len(&self) -> usize {
        self.hits.len()
    }

    /// Takes the next article of the ranking; one that it knows is passed over.
    pub(super) fn take(&mut self, candidate: Candidate) -> Result<()> {
        if !self.seen.insert(candidate.key) {
            return Ok(());
        }
        let vector = self.store.article_vector(candidate.key)?;
        if let Some(vector) = &vector {
            let mut compared = Compared {
                key: candidate.key,
                vector,
                shingles: None,
            };
            for i in 0..self.hits.len() {
                if self.is_same(i, &mut compared)? {
                    self.hits[i].members.push(candidate.key);
                    return Ok(());
                }
            }
        }
        self.hits.push(First {
            candidate,
            vector,
            shingles: None,
            members: Vec::new(),
        });
        Ok(())
    }

    /// Whether an article is nearly the same as a hit.
    fn is_same(&mut self, hit: usize, other: &mut Compared<'_>) -> Result<bool> {
        let first = &mut self.hits[hit];
        let Some(vector) = &first.vector else {
            return Ok(false);
        };
        let cosine = dot(vector, other.vector);
        if self.meaning.is_some_and(|least| cosine >= least) {
            return Ok(true);
        }
        let Some(least) = self.words.filter(|_| cosine >= COMPARED) else {
            return Ok(false);
        };
        if first.shingles.is_none() {
            first.shingles = Some(own_shingles(self.store, first.candidate.key)?);
        }
        if other.shingles.is_none() {
            other.shingles = Some(own_shingles(self.store, other.key)?);
        }
        Ok(match (&first.shingles, &other.shingles) {
            (Some(a), Some(b)) => shared(a, b) >= least,
            _ => false,
        })
    }

    /// Counts what joins a hit and was not taken yet, of the articles that have a place in the
    /// ranking.
    pub(super) fn count_rest(
        &mut self,
        dim: usize,
        filter: Option<&Filter>,
        mut has_place: impl FnMut(i64, &[f32]) -> Result<bool>,
    ) -> Result<()> {
        let with_vector = |i: &usize| self.hits[*i].vector.is_some();
        let of: Vec<usize> = (0..self.hits.len()).filter(with_vector).collect();
        if of.is_empty() {
            return Ok(());
        }
        let vectors: Vec<f32> = of
            .iter()
            .flat_map(|&i| self.hits[i].vector.iter().flatten().copied())
            .collect();
        let products = Products::new(&vectors, dim);
        let least = [self.words.map(|_| COMPARED), self.meaning];
        let least = least.into_iter().flatten().fold(1.0, f32::min) - ROUNDING;
        let mut keys: Vec<i64> = Vec::with_capacity(Products::ROWS);
        let mut values: Vec<f32> = Vec::with_capacity(Products::ROWS * dim);
        let mut out = Vec::new();
        let store = self.store;
        let seen = std::mem::take(&mut self.seen);
        let mut compare = |keys: &mut Vec<i64>, values: &mut Vec<f32>| -> Result<()> {
            let rows = products.multiply(values, &mut out);
            for ((&key, vector), cosines) in keys.iter().zip(values.chunks_exact(dim)).zip(rows) {
                let mut compared = Compared {
                    key,
                    vector,
                    shingles: None,
                };
                for (&hit, _) in of.iter().zip(cosines).filter(|(_, c)| **c >= least) {
                    if self.is_same(hit, &mut compared)? {
                        if has_place(key, vector)? {
                            self.hits[hit].members.push(key);
                        }
                        break;
                    }
                }
            }
            keys.clear();
            values.clear();
            Ok(())
        };
        store.scan_articles(dim, filter, |key, vector| {
            if !seen.contains(&key) {
                keys.push(key);
                values.extend_from_slice(vector);
                if keys.len() == Products::ROWS {
                    compare(&mut keys, &mut values)?;
                }
            }
            Ok(())
        })?;
        compare(&mut keys, &mut values)
    }

    /// The hits in order, each with its article's vector and the rows of what was folded into it.
    pub(super) fn into_hits(self) -> Vec<(Candidate, Option<Vec<f32>>, Vec<i64>)> {
        let hits = self.hits.into_iter();
        hits.map(|hit| (hit.candidate, hit.vector, hit.members))
            .collect()
    }
}

/// What is told of folded articles; `None` where there are none.
pub(super) fn described(store: &Reader, members: &[i64]) -> Result<Option<Folded>> {
    if members.is_empty() {
        return Ok(None);
    }
    let mut dated: Vec<(bool, Option<String>, i64)> = Vec::with_capacity(members.len());
    for &key in members {
        let date = store.described_at(key)?.date;
        dated.push((date.is_none(), date, key));
    }
    dated.sort();
    let mut articles = Vec::new();
    for (_, date, key) in dated.into_iter().take(LISTED) {
        let shown = store.described_at(key)?;
        articles.push(FoldedArticle {
            id: shown.id,
            title: shown.title,
            date,
            source: shown.source,
        });
    }
    Ok(Some(Folded {
        count: members.len() as u64,
        articles,
    }))
}

/// How many hits must be known for a page, and one more to tell whether others follow.
pub(super) fn needed(options: &SearchOptions) -> usize {
    match options.diverse {
        Some(_) => super::diverse::pool(options.end() + 1),
        None => options.end() + 1,
    }
}
