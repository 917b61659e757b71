//! The approximate index: HNSW by usearch, in a file beside the corpus.
//!
//! Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs", 2016. The index is derived from the corpus:
//! it is built when it is missing, extended when passages were added, built anew when many
//! were removed or it belongs to another corpus.
//!
//! The library maps the file and follows what stands in it without looking, so that a flipped bit
//! could end the process. The file is therefore read once and compared with its checksum before
//! it is mapped, and is only used for the state of the vectors that its stamp names.

use super::Mode;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, Stage};
use crate::new_file::NewFile;
use crate::store::{Reader, ScannedPassage, beside};
use crate::vectors::{TopK, dot};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::SystemTime;
use twox_hash::XxHash3_64;
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
const SETTINGS: [usize; 2] = [CONNECTIVITY, EXPANSION_ADD];

/// What the index file belongs to, kept beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    /// The state of the vectors that it was made of.
    state: String,
    bytes: u64,
    /// The file's checksum.
    sum: u64,
    /// So that a change of the settings above builds anew.
    settings: [usize; 2],
}

/// How the approximate index beside a corpus is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexState {
    /// There is none.
    Missing,
    /// It is of the vectors as they are.
    Current,
    /// It is of earlier vectors, or another corpus's; it is not used, and made anew when it is
    /// needed.
    Stale,
    /// It is not as it was written; it is not used, and made anew when it is needed.
    Damaged,
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

/// The stamp of an index file, if that was made with today's settings. Its size is bounded: a
/// stamp is some hundred bytes, and whatever else has its name is none.
fn stamp(path: &Path) -> Option<Stamp> {
    const LONGEST: u64 = 4096;
    let mut text = Vec::new();
    let file = File::open(path).ok()?;
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    let stamp: Stamp = serde_json::from_slice(&text).ok()?;
    (stamp.settings == SETTINGS).then_some(stamp)
}

/// Which file a path names, and of what time: another file of the same name has other values.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    bytes: u64,
    changed: Option<SystemTime>,
    #[cfg(unix)]
    number: (u64, u64),
}

fn mark(path: &Path) -> io::Result<Mark> {
    let data = path.metadata()?;
    Ok(Mark {
        bytes: data.len(),
        changed: data.modified().ok(),
        #[cfg(unix)]
        number: {
            use std::os::unix::fs::MetadataExt;
            (data.dev(), data.ino())
        },
    })
}

/// The checksum of a file: XXH3 over those of its blocks, which are read side by side.
fn sum(path: &Path) -> io::Result<u64> {
    const BLOCK: u64 = 1 << 20;
    let blocks = path.metadata()?.len().div_ceil(BLOCK);
    let part = blocks.div_ceil(rayon::current_num_threads() as u64).max(1);
    let sums: io::Result<Vec<Vec<u64>>> = (0..blocks.div_ceil(part))
        .into_par_iter()
        .map(|i| {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(i * part * BLOCK))?;
            let mut bytes = Vec::new();
            (i * part..blocks.min((i + 1) * part))
                .map(|block| {
                    bytes.clear();
                    (&mut file).take(BLOCK).read_to_end(&mut bytes)?;
                    Ok(XxHash3_64::oneshot_with_seed(block, &bytes))
                })
                .collect()
        })
        .collect();
    let sums: Vec<u8> = sums?
        .concat()
        .iter()
        .flat_map(|s| s.to_le_bytes())
        .collect();
    Ok(XxHash3_64::oneshot(&sums))
}

/// Runs `f` on a path that the library takes: it knows only UTF-8, and a link that has a plain
/// name leads to a file that has not.
fn named<T>(path: &Path, f: impl FnOnce(&str) -> T) -> io::Result<T> {
    if let Some(name) = path.to_str() {
        return Ok(f(name));
    }
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir()?;
        let link = folder.path().join("index");
        std::os::unix::fs::symlink(std::path::absolute(path)?, &link)?;
        if let Some(name) = link.to_str() {
            return Ok(f(name));
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidFilename,
        "its name is not UTF-8",
    ))
}

