//! `nearwise map`

use super::args::CorpusArg;
use super::problem::usage;
use super::topics::View;
use super::{Outcome, topics, ui};
use anyhow::Result;
use clap::Args;
use nearwise::encoder::DeviceChoice;
use nearwise::topics::map::columns::Columns;
use nearwise::topics::map::{Map as Drawn, page, png, svg};
use nearwise::{Error, NewFile};
use serde_json::json;
use std::io::Write;
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
    pub(super) fn run(self) -> Result<Outcome> {
        let kind = match self.out.extension().and_then(|e| e.to_str()) {
            Some(kind @ ("html" | "svg" | "png")) => kind,
            _ => {
                return Err(usage(
                    "--out",
                    "name a file that ends in .html, .svg or .png",
                ));
            }
        };
        self.device.check()?;
        let corpus = CorpusArg {
            corpus: self.file.or(self.corpus.corpus),
        };
        let corpus = corpus.open()?;
        let running = ui::Running::new();
        let job = running.job();
        let (mut view, _) = topics::up_to_date(&corpus, None, None, job)?;
        if matches!(view, View::Reader(_))
            && !view.has_layout(self.seed)?
            && let Ok(writer) = corpus.writer()
        {
            view = View::Writer(writer);
        }
        let layout = match &mut view {
            View::Writer(writer) => writer.lay_out(self.seed, self.device, job)?,
            // It is there; or the corpus cannot be written, and it is made for this map alone.
            View::Reader(reader) => reader.layout_of_map(self.seed, self.device, job)?,
        };
        let map = Drawn::new(&view, &layout, job)?;
        let columns = match kind {
            "html" => Some(Columns::new(&view, &layout, job)?),
            _ => None,
        };
        drop(running);
        let mut file = NewFile::create(&self.out)?;
        let text = match (kind, &columns) {
            (_, Some(columns)) => page(&map, columns),
            ("svg", _) => svg(&map)?,
            _ => {
                png(&map, file.path())?;
                String::new()
            }
        };
        file.write_all(text.as_bytes())
            .map_err(|e| Error::io(&self.out, e))?;
        file.finish()?;
        if self.json {
            ui::print_json(&json!({
                "out": self.out.display().to_string(), "articles": map.articles.len(), "topics": map.topics.len(),
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
