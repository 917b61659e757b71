//! Finding articles: by meaning, by words, by both; similar ones; duplicates.
//!
//! Similarity is the cosine of unit vectors, -1 to 1.

mod ann;
mod duplicates;
mod shingles;
mod similar;
mod words;

pub use ann::{ANN_FROM, AnnIndex, refresh as refresh_ann};
pub use duplicates::{By, DuplicateOptions, Pair, duplicates};
pub use shingles::{MinHash, jaccard, shingles};
pub use similar::{SimilarHit, similar, similar_to};

use crate::corpus::boilerplate;
use crate::encoder::{Encoder, Kind};
use crate::error::Result;
use crate::store::{Closest, Filter, ScannedPassage, Store, dot};
use std::collections::HashMap;
use std::ops::Range;

/// How vectors are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Exact up to [`ANN_FROM`] passages and under a filter, else approximate.
    #[default]
    Auto,
    /// Every vector is compared.
    Exact,
    /// By the HNSW index.
    Approximate,
}

/// What is searched for and how.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// How many articles.
    pub k: usize,
    /// Only articles that this lets through.
    pub filter: Option<Filter>,
    /// Words (BM25) count as well as meaning.
    pub hybrid: bool,
    /// Exact or approximate.
    pub mode: Mode,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            k: 10,
            filter: None,
            hybrid: false,
            mode: Mode::Auto,
        }
    }
}

/// A passage that answers a query.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct HitPassage {
    /// Its byte range in the article's text.
    pub range: Range<usize>,
    /// Its text, boilerplate left out.
    pub text: String,
}

/// An article that answers a query.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Hit {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its date.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// The cosine of the query and the best passage.
    pub cosine: f32,
    /// The score of reciprocal rank fusion, with `hybrid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fused: Option<f32>,
    /// The best passage.
    pub passage: HitPassage,
}

/// Hits, and how they were found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Found {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// Whether every vector was compared.
    pub exact: bool,
}

/// Candidates of each of the two searches that are fused.
const FUSED: usize = 100;
/// The constant of reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009.
const RRF_K: f32 = 60.0;

/// Embeds a query and finds the articles whose best passage is nearest to it.
///
/// # Errors
/// Another model made the corpus's vectors, the device fails, the file is damaged.
pub fn search(
    store: &Store,
    encoder: &mut Encoder,
    query: &str,
    options: &SearchOptions,
) -> Result<Found> {
    store.check_model(encoder.identity())?;
    let vectors = encoder.encode(&[query], Kind::Query)?;
    search_vector(store, &vectors.values, query, options)
}

/// Finds the articles whose best passage is nearest to a unit vector. `words` are the query's
/// words, for `hybrid`.
///
/// # Errors
/// The file is damaged.
pub fn search_vector(
    store: &Store,
    query: &[f32],
    words: &str,
    options: &SearchOptions,
) -> Result<Found> {
    let depth = if options.hybrid {
        options.k.max(FUSED)
    } else {
        options.k
    };
    let filter = options.filter.as_ref();
    let approximate = match options.mode {
        Mode::Exact => false,
        Mode::Approximate => filter.is_none(),
        Mode::Auto => filter.is_none() && store.passage_count()? >= ANN_FROM,
    };
    let index = if approximate {
        AnnIndex::open(store)?
    } else {
        None
    };
    let (near, exact) = match &index {
        Some(index) => (index.articles(store, query, depth)?, false),
        None => (exact_articles(store, query, depth, filter)?, true),
    };
    let mut hits = Vec::new();
    if options.hybrid {
        let by_words = words::bm25(store, words, FUSED, filter)?;
        let mut fused: HashMap<i64, f32> = HashMap::new();
        let near_keys = near.iter().map(|(_, passage)| passage.article);
        for (rank, key) in near_keys.enumerate() {
            *fused.entry(key).or_default() += 1.0 / (RRF_K + rank as f32 + 1.0);
        }
        for (rank, (key, _)) in by_words.iter().enumerate() {
            *fused.entry(*key).or_default() += 1.0 / (RRF_K + rank as f32 + 1.0);
        }
        let mut best = Closest::new(options.k);
        for (key, score) in fused {
            best.push(score, key, ());
        }
        let passages: HashMap<i64, (f32, ScannedPassage)> = near
            .into_iter()
            .map(|(cosine, p)| (p.article, (cosine, p)))
            .collect();
        for (score, key, ()) in best.into_sorted() {
            let found = match passages.get(&key) {
                Some((cosine, passage)) => Some((*cosine, passage.clone())),
                None => best_passage(store, key, query)?,
            };
            // An article that is not embedded yet has words but no passage.
            if let Some((cosine, passage)) = found {
                hits.push(Hit {
                    fused: Some(score),
                    ..hit(store, cosine, &passage)?
                });
            }
        }
    } else {
        for (cosine, passage) in near {
            hits.push(hit(store, cosine, &passage)?);
        }
    }
    Ok(Found { hits, exact })
}

fn hit(store: &Store, cosine: f32, passage: &ScannedPassage) -> Result<Hit> {
    let article = store.article_at(passage.article)?;
    let range =
        passage.range.start.min(article.text.len())..passage.range.end.min(article.text.len());
    let inside: Vec<Range<usize>> = article
        .boilerplate
        .iter()
        .filter(|s| s.start >= range.start && s.end <= range.end)
        .map(|s| s.start - range.start..s.end - range.start)
        .collect();
    let text = article.text.get(range.clone()).unwrap_or_default();
    Ok(Hit {
        id: article.id,
        title: article.title,
        date: article.date,
        source: article.source,
        url: article.url,
        cosine,
        fused: None,
        passage: HitPassage {
            text: boilerplate::without(text, &inside),
            range,
        },
    })
}

/// The `k` articles whose best passage is nearest, every passage compared.
fn exact_articles(
    store: &Store,
    query: &[f32],
    k: usize,
    filter: Option<&Filter>,
) -> Result<Vec<(f32, ScannedPassage)>> {
    let mut closest = Closest::new(k);
    // An article's passages come together: its best one is known when the next article begins.
    let mut best: Option<(f32, ScannedPassage)> = None;
    store.scan_passages(query.len(), filter, |passage, vector| {
        let cosine = dot(query, vector);
        match &mut best {
            Some((score, same)) if same.article == passage.article => {
                if cosine > *score {
                    best = Some((cosine, passage));
                }
            }
            _ => {
                if let Some((score, done)) = best.replace((cosine, passage)) {
                    closest.push(score, done.article, done);
                }
            }
        }
    })?;
    if let Some((score, done)) = best {
        closest.push(score, done.article, done);
    }
    Ok(closest
        .into_sorted()
        .into_iter()
        .map(|(score, _, p)| (score, p))
        .collect())
}

fn best_passage(
    store: &Store,
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
