//! CSV and JSON in their dialects.

use super::common::World;
use nearwise::corpus::{Article, Input, Note, ReadOptions, Sink, read};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// What the corpus holds after an index run that must succeed: (title, text) in the order of
/// reading.
fn held(world: &World, line: &str) -> Vec<(String, String)> {
    world.run(&format!("index {line} -c held.nearwise"));
    let articles = world.exported("held.nearwise");
    std::fs::remove_file(world.path("held.nearwise")).unwrap();
    articles
        .iter()
        .map(|a| {
            (
                a["title"].as_str().unwrap().to_string(),
                a["text"].as_str().unwrap().to_string(),
            )
        })
        .collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .collect()
}

const TWO: [(&str, &str); 2] = [
    ("Canal", "The canal, said the mayor, freezes."),
    ("Tram", "Trams run \"late\" tonight."),
];

#[test]
fn csv_as_programs_write_it() {
    let world = World::new();
    for (name, content) in [
        (
            "semicolon.csv",
            "id;title;text\n1;Canal;The canal, said the mayor, freezes.\n2;Tram;\"Trams run \"\"late\"\" tonight.\"\n",
        ),
        (
            "excel.csv",
            "sep=;\r\nid;title;text\r\n1;Canal;The canal, said the mayor, freezes.\r\n2;Tram;\"Trams run \"\"late\"\" tonight.\"\r\n",
        ),
        (
            "tabs.csv",
            "id\ttitle\ttext\n1\tCanal\tThe canal, said the mayor, freezes.\n2\tTram\tTrams run \"late\" tonight.\n",
        ),
        (
            "commas.tsv",
            "id,title,text\n1,Canal,\"The canal, said the mayor, freezes.\"\n2,Tram,\"Trams run \"\"late\"\" tonight.\"\n",
        ),
        (
            "pipes.csv",
            "\u{feff}id|title|text\n1|Canal|The canal, said the mayor, freezes.\n2|Tram|Trams run \"late\" tonight.\n",
        ),
        (
            "backslash.csv",
            "id,title,text\n1,Canal,\"The canal, said the mayor, freezes.\"\n2,Tram,\"Trams run \\\"late\\\" tonight.\"\n",
        ),
        (
            "nul.csv",
            "id,title,text\n1,Canal,\"The canal, said \0the mayor, freezes.\"\n2,Tr\0am,\"Trams run \"\"late\"\" tonight.\"\n",
        ),
    ] {
        world.write(name, content);
        assert_eq!(held(&world, name), pairs(&TWO), "{name}");
    }
    world.write("tilde.csv", "id~title~text\n1~Canal~One, two\n");
    world.fails(
        "index tilde.csv -c x.nearwise",
        1,
        &["tilde.csv:1: ", "--delimiter"],
    );
    assert_eq!(
        held(&world, "tilde.csv --delimiter ~"),
        pairs(&[("Canal", "One, two")])
    );
    world.fails(
        "index tilde.csv -c x.nearwise --delimiter ab",
        2,
        &["ASCII"],
    );
}

#[test]
fn csv_without_a_header() {
    let world = World::new();
    world.write(
        "news.csv",
        "\"2\",\"Lights on the pier\",\"The pier got new lights, and they burn all night.\"\n\
         \"1\",\"Library reopens\",\"The library opens its doors again after two years.\"\n",
    );
    world.fails(
        "index news.csv -c x.nearwise",
        1,
        &["news.csv:1: ", "--no-header"],
    );
    let expected = pairs(&[
        (
            "Lights on the pier",
            "The pier got new lights, and they burn all night.",
        ),
        (
            "Library reopens",
            "The library opens its doors again after two years.",
        ),
    ]);
    assert_eq!(held(&world, "news.csv --no-header"), expected);
    let named = "news.csv --no-header --title-column 1 --text-column 2";
    assert_eq!(held(&world, named)[0].1, "Lights on the pier");
}

