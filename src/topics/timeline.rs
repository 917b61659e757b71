//! Topics over time: how many articles of each in every span, and which come up or fade.

use crate::error::{Error, ErrorKind, Result};
use crate::store::{NO_TOPIC, Reader};
use crate::topics::about::day;
use crate::topics::none_yet;
use chrono::{Datelike, NaiveDate};
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

/// How long a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// A day.
    Day,
    /// A week, from Monday (ISO 8601).
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// A year.
    Year,
}

impl Span {
    const ALL: [(Self, &'static str, i64); 5] = [
        (Self::Day, "day", 1),
        (Self::Week, "week", 7),
        (Self::Month, "month", 30),
        (Self::Quarter, "quarter", 91),
        (Self::Year, "year", 365),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|s| s.0 == self).map_or("", |s| s.1)
    }

    /// The first day of the span that a day lies in.
    pub(super) fn start(self, day: NaiveDate) -> NaiveDate {
        let first = |month| NaiveDate::from_ymd_opt(day.year(), month, 1);
        match self {
            Self::Day => Some(day),
            Self::Week => day.checked_sub_days(chrono::Days::new(u64::from(
                day.weekday().num_days_from_monday(),
            ))),
            Self::Month => first(day.month()),
            Self::Quarter => first((day.month0() / 3) * 3 + 1),
            Self::Year => first(1),
        }
        .unwrap_or(day)
    }

    /// The first day of the next span.
    pub(super) fn next(self, start: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => start.succ_opt(),
            Self::Week => start.checked_add_days(chrono::Days::new(7)),
            Self::Month => start.checked_add_months(chrono::Months::new(1)),
            Self::Quarter => start.checked_add_months(chrono::Months::new(3)),
            Self::Year => start.checked_add_months(chrono::Months::new(12)),
        }
    }

    /// How a span is written: `2024-03-05`, `2024-W10`, `2024-03`, `2024-Q1`, `2024`.
    pub(super) fn label(self, start: NaiveDate) -> String {
        match self {
            Self::Day => start.format("%Y-%m-%d").to_string(),
            Self::Week => start.format("%G-W%V").to_string(),
            Self::Month => start.format("%Y-%m").to_string(),
            Self::Quarter => format!("{}-Q{}", start.year(), start.month0() / 3 + 1),
            Self::Year => start.format("%Y").to_string(),
        }
    }

    /// As [`Span::fitting`], and with some articles in a span on average: shares of one or two are
    /// noise.
    fn telling(days: i64, articles: usize) -> Self {
        const SOME: i64 = 3;
        let articles = i64::try_from(articles).unwrap_or(i64::MAX);
        let fitting = Self::fitting(days);
        Self::ALL
            .iter()
            .filter(|s| s.0 >= fitting)
            .find(|s| articles / (days / s.2 + 1) >= SOME)
            .map_or(Self::Year, |s| s.0)
    }

    /// The shortest span that splits a period of this many days into at most 60.
    pub(super) fn fitting(days: i64) -> Self {
        Self::ALL
            .iter()
            .find(|s| days / s.2 < 60)
            .map_or(Self::Year, |s| s.0)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .iter()
            .find(|s| s.1 == name)
            .map(|s| s.0)
            .ok_or_else(|| "use day, week, month, quarter or year".to_string())
    }
}

/// Whether a topic's share grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Trend {
    /// Its share is higher of late.
    Emerging,
    /// Its share is lower of late.
    Fading,
    /// Neither beyond chance.
    Steady,
}

/// A topic's course.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Course {
    /// The topic's number.
    pub topic: i64,
    /// Its label.
    pub label: String,
    /// The value of the field that the articles are grouped by, where one is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its articles in each span.
    pub counts: Vec<u64>,
    /// Its share of the articles of each span, 0 to 1; 0 for a span without articles.
    pub shares: Vec<f64>,
    /// Whether its share differs between the last quarter of the spans and those before: two
    /// proportions, beyond 2.58 standard errors (99 %).
    pub trend: Trend,
    /// That difference in standard errors.
    pub z: f64,
}

