//! Every option and every combination against the plain reference.

use crate::reference::{DIM, Made, Place, World, id, made, world};
use nearwise::search::{Example, Examples, FoldBy, Found, HalfLife, SearchBy, SearchOptions};
use nearwise::store::Field;
use nearwise::vectors::normalize;
use nearwise::{ErrorKind, Filter};
use proptest::prelude::*;
use std::collections::HashSet;

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
    #![proptest_config(ProptestConfig { cases: crate::common::cases(96), failure_persistence: None, ..ProptestConfig::default() })]

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
    for odd in [f32::NAN, f32::INFINITY] {
        let failed = world.reader.search_vector(&[1.0, odd, 0.0], "", &options);
        assert!(failed.unwrap_err().to_string().contains("finite"));
    }
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

/// Stored vectors are rounded, so that two that point away from each other multiply to less than -1.
#[test]
fn a_cosine_of_opposites_is_shown_as_one() {
    let made = |vector: [f32; 3]| plain(vector, None);
    let world = world(vec![
        made([0.0, -1.0, 1.0]),
        made([-1.0, 0.0, 0.0]),
        made([0.5, 0.0, 0.5]),
        made([0.5, 0.215659, 0.0]),
    ]);
    let example = |i| Example::Id(id(i));
    let examples = Examples {
        like: vec![example(0), example(1)],
        unlike: vec![example(2)],
    };
    let mut query = vec![-0.853_515_6, -0.353_515_63, 0.0];
    normalize(&mut query);
    let options = SearchOptions::default();
    let ranking = world.by_meaning(&query, &options, &[0, 1, 2]);
    assert!(ranking[0].cosine < -1.0, "{ranking:?}");
    let found = world.reader.similar_articles(&examples, &options).unwrap();
    assert_eq!(found.hits[0].score, -1.0);
    world.check(&found, &ranking, &options, true);
}
