//! The map: what its columns mean, the columns, and what is asked about its points.

use super::super::app::{App, Served, blocking};
use super::super::error::ApiError;
use super::super::jobs::{JobStarted, What, lock};
use super::asked::{Body, Names, Params, invalid, renamed};
use super::desk::{Places, Single, writer};
use super::{reading, served};
use crate::encoder::DeviceChoice;
use crate::error::{Error, ErrorKind, Missing, Result as Outcome};
use crate::job::Job;
use crate::store::{Field, Reader};
use crate::topics::About;
use crate::topics::map::columns::{ColumnHead, Columns};
use axum::Json;
use axum::body::{Body as Content, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// The seed of the layout, as `nearwise map` takes it where none is given.
const SEED: u64 = 42;
/// The share of embedded articles without a place from which the map is laid out anew.
const WITHOUT: f64 = 0.1;
/// The most points that titles are asked of at a time, and that a line is drawn around.
const TITLES: usize = 1_000;
const DRAWN_AROUND: usize = 200_000;
/// What the layout is called among the jobs that run once.
const LAYOUT: &str = "layout";

/// What the map's columns mean, and what is not on it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct MapHead {
    #[serde(flatten)]
    columns: ColumnHead,
    /// Embedded articles that came after the map was laid out, and have no place on it.
    missing: u64,
}

/// What is drawn from.
struct Drawn {
    columns: Columns,
    head: Bytes,
    head_tag: String,
    points: Bytes,
    points_tag: String,
}

impl Drawn {
    fn of(mut columns: Columns, embedded: u64) -> Outcome<Self> {
        let head = MapHead {
            columns: columns.head.clone(),
            missing: embedded.saturating_sub(columns.head.points as u64),
        };
        let head = serde_json::to_vec(&head).map_err(|e| Error::internal(e.to_string()))?;
        let tag = |bytes: &[u8]| format!("\"{}\"", &blake3::hash(bytes).to_hex()[..24]);
        let points = std::mem::take(&mut columns.bytes);
        Ok(Self {
            head_tag: tag(&head),
            points_tag: format!("\"{}\"", columns.head.version),
            columns,
            head: head.into(),
            points: points.into(),
        })
    }
}

/// The columns of a corpus that has a layout, stored or kept here; `None` where it has none.
fn drawn(app: &App, served: &Served, job: &Job) -> Outcome<Arc<Option<Drawn>>> {
    let tray = app.desk.of(served);
    tray.derived("map", &served.corpus, || {
        let reader = served.reader()?;
        let kept = lock(&tray.places).clone();
        let columns = match kept {
            Some(kept) => Some(Columns::of_places(
                &reader,
                kept.places.to_vec(),
                Some(kept.trustworthiness),
                job,
            )?),
            None => Columns::stored(&reader, job)?,
        };
        let embedded = reader.embedded()?;
        columns.map(|c| Drawn::of(c, embedded)).transpose()
    })
}

/// The map as it is now.
struct Current {
    drawn: Arc<Option<Drawn>>,
    /// Embedded articles that have no place on it.
    missing: u64,
    /// The job that lays out what is not on the map yet, where one runs.
    job: Option<String>,
}

/// The columns, and what is missing on them; where that is much, it is laid out.
async fn current(app: &Arc<App>, corpus: &str) -> Result<Current, ApiError> {
    let served = served(app, corpus)?;
    let (shared, own) = (app.clone(), served.clone());
    let (drawn, embedded) = blocking(move || {
        // Not cancelled with the request: whoever asks next finds it made.
        let drawn = drawn(&shared, &own, &Job::new())?;
        Ok((drawn, own.reader()?.embedded()?))
    })
    .await?;
    if embedded == 0 {
        return Err(Error::corpus(
            ErrorKind::NotFound(Missing::Vectors),
            served.corpus.path(),
            "it holds no embedded articles, and so has no map",
        )
        .into());
    }
    let placed = (*drawn).as_ref().map_or(0, |d| d.columns.head.points);
    let mut job = None;
    if (placed as f64) < (1.0 - WITHOUT) * embedded as f64 {
        job = Some(lay_out(app, &served)?);
    }
    Ok(Current {
        drawn,
        missing: embedded.saturating_sub(placed as u64),
        job,
    })
}

/// Lays the map out as a job, unless one does already. The job's id.
fn lay_out(app: &Arc<App>, served: &Arc<Served>) -> Result<String, ApiError> {
    let tray = app.desk.of(served);
    let mut single = lock(&tray.single);
    if let Some(running) = single.get(LAYOUT) {
        return Ok(running.id.clone());
    }
    let (shared, own) = (app.clone(), served.clone());
    let entry = app
        .desk
        .jobs
        .start(&served.name, What::Layout, move |job| {
            let tray = shared.desk.of(&own);
            let _ended = tray.at_end(LAYOUT);
            let outcome = laid_out(&shared, &own, job);
            tray.changed();
            outcome
        })?;
    let id = entry.id();
    single.insert(
        LAYOUT,
        Single {
            id: id.clone(),
            again: false,
        },
    );
    Ok(id)
}

