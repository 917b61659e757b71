//! From a row with known columns to an article.

use super::names::{GUID, URI, is_about, is_parts, plain, usual};
use super::path::Path;
use super::tally::Tally;
use super::values::{Reading, read, unwrap_mongo};
use super::{Claim, ColumnReport, NAME_THE_TEXT, Role};
use crate::corpus::article::{Article, one_line, site, split_title, tidy};
use crate::corpus::dates::{is_no_date, parse_date};
use crate::corpus::formats::html::{fragment, is_page, page_in};
use crate::corpus::formats::{mail, mail_text, markdown};
use serde_json::{Map, Value};
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::rc::Rc;

/// Why a row gives no article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It has nothing but a mark of what was there; such rows are counted rather than told.
    Removed,
    /// What is wrong with it.
    Bad(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "its text was removed",
            Self::Bad(message) => message,
        })
    }
}

impl From<String> for Unread {
    fn from(message: String) -> Self {
        Self::Bad(message)
    }
}

impl From<&str> for Unread {
    fn from(message: &str) -> Self {
        Self::Bad(message.to_string())
    }
}

/// So many first rows of an input tell whether a column without a role holds the articles.
const LOOKED_AT: u32 = 20;

/// Whether a text in a column without a role is likelier the article than its `title` alone is: it
/// is long, and neither an address nor a list of names or numbers. In the `first` rows less is long: what
/// is seen there is seen before most is read.
fn is_prose(text: &str, title: &str, first: bool) -> bool {
    let (long, least, longer) = if first { (60, 10, 3) } else { (200, 20, 2) };
    // Most are too short, which costs nothing to see.
    if text.len() <= long || text.len() <= longer * title.len() {
        return false;
    }
    // Lists have a comma after one word or two.
    let commas = memchr::memchr2_iter(b',', b';', text.as_bytes())
        .take(1000)
        .count();
    let words = || {
        let words = text.split_whitespace();
        let words = words.filter(|w| w.contains(char::is_alphabetic));
        words.take((3 * commas).max(least)).count()
    };
    // Chinese and Japanese have no blanks between words.
    let wide = || text.bytes().filter(|b| !b.is_ascii()).count() * 2 > text.len();
    words() >= (3 * commas).max(least) || wide()
}

/// Columns of one input with their roles.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(super) claims: Vec<Claim>,
    pub metadata: Vec<String>,
    /// Whether the rows are what an export of this program writes.
    pub(super) own: bool,
    /// Whether other rows may have other columns.
    pub(super) sparse: bool,
    /// Whether a column that nobody set has a text only where it holds parts of one: most have none, and rows need not ask.
    parts: bool,
    tally: OnceCell<Rc<Tally>>,
    /// Rows so far, up to [`LOOKED_AT`].
    rows: Cell<u32>,
    /// Rows of these with a much longer text in a column without a role.
    longer: Cell<u32>,
    /// Whether all ways into objects that the user set led somewhere in some row.
    led: Cell<bool>,
}

impl Mapping {
    pub(super) fn new(claims: Vec<Claim>, metadata: Vec<String>, own: bool, sparse: bool) -> Self {
        let texts = claims
            .iter()
            .filter(|claim| claim.role == Role::Text && !claim.set);
        let mut texts = texts.flat_map(|claim| &claim.paths);
        let parts = texts.any(|path| is_parts(&path.column));
        Self {
            claims,
            metadata,
            own,
            sparse,
            parts,
            tally: OnceCell::new(),
            rows: Cell::new(0),
            longer: Cell::new(0),
            led: Cell::new(false),
        }
    }

    /// The likeliest column that has a role.
    pub(crate) fn column(&self, role: Role) -> Option<&str> {
        let found = self.claims.iter().find(|claim| claim.role == role);
        found
            .and_then(|claim| claim.paths.first())
            .map(|path| path.column.as_str())
    }

    /// The columns of a role, but those of which it has a part.
    pub(crate) fn columns(&self, role: Role) -> impl Iterator<Item = &str> {
        let found = self.claims.iter().filter(move |claim| claim.role == role);
        let paths = found.flat_map(|claim| &claim.paths);
        paths
            .filter(|path| path.inner.is_empty())
            .map(|path| path.column.as_str())
    }

