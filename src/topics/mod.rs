//! What a corpus is about: clusters of articles, their labels, their typical articles, how
//! they nest, how they change with time, and a map.
//!
//! [`find()`] does it for vectors and texts in memory. In a corpus, [`Writer::fit_topics`] finds
//! topics by the same function and stores them; [`Writer::update_topics`] keeps them current;
//! [`Writer::join_topics`] adds articles that came later; [`Writer::merge_topics`],
//! [`Writer::split_topic`], [`Writer::rename_topic`] and [`Writer::cut_topics`] change them by hand.
//! [`Reader::topics_over_time`] follows them, [`Reader::topic_drift`] says when to find them anew,
//! [`Reader::topics_apart`] compares two, and [`Reader::map`] draws all.
//!
//! Steps, each in a module of its own: [`points`] takes distinct vectors in an order of their
//! own; [`graph`] finds their neighbours; [`cluster`] holds the ways to cluster, of which `tree`
//! is the default; `choose` decides how many topics; `outliers` says what belongs to none;
//! [`guide`] catches what the user describes; `labels` finds the words that set each topic apart.
//!
//! Whatever can take longer than a second looks at its [`Job`] at least that often. When the job is
//! cancelled nothing is stored.
//!
//! [`Writer::fit_topics`]: crate::Writer::fit_topics
//! [`Writer::update_topics`]: crate::Writer::update_topics
//! [`Writer::join_topics`]: crate::Writer::join_topics
//! [`Writer::merge_topics`]: crate::Writer::merge_topics
//! [`Writer::split_topic`]: crate::Writer::split_topic
//! [`Writer::rename_topic`]: crate::Writer::rename_topic
//! [`Writer::cut_topics`]: crate::Writer::cut_topics

mod about;
mod articles;
mod assign;
mod choose;
pub mod cluster;
mod describe;
mod edit;
pub mod eval;
mod find;
mod fit;
pub mod graph;
pub mod guide;
mod labels;
mod layout;
pub mod map;
pub mod nested;
mod outliers;
mod overview;
pub mod points;
mod random;
mod reduce;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod timeline;
mod tree;
mod watch;

pub use about::{About, DateBins, TopicCount, ValueCount};
pub use articles::Document;
pub use assign::{DRIFT_LIMIT, Drift, Placed};
pub use cluster::{FoundBy, Method};
pub use edit::Undo;
pub use find::{FoundMember, FoundPart, FoundTopic, FoundTopics, find};
pub use fit::FittedTopics;
pub use guide::Guide;
pub use overview::{TopicCard, TypicalArticle};

use crate::encoder::DeviceChoice;
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::{Job, Stage};
use crate::store::{Matrix, Reader, StoredPart, StoredTopic, StoredTopics, TopicRun};
use watch::Watch;

/// How topics are found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct TopicOptions {
    /// The number of topics; chosen where it is not given.
    pub k: Option<usize>,
    /// The seed of all that is random.
    pub seed: u64,
    /// The way to cluster.
    #[serde(deserialize_with = "method_or_usual")]
    pub method: Method,
    /// The fewest articles of a topic, where the number of topics is chosen; by default a sixteenth of all
    /// articles, 2 to 10.
    #[serde(alias = "least")]
    pub min_size: Option<usize>,
    /// The resolution of [`Method::Leiden`], above 0 to 1000: a higher one gives more and smaller
    /// topics; by stability where it is not given.
    pub resolution: Option<f64>,
    /// Articles of a mini-batch of [`Method::Kmeans`]; all in each iteration where it is not
    /// given.
    #[serde(alias = "batch")]
    pub batch_size: Option<usize>,
    /// The cosine to its topic's centroid, -1 to 1, below which an article is in no topic; by the
    /// spread of similarities where it is not given.
    pub min_similarity: Option<f32>,
    /// Topics that the user describes.
    pub guides: Vec<Guide>,
    /// Where vectors are compared; topics do not remember it.
    #[serde(skip)]
    pub device: DeviceChoice,
}

