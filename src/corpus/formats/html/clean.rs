//! What is left out of an article's blocks: its own title, lists of links, and lines that are said
//! of it rather than in it.

use super::sizes::ends;
use super::text::{Block, Kind};

/// Lines that are never an article's, as pages have them between its paragraphs; in lower case,
/// without the punctuation around them.
const LINES: &[&str] = &[
    "advertisement",
    "advert",
    "ad",
    "anzeige",
    "werbung",
    "publicidad",
    "publicité",
    "pubblicità",
    "reklama",
    "advertisement - scroll to continue",
    "story continues below advertisement",
    "article continues below advertisement",
    "continue reading below",
    "continue reading",
    "story continues below",
    "read more",
    "more",
    "weiterlesen",
    "mehr",
    "mehr zum thema",
    "zum thema",
    "leer más",
    "lire aussi",
    "à lire aussi",
    "leia mais",
    "leia também",
    "related",
    "related articles",
    "related stories",
    "related content",
    "you may also like",
    "you might also like",
    "don't miss",
    "see also",
    "share",
    "share this",
    "share this article",
    "share this story",
    "share on facebook",
    "share on twitter",
    "tweet",
    "email",
    "print",
    "facebook",
    "twitter",
    "whatsapp",
    "linkedin",
    "pinterest",
    "reddit",
    "telegram",
    "teilen",
    "drucken",
    "compartir",
    "partager",
    "comments",
    "comment",
    "kommentare",
    "caption",
    "close",
    "loading",
    "view comments",
    "show comments",
    "leave a comment",
    "post a comment",
    "image",
    "photo",
    "this slideshow requires javascript",
    "subscribe",
    "sign up",
    "follow us",
    "copy link",
    "share via",
    "read next",
    "up next",
    "recommended",
    "most read",
    "trending",
    "watch",
];

/// How a pointer to another article begins, in lower case: a short block that is mostly a link goes.
const POINTERS: &[&str] = &[
    "read more",
    "read also",
    "also read",
    "read next",
    "see also",
    "see more",
    "related",
    "more:",
    "more on",
    "don't miss",
    "watch:",
    "watch now",
    "click here",
    "listen:",
    "share this",
    "share on",
    "share via",
    "share:",
    "filed under",
    "posted in",
    "tags:",
    "recommended",
    "lesen sie",
    "mehr zum",
    "mehr dazu",
    "siehe auch",
    "lire aussi",
    "à lire",
    "lire la suite",
    "lee también",
    "lea también",
    "leer también",
    "ver también",
    "te puede interesar",
    "leia também",
    "leia mais",
    "veja também",
    "leggi anche",
    "читайте также",
    "читайте",
    "смотрите также",
    "читайте ще",
    "baca juga",
    "lees ook",
    "läs också",
    "läs mer",
    "les også",
    "læs også",
    "czytaj też",
    "czytaj także",
    "zobacz także",
    "čtěte také",
    "olvasta már",
    "関連記事",
    "関連ニュース",
    "相关阅读",
    "延伸阅读",
    "相關新聞",
    "延伸閱讀",
    "اقرأ أيضا",
    "اقرأ أيضًا",
    "اقرأ أيضاً",
    "관련기사",
    "[관련기사]",
    "devamını oku",
    "ayrıca oku",
    "xem thêm",
];

/// How a request to the reader begins: a short block goes, link or none.
const REQUESTS: &[&str] = &[
    "sign up for",
    "sign up to",
    "subscribe to",
    "subscribe now",
    "follow us",
    "follow @",
    "join our",
    "get the latest",
    "get our",
    "like us on",
    "download our app",
    "have a tip?",
    "need more space? subscribe",
    "click here to subscribe",
    "this post may contain affiliate",
    "this article may contain affiliate",
    "already a subscriber",
    "to continue reading",
    "jetzt abonnieren",
    "abonnieren sie",
    "folgen sie uns",
    "folge uns",
    "abonnez-vous",
    "inscrivez-vous",
    "suivez-nous",
    "suscríbete",
    "síguenos",
    "assine",
    "siga-nos",
    "iscriviti",
    "seguici",
    "подпишитесь",
    "подписывайтесь",
    "volg ons",
];

/// The blocks that are the article's.
pub(super) fn clean(blocks: Vec<Block>, title: &str) -> Vec<Block> {
    let total: usize = blocks.iter().map(|b| b.chars).sum();
    let title: String = letters(title).collect();
    let mut gone: Vec<bool> = blocks.iter().map(is_line).collect();
    mark_links(&blocks, total, &mut gone);
    mark_dates(&blocks, &mut gone);
    mark_repeated(&blocks, &mut gone);
    mark_counters(&blocks, &mut gone);
    mark_slides(&blocks, &mut gone);
    mark_rights(&blocks, &mut gone);
    if !title.is_empty()
        && let Some(i) = (0..blocks.len()).find(|i| !gone[*i])
        && letters(&blocks[i].text).eq(title.chars())
    {
        gone[i] = true;
    }
    mark_empty_headings(&blocks, &mut gone);
    blocks
        .into_iter()
        .zip(gone)
        .filter(|(_, gone)| !gone)
        .map(|(block, _)| block)
        .collect()
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
}

