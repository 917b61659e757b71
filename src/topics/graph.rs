//! The graph of nearest neighbours.

use super::cluster::kmeans::{KmeansOptions, kmeans};
use super::points::Points;
use super::watch::Watch;
use crate::error::Result;
use crate::job::Stage;
use crate::vectors::{Accelerator, Products, Room, Screen, scan};
use rayon::prelude::*;

/// The nearest neighbours of every point by cosine, highest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// Neighbours of each point.
    pub k: usize,
    /// The neighbours, (points, k).
    pub ids: Vec<u32>,
    /// Their cosines, (points, k).
    pub cosines: Vec<f32>,
}

/// Up to this many points, all pairs are compared; more are compared within the cells of a
/// coarse k-means. 2 × 30,000² × 384 operations are 0.7 T, some seconds on two cores.
const EXACT: usize = 30_000;
/// Cells whose points a point is compared with.
const PROBES: usize = 24;
/// Points of a cell, about.
const CELL: usize = 400;
/// Points whose candidates are gathered at a time.
const BATCH: usize = 16_384;
/// Columns of a block of products: 1 MB for the rows, which stays in a core's cache.
const COLUMNS: usize = 4096;

impl Neighbours {
    /// The ids and cosines of a point's neighbours.
    pub fn of(&self, point: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let range = point * self.k..(point + 1) * self.k;
        self.ids[range.clone()]
            .iter()
            .copied()
            .zip(self.cosines[range].iter().copied())
    }

    /// How many points.
    pub fn len(&self) -> usize {
        self.ids.len().checked_div(self.k).unwrap_or(0)
    }

    /// Whether there are no points or none has a neighbour.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// The `k` nearest neighbours of every point, or all others where there are fewer.
///
/// Exact up to 30,000 points, and on a device that holds them. Else, points are cut into cells by k-means and each is compared
/// with those of the cells nearest to it (an inverted file; Jégou et al., 2011), then with its
/// neighbours' neighbours.
///
/// # Errors
/// The points' job is cancelled.
pub fn neighbours(points: &Points, k: usize, seed: u64) -> Result<Neighbours> {
    points.watch().progress(Stage::Neighbours, 0, points.len());
    let ask = |device: &dyn Accelerator| by_device(points, device, k);
    if let Some(found) = points.by_device(ask) {
        Ok(found)
    } else if points.len() <= EXACT {
        exact(points, k)
    } else {
        by_cells(points, k, points.len().div_ceil(CELL), PROBES, seed)
    }
}

/// A point's best candidates so far, highest cosine first, of equal ones the first point.
struct Best {
    k: usize,
    found: Vec<(f32, u32)>,
    lowest: f32,
}

impl Best {
    fn new(k: usize) -> Self {
        Self {
            k,
            found: Vec::with_capacity(2 * k + 1),
            lowest: f32::NEG_INFINITY,
        }
    }

    fn push(&mut self, cosine: f32, id: u32) {
        if cosine < self.lowest {
            return;
        }
        self.found.push((cosine, id));
        // Twice as many are kept before sorting, so that sorting is seldom.
        if self.found.len() > 2 * self.k {
            self.prune();
        }
    }

    fn prune(&mut self) {
        self.found
            .sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.found.truncate(self.k);
        if self.found.len() == self.k {
            self.lowest = self.found.last().map_or(f32::NEG_INFINITY, |f| f.0);
        }
    }

    /// Offers a row of cosines of candidates with ids.
    fn offer(&mut self, cosines: &[f32], id: impl Fn(usize) -> u32, own: u32) {
        scan(cosines, self.lowest, |begin, part| {
            for (i, &cosine) in part.iter().enumerate() {
                let id = id(begin + i);
                if id != own {
                    self.push(cosine, id);
                }
            }
            self.lowest
        });
    }
}

/// A point's best candidates by estimated cosines, of which few have to be computed.
struct Screened {
    best: Best,
    /// Candidates with their estimates, of which nothing is computed yet.
    pending: Vec<(f32, u32)>,
    /// What the last of the best is at least, for sure.
    sure: f32,
    /// What any estimate so far may be wrong by.
    bound: f32,
}

impl Screened {
    fn new(k: usize) -> Self {
        Self {
            best: Best::new(k),
            pending: Vec::new(),
            sure: f32::NEG_INFINITY,
            bound: 0.0,
        }
    }

