//! The approximate index: HNSW by usearch, in a file beside the corpus.
//!
//! Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs", 2016. The index is derived from the corpus:
//! it is built when it is missing, extended when passages were added, built anew when many
//! were removed or it belongs to another corpus.

use super::Mode;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, Stage};
use crate::new_file::NewFile;
use crate::store::{Reader, ScannedPassage, beside};
use crate::vectors::{TopK, dot};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

/// The number of passages from which search is approximate by itself. Below, comparing every
/// vector of a cold corpus takes less than a quarter of a second; see `benches/search.rs`.
pub const ANN_FROM: u64 = 200_000;

/// Neighbours of a node; candidates while building and while searching.
const CONNECTIVITY: usize = 24;
const EXPANSION_ADD: usize = 128;
const EXPANSION_SEARCH: usize = 128;
/// Passages that are added at a time: what is done between two looks at the job.
const BATCH: usize = 256;
/// The share of removed passages from which the index is built anew.
const REMOVED: f64 = 0.2;

/// What the index file belongs to.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Stamp {
    uuid: String,
    generation: i64,
    bytes: u64,
    /// So that a change of the settings above builds anew.
    settings: [usize; 2],
}

/// An open approximate index over the passages of a corpus.
pub struct AnnIndex {
    index: Index,
    gate: Gate,
}

impl std::fmt::Debug for AnnIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnnIndex")
            .field("size", &self.index.size())
            .finish_non_exhaustive()
    }
}

fn paths(store: &Reader) -> (PathBuf, PathBuf) {
    let path = store.path();
    (beside(path, ".hnsw"), beside(path, ".hnsw.json"))
}

fn failed(path: &Path, e: impl std::fmt::Display) -> Error {
    Error::corpus(
        ErrorKind::Damaged,
        path,
        format!("the approximate index failed ({e}); delete it, it is built again"),
    )
}

fn stamp(path: &Path) -> Option<Stamp> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn new_index(dim: usize, path: &Path) -> Result<Index> {
    Index::new(&IndexOptions {
        dimensions: dim,
        metric: MetricKind::IP,
        quantization: ScalarKind::F16,
        connectivity: CONNECTIVITY,
        expansion_add: EXPANSION_ADD,
        expansion_search: EXPANSION_SEARCH,
        multi: false,
    })
    .map_err(|e| failed(path, e))
}

/// Threads that use an index at a time: each takes one of the library's contexts, and fails where
/// none is free.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.max(rayon::current_num_threads())
}

/// Lets so many threads in at a time.
#[derive(Debug)]
struct Gate {
    free: Mutex<usize>,
    left: Condvar,
}

impl Gate {
    fn pass<T>(&self, f: impl FnOnce() -> T) -> T {
        // A number is whole whatever panicked while it was held.
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.left.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        drop(free);
        let out = f();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.left.notify_one();
        out
    }
}

impl AnnIndex {
    /// Opens the index if it is there and current; `None` where it must be refreshed first.
    ///
    /// # Errors
    /// The corpus is damaged.
    pub fn open(store: &Reader) -> Result<Option<Arc<Self>>> {
        let state = (store.uuid()?, store.generation()?);
        if let Some(open) = store.corpus().derived::<Self>(&state) {
            return Ok(Some(open));
        }
        let index = Self::open_file(store)?.map(Arc::new);
        if let Some(index) = &index {
            store.corpus().keep_derived(state, index.clone());
        }
        Ok(index)
    }

    fn open_file(store: &Reader) -> Result<Option<Self>> {
        let (path, stamp_path) = paths(store);
        let Some(stamp) = stamp(&stamp_path) else {
            return Ok(None);
        };
        let Some(dim) = store.identity()?.map(|i| i.dim) else {
            return Ok(None);
        };
        let bytes = path.metadata().map(|m| m.len()).unwrap_or(0);
        let current = Stamp {
            uuid: store.uuid()?,
            generation: store.generation()?,
            bytes,
            settings: [CONNECTIVITY, EXPANSION_ADD],
        };
        if stamp != current {
            return Ok(None);
        }
        let index = new_index(dim, &path)?;
        let threads = threads();
        index
            .reserve_capacity_and_threads(0, threads)
            .map_err(|e| failed(&path, e))?;
        let gate = Gate {
            free: Mutex::new(threads),
            left: Condvar::new(),
        };
        // Mapped, not read: a search touches a small part of it.
        Ok(index
            .view(&path.to_string_lossy())
            .is_ok()
            .then_some(Self { index, gate }))
    }

    /// The `k` articles whose best passage is nearest, with exact cosines.
    ///
    /// # Errors
    /// The index or the corpus is damaged.
    pub fn articles(
        &self,
        store: &Reader,
        query: &[f32],
        k: usize,
    ) -> Result<Vec<(f32, ScannedPassage)>> {
        let mut wanted = (4 * k).max(64);
        loop {
            let wanted_now = wanted.min(self.index.size());
            let keys = self.passages(store, query, wanted_now)?;
            let mut best: std::collections::HashMap<i64, (f32, ScannedPassage)> =
                Default::default();
            for key in keys {
                // A passage removed since is in the index still, but not in the corpus.
                let Some((passage, vector)) = store.passage_vector(key, query.len())? else {
                    continue;
                };
                let cosine = dot(query, &vector);
                let entry = best
                    .entry(passage.article)
                    .or_insert((cosine, passage.clone()));
                if cosine > entry.0 {
                    *entry = (cosine, passage);
                }
            }
            // Many passages may be of few articles.
            if best.len() >= k || wanted_now == self.index.size() {
                let mut closest = TopK::new(k);
                for (article, (cosine, passage)) in best {
                    closest.push(cosine, article, passage);
                }
                return Ok(closest
                    .into_sorted()
                    .into_iter()
                    .map(|(s, _, p)| (s, p))
                    .collect());
            }
            wanted *= 4;
        }
    }

