//! What some articles of a corpus are about, such as those that somebody has drawn a line around
//! on the map.

use super::describe::document;
use super::labels::Terms;
use super::overview::TypicalArticle;
use super::timeline::Span;
use super::watch::Watch;
use super::{articles::InCorpus, describe};
use crate::error::Result;
use crate::job::{Job, Stage};
use crate::store::Reader;
use crate::vectors::{dot, normalize};
use chrono::NaiveDate;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A value and how many articles have it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ValueCount {
    /// The value.
    pub value: String,
    /// How many articles have it.
    pub count: u64,
}

/// A topic and how many of some articles it has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TopicCount {
    /// Its number.
    pub id: i64,
    /// Its label.
    pub label: String,
    /// How many of the articles are in it.
    pub count: u64,
}

/// Articles by spans of time without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DateBins {
    /// The spans, such as `2024-03` or `2024-W10`.
    pub bins: Vec<String>,
    /// The articles of each.
    pub counts: Vec<u64>,
}

/// What some articles are about.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct About {
    /// How many there are.
    pub articles: u64,
    /// The words and phrases that set them apart from the rest of the corpus, the most telling
    /// first.
    pub terms: Vec<String>,
    /// Those nearest to their common centre.
    pub typical: Vec<TypicalArticle>,
    /// When they were published.
    pub dates: DateBins,
    /// Their publishers, those with the most articles first.
    pub sources: Vec<ValueCount>,
    /// Their topics, those with the most articles first.
    pub topics: Vec<TopicCount>,
}

/// Articles that the centre is the mean of, and articles whose words are read of these and of the
/// rest: a sample of so many tells as much as all.
const CENTRE: usize = 5_000;
const READ: usize = 300;
/// What is listed.
const TYPICAL: usize = 6;
const SOURCES: usize = 12;
const TOPICS: usize = 20;
/// The most spans.
const BINS: usize = 1_000;

impl Reader {
    /// What the articles of these rows are about. Rows that are given twice count once, and those
    /// that are no articles (any more) are left out.
    ///
    /// # Errors
    /// The file is damaged; the job is cancelled.
    pub fn about(&self, rows: &[i64], job: &Job) -> Result<About> {
        let watch = Watch::new(job);
        let mut keys = Vec::with_capacity(rows.len());
        let chosen: HashSet<i64> = rows.iter().copied().collect();
        let mut sources: HashMap<String, u64> = HashMap::new();
        let mut days: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        let mut topics: HashMap<i64, u64> = HashMap::new();
        let mut wanted: Vec<i64> = chosen.iter().copied().collect();
        wanted.sort_unstable();
        self.run(|c| {
            let mut query = c.prepare(
                "SELECT a.source, a.date, (SELECT topic FROM article_topic t WHERE t.article = a.id)
                 FROM article a WHERE a.id = ?1",
            )?;
            for key in wanted {
                let mut found = query.query([key])?;
                let Some(row) = found.next()? else { continue };
                keys.push(key);
                if let Some(source) = row.get::<_, Option<String>>(0)?.filter(|s| !s.is_empty()) {
                    *sources.entry(source).or_default() += 1;
                }
                if let Some(day) = row.get::<_, Option<String>>(1)?.and_then(|d| day(&d)) {
                    *days.entry(day).or_default() += 1;
                }
                if let Some(topic) = row.get::<_, Option<i64>>(2)?.filter(|&t| t >= 0) {
                    *topics.entry(topic).or_default() += 1;
                }
            }
            Ok(())
        })?;
        watch.check()?;
        let nearest = self.nearest_to_centre(&keys, &watch)?;
        let mut titles = HashSet::new();
        let mut typical = Vec::new();
        for &key in &nearest {
            if typical.len() == TYPICAL {
                break;
            }
            let article = self.described_at(key)?;
            if titles.insert(article.title.to_lowercase()) {
                typical.push(TypicalArticle {
                    id: article.id,
                    title: article.title,
                });
            }
        }
        // Terms are those that tell these articles from others, which none do.
        let terms = match keys.is_empty() {
            true => Vec::new(),
            false => self.terms_of(&nearest, &chosen, &watch)?,
        };
        let labels: HashMap<i64, String> = match topics.is_empty() {
            true => HashMap::new(),
            false => self
                .topics()?
                .into_iter()
                .map(|t| (t.id, t.label))
                .collect(),
        };
        let mut topics: Vec<TopicCount> = topics
            .into_iter()
            .filter_map(|(id, count)| {
                let label = labels.get(&id)?.clone();
                Some(TopicCount { id, label, count })
            })
            .collect();
        topics.sort_by_key(|t| (Reverse(t.count), t.id));
        topics.truncate(TOPICS);
        let mut sources: Vec<ValueCount> = sources
            .into_iter()
            .map(|(value, count)| ValueCount { value, count })
            .collect();
        sources.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        sources.truncate(SOURCES);
        Ok(About {
            articles: keys.len() as u64,
            terms,
            typical,
            dates: bins(&days),
            sources,
            topics,
        })
    }

