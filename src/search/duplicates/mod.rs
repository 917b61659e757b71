//! Articles that are the same, nearly the same, stand in each other or tell the same.
//!
//! Copies are one text from the start, so that a crawl's ten thousand error pages cost no more than
//! one. Of the pairs of distinct texts the best are kept while they are found, and the groups of
//! all of them; articles are read again only for what is shown.

mod containment;
mod copies;
mod found;
mod meaning;
mod shingles;
mod texts;
mod wording;

pub use copies::{Telling, TellingKind};

use crate::corpus::boilerplate;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::store::{Reader, StoredArticle};
use found::Found;
use rustc_hash::FxHashMap;
use shingles::{contained, jaccard, shingles};
use std::cmp::Reverse;

/// By what articles count as duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Shared wording: the Jaccard index of three-word sequences.
    Words,
    /// A text within a longer one: the share of its three-word sequences that the other holds too.
    Containment,
    /// Shared meaning: the cosine of the articles' vectors.
    Meaning,
}

/// What is looked for, and how much of it is listed.
#[derive(Debug, Clone, Copy)]
pub struct DuplicateOptions {
    /// By what.
    pub by: By,
    /// The least similarity of a pair, 0.05 to 1.
    pub threshold: f32,
    /// The most groups that are listed, and the most pairs.
    pub limit: usize,
    /// The most members of a group that are listed.
    pub members: usize,
    /// By meaning, whether articles of one group by words are left out, so that what is left was
    /// told in other words.
    pub reworded: bool,
}

impl DuplicateOptions {
    /// The usual threshold: 0.5 of the wording, 0.7 of a text within another, or a cosine of 0.85.
    /// A hundred groups and pairs are listed, each with a hundred members at most.
    pub fn new(by: By) -> Self {
        Self {
            by,
            threshold: match by {
                By::Words => 0.5,
                By::Containment => 0.7,
                By::Meaning => 0.85,
            },
            limit: 100,
            members: 100,
            reworded: false,
        }
    }
}

/// Groups of duplicates and pairs of them.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Duplicates {
    /// How many groups there are.
    pub groups_found: u64,
    /// How many articles are in them.
    pub articles: u64,
    /// How many could go if one of each group stays.
    pub surplus: u64,
    /// How many pairs of distinct texts were found; of more than 64 texts that are nearly equal,
    /// not every pair is.
    pub pairs_found: u64,
    /// The groups, that with the most alike pair first; of those as alike the largest.
    pub groups: Vec<Group>,
    /// The pairs, most alike first. Of copies of one text, each is paired with one of them.
    pub pairs: Vec<Pair>,
}

/// Articles that pairs connect.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Group {
    /// How many articles it has.
    pub size: u64,
    /// The one to keep: that with the longest text; of copies the one with the earliest date, and
    /// of those without one that which was read first.
    pub keep: Kept,
    /// The others, or the first of them, most like the kept one first.
    pub members: Vec<Member>,
}

/// The article of a group that says most.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// Its title, or the start of its text.
    pub title: String,
    /// Its date.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
}

/// Another article of a group.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its title, or the start of its text.
    pub title: String,
    /// Its date.
    pub date: Option<String>,
    /// Its publisher.
    pub source: Option<String>,
    /// The article of the group of which it is a copy, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
    /// How alike it and the kept one are. In a group of many this can be less than the threshold:
    /// others are between them.
    #[serde(flatten)]
    pub alike: Alike,
}

/// How alike two articles are.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Alike {
    /// The share of wording, 0 to 1.
    pub words: f32,
    /// The share of the shorter one's wording that the other holds, 0 to 1.
    pub contained: f32,
    /// The cosine of their vectors, -1 to 1; `None` where one is not embedded.
    pub cosine: Option<f32>,
}

impl Alike {
    /// The one that counts.
    pub fn by(&self, by: By) -> f32 {
        match by {
            By::Words => self.words,
            By::Containment => self.contained,
            By::Meaning => self.cosine.unwrap_or(-1.0),
        }
    }
}

/// Two articles and how alike they are.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Pair {
    /// The id of the one that was read first.
    pub a: String,
    /// The id of the other.
    pub b: String,
    /// Their titles, or the starts of their texts.
    pub titles: (String, String),
    /// How alike they are.
    #[serde(flatten)]
    pub alike: Alike,
}

/// Articles that are read or compared between two looks at the job.
const BATCH: usize = 256;

/// What a comparison found.
struct Compared {
    /// The rows of the articles that have each distinct text or vector.
    rows: Vec<Vec<i64>>,
    found: Found,
}

