//! What requests ask: extractors that refuse in the words of this interface, and the options of
//! searches as they come in.

use super::super::error::ApiError;
use crate::error::{Error, ErrorKind};
use crate::line::clean;
use crate::search::{FoldBy, HalfLife, Mode, SearchBy, SearchOptions};
use crate::store::{Field, Filter};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

/// The most hits of an answer: each is read whole from the file.
const MOST_HITS: usize = 1_000;
/// The most values of a facet.
pub(super) const MOST_VALUES: usize = 1_000;

/// What cannot be used.
pub(super) fn invalid(parameter: &'static str, message: impl Into<String>) -> ApiError {
    Error::parameter(parameter, message).into()
}

/// The same error of a field that is called otherwise here.
pub(super) fn renamed(error: Error, from: &str, to: &'static str) -> Error {
    match error.kind() {
        ErrorKind::InvalidParameter(name) if name == from => Error::parameter(to, error.message()),
        _ => error,
    }
}

/// What serde says: an unknown or missing field, a value of another type.
fn refused(message: &str) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_parameter",
        clean(message),
    )
}

/// Query parameters; those that are not known are refused.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(e) => {
                let text = e.body_text();
                Err(refused(
                    text.strip_prefix("Failed to deserialize query string: ")
                        .unwrap_or(&text),
                ))
            }
        }
    }
}

/// What stands in the path.
pub(super) struct Names<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(e) => Err(refused(&e.body_text())),
        }
    }
}

/// A body of JSON; fields that are not known are refused.
pub(super) struct Body<T>(pub(super) T);

/// Whether a request says that its body is JSON, or nothing.
fn is_json(request: &Request) -> bool {
    let Some(kind) = request.headers().get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The body of a request.
pub(super) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(too_large)
}

fn too_large(e: BytesRejection) -> ApiError {
    let text = e.body_text();
    let status = e.into_response().status();
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        _ => "invalid_input",
    };
    ApiError::new(status, kind, text)
}

/// Reads JSON.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(e) => e,
    };
    if error.is_data() {
        return Err(refused(&error.to_string()));
    }
    // What is JSON and yet stops the reader, such as an object of several keys where one is due, is
    // told better of the whole.
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) {
        return T::deserialize(value).map_err(|e| refused(&e.to_string()));
    }
    Err(ApiError::new(
        StatusCode::BAD_REQUEST,
        "invalid_input",
        clean(&format!("the body is no JSON: {error}")),
    ))
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(&request) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "invalid_input",
                "send application/json",
            ));
        }
        let bytes = bytes(request, state).await?;
        if let Some(message) = super::super::no_object(&bytes) {
            return Err(refused(message));
        }
        Ok(Self(json(&bytes)?))
    }
}

/// A filter: its text, such as `source = "x" AND date >= 2024-03`, or the same as JSON.
#[derive(Debug, Clone)]
pub(super) struct FilterAsked(pub(super) Filter);

impl<'de> Deserialize<'de> for FilterAsked {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let value = serde_json::Value::deserialize(from)?;
        let filter = match value {
            serde_json::Value::String(text) => text.parse().map_err(D::Error::custom),
            other => Filter::deserialize(other).map_err(D::Error::custom),
        };
        filter.map(Self)
    }
}

/// How a filter is written.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = Filter)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is a schema alone")]
pub(super) enum FilterSchema {
    /// A text, such as `source = "x" AND date >= 2024-03 AND NOT topic = 4`.
    Text(String),
    /// An object with one of `and`, `or`, `not`, `compare`, `in`, `between`, `contains`, `is_null`.
    #[schema(value_type = Object)]
    Object(serde_json::Value),
}

