//! Whatever happened to a corpus or to what lies beside it: an answer is right, or it is none.

mod common;

use common::{READING, World, wire};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::fs;
use std::path::Path;
use std::process::Output;

/// Those that read, with one that reads the approximate index.
fn commands() -> impl Iterator<Item = &'static str> {
    READING
        .into_iter()
        .chain(["search goal -c c.nearwise --approximate --json"])
}

/// A corpus of some hundred pages with topics and an approximate index.
fn corpus() -> World {
    let world = World::new();
    world.write("in.jsonl", wire(80, 600));
    world.run("index in.jsonl -c c.nearwise");
    world.run("topics fit -c c.nearwise --topics 2");
    world.run("search goal -c c.nearwise --approximate");
    world
}

/// Right, or refused in one line; never a crash.
fn refused(command: &str, output: &Output) -> bool {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(code.is_some(), "{command} crashed: {stderr}");
    assert!(!stderr.contains("panicked"), "{command}: {stderr}");
    if code == Some(0) {
        return false;
    }
    assert_eq!(code, Some(1), "{command}: {stderr}");
    let last = stderr.lines().last().unwrap_or("");
    assert!(last.starts_with("nearwise: "), "{command}: {stderr}");
    true
}

#[test]
fn flipped_bytes_are_told_by_every_command() {
    let world = corpus();
    let path = world.path("c.nearwise");
    let sound = fs::read(&path).unwrap();
    let expected: Vec<Vec<u8>> = commands()
        .map(|line| {
            let output = world.command(line).output().unwrap();
            assert!(!refused(line, &output), "{line}");
            output.stdout
        })
        .collect();
    let seed = 1u64;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut told = 0;
    for round in 0..24 {
        let mut bytes = sound.clone();
        let at = random.next_u64() as usize % bytes.len();
        match round % 4 {
            0 => bytes[at] ^= 1 << (random.next_u32() % 8),
            1 => bytes[at] = bytes[at].wrapping_add(1 + (random.next_u32() % 255) as u8),
            2 => bytes[at / 4096 * 4096..][..4096].fill(0),
            // A page that stood elsewhere.
            _ => bytes.copy_within(at / 8192 * 4096..at / 8192 * 4096 + 4096, at / 4096 * 4096),
        }
        fs::write(&path, &bytes).unwrap();
        for (line, expected) in commands().zip(&expected) {
            let output = world.command(line).output().unwrap();
            if refused(line, &output) {
                told += 1;
            } else {
                assert!(
                    output.stdout == *expected,
                    "seed {seed}, round {round}: {line}"
                );
            }
        }
        let checked = world.command("check -c c.nearwise").output().unwrap();
        let changed = bytes != sound;
        assert_eq!(refused("check", &checked), changed, "round {round}");
    }
    assert!(told > 0);
    fs::write(&path, &sound).unwrap();
    assert!(
        world
            .run("check -c c.nearwise")
            .contains("nothing is damaged")
    );
}

/// A page of a table or index, by the part of the file that it is.
fn page_of(path: &Path, name: &str) -> usize {
    let db = rusqlite::Connection::open(path).unwrap();
    db.query_row(
        "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY pageno DESC LIMIT 1",
        [name],
        |row| row.get(0),
    )
    .unwrap()
}

