//! Vectors on a device: exact nearest neighbours, nearest centres, and sums for k-means.
//!
//! Vectors are f16 and sums f32. What fits stays in the device's memory; the rest is kept on
//! the host and goes by in chunks. Scores of vectors that are not wide are looked at where they are
//! computed, and not stored. Others are computed a block at a time, small enough for the device's
//! cache, and are read by the selection before the next block overwrites them.

use super::gpu::{
    Address, Buffer, Epilogue, Gpu, GpuDtype, GpuError, GpuResult, Multiply, Staging, words,
};
use super::products;
use crate::error::Result;
use crate::vectors::Accelerator;
use std::sync::Mutex;

mod best;
mod clusters;

/// Rows of a block and its threads of what looks at products where they are computed; `scan.cu`.
const SCAN: (usize, u32) = (256, 256);
/// The widest vectors that it takes, by eights: a warp keeps 32 of them in registers.
const SCAN_DIM: usize = 384;
/// The most columns that it looks at together.
const SCAN_COLUMNS: usize = 32;
/// The most columns that it computes together.
const SCAN_SLICE: usize = 128;
/// Bytes of shared memory of its wide form: a block's rows, and four pieces of 32 numbers of a slice.
const SCAN_MEMORY: usize = 2 * (SCAN.0 * SCAN_DIM + 4 * 32 * SCAN_SLICE);
/// Columns that are looked at first, all of whose scores are above none.
const FIRST: usize = 2048;
/// Rows that are sorted by cluster at a time, each on one core.
const SEGMENT: usize = 1 << 14;
/// Scores of a block: 32 MB, which stay in the cache of a large device.
const SCORES: usize = 8 << 20;
/// The fewest queries whose scores are not stored: fewer leave most of a device idle. Of a million
/// vectors, 32 took 0.57 ms with stored scores and 0.79 ms without on an H200, 1,000 took 7.4 and 2.8 ms.
const SCANNED: usize = 64;
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
    /// What is above the best of earlier columns.
    Above,
    /// How much of it there is.
    Counts,
}

/// As many as [`Room`] has.
const ROOMS: usize = 11;

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
    /// The fewest queries whose scores are not stored.
    pub scanned: usize,
    pub part: usize,
    pub spare: usize,
    /// A power of two.
    pub segment: usize,
    pub first: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            chunk: CHUNK,
            scores: SCORES,
            queries: QUERIES,
            scanned: SCANNED,
            part: PART,
            spare: SPARE,
            segment: SEGMENT,
            first: FIRST,
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
        let passes = sizes.chunk * dim * number.size();
        // The best centre of each is left on the device.
        let spare = sizes.spare + 8 * (vectors.len() / dim.max(1));
        // Where not all fit, others pass by: their room comes first, or it would be what is spared.
        let mut passing = None;
        if gpu.free_memory()? < vectors.len() * number.size() + spare {
            passing = match gpu.alloc(passes) {
                Err(GpuError::OutOfMemory(_)) => None,
                other => Some(other?),
            };
        }
        for some in vectors.chunks(sizes.chunk * dim.max(1)) {
            let bytes = some.len() * number.size();
            room = room && gpu.free_memory()? >= bytes + spare;
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
        while passing.is_none() && chunks.iter().any(|c| matches!(c.place, Place::Host(_))) {
            match gpu.alloc(passes) {
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

    /// The kernel of a name in its form for this device.
    fn scanning(&self, kernel: &str) -> String {
        let wide = if self.gpu.has_wide_products() {
            "_wide"
        } else {
            ""
        };
        format!("{kernel}{wide}")
    }

    /// The shared memory that it asks for.
    fn scanning_memory(&self) -> usize {
        match self.gpu.has_wide_products() {
            true => SCAN_MEMORY,
            false => 0,
        }
    }

    /// Whether products need not be stored to be looked at.
    fn is_scanned(&self) -> bool {
        self.dim.is_multiple_of(8) && self.dim <= SCAN_DIM
    }
}
