//! Vectors on a device: exact nearest neighbours, nearest centres, and sums for k-means.
//!
//! Vectors are f16 and sums f32. What fits stays in the device's memory; the rest is kept on
//! the host and goes by in chunks. Scores are computed a block at a time, small enough for the
//! device's cache, and are read by the selection before the next block overwrites them.

use super::gpu::{
    Address, Args, Buffer, Epilogue, Gpu, GpuDtype, GpuError, GpuResult, Launch, Multiply, Staging,
    floats, words,
};
use super::products;
use crate::error::Result;
use crate::vectors::Accelerator;
use std::sync::Mutex;

/// Threads of a block of the selection; `near.cu`.
const SELECT_THREADS: u32 = 256;
/// The most best scores of a row that the selection keeps; `near.cu`.
const MOST_BEST: usize = 1024;
/// Blocks of the selection that keep a large device busy: rows are parted where they are fewer.
const SELECT_BLOCKS: usize = 1024;
/// The most parts of a row.
const MOST_PARTS: usize = 128;
/// Best scores of all parts of a row, which one block merges in the end.
const LISTED: usize = 8192;
/// Vectors of a block and its threads of the scores of few queries; `near.cu`.
const FEW: (usize, u32) = (256, 256);
/// Queries that these kernels are made for.
const FEW_QUERIES: [usize; 2] = [1, 8];
/// Numbers of all queries that they hold, each rounded up to eights; `near.cu`.
const FEW_ROOM: usize = 8192;
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
/// The fewest columns of a part of a row.
const PART: usize = 2048;
/// Memory that is left free for scores, queries and the matrix products, in bytes.
const SPARE: usize = 256 << 20;
/// Memory is taken in multiples of this, so that calls of about one size use the same, in bytes.
const ROOM: usize = 1 << 12;

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

/// What memory of the device is for that is kept between calls.
#[derive(Clone, Copy)]
enum Room {
    Scores,
    /// Queries or centres.
    Asked,
    /// The best of each part of a row.
    Lists,
    /// The best of each row.
    Best,
    Offsets,
    Order,
    Starts,
    Weights,
    Sums,
}

/// As many as [`Room`] has.
const ROOMS: usize = 9;

