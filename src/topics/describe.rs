//! From clusters of points to topics with labels, typical articles and numbers.

use super::articles::{Articles, InCorpus};
use super::cluster::{Clustering, FoundBy, NONE, centroids};
use super::find::{FoundMember, FoundPart, FoundTopic, FoundTopics};
use super::labels::meaning::{self, Candidates};
use super::labels::{Counted, Terms, distinct};
use super::points::Points;
use super::{assign, choose, tree};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::job::Stage;
use crate::store::{NO_TOPIC, StoredTopics, TopicRun, Writer};
use crate::vectors::dot;
use std::collections::{HashMap, HashSet};

/// Typical articles that are kept of each topic.
const TYPICAL: usize = 10;
/// Articles that labels are made from: of each part at most this many, the most typical, and of
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

/// Words and phrases with their weights.
type Words = Vec<(String, f32)>;

/// Articles in topics and parts of topics.
pub(super) struct Groups {
    /// The articles' vectors.
    pub points: Points,
    /// The topic of each point.
    pub topics: Clustering,
    /// The part of each point.
    pub parts: Clustering,
    /// The topic of each part.
    pub topic_of: Vec<u32>,
}

/// Rows of articles with their cosines.
type Ranked = Vec<(f32, usize)>;

impl Groups {
    /// Topics and parts with labels, words, typical articles and members.
    pub(super) fn described(
        &self,
        articles: &dyn Articles,
        encoder: Option<&Encoder>,
    ) -> Result<FoundTopics> {
        let Self {
            points,
            topics,
            parts,
            topic_of,
        } = self;
        let dim = points.vectors.ncols();
        let silhouette = choose::silhouette(points, topics)?;
        let centres = centroids(points, topics)?;
        let part_centres = centroids(points, parts)?;
        let centre = |c: &[f32], i: usize| -> Vec<f32> { c[i * dim..][..dim].to_vec() };
        let similarity = points.map(|point, vector| match topics.members[point] {
            NONE => centres
                .chunks_exact(dim.max(1))
                .map(|c| dot(c, vector))
                .fold(-1.0, f32::max),
            topic => dot(&centres[topic as usize * dim..][..dim], vector),
        })?;
        let rows = points.articles() as usize;
        let mut members = Vec::with_capacity(rows);
        let mut by_part: Vec<Ranked> = vec![Vec::new(); parts.k];
        let mut by_topic: Vec<Ranked> = vec![Vec::new(); topics.k];
        for row in 0..rows {
            let point = points.of_row(row);
            let similarity = similarity[point];
            let some = |c: u32| (c != NONE).then_some(c as usize);
            let (topic, part) = (some(topics.members[point]), some(parts.members[point]));
            members.push(FoundMember {
                topic,
                part,
                similarity,
            });
            if let Some(part) = part {
                by_part[part].push((similarity, row));
            }
            if let Some(topic) = topic {
                by_topic[topic].push((similarity, row));
            }
        }
        let nearest = |list: &mut Ranked| {
            list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        };
        by_part.iter_mut().for_each(nearest);
        by_topic.iter_mut().for_each(nearest);

        let (topic_words, part_words) = if articles.have_texts() {
            self.words(articles, &by_part, encoder, [&centres, &part_centres])?
        } else {
            (vec![Vec::new(); topics.k], vec![Vec::new(); parts.k])
        };
        let (labels, part_labels) = if articles.have_texts() {
            (
                distinct(topic_words.iter().map(Vec::as_slice)),
                distinct(part_words.iter().map(Vec::as_slice)),
            )
        } else {
            let topic = |t: usize| format!("topic {t}");
            let part = |p: usize| format!("topic {}, part {p}", topic_of[p]);
            (
                (0..topics.k).map(topic).collect(),
                (0..parts.k).map(part).collect(),
            )
        };
        let mut found = Vec::with_capacity(topics.k);
        for (i, (words, label)) in topic_words.into_iter().zip(labels).enumerate() {
            points.watch().check()?;
            found.push(FoundTopic {
                label,
                named: false,
                size: by_topic[i].len(),
                words,
                typical: typical(articles, &by_topic[i])?,
                centroid: centre(&centres, i),
            });
        }
        let parts = part_words
            .into_iter()
            .zip(part_labels)
            .enumerate()
            .map(|(i, (words, label))| FoundPart {
                topic: topic_of[i] as usize,
                label,
                size: by_part[i].len(),
                words,
                centroid: centre(&part_centres, i),
            })
            .collect();
        Ok(FoundTopics {
            found_by: FoundBy::default(),
            silhouette,
            topics: found,
            parts,
            joins: tree::branches(points, &self.parts, topic_of)?,
            members,
        })
    }