    /// The rows of those nearest to their mean, of a sample where there are many.
    fn nearest_to_centre(&self, keys: &[i64], watch: &Watch) -> Result<Vec<i64>> {
        let step = keys.len().div_ceil(CENTRE).max(1);
        let mut vectors: Vec<(i64, Vec<f32>)> = Vec::new();
        for &key in keys.iter().step_by(step) {
            watch.check()?;
            if let Some(vector) = self.article_vector(key)? {
                vectors.push((key, vector));
            }
        }
        let Some((_, first)) = vectors.first() else {
            // Nothing is embedded; the first ones stand for all.
            return Ok(keys.iter().take(READ).copied().collect());
        };
        let mut centre = vec![0.0; first.len()];
        for (_, vector) in &vectors {
            centre.iter_mut().zip(vector).for_each(|(c, x)| *c += x);
        }
        normalize(&mut centre);
        let mut near: Vec<(f32, i64)> = vectors
            .iter()
            .map(|(key, vector)| (dot(&centre, vector), *key))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Ok(near.into_iter().map(|n| n.1).collect())
    }

    /// The terms that set articles apart from the rest of the corpus.
    fn terms_of(
        &self,
        nearest: &[i64],
        chosen: &HashSet<i64>,
        watch: &Watch,
    ) -> Result<Vec<String>> {
        let all: Vec<i64> = self.run(|c| {
            c.prepare("SELECT id FROM article ORDER BY id")?
                .query_map([], |row| row.get(0))?
                .collect()
        })?;
        let others: Vec<i64> = all
            .into_iter()
            .filter(|key| !chosen.contains(key))
            .collect();
        let step = others.len().div_ceil(READ).max(1);
        let own = nearest.iter().take(READ).map(|&key| (key, 0));
        let rest = others.iter().step_by(step).map(|&key| (key, 1));
        let read: Vec<(i64, u32)> = own.chain(rest).collect();
        let keys: Vec<i64> = read.iter().map(|r| r.0).collect();
        let articles = InCorpus {
            reader: self,
            keys: &keys,
        };
        let mut documents = Vec::with_capacity(read.len());
        for (row, &(_, group)) in read.iter().enumerate() {
            watch.check()?;
            watch.progress(Stage::Labelling, row, read.len());
            documents.push(document(&articles, row, group)?);
        }
        let terms = Terms::new(&documents, 2, watch)?;
        let words = if others.is_empty() {
            let mut words = terms.weightiest(&[0, 1], 2, describe::WORDS, watch)?;
            std::mem::take(&mut words[0])
        } else {
            let [own, _] = terms.apart(describe::WORDS);
            own
        };
        Ok(words.into_iter().map(|w| w.0).collect())
    }
}

