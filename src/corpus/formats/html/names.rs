//! What classes and ids say of their elements.

use rustc_hash::FxHashSet;
use std::sync::LazyLock;

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
    "disqus",
    "donate",
    "dontmiss",
    "dpsp",
    "editsection",
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

/// Beginnings of words that name what surrounds an article, beside those of [`CONSENT`].
const STEMS: &[&str] = &[
    "advert",
    "breadcrumb",
    "comentario",
    "comment",
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
pub(super) const WEAK: &[&str] = &[
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

/// Stems that name a box asking for consent, many of them the services that pages have it from.
pub(super) const CONSENT: &[&str] = &[
    "axeptio",
    "borlabs",
    "cky",
    "cmp2",
    "cmpbox",
    "cmpwrapper",
    "complianz",
    "consent",
    "cookie",
    "cybot",
    "didomi",
    "gdpr",
    "iubenda",
    "klaro",
    "onetrust",
    "osano",
    "quantcast",
    "sourcepoint",
    "tarteaucitron",
    "termly",
    "trustarc",
    "usercentrics",
];

/// With "cmp", which also begins the names of all that some systems write, a word of these names a box asking
/// for consent.
const OF_CONSENT: &[&str] = &[
    "app", "banner", "dialog", "layer", "modal", "notice", "overlay", "popup", "root", "sp",
    "wrapper",
];

/// Whether two words that follow each other name a box asking for consent.
pub(super) fn are_consent(names: &Words) -> bool {
    let all = names.iter();
    all.clone()
        .zip(all.skip(1))
        .any(|(one, next)| one == "cmp" && OF_CONSENT.contains(&next))
}

/// Behind one of these, what names a part names a state of the page.
const STATES: &[&str] = &["category", "has", "no", "tag", "with", "without"];

/// And so it does before one of these.
const STATES_BEHIND: &[&str] = &[
    "accepted", "allowed", "closed", "disabled", "enabled", "off", "open",
];

/// Whether all that would name a part of the page names a state of it: `has-comments`, `cookies-accepted`.
pub(super) fn are_states(names: &Words) -> bool {
    let (mut before, mut states) = ("", false);
    let mut names = names.iter().peekable();
    while let Some(name) = names.next() {
        if is_strong(name) || is_comment(name) {
            let behind = names
                .peek()
                .is_some_and(|next| STATES_BEHIND.contains(next));
            if !behind && !STATES.contains(&before) {
                return false;
            }
            states = true;
        }
        before = name;
    }
    states
}

/// With "author", a word of these names a note on the author.
pub(super) const ABOUT: &[&str] = &[
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

/// Whether a word says that something is readers' comments.
pub(super) fn is_comment(name: &str) -> bool {
    let ends = ["comments", "kommentare", "kommentar"];
    (begins_comment(name) || ends.iter().any(|e| name.ends_with(e)))
        && !is_other(name)
        && !name.starts_with("nocomment")
}

/// Whether a word begins as words for readers' comments do, and some others.
pub(super) fn begins_comment(name: &str) -> bool {
    let begins = ["comment", "kommentar", "comentar"];
    begins.iter().any(|b| name.starts_with(b))
}

/// Whether a word begins with a stem, but means something else.
fn is_other(name: &str) -> bool {
    NOT_STEMS.iter().any(|s| name.starts_with(s))
}

/// So many bytes of a word are looked up before it is compared; no stem has fewer.
const FIRST: usize = 3;

/// How the words and stems begin. Most words of a page's names begin otherwise.
static FIRSTS: LazyLock<FxHashSet<&[u8]>> = LazyLock::new(|| {
    let all = WORDS.iter().chain(STEMS).chain(CONSENT);
    all.map(|word| first(word)).collect()
});

fn first(word: &str) -> &[u8] {
    &word.as_bytes()[..word.len().min(FIRST)]
}

pub(super) fn is_strong(name: &str) -> bool {
    // Of sorted stems none of which begins with another, only the last that is not behind the name
    // may begin it.
    let begins = |stems: &[&str]| {
        let stem = stems.partition_point(|stem| *stem <= name);
        stem > 0 && name.starts_with(stems[stem - 1])
    };
    FIRSTS.contains(first(name))
        && (WORDS.binary_search(&name).is_ok()
            || (begins(STEMS) || begins(CONSENT)) && !is_other(name))
}

/// Whether names say that an element is only read aloud: `sr-only`, `visually-hidden` …
pub(super) fn is_spoken(names: &Words) -> bool {
    let mut before = ["", ""];
    for name in names.iter() {
        let spoken = match name {
            "only" if before[1] == "sr" => true,
            "only" | "text" => before == ["screen", "reader"] || before[1] == "screenreader",
            "hidden" => before[1] == "visually",
            "invisible" => before[1] == "element",
            "visuallyhidden" | "sronly" => true,
            _ => false,
        };
        if spoken && before[0] != "not" {
            return true;
        }
        before = [before[1], name];
    }
    false
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
        if value.is_ascii() {
            for byte in value.bytes() {
                if !byte.is_ascii_alphanumeric() || lower && byte.is_ascii_uppercase() {
                    self.end();
                }
                if byte.is_ascii_alphanumeric() {
                    self.text.push(byte.to_ascii_lowercase().into());
                }
                lower = byte.is_ascii_lowercase();
            }
            self.end();
            return;
        }
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
    use super::{CONSENT, FIRST, STEMS, WORDS, Words, is_strong};

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
        assert!(STEMS.iter().chain(CONSENT).all(|s| s.len() >= FIRST));
        assert!(CONSENT.iter().all(|name| is_strong(name)));
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
