//! One article, as it was read.

use serde_json::{Map, Value};

/// One document of the corpus.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Article {
    /// The id the input gives, or `None` where it gives none.
    pub id: Option<String>,
    /// The title, on one line; empty where there is none.
    pub title: String,
    /// The body, paragraphs apart by blank lines, with `\n` line ends.
    pub text: String,
    /// ISO 8601: `2016-03-24` or `2016-03-24T10:15:00`.
    pub date: Option<String>,
    /// Where it was published.
    pub url: Option<String>,
    /// Who published it.
    pub source: Option<String>,
    /// Every other column.
    pub meta: Map<String, Value>,
    /// The input it was read from: an absolute path, or `-`.
    pub origin: String,
    /// The row in that input, from 1; `None` for a file that is one article.
    pub row: Option<u64>,
}

impl Article {
    /// Whether neither its text nor its title shows anything.
    pub(crate) fn is_blank(&self) -> bool {
        is_blank(&self.text) && is_blank(&self.title)
    }
}

/// The site of an address, which names a source where nothing else does.
pub(crate) fn site(address: &str) -> Option<String> {
    let rest = address.trim().split("://").nth(1)?;
    let host = rest.split(['/', ':', '?', '#']).next()?;
    Some(host.trim_start_matches("www.").to_string()).filter(|host| !host.is_empty())
}

/// The longest first line, in characters, that is taken for a title.
const LONGEST_TITLE: usize = 250;

/// Tells the title line from the body of a plain text.
///
/// The first line that is not blank is the title when more text follows, it is short, and
/// either a blank line comes after it or it does not end as a sentence does. Returns the
/// title (empty if there is none) and the body.
pub fn split_title(text: &str) -> (String, String) {
    let text = text.trim_start_matches(['\u{feff}', '\n', '\r', ' ', '\t']);
    let Some((first, rest)) = text.split_once('\n') else {
        return (String::new(), text.trim_end().to_string());
    };
    let first = first.trim();
    let body = rest.trim_matches(['\n', '\r']).trim_end();
    let blank_follows = rest.starts_with('\n') || rest.starts_with("\r\n") || {
        let next = rest.split('\n').next().unwrap_or("");
        next.trim().is_empty()
    };
    let sentence = first.ends_with(['.', ';', ',', ':']) && !first.ends_with("...");
    let short = first.chars().count() <= LONGEST_TITLE;
    if body.trim().is_empty()
        || !short
        || (sentence && !blank_follows)
        || (sentence && first.len() > 120)
    {
        return (String::new(), text.trim_end().to_string());
    }
    if !blank_follows && first.chars().count() > 120 {
        return (String::new(), text.trim_end().to_string());
    }
    (first.to_string(), body.to_string())
}

/// Unifies line ends and drops what never carries meaning (byte-order marks, NUL,
/// trailing blanks), leaving every other character as it was.
pub(crate) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let dropped = ['\u{feff}', '\0'];
    let mark = memchr::memmem::find(text.as_bytes(), "\u{feff}".as_bytes());
    let plain = memchr::memchr2(0, b'\r', text.as_bytes()).is_none() && mark.is_none();
    let mut begin = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes());
    for end in ends.chain([text.len()]) {
        let line = text[begin..end].trim_end_matches(['\r', ' ', '\t']);
        begin = end + 1;
        if plain {
            out.push_str(line);
        } else {
            for (i, piece) in line.split('\r').enumerate() {
                if i > 0 {
                    out.push('\n');
                }
                piece.split(dropped).for_each(|part| out.push_str(part));
            }
        }
        out.push('\n');
    }
    let end = out.trim_end().len();
    out.truncate(end);
    let start = out.len() - out.trim_start_matches('\n').len();
    if start > 0 {
        out.drain(..start);
    }
    out
}

/// Whether nothing of a text is seen: blanks, controls, and marks without a width, such as a zero-width space.
pub(crate) fn is_blank(text: &str) -> bool {
    let unseen = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
    };
    text.chars().all(unseen)
}

/// A title on one line.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_is_the_first_line_before_a_blank_one() {
        let (title, body) = split_title("A title, with a comma\n\n\nBody one.\n\nBody two.");
        assert_eq!(title, "A title, with a comma");
        assert_eq!(body, "Body one.\n\nBody two.");
    }

    #[test]
    fn a_sentence_is_no_title() {
        let text = "This is a sentence that ends in a full stop.\nAnd this is the next.";
        assert_eq!(split_title(text), (String::new(), text.to_string()));
    }

    #[test]
    fn a_single_line_is_body() {
        assert_eq!(
            split_title("Only this line"),
            (String::new(), "Only this line".to_string())
        );
    }

    #[test]
    fn line_ends_become_one_kind() {
        assert_eq!(tidy("\u{feff}a \r\nb\rc\r\n\r\n"), "a\nb\nc");
    }
}