impl Reader {
    /// The groups and pairs of articles that are at least as alike as the threshold.
    ///
    /// By words, candidates come from MinHash with locality-sensitive hashing and are compared
    /// exactly, boilerplate left out; of pairs at the threshold of 0.5 one in five thousand is
    /// missed, of closer ones fewer. By containment, a text of at least ten words is looked for in
    /// longer ones. By meaning, every pair of distinct vectors is compared; articles that the model
    /// cannot read are left out.
    ///
    /// By words and by containment, the time grows with the articles, by meaning with the square of
    /// those that differ. Memory holds some hundred bytes for each article, by meaning the vectors,
    /// and what is listed.
    ///
    /// # Errors
    /// The threshold is none; `reworded` by another than meaning; the file is damaged; the job is
    /// cancelled.
    pub fn duplicates(&self, options: DuplicateOptions, job: &Job) -> Result<Duplicates> {
        let threshold = options.threshold;
        if !(0.05..=1.0).contains(&threshold) {
            return Err(Error::parameter(
                "threshold",
                "give a number from 0.05 to 1",
            ));
        }
        if options.reworded && options.by != By::Meaning {
            return Err(Error::parameter(
                "reworded",
                "it is for articles alike by meaning, from which it takes those alike by words",
            ));
        }
        job.check()?;
        let compared = match options.by {
            By::Words => wording::compare(self, threshold, options.limit, job)?,
            By::Containment => containment::compare(self, threshold, options.limit, job)?,
            By::Meaning => {
                let apart = if options.reworded {
                    groups_by_words(self, job)?
                } else {
                    FxHashMap::default()
                };
                meaning::compare(self, threshold, options.limit, &apart, job)?
            }
        };
        listed(self, compared, &options, job)
    }
}

/// The group by words of each article that is in one, by its row.
fn groups_by_words(store: &Reader, job: &Job) -> Result<FxHashMap<i64, u32>> {
    let threshold = DuplicateOptions::new(By::Words).threshold;
    let Compared { rows, found } = wording::compare(store, threshold, 0, job)?;
    let mut out = FxHashMap::default();
    for (_, texts) in found.into_parts().1 {
        let of_group = || texts.iter().flat_map(|&text| &rows[text as usize]);
        if of_group().nth(1).is_some() {
            out.extend(of_group().map(|&row| (row, texts[0])));
        }
    }
    Ok(out)
}

/// Puts into words what was found.
fn listed(
    store: &Reader,
    compared: Compared,
    options: &DuplicateOptions,
    job: &Job,
) -> Result<Duplicates> {
    let Compared { rows, found } = compared;
    let pairs_found = found.count;
    let (best, groups) = found.into_parts();
    let rows_of = |text: u32| &rows[text as usize];
    let mut groups: Vec<(f32, u64, Vec<u32>)> = groups
        .into_iter()
        .map(|(score, texts)| {
            let size = texts.iter().map(|&t| rows_of(t).len() as u64).sum();
            // Copies are as alike as can be.
            let copies = size > texts.len() as u64;
            (if copies { 1.0 } else { score.min(1.0) }, size, texts)
        })
        .filter(|(_, size, _)| *size > 1)
        .collect();
    groups.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then(b.1.cmp(&a.1))
            .then(a.2[0].cmp(&b.2[0]))
    });
    let articles = groups.iter().map(|g| g.1).sum();
    let groups_found = groups.len() as u64;

    let mut pairs = Vec::new();
    for (a, b) in first_copies(&rows, options.limit)
        .into_iter()
        .chain(
            best.into_iter()
                .map(|(a, b)| (rows_of(a)[0], rows_of(b)[0])),
        )
        .take(options.limit)
    {
        job.check()?;
        let (a, b) = (Shown::read(store, a.min(b))?, Shown::read(store, a.max(b))?);
        pairs.push(Pair {
            alike: a.alike(&b),
            titles: (a.title(), b.title()),
            a: a.article.id,
            b: b.article.id,
        });
    }
    // Stable: of pairs equally alike, the one read first comes first.
    pairs.sort_by(|x, y| y.alike.by(options.by).total_cmp(&x.alike.by(options.by)));
    let mut described = Vec::new();
    for (_, size, texts) in groups.into_iter().take(options.limit) {
        let texts: Vec<&[i64]> = texts.iter().map(|&t| rows_of(t).as_slice()).collect();
        described.push(group(store, size, &texts, options, job)?);
    }
    Ok(Duplicates {
        groups_found,
        articles,
        surplus: articles - groups_found,
        pairs_found,
        groups: described,
        pairs,
    })
}

