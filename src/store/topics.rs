//! Topics as they are stored.

use super::sqlite::{damaged, from_json, json};
use super::{Reader, Writer, meta, set_meta};
use crate::error::{Error, Result};
use crate::vectors::{from_f16, to_f16};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashSet;

/// The topic of an article that belongs to none.
pub const NO_TOPIC: i64 = -1;

/// A topic: a cluster of articles with a label.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StoredTopic {
    /// Its number. A first fit numbers topics from 0, the largest first; later ones keep the
    /// numbers of topics that persist.
    pub id: i64,
    /// Its label.
    pub label: String,
    /// Whether the user gave the label.
    pub named: bool,
    /// Its articles.
    pub size: u64,
    /// Its words and phrases with their c-TF-IDF weights, the most telling first.
    pub words: Vec<(String, f32)>,
    /// The rows of its most typical articles, nearest to the centroid first.
    #[serde(skip)]
    pub typical: Vec<i64>,
    /// Its centroid, of unit length.
    #[serde(skip)]
    pub centroid: Vec<f32>,
}

/// A part of a topic, a leaf of the tree.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StoredPart {
    /// Its number, below the number of parts.
    pub id: i64,
    /// The topic it is a part of.
    pub topic: i64,
    /// Its label.
    pub label: String,
    /// Its articles when the topics were fitted.
    pub size: u64,
    /// Its words and phrases with their c-TF-IDF weights.
    pub words: Vec<(String, f32)>,
    /// Its centroid, of unit length.
    #[serde(skip)]
    pub centroid: Vec<f32>,
}

/// Two groups of a tree joined. Groups below the number of leaves are leaves (parts of topics),
/// the others earlier joins.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StoredJoin {
    /// One group.
    pub left: usize,
    /// The other.
    pub right: usize,
    /// What joining adds to the sum of squared distances from the means.
    pub cost: f64,
}

/// An article's place among the topics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// The article's row.
    pub article: i64,
    /// Its topic, or [`NO_TOPIC`].
    pub topic: i64,
    /// Its part of the topic.
    pub part: Option<i64>,
    /// The cosine to the centroid of its topic, or to the nearest where it has none.
    pub similarity: f32,
    /// Whether it came after the fit.
    pub joined: bool,
}

/// How the stored topics were made.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TopicRun {
    /// The method.
    pub method: String,
    /// The number of topics.
    pub k: usize,
    /// Whether the user gave the number.
    pub k_given: bool,
    /// The seed.
    pub seed: u64,
    /// Mean silhouette under cosine distance, -1 to 1.
    pub silhouette: f32,
    /// The corpus's generation that was clustered.
    pub generation: i64,
    /// The options, as JSON.
    #[serde(default)]
    pub options: String,
    /// Articles that were clustered.
    #[serde(default)]
    pub articles: u64,
    /// Those in no topic.
    #[serde(default)]
    pub no_topic: u64,
    /// The mean cosine of articles to the centroids of their topics.
    #[serde(default)]
    pub cohesion: f32,
    /// The highest number that any topic of this corpus has had, and one.
    #[serde(default)]
    pub next_id: i64,
    /// Whether topics were merged, split or cut since the fit.
    #[serde(default)]
    pub edited: bool,
}

/// All topics of a corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTopics {
    /// How they were made.
    pub run: TopicRun,
    /// The topics.
    pub topics: Vec<StoredTopic>,
    /// Their parts.
    pub parts: Vec<StoredPart>,
    /// How parts join to a tree.
    pub joins: Vec<StoredJoin>,
    /// The articles' topics, by rows.
    pub members: Vec<Member>,
}

/// An article's row, its date and the value of a field.
pub type Dated = (i64, Option<String>, Option<String>);

fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

