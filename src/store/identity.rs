//! Which stored article an article of the input is: the one that came from the same place before,
//! or a new one.
//!
//! An id names one article of one origin. An article never takes the place of one that came from
//! elsewhere, whatever ids their files give: the later one gets as much of its path in front of its
//! id as tells the two apart. What was decided once is found again in every later run, from
//! whatever folder it is started.

use crate::corpus::Article;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;

/// What an article of the input is to the corpus.
pub(super) enum Known {
    /// One that is stored.
    Stored {
        stored: Stored,
        /// Whether it keeps the origin that it has, because its file is still there.
        stays: bool,
    },
    /// A new one.
    New {
        id: String,
        /// The id that its input gave, where it could not have it.
        own: Option<String>,
        /// Where the article comes from that has the input's id.
        taken_by: Option<String>,
    },
    /// Its id stood in this run's input before.
    Repeated,
}

/// What is stored under an id.
pub(super) struct Stored {
    pub key: i64,
    pub id: String,
    pub origin: String,
    pub row: Option<u64>,
    pub hash: Vec<u8>,
    date: Option<String>,
    url: Option<String>,
    meta: String,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            id: row.get(1)?,
            origin: row.get(2)?,
            row: row.get(3)?,
            hash: row.get(4)?,
            date: row.get(5)?,
            url: row.get(6)?,
            meta: row.get(7)?,
        })
    }

    /// Whether it is the article that its origin now gives again.
    fn again(self, c: &Connection) -> rusqlite::Result<Known> {
        if is_seen(c, &self.id)? {
            return Ok(Known::Repeated);
        }
        Ok(self.known(false))
    }

    fn known(self, stays: bool) -> Known {
        Known::Stored {
            stored: self,
            stays,
        }
    }

    /// Whether it is the article itself, wherever that stands.
    pub(super) fn equals(&self, article: &Article, hash: &[u8; 32], meta: &str) -> bool {
        self.hash == hash
            && self.date == article.date
            && self.url == article.url
            && self.meta == meta
    }
}

const SELECT: &str =
    "SELECT id, ext_id, origin, row, content_hash, date, url, meta FROM article WHERE ";

fn by_id(c: &Connection, id: &str) -> rusqlite::Result<Option<Stored>> {
    c.prepare_cached(&format!("{SELECT} ext_id = ?1"))?
        .query_row([id], Stored::read)
        .optional()
}

/// Whether this run met an article of this id before.
fn is_seen(c: &Connection, id: &str) -> rusqlite::Result<bool> {
    c.prepare_cached("SELECT 1 FROM temp.seen WHERE ext_id = ?1")?
        .exists([id])
}

/// Notes that an article is told by another file as well.
pub(super) fn also(c: &Connection, key: i64, article: &Article) -> rusqlite::Result<()> {
    c.prepare_cached("INSERT OR IGNORE INTO temp.told (article, origin) VALUES (?1, ?2)")?
        .execute(params![key, article.origin])?;
    c.prepare_cached(
        "INSERT INTO also_told (article, origin, row) VALUES (?1, ?2, ?3)
         ON CONFLICT (article, origin) DO UPDATE SET row = ?3 WHERE row IS NOT ?3",
    )?
    .execute(params![key, article.origin, article.row])?;
    Ok(())
}

/// Notes that a file tells an article no longer as its origin does, or is that now.
pub(super) fn not_also(c: &Connection, key: i64, origin: &str) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM also_told WHERE article = ?1 AND origin = ?2")?
        .execute(params![key, origin])?;
    Ok(())
}

/// Notes that this run met an article of this id; `false` where it had.
pub(super) fn see(c: &Connection, id: &str) -> rusqlite::Result<bool> {
    let rows = c
        .prepare_cached("INSERT OR IGNORE INTO temp.seen (ext_id) VALUES (?1)")?
        .execute([id])?;
    Ok(rows > 0)
}