/// Makes a layout on a snapshot, so that others can write meanwhile, and stores it where the
/// server may write and nobody changed the vectors since; else it is kept until the server ends.
fn laid_out(app: &App, served: &Served, job: &Job) -> Outcome<Value> {
    let tray = app.desk.of(served);
    let mut layout = {
        let reader = served.reader()?;
        reader.layout_of_map(SEED, DeviceChoice::Auto, job)?
    };
    if app.options.writable {
        let _turn = tray.turn_of(job)?;
        match writer(&served.corpus) {
            Ok(mut writer) => writer.keep_layout(&mut layout, job)?,
            // The map is of use although it cannot be stored.
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::Busy | ErrorKind::ReadOnly | ErrorKind::DiskFull
                ) => {}
            Err(e) => return Err(e),
        }
    }
    let stored = layout.is_stored();
    let points = layout.places().count();
    let trustworthiness = layout.trustworthiness();
    *lock(&tray.places) = (!stored).then(|| Places {
        places: Arc::new(layout.places().collect()),
        trustworthiness,
    });
    Ok(json!({"points": points, "trustworthiness": trustworthiness, "stored": stored}))
}

/// Answers with what may be known already.
fn tagged(headers: &HeaderMap, tag: &str, kind: &'static str, content: &Bytes) -> Response {
    let known = headers.get(header::IF_NONE_MATCH);
    let known = known
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| {
            let mut tags = tags.split(',').map(str::trim);
            tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
        });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        (kind, Content::from(content.clone())).into_response()
    };
    let headers = response.headers_mut();
    // A tag is a quoted hash, which any header can hold.
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    response
}

fn begun(job: Option<String>) -> Response {
    (StatusCode::ACCEPTED, Json(JobStarted { job })).into_response()
}

/// What the map's columns mean: topics, publishers, dates, the topics' tree.
///
/// The first time, the articles are given their places by a job, which the answer names.
#[utoipa::path(
    get, path = "/corpora/{corpus}/map", tag = "Map", operation_id = "map",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    responses(
        (status = 200, body = MapHead), (status = 202, body = JobStarted),
        (status = 304, description = "What the client has is current."),
    ),
)]
pub(super) async fn head(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let now = current(&app, &corpus).await?;
    Ok(match &*now.drawn {
        Some(drawn) => tagged(&headers, &drawn.head_tag, "application/json", &drawn.head),
        None => begun(now.job),
    })
}

/// Lays the map out anew where articles are missing on it, as a job; `null` where none is.
///
/// The map stays as it is until the job has ended.
#[utoipa::path(
    post, path = "/corpora/{corpus}/map", tag = "Map", operation_id = "map_layout",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    responses((status = 202, body = JobStarted)),
)]
pub(super) async fn anew(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
) -> Result<Response, ApiError> {
    // As when it is asked for: whoever may look at it may have it laid out.
    let mut now = current(&app, &corpus).await?;
    if now.job.is_none() && now.missing > 0 {
        now.job = Some(lay_out(&app, &served(&app, &corpus)?)?);
    }
    Ok(begun(now.job))
}

/// The map's points: columns of little-endian numbers, one behind another, as `map` says.
#[utoipa::path(
    get, path = "/corpora/{corpus}/map/points", tag = "Map", operation_id = "map_points",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 202, body = JobStarted),
        (status = 304, description = "What the client has is current."),
    ),
)]
pub(super) async fn points(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let now = current(&app, &corpus).await?;
    Ok(match &*now.drawn {
        Some(drawn) => tagged(
            &headers,
            &drawn.points_tag,
            "application/octet-stream",
            &drawn.points,
        ),
        None => begun(now.job),
    })
}

/// Asks about points of the map as it is drawn now.
async fn asked_about<T: Send + 'static>(
    app: &Arc<App>,
    corpus: &str,
    version: Option<String>,
    work: impl FnOnce(&Reader, &Columns, &Job) -> Outcome<T> + Send + 'static,
) -> Result<T, ApiError> {
    reading(app, corpus, move |app, served, reader, job| {
        let found = drawn(app, served, &Job::new())?;
        let Some(drawn) = &*found else {
            return Err(Error::no_result(
                "the map is not laid out yet; ask for it first",
            ));
        };
        if version.is_some_and(|version| version != drawn.columns.head.version) {
            return Err(Error::no_result(
                "the map has changed since; ask for it again",
            ));
        }
        work(reader, &drawn.columns, job)
    })
    .await
}

/// Points of the map.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RowsAsked {
    /// Their places in the columns, from 0.
    rows: Vec<u32>,
    /// The version of the map that they are of; with it a map that has changed since is refused.
    #[serde(default)]
    version: Option<String>,
}

/// An article of the map.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct PointArticle {
    /// Its id.
    id: String,
    /// Its title, or the start of its text.
    title: String,
    /// Its date.
    date: Option<String>,
    /// Its publisher.
    source: Option<String>,
    /// The number of its topic.
    topic: Option<i64>,
}

