//! Rows by their clusters, by a counting sort of each segment of them, all cores at a time.

use rayon::prelude::*;

/// No segment may be longer, so that a transfer's steps end where segments do.
pub(super) const SEGMENTS_END: usize = 1 << 22;

/// Where each cluster begins in the order of each segment's rows, (segments, clusters + 1); the
/// last number of a segment is where it ends.
pub(super) fn starts(members: &[u32], clusters: usize, segment: usize) -> Vec<u32> {
    let mut starts = vec![0u32; members.len().div_ceil(segment) * (clusters + 1)];
    let segments = starts.par_chunks_mut(clusters + 1);
    segments
        .zip(members.par_chunks(segment))
        .enumerate()
        .for_each(|(number, (starts, members))| {
            for &m in members {
                starts[m as usize + 1] += 1;
            }
            starts[0] = (number * segment) as u32;
            for c in 0..clusters {
                starts[c + 1] += starts[c];
            }
        });
    starts
}

/// Writes the numbers of the rows, 32 bits each, from that of the first segment on: those of a
/// segment's clusters behind each other, in their order. `starts` are those of these segments, and
/// each becomes the end of its cluster.
pub(super) fn in_order(
    members: &[u32],
    clusters: usize,
    segment: usize,
    starts: &mut [u32],
    out: &mut [u8],
) {
    let segments = starts.par_chunks_mut(clusters + 1);
    segments
        .zip(members.par_chunks(segment))
        .zip(out.par_chunks_mut(4 * segment))
        .for_each(|((next, members), out)| {
            let first = next[0];
            for (row, &m) in (first..).zip(members) {
                let next = &mut next[m as usize];
                let place = 4 * (*next - first) as usize;
                out[place..place + 4].copy_from_slice(&row.to_le_bytes());
                *next += 1;
            }
        });
}
