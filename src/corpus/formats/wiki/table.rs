//! Tables of wikitext.

use super::text::{BREAK, GONE};

/// The cells of a table, a row a line.
pub(super) fn table(inner: &str, out: &mut String) {
    let mut row: Vec<String> = Vec::new();
    let mut cells = |row: &mut Vec<String>| {
        let filled: Vec<&str> = row
            .iter()
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
            .collect();
        if !filled.is_empty() {
            out.push('\n');
            out.push_str(&filled.join(", "));
        }
        row.clear();
    };
    // What stands behind the opening mark says how the table looks.
    for line in inner.lines().skip(1) {
        let line = line.trim();
        let (marks, rest) = match line.as_bytes() {
            [b'|', b'-', ..] => {
                cells(&mut row);
                continue;
            }
            [b'|', b'+', ..] => {
                cells(&mut row);
                row.push(cell(&line[2..]));
                cells(&mut row);
                continue;
            }
            [b'|', ..] => (["||", "||"], &line[1..]),
            [b'!', ..] => (["!!", "||"], &line[1..]),
            _ => {
                // A cell goes on, with a list as well.
                let line = line.trim_start_matches(['*', '#', ':', ';', ' ']);
                match row.last_mut().filter(|_| !line.is_empty()) {
                    Some(last) if last.is_empty() => last.push_str(line),
                    Some(last) => {
                        last.push(' ');
                        last.push_str(line);
                    }
                    None => row.push(line.to_string()),
                }
                continue;
            }
        };
        let parts = rest.split(marks[0]).flat_map(|part| part.split(marks[1]));
        row.extend(parts.map(cell));
        if row.len() > 1000 {
            cells(&mut row);
        }
    }
    cells(&mut row);
    out.push('\n');
}

/// A cell without what says how it looks: `style="…" | text`.
fn cell(part: &str) -> String {
    let part = part.trim_start_matches('|').replace(BREAK, " ");
    let part = part.trim_matches([' ', GONE]);
    let text = match part.split_once('|') {
        Some((look, text)) if look.contains('=') => text.trim_start_matches('|'),
        _ => part,
    };
    let text = text.trim_matches([' ', GONE]);
    if is_look(text) {
        String::new()
    } else {
        text.to_string()
    }
}

/// Whether a cell says nothing but how it looks: what it shows was a template.
fn is_look(text: &str) -> bool {
    const LOOKS: [&str; 9] = [
        "align", "bgcolor", "class", "colspan", "rowspan", "scope", "style", "valign", "width",
    ];
    text.split_once('=').is_some_and(|(name, value)| {
        LOOKS.contains(&name.trim())
            && (value.trim_start().starts_with('"') || !value.contains(' '))
    })
}
