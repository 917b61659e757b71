//! Dates as people write them, to ISO 8601.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

const DATE_TIME: &[&str] = &[
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d-%b-%Y %H:%M:%S%.f",
    "%d %b %Y %H:%M:%S",
    "%d %b %Y %H:%M",
    "%B %d, %Y %H:%M",
    "%B %d, %Y %I:%M %p",
];

const DATE: &[&str] = &[
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d %B %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%B %d %Y",
    "%b %d %Y",
    "%A, %d %B %Y",
    "%A, %B %d, %Y",
];

/// Parses a date in one of the usual spellings.
///
/// Returns `2016-03-24`, or `2016-03-24T10:15:00` where a time of day is given; times with
/// an offset are turned to UTC. Understood are ISO 8601, RFC 2822, Unix seconds and
/// milliseconds, and spellings with month names. `None` for anything else: a date with
/// slashes whose day and month could be swapped (`03/04/2016`) is not guessed.
pub fn parse_date(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if let Ok(t) = DateTime::parse_from_rfc3339(text) {
        return Some(date_time(t.naive_utc()));
    }
    if let Ok(t) = DateTime::parse_from_rfc2822(text) {
        return Some(date_time(t.naive_utc()));
    }
    for format in DATE {
        if let Ok(d) = NaiveDate::parse_from_str(text, format) {
            return plausible(d.format("%Y-%m-%d").to_string());
        }
    }
    for format in DATE_TIME {
        if let Ok(t) = NaiveDateTime::parse_from_str(text, format) {
            return plausible(date_time(t));
        }
    }
    if let Some(date) = slashes(text) {
        return Some(date);
    }
    if let Ok(n) = text.parse::<i64>() {
        let seconds = match n {
            100_000_000..=9_999_999_999 => n,
            100_000_000_000..=9_999_999_999_999 => n / 1000,
            _ => return None,
        };
        return DateTime::from_timestamp(seconds, 0).map(|t| date_time(t.naive_utc()));
    }
    None
}

fn date_time(t: NaiveDateTime) -> String {
    t.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// chrono reads "24.03.16" as the year 16; such a year is a misreading.
fn plausible(iso: String) -> Option<String> {
    (iso.len() >= 10 && !iso.starts_with("00") && !iso.starts_with(['+', '-'])).then_some(iso)
}

/// `24/03/2016` or `03/24/2016`, only where one part cannot be a month.
fn slashes(text: &str) -> Option<String> {
    let mut parts = text.split('/');
    let (a, b, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let (a, b, year): (u32, u32, i32) = (a.parse().ok()?, b.parse().ok()?, year.parse().ok()?);
    let (day, month) = match (a, b) {
        (13..=31, 1..=12) => (a, b),
        (1..=12, 13..=31) => (b, a),
        _ if a == b => (a, b),
        _ => return None,
    };
    NaiveDate::from_ymd_opt(year, month, day).map(|d| d.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::parse_date;

    #[test]
    fn usual_spellings() {
        for (text, iso) in [
            ("2016-03-24", "2016-03-24"),
            ("2016-03-24T10:15:00Z", "2016-03-24T10:15:00"),
            ("2016-03-24T10:15:00+02:00", "2016-03-24T08:15:00"),
            ("2016-03-24 10:15:00", "2016-03-24T10:15:00"),
            ("Thu, 24 Mar 2016 10:15:00 GMT", "2016-03-24T10:15:00"),
            ("March 24, 2016", "2016-03-24"),
            ("24 March 2016", "2016-03-24"),
            ("24.03.2016", "2016-03-24"),
            ("26-FEB-1987 15:01:01.79", "1987-02-26T15:01:01"),
            ("24/03/2016", "2016-03-24"),
            ("1458814500", "2016-03-24T10:15:00"),
            ("1458814500000", "2016-03-24T10:15:00"),
        ] {
            assert_eq!(parse_date(text).as_deref(), Some(iso), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        for text in ["03/04/2016", "24.03.16", "soon", "", "2016-13-01", "12"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
