//! Finding the topics of a corpus and storing them.

use super::articles::InCorpus;
use super::describe::keep_numbers;
use super::find::found;
use super::watch::Watch;
use super::{TopicOptions, Topics, assign, points};
use crate::encoder::Encoder;
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::{Job, Stage};
use crate::store::{Reader, StoredTopics, TopicRun, Writer};
use std::collections::HashMap;
use std::path::Path;

impl Reader {
    /// The stored topics, if there are any that fit `k` and `seed` where these are given, that
    /// every embedded article has its place among, and from which the corpus has not drifted; to
    /// find or join new ones takes [`Writer::update_topics`].
    ///
    /// # Errors
    /// The file is damaged.
    pub fn topics_current(&self, k: Option<usize>, seed: Option<u64>) -> Result<Option<Topics>> {
        let Some(run) = fitting_run(self, k, seed)? else {
            return Ok(None);
        };
        let current = run.generation == self.generation()?
            || self.unplaced()?.is_empty() && (run.edited || !self.topic_drift()?.refit);
        current.then(|| Topics::stored(self)).transpose()
    }
}

/// How the stored topics were made, if they are such as are asked for.
fn fitting_run(reader: &Reader, k: Option<usize>, seed: Option<u64>) -> Result<Option<TopicRun>> {
    Ok(reader.topic_run()?.filter(|run| {
        let as_many = k.is_none_or(|k| run.k_given && run.k == k && !run.edited);
        as_many && seed.is_none_or(|s| s == run.seed)
    }))
}

/// The options that topics were found with; the usual ones where an earlier version kept none.
///
/// # Errors
/// They are no options of this version: other topics would come out than were asked for.
fn options_of(run: &TopicRun, path: &Path) -> Result<TopicOptions> {
    if run.options.is_empty() {
        return Ok(TopicOptions::default());
    }
    serde_json::from_str(&run.options).map_err(|e| {
        Error::corpus(
            ErrorKind::Damaged,
            path,
            format!(
                "the options that its topics were found with cannot be read ({e}); find topics anew with options given"
            ),
        )
    })
}

impl Writer {
    /// The stored topics if there are any that fit `k` and `seed` where these are given, with
    /// articles that are new since then joined to them; else new ones. Topics are also found anew,
    /// with the options that they were found with, when [`Reader::topic_drift`] says so, unless
    /// they were changed by hand. `encoder` is asked for one when topics are found.
    ///
    /// # Errors
    /// As [`Writer::fit_topics`]; the options that the topics were found with cannot be read.
    pub fn update_topics(
        &mut self,
        k: Option<usize>,
        seed: Option<u64>,
        encoder: impl FnOnce(&Reader) -> Option<Encoder>,
        job: &Job,
    ) -> Result<Topics> {
        let mut options = TopicOptions::default();
        if let Some(run) = fitting_run(self, k, seed)? {
            let grown = run.generation != self.generation()?;
            if grown {
                self.join_topics(job)?;
            }
            if !grown || run.edited || !self.topic_drift()?.refit {
                return Topics::stored(self);
            }
            options = options_of(&run, self.path())?;
        }
        options.k = k.or(options.k);
        options.seed = seed.unwrap_or(options.seed);
        let encoder = encoder(self);
        if encoder.is_none() && !options.guides.is_empty() {
            // Topics with guides are found anew when there is an encoder to read these by.
            return Topics::stored(self);
        }
        self.fit_topics(&options, encoder.as_ref(), job)
    }

    /// Finds topics and stores them in the corpus.
    ///
    /// Nobody else can write meanwhile; [`Reader::find_topics`] and [`Writer::keep_topics`] are the two steps of it
    /// apart. The same corpus, options and version give the same topics, on any number of threads and in
    /// whatever order the articles were read. With an encoder, labels are ranked by meaning as
    /// well; guides need one. Topics that persist from an earlier fit (half of the articles of
    /// both together) keep their numbers and the names that the user gave them.
    ///
    /// # Errors
    /// An option cannot be used; there are fewer articles than topics, or none; a vector is no
    /// number; a guide finds nothing; the encoder's model is another than the corpus's; the file
    /// cannot be written; the job is cancelled. The topics that were there then stay.
    pub fn fit_topics(
        &mut self,
        options: &TopicOptions,
        encoder: Option<&Encoder>,
        job: &Job,
    ) -> Result<Topics> {
        let stored = fitted(self, options, encoder, job)?;
        keep(self, stored, job)
    }

    /// Stores topics that a reader found ([`Reader::find_topics`]). Of articles that were deleted, changed or
    /// embedded anew since, nothing is stored: they are in no topic until they join, and the topics are told to be
    /// stale.
    ///
    /// # Errors
    /// The file cannot be written; the job is cancelled. The topics that were there then stay.
    pub fn keep_topics(&mut self, fitted: FittedTopics, job: &Job) -> Result<Topics> {
        let FittedTopics {
            mut stored,
            made_of,
        } = fitted;
        if stored.run.generation != self.generation()? {
            let now = vectors(self)?;
            stored
                .members
                .retain(|member| now.get(&member.article) == made_of.get(&member.article));
        }
        keep(self, stored, job)
    }
}

/// Stores topics in the place of those that are there, whose numbers they keep where these persist.
fn keep(writer: &mut Writer, mut stored: StoredTopics, job: &Job) -> Result<Topics> {
    keep_numbers(&mut stored, writer.stored_topics()?.as_ref());
    job.check()?;
    job.progress(Stage::Writing, 0, Some(stored.members.len() as u64));
    writer.replace_topics(&stored)?;
    Topics::stored(writer)
}

