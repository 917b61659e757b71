//! Corpora of any size for the benches, without a transformer.

#![allow(dead_code, reason = "each bench uses a part of it")]

use ndarray::Array2;
use nearwise::encoder::{Backend, Call, Identity};
use nearwise::model::Tokenizer;
use nearwise::vectors::normalize;
use nearwise::{Article, Corpus, Encoder, Job, Result};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::path::Path;

/// The length of a vector, that of the default model.
pub const DIM: usize = 384;
/// Groups that the vectors fall into, and directions in which the vectors of all differ: text
/// embeddings fill far fewer dimensions than they have, which is what makes a graph search
/// work, and vectors of pure noise would make it look worse than it is.
const GROUPS: u64 = 64;
const DIRECTIONS: u64 = 48;

fn direction(seed: u64, scale: f32, into: &mut [f32]) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    for x in into {
        // The sum of uniform numbers is close to normal.
        let sum: f32 = (0..4)
            .map(|_| (random.next_u32() >> 8) as f32 / (1 << 24) as f32)
            .sum();
        *x += scale * (sum - 2.0);
    }
}

/// A unit vector of a group, different for each `seed`.
pub fn vector(seed: u64) -> Vec<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x5eed);
    let mut out = vec![0.0; DIM];
    direction(1 + random.next_u64() % GROUPS, 1.0, &mut out);
    for i in 0..DIRECTIONS {
        let scale = (random.next_u32() >> 8) as f32 / (1 << 24) as f32 - 0.5;
        direction(1000 + i, 0.6 * scale, &mut out);
    }
    direction(seed ^ 0xfeed_0000, 0.15, &mut out);
    normalize(&mut out);
    out
}

/// Gives each text a vector that its tokens decide.
struct Synthetic;

impl Backend for Synthetic {
    fn forward(&self, texts: &[&[u32]], _: &Call) -> Result<Vec<f32>> {
        let seed = |text: &[u32]| {
            text.iter().fold(7u64, |h, &t| {
                (h ^ u64::from(t)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            })
        };
        Ok(texts.iter().flat_map(|text| vector(seed(text))).collect())
    }

    fn device(&self) -> String {
        "synthetic".to_string()
    }

    fn dtype(&self) -> &str {
        "f32"
    }

    fn token_budget(&self) -> usize {
        1024
    }
}

/// The encoder that such corpora are made with: fast, and of no meaning.
pub fn encoder() -> Encoder {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-bert/tokenizer.json");
    let tokenizer = Tokenizer::from_file(&fixture, "synthetic", 256).expect("the fixture is there");
    let identity = Identity {
        model: "synthetic".into(),
        revision: "none".into(),
        hash: "0".repeat(64),
        dim: DIM,
        max_tokens: 256,
        dtype: "f32".into(),
    };
    Encoder::from_parts(tokenizer, Box::new(Synthetic), identity)
}

/// A corpus of `n` articles of one passage each.
pub fn corpus(folder: &Path, n: usize) -> Corpus {
    let encoder = encoder();
    let articles = (0..n).map(|i| {
        // Letters that the fixture's vocabulary has, so that no two articles are alike.
        let digits: String = format!("{i:x}")
            .bytes()
            .map(|c| (c - if c.is_ascii_digit() { b'0' } else { b'a' - 10 } + b'b') as char)
            .flat_map(|c| [c, ' '])
            .collect();
        Article {
            id: Some(i.to_string()),
            text: format!("the bank {digits}"),
            ..Article::default()
        }
    });
    let corpus = Corpus::create(folder.join(format!("{n}.nearwise"))).expect("a new corpus");
    let mut writer = corpus.writer().expect("nobody else writes to it");
    let job = Job::new();
    writer.add(articles, &job).expect("ids differ");
    writer.embed(&encoder, &job).expect("the encoder works");
    corpus
}

/// The sizes to run: of the environment variable `NEARWISE_BENCH_SIZES`, else `usual`.
pub fn sizes(usual: &[usize]) -> Vec<usize> {
    match std::env::var("NEARWISE_BENCH_SIZES") {
        Ok(list) => list
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect(),
        Err(_) => usual.to_vec(),
    }
}

/// The rows of a .npy file of f32 in C order.
pub fn read_npy(path: &str) -> Array2<f32> {
    let bytes = std::fs::read(path).expect("NEARWISE_BENCH_VECTORS names a file that can be read");
    let header = usize::from(bytes[8]) + 256 * usize::from(bytes[9]);
    let text = String::from_utf8_lossy(&bytes[10..10 + header]);
    let shape = text
        .split("'shape': (")
        .nth(1)
        .expect("a .npy file of version 1");
    let numbers: Vec<usize> = shape
        .split([',', ')'])
        .filter_map(|n| n.trim().parse().ok())
        .take(2)
        .collect();
    let values = bytes[10 + header..]
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    Array2::from_shape_vec((numbers[0], numbers[1]), values)
        .expect("as many numbers as the shape says")
}
