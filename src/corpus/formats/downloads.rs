//! What databases of newspapers give as one text: the articles of a search, one behind the other, each with
//! lines that say what it is. Nexis marks their ends ("End of Document", "2 of 9 DOCUMENTS"), Factiva their fields by
//! two letters, ProQuest by names.

use super::Context;
use crate::corpus::article::{Article, one_line, tidy};
use crate::corpus::dates::parse_date;
use crate::error::Result;
use serde_json::Value;

/// Hands on the articles of a download; `false` where the text is none.
pub(super) fn read(text: &str, context: &mut Context<'_>) -> Result<bool> {
    let Some(articles) = articles(text) else {
        return Ok(false);
    };
    for (number, article) in (1..).zip(articles) {
        if article.text.is_empty() && article.title.is_empty() {
            context.bad(Some(number), "an entry without a text")?;
        } else {
            context.item(article, number)?;
        }
    }
    Ok(true)
}

/// Whether a text has one of the words that every download has, so that others are looked at but once. All
/// are found in one pass, by the letters that they begin with.
fn may_be_one(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'A', b'D', bytes).any(|at| {
        let (before, word) = bytes.split_at(at);
        let begins_line = before.last().is_none_or(|b| *b == b'\n');
        word.starts_with(b"Document")
            || word.starts_with(b"DOCUMENTS")
            || begins_line && word.starts_with(b"AN")
    })
}

fn articles(text: &str) -> Option<Vec<Article>> {
    if !may_be_one(text) {
        return None;
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let has = |is: &dyn Fn(&str) -> bool| lines.iter().any(|line| is(line.trim()));
    let end = |line: &str| line == "End of Document";
    let load_date = |line: &str| line.to_ascii_lowercase().starts_with("load-date:");
    if has(&end) && has(&load_date) {
        return Some(parts(&lines, &end).iter().map(|own| nexis(own)).collect());
    }
    let counted = |line: &str| is_counted(line, "", "DOCUMENTS");
    if has(&counted) && has(&load_date) {
        let parts = parts(&lines, &counted);
        return Some(parts.iter().map(|own| older_nexis(own)).collect());
    }
    let number = |line: &str| line.starts_with("AN ") && line.contains("Document ");
    let coded = |code: &str| lines.iter().any(|line| coded(line) == Some(code));
    if (has(&number) || coded("AN")) && coded("HD") && (coded("LP") || coded("TD")) {
        return Some(factiva(&lines));
    }
    let counted = |line: &str| is_counted(line, "Document ", "");
    let proquest = |line: &str| line.starts_with("ProQuest document");
    if has(&counted) && has(&proquest) {
        let all = parts(&lines, &counted);
        // Before the first stands what was searched for.
        return Some(all.iter().skip(1).map(|own| of_names(own)).collect());
    }
    None
}

/// Whether a line counts a document: `2 of 9 DOCUMENTS`, `Document 2 of 9`.
fn is_counted(line: &str, before: &str, behind: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let of = line
        .strip_prefix(before)
        .and_then(|line| line.strip_suffix(behind))
        .and_then(|line| line.trim().split_once(" of "));
    of.is_some_and(|(own, all)| number(own) && number(all))
}

/// The lines between such lines, without parts of blank lines alone.
fn parts<'l>(lines: &[&'l str], parts: &dyn Fn(&str) -> bool) -> Vec<Vec<&'l str>> {
    let page = |line: &&&str| {
        let line = line.trim();
        !is_counted(line, "Page ", "")
    };
    lines
        .split(|line| parts(line.trim()))
        .map(|own| own.iter().filter(page).copied().collect::<Vec<_>>())
        .filter(|own| own.iter().any(|line| !line.trim().is_empty()))
        .collect()
}

/// The value of a line of such a name, in small letters: `Byline: Bob`.
fn named<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (own, value) = line.split_once(':')?;
    own.trim().eq_ignore_ascii_case(name).then(|| value.trim())
}

/// Where the first line of one of these names stands.
fn first_named(lines: &[&str], names: &[&str]) -> Option<usize> {
    lines
        .iter()
        .position(|line| names.iter().any(|name| named(line, name).is_some()))
}

/// What stands behind an article, and the line in front of its text where none says that it begins.
const BEHIND: [&str; 6] = [
    "load-date",
    "url",
    "language",
    "publication-type",
    "journal-code",
    "graphic",
];
const LENGTH: &str = "length";

/// Lines of an article: its title, where it stood, when; then what is known of it, and its text.
fn nexis(lines: &[&str]) -> Article {
    let body = lines.iter().position(|line| line.trim() == "Body");
    let (head, text) = halves(lines, body);
    let mut said = head
        .iter()
        .map(|line| line.trim())
        .filter(|l| !l.is_empty());
    let title = said.next().map(one_line).unwrap_or_default();
    let source = said.next().map(one_line);
    let date = said.take(3).find_map(parse_date);
    let classes = text.iter().position(|line| line.trim() == "Classification");
    article(
        title,
        source,
        date,
        &head,
        &text[..classes.unwrap_or(text.len())],
    )
}

