//! JSON values of bounded size, strict or as programs really write them.

use super::MOST_VALUES;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// An object from its text. What JSON does not know but Python, JavaScript and databases write
/// is understood: `NaN` and the infinities are null, halves of characters are U+FFFD, line ends
/// may stand in strings, and a comma before a closing bracket.
///
/// # Errors
/// It is no object; the message says what it is.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, String> {
    let text = with_digits(text);
    let text = text.as_ref();
    let error = match parse(text) {
        Ok(object) => return Ok(object),
        Err(e) => e,
    };
    match repaired(text) {
        // The place in what was repaired is not the place in the file.
        Cow::Owned(repaired) => parse(&repaired).map_err(|_| error),
        Cow::Borrowed(_) => Err(error),
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let explain = |e: serde_json::Error| {
        // A place is one in the value; a value of one line has the row for it.
        let text = e.to_string();
        let (what, _) = text.split_once(" at line ").unwrap_or((&text, ""));
        match e.line() {
            0 => what.to_string(),
            1 => format!("{what} at character {}", e.column()),
            line => format!("{what} in line {line} of it"),
        }
    };
    // A value takes two bytes: this much text cannot hold too many, and need not be counted.
    let value = if text.len() <= 2 * MOST_VALUES {
        serde_json::from_str(text).map_err(explain)?
    } else {
        let mut left = MOST_VALUES;
        let mut json = serde_json::Deserializer::from_str(text);
        let value = Bounded(&mut left).deserialize(&mut json).map_err(explain)?;
        json.end().map_err(explain)?;
        value
    };
    match value {
        Value::Object(object) => Ok(object),
        Value::Array(_) => Err("it is a list".to_string()),
        Value::String(_) => Err("it is a string".to_string()),
        _ => Err("it is a number or a word".to_string()),
    }
}

/// Makes a value as serde_json does, but of so many values at most.
struct Bounded<'a>(&'a mut usize);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        match self.0.checked_sub(1) {
            Some(left) => *self.0 = left,
            None => return Err(D::Error::custom(format!("more than {MOST_VALUES} values"))),
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_string()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(value) = list.next_element_seed(Bounded(self.0))? {
            out.push(value);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Bounded(self.0))?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

/// The fewest digits of a whole number that may be beyond 64 bits.
const LONG: usize = 19;

/// The text with whole numbers beyond 64 bits as strings, so that they keep their digits: such are
/// identifiers, and two that differ must not become one.
fn with_digits(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    // A run of so many digits has one at each such place.
    let steps = bytes.iter().skip(LONG - 1).step_by(LONG);
    let mut digits = steps.enumerate().filter(|(_, b)| b.is_ascii_digit());
    let long = digits.any(|(i, _)| {
        let at = LONG - 1 + i * LONG;
        let before = bytes[..at].iter().rev().take(LONG);
        let before = before.take_while(|b| b.is_ascii_digit()).count();
        let after = bytes[at..].iter().take(LONG);
        before + after.take_while(|b| b.is_ascii_digit()).count() >= LONG
    });
    if !long {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut done = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string(text, at, &mut |_: usize, _: usize, _: &str| ()),
            b'-' | b'0'..=b'9' => {
                let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.');
                let n = 1 + bytes[at + 1..].iter().take_while(|b| word(b)).count();
                let token = &text[at..at + n];
                let whole = token
                    .trim_start_matches('-')
                    .bytes()
                    .all(|b| b.is_ascii_digit());
                if n >= LONG
                    && whole
                    && token.parse::<i64>().is_err()
                    && token.parse::<u64>().is_err()
                {
                    out.push_str(&text[done..at]);
                    out.push('"');
                    out.push_str(token);
                    out.push('"');
                    done = at + n;
                }
                at += n;
            }
            _ => at += 1,
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// The text with what is no JSON in it replaced by what is meant; borrowed if there is none.
pub(in crate::corpus::formats) fn repaired(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    // Up to here, everything is in `out` or was left out.
    let mut done = 0;
    let mut replace = |from: usize, to: usize, by: &str| {
        out.push_str(&text[done..from]);
        out.push_str(by);
        done = to;
    };
    let mut changed = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string(text, at, &mut |from, to, by| {
                    changed = true;
                    replace(from, to, by);
                });
                at = end;
            }
            b',' => {
                let after = &bytes[at + 1..];
                let next = after.iter().find(|b| !b.is_ascii_whitespace());
                if matches!(next, Some(b']' | b'}')) {
                    changed = true;
                    replace(at, at + 1, "");
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                let word =
                    |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.' | b'_');
                let n = bytes[at..].iter().take_while(|b| word(b)).count();
                let token = &text[at..at + n];
                let null = matches!(
                    token,
                    "NaN" | "-NaN" | "Infinity" | "-Infinity" | "undefined" | "None"
                ) || (!byte.is_ascii_alphabetic()
                    && token.parse::<f64>().is_ok_and(f64::is_infinite));
                let by = match token {
                    "True" => Some("true"),
                    "False" => Some("false"),
                    _ => null.then_some("null"),
                };
                if let Some(by) = by {
                    changed = true;
                    replace(at, at + n, by);
                }
                at += n;
            }
            _ => at += 1,
        }
    }
    if !changed {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// Goes through the string that opens at `at`; the place behind its closing quote.
fn string(text: &str, at: usize, replace: &mut impl FnMut(usize, usize, &str)) -> usize {
    let bytes = text.as_bytes();
    let mut at = at + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => match bytes.get(at + 1) {
                Some(b'u') => match unit(bytes, at) {
                    Some(0xd800..=0xdbff)
                        if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) =>
                    {
                        at += 12;
                    }
                    Some(0xd800..=0xdfff) => {
                        replace(at, at + 6, "\u{fffd}");
                        at += 6;
                    }
                    _ => at += 2,
                },
                Some(b'\'') => {
                    replace(at, at + 2, "'");
                    at += 2;
                }
                // Whatever is escaped, it may be more than a byte.
                Some(b) if b.is_ascii() => at += 2,
                _ => at += 1,
            },
            0..=0x1f => {
                let by = match byte {
                    b'\n' => "\\n",
                    b'\r' => "\\r",
                    b'\t' => "\\t",
                    _ => " ",
                };
                replace(at, at + 1, by);
                at += 1;
            }
            _ => at += 1,
        }
    }
    at
}

