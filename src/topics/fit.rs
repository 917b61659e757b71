//! Finding topics and storing them.

use super::cluster::hdbscan::{HdbscanOptions, hdbscan};
use super::cluster::kmeans::{Centres, KmeansOptions, kmeans};
use super::cluster::leiden::{leiden, stable};
use super::cluster::{Clustering, Method, NONE, centroids, linfa};
use super::graph::{Graph, Neighbours, neighbours};
use super::labels::meaning::{self, Candidates};
use super::labels::{Document, Terms, distinct};
use super::points::Points;
use super::reduce::reduce;
use super::tree::{self, Found};
use super::{TopicOptions, Topics, assign, choose, guide, matrix, outliers};
use crate::corpus::boilerplate;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::store::{
    Member, NO_TOPIC, Store, StoredJoin, StoredPart, StoredTopic, StoredTopics, TopicRun, dot,
};
use std::collections::{HashMap, HashSet};

/// Neighbours of each article in the graph.
const NEIGHBOURS: usize = 15;
/// A corpus of fewer articles is clustered by linfa's k-means from many starts: its graph has
/// too few edges to cut it by.
const SMALL: usize = 500;
/// Typical articles that are kept of each topic.
const TYPICAL: usize = 10;
/// Articles that labels are made from: of each part at most so many, the most typical, and of
/// all parts together.
const LABELLED: usize = 400;
const LABELLED_IN_ALL: usize = 20_000;
/// Words and phrases that are kept of each topic, and candidates for them.
pub(super) const WORDS: usize = 12;
const CANDIDATES: usize = 30;
/// The share of articles that two topics have in common from which one continues the other.
const PERSISTS: f64 = 0.5;

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
    let points = Points::new(matrix.values.view())?;
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
    let joins = tree::branches(&points, &parts, &topic_of);
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
    stored.joins = joins
        .into_iter()
        .map(|j| StoredJoin {
            left: j.left,
            right: j.right,
            cost: j.cost,
        })
        .collect();
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
        for k in tree::numbers(choose::MOST.min(sample.len() / 3).max(2)) {
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

/// Clusters of points, to be described and stored.
struct Rows<'a> {
    keys: &'a [i64],
    points: &'a Points,
    topics: &'a Clustering,
    parts: &'a Clustering,
    topic_of: &'a [u32],
}

