//! Communities of a graph by the Leiden algorithm.
//!
//! Traag, Waltman and van Eck, "From Louvain to Leiden: guaranteeing well-connected
//! communities", 2019, with modularity of resolution γ (Reichardt and Bornholdt, 2006) as the
//! quality: moving node i to community c gains w(i, c) - γ · k(i) · K(c) / 2m, where w is the
//! weight between them, k and K are degrees and 2m the sum of all.

use super::super::graph::Graph;
use super::super::random::{below, uniform};
use super::super::watch::Watch;
use super::Clustering;
use crate::error::Result;
use crate::topics::eval::adjusted_rand;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;
use std::collections::VecDeque;

/// How freely a refined node joins a community that is not the best: the paper's θ.
const THETA: f64 = 0.01;
/// Levels of aggregation; each at least halves most graphs.
const LEVELS: usize = 32;
/// Resolutions that [`stable`] tries.
const RESOLUTIONS: [f64; 10] = [0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4, 2.0];
/// Runs from other seeds at each.
const RUNS: u64 = 4;

/// Nodes between two looks at the job.
const LOOK: usize = 4096;

/// Communities at a resolution; a higher one gives more and smaller communities.
pub(crate) fn leiden(
    graph: &Graph,
    resolution: f64,
    seed: u64,
    watch: &Watch,
) -> Result<Clustering> {
    let n = graph.len();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let degrees: Vec<f64> = (0..n)
        .map(|i| graph.of(i).iter().map(|e| f64::from(e.1)).sum())
        .collect();
    let total: f64 = degrees.iter().sum();
    // Isolated nodes and graphs without edges: every node is its own community.
    if total <= 0.0 {
        return Ok(Clustering {
            k: n,
            members: (0..n as u32).collect(),
        });
    }
    let scale = resolution / total;
    let mut level = Level {
        graph: graph.clone(),
        degrees,
    };
    let mut community: Vec<u32> = (0..n as u32).collect();
    // The node of the current level that each node of the first belongs to.
    let mut node_of: Vec<u32> = (0..n as u32).collect();
    for _ in 0..LEVELS {
        let moved = level.move_nodes(&mut community, scale, &mut random, watch)?;
        watch.step();
        let k = renumber(&mut community);
        if k == level.degrees.len() || !moved {
            break;
        }
        let mut refined = level.refine(&community, scale, &mut random, watch)?;
        let parts = renumber(&mut refined);
        if parts == level.degrees.len() {
            break;
        }
        // The next level's nodes are the refined parts; they begin in the community that
        // their nodes had.
        let mut next_community = vec![0; parts];
        for (node, &part) in refined.iter().enumerate() {
            next_community[part as usize] = community[node];
        }
        for node in &mut node_of {
            *node = refined[*node as usize];
        }
        level = level.aggregated(&refined, parts, watch)?;
        community = next_community;
    }
    let mut members: Vec<u32> = node_of.iter().map(|&n| community[n as usize]).collect();
    let k = renumber(&mut members);
    Ok(Clustering { k, members })
}

/// The communities at the resolution where runs from other seeds agree most, and the mean
/// adjusted Rand index between those runs. Resolutions that give fewer than two communities of
/// `min_size` nodes are passed over; of those that agree within a hundredth of the best, the
/// one with the most communities is taken.
pub(crate) fn stable(
    graph: &Graph,
    min_size: usize,
    seed: u64,
    watch: &Watch,
) -> Result<(Clustering, f64, f64)> {
    let tried: Vec<(Clustering, f64, f64, usize)> = RESOLUTIONS
        .par_iter()
        .map(|&resolution| {
            let runs: Vec<Clustering> = (0..RUNS)
                .map(|run| leiden(graph, resolution, seed.wrapping_add(run), watch))
                .collect::<Result<_>>()?;
            let mut agreement = 0.0;
            for a in 0..runs.len() {
                for b in 0..a {
                    watch.check()?;
                    agreement += adjusted_rand(&runs[a].members, &runs[b].members);
                }
            }
            agreement /= (RUNS * (RUNS - 1) / 2) as f64;
            let first = runs
                .into_iter()
                .next()
                .unwrap_or(Clustering::one(graph.len()));
            let large = first
                .groups()
                .iter()
                .filter(|g| g.len() >= min_size)
                .count();
            Ok((first, resolution, agreement, large))
        })
        .collect::<Result<_>>()?;
    let usable = |t: &&(Clustering, f64, f64, usize)| t.3 >= 2;
    let best = tried
        .iter()
        .filter(usable)
        .map(|t| t.2)
        .fold(f64::NEG_INFINITY, f64::max);
    let chosen = tried
        .iter()
        .filter(usable)
        .filter(|t| t.2 >= best - 0.01)
        .max_by_key(|t| t.3)
        .or(tried.first());
    Ok(match chosen {
        Some((clustering, resolution, agreement, _)) => {
            (clustering.clone(), *resolution, *agreement)
        }
        None => (Clustering::one(graph.len()), 1.0, 1.0),
    })
}

