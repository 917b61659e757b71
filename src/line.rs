//! Texts that others wrote as one harmless line: of articles, names of files, members of archives.

use std::borrow::Cow;

/// A text without control characters: what an article holds must not steer the terminal.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if is_unseen(c) { ' ' } else { c })
        .collect()
}

/// Control characters, which a terminal obeys, and marks that turn the direction of what follows or
/// precedes.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As [`clean`], of a text that is mostly harmless as it is.
pub(crate) fn cleaned(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(is_unseen) {
        Cow::Owned(clean(&text))
    } else {
        text
    }
}

/// JSON whose strings hold no character that a terminal obeys: each is written as an escape, which
/// means the same. Line ends between values stay.
pub fn plain_json(json: &str) -> Cow<'_, str> {
    let unseen = |c: char| is_unseen(c) && c != '\n';
    if !json.contains(unseen) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if unseen(c) {
            // All of them are below U+10000, and so one escape each.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The first `most` characters in one line, cut at a word.
pub fn snippet(text: &str, most: usize) -> String {
    let line = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head);
    format!("{cut}…")
}
