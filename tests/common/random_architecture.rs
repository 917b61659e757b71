//! Random architectures, of any combination of parts, and models of them: what interpreters of the
//! description must agree on, also where no family has the combination.

#![allow(dead_code, reason = "each test uses a part of it")]

use super::random_model::{Random, VOCABULARY, files};
use candle_core::{Device, Tensor};
use nearwise::model::architecture::{
    Activation, Architecture, Attention, Block, Embedding, FeedForward, Norm, NormKind, Norms,
    Place, Pooling, Positions, Reach, Rotary,
};
use nearwise::model::{
    BlockAt, Config, Described, Head, LinearAt, ModelFiles, NormAt, Prompts, TensorsAt,
};
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use std::collections::HashMap;
use tempfile::TempDir;

/// A random model of an architecture, in a folder of its own.
pub(super) struct Made {
    pub files: ModelFiles,
    pub config: Config,
    _folder: TempDir,
}

fn norm_of(kind: NormKind) -> Norm {
    Norm { kind, eps: 1e-6 }
}

fn reaches() -> impl Strategy<Value = Reach> {
    prop_oneof![
        3 => Just(Reach::ALL),
        1 => Just(Reach::CAUSAL),
        2 => (0usize..70).prop_map(Reach::window),
        1 => (0usize..70, 0usize..70).prop_map(|(before, behind)| Reach { before, behind }),
    ]
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::Gelu),
        Just(Activation::GeluTanh),
        Just(Activation::Relu),
        Just(Activation::Silu),
        Just(Activation::Tanh),
        Just(Activation::Sigmoid),
        Just(Activation::Identity),
    ]
}

