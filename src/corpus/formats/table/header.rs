//! The names of a table's columns: from its first row, or numbers.

use super::record::{Dialect, Record};
use super::sniff::each;
use crate::corpus::columns::Columns;
use std::collections::HashSet;

/// Names that differ from each other and are not empty, so that no field is lost.
pub(super) fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for (i, name) in names.enumerate() {
        let base = match name.trim() {
            "" => format!("column {}", i + 1),
            name => name.to_string(),
        };
        let mut name = base.clone();
        if seen.contains(&name) {
            // The column's number makes it differ from most, another from the rest.
            name = format!("{base} ({})", i + 1);
            while seen.contains(&name) {
                name.push('\'');
            }
        }
        seen.insert(name.clone());
        out.push(name);
    }
    out
}

/// The numbers of `n` columns, from 1, which are the names of columns without names.
pub(super) fn numbers(n: usize) -> Vec<String> {
    (1..=n).map(|i| i.to_string()).collect()
}

/// What a first row has of an article, and not of names of columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// Fields that no name is: numbers, dates, addresses, and what the rows below repeat.
    pub data: usize,
    /// Fields that are long for a name, as questions of a survey are as well.
    pub sentences: usize,
}

impl Signs {
    /// The signs in a first row of `fields`, with some rows below it.
    pub(super) fn of(fields: &[String], below: &[Vec<String>]) -> Self {
        let fields: Vec<&str> = fields.iter().map(|field| field.trim()).collect();
        // A second row of names, as where tables were put one behind the other, repeats nothing.
        let below: Vec<&Vec<String>> = below
            .iter()
            .filter(|row| row.len() == fields.len())
            .filter(|row| !row.iter().zip(&fields).all(|(a, b)| a.trim() == *b))
            .collect();
        let repeated = |i: usize, field: &str| {
            let again = below.iter().filter(|row| row[i].trim() == field).count();
            !field.is_empty() && 3 * again > below.len()
        };
        let numbered = numbered(&fields);
        let mut signs = Self::default();
        for (i, field) in fields.iter().enumerate() {
            let number = !numbered && field.parse::<f64>().is_ok();
            let list = field.starts_with('[') && field.ends_with(']');
            if number || is_dated(field) || field.contains("://") || list || repeated(i, field) {
                signs.data += 1;
            } else if !field.ends_with(['?', ':'])
                && (field.split_whitespace().count() > 5 || field.len() > 80)
            {
                signs.sentences += 1;
            }
        }
        signs
    }

    /// Whether it is no row of names, of which `known` are usual names of columns.
    pub(super) fn outweigh(self, known: usize) -> bool {
        let all = self.data + self.sentences;
        match known {
            0 => all > 0,
            // A sentence may be a question, of a survey that has the usual names beside it.
            1 => all > 0 && (self.data > 0 || self.sentences > 1),
            n => self.data >= n,
        }
    }
}

/// Whether the numbers among names are years or places, as columns are called that have no other name.
fn numbered(fields: &[&str]) -> bool {
    let mut numbers = fields.iter().filter_map(|field| field.parse::<f64>().ok());
    let Some(first) = numbers.next() else {
        return true;
    };
    let mut last = first;
    let mut count = 1;
    for n in numbers {
        if n != last + 1.0 {
            return false;
        }
        last = n;
        count += 1;
    }
    first == 0.0 || count > 1
}

fn is_dated(field: &str) -> bool {
    let bytes = field.as_bytes();
    bytes.len() >= 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && matches!(bytes[4], b'-' | b'/' | b'.')
}

/// Without names, the text is the column with the longest fields, and the title the nearest
/// column before it that holds words; unless the user said so.
pub(super) fn guessed(
    columns: &Columns,
    sample: &[u8],
    eof: bool,
    dialect: Dialect,
    n: usize,
) -> Columns {
    let mut columns = columns.clone();
    let mut sizes = vec![0; n];
    let mut words = vec![0; n];
    let mut rows = 0;
    each(sample, eof, dialect, |record: &Record, _| {
        if record.len() == n {
            rows += 1;
            for (i, field) in record.fields().enumerate() {
                let field = field.unwrap_or_default();
                sizes[i] += field.len();
                let blanks = field.iter().filter(|b| b.is_ascii_whitespace()).count();
                let letters = field
                    .iter()
                    .filter(|b| b.is_ascii_alphabetic() || **b >= 0x80);
                words[i] += usize::from(letters.count() > blanks && blanks > 0);
            }
        }
        rows < 200
    });
    let set = |i: usize| {
        let name = (i + 1).to_string();
        [
            &columns.id,
            &columns.title,
            &columns.text,
            &columns.date,
            &columns.url,
            &columns.source,
        ]
        .into_iter()
        .any(|role| role.as_deref() == Some(&name))
    };
    let free: Vec<usize> = (0..n).filter(|&i| !set(i)).collect();
    let text = match &columns.text {
        Some(name) => name.parse::<usize>().ok().and_then(|i| i.checked_sub(1)),
        None => free.iter().copied().max_by_key(|&i| (sizes[i], n - i)),
    };
    let Some(text) = text else { return columns };
    let title = free
        .into_iter()
        .rev()
        .find(|&i| i < text && words[i] * 2 > rows && sizes[i] <= 300 * rows.max(1));
    if columns.text.is_none() {
        columns.text = Some((text + 1).to_string());
    }
    if columns.title.is_none() {
        columns.title = title.map(|i| (i + 1).to_string());
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_distinct() {
        let names = ["a", "", " a ", "a", "column 2", "a (3)"];
        let names = distinct(names.iter().map(ToString::to_string));
        assert_eq!(
            names,
            [
                "a",
                "column 2",
                "a (3)",
                "a (4)",
                "column 2 (5)",
                "a (3) (6)"
            ]
        );
    }

    #[test]
    fn a_row_of_an_article_is_no_header() {
        let signs = |rows: &[&[&str]]| {
            let mut rows = rows
                .iter()
                .map(|row| row.iter().map(ToString::to_string).collect());
            let first: Vec<String> = rows.next().unwrap_or_default();
            Signs::of(&first, &rows.collect::<Vec<_>>())
        };
        let data = |data| Signs { data, sentences: 0 };
        let cases: [(&[&[&str]], Signs); 8] = [
            (
                &[&["3", "Ferry fares rise", "Passengers pay more."][..]][..],
                data(1),
            ),
            (&[&["2024-05-03", "x"]], data(1)),
            (
                &[&["headline_text", "publish date", "Überschrift", ""]],
                data(0),
            ),
            (&[&["N1", "news", "https://x.test/1", "[]"]], data(2)),
            (&[&["Good", "review"], &["Bad", "review"]], data(1)),
            // Years, places and a second header are none.
            (&[&["country", "2019", "2020"]], data(0)),
            (&[&["text", "0"]], data(0)),
            (&[&["id", "text"], &["id", "text"]], data(0)),
        ];
        for (rows, expected) in cases {
            assert_eq!(signs(rows), expected, "{rows:?}");
        }
        let asked = signs(&[&["Timestamp", "What do you think about the new bridge?"]]);
        assert_eq!(asked, data(0));
        let survey = signs(&[&["Timestamp", "Please say in some words what the text says"]]);
        assert!(survey.outweigh(0) && !survey.outweigh(1));
        assert!(data(1).outweigh(1) && !data(1).outweigh(2) && !data(0).outweigh(0));
    }
}
