//! From the paths that a user names to articles, one at a time.

use super::article::Article;
use super::columns::{ColumnReport, Columns, NAME_THE_TEXT, Role};
use super::formats::{Context, Format, TableOptions, TextEncoding, read_file, read_unnamed};
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::job::NoteKind;
use crate::line::clean;
use ignore::WalkBuilder;
use ignore::overrides::{Override, OverrideBuilder};
use std::collections::{HashSet, VecDeque};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The name of the file in a folder that lists what to leave out, in gitignore's syntax.
const IGNORE_FILE: &str = ".nearwiseignore";

/// Why a pipe, a socket or a device in a folder is not read.
const NO_FILE: &str = "a pipe, socket or device; what it gives is read where it is named";

/// One thing to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file or a folder.
    Path(PathBuf),
    /// The pattern behind the paths before it. It is not read, but says what belongs to the input
    /// of what is there no longer.
    Pattern(OriginPattern),
}

/// A glob over origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern(glob::Pattern);

impl OriginPattern {
    /// The pattern of an argument; `None` where its folder cannot be looked at.
    fn of(argument: &str) -> Option<Self> {
        // Up to the first wildcard it is a path like any other.
        let wild = argument.find(['*', '?', '['])?;
        let cut = argument[..wild].rfind(std::path::is_separator);
        let (folder, rest) = match cut {
            Some(at) => (&argument[..=at], &argument[at + 1..]),
            None => (".", argument),
        };
        let folder = origin_of(&absolute(Path::new(folder)).ok()?);
        let pattern = format!(
            "{}{}{rest}",
            glob::Pattern::escape(folder.trim_end_matches(std::path::is_separator)),
            std::path::MAIN_SEPARATOR
        );
        glob::Pattern::new(&pattern).ok().map(Self)
    }

    /// Whether it matches an origin, or a folder that it lies in.
    pub(crate) fn covers(&self, origin: &str) -> bool {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            ..glob::MatchOptions::default()
        };
        let ends = origin
            .match_indices(std::path::is_separator)
            .map(|(at, _)| at);
        ends.chain([origin.len()])
            .any(|end| self.0.matches_with(&origin[..end], options))
    }
}

impl Input {
    /// Understands an argument: `-`, a file, a folder, or a glob that the shell left alone.
    ///
    /// # Errors
    /// Nothing is there, or the glob is malformed or matches nothing.
    pub fn parse(argument: impl AsRef<Path>) -> Result<Vec<Self>> {
        let path = argument.as_ref();
        if path == Path::new("-") {
            return Ok(vec![Self::Stdin]);
        }
        // What is there but cannot be looked at is found out when it is read.
        if !matches!(path.try_exists(), Ok(false)) {
            return Ok(vec![Self::Path(path.to_path_buf())]);
        }
        let argument = &*path.to_string_lossy();
        if argument.contains(['*', '?', '[']) {
            let matches = glob::glob(argument)
                .map_err(|e| Error::input(argument, None, format!("not a valid pattern ({e})")))?;
            let mut paths = Vec::new();
            for entry in matches {
                paths.push(Self::Path(entry.map_err(|e| {
                    let path = e.path().to_path_buf();
                    Error::io(path, e.into())
                })?));
            }
            if paths.is_empty() {
                return Err(not_there(argument, "the pattern matches no file"));
            }
            paths.extend(OriginPattern::of(argument).map(Self::Pattern));
            return Ok(paths);
        }
        Err(not_there(argument, "no such file or folder"))
    }

    /// What [`Article::origin`] begins with for articles of this input.
    ///
    /// # Errors
    /// The path cannot be resolved.
    pub fn origin(&self) -> Result<String> {
        match self {
            Self::Stdin => Ok("-".to_string()),
            Self::Path(path) => Ok(origin_of(&absolute(path)?)),
            Self::Pattern(pattern) => Ok(pattern.0.as_str().to_string()),
        }
    }
}

/// An argument where nothing is.
fn not_there(argument: &str, message: &str) -> Error {
    let missing = ErrorKind::NotFound(Missing::Input);
    Error::new(missing, argument, message)
}

