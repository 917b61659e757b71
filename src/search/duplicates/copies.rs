//! The other tellings of one article: copies, what holds it or stands in it, and retellings.

use super::{By, DuplicateOptions, Shown};
use crate::error::Result;
use crate::job::Job;
use crate::search::{Examples, Mode, SearchOptions};
use crate::store::Reader;

/// What an article is to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TellingKind {
    /// It is the article itself.
    #[serde(rename = "self")]
    Itself,
    /// They share half of their wording or more.
    Copy,
    /// Most of the shorter one stands in the longer one.
    Contained,
    /// They tell the same in other words.
    Retelling,
}

/// An article that tells what another tells.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Telling {
    /// Its id.
    pub id: String,
    /// Its title, or the start of its text.
    pub title: String,
    /// Its date.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
    /// What it is to the article that was asked for.
    pub kind: TellingKind,
    /// The share of wording, 0 to 1.
    pub wording: f32,
    /// The cosine of their vectors, -1 to 1; `None` where one is not embedded.
    pub cosine: Option<f32>,
}

/// The nearest articles that are compared by their wording, and the least cosine of these: what
/// stands in a text of several matters can be far from it.
const COMPARED: usize = 300;
const LEAST: f32 = 0.4;

impl Reader {
    /// All tellings of an article, the oldest first, itself among them; those without a date last.
    ///
    /// Of the 300 articles nearest by cosine, those count that share half of the wording (copies),
    /// of which one holds 0.7 of the other's wording (contained), or whose cosine is at least 0.85
    /// (retellings): the thresholds of [`DuplicateOptions::new`]. An article without a vector, or
    /// one that the model cannot read, is alone.
    ///
    /// # Errors
    /// No article has this id; the file is damaged; the job is cancelled.
    pub fn tellings(&self, id: &str, job: &Job) -> Result<Vec<Telling>> {
        let key = self.key_of(id)?;
        let own = Shown::read(self, key)?;
        let mut found = vec![(telling(&own, &own, TellingKind::Itself), key)];
        let readable = own.vector.is_some() && !self.unread()?.contains(&key);
        let near = if readable {
            let options = SearchOptions {
                k: COMPARED,
                threshold: Some(LEAST),
                mode: Mode::Auto,
                ..SearchOptions::default()
            };
            self.similar_articles(&Examples::like(id), &options)?.hits
        } else {
            Vec::new()
        };
        let least = |by| DuplicateOptions::new(by).threshold;
        for hit in near {
            job.check()?;
            let key = self.key_of(&hit.id)?;
            let other = Shown::read(self, key)?;
            let alike = own.alike(&other);
            let kind = if alike.words >= least(By::Words) {
                TellingKind::Copy
            } else if alike.contained >= least(By::Containment) {
                TellingKind::Contained
            } else if alike.by(By::Meaning) >= least(By::Meaning) {
                TellingKind::Retelling
            } else {
                continue;
            };
            found.push((telling(&own, &other, kind), key));
        }
        found.sort_by(|(a, i), (b, j)| {
            let at = |t: &Telling| (t.date.is_none(), t.date.clone());
            at(a).cmp(&at(b)).then(i.cmp(j))
        });
        Ok(found.into_iter().map(|(telling, _)| telling).collect())
    }
}

fn telling(own: &Shown, other: &Shown, kind: TellingKind) -> Telling {
    let alike = own.alike(other);
    let itself = kind == TellingKind::Itself;
    Telling {
        id: other.article.id.clone(),
        title: other.title(),
        date: other.article.date.clone(),
        source: other.article.source.clone(),
        kind,
        // A text of fewer than three words has no wording to share.
        wording: if itself { 1.0 } else { alike.words },
        cosine: alike.cosine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Identity;
    use crate::{Article, Corpus, Job};

    #[test]
    fn copies_parts_and_retellings_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::create(folder.path().join("c.nearwise")).unwrap();
        let words = |range: std::ops::Range<usize>| -> String {
            let words: Vec<String> = range.map(|i| format!("word{i}")).collect();
            words.join(" ")
        };
        let article = |id: &str, date: Option<&str>, text: String, vector: [f32; 2]| {
            let article = Article {
                id: Some(id.into()),
                title: format!("Title {id}"),
                text,
                date: date.map(String::from),
                ..Article::default()
            };
            (article, vector.to_vec())
        };
        let all = [
            article("own", Some("2025-03-01"), words(0..40), [1.0, 0.0]),
            article("copy", Some("2025-02-01"), words(0..38), [1.0, 0.1]),
            article("holds", Some("2025-04-01"), words(0..200), [1.0, 1.0]),
            article("retold", None, words(300..340), [1.0, 0.2]),
            article("other", Some("2025-01-01"), words(400..440), [1.0, 1.0]),
            article("far", Some("2025-01-01"), words(0..40), [0.0, 1.0]),
        ];
        let mut writer = corpus.writer().unwrap();
        writer.bind(&Identity::external("two", 2)).unwrap();
        writer.add(all, &Job::new()).unwrap();
        drop(writer);
        let reader = corpus.reader().unwrap();
        let tellings = reader.tellings("own", &Job::new()).unwrap();
        let kinds: Vec<(&str, TellingKind)> =
            tellings.iter().map(|t| (t.id.as_str(), t.kind)).collect();
        let expected = [
            ("copy", TellingKind::Copy),
            ("own", TellingKind::Itself),
            ("holds", TellingKind::Contained),
            ("retold", TellingKind::Retelling),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(tellings[1].wording, 1.0);
        assert!(reader.tellings("none", &Job::new()).is_err());
    }
}
