//! How fast a device is, end to end and part by part: a line of JSON for each measurement, printed
//! when it is made, so that what was measured before a time limit is kept.

use super::random_model::Random;
use super::{Failure, KINDS, Options, texts_of, unit_vectors};
use nearwise::Encoder;
use nearwise::encoder::{Backend, Call, Dtype, DtypeChoice, Prompt, backend};
use nearwise::model::{Config, Fetch};
use nearwise::vectors::Products;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;
use serde_json::json;
use std::time::Instant;

/// f32 has no tensor cores: so much less of it is computed, in one size of batch.
const F32_SHARE: usize = 64;
const F32_BUDGET: usize = 16_384;
const F32_LENGTHS: [usize; 2] = [64, 512];

/// What others are compared with comes first, in case the time runs out.
pub(super) fn run(options: &Options, models: &[String]) -> Result<(), Failure> {
    let of_models = ["texts", "query", "device"];
    if models.is_empty() && of_models.iter().any(|part| options.wants(part)) {
        return Err("time: name a model, or --parts vectors,graph".into());
    }
    for name in models {
        if options.wants("texts") {
            time_texts(options, name)?;
        }
        if options.wants("query") {
            time_query(options, name)?;
        }
    }
    if options.wants("vectors") {
        time_vectors(options)?;
    }
    if options.wants("device") {
        for &dtype in &options.dtypes {
            for name in models {
                time_device(options, name, dtype)?;
            }
        }
    }
    if options.wants("graph") {
        time_graph(options)?;
    }
    Ok(())
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

fn encoder(options: &Options, name: &str) -> Result<Encoder, Failure> {
    // The type that is used by default comes first.
    let dtype = options.dtypes.first().copied().unwrap_or(Dtype::F32);
    Ok(Encoder::builder()
        .model(name)
        .device(options.choice)
        .dtype(DtypeChoice::Only(dtype))
        .open()?)
}

/// Texts in, vectors out, tokenisation included; the texts that `texts` writes for the peers.
fn time_texts(options: &Options, name: &str) -> Result<(), Failure> {
    let encoder = encoder(options, name)?;
    for kind in KINDS {
        let texts = texts_of(options, kind)?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut tokens = 0;
        let time = seconds(options.size(5, 1), || {
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
                "what": "texts", "model": name, "dtype": encoder.identity().dtype, "kind": kind.0,
                "texts": texts.len(), "tokens": tokens, "tokens_per_second": tokens as f64 / time,
                "tokenizer_tokens_per_second": tokens as f64 / tokenising,
            })
        );
    }
    Ok(())
}

/// One query from its text to its vector, as a server answers it.
fn time_query(options: &Options, name: &str) -> Result<(), Failure> {
    let encoder = encoder(options, name)?;
    let texts = texts_of(options, KINDS[1])?;
    let query = texts[0].as_str();
    let mut tokens = 0;
    let time = seconds(options.size(200, 3), || {
        tokens = encoder.encode(&[query], Prompt::Query)?.tokens();
        Ok(())
    })?;
    println!(
        "{}",
        json!({
            "what": "query", "model": name, "dtype": encoder.identity().dtype,
            "tokens": tokens, "seconds": time,
        })
    );
    Ok(())
}

/// Tokens a second of the device alone: ids are there, batches one after another.
fn time_device(options: &Options, name: &str, dtype: Dtype) -> Result<(), Failure> {
    let files = nearwise::model::find(name, &Fetch::new())?;
    let config = Config::load(&files)?;
    let vocabulary = config.described.architecture.vocabulary;
    let f32_on_gpu = dtype == Dtype::F32 && !options.small;
    let (total, budgets) = if f32_on_gpu {
        ((1 << 20) / F32_SHARE, vec![F32_BUDGET])
    } else {
        (options.size(1 << 20, 512), options.budgets.clone())
    };
    let only = DtypeChoice::Only(dtype);
    let ours = backend(&files, &config, options.device.clone(), only, None)?;
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(5));
    for &length in &options.lengths {
        if length > config.max_tokens || (f32_on_gpu && !F32_LENGTHS.contains(&length)) {
            continue;
        }
        for &budget in &budgets {
            // Other texts in each batch, and all ids alike: rows that repeat would be read from
            // caches, and sums of equal numbers take less power.
            let texts: Vec<Vec<u32>> = (0..(total / length).max(1))
                .map(|_| {
                    (0..length)
                        .map(|_| random.below(vocabulary) as u32)
                        .collect()
                })
                .collect();
            let batches: Vec<&[Vec<u32>]> = texts.chunks((budget / length).max(1)).collect();
            let time = seconds(options.size(3, 1), || run_batches(&*ours, &batches))?;
            let tokens = texts.len() * length;
            println!(
                "{}",
                json!({
                    "what": "device", "model": name, "dtype": dtype.name(), "length": length,
                    "budget": budget, "tokens_per_second": tokens as f64 / time,
                })
            );
        }
    }
    Ok(())
}

