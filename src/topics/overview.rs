//! Topics as they are shown: what sets each apart, its typical articles, its publishers, its time.

use super::none_yet;
use super::timeline::Course;
use crate::error::{ErrorKind, Result};
use crate::store::{Reader, StoredTopic};
use rusqlite::params;
use std::collections::HashMap;

/// A typical article.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TypicalArticle {
    /// Its id.
    pub id: String,
    /// Its title, or the start of its text.
    pub title: String,
}

/// A topic as it is shown.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TopicCard {
    /// Its number.
    pub id: i64,
    /// Its label.
    pub label: String,
    /// Whether the user gave the label.
    pub named: bool,
    /// Its words and phrases, the most telling first.
    pub terms: Vec<String>,
    /// Its articles.
    pub size: u64,
    /// Its share of all articles that have a place among the topics, 0 to 1.
    pub share: f64,
    /// Its most typical articles, nearest to its centre first.
    pub typical: Vec<TypicalArticle>,
    /// The publishers with the most of its articles.
    pub sources: Vec<super::ValueCount>,
    /// Its first and its last date; `None` where no article has one.
    #[cfg_attr(feature = "server", schema(value_type = Option<Vec<String>>))]
    pub dates: Option<[String; 2]>,
    /// By how many standard errors its share is higher in the last quarter of the time than before
    /// ([`Course::z`]): beyond 2.58 it comes up, below -2.58 it fades; `None` without dates.
    pub rising: Option<f64>,
}

/// Publishers that are listed of each topic.
const SOURCES: usize = 8;

impl Reader {
    /// The topics as they are shown, the largest first, each with `typical` articles at most.
    ///
    /// # Errors
    /// There are no topics; the file is damaged.
    pub fn topic_cards(&self, typical: usize) -> Result<Vec<TopicCard>> {
        if self.topic_run()?.is_none() {
            return Err(none_yet(self));
        }
        let topics = self.topics()?;
        let placed: u64 =
            self.run(|c| c.query_row("SELECT count(*) FROM article_topic", [], |row| row.get(0)))?;
        let mut sources = self.sources_of_topics()?;
        let dates = self.dates_of_topics()?;
        let courses: HashMap<i64, f64> = match self.topics_over_time(None, None) {
            Ok(timeline) => {
                let course = |c: Course| (c.topic, c.z);
                timeline.courses.into_iter().map(course).collect()
            }
            Err(e) if e.kind() == ErrorKind::NoResult => HashMap::new(),
            Err(e) => return Err(e),
        };
        topics
            .into_iter()
            .map(|topic| {
                let mut sources = sources.remove(&topic.id).unwrap_or_default();
                sources.truncate(SOURCES);
                Ok(TopicCard {
                    typical: self.typical_of(&topic, typical)?,
                    share: topic.size as f64 / placed.max(1) as f64,
                    dates: dates.get(&topic.id).cloned(),
                    rising: courses.get(&topic.id).copied(),
                    id: topic.id,
                    label: topic.label,
                    named: topic.named,
                    terms: topic.words.into_iter().map(|w| w.0).collect(),
                    size: topic.size,
                    sources,
                })
            })
            .collect()
    }

    /// The first typical articles of a topic.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn typical_of(&self, topic: &StoredTopic, most: usize) -> Result<Vec<TypicalArticle>> {
        let first = topic.typical.iter().take(most);
        first
            .map(|&key| {
                let article = self.described_at(key)?;
                Ok(TypicalArticle {
                    id: article.id,
                    title: article.title,
                })
            })
            .collect()
    }

    /// The publishers of each topic's articles, those with the most first.
    fn sources_of_topics(&self) -> Result<HashMap<i64, Vec<super::ValueCount>>> {
        let mut out: HashMap<i64, Vec<super::ValueCount>> = HashMap::new();
        self.run(|c| {
            let mut query = c.prepare(
                "SELECT m.topic, a.source, count(*) AS n FROM article_topic m
                 JOIN article a ON a.id = m.article
                 WHERE m.topic >= 0 AND a.source <> '' GROUP BY 1, 2 ORDER BY 1, n DESC, 2",
            )?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                out.entry(row.get(0)?).or_default().push(super::ValueCount {
                    value: row.get(1)?,
                    count: row.get(2)?,
                });
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// The first and the last date of each topic's articles.
    fn dates_of_topics(&self) -> Result<HashMap<i64, [String; 2]>> {
        self.run(|c| {
            c.prepare(
                "SELECT m.topic, min(a.date), max(a.date) FROM article_topic m
                 JOIN article a ON a.id = m.article
                 WHERE m.topic >= ?1 AND a.date IS NOT NULL GROUP BY 1",
            )?
            .query_map(params![0], |row| {
                Ok((row.get(0)?, [row.get(1)?, row.get(2)?]))
            })?
            .collect()
        })
    }
}
