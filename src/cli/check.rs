//! `nearwise check`

use super::args::CorpusArg;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::search::{AnnIndex, IndexState};
use nearwise::store::{Checked, Heal};
use nearwise::{Corpus, Error, ErrorKind, Job};
use serde_json::json;

/// Compare a corpus with its checksums, and say what is damaged and how to heal it
///
/// Every page of the file is read, and its tables are compared with each other: indexes, words,
/// vectors, passages and topics; and the approximate index beside it. Exits with 1 where something
/// is damaged.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise check -c news.nearwise\n  nearwise check --repair && nearwise index news.jsonl"
)]
pub(super) struct Check {
    /// Save what can be read into a new file and put it in the place of the damaged one, which is
    /// kept beside it; indexes are made anew, and articles without their vectors wait for `index`
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const RESTORE: &str = "restore it from a copy, or index the articles into a new corpus";

impl Check {
    pub(super) fn run(self) -> Result<Outcome> {
        let path = self.corpus.path()?;
        let running = ui::Running::new();
        let job = running.job();
        let corpus = Corpus::open_damaged(&path)?;
        let checked = corpus.check(job)?;
        let index = index(&corpus, &checked, self.repair)?;
        let repaired = if self.repair && !checked.is_whole() {
            let repaired = corpus.repair(job)?;
            if repaired.kept.is_some() {
                AnnIndex::remove(&corpus.reader()?)?;
            }
            Some(repaired)
        } else {
            None
        };
        drop(running);
        if self.json {
            ui::print_json(&json!({
                "corpus": path.display().to_string(), "whole": checked.is_whole(), "checked": checked,
                "approximate_index": index, "repaired": repaired,
            }))?;
        } else {
            ui::print(&text(&checked, index, self.repair))?;
        }
        let Some(repaired) = repaired else {
            return verdict(&checked);
        };
        if !self.json {
            let mut out = match &repaired.kept {
                Some(kept) => format!(
                    "\nrepaired: {} saved; the damaged file is {}\n",
                    ui::count(repaired.articles, "article"),
                    ui::clean(&kept.display().to_string())
                ),
                None => format!(
                    "\nrepaired: {} got checksums; nothing else was changed, and what they held before another program wrote them could not be compared\n",
                    ui::count(repaired.resealed, "page"),
                ),
            };
            if repaired.pending > 0 && repaired.kept.is_some() {
                out.push_str(&format!(
                    "{} lost their vectors: index again, any input will do\n",
                    ui::count(repaired.pending, "article")
                ));
            }
            if repaired.pending > 0 && repaired.own_vectors {
                out.push_str(
                    "vectors that articles brought come back only where those are indexed again with them; do that first\n",
                );
            }
            if repaired.metadata_lost > 0 {
                out.push_str(&format!(
                    "{} lost their metadata: index them again from where they came from\n",
                    ui::count(repaired.metadata_lost, "article")
                ));
            }
            if repaired.lost > 0 {
                out.push_str(&format!(
                    "{} lost: index them again from where they came from\n",
                    ui::count(repaired.lost, "article")
                ));
            }
            if repaired.topics_lost {
                out.push_str("the topics are lost: run `nearwise topics fit`\n");
            }
            ui::print(&out)?;
        }
        // What was put in its place is looked at as well.
        verdict(&corpus.check(&Job::new())?)
    }
}

/// How the approximate index is; a damaged one is removed where that was asked for.
fn index(corpus: &Corpus, checked: &Checked, repair: bool) -> Result<Option<IndexState>> {
    let state = match corpus.reader().and_then(|reader| AnnIndex::state(&reader)) {
        Ok(state) => state,
        Err(_) if !checked.is_whole() => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    if repair && state == IndexState::Damaged {
        AnnIndex::remove(&corpus.reader()?)?;
    }
    Ok(Some(state))
}

fn text(checked: &Checked, index: Option<IndexState>, repair: bool) -> String {
    let mut out = format!(
        "{}, {} read\n",
        ui::count(checked.articles, "article"),
        ui::count(checked.pages, "page"),
    );
    if checked.pending > 0 {
        out.push_str(&format!(
            "{} not embedded yet\n",
            ui::count(checked.pending, "article")
        ));
    }
    if !checked.unsealed_pages.is_empty() {
        out.push_str(&format!(
            "{} without a checksum\n",
            ui::count(checked.unsealed_pages.len() as u64, "page")
        ));
    }
    if !checked.damaged_pages.is_empty() {
        out.push_str(&format!(
            "{} damaged\n",
            ui::count(checked.damaged_pages.len() as u64, "page")
        ));
    }
    for fault in &checked.faults {
        out.push_str(&format!(
            "damaged: {}: {}\n",
            ui::clean(&fault.place),
            ui::clean(&fault.message)
        ));
    }
    for left in &checked.not_checked {
        out.push_str(&format!("not looked at: {}\n", ui::clean(left)));
    }
    match index {
        Some(IndexState::Damaged) if repair => {
            out.push_str("the approximate index was damaged and is removed\n");
        }
        Some(IndexState::Damaged) => {
            out.push_str("the approximate index is damaged; it is not used, and made anew\n");
        }
        Some(IndexState::Stale) => {
            out.push_str(
                "the approximate index is of an earlier state; it is not used, and made anew\n",
            );
        }
        _ => {}
    }
    if checked.is_whole() {
        out.push_str("nothing is damaged\n");
    }
    out
}

/// Nothing where the corpus is whole, and else what heals it.
fn verdict(checked: &Checked) -> Result<Outcome> {
    let Some(worst) = checked.faults.iter().map(|fault| fault.heal).max() else {
        return Ok(Outcome::Done);
    };
    let what = match worst {
        Heal::Restore => RESTORE,
        Heal::RepairAndIndex => {
            "`nearwise check --repair` saves the rest; then index what it names again"
        }
        _ => "`nearwise check --repair` heals it; then run `nearwise index` where it says so",
    };
    Err(Error::new(
        ErrorKind::Damaged,
        "",
        format!("the corpus is damaged; {what}"),
    )
    .into())
}