/// Topics that were found and are not stored yet.
#[derive(Debug)]
pub struct FittedTopics {
    stored: StoredTopics,
    /// What each article's vector was made of.
    made_of: HashMap<i64, [u8; 32]>,
}

/// Of each article that has a vector, the hash of what that was made of.
fn vectors(reader: &Reader) -> Result<HashMap<i64, [u8; 32]>> {
    reader.run(|c| {
        c.prepare_cached("SELECT article, inputs_hash FROM article_vector")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    })
}

impl Reader {
    /// Finds topics on this snapshot, so that nobody need wait to write while they are found;
    /// [`Writer::keep_topics`] stores them. Options and results are those of [`Writer::fit_topics`].
    ///
    /// # Errors
    /// As there.
    pub fn find_topics(
        &self,
        options: &TopicOptions,
        encoder: Option<&Encoder>,
        job: &Job,
    ) -> Result<FittedTopics> {
        let stored = fitted(self, options, encoder, job)?;
        let made_of = vectors(self)?;
        Ok(FittedTopics { stored, made_of })
    }
}

/// Finds topics on what `reader` reads.
fn fitted(
    reader: &Reader,
    options: &TopicOptions,
    encoder: Option<&Encoder>,
    job: &Job,
) -> Result<StoredTopics> {
    options.check()?;
    let generation = reader.generation()?;
    let watch = Watch::new(job);
    let (keys, points) = points(reader, &watch)?;
    if keys.is_empty() {
        return Err(Error::corpus(
            ErrorKind::NotFound(Missing::Vectors),
            reader.path(),
            "it holds no embedded articles",
        ));
    }
    if let Some(encoder) = encoder {
        reader.check_model(encoder.identity())?;
    }
    let articles = InCorpus {
        reader,
        keys: &keys,
    };
    let mut stored = found(points, &articles, options, encoder)?.stored(&keys);
    stored.run = TopicRun {
        k_given: options.k.is_some(),
        seed: options.seed,
        generation,
        options: serde_json::to_string(options).unwrap_or_default(),
        cohesion: assign::cohesion(&stored.members),
        ..stored.run
    };
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Identity;
    use crate::topics::Method;
    use crate::{Article, Corpus};

    #[test]
    fn others_write_while_topics_are_found_on_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
        let article = |id: &str, text: &str, vector: [f32; 2]| {
            let article = Article {
                id: Some(id.to_string()),
                text: text.to_string(),
                ..Article::default()
            };
            (article, vector.to_vec())
        };
        let mut writer = corpus.writer().unwrap();
        writer.bind(&Identity::external("two", 2)).unwrap();
        let all = (0..40_u8).map(|i| {
            let slope = f32::from(i) / 400.0;
            let vector = [[1.0, slope], [slope, 1.0]][usize::from(i % 2)];
            article(&i.to_string(), &format!("text {i}"), vector)
        });
        writer.add(all, &Job::new()).unwrap();
        drop(writer);

        let options = TopicOptions {
            k: Some(2),
            ..TopicOptions::default()
        };
        let reader = corpus.reader().unwrap();
        // Whoever writes is not refused, and what was found holds of what is as it was.
        let fitted = reader.find_topics(&options, None, &Job::new()).unwrap();
        let key = |id: &str| reader.key_of(id).unwrap();
        let (deleted, moved, kept) = (key("3"), key("4"), key("5"));
        let mut writer = corpus.writer().unwrap();
        writer.delete(["3"]).unwrap();
        let later = [
            article("4", "another text", [0.0, 1.0]),
            article("new", "a text of later", [1.0, 0.1]),
        ];
        writer.add(later, &Job::new()).unwrap();
        let topics = writer.keep_topics(fitted, &Job::new()).unwrap();
        assert_eq!(topics.topics.len(), 2);
        let stored = writer.stored_topics().unwrap().unwrap();
        let placed: Vec<i64> = stored.members.iter().map(|m| m.article).collect();
        assert_eq!(placed.len(), 38);
        assert!(placed.contains(&kept));
        assert!(!placed.contains(&deleted) && !placed.contains(&moved));
        assert_ne!(stored.run.generation, writer.generation().unwrap());
        // Both can join.
        assert_eq!(writer.unplaced().unwrap().len(), 2);
        writer.join_topics(&Job::new()).unwrap();
        assert!(writer.unplaced().unwrap().is_empty());
    }

    #[test]
    fn options_of_earlier_versions_are_read() {
        let read = |options: &str| {
            let run = TopicRun {
                options: options.to_string(),
                ..TopicRun::default()
            };
            options_of(&run, Path::new("c.nearwise"))
        };
        let of = |options: &str| read(options).unwrap();
        let stored = r#"{"k":7,"seed":3,"method":"optics","least":4,"resolution":null,"radius":0.5,"batch":100,"min_similarity":null,"guides":[]}"#;
        let expected = TopicOptions {
            k: Some(7),
            seed: 3,
            method: Method::Tree,
            min_size: Some(4),
            batch_size: Some(100),
            ..TopicOptions::default()
        };
        assert_eq!(of(stored), expected);
        assert_eq!(of(r#"{"method":"leiden"}"#).method, Method::Leiden);
        assert_eq!(of(""), TopicOptions::default());
        let text = serde_json::to_string(&expected).unwrap();
        assert_eq!(of(&text), expected);
        // Not the usual ones in their place, which would be other topics without a word.
        for unreadable in ["{", "7", r#"{"k":"seven"}"#] {
            let error = read(unreadable).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{unreadable}");
            let message = error.to_string();
            assert!(message.contains("c.nearwise: the options"), "{message}");
        }
    }
}
