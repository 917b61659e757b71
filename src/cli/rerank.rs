//! `nearwise rerank`

use super::args::ModelArgs;
use super::problem::usage;
use super::{Outcome, ui};
use anyhow::Result;
use clap::Args;
use nearwise::encoder::{DeviceChoice, DtypeChoice, Identity, RerankOptions, RerankerBuilder};
use nearwise::search::{Facets, Found, RerankedHit, SearchOptions, rerank, rerank_depth};
use nearwise::{Error, Job, Reranker};
use serde_json::{Value, json};
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

/// Order texts by how well they answer a query, with a model that reads both together
///
/// Texts are the lines of a file or of standard input, or JSON lines with a "text" and, where there
/// are some, an "id" and a "title". A model that judges pairs (a cross-encoder, or a language model such
/// as Qwen3-Reranker) orders texts better than vectors do, and computes a whole transformer for each of them: some hundred texts take
/// seconds. `nearwise search --rerank` does the same with what a search finds.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nearwise rerank \"interest rates\" lines.txt --model cross-encoder/ms-marco-MiniLM-L6-v2\n  \
    cat texts.jsonl | nearwise rerank \"peace talks\" - --top 5 --json"
)]
pub(super) struct Rerank {
    /// What the texts are to answer
    query: String,
    /// A file of texts, one a line, or of JSON lines; - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// The model: a known one, a folder, or a hub id (OWNER/NAME, with @REVISION if wanted); by
    /// default ms-marco-MiniLM-L6-v2
    #[arg(long, value_name = "MODEL", env = "NEARWISE_RERANKER")]
    model: Option<String>,
    /// What stands in front of the query, in place of the model's own prompt; a language model is told by
    /// it what to judge by, such as "Given a question, find what answers it"
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Only so many of the best
    #[arg(short = 'k', long, visible_alias = "limit", value_name = "N", value_parser = super::args::positive)]
    top: Option<usize>,
    /// Judge a text that the model does not take whole by the best of its passages, instead of by
    /// its beginning
    #[arg(long)]
    passages: bool,
    /// The label whose value is the score, for a model with several
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Where to compute: auto, cpu, cuda (all CUDA devices), cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// The dtype to compute with: auto, f32, f16, bf16 or int8
    #[arg(long, value_name = "DTYPE", default_value = "auto")]
    dtype: DtypeChoice,
    /// Use no network; the environment variable `HF_HUB_OFFLINE` does the same
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The longest line, in bytes.
const LONGEST: u64 = 16 << 20;

/// A re-ranker on a device, as a command asks for it.
pub(super) fn builder(
    model: Option<&str>,
    device: DeviceChoice,
    dtype: DtypeChoice,
    offline: bool,
    job: &Job,
) -> RerankerBuilder {
    let builder = Reranker::builder()
        .device(device)
        .dtype(dtype)
        .offline(offline)
        .job(job);
    match model {
        Some(model) => builder.model(model),
        None => builder,
    }
}

/// How `search` has its hits re-ranked.
#[derive(Debug, Args)]
pub(super) struct RerankArgs {
    /// Order what was found by a model that reads the query and each best passage together (a
    /// cross-encoder), as `nearwise rerank` does
    #[arg(long, value_name = "MODEL")]
    rerank: Option<String>,
    /// How many articles are found to be re-ranked; by default 50, or four times as many as are
    /// shown
    #[arg(long, value_name = "N", requires = "rerank", value_parser = super::args::positive)]
    rerank_depth: Option<usize>,
}

impl RerankArgs {
    /// How many candidates are to be found, where they are to be re-ranked.
    pub(super) fn depth(&self, options: &SearchOptions) -> Result<Option<usize>> {
        if self.rerank.is_none() {
            return Ok(None);
        }
        if options.diverse.is_some() {
            return Err(usage(
                "--rerank",
                "it does not go with --diverse: the one orders by relevance alone, the other does not",
            ));
        }
        let shown = options.end();
        match self.rerank_depth {
            Some(depth) if depth < shown => Err(usage(
                "--rerank-depth",
                format!("{depth} is less than the {shown} articles up to the end of the page"),
            )),
            depth => Ok(Some(depth.unwrap_or_else(|| rerank_depth(shown)))),
        }
    }

    /// Whether what is found is to be re-ranked.
    pub(super) fn wanted(&self) -> bool {
        self.rerank.is_some()
    }

    /// Opens the model, before anything is searched: a wrong one is told at once. The device is
    /// that of the search; the dtype is left to the re-ranker, as that of the search is the
    /// corpus's.
    pub(super) fn open(&self, args: &ModelArgs, job: &Job) -> Result<Option<Reranker>> {
        let Some(model) = self.rerank.as_deref() else {
            return Ok(None);
        };
        let builder = builder(
            Some(model),
            args.device,
            DtypeChoice::Auto,
            args.offline,
            job,
        );
        Ok(Some(builder.open()?))
    }

