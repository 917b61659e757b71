//! Articles that come later: joining topics without finding them anew, and the drift that
//! says when to find them anew after all.

use super::cluster::kmeans::assign as nearest;
use super::watch::Watch;
use super::{matrix, none_yet, stored};
use crate::error::{Error, Result};
use crate::job::{Job, Stage};
use crate::store::{Member, NO_TOPIC, Reader, StoredTopics, Writer};
use std::collections::{HashMap, HashSet};

/// The drift above which topics should be found anew: see [`Drift::refit`].
pub const DRIFT_LIMIT: f32 = 0.05;
/// They should be as well when more than this share of the articles has joined since.
const JOINED: f32 = 0.5;

/// What became of articles that were given a place among the topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Placed {
    /// How many joined a topic.
    pub joined: u64,
    /// How many are in no topic.
    pub in_none: u64,
}

impl Writer {
    /// Puts every article that has no place yet in the topic of the nearest centroid. It is in no
    /// topic where its cosine there is below all but one in a hundred of the topic's own articles.
    ///
    /// # Errors
    /// There are no topics; the file cannot be written; the job is cancelled.
    pub fn join_topics(&mut self, job: &Job) -> Result<Placed> {
        if self.topic_run()?.is_none() {
            return Err(none_yet(self));
        }
        let new: HashSet<i64> = self.unplaced()?.into_iter().collect();
        if new.is_empty() {
            return Ok(Placed::default());
        }
        let stored = stored(self)?;
        let limits = limits(&stored);
        place_articles(
            self,
            &stored,
            |key| new.contains(&key),
            |topic| limits.get(&topic).copied().unwrap_or(-1.0),
            true,
            job,
        )
    }

    /// Puts articles that are in no topic in the topic of the nearest centroid, where their cosine
    /// to it is at least `threshold`.
    ///
    /// # Errors
    /// There are no topics; the threshold is no cosine, -1 to 1; the file cannot be written; the job is
    /// cancelled.
    pub fn assign_outliers(&mut self, threshold: f32, job: &Job) -> Result<Placed> {
        if !(-1.0..=1.0).contains(&threshold) {
            return Err(Error::parameter("threshold", "give a cosine, from -1 to 1"));
        }
        let stored = stored(self)?;
        let none: HashSet<i64> = stored
            .members
            .iter()
            .filter(|m| m.topic == NO_TOPIC)
            .map(|m| m.article)
            .collect();
        place_articles(
            self,
            &stored,
            |key| none.contains(&key),
            |_| threshold,
            false,
            job,
        )
    }
}

/// For each topic, the cosine that all but one in a hundred of its fitted articles reach.
fn limits(stored: &StoredTopics) -> HashMap<i64, f32> {
    let mut cosines: HashMap<i64, Vec<f32>> = HashMap::new();
    for m in stored
        .members
        .iter()
        .filter(|m| !m.joined && m.topic != NO_TOPIC)
    {
        cosines.entry(m.topic).or_default().push(m.similarity);
    }
    cosines
        .into_iter()
        .map(|(topic, mut all)| {
            all.sort_by(f32::total_cmp);
            // Where there are few articles their lowest cosine is a little less than the limit.
            let slack = if all.len() < 100 { 0.05 } else { 0.0 };
            (topic, all[all.len() / 100] - slack)
        })
        .collect()
}

fn place_articles(
    store: &mut Writer,
    stored: &StoredTopics,
    wanted: impl Fn(i64) -> bool,
    limit: impl Fn(i64) -> f32,
    joined: bool,
    job: &Job,
) -> Result<Placed> {
    let watch = Watch::new(job);
    let matrix = matrix(store, &watch)?;
    let dim = matrix.values.ncols();
    let chosen: Vec<usize> = (0..matrix.keys.len())
        .filter(|&r| wanted(matrix.keys[r]))
        .collect();
    if chosen.is_empty() || stored.topics.is_empty() {
        return Ok(Placed {
            joined: 0,
            in_none: chosen.len() as u64,
        });
    }
    let some = matrix.values.select(ndarray::Axis(0), &chosen);
    let rows = some.as_slice().unwrap_or_default();
    let centroids: Vec<f32> = stored
        .topics
        .iter()
        .flat_map(|t| t.centroid.iter().copied())
        .collect();
    let (topics, cosines) = nearest(rows, dim, &centroids, &watch)?;
    let mut members = Vec::with_capacity(chosen.len());
    for (i, &row) in chosen.iter().enumerate() {
        watch.check()?;
        let topic = &stored.topics[topics[i] as usize];
        let fits = cosines[i] >= limit(topic.id);
        let vector = &rows[i * dim..][..dim];
        let part = stored
            .parts
            .iter()
            .filter(|p| p.topic == topic.id && fits)
            .max_by(|a, b| {
                let cosine =
                    |p: &crate::store::StoredPart| crate::vectors::dot(&p.centroid, vector);
                cosine(a).total_cmp(&cosine(b)).then(b.id.cmp(&a.id))
            })
            .map(|p| p.id);
        members.push(Member {
            article: matrix.keys[row],
            topic: if fits { topic.id } else { NO_TOPIC },
            part,
            similarity: cosines[i],
            joined,
        });
    }
    job.check()?;
    job.progress(Stage::Writing, 0, Some(members.len() as u64));
    store.put_members(&members)?;
    let placed = members.iter().filter(|m| m.topic != NO_TOPIC).count() as u64;
    Ok(Placed {
        joined: placed,
        in_none: members.len() as u64 - placed,
    })
}

