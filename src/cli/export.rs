//! `nearwise export`

use super::args::CorpusArg;
use super::problem::usage;
use super::{Outcome, ui};
use anyhow::Result;
use clap::{Args, ValueEnum};
use nearwise::NewFile;
use nearwise::store::{ExportFormat, export, export_text};
use std::path::PathBuf;

/// Write articles, topics and vectors out: jsonl, csv, parquet or npy
///
/// The articles' own metadata stand under `metadata`; `nearwise index` reads what was written.
/// npy holds the articles' vectors as f32, (articles, dim); the ids stand beside it, a line
/// each, in NAME.ids.txt.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise export --out news.parquet\n  nearwise export --out vectors.npy\n  \
    nearwise export --format jsonl --where 'topic = 3' | head"
)]
pub(super) struct Export {
    /// The file to write; jsonl and csv go to standard output without it, or with -
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The format; by default as the file's name says
    #[arg(long, value_enum)]
    format: Option<To>,
    /// Put vectors into jsonl and csv too
    #[arg(long)]
    vectors: bool,
    /// Only articles that match
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    Jsonl,
    Csv,
    Parquet,
    Npy,
}

impl Export {
    pub(super) fn run(mut self) -> Result<Outcome> {
        self.out = self.out.filter(|path| path.as_os_str() != "-");
        if let Some(path) = &self.out {
            super::args::no_dataset("--out", path, "export")?;
        }
        let running = ui::Running::new();
        let job = running.job();
        let store = self.corpus.reader()?;
        let filter = self.filter.as_deref();
        let filter = filter.map(|f| super::args::filter(f, &store)).transpose()?;
        let name = self.out.as_ref().and_then(|path| path.extension());
        let by_name = match name.map(|e| e.to_string_lossy().to_lowercase()).as_deref() {
            Some("jsonl" | "ndjson") => Some(To::Jsonl),
            Some("csv") => Some(To::Csv),
            Some("parquet" | "pq") => Some(To::Parquet),
            Some("npy") => Some(To::Npy),
            _ => None,
        };
        let to = match (self.format, by_name, &self.out) {
            (Some(format), _, _) => format,
            (None, Some(format), _) => format,
            (None, None, None) => To::Jsonl,
            (None, None, Some(_)) => {
                return Err(usage(
                    "--out",
                    "the name says no format; end it in .jsonl, .csv, .parquet or .npy, or give --format",
                ));
            }
        };
        let format = match to {
            To::Jsonl => ExportFormat::Jsonl,
            To::Csv => ExportFormat::Csv,
            To::Parquet => ExportFormat::Parquet,
            To::Npy => ExportFormat::Npy,
        };
        let Some(path) = &self.out else {
            if !matches!(to, To::Jsonl | To::Csv) {
                return Err(usage("--out", "parquet and npy need a file to write to"));
            }
            let mut out = ui::stdout();
            let filter = filter.as_ref();
            let exported = export_text(&store, &mut out, format, self.vectors, filter, job)?;
            return Ok(if exported.articles == 0 {
                Outcome::NothingFound
            } else {
                Outcome::Done
            });
        };
        let exported = export(&store, path, format, self.vectors, filter.as_ref(), job)?;
        drop(running);
        if self.json {
            ui::print_json(&exported)?;
        } else {
            let mut line = format!(
                "{} written to {}",
                ui::count(exported.articles, "article"),
                path.display()
            );
            if exported.without_vector > 0 {
                line.push_str(&format!(
                    "; {} without a vector left out",
                    ui::number(exported.without_vector)
                ));
            }
            // Standard output may be what was written to.
            if NewFile::is_of_the_system(path) {
                ui::tell(&line);
            } else {
                ui::print(&format!("{line}\n"))?;
            }
        }
        Ok(if exported.articles == 0 {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}
