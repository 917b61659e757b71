//! Lines of wikitext: headings, lists, marks of looks, character references.

use super::text::{BREAK, GONE};
use crate::corpus::formats::markup::{references, written};
use html5gum::{Token, Tokenizer};

/// Takes marks at the beginnings of lines out, and headings with nothing below them.
pub(super) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut headings: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let line = words(line);
        let line = line.trim();
        if let Some((level, heading)) = heading(line) {
            headings.retain(|(above, _)| *above < level);
            if !heading.is_empty() {
                headings.push((level, heading.to_string()));
            }
            continue;
        }
        let listed = line.starts_with(['*', '#', ':', ';']);
        let plain = line.trim_start_matches(['*', '#', ':', ';', ' ']);
        // Of a table that does not end.
        let plain = match plain.as_bytes() {
            [b'|', b'-' | b'}', ..] | [b'{', b'|', ..] => "",
            [b'|', ..] => plain[1..].trim_start(),
            _ => plain,
        };
        let is_rule = line.len() >= 4 && line.bytes().all(|b| b == b'-');
        if plain.is_empty() || is_rule {
            end_paragraph(&mut out);
            continue;
        }
        for (_, heading) in headings.drain(..) {
            end_paragraph(&mut out);
            out.push_str(&heading);
            end_paragraph(&mut out);
        }
        if listed {
            end_paragraph(&mut out);
        }
        out.push_str(&plain.replace(BREAK, "\n"));
        out.push('\n');
    }
    out
}

fn end_paragraph(out: &mut String) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push_str(if out.ends_with('\n') { "\n" } else { "\n\n" });
    }
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|b| *b == b'=').count().min(6);
    if level == 0 || line.len() <= 2 * level {
        return None;
    }
    let inner = line[level..].trim_end().strip_suffix(&"======"[..level])?;
    Some((level, inner.trim()))
}

/// A line without marks of looks (`''`), switches (`__NOTOC__`), and what is told for several ways of writing Chinese.
fn words(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let surplus = unbalanced(line);
    // Many may begin that have no end.
    let last_end = line.rfind("}-");
    let mut seen = 0;
    let mut rest = line;
    while let Some(at) = rest.find(['\'', '_', '-', '~']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let marks = rest.bytes().take_while(|b| *b == b'\'').count();
        if marks >= 2 {
            // Four are one that is read and three; of more than five, those in front are.
            let read = match marks {
                4 => 1,
                3 if surplus == Some(seen) => 1,
                marks => marks.saturating_sub(5),
            };
            out.push_str(&rest[..read]);
            seen += 1;
            rest = &rest[marks..];
            continue;
        }
        let ends = last_end.is_some_and(|end| line.len() - rest.len() < end);
        if ends && let Some((shown, behind)) = converted(rest) {
            out.push_str(shown);
            rest = behind;
            continue;
        }
        let alone = !out.ends_with(char::is_alphanumeric);
        let switch = rest.strip_prefix("__").filter(|_| alone).and_then(|inner| {
            let (name, behind) = inner.split_once("__")?;
            let is_one = (3..60).contains(&name.len())
                && !name.contains(|c: char| c.is_lowercase() || c == ' ');
            is_one.then_some(behind)
        });
        if let Some(behind) = switch {
            rest = behind;
            continue;
        }
        if let Some(behind) = rest.strip_prefix("~~~") {
            rest = behind.trim_start_matches('~');
            continue;
        }
        out.push_str(&rest[..1]);
        rest = &rest[1..];
    }
    out.push_str(rest);
    without_gaps(&out)
}

/// Which run of apostrophes in a line is one that is read and two marks: where both kinds of marks are odd in number, the
/// first three behind a word of one letter, or else behind a word, or any. As in `L'''Iliade''`.
fn unbalanced(line: &str) -> Option<usize> {
    let (mut bold, mut italic) = (0, 0);
    let mut threes: Vec<(usize, u8)> = Vec::new();
    let (mut at, mut run) = (0, 0);
    let bytes = line.as_bytes();
    while let Some(n) = memchr::memchr(b'\'', &bytes[at..]) {
        at += n;
        let marks = bytes[at..].iter().take_while(|b| **b == b'\'').count();
        if marks >= 2 {
            let before = &line[..at];
            match marks {
                2 => italic += 1,
                3 | 4 => bold += 1,
                _ => (bold, italic) = (bold + 1, italic + 1),
            }
            if marks == 3 && threes.len() < 64 {
                let mut last = before.chars().rev();
                let rank = match (last.next(), last.next()) {
                    (None | Some(' '), _) => 2,
                    (Some(_), None | Some(' ' | '(' | GONE)) => 0,
                    _ => 1,
                };
                threes.push((run, rank));
            }
            run += 1;
        }
        at += marks;
    }
    if bold % 2 == 0 || italic % 2 == 0 {
        return None;
    }
    threes
        .into_iter()
        .min_by_key(|(_, rank)| *rank)
        .map(|(run, _)| run)
}

/// What stands for a mark of several ways of writing, as Chinese has them, and what is behind it:
/// `-{zh-hans:计算机; zh-hant:電腦}-`.
fn converted(text: &str) -> Option<(&str, &str)> {
    let (inner, behind) = text.strip_prefix("-{")?.split_once("}-")?;
    let (flags, rules) = match inner.split_once('|') {
        Some((flags, rules)) => (flags, rules),
        None => ("", inner),
    };
    // Titles, and rules for the rest of the page.
    if flags.contains(['T', 'H', '-', 'D']) {
        return Some(("", behind));
    }
    let first = rules.split(';').find(|rule| !rule.trim().is_empty())?;
    let shown = match first.split_once(':') {
        Some((way, text)) if way.trim().starts_with("zh") => text,
        _ => rules,
    };
    Some((shown.trim(), behind))
}

/// A line without what stood around what was left out: blanks side by side, and brackets around nothing.
fn without_gaps(line: &str) -> String {
    if !line.contains(GONE) {
        return line.to_string();
    }
    let mut out = String::with_capacity(line.len());
    let mut gone = false;
    for c in line.chars() {
        if c == GONE {
            gone = true;
            continue;
        }
        if gone {
            match c {
                ' ' if out.is_empty() || out.ends_with([' ', '(', '（']) => continue,
                // `(; born 1890)`
                ',' | ';' if out.ends_with('(') => continue,
                ',' | ';' | ')' if out.ends_with(' ') => {
                    out.pop();
                }
                _ => {}
            }
            if c == ')' && out.ends_with('(') {
                out.pop();
                if out.ends_with(' ') {
                    out.pop();
                }
                continue;
            }
            if c == '）' && out.ends_with('（') {
                out.pop();
                continue;
            }
        }
        gone = gone && matches!(c, ' ' | ',' | ';');
        out.push(c);
    }
    out
}

/// Replaces character references, with all names that HTML has, by what they stand for.
pub(super) fn decoded(text: &str) -> String {
    references(text, 33, |name, out| {
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#');
        is_name && (written(name, out) || named(name, out))
    })
}

/// Writes what a reference with a name of HTML's stands for; `false` where there is none.
fn named(name: &str, out: &mut String) -> bool {
    let reference = format!("&{name};");
    let mut tokens = Tokenizer::new(&reference).filter_map(Result::ok);
    let Some(Token::String(text)) = tokens.next() else {
        return false;
    };
    let text = String::from_utf8_lossy(&text.value);
    let known = !text.ends_with(';');
    out.push_str(if known { &text } else { "" });
    known
}
