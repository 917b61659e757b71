//! Finding topics and storing them.

use super::cluster::hdbscan::{HdbscanOptions, hdbscan};
use super::cluster::kmeans::{Centres, KmeansOptions, kmeans};
use super::cluster::leiden::{leiden, stable};
use super::cluster::{Clustering, Method, NONE, linfa};
use super::describe::{Rows, keep_numbers};
use super::graph::{Graph, Neighbours, neighbours};
use super::points::Points;
use super::reduce::reduce;
use super::tree::{self, Found};
use super::{TopicOptions, Topics, assign, choose, distinct, guide, matrix, outliers};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::store::{NO_TOPIC, Store, StoredTopics, TopicRun};

/// Neighbours of each article in the graph.
const NEIGHBOURS: usize = 15;
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
    let matrix = matrix(store)?;
    let n = matrix.keys.len();
    if n == 0 {
        return Err(Error::Topics(
            "the corpus holds no embedded articles; run `nearwise index` first".into(),
        ));
    }
    match options.k {
        Some(0) => return Err(Error::usage("--topics", "there must be at least 1")),
        Some(k) if k > n => {
            return Err(Error::usage(
                "--topics",
                format!("{k} topics of {n} articles; give {n} or fewer"),
            ));
        }
        _ => {}
    }
    let points = distinct(store, &matrix)?;
    if let Some(k) = options.k.filter(|&k| k > points.len()) {
        return Err(Error::usage(
            "--topics",
            format!(
                "{k} topics of {} articles that differ; give so many or fewer",
                points.len()
            ),
        ));
    }
    let caught = match (options.guides.as_slice(), encoder.as_deref_mut()) {
        ([], _) => None,
        (guides, Some(encoder)) => {
            Some(guide::catch(store, &matrix.keys, &points, encoder, guides)?)
        }
        (_, None) => {
            return Err(Error::usage(
                "--guide",
                "the model is needed to read guides; it could not be opened",
            ));
        }
    };
    tell(&format!("clustering {n} articles"));
    let mut found = match &caught {
        None => cluster(&points, options)?,
        Some(caught) => around(&points, caught, options)?,
    };
    renumber(&points, &mut found);
    let least = least(&points, options);
    let (parts, topic_of) = tree::parts(&points, &found, least);
    let silhouette = choose::silhouette(&points, &found.topics);
    tell(&format!(
        "reading articles for the labels of {} topics",
        found.topics.k
    ));

    let rows = Rows {
        keys: &matrix.keys,
        points: &points,
        topics: &found.topics,
        parts: &parts,
        topic_of: &topic_of,
    };
    let mut stored = rows.described(store, encoder)?;
    let guided = caught.as_ref().map_or(&[][..], |_| &options.guides);
    name_guided(
        &mut stored,
        &points,
        &matrix.keys,
        caught.as_deref(),
        guided,
    );
    stored.run = TopicRun {
        method: method_name(options, points.len()),
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
    Ok(Topics {
        topics: store.topics()?,
        run: stored.run,
        parts: stored.parts,
    })
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
    let articles: u64 = points.weights.iter().map(|&w| u64::from(w)).sum();
    options
        .least
        .unwrap_or_else(|| choose::smallest_topic(articles as usize))
        .max(1)
}

