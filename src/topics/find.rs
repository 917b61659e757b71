//! Topics of vectors and texts, wherever they come from.

use super::articles::{Articles, Document, InMemory};
use super::cluster::hdbscan::{HdbscanOptions, hdbscan};
use super::cluster::kmeans::{KmeansOptions, kmeans};
use super::cluster::leiden::{leiden, stable};
use super::cluster::{Clustering, FoundBy, Method, NONE, linfa};
use super::describe::Groups;
use super::nested::{self, Branch};
use super::points::{Points, numbered};
use super::reduce::reduce;
use super::tree::{self, Context};
use super::watch::Watch;
use super::{Guide, TopicOptions, choose, guide, outliers};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::store::{Member, NO_TOPIC, StoredJoin, StoredPart, StoredTopic, StoredTopics, TopicRun};
use crate::vectors::normalize;
use ndarray::ArrayView2;
use std::borrow::Cow;

/// A corpus of fewer articles is clustered by linfa's k-means from many starts: its graph has
/// too few edges to cut it by.
const SMALL: usize = 300;
/// How far from one the length of a vector may be that is taken as it is: more than rounding to
/// f16 moves it.
const UNIT: f64 = 1e-3;

/// Topics of vectors. Topics and parts are known by their places in the lists, articles by the
/// rows of their vectors.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FoundTopics {
    /// What found them.
    pub found_by: FoundBy,
    /// Mean silhouette under cosine distance, -1 to 1; 0 with fewer than two topics.
    pub silhouette: f32,
    /// The topics, largest first.
    pub topics: Vec<FoundTopic>,
    /// The parts of topics, which are the leaves of the tree.
    pub parts: Vec<FoundPart>,
    /// How the parts join to a tree, cheapest joins first; those within a topic before others.
    pub joins: Vec<StoredJoin>,
    /// The place of each article, in the order of rows.
    pub members: Vec<FoundMember>,
}

/// A topic of [`FoundTopics`].
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FoundTopic {
    /// Its label: its weightiest words, or its number where there are no texts.
    pub label: String,
    /// Whether the label is the name of a guide.
    pub named: bool,
    /// How many articles it has.
    pub size: usize,
    /// Its words and phrases with their c-TF-IDF weights, the most telling first; none without
    /// texts.
    pub words: Vec<(String, f32)>,
    /// The rows of its most typical articles, nearest to the centroid first: ten at most, of
    /// those with the same title one.
    pub typical: Vec<usize>,
    /// Its centroid, as long as the vectors, of unit length.
    pub centroid: Vec<f32>,
}

/// A part of a topic of [`FoundTopics`].
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FoundPart {
    /// The topic that it is a part of.
    pub topic: usize,
    /// Its label, as a topic's.
    pub label: String,
    /// How many articles it has.
    pub size: usize,
    /// Its words and phrases, as a topic's.
    pub words: Vec<(String, f32)>,
    /// Its centroid, of unit length.
    pub centroid: Vec<f32>,
}

/// An article's place in [`FoundTopics`].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct FoundMember {
    /// Its topic; `None` where it is in none.
    pub topic: Option<usize>,
    /// Its part of the topic.
    pub part: Option<usize>,
    /// The cosine to the centroid of its topic, or to the nearest where it has none.
    pub similarity: f32,
}

