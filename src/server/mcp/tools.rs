//! Which tools there are, and what each takes.

use rmcp::model::{Tool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The names of the tools.
pub(super) const NAMES: [&str; 5] = ["search", "similar", "article", "topics", "timeline"];

/// What `search` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    #[serde(default)]
    pub(super) query: String,
    pub(super) corpus: Option<String>,
    pub(super) by: Option<crate::search::SearchBy>,
    pub(super) filter: Option<String>,
    pub(super) k: Option<usize>,
    #[serde(default)]
    pub(super) offset: usize,
    pub(super) half_life: Option<String>,
    pub(super) fold: Option<bool>,
}

/// What `similar` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Similar {
    pub(super) id: Option<String>,
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) unlike: Vec<String>,
    pub(super) corpus: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) k: Option<usize>,
}

/// What `article` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Article {
    pub(super) id: String,
    pub(super) corpus: Option<String>,
    #[serde(default)]
    pub(super) from: usize,
    pub(super) characters: Option<usize>,
}

/// What `topics` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Topics {
    pub(super) corpus: Option<String>,
    pub(super) topic: Option<i64>,
    pub(super) k: Option<usize>,
    #[serde(default)]
    pub(super) offset: usize,
}

/// What `timeline` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeline {
    pub(super) corpus: Option<String>,
    pub(super) by: Option<super::super::corpora::SpanAsked>,
    pub(super) source: Option<String>,
    pub(super) topics: Option<Vec<i64>>,
}

/// The tools, for corpora of these names.
pub(super) fn all(corpora: &[&str]) -> Vec<Tool> {
    let corpus = json!({
        "type": "string", "enum": corpora,
        "description": "The corpus; may be left out where there is one alone.",
    });
    let filter = json!({
        "type": "string",
        "description": "Only articles that match, such as: source = \"x\" AND date >= 2024-03 AND NOT topic = 4. Fields are id, title, text, date, source, url, topic and any metadata; compared by =, !=, <, <=, >, >=, ~ (contains), IN (…), BETWEEN … AND …, IS NULL.",
    });
    let k = json!({"type": "integer", "minimum": 1, "maximum": 50, "description": "How many; 8."});
    let tool = |name: &'static str,
                title: &str,
                about: &'static str,
                properties: Value,
                required: &[&str]| {
        let mut properties = properties;
        properties["corpus"] = corpus.clone();
        let mut schema = Map::new();
        schema.insert("type".into(), json!("object"));
        schema.insert("properties".into(), properties);
        schema.insert("required".into(), json!(required));
        schema.insert("additionalProperties".into(), json!(false));
        let annotations = ToolAnnotations::new()
            .read_only(true)
            .destructive(false)
            .idempotent(true)
            .open_world(false);
        Tool::new(name, about, schema)
            .with_title(title)
            .with_annotations(annotations)
    };
    vec![
        tool(
            "search",
            "Search articles",
            "Finds articles that answer a query, best first, each with the passage that answers. Without a query, lists the newest.",
            json!({
                "query": {"type": "string", "description": "What is looked for; a question or words."},
                "by": {"type": "string", "enum": ["meaning", "words", "both"], "description": "By meaning (usual), by words (names, numbers), or both."},
                "filter": filter,
                "k": k,
                "offset": {"type": "integer", "minimum": 0, "maximum": 10000, "description": "How many are left out before the first."},
                "half_life": {"type": "string", "description": "Prefers newer articles: after this time one counts half, such as 30d."},
                "fold": {"type": "boolean", "description": "Folds articles that are nearly the same into one; true."},
            }),
            &[],
        ),
        tool(
            "similar",
            "Find similar articles",
            "Finds articles like one of the corpus (by its id) or like a text, and optionally unlike others.",
            json!({
                "id": {"type": "string", "description": "The id of an article to be like."},
                "text": {"type": "string", "description": "A text to be like, in place of an id."},
                "unlike": {"type": "array", "items": {"type": "string"}, "maxItems": 50, "description": "Ids of articles to be unlike."},
                "filter": filter,
                "k": k,
            }),
            &[],
        ),
        tool(
            "article",
            "Read an article",
            "An article's text, date, publisher, metadata and topic. A long text is cut; from and characters read on.",
            json!({
                "id": {"type": "string", "description": "Its id."},
                "from": {"type": "integer", "minimum": 0, "description": "The first character of the text that is given; 0."},
                "characters": {"type": "integer", "minimum": 1, "maximum": 100_000, "description": "How many are given; 20000."},
            }),
            &["id"],
        ),
        tool(
            "topics",
            "Topics of a corpus",
            "What a corpus is about: its topics with their words and sizes, the largest first; or one of them with its parts and typical articles.",
            json!({
                "topic": {"type": "integer", "description": "The number of one topic to be shown alone."},
                "k": {"type": "integer", "minimum": 1, "maximum": 200, "description": "How many topics; 30."},
                "offset": {"type": "integer", "minimum": 0, "description": "How many are left out before the first."},
            }),
            &[],
        ),
        tool(
            "timeline",
            "Topics over time",
            "How many articles each topic has in every span of time, and which come up or fade.",
            json!({
                "by": {"type": "string", "enum": ["day", "week", "month", "quarter", "year"], "description": "How long a span is; one that fits."},
                "source": {"type": "string", "description": "Only the articles of this publisher."},
                "topics": {"type": "array", "items": {"type": "integer"}, "maxItems": 100, "description": "Only these topics."},
            }),
            &[],
        ),
    ]
}
