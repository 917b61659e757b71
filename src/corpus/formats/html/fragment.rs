//! Markup in a field of a table: whether it is any, and its text.

use super::text::{Block, Reading, blocks_and_hidden};
use super::{parse, shortcodes};
use std::borrow::Cow;

/// The plain text of a field that holds markup (`<p>…</p>`, `<br>`, `&amp;`), paragraphs apart by
/// blank lines and without shortcodes; `None` where it holds none, so that a text about `a < b`, an address in angle
/// brackets or code stays as it is. All visible text is kept: there is nothing around an article
/// to leave out here but what nobody sees, such as what newsletters show in lists of mails alone.
pub(in crate::corpus) fn fragment(text: &str) -> Option<String> {
    let bare = shortcodes::without(text);
    if is_markup(&bare) {
        return Some(render(&bare));
    }
    let Some(plain) = without_entities(&bare) else {
        return match bare {
            Cow::Borrowed(_) => None,
            Cow::Owned(bare) => Some(bare),
        };
    };
    // Markup that was escaped once more, as in feeds.
    Some(if is_markup(&plain) {
        render(&plain)
    } else {
        plain
    })
}

/// The text of what is HTML for certain, such as a block of HTML in Markdown: all tags in it are tags,
/// also one alone that closes what stands elsewhere.
pub(in crate::corpus) fn block(html: &str) -> String {
    rendered(html)
}

fn render(text: &str) -> String {
    rendered(&only_tags(text))
}

fn rendered(source: &str) -> String {
    let broken = Tags::in_text(source).any(|t| t.breaks_lines());
    let document = parse::fragment(source);
    let read = |hidden| {
        let reading = Reading {
            blank_lines: true,
            lines: !broken,
            everything: true,
            hidden,
        };
        blocks_and_hidden(document.root(), reading)
    };
    let (mut blocks, hid) = read(false);
    if hid {
        // What hides most of a text waits for a script to show it.
        let (all, _) = read(true);
        if letters(&all) > 3 * letters(&blocks) {
            blocks = all;
        }
    }
    let text: Vec<String> = blocks.into_iter().map(|b| b.text).collect();
    text.join("\n\n")
}

/// How many letters and digits blocks have; what fills a line that is not seen are neither.
fn letters(blocks: &[Block]) -> usize {
    let characters = blocks.iter().flat_map(|block| block.text.chars());
    characters.filter(|c| c.is_alphanumeric()).count()
}

/// The text with its character references replaced; `None` where there are none.
fn without_entities(text: &str) -> Option<String> {
    let has = text.match_indices('&').any(|(i, _)| {
        let rest = &text.as_bytes()[i + 1..];
        let name = rest
            .iter()
            .take(32)
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'#')
            .count();
        name > 1 && rest.get(name) == Some(&b';')
    });
    if !has {
        return None;
    }
    // As the text of an element whose content is no markup but references.
    let escaped = text.replace('<', "&lt;");
    let document = parse::fragment(&format!("<pre>\n{escaped}</pre>"));
    // A blank that is not to be broken at is a blank to a reader.
    let plain = document.text().replace('\u{a0}', " ");
    (plain != text).then_some(plain)
}

/// Whether a text is markup: its elements are HTML's, and are closed or need not be.
fn is_markup(text: &str) -> bool {
    if !text.contains('<') {
        return false;
    }
    // What Markdown marks as code is a text about markup.
    let text = without_code(text);
    let (mut breaks, mut paragraphs) = (0, 0);
    let mut open: Vec<&str> = Vec::new();
    // A block's end, and where it stands.
    let mut ended: Option<(&str, usize)> = None;
    for (i, tag) in Tags::in_text(&text).enumerate() {
        if !is_known(tag.name) {
            continue;
        }
        if tag.end {
            if open.iter().any(|name| name.eq_ignore_ascii_case(tag.name)) {
                return true;
            }
            ended = Some((tag.name, tag.finish));
            continue;
        }
        // A piece of markup, cut out between two blocks: `one</p><p>two`.
        let between = ended.is_some_and(|(name, at)| {
            name.eq_ignore_ascii_case(tag.name) && text[at..tag.begin].trim().is_empty()
        });
        let parts = matches!(tag.name, "p" | "P" | "br" | "BR") && tag.parts(&text);
        if tag.comment || between || parts {
            return true;
        } else if tag.name.eq_ignore_ascii_case("br") {
            breaks += 1;
            if breaks > 1 || tag.closed {
                return true;
            }
        } else if tag.name.eq_ignore_ascii_case("p") {
            paragraphs += 1;
            if paragraphs > 1 || text[..tag.begin].trim().is_empty() {
                return true;
            }
            open.push(tag.name);
        } else if (tag.closed || tag.attributes) && is_alone(tag.name) {
            return true;
        } else if i < MOST_OPEN {
            open.push(tag.name);
        }
    }
    false
}

