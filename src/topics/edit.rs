//! Changing topics by hand: merging, splitting, cutting the tree elsewhere.

use super::choose::sizes;
use super::cluster::kmeans::{KmeansOptions, kmeans};
use super::cluster::{Clustering, NONE, centroids};
use super::describe::{Change, Groups, rebuilt};
use super::points::numbered;
use super::stored;
use super::tree::cut;
use super::watch::Watch;
use crate::encoder::Encoder;
use crate::error::{Error, ErrorKind, Result};
use crate::job::Job;
use crate::store::{Reader, StoredPart, StoredTopics, Writer};
use crate::vectors::dot;
use std::collections::HashMap;

/// The stored topics, every article in its place, which must be so before places change.
fn placed(store: &mut Writer, job: &Job) -> Result<StoredTopics> {
    store.join_topics(job)?;
    stored(store)
}

fn index_of(stored: &StoredTopics, id: i64) -> Result<usize> {
    let found = stored.topics.iter().position(|t| t.id == id);
    found.ok_or_else(|| Error::unknown_topic(id))
}

impl Writer {
    /// Merges topics into the first of them, which keeps its number and, where the user gave it,
    /// its name. Returns its number.
    ///
    /// # Errors
    /// A topic is unknown or named twice, or fewer than two are given; the encoder's model is another
    /// than the corpus's; the file cannot be written; the job is cancelled. Topics then stay.
    pub fn merge_topics(
        &mut self,
        ids: &[i64],
        encoder: Option<&Encoder>,
        job: &Job,
    ) -> Result<i64> {
        let stored = placed(self, job)?;
        let mut chosen = Vec::new();
        for &id in ids {
            let index = index_of(&stored, id)?;
            if chosen.contains(&index) {
                return Err(Error::parameter(
                    "topics",
                    format!("topic {id} is named twice"),
                ));
            }
            chosen.push(index);
        }
        if chosen.len() < 2 {
            return Err(Error::parameter(
                "topics",
                "name two topics or more to merge",
            ));
        }
        let mut change = Change::new(self, &stored, job)?;
        let groups = &mut change.groups;
        let into = chosen[0] as u32;
        for topic in groups.topics.members.iter_mut().chain(&mut groups.topic_of) {
            if *topic != NONE && chosen.contains(&(*topic as usize)) {
                *topic = into;
            }
        }
        change.touched[chosen[0]] = true;
        rebuilt(self, &stored, change, encoder)?;
        Ok(ids[0])
    }

    /// Splits a topic into `into` topics by k-means. The largest keeps its number;
    /// returns the numbers of all.
    ///
    /// # Errors
    /// The topic is unknown or has too few articles that differ; the encoder's model is another
    /// than the corpus's; the file cannot be written; the job is cancelled. Topics then stay.
    pub fn split_topic(
        &mut self,
        id: i64,
        into: usize,
        encoder: Option<&Encoder>,
        job: &Job,
    ) -> Result<Vec<i64>> {
        let stored = placed(self, job)?;
        let topic = index_of(&stored, id)?;
        if into < 2 {
            return Err(Error::parameter("into", "give 2 or more"));
        }
        let mut change = Change::new(self, &stored, job)?;
        let groups = &mut change.groups;
        let own: Vec<usize> = (0..groups.points.len())
            .filter(|&p| groups.topics.members[p] as usize == topic)
            .collect();
        if own.len() < into {
            return Err(Error::parameter(
                "into",
                format!(
                    "topic {id} has {} articles that differ; give that many or fewer",
                    own.len()
                ),
            ));
        }
        let some = groups.points.chosen(&own);
        let options = KmeansOptions {
            starts: 8,
            ..KmeansOptions::new(into, stored.run.seed)
        };
        let pieces = numbered(&kmeans(&some, &options)?.clustering, &some.weights);
        let first_new = groups.topics.k as u32;
        for (&p, &piece) in own.iter().zip(&pieces.members) {
            if piece > 0 {
                groups.topics.members[p] = first_new + piece - 1;
            }
        }
        groups.topics.k += into - 1;
        change.ids.extend(std::iter::repeat_n(None, into - 1));
        change.touched[topic] = true;
        change.touched.resize(change.ids.len(), true);
        let new = rebuilt(self, &stored, change, encoder)?;
        let mut out = vec![id];
        out.extend(&new[new.len() - (into - 1)..]);
        Ok(out)
    }

