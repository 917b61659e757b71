//! Topics as they are stored.

use super::blob::{from_f16, to_f16};
use super::{Store, meta, set_meta};
use crate::error::Result;
use rusqlite::{OptionalExtension, params};

/// A topic: a cluster of articles with a label.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StoredTopic {
    /// Its number, from 0, the largest topic first.
    pub id: i64,
    /// Its label.
    pub label: String,
    /// Its articles.
    pub size: u64,
    /// Its words and phrases with their c-TF-IDF weights, highest first.
    pub words: Vec<(String, f32)>,
    /// The rows of its most typical articles, nearest to the centroid first.
    #[serde(skip)]
    pub typical: Vec<i64>,
    /// Its centroid, of unit length.
    #[serde(skip)]
    pub centroid: Vec<f32>,
}

/// How the stored topics were made.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
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
}

impl Store {
    /// Replaces the topics in one transaction. `members` are (article's row, topic, cosine to
    /// its centroid).
    ///
    /// # Errors
    /// The file cannot be written; the old topics stay.
    pub fn replace_topics(
        &mut self,
        run: &TopicRun,
        topics: &[StoredTopic],
        members: &[(i64, i64, f32)],
    ) -> Result<()> {
        let run = serde_json::to_string(run).unwrap_or_default();
        self.transaction(|c| {
            c.execute_batch("DELETE FROM article_topic; DELETE FROM topic;")?;
            for topic in topics {
                c.execute(
                    "INSERT INTO topic (id, label, size, words, typical, centroid)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        topic.id,
                        topic.label,
                        topic.size,
                        serde_json::to_string(&topic.words).unwrap_or_default(),
                        serde_json::to_string(&topic.typical).unwrap_or_default(),
                        to_f16(&topic.centroid)
                    ],
                )?;
            }
            let mut insert = c.prepare(
                "INSERT INTO article_topic (article, topic, similarity) VALUES (?1, ?2, ?3)",
            )?;
            for (article, topic, similarity) in members {
                insert.execute(params![article, topic, f64::from(*similarity)])?;
            }
            set_meta(c, "topics", &run)
        })
    }

    /// How the topics were made; `None` where there are none.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topic_run(&self) -> Result<Option<TopicRun>> {
        let text = self.run(|c| meta(c, "topics"))?;
        Ok(text.and_then(|t| serde_json::from_str(&t).ok()))
    }

    /// The topics, largest first.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topics(&self) -> Result<Vec<StoredTopic>> {
        self.run(|c| {
            c.prepare("SELECT id, label, size, words, typical, centroid FROM topic ORDER BY id")?
                .query_map([], |row| {
                    let bytes: Vec<u8> = row.get(5)?;
                    let mut centroid = vec![0.0; bytes.len() / 2];
                    from_f16(&bytes, &mut centroid);
                    Ok(StoredTopic {
                        id: row.get(0)?,
                        label: row.get(1)?,
                        size: row.get(2)?,
                        words: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
                        typical: serde_json::from_str(&row.get::<_, String>(4)?)
                            .unwrap_or_default(),
                        centroid,
                    })
                })?
                .collect()
        })
    }

    /// The topic of an article and the cosine to its centroid.
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

    /// Every article's id with its topic, in the order of rows.
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
}
