//! Kinds of input that are rare one by one: names that say nothing, tables as columns, names with dots.

use crate::common::World;
use serde_json::{Value, json};

const PROSE: &str = "The harbour council voted on Tuesday to reopen the old swing bridge, after two years \
    of repairs that cost far more than anyone had planned for it at first.";

/// What a corpus holds, by id.
fn held(world: &World) -> Vec<Value> {
    let mut rows = world.exported("c.nearwise");
    rows.sort_by_key(|row| row["id"].as_str().unwrap().to_string());
    rows
}

fn ids(world: &World) -> Vec<String> {
    let rows = held(world);
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn a_pattern_prunes_what_it_would_match() {
    let world = World::new();
    for name in ["a.txt", "b.txt", "c.txt", "d.md"] {
        world.write(&format!("in/{name}"), format!("{name}\n\n{PROSE}"));
    }
    world.run("index in -c c.nearwise");
    std::fs::remove_file(world.path("in/b.txt")).unwrap();
    std::fs::remove_file(world.path("in/d.md")).unwrap();
    // No shell takes the pattern apart here.
    let said = world.run("index in/*.txt -c c.nearwise --prune");
    assert!(said.contains("1 removed"), "{said}");
    assert_eq!(ids(&world), ["in/a.txt", "in/c.txt", "in/d.md"]);
}

#[test]
fn files_of_a_folder_whose_names_say_nothing_are_told_by_content() {
    let world = World::new();
    world.write(
        "in/page.php?id=3",
        format!("<!doctype html><title>Bridge</title><body><h1>Bridge</h1><p>{PROSE}</p>"),
    );
    world.write("in/20001", format!("A bridge\n\n{PROSE}"));
    world.write("in/tool.php", "<?php echo 1; ?>");
    world.write("in/picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    world.write("in/empty", "");
    world.write("in/c.nearwise", "");
    std::fs::remove_file(world.path("in/c.nearwise")).unwrap();
    let output = world.command("index in -c in/c.nearwise").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for name in ["tool.php", "picture", "empty"] {
        assert!(said.contains(&format!("{name}: left out")), "{said}");
    }
    assert!(!said.contains("-lock") && !said.contains("-wal"), "{said}");
    let out = world.run("export -c in/c.nearwise");
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains("in/page.php?id=3") && out.contains("in/20001"));
}

#[test]
fn tables_of_json_are_read_as_columns_rows_and_answers() {
    let one = "One text about the bridge.";
    let two = "Two texts about the harbour.";
    for (name, table) in [
        (
            "columns",
            json!({"id": ["1", "2"], "title": ["A", "B"], "text": [one, two]}),
        ),
        (
            "split",
            json!({"columns": ["id", "title", "text"], "index": [0, 1], "data": [["1", "A", one], ["2", "B", two]]}),
        ),
        (
            "records",
            json!([{"id": "1", "title": "A", "text": one}, {"id": "2", "title": "B", "text": two}]),
        ),
        (
            "rows",
            json!({"features": [{"feature_idx": 0, "name": "text", "type": {"dtype": "string"}}], "rows": [
                {"row_idx": 0, "row": {"id": "1", "title": "A", "text": one}, "truncated_cells": []},
                {"row_idx": 1, "row": {"id": "2", "title": "B", "text": two}, "truncated_cells": []}]}),
        ),
        (
            "posts",
            json!({"found": 2, "posts": [{"ID": 1, "title": "A", "content": one}, {"ID": 2, "title": "B", "content": two}]}),
        ),
    ] {
        let world = World::new();
        world.write("in.json", table.to_string());
        world.run("index in.json -c c.nearwise");
        let rows = held(&world);
        let read: Vec<[&str; 3]> = rows
            .iter()
            .map(|r| ["id", "title", "text"].map(|key| r[key].as_str().unwrap()))
            .collect();
        assert_eq!(read, [["1", "A", one], ["2", "B", two]], "{name}");
    }
}

#[test]
fn filters_reach_names_with_dots_lists_in_lists_and_columns_called_as_ours() {
    let world = World::new();
    let row = |id: &str, more: Value| {
        let mut row = json!({"id": id, "title": id, "text": format!("{id} {PROSE}")});
        row.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        format!("{row}\n")
    };
    let rows = [
        row("dotted", json!({"a.b": "x", "topic": "ours"})),
        row("nested", json!({"a": {"b": "x"}, "topic": "other"})),
        row(
            "deep",
            json!({"a": {"b.c": "y"}, "tags": [["one", "two"], ["three"]]}),
        ),
    ];
    world.write("in.jsonl", rows.concat());
    world.run("index in.jsonl -c c.nearwise");
    for (filter, expected) in [
        ("a.b = \"x\"", &["dotted", "nested"][..]),
        ("a.b.c = \"y\"", &["deep"]),
        ("tags = \"two\"", &["deep"]),
        ("meta.topic = \"ours\"", &["dotted"]),
        ("metadata.topic IS NULL", &["deep"]),
        ("`topic` = \"other\"", &["nested"]),
    ] {
        let output = world
            .command("export -c c.nearwise --where")
            .arg(filter)
            .output()
            .unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let mut found: Vec<String> = out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string())
            .collect();
        found.sort();
        let mut expected: Vec<String> = expected.iter().map(|id| format!("{id:?}")).collect();
        expected.sort();
        assert_eq!(found, expected, "{filter}");
    }
}