impl Rows<'_> {
    /// Topics and parts with labels, words, typical articles and members.
    fn described(&self, store: &Store, encoder: Option<&mut Encoder>) -> Result<StoredTopics> {
        let dim = self.points.vectors.ncols();
        let centres = centroids(self.points, self.topics);
        let part_centres = centroids(self.points, self.parts);
        let centre = |c: &[f32], i: usize| -> Vec<f32> { c[i * dim..][..dim].to_vec() };
        let mut members = Vec::with_capacity(self.keys.len());
        let mut by_part: Vec<Vec<(f32, i64)>> = vec![Vec::new(); self.parts.k];
        let mut by_topic: Vec<Vec<(f32, i64)>> = vec![Vec::new(); self.topics.k];
        for (row, &article) in self.keys.iter().enumerate() {
            let point = self.points.of_row(row);
            let vector = self.points.vector(point);
            let (topic, part) = (self.topics.members[point], self.parts.members[point]);
            let similarity = if topic == NONE {
                centres
                    .chunks_exact(dim.max(1))
                    .map(|c| dot(c, vector))
                    .fold(-1.0, f32::max)
            } else {
                dot(&centres[topic as usize * dim..][..dim], vector)
            };
            members.push(Member {
                article,
                topic: if topic == NONE {
                    NO_TOPIC
                } else {
                    i64::from(topic)
                },
                part: (part != NONE).then_some(i64::from(part)),
                similarity,
                joined: false,
            });
            if part != NONE {
                by_part[part as usize].push((similarity, article));
            }
            if topic != NONE {
                by_topic[topic as usize].push((similarity, article));
            }
        }
        let nearest = |list: &mut Vec<(f32, i64)>| {
            list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        };
        by_part.iter_mut().for_each(nearest);
        by_topic.iter_mut().for_each(nearest);

        let most = LABELLED.min(LABELLED_IN_ALL / self.parts.k.max(1)).max(20);
        let mut documents = Vec::new();
        for (part, list) in by_part.iter().enumerate() {
            for &(_, key) in list.iter().take(most) {
                documents.push(document(store, key, part as u32)?);
            }
        }
        let terms = Terms::new(&documents, self.parts.k);
        let class_of: Vec<Option<u32>> = self.topic_of.iter().map(|&t| Some(t)).collect();
        let each: Vec<Option<u32>> = (0..self.parts.k as u32).map(Some).collect();
        let candidates = if encoder.is_some() { CANDIDATES } else { WORDS };
        let mut topic_words = terms.weightiest(&class_of, self.topics.k, candidates);
        let mut part_words = terms.weightiest(&each, self.parts.k, candidates);
        if let Some(encoder) = encoder {
            let lists = topic_words.iter().chain(&part_words);
            let all: Vec<Candidates<'_>> = lists
                .zip(
                    centres
                        .chunks_exact(dim)
                        .chain(part_centres.chunks_exact(dim)),
                )
                .map(|(terms, centroid)| Candidates { terms, centroid })
                .collect();
            let mut ranked = meaning::rerank(encoder, &all, WORDS)?;
            part_words = ranked.split_off(self.topics.k);
            topic_words = ranked;
        }
        let labels = distinct(topic_words.iter().map(Vec::as_slice));
        let part_labels = distinct(part_words.iter().map(Vec::as_slice));
        let mut topics = Vec::new();
        for (i, (words, label)) in topic_words.into_iter().zip(labels).enumerate() {
            topics.push(StoredTopic {
                id: i as i64,
                label,
                named: false,
                size: by_topic[i].len() as u64,
                words,
                typical: typical(store, &by_topic[i])?,
                centroid: centre(&centres, i),
            });
        }
        let parts = part_words
            .into_iter()
            .zip(part_labels)
            .enumerate()
            .map(|(i, (words, label))| StoredPart {
                id: i as i64,
                topic: i64::from(self.topic_of[i]),
                label,
                size: by_part[i].len() as u64,
                words,
                centroid: centre(&part_centres, i),
            })
            .collect();
        Ok(StoredTopics {
            run: empty_run(),
            topics,
            parts,
            joins: Vec::new(),
            members,
        })
    }
}

fn empty_run() -> TopicRun {
    TopicRun {
        method: String::new(),
        k: 0,
        k_given: false,
        seed: 0,
        silhouette: 0.0,
        generation: 0,
        options: String::new(),
        articles: 0,
        no_topic: 0,
        cohesion: 0.0,
        next_id: 0,
        edited: false,
    }
}

/// An article's title and own text, as one of a group.
pub(super) fn document(store: &Store, key: i64, group: u32) -> Result<Document> {
    let article = store.article_at(key)?;
    Ok(Document {
        group,
        text: boilerplate::without(&article.text, &article.boilerplate),
        title: article.title,
    })
}

/// The first articles with different titles: copies of one article say nothing more.
pub(super) fn typical(store: &Store, ranked: &[(f32, i64)]) -> Result<Vec<i64>> {
    let mut titles = HashSet::new();
    let mut out = Vec::new();
    for &(_, key) in ranked {
        if out.len() == TYPICAL {
            break;
        }
        if titles.insert(store.title_at(key)?.to_lowercase()) {
            out.push(key);
        }
    }
    Ok(out)
}

