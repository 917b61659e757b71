//! What a model wants put in front of texts.

use super::files::{ModelFiles, own_name};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What a model wants put in front of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// In front of a query; empty for most models.
    pub query: String,
    /// In front of a document or passage.
    pub document: String,
    /// All of the model's prompts by name.
    pub named: BTreeMap<String, String>,
    /// The name of the one that stands in front of a text of which nothing is said, where the
    /// model has such a one.
    pub default: Option<String>,
    /// Who says the two prompts.
    pub source: PromptSource,
}

/// How near two vectors of a model are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Similarity {
    /// The cosine of the angle between them.
    #[default]
    Cosine,
    /// Their dot product.
    Dot,
    /// Their Euclidean distance, less than nothing.
    Euclidean,
    /// The sum of the distances of their values, less than nothing.
    Manhattan,
}

impl Similarity {
    const ALL: [Self; 4] = [Self::Cosine, Self::Dot, Self::Euclidean, Self::Manhattan];

    /// Its name in sentence-transformers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::Euclidean => "euclidean",
            Self::Manhattan => "manhattan",
        }
    }
}

/// Where a model's two prompts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PromptSource {
    /// The model's own files, which have none for most models.
    #[default]
    Model,
    /// The description of the model's family, of this name: its files have none.
    Family(&'static str),
    /// The corpus that was made with them.
    Corpus,
    /// Whoever opened the encoder.
    Caller,
}

/// The two prompts that a corpus was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeptPrompts {
    /// In front of a query.
    pub query: String,
    /// In front of a passage.
    pub document: String,
}

impl Prompts {
    /// The prompts for a corpus that was made with these; `None` for one of before they were
    /// written down, which was made with those of the model's own files.
    pub(crate) fn kept(mut self, kept: Option<KeptPrompts>) -> Self {
        match kept {
            Some(kept) => {
                if (&self.query, &self.document) != (&kept.query, &kept.document) {
                    self.source = PromptSource::Corpus;
                }
                self.query = kept.query;
                self.document = kept.document;
            }
            None if matches!(self.source, PromptSource::Family(_)) => {
                self.source = PromptSource::Model;
                self.query.clear();
                self.document.clear();
            }
            None => {}
        }
        self
    }

    /// Puts what a caller gives in the place of the model's.
    pub(crate) fn given(mut self, query: Option<String>, document: Option<String>) -> Self {
        if query.is_some() || document.is_some() {
            self.source = PromptSource::Caller;
        }
        self.query = query.unwrap_or(self.query);
        self.document = document.unwrap_or(self.document);
        self
    }
}

/// The file of a model's prompts.
pub(super) const FILE: &str = "config_sentence_transformers.json";
/// The names of prompts for queries and for documents.
const QUERY: &[&str] = &["query"];
const DOCUMENT: &[&str] = &["document", "passage", "corpus"];
/// The longest prompt, in bytes: it is put in front of every text.
const LONGEST: usize = 4096;

/// A family of models whose prompts stand in its description alone.
struct Family {
    name: &'static str,
    /// Whether a model of this name, in lower case and without its owner, is one of them.
    has: fn(&str) -> bool,
    query: &'static str,
    document: &'static str,
}

const BGE: &str = "Represent this sentence for searching relevant passages: ";

