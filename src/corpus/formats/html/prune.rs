//! What is no part of an article, taken out of the tree: hidden text, navigation, forms, and what
//! its author marked by class or id as comments, related links, share bars, consent boxes …

use super::asked::{self, Asked, Part};
use super::hidden::{is_faint, is_hiding};
use super::names::{
    ABOUT, CONSENT, WEAK, Words, are_consent, are_states, is_comment, is_spoken, is_strong,
};
use super::sizes::{SENTENCE, Size, name, sizes};
use super::stories::is_reply;
use super::text::{Edge, Walk};
use dom_query::{Document, LocalName, NodeData, NodeId, NodeRef, local_name};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::LazyCell;

/// How much is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pruning {
    /// All that is known to be no article.
    Full,
    /// Only what a reader does not see, navigation, and comments behind a text: for pages whose
    /// article goes by a name that other pages give to something else.
    Comments,
    /// Only what a reader does not see, and navigation.
    Hidden,
}

/// The rest of a page must be this long, in characters, for something marked as no part of the
/// article to go: what marks all of the text marks nothing.
const ENOUGH: usize = 100;
/// A form or button with more text than this, in characters, holds more than itself.
const CONTROL: usize = 250;

/// An article within another of fewer characters than this may be a teaser.
const TEASER: usize = 400;

/// So many boxes around a heading are looked at.
const BOXES: usize = 4;