impl Default for TopicOptions {
    fn default() -> Self {
        Self {
            k: None,
            seed: 42,
            method: Method::default(),
            min_size: None,
            resolution: None,
            batch_size: None,
            min_similarity: None,
            guides: Vec::new(),
            device: DeviceChoice::Auto,
        }
    }
}

/// The method that is named; the usual one in place of one that is no longer there.
fn method_or_usual<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> std::result::Result<Method, D::Error> {
    let name: String = serde::Deserialize::deserialize(from)?;
    Ok(name.parse().unwrap_or_default())
}

impl TopicOptions {
    /// Checks that the options can be used, and with each other.
    ///
    /// # Errors
    /// One cannot; the error names its field.
    pub fn check(&self) -> Result<()> {
        let method = self.method;
        let wrong = |field, message: &str| Err(Error::parameter(field, message));
        match self.k {
            None if method == Method::GaussianMixture => {
                return wrong("k", "a Gaussian mixture needs the number of topics");
            }
            Some(0) => return wrong("k", "there must be at least 1"),
            Some(_) if method.finds_its_own_number() => {
                let message = format!("{method} finds its own number of topics; leave it out");
                return wrong("k", &message);
            }
            Some(k) if k < self.guides.len() => {
                let guides = self.guides.len();
                let message = format!("{k} topics with {guides} guides; give {guides} or more");
                return wrong("k", &message);
            }
            _ => {}
        }
        if self.min_size == Some(0) {
            return wrong("min_size", "give 1 or more");
        }
        if self.min_size.is_some() && self.k.is_some() {
            return wrong(
                "min_size",
                "it holds where the number of topics is chosen; give one of both",
            );
        }
        if let Some(resolution) = self.resolution {
            if !(resolution > 0.0 && resolution <= 1000.0) {
                return wrong("resolution", "give a number above 0, 1000 at most");
            }
            if method != Method::Leiden {
                return wrong("resolution", "only the method leiden has one");
            }
            if self.k.is_some() {
                return wrong(
                    "resolution",
                    "it decides the number of topics; give one of both",
                );
            }
        }
        if let Some(size) = self.batch_size {
            if size == 0 {
                return wrong("batch_size", "give 1 or more");
            }
            if method != Method::Kmeans {
                return wrong("batch_size", "only the method kmeans has mini-batches");
            }
        }
        let is_cosine = |x: f32| (-1.0..=1.0).contains(&x);
        if self.min_similarity.is_some_and(|s| !is_cosine(s)) {
            return wrong("min_similarity", "give a cosine, from -1 to 1");
        }
        for (i, guide) in self.guides.iter().enumerate() {
            let name = &guide.name;
            let message = if name.trim().is_empty() {
                format!("guide {} has an empty name", i + 1)
            } else if self.guides[..i].iter().any(|g| g.name == *name) {
                format!("two guides have the name {name:?}")
            } else if guide.threshold.is_some_and(|t| !is_cosine(t)) {
                format!("the threshold of guide {name:?} is no cosine, from -1 to 1")
            } else {
                continue;
            };
            return wrong("guides", &message);
        }
        Ok(())
    }
}

/// Topics, and how they were made.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Topics {
    /// How they were made.
    pub run: TopicRun,
    /// The topics, largest first.
    pub topics: Vec<StoredTopic>,
    /// Their parts.
    #[serde(skip)]
    pub parts: Vec<StoredPart>,
}

impl Topics {
    /// The stored topics.
    ///
    /// # Errors
    /// There are none; the file is damaged.
    pub fn stored(store: &Reader) -> Result<Self> {
        let Some(run) = store.topic_run()? else {
            return Err(none_yet(store));
        };
        Ok(Self {
            run,
            topics: store.topics()?,
            parts: store.topic_parts()?,
        })
    }

    /// The parts of a topic.
    pub fn parts_of(&self, topic: i64) -> Vec<&StoredPart> {
        self.parts.iter().filter(|p| p.topic == topic).collect()
    }
}