    /// Makes the branches of the tree, cut into `n`, the topics. A branch that is a topic already,
    /// or holds most of one, keeps its number.
    ///
    /// # Errors
    /// The tree has fewer leaves than `n`; the encoder's model is another
    /// than the corpus's; the file cannot be written; the job is cancelled. Topics then stay.
    pub fn cut_topics(&mut self, n: usize, encoder: Option<&Encoder>, job: &Job) -> Result<()> {
        let stored = placed(self, job)?;
        let group = groups(&stored, n)?;
        let mut change = Change::new(self, &stored, job)?;
        // Each branch keeps the number of the topic that most of its articles had.
        let mut share = vec![vec![0u64; stored.topics.len()]; n];
        for (part, &g) in stored.parts.iter().zip(&group) {
            share[g as usize][index_of(&stored, part.topic)?] += part.size;
        }
        let mut ids = vec![None; n];
        let mut pairs: Vec<(u64, usize, usize)> = (0..n)
            .flat_map(|g| (0..stored.topics.len()).map(move |t| (g, t)))
            .map(|(g, t)| (share[g][t], g, t))
            .filter(|p| p.0 > 0)
            .collect();
        pairs.sort_by_key(|&(n, g, t)| (std::cmp::Reverse(n), g, t));
        let mut taken = vec![false; stored.topics.len()];
        for (_, g, t) in pairs {
            if ids[g].is_none() && !taken[t] {
                ids[g] = Some(stored.topics[t].id);
                taken[t] = true;
            }
        }
        // A branch of exactly the parts of one topic is that topic, untouched.
        change.touched = (0..n)
            .map(|g| {
                let parts = |f: &dyn Fn(usize) -> bool| -> Vec<usize> {
                    (0..group.len()).filter(|&p| f(p)).collect()
                };
                let here = parts(&|p| group[p] as usize == g);
                let there = parts(&|p| Some(stored.parts[p].topic) == ids[g]);
                here != there
            })
            .collect();
        change.ids = ids;
        let parts = change.groups.parts.members.iter();
        change.groups.topics = Clustering {
            k: n,
            members: parts
                .map(|&p| group.get(p as usize).copied().unwrap_or(NONE))
                .collect(),
        };
        change.groups.topic_of = group;
        rebuilt(self, &stored, change, encoder)?;
        Ok(())
    }
}

/// The topics as they were before a change by hand, to be put back by [`Writer::undo_topics`].
#[derive(Debug, Clone)]
pub struct Undo {
    before: Before,
    /// The topics that the change left; [`Undo::changed`] writes them down.
    after: Option<String>,
}

#[derive(Debug, Clone)]
enum Before {
    Name { id: i64, label: String, named: bool },
    All(Box<StoredTopics>),
}

impl Undo {
    /// What undoes a new name of this topic.
    ///
    /// # Errors
    /// There is no such topic; the file is damaged.
    pub fn of_name(store: &Reader, id: i64) -> Result<Self> {
        let topics = store.topics()?;
        let topic = topics.into_iter().find(|t| t.id == id);
        let topic = topic.ok_or_else(|| Error::unknown_topic(id))?;
        Ok(Self {
            before: Before::Name {
                id,
                label: topic.label,
                named: topic.named,
            },
            after: None,
        })
    }

    /// What undoes any change. It holds some 40 bytes for each article.
    ///
    /// # Errors
    /// There are no topics; the file is damaged.
    pub fn of_all(store: &Reader) -> Result<Self> {
        Ok(Self {
            before: Before::All(Box::new(stored(store)?)),
            after: None,
        })
    }

    /// Writes down what the change left, so that only that is undone: to be called after it, with
    /// the writer that made it.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn changed(&mut self, store: &Reader) -> Result<()> {
        self.after = Some(fingerprint(store)?);
        Ok(())
    }

    /// The articles whose places it holds.
    pub fn articles(&self) -> usize {
        match &self.before {
            Before::Name { .. } => 0,
            Before::All(topics) => topics.members.len(),
        }
    }
}

/// What tells a state of the topics from another: their labels and words. Articles that joined or
/// went since are no other state.
fn fingerprint(store: &Reader) -> Result<String> {
    let mut topics = store.topics()?;
    topics.sort_by_key(|t| t.id);
    let named = topics.iter().map(|t| (t.id, &t.label, t.named, &t.words));
    Ok(format!("{:?}", named.collect::<Vec<_>>()))
}

impl Writer {
    /// Puts the topics back as they were before a change by hand. Articles that came since have no
    /// place among them until [`Writer::join_topics`]; of those that went nothing is put back.
    ///
    /// # Errors
    /// The topics were changed in another way since; the file cannot be written. Topics then stay.
    pub fn undo_topics(&mut self, undo: &Undo) -> Result<()> {
        if undo.after.as_ref() != Some(&fingerprint(self)?) {
            return Err(Error::new(
                ErrorKind::NoResult,
                "",
                "the topics were changed since in another way, and the last change cannot be undone",
            ));
        }
        match &undo.before {
            Before::Name { id, label, named } => self.restore_name(*id, label, *named),
            Before::All(topics) => self.restore_topics(topics),
        }
    }
}

