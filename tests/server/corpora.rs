//! The interface to corpora: its values against the library's own, what it refuses, and what
//! happens when several write and read at once.

use crate::common::{Answer, Api, encoder, model, options};
use crate::world::{World, wire};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nearwise::search::{Examples, SearchBy, SearchOptions};
use nearwise::server::{Access, ApiKey, CorpusAt, ServeOptions};
use nearwise::store::Order;
use nearwise::{Article, Corpus, Filter, Job, Reader};
use serde_json::{Value, json};
use std::io::Write as _;

/// A server of sixty articles on two matters, in two topics, under the name `news`.
pub fn news(change: impl FnOnce(&mut ServeOptions)) -> Api {
    let world = World::new();
    world.write("wire.jsonl", wire(60, 40));
    world.run("index wire.jsonl -c news.nearwise --device cpu --dtype f32");
    world.run("topics fit --topics 2 -c news.nearwise --device cpu");
    let mut options = options();
    options.corpora = vec![CorpusAt {
        name: "news".to_string(),
        path: world.path("news.nearwise"),
    }];
    change(&mut options);
    let mut api = Api::start(options);
    api.world = Some(world);
    api
}

fn writable(options: &mut ServeOptions) {
    options.writable = true;
}

/// The corpus of [`news`] as the library reads it.
fn reader(api: &Api) -> Reader {
    let path = api.world.as_ref().unwrap().path("news.nearwise");
    Corpus::open(path).unwrap().reader().unwrap()
}

fn ok(answer: &Answer) -> Value {
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    serde_json::from_slice(&answer.body).unwrap()
}

/// Asserts an error's status, kind and field.
#[track_caller]
fn refused(answer: &Answer, status: u16, kind: &str, parameter: Option<&str>) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, status, "{text}");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["error"]["kind"], kind, "{text}");
    assert_eq!(body["error"]["parameter"].as_str(), parameter, "{text}");
    assert!(
        body["error"]["message"]
            .as_str()
            .is_some_and(|m| !m.is_empty() && !m.contains('\n'))
    );
}

fn ids(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap().iter();
    list.map(|v| v["id"].as_str().unwrap().to_string())
        .collect()
}

