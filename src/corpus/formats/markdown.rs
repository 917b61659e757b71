//! Markdown: front matter, first heading, plain text of the blocks.

use super::answers::is_status;
use super::{Context, no_article, whole};
use crate::corpus::article::{Article, is_blank, one_line, tidy};
use crate::corpus::columns::{Columns, Role, Unread};
use crate::corpus::decode::Decoder;
use crate::corpus::formats::html;
use crate::error::Result;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde_json::{Map, Value};
use std::io::Read;

pub(super) fn read(
    stream: impl Read,
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let Some(bytes) = whole(stream, context)? else {
        return Ok(());
    };
    let source = tidy(&decoder.decode(&bytes));
    if is_status(&source) {
        return context.bad(None, no_article("a server's answer, of an error"));
    }
    let (row, body) = front_matter(&source);
    let (heading, text) = plain(body);
    if is_blank(&text) && is_blank(&heading) {
        return context.bad(None, "no text in it");
    }
    match article(row, one_line(&heading), text, context) {
        Ok(article) => {
            let article = Article {
                id: article.id.or_else(|| context.file_id.clone()),
                origin: context.origin.to_string(),
                ..article
            };
            context.sink.article(article)
        }
        Err(message) => context.bad(None, message),
    }
}

/// Front matter goes by the same names as columns do, except for the text.
fn article(
    mut row: Map<String, Value>,
    heading: String,
    mut text: String,
    context: &Context<'_>,
) -> std::result::Result<Article, Unread> {
    let mut columns = Columns {
        text: Some(TEXT.to_string()),
        ..context.options.columns.clone()
    };
    row.insert(TEXT.to_string(), Value::Null);
    let names = |row: &Map<String, Value>| row.keys().cloned().collect::<Vec<_>>();
    if !heading.is_empty() {
        let mapping = columns.map_sparse(&names(&row))?;
        let title = mapping
            .column(Role::Title)
            .and_then(|title| row[title].as_str());
        if let Some(title) = title.filter(|title| !title.trim().is_empty()) {
            // A heading that says something else than the front matter is kept as text.
            if one_line(title) != heading {
                text.insert_str(0, &format!("{heading}\n\n"));
            }
        } else {
            columns.title = Some(TITLE.to_string());
            row.insert(TITLE.to_string(), Value::String(heading));
        }
    }
    row.insert(TEXT.to_string(), Value::String(text));
    let mapping = columns.map_sparse(&names(&row))?;
    context.count(&mapping);
    mapping.article(row)
}

const TITLE: &str = "\0title";
const TEXT: &str = "\0text";

/// Splits off front matter: YAML between `---`, TOML between `+++`, a JSON object. A rule is none: a blank line
/// follows it, or what stands below is not a list of keys.
fn front_matter(source: &str) -> (Map<String, Value>, &str) {
    let none = (Map::new(), source);
    let Some((mark, rest)) = source.split_once('\n') else {
        return none;
    };
    if mark.trim_end() == "{" || mark.starts_with("{\"") {
        return json_head(source).unwrap_or(none);
    }
    let ends: &[&str] = match mark {
        "---" => &["---", "..."],
        "+++" => &["+++"],
        _ => return none,
    };
    let mut at = 0;
    let end = rest.split_inclusive('\n').find_map(|line| {
        let from = at;
        at += line.len();
        ends.contains(&line.trim_end()).then_some((from, at))
    });
    let Some((head, body)) = end.map(|(from, to)| (&rest[..from], &rest[to..])) else {
        return none;
    };
    if head.starts_with('\n') {
        return none;
    }
    let map = if mark == "+++" {
        toml(head)
    } else {
        yaml(head)
    };
    match map {
        Some(mut map) => {
            map.retain(|_, value| *value != Value::String(String::new()));
            (map, body)
        }
        None => none,
    }
}

/// Front matter in JSON, as Hugo reads it: an object at the beginning, with a title or a date.
fn json_head(source: &str) -> Option<(Map<String, Value>, &str)> {
    let mut values = serde_json::Deserializer::from_str(source).into_iter::<Map<String, Value>>();
    let map = values.next()?.ok()?;
    let rest = &source[values.byte_offset()..];
    let known = ["title", "date", "slug", "tags", "id"];
    let head = map
        .keys()
        .any(|key| known.contains(&key.to_lowercase().as_str()));
    (head && rest.starts_with('\n') && !rest.trim().is_empty()).then_some((map, rest))
}

