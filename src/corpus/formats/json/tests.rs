use super::*;
use crate::corpus::formats::testing::{Seen, seen};
use crate::corpus::inputs::ReadOptions;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Cursor;

fn read_json(stream: impl Read) -> Seen {
    seen("j", &ReadOptions::default(), |context| {
        read(stream, &mut Decoder::default(), context)
    })
}

fn of(text: &str) -> Seen {
    read_json(Cursor::new(text.to_string()))
}

fn with_text_columns(text: &str) -> Seen {
    let mut options = ReadOptions::default();
    options.columns.text = Some("lead,body".to_string());
    seen("j", &options, |context| {
        let stream = Cursor::new(text.to_string());
        read(stream, &mut Decoder::default(), context)
    })
}

#[test]
fn one_of_several_columns_is_enough_wherever_articles_are() {
    // In a list, in an object below each item, and by their keys.
    for text in [
        r#"{"status": "ok", "articles": [{"title": "A", "body": "a"}, {"title": "B", "lead": "b"}]}"#,
        r#"{"_id": "1", "_source": {"title": "A", "body": "a"}} {"_id": "2", "_source": {"title": "B", "lead": "b"}}"#,
        r#"{"x": {"title": "A", "body": "a"}, "y": {"title": "B", "lead": "b"}}"#,
    ] {
        assert_eq!(with_text_columns(text).texts(), ["a", "b"], "{text}");
    }
    // An article is none of those in it, however long it is.
    let n = LARGE + (1 << 10);
    let items = r#"[{"lead": "no", "body": "no"}]"#;
    let long = format!(
        r#"{{"body": "a", "items": {items}, "more": "{}"}}"#,
        "x".repeat(n)
    );
    for text in [long.clone(), format!("[{long}]"), format!("\n {long}")] {
        assert_eq!(with_text_columns(&text).texts(), ["a"]);
    }
}

