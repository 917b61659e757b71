//! Records of a line for each field, told by a tag at its beginning.

use super::{Fields, Syntax, month};
use serde_json::Value;

/// Whether a line begins with a tag of RIS or of PubMed: `TI  - `, `PMID- `.
pub(super) fn is_tagged(line: &str) -> bool {
    hyphened(line).is_some()
}

/// Whether a line begins with a tag of EndNote: `%T `.
pub(super) fn is_lettered(line: &str) -> bool {
    lettered(line).is_some()
}

/// The tag of `TI  - A title`, and what stands behind it.
fn hyphened(line: &str) -> Option<(&str, &str)> {
    let (tag, rest) = line.split_at_checked(4)?;
    let tag = tag.trim_end();
    let letters = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if tag.len() < 2 || !tag.bytes().all(letters) {
        return None;
    }
    let rest = rest.strip_prefix('-').or_else(|| rest.strip_prefix(" -"))?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| (tag, rest.trim()))
}

fn lettered(line: &str) -> Option<(&str, &str)> {
    let (tag, rest) = line.split_at_checked(2)?;
    let letter = tag.strip_prefix('%')?.bytes().next()?;
    let known = letter.is_ascii_alphanumeric() || b"@!#$]&(~+^<>[=?*|".contains(&letter);
    (known && (rest.is_empty() || rest.starts_with(' '))).then(|| (tag, rest.trim()))
}

/// The tag of `TI A title`, of two letters or digits.
fn spaced(line: &str) -> Option<(&str, &str)> {
    let (tag, rest) = line.split_at_checked(2)?;
    let letters = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    (tag.bytes().all(letters) && (rest.is_empty() || rest.starts_with(' ')))
        .then(|| (tag, rest.trim()))
}

/// A record's fields.
pub(super) fn fields(syntax: Syntax, text: &str) -> Fields {
    let tag_of = match syntax {
        Syntax::EndNote => lettered,
        Syntax::WebOfScience => spaced,
        _ => hyphened,
    };
    // Each value with its tag; lines without one go on with the last.
    let mut values: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        let line = line.trim_end();
        match tag_of(line) {
            Some(("ER" | "EF", "")) => break,
            Some((tag, value)) => values.push((tag, value.to_string())),
            None => {
                let Some((tag, last)) = values.last_mut() else {
                    continue;
                };
                let (tag, more) = (*tag, line.trim());
                if more.is_empty() {
                    continue;
                }
                if is_list(syntax, tag) {
                    values.push((tag, more.to_string()));
                } else {
                    last.push(' ');
                    last.push_str(more);
                }
            }
        }
    }
    let mut fields = Fields::new();
    let full_names = values.iter().any(|(tag, _)| matches!(*tag, "FAU" | "AF"));
    for (tag, value) in values {
        if value.is_empty() {
            continue;
        }
        let name = match name(syntax, tag) {
            // The same names in short.
            "author" if full_names && tag == "AU" => continue,
            "doi" if syntax == Syntax::PubMed => match value.strip_suffix(" [doi]") {
                Some(doi) => {
                    fields
                        .entry("doi")
                        .or_insert_with(|| Value::String(doi.to_string()));
                    continue;
                }
                None => tag,
            },
            name => name,
        };
        put(&mut fields, name, value);
    }
    if let Some(Value::String(date)) = fields.get_mut("date") {
        *date = dated(date);
    }
    fields
}

/// Adds a value to the others of its name. Of what an article has once, the first counts.
fn put(fields: &mut Fields, name: &str, value: String) {
    const ONCE: [&str; 7] = ["id", "title", "text", "date", "url", "source", "doi"];
    if name == "keywords" {
        // One may hold several.
        let parts: Vec<&str> = value.split(';').map(str::trim).collect();
        let list = fields
            .entry(name)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            let parts = parts.into_iter().filter(|part| !part.is_empty());
            list.extend(parts.map(Value::from));
        }
        return;
    }
    let several = name == "author" || name == "editor";
    match fields.get_mut(name) {
        None if several => {
            fields.insert(name.to_string(), Value::Array(vec![value.into()]));
        }
        None => {
            fields.insert(name.to_string(), Value::String(value));
        }
        // A text may come in parts.
        Some(Value::String(text)) if name == "text" => {
            text.push_str("\n\n");
            text.push_str(&value);
        }
        Some(_) if ONCE.contains(&name) => {}
        Some(Value::Array(list)) => list.push(value.into()),
        Some(first) => *first = Value::Array(vec![first.take(), value.into()]),
    }
}

/// Whether a line without a tag is another value and not the rest of the last.
fn is_list(syntax: Syntax, tag: &str) -> bool {
    match syntax {
        Syntax::WebOfScience => matches!(tag, "AU" | "AF" | "BE" | "CR" | "C1"),
        Syntax::EndNote => tag == "%K",
        _ => false,
    }
}