/// Finds the topics of vectors: clusters, their labels, their typical articles, their parts, and
/// the tree that these make.
///
/// `vectors` holds a vector of `dim` values for each article, one behind another; those not of unit
/// length are taken as if they were. `documents` holds an article for each vector, or none: topics
/// are then labelled by their numbers and have no words. With an encoder, which must be that of
/// the vectors, labels are ranked by meaning as well; [`TopicOptions::guides`] need one, and name
/// articles by their rows, such as `"17"`.
///
/// The same vectors, documents and options give the same topics, on any number of threads, and but
/// for the order of articles in whatever order these come.
///
/// # Errors
/// A vector is incomplete or holds a value that is no finite number; there are more or fewer
/// documents than vectors; an option cannot be used; a guide finds nothing; nothing is dense
/// enough to be a topic; the job is cancelled.
///
/// ```
/// use nearwise::Job;
/// use nearwise::topics::{Document, TopicOptions, find};
///
/// # fn main() -> nearwise::Result<()> {
/// // Six articles, three near each other in one direction and three in another.
/// let vectors = [1.0, 0.0, 0.99, 0.14, 0.98, 0.2, 0.0, 1.0, 0.14, 0.99, 0.2, 0.98];
/// let documents = [
///     Document::from(("Rates", "The central bank raised interest rates.")),
///     Document::from(("Bank", "Interest rates rose again, said the bank.")),
///     Document::from(("Money", "Interest rates worry the bank.")),
///     Document::from(("Cup", "The striker scored in the cup final.")),
///     Document::from(("Goal", "A late goal decided the cup final.")),
///     Document::from(("Match", "Nobody missed the cup final.")),
/// ];
/// let found = find(&vectors, 2, &documents, &TopicOptions::default(), None, &Job::new())?;
/// assert_eq!(found.topics.len(), 2);
/// assert_eq!(found.members[0].topic, found.members[2].topic);
/// assert_ne!(found.members[0].topic, found.members[3].topic);
/// let topic = found.members[4].topic.expect("all are in a topic");
/// assert_eq!(found.topics[topic].words[0].0, "cup final");
/// assert_eq!(found.tree().expect("there are parts").size, 6);
///
/// // Without texts there are numbers in place of words.
/// let found = find(&vectors, 2, &[], &TopicOptions::default(), None, &Job::new())?;
/// assert_eq!(found.topics[0].label, "topic 0");
/// # Ok(())
/// # }
/// ```
pub fn find(
    vectors: &[f32],
    dim: usize,
    documents: &[Document<'_>],
    options: &TopicOptions,
    encoder: Option<&Encoder>,
    job: &Job,
) -> Result<FoundTopics> {
    options.check()?;
    if dim == 0 {
        return Err(Error::parameter("dim", "a vector has a value or more"));
    }
    let rows = vectors.len() / dim;
    if rows * dim != vectors.len() {
        return Err(Error::parameter(
            "vectors",
            format!("{} values are no vectors of {dim} each", vectors.len()),
        ));
    }
    if rows == 0 {
        return Err(Error::parameter("vectors", "there are none"));
    }
    if !documents.is_empty() && documents.len() != rows {
        return Err(Error::parameter(
            "documents",
            format!(
                "{} documents with {rows} vectors; give one for each, or none",
                documents.len()
            ),
        ));
    }
    let watch = Watch::new(job);
    let vectors = of_unit_length(vectors, dim, &watch)?;
    let view = ArrayView2::from_shape((rows, dim), &vectors)
        .map_err(|e| Error::internal(e.to_string()))?;
    let points = Points::watched(view, watch)?;
    let articles = InMemory { documents, rows };
    let found = found(points, &articles, options, encoder)?;
    job.check()?;
    Ok(found)
}

/// The vectors as they are where all have unit length, else scaled.
fn of_unit_length<'a>(vectors: &'a [f32], dim: usize, watch: &Watch) -> Result<Cow<'a, [f32]>> {
    /// Vectors between two looks at the job.
    const LOOK: usize = 4096;
    let mut out = Cow::Borrowed(vectors);
    for (row, vector) in vectors.chunks_exact(dim).enumerate() {
        if row.is_multiple_of(LOOK) {
            watch.check()?;
        }
        let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        // What is no number is refused later.
        if square.is_finite() && (square.sqrt() - 1.0).abs() > UNIT {
            normalize(&mut out.to_mut()[row * dim..][..dim]);
        }
    }
    Ok(out)
}

