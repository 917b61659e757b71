//! Texts that stand in longer ones: an agency's brief in a newspaper's story.
//!
//! Broder's containment of a short text in a long one is the share of its shingles that the other
//! holds too. Each text is known by a few of its shingles, those with the lowest hashes, which are
//! a fair sample of it. A table leads from them to the texts; every text looks up all of its
//! shingles, and those of which it holds enough are compared exactly.

use super::Compared;
use super::found::Found;
use super::shingles::contained;
use super::texts::Texts;
use crate::error::Result;
use crate::job::{Job, Stage};
use crate::store::Reader;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// Shingles that a text is known by. At a containment of 0.7, that of a sample of 32 is below 0.5
/// for one text in a hundred and ninety.
const SAMPLE: usize = 32;
/// How much less of the sample than the threshold makes a candidate.
const SLACK: f32 = 0.2;
/// The fewest shingles of a text that is looked for: ten words stand in another by chance.
const LEAST: u32 = 8;
/// The most texts that one shingle leads to, the shortest of those that it could lead to. What more
/// of them share is a phrase of the trade.
const MOST: usize = 64;
/// The most candidates that are compared with one text, the likeliest.
const CANDIDATES: usize = 256;
/// Texts between two looks at the job.
const LOOK: u32 = 256;

/// Pairs of a text and a longer one that holds at least `threshold` of it.
pub(super) fn compare(store: &Reader, threshold: f32, most: usize, job: &Job) -> Result<Compared> {
    let mut samples: Vec<Vec<u64>> = Vec::new();
    let sample = |shingles: &[u64]| shingles[..shingles.len().min(SAMPLE)].to_vec();
    let mut texts = Texts::read(store, job, sample, |s| samples.push(s))?;
    let n = texts.len() as u32;
    let (table, usable) = table(&texts.sizes, samples);
    let mut found = Found::new(n as usize, most);
    // The text that holds most of each text, and how much.
    let mut within: FxHashMap<u32, (f32, u32)> = FxHashMap::default();
    for long in 0..n {
        if long % LOOK == 0 {
            job.progress(Stage::Comparing, u64::from(long), Some(u64::from(n)));
            job.check()?;
        }
        let whole = texts.shingles(long)?;
        let mut hits: FxHashMap<u32, u32> = FxHashMap::default();
        for shingle in whole.iter() {
            let first = table.partition_point(|entry| entry.0 < *shingle);
            for &(_, short) in table[first..].iter().take_while(|e| e.0 == *shingle) {
                if shorter(&texts.sizes, short, long) {
                    *hits.entry(short).or_default() += 1;
                }
            }
        }
        let mut candidates: Vec<(f32, u32)> = hits
            .into_iter()
            .map(|(short, n)| (n as f32 / usable[short as usize] as f32, short))
            .filter(|(share, _)| *share >= threshold - SLACK)
            .collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, short) in candidates.into_iter().take(CANDIDATES) {
            let score = contained(&texts.shingles(short)?, &whole);
            if score < threshold {
                continue;
            }
            found.keep(short, long, score);
            let size = |text: u32| texts.sizes[text as usize];
            let better = within
                .get(&short)
                .is_none_or(|&(best, of)| score > best || score == best && size(long) > size(of));
            if better {
                within.insert(short, (score, long));
            }
        }
    }
    // Two stories that quote the same brief are no copies of each other: a text joins only the one
    // that holds most of it.
    for (short, (_, long)) in within {
        found.join(short, long);
    }
    Ok(Compared {
        rows: texts.rows,
        found,
    })
}

/// Whether the first text is the one that may stand in the second; of equally long ones that
/// which was read later.
fn shorter(sizes: &[u32], short: u32, long: u32) -> bool {
    let size = |text: u32| (sizes[text as usize], std::cmp::Reverse(text));
    size(short) < size(long)
}

/// The texts that each shingle leads to, sorted, and of how many shingles of its sample each text
/// can be known.
fn table(sizes: &[u32], samples: Vec<Vec<u64>>) -> (Vec<(u64, u32)>, Vec<u32>) {
    let mut table: Vec<(u64, u32)> = samples
        .into_iter()
        .zip(0u32..)
        .filter(|(_, text)| sizes[*text as usize] >= LEAST)
        .flat_map(|(sample, text)| sample.into_iter().map(move |shingle| (shingle, text)))
        .collect();
    table.par_sort_unstable_by_key(|&(shingle, text)| (shingle, sizes[text as usize], text));
    let mut usable = vec![0; sizes.len()];
    let mut run = 0;
    let mut before = None;
    table.retain(|&(shingle, text)| {
        run = if before == Some(shingle) { run + 1 } else { 0 };
        before = Some(shingle);
        if run < MOST {
            usable[text as usize] += 1;
        }
        run < MOST
    });
    (table, usable)
}
