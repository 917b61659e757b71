//! Searches, similar articles, counts, duplicates.

use super::super::app::{App, Served};
use super::super::error::ApiError;
use super::asked::{
    Body, ExampleAsked, MOST_VALUES, ManyAsked, Names, Params, SearchAsked, SearchParams,
    SimilarAsked, bounded, fields, filter, invalid, renamed,
};
use super::reading;
use crate::corpus::Article;
use crate::encoder::Encoder;
use crate::error::{Error, Result as Outcome};
use crate::job::Job;
use crate::search::{
    By, DuplicateOptions, Example, Examples, Facets, Found, Group, Hit, Mode, SearchBy,
    SearchOptions, rerank, rerank_depth,
};
use crate::store::Reader;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use utoipa::{IntoParams, ToSchema};

/// The most queries of a request.
const MOST_QUERIES: usize = 512;
/// The most hits of all their answers together.
const MOST_TOGETHER: usize = 20_000;
/// The most examples of a request, and the bytes of a text among them.
const MOST_EXAMPLES: usize = 256;
const LONGEST_TEXT: usize = 1 << 20;
/// The longest query, in bytes.
const LONGEST_QUERY: usize = 64 << 10;

/// A hit, and how the cross-encoder judges it where it was asked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::server) struct AnswerHit {
    /// The cross-encoder's score of the query and the best passage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::server) rerank: Option<f32>,
    #[serde(flatten)]
    pub(in crate::server) hit: Hit,
}

/// An answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::server) struct Answer {
    /// The hits of this page, best first.
    pub(in crate::server) hits: Vec<AnswerHit>,
    /// Whether every vector was compared; `true` for words, which are always looked up exactly.
    pub(in crate::server) exact: bool,
    /// Whether there are hits after these.
    pub(in crate::server) more: bool,
    /// Counts over the whole result, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::server) facets: Option<Facets>,
    /// Milliseconds that it took to find.
    pub(in crate::server) took_ms: f64,
}

impl Answer {
    pub(in crate::server) fn of(found: Found, begun: Instant) -> Self {
        let plain = |hit| AnswerHit { rerank: None, hit };
        Self {
            hits: found.hits.into_iter().map(plain).collect(),
            exact: found.exact,
            more: found.more,
            facets: found.facets,
            took_ms: begun.elapsed().as_secs_f64() * 1000.0,
        }
    }
}

fn check_query(query: &str) -> Outcome<()> {
    if query.len() > LONGEST_QUERY {
        let message = format!(
            "a query may have {LONGEST_QUERY} bytes; search for what is like a longer text"
        );
        return Err(Error::parameter("query", message));
    }
    Ok(())
}

/// Answers a query, or lists the newest articles where it is empty.
pub(in crate::server) fn search(
    app: &App,
    served: &Served,
    reader: &Reader,
    query: &str,
    options: &SearchOptions,
    reranked: bool,
    job: &Job,
) -> Outcome<Answer> {
    let begun = Instant::now();
    check_query(query)?;
    if query.trim().is_empty() {
        return Ok(Answer::of(reader.newest(options)?, begun));
    }
    let find = |options: &SearchOptions| -> Outcome<Found> {
        options.check()?;
        if options.by == SearchBy::Words {
            return reader.search_words(query, options);
        }
        reader.search(&*app.encoder_of(served)?, query, options)
    };
    if !reranked {
        return Ok(Answer::of(find(options)?, begun));
    }
    let Some(reranker) = &app.reranker else {
        let message = "this server has no cross-encoder; start it with one";
        return Err(Error::parameter("rerank", message));
    };
    if options.diverse.is_some() {
        let message =
            "it does not go with diverse: the one orders by relevance alone, the other does not";
        return Err(Error::parameter("rerank", message));
    }
    let found = find(&SearchOptions {
        k: rerank_depth(options.end()),
        offset: 0,
        sentences: false,
        ..options.clone()
    })?;
    let all = found.hits.len();
    // It never fails: nobody closes the semaphore.
    let _turn = tokio::runtime::Handle::current().block_on(app.judging.acquire());
    let ranked = rerank(reranker, query, found.hits, options.end(), job)?;
    let hits = ranked.into_iter().skip(options.offset);
    Ok(Answer {
        hits: hits
            .map(|ranked| AnswerHit {
                rerank: Some(ranked.rerank),
                hit: ranked.hit,
            })
            .collect(),
        exact: found.exact,
        more: found.more || all > options.end(),
        facets: found.facets,
        took_ms: begun.elapsed().as_secs_f64() * 1000.0,
    })
}

