//! A whole run of `nearwise topics fit` by number of articles: seconds and peak memory.
//!
//! `cargo bench --bench clustering`; `NEARWISE_BENCH_SIZES="1000 100000"` for other sizes. Vectors
//! are synthetic, in 64 groups; texts are a few words, and labels are made without a model. The program runs as a user runs it, in a
//! process of its own.

mod common;

use common::{corpus, sizes};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The largest resident size of a running process so far, in MiB; 0 where the system does not say.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|kib| kib.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}

fn run(store: &Path, options: &[&str]) -> (f64, u64, usize) {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nearwise"))
        .args(["topics", "fit", "--typical", "0", "--corpus"])
        .arg(store)
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program was built");
    let mut most = 0;
    loop {
        most = most.max(peak(child.id()));
        if child
            .try_wait()
            .expect("the child can be waited for")
            .is_some()
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let output = child.wait_with_output().expect("the child has ended");
    assert!(output.status.success(), "nearwise topics fit failed");
    // A topic's line begins with its number.
    let topics = String::from_utf8_lossy(&output.stdout)
        .lines()
        .skip(2)
        .filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()))
        .count();
    (seconds, most, topics)
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for n in sizes(&[1_000, 10_000, 100_000]) {
        let store = corpus(folder.path(), n).path().to_path_buf();
        for options in [
            &[][..],
            &["--topics", "64"],
            &["--method", "leiden"],
            &["--method", "kmeans", "--topics", "64"],
            &["--method", "hdbscan"],
        ] {
            let mut runs: Vec<(f64, u64, usize)> = (0..3).map(|_| run(&store, options)).collect();
            runs.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (seconds, memory, topics) = runs[1];
            println!(
                "{n:>7} articles, {:<28} {seconds:>7.2} s, {memory:>5} MiB, {topics} topics",
                options.join(" ")
            );
        }
    }
}