/// The longest block, in bytes, that may be a pointer or a request.
const SHORT: usize = 240;

fn is_line(block: &Block) -> bool {
    if block.kind == Kind::Preformatted || block.text.len() > SHORT {
        return false;
    }
    let text = block.text.to_lowercase();
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    block.link_density() > 0.4 && POINTERS.iter().any(|p| text.starts_with(p))
        || REQUESTS.iter().any(|r| text.starts_with(r))
        || text.is_empty() && block.kind != Kind::Item && block.chars < 3
        || LINES.contains(&text)
}

/// A sentence this long, in characters, is a text by itself.
const TOLD: usize = 50;

/// Runs of blocks that are nothing but links, and single ones that are no sentence.
fn mark_links(blocks: &[Block], total: usize, gone: &mut [bool]) {
    let is_link =
        |b: &Block| b.link_density() > 0.9 && b.kind != Kind::Preformatted && b.chars < 250;
    let mut links = Vec::new();
    let mut i = 0;
    while i < blocks.len() {
        if !is_link(&blocks[i]) {
            i += 1;
            continue;
        }
        let begin = i;
        while i < blocks.len() && is_link(&blocks[i]) {
            i += 1;
        }
        let headings = blocks[begin..i].iter().all(|b| b.kind == Kind::Heading);
        if !headings {
            links.extend(begin..i);
        }
    }
    let linked: usize = links.iter().map(|i| blocks[*i].chars).sum();
    // An article may be a list of links; behind a sentence they are others.
    let told = links.first().is_some_and(|first| {
        let before = blocks[..*first].iter();
        let mut sentences = before.filter(|b| b.kind == Kind::Paragraph && ends(&b.text));
        sentences.any(|b| b.chars >= TOLD && b.link_density() < 0.25)
    });
    if linked * 2 < total || told {
        for i in links {
            gone[i] = true;
        }
    }
}

/// A line that is only a date and a time, at the beginning or end: it is the article's date.
fn mark_dates(blocks: &[Block], gone: &mut [bool]) {
    const EDGE: usize = 5;
    let left: Vec<usize> = (0..blocks.len()).filter(|i| !gone[*i]).collect();
    let edges = left.iter().take(EDGE).chain(left.iter().rev().take(2));
    for i in edges {
        let block = &blocks[*i];
        if block.kind == Kind::Paragraph && is_date(&block.text) {
            gone[*i] = true;
        }
    }
}

/// Whether a short text is a date: it has a year or a time of day, another number, few other
/// words, and does not end like a sentence.
fn is_date(text: &str) -> bool {
    if text.len() > 80 || text.ends_with(['.', '!', '?', '。', '؟', ':']) && !text.ends_with(".m.")
    {
        return false;
    }
    let (mut years, mut numbers, mut times, mut words) = (0, 0, 0, 0);
    for word in text.split(|c: char| !c.is_alphanumeric() && c != ':') {
        let word = word.trim_matches(':');
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        match word.len() {
            0 => {}
            4 if digits == 4 && (word.starts_with("19") || word.starts_with("20")) => years += 1,
            _ if digits >= 3 && word.contains(':') => times += 1,
            _ if digits > 0 && digits <= 2 => numbers += 1,
            _ if digits > 4 => return false,
            _ => words += 1,
        }
    }
    (years + times > 0) && (years + times + numbers > 1) && words <= 7
}

/// A caption that was there before, as for a small and a large picture.
fn mark_repeated(blocks: &[Block], gone: &mut [bool]) {
    if blocks.iter().all(|b| b.kind != Kind::Caption) {
        return;
    }
    let mut seen = std::collections::HashSet::new();
    for (i, block) in blocks.iter().enumerate() {
        if !seen.insert(block.text.as_str()) && block.kind == Kind::Caption {
            gone[i] = true;
        }
    }
}

