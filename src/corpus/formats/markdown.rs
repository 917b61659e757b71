//! Markdown: front matter, first heading, plain text of the blocks.

use super::{Context, whole};
use crate::corpus::article::{Article, one_line, tidy};
use crate::corpus::columns::{Columns, Role};
use crate::corpus::decode::Decoder;
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
    let (row, body) = front_matter(&source);
    let (heading, text) = plain(body);
    if text.trim().is_empty() {
        return context.bad(None, "no text besides its heading");
    }
    match article(row, one_line(&heading), text) {
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
) -> std::result::Result<Article, String> {
    let mut columns = Columns {
        text: Some(TEXT.to_string()),
        ..Columns::default()
    };
    row.insert(TEXT.to_string(), Value::Null);
    let names = |row: &Map<String, Value>| row.keys().cloned().collect::<Vec<_>>();
    let mapping = columns.map(&names(&row))?;
    if let Some(title) = mapping.column(Role::Title) {
        // A heading that says something else than the front matter is kept as text.
        if !heading.is_empty() && row[title].as_str().map(one_line) != Some(heading.clone()) {
            text.insert_str(0, &format!("{heading}\n\n"));
        }
    } else if !heading.is_empty() {
        columns.title = Some(TITLE.to_string());
        row.insert(TITLE.to_string(), Value::String(heading));
    }
    row.insert(TEXT.to_string(), Value::String(text));
    columns.map(&names(&row))?.article(row)
}

const TITLE: &str = "\0title";
const TEXT: &str = "\0text";

/// Splits off `---` front matter of plain `key: value` lines.
fn front_matter(source: &str) -> (Map<String, Value>, &str) {
    let mut map = Map::new();
    let Some(rest) = source.strip_prefix("---\n") else {
        return (map, source);
    };
    let Some((head, body)) = rest.split_once("\n---") else {
        return (map, source);
    };
    for line in head.lines() {
        if let Some((key, value)) = line.split_once(':')
            && !key.starts_with([' ', '-', '#'])
        {
            let value = value.trim();
            let unquoted = [('"', '"'), ('\'', '\'')]
                .iter()
                .find_map(|&(a, b)| value.strip_prefix(a).and_then(|v| v.strip_suffix(b)));
            let value = unquoted.unwrap_or(value);
            if !value.is_empty() {
                map.insert(key.trim().to_string(), Value::String(value.to_string()));
            }
        }
    }
    (map, body.trim_start_matches('-'))
}

/// The first top heading, and the text of every other block with a blank line between.
fn plain(markdown: &str) -> (String, String) {
    let mut title = String::new();
    let mut text = String::new();
    let mut in_title = false;
    let mut in_image = false;
    for event in Parser::new_ext(
        markdown,
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH,
    ) {
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

    #[test]
    fn front_matter_and_heading() {
        let (map, body) = front_matter(
            "---\ntitle: \"A: b\"\ndate: 2016-01-02\n---\n# H\n\nText *here*,\nand there.\n\n- one\n- two",
        );
        assert_eq!(map["title"], "A: b");
        let (heading, text) = plain(body);
        assert_eq!(heading, "H");
        assert_eq!(text.trim(), "Text here, and there.\n\none\ntwo");
        let both = article(map, heading, text).unwrap();
        assert_eq!(both.title, "A: b");
        assert!(both.text.starts_with("H\n\nText here"), "{}", both.text);
        assert_eq!(both.date.unwrap().to_string(), "2016-01-02");
        let (heading, text) = plain("# H\n\nT\n\nMore.");
        let bare = article(Map::new(), heading, text).unwrap();
        assert_eq!(
            (bare.title.as_str(), bare.text.as_str()),
            ("H", "T\n\nMore.")
        );
    }
}
