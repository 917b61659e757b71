//! What a corpus is about: clusters of articles, their labels, their typical articles, how
//! they nest, how they change with time, and a map.
//!
//! Steps, each in a module of its own: [`points`] takes distinct vectors in an order of their
//! own; [`graph`] finds their neighbours; [`cluster`] holds the ways to cluster, of which
//! [`tree`] is the default; [`choose`] decides how many topics; [`outliers`] says what belongs
//! to none; [`guide`] catches what the user describes; [`labels`] finds the words that set each
//! topic apart. [`fit()`] drives them and stores what they found; [`assign`] adds articles that came
//! later; [`edit`] changes topics by hand; [`timeline`] follows them through time; [`layout`]
//! and [`map`] draw them.

pub mod assign;
pub mod choose;
pub mod cluster;
mod describe;
pub mod edit;
pub mod eval;
mod fit;
pub mod graph;
pub mod guide;
pub mod labels;
pub mod layout;
pub mod map;
pub mod nested;
pub mod outliers;
pub mod points;
mod random;
pub mod reduce;
#[cfg(test)]
mod testing;
pub mod timeline;
pub mod tree;

pub use cluster::Method;
pub use fit::{fit, fit_telling, fitted};
pub use guide::Guide;

use crate::encoder::DeviceChoice;
use crate::error::{Error, Result};
use crate::store::{Matrix, Store, StoredPart, StoredTopic, StoredTopics, TopicRun};

/// How topics are found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TopicOptions {
    /// The number of topics; chosen where it is not given.
    pub k: Option<usize>,
    /// The seed of all that is random.
    pub seed: u64,
    /// The way to cluster.
    pub method: Method,
    /// The fewest articles of a topic whose number is chosen; by the corpus's size where it is
    /// not given.
    pub least: Option<usize>,
    /// The resolution of [`Method::Leiden`]; by stability where it is not given.
    pub resolution: Option<f64>,
    /// The radius of [`Method::Dbscan`] and [`Method::Optics`], as a Euclidean distance of unit
    /// vectors; by the neighbours' distances where it is not given.
    pub radius: Option<f32>,
    /// Articles of a mini-batch of [`Method::Kmeans`] and [`Method::SphericalKmeans`]; all in each
    /// iteration where it is not given.
    pub batch: Option<usize>,
    /// The cosine to its topic's centroid below which an article is in no topic; by the spread
    /// of similarities where it is not given.
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
            least: None,
            resolution: None,
            radius: None,
            batch: None,
            min_similarity: None,
            guides: Vec::new(),
            device: DeviceChoice::Auto,
        }
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
    pub fn stored(store: &Store) -> Result<Self> {
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

fn none_yet(store: &Store) -> Error {
    Error::corpus(
        store.path(),
        "it has no topics yet; run `nearwise topics fit`",
    )
}

/// All of a corpus's topics.
///
/// # Errors
/// There are none; the file is damaged.
pub fn stored(store: &Store) -> Result<StoredTopics> {
    store.stored_topics()?.ok_or_else(|| none_yet(store))
}

/// The rows of all articles that have a vector, ascending, and their distinct vectors.
///
/// # Errors
/// A vector holds a value that is no finite number; the article is named.
fn points(store: &Store) -> Result<(Vec<i64>, points::Points)> {
    let Matrix { keys, values } = matrix(store)?;
    let points = points::Points::new(values.view()).map_err(|e| {
        let finite = |row: ndarray::ArrayView1<'_, f32>| row.iter().all(|x| x.is_finite());
        let bad = values.outer_iter().position(|row| !finite(row));
        match bad.and_then(|row| store.described_at(keys[row]).ok()) {
            Some(article) => Error::corpus(
                store.path(),
                format!(
                    "the vector of article {:?} holds a value that is no finite number; remove the article with `nearwise delete` and index it again",
                    article.id
                ),
            ),
            None => e,
        }
    })?;
    Ok((keys, points))
}

/// The vectors of all articles.
fn matrix(store: &Store) -> Result<Matrix> {
    match store.identity()? {
        Some(identity) => store.matrix(identity.dim),
        None => Ok(Matrix {
            keys: Vec::new(),
            values: ndarray::Array2::zeros((0, 0)),
        }),
    }
}

/// The terms that set a topic apart from another, and the other way round, each with its
/// z-score; from the most typical articles of both.
///
/// # Errors
/// A topic is unknown; the file is damaged.
pub fn apart(store: &Store, first: i64, second: i64) -> Result<[Vec<(String, f32)>; 2]> {
    /// Articles of each topic that are compared.
    const COMPARED: usize = 1000;
    let mut members = store.members()?;
    members.sort_by(|a, b| {
        b.similarity
            .total_cmp(&a.similarity)
            .then(a.article.cmp(&b.article))
    });
    let mut documents = Vec::new();
    for (group, id) in [first, second].into_iter().enumerate() {
        let before = documents.len();
        for member in members.iter().filter(|m| m.topic == id).take(COMPARED) {
            documents.push(describe::document(store, member.article, group as u32)?);
        }
        if documents.len() == before {
            return Err(Error::unknown_topic(id));
        }
    }
    Ok(labels::Terms::new(&documents, 2).apart(describe::WORDS))
}
