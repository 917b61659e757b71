//! How many topics: the smallest number whose mean silhouette is within a hundredth of the
//! highest, and none of whose topics is too small.
//!
//! Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
//! analysis", 1987, under the cosine distance 1 - cos. For unit vectors the mean distance
//! from a vector to a cluster is one minus its product with the cluster's mean, so that the
//! silhouette of every vector is exact at the cost of one product with each cluster.

use super::cluster::kmeans::{KmeansOptions, kmeans};
use super::cluster::{Clustering, NONE, linfa, means};
use super::points::Points;
use crate::error::Result;
use crate::job::Stage;
use crate::vectors::Products;
use ndarray::Array2;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Clusterings of a corpus of `n` articles into each number of topics, of which the best is
/// kept. The fewer articles, the more a start decides, and the less an attempt costs.
fn attempts(n: usize) -> u64 {
    (1400 / n.max(1) as u64).clamp(4, 16)
}

/// Iterations of k-means while choosing.
const ITERATIONS: u64 = 30;
/// The share of the highest silhouette that counts as no worse: k-means from other starts
/// moves it by as much, and of numbers as good the smaller is easier to read.
const AS_GOOD: f32 = 0.99;
/// The highest number of topics that is chosen, and that for a small corpus.
const MAX_TOPICS: usize = 200;
const MAX_OF_SMALL: usize = 60;
/// A corpus of fewer articles is one topic.
const MIN_ARTICLES: usize = 6;

/// The fewest articles that make a topic of their own among `n`: without this bound a story
/// told twice counts as a topic, since nothing is as dense. The bound of large corpora is
/// BERTopic's default.
pub(super) fn smallest_topic(n: usize) -> usize {
    (n / 16).clamp(2, 10)
}

/// Starts from which linfa's k-means keeps the best. A small corpus gets more of them: they
/// cost little there, and where a topic has few articles a poor start is seldom mended.
pub(super) fn starts(n: usize) -> usize {
    (20_000 / n.max(1)).clamp(8, 50)
}

/// Clusters the points of a small corpus by their `reduced` vectors. linfa's k-means has no weights:
/// where there are copies, ours lets a text count as often as it was read.
fn clustered(
    points: &Points,
    reduced: &Array2<f32>,
    k: usize,
    seed: u64,
    starts: usize,
    iterations: u64,
) -> Result<Clustering> {
    if points.weights.iter().all(|&w| w == 1) {
        return linfa::kmeans(reduced.view(), k, seed, starts, iterations);
    }
    let mut weighted = points.clone().quiet();
    weighted.vectors.clone_from(reduced);
    let options = KmeansOptions {
        starts,
        iterations: iterations as usize,
        ..KmeansOptions::new(k, seed)
    };
    Ok(kmeans(&weighted, &options)?.clustering)
}

/// Clusters a small corpus by k-means, with the number of topics chosen or given.
/// Clusters are found among the `reduced` vectors and judged by the whole ones, which the
/// reduction cannot flatter. To be run apart, because linfa cannot be interrupted.
///
/// # Errors
/// k-means fails; the points' job is cancelled.
pub(super) fn small(
    points: &Points,
    reduced: &Array2<f32>,
    k: Option<usize>,
    min_size: usize,
    seed: u64,
) -> Result<Clustering> {
    let n = points.len();
    let starts = starts(n);
    if let Some(k) = k {
        return clustered(points, reduced, k.min(n), seed, starts, 100);
    }
    if n < MIN_ARTICLES {
        return Ok(Clustering::one(n));
    }
    let numbers = numbers(MAX_OF_SMALL.min(n / 3).max(2));
    let tried: Vec<Option<(usize, f32, Clustering)>> = numbers
        .par_iter()
        .map(|&k| {
            let mut best: Option<(usize, f32, Clustering)> = None;
            // Of several clusterings into as many, too, the silhouette chooses.
            for attempt in 0..attempts(n) {
                points.watch().check()?;
                let seed = seed.wrapping_add(attempt);
                let runs = starts.div_ceil(4);
                let found = clustered(points, reduced, k, seed, runs, ITERATIONS)?;
                if sizes(points, &found).iter().any(|&s| s < min_size as u64) {
                    continue;
                }
                let score = silhouette(points, &found)?;
                if best.as_ref().is_none_or(|b| score > b.1) {
                    best = Some((k, score, found));
                }
            }
            points.watch().step();
            Ok(best)
        })
        .collect::<Result<_>>()?;
    let mut tried: Vec<_> = tried.into_iter().flatten().collect();
    let scores: Vec<(usize, f32)> = tried.iter().map(|t| (t.0, t.1)).collect();
    Ok(match fewest(&scores) {
        Some(at) => tried.swap_remove(at).2,
        None => Clustering::one(n),
    })
}

