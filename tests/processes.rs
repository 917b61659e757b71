//! Several processes on one corpus, and the program stopped in the middle.
#![cfg(unix)]

mod common;

use common::World;
use nearwise::encoder::Identity;
use nearwise::{Article, Corpus, ErrorKind, Job};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

/// Metadata that makes a few hundred articles more than the megabyte from which the encoding is
/// told, so that reading begins before the input ends.
const PAD: &str = match std::str::from_utf8(&[b'x'; 4096]) {
    Ok(pad) => pad,
    Err(_) => "",
};

/// An `index` run that has begun to write and waits for more on its standard input.
fn begun(world: &World, corpus: &str) -> (Child, ChildStdin) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nearwise"));
    let mut child = command
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
        .env("HF_HUB_OFFLINE", "1")
        .args(["index", "-", "--dtype", "f32", "-c", corpus])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than a batch, so that its first transaction is committed.
    for i in 0..600 {
        writeln!(
            stdin,
            r#"{{"id": "p{i}", "text": "The bank and the market, number {i}.", "pad": "{PAD}"}}"#
        )
        .unwrap();
    }
    stdin.flush().unwrap();
    let path = world.path(corpus);
    wait_for(|| {
        let reader = Corpus::open(&path).and_then(|c| c.reader());
        reader
            .and_then(|r| r.counts())
            .is_ok_and(|c| c.articles >= 256)
    });
    (child, stdin)
}

fn wait_for(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it did not come"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    let status = child.wait().unwrap();
    (status.code(), stderr)
}

#[test]
fn the_second_run_on_a_new_corpus_is_refused_and_deletes_nothing() {
    let world = World::new();
    world.articles();
    let (child, stdin) = begun(&world, "new.nearwise");
    for line in [
        "index six.jsonl -c new.nearwise",
        "explore six.jsonl -c new.nearwise",
        "delete p1 -c new.nearwise",
        "topics fit -c new.nearwise",
        "topics rename 1 x -c new.nearwise",
    ] {
        world.fails(line, 1, &["another writer"]);
        assert!(world.path("new.nearwise").is_file(), "{line}");
    }
    // Reading goes on.
    world.run("stats -c new.nearwise");
    drop(stdin);
    let (code, stderr) = ended(child);
    assert_eq!(code, Some(0), "{stderr}");
    let stats = world.json("stats --json -c new.nearwise");
    assert_eq!(stats["counts"]["articles"], 600);
    assert_eq!(stats["counts"]["pending"], 0);
    // The lock went with its holder.
    assert!(!world.path("new.nearwise-lock").exists());
    world.run("delete p1 -c new.nearwise");
}

