//! Topics: the list, the tree, one, over time; finding them, changing them by hand, undoing that.

use super::super::app::{App, Served};
use super::super::auth::Access;
use super::super::error::ApiError;
use super::super::jobs::{JobStarted, State as JobState, What, lock};
use super::asked::{Body, Names, Params, invalid};
use super::desk::{Single, Tray, writer};
use super::reading;
use crate::encoder::Encoder;
use crate::error::{Error, Result as Outcome};
use crate::job::Job;
use crate::store::{Reader, StoredTopic, TopicRun};
use crate::topics::nested::{Node, nodes};
use crate::topics::timeline::{Course, Span, Trend};
use crate::topics::{Guide, Method, TopicCard, TopicOptions, Topics, Undo, stored};
use crate::vectors::dot;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Typical articles of each topic in a list, and of one that is shown alone.
const TYPICAL: usize = 3;
const TYPICAL_ALONE: usize = 10;
/// Topics that are near one.
const NEAREST: usize = 5;
/// The longest label, in characters, and the most topics that are merged or made at a time.
const LABEL: usize = 200;
const MOST_TOPICS: usize = 1_000;
/// What finding topics is called among the jobs that run once.
const FIT: &str = "fit";

/// How the topics were made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::server) struct RunInfo {
    /// The method.
    method: String,
    /// How many topics there are.
    topics: usize,
    /// Whether their number was given.
    k_given: bool,
    /// The seed.
    seed: u64,
    /// Mean silhouette under cosine distance, -1 to 1.
    silhouette: f32,
    /// Whether topics were changed by hand since they were found.
    edited: bool,
    /// Whether the corpus's vectors changed since.
    stale: bool,
    /// Articles in no topic.
    no_topic: u64,
}

impl RunInfo {
    fn of(run: &TopicRun, generation: i64) -> Self {
        Self {
            method: run.method.clone(),
            topics: run.k,
            k_given: run.k_given,
            seed: run.seed,
            silhouette: run.silhouette,
            edited: run.edited,
            stale: run.generation != generation,
            no_topic: run.no_topic,
        }
    }
}

/// The topics of a corpus.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::server) struct TopicList {
    /// How they were made.
    run: RunInfo,
    /// The topics, the largest first.
    pub(in crate::server) topics: Vec<TopicCard>,
    /// Changes by hand that can be undone here.
    undos: usize,
}

/// The topics as they are now.
pub(in crate::server) fn listed(app: &App, served: &Served) -> Outcome<Arc<TopicList>> {
    app.desk.of(served).derived("topics", &served.corpus, || {
        let reader = served.reader()?;
        let topics = reader.topic_cards(TYPICAL)?;
        let run = reader.topic_run()?.unwrap_or_default();
        Ok(TopicList {
            run: RunInfo::of(&run, reader.generation()?),
            topics,
            undos: app.desk.of(served).undos(),
        })
    })
}

/// The topics: their terms, typical articles, publishers, and which come up.
#[utoipa::path(
    get, path = "/corpora/{corpus}/topics", tag = "Topics", operation_id = "topics",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    responses((status = 200, body = TopicList)),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
) -> Result<Json<TopicList>, ApiError> {
    let list = reading(&app, &corpus, |app, served, _, _| {
        Ok(TopicList::clone(&*listed(app, served)?))
    });
    Ok(Json(list.await?))
}

/// The tree of topics as a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct TopicTree {
    /// The branches, the root first, whatever lies below a branch after it.
    nodes: Vec<Node>,
}

/// How the topics nest.
#[utoipa::path(
    get, path = "/corpora/{corpus}/topics/tree", tag = "Topics", operation_id = "topics_tree",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    responses((status = 200, body = TopicTree)),
)]
pub(super) async fn tree(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
) -> Result<Json<TopicTree>, ApiError> {
    let tree = reading(&app, &corpus, |_, _, reader, _| {
        Ok(TopicTree {
            nodes: nodes(&stored(reader)?),
        })
    });
    Ok(Json(tree.await?))
}