#[test]
fn one_object_in_any_layout() {
    let pretty = "{\n  \"title\": \"A\",\n  \"text\": \"x\",\n  \"tags\": [\n    {\"text\": \"no\"}\n  ]\n}\n";
    assert_eq!(of(pretty).good(), [("x", 1)]);
    assert_eq!(of(&pretty.replace('\n', "\r\n")).good(), [("x", 1)]);
    assert_eq!(
        of(&format!("{pretty}\n{pretty}")).good(),
        [("x", 1), ("x", 9)]
    );
    let lines = "{\"text\": \"a\"}\r\n\r\n{\"text\": \"b\"}\n{\"text\": \"c\"}";
    assert_eq!(of(lines).good(), [("a", 1), ("b", 3), ("c", 4)]);
    // One after the other on a line, lines with commas, records of RFC 7464.
    assert_eq!(
        of("{\"text\": \"a\"}{\"text\": \"b\"} {\"text\": \"c\"}\n{\"text\": \"d\"}").good(),
        [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
    );
    assert_eq!(
        of("{\"text\": \"a\"},\n{\"text\": \"b\"},\n").good(),
        [("a", 1), ("b", 2)]
    );
    assert_eq!(
        of("\u{1e}{\"text\": \"a\"}\n\u{1e}{\"text\": \"b\"}\n").good(),
        [("a", 1), ("b", 2)]
    );
}

#[test]
fn lists_of_objects() {
    let list = json!([{"text": "a"}, {"text": "b", "n": [1, {"x": "]"}]}]);
    assert_eq!(of(&list.to_string()).good(), [("a", 1), ("b", 2)]);
    let pretty = serde_json::to_string_pretty(&list).unwrap();
    assert_eq!(of(&pretty).good(), [("a", 1), ("b", 2)]);
    // A page of answers a line, and what browsers get.
    assert_eq!(of(&format!("{list}\n{list}")).good().len(), 4);
    assert_eq!(of(&format!("[{list}, {list}]")).good().len(), 4);
    assert_eq!(
        of(&format!("window.YTD.tweets.part0 = {pretty};"))
            .good()
            .len(),
        2
    );
    assert_eq!(of(&format!("callback({list});\n")).good().len(), 2);
    assert!(of("[]").good().is_empty());
}

#[test]
fn lists_inside_objects() {
    let articles = json!([{"title": "A", "content": "a"}, {"title": "B", "content": "b"}]);
    for (name, envelope) in [
        (
            "articles",
            json!({"status": "ok", "description": "All news", "articles": articles, "more": [{"n": 1}]}),
        ),
        ("data", json!({"data": articles, "meta": {"next": null}})),
        (
            "response.docs",
            json!({"header": {"q": "x"}, "response": {"found": 2, "docs": articles}}),
        ),
        ("odd", json!({"odd": articles})),
    ] {
        for text in [
            envelope.to_string(),
            serde_json::to_string_pretty(&envelope).unwrap(),
        ] {
            let seen = of(&text);
            assert_eq!(seen.good(), [("a", 1), ("b", 2)], "{text}");
            assert!(
                seen.notes[0].starts_with(&format!("j, list {name}: columns ")),
                "{:?}",
                seen.notes
            );
            // An answer a line.
            let line = envelope.to_string();
            assert_eq!(of(&format!("{line}\n{line}\n")).good().len(), 4);
        }
    }
    let wrapped = json!({"hits": {"hits": [{"_id": "7", "_source": {"text": "a", "n": 1}}]}});
    let seen = of(&wrapped.to_string());
    assert_eq!(seen.good(), [("a", 1)]);
    assert_eq!(seen.articles[0].id.as_deref(), Some("7"));
    let tweet = json!([{"tweet": {"full_text": "a"}}]);
    assert_eq!(of(&tweet.to_string()).good(), [("a", 1)]);
    // An article that holds lists is one.
    let article = json!({"text": "a", "items": [{"text": "no"}], "comments": [{"text": "no"}]});
    assert_eq!(of(&article.to_string()).good(), [("a", 1)]);
    let article = json!({"description": "a", "comments": [{"text": "no"}]});
    assert_eq!(of(&article.to_string()).good(), [("a", 1)]);
}

#[test]
fn tables_as_objects() {
    let pandas = json!({"title": {"0": "A", "1": "B"}, "text": {"0": "a", "1": "b"}, "n": {"0": 1, "1": null}});
    let seen = of(&pandas.to_string());
    assert_eq!(seen.good(), [("a", 1), ("b", 2)]);
    assert_eq!(
        (seen.articles[1].title.as_str(), &seen.articles[0].meta["n"]),
        ("B", &json!(1))
    );
    let keyed =
        json!({"k1": {"title": "A", "text": "a"}, "k2": {"title": "B", "text": "b", "id": 7}});
    let seen = of(&serde_json::to_string_pretty(&keyed).unwrap());
    assert_eq!(seen.good(), [("a", 1), ("b", 2)]);
    let ids: Vec<&str> = seen
        .articles
        .iter()
        .map(|a| a.id.as_deref().unwrap())
        .collect();
    assert_eq!(ids, ["k1", "7"]);
}

#[test]
fn a_bad_object_costs_no_other() {
    // A line that was cut off in a string, behind a value, in a list; no object.
    for bad in [
        "{\"text\": \"cut",
        "{\"text\": \"a\", \"n\": 1",
        "{\"n\": [1, 2",
        "hello",
        "[1]",
        "{\"n\": 1}",
        "17",
    ] {
        let seen = of(&format!(
            "{{\"text\": \"a\"}}\n{bad}\n{{\"text\": \"b\"}}\n{{\"text\": \"c\"}}\n"
        ));
        assert_eq!(seen.bad.len(), 1, "{bad}: {:?}", seen.bad);
        assert!(seen.bad[0].starts_with("j:2: "), "{:?}", seen.bad);
        let texts: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "c"], "{bad}");
    }
    let list = "[\n  {\"text\": \"a\"},\n  {\"text\": \"open},\n  {\"text\": \"b\"},\n  7,\n  {\n    \"text\": }\n  ,\n  {\"text\": \"c\"}\n]\n";
    let seen = of(list);
    let texts: Vec<&str> = seen.articles.iter().map(|a| a.text.as_str()).collect();
    assert_eq!(texts, ["a", "b", "c"]);
    assert!(
        seen.bad[0].starts_with("j:3: item 2: the object that begins here does not end"),
        "{:?}",
        seen.bad
    );
    assert!(
        seen.bad[1].starts_with("j:5: item 4: not a JSON object (a number"),
        "{:?}",
        seen.bad
    );
    assert!(
        seen.bad[2].starts_with("j:6: item 5: not a JSON object"),
        "{:?}",
        seen.bad
    );
    let cut = of("[{\"text\": \"a\"},\n{\"text\": \"b\"},\n{\"tex");
    assert_eq!(cut.pairs(), [("a", 1), ("b", 2)]);
    assert!(cut.bad[0].starts_with("j:3: item 3: the object that begins here does not end"));
    assert!(cut.bad[1].contains("ends within a list"), "{:?}", cut.bad);
    let open = of("{\"text\":\n\"a\",\n{\"text\": \"b\"}\n");
    assert_eq!(open.pairs(), [("b", 3)]);
}

/// `start`, then `piece` for so many bytes, then `end`.
fn long(start: &str, piece: &'static str, bytes: u64, end: &str) -> impl Read {
    let times = bytes as usize / piece.len();
    let middle = Pieces {
        piece: piece.as_bytes(),
        left: times * piece.len(),
    };
    Cursor::new(start.to_string())
        .chain(middle)
        .chain(Cursor::new(end.to_string()))
}

struct Pieces {
    piece: &'static [u8],
    left: usize,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.left.min(out.len());
        for byte in &mut out[..n] {
            *byte = self.piece[self.piece.len() - 1 - (self.left - 1) % self.piece.len()];
            self.left -= 1;
        }
        Ok(n)
    }
}

