//! `nearwise delete`

use super::args::CorpusArg;
use super::problem::usage;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::{Job, Reader};
use serde_json::json;
use std::collections::BTreeSet;

/// Delete articles from a corpus, by id or by a filter
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  nearwise delete wire-017 wire-018\n  \
    nearwise delete --where 'date < 2010' --dry-run")]
pub(super) struct Delete {
    /// Ids; all are deleted or, if one is unknown, none
    ids: Vec<String>,
    /// Every article that matches
    #[arg(long = "where", value_name = "FILTER", conflicts_with = "ids")]
    filter: Option<String>,
    /// Only say how many
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Delete {
    pub(super) fn run(self) -> Result<Outcome> {
        if self.ids.is_empty() && self.filter.is_none() {
            return Err(usage("ID", "give ids, or --where FILTER"));
        }
        let corpus = self.corpus.open()?;
        // A signal leaves all as it was.
        let running = ui::Running::new();
        let deleted = if self.dry_run {
            self.ids(&corpus.reader()?, running.job())?.len() as u64
        } else {
            let mut writer = corpus.writer()?;
            let ids = self.ids(&writer, running.job())?;
            writer.delete_with(&ids, running.job())?
        };
        drop(running);
        if self.json {
            ui::print_json(&json!({"deleted": deleted, "dry_run": self.dry_run}))?;
        } else {
            let verb = if self.dry_run {
                "would be deleted"
            } else {
                "deleted"
            };
            ui::print(&format!("{} {verb}\n", ui::count(deleted, "article")))?;
        }
        Ok(if deleted == 0 {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }

    /// The ids that are to be deleted, each once.
    fn ids(&self, reader: &Reader, job: &Job) -> Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        match &self.filter {
            Some(filter) => {
                let filter = super::args::filter(filter, reader)?;
                for key in reader.matching(&filter)? {
                    job.check()?;
                    ids.insert(reader.article_at(key)?.id);
                }
            }
            None => {
                for id in &self.ids {
                    reader.key_of(id)?;
                    ids.insert(id.clone());
                }
            }
        }
        Ok(ids)
    }
}