/// The branch of each part when the tree is cut into `n`.
///
/// # Errors
/// The tree has fewer leaves than `n`, or none is asked for; the tree is damaged.
pub(super) fn groups(stored: &StoredTopics, n: usize) -> Result<Vec<u32>> {
    let parts = stored.parts.len();
    let mut joins = stored.joins.iter().enumerate();
    if stored.joins.len() + 1 < parts || joins.any(|(i, j)| j.left.max(j.right) >= parts + i) {
        return Err(Error::new(
            ErrorKind::Damaged,
            "",
            "the tree of topics is incomplete; find topics anew",
        ));
    }
    if n == 0 || n > parts {
        return Err(Error::parameter(
            "n",
            format!("the tree can be cut into 1 to {parts} branches, which are its leaves"),
        ));
    }
    Ok(cut(&stored.joins, parts, n))
}

impl Change {
    /// The stored topics, unchanged.
    fn new(store: &Reader, stored: &StoredTopics, job: &Job) -> Result<Self> {
        let (keys, points) = super::points(store, &Watch::new(job))?;
        let index: HashMap<i64, u32> = stored
            .topics
            .iter()
            .enumerate()
            .map(|(i, t)| (t.id, i as u32))
            .collect();
        let mut topics = vec![NONE; points.len()];
        let mut parts = vec![NONE; points.len()];
        for member in &stored.members {
            let Ok(row) = keys.binary_search(&member.article) else {
                continue;
            };
            let point = points.of_row(row);
            topics[point] = index.get(&member.topic).copied().unwrap_or(NONE);
            if topics[point] != NONE {
                let part = member.part.and_then(|p| u32::try_from(p).ok());
                let part = part.filter(|&p| (p as usize) < stored.parts.len());
                parts[point] = part.unwrap_or(NONE);
            }
        }
        let topic_of = |p: &StoredPart| index.get(&p.topic).copied().unwrap_or(0);
        Ok(Self {
            keys,
            groups: Groups {
                points,
                topics: Clustering {
                    k: stored.topics.len(),
                    members: topics,
                },
                parts: Clustering {
                    k: stored.parts.len(),
                    members: parts,
                },
                topic_of: stored.parts.iter().map(topic_of).collect(),
            },
            ids: stored.topics.iter().map(|t| Some(t.id)).collect(),
            touched: vec![false; stored.topics.len()],
        })
    }
}

impl Groups {
    /// Gives points whose part lies in another topic the nearest part of their own; a topic
    /// without a part gets one.
    pub(super) fn fit_parts(&mut self) -> Result<()> {
        let mut shares = vec![HashMap::<u32, u64>::new(); self.parts.k];
        for (point, (&part, &topic)) in self
            .parts
            .members
            .iter()
            .zip(&self.topics.members)
            .enumerate()
        {
            if part != NONE && topic != NONE {
                *shares[part as usize].entry(topic).or_default() +=
                    u64::from(self.points.weights[point]);
            }
        }
        for (part, shares) in shares.iter().enumerate() {
            if let Some((&topic, _)) = shares
                .iter()
                .max_by_key(|s| (*s.1, std::cmp::Reverse(*s.0)))
            {
                self.topic_of[part] = topic;
            }
        }
        for topic in 0..self.topics.k as u32 {
            if !self.topic_of.contains(&topic) {
                self.topic_of.push(topic);
                self.parts.k += 1;
            }
        }
        let centres = centroids(&self.points, &self.parts)?;
        let dim = self.points.vectors.ncols();
        for point in 0..self.points.len() {
            if point.is_multiple_of(1024) {
                self.points.watch().check()?;
            }
            let (topic, part) = (self.topics.members[point], self.parts.members[point]);
            if topic == NONE || (part != NONE && self.topic_of[part as usize] == topic) {
                continue;
            }
            let near = |&p: &usize| dot(&centres[p * dim..][..dim], self.points.vector(point));
            let best = (0..self.parts.k)
                .filter(|&p| self.topic_of[p] == topic)
                .max_by(|a, b| near(a).total_cmp(&near(b)).then(b.cmp(a)));
            self.parts.members[point] = best.map_or(NONE, |p| p as u32);
        }
        self.drop_empty_parts();
        Ok(())
    }

    fn drop_empty_parts(&mut self) {
        let sizes = sizes(&self.points, &self.parts);
        let mut number = vec![NONE; self.parts.k];
        let mut topic_of = Vec::new();
        for part in 0..self.parts.k {
            if sizes[part] > 0 {
                number[part] = topic_of.len() as u32;
                topic_of.push(self.topic_of[part]);
            }
        }
        for member in &mut self.parts.members {
            if *member != NONE {
                *member = number[*member as usize];
            }
        }
        self.parts.k = topic_of.len();
        self.topic_of = topic_of;
    }
}