/// Topics over time.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Timeline {
    /// The length of a span.
    pub span: String,
    /// The spans, without gaps.
    pub spans: Vec<String>,
    /// The articles of each, of whatever topic.
    pub articles: Vec<u64>,
    /// Each topic's course, the largest first; with a field, for each of its values.
    pub courses: Vec<Course>,
    /// Articles that are left out: without a date that can be read, or with one that is less exact
    /// than a span.
    pub undated: u64,
}

/// The most spans: more are of no use to anybody.
const SPANS: usize = 5000;
/// The most values of a field that are followed, those with the most articles.
const VALUES: usize = 12;
/// Standard errors beyond which a trend is no chance, at 99 %.
const CHANCE: f64 = 2.58;

impl Reader {
    /// Follows topics through time, grouped by `source` or a metadata field where one is given.
    /// Without a span, the shortest is taken that gives at most 60 of them, with three articles in one
    /// on average, and that nearly all dates are exact enough for.
    ///
    /// # Errors
    /// There are no topics; no article has a date that is exact enough; the field is unknown; there
    /// are too many spans.
    pub fn topics_over_time(&self, span: Option<Span>, field: Option<&str>) -> Result<Timeline> {
        self.followed(span, field, None)
    }

    /// As [`Reader::topics_over_time`], of the articles of one publisher alone.
    ///
    /// # Errors
    /// There are no topics; no article of the publisher has a date; there are too many spans.
    pub fn topics_over_time_of(&self, span: Option<Span>, source: &str) -> Result<Timeline> {
        self.followed(span, None, Some(source))
    }

    fn followed(
        &self,
        span: Option<Span>,
        field: Option<&str>,
        source: Option<&str>,
    ) -> Result<Timeline> {
        if self.topic_run()?.is_none() {
            return Err(none_yet(self));
        }
        if let Some(field) = field.filter(|&f| f != "source") {
            let fields = self.fields()?;
            if !fields.iter().any(|f| f == field) {
                return Err(Error::parameter(
                    "field",
                    format!(
                        "there is no field {field:?}; there are source{}",
                        fields.iter().map(|f| format!(", {f}")).collect::<String>()
                    ),
                ));
            }
        }
        let topic: HashMap<i64, i64> = self
            .members()?
            .iter()
            .map(|m| (m.article, m.topic))
            .collect();
        let mut undated = 0;
        let mut dated: Vec<(Dated, i64, Option<String>)> = Vec::new();
        for (key, date, mut value) in self.dates_and(source.map_or(field, |_| Some("source")))? {
            let Some(&topic) = topic.get(&key) else {
                continue;
            };
            if source.is_some() && value.take().as_deref() != source {
                continue;
            }
            match date.as_deref().and_then(Dated::of) {
                Some(date) => dated.push((date, topic, value)),
                None => undated += 1,
            }
        }
        let none = |message: &str| Error::corpus(ErrorKind::NoResult, self.path(), message);
        let days = |dated: &[(Dated, i64, Option<String>)]| {
            let days = || dated.iter().map(|d| d.0.first);
            Some((days().min()?, days().max()?))
        };
        let (first, last) =
            days(&dated).ok_or_else(|| none("no article with a topic has a date"))?;
        let span = span.unwrap_or_else(|| {
            let exact = exact_enough(dated.iter().map(|d| d.0.exact));
            Span::telling((last - first).num_days(), dated.len()).max(exact)
        });
        let all = dated.len();
        dated.retain(|d| d.0.exact <= span);
        undated += (all - dated.len()) as u64;
        let (first, last) = days(&dated).ok_or_else(|| {
            none(&format!(
                "no article with a topic has a date that says the {}; take a longer span",
                span.name()
            ))
        })?;
        let mut starts = Vec::new();
        let mut at = Some(span.start(first));
        while let Some(start) = at.filter(|&a| a <= last) {
            if starts.len() == SPANS {
                return Err(Error::parameter(
                    "span",
                    format!(
                        "{first} to {last} is more than {SPANS} spans of a {}; take a longer one",
                        span.name()
                    ),
                ));
            }
            starts.push(start);
            at = span.next(start);
        }
        let index: HashMap<NaiveDate, usize> =
            starts.iter().enumerate().map(|(i, &s)| (s, i)).collect();
        let mut articles = vec![0u64; starts.len()];
        // With a field, shares are of the articles with the same value.
        let mut of_value: BTreeMap<Option<String>, Vec<u64>> = BTreeMap::new();
        let mut counts: BTreeMap<(i64, Option<String>), Vec<u64>> = BTreeMap::new();
        for (date, topic, value) in dated {
            let Some(&i) = index.get(&span.start(date.first)) else {
                continue;
            };
            articles[i] += 1;
            let empty = || vec![0; starts.len()];
            of_value.entry(value.clone()).or_insert_with(empty)[i] += 1;
            counts.entry((topic, value)).or_insert_with(empty)[i] += 1;
        }
        let mut values: Vec<(&Option<String>, u64)> =
            of_value.iter().map(|(v, c)| (v, c.iter().sum())).collect();
        values.sort_by_key(|v| (std::cmp::Reverse(v.1), Option::clone(v.0)));
        values.truncate(VALUES);
        let mut courses = Vec::new();
        for stored in self.topics()? {
            for (value, _) in &values {
                let Some(counts) = counts.get(&(stored.id, Option::clone(value))) else {
                    continue;
                };
                let all = &of_value[*value];
                let (trend, z) = trend(counts, all);
                courses.push(Course {
                    topic: stored.id,
                    label: stored.label.clone(),
                    value: field
                        .map(|_| Option::clone(value).unwrap_or_else(|| "(none)".to_string())),
                    shares: counts
                        .iter()
                        .zip(all)
                        .map(|(&n, &of)| n as f64 / (of.max(1)) as f64)
                        .collect(),
                    counts: counts.clone(),
                    trend,
                    z,
                });
            }
        }
        debug_assert!(courses.iter().all(|c| c.topic != NO_TOPIC));
        Ok(Timeline {
            span: span.name().to_string(),
            spans: starts.iter().map(|&s| span.label(s)).collect(),
            articles,
            courses,
            undated,
        })
    }
}