/// What is asked of an answer; everything may be left out.
macro_rules! with_options {
    ($(#[$outer:meta])* $name:ident { $($(#[$field:meta])* $own:ident: $kind:ty,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$field])* pub(super) $own: $kind,)*
            /// How many hits, 1000 at most; 10.
            #[serde(default)]
            #[schema(minimum = 0, maximum = 1000)]
            k: Option<usize>,
            /// How many hits are left out before the first.
            #[serde(default)]
            #[schema(minimum = 0, maximum = 2000000)]
            offset: Option<usize>,
            /// Only articles that this lets through.
            #[serde(default)]
            #[schema(value_type = Option<FilterSchema>)]
            filter: Option<FilterAsked>,
            /// By what articles are ranked; by meaning.
            #[serde(default)]
            by: Option<SearchBy>,
            /// Whether every vector is compared; as the size of the corpus says.
            #[serde(default)]
            mode: Option<Mode>,
            /// The least cosine, -1 to 1.
            #[serde(default)]
            #[schema(minimum = -1, maximum = 1)]
            threshold: Option<f32>,
            /// Spares repeats: the weight of relevance against being unlike the hits before, 0 to 1.
            #[serde(default)]
            #[schema(minimum = 0, maximum = 1)]
            diverse: Option<f32>,
            /// Folds articles that are nearly the same into the first of them.
            #[serde(default)]
            fold: Option<FoldBy>,
            /// After this time an article counts half: a number and d, w, m or y, such as 30d.
            #[serde(default)]
            #[schema(value_type = Option<String>, example = "30d")]
            half_life: Option<HalfLife>,
            /// The date from which age is counted; the latest in the corpus, today at most.
            #[serde(default)]
            now: Option<String>,
            /// Fields whose values are counted over the whole result.
            #[serde(default, deserialize_with = "crate::server::or_usual")]
            #[schema(value_type = Option<Vec<String>>, example = json!(["source", "topic"]))]
            facets: Vec<Field>,
            /// How many values of each, 1000 at most; 10.
            #[serde(default)]
            #[schema(minimum = 0, maximum = 1000)]
            facets_limit: Option<usize>,
            /// Finds the sentence of each hit's passage that answers best.
            #[serde(default, deserialize_with = "crate::server::or_usual")]
            #[schema(value_type = Option<bool>)]
            sentences: bool,
        }

        impl $name {
            /// The library's options.
            pub(super) fn options(&mut self) -> Result<SearchOptions, ApiError> {
                let usual = SearchOptions::default();
                bounded(SearchOptions {
                    k: self.k.unwrap_or(usual.k),
                    offset: self.offset.unwrap_or(0),
                    filter: self.filter.take().map(|filter| filter.0),
                    by: self.by.unwrap_or_default(),
                    mode: self.mode.unwrap_or_default(),
                    threshold: self.threshold,
                    diverse: self.diverse,
                    fold: self.fold,
                    half_life: self.half_life,
                    now: self.now.take(),
                    facets: std::mem::take(&mut self.facets),
                    facets_limit: self.facets_limit.unwrap_or(usual.facets_limit),
                    sentences: self.sentences,
                })
            }
        }
    };
}

with_options! {
    /// A search.
    SearchAsked {
        /// What is looked for; where it is empty, the articles are listed, the newest first.
        #[serde(default, deserialize_with = "crate::server::or_usual")]
        #[schema(value_type = Option<String>)]
        query: String,
        /// Orders what is found by the server's cross-encoder, where it has one.
        #[serde(default, deserialize_with = "crate::server::or_usual")]
        #[schema(value_type = Option<bool>)]
        rerank: bool,
    }
}
with_options! {
    /// Many searches at once.
    ManyAsked {
        /// What is looked for, 1 to 512 queries.
        #[schema(min_items = 1, max_items = 512)]
        queries: Vec<String>,
    }
}
with_options! {
    /// A search for articles like some and unlike others.
    SimilarAsked {
        /// What they are to be like, one at least.
        #[schema(min_items = 1, max_items = 256)]
        like: Vec<ExampleAsked>,
        /// What they are to be unlike.
        #[serde(default)]
        #[schema(max_items = 256)]
        unlike: Vec<ExampleAsked>,
    }
}

/// What articles are to be like: an article's id, a vector, or a text.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged, expecting = "an article's id, a vector, or {\"text\": …}")]
pub(in crate::server) enum ExampleAsked {
    /// An article's id.
    Id(String),
    /// A vector as long as those of the corpus.
    Vector(Vec<f32>),
    /// A text.
    Text(TextExample),
}

/// A text that articles are to be like.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct TextExample {
    /// The text.
    pub(in crate::server) text: String,
    /// Its title.
    #[serde(default)]
    pub(in crate::server) title: String,
}

/// Options that an answer can have here, where it is one piece of JSON.
pub(super) fn bounded(options: SearchOptions) -> Result<SearchOptions, ApiError> {
    if options.k > MOST_HITS {
        return Err(invalid(
            "k",
            format!("give {MOST_HITS} at most; offset leads further"),
        ));
    }
    if options.facets_limit > MOST_VALUES {
        return Err(invalid(
            "facets_limit",
            format!("give {MOST_VALUES} at most"),
        ));
    }
    options.check()?;
    Ok(options)
}