/// Searches.
///
/// By meaning, by words, or by both; an empty query lists the articles that the filter lets
/// through, the newest first.
#[utoipa::path(
    get, path = "/corpora/{corpus}/search", tag = "Search", operation_id = "search",
    params(("corpus" = String, Path, description = "The corpus's name."), SearchParams),
    responses((status = 200, body = Answer)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Params(params): Params<SearchParams>,
) -> Result<Json<Answer>, ApiError> {
    let options = params.options()?;
    let answer = reading(&app, &corpus, move |app, served, reader, job| {
        let query = params.q.as_deref().unwrap_or_default();
        let reranked = params.rerank.unwrap_or(false);
        search(app, served, reader, query, &options, reranked, job)
    });
    Ok(Json(answer.await?))
}

/// Searches, with the question as JSON.
#[utoipa::path(
    post, path = "/corpora/{corpus}/search", tag = "Search", operation_id = "search_post",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    request_body = SearchAsked, responses((status = 200, body = Answer)),
)]
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Body(mut asked): Body<SearchAsked>,
) -> Result<Json<Answer>, ApiError> {
    let options = asked.options()?;
    let answer = reading(&app, &corpus, move |app, served, reader, job| {
        search(
            app,
            served,
            reader,
            &asked.query,
            &options,
            asked.rerank,
            job,
        )
    });
    Ok(Json(answer.await?))
}

/// Answers many queries in one pass over the vectors, in their order.
#[utoipa::path(
    post, path = "/corpora/{corpus}/search/many", tag = "Search", operation_id = "search_many",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    request_body = ManyAsked, responses((status = 200, body = Vec<Answer>)),
)]
pub(super) async fn many(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Body(mut asked): Body<ManyAsked>,
) -> Result<Json<Vec<Answer>>, ApiError> {
    let options = asked.options()?;
    let queries = asked.queries;
    if queries.is_empty() || queries.len() > MOST_QUERIES {
        return Err(invalid("queries", format!("give 1 to {MOST_QUERIES}")));
    }
    if queries.len().saturating_mul(options.k) > MOST_TOGETHER {
        let message = format!(
            "{} queries of {} hits are more than {MOST_TOGETHER} hits",
            queries.len(),
            options.k
        );
        return Err(invalid("k", message));
    }
    let answers = reading(&app, &corpus, move |app, served, reader, _| {
        let begun = Instant::now();
        for query in &queries {
            check_query(query)?;
            if query.trim().is_empty() {
                return Err(Error::parameter("queries", "a query is empty"));
            }
        }
        let found = if options.by == SearchBy::Words {
            let one = |query: &String| reader.search_words(query, &options);
            queries.iter().map(one).collect::<Outcome<Vec<_>>>()?
        } else {
            reader.search_many(&*app.encoder_of(served)?, &queries, &options)?
        };
        Ok(found
            .into_iter()
            .map(|found| Answer::of(found, begun))
            .collect())
    });
    Ok(Json(answers.await?))
}

/// What examples are to the library; a text's vector is made as those of articles are.
pub(in crate::server) fn examples(
    reader: &Reader,
    encoder: &mut dyn FnMut() -> Outcome<Arc<Encoder>>,
    asked: Vec<ExampleAsked>,
) -> Outcome<Vec<Example>> {
    let one = |asked| {
        Ok(match asked {
            ExampleAsked::Id(id) => Example::Id(id),
            ExampleAsked::Vector(mut vector) => {
                if !vector.iter().all(|x| x.is_finite()) || vector.iter().all(|x| *x == 0.0) {
                    let message = "a vector is zero or holds a value that is no finite number";
                    return Err(Error::parameter("like", message));
                }
                crate::vectors::normalize(&mut vector);
                Example::Vector(vector)
            }
            ExampleAsked::Text(example) => {
                if example.text.trim().is_empty() && example.title.trim().is_empty() {
                    return Err(Error::parameter("like", "a text is empty"));
                }
                if example.text.len() + example.title.len() > LONGEST_TEXT {
                    let message = format!("a text may have {LONGEST_TEXT} bytes");
                    return Err(Error::parameter("like", message));
                }
                let article = Article {
                    title: example.title,
                    text: example.text,
                    ..Article::default()
                };
                Example::Vector(reader.vector_of(&*encoder()?, &article)?)
            }
        })
    };
    asked.into_iter().map(one).collect()
}

