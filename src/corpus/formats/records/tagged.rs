//! Records of a line for each field, told by a tag at its beginning.

use super::{Fields, Syntax, finest};
use serde_json::Value;

/// Whether a line begins with a tag of RIS or of PubMed: `TI  - `, `PMID- `.
pub(super) fn is_tagged(line: &str) -> bool {
    hyphened(line).is_some()
}

/// Whether a line begins with a tag of EndNote: `%T `.
pub(super) fn is_lettered(line: &str) -> bool {
    lettered(line).is_some()
}

/// As [`hyphened`], with a tag of two letters; the first line's may have fewer blanks.
fn of_ris(line: &str) -> Option<(&str, &str)> {
    let first = || {
        let rest = line.strip_prefix("TY")?;
        let value = rest.trim_start().strip_prefix('-')?;
        (rest.len() > rest.trim_start().len()).then(|| ("TY", value.trim()))
    };
    hyphened(line)
        .filter(|(tag, _)| tag.len() == 2)
        .or_else(first)
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
        Syntax::Ris => of_ris,
        _ => hyphened,
    };
    // Each value with its tag; lines without one go on with the last, behind a blank line as another paragraph.
    let mut values: Vec<(&str, String)> = Vec::new();
    let mut blank = false;
    for line in text.lines() {
        let line = line.trim_end().trim_start_matches('\u{feff}');
        match tag_of(line) {
            Some(("ER" | "EF", "")) => break,
            Some((tag, value)) => values.push((tag, value.to_string())),
            None => {
                let Some((tag, last)) = values.last_mut() else {
                    continue;
                };
                let (tag, more) = (*tag, line.trim());
                if more.is_empty() {
                    blank = true;
                    continue;
                }
                if is_list(syntax, tag) {
                    values.push((tag, more.to_string()));
                } else {
                    last.push_str(if blank { "\n\n" } else { " " });
                    last.push_str(more);
                }
            }
        }
        blank = false;
    }
    let mut fields = Fields::new();
    let full_names = values.iter().any(|(tag, _)| matches!(*tag, "FAU" | "AF"));
    let mut dates = Vec::new();
    let mut end = None;
    for (tag, value) in values {
        let value = value.trim().to_string();
        if value.is_empty() {
            continue;
        }
        match name(syntax, tag) {
            // The same names in short.
            "author" if full_names && tag == "AU" => {}
            "date" => dates.push(value),
            "end" => end = Some(value),
            "doi" if matches!(syntax, Syntax::PubMed | Syntax::Eric) => {
                match value.strip_suffix(" [doi]") {
                    Some(doi) => put(&mut fields, "doi", tag, doi.to_string()),
                    None => put(&mut fields, tag, tag, value),
                }
            }
            name => put(&mut fields, name, tag, value),
        }
    }
    // A day without its year is told beside it.
    let year = |date: &String| date.len() == 4 && date.bytes().all(|b| b.is_ascii_digit());
    let named = |date: &&String| {
        let lettered = date.contains(|c: char| c.is_ascii_alphabetic());
        lettered
            && !date
                .split(|c: char| !c.is_ascii_digit())
                .any(|n| n.len() == 4)
    };
    if let Some(year) = dates.iter().find(|date| year(date))
        && let Some(day) = dates.iter().find(named)
    {
        let both = format!("{year} {day}");
        dates.push(both);
    }
    let dates: Vec<&str> = dates.iter().map(String::as_str).collect();
    let date = finest(&dates);
    if !date.is_empty() {
        fields.insert("date".to_string(), date.into());
    }
    if let Some(end) = end {
        match fields.get_mut("pages") {
            Some(Value::String(pages)) if *pages != end => *pages = format!("{pages}-{end}"),
            Some(_) => {}
            None => put(&mut fields, "pages", "pages", end),
        }
    }
    fields
}