/// Among how many start tags the one of an end tag is looked for.
const MOST_OPEN: usize = 64;

/// The text without what stands in backticks.
fn without_code(text: &str) -> Cow<'_, str> {
    if !text.contains('`') {
        return Cow::Borrowed(text);
    }
    let fence = if text.contains("```") { "```" } else { "`" };
    Cow::Owned(text.split(fence).step_by(2).collect::<Vec<_>>().join(" "))
}

/// The text with every `<` escaped that begins no tag, so that `a < b` and `<ann@example.org>` are
/// still to be seen between tags.
fn only_tags(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let ends = Ends::of(text);
    let mut copied = 0;
    let mut next = 0;
    while let Some(at) = text[next..].find('<').map(|i| next + i) {
        match Tag::at(text, at, ends) {
            Some(tag) if tag.is_one() => next = tag.finish,
            _ => {
                out.push_str(&text[copied..at]);
                out.push_str("&lt;");
                (copied, next) = (at + 1, at + 1);
            }
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// A tag or comment as it is written.
#[derive(Clone, Copy)]
struct Tag<'a> {
    name: &'a str,
    begin: usize,
    finish: usize,
    end: bool,
    closed: bool,
    attributes: bool,
    comment: bool,
}

/// Where the last tag and the last comment of a text end: none that begins later is looked for to
/// the text's end again and again.
#[derive(Clone, Copy)]
struct Ends {
    tag: Option<usize>,
    comment: Option<usize>,
}

impl Ends {
    fn of(text: &str) -> Self {
        Self {
            tag: text.rfind('>'),
            comment: text.rfind("-->"),
        }
    }
}

/// The longest tag that is looked at, in bytes: a picture may stand in its address.
const LONGEST_TAG: usize = 1 << 20;

impl<'a> Tag<'a> {
    /// The tag that begins at a `<`.
    fn at(text: &'a str, begin: usize, ends: Ends) -> Option<Self> {
        if ends.tag.is_none_or(|end| end < begin) {
            return None;
        }
        let rest = &text[begin + 1..];
        let mut tag = Self {
            name: "!",
            begin,
            finish: begin,
            end: false,
            closed: false,
            attributes: false,
            comment: true,
        };
        if let Some(comment) = rest.strip_prefix("!--") {
            if ends.comment.is_none_or(|end| end < begin + 4) {
                return None;
            }
            tag.finish = begin + 4 + comment.find("-->")? + 3;
            return Some(tag);
        }
        if rest
            .get(..8)
            .is_some_and(|d| d.eq_ignore_ascii_case("!doctype"))
        {
            tag.finish = begin + 1 + rest.find('>')? + 1;
            return Some(tag);
        }
        tag.comment = false;
        tag.end = rest.starts_with('/');
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let length = rest
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'_'))
            .count();
        tag.name = &rest[..length];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let after = &rest.as_bytes()[length..];
        if !matches!(after.first()?, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r') {
            return None;
        }
        // To the `>` that is in no quoted value; another `<` outside one means that this was none.
        let mut quote = None;
        for (i, b) in after.iter().enumerate().take(LONGEST_TAG) {
            match (quote, b) {
                (None, b'"' | b'\'') if i > 0 && after[..i].trim_ascii_end().ends_with(b"=") => {
                    quote = Some(*b);
                }
                (Some(q), b) if q == *b => quote = None,
                (None, b'>') => {
                    let inner = after[..i].trim_ascii_end();
                    tag.closed = inner.ends_with(b"/");
                    tag.attributes = inner.contains(&b'=');
                    tag.finish = begin + 1 + usize::from(tag.end) + length + i + 1;
                    return Some(tag);
                }
                (None, b'<') => return None,
                _ => {}
            }
        }
        None
    }

    /// Whether it is a tag to HTML: one of its own, or of a vocabulary that says that it is not.
    fn is_one(&self) -> bool {
        self.comment || is_known(self.name) || self.name.contains(['-', ':'])
    }

    /// Whether it stands between two paragraphs of a text, and not in a sentence that speaks of it: `One.<p>Two`.
    fn parts(&self, text: &str) -> bool {
        let (before, after) = (&text[..self.begin], &text[self.finish..]);
        let (Some(last), Some(next)) = (before.chars().next_back(), after.chars().next()) else {
            return false;
        };
        let begins = next.is_alphanumeric() || matches!(next, '<' | '“' | '«' | '"' | '&');
        let alone = last == '\n' && next == '\n';
        let ended = before.trim_end().ends_with([
            '.', '!', '?', ':', ';', '…', '"', '”', '»', ')', '。', '！', '？',
        ]);
        let quoted = last == next && !last.is_alphanumeric();
        let attached = last.is_alphanumeric() || ended && !last.is_whitespace();
        alone || !quoted && (attached && begins || ended && next.is_alphanumeric())
    }

    fn breaks_lines(&self) -> bool {
        self.name.eq_ignore_ascii_case("br")
            || super::text::is_block(&self.name.to_ascii_lowercase().as_str().into())
    }
}