    /// Pending candidates from which on they are looked through.
    fn many(&self) -> usize {
        4 * self.best.k + 64
    }

    /// Offers estimates of the cosines with the points from `first` on, each of which may be wrong by
    /// `bound`.
    fn offer(
        &mut self,
        (estimates, bound): (&[f32], f32),
        first: u32,
        own: u32,
        exact: &Exact<'_>,
    ) {
        if !bound.is_finite() {
            // What is no number may be anything.
            let all = (0..estimates.len() as u32).map(|c| (f32::INFINITY, first + c));
            self.pending.extend(all.filter(|c| c.1 != own));
            return self.compute(exact);
        }
        self.bound = self.bound.max(bound);
        // The bound of these alone: those of other blocks are others.
        scan(estimates, self.sure - bound, |begin, part| {
            for (i, &estimate) in part.iter().enumerate() {
                let id = first + (begin + i) as u32;
                if estimate >= self.sure - bound && id != own {
                    self.pending.push((estimate, id));
                }
            }
            if self.pending.len() > self.many() {
                self.prune(exact);
            }
            self.sure - bound
        });
    }

    /// Drops what others are better than for sure.
    fn prune(&mut self, exact: &Exact<'_>) {
        let k = self.best.k;
        if self.pending.len() >= k {
            let by_estimate = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0);
            let (_, kth, _) = self.pending.select_nth_unstable_by(k - 1, by_estimate);
            self.sure = self.sure.max(kth.0 - self.bound);
            let least = self.sure - self.bound;
            self.pending.retain(|candidate| candidate.0 >= least);
        }
        // So many are so near each other that estimates do not tell them apart.
        if self.pending.len() > self.many() / 2 {
            self.compute(exact);
        }
    }

    /// Computes what is pending.
    fn compute(&mut self, exact: &Exact<'_>) {
        let ids: Vec<u32> = self
            .pending
            .drain(..)
            .map(|candidate| candidate.1)
            .collect();
        let mut cosines = Vec::new();
        exact(&ids, &mut cosines);
        for (id, cosine) in ids.into_iter().zip(cosines) {
            self.best.push(cosine, id);
        }
        self.best.prune();
        self.sure = self.sure.max(self.best.lowest);
    }
}

/// Gives the cosines of a point with others.
type Exact<'a> = dyn Fn(&[u32], &mut Vec<f32>) + 'a;

/// Some points that are compared with a block of others.
struct Compared<'a, F> {
    /// The number of the block's first point.
    first: u32,
    /// The number of the first of the points.
    own: u32,
    /// The points.
    rows: &'a [f32],
    /// What each of them found so far.
    found: &'a mut [F],
}

