//! Search by number of passages: exact against HNSW, warm (the corpus is open) and cold (it is
//! opened for the one search, as a command does; the file is in the system's cache), with the
//! share of the exact ten nearest that HNSW finds, and the time to build it.
//!
//! `cargo bench --bench search`; `NEARWISE_BENCH_SIZES="10000 1000000"` for other sizes.

mod common;

use common::{corpus, sizes, vector};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nearwise::search::{Mode, SearchOptions};
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
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
