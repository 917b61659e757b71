//! As a user meets it.

use crate::common::World;
use serde_json::{Value, json};

/// Six articles, a copy of the first with other words in it, and one without date and source.
fn indexed() -> World {
    let world = World::new();
    let path = world.articles();
    let mut lines = std::fs::read_to_string(path).unwrap();
    let copy = json!({
        "id": "copy", "title": "Bank cuts rates", "date": "2025-01-03", "source": "even", "tags": ["x", "y"],
        "text": "The bank cut the interest rate. The market and the minister said it was about time.",
        "author": {"name": "Ann"},
    });
    let bare = json!({"id": "bare", "title": "Rain", "text": "Rain in the city.", "tags": ["x"]});
    lines.push_str(&format!("\n{copy}\n{bare}\n"));
    world.write("eight.jsonl", lines);
    world.run("index eight.jsonl -c c.nearwise");
    std::fs::remove_file(world.path("six.jsonl")).unwrap();
    world
}

fn ids(hits: &Value) -> Vec<&str> {
    let hits = hits.as_array().unwrap().iter();
    hits.map(|h| h["id"].as_str().unwrap()).collect()
}

/// The lines of JSON that a command prints.
fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn every_option_with_every_other() {
    let world = indexed();
    let parts = [
        "--offset 2",
        "--diverse",
        "--fold",
        "--half-life 2w",
        "--threshold -0.9",
        "--facets source,tags",
        "--where date>=2025-01",
        "--by both",
        "--by words",
        "--approximate",
        "--no-sentence",
    ];
    for (i, a) in parts.iter().enumerate() {
        for b in &parts[..=i] {
            let line = match (a == b, *a, *b) {
                (true, ..) => format!("search bank {a} --json"),
                (_, "--by words", "--by both") => continue,
                _ => format!("search bank {a} {b} --json"),
            };
            let both = |x: &str, y: &str| line.contains(x) && line.contains(y);
            if both("--by words", "--threshold") {
                world.fails(&line, 2, &["--threshold", "by words alone has none"]);
            } else if both("--by words", "--approximate") {
                world.fails(&line, 2, &["--approximate", "--by words compares none"]);
            } else {
                let found = world.json(&line);
                assert!(!found["hits"].as_array().unwrap().is_empty(), "{line}");
                assert_eq!(
                    found.get("facets").is_some(),
                    line.contains("--facets"),
                    "{line}"
                );
                let marked = found["hits"][0].get("sentence").is_some();
                assert_eq!(marked, !line.contains("--no-sentence"), "{line}");
                // As text as well.
                world.run(line.trim_end_matches("--json"));
            }
        }
    }
}

#[test]
fn pages_folds_and_counts_as_text() {
    let world = indexed();
    let text = world.run("search bank --fold -k 8");
    let folded = |text: &str, id: &str, date: &str| {
        text.contains(&format!("+ 1 nearly the same: {id} (even, {date})"))
    };
    assert!(
        folded(&text, "copy", "2025-01-03") || folded(&text, "a0", "2025-01-01"),
        "{text}"
    );
    assert!(text.contains("**"), "{text}");
    assert!(!world.run("search bank --no-sentence").contains("**"));
    let page = world.run("search bank -k 3 --offset 3");
    assert!(
        page.ends_with("4 to 6; the next with --offset 6\n"),
        "{page}"
    );
    let last = world.run("search bank -k 3 --offset 6");
    assert!(last.ends_with("7 to 8\n"), "{last}");
    let beyond = world.command("search bank --offset 8").output().unwrap();
    assert_eq!(beyond.status.code(), Some(3));
    assert_eq!(beyond.stdout, b"nothing more found\n");

    let counted =
        world.run("search bank -k 1 --facets source,tags,year,author.name --facets-limit 1");
    for part in [
        "Counts over all 8 articles",
        "        4  even",
        "and 1 other value",
        "        1  without one",
        "        2  x",
        "        7  2025",
        "        1  Ann",
    ] {
        assert!(counted.contains(part), "{part:?} in {counted}");
    }
    let of = |line: &str| world.run(&format!("search bank {line} --facets source"));
    assert!(of("--where source=\"odd\"").contains("the 3 articles of the filter"));
    assert!(of("--threshold -1").contains("the 8 articles with a cosine of at least -1"));
    assert!(of("--by words").contains("articles with one of the words"));
    world.run("topics --topics 2");
    let topics = world.json("search bank --facets topic --json");
    let values = topics["facets"]["fields"][0]["values"].as_array().unwrap();
    assert!(
        values
            .iter()
            .all(|v| v["label"].is_string() && v["value"].is_u64())
    );
    let sum: u64 = values.iter().map(|v| v["count"].as_u64().unwrap()).sum();
    let missing = topics["facets"]["fields"][0]["missing"].as_u64().unwrap();
    assert_eq!(sum + missing, 8);
}