struct Inner {
    gpu: Box<dyn Gpu>,
    chunks: Vec<Chunk>,
    /// Where chunks of the host go by.
    passing: Option<Buffer>,
    staging: Staging,
    rooms: [Option<Buffer>; ROOMS],
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
    pub part: usize,
    pub spare: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            chunk: CHUNK,
            scores: SCORES,
            queries: QUERIES,
            part: PART,
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
        let number = GpuDtype::F16;
        let mut staging = Staging::default();
        for some in vectors.chunks(sizes.chunk * dim.max(1)) {
            let bytes = some.len() * number.size();
            room = room && gpu.free_memory()? >= bytes + sizes.spare;
            let buffer = match room.then(|| gpu.alloc(bytes)) {
                Some(Ok(buffer)) => Some(buffer),
                Some(Err(GpuError::OutOfMemory(_))) | None => None,
                Some(Err(other)) => return Err(other),
            };
            room = buffer.is_some();
            let place = match buffer {
                Some(buffer) => {
                    staging.encode(&mut *gpu, number, some, buffer.address())?;
                    Place::Device(buffer)
                }
                None => Place::Host(number.encode(some)),
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
                    chunk.place = Place::Host(staging.get(&mut *gpu, address, bytes)?);
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
                staging,
                rooms: Default::default(),
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

/// Which scores lie in memory: of so many rows, from one query on, with so many vectors, from one
/// on; and how many numbers lie from one row to the next.
struct Window {
    row: usize,
    rows: usize,
    first: usize,
    columns: usize,
    stride: usize,
}

/// How the best of all rows are kept while scores go by.
struct Selection {
    k: usize,
    /// Parts of a row, each with a list.
    parts: usize,
    lists: Address,
}

impl Inner {
    /// Memory of the device for something, that many bytes at least; what is in it is anything.
    fn room(&mut self, what: Room, bytes: usize) -> GpuResult<Address> {
        let place = &mut self.rooms[what as usize];
        if place.as_ref().is_none_or(|b| b.bytes() < bytes) {
            // Given back first, as both may not fit.
            *place = None;
            *place = Some(match self.gpu.alloc(bytes.next_multiple_of(ROOM)) {
                Err(GpuError::OutOfMemory(_)) => self.gpu.alloc(bytes)?,
                other => other?,
            });
        }
        Ok(place.as_ref().map_or(0, Buffer::address))
    }

    /// Values as numbers of a type in memory of the device.
    fn put(&mut self, what: Room, number: GpuDtype, values: &[f32]) -> GpuResult<Address> {
        let to = self.room(what, (values.len() * number.size()).max(16))?;
        self.staging.encode(&mut *self.gpu, number, values, to)?;
        Ok(to)
    }

    fn put_words(&mut self, what: Room, values: Vec<u32>) -> GpuResult<Address> {
        let bytes = words(values);
        let to = self.room(what, bytes.len().max(16))?;
        self.staging.copy(&mut *self.gpu, &bytes, to)?;
        Ok(to)
    }

    fn get(&mut self, from: Address, bytes: usize) -> GpuResult<Vec<u8>> {
        self.staging.get(&mut *self.gpu, from, bytes)
    }

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
                // What reads the chunk before it is asked for already.
                self.staging
                    .copy(&mut *self.gpu, bytes, passing.address())?;
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
        scores: Address,
    ) -> GpuResult<usize> {
        let out_stride = columns.next_multiple_of(4);
        let product = Multiply {
            rows,
            weights: columns_at,
            bias: None,
            out: scores,
            count,
            columns,
            inner: self.dim,
            row_stride: self.dim,
            out_stride,
            epilogue: Epilogue::Plain,
            number: GpuDtype::F16,
            out_number: GpuDtype::F32,
        };
        products::multiply(&mut *self.gpu, &product)?;
        Ok(out_stride)
    }

    fn top_k(&mut self, queries: &[f32], k: usize) -> GpuResult<Vec<Vec<(f32, u32)>>> {
        let sizes = self.sizes;
        if k > MOST_BEST {
            return Err(GpuError::Other(format!("at most {MOST_BEST} neighbours")));
        }
        let rows = queries.len() / self.dim.max(1);
        let k = k.min(self.count);
        if k == 0 || rows == 0 {
            return Ok(vec![Vec::new(); rows]);
        }
        let few = FEW_QUERIES
            .into_iter()
            .find(|&f| rows <= f && f * self.dim.next_multiple_of(8) <= FEW_ROOM);
        // The columns of the widest row of scores.
        let widest = match few {
            Some(most) => sizes.scores / most,
            None => sizes.scores / rows.min(sizes.queries),
        };
        let widest = (widest / 4 * 4).max(4);
        let parts = (SELECT_BLOCKS / rows.min(sizes.queries))
            .min(MOST_PARTS)
            .min(LISTED / k)
            .min(widest.min(self.count) / sizes.part)
            .max(1);
        // Chunks that pass by are copied once for all queries, so that the best of all queries
        // are kept meanwhile: 8 k bytes each.
        let listed = 8 * rows * parts * k;
        let lists = self.room(Room::Lists, listed)?;
        self.gpu.clear(lists, listed)?;
        let asked = self.put(Room::Asked, GpuDtype::F16, queries)?;
        let scores = self.room(Room::Scores, 4 * sizes.scores.max(4 * FEW_QUERIES[1]))?;
        let best = Selection { k, parts, lists };
        match few {
            Some(most) => self.score_few(&best, most, (asked, rows), (scores, widest))?,
            None => self.score_many(&best, (asked, rows), scores)?,
        }
        let (found, bytes) = (self.merged(&best, rows)?, 8 * rows * k);
        let bytes = self.get(found, bytes)?;
        Ok(bytes
            .chunks_exact(8 * k)
            .map(|row| keys(row).map_while(decoded).collect())
            .collect())
    }

    /// Scores of a few queries, by a kernel for so many: all vectors are read once, and their
    /// scores gathered until the memory of scores, (queries, stride), is full.
    fn score_few(
        &mut self,
        best: &Selection,
        most: usize,
        (asked, rows): (Address, usize),
        (scores, stride): (Address, usize),
    ) -> GpuResult<()> {
        let mut window = Window {
            row: 0,
            rows,
            first: 0,
            columns: 0,
            stride,
        };
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            let mut done = 0;
            while done < count {
                if window.columns == stride {
                    self.select(best, &window, scores)?;
                    window.first = first + done;
                    window.columns = 0;
                }
                let some = (count - done).min(stride - window.columns);
                self.gpu.launch(&Launch {
                    kernel: format!("few_scores_{most}"),
                    grid: (some.div_ceil(FEW.0), 1),
                    threads: FEW.1,
                    args: Args::addresses(&[
                        self.row(address, done),
                        asked,
                        scores + (4 * window.columns) as Address,
                    ])
                    .numbers(&[some, self.dim, rows, stride]),
                })?;
                window.columns += some;
                done += some;
            }
        }
        self.select(best, &window, scores)
    }

    /// Scores of many queries, by matrix products of as many vectors as memory holds scores of.
    fn score_many(
        &mut self,
        best: &Selection,
        (asked, rows): (Address, usize),
        scores: Address,
    ) -> GpuResult<()> {
        let sizes = self.sizes;
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            for begin in (0..rows).step_by(sizes.queries) {
                let some = sizes.queries.min(rows - begin);
                let block = (sizes.scores / some / 4 * 4).max(4);
                for column in (0..count).step_by(block) {
                    let columns = block.min(count - column);
                    let (from, to) = (self.row(asked, begin), self.row(address, column));
                    let stride = self.score((from, some), (to, columns), scores)?;
                    let window = Window {
                        row: begin,
                        rows: some,
                        first: first + column,
                        columns,
                        stride,
                    };
                    self.select(best, &window, scores)?;
                }
            }
        }
        Ok(())
    }

