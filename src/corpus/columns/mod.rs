//! Which column is the title, which the text: given by the user, or guessed by its name.

mod names;
mod row;
mod tally;
mod values;

use super::line::clean;
use names::{is_tweets, plain, usual};
pub(crate) use row::Mapping;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
pub(crate) use tally::Tally;

/// What a column means to an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The article's own identifier.
    Id,
    /// Its title or headline.
    Title,
    /// Its body.
    Text,
    /// Its date of publication.
    Date,
    /// Its address.
    Url,
    /// Its publisher.
    Source,
}

impl Role {
    /// Every role, in the order in which columns are claimed.
    pub const ALL: [Role; 6] = [
        Role::Id,
        Role::Title,
        Role::Text,
        Role::Date,
        Role::Url,
        Role::Source,
    ];

    /// The role's name, as in the option `--title-column`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Id => "id",
            Role::Title => "title",
            Role::Text => "text",
            Role::Date => "date",
            Role::Url => "url",
            Role::Source => "source",
        }
    }
}

/// Column names that the user set; the others are guessed.
///
/// A name is looked for as it is written, then in any case of letters, then as a way into an
/// object (`fields.bodyText`). Several names are separated by commas: of the text's columns
/// each is a part of the text, of any other role's the first that is filled counts.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// The id's column.
    pub id: Option<String>,
    /// The title's column.
    pub title: Option<String>,
    /// The text's column, or several.
    pub text: Option<String>,
    /// The date's column.
    pub date: Option<String>,
    /// The address's column.
    pub url: Option<String>,
    /// The publisher's column.
    pub source: Option<String>,
}

/// Which columns of one input were taken for what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnReport {
    /// The input.
    pub path: String,
    /// The columns with a role, likeliest first; a text made of several is one entry.
    pub roles: Vec<(Role, String)>,
    /// The columns kept as metadata.
    pub metadata: Vec<String>,
}

impl std::fmt::Display for ColumnReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The first of a role's columns, and what is taken where it is empty.
        let mut roles: Vec<(Role, String)> = Vec::new();
        for (role, name) in &self.roles {
            match roles.last_mut() {
                Some((last, line)) if last == role => {
                    line.push_str(" or ");
                    line.push_str(name);
                }
                _ if role.name() == name => roles.push((*role, name.clone())),
                _ => roles.push((*role, format!("{}={name}", role.name()))),
            }
        }
        let roles: Vec<String> = roles.into_iter().map(|(_, line)| line).collect();
        let mut line = format!("{}: columns {}", self.path, roles.join(", "));
        if !self.metadata.is_empty() {
            line.push_str("; kept as metadata: ");
            line.push_str(&self.metadata.join(", "));
        }
        // Names of columns are whatever the file says.
        f.write_str(&clean(&line))
    }
}

/// The most columns that a message names.
const NAMED: usize = 40;

/// A column, or a way into the objects that it holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    column: String,
    inner: Vec<String>,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.column)?;
        self.inner.iter().try_for_each(|name| write!(f, ".{name}"))
    }
}

impl Path {
    fn of(column: &str) -> Self {
        Self {
            column: column.to_string(),
            inner: Vec::new(),
        }
    }

    fn get<'a>(&self, row: &'a Map<String, Value>) -> Option<&'a Value> {
        let first = row.get(&self.column);
        self.inner.iter().fold(first, |value, name| {
            let object = value?.as_object()?;
            object.get(key(object, name)?)
        })
    }

    /// Puts what is left of the value in its place, or takes it and objects that hold nothing
    /// else away.
    fn put(&self, row: &mut Map<String, Value>, rest: Option<Value>) {
        fn inside(object: &mut Map<String, Value>, names: &[String], rest: Option<Value>) {
            let [name, inner @ ..] = names else { return };
            let Some(name) = key(object, name).cloned() else {
                return;
            };
            if let [_, ..] = inner
                && let Some(Value::Object(next)) = object.get_mut(&name)
            {
                inside(next, inner, rest);
                if next.is_empty() {
                    object.shift_remove(&name);
                }
                return;
            }
            match rest {
                Some(rest) => object.insert(name, rest),
                None => object.shift_remove(&name),
            };
        }
        let names: Vec<String> = std::iter::once(&self.column)
            .chain(&self.inner)
            .cloned()
            .collect();
        inside(row, &names, rest);
    }
}