/// A search in an address.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParams {
    /// What is looked for; without it the articles are listed, the newest first.
    pub(super) q: Option<String>,
    /// By what articles are ranked; by meaning.
    #[param(inline)]
    by: Option<SearchBy>,
    /// Whether every vector is compared.
    #[param(inline)]
    mode: Option<Mode>,
    /// How many hits, 1000 at most; 10.
    #[param(minimum = 0, maximum = 1000)]
    k: Option<usize>,
    /// How many hits are left out before the first.
    #[param(minimum = 0, maximum = 2000000)]
    offset: Option<usize>,
    /// Only articles that this lets through, such as `source = "x" AND date >= 2024-03`.
    filter: Option<String>,
    /// Folds articles that are nearly the same into the first of them.
    #[param(inline)]
    fold: Option<FoldBy>,
    /// After this time an article counts half, such as 30d.
    half_life: Option<String>,
    /// The date from which age is counted.
    now: Option<String>,
    /// The least cosine, -1 to 1.
    #[param(minimum = -1, maximum = 1)]
    threshold: Option<f32>,
    /// Spares repeats: the weight of relevance, 0 to 1.
    #[param(minimum = 0, maximum = 1)]
    diverse: Option<f32>,
    /// Fields whose values are counted, apart by commas; a name in backquotes is metadata.
    facets: Option<String>,
    /// How many values of each, 1000 at most; 10.
    #[param(minimum = 0, maximum = 1000)]
    facets_limit: Option<usize>,
    /// Finds the sentence of each hit's passage that answers best.
    sentences: Option<bool>,
    /// Orders what is found by the server's cross-encoder, where it has one.
    pub(super) rerank: Option<bool>,
}

impl SearchParams {
    /// The library's options.
    pub(super) fn options(&self) -> Result<SearchOptions, ApiError> {
        let usual = SearchOptions::default();
        let half_life = self.half_life.as_deref().filter(|text| !text.is_empty());
        bounded(SearchOptions {
            k: self.k.unwrap_or(usual.k),
            offset: self.offset.unwrap_or(0),
            filter: filter(self.filter.as_deref())?,
            by: self.by.unwrap_or_default(),
            mode: self.mode.unwrap_or_default(),
            threshold: self.threshold,
            diverse: self.diverse,
            fold: self.fold,
            half_life: half_life.map(str::parse).transpose()?,
            now: self.now.clone().filter(|now| !now.is_empty()),
            facets: self.facets.as_deref().map_or(Ok(Vec::new()), fields)?,
            facets_limit: self.facets_limit.unwrap_or(usual.facets_limit),
            sentences: self.sentences.unwrap_or(false),
        })
    }
}

/// A filter in an address; an empty one is none.
pub(super) fn filter(text: Option<&str>) -> Result<Option<Filter>, ApiError> {
    let text = text.filter(|text| !text.trim().is_empty());
    Ok(text.map(str::parse).transpose()?)
}

/// Names apart by commas; one in backquotes is metadata, and may hold a comma.
pub(super) fn fields(list: &str) -> Result<Vec<Field>, ApiError> {
    let mut out = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('`') {
            let Some((name, after)) = quoted.split_once('`') else {
                return Err(invalid(
                    "facets",
                    format!("the backquote in {list:?} is not closed"),
                ));
            };
            out.push(Field::metadata(name));
            rest = after.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if rest.is_empty() => rest,
                None => {
                    return Err(invalid(
                        "facets",
                        format!("there is no comma behind `{name}`"),
                    ));
                }
            };
        } else {
            let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
            if !name.trim().is_empty() {
                out.push(Field::new(name.trim()));
            }
            rest = after.trim_start();
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_list() {
        assert_eq!(
            fields(" source , `a,b`,topic,").ok().unwrap(),
            [
                Field::new("source"),
                Field::metadata("a,b"),
                Field::new("topic"),
            ]
        );
        assert!(fields("`a").is_err() && fields("`a` b").is_err());
        assert!(fields("").ok().unwrap().is_empty());
    }

    #[test]
    fn filters_are_texts_or_json() {
        let of = |json: &str| serde_json::from_str::<FilterAsked>(json);
        let text = of(r#""source = \"x\"""#).unwrap().0;
        let json = of(r#"{"compare": {"field": "source", "op": "=", "value": "x"}}"#)
            .unwrap()
            .0;
        assert_eq!(text, json);
        assert!(of(r#""source =""#).is_err() && of("3").is_err());
    }

    #[test]
    fn options_are_bounded_and_known() {
        let of = |json: &str| self::json::<SearchAsked>(json.as_bytes());
        let mut asked = of(r#"{"query": "a", "k": 3, "facets": ["source"], "half_life": "2w"}"#)
            .ok()
            .unwrap();
        let options = asked.options().ok().unwrap();
        assert_eq!((options.k, options.half_life.unwrap().in_days()), (3, 14.0));
        assert!(of(r#"{"query": "a", "j": 3}"#).is_err());
        assert!(
            of(r#"{"query": "a", "k": 5000}"#)
                .ok()
                .unwrap()
                .options()
                .is_err()
        );
    }
}
