//! Reading articles, without a model and without a corpus: bytes of the file a second of CPU, for
//! each format of the table "What can be read" in the README.
//!
//! `cargo bench --bench reading`; with names behind it (`-- html`), files with one of these alone;
//! with paths (`-- ~/pages/`), the files and folders there. With `READING_FILES=FOLDER` its own files are
//! written there, and nothing is measured.

use nearwise::corpus::{Article, Input, Note, ReadOptions, Sink, read};
use nearwise::{Error, Result};
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "reading/files.rs"]
mod files;

/// How long each format is read, at least.
const LONG: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Count {
    articles: usize,
    bytes: usize,
}

impl Sink for Count {
    fn article(&mut self, article: Article) -> Result<()> {
        self.articles += 1;
        // A headline alone is an article.
        self.bytes += article.title.len() + article.text.len();
        Ok(())
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        Err(problem)
    }

    fn note(&mut self, _: Note) {}

    fn incomplete(&mut self, _: &str) {}
}

fn articles(path: &Path) -> usize {
    let inputs = Input::parse(path.to_str().expect("a path of ours")).expect("it was written");
    let mut count = Count::default();
    read(&inputs, &ReadOptions::default(), &mut count).expect("it is sound");
    assert!(count.bytes > 0);
    count.articles
}

/// CPU time of this process so far, which other work on the host changes less than the clock's. The
/// kernel counts it in hundredths of a second, so that a second or more has to be measured.
#[cfg(target_os = "linux")]
fn cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the program's name, which may hold anything: the state is field 3, the times 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

#[cfg(not(target_os = "linux"))]
fn cpu() -> Option<Duration> {
    None
}

/// What `pass` takes, by the CPU's time where it is known.
fn measured(mut pass: impl FnMut()) -> Duration {
    pass();
    let (started, cpu_started) = (Instant::now(), cpu());
    let mut passes = 0;
    loop {
        pass();
        passes += 1;
        let taken = match (cpu(), cpu_started) {
            (Some(now), Some(then)) => now - then,
            _ => started.elapsed(),
        };
        if taken >= LONG {
            return taken / passes;
        }
    }
}

fn main() {
    // Cargo adds "--bench".
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let (paths, wanted): (Vec<String>, Vec<String>) =
        wanted.into_iter().partition(|w| Path::new(w).exists());
    if let Some(folder) = std::env::var_os("READING_FILES") {
        for (name, bytes) in files::files() {
            std::fs::write(Path::new(&folder).join(name), bytes).expect("the folder is there");
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let of = if cpu().is_some() { "CPU" } else { "time" };
    println!("| file | MB | articles | {of} a pass, ms | MB/s |\n|---|---|---|---|---|");
    for path in &paths {
        shown(path, Path::new(path), size(Path::new(path)));
    }
    if !paths.is_empty() && wanted.is_empty() {
        return;
    }
    for (name, bytes) in files::files() {
        if !wanted.is_empty() && !wanted.iter().any(|w| name.contains(w.as_str())) {
            continue;
        }
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).expect("there is room");
        shown(name, &path, bytes.len() as u64);
    }
}

/// Reads what is there and prints how fast that was.
fn shown(name: &str, path: &Path, bytes: u64) {
    let mut found = 0;
    let taken = measured(|| found = articles(path)).as_secs_f64();
    let megabytes = bytes as f64 / 1e6;
    println!(
        "| {name} | {megabytes:.1} | {found} | {:.1} | {:.0} |",
        1e3 * taken,
        megabytes / taken
    );
}

/// The bytes of a file, or of the files in a folder.
fn size(path: &Path) -> u64 {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| size(&entry.path())).sum(),
        Err(_) => std::fs::metadata(path).map_or(0, |m| m.len()),
    }
}