/// A value as it is written and read again: numbers of f32 are then those of their decimals.
fn written(value: &impl serde::Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// A text with whatever needs it percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// Numbers are written as f32 and read as f64.
fn near(value: &Value, expected: f32) -> bool {
    value
        .as_f64()
        .is_some_and(|v| (v as f32 - expected).abs() < 1e-5)
}

#[test]
fn searches_are_the_librarys() {
    let api = news(|_| {});
    let (reader, encoder) = (reader(&api), encoder());
    let list = ok(&api.get("/api/corpora"));
    assert_eq!(
        (&list[0]["name"], &list[0]["articles"]),
        (&json!("news"), &json!(60))
    );
    assert_eq!(
        (&list[0]["embedded"], &list[0]["topics"]),
        (&json!(60), &json!(2))
    );
    let one = ok(&api.get("/api/corpora/news"));
    let fields = one["fields"].as_array().unwrap();
    assert!(
        fields
            .iter()
            .any(|f| f["name"] == "number" && f["kind"] == "number" && f["metadata"] == true)
    );

    for by in [SearchBy::Meaning, SearchBy::Words, SearchBy::Both] {
        let wanted = SearchOptions {
            by,
            k: 7,
            offset: 2,
            filter: Some("number > 5".parse().unwrap()),
            facets: vec!["month".into(), "topic".into()],
            sentences: by == SearchBy::Meaning,
            ..SearchOptions::default()
        };
        let expected = reader
            .search(&encoder, "minister and bank", &wanted)
            .unwrap();
        let by = serde_json::to_value(by).unwrap();
        let mut question = json!({"query": "minister and bank", "by": by, "k": 7, "offset": 2,
            "filter": "number > 5", "facets": ["month", "topic"]});
        let mut address = format!(
            "/api/corpora/news/search?q=minister+and+bank&by={}&k=7&offset=2&filter=number%20%3E%205&facets=month,topic",
            by.as_str().unwrap()
        );
        if wanted.sentences {
            question["sentences"] = json!(true);
            address.push_str("&sentences=true");
        }
        for found in [
            ok(&api.get(&address)),
            ok(&api.post("/api/corpora/news/search", &question)),
        ] {
            let hits = found["hits"].as_array().unwrap();
            assert_eq!(hits.len(), expected.hits.len());
            for (hit, expected) in hits.iter().zip(&expected.hits) {
                assert_eq!(hit["id"], json!(expected.id));
                assert!(near(&hit["score"], expected.score), "{hit}");
                assert_eq!(hit["passage"], written(&expected.passage));
                assert_eq!(hit.get("sentence").is_some(), expected.sentence.is_some());
            }
            assert_eq!(found["more"], json!(expected.more));
            assert_eq!(found["facets"], written(&expected.facets));
            assert!(found["took_ms"].as_f64().unwrap() > 0.0);
        }
    }

    let many = ok(&api.post(
        "/api/corpora/news/search/many",
        &json!({"queries": ["goal", "bank rates"], "k": 3}),
    ));
    for (answer, query) in many.as_array().unwrap().iter().zip(["goal", "bank rates"]) {
        let options = SearchOptions {
            k: 3,
            ..SearchOptions::default()
        };
        let expected = reader.search(&encoder, query, &options).unwrap();
        let expected: Vec<String> = expected.hits.into_iter().map(|h| h.id).collect();
        assert_eq!(ids(&answer["hits"]), expected);
    }

    // Without a query: the newest first, as the list has them.
    let found = ok(&api.get("/api/corpora/news/search?filter=number%20%3C%2010&k=4&facets=source"));
    let filter: Filter = "number < 10".parse().unwrap();
    let listed = reader.list(Some(&filter), Order::Newest, 0, 4).unwrap();
    let expected: Vec<String> = listed.articles.into_iter().map(|a| a.id).collect();
    assert_eq!(
        (ids(&found["hits"]), &found["more"]),
        (expected, &json!(true))
    );
    assert_eq!(found["facets"]["articles"], json!(10));

    let similar = json!({"like": ["a3", {"text": "The goal of the team in the cup."}], "unlike": ["a4"], "k": 5, "mode": "exact"});
    let found = ok(&api.post("/api/corpora/news/similar", &similar));
    let vector = reader
        .vector_of(
            &encoder,
            &Article {
                text: "The goal of the team in the cup.".into(),
                ..Article::default()
            },
        )
        .unwrap();
    let examples: Examples =
        serde_json::from_value(json!({"like": ["a3", vector], "unlike": ["a4"]})).unwrap();
    let options = SearchOptions {
        k: 5,
        mode: nearwise::search::Mode::Exact,
        ..SearchOptions::default()
    };
    let expected = reader.similar_articles(&examples, &options).unwrap();
    let expected: Vec<String> = expected.hits.into_iter().map(|h| h.id).collect();
    assert_eq!(ids(&found["hits"]), expected);

    let facets = ok(&api.get("/api/corpora/news/facets?fields=month,source&limit=3"));
    let expected = reader
        .facets(&["month".into(), "source".into()], None, 3)
        .unwrap();
    assert_eq!(facets, written(&expected));
    let groups = ok(&api.get("/api/corpora/news/duplicates?by=words&threshold=0.05&limit=2"));
    assert!(groups["groups"].as_array().unwrap().len() <= 2 && groups["found"].is_u64());
}

#[test]
fn what_cannot_be_used_is_refused() {
    let api = news(|_| {});
    let search = |query: &str| api.get(&format!("/api/corpora/news/search?{query}"));
    refused(&search("q=a&j=3"), 422, "invalid_parameter", None);
    refused(&search("q=a&k=x"), 422, "invalid_parameter", None);
    refused(&search("q=a&k=1001"), 422, "invalid_parameter", Some("k"));
    refused(
        &search("q=a&threshold=2"),
        422,
        "invalid_parameter",
        Some("threshold"),
    );
    refused(
        &search("q=a&filter=source+%3D"),
        422,
        "invalid_filter",
        Some("filter"),
    );
    refused(
        &search("q=a&filter=sauce+%3D+1"),
        422,
        "invalid_filter",
        Some("filter"),
    );
    refused(
        &search("q=a&half_life=soon"),
        422,
        "invalid_parameter",
        Some("half_life"),
    );
    refused(
        &search("q=a&facets=sauce"),
        422,
        "invalid_parameter",
        Some("facets"),
    );
    refused(
        &api.get("/api/corpora/news/facets?fields=sauce"),
        422,
        "invalid_parameter",
        Some("fields"),
    );
    refused(
        &search("q=a&rerank=true"),
        422,
        "invalid_parameter",
        Some("rerank"),
    );
    refused(
        &search("half_life=3d"),
        422,
        "invalid_parameter",
        Some("half_life"),
    );
    refused(
        &api.get("/api/corpora/old/search?q=a"),
        404,
        "not_found",
        None,
    );
    refused(
        &api.get("/api/corpora/%FF/search?q=a"),
        422,
        "invalid_parameter",
        None,
    );
    let post = |body: Value| api.post("/api/corpora/news/search", &body);
    refused(
        &post(json!({"query": "a", "limit": 3})),
        422,
        "invalid_parameter",
        None,
    );
    refused(&post(json!({"query": 3})), 422, "invalid_parameter", None);
    refused(
        &post(json!({"query": "a", "filter": {"near": 3}})),
        422,
        "invalid_parameter",
        None,
    );
    refused(
        &post(json!({"query": "x".repeat(70_000)})),
        422,
        "invalid_parameter",
        Some("query"),
    );
    let many = |body: Value| api.post("/api/corpora/news/search/many", &body);
    refused(
        &many(json!({"queries": []})),
        422,
        "invalid_parameter",
        Some("queries"),
    );
    refused(
        &many(json!({"queries": vec!["a"; 513]})),
        422,
        "invalid_parameter",
        Some("queries"),
    );
    refused(
        &many(json!({"queries": vec!["a"; 512], "k": 1000})),
        422,
        "invalid_parameter",
        Some("k"),
    );
    let similar = |body: Value| api.post("/api/corpora/news/similar", &body);
    refused(
        &similar(json!({"like": []})),
        422,
        "invalid_parameter",
        Some("like"),
    );
    refused(&similar(json!({"like": ["none"]})), 404, "not_found", None);
    refused(
        &similar(json!({"like": [[1.0, 2.0]]})),
        422,
        "invalid_parameter",
        Some("vector"),
    );
    refused(
        &similar(json!({"like": [vec![0.0; 32]]})),
        422,
        "invalid_parameter",
        Some("like"),
    );
    refused(
        &similar(json!({"like": ["a1"], "by": "words"})),
        422,
        "invalid_parameter",
        Some("by"),
    );
    refused(
        &api.get("/api/corpora/news/articles/none"),
        404,
        "not_found",
        None,
    );
    refused(
        &api.get("/api/corpora/news/articles?limit=501"),
        422,
        "invalid_parameter",
        Some("limit"),
    );
    refused(
        &api.get("/api/corpora/news/articles?sort=size"),
        422,
        "invalid_parameter",
        None,
    );
    refused(
        &api.get("/api/corpora/news/topics/99"),
        404,
        "not_found",
        None,
    );
    refused(
        &api.get("/api/corpora/news/topics/x"),
        422,
        "invalid_parameter",
        None,
    );
    refused(
        &api.get("/api/corpora/news/topics/timeline?by=hour"),
        422,
        "invalid_parameter",
        None,
    );
    refused(&api.get("/api/jobs/1-1"), 404, "not_found", None);
    // Nothing may be changed.
    refused(
        &api.post("/api/corpora/news/articles", &json!([])),
        403,
        "read_only",
        None,
    );
    refused(
        &api.send("DELETE", "/api/corpora/news/articles/a1", &[], None),
        403,
        "read_only",
        None,
    );
    refused(
        &api.post("/api/corpora/news/topics/fit", &json!({})),
        403,
        "read_only",
        None,
    );
    refused(
        &api.post("/api/corpora/news/topics/undo", &json!({})),
        403,
        "read_only",
        None,
    );
    // No JSON, and another type.
    let body = |kind: &str, text: &[u8]| {
        let headers = [("connection", "close"), ("content-type", kind)];
        let mut stream = api.connect();
        let request =
            crate::common::request("POST", "/api/corpora/news/search", &headers, Some(text));
        stream.write_all(&request).unwrap();
        Answer::read(&mut stream)
    };
    refused(
        &body("application/json", b"{\"query\": "),
        400,
        "invalid_input",
        None,
    );
    refused(
        &body("application/json", b"{\"query\": \"\xff\"}"),
        400,
        "invalid_input",
        None,
    );
    refused(&body("text/plain", b"{}"), 415, "invalid_input", None);
    let deep = format!("{{\"query\": \"a\", \"filter\": {}", "[".repeat(100_000));
    refused(
        &body("application/json", deep.as_bytes()),
        400,
        "invalid_input",
        None,
    );
}

#[test]
fn articles_are_read() {
    let api = news(|_| {});
    let reader = reader(&api);
    let listed =
        ok(&api.get("/api/corpora/news/articles?limit=5&sort=id&filter=number%20%3E%3D%2050"));
    assert_eq!(
        ids(&listed["articles"]),
        ["a50", "a51", "a52", "a53", "a54"]
    );
    assert_eq!(listed["more"], json!(true));
    assert!(
        listed["articles"][0]["snippet"]
            .as_str()
            .unwrap()
            .split(' ')
            .count()
            > 10
    );

    let shown = ok(&api.get("/api/corpora/news/articles/a7"));
    let article = reader.article("a7").unwrap();
    assert_eq!(
        (shown["text"].as_str(), shown["title"].as_str()),
        (Some(&*article.text), Some("Title 7"))
    );
    assert_eq!(
        (&shown["metadata"]["number"], &shown["embedded"]),
        (&json!(7), &json!(true))
    );
    let passages = reader.passages(article.key).unwrap();
    assert_eq!(shown["passages"].as_array().unwrap().len(), passages.len());
    assert_eq!(shown["passages"][0]["end"], json!(passages[0].range.end));
    let (topic, ..) = reader.topic_of(article.key).unwrap().unwrap();
    assert_eq!(shown["topics"][0]["id"], json!(topic));

    let near = ok(&api.get("/api/corpora/news/articles/a7/neighbours?k=4&mode=exact"));
    let expected = reader.similar("a7", 4, None).unwrap();
    let expected: Vec<String> = expected.into_iter().map(|h| h.id).collect();
    assert_eq!(ids(&near["hits"]), expected);
    let copies = ok(&api.get("/api/corpora/news/articles/a7/copies"));
    let expected = reader.tellings("a7", &Job::new()).unwrap();
    assert_eq!(copies["articles"], written(&expected));
    assert!(
        copies["articles"]
            .as_array()
            .unwrap()
            .iter()
            .any(|a| a["kind"] == "self")
    );
}

#[test]
fn topics_are_shown_changed_and_restored() {
    let api = news(writable);
    let reader = reader(&api);
    let topics = "/api/corpora/news/topics";
    let list = ok(&api.get(topics));
    let stored = reader.topics().unwrap();
    assert_eq!(list["topics"].as_array().unwrap().len(), 2);
    for (card, topic) in list["topics"].as_array().unwrap().iter().zip(&stored) {
        assert_eq!(
            (&card["id"], &card["label"], &card["size"]),
            (&json!(topic.id), &json!(topic.label), &json!(topic.size))
        );
        assert_eq!(card["terms"][0], json!(topic.words[0].0));
        let typical = reader.described_at(topic.typical[0]).unwrap();
        assert_eq!(card["typical"][0]["id"], json!(typical.id));
        assert_eq!(
            card["sources"],
            json!([{"value": "wire", "count": topic.size}])
        );
        assert!(card["rising"].is_number());
        assert!(["2025-01-01", "2025-02-01"].contains(&card["dates"][0].as_str().unwrap()));
    }
    let tree = ok(&api.get(&format!("{topics}/tree")));
    assert_eq!(tree["nodes"][0]["parent"], Value::Null);
    assert_eq!(tree["nodes"][0]["topics"].as_array().unwrap().len(), 2);
    let first = stored[0].id;
    let one = ok(&api.get(&format!("{topics}/{first}")));
    assert_eq!(one["nearest"][0]["id"], json!(stored[1].id));
    let timeline = ok(&api.get(&format!("{topics}/timeline?by=month&source=wire")));
    let expected = reader
        .topics_over_time(Some("month".parse().unwrap()), None)
        .unwrap();
    assert_eq!(
        (&timeline["bins"], &timeline["totals"]),
        (&json!(expected.spans), &json!(expected.articles))
    );
    assert_eq!(
        timeline["topics"][0]["counts"],
        json!(expected.courses[0].counts)
    );
    refused(
        &api.get(&format!("{topics}/timeline?source=none")),
        409,
        "no_result",
        None,
    );

    let edit = |body: Value| api.post(&format!("{topics}/edit"), &body);
    let label = |list: &Value, id: i64| {
        let all = list["topics"].as_array().unwrap();
        all.iter()
            .find(|t| t["id"] == json!(id))
            .map(|t| t["label"].clone())
    };
    refused(
        &edit(json!({"rename": {"topic": 99, "label": "x"}})),
        404,
        "not_found",
        None,
    );
    refused(
        &edit(json!({"rename": {"topic": first, "label": " \u{1b} "}})),
        422,
        "invalid_parameter",
        Some("label"),
    );
    refused(
        &edit(json!({"merge": {"topics": [first]}})),
        422,
        "invalid_parameter",
        Some("topics"),
    );
    refused(
        &edit(json!({"rename": {"topic": first, "label": "x"}, "merge": {"topics": []}})),
        422,
        "invalid_parameter",
        None,
    );
    refused(
        &edit(json!({"split": {"topic": first, "k": 5000}})),
        422,
        "invalid_parameter",
        Some("k"),
    );
    let renamed = ok(&edit(json!({"rename": {"topic": first, "label": "Money"}})));
    assert_eq!(label(&renamed, first), Some(json!("Money")));
    let split = ok(&edit(json!({"split": {"topic": first, "k": 3}})));
    assert_eq!(split["topics"].as_array().unwrap().len(), 4);
    let merged = ok(&edit(
        json!({"merge": {"topics": [stored[0].id, stored[1].id], "label": "All"}}),
    ));
    assert_eq!(
        (
            merged["topics"].as_array().unwrap().len(),
            label(&merged, first)
        ),
        (3, Some(json!("All")))
    );
    // An article that goes meanwhile does not come back.
    let gone = ok(&api.get("/api/corpora/news/articles/a7"));
    let counted = u64::from(!gone["topics"].as_array().unwrap().is_empty());
    ok(&api.send("DELETE", "/api/corpora/news/articles/a7", &[], None));
    let undo = || api.post(&format!("{topics}/undo"), &json!({}));
    assert_eq!(merged["undos"], json!(3));
    let sizes = |list: &Value| {
        list["topics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["size"].as_u64().unwrap())
            .sum::<u64>()
    };
    let back = ok(&undo());
    assert_eq!(
        (back["topics"].as_array().unwrap().len(), sizes(&back)),
        (4, sizes(&merged) - counted)
    );
    let back = ok(&undo());
    assert_eq!(
        (
            back["topics"].as_array().unwrap().len(),
            label(&back, first)
        ),
        (2, Some(json!("Money")))
    );
    let back = ok(&undo());
    assert_eq!(label(&back, first), Some(json!(stored[0].label)));
    assert_eq!(back["undos"], json!(0));
    refused(&undo(), 409, "no_result", None);
    // What another program changed since is not undone.
    ok(&edit(json!({"rename": {"topic": first, "label": "Money"}})));
    let world = api.world.as_ref().unwrap();
    world.run(&format!("topics rename {first} Sport -c news.nearwise"));
    refused(&undo(), 409, "no_result", None);

    refused(
        &api.post(&format!("{topics}/fit"), &json!({"method": "guess"})),
        422,
        "invalid_parameter",
        None,
    );
    refused(
        &api.post(&format!("{topics}/fit"), &json!({"k": 0})),
        422,
        "invalid_parameter",
        Some("k"),
    );
    let begun = api.post(&format!("{topics}/fit"), &json!({"k": 3}));
    assert_eq!(begun.status, 202);
    let begun: Value = serde_json::from_slice(&begun.body).unwrap();
    let done = api.waited(&begun["job"]);
    assert_eq!(
        (&done["state"], &done["result"]["topics"]),
        (&json!("done"), &json!(3)),
        "{done}"
    );
    assert_eq!(done["what"], "fit_topics");
    // Its events end with what it did.
    let events = api.get(&format!(
        "/api/jobs/{}/events",
        begun["job"].as_str().unwrap()
    ));
    let text = String::from_utf8(events.body).unwrap();
    assert!(
        text.contains("event: progress\n")
            && text
                .trim_end()
                .rsplit("event: ")
                .next()
                .unwrap()
                .starts_with("done\n"),
        "{text}"
    );
    assert_eq!(ok(&api.get("/api/jobs"))[0]["id"], begun["job"]);
}

#[test]
fn the_map_is_laid_out_once_and_read_as_columns() {
    for writes in [true, false] {
        let api = news(|options| options.writable = writes);
        let reader = reader(&api);
        let map = "/api/corpora/news/map";
        refused(
            &api.post(&format!("{map}/about"), &json!({"rows": [0]})),
            409,
            "no_result",
            None,
        );
        let begun = api.get(map);
        assert_eq!(begun.status, 202);
        let begun: Value = serde_json::from_slice(&begun.body).unwrap();
        let done = api.waited(&begun["job"]);
        assert_eq!(
            (&done["state"], &done["result"]["stored"]),
            (&json!("done"), &json!(writes)),
            "{done}"
        );
        let again = Corpus::open(reader.path()).unwrap().reader().unwrap();
        assert_eq!(again.has_layout(42).unwrap(), writes);

        let answer = api.get(map);
        let head = ok(&answer);
        let tag = answer
            .headers
            .iter()
            .find(|h| h.0 == "etag")
            .unwrap()
            .1
            .clone();
        let known = api.send("GET", map, &[("if-none-match", &tag)], None);
        assert_eq!((known.status, known.body.len()), (304, 0));
        assert_eq!(head["points"], json!(60));
        let points = api.get(&format!("{map}/points"));
        assert_eq!(points.body.len(), 60 * 16);
        let column = |name: &str| -> Vec<i64> {
            let columns = head["columns"].as_array().unwrap();
            let column = columns.iter().find(|c| c["name"] == name).unwrap();
            let (offset, length) = (
                column["offset"].as_u64().unwrap() as usize,
                column["length"].as_u64().unwrap() as usize,
            );
            let bytes = &points.body[offset..offset + length];
            match column["type"].as_str().unwrap() {
                "u16" => bytes
                    .chunks(2)
                    .map(|b| i64::from(u16::from_le_bytes([b[0], b[1]])))
                    .collect(),
                "i16" => bytes
                    .chunks(2)
                    .map(|b| i64::from(i16::from_le_bytes([b[0], b[1]])))
                    .collect(),
                "i32" => bytes
                    .chunks(4)
                    .map(|b| i64::from(i32::from_le_bytes(b.try_into().unwrap())))
                    .collect(),
                _ => bytes
                    .chunks(4)
                    .map(|b| i64::from(u32::from_le_bytes(b.try_into().unwrap())))
                    .collect(),
            }
        };
        let (x, y, topic, source, day, key) = (
            column("x"),
            column("y"),
            column("topic"),
            column("source"),
            column("day"),
            column("key"),
        );
        assert_eq!((x.iter().min(), x.iter().max()), (Some(&0), Some(&65535)));
        assert_eq!((y.iter().min(), y.iter().max()), (Some(&0), Some(&65535)));
        assert!(source.iter().all(|&s| s == 0) && head["sources"][0]["name"] == "wire");
        let rows: Vec<usize> = (0..60).collect();
        let articles = ok(&api.post(
            &format!("{map}/articles"),
            &json!({"rows": rows, "version": head["version"]}),
        ));
        for (i, article) in articles.as_array().unwrap().iter().enumerate() {
            let stored = reader.article(article["id"].as_str().unwrap()).unwrap();
            assert_eq!(stored.key, key[i]);
            let number = topic[i];
            assert_eq!(head["topics"][number as usize]["id"], article["topic"]);
            let date = chrono::NaiveDate::default() + chrono::Days::new(day[i] as u64);
            assert_eq!(article["date"].as_str().unwrap(), date.to_string());
        }
        // The order looks random, and is no order of the articles.
        assert!(
            key.windows(2).filter(|k| k[0] < k[1]).count() < 45,
            "{key:?}"
        );
        if writes {
            // The places are those that the corpus holds, y turned over.
            let places = again.layout().unwrap();
            let bounds: Vec<f64> = head["bounds"]
                .as_array()
                .unwrap()
                .iter()
                .map(|b| b.as_f64().unwrap())
                .collect();
            for (i, &k) in key.iter().enumerate() {
                let place = places.iter().find(|p| p.0 == k).unwrap();
                let of = |v: i64, low: f64, high: f64| low + v as f64 / 65535.0 * (high - low);
                assert!((of(x[i], bounds[0], bounds[2]) - f64::from(place.1)).abs() < 1e-2);
                assert!((of(y[i], bounds[1], bounds[3]) + f64::from(place.2)).abs() < 1e-2);
            }
        }
        let asked: Vec<&Value> = articles
            .as_array()
            .unwrap()
            .iter()
            .map(|a| &a["id"])
            .collect();
        assert_eq!(
            ok(&api.post(&format!("{map}/rows"), &json!({"ids": asked})))["rows"],
            json!(rows)
        );
        assert_eq!(
            ok(&api.post(&format!("{map}/rows"), &json!({"ids": ["none"]})))["rows"],
            json!([null])
        );
        let field = ok(&api.get(&format!("{map}/field?name=month")));
        assert_eq!(field["values"].as_array().unwrap().len(), 12);
        let of = STANDARD.decode(field["of"].as_str().unwrap()).unwrap();
        for (i, &value) in of.iter().enumerate() {
            let date = articles[i]["date"].as_str().unwrap();
            assert_eq!(field["values"][value as usize]["value"], json!(date[..7]));
        }
        let chosen: Vec<usize> = (0..60).filter(|&i| topic[i] == 0).collect();
        let about = ok(&api.post(&format!("{map}/about"), &json!({"rows": chosen})));
        assert_eq!(about["articles"], json!(chosen.len()));
        assert_eq!(about["topics"][0]["id"], head["topics"][0]["id"]);
        let words = reader.topics().unwrap()[0].words.clone();
        assert!(
            words.iter().any(|w| about["terms"][0] == json!(w.0)),
            "{about} {words:?}"
        );
        refused(
            &api.post(&format!("{map}/articles"), &json!({"rows": [60]})),
            422,
            "invalid_parameter",
            Some("rows"),
        );
        refused(
            &api.post(
                &format!("{map}/articles"),
                &json!({"rows": [0], "version": "old"}),
            ),
            409,
            "no_result",
            None,
        );
        refused(
            &api.post(&format!("{map}/articles"), &json!({"rows": [-1]})),
            422,
            "invalid_parameter",
            None,
        );
        refused(
            &api.get(&format!("{map}/field?name=sauce")),
            422,
            "invalid_parameter",
            Some("name"),
        );
        if writes {
            // A new name is on the map at once.
            let id = head["topics"][0]["id"].clone();
            ok(&api.post(
                "/api/corpora/news/topics/edit",
                &json!({"rename": {"topic": id, "label": "Named"}}),
            ));
            let new = api.send("GET", map, &[("if-none-match", &tag)], None);
            assert_eq!(ok(&new)["topics"][0]["label"], "Named");
            // What came after it was laid out is counted, and has a place when that is asked for.
            let started = |answer: &Answer| {
                assert_eq!(answer.status, 202, "{}", answer.text());
                answer.json()["job"].clone()
            };
            assert_eq!(started(&api.post(map, &json!({}))), Value::Null);
            let late = json!([{"id": "late", "text": "The goal of the team in the city."}]);
            let added = ok(&api.post("/api/corpora/news/articles", &late));
            api.waited(&added["job"]);
            let behind = ok(&api.get(map));
            assert_eq!(
                (&behind["points"], &behind["missing"]),
                (&json!(60), &json!(1))
            );
            let done = api.waited(&started(&api.post(map, &json!({}))));
            assert_eq!(done["state"], "done", "{done}");
            let all = ok(&api.get(map));
            assert_eq!((&all["points"], &all["missing"]), (&json!(61), &json!(0)));
        }
    }
}

/// Sends a body of lines.
fn stream(api: &Api, path: &str, lines: &[u8]) -> Answer {
    let headers = [
        ("connection", "close"),
        ("content-type", "application/x-ndjson"),
    ];
    let mut stream = api.connect();
    let request = crate::common::request("POST", path, &headers, Some(lines));
    stream.write_all(&request).unwrap();
    Answer::read(&mut stream)
}

#[test]
fn articles_are_added_replaced_and_deleted() {
    let api = news(writable);
    let articles = "/api/corpora/news/articles";
    let added = ok(&api.post(articles, &json!([
        {"id": "new/1", "title": "A storm", "text": "The storm broke the bridge.", "date": "2025-06-01", "source": "x", "metadata": {"n": 1}},
        {"id": "a7", "title": "Title 7", "text": "Another text."},
        {"id": "new/1", "text": "again"},
        {"id": "bad", "date": "2025-01-01"},
        {"id": "odd", "text": "a", "colour": 3},
        17,
    ])));
    assert_eq!(
        (&added["added"], &added["replaced"], &added["unchanged"]),
        (&json!(2), &json!(1), &json!(0))
    );
    let lines: Vec<u64> = added["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 4, 6], "{added}");
    // Found by words at once, by meaning when the job is done.
    let found = ok(&api.get("/api/corpora/news/search?q=storm+bridge&by=words"));
    assert_eq!(found["hits"][0]["id"], "new/1");
    let done = api.waited(&added["job"]);
    assert_eq!(
        (&done["state"], &done["result"]["embedded"]),
        (&json!("done"), &json!(3)),
        "{done}"
    );
    assert_eq!(
        ok(&api.get(&format!("{articles}/odd")))["metadata"],
        json!({"colour": 3})
    );
    let shown = ok(&api.get(&format!("{articles}/{}", encoded("new/1"))));
    assert_eq!(
        (&shown["embedded"], &shown["metadata"]["n"]),
        (&json!(true), &json!(1))
    );

    let text = b"\xef\xbb\xbf{\"id\": \"l1\", \"text\": \"one\"}\r\n\n{\"id\": \"l2\", \"text\": \n{\"id\": \"l3\", \"text\": \"\xff\"}\n\
        {\"id\": \"a7\", \"text\": \"kept\"}\n{\"id\": \"l4\", \"text\": \"four\", \"topic\": 3, \"topic_label\": \"x\"}";
    let added = ok(&stream(&api, &format!("{articles}?replace=false"), text));
    assert_eq!(
        (&added["added"], &added["skipped_total"]),
        (&json!(2), &json!(3)),
        "{added}"
    );
    let mut lines: Vec<u64> = added["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["line"].as_u64().unwrap())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [3, 4, 5]);
    assert_eq!(
        ok(&api.get(&format!("{articles}/a7")))["text"],
        "Another text."
    );

    // What cannot be used at all is no success.
    for (body, said) in [
        (json!({"id": "z", "author": "x"}), "text"),
        (json!([{"id": "z"}, 17]), "none of the 2"),
    ] {
        let answer = api.post(articles, &body);
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    // More than one transaction.
    let many: String = (0..2500)
        .map(|i| format!("{{\"id\": \"m{i}\", \"text\": \"Text number {i}.\"}}\n"))
        .collect();
    let added = ok(&stream(&api, articles, many.as_bytes()));
    assert_eq!(added["added"], json!(2500));
    assert_eq!(api.waited(&added["job"])["state"], "done");
    let again = ok(&stream(&api, articles, many.as_bytes()));
    assert_eq!(
        (&again["unchanged"], &again["job"]),
        (&json!(2500), &Value::Null)
    );

    let put = |id: &str, body: Value| {
        api.send(
            "PUT",
            &format!("{articles}/{}", encoded(id)),
            &[],
            Some(&body),
        )
    };
    assert_eq!(
        ok(&put("p", json!({"text": "Put here."})))["added"],
        json!(1)
    );
    assert_eq!(
        ok(&put("p", json!({"id": "p", "text": "Put again."})))["replaced"],
        json!(1)
    );
    refused(
        &put("p", json!({"id": "q", "text": "x"})),
        422,
        "invalid_parameter",
        Some("id"),
    );
    refused(&put("p", json!({"title": ""})), 422, "invalid_input", None);
    refused(
        &put(" p", json!({"text": "x"})),
        422,
        "invalid_parameter",
        Some("id"),
    );
    let delete = |id: &str| api.send("DELETE", &format!("{articles}/{}", encoded(id)), &[], None);
    assert_eq!(ok(&delete("p"))["deleted"], json!(1));
    refused(&delete("p"), 404, "not_found", None);
    refused(
        &stream(&api, &format!("{articles}?replace=maybe"), b""),
        422,
        "invalid_parameter",
        None,
    );
    assert_eq!(ok(&stream(&api, articles, b"\n\n"))["added"], json!(0));
}

#[test]
fn ids_are_whatever_they_are() {
    let api = news(writable);
    let ids = [
        "a/b/../c",
        "..",
        "ä€😀",
        "a b",
        "%2F",
        "?q=1#x",
        "a\\b",
        "'; DROP TABLE article; --",
        "\u{202e}abc",
        "<script>",
        "a&b",
        "null",
    ];
    let list: Vec<Value> = ids
        .iter()
        .map(|id| json!({"id": id, "text": "The goal of the team in the city."}))
        .collect();
    let added = ok(&api.post("/api/corpora/news/articles", &json!(list)));
    assert_eq!(added["added"], json!(ids.len()), "{added}");
    api.waited(&added["job"]);
    for id in ids {
        let path = format!("/api/corpora/news/articles/{}", encoded(id));
        assert_eq!(ok(&api.get(&path))["id"], json!(id));
        let near = ok(&api.get(&format!("{path}/neighbours?k=3")));
        assert!(!ids_of(&near).contains(&id.to_string()));
        assert_eq!(
            ok(&api.send("DELETE", &path, &[], None))["deleted"],
            json!(1)
        );
        refused(&api.get(&path), 404, "not_found", None);
    }
    for id in ["\u{0}", "a\nb", "\u{7f}", "\u{1b}[2J"] {
        refused(
            &api.get(&format!("/api/corpora/news/articles/{}", encoded(id))),
            404,
            "not_found",
            None,
        );
    }
}

fn ids_of(answer: &Value) -> Vec<String> {
    ids(&answer["hits"])
}

#[test]
fn several_write_and_read_at_once() {
    let api = news(writable);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let api = &api;
            scope.spawn(move || {
                for i in 0..5 {
                    let id = format!("w{writer}-{i}");
                    let added = ok(&api.post(
                        "/api/corpora/news/articles",
                        &json!({"id": id, "text": format!("Written by {writer}: {i}.")}),
                    ));
                    assert_eq!(added["added"], json!(1));
                }
            });
        }
        for _ in 0..3 {
            let api = &api;
            scope.spawn(move || {
                for _ in 0..10 {
                    let found =
                        ok(&api.get("/api/corpora/news/search?q=minister&k=100&facets=source"));
                    // One snapshot: as many as are counted.
                    let counted = found["facets"]["articles"].as_u64().unwrap() as usize;
                    assert_eq!(ids_of(&found).len(), counted);
                    ok(&api.get("/api/corpora/news/articles?limit=500"));
                    ok(&api.get("/api/corpora"));
                }
            });
        }
    });
    let last = ok(&api.post(
        "/api/corpora/news/articles",
        &json!({"id": "last", "text": "The last one."}),
    ));
    api.waited(&last["job"]);
    let info = ok(&api.get("/api/corpora/news"));
    assert_eq!(
        (&info["articles"], &info["pending"]),
        (&json!(81), &json!(0))
    );
}

#[test]
fn topics_are_found_while_others_write() {
    let api = news(writable);
    // So many that finding takes far longer than writing one.
    let lines: String = wire(4000, 40)
        .lines()
        .map(|line| {
            let article: Value = serde_json::from_str(line).unwrap();
            let id = format!("more-{}", article["number"]);
            format!("{}\n", json!({"id": id, "text": article["text"]}))
        })
        .collect();
    let added = ok(&stream(
        &api,
        "/api/corpora/news/articles",
        lines.as_bytes(),
    ));
    assert_eq!(added["added"], json!(4000), "{added}");
    api.waited(&added["job"]);
    let is_running = |job: &str| {
        let info = ok(&api.get(&format!("/api/jobs/{job}")));
        (info["state"] == "running", !info["progress"].is_null())
    };
    let mut meanwhile = 0;
    // Whoever looks may be late on a busy machine, and looks again.
    for round in 0..5 {
        let begun = api.post("/api/corpora/news/topics/fit", &json!({"k": 3 + round}));
        assert_eq!(begun.status, 202);
        let begun = begun.json();
        let job = begun["job"].as_str().unwrap();
        while is_running(job) == (true, false) {
            std::thread::yield_now();
        }
        let late = json!({"id": format!("late-{round}"), "text": "The bank and the market."});
        let late = ok(&api.post("/api/corpora/news/articles", &late));
        assert_eq!(late["added"], json!(1));
        meanwhile += usize::from(is_running(job).0);
        let done = api.waited(&begun["job"]);
        let topics = &done["result"]["topics"];
        assert_eq!(
            (&done["state"], topics),
            (&json!("done"), &json!(3 + round))
        );
        api.waited(&late["job"]);
        let article = ok(&api.get(&format!("/api/corpora/news/articles/late-{round}")));
        assert_eq!(article["embedded"], json!(true));
        if meanwhile > 0 {
            return;
        }
    }
    panic!("each article was stored only after the topics had been found");
}

#[test]
fn another_program_that_writes_is_waited_for_a_while() {
    let api = news(writable);
    let path = api.world.as_ref().unwrap().path("news.nearwise");
    let writer = Corpus::open(path).unwrap().writer().unwrap();
    let busy = api.post(
        "/api/corpora/news/articles",
        &json!({"id": "x", "text": "y"}),
    );
    refused(&busy, 503, "busy", None);
    assert!(
        busy.headers.iter().any(|h| h.0 == "retry-after"),
        "{busy:?}"
    );
    // Reading goes on meanwhile.
    ok(&api.get("/api/corpora/news/search?q=goal"));
    drop(writer);
    ok(&api.post(
        "/api/corpora/news/articles",
        &json!({"id": "x", "text": "y"}),
    ));
}

#[test]
fn what_waits_is_found_by_words_where_no_model_is() {
    // A corpus of vectors of another model: by words all is found, by meaning nothing can be.
    let world = World::new();
    let corpus = Corpus::create(world.path("own.nearwise")).unwrap();
    let mut writer = corpus.writer().unwrap();
    writer
        .bind(&nearwise::encoder::Identity::external("mine", 4))
        .unwrap();
    let article = Article {
        id: Some("v".into()),
        text: "A goal.".into(),
        ..Article::default()
    };
    writer
        .add([(article, vec![1.0, 0.0, 0.0, 0.0])], &Job::new())
        .unwrap();
    drop(writer);
    let mut options = ServeOptions {
        encoder: model(),
        writable: true,
        ..options()
    };
    options.corpora = vec![CorpusAt {
        name: "own".into(),
        path: world.path("own.nearwise"),
    }];
    let mut api = Api::start(options);
    api.world = Some(world);
    assert_eq!(
        ids_of(&ok(&api.get("/api/corpora/own/search?q=goal&by=words"))),
        ["v"]
    );
    refused(
        &api.get("/api/corpora/own/search?q=goal"),
        409,
        "wrong_model",
        None,
    );
    let similar = ok(&api.post(
        "/api/corpora/own/similar",
        &json!({"like": [[0.5, 0.5, 0.0, 0.0]]}),
    ));
    assert_eq!(ids_of(&similar), ["v"]);
    let added = ok(&api.post(
        "/api/corpora/own/articles",
        &json!({"id": "w", "text": "A second goal."}),
    ));
    let ended = api.waited(&added["job"]);
    assert_eq!(
        (&ended["state"], &ended["error"]["kind"]),
        (&json!("failed"), &json!("wrong_model"))
    );
    assert_eq!(
        ids_of(&ok(&api.get("/api/corpora/own/search?q=second&by=words"))),
        ["w"]
    );
    refused(&api.get("/api/corpora/own/topics"), 404, "not_found", None);
    refused(
        &api.get("/api/corpora/own/topics/tree"),
        404,
        "not_found",
        None,
    );
}

#[test]
fn keys_that_may_only_read_change_nothing() {
    let api = news(|options| {
        options.writable = true;
        options.api_keys = vec![
            ApiKey::new(Access::Read, "reads"),
            ApiKey::new(Access::Full, "writes"),
        ];
    });
    let with = |key: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {key}");
        api.send(method, path, &[("authorization", &bearer)], None)
    };
    let path = "/api/corpora/news/articles/a1";
    assert_eq!(api.get(path).status, 401);
    ok(&with("reads", "GET", path));
    refused(&with("reads", "DELETE", path), 403, "read_only", None);
    // What a key may not do is not offered to it.
    for (key, writable) in [("reads", false), ("writes", true)] {
        let all = ok(&with(key, "GET", "/api/corpora"));
        let one = ok(&with(key, "GET", "/api/corpora/news"));
        assert_eq!(
            (&all[0]["writable"], &one["writable"]),
            (&json!(writable), &json!(writable))
        );
    }
    ok(&with("writes", "DELETE", path));
    assert_eq!(api.get("/docs").status, 200);
}

#[test]
fn the_corpus_is_written_out() {
    let api = news(|_| {});
    let world = api.world.as_ref().unwrap();
    for (query, expected) in [
        ("format=jsonl", "export -c news.nearwise --format jsonl"),
        (
            "format=csv&vectors=true",
            "export -c news.nearwise --format csv --vectors",
        ),
        (
            "filter=number%20%3C%2010",
            "export -c news.nearwise --format jsonl --where number<10",
        ),
    ] {
        let answer = api.get(&format!("/api/corpora/news/export?{query}"));
        assert_eq!(answer.status, 200);
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            world.run(expected),
            "{query}"
        );
    }
    let parquet = api.get("/api/corpora/news/export?format=parquet");
    world.run("export -c news.nearwise --out all.parquet");
    assert_eq!(
        parquet.body,
        std::fs::read(world.path("all.parquet")).unwrap()
    );
    assert!(
        parquet
            .headers
            .iter()
            .any(|h| h.0 == "content-disposition" && h.1.contains("news.parquet"))
    );
    refused(
        &api.get("/api/corpora/news/export?filter=sauce%3D1"),
        422,
        "invalid_filter",
        Some("filter"),
    );
    refused(
        &api.get("/api/corpora/news/export?format=xml"),
        422,
        "invalid_parameter",
        None,
    );
}
