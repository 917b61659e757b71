//! Random models of any shape, small and large, for tests against a reference.

#![allow(dead_code, reason = "each test uses a part of it")]

use candle_core::{Device, Tensor};
use nearwise::model::{Config, ModelFiles, Source};
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Bert,
    DistilBert,
    Roberta,
    Mpnet,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub family: Family,
    pub heads: usize,
    pub head_dim: usize,
    pub intermediate: usize,
    pub layers: usize,
    pub longest: usize,
    pub activation: &'static str,
}

pub(super) const VOCABULARY: usize = 61;

pub(super) struct Random(pub Xoshiro256PlusPlus);

impl Random {
    /// Close to normal, of this standard deviation.
    pub(super) fn normal(&mut self, deviation: f32) -> f32 {
        let sum: f32 = (0..12)
            .map(|_| (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32)
            .sum();
        (sum - 6.0) * deviation
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }
}

/// A random model of a shape, in a folder of its own.
pub(super) struct Model {
    pub files: ModelFiles,
    pub config: Config,
    _folder: TempDir,
}

pub(super) fn model(shape: Shape, seed: u64, change: impl Fn(&str, &mut Vec<f32>)) -> Model {
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

pub(super) fn files(folder: &Path) -> ModelFiles {
    ModelFiles {
        id: "random".into(),
        revision: "local".into(),
        folder: folder.to_path_buf(),
        source: Source::Folder,
        hashes: Default::default(),
    }
}

pub(super) fn texts(random: &mut Random, longest: usize) -> Vec<Vec<u32>> {
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

pub(super) fn slices(texts: &[Vec<u32>]) -> Vec<&[u32]> {
    texts.iter().map(Vec::as_slice).collect()
}

pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The least cosine between the vectors of two outputs.
pub(super) fn least(a: &[f32], b: &[f32], dim: usize) -> f64 {
    assert_eq!(a.len(), b.len());
    let cosines = a.chunks(dim).zip(b.chunks(dim)).map(|(a, b)| cosine(a, b));
    cosines.fold(1.0, f64::min)
}

pub(super) fn shapes() -> impl Strategy<Value = Shape> {
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
