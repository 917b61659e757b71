//! The program as a user runs it, on a tiny model.

mod common;

use assert_cmd::Command;
use common::{SIX, World, tiny};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn indexed() -> World {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise");
    world
}

fn ids(hits: &Value) -> Vec<String> {
    hits.as_array()
        .unwrap()
        .iter()
        .map(|h| h["id"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn index_then_everything_else() {
    let world = World::new();
    world.articles();
    let report = world.json("index six.jsonl -c six.nearwise --json");
    assert_eq!(report["new"], 6);
    assert_eq!(report["embedded"], 6);
    // The corpus is found by itself where it is the only one.
    let again = world.json("index six.jsonl --json");
    assert_eq!((&again["same"], &again["embedded"]), (&json!(6), &json!(0)));

    let found = world.json("search bank --json -k 3");
    assert_eq!(found["hits"].as_array().unwrap().len(), 3);
    assert_eq!(found["exact"], true);
    let cosines: Vec<f64> = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| h["cosine"].as_f64().unwrap())
        .collect();
    assert!(cosines.windows(2).all(|w| w[0] >= w[1]));
    let hybrid = world.json("search Lavrov --hybrid --json");
    assert!(hybrid["hits"][0]["fused"].as_f64().unwrap() > 0.0);

    let similar = world.json("similar a0 --json -k 10");
    assert_eq!(similar.as_array().unwrap().len(), 5, "all but itself");
    assert!(!ids(&similar).contains(&"a0".to_string()));

    let topics = world.json("topics --topics 2 --json");
    let sizes: u64 = topics["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["size"].as_u64().unwrap())
        .sum();
    assert_eq!(sizes, 6);
    assert_eq!(
        world.json("topics --topics 2 --json"),
        topics,
        "the same again"
    );
    assert_eq!(world.run("topics --topics 2 --members").lines().count(), 6);

    let shown = world.json("show a0 --json");
    assert_eq!(shown["article"]["title"], SIX[0].0);
    assert_eq!(shown["article"]["meta"]["words"], 0);
    assert!(world.run("show a0").contains("Bank cuts rates"));
    let stats = world.json("stats --json");
    assert_eq!(stats["counts"]["articles"], 6);
    assert_eq!(stats["model"]["dim"], 32);
    assert!(world.run("stats").contains("topics"));
    assert!(world.run("devices").contains("cpu"));
    assert_eq!(world.json("devices --json")[0]["usable"], true);
    assert!(world.run("completions bash").contains("nearwise"));
    assert!(world.run("man").contains(".TH nearwise"));
    world.run("man --out man");
    assert!(world.path("man/nearwise-search.1").is_file());
}

#[test]
fn threads_and_rates_of_the_processor() {
    let world = World::new();
    let threads = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let devices: Value = serde_json::from_slice(&output.stdout).unwrap();
        let about = devices[0]["about"].as_str().unwrap().to_string();
        about.split_once(' ').unwrap().0.parse::<usize>().unwrap()
    };
    assert_eq!(threads(&mut world.command("devices --json --threads 3")), 3);
    assert_eq!(threads(&mut world.command("--threads 3 devices --json")), 3);
    let mut from_environment = world.command("devices --json");
    assert_eq!(threads(from_environment.env("NEARWISE_THREADS", "5")), 5);
    let mut wrong = world.command("devices --threads 0");
    world.fails_with(&mut wrong, "no threads", 2, &["--threads", "1..=1024"]);

    let devices = world.json("devices --json");
    let rates = devices[0]["rates"].as_array().unwrap();
    let dtypes: Vec<&str> = rates.iter().map(|r| r["dtype"].as_str().unwrap()).collect();
    assert_eq!(dtypes, ["int8", "bf16", "f32"]);
    assert!(rates.iter().any(|r| r["chosen"] == true));
    assert!(world.run("devices").contains("taken by auto"));
    // A level that is not there is said, and the rest is still shown.
    let mut other = world.command("devices --json");
    let output = other.env("NEARWISE_CPU_LEVEL", "quantum").output().unwrap();
    let devices: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(devices[0]["usable"], false);
    let about = devices[0]["about"].as_str().unwrap();
    assert!(about.contains("NEARWISE_CPU_LEVEL: use one of"), "{about}");
}

#[test]
fn a_filter_by_topics_that_there_are_not_is_told() {
    let world = indexed();
    let said = |line: &str| {
        let output = world.command(line).arg("NOT topic = 1").output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let lines = [
        "search rates --where",
        "export --where",
        "delete --json --dry-run --where",
    ];
    for line in lines {
        assert!(
            said(line).contains("no article has a topic yet"),
            "{line}: {}",
            said(line)
        );
    }
    world.run("topics fit --topics 2");
    for line in lines {
        assert!(!said(line).contains("no article"), "{line}: {}", said(line));
    }
}

#[test]
fn a_value_is_counted_as_often_as_a_filter_finds_it() {
    let world = World::new();
    let article =
        |n: u32, more: &str| format!("{{\"id\": \"{n}\", \"text\": \"Text {n}\", {more}}}\n");
    world.write(
        "a.jsonl",
        [
            article(
                1,
                r#""tags": ["a", ["b", ["c"]]], "by": {"first.name": "Ann"}"#,
            ),
            article(2, r#""tags": ["b"], "by": {"first": {"name": "Ann"}}"#),
            article(
                3,
                r#""tags": [[], "c", "c"], "by": [[{"first": {"name": ["Bo", "Ann"]}}]]"#,
            ),
        ]
        .concat(),
    );
    world.run("index a.jsonl -c a.nearwise");
    let output = world
        .command("search text --by words --json --facets tags,by.first.name,meta.tags")
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fields = found["facets"]["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 3, "{found}");
    for facet in fields {
        let name = facet["field"].as_str().unwrap();
        let values = facet["values"].as_array().unwrap();
        assert!(values.len() >= 2, "{facet}");
        for value in values {
            let text = value["value"].as_str().unwrap();
            let mut command = world.command("export --where");
            let output = command
                .arg(format!("{name} = \"{text}\""))
                .output()
                .unwrap();
            let lines = String::from_utf8(output.stdout).unwrap().lines().count();
            assert_eq!(value["count"], lines, "{name} = {text}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_made_is_named_and_not_what_it_is_made_of() {
    let world = indexed();
    for line in [
        "export -o missing/a.jsonl",
        "export --format csv -o missing/a.csv",
    ] {
        world.fails(line, 1, &["missing/a", "no folder missing; make it first"]);
    }
    let output = world.command("export -o missing/a.jsonl").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains(".nearwise-new"), "{told}");
}

#[test]
fn filters_narrow_every_search() {
    let world = indexed();
    let where_ = |filter: &str| {
        let output = world
            .command("search rates --json -k 10 --where")
            .arg(filter)
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut found = ids(&found["hits"]);
        found.sort();
        (found, output.status.code().unwrap())
    };
    assert_eq!(where_(r#"source = "even""#).0, ["a0", "a2", "a4"]);
    assert_eq!(where_("date >= 2025-05-01").0, ["a4", "a5"]);
    assert_eq!(where_("words > 250 AND NOT source = 'odd'").0, ["a4"]);
    assert_eq!(
        where_("title ~ 'nothing like it'"),
        (vec![], 3),
        "nothing found has a code of its own"
    );
    let mut command = world.command("search rates --where");
    command.arg("sorce = 'x'");
    world.fails_with(
        &mut command,
        "unknown field",
        2,
        &["no field \"sorce\"", "source", "words"],
    );
    let mut command = world.command("similar a0 --json --where");
    command.arg("words >= 300");
    let hits: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(hits.as_array().unwrap().len(), 3);
}

#[test]
fn what_changes_is_embedded_and_what_is_gone_is_pruned() {
    let world = World::new();
    for i in 0..4 {
        world.write(
            &format!("in/{i}.txt"),
            format!("Title {i}\n\nText {i} about the bank and the market."),
        );
    }
    assert_eq!(world.json("index in -c x.nearwise --json")["new"], 4);
    world.write("in/1.txt", "Title 1\n\nAnother text, about the cup final.");
    fs::remove_file(world.path("in/2.txt")).unwrap();
    world.write("in/4.txt", "Title 4\n\nOne more.");
    let report = world.json("index in -c x.nearwise --prune --json");
    for (name, n) in [
        ("new", 1),
        ("changed", 1),
        ("same", 2),
        ("pruned", 1),
        ("embedded", 2),
    ] {
        assert_eq!(report[name], n, "{name}: {report}");
    }
    // The result equals a corpus made in one go, but for the order of reading.
    world.run("index in -c fresh.nearwise");
    let vectors = |corpus: &str| {
        let mut lines: Vec<String> = world
            .run(&format!("export -c {corpus} --vectors"))
            .lines()
            .map(String::from)
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(vectors("x.nearwise"), vectors("fresh.nearwise"));
    // Pruning one folder leaves what came from elsewhere.
    world.write("other/o.txt", "Other\n\nFrom another folder.");
    world.run("index other -c x.nearwise --prune");
    assert_eq!(
        world.json("stats -c x.nearwise --json")["counts"]["articles"],
        5
    );
}

#[test]
fn deleting_is_all_or_nothing() {
    let world = indexed();
    world.fails("delete a0 nope", 1, &["nope"]);
    assert_eq!(world.json("stats --json")["counts"]["articles"], 6);
    assert_eq!(world.json("delete a0 a1 --dry-run --json")["deleted"], 2);
    assert_eq!(world.json("delete a0 a1 --json")["deleted"], 2);
    let stats = world.json("stats --json");
    assert_eq!(
        (&stats["counts"]["articles"], &stats["counts"]["passages"]),
        (&json!(4), &json!(4))
    );
    world.fails("show a0", 1, &["a0"]);
    let mut command = world.command("delete --json --where");
    command.arg("source = 'even'").assert().success();
    assert_eq!(world.json("stats --json")["counts"]["articles"], 2);
}

#[test]
fn exports_come_back() {
    let world = indexed();
    world.run("topics --topics 2");
    world.run("export -o out.jsonl --vectors");
    world.run("export -o out.parquet");
    // Both hold how well an article fits its topic.
    for file in ["out.jsonl", "out.parquet"] {
        let bytes = fs::read(world.path(file)).unwrap();
        assert!(
            String::from_utf8_lossy(&bytes).contains("topic_similarity"),
            "{file}"
        );
    }
    world.run("export -o out.npy");
    let npy = fs::read(world.path("out.npy")).unwrap();
    assert_eq!(&npy[..6], b"\x93NUMPY");
    assert!(String::from_utf8_lossy(&npy[..128]).contains("'shape': (6, 32)"));
    assert_eq!(npy.len(), 128 + 6 * 32 * 4);
    assert_eq!(
        fs::read_to_string(world.path("out.ids.txt"))
            .unwrap()
            .lines()
            .count(),
        6
    );
    let first: Value = serde_json::from_str(
        fs::read_to_string(world.path("out.jsonl"))
            .unwrap()
            .lines()
            .next()
            .unwrap(),
    )
    .unwrap();
    let vector: Vec<f32> = serde_json::from_value(first["vector"].clone()).unwrap();
    let bytes: Vec<f32> = npy[128..256]
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    assert_eq!(vector, bytes);
    // Both hold the same articles when they are read again.
    for name in ["out.jsonl", "out.parquet"] {
        let corpus = format!("{}.nearwise", name.replace('.', "-"));
        let report = world.json(&format!("index {name} -c {corpus} --json"));
        assert_eq!(report["new"], 6, "{name}");
        let shown = world.json(&format!("show a3 --json -c {corpus}"));
        assert_eq!(shown["article"]["text"], SIX[3].1, "{name}");
    }
}

#[test]
fn embed_gives_vectors_without_a_corpus() {
    let world = World::new();
    let document = world.json("embed bank market --json");
    assert_eq!(document["model"]["dim"], 32);
    assert_eq!(document["embeddings"].as_array().unwrap().len(), 2);
    let mut command = world.command("embed --file - --out v.npy");
    command.write_stdin("one\ntwo\nthree\n").assert().success();
    assert!(
        String::from_utf8_lossy(&fs::read(world.path("v.npy")).unwrap()[..128]).contains("(3, 32)")
    );
    let lines = String::from_utf8(world.command("embed bank").output().unwrap().stdout).unwrap();
    let line: Value = serde_json::from_str(lines.trim()).unwrap();
    // Alone or among others, the vector is the same to the bit.
    let (alone, among) = (&line["vector"], &document["embeddings"][0]["vector"]);
    for i in 0..32 {
        let (a, b) = (alone[i].as_f64().unwrap(), among[i].as_f64().unwrap());
        assert_eq!(a, b);
    }
    world.fails("embed", 2, &["--file"]);
    world.fails("embed --file nowhere.txt", 1, &["nowhere.txt"]);
}

#[test]
fn duplicates_by_words_and_by_meaning() {
    let world = World::new();
    let long =
        "the bank cut the interest rate and the market met the minister in the city. ".repeat(4);
    let rows = [
        json!({"id": "one", "title": "One", "text": long}),
        json!({"id": "copy", "title": "One", "text": long}),
        json!({"id": "near", "title": "Near", "text": format!("{long} And the price of ice.")}),
        json!({"id": "other", "title": "Other", "text": "A goal in the final match of the cup, said the team."}),
    ];
    world.write("d.jsonl", rows.map(|r| r.to_string()).join("\n"));
    world.run("index d.jsonl -c d.nearwise");
    let found = world.json("duplicates --json");
    let pairs = &found["pairs"];
    let got: Vec<(String, String)> = pairs
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            (
                p["a"].as_str().unwrap().into(),
                p["b"].as_str().unwrap().into(),
            )
        })
        .collect();
    assert_eq!(got[0], ("one".to_string(), "copy".to_string()));
    assert_eq!(pairs[0]["words"], 1.0);
    assert!(got.iter().all(|(a, b)| a != "other" && b != "other"));
    assert_eq!(got.len(), 2, "of copies, one is compared with others");
    let group = &found["groups"][0];
    assert_eq!(
        (&group["size"], &group["keep"]["id"]),
        (&json!(3), &json!("near"))
    );
    let members: Vec<_> = group["members"].as_array().unwrap().iter().collect();
    assert_eq!(members[0]["id"], "one");
    assert_eq!(
        (&members[1]["id"], &members[1]["copy_of"]),
        (&json!("copy"), &json!("one"))
    );
    let meaning = world.json("duplicates --by meaning --threshold 0.99 --json");
    assert_eq!(meaning["pairs"][0]["words"], 1.0);
    world.fails("duplicates --threshold 7", 2, &["--threshold"]);
}

#[test]
fn the_approximate_index_is_derived_and_rebuilt() {
    let world = indexed();
    let exact = world.json("search market --exact --json -k 3");
    let check = || {
        let approximate = world.json("search market --approximate --json -k 3");
        assert_eq!(approximate["exact"], false);
        assert_eq!(approximate["hits"], exact["hits"]);
    };
    check();
    let file = world.path("six.nearwise.hnsw");
    fs::remove_file(&file).unwrap();
    check();
    fs::write(&file, b"cut short").unwrap();
    check();
    // A new article makes it stale, and it is extended.
    let more = json!({"id": "new", "title": "Market", "text": "market market market"}).to_string();
    world.write("more.jsonl", more);
    world.run("index more.jsonl -c six.nearwise");
    let exact = world.json("search market --exact --json -k 3");
    assert_eq!(
        world.json("search market --approximate --json -k 3")["hits"],
        exact["hits"]
    );
}

#[test]
fn another_model_is_refused_in_clear_words() {
    let world = indexed();
    let other = tiny("tiny-roberta");
    let mut command = world.command("search bank --model");
    command.arg(&other);
    world.fails_with(
        &mut command,
        "search",
        1,
        &["six.nearwise", "tiny-bert", "tiny-roberta"],
    );
    let mut command = world.command("index six.jsonl --model");
    command.arg(&other);
    world.fails_with(&mut command, "index", 1, &["index into a new corpus"]);
    // Without --model, the corpus's own is taken.
    let mut command = world.command("search bank --json");
    command.env_remove("NEARWISE_MODEL").assert().success();
}

/// A corpus keeps the dtype that it was made with: searches take it by themselves,
/// and vectors of another type are not mixed in.
#[test]
fn a_corpus_keeps_its_type_of_number() {
    let world = World::new();
    world.articles();
    world.run("index six.jsonl -c six.nearwise --dtype int8");
    let stats = world.json("stats -c six.nearwise --json");
    assert_eq!(stats["model"]["dtype"], "int8", "{stats}");
    world.fails(
        "index six.jsonl -c six.nearwise --dtype f32",
        1,
        &["six.nearwise", "int8, not f32", "leave out --dtype"],
    );
    world.run("index six.jsonl -c six.nearwise");
    assert_eq!(
        ids(&world.json("search bank -c six.nearwise --json")["hits"]),
        ids(&world.json("search bank -c six.nearwise --dtype f32 --json")["hits"]),
    );
    world.fails("embed bank --dtype fp16", 2, &["'fp16'", "--dtype", "int8"]);
    world.fails("embed bank --batch 0", 2, &["'0'", "--batch"]);
    let mut command = world.command("embed bank");
    command.env("NEARWISE_CPU_LEVEL", "sse9");
    world.fails_with(&mut command, "level", 2, &["NEARWISE_CPU_LEVEL", "avx2"]);

    let int8 = world.json("embed bank goal --dtype int8 --json");
    assert_eq!(int8["model"]["dtype"], "int8");
    world.write("two.txt", "bank\ngoal\n");
    let output = world
        .command("embed --file two.txt --out two.npy --batch 1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("2 texts, 6 tokens in"), "{said}");
}

#[test]
fn bad_input_is_named_and_nothing_is_lost() {
    let world = indexed();
    let good = json!({"id": "g", "text": "good"}).to_string();
    let cases: [(&str, String, &[&str]); 8] = [
        ("empty.txt", String::new(), &["empty.txt", "empty"]),
        (
            "half.jsonl",
            format!("{good}\n{{\"id\": \"h\", \"te\n{good}"),
            &["half.jsonl:2", "not a JSON object", "--skip-bad"],
        ),
        ("list.jsonl", "[1, 2]".to_string(), &["list.jsonl:1"]),
        (
            "notext.jsonl",
            format!("{good}\n{}", json!({"id": "n", "text": ""})),
            &["notext.jsonl:2", "no text"],
        ),
        (
            "columns.csv",
            "a,b\n1,2\n".to_string(),
            &["columns.csv:1", "--text-column", "a, b"],
        ),
        (
            "ragged.csv",
            "id,text\n1,one\n2,two,three\n".to_string(),
            &["ragged.csv:3", "3 fields"],
        ),
        (
            "page.html",
            "<html><body><script>x</script></body></html>".to_string(),
            &["page.html", "no article text"],
        ),
        (
            "broken.parquet",
            "PAR1 not really".to_string(),
            &["broken.parquet", "Parquet"],
        ),
    ];
    for (name, content, parts) in cases {
        world.write(name, content);
        world.fails(&format!("index {name} -c six.nearwise"), 1, parts);
        // With --skip-bad the same file is read as far as it can be.
        world.run(&format!(
            "index six.jsonl {name} -c skip-{name}.nearwise --skip-bad"
        ));
    }
    let skipped = world.json("index half.jsonl -c half.nearwise --skip-bad --json");
    // An exact copy is no fault.
    assert_eq!((&skipped["new"], &skipped["bad"]), (&json!(1), &json!(1)));
    world.write("binary.bin", b"\x7fELF\0\0\0\0".as_slice());
    world.fails(
        "index binary.bin -c six.nearwise",
        1,
        &["binary.bin", "binary"],
    );
    world.fails(
        "index nowhere.txt -c six.nearwise",
        1,
        &["nowhere.txt", "no such file"],
    );
    world.fails(
        "index six.jsonl -c six.nearwise --text-column body",
        1,
        &["six.jsonl:1", "\"body\"", "text"],
    );
    world.fails("index *.nothing -c six.nearwise", 1, &["matches no file"]);
    world.fails(
        "index six.jsonl -c no/such/folder.nearwise",
        1,
        &["no/such"],
    );
    world.fails(
        "search bank -c nowhere.nearwise",
        1,
        &["nowhere.nearwise", "no such corpus"],
    );
    world.fails(
        "search bank --device gpu -c six.nearwise",
        2,
        &["'gpu'", "--device"],
    );
    world.fails("search bank --wher x", 2, &["--wher", "--where", "--help"]);
    world.fails("search bank -k 0", 2, &["'0'", "--limit", "from 1"]);
    world.fails("similar", 2, &["ID|FILE", "--help"]);
    world.fails("topics --topics 70 -c six.nearwise", 2, &["--topics", "70"]);
    world.fails("export -o out.xls -c six.nearwise", 2, &["--out"]);
    // The Python package carries Lance datasets.
    for (command, how) in [
        (
            "export -o out.lance -c six.nearwise",
            "nearwise-lance export",
        ),
        (
            "index s3://b/a.lance -c six.nearwise",
            "nearwise-lance import",
        ),
        ("explore a.lance/ -c six.nearwise", "nearwise-lance import"),
    ] {
        world.fails(command, 2, &[".lance", how, "pip install"]);
    }
    world.fails(
        "model pull no-such-model",
        1,
        &["no-such-model", "model list"],
    );
    world.fails("model pull owner/name", 1, &["owner/name", "offline"]);
    // What was there is there still.
    let shown = world.json("show a0 --json -c six.nearwise");
    assert_eq!(shown["article"]["text"], SIX[0].1);
}

/// A corpus is one file, also after commands that only read it.
#[test]
fn one_file_comes_out() {
    let world = indexed();
    for line in [
        "search bank",
        "similar a0",
        "topics",
        "stats",
        "show a0",
        "export",
        "duplicates",
    ] {
        world.command(line).output().unwrap();
        let mut files: Vec<String> = fs::read_dir(world.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, ["six.jsonl", "six.nearwise"], "after {line}");
    }
    // Inputs that cannot be used leave none behind.
    world.write("empty.txt", "");
    world.fails("explore empty.txt", 1, &["empty.txt"]);
    world.fails("index empty.txt -c new.nearwise", 1, &["empty.txt"]);
    assert!(!world.path("empty.nearwise").exists() && !world.path("new.nearwise").exists());
    // A corpus that was there stays.
    world.fails("index empty.txt -c six.nearwise", 1, &["empty.txt"]);
    assert!(world.path("six.nearwise").is_file());
}

#[test]
fn damaged_and_foreign_corpora_are_named() {
    let world = indexed();
    world.write(
        "text.nearwise",
        "this is no database, it is a text that is long enough to be looked at",
    );
    world.fails(
        "search bank -c text.nearwise",
        1,
        &["text.nearwise", "not a Nearwise corpus"],
    );
    world.fails(
        "index six.jsonl -c text.nearwise",
        1,
        &["text.nearwise", "not a Nearwise corpus"],
    );
    let foreign = world.path("foreign.nearwise");
    let db = rusqlite::Connection::open(&foreign).unwrap();
    db.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);")
        .unwrap();
    drop(db);
    world.fails(
        "index six.jsonl -c foreign.nearwise",
        1,
        &["another program"],
    );
    world.fails("search bank -c foreign.nearwise", 1, &["foreign.nearwise"]);
    let newer = world.path("newer.nearwise");
    fs::copy(world.path("six.nearwise"), &newer).unwrap();
    let db = common::database(&newer);
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    world.fails("index six.jsonl -c newer.nearwise", 1, &["newer"]);
    world.fails("search bank -c newer.nearwise", 1, &["newer"]);
    // A hole in the middle of the file.
    let bytes = fs::read(world.path("six.nearwise")).unwrap();
    let mut holed = bytes.clone();
    let (a, b) = (4096.min(bytes.len()), bytes.len());
    holed[a..b].fill(0xa5);
    world.write("holed.nearwise", holed);
    world.fails("search bank -c holed.nearwise", 1, &["holed.nearwise"]);
}

/// Writes that the operating system refuses: a limit on file size stands for a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let world = indexed();
    let text = "the bank and the market met the minister. ".repeat(2000);
    let rows: Vec<String> = (0..40)
        .map(|i| {
            json!({"id": format!("b{i}"), "title": format!("T{i}"), "text": format!("{i} {text}")})
                .to_string()
        })
        .collect();
    world.write("big.jsonl", rows.join("\n"));
    let program = Path::new(env!("CARGO_BIN_EXE_nearwise"));
    let size = fs::metadata(world.path("six.nearwise")).unwrap().len() / 1024 + 600;
    // The signal must be ignored, so that the write fails as it does on a full disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f {size}; exec {} index big.jsonl -c six.nearwise",
        program.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", tiny("tiny-bert"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("six.nearwise") && stderr.contains("disk"),
        "{stderr}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(
        world.json("show a0 --json -c six.nearwise")["article"]["text"],
        SIX[0].1
    );
    // With room again, the same command ends well.
    world.run("index big.jsonl -c six.nearwise");
    assert_eq!(
        world.json("stats -c six.nearwise --json")["counts"]["articles"],
        46
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_to() {
    let world = indexed();
    // Nobody, not even root, makes files there.
    let mut command = world.command("index six.jsonl -c /proc/corpus.nearwise");
    world.fails_with(&mut command, "index", 1, &["/proc/corpus.nearwise"]);
    // A corpus that may only be read is searched.
    let file = world.path("six.nearwise");
    let mut permissions = fs::metadata(&file).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&file, permissions).unwrap();
    assert_eq!(
        world.json("search bank --json -k 2")["hits"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let world = World::new();
    let row = json!({"id": "x\u{1b}]0;evil\u{7}", "title": "Red \u{1b}[31malert\u{202e}", "text": "bank \u{1b}[2J bank", "k": "\u{1b}c"});
    world.write("e.jsonl", row.to_string());
    world.run("index e.jsonl -c e.nearwise");
    for line in [
        "search bank",
        "topics",
        "stats",
        "explore e.jsonl -c e.nearwise",
    ] {
        assert!(!world.run(line).contains('\u{1b}'), "{line}");
    }
    let mut command = world.command("show");
    let output = command.arg("x\u{1b}]0;evil\u{7}").output().unwrap();
    assert!(output.status.success() && !output.stdout.contains(&0x1b));
}

#[test]
fn every_command_has_help_with_an_example() {
    let world = World::new();
    let help = world.run("--help");
    for command in [
        "explore",
        "index",
        "search",
        "similar",
        "duplicates",
        "topics",
        "show",
        "stats",
        "delete",
        "export",
        "embed",
        "model",
        "devices",
        "completions",
        "man",
    ] {
        assert!(help.contains(command), "{command}");
        let text = world.run(&format!("{command} --help"));
        assert!(text.contains("Example"), "{command}");
    }
    world.fails("search bank", 2, &["--corpus", "nearwise index"]);
    let output = world.command("serch").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_user_s_article() {
    // The shape of what comes in: title, blank lines, curly quotes, a block that breaks off.
    let world = World::new();
    let body = "The minister said “it is time” and the market met the bank.\n\nA second paragraph about the price.";
    world.write("article.txt", format!("A title line, with a comma\n\n\n{body}\n\nAuthor Profile\n\nThe Network\nThe Network ( is a think tank. To subscribe, write to"));
    world.run("index article.txt -c a.nearwise");
    let shown = world.json("show article.txt --json");
    assert_eq!(shown["article"]["title"], "A title line, with a comma");
    assert!(
        shown["article"]["text"]
            .as_str()
            .unwrap()
            .ends_with("write to"),
        "kept in the text"
    );
    let span = &shown["article"]["boilerplate"][0];
    let start = span["start"].as_u64().unwrap() as usize;
    assert!(shown["article"]["text"].as_str().unwrap()[start..].starts_with("Author Profile"));
    assert!(world.run("show article.txt").contains("| Author Profile"));
    // Its vector is that of the body alone.
    world.write("own.txt", format!("A title line, with a comma\n\n\n{body}"));
    world.run("index own.txt -c b.nearwise");
    let vector = |corpus: &str| {
        let line: Value =
            serde_json::from_str(world.run(&format!("export --vectors -c {corpus}")).trim())
                .unwrap();
        line["vector"].clone()
    };
    assert_eq!(vector("a.nearwise"), vector("b.nearwise"));
}

#[test]
fn similar_to_a_file_and_standard_input() {
    let world = indexed();
    world.write("draft.txt", format!("{}\n\n{}", SIX[2].0, SIX[2].1));
    let hits = world.json("similar draft.txt --json -k 1");
    assert_eq!(ids(&hits), ["a2"]);
    assert!(hits[0]["cosine"].as_f64().unwrap() > 0.999);
    let mut command = world.command("index - -c stdin.nearwise --json");
    let output = command
        .write_stdin(fs::read(world.path("six.jsonl")).unwrap())
        .output()
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["new"],
        6
    );
    world.fails("similar nope -c six.nearwise", 1, &["nope"]);
    world.fails(
        "similar six.jsonl -c six.nearwise",
        1,
        &["several articles"],
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = indexed();
    let program = Path::new(env!("CARGO_BIN_EXE_nearwise"));
    let script = format!(
        "set -o pipefail; {} export -c six.nearwise --vectors | head -c 10",
        program.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(world.folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.is_empty(), "{stderr}");
}

/// What a terminal must not get: escapes, C1 controls, marks of direction.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|&c| {
        c.is_control() && c != '\n' && c != '\t'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// Every command, on articles, files, columns and topics whose names and texts are made of what a
/// terminal obeys.
#[test]
fn nothing_that_an_article_brings_is_obeyed_by_a_terminal() {
    let world = World::new();
    let nasty = "\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}31m\u{85}\u{7f}\u{8}\r\u{b}\u{202e}\u{2066}\u{200f}\u{61c}x";
    // Blanks of any kind are one blank in an id.
    let nasty_id = nasty.replace(['\u{85}', '\r', '\u{b}'], "");
    let article = |i: usize| {
        json!({
            "id": format!("{nasty_id}{i}"), "title": format!("{nasty}\n{}", SIX[i].0),
            "text": format!("{}{nasty}\n\n{nasty} {}", SIX[i].1, SIX[i].1),
            "source": format!("{nasty}s"), "url": format!("http://{nasty}/{i}"), "date": "2025-01-02",
            format!("meta{nasty}"): format!("{nasty}\nvalue"), "list": [nasty, {nasty: nasty}],
        })
    };
    let mut lines: Vec<String> = (0..6).map(|i| article(i).to_string()).collect();
    lines.push(
        lines[0]
            .replace("\\u007fx0", "x")
            .replace("owned", "other")
            .replace("x0\"", "x9\""),
    );
    lines.push(format!("{{\"id\": \"bad{}\"}}", "\\u001b[31m\\u009b"));
    let file = "in\u{1b}[31m\u{9b}\u{202e}.jsonl";
    world.write(file, lines.join("\n"));
    world.write(
        "plain.txt",
        format!("Title {nasty}\n\nText {nasty} of the bank."),
    );
    world.write(
        "dir/odd\u{9b}31m\u{202e}.csv",
        format!("id,text,{nasty}\n1,The bank{nasty},2\n2,{nasty},3\n"),
    );
    let corpus = "c\u{1b}[31m\u{9b}\u{202e}.nearwise";
    let id = format!("{nasty_id}1");
    let out = "o\u{1b}[31m\u{9b}\u{202e}";
    let (html, png, jsonl, npy) = (
        format!("{out}.html"),
        format!("{out}.png"),
        format!("{out}.jsonl"),
        format!("{out}.npy"),
    );
    let words = |line: &str| line.split(' ').map(str::to_string).collect::<Vec<_>>();
    let with = |line: &str, more: &[&str]| {
        let mut all = words(line);
        all.extend(more.iter().map(|s| s.to_string()));
        all
    };
    let mut commands: Vec<Vec<String>> = vec![
        with("index --skip-bad", &[file, "dir"]),
        with("index --skip-bad --json", &[file, "dir"]),
        with("index", &[file]),
        with("index no\u{1b}[31m\u{9b}such", &[]),
        with("index --text-column", &[nasty, file]),
        with("explore --skip-bad --json", &[file]),
        with("explore --skip-bad", &[file]),
        with("topics fit --topics 2", &[]),
        with("topics rename 1", &[&format!("{nasty}\nname")]),
        with("topics rename 2", &[nasty]),
        with("similar plain.txt", &[]),
        with("similar", &[&id]),
        with("similar", &[&format!("{nasty}none")]),
        with("show", &[&id]),
        with("show", &[&format!("{nasty}none")]),
        with("search bank --full", &[]),
        with("search --hybrid", &[nasty]),
        with(
            "search bank --where",
            &[&format!("meta{nasty} = '{nasty}'")],
        ),
        with("search bank --where", &[&format!("source = \"{nasty}s\"")]),
        with("embed", &[nasty]),
        with("embed --out", &[&npy, nasty]),
        with("map --out", &[&html]),
        with("map --out", &[&png]),
        with("map --out", &[&format!("{out}.none")]),
        with("export --format jsonl", &[]),
        with("export --format jsonl --vectors", &[]),
        with("export --out", &[&jsonl]),
        with("export --out", &[&npy]),
        with("topics over-time --field", &[&format!("meta{nasty}")]),
        with("topics tree --out", &[&format!("{out}.dot")]),
        with("eval --labels", &[&format!("{nasty}none")]),
        with("delete --dry-run", &[&id]),
        with("delete", &[&format!("{nasty}none")]),
        with("model path", &[nasty]),
        with("search bank --model", &[nasty]),
    ];
    for line in [
        "topics",
        "topics list",
        "topics list --members",
        "topics show 1",
        "topics show 1 --against 2",
        "topics tree",
        "topics tree --cut 2",
        "topics over-time",
        "topics over-time --field source",
        "topics drift",
        "topics assign",
        "topics merge 1 2",
        "topics split 1",
        "duplicates",
        "duplicates --by meaning --threshold 0.05",
        "stats",
        "similar plain.txt",
        "search bank",
        "map",
        "devices",
    ] {
        commands.push(words(line));
    }
    let mut ran = 0;
    for command in &commands {
        for json in [false, true] {
            let mut call = world.command("");
            call.args(command).env("NEARWISE_CORPUS", corpus);
            if json && !command.iter().any(|a| a == "--json") {
                call.arg("--json");
            }
            let output = call.output().unwrap();
            let what = format!("{} (json {json})", command.join(" ").escape_debug());
            for bytes in [&output.stdout, &output.stderr] {
                let text = String::from_utf8(bytes.clone()).unwrap();
                assert!(!text.contains("panicked"), "{what}: {text}");
                let found = obeyed(&text).map(|c| format!("U+{:04X}", u32::from(c)));
                assert_eq!(found, None, "{what}: {}", text.escape_debug());
            }
            ran += usize::from(output.status.success());
        }
    }
    assert!(ran > 50, "{ran} succeeded");
    // What is printed as JSON means what it was.
    let mut call = world.command("show --json");
    let output = call
        .arg(&id)
        .env("NEARWISE_CORPUS", corpus)
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["article"]["id"], id);
    // A name of several lines is one line where people read it.
    let output = world
        .command("topics show 1")
        .env("NEARWISE_CORPUS", corpus)
        .output()
        .unwrap();
    let first = String::from_utf8(output.stdout).unwrap();
    let line = first.lines().next().unwrap();
    assert!(line.contains("x name (1 article"), "{first}");
}

#[test]
fn odd_values_of_options_are_told() {
    let world = indexed();
    world.fails("topics --typical 11", 2, &["--typical", "0 to 10"]);
    world.fails("topics merge a b", 2, &["TOPIC", "a topic's number"]);
    world.fails("similar nosuch.md", 1, &["nosuch.md", "no such file"]);
    if cfg!(not(feature = "cuda")) {
        for line in ["map --device cuda", "topics fit --device cuda"] {
            world.fails(line, 1, &["cuda"]);
        }
        assert!(!world.path("map.html").exists());
    }
    let help = world.run("embed --help");
    assert!(!help.contains("corpus's own"), "{help}");
    world.run("man --out pages");
    let pages = fs::read_dir(world.path("pages")).unwrap().count();
    assert!(pages > 20, "{pages}");
}

#[test]
fn a_text_that_begins_as_no_number_is_none_and_long_numbers_are_what_they_are() {
    let world = World::new();
    let values = ["-", "+ bonus", "...", " 12", "12 km", "-.5", "007"];
    let mut lines: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(i, n)| {
            json!({"id": format!("a{i}"), "text": format!("Text {i}."), "n": n}).to_string()
        })
        .collect();
    lines.push(r#"{"id": "long", "text": "Long.", "n": "12345678901234567890"}"#.to_string());
    lines.push(r#"{"id": "zero", "text": "Zero.", "n": 0}"#.to_string());
    world.write("n.jsonl", lines.join("\n"));
    world.run("index n.jsonl -c n.nearwise");
    let found = |filter: &str| -> Vec<String> {
        let mut command = world.command("export -c n.nearwise --where");
        let out = command.arg(filter).output().unwrap();
        let lines = String::from_utf8(out.stdout).unwrap();
        let id = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["id"]
                .as_str()
                .unwrap()
                .to_string()
        };
        lines.lines().map(id).collect()
    };
    assert_eq!(found("n = 0"), ["zero"]);
    assert_eq!(found("n <= 0"), ["a5", "zero"]);
    assert_eq!(found("n = 12"), ["a3", "a4"]);
    assert_eq!(found("n ~ 12345678901234567890"), ["long"]);
    assert_eq!(found("n ~ 007"), ["a6"]);
    assert_eq!(found("n > 9223372036854775807.0"), ["long"]);
    for long in [
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
    ] {
        for filter in [format!("n = {long}"), format!("n IN (1, {long})")] {
            let mut command = world.command("export -c n.nearwise --where");
            world.fails_with(
                command.arg(&filter),
                &filter,
                2,
                &["whole number", "quotes"],
            );
        }
    }
}

#[test]
fn an_index_that_finds_nothing_leaves_nothing() {
    let world = World::new();
    world.write("bad.json", "{\"text\": ");
    world.fails("index bad.json -c new.nearwise", 1, &["bad.json"]);
    let left: Vec<_> = fs::read_dir(world.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("new.nearwise"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_dash_is_standard_output() {
    let world = indexed();
    let out = world.run("export -c six.nearwise");
    assert_eq!(world.run("export -c six.nearwise -o -"), out);
    assert_eq!(
        world.run("export -c six.nearwise --format jsonl -o /dev/stdout"),
        out
    );
    assert!(!world.path("-").exists());
}

#[test]
fn a_fit_that_leaves_no_article_in_a_topic_keeps_the_topics() {
    let world = indexed();
    world.run("topics fit --topics 2 -c six.nearwise");
    world.run("topics rename 0 Mine -c six.nearwise");
    world.fails(
        "topics fit --topics 2 --min-similarity 1 -c six.nearwise",
        1,
        &["lower cosine"],
    );
    assert!(world.run("topics list -c six.nearwise").contains("Mine"));
    world.run("topics assign --threshold -1 -c six.nearwise");
    world.run("topics fit --topics 2 --min-similarity -1 -c six.nearwise");
}