    /// Whether a row's text can be read.
    pub(crate) fn reads_text(&self, row: &Map<String, Value>) -> bool {
        let text = self.value(Role::Text, row);
        text.is_some_and(|value| matches!(read(Role::Text, value), Reading::Text(..)))
    }

    /// What a row has in the likeliest of the columns of a role that it has.
    pub(crate) fn value<'r>(&self, role: Role, row: &'r Map<String, Value>) -> Option<&'r Value> {
        let found = self.claims.iter().find(|claim| claim.role == role);
        found?.paths.iter().find_map(|path| path.get(row))
    }

    /// Whether a row has a text in a column of that role: what is called `article` or `post` is a text in some
    /// exports, and in others the object that has one.
    pub(crate) fn has_text(&self, row: &Map<String, Value>) -> bool {
        let paths = self.claims.iter().filter(|claim| claim.role == Role::Text);
        let mut values = paths
            .flat_map(|claim| &claim.paths)
            .map(|path| path.get(row));
        values.any(|value| match value {
            None => false,
            Some(value @ Value::Object(inner)) => {
                let titled = ["title", "headline", "name", "webTitle"]
                    .iter()
                    .any(|name| inner.contains_key(*name));
                !titled && matches!(read(Role::Text, value), Reading::Text(..))
            }
            Some(_) => true,
        })
    }

    /// Whether nothing in its rows is a title but what as often names anything: `name`, `subject`.
    pub(crate) fn is_named_weakly(&self) -> bool {
        let title = self.claims.iter().find(|claim| claim.role == Role::Title);
        title.is_none_or(|claim| {
            let strong = usual(Role::Title).names;
            !claim
                .paths
                .iter()
                .any(|path| strong.contains(&plain(&path.column).as_str()))
        })
    }

    /// Counts what cannot be used there from now on.
    pub(crate) fn count_in(&self, tally: &Rc<Tally>) {
        // A mapping belongs to one input, and so to one tally.
        let _ = self.tally.set(tally.clone());
    }

    pub(crate) fn report(&self, path: &str) -> ColumnReport {
        let mut roles = Vec::new();
        for claim in &self.claims {
            // A reader's own names for what stands in no column begin with a NUL.
            let names = claim.paths.iter().map(ToString::to_string);
            let names: Vec<String> = names.filter(|name| !name.starts_with('\0')).collect();
            if claim.joined && !names.is_empty() {
                roles.push((claim.role, names.join(" + ")));
            } else {
                roles.extend(names.into_iter().map(|name| (claim.role, name)));
            }
        }
        ColumnReport {
            path: path.to_string(),
            roles,
            metadata: self.metadata.clone(),
        }
    }

    /// Makes an article of one row; an error says what the row lacks.
    pub(crate) fn article(&self, mut row: Map<String, Value>) -> Result<Article, Unread> {
        let mut article = if self.own {
            own(&mut row)
        } else {
            row.values_mut().for_each(unwrap_mongo);
            self.ways_lead_somewhere(&row)?;
            self.fill(&mut row)
        };
        if article.is_blank() {
            let mut texts = row.values().filter_map(Value::as_str);
            if texts.any(is_gone) {
                return Err(Unread::Removed);
            }
            return Err(self.no_text(&row).into());
        }
        if !self.sparse {
            self.longer_unknown(&article, &row)?;
        }
        // A page may have had its own.
        if article.title.is_empty() && !self.has_a_title_of_its_own() {
            (article.title, article.text) = split_title(&article.text);
        }
        row.retain(|_, value| !value.is_null());
        if article.meta.is_empty() {
            article.meta = row;
        } else {
            article.meta.extend(row);
        }
        Ok(article)
    }

    /// Refuses a row whose text is likelier in a column without a role: none has one as the text, or one that
    /// is about a text and much shorter.
    fn longer_unknown(&self, article: &Article, row: &Map<String, Value>) -> Result<(), String> {
        let known = self.claims.iter().find(|claim| claim.role == Role::Text);
        let known = known.and_then(|claim| claim.paths.first().filter(|_| !claim.set));
        let first = self.rows.get() < LOOKED_AT;
        self.rows.set((self.rows.get() + 1).min(LOOKED_AT));
        let (beside, about) = match known {
            Some(path) if !first || !is_about(&path.column) => return Ok(()),
            Some(path) => (article.text.as_str(), Some(path)),
            None if self.has(Role::Text) => return Ok(()),
            None => (article.title.as_str(), None),
        };
        let longest = row
            .iter()
            .filter_map(|(name, value)| Some((name, text_in(value)?)))
            .filter(|(_, text)| is_prose(text, beside, first))
            .filter(|(name, _)| about.is_none() || !self.is_claimed(name))
            .max_by_key(|(_, text)| text.len());
        let Some((name, _)) = longest else {
            return Ok(());
        };
        let Some(about) = about else {
            return Err(format!(
                "no column is called text, body or content; the longest texts are in {name:?}; \
                 {NAME_THE_TEXT}"
            ));
        };
        // A single row may have a long note beside its abstract.
        self.longer.set(self.longer.get() + 1);
        if 2 * self.longer.get() <= self.rows.get() {
            return Ok(());
        }
        let about = about.to_string();
        Err(format!(
            "much longer texts than in {about:?} are in {name:?}; {NAME_THE_TEXT}"
        ))
    }

    fn is_claimed(&self, column: &str) -> bool {
        let mut paths = self.claims.iter().flat_map(|claim| &claim.paths);
        paths.any(|path| path.column == column)
    }

    /// Whether a column is called a title. What is known beside a text may have one, or none.
    fn has_a_title_of_its_own(&self) -> bool {
        let titles = self.claims.iter().filter(|claim| claim.role == Role::Title);
        let mut paths = titles.flat_map(|claim| &claim.paths);
        paths.any(|path| !matches!(path.column.as_str(), "metadata" | "meta"))
    }

    fn has(&self, role: Role) -> bool {
        self.claims.iter().any(|claim| claim.role == role)
    }

    /// Refuses the first rows in which a column that the user set as a way into an object leads nowhere: of
    /// several, all of them.
    fn ways_lead_somewhere(&self, row: &Map<String, Value>) -> Result<(), String> {
        if self.sparse || self.led.get() {
            return Ok(());
        }
        for claim in self.claims.iter().filter(|claim| claim.set) {
            if let Some(path) = claim.paths.first()
                && claim.paths.iter().all(|path| path.goes_astray(row))
            {
                return Err(format!(
                    "no column {:?} for the {}; {:?} holds nothing of that name",
                    path.to_string(),
                    claim.role.name(),
                    path.column
                ));
            }
        }
        self.led.set(true);
        Ok(())
    }

    fn no_text(&self, row: &Map<String, Value>) -> String {
        let text = self.claims.iter().find(|claim| claim.role == Role::Text);
        let Some(path) = text.and_then(|claim| claim.paths.first()) else {
            return "no text and no title".to_string();
        };
        match path.get(row).map(|value| read(Role::Text, value)) {
            Some(Reading::Unusable) => {
                format!("the text, column {:?}, is not a string", path.to_string())
            }
            _ => format!("no text in column {:?}", path.to_string()),
        }
    }

    /// Takes what has a role out of the row.
    fn fill(&self, row: &mut Map<String, Value>) -> Article {
        let mut article = Article::default();
        let mut page = None;
        for claim in &self.claims {
            let titled = !article.title.is_empty();
            let mut texts = claim
                .paths
                .iter()
                .filter_map(|path| self.take(claim.role, path, titled, row));
            let Some(mut text) = texts.next() else {
                continue;
            };
            if claim.role == Role::Text
                && let Some(mut mail) = mail_in(&text)
            {
                text = std::mem::take(&mut mail.text);
                page = Some(mail);
            } else if claim.role == Role::Text && is_page(&text) {
                text = match page_in(&text) {
                    Some(mut found) => {
                        let text = std::mem::take(&mut found.text);
                        page = Some(found);
                        text
                    }
                    None => fragment(&text).unwrap_or(text),
                };
            }
            if claim.joined {
                for more in texts {
                    text.push_str("\n\n");
                    text.push_str(&more);
                }
            }
            match claim.role {
                Role::Id => article.id = Some(one_line(&text)),
                Role::Title => article.title = one_line(&text),
                Role::Text => article.text = tidy(&text),
                Role::Url => article.url = Some(one_line(&text)),
                Role::Source => article.source = Some(one_line(&text)),
                Role::Date => article.date = Some(text),
            }
        }
        self.address_of_source(&mut article, row);
        if let Some(page) = page {
            described(&mut article, page, row);
        }
        article
    }

    /// Takes one value out of the row where it can have this role; what cannot stays there.
    fn take(
        &self,
        role: Role,
        path: &Path,
        titled: bool,
        row: &mut Map<String, Value>,
    ) -> Option<String> {
        let value = path.get(row)?;
        if self.parts && role == Role::Text && is_parts(&path.column) && !has_parts(value) {
            return None;
        }
        if let Value::String(text) = value
            && path.inner.is_empty()
            && !text.trim().is_empty()
        {
            return self.take_text(role, path, titled, row);
        }
        let (text, rest) = match read(role, value) {
            Reading::Text(text, rest) => (text, rest),
            Reading::Nothing => {
                path.put(row, None);
                return None;
            }
            Reading::Unusable => {
                self.count(role, &value.to_string());
                return None;
            }
        };
        let text = self.usable(role, path, titled, &text)?.unwrap_or(text);
        path.put(row, rest);
        Some(text).filter(|text| !text.trim().is_empty())
    }

    /// The same of a column that is a text, as in tables all are: it is taken without a copy.
    fn take_text(
        &self,
        role: Role,
        path: &Path,
        titled: bool,
        row: &mut Map<String, Value>,
    ) -> Option<String> {
        let value = row.get_mut(&path.column)?;
        let Value::String(text) = value else {
            return None;
        };
        // What is no date stays beside it, as it is.
        if role != Role::Date && is_null(text) {
            *value = Value::Null;
            return None;
        }
        let other = self.usable(role, path, titled, text)?;
        let text = other.unwrap_or_else(|| std::mem::take(text));
        *value = Value::Null;
        Some(text).filter(|text| !text.trim().is_empty())
    }

    /// What a text is where it has this role, or nothing where it is what it was; `None` where it
    /// cannot have it.
    fn usable(&self, role: Role, path: &Path, titled: bool, text: &str) -> Option<Option<String>> {
        match role {
            // An article's address; its publisher stands elsewhere, or is that address' host.
            Role::Source if is_page_address(text) => None,
            // Several articles have become one number there.
            Role::Id if is_rounded(text) => {
                self.count(role, text);
                None
            }
            Role::Source if text.starts_with('{') => Some(object_in(text)),
            Role::Date if is_no_date(text) => None,
            Role::Date => {
                let date = parse_date(text);
                if date.is_none() {
                    self.count(role, text);
                }
                date.map(Some)
            }
            // A mark for what is gone is no text.
            Role::Text | Role::Title if is_gone(text) => None,
            Role::Text if is_markdown(&path.column) => Some(Some(without_marks(text, titled))),
            // What is in a page is asked where all of it can be used.
            Role::Text if is_page(text) => Some(None),
            // As Crossref writes abstracts.
            Role::Text | Role::Title if text.contains("<jats:") => {
                let text = of_journal(text);
                Some(Some(fragment(&text).unwrap_or(text)))
            }
            Role::Text | Role::Title => {
                let plain = fragment(text);
                (!plain.as_deref().is_some_and(is_gone)).then_some(plain)
            }
            Role::Url if [GUID, URI].contains(&plain(&path.column).as_str()) => {
                text.starts_with("http").then_some(None)
            }
            Role::Id | Role::Url | Role::Source => Some(None),
        }
    }

    /// Where a column of the source holds the address of the article, as trafilatura writes it, that is its address.
    fn address_of_source(&self, article: &mut Article, row: &mut Map<String, Value>) {
        if article.url.is_some() {
            return;
        }
        let sources = self
            .claims
            .iter()
            .filter(|claim| claim.role == Role::Source);
        for path in sources.flat_map(|claim| &claim.paths) {
            let Some(Value::String(text)) = path.get(row) else {
                continue;
            };
            if is_page_address(text) {
                article.url = Some(one_line(text));
                if article.source.is_none() {
                    article.source = site(text);
                }
                path.put(row, None);
                return;
            }
        }
    }

    fn count(&self, role: Role, value: &str) {
        if let Some(tally) = self.tally.get() {
            tally.count(role, value);
        }
    }
}

