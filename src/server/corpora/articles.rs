//! Reading articles: the list, one of them, its neighbours and its copies.

use super::super::app::App;
use super::super::error::ApiError;
use super::asked::{Names, Params, filter, invalid};
use super::reading;
use super::search::{Answer, NeighbourParams};
use crate::error::Result as Outcome;
use crate::search::{Examples, Telling};
use crate::store::{Listed, Order, Reader};
use crate::topics::language_of;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;
use utoipa::{IntoParams, ToSchema};

/// The most articles of a list, and the most that can be before it.
const LISTED: usize = 500;
const MOST_BEFORE: usize = 10_000_000;

/// What is asked of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// How many are left out before the first.
    #[param(minimum = 0, maximum = 10000000)]
    offset: Option<usize>,
    /// How many, 500 at most; 50.
    #[param(minimum = 0, maximum = 500)]
    limit: Option<usize>,
    /// Only articles that this lets through.
    filter: Option<String>,
    /// The order; -date, the newest first.
    #[param(inline)]
    sort: Option<Order>,
}

/// Lists articles.
#[utoipa::path(
    get, path = "/corpora/{corpus}/articles", tag = "Articles", operation_id = "articles",
    params(("corpus" = String, Path, description = "The corpus's name."), ListParams),
    responses((status = 200, body = Listed)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Params(params): Params<ListParams>,
) -> Result<Json<Listed>, ApiError> {
    let (offset, limit) = (params.offset.unwrap_or(0), params.limit.unwrap_or(50));
    if limit > LISTED {
        return Err(invalid("limit", format!("give {LISTED} at most")));
    }
    if offset > MOST_BEFORE {
        return Err(invalid("offset", format!("give {MOST_BEFORE} at most")));
    }
    let filter = filter(params.filter.as_deref())?;
    let order = params.sort.unwrap_or_default();
    let listed = reading(&app, &corpus, move |_, _, reader, _| {
        reader.list(filter.as_ref(), order, offset, limit)
    });
    Ok(Json(listed.await?))
}

/// In what places in a text are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Offsets {
    /// Bytes of UTF-8.
    #[default]
    Utf8,
    /// Code units of UTF-16, as JavaScript counts.
    Utf16,
}

/// How an article is shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ArticleParams {
    /// In what places in the text are counted; utf8, in bytes.
    #[param(inline)]
    offsets: Offsets,
}

/// A part of a text.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Part {
    /// Where it begins.
    start: usize,
    /// Where it ends.
    end: usize,
}

/// An article's topic.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct ArticleTopic {
    /// Its number.
    id: i64,
    /// Its label.
    label: String,
    /// The cosine of the article and the topic's centre.
    similarity: f32,
}

/// An article.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::server) struct ArticleShown {
    /// Its id.
    pub(in crate::server) id: String,
    /// Its title; empty where it has none.
    pub(in crate::server) title: String,
    /// Its text, boilerplate included.
    pub(in crate::server) text: String,
    /// Its date, ISO 8601.
    pub(in crate::server) date: Option<String>,
    /// Its publisher.
    pub(in crate::server) source: Option<String>,
    /// Its address.
    pub(in crate::server) url: Option<String>,
    /// The file it was read from; empty for one that came by this interface.
    origin: String,
    /// Everything else that is known of it.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// What its publisher adds to every article: start and end of each part of the text.
    #[schema(value_type = Vec<Vec<usize>>)]
    boilerplate: Vec<[usize; 2]>,
    /// The parts of the text that are embedded.
    passages: Vec<Part>,
    /// Its topic, the list empty where it has none.
    topics: Vec<ArticleTopic>,
    /// The language of its text, ISO 639-3, where it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// Whether it has a vector.
    embedded: bool,
}

