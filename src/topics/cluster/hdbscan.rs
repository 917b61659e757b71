//! HDBSCAN on the graph of nearest neighbours.
//!
//! Campello, Moulavi and Sander, "Density-based clustering based on hierarchical density
//! estimates", 2013; the condensed tree and the choice by excess of mass as in McInnes, Healy
//! and Astels, "hdbscan", 2017. The mutual reachability distance of two points is the largest
//! of their distance and their core distances (to the nearest `min_neighbours`-th point). It
//! is taken along the edges of the graph alone, not of all pairs, which scales to millions of
//! points and differs only where the graph falls into parts: these are never joined.

use super::super::graph::Neighbours;
use super::super::watch::Watch;
use super::{Clustering, NONE};
use crate::error::Result;
use rayon::prelude::*;

/// How dense a cluster must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HdbscanOptions {
    /// The fewest points of a cluster, copies counted.
    pub min_size: usize,
    /// The neighbour whose distance is the core distance; at most the graph's.
    pub min_neighbours: usize,
}

/// Steps between two looks at the job.
const LOOK: usize = 1 << 16;

/// Clusters points, each of which stands for `weights` copies. A point in no dense region is an
/// outlier, in no cluster.
pub(crate) fn hdbscan(
    neighbours: &Neighbours,
    weights: &[u32],
    options: HdbscanOptions,
    watch: &Watch,
) -> Result<Clustering> {
    let n = weights.len();
    let min_size = options.min_size.max(2) as u64;
    let edges = spanning_forest(neighbours, n, options.min_neighbours, watch)?;
    watch.step();
    let merges = dendrogram(&edges, weights, watch)?;
    watch.step();
    let tree = Condensed::new(&merges, weights, min_size, watch)?;
    watch.step();
    Ok(tree.cut(n))
}

/// Edges of the minimum spanning forest by mutual reachability, shortest first.
fn spanning_forest(
    neighbours: &Neighbours,
    n: usize,
    min_neighbours: usize,
    watch: &Watch,
) -> Result<Vec<(f32, u32, u32)>> {
    /// Groups of edges of about the same length, each sorted by itself.
    const GROUPS: usize = 1024;
    // The Euclidean distance of unit vectors, as HDBSCAN takes it.
    let distance = |cosine: f32| (2.0 - 2.0 * cosine).max(0.0).sqrt();
    if neighbours.k == 0 {
        return Ok(Vec::new());
    }
    let at = min_neighbours.clamp(1, neighbours.k) - 1;
    let core: Vec<f32> = (0..n)
        .map(|p| distance(neighbours.cosines[p * neighbours.k + at]))
        .collect();
    let mut groups: Vec<Vec<(f32, u32, u32)>> = vec![Vec::new(); GROUPS];
    for point in 0..n {
        if point.is_multiple_of(LOOK) {
            watch.check()?;
        }
        for (other, cosine) in neighbours.of(point) {
            if other as usize != point {
                let reach = distance(cosine).max(core[point]).max(core[other as usize]);
                let (a, b) = (other.min(point as u32), other.max(point as u32));
                // Lengths are 0 to 2.
                let group = (reach * (GROUPS / 2) as f32) as usize;
                groups[group.min(GROUPS - 1)].push((reach, a, b));
            }
        }
    }
    groups.par_iter_mut().try_for_each(|edges| {
        watch.check()?;
        edges.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        Ok(())
    })?;
    let mut sets = Sets::new(n);
    for edges in &mut groups {
        watch.check()?;
        edges.retain(|&(_, a, b)| sets.join(a, b));
    }
    Ok(groups.concat())
}

/// Disjoint sets of points.
struct Sets(Vec<u32>);

impl Sets {
    fn new(n: usize) -> Self {
        Self((0..n as u32).collect())
    }

    fn find(&mut self, mut x: u32) -> u32 {
        while self.0[x as usize] != x {
            let up = self.0[self.0[x as usize] as usize];
            self.0[x as usize] = up;
            x = up;
        }
        x
    }