/// Finds articles like some and unlike others: articles of the corpus, vectors, or texts.
#[utoipa::path(
    post, path = "/corpora/{corpus}/similar", tag = "Search", operation_id = "similar",
    params(("corpus" = String, Path, description = "The corpus's name.")),
    request_body = SimilarAsked, responses((status = 200, body = Answer)),
)]
pub(super) async fn similar(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Body(mut asked): Body<SimilarAsked>,
) -> Result<Json<Answer>, ApiError> {
    let options = asked.options()?;
    if asked.like.is_empty() || asked.like.len() + asked.unlike.len() > MOST_EXAMPLES {
        return Err(invalid(
            "like",
            format!("give 1 to {MOST_EXAMPLES} examples"),
        ));
    }
    let answer = reading(&app, &corpus, move |app, served, reader, _| {
        let begun = Instant::now();
        let mut encoder = || app.encoder_of(served);
        let examples = Examples {
            like: examples(reader, &mut encoder, asked.like)?,
            unlike: examples(reader, &mut encoder, asked.unlike)?,
        };
        Ok(Answer::of(
            reader.similar_articles(&examples, &options)?,
            begun,
        ))
    });
    Ok(Json(answer.await?))
}

/// What is asked of counts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FacetParams {
    /// Fields apart by commas; a name in backquotes is metadata.
    #[param(example = "source,topic")]
    fields: String,
    /// Only articles that this lets through.
    filter: Option<String>,
    /// How many values of each, 1000 at most; 10.
    #[param(minimum = 0, maximum = 1000)]
    limit: Option<usize>,
}

/// Counts the values of fields over the articles that the filter lets through.
#[utoipa::path(
    get, path = "/corpora/{corpus}/facets", tag = "Search", operation_id = "facets",
    params(("corpus" = String, Path, description = "The corpus's name."), FacetParams),
    responses((status = 200, body = Facets)),
)]
pub(super) async fn facets(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Params(params): Params<FacetParams>,
) -> Result<Json<Facets>, ApiError> {
    let names = fields(&params.fields)?;
    if names.is_empty() {
        return Err(invalid("fields", "name a field to be counted"));
    }
    let limit = params.limit.unwrap_or(10);
    if limit > MOST_VALUES {
        return Err(invalid("limit", format!("give {MOST_VALUES} at most")));
    }
    let filter = filter(params.filter.as_deref())?;
    let facets = reading(&app, &corpus, move |_, _, reader, _| {
        let facets = reader.facets(&names, filter.as_ref(), limit);
        facets.map_err(|e| renamed(e, "facets", "fields"))
    });
    Ok(Json(facets.await?))
}

/// By what articles are compared.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DuplicatesBy {
    /// They share their wording.
    #[default]
    Words,
    /// One stands within the other.
    Containment,
    /// They mean the same.
    Meaning,
}

/// What is asked of duplicates.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DuplicateParams {
    /// By what; by words.
    #[param(inline)]
    by: Option<DuplicatesBy>,
    /// The least similarity, 0.05 to 1; by words 0.5, by containment 0.7, by meaning 0.85.
    #[param(minimum = 0.05, maximum = 1)]
    threshold: Option<f32>,
    /// How many groups are left out before the first.
    #[param(minimum = 0, maximum = 10000)]
    offset: Option<usize>,
    /// How many groups, 200 at most; 20.
    #[param(minimum = 0, maximum = 200)]
    limit: Option<usize>,
}

/// An article of a group of duplicates.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct DuplicateArticle {
    /// Its id.
    id: String,
    /// Its title, or the start of its text.
    title: String,
    /// Its date.
    date: Option<String>,
    /// Its publisher.
    source: Option<String>,
    /// How like the first one of the group it is.
    similarity: f32,
}

/// Articles that are nearly the same.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct DuplicateGroup {
    /// How many articles it has; the first hundred of them are listed.
    size: u64,
    /// The article to keep, then those most like it.
    articles: Vec<DuplicateArticle>,
    /// How alike the first two are.
    similarity: f32,
}