/// Takes out of a page what is no part of an article; the elements of its question and its answers,
/// in order, where it has both.
pub(super) fn prune(document: &Document, pruning: Pruning) -> Vec<NodeId> {
    // Scoring looks for elements on the whole page, many times.
    for node in document.head().iter().flat_map(NodeRef::children) {
        if ["link", "script", "style"]
            .iter()
            .any(|name| node.has_name(name))
        {
            discard(&node);
        }
    }
    let Some(body) = document.body() else {
        return Vec::new();
    };
    let sizes = sizes(body);
    let total = sizes.get(&body.id).copied().unwrap_or_default();
    let mut gone = Vec::new();
    let mut doubtful: Vec<(NodeRef<'_>, bool)> = Vec::new();
    let mut doubted = 0;
    let mut teasers = Vec::new();
    let mut teasing = 0;
    let mut forms = Vec::new();
    let mut questions = Vec::new();
    let mut misread = Vec::new();
    let mut articles = 0usize;
    // What stood before the article that is open, and whether there was one with a heading.
    let mut before = 0;
    let mut headed = false;
    let mut left = total;
    let mut breaks = Vec::new();
    let mut preformatted = 0usize;
    let mut asked = Asked::default();
    let mut walk = Walk::new(body);
    // Inside the article's own marked body or a quotation, a footer or an author is text.
    let mut quotes = 0usize;
    while let Some(edge) = walk.next() {
        match edge {
            Edge::Open(node) => {
                if !node.is_element() || node.id == body.id {
                    continue;
                }
                let size = sizes.get(&node.id).copied().unwrap_or_default();
                let about = About::of(&node);
                quotes += usize::from(about.name == local_name!("blockquote"));
                // A short article within a longer one that leads elsewhere is a teaser.
                let teaser = articles > 0
                    && about.name == local_name!("article")
                    && !about.body
                    && pruning == Pruning::Full
                    && size.chars < TEASER
                    && size.chars * 4 < total.chars
                    && leads_elsewhere(&node, size);
                if teaser {
                    teasing += size.chars - size.linked;
                    teasers.push(node);
                    walk.skip_children();
                    // Its end is met all the same.
                    articles += 1;
                    continue;
                }
                let is_article = about.name == local_name!("article");
                if is_article && articles == 0 {
                    before = size.before;
                }
                articles += usize::from(is_article);
                let mut goes = about.goes(size, total, left, pruning, quotes > 0);
                if goes == Some(true)
                    && articles == 1
                    && about.may_head(size.before.saturating_sub(before))
                    && (is_heading(&about.name) || has_heading(&node))
                {
                    goes = None;
                }
                // What a reader says behind an article, in an element of the same kind. Of a discussion all are such.
                if is_article
                    && pruning != Pruning::Hidden
                    && headed
                    && !about.is_opinion(size, total)
                    && is_reply(&node)
                    && !has_heading(&node)
                {
                    left.less(size);
                    gone.push(node);
                    walk.skip_children();
                    continue;
                }
                headed |= is_article && !headed && has_heading(&node) && !is_reply(&node);
                if goes.is_none()
                    && size.chars < CONTROL
                    && size.chars * 2 < total.chars
                    && about.names.iter().any(|n| n == "paywall")
                    && asks(&node.text())
                {
                    goes = Some(true);
                }
                if goes.is_none()
                    && pruning != Pruning::Hidden
                    && is_note_mark(&node, &about.name, size)
                {
                    goes = Some(true);
                }
                if goes == Some(false) && about.is_metered(size) && !asks(&node.text()) {
                    goes = None;
                }
                if goes.is_some()
                    && about.name == local_name!("button")
                    && !about.hidden
                    && opens(&node, size, &sizes)
                {
                    questions.push(node);
                    continue;
                }
                if let Some(sure) = goes {
                    left.less(size);
                    if sure {
                        gone.push(node);
                    } else {
                        doubted += size.chars;
                        doubtful.push((node, about.may_tell(size)));
                    }
                    walk.skip_children();
                    continue;
                }
                if let Some(part) = about.part {
                    asked.open(node.id, part);
                }
                let header =
                    is_heading(&about.name) && about.names.iter().any(|name| name == "header");
                if header || size.is_told() && size.chars >= ENOUGH && is_misread(&node) {
                    misread.push(node);
                }
                if is_heading(&about.name) && size.linked == 0 {
                    // So would it a heading in boxes of its own.
                    let alone = |around: &NodeRef<'_>| {
                        sizes.get(&around.id).is_some_and(|s| s.chars == size.chars)
                    };
                    let boxes = node.ancestors_it(Some(BOXES)).take_while(alone);
                    misread.extend(boxes.filter(is_misread));
                }
                if about.name == local_name!("form") {
                    forms.push(node);
                } else if about.name == local_name!("pre") {
                    preformatted += 1;
                } else if about.name == local_name!("br")
                    && preformatted == 0
                    && node.next_sibling().is_some_and(|next| next.is_text())
                {
                    breaks.push(node);
                }
            }
            Edge::Close(node) => {
                asked.close(node.id);
                if node.has_name("blockquote") {
                    quotes = quotes.saturating_sub(1);
                } else if node.has_name("article") {
                    articles = articles.saturating_sub(1);
                } else if node.has_name("pre") {
                    preformatted = preformatted.saturating_sub(1);
                }
            }
        }
    }
    // What is most of a page is what it is about: a list of the best of something.
    if (total.chars - total.linked).saturating_sub(teasing) >= 2 * teasing {
        gone.append(&mut teasers);
    }
    // Where nothing else tells anything, what was in doubt does.
    if left.sentences < SENTENCE {
        doubtful.retain(|(_, tells)| !tells);
    }
    // A name that much of the text goes by names the text.
    if doubted * 5 < total.chars * 2 {
        gone.extend(doubtful.into_iter().map(|(node, _)| node));
    }
    for node in gone {
        discard(&node);
    }
    // Scoring leaves a break out where a paragraph follows the text behind it.
    for node in breaks {
        node.insert_after(&document.tree.new_text(" "));
    }
    for node in questions {
        node.rename("span");
    }
    // Scoring takes it for no part of the article by its class: `section-header`, `scroll-reveal`.
    for node in misread {
        node.remove_attr("class");
        node.remove_attr("id");
    }
    // A form around a whole page (as ASP.NET writes it) is no form.
    for node in forms {
        node.rename("div");
    }
    asked.parts()
}

/// Takes an element out of its page, and empties it: copies of the tree copy what was taken out too.
fn discard(node: &NodeRef<'_>) {
    node.remove_from_parent();
    let all: Vec<NodeRef<'_>> = node.descendants_it().collect();
    for node in all.iter().chain([node]) {
        node.update(|node| node.data = NodeData::Fragment);
    }
}

/// Whether there is a heading in an element.
fn has_heading(node: &NodeRef<'_>) -> bool {
    node.descendants_it().any(|node| is_heading(&name(&node)))
}