/// Compares every point with all others, a block of them at a time, which `pack` makes ready; whether
/// it could.
fn by_blocks<'a, F: Send, P: Sync, R: Default>(
    points: &'a Points,
    found: &mut [F],
    pack: impl Fn(&'a [f32]) -> Option<P>,
    compare: impl Fn(&P, Compared<'_, F>, &mut R) + Sync,
) -> Result<bool> {
    let (n, dim) = (points.len(), points.vectors.ncols());
    let flat = points.flat();
    for (block, columns) in flat.chunks(COLUMNS * dim).enumerate() {
        let Some(packed) = pack(columns) else {
            return Ok(false);
        };
        found
            .par_chunks_mut(Products::ROWS)
            .zip(flat.par_chunks(Products::ROWS * dim))
            .enumerate()
            .try_for_each_init(R::default, |room, (chunk, (found, rows))| {
                points.watch().check()?;
                let compared = Compared {
                    first: (block * COLUMNS) as u32,
                    own: (chunk * Products::ROWS) as u32,
                    rows,
                    found,
                };
                compare(&packed, compared, room);
                Ok(())
            })?;
        // Each point is compared with so large a share of the others.
        let done = n.min((block + 1) * COLUMNS);
        points.watch().progress(Stage::Neighbours, done, n);
    }
    Ok(true)
}

/// The best of each point by estimates that `screen` makes of a block of points; `None` where it makes
/// none.
fn screened<'a>(
    points: &'a Points,
    k: usize,
    screen: impl Fn(&'a [f32]) -> Option<Screen<'a>>,
) -> Result<Option<Vec<Best>>> {
    let (flat, dim) = (points.flat(), points.vectors.ncols());
    let exact = |row: &[f32], ids: &[u32], out: &mut Vec<f32>| {
        Screen::exact_of(row, flat, ids, out);
    };
    let mut found: Vec<Screened> = (0..points.len()).map(|_| Screened::new(k)).collect();
    let done = by_blocks(
        points,
        &mut found,
        screen,
        |screen, some, room: &mut Room| {
            let estimates = screen.estimate(some.rows, room);
            let rows = some.rows.chunks_exact(dim).zip(some.own..);
            for ((found, estimates), (row, own)) in some.found.iter_mut().zip(estimates).zip(rows) {
                let exact = |ids: &[u32], out: &mut Vec<f32>| exact(row, ids, out);
                found.offer(estimates, some.first, own, &exact);
            }
        },
    )?;
    if !done {
        return Ok(None);
    }
    let rows = flat.par_chunks_exact(dim);
    let best = found.into_par_iter().zip(rows).map(|(mut found, row)| {
        let exact = |ids: &[u32], out: &mut Vec<f32>| exact(row, ids, out);
        found.prune(&exact);
        found.compute(&exact);
        found.best
    });
    Ok(Some(best.collect()))
}

fn exact(points: &Points, k: usize) -> Result<Neighbours> {
    let (n, dim) = (points.len(), points.vectors.ncols());
    let k = k.min(n.saturating_sub(1));
    if k == 0 {
        return Ok(Neighbours {
            k: 0,
            ids: Vec::new(),
            cosines: Vec::new(),
        });
    }
    if let Some(best) = screened(points, k, |columns| Screen::new(columns, dim, &[]))? {
        return Ok(collected(best, k));
    }
    let mut best: Vec<Best> = (0..n).map(|_| Best::new(k)).collect();
    let pack = |columns| Some(Products::new(columns, dim));
    by_blocks(
        points,
        &mut best,
        pack,
        |products, some, out: &mut Vec<f32>| {
            let products = products.multiply(some.rows, out);
            for ((best, row), own) in some.found.iter_mut().zip(products).zip(some.own..) {
                best.offer(row, |c| some.first + c as u32, own);
            }
        },
    )?;
    Ok(collected(best, k))
}

/// Points whose neighbours a device is asked for at a time.
const ASKED: usize = 1 << 16;
/// Neighbours that it is asked for beyond those wanted: its cosines are of vectors rounded to
/// f16, and of these the nearest are chosen by exact ones.
const MORE: usize = 8;

fn by_device(points: &Points, device: &dyn Accelerator, k: usize) -> Result<Neighbours> {
    let (n, dim) = (points.len(), points.vectors.ncols());
    let k = k.min(n.saturating_sub(1));
    let mut best = Vec::with_capacity(n);
    for (block, queries) in points.flat().chunks(ASKED * dim.max(1)).enumerate() {
        points.watch().check()?;
        points.watch().progress(Stage::Neighbours, block * ASKED, n);
        let found = device.top_k(queries, k + 1 + MORE)?;
        let chosen: Vec<Best> = found
            .into_par_iter()
            .enumerate()
            .map(|(i, found)| {
                let own = block * ASKED + i;
                let mut best = Best::new(k);
                for (_, other) in found {
                    if other as usize != own {
                        let other_vector = points.vector(other as usize);
                        best.push(crate::vectors::dot(points.vector(own), other_vector), other);
                    }
                }
                best
            })
            .collect();
        best.extend(chosen);
    }
    Ok(collected(best, k))
}

fn collected(mut best: Vec<Best>, k: usize) -> Neighbours {
    best.par_iter_mut().for_each(Best::prune);
    let mut ids = Vec::with_capacity(best.len() * k);
    let mut cosines = Vec::with_capacity(best.len() * k);
    for mut best in best {
        // A point whose cells hold too few others is filled up with its last neighbour, which
        // adds no edge to the graph.
        let last = best.found.last().copied().unwrap_or((0.0, 0));
        best.found.resize(k, last);
        for (cosine, id) in best.found {
            ids.push(id);
            cosines.push(cosine);
        }
    }
    Neighbours { k, ids, cosines }
}

fn by_cells(
    points: &Points,
    k: usize,
    cells: usize,
    probes: usize,
    seed: u64,
) -> Result<Neighbours> {
    let watch = points.watch();
    let dim = points.vectors.ncols();
    let sample = points.sample(64 * cells).quiet();
    let options = KmeansOptions {
        iterations: 6,
        starts: 1,
        ..KmeansOptions::new(cells, seed)
    };
    let centres = kmeans(&sample, &options)?.centroids;
    let cells = centres.len() / dim;
    let probes = probes.min(cells);
    let probed = nearest_cells(points, &centres, probes)?;
    let mut lists: Vec<Vec<u32>> = vec![Vec::new(); cells];
    for (point, cells) in probed.chunks_exact(probes).enumerate() {
        lists[cells[0] as usize].push(point as u32);
    }
    let packed: Vec<Products> = lists
        .par_iter()
        .map(|list| {
            watch.check()?;
            let rows = points.gathered(list.iter().map(|&p| p as usize));
            Ok(Products::new(&rows, dim))
        })
        .collect::<Result<_>>()?;
    // Points of one cell probe much the same cells: taken together, products are large.
    let order: Vec<u32> = lists.iter().flatten().copied().collect();
    let mut best: Vec<Best> = (0..points.len()).map(|_| Best::new(k)).collect();
    for (at, batch) in order.chunks(BATCH).enumerate() {
        watch.progress(Stage::Neighbours, at * BATCH, order.len());
        let mut asking: Vec<Vec<u32>> = vec![Vec::new(); cells];
        for &point in batch {
            for &cell in &probed[point as usize * probes..][..probes] {
                asking[cell as usize].push(point);
            }
        }
        let found: Vec<Vec<(u32, Best)>> = asking
            .par_iter()
            .enumerate()
            .filter(|(_, asking)| !asking.is_empty())
            .map_init(Vec::new, |out, (cell, asking)| {
                watch.check()?;
                let (products, ids) = (&packed[cell], &lists[cell]);
                let mut found = Vec::with_capacity(asking.len());
                for some in asking.chunks(Products::ROWS) {
                    let rows = points.gathered(some.iter().map(|&p| p as usize));
                    for (&own, row) in some.iter().zip(products.multiply(&rows, out)) {
                        let mut best = Best::new(k);
                        best.offer(row, |c| ids[c], own);
                        best.prune();
                        found.push((own, best));
                    }
                }
                Ok(found)
            })
            .collect::<Result<_>>()?;
        for (point, some) in found.into_iter().flatten() {
            let best = &mut best[point as usize];
            for (cosine, id) in some.found {
                best.push(cosine, id);
            }
        }
    }
    by_neighbours(points, &collected(best, k))
}

/// The cells whose centres are nearest to each point, nearest first, (points, probes).
fn nearest_cells(points: &Points, centres: &[f32], probes: usize) -> Result<Vec<u32>> {
    let dim = points.vectors.ncols();
    let products = Products::new(centres, dim);
    let found: Vec<Vec<u32>> = points
        .flat()
        .par_chunks(Products::ROWS * dim)
        .map_init(Vec::new, |out, rows| {
            points.watch().check()?;
            let mut cells = Vec::with_capacity(Products::ROWS * probes);
            for row in products.multiply(rows, out) {
                let mut best = Best::new(probes);
                best.offer(row, |c| c as u32, u32::MAX);
                best.prune();
                cells.extend(best.found.iter().map(|f| f.1));
            }
            Ok(cells)
        })
        .collect::<Result<_>>()?;
    Ok(found.concat())
}

/// Compares each point with its neighbours' neighbours as well: whom two of them have in common
/// is seldom far. One round of NN-descent (Dong, Moses and Li, 2011).
fn by_neighbours(points: &Points, near: &Neighbours) -> Result<Neighbours> {
    let best: Vec<Best> = (0..near.len())
        .into_par_iter()
        .map_init(Vec::new, |seen: &mut Vec<u32>, point| {
            points.watch().check()?;
            let mut best = Best::new(near.k);
            seen.clear();
            for (other, cosine) in near.of(point) {
                if !seen.contains(&other) {
                    seen.push(other);
                    best.push(cosine, other);
                }
            }
            best.prune();
            let own = seen.clone();
            for &other in &own {
                seen.extend(near.of(other as usize).map(|n| n.0));
            }
            seen[own.len()..].sort_unstable();
            seen.dedup();
            let vector = points.vector(point);
            for &other in &seen[own.len()..] {
                if other as usize != point && !own.contains(&other) {
                    let cosine = crate::vectors::dot(vector, points.vector(other as usize));
                    best.push(cosine, other);
                }
            }
            Ok(best)
        })
        .collect::<Result<_>>()?;
    Ok(collected(best, near.k))
}

/// A weighted graph without loops, each edge at both of its ends.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Where each node's edges begin in `edges`, and the end.
    pub starts: Vec<usize>,
    /// (other node, weight).
    pub edges: Vec<(u32, f32)>,
}

