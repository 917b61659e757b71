//! Reading articles, without a model and without a corpus: bytes of the file a second, for each
//! format of the table "What can be read" in the README.
//!
//! `cargo bench --bench reading`; with a name behind it (`-- html`), that format alone.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearwise::corpus::{Article, Input, Note, ReadOptions, Sink, read};
use nearwise::{Error, Result};
use std::path::Path;
use std::time::Duration;

#[path = "reading/files.rs"]
mod files;

#[derive(Default)]
struct Count {
    articles: usize,
    bytes: usize,
}

impl Sink for Count {
    fn article(&mut self, article: Article) -> Result<()> {
        self.articles += 1;
        self.bytes += article.text.len();
        Ok(())
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        Err(problem)
    }

    fn note(&mut self, _: Note) {}

    fn incomplete(&mut self, _: &str) {}
}

fn articles(path: &Path) -> usize {
    let inputs = Input::parse(path.to_str().expect("a path of ours")).expect("it was written");
    let mut count = Count::default();
    read(&inputs, &ReadOptions::default(), &mut count).expect("it is sound");
    assert!(count.bytes > 0);
    count.articles
}

fn reading(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = c.benchmark_group("reading");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    for (name, bytes) in files::files() {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).expect("there is room");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| articles(&path));
        });
    }
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