/// Adds a value to the others of its name. Of what an article has once, the first counts, and others stay by their tag.
fn put(fields: &mut Fields, name: &str, tag: &str, value: String) {
    const ONCE: [&str; 6] = ["id", "title", "text", "url", "source", "doi"];
    if name == "keywords" {
        // One may hold several; the more important are marked.
        let parts: Vec<&str> = value
            .split(';')
            .map(|part| part.trim().trim_start_matches('*'))
            .collect();
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
        Some(Value::String(first)) if *first == value => {}
        // A text may come in parts.
        Some(Value::String(text)) if name == "text" => {
            text.push_str("\n\n");
            text.push_str(&value);
        }
        Some(_) if ONCE.contains(&name) => {
            let tag = format!("other {}", tag.trim_start_matches('%'));
            put(fields, &tag, &tag, value);
        }
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
    let names: &[(&str, &str)] = match syntax {
        Syntax::Ris => &[
            ("TY", "type"),
            ("TI", "title"),
            ("T1", "title"),
            ("AB", "text"),
            ("N2", "text"),
            ("AU", "author"),
            ("A1", "author"),
            ("A2", "editor"),
            ("ED", "editor"),
            ("DA", "date"),
            ("PY", "date"),
            ("Y1", "date"),
            ("JO", "source"),
            ("JF", "source"),
            ("T2", "source"),
            ("BT", "source"),
            ("JA", "source"),
            ("UR", "url"),
            ("DO", "doi"),
            ("KW", "keywords"),
            ("ID", "id"),
            ("AN", "id"),
            ("LA", "language"),
            ("PB", "publisher"),
            ("SN", "issn"),
            ("VL", "volume"),
            ("IS", "issue"),
            ("SP", "pages"),
            ("EP", "end"),
            ("N1", "note"),
        ],
        Syntax::PubMed | Syntax::Eric => &[
            ("PT", "type"),
            ("TI", "title"),
            ("BTI", "title"),
            ("AB", "text"),
            ("FAU", "author"),
            ("AU", "author"),
            ("DP", "date"),
            ("JT", "source"),
            ("LID", "doi"),
            ("AID", "doi"),
            ("OT", "keywords"),
            ("MH", "keywords"),
            ("PMID", "id"),
            ("OID", "id"),
            ("LA", "language"),
            ("VI", "volume"),
            ("IP", "issue"),
            ("PG", "pages"),
        ],
        Syntax::EndNote => &[
            ("%0", "type"),
            ("%T", "title"),
            ("%X", "text"),
            ("%A", "author"),
            ("%E", "editor"),
            ("%D", "date"),
            ("%8", "date"),
            ("%J", "source"),
            ("%B", "source"),
            ("%U", "url"),
            ("%R", "doi"),
            ("%K", "keywords"),
            ("%M", "id"),
            ("%F", "id"),
            ("%G", "language"),
            ("%I", "publisher"),
            ("%@", "issn"),
            ("%V", "volume"),
            ("%N", "issue"),
            ("%P", "pages"),
            ("%Z", "note"),
        ],
        Syntax::WebOfScience => &[
            ("DT", "type"),
            ("TI", "title"),
            ("AB", "text"),
            ("AF", "author"),
            ("AU", "author"),
            ("BE", "editor"),
            ("PY", "date"),
            ("PD", "date"),
            ("SO", "source"),
            ("DI", "doi"),
            ("DE", "keywords"),
            ("ID", "keywords"),
            ("UT", "id"),
            ("LA", "language"),
            ("PU", "publisher"),
            ("SN", "issn"),
            ("VL", "volume"),
            ("IS", "issue"),
            ("BP", "pages"),
            ("EP", "end"),
        ],
        Syntax::BibTex => &[],
    };
    let known = names.iter().find(|(known, _)| *known == tag);
    known.map_or(tag.trim_start_matches('%'), |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_there_twice_is_kept() {
        let fields = fields(
            Syntax::Ris,
            "TY  - JOUR\nTI  - A\nAB  - One.\n\nTwo.\nN2  - One.\n\nTwo.\nUR  - u1\nUR  - u2\nT2  - Book\nJO  - B.\nSP  - 3\nEP  - 9\n\
             PY  - 2019\nDA  - Mar\nER  - \n",
        );
        assert_eq!(
            Value::Object(fields),
            json!({
                "type": "JOUR", "title": "A", "text": "One.\n\nTwo.", "url": "u1", "other UR": "u2", "source": "Book",
                "other JO": "B.", "pages": "3-9", "date": "2019-03",
            })
        );
    }

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
}
