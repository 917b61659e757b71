//! The CPU encoder against the plain reference, candle's, on random models of odd shapes: each
//! architecture, type of number and level of instructions that this processor has.

use candle_core::{Device, Tensor};
use nearwise::encoder::{Backend, CandleBackend, CpuBackend, Dtype, Level, OpenDevice};
use nearwise::model::{Config, ModelFiles, Source};
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Bert,
    DistilBert,
    Roberta,
    Mpnet,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    family: Family,
    heads: usize,
    head_dim: usize,
    intermediate: usize,
    layers: usize,
    longest: usize,
    activation: &'static str,
}

const VOCABULARY: usize = 61;

struct Random(Xoshiro256PlusPlus);

impl Random {
    /// Close to normal, of this standard deviation.
    fn normal(&mut self, deviation: f32) -> f32 {
        let sum: f32 = (0..12)
            .map(|_| (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32)
            .sum();
        (sum - 6.0) * deviation
    }

    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }
}

/// A random model of a shape, in a folder of its own.
struct Model {
    files: ModelFiles,
    config: Config,
    _folder: TempDir,
}

fn model(shape: Shape, seed: u64, change: impl Fn(&str, &mut Vec<f32>)) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed));
    let hidden = shape.heads * shape.head_dim;
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    let mut add = |name: String, dims: &[usize], mean: f32, deviation: f32| {
        let n = dims.iter().product();
        let mut values: Vec<f32> = (0..n).map(|_| mean + random.normal(deviation)).collect();
        change(&name, &mut values);
        tensors.insert(name, Tensor::from_vec(values, dims, &Device::Cpu).unwrap());
    };
    let first = match shape.family {
        Family::Bert | Family::DistilBert => 0,
        Family::Roberta | Family::Mpnet => 2,
    };
    let positions = shape.longest + first;
    add(
        "embeddings.word_embeddings.weight".into(),
        &[VOCABULARY, hidden],
        0.0,
        1.0,
    );
    add(
        "embeddings.position_embeddings.weight".into(),
        &[positions, hidden],
        0.0,
        0.5,
    );
    if matches!(shape.family, Family::Bert | Family::Roberta) {
        add(
            "embeddings.token_type_embeddings.weight".into(),
            &[2, hidden],
            0.0,
            0.3,
        );
    }
    add("embeddings.LayerNorm.weight".into(), &[hidden], 1.0, 0.2);
    add("embeddings.LayerNorm.bias".into(), &[hidden], 0.0, 0.2);
    let (layers, [query, key, value, output, norm, up, down, last]) = match shape.family {
        Family::Bert | Family::Roberta => (
            "encoder.layer",
            [
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
                "attention.output.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm",
            ],
        ),
        Family::Mpnet => (
            "encoder.layer",
            [
                "attention.attn.q",
                "attention.attn.k",
                "attention.attn.v",
                "attention.attn.o",
                "attention.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm",
            ],
        ),
        Family::DistilBert => (
            "transformer.layer",
            [
                "attention.q_lin",
                "attention.k_lin",
                "attention.v_lin",
                "attention.out_lin",
                "sa_layer_norm",
                "ffn.lin1",
                "ffn.lin2",
                "output_layer_norm",
            ],
        ),
    };
    for layer in 0..shape.layers {
        for (part, columns, inner) in [
            (query, hidden, hidden),
            (key, hidden, hidden),
            (value, hidden, hidden),
            (output, hidden, hidden),
            (up, shape.intermediate, hidden),
            (down, hidden, shape.intermediate),
        ] {
            let deviation = 1.2 / (inner as f32).sqrt();
            add(
                format!("{layers}.{layer}.{part}.weight"),
                &[columns, inner],
                0.0,
                deviation,
            );
            add(
                format!("{layers}.{layer}.{part}.bias"),
                &[columns],
                0.0,
                0.1,
            );
        }
        for part in [norm, last] {
            add(
                format!("{layers}.{layer}.{part}.weight"),
                &[hidden],
                1.0,
                0.2,
            );
            add(format!("{layers}.{layer}.{part}.bias"), &[hidden], 0.0, 0.2);
        }
    }
    if shape.family == Family::Mpnet {
        add(
            "encoder.relative_attention_bias.weight".into(),
            &[32, shape.heads],
            0.0,
            1.0,
        );
    }
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    let config = if shape.family == Family::DistilBert {
        json!({
            "model_type": "distilbert", "dim": hidden, "n_layers": shape.layers,
            "n_heads": shape.heads, "hidden_dim": shape.intermediate,
            "activation": shape.activation, "max_position_embeddings": positions,
            "vocab_size": VOCABULARY, "pad_token_id": 0,
        })
    } else {
        json!({
            "model_type": match shape.family {
                Family::Bert => "bert",
                Family::Roberta => "roberta",
                _ => "mpnet",
            },
            "hidden_size": hidden, "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads, "intermediate_size": shape.intermediate,
            "hidden_act": shape.activation, "max_position_embeddings": positions,
            "vocab_size": VOCABULARY, "type_vocab_size": 2, "layer_norm_eps": 1e-6,
            "pad_token_id": if first == 0 { 0 } else { 1 },
        })
    };
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let files = files(folder.path());
    Model {
        config: Config::load(&files).unwrap(),
        files,
        _folder: folder,
    }
}

