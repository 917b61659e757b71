//! The CUDA encoder on a GPU: correctness against the CPU's f32, then times. What
//! `benches/gpu.sh` runs; by itself:
//!
//! `cargo bench --features cuda --bench gpu -- check` fails where vectors, neighbours or centres
//! are not those of the CPU. `... -- time MODEL [MODEL]` prints a line of JSON for each
//! measurement. With `--device cpu` both go through the motions on a host without a GPU.

#[path = "../tests/common/random_model.rs"]
mod random_model;

use nearwise::Encoder;
use nearwise::encoder::{
    Backend, Call, CpuBackend, DeviceChoice, Dtype, DtypeChoice, OpenDevice, Place, Prompt, backend,
};
use nearwise::model::{Config, Fetch, ModelFiles};
use nearwise::vectors::Accelerator;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use random_model::{Family, Random, Shape, VOCABULARY, least, model, slices};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

/// A model, its sizes chosen as real models have them and beside those.
const SHAPES: [(Family, usize, usize, usize, &str); 9] = [
    // family, heads, head size, intermediate, activation
    (Family::Bert, 12, 32, 1536, "gelu"),
    (Family::Bert, 12, 64, 3072, "gelu"),
    (Family::Bert, 16, 64, 4096, "gelu"),
    (Family::Bert, 12, 26, 1200, "gelu"),
    (Family::Roberta, 12, 64, 3072, "gelu"),
    (Family::Mpnet, 12, 64, 3072, "gelu"),
    (Family::Mpnet, 3, 32, 200, "relu"),
    (Family::DistilBert, 12, 64, 3072, "gelu"),
    (Family::Bert, 2, 128, 500, "gelu_new"),
];

/// Bounds of the least cosine to f32 on random weights, which let rounding grow more than
/// trained ones do.
fn bound(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => 0.999_99,
        Dtype::F16 => 0.9999,
        Dtype::Bf16 | Dtype::Int8 => 0.99,
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("gpu: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Vec<String>) -> Result<(), Failure> {
    let mut choice = DeviceChoice::Cuda(None);
    if let Some(at) = args.iter().position(|a| a == "--device") {
        let name = args.get(at + 1).ok_or("--device: name a device")?;
        choice = name.parse()?;
        args.drain(at..at + 2);
    }
    let device = choice.open()?;
    match args.first().map(String::as_str) {
        Some("check") => check(&device, &args[1..]),
        Some("time") => time(&device, choice, &args[1..]),
        Some("texts") => {
            let folder = args.get(1).ok_or("texts: name a folder")?;
            for kind in KINDS {
                let texts = texts_of(&device, kind).join("\n") + "\n";
                std::fs::write(
                    std::path::Path::new(folder).join(format!("{}.txt", kind.0)),
                    texts,
                )?;
            }
            Ok(())
        }
        _ => Err("say `check [MODEL ...]`, `time MODEL [MODEL ...]` or `texts FOLDER`".into()),
    }
}

fn dtypes(device: &OpenDevice) -> Vec<Dtype> {
    match device.place {
        Place::Cuda(_) => vec![Dtype::F16, Dtype::Bf16, Dtype::F32],
        _ => vec![Dtype::F32],
    }
}

/// Whether sizes are as on a GPU; on the CPU small ones show that the program works.
fn full(device: &OpenDevice) -> bool {
    matches!(device.place, Place::Cuda(_))
}

fn some_texts(random: &mut Random, lengths: &[usize]) -> Vec<Vec<u32>> {
    let id = |random: &mut Random| 2 + random.below(VOCABULARY - 2) as u32;
    let text = |&n: &usize| (0..n).map(|_| id(random)).collect();
    lengths.iter().map(text).collect()
}

fn check(device: &OpenDevice, models: &[String]) -> Result<(), Failure> {
    let mut wrong = 0;
    let mut say = |what: String, cosine: f64, bound: f64| {
        let verdict = if cosine >= bound { "ok" } else { "WRONG" };
        wrong += usize::from(cosine < bound);
        println!("{verdict:5} {cosine:.7} (at least {bound})  {what}");
    };
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = since.as_nanos() as u64;
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed));
    println!("seed {seed}; the least cosine to the CPU's f32 of each set of texts");
    for (family, heads, head_dim, intermediate, activation) in SHAPES {
        let shape = Shape {
            family,
            heads,
            head_dim,
            intermediate,
            layers: 2,
            longest: 512,
            activation,
        };
        let model = model(shape, seed, |_, _| {});
        let hidden = heads * head_dim;
        // One token to the longest, every edge of a tile of the attention, and a mix.
        let mut mix: Vec<usize> = (0..24).map(|_| 1 + random.below(512)).collect();
        mix.extend([1, 2, 3, 512]);
        let sets: [&[usize]; 5] = [
            &[1],
            &[9],
            &[512],
            &[15, 16, 17, 63, 64, 65, 127, 128, 129],
            &mix,
        ];
        let exact = CpuBackend::load(&model.files, &model.config, Dtype::F32)?;
        for dtype in dtypes(device) {
            let only = DtypeChoice::Only(dtype);
            let ours = backend(&model.files, &model.config, device.clone(), only, None)?;
            for lengths in sets {
                let texts = some_texts(&mut random, lengths);
                let texts = slices(&texts);
                let expected = exact.forward(&texts, &Call::default())?;
                // Often enough that small batches are recorded and replayed.
                for _ in 0..4 {
                    let got = ours.forward(&texts, &Call::default())?;
                    let what = format!(
                        "{} {shape:?}, {} texts of up to {} tokens",
                        dtype.name(),
                        texts.len(),
                        lengths.iter().max().unwrap_or(&0)
                    );
                    say(what, least(&got, &expected, hidden), bound(dtype));
                }
            }
        }
    }
    for name in models {
        check_model(device, name, &mut say)?;
    }
    check_vectors(device, &mut random, &mut say)?;
    if wrong > 0 {
        return Err(format!("{wrong} of these are wrong").into());
    }
    println!("all is right");
    Ok(())
}