    /// Joins two sets; false where they were one.
    fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return false;
        }
        self.0[a.max(b) as usize] = a.min(b);
        true
    }
}

/// Two nodes joined at a distance; nodes below n are points, the rest earlier merges.
struct Merge {
    left: u32,
    right: u32,
    distance: f32,
    size: u64,
}

/// Single linkage. The roots of the forest are joined last, at an infinite distance.
fn dendrogram(edges: &[(f32, u32, u32)], weights: &[u32], watch: &Watch) -> Result<Vec<Merge>> {
    let n = weights.len();
    let mut sets = Sets::new(n);
    let mut node: Vec<u32> = (0..n as u32).collect();
    let mut sizes: Vec<u64> = weights.iter().map(|&w| u64::from(w)).collect();
    let mut merges: Vec<Merge> = Vec::with_capacity(n.saturating_sub(1));
    let mut join = |sets: &mut Sets, a: u32, b: u32, distance: f32| {
        let (a, b) = (sets.find(a), sets.find(b));
        if a == b {
            return;
        }
        let size = sizes[a as usize] + sizes[b as usize];
        merges.push(Merge {
            left: node[a as usize],
            right: node[b as usize],
            distance,
            size,
        });
        sets.join(a, b);
        let root = a.min(b) as usize;
        node[root] = (n + merges.len() - 1) as u32;
        sizes[root] = size;
    };
    for (at, &(distance, a, b)) in edges.iter().enumerate() {
        if at.is_multiple_of(LOOK) {
            watch.check()?;
        }
        join(&mut sets, a, b, distance);
    }
    for point in 1..n as u32 {
        join(&mut sets, 0, point, f32::INFINITY);
    }
    Ok(merges)
}

/// A cluster of the condensed tree.
struct Node {
    parent: usize,
    birth: f64,
    stability: f64,
    children: Vec<usize>,
}

/// The tree of clusters that are large enough, and where each point leaves it.
struct Condensed {
    nodes: Vec<Node>,
    /// For each point: the last cluster that it was in.
    last: Vec<usize>,
}

impl Condensed {
    fn new(merges: &[Merge], weights: &[u32], min_size: u64, watch: &Watch) -> Result<Self> {
        let n = weights.len();
        let mut tree = Self {
            nodes: vec![Node {
                parent: usize::MAX,
                birth: 0.0,
                stability: 0.0,
                children: Vec::new(),
            }],
            last: vec![0; n],
        };
        if merges.is_empty() {
            return Ok(tree);
        }
        let size = |node: u32| match (node as usize).checked_sub(n) {
            Some(merge) => merges[merge].size,
            None => u64::from(weights[node as usize]),
        };
        let mut stack = vec![((n + merges.len() - 1) as u32, 0usize)];
        let mut steps = 0usize;
        while let Some((node, cluster)) = stack.pop() {
            if steps.is_multiple_of(LOOK) {
                watch.check()?;
            }
            steps += 1;
            let Some(merge) = (node as usize).checked_sub(n).map(|m| &merges[m]) else {
                // A single point that is large enough by its copies: it is the cluster's core.
                tree.last[node as usize] = cluster;
                continue;
            };
            // λ, the density at which the two part: one over the distance.
            let density = 1.0 / f64::from(merge.distance).max(1e-9);
            let sides = [merge.left, merge.right];
            let large = sides.map(|s| size(s) >= min_size);
            for (side, is_large) in sides.into_iter().zip(large) {
                let into = if large == [true, true] {
                    tree.nodes.push(Node {
                        parent: cluster,
                        birth: density,
                        stability: 0.0,
                        children: Vec::new(),
                    });
                    let child = tree.nodes.len() - 1;
                    tree.nodes[cluster].children.push(child);
                    child
                } else {
                    cluster
                };
                if large == [true, true] || !is_large {
                    // These points leave the cluster at this density.
                    let born = tree.nodes[cluster].birth;
                    tree.nodes[cluster].stability += size(side) as f64 * (density - born);
                }
                if is_large {
                    stack.push((side, into));
                } else {
                    for point in points_below(merges, n, side) {
                        tree.last[point] = cluster;
                    }
                }
            }
        }
        Ok(tree)
    }

