//! Clustering by linfa-clustering: k-means, DBSCAN, OPTICS, Gaussian mixtures.

use super::{Clustering, NONE};
use crate::error::{Error, Result};
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict, Transformer};
use linfa_clustering::{Dbscan, GaussianMixtureModel, KMeans, KMeansInit, Optics};
use linfa_nn::CommonNearestNeighbour;
use linfa_nn::distance::L2Dist;
use ndarray::{Array2, ArrayView2};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;

fn failed(e: impl std::fmt::Display) -> Error {
    Error::Topics(e.to_string())
}

/// Clusters unit vectors, (points, dim), into `k` groups, the best of `runs` starts by inertia.
///
/// On unit vectors the squared Euclidean distance is 2 - 2 cos, so this is k-means by cosine.
/// Starts are k-means++ (Arthur and Vassilvitskii, 2007).
///
/// # Errors
/// linfa refuses the parameters.
pub fn kmeans(
    vectors: ArrayView2<'_, f32>,
    k: usize,
    seed: u64,
    runs: usize,
    iterations: u64,
) -> Result<Clustering> {
    if k <= 1 {
        return Ok(Clustering::one(vectors.nrows()));
    }
    let data = DatasetBase::from(vectors.to_owned());
    let rng = Xoshiro256Plus::seed_from_u64(seed);
    let model = KMeans::params_with(k, rng, L2Dist)
        .n_runs(runs)
        .max_n_iterations(iterations)
        .tolerance(1e-4)
        .init_method(KMeansInit::KMeansPlusPlus)
        .fit(&data)
        .map_err(failed)?;
    let members = model.predict(data.records());
    Ok(Clustering {
        k,
        members: members.iter().map(|&c| c as u32).collect(),
    })
}

/// DBSCAN (Ester et al., 1996): points with `least` others within `radius` (Euclidean, on unit
/// vectors) grow clusters.
///
/// # Errors
/// linfa refuses the parameters.
pub fn dbscan(vectors: &Array2<f32>, least: usize, radius: f32) -> Result<Clustering> {
    let found = Dbscan::params_with(least.max(2), L2Dist, CommonNearestNeighbour::KdTree)
        .tolerance(radius)
        .transform(vectors)
        .map_err(failed)?;
    let members: Vec<u32> = found.iter().map(|c| c.map_or(NONE, |c| c as u32)).collect();
    Ok(counted(members))
}

/// OPTICS (Ankerst et al., 1999), its reachability plot cut at `radius`. Takes time with the
/// square of the points.
///
/// # Errors
/// linfa refuses the parameters.
pub fn optics(vectors: &Array2<f32>, least: usize, radius: f32) -> Result<Clustering> {
    // Reachability is measured up to the longest distance that unit vectors can have: linfa
    // does not mark where it starts anew from a point that none of the earlier ones reaches.
    let analysis = Optics::params_with(least.max(2), L2Dist, CommonNearestNeighbour::KdTree)
        .tolerance(2.0)
        .transform(vectors.view())
        .map_err(failed)?;
    let mut members = vec![NONE; vectors.nrows()];
    let mut cluster = NONE;
    let mut next = 0;
    for (i, sample) in analysis.iter().enumerate() {
        let within = |d: &Option<f32>| d.is_some_and(|d| d <= radius);
        if i == 0 || !within(sample.reachability_distance()) {
            // Not reached from what came before: a core point begins a cluster.
            cluster = NONE;
            if within(sample.core_distance()) {
                cluster = next;
                next += 1;
            }
        }
        members[sample.index()] = cluster;
    }
    Ok(counted(members))
}

/// A mixture of `k` Gaussians with full covariances, by expectation maximisation; each point
/// goes to the likeliest.
///
/// # Errors
/// A covariance cannot be inverted, as where points are alike; linfa says so.
pub fn gaussian_mixture(vectors: &Array2<f32>, k: usize, seed: u64) -> Result<Clustering> {
    if k <= 1 {
        return Ok(Clustering::one(vectors.nrows()));
    }
    let data = DatasetBase::from(vectors.mapv(f64::from));
    let model = GaussianMixtureModel::params_with_rng(k, Xoshiro256Plus::seed_from_u64(seed))
        .n_runs(4)
        .reg_covariance(1e-4)
        .tolerance(1e-3)
        .fit(&data)
        .map_err(failed)?;
    let members = model.predict(data.records());
    Ok(Clustering {
        k,
        members: members.iter().map(|&c| c as u32).collect(),
    })
}

fn counted(members: Vec<u32>) -> Clustering {
    let k = members
        .iter()
        .filter(|&&c| c != NONE)
        .max()
        .map_or(0, |&c| c as usize + 1);
    Clustering { k, members }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::blobs;
    use super::*;
    use crate::topics::eval::adjusted_rand;

    #[test]
    fn each_finds_groups_that_are_apart() {
        let (vectors, truth) = blobs(240, 6, 4, 0.12, 11);
        for (name, found) in [
            ("k-means", kmeans(vectors.view(), 4, 1, 8, 100).unwrap()),
            ("dbscan", dbscan(&vectors, 5, 0.5).unwrap()),
            ("optics", optics(&vectors, 5, 0.5).unwrap()),
            ("mixture", gaussian_mixture(&vectors, 4, 1).unwrap()),
        ] {
            let ari = adjusted_rand(&found.members, &truth);
            assert!(ari > 0.95, "{name}: {ari} with {} clusters", found.k);
        }
    }
}
