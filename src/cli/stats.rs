//! `nearwise stats`

use super::args::CorpusArg;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::search::AnnIndex;
use serde_json::json;

/// Show what a corpus holds: articles, passages, model, topics, size
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nearwise stats -c news.nearwise")]
pub(super) struct Stats {
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(super) fn run(self) -> Result<Outcome> {
        let store = self.corpus.reader()?;
        let counts = store.counts()?;
        let identity = store.identity()?;
        let run = store.topic_run()?;
        let generation = store.generation()?;
        let stale = run.as_ref().is_some_and(|r| r.generation != generation);
        let bytes = store.path().metadata()?.len();
        let ann = AnnIndex::open(&store)?.is_some();
        let fields = store.fields()?;
        if self.json {
            ui::print_json(&json!({
                "corpus": store.path().display().to_string(), "bytes": bytes, "counts": counts, "model": identity,
                "topics": run, "topics_stale": stale, "approximate_index": ann, "metadata": fields,
            }))?;
            return Ok(Outcome::Done);
        }
        let mut rows = vec![
            (
                "corpus",
                format!(
                    "{} ({} KiB)",
                    store.path().display(),
                    ui::number(bytes / 1024)
                ),
            ),
            ("articles", ui::number(counts.articles)),
            ("passages", ui::number(counts.passages)),
            ("tokens", ui::number(counts.tokens)),
        ];
        if counts.pending > 0 {
            rows.push((
                "waiting",
                format!(
                    "{} not embedded yet; run `nearwise index` again",
                    ui::count(counts.pending, "article")
                ),
            ));
        }
        if let Some(i) = identity {
            rows.push((
                "model",
                format!(
                    "{} ({}, vectors of {}, {} tokens a passage)",
                    i.model, i.dtype, i.dim, i.max_tokens
                ),
            ));
        }
        rows.push((
            "topics",
            match run {
                Some(r) if stale => format!(
                    "{}, of an earlier state of the corpus; see `nearwise topics drift`",
                    r.k
                ),
                Some(r) => format!("{} by {}, silhouette {:.2}", r.k, r.method, r.silhouette),
                None => "none yet; run `nearwise topics`".to_string(),
            },
        ));
        rows.push((
            "search",
            if ann {
                "approximate index beside the corpus"
            } else {
                "exact"
            }
            .to_string(),
        ));
        if !fields.is_empty() {
            rows.push(("metadata", fields.join(", ")));
        }
        let mut out = String::new();
        for (name, value) in rows {
            out.push_str(&format!("{name:<10} {}\n", ui::clean(&value)));
        }
        ui::print(&out)?;
        Ok(Outcome::Done)
    }
}