    /// The rows of about the `n` nearest passages.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn passages(&self, store: &Reader, query: &[f32], n: usize) -> Result<Vec<i64>> {
        let matches = self
            .gate
            .pass(|| self.index.search(query, n))
            .map_err(|e| failed(&paths(store).0, e))?;
        Ok(matches.keys.into_iter().map(|key| key as i64).collect())
    }
}

impl Reader {
    /// Whether searches in this mode use the approximate index where it is current.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn index_wanted(&self, mode: Mode) -> Result<bool> {
        Ok(match mode {
            Mode::Exact => false,
            Mode::Approximate => true,
            Mode::Auto => self.passage_count()? >= ANN_FROM,
        })
    }

    /// Makes the approximate index current, where searches in this mode use one: extends it by the
    /// passages that it lacks, or builds it anew. Whether anything had to be done.
    ///
    /// The index is a file beside the corpus, and no change of the corpus: readers may make it.
    ///
    /// # Errors
    /// It cannot be written ([`Mode::Auto`] and [`Mode::Approximate`] then compare every vector);
    /// the corpus is damaged; the job is cancelled.
    pub fn refresh_index(&self, mode: Mode, job: &Job) -> Result<bool> {
        if !self.index_wanted(mode)? || AnnIndex::open(self)?.is_some() {
            return Ok(false);
        }
        refresh(self, job)?;
        Ok(true)
    }
}

fn refresh(store: &Reader, job: &Job) -> Result<()> {
    let (path, stamp_path) = paths(store);
    let Some(dim) = store.identity()?.map(|i| i.dim) else {
        return Ok(());
    };
    let count = store.passage_count()?;
    let (uuid, generation) = (store.uuid()?, store.generation()?);
    let settings = [CONNECTIVITY, EXPANSION_ADD];

    let mut index = new_index(dim, &path)?;
    let old = stamp(&stamp_path).filter(|old| {
        old.uuid == uuid
            && old.settings == settings
            && path.metadata().is_ok_and(|m| m.len() == old.bytes)
    });
    if old.is_some() && index.load(&path.to_string_lossy()).is_err() {
        index = new_index(dim, &path)?;
    }
    index
        .reserve_capacity_and_threads(count as usize + index.size(), threads())
        .map_err(|e| failed(&path, e))?;
    let mut kept = 0u64;
    let mut missing: Vec<(i64, Vec<f32>)> = Vec::new();
    let mut added = 0u64;
    let mut problem = None;
    let mut add = |missing: &mut Vec<(i64, Vec<f32>)>, index: &Index| {
        if job.is_cancelled() {
            missing.clear();
            return;
        }
        let outcome = missing
            .par_iter()
            .try_for_each(|(key, vector)| index.add(*key as u64, vector));
        if let Err(e) = outcome {
            problem.get_or_insert_with(|| failed(&path, e));
        }
        added += missing.len() as u64;
        missing.clear();
        job.progress(Stage::Indexing, added, Some(count));
    };
    let mut scanned = 0u64;
    store.scan_passages(dim, None, |passage, vector| {
        if index.contains(passage.key as u64) {
            kept += 1;
        } else {
            missing.push((passage.key, vector.to_vec()));
            if missing.len() == BATCH {
                add(&mut missing, &index);
            }
        }
        job_at(&mut scanned, job)
    })?;
    add(&mut missing, &index);
    job.check()?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    let removed = index.size() as f64 - count as f64;
    if kept > 0 && removed > REMOVED * count as f64 {
        // Too much of the graph leads nowhere.
        drop(index);
        for old in [&path, &stamp_path] {
            match std::fs::remove_file(old) {
                // Another reader that builds it anew may have been first.
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(old, e));
                }
                _ => {}
            }
        }
        return refresh(store, job);
    }

    // The stamp comes last: without it, or with an old one, the index counts as stale. Each is
    // written beside its place and moved there, so that nobody maps a half of it.
    let new = NewFile::create(&path)?;
    index
        .save(&new.path().to_string_lossy())
        .map_err(|e| failed(&path, e))?;
    let bytes = new
        .path()
        .metadata()
        .map_err(|e| Error::io(new.path(), e))?
        .len();
    new.finish()?;
    let stamp = Stamp {
        uuid,
        generation,
        bytes,
        settings,
    };
    let mut new = NewFile::create(&stamp_path)?;
    serde_json::to_writer(&mut new, &stamp).map_err(|e| Error::io(&stamp_path, e.into()))?;
    new.finish()
}

/// Looks at the job once for many passages.
fn job_at(scanned: &mut u64, job: &Job) -> Result<()> {
    *scanned += 1;
    if scanned.is_multiple_of(BATCH as u64) {
        job.check()?;
    }
    Ok(())
}