/// Groups of duplicates.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DuplicateGroups {
    /// The groups of this page, that with the most alike pair first.
    groups: Vec<DuplicateGroup>,
    /// Whether there are more after these.
    more: bool,
    /// How many groups there are.
    found: u64,
    /// How many articles could go if one of each group stays.
    surplus: u64,
}

impl DuplicateGroup {
    fn of(group: Group, by: By) -> Self {
        let kept = group.keep;
        let first = group.members.first().map_or(1.0, |m| m.alike.by(by));
        let mut articles = vec![DuplicateArticle {
            id: kept.id,
            title: kept.title,
            date: kept.date,
            source: kept.source,
            similarity: 1.0,
        }];
        articles.extend(group.members.into_iter().map(|member| DuplicateArticle {
            similarity: member.alike.by(by),
            id: member.id,
            title: member.title,
            date: member.date,
            source: member.source,
        }));
        Self {
            size: group.size,
            articles,
            similarity: first,
        }
    }
}

/// The most groups, those before the page included, and per page.
const MOST_GROUPS: usize = 10_000;
const GROUPS: usize = 200;

/// Groups of articles that are nearly the same.
#[utoipa::path(
    get, path = "/corpora/{corpus}/duplicates", tag = "Search", operation_id = "duplicates",
    params(("corpus" = String, Path, description = "The corpus's name."), DuplicateParams),
    responses((status = 200, body = DuplicateGroups)),
)]
pub(super) async fn duplicates(
    State(app): State<Arc<App>>,
    Names(corpus): Names<String>,
    Params(params): Params<DuplicateParams>,
) -> Result<Json<DuplicateGroups>, ApiError> {
    let by = match params.by.unwrap_or_default() {
        DuplicatesBy::Words => By::Words,
        DuplicatesBy::Containment => By::Containment,
        DuplicatesBy::Meaning => By::Meaning,
    };
    let (offset, limit) = (params.offset.unwrap_or(0), params.limit.unwrap_or(20));
    if limit > GROUPS {
        return Err(invalid("limit", format!("give {GROUPS} at most")));
    }
    if offset.saturating_add(limit) > MOST_GROUPS {
        return Err(invalid(
            "offset",
            format!("only the first {MOST_GROUPS} groups are listed"),
        ));
    }
    let mut options = DuplicateOptions::new(by);
    options.limit = offset + limit;
    options.threshold = params.threshold.unwrap_or(options.threshold);
    let groups = reading(&app, &corpus, move |_, _, reader, job| {
        let found = reader.duplicates(options, job)?;
        let page = found.groups.into_iter().skip(offset);
        Ok(DuplicateGroups {
            groups: page.map(|group| DuplicateGroup::of(group, by)).collect(),
            more: found.groups_found > (offset + limit) as u64,
            found: found.groups_found,
            surplus: found.surplus,
        })
    });
    Ok(Json(groups.await?))
}

/// What is asked of an article's neighbours: the options of a search that need no query.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct NeighbourParams {
    /// How many, 1000 at most; 10.
    #[param(minimum = 0, maximum = 1000)]
    k: Option<usize>,
    /// How many are left out before the first.
    #[param(minimum = 0, maximum = 2000000)]
    offset: Option<usize>,
    /// Only articles that this lets through.
    filter: Option<String>,
    /// Whether every vector is compared.
    #[param(inline)]
    mode: Option<Mode>,
    /// The least cosine, -1 to 1.
    #[param(minimum = -1, maximum = 1)]
    threshold: Option<f32>,
    /// Spares repeats: the weight of relevance, 0 to 1.
    #[param(minimum = 0, maximum = 1)]
    diverse: Option<f32>,
    /// Folds articles that are nearly the same into the first of them.
    #[param(inline)]
    fold: Option<crate::search::FoldBy>,
}

impl NeighbourParams {
    /// The library's options.
    pub(super) fn options(&self) -> Result<SearchOptions, ApiError> {
        let usual = SearchOptions::default();
        bounded(SearchOptions {
            k: self.k.unwrap_or(usual.k),
            offset: self.offset.unwrap_or(0),
            filter: filter(self.filter.as_deref())?,
            mode: self.mode.unwrap_or_default(),
            threshold: self.threshold,
            diverse: self.diverse,
            fold: self.fold,
            ..usual
        })
    }
}
