//! The nearest centre of each vector, and the sum of each cluster's vectors.

use super::super::gpu::{Address, Args, GpuDtype, GpuResult, Launch, floats};
use super::super::segments::{SEGMENTS_END, in_order, starts};
use super::{Inner, Room, SCAN, SCAN_COLUMNS, decoded, keys};
use rayon::prelude::*;

/// Rows of a block and its threads of the nearest column; `near.cu`.
const NEAREST: (usize, u32) = (8, 256);
/// Dimensions of a block and its threads of the sums; `near.cu`.
const SUMS: (usize, u32) = (128, 256);
/// Best columns that one core decodes at a time.
const DECODED: usize = 1 << 14;

impl Inner {
    pub(super) fn nearest(
        &mut self,
        centres: &[f32],
        offsets: &[f32],
    ) -> GpuResult<(Vec<u32>, Vec<f32>)> {
        let clusters = offsets.len();
        let asked = self.put(Room::Asked, GpuDtype::F16, centres)?;
        // They are read several at a time.
        let mut added = offsets.to_vec();
        added.resize(clusters.next_multiple_of(SCAN_COLUMNS), f32::NEG_INFINITY);
        let added = self.put(Room::Offsets, GpuDtype::F32, &added)?;
        let best = self.room(Room::Best, 8 * self.count.max(1))?;
        if self.is_scanned() && clusters > 0 {
            self.scan_nearest((asked, clusters), added, best)?;
        } else {
            self.score_nearest((asked, clusters), added, best)?;
        }
        let mut columns = vec![0; self.count];
        let mut scores = vec![0.0; self.count];
        let bytes = 8 * self.count;
        self.staging
            .each(&mut *self.gpu, best, bytes, |range, bytes| {
                let range = range.start / 8..range.end / 8;
                let columns = columns[range.clone()].par_chunks_mut(DECODED);
                let scores = scores[range].par_chunks_mut(DECODED);
                let found = bytes.par_chunks(8 * DECODED);
                (columns, scores, found).into_par_iter().for_each(
                    |(columns, scores, found): (&mut [u32], &mut [f32], &[u8])| {
                        for ((column, score), key) in
                            columns.iter_mut().zip(scores).zip(keys(found))
                        {
                            (*score, *column) = decoded(key).unwrap_or((f32::NEG_INFINITY, 0));
                        }
                    },
                );
            })?;
        Ok((columns, scores))
    }

    /// The best centre of each vector, by products that are not stored.
    fn scan_nearest(
        &mut self,
        (centres, clusters): (Address, usize),
        added: Address,
        best: Address,
    ) -> GpuResult<()> {
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            let best = best + (8 * first) as Address;
            self.gpu.launch(&Launch {
                kernel: self.scanning("nearest_centre"),
                grid: (count.div_ceil(SCAN.0), 1),
                threads: SCAN.1,
                memory: self.scanning_memory(),
                args: Args::addresses(&[address, centres, added, best])
                    .numbers(&[count, clusters, self.dim, 0]),
            })?;
        }
        Ok(())
    }

    /// The same by matrix products.
    fn score_nearest(
        &mut self,
        (centres, clusters): (Address, usize),
        added: Address,
        best: Address,
    ) -> GpuResult<()> {
        let sizes = self.sizes;
        self.gpu.clear(best, 8 * self.count)?;
        let widest = (sizes.scores / 4 * 4).max(4);
        let scores = self.room(Room::Scores, 4 * widest)?;
        let block = clusters.next_multiple_of(4).min(widest);
        let at_a_time = (widest / block.max(1)).max(1);
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            for row in (0..count).step_by(at_a_time) {
                let rows = at_a_time.min(count - row);
                for column in (0..clusters).step_by(block.max(1)) {
                    let columns = block.min(clusters - column);
                    let (from, to) = (self.row(address, row), self.row(centres, column));
                    let stride = self.score((from, rows), (to, columns), scores)?;
                    self.gpu.launch(&Launch {
                        kernel: "nearest_column".to_string(),
                        grid: (rows.div_ceil(NEAREST.0), 1),
                        threads: NEAREST.1,
                        memory: 0,
                        args: Args::addresses(&[
                            scores,
                            added + (4 * column) as Address,
                            best + (8 * (first + row)) as Address,
                        ])
                        .numbers(&[rows, columns, stride, column]),
                    })?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn sums(
        &mut self,
        members: &[u32],
        weights: &[f32],
        clusters: usize,
    ) -> GpuResult<Vec<f32>> {
        let dim = self.dim;
        let bytes = 4 * clusters * dim;
        let out = self.room(Room::Sums, bytes.max(16))?;
        self.gpu.clear(out, bytes)?;
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            let members = &members[first..first + count];
            // A table of starts is no longer than the rows.
            let segment = self.sizes.segment.max(clusters.next_power_of_two());
            let segment = segment.min(SEGMENTS_END);
            let starts = starts(members, clusters, segment);
            let order = self.room(Room::Order, (4 * count).max(16))?;
            let mut next = starts.clone();
            self.staging
                .fill(&mut *self.gpu, 4 * count, order, |range, out| {
                    let first = range.start / (4 * segment);
                    let next = &mut next[first * (clusters + 1)..];
                    let members = &members[range.start / 4..range.end / 4];
                    in_order(members, clusters, segment, next, out);
                })?;
            let starts = self.put_words(Room::Starts, starts)?;
            let weights = &weights[first..first + count];
            let weights = self.put(Room::Weights, GpuDtype::F32, weights)?;
            self.gpu.launch(&Launch {
                kernel: "cluster_sums".to_string(),
                grid: (clusters, dim.div_ceil(SUMS.0)),
                threads: SUMS.1,
                memory: 0,
                args: Args::addresses(&[address, order, weights, starts, out]).numbers(&[
                    dim,
                    clusters,
                    count.div_ceil(segment),
                    0,
                ]),
            })?;
        }
        self.get(out, bytes).map(|b| floats(&b))
    }
}