    /// The clusters of the largest excess of mass; the root, all points, is none.
    fn cut(&self, n: usize) -> Clustering {
        let mut best: Vec<f64> = self.nodes.iter().map(|n| n.stability).collect();
        let mut chosen = vec![true; self.nodes.len()];
        chosen[0] = false;
        for at in (1..self.nodes.len()).rev() {
            let below: f64 = self.nodes[at].children.iter().map(|&c| best[c]).sum();
            if !self.nodes[at].children.is_empty() && below > best[at] {
                best[at] = below;
                chosen[at] = false;
            }
        }
        // A cluster within a chosen one is a part of it. Parents stand before their children.
        let mut label = vec![NONE; self.nodes.len()];
        let mut k = 0;
        for at in 1..self.nodes.len() {
            let above = label[self.nodes[at].parent];
            label[at] = if above != NONE {
                above
            } else if chosen[at] {
                k += 1;
                k - 1
            } else {
                NONE
            };
        }
        Clustering {
            k: k as usize,
            members: (0..n).map(|p| label[self.last[p]]).collect(),
        }
    }
}

fn points_below(merges: &[Merge], n: usize, node: u32) -> Vec<usize> {
    let mut out = Vec::new();
    let mut stack = vec![node];
    while let Some(node) = stack.pop() {
        match (node as usize).checked_sub(n) {
            Some(merge) => stack.extend([merges[merge].left, merges[merge].right]),
            None => out.push(node as usize),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::graph::neighbours;
    use super::super::super::points::Points;
    use super::super::super::testing::{blobs, fixture};
    use super::*;
    use crate::topics::eval::adjusted_rand;

    #[test]
    fn dense_groups_are_found_and_the_rest_is_left() {
        let (vectors, truth) = blobs(500, 12, 5, 0.25, 6);
        let points = Points::new(vectors.view()).unwrap();
        let graph = neighbours(&points, 15, 1).unwrap();
        let options = HdbscanOptions {
            min_size: 20,
            min_neighbours: 5,
        };
        let found = hdbscan(&graph, &points.weights, options, points.watch()).unwrap();
        assert_eq!(found.k, 5);
        let rows: Vec<u32> = (0..500).map(|r| found.members[points.of_row(r)]).collect();
        let kept: Vec<usize> = (0..500).filter(|&r| rows[r] != NONE).collect();
        assert!(kept.len() > 350, "{}", kept.len());
        let pick = |v: &[u32]| kept.iter().map(|&r| v[r]).collect::<Vec<_>>();
        assert!(adjusted_rand(&pick(&rows), &pick(&truth)) > 0.99);
    }

    #[test]
    fn equals_scikit_learn_where_all_pairs_are_in_the_graph() {
        let (vectors, expected) = fixture("hdbscan");
        let points = Points::new(vectors.view()).unwrap();
        let graph = neighbours(&points, points.len() - 1, 1).unwrap();
        let options = HdbscanOptions {
            min_size: 10,
            // scikit-learn counts the point itself.
            min_neighbours: 4,
        };
        let found = hdbscan(&graph, &points.weights, options, points.watch()).unwrap();
        let rows: Vec<u32> = (0..vectors.nrows())
            .map(|r| found.members[points.of_row(r)])
            .collect();
        let left = |v: &[u32]| v.iter().map(|&c| c == NONE).collect::<Vec<_>>();
        assert_eq!(left(&rows), left(&expected));
        assert!(adjusted_rand(&rows, &expected) > 0.999);
    }

    #[test]
    fn too_few_points_are_in_no_cluster() {
        let (vectors, _) = blobs(5, 4, 1, 0.1, 1);
        let points = Points::new(vectors.view()).unwrap();
        let graph = neighbours(&points, 3, 1).unwrap();
        let options = HdbscanOptions {
            min_size: 10,
            min_neighbours: 3,
        };
        let found = hdbscan(&graph, &points.weights, options, points.watch()).unwrap();
        assert_eq!(found.members, [NONE; 5]);
    }
}
