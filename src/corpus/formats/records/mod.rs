//! Bibliographic records, an article each: RIS, PubMed's, EndNote's and Web of Science's, a line for each field, and
//! BibTeX.

mod bibtex;
mod latex;
mod tagged;

use super::{Context, LONGEST};
use crate::corpus::columns::Mapping;
use crate::corpus::decode::{Decoder, lossy};
use crate::error::{Error, Result};
use bibtex::{Entries, Names};
use memchr::memchr_iter;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::rc::Rc;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `TY  - JOUR`
    Ris,
    /// `PMID- 123`
    PubMed,
    /// As PubMed's, of ERIC: `OWN - ERIC`
    Eric,
    /// `%0 Journal Article`
    EndNote,
    /// `PT J`
    WebOfScience,
    /// `@article{key, title = {…}}`
    BibTex,
}

/// Lines of a text that may stand before the first record of RIS: who gave it out.
const HEADER: usize = 10;

impl Syntax {
    const ALL: [Self; 6] = [
        Self::Ris,
        Self::PubMed,
        Self::Eric,
        Self::EndNote,
        Self::BibTex,
        Self::WebOfScience,
    ];

    /// By the first lines of a text; `None` where these are no records.
    pub(super) fn of(text: &str) -> Option<Self> {
        let line_end = if text.contains('\n') { '\n' } else { '\r' };
        let mut lines = text
            .split(line_end)
            .map(str::trim_end)
            .filter(|line| !line.is_empty());
        let first = lines.next()?;
        let (second, third) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
        if tagged::is_tagged(second) {
            if first.starts_with("PMID-") {
                return Some(Self::PubMed);
            }
            if first.starts_with("OWN - ") {
                return Some(Self::Eric);
            }
        }
        if first.starts_with("%0 ")
            && tagged::is_lettered(second)
            && (third.is_empty() || tagged::is_lettered(third))
        {
            return Some(Self::EndNote);
        }
        if first.starts_with("FN ") && second == "VR 1.0" {
            return Some(Self::WebOfScience);
        }
        // Who gave it out may stand before it.
        let lines = text.split(line_end).map(str::trim_end);
        let lines = lines.filter(|line| !line.is_empty()).take(HEADER);
        let told = |line: &&str| {
            !line.starts_with("TY")
                && line.contains(':')
                && line.len() < 80
                && !line.starts_with(['#', '*', '-'])
        };
        let mut lines = lines.skip_while(told);
        if lines
            .next()
            .is_some_and(|line| Self::Ris.begins(line.as_bytes()))
            && lines.next().is_some_and(tagged::is_tagged)
        {
            return Some(Self::Ris);
        }
        // Lines that are a comment for TeX.
        let mut rest = text;
        while rest.starts_with('%') {
            rest = rest.split_once(line_end).map_or("", |(_, rest)| rest);
            rest = rest.trim_start();
        }
        bibtex::is_entry(rest).then_some(Self::BibTex)
    }

    /// Whether a record begins with this line.
    fn begins(self, line: &[u8]) -> bool {
        match self {
            // Some have fewer blanks.
            Self::Ris => line.strip_prefix(b"TY").is_some_and(|rest| {
                let mark = rest.trim_ascii_start();
                mark.len() < rest.len() && mark.starts_with(b"-")
            }),
            Self::PubMed => line.starts_with(b"PMID-"),
            Self::Eric => line.starts_with(b"OWN -"),
            Self::EndNote => line.starts_with(b"%0 "),
            Self::WebOfScience => line.starts_with(b"PT ") && !line.starts_with(b"PT  -"),
            Self::BibTex => bibtex::is_entry(&lossy(line.trim_ascii_start())),
        }
    }

    /// Whether a record ends with this line.
    fn ends(self, line: &[u8]) -> bool {
        match self {
            Self::Ris => line == b"ER  -",
            Self::WebOfScience => line == b"ER" || line == b"EF",
            _ => false,
        }
    }
}

/// A record's fields by what they are: `title`, `text`, `author`; what is known by no name keeps its own.
type Fields = Map<String, Value>;

pub(super) fn read(
    stream: impl BufRead,
    sample: &[u8],
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let text = lossy(sample);
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    // A name alone says that these are some: they may begin further down.
    let begin = |syntax: &Syntax| {
        let mut lines = text.split(['\r', '\n']);
        lines.any(|line| syntax.begins(line.as_bytes()))
    };
    let Some(syntax) = Syntax::of(text).or_else(|| Syntax::ALL.into_iter().find(begin)) else {
        return context.bad(
            None,
            "no bibliographic records in it (RIS, PubMed, EndNote, Web of Science or BibTeX)",
        );
    };
    let mut reader = Reader {
        context,
        decoder,
        known: HashMap::new(),
        met: false,
    };
    match syntax {
        Syntax::BibTex => reader.entries(stream)?,
        // Old programs end lines so.
        _ if !sample.contains(&b'\n') => reader.lines(stream, syntax, b'\r')?,
        _ => reader.lines(stream, syntax, b'\n')?,
    }
    if !reader.met {
        return reader.context.bad(None, "no records in it");
    }
    Ok(())
}

