//! What the field `date` is compared with.

use super::Value;
use crate::corpus::parse_date;
use chrono::{NaiveDate, NaiveTime};

/// The beginning of a date that a value stands for; an error's message where it is none, since
/// comparing dates with anything else answers something that nobody asked.
pub(super) fn operand(value: &Value) -> Result<String, String> {
    let wrong = |what: String| format!("{what} is no date; write 2016, 2016-03 or 2016-03-24");
    match value {
        Value::Text(text) if is_beginning(text) => Ok(text.clone()),
        Value::Text(text) => parse_date(text).ok_or_else(|| wrong(format!("{text:?}"))),
        Value::Number(year) if year.fract() == 0.0 && (0.0..10_000.0).contains(year) => {
            Ok(format!("{year:04}"))
        }
        Value::Long(number) => Err(wrong(number.to_string())),
        // 20160324
        Value::Number(number) => {
            parse_date(&number.to_string()).ok_or_else(|| wrong(number.to_string()))
        }
        Value::Bool(truth) => Err(wrong(truth.to_string())),
    }
}

/// Whether a date as ISO 8601 writes it can begin so.
fn is_beginning(text: &str) -> bool {
    const FORM: &str = "0000-00-00T00:00:00";
    let fits = |(c, f): (char, char)| if f == '0' { c.is_ascii_digit() } else { c == f };
    if text.is_empty() || text.len() > FORM.len() || !text.chars().zip(FORM.chars()).all(fits) {
        return false;
    }
    let part = |from: usize, otherwise: u32| {
        text.get(from..from + 2)
            .map_or(Some(otherwise), |s| s.parse().ok())
    };
    let real = || {
        let year = text.get(..4).map_or(Some(2000), |s| s.parse().ok())?;
        NaiveDate::from_ymd_opt(year, part(5, 1)?, part(8, 1)?)?;
        NaiveTime::from_hms_opt(part(11, 0)?, part(14, 0)?, part(17, 0)?)
    };
    real().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_their_beginnings() {
        for (value, date) in [
            (Value::from("2016"), "2016"),
            (Value::from("20"), "20"),
            (Value::from("2016-1"), "2016-1"),
            (Value::from("2016-02-29T10:1"), "2016-02-29T10:1"),
            (Value::from("May 3, 2016"), "2016-05-03"),
            (Value::from("24/03/2016 10:15"), "2016-03-24T10:15:00"),
            (
                Value::from("2016-03-24T10:15:00+02:00"),
                "2016-03-24T08:15:00",
            ),
            (Value::from(2016), "2016"),
            (Value::from(20_160_324), "2016-03-24"),
        ] {
            assert_eq!(operand(&value).as_deref(), Ok(date), "{value}");
        }
        for value in [
            "2025-13-45",
            "2025-02-30",
            "2016-13",
            "soon",
            "",
            "03/04/2016",
            "2016-03-24T25",
        ] {
            let message = operand(&Value::from(value)).unwrap_err();
            assert!(
                message.contains("is no date") && message.contains(value),
                "{message}"
            );
        }
        assert!(operand(&Value::from(true)).is_err());
        assert!(operand(&Value::from(20_251_345)).is_err());
        assert!(operand(&Value::from(1.5)).is_err());
    }
}