/// Finds out which article it is. `hash` is that of its content, `meta` its metadata as they are
/// stored, and `replace` lets it take the place of one of the same id from elsewhere.
pub(super) fn resolve(
    c: &Connection,
    article: &Article,
    hash: &[u8; 32],
    meta: &str,
    replace: bool,
) -> rusqlite::Result<Known> {
    match &article.id {
        Some(id) if article.row.is_none() && ends_with(&article.origin, id) => {
            of_a_file(c, article, id, hash)
        }
        Some(id) => given(c, article, id, hash, meta, replace),
        None => of_its_content(c, article, hash, meta),
    }
}

/// An article that is a file, under the end of its path.
fn of_a_file(
    c: &Connection,
    article: &Article,
    id: &str,
    hash: &[u8; 32],
) -> rusqlite::Result<Known> {
    let stored = c
        .prepare_cached(&format!(
            "{SELECT} origin = ?1 AND row IS NULL ORDER BY id LIMIT 1"
        ))?
        .query_row([&article.origin], Stored::read)
        .optional()?;
    if let Some(stored) = stored {
        return stored.again(c);
    }
    let longer = ends(&article.origin).filter(|end| end.len() > id.len());
    for end in std::iter::once(id.to_string()).chain(longer) {
        match by_id(c, &end)? {
            None => return Ok(new(end)),
            // The file was moved: nothing is lost where it takes its old self's place.
            Some(old) if old.hash == hash && gone(&old.origin) && !is_seen(c, &end)? => {
                return Ok(old.known(false));
            }
            Some(_) => {}
        }
    }
    free(c, &article.origin).map(new)
}

/// An article whose input gives its id.
fn given(
    c: &Connection,
    article: &Article,
    id: &str,
    hash: &[u8; 32],
    meta: &str,
    replace: bool,
) -> rusqlite::Result<Known> {
    // Who adds an article without saying whence means the article of that id.
    let anyhow = article.origin.is_empty() || replace;
    let holder = match by_id(c, id)? {
        // Also one that this run met before: the later of two inputs counts.
        Some(stored) if replace && !article.origin.is_empty() => return Ok(stored.known(false)),
        Some(stored) if anyhow || stored.origin == article.origin => return stored.again(c),
        holder => holder,
    };
    let renamed = c
        .prepare_cached(&format!("{SELECT} origin = ?1 AND own_id = ?2 LIMIT 1"))?
        .query_row(params![article.origin, id], Stored::read)
        .optional()?;
    if let Some(stored) = renamed {
        return stored.again(c);
    }
    let Some(holder) = holder else {
        return Ok(new(id.to_string()));
    };
    if holder.equals(article, hash, meta) {
        if gone(&holder.origin) {
            return holder.again(c);
        }
        // That its origin was met in this run says nothing about this input.
        let here = format!("{}\0{id}", article.origin);
        return if see(c, &here)? {
            Ok(holder.known(true))
        } else {
            Ok(Known::Repeated)
        };
    }
    // It tells another article now, if it told this one.
    not_also(c, holder.key, &article.origin)?;
    let mut longer = None;
    for end in ends(&article.origin) {
        let candidate = format!("{end}/{id}");
        if by_id(c, &candidate)?.is_none() {
            longer = Some(candidate);
            break;
        }
    }
    let longer = match longer {
        Some(longer) => longer,
        None => free(c, &format!("{}/{id}", article.origin))?,
    };
    Ok(Known::New {
        id: longer,
        own: Some(id.to_string()),
        taken_by: Some(holder.origin),
    })
}

