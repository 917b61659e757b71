//! Ranking articles by their best passage, every passage compared.

use super::rank::{Candidate, Top};
use super::recency::Ages;
use crate::error::Result;
use crate::store::{Filter, Reader, ScannedPassage};
use crate::vectors::{Products, dot};
use rayon::prelude::*;

/// Which articles are ranked, and by what besides the cosine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub filter: Option<&'a Filter>,
    /// The least cosine.
    pub threshold: Option<f32>,
    pub ages: Option<&'a Ages>,
}

/// The first `depth` places of one query's ranking, while passages come in one by one.
#[derive(Debug)]
struct Collector<'a> {
    scope: Scope<'a>,
    top: Top,
    /// An article's passages come together: its best one is known when the next article begins.
    best: Option<(f32, ScannedPassage)>,
}

impl<'a> Collector<'a> {
    fn new(scope: Scope<'a>, depth: usize) -> Self {
        Self {
            scope,
            top: Top::new(depth),
            best: None,
        }
    }

    fn offer(
        &mut self,
        cosine: f32,
        passage: &ScannedPassage,
        mut each: impl FnMut(i64) -> Result<()>,
    ) -> Result<()> {
        match &mut self.best {
            Some((score, same)) if same.article == passage.article => {
                if cosine > *score {
                    self.best = Some((cosine, passage.clone()));
                }
            }
            _ => {
                if let Some(done) = self.best.replace((cosine, passage.clone())) {
                    self.take(done, &mut each)?;
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        (cosine, passage): (f32, ScannedPassage),
        mut each: impl FnMut(i64) -> Result<()>,
    ) -> Result<()> {
        if self.scope.threshold.is_some_and(|least| cosine < least) {
            return Ok(());
        }
        each(passage.article)?;
        let key = passage.article;
        let candidate = Candidate::of_cosine(key, cosine, Some(passage), self.scope.ages);
        self.top.push(candidate);
        Ok(())
    }

    fn finish(mut self, each: impl FnMut(i64) -> Result<()>) -> Result<Vec<Candidate>> {
        if let Some(done) = self.best.take() {
            self.take(done, each)?;
        }
        Ok(self.top.into_sorted())
    }
}

/// The first `depth` articles by their best passage. `each` is told every article that has a place
/// in the ranking, however far behind.
pub(super) fn exact(
    store: &Reader,
    query: &[f32],
    depth: usize,
    scope: Scope<'_>,
    mut each: impl FnMut(i64) -> Result<()>,
) -> Result<Vec<Candidate>> {
    let mut collector = Collector::new(scope, depth);
    store.scan_passages(query.len(), scope.filter, |passage, vector| {
        collector.offer(dot(query, vector), &passage, &mut each)
    })?;
    collector.finish(each)
}

/// Passages that are compared with all queries at a time.
const ROWS: usize = 1024;
/// Places that are kept beyond those asked for. The products of many vectors at a time are rounded
/// in another order than those of one, and the last digit must not decide who has a place: all that
/// could have one are compared again, as a single query's are.
const SPARE: usize = 16;

/// As [`exact`] for many queries (their vectors one behind another), by one pass over the vectors.
pub(super) fn exact_many(
    store: &Reader,
    queries: &[f32],
    dim: usize,
    depth: usize,
    scope: Scope<'_>,
) -> Result<Vec<Vec<Candidate>>> {
    // The cosine itself is looked at when it is exact.
    let loose = Scope {
        threshold: scope.threshold.map(|least| least - 1e-4),
        ..scope
    };
    let count = queries.len() / dim.max(1);
    let part = count.div_ceil(rayon::current_num_threads()).max(1);
    let mut parts: Vec<(Products, Vec<Collector<'_>>, Vec<f32>)> = queries
        .chunks(part * dim.max(1))
        .map(|queries| {
            let new = || Collector::new(loose, depth + SPARE);
            let collectors = (0..queries.len() / dim).map(|_| new()).collect();
            (Products::new(queries, dim), collectors, Vec::new())
        })
        .collect();
    let mut passages: Vec<ScannedPassage> = Vec::with_capacity(ROWS);
    let mut values: Vec<f32> = Vec::with_capacity(ROWS * dim);
    let mut compare = |passages: &mut Vec<ScannedPassage>, values: &mut Vec<f32>| {
        parts
            .par_iter_mut()
            .try_for_each(|(products, collectors, out)| {
                for (passage, cosines) in passages.iter().zip(products.multiply(values, out)) {
                    for (collector, &cosine) in collectors.iter_mut().zip(cosines) {
                        collector.offer(cosine, passage, |_| Ok(()))?;
                    }
                }
                Ok::<(), crate::Error>(())
            })?;
        passages.clear();
        values.clear();
        Ok::<(), crate::Error>(())
    };
    store.scan_passages(dim, scope.filter, |passage, vector| {
        passages.push(passage);
        values.extend_from_slice(vector);
        if passages.len() == ROWS {
            compare(&mut passages, &mut values)?;
        }
        Ok(())
    })?;
    compare(&mut passages, &mut values)?;
    let collectors = parts.into_iter().flat_map(|part| part.1);
    let mut out = Vec::with_capacity(count);
    for (collector, query) in collectors.zip(queries.chunks_exact(dim.max(1))) {
        let mut top = Top::new(depth);
        for near in collector.finish(|_| Ok(()))? {
            if let Some((cosine, passage)) = best_passage(store, near.key, query)?
                && scope.threshold.is_none_or(|least| cosine >= least)
            {
                top.push(Candidate::of_cosine(
                    near.key,
                    cosine,
                    Some(passage),
                    scope.ages,
                ));
            }
        }
        out.push(top.into_sorted());
    }
    Ok(out)
}

/// The passage of an article that is nearest to a query; `None` where it is not embedded.
pub(super) fn best_passage(
    store: &Reader,
    article: i64,
    query: &[f32],
) -> Result<Option<(f32, ScannedPassage)>> {
    let mut best: Option<(f32, ScannedPassage)> = None;
    for (passage, vector) in store.passage_vectors(article, query.len())? {
        let cosine = dot(query, &vector);
        if best.as_ref().is_none_or(|(score, _)| cosine > *score) {
            best = Some((cosine, passage));
        }
    }
    Ok(best)
}
