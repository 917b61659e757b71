//! From a ranking to the page of an answer.

use super::answer::{Found, Hit, HitPassage, Sentence};
use super::fold::{self, Folder};
use super::rank::{Candidate, relevance};
use super::ranking::{Asked, Ranking};
use super::words::Terms;
use super::{SearchBy, at_most_one, diverse, facets, sentence};
use crate::corpus::boilerplate;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::store::{Reader, StoredArticle};
use std::ops::Range;

/// An answer whose sentences may be missing still.
pub(super) struct Page {
    pub found: Found,
    /// The sentences of each hit's passage, where they were asked for.
    pub sentences: Vec<Vec<Sentence>>,
}

/// Cuts the page of an answer out of a ranking.
pub(super) fn page(ranking: &Ranking<'_>) -> Result<Page> {
    let (store, options) = (ranking.store, ranking.options);
    let counter = facets::Counter::new(store, &options.facets)?;
    let needed = fold::needed(options);
    let mut hits: Vec<(Candidate, Vec<i64>)> = Vec::new();
    let mut vectors: Vec<Option<Vec<f32>>> = Vec::new();
    match options.fold {
        None => {
            let first = ranking.first(needed)?.into_iter().take(needed);
            hits.extend(first.map(|candidate| (candidate, Vec::new())));
            if options.diverse.is_some() {
                let of = |(c, _): &(Candidate, _)| store.article_vector(c.key);
                vectors = hits.iter().map(of).collect::<Result<_>>()?;
            }
        }
        Some(by) => {
            for (candidate, vector, members) in folded(ranking, Folder::new(store, by), needed)? {
                hits.push((candidate, members));
                vectors.push(vector);
            }
        }
    }
    let more = hits.len() > options.end();
    if let Some(lambda) = options.diverse {
        let logarithm = ranking.ages.is_some();
        let relevance: Vec<f32> = hits
            .iter()
            .map(|(candidate, _)| relevance(candidate, &hits[0].0, logarithm))
            .collect();
        let order = diverse::choose(lambda, &relevance, &vectors, options.end());
        hits = order.into_iter().map(|i| hits[i].clone()).collect();
    }
    let mut page = Page {
        found: Found {
            hits: Vec::new(),
            exact: ranking.index.is_none(),
            more,
            facets: None,
        },
        sentences: Vec::new(),
    };
    let terms = match ranking.asked {
        Asked::Query { words, .. } if options.by == SearchBy::Words => {
            Some(Terms::of(store, words)?)
        }
        _ => None,
    };
    for (candidate, members) in hits.into_iter().skip(options.offset).take(options.k) {
        let article = store.article_at(candidate.key)?;
        let range = match (&candidate.passage, &terms) {
            (Some(passage), _) => passage.range.clone(),
            (None, Some(terms)) => with_words(store, &article, terms)?,
            (None, None) => ranking.passage(candidate.key)?.map_or(0..0, |p| p.range),
        };
        let range = range.start.min(article.text.len())..range.end.min(article.text.len());
        let mut sentences = Vec::new();
        if options.sentences {
            sentences = sentence::within(&article, &range);
        }
        let mut hit = hit(article, range, &candidate);
        if let Asked::Similar { .. } = ranking.asked {
            hit.title = store.described_at(candidate.key)?.title;
        }
        if let Some(terms) = &terms {
            hit.sentence = sentence::with_words(terms, std::mem::take(&mut sentences));
        }
        hit.folded = fold::described(store, &members)?;
        page.sentences.push(sentences);
        page.found.hits.push(hit);
    }
    if !options.facets.is_empty() {
        page.found.facets = Some(facets::count(ranking, counter, options.facets_limit)?);
    }
    Ok(page)
}

/// A hit, its article's vector, and the rows of what was folded into it.
type FoldedHit = (Candidate, Option<Vec<f32>>, Vec<i64>);

/// The first `needed` hits of a ranking in which what is nearly the same is folded.
fn folded(ranking: &Ranking<'_>, mut folder: Folder<'_>, needed: usize) -> Result<Vec<FoldedHit>> {
    let mut depth = needed.saturating_mul(2);
    loop {
        let places = ranking.first(depth)?;
        let all = places.len() < depth;
        for candidate in places {
            if folder.len() == needed {
                break;
            }
            folder.take(candidate)?;
        }
        if all || folder.len() == needed {
            break;
        }
        depth = depth.saturating_mul(4);
    }
    if let Some(identity) = ranking.store.identity()? {
        let places = ranking.places()?;
        folder.count_rest(identity.dim, ranking.options.filter.as_ref(), places)?;
    }
    Ok(folder.into_hits())
}

/// The sentences of pages that answer best, all embedded in one call; `vectors` are those of the
/// queries.
pub(super) fn add_sentences(
    encoder: &Encoder,
    pages: &mut [Page],
    vectors: &[&[f32]],
) -> Result<()> {
    let mut queries: Vec<&[f32]> = Vec::new();
    let mut hits = Vec::new();
    for (page, vector) in pages.iter_mut().zip(vectors) {
        for sentences in page.sentences.drain(..) {
            queries.push(vector);
            hits.push(sentences);
        }
    }
    let mut best = sentence::nearest(encoder, &queries, hits)?.into_iter();
    for page in pages {
        for hit in &mut page.found.hits {
            hit.sentence = best.next().flatten();
        }
    }
    Ok(())
}

fn hit(article: StoredArticle, range: Range<usize>, candidate: &Candidate) -> Hit {
    let inside: Vec<Range<usize>> = article
        .boilerplate
        .iter()
        .filter(|s| s.start >= range.start && s.end <= range.end)
        .map(|s| s.start - range.start..s.end - range.start)
        .collect();
    let text = article.text.get(range.clone()).unwrap_or_default();
    let cosine = candidate.cosine.map(at_most_one);
    Hit {
        id: article.id,
        title: article.title,
        date: article.date,
        source: article.source,
        url: article.url,
        score: match cosine {
            // A cosine that is rounded above 1 is none.
            Some(_) => at_most_one(candidate.score),
            None => candidate.score,
        },
        cosine,
        fused: candidate.fused,
        passage: HitPassage {
            text: boilerplate::without(text, &inside),
            range,
        },
        sentence: None,
        folded: None,
    }
}

/// Of an article that is not cut into passages yet, so many bytes are shown.
const UNCUT: usize = 1_000;

/// The range of the passage that holds the most of the words, the first where none holds any (it
/// may be the title alone that does).
fn with_words(store: &Reader, article: &StoredArticle, terms: &Terms) -> Result<Range<usize>> {
    let passages = store.passages(article.key)?;
    if passages.is_empty() {
        let mut end = UNCUT.min(article.text.len());
        while !article.text.is_char_boundary(end) {
            end -= 1;
        }
        return Ok(0..end);
    }
    let text = |range: &Range<usize>| article.text.get(range.clone()).unwrap_or_default();
    let best = terms.best(passages.iter().map(|p| text(&p.range)));
    Ok(passages[best.unwrap_or(0)].range.clone())
}
