//! `nearwise topics`

mod change;
mod fit;
mod follow;
mod view;

use super::Outcome;
use super::args::CorpusArg;
use anyhow::Result;
use clap::{Args, Subcommand};

pub(super) use fit::labeller;
pub(super) use view::{to_json, to_text};

/// Show what the corpus is about: topics with labels and their most typical articles
///
/// Without a command, the topics are shown, and found first where there are none, where
/// --topics or --seed ask for others, or where the corpus has drifted from them; articles that
/// are new join them otherwise.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  nearwise topics\n  nearwise topics --topics 12 --typical 5\n  nearwise topics --members --json\n  \
    nearwise topics tree\n  nearwise topics over-time --by month"
)]
pub(super) struct Topics {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bare: fit::Bare,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fit(Box<fit::Fit>),
    List(view::List),
    Show(view::Show),
    Tree(view::Tree),
    Merge(change::Merge),
    Split(change::Split),
    Rename(change::Rename),
    OverTime(follow::OverTime),
    Assign(follow::Assign),
    Drift(follow::Drift),
}

impl Topics {
    pub fn run(self) -> Result<Outcome> {
        match self.command {
            None => self.bare.run(),
            Some(Command::Fit(c)) => c.run(),
            Some(Command::List(c)) => c.run(),
            Some(Command::Show(c)) => c.run(),
            Some(Command::Tree(c)) => c.run(),
            Some(Command::Merge(c)) => c.run(),
            Some(Command::Split(c)) => c.run(),
            Some(Command::Rename(c)) => c.run(),
            Some(Command::OverTime(c)) => c.run(),
            Some(Command::Assign(c)) => c.run(),
            Some(Command::Drift(c)) => c.run(),
        }
    }
}

/// What is shown of the list of topics.
#[derive(Debug, Args)]
struct Shown {
    /// Typical articles shown of each topic, 10 at most
    #[arg(long, value_name = "N", default_value_t = 3)]
    typical: usize,
    /// List every article's topic instead, as id and topic; -1 is no topic
    #[arg(long)]
    members: bool,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}
