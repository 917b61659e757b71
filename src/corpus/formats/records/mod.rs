//! Bibliographic records, an article each: RIS, PubMed's, EndNote's and Web of Science's, a line for each field, and
//! BibTeX.

mod bibtex;
mod tagged;

use super::{Context, LONGEST};
use crate::corpus::columns::Mapping;
use crate::corpus::decode::{Decoder, lossy};
use crate::error::{Error, Result};
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
    /// `%0 Journal Article`
    EndNote,
    /// `PT J`
    WebOfScience,
    /// `@article{key, title = {…}}`
    BibTex,
}

impl Syntax {
    /// By the first lines of a text; `None` where these are no records.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim_end).filter(|l| !l.is_empty());
        let (first, second) = (lines.next()?, lines.next().unwrap_or(""));
        if tagged::is_tagged(second) {
            if first.starts_with("TY  -") {
                return Some(Self::Ris);
            }
            if first.starts_with("PMID-") {
                return Some(Self::PubMed);
            }
        }
        if first.starts_with("%0 ") && tagged::is_lettered(second) {
            return Some(Self::EndNote);
        }
        if first.starts_with("FN ") && second.starts_with("VR 1") {
            return Some(Self::WebOfScience);
        }
        let mut lines = text.lines().map(str::trim);
        let mut lines = lines
            .by_ref()
            .filter(|l| !l.is_empty() && !l.starts_with('%'));
        let entry = lines
            .next()
            .filter(|line| bibtex::begins(line.as_bytes()))?;
        let next = lines.next().unwrap_or("");
        let (_, key) = entry.split_once(['{', '('])?;
        let is_one = key.ends_with(',') || key.contains('=') || next.contains('=');
        is_one.then_some(Self::BibTex)
    }

    /// Whether a record begins with this line.
    fn begins(self, line: &[u8]) -> bool {
        match self {
            Self::Ris => line.starts_with(b"TY  -"),
            Self::PubMed => line.starts_with(b"PMID-"),
            Self::EndNote => line.starts_with(b"%0 "),
            Self::WebOfScience => line.starts_with(b"PT "),
            Self::BibTex => bibtex::begins(line),
        }
    }
}

/// A record's fields by what they are: `title`, `text`, `author`; what is known by no name keeps its own.
type Fields = Map<String, Value>;

pub(super) fn read(
    mut stream: impl BufRead,
    sample: &[u8],
    decoder: &mut Decoder,
    context: &mut Context<'_>,
) -> Result<()> {
    let sample = lossy(sample);
    let sample = sample.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    // A name alone says that these are some: they may begin further down.
    let begin = |syntax: &Syntax| sample.lines().any(|line| syntax.begins(line.as_bytes()));
    let all = [
        Syntax::Ris,
        Syntax::PubMed,
        Syntax::EndNote,
        Syntax::WebOfScience,
        Syntax::BibTex,
    ];
    let Some(syntax) = Syntax::of(sample).or_else(|| all.into_iter().find(begin)) else {
        return context.bad(
            None,
            "no bibliographic records in it (RIS, PubMed, EndNote, Web of Science or BibTeX)",
        );
    };
    let mut reader = Reader {
        context,
        known: HashMap::new(),
        names: bibtex::Names::default(),
        row: 0,
    };
    let mut record: Vec<u8> = Vec::new();
    let mut line = Vec::new();
    let (mut begun, mut too_long) = (false, false);
    loop {
        line.clear();
        // A line may be as long as a record.
        let n = stream
            .by_ref()
            .take(LONGEST + 1)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io(reader.context.path, e))?;
        if n == 0 || syntax.begins(line.trim_ascii_start()) {
            if too_long {
                reader.row += 1;
                let message = "a record longer than 64 MiB, which is no one article";
                reader.context.bad(Some(reader.row), message)?;
            } else if begun {
                reader.record(syntax, &decoder.decode(&record))?;
            }
            record.clear();
            (begun, too_long) = (n > 0, false);
        }
        if n == 0 {
            break;
        }
        if begun && !too_long {
            record.extend_from_slice(&line);
            too_long = record.len() as u64 > LONGEST;
        }
        if too_long {
            record.clear();
        }
    }
    if reader.row == 0 {
        return reader.context.bad(None, "no records in it");
    }
    Ok(())
}

struct Reader<'r, 'a> {
    context: &'r mut Context<'a>,
    /// Roles of the fields by their names: records differ in these.
    known: HashMap<Vec<String>, Rc<std::result::Result<Mapping, String>>>,
    /// Words that stand for texts in BibTeX.
    names: bibtex::Names,
    row: u64,
}

/// So many different sets of fields are remembered.
const MAPPINGS: usize = 256;

impl Reader<'_, '_> {
    fn record(&mut self, syntax: Syntax, text: &str) -> Result<()> {
        let fields = match syntax {
            Syntax::BibTex => match self.names.entry(text) {
                Ok(None) => return Ok(()),
                Ok(Some(fields)) => Ok(fields),
                Err(message) => Err(message),
            },
            _ => Ok(tagged::fields(syntax, text)),
        };
        self.row += 1;
        let fields = match fields {
            Ok(fields) => completed(fields),
            Err(message) => return self.context.bad(Some(self.row), message),
        };
        let keys: Vec<String> = fields.keys().cloned().collect();
        let mapping = match self.known.get(&keys) {
            Some(mapping) => mapping.clone(),
            None => {
                if self.known.len() >= MAPPINGS {
                    self.known.clear();
                }
                let columns = &self.context.options.columns;
                let mapping = Rc::new(if self.row == 1 {
                    columns.map_first(&keys)
                } else {
                    columns.map_sparse(&keys)
                });
                if let Ok(mapping) = mapping.as_ref() {
                    self.context.report(mapping);
                }
                self.known.insert(keys, mapping.clone());
                mapping
            }
        };
        let article = match mapping.as_ref() {
            Ok(mapping) => mapping.article(fields),
            Err(message) => Err(message.clone().into()),
        };
        match article {
            Ok(article) => self.context.item(article, self.row),
            Err(why) => self.context.bad(Some(self.row), why),
        }
    }
}

/// Adds the address that a record without one has by its DOI.
fn completed(mut fields: Fields) -> Fields {
    if !fields.contains_key("url")
        && let Some(Value::String(doi)) = fields.get("doi")
    {
        let url = if doi.starts_with("http") {
            doi.clone()
        } else {
            format!("https://doi.org/{doi}")
        };
        fields.insert("url".to_string(), Value::String(url));
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
