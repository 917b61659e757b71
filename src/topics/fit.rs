//! Finding the topics of a corpus and storing them.

use super::articles::InCorpus;
use super::describe::keep_numbers;
use super::find::found;
use super::watch::Watch;
use super::{TopicOptions, Topics, assign, points};
use crate::encoder::Encoder;
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::{Job, Stage};
use crate::store::{Reader, TopicRun, Writer};
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
    /// The same corpus, options and version give the same topics, on any number of threads and in
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
        options.check()?;
        let generation = self.generation()?;
        let watch = Watch::new(job);
        let (keys, points) = points(self, &watch)?;
        if keys.is_empty() {
            return Err(Error::corpus(
                ErrorKind::NotFound(Missing::Vectors),
                self.path(),
                "it holds no embedded articles",
            ));
        }
        if let Some(encoder) = encoder {
            self.check_model(encoder.identity())?;
        }
        let articles = InCorpus {
            reader: self,
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
        keep_numbers(&mut stored, self.stored_topics()?.as_ref());
        job.check()?;
        job.progress(Stage::Writing, 0, Some(stored.members.len() as u64));
        self.replace_topics(&stored)?;
        Topics::stored(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::Method;

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
