//! The default way to topics: a tree of communities, cut and refined.
//!
//! 1. [Leiden](super::cluster::leiden) communities of the neighbour graph, at a resolution that
//!    gives more of them than there are topics. They follow the shape of the data, need no
//!    number and cost little.
//! 2. They are joined two at a time, those first whose joining adds least to the squared
//!    distances from the means (Ward, 1963): a tree.
//! 3. Each cut of the tree into k groups starts [k-means](super::cluster::kmeans), which
//!    moves the articles that a community had carried along; the silhouette of the outcome
//!    [chooses](super::choose) k where it is not given.
//!
//! Started from the tree, k-means needs neither many starts nor luck: every k is tried in the
//! time of one.

use super::choose::{self, sizes};
use super::cluster::kmeans::{KmeansOptions, assign, kmeans, refine};
use super::cluster::leiden::leiden;
use super::cluster::{Clustering, NONE, centroids, means};
use super::graph::{Graph, Neighbours, neighbours};
use super::points::Points;
use super::watch::Watch;
use crate::error::Result;
use crate::store::StoredJoin as Join;

/// The resolution of the communities that are the tree's leaves.
const RESOLUTION: f64 = 1.5;
/// Neighbours of each article in the graph.
pub(super) const NEIGHBOURS: usize = 15;
/// Iterations of k-means while choosing, and at the end.
const ROUGH: usize = 8;
const FINE: usize = 50;

/// Ward's joins of groups with means (groups, dim) and weights, cheapest first among those
/// that `may` allows; the rest follow when all of those are done.
pub(super) fn ward(
    means: &[f32],
    dim: usize,
    weights: &[f64],
    may: impl Fn(usize, usize) -> bool,
    watch: &Watch,
) -> Result<Vec<Join>> {
    let n = weights.len();
    // Lance and Williams' update needs no means after the first step.
    let mut cost = vec![f64::INFINITY; n * n];
    let mut allowed = vec![false; n * n];
    for a in 0..n {
        watch.check()?;
        for b in 0..a {
            let square: f64 = means[a * dim..][..dim]
                .iter()
                .zip(&means[b * dim..][..dim])
                .map(|(x, y)| f64::from(x - y) * f64::from(x - y))
                .sum();
            let joined = weights[a] * weights[b] / (weights[a] + weights[b]) * square;
            cost[a * n + b] = joined;
            cost[b * n + a] = joined;
            allowed[a * n + b] = may(a, b);
            allowed[b * n + a] = allowed[a * n + b];
        }
    }
    let mut weight = weights.to_vec();
    let mut group: Vec<usize> = (0..n).collect();
    let mut alive: Vec<usize> = (0..n).collect();
    let mut joins = Vec::with_capacity(n.saturating_sub(1));
    while alive.len() > 1 {
        watch.check()?;
        let mut best: Option<(bool, f64, usize, usize)> = None;
        for (i, &a) in alive.iter().enumerate() {
            for &b in &alive[..i] {
                let candidate = (!allowed[a * n + b], cost[a * n + b], b, a);
                if best.is_none_or(|x| {
                    candidate
                        .0
                        .cmp(&x.0)
                        .then(candidate.1.total_cmp(&x.1))
                        .is_lt()
                }) {
                    best = Some(candidate);
                }
            }
        }
        let Some((_, joined, a, b)) = best else { break };
        joins.push(Join {
            left: group[a],
            right: group[b],
            cost: joined,
        });
        for &c in &alive {
            if c != a && c != b {
                let (wa, wb, wc) = (weight[a], weight[b], weight[c]);
                let new = ((wa + wc) * cost[a * n + c] + (wb + wc) * cost[b * n + c] - wc * joined)
                    / (wa + wb + wc);
                cost[a * n + c] = new;
                cost[c * n + a] = new;
            }
        }
        weight[a] += weight[b];
        group[a] = n + joins.len() - 1;
        alive.retain(|&c| c != b);
    }
    Ok(joins)
}