/// How inputs are read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Columns that the user set.
    pub columns: Columns,
    /// The format, where names do not tell.
    pub format: Option<Format>,
    /// The encoding of files of text that begin with no mark of theirs; found in each by default. Mails, web
    /// archives and documents say theirs themselves.
    pub encoding: Option<TextEncoding>,
    /// What to leave out of folders, in gitignore's syntax.
    pub exclude: Vec<String>,
    /// How tables in text form are read.
    pub table: TableOptions,
    /// Give rows and objects of one input the ids that they bring along also where one comes again, for whoever
    /// lets the later replace the earlier; otherwise the later gets a number behind it.
    pub keep_ids: bool,
}

/// Something worth telling about an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// The columns and what they were taken for.
    Columns(ColumnReport),
    /// A file is not in UTF-8, and was read as this encoding.
    Encoding {
        /// The file.
        path: String,
        /// The encoding's name.
        encoding: &'static str,
    },
    /// Bytes of a file in UTF-8 that are none were replaced.
    Replaced {
        /// The file.
        path: String,
        /// How many places.
        count: u64,
    },
    /// Values could not be used as what their column is, and are kept as metadata.
    Unused {
        /// The file.
        path: String,
        /// What the column is.
        role: Role,
        /// How many values.
        count: u64,
        /// The first of them, shortened.
        example: String,
    },
    /// A file in a folder is of no known format and was left out.
    LeftOut {
        /// The file.
        path: String,
    },
    /// A link in a folder was not followed, or is no file: a pipe, a socket.
    Link {
        /// The link.
        path: String,
        /// What it is.
        why: &'static str,
    },
    /// Ids came again within an input, for other articles, which got a number behind theirs.
    Numbered {
        /// The input.
        path: String,
        /// How many.
        count: u64,
        /// The id of the first of them, as it was.
        own: String,
        /// And as it is.
        id: String,
    },
    /// Rows of a table end before its last columns, which are empty there.
    Short {
        /// The table.
        path: String,
        /// How many.
        count: u64,
    },
    /// A part of an input is ignored, such as what follows the end of compressed data.
    Ignored {
        /// The input.
        path: String,
        /// The part.
        what: String,
    },
}

impl Note {
    /// Of what it tells.
    pub fn kind(&self) -> NoteKind {
        match self {
            Self::Columns(_) => NoteKind::Columns,
            Self::Encoding { .. } | Self::Replaced { .. } => NoteKind::Encoding,
            Self::Unused { .. } => NoteKind::Unused,
            Self::LeftOut { .. } => NoteKind::LeftOut,
            Self::Link { .. } => NoteKind::Link,
            Self::Numbered { .. } => NoteKind::SameId,
            Self::Short { .. } => NoteKind::Columns,
            Self::Ignored { .. } => NoteKind::Ignored,
        }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Paths, members of archives and ids are whatever others called them.
        f.write_str(&clean(&self.text()))
    }
}

impl Note {
    fn text(&self) -> String {
        match self {
            Self::Columns(report) => report.to_string(),
            Self::Encoding { path, encoding } => format!("{path}: read as {encoding}"),
            Self::Replaced { path, count } => {
                let places = if *count == 1 { "place" } else { "places" };
                format!("{path}: not UTF-8 in {count} {places}, replaced by \u{fffd}")
            }
            Self::Unused {
                path,
                role,
                count,
                example,
            } => {
                let what = match (role, *count) {
                    (Role::Date, 1) => "1 date".to_string(),
                    (Role::Date, n) => format!("{n} dates"),
                    (role, 1) => format!("1 value of the {}", role.name()),
                    (role, n) => format!("{n} values of the {}", role.name()),
                };
                let kept = match *count {
                    1 => "could not be read and is kept as metadata",
                    _ => "could not be read and are kept as metadata, such as",
                };
                let comma = if *count == 1 { ":" } else { "" };
                format!("{path}: {what} {kept}{comma} {example:?}")
            }
            Self::LeftOut { path } => format!("{path}: left out, of no known format"),
            Self::Link { path, why } => format!("{path}: left out, {why}"),
            Self::Numbered {
                path,
                count,
                own,
                id,
            } => match count {
                1 => format!(
                    "{path}: the id {own:?} comes again for another article; both are kept, that one as {id:?}"
                ),
                n => format!(
                    "{path}: {n} ids come again for other articles, such as {own:?}; all are kept, these as {id:?} and so on"
                ),
            },
            Self::Short { path, count } => {
                let rows = if *count == 1 { "row has" } else { "rows have" };
                format!(
                    "{path}: {count} {rows} fewer fields than the first; what is missing is taken as empty"
                )
            }
            Self::Ignored { path, what } => format!("{path}: ignored: {what}"),
        }
    }
}