/// A model and its tokenizer on words of the seeds; the mean must keep to the bar.
fn check_model(
    device: &OpenDevice,
    name: &str,
    say: &mut impl FnMut(String, f64, f64),
) -> Result<(), Failure> {
    let files = nearwise::model::find(name, &Fetch::new())?;
    let texts = texts(if full(device) { 2000 } else { 20 }, 5, 300);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let on = |device: OpenDevice, dtype| -> Result<_, Failure> {
        let encoder = Encoder::load(&files, device, DtypeChoice::Only(dtype))?;
        Ok(encoder.encode(&texts, Prompt::Document)?)
    };
    let exact = on(OpenDevice::cpu(), Dtype::F32)?;
    for dtype in dtypes(device) {
        let got = on(device.clone(), dtype)?;
        let cosines = exact
            .rows()
            .zip(got.rows())
            .map(|(a, b)| random_model::cosine(a, b));
        let mean = cosines.sum::<f64>() / texts.len() as f64;
        let what = format!("{} {name}, mean of {} texts", dtype.name(), texts.len());
        say(what, mean, 0.9999);
    }
    Ok(())
}

fn unit_vectors(random: &mut Random, n: usize, dim: usize) -> Vec<f32> {
    // Uniform numbers in place of normal ones: quicker to draw, and as good here.
    let mut out: Vec<f32> = (0..n * dim)
        .map(|_| random.below(1 << 16) as f32 / 32_768.0 - 1.0)
        .collect();
    out.chunks_mut(dim).for_each(nearwise::vectors::normalize);
    // As a corpus stores them.
    for x in &mut out {
        *x = half::f16::from_f32(*x).to_f32();
    }
    out
}