/// The most points on which a number is chosen.
const SAMPLE: usize = 10_000;

/// The number of clusters, up to `max_topics`, that the silhouette chooses on a sample of the
/// points, clustered by `cluster`; 1 where every clustering has one of fewer than `min_size`
/// articles.
pub(super) fn number(
    points: &Points,
    max_topics: usize,
    min_size: usize,
    cluster: impl Fn(&Points, usize) -> Result<Clustering> + Sync,
) -> Result<usize> {
    // What is told are the numbers that were tried.
    let sample = points.sample(SAMPLE).quiet();
    let share = sample.articles() as f64 / points.articles().max(1) as f64;
    let min_size = (min_size as f64 * share).max(2.0) as u64;
    let numbers = numbers(max_topics.min(MAX_TOPICS));
    let done = AtomicUsize::new(0);
    let tried: Vec<Option<(usize, f32)>> = numbers
        .par_iter()
        .map(|&k| {
            let found = cluster(&sample, k)?;
            let large = sizes(&sample, &found).iter().all(|&s| s >= min_size);
            let score = if large {
                Some((k, silhouette(&sample, &found)?))
            } else {
                None
            };
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let watch = points.watch();
            watch.progress(Stage::Clustering, done, numbers.len());
            Ok(score)
        })
        .collect::<Result<_>>()?;
    let tried: Vec<(usize, f32)> = tried.into_iter().flatten().collect();
    Ok(fewest(&tried).map_or(1, |at| tried[at].0))
}

/// The numbers of topics that are tried: each up to 20, then in steps of a tenth.
fn numbers(max_topics: usize) -> Vec<usize> {
    let next = |k: &usize| Some(k + if *k < 20 { 1 } else { k / 10 });
    std::iter::successors(Some(2), next)
        .take_while(|&k| k <= max_topics)
        .collect()
}

/// The articles of each cluster, copies counted.
pub(super) fn sizes(points: &Points, clustering: &Clustering) -> Vec<u64> {
    let mut sizes = vec![0; clustering.k];
    for (&cluster, &weight) in clustering.members.iter().zip(&points.weights) {
        if cluster != NONE {
            sizes[cluster as usize] += u64::from(weight);
        }
    }
    sizes
}

/// The index of the smallest number whose silhouette is as good as the best, but for
/// a hundredth; numbers must ascend.
fn fewest(scores: &[(usize, f32)]) -> Option<usize> {
    let best = scores
        .iter()
        .map(|&(_, s)| s)
        .fold(f32::NEG_INFINITY, f32::max);
    let enough = best - (1.0 - AS_GOOD) * best.abs();
    scores.iter().position(|&(_, s)| s >= enough)
}