/// An article without an id: its content's hash, with a number where rows are alike.
fn of_its_content(
    c: &Connection,
    article: &Article,
    hash: &[u8; 32],
    meta: &str,
) -> rusqlite::Result<Known> {
    let base = crate::model::hex(&hash[..6]);
    // Rows that are alike are numbered; each begins behind the last, or many would take the square.
    let place = format!("{}\0{base}", article.origin);
    let last: i64 = c
        .prepare_cached("SELECT n FROM temp.copies WHERE place = ?1")?
        .query_row([&place], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let mut copy = last;
    loop {
        copy += 1;
        let id = match copy {
            1 => base.clone(),
            n => format!("{base}-{n}"),
        };
        let known = match by_id(c, &id)? {
            None => new(id),
            Some(stored) if stored.origin == article.origin => {
                if is_seen(c, &id)? {
                    continue;
                }
                stored.known(false)
            }
            Some(stored) if stored.equals(article, hash, meta) => {
                // Told by another file, which has the first number, and keeps it.
                let stays = !gone(&stored.origin);
                return Ok(stored.known(stays));
            }
            Some(_) => continue,
        };
        c.prepare_cached("INSERT OR REPLACE INTO temp.copies (place, n) VALUES (?1, ?2)")?
            .execute(params![place, copy])?;
        return Ok(known);
    }
}

fn new(id: String) -> Known {
    Known::New {
        id,
        own: None,
        taken_by: None,
    }
}

/// `name`, or `name` with the first number behind it that no article has.
fn free(c: &Connection, name: &str) -> rusqlite::Result<String> {
    let mut id = name.to_string();
    let mut n = 1;
    while by_id(c, &id)?.is_some() {
        n += 1;
        id = format!("{name}-{n}");
    }
    Ok(id)
}

/// The ends of a path, from its last part to the whole of it, with `/` between parts.
fn ends(path: &str) -> impl Iterator<Item = String> {
    let path = slashes(path);
    let mut from: Vec<usize> = path
        .match_indices('/')
        .map(|(at, _)| at + 1)
        .filter(|at| *at < path.len())
        .collect();
    from.push(0);
    from.sort_unstable();
    from.dedup();
    from.into_iter().rev().map(move |at| path[at..].to_string())
}

/// A path with `/` between its parts, on every system.
fn slashes(path: &str) -> String {
    if cfg!(windows) {
        path.replace('\\', "/")
    } else {
        path.to_string()
    }
}

/// Whether an id is the end of a path.
fn ends_with(path: &str, id: &str) -> bool {
    let path = slashes(path);
    path.strip_suffix(id)
        .is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// Whether a file is certainly not there any more. A member of an archive is there as long as the
/// archive is; what cannot be looked at may be there.
fn gone(origin: &str) -> bool {
    let path = Path::new(origin);
    if !path.is_absolute() {
        return false;
    }
    for part in path.ancestors() {
        match part.symlink_metadata() {
            Ok(found) => return found.is_dir() && part != path,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            // Below a file: this is a member of an archive.
            Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_a_path() {
        let all: Vec<String> = ends("/news/b/report.txt").collect();
        assert_eq!(
            all,
            [
                "report.txt",
                "b/report.txt",
                "news/b/report.txt",
                "/news/b/report.txt"
            ]
        );
        assert_eq!(ends("-").collect::<Vec<_>>(), ["-"]);
        assert_eq!(ends("").collect::<Vec<_>>(), [""]);
        assert!(ends_with("/news/b/report.txt", "b/report.txt"));
        assert!(ends_with("/news/b/report.txt", "/news/b/report.txt"));
        assert!(!ends_with("/news/b/report.txt", "port.txt"));
        assert_eq!(ends_with("C:\\news\\a.txt", "news/a.txt"), cfg!(windows));
    }

    #[test]
    fn what_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("a.zip"), "x").unwrap();
        assert!(!gone(&path("a.zip")));
        assert!(!gone(&path("a.zip/inner.txt")), "the archive is there");
        assert!(gone(&path("b.txt")));
        assert!(gone(&path("no/b.txt")));
        assert!(!gone("-") && !gone("") && !gone("https://example.test/x"));
    }
}
