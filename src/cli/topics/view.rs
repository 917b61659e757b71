//! Showing topics: the list, one of them, the tree.

use super::super::args::CorpusArg;
use super::super::problem::usage;
use super::super::{Outcome, ui};
use super::{Shown, labeller};
use anyhow::{Result, bail};
use clap::Args;
use nearwise::store::{StoredPart, StoredTopic};
use nearwise::topics::nested::{self, Branch};
use nearwise::topics::{Topics, stored};
use nearwise::vectors::dot;
use nearwise::{Error, NewFile, Reader};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Parts of a topic that the list names.
const PARTS: usize = 4;

impl Shown {
    pub(super) fn print(&self, store: &Reader, topics: &Topics) -> Result<Outcome> {
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
                    let _ = writeln!(out, "{}\t{topic}", ui::clean(&id));
                }
                ui::print(&out)?;
            }
            (false, true) => ui::print_json(&to_json(store, topics)?)?,
            (false, false) => ui::print(&to_text(store, topics, self.typical)?)?,
        }
        Ok(Outcome::Done)
    }
}

fn topic_json(store: &Reader, topic: &StoredTopic) -> Result<Value> {
    let mut typical = Vec::new();
    for &key in &topic.typical {
        let article = store.article_at(key)?;
        typical.push(json!({"id": article.id, "title": article.title}));
    }
    Ok(json!({
        "topic": topic.id, "label": topic.label, "named": topic.named, "size": topic.size,
        "words": topic.words, "typical": typical,
    }))
}

fn parts_json(parts: &[&StoredPart]) -> Value {
    let one = |p: &&StoredPart| json!({"label": p.label, "size": p.size, "words": p.words});
    parts.iter().map(one).collect()
}

pub(in super::super) fn to_json(store: &Reader, topics: &Topics) -> Result<Value> {
    let mut list = Vec::new();
    for topic in &topics.topics {
        let mut value = topic_json(store, topic)?;
        value["parts"] = parts_json(&topics.parts_of(topic.id));
        list.push(value);
    }
    Ok(json!({"run": topics.run, "topics": list}))
}

pub(in super::super) fn to_text(store: &Reader, topics: &Topics, typical: usize) -> Result<String> {
    let run = &topics.run;
    let how = if run.edited {
        "changed by hand"
    } else if run.k_given {
        "number given"
    } else if run.found_by().is_by_means() {
        "number chosen by the silhouette"
    } else {
        &run.method
    };
    let none = store.members()?.iter().filter(|m| m.topic < 0).count() as u64;
    let none = if none > 0 {
        format!("; {} in no topic", ui::count(none, "article"))
    } else {
        String::new()
    };
    let mut out = format!(
        "{} ({how}; silhouette {:.2}{none})\n\n",
        ui::count(topics.topics.len() as u64, "topic"),
        run.silhouette
    );
    for topic in &topics.topics {
        let _ = writeln!(
            out,
            "{:>3}  {} ({})",
            topic.id,
            ui::clean(&topic.label),
            ui::count(topic.size, "article")
        );
        if topic.named {
            let words: Vec<&str> = topic.words.iter().take(5).map(|w| w.0.as_str()).collect();
            let _ = writeln!(out, "       words: {}", ui::clean(&words.join(", ")));
        }
        let mut parts = topics.parts_of(topic.id);
        if parts.len() > 1 {
            parts.sort_by_key(|p| (std::cmp::Reverse(p.size), p.id));
            let more = parts.len().saturating_sub(PARTS);
            let mut named: Vec<String> = parts
                .iter()
                .take(PARTS)
                .map(|p| format!("{} ({})", p.label, ui::number(p.size)))
                .collect();
            if more > 0 {
                named.push(format!("and {more} more"));
            }
            let _ = writeln!(out, "     = {}", ui::clean(&named.join("; ")));
        }
        for &key in topic.typical.iter().take(typical) {
            let title = store.described_at(key)?.title;
            let _ = writeln!(out, "       {}", ui::snippet(&title, 100));
        }
    }
    Ok(out)
}

