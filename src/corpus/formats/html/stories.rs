//! Pages with several `<article>` elements: a story with others behind it, a front page, one story in several parts.

use super::clean;
use super::metadata::letters;
use super::names::{Words, is_comment};
use super::prune::leads_elsewhere;
use super::sizes::{SENTENCE, Size, name, sizes};
use super::text::{Block, Reading, blocks, visible};
use dom_query::{Document, NodeId, NodeRef};
use rustc_hash::FxHashMap;

/// So many stories of a page are looked at.
pub(super) const STORIES: usize = 50;

/// A story has this much text, in characters as [`visible`] counts them; what has less may be a teaser.
const LONG: usize = 200;

/// So many characters may stand before a story's headline: its kind, its date.
const BEFORE: usize = 40;

/// The text of a page's stories.
#[derive(Debug, Default)]
pub(super) struct Stories {
    /// None where the page has but one, or one that is its own.
    pub text: Vec<Block>,
    /// Whether the page says that each is one, by a headline of the first level. Other headings may head what is
    /// beside an article, so that a text without what scoring finds is none.
    pub certain: bool,
}

/// An article of the page that is in no other.
struct Story<'a> {
    node: NodeRef<'a>,
    size: Size,
    /// Its headline's level and letters.
    head: Option<(u8, String)>,
    /// Whether it leads to another page.
    leads: bool,
}

impl Story<'_> {
    /// Characters outside links.
    fn plain(&self) -> usize {
        self.size.chars - self.size.linked
    }

    fn level(&self) -> Option<u8> {
        self.head.as_ref().map(|(level, _)| *level)
    }

    /// Whether it has the page's title, and more than its headline, as a teaser has.
    fn is_own(&self, title: &str) -> bool {
        self.head.as_ref().is_some_and(|(_, heading)| {
            let chars = heading.chars().count();
            chars > 8 && title.starts_with(heading) && self.plain() >= chars + 2 * SENTENCE
        })
    }

    /// Whether it is a card that leads to another article.
    fn is_beside(&self) -> bool {
        self.head.is_some() && self.leads
    }

    fn blocks(&self, title: &str) -> Vec<Block> {
        clean::clean(blocks(self.node, Reading::PRUNED), title)
    }
}

/// Of a page that goes on with other stories, each an article with a headline of its own, leaves the one that has the
/// page's title; where none has it, gives the text of all. Of a story in several articles, of which but the first may
/// have a headline, gives the text of all its parts.
pub(super) fn stories(document: &Document, title: &str) -> Stories {
    let selection = document.select("article");
    if selection.nodes().len() < 2 {
        return Stories::default();
    }
    let Some(body) = document.body() else {
        return Stories::default();
    };
    let sizes = sizes(body);
    let outer = |node: &NodeRef<'_>| !node.ancestors_it(None).any(|a| a.has_name("article"));
    let all = selection.nodes().iter().filter(|node| outer(node));
    let all = all.take(STORIES).map(|node| {
        let size = sizes.get(&node.id).copied().unwrap_or_default();
        Story {
            node: *node,
            size,
            head: headline(node, &sizes),
            leads: leads_elsewhere(node, size),
        }
    });
    let all: Vec<Story<'_>> = all.collect();
    if all.len() < 2 {
        return Stories::default();
    }
    let letters = letters(title);
    let own = |level: &dyn Fn(u8) -> bool| {
        let mut own = all
            .iter()
            .filter(|story| story.level().is_some_and(level) && story.is_own(&letters));
        own.next()
    };
    if let Some(main) = own(&|level| level == 1).or_else(|| own(&|level| level > 1)) {
        let text = in_parts(main, &all, title);
        // On a front page its headline leads to it. Headlines that lead nowhere may be its sections'.
        let first = main.level() == Some(1);
        let cards = Cards::of(&all);
        let few = cards.longest < CARD && cards.plain <= 2 * main.plain();
        let alone = !main.leads && (few || cards.are_beside(main.plain(), CERTAIN));
        for other in all.iter().filter(|other| other.node.id != main.node.id) {
            if first && other.level() == Some(1) || alone && other.is_beside() {
                other.node.remove_from_parent();
            }
        }
        return text;
    }
    if is_headed_outside(body, &letters) {
        // What is beside them is the article, where that is enough for one.
        let cards = Cards::of(&all);
        let whole = sizes.get(&body.id).copied().unwrap_or_default();
        let rest = (whole.chars - whole.linked).saturating_sub(cards.plain);
        if cards.are_beside(rest, CERTAIN) {
            let (beside, others): (Vec<Story<'_>>, Vec<Story<'_>>) =
                all.into_iter().partition(Story::is_beside);
            for story in &beside {
                story.node.remove_from_parent();
            }
            return match others.len() {
                0 | 1 => Stories::default(),
                _ => front(&others, title),
            };
        }
    }
    front(&all, title)
}

