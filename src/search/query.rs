//! Queries: one, or many at once.

use super::ann::AnnIndex;
use super::answer::Found;
use super::fold;
use super::fused;
use super::meaning::{self, Scope};
use super::page::{Page, add_sentences, page};
use super::ranking::{Asked, Known, Ranking};
use super::recency::Ages;
use super::{SearchBy, SearchOptions, check_length, facets};
use crate::corpus::passages::{Tokenized, Window, split};
use crate::encoder::{Encoder, Prompt};
use crate::error::{Error, Result};
use crate::store::Reader;
use crate::vectors::normalize;
use std::sync::Arc;

/// Queries that are answered by one pass over the vectors, at most.
const TOGETHER: usize = 512;
/// Places that all of these may keep meanwhile, of some hundred bytes each.
const PLACES: usize = 1 << 18;

impl Reader {
    /// Embeds a query and finds the articles that answer it: by default those whose best passage
    /// is nearest to it. A query that is longer than the model's window counts whole, as the mean of
    /// its passages. By words alone nothing is embedded, and [`Reader::search_words`] needs no
    /// encoder.
    ///
    /// # Errors
    /// Another model made the corpus's vectors, the device fails, an option cannot be used, the file
    /// is damaged.
    pub fn search(&self, encoder: &Encoder, query: &str, options: &SearchOptions) -> Result<Found> {
        if options.by == SearchBy::Words {
            return self.search_words(query, options);
        }
        self.ready(options)?;
        self.check_model(encoder.identity())?;
        let vector = query_vector(encoder, query)?;
        let mut pages = [self.answer(&vector, query, options)?];
        if options.sentences {
            add_sentences(encoder, &mut pages, &[&vector])?;
        }
        let [page] = pages;
        Ok(page.found)
    }

    /// Finds the articles whose best passage is nearest to a unit vector. `words` are the query's
    /// words, where they count.
    ///
    /// # Errors
    /// The vector has another length than those of the corpus; an option cannot be used, among them
    /// sentences, which need an encoder; the file is damaged.
    pub fn search_vector(
        &self,
        query: &[f32],
        words: &str,
        options: &SearchOptions,
    ) -> Result<Found> {
        if options.by == SearchBy::Words {
            return self.search_words(words, options);
        }
        if options.sentences {
            return Err(Error::parameter(
                "sentences",
                "a vector alone is no query that sentences could be compared with",
            ));
        }
        self.ready(options)?;
        check_length(self, query)?;
        Ok(self.answer(query, words, options)?.found)
    }

    /// Finds the articles that hold a query's words (BM25), whatever [`SearchOptions::by`] says. No
    /// model is needed.
    ///
    /// # Errors
    /// An option cannot be used; the file is damaged.
    pub fn search_words(&self, query: &str, options: &SearchOptions) -> Result<Found> {
        let options = SearchOptions {
            by: SearchBy::Words,
            ..options.clone()
        };
        self.ready(&options)?;
        Ok(self.answer(&[], query, &options)?.found)
    }

    /// Answers many queries, as [`Reader::search`] answers each: embedded in batches, and compared
    /// with the vectors in one pass for up to 512 queries.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub fn search_many<S: AsRef<str> + Sync>(
        &self,
        encoder: &Encoder,
        queries: &[S],
        options: &SearchOptions,
    ) -> Result<Vec<Found>> {
        self.ready(options)?;
        if options.by == SearchBy::Words {
            let one = |query: &S| self.search_words(query.as_ref(), options);
            return queries.iter().map(one).collect();
        }
        self.check_model(encoder.identity())?;
        let dim = encoder.identity().dim;
        let ages = Ages::read(self, options)?;
        let index = self.index_for(options)?;
        let depth = match (options.by, options.fold) {
            (SearchBy::Both, None) => fused::depth(fold::needed(options)),
            (SearchBy::Both, Some(_)) => fused::depth(2 * fold::needed(options)),
            (_, None) => fold::needed(options),
            (_, Some(_)) => 2 * fold::needed(options),
        };
        let together = (PLACES / depth.max(1)).clamp(1, TOGETHER);
        let mut out = Vec::with_capacity(queries.len());
        for queries in queries.chunks(together) {
            let vectors = query_vectors(encoder, queries)?;
            let mut known = None;
            if index.is_none() && queries.len() > 1 {
                let scope = Scope {
                    filter: options.filter.as_ref(),
                    threshold: options.threshold,
                    ages: ages.as_ref(),
                };
                let near = meaning::exact_many(self, &vectors, dim, depth, scope)?;
                known = Some(near.into_iter());
            }
            let mut pages: Vec<Page> = Vec::with_capacity(queries.len());
            let each: Vec<&[f32]> = vectors.chunks_exact(dim).collect();
            for (query, vector) in queries.iter().zip(&each) {
                let near = known.as_mut().and_then(Iterator::next);
                let ranking = Ranking {
                    store: self,
                    options,
                    asked: Asked::Query {
                        vector,
                        words: query.as_ref(),
                    },
                    ages: ages.as_ref(),
                    index: index.clone(),
                    known: near.map(|near| Known { depth, near }),
                };
                pages.push(page(&ranking)?);
            }
            if options.sentences {
                add_sentences(encoder, &mut pages, &each)?;
            }
            out.extend(pages.into_iter().map(|page| page.found));
        }
        Ok(out)
    }

    /// Sees to it that the options can be used, before anything is computed.
    fn ready(&self, options: &SearchOptions) -> Result<()> {
        options.check()?;
        facets::check(self, &options.facets)
    }

    fn index_for(&self, options: &SearchOptions) -> Result<Option<Arc<AnnIndex>>> {
        if options.may_use_index() && self.index_wanted(options.mode)? {
            AnnIndex::open(self)
        } else {
            Ok(None)
        }
    }

    fn answer(&self, vector: &[f32], words: &str, options: &SearchOptions) -> Result<Page> {
        let ages = Ages::read(self, options)?;
        page(&Ranking {
            store: self,
            options,
            asked: Asked::Query { vector, words },
            ages: ages.as_ref(),
            index: self.index_for(options)?,
            known: None,
        })
    }
}

/// The vectors of queries, one behind another.
fn query_vectors<S: AsRef<str> + Sync>(encoder: &Encoder, queries: &[S]) -> Result<Vec<f32>> {
    let mut vectors = encoder.encode(queries, Prompt::Query)?;
    let dim = vectors.dim;
    for (i, text) in vectors.texts.iter().enumerate() {
        if text.cut > 0 {
            let whole = query_vector(encoder, queries[i].as_ref())?;
            vectors.values[i * dim..(i + 1) * dim].copy_from_slice(&whole);
        }
    }
    Ok(vectors.values)
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
    let tokens = tokenizer.offsets(query)?;
    let text = Tokenized {
        text: query,
        tokens: &tokens,
    };
    let passages = split(Tokenized::default(), text, &[], window);
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
