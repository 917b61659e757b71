//! Entries of BibTeX and BibLaTeX, as much as their programs accept: a word that nobody defined stands for itself, of
//! two fields of a name the first counts, and what stands between entries is a comment.

use super::latex::{address, text};
use super::{Fields, finest, month};
use memchr::memchr;
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;

/// Words that are remembered, and bytes of what one stands for.
const NAMES: usize = 1 << 16;
const LONGEST_NAME: usize = 4 << 10;
/// Bytes of a value that is put together of words, beside those that are written there.
const LONGEST_VALUE: usize = 1 << 20;
/// The longest kind of an entry, and the most blanks behind it, in bytes.
const LONGEST_KIND: usize = 64;

/// So many bytes of a line tell whether an entry begins with it.
const NEXT: usize = 256;

/// Kinds of entries.
const KINDS: [&str; 34] = [
    "article",
    "book",
    "booklet",
    "collection",
    "comment",
    "conference",
    "dataset",
    "electronic",
    "inbook",
    "incollection",
    "inproceedings",
    "inreference",
    "manual",
    "mastersthesis",
    "misc",
    "mvbook",
    "mvcollection",
    "online",
    "patent",
    "periodical",
    "phdthesis",
    "preamble",
    "preprint",
    "proceedings",
    "reference",
    "report",
    "software",
    "string",
    "suppbook",
    "techreport",
    "thesis",
    "unpublished",
    "webpage",
    "www",
];

/// Kinds that are no works.
const NO_WORKS: [&str; 7] = [
    "comment",
    "control",
    "ieeetranbstctl",
    "preamble",
    "set",
    "string",
    "xdata",
];

/// Whether a text begins with an entry, and not with what looks a little like one: `@media (…) {`.
pub(super) fn is_entry(text: &str) -> bool {
    let Some((kind, inner)) = opening(text.as_bytes()) else {
        return false;
    };
    let kind = text[1..=kind].to_ascii_lowercase();
    let known = KINDS.binary_search(&kind.as_str()).is_ok();
    if known && matches!(kind.as_str(), "comment" | "preamble") {
        return text[..inner].ends_with('{');
    }
    let word = |text: &str| {
        let text = text.trim();
        !text.is_empty()
            && !text.contains(|c: char| c.is_whitespace() || "(){}[]\"';<>".contains(c))
    };
    let rest = &text[inner..];
    // A key, and the first field, where its kind does not tell enough.
    let keyed = rest.split_once(',').is_some_and(|(key, fields)| {
        let field = fields.split_once('=').is_some_and(|(name, _)| word(name));
        let none = key.trim().is_empty() && !key.contains('\n');
        !key.contains('=') && (word(key) && (known || field) || none && known && field)
    });
    keyed
        || known
            && rest
                .split_once('=')
                .is_some_and(|(name, _)| word(name) && !name.contains(','))
}

/// Where the kind of the entry that bytes begin with ends, and where what is in it begins.
fn opening(bytes: &[u8]) -> Option<(usize, usize)> {
    let rest = bytes.strip_prefix(b"@")?;
    let kind = rest
        .iter()
        .take(LONGEST_KIND)
        .take_while(|b| b.is_ascii_alphabetic());
    let kind = kind.count();
    let blanks = rest[kind..].iter().take(LONGEST_KIND);
    let blanks = blanks.take_while(|b| b.is_ascii_whitespace()).count();
    let open = kind + blanks;
    (kind > 0 && matches!(rest.get(open), Some(b'{' | b'('))).then_some((kind, open + 2))
}

/// Finds entries in a stream that is read on where one has no end yet. Every byte is looked at once.
#[derive(Default)]
pub(super) struct Entries {
    /// How far the buffer was looked at.
    at: usize,
    /// Where the entry that is open begins.
    begin: Option<usize>,
    /// Braces that are open in it.
    depth: usize,
    /// Whether it ends with a round bracket, and whether a quotation is open in it.
    round: bool,
    quoted: bool,
}