#[test]
fn limits_are_one_bad_row_each() {
    let end = "\"}\n{\"text\": \"b\"}\n";
    let seen = read_json(long("{\"text\": \"", "aaaa", 3 * LONGEST, end));
    assert_eq!(
        (seen.bad.len(), seen.pairs()),
        (1, vec![("b", 2)]),
        "{:?}",
        seen.bad
    );
    assert!(seen.bad[0].starts_with("j:1: a line longer than 64 MiB"));
    let seen = read_json(long(
        "[\n {\"n\": 1,\n\"text\": \"",
        "ab\\n",
        2 * LONGEST,
        "\"},\n {\"text\": \"b\"}\n]",
    ));
    assert_eq!(
        (seen.bad.len(), seen.pairs()),
        (1, vec![("b", 2)]),
        "{:?}",
        seen.bad
    );
    assert!(seen.bad[0].starts_with("j:2: item 1: an object longer than 64 MiB"));
    // Many values in few bytes, names that are too many or too long.
    let values = format!(
        "{{\"text\": \"a\", \"n\": [{}1]}}\n{{\"text\": \"b\"}}",
        "1,".repeat(MOST_VALUES)
    );
    let seen = of(&values);
    assert!(
        seen.bad[0].contains("more than 1048576 values"),
        "{:?}",
        seen.bad
    );
    assert_eq!(seen.pairs(), [("b", 2)]);
    let names: Vec<String> = (0..=MOST_COLUMNS).map(|i| format!("\"k{i}\": 1")).collect();
    let seen = of(&format!("{{\"text\": \"a\", {}}}", names.join(", ")));
    assert!(
        seen.bad[0].contains("more than 16384 keys"),
        "{:?}",
        seen.bad
    );
    let seen = of(&format!(
        "{{\"text\": \"a\", \"{}\": 1}}",
        "k".repeat(LONGEST_NAMES)
    ));
    assert!(seen.bad[0].contains("longer than 1 MiB"), "{:?}", seen.bad);
    let deep = format!(
        "{}1{}\n{{\"text\": \"b\"}}",
        "[".repeat(1 << 20),
        "]".repeat(1 << 20)
    );
    let seen = of(&deep);
    assert_eq!(
        (seen.bad.len(), seen.articles.len()),
        (1, 1),
        "{:?}",
        seen.bad
    );
}

#[test]
fn a_list_larger_than_any_object_may_be() {
    let item = "{\"text\": \"one item of a list that is longer than what is kept of it\"},";
    for start in ["[", "{\"status\": \"ok\", \"response\": {\"docs\": ["] {
        let end = if start == "[" {
            "{\"text\": \"last\"}]"
        } else {
            "{\"text\": \"last\"}]}}\n{\"text\": \"after\"}"
        };
        let seen = read_json(long(start, item, LONGEST + (1 << 20), end));
        let n = (LONGEST + (1 << 20)) / item.len() as u64;
        assert_eq!(seen.bad, [""; 0]);
        assert!(seen.articles.len() as u64 > n, "{}", seen.articles.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases::cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn articles_come_back_from_any_layout(
        texts in proptest::collection::vec("[a-z\"\\\\{}\\[\\],:é\n]{1,20}", 1..8),
        layout in 0usize..6,
    ) {
        let objects: Vec<Value> = texts.iter().map(|t| json!({"text": format!("x{t}x"), "n": [{"a": t}]})).collect();
        let each: Vec<String> = objects.iter().map(ToString::to_string).collect();
        let pretty: Vec<String> = objects.iter().map(|o| serde_json::to_string_pretty(o).unwrap()).collect();
        let text = match layout {
            0 => each.join("\n"),
            1 => each.concat(),
            2 => pretty.join("\n"),
            3 => json!(objects).to_string(),
            4 => serde_json::to_string_pretty(&json!(objects)).unwrap(),
            _ => serde_json::to_string_pretty(&json!({"total": 3, "results": objects})).unwrap(),
        };
        let seen = of(&text);
        prop_assert_eq!(&seen.bad, &Vec::<String>::new());
        prop_assert_eq!(seen.articles.len(), texts.len());
        for (article, text) in seen.articles.iter().zip(&texts) {
            let same = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(same(&format!("{}{}", article.title, article.text)), same(&format!("x{text}x")));
        }
        let mut rows: Vec<u64> = seen.articles.iter().map(|a| a.row.unwrap()).collect();
        rows.dedup();
        prop_assert_eq!(rows.len(), texts.len());
    }

    #[test]
    fn anything_is_read_to_its_end(text in "[\\[\\]{},:\"\\\\a1\n -]{0,80}", cut in 0usize..200) {
        let _ = of(&text);
        let right = r#"{"a": {"docs": [{"text": "x\"y", "n": [1, {"z": null}]}, {"text": "b"}]}}"#;
        let mut bytes = right.as_bytes().to_vec();
        let at = cut % bytes.len();
        bytes.splice(at..at, text.bytes());
        let _ = read_json(Cursor::new(bytes));
        let _ = of(&right[..at]);
    }
}