impl Graph {
    /// Joins points that are among each other's neighbours, or one among the other's; an edge
    /// weighs the cosine, twice that where both are. Cosines below zero join nothing.
    pub(crate) fn new(neighbours: &Neighbours, watch: &Watch) -> Result<Self> {
        let n = neighbours.len();
        let mut directed: Vec<(u32, u32, f32)> = Vec::with_capacity(2 * neighbours.ids.len());
        let mut seen: Vec<u32> = Vec::with_capacity(neighbours.k);
        for point in 0..n {
            seen.clear();
            for (other, cosine) in neighbours.of(point) {
                if cosine > 0.0 && other as usize != point && !seen.contains(&other) {
                    seen.push(other);
                    directed.push((point as u32, other, cosine));
                    directed.push((other, point as u32, cosine));
                }
            }
        }
        Self::from_edges(n, directed, watch)
    }

    /// From edges at each of their ends; those between the same two nodes are added up.
    pub(crate) fn from_edges(
        n: usize,
        directed: Vec<(u32, u32, f32)>,
        watch: &Watch,
    ) -> Result<Self> {
        /// Edges that are placed, and nodes whose edges are sorted, between two looks at the job.
        const PLACED: usize = 1 << 18;
        const SORTED: usize = 4096;
        // Each edge in its node's place first: then only those of one node are sorted.
        let mut starts = vec![0; n + 1];
        for edge in &directed {
            starts[edge.0 as usize + 1] += 1;
        }
        for node in 0..n {
            starts[node + 1] += starts[node];
        }
        let mut free = starts.clone();
        let mut edges = vec![(0u32, 0.0f32); directed.len()];
        for some in directed.chunks(PLACED) {
            watch.check()?;
            for &(a, b, w) in some {
                edges[free[a as usize]] = (b, w);
                free[a as usize] += 1;
            }
        }
        drop(directed);
        let mut blocks = Vec::with_capacity(n.div_ceil(SORTED));
        let mut rest = edges.as_mut_slice();
        for first in (0..n).step_by(SORTED) {
            let nodes = first..(first + SORTED).min(n);
            let (block, others) = rest.split_at_mut(starts[nodes.end] - starts[first]);
            blocks.push((nodes, block));
            rest = others;
        }
        blocks.into_par_iter().try_for_each(|(nodes, block)| {
            watch.check()?;
            let begin = starts[nodes.start];
            for node in nodes {
                let own = starts[node] - begin..starts[node + 1] - begin;
                block[own].sort_unstable_by_key(|&(b, w)| (b, w.to_bits()));
            }
            Ok(())
        })?;
        let mut kept = 0;
        for node in 0..n {
            let own = starts[node]..starts[node + 1];
            starts[node] = kept;
            for at in own {
                let (b, w) = edges[at];
                match edges[starts[node]..kept].last_mut() {
                    Some((last, sum)) if *last == b => *sum += w,
                    _ => {
                        edges[kept] = (b, w);
                        kept += 1;
                    }
                }
            }
        }
        starts[n] = kept;
        edges.truncate(kept);
        Ok(Self { starts, edges })
    }