struct Reader<'r, 'a> {
    context: &'r mut Context<'a>,
    decoder: &'r mut Decoder,
    /// Roles of the fields by their names: records differ in these.
    known: HashMap<Vec<String>, Rc<std::result::Result<Mapping, String>>>,
    /// Whether there was a record.
    met: bool,
}

/// So many different sets of fields are remembered.
const MAPPINGS: usize = 256;
/// The mark of UTF-8, which files that were put together have within as well.
const MARK: &[u8] = "\u{feff}".as_bytes();

impl Reader<'_, '_> {
    /// Reads records of lines.
    fn lines(&mut self, mut stream: impl BufRead, syntax: Syntax, line_end: u8) -> Result<()> {
        let mut record: Vec<u8> = Vec::new();
        let mut line = Vec::new();
        let (mut number, mut first) = (0, 0);
        let (mut begun, mut ended, mut too_long) = (false, false, false);
        loop {
            line.clear();
            // A line may be as long as a record.
            let n = stream
                .by_ref()
                .take(LONGEST + 1)
                .read_until(line_end, &mut line)
                .map_err(|e| Error::io(self.context.path, e))?;
            number += 1;
            let here = line.strip_prefix(MARK).unwrap_or(&line).trim_ascii_end();
            let ends = syntax.ends(here);
            // A field behind an end is another record's, even if its first line is missing.
            let lost = ended && syntax == Syntax::Ris && !ends;
            let begins = syntax.begins(here) || lost && tagged::is_tagged(&lossy(here));
            if n == 0 || begins {
                if too_long {
                    self.met = true;
                    self.context.bad(Some(first), TOO_LONG)?;
                } else if begun {
                    let text = self.decoder.decode(&record);
                    let fields = tagged::fields(syntax, &text);
                    self.record(fields, first)?;
                }
                record.clear();
                (begun, ended, too_long) = (n > 0, false, false);
                first = number;
            }
            if n == 0 {
                return Ok(());
            }
            ended |= begun && ends;
            if begun && !too_long && (!ended || ends) {
                record.extend_from_slice(here);
                record.push(b'\n');
                too_long = record.len() as u64 > LONGEST;
            }
            if too_long {
                record.clear();
            }
        }
    }

    /// Reads entries of BibTeX.
    fn entries(&mut self, mut stream: impl BufRead) -> Result<()> {
        let mut names = Names::default();
        let mut entries = Entries::default();
        let mut buffer: Vec<u8> = Vec::new();
        let mut line = 1;
        loop {
            let part = stream.fill_buf();
            let part = part.map_err(|e| Error::io(self.context.path, e))?;
            let n = part.len();
            buffer.extend_from_slice(part);
            stream.consume(n);
            let mut counted = 0;
            while let Some((range, whole)) = entries.next(&buffer, n == 0) {
                line += line_ends(&buffer[counted..range.start]);
                counted = range.start;
                let text = self.decoder.decode(&buffer[range]);
                let Some(fields) = names.entry(&text) else {
                    continue;
                };
                if whole {
                    self.record(fields, line)?;
                } else {
                    self.met = true;
                    let key = fields.get("id").and_then(Value::as_str).unwrap_or("");
                    let message = format!("the entry {key:?} does not end; a brace is missing");
                    self.context.bad(Some(line), message)?;
                }
            }
            if n == 0 {
                return Ok(());
            }
            if buffer.len() as u64 > LONGEST {
                self.met = true;
                self.context.bad(Some(line), TOO_LONG)?;
                entries.give_up();
            }
            let done = entries.dropped();
            line += line_ends(&buffer[counted.min(done)..done]);
            buffer.drain(..done);
        }
    }

    /// Hands over a record, which begins on that line.
    fn record(&mut self, fields: Fields, line: u64) -> Result<()> {
        let fields = completed(fields);
        let columns = &self.context.options.columns;
        if !columns.any_set()
            && !["title", "text"]
                .iter()
                .any(|name| fields.contains_key(*name))
        {
            self.met = true;
            let told = match fields.get("id").and_then(Value::as_str) {
                Some(id) => format!("the record {id:?} has no title and no abstract"),
                None => "a record without title and abstract".to_string(),
            };
            return self.context.bad(Some(line), told);
        }
        let keys: Vec<String> = fields.keys().cloned().collect();
        let mapping = match self.known.get(&keys) {
            Some(mapping) => mapping.clone(),
            None => {
                if self.known.len() >= MAPPINGS {
                    self.known.clear();
                }
                // Only columns that the user names can be missing.
                let mapping = Rc::new(if self.met || !columns.any_set() {
                    columns.map_sparse(&keys)
                } else {
                    columns.map_first(&keys)
                });
                if let Ok(mapping) = mapping.as_ref() {
                    self.context.report(mapping);
                }
                self.known.insert(keys, mapping.clone());
                mapping
            }
        };
        self.met = true;
        let article = match mapping.as_ref() {
            Ok(mapping) => mapping.article(fields),
            Err(message) => Err(message.clone().into()),
        };
        match article {
            Ok(article) => self.context.item(article, line),
            Err(why) => self.context.bad(Some(line), why),
        }
    }
}

