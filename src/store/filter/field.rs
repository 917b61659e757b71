//! What a filter's field may be.

use serde::{Deserialize, Serialize};

/// A field of articles: `id`, `title`, `text`, `date`, `url`, `source`, `origin`, `topic`, or
/// the name of any metadata.
///
/// The first eight are known in any case of letters. A name of metadata is looked for as it is
/// written, and then in any case of letters. [`Reader::fields`](crate::Reader::fields) says which there are.
///
/// Where metadata holds objects, a dot leads into them: `author.name`. The name after a dot is
/// taken as it is written; articles without it have no value. Where names have dots of their own,
/// all that the field may mean counts: `a.b` is what is called so, and `b` within `a`.
///
/// Metadata may have a name that is also one of the eight: that is [`Field::metadata`], in text
/// `meta.topic` or a name in backquotes, in JSON `{"metadata": "topic"}` instead of `"topic"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct Field {
    name: String,
    /// Whether metadata comes first; only where the name is also that of a field that every
    /// article has, so that each meaning has one form.
    metadata: bool,
}

/// A field in JSON.
#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a field: its name, or {\"metadata\": its name}"
)]
enum Form {
    Name(String),
    Metadata { metadata: String },
}

impl From<Form> for Field {
    fn from(form: Form) -> Self {
        match form {
            Form::Name(name) => Self::new(name),
            Form::Metadata { metadata } => Self::metadata(metadata),
        }
    }
}

impl From<Field> for Form {
    fn from(field: Field) -> Self {
        if field.metadata {
            Self::Metadata {
                metadata: field.name,
            }
        } else {
            Self::Name(field.name)
        }
    }
}

impl From<&str> for Field {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Field {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

/// What a field turns out to be in a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known<'a> {
    Id,
    Title,
    Text,
    Date,
    Url,
    Source,
    Origin,
    Topic,
    /// Metadata, or what objects in it hold: the names on each way that there may be.
    Metadata(Vec<Vec<&'a str>>),
}

/// A way into objects has at most so many steps: each costs a comparison time.
const STEPS: usize = 8;
/// A name with more dots than this is taken apart at all of them or none.
const DOTS: usize = 3;

/// What stands in front of a name that is meant as metadata's.
const PREFIXES: [&str; 2] = ["meta.", "metadata."];

const BUILT_IN: [(&str, Known<'static>); 8] = [
    ("id", Known::Id),
    ("title", Known::Title),
    ("text", Known::Text),
    ("date", Known::Date),
    ("url", Known::Url),
    ("source", Known::Source),
    ("origin", Known::Origin),
    ("topic", Known::Topic),
];

fn built_in(lower: &str) -> Option<Known<'static>> {
    let found = BUILT_IN.iter().find(|b| b.0 == lower);
    found.map(|b| b.1.clone())
}

impl Field {
    /// The field of this name; metadata only where it is none of those that every article has.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            metadata: false,
        }
    }

    /// The metadata of this very name, also where a field that every article has is called the
    /// same; that field where no article has such metadata.
    pub fn metadata(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            metadata: built_in(&name.to_lowercase()).is_some(),
            name,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether metadata of this name comes before the field of this name that every article has.
    pub fn is_metadata(&self) -> bool {
        self.metadata
    }

    /// Whether it is the field of this name that every article has, where articles have this metadata.
    pub(crate) fn is_own(&self, name: &str, metadata: &[String]) -> bool {
        self.name.eq_ignore_ascii_case(name) && !(self.metadata && metadata.contains(&self.name))
    }

    /// The ways that lead to its values in metadata, each the names on it from the outermost; none where it is none
    /// that articles have, or a field that every article has.
    pub(crate) fn ways(&self, metadata: &[String]) -> Vec<Vec<String>> {
        let Ok(Known::Metadata(ways)) = self.find(metadata) else {
            return Vec::new();
        };
        let owned = |way: Vec<&str>| way.into_iter().map(String::from).collect();
        ways.into_iter().map(owned).collect()
    }

    /// What the field is where articles have this metadata; an error's message where it is none.
    pub(super) fn find<'a>(&'a self, metadata: &'a [String]) -> Result<Known<'a>, String> {
        let exact = metadata.iter().find(|m| **m == self.name);
        if let Some(name) = exact.filter(|_| self.metadata) {
            return Ok(Known::Metadata(vec![vec![name]]));
        }
        if let Some(known) = built_in(&self.name.to_lowercase()) {
            return Ok(known);
        }
        let mut ways = ways(&self.name, metadata);
        if ways.is_empty() {
            let meant = PREFIXES.iter().find_map(|prefix| {
                let start = self.name.get(..prefix.len())?;
                let same = start.eq_ignore_ascii_case(prefix);
                same.then(|| &self.name[prefix.len()..])
            });
            ways = meant
                .map(|name| self::ways(name, metadata))
                .unwrap_or_default();
        }
        if ways.is_empty() {
            let built_in = BUILT_IN.iter().map(|b| b.0);
            let all: Vec<&str> = built_in
                .chain(metadata.iter().map(String::as_str))
                .collect();
            return Err(format!(
                "no field {:?}; there are {}",
                self.name,
                all.join(", ")
            ));
        }
        Ok(Known::Metadata(ways))
    }
}

/// The ways that a name may mean: metadata so called, and what objects hold.
fn ways<'a>(name: &'a str, metadata: &'a [String]) -> Vec<Vec<&'a str>> {
    let named = |name: &str| {
        let exact = metadata.iter().find(|m| **m == *name);
        let lower = name.to_lowercase();
        exact.or_else(|| metadata.iter().find(|m| m.to_lowercase() == lower))
    };
    let mut ways: Vec<Vec<&str>> = named(name)
        .map(|name| vec![name.as_str()])
        .into_iter()
        .collect();
    for (at, _) in name.rmatch_indices('.') {
        let Some(first) = named(&name[..at]) else {
            continue;
        };
        for inner in splits(&name[at + 1..]) {
            ways.push(std::iter::once(first.as_str()).chain(inner).collect());
        }
    }
    ways
}

/// A name taken apart at its dots in every way: `a.b` is `a`, `b`, and `a.b`.
fn splits(name: &str) -> Vec<Vec<&str>> {
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() > STEPS || parts.iter().any(|part| part.is_empty()) {
        return Vec::new();
    }
    let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
    if dots.len() > DOTS {
        return vec![parts, vec![name]];
    }
    (0..1usize << dots.len())
        .map(|cut| {
            let mut out = Vec::new();
            let mut begin = 0;
            for (i, at) in dots.iter().enumerate() {
                if cut >> i & 1 == 0 {
                    out.push(&name[begin..*at]);
                    begin = at + 1;
                }
            }
            out.push(&name[begin..]);
            out
        })
        .collect()
}
