//! The program under attack: killed, starved, fed damage, and run against itself.
//!
//! `scripts/torture.sh` runs it, with how much of each. It prints what was tried and what failed;
//! every random choice follows from the seed that it prints.

mod common;

use common::{READING, World, copy, repository, tiny, tiny_encoder, wire};
use nearwise::corpus::Input;
use nearwise::index::IndexOptions;
use nearwise::{Corpus, ErrorKind, Job};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Commands that write to the corpus or beside it.
const WRITING: [&str; 7] = [
    "index in.jsonl -c c.nearwise",
    "index less.jsonl -c c.nearwise --prune",
    "topics fit -c c.nearwise --topics 3",
    "topics merge 0 1 -c c.nearwise",
    "delete a1 a2 a3 -c c.nearwise",
    "export -c c.nearwise --out out.parquet",
    "search goal -c c.nearwise --approximate",
];

/// Seconds that any of these small commands may take.
const PATIENCE: u64 = 60;
/// KiB of address space that reading damaged input may take.
const MEMORY: u64 = 6 << 20;

struct Campaign {
    seed: u64,
    random: Xoshiro256PlusPlus,
    rows: Vec<(String, u64, u64)>,
}

impl Campaign {
    fn below(&mut self, n: usize) -> usize {
        (self.random.next_u64() % n.max(1) as u64) as usize
    }

    /// How much of something to do.
    fn count(name: &str, short: u64) -> u64 {
        let given = std::env::var(format!("TORTURE_{name}")).ok();
        given.map_or(short, |n| n.parse().expect("a number"))
    }

    /// Runs `f` so many times and counts the complaints that it returns.
    fn attack(&mut self, what: &str, n: u64, mut f: impl FnMut(&mut Self) -> Result<(), String>) {
        let mut failed = 0;
        for round in 0..n {
            if let Err(complaint) = f(self) {
                failed += 1;
                println!(
                    "FAILED {what}, seed {}, round {round}: {complaint}",
                    self.seed
                );
            }
        }
        println!("{what}: {n} tried, {failed} failed");
        self.rows.push((what.to_string(), n, failed));
    }

    fn skip(&mut self, what: &str, why: &str) {
        println!("{what}: NOT RUN: {why}");
        self.rows.push((format!("{what} (not run: {why})"), 0, 0));
    }

    /// Damages bytes in one of several ways.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(7) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.below(256) as u8,
                2 => {
                    let end = bytes.len().min(at / 4096 * 4096 + 4096);
                    bytes[at / 4096 * 4096..end].fill(0);
                }
                3 => bytes.truncate(at.max(1)),
                4 => {
                    let to = bytes.len().min(at + 1 + self.below(64));
                    let part: Vec<u8> = bytes[at..to].to_vec();
                    bytes.splice(at..at, part);
                }
                5 => {
                    let to = bytes.len().min(at + 1 + self.below(16));
                    bytes.drain(at..to);
                }
                _ => {
                    let odd: [&[u8]; 6] = [
                        b"\0",
                        b"\xff\xfe",
                        b"\"",
                        b"\n",
                        b"{[",
                        b"99999999999999999999",
                    ];
                    let part = odd[self.below(odd.len())];
                    bytes.splice(at..at, part.iter().copied());
                }
            }
            if bytes.is_empty() {
                return;
            }
        }
    }
}

fn start(world: &World, line: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_nearwise"))
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", tiny("tiny-bert"))
        .env("HF_HUB_OFFLINE", "1")
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a process; a complaint where it crashed, panicked or did not end.
fn end(mut child: Child, line: &str) -> Result<i32, String> {
    let started = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        if started.elapsed() > Duration::from_secs(PATIENCE) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("{line}: no end after {PATIENCE} s"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    sound(&child.wait_with_output().unwrap(), line)
}

/// The exit code, which must be one of ours.
fn sound(output: &Output, line: &str) -> Result<i32, String> {
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(code @ (0..=3 | 130)) if !said.contains("panicked") => Ok(code),
        _ => Err(format!("{line}: {}: {said}", output.status)),
    }
}

fn run(world: &World, line: &str) -> Result<Output, String> {
    let output = world.command(line).output().unwrap();
    sound(&output, line)?;
    Ok(output)
}

/// The corpus is whole, and answers.
fn whole(world: &World) -> Result<(), String> {
    let output = run(world, "check -c c.nearwise")?;
    if !output.status.success() {
        return Err(format!(
            "check: {}",
            String::from_utf8_lossy(&output.stdout)
        ));
    }
    let output = run(world, "search goal -c c.nearwise")?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0 | 3) => Ok(()),
        // What was read and not yet embedded when the run ended is embedded by the next.
        Some(1) if said.contains("holds no vectors yet") => Ok(()),
        _ => Err(said.into_owned()),
    }
}

