//! Tags and comments in wikitext.

use super::text::{BREAK, GONE};
use std::collections::HashMap;

/// Elements that are left out with what is in them: notes, formulas, pictures, maps.
const DROPPED: [&str; 21] = [
    "ref",
    "references",
    "math",
    "chem",
    "ce",
    "gallery",
    "imagemap",
    "timeline",
    "score",
    "graph",
    "mapframe",
    "maplink",
    "hiero",
    "templatestyles",
    "templatedata",
    "indicator",
    "includeonly",
    "infobox",
    "youtube",
    "pages",
    "pagequality",
];
/// Formulas, of which short ones are read as they are.
const FORMULAS: [&str; 3] = ["math", "chem", "ce"];
/// Elements in which nothing is a mark.
const VERBATIM: [&str; 4] = ["nowiki", "pre", "syntaxhighlight", "source"];
/// Elements whose marks alone are left out, and after which a line ends.
const BLOCKS: [&str; 25] = [
    "p",
    "div",
    "blockquote",
    "poem",
    "center",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "td",
    "th",
    "ul",
    "ol",
    "li",
    "dl",
    "dd",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "tabber",
];
const INLINE: [&str; 42] = [
    "small",
    "big",
    "b",
    "i",
    "u",
    "s",
    "em",
    "strong",
    "span",
    "sub",
    "sup",
    "font",
    "code",
    "tt",
    "kbd",
    "samp",
    "var",
    "cite",
    "abbr",
    "q",
    "del",
    "ins",
    "bdi",
    "bdo",
    "noinclude",
    "onlyinclude",
    "section",
    "ruby",
    "rb",
    "rp",
    "rt",
    "strike",
    "mark",
    "dfn",
    "time",
    "wbr",
    "data",
    "nowiki",
    "pre",
    "syntaxhighlight",
    "source",
    "ref",
];

/// Takes tags and comments out.
pub(super) fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Where the next end of an element is: what is looked for once is not looked for again.
    let mut ends: HashMap<String, Option<usize>> = HashMap::new();
    let mut end_of = |needle: &str, from: usize| -> Option<usize> {
        let known = ends.get(needle).copied();
        let found = match known {
            Some(None) => None,
            Some(Some(at)) if at >= from => Some(at),
            _ => find(text, needle, from),
        };
        ends.insert(needle.to_string(), found);
        found
    };
    let mut at = 0;
    while let Some(n) = text[at..].find('<') {
        out.push_str(&text[at..at + n]);
        at += n;
        if text[at..].starts_with("<!--") {
            out.push(GONE);
            at = end_of("-->", at).map_or(at + 4, |end| end + 3);
            continue;
        }
        let Some(tag) = Tag::of(&text[at..]) else {
            out.push('<');
            at += 1;
            continue;
        };
        let behind = at + tag.length;
        if VERBATIM.contains(&tag.name.as_str()) && !tag.closes && !tag.alone {
            let end = end_of(&format!("</{}", tag.name), behind).unwrap_or(text.len());
            let block = tag.name != "nowiki";
            out.push_str(if block { "\n" } else { "" });
            escape(&text[behind..end], &mut out);
            out.push_str(if block { "\n" } else { "" });
            at = end;
        } else if tag.name == "br" {
            out.push(BREAK);
            at = behind;
        } else if DROPPED.contains(&tag.name.as_str()) {
            at = behind;
            out.push(GONE);
            if !tag.closes && !tag.alone {
                let end = end_of(&format!("</{}", tag.name), behind);
                let again = end_of(&format!("<{}", tag.name), behind);
                // One that another follows before it ends was not closed.
                at = match (end, again) {
                    (Some(end), Some(again)) if again < end => behind,
                    (Some(end), _) => {
                        if FORMULAS.contains(&tag.name.as_str()) && is_short(&text[behind..end]) {
                            escape(&text[behind..end], &mut out);
                        }
                        end
                    }
                    (None, _) => behind,
                };
            }
        } else if BLOCKS.contains(&tag.name.as_str()) {
            out.push('\n');
            at = behind;
        } else if INLINE.contains(&tag.name.as_str()) {
            at = behind;
        } else {
            out.push('<');
            at += 1;
        }
    }
    out.push_str(&text[at..]);
    out
}

/// Whether a formula can be read as it is written.
fn is_short(formula: &str) -> bool {
    formula.len() <= 60 && !formula.contains(['\\', '{', '<', '\n'])
}

/// Where a text in small letters of ASCII begins, in any case.
fn find(text: &str, small: &str, from: usize) -> Option<usize> {
    let (bytes, first) = (text.as_bytes(), small.as_bytes()[0]);
    let is_one = |at: &usize| {
        let there = bytes.get(*at..*at + small.len());
        there.is_some_and(|there| there.eq_ignore_ascii_case(small.as_bytes()))
    };
    // The first is a mark, which has no case.
    memchr::memchr_iter(first, bytes.get(from..)?)
        .map(|at| from + at)
        .find(is_one)
}

/// A tag that a text begins with.
struct Tag {
    name: String,
    length: usize,
    closes: bool,
    /// Whether it has no end of its own: `<ref name="a" />`.
    alone: bool,
}

impl Tag {
    fn of(text: &str) -> Option<Self> {
        /// Longer ones, in bytes, are none.
        const LONGEST: usize = 2000;
        let bytes = text.as_bytes();
        let closes = bytes.get(1) == Some(&b'/');
        let start = 1 + usize::from(closes);
        let n = bytes[start.min(bytes.len())..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        if n == 0 || n > 20 {
            return None;
        }
        let mut quote = None;
        let rest = bytes.iter().enumerate().skip(start + n).take(LONGEST);
        for (at, b) in rest {
            match (quote, b) {
                (None, b'>') => {
                    return Some(Self {
                        name: text[start..start + n].to_ascii_lowercase(),
                        length: at + 1,
                        closes,
                        alone: bytes[at - 1] == b'/',
                    });
                }
                (None, b'<') => return None,
                (None, b'"') => quote = Some(*b),
                (Some(open), b) if open == *b => quote = None,
                _ => {}
            }
        }
        None
    }
}

/// Writes what is no mark although it looks like one.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '[' => out.push_str("&#91;"),
            ']' => out.push_str("&#93;"),
            '{' => out.push_str("&#123;"),
            '}' => out.push_str("&#125;"),
            '|' => out.push_str("&#124;"),
            '\'' => out.push_str("&#39;"),
            '=' => out.push_str("&#61;"),
            '*' => out.push_str("&#42;"),
            '#' => out.push_str("&#35;"),
            ':' => out.push_str("&#58;"),
            ';' => out.push_str("&#59;"),
            '_' => out.push_str("&#95;"),
            '-' => out.push_str("&#45;"),
            '<' => out.push_str("&lt;"),
            c => out.push(c),
        }
    }
}
