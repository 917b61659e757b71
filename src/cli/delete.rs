//! `nearwise delete`

use super::args::CorpusArg;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::Error;
use nearwise::store::Filter;
use serde_json::json;

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
    pub fn run(self) -> Result<Outcome> {
        if self.ids.is_empty() && self.filter.is_none() {
            return Err(Error::usage("ID", "give ids, or --where FILTER").into());
        }
        let mut store = self.corpus.open()?;
        let ids = match &self.filter {
            Some(filter) => {
                let filter = Filter::parse(filter, &store)?;
                let mut ids = Vec::new();
                for key in store.matching(&filter)? {
                    ids.push(store.article_at(key)?.id);
                }
                ids
            }
            None => self.ids.clone(),
        };
        let deleted = if self.dry_run {
            for id in &ids {
                store.key_of(id)?;
            }
            ids.len() as u64
        } else {
            store.delete(&ids)?
        };
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
}
