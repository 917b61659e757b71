//! Which columns a role has.

use super::names::{
    MESSAGE, QUESTION, URI, is_data_a_date, is_name_no_title, is_tweets, of_answers, plain, usual,
};
use super::path::{Path, find};
use super::program::{is_post, no_article};
use super::{Claim, Role, Rows};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The columns that a user named, by what else there may be; the error is the one that is not there.
pub(super) fn given(names: &[String], wanted: &str, rows: Rows) -> Result<Vec<Path>, String> {
    let one = |wanted: &str| {
        if let Some(name) = find(names.iter(), wanted) {
            return Some(Path::of(name));
        }
        // What has a comma behind a dot is several.
        let behind = wanted.rfind(',').map_or(0, |at| at + 1);
        let dots = wanted[behind..].rmatch_indices('.');
        let (at, column) = dots
            .map(|(at, _)| behind + at)
            .filter_map(|at| Some((at, find(names.iter(), &wanted[..at])?)))
            .next()?;
        Some(Path {
            column: column.clone(),
            inner: wanted[at + 1..].split('.').map(String::from).collect(),
        })
    };
    let parts: Vec<&str> = wanted
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    // The whole may be the name of one column, or begin with one that has a comma in its name.
    if let Some(path) = one(wanted)
        && (parts.len() < 2 || path.inner.is_empty() || path.column.contains(','))
    {
        return Ok(vec![path]);
    }
    let mut paths = Vec::new();
    for part in parts {
        match one(part) {
            Some(path) => paths.push(path),
            None if rows == Rows::Alike => return Err(part.to_string()),
            None => {}
        }
    }
    if paths.is_empty() && rows != Rows::Later {
        return Err(wanted.to_string());
    }
    Ok(paths)
}

/// The names of columns as they are compared with usual ones.
pub(super) struct Names<'n> {
    names: &'n [String],
    lower: Vec<String>,
    plain: Vec<String>,
    tweets: bool,
    /// The roles of which a column has a usual name.
    known: Known,
    /// Columns that make a text together, where all are questions and answers.
    pub(super) answers: Vec<Path>,
}

impl<'n> Names<'n> {
    pub(super) fn of(names: &'n [String]) -> Self {
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let mut known = Known::default();
        for of in lower
            .iter()
            .chain(&plain)
            .filter_map(|name| KNOWN.get(name.as_str()))
        {
            known.strong |= of.strong;
            known.weak |= of.weak;
        }
        let mut all = Self {
            names,
            lower,
            tweets: is_tweets(&plain),
            plain,
            known,
            answers: Vec::new(),
        };
        all.answers = all.of_answers();
        all
    }

    /// What the columns are, where they are certainly no article's.
    pub(super) fn no_article(&self) -> Option<&'static str> {
        no_article(&self.plain)
    }

    fn of_answers(&self) -> Vec<Path> {
        let names = of_answers(&self.plain);
        let other =
            || !strong(self, Role::Text).is_empty() || weak(self, Role::Text).next().is_some();
        if names.is_empty() || other() {
            return Vec::new();
        }
        names
            .into_iter()
            .filter_map(|name| named(self, name))
            .collect()
    }

    /// The column with a usual name.
    fn find(&self, usual: &str) -> Option<&'n String> {
        let at = |all: &[String]| all.iter().position(|name| name == usual);
        // `id` comes before `_id`.
        let at = at(&self.lower).or_else(|| at(&self.plain))?;
        Some(&self.names[at])
    }
}

/// The columns that usually have a role, likeliest first.
pub(super) fn guessed(names: &Names<'_>, role: Role) -> Vec<Path> {
    let tweets = names.tweets;
    let mut found: Vec<Path> = Vec::new();
    // The author of a tweet, before the program that it was written with.
    if tweets && role == Role::Source {
        found.extend(named(names, "user.screen_name"));
        found.extend(weak(names, role).map(|(_, path)| path));
    }
    found.extend(strong(names, role));
    if found.is_empty() && role == Role::Date && is_data_a_date(&names.plain) {
        found.extend(named(names, "data"));
    }
    if role == Role::Title && found.is_empty() && !names.answers.is_empty() {
        found.extend(named(names, QUESTION));
    }
    if found.is_empty() {
        let other = tweets || is_name_no_title(&names.plain);
        let likeliest = weak(names, role).find(|(name, _)| !(other && *name == "name"));
        found.extend(likeliest.map(|(_, path)| path));
    }
    if role == Role::Text && found.is_empty() {
        found.extend(names.answers.iter().cloned());
    }
    found
}