/// Gives topics that persist the numbers and names that they had; the others get new numbers.
fn keep_numbers(new: &mut StoredTopics, old: Option<&StoredTopics>) {
    let mut number: HashMap<i64, i64> = HashMap::new();
    let mut next = 0;
    if let Some(old) = old {
        let mut both: HashMap<(i64, i64), u64> = HashMap::new();
        let topic_before: HashMap<i64, i64> =
            old.members.iter().map(|m| (m.article, m.topic)).collect();
        let mut size: HashMap<i64, u64> = HashMap::new();
        for m in new.members.iter().filter(|m| m.topic != NO_TOPIC) {
            if let Some(&before) = topic_before.get(&m.article).filter(|&&t| t != NO_TOPIC) {
                *both.entry((m.topic, before)).or_default() += 1;
            }
            *size.entry(m.topic).or_default() += 1;
        }
        let before: HashMap<i64, u64> = old.topics.iter().map(|t| (t.id, t.size)).collect();
        let mut shares: Vec<(f64, i64, i64)> = both
            .into_iter()
            .filter_map(|((now, then), n)| {
                // Articles that came since then count for neither side.
                let all = size.get(&now)? + before.get(&then)? - n;
                Some((n as f64 / all as f64, now, then))
            })
            .filter(|s| s.0 >= PERSISTS)
            .collect();
        shares.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut taken = HashSet::new();
        for (_, now, then) in shares {
            if !number.contains_key(&now) && taken.insert(then) {
                number.insert(now, then);
            }
        }
        if !number.is_empty() {
            next = old
                .run
                .next_id
                .max(old.topics.iter().map(|t| t.id + 1).max().unwrap_or(0));
        }
        for topic in &mut new.topics {
            let named = number
                .get(&topic.id)
                .and_then(|then| old.topics.iter().find(|t| t.id == *then && t.named));
            if let Some(named) = named.filter(|_| !topic.named) {
                topic.label.clone_from(&named.label);
                topic.named = true;
            }
        }
    }
    for topic in &mut new.topics {
        let id = *number.entry(topic.id).or_insert_with(|| {
            next += 1;
            next - 1
        });
        topic.id = id;
    }
    for part in &mut new.parts {
        part.topic = number[&part.topic];
    }
    for member in new.members.iter_mut().filter(|m| m.topic != NO_TOPIC) {
        member.topic = number[&member.topic];
    }
    new.run.next_id = next.max(new.topics.iter().map(|t| t.id + 1).max().unwrap_or(0));
}

/// Topics as clusters of points, changed by hand.
pub(super) struct Change {
    pub keys: Vec<i64>,
    pub points: Points,
    pub topics: Clustering,
    pub parts: Clustering,
    /// The topic of each part.
    pub topic_of: Vec<u32>,
    /// The number of each topic, where it keeps one.
    pub ids: Vec<Option<i64>>,
    /// Which topics have other articles than before, and so another label.
    pub touched: Vec<bool>,
}

/// Stores changed topics; empty ones are dropped, and those untouched keep their words. Returns
/// the number of each topic of the change that is left.
pub(super) fn rebuilt(
    store: &mut Store,
    old: &StoredTopics,
    change: Change,
    encoder: Option<&mut Encoder>,
) -> Result<Vec<i64>> {
    let rows = Rows {
        keys: &change.keys,
        points: &change.points,
        topics: &change.topics,
        parts: &change.parts,
        topic_of: &change.topic_of,
    };
    let mut new = rows.described(store, encoder)?;
    let joins = tree::branches(&change.points, &change.parts, &change.topic_of);
    new.joins = joins
        .into_iter()
        .map(|j| StoredJoin {
            left: j.left,
            right: j.right,
            cost: j.cost,
        })
        .collect();
    let mut next = old.run.next_id;
    let number: Vec<i64> = change
        .ids
        .iter()
        .map(|id| {
            id.unwrap_or_else(|| {
                next += 1;
                next - 1
            })
        })
        .collect();
    new.topics.retain(|t| t.size > 0);
    let mut left = Vec::new();
    for topic in &mut new.topics {
        let at = topic.id as usize;
        topic.id = number[at];
        left.push(topic.id);
        if let Some(before) = old.topics.iter().find(|t| t.id == topic.id) {
            if !change.touched[at] {
                topic.label.clone_from(&before.label);
                topic.words.clone_from(&before.words);
            }
            if before.named {
                topic.label.clone_from(&before.label);
                topic.named = true;
            }
        }
    }
    for part in &mut new.parts {
        part.topic = number[part.topic as usize];
    }
    let joined: HashSet<i64> = old
        .members
        .iter()
        .filter(|m| m.joined)
        .map(|m| m.article)
        .collect();
    for member in &mut new.members {
        if member.topic != NO_TOPIC {
            member.topic = number[member.topic as usize];
        }
        member.joined = joined.contains(&member.article);
    }
    new.run = TopicRun {
        k: new.topics.len(),
        silhouette: choose::silhouette(&change.points, &change.topics),
        no_topic: new.members.iter().filter(|m| m.topic == NO_TOPIC).count() as u64,
        cohesion: assign::cohesion(&new.members),
        next_id: next,
        edited: true,
        ..old.run.clone()
    };
    store.replace_topics(&new)?;
    Ok(left)
}
