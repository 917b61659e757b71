//! The plain reference that answers are compared with: a ranking as a sorted list of all articles,
//! folding and marginal relevance by their definitions, facets by counting.

use nearwise::encoder::Identity;
use nearwise::search::{CountedOver, FoldBy, Found, SearchBy, SearchOptions};
use nearwise::vectors::dot;
use nearwise::{Article, Corpus, Job, Reader};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use tempfile::TempDir;

pub const DIM: usize = 3;

#[derive(Debug, Clone)]
pub struct Made {
    pub vector: Vec<f32>,
    pub day: Option<u32>,
    pub source: Option<&'static str>,
    pub words: Vec<&'static str>,
    pub tags: Vec<&'static str>,
}

/// Few values, so that many articles are equally near, equally old or nearly the same.
pub fn made() -> impl Strategy<Value = Made> {
    let component = prop_oneof![Just(-1.0f32), Just(0.0), Just(0.5), Just(1.0), -1.0f32..1.0];
    let vector = proptest::collection::vec(component, DIM).prop_map(|mut vector| {
        if vector.iter().all(|x| x.abs() < 0.1) {
            vector[0] = 1.0;
        }
        vector
    });
    let words = prop_oneof![
        Just(vec![
            "bank", "rates", "fell", "again", "today", "says", "minister"
        ]),
        Just(vec![
            "bank", "rates", "fell", "again", "today", "says", "mayor"
        ]),
        proptest::collection::vec(
            proptest::sample::select(vec!["bank", "goal", "cup", "rates", "team", "city"]),
            3..9
        ),
    ];
    let source = proptest::option::of(proptest::sample::select(vec!["wire", "post"]));
    let tags = proptest::collection::vec(proptest::sample::select(vec!["a", "b", "c"]), 0..3);
    (vector, proptest::option::of(0u32..60), source, words, tags).prop_map(
        |(vector, day, source, words, tags)| Made {
            vector,
            day,
            source,
            words,
            tags,
        },
    )
}

pub fn date(day: u32) -> String {
    format!("2024-0{}-{:02}", 1 + day / 28, 1 + day % 28)
}

/// Days from the first of January.
pub fn number(day: u32) -> f64 {
    f64::from([0, 31, 60][day as usize / 28] + day % 28)
}

pub struct World {
    pub _folder: TempDir,
    pub reader: Reader,
    pub made: Vec<Made>,
    /// As they are stored.
    pub vectors: Vec<Vec<f32>>,
}

pub fn id(i: usize) -> String {
    format!("n{i}")
}

pub fn world(made: Vec<Made>) -> World {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    writer.bind(&Identity::external("theirs", DIM)).unwrap();
    let articles = made.iter().enumerate().map(|(i, made)| {
        let article = Article {
            id: Some(id(i)),
            title: format!("T{i}"),
            text: made.words.join(" "),
            date: made.day.map(date),
            source: made.source.map(String::from),
            meta: json!({"tags": made.tags}).as_object().unwrap().clone(),
            ..Article::default()
        };
        (article, made.vector.clone())
    });
    writer.add(articles, &Job::new()).unwrap();
    drop(writer);
    let reader = corpus.reader().unwrap();
    let stored = |i: usize| {
        reader
            .article_vector(reader.key_of(&id(i)).unwrap())
            .unwrap()
            .unwrap()
    };
    let vectors = (0..made.len()).map(stored).collect();
    World {
        _folder: folder,
        reader,
        made,
        vectors,
    }
}

/// An article in the reference's ranking.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub article: usize,
    pub score: f64,
    pub cosine: f32,
}

impl World {
    fn passes(&self, i: usize, options: &SearchOptions) -> bool {
        options.filter.is_none() || self.made[i].source == Some("wire")
    }

    /// How much of an article's score its age leaves.
    fn left(&self, i: usize, options: &SearchOptions) -> f64 {
        let Some(half_life) = options.half_life else {
            return 1.0;
        };
        let mut days: Vec<f64> = self.made.iter().filter_map(|m| m.day.map(number)).collect();
        days.sort_by(f64::total_cmp);
        let now = match options.now.as_deref() {
            Some("2024-02-01") => 31.0,
            Some(other) => panic!("{other}"),
            None => days.last().copied().unwrap_or(0.0),
        };
        let middle = days.get(days.len() / 2).copied().unwrap_or(now);
        let day = self.made[i].day.map_or(middle, number);
        (-(now - day).max(0.0) / half_life.in_days()).exp2()
    }

    fn sorted(mut places: Vec<Place>) -> Vec<Place> {
        places.sort_by(|a, b| {
            let same = (a.score - b.score).abs() <= 1e-9 * a.score.abs().max(b.score.abs());
            if !same {
                return b.score.total_cmp(&a.score);
            }
            b.cosine
                .total_cmp(&a.cosine)
                .then(a.article.cmp(&b.article))
        });
        places
    }