    /// Merges scores into the best.
    fn select(&mut self, best: &Selection, window: &Window, scores: Address) -> GpuResult<()> {
        let part = window.columns.div_ceil(best.parts).next_multiple_of(4);
        let lists = best.lists + (8 * window.row * best.parts * best.k) as Address;
        self.gpu.launch(&Launch {
            kernel: "select_best".to_string(),
            grid: (window.rows, best.parts),
            threads: SELECT_THREADS,
            args: Args::addresses(&[scores, lists]).numbers(&[
                window.columns,
                window.stride,
                window.first,
                best.k,
                best.parts,
                part,
            ]),
        })
    }

    /// Where the best of each row lie, (rows, k), when those of its parts are merged.
    fn merged(&mut self, best: &Selection, rows: usize) -> GpuResult<Address> {
        if best.parts == 1 {
            return Ok(best.lists);
        }
        let bytes = 8 * rows * best.k;
        let out = self.room(Room::Best, bytes)?;
        self.gpu.clear(out, bytes)?;
        self.gpu.launch(&Launch {
            kernel: "merge_best".to_string(),
            grid: (rows, 1),
            threads: SELECT_THREADS,
            args: Args::addresses(&[best.lists, out]).numbers(&[best.parts * best.k, best.k]),
        })?;
        Ok(out)
    }

    fn nearest(&mut self, centres: &[f32], offsets: &[f32]) -> GpuResult<(Vec<u32>, Vec<f32>)> {
        let sizes = self.sizes;
        let clusters = offsets.len();
        let asked = self.put(Room::Asked, GpuDtype::F16, centres)?;
        let added = self.put(Room::Offsets, GpuDtype::F32, offsets)?;
        let scores = self.room(Room::Scores, 4 * sizes.scores)?;
        let best = self.room(Room::Best, 8 * self.count.max(1))?;
        self.gpu.clear(best, 8 * self.count)?;
        let block = clusters.next_multiple_of(4).min(sizes.scores);
        let at_a_time = (sizes.scores / block.max(1)).max(1);
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            for row in (0..count).step_by(at_a_time) {
                let rows = at_a_time.min(count - row);
                for column in (0..clusters).step_by(block) {
                    let columns = block.min(clusters - column);
                    let (from, to) = (self.row(address, row), self.row(asked, column));
                    let stride = self.score((from, rows), (to, columns), scores)?;
                    self.gpu.launch(&Launch {
                        kernel: "nearest_column".to_string(),
                        grid: (rows.div_ceil(NEAREST.0), 1),
                        threads: NEAREST.1,
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
        let bytes = self.get(best, 8 * self.count)?;
        let found = keys(&bytes).map(|key| decoded(key).unwrap_or((f32::NEG_INFINITY, 0)));
        Ok(found.map(|(score, column)| (column, score)).unzip())
    }

    fn sums(&mut self, members: &[u32], weights: &[f32], clusters: usize) -> GpuResult<Vec<f32>> {
        let dim = self.dim;
        let bytes = 4 * clusters * dim;
        let out = self.room(Room::Sums, bytes.max(16))?;
        self.gpu.clear(out, bytes)?;
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            let (starts, order) = sorted(&members[first..first + count], clusters);
            let order = self.put_words(Room::Order, order)?;
            let starts = self.put_words(Room::Starts, starts)?;
            let weights = &weights[first..first + count];
            let weights = self.put(Room::Weights, GpuDtype::F32, weights)?;
            self.gpu.launch(&Launch {
                kernel: "cluster_sums".to_string(),
                grid: (clusters, dim.div_ceil(SUMS_THREADS)),
                threads: SUMS_THREADS as u32,
                args: Args::addresses(&[address, order, weights, starts, out]).numbers(&[dim]),
            })?;
        }
        self.get(out, bytes).map(|b| floats(&b))
    }
}

/// A counting sort: where each cluster's rows begin, and the rows of each one behind another, in
/// their order.
fn sorted(members: &[u32], clusters: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; clusters + 1];
    for &m in members {
        starts[m as usize + 1] += 1;
    }
    for c in 0..clusters {
        starts[c + 1] += starts[c];
    }
    let mut next = starts.clone();
    let mut order = vec![0u32; members.len()];
    for (row, &m) in members.iter().enumerate() {
        order[next[m as usize] as usize] = row as u32;
        next[m as usize] += 1;
    }
    (starts, order)
}