/// The language of a text by its beginning, as ISO 639-3 writes it; `None` where it cannot be told.
pub fn language_of(text: &str) -> Option<String> {
    labels::language(text).map(|language| language.code().to_string())
}

fn none_yet(store: &Reader) -> Error {
    Error::corpus(
        ErrorKind::NotFound(Missing::Topics),
        store.path(),
        "it has no topics yet",
    )
}

/// All of a corpus's topics.
///
/// # Errors
/// There are none; the file is damaged.
pub fn stored(store: &Reader) -> Result<StoredTopics> {
    store.stored_topics()?.ok_or_else(|| none_yet(store))
}

/// The rows of all articles that have a vector, ascending, and their distinct vectors.
///
/// # Errors
/// A vector holds a value that is no finite number; the article is named.
fn points(store: &Reader, watch: &Watch) -> Result<(Vec<i64>, points::Points)> {
    let Matrix { keys, values } = matrix(store, watch)?;
    let points = points::Points::watched(values.view(), watch.clone()).map_err(|e| {
        let finite = |row: ndarray::ArrayView1<'_, f32>| row.iter().all(|x| x.is_finite());
        let bad = values.outer_iter().position(|row| !finite(row));
        match bad.and_then(|row| store.described_at(keys[row]).ok()) {
            Some(article) if !e.is_cancelled() => Error::corpus(
                ErrorKind::Damaged,
                store.path(),
                format!(
                    "the vector of article {:?} holds a value that is no finite number; delete the article and index it again",
                    article.id
                ),
            ),
            _ => e,
        }
    })?;
    Ok((keys, points))
}

/// The vectors of all articles.
fn matrix(store: &Reader, watch: &Watch) -> Result<Matrix> {
    let dim = store.identity()?.map_or(0, |identity| identity.dim);
    let mut keys = Vec::new();
    let mut values = Vec::new();
    if dim > 0 {
        store.scan_articles(dim, None, |key, vector| {
            keys.push(key);
            values.extend_from_slice(vector);
            watch.check()
        })?;
    }
    let values = ndarray::Array2::from_shape_vec((keys.len(), dim), values)
        .map_err(|e| Error::internal(e.to_string()))?;
    Ok(Matrix { keys, values })
}

impl TopicRun {
    /// What found the topics.
    pub fn found_by(&self) -> FoundBy {
        FoundBy::from_name(&self.method)
    }
}

impl Reader {
    /// The terms that set a topic apart from another, and the other way round, each with its
    /// z-score, the highest first; from the thousand most typical articles of both.
    ///
    /// # Errors
    /// A topic is unknown; the file is damaged; the job is cancelled.
    pub fn topics_apart(
        &self,
        first: i64,
        second: i64,
        job: &Job,
    ) -> Result<[Vec<(String, f32)>; 2]> {
        /// Articles of each topic that are compared.
        const COMPARED: usize = 1000;
        let watch = Watch::new(job);
        let mut members = self.members()?;
        members.sort_by(|a, b| {
            b.similarity
                .total_cmp(&a.similarity)
                .then(a.article.cmp(&b.article))
        });
        let mut documents = Vec::new();
        for (group, id) in [first, second].into_iter().enumerate() {
            let own = members.iter().filter(|m| m.topic == id).take(COMPARED);
            let keys: Vec<i64> = own.map(|m| m.article).collect();
            if keys.is_empty() {
                return Err(Error::unknown_topic(id));
            }
            let articles = articles::InCorpus {
                reader: self,
                keys: &keys,
            };
            for row in 0..keys.len() {
                watch.check()?;
                let done = group * COMPARED + row;
                watch.progress(Stage::Labelling, done, 2 * COMPARED);
                documents.push(describe::document(&articles, row, group as u32)?);
            }
        }
        let terms = labels::Terms::new(&documents, 2, &watch)?;
        job.check()?;
        Ok(terms.apart(describe::WORDS))
    }
}
