//! `nearwise topics`

use super::args::CorpusArg;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::store::Store;
use nearwise::topics::{TopicOptions, fitted};
use serde_json::{Value, json};

/// Show what the corpus is about: topics with labels and their most typical articles
///
/// Topics are clusters by k-means on the articles' vectors; where --topics is not given, the
/// number with the highest mean silhouette (cosine distance) is taken. Labels are the words
/// and phrases that set a topic apart (c-TF-IDF). The same corpus and seed give the same
/// topics. They are kept in the corpus and found anew when it has changed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise topics\n  nearwise topics --topics 12 --typical 5\n  nearwise topics --members --json"
)]
pub(super) struct Topics {
    /// How many topics
    #[arg(long, value_name = "N")]
    topics: Option<usize>,
    /// The seed of all that is random
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Typical articles shown of each topic, 10 at most
    #[arg(long, value_name = "N", default_value_t = 3)]
    typical: usize,
    /// List every article's topic instead, as id and topic
    #[arg(long)]
    members: bool,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Topics {
    pub fn run(self) -> Result<Outcome> {
        let mut store = self.corpus.open()?;
        let options = TopicOptions {
            k: self.topics,
            seed: self.seed,
        };
        let topics = fitted(&mut store, &options)?;
        match (self.members, self.json) {
            (true, true) => {
                let members: Vec<Value> = store
                    .topic_members()?
                    .into_iter()
                    .map(|(id, topic)| json!({"id": id, "topic": topic}))
                    .collect();
                ui::print_json(&members)?;
            }
            (true, false) => {
                let mut out = String::new();
                for (id, topic) in store.topic_members()? {
                    out.push_str(&format!("{}\t{topic}\n", ui::clean(&id)));
                }
                ui::print(&out)?;
            }
            (false, true) => ui::print_json(&to_json(&store, &topics)?)?,
            (false, false) => ui::print(&to_text(&store, &topics, self.typical)?)?,
        }
        Ok(Outcome::Done)
    }
}

pub(super) fn to_json(store: &Store, topics: &nearwise::topics::Topics) -> Result<Value> {
    let mut list = Vec::new();
    for topic in &topics.topics {
        let mut typical = Vec::new();
        for &key in &topic.typical {
            let article = store.article_at(key)?;
            typical.push(json!({"id": article.id, "title": article.title}));
        }
        list.push(json!({
            "topic": topic.id, "label": topic.label, "size": topic.size,
            "words": topic.words, "typical": typical,
        }));
    }
    Ok(json!({"run": topics.run, "topics": list}))
}

pub(super) fn to_text(
    store: &Store,
    topics: &nearwise::topics::Topics,
    typical: usize,
) -> Result<String> {
    let run = &topics.run;
    let how = if run.k_given {
        "as asked"
    } else {
        "chosen by the silhouette"
    };
    let mut out = format!(
        "{} ({how}; silhouette {:.2})\n\n",
        ui::count(run.k as u64, "topic"),
        run.silhouette
    );
    for topic in &topics.topics {
        out.push_str(&format!(
            "{:>3}  {} ({})\n",
            topic.id,
            ui::clean(&topic.label),
            ui::count(topic.size, "article")
        ));
        for &key in topic.typical.iter().take(typical) {
            let article = store.article_at(key)?;
            let title = if article.title.is_empty() {
                &article.text
            } else {
                &article.title
            };
            out.push_str(&format!("       {}\n", ui::snippet(title, 100)));
        }
    }
    Ok(out)
}