fn check_vectors(
    device: &OpenDevice,
    random: &mut Random,
    say: &mut impl FnMut(String, f64, f64),
) -> Result<(), Failure> {
    for (n, dim, queries, k) in [
        (1, 384, 1, 1),
        (999, 384, 7, 10),
        (70_001, 384, 100, 100),
        (5000, 100, 1030, 1024),
        (40_000, 768, 3, 15),
    ] {
        let vectors = unit_vectors(random, n, dim);
        let asked = unit_vectors(random, queries, dim);
        let Some(held) = device.hold(&vectors, dim)? else {
            println!("this device holds no vectors");
            return Ok(());
        };
        let found = held.top_k(&asked, k)?;
        let mut worst: f64 = 1.0;
        for (query, found) in asked.chunks(dim).zip(&found) {
            let mut all: Vec<f32> = vectors
                .chunks(dim)
                .map(|v| nearwise::vectors::dot(query, v))
                .collect();
            all.sort_by(|a, b| b.total_cmp(a));
            let wrong = found.len() != k.min(n)
                || found.iter().zip(&all).any(|(f, e)| (f.0 - e).abs() > 1e-4);
            worst = worst.min(if wrong { 0.0 } else { 1.0 });
        }
        say(
            format!("top {k} of {n} × {dim} for {queries} queries"),
            worst,
            1.0,
        );
        let clusters = 37;
        let centres = unit_vectors(random, clusters, dim);
        let offsets: Vec<f32> = (0..clusters).map(|c| -0.01 * c as f32).collect();
        let (members, scores) = held.nearest(&centres, &offsets)?;
        let wrong = vectors
            .chunks(dim)
            .zip(members.iter().zip(&scores))
            .any(|(v, (&m, &s))| {
                let sum =
                    |c: usize| nearwise::vectors::dot(v, &centres[c * dim..][..dim]) + offsets[c];
                let most = (0..clusters).map(sum).fold(f32::NEG_INFINITY, f32::max);
                (s - most).abs() > 1e-4 || (sum(m as usize) - most).abs() > 1e-4
            });
        say(
            format!("nearest of {clusters} centres for {n} × {dim}"),
            f64::from(u8::from(!wrong)),
            1.0,
        );
        let weights = vec![1.0; n];
        let sums = held.sums(&members, &weights, clusters)?;
        let mut expected = vec![0.0f64; clusters * dim];
        for (v, &m) in vectors.chunks(dim).zip(&members) {
            for (e, x) in expected[m as usize * dim..][..dim].iter_mut().zip(v) {
                *e += f64::from(*x);
            }
        }
        let near = sums
            .iter()
            .zip(&expected)
            .all(|(s, e)| (f64::from(*s) - e).abs() < 1e-2);
        say(
            format!("sums of {clusters} clusters of {n} × {dim}"),
            f64::from(u8::from(near)),
            1.0,
        );
    }
    Ok(())
}

/// Texts of so many words, cut from the seeds' words.
fn texts(count: usize, least: usize, most: usize) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/wire.jsonl");
    let lines = std::fs::read_to_string(path)
        .or_else(|_| std::fs::read_to_string("seeds/wire.jsonl"))
        .unwrap_or_default();
    let words: Vec<&str> = lines.split_whitespace().collect();
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(11));
    (0..count)
        .map(|_| {
            let n = (least + random.below(most - least + 1)).min(words.len());
            let from = random.below(words.len() - n + 1);
            words[from..from + n].join(" ")
        })
        .collect()
}

/// Kinds of texts that are timed, and their words.
const KINDS: [(&str, usize, usize); 2] = [("mixed", 10, 300), ("short", 8, 16)];

fn texts_of(device: &OpenDevice, (_, least, most): (&str, usize, usize)) -> Vec<String> {
    texts(if full(device) { 20_000 } else { 20 }, least, most)
}

/// The median of `rounds` runs in seconds, after one that warms up.
fn seconds(rounds: usize, mut f: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    f()?;
    let mut all = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let started = Instant::now();
        f()?;
        all.push(started.elapsed().as_secs_f64());
    }
    all.sort_by(f64::total_cmp);
    Ok(all[rounds / 2])
}

fn time(device: &OpenDevice, choice: DeviceChoice, models: &[String]) -> Result<(), Failure> {
    for name in models {
        let files = nearwise::model::find(name, &Fetch::new())?;
        time_device(device, &files, name)?;
        time_texts(device, choice, name)?;
    }
    time_vectors(device)
}

/// Tokens a second of the device alone: ids are there, batches one after another.
fn time_device(device: &OpenDevice, files: &ModelFiles, name: &str) -> Result<(), Failure> {
    let config = Config::load(files)?;
    let (total, rounds) = if full(device) { (1 << 20, 5) } else { (512, 1) };
    let budgets: &[usize] = if full(device) {
        &[4096, 8192, 16_384, 32_768, 65_536]
    } else {
        &[512]
    };
    for dtype in dtypes(device) {
        let ours = backend(
            files,
            &config,
            device.clone(),
            DtypeChoice::Only(dtype),
            None,
        )?;
        for length in [16, 64, 128, 256, 512] {
            if length > config.max_tokens {
                continue;
            }
            for &budget in budgets {
                let text: Vec<u32> = (0..length as u32).map(|i| 1000 + i * 7).collect();
                let batch: Vec<&[u32]> = vec![&text; (budget / length).max(1)];
                let batches = (total / budget).max(1);
                let time = seconds(rounds, || run_batches(&*ours, &batch, batches))?;
                let tokens = batches * batch.len() * length;
                println!(
                    "{}",
                    json!({
                        "what": "device", "model": name, "dtype": dtype.name(), "length": length,
                        "budget": budget, "tokens_per_second": tokens as f64 / time,
                    })
                );
            }
        }
        let query: Vec<u32> = (0..12).map(|i| 1000 + i).collect();
        let time = seconds(if full(device) { 200 } else { 3 }, || {
            ours.forward(&[&query], &Call::default())?;
            Ok(())
        })?;
        println!(
            "{}",
            json!({"what": "query", "model": name, "dtype": dtype.name(), "tokens": 12, "seconds": time})
        );
    }
    Ok(())
}