/// A part of a topic.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PartCard {
    /// Its number.
    id: i64,
    /// Its label.
    label: String,
    /// Its articles when the topics were fitted.
    size: u64,
    /// Its words and phrases, the most telling first.
    terms: Vec<String>,
}

/// A topic that is near another.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct NearTopic {
    /// Its number.
    id: i64,
    /// Its label.
    label: String,
    /// The cosine of their centres.
    cosine: f32,
}

/// A topic with all that is known of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::server) struct TopicShown {
    #[serde(flatten)]
    pub(in crate::server) card: TopicCard,
    /// Its parts, the largest first.
    parts: Vec<PartCard>,
    /// The topics nearest to it.
    nearest: Vec<NearTopic>,
}

/// One topic with its parts.
pub(in crate::server) fn one_topic(
    app: &App,
    served: &Served,
    reader: &Reader,
    id: i64,
) -> Outcome<TopicShown> {
    let list = listed(app, served)?;
    let topics = Topics::stored(reader)?;
    let find = |t: &&StoredTopic| t.id == id;
    let unknown = || Error::unknown_topic(id);
    let topic = topics.topics.iter().find(find).ok_or_else(unknown)?;
    let card = list.topics.iter().find(|card| card.id == id);
    let mut card = card.cloned().ok_or_else(unknown)?;
    card.typical = reader.typical_of(topic, TYPICAL_ALONE)?;
    let mut parts: Vec<PartCard> = topics
        .parts_of(id)
        .into_iter()
        .map(|part| PartCard {
            id: part.id,
            label: part.label.clone(),
            size: part.size,
            terms: part.words.iter().map(|w| w.0.clone()).collect(),
        })
        .collect();
    parts.sort_by_key(|part| (std::cmp::Reverse(part.size), part.id));
    let others = topics.topics.iter().filter(|t| t.id != id);
    let mut nearest: Vec<NearTopic> = others
        .map(|other| NearTopic {
            id: other.id,
            label: other.label.clone(),
            cosine: dot(&other.centroid, &topic.centroid).clamp(-1.0, 1.0),
        })
        .collect();
    nearest.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.id.cmp(&b.id)));
    nearest.truncate(NEAREST);
    Ok(TopicShown {
        card,
        parts,
        nearest,
    })
}

/// A topic: its parts, more of its typical articles, and the topics near it.
#[utoipa::path(
    get, path = "/corpora/{corpus}/topics/{id}", tag = "Topics", operation_id = "topic",
    params(
        ("corpus" = String, Path, description = "The corpus's name."),
        ("id" = i64, Path, description = "The topic's number."),
    ),
    responses((status = 200, body = TopicShown)),
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Names((corpus, id)): Names<(String, i64)>,
) -> Result<Json<TopicShown>, ApiError> {
    let topic = reading(&app, &corpus, move |app, served, reader, _| {
        one_topic(app, served, reader, id)
    });
    Ok(Json(topic.await?))
}

/// How long a span of time is.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::server) enum SpanAsked {
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// A year.
    Year,
}

impl From<SpanAsked> for Span {
    fn from(span: SpanAsked) -> Self {
        match span {
            SpanAsked::Day => Self::Day,
            SpanAsked::Week => Self::Week,
            SpanAsked::Month => Self::Month,
            SpanAsked::Quarter => Self::Quarter,
            SpanAsked::Year => Self::Year,
        }
    }
}

/// What is asked of topics over time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineParams {
    /// How long a span is; the shortest that gives at most 60.
    #[param(inline)]
    by: Option<SpanAsked>,
    /// Only the articles of this publisher.
    source: Option<String>,
}

/// A topic's course.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::server) struct CourseShown {
    /// The topic's number.
    pub(in crate::server) id: i64,
    /// Its label.
    pub(in crate::server) label: String,
    /// Its articles in each span.
    pub(in crate::server) counts: Vec<u64>,
    /// Whether its share grows.
    trend: Trend,
    /// By how many standard errors its share is higher in the last quarter of the spans than before.
    pub(in crate::server) rising: f64,
}

