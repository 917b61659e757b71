//! Pairs of articles that are the same, nearly the same, or tell the same.

use super::shingles::{MinHash, jaccard, shingles};
use crate::corpus::boilerplate;
use crate::error::{Error, Result};
use crate::job::{Job, Stage};
use crate::store::{Reader, StoredArticle};
use crate::vectors::dot;
use ndarray::{Axis, s};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// By what articles count as duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Shared wording: the Jaccard index of three-word sequences.
    Words,
    /// Shared meaning: the cosine of the articles' vectors.
    Meaning,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct DuplicateOptions {
    /// By what.
    pub by: By,
    /// The least similarity of a pair, 0 to 1.
    pub threshold: f32,
}

impl DuplicateOptions {
    /// The usual threshold: 0.5 of the wording, or a cosine of 0.85.
    pub fn new(by: By) -> Self {
        Self {
            by,
            threshold: match by {
                By::Words => 0.5,
                By::Meaning => 0.85,
            },
        }
    }
}

/// Two articles and how alike they are.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Pair {
    /// The id of the one that was read first.
    pub a: String,
    /// The id of the other.
    pub b: String,
    /// Their titles.
    pub titles: (String, String),
    /// The share of wording, 0 to 1.
    pub words: f32,
    /// The cosine of their vectors; `None` where one is not embedded.
    pub cosine: Option<f32>,
}

impl Reader {
    /// Every pair at least as alike as the threshold, most alike first.
    ///
    /// By words, candidates come from MinHash with locality-sensitive hashing and are compared
    /// exactly, boilerplate left out; of pairs at the threshold of 0.5 one in five thousand is
    /// missed, of closer ones fewer. By meaning, every pair of vectors is compared.
    ///
    /// # Errors
    /// The threshold is none; the file is damaged; the job is cancelled.
    pub fn duplicates(&self, options: DuplicateOptions, job: &Job) -> Result<Vec<Pair>> {
        if !(0.05..=1.0).contains(&options.threshold) {
            return Err(Error::parameter(
                "threshold",
                "give a number from 0.05 to 1",
            ));
        }
        let pairs = match options.by {
            By::Words => by_words(self, options.threshold, job)?,
            By::Meaning => by_meaning(self, options.threshold, job)?,
        };
        let mut out = Vec::with_capacity(pairs.len());
        for (a, b) in pairs {
            job.check()?;
            out.push(described(self, a, b)?);
        }
        let alike = |p: &Pair| match options.by {
            By::Words => p.words,
            By::Meaning => p.cosine.unwrap_or(-1.0),
        };
        // Stable: of pairs equally alike, the one read first comes first.
        out.sort_by(|x, y| alike(y).total_cmp(&alike(x)));
        Ok(out)
    }
}

/// The shingles of an article's own text.
fn own_shingles(article: &StoredArticle) -> Vec<u64> {
    shingles(&boilerplate::without(&article.text, &article.boilerplate))
}

fn described(store: &Reader, a: i64, b: i64) -> Result<Pair> {
    let (first, second) = (store.article_at(a)?, store.article_at(b)?);
    let cosine = match (store.article_vector(a)?, store.article_vector(b)?) {
        (Some(a), Some(b)) => Some(dot(&a, &b)),
        _ => None,
    };
    Ok(Pair {
        words: jaccard(&own_shingles(&first), &own_shingles(&second)),
        cosine,
        a: first.id,
        b: second.id,
        titles: (first.title, second.title),
    })
}

fn by_words(store: &Reader, threshold: f32, job: &Job) -> Result<Vec<(i64, i64)>> {
    let mut signatures: Vec<(i64, MinHash)> = Vec::new();
    let mut batch: Vec<(i64, String)> = Vec::new();
    let hash = |batch: &mut Vec<(i64, String)>| -> Vec<(i64, MinHash)> {
        let out = batch
            .par_iter()
            .map(|(key, text)| (*key, shingles(text)))
            .filter(|(_, shingles)| !shingles.is_empty())
            .map(|(key, shingles)| (key, MinHash::of(&shingles)))
            .collect();
        batch.clear();
        out
    };
    store.each_article(|article| {
        batch.push((
            article.key,
            boilerplate::without(&article.text, &article.boilerplate),
        ));
        if batch.len() == BATCH {
            signatures.extend(hash(&mut batch));
            job.progress(Stage::Comparing, signatures.len() as u64, None);
            job.check()?;
        }
        Ok(())
    })?;
    signatures.extend(hash(&mut batch));

    let mut candidates: HashSet<(i64, i64)> = HashSet::new();
    let bands = signatures.first().map_or(0, |(_, s)| s.0.len());
    for band in 0..bands {
        job.check()?;
        let mut buckets: HashMap<u64, Vec<i64>> = HashMap::new();
        for (key, signature) in &signatures {
            buckets.entry(signature.0[band]).or_default().push(*key);
        }
        for keys in buckets.into_values() {
            for (i, &a) in keys.iter().enumerate() {
                if i.is_multiple_of(BATCH) {
                    job.check()?;
                }
                for &b in &keys[i + 1..] {
                    candidates.insert((a.min(b), a.max(b)));
                }
            }
        }
    }
    let mut candidates: Vec<(i64, i64)> = candidates.into_iter().collect();
    candidates.sort_unstable();
    // Candidates come sorted by their first article, whose shingles serve for all of them.
    let own = |key: i64| -> Result<Vec<u64>> { Ok(own_shingles(&store.article_at(key)?)) };
    let total = Some(candidates.len() as u64);
    let mut first: Option<(i64, Vec<u64>)> = None;
    let mut out = Vec::new();
    for (i, (a, b)) in candidates.into_iter().enumerate() {
        if i % BATCH == 0 {
            job.progress(Stage::Comparing, i as u64, total);
            job.check()?;
        }
        if first.as_ref().is_none_or(|(key, _)| *key != a) {
            first = Some((a, own(a)?));
        }
        let of_a = first.as_ref().map_or(&[][..], |(_, s)| s.as_slice());
        if jaccard(of_a, &own(b)?) >= threshold {
            out.push((a, b));
        }
    }
    Ok(out)
}

/// Articles that are read or compared between two looks at the job.
const BATCH: usize = 256;
/// Rows of the matrix product that are compared at a time.
const BLOCK: usize = 1024;

fn by_meaning(store: &Reader, threshold: f32, job: &Job) -> Result<Vec<(i64, i64)>> {
    let Some(dim) = store.identity()?.map(|i| i.dim) else {
        return Ok(Vec::new());
    };
    let matrix = store.matrix(dim)?;
    let n = matrix.keys.len();
    let blocks: Vec<usize> = (0..n).step_by(BLOCK).collect();
    let mut out: Vec<(i64, i64)> = blocks
        .par_iter()
        .flat_map_iter(|&i| {
            let rows = matrix.values.slice(s![i..(i + BLOCK).min(n), ..]);
            let mut found = Vec::new();
            for j in (i..n).step_by(BLOCK) {
                if job.is_cancelled() {
                    break;
                }
                let columns = matrix.values.slice(s![j..(j + BLOCK).min(n), ..]);
                let cosines = rows.dot(&columns.t());
                for (r, row) in cosines.axis_iter(Axis(0)).enumerate() {
                    for (c, &cosine) in row.iter().enumerate() {
                        if cosine >= threshold && i + r < j + c {
                            found.push((matrix.keys[i + r], matrix.keys[j + c]));
                        }
                    }
                }
            }
            found
        })
        .collect();
    job.check()?;
    out.sort_unstable();
    Ok(out)
}