#[test]
fn csv_rows_that_are_wrong_cost_no_other() {
    let world = World::new();
    world.write(
        "open.csv",
        "id,title,text\r\n1,Fine,The first.\r\n2,Open,\"The quote is never closed\r\n3,Next,The next row.\r\n4,Short\r\n5,Last,\r\n6,End,\"The\r\nend.\"\r\n",
    );
    world.fails(
        "index open.csv -c x.nearwise",
        1,
        &["open.csv:3: ", "quote"],
    );
    let output = world
        .command("index open.csv -c held.nearwise --skip-bad")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for part in ["open.csv:3: ", "open.csv:5: "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let texts: Vec<Value> = world
        .exported("held.nearwise")
        .iter()
        .map(|a| a["text"].clone())
        .collect();
    // A title without a text is an article.
    assert_eq!(texts, ["The first.", "The next row.", "", "The\nend."]);
}

#[test]
fn json_as_programs_write_it() {
    let world = World::new();
    let articles = json!([
        {"id": 1, "title": TWO[0].0, "text": TWO[0].1},
        {"id": 2, "title": TWO[1].0, "text": TWO[1].1, "score": 1.5},
    ]);
    let pretty = serde_json::to_string_pretty(&articles).unwrap();
    let lines = format!("{}\n{}\n", articles[0], articles[1]);
    let envelope = json!({"status": "ok", "totalResults": 2, "articles": articles});
    for (name, content) in [
        ("list.json", pretty.clone()),
        ("list.jsonl", articles.to_string()),
        ("lines.json", lines.clone()),
        (
            "apart.json",
            serde_json::to_string_pretty(&articles[0]).unwrap() + &articles[1].to_string(),
        ),
        ("news.json", envelope.to_string()),
        ("nan.jsonl", lines.replace("1.5", "NaN")),
        (
            "half.jsonl",
            lines.replace("1.5", "-Infinity, \"emoji\": \"\\ud83d\""),
        ),
    ] {
        world.write(name, content);
        assert_eq!(held(&world, name), pairs(&TWO), "{name}");
    }
    let output = world
        .command("index news.json -c x.nearwise")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("list articles"), "{said}");
    // A folder's JSON is read as well.
    world.write("folder/list.json", &pretty);
    assert_eq!(held(&world, "folder"), pairs(&TWO));
}

#[test]
fn json_that_is_wrong_costs_no_other() {
    let world = World::new();
    world.write(
        "x.jsonl",
        "{\"id\": 1, \"text\": \"one\"}\n{\"id\": 2, \"text\": \"cut\n\n{\"id\": 3, \"text\": \"three\"}\n",
    );
    world.fails("index x.jsonl -c x.nearwise", 1, &["x.jsonl:2: ", "JSON"]);
    world.run("index x.jsonl -c held.nearwise --skip-bad");
    let ids: Vec<Value> = world
        .exported("held.nearwise")
        .iter()
        .map(|a| a["id"].clone())
        .collect();
    assert_eq!(ids, ["1", "3"]);
}

/// Some kilobytes that become a gigabyte: `start`, then `piece` again and again, then `end`.
fn bomb(start: &str, piece: &str, bytes: usize, end: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let block = piece.repeat((1 << 20) / piece.len());
    out.write_all(start.as_bytes()).unwrap();
    for _ in 0..bytes / block.len() {
        out.write_all(block.as_bytes()).unwrap();
    }
    out.write_all(end.as_bytes()).unwrap();
    out.finish().unwrap()
}

/// Counts what is read.
#[derive(Default)]
struct Counted {
    articles: u64,
    bad: Vec<String>,
}

impl Sink for Counted {
    fn article(&mut self, _: Article) -> nearwise::Result<()> {
        self.articles += 1;
        Ok(())
    }

    fn bad(&mut self, problem: nearwise::Error) -> nearwise::Result<()> {
        self.bad.push(problem.to_string());
        Ok(())
    }

    fn note(&mut self, _: Note) {}

    fn incomplete(&mut self, _: &str) {}
}

fn counted(file: &Path) -> Counted {
    let mut counted = Counted::default();
    let inputs = Input::parse(file.to_str().unwrap()).unwrap();
    read(&inputs, &ReadOptions::default(), &mut counted).unwrap();
    counted
}

#[test]
#[ignore = "another test runs it in a process of its own, whose memory it measures"]
fn child() {
    let file = std::env::var_os("NEARWISE_TEST_FILE").unwrap();
    let Counted { articles, bad } = counted(Path::new(&file));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("\nMEASURED {}", json!([articles, bad, kib >> 10]));
}

