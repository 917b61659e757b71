//! Columns given and guessed, and rows of the exports that people have.

use super::*;
use crate::corpus::article::Article;
use serde_json::json;
use std::rc::Rc;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_string()).collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("tests pass objects"),
    }
}

#[test]
fn usual_names_are_guessed_and_the_rest_is_metadata() {
    let mapping = Columns::default()
        .map(&names(&[
            "DocID",
            "Headline",
            "Body",
            "Published At",
            "desk",
        ]))
        .unwrap();
    let report = mapping.report("x.csv");
    assert_eq!(
        report.roles,
        vec![
            (Role::Id, "DocID".to_string()),
            (Role::Title, "Headline".to_string()),
            (Role::Text, "Body".to_string()),
            (Role::Date, "Published At".to_string()),
        ]
    );
    assert_eq!(report.metadata, names(&["desk"]));
}

#[test]
fn a_wrong_column_name_lists_the_right_ones() {
    let columns = Columns {
        text: Some("txt".into()),
        ..Columns::default()
    };
    let message = columns.map(&names(&["id", "text"])).unwrap_err();
    assert!(
        message.contains("\"txt\"") && message.contains("id, text"),
        "{message}"
    );
}

#[test]
fn a_row_becomes_an_article() {
    let mapping = Columns::default()
        .map(&names(&["id", "title", "text", "date"]))
        .unwrap();
    let article = mapping
        .article(object(
            json!({"id": 7, "title": "T\n2", "text": "a\r\nb", "date": "soon", "k": [1]}),
        ))
        .unwrap();
    assert_eq!(article.id.as_deref(), Some("7"));
    assert_eq!(article.title, "T 2");
    assert_eq!(article.text, "a\nb");
    assert_eq!(article.date, None);
    assert_eq!(article.meta["date"], json!("soon"));
    assert_eq!(article.meta["k"], json!([1]));
}

#[test]
fn a_row_without_text_is_refused() {
    let mapping = Columns::default().map(&names(&["id", "text"])).unwrap();
    for text in [
        json!(""),
        json!("  \n"),
        Value::Null,
        json!({}),
        json!({"a": 1}),
    ] {
        assert!(
            mapping
                .article(object(json!({"id": 1, "text": text})))
                .is_err()
        );
    }
}

fn article(columns: &Columns, row: Value) -> Result<Article, Unread> {
    let row = object(row);
    let keys: Vec<String> = row.keys().cloned().collect();
    columns.map(&keys)?.article(row)
}

#[test]
fn empty_candidates_do_not_hide_filled_ones() {
    let mapping = Columns::default()
        .map(&names(&["text", "maintext", "title"]))
        .unwrap();
    for (row, text) in [
        (json!({"text": null, "maintext": "m", "title": "t"}), "m"),
        (json!({"text": "x", "maintext": "m", "title": "t"}), "x"),
        (json!({"text": "", "title": "t"}), ""),
    ] {
        let article = mapping.article(object(row)).unwrap();
        assert_eq!((article.title.as_str(), article.text.as_str()), ("t", text));
    }
    let both = mapping
        .article(object(json!({"text": "x", "maintext": "m"})))
        .unwrap();
    assert_eq!(both.meta["maintext"], json!("m"));
}

#[test]
fn what_cannot_be_used_is_kept_and_counted() {
    let mapping = Columns::default()
        .map(&names(&["text", "date", "source"]))
        .unwrap();
    let tally = Rc::new(Tally::default());
    mapping.count_in(&tally);
    for date in ["soon", "NaT", "2024"] {
        let row = json!({"text": "x", "date": date, "source": {"a": 1}});
        let article = mapping.article(object(row)).unwrap();
        assert_eq!(article.meta["source"], json!({"a": 1}));
        assert_eq!(article.meta.get("date").is_some(), date != "2024");
    }
    assert_eq!(
        tally.take(),
        vec![
            (Role::Date, 1, "soon".to_string()),
            (Role::Source, 3, "{\"a\":1}".to_string()),
        ]
    );
}

