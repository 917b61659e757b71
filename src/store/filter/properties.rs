//! Filters of all kinds mean the same as text, as JSON, in SQL and by hand.

use super::oracle::{METADATA, by_hand, by_sqlite, connection, metadata};
use super::parse::{DEPTH, parse};
use super::{Field, Filter, Op, Value};
use proptest::prelude::*;

/// Pieces of texts: what the articles hold, and what might end a literal or a statement.
fn text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "a",
        "x",
        "B",
        "VOTE",
        "BRIEN",
        "Quoted",
        "Budget vote",
        "O'Brien",
        "sport",
        "tv",
        "600",
        "90",
        "none",
        "2016",
        "2016-03",
        "2016-03-01",
        "2016-03-01T10:00:00",
        "football, cup",
        "'",
        "\"",
        "\"\"",
        "''",
        "?",
        ";",
        "--",
        "%",
        "_",
        "\\",
        "/*",
        "`",
        "(",
        ") OR 1",
        "é",
        "ÄRGER",
        "\u{1f600}",
        "\n",
        " ",
        "NULL",
        "1.5",
        "-1",
        "”",
        "{}",
        "[1]",
        "own",
        "bridge",
        "local",
        "Ann",
        "en",
        "[\"x\"]",
        "'; DROP TABLE article; --",
    ];
    let piece = proptest::sample::select(PIECES);
    prop_oneof![
        4 => piece.clone().prop_map(String::from),
        2 => prop::collection::vec(piece, 0..4).prop_map(|v| v.concat()),
        1 => "[^\0]{0,8}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    const NUMBERS: &[f64] = &[
        0.0, 1.0, -1.0, 1.5, 3.0, 4.0, 7.0, 12.0, 90.0, -125.0, 600.0, 2016.0, 2017.0, 1e-9, 1e300,
    ];
    prop_oneof![
        4 => text().prop_map(Value::Text),
        3 => proptest::sample::select(NUMBERS).prop_map(Value::Number),
        1 => any::<i32>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::Bool),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    const NAMES: &[&str] = &[
        "id",
        "title",
        "Text",
        "date",
        "DATE",
        "url",
        "source",
        "origin",
        "topic",
        "Topic",
        "Section",
        "GRÖßE",
        "Odd Name",
        "tags",
        "Tags",
        "author.name",
        "Author.langs",
        "author.name.first",
        "tags.name",
        "author.nothing",
    ];
    prop_oneof![
        3 => proptest::sample::select(NAMES).prop_map(Field::new),
        3 => proptest::sample::select(&METADATA[..]).prop_map(Field::new),
        1 => proptest::sample::select(&METADATA[..]).prop_map(Field::metadata),
        1 => proptest::sample::select(NAMES).prop_map(Field::metadata),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    const OPS: &[Op] = &[Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge];
    let op = proptest::sample::select(OPS);
    let leaf = prop_oneof![
        5 => (field(), op, value()).prop_map(|(f, op, v)| Filter::compare(f, op, v)),
        2 => (field(), prop::collection::vec(value(), 1..6))
            .prop_map(|(f, v)| Filter::one_of(f, v)),
        1 => (field(), value(), value()).prop_map(|(f, l, h)| Filter::between(f, l, h)),
        2 => (field(), text()).prop_map(|(f, t)| Filter::contains(f, t)),
        1 => field().prop_map(Filter::is_null),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..5).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..5).prop_map(Filter::Or),
            inner.prop_map(Filter::not),
        ]
    })
}

/// Words of the text form in any order, some of which parse.
fn soup() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "id",
        "words",
        "`odd name`",
        "=",
        "!=",
        "<",
        ">=",
        "~",
        "'x'",
        "\"",
        "12",
        "-1.5",
        "2016-03",
        "AND",
        "or",
        "NOT",
        "IN",
        "(",
        ")",
        ",",
        "BETWEEN",
        "IS",
        "NULL",
        "true",
        "“é”",
        "é",
        "'",
        "`",
        ";",
        "--",
        "?",
        "1e999",
        "\u{2028}",
    ];
    let word = proptest::sample::select(WORDS);
    prop::collection::vec((word, prop_oneof![9 => Just(" "), 1 => Just("")]), 0..14)
        .prop_map(|v| v.into_iter().flat_map(|(a, b)| [a, b]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: crate::cases::cases(1000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn text_json_and_sql_mean_the_same(filter in filter()) {
        let text = filter.to_string();
        let parsed = parse(&text, Some(&metadata()));
        if let Err(e) = &parsed && e.message().contains("is no date") {
            // What cannot be compared with a date is refused in SQL as well.
            let e = by_sqlite(&connection(), &filter).unwrap_err();
            prop_assert!(e.message().contains("is no date"), "{}: {}", text, e);
            return Ok(());
        }
        prop_assert_eq!(parsed.map_err(|e| e.to_string()), Ok(filter.clone()));
        let json = serde_json::to_value(&filter).unwrap();
        prop_assert_eq!(&serde_json::from_value::<Filter>(json).unwrap(), &filter);
        let c = connection();
        prop_assert_eq!(by_sqlite(&c, &filter).unwrap(), by_hand(&filter), "{}", text);
        let articles: i64 = c.query_row("SELECT count(*) FROM article", [], |r| r.get(0)).unwrap();
        prop_assert_eq!(articles, 5);
    }

    #[test]
    fn any_text_is_a_value(text in "[^\"]{0,30}") {
        let filter = Filter::parse(&format!("title = \"{text}\"")).unwrap();
        prop_assert_eq!(filter, Filter::eq("title", text));
    }

    #[test]
    fn any_field_and_value_can_be_written(name in any::<String>(), text in any::<String>()) {
        for field in [Field::new(name.as_str()), Field::metadata(name.as_str())] {
            let filter = Filter::eq(field, text.as_str());
            prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
    }

    #[test]
    fn what_parses_is_written_and_parsed_again(expression in prop_oneof![any::<String>(), soup()]) {
        if let Ok(filter) = Filter::parse(&expression) {
            prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
        if let Ok(filter) = parse(&expression, Some(&metadata())) {
            prop_assert_eq!(by_sqlite(&connection(), &filter).unwrap(), by_hand(&filter));
        }
    }

    #[test]
    fn deep_nesting_is_refused_not_fatal(n in 60usize..5000) {
        let expression = "(".repeat(n) + "id = 'a'" + &")".repeat(n);
        prop_assert_eq!(Filter::parse(&expression).is_ok(), n < DEPTH);
    }
}
