//! Markdown: front matter, first heading, plain text of the blocks.

use super::{Context, whole};
use crate::corpus::article::{Article, one_line, tidy};
use crate::corpus::columns::Columns;
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
    let (mut row, body) = front_matter(&source);
    let (heading, text) = plain(body);
    if text.trim().is_empty() {
        return context.bad(None, "no text besides its heading");
    }
    row.insert(TEXT.to_string(), Value::String(text));
    // Front matter goes by the same names as columns do, except for the text.
    let names: Vec<String> = row.keys().cloned().collect();
    let columns = Columns {
        text: Some(TEXT.to_string()),
        ..Columns::default()
    };
    let article = columns.map(&names).and_then(|mapping| mapping.article(row));
    match article {
        Ok(article) => {
            let article = Article {
                id: article.id.or_else(|| context.file_id.clone()),
                title: if article.title.is_empty() {
                    one_line(&heading)
                } else {
                    article.title
                },
                origin: context.origin.to_string(),
                ..article
            };
            context.sink.article(article)
        }
        Err(message) => context.bad(None, message),
    }
}

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
        let (title, text) = plain(body);
        assert_eq!(title, "H");
        assert_eq!(text.trim(), "Text here, and there.\n\none\ntwo");
    }
}
