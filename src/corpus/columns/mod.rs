//! Which column is the title, which the text: given by the user, or guessed by its name.

mod guess;
mod names;
mod path;
mod program;
mod rich;
mod row;
mod tally;
mod values;

use crate::line::clean;
use guess::{Names, given, guessed, strong, uri_is_an_id};
use path::Path;
pub(crate) use program::{FAILURE, is_failure};
pub(crate) use rich::is_tree;
pub(crate) use row::{EXPORTED, Mapping, Unread};
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

/// The columns of a role.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    role: Role,
    paths: Vec<Path>,
    /// Whether all of them together are the value; else the first that is filled is.
    joined: bool,
    /// Whether the user set it.
    set: bool,
}

/// Whether the rows of an input have the same columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// They have.
    Alike,
    /// They may differ, and this is the first.
    First,
    /// They may differ, and some came before.
    Later,
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
        self.mapping(names, Rows::Alike)
    }

    /// As [`Columns::map`], for a row whose input has others with other columns: one that lacks a
    /// column that the user set is no mistake, as long as it has a text or a title.
    pub(crate) fn map_sparse(&self, names: &[String]) -> Result<Mapping, String> {
        self.mapping(names, Rows::Later)
    }

    /// As [`Columns::map`], for the first row of such an input: of several columns that the user set for one
    /// role, one must be there.
    pub(crate) fn map_first(&self, names: &[String]) -> Result<Mapping, String> {
        self.mapping(names, Rows::First)
    }

    /// Those of several columns that the user set for one role that a row does not have.
    pub(crate) fn lacking(&self, row: &Map<String, Value>) -> Vec<String> {
        let names: Vec<String> = row.keys().cloned().collect();
        let is_there = |wanted: &str| {
            let paths = given(&names, wanted, Rows::Alike);
            paths.is_ok_and(|paths| !paths.iter().any(|path| path.goes_astray(row)))
        };
        let set = Role::ALL.into_iter().filter_map(|role| self.set(role));
        // The whole may be the name of one column.
        let several = set.filter(|wanted| !is_there(wanted));
        let parts = several.flat_map(|wanted| wanted.split(',').map(str::trim));
        parts
            .filter(|part| !part.is_empty() && !is_there(part))
            .map(ToString::to_string)
            .collect()
    }

    /// Whether the user set any.
    pub(crate) fn any_set(&self) -> bool {
        Role::ALL.into_iter().any(|role| self.set(role).is_some())
    }

    /// How many of these names a role's columns usually have, but those that mean something else as often;
    /// one that the user set counts as well.
    pub(crate) fn usual(&self, names: &[String]) -> usize {
        let all = Names::of(names);
        let found = |role| match self.set(role) {
            Some(wanted) => given(names, wanted, Rows::Later).unwrap_or_default(),
            None => strong(&all, role),
        };
        let mut columns: Vec<String> = Role::ALL
            .into_iter()
            .flat_map(found)
            .map(|path| path.column)
            .collect();
        columns.sort_unstable();
        columns.dedup();
        columns.len()
    }

    fn mapping(&self, names: &[String], rows: Rows) -> Result<Mapping, String> {
        let mut claims: Vec<Claim> = Vec::new();
        for role in Role::ALL {
            if let Some(wanted) = self.set(role) {
                let paths = match given(names, wanted, rows) {
                    Ok(paths) => paths,
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
                    set: true,
                });
            }
        }
        let own = claims.is_empty() && row::is_own(names);
        let (guesses, answers) = {
            let all = names;
            let names = Names::of(all);
            if claims.is_empty()
                && let Some(what) = names.no_article()
            {
                return Err(format!(
                    "no article but {what}, by its columns {}; if it is one, {NAME_THE_TEXT}",
                    listed(all)
                ));
            }
            let guesses = Role::ALL.map(|role| match self.set(role) {
                Some(_) => Vec::new(),
                None => guessed(&names, role),
            });
            (guesses, names.answers)
        };
        // Every role has its likeliest column before any has a second.
        for likeliest in [true, false] {
            for role in Role::ALL {
                if self.set(role).is_some() {
                    continue;
                }
                let taken: Vec<&Path> = claims.iter().flat_map(|claim| &claim.paths).collect();
                let mut found: Vec<Path> = guesses[role as usize]
                    .iter()
                    .filter(|path| !taken.contains(path))
                    .cloned()
                    .collect();
                let claim = claims.iter_mut().find(|claim| claim.role == role);
                match claim {
                    Some(claim) if !likeliest => claim.paths.append(&mut found),
                    None if likeliest && !found.is_empty() => {
                        found.truncate(1);
                        let joined = role == Role::Text && answers.contains(&found[0]);
                        claims.push(Claim {
                            role,
                            paths: found,
                            joined,
                            set: false,
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
            if names.is_empty() {
                return Err("it has no columns".to_string());
            }
            return Err(format!(
                "no column is called text, body or content, of {}; {NAME_THE_TEXT}",
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
        Ok(Mapping::new(claims, metadata, own, rows == Rows::Later))
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

/// How a message of [`Columns::map`] ends of columns of which none is a text or title.
pub(crate) const NAME_THE_TEXT: &str = "name the column that holds the text";

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
mod tests;
