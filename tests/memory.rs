//! Memory does not grow with the corpus: indexing ten times the articles takes the same.
//!
//! Each run is a process of its own, so that its peak can be read from the system. The
//! transformer is left out, which is the one stub in the tests: it would take hours, and its
//! memory depends on the batch alone.
#![cfg(target_os = "linux")]

mod common;

use nearwise::corpus::Input;
use nearwise::encoder::{Backend, Call, Identity};
use nearwise::index::IndexOptions;
use nearwise::model::Tokenizer;
use nearwise::{Corpus, Encoder, Job, Result};
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

const DIM: usize = 384;

struct Stub;

impl Backend for Stub {
    fn forward(&self, texts: &[&[u32]], _: &Call) -> Result<Vec<f32>> {
        let mut out = Vec::with_capacity(texts.len() * DIM);
        for text in texts {
            let mut state = text
                .iter()
                .fold(1u64, |h, &t| h.wrapping_mul(31).wrapping_add(t.into()));
            for _ in 0..DIM {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                out.push((state >> 40) as f32 / 16_777_216.0 - 0.5);
            }
        }
        Ok(out)
    }

    fn device(&self) -> String {
        "stub".to_string()
    }

    fn dtype(&self) -> &str {
        "f32"
    }

    fn token_budget(&self) -> usize {
        1024
    }
}

#[test]
#[ignore = "the other test runs it in a process of its own"]
fn child() {
    let file = common::tiny("tiny-bert").join("tokenizer.json");
    let tokenizer = Tokenizer::from_file(&file, "stub", 256).unwrap();
    let identity = Identity {
        model: "stub".into(),
        revision: "none".into(),
        hash: "0".repeat(64),
        dim: DIM,
        max_tokens: 256,
        dtype: "f32".into(),
    };
    let encoder = Encoder::from_parts(tokenizer, Box::new(Stub), identity);
    let folder = tempfile::tempdir().unwrap();
    let corpus = Corpus::create(folder.path().join("x.nearwise")).unwrap();
    let inputs = Input::parse("-").unwrap();
    let report = corpus
        .writer()
        .unwrap()
        .index(&encoder, &inputs, &IndexOptions::default(), &Job::new())
        .unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let peak = peak.split_whitespace().nth(1).unwrap();
    println!("\nMEASURED {} {peak}", report.embedded);
}

/// Indexes `n` articles from standard input; the peak memory in KiB.
fn peak(n: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        // One arena for all threads, in both runs: glibc gives each thread its own, which grows
        // to its own peak at a time of its own, and that is not the program's memory.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = BufWriter::new(child.stdin.take().unwrap());
    let writer = std::thread::spawn(move || {
        let words = [
            "bank", "market", "minister", "goal", "team", "city", "price", "rate",
        ];
        let mut state = 1u64;
        for i in 0..n {
            let mut text = String::new();
            for _ in 0..40 + i % 97 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                text.push_str(words[(state >> 61) as usize]);
                text.push_str(if state & 0xf00 == 0 { ".\\n\\n" } else { " " });
            }
            writeln!(
                stdin,
                r#"{{"id": {i}, "title": "Article {i}", "text": "{text}", "source": "s"}}"#
            )
            .unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("MEASURED "))
        .unwrap_or_else(|| panic!("{text}"));
    let (embedded, peak) = line.split_once(' ').unwrap();
    assert_eq!(embedded, n.to_string());
    peak.parse().unwrap()
}

#[test]
fn ten_times_the_articles_take_the_same_memory() {
    let few = peak(10_000);
    let many = peak(100_000);
    println!("peak for 10,000: {few} KiB, for 100,000: {many} KiB");
    // SQLite's temporary trees, of the ids of a run and of a source's titles, grow to the size of its
    // cache (2 MiB each) before they go to the disk.
    assert!(
        many as f64 <= 1.2 * few as f64,
        "peak for 10,000: {few} KiB, for 100,000: {many} KiB"
    );
}