/// The key as it is written, else in any case of letters.
fn key<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a String> {
    find(object.keys(), name)
}

fn find<'a>(
    mut names: impl Iterator<Item = &'a String> + Clone,
    wanted: &str,
) -> Option<&'a String> {
    let lower = wanted.trim().to_lowercase();
    let exact = names.clone().find(|n| *n == wanted);
    exact.or_else(|| names.find(|n| n.trim().to_lowercase() == lower))
}

/// The columns of a role.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    role: Role,
    paths: Vec<Path>,
    /// Whether all of them together are the value; else the first that is filled is.
    joined: bool,
}

impl Columns {
    fn set(&self, role: Role) -> Option<&String> {
        match role {
            Role::Id => self.id.as_ref(),
            Role::Title => self.title.as_ref(),
            Role::Text => self.text.as_ref(),
            Role::Date => self.date.as_ref(),
            Role::Url => self.url.as_ref(),
            Role::Source => self.source.as_ref(),
        }
    }

    /// Gives each of `names` its role. The message of an error names the columns there are; with
    /// some rows at hand, [`proposed`] adds what they tell.
    pub(crate) fn map(&self, names: &[String]) -> Result<Mapping, String> {
        self.mapping(names, false)
    }

    /// As [`Columns::map`], for a row whose input has others with other columns: one that lacks a
    /// column that the user set is no mistake, as long as it has a text or a title.
    pub(crate) fn map_sparse(&self, names: &[String]) -> Result<Mapping, String> {
        self.mapping(names, true)
    }

    fn mapping(&self, names: &[String], sparse: bool) -> Result<Mapping, String> {
        let mut claims: Vec<Claim> = Vec::new();
        for role in Role::ALL {
            if let Some(wanted) = self.set(role) {
                let paths = match given(names, wanted) {
                    Ok(paths) => paths,
                    Err(_) if sparse => Vec::new(),
                    Err(missing) => {
                        return Err(format!(
                            "no column {missing:?} for the {}; the columns are {}",
                            role.name(),
                            listed(names)
                        ));
                    }
                };
                let joined = role == Role::Text && paths.len() > 1;
                claims.push(Claim {
                    role,
                    paths,
                    joined,
                });
            }
        }
        let own = claims.is_empty() && row::is_own(names);
        let tweets = is_tweets(names);
        // Every role has its likeliest column before any has a second.
        for likeliest in [true, false] {
            for role in Role::ALL {
                if self.set(role).is_some() {
                    continue;
                }
                let taken: Vec<&Path> = claims.iter().flat_map(|claim| &claim.paths).collect();
                let mut found: Vec<Path> = guessed(names, role, tweets)
                    .into_iter()
                    .filter(|path| !taken.contains(&path))
                    .collect();
                let claim = claims.iter_mut().find(|claim| claim.role == role);
                match claim {
                    Some(claim) if !likeliest => claim.paths.append(&mut found),
                    None if likeliest && !found.is_empty() => {
                        found.truncate(1);
                        claims.push(Claim {
                            role,
                            paths: found,
                            joined: false,
                        });
                    }
                    _ => {}
                }
            }
        }
        claims.retain(|claim| !claim.paths.is_empty());
        uri_is_an_id(&mut claims);
        if !claims
            .iter()
            .any(|claim| matches!(claim.role, Role::Text | Role::Title))
        {
            return Err(format!(
                "no column is called text, body or content, of {}; name the column that holds the text",
                listed(names)
            ));
        }
        let used = |name: &String| {
            let mut paths = claims.iter().flat_map(|claim| &claim.paths);
            paths.any(|path| path.column == *name && path.inner.is_empty())
        };
        let mut metadata: Vec<String> = names.iter().filter(|n| !used(n)).cloned().collect();
        if own {
            metadata = vec!["metadata".to_string()];
            claims.iter_mut().for_each(|claim| claim.paths.truncate(1));
        }
        claims.sort_by_key(|claim| claim.role as usize);
        Ok(Mapping::new(claims, metadata, own, sparse))
    }
}

