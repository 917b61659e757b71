//! `nearwise index`

use super::args::{CorpusArg, InputArgs, ModelArgs};
use super::problem::input_advice;
use super::{Outcome, ui};
use anyhow::{Result, bail};
use clap::Args;
use nearwise::corpus::Input;
use nearwise::index::Report;
use nearwise::search::Mode;
use nearwise::{Corpus, Encoder, Error, ErrorKind, Writer};
use std::path::Path;
use std::time::Duration;

/// Read articles into a corpus and embed what is new or changed
///
/// Formats are txt, md, html, json, jsonl, csv, tsv, parquet, xml (RSS, Atom, WordPress, dumps of wikis), eml, mbox,
/// mhtml, docx, pdf, warc, sgm, ris, nbib, enw, bib, srt and vtt, each also packed (.gz, .bz2, .xz, .zst) or in
/// a zip or tar archive;
/// what names do not tell, contents do.
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
    /// Keep only the first N values of each vector, for models trained for that (Matryoshka); the
    /// rest is scaled to unit length. The corpus keeps to it
    #[arg(long, value_name = "N", value_parser = super::args::positive)]
    dim: Option<usize>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Index {
    pub(super) fn run(self) -> Result<Outcome> {
        let inputs = self.input.inputs()?;
        let path = self.corpus.path()?;
        let (writer, _, report) = into_corpus(&path, &inputs, &self.input, &self.model, self.dim)?;
        if self.json {
            ui::print_json(&report)?;
        } else {
            let counts = writer.counts()?;
            ui::print(&format!(
                "{}\n{} in {} passages in {}\n",
                summary(&report),
                ui::count(counts.articles, "article"),
                ui::number(counts.passages),
                path.display()
            ))?;
        }
        pruned(&report)?;
        Ok(Outcome::Done)
    }
}

/// Fails where pruning asks for leave.
pub(super) fn pruned(report: &Report) -> Result<()> {
    if report.not_pruned > 0 {
        bail!(
            "--prune: {} would be removed, which is most of what is known from these paths; nothing was; --yes removes them",
            ui::count(report.not_pruned, "article")
        );
    }
    Ok(())
}

/// Opens or makes a corpus and indexes into it; `explore` does the same. The writer is kept, so
/// that nobody changes the corpus before its report is printed.
pub(super) fn into_corpus(
    path: &Path,
    inputs: &[Input],
    args: &InputArgs,
    model: &ModelArgs,
    dim: Option<usize>,
) -> Result<(Writer, Encoder, Report)> {
    // Before anything is made, so that a signal leaves nothing half made.
    let running = ui::Running::new();
    let job = running.job();
    let mut writer = Corpus::open_or_create(path)?.writer()?;
    let encoder = writer.encoder(model.builder(job).dimensions(dim));
    let outcome = encoder.map_err(anyhow::Error::from).and_then(|encoder| {
        let report = writer.index(&encoder, inputs, &args.options(), job)?;
        match writer.refresh_index(Mode::Auto, job) {
            Err(e) if e.is_cancelled() => return Err(e.into()),
            // Everything is embedded, and can be searched without it.
            Err(e) => ui::tell(&format!("the approximate index cannot be made: {e}")),
            Ok(_) => {}
        }
        Ok((encoder, report))
    });
    drop(running);
    match outcome {
        Ok((encoder, report)) => Ok((writer, encoder, report)),
        Err(e) => {
            if e.downcast_ref::<Error>().is_some_and(Error::is_cancelled) {
                ui::tell("the same command resumes where it stopped");
            }
            // A corpus that was made for nothing goes again; the first problem is the one to tell.
            let _ = writer.abandon();
            let unusable = e
                .downcast_ref::<Error>()
                .is_some_and(|e| e.kind() == ErrorKind::InvalidInput);
            if unusable {
                let mut line = e.to_string();
                if let Some(advice) = input_advice(&line) {
                    line.push_str("; ");
                    line.push_str(advice);
                }
                if !args.skip_bad {
                    line.push_str("; --skip-bad leaves out what cannot be used");
                }
                bail!(line);
            }
            Err(e)
        }
    }
}

/// One line that says what a run did.
pub(super) fn summary(report: &Report) -> String {
    let mut parts = vec![format!("{} read", ui::count(report.read, "article"))];
    for (n, what) in [
        (report.new, "new"),
        (report.changed, "changed"),
        (report.renamed, "under another id, as theirs is taken"),
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
        let one = report.recurring_paragraphs == 1;
        line.push_str(&format!(
            "; {} {} kept out of the vectors",
            ui::count(report.recurring_paragraphs, "paragraph"),
            if one {
                "recurs and is"
            } else {
                "recur and are"
            }
        ));
    }
    line
}
