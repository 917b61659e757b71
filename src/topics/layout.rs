//! A map: articles in two dimensions, near ones near each other.
//!
//! McInnes, Healy and Melville, "UMAP", 2018, on Nearwise's neighbour graph: edges weigh as in
//! its section 3.1, positions begin at the first two principal components and follow its
//! attraction and repulsion with negative samples (3.2). In each epoch every point moves by the
//! others' places of the epoch before, with random numbers of its own, so that the outcome does
//! not depend on the number of threads.

use super::graph::Neighbours;
use super::points::Points;
use super::random::uniform_f32;
use crate::error::{Error, Result};
use crate::store::Store;
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_reduction::Pca;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

/// The curve 1 / (1 + a·d^2b) that fits a least distance of 0.1, as umap-learn fits it.
const A: f32 = 1.577;
const B: f32 = 0.895;
/// Neighbours of each point, as umap-learn has it.
pub(super) const NEIGHBOURS: usize = 15;
/// Negative samples for each attraction.
const NEGATIVES: usize = 5;
/// Half the width of the square that positions begin in.
const EXTENT: f32 = 10.0;
/// The most that a point moves along an axis by one other point.
const CLIP: f32 = 4.0;

/// Epochs for so many points, as umap-learn has it, and fewer for very many.
fn epochs(n: usize) -> usize {
    match n {
        0..=10_000 => 500,
        10_001..=100_000 => 200,
        _ => 120,
    }
}

/// Where articles with these rows and points stand on the map, and its trustworthiness: as it is
/// stored, or new where that was of other vectors or another seed.
///
/// # Errors
/// The principal components cannot be found; the file cannot be written.
pub(super) fn fitted(
    store: &mut Store,
    keys: &[i64],
    points: &Points,
    near: &Neighbours,
    seed: u64,
) -> Result<(Vec<[f32; 2]>, f32)> {
    let made = |trust: f32, generation: i64| serde_json::json!({"generation": generation, "seed": seed, "trustworthiness": trust});
    let generation = store.generation()?;
    let before: Option<serde_json::Value> = store
        .meta("layout")?
        .and_then(|m| serde_json::from_str(&m).ok());
    if let Some(before) = before
        && before["generation"] == generation
        && before["seed"] == seed
    {
        let places = store.layout()?;
        if places.iter().map(|p| &p.0).eq(keys) {
            let trust = before["trustworthiness"].as_f64().unwrap_or(0.0) as f32;
            return Ok((places.iter().map(|&(_, x, y)| [x, y]).collect(), trust));
        }
    }
    let flat = layout(points, near, seed)?;
    let trust = trustworthiness(points, &flat, 10);
    let places: Vec<[f32; 2]> = (0..keys.len())
        .map(|row| flat[points.of_row(row)])
        .collect();
    let rows = keys.iter().zip(&places);
    let rows: Vec<(i64, f32, f32)> = rows.map(|(&key, &[x, y])| (key, x, y)).collect();
    store.replace_layout(&rows, &made(trust, generation).to_string())?;
    Ok((places, trust))
}

/// Places points in two dimensions.
///
/// # Errors
/// The principal components cannot be found.
pub fn layout(points: &Points, near: &Neighbours, seed: u64) -> Result<Vec<[f32; 2]>> {
    let n = points.len();
    if near.k == 0 {
        return Ok(vec![[0.0; 2]; n]);
    }
    let graph = fuzzy(near);
    let mut places = first_places(points, seed)?;
    let epochs = epochs(n);
    let mut next = places.clone();
    for epoch in 0..epochs {
        let rate = 1.0 - epoch as f32 / epochs as f32;
        next.par_iter_mut().enumerate().for_each(|(point, place)| {
            let own_seed = seed ^ ((epoch as u64) << 40) ^ (point as u64).wrapping_mul(0x9e37_79b9);
            let mut random = Xoshiro256PlusPlus::seed_from_u64(own_seed);
            let [mut x, mut y] = places[point];
            for &(other, weight) in graph.of(point) {
                if uniform_f32(&mut random) > weight {
                    continue;
                }
                let [ox, oy] = places[other as usize];
                let (dx, dy) = (x - ox, y - oy);
                let square = dx * dx + dy * dy;
                if square > 0.0 {
                    let power = square.powf(B);
                    let pull = -2.0 * A * B * power / square / (1.0 + A * power);
                    x += rate * (pull * dx).clamp(-CLIP, CLIP);
                    y += rate * (pull * dy).clamp(-CLIP, CLIP);
                }
                for _ in 0..NEGATIVES {
                    let other = ((u64::from(random.next_u32()) * n as u64) >> 32) as usize;
                    if other == point {
                        continue;
                    }
                    let [ox, oy] = places[other];
                    let (dx, dy) = (x - ox, y - oy);
                    let square = dx * dx + dy * dy;
                    let push = 2.0 * B / ((0.001 + square) * (1.0 + A * square.powf(B)));
                    x += rate * (push * dx).clamp(-CLIP, CLIP);
                    y += rate * (push * dy).clamp(-CLIP, CLIP);
                }
            }
            *place = [x, y];
        });
        std::mem::swap(&mut places, &mut next);
    }
    // Screens are wide.
    let span = |axis: usize| {
        let values = places.iter().map(|p| p[axis]);
        let ends = values.fold((f32::INFINITY, f32::NEG_INFINITY), |e, x| {
            (e.0.min(x), e.1.max(x))
        });
        ends.1 - ends.0
    };
    if span(1) > span(0) {
        places.iter_mut().for_each(|p| p.swap(0, 1));
    }
    if places.iter().flatten().any(|x| !x.is_finite()) {
        return Err(Error::Topics("the layout of the map did not settle".into()));
    }
    Ok(places)
}