/// Hostile files end in a bad row, in bounded memory, and what follows is read.
#[test]
#[cfg(target_os = "linux")]
fn files_that_unfold_are_bounded() {
    let world = World::new();
    let size = 400 << 20;
    for (name, content, articles, part) in [
        (
            "field.csv.gz",
            bomb("id,text\n1,\"", "aaaa", size, "\"\n2,fine\n"),
            1,
            ":2: a record longer than 64 MiB",
        ),
        (
            "columns.csv.gz",
            bomb("id,text\n1,", ",", size, "\n2,fine\n"),
            1,
            ":2: more than 16384 fields",
        ),
        (
            "header.csv.gz",
            bomb("id,text,", "name", size, "\n1,gone\n"),
            0,
            ":1: longer than 1 MiB",
        ),
        (
            "text.csv.gz",
            bomb(
                "id,text\n1,\"",
                "a line, of prose, in quotes\n",
                size,
                "\"\n2,fine\n",
            ),
            1,
            ":2: a record longer",
        ),
        (
            "line.jsonl.gz",
            bomb("{\"text\": \"", "aaaa", size, "\"}\n{\"text\": \"fine\"}\n"),
            1,
            ":1: a line longer than 64 MiB",
        ),
        (
            "values.json.gz",
            bomb("[{\"n\": [", "1,", size, "1]}, {\"text\": \"fine\"}]"),
            1,
            ":1: item 1: an object longer",
        ),
        (
            "depth.json.gz",
            bomb("[", "[", size, &"]".repeat(33)),
            0,
            ":1: item 1: ",
        ),
        (
            "list.json.gz",
            bomb(
                "{\"n\": 1, \"items\": [",
                "{\"text\": \"an item\"},",
                size / 4,
                "{\"text\": \"fine\"}]}",
            ),
            5_242_801,
            "",
        ),
    ] {
        let file = world.write(name, content);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["tables::child", "--exact", "--ignored", "--nocapture"])
            .env("NEARWISE_TEST_FILE", &file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().find_map(|l| l.strip_prefix("MEASURED "));
        let (n, bad, peak): (u64, Vec<String>, u64) =
            serde_json::from_str(line.unwrap_or_else(|| panic!("{name}: {output:?}"))).unwrap();
        eprintln!("{name}: {peak} MiB");
        assert_eq!(n, articles, "{name}: {bad:?}");
        if part.is_empty() {
            assert!(bad.is_empty(), "{name}: {bad:?}");
        } else {
            assert!(bad[0].contains(part), "{name}: {bad:?}");
            // What was never closed is told at the end, too.
            assert!(bad.len() <= 2, "{name}: {bad:?}");
        }
        // A record of 64 MiB, its fields, and the program.
        assert!(peak < 256, "{name}: {peak} MiB");
    }
}

/// Megabytes a second, printed: `cargo test --release --test reading speed -- --ignored --nocapture`.
#[test]
#[ignore = "it measures"]
fn speed() {
    let world = World::new();
    let paragraph =
        "The council met on Tuesday to talk about the harbour, and \"nothing\" was decided; ";
    let articles: Vec<Value> = (0..50_000)
        .map(|i| json!({"id": i, "title": format!("Title {i}"), "text": paragraph.repeat(10 + i % 40), "date": "2025-01-02", "tags": ["a", "b"]}))
        .collect();
    let lines: String = articles.iter().map(|a| format!("{a}\n")).collect();
    let mut tables = Vec::new();
    for delimiter in [',', '\t'] {
        let quoted = |v: &Value| format!("\"{}\"", v.as_str().unwrap().replace('"', "\"\""));
        let d = delimiter;
        let rows = articles.iter().map(|a| {
            format!(
                "{}{d}{}{d}{}{d}2025-01-02\n",
                a["id"],
                a["title"].as_str().unwrap(),
                quoted(&a["text"])
            )
        });
        tables.push(format!("id{d}title{d}text{d}date\n") + &rows.collect::<String>());
    }
    for (name, content) in [
        ("x.jsonl", lines),
        ("x.csv", tables[0].clone()),
        ("x.tsv", tables[1].clone()),
        ("list.json", json!(articles).to_string()),
    ] {
        let file = world.write(name, &content);
        let best = (0..5)
            .map(|_| {
                let began = std::time::Instant::now();
                counted(&file);
                began.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        let size = content.len() as f64 / 1e6;
        eprintln!("{name}: {size:.0} MB, {:.0} MB/s", size / best);
    }
}

#[test]
fn one_column_without_a_header() {
    let world = World::new();
    world.write(
        "lines.csv",
        "The bridge will reopen in autumn\nFerry fares rise again\n",
    );
    let output = world
        .command("index lines.csv -c held.nearwise")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "not like the name of a column",
        "--no-header",
        "--text-column 1",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let texts = held(&world, "lines.csv --no-header");
    assert_eq!(
        texts,
        pairs(&[
            ("", "The bridge will reopen in autumn"),
            ("", "Ferry fares rise again")
        ])
    );
}
