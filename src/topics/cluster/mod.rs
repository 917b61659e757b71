//! Ways to cluster vectors, behind one seam: each takes [`Points`] and gives a
//! [`Clustering`], seeded, and the same on any number of threads.

pub mod hdbscan;
pub mod kmeans;
pub mod leiden;
pub mod linfa;

use super::points::Points;

use rayon::prelude::*;
use std::fmt;
use std::str::FromStr;

/// The cluster of a point that is in none.
pub const NONE: u32 = u32::MAX;

/// Which cluster each point belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clustering {
    /// The number of clusters; some may be empty.
    pub k: usize,
    /// The cluster of each point, below `k`, or [`NONE`].
    pub members: Vec<u32>,
}

impl Clustering {
    /// All points in one cluster.
    pub fn one(points: usize) -> Self {
        Self {
            k: points.min(1),
            members: vec![0; points],
        }
    }

    /// The points of each cluster.
    pub fn groups(&self) -> Vec<Vec<u32>> {
        let mut groups = vec![Vec::new(); self.k];
        for (point, &cluster) in self.members.iter().enumerate() {
            if cluster != NONE {
                groups[cluster as usize].push(point as u32);
            }
        }
        groups
    }
}

/// A way to cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Communities of the neighbour graph joined to a tree, cut where the silhouette says,
    /// refined by spherical k-means; see [`crate::topics::tree`].
    #[default]
    Tree,
    /// k-means, [`kmeans`].
    Kmeans,
    /// Spherical k-means, [`kmeans`].
    SphericalKmeans,
    /// Communities of the neighbour graph, [`leiden`].
    Leiden,
    /// Density on the neighbour graph, [`hdbscan`].
    Hdbscan,
    /// k-means by linfa-clustering, on principal components.
    LinfaKmeans,
    /// DBSCAN by linfa-clustering, on principal components.
    Dbscan,
    /// OPTICS by linfa-clustering, on principal components, cut at a reachability.
    Optics,
    /// A Gaussian mixture by linfa-clustering, on principal components.
    GaussianMixture,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Tree,
        Self::Kmeans,
        Self::SphericalKmeans,
        Self::Leiden,
        Self::Hdbscan,
        Self::LinfaKmeans,
        Self::Dbscan,
        Self::Optics,
        Self::GaussianMixture,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Kmeans => "kmeans",
            Self::SphericalKmeans => "spherical-kmeans",
            Self::Leiden => "leiden",
            Self::Hdbscan => "hdbscan",
            Self::LinfaKmeans => "linfa-kmeans",
            Self::Dbscan => "dbscan",
            Self::Optics => "optics",
            Self::GaussianMixture => "gaussian-mixture",
        }
    }

    /// Whether the number of clusters follows from the data alone.
    pub fn finds_its_own_number(self) -> bool {
        matches!(self, Self::Hdbscan | Self::Dbscan | Self::Optics)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|m| m.name()).collect();
                format!("use one of {}", names.join(", "))
            })
    }
}

/// The unit mean of each cluster's vectors, weighted, (k, dim); zeros for an empty one.
pub fn centroids(points: &Points, clustering: &Clustering) -> Vec<f32> {
    let dim = points.vectors.ncols().max(1);
    let mut out = means(points, clustering);
    out.par_chunks_mut(dim).for_each(crate::encoder::normalize);
    out
}

/// As [`means`], where a device holds the points and all are in a cluster.
fn means_by_device(points: &Points, clustering: &Clustering) -> Option<Vec<f32>> {
    let (members, k) = (&clustering.members, clustering.k);
    if members.iter().any(|&m| m as usize >= k) {
        return None;
    }
    let weights: Vec<f32> = points.weights.iter().map(|&w| w as f32).collect();
    let mut sums = points.by_device(|held| held.sums(members, &weights, k))?;
    let mut totals = vec![0.0f64; k];
    for (&m, &w) in members.iter().zip(&points.weights) {
        totals[m as usize] += f64::from(w);
    }
    for (sum, total) in sums.chunks_mut(points.vectors.ncols().max(1)).zip(totals) {
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        for x in sum {
            *x = (f64::from(*x) * scale) as f32;
        }
    }
    Some(sums)
}

/// The mean of each cluster's vectors, weighted, (k, dim); zeros for an empty one.
pub fn means(points: &Points, clustering: &Clustering) -> Vec<f32> {
    let dim = points.vectors.ncols();
    if let Some(means) = means_by_device(points, clustering) {
        return means;
    }
    let groups = clustering.groups();
    groups
        .par_iter()
        .flat_map_iter(|group| {
            // Single precision is enough for a few hundred vectors, and quicker to add up.
            const BLOCK: usize = 256;
            let mut sum = vec![0.0f64; dim];
            let mut part = vec![0.0f32; dim];
            let mut total = 0.0;
            for block in group.chunks(BLOCK) {
                part.fill(0.0);
                for &point in block {
                    let weight = points.weights[point as usize] as f32;
                    total += f64::from(weight);
                    for (s, x) in part.iter_mut().zip(points.vector(point as usize)) {
                        *s += weight * x;
                    }
                }
                for (s, x) in sum.iter_mut().zip(&part) {
                    *s += f64::from(*x);
                }
            }
            let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
            sum.into_iter().map(move |x| (x * scale) as f32)
        })
        .collect()
}
