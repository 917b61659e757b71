//! What a page says of its article in JSON-LD, as schema.org's vocabulary has it.

use super::fragment::fragment;
use crate::corpus::article::one_line;
use crate::corpus::formats::json::repaired;
use dom_query::NodeRef;
use serde_json::{Map, Value};

/// The article of a page, as its publisher describes it for search engines.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Linked {
    pub headline: Option<String>,
    pub description: Option<String>,
    pub published: Option<String>,
    pub publisher: Option<String>,
    pub authors: Vec<String>,
    pub url: Option<String>,
    pub section: Option<String>,
    pub language: Option<String>,
    pub keywords: Vec<String>,
    /// The whole text, where it is given.
    pub body: Option<String>,
}

/// What a page says it is about, beside its descriptions.
#[derive(Debug, Default)]
pub(super) struct About {
    /// Its own addresses.
    pub addresses: Vec<String>,
    /// Its titles, as letters only.
    pub titles: Vec<String>,
}

impl About {
    /// Whether an object describes this page's article (`Some(true)`), by its own word another
    /// (`Some(false)`), or says neither.
    fn is_of(&self, object: &Map<String, Value>) -> Option<bool> {
        let headline = ["headline", "name"]
            .iter()
            .find_map(|key| object.get(*key)?.as_str())
            .map(super::metadata::letters)
            .filter(|headline| !headline.is_empty());
        let titled = headline.as_ref().map(|headline| {
            self.titles.iter().any(|t| {
                t == headline
                    || headline.len() > 12
                        && (t.contains(headline) || headline.contains(t.as_str()) && t.len() > 12)
            })
        });
        let own = addresses(object);
        let located = (!own.is_empty() && !self.addresses.is_empty()).then(|| {
            own.iter()
                .any(|a| self.addresses.iter().any(|b| same_address(a, b)))
        });
        match (titled, located) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            // A headline that was shortened or changed for search engines is still the page's,
            // where no address says otherwise.
            (_, Some(false)) if !self.titles.is_empty() => Some(false),
            _ => None,
        }
    }
}

/// The addresses of the page that an object says it is of.
fn addresses(object: &Map<String, Value>) -> Vec<&str> {
    ["url", "mainEntityOfPage", "@id"]
        .iter()
        .filter_map(|key| object.get(*key))
        .filter_map(|value| match value {
            Value::String(s) => Some(s.as_str()),
            Value::Object(o) => o.get("@id").or_else(|| o.get("url"))?.as_str(),
            _ => None,
        })
        .filter(|address| address.starts_with("http"))
        .collect()
}

/// Whether two addresses are of one page: without the protocol, what is behind `#` or `?`, `www.` and
/// a last slash.
fn same_address(a: &str, b: &str) -> bool {
    let plain = |address: &str| {
        let address = address.split(['#', '?']).next().unwrap_or(address);
        let address = address.split_once("://").map_or(address, |(_, rest)| rest);
        let address = address.strip_prefix("www.").unwrap_or(address);
        address.trim_end_matches('/').to_lowercase()
    };
    plain(a) == plain(b)
}

/// How deep an article lies in its description: in a graph, in a page, in a list.
const DEEPEST: usize = 6;
/// How many objects of a description are looked at.
const MOST: usize = 10_000;

