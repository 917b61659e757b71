//! Options that several subcommands share.

use super::problem::usage;
use anyhow::Result;
use clap::Args;
use nearwise::corpus::{Columns, Format, Input, ReadOptions, TableOptions, TextEncoding};
use nearwise::encoder::{DeviceChoice, DtypeChoice, EncoderBuilder};
use nearwise::index::IndexOptions;
use nearwise::{Corpus, Encoder, Error, Filter, Job, Reader, Writer};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

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
    /// What is put in front of a query in place of the model's own prompt; a corpus keeps the one
    /// that `index` was last given
    #[arg(long, value_name = "TEXT")]
    pub query_prompt: Option<String>,
    /// What is put in front of an article's passages in place of the model's own prompt
    #[arg(long, value_name = "TEXT")]
    pub document_prompt: Option<String>,
    /// Use no network; the environment variable `HF_HUB_OFFLINE` does the same
    #[arg(long)]
    pub offline: bool,
}

impl ModelArgs {
    /// What was asked for.
    pub(super) fn builder(&self, job: &Job) -> EncoderBuilder {
        let mut builder = Encoder::builder()
            .device(self.device)
            .dtype(self.dtype)
            .offline(self.offline)
            .job(job);
        if let Some(prompt) = &self.query_prompt {
            builder = builder.query_prompt(prompt);
        }
        if let Some(prompt) = &self.document_prompt {
            builder = builder.document_prompt(prompt);
        }
        match &self.model {
            Some(model) => builder.model(model),
            None => builder,
        }
    }

    /// Opens the encoder that a corpus needs, as far as nothing else was asked for; for `few` texts,
    /// such as one query, no GPU that is not named.
    pub(super) fn open(&self, reader: &Reader, few: bool, job: &Job) -> Result<Encoder> {
        Ok(reader.encoder(self.builder(job).few_texts(few))?)
    }
}

/// How inputs are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(super) struct InputArgs {
    /// Files, folders, globs, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The format where names and contents do not tell, such as txt, html, json, csv or parquet
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub format: Option<Format>,
    /// The encoding of files of text, such as utf-8, cp1252, gbk or shift_jis; found in each by default
    #[arg(long, value_name = "ENCODING", value_parser = encoding)]
    pub encoding: Option<TextEncoding>,
    /// What is between the fields of CSV files: a character, or tab; guessed by default
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter, allow_hyphen_values = true)]
    pub delimiter: Option<u8>,
    /// CSV files have no row of names: columns are called 1, 2, 3 and so on
    #[arg(long)]
    pub no_header: bool,
    /// Leave out what matches, as in .gitignore; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Leave out files and rows that cannot be used, and say which, instead of stopping
    #[arg(long)]
    pub skip_bad: bool,
    /// Remove articles that came from these paths and are no longer there; nothing of what could
    /// not be read
    #[arg(long)]
    pub prune: bool,
    /// Let --prune remove more than half of what is known from these paths
    #[arg(long, requires = "prune")]
    pub yes: bool,
    /// Put this in front of the ids that rows give, where inputs number their articles alike
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    pub id_prefix: String,
    /// Let an article replace one of the same id that came from another input, instead of keeping
    /// both under different ids
    #[arg(long)]
    pub replace: bool,
    /// The column with the id
    #[arg(long, value_name = "COLUMN")]
    pub id_column: Option<String>,
    /// The column with the title; a dot leads into objects: headline.main
    #[arg(long, value_name = "COLUMN")]
    pub title_column: Option<String>,
    /// The column with the text; several, separated by commas, make one text
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

fn encoding(label: &str) -> Result<TextEncoding, String> {
    TextEncoding::from_label(label).ok_or_else(|| {
        "no encoding of that name; such are utf-8, cp1252, latin1, gbk, big5, shift_jis, euc-kr and koi8-r".to_string()
    })
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        "comma" => Ok(b','),
        "semicolon" => Ok(b';'),
        "pipe" => Ok(b'|'),
        "space" => Ok(b' '),
        _ => match text.as_bytes() {
            [b'"' | b'\\' | b'\n' | b'\r' | 0] => {
                Err("a quote, a backslash or a line end cannot be it".to_string())
            }
            [byte] if byte.is_ascii() => Ok(*byte),
            _ => Err("give one ASCII character, or tab".to_string()),
        },
    }
}

/// Refuses a Lance dataset and names what carries it. Lance's crate would bring some 480 others into this
/// program, so that the Python package does it.
pub(super) fn no_dataset(option: &'static str, path: &Path, command: &str) -> Result<()> {
    if path.extension().is_none_or(|e| e != "lance") {
        return Ok(());
    }
    let message = format!(
        "{} is a Lance dataset; `nearwise-lance {command}` carries it (pip install \"nearwise[lance]\")",
        path.display()
    );
    Err(usage(option, message))
}

impl InputArgs {
    pub(super) fn inputs(&self) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for path in &self.paths {
            if !path.is_file() {
                no_dataset("PATH", path, "import")?;
            }
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
                encoding: self.encoding,
                exclude: self.exclude.clone(),
                table: TableOptions {
                    delimiter: self.delimiter,
                    no_header: self.no_header,
                },
                ..ReadOptions::default()
            },
            skip_bad: self.skip_bad,
            prune: self.prune,
            prune_most: self.yes,
            id_prefix: self.id_prefix.clone(),
            replace: self.replace,
        }
    }
}

/// The filter of `--where`.
pub(super) fn filter(expression: &str, reader: &Reader) -> Result<Filter> {
    let filter = reader.filter(expression)?;
    if reader.asks_for_no_topics(&filter)? {
        super::ui::tell("--where: no article has a topic yet; `topics fit` gives them");
    }
    Ok(filter)
}

/// A file to read line by line; `-` is standard input.
pub(super) fn lines(path: &Path) -> Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    Ok(Box::new(BufReader::new(file)))
}

/// A number of things to show: from 1 to a million.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1_000_000) => Ok(n),
        _ => Err("give a number from 1 to 1000000".to_string()),
    }
}
