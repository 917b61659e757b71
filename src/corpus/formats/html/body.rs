//! Which part of a page is its article.

use super::linked::Linked;
use super::metadata::{BY, letters};
use super::prune::{Pruning, prune};
use super::sizes::{SENTENCE, ends, sizes};
use super::stories::{STORIES, stories};
use super::text::{Block, Kind, Reading, blocks, blocks_behind, visible};
use super::{clean, parse, xhtml};
use crate::corpus::article::one_line;
use dom_query::{Document, NodeData, NodeId, NodeRef};
use dom_smoothie::{Config, Readability};
use std::collections::HashSet;

/// An article has this much text, in characters as [`visible`] counts them. Where a way finds less,
/// another is tried, and the longest text wins if none finds more.
const ENOUGH: usize = 200;

/// The blocks of a page's article, in order; none if the page shows no text at all.
pub(super) fn body(source: &str, document: Document, linked: &Linked, title: &str) -> Vec<Block> {
    let asked = prune(&document, Pruning::Full);
    let mut best = candidate(document, &asked, title);
    if size(&best) < ENOUGH {
        let document = parse::page(source);
        prune(&document, Pruning::Full);
        stories(&document, title);
        best = or_landmark(best, landmark(&document), title);
    }
    if size(&best) < ENOUGH {
        let document = parse::page(source);
        // What was found may be all there is, with comments behind it.
        let pruning = if size(&best) >= SENTENCE {
            Pruning::Comments
        } else {
            Pruning::Hidden
        };
        let asked = prune(&document, pruning);
        let several = stories(&document, title);
        let several = if several.certain || best.is_empty() || contains(&several.text, &best) {
            several.text
        } else {
            Vec::new()
        };
        let all = document.body().map(|body| blocks(body, Reading::PRUNED));
        let own = own_part(&document, &best);
        let landmark = landmark(&document);
        let second = or_landmark(candidate(document, &asked, title), landmark, title);
        for other in [second, several] {
            let beside = own
                .as_deref()
                .is_some_and(|own| is_beside(own, &best, &other));
            if size(&other) > 2 * size(&best) && !beside {
                best = other;
            }
        }
        if size(&best) < ENOUGH / 4
            && let Some(all) = all
        {
            let all = clean::clean(all, title);
            if size(&all) > size(&best) {
                best = all;
            }
        }
    }
    // Where the page shows less than its publisher tells search engines, theirs is the article.
    if let Some(body) = &linked.body {
        let told = told(body);
        if size(&told) > 2 * size(&best) {
            best = told;
        }
    }
    best
}