/// Where articles go.
pub trait Sink {
    /// Takes an article.
    ///
    /// # Errors
    /// Whatever stops the reading.
    fn article(&mut self, article: Article) -> Result<()>;
    /// Takes what is wrong with a file or row; an error stops, `Ok` goes on without it.
    ///
    /// # Errors
    /// Whatever stops the reading, usually the problem itself.
    fn bad(&mut self, problem: Error) -> Result<()>;
    /// Takes a note.
    fn note(&mut self, note: Note);
    /// Takes the origin of a file or folder that was not read, or not to its end: that an article of
    /// it did not come does not mean that it is gone.
    fn incomplete(&mut self, origin: &str);
}

/// Reads every article of the inputs into the sink, in a fixed order.
///
/// Files of a folder come sorted by path, each once, whatever names it has. Hidden files, and what
/// `.nearwiseignore` files or [`ReadOptions::exclude`] name, are left out. A link to a file is read
/// as that file; a link to a folder outside is followed once, after the rest of its folder. What
/// cannot be read, to the last file and folder, goes to [`Sink::bad`].
///
/// # Errors
/// The sink's own; a pattern of [`ReadOptions::exclude`] is malformed.
pub fn read(inputs: &[Input], options: &ReadOptions, sink: &mut dyn Sink) -> Result<()> {
    let mut walk = Walk {
        options,
        sink,
        files: HashSet::new(),
        folders: HashSet::new(),
    };
    for input in inputs {
        match input {
            Input::Stdin => walk.stdin()?,
            Input::Path(path) => walk.path(path)?,
            Input::Pattern(_) => {}
        }
    }
    Ok(())
}

/// Reads every article of a stream into the sink, such as an upload or an answer of the network.
/// `name` stands in messages and is the articles' origin; the format is `options.format`, else told
/// by the first bytes.
///
/// # Errors
/// The stream cannot be read; or the sink's own errors.
pub fn read_stream(
    stream: impl std::io::Read + 'static,
    name: &str,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut context = Context::new(name, name, None, options, sink);
    read_unnamed(stream, options.format, &mut context)
}

/// Reads a file that holds one article, or `-` for standard input.
///
/// # Errors
/// It cannot be read, and holds no article or several.
pub fn read_single(argument: &str) -> Result<Article> {
    struct Single {
        article: Option<Article>,
        more: bool,
    }
    impl Sink for Single {
        fn article(&mut self, article: Article) -> Result<()> {
            self.more |= self.article.is_some();
            self.article.get_or_insert(article);
            Ok(())
        }
        fn bad(&mut self, problem: Error) -> Result<()> {
            Err(problem)
        }
        fn note(&mut self, _: Note) {}
        fn incomplete(&mut self, _: &str) {}
    }
    let mut single = Single {
        article: None,
        more: false,
    };
    read(
        &Input::parse(argument)?,
        &ReadOptions::default(),
        &mut single,
    )?;
    if single.more {
        let message = "holds several articles; give a file of one";
        return Err(Error::input(argument, None, message));
    }
    let none = || Error::input(argument, None, "holds no article");
    single.article.ok_or_else(none)
}

/// A walk over the inputs.
struct Walk<'a> {
    options: &'a ReadOptions,
    sink: &'a mut dyn Sink,
    /// What was read, by its real path.
    files: HashSet<PathBuf>,
    /// The folders that were walked, by their real paths.
    folders: HashSet<PathBuf>,
}