/// Everything that a corpus holds, without where its rows stand.
fn content(world: &World) -> Result<Vec<String>, String> {
    let output = run(world, "export -c c.nearwise --vectors")?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<String> = text.lines().map(ToString::to_string).collect();
    lines.sort();
    Ok(lines)
}

fn restore(world: &World, files: &BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    for (name, bytes) in files {
        world.write(name, bytes);
    }
}

fn kept(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read(path).unwrap());
        }
    }
    files
}

fn kills(campaign: &mut Campaign, world: &World, files: &BTreeMap<String, Vec<u8>>, n: u64) {
    for line in WRITING {
        // From nothing, so that there is much to lose.
        let fresh = line == WRITING[0];
        let begin = |world: &World| {
            restore(world, files);
            if fresh {
                for name in ["c.nearwise", "c.nearwise.hnsw", "c.nearwise.hnsw.json"] {
                    let _ = fs::remove_file(world.path(name));
                }
            } else if line.contains("--approximate") {
                fs::remove_file(world.path("c.nearwise.hnsw")).unwrap();
            }
        };
        begin(world);
        let before = if fresh {
            Ok(Vec::new())
        } else {
            content(world)
        };
        let started = Instant::now();
        run(world, line).unwrap();
        let (took, after) = (started.elapsed(), content(world));
        campaign.attack(&format!("kill -9 in `{line}`"), n, |campaign| {
            begin(world);
            let mut child = start(world, line);
            let moment = took.as_secs_f64() * campaign.below(1000) as f64 / 1000.0;
            std::thread::sleep(Duration::from_secs_f64(moment));
            child.kill().unwrap();
            child.wait().unwrap();
            if world.path("c.nearwise").exists() {
                whole(world)?;
            }
            if !fresh {
                let now = content(world);
                if now != before && now != after && !line.contains("--prune") {
                    return Err("neither the state before nor the one after".into());
                }
            }
            if fresh || line.contains("--prune") {
                // Gone on with, it ends as if nothing had happened.
                run(world, line)?;
                if content(world) != after {
                    return Err("not the corpus of an undisturbed run".into());
                }
            }
            Ok(())
        });
    }
}

/// A corpus of the tables' second version with so many articles that migrating it takes a while.
fn older(world: &World, articles: usize) -> Vec<u8> {
    let path = world.path("older.nearwise");
    fs::copy(repository("tests/fixtures/corpus-v2.sqlite"), &path).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(&format!(
        "BEGIN;
         CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {articles})
             SELECT i FROM n;
         INSERT INTO article (ext_id, title, text, date, url, source, meta, origin, row, content_hash, boilerplate, pending)
             SELECT ext_id || '-' || i, title, text || ' ' || i, date, url, source, meta, origin, row, content_hash,
                 boilerplate, pending FROM article, temp.n WHERE article.id = 1 + i % 6;
         INSERT INTO passage (article, start, stop, tokens, vector)
             SELECT a.id, p.start, p.stop, p.tokens, p.vector FROM article a JOIN passage p ON p.article = 1 + a.id % 6
             WHERE a.id > 6;
         INSERT INTO article_vector (article, inputs_hash, vector)
             SELECT a.id, v.inputs_hash, v.vector FROM article a JOIN article_vector v ON v.article = 1 + a.id % 6
             WHERE a.id > 6;
         COMMIT;"
    ))
    .unwrap();
    drop(db);
    fs::read(path).unwrap()
}

