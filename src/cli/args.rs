//! Options that several subcommands share.

use super::problem::usage;
use anyhow::Result;
use clap::Args;
use nearwise::corpus::{Columns, Format, Input, ReadOptions};
use nearwise::encoder::{DeviceChoice, DtypeChoice, EncoderBuilder};
use nearwise::index::IndexOptions;
use nearwise::{Corpus, Encoder, Filter, Job, Reader, Writer};
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
    pub(super) fn path(&self) -> Result<PathBuf> {
        if let Some(path) = &self.corpus {
            return Ok(path.clone());
        }
        let mut found: Vec<PathBuf> = std::fs::read_dir(".")?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "nearwise") && path.is_file())
            .map(|path| path.strip_prefix(".").map_or(path.clone(), PathBuf::from))
            // Hidden ones are files on their way to their place.
            .filter(|path| !path.as_os_str().as_encoded_bytes().starts_with(b"."))
            .collect();
        found.sort();
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(usage(
                "--corpus",
                "there is no *.nearwise file here; name the corpus, or make one with `nearwise index PATH --corpus FILE`",
            )),
            several => Err(usage(
                "--corpus",
                format!(
                    "there are several here ({}); name one",
                    several
                        .iter()
                        .map(|p| p.display().to_string())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            )),
        }
    }

    /// The corpus.
    pub(super) fn open(&self) -> Result<Corpus> {
        Ok(Corpus::open(self.path()?)?)
    }

    /// One view of the corpus.
    pub(super) fn reader(&self) -> Result<Reader> {
        Ok(self.open()?.reader()?)
    }

    /// The corpus's one writer.
    pub(super) fn writer(&self) -> Result<Writer> {
        Ok(self.open()?.writer()?)
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
    /// The dtype to compute with: auto, f32, f16, bf16 or int8; auto is the corpus's own,
    /// else the fastest here whose vectors are known to be faithful for the model
    #[arg(long, value_name = "DTYPE", default_value = "auto")]
    pub dtype: DtypeChoice,
    /// Use no network; the environment variable `HF_HUB_OFFLINE` does the same
    #[arg(long)]
    pub offline: bool,
}

impl ModelArgs {
    /// What was asked for.
    pub(super) fn builder(&self, job: &Job) -> EncoderBuilder {
        let builder = Encoder::builder()
            .device(self.device)
            .dtype(self.dtype)
            .offline(self.offline)
            .job(job);
        match &self.model {
            Some(model) => builder.model(model),
            None => builder,
        }
    }

    /// Opens the encoder that a corpus needs, as far as nothing else was asked for.
    pub(super) fn open(&self, reader: &Reader, job: &Job) -> Result<Encoder> {
        Ok(reader.encoder(self.builder(job))?)
    }
}

/// How inputs are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(super) struct InputArgs {
    /// Files, folders, globs, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// The format where neither names nor contents tell: txt, md, html, jsonl, csv, pdf …
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
    Format::from_name(name).ok_or_else(Format::list)
}

impl InputArgs {
    pub(super) fn inputs(&self) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for path in &self.paths {
            inputs.extend(Input::parse(path)?);
        }
        Ok(inputs)
    }

    pub(super) fn options(&self) -> IndexOptions {
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

/// The filter of `--where`.
pub(super) fn filter(expression: Option<&str>, reader: &Reader) -> Result<Option<Filter>> {
    Ok(expression.map(|e| reader.filter(e)).transpose()?)
}

/// A number of things to show: from 1 to a million.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1_000_000) => Ok(n),
        _ => Err("give a number from 1 to 1000000".to_string()),
    }
}
