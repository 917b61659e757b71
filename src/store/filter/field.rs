//! What a filter's field may be.

use serde::{Deserialize, Serialize};

/// A field of articles: `id`, `title`, `text`, `date`, `url`, `source`, `origin`, `topic`, or
/// the name of any metadata.
///
/// The first eight are known in any case of letters. A name of metadata is looked for as it is
/// written, and then in any case of letters. [`Reader::fields`](crate::Reader::fields) says which there are.
///
/// Where metadata holds objects, a dot leads into them: `author.name`. The name after a dot is
/// taken as it is written; articles without it have no value.
///
/// Metadata may have a name that is also one of the eight: that is [`Field::metadata`], in text
/// a name in backquotes, in JSON `{"metadata": "title"}` instead of `"title"`.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known<'a> {
    Id,
    Title,
    Text,
    Date,
    Url,
    Source,
    Origin,
    Topic,
    Metadata(&'a str),
    /// What objects in metadata hold, by names with dots between.
    Inside(&'a str, &'a str),
}

/// A way into objects has at most so many steps: each costs a comparison time.
const STEPS: usize = 8;

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
    BUILT_IN.iter().find(|b| b.0 == lower).map(|b| b.1)
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

    /// What the field is where articles have this metadata; an error's message where it is none.
    pub(super) fn find<'a>(&'a self, metadata: &'a [String]) -> Result<Known<'a>, String> {
        let exact = || metadata.iter().find(|m| **m == self.name);
        let lower = self.name.to_lowercase();
        let first = if self.metadata { exact() } else { None };
        if let Some(name) = first {
            return Ok(Known::Metadata(name));
        }
        if let Some(known) = built_in(&lower) {
            return Ok(known);
        }
        let named = |name: &str| {
            let lower = name.to_lowercase();
            let exact = metadata.iter().find(|m| **m == *name);
            exact.or_else(|| metadata.iter().find(|m| m.to_lowercase() == lower))
        };
        if let Some(name) = named(&self.name) {
            return Ok(Known::Metadata(name));
        }
        let inside = |at: usize| {
            let (name, rest) = (&self.name[..at], &self.name[at + 1..]);
            let steps = rest.split('.').count() <= STEPS && rest.split('.').all(|s| !s.is_empty());
            named(name)
                .filter(|_| steps)
                .map(|name| Known::Inside(name, rest))
        };
        let dots = self.name.rmatch_indices('.');
        dots.map(|(at, _)| at).find_map(inside).ok_or_else(|| {
            let built_in = BUILT_IN.iter().map(|b| b.0);
            let all: Vec<&str> = built_in
                .chain(metadata.iter().map(String::as_str))
                .collect();
            format!("no field {:?}; there are {}", self.name, all.join(", "))
        })
    }
}