/// The number of a `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    let digits = std::str::from_utf8(escape.strip_prefix(b"\\u")?).ok()?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        Value::Object(object(text).unwrap())
    }

    #[test]
    fn what_programs_write_is_understood() {
        assert_eq!(
            read(
                r#"{"a": NaN, "b": -Infinity, "c": [Infinity, 1e999, 1.5], "d": "NaN, \" Infinity",}"#
            ),
            json!({"a": null, "b": null, "c": [null, null, 1.5], "d": "NaN, \" Infinity"})
        );
        assert_eq!(
            read(r#"{"a": "\ud83d\ude00 \ud83d \ude00x \\ud83d", "b": NaN}"#),
            json!({"a": "😀 \u{fffd} \u{fffd}x \\ud83d", "b": null})
        );
        assert_eq!(
            read("{\"a\": \"one\ntwo\tthree\u{1}\", \"b\": [1, 2, ],}"),
            json!({"a": "one\ntwo\tthree ", "b": [1, 2]})
        );
        assert_eq!(
            read(r#"{"a": True, "b": None, "c": "it\'s"}"#),
            json!({"a": true, "b": null, "c": "it's"})
        );
        assert_eq!(read(r#"{"a": 1, "a": 2}"#), json!({"a": 2}));
    }

    #[test]
    fn whole_numbers_keep_their_digits() {
        let text = r#"{"a": 123456789012345678901, "b": [-12345678901234567890123], "c": 18446744073709551615, "d": "é 123456789012345678901", "e": 1234567890123456789012.5}"#;
        assert_eq!(
            read(text),
            json!({
                "a": "123456789012345678901", "b": ["-12345678901234567890123"],
                "c": 18446744073709551615u64, "d": "é 123456789012345678901", "e": 1234567890123456789012.5
            })
        );
        for digits in 1..30 {
            for before in ["", " ", "       "] {
                let text = format!("{{\"a\":{before}{}}}", "7".repeat(digits));
                assert_eq!(with_digits(&text).contains("\"7"), digits >= 20, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_object_is_said() {
        for (text, part) in [
            ("[1]", "a list"),
            ("\"a\"", "a string"),
            ("NaN", "expected"),
            ("{\"a\": }", "at character"),
            ("{\"a\":\n }", "in line 2 of it"),
        ] {
            let message = object(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(object(&deep).unwrap_err().contains("recursion"));
        let many = format!("{{\"a\": [{}1]}}", "1,".repeat(MOST_VALUES));
        assert!(object(&many).unwrap_err().contains("more than"));
    }

    proptest! {
        #[test]
        fn json_stays_what_it_is(text in "[\\[\\]{},:\"\\\\ua0dN\n -]{0,40}", key: String, s: String, n: f64) {
            // Right JSON needs no repair, and what was repaired needs no other.
            let right = json!({key: [s, n], "x": {}}).to_string();
            prop_assert_eq!(repaired(&right), right.as_str());
            let value: Value = serde_json::from_str(&right).unwrap();
            prop_assert_eq!(read(&right), value);
            let once = repaired(&text).into_owned();
            if object(&text).is_ok() && once != text {
                prop_assert!(serde_json::from_str::<Value>(&once).is_ok());
            }
        }
    }
}
