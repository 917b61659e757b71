//! Every option and every combination against a plain reference that is written here: a ranking as
//! a sorted list of all articles, folding and marginal relevance by their definitions, facets by
//! counting.

use nearwise::encoder::Identity;
use nearwise::search::{
    CountedOver, Example, Examples, FoldBy, Found, HalfLife, SearchBy, SearchOptions,
};
use nearwise::store::Field;
use nearwise::vectors::{dot, normalize};
use nearwise::{Article, Corpus, ErrorKind, Filter, Job, Reader};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use tempfile::TempDir;

const DIM: usize = 3;

#[derive(Debug, Clone)]
struct Made {
    vector: Vec<f32>,
    day: Option<u32>,
    source: Option<&'static str>,
    words: Vec<&'static str>,
    tags: Vec<&'static str>,
}

/// Few values, so that many articles are equally near, equally old or nearly the same.
fn made() -> impl Strategy<Value = Made> {
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

fn date(day: u32) -> String {
    format!("2024-0{}-{:02}", 1 + day / 28, 1 + day % 28)
}

/// Days from the first of January.
fn number(day: u32) -> f64 {
    f64::from([0, 31, 60][day as usize / 28] + day % 28)
}

struct World {
    _folder: TempDir,
    reader: Reader,
    made: Vec<Made>,
    /// As they are stored.
    vectors: Vec<Vec<f32>>,
}

fn id(i: usize) -> String {
    format!("n{i}")
}

fn world(made: Vec<Made>) -> World {
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
struct Place {
    article: usize,
    score: f64,
    cosine: f32,
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

    fn by_meaning(&self, query: &[f32], options: &SearchOptions, but: &[usize]) -> Vec<Place> {
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

    fn ranking(&self, query: &[f32], words: &str, options: &SearchOptions) -> Vec<Place> {
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
    fn hits(&self, ranking: &[Place], options: &SearchOptions) -> Vec<(Place, Vec<usize>)> {
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
            let mut best = 0;
            for i in 1..rest.len() {
                if marginal(&rest[i]) > marginal(&rest[best]) + 1e-6 {
                    best = i;
                }
            }
            let next = rest.remove(best);
            chosen.push(next);
        }
        chosen
    }

    /// Looks at an answer, but for the order of what diversity finds equally good to rounding.
    fn check(&self, found: &Found, ranking: &[Place], options: &SearchOptions, similar: bool) {
        let hits = self.hits(ranking, options);
        let page: Vec<_> = hits.iter().skip(options.offset).take(options.k).collect();
        let ids =
            |found: &Found| -> Vec<String> { found.hits.iter().map(|h| h.id.clone()).collect() };
        let expected: Vec<String> = page.iter().map(|(place, _)| id(place.article)).collect();
        assert_eq!(ids(found), expected, "{options:?}\n{ranking:?}");
        assert_eq!(found.more, hits.len() > options.offset + options.k);
        // A cosine above 1 is one of rounding.
        let words = options.by == SearchBy::Words && !similar;
        let shown = |score: f64| if words { score } else { score.min(1.0) };
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

fn options() -> impl Strategy<Value = SearchOptions> {
    let by = prop_oneof![
        3 => Just(SearchBy::Meaning),
        1 => Just(SearchBy::Words),
        1 => Just(SearchBy::Both)
    ];
    let fold = proptest::option::of(proptest::sample::select(vec![
        FoldBy::Words,
        FoldBy::Meaning,
        FoldBy::Either,
    ]));
    let half_life = proptest::option::of((5.0f64..400.0, any::<bool>()));
    let counted = (any::<bool>(), 1usize..4);
    (
        (1usize..12, 0usize..8, by, any::<bool>()),
        (
            proptest::option::of(-0.5f32..0.9),
            proptest::option::of(0.0f32..=1.0),
            fold,
        ),
        half_life,
        counted,
    )
        .prop_map(
            |((k, offset, by, filtered), (threshold, diverse, fold), half_life, counted)| {
                let fields = ["source", "year", "month", "tags"];
                SearchOptions {
                    k,
                    offset,
                    filter: filtered.then(|| Filter::eq("source", "wire")),
                    by,
                    threshold: threshold.filter(|_| by != SearchBy::Words),
                    diverse,
                    fold,
                    half_life: half_life.map(|(days, _)| HalfLife::days(days).unwrap()),
                    now: half_life.and_then(|(_, now)| now.then(|| "2024-02-01".to_string())),
                    facets: Vec::from_iter(
                        fields.into_iter().filter(|_| counted.0).map(Field::new),
                    ),
                    facets_limit: counted.1,
                    ..SearchOptions::default()
                }
            },
        )
}

/// Marginal relevances that are equal but for rounding may come in either order.
fn is_settled(world: &World, ranking: &[Place], options: &SearchOptions) -> bool {
    let Some(lambda) = options.diverse else {
        return true;
    };
    let nudge = |by: f32| {
        let lambda = (lambda + by).clamp(0.0, 1.0);
        let options = SearchOptions {
            diverse: Some(lambda),
            ..options.clone()
        };
        let hits = world.hits(ranking, &options).into_iter();
        hits.map(|(place, _)| place.article).collect::<Vec<_>>()
    };
    nudge(-1e-4) == nudge(1e-4)
}

const WORDS: &str = "bank goal minister";

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_combination_equals_its_definition(
        made in proptest::collection::vec(made(), 1..40),
        mut query in proptest::collection::vec(-1.0f32..1.0, DIM),
        asked in proptest::collection::vec(options(), 6),
    ) {
        normalize(&mut query);
        prop_assume!(query.iter().any(|x| x.abs() > 0.1));
        let world = world(made);
        for options in &asked {
            let ranking = world.ranking(&query, WORDS, options);
            if is_settled(&world, &ranking, options) {
                let found = world.reader.search_vector(&query, WORDS, options).unwrap();
                world.check(&found, &ranking, options, false);
            }
        }
    }

    /// The pages of an answer, one after another, are one large answer; and nothing about a hit
    /// depends on how many are asked for.
    #[test]
    fn pages_join_to_one_answer(
        made in proptest::collection::vec(made(), 1..40),
        mut query in proptest::collection::vec(-1.0f32..1.0, DIM),
        options in options(),
        page in 1usize..7,
    ) {
        normalize(&mut query);
        let world = world(made);
        let ask = |k, offset| {
            let options = SearchOptions { k, offset, ..options.clone() };
            world.reader.search_vector(&query, WORDS, &options).unwrap()
        };
        let whole = ask(100, 0);
        prop_assert!(!whole.more);
        let mut joined = Vec::new();
        loop {
            let found = ask(page, joined.len());
            prop_assert_eq!(&found.facets, &whole.facets);
            joined.extend(found.hits);
            if !found.more {
                break;
            }
        }
        prop_assert_eq!(joined, whole.hits);
    }

    #[test]
    fn similar_articles_equal_their_definition(
        made in proptest::collection::vec(made(), 6..40),
        asked in proptest::collection::vec(options(), 4),
        like in 1usize..3,
        unlike in 0usize..3,
    ) {
        let world = world(made);
        let mean = |from: usize, n: usize| -> Vec<f32> {
            let mut sum = world.vectors[from].clone();
            for i in from + 1..from + n {
                sum.iter_mut().zip(&world.vectors[i]).for_each(|(s, x)| *s += x);
            }
            if n > 1 {
                sum.iter_mut().for_each(|s| *s /= n as f32);
            }
            sum
        };
        let mut query = mean(0, like);
        if unlike > 0 {
            query.iter_mut().zip(mean(like, unlike)).for_each(|(s, x)| *s -= 0.5 * x);
        }
        let examples = Examples {
            like: (0..like).map(|i| Example::Id(id(i))).collect(),
            unlike: (like..like + unlike).map(|i| Example::Id(id(i))).collect(),
        };
        let length = query.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length < 0.01 {
            return Ok(());
        }
        if like + unlike > 1 {
            normalize(&mut query);
        }
        let but: Vec<usize> = (0..like + unlike).collect();
        for options in &asked {
            let options = SearchOptions { by: SearchBy::Meaning, ..options.clone() };
            let ranking = world.by_meaning(&query, &options, &but);
            if is_settled(&world, &ranking, &options) {
                let found = world.reader.similar_articles(&examples, &options).unwrap();
                world.check(&found, &ranking, &options, true);
            }
        }
    }
}

fn plain(vector: [f32; 3], day: Option<u32>) -> Made {
    Made {
        vector: vector.to_vec(),
        day,
        source: Some("wire"),
        words: vec!["bank", "rates", "fell"],
        tags: vec![],
    }
}

#[test]
fn ties_are_broken_by_the_order_in_which_articles_were_read() {
    let world = world((0..30).map(|_| plain([1.0, 0.0, 0.0], Some(3))).collect());
    for by in [SearchBy::Meaning, SearchBy::Words, SearchBy::Both] {
        for half_life in [None, Some(HalfLife::days(9.0).unwrap())] {
            let options = SearchOptions {
                k: 30,
                by,
                half_life,
                ..SearchOptions::default()
            };
            let found = world
                .reader
                .search_vector(&[0.6, 0.8, 0.0], "bank", &options)
                .unwrap();
            let ids: Vec<String> = found.hits.into_iter().map(|h| h.id).collect();
            assert_eq!(ids, (0..30).map(id).collect::<Vec<_>>());
        }
    }
}

/// However far one goes down, each article of a hundred and more comes once.
#[test]
fn pages_by_both_join_far_down() {
    let made = |i: usize| Made {
        vector: vec![(i as f32).cos(), (i as f32).sin(), 0.3],
        words: if i.is_multiple_of(3) {
            vec!["bank"; 1 + i % 7]
        } else {
            vec!["goal"; 3]
        },
        ..plain([1.0, 0.0, 0.0], Some(i as u32 % 50))
    };
    let world = world((0..450).map(made).collect());
    let ask = |k, offset, diverse| {
        let options = SearchOptions {
            k,
            offset,
            by: SearchBy::Both,
            diverse,
            ..SearchOptions::default()
        };
        world
            .reader
            .search_vector(&[0.6, 0.8, 0.0], "bank", &options)
            .unwrap()
            .hits
    };
    for diverse in [None, Some(0.6)] {
        let whole = ask(450, 0, diverse);
        let distinct: HashSet<&str> = whole.iter().map(|h| h.id.as_str()).collect();
        assert_eq!((whole.len(), distinct.len()), (450, 450));
        let pages = (0..9).flat_map(|page| ask(50, 50 * page, diverse));
        assert!(pages.eq(whole));
    }
}

#[test]
fn a_negative_cosine_gains_nothing_by_age_and_no_date_is_the_middle_one() {
    let world = world(vec![
        plain([-1.0, 0.1, 0.0], Some(0)),
        plain([-0.9, 0.4, 0.0], Some(55)),
        plain([1.0, 0.0, 0.0], None),
        plain([1.0, 0.0, 0.0], Some(27)),
        plain([1.0, 0.0, 0.0], Some(55)),
        plain([1.0, 0.0, 0.0], Some(0)),
    ]);
    let options = SearchOptions {
        half_life: Some("1d".parse().unwrap()),
        ..SearchOptions::default()
    };
    let found = world
        .reader
        .search_vector(&[1.0, 0.0, 0.0], "", &options)
        .unwrap();
    let ids: Vec<&str> = found.hits.iter().map(|h| h.id.as_str()).collect();
    assert_eq!(ids, ["n4", "n2", "n3", "n5", "n1", "n0"]);
    assert_eq!(found.hits[0].score, 1.0);
    assert_eq!(found.hits[1].score, found.hits[2].score);
    // So old that nothing is left in numbers, and still in order.
    let later = SearchOptions {
        now: Some("2099".to_string()),
        ..options
    };
    let later = world
        .reader
        .search_vector(&[1.0, 0.0, 0.0], "", &later)
        .unwrap();
    assert_eq!(later.hits[0].score, 0.0);
    let order: Vec<&str> = later.hits.iter().map(|h| h.id.as_str()).collect();
    assert_eq!(order, ids);
}

#[test]
fn what_cannot_be_asked_is_refused_in_a_line() {
    let world = world((0..4).map(|_| plain([1.0, 0.0, 0.0], None)).collect());
    let usual = SearchOptions::default;
    let refused = |options: &SearchOptions| {
        let error = world
            .reader
            .search_vector(&[1.0, 0.0, 0.0], "bank", options)
            .unwrap_err();
        match error.kind() {
            ErrorKind::InvalidParameter(name) => (name, error.message().to_string()),
            kind => panic!("{kind:?}"),
        }
    };
    for (options, name, said) in [
        (
            SearchOptions {
                threshold: Some(1.5),
                ..usual()
            },
            "threshold",
            "-1 to 1",
        ),
        (
            SearchOptions {
                threshold: Some(f32::NAN),
                ..usual()
            },
            "threshold",
            "-1 to 1",
        ),
        (
            SearchOptions {
                threshold: Some(0.5),
                by: SearchBy::Words,
                ..usual()
            },
            "threshold",
            "by words alone",
        ),
        (
            SearchOptions {
                diverse: Some(-0.1),
                ..usual()
            },
            "diverse",
            "0 to 1",
        ),
        (
            SearchOptions {
                diverse: Some(0.5),
                offset: 1000,
                ..usual()
            },
            "diverse",
            "first 1000",
        ),
        (
            SearchOptions {
                fold: Some(FoldBy::Words),
                k: 10_001,
                ..usual()
            },
            "fold",
            "first 10000",
        ),
        (
            SearchOptions {
                now: Some("2024".into()),
                ..usual()
            },
            "now",
            "half-life",
        ),
        (
            SearchOptions {
                now: Some("soon".into()),
                half_life: "1d".parse().ok(),
                ..usual()
            },
            "now",
            "no date",
        ),
        (
            SearchOptions {
                facets: vec!["sourse".into()],
                ..usual()
            },
            "facets",
            "\"source\"?",
        ),
        (
            SearchOptions {
                facets: vec!["title".into()],
                ..usual()
            },
            "facets",
            "of each article",
        ),
        (
            SearchOptions {
                sentences: true,
                ..usual()
            },
            "sentences",
            "vector",
        ),
        (
            SearchOptions {
                offset: usize::MAX,
                ..usual()
            },
            "offset",
            "first",
        ),
    ] {
        let (got, message) = refused(&options);
        assert_eq!(got, name, "{message}");
        assert!(message.contains(said), "{message}");
    }
    let similar = |like: &[&str], unlike: &[&str], options: SearchOptions| {
        let of = |ids: &[&str]| ids.iter().map(|id| Example::Id(id.to_string())).collect();
        let examples = Examples {
            like: of(like),
            unlike: of(unlike),
        };
        world
            .reader
            .similar_articles(&examples, &options)
            .map(|found| found.hits.len())
    };
    let both = SearchOptions {
        by: SearchBy::Both,
        ..usual()
    };
    for (like, unlike, options, name) in [
        (&["n0"][..], &["n0"][..], usual(), "unlike"),
        (&[], &["n0"], usual(), "like"),
        (&["n0"], &[], both, "by"),
        (
            &["n0"],
            &[],
            SearchOptions {
                sentences: true,
                ..usual()
            },
            "sentences",
        ),
    ] {
        let error = similar(like, unlike, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter(name), "{error}");
    }
    assert_eq!(similar(&["n0", "n0"], &["n1"], usual()).unwrap(), 2);
    for wrong in ["", "30", "d", "-1d", "0d", "1e9y", "nand", "30 days"] {
        assert!(wrong.parse::<HalfLife>().is_err(), "{wrong:?}");
    }
    for (text, days) in [
        ("30d", 30.0),
        ("2w", 14.0),
        ("1y", 365.25),
        ("12m", 365.25),
        ("0.5 d", 0.5),
    ] {
        assert!((text.parse::<HalfLife>().unwrap().in_days() - days).abs() < 1e-9);
    }
}

#[test]
fn options_are_data() {
    let text = r#"{"k": 3, "by": "both", "mode": "exact", "threshold": 0.2, "diverse": 0.5, "fold": "either",
        "half_life": "2w", "now": "2024-01", "facets": ["source", {"metadata": "title"}],
        "filter": {"compare": {"field": "source", "op": "=", "value": "wire"}}}"#;
    let options: SearchOptions = serde_json::from_str(text).unwrap();
    assert_eq!(options.half_life.unwrap().in_days(), 14.0);
    let again = serde_json::to_string(&options).unwrap();
    assert_eq!(
        serde_json::from_str::<SearchOptions>(&again).unwrap(),
        options
    );
    assert!(serde_json::from_str::<SearchOptions>(r#"{"limit": 3}"#).is_err());
    let examples: Examples = serde_json::from_str(r#"{"like": ["a", [1.0, 2.0]]}"#).unwrap();
    assert_eq!(examples.like[1], Example::Vector(vec![1.0, 2.0]));
    let world = world(vec![
        plain([1.0, 0.0, 0.0], Some(2)),
        plain([1.0, 0.1, 0.0], None),
    ]);
    let found = world.reader.search_vector(
        &[1.0, 0.0, 0.0],
        "",
        &SearchOptions {
            fold: Some(FoldBy::Words),
            facets: vec!["year".into()],
            ..SearchOptions::default()
        },
    );
    let found = found.unwrap();
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Found>(&json).unwrap(), found);
    assert_eq!(found.hits[0].folded.as_ref().unwrap().count, 1);
}
