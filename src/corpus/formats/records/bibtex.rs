//! Entries of BibTeX and BibLaTeX.

use super::{Fields, month};
use crate::guard::guarded;
use biblatex::{Bibliography, Chunk, Entry};
use serde_json::Value;
use std::collections::HashMap;

/// Braces in braces, at most: what reads them calls itself for each.
const DEEPEST: usize = 64;
/// Words that are remembered, and bytes of what they stand for.
const NAMES: usize = 1 << 16;
const LONGEST_NAME: usize = 4 << 10;

/// Whether an entry begins with a line: `@article{`.
pub(super) fn begins(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"@") else {
        return false;
    };
    let n = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    n > 0 && matches!(rest[n..].trim_ascii_start().first(), Some(b'{' | b'('))
}

/// What words stand for: `@string{city = "City Press"}`.
#[derive(Default)]
pub(super) struct Names {
    known: HashMap<String, String>,
}

impl Names {
    /// The fields of the entry that a text begins with; `None` where it is no article's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn entry(&mut self, text: &str) -> Result<Option<Fields>, String> {
        // Its last line may be followed by a comment.
        let text = text.trim_start();
        let (kind, inner) = text
            .split_once(['{', '('])
            .ok_or("an entry without braces")?;
        let kind = kind.trim_start_matches('@').trim().to_ascii_lowercase();
        match kind.as_str() {
            "comment" | "preamble" => return Ok(None),
            "string" => {
                self.learn(text, inner);
                return Ok(None);
            }
            _ => {}
        }
        if deepest(text) > DEEPEST {
            return Err(format!("more than {DEEPEST} braces in each other"));
        }
        let (key, fields) = match inner.split_once(',') {
            Some((key, fields)) if !key.contains(['=', '"', '{']) => (key.trim(), fields),
            _ => ("", inner),
        };
        // Round brackets do as well, but not for who reads it.
        let round = text[..text.len() - inner.len()].ends_with('(');
        let fields = match fields.rsplit_once(')') {
            Some((fields, _)) if round => format!("{fields}}}"),
            _ => fields.to_string(),
        };
        // Whatever stands in a key, the fields are read.
        let mut source = String::new();
        for name in self.words(&fields) {
            source.push_str(name);
            source.push('\n');
        }
        source.push_str(&format!("@{kind}{{entry,{fields}"));
        let parsed = guarded("", || Bibliography::parse(&source));
        let entries = match parsed {
            Ok(Ok(entries)) => entries,
            Ok(Err(e)) => return Err(format!("not an entry of BibTeX ({e})")),
            Err(_) => return Err("not an entry of BibTeX".to_string()),
        };
        let entry = entries.iter().next().ok_or("an entry that does not end")?;
        Ok(Some(of(entry, &kind, key)))
    }

    fn learn(&mut self, text: &str, inner: &str) {
        if let Some((name, _)) = inner.split_once('=')
            && text.len() <= LONGEST_NAME
            && self.known.len() < NAMES
            && deepest(text) <= DEEPEST
        {
            let name = name.trim().to_ascii_lowercase();
            self.known.insert(name, text.trim_end().to_string());
        }
    }

    /// The definitions of the words in a text, once each.
    fn words(&self, text: &str) -> Vec<&str> {
        if self.known.is_empty() {
            return Vec::new();
        }
        let ends = |c: char| c.is_whitespace() || "{}\"#,=()%".contains(c);
        let words = text.split(ends).filter(|word| !word.is_empty());
        let mut found: Vec<&str> = words
            .filter_map(|word| self.known.get(&word.to_ascii_lowercase()))
            .map(String::as_str)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn deepest(text: &str) -> usize {
    let (mut depth, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn of(entry: &Entry, kind: &str, key: &str) -> Fields {
    let mut fields = Fields::new();
    if !key.is_empty() {
        fields.insert("id".to_string(), key.into());
    }
    fields.insert("type".to_string(), kind.into());
    let text = |name: &str| -> Option<String> {
        let text: String = entry.fields.get(name)?.iter().map(|c| said(&c.v)).collect();
        let text = text.trim().to_string();
        (!text.is_empty()).then_some(text)
    };
    let first = |names: &[&str]| names.iter().find_map(|name| text(name));
    let date = first(&["date"]).or_else(|| {
        let year = text("year")?;
        let Some(month) = text("month").and_then(|name| month(&name)) else {
            return Some(year);
        };
        match text("day").and_then(|day| day.parse::<u8>().ok()) {
            Some(day @ 1..=31) => Some(format!("{year}-{month}-{day:02}")),
            _ => Some(format!("{year}-{month}")),
        }
    });
    let once = [
        ("title", text("title")),
        ("text", text("abstract")),
        ("date", date),
        ("url", text("url")),
        (
            "source",
            first(&[
                "journal",
                "journaltitle",
                "booktitle",
                "publisher",
                "institution",
                "school",
                "howpublished",
            ]),
        ),
    ];
    let once = once
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_string(), Value::from(text?))));
    fields.extend(once);
    for name in entry.fields.keys() {
        // A path on somebody's disk says nothing of the article.
        let told = [
            "title", "abstract", "date", "year", "month", "day", "url", "file",
        ];
        if told.contains(&name.as_str()) || fields.contains_key(name) {
            continue;
        }
        let Some(value) = text(name) else { continue };
        let value = match name.as_str() {
            "author" | "editor" => listed(value.split(" and ")),
            "keywords" => listed(value.split([';', ','])),
            _ => value.into(),
        };
        fields.insert(name.clone(), value);
    }
    fields
}

