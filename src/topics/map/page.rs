//! The map as one page that needs nothing else.

use super::{GREY, Map, SOURCES, colour};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Steps that dates are coloured in.
const STEPS: usize = 12;

/// The page, as HTML.
pub fn page(map: &Map) -> String {
    let data = json_in_html(&data(map));
    let title = escaped(&format!("{}: map of articles", map.name));
    let mut out = String::with_capacity(PAGE.len() + SCRIPT.len() + STYLE.len() + data.len());
    let mut rest = PAGE;
    // Each place of the page is filled once, so that nothing that is filled in is read again.
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        match name {
            "script-hash" => out.push_str(&hash(SCRIPT)),
            "style-hash" => out.push_str(&hash(STYLE)),
            "version" => out.push_str(env!("CARGO_PKG_VERSION")),
            "title" => out.push_str(&title),
            "style" => out.push_str(STYLE),
            "script" => out.push_str(SCRIPT),
            _ => out.push_str(&data),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What a content security policy knows a script or a style by.
fn hash(content: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(content)))
}

/// JSON that ends no element and begins none: `<`, `>` and `&` as escapes.
fn json_in_html(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn packed<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> String {
    STANDARD.encode(numbers.flatten().collect::<Vec<u8>>())
}

fn data(map: &Map) -> Value {
    let articles = &map.articles;
    let per_point = articles.iter().map(|a| a.nearest.len()).max().unwrap_or(0);
    let nearest = articles.iter().flat_map(|a| {
        (0..per_point).map(|k| a.nearest.get(k).copied().unwrap_or(u32::MAX).to_le_bytes())
    });
    let mut out = json!({
        "name": map.name,
        "about": map.about(),
        "topics": map.topics,
        "ids": articles.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(),
        "titles": articles.iter().map(|a| a.title.as_str()).collect::<Vec<_>>(),
        // A page's y grows downwards.
        "places": packed(articles.iter().flat_map(|a| [a.place[0].to_le_bytes(), (-a.place[1]).to_le_bytes()])),
        "topic_of": packed(articles.iter().map(|a| a.topic.map_or(-1, |t| t as i32).to_le_bytes())),
        "neighbours": packed(nearest),
        "per_point": per_point,
    });
    if let Some(topics) = out["topics"].as_array_mut() {
        for topic in topics {
            if let Some(y) = topic["y"].as_f64() {
                topic["y"] = json!(-y);
            }
        }
    }
    if articles.iter().any(|a| a.source.is_some()) {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for source in articles.iter().filter_map(|a| a.source.as_deref()) {
            *counts.entry(source).or_default() += 1;
        }
        let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
        names.sort_by_key(|&(name, n)| (std::cmp::Reverse(n), name));
        names.truncate(SOURCES);
        let index: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.0, i)).collect();
        let other = names.len();
        let mut classes: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(i, (name, _))| json!({"name": name, "colour": colour(i)}))
            .collect();
        classes.push(json!({"name": "other or none", "colour": GREY}));
        out["sources"] = classes.into();
        out["source_of"] = articles
            .iter()
            .map(|a| {
                a.source
                    .as_deref()
                    .and_then(|s| index.get(s).copied())
                    .unwrap_or(other)
            })
            .collect();
        out["source_names"] = articles.iter().map(|a| a.source.as_deref()).collect();
    }
    if let Some((steps, of)) = dates(map) {
        out["dates"] = articles.iter().map(|a| a.date.as_deref()).collect();
        out["date_steps"] = json!(steps);
        out["date_of"] = json!(of);
    }
    out
}

/// Steps of time of about equally many articles, by the days at which they begin and end, and
/// the step of each article, -1 for none.
fn dates(map: &Map) -> Option<(Vec<String>, Vec<i32>)> {
    let day = |date: &Option<String>| {
        date.as_deref()
            .and_then(|d| d.get(..10))
            .map(str::to_string)
    };
    let mut days: Vec<String> = map.articles.iter().filter_map(|a| day(&a.date)).collect();
    days.sort();
    if days.is_empty() {
        return None;
    }
    let mut starts: Vec<String> = (0..STEPS)
        .map(|s| days[s * days.len() / STEPS].clone())
        .collect();
    starts.dedup();
    let step_of = |day: &String| starts.partition_point(|s| s <= day) as i32 - 1;
    let names = starts
        .iter()
        .enumerate()
        .map(|(i, start)| {
            let last = days.iter().rfind(|d| step_of(d) == i as i32);
            match last {
                Some(last) if last != start => format!("{start} to {last}"),
                _ => start.clone(),
            }
        })
        .collect();
    let of = map
        .articles
        .iter()
        .map(|a| day(&a.date).map_or(-1, |d| step_of(&d)))
        .collect();
    Some((names, of))
}

#[cfg(test)]
mod tests {
    use super::super::{MapArticle, MapTopic};
    use super::*;

    /// A map whose texts try to break out of the page.
    fn hostile() -> Map {
        let evil = "</script><script>alert(1)</script>{{script}}<!--\u{2028}&amp;\"'";
        let article = |i: u32| MapArticle {
            id: format!("{evil}{i}"),
            title: evil.to_string(),
            date: Some(format!("2024-0{}-01", i + 1)),
            source: Some(evil.to_string()),
            topic: (i == 0).then_some(0),
            place: [i as f32, -1.5],
            nearest: vec![1 - i],
        };
        Map {
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
        }
    }

    #[test]
    fn nothing_of_an_article_is_markup() {
        let page = page(&hostile());
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(!page.contains("<!--"));
        assert!(!page.contains("alert(1)</"));
        assert_eq!(page.matches("\"use strict\"").count(), 1);
    }

    #[test]
    fn the_data_are_as_they_were() {
        let map = hostile();
        let page = page(&map);
        let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
        let end = start + page[start..].find("</script>").unwrap();
        let data: Value = serde_json::from_str(&page[start..end]).unwrap();
        assert_eq!(data["titles"][0], map.articles[0].title.as_str());
        assert_eq!(data["ids"][1], map.articles[1].id.as_str());
        let places = STANDARD.decode(data["places"].as_str().unwrap()).unwrap();
        let numbers: Vec<f32> = places
            .chunks(4)
            .map(|c| f32::from_le_bytes(c.try_into().unwrap()))
            .collect();
        assert_eq!(numbers, [0.0, 1.5, 1.0, 1.5]);
        assert_eq!(data["date_of"], json!([0, 1]));
        assert_eq!(data["source_of"], json!([0, 0]));
    }

    #[test]
    fn the_policy_lets_only_this_script_run() {
        let page = page(&hostile());
        let expected = format!(
            "script-src 'sha256-{}'",
            STANDARD.encode(Sha256::digest(SCRIPT))
        );
        assert!(page.contains(&expected) && page.contains("default-src 'none'"));
        for forbidden in [
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "http:",
            "https:",
        ] {
            assert!(!SCRIPT.contains(forbidden), "{forbidden}");
        }
    }
}
