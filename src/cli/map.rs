//! `nearwise map`

use super::args::CorpusArg;
use super::{Outcome, topics, ui};
use anyhow::Result;
use clap::Args;
use nearwise::Error;
use nearwise::encoder::DeviceChoice;
use nearwise::topics::fitted;
use nearwise::topics::map::{Map as Drawn, page, png, svg};
use serde_json::json;
use std::path::PathBuf;

/// Draw the corpus as a map: articles as points, near ones near each other
///
/// An .html file is one page that needs no network: pan, zoom, hover for a title, click for
/// an article's neighbours, colour by topic, source or date, search. An .svg or .png file is a
/// picture for reports. Topics are found first where there are none. The layout (UMAP) is kept
/// in the corpus; its trustworthiness, 0 to 1, says how well near articles were kept near.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise map\n  nearwise map news.nearwise --out map.html\n  nearwise map --out map.png"
)]
pub(super) struct Map {
    /// The corpus file, in place of --corpus
    #[arg(value_name = "CORPUS")]
    file: Option<PathBuf>,
    /// The file to write: .html, .svg or .png
    #[arg(short, long, value_name = "FILE", default_value = "map.html")]
    out: PathBuf,
    /// The seed of all that is random
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Where to compare vectors: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    corpus: CorpusArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Map {
    pub fn run(self) -> Result<Outcome> {
        let kind = match self.out.extension().and_then(|e| e.to_str()) {
            Some(kind @ ("html" | "svg" | "png")) => kind,
            _ => {
                return Err(
                    Error::usage("--out", "name a file that ends in .html, .svg or .png").into(),
                );
            }
        };
        let corpus = CorpusArg {
            corpus: self.file.or(self.corpus.corpus),
        };
        let mut store = corpus.open()?;
        fitted(&mut store, None, None, &mut topics::labeller)?;
        let map = Drawn::new(&mut store, self.seed, self.device)?;
        let write =
            |text: String| std::fs::write(&self.out, text).map_err(|e| Error::io(&self.out, e));
        match kind {
            "html" => write(page(&map))?,
            "svg" => write(svg(&map)?)?,
            _ => png(&map, &self.out)?,
        }
        if self.json {
            ui::print_json(&json!({
                "out": self.out, "articles": map.articles.len(), "topics": map.topics.len(),
                "trustworthiness": map.trustworthiness,
            }))?;
        } else {
            ui::print(&ui::clean_lines(&format!(
                "map of {} written to {}; trustworthiness {:.3}\n",
                ui::count(map.articles.len() as u64, "article"),
                self.out.display(),
                map.trustworthiness
            )))?;
        }
        Ok(Outcome::Done)
    }
}