/// Kills whoever brings a corpus of an earlier version to this one, at any moment of it.
fn migrations(campaign: &mut Campaign, n: u64) {
    let world = World::new();
    let old = older(&world, 4000);
    let begin = |world: &World| {
        restore(world, &BTreeMap::new());
        world.write("c.nearwise", &old);
    };
    let line = "stats -c c.nearwise";
    begin(&world);
    let started = Instant::now();
    run(&world, line).unwrap();
    let took = started.elapsed();
    let expected = content(&world);
    assert_eq!(expected.as_ref().map(Vec::len), Ok(4006));
    campaign.attack("kill -9 while an older corpus is migrated", n, |campaign| {
        begin(&world);
        // Killed once or several times on the way.
        for _ in 0..=campaign.below(3) {
            let mut child = start(&world, line);
            let moment = took.as_secs_f64() * campaign.below(1000) as f64 / 1000.0;
            std::thread::sleep(Duration::from_secs_f64(moment));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        whole(&world)?;
        if content(&world) == expected {
            Ok(())
        } else {
            Err("not what an undisturbed migration makes".into())
        }
    });
}

fn flips(campaign: &mut Campaign, world: &World, files: &BTreeMap<String, Vec<u8>>, n: u64) {
    restore(world, files);
    let right: Vec<Output> = READING
        .iter()
        .map(|line| run(world, line).unwrap())
        .collect();
    campaign.attack(
        "flips and truncations of the corpus × reading commands",
        n,
        |campaign| {
            restore(world, files);
            let mut bytes = files["c.nearwise"].clone();
            campaign.damage(&mut bytes);
            world.write("c.nearwise", &bytes);
            for (line, right) in READING.iter().zip(&right) {
                let output = run(world, line)?;
                if output.status.success() && output.stdout != right.stdout {
                    return Err(format!("{line}: another answer, without a word"));
                }
            }
            run(world, "check -c c.nearwise").map(|_| ())
        },
    );
    campaign.attack(
        "flips and truncations of the approximate index",
        n,
        |campaign| {
            restore(world, files);
            for name in ["c.nearwise.hnsw", "c.nearwise.hnsw.json"] {
                if campaign.below(4) > 0 {
                    let mut bytes = files[name].clone();
                    campaign.damage(&mut bytes);
                    world.write(name, &bytes);
                }
            }
            let line = "search goal -c c.nearwise --approximate --json";
            let output = run(world, line)?;
            if output.status.success() {
                Ok(())
            } else {
                Err(format!(
                    "{line}: {}",
                    String::from_utf8_lossy(&output.stderr)
                ))
            }
        },
    );
}

fn pairs(campaign: &mut Campaign, world: &World, files: &BTreeMap<String, Vec<u8>>, n: u64) {
    let all: Vec<&str> = READING.into_iter().chain(WRITING).collect();
    campaign.attack("two to eight processes at once", n, |campaign| {
        restore(world, files);
        if campaign.below(4) == 0 {
            // On a corpus that is only being made.
            fs::remove_file(world.path("c.nearwise")).unwrap();
        }
        let chosen = [
            all[campaign.below(all.len())],
            all[campaign.below(all.len())],
        ];
        let running: Vec<_> = (0..2 + campaign.below(7))
            .map(|i| (start(world, chosen[i % 2]), chosen[i % 2]))
            .collect();
        for (child, line) in running {
            end(child, line)?;
        }
        if world.path("c.nearwise").exists() {
            whole(world).map_err(|e| format!("{chosen:?}: {e}"))?;
        }
        Ok(())
    });
}

/// Runs a command within bounds of memory and time.
fn bounded(world: &World, model: &Path, line: &str) -> Result<i32, String> {
    let child = Command::new("bash")
        .args(["-c", "ulimit -v $0; exec \"$@\""])
        .arg(MEMORY.to_string())
        .arg(env!("CARGO_BIN_EXE_nearwise"))
        .args(line.split_whitespace())
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", model)
        .env("HF_HUB_OFFLINE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    end(child, line)
}

/// A small file of each format, by its name.
fn samples(world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let jsonl = wire(3, 400);
    world.write("in.jsonl", &jsonl);
    world.run("index in.jsonl -c p.nearwise");
    world.run("export -c p.nearwise --out p.parquet");
    vec![
        ("a.txt", b"A title\n\nA text of two\nlines, and more.\n".to_vec()),
        ("a.md", b"---\ntitle: T\ndate: 2024-01-02\n---\n# Head\n\nText *with* [marks](x).\n\n> quote\n".to_vec()),
        ("a.html", b"<html><head><title>T</title></head><body><article><h1>T</h1><p>One &amp; two</p></article></body></html>".to_vec()),
        ("a.csv", b"id,title,text,date\n1,\"T, t\",\"a \"\"quoted\"\" text\nover lines\",2024-01-02\n2,U,more,\n".to_vec()),
        ("a.tsv", b"id\ttitle\ttext\n1\tT\tbody\n2\tU\tmore\n".to_vec()),
        ("a.jsonl", jsonl.clone().into_bytes()),
        ("a.jsonl.gz", gzip(jsonl.as_bytes())),
        ("a.jsonl.zst", zstd::encode_all(jsonl.as_bytes(), 1).unwrap()),
        ("a.parquet", fs::read(world.path("p.parquet")).unwrap()),
    ]
}

/// Runs the program on `n` damaged inputs of each format, a process for each.
fn indexed(campaign: &mut Campaign, n: u64) {
    let world = World::new();
    let model = tiny("tiny-bert");
    for (name, sample) in samples(&world) {
        campaign.attack(&format!("index of a damaged {name}"), n, |campaign| {
            let mut bytes = sample.clone();
            campaign.damage(&mut bytes);
            world.write(name, &bytes);
            let _ = fs::remove_file(world.path("i.nearwise"));
            bounded(
                &world,
                &model,
                &format!("index {name} --skip-bad -c i.nearwise"),
            )
            .map(|_| ())
        });
        let _ = fs::remove_file(world.path(name));
    }
}

/// What a worker is told to do: the name of a sample, the seed, and the first round and the one
/// after the last.
const ORDER: &str = "TORTURE_ORDER";
/// Rounds that a worker does before the next takes its place, and before it begins another corpus.
const ROUNDS: u64 = 2000;
const ROUNDS_OF_A_CORPUS: u64 = 100;

/// Reads, stores and embeds `n` damaged inputs of each format, as `index` does, in workers that do
/// many each: a process for each would spend nearly all of its time on being started.
fn inputs(campaign: &mut Campaign, n: u64) {
    let world = World::new();
    for (name, sample) in samples(&world) {
        world.write("sample", &sample);
        let what = format!("damaged input {name}");
        let (mut from, mut failed) = (0, 0);
        while from < n {
            let to = n.min(from + ROUNDS);
            let order = format!("{name} {} {from} {to}", campaign.seed);
            let output = Command::new("bash")
                .args(["-c", "ulimit -c 0; ulimit -v $0; exec \"$@\""])
                .arg(MEMORY.to_string())
                .arg(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "worker", "--nocapture"])
                .env(ORDER, &order)
                .current_dir(world.folder.path())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            for line in said.lines().filter(|line| line.contains("FAILED")) {
                println!("{line}");
                failed += 1;
            }
            from = to;
            if !output.status.success() {
                // Killed by what it read last; the next begins behind that.
                let last = fs::read_to_string(world.path("round")).unwrap_or_default();
                let round = last.parse().unwrap_or(to);
                let end = String::from_utf8_lossy(&output.stderr);
                let end: Vec<&str> = end.lines().rev().take(3).collect();
                println!(
                    "FAILED {what}, {order}, round {round}: {}: {end:?}",
                    output.status
                );
                failed += 1;
                from = round + 1;
            }
        }
        println!("{what}: {n} tried, {failed} failed");
        campaign.rows.push((what, n, failed));
    }
}

/// Does what [`ORDER`] says, in the folder in which it was started. What a process would crash on
/// ends it; whoever started it sees in the file `round` at what.
#[test]
#[ignore = "the campaign starts it"]
fn worker() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let mut parts = order.split(' ');
    let name = parts.next().unwrap().to_string();
    let mut number = || parts.next().unwrap().parse::<u64>().unwrap();
    let (seed, from, to) = (number(), number(), number());
    let sample = fs::read("sample").unwrap();
    fs::write(&name, &sample).unwrap();
    let inputs = Input::parse(&name).unwrap();
    let options = IndexOptions {
        skip_bad: true,
        ..IndexOptions::default()
    };
    let encoder = tiny_encoder("tiny-bert");
    let done = Arc::new(AtomicU64::new(from));
    let watched = Arc::clone(&done);
    std::thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = watched.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > Duration::from_secs(PATIENCE) {
                eprintln!("no end after {PATIENCE} s");
                std::process::abort();
            }
        }
    });
    for round in from..to {
        // Every round by itself follows from the seed and its number.
        let mut damaging = Campaign {
            seed,
            random: Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(1 << 32) + round),
            rows: Vec::new(),
        };
        let mut bytes = sample.clone();
        damaging.damage(&mut bytes);
        fs::write(&name, &bytes).unwrap();
        fs::write("round", round.to_string()).unwrap();
        if (round - from).is_multiple_of(ROUNDS_OF_A_CORPUS) {
            for end in ["", "-wal", "-shm", "-lock"] {
                let _ = fs::remove_file(format!("w.nearwise{end}"));
            }
        }
        let read = || -> nearwise::Result<()> {
            let mut writer = Corpus::open_or_create("w.nearwise")?.writer()?;
            writer.index(&encoder, &inputs, &options, &Job::new())?;
            Ok(())
        };
        match catch_unwind(AssertUnwindSafe(read)) {
            Err(_) => println!("FAILED {order}, round {round}: it panicked"),
            Ok(Err(e)) if e.to_string().lines().count() != 1 => {
                println!("FAILED {order}, round {round}: {e}");
            }
            Ok(Err(e)) if e.kind() == ErrorKind::Internal => {
                println!("FAILED {order}, round {round}: {e}");
            }
            Ok(_) => {}
        }
        done.store(round, Ordering::Relaxed);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn models(campaign: &mut Campaign, n: u64) {
    let world = World::new();
    world.articles();
    let model = world.path("model");
    fs::create_dir(&model).unwrap();
    copy(&tiny("tiny-bert"), &model);
    let names: Vec<_> = fs::read_dir(&model)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    campaign.attack("damaged models", n, |campaign| {
        let path = &names[campaign.below(names.len())];
        let sound = fs::read(path).unwrap();
        let mut bytes = sound.clone();
        campaign.damage(&mut bytes);
        fs::write(path, &bytes).unwrap();
        let _ = fs::remove_file(world.path("m.nearwise"));
        let outcome = bounded(&world, &model, "index six.jsonl -c m.nearwise");
        fs::write(path, sound).unwrap();
        outcome
            .map(|_| ())
            .map_err(|e| format!("{}: {e}", path.display()))
    });
}

