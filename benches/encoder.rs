//! The encoder: its matrix product alone, one layer, the whole of it by length of text, type of
//! number and threads, and the tokenizer. Prints operations or tokens a second (criterion's
//! "elements").
//!
//! `cargo bench --bench encoder`; needs the default model (`nearwise model pull`). The
//! environment variable `NEARWISE_CPU_LEVEL` forces a level of instructions.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearwise::encoder::bench::{OneLayer, Peak, Product};
use nearwise::encoder::{Compute, DeviceChoice, Dtype, DtypeChoice, Encoder, Kind};
use nearwise::model::{DEFAULT_MODEL, Fetch};
use std::hint::black_box;
use std::time::{Duration, Instant};

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

/// Matrix products of all-MiniLM-L6-v2 and of a model of BERT's base size: rows, inner, columns.
const PRODUCTS: [(usize, usize, usize); 6] = [
    (16, 384, 1536),
    (64, 384, 1152),
    (64, 384, 1536),
    (64, 1536, 384),
    (256, 384, 1152),
    (256, 768, 3072),
];
/// Layers of the same: hidden size, heads, texts, tokens of each.
const LAYERS: [(usize, usize, usize, usize); 4] = [
    (384, 12, 16, 16),
    (384, 12, 1, 204),
    (384, 12, 1, 256),
    (768, 12, 1, 256),
];

/// The least seconds of a call, over as many calls as take half a second: what else the host does
/// only adds.
fn least(mut f: impl FnMut()) -> f64 {
    f();
    let begun = Instant::now();
    let mut seconds = Vec::new();
    while begun.elapsed() < Duration::from_millis(500) || seconds.len() < 5 {
        let started = Instant::now();
        f();
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.into_iter().fold(f64::INFINITY, f64::min)
}

/// What one thread reaches, and its share of what its vector units do at most: independent
/// multiply-adds on registers.
fn shares(_: &mut Criterion) {
    println!("one thread                          GOP/s   share of the peak");
    for dtype in Dtype::CPU {
        let peak = Peak::new(dtype);
        let most = peak.operations() as f64
            / least(|| {
                black_box(peak.run());
            })
            / 1e9;
        println!("{:5} peak                        {most:7.1}", dtype.name());
        let line = |what: String, operations: u64, seconds: f64| {
            let rate = operations as f64 / seconds / 1e9;
            println!(
                "{:5} {what:28}{rate:7.1}   {:.2}",
                dtype.name(),
                rate / most
            );
        };
        for (rows, inner, columns) in PRODUCTS {
            let mut product = Product::new(dtype, rows, inner, columns);
            let seconds = least(|| product.run());
            let what = format!("gemm {rows}x{inner}x{columns}");
            line(what, product.operations(), seconds);
        }
        for (hidden, heads, texts, tokens) in LAYERS {
            let mut layer = OneLayer::new(dtype, hidden, heads, texts, tokens);
            let seconds = least(|| layer.run());
            let what = format!("layer of {hidden}, {texts}x{tokens} tokens");
            line(what, layer.operations(), seconds);
        }
    }
}

/// The same by criterion, which keeps the history.
fn pieces(c: &mut Criterion) {
    let mut group = c.benchmark_group("one thread");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    for dtype in Dtype::CPU {
        let (rows, inner, columns) = (64, 384, 1536);
        let mut product = Product::new(dtype, rows, inner, columns);
        group.throughput(Throughput::Elements(product.operations()));
        let name = format!("gemm {rows}x{inner}x{columns}");
        group.bench_function(BenchmarkId::new(dtype.name(), name), |b| {
            b.iter(|| product.run())
        });
        let mut layer = OneLayer::new(dtype, 384, 12, 1, 204);
        group.throughput(Throughput::Elements(layer.operations()));
        let name = "layer of 384, 204 tokens";
        group.bench_function(BenchmarkId::new(dtype.name(), name), |b| {
            b.iter(|| layer.run())
        });
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
    for dtype in Dtype::CPU {
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
    for dtype in Dtype::CPU {
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

criterion_group!(benches, shares, pieces, rate, latency, tokenizer);
criterion_main!(benches);
