//! What is no part of an article, taken out of the tree: hidden text, navigation, forms, and what
//! its author marked by class or id as comments, related links, share bars, consent boxes …

use super::text::{Edge, Walk, visible};
use dom_query::{Document, LocalName, NodeData, NodeId, NodeRef, local_name};
use rustc_hash::FxHashMap;

/// How much is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pruning {
    /// All that is known to be no article.
    Full,
    /// Only what a reader does not see, and navigation: for pages whose article goes by a name
    /// that other pages give to something else.
    Hidden,
}

/// Names for what surrounds an article. An element whose class or id has a word of these, or a
/// word that begins with a [`STEMS`] one, goes, however long it is. Sorted, as are the stems.
const WORDS: &[&str] = &[
    "ad",
    "adbox",
    "addthis",
    "addtoany",
    "ads",
    "anzeige",
    "apester",
    "breadcrumb",
    "breadcrumbs",
    "carbonads",
    "combx",
    "consent",
    "cookie",
    "cookies",
    "disqus",
    "donate",
    "dontmiss",
    "dpsp",
    "gdpr",
    "lightbox",
    "livefyre",
    "login",
    "mailchimp",
    "modal",
    "mostread",
    "nav",
    "navbar",
    "navi",
    "navigation",
    "noprint",
    "onetrust",
    "outbrain",
    "overlay",
    "pager",
    "paginate",
    "paging",
    "popup",
    "printonly",
    "promo",
    "promobox",
    "publicidad",
    "publicite",
    "readmore",
    "replies",
    "respond",
    "seealso",
    "share",
    "sharedaddy",
    "shares",
    "shariff",
    "sharing",
    "shoutbox",
    "sidebar",
    "signup",
    "skiplink",
    "skyscraper",
    "sociable",
    "social",
    "socials",
    "sponsor",
    "sponsored",
    "subscribe",
    "subscription",
    "taboola",
    "trc",
    "werbung",
    "zergnet",
];

/// Beginnings of words that name what surrounds an article.
const STEMS: &[&str] = &[
    "advert",
    "breadcrumb",
    "comentario",
    "comment",
    "cookie",
    "kommentar",
    "newsletter",
    "pagination",
    "recommend",
    "related",
    "sharebar",
    "sharebutton",
    "sharelink",
    "sharetool",
    "sharing",
    "sidebar",
    "socialmedia",
    "socialshare",
    "subscri",
    "werbung",
];

/// Beginnings that are not what they look like.
const NOT_STEMS: &[&str] = &["commented", "commentary", "commentator", "recommended-"];

/// Names that surround an article as often as they are a part of it: an element with one of these
/// goes where much of its text is links, or where there is very little text.
const WEAK: &[&str] = &[
    "aside",
    "author",
    "authors",
    "autor",
    "banner",
    "bio",
    "bottom",
    "box",
    "byline",
    "card",
    "carousel",
    "category",
    "categories",
    "copyright",
    "credits",
    "cta",
    "dateline",
    "disclaimer",
    "extra",
    "follow",
    "footer",
    "header",
    "infobox",
    "inline",
    "jump",
    "keywords",
    "latest",
    "links",
    "list",
    "menu",
    "meta",
    "more",
    "next",
    "popular",
    "posted",
    "prev",
    "previous",
    "print",
    "rating",
    "ratings",
    "read",
    "recirc",
    "slider",
    "tag",
    "tags",
    "teaser",
    "teasers",
    "toc",
    "tool",
    "toolbar",
    "tools",
    "top",
    "topics",
    "trending",
    "utility",
    "widget",
];

/// With "author", a word of these names a note on the author.
const ABOUT: &[&str] = &[
    "about",
    "bio",
    "block",
    "box",
    "card",
    "desc",
    "description",
    "details",
    "info",
    "profile",
    "section",
];

/// The rest of a page must be this long, in characters, for something marked as no part of the
/// article to go: what marks all of the text marks nothing.
const ENOUGH: usize = 100;
/// A form or button with more text than this, in characters, holds more than itself.
const CONTROL: usize = 250;

/// An article within another of fewer characters than this may be a teaser.
const TEASER: usize = 400;

/// What is known of an element and all below it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Characters without blanks.
    pub chars: usize,
    pub linked: usize,
    pub headline: bool,
}

