//! Vectors for the tests of this module.

use super::random::uniform_f32;
use crate::vectors::normalize;
use ndarray::Array2;
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

fn gauss(random: &mut Xoshiro256PlusPlus) -> f32 {
    // The sum of twelve uniform numbers has variance one.
    (0..12).map(|_| uniform_f32(random)).sum::<f32>() - 6.0
}

/// `n` unit vectors around `k` directions, and the direction of each; `spread` is the length
/// of the noise against that of the direction.
pub(super) fn blobs(
    n: usize,
    dim: usize,
    k: usize,
    spread: f32,
    seed: u64,
) -> (Array2<f32>, Vec<u32>) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut centres = Vec::new();
    for _ in 0..k {
        let mut centre: Vec<f32> = (0..dim).map(|_| gauss(&mut random)).collect();
        normalize(&mut centre);
        centres.push(centre);
    }
    let mut flat = Vec::new();
    let mut truth = Vec::new();
    for i in 0..n {
        let noise = spread / (dim as f32).sqrt();
        let mut row: Vec<f32> = centres[i % k]
            .iter()
            .map(|c| c + noise * gauss(&mut random))
            .collect();
        normalize(&mut row);
        flat.extend(row);
        truth.push((i % k) as u32);
    }
    (
        Array2::from_shape_vec((n, dim), flat).expect("n rows of dim"),
        truth,
    )
}

/// Rows of unit vectors, one after another.
pub(super) fn unit_rows(
    count: std::ops::Range<usize>,
    dim: usize,
) -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(
        proptest::collection::vec(-1.0f32..1.0, dim)
            .prop_filter("not zero", |v| v.iter().any(|x| x.abs() > 0.05)),
        count,
    )
    .prop_map(|rows| {
        let mut flat = Vec::new();
        for mut row in rows {
            normalize(&mut row);
            flat.extend(row);
        }
        flat
    })
}

/// Vectors and the labels that a reference gave them, `u32::MAX` for none, as
/// `tests/fixtures/make_topics.py` wrote them.
pub(super) fn fixture(name: &str) -> (Array2<f32>, Vec<u32>) {
    let path = format!(
        "{}/tests/fixtures/topics/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    let value: serde_json::Value = serde_json::from_str(&text).expect("the fixture is JSON");
    let rows: Vec<Vec<f32>> = serde_json::from_value(value["vectors"].clone()).expect("rows");
    let labels: Vec<i64> = serde_json::from_value(value["labels"].clone()).expect("labels");
    let dim = rows[0].len();
    let flat: Vec<f32> = rows.into_iter().flatten().collect();
    let vectors = Array2::from_shape_vec((labels.len(), dim), flat).expect("equal rows");
    let labels = labels
        .iter()
        .map(|&l| u32::try_from(l).unwrap_or(u32::MAX))
        .collect();
    (vectors, labels)
}
