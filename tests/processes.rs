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
            started.elapsed() < Duration::from_secs(3),
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
        // What cannot stop by itself is ended.
        assert!(
            started.elapsed() < Duration::from_secs(3),
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

fn program(world: &World, line: &str) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nearwise"));
    command
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
        .env("HF_HUB_OFFLINE", "1")
        .args(line.split_whitespace());
    command
}

fn signal(child: &Child, number: libc::c_int) {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: a signal to a child that was not waited for yet.
    #[allow(unsafe_code)]
    let sent = unsafe { libc::kill(pid, number) };
    assert_eq!(sent, 0);
}

/// What waits where it cannot look at anything: for another program's lock on the file, for a pipe
/// that nobody writes to, for a pipe that nobody reads.
#[test]
fn a_signal_ends_what_waits_within_a_second() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise");
    world.run("topics fit --topics 2");
    let fifo = std::ffi::CString::new(world.path("fifo.jsonl").to_str().unwrap()).unwrap();
    // SAFETY: the path is a string that ends in a zero.
    #[allow(unsafe_code)]
    let made = unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) };
    assert_eq!(made, 0);
    let other = rusqlite::Connection::open(world.path("six.nearwise")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (line, number) in [
        ("delete a1 -c six.nearwise", libc::SIGTERM),
        ("topics fit -c six.nearwise", libc::SIGINT),
        ("topics rename 1 name -c six.nearwise", libc::SIGTERM),
        ("index six.jsonl -c six.nearwise", libc::SIGINT),
        ("index - -c other.nearwise", libc::SIGTERM),
        ("export --out fifo.jsonl -c six.nearwise", libc::SIGINT),
    ] {
        let mut child = program(&world, line)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Long enough to come to where it waits, far shorter than it would wait.
        std::thread::sleep(Duration::from_millis(600));
        assert!(child.try_wait().unwrap().is_none(), "{line} did not wait");
        let started = Instant::now();
        signal(&child, number);
        let (code, stderr) = ended(child);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(3), "{line}: {took:?}");
        // `export` has no handler in place before it opens the file; the signal itself ends it then.
        assert!(
            code == Some(130) || code.is_none(),
            "{line}: {code:?} {stderr}"
        );
    }
    drop(other);
    assert_eq!(
        world.json("stats --json -c six.nearwise")["counts"]["articles"],
        6
    );
    world.run("topics rename 1 name -c six.nearwise");
}

