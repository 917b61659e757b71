//! k-means as matrix products.
//!
//! Lloyd, 1982, on unit vectors. A vector is nearest to the centre c of the highest
//! x · c - c · c / 2. A centre is a mean, which is the shorter the more its vectors differ, so that
//! a loose cluster reaches less far than a tight one. Starts are k-means++ (Arthur and Vassilvitskii,
//! 2007), or k-means|| (Bahmani et al., 2012) where there are many clusters; mini-batches are
//! Sculley's (2010). Assigning is one product of the vectors with the centroids; it runs on the encoder's f32
//! kernel, each thread taking rows whose products stay in its cache. Where the processor multiplies
//! bf16 faster, products are estimated first, and computed where the estimates leave a doubt.

use super::super::points::Points;
use super::super::random::{below, uniform};
use super::super::watch::Watch;
use super::{Clustering, means};
use crate::error::Result;
use crate::vectors::{Products, Room, Screen, scan};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;

/// How k-means runs.
#[derive(Debug, Clone)]
pub struct KmeansOptions {
    /// The number of clusters.
    pub k: usize,
    /// The seed.
    pub seed: u64,
    /// The highest number of iterations.
    pub iterations: usize,
    /// Starts, of which the one with the highest cohesion is kept.
    pub starts: usize,
    /// Points of a mini-batch; all points in every iteration where it is `None`.
    pub batch_size: Option<usize>,
}

impl KmeansOptions {
    /// `k` clusters from `seed`, with the usual iterations and starts.
    pub fn new(k: usize, seed: u64) -> Self {
        Self {
            k,
            seed,
            iterations: 50,
            starts: 4,
            batch_size: None,
        }
    }
}

/// What k-means found.
#[derive(Debug, Clone, PartialEq)]
pub struct Kmeans {
    /// The cluster of each point.
    pub clustering: Clustering,
    /// The centres, (k, dim).
    pub centroids: Vec<f32>,
    /// The weighted mean of x · c - c · c / 2 over points and their centres: the higher, the
    /// smaller the sum of squared distances.
    pub cohesion: f64,
    /// Iterations of the start that was kept.
    pub iterations: usize,
}

/// The most clusters that k-means++ starts, each by a pass over the points; more are started
/// by k-means||.
const PLUS_PLUS: usize = 64;
/// The points that starts are chosen among, for each cluster.
const PER_CLUSTER: usize = 64;
/// Points that a sample has at least.
const MIN_SAMPLE: usize = 16_384;

/// The unit vector nearest to each row and the cosine to it; of equal ones the first.
pub(crate) fn assign(
    rows: &[f32],
    dim: usize,
    centroids: &[f32],
    watch: &Watch,
) -> Result<(Vec<u32>, Vec<f32>)> {
    assign_with(rows, dim, centroids, &[], watch)
}

/// The nearest centre of each row, and x · c - c · c / 2; of equal ones the first.
fn nearest(
    rows: &[f32],
    dim: usize,
    centres: &[f32],
    watch: &Watch,
) -> Result<(Vec<u32>, Vec<f32>)> {
    assign_with(rows, dim, centres, &halves(centres, dim), watch)
}

/// -c · c / 2 of each centre.
fn halves(centres: &[f32], dim: usize) -> Vec<f32> {
    centres
        .chunks_exact(dim.max(1))
        .map(|c| -0.5 * c.iter().map(|x| x * x).sum::<f32>())
        .collect()
}

/// As [`nearest`] for all points, on a device where one holds them.
fn nearest_of_all(points: &Points, centres: &[f32]) -> Result<(Vec<u32>, Vec<f32>)> {
    let dim = points.vectors.ncols();
    points.watch().check()?;
    match points.by_device(|device| device.nearest(centres, &halves(centres, dim))) {
        Some(found) => Ok(found),
        None => nearest(points.flat(), dim, centres, points.watch()),
    }
}

/// Centres of which estimates pay: of fewer, too large a share is computed exactly.
const SCREENED: usize = 32;