/// The mean silhouette of a clustering, -1 to 1; 0 for a vector alone in its cluster, and for
/// fewer than two clusters. Copies count as often as they occur; points in no cluster do not.
pub(super) fn silhouette(points: &Points, clustering: &Clustering) -> Result<f32> {
    let dim = points.vectors.ncols();
    let sizes = sizes(points, clustering);
    if sizes.iter().filter(|&&s| s > 0).count() < 2 {
        return Ok(0.0);
    }
    let products = Products::new(&means(points, clustering)?, dim);
    let parts: Vec<(f64, f64)> = points
        .flat()
        .par_chunks(Products::ROWS * dim.max(1))
        .enumerate()
        .map_init(Vec::new, |out, (chunk, vectors)| {
            points.watch().check()?;
            let (mut total, mut count) = (0.0, 0.0);
            for (i, product) in products.multiply(vectors, out).enumerate() {
                let point = chunk * Products::ROWS + i;
                let own = clustering.members[point];
                if own == NONE {
                    continue;
                }
                let weight = f64::from(points.weights[point]);
                count += weight;
                let own = own as usize;
                if sizes[own] < 2 {
                    continue;
                }
                let vector = &vectors[i * dim..][..dim];
                let norm: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
                // The mean of its own cluster holds the vector itself.
                let size = sizes[own] as f64;
                let a = 1.0 - (f64::from(product[own]) * size - norm) / (size - 1.0);
                let b = (0..clustering.k)
                    .filter(|&c| c != own && sizes[c] > 0)
                    .map(|c| 1.0 - f64::from(product[c]))
                    .fold(f64::INFINITY, f64::min);
                let larger = a.max(b);
                if larger > 0.0 {
                    total += weight * (b - a) / larger;
                }
            }
            Ok((total, count))
        })
        .collect::<Result<_>>()?;
    let (total, count) = parts
        .iter()
        .fold((0.0, 0.0), |(t, c), p| (t + p.0, c + p.1));
    Ok(if count > 0.0 {
        (total / count) as f32
    } else {
        0.0
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fixture, unit_rows};
    use super::*;
    use proptest::prelude::*;

    /// The definition, over all pairs of rows.
    fn by_definition(v: &Array2<f32>, members: &[u32], k: u32) -> f32 {
        let n = members.len();
        let distance = |i: usize, j: usize| 1.0 - f64::from(v.row(i).dot(&v.row(j)));
        let mut total = 0.0;
        for i in 0..n {
            let mean = |c: u32| {
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
            rows in unit_rows(2..30, 4),
            labels in proptest::collection::vec(0u32..4, 30),
        ) {
            let v = Array2::from_shape_vec((rows.len() / 4, 4), rows).unwrap();
            let points = Points::new(v.view()).unwrap();
            let members = labels[..points.len()].to_vec();
            let rows: Vec<u32> = (0..v.nrows()).map(|r| members[points.of_row(r)]).collect();
            let fast = silhouette(&points, &Clustering { k: 4, members }).unwrap();
            prop_assert!((fast - by_definition(&v, &rows, 4)).abs() < 1e-3);
        }
    }

    #[test]
    fn silhouette_equals_scikit_learn() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/topics/layout.json"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let (vectors, labels) = fixture("layout");
        let points = Points::new(vectors.view()).unwrap();
        let k = labels.iter().filter(|&&l| l != NONE).max().unwrap() + 1;
        // scikit-learn counts those in no cluster as one.
        let mut members = vec![0; points.len()];
        for (row, &label) in labels.iter().enumerate() {
            members[points.of_row(row)] = if label == NONE { k } else { label };
        }
        let got = silhouette(
            &points,
            &Clustering {
                k: k as usize + 1,
                members,
            },
        )
        .unwrap();
        let want = value["silhouette"].as_f64().unwrap();
        assert!((f64::from(got) - want).abs() < 1e-4, "{got} {want}");
    }

    #[test]
    fn separate_groups_are_counted() {
        let (v, _) = super::super::testing::blobs(48, 6, 4, 0.2, 3);
        let points = Points::new(v.view()).unwrap();
        let found = small(&points, &points.vectors, None, 2, 7).unwrap();
        assert_eq!(found.k, 4);
        assert!(silhouette(&points, &found).unwrap() > 0.8);
        assert_eq!(small(&points, &points.vectors, None, 2, 7).unwrap(), found);
    }

    #[test]
    fn copies_weigh_as_much_as_other_articles() {
        // A text read sixty times, and two groups of sixty that differ a little.
        let (mut v, groups) = super::super::testing::blobs(180, 8, 3, 0.2, 5);
        let first = groups.iter().position(|&g| g == 0).unwrap();
        let copied = v.row(first).to_owned();
        for (i, &group) in groups.iter().enumerate() {
            if group == 0 {
                v.row_mut(i).assign(&copied);
            }
        }
        let points = Points::new(v.view()).unwrap();
        assert_eq!(points.len(), 121);
        for k in [None, Some(3)] {
            let found = small(&points, &points.vectors, k, 10, 7).unwrap();
            let rows: Vec<u32> = (0..180).map(|r| found.members[points.of_row(r)]).collect();
            assert_eq!(found.k, 3);
            assert_eq!(sizes(&points, &found), [60, 60, 60], "{k:?} {rows:?}");
        }
    }

    #[test]
    fn of_numbers_as_good_the_smallest() {
        assert_eq!(
            fewest(&[(2, 0.1), (3, 0.199), (4, 0.2), (5, 0.15)]),
            Some(1)
        );
        assert_eq!(fewest(&[(2, -0.2), (3, -0.1)]), Some(1));
        assert_eq!(fewest(&[]), None);
    }
}