/// Numbers communities from 0 in the order of their first nodes; returns how many.
fn renumber(community: &mut [u32]) -> usize {
    let mut new = vec![u32::MAX; community.iter().max().map_or(0, |&c| c as usize + 1)];
    let mut k = 0;
    for c in community {
        let number = &mut new[*c as usize];
        if *number == u32::MAX {
            *number = k;
            k += 1;
        }
        *c = *number;
    }
    k as usize
}

/// A graph of one level of aggregation, with the degrees of its nodes, loops included.
struct Level {
    graph: Graph,
    degrees: Vec<f64>,
}

/// Weights from a node to the communities next to it.
struct Near {
    weight: Vec<f64>,
    touched: Vec<u32>,
}

impl Near {
    fn new(n: usize) -> Self {
        Self {
            weight: vec![0.0; n],
            touched: Vec::new(),
        }
    }

    fn fill(&mut self, edges: &[(u32, f32)], own: usize, community: impl Fn(usize) -> Option<u32>) {
        for &c in &self.touched {
            self.weight[c as usize] = 0.0;
        }
        self.touched.clear();
        for &(other, w) in edges {
            if other as usize == own {
                continue;
            }
            if let Some(c) = community(other as usize) {
                let sum = &mut self.weight[c as usize];
                if *sum == 0.0 {
                    self.touched.push(c);
                }
                *sum += f64::from(w);
            }
        }
    }
}

impl Level {
    /// Moves nodes to the best community near them until none gains: the fast local move.
    fn move_nodes(
        &self,
        community: &mut [u32],
        scale: f64,
        random: &mut Xoshiro256PlusPlus,
        watch: &Watch,
    ) -> Result<bool> {
        let n = self.degrees.len();
        let mut sums = vec![0.0; n];
        for (node, &c) in community.iter().enumerate() {
            sums[c as usize] += self.degrees[node];
        }
        let mut queue: VecDeque<u32> = shuffled(n, random).into();
        let mut waits = vec![true; n];
        let mut near = Near::new(n);
        let mut moved = false;
        let mut steps = 0usize;
        while let Some(node) = queue.pop_front() {
            if steps.is_multiple_of(LOOK) {
                watch.check()?;
            }
            steps += 1;
            let node = node as usize;
            waits[node] = false;
            let own = community[node];
            near.fill(self.graph.of(node), node, |other| Some(community[other]));
            let degree = self.degrees[node];
            sums[own as usize] -= degree;
            let gain = |c: u32| near.weight[c as usize] - scale * degree * sums[c as usize];
            let mut best = (gain(own), own);
            for &c in &near.touched {
                let g = gain(c);
                if g > best.0 + 1e-12 {
                    best = (g, c);
                }
            }
            // A community of its own gains nothing and loses nothing.
            if best.0 < -1e-12
                && let Some(empty) = (sums[own as usize] <= 0.0).then_some(own)
            {
                best = (0.0, empty);
            }
            sums[best.1 as usize] += degree;
            if best.1 != own {
                community[node] = best.1;
                moved = true;
                for &(other, _) in self.graph.of(node) {
                    let other = other as usize;
                    if community[other] != best.1 && !waits[other] {
                        waits[other] = true;
                        queue.push_back(other as u32);
                    }
                }
            }
        }
        Ok(moved)
    }

