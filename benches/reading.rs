//! Reading articles, format by format, without a model and without a corpus: bytes of the file a
//! second.
//!
//! `cargo bench --bench reading`; with a name behind it (`-- html`), that format alone.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearwise::corpus::{Article, Input, Note, ReadOptions, Sink, read};
use nearwise::{Error, Result};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// About so many articles a file of many.
const ARTICLES: usize = 4_000;

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

const WORDS: [&str; 24] = [
    "harbour", "bridge", "minister", "ferry", "market", "river", "league", "council", "rates",
    "the", "of", "and", "in", "a", "was", "closed", "opened", "said", "after", "new", "café",
    "storm", "engine", "library",
];

/// Paragraphs of about `words` words, the same for the same `n`.
fn paragraphs(n: usize, words: usize) -> Vec<String> {
    let mut state = n as u64 + 1;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize
    };
    (0..words.div_ceil(60))
        .map(|_| {
            let mut out = String::new();
            for i in 0..60 {
                let word = WORDS[next() % WORDS.len()];
                out.push_str(word);
                out.push_str(if i % 12 == 11 { ". " } else { " " });
            }
            out.trim_end().to_string()
        })
        .collect()
}

fn rows(mut row: impl FnMut(usize, &[String]) -> String) -> Vec<u8> {
    (0..ARTICLES)
        .map(|n| row(n, &paragraphs(n, 240)))
        .collect::<String>()
        .into_bytes()
}

/// A page with what surrounds an article on a page of news.
fn page(n: usize) -> String {
    let mut out = format!(
        "<!doctype html><html><head><meta charset=utf-8><title>Headline {n} | The Post</title>\
         <meta property=og:title content='Headline {n}'></head><body><nav><ul>"
    );
    for i in 0..40 {
        let _ = write!(out, "<li><a href='/s/{i}'>Section {i}</a></li>");
    }
    out.push_str("</ul></nav><main><article><h1>Headline</h1>");
    for paragraph in paragraphs(n, 900) {
        let _ = write!(out, "<p>{paragraph} <a href='/x'>more</a></p>");
    }
    out.push_str("</article><aside>");
    for i in 0..20 {
        let _ = write!(
            out,
            "<div class=teaser><h3><a href='/t{i}'>Teaser {i}</a></h3></div>"
        );
    }
    out.push_str("</aside></main><footer>The Post, all rights reserved</footer></body></html>");
    out
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let json = |n: usize, text: &[String]| {
        serde_json::json!({
            "id": n, "title": format!("Headline {n}"), "text": text.join("\n\n"),
            "date": "2024-05-03T10:11:12Z", "source": "Post", "tags": ["a", "b"],
        })
        .to_string()
    };
    let lines = rows(|n, text| json(n, text) + "\n");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&lines).expect("memory takes it");
    let gz = gz.finish().expect("memory takes it");
    let csv = rows(|n, text| format!("{n},Headline {n},\"{}\",2024-05-03\n", text.join("\n\n")));
    let csv = [&b"id,title,text,date\n"[..], &csv].concat();
    let tsv = rows(|n, text| format!("{n}\tHeadline {n}\t{}\t2024-05-03\n", text.join(" ")));
    let tsv = [&b"id\ttitle\ttext\tdate\n"[..], &tsv].concat();
    let long = |separator: &str| paragraphs(7, 600_000).join(separator).into_bytes();
    vec![
        ("a.txt", long("\n\n")),
        (
            "a.md",
            long("\n\n## A heading\n\nWith *marks* and a [link](x). "),
        ),
        ("a.html", page(1).into_bytes()),
        ("a.jsonl", lines.clone()),
        ("a.jsonl.gz", gz),
        ("a.csv", csv),
        ("a.tsv", tsv),
    ]
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
    for (name, bytes) in files() {
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
