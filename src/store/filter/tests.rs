//! Filters as text, as JSON, in SQL and by hand: examples, mistakes and limits.

use super::oracle::{by_hand, by_sqlite, connection, metadata};
use super::parse::{DEPTH, parse};
use super::tree::LEVELS;
use super::{Field, Filter, Value};
use crate::error::ErrorKind;

fn lets_through(expression: &str) -> Vec<String> {
    let filter = parse(expression, Some(&metadata())).unwrap();
    let found = by_sqlite(&connection(), &filter).unwrap();
    assert_eq!(found, by_hand(&filter), "{expression}");
    assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
    found
}

#[test]
fn comparisons() {
    for (expression, ids) in [
        (r#"source = "x""#, "a"),
        ("date >= 2016-03-01 AND date <= 2016-03-01", "a"),
        ("date = 2016-03", "a b"),
        ("date >= 2016", "a b d 2016"),
        ("date > 2016-03-01", "b d"),
        ("date IN (2016-03-02, 2017)", "b d"),
        ("words > 100", "a 2016"),
        ("words = 90", "b"),
        (r#"section IN ("tv", "sport")"#, "a b"),
        (r#"section NOT IN ("tv")"#, "a c d 2016"),
        (r#"words IN (90, "none", "600")"#, "a b c"),
        ("words BETWEEN 50 AND 100", "b"),
        ("words NOT BETWEEN 50 AND 100", "a c d 2016"),
        (r#"title ~ "100%""#, "b"),
        (r#"title ~ "budget""#, "a"),
        (r#"title ~ "VOTE""#, "a"),
        (r#"title ~ "ärger""#, ""),
        (r#"title contains "_""#, "b"),
        (r#"title = "O'Brien""#, "c"),
        ("title = 'O''Brien'", "c"),
        ("source IS NULL", "c"),
        ("NOT source = 'x'", "b c d 2016"),
        ("NOT NOT source = 'x'", "a"),
        ("source = 'x' OR source = 'y' AND url IS NULL", "a"),
        ("(source = 'x' OR source = 'y') AND url IS NOT NULL", "b"),
        ("`odd name` = 1", "a"),
        ("topic = 4", "a"),
        (r#"topic = "football, cup""#, "a"),
        (r#"topic IN (12, "football, cup")"#, "a 2016"),
        ("`topic` = 7", "a"),
        ("`Title` = 'own'", "a"),
        ("Title = 'own'", ""),
        ("`source` = 'x'", "a"),
        ("größe = 1.5", "c d"),
        ("Section = 'tv'", "b"),
        ("words = 90 OR WORDS = 3", "b c"),
        ("`not` = true", "b"),
        ("tags = 'bridge'", "a d"),
        ("Tags = 'local'", "a c"),
        ("tags != 'bridge'", "c"),
        ("NOT tags = 'bridge'", "b c 2016"),
        ("tags IN ('bridge', 90)", "a c d"),
        ("tags NOT IN ('local')", "b d 2016"),
        ("tags ~ 'RIDG'", "a d"),
        ("tags > 100", "c"),
        ("tags BETWEEN 100 AND 500", ""),
        ("tags BETWEEN 80 AND 100", "c"),
        ("tags IS NULL", "b 2016"),
        ("tags IS NOT NULL", "a c d"),
        ("tags.name = 'Ann'", "c"),
        ("author.name = 'Ann'", "a b"),
        ("author.name != 'Ann'", "2016"),
        ("AUTHOR.langs = 'en' AND author.langs = 'de'", "a"),
        ("author.name.first = 'x'", "2016"),
        ("author.name IS NULL", "c d"),
        ("author.nothing = 'x'", ""),
        // Neighbours that f64 does not tell apart, as numbers and as a text.
        ("tweet = 1700000000000000001", "a"),
        ("tweet = 1700000000000000002", "b"),
        ("tweet != 1700000000000000001", "b c"),
        ("tweet > 1700000000000000001", "b"),
        ("tweet <= 1700000000000000001", "a c"),
        (
            "tweet IN (1700000000000000002, -1700000000000000003)",
            "b c",
        ),
        (
            "tweet BETWEEN 1700000000000000002 AND 1700000000000000003",
            "b",
        ),
        ("tweet > 1700000000000000000.5e0", "a b"),
        ("tweet ~ 1700000000000000002", "b"),
        ("date = 'March 2, 2016'", "b"),
        ("date >= 20160302", "b d"),
    ] {
        assert_eq!(lets_through(expression).join(" "), ids, "{expression}");
    }
}

#[test]
fn mistakes_are_located() {
    for (expression, position, part) in [
        ("sorce = 'x'", 1, "no field \"sorce\"; there are id, title,"),
        ("id = 'é' AND `sorce` = 'x' AND", 14, "no field"),
        ("source = x", 10, "quotes"),
        ("source = 'x", 10, "closing"),
        ("source", 7, "expected ="),
        ("source = 'x' source", 14, "expected AND"),
        ("(source = 'x'", 14, "expected )"),
        ("", 1, "expected a field"),
        ("source = 'x'; DROP TABLE article", 13, "unexpected"),
        ("source = 1e999", 10, "value"),
        ("source IN ()", 12, "expected a value"),
        ("date = 2025-13-45", 8, "\"2025-13-45\" is no date"),
        (
            "id = 'a' OR date IN (2016, 'soon')",
            28,
            "\"soon\" is no date",
        ),
        ("nothing.at.all = 1", 1, "no field"),
    ] {
        let error = parse(expression, Some(&[])).unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidFilter { position },
            "{error}"
        );
        assert!(error.message().contains(part), "{expression}: {error}");
        let place = format!(", at character {position}: ");
        assert!(error.message().contains(&place), "{expression}: {error}");
    }
    // Without a corpus any field will do; with one, a filter that is data is looked at as well.
    let filter = Filter::parse("sorce = 'x'").unwrap();
    let error = by_sqlite(&connection(), &filter).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidFilter { position: 0 });
    assert!(
        error
            .to_string()
            .starts_with("filter: no field \"sorce\"; there are id, ")
    );
}

#[test]
fn json() {
    let filter = Filter::eq(Field::metadata("title"), "own")
        .and(Filter::between("words", 1, 2.5).not())
        .and(Filter::contains("text", "t").or(Filter::is_null("url")))
        .and(Filter::one_of("source", ["x", "y"]));
    let text = r#"{"and":[
        {"compare":{"field":{"metadata":"title"},"op":"=","value":"own"}},
        {"not":{"between":{"field":"words","low":1.0,"high":2.5}}},
        {"or":[{"contains":{"field":"text","text":"t"}},{"is_null":{"field":"url"}}]},
        {"in":{"field":"source","values":["x","y"]}}]}"#;
    assert_eq!(serde_json::from_str::<Filter>(text).unwrap(), filter);
    let compact: String = text.split_whitespace().collect();
    assert_eq!(serde_json::to_string(&filter).unwrap(), compact);
    let long = r#"{"compare":{"field":"a","op":"=","value":9007199254740993}}"#;
    let filter: Filter = serde_json::from_str(long).unwrap();
    assert_eq!(filter, Filter::eq("a", 9_007_199_254_740_993_i64));
    assert_eq!(serde_json::to_string(&filter).unwrap(), long);
    let nearer: Filter = serde_json::from_str(&long.replace("40993", "40992")).unwrap();
    assert_eq!(nearer, Filter::eq("a", 9_007_199_254_740_992.0));
    for (wrong, part) in [
        (
            r#"{"compare":{"field":"a","op":"=","value":null}}"#,
            "a string, a number",
        ),
        (
            r#"{"compare":{"field":"a","op":"=","value":1,"x":1}}"#,
            "unknown field",
        ),
        (
            r#"{"compare":{"field":1,"op":"=","value":1}}"#,
            "a field: its name",
        ),
        (
            r#"{"compare":{"field":"a","op":"~","value":1}}"#,
            "unknown variant",
        ),
        (r#"{"xor":[]}"#, "unknown variant"),
    ] {
        let error = serde_json::from_str::<Filter>(wrong)
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{wrong}: {error}");
    }
}

#[test]
fn nothing_and_one() {
    let one = Filter::eq("source", "x");
    let none = Filter::In {
        field: "url".into(),
        values: Vec::new(),
    };
    let c = connection();
    for filter in [
        Filter::And(Vec::new()),
        Filter::Or(Vec::new()),
        Filter::And(Vec::new()).not(),
        none.clone(),
        none.not(),
        Filter::And(vec![Filter::Or(vec![one.clone()])]).not(),
        Filter::And(vec![Filter::Or(vec![one.clone(), Filter::is_null("url")])]).and(one),
    ] {
        let found = by_sqlite(&c, &filter).unwrap();
        assert_eq!(found, by_hand(&filter), "{filter}");
        let again = Filter::parse(&filter.to_string()).unwrap();
        assert_eq!(found, by_hand(&again), "{filter}");
    }
    let infinite = Filter::eq("words", f64::INFINITY);
    assert!(by_sqlite(&c, &infinite).is_err());
    assert!(by_sqlite(&c, &Filter::one_of("date", [f64::NAN])).is_err());
}

#[test]
fn long_filters() {
    let c = connection();
    let every = "a b c d 2016"
        .split(' ')
        .map(String::from)
        .collect::<Vec<_>>();
    for field in ["words", "date", "topic", "source"] {
        let numbers = Filter::one_of(field, (0..5000).map(Value::from));
        let texts = Filter::one_of(field, (0..5000).map(|i| i.to_string()));
        for filter in [numbers, texts] {
            assert_eq!(by_sqlite(&c, &filter).unwrap(), by_hand(&filter));
            assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
    }
    // SQLite takes a while for these.
    let parts = |field| (0..5000).map(|i| Filter::ne(field, i)).collect();
    for filter in [Filter::And(parts("words")), Filter::Or(parts("source"))] {
        assert_eq!(by_sqlite(&c, &filter).unwrap(), by_hand(&filter));
        assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
    }
    // As many lengths of a date as there are values.
    let lengths = Filter::one_of(
        "date",
        (1..300).map(|n| "2016-03-01T10:00:00"[..n % 19 + 1].to_string()),
    );
    assert_eq!(by_sqlite(&c, &lengths).unwrap(), by_hand(&lengths));
    let long = Filter::contains("text", "%".repeat(200_000)).not();
    assert_eq!(by_sqlite(&c, &long).unwrap(), every);
    let many = Filter::Or((0..40_000).map(|i| Filter::ne("words", i)).collect());
    let error = by_sqlite(&c, &many).unwrap_err();
    assert!(error.message().contains("too many"), "{error}");
}

#[test]
fn high_conditions_run_or_are_refused() {
    let c = connection();
    let leaf = || Filter::between("größe", 1, 2);
    // Levels as high as a comparison can be, each a chain in which what is deep is last.
    for (width, levels) in [(1, LEVELS), (2, LEVELS), (3, LEVELS), (30, 10)] {
        let mut high = leaf();
        let mut run = 0;
        for level in 0..=levels {
            match by_sqlite(&c, &high) {
                Ok(found) => {
                    assert_eq!(found, by_hand(&high));
                    run = level;
                }
                Err(error) => assert!(error.message().contains("deep"), "{error}"),
            }
            let mut parts: Vec<Filter> = (1..width).map(|_| leaf()).collect();
            parts.push(high.not());
            high = match level % 2 {
                0 => Filter::And(parts),
                _ => Filter::Or(parts),
            };
        }
        assert!(run >= levels / 3, "{width}: {run}");
    }
}

#[test]
fn deep_filters_are_refused_not_fatal() {
    let c = connection();
    let by_not = |n| (0..n).fold(Filter::is_null("url"), |f, _| f.not());
    let by_turns = |n| {
        (0..n).fold(Filter::is_null("url"), |f, i| match i % 2 {
            0 => Filter::And(vec![Filter::is_null("id"), f]),
            _ => Filter::Or(vec![f, Filter::is_null("id")]),
        })
    };
    assert!(by_sqlite(&c, &by_not(LEVELS)).is_ok());
    assert!(serde_json::to_value(by_not(LEVELS)).is_ok());
    for deep in [by_not(LEVELS + 1), by_not(100_000), by_turns(100_000)] {
        let error = by_sqlite(&c, &deep).unwrap_err();
        assert!(error.message().contains("deep"), "{error}");
        assert!(serde_json::to_string(&deep).is_err());
        let copy = deep.clone();
        assert_eq!(copy, deep);
        assert_ne!(copy.to_string(), "");
        assert!(Filter::parse(&copy.to_string()).is_err());
        assert_ne!(copy, deep.not());
    }
    // The counting starts over after an error.
    assert!(serde_json::to_value(by_not(LEVELS)).is_ok());

    let text = "{\"not\":".repeat(100_000);
    assert!(serde_json::from_str::<Filter>(&text).is_err());
    let nested = |n| {
        (0..n).fold(
            serde_json::json!({"is_null": {"field": "url"}}),
            |f, _| serde_json::json!({"not": f}),
        )
    };
    assert!(serde_json::from_value::<Filter>(nested(LEVELS)).is_ok());
    let error = serde_json::from_value::<Filter>(nested(LEVELS + 1)).unwrap_err();
    assert!(error.to_string().contains("too deeply"), "{error}");

    assert!(Filter::parse(&("NOT ".repeat(100_000) + "id = 'a'")).is_err());
    let n = DEPTH - 1;
    let deepest = "NOT NOT (id = 'b' OR id = 'c' AND ".repeat(n) + "id = 'a'" + &")".repeat(n);
    assert_eq!(lets_through(&deepest), ["b"]);
}