/// Whether a value is a list of parts of a text, and not of words.
fn has_parts(value: &Value) -> bool {
    let is_part = |item: &Value| match item {
        Value::String(text) => text.split_whitespace().nth(2).is_some(),
        item => item.is_object() || item.is_array(),
    };
    value
        .as_array()
        .is_some_and(|items| items.iter().any(is_part))
}

/// Whether a text is the address of a page, and not of a whole site.
fn is_page_address(text: &str) -> bool {
    let text = text.trim();
    let Some(rest) = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
    else {
        return false;
    };
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    !path.is_empty() && !rest.contains(char::is_whitespace)
}

/// Gives an article what the page or the mail in its text column says of itself, where the row says nothing.
fn described(article: &mut Article, page: Article, row: &mut Map<String, Value>) {
    if article.title.is_empty() {
        article.title = page.title;
    }
    article.date = article.date.take().or(page.date);
    article.id = article.id.take().or(page.id);
    article.url = article.url.take().or(page.url);
    article.source = article.source.take().or(page.source);
    for (name, value) in page.meta {
        if row.get(&name).is_none_or(Value::is_null) {
            row.insert(name, value);
        }
    }
}

/// The text in a value of several, of which none is a text by itself: the longest of a list, and of an object that is
/// called as texts are, or is in a list of it.
fn text_in(value: &Value) -> Option<&str> {
    const NAMES: [&str; 6] = ["text", "content", "body", "value", "paragraph", "parts"];
    match value {
        Value::String(text) => Some(text),
        Value::Array(items) => items
            .iter()
            .take(50)
            .filter_map(text_in)
            .max_by_key(|text| text.len()),
        Value::Object(object) => {
            let named = NAMES.iter().filter_map(|name| text_in(object.get(*name)?));
            let listed = object.values().filter(|value| value.is_array());
            let longest = |text: &&str| text.len();
            named
                .max_by_key(longest)
                .or_else(|| listed.filter_map(text_in).max_by_key(longest))
        }
        _ => None,
    }
}