#[test]
fn data_sets_and_exports_that_people_have() {
    let columns = Columns::default();
    for (row, title, text, date, url, source) in [
        (
            json!({"webTitle": "T", "webUrl": "u", "webPublicationDate": "2024-05-03T10:11:12Z",
                "fields": {"bodyText": "B", "wordcount": "9"}}),
            "T",
            "B",
            "2024-05-03T10:11:12",
            "u",
            "",
        ),
        (
            json!({"headline": {"main": "T", "kicker": null}, "abstract": "A", "lead_paragraph": "B",
                "pub_date": "2024-05-03T10:11:12+0000", "web_url": "u", "uri": "nyt://1", "source": "S"}),
            "T",
            "B",
            "2024-05-03T10:11:12",
            "u",
            "S",
        ),
        (
            json!({"id": 1, "full_text": "B", "created_at": "Fri May 03 10:11:12 +0000 2024",
                "user": {"screen_name": "S", "name": "N"}, "source": "<a>app</a>", "name": "N"}),
            "",
            "B",
            "2024-05-03T10:11:12",
            "",
            "S",
        ),
        (
            json!({"id": 7, "title": {"rendered": "T"}, "content": {"rendered": "<p>B</p>", "protected": false},
                "date": "2024-05-03T10:11:12", "link": "u", "guid": {"rendered": "http://x/?p=7"}}),
            "T",
            "B",
            "2024-05-03T10:11:12",
            "u",
            "",
        ),
        (
            json!({"uri": "81", "title": "T", "body": "B", "url": "u", "source": {"uri": "s", "title": "S"},
                "date": "2024-05-02", "dateTimePub": "2024-05-03T10:11:12Z"}),
            "T",
            "B",
            "2024-05-03T10:11:12",
            "u",
            "S",
        ),
        (
            json!({"title": "T", "selftext": "[removed]", "created_utc": 1714731072.0, "full_link": "u", "subreddit": "S"}),
            "T",
            "",
            "2024-05-03T10:11:12",
            "u",
            "S",
        ),
    ] {
        let article = article(&columns, row.clone()).unwrap();
        let of = |field: Option<String>| field.unwrap_or_default();
        assert_eq!(
            (
                article.title.as_str(),
                article.text.as_str(),
                of(article.date),
                of(article.url),
                of(article.source)
            ),
            (
                title,
                text,
                date.to_string(),
                url.to_string(),
                source.to_string()
            ),
            "{row}"
        );
    }
}

#[test]
fn columns_that_a_user_names() {
    let columns = Columns {
        text: Some("Lead, fields.main ,missing".into()),
        date: Some("UPDATED,created".into()),
        ..Columns::default()
    };
    let row = json!({"title": "T", "lead": "L", "fields": {"Main": "M", "n": 1}, "updated": "", "created": "2024-05-03"});
    let message = article(&columns, row.clone()).unwrap_err().to_string();
    assert!(
        message.contains("no column \"missing\" for the text"),
        "{message}"
    );
    let columns = Columns {
        text: Some("Lead,fields.main".into()),
        ..columns
    };
    let article = article(&columns, row).unwrap();
    assert_eq!(article.text, "L\n\nM");
    assert_eq!(article.date.as_deref(), Some("2024-05-03"));
    assert_eq!(article.meta["fields"], json!({"n": 1}));
    let names = names(&["title", "updated"]);
    assert!(columns.map(&names).is_err() && columns.map_sparse(&names).is_ok());
}

#[test]
fn the_likeliest_column_is_proposed() {
    let message = Columns::default().map(&names(&["n", "blob"])).unwrap_err();
    let rows = [object(
        json!({"n": "1", "blob": "A text that is long enough."}),
    )];
    assert!(
        proposed(message.clone(), &rows)
            .contains("the longest texts are in \"blob\"; name the column")
    );
    assert_eq!(
        proposed(message.clone(), &[object(json!({"n": "1", "blob": "2"}))]),
        message
    );
    let mapping = Columns::default().map(&names(&["title", "blob"])).unwrap();
    let long = "A text that is long enough. ".repeat(10);
    let message = mapping
        .article(object(json!({"title": "t", "blob": long})))
        .unwrap_err()
        .to_string();
    assert!(message.contains("\"blob\""), "{message}");
    // Long addresses and vectors beside a headline are no texts.
    for blob in [
        "http://x/".to_string() + &"a".repeat(500),
        "[0.25, 1.5]".repeat(100),
    ] {
        let headline = mapping
            .article(object(json!({"title": "t", "blob": blob})))
            .unwrap();
        assert_eq!(headline.title, "t");
    }
}

#[test]
fn what_was_exported_comes_back() {
    let row = json!({"id": "1", "title": "", "text": "if a < b and b > c: <p>", "date": "2024",
        "metadata": "{\"topic\":\"own\",\"vector\":[1],\"tags\":[\"a\"]}", "topic": 3, "topic_label": "l",
        "origin": "a.jsonl"});
    let article = article(&Columns::default(), row).unwrap();
    assert_eq!(article.text, "if a < b and b > c: <p>");
    assert_eq!(article.date.as_deref(), Some("2024"));
    let meta = json!({"topic": "own", "vector": [1], "tags": ["a"]});
    assert_eq!(Value::Object(article.meta), meta);
}
