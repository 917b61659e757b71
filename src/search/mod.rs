//! Finding articles: by meaning, by words, by both; similar ones; duplicates.
//!
//! Similarity is the cosine of unit vectors, -1 to 1.
//!
//! Every answer is asked for by a [`SearchOptions`] and is a [`Found`]: paged, diverse, folded,
//! newer first, counted by facets, with the sentences that answer best, in any combination. The
//! options' documentation says in which order these apply.

mod ann;
mod answer;
mod diverse;
mod duplicates;
mod facets;
mod fold;
mod fused;
mod listed;
mod meaning;
mod options;
mod page;
mod query;
mod rank;
mod ranking;
mod recency;
mod rerank;
mod sentence;
mod similar;
mod words;

pub use ann::{ANN_FROM, AnnIndex, IndexState};
pub use answer::{
    CountedOver, Facet, FacetValue, Facets, Folded, FoldedArticle, Found, Hit, HitPassage, Sentence,
};
pub use duplicates::{
    Alike, By, DuplicateOptions, Duplicates, Group, Kept, Member, Pair, Telling, TellingKind,
};
pub use options::{FoldBy, HalfLife, Mode, SearchBy, SearchOptions};
pub use rerank::{RerankedHit, rerank, rerank_depth};
pub use similar::{Example, Examples, SimilarHit};

use crate::error::{Error, Result};
use crate::store::Reader;
use crate::vectors::dot;

/// The cosine of two unit vectors. They are rounded where they are stored, so that the product of
/// two that are equal can be a little more than 1.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    at_most_one(dot(a, b))
}

fn at_most_one(cosine: f32) -> f32 {
    cosine.clamp(-1.0, 1.0)
}

/// A vector of another length would be compared as far as it goes, and mean nothing; so would one
/// of no numbers.
fn check_length(store: &Reader, vector: &[f32]) -> Result<()> {
    if !vector.iter().all(|x| x.is_finite()) {
        return Err(Error::parameter(
            "vector",
            "it holds a value that is no finite number",
        ));
    }
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