/// Takes out of a page what is no part of an article.
pub(super) fn prune(document: &Document, pruning: Pruning) {
    let Some(body) = document.body() else {
        return;
    };
    let sizes = sizes(body);
    let total = sizes.get(&body.id).copied().unwrap_or_default();
    let mut gone = Vec::new();
    let mut doubtful: Vec<NodeRef<'_>> = Vec::new();
    let mut doubted = 0;
    let mut forms = Vec::new();
    let mut articles = 0usize;
    let mut left = total.chars;
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
                    && size.linked > 0
                    && size.chars < TEASER
                    && size.chars * 4 < total.chars;
                if teaser {
                    left -= size.chars.min(left);
                    gone.push(node);
                    walk.skip_children();
                    // Its end is met all the same.
                    articles += 1;
                    continue;
                }
                articles += usize::from(about.name == local_name!("article"));
                if let Some(sure) = about.goes(size, total, left, pruning, quotes > 0) {
                    left -= size.chars.min(left);
                    if sure {
                        gone.push(node);
                    } else {
                        doubted += size.chars;
                        doubtful.push(node);
                    }
                    walk.skip_children();
                } else if about.name == local_name!("form") {
                    forms.push(node);
                }
            }
            Edge::Close(node) => {
                if node.has_name("blockquote") {
                    quotes = quotes.saturating_sub(1);
                } else if node.has_name("article") {
                    articles = articles.saturating_sub(1);
                }
            }
        }
    }
    // A name that much of the text goes by names the text.
    if doubted * 5 < total.chars * 2 {
        gone.append(&mut doubtful);
    }
    for node in gone {
        node.remove_from_parent();
    }
    // A form around a whole page (as ASP.NET writes it) is no form.
    for node in forms {
        node.rename("div");
    }
}

/// The sizes of all elements in `root`, in one walk.
pub(super) fn sizes(root: NodeRef<'_>) -> FxHashMap<NodeId, Size> {
    let mut sizes = FxHashMap::default();
    let mut open: Vec<Size> = Vec::new();
    let (mut links, mut unseen) = (0usize, 0usize);
    for edge in Walk::new(root) {
        match edge {
            Edge::Open(node) => {
                if node.is_element() {
                    let name = name(&node);
                    links += usize::from(name == local_name!("a"));
                    unseen += usize::from(is_code(&name));
                    open.push(Size {
                        headline: name == local_name!("h1"),
                        ..Size::default()
                    });
                } else if unseen == 0
                    && let Some(top) = open.last_mut()
                {
                    let chars = node.query_or(0, |node| match &node.data {
                        NodeData::Text { contents } => visible(contents),
                        _ => 0,
                    });
                    top.chars += chars;
                    if links > 0 {
                        top.linked += chars;
                    }
                }
            }
            Edge::Close(node) => {
                if !node.is_element() {
                    continue;
                }
                let name = name(&node);
                links -= usize::from(name == local_name!("a"));
                unseen -= usize::from(is_code(&name));
                let Some(size) = open.pop() else { continue };
                if let Some(parent) = open.last_mut() {
                    parent.chars += size.chars;
                    parent.linked += size.linked;
                    parent.headline |= size.headline;
                }
                sizes.insert(node.id, size);
            }
        }
    }
    sizes
}

/// An element's name; empty for any other node.
fn name(node: &NodeRef<'_>) -> LocalName {
    node.qual_name_ref()
        .map_or_else(|| local_name!(""), |name| name.local.clone())
}

fn is_code(name: &LocalName) -> bool {
    matches!(name.as_ref(), "script" | "style" | "noscript" | "template")
}

/// An element's name and what its attributes say of it.
struct About {
    name: LocalName,
    role: String,
    names: Words,
    hidden: bool,
    body: bool,
}

impl About {
    fn of(node: &NodeRef<'_>) -> Self {
        let mut about = Self {
            name: local_name!(""),
            role: String::new(),
            names: Words::default(),
            hidden: false,
            body: false,
        };
        let Some(element) = node.element_ref() else {
            return about;
        };
        about.name = element.name.local.clone();
        for attribute in &element.attrs {
            let value: &str = &attribute.value;
            match attribute.name.local.as_ref() {
                "class" | "id" | "data-testid" | "data-component" => {
                    about.names.add(value);
                }
                "role" => about.role = value.trim().to_ascii_lowercase(),
                "hidden" => about.hidden |= !value.eq_ignore_ascii_case("until-found"),
                "aria-hidden" => about.hidden |= value.eq_ignore_ascii_case("true"),
                "style" => about.hidden |= hides(value),
                "itemprop" | "property" => {
                    about.body |= value
                        .split_whitespace()
                        .any(|v| v.to_ascii_lowercase().ends_with("articlebody"));
                }
                _ => {}
            }
        }
        about
    }

    /// Whether it goes for certain (`Some(true)`), goes unless too much else does for the same
    /// reason (`Some(false)`), or stays.
    fn goes(
        &self,
        size: Size,
        total: Size,
        left: usize,
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
        self.is_named(size, total, left)
    }

