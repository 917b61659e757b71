//! The distinct texts of a corpus, and the articles that have each: copies are found by one look
//! into a table, and compared with nothing.

use super::shingles::shingles;
use super::{BATCH, own_text};
use crate::corpus::fingerprint::fingerprint;
use crate::error::Result;
use crate::job::{Job, Stage};
use crate::store::Reader;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of text that are read before they are counted.
const BATCH_BYTES: usize = 16 << 20;
/// Shingles that are held at a time, 8 bytes each: those of some 40,000 news stories. Beyond that
/// a text is read again when it is compared.
const HELD: usize = 16 << 20;

/// The distinct texts of a corpus, boilerplate left out. Those without a word are none.
pub(super) struct Texts<'a> {
    store: &'a Reader,
    /// The rows of the articles that have each text, in the order in which they were read.
    pub rows: Vec<Vec<i64>>,
    /// How many shingles each has.
    pub sizes: Vec<u32>,
    held: HashMap<u32, Arc<[u64]>>,
    held_shingles: usize,
}

impl<'a> Texts<'a> {
    /// Reads the corpus. `sketch` is made of each distinct text's shingles, on any thread, and
    /// `keep` takes it, in the order of the texts.
    pub(super) fn read<S: Send>(
        store: &'a Reader,
        job: &Job,
        sketch: impl Fn(&[u64]) -> S + Sync,
        mut keep: impl FnMut(S),
    ) -> Result<Self> {
        let mut out = Self {
            store,
            rows: Vec::new(),
            sizes: Vec::new(),
            held: HashMap::new(),
            held_shingles: 0,
        };
        let mut known: HashMap<u128, u32> = HashMap::new();
        let mut batch: Vec<(i64, String)> = Vec::new();
        let mut bytes = 0;
        let mut done = 0;
        let mut take = |batch: &mut Vec<(i64, String)>| -> Result<()> {
            let read: Vec<(i64, u128, Vec<u64>)> = batch
                .par_iter()
                .map(|(key, text)| (*key, shingles(text)))
                .filter(|(_, shingles)| !shingles.is_empty())
                .map(|(key, shingles)| (key, digest(&shingles), shingles))
                .collect();
            done += batch.len() as u64;
            batch.clear();
            let mut new: Vec<(u32, Vec<u64>)> = Vec::new();
            for (key, digest, shingles) in read {
                let next = out.rows.len() as u32;
                let text = *known.entry(digest).or_insert(next);
                if text == next {
                    out.rows.push(Vec::new());
                    out.sizes.push(shingles.len() as u32);
                    new.push((text, shingles));
                }
                out.rows[text as usize].push(key);
            }
            let sketches: Vec<S> = new.par_iter().map(|(_, s)| sketch(s)).collect();
            sketches.into_iter().for_each(&mut keep);
            for (text, shingles) in new {
                if out.held_shingles + shingles.len() <= HELD {
                    out.hold(text, shingles.into());
                }
            }
            job.progress(Stage::Comparing, done, None);
            job.check()
        };
        store.each_article(|article| {
            let text = own_text(&article);
            bytes += text.len();
            batch.push((article.key, text));
            if batch.len() == BATCH || bytes >= BATCH_BYTES {
                bytes = 0;
                take(&mut batch)?;
            }
            Ok(())
        })?;
        take(&mut batch)?;
        Ok(out)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The shingles of a text.
    pub(super) fn shingles(&mut self, text: u32) -> Result<Arc<[u64]>> {
        if let Some(held) = self.held.get(&text) {
            return Ok(held.clone());
        }
        let article = self.store.article_at(self.rows[text as usize][0])?;
        let shingles: Arc<[u64]> = shingles(&own_text(&article)).into();
        if self.held_shingles + shingles.len() > HELD {
            self.held.clear();
            self.held_shingles = 0;
        }
        self.hold(text, shingles.clone());
        Ok(shingles)
    }

    fn hold(&mut self, text: u32, shingles: Arc<[u64]>) {
        self.held_shingles += shingles.len();
        self.held.insert(text, shingles);
    }
}

/// Tells sets of shingles apart.
fn digest(shingles: &[u64]) -> u128 {
    let bytes: Vec<u8> = shingles.iter().flat_map(|s| s.to_le_bytes()).collect();
    fingerprint([bytes.as_slice()])
}