    pub fn by_meaning(&self, query: &[f32], options: &SearchOptions, but: &[usize]) -> Vec<Place> {
        let places = (0..self.made.len())
            .filter(|i| self.passes(*i, options) && !but.contains(i))
            .map(|article| (article, dot(query, &self.vectors[article])))
            .filter(|(_, cosine)| options.threshold.is_none_or(|t| *cosine >= t))
            .map(|(article, cosine)| Place {
                article,
                score: f64::from(cosine)
                    * if cosine > 0.0 {
                        self.left(article, options)
                    } else {
                        1.0
                    },
                cosine,
            });
        Self::sorted(places.collect())
    }

    /// BM25 is SQLite's; what is made of it is looked at here.
    fn by_words(&self, words: &str, options: &SearchOptions) -> Vec<Place> {
        let all = SearchOptions {
            k: 1000,
            by: SearchBy::Words,
            ..SearchOptions::default()
        };
        let found = self.reader.search_words(words, &all).unwrap();
        let places = found.hits.iter().map(|hit| {
            let article: usize = hit.id[1..].parse().unwrap();
            Place {
                article,
                score: f64::from(hit.score) * self.left(article, options),
                cosine: 0.0,
            }
        });
        let places: Vec<Place> = places.filter(|p| self.passes(p.article, options)).collect();
        // Without ages, the order is that of scores that f32 may not tell apart.
        if options.half_life.is_none() {
            places
        } else {
            Self::sorted(places)
        }
    }

