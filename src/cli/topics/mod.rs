//! `nearwise topics`

mod change;
mod fit;
mod follow;
mod view;

use super::args::{CorpusArg, ModelArgs};
use super::{Outcome, ui};
use anyhow::Result;
use clap::{Args, Subcommand};
use nearwise::topics::Topics as Found;
use nearwise::{Corpus, Encoder, ErrorKind, Job, Reader, Writer};

pub(super) use view::{to_json, to_text};

/// Show what the corpus is about: topics with labels and their most typical articles
///
/// Without a command, shows the topics. They are found first if there are none yet, if --topics or
/// --seed ask for others, or if the corpus has changed so much that they no longer fit. Otherwise
/// new articles join the topics that are there.
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
    pub(super) fn run(self) -> Result<Outcome> {
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

/// Whoever reads: a view of the corpus, or its writer, which sees what it wrote.
pub(super) enum View {
    Reader(Reader),
    Writer(Writer),
}

impl std::ops::Deref for View {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        match self {
            Self::Reader(reader) => reader,
            Self::Writer(writer) => writer,
        }
    }
}

/// Opens the corpus's model to rank labels by meaning; where it is not on the machine, labels go
/// by their words alone and a line says so.
fn labeller(reader: &Reader, job: &Job) -> Option<Encoder> {
    let opened = reader.encoder(ModelArgs::default().builder(job).offline(true));
    match opened {
        Ok(encoder) => reader
            .check_model(encoder.identity())
            .is_ok()
            .then_some(encoder),
        Err(e) => {
            ui::tell(&format!(
                "labels are made of words alone, without the model: {e}"
            ));
            None
        }
    }
}

/// The topics, found or joined where that is due. Only then is the corpus written to; where it
/// cannot be, the topics that it holds are shown as they are.
pub(super) fn up_to_date(
    corpus: &Corpus,
    k: Option<usize>,
    seed: Option<u64>,
    job: &Job,
) -> Result<(View, Found)> {
    let reader = corpus.reader()?;
    if let Some(topics) = reader.topics_current(k, seed)? {
        return Ok((View::Reader(reader), topics));
    }
    let mut writer = match corpus.writer() {
        Ok(writer) => writer,
        Err(e) => {
            let unwritable = matches!(
                e.kind(),
                ErrorKind::Busy | ErrorKind::ReadOnly | ErrorKind::Io
            );
            if !unwritable || k.is_some() || seed.is_some() || reader.topic_run()?.is_none() {
                return Err(e.into());
            }
            ui::tell(&format!("the topics are those of an earlier state: {e}"));
            let topics = Found::stored(&reader)?;
            return Ok((View::Reader(reader), topics));
        }
    };
    drop(reader);
    let topics = writer.update_topics(k, seed, |reader| labeller(reader, job), job)?;
    Ok((View::Writer(writer), topics))
}

/// What is shown of the list of topics.
#[derive(Debug, Args)]
struct Shown {
    /// Typical articles shown of each topic, 10 at most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = typical)]
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

/// As many typical articles as are kept of a topic.
fn typical(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(n @ 0..=10) => Ok(n),
        _ => Err("give a number from 0 to 10".to_string()),
    }
}

/// A topic by its number.
fn topic(text: &str) -> std::result::Result<i64, String> {
    text.parse()
        .map_err(|_| "give a topic's number, as `nearwise topics` shows it".to_string())
}
