//! k-means by linfa-clustering.

use crate::error::{Error, Result};
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::{KMeans, KMeansInit};
use linfa_nn::distance::L2Dist;
use ndarray::{Array2, ArrayView2};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;

/// Which cluster each row belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// The number of clusters; some may be empty.
    pub k: usize,
    /// The cluster of each row, below `k`.
    pub members: Vec<usize>,
}

/// Iterations of each start of a final clustering.
const ITERATIONS: u64 = 100;

/// Starts from which the best is kept. A small corpus gets more of them: they cost little
/// there, and where a topic has few articles a poor start is seldom mended.
pub(super) fn starts(n: usize) -> usize {
    (20_000 / n.max(1)).clamp(8, 50)
}

/// Clusters unit vectors, (articles, dim), into `k` groups.
///
/// On unit vectors the squared Euclidean distance is 2 - 2 cos, so this is k-means by cosine.
/// Starts are k-means++ (Arthur and Vassilvitskii, 2007), the best of 8 to 50 by inertia.
///
/// # Errors
/// linfa refuses the parameters.
pub fn kmeans(vectors: &Array2<f32>, k: usize, seed: u64) -> Result<Clustering> {
    run(vectors.view(), k, seed, starts(vectors.nrows()), ITERATIONS)
}

/// As [`kmeans`], with so many starts and iterations.
pub(super) fn run(
    vectors: ArrayView2<'_, f32>,
    k: usize,
    seed: u64,
    runs: usize,
    iterations: u64,
) -> Result<Clustering> {
    if k <= 1 {
        return Ok(Clustering {
            k: 1,
            members: vec![0; vectors.nrows()],
        });
    }
    let data = DatasetBase::from(vectors.to_owned());
    let rng = Xoshiro256Plus::seed_from_u64(seed);
    let model = KMeans::params_with(k, rng, L2Dist)
        .n_runs(runs)
        .max_n_iterations(iterations)
        .tolerance(1e-4)
        .init_method(KMeansInit::KMeansPlusPlus)
        .fit(&data)
        .map_err(|e| Error::Topics(e.to_string()))?;
    let members = model.predict(data.records());
    Ok(Clustering {
        k,
        members: members.to_vec(),
    })
}
