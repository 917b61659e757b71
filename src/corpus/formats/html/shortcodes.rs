//! WordPress's shortcodes: `[caption width="300"]…[/caption]` in a text that no site has rendered.

use rustc_hash::FxHashSet;
use std::borrow::Cow;

/// The longest one, in bytes.
const LONGEST: usize = 2000;

/// Beginnings of the names that builders of pages give to theirs.
const BUILDERS: [&str; 6] = [
    "vc_",
    "et_pb_",
    "fusion_",
    "av_",
    "wpforms",
    "contact-form-7",
];

/// The text without its shortcodes; what stands in them stays, but for the address of what is
/// shown. Words in brackets, such as `[sic]`, are none: a shortcode has attributes in quotes or an
/// end of its own.
pub(super) fn without(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'[', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let ends: FxHashSet<&str> = text
        .match_indices("[/")
        .filter_map(|(at, _)| name(&text[at + 2..]))
        .collect();
    let mut out = String::new();
    let mut copied = 0;
    let mut next = 0;
    while let Some(at) = memchr::memchr(b'[', &text.as_bytes()[next..]).map(|i| next + i) {
        next = at + 1;
        let Some(code) = Code::at(&text[at..], &ends) else {
            continue;
        };
        out.push_str(&text[copied..at]);
        next = at + code.length;
        if code.shows && !code.end {
            next += address(&text[next..]);
        }
        if !code.inline && !out.is_empty() && !out.ends_with("\n\n") {
            out.push_str("\n\n");
        }
        copied = next;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

struct Code {
    length: usize,
    end: bool,
    /// It marks words within a line.
    inline: bool,
    /// It stands for something to be seen or heard.
    shows: bool,
}

impl Code {
    /// The one that a text begins with.
    fn at(text: &str, ends: &FxHashSet<&str>) -> Option<Self> {
        let rest = &text[1..];
        let end = rest.starts_with('/');
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let name = name(rest)?;
        let rest = &rest[name.len()..];
        let close = rest
            .bytes()
            .take(LONGEST)
            .position(|b| matches!(b, b'[' | b']'))?;
        let attributes = rest[..close].trim_end_matches('/');
        if rest.as_bytes()[close] != b']'
            || !(attributes.is_empty() || attributes.starts_with(char::is_whitespace))
        {
            return None;
        }
        let quoted = ["=\"", "='", "=”", "=“", "=″", "=&#82", "=&quot;"];
        let is_one = end
            || ends.contains(name)
            || quoted.iter().any(|q| attributes.contains(q))
            || BUILDERS.iter().any(|b| name.starts_with(b));
        is_one.then(|| Self {
            length: text.len() - rest.len() + close + 1,
            end,
            inline: matches!(
                name,
                "a" | "b"
                    | "i"
                    | "u"
                    | "s"
                    | "em"
                    | "strong"
                    | "span"
                    | "url"
                    | "link"
                    | "color"
                    | "size"
                    | "font"
                    | "code"
                    | "dropcap"
                    | "highlight"
                    | "tooltip"
            ),
            shows: matches!(
                name,
                "embed" | "audio" | "video" | "playlist" | "youtube" | "vimeo"
            ),
        })
    }
}

/// The name that a text begins with.
fn name(text: &str) -> Option<&str> {
    let end = text.bytes().take(64).position(|b| {
        !(b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    })?;
    let name = &text[..end];
    name.starts_with(|c: char| c.is_ascii_lowercase())
        .then_some(name)
}

/// How long the address is that a text begins with.
fn address(text: &str) -> usize {
    if !text.starts_with("http") {
        return 0;
    }
    text.find(|c: char| c.is_whitespace() || matches!(c, '[' | '<'))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn shortcodes_go_and_what_stands_in_them_stays() {
        for (text, bare) in [
            (
                "[caption id=\"a_5\" width=\"300\"]<img src=x> The quay[/caption]The bridge opens.",
                "<img src=x> The quay\n\nThe bridge opens.",
            ),
            (
                "It opens. [gallery ids=\"1,2\"] It stays.",
                "It opens. \n\n It stays.",
            ),
            (
                "[vc_row][vc_column width=\"1/2\"]One.[/vc_column][/vc_row]",
                "One.\n\n",
            ),
            ("A [b]bold[/b] word.", "A bold word."),
            (
                "See [embed]https://v.example/1[/embed] now.",
                "See \n\n now.",
            ),
            ("[audio src='a.mp3' /]Heard.", "Heard."),
        ] {
            assert_eq!(without(text), bare, "{text}");
        }
    }

    #[test]
    fn words_in_brackets_stay() {
        for text in [
            "",
            "He said it [sic] twice.",
            "Watch this [video]",
            "[Updated] The bridge [of 1912] is open [1], [2/3].",
            "a [link](x) and [[wiki]] and x[i] = y[j]",
            "[p = 0.05] and [see fig. 3]",
            "[",
            "[/",
            "[a [b [c",
            "[ö=\"x\"]",
        ] {
            assert_eq!(without(text), text);
        }
        let hostile = "[a b=\"".repeat(100_000);
        assert_eq!(without(&hostile), hostile);
        let nested = "[vc_row]".repeat(100_000);
        assert_eq!(without(&nested), "");
    }
}