/// As each family's description has them. Of models that want none, such as gte and bge-m3,
/// nothing needs to be said here.
const FAMILIES: [Family; 7] = [
    // https://huggingface.co/intfloat/multilingual-e5-large-instruct
    Family {
        name: "e5-instruct",
        has: |name| is_e5(name) && name.contains("instruct"),
        query: "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ",
        document: "",
    },
    // https://huggingface.co/intfloat/e5-small-v2
    Family {
        name: "e5",
        has: is_e5,
        query: "query: ",
        document: "passage: ",
    },
    // https://huggingface.co/BAAI/bge-small-zh-v1.5
    Family {
        name: "bge-zh",
        has: |name| is_bge(name) && name.contains("-zh"),
        query: "为这个句子生成表示以用于检索相关文章：",
        document: "",
    },
    // https://huggingface.co/BAAI/bge-small-en-v1.5
    Family {
        name: "bge-en",
        has: |name| is_bge(name) && name.contains("-en"),
        query: BGE,
        document: "",
    },
    // https://huggingface.co/Snowflake/snowflake-arctic-embed-l-v2.0, unlike those before it
    Family {
        name: "arctic-v2",
        has: |name| name.starts_with("snowflake-arctic-embed") && name.contains("-v2"),
        query: "query: ",
        document: "",
    },
    // https://huggingface.co/mixedbread-ai/mxbai-embed-large-v1,
    // https://huggingface.co/WhereIsAI/UAE-Large-V1, https://huggingface.co/Snowflake/snowflake-arctic-embed-m
    Family {
        name: "bge-like",
        has: |name| {
            name.starts_with("mxbai-embed-large")
                || name.starts_with("uae-large")
                || name.starts_with("snowflake-arctic-embed")
        },
        query: BGE,
        document: "",
    },
    // https://huggingface.co/nomic-ai/nomic-embed-text-v1.5
    Family {
        name: "nomic",
        has: |name| name.starts_with("nomic-embed-text") || name.starts_with("modernbert-embed"),
        query: "search_query: ",
        document: "search_document: ",
    },
];

/// `e5-small-v2`, `multilingual-e5-base`, and what others trained of them, such as `my-e5-large`.
fn is_e5(name: &str) -> bool {
    let sizes = ["small", "base", "large"];
    let parts: Vec<&str> = name.split(['-', '_', '.']).collect();
    parts
        .windows(2)
        .any(|pair| pair[0] == "e5" && sizes.contains(&pair[1]))
}

fn is_bge(name: &str) -> bool {
    name.split(['-', '_']).any(|part| part == "bge")
}

/// The family of a model, by the name that it goes by or the one that it was saved under.
fn family(names: &[&str]) -> Option<&'static Family> {
    names.iter().find_map(|name| {
        let own = own_name(name)?.to_lowercase();
        FAMILIES.iter().find(|family| (family.has)(&own))
    })
}

/// The prompts of a model: those of its own files, else those of its family. `saved_as` is what its
/// configuration says it was called.
///
/// # Errors
/// The file of prompts is malformed, or a prompt is too long.
pub(super) fn of(files: &ModelFiles, saved_as: &str) -> Result<Prompts> {
    let own = read(&files.folder, &files.id)?;
    let all = own.named.values().chain([&own.query, &own.document]);
    if let Some(long) = all.map(String::len).find(|&n| n > LONGEST) {
        return Err(Error::model(
            &files.id,
            format!("{FILE}: a prompt of {long} bytes; {LONGEST} at most can be used"),
        ));
    }
    // An empty prompt that is written down is the model's word too: it wants none.
    let says = |name: &&str| own.named.contains_key(*name);
    let both = [QUERY, DOCUMENT];
    if both.concat().iter().any(says) || !own.query.is_empty() || !own.document.is_empty() {
        return Ok(own);
    }
    Ok(match family(&[&files.id, saved_as]) {
        Some(family) => Prompts {
            query: family.query.to_string(),
            document: family.document.to_string(),
            source: PromptSource::Family(family.name),
            ..own
        },
        None => own,
    })
}

#[derive(Deserialize, Default)]
struct File {
    #[serde(default)]
    prompts: HashMap<String, Option<String>>,
    #[serde(default)]
    default_prompt_name: Option<String>,
    /// Values of each vector that are kept.
    #[serde(default)]
    truncate_dim: Option<serde_json::Value>,
    #[serde(default)]
    similarity_fn_name: Option<serde_json::Value>,
}

impl File {
    fn read(folder: &Path, model: &str) -> Result<Self> {
        let Some(text) = super::layout::read(model, &folder.join(FILE))? else {
            return Ok(Self::default());
        };
        let bad = |message: String| Error::model(model, format!("{FILE}: {message}"));
        let file: Self = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
        // sentence-transformers always knows these two.
        let known =
            |name: &str| file.prompts.contains_key(name) || ["query", "document"].contains(&name);
        match &file.default_prompt_name {
            Some(name) if !known(name) => Err(bad(format!(
                "default_prompt_name is {name:?}, and there is no such prompt"
            ))),
            _ => Ok(file),
        }
    }
}