/// The columns that a user named; the error is the one that is not there.
fn given(names: &[String], wanted: &str) -> Result<Vec<Path>, String> {
    let one = |wanted: &str| {
        if let Some(name) = find(names.iter(), wanted) {
            return Some(Path::of(name));
        }
        let dots = wanted.rmatch_indices('.').map(|(at, _)| at);
        let (at, column) = dots
            .filter_map(|at| Some((at, find(names.iter(), &wanted[..at])?)))
            .next()?;
        Some(Path {
            column: column.clone(),
            inner: wanted[at + 1..].split('.').map(String::from).collect(),
        })
    };
    if let Some(path) = one(wanted) {
        return Ok(vec![path]);
    }
    let parts = wanted
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let paths: Result<Vec<Path>, String> = parts
        .map(|part| one(part).ok_or_else(|| part.to_string()))
        .collect();
    paths.and_then(|paths| {
        if paths.is_empty() {
            Err(wanted.to_string())
        } else {
            Ok(paths)
        }
    })
}

/// The columns that usually have a role, likeliest first.
fn guessed(names: &[String], role: Role, tweets: bool) -> Vec<Path> {
    let usual = usual(role);
    let mut found: Vec<Path> = Vec::new();
    // The author of a tweet, before the program that it was written with.
    if tweets && role == Role::Source {
        let user = names.iter().find(|n| plain(n) == "user");
        found.extend(user.map(|user| Path {
            column: user.clone(),
            inner: vec!["screen_name".to_string()],
        }));
        found.extend(usual.weak.iter().filter_map(|name| named(names, name)));
    }
    found.extend(usual.names.iter().filter_map(|name| named(names, name)));
    if found.is_empty() {
        let author = |name: &&&str| !(tweets && **name == "name");
        let weak = usual.weak.iter().filter(author);
        found.extend(weak.filter_map(|name| named(names, name)).take(1));
    }
    found
}

/// The column with a usual name. A way into an object is taken where the column is there; whether
/// it leads anywhere is seen in each row.
fn named(names: &[String], usual: &str) -> Option<Path> {
    let mut parts = usual.split('.');
    let first = parts.next()?;
    // `id` comes before `_id`.
    let exact = names.iter().find(|n| n.to_lowercase() == first);
    let column = exact.or_else(|| names.iter().find(|n| plain(n) == first))?;
    Some(Path {
        column: column.clone(),
        inner: parts.map(String::from).collect(),
    })
}

/// Where there is another address, a `uri` is the article's key.
fn uri_is_an_id(claims: &mut Vec<Claim>) {
    if claims.iter().any(|claim| claim.role == Role::Id) {
        return;
    }
    let Some(url) = claims.iter_mut().find(|claim| claim.role == Role::Url) else {
        return;
    };
    let is_uri = |path: &Path| plain(&path.column) == names::URI;
    if url.paths.len() > 1
        && let Some(at) = url.paths.iter().position(is_uri)
    {
        let paths = vec![url.paths.remove(at)];
        claims.push(Claim {
            role: Role::Id,
            paths,
            joined: false,
        });
    }
}

/// Names of columns for a message.
fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMED);
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A message of [`Columns::map`] with the column that is likeliest the text, by some rows.
pub(crate) fn proposed(message: String, rows: &[Map<String, Value>]) -> String {
    /// Shorter values, in characters, are no texts.
    const SHORTEST: usize = 15;
    let mut lengths: BTreeMap<String, usize> = BTreeMap::new();
    for (name, value) in rows.iter().flatten() {
        for (name, length) in texts(name, value) {
            *lengths.entry(name).or_default() += length;
        }
    }
    let longest = lengths.into_iter().max_by_key(|(_, sum)| *sum);
    match longest.filter(|(_, sum)| *sum >= SHORTEST * rows.len().max(1)) {
        Some((name, _)) if message.contains("holds the text") => message.replace(
            "; name the column",
            &format!("; the longest texts are in {name:?}; name the column"),
        ),
        _ => message,
    }
}

