//! What several integration tests need.

#![allow(dead_code, reason = "each test uses a part of it")]

mod cases;
mod offline;

#[allow(unused_imports, reason = "each test uses a part of it")]
pub(crate) use cases::cases;
#[allow(unused_imports, reason = "each test uses a part of it")]
pub(crate) use offline::may_fetch;

use assert_cmd::Command;
use nearwise::Encoder;
use nearwise::encoder::{DeviceChoice, Dtype, DtypeChoice, EncoderBuilder};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file or folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A tiny random model, as `tests/fixtures/make_tiny_models.py` made it.
pub fn tiny(name: &str) -> PathBuf {
    repository("tests/fixtures").join(name)
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// To compute on the CPU with `dtype`.
pub fn on_cpu(dtype: Dtype) -> EncoderBuilder {
    Encoder::builder()
        .device(DeviceChoice::Cpu)
        .dtype(DtypeChoice::Only(dtype))
}

/// The encoder of a tiny model, in f32.
pub fn tiny_encoder(name: &str) -> Encoder {
    let model = tiny(name).display().to_string();
    on_cpu(Dtype::F32).model(model).open().unwrap()
}

/// A corpus as another program would change it, its pages given their checksums all the same.
pub fn database(path: &Path) -> rusqlite::Connection {
    // Whoever opens a corpus brings SQLite what writes the checksums.
    nearwise::Corpus::open(path).unwrap();
    let flags = rusqlite::OpenFlags::default();
    rusqlite::Connection::open_with_flags_and_vfs(path, flags, "nearwise-sealed").unwrap()
}

/// The program as a user runs it, in a folder of its own and with the tiny model.
pub struct World {
    pub folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// `nearwise` with a command line; words are split at blanks.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nearwise"));
        command
            .current_dir(self.folder.path())
            .env("NEARWISE_MODEL", tiny("tiny-bert"))
            .env("HF_HUB_OFFLINE", "1")
            .env_remove("NEARWISE_CORPUS")
            .args(line.split_whitespace());
        command
    }

    /// Runs a command that must succeed; its standard output.
    pub fn run(&self, line: &str) -> String {
        let output = self.command(line).output().unwrap();
        assert!(
            output.status.success(),
            "{line}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must succeed and print JSON.
    pub fn json(&self, line: &str) -> Value {
        let text = self.run(line);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{line}: {e}: {text}"))
    }

    /// The articles of a corpus, as it exports them.
    pub fn exported(&self, corpus: &str) -> Vec<Value> {
        let lines = self.run(&format!("export -c {corpus}"));
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Runs a command that must fail with this exit code and one line that holds every part.
    pub fn fails(&self, line: &str, code: i32, parts: &[&str]) {
        self.fails_with(&mut self.command(line), line, code, parts);
    }

    pub fn fails_with(&self, command: &mut Command, what: &str, code: i32, parts: &[&str]) {
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{what}: {stderr}");
        assert!(!stderr.contains("panicked"), "{what}: {stderr}");
        let last = stderr.lines().last().unwrap_or("");
        assert!(last.starts_with("nearwise: "), "{what}: {stderr}");
        for part in parts {
            assert!(last.contains(part), "{what}: {part:?} is not in {last:?}");
        }
    }

    /// Six articles on two matters, as JSON lines.
    pub fn articles(&self) -> PathBuf {
        let lines: Vec<String> = SIX
            .iter()
            .enumerate()
            .map(|(i, (title, text))| {
                serde_json::json!({
                    "id": format!("a{i}"), "title": title, "text": text,
                    "date": format!("2025-0{}-01", i + 1),
                    "source": if i % 2 == 0 { "even" } else { "odd" }, "words": i * 100,
                })
                .to_string()
            })
            .collect();
        self.write("six.jsonl", lines.join("\n"))
    }
}

/// Titles and texts of the six articles.
pub const SIX: [(&str, &str); 6] = [
    (
        "Bank cuts rates",
        "The bank cut the interest rate. The market and the minister said it was time.",
    ),
    (
        "Cup final",
        "A goal in the last minute of the cup final. The team met in the city.",
    ),
    (
        "Rates and prices",
        "Interest rates and prices. The minister met the bank and the market.",
    ),
    (
        "Team of the year",
        "The team won the match and the cup with a last minute goal.",
    ),
    (
        "Minister on the market",
        "The market, the bank and the minister: prices and rates again.",
    ),
    (
        "Goal of the month",
        "That goal in the final was a goal for the city and for the team.",
    ),
];

/// Commands that only read, each of other tables, of a corpus of [`wire`]'s articles.
pub const READING: [&str; 11] = [
    "search goal -c c.nearwise --json",
    "search minister -c c.nearwise --hybrid --json",
    "search goal -c c.nearwise --json --where date>=2025-03",
    "similar a7 -c c.nearwise --json",
    "show a7 -c c.nearwise --json",
    "stats -c c.nearwise --json",
    "topics list -c c.nearwise --json",
    "topics list -c c.nearwise --members",
    "topics over-time -c c.nearwise --json",
    "duplicates -c c.nearwise --json",
    "export -c c.nearwise --vectors",
];

/// `n` articles on two matters as JSON lines, of 60 to `60 + more` words.
pub fn wire(n: usize, more: u32) -> String {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
    let words = [
        "bank", "market", "minister", "goal", "team", "city", "price", "rate", "cup", "year",
    ];
    let mut lines = String::new();
    for i in 0..n {
        let half = if i % 2 == 0 { 0 } else { 5 };
        let text: Vec<&str> = (0..60 + random.next_u32() % more)
            .map(|_| words[half + random.next_u32() as usize % 5])
            .collect();
        let line = serde_json::json!({
            "id": format!("a{i}"), "title": format!("Title {i}"), "text": text.join(" "),
            "date": format!("2025-{:02}-01", 1 + i % 12), "source": "wire", "number": i,
        });
        lines.push_str(&format!("{line}\n"));
    }
    lines
}

/// Something that happens to a file.
#[derive(Debug, Clone)]
pub enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

/// Flips of bits mostly, which leave the most of a file to be read.
pub fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<usize>(), 1..=255u8).prop_map(|(i, b)| Damage::Flip(i, b)),
        1 => any::<usize>().prop_map(Damage::Cut),
        2 => (
            any::<usize>(),
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 1..20),
                Just(b"\"".to_vec()),
                Just(b"<".to_vec()),
                Just(b"{".to_vec()),
                Just(b"\0".to_vec()),
                Just(b"\xff\xfe".to_vec()),
                Just(b"\n\n".to_vec()),
                Just(b"\x1b$B".to_vec()),
            ]
        )
            .prop_map(|(i, b)| Damage::Insert(i, b)),
        1 => (any::<usize>(), 1usize..200).prop_map(|(i, n)| Damage::Repeat(i, n)),
    ]
}

/// A file after all that happened to it.
pub fn damaged(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for damage in damages {
        if out.is_empty() {
            break;
        }
        let n = out.len();
        match damage {
            Damage::Flip(i, mask) => out[i % n] ^= mask,
            Damage::Cut(i) => out.truncate(i % n),
            Damage::Insert(i, some) => {
                let at = i % n;
                out.splice(at..at, some.iter().copied());
            }
            Damage::Repeat(i, times) => {
                let piece = out[i % n..n.min(i % n + 8)].to_vec();
                out.splice(i % n..i % n, piece.repeat(*times));
            }
        }
    }
    out
}
