//! Vectors, neighbours and centres of a device against those of the CPU.

use super::families::{EMBEDDING, distance};
use super::random_architecture::{Made, architectures, made, poolings};
use super::random_model::{self, Family, Random, Shape, VOCABULARY, least, model, slices};
use super::{Failure, Options, texts, unit_vectors};
use nearwise::Encoder;
use nearwise::encoder::{
    Backend, Call, CpuBackend, Dtype, DtypeChoice, OpenDevice, PlainBackend, Prompt, backend,
};
use nearwise::model::architecture::{Architecture, Place};
use nearwise::model::{Config, Fetch, ModelFiles, tokens};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{RngAlgorithm, RngSeed, TestRunner};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;
use std::path::Path;

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

/// Says of each set whether it is right, as it is known.
pub(super) fn run(options: &Options, models: &[String]) -> Result<(), Failure> {
    let mut wrong = 0;
    let mut say = |what: String, cosine: f64, bound: f64| {
        let verdict = if cosine >= bound { "ok" } else { "WRONG" };
        wrong += usize::from(cosine < bound || cosine.is_nan());
        println!("{verdict:5} {cosine:.7} (at least {bound})  {what}");
    };
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = since.as_nanos() as u64;
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed));
    println!("seed {seed}; the least cosine to the CPU's f32 of each set of texts");
    if options.wants("shapes") {
        for (family, heads, head_dim, intermediate, activation) in
            SHAPES.into_iter().take(options.shapes)
        {
            let shape = Shape {
                family,
                heads,
                head_dim,
                intermediate,
                layers: 2,
                longest: 512,
                activation,
            };
            check_shape(options, shape, seed, &mut random, &mut say)?;
        }
    }
    if options.wants("families") {
        check_architectures(options, seed, &mut random, &mut say)?;
        check_families(options, &mut say)?;
    }
    if options.wants("model") {
        for name in models {
            check_model(options, name, &mut say)?;
        }
    }
    if options.wants("vectors") {
        check_vectors(options, &mut random, &mut say)?;
    }
    if wrong > 0 {
        return Err(format!("{wrong} of these are wrong").into());
    }
    println!("all is right");
    Ok(())
}

fn some_texts(random: &mut Random, lengths: &[usize]) -> Vec<Vec<u32>> {
    let id = |random: &mut Random| 2 + random.below(VOCABULARY - 2) as u32;
    let text = |&n: &usize| (0..n).map(|_| id(random)).collect();
    lengths.iter().map(text).collect()
}

/// Random weights of a shape.
fn check_shape(
    options: &Options,
    shape: Shape,
    seed: u64,
    random: &mut Random,
    say: &mut impl FnMut(String, f64, f64),
) -> Result<(), Failure> {
    let model = model(shape, seed, |_, _| {});
    let hidden = shape.heads * shape.head_dim;
    // One token to the longest, every edge of a tile of the attention, and a mix.
    let mut mix: Vec<usize> = (0..options.size(24, 2))
        .map(|_| 1 + random.below(512))
        .collect();
    mix.extend([1, 2, 3, options.size(512, 70)]);
    let longest = [options.size(512, 200)];
    let sets: [&[usize]; 5] = [
        &[1],
        &[9],
        &longest,
        &[15, 16, 17, 63, 64, 65, 127, 128, 129],
        &mix,
    ];
    let cpu = CpuBackend::load(&model.files, &model.config, Dtype::F32)?;
    let mut exact = Vec::new();
    for lengths in sets {
        let texts = some_texts(random, lengths);
        let vectors = cpu.forward(&slices(&texts), &Call::default())?;
        exact.push((texts, vectors));
    }
    for &dtype in &options.dtypes {
        let only = DtypeChoice::Only(dtype);
        let device = options.device.clone();
        let ours = backend(&model.files, &model.config, device, only, None)?;
        for (texts, expected) in &exact {
            // Often enough that small batches are recorded and replayed.
            for _ in 0..options.size(4, 1) {
                let got = ours.forward(&slices(texts), &Call::default())?;
                let what = format!(
                    "{} {shape:?}, {} texts of up to {} tokens",
                    dtype.name(),
                    texts.len(),
                    texts.iter().map(Vec::len).max().unwrap_or(0)
                );
                say(what, least(&got, expected, hidden), bound(dtype));
            }
        }
    }
    Ok(())
}

