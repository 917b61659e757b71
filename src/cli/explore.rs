//! `nearwise explore`

use super::args::{InputArgs, ModelArgs};
use super::problem::usage;
use super::{Outcome, index, topics, ui};
use anyhow::Result;
use clap::Args;
use nearwise::search::{By, DuplicateOptions, Duplicates, SimilarHit};
use nearwise::topics::Topics;
use nearwise::{ErrorKind, Reader};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Read articles and show what they are about: topics, near neighbours, near-duplicates
///
/// Everything is kept in one file, NAME.nearwise after the first PATH, and the other commands
/// go on from there. Running it again embeds only what is new or changed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise explore articles/\n  nearwise explore news.jsonl.gz --topics 12"
)]
pub(super) struct Explore {
    #[command(flatten)]
    input: InputArgs,
    /// The corpus file; by default NAME.nearwise here, after the first PATH
    #[arg(short, long, value_name = "FILE", env = "NEARWISE_CORPUS")]
    corpus: Option<PathBuf>,
    /// How many topics; chosen by the silhouette where it is not given
    #[arg(long, value_name = "N", value_parser = super::args::positive)]
    topics: Option<usize>,
    /// The seed of all that is random; 42 where it is not given
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    model: ModelArgs,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// Neighbours and pairs that are shown.
const SHOWN: usize = 5;
/// Comparing all pairs by meaning takes time with the square of the articles.
const COMPARED: u64 = 20_000;

impl Explore {
    pub(super) fn run(self) -> Result<Outcome> {
        let inputs = self.input.inputs()?;
        let path = match &self.corpus {
            Some(path) => path.clone(),
            None => default_name(&self.input.paths[0])?,
        };
        let (mut store, encoder, report) =
            index::into_corpus(&path, &inputs, &self.input, &self.model, None)?;
        let running = ui::Running::new();
        let job = running.job();
        let topics = store.update_topics(self.topics, self.seed, |_| Some(encoder), job)?;
        let neighbours = neighbours(&store, &topics)?;
        let copies = store.duplicates(DuplicateOptions::new(By::Words), job)?;
        let counts = store.counts()?;
        let retold = if counts.articles <= COMPARED {
            let options = DuplicateOptions {
                reworded: true,
                ..DuplicateOptions::new(By::Meaning)
            };
            Some(store.duplicates(options, job)?)
        } else {
            None
        };
        drop(running);
        if self.json {
            let neighbours: Vec<_> = neighbours
                .iter()
                .map(|(id, title, hit)| json!({"id": id, "title": title, "nearest": hit}))
                .collect();
            ui::print_json(&json!({
                "corpus": path.display().to_string(), "report": report, "counts": counts, "topics": topics::to_json(&store, &topics)?,
                "neighbours": neighbours, "near_duplicates": copies.pairs, "retold": retold.map_or(Vec::new(), |r| r.pairs),
            }))?;
            index::pruned(&report)?;
            return Ok(Outcome::Done);
        }

        let mut out = format!("{}\n\n", index::summary(&report));
        out.push_str(&topics::to_text(&store, &topics, 3)?);
        if !neighbours.is_empty() {
            out.push_str("\nNear neighbours (cosine)\n");
            for (_, title, hit) in &neighbours {
                out.push_str(&format!(
                    "  {:.2}  {}\n        {}\n",
                    hit.cosine,
                    ui::snippet(title, 100),
                    ui::snippet(&hit.title, 100)
                ));
            }
        }
        groups(
            &mut out,
            "Near-duplicates (share of wording)",
            &copies,
            By::Words,
        );
        if let Some(retold) = &retold {
            let heading = "Paraphrases: the same in other words (cosine)";
            groups(&mut out, heading, retold, By::Meaning);
        }
        let file = path.display();
        // A phrase says more than a word.
        let words = topics.topics.first().map_or(&[][..], |t| &t.words);
        let phrase = words.iter().find(|(w, _)| w.contains(' '));
        let some = phrase
            .or(words.first())
            .map_or("a question", |w| w.0.as_str());
        let id = neighbours.first().map_or("ID", |(id, _, _)| id.as_str());
        out.push_str(&format!(
            "\n{} in {} passages are in {file}. Go on with\n  \
             nearwise search \"{}\" -c {file}\n  nearwise similar {} -c {file}\n  \
             nearwise topics -c {file}\n  nearwise duplicates -c {file}\n  \
             nearwise serve -c {file}\n  nearwise --help\n",
            ui::count(counts.articles, "article"),
            ui::number(counts.passages),
            ui::clean(some),
            ui::clean(id),
        ));
        ui::print(&out)?;
        index::pruned(&report)?;
        Ok(Outcome::Done)
    }
}

/// `seeds/` makes `seeds.nearwise`, `news.jsonl.gz` makes `news.nearwise`.
fn default_name(path: &Path) -> Result<PathBuf> {
    if path == Path::new("-") {
        return Err(usage(
            "--corpus",
            "name the corpus file when reading standard input",
        ));
    }
    let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let name = whole.file_name().map_or_else(
        || "corpus".to_string(),
        |n| n.to_string_lossy().into_owned(),
    );
    let stem = if whole.is_dir() {
        name.as_str()
    } else {
        name.split('.').find(|s| !s.is_empty()).unwrap_or("corpus")
    };
    let stem = if stem.contains(['*', '?']) {
        "corpus"
    } else {
        stem
    };
    Ok(PathBuf::from(format!("{stem}.nearwise")))
}

type Neighbour = (String, String, SimilarHit);

/// For the most typical article of each large topic, the nearest that is no copy of it.
fn neighbours(store: &Reader, topics: &Topics) -> Result<Vec<Neighbour>> {
    let mut out = Vec::new();
    for topic in topics.topics.iter().filter(|t| t.size > 1).take(SHOWN) {
        let Some(&key) = topic.typical.first() else {
            continue;
        };
        let article = store.article_at(key)?;
        let nearest = match store.similar(&article.id, 5, None) {
            Ok(nearest) => nearest,
            // Nothing is near to an article that the model cannot read.
            Err(e) if e.kind() == ErrorKind::NoResult => continue,
            Err(e) => return Err(e.into()),
        };
        let title = article.heading();
        if let Some(hit) = nearest.into_iter().find(|h| h.title != title) {
            out.push((article.id, title, hit));
        }
    }
    Ok(out)
}

/// The first groups, each with its kept article and the one most like it.
fn groups(out: &mut String, heading: &str, found: &Duplicates, by: By) {
    if found.groups.is_empty() {
        return;
    }
    out.push_str(&format!("\n{heading}\n"));
    for group in found.groups.iter().take(SHOWN) {
        let Some(nearest) = group.members.first() else {
            continue;
        };
        out.push_str(&format!(
            "  {:.2}  {} ({})\n        {} ({})\n",
            nearest.alike.by(by),
            ui::snippet(&group.keep.title, 90),
            ui::clean(&group.keep.id),
            ui::snippet(&nearest.title, 90),
            ui::clean(&nearest.id)
        ));
        if group.size > 2 {
            let more = ui::number(group.size - 2);
            out.push_str(&format!("        and {more} more like these\n"));
        }
    }
    let more = found.groups_found.saturating_sub(SHOWN as u64);
    if more > 0 {
        out.push_str(&format!("        and {}\n", ui::count(more, "more group")));
    }
}