fn files(folder: &Path) -> ModelFiles {
    ModelFiles {
        id: "random".into(),
        revision: "local".into(),
        folder: folder.to_path_buf(),
        source: Source::Folder,
        hashes: Default::default(),
    }
}

fn levels() -> Vec<Level> {
    Level::ALL.into_iter().filter(|l| l.available()).collect()
}

fn texts(random: &mut Random, longest: usize) -> Vec<Vec<u32>> {
    // Exactly the longest and one token, besides what chance gives.
    let mut lengths = vec![longest, 1];
    lengths.extend((0..5).map(|_| 1 + random.below(longest)));
    lengths
        .into_iter()
        .map(|n| {
            (0..n)
                .map(|_| 2 + random.below(VOCABULARY - 2) as u32)
                .collect()
        })
        .collect()
}

fn slices(texts: &[Vec<u32>]) -> Vec<&[u32]> {
    texts.iter().map(Vec::as_slice).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The least cosine between the vectors of two outputs.
fn least(a: &[f32], b: &[f32], dim: usize) -> f64 {
    assert_eq!(a.len(), b.len());
    let cosines = a.chunks(dim).zip(b.chunks(dim)).map(|(a, b)| cosine(a, b));
    cosines.fold(1.0, f64::min)
}

fn shapes() -> impl Strategy<Value = Shape> {
    use Family::{Bert, DistilBert, Mpnet, Roberta};
    (
        prop_oneof![Just(Bert), Just(DistilBert), Just(Roberta), Just(Mpnet)],
        prop_oneof![
            Just((1, 8)),
            Just((3, 10)),
            Just((2, 32)),
            Just((3, 16)),
            Just((1, 64)),
            Just((5, 20)),
            Just((2, 50)),
            Just((4, 64)),
            Just((12, 32))
        ],
        1usize..200,
        1usize..3,
        8usize..150,
        prop_oneof![Just("gelu"), Just("relu"), Just("gelu_new")],
    )
        .prop_map(
            |(family, (heads, head_dim), intermediate, layers, longest, activation)| Shape {
                family,
                heads,
                head_dim,
                intermediate,
                layers,
                longest,
                // DistilBERT and XLM-RoBERTa of candle-transformers know two.
                activation: match (family, activation) {
                    (DistilBert, "gelu_new") => "gelu",
                    (_, other) => other,
                },
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_level_computes_what_the_reference_does(shape in shapes(), seed in any::<u64>()) {
        let model = model(shape, seed, |_, _| {});
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed ^ 1));
        let texts = texts(&mut random, shape.longest);
        let dim = shape.heads * shape.head_dim;
        // The reference one by one, so that padding has no part in it.
        let mut plain = CandleBackend::load(&model.files, &model.config, OpenDevice::cpu()).unwrap();
        let expected: Vec<f32> =
            slices(&texts).into_iter().flat_map(|t| plain.forward(&[t]).unwrap()).collect();
        // candle-transformers' DistilBERT takes the tanh approximation for the GELU, where HF
        // transformers and this encoder have the exact one.
        let approximate = shape.family == Family::DistilBert && shape.activation == "gelu";
        let (exact, error) = if approximate { (0.999_99, 5e-3) } else { (0.999_999, 1e-4) };
        for level in levels() {
            for (dtype, bound) in [(Dtype::F32, exact), (Dtype::Bf16, 0.999), (Dtype::Int8, 0.99)] {
                let mut own = CpuBackend::load_for(&model.files, &model.config, dtype, level).unwrap();
                let got = own.forward(&slices(&texts)).unwrap();
                let cosine = least(&expected, &got, dim);
                prop_assert!(cosine > bound, "{level:?} {dtype:?}: {cosine}");
                if dtype == Dtype::F32 {
                    for (a, b) in expected.iter().zip(&got) {
                        prop_assert!((a - b).abs() < error, "{level:?}: {a} {b}");
                    }
                }
            }
        }
    }

    /// Not by a bit: in another order, one by one, repeated, on another number of threads.
    #[test]
    fn vectors_do_not_depend_on_the_batch_or_the_threads(shape in shapes(), seed in any::<u64>()) {
        let model = model(shape, seed, |_, _| {});
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed ^ 2));
        let texts = texts(&mut random, shape.longest);
        let dim = shape.heads * shape.head_dim;
        for dtype in Dtype::ALL {
            let mut own = CpuBackend::load(&model.files, &model.config, dtype).unwrap();
            let expected = own.forward(&slices(&texts)).unwrap();
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let mut turned = slices(&texts);
                    turned.rotate_left(3);
                    turned.extend(slices(&texts));
                    let mut got = own.forward(&turned).unwrap();
                    prop_assert_eq!(&got.split_off(texts.len() * dim), &expected);
                    got.rotate_right(3 * dim);
                    prop_assert_eq!(&got, &expected);
                    for (text, expected) in texts.iter().zip(expected.chunks(dim)) {
                        prop_assert_eq!(own.forward(&[text]).unwrap(), expected);
                    }
                    Ok(())
                })?;
            }
        }
    }
}