/// Clusters points by the method that is asked for, and takes out what belongs to none.
fn cluster(points: &Points, options: &TopicOptions) -> Result<Found> {
    let seed = options.seed;
    let least = least(points, options);
    let reduced = || reduce(&points.vectors);
    let graph = || neighbours(points, NEIGHBOURS, seed);
    let small = points.len() < SMALL;
    let mut near: Option<Neighbours> = None;
    let mut leaves: Option<Clustering> = None;
    let mut topics = match options.method {
        Method::Tree if small => choose::small(points, &reduced()?, options.k, least, seed)?,
        Method::Tree => {
            let graph = near.insert(graph());
            let found = tree::find(points, graph, options.k, least, seed);
            leaves = Some(found.leaves);
            found.topics
        }
        Method::Kmeans => kmeans_of(
            points,
            options.k,
            least,
            seed,
            options.batch,
            Centres::Means,
        ),
        Method::SphericalKmeans => kmeans_of(
            points,
            options.k,
            least,
            seed,
            options.batch,
            Centres::Directions,
        ),
        Method::LinfaKmeans => match options.k {
            Some(k) => linfa::kmeans(
                reduced()?.view(),
                k,
                seed,
                choose::starts(points.len()),
                100,
            )?,
            None => choose::small(points, &reduced()?, None, least, seed)?,
        },
        Method::GaussianMixture => {
            let k = options.k.ok_or_else(|| {
                Error::usage("--topics", "a Gaussian mixture needs the number of topics")
            })?;
            linfa::gaussian_mixture(&reduced()?, k, seed)?
        }
        Method::Leiden => {
            let near = near.insert(graph());
            let graph = Graph::new(near);
            let found = match (options.resolution, options.k) {
                (Some(resolution), _) => leiden(&graph, resolution, seed),
                (None, Some(k)) => {
                    return Ok(with_leaves(
                        points,
                        tree::joined(points, &graph, k, least, seed),
                        near,
                        seed,
                        least,
                    ));
                }
                (None, None) => stable(&graph, least, seed).0,
            };
            tree::without_small(points, &found, least)
        }
        Method::Hdbscan => {
            let near = near.insert(graph());
            let options = HdbscanOptions {
                least_size: least,
                least_neighbours: NEIGHBOURS.min(least),
            };
            hdbscan(near, &points.weights, options)
        }
        Method::Dbscan | Method::Optics => {
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
    if options.method.finds_its_own_number() {
        if options.k.is_some() {
            return Err(Error::usage(
                "--topics",
                format!(
                    "{} finds its own number of topics; leave it out",
                    options.method
                ),
            ));
        }
        if topics.k == 0 {
            return Err(Error::Topics(format!(
                "{} found no topic: nothing is dense enough; lower --min-size, give a larger --radius, or use another --method",
                options.method
            )));
        }
    }
    if !(options.method.finds_its_own_number() && options.min_similarity.is_none()) {
        let near = (points.len() > NEIGHBOURS).then(|| near.get_or_insert_with(graph));
        outliers::take_out(points, near.as_deref(), &mut topics, options.min_similarity);
    }
    let near = near.unwrap_or_else(graph);
    Ok(match leaves {
        Some(leaves) => Found { topics, leaves },
        None => with_leaves(points, topics, &near, seed, least),
    })
}

fn with_leaves(
    points: &Points,
    topics: Clustering,
    near: &Neighbours,
    seed: u64,
    least: usize,
) -> Found {
    let leaves = tree::communities(points, &Graph::new(near), tree::RESOLUTION, least, seed);
    Found { topics, leaves }
}

/// k-means, with the number chosen by the silhouette where it is not given.
fn kmeans_of(
    points: &Points,
    k: Option<usize>,
    least: usize,
    seed: u64,
    batch: Option<usize>,
    centres: Centres,
) -> Clustering {
    let options = |k| KmeansOptions {
        starts: 8,
        batch,
        centres,
        ..KmeansOptions::new(k, seed)
    };
    let k = k.or_else(|| {
        let sample = points.sample(10_000);
        let mut tried = Vec::new();
        for k in choose::numbers(choose::MOST.min(sample.len() / 3).max(2)) {
            let rough = KmeansOptions {
                iterations: 20,
                starts: 4,
                ..options(k)
            };
            let found = kmeans(&sample, &rough).clustering;
            if choose::sizes(&sample, &found)
                .iter()
                .all(|&s| s >= least as u64)
            {
                tried.push((k, choose::silhouette(&sample, &found)));
            }
        }
        choose::fewest(&tried).map(|at| tried[at].0)
    });
    match k {
        Some(k) => kmeans(points, &options(k)).clustering,
        None => Clustering::one(points.len()),
    }
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
fn around(points: &Points, caught: &[Option<u32>], options: &TopicOptions) -> Result<Found> {
    let guides = options.guides.len();
    let free: Vec<usize> = (0..points.len()).filter(|&p| caught[p].is_none()).collect();
    let k = match options.k {
        Some(k) if k < guides => {
            return Err(Error::usage(
                "--topics",
                format!("{k} topics with {guides} guides; give {guides} or more"),
            ));
        }
        k => k.map(|k| (k - guides).min(free.len())),
    };
    let rest = if free.is_empty() || k == Some(0) {
        None
    } else {
        let some = points.chosen(&free);
        let options = TopicOptions {
            k,
            guides: Vec::new(),
            ..options.clone()
        };
        Some(cluster(&some, &options)?)
    };
    let whole = neighbours(points, NEIGHBOURS, options.seed);
    let mut members: Vec<u32> = caught.iter().map(|c| c.unwrap_or(NONE)).collect();
    let mut k = guides;
    if let Some(rest) = rest {
        for (&p, &c) in free.iter().zip(&rest.topics.members) {
            if c != NONE {
                members[p] = guides as u32 + c;
            }
        }
        k += rest.topics.k;
    }
    let topics = Clustering { k, members };
    Ok(with_leaves(
        points,
        topics,
        &whole,
        options.seed,
        least(points, options),
    ))
}

/// Numbers topics by size; empty ones are dropped.
fn renumber(points: &Points, found: &mut Found) {
    found.topics = super::points::numbered(&found.topics, &points.weights);
}

/// Gives the guides' topics their names: a guide's topic is the one that holds its first point.
fn name_guided(
    stored: &mut StoredTopics,
    points: &Points,
    keys: &[i64],
    caught: Option<&[Option<u32>]>,
    guides: &[super::Guide],
) {
    let Some(caught) = caught else { return };
    for (g, guide) in guides.iter().enumerate() {
        let row = (0..keys.len()).find(|&row| caught[points.of_row(row)] == Some(g as u32));
        let Some(topic) = row.map(|row| stored.members[row].topic) else {
            continue;
        };
        if let Some(topic) = stored.topics.iter_mut().find(|t| t.id == topic) {
            topic.label.clone_from(&guide.name);
            topic.named = true;
        }
    }
}
