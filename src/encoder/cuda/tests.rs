//! The kernels' twin and the host's side of the encoder against plain arithmetic and against
//! the CPU's encoder.

mod architectures;
mod attention;
mod near;
mod products;
mod rows;

use super::executor::Executor;
use super::gpu::{Address, Args, Buffer, Gpu, GpuDtype, GpuError, Launch, floats, get, put, words};
use super::random_model::{Family, Model, Random, Shape, VOCABULARY, least, model, slices, texts};
use super::twin::{Twin, Watch, kernels};
use super::{CudaBackend, Opener};
use crate::encoder::checkpoint::Checkpoint;
use crate::encoder::{Backend, Call, CpuBackend, Dtype, Encoder, Identity, Prompt};
use crate::model::{Config, ModelFiles, Tokenizer};
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

const GIB: usize = 1 << 30;
const NUMBERS: [GpuDtype; 3] = [GpuDtype::F32, GpuDtype::F16, GpuDtype::Bf16];

fn random(seed: u64) -> Random {
    Random(Xoshiro256PlusPlus::seed_from_u64(seed))
}

fn normals(random: &mut Random, n: usize) -> Vec<f32> {
    (0..n).map(|_| random.normal(1.0)).collect()
}

/// Values as they are when a device's numbers were made of them.
fn rounded(number: GpuDtype, values: &[f32]) -> Vec<f32> {
    decoded(number, &number.encode(values))
}

fn decoded(number: GpuDtype, bytes: &[u8]) -> Vec<f32> {
    let halves = bytes
        .chunks_exact(2)
        .map(|b| u16::from_le_bytes([b[0], b[1]]));
    match number {
        GpuDtype::F32 => floats(bytes),
        GpuDtype::F16 => halves.map(|h| half::f16::from_bits(h).to_f32()).collect(),
        GpuDtype::Bf16 => halves.map(|h| half::bf16::from_bits(h).to_f32()).collect(),
    }
}

/// What rounding a result of about this size to a dtype is off by at most.
fn tolerance(number: GpuDtype, size: f32) -> f32 {
    match number {
        GpuDtype::F32 => 2e-5 * size.max(1.0),
        GpuDtype::F16 => 1.5e-3 * size.max(1.0),
        GpuDtype::Bf16 => 1.2e-2 * size.max(1.0),
    }
}

#[track_caller]
fn close(number: GpuDtype, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (g - e).abs() <= tolerance(number, e.abs()),
            "{number:?} at {i}: {g} for {e}"
        );
    }
}

/// A twin with buffers that are kept.
struct Bench {
    gpu: Twin,
    kept: Vec<Buffer>,
}

impl Bench {
    fn new() -> Self {
        Self {
            gpu: Twin::new(0, GIB),
            kept: Vec::new(),
        }
    }

    fn put(&mut self, number: GpuDtype, values: &[f32]) -> Address {
        self.bytes(&number.encode(values))
    }

