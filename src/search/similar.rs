//! Articles like an article.

use super::ann::{ANN_FROM, AnnIndex};
use crate::error::{Error, Result};
use crate::store::{Closest, Filter, Store, dot};
use std::collections::HashSet;

/// An article like another.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SimilarHit {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its date.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
    /// The cosine of the two articles' vectors.
    pub cosine: f32,
}

/// The `k` articles most like the one with this id, itself left out.
///
/// # Errors
/// No article has this id, or it is not embedded yet.
pub fn similar(
    store: &Store,
    id: &str,
    k: usize,
    filter: Option<&Filter>,
) -> Result<Vec<SimilarHit>> {
    let key = store.key_of(id)?;
    let Some(vector) = store.article_vector(key)? else {
        return Err(Error::corpus(
            store.path(),
            format!("{id:?} is not embedded yet; run `nearwise index` again"),
        ));
    };
    similar_to(store, &vector, k, filter, Some(key))
}

/// The `k` articles whose vectors are nearest to a unit vector; `except` is left out.
///
/// From [`ANN_FROM`] passages on, and without a filter, the candidates come from the
/// approximate index where it is current; their cosines are exact either way.
///
/// # Errors
/// The file is damaged.
pub fn similar_to(
    store: &Store,
    vector: &[f32],
    k: usize,
    filter: Option<&Filter>,
    except: Option<i64>,
) -> Result<Vec<SimilarHit>> {
    let mut closest = Closest::new(k);
    let index = if filter.is_none() && store.passage_count()? >= ANN_FROM {
        AnnIndex::open(store)?
    } else {
        None
    };
    if let Some(index) = index {
        let mut seen: HashSet<i64> = except.into_iter().collect();
        for (_, passage) in index.articles(store, vector, 4 * k + 16)? {
            if seen.insert(passage.article)
                && let Some(other) = store.article_vector(passage.article)?
            {
                closest.push(dot(vector, &other), passage.article, ());
            }
        }
    } else {
        store.scan_articles(vector.len(), filter, |key, other| {
            if Some(key) != except {
                closest.push(dot(vector, other), key, ());
            }
        })?;
    }
    closest
        .into_sorted()
        .into_iter()
        .map(|(cosine, key, ())| {
            let article = store.article_at(key)?;
            Ok(SimilarHit {
                id: article.id,
                title: article.title,
                date: article.date,
                source: article.source,
                cosine,
            })
        })
        .collect()
}