/// The centre of the highest product with each row, its offset added, and the sum; of equal ones
/// the first. Estimated products tell which centres it can be, and exact ones decide.
fn assign_with(
    rows: &[f32],
    dim: usize,
    centres: &[f32],
    offsets: &[f32],
    watch: &Watch,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let many = centres.len() >= SCREENED * dim.max(1);
    let screen = many.then(|| Screen::new(centres, dim, offsets));
    match screen.flatten() {
        Some(screen) => assign_screened(rows, dim, &screen, watch),
        None => {
            let products = Products::with_offsets(centres, dim, offsets);
            assign_by(rows, dim, watch, |rows, out: &mut Vec<f32>, found| {
                for row in products.multiply(rows, out) {
                    let (at, score) = highest(row);
                    found(at, score);
                }
            })
        }
    }
}

fn assign_screened(
    rows: &[f32],
    dim: usize,
    screen: &Screen<'_>,
    watch: &Watch,
) -> Result<(Vec<u32>, Vec<f32>)> {
    type Used = (Room, Vec<u32>, Vec<f32>);
    assign_by(rows, dim, watch, |rows, used: &mut Used, found| {
        let (room, chosen, exact) = used;
        let estimates = screen.estimate(rows, room).zip(rows.chunks_exact(dim));
        for ((estimates, bound), row) in estimates {
            let (_, top) = highest(estimates);
            // Both the highest estimate and another one may be wrong.
            let least = top - 2.0 * bound;
            chosen.clear();
            if least.is_finite() {
                at_least(estimates, least, chosen);
            } else {
                chosen.extend(0..estimates.len() as u32);
            }
            screen.exact(row, chosen, exact);
            let (at, score) = highest(exact);
            found(chosen[at as usize], score);
        }
    })
}

/// Goes over the rows on all threads; `each` tells what it found of each of some rows in turn.
fn assign_by<R: Default>(
    rows: &[f32],
    dim: usize,
    watch: &Watch,
    each: impl Fn(&[f32], &mut R, &mut dyn FnMut(u32, f32)) + Sync,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let n = rows.len() / dim.max(1);
    let mut members = vec![0u32; n];
    let mut scores = vec![0.0f32; n];
    rows.par_chunks(Products::ROWS * dim.max(1))
        .zip(members.par_chunks_mut(Products::ROWS))
        .zip(scores.par_chunks_mut(Products::ROWS))
        .try_for_each_init(R::default, |room, ((rows, members), scores)| {
            watch.check()?;
            let mut places = members.iter_mut().zip(scores);
            each(rows, room, &mut |member, score| {
                if let Some(place) = places.next() {
                    (*place.0, *place.1) = (member, score);
                }
            });
            Ok(())
        })?;
    Ok((members, scores))
}

/// Adds the indices of the numbers that are at least so high.
fn at_least(row: &[f32], least: f32, found: &mut Vec<u32>) {
    scan(row, least, |begin, part| {
        let high = part.iter().enumerate().filter(|(_, x)| **x >= least);
        found.extend(high.map(|(i, _)| (begin + i) as u32));
        least
    });
}

/// The index of the highest number, the first of equal ones, and the number.
fn highest(row: &[f32]) -> (u32, f32) {
    // Sixteen side by side; then where the highest of them stands.
    let mut best = [f32::NEG_INFINITY; 16];
    let chunks = row.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (b, &x) in best.iter_mut().zip(chunk) {
            *b = if x > *b { x } else { *b };
        }
    }
    let top = best
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m });
    let at = row.iter().position(|&x| x == top).unwrap_or(0);
    (at as u32, top)
}

/// Clusters unit vectors.
///
/// The same points and options give the same clusters on any number of threads. A cluster
/// that loses its last point takes the point that fits its own cluster least.
///
/// # Errors
/// The points' job is cancelled.
pub fn kmeans(points: &Points, options: &KmeansOptions) -> Result<Kmeans> {
    let k = options.k.min(points.len());
    let mut best: Option<Kmeans> = None;
    for start in 0..options.starts.max(1) as u64 {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(options.seed.wrapping_add(start << 32));
        let first = starts(points, k, &mut random)?;
        let found = match options.batch_size {
            Some(size) if size < points.len() => {
                mini_batches(points, first, size, options.iterations, &mut random)?
            }
            _ => refine(points, first, options.iterations)?,
        };
        if best.as_ref().is_none_or(|b| found.cohesion > b.cohesion) {
            best = Some(found);
        }
    }
    Ok(best.unwrap_or(Kmeans {
        clustering: Clustering::one(points.len()),
        centroids: Vec::new(),
        cohesion: 0.0,
        iterations: 0,
    }))
}

