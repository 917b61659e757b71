//! The Model Context Protocol, as assistants speak it: over HTTP and over standard input and output.

use crate::common::{Api, encoder};
use crate::corpora::news;
use nearwise::Corpus;
use nearwise::search::{FoldBy, SearchOptions};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const HEADERS: [(&str, &str); 2] = [
    ("accept", "application/json, text/event-stream"),
    ("mcp-protocol-version", "2025-06-18"),
];

/// Sends a message over HTTP; the answer to it.
fn ask(api: &Api, method: &str, params: Value) -> Value {
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let answer = api.send("POST", "/mcp", &HEADERS, Some(&message));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    // One message, as JSON or as an event.
    let json = text
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap_or(&text);
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn call(api: &Api, tool: &str, arguments: Value) -> Value {
    ask(
        api,
        "tools/call",
        json!({"name": tool, "arguments": arguments}),
    )["result"]
        .clone()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn tools_over_http() {
    let api = news(|_| {});
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let hello = ask(&api, "initialize", hello);
    assert_eq!(hello["result"]["serverInfo"]["name"], "nearwise", "{hello}");
    assert!(hello["result"]["capabilities"]["tools"].is_object());
    // Whoever takes anything is answered.
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    for headers in [&[("accept", "*/*")][..], &[]] {
        let answer = api.send("POST", "/mcp", headers, Some(&message));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let tools = ask(&api, "tools/list", json!({}));
    let tools = tools["result"]["tools"].as_array().unwrap().clone();
    let names: Vec<&str> = tools.iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["search", "similar", "article", "topics", "timeline"]
    );
    for tool in &tools {
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert_eq!(tool["annotations"]["readOnlyHint"], json!(true));
    }

    let corpus = Corpus::open(api.world.as_ref().unwrap().path("news.nearwise")).unwrap();
    let reader = corpus.reader().unwrap();
    let found = call(
        &api,
        "search",
        json!({"query": "goal of the team", "k": 3, "filter": "number > 9"}),
    );
    let options = SearchOptions {
        k: 3,
        fold: Some(FoldBy::Words),
        filter: Some("number > 9".parse().unwrap()),
        ..SearchOptions::default()
    };
    let expected = reader
        .search(&encoder(), "goal of the team", &options)
        .unwrap();
    let hits = found["structuredContent"]["hits"].as_array().unwrap();
    assert_eq!(hits.len(), expected.hits.len());
    for (hit, expected) in hits.iter().zip(&expected.hits) {
        assert_eq!(hit["id"], json!(expected.id));
        assert!(text(&found).contains(&format!("[id {}]", expected.id)));
    }
    let newest = call(&api, "search", json!({"k": 2}));
    assert!(
        newest["structuredContent"]["hits"][0]["date"]
            .as_str()
            .unwrap()
            .starts_with("2025-12")
    );
    let similar = call(
        &api,
        "similar",
        json!({"id": "a3", "unlike": ["a4"], "k": 2}),
    );
    assert_eq!(
        similar["structuredContent"]["hits"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let own = call(
        &api,
        "similar",
        json!({"text": "A goal in the cup final", "k": 2}),
    );
    assert_eq!(
        own["structuredContent"]["hits"].as_array().unwrap().len(),
        2
    );
    let article = call(
        &api,
        "article",
        json!({"id": "a3", "characters": 20, "from": 5}),
    );
    let whole = reader.article("a3").unwrap().text;
    let part: String = whole.chars().skip(5).take(20).collect();
    assert_eq!(article["structuredContent"]["text"], json!(part));
    assert!(
        text(&article).contains("read on with from: 25"),
        "{article}"
    );
    let topics = call(&api, "topics", json!({}));
    let stored = reader.topics().unwrap();
    assert_eq!(
        topics["structuredContent"]["topics"][0]["id"],
        json!(stored[0].id)
    );
    assert!(text(&topics).contains(&stored[0].label));
    assert_eq!(topics["structuredContent"]["all"], json!(stored.len()));
    // A number may be written with a point.
    let first = call(&api, "topics", json!({"k": 1.0}));
    assert_eq!(
        first["structuredContent"]["topics"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert!(text(&first).contains("read on with offset: 1"), "{first}");
    let second = call(&api, "topics", json!({"offset": 1}));
    assert_eq!(
        second["structuredContent"]["topics"][0]["id"],
        json!(stored[1].id)
    );
    let one = call(&api, "topics", json!({"topic": stored[1].id}));
    assert_eq!(
        one["structuredContent"]["topic"]["size"],
        json!(stored[1].size)
    );
    let timeline = call(
        &api,
        "timeline",
        json!({"by": "quarter", "topics": [stored[1].id]}),
    );
    assert_eq!(
        timeline["structuredContent"]["bins"],
        json!(["2025-Q1", "2025-Q2", "2025-Q3", "2025-Q4"])
    );
    assert_eq!(
        timeline["structuredContent"]["topics"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    // What goes wrong is told in words.
    for (tool, arguments, part) in [
        ("search", json!({"query": "a", "limit": 3}), "limit"),
        (
            "search",
            json!({"query": "a", "filter": "source ="}),
            "filter",
        ),
        ("search", json!({"query": "a", "corpus": "old"}), "old"),
        ("search", json!({"query": "a", "k": 1000}), "1 to 50"),
        ("search", json!({"query": "a", "k": "3"}), "k: "),
        ("search", json!({"query": "a", "k": 2.5}), "k: "),
        ("topics", json!({"k": 0}), "1 to 200"),
        ("similar", json!({}), "an id or a text"),
        ("similar", json!({"id": "none"}), "none"),
        ("article", json!({"id": "none"}), "none"),
        ("topics", json!({"topic": 99}), "99"),
        ("timeline", json!({"source": "none"}), "date"),
    ] {
        let failed = call(&api, tool, arguments);
        assert_eq!(failed["isError"], json!(true), "{failed}");
        assert!(text(&failed).contains(part), "{failed}");
    }
    let unknown = ask(
        &api,
        "tools/call",
        json!({"name": "delete", "arguments": {}}),
    );
    assert!(
        unknown["error"]["message"]
            .as_str()
            .unwrap()
            .contains("delete"),
        "{unknown}"
    );
}

/// Sends a line; the line that comes back.
fn exchange(input: &mut impl Write, output: &mut impl BufRead, message: &Value) -> Value {
    writeln!(input, "{message}").unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
}

#[test]
fn tools_over_standard_input_and_output() {
    let api = news(|_| {});
    let world = api.world.as_ref().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nearwise"))
        .args([
            "mcp",
            "-c",
            "news.nearwise",
            "--device",
            "cpu",
            "--dtype",
            "f32",
        ])
        .current_dir(world.folder.path())
        .env("NEARWISE_MODEL", crate::world::tiny("tiny-bert"))
        .env_remove("NEARWISE_CORPUS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let hello = exchange(
        &mut input,
        &mut output,
        &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}),
    );
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18", "{hello}");
    writeln!(
        input,
        "{}",
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
    )
    .unwrap();
    let tools = exchange(
        &mut input,
        &mut output,
        &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
    );
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 5);
    let found = exchange(
        &mut input,
        &mut output,
        &json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params":
        {"name": "search", "arguments": {"query": "minister", "by": "words", "k": 1}}}),
    );
    assert_eq!(
        found["result"]["structuredContent"]["hits"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "{found}"
    );
    let found = exchange(
        &mut input,
        &mut output,
        &json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params":
        {"name": "search", "arguments": {"query": "minister"}}}),
    );
    assert_eq!(found["result"]["isError"], json!(false), "{found}");
    drop(input);
    // The end of the input ends it, and nothing else was written.
    let mut rest = String::new();
    output.read_line(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_corpus_that_is_not_there_is_told() {
    let world = crate::world::World::new();
    world.fails("mcp -c none.nearwise", 1, &["none.nearwise"]);
}
