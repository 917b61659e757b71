//! Clustering by linfa-clustering: k-means, Gaussian mixtures. Neither can be interrupted, so that
//! callers run them apart.

use super::Clustering;
use crate::error::{Error, Result};
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::{GaussianMixtureModel, KMeans, KMeansInit};
use linfa_nn::distance::L2Dist;
use ndarray::{Array2, ArrayView2};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;

fn failed(e: impl std::fmt::Display) -> Error {
    Error::no_result(e.to_string())
}

/// Clusters unit vectors, (points, dim), into `k` groups, the best of `runs` starts by inertia.
///
/// On unit vectors the squared Euclidean distance is 2 - 2 cos, so this is k-means by cosine.
/// Starts are k-means++ (Arthur and Vassilvitskii, 2007).
///
/// # Errors
/// linfa refuses the parameters.
pub(crate) fn kmeans(
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

/// A mixture of `k` Gaussians with full covariances, by expectation maximisation; each point
/// goes to the likeliest.
///
/// # Errors
/// A covariance cannot be inverted, as where points are alike; linfa says so.
pub(crate) fn gaussian_mixture(vectors: &Array2<f32>, k: usize, seed: u64) -> Result<Clustering> {
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
            ("mixture", gaussian_mixture(&vectors, 4, 1).unwrap()),
        ] {
            let ari = adjusted_rand(&found.members, &truth);
            assert!(ari > 0.95, "{name}: {ari} with {} clusters", found.k);
        }
    }
}