    fn words(&mut self, values: impl IntoIterator<Item = u32>) -> Address {
        self.bytes(&words(values))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Address {
        let buffer = put(&mut self.gpu, bytes).unwrap();
        let address = buffer.address();
        self.kept.push(buffer);
        address
    }

    /// Memory that is NaN as long as nothing was written.
    fn room(&mut self, bytes: usize) -> Address {
        let buffer = self.gpu.alloc(bytes).unwrap();
        let address = buffer.address();
        self.kept.push(buffer);
        address
    }

    fn run(&mut self, kernel: &str, grid: (usize, usize), threads: u32, args: Args) {
        let launch = Launch {
            kernel: kernel.to_string(),
            grid,
            threads,
            memory: 0,
            args,
        };
        self.gpu.launch(&launch).unwrap();
    }

    fn get(&mut self, number: GpuDtype, from: Address, count: usize) -> Vec<f32> {
        let bytes = get(&mut self.gpu, from, count * number.size()).unwrap();
        decoded(number, &bytes)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases::cases(12), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pooling_is_that_of_sentence_transformers(
        lengths in proptest::collection::vec(0usize..40, 1..6),
        hidden in prop_oneof![Just(4usize), Just(36), Just(384), Just(2048), Just(2052)],
        seed in any::<u64>(),
    ) {
        let mut random = random(seed);
        let rows: usize = lengths.iter().sum();
        let mut starts = vec![0u32];
        for n in &lengths {
            starts.push(starts[starts.len() - 1] + *n as u32);
        }
        // Rows of a prompt, which do not count; never all of a text.
        let left_out: Vec<u32> = lengths
            .iter()
            .map(|n| {
                let most = [1, (*n).max(1)][random.below(2)];
                random.below(most) as u32
            })
            .collect();
        for number in NUMBERS {
            let values = rounded(number, &normals(&mut random, rows.max(1) * hidden));
            for mode in 0..6 {
                let mut bench = Bench::new();
                // Another pooling's vectors stand beside them.
                let stride = hidden + [0, 8][random.below(2)];
                let out = bench.room(lengths.len() * stride * 4);
                let words: Vec<u32> = [starts.clone(), left_out.clone()].concat();
                let addresses = [bench.put(number, &values), bench.words(words), out];
                let args = Args::addresses(&addresses).numbers(&[hidden, mode, stride, starts.len()]);
                bench.run(&format!("pool_{}", number.name()), (lengths.len(), 1), 512, args);
                let got = bench.get(GpuDtype::F32, out, lengths.len() * stride);
                for (text, got) in got.chunks(stride).enumerate() {
                    let (got, beside) = got.split_at(hidden);
                    prop_assert!(beside.iter().all(|x| x.is_nan()));
                    let before = left_out[text] as usize;
                    let first = starts[text] as usize + before;
                    let rows: Vec<&[f32]> = values
                        [first * hidden..starts[text + 1] as usize * hidden]
                        .chunks(hidden)
                        .collect();
                    let column = |d: usize| {
                        let all = rows.iter().map(|r| f64::from(r[d]));
                        let n = rows.len() as f64;
                        match mode {
                            _ if rows.is_empty() => 0.0,
                            0 => f64::from(rows[0][d]),
                            1 => all.sum::<f64>() / n,
                            2 => all.fold(f64::NEG_INFINITY, f64::max),
                            3 => all.sum::<f64>() / n.sqrt(),
                            4 => {
                                // By their places in the whole text.
                                let places = (before + 1..=before + rows.len()).map(|i| i as f64);
                                let weighted = all.zip(places.clone()).map(|(x, i)| x * i);
                                weighted.sum::<f64>() / places.sum::<f64>()
                            }
                            _ => f64::from(rows[rows.len() - 1][d]),
                        }
                    };
                    let expected: Vec<f32> = (0..hidden).map(|d| column(d) as f32).collect();
                    close(GpuDtype::F32, got, &expected);
                }
            }
        }
    }
}

/// What is watched of each device that was opened.
type Watches = Arc<Mutex<Vec<Arc<Mutex<Watch>>>>>;

fn opener(limits: Vec<usize>, watches: Watches) -> Opener {
    Box::new(move |number| {
        let Some(&limit) = limits.get(number) else {
            return Err(GpuError::Other("there is no such device".to_string()));
        };
        let twin = Twin::new(number, limit);
        watches.lock().unwrap().push(twin.watch.clone());
        Ok(Box::new(twin) as Box<dyn Gpu>)
    })
}

fn backend(model: &Model, number: GpuDtype) -> CudaBackend {
    let opener = opener(vec![GIB], Arc::default());
    CudaBackend::load(&model.files, &model.config, &[0], opener, number).unwrap()
}

fn shape(family: Family, heads: usize, head_dim: usize, activation: &'static str) -> Shape {
    Shape {
        family,
        heads,
        head_dim,
        intermediate: 4 * (3 + heads * head_dim / 2),
        layers: 2,
        longest: 90,
        activation,
    }
}

#[test]
fn every_family_gets_the_vectors_of_the_cpus_encoder() {
    use Family::{Bert, DistilBert, Mpnet, Roberta};
    let shapes = [
        shape(Bert, 2, 32, "gelu"),
        shape(Roberta, 1, 64, "gelu_new"),
        shape(Mpnet, 2, 32, "gelu"),
        shape(Mpnet, 1, 64, "relu"),
        shape(DistilBert, 3, 32, "relu"),
        shape(Bert, 3, 12, "gelu"),
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        let mut random = random(seed as u64);
        let model = model(shape, seed as u64, |_, _| {});
        let texts = texts(&mut random, shape.longest);
        let texts = slices(&texts);
        let hidden = shape.heads * shape.head_dim;
        let exact = CpuBackend::load(&model.files, &model.config, Dtype::F32)
            .unwrap()
            .forward(&texts, &Call::default())
            .unwrap();
        // Random weights let rounding grow more than trained ones do.
        for (number, least_cosine) in [
            (GpuDtype::F32, 0.999_999),
            (GpuDtype::F16, 0.9999),
            (GpuDtype::Bf16, 0.997),
        ] {
            let backend = backend(&model, number);
            assert_eq!(backend.dtype(), number.name());
            let together = backend.forward(&texts, &Call::default()).unwrap();
            let cosine = least(&together, &exact, hidden);
            assert!(cosine > least_cosine, "{shape:?} {number:?}: {cosine}");
            // Alone, in small batches, a vector is the same to the bit.
            for (text, vector) in texts.iter().zip(together.chunks(hidden)) {
                assert_eq!(
                    backend.forward(&[*text], &Call::default()).unwrap(),
                    vector,
                    "{shape:?}"
                );
            }
        }
    }
}

/// Names that the host composes are names of kernels, and no kernel is one that nothing asks
/// for.
#[test]
fn the_host_asks_for_the_kernels_that_there_are() {
    let mut asked = BTreeSet::new();
    for name in ["f32", "f16", "bf16"] {
        for parts in [1, 2, 3, 4, 6, 8, 16, 32] {
            asked.insert(format!("embed_{name}_{parts}"));
            asked.insert(format!("add_norm_{name}_{parts}"));
            asked.insert(format!("add_norms_{name}_{parts}"));
        }
        for kernel in ["heads", "activate", "gate", "finish", "pool"] {
            asked.insert(format!("{kernel}_{name}"));
        }
        for head in [32, 64, 128, 256] {
            asked.insert(format!("attention_tiled_{name}_{head}"));
            if name != "f32" {
                asked.insert(format!("attention_{name}_{head}"));
            }
            if name != "f32" && head <= 64 {
                asked.insert(format!("attention_short_{name}_{head}"));
            }
        }
    }
    for kernel in [
        "select_best",
        "merge_best",
        "few_scores_1",
        "few_scores_8",
        "nearest_column",
        "cluster_sums",
        "list_above",
        "list_above_wide",
        "merge_above",
        "nearest_centre",
        "nearest_centre_wide",
    ] {
        asked.insert(kernel.to_string());
    }
    assert_eq!(kernels(), asked);
}

fn small_model() -> Model {
    model(shape(Family::Bert, 1, 32, "gelu"), 7, |_, _| {})
}

fn executor(model: &Model, limit: usize) -> (Executor, Arc<Mutex<Watch>>) {
    executor_of(model, limit, GpuDtype::F16)
}

fn executor_of(model: &Model, limit: usize, number: GpuDtype) -> (Executor, Arc<Mutex<Watch>>) {
    let checkpoint = Checkpoint::open(&model.files, &model.config).unwrap();
    let (shape, weights) =
        super::weights::read(&checkpoint, &[model.config.head.pooling], number).unwrap();
    let twin = Twin::new(0, limit);
    let watch = twin.watch.clone();
    (
        Executor::new(Box::new(twin), &shape, &weights, 16_384).unwrap(),
        watch,
    )
}

fn some_texts(seed: u64, count: usize, longest: usize) -> Vec<Vec<u32>> {
    let mut random = random(seed);
    (0..count)
        .map(|_| {
            let n = 1 + random.below(longest);
            (0..n)
                .map(|_| 2 + random.below(VOCABULARY - 2) as u32)
                .collect()
        })
        .collect()
}

#[test]
fn a_batch_that_memory_does_not_hold_is_halved_and_loses_nothing() {
    let model = small_model();
    let texts = some_texts(1, 60, 80);
    let texts = slices(&texts);
    let (mut roomy, _) = executor(&model, GIB);
    roomy.submit(&texts).unwrap();
    let expected = roomy.collect().unwrap().unwrap();
    // From what holds the weights and a text or two to what holds nearly all.
    let mut halved = 0;
    for limit in [140, 180, 260, 400, 700].map(|kib| kib << 10) {
        let (mut executor, watch) = executor(&model, limit);
        let before = executor.budget();
        // What was under way before is not lost either.
        executor.submit(&texts[..2]).unwrap();
        executor.submit(&texts).unwrap();
        executor.submit(&texts[5..6]).unwrap();
        assert_eq!(executor.collect().unwrap().unwrap(), expected[..2 * 32]);
        assert_eq!(executor.collect().unwrap().unwrap(), expected, "{limit}");
        assert_eq!(
            executor.collect().unwrap().unwrap(),
            expected[5 * 32..6 * 32]
        );
        assert_eq!(executor.collect().unwrap(), None);
        halved += usize::from(executor.budget() < before);
        // The next batch of that size is halved without trying what is known to fail.
        let refused = watch.lock().unwrap().refused;
        executor.submit(&texts).unwrap();
        assert_eq!(executor.collect().unwrap().unwrap(), expected, "{limit}");
        assert_eq!(watch.lock().unwrap().refused, refused, "{limit}");
    }
    assert!(halved >= 3, "{halved}");
}

#[test]
fn a_batch_without_memory_halfway_is_begun_anew() {
    let model = small_model();
    let texts = some_texts(2, 40, 60);
    let texts = slices(&texts);
    let (mut roomy, _) = executor(&model, GIB);
    roomy.submit(&texts).unwrap();
    let expected = roomy.collect().unwrap().unwrap();
    // At the first kernel, in the midst and at the last.
    for kernels in [0, 3, 7] {
        let (mut executor, watch) = executor(&model, GIB);
        executor.submit(&texts[..3]).unwrap();
        watch.lock().unwrap().no_memory_after = Some(kernels);
        executor.submit(&texts).unwrap();
        assert_eq!(watch.lock().unwrap().refused, 1);
        assert_eq!(executor.collect().unwrap().unwrap(), expected[..3 * 32]);
        assert_eq!(executor.collect().unwrap().unwrap(), expected);
    }
}

/// Heads of 48 and 12 numbers: with zeros on the matrix units, and on the ordinary ones.
#[test]
fn a_batch_gets_the_attention_made_for_it() {
    let ways = [
        (
            48,
            GpuDtype::F16,
            "attention_short_f16_64",
            "attention_f16_64",
        ),
        (
            48,
            GpuDtype::F32,
            "attention_tiled_f32_64",
            "attention_tiled_f32_64",
        ),
        (
            12,
            GpuDtype::Bf16,
            "attention_tiled_bf16_32",
            "attention_tiled_bf16_32",
        ),
        (72, GpuDtype::F16, "attention_f16_128", "attention_f16_128"),
    ];
    for (head_dim, number, short, long) in ways {
        let model = model(shape(Family::Bert, 1, head_dim, "gelu"), 3, |_, _| {});
        let (mut executor, watch) = executor_of(&model, GIB, number);
        let texts = some_texts(4, 12, 32);
        let mut all = texts.clone();
        all.push(some_texts(5, 1, 1).remove(0).repeat(33));
        let mut vectors = Vec::new();
        for (texts, kernel) in [(&texts, short), (&all, long)] {
            watch.lock().unwrap().launched.clear();
            executor.submit(&slices(texts)).unwrap();
            vectors.push(executor.collect().unwrap().unwrap());
            let launched = watch.lock().unwrap().launched.clone();
            let attention: BTreeSet<&str> = launched
                .iter()
                .map(String::as_str)
                .filter(|n| n.starts_with("attention"))
                .collect();
            assert_eq!(attention, BTreeSet::from([kernel]));
        }
        // A text's vector does not depend on the others.
        assert_eq!(vectors[0], vectors[1][..vectors[0].len()]);
    }
}

#[test]
fn a_batch_that_fails_half_way_is_waited_for_before_its_memory_is_written_anew() {
    let model = small_model();
    let texts = some_texts(3, 24, 60);
    let texts = slices(&texts);
    let (mut plain, watch) = executor(&model, GIB);
    plain.submit(&texts).unwrap();
    let expected = plain.collect().unwrap().unwrap();
    // The last kernel of a batch: its upload and all else is under way by then.
    let launched = watch.lock().unwrap().launched.clone();
    let last = launched.len() - 1;
    assert_eq!(launched[last], "pool_f16");
    let (mut executor, watch) = executor(&model, GIB);
    watch.lock().unwrap().no_memory_after = Some(last);
    executor.submit(&texts).unwrap();
    assert_eq!(executor.collect().unwrap().unwrap(), expected);
    assert_eq!(watch.lock().unwrap().no_memory_after, None);
    // One text cannot be halved: it fails, and the next is right.
    watch.lock().unwrap().no_memory_after = Some(last);
    assert!(executor.submit(&texts[..1]).is_err());
    executor.submit(&texts[1..2]).unwrap();
    assert_eq!(executor.collect().unwrap().unwrap(), expected[32..64]);
}

#[test]
fn the_first_device_that_cannot_be_opened_is_left_out_too() {
    // The first has no memory, the second is not there.
    let (encoder, _) = encoder_on(&[0, 7, 1], &[10 << 10, GIB]);
    assert_eq!(encoder.device(), "cuda:1");
    let about = encoder.about();
    assert!(
        about.contains("cuda:0 was left out: out of memory"),
        "{about}"
    );
    assert!(
        about.contains("cuda:7 was left out: there is no such device"),
        "{about}"
    );
    let texts = sentences(40);
    assert_eq!(
        encoder
            .encode(&texts, Prompt::Document)
            .unwrap()
            .rows()
            .len(),
        40
    );
}

#[test]
fn a_device_too_small_for_one_text_says_so() {
    let model = small_model();
    let opener = opener(vec![10 << 10], Arc::default());
    let error = CudaBackend::load(&model.files, &model.config, &[0], opener, GpuDtype::F16)
        .err()
        .unwrap()
        .to_string();
    assert!(error.starts_with("device cuda:0: out of memory"), "{error}");
    assert!(error.contains("compute on the CPU"), "{error}");
}

#[test]
fn recorded_work_is_done_with_new_texts() {
    let model = small_model();
    let (mut executor, watch) = executor(&model, GIB);
    let (mut plain, _) = self::executor(&model, GIB);
    for round in 0..9 {
        // Other lengths that take the same room.
        let texts = some_texts(round, 3, 20);
        let texts = slices(&texts);
        executor.submit(&texts).unwrap();
        let got = executor.collect().unwrap().unwrap();
        let mut expected = Vec::new();
        for text in &texts {
            plain.submit(&[*text]).unwrap();
            expected.extend(plain.collect().unwrap().unwrap());
        }
        assert_eq!(got, expected, "round {round}");
    }
    assert!(watch.lock().unwrap().replayed > 0);
}

#[test]
fn batches_under_way_do_not_overwrite_each_other() {
    let model = small_model();
    let (mut executor, _) = executor(&model, GIB);
    let (mut plain, _) = self::executor(&model, GIB);
    let batches: Vec<Vec<Vec<u32>>> = (0..7)
        .map(|i| some_texts(i, 1 + i as usize * 9, 70))
        .collect();
    for batch in &batches {
        executor.submit(&slices(batch)).unwrap();
    }
    for batch in &batches {
        plain.submit(&slices(batch)).unwrap();
        assert_eq!(executor.collect().unwrap(), plain.collect().unwrap());
    }
}

#[test]
fn texts_that_do_not_fit_the_model_are_refused() {
    let model = small_model();
    let backend = backend(&model, GpuDtype::F16);
    for text in [vec![2; 91], vec![VOCABULARY as u32]] {
        let error = backend
            .forward(&[&text], &Call::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("does not fit the model"), "{error}");
    }
    assert!(backend.forward(&[], &Call::default()).unwrap().is_empty());
}

/// The folder of a tiny random model.
fn tiny(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn opened(model: &str) -> (ModelFiles, Config, Tokenizer) {
    let files = crate::model::find(model, &crate::model::Fetch::new()).unwrap();
    let config = Config::load(&files).unwrap();
    let tokenizer = Tokenizer::load(&files, &config).unwrap();
    (files, config, tokenizer)
}

/// An encoder over devices with this much memory each, of the tiny model.
fn encoder(limits: &[usize]) -> (Encoder, Watches) {
    let devices: Vec<usize> = (0..limits.len()).collect();
    encoder_on(&devices, limits)
}

/// As [`encoder`], asked to use these devices, whether they are there or not.
fn encoder_on(devices: &[usize], limits: &[usize]) -> (Encoder, Watches) {
    let (files, config, tokenizer) = opened(&tiny("tiny-bert"));
    let watches: Watches = Arc::default();
    let opener = opener(limits.to_vec(), watches.clone());
    let backend = CudaBackend::load(&files, &config, devices, opener, GpuDtype::F16).unwrap();
    let identity = Identity {
        model: "tiny".into(),
        revision: "local".into(),
        hash: String::new(),
        dim: config.dim,
        max_tokens: config.max_tokens,
        dtype: "f16".into(),
    };
    let encoder = Encoder::from_parts(tokenizer, Box::new(backend), identity);
    (encoder.with_token_budget(200), watches)
}

fn sentences(count: usize) -> Vec<String> {
    let words = [
        "the", "bank", "cut", "interest", "rates", "after", "a", "match",
    ];
    let mut random = random(5);
    (0..count)
        .map(|_| {
            let n = random.below(14);
            let some: Vec<&str> = (0..n).map(|_| words[random.below(words.len())]).collect();
            some.join(" ")
        })
        .collect()
}

#[test]
fn several_devices_share_one_queue() {
    let texts = sentences(400);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (one, _) = encoder(&[GIB]);
    let expected = one.encode(&texts, Prompt::Document).unwrap();
    let (three, watches) = encoder(&[GIB, GIB, 300 << 10]);
    assert!(three.about().contains("and 2 more"), "{}", three.about());
    // A few texts need no second device.
    three.encode(&texts[..2], Prompt::Document).unwrap();
    assert_eq!(watches.lock().unwrap().len(), 1);
    let got = three.encode(&texts, Prompt::Document).unwrap();
    assert_eq!(got, expected);
    let watches = watches.lock().unwrap();
    assert_eq!(watches.len(), 3);
    assert_eq!(got.rows().len(), 400);
    // The order of texts is that of the input: each is what it is alone.
    for i in [0, 57, 399] {
        let alone = one.encode(&texts[i..=i], Prompt::Document).unwrap();
        assert_eq!(alone.values, got.values[i * got.dim..(i + 1) * got.dim]);
    }
}

#[test]
fn a_device_that_fails_ends_the_run_with_its_name() {
    let texts = sentences(300);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (encoder, watches) = encoder(&[GIB, GIB]);
    encoder.encode(&texts, Prompt::Document).unwrap();
    watches.lock().unwrap()[1].lock().unwrap().fails_after = Some(5);
    let error = encoder.encode(&texts, Prompt::Document);
    // The first device may have taken all batches; then nothing failed.
    if let Err(error) = error {
        let error = error.to_string();
        assert_eq!(error, "device cuda:1: an unspecified launch failure");
    }
    watches.lock().unwrap()[0].lock().unwrap().fails_after = Some(1);
    let error = encoder
        .encode(&texts, Prompt::Document)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("device cuda:"), "{error}");
    assert!(error.ends_with("an unspecified launch failure"), "{error}");
    // A device that fails again and again gets no more, and who asks is told why.
    for _ in 0..6 {
        let error = encoder
            .encode(&texts, Prompt::Document)
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("an unspecified launch failure"), "{error}");
    }
}

#[test]
fn a_device_that_cannot_be_opened_is_left_out() {
    // There are two, and a third is asked for.
    let (encoder, _) = encoder_on(&[0, 2, 1], &[GIB, GIB]);
    let texts = sentences(400);
    assert_eq!(
        encoder
            .encode(&texts, Prompt::Document)
            .unwrap()
            .rows()
            .len(),
        400
    );
    assert!(
        encoder.about().contains("was left out"),
        "{}",
        encoder.about()
    );
}

#[test]
fn a_panic_in_a_devices_thread_is_told_and_keeps_nobody_waiting() {
    let texts = sentences(300);
    let (encoder, watches) = encoder(&[GIB]);
    encoder.encode(&texts, Prompt::Document).unwrap();
    watches.lock().unwrap()[0].lock().unwrap().panics = true;
    for _ in 0..2 {
        let error = encoder.encode(&texts, Prompt::Document).unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    }
    let error = encoder.encode(&texts[..1], Prompt::Query).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

/// The vectors of HF transformers, which the fixtures hold.
#[test]
fn a_tiny_model_gets_the_vectors_of_hf_transformers() {
    for name in ["tiny-bert", "tiny-distilbert", "tiny-roberta", "tiny-mpnet"] {
        let folder = tiny(name);
        let (files, config, tokenizer) = opened(&folder);
        let expected: serde_json::Value =
            serde_json::from_slice(&std::fs::read(format!("{folder}/expected.json")).unwrap())
                .unwrap();
        for (number, tolerance) in [(GpuDtype::F32, 1e-5), (GpuDtype::F16, 4e-3)] {
            let opener = opener(vec![GIB], Arc::default());
            let backend = CudaBackend::load(&files, &config, &[0], opener, number).unwrap();
            for case in expected.as_array().unwrap() {
                if case["kind"] != "document" {
                    continue;
                }
                let text = format!(
                    "{}{}",
                    config.prompts.document,
                    case["text"].as_str().unwrap()
                );
                let ids = tokenizer.encode("", &[&text]).unwrap().remove(0).ids;
                let mut got = backend.forward(&[&ids], &Call::default()).unwrap();
                crate::vectors::normalize(&mut got);
                let vector = case["vector"].as_array().unwrap();
                for (g, e) in got.iter().zip(vector) {
                    let e = e.as_f64().unwrap() as f32;
                    assert!((g - e).abs() < tolerance, "{name} {number:?}: {g} {e}");
                }
            }
        }
    }
}

/// The bar of 16-bit numbers on trained weights: a mean cosine of 0.9999 to the CPU's f32.
#[test]
fn the_default_model_keeps_its_vectors_in_16_bits() {
    if !crate::model::offline::may_fetch() {
        return;
    }
    let (files, config, tokenizer) = opened(crate::model::DEFAULT_MODEL);
    let wire = format!("{}/seeds/wire.jsonl", env!("CARGO_MANIFEST_DIR"));
    let texts: Vec<String> = std::fs::read_to_string(wire)
        .unwrap()
        .lines()
        .take(6)
        .map(|line| {
            let article: serde_json::Value = serde_json::from_str(line).unwrap();
            article["text"]
                .as_str()
                .unwrap()
                .chars()
                .take(300)
                .collect()
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ids: Vec<Vec<u32>> = tokenizer
        .encode("", &texts)
        .unwrap()
        .into_iter()
        .map(|t| t.ids)
        .collect();
    let ids = slices(&ids);
    let exact = CpuBackend::load(&files, &config, Dtype::F32)
        .unwrap()
        .forward(&ids, &Call::default())
        .unwrap();
    for (number, bar) in [(GpuDtype::F16, 0.9999), (GpuDtype::Bf16, 0.9999)] {
        let opener = opener(vec![GIB], Arc::default());
        let got = CudaBackend::load(&files, &config, &[0], opener, number)
            .unwrap()
            .forward(&ids, &Call::default())
            .unwrap();
        let cosines = exact
            .chunks(config.dim)
            .zip(got.chunks(config.dim))
            .map(|(a, b)| super::random_model::cosine(a, b));
        let mean = cosines.sum::<f64>() / ids.len() as f64;
        println!("{number:?}: {mean:.7}");
        assert!(mean >= bar, "{number:?}: {mean}");
    }
}