    /// Parts of each community that are well connected within it.
    fn refine(
        &self,
        community: &[u32],
        scale: f64,
        random: &mut Xoshiro256PlusPlus,
        watch: &Watch,
    ) -> Result<Vec<u32>> {
        let n = self.degrees.len();
        let mut part: Vec<u32> = (0..n as u32).collect();
        let mut sums = self.degrees.clone();
        let mut size = vec![1u32; n];
        let mut whole = vec![0.0; n];
        for (node, &c) in community.iter().enumerate() {
            whole[c as usize] += self.degrees[node];
        }
        // The weight from each part to the rest of its community.
        let mut outward: Vec<f64> = (0..n)
            .map(|node| {
                self.graph
                    .of(node)
                    .iter()
                    .filter(|e| e.0 as usize != node && community[e.0 as usize] == community[node])
                    .map(|e| f64::from(e.1))
                    .sum()
            })
            .collect();
        let mut near = Near::new(n);
        for (at, node) in shuffled(n, random).into_iter().enumerate() {
            if at.is_multiple_of(LOOK) {
                watch.check()?;
            }
            let node = node as usize;
            let c = community[node];
            let (degree, all) = (self.degrees[node], whole[c as usize]);
            // Only a node that is still alone, and well connected to its community, joins.
            if size[part[node] as usize] != 1
                || outward[part[node] as usize] < scale * degree * (all - degree)
            {
                continue;
            }
            near.fill(self.graph.of(node), node, |other| {
                (community[other] == c).then_some(part[other])
            });
            let own = part[node];
            let mut choices: Vec<(u32, f64)> = Vec::new();
            let mut best = 0.0f64;
            for &p in &near.touched {
                let sum = sums[p as usize];
                if p == own || outward[p as usize] < scale * sum * (all - sum) {
                    continue;
                }
                let gain = near.weight[p as usize] - scale * degree * sum;
                if gain >= 0.0 {
                    choices.push((p, gain));
                    best = best.max(gain);
                }
            }
            if choices.is_empty() {
                continue;
            }
            // exp(gain / θ), in units of the best gain so that weights' scale does not matter.
            let unit = THETA * best.max(1e-12);
            let chances: Vec<f64> = choices
                .iter()
                .map(|c| ((c.1 - best) / unit).exp())
                .collect();
            let mut left = uniform(random) * chances.iter().sum::<f64>();
            let mut chosen = choices[choices.len() - 1].0;
            for (choice, chance) in choices.iter().zip(&chances) {
                left -= chance;
                if left < 0.0 {
                    chosen = choice.0;
                    break;
                }
            }
            let between = near.weight[chosen as usize];
            outward[chosen as usize] += outward[own as usize] - 2.0 * between;
            sums[chosen as usize] += degree;
            size[chosen as usize] += 1;
            sums[own as usize] = 0.0;
            size[own as usize] = 0;
            part[node] = chosen;
        }
        Ok(part)
    }

    /// The graph of the parts.
    fn aggregated(&self, part: &[u32], parts: usize, watch: &Watch) -> Result<Self> {
        let mut directed = Vec::with_capacity(self.graph.edges.len());
        let mut degrees = vec![0.0; parts];
        for node in 0..part.len() {
            let own = part[node];
            degrees[own as usize] += self.degrees[node];
            for &(other, w) in self.graph.of(node) {
                directed.push((own, part[other as usize], w));
            }
        }
        Ok(Self {
            graph: Graph::from_edges(parts, directed, watch)?,
            degrees,
        })
    }
}

