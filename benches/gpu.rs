//! The CUDA encoder on a GPU: correctness against the CPU's f32, then times. What
//! `benches/gpu.sh` runs; by itself:
//!
//! `cargo bench --features cuda --bench gpu -- check [MODEL ...]` fails where vectors, neighbours or
//! centres are not those of the CPU. `... -- time MODEL [MODEL ...]` prints a line of JSON for each
//! measurement, when it is made. `... -- texts FOLDER` writes the texts that are timed, for others.
//! With `--device cpu` all of them go through the motions on a host without a GPU.

#[path = "gpu/check.rs"]
mod check;
#[path = "../tests/common/families.rs"]
mod families;
#[path = "../tests/common/random_architecture.rs"]
mod random_architecture;
#[path = "../tests/common/random_model.rs"]
mod random_model;
#[path = "gpu/time.rs"]
mod time;

use nearwise::encoder::{DeviceChoice, Dtype, OpenDevice, Place};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use random_model::Random;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "say `check [MODEL ...]`, `time [MODEL ...]` or `texts FOLDER`, with
  --device NAME      cuda by default; cpu goes through the motions
  --small            sizes that take seconds on any device
  --parts A,B        of check: shapes, families, model, vectors; of time: texts, query, vectors, device, graph
  --dtypes A,B       f16, bf16 and f32 by default
  --shapes N         only the first shapes of check
  --lengths A,B      of time's device part: tokens of a text
  --budgets A,B      of time's device part: tokens of a batch";

/// What is run, and how much of it.
struct Options {
    choice: DeviceChoice,
    device: OpenDevice,
    small: bool,
    parts: Vec<String>,
    dtypes: Vec<Dtype>,
    shapes: usize,
    lengths: Vec<usize>,
    budgets: Vec<usize>,
}

impl Options {
    /// Whether a part is to be done; all are where none is named.
    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|p| p == part)
    }

    /// A number as it is on a GPU, or as it is where sizes are small.
    fn size<T>(&self, full: T, small: T) -> T {
        if self.small { small } else { full }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("gpu: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Takes an option and its value out of the arguments.
fn value(args: &mut Vec<String>, name: &str) -> Result<Option<String>, Failure> {
    let Some(at) = args.iter().position(|a| a == name) else {
        return Ok(None);
    };
    if at + 1 >= args.len() {
        return Err(format!("{name}: a value is missing").into());
    }
    let taken: Vec<String> = args.drain(at..at + 2).collect();
    Ok(taken.into_iter().nth(1))
}

/// The values of an option that takes several, parted by commas.
fn values<T: FromStr>(args: &mut Vec<String>, name: &str) -> Result<Option<Vec<T>>, Failure> {
    let Some(text) = value(args, name)? else {
        return Ok(None);
    };
    let one = |part: &str| {
        part.parse()
            .map_err(|_| format!("{name}: {part:?} is none of its values\n{USAGE}"))
    };
    Ok(Some(text.split(',').map(one).collect::<Result<_, _>>()?))
}

fn run(mut args: Vec<String>) -> Result<(), Failure> {
    let choice: DeviceChoice = match value(&mut args, "--device")? {
        Some(name) => name.parse()?,
        None => DeviceChoice::Cuda(None),
    };
    let small = args.iter().position(|a| a == "--small");
    if let Some(at) = small {
        args.remove(at);
    }
    let parts = values(&mut args, "--parts")?.unwrap_or_default();
    let dtypes = values(&mut args, "--dtypes")?;
    let shapes = value(&mut args, "--shapes")?
        .map(|n| n.parse())
        .transpose()?;
    let lengths = values(&mut args, "--lengths")?;
    let budgets = values(&mut args, "--budgets")?;
    if let Some(unknown) = args.iter().find(|a| a.starts_with('-')) {
        return Err(format!("{unknown}: unknown\n{USAGE}").into());
    }
    let device = choice.open()?;
    let on_cuda = matches!(device.place, Place::Cuda(_));
    let usual = if on_cuda {
        vec![Dtype::F16, Dtype::Bf16, Dtype::F32]
    } else {
        vec![Dtype::F32]
    };
    let small = small.is_some();
    let options = Options {
        choice,
        device,
        small,
        parts,
        dtypes: dtypes.unwrap_or(usual),
        shapes: shapes.unwrap_or(usize::MAX),
        lengths: lengths.unwrap_or_else(|| match small {
            true => vec![16, 64],
            false => vec![16, 64, 128, 256, 512],
        }),
        budgets: budgets.unwrap_or_else(|| match small {
            true => vec![512],
            false => vec![4096, 8192, 16_384, 32_768, 65_536],
        }),
    };
    match args.first().map(String::as_str) {
        Some("check") => check::run(&options, &args[1..]),
        Some("time") => time::run(&options, &args[1..]),
        Some("texts") => {
            let folder = args.get(1).ok_or("texts: name a folder")?;
            for kind in KINDS {
                let file = Path::new(folder).join(format!("{}.txt", kind.0));
                std::fs::write(file, texts_of(&options, kind)?.join("\n") + "\n")?;
            }
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

/// Kinds of texts that are timed, and their words.
const KINDS: [(&str, usize, usize); 2] = [("mixed", 10, 300), ("short", 8, 16)];

fn texts_of(
    options: &Options,
    (_, least, most): (&str, usize, usize),
) -> Result<Vec<String>, Failure> {
    texts(options.size(20_000, 40), least, most)
}

/// Texts of so many words, cut from the seeds' words.
fn texts(count: usize, least: usize, most: usize) -> Result<Vec<String>, Failure> {
    // A program that was carried elsewhere is run beside the seeds.
    let beside = Path::new("seeds/wire.jsonl");
    let built = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/wire.jsonl"));
    let lines = std::fs::read_to_string(beside)
        .or_else(|_| std::fs::read_to_string(built))
        .map_err(|e| {
            format!("seeds/wire.jsonl: {e}; run this in the folder that holds seeds/, as the texts are made of its words")
        })?;
    let words: Vec<&str> = lines.split_whitespace().collect();
    if words.len() <= most {
        return Err(format!("seeds/wire.jsonl: it has {} words, too few", words.len()).into());
    }
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(11));
    Ok((0..count)
        .map(|_| {
            let n = least + random.below(most - least + 1);
            let from = random.below(words.len() - n + 1);
            words[from..from + n].join(" ")
        })
        .collect())
}

/// Vectors of unit length, rounded as a corpus stores them.
fn unit_vectors(random: &mut Random, n: usize, dim: usize) -> Vec<f32> {
    // Uniform numbers in place of normal ones: quicker to draw, and as good here.
    let mut out: Vec<f32> = (0..n * dim)
        .map(|_| random.below(1 << 16) as f32 / 32_768.0 - 1.0)
        .collect();
    out.chunks_mut(dim).for_each(nearwise::vectors::normalize);
    for x in &mut out {
        *x = half::f16::from_f32(*x).to_f32();
    }
    out
}