/// Topics over time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::server) struct TimelineShown {
    /// How long a span is: day, week, month, quarter or year.
    pub(in crate::server) by: String,
    /// The spans, without gaps.
    pub(in crate::server) bins: Vec<String>,
    /// The articles of each, of whatever topic.
    pub(in crate::server) totals: Vec<u64>,
    /// Each topic's course, the largest first.
    pub(in crate::server) topics: Vec<CourseShown>,
    /// Articles that are left out: without a date, or with one that is less exact than a span.
    undated: u64,
}

/// Topics over time, of one publisher or all.
pub(in crate::server) fn over_time(
    reader: &Reader,
    by: Option<SpanAsked>,
    source: Option<&str>,
) -> Outcome<TimelineShown> {
    let timeline = match source {
        Some(source) => reader.topics_over_time_of(by.map(Into::into), source)?,
        None => reader.topics_over_time(by.map(Into::into), None)?,
    };
    let shown = |course: Course| CourseShown {
        id: course.topic,
        label: course.label,
        counts: course.counts,
        trend: course.trend,
        rising: course.z,
    };
    Ok(TimelineShown {
        by: timeline.span,
        bins: timeline.spans,
        totals: timeline.articles,
        topics: timeline.courses.into_iter().map(shown).collect(),
        undated: timeline.undated,
    })
}

/// How many articles each topic has in every span of time.
#[utoipa::path(
    get, path = "/corpora/{corpus}/topics/timeline", tag = "Topics", operation_id = "topics_timeline",
    params(("corpus" = String, Path, description = "The corpus's name."), TimelineParams),
    responses((status = 200, body = TimelineShown)),
)]
pub(super) async fn timeline(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Params(params): Params<TimelineParams>,
) -> Result<Json<TimelineShown>, ApiError> {
    let timeline = reading(&app, &corpus, move |_, _, reader, _| {
        let source = params.source.as_deref().filter(|source| !source.is_empty());
        over_time(reader, params.by, source)
    });
    Ok(Json(timeline.await?))
}

/// How topics are found; everything may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FitAsked {
    /// How many; chosen where it is not given.
    #[schema(minimum = 1)]
    k: Option<usize>,
    /// The seed of all that is random; 42.
    seed: Option<u64>,
    /// The way to cluster; tree.
    method: Option<Method>,
    /// The fewest articles of a topic.
    #[schema(minimum = 1)]
    min_size: Option<usize>,
    /// The resolution of leiden, above 0 to 1000.
    resolution: Option<f64>,
    /// Articles of a mini-batch of kmeans.
    #[schema(minimum = 1)]
    batch_size: Option<usize>,
    /// The cosine to its topic's centre below which an article is in none.
    #[schema(minimum = -1, maximum = 1)]
    min_similarity: Option<f32>,
    /// Topics that should be there.
    guides: Vec<Guide>,
}

/// The encoder that ranks labels by meaning; labels do without where it cannot be opened.
fn labeller(app: &App, served: &Served, reader: &Reader) -> Option<Arc<Encoder>> {
    let encoder = app.encoder_of(served).ok()?;
    reader.check_model(encoder.identity()).ok()?;
    Some(encoder)
}