fn queries(campaign: &mut Campaign, world: &World, files: &BTreeMap<String, Vec<u8>>, n: u64) {
    restore(world, files);
    let tokens = [
        "date",
        "number",
        "source",
        "text",
        "topic",
        "(",
        ")",
        "AND",
        "OR",
        "NOT",
        "=",
        "!=",
        "<",
        ">=",
        "~",
        "IN",
        "(1,2)",
        "BETWEEN",
        "IS",
        "NULL",
        "'x'",
        "\"",
        "'",
        "2025",
        "2025-13-40",
        "-1",
        "1e999",
        "%",
        "\\",
        "\u{202e}",
        "é",
        "*",
        "NEAR",
        "^",
        ":",
        ";--",
        ",",
    ];
    let text = |campaign: &mut Campaign| -> String {
        let words = 1 + campaign.below(9);
        let chosen: Vec<&str> = (0..words)
            .map(|_| tokens[campaign.below(tokens.len())])
            .collect();
        chosen.join(" ")
    };
    campaign.attack("filters and queries", n, |campaign| {
        let (query, filter) = (text(campaign), text(campaign));
        let mut command = world.command("search --hybrid -c c.nearwise");
        command
            .arg(format!("--where={filter}"))
            .arg("--")
            .arg(&query);
        sound(
            &command.output().unwrap(),
            &format!("{query:?} --where {filter:?}"),
        )
        .map(|_| ())
    });
}