/// What a tag says, where others have it as well; else the tag.
fn name(syntax: Syntax, tag: &str) -> &str {
    match (syntax, tag) {
        (Syntax::Ris, "TY") | (Syntax::PubMed, "PT") | (Syntax::EndNote, "%0") => "type",
        (Syntax::WebOfScience, "DT") => "type",
        (Syntax::Ris, "TI" | "T1")
        | (Syntax::PubMed | Syntax::WebOfScience, "TI")
        | (Syntax::EndNote, "%T") => "title",
        (Syntax::Ris, "AB" | "N2")
        | (Syntax::PubMed | Syntax::WebOfScience, "AB")
        | (Syntax::EndNote, "%X") => "text",
        (Syntax::Ris, "AU" | "A1")
        | (Syntax::PubMed, "FAU" | "AU")
        | (Syntax::EndNote, "%A")
        | (Syntax::WebOfScience, "AF" | "AU") => "author",
        (Syntax::Ris, "A2" | "ED") | (Syntax::EndNote, "%E") | (Syntax::WebOfScience, "BE") => {
            "editor"
        }
        (Syntax::Ris, "DA" | "PY" | "Y1")
        | (Syntax::PubMed, "DP")
        | (Syntax::EndNote, "%D")
        | (Syntax::WebOfScience, "PY") => "date",
        (Syntax::Ris, "JO" | "JF" | "T2" | "BT" | "JA")
        | (Syntax::PubMed, "JT")
        | (Syntax::EndNote, "%J" | "%B")
        | (Syntax::WebOfScience, "SO") => "source",
        (Syntax::Ris, "UR") | (Syntax::EndNote, "%U") => "url",
        (Syntax::Ris, "DO")
        | (Syntax::PubMed, "LID" | "AID")
        | (Syntax::EndNote, "%R")
        | (Syntax::WebOfScience, "DI") => "doi",
        (Syntax::Ris, "KW")
        | (Syntax::PubMed, "OT" | "MH")
        | (Syntax::EndNote, "%K")
        | (Syntax::WebOfScience, "DE") => "keywords",
        (Syntax::Ris, "ID" | "AN")
        | (Syntax::PubMed, "PMID")
        | (Syntax::EndNote, "%M" | "%F")
        | (Syntax::WebOfScience, "UT") => "id",
        (_, "LA") | (Syntax::EndNote, "%G") => "language",
        (Syntax::Ris | Syntax::WebOfScience, "PB") | (Syntax::EndNote, "%I") => "publisher",
        (_, "SN") | (Syntax::EndNote, "%@") => "issn",
        (Syntax::Ris | Syntax::WebOfScience, "VL") | (_, "VI") | (Syntax::EndNote, "%V") => {
            "volume"
        }
        (Syntax::Ris | Syntax::WebOfScience, "IS") | (_, "IP") | (Syntax::EndNote, "%N") => "issue",
        (Syntax::Ris, "SP") | (Syntax::PubMed, "PG") | (Syntax::EndNote, "%P") => "pages",
        (Syntax::WebOfScience, "BP") => "pages",
        (Syntax::Ris, "N1") | (Syntax::EndNote, "%Z") => "note",
        _ => tag.trim_start_matches('%'),
    }
}

/// A date as others write it: RIS has `2024/05/03/`, PubMed `2024 May 3`.
fn dated(text: &str) -> String {
    let mut parts = text.split(['/', ' ', '-']).map(str::trim);
    let year = parts
        .next()
        .filter(|year| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()));
    let Some(year) = year else {
        return text.to_string();
    };
    let Some(month) = parts.next().and_then(month) else {
        return year.to_string();
    };
    match parts.next().and_then(|day| day.parse::<u8>().ok()) {
        Some(day @ 1..=31) => format!("{year}-{month}-{day:02}"),
        _ => format!("{year}-{month}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_have_their_names_whatever_the_tags() {
        for (syntax, text) in [
            (
                Syntax::Ris,
                "TY  - JOUR\nID  - 7\nTI  - The bridge\nAU  - Lee, A.\nAU  - Kim, B.\nAB  - It opens\n today.\n\
                 DA  - 2024/05/03/\nJO  - City\nKW  - roads\nKW  - water\nDO  - 10.1/x\nXX  - y\nER  - \n",
            ),
            (
                Syntax::PubMed,
                "PMID- 7\nPT  - JOUR\nTI  - The\n      bridge\nAB  - It opens\n      today.\nFAU - Lee, A.\nAU  - Lee A\n\
                 FAU - Kim, B.\nAU  - Kim B\nDP  - 2024 May 3\nJT  - City\nOT  - roads\nOT  - water\n\
                 LID - 10.1/x [doi]\nXX  - y\n",
            ),
            (
                Syntax::EndNote,
                "%0 JOUR\n%F 7\n%T The bridge\n%A Lee, A.\n%A Kim, B.\n%X It opens\ntoday.\n%D 2024-05-03\n%J City\n\
                 %K roads\nwater\n%R 10.1/x\n%( y\n",
            ),
            (
                Syntax::WebOfScience,
                "PT J\nDT JOUR\nUT 7\nTI The\n   bridge\nAU Lee, A\n   Kim, B\nAF Lee, A.\n   Kim, B.\nAB It opens\n   today.\n\
                 PY 2024-05-03\nSO City\nDE roads; water\nDI 10.1/x\nXX y\nER\n",
            ),
        ] {
            let mut fields = Value::Object(fields(syntax, text));
            let rest = fields.as_object_mut().unwrap();
            let other = rest.shift_remove("XX").or(rest.shift_remove("("));
            assert_eq!(other, Some(json!("y")), "{syntax:?}");
            rest.shift_remove("PT");
            let wanted = json!({
                "id": "7", "type": "JOUR", "title": "The bridge", "text": "It opens today.",
                "author": ["Lee, A.", "Kim, B."], "date": "2024-05-03", "source": "City",
                "keywords": ["roads", "water"], "doi": "10.1/x",
            });
            assert_eq!(fields, wanted, "{syntax:?}");
        }
    }

    #[test]
    fn dates_are_as_fine_as_they_are_told() {
        for (text, wanted) in [
            ("2024///", "2024"),
            ("2024/05//Spring", "2024-05"),
            ("2024 May-Jun", "2024-05"),
            ("2024 Spring", "2024"),
            ("2024-05-03", "2024-05-03"),
            ("in press", "in press"),
        ] {
            assert_eq!(dated(text), wanted);
        }
    }
}