/// Whether what an element is for is its link: one of an update in an article only says when that was.
pub(super) fn leads_elsewhere(node: &NodeRef<'_>, size: Size) -> bool {
    // A table of contents has a link for each.
    let ids = LazyCell::new(|| {
        let all = std::iter::once(*node).chain(node.descendants_it());
        let ids = all.filter_map(|node| node.attr("id").map(|id| id.to_string()));
        ids.collect::<FxHashSet<String>>()
    });
    let is_link = |node: &NodeRef<'_>| {
        let href = node.has_name("a").then(|| node.attr("href")).flatten();
        href.is_some_and(|href| match href.split_once('#') {
            Some(("", _)) => false,
            Some((_, part)) => part.is_empty() || !ids.contains(part),
            None => true,
        })
    };
    if size.linked == 0 || !node.descendants_it().any(|node| is_link(&node)) {
        return false;
    }
    let heads = |link: &NodeRef<'_>| {
        let heading = |other: NodeRef<'_>| is_heading(&name(&other));
        link.ancestors_it(None)
            .take_while(|around| around.id != node.id)
            .chain(link.descendants_it())
            .any(heading)
    };
    size.linked * 4 >= size.chars
        || node
            .descendants_it()
            .filter(is_link)
            .any(|link| heads(&link))
}

fn is_heading(name: &LocalName) -> bool {
    matches!(name.as_ref(), "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

/// Whether scoring would leave an element out by its class or id, whatever it holds: it looks for pieces of
/// words, while what words name has been weighed here.
fn is_misread(node: &NodeRef<'_>) -> bool {
    const PIECES: &[&str] = &[
        "com-",
        "comment",
        "community",
        "contact",
        "cover-wrap",
        "extra",
        "header",
        "hidden",
        "legends",
        "masthead",
        "media",
        "meta",
        "pager",
        "promo",
        "remark",
        "rss",
        "scroll",
        "share",
        "shopping",
        "sponsor",
        "supplemental",
        "tags",
        "widget",
    ];
    let mut misread = false;
    for value in ["class", "id"].iter().filter_map(|key| node.attr(key)) {
        let value = value.to_ascii_lowercase();
        // The class tells that it is one.
        if value.contains("caption") {
            return false;
        }
        misread |= PIECES.iter().any(|piece| value.contains(piece));
    }
    misread
}

/// Whether an element is the mark of a note, `[1]`, which leads to it.
fn is_note_mark(node: &NodeRef<'_>, name: &LocalName, size: Size) -> bool {
    /// In characters.
    const LONGEST: usize = 6;
    let leads = |node: NodeRef<'_>| {
        node.has_name("a") && node.attr("href").is_some_and(|to| to.contains('#'))
    };
    *name == local_name!("sup")
        && size.chars <= LONGEST
        && size.linked == size.chars
        && node.descendants_it().any(leads)
}

/// Whether a button is a heading or a question that shows the answer below it.
fn opens(node: &NodeRef<'_>, size: Size, sizes: &FxHashMap<NodeId, Size>) -> bool {
    /// How far around it a heading is looked for.
    const NEAR: usize = 3;
    if size.chars < SENTENCE / 2 {
        return false;
    }
    let whole = |around: &NodeRef<'_>| {
        let chars = sizes.get(&around.id).map_or(usize::MAX, |size| size.chars);
        size.chars * 4 >= chars * 3
    };
    let heading = node.ancestors_it(Some(NEAR)).find(|around| {
        let name = around.qual_name_ref();
        name.is_some_and(|name| {
            is_heading(&name.local) || matches!(name.local.as_ref(), "dt" | "summary")
        })
    });
    match heading {
        Some(heading) => whole(&heading),
        None => {
            let tells = [
                "aria-expanded",
                "aria-controls",
                "data-toggle",
                "data-bs-toggle",
            ];
            tells.iter().any(|name| node.attr(name).is_some())
                && node.text().trim_end().ends_with(['?', '？', '؟'])
        }
    }
}

/// Whether a short text asks to subscribe or sign in. Publishers mark both what asks for it and the
/// text that is then shown as a paywall.
fn asks(text: &str) -> bool {
    const ASKING: &[&str] = &[
        "abonn",
        "assinante",
        "assine",
        "iscri",
        "log in",
        "members",
        "register",
        "sign in",
        "subscri",
        "suscri",
    ];
    let text = text.to_lowercase();
    ASKING.iter().any(|word| text.contains(word))
}

/// An element's name and what its attributes say of it.
struct About {
    name: LocalName,
    role: String,
    names: Words,
    hidden: bool,
    /// It is drawn in no colour.
    faint: bool,
    body: bool,
    part: Option<Part>,
}

