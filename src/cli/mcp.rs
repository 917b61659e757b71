//! `nearwise mcp`

use super::Outcome;
use super::args::ModelArgs;
use anyhow::Result;
use clap::Args;
use nearwise::Job;
use nearwise::server::serve_stdio;
use std::path::PathBuf;

/// Give an assistant corpora as tools, by the Model Context Protocol
///
/// The assistant starts this command itself; its settings name it, such as
/// {"mcpServers": {"news": {"command": "nearwise", "args": ["mcp", "-c", "/home/me/news.nearwise"]}}}.
/// The tools are search, similar, article, topics and timeline; none changes anything. The model is
/// opened when a tool first needs it. `nearwise serve` has the same tools over HTTP, at /mcp.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  nearwise mcp -c news.nearwise")]
pub(super) struct Mcp {
    /// A corpus; may be given several times
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "NEARWISE_CORPUS",
        required = true
    )]
    corpus: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

impl Mcp {
    pub(super) fn run(self) -> Result<Outcome> {
        let name = |path: &PathBuf| {
            let stem = path.file_stem();
            stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
        };
        let corpora: Vec<(String, PathBuf)> = self
            .corpus
            .iter()
            .map(|path| (name(path), path.clone()))
            .collect();
        serve_stdio(&corpora, &self.model.builder(&Job::new()))?;
        Ok(Outcome::Done)
    }
}