/// Whether a text is a mark of one that was there: of Reddit, NewsAPI and Scopus.
fn is_gone(text: &str) -> bool {
    const MARKS: [&str; 6] = [
        "[removed]",
        "[deleted]",
        "[ removed by reddit ]",
        "[deleted by user]",
        "[no abstract available]",
        "[no content]",
    ];
    let text = text.trim();
    text.starts_with('[') && MARKS.iter().any(|mark| text.eq_ignore_ascii_case(mark))
}

/// A text with tags of HTML in place of those that journals use (JATS).
fn of_journal(text: &str) -> String {
    const TAGS: [(&str, &str); 9] = [
        ("p", "p"),
        ("title", "h2"),
        ("sec", "div"),
        ("italic", "i"),
        ("bold", "b"),
        ("sub", "sub"),
        ("sup", "sup"),
        ("list-item", "li"),
        ("list", "ul"),
    ];
    let mut text = text.to_string();
    for (journal, html) in TAGS {
        for end in ['>', ' '] {
            text = text.replace(&format!("jats:{journal}{end}"), &format!("{html}{end}"));
        }
    }
    text.replace("<jats:", "<span ")
        .replace("</jats:", "</span ")
}

/// Whether a column's texts are Markdown, by its name.
fn is_markdown(column: &str) -> bool {
    ["markdown", "bodymarkdown", "contentmarkdown"].contains(&plain(column).as_str())
}