fn vector(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<f32>> {
    let bytes = row.get_ref(column)?.as_blob()?;
    if bytes.len() % 2 != 0 {
        return Err(damaged("the centroid of a topic has the wrong length"));
    }
    let mut out = vec![0.0; bytes.len() / 2];
    from_f16(bytes, &mut out);
    Ok(out)
}

fn words(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<(String, f32)>> {
    json(row, column, "the words of a topic")
}

fn put_members(c: &Connection, members: &[Member]) -> rusqlite::Result<()> {
    let mut insert = c.prepare_cached(
        "INSERT OR REPLACE INTO article_topic (article, topic, part, similarity, joined)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for m in members {
        insert.execute(params![
            m.article,
            m.topic,
            m.part,
            f64::from(m.similarity),
            m.joined
        ])?;
    }
    Ok(())
}

impl Writer {
    /// Replaces the topics in one transaction.
    ///
    /// # Errors
    /// The file cannot be written; the old topics stay.
    pub(crate) fn replace_topics(&mut self, new: &StoredTopics) -> Result<()> {
        self.transaction(|c| {
            c.execute_batch(
                "DELETE FROM article_topic; DELETE FROM topic; DELETE FROM topic_part;",
            )?;
            for topic in &new.topics {
                c.prepare_cached(
                    "INSERT INTO topic (id, label, named, size, words, typical, centroid)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    topic.id,
                    topic.label,
                    topic.named,
                    topic.size,
                    to_json(&topic.words)?,
                    to_json(&topic.typical)?,
                    to_f16(&topic.centroid)
                ])?;
            }
            for part in &new.parts {
                c.prepare_cached(
                    "INSERT INTO topic_part (id, topic, label, size, words, centroid)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    part.id,
                    part.topic,
                    part.label,
                    part.size,
                    to_json(&part.words)?,
                    to_f16(&part.centroid)
                ])?;
            }
            put_members(c, &new.members)?;
            set_meta(c, "topics.tree", &to_json(&new.joins)?)?;
            set_meta(c, "topics", &to_json(&new.run)?)
        })
    }

    /// Adds or changes the topics of articles.
    ///
    /// # Errors
    /// The file cannot be written; then nothing changes.
    pub(crate) fn put_members(&mut self, members: &[Member]) -> Result<()> {
        self.transaction(|c| put_members(c, members))
    }

    /// Gives a topic a label of the user's.
    ///
    /// # Errors
    /// There is no such topic; the file cannot be written.
    pub fn rename_topic(&mut self, id: i64, label: &str) -> Result<()> {
        let changed = self.transaction(|c| {
            c.execute(
                "UPDATE topic SET label = ?2, named = 1 WHERE id = ?1",
                params![id, label],
            )
        })?;
        if changed == 0 {
            return Err(Error::unknown_topic(id));
        }
        Ok(())
    }

    /// Gives a topic back the label that it had, and whether that was the user's.
    pub(crate) fn restore_name(&mut self, id: i64, label: &str, named: bool) -> Result<()> {
        self.transaction(|c| {
            c.execute(
                "UPDATE topic SET label = ?2, named = ?3 WHERE id = ?1",
                params![id, label, named],
            )
        })?;
        Ok(())
    }

    /// Replaces the topics by earlier ones: articles that went since then, or were embedded anew,
    /// are in none of them.
    pub(crate) fn restore_topics(&mut self, earlier: &StoredTopics) -> Result<()> {
        let placed: HashSet<i64> = self.members()?.iter().map(|m| m.article).collect();
        let members = earlier.members.iter().copied();
        let there = StoredTopics {
            members: members.filter(|m| placed.contains(&m.article)).collect(),
            ..earlier.clone()
        };
        self.replace_topics(&there)
    }

    /// Replaces where the articles stand on the map; `made` says how and of which state.
    ///
    /// # Errors
    /// The file cannot be written; the old places stay.
    pub(crate) fn replace_layout(&mut self, places: &[(i64, f32, f32)], made: &str) -> Result<()> {
        self.transaction(|c| {
            c.execute("DELETE FROM layout", [])?;
            let mut insert = c.prepare("INSERT INTO layout (article, x, y) VALUES (?1, ?2, ?3)")?;
            for (article, x, y) in places {
                insert.execute(params![article, f64::from(*x), f64::from(*y)])?;
            }
            set_meta(c, "layout", made)
        })
    }
}

