//! What a search without a query answers: the articles of the filter, newest first.

use super::answer::{Found, Hit, HitPassage};
use super::{SearchBy, SearchOptions};
use crate::corpus::boilerplate;
use crate::error::{Error, Result};
use crate::store::{Order, Reader};

/// Bytes of an article that is not cut into passages yet that are shown.
const UNCUT: usize = 1_000;

impl Reader {
    /// The articles that the filter lets through as an answer, newest first, each with its first
    /// passage and a score of 0: what is shown before anybody has asked for something. No model is
    /// needed, and articles that are not embedded yet are there too.
    ///
    /// # Errors
    /// An option cannot be used, among them those that need a query: a threshold, diversity,
    /// folding, a half-life, sentences; the file is damaged.
    pub fn newest(&self, options: &SearchOptions) -> Result<Found> {
        SearchOptions {
            by: SearchBy::Meaning,
            ..options.clone()
        }
        .check()?;
        for (name, given) in [
            ("threshold", options.threshold.is_some()),
            ("diverse", options.diverse.is_some()),
            ("fold", options.fold.is_some()),
            ("half_life", options.half_life.is_some()),
        ] {
            if given {
                let message = "without a query articles are listed by date, newest first: there is no ranking that it could change";
                return Err(Error::parameter(name, message));
            }
        }
        let filter = options.filter.as_ref();
        let listed = self.list(filter, Order::Newest, options.offset, options.k)?;
        let mut hits = Vec::with_capacity(listed.articles.len());
        for shown in listed.articles {
            let article = self.article_at(shown.key)?;
            let mut end = UNCUT.min(article.text.len());
            while !article.text.is_char_boundary(end) {
                end -= 1;
            }
            let first = self.passages(article.key)?.into_iter().next();
            let range = first.map_or(0..end, |passage| passage.range);
            let text = article.text.get(range.clone()).unwrap_or_default();
            let inside = article.boilerplate.iter();
            let inside: Vec<_> = inside
                .filter(|span| span.start >= range.start && span.end <= range.end)
                .map(|span| span.start - range.start..span.end - range.start)
                .collect();
            hits.push(Hit {
                passage: HitPassage {
                    text: boilerplate::without(text, &inside),
                    range,
                },
                id: article.id,
                title: article.title,
                date: article.date,
                source: article.source,
                url: article.url,
                score: 0.0,
                cosine: None,
                fused: None,
                sentence: None,
                folded: None,
            });
        }
        let mut facets = None;
        if !options.facets.is_empty() {
            facets = Some(self.facets(&options.facets, filter, options.facets_limit)?);
        }
        Ok(Found {
            hits,
            exact: true,
            more: listed.more,
            facets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::HalfLife;
    use crate::{Article, Corpus, Job};

    #[test]
    fn newest_first_with_counts() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
        let articles = (0..5).map(|i| Article {
            id: Some(format!("a{i}")),
            text: "ä".repeat(1000),
            date: Some(format!("2025-01-0{}", i + 1)),
            source: Some(if i == 2 { "x" } else { "y" }.to_string()),
            ..Article::default()
        });
        corpus.writer().unwrap().add(articles, &Job::new()).unwrap();
        let reader = corpus.reader().unwrap();
        let options = SearchOptions {
            k: 2,
            offset: 1,
            filter: Some("source = \"y\"".parse().unwrap()),
            facets: vec!["source".into(), "month".into()],
            ..SearchOptions::default()
        };
        let found = reader.newest(&options).unwrap();
        let ids: Vec<&str> = found.hits.iter().map(|h| h.id.as_str()).collect();
        assert_eq!((ids, found.more), (vec!["a3", "a1"], true));
        assert_eq!(found.hits[0].passage.range, 0..1000);
        let facets = found.facets.unwrap();
        assert_eq!((facets.articles, facets.fields[0].values[0].count), (4, 4));
        let asked = SearchOptions {
            half_life: Some(HalfLife::days(3.0).unwrap()),
            ..options
        };
        assert!(reader.newest(&asked).is_err());
    }
}
