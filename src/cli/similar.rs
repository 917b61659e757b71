//! `nearwise similar`

use super::args::{CorpusArg, ModelArgs};
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::corpus::read_single;
use nearwise::{Error, ErrorKind, Missing};
use std::path::Path;

/// Find the articles most like one of the corpus, or like a file
///
/// The score is the cosine of the two articles' vectors.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise similar wire-017\n  nearwise similar draft.md -k 5\n  \
    nearwise similar wire-017 --where 'date < 2024-01-01'"
)]
pub(super) struct Similar {
    /// An article's id, or a file that holds one article (- for standard input)
    #[arg(value_name = "ID|FILE")]
    what: String,
    /// How many articles
    #[arg(short = 'k', long, value_name = "N", default_value_t = 10, value_parser = super::args::positive)]
    limit: usize,
    /// Only articles that match
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    #[command(flatten)]
    corpus: CorpusArg,
    #[command(flatten)]
    model: ModelArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Similar {
    pub(super) fn run(self) -> Result<Outcome> {
        let reader = self.corpus.reader()?;
        let filter = super::args::filter(self.filter.as_deref(), &reader)?;
        let known = reader.similar(&self.what, self.limit, filter.as_ref());
        let hits = match known {
            Err(e)
                if e.kind() == ErrorKind::NotFound(Missing::Article)
                    && (self.what == "-" || Path::new(&self.what).is_file()) =>
            {
                let article = read_single(&self.what)?;
                let running = ui::Running::new();
                let encoder = self.model.open(&reader, running.job())?;
                let vector = reader.vector_of(&encoder, &article)?;
                reader.similar_to(&vector, self.limit, filter.as_ref())?
            }
            Err(e) if e.kind() == ErrorKind::NotFound(Missing::Article) => {
                return Err(Error::new(
                    e.kind(),
                    "",
                    format!("{}, and there is no such file", e.message()),
                )
                .into());
            }
            known => known?,
        };
        if self.json {
            ui::print_json(&hits)?;
        } else {
            let rows = hits
                .iter()
                .map(|h| {
                    vec![
                        format!("{:.3}", h.cosine),
                        h.id.clone(),
                        h.date.clone().unwrap_or_default(),
                        h.source.clone().unwrap_or_default(),
                        ui::snippet(&h.title, 100),
                    ]
                })
                .collect();
            ui::print(&ui::table(
                &["cosine", "id", "date", "source", "title"],
                &[0],
                rows,
            ))?;
        }
        Ok(if hits.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}
