//! The best vectors of queries.
//!
//! Of few queries, of many best ones and of wide vectors scores are stored and selected from, a
//! block at a time. Other scores are not stored: what is above the best of earlier vectors is listed
//! where it is computed.

use super::super::gpu::{Address, Args, GpuDtype, GpuError, GpuResult, Launch};
use super::{Inner, Room, SCAN, SCAN_SLICE, decoded, keys};
use rayon::prelude::*;

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
/// Blocks of `list_above`: two for each processor of a large device, which has room for one.
const SCAN_BLOCKS: usize = 264;
/// The most best scores of a row that `list_above` is asked for, and the room of a list of a part
/// of a row, which takes as many columns whatever their scores are; `scan.cu`.
const ABOVE: (usize, usize) = (64, 128);
/// Columns that are looked at until the best are known anew, as a multiple of those before: up to
/// so many times k are above the best then, which lists of all parts have room for.
const GROWTH: usize = 16;

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
    pub(super) fn top_k(&mut self, queries: &[f32], k: usize) -> GpuResult<Vec<Vec<(f32, u32)>>> {
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
        let scanned = few.is_none() && rows >= sizes.scanned && k <= ABOVE.0 && self.is_scanned();
        let parts = match scanned {
            true => 1,
            false => (SELECT_BLOCKS / rows.min(sizes.queries))
                .min(MOST_PARTS)
                .min(LISTED / k)
                .min(widest.min(self.count) / sizes.part)
                .max(1),
        };
        // Chunks that pass by are copied once for all queries, so that the best of all queries
        // are kept meanwhile: 8 k bytes each.
        let listed = 8 * rows * parts * k;
        let lists = self.room(Room::Lists, listed)?;
        self.gpu.clear(lists, listed)?;
        let asked = self.put(Room::Asked, GpuDtype::F16, queries)?;
        let best = Selection { k, parts, lists };
        if scanned {
            self.scan_all(&best, (asked, rows))?;
        } else {
            let scores = self.room(Room::Scores, 4 * sizes.scores.max(4 * FEW_QUERIES[1]))?;
            match few {
                Some(most) => self.score_few(&best, most, (asked, rows), (scores, widest))?,
                None => self.score_many(&best, (asked, rows), scores)?,
            }
        }
        let (found, bytes) = (self.merged(&best, rows)?, 8 * rows * k);
        let bytes = self.get(found, bytes)?;
        let row = |row: &[u8]| keys(row).map_while(decoded).collect();
        if rows <= sizes.queries {
            // A few queries do not wait for cores that others use.
            return Ok(bytes.chunks_exact(8 * k).map(row).collect());
        }
        Ok(bytes.par_chunks_exact(8 * k).map(row).collect())
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
                    memory: 0,
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
                    let (from, to) = (self.row(asked, begin), self.row(address, column));
                    let columns = block.min(count - column);
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

    /// Scores of many queries, which are looked at where they are computed.
    fn scan_all(&mut self, best: &Selection, (asked, rows): (Address, usize)) -> GpuResult<()> {
        let sizes = self.sizes;
        for chunk in 0..self.chunks.len() {
            let (address, first, count) = self.here(chunk)?;
            for row in (0..rows).step_by(sizes.queries) {
                let mut done = 0;
                while done < count {
                    let window = Window {
                        row,
                        rows: sizes.queries.min(rows - row),
                        first: first + done,
                        columns: (GROWTH * (first + done)).max(sizes.first).min(count - done),
                        stride: 0,
                    };
                    let (from, to) = (self.row(asked, row), self.row(address, done));
                    self.scan(best, &window, from, to)?;
                    done += window.columns;
                }
            }
        }
        Ok(())
    }

    /// Computes a window of scores, lists those above the best, and merges them into it.
    fn scan(
        &mut self,
        best: &Selection,
        window: &Window,
        asked: Address,
        vectors: Address,
    ) -> GpuResult<()> {
        let blocks = window.rows.div_ceil(SCAN.0);
        let parts = (SCAN_BLOCKS / blocks)
            .min(window.columns.div_ceil(ABOVE.1))
            .max(1);
        let part = window.columns.div_ceil(parts).next_multiple_of(SCAN_SLICE);
        let lists = self.room(Room::Above, 8 * window.rows * parts * ABOVE.1)?;
        let counts = self.room(Room::Counts, 4 * window.rows * parts)?;
        let known = best.lists + (8 * window.row * best.k) as Address;
        self.gpu.launch(&Launch {
            kernel: self.scanning("list_above"),
            grid: (blocks, parts),
            threads: SCAN.1,
            memory: self.scanning_memory(),
            args: Args::addresses(&[asked, vectors, known, lists, counts]).numbers(&[
                window.rows,
                window.columns,
                self.dim,
                best.k,
                window.first,
                parts,
                part,
                0,
            ]),
        })?;
        self.gpu.launch(&Launch {
            kernel: "merge_above".to_string(),
            grid: (window.rows, 1),
            threads: SELECT_THREADS,
            memory: 0,
            args: Args::addresses(&[lists, counts, known]).numbers(&[parts, best.k]),
        })
    }

    /// Merges scores into the best.
    fn select(&mut self, best: &Selection, window: &Window, scores: Address) -> GpuResult<()> {
        let part = window.columns.div_ceil(best.parts).next_multiple_of(4);
        let lists = best.lists + (8 * window.row * best.parts * best.k) as Address;
        self.gpu.launch(&Launch {
            kernel: "select_best".to_string(),
            grid: (window.rows, best.parts),
            threads: SELECT_THREADS,
            memory: 0,
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
            memory: 0,
            args: Args::addresses(&[best.lists, out]).numbers(&[best.parts * best.k, best.k]),
        })?;
        Ok(out)
    }
}