/// Standard error that is closed, full, or a pipe that nobody reads any more.
#[test]
fn standard_error_that_cannot_be_written_ends_nothing() {
    let world = World::new();
    let lines: Vec<String> = (0..40)
        .map(|i| format!(r#"{{"id": "n{i}", "text": "The bank {i} and the market."}}"#))
        .chain((0..30).map(|_| "{}".to_string()))
        .collect();
    world.write("some.jsonl", lines.join("\n"));
    let script = |end: &str, name: &str| {
        format!(
            "{} index some.jsonl --skip-bad -c {name}.nearwise {end}",
            env!("CARGO_BIN_EXE_nearwise")
        )
    };
    for (name, end) in [
        ("closed", "2>&-"),
        ("full", "2>/dev/full"),
        ("gone", "2> >(exec true)"),
        ("both", ">/dev/null 2>&-"),
    ] {
        let status = std::process::Command::new("bash")
            .current_dir(world.folder.path())
            .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
            .env("HF_HUB_OFFLINE", "1")
            .args(["-c", &script(end, name)])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
        let stats = world.json(&format!("stats --json -c {name}.nearwise"));
        assert_eq!(stats["counts"]["articles"], 40, "{name}");
    }
    // Standard output that is full is named, and an error.
    for line in [
        "stats -c full.nearwise",
        "stats --json -c full.nearwise",
        "export -c full.nearwise",
        "search bank -c full.nearwise",
        "topics -c full.nearwise",
        "embed bank",
        "--help",
        "--version",
        "completions bash",
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = program(&world, line).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {stderr}");
        let last = stderr.lines().last().unwrap_or("");
        assert!(
            last.starts_with("nearwise: standard output: "),
            "{line}: {stderr}"
        );
    }
}

/// One way to write a file, for every command that writes one.
#[test]
fn files_are_written_whole_where_they_are_asked_for() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise");
    world.run("topics fit --topics 2");
    let writers = [
        ("export --format jsonl --out", "a.jsonl"),
        ("export --out", "a.parquet"),
        ("export --out", "a.npy"),
        ("map --out", "a.html"),
        ("map --out", "a.svg"),
        ("map --out", "a.png"),
        ("embed bank --out", "b.npy"),
        ("topics tree --out", "a.dot"),
    ];
    for (line, name) in writers {
        // The user's umask holds.
        let script = format!(
            "umask 077; {} {line} {name} >/dev/null",
            env!("CARGO_BIN_EXE_nearwise")
        );
        let status = std::process::Command::new("sh")
            .current_dir(world.folder.path())
            .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
            .env("HF_HUB_OFFLINE", "1")
            .args(["-c", &script])
            .status()
            .unwrap();
        assert!(status.success(), "{line} {name}");
        let path = world.path(name);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600, "{name}");
        // A file that is there keeps who may read it, and is replaced, not written into.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::hard_link(&path, world.path("other")).unwrap();
        let before = std::fs::read(&path).unwrap();
        world.run(&format!("{line} {name}"));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640, "{name}");
        assert_ne!(
            path.metadata().unwrap().ino(),
            world.path("other").metadata().unwrap().ino()
        );
        assert_eq!(
            std::fs::read(world.path("other")).unwrap(),
            before,
            "{name}"
        );
        std::fs::remove_file(world.path("other")).unwrap();
        // A link leads to its file, there or not.
        let end = name.rsplit('.').next().unwrap();
        for there in [true, false] {
            let (link, target) = (world.path(&format!("link.{end}")), world.path("target"));
            let _ = std::fs::remove_file(&link);
            let _ = std::fs::remove_file(&target);
            if there {
                std::fs::write(&target, "old").unwrap();
            }
            std::os::unix::fs::symlink("target", &link).unwrap();
            world.run(&format!("{line} link.{end}"));
            assert!(link.symlink_metadata().unwrap().is_symlink(), "{name}");
            assert!(target.metadata().unwrap().len() > 10, "{name}");
            std::fs::remove_file(&link).unwrap();
            std::fs::remove_file(&target).unwrap();
        }
        // Nothing is over the corpus or what lies beside it.
        for taken in ["six.nearwise", "six.nearwise-wal", "six.nearwise-lock"] {
            let link = world.path(&format!("taken.{end}"));
            std::os::unix::fs::symlink(taken, &link).unwrap();
            world.fails(
                &format!("{line} taken.{end} {}", corpus_of(line)),
                1,
                &["corpus"],
            );
            std::fs::remove_file(&link).unwrap();
        }
    }
    let null = std::path::Path::new("/dev/null")
        .symlink_metadata()
        .unwrap();
    for line in [
        "export --format jsonl --out /dev/null",
        "export --format parquet --out /dev/null",
    ] {
        world.run(line);
    }
    let after = std::path::Path::new("/dev/null")
        .symlink_metadata()
        .unwrap();
    assert_eq!(null.ino(), after.ino());
    // /dev/stdout is written to as it was opened.
    let script = format!(
        "echo before > all; {} export --format jsonl --out /dev/stdout >> all",
        env!("CARGO_BIN_EXE_nearwise")
    );
    let status = std::process::Command::new("sh")
        .current_dir(world.folder.path())
        .args(["-c", &script])
        .status()
        .unwrap();
    assert!(status.success());
    let all = std::fs::read_to_string(world.path("all")).unwrap();
    assert!(all.starts_with("before\n{"), "{all}");
    assert_eq!(
        all.lines().filter(|l| l.starts_with('{')).count(),
        6,
        "{all}"
    );
    assert_eq!(world.json("stats --json")["counts"]["articles"], 6);
    let left = std::fs::read_dir(world.folder.path()).unwrap();
    let hidden: Vec<_> = left
        .map(|e| e.unwrap().file_name())
        .filter(|n| n.as_encoded_bytes().starts_with(b"."))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

fn corpus_of(line: &str) -> &'static str {
    if line.starts_with("embed") {
        ""
    } else {
        "-c six.nearwise"
    }
}