#[test]
fn newer_first() {
    let world = indexed();
    let found = world.json("search bank --half-life 1d --json -k 8");
    let hits = found["hits"].as_array().unwrap();
    for hit in hits.iter().filter(|h| h["cosine"].as_f64().unwrap() > 0.0) {
        let (score, cosine) = (
            hit["score"].as_f64().unwrap(),
            hit["cosine"].as_f64().unwrap(),
        );
        assert!(score <= cosine + 1e-6);
    }
    assert_eq!(hits[0]["date"], "2025-06-01", "the latest");
    let later = world.json("search bank --half-life 1y --now 2026-06-01 --json -k 8");
    let latest = later["hits"]
        .as_array()
        .unwrap()
        .iter()
        .find(|h| h["date"] == "2025-06-01")
        .unwrap();
    let ratio = latest["score"].as_f64().unwrap() / latest["cosine"].as_f64().unwrap();
    assert!((ratio - 0.5).abs() < 1e-3, "{ratio}");
    assert!(
        world
            .run("search bank --half-life 1y")
            .contains("  cosine ")
    );
}

#[test]
fn wrong_values_are_one_line() {
    let world = indexed();
    for (line, parts) in [
        ("--offset -1", &["--offset", "0 to 1000000"][..]),
        ("--offset x", &["--offset"]),
        ("--diverse=2", &["--diverse", "0 to 1"]),
        ("--diverse=x", &["--diverse"]),
        (
            "--diverse -k 900 --offset 101",
            &["--diverse", "first 1000 hits", "first 1001"],
        ),
        ("--fold=copies", &["--fold", "words, meaning or either"]),
        ("--half-life 30", &["--half-life", "such as 30d"]),
        ("--half-life 0d", &["--half-life"]),
        ("--half-life 3d --now soon", &["--now", "no date"]),
        ("--now 2025", &["--now", "half-life"]),
        ("--threshold 2", &["--threshold", "-1 to 1"]),
        ("--threshold x", &["--threshold"]),
        ("--by sound", &["--by", "meaning, words or both"]),
        ("--by words --hybrid", &["--hybrid", "--by"]),
        (
            "--facets sourse",
            &["--facets", "did you mean \"source\"?", "tags"],
        ),
        ("--facets author.name,text", &["--facets", "\"text\""]),
        ("--facets ,", &["--facets", "name a field"]),
        ("--facets `a", &["--facets", "not closed"]),
        (
            "--facets source --facets-limit 0",
            &["--facets-limit", "1 to 1000000"],
        ),
        ("--facets-limit 3", &["--facets"]),
        ("--file q.txt", &["--file"]),
    ] {
        world.fails(&format!("search bank {line}"), 2, parts);
    }
    world.fails("search", 2, &["QUERY"]);
    for (line, parts) in [
        (
            "similar a0 --unlike a0",
            &["--unlike", "\"a0\" is to be like and unlike"][..],
        ),
        ("similar a0 --threshold 7", &["--threshold"]),
        ("similar", &["ID|FILE"]),
    ] {
        world.fails(line, 2, parts);
    }
    world.fails("similar a0 --unlike nobody", 1, &["nobody", "no such file"]);
    // A field of metadata that has the name of another.
    world.write(
        "odd.jsonl",
        r#"{"id": "z", "text": "Rain.", "Year": "MMXXV", "a,b": 1}"#,
    );
    world.run("index odd.jsonl -c odd.nearwise");
    let mut command = world.command("search rain --json -c odd.nearwise --facets");
    let output = command.arg("`year`, `a,b`").output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let values = |i: usize| &found["facets"]["fields"][i]["values"][0]["value"];
    assert_eq!((values(0), values(1)), (&json!("MMXXV"), &json!(1)));
}

