//! Each family of models against what HF transformers and sentence-transformers compute; the
//! models are random and small (`tests/fixtures/make_families.py`).

#[path = "common/families.rs"]
mod families;

use families::{EMBEDDING, distance};
use nearwise::encoder::{
    Backend, Call, CpuBackend, Dtype, DtypeChoice, EncodeOptions, Encoder, Level, OpenDevice,
    PlainBackend, Prompt,
};
use nearwise::model::{Config, ModelFiles, Source, tokens};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Expected {
    kind: String,
    text: String,
    ids: Vec<u32>,
    vector: Vec<f32>,
}

fn folder(name: &str) -> PathBuf {
    Path::new("tests/fixtures/families").join(name)
}

fn files(name: &str) -> ModelFiles {
    ModelFiles {
        id: name.into(),
        revision: "local".into(),
        folder: folder(name),
        source: Source::Folder,
        hashes: Default::default(),
    }
}

fn expected(name: &str) -> Vec<Expected> {
    let path = folder(name).join("expected.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Runs a test on each folder, and fails with all that they fail with.
fn each(names: &[&str], test: impl Fn(&str) -> Vec<String>) {
    let failures: Vec<String> = names.iter().flat_map(|name| test(name)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A cosine of 0.999999 is a distance of 0.0014; this is far below, so that it shows an eps or an
/// approximation of the GELU that is another than the model's.
const NEAR: f64 = 3e-5;

#[test]
fn texts_in_order_one_batch_and_with_their_prompts() {
    each(&EMBEDDING, |name| {
        let dtype = DtypeChoice::Only(Dtype::F32);
        let encoder = match Encoder::load(&files(name), OpenDevice::cpu(), dtype) {
            Ok(encoder) => encoder,
            Err(e) => return vec![format!("{name}: {e}")],
        };
        let mut failures = Vec::new();
        for (kind, prompt) in [("document", Prompt::Document), ("query", Prompt::Query)] {
            let expected: Vec<Expected> = expected(name)
                .into_iter()
                .filter(|e| e.kind == kind)
                .collect();
            // Where a model has no prompts there is one kind.
            let Some(first) = expected.first() else {
                continue;
            };
            let length: f32 = first.vector.iter().map(|x| x * x).sum();
            let texts: Vec<&str> = expected.iter().map(|e| e.text.as_str()).collect();
            let tokens = encoder.tokenize(&texts, prompt.clone()).unwrap();
            let options = EncodeOptions::from(prompt).normalize((length - 1.0).abs() < 1e-4);
            let vectors = encoder.encode(&texts, options).unwrap();
            for ((e, tokens), got) in expected.iter().zip(tokens).zip(vectors.rows()) {
                let far = distance(got, &e.vector);
                if tokens.ids != e.ids || far >= NEAR {
                    let ids = if tokens.ids == e.ids {
                        ""
                    } else {
                        "other tokens, "
                    };
                    failures.push(format!("{name} {kind} {:?}: {ids}{far:e}", e.text));
                }
            }
        }
        failures
    });
}

#[test]
fn a_prompt_that_is_not_pooled_leaves_something_to_pool() {
    for name in ["bert-prompt-excluded", "bert-prompt-excluded-all"] {
        let f32 = DtypeChoice::Only(Dtype::F32);
        let encoder = Encoder::load(&files(name), OpenDevice::cpu(), f32).unwrap();
        let texts = ["the moon", "", "the court of the city", "a"];
        let prompt = |text: &str| Prompt::Text(text.to_string());
        let together = encoder.encode(&texts, prompt("for the vote: ")).unwrap();
        let named = encoder.encode(&texts, Prompt::Query).unwrap();
        assert_eq!(together.values, named.values);
        for (text, among) in texts.iter().zip(together.rows()) {
            let alone = encoder.encode(&[text], Prompt::Query).unwrap();
            assert_eq!(alone.values, among, "{text}");
        }
        // Tokens that are given are all pooled, and are those of the vocabulary.
        let tokens = encoder.tokenize(&texts, Prompt::Query).unwrap();
        let ids: Vec<&[u32]> = tokens.iter().map(|t| t.ids.as_slice()).collect();
        assert!(ids.concat().iter().all(|&id| id < 1000));
        let pooled = encoder.encode_ids(&ids, EncodeOptions::new()).unwrap();
        assert_ne!(pooled.values, together.values);
        // A prompt that is longer than the model leaves the last token.
        let long = encoder
            .encode(&texts, prompt(&"the vote ".repeat(90)))
            .unwrap();
        for vector in long.rows() {
            let length: f32 = vector.iter().map(|x| x * x).sum();
            assert!(length > 0.5, "{name}: {length}");
        }
    }
}

/// Each level of instructions, each dtype, and the plain reference, before the model's own steps
/// behind the pooling.
#[test]
fn all_interpreters_agree_on_each_family() {
    each(&EMBEDDING, |name| {
        let files = files(name);
        let config = match Config::load(&files) {
            Ok(config) => config,
            Err(e) => return vec![format!("{name}: {e}")],
        };
        let plain = PlainBackend::load(&files, &config, OpenDevice::cpu()).unwrap();
        // Of every other text some tokens are left out of the pooling.
        let mut expected = expected(name);
        for (number, e) in expected.iter_mut().enumerate() {
            tokens::leave_out(&mut e.ids, number % 2 * number);
        }
        let ids: Vec<&[u32]> = expected.iter().map(|e| e.ids.as_slice()).collect();
        let reference = plain.forward(&ids, &Call::default()).unwrap();
        let dim = reference.len() / ids.len();
        let mut failures = Vec::new();
        for level in Level::ALL.into_iter().filter(|l| l.available()) {
            for (dtype, bound) in [(Dtype::F32, NEAR), (Dtype::Bf16, 0.05), (Dtype::Int8, 0.3)] {
                let own = CpuBackend::load_for(&files, &config, dtype, level).unwrap();
                let got = own.forward(&ids, &Call::default()).unwrap();
                let pairs = got.chunks(dim).zip(reference.chunks(dim));
                for ((got, reference), e) in pairs.zip(&expected) {
                    let far = distance(got, reference);
                    if far >= bound {
                        let what = format!("{name} {level:?} {dtype:?} {:?}: {far:e}", e.text);
                        failures.push(what);
                    }
                }
            }
        }
        failures
    });
}

/// On a machine with a GPU: the plain reference on candle's CUDA device, and our kernels there,
/// beside the plain reference on the CPU.
#[cfg(feature = "candle-cuda")]
#[test]
fn candles_cuda_device_agrees_with_the_cpu_and_with_our_kernels() {
    use nearwise::encoder::{DeviceChoice, backend};

    let Ok(gpu) = DeviceChoice::Cuda(Some(0)).open() else {
        eprintln!("NOT RUN: there is no CUDA device");
        return;
    };
    each(&EMBEDDING, |name| {
        let files = files(name);
        let config = Config::load(&files).unwrap();
        let expected = expected(name);
        let ids: Vec<&[u32]> = expected.iter().map(|e| e.ids.as_slice()).collect();
        let reference = PlainBackend::load(&files, &config, OpenDevice::cpu()).unwrap();
        let reference = reference.forward(&ids, &Call::default()).unwrap();
        let candle = PlainBackend::load(&files, &config, gpu.clone()).unwrap();
        let candle = candle.forward(&ids, &Call::default()).unwrap();
        let dim = reference.len() / ids.len();
        let mut failures = Vec::new();
        for (i, (candle, reference)) in candle.chunks(dim).zip(reference.chunks(dim)).enumerate() {
            let far = distance(candle, reference);
            if far >= NEAR {
                failures.push(format!("{name} candle {:?}: {far:e}", expected[i].text));
            }
        }
        // Our own kernels' vectors have passed the model's further modules as well.
        let f32 = DtypeChoice::Only(Dtype::F32);
        let behind = |place| backend(&files, &config, place, f32, None).unwrap();
        let own = behind(gpu.clone()).forward(&ids, &Call::default()).unwrap();
        let cpu = behind(OpenDevice::cpu())
            .forward(&ids, &Call::default())
            .unwrap();
        let dim = cpu.len() / ids.len();
        for (i, (own, cpu)) in own.chunks(dim).zip(cpu.chunks(dim)).enumerate() {
            let far = distance(own, cpu);
            if far >= NEAR {
                failures.push(format!("{name} ours {:?}: {far:e}", expected[i].text));
            }
        }
        failures
    });
}
