//! The map as one page that needs nothing else: the map of the server's page, with its articles
//! inside the file.

use super::Map;
use super::columns::Columns;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::LazyLock;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("../../server/page/style.css");

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        [$(include_str!(concat!("../../server/page/js/", $name))),*]
    };
}

/// The modules of the script, each behind those that it imports.
const MODULES: [&str; 21] = modules![
    "dom.js",
    "format.js",
    "theme.js",
    "map/points.js",
    "map/view.js",
    "map/density.js",
    "map/gl.js",
    "map/flat.js",
    "map/colours.js",
    "map/schemes.js",
    "map/labels.js",
    "map/titles.js",
    "map/strip.js",
    "map/legend.js",
    "map/about.js",
    "map/gestures.js",
    "map/finder.js",
    "map/over.js",
    "map/map.js",
    "map/tally.js",
    "exported.js",
];

/// The script: a page from a file may not import modules, so they stand behind each other, without
/// their imports, exports and comments. Their names do not collide; a browser would say so.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let mut out = String::from("(() => {\n\"use strict\";\n");
    for module in MODULES {
        let mut in_comment = false;
        for line in module.lines() {
            let code = line.trim_start();
            in_comment |= code.starts_with("/**");
            let rest = match code.split_once("*/") {
                Some((_, after)) if in_comment => after.trim_start(),
                _ => line,
            };
            in_comment &= !code.contains("*/");
            if in_comment
                || rest.is_empty()
                || line.starts_with("import ")
                || code.starts_with("//")
            {
                continue;
            }
            out.push_str(rest.strip_prefix("export ").unwrap_or(rest));
            out.push('\n');
        }
    }
    out.push_str("})();\n");
    out
});

/// The page, as HTML. The columns are those of the same layout as the map.
pub fn page(map: &Map, columns: &Columns) -> String {
    let data = json_in_html(&data(map, columns));
    let title = escaped(&format!("{}: map of articles", map.name));
    let mut out = String::with_capacity(PAGE.len() + SCRIPT.len() + STYLE.len() + data.len());
    let mut rest = PAGE;
    // Each place of the page is filled once, so that nothing that is filled in is read again.
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        match name {
            "script-hash" => out.push_str(&hash(&SCRIPT)),
            "style-hash" => out.push_str(&hash(STYLE)),
            "version" => out.push_str(env!("CARGO_PKG_VERSION")),
            "title" => out.push_str(&title),
            "style" => out.push_str(STYLE),
            "script" => out.push_str(&SCRIPT),
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

/// What the page holds: the head of the columns, the columns, and what the server is asked for
/// elsewhere. Everything is in the order of the columns' points.
fn data(map: &Map, columns: &Columns) -> Value {
    let by_key: HashMap<i64, usize> = map
        .articles
        .iter()
        .enumerate()
        .map(|(i, article)| (article.key, i))
        .collect();
    let count = columns.head.points;
    // Of an article that was changed since the map was made, only the point is there.
    let articles: Vec<Option<usize>> = (0..count)
        .map(|point| by_key.get(&columns.key(point)?).copied())
        .collect();
    let mut point_of = vec![u32::MAX; map.articles.len()];
    for (point, article) in articles.iter().enumerate() {
        if let Some(article) = article {
            point_of[*article] = point as u32;
        }
    }
    let of = |point: usize| articles[point].map(|article| &map.articles[article]);
    let per_point = map.articles.iter().map(|a| a.nearest.len()).max();
    let per_point = per_point.unwrap_or(0);
    let point_of = &point_of;
    let nearest = (0..count).flat_map(|point| {
        let near = of(point).map_or(&[][..], |a| &a.nearest);
        (0..per_point).map(move |k| {
            let other = near.get(k).and_then(|&n| point_of.get(n as usize));
            other.copied().unwrap_or(u32::MAX).to_le_bytes()
        })
    });
    let mut info = json!(columns.head);
    // A file has no server to ask for the values of other fields.
    info["fields"] = json!([]);
    let texts = |text: fn(&super::MapArticle) -> &str| -> Vec<&str> {
        (0..count).map(|p| of(p).map_or("", text)).collect()
    };
    json!({
        "name": map.name,
        "about": map.about(),
        "info": info,
        "points": STANDARD.encode(&columns.bytes),
        "ids": texts(|a| &a.id),
        "titles": texts(|a| &a.title),
        "sources": columns.head.sources.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        "neighbours": packed(nearest),
        "per_point": per_point,
    })
}

#[cfg(test)]
mod tests;