/// The group of each leaf when the joins are undone down to `k` groups.
pub(super) fn cut(joins: &[Join], leaves: usize, k: usize) -> Vec<u32> {
    let mut group: Vec<usize> = (0..leaves + joins.len()).collect();
    let done = leaves.saturating_sub(k.max(1)).min(joins.len());
    for (i, join) in joins[..done].iter().enumerate().rev() {
        // The latest joins come first here, so that a join's own group is settled.
        group[join.left] = group[leaves + i];
        group[join.right] = group[leaves + i];
    }
    let mut number = std::collections::HashMap::new();
    (0..leaves)
        .map(|leaf| {
            let next = number.len() as u32;
            *number.entry(group[leaf]).or_insert(next)
        })
        .collect()
}

/// Points, the graph of their neighbours, and its communities: what topics are found on.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// The points.
    pub points: &'a Points,
    /// Their neighbours.
    pub near: Neighbours,
    /// The graph of these.
    pub graph: Graph,
    /// Its communities, leaves of the tree.
    pub leaves: Clustering,
    /// The fewest articles of a topic and of a leaf.
    pub min_size: usize,
    /// The seed.
    pub seed: u64,
}

impl<'a> Context<'a> {
    /// Finds the neighbours and communities of points.
    pub(super) fn new(points: &'a Points, min_size: usize, seed: u64) -> Result<Self> {
        let near = neighbours(points, NEIGHBOURS, seed)?;
        let graph = Graph::new(&near, points.watch())?;
        let leaves = communities(points, &graph, RESOLUTION, min_size, seed)?;
        Ok(Self {
            points,
            near,
            graph,
            leaves,
            min_size,
            seed,
        })
    }

    /// The leaves; smaller communities where more topics are asked for than there are leaves.
    fn at_least(&self, k: Option<usize>) -> Result<Clustering> {
        let mut base = self.leaves.clone();
        let mut resolution = RESOLUTION;
        while k.is_some_and(|k| k > base.k) && resolution < 50.0 {
            resolution *= 2.0;
            base = communities(self.points, &self.graph, resolution, 2, self.seed)?;
        }
        Ok(base)
    }
}

/// Communities of at least `min_size` articles; smaller ones are given to the nearest of the others.
fn communities(
    points: &Points,
    graph: &Graph,
    resolution: f64,
    min_size: usize,
    seed: u64,
) -> Result<Clustering> {
    let found = leiden(graph, resolution, seed, points.watch())?;
    without_small(points, &found, min_size)
}

/// Gives the points of clusters with fewer than `min_size` articles to the nearest other centroid.
pub(super) fn without_small(
    points: &Points,
    found: &Clustering,
    min_size: usize,
) -> Result<Clustering> {
    let dim = points.vectors.ncols();
    let sizes = sizes(points, found);
    let large = |&c: &usize| sizes[c] >= min_size as u64;
    let kept: Vec<usize> = (0..found.k).filter(large).collect();
    if kept.is_empty() {
        return Ok(Clustering::one(points.len()));
    }
    if kept.len() == found.k {
        return Ok(found.clone());
    }
    let all = centroids(points, found)?;
    let centres: Vec<f32> = kept
        .iter()
        .flat_map(|&c| all[c * dim..][..dim].iter().copied())
        .collect();
    let mut number = vec![None; found.k];
    for (new, &old) in kept.iter().enumerate() {
        number[old] = Some(new as u32);
    }
    let (nearest, _) = assign(points.flat(), dim, &centres, points.watch())?;
    let members = found
        .members
        .iter()
        .zip(nearest)
        .map(|(&c, nearest)| number.get(c as usize).copied().flatten().unwrap_or(nearest))
        .collect();
    Ok(Clustering {
        k: kept.len(),
        members,
    })
}

/// Finds topics: `k` of them, or as many as the silhouette chooses; no chosen topic has fewer
/// than [`Context::min_size`] articles.
pub(super) fn find(context: &Context<'_>, k: Option<usize>) -> Result<Clustering> {
    let points = context.points;
    let dim = points.vectors.ncols();
    let base = context.at_least(k)?;
    if let Some(k) = k.filter(|&k| k > base.k) {
        return Ok(kmeans(points, &KmeansOptions::new(k, context.seed))?.clustering);
    }
    let (means, weights) = weighted(points, &base)?;
    let joins = ward(&means, dim, &weights, |_, _| true, points.watch())?;
    let start = |k: usize| starts(&means, dim, &weights, &cut(&joins, base.k, k), k);
    let rough = |sample: &Points, k| Ok(refine(sample, start(k), ROUGH)?.clustering);
    let k = match k {
        Some(k) => k,
        None => choose::number(points, base.k, context.min_size, rough)?,
    };
    if k <= 1 {
        return Ok(Clustering::one(points.len()));
    }
    Ok(refine(points, start(k), FINE)?.clustering)
}