#[test]
fn a_prefix_reaches_ids_of_front_matter_and_no_names_of_files() {
    let world = World::new();
    world.write("in/own.md", format!("---\nid: 7\ntitle: T\n---\n{PROSE}"));
    world.write("in/none.md", format!("# T\n\n{PROSE}"));
    world.write(
        "in/json.md",
        format!("{{\n  \"title\": \"From JSON\",\n  \"id\": \"8\"\n}}\n\n{PROSE}"),
    );
    world.run("index in -c c.nearwise --id-prefix x-");
    assert_eq!(ids(&world), ["in/none.md", "x-7", "x-8"]);
    assert_eq!(held(&world)[2]["title"], "From JSON");
}

#[test]
fn a_mail_with_few_fields_is_a_mail() {
    let world = World::new();
    let mail = format!("From: Ann <ann@example.org>\nSubject: The bridge\n\n{PROSE}\n");
    let mut command = world.command("index - -c c.nearwise");
    assert!(command.write_stdin(mail).output().unwrap().status.success());
    let rows = held(&world);
    assert_eq!(rows[0]["title"], "The bridge");
    assert_eq!(rows[0]["text"], PROSE);
}

#[test]
fn a_story_that_grew_is_one_group_however_often_it_did() {
    let world = World::new();
    let word = |n: usize| format!("word{n}");
    let base: Vec<String> = (0..60).map(word).collect();
    let rows: String = (0..150)
        .map(|n| {
            // Each is the one before with a sentence more.
            let more: Vec<String> = (0..4 * n).map(|i| word(1000 + i)).collect();
            let text = [base.clone(), more].concat().join(" ");
            format!(
                "{}\n",
                json!({"id": n.to_string(), "title": format!("{n}"), "text": text})
            )
        })
        .collect();
    world.write("in.jsonl", rows);
    world.run("index in.jsonl -c c.nearwise");
    let found = world.json("duplicates --by containment --json");
    assert_eq!(found["groups_found"], 1, "{found:.300}");
    assert_eq!(found["articles"], 150);
}

const BODY: &str = "<p>The harbour council voted on Tuesday to reopen the old swing bridge, after two years \
    of repairs that cost far more than anyone had planned.</p><p>Engineers said the new bearings would last for \
    forty years, and that the bridge would open for tall ships.</p>";

fn page(head: &str, body: &str) -> Value {
    let world = World::new();
    world.write(
        "x.html",
        format!("<html><head><title>Bridge to reopen | Post</title>{head}</head><body>{body}</body></html>"),
    );
    world.run("index x.html -c c.nearwise");
    held(&world).remove(0)
}

#[test]
fn what_describes_another_article_says_nothing_of_this_one() {
    let canonical = "<link rel=canonical href='https://post.example/bridge'>";
    let script = |json: &str| format!("<script type='application/ld+json'>{json}</script>");
    let other = r#"{"@type":"NewsArticle","headline":"Ferry fares rise","url":"https://other.example/fares",
        "datePublished":"2020-01-01","publisher":{"name":"Other"}}"#;
    let film = r#"{"@type":"VideoObject","name":"Cat on a boat","uploadDate":"2019-01-01","url":"https://film.example/1"}"#;
    let own = r#"{"@type":"NewsArticle","headline":"Bridge to reopen","url":"https://post.example/bridge",
        "datePublished":"2024-05-03","publisher":{"name":"Post"}}"#;
    let text = format!("<article><h1>Bridge to reopen</h1>{BODY}</article>");
    let read = page(
        &format!(
            "{canonical}{}{}{}",
            script(other),
            script(film),
            script(own)
        ),
        &text,
    );
    assert_eq!(
        [&read["date"], &read["source"], &read["url"]],
        ["2024-05-03", "Post", "https://post.example/bridge"]
    );
    let read = page(
        &format!("{canonical}{}{}", script(other), script(film)),
        &text,
    );
    // Its site is its own.
    assert_eq!(read["date"], Value::Null);
    assert_eq!(read["source"], "post.example");
    let comments = "<div class=comments><article class=comment><time datetime=2021-01-01>x</time><p>Well.</p></article></div>";
    assert_eq!(
        page(canonical, &format!("{text}{comments}"))["date"],
        Value::Null
    );
}

#[test]
fn parts_of_an_article_stay_and_what_is_put_between_them_goes() {
    let plain = |html: &str| {
        html.replace("</p><p>", "\n\n")
            .replace("<p>", "")
            .replace("</p>", "")
    };
    let second = BODY
        .replace("harbour", "river")
        .replace("Engineers", "Ministers");
    let parted = format!(
        "<h1>Bridge to reopen</h1><div><div itemprop=articleBody>{BODY}</div></div><div class=x><p>Ferries</p></div>\
         <section><div itemprop=articleBody>{second}</div></section>"
    );
    let text = page("", &parted)["text"].as_str().unwrap().to_string();
    assert!(
        text.contains("harbour council") && text.contains("river council"),
        "{text}"
    );
    let teaser = format!(
        "<article><h1>Bridge to reopen</h1>{BODY}<article><h3><a href=/x>Ferry fares</a></h3><p>Fares go up.</p></article>\
         {second}<p>© 2024 Harbour Post. All rights reserved.</p></article>"
    );
    assert_eq!(
        page("", &teaser)["text"],
        format!("{}\n\n{}", plain(BODY), plain(&second))
    );
    let label = format!(
        "<article><h1>Bridge to reopen</h1>{BODY}<p><label>Ferry</label>fares go up in the summer.</p></article>"
    );
    let text = page("", &label)["text"].as_str().unwrap().to_string();
    assert!(text.ends_with("Ferry fares go up in the summer."), "{text}");
}