/// Whose the page is, at its end: `© 2024 The Post. All rights reserved.`
fn mark_rights(blocks: &[Block], gone: &mut [bool]) {
    const BEGINNINGS: [&str; 11] = [
        "©",
        "copyright",
        "(c) 19",
        "(c) 20",
        "all rights reserved",
        "alle rechte vorbehalten",
        "tous droits réservés",
        "todos los derechos reservados",
        "版权所有",
        "版權所有",
        "無断転載",
    ];
    let left = (0..blocks.len()).rev().filter(|i| !gone[*i]);
    for i in left.take(2).collect::<Vec<_>>() {
        if blocks[i].text.len() > SHORT {
            continue;
        }
        let text = blocks[i].text.trim_start().to_lowercase();
        // "Copyright law …" is what an article may end with.
        let year = text.contains(['©', '('])
            || text
                .split(|c: char| !c.is_ascii_digit())
                .any(|n| n.len() == 4);
        let says = text.contains("reserved")
            || text.contains("vorbehalten")
            || text.contains("droits")
            || text.contains("derechos")
            || text.contains("無断");
        if BEGINNINGS.iter().any(|b| text.starts_with(b)) && (year || says) {
            gone[i] = true;
        }
    }
}

/// `Image 1 of 8`, `3 / 12`.
fn mark_counters(blocks: &[Block], gone: &mut [bool]) {
    for (i, block) in blocks.iter().enumerate() {
        if block.text.len() > 24 || block.kind != Kind::Paragraph {
            continue;
        }
        let mut numbers = 0;
        let counter = block.text.split_whitespace().all(|w| {
            let number = w.bytes().all(|b| b.is_ascii_digit() || b == b'/');
            numbers += usize::from(number && w != "/");
            number
                || matches!(
                    w.to_lowercase().as_str(),
                    "image" | "photo" | "of" | "slide"
                )
        });
        if counter && (numbers > 1 || block.text.contains('/')) {
            gone[i] = true;
        }
    }
}

/// Pictures with what is said of each, that a longer text shows others' news by: `1/50 The ferry`, `2/50 …`.
fn mark_slides(blocks: &[Block], gone: &mut [bool]) {
    /// So many slides are a show of them, and so many blocks belong to one at most.
    const LEAST: usize = 4;
    const WIDEST: usize = 4;
    /// The text before it is an article of its own with so many characters.
    const ARTICLE: usize = 800;
    let slides: Vec<(usize, usize)> = blocks
        .iter()
        .enumerate()
        .filter_map(|(at, block)| Some((at, slide(&block.text)?)))
        .collect();
    let [(first, all), .., (last, _)] = slides.as_slice() else {
        return;
    };
    let before: usize = blocks[..*first].iter().map(|b| b.chars).sum();
    let close = slides
        .windows(2)
        .all(|two| two[1].0 - two[0].0 <= WIDEST && two[1].1 == *all);
    if slides.len() < LEAST || !close || before < ARTICLE {
        return;
    }
    let widest = slides
        .windows(2)
        .map(|two| two[1].0 - two[0].0)
        .min()
        .unwrap_or(1);
    let end = (last + widest).min(blocks.len());
    gone[*first..end].fill(true);
}

/// How many slides there are in all, if a text is the head of one.
fn slide(text: &str) -> Option<usize> {
    let (number, rest) = text.split_once('/')?;
    let all = rest.split(' ').next()?;
    let (number, all): (usize, usize) = (number.parse().ok()?, all.parse().ok()?);
    (number >= 1 && number <= all && all < 1000).then_some(all)
}

/// A heading whose section was all left out, or that nothing follows.
fn mark_empty_headings(blocks: &[Block], gone: &mut [bool]) {
    let mut last: Option<usize> = None;
    let mut dropped = false;
    for i in 0..=blocks.len() {
        if let Some(block) = blocks.get(i) {
            if gone[i] {
                dropped = true;
                continue;
            }
            if block.kind != Kind::Heading {
                last = None;
                dropped = false;
                continue;
            }
        }
        if let Some(heading) = last
            && (dropped || i == blocks.len())
        {
            gone[heading] = true;
        }
        last = (i < blocks.len()).then_some(i);
        dropped = false;
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Kind, clean};

    #[test]
    fn a_show_of_slides_within_an_article_goes() {
        let block = |text: &str| Block {
            kind: Kind::Paragraph,
            text: text.to_string(),
            linked: 0,
            chars: text.len(),
        };
        let article = "The bridge opens again in September. ".repeat(30);
        let mut blocks = vec![block(&article)];
        for i in 1..=5 {
            blocks.push(block(&format!("{i}/5 Picture {i}")));
            blocks.push(block("Something else happened there."));
        }
        let behind = "Shopkeepers on the quay welcomed it.";
        blocks.push(block(behind));
        let texts = |blocks: Vec<Block>| -> Vec<String> {
            clean(blocks, "T").into_iter().map(|b| b.text).collect()
        };
        assert_eq!(texts(blocks.clone()), [article.as_str(), behind]);
        // An article may be a show of them itself.
        assert_eq!(texts(blocks[1..].to_vec()).len(), 11);
    }
}