/// How many values of each vector a model's own files say to keep; `None` for all.
///
/// # Errors
/// The file is malformed, or the number is none above 0.
pub(super) fn kept_dim(files: &ModelFiles) -> Result<Option<usize>> {
    let Some(value) = File::read(&files.folder, &files.id)?.truncate_dim else {
        return Ok(None);
    };
    let n = value.as_u64().and_then(|n| usize::try_from(n).ok());
    match n.filter(|n| *n > 0) {
        Some(n) => Ok(Some(n)),
        None => Err(Error::model(
            &files.id,
            format!("{FILE}: truncate_dim is {value}; a whole number above 0 can be used"),
        )),
    }
}

/// How near two vectors of a model are to each other; the cosine where nothing is said.
///
/// # Errors
/// The file is malformed, or names another function than those of single vectors.
pub(super) fn similarity(files: &ModelFiles) -> Result<Similarity> {
    let Some(value) = File::read(&files.folder, &files.id)?.similarity_fn_name else {
        return Ok(Similarity::default());
    };
    let known = Similarity::ALL.into_iter().find(|s| value == s.name());
    known.ok_or_else(|| {
        Error::model(
            &files.id,
            format!("{FILE}: similarity_fn_name {value} is not supported; cosine, dot, euclidean and manhattan are"),
        )
    })
}

/// The prompt that stands in front of a text of which nothing is said; empty for most models.
///
/// # Errors
/// The file of prompts is malformed.
pub(super) fn default_of(files: &ModelFiles) -> Result<String> {
    let file = File::read(&files.folder, &files.id)?;
    let name = file.default_prompt_name.as_deref();
    let prompt = name.and_then(|name| file.prompts.get(name).cloned().flatten());
    Ok(prompt.unwrap_or_default())
}

/// The prompts for queries and for documents, under the names in use.
fn read(folder: &Path, model: &str) -> Result<Prompts> {
    let file = File::read(folder, model)?;
    let prompt = |names: &[&str]| {
        names
            .iter()
            .copied()
            .chain(file.default_prompt_name.as_deref())
            .find_map(|n| file.prompts.get(n).cloned().flatten())
            .unwrap_or_default()
    };
    let (query, document) = (prompt(QUERY), prompt(DOCUMENT));
    let named = file.prompts.into_iter();
    Ok(Prompts {
        query,
        document,
        named: named.filter_map(|(name, p)| Some((name, p?))).collect(),
        default: file.default_prompt_name,
        source: PromptSource::Model,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_by_name() {
        let of = |names: &[&str]| family(names).map_or("none", |f| f.name);
        for (name, expected) in [
            ("intfloat/e5-small-v2", "e5"),
            ("intfloat/multilingual-e5-base", "e5"),
            ("intfloat/multilingual-e5-large-instruct", "e5-instruct"),
            ("/models/My-E5-Large/", "e5"),
            ("BAAI/bge-small-en-v1.5", "bge-en"),
            ("BAAI/bge-base-zh", "bge-zh"),
            ("BAAI/bge-m3", "none"),
            ("thenlper/gte-small", "none"),
            ("sentence-transformers/all-MiniLM-L6-v2", "none"),
            ("acme/made5-small", "none"),
            ("Snowflake/snowflake-arctic-embed-m-v1.5", "bge-like"),
            ("Snowflake/snowflake-arctic-embed-l-v2.0", "arctic-v2"),
            ("/hub/models--intfloat--e5-small-v2/snapshots/ffb9", "e5"),
            ("/hub/models--acme--plain/snapshots/e5-small", "none"),
            ("/cache/intfloat--e5-small-v2/main", "e5"),
            ("/my--e5-small/v2", "none"),
            ("acme/e5", "none"),
            ("nomic-ai/nomic-embed-text-v1.5", "nomic"),
            ("WhereIsAI/UAE-Large-V1", "bge-like"),
        ] {
            assert_eq!(of(&[name]), expected, "{name}");
        }
        assert_eq!(of(&["/tmp/model", "intfloat/e5-base-v2"]), "e5");
        assert_eq!(of(&["", ""]), "none");
    }
}
