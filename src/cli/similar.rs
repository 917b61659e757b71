//! `nearwise similar`

use super::answers::{self, AnswerArgs};
use super::args::{CorpusArg, ModelArgs};
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::corpus::read_single;
use nearwise::search::{Example, Examples, Found, SearchOptions};
use nearwise::{Encoder, Error, ErrorKind, Missing, Reader};
use std::path::Path;

/// Find the articles most like one of the corpus, or like a file
///
/// There may be several, and others that the answers are not to be like.
/// The score is the cosine of the two articles' vectors. Of several it is that to one vector: the
/// mean of those to be like, less half of the mean of those to be unlike. The articles given are
/// never among the answers.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise similar wire-017\n  nearwise similar draft.md -k 5\n  \
    nearwise similar wire-017 --where 'date < 2024-01-01'\n  \
    nearwise similar wire-017 wire-020 --unlike wire-101 --fold\n\n\
    The other options are those of `nearwise search`. --json prints a list of hits; with --facets it is an\n\
    object with \"hits\" and \"facets\"."
)]
pub(super) struct Similar {
    /// Articles' ids, or files that hold one article each (- for standard input)
    #[arg(value_name = "ID|FILE", required = true)]
    what: Vec<String>,
    /// Articles that the answers are not to be like
    #[arg(long, value_name = "ID|FILE", num_args = 1..)]
    unlike: Vec<String>,
    #[command(flatten)]
    answer: AnswerArgs,
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
        let options = self.answer.options(&reader)?;
        options.check()?;
        let mut encoder = None;
        let mut examples = |what: &[String]| -> Result<Vec<Example>> {
            what.iter()
                .map(|what| self.example(what, &reader, &mut encoder))
                .collect()
        };
        let examples = Examples {
            like: examples(&self.what)?,
            unlike: examples(&self.unlike)?,
        };
        let found = reader.similar_articles(&examples, &options)?;
        if self.json {
            // A list, as it always was; counts need a place of their own.
            if found.facets.is_some() {
                ui::print_json(&found)?;
            } else {
                ui::print_json(&found.hits)?;
            }
        } else {
            let mut out = table(&found, &options);
            if options.offset > 0 && !found.hits.is_empty() {
                out.push_str(&format!("\n{}", answers::page_line(&found, &options)));
            }
            if let Some(facets) = &found.facets {
                out.push_str(&format!("\n{}", answers::facets(facets, &options)));
            }
            ui::print(&out)?;
        }
        Ok(if found.hits.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }

    /// An article of the corpus, or what a file of this name holds.
    fn example(
        &self,
        what: &str,
        reader: &Reader,
        encoder: &mut Option<Encoder>,
    ) -> Result<Example> {
        match reader.key_of(what) {
            Ok(_) => Ok(Example::Id(what.to_string())),
            Err(e) if e.kind() != ErrorKind::NotFound(Missing::Article) => Err(e.into()),
            Err(_) if what == "-" || Path::new(what).is_file() => {
                let article = read_single(what)?;
                let encoder = match encoder {
                    Some(encoder) => encoder,
                    none => {
                        let running = ui::Running::new();
                        none.insert(self.model.open(reader, true, running.job())?)
                    }
                };
                let vector = reader.vector_of(encoder, &article)?;
                Ok(Example::Vector(vector))
            }
            Err(e) => Err(Error::new(
                e.kind(),
                "",
                format!("{}, and there is no such file", e.message()),
            )
            .into()),
        }
    }
}

fn table(found: &Found, options: &SearchOptions) -> String {
    let aged = options.half_life.is_some();
    let fold = options.fold.is_some();
    let mut header = vec!["cosine", "id", "date", "source", "title"];
    if aged {
        header.insert(0, "score");
    }
    if fold {
        header.insert(header.len() - 1, "folded");
    }
    let rows = found.hits.iter().map(|hit| {
        let mut row = Vec::new();
        if aged {
            row.push(format!("{:.3}", hit.score));
        }
        row.push(format!("{:.3}", hit.cosine.unwrap_or(hit.score)));
        row.push(hit.id.clone());
        row.push(hit.date.clone().unwrap_or_default());
        row.push(hit.source.clone().unwrap_or_default());
        if fold {
            let folded = hit.folded.as_ref();
            row.push(folded.map_or(String::new(), |f| format!("+{}", ui::number(f.count))));
        }
        row.push(ui::snippet(&hit.title, 100));
        row
    });
    let right: &[usize] = if aged { &[0, 1] } else { &[0] };
    ui::table(&header, right, rows.collect())
}