/// The text of the element that the page calls its article, or else its main part, where a text that is whole
/// though short stands in it.
fn own_part(document: &Document, short: &[Block]) -> Option<Vec<Block>> {
    if !short.last().is_some_and(|block| ends(&block.text)) {
        return None;
    }
    ["article", r#"main, [role="main"]"#]
        .iter()
        .find_map(|selector| {
            let selection = document.select(selector);
            let parts = selection.nodes().iter().take(STORIES);
            let mut parts = parts.map(|node| blocks(*node, Reading::PRUNED));
            parts.find(|part| contains(part, short))
        })
}

/// Whether most of what a text has beside a short one stands outside the short one's part of the page.
fn is_beside(own: &[Block], short: &[Block], text: &[Block]) -> bool {
    let texts = |blocks: &[Block]| {
        blocks
            .iter()
            .map(|b| b.text.clone())
            .collect::<HashSet<_>>()
    };
    let (own, short) = (texts(own), texts(short));
    let (mut inside, mut outside) = (0, 0);
    for block in text.iter().filter(|b| !short.contains(&b.text)) {
        if own.contains(&block.text) {
            inside += block.chars;
        } else {
            outside += block.chars;
        }
    }
    outside > inside
}

/// How much text there is, in characters.
fn size(blocks: &[Block]) -> usize {
    blocks.iter().map(|b| b.chars).sum()
}

fn told(body: &str) -> Vec<Block> {
    body.split('\n')
        .map(one_line)
        .filter(|p| !p.is_empty())
        .map(|p| Block {
            kind: Kind::Paragraph,
            linked: 0,
            chars: visible(&p),
            text: p,
        })
        .collect()
}

/// Without what is hidden, which pruning leaves where it is most of a page.
const SEEN: Reading = Reading {
    hidden: false,
    ..Reading::PRUNED
};

/// The article of a page that was pruned, where `asked` are its question and answers.
fn candidate(document: Document, asked: &[NodeId], title: &str) -> Vec<Block> {
    let several = stories(&document, title);
    let (marked, parts) = marked(&document);
    let parts_of = |id: &NodeId| document.tree.get(id).map(|n| blocks(n, Reading::PRUNED));
    let asked = asked.iter().filter_map(parts_of).flatten().collect();
    let asked = clean::clean(asked, title);
    let marked = clean::clean(marked, title);
    let head = head(&document, title);
    let whole = document.clone();
    let (found, nodes) = scored(document);
    let mut best = clean::clean(found, title);
    if let Some(wider) = wider(&whole, &nodes, &best, title) {
        best = wider;
    }
    // Several parts are marked one by one, of which scoring may find one alone, as of parts in one.
    let much = if parts > 1 || contains(&marked, &best) {
        size(&best) * 6 / 5
    } else {
        2 * size(&best)
    };
    if size(&marked) >= ENOUGH && size(&marked) > much {
        best = marked;
    }
    // Scoring finds the question or the answers.
    if size(&asked) > size(&best) {
        best = asked;
    }
    // And one story of several.
    if size(&several.text) > size(&best) && (several.certain || contains(&several.text, &best)) {
        return several.text;
    }
    with_lead(best, head)
}

/// So many blocks behind a headline may stand before the text that scoring finds.
const HEAD: usize = 12;

/// The first blocks behind the page's headline.
fn head(document: &Document, title: &str) -> Vec<Block> {
    let Some(body) = document.body() else {
        return Vec::new();
    };
    let headings = elements(document, |node| node.has_name("h1"));
    let title = letters(title);
    let own = headings.iter().find(|h| letters(&h.text()) == title);
    match own.or(if let [only] = headings.as_slice() {
        Some(only)
    } else {
        None
    }) {
        Some(heading) => blocks_behind(*heading, body, HEAD),
        None => Vec::new(),
    }
}

/// An article with the lead that stands between its headline and it: publishers put both into a part of their
/// own, which scoring leaves out.
fn with_lead(mut article: Vec<Block>, head: Vec<Block>) -> Vec<Block> {
    /// A lead has so many characters; an article's first block that is compared, too.
    const LEAD: usize = 50;
    let Some(first) = article.iter().find(|block| block.chars >= LEAD) else {
        return article;
    };
    let Some(before) = head.iter().position(|block| block.text == first.text) else {
        return article;
    };
    let is_lead = |block: &Block| {
        let ends = ends(&block.text) || block.text.ends_with(['”', '"']);
        // Who wrote it, and when.
        let lower = block.text.to_lowercase();
        let by = BY.iter().any(|by| lower.starts_with(by)) || block.text.contains(['|', '©']);
        matches!(block.kind, Kind::Paragraph | Kind::Heading)
            && !by
            && block.chars >= LEAD
            && (ends || block.chars >= 2 * LEAD)
            && block.link_density() < 0.3
            && !article.iter().any(|own| own.text == block.text)
    };
    let lead: Vec<Block> = head
        .into_iter()
        .take(before)
        .filter(is_lead)
        .take(2)
        .collect();
    article.splice(0..0, lead);
    article
}

/// What a way found, or where that is no article's length the page's landmark.
fn or_landmark(best: Vec<Block>, landmark: Vec<Block>, title: &str) -> Vec<Block> {
    if size(&best) >= ENOUGH {
        return best;
    }
    let landmark = clean::clean(landmark, title);
    if size(&landmark) > size(&best) * 3 / 2 {
        return landmark;
    }
    best
}

/// The text that the page marks as its article's: all parts of it, in order, and how many.
fn marked(document: &Document) -> (Vec<Block>, usize) {
    let mut count = 0;
    let mut all: Vec<Block> = Vec::new();
    let nodes = elements(document, is_marked);
    let parts: HashSet<_> = nodes.iter().map(|n| n.id).collect();
    for node in &nodes {
        let nested = node.ancestors_it(None).any(|a| parts.contains(&a.id));
        if !nested {
            count += 1;
            all.extend(blocks(*node, Reading::PRUNED));
        }
    }
    (all, count)
}

/// The elements of a page that are so, in order.
fn elements<'d>(document: &'d Document, is: impl Fn(&NodeRef<'d>) -> bool) -> Vec<NodeRef<'d>> {
    let root = document.root();
    root.descendants_it().filter(is).collect()
}

/// Whether an element is marked as the article's text.
fn is_marked(node: &NodeRef<'_>) -> bool {
    let names = |value: &str| {
        let mut words = value.split_ascii_whitespace();
        words.any(|word| word.eq_ignore_ascii_case("articleBody"))
    };
    node.element_ref().is_some_and(|element| {
        let mut attributes = element.attrs.iter();
        attributes
            .any(|a| matches!(a.name.local.as_ref(), "itemprop" | "property") && names(&a.value))
    })
}

/// The text of the element that the page calls its article or main part, by how much text it has.
fn landmark(document: &Document) -> Vec<Block> {
    let Some(body) = document.body() else {
        return Vec::new();
    };
    let sizes = sizes(body);
    for selector in ["article", r#"main, [role="main"]"#] {
        let selection = document.select(selector);
        let longest = selection
            .nodes()
            .iter()
            .max_by_key(|n| sizes.get(&n.id).map_or(0, |s| s.chars - s.linked));
        if let Some(node) = longest {
            let found = blocks(*node, Reading::PRUNED);
            if size(&found) >= ENOUGH {
                return found;
            }
        }
    }
    Vec::new()
}

/// The text that a page shows where no program runs, if it is an article's rather than a request to let one run.
pub(super) fn unscripted(source: &str, title: &str) -> Vec<Block> {
    let inner = xhtml::unscripted(source);
    if visible(&inner) < ENOUGH {
        return Vec::new();
    }
    let found = body(&inner, parse::page(&inner), &Linked::default(), title);
    let sentences = found.iter().filter(|block| is_sentence(block)).count();
    if size(&found) >= ENOUGH && sentences > 1 {
        found
    } else {
        Vec::new()
    }
}

/// The element that Readability puts an article into.
const FOUND: &str = "#readability-page-1";

/// The text of the part that scores best by its paragraphs, links, classes and ids: Mozilla's
/// Readability, as dom_smoothie ports it.
///
/// With it come the elements that it is in, by which they are found in another copy of the page.
fn scored(document: Document) -> (Vec<Block>, Vec<NodeId>) {
    part_long_texts(&document);
    let config = Config {
        disable_json_ld: true,
        char_threshold: 250,
        // They tell captions.
        keep_classes: true,
        ..Config::default()
    };
    let Ok(mut readability) = Readability::with_document(document, None, Some(config)) else {
        return Default::default();
    };
    if readability.parse().is_err() {
        return Default::default();
    }
    // What it found is left in its tree, and need not be parsed once more.
    let found = readability.doc.select_single(FOUND);
    found
        .nodes()
        .first()
        .map(|node| {
            let inner = node.descendants_it().filter(NodeRef::is_element);
            (
                blocks(*node, Reading::PRUNED),
                inner.map(|n| n.id).collect(),
            )
        })
        .unwrap_or_default()
}

/// Scoring writes the page out, for which each mark that is escaped takes a search of the text around it: of one text
/// several are made.
fn part_long_texts(document: &Document) {
    /// The longest text, in bytes.
    const LONGEST: usize = 1 << 14;
    let long = |node: &NodeRef<'_>| {
        node.query_or(None, |node| match &node.data {
            NodeData::Text { contents } if contents.len() > 2 * LONGEST => {
                Some(contents.to_string())
            }
            _ => None,
        })
    };
    let texts: Vec<(NodeRef<'_>, String)> = document
        .root()
        .descendants_it()
        .filter_map(|node| Some((node, long(&node)?)))
        .collect();
    for (node, text) in texts {
        let mut rest = text.as_str();
        let mut last = node;
        while !rest.is_empty() {
            let mut end = rest.len().min(LONGEST);
            while !rest.is_char_boundary(end) {
                end += 1;
            }
            let (piece, behind) = rest.split_at(end);
            let piece = document.tree.new_text(piece);
            last.insert_after(&piece);
            last = piece;
            rest = behind;
        }
        node.remove_from_parent();
    }
}

/// Whether a text has nearly all of another's.
fn contains(text: &[Block], other: &[Block]) -> bool {
    let own: HashSet<&str> = text.iter().map(|block| block.text.as_str()).collect();
    let common = other.iter().filter(|b| own.contains(b.text.as_str()));
    let common: usize = common.map(|b| b.chars).sum();
    common > 0 && common * 10 >= size(other) * 9
}

/// What scoring found, with the paragraphs that stand in other parts around it: of an article in several parts, each
/// some boxes deep, scoring finds one. `nodes` are the elements found, in the `whole` page.
fn wider(whole: &Document, nodes: &[NodeId], found: &[Block], title: &str) -> Option<Vec<Block>> {
    /// So many parts around it are read, since each is read whole.
    const TRIES: usize = 12;
    let body = whole.body()?;
    let sizes = sizes(body);
    let mut tries = 0;
    let sentences = |id: &NodeId| sizes.get(id).map_or(0, |size| size.sentences);
    let first = nodes.iter().find(|id| sentences(id) >= SENTENCE)?;
    let mut best: Option<Vec<Block>> = None;
    let mut told = nodes
        .iter()
        .filter(|id| is_paragraph(whole, id))
        .map(sentences)
        .sum::<usize>();
    let first = whole.tree.get(first)?;
    for around in std::iter::once(first).chain(first.ancestors_it(None)) {
        if around.id == body.id || tries == TRIES {
            break;
        }
        let more = sentences(&around.id);
        if more > told {
            tries += 1;
            let all = clean::clean(blocks(around, SEEN), title);
            let known = best.as_deref().unwrap_or(found);
            if contains(&all, known) && adds_sentences(&all, known) {
                best = Some(with_sentences(all, known));
                told = more;
            }
        }
        // What is beyond them is another article, or what readers say.
        let marked = around
            .attr("itemprop")
            .is_some_and(|p| p.contains("articleBody"));
        if marked || around.has_name("article") || around.has_name("main") {
            break;
        }
    }
    best
}

fn is_paragraph(page: &Document, id: &NodeId) -> bool {
    page.tree.get(id).is_some_and(|node| node.has_name("p"))
}

/// Whether a block is a paragraph that ends like a sentence, outside links.
fn is_sentence(block: &Block) -> bool {
    block.kind == Kind::Paragraph
        && block.chars >= SENTENCE
        && block.link_density() < 0.25
        && ends(&block.text)
}

/// Whether what a text has beside another is a good part of an article: sentences for the most part, not cards,
/// each a link and a line, and more than a note behind it.
fn adds_sentences(text: &[Block], known: &[Block]) -> bool {
    /// It has this part of what is known at least.
    const PART: usize = 7;
    let least = size(known) / PART;
    let known: HashSet<&str> = known.iter().map(|block| block.text.as_str()).collect();
    let (mut told, mut other, mut paragraphs, mut pieces) = (0, 0, 0, 0);
    for block in text.iter().filter(|b| !known.contains(b.text.as_str())) {
        if is_sentence(block) {
            told += block.chars;
            paragraphs += 1;
        } else if block.kind == Kind::Paragraph || block.link_density() > 0.5 {
            other += block.chars;
            pieces += 1;
        }
    }
    told >= least && told >= other * 4 && paragraphs > 2 * pieces
}

/// A text without what is no sentence of what it has beside another.
fn with_sentences(text: Vec<Block>, known: &[Block]) -> Vec<Block> {
    let known: HashSet<&str> = known.iter().map(|block| block.text.as_str()).collect();
    let stays = |block: &Block| {
        known.contains(block.text.as_str())
            || is_sentence(block)
            || block.kind != Kind::Paragraph && block.link_density() < 0.5
    };
    text.into_iter().filter(stays).collect()
}
