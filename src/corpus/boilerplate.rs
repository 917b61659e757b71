//! Telling an article's own text from what its publisher puts around every article.
//!
//! Two signs are used. A paragraph at the head or the tail of an article that also stands
//! in other articles of the same source is boilerplate ([`RECURRENCE`]), and so is one that
//! stands in most articles of its source, wherever it stands ([`ANYWHERE`]); a quotation that a
//! few articles share is not. Which paragraphs recur is known to the store, which counts their
//! [`key`]s. And some blocks are known by their heading ("Author Profile") or their beginning
//! ("Read more:").
//!
//! Boilerplate stays in the stored text; it is left out of the vectors and the labels.

use super::fold::fold;
use super::paragraphs::paragraphs;
use std::ops::Range;

/// In how many articles of one source that are no copies of each other a paragraph must stand.
pub const RECURRENCE: u32 = 3;

/// In how many it must stand to be boilerplate between other paragraphs too, if these are more
/// than half of the source's. Of fewer articles, most may well quote the same sentence.
pub const ANYWHERE: u32 = 5;

/// Where a paragraph that recurs in its source is boilerplate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurs {
    /// At the head and the tail of an article.
    AtEnds,
    /// Wherever it stands.
    Anywhere,
}

/// Headings that open a block which goes on to the end of the article.
const TAIL_HEADINGS: &[&str] = &[
    "author profile",
    "about the author",
    "about the authors",
    "about the writer",
    "author bio",
    "author biography",
    "about us",
    "related articles",
    "related stories",
    "related posts",
    "related news",
    "related content",
    "related topics",
    "related links",
    "read more",
    "read next",
    "more on this story",
    "more from this section",
    "most read",
    "most popular",
    "recommended",
    "recommended for you",
    "you may also like",
    "you might also like",
    "also read",
    "see also",
    "share this",
    "share this article",
    "share this story",
    "share",
    "like this",
    "follow us",
    "leave a reply",
    "leave a comment",
    "post a comment",
    "comments",
    "newsletter",
    "sign up to our newsletter",
    "subscribe",
    "tags",
    "disclaimer",
    "copyright",
    "über den autor",
    "über die autorin",
    "mehr zum thema",
    "lesen sie auch",
    "à propos de l'auteur",
    "à lire aussi",
    "lire aussi",
    "sobre el autor",
    "lea también",
    "об авторе",
    "читайте также",
];

/// What a short paragraph begins with that is boilerplate wherever it stands.
const LINE_BEGINNINGS: &[&str] = &[
    "advertisement",
    "read more:",
    "read also:",
    "also read:",
    "related:",
    "see also:",
    "copyright ©",
    "copyright (c)",
    "© ",
    "(c) 19",
    "(c) 20",
    "all rights reserved",
    "sign up for our",
    "sign up to our",
    "subscribe to our",
    "to subscribe to",
    "follow us on",
    "follow @",
    "click here to",
    "share this article",
    "this article was originally published",
    "this article first appeared",
    "this story was originally published",
    "photo credit:",
    "image credit:",
    "photo:",
    "photograph:",
    "download our app",
    "anzeige",
    "lesen sie auch:",
    "lire aussi :",
    "lire aussi:",
    "lea también:",
    "читайте также:",
];

/// The longest heading, and the longest paragraph told by its beginning, in characters.
const HEADING: usize = 60;
const LINE: usize = 300;

/// The longest boilerplate tail known by its heading alone, as a share of the text.
const LARGEST_TAIL: f64 = 0.7;