/// A teaser of another article has less text than this, in characters.
const CARD: usize = 250;

/// Of an article that has so many times as much text as the cards of its page, they are beside it likely, or for
/// certain.
const LIKELY: usize = 2;
const CERTAIN: usize = 3;

/// The articles of a page that lead elsewhere.
struct Cards {
    /// Characters outside links in all of them, and in the longest.
    plain: usize,
    longest: usize,
}

impl Cards {
    fn of(all: &[Story<'_>]) -> Self {
        let cards = || all.iter().filter(|story| story.is_beside());
        Self {
            plain: cards().map(Story::plain).sum(),
            longest: cards().map(Story::plain).max().unwrap_or(0),
        }
    }

    /// Whether they are beside an article of so many characters, and not what the page is about: none of them is a
    /// story itself, and it has so many times as much as all.
    fn are_beside(&self, article: usize, times: usize) -> bool {
        self.longest < 2 * LONG && article >= usize::max(2 * LONG, times * self.plain)
    }
}

/// Whether the page's title stands as a headline of the first level outside of its articles.
fn is_headed_outside(body: NodeRef<'_>, title: &str) -> bool {
    body.descendants_it().any(|node| {
        if !node.has_name("h1") || node.ancestors_it(None).any(|a| a.has_name("article")) {
            return false;
        }
        let heading = letters(&node.text());
        let agrees = title.starts_with(&heading) || !title.is_empty() && heading.starts_with(title);
        heading.chars().count() > 8 && agrees
    })
}

/// The stories of a page none of which has its title, or the parts of its only one.
fn front(all: &[Story<'_>], title: &str) -> Stories {
    let Some(longest) = all.iter().max_by_key(|story| story.plain()) else {
        return Stories::default();
    };
    let cards = Cards::of(all);
    let beside = |times| !longest.leads && cards.are_beside(longest.plain(), times);
    // What is likely none of the stories is left to scoring, which may find that it is.
    let stays = beside(LIKELY);
    if beside(CERTAIN) {
        for card in all.iter().filter(|story| story.is_beside()) {
            card.node.remove_from_parent();
        }
    }
    let Some(level) = longest.level() else {
        return in_parts(longest, all, title);
    };
    // Of a story and what is beside it the headlines differ, or only that one's leads nowhere.
    let alike = || {
        all.iter()
            .filter(|story| story.level() == Some(level) && !(stays && story.is_beside()))
    };
    let is_told =
        |least: usize, story: &Story<'_>| story.plain() >= LONG || story.size.sentences >= least;
    if alike().filter(|story| is_told(LONG / 2, story)).count() < 2 {
        return in_parts(longest, all, title);
    }
    let told = |story: &&Story<'_>| is_told(2 * SENTENCE, story);
    Stories {
        text: alike().filter(told).flat_map(|s| s.blocks(title)).collect(),
        certain: level == 1,
    }
}

/// The text of a story that goes on in articles beside its first, each mostly sentences, without a headline.
fn in_parts(first: &Story<'_>, all: &[Story<'_>], title: &str) -> Stories {
    let parent = |story: &Story<'_>| story.node.parent().map(|parent| parent.id);
    let is_part = |other: &&Story<'_>| {
        other.node.id == first.node.id
            || other.head.is_none()
                && parent(other) == parent(first)
                && other.plain() >= LONG / 2
                && other.size.is_told()
                && !is_reply(&other.node)
                && !other.leads
    };
    let parts: Vec<&Story<'_>> = all.iter().filter(is_part).collect();
    if parts.len() < 2 {
        return Stories::default();
    }
    Stories {
        text: parts.iter().flat_map(|part| part.blocks(title)).collect(),
        certain: false,
    }
}

/// Whether an article's class or id says that it is what a reader says.
pub(super) fn is_reply(node: &NodeRef<'_>) -> bool {
    let mut names = Words::default();
    for value in ["class", "id"].iter().filter_map(|key| node.attr(key)) {
        names.add(&value);
    }
    names.iter().any(is_comment)
}

/// The level and the letters of the heading that an article begins with.
fn headline(article: &NodeRef<'_>, sizes: &FxHashMap<NodeId, Size>) -> Option<(u8, String)> {
    let mut before = 0;
    for node in article.descendants_it() {
        if node.is_text() {
            before += visible(&node.text());
        }
        if before > BEFORE {
            return None;
        }
        let level = match name(&node).as_ref() {
            "h1" => 1,
            "h2" => 2,
            "h3" => 3,
            "h4" => 4,
            _ => continue,
        };
        if sizes.get(&node.id).is_some_and(|size| size.chars > 0) {
            return Some((level, letters(&node.text())));
        }
    }
    None
}