/// The tags of a text, in order.
struct Tags<'a> {
    text: &'a str,
    ends: Ends,
    next: usize,
}

impl<'a> Tags<'a> {
    fn in_text(text: &'a str) -> Self {
        Self {
            text,
            ends: Ends::of(text),
            next: 0,
        }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        while let Some(at) = self.text[self.next..].find('<').map(|i| self.next + i) {
            if let Some(tag) = Tag::at(self.text, at, self.ends) {
                self.next = tag.finish;
                return Some(tag);
            }
            self.next = at + 1;
        }
        None
    }
}

/// Elements that are written without an end tag.
fn is_alone(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "img" | "hr" | "wbr" | "input" | "embed" | "iframe"
    )
}

/// The elements of HTML that people write in texts, and a comment.
fn is_known(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "!",
        "a",
        "abbr",
        "acronym",
        "address",
        "area",
        "article",
        "aside",
        "audio",
        "b",
        "bdi",
        "bdo",
        "big",
        "blink",
        "blockquote",
        "body",
        "br",
        "button",
        "canvas",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "data",
        "dd",
        "del",
        "details",
        "dfn",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "em",
        "embed",
        "fieldset",
        "figcaption",
        "figure",
        "font",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "hgroup",
        "hr",
        "html",
        "i",
        "iframe",
        "img",
        "input",
        "ins",
        "kbd",
        "label",
        "legend",
        "li",
        "link",
        "main",
        "map",
        "mark",
        "menu",
        "meta",
        "meter",
        "nav",
        "noscript",
        "object",
        "ol",
        "optgroup",
        "option",
        "p",
        "param",
        "picture",
        "pre",
        "progress",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "script",
        "section",
        "select",
        "small",
        "source",
        "span",
        "strike",
        "strong",
        "style",
        "sub",
        "summary",
        "sup",
        "svg",
        "table",
        "tbody",
        "td",
        "textarea",
        "tfoot",
        "th",
        "thead",
        "time",
        "title",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "video",
        "wbr",
    ];
    // A heading or a cell says its name in capitals as often.
    name.len() <= 10 && NAMES.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::fragment;

    #[test]
    fn what_is_hidden_is_left_out_unless_it_is_most() {
        let hidden = "<div style=\"display:none\">In the list of mails. \u{200c}\u{200c}\u{200c}\u{200c}\u{200c}\u{200c}\u{200c}\u{200c}\u{200c}\u{200c}</div>";
        for (markup, text) in [
            (
                format!(
                    "{hidden}<p>The bridge opens again.</p><p hidden>UNSEEN</p><b aria-hidden=true>*</b>"
                ),
                "The bridge opens again.",
            ),
            (
                "<p>Read on</p><div hidden><p>The bridge opens again, the council said.</p></div>"
                    .to_string(),
                "Read on\n\nThe bridge opens again, the council said.",
            ),
        ] {
            assert_eq!(fragment(&markup).as_deref(), Some(text), "{markup}");
        }
    }

    #[test]
    fn one_tag_between_two_paragraphs_is_markup() {
        for (markup, text) in [
            ("I agree.<p>But not always.", "I agree.\n\nBut not always."),
            ("I agree. <p>But not always.", "I agree.\n\nBut not always."),
            (
                "I agree.\n<p>\nBut not always.",
                "I agree.\n\nBut not always.",
            ),
            ("Line one<br>line two", "Line one line two"),
            ("Para one</p><p>Para two", "Para one\n\nPara two"),
            ("One</li>\n<li>Two", "One\n\nTwo"),
        ] {
            assert_eq!(fragment(markup).as_deref(), Some(text), "{markup}");
        }
        for text in [
            "the tags <p>, <br> and so on",
            "(<p>)",
            "\"<p>\"",
            "I like it. <p> is the best.",
        ] {
            assert_eq!(fragment(text), None, "{text}");
        }
    }

    #[test]
    fn markup_becomes_its_text() {
        for (markup, text) in [
            (
                "<p>One <b>bold</b> word.</p><p>Two.</p>",
                "One bold word.\n\nTwo.",
            ),
            (
                "<!-- wp:paragraph --><p>A swing&nbsp;bridge.</p><ul><li>Bearings.</li></ul><script>var x = 1;</script>",
                "A swing bridge.\n\nBearings.",
            ),
            (
                "Fine film.<br /><br />I would see it again.",
                "Fine film.\n\nI would see it again.",
            ),
            ("Bridge &amp; ferry", "Bridge & ferry"),
            ("a < b &amp; c", "a < b & c"),
            (
                "&lt;p&gt;Twice escaped.&lt;/p&gt;&lt;p&gt;As in feeds.&lt;/p&gt;",
                "Twice escaped.\n\nAs in feeds.",
            ),
            (
                "<p>Write to <ann@example.org> if a < b.</p>",
                "Write to <ann@example.org> if a < b.",
            ),
            (
                "<p>Use <code>&lt;b&gt;</code> for bold.</p>",
                "Use <b> for bold.",
            ),
            (
                "First line\nsecond <i>line</i>\n\nNext paragraph",
                "First line\nsecond line\n\nNext paragraph",
            ),
            ("<P>OLD<P>STYLE", "OLD\n\nSTYLE"),
            (
                "<table><tr><td>Year</td><td>Ships</td></tr><tr><td>2020</td><td>4</td></tr></table>",
                "Year Ships\n\n2020 4",
            ),
            (
                "<p>Kept <button>pressed</button> and <o:p>chosen</o:p>.</p>",
                "Kept pressed and chosen.",
            ),
            ("<p>never <b closed", "never <b closed"),
        ] {
            assert_eq!(fragment(markup).as_deref(), Some(text), "{markup}");
        }
    }

    #[test]
    fn what_is_no_markup_stays_as_it_is() {
        for text in [
            "",
            "plain",
            "if a < b and c > d then",
            "Ann <ann@example.org> wrote",
            "vector<string> names; map<int, string> m;",
            "List<A> and Option<B>",
            "the <br> element ends a line",
            "use a <p> for each",
            "AT&T and R&D",
            "?a=1&copy=2",
            "```html\n<p>shown</p>\n```",
            "write `<b>bold</b>` so",
            "1 <2> 3",
            "<3",
            "<",
            "<T>x</T>",
        ] {
            assert_eq!(fragment(text), None, "{text}");
        }
    }

    #[test]
    fn a_hostile_field_takes_no_longer_than_its_length() {
        let deep = format!("{}words{}", "<div>".repeat(50_000), "</div>".repeat(50_000));
        assert_eq!(fragment(&deep).as_deref(), Some("words"));
        let open = "<p ".repeat(200_000);
        assert_eq!(fragment(&open), None);
        let quoted = "<p a=\"".repeat(100_000);
        assert_eq!(fragment(&quoted), None);
        assert_eq!(fragment(&"<!--".repeat(200_000)), None);
        assert!(fragment(&"&amp;".repeat(200_000)).is_some());
    }
}