/// The furthest that vectors may be from the reference's, in lengths of a vector: as the tests of the
/// kernels' twin have it, where rounding grows on random weights.
fn furthest(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => 1e-3,
        Dtype::F16 => 0.03,
        Dtype::Bf16 | Dtype::Int8 => 0.2,
    }
}

/// Architectures that no family need have: any norms, places, reaches, groups of heads, gates. Of
/// every fourth the sizes are those of a base model.
fn check_architectures(
    options: &Options,
    seed: u64,
    random: &mut Random,
    say: &mut impl FnMut(String, f64, f64),
) -> Result<(), Failure> {
    let mut runner = TestRunner::new(proptest::test_runner::Config {
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        ..Default::default()
    });
    for number in 0..options.size(40, 2) {
        let drawn = (architectures(), poolings())
            .new_tree(&mut runner)
            .map_err(|why| why.to_string())?;
        let (mut architecture, pooling) = drawn.current();
        if number % 4 == 3 && !options.small {
            widen(&mut architecture, if number % 8 == 3 { 64 } else { 128 });
        }
        let Made { files, config, .. } = &made(&architecture, pooling, seed ^ number as u64);
        let texts = random_model::texts(random, architecture.longest);
        let a = &architecture.blocks[0].attention;
        let what = format!(
            "random architecture {number}, hidden {}, {} heads of {} for {} of {}, {:?}, {:?}",
            architecture.hidden, a.kv_heads, a.head_dim, a.heads, a.head_dim, a.reach, pooling
        );
        let plain = PlainBackend::load(files, config, OpenDevice::cpu())?;
        check_against(options, &plain, (files, config), &texts, &what, say)?;
    }
    Ok(())
}

/// Gives an architecture the sizes of a base model.
fn widen(architecture: &mut Architecture, head_dim: usize) {
    architecture.hidden = 768;
    architecture.longest = 512;
    if let Some(positions) = &mut architecture.embedding.positions {
        positions.rows = 512 + positions.first;
    }
    for block in &mut architecture.blocks {
        let a = &mut block.attention;
        let shared = a.heads / a.kv_heads;
        a.kv_heads = 12 / shared;
        a.heads = a.kv_heads * shared;
        a.head_dim = head_dim;
        a.scale = 1.0 / (head_dim as f64).sqrt();
        if let Place::Rotary(rotary) = &mut a.place {
            rotary.frequencies.truncate(head_dim / 2);
        }
        block.feed_forward.width = 1152;
    }
}

/// The small models of each family that lie beside the tests, by the token ids of their texts.
fn check_families(
    options: &Options,
    say: &mut impl FnMut(String, f64, f64),
) -> Result<(), Failure> {
    let folder = Path::new("tests/fixtures/families");
    if !folder.is_dir() {
        println!("the families' models are not here: left out");
        return Ok(());
    }
    for name in EMBEDDING {
        let files = random_model::files(&folder.join(name));
        let config = Config::load(&files)?;
        let cases = std::fs::read(files.folder.join("expected.json"))?;
        let cases: Vec<serde_json::Value> = serde_json::from_slice(&cases)?;
        let mut texts = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let mut ids: Vec<u32> = serde_json::from_value(case["ids"].clone())?;
            // Of every other text the first few are left out of the pooling.
            tokens::leave_out(&mut ids, number % 2 * number);
            texts.push(ids);
        }
        let exact = DtypeChoice::Only(Dtype::F32);
        let cpu = backend(&files, &config, OpenDevice::cpu(), exact, None)?;
        check_against(options, &*cpu, (&files, &config), &texts, name, say)?;
    }
    Ok(())
}

