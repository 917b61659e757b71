//! A map: articles in two dimensions, near ones near each other.
//!
//! McInnes, Healy and Melville, "UMAP", 2018, on Nearwise's neighbour graph: edges weigh as in
//! its section 3.1, positions begin at the first two principal components and follow its
//! attraction and repulsion with negative samples (3.2). In each epoch every point moves by the
//! others' places of the epoch before, with random numbers of its own, so that the outcome does
//! not depend on the number of threads.

use super::graph::{Graph, Neighbours};
use super::points::Points;
use super::random::uniform_f32;
use super::reduce::components;
use crate::error::{Error, Result};
use crate::job::Stage;
use linfa::traits::Predict;
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

/// Epochs for this many points, as umap-learn has it, and fewer for very many.
fn epochs(n: usize) -> usize {
    match n {
        0..=10_000 => 500,
        10_001..=100_000 => 200,
        _ => 120,
    }
}

/// Places points in two dimensions.
///
/// # Errors
/// The principal components cannot be found; the points' job is cancelled.
pub(super) fn layout(points: &Points, near: &Neighbours, seed: u64) -> Result<Vec<[f32; 2]>> {
    let n = points.len();
    if near.k == 0 {
        return Ok(vec![[0.0; 2]; n]);
    }
    /// Points that are moved between two looks at the job.
    const MOVED: usize = 256;
    let watch = points.watch();
    watch.progress(Stage::Layout, 0, epochs(n));
    let graph = fuzzy(points, near)?;
    let mut places = first_places(points, seed)?;
    let epochs = epochs(n);
    let mut next = places.clone();
    for epoch in 0..epochs {
        let rate = 1.0 - epoch as f32 / epochs as f32;
        let step = |(point, place): (usize, &mut [f32; 2])| {
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
        };
        let blocks = next.par_chunks_mut(MOVED).enumerate();
        blocks.try_for_each(|(block, next)| {
            watch.check()?;
            let points = block * MOVED..;
            points.zip(next).for_each(step);
            Ok(())
        })?;
        std::mem::swap(&mut places, &mut next);
        watch.progress(Stage::Layout, epoch + 1, epochs);
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
        return Err(Error::no_result("the layout of the map did not settle"));
    }
    Ok(places)
}

/// Edge weights between 0 and 1: how sure it is that two points are near, given how near their
/// other neighbours are; of both directions a + b - ab.
fn fuzzy(points: &Points, near: &Neighbours) -> Result<Graph> {
    let target = (near.k as f32).log2();
    // The edges from each point, by the other's number.
    let directed: Vec<Vec<(u32, f32)>> = points.map(|point, _| {
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
        let weights = distances
            .into_iter()
            .map(|d| (-(d - nearest).max(0.0) / width).exp());
        let others = near.of(point).map(|n| n.0);
        let mut edges: Vec<(u32, f32)> = others
            .zip(weights)
            .filter(|e| e.0 as usize != point)
            .collect();
        edges.sort_unstable_by_key(|&(other, w)| (other, w.to_bits()));
        edges.dedup_by_key(|e| e.0);
        edges
    })?;
    let weight = |from: u32, to: u32| {
        let edges = &directed[from as usize];
        edges
            .binary_search_by_key(&to, |e| e.0)
            .map_or(0.0, |at| edges[at].1)
    };
    let both: Vec<Vec<(u32, u32, f32)>> = points.map(|point, _| {
        let a = point as u32;
        let mut both = Vec::new();
        for &(b, w) in &directed[point] {
            let back = weight(b, a);
            // An edge that stands in both directions is added from the lower end alone.
            if back == 0.0 || a < b {
                let joined = w + back - w * back;
                both.extend([(a, b, joined), (b, a, joined)]);
            }
        }
        both
    })?;
    Graph::from_edges(near.len(), both.concat(), points.watch())
}

/// The first two principal components, scaled, with a little noise so that no two are equal.
fn first_places(points: &Points, seed: u64) -> Result<Vec<[f32; 2]>> {
    let n = points.len();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut noise = || (uniform_f32(&mut random) - 0.5) * 0.02;
    let mut places = vec![[0.0f32; 2]; n];
    if n > 3 && points.vectors.ncols() > 2 {
        let sample = points.sample(10_000).vectors.mapv(f64::from);
        let pca = components(sample, 2, points.watch())?;
        for (chunk, block) in points
            .vectors
            .axis_chunks_iter(ndarray::Axis(0), 10_000)
            .enumerate()
        {
            points.watch().check()?;
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
pub(super) fn trustworthiness(points: &Points, places: &[[f32; 2]], k: usize) -> Result<f32> {
    let step = points.len().div_ceil(SAMPLE).max(1);
    let chosen: Vec<usize> = (0..points.len()).step_by(step).collect();
    let n = chosen.len();
    if n < 2 * k + 2 {
        return Ok(1.0);
    }
    let penalties: Vec<f64> = (0..n)
        .into_par_iter()
        .map(|i| {
            points.watch().check()?;
            let order = |distance: &dyn Fn(usize) -> f32| -> Vec<usize> {
                let mut all: Vec<(f32, usize)> = (0..n)
                    .filter(|&j| j != i)
                    .map(|j| (distance(j), j))
                    .collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                all.into_iter().map(|d| d.1).collect()
            };
            let own = points.vector(chosen[i]);
            let truth = order(&|j| -crate::vectors::dot(own, points.vector(chosen[j])));
            let mut rank = vec![0usize; n];
            for (at, &j) in truth.iter().enumerate() {
                rank[j] = at + 1;
            }
            let [x, y] = places[chosen[i]];
            let flat = order(&|j| {
                let [ox, oy] = places[chosen[j]];
                (x - ox) * (x - ox) + (y - oy) * (y - oy)
            });
            let penalties = flat[..k].iter().map(|&j| rank[j].saturating_sub(k) as f64);
            Ok(penalties.sum())
        })
        .collect::<Result<_>>()?;
    // Whole numbers, which add up to the same in any order.
    let penalty: f64 = penalties.iter().sum();
    let (n, k) = (n as f64, k as f64);
    Ok((1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * penalty) as f32)
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
        let near = neighbours(&points, NEIGHBOURS, 1).unwrap();
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
        assert!(trustworthiness(&points, &places, 10).unwrap() > 0.85);
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
        let got = f64::from(trustworthiness(&points, &places, 10).unwrap());
        let want = value["trustworthiness"].as_f64().unwrap();
        assert!((got - want).abs() < 1e-3, "{got} {want}");
    }

    #[test]
    fn few_points_have_places() {
        for n in 1..5 {
            let (vectors, _) = blobs(n, 6, 1, 0.5, 2);
            let points = Points::new(vectors.view()).unwrap();
            let places = layout(&points, &neighbours(&points, NEIGHBOURS, 1).unwrap(), 1).unwrap();
            assert_eq!(places.len(), n);
        }
    }
}
