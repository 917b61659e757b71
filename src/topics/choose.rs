//! How many topics: the smallest number whose mean silhouette is within a hundredth of
//! the highest, and none of whose topics is too small.
//!
//! Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
//! analysis", 1987, under the cosine distance 1 - cos. For unit vectors the mean distance
//! from a vector to a cluster is one minus its product with the cluster's mean, so that the
//! silhouette of every vector is exact at the cost of one product with each cluster.

use super::cluster::{Clustering, kmeans, run, starts};
use crate::error::Result;
use ndarray::{Array2, Axis};

/// The most articles that the number of topics is chosen on.
const SAMPLE: usize = 2000;
/// Clusterings into each number of topics, of which the best is kept.
const ATTEMPTS: u64 = 4;
/// Iterations of k-means while choosing.
const ITERATIONS: u64 = 30;
/// The share of the highest silhouette that counts as no worse: k-means from other starts
/// moves it by as much, and of numbers as good the smaller is easier to read.
const AS_GOOD: f32 = 0.99;
/// The highest number of topics that is chosen.
const MOST: usize = 60;
/// A corpus of fewer articles is one topic.
const LEAST: usize = 6;

/// The numbers of topics that are tried for `n` articles: each up to 20, then in steps of a
/// tenth, up to a third of the articles.
pub fn candidates(n: usize) -> Vec<usize> {
    let most = MOST.min(n / 3).max(2);
    let mut out = Vec::new();
    let mut k = 2;
    while k <= most {
        out.push(k);
        k += if k < 20 { 1 } else { k / 10 };
    }
    out
}

/// Chooses the number of topics and clusters all rows into so many. Clusters are found among
/// the `reduced` vectors and judged by the whole ones, which the reduction cannot flatter.
/// Returns the clustering and its mean silhouette.
///
/// # Errors
/// k-means fails.
pub fn choose(
    vectors: &Array2<f32>,
    reduced: &Array2<f32>,
    seed: u64,
) -> Result<(Clustering, f32)> {
    let n = vectors.nrows();
    if n < LEAST {
        return Ok((kmeans(reduced, 1, seed)?, 0.0));
    }
    // Rows at even distances: any order of reading gives a fair sample, and the same one.
    let step = n.div_ceil(SAMPLE);
    let rows: Vec<usize> = (0..n).step_by(step).collect();
    let sample = vectors.select(Axis(0), &rows);
    let reduced_sample = reduced.select(Axis(0), &rows);
    let mut tried: Vec<(usize, f32, Clustering)> = Vec::new();
    for k in candidates(rows.len()) {
        // Of several clusterings into as many, too, the silhouette chooses.
        for attempt in 0..ATTEMPTS {
            let seed = seed.wrapping_add(attempt);
            let starts = starts(rows.len()).div_ceil(ATTEMPTS as usize);
            let clustering = run(reduced_sample.view(), k, seed, starts, ITERATIONS)?;
            let mut sizes = vec![0; k];
            for &cluster in &clustering.members {
                sizes[cluster] += 1;
            }
            if sizes.iter().any(|&size| size < smallest_topic(rows.len())) {
                continue;
            }
            let score = silhouette(&sample, &clustering.members, k);
            match tried.last_mut() {
                Some(last) if last.0 == k => {
                    if score > last.1 {
                        *last = (k, score, clustering);
                    }
                }
                _ => tried.push((k, score, clustering)),
            }
        }
    }
    let k = fewest(
        &tried
            .iter()
            .map(|&(k, score, _)| (k, score))
            .collect::<Vec<_>>(),
    );
    if rows.len() == n
        && let Some((_, score, clustering)) = tried.into_iter().find(|t| t.0 == k)
    {
        return Ok((clustering, score));
    }
    let clustering = kmeans(reduced, k, seed)?;
    let score = silhouette(vectors, &clustering.members, k);
    Ok((clustering, score))
}

/// The fewest articles that make a topic of their own among `n`: without this bound a story
/// told twice counts as a topic, since nothing is as dense. The bound of large corpora is
/// BERTopic's default.
fn smallest_topic(n: usize) -> usize {
    (n / 16).clamp(2, 10)
}

/// The smallest number whose silhouette is as good as the best, but for [`AS_GOOD`].
fn fewest(scores: &[(usize, f32)]) -> usize {
    let best = scores
        .iter()
        .map(|&(_, s)| s)
        .fold(f32::NEG_INFINITY, f32::max);
    let enough = best - (1.0 - AS_GOOD) * best.abs();
    scores
        .iter()
        .find(|&&(_, s)| s >= enough)
        .map_or(2, |&(k, _)| k)
}