/// Lloyd's iterations from given centres, (k, dim), until no point moves, `iterations` at most.
///
/// # Errors
/// The points' job is cancelled.
pub fn refine(points: &Points, mut centres: Vec<f32>, iterations: usize) -> Result<Kmeans> {
    let dim = points.vectors.ncols();
    let k = centres.len().checked_div(dim).unwrap_or(0);
    let mut clustering = Clustering {
        k,
        members: Vec::new(),
    };
    let mut cohesion = 0.0;
    let mut done = 0;
    while done < iterations.max(1) {
        let (mut members, scores) = nearest_of_all(points, &centres)?;
        fill_empty(&mut members, &scores, k);
        done += 1;
        points.watch().step();
        cohesion = weighted_mean(points, &scores);
        let settled = members == clustering.members;
        clustering.members = members;
        if settled {
            break;
        }
        centres = means(points, &clustering)?;
    }
    Ok(Kmeans {
        clustering,
        centroids: centres,
        cohesion,
        iterations: done,
    })
}

fn weighted_mean(points: &Points, cosines: &[f32]) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for (&cosine, &weight) in cosines.iter().zip(&points.weights) {
        sum += f64::from(cosine) * f64::from(weight);
        total += f64::from(weight);
    }
    if total > 0.0 { sum / total } else { 0.0 }
}

/// Gives each empty cluster the point that fits worst, from a cluster that keeps another.
fn fill_empty(members: &mut [u32], cosines: &[f32], k: usize) {
    let mut sizes = vec![0u32; k];
    for &m in members.iter() {
        sizes[m as usize] += 1;
    }
    if sizes.iter().all(|&s| s > 0) {
        return;
    }
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| cosines[a].total_cmp(&cosines[b]).then(a.cmp(&b)));
    let mut worst = order.into_iter();
    for empty in 0..k {
        if sizes[empty] > 0 {
            continue;
        }
        let Some(point) = worst.find(|&p| sizes[members[p] as usize] > 1) else {
            return;
        };
        sizes[members[point] as usize] -= 1;
        members[point] = empty as u32;
        sizes[empty] = 1;
    }
}

fn mini_batches(
    points: &Points,
    mut centres: Vec<f32>,
    batch_size: usize,
    iterations: usize,
    random: &mut Xoshiro256PlusPlus,
) -> Result<Kmeans> {
    let dim = points.vectors.ncols();
    let k = centres.len().checked_div(dim).unwrap_or(0);
    let mut seen = vec![0.0f64; k];
    for _ in 0..iterations {
        let random_point = |_| below(random, points.len());
        let chosen: Vec<usize> = (0..batch_size).map(random_point).collect();
        let rows = points.gathered(chosen.iter().copied());
        let (members, _) = nearest(&rows, dim, &centres, points.watch())?;
        for (&point, &member) in chosen.iter().zip(&members) {
            let weight = f64::from(points.weights[point]);
            seen[member as usize] += weight;
            let rate = (weight / seen[member as usize]) as f32;
            let centre = &mut centres[member as usize * dim..][..dim];
            for (c, x) in centre.iter_mut().zip(points.vector(point)) {
                *c += rate * (x - *c);
            }
        }
        points.watch().step();
    }
    // One full pass, so that every point has the cluster that is nearest to it.
    let mut out = refine(points, centres, 1)?;
    out.iterations = iterations;
    Ok(out)
}

/// An index drawn with a chance in proportion to its weight.
fn draw(weights: &[f64], random: &mut Xoshiro256PlusPlus) -> usize {
    let total: f64 = weights.iter().sum();
    let mut left = uniform(random) * total;
    for (i, &w) in weights.iter().enumerate() {
        left -= w;
        if left < 0.0 {
            return i;
        }
    }
    // All weights are zero, or rounding left a rest.
    weights.iter().rposition(|&w| w > 0.0).unwrap_or(0)
}

/// `k` centroids to start from.
fn starts(points: &Points, k: usize, random: &mut Xoshiro256PlusPlus) -> Result<Vec<f32>> {
    let dim = points.vectors.ncols();
    let size = MIN_SAMPLE.max(k * PER_CLUSTER);
    let step = points.len().div_ceil(size).max(1);
    let sample: Vec<usize> = (0..points.len()).step_by(step).collect();
    let rows = points.gathered(sample.iter().copied());
    let weights: Vec<f64> = sample
        .iter()
        .map(|&p| f64::from(points.weights[p]))
        .collect();
    if k <= PLUS_PLUS || sample.len() < 4 * k {
        plus_plus(&rows, dim, &weights, k, random, points.watch())
    } else {
        oversampled(&rows, dim, &weights, k, random, points.watch())
    }
}