impl Reader {
    /// How the topics were made; `None` where there are none.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topic_run(&self) -> Result<Option<TopicRun>> {
        self.run(|c| {
            let text = meta(c, "topics")?;
            text.map(|text| from_json(&text, "how the topics were made"))
                .transpose()
        })
    }

    /// The topics, largest first.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topics(&self) -> Result<Vec<StoredTopic>> {
        let mut topics: Vec<StoredTopic> = self.run(|c| {
            c.prepare(
                // Counted, so that articles that went are not in it.
                "SELECT id, label, named,
                        (SELECT count(*) FROM article_topic m WHERE m.topic = topic.id) AS articles,
                        words, typical, centroid
                 FROM topic ORDER BY articles DESC, id",
            )?
            .query_map([], |row| {
                Ok(StoredTopic {
                    id: row.get(0)?,
                    label: row.get(1)?,
                    named: row.get(2)?,
                    size: row.get(3)?,
                    words: words(row, 4)?,
                    typical: json(row, 5, "the typical articles of a topic")?,
                    centroid: vector(row, 6)?,
                })
            })?
            .collect()
        })?;
        // Typical articles may have gone since, and their rows been given to others.
        self.run(|c| {
            let mut member =
                c.prepare("SELECT 1 FROM article_topic WHERE article = ?1 AND topic = ?2")?;
            for topic in &mut topics {
                let mut there = Vec::with_capacity(topic.typical.len());
                for &article in &topic.typical {
                    if member.exists(params![article, topic.id])? {
                        there.push(article);
                    }
                }
                topic.typical = there;
            }
            Ok(topics)
        })
    }

    /// The topics' parts, in the order of their numbers.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topic_parts(&self) -> Result<Vec<StoredPart>> {
        self.run(|c| {
            c.prepare("SELECT id, topic, label, size, words, centroid FROM topic_part ORDER BY id")?
                .query_map([], |row| {
                    Ok(StoredPart {
                        id: row.get(0)?,
                        topic: row.get(1)?,
                        label: row.get(2)?,
                        size: row.get(3)?,
                        words: words(row, 4)?,
                        centroid: vector(row, 5)?,
                    })
                })?
                .collect()
        })
    }

    /// How the topics' parts join to a tree.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topic_joins(&self) -> Result<Vec<StoredJoin>> {
        self.run(|c| match meta(c, "topics.tree")? {
            Some(text) => from_json(&text, "the tree of topics"),
            // Topics of before there were trees.
            None => Ok(Vec::new()),
        })
    }

    /// Every article's place among the topics, in the order of rows.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn members(&self) -> Result<Vec<Member>> {
        self.run(|c| {
            c.prepare("SELECT article, topic, part, similarity, joined FROM article_topic ORDER BY article")?
                .query_map([], |row| {
                    Ok(Member {
                        article: row.get(0)?,
                        topic: row.get(1)?,
                        part: row.get(2)?,
                        similarity: row.get::<_, f64>(3)? as f32,
                        joined: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// All of the topics; `None` where there are none.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn stored_topics(&self) -> Result<Option<StoredTopics>> {
        let Some(run) = self.topic_run()? else {
            return Ok(None);
        };
        Ok(Some(StoredTopics {
            run,
            topics: self.topics()?,
            parts: self.topic_parts()?,
            joins: self.topic_joins()?,
            members: self.members()?,
        }))
    }

    /// The topic of an article and the cosine to its centroid; `None` where it has none.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topic_of(&self, article: i64) -> Result<Option<(i64, String, f32)>> {
        self.run(|c| {
            c.prepare_cached(
                "SELECT t.id, t.label, m.similarity FROM article_topic m JOIN topic t ON t.id = m.topic
                 WHERE m.article = ?1",
            )?
            .query_row([article], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, f64>(2)? as f32))
            })
            .optional()
        })
    }

    /// Every article's id with its topic, in the order of rows; [`NO_TOPIC`] for none.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topic_members(&self) -> Result<Vec<(String, i64)>> {
        self.run(|c| {
            c.prepare(
                "SELECT a.ext_id, m.topic FROM article_topic m JOIN article a ON a.id = m.article
                 ORDER BY a.id",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })
    }

    /// Where the articles stand on the map, as (row, x, y), in the order of rows.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn layout(&self) -> Result<Vec<(i64, f32, f32)>> {
        self.run(|c| {
            c.prepare("SELECT article, x, y FROM layout ORDER BY article")?
                .query_map([], |row| {
                    Ok((
                        row.get(0)?,
                        row.get::<_, f64>(1)? as f32,
                        row.get::<_, f64>(2)? as f32,
                    ))
                })?
                .collect()
        })
    }

    /// The dates of articles that have one, and a field's value, as (row, date, value): `source`
    /// or any metadata.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn dates_and(&self, field: Option<&str>) -> Result<Vec<Dated>> {
        let value = match field {
            None => "NULL".to_string(),
            Some("source") => "source".to_string(),
            Some(_) => "CAST(json_extract(meta, ?1) AS TEXT)".to_string(),
        };
        let path = format!("$.\"{}\"", field.unwrap_or_default().replace('"', ""));
        self.run(|c| {
            let mut query = c.prepare(&format!(
                "SELECT id, date, {value} FROM article ORDER BY id"
            ))?;
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            if matches!(field, None | Some("source")) {
                query.query_map([], read)?.collect()
            } else {
                query.query_map([path], read)?.collect()
            }
        })
    }
}