    pub fn ranking(&self, query: &[f32], words: &str, options: &SearchOptions) -> Vec<Place> {
        match options.by {
            SearchBy::Meaning => self.by_meaning(query, options, &[]),
            SearchBy::Words => self.by_words(words, options),
            SearchBy::Both => {
                let near = self.by_meaning(query, options, &[]);
                let reached: HashMap<usize, f32> =
                    near.iter().map(|p| (p.article, p.cosine)).collect();
                let mut fused: HashMap<usize, f32> = HashMap::new();
                let by_words = self.by_words(words, options);
                let by_words = by_words.iter().filter(|p| reached.contains_key(&p.article));
                let lists: [Vec<usize>; 2] = [
                    near.iter().map(|p| p.article).collect(),
                    by_words.map(|p| p.article).collect(),
                ];
                for list in lists {
                    for (rank, article) in list.into_iter().enumerate() {
                        *fused.entry(article).or_default() += 1.0 / (60.0 + rank as f32 + 1.0);
                    }
                }
                let mut places: Vec<Place> = fused
                    .into_iter()
                    .map(|(article, score)| Place {
                        article,
                        score: f64::from(score),
                        cosine: reached[&article],
                    })
                    .collect();
                places.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.article.cmp(&b.article)));
                places
            }
        }
    }

    fn is_same(&self, a: usize, b: usize, by: FoldBy) -> bool {
        let cosine = dot(&self.vectors[a], &self.vectors[b]);
        let shingles = |i: usize| -> HashSet<&[&str]> { self.made[i].words.windows(3).collect() };
        let (x, y) = (shingles(a), shingles(b));
        let shared = x.intersection(&y).count() as f32 / x.union(&y).count() as f32;
        let words = cosine >= 0.7 && shared >= 0.5;
        match by {
            FoldBy::Words => words,
            FoldBy::Meaning => cosine >= 0.85,
            FoldBy::Either => words || cosine >= 0.85,
        }
    }

    /// Hits, each with the articles that were folded into it.
    pub fn hits(&self, ranking: &[Place], options: &SearchOptions) -> Vec<(Place, Vec<usize>)> {
        self.hits_as(ranking, options, &[])
    }

    /// The same, where of what diversity finds equally good to rounding these come in their order: the page that was
    /// asked for.
    fn hits_as(
        &self,
        ranking: &[Place],
        options: &SearchOptions,
        page: &[String],
    ) -> Vec<(Place, Vec<usize>)> {
        let mut hits: Vec<(Place, Vec<usize>)> = Vec::new();
        for place in ranking {
            let first = options.fold.and_then(|by| {
                let mut hits = hits.iter_mut();
                hits.find(|(hit, _)| self.is_same(hit.article, place.article, by))
            });
            match first {
                Some((_, members)) => members.push(place.article),
                None => hits.push((*place, Vec::new())),
            }
        }
        for (_, members) in &mut hits {
            members.sort_by_key(|i| (self.made[*i].day.is_none(), self.made[*i].day, *i));
        }
        let Some(lambda) = options.diverse else {
            return hits;
        };
        let best = hits.first().map_or(1.0, |(place, _)| place.score);
        let relevance = |place: &Place| match options.by {
            SearchBy::Both => place.score * 61.0 / 2.0,
            _ if place.score <= 0.0 && options.half_life.is_some() => 0.0,
            _ if options.half_life.is_some() => place.score / best,
            SearchBy::Words => place.score / best,
            SearchBy::Meaning => place.score,
        };
        let mut chosen: Vec<(Place, Vec<usize>)> = Vec::new();
        let mut rest = hits;
        while !rest.is_empty() {
            // Fewer articles than the pool's 100.
            let marginal = |(place, _): &(Place, Vec<usize>)| {
                let cosine = |other: &(Place, Vec<usize>)| {
                    dot(&self.vectors[place.article], &self.vectors[other.0.article])
                };
                let unlike = chosen.iter().map(cosine).fold(f32::NEG_INFINITY, f32::max);
                let unlike = if chosen.is_empty() { 0.0 } else { unlike };
                f64::from(lambda) * relevance(place) - f64::from(1.0 - lambda) * f64::from(unlike)
            };
            let marginals: Vec<f64> = rest.iter().map(marginal).collect();
            let most = marginals.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let due = |i: &usize| {
                let id = id(rest[*i].0.article);
                match chosen.len().checked_sub(options.offset) {
                    Some(at) => page.get(at) == Some(&id),
                    None => !page.contains(&id),
                }
            };
            let equal = (0..rest.len()).filter(|i| marginals[*i] >= most - 1e-6);
            let first = equal.clone().next().expect("the most is one of them");
            let next = equal.clone().find(due).unwrap_or(first);
            let next = rest.remove(next);
            chosen.push(next);
        }
        chosen
    }

    /// Looks at an answer, but for the order of what diversity finds equally good to rounding.
    pub fn check(&self, found: &Found, ranking: &[Place], options: &SearchOptions, similar: bool) {
        let ids =
            |found: &Found| -> Vec<String> { found.hits.iter().map(|h| h.id.clone()).collect() };
        let hits = self.hits_as(ranking, options, &ids(found));
        let page: Vec<_> = hits.iter().skip(options.offset).take(options.k).collect();
        let expected: Vec<String> = page.iter().map(|(place, _)| id(place.article)).collect();
        assert_eq!(ids(found), expected, "{options:?}\n{ranking:?}");
        assert_eq!(found.more, hits.len() > options.offset + options.k);
        // A cosine above 1 or below -1 is one of rounding: stored vectors are not quite as long as 1.
        let words = options.by == SearchBy::Words && !similar;
        let shown = |score: f64| if words { score } else { score.clamp(-1.0, 1.0) };
        for (hit, (place, members)) in found.hits.iter().zip(page) {
            assert!(
                (f64::from(hit.score) - shown(place.score)).abs()
                    < 1e-5 * place.score.abs().max(1.0)
            );
            let folded = hit.folded.clone().unwrap_or_default();
            assert_eq!(folded.count, members.len() as u64, "{options:?}");
            let named: Vec<String> = folded.articles.iter().map(|a| a.id.clone()).collect();
            assert_eq!(named, members.iter().map(|i| id(*i)).collect::<Vec<_>>());
        }
        let Some(facets) = &found.facets else {
            assert!(options.facets.is_empty());
            return;
        };
        let over = match (options.by, options.threshold, &options.filter) {
            (SearchBy::Words, _, _) if !similar => CountedOver::Words,
            (_, Some(_), _) => CountedOver::Threshold,
            (_, _, Some(_)) => CountedOver::Filter,
            _ => CountedOver::Corpus,
        };
        assert_eq!(facets.over, over);
        assert_eq!(facets.articles, ranking.len() as u64, "{options:?}");
        let values = |field: &str, i: usize| -> Vec<String> {
            let made = &self.made[i];
            match field {
                "source" => made.source.iter().map(|s| s.to_string()).collect(),
                "year" => made.day.iter().map(|_| "2024".to_string()).collect(),
                "month" => made.day.iter().map(|d| date(*d)[..7].to_string()).collect(),
                _ => made
                    .tags
                    .iter()
                    .collect::<HashSet<_>>()
                    .iter()
                    .map(|t| t.to_string())
                    .collect(),
            }
        };
        for facet in &facets.fields {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            let mut missing = 0;
            for place in ranking {
                let values = values(&facet.field, place.article);
                missing += u64::from(values.is_empty());
                values
                    .into_iter()
                    .for_each(|v| *counts.entry(v).or_default() += 1);
            }
            let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
            counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            let more = counts.len().saturating_sub(options.facets_limit) as u64;
            counts.truncate(options.facets_limit);
            let got: Vec<(String, u64)> = facet
                .values
                .iter()
                .map(|v| (v.value.as_str().unwrap().to_string(), v.count))
                .collect();
            assert_eq!((got, facet.more, facet.missing), (counts, more, missing));
        }
    }
}
