//! Finding articles: by meaning, by words, by both; similar ones; duplicates.
//!
//! Similarity is the cosine of unit vectors, -1 to 1.

mod ann;
mod duplicates;
mod rerank;
mod similar;
mod words;

pub use ann::{ANN_FROM, AnnIndex, IndexState};
pub use duplicates::{Alike, By, DuplicateOptions, Duplicates, Group, Kept, Member, Pair};
pub use rerank::{RerankedHit, rerank, rerank_depth};
pub use similar::SimilarHit;

use crate::corpus::boilerplate;
use crate::corpus::passages::{Window, split};
use crate::encoder::{Encoder, Prompt};
use crate::error::{Error, Result};
use crate::store::{Filter, Reader, ScannedPassage};
use crate::vectors::{TopK, dot, normalize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// How vectors are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Exact up to [`ANN_FROM`] passages, under a filter and where there is no current index; else
    /// approximate.
    #[default]
    Auto,
    /// Every vector is compared.
    Exact,
    /// By the HNSW index, where it is current; [`Reader::refresh_index`] makes it so.
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

impl Reader {
    /// Embeds a query and finds the articles whose best passage is nearest to it. A query that is
    /// longer than the model's window counts whole, as the mean of its passages.
    ///
    /// # Errors
    /// Another model made the corpus's vectors, the device fails, the file is damaged.
    pub fn search(&self, encoder: &Encoder, query: &str, options: &SearchOptions) -> Result<Found> {
        self.check_model(encoder.identity())?;
        let vector = query_vector(encoder, query)?;
        self.search_vector(&vector, query, options)
    }

    /// Finds the articles whose best passage is nearest to a unit vector. `words` are the query's
    /// words, for [`SearchOptions::hybrid`].
    ///
    /// # Errors
    /// The vector has another length than those of the corpus; the file is damaged.
    pub fn search_vector(
        &self,
        query: &[f32],
        words: &str,
        options: &SearchOptions,
    ) -> Result<Found> {
        check_length(self, query)?;
        let depth = if options.hybrid {
            options.k.max(FUSED)
        } else {
            options.k
        };
        let filter = options.filter.as_ref();
        let index = if filter.is_none() && self.index_wanted(options.mode)? {
            AnnIndex::open(self)?
        } else {
            None
        };
        let (near, exact) = match &index {
            Some(index) => (index.articles(self, query, depth)?, false),
            None => (exact_articles(self, query, depth, filter)?, true),
        };
        let hits = if options.hybrid {
            let by_words = words::bm25(self, words, depth, filter)?;
            fuse(self, query, near, &by_words, options.k)?
        } else {
            near.iter()
                .map(|(cosine, passage)| hit(self, *cosine, passage))
                .collect::<Result<_>>()?
        };
        Ok(Found { hits, exact })
    }
}

/// Joins the nearest articles and those found by words, by reciprocal rank fusion.
fn fuse(
    store: &Reader,
    query: &[f32],
    near: Vec<(f32, ScannedPassage)>,
    by_words: &[(i64, f64)],
    k: usize,
) -> Result<Vec<Hit>> {
    let mut fused: HashMap<i64, f32> = HashMap::new();
    let near_keys = near.iter().map(|(_, passage)| passage.article);
    for (rank, key) in near_keys.enumerate() {
        *fused.entry(key).or_default() += 1.0 / (RRF_K + rank as f32 + 1.0);
    }
    for (rank, (key, _)) in by_words.iter().enumerate() {
        *fused.entry(*key).or_default() += 1.0 / (RRF_K + rank as f32 + 1.0);
    }
    // An article that is not embedded yet has words but no passage, and takes nobody's place.
    let mut passages: HashMap<i64, (f32, ScannedPassage)> = near
        .into_iter()
        .map(|(cosine, p)| (p.article, (cosine, p)))
        .collect();
    let mut best = TopK::new(k);
    for (key, score) in fused {
        if let Entry::Vacant(place) = passages.entry(key) {
            match best_passage(store, key, query)? {
                Some(found) => place.insert(found),
                None => continue,
            };
        }
        best.push(score, key, ());
    }
    let mut hits = Vec::new();
    for (score, key, ()) in best.into_sorted() {
        if let Some((cosine, passage)) = passages.get(&key) {
            hits.push(Hit {
                fused: Some(score),
                ..hit(store, *cosine, passage)?
            });
        }
    }
    Ok(hits)
}

/// The vector of a query; of one that the model does not take whole, the mean of its passages'
/// vectors, each weighted by the tokens that no earlier one holds, as an article's is.
fn query_vector(encoder: &Encoder, query: &str) -> Result<Vec<f32>> {
    let vectors = encoder.encode(&[query], Prompt::Query)?;
    if vectors.cut() == 0 {
        return Ok(vectors.values);
    }
    let tokenizer = encoder.tokenizer();
    let prompt = tokenizer.offsets(&encoder.prompts().query)?.len();
    let window = Window::of(tokenizer.max_tokens(), tokenizer.special_tokens() + prompt);
    let passages = split("", query, &[], window, |text| tokenizer.offsets(text))?;
    // The title that each passage begins with is empty here.
    let texts: Vec<&str> = passages.iter().map(|p| p.input.trim_start()).collect();
    let parts = encoder.encode(&texts, Prompt::Query)?;
    let mut sum = vec![0.0; vectors.dim];
    for (passage, vector) in passages.iter().zip(parts.rows()) {
        let weight = passage.fresh_tokens.max(1) as f32;
        for (s, x) in sum.iter_mut().zip(vector) {
            *s += weight * x;
        }
    }
    normalize(&mut sum);
    Ok(sum)
}

/// The cosine of two unit vectors. They are rounded where they are stored, so that the product of
/// two that are equal can be a little more than 1.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    at_most_one(dot(a, b))
}

fn at_most_one(cosine: f32) -> f32 {
    cosine.clamp(-1.0, 1.0)
}

/// A vector of another length would be compared as far as it goes, and mean nothing.
fn check_length(store: &Reader, vector: &[f32]) -> Result<()> {
    match store.identity()? {
        Some(identity) if identity.dim != vector.len() => Err(Error::parameter(
            "vector",
            format!(
                "it has {} values, those of the corpus have {}",
                vector.len(),
                identity.dim
            ),
        )),
        _ => Ok(()),
    }
}

fn hit(store: &Reader, cosine: f32, passage: &ScannedPassage) -> Result<Hit> {
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
        cosine: at_most_one(cosine),
        fused: None,
        passage: HitPassage {
            text: boilerplate::without(text, &inside),
            range,
        },
    })
}

/// The `k` articles whose best passage is nearest, every passage compared.
fn exact_articles(
    store: &Reader,
    query: &[f32],
    k: usize,
    filter: Option<&Filter>,
) -> Result<Vec<(f32, ScannedPassage)>> {
    let mut closest = TopK::new(k);
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
        Ok(())
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