    /// Re-ranks and prints what was found.
    pub(super) fn answer(
        reranker: &Reranker,
        query: &str,
        found: Found,
        page: &Page<'_>,
    ) -> Result<Outcome> {
        let running = ui::Running::new();
        let job = running.job();
        let (exact, facets) = (found.exact, found.facets);
        let mut hits = rerank(reranker, query, found.hits, page.options.end(), job)?;
        hits.drain(..page.options.offset.min(hits.len()));
        drop(running);
        if page.json {
            ui::print_json(&Answer {
                hits: &hits,
                exact,
                facets: facets.as_ref(),
                reranker: reranker.identity(),
            })?;
        } else {
            let mut out = String::new();
            for RerankedHit { rerank, hit } in &hits {
                out.push_str(&super::answers::entry(*rerank, hit, true, page.full));
            }
            if hits.is_empty() {
                out.push_str("nothing found\n");
            }
            if let Some(facets) = &facets {
                out.push_str(&super::answers::facets(facets, page.options));
            }
            ui::print(&out)?;
        }
        Ok(if hits.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}

/// How an answer is cut out and shown.
pub(super) struct Page<'a> {
    pub options: &'a SearchOptions,
    pub json: bool,
    pub full: bool,
}

/// What `search` prints of hits that were re-ranked.
#[derive(serde::Serialize)]
struct Answer<'a> {
    hits: &'a [RerankedHit],
    exact: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<&'a Facets>,
    reranker: &'a Identity,
}

/// A text to order.
struct Item {
    id: String,
    text: String,
}

impl Rerank {
    pub(super) fn run(self) -> Result<Outcome> {
        if self.query.trim().is_empty() {
            return Err(usage("QUERY", "it is empty; give some words"));
        }
        let input = super::args::lines(&self.file)?;
        let running = ui::Running::new();
        let job = running.job();
        let model = self.model.as_deref();
        let builder = builder(model, self.device, self.dtype, self.offline, job);
        let reranker = builder.prompt(self.prompt).open()?;
        let items = read(input, &self.file, job)?;
        let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
        let options = RerankOptions::new()
            .top(self.top)
            .passages(self.passages)
            .label(self.label.clone())
            .job(job);
        let ranked = reranker.rerank(&self.query, &texts, &options)?;
        drop(running);
        if self.json {
            let rows: Vec<Value> = ranked
                .iter()
                .map(|ranked| {
                    let item = &items[ranked.index];
                    let mut row = json!({"id": item.id, "text": item.text});
                    if let (Value::Object(row), Ok(Value::Object(more))) =
                        (&mut row, serde_json::to_value(ranked))
                    {
                        row.extend(more);
                    }
                    row
                })
                .collect();
            ui::print_json(
                &json!({"model": reranker.identity(), "query": self.query, "results": rows}),
            )?;
        } else {
            let mut out = String::new();
            for ranked in &ranked {
                let item = &items[ranked.index];
                let passage = ranked.passage.clone().and_then(|p| item.text.get(p));
                out.push_str(&format!(
                    "{:.4}  {}  {}\n",
                    ranked.score,
                    ui::clean(&item.id),
                    ui::snippet(passage.unwrap_or(&item.text), 200)
                ));
            }
            ui::print(&out)?;
        }
        let cut = ranked.iter().filter(|r| r.cut > 0).count() as u64;
        if cut > 0 {
            let most = reranker.identity().max_tokens;
            ui::tell(&format!(
                "{} longer than {most} tokens with the query, cut there; --passages judges all of a text",
                ui::count(cut, "text"),
            ));
        }
        Ok(if ranked.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}

/// The texts of a file: JSON lines where its first line with something in it begins as one, else
/// its lines. Lines with nothing in them are no texts.
fn read(mut input: impl BufRead, path: &Path, job: &Job) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut as_json = None;
    for row in 1u64.. {
        job.check()?;
        let bad = |message: String| Error::input(path.to_string_lossy(), Some(row), message);
        let mut line = Vec::new();
        let read = input
            .by_ref()
            .take(LONGEST + 1)
            .read_until(b'\n', &mut line);
        if read.map_err(|e| Error::io(path, e))? == 0 {
            break;
        }
        if line.len() as u64 > LONGEST {
            return Err(bad(format!("longer than {} MiB", LONGEST >> 20)).into());
        }
        let line = String::from_utf8(line).map_err(|_| bad("not UTF-8".to_string()))?;
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            continue;
        }
        let json = *as_json.get_or_insert(line.starts_with('{'));
        items.push(if json {
            item(line, row).map_err(bad)?
        } else {
            Item {
                id: row.to_string(),
                text: line.to_string(),
            }
        });
    }
    Ok(items)
}

/// The text of a JSON line, its title in front.
fn item(line: &str, row: u64) -> Result<Item, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let text = |key: &str| match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("its {key:?} is no text")),
    };
    let body = text("text")?.ok_or("it has no \"text\"")?;
    let title = text("title")?.filter(|title| !title.is_empty());
    let id = match value.get("id") {
        None | Some(Value::Null) => row.to_string(),
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(n)) => n.to_string(),
        Some(_) => return Err("its \"id\" is neither text nor a number".to_string()),
    };
    Ok(Item {
        id,
        text: title.map_or(body.to_string(), |title| format!("{title}\n{body}")),
    })
}