const TOO_LONG: &str = "a record longer than 64 MiB, which is no one article";

fn line_ends(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// Adds the address that a record without one has by its DOI.
fn completed(mut fields: Fields) -> Fields {
    if let Some(Value::String(doi)) = fields.get_mut("doi") {
        let mut bare = doi.trim();
        for before in [
            "https://",
            "http://",
            "dx.doi.org/",
            "www.doi.org/",
            "doi.org/",
            "doi:",
        ] {
            let begins = bare.get(..before.len());
            if begins.is_some_and(|begins| begins.eq_ignore_ascii_case(before)) {
                bare = bare[before.len()..].trim_start();
            }
        }
        let bare = bare.to_string();
        doi.clone_from(&bare);
        if !bare.is_empty() && !fields.contains_key("url") {
            let url = format!("https://doi.org/{bare}");
            fields.insert("url".to_string(), Value::String(url));
        }
    }
    fields
}

/// The month of a number or an English name, in two digits.
fn month(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    if let Ok(number @ 1..=12) = text.parse::<u8>() {
        return Some(format!("{number:02}"));
    }
    let short = text.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == short)?;
    Some(format!("{:02}", at + 1))
}

/// The finest of dates that say the same: RIS has `2024/05/03/`, PubMed `2024 May 3`, BibLaTeX `2024-05/2024-06`.
/// One that nobody reads stays as it is where there is no other.
fn finest(dates: &[&str]) -> String {
    let read = dates.iter().filter_map(|date| dated(date));
    let finest = read.max_by_key(String::len);
    let told = || dates.iter().find(|date| !date.is_empty());
    finest.unwrap_or_else(|| told().map_or(String::new(), |date| (*date).to_string()))
}

fn dated(text: &str) -> Option<String> {
    // A time may follow.
    let text = match text.split_once('T') {
        Some((date, _)) if date.ends_with(|c: char| c.is_ascii_digit()) => date,
        _ => text,
    };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if text.len() == 8 && number(text) {
        return dated(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]));
    }
    let ends = |c: char| c.is_whitespace() || "/-–,~?%()".contains(c);
    let parts: Vec<&str> = text.split(ends).filter(|part| !part.is_empty()).collect();
    let day = |text: &str| text.parse::<u8>().ok().filter(|day| (1..=31).contains(day));
    let is_year = |text: &str| text.len() == 4 && number(text);
    let (year, month_, day_) = match parts.as_slice() {
        // A day and its month's name.
        [one, two, year, ..] if is_year(year) && !number(two) && day(one).is_some() => {
            (*year, month(two), day(one))
        }
        [one, two, year, ..] if is_year(year) && !number(one) && day(two).is_some() => {
            (*year, month(one), day(two))
        }
        [one, year, ..] if is_year(year) && !number(one) => (*year, month(one), None),
        [year, one, two, ..]
            if is_year(year) && !number(two) && month(two).is_some() && day(one).is_some() =>
        {
            (*year, month(two), day(one))
        }
        [year, rest @ ..] if is_year(year) => (
            *year,
            rest.first().and_then(|part| month(part)),
            rest.get(1).and_then(|part| day(part)),
        ),
        _ => return None,
    };
    Some(match (month_, day_) {
        (None, _) => year.to_string(),
        (Some(month), None) => format!("{year}-{month}"),
        (Some(month), Some(day)) => format!("{year}-{month}-{day:02}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_fine_as_they_are_told() {
        for (dates, wanted) in [
            (&["2024///"][..], "2024"),
            (&["2024/05//Spring"], "2024-05"),
            (&["2024 May-Jun"], "2024-05"),
            (&["2024 Spring"], "2024"),
            (&["2024-05-03"], "2024-05-03"),
            (&["2024-05/2024-06"], "2024-05"),
            (&["2024-21"], "2024"),
            (&["2024~"], "2024"),
            (&["05/03/2024", "2024"], "2024"),
            (&["Mar", "2019"], "2019"),
            (&["2019", "2019/03/05"], "2019-03-05"),
            (&["2019", "3 Jan 2019"], "2019-01-03"),
            (&["March 5, 2019"], "2019-03-05"),
            (&["2019 OCT 5"], "2019-10-05"),
            (&["2019 5 Mar"], "2019-03-05"),
            (&["20190305"], "2019-03-05"),
            (&["2019-03-05T10:11"], "2019-03-05"),
            (&["(2001)"], "2001"),
            (&["2001–2003"], "2001"),
            (&["in press"], "in press"),
            (&["", ""], ""),
        ] {
            assert_eq!(finest(dates), wanted, "{dates:?}");
        }
    }

    #[test]
    fn a_doi_is_an_address_however_it_is_written() {
        for doi in [
            "10.1/a",
            "doi:10.1/a",
            "DOI: 10.1/a",
            "doi.org/10.1/a",
            "https://dx.doi.org/10.1/a",
        ] {
            let mut fields = Fields::new();
            fields.insert("doi".into(), doi.into());
            assert_eq!(completed(fields)["url"], "https://doi.org/10.1/a", "{doi}");
        }
    }
}