/// The texts of a column and of the objects in it, as ways and lengths in characters.
fn texts(name: &str, value: &Value) -> Vec<(String, usize)> {
    match value {
        Value::String(text) => vec![(name.to_string(), text.chars().count())],
        Value::Object(object) => object
            .iter()
            .filter_map(|(key, value)| {
                Some((format!("{name}.{key}"), value.as_str()?.chars().count()))
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::article::Article;
    use super::*;
    use serde_json::json;
    use std::rc::Rc;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_string()).collect()
    }

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => unreachable!("tests pass objects"),
        }
    }

    #[test]
    fn usual_names_are_guessed_and_the_rest_is_metadata() {
        let mapping = Columns::default()
            .map(&names(&[
                "DocID",
                "Headline",
                "Body",
                "Published At",
                "desk",
            ]))
            .unwrap();
        let report = mapping.report("x.csv");
        assert_eq!(
            report.roles,
            vec![
                (Role::Id, "DocID".to_string()),
                (Role::Title, "Headline".to_string()),
                (Role::Text, "Body".to_string()),
                (Role::Date, "Published At".to_string()),
            ]
        );
        assert_eq!(report.metadata, names(&["desk"]));
    }

    #[test]
    fn a_wrong_column_name_lists_the_right_ones() {
        let columns = Columns {
            text: Some("txt".into()),
            ..Columns::default()
        };
        let message = columns.map(&names(&["id", "text"])).unwrap_err();
        assert!(
            message.contains("\"txt\"") && message.contains("id, text"),
            "{message}"
        );
    }

    #[test]
    fn a_row_becomes_an_article() {
        let mapping = Columns::default()
            .map(&names(&["id", "title", "text", "date"]))
            .unwrap();
        let article = mapping
            .article(object(
                json!({"id": 7, "title": "T\n2", "text": "a\r\nb", "date": "soon", "k": [1]}),
            ))
            .unwrap();
        assert_eq!(article.id.as_deref(), Some("7"));
        assert_eq!(article.title, "T 2");
        assert_eq!(article.text, "a\nb");
        assert_eq!(article.date, None);
        assert_eq!(article.meta["date"], json!("soon"));
        assert_eq!(article.meta["k"], json!([1]));
    }

    #[test]
    fn a_row_without_text_is_refused() {
        let mapping = Columns::default().map(&names(&["id", "text"])).unwrap();
        for text in [
            json!(""),
            json!("  \n"),
            Value::Null,
            json!({}),
            json!({"a": 1}),
        ] {
            assert!(
                mapping
                    .article(object(json!({"id": 1, "text": text})))
                    .is_err()
            );
        }
    }

    fn article(columns: &Columns, row: Value) -> Result<Article, String> {
        let row = object(row);
        let keys: Vec<String> = row.keys().cloned().collect();
        columns.map(&keys)?.article(row)
    }

    #[test]
    fn empty_candidates_do_not_hide_filled_ones() {
        let mapping = Columns::default()
            .map(&names(&["text", "maintext", "title"]))
            .unwrap();
        for (row, text) in [
            (json!({"text": null, "maintext": "m", "title": "t"}), "m"),
            (json!({"text": "x", "maintext": "m", "title": "t"}), "x"),
            (json!({"text": "", "title": "t"}), ""),
        ] {
            let article = mapping.article(object(row)).unwrap();
            assert_eq!((article.title.as_str(), article.text.as_str()), ("t", text));
        }
        let both = mapping
            .article(object(json!({"text": "x", "maintext": "m"})))
            .unwrap();
        assert_eq!(both.meta["maintext"], json!("m"));
    }

    #[test]
    fn what_cannot_be_used_is_kept_and_counted() {
        let mapping = Columns::default()
            .map(&names(&["text", "date", "source"]))
            .unwrap();
        let tally = Rc::new(Tally::default());
        mapping.count_in(&tally);
        for date in ["soon", "NaT", "2024"] {
            let row = json!({"text": "x", "date": date, "source": {"a": 1}});
            let article = mapping.article(object(row)).unwrap();
            assert_eq!(article.meta["source"], json!({"a": 1}));
            assert_eq!(article.meta.get("date").is_some(), date != "2024");
        }
        assert_eq!(
            tally.take(),
            vec![
                (Role::Date, 1, "soon".to_string()),
                (Role::Source, 3, "{\"a\":1}".to_string()),
            ]
        );
    }

    #[test]
    fn data_sets_and_exports_that_people_have() {
        let columns = Columns::default();
        for (row, title, text, date, url, source) in [
            (
                json!({"webTitle": "T", "webUrl": "u", "webPublicationDate": "2024-05-03T10:11:12Z",
                    "fields": {"bodyText": "B", "wordcount": "9"}}),
                "T",
                "B",
                "2024-05-03T10:11:12",
                "u",
                "",
            ),
            (
                json!({"headline": {"main": "T", "kicker": null}, "abstract": "A", "lead_paragraph": "B",
                    "pub_date": "2024-05-03T10:11:12+0000", "web_url": "u", "uri": "nyt://1", "source": "S"}),
                "T",
                "B",
                "2024-05-03T10:11:12",
                "u",
                "S",
            ),
            (
                json!({"id": 1, "full_text": "B", "created_at": "Fri May 03 10:11:12 +0000 2024",
                    "user": {"screen_name": "S", "name": "N"}, "source": "<a>app</a>", "name": "N"}),
                "",
                "B",
                "2024-05-03T10:11:12",
                "",
                "S",
            ),
            (
                json!({"id": 7, "title": {"rendered": "T"}, "content": {"rendered": "<p>B</p>", "protected": false},
                    "date": "2024-05-03T10:11:12", "link": "u", "guid": {"rendered": "http://x/?p=7"}}),
                "T",
                "B",
                "2024-05-03T10:11:12",
                "u",
                "",
            ),
            (
                json!({"uri": "81", "title": "T", "body": "B", "url": "u", "source": {"uri": "s", "title": "S"},
                    "date": "2024-05-02", "dateTimePub": "2024-05-03T10:11:12Z"}),
                "T",
                "B",
                "2024-05-03T10:11:12",
                "u",
                "S",
            ),
            (
                json!({"title": "T", "selftext": "[removed]", "created_utc": 1714731072.0, "full_link": "u", "subreddit": "S"}),
                "T",
                "",
                "2024-05-03T10:11:12",
                "u",
                "S",
            ),
        ] {
            let article = article(&columns, row.clone()).unwrap();
            let of = |field: Option<String>| field.unwrap_or_default();
            assert_eq!(
                (
                    article.title.as_str(),
                    article.text.as_str(),
                    of(article.date),
                    of(article.url),
                    of(article.source)
                ),
                (
                    title,
                    text,
                    date.to_string(),
                    url.to_string(),
                    source.to_string()
                ),
                "{row}"
            );
        }
    }

    #[test]
    fn columns_that_a_user_names() {
        let columns = Columns {
            text: Some("Lead, fields.main ,missing".into()),
            date: Some("UPDATED,created".into()),
            ..Columns::default()
        };
        let row = json!({"title": "T", "lead": "L", "fields": {"Main": "M", "n": 1}, "updated": "", "created": "2024-05-03"});
        let message = article(&columns, row.clone()).unwrap_err();
        assert!(
            message.contains("no column \"missing\" for the text"),
            "{message}"
        );
        let columns = Columns {
            text: Some("Lead,fields.main".into()),
            ..columns
        };
        let article = article(&columns, row).unwrap();
        assert_eq!(article.text, "L\n\nM");
        assert_eq!(article.date.as_deref(), Some("2024-05-03"));
        assert_eq!(article.meta["fields"], json!({"n": 1}));
        let names = names(&["title", "updated"]);
        assert!(columns.map(&names).is_err() && columns.map_sparse(&names).is_ok());
    }

    #[test]
    fn the_likeliest_column_is_proposed() {
        let message = Columns::default().map(&names(&["n", "blob"])).unwrap_err();
        let rows = [object(
            json!({"n": "1", "blob": "A text that is long enough."}),
        )];
        assert!(
            proposed(message.clone(), &rows)
                .contains("the longest texts are in \"blob\"; name the column")
        );
        assert_eq!(
            proposed(message.clone(), &[object(json!({"n": "1", "blob": "2"}))]),
            message
        );
        let mapping = Columns::default().map(&names(&["title", "blob"])).unwrap();
        let long = "A text that is long enough. ".repeat(10);
        let message = mapping
            .article(object(json!({"title": "t", "blob": long})))
            .unwrap_err();
        assert!(message.contains("\"blob\""), "{message}");
    }

    #[test]
    fn what_was_exported_comes_back() {
        let row = json!({"id": "1", "title": "", "text": "if a < b and b > c: <p>", "date": "2024",
            "metadata": "{\"topic\":\"own\",\"vector\":[1],\"tags\":[\"a\"]}", "topic": 3, "topic_label": "l"});
        let article = article(&Columns::default(), row).unwrap();
        assert_eq!(article.text, "if a < b and b > c: <p>");
        assert_eq!(article.date.as_deref(), Some("2024"));
        let meta = json!({"topic": "own", "vector": [1], "tags": ["a"]});
        assert_eq!(Value::Object(article.meta), meta);
    }
}