/// The same of before 2019: where it stood comes first, and the title stands behind the date or has a name.
fn older_nexis(lines: &[&str]) -> Article {
    let body = lines.iter().position(|line| named(line, "body").is_some());
    let (head, text) = halves(lines, body);
    let names = ["byline", "section", LENGTH, "dateline", "headline"];
    let known = first_named(&head, &names).unwrap_or(head.len());
    let mut said = head[..known]
        .iter()
        .map(|line| line.trim())
        .filter(|l| !l.is_empty());
    let source = said.next().map(one_line);
    let rest: Vec<&str> = said.collect();
    let date = rest.iter().find_map(|line| parse_date(line));
    let headline = head.iter().find_map(|line| named(line, "headline"));
    // An edition stands between the date and the title.
    let title = headline.or_else(|| rest.last().copied().filter(|l| parse_date(l).is_none()));
    let title = title.map(one_line).unwrap_or_default();
    article(title, source, date, &head, &text)
}

/// What is in front of the text and the text: parted where one begins, or behind the line that says its length.
fn halves<'l>(lines: &[&'l str], body: Option<usize>) -> (Vec<&'l str>, Vec<&'l str>) {
    let (head, text) = match body {
        Some(at) => (at, at + 1),
        None => first_named(lines, &[LENGTH]).map_or((0, 0), |at| (at + 1, at + 1)),
    };
    (lines[..head].to_vec(), lines[text..].to_vec())
}

fn article(
    title: String,
    source: Option<String>,
    date: Option<String>,
    head: &[&str],
    text: &[&str],
) -> Article {
    let end = first_named(text, &BEHIND).unwrap_or(text.len());
    let mut article = Article {
        title,
        text: tidy(text[..end].join("\n").trim()),
        source,
        date,
        ..Article::default()
    };
    let by = head.iter().find_map(|line| named(line, "byline"));
    author(&mut article, by.map(|by| by.trim_start_matches("By ")));
    article
}

fn author(article: &mut Article, by: Option<&str>) {
    if let Some(by) = by.map(one_line).filter(|by| !by.is_empty()) {
        article.meta.insert("author".to_string(), Value::String(by));
    }
}

/// The code that a line begins a field with: `HD  Ferry late`, `LP`.
fn coded(line: &str) -> Option<&str> {
    let code = line.get(..2)?;
    let rest = &line[2..];
    let ends = rest.is_empty() || rest.starts_with("  ") || rest.starts_with('\t');
    (ends && code.bytes().all(|b| b.is_ascii_uppercase())).then_some(code)
}

/// Entries of fields, each ended by its number.
fn factiva(lines: &[&str]) -> Vec<Article> {
    let mut all = Vec::new();
    let mut own = Article::default();
    let mut field = "";
    let mut ended = false;
    for line in lines {
        let value = match coded(line) {
            Some(code) => {
                // What follows a number is the next entry's.
                if ended {
                    all.push(std::mem::take(&mut own));
                    ended = false;
                }
                field = code;
                ended |= code == "AN";
                line[2..].trim()
            }
            None => line.trim(),
        };
        // A blank line parts paragraphs of a text, and says nothing elsewhere.
        let is_text = field == "LP" || field == "TD";
        if value.is_empty() && (!is_text || coded(line).is_some()) {
            continue;
        }
        match field {
            "HD" => own.title = one_line(&format!("{} {value}", own.title)),
            "SN" => own.source = Some(one_line(value)),
            "PD" => own.date = own.date.take().or_else(|| parse_date(value)),
            "BY" => author(&mut own, Some(value)),
            "LP" | "TD" => {
                own.text.push_str(value);
                own.text.push('\n');
            }
            _ => {}
        }
    }
    all.push(own);
    all.retain(|own| !own.title.is_empty() || !own.text.trim().is_empty());
    for own in &mut all {
        own.text = tidy(own.text.trim());
    }
    all
}

/// An entry whose fields have names, with blank lines between them.
fn of_names(lines: &[&str]) -> Article {
    let mut own = Article::default();
    let mut full = String::new();
    let mut field = String::new();
    for line in lines {
        let named = line.split_once(": ").filter(|(name, _)| {
            let name = name.trim();
            name.split_whitespace().count() <= 4 && name.starts_with(char::is_uppercase)
        });
        let value = match named {
            // A text has colons of its own, but no names of fields.
            Some((name, value))
                if field != "full text" || NAMES.contains(&name.trim().to_lowercase().as_str()) =>
            {
                field = name.trim().to_lowercase();
                value
            }
            _ => line,
        };
        let value = value.trim();
        match field.as_str() {
            "title" if !value.is_empty() => own.title = one_line(value),
            "author" if !value.is_empty() => author(&mut own, Some(value)),
            "publication title" if !value.is_empty() => own.source = Some(one_line(value)),
            "publication date" if own.date.is_none() => own.date = parse_date(value),
            "document url" | "url" if value.starts_with("http") => own.url = Some(one_line(value)),
            "full text" | "abstract" => {
                full.push_str(value);
                full.push('\n');
            }
            _ => {}
        }
    }
    own.text = tidy(full.trim().trim_end_matches('_').trim_end());
    own
}