impl About {
    fn of(node: &NodeRef<'_>) -> Self {
        let mut about = Self {
            name: local_name!(""),
            role: String::new(),
            names: Words::default(),
            hidden: false,
            faint: false,
            body: false,
            part: None,
        };
        let Some(element) = node.element_ref() else {
            return about;
        };
        about.name = element.name.local.clone();
        for attribute in &element.attrs {
            let value: &str = &attribute.value;
            match attribute.name.local.as_ref() {
                key @ ("class" | "id" | "data-testid" | "data-component") => {
                    about.names.add(value);
                    about.hidden |= is_hiding(key, value);
                    if matches!(key, "class" | "id") && about.part.is_none() {
                        about.part = asked::named(value);
                    }
                }
                "role" => about.role = value.trim().to_ascii_lowercase(),
                key @ ("hidden" | "aria-hidden" | "style") => {
                    about.hidden |= is_hiding(key, value);
                    about.faint |= key == "style" && value.contains("opacity") && is_faint(value);
                }
                "itemprop" | "property" => {
                    about.body |= value
                        .split_whitespace()
                        .any(|v| v.to_ascii_lowercase().ends_with("articlebody"));
                    about.part = asked::property(value).or(about.part);
                }
                "itemtype" => about.part = asked::kind(value).or(about.part),
                _ => {}
            }
        }
        if is_spoken(&about.names) {
            // Beside what only eyes are shown, it is what that says.
            let drawn = |other: Option<NodeRef<'_>>| {
                other.is_some_and(|o| o.attr("aria-hidden").as_deref() == Some("true"))
            };
            about.hidden |=
                !drawn(node.prev_element_sibling()) && !drawn(node.next_element_sibling());
        }
        about
    }

    /// Whether it goes for certain (`Some(true)`), goes unless too much else does for the same
    /// reason (`Some(false)`), or stays.
    fn goes(
        &self,
        size: Size,
        total: Size,
        left: Size,
        pruning: Pruning,
        quoted: bool,
    ) -> Option<bool> {
        if self.is_none(size, total, left, quoted) {
            return Some(true);
        }
        if pruning == Pruning::Hidden
            || self.body
            || quoted
            || matches!(
                self.name.as_ref(),
                "html"
                    | "body"
                    | "main"
                    | "article"
                    | "a"
                    | "em"
                    | "strong"
                    | "b"
                    | "i"
                    | "td"
                    | "tr"
                    | "tbody"
            )
        {
            return None;
        }
        if pruning == Pruning::Comments {
            let told = size.told >= SENTENCE || size.before >= ENOUGH;
            let named = self.is_comments(size, total) && told || self.is_footer(size);
            // Behind a sentence, a box that goes by a name of theirs is one.
            let box_behind = size.told >= SENTENCE && !size.landmark && self.is_box();
            let most = size.chars * 2 > total.chars && size.told < SENTENCE;
            let asks = self.asks_consent() && !size.landmark && !most;
            let named = named || box_behind || asks;
            return (!size.headline && named).then_some(true);
        }
        self.is_named(size, total, left)
    }

    /// Whether it may be what an article begins with, where so many characters stand before it in there: on a front
    /// page a story's headline is a link to the story.
    fn may_head(&self, before: usize) -> bool {
        let named = self.name == local_name!("header")
            || is_heading(&self.name)
            || self.names.iter().any(|n| n == "header");
        named && !self.hidden && !self.is_box() && before <= 2 * SENTENCE
    }

    /// Whether its class or id has a word of those that boxes around an article go by.
    fn is_box(&self) -> bool {
        let has = |names: &[&str]| self.names.iter().any(|n| names.contains(&n));
        are_consent(&self.names)
            || self.names.iter().any(is_strong) && !are_states(&self.names)
            || has(&["author", "authors", "autor", "auteur", "writer"]) && has(ABOUT)
    }

    /// Whether its class or id says that it asks for consent.
    fn asks_consent(&self) -> bool {
        (are_consent(&self.names) || self.starts(CONSENT)) && !are_states(&self.names)
    }

    /// Whether a word of its class or id begins with one of these.
    fn starts(&self, beginnings: &[&str]) -> bool {
        let mut own = self.names.iter();
        own.any(|name| beginnings.iter().any(|begin| name.starts_with(begin)))
    }

    /// Whether its class or id says that it is what readers say of the article.
    fn is_comments(&self, size: Size, total: Size) -> bool {
        // A discussion is a page of its own as often.
        let told = size.told >= ENOUGH;
        self.names
            .iter()
            .any(|name| is_comment(name) || told && name.starts_with("discussion"))
            && !are_states(&self.names)
            && !self.is_opinion(size, total)
    }

    /// Whether its class calls it a comment and it is the article, as publishers call an opinion.
    fn is_opinion(&self, size: Size, total: Size) -> bool {
        let several = |name: &str| is_comment(name) && !matches!(name, "comment" | "kommentar");
        size.told < SENTENCE
            && size.before < ENOUGH
            && size.is_told()
            && size.sentences * 2 > total.chars.saturating_sub(total.linked)
            && !self.names.iter().any(several)
    }

    /// Whether its class or id says that it is the page's own footer, behind a text.
    fn is_footer(&self, size: Size) -> bool {
        let mut names = self.names.iter();
        size.told >= SENTENCE
            && size.chars < CONTROL
            && self.names.iter().any(|n| n == "footer")
            && names.all(|n| matches!(n, "footer" | "site" | "page" | "main" | "global" | "bottom"))
    }

    /// Whether its element, role or style says that it is no part of an article.
    fn is_none(&self, size: Size, total: Size, left: Size, quoted: bool) -> bool {
        let rest = left.chars.saturating_sub(size.chars);
        let most = size.chars * 2 > total.chars;
        let enough = rest >= ENOUGH && !most;
        match self.name.as_ref() {
            "script" | "style" | "noscript" | "template" | "iframe" | "object" | "svg"
            | "canvas" | "select" | "textarea" | "dialog" => return true,
            "button" => return size.chars < CONTROL,
            "html" | "body" | "main" | "article" => return self.hidden && enough,
            _ => {}
        }
        if self.hidden {
            return !most;
        }
        if self.faint && size.chars < CONTROL {
            return enough;
        }
        let links = size.linked as f32 / size.chars.max(1) as f32;
        match self.name.as_ref() {
            "nav" => return links > 0.3 || !most,
            "footer" if !quoted => return !most || links > 0.5,
            "form" => {
                return (size.chars < CONTROL || size.chars * 4 < total.chars) && !size.headline;
            }
            _ => {}
        }
        match self.role.as_str() {
            "navigation" | "menu" | "menubar" | "search" | "tooltip" => return !most,
            "contentinfo" => return !most,
            "complementary" | "dialog" | "alertdialog" => return enough,
            _ => {}
        }
        self.name == local_name!("aside") && enough && !self.body
    }

    /// Whether it is the part of a text that is for subscribers, as its class says.
    fn is_metered(&self, size: Size) -> bool {
        size.is_told()
            && size.linked * 10 < size.chars
            && self.starts(&["subscriber", "readmore", "premium"])
            && !self.asks_consent()
            && !self.starts(&["newsletter", "comment", "related"])
    }

    /// Whether its class or id says so.
    fn is_named(&self, size: Size, total: Size, left: Size) -> Option<bool> {
        let rest = left.chars.saturating_sub(size.chars);
        let enough = rest >= ENOUGH && size.chars * 2 <= total.chars;
        let links = size.linked as f32 / size.chars.max(1) as f32;
        if size.headline {
            return None;
        }
        let has = |names: &[&str]| self.names.iter().any(|n| names.contains(&n));
        let strong = self.is_box();
        let comments = self.is_comments(size, total) && (rest >= ENOUGH || size.told >= SENTENCE);
        if comments || self.is_footer(size) {
            return Some(true);
        }
        if strong {
            // What asks for something may be longer than a short article.
            let plain = rest.saturating_sub(left.linked.saturating_sub(size.linked)) >= ENOUGH;
            let most = size.chars * 2 > total.chars;
            let nearly_all = size.chars * 5 > total.chars * 4;
            if plain {
                let asks = !most || !nearly_all && !size.landmark;
                if asks && self.asks_consent() || !most && self.starts(&["newsletter"]) {
                    return Some(true);
                }
            }
            // A large part with few links is the article, whatever it is called.
            let large = size.chars * 4 > total.chars && links < 0.25;
            return (enough && !large).then_some(links > 0.25);
        }
        let weak = enough && links > 0.5 && has(WEAK);
        (weak && self.name != local_name!("p")).then_some(true)
    }

    /// Whether it may be all that tells anything on its page, whatever it is called.
    fn may_tell(&self, size: Size) -> bool {
        size.is_told() && !self.asks_consent() && !self.starts(&["author", "newsletter"])
    }
}