fn full_disks(campaign: &mut Campaign, n: u64) {
    let what = "a full disk in index, topics, export and the approximate index";
    let world = World::new();
    let disk = world.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |size: &str| {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", size, "tmpfs"])
            .arg(&disk)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success())
    };
    let unmount = || {
        let status = Command::new("umount").arg(&disk).status();
        assert!(status.unwrap().success());
    };
    if !mount("size=1m") {
        campaign.skip(what, "no tmpfs can be mounted here");
        return;
    }
    unmount();
    world.write("in.jsonl", wire(120, 400));
    campaign.attack(what, n, |campaign| {
        assert!(mount(&format!("size={}k", 300 + campaign.below(2400))));
        let outcome = || -> Result<(), String> {
            for line in [
                "index in.jsonl -c disk/c.nearwise",
                "topics fit -c disk/c.nearwise",
                "export -c disk/c.nearwise --vectors --out disk/out.jsonl",
                "search goal -c disk/c.nearwise --approximate",
            ] {
                run(&world, line)?;
            }
            if !disk.join("c.nearwise").exists() {
                return Ok(());
            }
            // With room made, it goes on.
            let remounted = Command::new("mount")
                .args(["-o", "remount,size=64m"])
                .arg(&disk)
                .status();
            assert!(remounted.unwrap().success());
            for line in [
                "index in.jsonl -c disk/c.nearwise",
                "check -c disk/c.nearwise",
            ] {
                let output = run(&world, line)?;
                if !output.status.success() {
                    return Err(format!(
                        "{line}: {}",
                        String::from_utf8_lossy(&output.stderr)
                    ));
                }
            }
            Ok(())
        };
        let outcome = outcome();
        unmount();
        outcome
    });
}