/// Finds topics anew, as a job; refused while another job does.
#[utoipa::path(
    post, path = "/corpora/{corpus}/topics/fit", tag = "Topics", operation_id = "topics_fit",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    request_body = FitAsked, responses((status = 202, body = JobStarted)),
)]
pub(super) async fn fit(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    access: Access,
    Body(asked): Body<FitAsked>,
) -> Result<(StatusCode, Json<JobStarted>), ApiError> {
    app.may_write(access)?;
    let served = super::served(&app, &corpus)?;
    let usual = TopicOptions::default();
    let options = TopicOptions {
        k: asked.k,
        seed: asked.seed.unwrap_or(usual.seed),
        method: asked.method.unwrap_or_default(),
        min_size: asked.min_size,
        resolution: asked.resolution,
        batch_size: asked.batch_size,
        min_similarity: asked.min_similarity,
        guides: asked.guides,
        device: usual.device,
    };
    options.check()?;
    let tray = app.desk.of(&served);
    let mut single = lock(&tray.single);
    if let Some(running) = single.get(FIT) {
        let message = format!("topics are being found already, by the job {}", running.id);
        return Err(ApiError::new(StatusCode::CONFLICT, "busy", message));
    }
    let shared = app.clone();
    let own = tray.clone();
    let entry = app.desk.jobs.start(&corpus, What::FitTopics, move |job| {
        let (app, tray) = (shared, own);
        let _ended = tray.at_end(FIT);
        // On a snapshot, so that others can write meanwhile.
        let reader = served.reader()?;
        let encoder = match options.guides.is_empty() {
            true => labeller(&app, &served, &reader),
            false => Some(app.encoder_of(&served)?),
        };
        let fitted = reader.find_topics(&options, encoder.as_deref(), job)?;
        drop(reader);
        let _turn = tray.turn_of(job)?;
        let mut writer = writer(&served.corpus)?;
        let topics = writer.keep_topics(fitted, job)?;
        drop(writer);
        tray.forget_undo(true);
        tray.changed();
        Ok(json!({"topics": topics.topics.len(), "silhouette": topics.run.silhouette}))
    })?;
    let id = entry.id();
    let started = Single {
        id: id.clone(),
        again: false,
    };
    single.insert(FIT, started);
    let started = JobStarted { job: Some(id) };
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// A new name of a topic.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RenameAsked {
    /// The topic's number.
    topic: i64,
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    label: String,
}

/// Topics to be one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MergeAsked {
    /// Their numbers; the first keeps its own.
    #[schema(min_items = 2)]
    topics: Vec<i64>,
    /// The name of what they become.
    #[serde(default)]
    label: Option<String>,
}

/// A topic to be several.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitAsked {
    /// The topic's number, which its largest piece keeps.
    topic: i64,
    /// How many it becomes; 2.
    #[serde(default)]
    #[schema(minimum = 2, maximum = 1000)]
    k: Option<usize>,
}

/// A change by hand.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum EditAsked {
    /// Names a topic.
    Rename(RenameAsked),
    /// Merges topics.
    Merge(MergeAsked),
    /// Splits a topic.
    Split(SplitAsked),
}

fn checked_label(label: &str) -> Result<String, ApiError> {
    let label = crate::corpus::clean(label).trim().to_string();
    if label.is_empty() || label.chars().count() > LABEL {
        return Err(invalid("label", format!("give 1 to {LABEL} characters")));
    }
    Ok(label)
}

impl EditAsked {
    /// Refuses what cannot be, before anything waits for its turn.
    fn check(&mut self) -> Result<(), ApiError> {
        match self {
            Self::Rename(rename) => rename.label = checked_label(&rename.label)?,
            Self::Merge(merge) => {
                if !(2..=MOST_TOPICS).contains(&merge.topics.len()) {
                    return Err(invalid("topics", format!("name 2 to {MOST_TOPICS} topics")));
                }
                if let Some(label) = &mut merge.label {
                    *label = checked_label(label)?;
                }
            }
            Self::Split(split) => {
                if !(2..=MOST_TOPICS).contains(&split.k.unwrap_or(2)) {
                    return Err(invalid("k", format!("give 2 to {MOST_TOPICS}")));
                }
            }
        }
        Ok(())
    }

