//! The approximate index: HNSW by usearch, in a file beside the corpus.
//!
//! Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs", 2016. The index is derived from the corpus:
//! it is built when it is missing, extended when passages were added, built anew when many
//! were removed or it belongs to another corpus.

use crate::error::{Error, Result};
use crate::store::{Closest, ScannedPassage, Store, dot};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

/// The number of passages from which search is approximate by itself. Below, comparing every
/// vector of a cold corpus takes less than a quarter of a second; see `benches/search.rs`.
pub const ANN_FROM: u64 = 200_000;

/// Neighbours of a node; candidates while building and while searching.
const CONNECTIVITY: usize = 24;
const EXPANSION_ADD: usize = 128;
const EXPANSION_SEARCH: usize = 128;
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
}

impl std::fmt::Debug for AnnIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnnIndex")
            .field("size", &self.index.size())
            .finish_non_exhaustive()
    }
}

fn paths(store: &Store) -> (PathBuf, PathBuf) {
    let base = store.path().as_os_str().to_os_string();
    let with = |end: &str| {
        let mut name = base.clone();
        name.push(end);
        PathBuf::from(name)
    };
    (with(".hnsw"), with(".hnsw.json"))
}

fn failed(path: &Path, e: impl std::fmt::Display) -> Error {
    Error::corpus(
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

impl AnnIndex {
    /// Opens the index if it is there and current; `None` where it must be refreshed first.
    ///
    /// # Errors
    /// The corpus is damaged.
    pub fn open(store: &Store) -> Result<Option<Self>> {
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
        // Mapped, not read: a search touches a small part of it.
        Ok(index
            .view(&path.to_string_lossy())
            .is_ok()
            .then_some(Self { index }))
    }

    /// The `k` articles whose best passage is nearest, with exact cosines.
    ///
    /// # Errors
    /// The index or the corpus is damaged.
    pub fn articles(
        &self,
        store: &Store,
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
                let mut closest = Closest::new(k);
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
    pub fn passages(&self, store: &Store, query: &[f32], n: usize) -> Result<Vec<i64>> {
        let matches = self
            .index
            .search(query, n)
            .map_err(|e| failed(&paths(store).0, e))?;
        Ok(matches.keys.into_iter().map(|key| key as i64).collect())
    }
}

/// Makes the index current: extends it by the passages it lacks, or builds it anew. `watch` is
/// told how many passages were added of how many. Does nothing when it is current.
///
/// # Errors
/// The index cannot be written, or the corpus is damaged.
pub fn refresh(store: &Store, watch: &(dyn Fn(u64, u64) + Sync)) -> Result<()> {
    if AnnIndex::open(store)?.is_some() {
        return Ok(());
    }
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
        .reserve(count as usize + index.size())
        .map_err(|e| failed(&path, e))?;
    let mut kept = 0u64;
    let mut missing: Vec<(i64, Vec<f32>)> = Vec::new();
    let mut added = 0u64;
    let mut problem = None;
    let mut add = |missing: &mut Vec<(i64, Vec<f32>)>, index: &Index| {
        let outcome = missing
            .par_iter()
            .try_for_each(|(key, vector)| index.add(*key as u64, vector));
        if let Err(e) = outcome {
            problem.get_or_insert_with(|| failed(&path, e));
        }
        added += missing.len() as u64;
        missing.clear();
        watch(added, count);
    };
    store.scan_passages(dim, None, |passage, vector| {
        if index.contains(passage.key as u64) {
            kept += 1;
        } else {
            missing.push((passage.key, vector.to_vec()));
            if missing.len() == 4096 {
                add(&mut missing, &index);
            }
        }
    })?;
    add(&mut missing, &index);
    if let Some(problem) = problem {
        return Err(problem);
    }
    let removed = index.size() as f64 - count as f64;
    if kept > 0 && removed > REMOVED * count as f64 {
        // Too much of the graph leads nowhere.
        drop(index);
        std::fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        std::fs::remove_file(&stamp_path).map_err(|e| Error::io(&stamp_path, e))?;
        return refresh(store, watch);
    }

    // The stamp comes last: without it, or with an old one, the index counts as stale.
    let new_path = path.with_extension("hnsw-new");
    index
        .save(&new_path.to_string_lossy())
        .map_err(|e| failed(&path, e))?;
    let bytes = new_path
        .metadata()
        .map_err(|e| Error::io(&new_path, e))?
        .len();
    std::fs::rename(&new_path, &path).map_err(|e| Error::io(&path, e))?;
    let stamp = Stamp {
        uuid,
        generation,
        bytes,
        settings,
    };
    let text = serde_json::to_vec(&stamp).unwrap_or_default();
    std::fs::write(&stamp_path, text).map_err(|e| Error::io(&stamp_path, e))
}