#[test]
fn many_runs_that_start_together_leave_one_whole_corpus() {
    for round in 0..4 {
        let world = World::new();
        world.articles();
        let children: Vec<Child> = (0..6)
            .map(|_| {
                std::process::Command::new(env!("CARGO_BIN_EXE_nearwise"))
                    .current_dir(world.folder.path())
                    .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
                    .env("HF_HUB_OFFLINE", "1")
                    .args(["index", "six.jsonl", "--dtype", "f32", "-c", "a.nearwise"])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut won = 0;
        for child in children {
            let (code, stderr) = ended(child);
            if code == Some(0) {
                won += 1;
            } else {
                assert!(
                    stderr.contains("another writer") || stderr.contains("other writers"),
                    "{stderr}"
                );
            }
        }
        assert!(won > 0, "round {round}");
        assert_eq!(world.json("stats --json")["counts"]["articles"], 6);
        assert!(!world.path("a.nearwise-lock").exists());
    }
}

#[test]
fn an_index_that_is_deleted_from_meanwhile_stays_whole() {
    let world = World::new();
    let (child, stdin) = begun(&world, "a.nearwise");
    // Whoever deletes has to wait; what was left without the lock is refused by the file itself.
    let corpus = Corpus::open(world.path("a.nearwise")).unwrap();
    assert_eq!(corpus.writer().unwrap_err().kind(), ErrorKind::Busy);
    drop(stdin);
    assert_eq!(ended(child).0, Some(0));
    corpus
        .writer()
        .unwrap()
        .delete(&["p5".to_string()])
        .unwrap();
    for line in ["search bank", "similar p1", "topics", "duplicates"] {
        world.run(&format!("{line} -c a.nearwise"));
    }
}

#[test]
fn a_signal_ends_indexing_and_the_next_run_resumes() {
    let world = World::new();
    let lines: Vec<String> = (0..2000)
        .map(|i| {
            format!(
                r#"{{"id": "p{i}", "text": "The bank {i} and the market {} and the goal {}.", "pad": "{PAD}"}}"#,
                i * 7,
                i * 13
            )
        })
        .collect();
    world.write("many.jsonl", lines.join("\n"));
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nearwise"));
        let mut child = command
            .current_dir(world.folder.path())
            .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
            .env("HF_HUB_OFFLINE", "1")
            .args(["index", "-", "-c", "s.nearwise", "--dtype", "f32"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let half = lines.len() / 2;
        for line in &lines[..half] {
            writeln!(stdin, "{line}").unwrap();
        }
        // The columns are said when reading has begun: the handler is there.
        let mut first = String::new();
        stderr.read_line(&mut first).unwrap();
        assert!(first.contains("columns"), "{first}");
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        // SAFETY: a signal to a child that was not waited for yet.
        #[allow(unsafe_code)]
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0);
        for line in &lines[half..] {
            // It has stopped reading by now or does so soon.
            if writeln!(stdin, "{line}").is_err() {
                break;
            }
        }
        let started = Instant::now();
        drop(stdin);
        let status = child.wait().unwrap();
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert_eq!(status.code(), Some(130), "{rest}");
        assert!(rest.contains("committed so far is kept"), "{rest}");
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
        // The next run resumes and finds everything.
        world.run("index many.jsonl -c s.nearwise --dtype f32");
        assert_eq!(
            world.json("stats --json -c s.nearwise")["counts"]["pending"],
            0
        );
    }
}

/// What was swallowed once: a signal while topics are found or a map is laid out.
#[test]
fn a_signal_ends_what_comes_after_indexing() {
    let world = World::new();
    let corpus = Corpus::create(world.path("a.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    writer.bind(&Identity::external("numbers", 64)).unwrap();
    let mut state = 7u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let articles = (0..25_000).map(|i| {
        let vector: Vec<f32> = (0..64).map(|_| next()).collect();
        let article = Article {
            id: Some(format!("n{i}")),
            text: format!("The bank {i} and the goal."),
            ..Article::default()
        };
        (article, vector)
    });
    writer.add(articles, &Job::new()).unwrap();
    drop(writer);
    for (line, signal) in [
        ("topics fit", libc::SIGINT),
        ("topics", libc::SIGTERM),
        ("map --out m.html", libc::SIGINT),
    ] {
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_nearwise"))
            .current_dir(world.folder.path())
            .env("HF_HUB_OFFLINE", "1")
            .args(line.split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Each takes several seconds on this many articles.
        std::thread::sleep(Duration::from_millis(700));
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        // SAFETY: a signal to a child that was not waited for yet.
        #[allow(unsafe_code)]
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0);
        let started = Instant::now();
        let (code, stderr) = ended(child);
        // Before the grace of three seconds that what cannot stop by itself is given.
        assert!(
            started.elapsed() < Duration::from_millis(2900),
            "{line}: {:?}",
            started.elapsed()
        );
        assert_eq!(code, Some(130), "{line}: {stderr}");
        assert!(!world.path("m.html").exists());
    }
    assert!(corpus.reader().unwrap().topic_run().unwrap().is_none());
    assert!(corpus.writer().is_ok());
}

#[test]
fn a_link_to_a_corpus_is_the_same_corpus() {
    let world = World::new();
    world.articles();
    world.write("sub/keep", "");
    world.run("index six.jsonl -c sub/a.nearwise");
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, world.path(name)).unwrap();
    };
    link("sub/a.nearwise", "link.nearwise");
    let writer = Corpus::open(world.path("sub/a.nearwise")).unwrap();
    let writer = writer.writer().unwrap();
    world.fails("delete a1 -c link.nearwise", 1, &["another writer"]);
    drop(writer);
    world.run("delete a1 -c link.nearwise");
    assert_eq!(
        world.json("stats --json -c sub/a.nearwise")["counts"]["articles"],
        5
    );
    // What a link leads to is made, and the link stays.
    link("sub/new.nearwise", "dangling.nearwise");
    world.run("index six.jsonl -c dangling.nearwise");
    assert!(world.path("sub/new.nearwise").is_file());
    assert!(
        world
            .path("dangling.nearwise")
            .symlink_metadata()
            .unwrap()
            .is_symlink()
    );
    link("loop.nearwise", "loop.nearwise");
    let output = world
        .command("index six.jsonl -c loop.nearwise")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn nothing_is_written_over_a_corpus() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise");
    for line in [
        "export --format jsonl -o six.nearwise -c six.nearwise",
        "export --format npy -o six.nearwise -c six.nearwise",
        "embed bank -o six.nearwise",
    ] {
        world.fails(line, 1, &["six.nearwise", "it is a corpus"]);
    }
    assert_eq!(world.json("stats --json")["counts"]["articles"], 6);
    // Names that are no UTF-8 are names all the same.
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff.nearwise");
    std::fs::copy(world.path("six.nearwise"), world.folder.path().join(odd)).unwrap();
    let output = world.command("stats --json -c").arg(odd).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn nobody_reads_standard_error() {
    let world = World::new();
    world.articles();
    // /dev/full takes nothing: not a line of what the run tells.
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nearwise"));
    let output = command
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
        .env("HF_HUB_OFFLINE", "1")
        .args(["index", "six.jsonl", "-c", "a.nearwise"])
        .stderr(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("6 articles"));
}