/// Pairs of each text's first article and its copies, `most` of them: the first copy of every text,
/// then the second, so that one text of many copies does not push out all others.
fn first_copies(rows: &[Vec<i64>], most: usize) -> Vec<(i64, i64)> {
    let mut out = Vec::new();
    for nth in 1.. {
        let before = out.len();
        let copies = rows.iter().filter_map(|r| Some((r[0], *r.get(nth)?)));
        out.extend(copies.take(most - out.len()));
        if out.len() == before {
            break;
        }
    }
    out
}

/// Describes a group of texts, each with the rows of its articles.
fn group(
    store: &Reader,
    size: u64,
    texts: &[&[i64]],
    options: &DuplicateOptions,
    job: &Job,
) -> Result<Group> {
    // The longest text, by its first article; then the earliest of its copies.
    let mut longest: Option<(Reverse<usize>, usize)> = None;
    for (i, rows) in texts.iter().enumerate() {
        job.check()?;
        let own = Reverse(store.text_length(rows[0])?);
        longest = Some(longest.map_or((own, i), |l| l.min((own, i))));
    }
    let (_, longest) = longest.unwrap_or((Reverse(0), 0));
    let mut earliest: Option<(bool, String, i64)> = None;
    for &row in texts[longest] {
        job.check()?;
        let date = store.described_at(row)?.date;
        let key = (date.is_none(), date.unwrap_or_default(), row);
        earliest = Some(match earliest {
            Some(before) => before.min(key),
            None => key,
        });
    }
    let keep = earliest.map_or(texts[longest][0], |e| e.2);
    let kept = Shown::read(store, keep)?;

    let mut members = Vec::new();
    let order = std::iter::once(longest).chain((0..texts.len()).filter(|&i| i != longest));
    'all: for text in order {
        // Copies are as like the kept one as the first of them.
        let mut first: Option<(String, Alike)> =
            (text == longest).then(|| (kept.article.id.clone(), kept.alike(&kept)));
        for &row in texts[text].iter().filter(|&&row| row != keep) {
            job.check()?;
            if members.len() == options.members {
                break 'all;
            }
            let (shown, copy_of, alike) = match &first {
                Some((id, alike)) => {
                    let cosine = match (&kept.vector, store.article_vector(row)?) {
                        (Some(a), Some(b)) => Some(super::cosine(a, &b)),
                        _ => None,
                    };
                    let alike = Alike { cosine, ..*alike };
                    (store.described_at(row)?, Some(id.clone()), alike)
                }
                None => {
                    let shown = Shown::read(store, row)?;
                    let alike = kept.alike(&shown);
                    let described = store.described_at(row)?;
                    first = Some((described.id.clone(), alike));
                    (described, None, alike)
                }
            };
            members.push(Member {
                id: shown.id,
                title: shown.title,
                date: shown.date,
                source: shown.source,
                copy_of,
                alike,
            });
        }
    }
    members.sort_by(|a, b| b.alike.by(options.by).total_cmp(&a.alike.by(options.by)));
    Ok(Group {
        size,
        keep: Kept {
            title: kept.title(),
            id: kept.article.id,
            date: kept.article.date,
            source: kept.article.source,
        },
        members,
    })
}

/// The text that is compared: that of the article itself.
fn own_text(article: &StoredArticle) -> String {
    boilerplate::without(&article.text, &article.boilerplate)
}

/// The shingles of an article's own text, as duplicates by words are told by.
pub(super) fn own_shingles(store: &Reader, row: i64) -> Result<Vec<u64>> {
    Ok(shingles(&own_text(&store.article_at(row)?)))
}

/// The share of wording of two articles, by their shingles.
pub(super) fn shared(a: &[u64], b: &[u64]) -> f32 {
    jaccard(a, b)
}

/// An article that is shown beside another.
struct Shown {
    article: StoredArticle,
    shingles: Vec<u64>,
    vector: Option<Vec<f32>>,
}

impl Shown {
    fn read(store: &Reader, row: i64) -> Result<Self> {
        let article = store.article_at(row)?;
        Ok(Self {
            shingles: shingles(&own_text(&article)),
            vector: store.article_vector(row)?,
            article,
        })
    }

    fn title(&self) -> String {
        self.article.heading()
    }

    fn alike(&self, other: &Self) -> Alike {
        Alike {
            words: jaccard(&self.shingles, &other.shingles),
            contained: contained(&self.shingles, &other.shingles),
            cosine: match (&self.vector, &other.vector) {
                (Some(a), Some(b)) => Some(super::cosine(a, b)),
                _ => None,
            },
        }
    }
}