/// A text of Markdown without its marks. Its heading is the first line, or what has a title already says it.
fn without_marks(text: &str, titled: bool) -> String {
    let (heading, body) = markdown::plain(text);
    if heading.is_empty() || titled {
        return body;
    }
    format!("{}\n\n{body}", one_line(&heading))
}

/// A mail that stands in a column as it was sent, from its first header on.
fn mail_in(text: &str) -> Option<Article> {
    const HEADERS: [&str; 7] = [
        "message-id",
        "date",
        "from",
        "to",
        "subject",
        "received",
        "return-path",
    ];
    let text = text.trim_start();
    let (first, _) = text.split_once(':')?;
    // Most texts begin otherwise, which costs nothing to see.
    if first.len() > 12 || !HEADERS.contains(&first.to_ascii_lowercase().as_str()) {
        return None;
    }
    let known = text
        .lines()
        .take(40)
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| HEADERS.contains(&name.to_ascii_lowercase().as_str()));
    // A text may begin with "Date:" and "From:" lines of its own; a mail has its address besides.
    if known.count() < 3 || !text.contains('@') {
        return None;
    }
    mail::parse(text.as_bytes(), 0, &mut mail_text::Remarks::default()).ok()
}

/// Whether a text is what programs write where there is nothing.
fn is_null(text: &str) -> bool {
    const NULLS: [&str; 12] = [
        "NULL", "null", "Null", "NaN", "nan", "N/A", "n/a", "#N/A", "<NA>", "None", "\\N", "NaT",
    ];
    let text = text.trim();
    // What a service writes for what it does not give for nothing.
    let sold = || text.starts_with("ONLY AVAILABLE IN ") && text.ends_with(" PLANS");
    NULLS.contains(&text) || sold()
}