/// The mean cosine of articles to the centroid of their topic, or the nearest.
pub(super) fn cohesion(members: &[Member]) -> f32 {
    let sum: f64 = members.iter().map(|m| f64::from(m.similarity)).sum();
    (sum / members.len().max(1) as f64) as f32
}

/// How far a corpus has moved from its topics since they were found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Drift {
    /// Articles there when the topics were found.
    pub fitted: u64,
    /// Articles that joined since.
    pub joined: u64,
    /// Articles that have no place yet; [`Writer::join_topics`] gives them one.
    pub waiting: u64,
    /// The mean cosine to the nearest centroid of the fitted articles.
    pub cohesion_fitted: f32,
    /// That of the articles that joined.
    pub cohesion_joined: f32,
    /// The share in no topic among the fitted.
    pub no_topic_fitted: f32,
    /// That among the joined.
    pub no_topic_joined: f32,
    /// The Jensen-Shannon divergence, in bits, 0 to 1, between the shares of topics among the
    /// fitted and among the joined.
    pub shift: f32,
    /// The drift, 0 to 1: the share of articles that joined, times the sum of the relative
    /// loss of cohesion, the gain of the share in no topic, and the shift.
    pub drift: f32,
    /// Whether topics should be found anew: the drift is above 0.05, or more than half of the
    /// articles have joined.
    pub refit: bool,
}

impl Reader {
    /// How far the corpus has moved from its topics.
    ///
    /// # Errors
    /// There are no topics; the file is damaged.
    pub fn topic_drift(&self) -> Result<Drift> {
        let stored = stored(self)?;
        let (joined, fitted): (Vec<Member>, Vec<Member>) =
            stored.members.iter().partition(|m| m.joined);
        let waiting = self.unplaced()?.len() as u64;
        let none = |m: &[Member]| {
            m.iter().filter(|m| m.topic == NO_TOPIC).count() as f32 / m.len().max(1) as f32
        };
        let (before, now) = (cohesion(&fitted), cohesion(&joined));
        let share = joined.len() as f32 / (joined.len() + fitted.len()).max(1) as f32;
        let shift = if joined.is_empty() {
            0.0
        } else {
            divergence(&shares(&fitted), &shares(&joined))
        };
        let loss = if joined.is_empty() {
            0.0
        } else {
            ((before - now) / before.max(1e-6)).clamp(0.0, 1.0)
        };
        let gain = (none(&joined) - none(&fitted)).max(0.0);
        let drift = (share * (loss + gain + shift)).min(1.0);
        Ok(Drift {
            fitted: fitted.len() as u64,
            joined: joined.len() as u64,
            waiting,
            cohesion_fitted: before,
            cohesion_joined: if joined.is_empty() { before } else { now },
            no_topic_fitted: none(&fitted),
            no_topic_joined: none(&joined),
            shift,
            drift,
            refit: drift > DRIFT_LIMIT || share > JOINED,
        })
    }
}

fn shares(members: &[Member]) -> HashMap<i64, f64> {
    let mut out: HashMap<i64, f64> = HashMap::new();
    for m in members {
        *out.entry(m.topic).or_default() += 1.0 / members.len() as f64;
    }
    out
}

/// Jensen-Shannon divergence in bits.
fn divergence(a: &HashMap<i64, f64>, b: &HashMap<i64, f64>) -> f32 {
    let mut topics: Vec<&i64> = a.keys().chain(b.keys()).collect();
    topics.sort_unstable();
    topics.dedup();
    let mut sum = 0.0;
    for topic in topics {
        let (p, q) = (
            a.get(topic).copied().unwrap_or(0.0),
            b.get(topic).copied().unwrap_or(0.0),
        );
        let m = f64::midpoint(p, q);
        for x in [p, q] {
            if x > 0.0 {
                sum += 0.5 * x * (x / m).log2();
            }
        }
    }
    sum.clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_of_the_same_and_of_the_disjoint() {
        let a: HashMap<i64, f64> = [(0, 0.5), (1, 0.5)].into();
        let b: HashMap<i64, f64> = [(2, 1.0)].into();
        assert_eq!(divergence(&a, &a), 0.0);
        assert_eq!(divergence(&a, &b), 1.0);
        // scipy.spatial.distance.jensenshannon([.5, .5], [.25, .75], 2) ** 2
        let c: HashMap<i64, f64> = [(0, 0.25), (1, 0.75)].into();
        assert!((divergence(&a, &c) - 0.048_794_94).abs() < 1e-6);
    }
}
