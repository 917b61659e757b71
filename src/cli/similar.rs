//! `nearwise similar`

use super::args::{CorpusArg, ModelArgs};
use super::{Outcome, ui};
use anyhow::{Result, bail};
use clap::Args;
use nearwise::Error;
use nearwise::corpus::{Article, Input, Note, ReadOptions, Sink, boilerplate, read};
use nearwise::encoder::Kind;
use nearwise::index::{article_vector, prepare};
use nearwise::search::{SimilarHit, similar, similar_to};
use nearwise::store::{Filter, Store};

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
    pub fn run(self) -> Result<Outcome> {
        let store = self.corpus.open_read_only()?;
        let filter = self
            .filter
            .as_deref()
            .map(|f| Filter::parse(f, &store))
            .transpose()?;
        let hits = match store.key_of(&self.what) {
            Ok(_) => similar(&store, &self.what, self.limit, filter.as_ref())?,
            Err(Error::UnknownArticle(id)) => {
                if id != "-" && !std::path::Path::new(&id).is_file() {
                    bail!(Error::UnknownArticle(id));
                }
                self.like_file(&store, filter.as_ref())?
            }
            Err(e) => return Err(e.into()),
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

    fn like_file(&self, store: &Store, filter: Option<&Filter>) -> Result<Vec<SimilarHit>> {
        let mut one = One {
            article: None,
            more: false,
        };
        read(
            &Input::parse(&self.what)?,
            &ReadOptions::default(),
            &mut one,
        )?;
        let Some(article) = one.article else {
            bail!(Error::input(&self.what, None, "holds no article"));
        };
        if one.more {
            bail!(Error::input(
                &self.what,
                None,
                "holds several articles; give a file of one"
            ));
        }
        let mut encoder = self.model.open(Some(store))?;
        store.check_model(encoder.identity())?;
        let source = article.source.unwrap_or_default();
        let spans = boilerplate::spans(&source, &article.text, |_| false);
        let prepared = prepare(&encoder, &article.title, &article.text, &spans)?;
        let texts: Vec<&str> = prepared.passages.iter().map(|p| p.input.as_str()).collect();
        let vectors = encoder.encode(&texts, Kind::Document)?;
        let vector = article_vector(
            prepared
                .passages
                .iter()
                .zip(vectors.rows())
                .map(|(p, v)| (p.fresh_tokens, v)),
        );
        Ok(similar_to(store, &vector, self.limit, filter, None)?)
    }
}

/// Takes the first article and notices whether more follow.
struct One {
    article: Option<Article>,
    more: bool,
}

impl Sink for One {
    fn article(&mut self, article: Article) -> nearwise::Result<()> {
        if self.article.is_some() {
            self.more = true;
        }
        self.article.get_or_insert(article);
        Ok(())
    }

    fn bad(&mut self, problem: Error) -> nearwise::Result<()> {
        Err(problem)
    }

    fn note(&mut self, _: Note) {}
}