/// Communities joined until `k` are left, unrefined.
pub(super) fn joined(context: &Context<'_>, k: usize) -> Result<Clustering> {
    let points = context.points;
    let base = context.at_least(Some(k))?;
    let (means, weights) = weighted(points, &base)?;
    let dim = points.vectors.ncols();
    let joins = ward(&means, dim, &weights, |_, _| true, points.watch())?;
    let group = cut(&joins, base.k, k);
    Ok(Clustering {
        k: k.min(base.k),
        members: base.members.iter().map(|&c| group[c as usize]).collect(),
    })
}

/// The means and weights of clusters.
fn weighted(points: &Points, clustering: &Clustering) -> Result<(Vec<f32>, Vec<f64>)> {
    let weights = sizes(points, clustering)
        .iter()
        .map(|&s| s as f64)
        .collect();
    Ok((means(points, clustering)?, weights))
}

/// The means of groups of leaves.
fn starts(means: &[f32], dim: usize, weights: &[f64], group: &[u32], k: usize) -> Vec<f32> {
    let mut out = vec![0.0f32; k * dim];
    let mut total = vec![0.0f64; k];
    for (&g, &w) in group.iter().zip(weights) {
        total[g as usize] += w;
    }
    for (leaf, &g) in group.iter().enumerate() {
        let share = (weights[leaf] / total[g as usize]) as f32;
        let mean = &means[leaf * dim..][..dim];
        for (o, x) in out[g as usize * dim..][..dim].iter_mut().zip(mean) {
            *o += share * x;
        }
    }
    out
}

/// Parts of each topic: its points by the nearest community of those that lie mostly in it,
/// parts of fewer than [`Context::min_size`] articles joined to the nearest. Returns the part of each point
/// and the topic of each part. Points in no topic are in no part.
pub(super) fn parts(context: &Context<'_>, topics: &Clustering) -> Result<(Clustering, Vec<u32>)> {
    let Context {
        points,
        leaves,
        min_size,
        ..
    } = context;
    let dim = points.vectors.ncols();
    let mut shares = vec![vec![0u64; topics.k]; leaves.k];
    for (point, (&topic, &leaf)) in topics.members.iter().zip(&leaves.members).enumerate() {
        if topic != NONE && leaf != NONE {
            shares[leaf as usize][topic as usize] += u64::from(points.weights[point]);
        }
    }
    let home: Vec<u32> = shares
        .iter()
        .map(|s| {
            (0..s.len())
                .max_by_key(|&t| (s[t], std::cmp::Reverse(t)))
                .unwrap_or(0) as u32
        })
        .collect();
    let centres = centroids(points, leaves)?;
    let mut members = vec![NONE; points.len()];
    let mut topic_of = Vec::new();
    for (topic, group) in topics.groups().into_iter().enumerate() {
        let mut leaves: Vec<usize> = (0..home.len())
            .filter(|&l| home[l] as usize == topic)
            .collect();
        let rows = points.gathered(group.iter().map(|&p| p as usize));
        // Leaves that get too few articles go, the one with the fewest first.
        let near = loop {
            let of: Vec<f32> = leaves
                .iter()
                .flat_map(|&l| centres[l * dim..][..dim].iter().copied())
                .collect();
            if leaves.len() < 2 {
                break vec![0; group.len()];
            }
            let (near, _) = assign(&rows, dim, &of, points.watch())?;
            let mut size = vec![0u64; leaves.len()];
            for (&p, &l) in group.iter().zip(&near) {
                size[l as usize] += u64::from(points.weights[p as usize]);
            }
            match (0..leaves.len()).min_by_key(|&l| size[l]) {
                Some(l) if size[l] < *min_size as u64 => {
                    leaves.remove(l);
                }
                _ => break near,
            }
        };
        let first = topic_of.len() as u32;
        for (&p, l) in group.iter().zip(near) {
            members[p as usize] = first + l;
        }
        topic_of.extend(std::iter::repeat_n(topic as u32, leaves.len().max(1)));
    }
    let clustering = Clustering {
        k: topic_of.len(),
        members,
    };
    Ok((clustering, topic_of))
}