/// Edge weights between 0 and 1: how sure it is that two points are near, given how near their
/// other neighbours are; of both directions a + b - ab.
fn fuzzy(near: &Neighbours) -> super::graph::Graph {
    let target = (near.k as f32).log2();
    let weights: Vec<f32> = (0..near.len())
        .into_par_iter()
        .flat_map_iter(|point| {
            let distances: Vec<f32> = near.of(point).map(|n| (1.0 - n.1).max(0.0)).collect();
            let nearest = distances
                .iter()
                .copied()
                .filter(|&d| d > 0.0)
                .fold(f32::INFINITY, f32::min);
            let nearest = if nearest.is_finite() { nearest } else { 0.0 };
            // The width for which the weights add up to log2(k), by bisection.
            let (mut low, mut high, mut width) = (0.0f32, f32::INFINITY, 1.0f32);
            for _ in 0..48 {
                let sum: f32 = distances
                    .iter()
                    .map(|d| (-(d - nearest).max(0.0) / width).exp())
                    .sum();
                if (sum - target).abs() < 1e-5 {
                    break;
                }
                if sum > target {
                    high = width;
                    width = f32::midpoint(low, high);
                } else {
                    low = width;
                    width = if high.is_finite() {
                        f32::midpoint(low, high)
                    } else {
                        width * 2.0
                    };
                }
            }
            let mean = distances.iter().sum::<f32>() / distances.len().max(1) as f32;
            let width = width.max(1e-3 * mean).max(1e-9);
            distances
                .into_iter()
                .map(move |d| (-(d - nearest).max(0.0) / width).exp())
        })
        .collect();
    let mut directed: Vec<(u32, u32, f32)> = Vec::with_capacity(weights.len());
    for point in 0..near.len() {
        for (i, (other, _)) in near.of(point).enumerate() {
            if other as usize != point {
                directed.push((point as u32, other, weights[point * near.k + i]));
            }
        }
    }
    directed.sort_unstable_by_key(|&(a, b, w)| (a, b, w.to_bits()));
    directed.dedup_by_key(|e| (e.0, e.1));
    let weight = |a: u32, b: u32| {
        directed
            .binary_search_by_key(&(a, b), |e| (e.0, e.1))
            .map_or(0.0, |i| directed[i].2)
    };
    let mut both = Vec::with_capacity(2 * directed.len());
    for &(a, b, w) in &directed {
        let back = weight(b, a);
        // An edge that stands in both directions is added from the lower end alone.
        if back == 0.0 || a < b {
            let joined = w + back - w * back;
            both.push((a, b, joined));
            both.push((b, a, joined));
        }
    }
    super::graph::Graph::from_edges(near.len(), both)
}

/// The first two principal components, scaled, with a little noise so that no two are equal.
fn first_places(points: &Points, seed: u64) -> Result<Vec<[f32; 2]>> {
    let n = points.len();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut noise = || (uniform_f32(&mut random) - 0.5) * 0.02;
    let mut places = vec![[0.0f32; 2]; n];
    if n > 3 && points.vectors.ncols() > 2 {
        let sample = points.sample(10_000).vectors.mapv(f64::from);
        let pca = Pca::params(2)
            .fit(&DatasetBase::from(sample))
            .map_err(|e| Error::Topics(format!("principal components: {e}")))?;
        for (chunk, block) in points
            .vectors
            .axis_chunks_iter(ndarray::Axis(0), 10_000)
            .enumerate()
        {
            let projected = pca.predict(&block.mapv(f64::from));
            for (i, row) in projected.outer_iter().enumerate() {
                places[chunk * 10_000 + i] = [row[0] as f32, row[1] as f32];
            }
        }
    }
    let largest = places.iter().flatten().fold(1e-6f32, |m, x| m.max(x.abs()));
    for place in &mut places {
        for x in place {
            *x = *x / largest * EXTENT + noise();
        }
    }
    Ok(places)
}