impl Entries {
    /// The next entry in the buffer, and whether it has an end; `None` where more must be read, or `last` is all
    /// there is and holds no more. What stands before it may be dropped by [`Entries::dropped`].
    pub(super) fn next(&mut self, buffer: &[u8], last: bool) -> Option<(Range<usize>, bool)> {
        loop {
            let Some(begin) = self.begin else {
                let Some(n) = memchr(b'@', &buffer[self.at..]) else {
                    self.at = buffer.len();
                    return None;
                };
                self.at += n;
                let here = &buffer[self.at..];
                if here.len() < 2 * LONGEST_KIND + 2 && !last {
                    return None;
                }
                // In an address it is another sign.
                let before = self.at.checked_sub(1).map(|at| buffer[at]);
                let alone = before.is_none_or(|b| !b.is_ascii_alphanumeric());
                match opening(here).filter(|_| alone) {
                    Some((_, inner)) => {
                        self.begin = Some(self.at);
                        self.round = here[inner - 1] == b'(';
                        (self.depth, self.quoted) = (0, false);
                        self.at += inner;
                    }
                    None => self.at += 1,
                }
                continue;
            };
            let Some(&byte) = buffer.get(self.at) else {
                if !last {
                    return None;
                }
                self.begin = None;
                return Some((begin..buffer.len(), false));
            };
            match byte {
                b'{' => self.depth += 1,
                b'}' if self.depth > 0 => self.depth -= 1,
                b'"' if self.depth == 0 => self.quoted = !self.quoted,
                b'}' | b')'
                    if self.depth == 0
                        && (byte == b')') == self.round
                        && !(self.round && self.quoted) =>
                {
                    let next = &buffer[self.at + 1..];
                    if next.len() < NEXT && !last {
                        return None;
                    }
                    if goes_on(&next[..next.len().min(NEXT)]) {
                        self.at += 1;
                        continue;
                    }
                    self.at += 1;
                    self.begin = None;
                    return Some((begin..self.at, true));
                }
                b'\n' | b'\r' => {
                    let next = &buffer[self.at + 1..];
                    if next.len() < NEXT && !last {
                        return None;
                    }
                    let next = next[..next.len().min(NEXT)].trim_ascii_start();
                    if next.first() == Some(&b'@') && is_entry(&String::from_utf8_lossy(next)) {
                        self.at += 1;
                        self.begin = None;
                        return Some((begin..self.at, false));
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// How many bytes of the buffer are needed no more. What is behind them begins the buffer from now on.
    pub(super) fn dropped(&mut self) -> usize {
        // What stands before tells whether a sign is one of an address.
        let n = self.begin.unwrap_or(self.at.saturating_sub(1));
        self.at -= n;
        self.begin = self.begin.map(|begin| begin - n);
        n
    }

    /// Gives an entry up that is too long.
    pub(super) fn give_up(&mut self) {
        self.begin = None;
    }
}

/// Whether another field stands behind what looks like the end of an entry: a bracket too many closed it.
fn goes_on(next: &[u8]) -> bool {
    let field = |rest: &[u8]| {
        let rest = rest.trim_ascii_start();
        let part_of_name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let n = rest.iter().take_while(part_of_name).count();
        n > 0 && rest[n..].trim_ascii_start().first() == Some(&b'=')
    };
    next.trim_ascii_start()
        .strip_prefix(b",")
        .is_some_and(field)
}

/// What words stand for: `@string{city = "City Press"}`.
#[derive(Default)]
pub(super) struct Names {
    known: HashMap<String, String>,
}

impl Names {
    /// The fields of an entry; `None` where it is no work.
    pub(super) fn entry(&mut self, source: &str) -> Option<Fields> {
        let (kind, inner) = opening(source.as_bytes())?;
        let kind = source[1..=kind].to_ascii_lowercase();
        let inner = &source[inner..];
        if kind == "string" {
            if source.len() <= LONGEST_NAME && self.known.len() < NAMES {
                for (name, value) in self.values(inner) {
                    if value.len() <= LONGEST_NAME {
                        self.known.insert(name, value);
                    }
                }
            }
            return None;
        }
        if NO_WORKS.contains(&kind.as_str()) {
            return None;
        }
        let (key, fields) = match inner.split_once(',') {
            Some((key, fields)) if !key.contains(['=', '"', '{']) => (key.trim(), fields),
            _ => ("", inner),
        };
        let mut values: HashMap<String, String> = HashMap::new();
        for (name, value) in self.values(fields) {
            values.entry(name).or_insert(value);
        }
        Some(of(values, &kind, key))
    }

    /// The fields in what stands behind a key, as they are written.
    fn values(&self, source: &str) -> Vec<(String, String)> {
        let mut values = Vec::new();
        let mut rest = source;
        loop {
            let begin = |c: char| c.is_whitespace() || c == ',';
            rest = rest.trim_start_matches(begin);
            let end = rest.find(|c: char| c.is_whitespace() || "=,{}()\"#".contains(c));
            let Some(end) = end else { return values };
            let name = rest[..end].to_ascii_lowercase();
            let behind = rest[end..].trim_start();
            let Some(mut value) = behind.strip_prefix('=').filter(|_| !name.is_empty()) else {
                // What is no field ends with the next comma.
                match rest.find(',') {
                    Some(at) => rest = &rest[at..],
                    None => return values,
                }
                continue;
            };
            let mut whole = String::new();
            loop {
                let (piece, after) = self.piece(value.trim_start());
                if whole.len() <= LONGEST_VALUE || piece.len() > LONGEST_NAME {
                    whole.push_str(piece);
                }
                match after.trim_start().strip_prefix('#') {
                    Some(next) => value = next,
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            values.push((name, whole));
        }
    }

    /// A piece of a value, and what follows: in braces, in quotes, or a word.
    fn piece<'t>(&'t self, source: &'t str) -> (&'t str, &'t str) {
        let bytes = source.as_bytes();
        let quoted = match bytes.first() {
            Some(b'{') => false,
            Some(b'"') => true,
            _ => {
                let ends = |c: char| c.is_whitespace() || ",#{}()\"".contains(c);
                let end = source.find(ends).unwrap_or(source.len());
                let word = &source[..end];
                let known = self.known.get(&word.to_ascii_lowercase());
                return (known.map_or(word, String::as_str), &source[end..]);
            }
        };
        let mut depth = 0usize;
        for (at, byte) in bytes.iter().enumerate().skip(1) {
            match byte {
                b'{' => depth += 1,
                // Programs that know no better escape it.
                b'"' if quoted && bytes[at - 1] == b'\\' => {}
                b'"' if quoted && depth == 0 => return (&source[1..at], &source[at + 1..]),
                b'}' if !quoted && depth == 0 => return (&source[1..at], &source[at + 1..]),
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        (&source[1..], "")
    }
}

/// Fields that say something of the file and not of the work: paths on somebody's disk, and when they put it in.
fn is_of_the_file(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "creationdate",
        "date-added",
        "date-modified",
        "file",
        "groups",
        "modificationdate",
        "owner",
        "ranking",
        "timestamp",
    ];
    NAMES.contains(&name) || name.starts_with("bdsk-") || name.starts_with("__")
}

fn of(mut values: HashMap<String, String>, kind: &str, key: &str) -> Fields {
    let mut fields = Fields::new();
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            fields.insert(name.to_string(), Value::String(value));
        }
    };
    put("id", key.to_string());
    put("type", kind.to_string());
    let mut said = |name: &str| values.remove(name).unwrap_or_default();
    put("title", text(&said("title")));
    put("text", text(&said("abstract")));
    let [date, year] = ["date", "year"].map(|name| text(&said(name)));
    let [month_, day] = ["month", "day"].map(|name| text(&said(name)));
    let of_parts = match month(&month_) {
        Some(month) => format!("{year}-{month}-{day}"),
        None => year.clone(),
    };
    put("date", finest(&[&date, &of_parts]));
    let mut url = address(&said("url"));
    let doi = address(&said("doi"));
    // Pages of the web are written so in old programs.
    let published = said("howpublished");
    let led = ["\\url", "\\href", "http://", "https://"];
    if url.is_empty() && led.iter().any(|led| published.contains(led)) {
        url = address(&published);
    } else {
        put("howpublished", text(&published));
    }
    put("url", url);
    put("doi", doi);
    for name in [
        "journal",
        "journaltitle",
        "booktitle",
        "publisher",
        "institution",
        "school",
        "organization",
    ] {
        let value = text(&said(name));
        if !value.is_empty() && !fields.contains_key("source") {
            fields.insert("source".to_string(), Value::String(value));
        } else if !value.is_empty() {
            fields.insert(name.to_string(), Value::String(value));
        }
    }
    let mut rest: Vec<(String, String)> = values.into_iter().collect();
    rest.sort_unstable();
    for (name, value) in rest {
        let name = match name.as_str() {
            "type" | "id" | "text" => format!("other {name}"),
            _ => name,
        };
        let value = match name.as_str() {
            name if is_of_the_file(name) || fields.contains_key(name) => continue,
            "author" | "editor" => listed(names_of(&value)),
            "keywords" => listed(value.split([';', ','])),
            _ => Value::String(text(&value)),
        };
        if value.as_str() != Some("") {
            fields.insert(name, value);
        }
    }
    fields
}

/// Those who wrote something: between them stands an "and" that is not in braces.
fn names_of(value: &str) -> impl Iterator<Item = &str> {
    let mut names = Vec::new();
    let (mut depth, mut begin) = (0usize, 0);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b'a' | b'A' if depth == 0 => {
                let blank = |at: Option<usize>| {
                    let byte = at.and_then(|at| value.as_bytes().get(at));
                    byte.is_some_and(u8::is_ascii_whitespace)
                };
                let word = value.as_bytes().get(at..at + 3);
                let is_and = word.is_some_and(|word| word.eq_ignore_ascii_case(b"and"));
                if is_and && blank(at.checked_sub(1)) && blank(Some(at + 3)) {
                    names.push(&value[begin..at]);
                    begin = at + 3;
                }
            }
            _ => {}
        }
    }
    names.push(&value[begin..]);
    names.into_iter().filter(|name| name.trim() != "others")
}

fn listed<'t>(parts: impl Iterator<Item = &'t str>) -> Value {
    let parts = parts.map(text).filter(|part| !part.is_empty());
    Value::Array(parts.map(Value::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The entries of a text, with a few bytes more at a time.
    fn entries(text: &str, step: usize) -> Vec<(String, bool)> {
        let (mut buffer, mut entries, mut found) = (Vec::new(), Entries::default(), Vec::new());
        let mut parts = text.as_bytes().chunks(step);
        loop {
            let part = parts.next();
            buffer.extend_from_slice(part.unwrap_or_default());
            while let Some((range, whole)) = entries.next(&buffer, part.is_none()) {
                found.push((String::from_utf8(buffer[range].to_vec()).unwrap(), whole));
            }
            let n = entries.dropped();
            buffer.drain(..n);
            if part.is_none() {
                return found;
            }
        }
    }

    #[test]
    fn entries_are_found_wherever_they_stand() {
        let text = "From joe@host.com, @ home and @comment without.\n@article{a, title={One @book{x}}} @misc(b, note=\"(c) 1)\")\n\
                    @book\n{c, title = \"A {\"}b{\"}\"}, @article{d, title={Open\n  @inbook{in it}}\n@article{e,title={E}}@set{f,";
        for step in [1, 7, 1000] {
            let found = entries(text, step);
            let found: Vec<(&str, bool)> = found.iter().map(|(t, w)| (t.as_str(), *w)).collect();
            assert_eq!(
                found,
                [
                    ("@article{a, title={One @book{x}}}", true),
                    ("@misc(b, note=\"(c) 1)\")", true),
                    ("@book\n{c, title = \"A {\"}b{\"}\"}", true),
                    ("@article{d, title={Open\n  @inbook{in it}}\n", false),
                    ("@article{e,title={E}}", true),
                    ("@set{f,", false),
                ],
                "{step}"
            );
        }
    }

    #[test]
    fn fields_are_read_as_bibtex_does() {
        let mut names = Names::default();
        assert_eq!(names.entry("@string{city = \"City\"}"), None);
        assert_eq!(names.entry("@string(press = city # { Press})"), None);
        assert_eq!(names.entry("@comment{x}"), None);
        let entry = names.entry(
            "@Article{lee:2024/a,\n  author = {Lee, Ann and {Barnes and Noble} AND Kim, Bo and others},\n  title = {The {B}ridge of Z{\\\"u}rich},\n  \
             abstract = \"It {\"}opens{\"}\n today.\", abstract = {Another},\n  journal = press, year = 2024, month = sept,\n  doi = {10.1/x{\\_}1}, \
             keywords = {roads, water}, publisher = ACM_Press # \" Inc\", file = {:/home/lee/a.pdf:PDF}, timestamp = {2020-01-01}, broken, number = 3}",
        );
        assert_eq!(
            entry.map(Value::Object),
            Some(json!({
                "id": "lee:2024/a", "type": "article", "title": "The Bridge of Zürich",
                "text": "It \"opens\" today.", "date": "2024-09", "source": "City Press",
                "author": ["Lee, Ann", "Barnes and Noble", "Kim, Bo"], "doi": "10.1/x_1", "publisher": "ACM_Press Inc",
                "keywords": ["roads", "water"], "number": "3",
            }))
        );
        // Words that stand for ever longer ones end.
        for n in 0..100 {
            assert_eq!(
                names.entry(&format!(
                    "@string{{s{} = s{n} # s{n} # \"xxxxxxxx\"}}",
                    n + 1
                )),
                None
            );
        }
        let long = names.entry(&format!(
            "@misc{{k, title={{A}}, note = {}}}",
            ["s8"; 100_000].join(" # ")
        ));
        assert!(long.unwrap()["note"].as_str().unwrap().len() < 2 << 20);
        let page = names.entry("@misc{p, title={A}, howpublished={\\url{https://a.example/b_c}}, date={2019-03/2019-04}}");
        let page = page.unwrap();
        assert_eq!(page["url"], "https://a.example/b_c");
        assert_eq!(page["date"], "2019-03");
    }

    #[test]
    fn keys_that_are_none_lose_no_entry() {
        for (text, id) in [
            ("@article{, title={A}}", None),
            ("@article{a b'c, title={A}}", Some("a b'c")),
            ("@article{title={A}}", None),
            ("@article(k, title={A})", Some("k")),
            ("@article{k, title={A}", Some("k")),
            ("@article{k, title={A", Some("k")),
        ] {
            let fields = Names::default().entry(text).unwrap();
            assert_eq!(fields.get("id").and_then(Value::as_str), id, "{text}");
            assert_eq!(fields["title"], "A", "{text}");
        }
    }

    #[test]
    fn what_looks_like_an_entry_is_none() {
        assert!(KINDS.is_sorted());
        for text in [
            "@article{a,",
            "@string{a = {b}}",
            "@Software{k, year = 2024}",
            "@dataset(k,\n title={A})",
        ] {
            assert!(is_entry(text), "{text}");
        }
        for text in [
            "@alice(she said) that x = 5",
            "@everyone(all), \nHello = world",
            "@page { size = A4 }",
            "@media (max-width=3) {",
            "@Test(expected = X.class)",
            "@Component({\n selector = \"x\"",
            "@ann wrote {curly}",
            "@report (draft): please read this before Monday.",
            "@Book {smile} what a day.",
            "@online (the shop) has = nothing",
            "@misc (a) thing",
            "@",
        ] {
            assert!(!is_entry(text), "{text}");
        }
    }
}
