//! Search by number of passages: exact against HNSW, warm (the corpus is open) and cold (it is
//! opened for the one search, as a command does; the file is in the system's cache), with the
//! share of the exact ten nearest that HNSW finds, and the time to build it; then what pages,
//! diversity, folds, ages and facets add.
//!
//! `cargo bench --bench search`; `NEARWISE_BENCH_SIZES="10000 1000000"` for other sizes.

mod common;

use common::{corpus, encoder, sizes, vector};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nearwise::search::{FoldBy, Mode, SearchBy, SearchOptions};
use nearwise::{Corpus, Job, Reader};
use std::collections::HashSet;
use std::time::{Duration, Instant};

const QUERIES: u64 = 200;

fn ids(store: &Reader, query: &[f32], mode: Mode) -> HashSet<String> {
    let options = SearchOptions {
        mode,
        ..SearchOptions::default()
    };
    let found = store
        .search_vector(query, "", &options)
        .expect("a sound corpus");
    assert_eq!(
        found.exact,
        matches!(mode, Mode::Exact),
        "the index was not used"
    );
    found.hits.into_iter().map(|hit| hit.id).collect()
}

fn search(c: &mut Criterion) {
    let mut group = c.benchmark_group("search");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for n in sizes(&[10_000, 50_000, 200_000]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = corpus(folder.path(), n).path().to_path_buf();
        let open = || {
            let corpus = Corpus::open(&path).expect("the corpus just made");
            corpus.reader().expect("it opened before")
        };
        let store = open();
        let started = Instant::now();
        store
            .refresh_index(Mode::Approximate, &Job::new())
            .expect("the index can be built");
        println!(
            "{n} passages: HNSW built in {:.1} s",
            started.elapsed().as_secs_f64()
        );
        // Queries that no article has as its own vector.
        let queries: Vec<Vec<f32>> = (0..QUERIES).map(|i| vector(0xabcd_ef00 + i)).collect();
        let found: usize = queries
            .iter()
            .map(|q| {
                ids(&store, q, Mode::Exact)
                    .intersection(&ids(&store, q, Mode::Approximate))
                    .count()
            })
            .sum();
        println!(
            "{n} passages: recall@10 {:.4}",
            found as f64 / (10 * QUERIES) as f64
        );
        for (name, mode) in [("exact", Mode::Exact), ("hnsw", Mode::Approximate)] {
            let mut turn = queries.iter().cycle();
            let mut next = move || turn.next().expect("a cycle does not end");
            group.bench_function(BenchmarkId::new(format!("{name}-warm"), n), |b| {
                b.iter(|| ids(&store, next(), mode));
            });
            group.bench_function(BenchmarkId::new(format!("{name}-cold"), n), |b| {
                b.iter(|| ids(&open(), next(), mode));
            });
        }
        many(&store, n);
        for (name, options) in answers(&store) {
            let mut turn = queries.iter().cycle();
            group.bench_function(BenchmarkId::new(name, n), |b| {
                b.iter(|| {
                    let query = turn.next().expect("a cycle does not end");
                    store.search_vector(query, "the bank", &options)
                });
            });
        }
    }
    group.finish();
}

/// A thousand queries by one pass over the vectors for many, and one after another.
fn many(store: &Reader, n: usize) {
    let encoder = encoder();
    let letters = |i: usize| char::from(b'b' + (i % 20) as u8);
    let queries: Vec<String> = (0..1000)
        .map(|i| {
            format!(
                "the bank {} {} {}",
                letters(i),
                letters(i / 20),
                letters(i / 400)
            )
        })
        .collect();
    let options = SearchOptions {
        mode: Mode::Exact,
        ..SearchOptions::default()
    };
    let started = Instant::now();
    let together = store.search_many(&encoder, &queries, &options);
    let together = (together.expect("a sound corpus"), started.elapsed());
    let started = Instant::now();
    let each = queries.iter().map(|q| store.search(&encoder, q, &options));
    let each: Vec<_> = each.map(|found| found.expect("a sound corpus")).collect();
    let seconds = started.elapsed().as_secs_f64();
    assert!(each == together.0, "the answers differ");
    let per_second = |seconds: f64| queries.len() as f64 / seconds;
    println!(
        "{n} passages: {:.0} queries/s at once, {:.0} one after another",
        per_second(together.1.as_secs_f64()),
        per_second(seconds)
    );
}

/// What an answer costs more when more is asked of it; every vector is compared.
fn answers(store: &Reader) -> Vec<(&'static str, SearchOptions)> {
    let exact = SearchOptions {
        mode: Mode::Exact,
        ..SearchOptions::default()
    };
    let asked = |with: fn(&mut SearchOptions)| {
        let mut options = exact.clone();
        with(&mut options);
        options.check().expect("options that can be used");
        options
    };
    let mut all = vec![
        ("offset", asked(|o| o.offset = 100)),
        (
            "diverse",
            asked(|o| o.diverse = Some(SearchOptions::LAMBDA)),
        ),
        ("fold-words", asked(|o| o.fold = Some(FoldBy::Words))),
        ("fold-meaning", asked(|o| o.fold = Some(FoldBy::Meaning))),
        ("half-life", asked(|o| o.half_life = "30d".parse().ok())),
        (
            "facets",
            asked(|o| o.facets = vec!["source".into(), "year".into()]),
        ),
        (
            "facets-threshold",
            asked(|o| {
                o.facets = vec!["source".into()];
                o.threshold = Some(0.3);
            }),
        ),
        ("both", asked(|o| o.by = SearchBy::Both)),
    ];
    // Every article holds the words.
    if store.passage_count().is_ok_and(|n| n <= 50_000) {
        all.push(("words", asked(|o| o.by = SearchBy::Words)));
    }
    all
}

criterion_group!(benches, search);
criterion_main!(benches);
