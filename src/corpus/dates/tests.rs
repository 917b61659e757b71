use super::{is_no_date, parse_date};
use chrono::{DateTime, FixedOffset};
use proptest::prelude::*;

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
    ] {
        assert_eq!(parse_date(text).as_deref(), Some(iso), "{text}");
    }
}

#[test]
fn offsets_and_zones() {
    for (text, iso) in [
        ("2021-07-09T18:30:05-0330", "2021-07-09T22:00:05"),
        ("2021-07-09T18:30:05.000+0000", "2021-07-09T18:30:05"),
        ("2021-07-09 18:30:05.123456+00", "2021-07-09T18:30:05"),
        ("2021-07-09 18:30:05 +0200", "2021-07-09T16:30:05"),
        ("2021-07-09 18:30:05 UTC", "2021-07-09T18:30:05"),
        ("2021-07-09 18:30:05 EST", "2021-07-09T23:30:05"),
        ("2021-07-09 18:30:05 GMT+2", "2021-07-09T16:30:05"),
        ("2021-07-09 18:30:05 +0000 UTC", "2021-07-09T18:30:05"),
        ("2021-07-09 18:30:05 +0200 CEST", "2021-07-09T16:30:05"),
        ("2021-07-09T18:30Z", "2021-07-09T18:30:00"),
        ("2021-07-09T18Z", "2021-07-09T18:00:00"),
        ("2021-07-09T18:30:05,250Z", "2021-07-09T18:30:05"),
        (
            "2021-07-09T18:30:05+02:00[Europe/Berlin]",
            "2021-07-09T16:30:05",
        ),
        ("20210709T183005Z", "2021-07-09T18:30:05"),
        ("20210709T1830", "2021-07-09T18:30:00"),
        ("20210709 183005", "2021-07-09T18:30:05"),
        ("2021-07-09Z", "2021-07-09"),
        ("2021-12-31T24:00:00", "2022-01-01T00:00:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59"),
        ("2021-01-01T00:30:00+01:00", "2020-12-31T23:30:00"),
    ] {
        assert_eq!(parse_date(text).as_deref(), Some(iso), "{text}");
    }
}

#[test]
fn names_of_months() {
    for (text, iso) in [
        ("Fri Jul 09 18:30:05 +0000 2021", "2021-07-09T18:30:05"),
        ("Fri Jul  9 18:30:05 UTC 2021", "2021-07-09T18:30:05"),
        ("Fri Jul 9 18:30:05 2021 +0200", "2021-07-09T16:30:05"),
        (
            "Fri Jul 09 2021 18:30:05 GMT+0200 (Central European Summer Time)",
            "2021-07-09T16:30:05",
        ),
        (
            "Fri, 9 Jul 2021 18:30:05 -0700 (PDT)",
            "2021-07-10T01:30:05",
        ),
        ("Friday, 09-Jul-93 18:30:05 GMT", "1993-07-09T18:30:05"),
        ("July 9, 2021, 6:30 PM", "2021-07-09T18:30:00"),
        ("July 9, 2021 at 6:30 am", "2021-07-09T06:30:00"),
        ("July 9, 2021 12:05 a.m.", "2021-07-09T00:05:00"),
        ("6:30 p.m. EDT, July 9, 2021", "2021-07-09T22:30:00"),
        ("July 9th, 2021", "2021-07-09"),
        ("Sept. 9, 2021", "2021-09-09"),
        ("the 1st of July 2021", "2021-07-01"),
        ("9. Juli 2021", "2021-07-09"),
        ("Freitag, 9. März 2021, 18:30 Uhr", "2021-03-09T18:30:00"),
        ("9 août 2021 à 18h30", "2021-08-09T18:30:00"),
        ("9 de julio de 2021", "2021-07-09"),
        ("09/Jul/2021:18:30:05 +0200", "2021-07-09T16:30:05"),
        ("2021-Jul-09", "2021-07-09"),
        ("July 2021", "2021-07"),
    ] {
        assert_eq!(parse_date(text).as_deref(), Some(iso), "{text}");
    }
}