/// The key under which the store counts a paragraph of a source; `None` for a paragraph
/// without three letters or digits.
///
/// White space, case and typography do not matter.
pub fn key(source: &str, paragraph: &str) -> Option<i64> {
    if paragraph
        .chars()
        .filter(|c| c.is_alphanumeric())
        .take(3)
        .count()
        < 3
    {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(source.as_bytes());
    for word in fold(paragraph).split_whitespace() {
        hasher.update(b" ");
        hasher.update(word.as_bytes());
    }
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    Some(i64::from_le_bytes(bytes))
}

/// The keys of every paragraph of an article, without repeats.
pub fn keys(source: &str, text: &str) -> Vec<i64> {
    let mut keys: Vec<i64> = paragraphs(text)
        .into_iter()
        .filter_map(|range| key(source, &text[range]))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Tells an article from others with the same paragraphs, so that copies of one do not make its
/// paragraphs look like boilerplate: by its title, or by its first paragraph where it has none,
/// together with its longest paragraph.
///
/// The title alone would not do: some sources give every article the same one. Copies that differ
/// in a word here and there nearly always share the longest paragraph.
pub fn variant(title: &str, text: &str) -> i64 {
    let first = text.split("\n\n").next().unwrap_or("");
    let title = if title.is_empty() { first } else { title };
    let longest = paragraphs(text).into_iter().max_by_key(Range::len);
    let longest = longest.map_or("", |range| &text[range]);
    key("", &format!("{title}\n\n{longest}")).unwrap_or(0)
}

/// The boilerplate of `text`, as byte ranges in order; never the whole text.
///
/// `recurs` says of a paragraph's [`key`] whether and how it recurs in the source.
pub fn spans(
    source: &str,
    text: &str,
    recurs: impl Fn(i64) -> Option<Recurs>,
) -> Vec<Range<usize>> {
    let all = paragraphs(text);
    let mut marked: Vec<bool> = all
        .iter()
        .map(|range| known_line(&text[range.clone()]))
        .collect();
    if let Some(first) = tail_block(text, &all) {
        marked[first..].fill(true);
    }
    let recurring: Vec<Option<Recurs>> = all
        .iter()
        .map(|range| key(source, &text[range.clone()]).and_then(&recurs))
        .collect();
    for (marked, recurs) in marked.iter_mut().zip(&recurring) {
        *marked |= *recurs == Some(Recurs::Anywhere);
    }
    // From each end inwards, up to the first paragraph that is the article's own.
    for i in 0..all.len() {
        if !(recurring[i].is_some() || marked[i]) {
            break;
        }
        marked[i] = true;
    }
    for i in (0..all.len()).rev() {
        if !(recurring[i].is_some() || marked[i]) {
            break;
        }
        marked[i] = true;
    }
    if marked.iter().all(|&m| m) {
        return Vec::new();
    }
    let mut out: Vec<Range<usize>> = Vec::new();
    for (i, range) in all.into_iter().enumerate() {
        if !marked[i] {
            continue;
        }
        match out.last_mut() {
            Some(last) if i > 0 && marked[i - 1] => last.end = range.end,
            _ => out.push(range),
        }
    }
    out
}

fn known_line(paragraph: &str) -> bool {
    let start: String = paragraph.chars().take(LINE + 1).collect();
    if start.chars().count() > LINE {
        return false;
    }
    let start = fold(&start);
    LINE_BEGINNINGS.iter().any(|b| start.starts_with(b))
}

/// The first paragraph of a block that runs to the end under a known heading.
fn tail_block(text: &str, all: &[Range<usize>]) -> Option<usize> {
    let is_heading = |range: &Range<usize>| {
        let line = text[range.clone()].lines().next().unwrap_or("");
        line.chars().count() <= HEADING && {
            let line = fold(line);
            let line = line.trim_matches(|c: char| !c.is_alphanumeric());
            TAIL_HEADINGS.contains(&line)
        }
    };
    let end = all.last()?.end;
    all.iter()
        .enumerate()
        .skip(1)
        .find(|(_, range)| {
            let tail = (end - range.start) as f64;
            is_heading(range) && tail <= LARGEST_TAIL * text.len() as f64
        })
        .map(|(i, _)| i)
}

/// The keys of the paragraphs that lie in the given ranges, without repeats.
pub fn keys_within(source: &str, text: &str, spans: &[Range<usize>]) -> Vec<i64> {
    let mut keys: Vec<i64> = spans
        .iter()
        .flat_map(|span| {
            paragraphs(&text[span.clone()])
                .into_iter()
                .map(move |p| (span, p))
        })
        .filter_map(|(span, p)| key(source, &text[span.start + p.start..span.start + p.end]))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The text without the given ranges, for what only needs its words.
pub fn without(text: &str, spans: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        out.push_str(&text[at..span.start]);
        at = span.end;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTICLE: &str = "First paragraph of the news.\n\nSecond paragraph, longer than the first.\n\nAuthor Profile\n\nThe Network\nThe Network ( is a think";

    fn marked(text: &str, spans: &[Range<usize>]) -> Vec<String> {
        spans.iter().map(|s| text[s.clone()].to_string()).collect()
    }

    #[test]
    fn a_known_block_goes_to_the_end() {
        let spans = spans("", ARTICLE, |_| None);
        assert_eq!(
            marked(ARTICLE, &spans),
            ["Author Profile\n\nThe Network\nThe Network ( is a think"]
        );
        assert_eq!(
            without(ARTICLE, &spans).trim_end(),
            "First paragraph of the news.\n\nSecond paragraph, longer than the first."
        );
    }

    #[test]
    fn recurring_paragraphs_count_only_at_the_ends() {
        let text =
            "Sport desk\n\nOwn one.\n\nIt is what it is.\n\nOwn two.\n\nWrite to the sport desk.";
        let recurring = [
            "Sport desk",
            "It is what it is.",
            "Write to  the SPORT desk.",
        ]
        .map(|p| key("s", p).unwrap());
        let at_ends = |k| recurring.contains(&k).then_some(Recurs::AtEnds);
        let found = spans("s", text, at_ends);
        assert_eq!(
            marked(text, &found),
            ["Sport desk", "Write to the sport desk."]
        );
        let anywhere = |k| recurring.contains(&k).then_some(Recurs::Anywhere);
        let found = spans("s", text, anywhere);
        assert_eq!(
            marked(text, &found),
            [
                "Sport desk",
                "It is what it is.",
                "Write to the sport desk."
            ]
        );
        let mut expected = recurring.to_vec();
        expected.sort_unstable();
        assert_eq!(keys_within("s", text, &found), expected);
    }

    #[test]
    fn typography_does_not_make_another_paragraph() {
        assert_eq!(
            key("s", "Don’t miss our “Morning” news\u{ad}letter"),
            key("s", "don't miss our \"morning\"  newsletter")
        );
        let text = "The first paragraph of the article, which says most of it.\n\nÀ PROPOS DE L’AUTEUR\n\nShe writes.";
        assert_eq!(marked(text, &spans("", text, |_| None)).len(), 1);
    }

    #[test]
    fn lines_known_by_their_beginning() {
        let text = "Own one.\n\nADVERTISEMENT\n\nOwn two.\n\nRead more: another story";
        assert_eq!(
            marked(text, &spans("", text, |_| None)),
            ["ADVERTISEMENT", "Read more: another story"]
        );
    }

    #[test]
    fn an_article_is_never_all_boilerplate() {
        assert!(spans("", "All of it recurs.", |_| Some(Recurs::Anywhere)).is_empty());
    }

    #[test]
    fn copies_are_told_from_articles_under_one_title() {
        let story = "The bridge opened on Monday, after two years of repairs.";
        let copy = format!("Updated at ten.\n\n{story}\n\nMore to come.");
        let other = copy.replace("opened on Monday", "will stay closed");
        let v = |title: &str, text: &str| variant(title, text);
        assert_eq!(v("News", &copy), v("NEWS", &copy.replace("ten", "one")));
        assert_ne!(v("News", &copy), v("News", &other));
        assert_ne!(v("News", &copy), v("The bridge", &copy));
        assert_ne!(v("", &copy), v("", &other));
        assert_ne!(v("A title", "***"), v("Another", "***"));
        assert_eq!(v("", ""), 0);
    }

    #[test]
    fn sources_are_kept_apart() {
        assert_ne!(key("a", "The same text."), key("b", "The same text."));
        assert_eq!(key("a", "***"), None);
    }
}
