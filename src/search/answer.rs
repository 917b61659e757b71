//! What an answer is made of.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;

/// Hits, and how they were found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Found {
    /// The hits of this page, best first. Of equal scores, the article that was read first comes
    /// first.
    pub hits: Vec<Hit>,
    /// Whether every vector was compared; `true` for words, which are always looked up exactly.
    pub exact: bool,
    /// Whether there are hits after these.
    #[serde(default)]
    pub more: bool,
    /// Counts over the whole result, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facets: Option<Facets>,
}

/// An article that answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Hit {
    /// Its id.
    pub id: String,
    /// Its title; among similar articles, the start of its text where it has none.
    pub title: String,
    /// Its date, ISO 8601.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// What it is ranked by: the cosine, BM25 or the score of reciprocal rank fusion, times what its
    /// age leaves of it where a half-life was asked for.
    pub score: f32,
    /// The cosine of the query and the best passage; of the articles' vectors, for similar ones.
    /// `None` for a search by words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosine: Option<f32>,
    /// The score of reciprocal rank fusion, by both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fused: Option<f32>,
    /// The best passage: the nearest to the query, or by words that which holds most of them.
    pub passage: HitPassage,
    /// The sentence of it that answers best, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<Sentence>,
    /// The articles that were folded into this one; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded: Option<Folded>,
}

/// A passage that answers a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct HitPassage {
    /// Its byte range in the article's text.
    #[cfg_attr(feature = "server", schema(value_type = ByteRange))]
    pub range: Range<usize>,
    /// Its text, boilerplate left out.
    pub text: String,
}

/// How a range of bytes is written.
#[cfg(feature = "server")]
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it is a schema alone")]
pub(crate) struct ByteRange {
    /// Where it begins.
    start: usize,
    /// Where it ends.
    end: usize,
}

/// A sentence of a passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Sentence {
    /// Its text, which stands in the passage's text as it is.
    pub text: String,
    /// Where it begins, in bytes of the article's text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// Articles that are nearly the same as a hit and come after it in the ranking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Folded {
    /// How many there are in the whole result, the hit left out.
    pub count: u64,
    /// The first hundred of them: the earliest first, those without a date last.
    pub articles: Vec<FoldedArticle>,
}

/// An article that is nearly the same as a hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FoldedArticle {
    /// Its id.
    pub id: String,
    /// Its title, or the start of its text.
    pub title: String,
    /// Its date.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
}

/// Over which articles facets are counted. Never over the page alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CountedOver {
    /// All embedded articles: every one of them has a place in the ranking.
    Corpus,
    /// Those that the filter lets through.
    Filter,
    /// Those that reach the threshold, and that the filter lets through.
    Threshold,
    /// Those that hold one of the words, and that the filter lets through.
    Words,
}

/// Counts over the whole result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Facets {
    /// What was counted over.
    pub over: CountedOver,
    /// How many articles these are.
    pub articles: u64,
    /// The counts, in the order in which they were asked for.
    pub fields: Vec<Facet>,
}

/// How often the values of a field occur.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Facet {
    /// The field.
    pub field: String,
    /// The values that most articles have, and of those that as many have the smaller ones first.
    pub values: Vec<FacetValue>,
    /// How many other values there are.
    pub more: u64,
    /// How many articles have no value.
    pub missing: u64,
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FacetValue {
    /// The value, as a filter takes it: a text, a number or a truth; of a topic its number.
    pub value: Value,
    /// A topic's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many articles have it. An article with a list counts once for each of its elements.
    pub count: u64,
}