/// All batches in the device's queue at once, where it has one.
fn run_batches(ours: &dyn Backend, batches: &[&[Vec<u32>]]) -> Result<(), Failure> {
    let call = Call::default();
    let Some(queue) = ours.queue() else {
        for batch in batches {
            let texts: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
            ours.forward(&texts, &call)?;
        }
        return Ok(());
    };
    let (send, receive) = std::sync::mpsc::channel();
    for batch in batches {
        let send = send.clone();
        // One batch is announced, so that several devices do not count as one.
        let done = Box::new(move |vectors: nearwise::Result<Vec<f32>>| {
            // Whoever waited has gone after a failure.
            let _ = send.send(vectors.map(drop));
        });
        queue.submit(batch.to_vec(), &call, 1, done);
    }
    drop(send);
    for outcome in receive {
        outcome?;
    }
    Ok(())
}

/// Exact neighbours, centres and sums of a million vectors, and the same centres on the CPU.
fn time_vectors(options: &Options) -> Result<(), Failure> {
    let (n, dim, clusters) = (options.size(1_000_000, 2000), 384, options.size(1000, 20));
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(3));
    let vectors = unit_vectors(&mut random, n, dim);
    let say = |what: String, queries: Option<usize>, seconds: f64| {
        let mut line = json!({"what": what, "vectors": n, "dim": dim, "seconds": seconds});
        if let Some(queries) = queries {
            line["queries"] = queries.into();
        }
        println!("{line}");
    };
    let centres = unit_vectors(&mut random, clusters, dim);
    let offsets = vec![-0.5; clusters];
    let rounds = options.size(5, 1);
    if let Some(held) = options.device.hold(&vectors, dim)? {
        for queries in [1, 32, options.size(1000, 40)] {
            let asked = unit_vectors(&mut random, queries, dim);
            let time = seconds(options.size(9, 1), || {
                held.top_k(&asked, 10)?;
                Ok(())
            })?;
            say("top 10".into(), Some(queries), time);
        }
        let mut members = Vec::new();
        let time = seconds(rounds, || {
            members = held.nearest(&centres, &offsets)?.0;
            Ok(())
        })?;
        say(format!("nearest of {clusters} centres"), None, time);
        let weights = vec![1.0; n];
        let time = seconds(rounds, || {
            held.sums(&members, &weights, clusters)?;
            Ok(())
        })?;
        say(format!("sums of {clusters} clusters"), None, time);
    }
    let packed = Products::with_offsets(&centres, dim, &offsets);
    let time = seconds(1, || {
        let best: usize = vectors
            .par_chunks(128 * dim)
            .map_init(Vec::new, |room, some| {
                let nearest = |row: &[f32]| {
                    let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                    best.map_or(0, |(c, _)| c)
                };
                packed.multiply(some, room).map(nearest).sum::<usize>()
            })
            .sum();
        std::hint::black_box(best);
        Ok(())
    })?;
    say(
        format!("nearest of {clusters} centres on the CPU"),
        None,
        time,
    );
    Ok(())
}

/// The graph of neighbours: every vector is a query.
fn time_graph(options: &Options) -> Result<(), Failure> {
    let (dim, k) = (384, 24);
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(4));
    for n in [options.size(100_000, 500), options.size(1_000_000, 1000)] {
        let vectors = unit_vectors(&mut random, n, dim);
        let Some(held) = options.device.hold(&vectors, dim)? else {
            return Ok(());
        };
        let started = Instant::now();
        held.top_k(&vectors, k)?;
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{}",
            json!({"what": format!("{k} neighbours of each"), "vectors": n, "dim": dim, "seconds": seconds})
        );
    }
    Ok(())
}