fn toml(head: &str) -> Option<Map<String, Value>> {
    fn plain(value: toml::Value) -> Value {
        match value {
            toml::Value::String(text) => Value::String(text),
            toml::Value::Integer(n) => Value::from(n),
            toml::Value::Float(x) => Value::from(x),
            toml::Value::Boolean(truth) => Value::Bool(truth),
            toml::Value::Datetime(date) => Value::String(date.to_string()),
            toml::Value::Array(items) => items.into_iter().map(plain).collect(),
            toml::Value::Table(table) => Value::Object(object(table)),
        }
    }
    fn object(table: toml::Table) -> Map<String, Value> {
        table
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .collect()
    }
    toml::from_str::<toml::Table>(head).ok().map(object)
}

fn yaml(head: &str) -> Option<Map<String, Value>> {
    if head.trim().is_empty() {
        return Some(Map::new());
    }
    let map = match serde_saphyr::from_str::<Value>(head) {
        Ok(Value::Object(map)) => map,
        // Only comments.
        Ok(Value::Null) => Map::new(),
        Ok(_) => return None,
        // People write `title: Bridge: the story`, which YAML does not allow.
        Err(_) => lines(head)?,
    };
    map.keys().all(|key| is_key(key)).then_some(map)
}

/// `key: value` lines, where YAML's rules do not hold.
fn lines(head: &str) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    for line in head.lines() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with([' ', '\t', '-', '#']) {
            continue;
        }
        let (key, value) = line.split_once(':')?;
        let value = value.trim();
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|&q| value.strip_prefix(q).and_then(|v| v.strip_suffix(q)));
        let value = unquoted.unwrap_or(value);
        if !value.is_empty() {
            map.insert(key.trim().to_string(), Value::String(value.to_string()));
        }
    }
    (!map.is_empty()).then_some(map)
}

/// Whether it is a key of front matter and not a sentence with a colon: at most three words.
fn is_key(key: &str) -> bool {
    let in_word =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '$');
    let mut words = key.split(' ');
    words.clone().count() <= 3 && words.all(|word| !word.is_empty() && word.chars().all(in_word))
}