/// k-means++: each next start is a row drawn by its squared distance to the nearest so far.
fn plus_plus(
    rows: &[f32],
    dim: usize,
    weights: &[f64],
    k: usize,
    random: &mut Xoshiro256PlusPlus,
    watch: &Watch,
) -> Result<Vec<f32>> {
    let n = weights.len();
    let mut centres: Vec<f32> = Vec::with_capacity(k * dim);
    let mut distance = vec![2.0f32; n];
    let mut chance = weights.to_vec();
    for _ in 0..k.min(n) {
        watch.check()?;
        let row = draw(&chance, random);
        let centre = &rows[row * dim..][..dim];
        centres.extend_from_slice(centre);
        // On unit vectors the squared distance is twice one minus the cosine.
        distance
            .par_iter_mut()
            .zip(rows.par_chunks(dim))
            .with_min_len(256)
            .for_each(|(d, x)| *d = d.min(1.0 - crate::vectors::dot(x, centre)).max(0.0));
        distance[row] = 0.0;
        for ((c, &d), &w) in chance.iter_mut().zip(&distance).zip(weights) {
            *c = f64::from(d) * w;
        }
    }
    Ok(centres)
}

/// k-means||: a few rounds each draw many rows at once; k-means++ over what they drew, each
/// weighted by the rows nearest to it, chooses the starts.
fn oversampled(
    rows: &[f32],
    dim: usize,
    weights: &[f64],
    k: usize,
    random: &mut Xoshiro256PlusPlus,
    watch: &Watch,
) -> Result<Vec<f32>> {
    const ROUNDS: usize = 4;
    let n = weights.len();
    let first = draw(weights, random);
    let mut chosen = vec![first];
    let mut is_chosen = vec![false; n];
    is_chosen[first] = true;
    let mut latest = rows[first * dim..][..dim].to_vec();
    let mut distance = vec![f64::INFINITY; n];
    for _ in 0..ROUNDS {
        let (_, cosines) = assign(rows, dim, &latest, watch)?;
        for (d, &cosine) in distance.iter_mut().zip(&cosines) {
            *d = d.min(f64::from(1.0 - cosine).max(0.0));
        }
        let total: f64 = distance.iter().zip(weights).map(|(d, w)| d * w).sum();
        latest.clear();
        let wanted = (k / 2).max(1) as f64;
        for row in 0..n {
            let chance = wanted * distance[row] * weights[row] / total.max(f64::MIN_POSITIVE);
            if uniform(random) < chance && !is_chosen[row] {
                is_chosen[row] = true;
                chosen.push(row);
                latest.extend_from_slice(&rows[row * dim..][..dim]);
            }
        }
        if latest.is_empty() {
            break;
        }
    }
    // Too few were drawn where most rows are alike; any others will do.
    let missing = k.saturating_sub(chosen.len());
    let others = (0..n).filter(|&row| !is_chosen[row]).take(missing);
    chosen.extend(others);
    chosen.sort_unstable();
    let mut candidates = Vec::with_capacity(chosen.len() * dim);
    for &row in &chosen {
        candidates.extend_from_slice(&rows[row * dim..][..dim]);
    }
    let (members, _) = assign(rows, dim, &candidates, watch)?;
    let mut near = vec![0.0; chosen.len()];
    for (&member, &w) in members.iter().zip(weights) {
        near[member as usize] += w;
    }
    plus_plus(&candidates, dim, &near, k, random, watch)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{blobs, unit_rows};
    use super::super::linfa;
    use super::*;
    use crate::topics::eval::adjusted_rand;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn assigning_equals_brute_force(
            rows in unit_rows(1..120, 9), centres in unit_rows(1..40, 9),
        ) {
            let (members, cosines) = assign(&rows, 9, &centres, &Watch::default()).unwrap();
            for (i, row) in rows.chunks_exact(9).enumerate() {
                let cosine = |c: &[f32]| -> f32 { row.iter().zip(c).map(|(a, b)| a * b).sum() };
                let best = centres.chunks_exact(9).map(cosine).fold(f32::MIN, f32::max);
                prop_assert!((cosines[i] - best).abs() < 1e-5);
                let own = &centres[members[i] as usize * 9..][..9];
                prop_assert!((cosine(own) - best).abs() < 1e-5);
            }
        }

        #[test]
        fn every_cluster_has_a_point(rows in unit_rows(3..60, 5), k in 1usize..12, seed in 0u64..9) {
            let v = ndarray::Array2::from_shape_vec((rows.len() / 5, 5), rows).unwrap();
            let points = Points::new(v.view()).unwrap();
            let found = kmeans(&points, &KmeansOptions::new(k, seed)).unwrap();
            let expected = k.min(points.len());
            prop_assert_eq!(found.clustering.k, expected);
            prop_assert!(found.clustering.groups().iter().all(|g| !g.is_empty()));
        }
    }

    /// Whatever bf16 is estimated by, members and scores are to the bit those of f32, also where
    /// centres are as near each other as their rounding.
    #[test]
    fn estimates_change_no_assignment() {
        use crate::kernels::Level;
        for (spread, dim) in [(0.7, 24), (0.001, 24), (0.3, 7)] {
            let (vectors, _) = blobs(700, dim, 40, spread, 9);
            let rows = vectors.as_slice().unwrap();
            let centres = &rows[..100 * dim];
            let offsets = halves(centres, dim);
            for level in Level::ALL.into_iter().filter(|l| *l != Level::Portable) {
                let Some(screen) = Screen::for_level(centres, dim, &offsets, level) else {
                    continue;
                };
                let (members, scores) =
                    assign_screened(rows, dim, &screen, &Watch::default()).unwrap();
                let (all, mut out) = ((0..100).collect::<Vec<u32>>(), Vec::new());
                for (i, row) in rows.chunks_exact(dim).enumerate() {
                    screen.exact(row, &all, &mut out);
                    assert_eq!((members[i], scores[i]), highest(&out), "{}", level.name());
                }
            }
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_device_clusters_as_the_cpu_does() {
        let (vectors, _) = blobs(400, 16, 5, 0.5, 4);
        let points = Points::new(vectors.view()).unwrap();
        let options = KmeansOptions::new(5, 1);
        let on_cpu = kmeans(&points, &options).unwrap();
        let on_device = points
            .clone()
            .on_this(crate::encoder::twin_of(points.flat(), 16));
        let found = kmeans(&on_device, &options).unwrap();
        assert_eq!(on_device.device_failure(), None);
        assert_eq!(found.clustering, on_cpu.clustering);
        for (a, b) in found.centroids.iter().zip(&on_cpu.centroids) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn agrees_with_linfa() {
        let (vectors, _) = blobs(600, 24, 6, 0.35, 5);
        let points = Points::new(vectors.view()).unwrap();
        let ours = kmeans(&points, &KmeansOptions::new(6, 1)).unwrap();
        let theirs = linfa::kmeans(points.vectors.view(), 6, 1, 8, 100).unwrap();
        let ari = adjusted_rand(&ours.clustering.members, &theirs.members);
        assert!(ari > 0.99, "{ari}");
    }

    #[test]
    fn many_clusters_start_by_oversampling() {
        let (vectors, truth) = blobs(4000, 16, 100, 0.1, 7);
        let points = Points::new(vectors.view()).unwrap();
        let found = kmeans(&points, &KmeansOptions::new(100, 3)).unwrap();
        let rows: Vec<u32> = (0..4000)
            .map(|r| found.clustering.members[points.of_row(r)])
            .collect();
        let ari = adjusted_rand(&rows, &truth);
        assert!(ari > 0.9, "{ari}");
    }

    #[test]
    fn mini_batches_come_near() {
        let (vectors, truth) = blobs(3000, 16, 8, 0.3, 2);
        let points = Points::new(vectors.view()).unwrap();
        let options = KmeansOptions {
            batch_size: Some(256),
            ..KmeansOptions::new(8, 4)
        };
        let found = kmeans(&points, &options).unwrap();
        let rows: Vec<u32> = (0..3000)
            .map(|r| found.clustering.members[points.of_row(r)])
            .collect();
        assert!(adjusted_rand(&rows, &truth) > 0.9);
    }
}
