//! Texts that share most of their wording: MinHash with locality-sensitive hashing finds the
//! candidates, and each is compared exactly.

use super::Compared;
use super::found::Found;
use super::shingles::{BANDS, MinHash, jaccard};
use super::texts::Texts;
use crate::error::Result;
use crate::job::{Job, Stage};
use crate::store::Reader;
use rayon::prelude::*;

/// The most texts of a bucket that are all compared with each other. What a template or a series
/// of updates made can be thousands; of more, each is compared with a few [`LEADERS`].
const ALL_PAIRS: usize = 64;
/// Texts of a large bucket that others are compared with until one is near enough.
const LEADERS: usize = 8;
/// Buckets between two looks at the job.
const LOOK: usize = 256;

/// Pairs of texts whose Jaccard index is at least `threshold`.
pub(super) fn compare(store: &Reader, threshold: f32, most: usize, job: &Job) -> Result<Compared> {
    let mut signatures: Vec<u32> = Vec::new();
    let mut texts = Texts::read(store, job, MinHash::of, |s| signatures.extend(s.0))?;
    let n = texts.len();
    let of = |text: u32| &signatures[text as usize * BANDS..][..BANDS];
    let mut found = Found::new(n, most);
    // For each text the bands in which it was compared with all of its bucket, one bit each.
    let mut small: Vec<u64> = vec![0; n];
    for band in 0..BANDS {
        job.progress(Stage::Comparing, band as u64, Some(BANDS as u64));
        let mut order: Vec<(u32, u32)> = (0..n as u32).map(|t| (of(t)[band], t)).collect();
        order.par_sort_unstable();
        for (i, bucket) in order.chunk_by(|a, b| a.0 == b.0).enumerate() {
            if i.is_multiple_of(LOOK) {
                job.check()?;
            }
            if bucket.len() > ALL_PAIRS {
                by_leaders(&mut texts, bucket, threshold, &mut found, job)?;
                continue;
            }
            for (j, &(_, b)) in bucket.iter().enumerate() {
                for &(_, a) in &bucket[..j] {
                    let before = small[a as usize] & small[b as usize];
                    let met = (0..band).any(|k| before >> k & 1 == 1 && of(a)[k] == of(b)[k]);
                    if !met && may_reach(&texts, a, b, threshold) {
                        verify(&mut texts, a, b, threshold, &mut found)?;
                    }
                }
            }
            for &(_, text) in bucket {
                small[text as usize] |= 1 << band;
            }
        }
    }
    Ok(Compared {
        rows: texts.rows,
        found,
    })
}

/// Whether the sizes of two texts allow of a Jaccard index of `threshold`.
fn may_reach(texts: &Texts<'_>, a: u32, b: u32, threshold: f32) -> bool {
    let (a, b) = (texts.sizes[a as usize], texts.sizes[b as usize]);
    a.min(b) as f32 >= threshold * a.max(b) as f32
}

fn verify(
    texts: &mut Texts<'_>,
    a: u32,
    b: u32,
    threshold: f32,
    found: &mut Found,
) -> Result<bool> {
    let (x, y) = (texts.shingles(a)?, texts.shingles(b)?);
    let score = jaccard(&x, &y);
    if score < threshold {
        return Ok(false);
    }
    found.pair(a, b, score);
    Ok(true)
}

/// Compares each text of a large bucket with its leaders, until one is alike; a text that is like
/// none becomes one.
fn by_leaders(
    texts: &mut Texts<'_>,
    bucket: &[(u32, u32)],
    threshold: f32,
    found: &mut Found,
    job: &Job,
) -> Result<()> {
    let mut leaders: Vec<u32> = Vec::new();
    for (i, &(_, text)) in bucket.iter().enumerate() {
        if i.is_multiple_of(LOOK) {
            job.check()?;
        }
        let head = found.head(text);
        let mut led = leaders.iter().any(|&l| found.head(l) == head);
        for &leader in &leaders {
            if led {
                break;
            }
            led = may_reach(texts, leader, text, threshold)
                && verify(texts, leader, text, threshold, found)?;
        }
        if !led && leaders.len() < LEADERS {
            leaders.push(text);
        }
    }
    Ok(())
}