    /// The words of topics and those of parts, from the most typical articles of each part;
    /// `centres` are the centroids of both.
    fn words(
        &self,
        articles: &dyn Articles,
        by_part: &[Ranked],
        encoder: Option<&Encoder>,
        centres: [&[f32]; 2],
    ) -> Result<(Vec<Words>, Vec<Words>)> {
        let watch = self.points.watch();
        let (topics, parts) = (self.topics.k, self.parts.k);
        let of_each = LABELLED.min(LABELLED_IN_ALL / parts.max(1)).max(20);
        let all = by_part.iter().map(|list| list.len().min(of_each)).sum();
        let mut documents = Vec::with_capacity(all);
        for (part, list) in by_part.iter().enumerate() {
            for &(_, row) in list.iter().take(of_each) {
                watch.check()?;
                watch.progress(Stage::Labelling, documents.len(), all);
                documents.push(document(articles, row, part as u32)?);
            }
        }
        watch.progress(Stage::Labelling, all, all);
        let terms = Terms::new(&documents, parts, watch)?;
        drop(documents);
        let each: Vec<u32> = (0..parts as u32).collect();
        let max = |candidates| if encoder.is_some() { candidates } else { WORDS };
        let mut topic_words = terms.weightiest(&self.topic_of, topics, max(CANDIDATES), watch)?;
        let mut part_words = terms.weightiest(&each, parts, max(OF_PART), watch)?;
        if let Some(encoder) = encoder {
            let dim = self.points.vectors.ncols();
            let lists = topic_words.iter().chain(&part_words);
            let centres = centres.into_iter().flat_map(|c| c.chunks_exact(dim));
            let all: Vec<Candidates<'_>> = lists
                .zip(centres)
                .map(|(terms, centroid)| Candidates { terms, centroid })
                .collect();
            let mut ranked = meaning::rerank(encoder, &all, WORDS, watch)?;
            part_words = ranked.split_off(topics);
            topic_words = ranked;
        }
        Ok((topic_words, part_words))
    }
}

/// An article's title and own text, as one of a group.
pub(super) fn document(articles: &dyn Articles, row: usize, group: u32) -> Result<Counted> {
    let (title, text) = articles.read(row)?;
    Ok(Counted { group, title, text })
}

/// The first articles with different titles: copies of one article say nothing more.
fn typical(articles: &dyn Articles, ranked: &[(f32, usize)]) -> Result<Vec<usize>> {
    let rows = ranked.iter().map(|r| r.1);
    if !articles.have_texts() {
        return Ok(rows.take(TYPICAL).collect());
    }
    let mut titles = HashSet::new();
    let mut out = Vec::new();
    for row in rows {
        if out.len() == TYPICAL {
            break;
        }
        if titles.insert(articles.heading(row)?.to_lowercase()) {
            out.push(row);
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
    /// The articles' rows in the store.
    pub keys: Vec<i64>,
    pub groups: Groups,
    /// The number of each topic, where it keeps one.
    pub ids: Vec<Option<i64>>,
    /// Which topics have other articles than before, and so another label.
    pub touched: Vec<bool>,
}

/// Stores changed topics; empty ones are dropped, and those untouched keep their words. Returns
/// the number of each topic of the change that is left.
pub(super) fn rebuilt(
    store: &mut Writer,
    old: &StoredTopics,
    mut change: Change,
    encoder: Option<&Encoder>,
) -> Result<Vec<i64>> {
    if let Some(encoder) = encoder {
        store.check_model(encoder.identity())?;
    }
    change.groups.fit_parts()?;
    let articles = InCorpus {
        reader: store,
        keys: &change.keys,
    };
    let new = change.groups.described(&articles, encoder)?;
    let silhouette = new.silhouette;
    let mut new = new.stored(&change.keys);
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
        silhouette,
        no_topic: new.members.iter().filter(|m| m.topic == NO_TOPIC).count() as u64,
        cohesion: assign::cohesion(&new.members),
        next_id: next,
        edited: true,
        ..old.run.clone()
    };
    change.groups.points.job().check()?;
    store.replace_topics(&new)?;
    Ok(left)
}
