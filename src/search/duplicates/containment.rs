//! Texts that stand in longer ones: an agency's brief in a newspaper's story.
//!
//! Broder's containment of a short text in a long one is the share of its shingles that the other
//! holds too. Each text is known by a few of its shingles, those with the lowest hashes, which are
//! a fair sample of it. A table leads from them to the texts; every text looks up all of its
//! shingles, and those of which it holds enough are compared exactly.
//!
//! What many texts share (a template, a story that grew from update to update) leads to too many of
//! them. Then a text looks at those that are nearest to it in length, each of which looks at the next,
//! and at the shortest, so that time stays linear and the groups are whole.

use super::Compared;
use super::found::Found;
use super::shingles::contained;
use super::texts::Texts;
use crate::error::Result;
use crate::job::{Job, Stage};
use crate::store::Reader;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// Shingles that a text is known by. At a containment of 0.7, that of a sample of 32 is below 0.5
/// for one text in a hundred and ninety.
const SAMPLE: usize = 32;
/// How much less of the sample than the threshold makes a candidate.
const SLACK: f32 = 0.2;
/// The fewest shingles of a text that is looked for: ten words stand in another by chance.
const LEAST: u32 = 8;
/// The most texts that one shingle leads to. Of more, half are the shortest, and half those that are
/// next to the text in length.
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
    let table = Table::new(&texts.sizes, samples);
    let mut found = Found::new(n as usize, most);
    // The text that holds most of each text, and how much.
    let mut within: FxHashMap<u32, (f32, u32)> = FxHashMap::default();
    for long in 0..n {
        if long % LOOK == 0 {
            job.progress(Stage::Comparing, u64::from(long), Some(u64::from(n)));
            job.check()?;
        }
        let whole = texts.shingles(long)?;
        let mut hits: FxHashMap<u32, Hits> = FxHashMap::default();
        for shingle in whole.iter() {
            let run = table.run(*shingle);
            // Those that may stand in this text come first.
            let shorter = &run[..run.partition_point(|&text| shorter(&texts.sizes, text, long))];
            if run.len() <= MOST {
                for &short in shorter {
                    hits.entry(short).or_default().sure += 1;
                }
            } else {
                let (all, half) = (shorter.len(), MOST / 2);
                let near = &shorter[all.saturating_sub(half)..];
                let shortest = &shorter[..half.min(all - near.len())];
                for &short in near.iter().chain(shortest) {
                    hits.entry(short).or_default().by_chance += 1;
                }
            }
        }
        let mut candidates: Vec<(f32, Reverse<u32>, u32)> = hits
            .into_iter()
            .map(|(short, hits)| {
                let share = hits.share(table.usable[short as usize]);
                (share, Reverse(hits.sure + hits.by_chance), short)
            })
            .filter(|(share, ..)| *share >= threshold - SLACK)
            .collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for (.., short) in candidates.into_iter().take(CANDIDATES) {
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
    let size = |text: u32| (sizes[text as usize], Reverse(text));
    size(short) < size(long)
}

/// How many shingles of a text's sample another text holds.
#[derive(Default, Clone, Copy)]
struct Hits {
    /// Of those that lead to few texts, and so to this one from every text that holds them.
    sure: u32,
    /// Of those that lead to many texts, by which this one is only found from some.
    by_chance: u32,
}

impl Hits {
    /// The share of the sample that is held, as far as it can be known; `usable` shingles of it
    /// lead to few texts.
    fn share(self, usable: u32) -> f32 {
        (self.sure + self.by_chance) as f32 / (usable + self.by_chance) as f32
    }
}

/// The texts that each shingle of the samples leads to.
struct Table {
    /// The shingles, sorted, each with the place of its first text.
    first: Vec<(u64, u32)>,
    /// The texts of each shingle, shortest first.
    texts: Vec<u32>,
    /// Of how many shingles of its sample that lead to few texts each text can be known.
    usable: Vec<u32>,
}

impl Table {
    fn new(sizes: &[u32], samples: Vec<Vec<u64>>) -> Self {
        let mut all: Vec<(u64, u32)> = samples
            .into_iter()
            .zip(0u32..)
            .filter(|(_, text)| sizes[*text as usize] >= LEAST)
            .flat_map(|(sample, text)| sample.into_iter().map(move |shingle| (shingle, text)))
            .collect();
        // As `shorter` orders them.
        all.par_sort_unstable_by_key(|&(shingle, text)| {
            (shingle, sizes[text as usize], Reverse(text))
        });
        let mut table = Self {
            first: Vec::new(),
            texts: Vec::with_capacity(all.len()),
            usable: vec![0; sizes.len()],
        };
        for run in all.chunk_by(|a, b| a.0 == b.0) {
            table.first.push((run[0].0, table.texts.len() as u32));
            for &(_, text) in run {
                table.texts.push(text);
                table.usable[text as usize] += u32::from(run.len() <= MOST);
            }
        }
        table
    }

    /// The texts that a shingle leads to, shortest first.
    fn run(&self, shingle: u64) -> &[u32] {
        let Ok(at) = self.first.binary_search_by_key(&shingle, |entry| entry.0) else {
            return &[];
        };
        let end = self.first.get(at + 1);
        let end = end.map_or(self.texts.len(), |next| next.1 as usize);
        &self.texts[self.first[at].1 as usize..end]
    }
}
