//! Changing topics by hand.

use super::super::args::CorpusArg;
use super::super::problem::usage;
use super::super::{Outcome, ui};
use super::labeller;
use anyhow::Result;
use clap::Args;
use nearwise::Reader;
use nearwise::topics::Topics;
use serde_json::json;

fn say(store: &Reader, ids: &[i64], json: bool) -> Result<Outcome> {
    let topics = Topics::stored(store)?;
    let chosen: Vec<_> = topics
        .topics
        .iter()
        .filter(|t| ids.contains(&t.id))
        .collect();
    if json {
        let list: Vec<_> = chosen
            .iter()
            .map(|t| json!({"topic": t.id, "label": t.label, "named": t.named, "size": t.size, "words": t.words}))
            .collect();
        ui::print_json(&list)?;
    } else {
        let mut out = String::new();
        for t in chosen {
            out.push_str(&format!(
                "{:>3}  {} ({})\n",
                t.id,
                ui::clean(&t.label),
                ui::count(t.size, "article")
            ));
        }
        ui::print(&out)?;
    }
    Ok(Outcome::Done)
}

/// Merge topics into the first that is named
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nearwise topics merge 3 7")]
pub(super) struct Merge {
    /// The topics' numbers
    #[arg(value_name = "TOPIC", required = true, num_args = 2.., value_parser = super::topic)]
    topics: Vec<i64>,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Merge {
    pub(super) fn run(self) -> Result<Outcome> {
        let mut store = self.corpus.writer()?;
        let running = ui::Running::new();
        let encoder = labeller(&store, running.job());
        let id = store.merge_topics(&self.topics, encoder.as_ref(), running.job())?;
        drop(running);
        say(&store, &[id], self.json)
    }
}

/// Split a topic; the largest piece keeps its number
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nearwise topics split 3 --into 4")]
pub(super) struct Split {
    /// The topic's number
    #[arg(value_name = "TOPIC", value_parser = super::topic)]
    topic: i64,
    /// Into how many
    #[arg(long, value_name = "N", default_value_t = 2)]
    into: usize,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Split {
    pub(super) fn run(self) -> Result<Outcome> {
        let mut store = self.corpus.writer()?;
        let running = ui::Running::new();
        let (encoder, job) = (labeller(&store, running.job()), running.job());
        let ids = store.split_topic(self.topic, self.into, encoder.as_ref(), job)?;
        drop(running);
        say(&store, &ids, self.json)
    }
}

/// Give a topic a name, which later fits keep
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nearwise topics rename 3 \"Space flight\"")]
pub(super) struct Rename {
    /// The topic's number
    #[arg(value_name = "TOPIC", value_parser = super::topic)]
    topic: i64,
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Rename {
    pub(super) fn run(self) -> Result<Outcome> {
        let name = self.name.trim();
        if name.is_empty() {
            return Err(usage("NAME", "give a name that is not empty"));
        }
        // It takes a moment, and is not left half done by a signal.
        let _running = ui::Running::new();
        let mut store = self.corpus.writer()?;
        store.rename_topic(self.topic, name)?;
        say(&store, &[self.topic], self.json)
    }
}