#[test]
#[ignore = "it takes minutes to hours; scripts/torture.sh runs it"]
fn torture() {
    let seed = Campaign::count("SEED", 1);
    let mut campaign = Campaign {
        seed,
        random: Xoshiro256PlusPlus::seed_from_u64(seed),
        rows: Vec::new(),
    };
    println!("seed {seed}");
    let world = World::new();
    let lines = wire(80, 400);
    world.write("in.jsonl", &lines);
    world.write(
        "less.jsonl",
        lines.lines().take(60).collect::<Vec<_>>().join("\n"),
    );
    world.run("index in.jsonl -c c.nearwise");
    world.run("topics fit -c c.nearwise --topics 3");
    world.run("search goal -c c.nearwise --approximate");
    let files = kept(&world);

    kills(&mut campaign, &world, &files, Campaign::count("KILLS", 3));
    migrations(&mut campaign, Campaign::count("MIGRATIONS", 5));
    flips(&mut campaign, &world, &files, Campaign::count("FLIPS", 30));
    pairs(&mut campaign, &world, &files, Campaign::count("PAIRS", 20));
    full_disks(&mut campaign, Campaign::count("DISKS", 4));
    inputs(&mut campaign, Campaign::count("INPUTS", 200));
    indexed(&mut campaign, Campaign::count("INDEXED", 5));
    models(&mut campaign, Campaign::count("MODELS", 60));
    queries(
        &mut campaign,
        &world,
        &files,
        Campaign::count("QUERIES", 200),
    );

    println!(
        "\n{:>8} {:>8}  what was tried (seed {seed})",
        "tried", "failed"
    );
    for (what, tried, failed) in &campaign.rows {
        println!("{tried:>8} {failed:>8}  {what}");
    }
    let failed: u64 = campaign.rows.iter().map(|row| row.2).sum();
    assert_eq!(failed, 0, "see above");
}