    /// Makes the change, and keeps what undoes it.
    fn make(&self, app: &App, served: &Served, tray: &Tray, job: &Job) -> Outcome<()> {
        let encoder = match self {
            Self::Rename(_) => None,
            _ => labeller(app, served, &served.reader()?),
        };
        let encoder = encoder.as_deref();
        let _turn = tray.turn_of(job)?;
        let mut writer = writer(&served.corpus)?;
        let mut undo = match self {
            Self::Rename(rename) => {
                let undo = Undo::of_name(&writer, rename.topic)?;
                writer.rename_topic(rename.topic, &rename.label)?;
                undo
            }
            Self::Merge(merge) => {
                let undo = Undo::of_all(&writer)?;
                let topic = writer.merge_topics(&merge.topics, encoder, job)?;
                if let Some(label) = &merge.label {
                    writer.rename_topic(topic, label)?;
                }
                undo
            }
            Self::Split(split) => {
                let undo = Undo::of_all(&writer)?;
                writer.split_topic(split.topic, split.k.unwrap_or(2), encoder, job)?;
                undo
            }
        };
        undo.changed(&writer)?;
        tray.keep_undo(undo);
        tray.changed();
        Ok(())
    }
}

/// Runs a change as a job, waits for it, and answers with the topics as they are then.
async fn changed(
    app: &Arc<App>,
    corpus: &str,
    work: impl FnOnce(&App, &Served, &Tray, &Job) -> Outcome<()> + Send + 'static,
) -> Result<Json<TopicList>, ApiError> {
    let served = super::served(app, corpus)?;
    let (failed, failure) = std::sync::mpsc::sync_channel(1);
    let shared = app.clone();
    let entry = app.desk.jobs.start(corpus, What::EditTopics, move |job| {
        let tray = shared.desk.of(&served);
        let outcome = work(&shared, &served, &tray, job);
        match outcome {
            Ok(()) => Ok(json!({})),
            Err(e) => {
                // The request has the error's kind; the job's record what it says.
                let shown = Error::new(e.kind(), e.place(), e.message());
                let _ = failed.send(e);
                Err(shown)
            }
        }
    })?;
    let info = entry.ended().await;
    if let Ok(error) = failure.try_recv() {
        return Err(error.into());
    }
    if info.state != JobState::Done {
        return Err(Error::internal("a job ended unexpectedly").into());
    }
    let list = reading(app, corpus, |app, served, _, _| {
        Ok(TopicList::clone(&*listed(app, served)?))
    });
    Ok(Json(list.await?))
}

/// Renames, merges or splits topics by hand; answers with the topics as they are then.
///
/// The change runs as a job, so that it can be watched, and is finished although the client goes.
#[utoipa::path(
    post, path = "/corpora/{corpus}/topics/edit", tag = "Topics", operation_id = "topics_edit",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    request_body = EditAsked, responses((status = 200, body = TopicList)),
)]
pub(super) async fn edit(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    access: Access,
    Body(mut asked): Body<EditAsked>,
) -> Result<Json<TopicList>, ApiError> {
    app.may_write(access)?;
    asked.check()?;
    changed(&app, &corpus, move |app, served, tray, job| {
        asked.make(app, served, tray, job)
    })
    .await
}

/// Undoes the last change by hand that was made here since the server began; up to twenty, one
/// after another.
#[utoipa::path(
    post, path = "/corpora/{corpus}/topics/undo", tag = "Topics", operation_id = "topics_undo",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    responses((status = 200, body = TopicList)),
)]
pub(super) async fn undo(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    access: Access,
) -> Result<Json<TopicList>, ApiError> {
    app.may_write(access)?;
    changed(&app, &corpus, |_, served, tray, job| {
        let _turn = tray.turn_of(job)?;
        let Some(undo) = tray.last_undo() else {
            return Err(Error::no_result(
                "no change by hand was made here since the server began that could be undone",
            ));
        };
        let mut writer = writer(&served.corpus)?;
        writer.undo_topics(&undo)?;
        tray.forget_undo(false);
        tray.changed();
        // Whatever joined since has its place again.
        writer.join_topics(job)?;
        Ok(())
    })
    .await
}