/// Gives an index file to `load` if it is whole, of this length of vectors, and nobody put another
/// in its place meanwhile; whether it did.
fn take(
    index: &Index,
    dim: usize,
    path: &Path,
    stamp: &Stamp,
    load: impl FnOnce(&Index, &str) -> bool,
) -> bool {
    let go = || -> io::Result<bool> {
        let before = mark(path)?;
        let whole = before.bytes == stamp.bytes && sum(path)? == stamp.sum;
        Ok(whole
            && named(path, |name| load(index, name))?
            && index.dimensions() == dim
            && mark(path)? == before)
    };
    go().unwrap_or(false)
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
        let state = store.state()?;
        if let Some(open) = store.corpus().derived::<Self>(&state) {
            return Ok(Some(open));
        }
        let index = Self::open_file(store, &state)?.map(Arc::new);
        if let Some(index) = &index {
            store.corpus().keep_derived(state, index.clone());
        }
        Ok(index)
    }

    /// How the index beside the corpus is, by the checksum of all of it.
    ///
    /// # Errors
    /// The corpus is damaged.
    pub fn state(store: &Reader) -> Result<IndexState> {
        let (path, stamp_path) = paths(store);
        let Some(stamp) = stamp(&stamp_path) else {
            return Ok(if path.exists() || stamp_path.exists() {
                IndexState::Damaged
            } else {
                IndexState::Missing
            });
        };
        let whole = mark(&path).is_ok_and(|mark| mark.bytes == stamp.bytes)
            && sum(&path).is_ok_and(|sum| sum == stamp.sum);
        Ok(if !whole {
            IndexState::Damaged
        } else if stamp.state == store.state()? {
            IndexState::Current
        } else {
            IndexState::Stale
        })
    }

    /// Removes the index beside the corpus.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove(store: &Reader) -> Result<()> {
        let (path, stamp_path) = paths(store);
        for file in [stamp_path, path] {
            match std::fs::remove_file(&file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(file, e)),
                _ => {}
            }
        }
        Ok(())
    }

    fn open_file(store: &Reader, state: &str) -> Result<Option<Self>> {
        let (path, stamp_path) = paths(store);
        let Some(stamp) = stamp(&stamp_path).filter(|stamp| stamp.state == state) else {
            return Ok(None);
        };
        let Some(dim) = store.identity()?.map(|i| i.dim) else {
            return Ok(None);
        };
        let index = new_index(dim, &path)?;
        let threads = threads();
        index
            .reserve_capacity_and_threads(0, threads)
            .map_err(|e| failed(&path, e))?;
        let gate = Gate {
            free: Mutex::new(threads),
            left: Condvar::new(),
        };
        // Mapped, not loaded: a search touches a small part of it.
        let open = take(&index, dim, &path, &stamp, |index, name| {
            index.view(name).is_ok()
        });
        Ok(open.then_some(Self { index, gate }))
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
    /// passages that it lacks, or builds it anew. Whether it was made.
    ///
    /// The index is a file beside the corpus, and no change of the corpus: readers may make it. It
    /// is not made where another is just doing it, or did it for a later state of the vectors.
    ///
    /// # Errors
    /// It cannot be written, which is told before it is built ([`Mode::Auto`] and
    /// [`Mode::Approximate`] then compare every vector); the corpus is damaged; the job is cancelled.
    pub fn refresh_index(&self, mode: Mode, job: &Job) -> Result<bool> {
        if !self.index_wanted(mode)? || AnnIndex::open(self)?.is_some() {
            return Ok(false);
        }
        refresh(self, job)
    }
}

fn refresh(store: &Reader, job: &Job) -> Result<bool> {
    let (path, stamp_path) = paths(store);
    let Some(dim) = store.identity()?.map(|i| i.dim) else {
        return Ok(false);
    };
    let _lock = match store.lock_beside(&path) {
        Err(e) if e.kind() == ErrorKind::Busy => return Ok(false),
        lock => lock?,
    };
    // Another may have made it while this one came to the lock.
    if AnnIndex::open(store)?.is_some() {
        return Ok(false);
    }
    let old = stamp(&stamp_path);
    if let Some(old) = &old
        && !store.was_in_state(&old.state)?
        && store.corpus().reader()?.was_in_state(&old.state)?
    {
        return Ok(false);
    }
    // What was made of a state that this corpus was never in may know other passages by the same
    // numbers.
    let mut base = None;
    if let Some(old) = old.filter(|old| store.was_in_state(&old.state).unwrap_or(false)) {
        let index = new_index(dim, &path)?;
        base = take(&index, dim, &path, &old, |index, name| {
            index.load(name).is_ok()
        })
        .then_some(index);
    }
    let state = store.state()?;
    let index = match base {
        Some(base) => match extend(store, base, dim, job)? {
            Some(index) => index,
            // Too much of the graph leads nowhere.
            None => fresh(store, dim, job)?,
        },
        None => fresh(store, dim, job)?,
    };
    write(store, &index, state)?;
    Ok(true)
}

fn fresh(store: &Reader, dim: usize, job: &Job) -> Result<Index> {
    let (path, _) = paths(store);
    match extend(store, new_index(dim, &path)?, dim, job)? {
        Some(index) => Ok(index),
        None => Err(failed(&path, "a new one holds passages that are not there")),
    }
}

/// Adds the passages that the index lacks; `None` where many of those that it has were removed.
fn extend(store: &Reader, index: Index, dim: usize, job: &Job) -> Result<Option<Index>> {
    let (path, _) = paths(store);
    let count = store.passage_count()?;
    index
        .reserve_capacity_and_threads(count as usize + index.size(), threads())
        .map_err(|e| failed(&path, e))?;
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
        if !index.contains(passage.key as u64) {
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
    Ok((removed <= REMOVED * count as f64).then_some(index))
}

/// Puts the index and its stamp beside the corpus.
fn write(store: &Reader, index: &Index, state: String) -> Result<()> {
    let (path, stamp_path) = paths(store);
    // The stamp comes last: without it, or with an old one, the index counts as stale. Each is
    // written beside its place and moved there, so that nobody maps a half of it.
    let new = NewFile::create(&path)?;
    named(new.path(), |name| index.save(name))
        .map_err(|e| Error::io(&path, e))?
        .map_err(|e| failed(&path, e))?;
    let read = |e| Error::io(&path, e);
    let stamp = Stamp {
        state,
        bytes: new.path().metadata().map_err(read)?.len(),
        sum: sum(new.path()).map_err(read)?,
        settings: SETTINGS,
    };
    new.finish()?;
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