/// Whether a number was rounded, as spreadsheets show long ones: `1.23457E+17` is no identifier.
fn is_rounded(text: &str) -> bool {
    let Some((number, power)) = text.split_once(['e', 'E']) else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let power = power.strip_prefix('+').unwrap_or(power);
    let Some((whole, rest)) = number.split_once(['.', ',']) else {
        return digits(number) && text.contains('+') && digits(power);
    };
    digits(whole) && digits(rest) && digits(power) && power.len() >= 2
}

/// The name in an object that a table holds as text, in JSON or as Python prints it.
fn object_in(text: &str) -> Option<String> {
    let python = || {
        let json = text.replace('\'', "\"").replace(": None", ": null");
        serde_json::from_str(&json)
    };
    let value: Value = serde_json::from_str(text).or_else(|_| python()).ok()?;
    match read(Role::Source, &value) {
        Reading::Text(name, _) => Some(name),
        _ => None,
    }
}

/// The columns of an export, the vector last, in their order; nothing else is one of its rows.
pub(crate) const EXPORTED: [&str; 11] = [
    "id",
    "title",
    "text",
    "date",
    "source",
    "url",
    "metadata",
    "topic",
    "topic_label",
    "topic_similarity",
    "vector",
];

/// Whether an export of this program has these columns.
pub(super) fn is_own(names: &[String]) -> bool {
    let has = |name: &&str| names.iter().any(|n| n == *name);
    // Python's tables also say where an article came from.
    let known = |n: &str| EXPORTED.contains(&n) || n == "origin";
    ["id", "title", "text", "metadata"].iter().all(has) && names.iter().all(|n| known(n))
}

/// What was exported, as it was: nothing is looked for in its text, and topics and vectors are
/// not its own.
fn own(row: &mut Map<String, Value>) -> Article {
    let mut text = |name: &str| match read(Role::Text, &row.shift_remove(name)?) {
        Reading::Text(text, _) => Some(text),
        _ => None,
    };
    let mut article = Article {
        id: text("id").map(|id| one_line(&id)),
        title: one_line(&text("title").unwrap_or_default()),
        text: tidy(&text("text").unwrap_or_default()),
        url: text("url").map(|url| one_line(&url)),
        source: text("source").map(|source| one_line(&source)),
        ..Article::default()
    };
    if let Some(date) = text("date") {
        article.date = parse_date(&date);
        if article.date.is_none() {
            article.meta.insert("date".to_string(), Value::String(date));
        }
    }
    match row.shift_remove("metadata") {
        Some(Value::Object(object)) => article.meta.extend(object),
        // In tables it is written as JSON.
        Some(Value::String(json)) => match serde_json::from_str(&json) {
            Ok(Value::Object(object)) => article.meta.extend(object),
            _ => {
                article
                    .meta
                    .insert("metadata".to_string(), Value::String(json));
            }
        },
        Some(other) => {
            article.meta.insert("metadata".to_string(), other);
        }
        None => {}
    }
    row.clear();
    article
}