/// Reads the descriptions of a page; the first of an article counts, and what it leaves open is
/// filled from those that follow.
pub(super) fn linked(scripts: &[NodeRef<'_>], about: &About) -> Linked {
    let mut values = Vec::new();
    for script in scripts {
        values.extend(parse(&script.text()));
    }
    let mut objects = Vec::new();
    for value in &values {
        collect(value, &mut objects);
    }
    let mut articles: Vec<&Map<String, Value>> = objects
        .iter()
        .copied()
        .filter(|o| rank(o).is_some())
        .collect();
    // What describes another article says nothing of this; a film only where it is what the page is
    // about.
    articles.retain(|o| match about.is_of(o) {
        Some(of_this) => of_this,
        None => !is_type(o, &["VideoObject"]),
    });
    // An article says more of itself than the page that it stands on; the sort is stable.
    articles.sort_by_key(|o| (rank(o), about.is_of(o) != Some(true)));
    let mut linked = Linked::default();
    for (i, article) in articles.iter().enumerate() {
        let read = read(article, &objects);
        if i == 0 {
            linked = read;
        } else if read.headline.is_none() || read.headline == linked.headline {
            linked.fill(read);
        }
    }
    if linked.publisher.is_none() {
        linked.publisher = objects
            .iter()
            .find(|o| is_type(o, &["WebSite", "NewsMediaOrganization"]))
            .and_then(|o| name(o.get("name")?, &objects));
    }
    linked
}

impl Linked {
    fn fill(&mut self, other: Self) {
        fn or<T>(own: &mut Option<T>, other: Option<T>) {
            if own.is_none() {
                *own = other;
            }
        }
        or(&mut self.headline, other.headline);
        or(&mut self.description, other.description);
        or(&mut self.published, other.published);
        or(&mut self.publisher, other.publisher);
        or(&mut self.url, other.url);
        or(&mut self.section, other.section);
        or(&mut self.language, other.language);
        or(&mut self.body, other.body);
        if self.authors.is_empty() {
            self.authors = other.authors;
        }
        if self.keywords.is_empty() {
            self.keywords = other.keywords;
        }
    }
}

/// JSON as pages have it: in a comment or CDATA, with line ends in its strings and commas behind the
/// last of a list.
fn parse(text: &str) -> Option<Value> {
    let mut text = text.trim();
    for (begin, end) in [
        ("<!--", "//-->"),
        ("<!--", "-->"),
        ("//<![CDATA[", "//]]>"),
        ("<![CDATA[", "]]>"),
    ] {
        text = text.strip_prefix(begin).unwrap_or(text).trim();
        text = text.strip_suffix(end).unwrap_or(text).trim();
    }
    let text = text.trim_end_matches(';');
    serde_json::from_str(text)
        .or_else(|_| {
            let plain: String = text
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            let plain = repaired(&plain);
            serde_json::from_str(&plain).or_else(|_| serde_json::from_str(&requoted(&plain)))
        })
        .ok()
}

/// JSON in whose strings quotes stand without a backslash, as templates write them: a quote ends its string where
/// what follows can stand behind one.
fn requoted(text: &str) -> String {
    let ends = |rest: &str| {
        let rest = rest.trim_start();
        match rest.strip_prefix(',') {
            None => rest.is_empty() || rest.starts_with([':', '}', ']']),
            Some(next) => {
                let next = next.trim_start();
                let word = ["true", "false", "null"];
                next.starts_with(['"', '{', '[', '-'])
                    || next.starts_with(|c: char| c.is_ascii_digit())
                    || word.iter().any(|word| next.starts_with(word))
            }
        }
    };
    let mut out = String::with_capacity(text.len() + 16);
    let (mut inside, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        if c == '"' && !escaped {
            if inside && !ends(&text[at + 1..]) {
                out.push('\\');
            } else {
                inside = !inside;
            }
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

/// The objects that describe the page itself: not those in lists of other articles.
fn collect<'a>(value: &'a Value, objects: &mut Vec<&'a Map<String, Value>>) {
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > DEEPEST || objects.len() >= MOST {
            continue;
        }
        match value {
            // Reversed, since the last one in is the first one out.
            Value::Array(values) => open.extend(values.iter().rev().map(|v| (v, depth + 1))),
            Value::Object(object) => {
                objects.push(object);
                for key in ["mainEntityOfPage", "mainEntity", "@graph"] {
                    if let Some(value) = object.get(key) {
                        open.push((value, depth + 1));
                    }
                }
            }
            _ => {}
        }
    }
}

fn types(object: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let types = match object.get("@type") {
        Some(Value::Array(types)) => types.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    types
        .iter()
        .filter_map(Value::as_str)
        .map(|t| t.rsplit(['/', ':', '#']).next().unwrap_or(t))
}

fn is_type(object: &Map<String, Value>, names: &[&str]) -> bool {
    types(object).any(|t| names.contains(&t))
}

/// How directly an object describes an article; `None` where it does not.
fn rank(object: &Map<String, Value>) -> Option<u8> {
    types(object)
        .filter_map(|t| {
            if t.ends_with("Article") || t.ends_with("Posting") && t != "JobPosting" {
                return Some(0);
            }
            match t {
                "Report" | "Review" | "Blog" | "CreativeWork" | "Recipe" | "PressRelease" => {
                    Some(1)
                }
                "WebPage" | "ItemPage" | "VideoObject" => Some(2),
                _ => None,
            }
        })
        .min()
}

fn read(object: &Map<String, Value>, all: &[&Map<String, Value>]) -> Linked {
    let of = |keys: &[&str]| keys.iter().find_map(|k| name(object.get(*k)?, all));
    let article = rank(object) < Some(2);
    Linked {
        headline: if article {
            of(&["headline", "name"])
        } else {
            None
        },
        description: if article { of(&["description"]) } else { None },
        published: of(&["datePublished", "dateCreated", "uploadDate"]),
        publisher: of(&["publisher", "sourceOrganization", "isPartOf"])
            .filter(|p| !p.contains("://")),
        authors: ["author", "creator"]
            .iter()
            .find_map(|k| object.get(*k))
            .map(|v| names(v, all))
            .unwrap_or_default(),
        url: addresses(object).first().map(ToString::to_string),
        section: of(&["articleSection"]),
        language: of(&["inLanguage"]),
        keywords: object
            .get("keywords")
            .map(|v| names(v, all))
            .map(|k| match k.as_slice() {
                [one] => super::metadata::listed(one),
                _ => k,
            })
            .unwrap_or_default(),
        body: ["articleBody", "reviewBody", "text"]
            .iter()
            .filter_map(|k| object.get(*k))
            .find_map(|v| match v {
                Value::String(s) => Some(s.clone()),
                Value::Array(parts) => {
                    let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
                    (!parts.is_empty()).then(|| parts.join("\n\n"))
                }
                _ => None,
            })
            .map(|s| fragment(&s).unwrap_or(s)),
    }
}

/// A text, or the name of the thing that stands for it here or elsewhere in the description.
fn name(value: &Value, all: &[&Map<String, Value>]) -> Option<String> {
    names(value, all).into_iter().next()
}

fn names(value: &Value, all: &[&Map<String, Value>]) -> Vec<String> {
    let one = |value: &Value| -> Option<String> {
        let text = match value {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            Value::Object(o) => {
                let named = o.get("name").or_else(|| {
                    let id = o.get("@id")?;
                    all.iter()
                        .filter(|other| other.get("@id") == Some(id))
                        .find_map(|other| other.get("name"))
                });
                match named? {
                    Value::Array(a) => a.first()?.as_str()?.to_string(),
                    v => v.as_str()?.to_string(),
                }
            }
            _ => return None,
        };
        let text = one_line(&fragment(&text).unwrap_or(text));
        (!text.is_empty()).then_some(text)
    };
    match value {
        Value::Array(values) => values.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}