    /// How many nodes.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A node's edges.
    pub fn of(&self, node: usize) -> &[(u32, f32)] {
        &self.edges[self.starts[node]..self.starts[node + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{blobs, unit_rows};
    use super::*;
    use proptest::prelude::*;

    fn brute_force(points: &Points, point: usize, k: usize) -> Vec<f32> {
        let cosine = |j| crate::vectors::dot(points.vector(point), points.vector(j));
        let mut all: Vec<f32> = (0..points.len())
            .filter(|&j| j != point)
            .map(cosine)
            .collect();
        all.sort_by(|a, b| b.total_cmp(a));
        all.truncate(k);
        all
    }

    proptest! {
        #[test]
        fn exact_neighbours_equal_brute_force(rows in unit_rows(1..90, 7), k in 1usize..9) {
            let v = ndarray::Array2::from_shape_vec((rows.len() / 7, 7), rows).unwrap();
            let points = Points::new(v.view()).unwrap();
            let found = neighbours(&points, k, 1).unwrap();
            for point in 0..points.len() {
                let got: Vec<f32> = if found.k > 0 { found.of(point).map(|f| f.1).collect() } else { Vec::new() };
                let expected = brute_force(&points, point, k);
                prop_assert_eq!(got.len(), expected.len());
                for (a, b) in got.iter().zip(&expected) {
                    prop_assert!((a - b).abs() < 1e-5, "{} {}", a, b);
                }
            }
        }
    }

    /// Whatever bf16 is estimated by, the neighbours are to the bit those of comparing all in f32:
    /// apart, and so near each other that no estimate tells them apart.
    #[test]
    fn estimates_change_no_neighbour() {
        use crate::kernels::Level;
        let fused = |l: &Level| *l != Level::Portable && l.available();
        for (spread, dim) in [(0.7, 24), (0.001, 24), (0.3, 7)] {
            let (vectors, _) = blobs(600, dim, 4, spread, 3);
            let points = Points::new(vectors.view()).unwrap();
            let all: Vec<u32> = (0..points.len() as u32).collect();
            for k in [1, 15, 40] {
                let mut cosines = Vec::new();
                let best: Vec<Best> = (0..points.len())
                    .map(|p| {
                        Screen::exact_of(points.vector(p), points.flat(), &all, &mut cosines);
                        let mut best = Best::new(k);
                        best.offer(&cosines, |c| c as u32, p as u32);
                        best
                    })
                    .collect();
                let expected = collected(best, k);
                for level in Level::ALL.into_iter().filter(fused) {
                    let screen = |columns| Screen::for_level(columns, dim, &[], level);
                    let found = screened(&points, k, screen).unwrap().unwrap();
                    assert_eq!(
                        collected(found, k),
                        expected,
                        "{} {k} {spread}",
                        level.name()
                    );
                }
            }
        }
    }

    /// Blocks have bounds of their own: what an earlier one is sure of does not drop a candidate that a
    /// later one estimates less well.
    #[test]
    fn estimates_of_a_worse_block_are_not_dropped_too_soon() {
        let cosines = [0.9995f32, 1.0, 0.5];
        let exact = |ids: &[u32], out: &mut Vec<f32>| {
            *out = ids.iter().map(|&id| cosines[id as usize]).collect();
        };
        let mut found = Screened::new(1);
        found.offer((&[0.9995], 1e-6), 0, 9, &exact);
        found.prune(&exact);
        found.offer((&[0.999, 0.5], 0.002), 1, 9, &exact);
        found.prune(&exact);
        found.compute(&exact);
        assert_eq!(found.best.found, [(1.0, 1)]);
    }

    #[test]
    #[cfg(unix)]
    fn a_device_finds_the_neighbours_that_the_cpu_does() {
        let (vectors, _) = blobs(500, 24, 9, 0.7, 3);
        let points = Points::new(vectors.view()).unwrap();
        let exact = exact(&points, 15).unwrap();
        let device = crate::encoder::twin_of(points.flat(), 24);
        let points = points.on_this(device);
        let found = neighbours(&points, 15, 1).unwrap();
        assert_eq!(points.device_failure(), None);
        for p in 0..points.len() {
            let (a, b): (Vec<f32>, Vec<f32>) = found
                .of(p)
                .zip(exact.of(p))
                .map(|(a, b)| (a.1, b.1))
                .unzip();
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_device_that_fails_is_given_up_for_the_cpu() {
        #[derive(Debug)]
        struct Broken;
        impl Accelerator for Broken {
            fn top_k(&self, _: &[f32], _: usize) -> Result<Vec<Vec<(f32, u32)>>> {
                Err(crate::Error::no_result("it broke"))
            }
            fn nearest(&self, _: &[f32], _: &[f32]) -> Result<(Vec<u32>, Vec<f32>)> {
                panic!("it was asked again")
            }
            fn sums(&self, _: &[u32], _: &[f32], _: usize) -> Result<Vec<f32>> {
                panic!("it was asked again")
            }
        }
        let (vectors, _) = blobs(200, 12, 4, 0.4, 1);
        let points = Points::new(vectors.view()).unwrap();
        let expected = neighbours(&points, 5, 1).unwrap();
        let points = points.on_this(std::sync::Arc::new(Broken));
        assert_eq!(neighbours(&points, 5, 1).unwrap(), expected);
        assert!(points.device_failure().unwrap().contains("it broke"));
        // k-means does not ask it any more.
        assert_eq!(
            kmeans(&points, &KmeansOptions::new(4, 1))
                .unwrap()
                .clustering
                .k,
            4
        );
    }

    #[test]
    fn cells_find_most_neighbours() {
        let (vectors, _) = blobs(6000, 48, 30, 0.9, 3);
        let points = Points::new(vectors.view()).unwrap();
        let (exact, cells) = (
            exact(&points, 10).unwrap(),
            by_cells(&points, 10, 60, 16, 1).unwrap(),
        );
        let hits: usize = (0..points.len())
            .map(|p| {
                let found: Vec<u32> = cells.of(p).map(|f| f.0).collect();
                exact.of(p).filter(|f| found.contains(&f.0)).count()
            })
            .sum();
        let recall = hits as f64 / (10 * points.len()) as f64;
        assert!(recall > 0.9, "{recall}");
    }

    #[test]
    fn edges_stand_at_both_ends() {
        let (vectors, _) = blobs(200, 12, 4, 0.4, 1);
        let points = Points::new(vectors.view()).unwrap();
        let graph = Graph::new(&neighbours(&points, 6, 1).unwrap(), points.watch()).unwrap();
        for node in 0..graph.len() {
            assert!(graph.of(node).len() >= 6);
            for &(other, weight) in graph.of(node) {
                assert!(graph.of(other as usize).contains(&(node as u32, weight)));
            }
        }
    }
}