const SMALL: Shape = Shape {
    family: Family::Bert,
    heads: 2,
    head_dim: 16,
    intermediate: 48,
    layers: 1,
    longest: 20,
    activation: "gelu",
};

#[test]
fn no_text_and_a_text_of_no_tokens() {
    let model = model(SMALL, 1, |_, _| {});
    for dtype in Dtype::ALL {
        let mut own = CpuBackend::load(&model.files, &model.config, dtype).unwrap();
        assert!(own.forward(&[]).unwrap().is_empty());
        let alone = own.forward(&[&[5, 6]]).unwrap();
        let both = own.forward(&[&[], &[5, 6]]).unwrap();
        assert_eq!(both[..32], [0.0; 32]);
        assert_eq!(both[32..], alone);
    }
}

#[test]
fn what_does_not_fit_the_model_is_refused() {
    let model = model(SMALL, 2, |_, _| {});
    let mut own = CpuBackend::load(&model.files, &model.config, Dtype::F32).unwrap();
    assert!(own.forward(&[&[3; 20]]).is_ok());
    let long = own.forward(&[&[3; 21]]).unwrap_err().to_string();
    assert!(long.contains("21 tokens"), "{long}");
    let unknown = own
        .forward(&[&[VOCABULARY as u32]])
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("below 61"), "{unknown}");
    for level in Level::ALL.into_iter().filter(|l| !l.available()) {
        let loaded = CpuBackend::load_for(&model.files, &model.config, Dtype::F32, level);
        assert!(loaded.unwrap_err().to_string().contains(level.name()));
    }
}

/// One value of any tensor that is no finite number.
#[test]
fn weights_that_are_no_numbers_are_refused() {
    let tensors = [
        "embeddings.word_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "encoder.layer.0.attention.self.key.bias",
        "encoder.layer.0.intermediate.dense.weight",
        "encoder.layer.0.output.LayerNorm.weight",
    ];
    for (name, value) in tensors
        .into_iter()
        .zip([f32::NAN, f32::INFINITY].into_iter().cycle())
    {
        let model = model(SMALL, 3, |tensor, values| {
            if tensor == name {
                values[7] = value;
            }
        });
        for dtype in Dtype::ALL {
            let refused = CpuBackend::load(&model.files, &model.config, dtype)
                .unwrap_err()
                .to_string();
            assert!(
                refused.contains("NaN or infinite") && refused.contains(name),
                "{refused}"
            );
        }
    }
}

/// The sizes of base and large models.
#[test]
fn hidden_sizes_of_768_and_1024() {
    for (family, heads) in [(Family::Mpnet, 12), (Family::Roberta, 16)] {
        let shape = Shape {
            family,
            heads,
            head_dim: 64,
            intermediate: 4 * 64 * heads,
            ..SMALL
        };
        let model = model(shape, 6, |_, _| {});
        let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(7));
        let texts = texts(&mut random, 20);
        let mut plain =
            CandleBackend::load(&model.files, &model.config, OpenDevice::cpu()).unwrap();
        let expected = plain.forward(&[&texts[0]]).unwrap();
        for (dtype, bound) in [
            (Dtype::F32, 0.999_999),
            (Dtype::Bf16, 0.999),
            (Dtype::Int8, 0.99),
        ] {
            let mut own = CpuBackend::load(&model.files, &model.config, dtype).unwrap();
            let got = own.forward(&slices(&texts)).unwrap();
            let cosine = cosine(&expected, &got[..expected.len()]);
            assert!(cosine > bound, "{family:?} {dtype:?}: {cosine}");
        }
    }
}

/// Sums of quantised products are whole numbers, so that levels differ only in what is f32.
#[test]
fn levels_agree_on_int8() {
    let shape = Shape {
        longest: 64,
        layers: 2,
        intermediate: 96,
        ..SMALL
    };
    let model = model(shape, 4, |_, _| {});
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(5));
    let texts = texts(&mut random, 64);
    let outputs: Vec<Vec<f32>> = levels()
        .into_iter()
        .map(|level| {
            let mut own =
                CpuBackend::load_for(&model.files, &model.config, Dtype::Int8, level).unwrap();
            own.forward(&slices(&texts)).unwrap()
        })
        .collect();
    for output in &outputs {
        assert!(
            least(&outputs[0], output, 32) > 0.999,
            "{}",
            least(&outputs[0], output, 32)
        );
    }
}