/// The mean silhouette of a clustering of unit vectors, -1 to 1; 0 for a vector alone in its
/// cluster, and for fewer than two clusters.
pub fn silhouette(vectors: &Array2<f32>, members: &[usize], k: usize) -> f32 {
    let dim = vectors.ncols();
    let mut sums = Array2::<f32>::zeros((k, dim));
    let mut sizes = vec![0usize; k];
    for (row, &cluster) in vectors.outer_iter().zip(members) {
        let mut sum = sums.row_mut(cluster);
        sum += &row;
        sizes[cluster] += 1;
    }
    if sizes.iter().filter(|&&s| s > 0).count() < 2 || members.is_empty() {
        return 0.0;
    }
    let products = vectors.dot(&sums.t());
    let mut total = 0.0f64;
    for (row, &own) in members.iter().enumerate() {
        if sizes[own] < 2 {
            continue;
        }
        let product = |cluster: usize| f64::from(products[(row, cluster)]);
        // The sum of its own cluster holds the vector itself, whose product is 1.
        let norm: f64 = vectors
            .row(row)
            .iter()
            .map(|x| f64::from(*x) * f64::from(*x))
            .sum();
        let a = 1.0 - (product(own) - norm) / (sizes[own] - 1) as f64;
        let b = (0..k)
            .filter(|&c| c != own && sizes[c] > 0)
            .map(|c| 1.0 - product(c) / sizes[c] as f64)
            .fold(f64::INFINITY, f64::min);
        let larger = a.max(b);
        if larger > 0.0 {
            total += (b - a) / larger;
        }
    }
    (total / members.len() as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::normalize;
    use proptest::prelude::*;

    fn unit(rows: &[Vec<f32>]) -> Array2<f32> {
        let mut flat = Vec::new();
        for row in rows {
            let mut row = row.clone();
            normalize(&mut row);
            flat.extend(row);
        }
        Array2::from_shape_vec((rows.len(), rows[0].len()), flat).unwrap()
    }

    /// The definition, over all pairs.
    fn by_definition(v: &Array2<f32>, members: &[usize], k: usize) -> f32 {
        let n = members.len();
        let distance = |i: usize, j: usize| 1.0 - f64::from(v.row(i).dot(&v.row(j)));
        let mut total = 0.0;
        for i in 0..n {
            let mean = |c: usize| {
                let others: Vec<usize> = (0..n).filter(|&j| j != i && members[j] == c).collect();
                (!others.is_empty()).then(|| {
                    others.iter().map(|&j| distance(i, j)).sum::<f64>() / others.len() as f64
                })
            };
            let Some(a) = mean(members[i]) else { continue };
            let b = (0..k)
                .filter(|&c| c != members[i])
                .filter_map(mean)
                .fold(f64::INFINITY, f64::min);
            if b.is_finite() && a.max(b) > 0.0 {
                total += (b - a) / a.max(b);
            }
        }
        (total / n as f64) as f32
    }

    proptest! {
        #[test]
        fn silhouette_equals_its_definition(
            rows in proptest::collection::vec(proptest::collection::vec(-1.0f32..1.0, 4), 2..30),
            labels in proptest::collection::vec(0usize..4, 30),
        ) {
            prop_assume!(rows.iter().all(|r| r.iter().any(|x| x.abs() > 0.05)));
            let v = unit(&rows);
            let members = &labels[..rows.len()];
            let fast = silhouette(&v, members, 4);
            prop_assert!((fast - by_definition(&v, members, 4)).abs() < 1e-3);
        }
    }

    #[test]
    fn separate_groups_are_counted() {
        let mut rows = Vec::new();
        for axis in 0..4 {
            for i in 0..12 {
                let mut row = vec![0.03 * (i % 5) as f32; 6];
                row[axis] = 1.0;
                rows.push(row);
            }
        }
        let v = unit(&rows);
        let (clustering, score) = choose(&v, &v, 7).unwrap();
        assert_eq!(clustering.k, 4);
        assert!(score > 0.8, "{score}");
        assert_eq!(choose(&v, &v, 7).unwrap(), (clustering, score));
    }

    #[test]
    fn of_numbers_as_good_the_smallest() {
        assert_eq!(fewest(&[(2, 0.1), (3, 0.199), (4, 0.2), (5, 0.15)]), 3);
        assert_eq!(fewest(&[(2, -0.2), (3, -0.1)]), 3);
    }

    #[test]
    fn few_articles_are_one_topic() {
        let v = unit(&[vec![1.0, 0.0], vec![0.0, 1.0]]);
        assert_eq!(choose(&v, &v, 1).unwrap().0.members, [0, 0]);
    }
}