/// The joins of parts to a tree: those within a topic first, so that each topic is a branch.
pub(super) fn branches(points: &Points, parts: &Clustering, topic_of: &[u32]) -> Result<Vec<Join>> {
    let weights: Vec<f64> = sizes(points, parts)
        .iter()
        .map(|&s| (s as f64).max(1.0))
        .collect();
    let means = centroids(points, parts)?;
    let dim = points.vectors.ncols();
    let may = |a: usize, b: usize| topic_of[a] == topic_of[b];
    ward(&means, dim, &weights, may, points.watch())
}

#[cfg(test)]
mod tests {
    use super::super::testing::blobs;
    use super::*;
    use crate::topics::eval::adjusted_rand;

    fn found(n: usize, groups: usize, k: Option<usize>) -> (Points, Clustering, Vec<u32>) {
        let (vectors, truth) = blobs(n, 24, groups, 0.5, 9);
        let points = Points::new(vectors.view()).unwrap();
        let found = find(&Context::new(&points, 10, 1).unwrap(), k).unwrap();
        (points, found, truth)
    }

    #[test]
    fn groups_are_found_and_counted() {
        for groups in [2, 5, 11] {
            let (points, found, truth) = found(900, groups, None);
            let rows = points.to_rows(&found).members;
            assert_eq!(found.k, groups);
            assert!(adjusted_rand(&rows, &truth) > 0.98);
        }
    }

    #[test]
    fn as_many_as_asked_for() {
        for k in [1, 3, 40, 250] {
            let (points, found, _) = found(900, 5, Some(k));
            assert_eq!(points.to_rows(&found).k, k);
        }
    }

    #[test]
    fn ward_joins_the_nearest_first() {
        // On a line: 0, 1, and 10, 12; then everything.
        let means = [0.0, 1.0, 10.0, 12.0];
        let joins = ward(&means, 1, &[1.0; 4], |_, _| true, &Watch::default()).unwrap();
        assert_eq!((joins[0].left, joins[0].right, joins[0].cost), (0, 1, 0.5));
        assert_eq!((joins[1].left, joins[1].right, joins[1].cost), (2, 3, 2.0));
        // Two means of two, 10.5 apart: 2 * 2 / 4 * 10.5².
        assert!((joins[2].cost - 110.25).abs() < 1e-9);
        assert_eq!(cut(&joins, 4, 2), [0, 0, 1, 1]);
        assert_eq!(cut(&joins, 4, 3), [0, 0, 1, 2]);
        assert_eq!(cut(&joins, 4, 1), [0; 4]);
        // What may not be joined is joined last.
        let joins = ward(
            &means,
            1,
            &[1.0; 4],
            |a, b| a % 2 == b % 2,
            &Watch::default(),
        )
        .unwrap();
        assert_eq!(cut(&joins, 4, 2), [0, 1, 0, 1]);
    }

    #[test]
    fn parts_lie_within_topics() {
        let (points, mut found, _) = found(900, 9, Some(3));
        found.members[4] = NONE;
        let context = Context::new(&points, 10, 1).unwrap();
        let (parts, topic_of) = parts(&context, &found).unwrap();
        assert_eq!(topic_of.len(), parts.k);
        assert!(parts.k >= 6, "{}", parts.k);
        for (point, &part) in parts.members.iter().enumerate() {
            let topic = found.members[point];
            assert_eq!(part == NONE, topic == NONE);
            if part != NONE {
                assert_eq!(topic_of[part as usize], topic);
            }
        }
        let joins = branches(&points, &parts, &topic_of).unwrap();
        assert_eq!(cut(&joins, parts.k, 3), topic_of.clone());
    }
}
