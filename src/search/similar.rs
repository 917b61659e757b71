//! Articles like an article.

use super::Mode;
use super::ann::AnnIndex;
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::model::MULTILINGUAL;
use crate::store::{Filter, Reader};
use crate::vectors::{TopK, dot};
use std::collections::HashSet;

/// An article like another.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SimilarHit {
    /// Its id.
    pub id: String,
    /// Its title, or the start of its text.
    pub title: String,
    /// Its date.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
    /// The cosine of the two articles' vectors.
    pub cosine: f32,
}

impl Reader {
    /// The `k` articles most like the one with this id, itself left out.
    ///
    /// # Errors
    /// No article has this id, it is not embedded yet, or the model cannot read it.
    pub fn similar(&self, id: &str, k: usize, filter: Option<&Filter>) -> Result<Vec<SimilarHit>> {
        let key = self.key_of(id)?;
        let Some(vector) = self.article_vector(key)? else {
            return Err(Error::corpus(
                ErrorKind::NotFound(Missing::Vectors),
                self.path(),
                format!("the article {id:?} is not embedded yet"),
            ));
        };
        if self.unread()?.contains(&key) {
            return Err(Error::corpus(
                ErrorKind::NoResult,
                self.path(),
                format!(
                    "the corpus's model cannot read the article {id:?}, so that no other is near to \
                     it; index the articles with a model of their language, such as {MULTILINGUAL}"
                ),
            ));
        }
        nearest(self, &vector, k, filter, Some(key))
    }

    /// The `k` articles whose vectors are nearest to a unit vector, such as
    /// [`Reader::vector_of`] gives for an article that is not in the corpus.
    ///
    /// From [`super::ANN_FROM`] passages on, and without a filter, the candidates come from the
    /// approximate index where it is current; their cosines are exact either way.
    ///
    /// # Errors
    /// The vector has another length than those of the corpus; the file is damaged.
    pub fn similar_to(
        &self,
        vector: &[f32],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<SimilarHit>> {
        super::check_length(self, vector)?;
        nearest(self, vector, k, filter, None)
    }
}

/// The articles nearest to a vector; `except` is left out.
fn nearest(
    store: &Reader,
    vector: &[f32],
    k: usize,
    filter: Option<&Filter>,
    except: Option<i64>,
) -> Result<Vec<SimilarHit>> {
    let mut top = TopK::new(k);
    // What the model cannot read is near to nothing.
    let mut left_out: HashSet<i64> = store.unread()?;
    left_out.extend(except);
    let index = if filter.is_none() && store.index_wanted(Mode::Auto)? {
        AnnIndex::open(store)?
    } else {
        None
    };
    if let Some(index) = index {
        // Passages of what is left out, and several of one article, take places among the
        // candidates; more are asked for until there are enough, or no others.
        let (mut asked, all) = (4 * k + 16, store.passage_count()? as usize);
        loop {
            let candidates = index.articles(store, vector, asked)?;
            let others = candidates.len() == asked && asked < all;
            let mut seen = left_out.clone();
            top = TopK::new(k);
            let mut found = 0;
            for (_, passage) in candidates {
                if seen.insert(passage.article)
                    && let Some(other) = store.article_vector(passage.article)?
                {
                    top.push(dot(vector, &other), passage.article, ());
                    found += 1;
                }
            }
            if found >= k || !others {
                break;
            }
            asked = asked.saturating_mul(4).min(all);
        }
    } else {
        store.scan_articles(vector.len(), filter, |key, other| {
            if !left_out.contains(&key) {
                top.push(dot(vector, other), key, ());
            }
            Ok(())
        })?;
    }
    top.into_sorted()
        .into_iter()
        .map(|(cosine, key, ())| {
            let article = store.article_at(key)?;
            Ok(SimilarHit {
                title: article.heading(),
                id: article.id,
                date: article.date,
                source: article.source,
                cosine: super::at_most_one(cosine),
            })
        })
        .collect()
}
