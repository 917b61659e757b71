//! HTML within other formats: pages and pieces of text.

use super::{LONGEST, TOO_LONG, html};
use crate::corpus::article::{Article, tidy};
use crate::corpus::decode::Decoder;
use encoding_rs::Encoding;

/// The article of an HTML page, without id and origin; `server` is the encoding that its server
/// declared.
///
/// # Errors
/// None was found, or the page is too long; what the reader of HTML says of it.
pub(super) fn page(
    bytes: &[u8],
    server: Option<&'static Encoding>,
) -> std::result::Result<Article, String> {
    if bytes.len() as u64 > LONGEST {
        return Err(TOO_LONG.to_string());
    }
    html::article(bytes, server, &mut Decoder::default())
}

/// The text of a piece of HTML, or of plain text; paragraphs apart by blank lines. Of a whole page it is the
/// article's.
pub(super) fn plain(piece: &str) -> String {
    match html::page_in(piece) {
        Some(page) => page.text.trim().to_string(),
        None => shown(piece),
    }
}

/// The text of a mail's HTML: all that it shows, but of a site's page that was mailed the article's.
pub(super) fn mailed(html: &str) -> String {
    let page = html::is_of_a_site(html).then(|| html::page_in(html));
    match page.flatten() {
        Some(page) => page.text.trim().to_string(),
        None => shown(html::without_head(html)),
    }
}

fn shown(piece: &str) -> String {
    let text = html::fragment(piece);
    let mut text = tidy(text.as_deref().unwrap_or(piece)).trim().to_string();
    text.retain(|c| !c.is_control() || c == '\n' || c == '\t');
    text
}

/// Replaces character references by what they stand for; control characters go.
pub(super) fn entities(text: &str) -> String {
    references(text, 11, written)
}

/// Writes the character of a reference, unless it is a control; `false` where it is none that [`entity`] knows.
pub(super) fn written(name: &str, out: &mut String) -> bool {
    let Some(c) = entity(name) else {
        return false;
    };
    if !c.is_control() || c == '\n' || c == '\t' {
        out.push(c);
    }
    true
}

/// Replaces references with names of at most so many bytes by what `write` writes for them; those of which it says that
/// they are none stay.
pub(super) fn references(
    text: &str,
    longest: usize,
    write: impl Fn(&str, &mut String) -> bool,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(longest + 1).position(|b| b == b';');
        match end.filter(|end| write(&rest[1..*end], &mut out)) {
            Some(end) => rest = &rest[end + 1..],
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character of a reference, such as `amp` or `#8217`; the named ones are those that texts have
/// outside HTML.
pub(super) fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32);
    }
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces() {
        assert_eq!(plain("Plain & simple, 5 < 6"), "Plain & simple, 5 < 6");
        assert_eq!(plain("AT&amp;T &#8217;s&#3; &x;"), "AT&T ’s &x;");
        assert_eq!(
            plain("<p>One <b>two</b></p><p>Three</p>"),
            "One two\n\nThree"
        );
        assert_eq!(plain("One <b>two</b>\n\nThree"), "One two\n\nThree");
        assert_eq!(entities("&é;&"), "&é;&");
    }
}
