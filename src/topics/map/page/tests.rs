use super::super::columns::{Column, ColumnHead, ColumnSource, ColumnTopic, ColumnType};
use super::super::{MapArticle, MapTopic};
use super::*;

/// A map whose texts try to break out of the page.
fn hostile() -> (Map, Columns) {
    let evil = "</script><script>alert(1)</script>{{script}}<!--\u{2028}&amp;\"'";
    let article = |i: u32| MapArticle {
        key: i64::from(i) + 7,
        id: format!("{evil}{i}"),
        title: evil.to_string(),
        date: Some(format!("2024-0{}-01", i + 1)),
        source: Some(evil.to_string()),
        topic: (i == 0).then_some(0),
        place: [i as f32, -1.5],
        nearest: vec![1 - i],
    };
    let map = Map {
        name: evil.to_string(),
        topics: vec![MapTopic {
            id: 0,
            label: evil.to_string(),
            size: 1,
            colour: [1, 2, 3],
            x: Some(0.0),
            y: Some(-1.5),
        }],
        articles: vec![article(0), article(1)],
        trustworthiness: 1.0,
    };
    let head = ColumnHead {
        points: 2,
        generation: 1,
        version: "0".into(),
        columns: vec![Column {
            name: "x",
            kind: ColumnType::U16,
            offset: 0,
            length: 4,
        }],
        bounds: [0.0, 0.0, 1.0, 1.5],
        topics: vec![ColumnTopic {
            id: 0,
            label: evil.to_string(),
            size: 1,
            colour: [1, 2, 3],
            x: Some(0),
            y: Some(9),
        }],
        tree: Vec::new(),
        sources: vec![ColumnSource {
            name: evil.to_string(),
            count: 2,
            colour: [1, 2, 3],
        }],
        dates: Some([19_723, 19_754]),
        fields: Vec::new(),
        trustworthiness: None,
    };
    // The points stand in another order than the articles.
    let columns = Columns::of_parts(head, vec![255, 255, 0, 0], vec![8, 7]);
    (map, columns)
}

fn hostile_page() -> String {
    let (map, columns) = hostile();
    page(&map, &columns)
}

#[test]
fn nothing_of_an_article_is_markup() {
    let page = hostile_page();
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<!--"));
    assert!(!page.contains("alert(1)</"));
    assert_eq!(page.matches("\"use strict\"").count(), 1);
}

#[test]
fn the_data_are_as_they_were() {
    let (map, _) = hostile();
    let page = hostile_page();
    let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + page[start..].find("</script>").unwrap();
    let data: Value = serde_json::from_str(&page[start..end]).unwrap();
    assert_eq!(data["titles"][0], map.articles[0].title.as_str());
    assert_eq!(data["ids"][0], map.articles[1].id.as_str());
    assert_eq!(data["ids"][1], map.articles[0].id.as_str());
    assert_eq!(data["info"]["points"], 2);
    assert_eq!(data["info"]["topics"][0]["y"], 9);
    assert_eq!(data["info"]["columns"][0]["type"], "u16");
    assert_eq!(
        data["sources"][0],
        map.articles[0].source.as_deref().unwrap()
    );
    let bytes = |name: &str| STANDARD.decode(data[name].as_str().unwrap()).unwrap();
    assert_eq!(bytes("points"), [255, 255, 0, 0]);
    // Each is the other's neighbour, in the points' order.
    assert_eq!(bytes("neighbours"), [1, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn the_policy_lets_only_this_script_run() {
    let page = hostile_page();
    let expected = format!(
        "script-src 'sha256-{}'",
        STANDARD.encode(Sha256::digest(SCRIPT.as_str()))
    );
    assert!(page.contains(&expected) && page.contains("default-src 'none'"));
    for forbidden in [
        "innerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "http:",
        "https:",
        "</script",
        "<!--",
    ] {
        assert!(!SCRIPT.contains(forbidden), "{forbidden}");
    }
    for line in SCRIPT.lines() {
        assert!(
            !line.starts_with("import ") && !line.starts_with("export "),
            "{line}"
        );
    }
}
