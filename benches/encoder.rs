//! The encoder: its matrix product alone, one layer, the whole of it by length of text, type of
//! number and threads, and the tokenizer. Prints operations or tokens a second (criterion's
//! "elements").
//!
//! `cargo bench --bench encoder`; needs the default model (`nearwise model pull`). The
//! environment variable `NEARWISE_CPU_LEVEL` forces a level of instructions.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearwise::encoder::bench::{Peak, Product};
use nearwise::encoder::{Compute, DeviceChoice, Dtype, DtypeChoice, Encoder, Kind};
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

fn encoder(dtype: Dtype) -> Encoder {
    let compute = Compute {
        device: DeviceChoice::Cpu,
        dtype: DtypeChoice::Only(dtype),
    };
    // A bench without its model has nothing to measure.
    Encoder::open(DEFAULT_MODEL, compute, Fetch::quiet()).expect("run `nearwise model pull` first")
}

/// What one thread's vector units do at most: independent multiply-adds on registers.
fn peak(c: &mut Criterion) {
    let mut group = c.benchmark_group("peak, one thread");
    group.sample_size(20);
    for dtype in Dtype::ALL {
        let peak = Peak::new(dtype);
        group.throughput(Throughput::Elements(peak.operations()));
        group.bench_function(dtype.name(), |b| b.iter(|| peak.run()));
    }
    group.finish();
}

/// The matrix products of all-MiniLM-L6-v2 and of a model of BERT's base size, by rows.
fn gemm(c: &mut Criterion) {
    let mut group = c.benchmark_group("gemm, one thread");
    group.sample_size(20);
    for dtype in Dtype::ALL {
        for (inner, columns) in [(384, 1152), (384, 1536), (1536, 384), (768, 3072)] {
            for rows in [16, 64, 256] {
                let mut product = Product::new(dtype, rows, inner, columns);
                group.throughput(Throughput::Elements(product.operations()));
                let name = format!("{} {inner}x{columns}", dtype.name());
                group.bench_function(BenchmarkId::new(name, rows), |b| b.iter(|| product.run()));
            }
        }
    }
    group.finish();
}

/// All texts in one call: what `index` does with a chunk.
fn rate(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    for dtype in Dtype::ALL {
        let mut encoder = encoder(dtype);
        for words in [8, 60, 180] {
            let texts = texts(256, words);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let tokens = encoder
                .encode(&texts, Kind::Document)
                .expect("the texts are valid")
                .tokens;
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_function(
                BenchmarkId::new(dtype.name(), format!("{words} words")),
                |b| b.iter(|| encoder.encode(black_box(&texts), Kind::Document)),
            );
        }
    }
    group.finish();
}

/// One text at a time: what a search waits for.
fn latency(c: &mut Criterion) {
    let mut group = c.benchmark_group("one query");
    let threads = rayon::current_num_threads();
    for dtype in Dtype::ALL {
        let mut encoder = encoder(dtype);
        let text = texts(1, 8).remove(0);
        for n in [1, threads] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build()
                .expect("threads");
            let name = format!("{n} threads");
            group.bench_function(BenchmarkId::new(dtype.name(), name), |b| {
                pool.install(|| b.iter(|| encoder.encode(&[black_box(&text)], Kind::Query)));
            });
        }
    }
    group.finish();
}

fn tokenizer(c: &mut Criterion) {
    let encoder = encoder(Dtype::F32);
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

criterion_group!(benches, peak, gemm, rate, latency, tokenizer);
criterion_main!(benches);
