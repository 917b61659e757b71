//! Topics by number of articles, with their number given and chosen.
//!
//! `cargo bench --bench clustering`; `NEARWISE_BENCH_SIZES="1000 100000"` for other sizes.

mod common;

use common::{corpus, sizes};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nearwise::topics::{TopicOptions, fit};
use std::time::Duration;

fn clustering(c: &mut Criterion) {
    let mut group = c.benchmark_group("topics");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for n in sizes(&[1_000, 10_000, 50_000]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut store = corpus(folder.path(), n);
        for (name, k) in [("k-20", Some(20)), ("k-chosen", None)] {
            group.bench_function(BenchmarkId::new(name, n), |b| {
                b.iter(|| {
                    fit(
                        &mut store,
                        &TopicOptions {
                            k,
                            ..TopicOptions::default()
                        },
                        None,
                    )
                    .expect("enough articles")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, clustering);
criterion_main!(benches);
