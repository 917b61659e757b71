//! From clusters of points to topics with labels, typical articles and numbers.

use super::cluster::{Clustering, NONE, centroids};
use super::labels::meaning::{self, Candidates};
use super::labels::{Document, Terms, distinct};
use super::points::Points;
use super::{assign, choose, tree};
use crate::corpus::boilerplate;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::store::{Member, NO_TOPIC, Store, StoredPart, StoredTopic, StoredTopics, TopicRun, dot};
use std::collections::{HashMap, HashSet};

/// Typical articles that are kept of each topic.
const TYPICAL: usize = 10;
/// Articles that labels are made from: of each part at most so many, the most typical, and of
/// all parts together.
const LABELLED: usize = 400;
const LABELLED_IN_ALL: usize = 20_000;
/// Words and phrases that are kept of each topic, and candidates for them.
pub(super) const WORDS: usize = 12;
const CANDIDATES: usize = 30;
/// Candidates of a part.
const OF_PART: usize = 20;
/// The share of articles that two topics have in common from which one continues the other.
const PERSISTS: f64 = 0.5;

/// Articles in topics and parts of topics.
pub(super) struct Groups {
    /// The articles' rows in the store.
    pub keys: Vec<i64>,
    /// Their vectors.
    pub points: Points,
    /// The topic of each point.
    pub topics: Clustering,
    /// The part of each point.
    pub parts: Clustering,
    /// The topic of each part.
    pub topic_of: Vec<u32>,
}

impl Groups {
    /// Topics and parts with labels, words, typical articles and members.
    pub(super) fn described(
        &self,
        store: &Store,
        encoder: Option<&mut Encoder>,
    ) -> Result<StoredTopics> {
        let dim = self.points.vectors.ncols();
        let centres = centroids(&self.points, &self.topics);
        let part_centres = centroids(&self.points, &self.parts);
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
        let each: Vec<u32> = (0..self.parts.k as u32).collect();
        let most = |candidates| if encoder.is_some() { candidates } else { WORDS };
        let mut topic_words = terms.weightiest(&self.topic_of, self.topics.k, most(CANDIDATES));
        let mut part_words = terms.weightiest(&each, self.parts.k, most(OF_PART));
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
            run: TopicRun::default(),
            topics,
            parts,
            joins: tree::branches(&self.points, &self.parts, &self.topic_of),
            members,
        })
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
fn typical(store: &Store, ranked: &[(f32, i64)]) -> Result<Vec<i64>> {
    let mut titles = HashSet::new();
    let mut out = Vec::new();
    for &(_, key) in ranked {
        if out.len() == TYPICAL {
            break;
        }
        if titles.insert(store.described_at(key)?.title.to_lowercase()) {
            out.push(key);
        }
    }
    Ok(out)
}

/// Gives topics that persist the numbers and names that they had; the others get new numbers.
pub(super) fn keep_numbers(new: &mut StoredTopics, old: Option<&StoredTopics>) {
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

/// Topics changed by hand.
pub(super) struct Change {
    pub groups: Groups,
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
    mut change: Change,
    encoder: Option<&mut Encoder>,
) -> Result<Vec<i64>> {
    change.groups.fit_parts();
    let mut new = change.groups.described(store, encoder)?;
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
        silhouette: choose::silhouette(&change.groups.points, &change.groups.topics),
        no_topic: new.members.iter().filter(|m| m.topic == NO_TOPIC).count() as u64,
        cohesion: assign::cohesion(&new.members),
        next_id: next,
        edited: true,
        ..old.run.clone()
    };
    store.replace_topics(&new)?;
    Ok(left)
}