/// The most points that trustworthiness is measured on.
const SAMPLE: usize = 2000;

/// Venna and Kaski's trustworthiness (2001), 0 to 1: whether the `k` nearest on the map are near
/// in truth. On at most 2,000 of the points, which are then each other's only neighbours. Equals
/// scikit-learn's `trustworthiness` with the metric cosine.
pub fn trustworthiness(points: &Points, places: &[[f32; 2]], k: usize) -> f32 {
    let step = points.len().div_ceil(SAMPLE).max(1);
    let chosen: Vec<usize> = (0..points.len()).step_by(step).collect();
    let n = chosen.len();
    if n < 2 * k + 2 {
        return 1.0;
    }
    let penalty: f64 = (0..n)
        .into_par_iter()
        .map(|i| {
            let order = |distance: &dyn Fn(usize) -> f32| -> Vec<usize> {
                let mut all: Vec<(f32, usize)> = (0..n)
                    .filter(|&j| j != i)
                    .map(|j| (distance(j), j))
                    .collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                all.into_iter().map(|d| d.1).collect()
            };
            let own = points.vector(chosen[i]);
            let truth = order(&|j| -crate::store::dot(own, points.vector(chosen[j])));
            let mut rank = vec![0usize; n];
            for (at, &j) in truth.iter().enumerate() {
                rank[j] = at + 1;
            }
            let [x, y] = places[chosen[i]];
            let flat = order(&|j| {
                let [ox, oy] = places[chosen[j]];
                (x - ox) * (x - ox) + (y - oy) * (y - oy)
            });
            flat[..k]
                .iter()
                .map(|&j| rank[j].saturating_sub(k) as f64)
                .sum::<f64>()
        })
        .sum();
    let (n, k) = (n as f64, k as f64);
    (1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * penalty) as f32
}

#[cfg(test)]
mod tests {
    use super::super::graph::neighbours;
    use super::super::testing::{blobs, fixture};
    use super::*;

    #[test]
    fn groups_stay_apart_on_the_map() {
        let (vectors, truth) = blobs(400, 24, 5, 0.5, 2);
        let points = Points::new(vectors.view()).unwrap();
        let near = neighbours(&points, NEIGHBOURS, 1);
        let places = layout(&points, &near, 1).unwrap();
        let mut of_point = vec![0; points.len()];
        for (row, &t) in truth.iter().enumerate() {
            of_point[points.of_row(row)] = t;
        }
        let same = (0..points.len())
            .filter(|&i| {
                let distance = |j: usize| {
                    let (dx, dy) = (places[i][0] - places[j][0], places[i][1] - places[j][1]);
                    dx * dx + dy * dy
                };
                let nearest = (0..points.len())
                    .filter(|&j| j != i)
                    .min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
                    .unwrap();
                of_point[i] == of_point[nearest]
            })
            .count();
        assert!(
            same >= points.len() * 98 / 100,
            "{same} of {}",
            points.len()
        );
        assert!(trustworthiness(&points, &places, 10) > 0.85);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let alone = pool.install(|| layout(&points, &near, 1)).unwrap();
        assert_eq!(alone, places);
    }

    #[test]
    fn trustworthiness_equals_scikit_learn() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/topics/layout.json"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let flat: Vec<[f32; 2]> = serde_json::from_value(value["flat"].clone()).unwrap();
        let (vectors, _) = fixture("layout");
        let points = Points::new(vectors.view()).unwrap();
        let mut places = vec![[0.0; 2]; points.len()];
        for (row, place) in flat.into_iter().enumerate() {
            places[points.of_row(row)] = place;
        }
        let got = f64::from(trustworthiness(&points, &places, 10));
        let want = value["trustworthiness"].as_f64().unwrap();
        assert!((got - want).abs() < 1e-3, "{got} {want}");
    }

    #[test]
    fn few_points_have_places() {
        for n in 1..5 {
            let (vectors, _) = blobs(n, 6, 1, 0.5, 2);
            let points = Points::new(vectors.view()).unwrap();
            let places = layout(&points, &neighbours(&points, NEIGHBOURS, 1), 1).unwrap();
            assert_eq!(places.len(), n);
        }
    }
}
