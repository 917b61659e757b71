//! The reference encoder's rate, by length of text and by tokens of a batch, and the
//! tokenizer's own. Prints tokens a second (criterion's "elements").
//!
//! `cargo bench --bench encoder`; needs the default model (`nearwise model pull`).

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearwise::encoder::{DeviceChoice, Encoder, Kind};
use nearwise::model::{DEFAULT_MODEL, Fetch};
use std::hint::black_box;
use std::time::Duration;

/// English-like words, so that a text of `words` words has about 1.3 tokens a word.
fn texts(count: usize, words: usize) -> Vec<String> {
    const VOCABULARY: &[&str] = &[
        "the",
        "minister",
        "announced",
        "a",
        "budget",
        "for",
        "regional",
        "railways",
        "after",
        "weeks",
        "of",
        "negotiation",
        "with",
        "unions",
        "while",
        "markets",
        "in",
        "Zurich",
        "recovered",
        "slightly",
        "because",
        "exporters",
        "reported",
        "stronger",
        "earnings",
    ];
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    (0..count)
        .map(|_| {
            let words: Vec<&str> = (0..words)
                .map(|_| VOCABULARY[next() % VOCABULARY.len()])
                .collect();
            words.join(" ")
        })
        .collect()
}

fn encoder() -> Encoder {
    // A bench without its model has nothing to measure.
    Encoder::open(DEFAULT_MODEL, DeviceChoice::Cpu, Fetch::quiet())
        .expect("run `nearwise model pull` first")
}

fn rate(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(8));
    for words in [12, 60, 180] {
        let texts = texts(64, words);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for budget in [256, 512, 1024, 2048, 4096, 16_384] {
            let mut encoder = encoder().with_token_budget(budget);
            let tokens = encoder
                .encode(&texts, Kind::Document)
                .expect("the texts are valid")
                .tokens;
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_with_input(
                BenchmarkId::new(format!("{words} words"), budget),
                &texts,
                |b, texts| b.iter(|| encoder.encode(black_box(texts), Kind::Document)),
            );
        }
    }
    group.finish();
}

fn tokenizer(c: &mut Criterion) {
    let encoder = encoder();
    let texts = texts(256, 180);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let tokens: usize = encoder
        .tokenizer()
        .encode(&texts)
        .expect("the texts are valid")
        .iter()
        .map(|t| t.ids.len())
        .sum();
    let mut group = c.benchmark_group("tokenize");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(tokens as u64));
    group.bench_function("180 words", |b| {
        b.iter(|| encoder.tokenizer().encode(black_box(&texts)))
    });
    group.finish();
}

criterion_group!(benches, rate, tokenizer);
criterion_main!(benches);