pub(super) fn poolings() -> impl Strategy<Value = Pooling> {
    prop_oneof![
        Just(Pooling::Cls),
        Just(Pooling::Mean),
        Just(Pooling::Max),
        Just(Pooling::MeanSqrtLen),
        Just(Pooling::Weighted),
        Just(Pooling::Last),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Places {
    Nowhere,
    Rotated { pairs: usize, interleaved: bool },
    Alibi,
    Buckets,
}

/// Any architecture of at most three blocks, for texts of at most `longest` tokens.
pub(super) fn architectures() -> impl Strategy<Value = Architecture> {
    let heads = (1usize..4, 1usize..4);
    let head_dim = prop_oneof![
        Just(2usize),
        Just(8),
        Just(10),
        Just(16),
        Just(32),
        Just(50),
        Just(64),
        Just(96)
    ];
    let places = prop_oneof![
        1 => Just(Places::Nowhere),
        3 => (1usize..48, any::<bool>())
            .prop_map(|(pairs, interleaved)| Places::Rotated { pairs, interleaved }),
        1 => Just(Places::Alibi),
        1 => Just(Places::Buckets),
    ];
    let kind = prop_oneof![Just(NormKind::Layer), Just(NormKind::Rms)];
    // A norm of a few numbers leaves little but their signs, which rounding may turn.
    let shape = (heads, head_dim, 12usize..60, 12usize..120, 8usize..150);
    let parts = (
        places,
        kind,
        0u8..3,
        any::<bool>(),
        any::<[bool; 5]>(),
        activations(),
    );
    let blocks = proptest::collection::vec(reaches(), 1..4);
    (shape, parts, blocks).prop_map(|(shape, parts, reaches)| {
        let ((kv_heads, shared), head_dim, half_hidden, width, longest) = shape;
        let (places, kind, norms, head_norm, [table, types, scaled, first, gated], activation) =
            parts;
        let norm = norm_of(kind);
        let hidden = 2 * half_hidden;
        let block = |(i, reach): (usize, Reach)| Block {
            attention: Attention {
                heads: kv_heads * shared,
                kv_heads,
                head_dim,
                scale: 1.0 / (head_dim as f64).sqrt(),
                head_norm: head_norm.then_some(norm_of(NormKind::Rms)),
                place: match places {
                    Places::Nowhere => Place::None,
                    Places::Alibi => Place::Alibi,
                    Places::Buckets => Place::Buckets(32),
                    Places::Rotated { pairs, interleaved } => Place::Rotary(Rotary {
                        interleaved,
                        ..Rotary::new([1e4, 1e2][i % 2], 2 * pairs.min(head_dim / 2))
                    }),
                },
                reach,
            },
            feed_forward: FeedForward {
                width,
                activation,
                gated,
            },
            norms: match norms {
                0 => Norms::Post([norm; 2]),
                1 => Norms::Pre([(i > 0 || first).then_some(norm), Some(norm)]),
                _ => Norms::Sandwich([norm; 4]),
            },
        };
        Architecture {
            vocabulary: VOCABULARY,
            hidden,
            longest,
            embedding: Embedding {
                positions: table.then_some(Positions {
                    rows: longest + 3,
                    first: 2,
                    padding: None,
                }),
                types: if types { 2 } else { 0 },
                scale: if scaled { 1.5 } else { 1.0 },
                norm: first.then_some(norm),
            },
            blocks: reaches.into_iter().enumerate().map(block).collect(),
            last_norm: (norms > 0).then_some(norm),
        }
    })
}

/// A model of an architecture with weights that a seed decides, saved under names of its own.
#[allow(
    clippy::type_complexity,
    reason = "two closures take the one that adds a tensor"
)]
pub(super) fn made(architecture: &Architecture, pooling: Pooling, seed: u64) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    let mut add = |name: String, dims: &[usize], mean: f32, deviation: f32| {
        let n = dims.iter().product();
        let values: Vec<f32> = (0..n).map(|_| mean + random.normal(deviation)).collect();
        tensors.insert(name, Tensor::from_vec(values, dims, &Device::Cpu).unwrap());
    };
    let a = architecture;
    let hidden = a.hidden;
    add("words".into(), &[a.vocabulary, hidden], 0.0, 1.0);
    if let Some(positions) = a.embedding.positions {
        add("positions".into(), &[positions.rows, hidden], 0.0, 0.5);
    }
    if a.embedding.types > 0 {
        add("types".into(), &[a.embedding.types, hidden], 0.0, 0.3);
    }
    let norm = |add: &mut dyn FnMut(String, &[usize], f32, f32), name: &str, norm: Norm, n| {
        let bias = norm.kind == NormKind::Layer;
        add(format!("{name}.weight"), &[n], 1.0, 0.2);
        if bias {
            add(format!("{name}.bias"), &[n], 0.0, 0.2);
        }
        NormAt::new(name, bias)
    };
    let linear =
        |add: &mut dyn FnMut(String, &[usize], f32, f32), name: &str, out, inner: usize| {
            let deviation = 1.2 / (inner as f32).sqrt();
            add(format!("{name}.weight"), &[out, inner], 0.0, deviation);
            add(format!("{name}.bias"), &[out], 0.0, 0.1);
            LinearAt::new(name, true)
        };
    let embedding_norm = a.embedding.norm.map(|n| norm(&mut add, "first", n, hidden));
    let last_norm = a.last_norm.map(|n| norm(&mut add, "last", n, hidden));
    let buckets = match a.blocks[0].attention.place {
        Place::Buckets(n) => {
            add(
                "buckets".into(),
                &[n, a.blocks[0].attention.heads],
                0.0,
                1.0,
            );
            Some("buckets".to_string())
        }
        _ => None,
    };
    let mut blocks = Vec::new();
    for (i, block) in a.blocks.iter().enumerate() {
        let (x, f) = (&block.attention, block.feed_forward);
        let (queries, keys) = (x.heads * x.head_dim, x.kv_heads * x.head_dim);
        let norms = match block.norms {
            Norms::Post(n) => n.map(Some).to_vec(),
            Norms::Pre(n) => n.to_vec(),
            Norms::Sandwich(n) => n.map(Some).to_vec(),
        };
        // Queries, keys and values as one tensor in every second block.
        let qkv = if i % 2 == 0 {
            ["q", "k", "v"].map(|part| {
                let columns = if part == "q" { queries } else { keys };
                linear(&mut add, &format!("{i}.{part}"), columns, hidden)
            })
        } else {
            let all = queries + 2 * keys;
            linear(&mut add, &format!("{i}.qkv"), all, hidden);
            let rows = |range| LinearAt::rows(&format!("{i}.qkv"), true, range, all);
            [
                rows(0..queries),
                rows(queries..queries + keys),
                rows(queries + keys..all),
            ]
        };
        blocks.push(BlockAt {
            qkv,
            output: linear(&mut add, &format!("{i}.output"), hidden, queries),
            head_norms: x.head_norm.map(|n| {
                ["q", "k"].map(|part| norm(&mut add, &format!("{i}.norm.{part}"), n, x.head_dim))
            }),
            norms: norms
                .into_iter()
                .enumerate()
                .map(|(j, n)| n.map(|n| norm(&mut add, &format!("{i}.norm.{j}"), n, hidden)))
                .collect(),
            gate: f
                .gated
                .then(|| linear(&mut add, &format!("{i}.gate"), f.width, hidden)),
            up: linear(&mut add, &format!("{i}.up"), f.width, hidden),
            down: linear(&mut add, &format!("{i}.down"), hidden, f.width),
        });
    }
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    let described = Described {
        architecture: a.clone(),
        tensors: TensorsAt {
            prefixes: &[""],
            words: "words".into(),
            positions: a.embedding.positions.map(|_| "positions".into()),
            types: (a.embedding.types > 0).then(|| "types".into()),
            embedding_norm,
            blocks,
            last_norm,
            buckets,
            unused: &[],
        },
        classifier: None,
        language_head: None,
    };
    Made {
        files: files(folder.path()),
        config: Config {
            described,
            head: Head::only(pooling),
            dim: hidden,
            full_dim: hidden,
            judge: None,
            max_tokens: a.longest,
            pooling_assumed: false,
            own_class: None,
            lower_case: false,
            tokenizer: Default::default(),
            similarity: Default::default(),
            prompts: Prompts::default(),
            hash: String::new(),
        },
        _folder: folder,
    }
}
