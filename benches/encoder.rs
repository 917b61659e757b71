//! The encoder: its matrix product alone, one layer, the whole of it by length of text, type of
//! number and threads, and the tokenizer. Prints operations or tokens a second (criterion's
//! "elements").
//!
//! `cargo bench --bench encoder`; needs the default model (`nearwise model pull`). The
//! environment variable `NEARWISE_CPU_LEVEL` forces a level of instructions.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nearwise::Encoder;
use nearwise::encoder::bench::{OneLayer, Peak, Product};
use nearwise::encoder::{DeviceChoice, Dtype, DtypeChoice, EncodeOptions, EncoderBuilder, Prompt};
use nearwise::model::{DEFAULT_MODEL, Fetch, find};
use rayon::prelude::*;
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

fn on_cpu(dtype: Dtype) -> EncoderBuilder {
    Encoder::builder()
        .device(DeviceChoice::Cpu)
        .dtype(DtypeChoice::Only(dtype))
}

fn encoder(dtype: Dtype) -> Encoder {
    // A bench without its model has nothing to measure.
    on_cpu(dtype)
        .open()
        .expect("run `nearwise model pull` first")
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
        let encoder = encoder(dtype);
        for words in [8, 60, 180] {
            let texts = texts(256, words);
            let tokens = encoder
                .encode(&texts, Prompt::Document)
                .expect("the texts are valid")
                .tokens();
            group.throughput(Throughput::Elements(tokens as u64));
            group.bench_function(
                BenchmarkId::new(dtype.name(), format!("{words} words")),
                |b| b.iter(|| encoder.encode(black_box(&texts), Prompt::Document)),
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
        let text = texts(1, 8).remove(0);
        for n in [1, threads] {
            let encoder = on_cpu(dtype).threads(n).open().expect("it opened before");
            let name = format!("{n} threads");
            group.bench_function(BenchmarkId::new(dtype.name(), name), |b| {
                b.iter(|| encoder.encode(&[black_box(&text)], Prompt::Query));
            });
        }
    }
    group.finish();
}

/// Many callers at once: single texts from 32 threads against the same texts in one call, and what a
/// query waits for while a bulk job uses all of the processor. Printed, not by criterion.
fn shared(_: &mut Criterion) {
    const CALLERS: usize = 32;
    for dtype in Dtype::CPU {
        let encoder = encoder(dtype);
        for (count, words) in [(1024, 8), (256, 60)] {
            let texts = texts(count, words);
            let mut ratios = Vec::new();
            let (mut together, mut apart) = (Vec::new(), Vec::new());
            for _ in 0..5 {
                let started = Instant::now();
                let bulk = EncodeOptions::from(Prompt::Document).bulk();
                encoder.encode(&texts, bulk).expect("the texts are valid");
                together.push(started.elapsed().as_secs_f64());
                let started = Instant::now();
                std::thread::scope(|scope| {
                    for some in texts.chunks(texts.len() / CALLERS) {
                        let encoder = &encoder;
                        scope.spawn(move || {
                            for text in some {
                                let vectors = encoder.encode(&[text], Prompt::Document);
                                black_box(vectors.expect("the texts are valid"));
                            }
                        });
                    }
                });
                apart.push(started.elapsed().as_secs_f64());
                ratios.push(together[together.len() - 1] / apart[apart.len() - 1]);
            }
            for times in [&mut together, &mut apart, &mut ratios] {
                times.sort_by(f64::total_cmp);
            }
            println!(
                "{}: {} texts of {words} words: one call {:.3} s, {CALLERS} callers of one text each {:.3} s, ratio {:.2}",
                dtype.name(),
                texts.len(),
                together[2],
                apart[2],
                ratios[2]
            );
        }
        let many = texts(4096, 180);
        let query = texts(1, 8);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let mut times: Vec<f64> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    for some in many.chunks(256) {
                        let bulk = EncodeOptions::from(Prompt::Document).bulk();
                        encoder.encode(some, bulk).expect("the texts are valid");
                        if stop.load(std::sync::atomic::Ordering::Relaxed) {
                            break;
                        }
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(300));
            let times = (0..200)
                .map(|_| {
                    let started = Instant::now();
                    black_box(encoder.encode(&query, Prompt::Query).expect("a valid text"));
                    started.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            times
        });
        times.sort_by(f64::total_cmp);
        println!(
            "{}: a query beside a bulk job: median {:.1} ms, 99 % within {:.1} ms",
            dtype.name(),
            times[times.len() / 2],
            times[times.len() * 99 / 100]
        );
    }
}

fn tokenizer(c: &mut Criterion) {
    let encoder = encoder(Dtype::F32);
    let texts = texts(256, 180);
    let tokens: usize = encoder
        .tokenizer()
        .encode("", &texts)
        .expect("the texts are valid")
        .iter()
        .map(|t| t.ids.len())
        .sum();
    let mut group = c.benchmark_group("tokenize");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(tokens as u64));
    group.bench_function("180 words", |b| {
        b.iter(|| encoder.tokenizer().encode("", black_box(&texts)))
    });
    // What reads all tokenizers that have no fast form, on all threads as well.
    let files = find(DEFAULT_MODEL, &Fetch::new()).expect("the model has been opened above");
    let file = files.folder.join("tokenizer.json");
    let mut by_crate = tokenizers::Tokenizer::from_file(file).expect("the file has been read");
    by_crate.with_padding(None);
    by_crate.with_truncation(None).expect("none is valid");
    group.bench_function("180 words, by the crate", |b| {
        b.iter(|| {
            let texts = black_box(&texts).par_iter();
            let tokens = texts.map(|t| by_crate.encode_fast(t.as_str(), true).map(|e| e.len()));
            tokens.collect::<Result<Vec<usize>, _>>()
        });
    });
    group.finish();
}

criterion_group!(benches, shares, shared, pieces, rate, latency, tokenizer);
criterion_main!(benches);
