//! `nearwise search`

use super::answers::{self, AnswerArgs};
use super::args::{CorpusArg, ModelArgs};
use super::problem::usage;
use super::rerank::{Page, RerankArgs};
use super::{Outcome, queries, ui};
use anyhow::Result;
use clap::Args;
use nearwise::search::{Found, Mode, SearchBy, SearchOptions};
use nearwise::{Encoder, Reader};
use std::path::PathBuf;

/// Find the articles whose meaning is nearest to a query
///
/// The score is the cosine of the query and the article's best passage, which is shown with the
/// sentence that answers best marked. Every vector is compared up to 200,000 passages; above, an
/// approximate index (HNSW) is used unless --exact is given or a filter narrows the search.
///
/// The options go together: articles are ranked (--by, --where, --threshold, --half-life), what is
/// nearly the same is folded (--fold), repeats are put behind (--diverse), and the page is cut out
/// (-k, --offset). --facets counts over all that was ranked.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise search \"interest rate decision\"\n  \
    nearwise search \"peace talks\" --where 'source = \"wire\" AND date >= 2016-03-01'\n  \
    nearwise search \"Kerry Lavrov\" --by both --json\n  \
    nearwise search \"storm damage\" --fold --half-life 30d --facets source,year\n  \
    nearwise search - < paragraph.txt\n  \
    nearwise search --file queries.txt > answers.jsonl\n\n\
    --where compares id, title, text, date, url, source, origin, topic and any metadata with\n\
    =, !=, <, <=, >, >=, ~ (contains), IN (…), BETWEEN … AND …, IS [NOT] NULL, joined by AND, OR, NOT.\n\n\
    --half-life: the score is cosine × 2^(−age/TIME), of a cosine above 0; an article without a date counts as old as the\n\
    middle one of those that have one.\n\
    --diverse: each hit has the highest LAMBDA × cosine − (1 − LAMBDA) × (its greatest cosine with a hit\n\
    before it); the n-th is chosen from the first max(100, 5 n) of the ranking.\n\
    --facets counts over every article that matches --where and reaches --threshold (by words: that\n\
    holds one of them), however many are shown. A name in backquotes is metadata.\n\
    --file answers every line (or the \"query\" of every line of JSON, with its \"id\") with one of JSON."
)]
pub(super) struct Search {
    /// What to look for; - reads it from standard input
    #[arg(required_unless_present = "file")]
    query: Option<String>,
    /// Answer the queries of a file instead, one a line or as JSON lines {"id": …, "query": …} (- for
    /// standard input), each with a line of JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["query", "full"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    answer: AnswerArgs,
    /// What counts: meaning, words (BM25; needs no model), or both (joined by reciprocal rank
    /// fusion)
    #[arg(long, visible_alias = "mode", value_name = "BY", default_value = "meaning", value_parser = answers::by)]
    by: SearchBy,
    /// The same as --by both
    #[arg(long, conflicts_with = "by")]
    hybrid: bool,
    /// Compare every vector, however many there are
    #[arg(long, conflicts_with = "approximate")]
    exact: bool,
    /// Use the approximate index, however few vectors there are
    #[arg(long)]
    approximate: bool,
    #[command(flatten)]
    rerank: RerankArgs,
    /// Show the whole of each passage
    #[arg(long)]
    full: bool,
    /// Mark the sentence that answers best; by default of up to 20 hits, and not with --file
    #[arg(long, overrides_with = "no_sentence")]
    sentence: bool,
    /// Mark no sentence, which saves embedding those of each passage shown
    #[arg(long)]
    no_sentence: bool,
    #[command(flatten)]
    corpus: CorpusArg,
    #[command(flatten)]
    model: ModelArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Hits up to which sentences are marked by default: more would keep people waiting.
const MARKED: usize = 20;

impl Search {
    pub(super) fn run(self) -> Result<Outcome> {
        let reader = self.corpus.reader()?;
        let query = match self.query.as_deref() {
            Some("-") => queries::from_stdin()?,
            Some(query) if query.trim().is_empty() => {
                return Err(usage("QUERY", "it is empty; give some words"));
            }
            query => query.unwrap_or_default().to_string(),
        };
        let options = self.options(&reader)?;
        options.check()?;
        if self.rerank.wanted() && self.file.is_some() {
            return Err(usage(
                "--rerank",
                "it does not go with --file; ask one query at a time",
            ));
        }
        if self.rerank.wanted() && self.sentence {
            return Err(usage(
                "--sentence",
                "it does not go with --rerank, which judges whole passages",
            ));
        }
        let depth = self.rerank.depth(&options)?;
        let running = ui::Running::new();
        let reranker = self.rerank.open(&self.model, running.job())?;
        let encoder = if options.by == SearchBy::Words {
            None
        } else {
            let encoder = self
                .model
                .open(&reader, self.file.is_none(), running.job())?;
            if options.may_use_index()
                && let Err(e) = reader.refresh_index(options.mode, running.job())
            {
                if e.is_cancelled() {
                    return Err(e.into());
                }
                ui::tell(&format!(
                    "without the approximate index, which cannot be made: {e}"
                ));
            }
            Some(encoder)
        };
        answers::tell_exact(&options);
        if let Some(path) = &self.file {
            return queries::answer(path, &reader, encoder.as_ref(), &options, running.job());
        }
        drop(running);
        if let (Some(depth), Some(reranker)) = (depth, &reranker) {
            let candidates = SearchOptions {
                k: depth,
                offset: 0,
                sentences: false,
                ..options.clone()
            };
            let found = one(&reader, encoder.as_ref(), &query, &candidates)?;
            let to = Page {
                options: &options,
                json: self.json,
                full: self.full,
            };
            return RerankArgs::answer(reranker, &query, found, &to);
        }
        let found = one(&reader, encoder.as_ref(), &query, &options)?;
        if self.json {
            ui::print_json(&found)?;
        } else {
            let mut out = answers::hits(&found, &options, self.full);
            if let Some(facets) = &found.facets {
                out.push_str(&answers::facets(facets, &options));
            }
            ui::print_marked(&out)?;
        }
        Ok(if found.hits.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }

    fn options(&self, reader: &Reader) -> Result<SearchOptions> {
        let by = if self.hybrid { SearchBy::Both } else { self.by };
        if self.approximate && by == SearchBy::Words {
            return Err(usage(
                "--approximate",
                "it is about comparing vectors, and --by words compares none",
            ));
        }
        let usual = self.file.is_none() && self.answer.limit <= MARKED;
        Ok(SearchOptions {
            by,
            mode: match (self.exact, self.approximate) {
                (true, _) => Mode::Exact,
                (_, true) => Mode::Approximate,
                _ => Mode::Auto,
            },
            sentences: self.sentence || (usual && !self.no_sentence),
            ..self.answer.options(reader)?
        })
    }
}

/// Answers one query.
fn one(
    reader: &Reader,
    encoder: Option<&Encoder>,
    query: &str,
    options: &SearchOptions,
) -> Result<Found> {
    Ok(match encoder {
        Some(encoder) => reader.search(encoder, query, options)?,
        None => reader.search_words(query, options)?,
    })
}