/// List the topics as they are
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    shown: Shown,
}

impl List {
    pub(super) fn run(self) -> Result<Outcome> {
        let store = self.shown.corpus.reader()?;
        let topics = Topics::stored(&store)?;
        self.shown.print(&store, &topics)
    }
}

/// Show one topic: its words, typical articles, parts and nearest topics
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  nearwise topics show 3\n  nearwise topics show 3 --against 5")]
pub(super) struct Show {
    /// The topic's number
    #[arg(value_name = "TOPIC", value_parser = super::topic)]
    topic: i64,
    /// Show the words that set it apart from this topic
    #[arg(long, value_name = "TOPIC", value_parser = super::topic)]
    against: Option<i64>,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<Outcome> {
        let store = self.corpus.reader()?;
        let topics = Topics::stored(&store)?;
        let find = |id: i64| -> Result<&StoredTopic> {
            let found = topics.topics.iter().find(|t| t.id == id);
            Ok(found.ok_or_else(|| Error::unknown_topic(id))?)
        };
        let topic = find(self.topic)?;
        let mut near: Vec<(f32, &StoredTopic)> = topics
            .topics
            .iter()
            .filter(|t| t.id != topic.id)
            .map(|t| (dot(&t.centroid, &topic.centroid), t))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
        near.truncate(5);
        let parts = topics.parts_of(topic.id);
        let against = self.against.map(&find).transpose()?;
        let running = ui::Running::new();
        let apart = against
            .map(|other| store.topics_apart(topic.id, other.id, running.job()))
            .transpose()?;
        drop(running);
        if self.json {
            let mut value = topic_json(&store, topic)?;
            value["parts"] = parts_json(&parts);
            value["nearest"] = near
                .iter()
                .map(|(c, t)| json!({"topic": t.id, "label": t.label, "cosine": c}))
                .collect();
            if let (Some(other), Some([here, there])) = (against, apart) {
                value["against"] = json!({"topic": other.id, "label": other.label, "words": here, "other_words": there});
            }
            ui::print_json(&value)?;
            return Ok(Outcome::Done);
        }
        let list = |words: &[(String, f32)]| -> String {
            words
                .iter()
                .map(|w| w.0.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut out = format!(
            "{}  {} ({})\n\n",
            topic.id,
            ui::clean(&topic.label),
            ui::count(topic.size, "article")
        );
        let _ = writeln!(out, "words      {}", list(&topic.words));
        if let (Some(other), Some([here, there])) = (against, &apart) {
            let _ = writeln!(out, "only here  {}", list(here));
            let _ = writeln!(
                out,
                "only in {}  {} ({})",
                other.id,
                list(there),
                ui::clean(&other.label)
            );
        }
        out.push_str("\nTypical articles\n");
        for &key in &topic.typical {
            let article = store.described_at(key)?;
            let title = ui::snippet(&article.title, 100);
            let _ = writeln!(out, "  {}  {title}", ui::clean(&article.id));
        }
        if parts.len() > 1 {
            out.push_str("\nParts\n");
            for part in parts {
                let _ = writeln!(
                    out,
                    "  {} ({})",
                    ui::clean(&part.label),
                    ui::count(part.size, "article")
                );
            }
        }
        if !near.is_empty() {
            out.push_str("\nNearest topics (cosine)\n");
            for (cosine, other) in near {
                let label = ui::clean(&other.label);
                let _ = writeln!(out, "  {cosine:.2}  {} {label}", other.id);
            }
        }
        ui::print(&ui::clean_lines(&out))?;
        Ok(Outcome::Done)
    }
}

/// Show how topics nest: the tree of topics and their parts
///
/// The leaves are communities of near articles; they join to topics, and topics to one tree, by
/// Ward's method. --cut shows the tree cut into that many branches, and --apply makes them the topics.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise topics tree\n  nearwise topics tree --cut 12\n  nearwise topics tree --cut 12 --apply\n  \
    nearwise topics tree --out tree.dot"
)]
pub(super) struct Tree {
    /// Cut the tree into this many branches
    #[arg(long, value_name = "N")]
    cut: Option<usize>,
    /// Make the branches of --cut the topics
    #[arg(long, requires = "cut")]
    apply: bool,
    /// Write the whole tree to a file: .json, or .dot for Graphviz
    #[arg(long, value_name = "FILE", conflicts_with = "cut")]
    out: Option<PathBuf>,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Tree {
    pub(super) fn run(self) -> Result<Outcome> {
        if let Some(n) = self.cut.filter(|_| self.apply) {
            let mut writer = self.corpus.writer()?;
            let running = ui::Running::new();
            let encoder = labeller(&writer, running.job());
            writer.cut_topics(n, encoder.as_ref(), running.job())?;
            drop(running);
            let topics = Topics::stored(&writer)?;
            if self.json {
                ui::print_json(&to_json(&writer, &topics)?)?;
            } else {
                ui::print(&to_text(&writer, &topics, 0)?)?;
            }
            return Ok(Outcome::Done);
        }
        let store = self.corpus.reader()?;
        let stored = stored(&store)?;
        if let Some(n) = self.cut {
            let branches = nested::cut(&stored, n)?;
            if self.json {
                ui::print_json(&branches)?;
            } else {
                let mut out = String::new();
                lines(&mut out, &branches.iter().collect::<Vec<_>>(), "");
                ui::print(&ui::clean_lines(&out))?;
            }
            return Ok(Outcome::Done);
        }
        let Some(root) = nested::whole(&stored) else {
            bail!("the topics have no tree; run `nearwise topics fit`");
        };
        if let Some(path) = &self.out {
            write(path, &root)?;
        }
        if self.json {
            ui::print_json(&root)?;
        } else if self.out.is_none() {
            let mut out = format!("all ({})\n", ui::count(root.size, "article"));
            let below = if root.topic.is_some() {
                vec![&root]
            } else {
                children(&root)
            };
            lines(&mut out, &below, "");
            ui::print(&ui::clean_lines(&out))?;
        }
        Ok(Outcome::Done)
    }
}

fn leaves(branch: &Branch) -> Vec<&Branch> {
    if branch.branches.is_empty() {
        return vec![branch];
    }
    let mut out: Vec<&Branch> = branch.branches.iter().flat_map(leaves).collect();
    out.sort_by_key(|b| std::cmp::Reverse(b.size));
    out
}

/// What is shown below a branch. Below a topic its parts stand side by side: how they joined
/// says little.
fn children(branch: &Branch) -> Vec<&Branch> {
    if branch.topic.is_some() && !branch.branches.is_empty() {
        leaves(branch)
    } else {
        branch.branches.iter().collect()
    }
}

fn lines(out: &mut String, branches: &[&Branch], before: &str) {
    for (i, branch) in branches.iter().enumerate() {
        let (corner, next) = if i + 1 == branches.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let number = branch.topic.map_or(String::new(), |id| format!("[{id}] "));
        let size = ui::number(branch.size);
        let _ = writeln!(out, "{before}{corner}{number}{} ({size})", branch.label);
        lines(out, &children(branch), &format!("{before}{next}"));
    }
}

fn write(path: &Path, root: &Branch) -> Result<()> {
    let text = match path.extension().and_then(|e| e.to_str()) {
        Some("json") => serde_json::to_string_pretty(root)? + "\n",
        Some("dot" | "gv") => nested::dot(root),
        _ => return Err(usage("--out", "name a file that ends in .json or .dot")),
    };
    let mut file = NewFile::create(path)?;
    file.write_all(text.as_bytes())
        .map_err(|e| Error::io(path, e))?;
    file.finish()?;
    ui::tell(&format!("tree written to {}", path.display()));
    Ok(())
}
