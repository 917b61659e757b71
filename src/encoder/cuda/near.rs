//! Vectors on a device: exact nearest neighbours, nearest centres, and sums for k-means.
//!
//! Vectors are f16 and sums f32. What fits stays in the device's memory; the rest is kept on
//! the host and goes by in chunks. Scores are computed a block at a time, small enough for the
//! device's cache, and are read by the selection before the next block overwrites them.

use super::gpu::{
    Address, Args, Buffer, Epilogue, Gpu, GpuDtype, GpuError, GpuResult, Launch, Multiply, floats,
    get, put, put_into, words,
};
use crate::error::Result;
use crate::vectors::Accelerator;
use std::sync::Mutex;

/// Threads of a block of the selection; `near.cu`.
const SELECT_THREADS: u32 = 256;
/// The most best scores of a row that the selection keeps; `near.cu`.
const MOST_BEST: usize = 1024;
/// Rows of a block and its threads of the nearest column; `near.cu`.
const NEAREST: (usize, u32) = (8, 256);
/// Dimensions and threads of a block of the sums; `near.cu`.
const SUMS_THREADS: usize = 128;
/// Scores of a block: 32 MB, which stay in the cache of a large device.
const SCORES: usize = 8 << 20;
/// Queries that are asked at a time.
const QUERIES: usize = 1024;
/// Vectors of a chunk.
const CHUNK: usize = 1 << 18;
/// Memory that is left free for scores, queries and the matrix products, in bytes.
const SPARE: usize = 256 << 20;

/// Where a chunk of vectors is.
enum Place {
    Device(Buffer),
    Host(Vec<u8>),
}

struct Chunk {
    place: Place,
    first: usize,
    count: usize,
}

struct Inner {
    gpu: Box<dyn Gpu>,
    chunks: Vec<Chunk>,
    /// Where chunks of the host go by.
    passing: Option<Buffer>,
    dim: usize,
    count: usize,
    sizes: Sizes,
}

/// A matrix of vectors on a device.
pub(crate) struct DeviceVectors {
    inner: Mutex<Inner>,
    name: String,
}

impl std::fmt::Debug for DeviceVectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceVectors")
            .field("device", &self.name)
            .finish_non_exhaustive()
    }
}

/// The sizes that vectors are cut to; tests take smaller ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub chunk: usize,
    pub scores: usize,
    pub queries: usize,
    pub spare: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            chunk: CHUNK,
            scores: SCORES,
            queries: QUERIES,
            spare: SPARE,
        }
    }
}