/// The day of a date, or the first of its month or year.
pub(super) fn day(date: &str) -> Option<NaiveDate> {
    let part = |range| {
        date.get(range)
            .and_then(|text: &str| text.parse::<u32>().ok())
    };
    if let Some(day) = date.get(..10).and_then(|d| d.parse().ok()) {
        return Some(day);
    }
    let year = date.get(..4)?.parse().ok()?;
    NaiveDate::from_ymd_opt(year, part(5..7).unwrap_or(1), 1)
}

/// Days put into spans, as many as are easily seen.
fn bins(days: &BTreeMap<NaiveDate, u64>) -> DateBins {
    let mut out = DateBins::default();
    let (Some((&first, _)), Some((&last, _))) = (days.first_key_value(), days.last_key_value())
    else {
        return out;
    };
    let span = Span::fitting((last - first).num_days());
    let mut counts: BTreeMap<NaiveDate, u64> = BTreeMap::new();
    for (&day, count) in days {
        *counts.entry(span.start(day)).or_default() += count;
    }
    let mut at = Some(span.start(first));
    while let Some(start) = at.filter(|&start| start <= last && out.bins.len() < BINS) {
        out.bins.push(span.label(start));
        out.counts.push(counts.get(&start).copied().unwrap_or(0));
        at = span.next(start);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Identity;
    use crate::{Article, Corpus};

    #[test]
    fn days_of_dates() {
        let text = |date: &str| day(date).map(|d| d.to_string());
        assert_eq!(text("2024-03-05T10:00:00").as_deref(), Some("2024-03-05"));
        assert_eq!(text("2024-03").as_deref(), Some("2024-03-01"));
        assert_eq!(text("2024").as_deref(), Some("2024-01-01"));
        assert_eq!((text("soon"), text("ä")), (None, None));
    }

    #[test]
    fn what_some_articles_share() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
        let articles = (0..40).map(|i| {
            let sport = i % 4 == 0;
            let text = if sport {
                "The goal in the final of the cup was the third goal of the team."
            } else {
                "The minister met the bank about interest rates and prices on the market."
            };
            let article = Article {
                id: Some(format!("a{i}")),
                title: format!("Title {i}"),
                text: text.into(),
                date: (i > 0).then(|| format!("2025-0{}-11", 1 + i / 10)),
                source: Some(if i < 20 { "x" } else { "y" }.into()),
                ..Article::default()
            };
            let vector = vec![if sport { 1.0 } else { 0.1 }, 0.2 + i as f32 / 100.0];
            (article, vector)
        });
        let mut writer = corpus.writer().unwrap();
        writer.bind(&Identity::external("two", 2)).unwrap();
        writer.add(articles, &Job::new()).unwrap();
        let mut rows: Vec<i64> = (0..40)
            .step_by(4)
            .map(|i| writer.key_of(&format!("a{i}")).unwrap())
            .collect();
        rows.extend([rows[0], 9999]);
        let about = writer.about(&rows, &Job::new()).unwrap();
        assert_eq!(about.articles, 10);
        assert!(
            about.terms[..4].iter().any(|t| t.contains("goal")),
            "{:?}",
            about.terms
        );
        assert!(
            !about.terms.iter().any(|t| t.contains("minister")),
            "{:?}",
            about.terms
        );
        assert_eq!(about.typical.len(), TYPICAL);
        assert_eq!(
            about.sources[0],
            ValueCount {
                value: "x".into(),
                count: 5
            }
        );
        assert_eq!(about.dates.counts.iter().sum::<u64>(), 9);
        assert!(about.topics.is_empty());
        let all: Vec<i64> = (0..40)
            .map(|i| writer.key_of(&format!("a{i}")).unwrap())
            .collect();
        assert!(!writer.about(&all, &Job::new()).unwrap().terms.is_empty());
        assert_eq!(writer.about(&[], &Job::new()).unwrap().articles, 0);
    }
}