/// The articles of points, in their order; `null` for one that went since.
#[utoipa::path(
    post, path = "/corpora/{corpus}/map/articles", tag = "Map", operation_id = "map_articles",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    request_body = RowsAsked, responses((status = 200, body = Vec<Option<PointArticle>>)),
)]
pub(super) async fn articles(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Body(asked): Body<RowsAsked>,
) -> Result<Json<Vec<Option<PointArticle>>>, ApiError> {
    if asked.rows.len() > TITLES {
        return Err(invalid("rows", format!("give {TITLES} at most")));
    }
    let articles = asked_about(&app, &corpus, asked.version, move |reader, columns, _| {
        let keys = columns.keys(&asked.rows)?;
        let one = |key| {
            let listed = reader.listed_if_there(key)?;
            Ok(listed.map(|article| PointArticle {
                id: article.id,
                title: article.title,
                date: article.date,
                source: article.source,
                topic: article.topic,
            }))
        };
        keys.into_iter().map(one).collect()
    });
    Ok(Json(articles.await?))
}

/// Articles of the corpus.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IdsAsked {
    /// Their ids, 1000 at most.
    #[schema(max_items = 1000)]
    ids: Vec<String>,
}

/// Where articles are on the map.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RowsShown {
    /// Their places in the columns, in their order; `null` for one that is not on the map.
    rows: Vec<Option<u32>>,
    /// The version of the map.
    version: String,
}

/// The points of articles, in their order.
#[utoipa::path(
    post, path = "/corpora/{corpus}/map/rows", tag = "Map", operation_id = "map_rows",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    request_body = IdsAsked, responses((status = 200, body = RowsShown)),
)]
pub(super) async fn rows(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Body(asked): Body<IdsAsked>,
) -> Result<Json<RowsShown>, ApiError> {
    if asked.ids.len() > TITLES {
        return Err(invalid("ids", format!("give {TITLES} at most")));
    }
    let rows = asked_about(&app, &corpus, None, move |reader, columns, _| {
        let key = |id: &String| match reader.key_of(id) {
            Ok(key) => Ok(Some(key)),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        };
        let keys = asked.ids.iter().map(key).collect::<Outcome<Vec<_>>>()?;
        Ok(RowsShown {
            rows: columns.points_of(&keys),
            version: columns.head.version.clone(),
        })
    });
    Ok(Json(rows.await?))
}

/// By what points are coloured.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FieldParams {
    /// The field's name; one in backquotes is metadata.
    #[param(example = "source")]
    name: String,
}

/// A value of a field.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PointValue {
    /// The value: a text, a number or a truth.
    value: Value,
    /// How many points have it.
    count: u64,
}

/// The values of a field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct PointValues {
    /// The twenty values that most points have, most first.
    values: Vec<PointValue>,
    /// In base64, a byte for each point in their order: the place of its value among these, 255 for
    /// another or none.
    of: String,
    /// The version of the map.
    version: String,
}

/// The value that each point has of a field.
#[utoipa::path(
    get, path = "/corpora/{corpus}/map/field", tag = "Map", operation_id = "map_field",
    params(("corpus" = String, Path, description = "The corpus's name."), FieldParams),
    responses((status = 200, body = PointValues)),
)]
pub(super) async fn field(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Params(params): Params<FieldParams>,
) -> Result<Json<PointValues>, ApiError> {
    let name = params
        .name
        .strip_prefix('`')
        .and_then(|n| n.strip_suffix('`'));
    let field = match name {
        Some(name) => Field::metadata(name),
        None => Field::new(params.name.as_str()),
    };
    let values = asked_about(&app, &corpus, None, move |reader, columns, job| {
        let (values, of) = columns
            .field(reader, &field, job)
            .map_err(|e| renamed(e, "facets", "name"))?;
        let shown = |(json, count): (String, u64)| PointValue {
            value: serde_json::from_str(&json).unwrap_or_default(),
            count,
        };
        Ok(PointValues {
            values: values.into_iter().map(shown).collect(),
            of: STANDARD.encode(of),
            version: columns.head.version.clone(),
        })
    });
    Ok(Json(values.await?))
}

/// What points are about: their terms, typical articles, dates, publishers and topics.
#[utoipa::path(
    post, path = "/corpora/{corpus}/map/about", tag = "Map", operation_id = "map_about",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    request_body = RowsAsked, responses((status = 200, body = About)),
)]
pub(super) async fn about(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Body(asked): Body<RowsAsked>,
) -> Result<Json<About>, ApiError> {
    if asked.rows.len() > DRAWN_AROUND {
        return Err(invalid("rows", format!("give {DRAWN_AROUND} at most")));
    }
    let about = asked_about(&app, &corpus, asked.version, move |reader, columns, job| {
        reader.about(&columns.keys(&asked.rows)?, job)
    });
    Ok(Json(about.await?))
}