/// Of these, those whose names mean nothing else as often.
pub(super) fn strong(names: &Names<'_>, role: Role) -> Vec<Path> {
    if names.known.strong & bit(role) == 0 {
        return Vec::new();
    }
    let posts = |name: &&&str| **name != MESSAGE || is_post(&names.plain);
    let likeliest = usual(role).names.iter().filter(posts);
    likeliest.filter_map(|name| named(names, name)).collect()
}

/// Those whose names mean something else as often, with these names.
fn weak(names: &Names<'_>, role: Role) -> impl Iterator<Item = (&'static str, Path)> {
    let some = names.known.weak & bit(role) != 0;
    let usual = if some { usual(role).weak } else { &[] };
    let of = move |name: &&'static str| Some((*name, named(names, name)?));
    usual.iter().filter_map(of)
}

/// The roles that a column of a name may have, a bit for each.
#[derive(Clone, Copy, Default)]
struct Known {
    strong: u8,
    weak: u8,
}

fn bit(role: Role) -> u8 {
    1 << role as u8
}

/// Of each name of a column that usually has a role. Records hold many objects, of which most have no such
/// column, and to look for each of some hundred names in each of them took most of the time of reading them.
static KNOWN: LazyLock<HashMap<&'static str, Known>> = LazyLock::new(|| {
    let column = |name: &'static str| name.split_once('.').map_or(name, |(column, _)| column);
    let mut known: HashMap<&'static str, Known> = HashMap::new();
    for role in Role::ALL {
        let usual = usual(role);
        for name in usual.names {
            known.entry(column(name)).or_default().strong |= bit(role);
        }
        for name in usual.weak {
            known.entry(column(name)).or_default().weak |= bit(role);
        }
    }
    known
});

/// The column with a usual name. A way into an object is taken where the column is there; whether
/// it leads anywhere is seen in each row.
fn named(names: &Names<'_>, usual: &str) -> Option<Path> {
    let mut parts = usual.split('.');
    let column = names.find(parts.next()?)?;
    Some(Path {
        column: column.clone(),
        inner: parts.map(String::from).collect(),
    })
}

/// Where there is another address, a `uri` is the article's key.
pub(super) fn uri_is_an_id(claims: &mut Vec<Claim>) {
    if claims.iter().any(|claim| claim.role == Role::Id) {
        return;
    }
    let Some(url) = claims.iter_mut().find(|claim| claim.role == Role::Url) else {
        return;
    };
    let is_uri = |path: &Path| plain(&path.column) == URI;
    if url.paths.len() > 1
        && let Some(at) = url.paths.iter().position(is_uri)
    {
        let paths = vec![url.paths.remove(at)];
        claims.push(Claim {
            role: Role::Id,
            paths,
            joined: false,
            set: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is a usual name is found, alone and beside others, as it is written in data sets too.
    #[test]
    fn every_usual_name_is_found() {
        for role in Role::ALL {
            let usual = usual(role);
            let all = usual.names.iter().map(|name| (name, true));
            for (name, is_strong) in all.chain(usual.weak.iter().map(|name| (name, false))) {
                let column = name.split('.').next().unwrap_or_default();
                for written in [column.to_string(), column.to_uppercase()] {
                    if plain(&written) != column {
                        continue;
                    }
                    let columns = ["x1".to_string(), written.clone()];
                    let names = Names::of(&columns);
                    let found = if is_strong {
                        strong(&names, role)
                    } else {
                        weak(&names, role).map(|(_, path)| path).collect()
                    };
                    let is_it = |path: &Path| path.column == written;
                    // A message is a text in a post alone.
                    assert!(found.iter().any(is_it) || **name == *MESSAGE, "{name}");
                }
            }
        }
    }
}