#[test]
fn what_is_damaged_is_named_and_healed() {
    for (name, place, lost) in [
        ("passage", "the vectors", false),
        ("article_vector", "the vectors", false),
        ("words_data", "the index of words", false),
        ("sqlite_autoindex_article_1", "an index of article", false),
        ("article_topic", "the topics", false),
        ("article", "the articles", true),
    ] {
        let world = corpus();
        let path = world.path("c.nearwise");
        let before = world.run("export -c c.nearwise --vectors");
        let page = page_of(&path, name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[page * 4096 - 2000] ^= 4;
        fs::write(&path, &bytes).unwrap();
        world.fails("check -c c.nearwise", 1, &["damaged", "--repair"]);
        let said = world
            .command("check -c c.nearwise")
            .output()
            .unwrap()
            .stdout;
        let said = String::from_utf8(said).unwrap();
        assert!(
            said.contains(place) && said.contains("1 page damaged"),
            "{name}: {said}"
        );
        let said = world.run("check -c c.nearwise --repair");
        assert_eq!(
            said.contains("lost: index them again"),
            lost,
            "{name}: {said}"
        );
        assert!(
            world
                .run("check -c c.nearwise")
                .contains("nothing is damaged")
        );
        // But for the header, which says how changes are logged.
        let kept = fs::read(world.path("c.nearwise.damaged")).unwrap();
        assert!(kept[4096..] == bytes[4096..], "{name}");
        world.run("index in.jsonl -c c.nearwise");
        if name == "article_topic" || name == "article" {
            world.run("topics fit -c c.nearwise --topics 2");
        } else {
            world.run("topics -c c.nearwise");
        }
        // All articles and vectors are there again; rows may stand in another order.
        let sorted = |text: &str| {
            let mut lines: Vec<serde_json::Value> = text
                .lines()
                .map(|line| {
                    let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
                    for topic in ["topic", "topic_label", "topic_similarity"] {
                        row.as_object_mut().unwrap().remove(topic);
                    }
                    row
                })
                .collect();
            lines.sort_by_key(|row| row["id"].to_string());
            lines
        };
        let after = world.run("export -c c.nearwise --vectors");
        assert_eq!(sorted(&after), sorted(&before), "{name}");
        world.run("search minister -c c.nearwise --hybrid");
    }
}

#[test]
fn a_damaged_index_is_not_used() {
    let world = corpus();
    let line = "search goal -c c.nearwise --approximate --json";
    let ids = || -> Vec<String> {
        let found = world.json(line);
        let hits = found["hits"].as_array().unwrap();
        hits.iter().map(|hit| hit["id"].to_string()).collect()
    };
    let expected = ids();
    let index = world.path("c.nearwise.hnsw");
    let sound = fs::read(&index).unwrap();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    for round in 0..12 {
        let mut bytes = sound.clone();
        let at = random.next_u64() as usize % bytes.len();
        match round % 3 {
            0 => bytes[at] ^= 1 << (random.next_u32() % 8),
            1 => bytes.truncate(at),
            _ => bytes[at..].fill(0xff),
        }
        fs::write(&index, &bytes).unwrap();
        if bytes != sound {
            let said = world.run("check -c c.nearwise");
            assert!(said.contains("approximate index is damaged"), "{said}");
        }
        // Built anew by several threads, it may miss another of the ten.
        let found = ids();
        let same = found.iter().filter(|id| expected.contains(id)).count();
        assert!(same >= 8, "round {round}: {found:?} {expected:?}");
    }
    assert!(
        !world
            .run("check -c c.nearwise")
            .contains("approximate index")
    );
}

#[test]
fn a_corpus_that_was_restored_does_not_take_the_others_index() {
    let world = corpus();
    let copy = fs::read(world.path("c.nearwise")).unwrap();
    let add = |name: &str, word: &str| {
        let lines: Vec<String> = (0..5)
            .map(|i| {
                let text = format!("{word} {word} {i} ").repeat(20);
                serde_json::json!({"id": format!("{name}{i}"), "text": text}).to_string()
            })
            .collect();
        world.write(&format!("{name}.jsonl"), lines.join("\n"));
        world.run(&format!("index {name}.jsonl -c c.nearwise"));
        world.run("search goal -c c.nearwise --approximate")
    };
    add("x", "goal");
    // The same numbers of passages and of changes, and other articles.
    fs::write(world.path("c.nearwise"), copy).unwrap();
    add("y", "minister");
    for query in ["goal", "minister", "bank"] {
        let hits = |how: &str| -> Vec<String> {
            let found = world.json(&format!("search {query} -c c.nearwise --json {how}"));
            let hits = found["hits"].as_array().unwrap();
            hits.iter().map(|hit| hit["id"].to_string()).collect()
        };
        let (near, exact) = (hits("--approximate"), hits("--exact"));
        let right = near.iter().filter(|id| exact.contains(id)).count();
        // The index is approximate, but not by half.
        assert!(right >= 8, "{query}: {near:?} {exact:?}");
    }
}

/// Runs the program as a user who is not root, for whom permissions count.
#[cfg(unix)]
fn as_nobody(world: &World, line: &str) -> Output {
    let mut command = std::process::Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(env!("CARGO_BIN_EXE_nearwise"))
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
        .env("HF_HUB_OFFLINE", "1")
        .args(line.split_whitespace());
    command.output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_corpus_that_cannot_be_written_answers() {
    use std::os::unix::fs::PermissionsExt;
    let world = corpus();
    let expected = world.run("search goal -c c.nearwise --exact --json");
    fs::remove_file(world.path("c.nearwise.hnsw")).unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&world.path("c.nearwise"), 0o444);
    let reading = |line: &str| -> Output {
        // Root writes whatever the permissions say.
        if fs::write(world.path("probe"), "").is_ok() {
            let _ = fs::remove_file(world.path("probe"));
            as_nobody(&world, line)
        } else {
            world.command(line).output().unwrap()
        }
    };
    for folder in [0o555, 0o755] {
        mode(world.folder.path(), folder);
        for line in commands().chain(["topics -c c.nearwise", "check -c c.nearwise"]) {
            let output = reading(line);
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            if folder == 0o755
                && stderr.contains("Permission denied (os error 13)")
                && output.stdout.is_empty()
            {
                panic!("{line}: {stderr}");
            }
            assert!(output.status.success(), "{line} in {folder:o}: {stderr}");
            if line.contains("--approximate") {
                assert_eq!(
                    String::from_utf8(output.stdout).unwrap(),
                    expected,
                    "every vector is compared"
                );
            }
        }
    }
    mode(world.folder.path(), 0o755);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let world = corpus();
    let name = std::ffi::OsStr::from_bytes(b"odd \xff%?#.nearwise");
    fs::copy(world.path("c.nearwise"), world.path("").join(name)).unwrap();
    // Each file has an index of its own, which several threads make: the last hits may differ.
    let first = |json: &[u8]| -> serde_json::Value {
        let found: serde_json::Value = serde_json::from_slice(json).unwrap();
        assert_eq!(found["hits"].as_array().unwrap().len(), 10);
        found["hits"][0].clone()
    };
    let expected = world.run("search goal -c c.nearwise --approximate --json");
    let expected = first(expected.as_bytes());
    for _ in 0..2 {
        let output = world
            .command("search goal --approximate --json -c")
            .arg(name)
            .output()
            .unwrap();
        assert!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(first(&output.stdout), expected);
    }
}

#[test]
fn a_file_of_no_version_is_refused_in_words() {
    let world = corpus();
    let db = common::database(&world.path("c.nearwise"));
    db.pragma_update(None, "user_version", 0).unwrap();
    drop(db);
    for line in ["search goal -c c.nearwise", "index in.jsonl -c c.nearwise"] {
        let output = world.command(line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("version") && !said.contains("CREATE"),
            "{said}"
        );
    }
}

#[test]
fn topics_live_without_their_most_typical_articles() {
    let world = corpus();
    for _ in 0..3 {
        let topics = world.json("topics list -c c.nearwise --json");
        for topic in topics["topics"].as_array().unwrap() {
            let typical = topic["typical"][0]["id"].as_str().unwrap();
            world.run(&format!("delete {typical} -c c.nearwise"));
        }
        world.run("topics list -c c.nearwise --typical 5");
        world.run("topics show 0 -c c.nearwise");
        world.run("topics tree -c c.nearwise");
        world.run("topics over-time -c c.nearwise");
    }
    world.run("explore in.jsonl -c c.nearwise");
    world.run("map -c c.nearwise --out map.html");
}

#[cfg(unix)]
#[test]
fn a_corpus_that_was_deleted_under_way_is_no_success() {
    use nearwise::{Article, Corpus, Job};
    let world = corpus();
    let corpus = Corpus::open(world.path("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    let article = |id: &str| Article {
        id: Some(id.to_string()),
        text: "A goal.".to_string(),
        ..Article::default()
    };
    writer.add([article("x")], &Job::new()).unwrap();
    fs::remove_file(world.path("c.nearwise")).unwrap();
    let refused = writer.add([article("y")], &Job::new()).unwrap_err();
    assert!(refused.to_string().contains("deleted"), "{refused}");
}

#[test]
fn what_does_not_agree_is_healed_by_a_repair() {
    for (name, sql) in [
        (
            "range",
            "UPDATE passage SET stop = 1000000 WHERE article = 3",
        ),
        (
            "negative",
            "UPDATE passage SET start = -1 WHERE article = 3",
        ),
        (
            "short",
            "UPDATE passage SET vector = x'003c' WHERE article = 3",
        ),
        (
            "not unit",
            "UPDATE article_vector SET vector = zeroblob(length(vector)) WHERE article = 3",
        ),
        (
            "no vector",
            "PRAGMA foreign_keys = 0; DELETE FROM article_vector WHERE article = 3",
        ),
        (
            "topic",
            "UPDATE article_topic SET topic = 77 WHERE article = 3",
        ),
        (
            "words",
            "DROP TRIGGER words_update; DELETE FROM words WHERE rowid = 3",
        ),
        (
            "other words",
            "INSERT INTO words (rowid, title, text) VALUES (5000, 'goal', 'goal')",
        ),
    ] {
        let world = corpus();
        let before = world.json("stats -c c.nearwise --json")["articles"].clone();
        let db = common::database(&world.path("c.nearwise"));
        db.create_scalar_function(
            "indexed_words",
            1,
            rusqlite::functions::FunctionFlags::SQLITE_INNOCUOUS,
            |call| call.get::<String>(0),
        )
        .unwrap();
        db.execute_batch(sql)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        drop(db);
        world.fails("check -c c.nearwise", 1, &["damaged", "--repair"]);
        let output = world
            .command("check -c c.nearwise --repair")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {said}");
        let said = world.run("check -c c.nearwise");
        assert!(said.contains("nothing is damaged"), "{name}: {said}");
        world.run("index in.jsonl -c c.nearwise");
        let after = world.json("stats -c c.nearwise --json")["articles"].clone();
        assert_eq!(after, before, "{name}");
        world.run("search minister -c c.nearwise --hybrid");
    }
}

#[test]
fn every_repair_keeps_the_file_that_it_replaces() {
    let world = corpus();
    let path = world.path("c.nearwise");
    let mut damaged = Vec::new();
    // Left by a repair that was killed, and a corpus as well.
    fs::copy(&path, world.path("c.nearwise.repaired")).unwrap();
    for end in ["", "-2", "-3"] {
        let page = page_of(&path, "words_data");
        let mut bytes = fs::read(&path).unwrap();
        bytes[page * 4096 - 2000] ^= 4;
        fs::write(&path, &bytes).unwrap();
        let said = world.run("check -c c.nearwise --repair");
        let kept = format!("c.nearwise.damaged{end}");
        assert!(said.contains(&format!("{kept}\n")), "{said}");
        damaged.push((kept, bytes));
    }
    for (kept, bytes) in damaged {
        assert!(
            fs::read(world.path(&kept)).unwrap()[4096..] == bytes[4096..],
            "{kept}"
        );
    }
    assert!(!world.path("c.nearwise.repaired").exists());
}

#[test]
fn a_repair_that_is_cancelled_leaves_the_corpus_as_it_was() {
    use nearwise::{Corpus, Job};
    let world = corpus();
    let mode = || fs::read(world.path("c.nearwise")).unwrap()[18];
    assert_eq!(mode(), 2, "WAL");
    let corpus = Corpus::open(world.path("c.nearwise")).unwrap();
    let db = common::database(&world.path("c.nearwise"));
    // So many numbers that the repair asks whether to go on.
    db.execute("UPDATE sqlite_sequence SET seq = 5000", [])
        .unwrap();
    drop(db);
    let job = Job::new();
    job.cancel();
    corpus.repair(&job).unwrap_err();
    assert_eq!(mode(), 2);
    // A repair that was killed.
    let db = common::database(&world.path("c.nearwise"));
    db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .unwrap();
    drop(db);
    drop(corpus);
    assert_eq!(mode(), 1);
    world.run("index in.jsonl -c c.nearwise");
    assert_eq!(mode(), 2);
}

#[test]
fn a_page_that_was_cut_is_told() {
    let world = corpus();
    let path = world.path("c.nearwise");
    let sound = fs::read(&path).unwrap();
    fs::write(&path, &sound[..sound.len() - 100]).unwrap();
    let pages = sound.len() / 4096;
    let said = world.command("check -c c.nearwise").output().unwrap();
    assert!(refused("check", &said));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains(&format!("{pages} pages read\n1 page damaged")),
        "{said}"
    );
    // SQLite reads it as well.
    let db = common::database(&path);
    let read = db.query_row("SELECT sum(pgsize) + sum(unused) FROM dbstat", [], |row| {
        row.get::<_, i64>(0)
    });
    assert!(read.is_err(), "{read:?}");
}

#[test]
fn a_repair_that_saves_no_row_gives_no_number_again() {
    let world = corpus();
    let ids: Vec<String> = (0..80).map(|i| format!("a{i}")).collect();
    world.run(&format!("delete {} -c c.nearwise", ids.join(" ")));
    let sequence = || -> Vec<(String, i64)> {
        common::database(&world.path("c.nearwise"))
            .prepare("SELECT name, seq FROM sqlite_sequence ORDER BY name")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    let before = sequence();
    nearwise::Corpus::open(world.path("c.nearwise"))
        .unwrap()
        .repair(&nearwise::Job::new())
        .unwrap();
    assert_eq!(sequence(), before);
    assert_eq!(before.len(), 2);
}

/// What a kill leaves of a run: the file and the log, of which nothing was moved into it yet.
fn killed(world: &World, name: &str) {
    use nearwise::{Article, Corpus, Job};
    let corpus = Corpus::open(world.path("c.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    let articles = (0..40).map(|i| Article {
        id: Some(format!("late{i}")),
        text: format!("A goal of the team, {i}. ").repeat(30),
        ..Article::default()
    });
    writer.add(articles, &Job::new()).unwrap();
    for end in ["", "-wal"] {
        let from = world.path(&format!("c.nearwise{end}"));
        fs::copy(from, world.path(&format!("{name}{end}"))).unwrap();
    }
}

/// Pages of a corpus without a checksum, and those with a wrong one.
fn pages(world: &World, name: &str) -> (Vec<u64>, Vec<u64>) {
    let output = world
        .command(&format!("check -c {name} --json"))
        .output()
        .unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |key: &str| serde_json::from_value(said["checked"][key].clone()).unwrap();
    (list("unsealed_pages"), list("damaged_pages"))
}

#[test]
fn what_another_program_moved_out_of_the_log_is_sealed_anew() {
    for how in ["moved", "vacuumed"] {
        let world = corpus();
        killed(&world, "k.nearwise");
        killed(&world, "expected.nearwise");
        let expected = world.run("export -c expected.nearwise --vectors");
        // SQLite by itself, which moves the log into the file as it closes it.
        let db = rusqlite::Connection::open(world.path("k.nearwise")).unwrap();
        let count: i64 = db
            .query_row("SELECT count(*) FROM article", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 120);
        if how == "vacuumed" {
            db.execute_batch("VACUUM").unwrap();
        }
        drop(db);
        assert!(!world.path("k.nearwise-wal").exists());
        world.fails("search goal -c k.nearwise", 1, &["damaged", "checksum"]);
        world.fails("check -c k.nearwise", 1, &["damaged", "--repair"]);
        let (unsealed, damaged) = pages(&world, "k.nearwise");
        assert!(
            unsealed.contains(&1) && damaged.is_empty(),
            "{unsealed:?} {damaged:?}"
        );
        let before = fs::read(world.path("k.nearwise")).unwrap();
        let said = world.run("check -c k.nearwise --repair");
        let told = format!("{} pages got checksums", unsealed.len());
        assert!(
            said.contains(&told) && said.contains("could not be compared"),
            "{said}"
        );
        assert!(
            world
                .run("check -c k.nearwise")
                .contains("nothing is damaged"),
            "{how}"
        );
        assert_eq!(
            world.run("export -c k.nearwise --vectors"),
            expected,
            "{how}"
        );
        // But for the checksums, and the counters of changes in the header, it is as it was.
        let after = fs::read(world.path("k.nearwise")).unwrap();
        assert_eq!(before.len(), after.len());
        for (number, (old, new)) in before.chunks(4096).zip(after.chunks(4096)).enumerate() {
            let from = if number == 0 { 100 } else { 0 };
            assert!(old[from..4088] == new[from..4088], "page {}", number + 1);
        }
        assert!(!world.path("k.nearwise.damaged").exists());
        world.run("index in.jsonl -c k.nearwise");
    }
}

/// A full disk ends the move of the log into the file half way: what the log holds goes before it.
#[test]
fn a_page_that_the_log_holds_is_not_damaged() {
    let world = corpus();
    killed(&world, "k.nearwise");
    killed(&world, "expected.nearwise");
    let expected = world.run("export -c expected.nearwise --vectors");
    let log = fs::read(world.path("k.nearwise-wal")).unwrap();
    // 32 bytes, then pages of 4096 bytes, each behind 24 that begin with its number.
    let numbers = log[32..].chunks_exact(24 + 4096);
    let numbers: Vec<u32> = numbers
        .map(|frame| u32::from_be_bytes(frame[..4].try_into().unwrap()))
        .collect();
    let mut file = fs::read(world.path("k.nearwise")).unwrap();
    let pages = file.len() as u32 / 4096;
    let held = numbers.iter().find(|&&n| n > 1 && n <= pages).unwrap();
    file[*held as usize * 4096 - 2000] ^= 1;
    // And room that was made behind the end for a page that did not fit.
    file.extend([0; 700]);
    fs::write(world.path("k.nearwise"), &file).unwrap();
    let said = world.run("check -c k.nearwise");
    assert!(said.contains("nothing is damaged"), "{said}");
    assert_eq!(world.run("export -c k.nearwise --vectors"), expected);
}

#[test]
fn pages_without_checksums_are_not_sealed_where_anything_else_is_wrong() {
    let world = corpus();
    killed(&world, "k.nearwise");
    drop(
        rusqlite::Connection::open(world.path("k.nearwise")).and_then(|db| {
            db.query_row("SELECT count(*) FROM article", [], |_| Ok(()))?;
            Ok(db)
        }),
    );
    let (unsealed, _) = pages(&world, "k.nearwise");
    let sound = fs::read(world.path("k.nearwise")).unwrap();
    let other = (2..).find(|page| !unsealed.contains(page)).unwrap() as usize;
    let page = unsealed[unsealed.len() / 2] as usize;
    // A page with a wrong checksum; one of zeros; one without a checksum that is no page of a tree.
    for damage in 0..3 {
        let mut bytes = sound.clone();
        match damage {
            0 => bytes[other * 4096 - 2000] ^= 1,
            1 => bytes[page * 4096 - 4096..page * 4096].fill(0),
            _ => bytes[page * 4096 - 4096..page * 4096 - 4096 + 64].fill(0x7f),
        }
        fs::write(world.path("k.nearwise"), &bytes).unwrap();
        let output = world
            .command("check -c k.nearwise --repair --json")
            .output()
            .unwrap();
        assert!(refused("check", &output), "{damage}");
        // The first page is among them, so that nothing can be read: it stays for what a user has.
        assert!(
            fs::read(world.path("k.nearwise")).unwrap() == bytes,
            "{damage}"
        );
    }
    // What plain SQLite changed itself keeps the old checksum, and may be anything.
    let path = world.path("c.nearwise");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("UPDATE article SET url = 'x' WHERE id = 7", [])
        .unwrap();
    drop(db);
    let (_, damaged) = pages(&world, "c.nearwise");
    assert!(!damaged.is_empty());
    let output = world
        .command("check -c c.nearwise --repair --json")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !said.contains("\"resealed\":1") && !said.contains("\"resealed\": 1"),
        "{said}"
    );
}

/// A line of JSON of its own for each number.
fn numbered(numbers: std::ops::Range<usize>) -> String {
    let lines: Vec<String> = numbers
        .map(|i| {
            let text = format!("The market of town {i} and its minister, number {i}.");
            serde_json::json!({"id": format!("n{i}"), "text": text}).to_string()
        })
        .collect();
    lines.join("\n") + "\n"
}

#[test]
fn an_article_of_two_files_goes_with_the_last_that_tells_it() {
    // The file goes, or the row in it; and the two are read in one run or in two.
    for (whole, together) in [(true, true), (true, false), (false, true), (false, false)] {
        let world = World::new();
        let shared = "{\"id\": \"s\", \"text\": \"The bridge was closed.\"}\n";
        let one = format!("{}{shared}", numbered(0..5));
        let two = format!("{}{shared}", numbered(5..10));
        world.write("one/a.jsonl", numbered(20..30));
        world.write("two/a.jsonl", numbered(30..40));
        world.write("one/b.jsonl", &one);
        world.write("two/b.jsonl", &two);
        if together {
            world.run("index one two -c c.nearwise");
        } else {
            world.run("index two -c c.nearwise");
            world.run("index one -c c.nearwise");
        }
        // Again, in the other order as well: nobody's id came twice.
        let report = world.json("index two one -c c.nearwise --json");
        assert_eq!(
            (&report["same"], &report["bad"]),
            (&32.into(), &0.into()),
            "{report}"
        );
        let there = || {
            world
                .command("show s -c c.nearwise")
                .output()
                .unwrap()
                .status
                .success()
        };
        let count = || world.json("stats -c c.nearwise --json")["counts"]["articles"].clone();
        let leave = |folder: &str, rest: &str| {
            if whole {
                fs::remove_file(world.path(&format!("{folder}/b.jsonl"))).unwrap();
            } else {
                world.write(&format!("{folder}/b.jsonl"), rest);
            }
            world.json(&format!("index {folder} -c c.nearwise --prune --json"))
        };
        let report = leave("one", &numbered(0..5));
        assert!(there(), "{report}");
        assert_eq!(report["pruned"], if whole { 5 } else { 0 });
        // Pruned again, and after a run over the other, it is there still.
        world.run("index one -c c.nearwise --prune");
        world.run("index two -c c.nearwise --prune");
        assert!(there());
        assert_eq!(count(), if whole { 26 } else { 31 });
        let report = leave("two", &numbered(5..10));
        assert!(!there(), "{report}");
        assert_eq!(report["pruned"], if whole { 6 } else { 1 });
        assert!(
            world
                .run("check -c c.nearwise")
                .contains("nothing is damaged")
        );
    }
}

#[test]
fn files_that_tell_an_article_survive_a_repair_and_go_with_it() {
    let world = World::new();
    let shared = "{\"id\": \"s\", \"text\": \"The bridge was closed.\"}\n";
    world.write("one.jsonl", format!("{}{shared}", numbered(0..9)));
    world.write("two.jsonl", format!("{}{shared}", numbered(10..19)));
    world.run("index one.jsonl two.jsonl -c c.nearwise");
    let count = || -> i64 {
        common::database(&world.path("c.nearwise"))
            .query_row("SELECT count(*) FROM also_told", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count(), 1);
    let shown = world.run("show s -c c.nearwise");
    for (label, file) in [
        ("read from ", "one.jsonl, row 10"),
        ("and from ", "two.jsonl, row 10"),
    ] {
        let found = shown
            .lines()
            .any(|l| l.starts_with(label) && l.ends_with(file));
        assert!(found, "{label}{file}: {shown}");
    }
    let also = &world.json("show s -c c.nearwise --json")["also_told"];
    assert_eq!(also[0]["row"], 10, "{also}");
    assert!(also[0]["origin"].as_str().unwrap().ends_with("two.jsonl"));
    nearwise::Corpus::open(world.path("c.nearwise"))
        .unwrap()
        .repair(&nearwise::Job::new())
        .unwrap();
    assert_eq!(count(), 1);
    world.write("one.jsonl", numbered(0..9));
    world.run("index one.jsonl -c c.nearwise --prune");
    world.run("show s -c c.nearwise");
    assert_eq!(count(), 0, "the other is its origin now");
    // Told otherwise by one of them, they are two again.
    world.write("one.jsonl", format!("{}{shared}", numbered(0..9)));
    world.run("index one.jsonl -c c.nearwise");
    assert_eq!(count(), 1);
    let other = shared.replace("closed", "opened");
    world.write("one.jsonl", format!("{}{other}", numbered(0..9)));
    let report = world.json("index one.jsonl -c c.nearwise --json");
    assert_eq!(report["renamed"], 1, "{report}");
    assert_eq!(count(), 0);
    world.write("one.jsonl", format!("{}{shared}", numbered(0..9)));
    world.run("index one.jsonl -c c.nearwise --prune");
    world.run("delete s -c c.nearwise");
    assert_eq!(count(), 0);
}

#[test]
fn json_that_cannot_be_read_is_damage_and_no_empty_value() {
    for (sql, line, place) in [
        (
            "UPDATE article SET meta = '{' WHERE ext_id = 'a7'",
            "show a7 -c c.nearwise",
            "the articles",
        ),
        (
            "UPDATE article SET meta = '[1]' WHERE ext_id = 'a7'",
            "export -c c.nearwise",
            "the articles",
        ),
        (
            "UPDATE article SET boilerplate = '[[0' WHERE ext_id = 'a7'",
            "show a7 -c c.nearwise",
            "the articles",
        ),
        (
            "UPDATE article SET boilerplate = '[[3,999999]]' WHERE ext_id = 'a7'",
            "show a7 -c c.nearwise",
            "the articles",
        ),
        (
            "UPDATE topic SET words = 'x' WHERE id = 0",
            "topics list -c c.nearwise",
            "the topics",
        ),
        (
            "UPDATE topic SET typical = '{}' WHERE id = 0",
            "topics list -c c.nearwise",
            "the topics",
        ),
        (
            "UPDATE topic_part SET words = '' WHERE id = 0",
            "topics tree -c c.nearwise",
            "the topics",
        ),
        (
            "UPDATE meta SET value = '{' WHERE key = 'topics'",
            "topics list -c c.nearwise",
            "the topics",
        ),
        (
            "UPDATE meta SET value = '3' WHERE key = 'topics.tree'",
            "topics tree -c c.nearwise",
            "the topics",
        ),
    ] {
        let world = corpus();
        let articles = world.run("export -c c.nearwise");
        common::database(&world.path("c.nearwise"))
            .execute_batch(sql)
            .unwrap();
        world.fails(line, 1, &["damaged"]);
        let output = world.command("check -c c.nearwise").output().unwrap();
        assert!(refused("check", &output), "{sql}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!("damaged: {place}")), "{sql}: {said}");
        let said = world.run("check -c c.nearwise --repair");
        assert_eq!(
            said.contains("lost their metadata"),
            sql.contains("SET meta"),
            "{said}"
        );
        assert_eq!(
            said.contains("topics are lost"),
            place == "the topics",
            "{sql}: {said}"
        );
        assert!(
            world
                .run("check -c c.nearwise")
                .contains("nothing is damaged"),
            "{sql}"
        );
        world.run("index in.jsonl -c c.nearwise");
        if place == "the topics" {
            world.run("topics fit -c c.nearwise --topics 2");
        }
        let texts = |lines: &str| {
            let mut all: Vec<String> = lines
                .lines()
                .map(|line| {
                    let row: serde_json::Value = serde_json::from_str(line).unwrap();
                    format!("{} {} {}", row["id"], row["text"], row["metadata"])
                })
                .collect();
            all.sort();
            all
        };
        assert_eq!(
            texts(&world.run("export -c c.nearwise")),
            texts(&articles),
            "{sql}"
        );
    }
}

#[test]
fn what_earlier_versions_did_not_look_at_is_looked_at() {
    let world = World::new();
    let strange = "\u{13a0}\u{13a1}\u{13a2} \u{13a3}\u{13a4} ".repeat(30);
    let lines = format!(
        "{}{}\n",
        wire(20, 40),
        serde_json::json!({"id": "strange", "text": strange})
    );
    world.write("in.jsonl", &lines);
    world.run("index in.jsonl -c c.nearwise");
    world.fails("similar strange -c c.nearwise", 1, &["cannot read"]);
    let vectors = world.run("export -c c.nearwise --vectors");
    let path = world.path("c.nearwise");
    let db = common::database(&path);
    // As the version before this wrote it, and the one before that had counted paragraphs.
    db.execute_batch(
        "DROP TABLE also_told; UPDATE article_vector SET unread = 0;
         INSERT INTO recurring (key) VALUES (12345); PRAGMA user_version = 6;",
    )
    .unwrap();
    drop(db);
    world.run("search goal -c c.nearwise");
    let db = common::database(&path);
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM recurring WHERE key = 12345"), 0);
    assert_eq!(count("SELECT count(*) FROM article WHERE pending"), 21);
    let report = world.json("index in.jsonl -c c.nearwise --json");
    assert_eq!(report["embedded"], 0, "their vectors stay: {report}");
    assert_eq!(count("SELECT count(*) FROM article WHERE pending"), 0);
    world.fails("similar strange -c c.nearwise", 1, &["cannot read"]);
    assert_eq!(world.run("export -c c.nearwise --vectors"), vectors);
}

#[test]
fn a_repair_finds_the_last_row_whatever_is_lost() {
    for table in ["passage", "article"] {
        let world = corpus();
        let path = world.path("c.nearwise");
        let mut bytes = fs::read(&path).unwrap();
        for name in ["sqlite_sequence", table] {
            let page = page_of(&path, name);
            bytes[page * 4096 - 2000] ^= 4;
        }
        if table == "article" {
            // The last page by its place need not be that of the last rows.
            let db = rusqlite::Connection::open(&path).unwrap();
            let mut query = db
                .prepare("SELECT pageno FROM dbstat WHERE name = 'article' AND pagetype = 'leaf' ORDER BY path DESC LIMIT 1")
                .unwrap();
            let last: usize = query.query_row([], |row| row.get(0)).unwrap();
            bytes[last * 4096 - 2000] ^= 4;
        }
        fs::write(&path, &bytes).unwrap();
        world.run("check -c c.nearwise --repair");
        assert!(
            world
                .run("check -c c.nearwise")
                .contains("nothing is damaged")
        );
        world.run("index in.jsonl -c c.nearwise");
        assert_eq!(
            world.json("stats -c c.nearwise --json")["counts"]["articles"],
            80
        );
    }
}

/// Runs a command where the folder is mounted read-only; `None` where that cannot be done here.
#[cfg(target_os = "linux")]
fn on_a_read_only_mount(world: &World, line: &str) -> Option<Output> {
    let script =
        "mount --bind . . && mount -o remount,bind,ro . || exit 77; cd \"$PWD\"; exec \"$@\"";
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(env!("CARGO_BIN_EXE_nearwise"))
        .args(line.split_whitespace())
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", common::tiny("tiny-bert"))
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    (output.status.code() != Some(77) && !said.starts_with("unshare")).then_some(output)
}

#[cfg(target_os = "linux")]
#[test]
fn a_corpus_on_a_read_only_mount_answers() {
    let world = corpus();
    let Some(probe) = on_a_read_only_mount(&world, "export -c c.nearwise --out out.jsonl") else {
        eprintln!("NOT RUN: nothing can be mounted here");
        return;
    };
    assert!(refused("export", &probe), "it is not read-only");
    assert!(String::from_utf8_lossy(&probe.stderr).contains("Read-only"));
    killed(&world, "k.nearwise");
    fs::copy(
        common::repository("tests/fixtures/corpus-v2.sqlite"),
        world.path("old.nearwise"),
    )
    .unwrap();
    let read = commands().chain(["topics -c c.nearwise", "check -c c.nearwise"]);
    for line in read {
        let expected = world.command(line).output().unwrap();
        let output = on_a_read_only_mount(&world, line).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {stderr}");
        if !line.starts_with("check") {
            assert!(output.stdout == expected.stdout, "{line}");
        }
        // Without the index beside it every vector is compared.
        if line.contains("--approximate") {
            for end in [".hnsw", ".hnsw.json"] {
                fs::remove_file(world.path(&format!("c.nearwise{end}"))).unwrap();
            }
            let output = on_a_read_only_mount(&world, line).unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    // What was killed there, and what is older, is refused with a reason.
    let output = on_a_read_only_mount(&world, "search goal -c k.nearwise").unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(refused("search", &output), "{said}");
    assert!(
        said.contains("was killed") && said.contains("copy the two"),
        "{said}"
    );
    fs::create_dir(world.path("copy")).unwrap();
    for end in ["", "-wal"] {
        let name = format!("k.nearwise{end}");
        fs::copy(world.path(&name), world.path(&format!("copy/{name}"))).unwrap();
    }
    assert!(world.run("export -c copy/k.nearwise").contains("late39"));
    let output = on_a_read_only_mount(&world, "search goal -c old.nearwise").unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        refused("search", &output) && said.contains("older"),
        "{said}"
    );
}
