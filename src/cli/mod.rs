//! A file for each subcommand: parse, call the library, print.

mod answers;
mod args;
mod check;
mod completions;
mod delete;
mod devices;
mod duplicates;
mod embed;
mod eval;
mod explore;
mod export;
mod index;
mod map;
#[cfg(feature = "server")]
mod mcp;
mod model;
mod problem;
mod queries;
mod rerank;
mod search;
#[cfg(feature = "server")]
mod serve;
mod show;
mod similar;
mod stats;
mod topics;
mod ui;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Semantic similarity and topics of articles: embed, search, find near-duplicates, see what
/// a corpus is about.
#[derive(Debug, Parser)]
#[command(
    name = "nearwise",
    version,
    about,
    after_help = "Start with:\n  nearwise explore PATH          read, embed, and show topics and neighbours\n\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing found, 130 stopped by Ctrl-C or SIGTERM."
)]
struct Cli {
    /// How many threads compute; by default as many as the processors that this program may use,
    /// which is fewer in a container with a quota
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "NEARWISE_THREADS",
        value_parser = clap::value_parser!(u16).range(1..=nearwise::encoder::MOST_THREADS as i64),
        help_heading = "General"
    )]
    threads: Option<u16>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Explore(explore::Explore),
    Index(index::Index),
    Search(search::Search),
    Similar(similar::Similar),
    Rerank(rerank::Rerank),
    Duplicates(duplicates::Duplicates),
    Topics(topics::Topics),
    Map(map::Map),
    #[cfg(feature = "server")]
    Serve(serve::Serve),
    #[cfg(feature = "server")]
    Mcp(mcp::Mcp),
    Eval(eval::Eval),
    Show(show::Show),
    Stats(stats::Stats),
    Check(check::Check),
    Delete(delete::Delete),
    Export(export::Export),
    Embed(embed::Embed),
    Model(model::Model),
    Devices(devices::Devices),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    NothingFound,
}

/// Parses the arguments, runs the command and turns its outcome to an exit code.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version, which were asked for.
        Err(e) if !e.use_stderr() => return asked_for(&e),
        Err(e) if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Nobody may be there to read it.
            let _ = e.print();
            return ExitCode::from(2);
        }
        Err(e) => {
            ui::tell(&format!("nearwise: {}", usage(&e)));
            return ExitCode::from(2);
        }
    };
    if let Some(threads) = cli.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
        if let Err(e) = pool.build_global() {
            ui::tell(&format!("nearwise: --threads: {e}"));
            return ExitCode::from(1);
        }
    }
    let outcome = match cli.command {
        Command::Explore(c) => c.run(),
        Command::Index(c) => c.run(),
        Command::Search(c) => c.run(),
        Command::Similar(c) => c.run(),
        Command::Rerank(c) => c.run(),
        Command::Duplicates(c) => c.run(),
        Command::Topics(c) => c.run(),
        Command::Map(c) => c.run(),
        #[cfg(feature = "server")]
        Command::Serve(c) => c.run(),
        #[cfg(feature = "server")]
        Command::Mcp(c) => c.run(),
        Command::Eval(c) => c.run(),
        Command::Show(c) => c.run(),
        Command::Stats(c) => c.run(),
        Command::Check(c) => c.run(),
        Command::Delete(c) => c.run(),
        Command::Export(c) => c.run(),
        Command::Embed(c) => c.run(),
        Command::Model(c) => c.run(),
        Command::Devices(c) => c.run(),
        Command::Completions(c) => c.run(),
        Command::Man(c) => c.run(),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::NothingFound) => ExitCode::from(3),
        Err(e) => {
            let (line, code) = problem::report(&e);
            ui::tell(&format!("nearwise: {line}"));
            ExitCode::from(code)
        }
    }
}

/// Prints help or the version.
fn asked_for(text: &clap::Error) -> ExitCode {
    match text.print() {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            ui::tell(&format!("nearwise: standard output: {e}"));
            ExitCode::from(1)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// What clap says of a wrong command line, in one line.
fn usage(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let said = |part: &&str| !part.starts_with("Usage:") && !part.starts_with("For more");
    let parts: Vec<String> = text
        .split("\n\n")
        .map(str::trim)
        .filter(said)
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let line = parts.join("; ");
    format!(
        "{}; see --help",
        line.strip_prefix("error: ").unwrap_or(&line)
    )
}

/// The whole command tree, for completions and the man page.
fn command() -> clap::Command {
    Cli::command()
}
