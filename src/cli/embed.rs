//! `nearwise embed`

use super::args::ModelArgs;
use super::problem::usage;
use super::{Outcome, ui};
use anyhow::{Context, Result};
use clap::Args;
use nearwise::encoder::{EncodeOptions, Prompt};
use nearwise::vectors::{Precision, Quantized, Ranges, npy_header_of, quantize, read_npy_rows};
use nearwise::{Encoder, Error, NewFile};
use serde_json::json;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Turn texts into vectors, without a corpus
///
/// Texts are arguments, or the lines of a file or of standard input. Vectors are of unit
/// length unless --no-normalize is given. A text longer than the model's length is cut, and the number of those is said on
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
    /// Put the model's prompt of this name in front of each text
    #[arg(long, value_name = "NAME", conflicts_with = "query")]
    prompt: Option<String>,
    /// Keep only the first N values of each vector, for models trained for that (Matryoshka); the
    /// rest is scaled to unit length. By default what the model's own files say
    #[arg(long, value_name = "N", value_parser = super::args::positive)]
    dim: Option<usize>,
    /// Leave vectors as the model's own modules make them, of whatever length
    #[arg(long)]
    no_normalize: bool,
    /// What values become: float32; int8 or uint8, one of 256 steps between the least and the
    /// greatest value of a dimension; binary or ubinary, a bit each; as sentence-transformers'
    /// `quantize_embeddings` defines them
    #[arg(long, value_name = "PRECISION", default_value = "float32")]
    precision: Precision,
    /// Take the range of each dimension for int8 and uint8 from the vectors of this file, instead
    /// of from those that are computed, which are then kept in memory to the end
    #[arg(long, value_name = "FILE.npy")]
    calibration: Option<PathBuf>,
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
        if self.calibration.is_some() && !self.precision.needs_ranges() {
            let message = format!(
                "{} takes no ranges; int8 and uint8 do",
                self.precision.name()
            );
            return Err(usage("--calibration", message));
        }
        let lines = match &self.file {
            Some(path) => Some(super::args::lines(path)?),
            None => None,
        };
        let running = ui::Running::new();
        let builder = self.model.builder(running.job()).dimensions(self.dim);
        let encoder = builder.open()?;
        let mut output = Output::open(&self, &encoder)?;
        let prompt = match (&self.prompt, self.query) {
            (Some(name), _) => Prompt::Named(name.clone()),
            (None, true) => Prompt::Query,
            (None, false) => Prompt::Document,
        };
        let options = EncodeOptions::from(prompt)
            .normalize(!self.no_normalize)
            .bulk()
            .job(running.job());
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

/// What was embedded so far.
#[derive(Default)]
struct Sum {
    texts: u64,
    tokens: u64,
    cut: u64,
    time: Duration,
}

/// Where vectors go, and what they become on the way.
struct Output {
    to: To,
    precision: Precision,
    ranges: Ranges,
    /// Texts and vectors that wait for the ranges of all of them.
    waiting: Option<(Vec<String>, Vec<f32>)>,
}

enum To {
    Lines,
    Document(Vec<serde_json::Value>),
    Npy {
        file: NewFile,
        path: PathBuf,
        rows: u64,
    },
}

/// Vectors whose ranges say little of others.
const FEW: u64 = 100;

impl Output {
    fn open(args: &Embed, encoder: &Encoder) -> Result<Self> {
        let dim = encoder.identity().dim;
        let mut ranges = Ranges::new(dim);
        if let Some(path) = &args.calibration {
            let rows = read_npy_rows(path, dim, |row| ranges.add(row))?;
            if rows < 2 {
                let message = format!("{} holds fewer than two vectors", path.display());
                return Err(usage("--calibration", message));
            }
        }
        let to = match &args.out {
            Some(path) => {
                let mut file = NewFile::create(path)?;
                file.write_all(&npy_header_of(args.precision.numpy(), 0, dim))?;
                To::Npy {
                    file,
                    path: path.clone(),
                    rows: 0,
                }
            }
            None if args.json => To::Document(Vec::new()),
            None => To::Lines,
        };
        let wait = args.precision.needs_ranges() && args.calibration.is_none();
        Ok(Self {
            to,
            precision: args.precision,
            ranges,
            waiting: wait.then(Default::default),
        })
    }

    /// Embeds texts, and writes those that need not wait.
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
        match &mut self.waiting {
            None => self.put(texts, &vectors.values, vectors.dim),
            Some((all, values)) => {
                vectors.rows().for_each(|vector| self.ranges.add(vector));
                all.extend_from_slice(texts);
                values.extend_from_slice(&vectors.values);
                Ok(())
            }
        }
    }

    fn put(&mut self, texts: &[String], values: &[f32], dim: usize) -> Result<()> {
        for (text, vector) in texts.iter().zip(values.chunks_exact(dim)) {
            let vector = quantize(vector, dim, self.precision, Some(&self.ranges))?;
            if let To::Npy { file, path, rows } = &mut self.to {
                file.write_all(&vector.to_bytes())
                    .with_context(|| path.display().to_string())?;
                *rows += 1;
                continue;
            }
            let vector = match vector {
                Quantized::Float32(vector) => json!(vector),
                Quantized::Signed(vector) => json!(vector),
                Quantized::Unsigned(vector) => json!(vector),
            };
            let line = json!({"text": text, "vector": vector});
            match &mut self.to {
                To::Document(list) => list.push(line),
                _ => ui::print_json_line(&line)?,
            }
        }
        Ok(())
    }

    fn finish(mut self, encoder: &Encoder) -> Result<()> {
        let dim = encoder.identity().dim;
        if let Some((texts, values)) = self.waiting.take() {
            self.put(&texts, &values, dim)?;
            let n = self.ranges.vectors();
            if (1..FEW).contains(&n) {
                ui::tell(&format!(
                    "the ranges of {} are of {} only; --calibration takes them from a file of more",
                    self.precision.name(),
                    ui::count(n, "vector")
                ));
            }
        }
        match self.to {
            To::Lines => Ok(()),
            To::Document(list) => ui::print_json(&json!({
                "model": encoder.identity(), "precision": self.precision.name(), "embeddings": list
            })),
            To::Npy {
                mut file,
                path,
                rows,
            } => {
                use std::io::Seek;
                let length = self.precision.length(dim);
                let header = npy_header_of(self.precision.numpy(), rows, length);
                let written = file.rewind().and_then(|()| file.write_all(&header));
                written.with_context(|| path.display().to_string())?;
                Ok(file.finish()?)
            }
        }
    }
}