#[test]
fn like_some_and_unlike_others() {
    let world = indexed();
    let found = world.json("similar a0 a2 --unlike a1 a3 --json -k 10");
    let mut left = ids(&found);
    left.sort_unstable();
    assert_eq!(left, ["a4", "a5", "bare", "copy"]);
    let one = world.json("similar a0 --json");
    assert!(one.is_array() && one[0]["passage"]["text"].is_string());
    let counted =
        world.json("similar a0 --json --facets source --fold --diverse --half-life 1m --offset 1");
    assert_eq!(counted["facets"]["articles"], 7);
    let text = world.run("similar a0 a2 --fold --half-life 1m --facets source -k 2 --offset 1");
    for part in [
        "score",
        "cosine",
        "folded",
        "2 to 3; the next with --offset 3",
        "Counts over all 6",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A file as well as ids.
    world.write(
        "new.txt",
        "Rates\n\nThe bank and the market met the minister.",
    );
    let mixed = world.json("similar a0 new.txt --unlike a1 --json");
    assert_eq!(mixed.as_array().unwrap().len(), 6);
    let line = "similar a0 --json --threshold 1 --where tags=\"x\"";
    let none = world.command(line).output().unwrap();
    assert_eq!(
        (none.status.code(), none.stdout),
        (Some(3), b"[]\n".to_vec())
    );
}

#[test]
fn a_query_from_standard_input() {
    let world = indexed();
    let asked = |line: &str, input: &[u8]| {
        let mut command = world.command(line);
        command.write_stdin(input).output().unwrap()
    };
    let line = "search - --json --no-sentence";
    let found = asked(line, "\u{feff}bank\nrates\n".as_bytes());
    let mut given = world.command("search --json --no-sentence");
    let given = given.arg("bank\nrates").output().unwrap();
    assert!(found.status.success() && !found.stdout.is_empty());
    assert_eq!(found.stdout, given.stdout);
    let words = asked("search - --by words --json", b"bank");
    assert!(words.status.success(), "{words:?}");
    for (input, code, part) in [
        (&b" \n"[..], 2, "QUERY: standard input holds none"),
        (b"bank \xff", 1, "not UTF-8"),
        (&vec![b'a'; (1 << 20) + 1][..], 1, "longer than a MiB"),
    ] {
        let mut command = world.command("search -");
        command.write_stdin(input);
        world.fails_with(&mut command, part, code, &[part]);
    }
    // A file of queries and a query are still one or the other.
    world.fails("search - --file q.txt", 2, &["--file"]);
}

#[test]
fn many_queries_from_a_file() {
    let world = indexed();
    let text = "\u{feff}bank rates\r\n\n  the cup final  \nnowhere";
    world.write("queries.txt", text);
    let out = lines(&world.run("search --file queries.txt -k 2 --facets source"));
    let about: Vec<(u64, &str)> = out
        .iter()
        .map(|l| (l["id"].as_u64().unwrap(), l["query"].as_str().unwrap()))
        .collect();
    assert_eq!(
        about,
        [(1, "bank rates"), (3, "the cup final"), (4, "nowhere")]
    );
    for line in &out {
        let mut one = world.command("search --json -k 2 --facets source --no-sentence");
        let one = one.arg(line["query"].as_str().unwrap()).output().unwrap();
        let one: Value = serde_json::from_slice(&one.stdout).unwrap();
        for key in ["hits", "exact", "more", "facets"] {
            assert_eq!(line[key], one[key], "{key}");
        }
    }
    // Lines of JSON, from standard input, with ids of both kinds.
    let json = "{\"id\": \"q1\", \"query\": \"bank\"}\n{\"query\": \"goal\", \"more\": 1}\n{\"id\": 7, \"query\": \"rain\"}\n";
    let mut command = world.command("search --file - --by words --json");
    let output = command.write_stdin(json).output().unwrap();
    let out = lines(&String::from_utf8(output.stdout).unwrap());
    let found: Vec<&Value> = out.iter().map(|l| &l["id"]).collect();
    assert_eq!(found, [&json!("q1"), &json!(2), &json!(7)]);
    let marked = lines(&world.run("search --file queries.txt --sentence"));
    assert!(marked[0]["hits"][0]["sentence"]["text"].is_string());

    // What is wrong is named by its line, behind the answers of those before it.
    for (content, line, part) in [
        (&b"bank\ngoal\xff\n"[..], "2", "not UTF-8"),
        (
            b"{\"query\": \"bank\"}\n\n{\"query\": 3}\n",
            "3",
            "\"query\"",
        ),
        (b"{\"query\": \"bank\"}\nbank\n", "2", "JSON"),
        (b"bank\n{\"query\": \"bank\"}\n", "2", "JSON"),
        (b"{\"query\": \"bank\"}\n{\"query\": \" \"}\n", "2", "empty"),
        (
            b"{\"query\": \"bank\"}\n{\"query\": \"b\", \"id\": []}\n",
            "2",
            "neither",
        ),
    ] {
        world.write("wrong.txt", content);
        let what = format!("wrong.txt:{line}: ");
        let mut command = world.command("search --file wrong.txt");
        world.fails_with(&mut command, &what, 1, &[&what, part]);
        let output = world.command("search --file wrong.txt").output().unwrap();
        assert_eq!(
            lines(&String::from_utf8(output.stdout).unwrap()).len(),
            1,
            "{what}"
        );
    }
    world.write("long.txt", "bank ".repeat(300_000));
    world.fails(
        "search --file long.txt",
        1,
        &["long.txt:1", "longer than a MiB"],
    );
    for empty in ["", "\n\n \n"] {
        world.write("empty.txt", empty);
        world.fails("search --file empty.txt", 1, &["empty.txt", "no query"]);
    }
    world.fails("search --file missing.txt", 1, &["missing.txt"]);
    world.write("none.txt", "zzz\n");
    let none = world
        .command("search --file none.txt --by words")
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(3));
    assert_eq!(
        lines(&String::from_utf8(none.stdout).unwrap())[0]["hits"],
        json!([])
    );
}

#[test]
fn hostile_articles_mark_and_move_nothing() {
    let world = World::new();
    let article = json!({
        "id": "x\u{1}y", "title": "A\u{1b}[31m\u{1}title\u{2}", "source": "s\u{202e}\u{1}",
        "text": "The bank \u{1}cut the rate\u{2} and the market. The minister \u{1b}[2Jmet the team of the city.",
    });
    world.write("x.jsonl", article.to_string());
    world.run("index x.jsonl -c x.nearwise");
    for line in [
        "search bank",
        "search bank --fold --facets source --full",
        "similar x.jsonl --facets source",
    ] {
        let out = world.run(line);
        let unseen = |c: char| c.is_control() && c != '\n';
        assert!(!out.contains(unseen), "{out:?}");
        assert!(out.matches("**").count() <= 2, "{out}");
    }
}