/// Names that end a text.
const NAMES: [&str; 14] = [
    "title",
    "author",
    "subject",
    "location",
    "people",
    "publication title",
    "publication year",
    "publication date",
    "section",
    "publisher",
    "links",
    "copyright",
    "last updated",
    "database",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(String, String, Option<String>, Option<String>)> {
        let all = articles(text).unwrap();
        let one = |own: Article| (own.title, own.text, own.date, own.source);
        all.into_iter().map(one).collect()
    }

    fn expected(
        title: &str,
        text: &str,
        date: &str,
        source: &str,
    ) -> (String, String, Option<String>, Option<String>) {
        let some = |text: &str| Some(text.to_string());
        (title.into(), text.into(), some(date), some(source))
    }

    #[test]
    fn searches_of_nexis_are_articles() {
        let text = "Page 1 of 2\n\nA late ferry\nThe Post (Hull)\nMarch 1, 2025 Saturday\n\nCopyright 2025 The Post\nLength: 9 words\nByline: By Ann Orr\n\nBody\n\nNo ferry came.\n\nNone left.\n\nLoad-Date: March 2, 2025\n\nEnd of Document\n\nPage 2 of 2\nFrost\nThe Mail\nMarch 2, 2025 Sunday\n\nLength: 2 words\n\nBody\n\nIt froze.\n\nClassification\n\nLanguage: ENGLISH\n\nLoad-Date: March 3, 2025\n\nEnd of Document\n";
        assert_eq!(
            told(text),
            [
                expected(
                    "A late ferry",
                    "No ferry came.\n\nNone left.",
                    "2025-03-01",
                    "The Post (Hull)"
                ),
                expected("Frost", "It froze.", "2025-03-02", "The Mail"),
            ]
        );
        let older = "   1 of 2 DOCUMENTS\n\n\n  The Post\n\n  March 1, 2015 Sunday\n  Late Edition - Final\n\nA late ferry\n\nBYLINE: By ANN ORR\n\nLENGTH: 3 words\n\nNo ferry came.\n\nURL: http://p.example\n\nLOAD-DATE: March 1, 2015\n\n   2 of 2 DOCUMENTS\n\n  The Mail\n\n  March 2, 2015 Monday\n\nSECTION: NEWS\n\nLENGTH: 2 words\n\nHEADLINE: Frost\n\nBODY:\nIt froze.\n\nLOAD-DATE: March 2, 2015\n";
        assert_eq!(
            told(older),
            [
                expected("A late ferry", "No ferry came.", "2015-03-01", "The Post"),
                expected("Frost", "It froze.", "2015-03-02", "The Mail"),
            ]
        );
    }

    #[test]
    fn entries_of_factiva_and_proquest_are_articles() {
        let coded = "SE  NEWS\nHD  A late\nferry\nBY  Ann Orr\nPD  1 March 2025\nSN  The Post\n\nLP\nNo ferry came.\n\nTD\nNone left.\n\nAN  Document P1\n\nHD  Frost\nPD  2 March 2025\nSN  The Mail\nLP\nIt froze.\nAN  Document P2\n";
        assert_eq!(
            told(coded),
            [
                expected(
                    "A late ferry",
                    "No ferry came.\n\nNone left.",
                    "2025-03-01",
                    "The Post"
                ),
                expected("Frost", "It froze.", "2025-03-02", "The Mail"),
            ]
        );
        let named = "____\n\nReport Information from ProQuest\n____\n\nDocument 1 of 2\n\nA late ferry\n\nAuthor: Orr, Ann\n\nProQuest document link\n\nFull text: No ferry came. One said: none will.\n\nTitle: A late ferry\n\nPublication title: The Post\n\nPublication date: Mar 1, 2025\n\n____\n\nDocument 2 of 2\n\nFull text: It froze.\n\nTitle: Frost\n\nPublication title: The Mail\n\nPublication date: Mar 2, 2025\n\nProQuest document ID: 2\n\n____\n";
        assert_eq!(
            told(named),
            [
                expected(
                    "A late ferry",
                    "No ferry came. One said: none will.",
                    "2025-03-01",
                    "The Post"
                ),
                expected("Frost", "It froze.", "2025-03-02", "The Mail"),
            ]
        );
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "A report\n\nEnd of Document\n",
            "1 of 2 DOCUMENTS\n\nA text.",
            "HD  is a disk.\nAN  old one.",
            "Document 1 of 2\n\nTitle: A text",
        ] {
            assert!(articles(text).is_none(), "{text}");
        }
    }
}
