//! Options that several subcommands share.

use anyhow::Result;
use clap::Args;
use nearwise::Error;
use nearwise::corpus::{Columns, Format, Input, ReadOptions};
use nearwise::encoder::{Compute, DeviceChoice, DtypeChoice, Encoder};
use nearwise::index::IndexOptions;
use nearwise::model::{DEFAULT_MODEL, Fetch};
use nearwise::store::Store;
use std::path::PathBuf;

/// Which corpus.
#[derive(Debug, Args)]
pub(super) struct CorpusArg {
    /// The corpus file; by default the only *.nearwise file here
    #[arg(short, long, value_name = "FILE", env = "NEARWISE_CORPUS")]
    pub corpus: Option<PathBuf>,
}

impl CorpusArg {
    /// The file, given or found.
    pub fn path(&self) -> Result<PathBuf> {
        if let Some(path) = &self.corpus {
            return Ok(path.clone());
        }
        let mut found: Vec<PathBuf> = std::fs::read_dir(".")?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "nearwise") && path.is_file())
            .map(|path| path.strip_prefix(".").map_or(path.clone(), PathBuf::from))
            .collect();
        found.sort();
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Error::usage(
                "--corpus",
                "there is no *.nearwise file here; name the corpus, or make one with `nearwise index PATH --corpus FILE`",
            )
            .into()),
            several => Err(Error::usage(
                "--corpus",
                format!(
                    "there are several here ({}); name one",
                    several.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
                ),
            )
            .into()),
        }
    }

    pub fn open(&self) -> Result<Store> {
        Ok(Store::open(&self.path()?)?)
    }

    pub fn open_read_only(&self) -> Result<Store> {
        Ok(Store::open_read_only(&self.path()?)?)
    }
}

/// Which model, on what.
#[derive(Debug, Default, Args)]
pub(super) struct ModelArgs {
    /// A known model, a sentence-transformers folder, or a hub id (OWNER/NAME, with @REVISION
    /// if wanted); by default the corpus's own, else all-MiniLM-L6-v2
    #[arg(long, value_name = "MODEL", env = "NEARWISE_MODEL")]
    pub model: Option<String>,
    /// Where to compute: auto, cpu, cuda (all CUDA devices), cuda:N or metal; auto is the GPU
    /// where one works, else the CPU
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// The type of number to compute with: auto, f32, f16, bf16 or int8; auto is the corpus's own,
    /// else the fastest here whose vectors are known to be faithful for the model
    #[arg(long, value_name = "DTYPE", default_value = "auto")]
    pub dtype: DtypeChoice,
    /// Use no network; the environment variable `HF_HUB_OFFLINE` does the same
    #[arg(long)]
    pub offline: bool,
}

impl ModelArgs {
    /// Opens the encoder; `store` tells which model its vectors are of.
    pub fn open(&self, store: Option<&Store>) -> Result<Encoder> {
        let identity = store.map(Store::identity).transpose()?.flatten();
        let dtype = match (self.dtype, &identity) {
            (DtypeChoice::Auto, Some(identity)) => identity
                .dtype
                .parse()
                .map_or(DtypeChoice::Auto, DtypeChoice::Like),
            (dtype, _) => dtype,
        };
        let compute = Compute {
            device: self.device,
            dtype,
        };
        let own = match identity {
            Some(identity) if identity.revision != "local" && !known(&identity.model) => {
                Some(format!("{}@{}", identity.model, identity.revision))
            }
            Some(identity) => Some(identity.model),
            None => None,
        };
        let name = self
            .model
            .clone()
            .or(own)
            .unwrap_or_else(|| DEFAULT_MODEL.to_string());
        Ok(Encoder::open(&name, compute, self.fetch(&say))?)
    }

    /// As [`Self::open`] for a corpus, from what is on the machine alone.
    pub fn open_here(&self, store: &Store) -> Result<Encoder> {
        let here = Self {
            model: self.model.clone(),
            offline: true,
            ..*self
        };
        here.open(Some(store))
    }

    pub fn fetch<'a>(&self, say: &'a dyn Fn(&str)) -> Fetch<'a> {
        let quiet = Fetch::quiet();
        Fetch {
            offline: self.offline || quiet.offline,
            again: false,
            say,
        }
    }
}

fn known(id: &str) -> bool {
    nearwise::model::known_models().iter().any(|m| m.id == id)
}

pub(super) fn say(line: &str) {
    eprintln!("{}", super::ui::clean(line));
}

/// How inputs are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(super) struct InputArgs {
    /// Files, folders, globs, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// The format where names do not tell: txt, md, html, jsonl, csv, tsv or parquet
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub format: Option<Format>,
    /// Leave out what matches, as in .gitignore; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Leave out files and rows that cannot be used, and say which, instead of stopping
    #[arg(long)]
    pub skip_bad: bool,
    /// Remove articles that came from these paths and are no longer there
    #[arg(long)]
    pub prune: bool,
    /// The column with the id
    #[arg(long, value_name = "COLUMN")]
    pub id_column: Option<String>,
    /// The column with the title
    #[arg(long, value_name = "COLUMN")]
    pub title_column: Option<String>,
    /// The column with the text
    #[arg(long, value_name = "COLUMN")]
    pub text_column: Option<String>,
    /// The column with the date
    #[arg(long, value_name = "COLUMN")]
    pub date_column: Option<String>,
    /// The column with the address
    #[arg(long, value_name = "COLUMN")]
    pub url_column: Option<String>,
    /// The column with the source
    #[arg(long, value_name = "COLUMN")]
    pub source_column: Option<String>,
}

fn format(name: &str) -> Result<Format, String> {
    Format::from_name(name)
        .ok_or_else(|| "use txt, md, html, jsonl, csv, tsv or parquet".to_string())
}

impl InputArgs {
    pub fn inputs(&self) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for path in &self.paths {
            inputs.extend(Input::parse(path)?);
        }
        Ok(inputs)
    }

    pub fn options(&self) -> IndexOptions {
        IndexOptions {
            read: ReadOptions {
                columns: Columns {
                    id: self.id_column.clone(),
                    title: self.title_column.clone(),
                    text: self.text_column.clone(),
                    date: self.date_column.clone(),
                    url: self.url_column.clone(),
                    source: self.source_column.clone(),
                },
                format: self.format,
                exclude: self.exclude.clone(),
            },
            skip_bad: self.skip_bad,
            prune: self.prune,
        }
    }
}

/// A number of things to show: from 1 to a million.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1_000_000) => Ok(n),
        _ => Err("give a number from 1 to 1000000".to_string()),
    }
}
