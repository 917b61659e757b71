//! `nearwise serve`

use super::Outcome;
use super::args::ModelArgs;
use anyhow::Result;
use clap::Args;
use nearwise::Job;
use nearwise::server::{CorpusAt, ServeOptions, Server};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Serve corpora and embeddings over HTTP, with a page to look at
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// A corpus to serve; may be given several times
    #[arg(short, long, value_name = "FILE", env = "NEARWISE_CORPUS")]
    corpus: Vec<PathBuf>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7700")]
    listen: SocketAddr,
    #[command(flatten)]
    model: ModelArgs,
}

impl Serve {
    pub(super) fn run(self) -> Result<Outcome> {
        let job = Job::new();
        let corpora = self
            .corpus
            .iter()
            .map(|path| CorpusAt {
                name: path
                    .file_stem()
                    .map_or_else(String::new, |s| s.to_string_lossy().into_owned()),
                path: path.clone(),
            })
            .collect();
        let server = Server::open(ServeOptions {
            corpora,
            encoder: self.model.builder(&job),
            rerank: None,
            writable: false,
        })?;
        server.run(self.listen, async {
            let _ = tokio_stop().await;
        })?;
        Ok(Outcome::Done)
    }
}

/// Ends when the program is told to stop.
async fn tokio_stop() {
    std::future::pending::<()>().await;
}