/// The first top heading, and the text of every other block with a blank line between.
pub(in crate::corpus) fn plain(markdown: &str) -> (String, String) {
    let mut title = String::new();
    let mut text = String::new();
    let mut in_title = false;
    let mut in_image = false;
    let mut html = String::new();
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES;
    for event in Parser::new_ext(markdown, options) {
        if let Event::Start(Tag::Heading {
            level: HeadingLevel::H1,
            ..
        }) = event
            && title.is_empty()
        {
            in_title = true;
            continue;
        }
        let target = if in_title { &mut title } else { &mut text };
        match event {
            Event::End(TagEnd::Heading(_)) if in_title => in_title = false,
            Event::Start(Tag::Image { .. }) => in_image = true,
            Event::End(TagEnd::Image) => in_image = false,
            Event::Text(t) | Event::Code(t) if !in_image => target.push_str(&t),
            // Tags between words say nothing but where a line ends.
            Event::InlineHtml(t) if t.to_lowercase().starts_with("<br") => target.push('\n'),
            Event::Html(t) => html.push_str(&t),
            Event::End(TagEnd::HtmlBlock) => {
                let block = std::mem::take(&mut html);
                let block = html::block(&block);
                if !block.trim().is_empty() {
                    target.push_str(block.trim());
                    target.push_str("\n\n");
                }
            }
            Event::SoftBreak => target.push(' '),
            Event::HardBreak => target.push('\n'),
            Event::End(TagEnd::Item | TagEnd::TableRow | TagEnd::TableHead) => target.push('\n'),
            Event::End(TagEnd::TableCell) => target.push(' '),
            Event::End(
                TagEnd::Paragraph
                | TagEnd::Heading(_)
                | TagEnd::List(_)
                | TagEnd::CodeBlock
                | TagEnd::Table,
            ) => target.push_str("\n\n"),
            _ => {}
        }
    }
    (title, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::formats::testing::seen;
    use crate::corpus::inputs::ReadOptions;
    use serde_json::json;

    fn one(source: &str) -> Article {
        let mut seen = seen("a.md", &ReadOptions::default(), |context| {
            read(source.as_bytes(), &mut Decoder::default(), context)
        });
        assert_eq!(seen.bad, [""; 0]);
        seen.articles.pop().unwrap()
    }

    #[test]
    fn front_matter_and_heading() {
        let both = one(
            "---\ntitle: \"A: b\"\ndate: 2016-01-02\n---\n# H\n\nText *here*,\nand there.\n\n- one\n- two",
        );
        assert_eq!(both.title, "A: b");
        assert_eq!(both.text, "H\n\nText here, and there.\n\none\ntwo");
        assert_eq!(both.date.unwrap(), "2016-01-02");
        let bare = one("# H\n\nT\n\nMore.");
        assert_eq!(
            (bare.title.as_str(), bare.text.as_str()),
            ("H", "T\n\nMore.")
        );
        let heading = one("# Only this");
        assert_eq!(
            (heading.title.as_str(), heading.text.as_str()),
            ("Only this", "")
        );
    }

    #[test]
    fn yaml_and_toml_with_lists_and_tables() {
        let yaml = one(
            "---\ntitle: Harbour\ntags:\n  - sea\n  - port\nsummary: >\n  Two\n  lines.\nauthor: {name: A}\n---\nText.",
        );
        assert_eq!(
            (yaml.title.as_str(), yaml.text.as_str()),
            ("Harbour", "Text.")
        );
        assert_eq!(yaml.meta["tags"], json!(["sea", "port"]));
        assert_eq!(yaml.meta["author"], json!({"name": "A"}));
        assert_eq!(yaml.meta["summary"].as_str().unwrap().trim(), "Two lines.");
        let toml = one(
            "+++\ntitle = \"Harbour\"\ndate = 2021-07-09T18:30:05+02:00\ntags = [\"sea\"]\n[extra]\nn = 1\n+++\n\nText.",
        );
        assert_eq!(
            (toml.title.as_str(), toml.text.as_str()),
            ("Harbour", "Text.")
        );
        assert_eq!(toml.date.as_deref(), Some("2021-07-09T16:30:05"));
        assert_eq!(toml.meta["tags"], json!(["sea"]));
        assert_eq!(toml.meta["extra"], json!({"n": 1}));
        // As people write it, whatever YAML says.
        let loose = one("---\ntitle: Harbour: the story\nkind: news\n---\nText.");
        assert_eq!(loose.title, "Harbour: the story");
        assert_eq!(loose.meta["kind"], json!("news"));
        // Copies within copies do not grow.
        let bomb = "---\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
            d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
            g: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n---\nText.";
        let size = serde_json::to_string(&one(bomb).meta).unwrap().len();
        assert!(size < 1 << 20, "{size}");
    }

    #[test]
    fn a_rule_is_no_front_matter() {
        for source in [
            "---\n\nFirst: after a rule.\n\n---\n\nSecond.",
            "---\nOne, two and three: four.\n---\nSecond.",
            "---\nJust text.\n---\nSecond.",
            "---\nFirst, without an end.\n\nSecond.",
        ] {
            let article = one(source);
            assert!(article.text.contains("Second."), "{source}");
            assert!(article.meta.is_empty(), "{source}");
            let whole = format!("{} {}", article.title, article.text);
            assert!(
                ["First", "four", "Just"].iter().any(|w| whole.contains(w)),
                "{source}: {whole}"
            );
        }
    }

    #[test]
    fn text_in_html_is_kept() {
        let article = one(
            "# H\n\n<div class=\"lead\">\nThe lead.\n</div>\n\n<p>One <b>more</b>.</p>\n\n<script>x()</script>\n\nLast<br>line <kbd>K</kbd>.\n\n<!-- no -->\n",
        );
        assert_eq!(article.text, "The lead.\n\nOne more.\n\nLast\nline K.");
    }
}