impl Walk<'_> {
    fn stdin(&mut self) -> Result<()> {
        let options = self.options;
        self.guarded("-", "-", false, |sink| {
            let mut context = Context::new("-", "-", None, options, sink);
            read_unnamed(std::io::stdin(), options.format, &mut context)
        })?;
        Ok(())
    }

    /// A file or folder that the user named.
    fn path(&mut self, path: &Path) -> Result<()> {
        let real = match absolute(path) {
            Ok(real) => real,
            Err(e) => {
                self.sink.incomplete(&origin_of(path));
                return self.sink.bad(e);
            }
        };
        if real.is_dir() {
            return self.folder(path, real);
        }
        let id = file_name(&real);
        self.file(path, real, id, true)?;
        Ok(())
    }

    fn folder(&mut self, folder: &Path, root: PathBuf) -> Result<()> {
        let mut any = false;
        // Folders that links lead to, as they are shown and as they are.
        let mut queue = VecDeque::from([(folder.to_path_buf(), root.clone())]);
        while let Some((shown, real)) = queue.pop_front() {
            if self.folders.insert(real.clone()) {
                any |= self.one_folder(&shown, &real, &mut queue)?;
            } else {
                // The same folder was named twice, or lies in one that was.
                any = true;
            }
        }
        if !any {
            self.sink.incomplete(&origin_of(&root));
            return self.sink.bad(Error::input(
                folder.to_string_lossy(),
                None,
                format!(
                    "no file of a known format in this folder; {}",
                    Format::list()
                ),
            ));
        }
        Ok(())
    }

    /// Reads what lies in a folder; whether any file did.
    fn one_folder(
        &mut self,
        folder: &Path,
        root: &Path,
        queue: &mut VecDeque<(PathBuf, PathBuf)>,
    ) -> Result<bool> {
        let walk = WalkBuilder::new(folder)
            .standard_filters(false)
            .hidden(true)
            .add_custom_ignore_filename(IGNORE_FILE)
            .overrides(overrides(folder, &self.options.exclude)?)
            .sort_by_file_path(Ord::cmp)
            .build();
        let root_name = file_name(root);
        let mut any = false;
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => {
                    let place = place_of(&e).unwrap_or(folder).to_path_buf();
                    let inside = place.strip_prefix(folder).unwrap_or(Path::new(""));
                    self.sink.incomplete(&origin_of(&root.join(inside)));
                    let why = e
                        .io_error()
                        .map_or_else(|| e.to_string(), ToString::to_string);
                    self.sink
                        .bad(Error::input(place.to_string_lossy(), None, why))?;
                    any = true;
                    continue;
                }
            };
            let path = entry.path();
            let inside = path.strip_prefix(folder).unwrap_or(path);
            let Some(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_symlink() {
                any |= self.link(path, root, queue)?;
            } else if kind.is_dir() {
                if !inside.as_os_str().is_empty() {
                    let real = root.join(inside);
                    // As where a disk is not mounted: that nothing is there does not say that it
                    // was removed.
                    if std::fs::read_dir(path).is_ok_and(|mut all| all.next().is_none()) {
                        self.sink.incomplete(&origin_of(&real));
                    }
                    self.folders.insert(real);
                }
            } else if kind.is_file() {
                let id = id_of(&Path::new(&root_name).join(inside));
                any |= self.file(path, root.join(inside), id, false)?;
            } else {
                self.sink.note(Note::Link {
                    path: path.to_string_lossy().into_owned(),
                    why: NO_FILE,
                });
            }
        }
        Ok(any)
    }

    /// A link in a folder: a file is read, a folder is queued; whether it was either.
    fn link(
        &mut self,
        path: &Path,
        root: &Path,
        queue: &mut VecDeque<(PathBuf, PathBuf)>,
    ) -> Result<bool> {
        let shown = path.to_string_lossy().into_owned();
        let Ok(target) = std::fs::canonicalize(path) else {
            let why = "a link to nothing";
            let place = path.parent().and_then(|folder| absolute(folder).ok());
            if let (Some(folder), Some(name)) = (place, path.file_name()) {
                self.sink.incomplete(&origin_of(&folder.join(name)));
            }
            self.sink.note(Note::Link { path: shown, why });
            return Ok(false);
        };
        if target.is_dir() {
            let walked = target.starts_with(root)
                || root.starts_with(&target)
                || target.ancestors().any(|a| self.folders.contains(a));
            if walked {
                let why = "a link to a folder that is read anyway";
                self.sink.note(Note::Link { path: shown, why });
                return Ok(false);
            }
            queue.push_back((path.to_path_buf(), target));
            return Ok(false);
        }
        if !target.is_file() {
            self.sink.note(Note::Link {
                path: shown,
                why: NO_FILE,
            });
            return Ok(false);
        }
        if self.files.contains(&target) {
            let why = "a link to a file that was read";
            self.sink.note(Note::Link { path: shown, why });
            return Ok(false);
        }
        let id = match target.strip_prefix(root) {
            Ok(inside) => id_of(&Path::new(&file_name(root)).join(inside)),
            Err(_) => file_name(&target),
        };
        self.file(path, target, id, false)
    }

    /// Reads one file; `false` if it was left out.
    fn file(&mut self, path: &Path, real: PathBuf, id: String, named: bool) -> Result<bool> {
        let shown = path.to_string_lossy().into_owned();
        let origin = origin_of(&real);
        let options = self.options;
        let by_name = Format::of(path);
        // What a corpus keeps beside it is no article, and nothing to be told of.
        if !named && is_beside_a_corpus(path) {
            return Ok(false);
        }
        // In a folder, --format says what unknown names are; a file named outright is what it says.
        let given = options.format.filter(|_| named || by_name.is_none());
        if !self.files.insert(real) {
            return Ok(true);
        }
        // Folders have JSON of programs in them, such as their settings.
        let columns = &options.columns;
        let chosen = columns.text.is_some() || columns.title.is_some();
        let doubtful = !named && !chosen && by_name.is_none_or(|f| f == Format::Json);
        // Where the name says nothing, the content may; if neither does, it is left out.
        let unsure = !named && by_name.is_none() && given.is_none();
        self.guarded(&shown, &origin, doubtful, |sink| {
            let mut context = Context::new(&shown, &origin, Some(id), options, sink);
            read_file(path, given, unsure, &mut context)
        })
    }

    /// Reads one input. What is wrong with it is told to the sink, wherever it was found: an
    /// input's error is the sink's to judge, and only what the sink itself returns ends the walk.
    /// A `doubtful` input in which nothing is like an article is left out; `false` if that was so.
    fn guarded(
        &mut self,
        shown: &str,
        origin: &str,
        doubtful: bool,
        read: impl FnOnce(&mut dyn Sink) -> Result<()>,
    ) -> Result<bool> {
        let mut one = OneInput {
            sink: &mut *self.sink,
            stopped: false,
            bad: false,
            articles: 0,
            left_out: false,
            held: doubtful.then(Vec::new),
        };
        let outcome = read(&mut one);
        if let Some(problem) = one.held.as_ref().and_then(|held| held.first())
            && outcome.is_ok()
        {
            let what = format!("it holds no article ({})", problem.message());
            self.sink.incomplete(origin);
            self.sink.note(Note::Ignored {
                path: shown.to_string(),
                what,
            });
            return Ok(false);
        }
        if one.left_out && one.articles == 0 && outcome.is_ok() {
            self.sink.incomplete(origin);
            return Ok(false);
        }
        one.release()?;
        let OneInput {
            stopped,
            bad,
            articles,
            ..
        } = one;
        let failed = match outcome {
            Err(e) if stopped => return Err(e),
            Err(e) => Some(e),
            Ok(()) => None,
        };
        if bad || failed.is_some() || articles == 0 {
            self.sink.incomplete(origin);
        }
        match failed {
            // Temporary files need room, which is no fault of the input's.
            Some(e) if e.kind() == ErrorKind::DiskFull => return Err(e),
            Some(e) if e.kind() == ErrorKind::InvalidInput => self.sink.bad(e)?,
            Some(e) => {
                let problem = Error::input(shown, None, e.message().to_string());
                self.sink.bad(problem.with_source(e))?;
            }
            None => {}
        }
        Ok(true)
    }
}