/// As [`find`], of points and of wherever their articles are.
pub(super) fn found(
    points: Points,
    articles: &dyn Articles,
    options: &TopicOptions,
    encoder: Option<&Encoder>,
) -> Result<FoundTopics> {
    check_number(options, points.articles() as usize, points.len())?;
    let dim = points.vectors.ncols();
    if let Some(encoder) = encoder
        && encoder.identity().dim != dim
    {
        return Err(Error::parameter(
            "encoder",
            format!(
                "its vectors have {} values, and those to cluster {dim}",
                encoder.identity().dim
            ),
        ));
    }
    let points = points.on(options.device)?;
    let caught = match (options.guides.as_slice(), encoder) {
        ([], _) => None,
        (guides, Some(encoder)) => Some(guide::catch(articles, &points, encoder, guides)?),
        (_, None) => {
            return Err(Error::parameter(
                "guides",
                "an encoder is needed to read guides",
            ));
        }
    };
    let context = Context::new(&points, min_size(&points, options), options.seed)?;
    let topics = match &caught {
        None => cluster(&context, options)?,
        Some(caught) => around(&points, caught, options)?,
    };
    let topics = numbered(&topics, &points.weights);
    let (parts, topic_of) = tree::parts(&context, &topics)?;
    drop(context);
    points.tell_device_failure();
    let found_by = match options.method {
        Method::Tree if points.len() < SMALL => FoundBy::SmallCorpus,
        method => FoundBy::Method(method),
    };
    let groups = Groups {
        points,
        topics,
        parts,
        topic_of,
    };
    let mut out = groups.described(articles, encoder)?;
    out.found_by = found_by;
    if let Some(caught) = &caught {
        name_guided(&mut out, &groups, caught, &options.guides);
    }
    Ok(out)
}

/// Checks the number of topics that is asked for against `n` articles, of which `differ` differ.
fn check_number(options: &TopicOptions, n: usize, differ: usize) -> Result<()> {
    let message = match options.k {
        Some(k) if k > n => format!("{k} topics of {n} articles; give {n} or fewer"),
        Some(k) if k > differ => {
            format!("{k} topics of {differ} articles that differ; give {differ} or fewer")
        }
        _ => return Ok(()),
    };
    Err(Error::parameter("k", message))
}

/// The fewest articles of a topic.
fn min_size(points: &Points, options: &TopicOptions) -> usize {
    options
        .min_size
        .unwrap_or_else(|| choose::smallest_topic(points.articles() as usize))
        .max(1)
}

/// Clusters points by the method that is asked for, and takes out what belongs to none.
fn cluster(context: &Context<'_>, options: &TopicOptions) -> Result<Clustering> {
    let &Context {
        points,
        ref near,
        ref graph,
        min_size,
        seed,
        ..
    } = context;
    let watch = points.watch();
    let reduced = || reduce(&points.vectors, watch);
    let mut topics = match (options.method, options.k) {
        (Method::Tree, k) if points.len() < SMALL => {
            let (points, reduced) = (points.clone(), reduced()?);
            watch.run_apart(move || choose::small(&points, &reduced, k, min_size, seed))?
        }
        (Method::Tree, k) => tree::find(context, k)?,
        (Method::Kmeans, k) => kmeans_of(context, k, options.batch_size)?,
        (Method::GaussianMixture, k) => {
            let reduced = reduced()?;
            watch.run_apart(move || linfa::gaussian_mixture(&reduced, k.unwrap_or(1), seed))?
        }
        (Method::Leiden, k) => match (options.resolution, k) {
            (Some(resolution), _) => {
                let found = leiden(graph, resolution, seed, watch)?;
                tree::without_small(points, &found, min_size)?
            }
            (None, Some(k)) => tree::joined(context, k)?,
            (None, None) => {
                let found = stable(graph, min_size, seed, watch)?.0;
                tree::without_small(points, &found, min_size)?
            }
        },
        (Method::Hdbscan, _) => {
            let options = HdbscanOptions {
                min_size,
                min_neighbours: tree::NEIGHBOURS.min(min_size),
            };
            hdbscan(near, &points.weights, options, watch)?
        }
    };
    if topics.k == 0 {
        return Err(Error::no_result(format!(
            "{} found no topic: nothing is dense enough; allow smaller topics, or use another method",
            options.method
        )));
    }
    // What finds its own number leaves out what is not dense itself.
    if !options.method.finds_its_own_number() || options.min_similarity.is_some() {
        outliers::take_out(points, near, &mut topics, options.min_similarity)?;
    }
    if topics.members.iter().all(|&topic| topic == NONE) {
        return Err(Error::no_result(
            "no article is as near to the centre of its topic as is asked; allow a lower cosine",
        ));
    }
    Ok(topics)
}

