//! What a corpus is about: clusters of articles, their labels, their typical articles.
//!
//! Four steps, each in a module of its own: [`reduce`](mod@reduce) keeps the directions in
//! which the corpus differs, [`cluster`] groups the vectors, [`choose`](mod@choose) decides
//! how many groups, [`labels`] finds the words that set each apart.

pub mod choose;
pub mod cluster;
pub mod eval;
pub mod labels;
pub mod reduce;

use crate::corpus::boilerplate;
use crate::encoder::normalize;
use crate::error::{Error, Result};
use crate::store::{Matrix, Store, StoredTopic, TopicRun, dot};
use choose::choose;
use cluster::{Clustering, kmeans};
use labels::{Labeller, readable};
use reduce::reduce;
use std::collections::HashMap;

/// How topics are found.
#[derive(Debug, Clone)]
pub struct TopicOptions {
    /// The number of topics; chosen by the silhouette where it is not given.
    pub k: Option<usize>,
    /// The seed of all that is random.
    pub seed: u64,
}

impl Default for TopicOptions {
    fn default() -> Self {
        Self { k: None, seed: 42 }
    }
}

/// Topics, and how they were made.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Topics {
    /// How they were made.
    pub run: TopicRun,
    /// The topics, largest first.
    pub topics: Vec<StoredTopic>,
}

/// Typical articles that are kept of each topic.
const TYPICAL: usize = 10;
/// Articles of a topic that its label is made from, the most typical ones.
const LABELLED: usize = 400;
/// Words and phrases that are kept of each topic.
const WORDS: usize = 12;

/// The stored topics if they fit the corpus as it is now and the options; else new ones.
///
/// # Errors
/// As [`fit`].
pub fn fitted(store: &mut Store, options: &TopicOptions) -> Result<Topics> {
    if let Some(run) = store.topic_run()?
        && run.generation == store.generation()?
        && run.seed == options.seed
        && options
            .k
            .map_or(!run.k_given, |k| run.k_given && run.k == k)
    {
        return Ok(Topics {
            topics: store.topics()?,
            run,
        });
    }
    fit(store, options)
}

/// Finds topics and stores them in the corpus.
///
/// k-means on the articles' reduced vectors, by linfa-clustering; see [`reduce`](mod@reduce),
/// [`cluster`] and [`mod@choose`].
/// The same corpus, options and version give the same topics, on any number of threads.
///
/// # Errors
/// There are fewer articles than topics, or none; the file cannot be written.
pub fn fit(store: &mut Store, options: &TopicOptions) -> Result<Topics> {
    let dim = store.identity()?.map_or(0, |i| i.dim);
    let generation = store.generation()?;
    let matrix = if dim == 0 {
        Matrix {
            keys: Vec::new(),
            values: ndarray::Array2::zeros((0, 0)),
        }
    } else {
        store.matrix(dim)?
    };
    let n = matrix.keys.len();
    if n == 0 {
        return Err(Error::Topics(
            "the corpus holds no embedded articles; run `nearwise index` first".into(),
        ));
    }
    let (clustering, silhouette) = match options.k {
        Some(0) => return Err(Error::usage("--topics", "there must be at least 1")),
        Some(k) if k > n => {
            return Err(Error::usage(
                "--topics",
                format!("{k} topics of {n} articles; give {n} or fewer"),
            ));
        }
        Some(k) => {
            let clustering = kmeans(&reduce(&matrix.values)?, k, options.seed)?;
            let silhouette = choose::silhouette(&matrix.values, &clustering.members, k);
            (clustering, silhouette)
        }
        None => choose(&matrix.values, &reduce(&matrix.values)?, options.seed)?,
    };
    let (topics, members) = describe(store, &matrix, &clustering)?;
    let run = TopicRun {
        method: "k-means (linfa-clustering) on 12 principal components".to_string(),
        k: topics.len(),
        k_given: options.k.is_some(),
        seed: options.seed,
        silhouette,
        generation,
    };
    store.replace_topics(&run, &topics, &members)?;
    Ok(Topics { run, topics })
}

type Described = (Vec<StoredTopic>, Vec<(i64, i64, f32)>);

/// Numbers the clusters by size, labels them and picks their typical articles.
fn describe(store: &Store, matrix: &Matrix, clustering: &Clustering) -> Result<Described> {
    let rows: Vec<&[f32]> = matrix
        .values
        .outer_iter()
        .map(|row| row.to_slice().unwrap_or_default())
        .collect();
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); clustering.k];
    for (row, &cluster) in clustering.members.iter().enumerate() {
        groups[cluster].push(row);
    }
    groups.retain(|rows| !rows.is_empty());
    groups.sort_by_key(|rows| (std::cmp::Reverse(rows.len()), rows[0]));

    let mut topics = Vec::new();
    let mut members = Vec::with_capacity(rows.len());
    let mut labeller = Labeller::new(groups.len());
    for (id, group) in groups.iter().enumerate() {
        let mut centroid = vec![0.0; matrix.values.ncols()];
        for &row in group {
            for (c, x) in centroid.iter_mut().zip(rows[row]) {
                *c += x;
            }
        }
        normalize(&mut centroid);
        let mut by_similarity: Vec<(f32, i64)> = group
            .iter()
            .map(|&row| (dot(&centroid, rows[row]), matrix.keys[row]))
            .collect();
        members.extend(by_similarity.iter().map(|&(s, key)| (key, id as i64, s)));
        by_similarity.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for &(_, key) in by_similarity.iter().take(LABELLED) {
            let article = store.article_at(key)?;
            let own = boilerplate::without(&article.text, &article.boilerplate);
            labeller.add(id, &article.title, &own);
        }
        topics.push(StoredTopic {
            id: id as i64,
            label: String::new(),
            size: group.len() as u64,
            words: Vec::new(),
            typical: distinct(store, &by_similarity)?,
            centroid,
        });
    }
    members.sort_unstable_by_key(|&(key, _, _)| key);
    let mut used: HashMap<String, usize> = HashMap::new();
    for (topic, words) in topics.iter_mut().zip(labeller.finish(WORDS)) {
        let label = readable(&words);
        // Two topics may share their words; a number keeps them apart.
        let count = used.entry(label.clone()).or_default();
        *count += 1;
        topic.label = if *count > 1 {
            format!("{label} ({count})")
        } else {
            label
        };
        topic.words = words;
    }
    Ok((topics, members))
}

/// The first articles with different titles: copies of one article say nothing more.
fn distinct(store: &Store, ranked: &[(f32, i64)]) -> Result<Vec<i64>> {
    let mut titles = std::collections::HashSet::new();
    let mut out = Vec::new();
    for &(_, key) in ranked {
        if out.len() == TYPICAL {
            break;
        }
        let title = store.article_at(key)?.title.to_lowercase();
        if title.is_empty() || titles.insert(title) {
            out.push(key);
        }
    }
    Ok(out)
}
