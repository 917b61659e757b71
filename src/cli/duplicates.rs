//! `nearwise duplicates`

use super::args::CorpusArg;
use super::{Outcome, ui};
use anyhow::Result;
use clap::{Args, ValueEnum};
use nearwise::search::{By, DuplicateOptions};

/// List pairs of articles that are the same or nearly so
///
/// By words, a pair's score is the share of three-word sequences that both hold (Jaccard
/// index), 1.00 for copies. By meaning it is the cosine of their vectors, which also finds a
/// story told in other words (a paraphrase).
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise duplicates\n  nearwise duplicates --by meaning --threshold 0.8 --json"
)]
pub(super) struct Duplicates {
    /// What counts
    #[arg(long, value_enum, default_value_t = Measure::Words)]
    by: Measure,
    /// The least score of a pair, 0.05 to 1; by default 0.5 by words, 0.85 by meaning
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f32>,
    /// Show at most this many pairs
    #[arg(short = 'k', long, value_name = "N", default_value_t = 100, value_parser = super::args::positive)]
    limit: usize,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Shared wording
    Words,
    /// Shared meaning
    Meaning,
}

impl Duplicates {
    pub(super) fn run(self) -> Result<Outcome> {
        let by = if self.by == Measure::Words {
            By::Words
        } else {
            By::Meaning
        };
        let mut options = DuplicateOptions::new(by);
        if let Some(threshold) = self.threshold {
            options.threshold = threshold;
        }
        let running = ui::Running::new();
        let pairs = self.corpus.reader()?.duplicates(options, running.job())?;
        drop(running);
        let shown = &pairs[..pairs.len().min(self.limit)];
        if self.json {
            ui::print_json(&shown)?;
        } else if pairs.is_empty() {
            ui::print("no pair is that much alike\n")?;
        } else {
            let rows = shown
                .iter()
                .map(|p| {
                    vec![
                        format!("{:.2}", p.words),
                        p.cosine.map_or(String::new(), |c| format!("{c:.2}")),
                        p.a.clone(),
                        p.b.clone(),
                        ui::snippet(&p.titles.0, 60),
                        ui::snippet(&p.titles.1, 60),
                    ]
                })
                .collect();
            let mut out = ui::table(
                &["words", "cosine", "id", "id", "title", "title"],
                &[0, 1],
                rows,
            );
            if pairs.len() > shown.len() {
                out.push_str(&format!(
                    "{} more; show them with -k\n",
                    pairs.len() - shown.len()
                ));
            }
            ui::print(&out)?;
        }
        Ok(if pairs.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}
