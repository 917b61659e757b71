//! Finding topics and storing them.

use super::cluster::hdbscan::{HdbscanOptions, hdbscan};
use super::cluster::kmeans::{Centres, KmeansOptions, kmeans};
use super::cluster::leiden::{leiden, stable};
use super::cluster::{Clustering, Method, NONE, linfa};
use super::describe::{Groups, keep_numbers};
use super::graph::neighbours;
use super::points::{Points, numbered};
use super::reduce::reduce;
use super::tree::{self, Ground};
use super::{TopicOptions, Topics, assign, choose, guide, outliers, points};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::store::{NO_TOPIC, Store, StoredTopics, TopicRun};

/// A corpus of fewer articles is clustered by linfa's k-means from many starts: its graph has
/// too few edges to cut it by.
const SMALL: usize = 300;
/// The stored topics if there are any that fit `k` and `seed`, with articles that are new since
/// then joined to them; else new ones. Topics are also found anew, with the options that they
/// were found with, when [`assign::drift`] says so, unless they were changed by hand.
///
/// # Errors
/// As [`fit`].
pub fn fitted(
    store: &mut Store,
    k: Option<usize>,
    seed: Option<u64>,
    encoder: &mut dyn FnMut(&Store) -> Option<Encoder>,
) -> Result<Topics> {
    let run = store.topic_run()?.filter(|run| {
        let as_many = k.is_none_or(|k| run.k_given && run.k == k && !run.edited);
        as_many && seed.is_none_or(|s| s == run.seed)
    });
    let mut options = TopicOptions::default();
    if let Some(run) = run {
        if run.generation != store.generation()? {
            assign::join(store)?;
        }
        if run.edited || run.generation == store.generation()? || !assign::drift(store)?.refit {
            return Topics::stored(store);
        }
        options = serde_json::from_str(&run.options).unwrap_or(options);
    }
    options.k = k.or(options.k);
    options.seed = seed.unwrap_or(options.seed);
    let mut encoder = encoder(store);
    fit(store, &options, encoder.as_mut())
}

/// Finds topics and stores them in the corpus.
///
/// The same corpus, options and version give the same topics, on any number of threads and in
/// whatever order the articles were read. With an encoder, labels are ranked by meaning as
/// well; guides need one. Topics that persist from an earlier fit (half of the articles of
/// both together) keep their numbers and the names that the user gave them.
///
/// # Errors
/// There are fewer articles than topics, or none; a vector is no number; a guide finds nothing;
/// the file cannot be written.
pub fn fit(
    store: &mut Store,
    options: &TopicOptions,
    encoder: Option<&mut Encoder>,
) -> Result<Topics> {
    fit_telling(store, options, encoder, &mut |_| {})
}

/// As [`fit`]; calls `tell` with what is done next, for people who wait.
///
/// # Errors
/// As [`fit`].
pub fn fit_telling(
    store: &mut Store,
    options: &TopicOptions,
    mut encoder: Option<&mut Encoder>,
    tell: &mut dyn FnMut(&str),
) -> Result<Topics> {
    let generation = store.generation()?;
    tell("reading vectors");
    let (keys, points) = points(store)?;
    let n = keys.len();
    if n == 0 {
        return Err(Error::Topics(
            "the corpus holds no embedded articles; run `nearwise index` first".into(),
        ));
    }
    check_number(options, n, points.len())?;
    let points = points.on(options.device)?;
    let caught = match (options.guides.as_slice(), encoder.as_deref_mut()) {
        ([], _) => None,
        (guides, Some(encoder)) => Some(guide::catch(store, &keys, &points, encoder, guides)?),
        (_, None) => {
            return Err(Error::usage(
                "--guide",
                "the model is needed to read guides; it could not be opened",
            ));
        }
    };
    tell(&format!("clustering {n} articles"));
    let ground = Ground::new(&points, least(&points, options), options.seed);
    let topics = match &caught {
        None => cluster(&ground, options)?,
        Some(caught) => around(&points, caught, options)?,
    };
    let topics = numbered(&topics, &points.weights);
    let (parts, topic_of) = tree::parts(&ground, &topics);
    let silhouette = choose::silhouette(&points, &topics);
    if let Some(why) = points.device_failure() {
        tell(&format!("{why}; the CPU did the rest"));
    }
    tell(&format!(
        "reading articles for the labels of {} topics",
        topics.k
    ));

    let method = method_name(options, points.len());
    let groups = Groups {
        keys,
        points,
        topics,
        parts,
        topic_of,
    };
    let mut stored = groups.described(store, encoder)?;
    if let Some(caught) = &caught {
        name_guided(&mut stored, &groups, caught, &options.guides);
    }
    stored.run = TopicRun {
        method,
        k: stored.topics.len(),
        k_given: options.k.is_some(),
        seed: options.seed,
        silhouette,
        generation,
        options: serde_json::to_string(options).unwrap_or_default(),
        articles: n as u64,
        no_topic: stored
            .members
            .iter()
            .filter(|m| m.topic == NO_TOPIC)
            .count() as u64,
        cohesion: assign::cohesion(&stored.members),
        next_id: 0,
        edited: false,
    };
    keep_numbers(&mut stored, store.stored_topics()?.as_ref());
    store.replace_topics(&stored)?;
    Topics::stored(store)
}