/// Says the distance that is left of the bound, so that more is better as of a cosine.
fn check_against(
    options: &Options,
    reference: &dyn Backend,
    (files, config): (&ModelFiles, &Config),
    texts: &[Vec<u32>],
    what: &str,
    say: &mut impl FnMut(String, f64, f64),
) -> Result<(), Failure> {
    let expected = reference.forward(&slices(texts), &Call::default())?;
    let dim = expected.len() / texts.len();
    for &dtype in &options.dtypes {
        let device = options.device.clone();
        let ours = backend(files, config, device, DtypeChoice::Only(dtype), None)?;
        // Often enough that it is recorded and replayed.
        for _ in 0..options.size(3, 1) {
            let got = ours.forward(&slices(texts), &Call::default())?;
            let far = got
                .chunks(dim)
                .zip(expected.chunks(dim))
                .map(|(g, e)| distance(g, e))
                .fold(0.0, |a: f64, b| if b.is_nan() { b } else { a.max(b) });
            let what = format!("{} {what}: furthest {far:.1e}", dtype.name());
            say(what, 1.0 - far, 1.0 - furthest(dtype));
        }
    }
    Ok(())
}

/// A model and its tokenizer on words of the seeds; the mean must keep to the bar.
fn check_model(
    options: &Options,
    name: &str,
    say: &mut impl FnMut(String, f64, f64),
) -> Result<(), Failure> {
    let files = nearwise::model::find(name, &Fetch::new())?;
    let texts = texts(options.size(2000, 20), 5, 300)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let on = |device: OpenDevice, dtype| -> Result<_, Failure> {
        let encoder = Encoder::load(&files, device, DtypeChoice::Only(dtype))?;
        Ok(encoder.encode(&texts, Prompt::Document)?)
    };
    let exact = on(OpenDevice::cpu(), Dtype::F32)?;
    for &dtype in &options.dtypes {
        let got = on(options.device.clone(), dtype)?;
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

fn check_vectors(
    options: &Options,
    random: &mut Random,
    say: &mut impl FnMut(String, f64, f64),
) -> Result<(), Failure> {
    let sizes = [
        (1, 384, 1, 1),
        (999, 384, 7, 10),
        (70_001, 384, 100, 100),
        (5000, 100, 1030, 1024),
        (40_000, 768, 3, 15),
        // Those whose scores are not stored, over several windows and chunks.
        (9, 8, 64, 5),
        (70_001, 384, 100, 24),
        (300_001, 384, 321, 64),
        (300_001, 40, 65, 1),
    ];
    for (n, dim, queries, k) in sizes.into_iter().take(options.size(sizes.len(), 2)) {
        let mut vectors = unit_vectors(random, n, dim);
        // Some come again, and their scores are equal.
        let again = n / 3 * dim;
        vectors.copy_within(..again, n / 2 * dim);
        let asked = unit_vectors(random, queries, dim);
        let Some(held) = options.device.hold(&vectors, dim)? else {
            println!("this device holds no vectors");
            return Ok(());
        };
        let found = held.top_k(&asked, k)?;
        let right = |(query, found): (&[f32], &Vec<(f32, u32)>)| {
            let mut all: Vec<f32> = vectors
                .chunks(dim)
                .map(|v| nearwise::vectors::dot(query, v))
                .collect();
            all.sort_by(|a, b| b.total_cmp(a));
            let own = |at: u32| nearwise::vectors::dot(query, &vectors[at as usize * dim..][..dim]);
            let mut rows: Vec<u32> = found.iter().map(|f| f.1).collect();
            rows.sort_unstable();
            rows.dedup();
            found.len() == k.min(n)
                && rows.len() == found.len()
                && found.iter().zip(&all).all(|(f, e)| (f.0 - e).abs() <= 1e-4)
                && found.iter().all(|f| (f.0 - own(f.1)).abs() <= 1e-4)
        };
        let right =
            found.len() == queries && asked.par_chunks(dim).zip(found.par_iter()).all(right);
        say(
            format!("top {k} of {n} × {dim} for {queries} queries"),
            f64::from(u8::from(right)),
            1.0,
        );
        let clusters = if n > 1000 { 1000 } else { 37 };
        let centres = unit_vectors(random, clusters, dim);
        let offsets: Vec<f32> = (0..clusters).map(|c| -0.01 * c as f32).collect();
        let (members, scores) = held.nearest(&centres, &offsets)?;
        let wrong = vectors
            .par_chunks(dim)
            .zip(members.par_iter().zip(&scores))
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
