//! What is searched for and how: one struct for every kind of answer.

use super::duplicates::{By, DuplicateOptions};
use crate::error::{Error, Result};
use crate::store::{Field, Filter};
use serde::{Deserialize, Serialize};

/// How vectors are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Exact up to [`ANN_FROM`](super::ANN_FROM) passages, where every vector has to be looked at
    /// anyway, and where there is no current index; else approximate.
    #[default]
    Auto,
    /// Every vector is compared.
    Exact,
    /// By the HNSW index, where it is current ([`Reader::refresh_index`](crate::Reader::refresh_index)
    /// makes it so) and what is asked allows of it; see [`SearchOptions::may_use_index`].
    Approximate,
}

/// By what articles are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchBy {
    /// The cosine of the query and an article's best passage.
    #[default]
    Meaning,
    /// BM25 over words of title and text; no model is needed, and articles that are not embedded
    /// yet are found too.
    Words,
    /// Both rankings, joined by reciprocal rank fusion.
    Both,
}

/// When two articles count as nearly the same, by the thresholds of [`DuplicateOptions::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FoldBy {
    /// They share half of their wording (three-word sequences, boilerplate left out), and their
    /// vectors have a cosine of at least 0.7, which tells what is worth comparing.
    #[default]
    Words,
    /// The cosine of their vectors is at least 0.85: the same story, in other words as well.
    Meaning,
    /// Either.
    Either,
}

impl FoldBy {
    /// The least share of wording and the least cosine that make a duplicate.
    pub(super) fn thresholds(self) -> (Option<f32>, Option<f32>) {
        let of = |by| Some(DuplicateOptions::new(by).threshold);
        match self {
            Self::Words => (of(By::Words), None),
            Self::Meaning => (None, of(By::Meaning)),
            Self::Either => (of(By::Words), of(By::Meaning)),
        }
    }
}

/// After how long an article counts half: a number and `d`, `w`, `m` or `y`, such as `30d` or
/// `1.5y`. A month is a twelfth of a year of 365.25 days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HalfLife {
    days: f64,
}

/// The units of [`HalfLife`], in days.
const UNITS: [(char, f64); 4] = [('y', 365.25), ('m', 365.25 / 12.0), ('w', 7.0), ('d', 1.0)];
/// The longest half-life in days: ten thousand years, which is as good as none.
const LONGEST: f64 = 365.25 * 10_000.0;

impl HalfLife {
    /// In days, more than 0 and at most ten thousand years.
    ///
    /// # Errors
    /// It is none of these.
    pub fn days(days: f64) -> Result<Self> {
        if days > 0.0 && days <= LONGEST {
            return Ok(Self { days });
        }
        Err(Error::parameter(
            "half_life",
            "give a time of more than 0 days and at most 10000 years",
        ))
    }

    /// In days.
    pub fn in_days(self) -> f64 {
        self.days
    }
}

impl std::str::FromStr for HalfLife {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let unit = UNITS.iter().find(|(unit, _)| text.ends_with(*unit));
        let number =
            unit.and_then(|(unit, _)| text.strip_suffix(*unit)?.trim().parse::<f64>().ok());
        match (unit, number) {
            (Some((_, days)), Some(number)) => Self::days(number * days),
            _ => Err(Error::parameter(
                "half_life",
                format!("{text:?} is no time; give a number and d, w, m or y, such as 30d"),
            )),
        }
    }
}

impl std::fmt::Display for HalfLife {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}d", self.days)
    }
}

