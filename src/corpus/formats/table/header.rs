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

/// Whether a first row reads like an article and not like names of columns.
pub(super) fn looks_like_data(fields: &[String]) -> bool {
    // Names are short and hold no digits only, no sentence, no address.
    let data = |field: &String| {
        let field = field.trim();
        let number = field.parse::<f64>().is_ok();
        let words = field.split_whitespace().count();
        let dated = field.len() >= 8
            && field.as_bytes()[..4].iter().all(u8::is_ascii_digit)
            && field.as_bytes()[4] == b'-';
        number || words > 5 || field.len() > 80 || dated || field.contains("://")
    };
    fields.iter().any(data)
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
        let row = |fields: &[&str]| {
            looks_like_data(&fields.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert!(row(&[
            "3",
            "Ferry fares rise in June",
            "Passengers pay more."
        ]));
        assert!(row(&["2024-05-03", "x"]));
        assert!(!row(&["headline_text", "publish date", "Überschrift", ""]));
    }
}
