//! Which corpora are served, and what each holds.

use super::super::app::{App, Served, blocking, model_name};
use super::super::auth::Access;
use super::super::error::ApiError;
use super::asked::Names;
use crate::error::Result as Outcome;
use crate::store::{FieldInfo, Summary};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The model that made a corpus's vectors.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ModelInfo {
    /// Its id.
    id: String,
    /// Its revision.
    revision: String,
    /// The length of a vector.
    dim: usize,
    /// The dtype that it was computed with.
    dtype: String,
    /// Tokens of a passage, at most.
    max_tokens: usize,
}

/// A corpus in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct CorpusInfo {
    /// Its name in addresses.
    name: String,
    /// Articles.
    articles: u64,
    /// Those with a vector.
    embedded: u64,
    /// Those that wait to be embedded.
    pending: u64,
    /// Passages.
    passages: u64,
    /// What made the vectors; `null` before the first.
    model: Option<ModelInfo>,
    /// How many topics there are; `null` where none were fitted.
    topics: Option<u64>,
    /// How many publishers.
    sources: u64,
    /// The first and the last date; `null` where no article has one.
    #[schema(value_type = Option<Vec<String>>)]
    dates: Option<[String; 2]>,
    /// Grows with each change of the vectors.
    generation: i64,
    /// The size of the file.
    bytes: u64,
    /// Whether articles and topics may be changed here, with this key.
    writable: bool,
}

/// A corpus and its fields.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct CorpusDetails {
    #[serde(flatten)]
    corpus: CorpusInfo,
    /// The fields that filters and facets know.
    fields: Vec<FieldInfo>,
}

/// What is derived of a corpus.
struct Known {
    summary: Summary,
    fields: Vec<FieldInfo>,
}

fn known(app: &App, served: &Served) -> Outcome<Arc<Known>> {
    app.desk.of(served).derived("info", &served.corpus, || {
        let reader = served.reader()?;
        Ok(Known {
            summary: reader.summary()?,
            fields: reader.field_kinds()?,
        })
    })
}

fn shown(app: &App, access: Access, served: &Served, known: &Known) -> CorpusInfo {
    let summary = known.summary.clone();
    CorpusInfo {
        name: served.name.clone(),
        articles: summary.articles,
        embedded: summary.embedded,
        pending: summary.pending,
        passages: summary.passages,
        model: summary.model.map(|model| ModelInfo {
            id: model_name(&model.model, &model.revision).to_string(),
            revision: model.revision,
            dim: model.dim,
            dtype: model.dtype,
            max_tokens: model.max_tokens,
        }),
        topics: summary.topics,
        sources: summary.sources,
        dates: summary.dates,
        generation: summary.generation,
        bytes: summary.bytes,
        writable: app.may_write(access).is_ok(),
    }
}

/// The corpora that are served.
#[utoipa::path(get, path = "/corpora", tag = "Corpora", responses((status = 200, body = Vec<CorpusInfo>)))]
pub(super) async fn corpora(
    State(app): State<Arc<App>>,
    access: Access,
) -> Result<Json<Vec<CorpusInfo>>, ApiError> {
    let list = blocking(move || {
        let one = |served: &Arc<Served>| Ok(shown(&app, access, served, &*known(&app, served)?));
        app.corpora.iter().map(one).collect::<Outcome<Vec<_>>>()
    });
    Ok(Json(list.await?))
}

/// A corpus: its counts, its model, and the fields that filters and facets know.
#[utoipa::path(
    get, path = "/corpora/{corpus}", tag = "Corpora",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    responses((status = 200, body = CorpusDetails)),
)]
pub(super) async fn corpus(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    access: Access,
) -> Result<Json<CorpusDetails>, ApiError> {
    let details = super::reading(&app, &corpus, move |app, served, _, _| {
        let known = known(app, served)?;
        Ok(CorpusDetails {
            corpus: shown(app, access, served, &known),
            fields: known.fields.clone(),
        })
    });
    Ok(Json(details.await?))
}