fn said(chunk: &Chunk) -> &str {
    chunk.get()
}

fn listed<'t>(parts: impl Iterator<Item = &'t str>) -> Value {
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    Value::Array(parts.map(Value::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn entries_are_read_with_what_words_stand_for() {
        let mut names = Names::default();
        assert_eq!(names.entry("@string{city = \"City Press\"}\n"), Ok(None));
        assert_eq!(names.entry("@comment{x}"), Ok(None));
        let entry = names.entry(
            "@Article{lee:2024/a,\n  author = {Lee, Ann and Kim, Bo},\n  title = {The {B}ridge of Z{\\\"u}rich},\n  \
             abstract = \"It opens\n today.\",\n  journal = city, year = 2024, month = may,\n  doi = {10.1/x}, \
             keywords = {roads, water}, file = {:/home/lee/a.pdf:PDF}}\nA comment.\n",
        );
        assert_eq!(
            entry.map(|fields| fields.map(Value::Object)),
            Ok(Some(json!({
                "id": "lee:2024/a", "type": "article", "title": "The Bridge of Zürich",
                "text": "It opens today.", "date": "2024-05", "source": "City Press",
                "author": ["Lee, Ann", "Kim, Bo"], "doi": "10.1/x", "journal": "City Press",
                "keywords": ["roads", "water"],
            })))
        );
    }

    #[test]
    fn keys_that_are_none_lose_no_entry() {
        for (text, id) in [
            ("@article{, title={A}}", None),
            ("@article{a b'c, title={A}}", Some("a b'c")),
            ("@article{title={A}}", None),
            ("@article(k, title={A})", Some("k")),
        ] {
            let fields = Names::default().entry(text).unwrap().unwrap();
            assert_eq!(fields.get("id").and_then(Value::as_str), id, "{text}");
            assert_eq!(fields["title"], "A", "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told() {
        let deep = format!("@article{{k, title={}{}}}", "{".repeat(99), "}".repeat(99));
        for text in [
            "@article{k, title={A}",
            "@article{k, title=}",
            "@article{k, title={\\",
            &deep,
        ] {
            assert!(Names::default().entry(text).is_err(), "{text}");
        }
    }
}