    /// Whether its element, role or style says that it is no part of an article.
    fn is_none(&self, size: Size, total: Size, left: usize, quoted: bool) -> bool {
        let rest = left.saturating_sub(size.chars);
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

    /// Whether its class or id says so.
    fn is_named(&self, size: Size, total: Size, left: usize) -> Option<bool> {
        let rest = left.saturating_sub(size.chars);
        let enough = rest >= ENOUGH && size.chars * 2 <= total.chars;
        let links = size.linked as f32 / size.chars.max(1) as f32;
        if size.headline {
            return None;
        }
        let has = |names: &[&str]| self.names.iter().any(|n| names.contains(&n));
        let strong = self.names.iter().any(is_strong)
            || has(&["author", "authors", "autor", "auteur", "writer"]) && has(ABOUT);
        if strong {
            let comments = self.names.iter().any(|n| {
                n.starts_with("comment") || n.starts_with("kommentar") || n.starts_with("comentar")
            });
            // A large part with few links is the article, whatever it is called.
            let large = size.chars * 4 > total.chars && links < 0.25;
            if comments {
                return (rest >= ENOUGH).then_some(true);
            }
            return (enough && !large).then_some(links > 0.25);
        }
        let weak = enough && links > 0.5 && has(WEAK);
        (weak && self.name != local_name!("p")).then_some(true)
    }
}

fn is_strong(name: &str) -> bool {
    // Of sorted stems none of which begins with another, only the last that is not behind the name
    // may begin it.
    let stem = STEMS.partition_point(|stem| *stem <= name);
    WORDS.binary_search(&name).is_ok()
        || stem > 0
            && name.starts_with(STEMS[stem - 1])
            && !NOT_STEMS.iter().any(|s| name.starts_with(s))
}

/// Whether a `style` hides the element.
fn hides(style: &str) -> bool {
    style.split(';').any(|declaration| {
        let Some((property, value)) = declaration.split_once(':') else {
            return false;
        };
        let value = value.trim().to_ascii_lowercase();
        match property.trim().to_ascii_lowercase().as_str() {
            "display" => value.starts_with("none"),
            "visibility" => value.starts_with("hidden"),
            _ => false,
        }
    })
}

/// The words of classes and ids, in lower case: `relatedArticles__list` is related, articles, list.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// All of them, one behind the other.
    text: String,
    ends: Vec<usize>,
}

impl Words {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(a, b)| &self.text[a..*b])
    }

    /// Adds those of one value.
    pub(super) fn add(&mut self, value: &str) {
        let mut lower = false;
        for c in value.chars() {
            let (inner, upper) = if c.is_ascii() {
                (c.is_ascii_alphanumeric(), c.is_ascii_uppercase())
            } else {
                (c.is_alphanumeric(), c.is_uppercase())
            };
            if !inner || lower && upper {
                self.end();
            }
            if c.is_ascii_alphanumeric() {
                self.text.push(c.to_ascii_lowercase());
            } else if inner {
                self.text.extend(c.to_lowercase());
            }
            lower = c.is_lowercase();
        }
        self.end();
    }

    fn end(&mut self) {
        if self.text.len() > self.ends.last().copied().unwrap_or(0) {
            self.ends.push(self.text.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{STEMS, WORDS, Words, is_strong};

    #[test]
    fn a_class_is_taken_to_words() {
        let mut words = Words::default();
        words.add("relatedArticles__list ÉtéChaud 2col");
        words.add("");
        words.add("AD-box");
        let all: Vec<&str> = words.iter().collect();
        let wanted = [
            "related", "articles", "list", "été", "chaud", "2col", "ad", "box",
        ];
        assert_eq!(all, wanted);
        assert_eq!(words.count(), wanted.len());
        words.clear();
        assert_eq!(words.iter().count(), 0);
    }

    /// Both are searched by halves.
    #[test]
    fn names_are_sorted_and_no_stem_begins_another() {
        assert!(WORDS.is_sorted());
        for pair in STEMS.windows(2) {
            assert!(
                pair[0] < pair[1] && !pair[1].starts_with(pair[0]),
                "{pair:?}"
            );
        }
        for name in [
            "ad",
            "zergnet",
            "comments",
            "advertising",
            "werbungen",
            "subscriber",
        ] {
            assert!(is_strong(name), "{name}");
        }
        for name in [
            "",
            "a",
            "adder",
            "commented",
            "article",
            "zz",
            "share2",
            "relate",
        ] {
            assert!(!is_strong(name), "{name}");
        }
    }
}
