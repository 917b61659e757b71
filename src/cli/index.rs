//! `nearwise index`

use super::args::{CorpusArg, InputArgs, ModelArgs};
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::corpus::Input;
use nearwise::encoder::Encoder;
use nearwise::index::{Report, index};
use nearwise::search::{ANN_FROM, refresh_ann};
use nearwise::store::Store;
use std::path::Path;
use std::time::Duration;

/// Read articles into a corpus and embed what is new or changed
///
/// Formats are txt, md, html, jsonl (ndjson), csv, tsv and parquet, each also .gz or .zst.
/// Run it again to bring the corpus up to date: only what is new or changed is embedded.
/// Ctrl-C or a kill loses nothing that was committed; the next run goes on from there.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise index articles/ --corpus news.nearwise\n  \
    nearwise index 'dump/*.jsonl.gz' --text-column body --skip-bad -c news.nearwise\n  \
    zcat dump.jsonl.gz | nearwise index - -c news.nearwise"
)]
pub(super) struct Index {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    corpus: CorpusArg,
    #[command(flatten)]
    model: ModelArgs,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Index {
    pub fn run(self) -> Result<Outcome> {
        let inputs = self.input.inputs()?;
        let path = self.corpus.path()?;
        let (store, _, report) = into_corpus(&path, &inputs, &self.input, &self.model)?;
        if self.json {
            ui::print_json(&report)?;
        } else {
            let counts = store.counts()?;
            ui::print(&format!(
                "{}\n{} in {} passages in {}\n",
                summary(&report),
                ui::count(counts.articles, "article"),
                ui::number(counts.passages),
                path.display()
            ))?;
        }
        Ok(Outcome::Done)
    }
}

/// Opens or makes a corpus and indexes into it; `explore` does the same.
pub(super) fn into_corpus(
    path: &Path,
    inputs: &[Input],
    args: &InputArgs,
    model: &ModelArgs,
) -> Result<(Store, Encoder, Report)> {
    let fresh = !path.exists();
    let mut store = Store::create(path)?;
    let outcome = model.open(Some(&store)).and_then(|mut encoder| {
        let report = run(&mut store, &mut encoder, inputs, args)?;
        Ok((encoder, report))
    });
    match outcome {
        Ok((encoder, report)) => Ok((store, encoder, report)),
        Err(e) => {
            if fresh {
                // The first problem is the one to tell.
                let _ = store.remove_if_empty();
            }
            Err(e)
        }
    }
}

/// Indexes with progress shown.
fn run(
    store: &mut Store,
    encoder: &mut Encoder,
    inputs: &[Input],
    args: &InputArgs,
) -> Result<Report> {
    let mut watcher = ui::Watcher::new(&encoder.about());
    let stop = ui::stop_flag();
    let outcome = index(
        store,
        encoder,
        inputs,
        &args.options(),
        &mut |event| watcher.event(event),
        &stop,
    );
    watcher.finish();
    let report = outcome?;
    if store.passage_count()? >= ANN_FROM {
        eprintln!("building the approximate index");
        refresh_ann(store, &|_, _| {})?;
    }
    Ok(report)
}

/// One line that says what a run did.
pub(super) fn summary(report: &Report) -> String {
    let mut parts = vec![format!("{} read", ui::count(report.read, "article"))];
    for (n, what) in [
        (report.new, "new"),
        (report.changed, "changed"),
        (report.described, "with new metadata"),
        (report.same, "as before"),
        (report.pruned, "removed"),
        (report.bad, "left out"),
    ] {
        if n > 0 {
            parts.push(format!("{} {what}", ui::number(n)));
        }
    }
    let mut line = parts.join(", ");
    if report.embedded > 0 {
        let seconds = report.embedding_seconds.max(1e-3);
        line.push_str(&format!(
            "; {} embedded in {} ({} tokens/s)",
            ui::number(report.embedded),
            ui::span(Duration::from_secs_f64(report.embedding_seconds)),
            ui::number((report.tokens as f64 / seconds) as u64)
        ));
    }
    if report.recurring_paragraphs > 0 {
        line.push_str(&format!(
            "; {} recur and are kept out of the vectors",
            ui::count(report.recurring_paragraphs, "paragraph")
        ));
    }
    line
}