/// A date, and how exact it is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Dated {
    /// The day, or the first of the month or the year.
    first: NaiveDate,
    /// The span that the date says: a day, a month or a year.
    exact: Span,
}

impl Dated {
    /// As a corpus holds it: `2024`, `2024-03`, `2024-03-05`, and more behind that.
    fn of(date: &str) -> Option<Self> {
        let exact = match date.len() {
            4 => Span::Year,
            7 => Span::Month,
            _ => Span::Day,
        };
        day(date).map(|first| Self { first, exact })
    }
}

/// The span that all dates but a few are exact enough for.
fn exact_enough(dates: impl Iterator<Item = Span>) -> Span {
    /// One of so many may be left out.
    const FEW: usize = 20;
    let (mut all, mut months, mut years) = (0, 0, 0);
    for exact in dates {
        all += 1;
        months += usize::from(exact == Span::Month);
        years += usize::from(exact == Span::Year);
    }
    if years * FEW > all {
        Span::Year
    } else if (months + years) * FEW > all {
        Span::Month
    } else {
        Span::Day
    }
}

/// Compares a topic's share in the last quarter of the spans with that before.
fn trend(counts: &[u64], all: &[u64]) -> (Trend, f64) {
    let recent = counts.len() - (counts.len() / 4).max(1).min(counts.len());
    let sum = |v: &[u64]| v.iter().sum::<u64>() as f64;
    let (before, now) = (sum(&counts[..recent]), sum(&counts[recent..]));
    let (all_before, all_now) = (sum(&all[..recent]), sum(&all[recent..]));
    if all_before == 0.0 || all_now == 0.0 {
        return (Trend::Steady, 0.0);
    }
    let pooled = (before + now) / (all_before + all_now);
    let error = (pooled * (1.0 - pooled) * (1.0 / all_before + 1.0 / all_now)).sqrt();
    if error <= 0.0 {
        return (Trend::Steady, 0.0);
    }
    let z = (now / all_now - before / all_before) / error;
    let trend = if z > CHANCE {
        Trend::Emerging
    } else if z < -CHANCE {
        Trend::Fading
    } else {
        Trend::Steady
    };
    (trend, z)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        super::day(text).unwrap()
    }

    #[test]
    fn spans_begin_where_they_should() {
        for (span, at, start, label, next) in [
            (
                Span::Day,
                "2024-02-28",
                "2024-02-28",
                "2024-02-28",
                "2024-02-29",
            ),
            (
                Span::Week,
                "2024-12-31",
                "2024-12-30",
                "2025-W01",
                "2025-01-06",
            ),
            (
                Span::Month,
                "2024-12-31",
                "2024-12-01",
                "2024-12",
                "2025-01-01",
            ),
            (
                Span::Quarter,
                "2024-05-31",
                "2024-04-01",
                "2024-Q2",
                "2024-07-01",
            ),
            (Span::Year, "2024-05-31", "2024-01-01", "2024", "2025-01-01"),
        ] {
            let found = span.start(day(at));
            assert_eq!(found, day(start));
            assert_eq!(span.label(found), label);
            assert_eq!(span.next(found), Some(day(next)));
            assert_eq!(span.name().parse(), Ok(span));
        }
        assert_eq!(Span::fitting(30), Span::Day);
        assert_eq!(Span::fitting(365), Span::Week);
        assert_eq!(Span::fitting(1000), Span::Month);
        assert_eq!(Span::fitting(100_000), Span::Year);
        for (days, articles, span) in [
            (30, 1000, Span::Day),
            (30, 90, Span::Week),
            (365, 1000, Span::Week),
            (365, 87, Span::Month),
            (365, 20, Span::Quarter),
            (12_000, 87, Span::Year),
            (0, 1, Span::Year),
        ] {
            assert_eq!(Span::telling(days, articles), span, "{days} {articles}");
        }
    }

    #[test]
    fn dates_say_how_exact_they_are() {
        for (date, first, exact) in [
            ("2024", "2024-01-01", Span::Year),
            ("2024-03", "2024-03-01", Span::Month),
            ("2024-03-05", "2024-03-05", Span::Day),
            ("2024-03-05T10:11:12", "2024-03-05", Span::Day),
        ] {
            let first = day(first);
            assert_eq!(Dated::of(date), Some(Dated { first, exact }), "{date}");
        }
        assert_eq!(Dated::of("noon"), None);
        let dates = |days, months, years| {
            let some = |span, n| std::iter::repeat_n(span, n);
            let days = some(Span::Day, days).chain(some(Span::Month, months));
            exact_enough(days.chain(some(Span::Year, years)))
        };
        assert_eq!(dates(100, 2, 2), Span::Day);
        assert_eq!(dates(100, 4, 2), Span::Month);
        assert_eq!(dates(100, 0, 6), Span::Year);
        assert_eq!(dates(0, 0, 1), Span::Year);
    }

    #[test]
    fn trends_are_beyond_chance() {
        assert_eq!(trend(&[1, 1, 1, 30], &[100; 4]).0, Trend::Emerging);
        assert_eq!(trend(&[30, 30, 30, 1], &[100; 4]).0, Trend::Fading);
        assert_eq!(trend(&[1, 0, 1, 2], &[10; 4]).0, Trend::Steady);
        assert_eq!(trend(&[5], &[5]).0, Trend::Steady);
        // 8 of 100 against 6 of 300: z of two proportions by hand.
        let z = trend(&[2, 2, 2, 8], &[100; 4]).1;
        let p: f64 = 14.0 / 400.0;
        let by_hand = (0.08 - 0.02) / (p * (1.0 - p) * (1.0 / 100.0 + 1.0 / 300.0)).sqrt();
        assert!((z - by_hand).abs() < 1e-12);
    }
}