/// So many problems of an input are held back until it is known whether it has articles.
const HELD: usize = 1000;

/// Watches what one input brings.
struct OneInput<'a> {
    sink: &'a mut dyn Sink,
    /// Whether the sink returned an error, which ends the walk.
    stopped: bool,
    bad: bool,
    articles: u64,
    /// Whether it, or a file in it, was of no known format.
    left_out: bool,
    /// Objects without anything like a text, in an input of which nothing else is known yet.
    held: Option<Vec<Error>>,
}

impl OneInput<'_> {
    /// It is an input like others: what was held back is told.
    fn release(&mut self) -> Result<()> {
        for problem in self.held.take().unwrap_or_default() {
            self.bad(problem)?;
        }
        Ok(())
    }

    fn heed(&mut self, outcome: Result<()>) -> Result<()> {
        self.stopped |= outcome.is_err();
        outcome
    }
}

impl Sink for OneInput<'_> {
    fn article(&mut self, article: Article) -> Result<()> {
        self.release()?;
        self.articles += 1;
        let outcome = self.sink.article(article);
        self.heed(outcome)
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        if let Some(held) = &mut self.held {
            if held.len() < HELD && problem.message().ends_with(NAME_THE_TEXT) {
                held.push(problem);
                return Ok(());
            }
            self.release()?;
        }
        self.bad = true;
        let outcome = self.sink.bad(problem);
        self.heed(outcome)
    }

    fn note(&mut self, note: Note) {
        self.left_out |= matches!(note, Note::LeftOut { .. });
        self.sink.note(note);
    }

    fn incomplete(&mut self, origin: &str) {
        self.sink.incomplete(origin);
    }
}