impl DeviceVectors {
    /// Copies vectors, `dim` numbers each, to a device.
    ///
    /// # Errors
    /// The device fails, or has not even the memory for a part of them.
    pub(crate) fn new(
        mut gpu: Box<dyn Gpu>,
        vectors: &[f32],
        dim: usize,
        sizes: Sizes,
    ) -> GpuResult<Self> {
        let mut chunks = Vec::new();
        let mut first = 0;
        let mut room = true;
        for some in vectors.chunks(sizes.chunk * dim.max(1)) {
            let bytes = GpuDtype::F16.encode(some);
            room = room && gpu.free_memory()? >= bytes.len() + sizes.spare;
            let place = if room {
                match put(&mut *gpu, &bytes) {
                    Ok(buffer) => Place::Device(buffer),
                    Err(GpuError::OutOfMemory(_)) => {
                        room = false;
                        Place::Host(bytes)
                    }
                    Err(other) => return Err(other),
                }
            } else {
                Place::Host(bytes)
            };
            let count = some.len() / dim.max(1);
            chunks.push(Chunk {
                place,
                first,
                count,
            });
            first += count;
        }
        // One that stays on the host needs the room of one that does not.
        let mut passing = None;
        while passing.is_none() && chunks.iter().any(|c| matches!(c.place, Place::Host(_))) {
            match gpu.alloc(sizes.chunk * dim * 2) {
                Ok(buffer) => passing = Some(buffer),
                Err(failure @ GpuError::OutOfMemory(_)) => {
                    let last = chunks.iter_mut().rev().find_map(|c| match &c.place {
                        Place::Device(buffer) => Some((buffer.address(), buffer.bytes(), c)),
                        Place::Host(_) => None,
                    });
                    let Some((address, bytes, chunk)) = last else {
                        return Err(failure);
                    };
                    chunk.place = Place::Host(get(&mut *gpu, address, bytes)?);
                }
                Err(other) => return Err(other),
            }
        }
        let name = gpu.name().to_string();
        Ok(Self {
            inner: Mutex::new(Inner {
                gpu,
                chunks,
                passing,
                dim,
                count: first,
                sizes,
            }),
            name,
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> GpuResult<T>) -> GpuResult<T> {
        match self.inner.lock() {
            Ok(mut inner) => f(&mut inner),
            Err(_) => Err(GpuError::Other(
                "an earlier computation ended unexpectedly".to_string(),
            )),
        }
    }

    fn named<T>(&self, outcome: GpuResult<T>) -> Result<T> {
        outcome.map_err(|failure| super::named(&self.name, failure))
    }
}

impl Accelerator for DeviceVectors {
    fn top_k(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<(f32, u32)>>> {
        self.named(self.with(|inner| inner.top_k(queries, k)))
    }

    fn nearest(&self, centres: &[f32], offsets: &[f32]) -> Result<(Vec<u32>, Vec<f32>)> {
        self.named(self.with(|inner| inner.nearest(centres, offsets)))
    }

    fn sums(&self, members: &[u32], weights: &[f32], clusters: usize) -> Result<Vec<f32>> {
        self.named(self.with(|inner| inner.sums(members, weights, clusters)))
    }
}

/// What a number of the selection stands for.
pub(super) fn decoded(key: u64) -> Option<(f32, u32)> {
    if key == 0 {
        return None;
    }
    let bits = (key >> 32) as u32;
    let bits = bits
        ^ if bits >> 31 == 1 {
            0x8000_0000
        } else {
            u32::MAX
        };
    Some((f32::from_bits(bits), u32::MAX - key as u32))
}

pub(super) fn keys(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(8).map(|b| {
        let mut word = [0; 8];
        word.copy_from_slice(b);
        u64::from_le_bytes(word)
    })
}

impl Inner {
    /// The address of a chunk's vectors, which are copied to the device where they are not.
    fn here(&mut self, chunk: usize) -> GpuResult<(Address, usize, usize)> {
        let Chunk {
            place,
            first,
            count,
        } = &self.chunks[chunk];
        let address = match place {
            Place::Device(buffer) => buffer.address(),
            Place::Host(bytes) => {
                let Some(passing) = &self.passing else {
                    return Err(GpuError::Other("vectors have no room to pass".to_string()));
                };
                put_into(&mut *self.gpu, bytes, passing.address())?;
                passing.address()
            }
        };
        Ok((address, *first, *count))
    }

    /// Where a row of vectors lies that begin at an address.
    fn row(&self, first: Address, row: usize) -> Address {
        first + (GpuDtype::F16.size() * row * self.dim) as Address
    }

    /// The products of so many rows from one address on with those from another; from one row
    /// of them to the next.
    fn score(
        &mut self,
        (rows, count): (Address, usize),
        (columns_at, columns): (Address, usize),
        scores: &Buffer,
    ) -> GpuResult<usize> {
        let out_stride = columns.next_multiple_of(4);
        self.gpu.multiply(&Multiply {
            rows,
            weights: columns_at,
            bias: None,
            out: scores.address(),
            count,
            columns,
            inner: self.dim,
            row_stride: self.dim,
            out_stride,
            epilogue: Epilogue::Plain,
            number: GpuDtype::F16,
            out_number: GpuDtype::F32,
        })?;
        Ok(out_stride)
    }

    fn top_k(&mut self, queries: &[f32], k: usize) -> GpuResult<Vec<Vec<(f32, u32)>>> {
        let sizes = self.sizes;
        if k > MOST_BEST {
            return Err(GpuError::Other(format!("at most {MOST_BEST} neighbours")));
        }
        let rows = queries.len() / self.dim.max(1);
        let k = k.min(self.count);
        if k == 0 {
            return Ok(vec![Vec::new(); rows]);
        }
        // Chunks that pass by are copied once for all queries, so that the best of all queries
        // are kept meanwhile: 8 k bytes each.
        let best = self.gpu.alloc(8 * rows * k)?;
        self.gpu.clear(best.address(), 8 * rows * k)?;
        let asked = put(&mut *self.gpu, &GpuDtype::F16.encode(queries))?;
        let scores = self.gpu.alloc(4 * sizes.scores)?;
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            for begin in (0..rows).step_by(sizes.queries) {
                let some = sizes.queries.min(rows - begin);
                let block = (sizes.scores / some / 4 * 4).max(4);
                for column in (0..count).step_by(block) {
                    let columns = block.min(count - column);
                    let (from, to) = (self.row(asked.address(), begin), self.row(address, column));
                    let stride = self.score((from, some), (to, columns), &scores)?;
                    self.gpu.launch(&Launch {
                        kernel: "select_best".to_string(),
                        grid: (some, 1),
                        threads: SELECT_THREADS,
                        args: Args::addresses(&[
                            scores.address(),
                            best.address() + (8 * begin * k) as Address,
                        ])
                        .numbers(&[columns, stride, first + column, k]),
                    })?;
                }
            }
        }
        let bytes = get(&mut *self.gpu, best.address(), 8 * rows * k)?;
        Ok(bytes
            .chunks_exact(8 * k)
            .map(|row| keys(row).map_while(decoded).collect())
            .collect())
    }

    fn nearest(&mut self, centres: &[f32], offsets: &[f32]) -> GpuResult<(Vec<u32>, Vec<f32>)> {
        let sizes = self.sizes;
        let clusters = offsets.len();
        let asked = put(&mut *self.gpu, &GpuDtype::F16.encode(centres))?;
        let added = put(&mut *self.gpu, &GpuDtype::F32.encode(offsets))?;
        let scores = self.gpu.alloc(4 * sizes.scores)?;
        let block = clusters.next_multiple_of(4).min(sizes.scores);
        let at_a_time = (sizes.scores / block.max(1)).max(1);
        let (mut members, mut highest) = (Vec::new(), Vec::new());
        for chunk in 0..self.chunks.len() {
            let (address, _, count) = self.here(chunk)?;
            let best = self.gpu.alloc(8 * count)?;
            self.gpu.clear(best.address(), 8 * count)?;
            for row in (0..count).step_by(at_a_time) {
                let rows = at_a_time.min(count - row);
                for column in (0..clusters).step_by(block) {
                    let columns = block.min(clusters - column);
                    let (from, to) = (self.row(address, row), self.row(asked.address(), column));
                    let stride = self.score((from, rows), (to, columns), &scores)?;
                    self.gpu.launch(&Launch {
                        kernel: "nearest_column".to_string(),
                        grid: (rows.div_ceil(NEAREST.0), 1),
                        threads: NEAREST.1,
                        args: Args::addresses(&[
                            scores.address(),
                            added.address() + (4 * column) as Address,
                            best.address() + (8 * row) as Address,
                        ])
                        .numbers(&[rows, columns, stride, column]),
                    })?;
                }
            }
            let bytes = get(&mut *self.gpu, best.address(), 8 * count)?;
            for key in keys(&bytes) {
                let (score, column) = decoded(key).unwrap_or((f32::NEG_INFINITY, 0));
                members.push(column);
                highest.push(score);
            }
        }
        Ok((members, highest))
    }

    fn sums(&mut self, members: &[u32], weights: &[f32], clusters: usize) -> GpuResult<Vec<f32>> {
        let dim = self.dim;
        let out = self.gpu.alloc(4 * clusters * dim)?;
        self.gpu.clear(out.address(), 4 * clusters * dim)?;
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            let members = &members[first..first + count];
            // Counting sort: the rows of each cluster one behind another, in their order.
            let mut starts = vec![0u32; clusters + 1];
            for &m in members {
                starts[m as usize + 1] += 1;
            }
            for c in 0..clusters {
                starts[c + 1] += starts[c];
            }
            let mut next = starts.clone();
            let mut order = vec![0u32; count];
            for (row, &m) in members.iter().enumerate() {
                order[next[m as usize] as usize] = row as u32;
                next[m as usize] += 1;
            }
            let gpu = &mut *self.gpu;
            let order = put(gpu, &words(order))?;
            let starts = put(gpu, &words(starts))?;
            let weights = put(gpu, &GpuDtype::F32.encode(&weights[first..first + count]))?;
            gpu.launch(&Launch {
                kernel: "cluster_sums".to_string(),
                grid: (clusters, dim.div_ceil(SUMS_THREADS)),
                threads: SUMS_THREADS as u32,
                args: Args::addresses(&[
                    address,
                    order.address(),
                    weights.address(),
                    starts.address(),
                    out.address(),
                ])
                .numbers(&[dim]),
            })?;
            // The buffers of this chunk are read before they are given back.
            super::gpu::finish(gpu)?;
        }
        get(&mut *self.gpu, out.address(), 4 * clusters * dim).map(|b| floats(&b))
    }
}