/// All batches in the device's queue at once, where it has one.
fn run_batches(ours: &dyn Backend, batch: &[&[u32]], batches: usize) -> Result<(), Failure> {
    let call = Call::default();
    let Some(queue) = ours.queue() else {
        for _ in 0..batches {
            ours.forward(batch, &call)?;
        }
        return Ok(());
    };
    let (send, receive) = std::sync::mpsc::channel();
    for _ in 0..batches {
        let send = send.clone();
        let texts = batch.iter().map(|text| text.to_vec()).collect();
        // One batch is announced, so that several devices do not count as one.
        let done = Box::new(move |vectors: nearwise::Result<Vec<f32>>| {
            // Whoever waited has gone after a failure.
            let _ = send.send(vectors.map(drop));
        });
        queue.submit(texts, &call, 1, done);
    }
    drop(send);
    for outcome in receive {
        outcome?;
    }
    Ok(())
}

/// Texts in, vectors out, tokenisation included; the texts that `texts` writes for the peers.
fn time_texts(device: &OpenDevice, choice: DeviceChoice, name: &str) -> Result<(), Failure> {
    let rounds = if full(device) { 5 } else { 1 };
    for dtype in dtypes(device) {
        let encoder = Encoder::builder()
            .model(name)
            .device(choice)
            .dtype(DtypeChoice::Only(dtype))
            .open()?;
        for kind in KINDS {
            let texts = texts_of(device, kind);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut tokens = 0;
            let time = seconds(rounds, || {
                tokens = encoder.encode(&texts, Prompt::Document)?.tokens();
                Ok(())
            })?;
            let tokenising = seconds(1, || {
                encoder.tokenizer().encode("", &texts)?;
                Ok(())
            })?;
            println!(
                "{}",
                json!({
                    "what": "texts", "model": name, "dtype": dtype.name(), "kind": kind.0,
                    "texts": texts.len(), "tokens": tokens, "tokens_per_second": tokens as f64 / time,
                    "tokenizer_tokens_per_second": tokens as f64 / tokenising,
                })
            );
        }
    }
    Ok(())
}

fn time_vectors(device: &OpenDevice) -> Result<(), Failure> {
    let (n, dim) = (1_000_000, 384);
    if !full(device) {
        return Ok(());
    }
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(3));
    let vectors = unit_vectors(&mut random, n, dim);
    let Some(held): Option<Arc<dyn Accelerator>> = device.hold(&vectors, dim)? else {
        return Ok(());
    };
    for queries in [1, 32, 1000] {
        let asked = unit_vectors(&mut random, queries, dim);
        let time = seconds(9, || {
            held.top_k(&asked, 10)?;
            Ok(())
        })?;
        println!(
            "{}",
            json!({"what": "top 10", "vectors": n, "dim": dim, "queries": queries, "seconds": time})
        );
    }
    let centres = unit_vectors(&mut random, 1000, dim);
    let offsets = vec![-0.5; 1000];
    let mut members = Vec::new();
    let time = seconds(5, || {
        members = held.nearest(&centres, &offsets)?.0;
        Ok(())
    })?;
    println!(
        "{}",
        json!({"what": "nearest of 1000 centres", "vectors": n, "dim": dim, "seconds": time})
    );
    let weights = vec![1.0; n];
    let time = seconds(5, || {
        held.sums(&members, &weights, 1000)?;
        Ok(())
    })?;
    println!(
        "{}",
        json!({"what": "sums of 1000 clusters", "vectors": n, "dim": dim, "seconds": time})
    );
    let some = &vectors[..100_000 * dim];
    let Some(held) = device.hold(some, dim)? else {
        return Ok(());
    };
    let time = seconds(3, || {
        held.top_k(some, 24)?;
        Ok(())
    })?;
    println!(
        "{}",
        json!({"what": "24 neighbours of each", "vectors": 100_000, "dim": dim, "seconds": time})
    );
    Ok(())
}
