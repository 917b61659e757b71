//! `nearwise embed`

use super::args::ModelArgs;
use super::problem::usage;
use super::{Outcome, ui};
use anyhow::{Context, Result};
use clap::Args;
use nearwise::encoder::{EncodeOptions, Prompt};
use nearwise::store::npy_header;
use nearwise::{Encoder, Error, NewFile};
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Turn texts into vectors, without a corpus
///
/// Texts are arguments, or the lines of a file or of standard input. Vectors are of unit
/// length. A text longer than the model's length is cut, and the number of those is said on
/// standard error; `nearwise index` splits long articles instead.
#[derive(Debug, Args)]
#[command(
    // There is no corpus whose own these could be.
    mut_arg("model", |a| a.help("A known model, a sentence-transformers folder, or a hub id (OWNER/NAME, with \
        @REVISION if wanted); by default all-MiniLM-L6-v2")),
    mut_arg("dtype", |a| a.help("The dtype to compute with: auto, f32, f16, bf16 or int8; auto is the fastest here \
        whose vectors are known to be faithful for the model")),
    mut_arg("query_prompt", |a| a.help("What is put in front of a query in place of the model's own prompt")),
    mut_arg("document_prompt", |a| a.help("What is put in front of a text that is no query in place of the model's own prompt")),
    after_help = "Examples:\n  nearwise embed \"a text\" \"another\" --json\n  \
    nearwise embed --file lines.txt --out vectors.npy\n  cut -f2 table.tsv | nearwise embed --file - > vectors.jsonl"
)]
pub(super) struct Embed {
    /// Texts
    texts: Vec<String>,
    /// A file of texts, one a line; - for standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "texts")]
    file: Option<PathBuf>,
    /// Write the vectors to this file as a NumPy array instead of JSON lines
    #[arg(short, long, value_name = "FILE.npy")]
    out: Option<PathBuf>,
    /// The texts are queries, for models that tell queries from documents
    #[arg(long)]
    query: bool,
    /// Embed this many texts at a time
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = super::args::positive)]
    batch: usize,
    #[command(flatten)]
    model: ModelArgs,
    /// Print one JSON document with the model, instead of a line for each text
    #[arg(long)]
    json: bool,
}

/// The longest line that is a text, in bytes.
const LONGEST: u64 = 16 << 20;

impl Embed {
    pub(super) fn run(self) -> Result<Outcome> {
        if self.texts.is_empty() && self.file.is_none() {
            return Err(usage(
                "TEXT",
                "give texts, or --file FILE (- for standard input)",
            ));
        }
        if self.json && self.out.is_some() {
            return Err(usage("--json", "it cannot go with --out"));
        }
        let lines = match &self.file {
            Some(path) => Some(open(path)?),
            None => None,
        };
        let running = ui::Running::new();
        let encoder = self.model.builder(running.job()).open()?;
        let mut output = Output::open(&self, &encoder)?;
        let prompt = if self.query {
            Prompt::Query
        } else {
            Prompt::Document
        };
        let options = EncodeOptions::from(prompt).bulk().job(running.job());
        let mut done = Sum::default();
        let mut batch: Vec<String> = self.texts.clone();
        if let Some(mut lines) = lines {
            let path = self.file.as_deref().unwrap_or(Path::new("-"));
            let mut row = 0u64;
            loop {
                let mut line = Vec::new();
                let n = lines.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
                if n == 0 {
                    break;
                }
                row += 1;
                running.job().check()?;
                let text = String::from_utf8(line)
                    .map_err(|_| Error::input(path.to_string_lossy(), Some(row), "not UTF-8"))?;
                batch.push(text.trim_end_matches(['\n', '\r']).to_string());
                if batch.len() == self.batch {
                    output.write(&encoder, &batch, &options, &mut done)?;
                    batch.clear();
                }
            }
        }
        output.write(&encoder, &batch, &options, &mut done)?;
        output.finish(&encoder)?;
        drop(running);
        if self.out.is_some() {
            let seconds = done.time.as_secs_f64();
            ui::tell(&format!(
                "{}, {} tokens in {seconds:.3} s ({} tokens/s, with tokenisation), {}",
                ui::count(done.texts, "text"),
                ui::number(done.tokens),
                ui::number((done.tokens as f64 / seconds.max(1e-9)) as u64),
                encoder.about()
            ));
        }
        if done.cut > 0 {
            ui::tell(&format!(
                "{} longer than {} tokens, cut there",
                ui::count(done.cut, "text"),
                encoder.identity().max_tokens
            ));
        }
        Ok(if done.texts == 0 {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    Ok(Box::new(BufReader::new(file)))
}

/// What was embedded so far.
#[derive(Default)]
struct Sum {
    texts: u64,
    tokens: u64,
    cut: u64,
    time: Duration,
}

enum Output {
    Lines,
    Document(Vec<serde_json::Value>),
    Npy {
        file: NewFile,
        path: PathBuf,
        rows: u64,
    },
}

impl Output {
    fn open(args: &Embed, encoder: &Encoder) -> Result<Self> {
        match &args.out {
            Some(path) => {
                let mut file = NewFile::create(path)?;
                file.write_all(&npy_header(0, encoder.identity().dim))?;
                Ok(Self::Npy {
                    file,
                    path: path.clone(),
                    rows: 0,
                })
            }
            None if args.json => Ok(Self::Document(Vec::new())),
            None => Ok(Self::Lines),
        }
    }

    /// Embeds and writes texts.
    fn write(
        &mut self,
        encoder: &Encoder,
        texts: &[String],
        options: &EncodeOptions,
        done: &mut Sum,
    ) -> Result<()> {
        let started = Instant::now();
        let vectors = encoder.encode(texts, options.clone())?;
        done.time += started.elapsed();
        done.texts += texts.len() as u64;
        done.tokens += vectors.tokens() as u64;
        done.cut += vectors.cut() as u64;
        for (text, vector) in texts.iter().zip(vectors.rows()) {
            match self {
                Self::Lines => {
                    ui::print_json_line(&json!({"text": text, "vector": vector}))?;
                }
                Self::Document(list) => list.push(json!({"text": text, "vector": vector})),
                Self::Npy { file, path, rows } => {
                    for x in vector {
                        file.write_all(&x.to_le_bytes())
                            .with_context(|| path.display().to_string())?;
                    }
                    *rows += 1;
                }
            }
        }
        Ok(())
    }

    fn finish(self, encoder: &Encoder) -> Result<()> {
        match self {
            Self::Lines => Ok(()),
            Self::Document(list) => {
                ui::print_json(&json!({"model": encoder.identity(), "embeddings": list}))
            }
            Self::Npy {
                mut file,
                path,
                rows,
            } => {
                use std::io::Seek;
                let header = npy_header(rows, encoder.identity().dim);
                let written = file.rewind().and_then(|()| file.write_all(&header));
                written.with_context(|| path.display().to_string())?;
                Ok(file.finish()?)
            }
        }
    }
}