/// Shows an article, its places in bytes or in code units of UTF-16.
pub(in crate::server) fn shown(reader: &Reader, id: &str, in_utf16: bool) -> Outcome<ArticleShown> {
    let article = reader.article(id)?;
    let passages = reader.passages(article.key)?;
    let mut ends: Vec<usize> = Vec::new();
    for range in article
        .boilerplate
        .iter()
        .chain(passages.iter().map(|p| &p.range))
    {
        ends.extend([range.start, range.end]);
    }
    let counted = in_utf16.then(|| utf16(&article.text, ends));
    let at = |byte: usize| match &counted {
        Some(counted) => counted
            .binary_search_by_key(&byte, |place| place.0)
            .map_or(byte, |i| counted[i].1),
        None => byte,
    };
    let topic = reader.topic_of(article.key)?;
    Ok(ArticleShown {
        boilerplate: article
            .boilerplate
            .iter()
            .map(|range| [at(range.start), at(range.end)])
            .collect(),
        passages: passages
            .iter()
            .map(|passage| Part {
                start: at(passage.range.start),
                end: at(passage.range.end),
            })
            .collect(),
        topics: topic
            .into_iter()
            .map(|(id, label, similarity)| ArticleTopic {
                id,
                label,
                similarity,
            })
            .collect(),
        language: language_of(&article.text),
        embedded: reader.is_embedded(article.key)?,
        id: article.id,
        title: article.title,
        text: article.text,
        date: article.date,
        source: article.source,
        url: article.url,
        origin: article.origin,
        metadata: article.meta,
    })
}

/// Places in bytes and in code units of UTF-16, ascending, in one pass over the text.
fn utf16(text: &str, mut places: Vec<usize>) -> Vec<(usize, usize)> {
    places.sort_unstable();
    places.dedup();
    let mut out = Vec::with_capacity(places.len());
    let (mut byte, mut unit) = (0, 0);
    for place in places {
        let place = place.min(text.len());
        unit += text
            .get(byte..place)
            .map_or(0, |part| part.chars().map(char::len_utf16).sum());
        byte = byte.max(place);
        out.push((place, unit));
    }
    out
}

/// An article: its text, its passages, its topic.
#[utoipa::path(
    get, path = "/corpora/{corpus}/articles/{id}", tag = "Articles", operation_id = "article",
    params(
        ("corpus" = String, Path, description = "The corpus's name."),
        ("id" = String, Path, description = "The article's id, percent-encoded."),
        ArticleParams,
    ),
    responses((status = 200, body = ArticleShown)),
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Names((corpus, id)): Names<(String, String)>,
    Params(params): Params<ArticleParams>,
) -> Result<Json<ArticleShown>, ApiError> {
    let article = reading(&app, &corpus, move |_, _, reader, _| {
        shown(reader, &id, params.offsets == Offsets::Utf16)
    });
    Ok(Json(article.await?))
}

/// The articles most like an article.
#[utoipa::path(
    get, path = "/corpora/{corpus}/articles/{id}/neighbours", tag = "Articles", operation_id = "neighbours",
    params(
        ("corpus" = String, Path, description = "The corpus's name."),
        ("id" = String, Path, description = "The article's id, percent-encoded."),
        NeighbourParams,
    ),
    responses((status = 200, body = Answer)),
)]
pub(super) async fn neighbours(
    State(app): State<Arc<App>>,
    Names((corpus, id)): Names<(String, String)>,
    Params(params): Params<NeighbourParams>,
) -> Result<Json<Answer>, ApiError> {
    let options = params.options()?;
    let answer = reading(&app, &corpus, move |_, _, reader, _| {
        let begun = Instant::now();
        let found = reader.similar_articles(&Examples::like(id), &options)?;
        Ok(Answer::of(found, begun))
    });
    Ok(Json(answer.await?))
}

/// The tellings of an article.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Tellings {
    /// The oldest first, the article itself among them.
    articles: Vec<Telling>,
}

/// An article's copies, what holds it or stands in it, and its retellings.
#[utoipa::path(
    get, path = "/corpora/{corpus}/articles/{id}/copies", tag = "Articles", operation_id = "copies",
    params(
        ("corpus" = String, Path, description = "The corpus's name."),
        ("id" = String, Path, description = "The article's id, percent-encoded."),
    ),
    responses((status = 200, body = Tellings)),
)]
pub(super) async fn copies(
    State(app): State<Arc<App>>,
    Names((corpus, id)): Names<(String, String)>,
) -> Result<Json<Tellings>, ApiError> {
    let tellings = reading(&app, &corpus, move |_, _, reader, job| {
        let articles = reader.tellings(&id, job)?;
        Ok(Tellings { articles })
    });
    Ok(Json(tellings.await?))
}

#[cfg(test)]
mod tests {
    use super::utf16;

    #[test]
    fn places_as_javascript_counts() {
        let text = "aä€😀b";
        let places = vec![10, 0, 1, 3, 6, 10, 11, 99];
        let expected = [(0, 0), (1, 1), (3, 2), (6, 3), (10, 5), (11, 6), (11, 6)];
        assert_eq!(utf16(text, places), expected);
    }
}