/// k-means, with the number chosen by the silhouette where it is not given.
fn kmeans_of(
    context: &Context<'_>,
    k: Option<usize>,
    batch_size: Option<usize>,
) -> Result<Clustering> {
    let points = context.points;
    let options = |k| KmeansOptions {
        starts: 8,
        batch_size,
        ..KmeansOptions::new(k, context.seed)
    };
    let k = match k {
        Some(k) => k,
        None => {
            let max_topics = (points.len() / 3).max(2);
            choose::number(points, max_topics, context.min_size, |sample, k| {
                let rough = KmeansOptions {
                    iterations: 20,
                    starts: 4,
                    ..options(k)
                };
                Ok(kmeans(sample, &rough)?.clustering)
            })?
        }
    };
    Ok(kmeans(points, &options(k))?.clustering)
}

/// Clusters what no guide caught, and puts the guides' topics first.
fn around(points: &Points, caught: &[Option<u32>], options: &TopicOptions) -> Result<Clustering> {
    let guides = options.guides.len();
    let free: Vec<usize> = (0..points.len()).filter(|&p| caught[p].is_none()).collect();
    let k = options.k.map(|k| (k - guides).min(free.len()));
    let mut topics = Clustering {
        k: guides,
        members: caught.iter().map(|c| c.unwrap_or(NONE)).collect(),
    };
    if free.is_empty() || k == Some(0) {
        return Ok(topics);
    }
    let some = points.chosen(&free);
    let options = TopicOptions {
        k,
        guides: Vec::new(),
        ..options.clone()
    };
    let context = Context::new(&some, min_size(&some, &options), options.seed)?;
    let rest = cluster(&context, &options)?;
    for (&p, &c) in free.iter().zip(&rest.members) {
        if c != NONE {
            topics.members[p] = guides as u32 + c;
        }
    }
    topics.k += rest.k;
    Ok(topics)
}

/// Gives the guides' topics their names: a guide's topic is the one that holds its first point.
fn name_guided(found: &mut FoundTopics, groups: &Groups, caught: &[Option<u32>], guides: &[Guide]) {
    for (g, guide) in guides.iter().enumerate() {
        let point = caught.iter().position(|c| *c == Some(g as u32));
        let topic = point.map(|p| groups.topics.members[p] as usize);
        if let Some(topic) = topic.and_then(|t| found.topics.get_mut(t)) {
            topic.label.clone_from(&guide.name);
            topic.named = true;
        }
    }
}

impl FoundTopics {
    /// How many articles are in no topic.
    pub fn in_none(&self) -> usize {
        self.members.iter().filter(|m| m.topic.is_none()).count()
    }

    /// The tree that topics and their parts make; `None` without parts.
    pub fn tree(&self) -> Option<Branch> {
        let rows: Vec<i64> = (0..self.members.len() as i64).collect();
        nested::whole(&self.clone().stored(&rows))
    }

    /// As they are stored of articles with these rows in the store, one for each member, and
    /// numbered by their places.
    pub(super) fn stored(self, keys: &[i64]) -> StoredTopics {
        let members = keys.iter().zip(&self.members);
        StoredTopics {
            run: TopicRun {
                method: self.found_by.name().to_string(),
                silhouette: self.silhouette,
                k: self.topics.len(),
                articles: self.members.len() as u64,
                no_topic: self.in_none() as u64,
                ..TopicRun::default()
            },
            members: members
                .map(|(&article, m)| Member {
                    article,
                    topic: m.topic.map_or(NO_TOPIC, |t| t as i64),
                    part: m.part.map(|p| p as i64),
                    similarity: m.similarity,
                    joined: false,
                })
                .collect(),
            topics: self
                .topics
                .into_iter()
                .enumerate()
                .map(|(id, t)| StoredTopic {
                    id: id as i64,
                    label: t.label,
                    named: t.named,
                    size: t.size as u64,
                    words: t.words,
                    typical: t.typical.iter().map(|&row| keys[row]).collect(),
                    centroid: t.centroid,
                })
                .collect(),
            parts: self
                .parts
                .into_iter()
                .enumerate()
                .map(|(id, p)| StoredPart {
                    id: id as i64,
                    topic: p.topic as i64,
                    label: p.label,
                    size: p.size as u64,
                    words: p.words,
                    centroid: p.centroid,
                })
                .collect(),
            joins: self.joins,
        }
    }
}
