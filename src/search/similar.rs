//! Articles like others, and unlike others.

use super::ann::AnnIndex;
use super::answer::Found;
use super::page::page;
use super::ranking::{Asked, Ranking};
use super::recency::Ages;
use super::{SearchBy, SearchOptions, facets};
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::model::MULTILINGUAL;
use crate::store::{Filter, Reader};
use crate::vectors::normalize;
use serde::{Deserialize, Serialize};
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

/// Something that articles are to be like or unlike; in JSON an id or a list of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "an article's id, or a vector")]
pub enum Example {
    /// The article with this id.
    Id(String),
    /// A vector, such as [`Reader::vector_of`] gives for an article that is not in the corpus, and
    /// [`Encoder::encode`](crate::Encoder::encode) for a text.
    Vector(Vec<f32>),
}

/// What articles are to be like, and what not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    /// One at least.
    pub like: Vec<Example>,
    /// As many as are wanted.
    #[serde(default)]
    pub unlike: Vec<Example>,
}

impl Examples {
    /// How much what is unlike counts against what is like. With all its weight it would take away
    /// what both have in common, which is mostly what was looked for.
    pub const UNLIKE: f32 = 0.5;

    /// Like one article.
    pub fn like(id: impl Into<String>) -> Self {
        Self {
            like: vec![Example::Id(id.into())],
            unlike: Vec::new(),
        }
    }
}

impl Reader {
    /// The `k` articles most like the one with this id, itself left out.
    ///
    /// # Errors
    /// No article has this id, it is not embedded yet, or the model cannot read it.
    pub fn similar(&self, id: &str, k: usize, filter: Option<&Filter>) -> Result<Vec<SimilarHit>> {
        self.nearest(Examples::like(id), k, filter)
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
        let examples = Examples {
            like: vec![Example::Vector(vector.to_vec())],
            unlike: Vec::new(),
        };
        self.nearest(examples, k, filter)
    }

    fn nearest(
        &self,
        examples: Examples,
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<SimilarHit>> {
        let options = SearchOptions {
            k,
            filter: filter.cloned(),
            ..SearchOptions::default()
        };
        let found = self.similar_articles(&examples, &options)?;
        let hits = found.hits.into_iter().map(|hit| SimilarHit {
            id: hit.id,
            title: hit.title,
            date: hit.date,
            source: hit.source,
            cosine: hit.cosine.unwrap_or(hit.score),
        });
        Ok(hits.collect())
    }

    /// The articles most like some and least like others.
    ///
    /// They are ranked by the cosine of their vectors and one vector: the mean of the vectors of
    /// what they are to be like, less half of the mean of those that they are to be unlike, scaled
    /// to unit length (Rocchio, "Relevance feedback in information retrieval", 1971). The examples
    /// themselves are never among the answers, and what the model cannot read is near to nothing.
    ///
    /// # Errors
    /// An example is not in the corpus, is not embedded yet, cannot be read by the model, or is a
    /// vector of another length; the examples cancel each other; an option cannot be used, among
    /// them those that need a query's words: [`SearchOptions::by`] other than meaning, and
    /// sentences.
    pub fn similar_articles(&self, examples: &Examples, options: &SearchOptions) -> Result<Found> {
        options.check()?;
        facets::check(self, &options.facets)?;
        if options.by != SearchBy::Meaning {
            return Err(Error::parameter(
                "by",
                "similar articles are found by meaning alone: there is no query whose words could count",
            ));
        }
        if options.sentences {
            return Err(Error::parameter(
                "sentences",
                "similar articles are compared whole: there is no query that a sentence could answer",
            ));
        }
        let mut left_out: HashSet<i64> = HashSet::new();
        let unread = self.unread()?;
        let like = self.mean(&examples.like, &unread, &mut left_out)?;
        let Some(mut vector) = like else {
            return Err(Error::parameter(
                "like",
                "give at least one article to be like",
            ));
        };
        if let Some(unlike) = self.mean(&examples.unlike, &unread, &mut left_out)? {
            for (x, y) in vector.iter_mut().zip(unlike) {
                *x -= Examples::UNLIKE * y;
            }
        }
        let alone = examples.like.len() == 1 && examples.unlike.is_empty();
        if !alone {
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            if length < 1e-3 {
                return Err(Error::parameter(
                    "like",
                    "what is to be like and unlike cancel each other",
                ));
            }
            normalize(&mut vector);
        }
        left_out.extend(unread);
        let ages = Ages::read(self, options)?;
        let index = if options.may_use_index() && self.index_wanted(options.mode)? {
            AnnIndex::open(self)?
        } else {
            None
        };
        let ranking = Ranking {
            store: self,
            options,
            asked: Asked::Similar {
                vector: &vector,
                left_out: &left_out,
            },
            ages: ages.as_ref(),
            index,
            known: None,
        };
        Ok(page(&ranking)?.found)
    }

    /// The mean of the examples' vectors; `None` where there are none. Those that are articles are
    /// put to `rows`.
    fn mean(
        &self,
        examples: &[Example],
        unread: &HashSet<i64>,
        rows: &mut HashSet<i64>,
    ) -> Result<Option<Vec<f32>>> {
        let mut sum: Option<Vec<f32>> = None;
        let mut own: HashSet<i64> = HashSet::new();
        let mut count = 0;
        for example in examples {
            let vector = match example {
                Example::Id(id) => {
                    let key = self.key_of(id)?;
                    if rows.contains(&key) {
                        return Err(Error::parameter(
                            "unlike",
                            format!("the article {id:?} is to be like and unlike"),
                        ));
                    }
                    // One that is named twice counts once.
                    if !own.insert(key) {
                        continue;
                    }
                    self.example(id, key, unread)?
                }
                Example::Vector(vector) => {
                    super::check_length(self, vector)?;
                    vector.clone()
                }
            };
            count += 1;
            match &mut sum {
                Some(sum) => sum.iter_mut().zip(vector).for_each(|(s, x)| *s += x),
                None => sum = Some(vector),
            }
        }
        rows.extend(own);
        if let Some(sum) = &mut sum
            && count > 1
        {
            sum.iter_mut().for_each(|s| *s /= count as f32);
        }
        Ok(sum)
    }

    /// The vector of an article that others are to be like.
    fn example(&self, id: &str, key: i64, unread: &HashSet<i64>) -> Result<Vec<f32>> {
        let Some(vector) = self.article_vector(key)? else {
            return Err(Error::corpus(
                ErrorKind::NotFound(Missing::Vectors),
                self.path(),
                format!("the article {id:?} is not embedded yet"),
            ));
        };
        if unread.contains(&key) {
            return Err(Error::corpus(
                ErrorKind::NoResult,
                self.path(),
                format!(
                    "the corpus's model cannot read the article {id:?}, so that no other is near to \
                     it; index the articles with a model of their language, such as {MULTILINGUAL}"
                ),
            ));
        }
        Ok(vector)
    }
}