fn shuffled(n: usize, random: &mut Xoshiro256PlusPlus) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        order.swap(i, below(random, i + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::super::graph::neighbours;
    use super::super::super::points::Points;
    use super::super::super::testing::blobs;
    use super::*;

    fn graph(edges: &[(u32, u32)], n: usize) -> Graph {
        let directed = edges
            .iter()
            .flat_map(|&(a, b)| [(a, b, 1.0), (b, a, 1.0)])
            .collect();
        Graph::from_edges(n, directed, &Watch::default()).unwrap()
    }

    /// Zachary's karate club, 1977: friendships among 34 people.
    const KARATE: [(u32, u32); 78] = [
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (0, 5),
        (0, 6),
        (0, 7),
        (0, 8),
        (0, 10),
        (0, 11),
        (0, 12),
        (0, 13),
        (0, 17),
        (0, 19),
        (0, 21),
        (0, 31),
        (1, 2),
        (1, 3),
        (1, 7),
        (1, 13),
        (1, 17),
        (1, 19),
        (1, 21),
        (1, 30),
        (2, 3),
        (2, 7),
        (2, 8),
        (2, 9),
        (2, 13),
        (2, 27),
        (2, 28),
        (2, 32),
        (3, 7),
        (3, 12),
        (3, 13),
        (4, 6),
        (4, 10),
        (5, 6),
        (5, 10),
        (5, 16),
        (6, 16),
        (8, 30),
        (8, 32),
        (8, 33),
        (9, 33),
        (13, 33),
        (14, 32),
        (14, 33),
        (15, 32),
        (15, 33),
        (18, 32),
        (18, 33),
        (19, 33),
        (20, 32),
        (20, 33),
        (22, 32),
        (22, 33),
        (23, 25),
        (23, 27),
        (23, 29),
        (23, 32),
        (23, 33),
        (24, 25),
        (24, 27),
        (24, 31),
        (25, 31),
        (26, 29),
        (26, 33),
        (27, 33),
        (28, 31),
        (28, 33),
        (29, 32),
        (29, 33),
        (30, 32),
        (30, 33),
        (31, 32),
        (31, 33),
        (32, 33),
    ];

    fn run(graph: &Graph, resolution: f64, seed: u64) -> Clustering {
        leiden(graph, resolution, seed, &Watch::default()).unwrap()
    }

    fn modularity(graph: &Graph, members: &[u32]) -> f64 {
        let degree = |i: usize| graph.of(i).iter().map(|e| f64::from(e.1)).sum::<f64>();
        let total: f64 = (0..graph.len()).map(degree).sum();
        let mut q = 0.0;
        for i in 0..graph.len() {
            for j in 0..graph.len() {
                if members[i] == members[j] {
                    let w = graph
                        .of(i)
                        .iter()
                        .find(|e| e.0 as usize == j)
                        .map_or(0.0, |e| e.1);
                    q += f64::from(w) - degree(i) * degree(j) / total;
                }
            }
        }
        q / total
    }

    #[test]
    fn reaches_the_known_optimum_of_the_karate_club() {
        let g = graph(&KARATE, 34);
        // The highest modularity of this graph is 0.4198 (Brandes et al., 2008).
        let best = (0..10)
            .map(|seed| modularity(&g, &run(&g, 1.0, seed).members))
            .fold(0.0, f64::max);
        assert!((best - 0.4198).abs() < 1e-4, "{best}");
        for seed in 0..10 {
            assert!(modularity(&g, &run(&g, 1.0, seed).members) > 0.41);
        }
    }

    #[test]
    fn communities_are_connected() {
        let (vectors, _) = blobs(500, 12, 9, 0.6, 4);
        let points = Points::new(vectors.view()).unwrap();
        let g = Graph::new(&neighbours(&points, 8, 1).unwrap(), points.watch()).unwrap();
        let found = run(&g, 1.5, 2);
        for group in found.groups() {
            let mut reached = vec![group[0]];
            let mut at = 0;
            while at < reached.len() {
                for &(other, _) in g.of(reached[at] as usize) {
                    if group.contains(&other) && !reached.contains(&other) {
                        reached.push(other);
                    }
                }
                at += 1;
            }
            assert_eq!(reached.len(), group.len());
        }
    }

    #[test]
    fn groups_that_are_apart_are_communities_and_stable() {
        let (vectors, truth) = blobs(600, 16, 6, 0.3, 8);
        let points = Points::new(vectors.view()).unwrap();
        let g = Graph::new(&neighbours(&points, 15, 1).unwrap(), points.watch()).unwrap();
        let (found, _, agreement) = stable(&g, 10, 3, &Watch::default()).unwrap();
        let rows: Vec<u32> = (0..600).map(|r| found.members[points.of_row(r)]).collect();
        assert!(
            adjusted_rand(&rows, &truth) > 0.99,
            "{} communities",
            found.k
        );
        assert!(agreement > 0.99, "{agreement}");
        assert_eq!(run(&g, 1.0, 5), run(&g, 1.0, 5));
    }

    #[test]
    fn nodes_without_edges_stay_alone() {
        assert_eq!(run(&graph(&[], 3), 1.0, 1).k, 3);
        assert_eq!(run(&graph(&[(0, 1)], 3), 1.0, 1).members, [0, 0, 1]);
        assert_eq!(run(&graph(&[], 0), 1.0, 1).k, 0);
    }
}
