//! Dates as people and programs write them, to ISO 8601.
//!
//! The crates that read dates of any spelling take the month first in `03/04/2016`, or the day;
//! nothing here is guessed. So a text is taken apart here into a time of day, a zone and what is
//! left of it, and chrono does the calendar.

mod asian;
mod words;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use words::{is_ordinal, is_passed_over, is_weekday_like_month, month, zone};

/// No spelling of a date is longer, in bytes.
const LONGEST: usize = 100;

/// Parses a date in one of the usual spellings.
///
/// Returns `2016-03-24`, or `2016-03-24T10:15:00` where a time of day is given; times with a zone
/// are turned to UTC. What is coarser stays so: `2016` and `2016-03`. Understood are ISO 8601 with
/// offsets of any form, RFC 2822, what databases, version control, feeds and social networks
/// write, seconds to nanoseconds since 1970, names of months in some twenty languages, and Chinese,
/// Japanese and Korean dates. `None` for anything else: a date whose day and month could be swapped
/// (`03/04/2016`) is not guessed, nor the place that a zone's name stands for. Years of two digits are
/// read in `13/05/24` and `05/13/24`, where one number must be the day, and in `03-May-24`, where the first
/// is; they are 1969 to 2068.
pub fn parse_date(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    if let Some(latin) = asian::latin(text) {
        return written(&latin);
    }
    plain(text)
        .or_else(|| number(text))
        .or_else(|| week(text))
        .or_else(|| written(text))
}

/// Whether a text says that there is no date, in the words of databases and programs.
pub(crate) fn is_no_date(text: &str) -> bool {
    const NOTHING: [&str; 8] = ["", "-", "none", "null", "nil", "nan", "nat", "n/a"];
    let text = text.trim().to_ascii_lowercase();
    NOTHING.contains(&text.as_str())
        || text.starts_with("0000-00-00")
        || text.starts_with("9999-12-31")
}

