//! Articles whose vectors are near: every pair of distinct vectors is compared, a block at a time.

use super::Compared;
use super::found::Found;
use crate::error::{Error, Result};
use crate::job::{Job, Stage};
use crate::store::Reader;
use ndarray::{Array2, Axis, s};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Rows and columns of the matrix products that are compared at a time.
const ROWS: usize = 256;
const COLUMNS: usize = 1024;

/// Pairs of articles whose cosine is at least `threshold`; not those of the same group in `apart`,
/// which has the group of an article's row.
pub(super) fn compare(
    store: &Reader,
    threshold: f32,
    most: usize,
    apart: &FxHashMap<i64, u32>,
    job: &Job,
) -> Result<Compared> {
    let (rows, values) = distinct(store, apart, job)?;
    let n = rows.len();
    let group = |i: usize| apart.get(&rows[i][0]).copied();
    let found = Mutex::new(Found::new(n, most));
    let done = AtomicU64::new(0);
    let blocks: Vec<usize> = (0..n).step_by(ROWS).collect();
    blocks.par_iter().try_for_each(|&i| {
        let block = values.slice(s![i..(i + ROWS).min(n), ..]);
        let mut near: Vec<(u32, u32, f32)> = Vec::new();
        for j in (i..n).step_by(COLUMNS) {
            job.check()?;
            let columns = values.slice(s![j..(j + COLUMNS).min(n), ..]);
            let cosines = block.dot(&columns.t());
            for (r, row) in cosines.axis_iter(Axis(0)).enumerate() {
                for (c, &cosine) in row.iter().enumerate() {
                    let (a, b) = (i + r, j + c);
                    if cosine >= threshold && a < b {
                        let one = group(a);
                        if one.is_none() || one != group(b) {
                            near.push((a as u32, b as u32, cosine));
                        }
                    }
                }
            }
            if !near.is_empty() {
                // What is found does not depend on the order in which it is told.
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                for (a, b, cosine) in near.drain(..) {
                    found.pair(a, b, cosine);
                }
            }
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        job.progress(Stage::Comparing, done, Some(blocks.len() as u64));
        Ok::<(), Error>(())
    })?;
    Ok(Compared {
        rows,
        found: found.into_inner().unwrap_or_else(PoisonError::into_inner),
    })
}

/// The distinct vectors of articles that the model can read, (vectors, dim), and the rows of the
/// articles that have each. Where some are kept `apart`, articles of one group are one vector.
fn distinct(
    store: &Reader,
    apart: &FxHashMap<i64, u32>,
    job: &Job,
) -> Result<(Vec<Vec<i64>>, Array2<f32>)> {
    let Some(dim) = store.identity()?.map(|i| i.dim) else {
        return Ok((Vec::new(), Array2::zeros((0, 0))));
    };
    let unread = store.unread()?;
    let mut rows: Vec<Vec<i64>> = Vec::new();
    let mut values: Vec<f32> = Vec::new();
    let mut known: FxHashMap<[u8; 16], usize> = FxHashMap::default();
    let mut scanned = 0u64;
    store.scan_articles(dim, None, |key, vector| {
        scanned += 1;
        if scanned.is_multiple_of(1024) {
            job.check()?;
        }
        if unread.contains(&key) {
            return Ok(());
        }
        let mut hasher = blake3::Hasher::new();
        for x in vector {
            hasher.update(&x.to_le_bytes());
        }
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        let next = rows.len();
        let at = *known.entry(digest).or_insert(next);
        if at == next {
            rows.push(vec![key]);
            values.extend_from_slice(vector);
        } else {
            let one = apart.get(&key);
            if one.is_none() || one != apart.get(&rows[at][0]) {
                rows[at].push(key);
            }
        }
        Ok(())
    })?;
    let values = Array2::from_shape_vec((rows.len(), dim), values)
        .map_err(|e| Error::internal(e.to_string()))?;
    Ok((rows, values))
}
