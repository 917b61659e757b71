//! Ways to cluster vectors, behind one seam: each takes [`Points`] and gives a
//! [`Clustering`], seeded, and the same on any number of threads.

pub(crate) mod hdbscan;
pub mod kmeans;
pub(crate) mod leiden;
pub(crate) mod linfa;

use super::points::Points;
use crate::error::Result;
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
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// Communities of the neighbour graph joined to a tree, cut where the silhouette says,
    /// refined by k-means. A corpus of less than 300 articles that differ is clustered by
    /// k-means from many starts on principal components.
    #[default]
    Tree,
    /// k-means, [`kmeans`]: a given number of topics of similar size; mini-batches for corpora of
    /// very many articles.
    Kmeans,
    /// Communities of the neighbour graph by the Leiden algorithm, as they are.
    Leiden,
    /// HDBSCAN, density on the neighbour graph: only what is dense; most of a mixed corpus is in no
    /// topic.
    Hdbscan,
    /// A Gaussian mixture on principal components: a given number of topics of unlike spread.
    GaussianMixture,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Tree,
        Self::Kmeans,
        Self::Leiden,
        Self::Hdbscan,
        Self::GaussianMixture,
    ];

    /// Its name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Kmeans => "kmeans",
            Self::Leiden => "leiden",
            Self::Hdbscan => "hdbscan",
            Self::GaussianMixture => "gaussian-mixture",
        }
    }

    /// Whether the number of clusters follows from the data alone, and cannot be given.
    pub fn finds_its_own_number(self) -> bool {
        self == Self::Hdbscan
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

/// What found topics, as it is stored with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FoundBy {
    /// A method that can be asked for.
    Method(Method),
    /// k-means from many starts on principal components, in place of [`Method::Tree`] for a
    /// corpus of few articles.
    SmallCorpus,
    /// A method of an earlier or a later version.
    #[default]
    Unknown,
}

/// As files hold it since before it was a type.
const SMALL_CORPUS: &str = "k-means (linfa-clustering) on principal components";

impl FoundBy {
    /// As it is stored with the topics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Method(method) => method.name(),
            Self::SmallCorpus => SMALL_CORPUS,
            Self::Unknown => "unknown",
        }
    }

    /// From what is stored.
    pub fn from_name(name: &str) -> Self {
        match name {
            SMALL_CORPUS => Self::SmallCorpus,
            name => name.parse().map_or(Self::Unknown, Self::Method),
        }
    }

    /// Whether every topic is the articles nearest to a mean, so that the silhouette says how far
    /// topics are apart.
    pub fn is_by_means(self) -> bool {
        matches!(
            self,
            Self::Method(Method::Tree | Method::Kmeans) | Self::SmallCorpus
        )
    }
}

impl fmt::Display for FoundBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for FoundBy {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// The unit mean of each cluster's vectors, weighted, (k, dim); zeros for an empty one.
pub(crate) fn centroids(points: &Points, clustering: &Clustering) -> Result<Vec<f32>> {
    let dim = points.vectors.ncols().max(1);
    let mut out = means(points, clustering)?;
    out.par_chunks_mut(dim).for_each(crate::vectors::normalize);
    Ok(out)
}

/// As [`means`], where a device holds the points and all are in a cluster.
fn means_by_device(points: &Points, clustering: &Clustering) -> Option<Vec<f32>> {
    let (members, k) = (&clustering.members, clustering.k);
    if members.iter().any(|&m| m as usize >= k) {
        return None;
    }
    let weights: Vec<f32> = points.weights.iter().map(|&w| w as f32).collect();
    let mut sums = points.by_device(|device| device.sums(members, &weights, k))?;
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
pub(crate) fn means(points: &Points, clustering: &Clustering) -> Result<Vec<f32>> {
    let dim = points.vectors.ncols();
    if let Some(means) = means_by_device(points, clustering) {
        return Ok(means);
    }
    let groups = clustering.groups();
    let means: Vec<Vec<f32>> = groups
        .par_iter()
        .map(|group| {
            // Single precision is enough for a few hundred vectors, and quicker to add up.
            const BLOCK: usize = 256;
            let mut sum = vec![0.0f64; dim];
            let mut part = vec![0.0f32; dim];
            let mut total = 0.0;
            for block in group.chunks(BLOCK) {
                points.watch().check()?;
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
            Ok(sum.into_iter().map(|x| (x * scale) as f32).collect())
        })
        .collect::<Result<_>>()?;
    Ok(means.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_found_topics_is_told_by_what_was_stored() {
        for method in Method::ALL {
            let found = FoundBy::Method(method);
            assert_eq!(FoundBy::from_name(found.name()), found);
        }
        let small = FoundBy::from_name("k-means (linfa-clustering) on principal components");
        assert_eq!(small, FoundBy::SmallCorpus);
        assert!(small.is_by_means());
        assert_eq!(FoundBy::from_name("optics"), FoundBy::Unknown);
    }
}