/// Whether a file is one that SQLite, the lock or the index of a corpus in this folder needs.
fn is_beside_a_corpus(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let base = ["-lock", "-wal", "-shm", "-journal", ".hnsw", ".hnsw.json"]
        .iter()
        .find_map(|end| name.strip_suffix(end));
    let is_corpus = |path: &Path| {
        let mut head = [0; 16];
        let read = std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut head));
        read.is_ok() && &head == b"SQLite format 3\0"
    };
    base.is_some_and(|base| is_corpus(&path.with_file_name(base)))
}

fn overrides(folder: &Path, exclude: &[String]) -> Result<Override> {
    let bad = |e: ignore::Error| Error::parameter("exclude", e.to_string());
    let mut overrides = OverrideBuilder::new(folder);
    for pattern in exclude {
        // In overrides a plain pattern includes; gitignore's sense is the opposite.
        let inverted = match pattern.strip_prefix('!') {
            Some(included) => included.to_string(),
            None => format!("!{pattern}"),
        };
        overrides.add(&inverted).map_err(bad)?;
    }
    overrides.build().map_err(bad)
}

/// The path that an error of the walk is about.
fn place_of(e: &ignore::Error) -> Option<&Path> {
    match e {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            place_of(err)
        }
        ignore::Error::Loop { child, .. } => Some(child),
        _ => None,
    }
}

/// A path without links. A pipe that the shell names (`<(zcat x)`, `/dev/stdin`) is there, but in no
/// folder.
fn absolute(path: &Path) -> Result<PathBuf> {
    let real = std::fs::canonicalize(path).or_else(|e| match path.metadata() {
        Ok(found) if !found.is_dir() => std::path::absolute(path),
        _ => Err(e),
    });
    real.map_err(|e| Error::io(path, e))
}

/// A path as an article's origin: its text, with bytes that are no text as `%NN`, so that two
/// files never have one origin.
fn origin_of(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A path inside the inputs as an id: the same on every system.
fn id_of(path: &Path) -> String {
    let parts: Vec<String> = path.iter().map(|part| origin_of(Path::new(part))).collect();
    parts.join("/")
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| origin_of(Path::new(name)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_no_bad_input() {
        for (argument, kind) in [
            ("no/such.csv", ErrorKind::NotFound(Missing::Input)),
            ("no/*.csv", ErrorKind::NotFound(Missing::Input)),
            ("no/[.csv", ErrorKind::InvalidInput),
        ] {
            let e = Input::parse(argument).unwrap_err();
            assert_eq!(e.kind(), kind, "{e}");
            assert_eq!(e.place(), argument);
        }
    }
}