/// Checks the number of topics that is asked for against `n` articles, of which `differ` differ.
fn check_number(options: &TopicOptions, n: usize, differ: usize) -> Result<()> {
    let method = options.method;
    let message = match options.k {
        None if method == Method::GaussianMixture => {
            "a Gaussian mixture needs the number of topics".to_string()
        }
        Some(0) => "there must be at least 1".to_string(),
        Some(k) if k > n => format!("{k} topics of {n} articles; give {n} or fewer"),
        Some(k) if k > differ => {
            format!("{k} topics of {differ} articles that differ; give so many or fewer")
        }
        Some(_) if method.finds_its_own_number() => {
            format!("{method} finds its own number of topics; leave it out")
        }
        Some(k) if k < options.guides.len() => {
            let guides = options.guides.len();
            format!("{k} topics with {guides} guides; give {guides} or more")
        }
        _ => return Ok(()),
    };
    Err(Error::usage("--topics", message))
}

fn method_name(options: &TopicOptions, points: usize) -> String {
    match options.method {
        Method::Tree if points < SMALL => {
            "k-means (linfa-clustering) on principal components".to_string()
        }
        method => method.name().to_string(),
    }
}

/// The fewest articles of a topic.
fn least(points: &Points, options: &TopicOptions) -> usize {
    options
        .least
        .unwrap_or_else(|| choose::smallest_topic(points.articles() as usize))
        .max(1)
}

/// Clusters points by the method that is asked for, and takes out what belongs to none.
fn cluster(ground: &Ground<'_>, options: &TopicOptions) -> Result<Clustering> {
    let &Ground {
        points,
        ref near,
        ref graph,
        least,
        seed,
        ..
    } = ground;
    let reduced = || reduce(&points.vectors);
    let mut topics = match (options.method, options.k) {
        (Method::Tree, k) if points.len() < SMALL => {
            choose::small(points, &reduced()?, k, least, seed)?
        }
        (Method::Tree, k) => tree::find(ground, k),
        (Method::Kmeans, k) => kmeans_of(ground, k, options.batch, Centres::Means),
        (Method::SphericalKmeans, k) => kmeans_of(ground, k, options.batch, Centres::Directions),
        (Method::LinfaKmeans, k) => choose::small(points, &reduced()?, k, least, seed)?,
        (Method::GaussianMixture, k) => linfa::gaussian_mixture(&reduced()?, k.unwrap_or(1), seed)?,
        (Method::Leiden, k) => match (options.resolution, k) {
            (Some(resolution), _) => {
                tree::without_small(points, &leiden(graph, resolution, seed), least)
            }
            (None, Some(k)) => tree::joined(ground, k),
            (None, None) => tree::without_small(points, &stable(graph, least, seed).0, least),
        },
        (Method::Hdbscan, _) => {
            let options = HdbscanOptions {
                least_size: least,
                least_neighbours: tree::NEIGHBOURS.min(least),
            };
            hdbscan(near, &points.weights, options)
        }
        (Method::Dbscan | Method::Optics, _) => {
            let reduced = reduced()?;
            let radius = options
                .radius
                .unwrap_or_else(|| usual_radius(&reduced, least));
            if options.method == Method::Dbscan {
                linfa::dbscan(&reduced, least, radius)?
            } else {
                linfa::optics(&reduced, least, radius)?
            }
        }
    };
    if topics.k == 0 {
        return Err(Error::Topics(format!(
            "{} found no topic: nothing is dense enough; lower --min-size, give a larger --radius, or use another --method",
            options.method
        )));
    }
    // What finds its own number leaves out what is not dense itself.
    if !options.method.finds_its_own_number() || options.min_similarity.is_some() {
        outliers::take_out(points, near, &mut topics, options.min_similarity);
    }
    Ok(topics)
}

/// k-means, with the number chosen by the silhouette where it is not given.
fn kmeans_of(
    ground: &Ground<'_>,
    k: Option<usize>,
    batch: Option<usize>,
    centres: Centres,
) -> Clustering {
    let points = ground.points;
    let options = |k| KmeansOptions {
        starts: 8,
        batch,
        centres,
        ..KmeansOptions::new(k, ground.seed)
    };
    let k = k.unwrap_or_else(|| {
        let most = (points.len() / 3).max(2);
        choose::number(points, most, ground.least, |sample, k| {
            let rough = KmeansOptions {
                iterations: 20,
                starts: 4,
                ..options(k)
            };
            kmeans(sample, &rough).clustering
        })
    });
    kmeans(points, &options(k)).clustering
}

/// The median distance to the `least`-th neighbour: half of the points are then dense.
fn usual_radius(reduced: &ndarray::Array2<f32>, least: usize) -> f32 {
    let Ok(points) = Points::new(reduced.view()) else {
        return 0.5;
    };
    let near = neighbours(&points, least.max(2), 1);
    if near.k == 0 {
        return 0.5;
    }
    let mut last: Vec<f32> = (0..points.len())
        .map(|p| {
            (2.0 - 2.0 * near.cosines[(p + 1) * near.k - 1])
                .max(0.0)
                .sqrt()
        })
        .collect();
    last.sort_by(f32::total_cmp);
    last[last.len() / 2].max(1e-3)
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
    let ground = Ground::new(&some, least(&some, &options), options.seed);
    let rest = cluster(&ground, &options)?;
    for (&p, &c) in free.iter().zip(&rest.members) {
        if c != NONE {
            topics.members[p] = guides as u32 + c;
        }
    }
    topics.k += rest.k;
    Ok(topics)
}

/// Gives the guides' topics their names: a guide's topic is the one that holds its first point.
fn name_guided(
    stored: &mut StoredTopics,
    groups: &Groups,
    caught: &[Option<u32>],
    guides: &[super::Guide],
) {
    for (g, guide) in guides.iter().enumerate() {
        let point = caught.iter().position(|c| *c == Some(g as u32));
        let topic = point.map(|p| i64::from(groups.topics.members[p]));
        if let Some(topic) = stored.topics.iter_mut().find(|t| Some(t.id) == topic) {
            topic.label.clone_from(&guide.name);
            topic.named = true;
        }
    }
}
