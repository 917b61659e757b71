//! What is left of HTML in texts that were not cleaned.

use std::borrow::Cow;

/// The text with HTML tags, entities and addresses as blanks.
pub(super) fn without_markup(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '#']) && !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '#', ':']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let ends = |open: &str, close: char, max_chars: usize| -> Option<usize> {
            let body = tail.strip_prefix(open)?;
            let end = body
                .char_indices()
                .take(max_chars)
                .find(|c| c.1 == close)?
                .0;
            Some(open.len() + end + close.len_utf8())
        };
        let code = |end: usize| {
            let inner = &tail[1..end - 1];
            let inner = inner.strip_prefix('#').unwrap_or(inner);
            !inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let skip = if let Some(body) = tail.strip_prefix("&lt;") {
            // A tag that was escaped.
            body.find("&gt;")
                .filter(|&end| end < 300)
                .map_or(4, |end| 4 + end + 4)
        } else if let Some(end) = ends("&", ';', 10).filter(|&end| code(end)) {
            // An apostrophe by number is what it stands for.
            if matches!(&tail[..end], "&#39;" | "&apos;" | "&rsquo;" | "&#8217;") {
                out.push('\'');
                rest = &tail[end..];
                continue;
            }
            end
        } else if let Some(after) = tail.strip_prefix("#39;") {
            // As above, its ampersand lost.
            if out.ends_with(' ') {
                out.pop();
            }
            out.push('\'');
            rest = after;
            continue;
        } else if let Some(end) =
            ends("#", ';', 6).filter(|&end| tail[1..end - 1].bytes().all(|b| b.is_ascii_digit()))
        {
            end
        } else if let Some(end) = ends("<", '>', 300)
            .filter(|_| tail[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/'))
        {
            end
        } else if tail.starts_with("://") {
            // The scheme before it counts as markup by its own name.
            tail.find(char::is_whitespace).unwrap_or(tail.len())
        } else {
            out.push_str(&tail[..1]);
            rest = &tail[1..];
            continue;
        };
        // A full stop, so that no phrase spans it.
        out.push_str(" . ");
        rest = &tail[skip..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}
