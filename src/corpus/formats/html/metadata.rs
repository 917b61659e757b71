//! What a page says of its article: title, date, source, address, author.

use super::fragment::without_entities;
use super::linked::{About, Linked};
use super::marks::Marks;
use super::names::{Words, begins_comment};
use super::text::{Edge, Walk};
use crate::corpus::article::one_line;
use crate::corpus::dates::parse_date;
use dom_query::{Document, Element, LocalName, NodeRef, local_name};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

/// A page's `<meta>` elements by name, property or itemprop, in lower case; the first of each,
/// except for those that come in numbers.
pub(super) struct Metas(FxHashMap<String, Vec<String>>);

impl Metas {
    pub(super) fn of(marks: &Marks<'_>) -> Self {
        let mut metas: FxHashMap<String, Vec<String>> = FxHashMap::default();
        for node in &marks.metas {
            let Some(content) = node.attr("content").map(|c| one_line(&c)) else {
                continue;
            };
            if content.is_empty() {
                continue;
            }
            for key in ["property", "name", "itemprop"] {
                if let Some(key) = node.attr(key) {
                    metas
                        .entry(key.trim().to_ascii_lowercase())
                        .or_default()
                        .push(content.clone());
                }
            }
        }
        Self(metas)
    }

    fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter()
            .find_map(|k| self.0.get(*k)?.first())
            .map(String::as_str)
    }

    fn all(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// The text of the first of some elements that has any.
fn first_text(nodes: &[NodeRef<'_>]) -> Option<String> {
    nodes
        .iter()
        .map(|n| one_line(&n.text()))
        .find(|t| !t.is_empty())
}

/// What tells which article a page is about: its addresses, and its titles.
pub(super) fn about(marks: &Marks<'_>, metas: &Metas) -> About {
    let mut addresses: Vec<String> = marks
        .canonical
        .iter()
        .filter_map(|n| n.attr("href"))
        .map(|h| one_line(&h))
        .collect();
    addresses.extend(metas.get(&["og:url"]).map(str::to_string));
    let given = ["og:title", "twitter:title"];
    let titles = given
        .iter()
        .filter_map(|key| metas.get(&[key]).map(letters));
    let mut titles: Vec<String> = titles.collect();
    titles.extend(first_text(&marks.window_titles).map(|t| letters(&t)));
    titles.extend(marks.headings.iter().take(20).map(|n| letters(&n.text())));
    titles.retain(|title| !title.is_empty());
    About { addresses, titles }
}

/// The headline, without the name of its site.
pub(super) fn title(marks: &Marks<'_>, metas: &Metas, linked: &Linked) -> String {
    let title = headline(marks, metas, linked);
    // Some pages escape it twice.
    match without_entities(&title) {
        Some(plain) => one_line(&plain),
        None => title,
    }
}

fn headline(marks: &Marks<'_>, metas: &Metas, linked: &Linked) -> String {
    let site = source(metas, linked);
    // Some pages call themselves by their site's name.
    let names_site = |title: &str| {
        site.as_deref()
            .is_some_and(|site| letters(site) == letters(title))
    };
    let given = ["og:title", "twitter:title", "dc.title", "citation_title"]
        .iter()
        .filter_map(|key| metas.get(&[*key]))
        .find(|title| !names_site(title));
    let window = first_text(&marks.window_titles).or_else(|| first_text(&marks.titles));
    let headline = linked.headline.as_deref();
    let headings: Vec<String> = marks
        .headings
        .iter()
        .map(|n| one_line(n.text().trim_end().trim_end_matches('¶')))
        .filter(|t| !t.is_empty() && t.len() < 500)
        .take(20)
        .collect();
    if given.is_none()
        && headline.is_none()
        && let [logo] = headings.as_slice()
        && let Some(own) = beside_logo(marks, window.as_deref().unwrap_or_default(), logo)
    {
        return own;
    }
    // A heading that is what the window's title has beside the page's is the site's.
    let told = given.or(headline).map(letters);
    let is_site = |heading: &str, known: &str| {
        told.as_deref().is_some_and(|told| {
            let rest = known
                .strip_prefix(told)
                .or_else(|| known.strip_suffix(told));
            rest == Some(heading)
        })
    };
    // The page's own heading is the headline where the titles that it gives itself agree.
    for known in [given, headline, window.as_deref()].into_iter().flatten() {
        let known = letters(known);
        if let Some(heading) = headings
            .iter()
            .filter(|h| {
                let h = letters(h);
                let part = known.starts_with(&h) || known.ends_with(&h);
                h.chars().count() > 8 && part && !is_site(&h, &known) || h == known
            })
            .max_by_key(|h| h.len())
        {
            return heading.clone();
        }
    }
    let cut = |title: &str| without_site(title, site.as_deref());
    given
        .map(cut)
        .or_else(|| headline.map(cut))
        .or_else(|| (headings.len() == 1).then(|| headings[0].clone()))
        .or_else(|| window.as_deref().map(|w| without_last_part(&cut(w))))
        .or_else(|| headings.first().cloned())
        .unwrap_or_default()
}

/// The headline of a page whose only heading of the first level is its site's name: the heading of the second
/// level that is the other part of the window's title.
fn beside_logo(marks: &Marks<'_>, window: &str, logo: &str) -> Option<String> {
    let (own, logo) = (letters(window), letters(logo));
    let rest = own.strip_suffix(&logo).or_else(|| own.strip_prefix(&logo));
    let rest = rest.filter(|rest| rest.len() > logo.len() / 2 && !logo.is_empty())?;
    let root = marks.root?;
    let mut headings = root.descendants_it().filter(|n| n.has_name("h2"));
    let heading = headings.find(|h| letters(&h.text()) == rest)?;
    Some(one_line(&heading.text()))
}

pub(super) fn letters(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// What stands between a headline and the name of its site.
const SEPARATORS: &[&str] = &[
    " | ", " - ", " – ", " — ", " :: ", " » ", " « ", " · ", " • ", " ‹ ", " › ", "_", "｜", "|",
];

fn without_site(title: &str, site: Option<&str>) -> String {
    let Some(site) = site.map(letters).filter(|s| !s.is_empty()) else {
        return title.to_string();
    };
    for separator in SEPARATORS {
        if let Some((head, tail)) = title.rsplit_once(separator)
            && letters(tail) == site
            && !head.trim().is_empty()
        {
            return head.trim().to_string();
        }
        if let Some((head, tail)) = title.split_once(separator)
            && letters(head) == site
            && !tail.trim().is_empty()
        {
            return tail.trim().to_string();
        }
    }
    title.to_string()
}

/// A window's title ends with the site's name nearly always; a short rest is no headline.
fn without_last_part(title: &str) -> String {
    for separator in SEPARATORS {
        if let Some((head, tail)) = title.rsplit_once(separator)
            && head.chars().count() >= 20
            && tail.chars().count() < head.chars().count()
        {
            return head.trim().to_string();
        }
    }
    title.to_string()
}

/// What a page says of its article where it shows none of its text: of the kind that has a headline
/// and a line for feeds, or that a program would fill in. Of any other page, nothing.
pub(super) fn description(marks: &Marks<'_>, metas: &Metas, linked: &Linked) -> Option<String> {
    let article = linked.headline.is_some()
        || first_text(&marks.headings).is_some()
        || metas.get(&["og:type"]) == Some("article");
    let given = || {
        let keys = ["og:description", "twitter:description", "description"];
        metas.get(&keys).map(str::to_string)
    };
    article
        .then(|| linked.description.clone().or_else(given))
        .flatten()
}

/// Who published it.
pub(super) fn source(metas: &Metas, linked: &Linked) -> Option<String> {
    metas
        .get(&["og:site_name"])
        .map(str::to_string)
        .or_else(|| linked.publisher.clone())
        .or_else(|| {
            metas
                .get(&[
                    "dc.publisher",
                    "citation_journal_title",
                    "application-name",
                    "publisher",
                ])
                .filter(|s| !s.contains("://"))
                .map(str::to_string)
        })
}

/// Its address: what the page calls its own, complete ones first.
pub(super) fn address(marks: &Marks<'_>, metas: &Metas, linked: &Linked) -> Option<String> {
    let canonical = marks
        .canonical
        .iter()
        .find_map(|n| n.attr("href"))
        .map(|h| one_line(&h));
    let mut all = [
        canonical,
        metas.get(&["og:url", "twitter:url"]).map(str::to_string),
        linked.url.clone(),
    ]
    .into_iter()
    .flatten()
    .filter(|u| !u.is_empty())
    // Of the kind that the page itself has.
    .map(|u| {
        if u.starts_with("//") {
            format!("https:{u}")
        } else {
            u
        }
    });
    let first = all.next()?;
    if first.contains("://") {
        return Some(first);
    }
    Some(all.find(|u| u.contains("://")).unwrap_or(first))
}

/// When it was published: what the page says of its article, then a time that stands in it, then
/// the day in its address. The site's clock, and when the page was last changed, are none of it.
pub(super) fn date(
    document: &Document,
    marks: &Marks<'_>,
    metas: &Metas,
    linked: &Linked,
    address: Option<&str>,
) -> Option<String> {
    const NAMES: &[&str] = &[
        "article:published_time",
        "og:published_time",
        "article:published",
        "datepublished",
        "og:article:published_time",
        "parsely-pub-date",
        "sailthru.date",
        "dc.date.issued",
        "dcterms.issued",
        "dc.date.created",
        "dcterms.created",
        "pubdate",
        "publishdate",
        "publish-date",
        "publish_date",
        "publication_date",
        "publication-date",
        "published_at",
        "article.published",
        "article_date_original",
        "cxenseparse:recs:publishtime",
        "citation_publication_date",
        "citation_date",
        "article:post_date",
        "originalpublicationdate",
        "date",
        "dc.date",
        "dcterms.date",
        "rnews:datepublished",
        "datecreated",
        "article.created",
        "last-published",
        "displaydate",
        "ptime",
        "published",
        "weibo:article:create_at",
    ];
    linked
        .published
        .as_deref()
        .and_then(parse_date)
        .or_else(|| {
            NAMES
                .iter()
                .find_map(|name| metas.get(&[name]).and_then(parse_date))
        })
        .or_else(|| date_within(document, !marks.headings.is_empty()))
        .or_else(|| address.and_then(date_in_address))
}

/// What the page calls its article's date where nobody can read it.
pub(super) fn unread_date(metas: &Metas, linked: &Linked) -> Option<String> {
    const NAMES: &[&str] = &[
        "article:published_time",
        "datepublished",
        "dc.date.issued",
        "pubdate",
        "publish_date",
        "date",
        "dc.date",
    ];
    let said = linked.published.as_deref().or_else(|| metas.get(NAMES))?;
    Some(one_line(said)).filter(|said| !said.is_empty())
}

/// A date in the page's text: marked as the article's, or in an `<article>`, or after the headline.
fn date_within(document: &Document, has_headline: bool) -> Option<String> {
    let body = document.body()?;
    let mut found: [Option<String>; 3] = [None, None, None];
    // A comment's time is the comment's.
    let mut comments = 0usize;
    let (mut articles, mut headline, mut aside) = (0usize, false, 0usize);
    let mut words = Words::default();
    for edge in Walk::new(body) {
        match edge {
            Edge::Open(node) => {
                let Some(element) = node.element_ref() else {
                    continue;
                };
                let name = element.name.local.as_ref();
                words.clear();
                for key in [local_name!("class"), local_name!("id")] {
                    add_words(&element, &key, &mut words);
                }
                let named = words.count();
                add_words(&element, &local_name!("itemprop"), &mut words);
                comments += usize::from(comments > 0 || words.iter().any(is_comment));
                match name {
                    "article" | "main" => articles += 1,
                    "h1" => headline = true,
                    "aside" | "footer" | "nav" | "form" => aside += 1,
                    _ => {}
                }
                if aside > 0 || comments > 0 {
                    continue;
                }
                let Some((certain, date)) = date_of(&node, name, words.iter().take(named)) else {
                    continue;
                };
                // Whose time it is: the article's by its own word, by its place, or by following
                // the headline.
                let level = match () {
                    () if certain => 0,
                    () if articles > 0 => 1,
                    () if headline || !has_headline => 2,
                    () => continue,
                };
                found[level].get_or_insert(date);
            }
            Edge::Close(node) => {
                let Some(name) = node.qual_name_ref() else {
                    continue;
                };
                comments = comments.saturating_sub(1);
                match name.local.as_ref() {
                    "article" | "main" => articles = articles.saturating_sub(1),
                    "aside" | "footer" | "nav" | "form" => aside = aside.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }
    found.into_iter().flatten().next()
}

/// Adds the words of an attribute, where the element has it.
fn add_words(element: &Element, key: &LocalName, words: &mut Words) {
    for attribute in &element.attrs {
        if attribute.name.local == *key {
            words.add(&attribute.value);
        }
    }
}

/// Whether a word of an element's names says that it is a reader's comment, or several.
fn is_comment(word: &str) -> bool {
    let not = ["commentary", "commentator", "commented"];
    (begins_comment(word) || word.starts_with("disqus"))
        && !not.iter().any(|other| word.starts_with(other))
}

/// The date that an element gives, and whether it says that it is the one of publication.
fn date_of<'w>(
    node: &NodeRef<'_>,
    name: &str,
    words: impl Iterator<Item = &'w str> + Clone,
) -> Option<(bool, String)> {
    let itemprop = node.attr("itemprop").unwrap_or_default();
    let certain = itemprop
        .split_whitespace()
        .any(|p| p.eq_ignore_ascii_case("datePublished"))
        || node.has_attr("pubdate");
    let has = |names: &[&str]| words.clone().any(|w| names.contains(&w));
    if !certain
        && has(&[
            "modified", "updated", "update", "clock", "today", "current", "now",
        ])
    {
        return None;
    }
    let marked = has(&[
        "date",
        "datum",
        "fecha",
        "data",
        "published",
        "pubdate",
        "pubtime",
        "dateline",
        "timestamp",
        "posted",
        "publish",
        "datetime",
        "dtpublished",
    ]);
    let byline = has(&["byline", "meta", "metadata", "posted"]);
    let listed = name == "dd" && is_label(node.prev_element_sibling());
    if !certain && !listed && name != "time" && !((marked || byline) && name != "a") {
        return None;
    }
    for key in ["datetime", "content", "title"] {
        if let Some(date) = node.attr(key).and_then(|d| parse_date(&d)) {
            return Some((certain, date));
        }
    }
    let text = one_line(&node.text());
    let text = before_update(&text);
    if text.chars().count() > if byline { 120 } else { 60 } {
        return None;
    }
    let parts = text.split(['|', '·', '•', '–', '—']).filter(|_| byline);
    std::iter::once(text)
        .chain(parts)
        .find_map(labelled_date)
        .map(|date| (certain, date))
}

/// A text up to the word behind which it says when it was last changed.
fn before_update(text: &str) -> &str {
    const CHANGED: &[&str] = &[
        "updated",
        "last update",
        "update:",
        "modified",
        "mis à jour",
        "aktualisiert",
        "actualizado",
        "atualizado",
        "aggiornato",
        "bijgewerkt",
        "обновлено",
        "更新",
    ];
    // Small letters have other lengths in few scripts; where they do, nothing is cut.
    let lower = text.to_lowercase();
    let at = CHANGED.iter().filter_map(|word| lower.find(word)).min();
    match at.and_then(|at| text.get(..at)) {
        Some(before) if before.bytes().any(|b| b.is_ascii_digit()) => {
            before.trim_end_matches(|c: char| !c.is_alphanumeric())
        }
        _ => text,
    }
}

/// Whether the term before a value says that it is the date of publication.
fn is_label(term: Option<NodeRef<'_>>) -> bool {
    let Some(term) = term.filter(|term| term.has_name("dt")) else {
        return false;
    };
    let term = one_line(&term.text()).to_lowercase();
    let term = term.trim_end_matches([':', '：', ' ']);
    LABELS.contains(&term) || ["date", "datum", "fecha", "data", "publication date"].contains(&term)
}

/// What stands before a date of publication, in lower case, the longer before those that they begin with.
const LABELS: &[&str] = &[
    "first published on",
    "first published",
    "published on",
    "published at",
    "published",
    "posted on",
    "posted at",
    "posted",
    "veröffentlicht am",
    "veröffentlicht",
    "erschienen am",
    "publié le",
    "publicado el",
    "publicado em",
    "publicado",
    "pubblicato il",
    "gepubliceerd op",
    "опубликовано",
    "发布于",
    "發布於",
];

/// A date, or one behind what says that it is the one of publication.
fn labelled_date(text: &str) -> Option<String> {
    let text = text.trim();
    let behind = || {
        let lower = text.to_lowercase();
        let label = LABELS.iter().find(|label| lower.starts_with(**label))?;
        // Lower case may be longer, but not that of a label.
        parse_date(text.get(label.len()..)?.trim_start_matches([':', ' ']))
    };
    parse_date(text)
        .or_else(|| parse_date(text.split_once(": ")?.1))
        .or_else(behind)
}

/// The day in an address such as `/2024/05/03/…`.
fn date_in_address(address: &str) -> Option<String> {
    let path = address.split_once("://").map_or(address, |(_, rest)| rest);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let of_parts = parts.windows(3).find_map(|w| {
        let [y, m, d] = w else { return None };
        let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
        (digits(y, 4) && digits(m, 2) && digits(d, 2) && y.starts_with(['1', '2']))
            .then(|| parse_date(&format!("{y}-{m}-{d}")))
            .flatten()
    });
    of_parts.or_else(|| parts.iter().find_map(|part| date_before_name(part)))
}

/// The day that a part of an address begins with or is: `2024-05-03-bridge`, `20240503`.
fn date_before_name(part: &str) -> Option<String> {
    let digits = |range: std::ops::Range<usize>| {
        let digits = part.get(range)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then_some(digits)
    };
    let (y, m, d) = match part.len() {
        8 => (digits(0..4)?, digits(4..6)?, digits(6..8)?),
        10.. if part
            .get(10..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_'])) =>
        {
            let dashes = part.get(4..5)? == "-" && part.get(7..8)? == "-";
            dashes.then_some((digits(0..4)?, digits(5..7)?, digits(8..10)?))?
        }
        _ => return None,
    };
    // Any other number of eight digits is no day of the years in which there are pages.
    let known = y.starts_with("19") && *y >= *"1990" || y.starts_with("20");
    known.then(|| parse_date(&format!("{y}-{m}-{d}"))).flatten()
}

/// What else is known of it and has no field of its own.
pub(super) fn rest(marks: &Marks<'_>, metas: &Metas, linked: &Linked) -> Map<String, Value> {
    let mut rest = Map::new();
    let mut authors = linked.authors.clone();
    if authors.is_empty() {
        authors = [
            "author",
            "article:author",
            "dc.creator",
            "dcterms.creator",
            "parsely-author",
            "sailthru.author",
            "citation_author",
            "byl",
        ]
        .iter()
        .map(|key| metas.all(key))
        .find(|all| all.iter().any(|a| !a.contains("://")))
        .map(|all| all.to_vec())
        .unwrap_or_default();
    }
    if authors.is_empty() {
        authors = marks
            .authors
            .iter()
            .take(8)
            .map(|n| one_line(&n.text()))
            .filter(|t| !t.is_empty() && t.chars().count() < 80)
            .collect();
    }
    let site = source(metas, linked).map(|site| letters(&site));
    authors.retain(|a| !a.contains("://") && !a.starts_with('@'));
    // Some pages give their site as who wrote all of it.
    authors.retain(|a| site.as_ref().is_none_or(|site| letters(a) != *site));
    for author in &mut authors {
        *author = without_by(author).to_string();
    }
    if authors.is_empty() {
        authors.extend(marks.bylines.iter().find_map(byline));
    }
    let mut seen = std::collections::HashSet::new();
    authors.retain(|a| seen.insert(a.clone()));
    if !authors.is_empty() {
        rest.insert("author".into(), authors.join(", ").into());
    }
    let section = linked.section.clone().or_else(|| {
        metas
            .get(&["article:section", "parsely-section"])
            .map(str::to_string)
    });
    if let Some(section) = section {
        rest.insert("section".into(), section.into());
    }
    let language = marks
        .root
        .and_then(|html| html.attr("lang"))
        .map(|l| l.trim().to_string())
        .filter(|l| !l.is_empty() && l.len() <= 35)
        .or_else(|| linked.language.clone());
    if let Some(language) = language {
        rest.insert("language".into(), language.into());
    }
    let tags = match metas.all("article:tag") {
        [] if !linked.keywords.is_empty() => linked.keywords.clone(),
        [] => metas
            .get(&["news_keywords", "keywords"])
            .map(listed)
            .unwrap_or_default(),
        [one] => listed(one),
        many => many.to_vec(),
    };
    if !tags.is_empty() {
        rest.insert("tags".into(), tags.into());
    }
    rest
}

/// A name without the English word before it: in other languages that may be a part of the name, as in `von Suttner`.
fn without_by(author: &str) -> &str {
    let by = ["by ", "written by ", "posted by "].into_iter().find(|by| {
        author
            .get(..by.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(by))
    });
    match by.map(|by| author[by.len()..].trim()) {
        Some(name) if !name.is_empty() => name,
        _ => author,
    }
}

/// What stands before the name of who wrote something.
pub(super) const BY: [&str; 10] = [
    "by ",
    "written by ",
    "posted by ",
    "von ",
    "par ",
    "por ",
    "di ",
    "door ",
    "av ",
    "author: ",
];

/// The name in an element that is called the author's or the byline, if it is one.
fn byline(node: &NodeRef<'_>) -> Option<String> {
    /// What others write, and about.
    const OTHERS: [&str; 6] = [
        "comment",
        "comments",
        "related",
        "sidebar",
        "teaser",
        "recommended",
    ];
    let mut names = Words::default();
    for around in node.ancestors_it(Some(12)) {
        if ["aside", "footer", "nav"]
            .iter()
            .any(|name| around.has_name(name))
        {
            return None;
        }
        for key in ["class", "id"] {
            if let Some(value) = around.attr(key) {
                names.add(&value);
            }
        }
    }
    if names.iter().any(|name| OTHERS.contains(&name)) {
        return None;
    }
    // Of several pieces, the first that is more than the word before a name.
    let pieces = node.descendants_it().filter(|piece| piece.is_text());
    let mut pieces = pieces.map(|piece| one_line(&piece.text()));
    let text = pieces.find(|piece| {
        let lower = format!("{} ", piece.to_lowercase().trim_end_matches(':'));
        !piece.is_empty() && !BY.contains(&lower.as_str())
    })?;
    let lower = text.to_lowercase();
    let label = BY
        .iter()
        .find(|by| lower.starts_with(**by))
        .map_or(0, |by| by.len());
    let name = text
        .get(label..)?
        .split(['|', '·', '•', '–', '—', ','])
        .next()?
        .trim();
    let words = name.split_whitespace().count();
    // Chinese and Japanese have no blanks between names.
    let whole = words >= 2 || !name.is_ascii();
    let named = name
        .chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() && !c.is_lowercase());
    let plain = !name.contains(|c: char| c.is_ascii_digit() || matches!(c, ':' | '@' | '/'));
    (whole && words <= 6 && name.chars().count() <= 60 && named && plain).then(|| name.to_string())
}

/// `harbour, bridge` as a list.
pub(super) fn listed(text: &str) -> Vec<String> {
    text.split([',', ';', '、', '，'])
        .map(one_line)
        .filter(|t| !t.is_empty())
        .take(100)
        .collect()
}
