//! Killed at any moment and run again, indexing ends with the corpus of an undisturbed run.

mod common;

use common::{World, database, tiny};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rusqlite::types::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Every row of every table in order of the row, without what names the file and counts its
/// versions.
fn dump(corpus: &Path) -> Vec<(String, Vec<Vec<Value>>)> {
    let db = database(corpus);
    let check: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let of = |query: &str| -> Vec<Vec<Value>> {
        let mut statement = db.prepare(query).unwrap();
        let columns = statement.column_count();
        statement
            .query_map([], |row| (0..columns).map(|i| row.get(i)).collect())
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    let mut tables: Vec<_> = [
        "article",
        "paragraph",
        "recurring",
        "passage",
        "article_vector",
        "field",
        "sqlite_sequence",
    ]
    .iter()
    .map(|table| {
        (
            table.to_string(),
            of(&format!("SELECT * FROM {table} ORDER BY 1")),
        )
    })
    .collect();
    tables.push((
        "meta".into(),
        of("SELECT * FROM meta WHERE key NOT IN ('uuid', 'generation') ORDER BY 1"),
    ));
    // The word index, through what it finds.
    tables.push((
        "words".into(),
        of("SELECT rowid, rank FROM words WHERE words MATCH 'bank' ORDER BY rowid"),
    ));
    tables
}

fn articles(world: &World) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let words = [
        "the", "bank", "market", "minister", "goal", "team", "city", "price", "rate", "cup",
        "year", "said", "new", "last", "first", "match",
    ];
    let mut lines = String::new();
    for i in 0..1000 {
        let mut text = String::new();
        for n in 0..60 + random.next_u32() % 200 {
            text.push_str(words[random.next_u32() as usize % words.len()]);
            text.push_str(if n % 11 == 10 { ". " } else { " " });
            if n % 70 == 69 {
                text.push_str("\n\n");
            }
        }
        // Boilerplate, so that the second phase depends on the whole first.
        text.push_str("\n\nSubscribe to the paper of the city for all the news of the year.");
        let row = serde_json::json!({
            "id": i, "title": format!("Article {i}"), "text": text, "source": format!("s{}", i % 3),
        });
        lines.push_str(&format!("{row}\n"));
    }
    world.write("in.jsonl", lines);
}

fn start(world: &World, corpus: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_nearwise"))
        .args(["index", "in.jsonl", "-c", corpus])
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", tiny("tiny-bert"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Both tests measure how long a run takes, and disturb each other's measure.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn killed_at_ten_random_moments() {
    let _alone = ALONE.lock();
    let world = World::new();
    articles(&world);
    let started = Instant::now();
    assert!(start(&world, "whole.nearwise").wait().unwrap().success());
    let whole = started.elapsed();
    let expected = dump(&world.path("whole.nearwise"));
    let rows = |table: &str| {
        expected
            .iter()
            .find(|(name, _)| name == table)
            .unwrap()
            .1
            .len()
    };
    assert_eq!(rows("article"), 1000);
    assert!(rows("passage") > 1000 && rows("recurring") == 3);

    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut killed = 0;
    let mut halfway = 0;
    for round in 0..10 {
        let corpus = format!("{round}.nearwise");
        // Twice: a run that resumes can be killed as well.
        for most in [1.0, 0.5] {
            let moment = most * f64::from(random.next_u32()) / f64::from(u32::MAX);
            let mut child = start(&world, &corpus);
            std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * moment));
            killed += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let path = world.path(&corpus);
        if path.is_file() {
            let db = database(&path);
            let left: u64 = db
                .query_row("SELECT count(*) FROM article WHERE pending", [], |row| {
                    row.get(0)
                })
                .unwrap_or(0);
            halfway += usize::from(left > 0);
        }
        assert!(
            start(&world, &corpus).wait().unwrap().success(),
            "round {round}, seed {seed}"
        );
        for ((table, got), (_, expected)) in dump(&path).into_iter().zip(&expected) {
            assert_eq!(
                got.len(),
                expected.len(),
                "rows of {table}, round {round}, seed {seed}"
            );
            for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
                assert!(
                    got == expected,
                    "{table} row {i}: round {round}, seed {seed}"
                );
            }
        }
    }
    assert!(
        killed > 0 && halfway > 0,
        "{killed} of 20 kills met a running program, {halfway} left work"
    );
}

/// Ctrl-C ends the run after the transaction at hand, with its own exit code, and says so.
#[cfg(unix)]
#[test]
fn interrupted_by_the_user() {
    let _alone = ALONE.lock();
    let world = World::new();
    articles(&world);
    let started = Instant::now();
    assert!(start(&world, "whole.nearwise").wait().unwrap().success());
    let whole = started.elapsed();
    let mut halfway = 0;
    for part in [0.0, 0.1, 0.2, 0.4, 0.6] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nearwise"))
            .args(["index", "in.jsonl", "-c", "part.nearwise"])
            .current_dir(world.folder.path())
            .env("NEARWISE_MODEL", tiny("tiny-bert"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What is to be embedded is said first: by then a signal is caught, however slow the machine.
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while stderr.read_line(&mut said).unwrap() > 0 && !said.contains("to embed") {}
        std::thread::sleep(whole.mul_f64(part));
        let interrupt = format!("kill -INT {}", child.id());
        Command::new("sh")
            .args(["-c", &interrupt])
            .status()
            .unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        let left: u64 = database(&world.path("part.nearwise"))
            .query_row("SELECT count(*) FROM article WHERE pending", [], |row| {
                row.get(0)
            })
            .unwrap();
        if left == 0 {
            // All was done when the signal came. Whether it ended the program is a matter of chance.
            assert!(matches!(status.code(), Some(0 | 130)), "{status} {said}");
            break;
        }
        halfway += 1;
        assert_eq!(status.code(), Some(130), "{said}");
        // Where one transaction takes longer than a user is made to wait, it is ended.
        assert!(
            said.contains("the same command resumes")
                || said.contains("everything committed so far is kept"),
            "{said}"
        );
    }
    assert!(halfway > 0, "no signal met a run that was not done");
    assert!(start(&world, "part.nearwise").wait().unwrap().success());
    assert!(dump(&world.path("part.nearwise")) == dump(&world.path("whole.nearwise")));
}