impl TryFrom<String> for HalfLife {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<HalfLife> for String {
    fn from(half_life: HalfLife) -> Self {
        half_life.to_string()
    }
}

/// What is asked of an answer. Every option goes with every other, but for those that
/// [`SearchOptions::check`] refuses.
///
/// An answer is made in this order. Articles are **ranked** by meaning, by words or by both, those
/// of the filter alone, and those below the threshold left out. With a **half-life** the ranking
/// is by score × 2^(−age/half-life). **Folding** goes down the ranking and puts every article
/// that is nearly the same as one before it under that one. **Diversity** then reorders what is
/// left. Last, the **page** is cut out: `k` hits from `offset` on; the pages of an answer, one
/// after another, are one large answer (by the approximate index as far as it finds the same).
/// **Facets** count over all that was ranked, folded or not.
///
/// ```
/// use nearwise::search::SearchOptions;
///
/// let options: SearchOptions =
///     serde_json::from_str(r#"{"k": 5, "fold": "words", "half_life": "30d", "facets": ["source"]}"#)?;
/// assert_eq!(options.offset, 0);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// How many hits, at most; 10.
    pub k: usize,
    /// How many hits are left out before the first.
    pub offset: usize,
    /// Only articles that this lets through.
    pub filter: Option<Filter>,
    /// By what articles are ranked.
    pub by: SearchBy,
    /// Exact or approximate.
    pub mode: Mode,
    /// The least cosine of the query and an article's best passage (of articles' vectors, for
    /// similar ones), -1 to 1. By both, an article that is found by its words must reach it too.
    pub threshold: Option<f32>,
    /// Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the weight λ of relevance
    /// against being unlike the hits before, 0 to 1; [`SearchOptions::LAMBDA`] is a good one.
    ///
    /// Each hit is the one with the highest λ·relevance − (1 − λ)·(greatest cosine of its article's
    /// vector and those of the hits before). Relevance is the cosine; by words the score's share of
    /// the best one's; by both that of the best possible one; with a half-life the share of the
    /// best one's too. The n-th hit is chosen from the first max(100, 5·n) of the ranking.
    pub diverse: Option<f32>,
    /// Folds articles that are nearly the same into the first of them.
    pub fold: Option<FoldBy>,
    /// Lets newer articles come first: after this time an article counts half.
    ///
    /// The score is cosine × 2^(−age/half-life), so that how two articles compare does not depend
    /// on when one asks; a negative cosine stays as it is. By words, BM25 takes the place of the
    /// cosine, and by both each ranking is made so before they are joined. An article without a
    /// date counts as old as the middle one of the corpus's dated articles.
    pub half_life: Option<HalfLife>,
    /// The date from which age is counted, as ISO 8601 writes it or its beginning; articles of
    /// later dates are of age 0. By default the latest date in the corpus, today at most.
    pub now: Option<String>,
    /// Fields whose values are counted over the whole result: `source`, `topic`, `date` (by days),
    /// `origin`, any metadata, and `year` and `month` of the date where no metadata is called so.
    pub facets: Vec<Field>,
    /// How many values of each of those are listed, at most; 10.
    pub facets_limit: usize,
    /// Finds the sentence of each hit's passage that answers best.
    pub sentences: bool,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            k: 10,
            offset: 0,
            filter: None,
            by: SearchBy::default(),
            mode: Mode::default(),
            threshold: None,
            diverse: None,
            fold: None,
            half_life: None,
            now: None,
            facets: Vec::new(),
            facets_limit: 10,
            sentences: false,
        }
    }
}

impl SearchOptions {
    /// A weight of relevance that changes little at the top and spares most repeats.
    pub const LAMBDA: f32 = 0.8;
    /// The most hits, those before the page included, that can be diverse: each is compared with a
    /// pool that grows with their number.
    pub const MOST_DIVERSE: usize = 1_000;
    /// The most hits, those before the page included, that can be folded: each is compared with
    /// all.
    pub const MOST_FOLDED: usize = 10_000;
    /// The most hits, those before the page included.
    pub const MOST: usize = 2_000_000;

    /// How many hits there are to the end of the page.
    pub fn end(&self) -> usize {
        self.k.saturating_add(self.offset)
    }

    /// Whether an approximate index can answer: not under a filter or with a half-life, which it
    /// does not know, nor where counting by a threshold looks at every vector.
    pub fn may_use_index(&self) -> bool {
        self.mode != Mode::Exact
            && self.by != SearchBy::Words
            && self.filter.is_none()
            && self.half_life.is_none()
            && (self.facets.is_empty() || self.threshold.is_none())
    }

    /// Whether the options can be used, and together.
    ///
    /// # Errors
    /// One is out of its range, or two do not go together; the line says why.
    pub fn check(&self) -> Result<()> {
        let wrong = |name, message: String| Err(Error::parameter(name, message));
        let most = |what: &str, most: usize| {
            format!(
                "{what} is for the first {most} hits, and this asks for the first {}",
                self.end()
            )
        };
        if self.end() > Self::MOST {
            return wrong("offset", most("an answer", Self::MOST));
        }
        if let Some(threshold) = self.threshold {
            if !(-1.0..=1.0).contains(&threshold) {
                return wrong("threshold", "give a cosine from -1 to 1".into());
            }
            if self.by == SearchBy::Words {
                return wrong(
                    "threshold",
                    "it is a cosine, and a search by words alone has none: its scores have no common scale".into(),
                );
            }
        }
        if let Some(lambda) = self.diverse {
            if !(0.0..=1.0).contains(&lambda) {
                return wrong("diverse", "give a number from 0 to 1".into());
            }
            if self.end() > Self::MOST_DIVERSE {
                return wrong("diverse", most("it", Self::MOST_DIVERSE));
            }
        }
        if self.fold.is_some() && self.end() > Self::MOST_FOLDED {
            return wrong("fold", most("it", Self::MOST_FOLDED));
        }
        if self.now.is_some() && self.half_life.is_none() {
            return wrong(
                "now",
                "it says from when age counts, which needs a half-life".into(),
            );
        }
        Ok(())
    }
}
