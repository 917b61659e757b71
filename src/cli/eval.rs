//! `nearwise eval`

use super::args::CorpusArg;
use super::{Outcome, ui};
use anyhow::Result;
use clap::{Args, Subcommand};
use nearwise::Error;
use nearwise::topics::Topics;
use nearwise::topics::eval::{Coherence, adjusted_rand, diversity, v_measure};
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Judge what was found against labels that people gave
#[derive(Debug, Args)]
pub(super) struct Eval {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Topics(EvalTopics),
}

/// Judge topics: V-measure, adjusted Rand index, coherence, diversity
///
/// V-measure (with the arithmetic mean also the normalised mutual information) and the adjusted Rand
/// index compare the topics with labels, as scikit-learn does; articles in no topic count as one topic. Coherence is the
/// mean NPMI of the pairs of a topic's ten first words, with articles as contexts; diversity the
/// share of distinct words among them. Without labels, only these two are shown.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise eval topics --labels labels.tsv\n  nearwise eval topics --field section"
)]
struct EvalTopics {
    /// A file of labels, one line for each article: its id, a tab, its label
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The field that holds labels: source or any metadata
    #[arg(long, value_name = "FIELD", conflicts_with = "labels")]
    field: Option<String>,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Words of each topic that are judged.
const WORDS: usize = 10;

impl Eval {
    pub(super) fn run(self) -> Result<Outcome> {
        match self.what {
            What::Topics(topics) => topics.run(),
        }
    }
}

impl EvalTopics {
    fn run(self) -> Result<Outcome> {
        let store = self.corpus.reader()?;
        let topics = Topics::stored(&store)?;
        let found: HashMap<String, i64> = store.topic_members()?.into_iter().collect();
        let labels: Option<HashMap<String, String>> = match (&self.labels, &self.field) {
            (Some(path), _) => Some(read_labels(path)?),
            (None, Some(field)) => {
                let mut out = HashMap::new();
                store.each_article(|a| {
                    let value = match field.as_str() {
                        "source" => a.source,
                        name => a
                            .meta
                            .get(name)
                            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_string)),
                    };
                    out.extend(value.map(|v| (a.id, v)));
                    Ok(())
                })?;
                Some(out)
            }
            (None, None) => None,
        };
        let words: Vec<Vec<&str>> = topics
            .topics
            .iter()
            .map(|t| t.words.iter().take(WORDS).map(|w| w.0.as_str()).collect())
            .collect();
        let mut coherence = Coherence::new(&words);
        store.each_article(|a| {
            coherence.add(&format!("{}\n{}", a.title, a.text));
            Ok(())
        })?;
        let none = found.values().filter(|&&t| t < 0).count() as f64 / found.len().max(1) as f64;
        let mut rows = vec![
            ("articles", json!(found.len())),
            ("topics", json!(topics.topics.len())),
        ];
        if let Some(labels) = &labels {
            let mut ids: Vec<&String> =
                labels.keys().filter(|id| found.contains_key(*id)).collect();
            ids.sort();
            if ids.is_empty() {
                let name = self.labels.as_ref().map_or_else(
                    || format!("--field {}", self.field.as_deref().unwrap_or_default()),
                    |p| p.display().to_string(),
                );
                return Err(
                    Error::input(name, None, "none of its ids is in the corpus's topics").into(),
                );
            }
            let truth: Vec<&str> = ids.iter().map(|id| labels[*id].as_str()).collect();
            let given: Vec<i64> = ids.iter().map(|id| found[*id]).collect();
            rows.push(("labelled", json!(ids.len())));
            rows.push(("v_measure", json!(v_measure(&truth, &given))));
            rows.push(("ari", json!(adjusted_rand(&truth, &given))));
        }
        rows.push(("no_topic", json!(none)));
        rows.push(("npmi", json!(coherence.npmi())));
        rows.push(("diversity", json!(diversity(&words))));
        if self.json {
            let map: serde_json::Map<String, serde_json::Value> =
                rows.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
            ui::print_json(&map)?;
            return Ok(Outcome::Done);
        }
        let about = |name: &str| match name {
            "v_measure" => "V-measure, which is also the normalised mutual information, 0 to 1",
            "ari" => "adjusted Rand index, 1 at most, 0 by chance",
            "no_topic" => "share of articles in no topic",
            "npmi" => "coherence of the topics' words, -1 to 1",
            "diversity" => "share of distinct words, 0 to 1",
            "labelled" => "articles with a label",
            _ => "",
        };
        let mut out = String::new();
        for (name, value) in rows {
            let shown = match value.as_u64() {
                Some(n) => ui::number(n),
                None => format!("{:.3}", value.as_f64().unwrap_or_default()),
            };
            out.push_str(format!("{name:<10} {shown:>8}  {}", about(name)).trim_end());
            out.push('\n');
        }
        ui::print(&out)?;
        Ok(Outcome::Done)
    }
}

fn read_labels(path: &Path) -> Result<HashMap<String, String>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let mut out = HashMap::new();
    for (row, line) in text.lines().enumerate().filter(|l| !l.1.trim().is_empty()) {
        let Some((id, label)) = line.split_once('\t') else {
            return Err(Error::input(
                name,
                Some(row as u64 + 1),
                "no tab; give a line for each article: its id, a tab, its label",
            )
            .into());
        };
        out.insert(id.to_string(), label.trim_end().to_string());
    }
    Ok(out)
}
