//! How old articles are, in half-lives.

use super::SearchOptions;
use crate::corpus::parse_date;
use crate::error::{Error, Result};
use crate::store::Reader;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rustc_hash::FxHashMap;

/// The ages of articles.
#[derive(Debug)]
pub(super) struct Ages {
    halvings: FxHashMap<i64, f64>,
    /// That of an article without a date.
    undated: f64,
}

impl Ages {
    /// The ages of the articles that the options' filter lets through; `None` where age does not
    /// count.
    pub(super) fn read(store: &Reader, options: &SearchOptions) -> Result<Option<Self>> {
        let Some(half_life) = options.half_life else {
            return Ok(None);
        };
        let dates = store.middle_and_latest_date()?;
        let now = match &options.now {
            Some(now) => now_of(now)?,
            None => {
                let today = days_of(Utc::now().naive_utc());
                let latest = dates.as_ref().and_then(|(_, latest)| days(latest));
                latest.map_or(today, |latest| latest.min(today))
            }
        };
        let halvings = |date: &str| Some(((now - days(date)?) / half_life.in_days()).max(0.0));
        // Where no article has a date, all are as old as each other.
        let undated = dates
            .and_then(|(middle, _)| halvings(&middle))
            .unwrap_or(0.0);
        let mut out = FxHashMap::default();
        store.each_date(options.filter.as_ref(), |key, date| {
            if let Some(halvings) = halvings(date) {
                out.insert(key, halvings);
            }
        })?;
        Ok(Some(Self {
            halvings: out,
            undated,
        }))
    }

    /// How often an article's score is halved.
    pub(super) fn halvings(&self, key: i64) -> f64 {
        self.halvings.get(&key).copied().unwrap_or(self.undated)
    }
}

fn now_of(text: &str) -> Result<f64> {
    let date = days(text).or_else(|| days(&parse_date(text)?));
    date.ok_or_else(|| {
        Error::parameter(
            "now",
            format!("{text:?} is no date; write 2016, 2016-03 or 2016-03-24"),
        )
    })
}

/// Days from 1970 to a date as the corpus holds it; one that is no whole day counts from its
/// first moment.
fn days(date: &str) -> Option<f64> {
    let (day, time) = match date.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (date, None),
    };
    let mut parts = day.split('-');
    let year = parts.next().filter(|y| y.len() == 4)?.parse().ok()?;
    let mut part = |otherwise: u32| parts.next().map_or(Some(otherwise), |p| p.parse().ok());
    let day = NaiveDate::from_ymd_opt(year, part(1)?, part(1)?)?;
    if parts.next().is_some() {
        return None;
    }
    let time = match time {
        Some(time) => NaiveTime::parse_from_str(time, "%H:%M:%S")
            .or_else(|_| NaiveTime::parse_from_str(time, "%H:%M"))
            .ok()?,
        None => NaiveTime::MIN,
    };
    Some(days_of(day.and_time(time)))
}

fn days_of(time: NaiveDateTime) -> f64 {
    time.and_utc().timestamp() as f64 / 86_400.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_dates_and_their_beginnings() {
        assert_eq!(days("1970-01-02"), Some(1.0));
        assert_eq!(days("1970-01-01T12:00:00"), Some(0.5));
        assert_eq!(days("1970-02"), Some(31.0));
        assert_eq!(days("1971"), Some(365.0));
        for none in [
            "",
            "70",
            "1970-13",
            "1970-01-01-01",
            "soon",
            "1970-01-01T25:00:00",
        ] {
            assert_eq!(days(none), None, "{none}");
        }
        assert_eq!(now_of("2 January 1970").unwrap(), 1.0);
        assert!(now_of("03/04/2016").is_err());
    }
}
