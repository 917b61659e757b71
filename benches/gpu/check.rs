//! Vectors, neighbours and centres of a device against those of the CPU.

use super::random_model::{self, Family, Random, Shape, VOCABULARY, least, model, slices};
use super::{Failure, Options, texts, unit_vectors};
use nearwise::Encoder;
use nearwise::encoder::{
    Backend, Call, CpuBackend, Dtype, DtypeChoice, OpenDevice, Prompt, backend,
};
use nearwise::model::Fetch;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

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
        let mut worst: f64 = 1.0;
        for (query, found) in asked.chunks(dim).zip(&found) {
            let mut all: Vec<f32> = vectors
                .chunks(dim)
                .map(|v| nearwise::vectors::dot(query, v))
                .collect();
            all.sort_by(|a, b| b.total_cmp(a));
            let own = |at: u32| nearwise::vectors::dot(query, &vectors[at as usize * dim..][..dim]);
            let mut rows: Vec<u32> = found.iter().map(|f| f.1).collect();
            rows.sort_unstable();
            rows.dedup();
            let wrong = found.len() != k.min(n)
                || rows.len() != found.len()
                || found.iter().zip(&all).any(|(f, e)| (f.0 - e).abs() > 1e-4)
                || found.iter().any(|f| (f.0 - own(f.1)).abs() > 1e-4);
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
