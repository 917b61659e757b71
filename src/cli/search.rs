//! `nearwise search`

use super::args::{CorpusArg, ModelArgs};
use super::problem::usage;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::search::{Mode, SearchOptions};

/// Find the articles whose meaning is nearest to a query
///
/// The score is the cosine of the query and the article's best passage, which is shown. Every
/// vector is compared up to 200,000 passages; above, an approximate index (HNSW) is used
/// unless --exact is given or a filter narrows the search.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise search \"interest rate decision\"\n  \
    nearwise search \"peace talks\" --where 'source = \"wire\" AND date >= 2016-03-01'\n  \
    nearwise search \"Kerry Lavrov\" --hybrid --json\n\n\
    --where compares id, title, text, date, url, source, origin, topic and any metadata with\n\
    =, !=, <, <=, >, >=, ~ (contains), IN (…), BETWEEN … AND …, IS [NOT] NULL, joined by AND, OR, NOT."
)]
pub(super) struct Search {
    /// What to look for
    query: String,
    /// How many articles
    #[arg(short = 'k', long, value_name = "N", default_value_t = 10, value_parser = super::args::positive)]
    limit: usize,
    /// Only articles that match, such as 'source = "x" AND date >= 2016-03-01'
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    /// Count words (BM25) as well as meaning, joined by reciprocal rank fusion
    #[arg(long)]
    hybrid: bool,
    /// Compare every vector, however many there are
    #[arg(long, conflicts_with = "approximate")]
    exact: bool,
    /// Use the approximate index, however few vectors there are
    #[arg(long)]
    approximate: bool,
    #[command(flatten)]
    rerank: super::rerank::RerankArgs,
    /// Show the whole of each passage
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    corpus: CorpusArg,
    #[command(flatten)]
    model: ModelArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Search {
    pub(super) fn run(self) -> Result<Outcome> {
        let reader = self.corpus.reader()?;
        if self.query.trim().is_empty() {
            return Err(usage("QUERY", "it is empty; give some words"));
        }
        let filter = super::args::filter(self.filter.as_deref(), &reader)?;
        let mode = match (self.exact, self.approximate) {
            (true, _) => Mode::Exact,
            (_, true) => Mode::Approximate,
            _ => Mode::Auto,
        };
        let running = ui::Running::new();
        let encoder = self.model.open(&reader, running.job())?;
        if filter.is_none()
            && let Err(e) = reader.refresh_index(mode, running.job())
        {
            if e.is_cancelled() {
                return Err(e.into());
            }
            ui::tell(&format!(
                "without the approximate index, which cannot be made: {e}"
            ));
        }
        drop(running);
        let depth = self.rerank.depth(self.limit)?;
        let options = SearchOptions {
            k: depth.unwrap_or(self.limit),
            filter,
            hybrid: self.hybrid,
            mode,
        };
        let found = reader.search(&encoder, &self.query, &options)?;
        if depth.is_some() {
            return self.rerank.answer(
                &self.query,
                found,
                self.limit,
                &self.model,
                self.json,
                self.full,
            );
        }
        if self.json {
            ui::print_json(&found)?;
        } else {
            let mut out = String::new();
            for hit in &found.hits {
                let mut about = vec![ui::clean(&hit.id)];
                about.extend(hit.date.as_deref().map(ui::clean));
                about.extend(hit.source.as_deref().map(ui::clean));
                let title = if hit.title.is_empty() {
                    "(no title)"
                } else {
                    &hit.title
                };
                let most = if self.full { usize::MAX } else { 280 };
                out.push_str(&format!(
                    "{:.3}  {}\n       {}\n       {}\n\n",
                    hit.cosine,
                    ui::snippet(title, 110),
                    about.join("  "),
                    ui::snippet(&hit.passage.text, most)
                ));
            }
            if found.hits.is_empty() {
                out.push_str("nothing found\n");
            }
            ui::print(&out)?;
        }
        Ok(if found.hits.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}