fn date_time(t: NaiveDateTime) -> String {
    // As `%Y-%m-%dT%H:%M:%S`, which takes chrono ten times as long.
    let (day, time) = (t.date(), t.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        day.year(),
        day.month(),
        day.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// The spelling that most data have, read at once: `2016-03-24`, also with a time in UTC or in none.
fn plain(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let two = |at: usize| match bytes.get(at..at + 2)? {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => None,
    };
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = (two(0)? * 100 + two(2)?) as i32;
    let day = NaiveDate::from_ymd_opt(year, two(5)?, two(8)?)?;
    if !(1000..=2999).contains(&year) {
        return None;
    }
    match &bytes[10..] {
        [] => Some(text.to_string()),
        [b'T' | b' ', _, _, b':', _, _, b':', _, _]
        | [b'T' | b' ', _, _, b':', _, _, b':', _, _, b'Z'] => {
            let time = NaiveTime::from_hms_opt(two(11)?, two(14)?, two(17)?)?;
            Some(date_time(day.and_time(time)))
        }
        _ => None,
    }
}

/// A date all in digits: a year, a day without separators, or time since 1970 in a unit that its
/// length tells.
fn number(text: &str) -> Option<String> {
    let text = text
        .strip_prefix("/Date(")
        .and_then(|t| t.strip_suffix(")/"))
        .map_or(text, |t| t.split(['+', '-']).next().unwrap_or(t));
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !fraction.is_none_or(digits) {
        // As spreadsheets write long numbers: 1.714731072E+09.
        let scientific =
            text.contains(['e', 'E']) && text.starts_with(|c: char| c.is_ascii_digit());
        let value = text.parse::<f64>().ok().filter(|_| scientific)?;
        return since_1970(value as u64);
    }
    let exact = fraction.is_none_or(|f| f.bytes().all(|b| b == b'0'));
    let at = |from: usize, to: usize| whole.get(from..to).and_then(|s| s.parse::<u32>().ok());
    match whole.len() {
        4 if exact => year(whole).map(|_| whole.to_string()),
        // 202405 is no day of a two-digit year, 200512 could be one.
        6 if exact => {
            let (y, m) = (year(whole.get(..4)?)?, at(4, 6)?);
            let ambiguous = (1..=12).contains(&at(2, 4)?);
            let real = NaiveDate::from_ymd_opt(y, m, 1).is_some();
            (real && !ambiguous).then(|| format!("{y:04}-{m:02}"))
        }
        8 if exact => compact(whole).map(|d| d.to_string()),
        12 | 14 | 17 if exact => {
            let time = NaiveTime::from_hms_opt(at(8, 10)?, at(10, 12)?, at(12, 14).unwrap_or(0));
            // In twelve digits, what is no date of these centuries is milliseconds.
            let near = whole.len() != 12 || matches!(&whole[..2], "19" | "20");
            match compact(&whole[..8]).filter(|_| near).zip(time) {
                Some((day, time)) => Some(date_time(day.and_time(time))),
                None => since_1970(whole.parse().ok()?),
            }
        }
        9..=20 => since_1970(whole.parse().ok()?),
        _ => None,
    }
}

/// The last day that databases know, 9999-12-31, in seconds and milliseconds: it stands for no date, and would be
/// one of 1978 in smaller units.
const LAST_DAY: std::ops::RangeInclusive<u64> = 253_402_214_400..=253_402_300_800;
const LAST_DAY_MILLIS: std::ops::RangeInclusive<u64> = 253_402_214_400_000..=253_402_300_800_000;

/// From 1973 to 2286 the number of digits tells seconds, milli-, micro- and nanoseconds apart.
fn since_1970(n: u64) -> Option<String> {
    if LAST_DAY.contains(&n) || LAST_DAY_MILLIS.contains(&n) {
        return None;
    }
    let seconds = match n {
        100_000_000..10_000_000_000 => n,
        100_000_000_000..10_000_000_000_000 => n / 1_000,
        100_000_000_000_000..10_000_000_000_000_000 => n / 1_000_000,
        100_000_000_000_000_000..10_000_000_000_000_000_000 => n / 1_000_000_000,
        _ => return None,
    };
    let seconds = i64::try_from(seconds).ok()?;
    DateTime::from_timestamp(seconds, 0).map(|t| date_time(t.naive_utc()))
}

/// A year of four digits.
fn year(digits: &str) -> Option<i32> {
    let year = digits.parse().ok().filter(|_| digits.len() == 4)?;
    (1000..=2999).contains(&year).then_some(year)
}

/// `20160324`
fn compact(digits: &str) -> Option<NaiveDate> {
    let part = |from, to| digits.get(from..to).and_then(|s: &str| s.parse().ok());
    NaiveDate::from_ymd_opt(year(digits.get(..4)?)?, part(4, 6)?, part(6, 8)?)
}

/// A day of a week: `2016-W12-4`, `2016W124`.
fn week(text: &str) -> Option<String> {
    let text = text.to_ascii_uppercase();
    let forms = ["%G-W%V-%u", "%GW%V%u"].into_iter();
    forms
        .filter(|_| text.as_bytes().get(4..6).is_some_and(|s| s.contains(&b'W')))
        .find_map(|form| NaiveDate::parse_from_str(&text, form).ok())
        .filter(|d| (1000..=2999).contains(&d.year()))
        .map(|d| d.to_string())
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Digits(String),
    /// In small letters.
    Word(String),
    Mark(char),
    Space,
}

impl Token {
    /// Digits, as many as this.
    fn digits(&self, lengths: std::ops::RangeInclusive<usize>) -> Option<&str> {
        match self {
            Token::Digits(d) if lengths.contains(&d.len()) => Some(d),
            _ => None,
        }
    }

    fn value(&self, lengths: std::ops::RangeInclusive<usize>) -> Option<u32> {
        self.digits(lengths)?.parse().ok()
    }

    fn is_mark(&self, marks: &[char]) -> bool {
        matches!(self, Token::Mark(c) if marks.contains(c))
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out: Vec<Token> = Vec::new();
    for c in text.chars() {
        match c {
            '0'..='9' => match out.last_mut() {
                Some(Token::Digits(digits)) => digits.push(c),
                _ => out.push(Token::Digits(c.to_string())),
            },
            c if c.is_alphabetic() => {
                if !matches!(out.last(), Some(Token::Word(_))) {
                    out.push(Token::Word(String::new()));
                }
                if let Some(Token::Word(word)) = out.last_mut() {
                    word.extend(c.to_lowercase());
                }
            }
            c if c.is_whitespace() => {
                if out.last() != Some(&Token::Space) {
                    out.push(Token::Space);
                }
            }
            '-' | '\u{2010}' | '\u{2011}' | '\u{2013}' | '\u{2212}' => out.push(Token::Mark('-')),
            '/' | '.' | ',' | ':' | '+' | '|' => out.push(Token::Mark(c)),
            '\'' | '’' => {}
            _ => return None,
        }
    }
    Some(out)
}

/// A date with separators or names.
fn written(text: &str) -> Option<String> {
    // `[Europe/Berlin]` and `(Central European Summer Time)` repeat the offset before them.
    let text = match (text.find(['[', '(']), text.chars().last()) {
        (Some(at), Some(']' | ')')) => &text[..at],
        _ => text,
    };
    let mut tokens = tokens(text)?;
    // Cameras write 2024:05:03.
    if tokens.len() > 4 && tokens[0].digits(4..=4).is_some() {
        for at in [1, 3] {
            if tokens[1] == Token::Mark(':') || at == 3 && tokens[at] == Token::Mark(':') {
                tokens[at] = Token::Mark('-');
            }
        }
    }
    let time = take_time(&mut tokens);
    let offset = take_zone(&mut tokens, time.map(|t| t.1));
    let time = time.map(|t| t.0);
    let elements = elements(tokens)?;
    match (day(&elements), time) {
        (Some(day), None) => Some(day.to_string()),
        (Some(day), Some((time, next_day))) => {
            let day = day.checked_add_days(Days::new(u64::from(next_day)))?;
            let local = day.and_time(time);
            let utc = local.checked_sub_signed(TimeDelta::minutes(offset.unwrap_or(0)))?;
            Some(date_time(utc))
        }
        (None, None) => coarse(&elements),
        (None, Some(_)) => None,
    }
}

/// Takes the time of day out; what it was, whether the next day is meant (24:00), and where it
/// stood.
fn take_time(tokens: &mut Vec<Token>) -> Option<((NaiveTime, bool), usize)> {
    let at = |i: usize| tokens.get(i);
    let colon = |t: Option<&Token>| {
        t.is_some_and(|t| *t == Token::Mark(':') || *t == Token::Word("h".into()))
    };
    let (mut from, mut hour, mut minute, mut second, mut end) = (0, None, 0, 0, 0);
    for (i, token) in tokens.iter().enumerate() {
        let signed = i > 0 && tokens[i - 1].is_mark(&['+', '-']);
        if let (Some(h), true, Some(m), false) = (
            token.value(1..=2),
            colon(at(i + 1)),
            at(i + 2).and_then(|t| t.value(2..=2)),
            signed,
        ) {
            (from, hour, minute, end) = (i, Some(h), m, i + 3);
            if colon(at(end))
                && let Some(s) = at(end + 1).and_then(|t| t.value(2..=2))
            {
                (second, end) = (s, end + 2);
            }
            break;
        }
        // 20240503T101112, T10; a T may be left out after a day of eight digits.
        let after_t = *token == Token::Word("t".into())
            || *token == Token::Space && i > 0 && tokens[i - 1].digits(8..=8).is_some();
        let compact = at(i + 1)
            .and_then(|t| t.digits(2..=6))
            .filter(|d| d.len() % 2 == 0);
        if let (true, Some(digits)) = (after_t && i > 0 && !colon(at(i + 2)), compact) {
            let part = |from: usize| {
                digits
                    .get(from..from + 2)
                    .map_or(Some(0), |s| s.parse().ok())
            };
            (from, hour, minute, second, end) = (i, part(0), part(2)?, part(4)?, i + 2);
            break;
        }
        // 10 am
        let half = at(i + 1).filter(|t| **t != Token::Space).or(at(i + 2));
        if let (Some(h), Some(Token::Word(word))) = (token.value(1..=2), half)
            && matches!(word.as_str(), "am" | "pm")
        {
            (from, hour, end) = (i, Some(h), i + 1);
            break;
        }
    }
    let mut hour = hour?;
    // A fraction of a second, which is left out.
    if at(end).is_some_and(|t| t.is_mark(&['.', ',']))
        && at(end + 1).is_some_and(|t| t.digits(1..=9).is_some())
    {
        end += 2;
    }
    let next = if at(end) == Some(&Token::Space) {
        end + 1
    } else {
        end
    };
    if let Some(Token::Word(half)) = at(next) {
        let dots = at(next + 1).is_some_and(|t| t.is_mark(&['.']))
            && at(next + 2) == Some(&Token::Word("m".into()));
        let pm = match half.as_str() {
            "am" => Some(false),
            "pm" => Some(true),
            "a" if dots => Some(false),
            "p" if dots => Some(true),
            _ => None,
        };
        if let Some(pm) = pm {
            if hour > 12 && !pm || hour == 0 && pm {
                return None;
            }
            hour = if hour > 12 {
                hour
            } else {
                hour % 12 + 12 * u32::from(pm)
            };
            end = next + if dots { 3 } else { 1 };
            if dots && at(end).is_some_and(|t| t.is_mark(&['.'])) {
                end += 1;
            }
        }
    }
    let next_day = (hour, minute, second) == (24, 0, 0);
    // A leap second is the last one of its minute.
    let time = NaiveTime::from_hms_opt(if next_day { 0 } else { hour }, minute, second.min(59))
        .filter(|_| second <= 60)?;
    if from > 0 && tokens[from - 1] == Token::Word("t".into()) {
        from -= 1;
    }
    tokens.splice(from..end, [Token::Space]);
    Some(((time, next_day), from + 1))
}

/// Takes the zone out: minutes east of Greenwich. `time` is where the time of day ended.
fn take_zone(tokens: &mut Vec<Token>, time: Option<usize>) -> Option<i64> {
    let Some(time) = time else {
        // XML writes days with a zone, which does not change the day: 2024-05-03Z.
        if tokens.last() == Some(&Token::Word("z".into())) {
            tokens.pop();
        }
        return None;
    };
    let named = (0..tokens.len()).find_map(|i| match &tokens[i] {
        Token::Word(word) if i >= time => zone(word).map(|minutes| (i, minutes)),
        _ => None,
    });
    if let Some((i, minutes)) = named {
        let (more, end) = match minutes {
            0 => offset(tokens, i + 1, 1).unwrap_or((0, i + 1)),
            _ => (0, i + 1),
        };
        // GMT +0200 and +0000 UTC are written as well.
        let (more, end) = match tokens.get(end) {
            Some(Token::Space) if end == i + 1 && minutes == 0 => {
                offset(tokens, end + 1, 2).unwrap_or((more, end))
            }
            _ => (more, end),
        };
        tokens.splice(i..end, [Token::Space]);
        if more == 0
            && let Some((i, minutes, end)) = signed(tokens, time)
        {
            tokens.splice(i..end, [Token::Space]);
            return Some(minutes);
        }
        return Some(minutes + more);
    }
    let (i, minutes, mut end) = signed(tokens, time)?;
    // Its name behind it (`+0530 IST`) says nothing more.
    if let [Token::Space, Token::Word(word)] = &tokens[end..]
        && (2..=5).contains(&word.len())
        && word.is_ascii()
        && month(word).is_none()
    {
        end += 2;
    }
    tokens.splice(i..end, [Token::Space]);
    Some(minutes)
}

/// An offset somewhere after the time: directly, or with a blank before it.
fn signed(tokens: &[Token], time: usize) -> Option<(usize, i64, usize)> {
    (time..tokens.len()).find_map(|i| {
        let apart = i == time || tokens[i - 1] == Token::Space;
        let (minutes, end) = offset(tokens, i, 2).filter(|_| apart)?;
        Some((i, minutes, end))
    })
}

/// `+2`, `+02`, `-0430`, `+02:00` at a place, with at least so many digits: minutes, and where it
/// ends.
fn offset(tokens: &[Token], at: usize, least: usize) -> Option<(i64, usize)> {
    let sign = match tokens.get(at)? {
        Token::Mark('+') => 1,
        Token::Mark('-') => -1,
        _ => return None,
    };
    let digits = tokens
        .get(at + 1)?
        .digits(least..=4)
        .filter(|d| d.len() != 3)?;
    let mut end = at + 2;
    let (hours, minutes): (i64, i64) = match digits.len() {
        4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        _ => {
            let minutes = tokens
                .get(end)
                .filter(|t| t.is_mark(&[':']))
                .and_then(|_| tokens.get(end + 1)?.value(2..=2));
            end += if minutes.is_some() { 2 } else { 0 };
            (digits.parse().ok()?, i64::from(minutes.unwrap_or(0)))
        }
    };
    // Samoa is 14 hours ahead, and nobody is farther.
    (hours <= 14 && minutes < 60).then_some((sign * (60 * hours + minutes), end))
}

/// What a date consists of.
#[derive(Debug, PartialEq)]
enum Element {
    Digits(String),
    Month(u32),
    Mark(char),
}

/// The tokens without a day of the week before them all that is short for a month as well (`mar., 3 mai 2024`),
/// where another word names the month.
fn without_weekday(mut tokens: Vec<Token>) -> Vec<Token> {
    let is_day = |token: &Token| matches!(token, Token::Word(word) if is_weekday_like_month(word));
    let is_month = |token: &Token| matches!(token, Token::Word(word) if month(word).is_some());
    if let Some(at) = tokens.iter().position(|t| matches!(t, Token::Word(_)))
        && is_day(&tokens[at])
        && tokens[at + 1..].iter().any(is_month)
    {
        tokens.remove(at);
    }
    tokens
}

/// What is left without blanks and words that say nothing; `None` where a word is unknown.
fn elements(tokens: Vec<Token>) -> Option<Vec<Element>> {
    let mut out = Vec::new();
    let mut after_digits = false;
    let tokens = without_weekday(tokens);
    for token in tokens {
        let digits = matches!(token, Token::Digits(_));
        match token {
            Token::Digits(digits) => out.push(Element::Digits(digits)),
            Token::Word(word) if after_digits && is_ordinal(&word) => {}
            Token::Word(word) => match month(&word) {
                Some(month) => out.push(Element::Month(month)),
                None if is_passed_over(&word) => {}
                None => return None,
            },
            Token::Mark(',' | '|') | Token::Space => {}
            Token::Mark(mark) => out.push(Element::Mark(mark)),
        }
        after_digits = digits;
    }
    let is_mark = |e: Option<&Element>| matches!(e, Some(Element::Mark(_)));
    while is_mark(out.last()) {
        out.pop();
    }
    let begin = out.iter().take_while(|e| is_mark(Some(e))).count();
    out.drain(..begin);
    Some(out)
}

/// The day, where one is said and no other can be meant.
fn day(elements: &[Element]) -> Option<NaiveDate> {
    use Element::{Digits, Mark, Month};
    let short = |s: &str| s.parse().ok().filter(|_| s.len() <= 2);
    // With a name of a month, marks do not matter.
    let unmarked: Vec<&Element> = elements.iter().filter(|e| !matches!(e, Mark(_))).collect();
    if let [Digits(a), Month(m), Digits(b)]
    | [Month(m), Digits(a), Digits(b)]
    | [Digits(a), Digits(b), Month(m)] = unmarked.as_slice()
    {
        let (day, year) = if b.len() == 4 {
            (short(a)?, year(b)?)
        } else if a.len() == 4 {
            (short(b)?, year(a)?)
        } else {
            // 06-Nov-94, and 03 May 24 as mails and databases write it: around a name, the day stands
            // first. Elsewhere only a year that is no day tells itself.
            let around = matches!(unmarked.as_slice(), [_, Month(_), _]);
            let y = b.parse().ok().filter(|y| around || *y >= 69);
            let y = y.filter(|_| b.len() == 2)?;
            (short(a)?, two_digit_year(y))
        };
        return NaiveDate::from_ymd_opt(year, *m, day);
    }
    match elements {
        [Digits(a)] if a.len() == 8 => compact(a),
        // The day of a year.
        [Digits(y), Mark('-'), Digits(n)] if n.len() == 3 => {
            NaiveDate::from_yo_opt(year(y)?, n.parse().ok()?)
        }
        [Digits(a), Mark(x), Digits(b), Mark(y), Digits(c)] if x == y && "-/.".contains(*x) => {
            if a.len() == 4 {
                return NaiveDate::from_ymd_opt(year(a)?, short(b)?, short(c)?);
            }
            let (a, b) = (short(a)?, short(b)?);
            let year = match c.len() {
                // With dashes and dots, and with both numbers small, the year may stand first.
                2 if *x == '/' && (a > 12) != (b > 12) => two_digit_year(c.parse().ok()?),
                // No day is above 31, so the last is the year.
                2 if c.as_str() > "31" && (*x == '.' || (a > 12) != (b > 12)) => {
                    two_digit_year(c.parse().ok()?)
                }
                _ => year(c)?,
            };
            let (day, month) = match (a, b) {
                // Nobody writes the month first before a dot.
                (1..=31, 1..=12) if *x == '.' || a > 12 || a == b => (a, b),
                (1..=12, 13..=31) => (b, a),
                _ => return None,
            };
            NaiveDate::from_ymd_opt(year, month, day)
        }
        _ => None,
    }
}

/// The year from 1969 to 2068 that two digits stand for.
fn two_digit_year(digits: i32) -> i32 {
    digits + if digits < 69 { 2000 } else { 1900 }
}

/// A month of a year.
fn coarse(elements: &[Element]) -> Option<String> {
    use Element::{Digits, Mark, Month};
    let (y, m) = match elements {
        [Month(m), Digits(y)] | [Digits(y), Month(m)] => (y, *m),
        [Month(m), Mark(_), Digits(y)] | [Digits(y), Mark(_), Month(m)] => (y, *m),
        [Digits(a), Mark('-' | '/' | '.'), Digits(b)] if a.len() == 4 && b.len() <= 2 => {
            (a, b.parse().ok()?)
        }
        [Digits(a), Mark('-' | '/' | '.'), Digits(b)] if b.len() == 4 && a.len() <= 2 => {
            (b, a.parse().ok()?)
        }
        _ => return None,
    };
    let first = NaiveDate::from_ymd_opt(year(y)?, m, 1)?;
    Some(first.format("%Y-%m").to_string())
}

#[cfg(test)]
mod tests;