#[test]
fn numbers() {
    for (text, iso) in [
        ("1458814500", "2016-03-24T10:15:00"),
        ("1458814500.0", "2016-03-24T10:15:00"),
        ("1458814500.75", "2016-03-24T10:15:00"),
        ("1.4588145E+09", "2016-03-24T10:15:00"),
        ("1458814500000", "2016-03-24T10:15:00"),
        ("1458814500000000", "2016-03-24T10:15:00"),
        ("1458814500000000000", "2016-03-24T10:15:00"),
        ("/Date(1458814500000+0200)/", "2016-03-24T10:15:00"),
        ("20160324101500", "2016-03-24T10:15:00"),
        ("201603241015", "2016-03-24T10:15:00"),
        ("20160324", "2016-03-24"),
        ("20160324.0", "2016-03-24"),
        ("2016", "2016"),
        ("2016-03", "2016-03"),
        ("03/2016", "2016-03"),
        ("201603", "2016-03"),
        ("2016-W12-4", "2016-03-24"),
        ("2016-084", "2016-03-24"),
        ("03/24/2016 10:15", "2016-03-24T10:15:00"),
        ("24.03.2016 10:15", "2016-03-24T10:15:00"),
        ("4. 3. 2016", "2016-03-04"),
        ("24-03-2016", "2016-03-24"),
        ("2016/3/4", "2016-03-04"),
        ("2016:03:24 10:15:00", "2016-03-24T10:15:00"),
    ] {
        assert_eq!(parse_date(text).as_deref(), Some(iso), "{text}");
    }
}

#[test]
fn what_cannot_be_told_is_not_guessed() {
    for text in [
        "03/04/2016",
        "03-04-2016",
        "03/04/2016 10:15",
        "24.03.16",
        "03-May-24",
        "soon",
        "",
        "12",
        "2016-13-01",
        "2025-13-45",
        "2025-02-30",
        "20251345",
        "2016-03-24 25:61",
        "200512",
        "0000-00-00 00:00:00",
        "July 9",
        "18:30",
        "2021-07-09 18:30 IST",
        "2021-07-09 18:30 PM2",
        "2021-07-09 2021-07-10",
        "12345678901",
        "9 jui 2021",
        "2016-03-24T13:00 am",
        "1 2 3 4 5",
        "May May 2021",
        "2021-07-09T18:30:05+99:00",
        "\u{1f600}",
        "3.5",
    ] {
        assert_eq!(parse_date(text), None, "{text}");
    }
    for text in ["", "None", "nan", "NaT", "NULL", "0000-00-00 00:00:00"] {
        assert!(is_no_date(text), "{text}");
    }
    assert!(!is_no_date("soon"));
}

fn instant() -> impl Strategy<Value = DateTime<FixedOffset>> {
    // 1977 (milliseconds of 1976 look like 190001010000) to 2100; the offset in quarters of an hour.
    (221_000_000i64..4_100_000_000, -48i32..=56).prop_map(|(seconds, quarters)| {
        let zone = FixedOffset::east_opt(quarters * 900).unwrap();
        DateTime::from_timestamp(seconds, 0)
            .unwrap()
            .with_timezone(&zone)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_spelling_of_an_instant_is_read(t in instant()) {
        let utc = t.naive_utc().format("%Y-%m-%dT%H:%M:%S").to_string();
        for form in [
            "%Y-%m-%dT%H:%M:%S%:z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S %z",
            "%Y-%m-%d %H:%M:%S.123456789%:z", "%Y%m%dT%H%M%S%z", "%a %b %d %H:%M:%S %z %Y",
            "%a, %d %b %Y %H:%M:%S %z", "%a %b %e %H:%M:%S %Y %z", "%d/%b/%Y:%H:%M:%S %z",
            "%A, %B %-d, %Y at %-I:%M:%S %p %:z", "%a %b %d %Y %H:%M:%S GMT%z (Some Time)",
        ] {
            let text = t.format(form).to_string();
            prop_assert_eq!(parse_date(&text), Some(utc.clone()), "{}", text);
        }
        for zeros in ["", "000", "000000", "000000000"] {
            let text = format!("{}{zeros}", t.timestamp());
            prop_assert_eq!(parse_date(&text), Some(utc.clone()), "{}", text);
        }
        let local = t.naive_local();
        for form in ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d %B %Y", "%b %-d, %Y", "%G-W%V-%u", "%Y-%j"] {
            let text = local.format(form).to_string();
            prop_assert_eq!(parse_date(&text), Some(local.date().to_string()), "{}", text);
        }
        let swapped = local.format("%d/%m/%Y").to_string();
        let day_month = parse_date(&swapped);
        prop_assert!(day_month.is_none() || day_month == Some(local.date().to_string()), "{}", swapped);
    }

    #[test]
    fn what_is_read_is_read_again(text in "[0-9]{0,5}[-/.: ,]{0,2}[0-9a-zA-Z]{0,5}[-/.: +T]{0,2}[0-9]{0,5}[ 0-9:+-]{0,12}") {
        if let Some(iso) = parse_date(&text) {
            prop_assert_eq!(parse_date(&iso), Some(iso.clone()), "{}", text);
            prop_assert!(matches!(iso.len(), 4 | 7 | 10 | 19), "{}", text);
        }
    }

    #[test]
    fn any_text_is_safe(text in any::<String>()) {
        let _ = parse_date(&text);
    }
}
