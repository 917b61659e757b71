//! From the paths that a user names to articles, one at a time.

use super::article::Article;
use super::columns::{ColumnReport, Columns};
use super::formats::{Context, Format, TableOptions, read_file, read_unnamed};
use crate::error::{Error, Result};
use crate::job::NoteKind;
use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;
use std::path::{Path, PathBuf};

/// The name of the file in a folder that lists what to leave out, in gitignore's syntax.
const IGNORE_FILE: &str = ".nearwiseignore";

/// One thing to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file or a folder.
    Path(PathBuf),
}

impl Input {
    /// Understands an argument: `-`, a file, a folder, or a glob that the shell left alone.
    ///
    /// # Errors
    /// Nothing is there, or the glob is malformed or matches nothing.
    pub fn parse(argument: &str) -> Result<Vec<Self>> {
        if argument == "-" {
            return Ok(vec![Self::Stdin]);
        }
        let path = PathBuf::from(argument);
        if path.exists() {
            return Ok(vec![Self::Path(path)]);
        }
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
                return Err(Error::input(argument, None, "the pattern matches no file"));
            }
            return Ok(paths);
        }
        Err(Error::input(argument, None, "no such file or folder"))
    }

    /// What [`Article::origin`] begins with for articles of this input.
    ///
    /// # Errors
    /// The path cannot be resolved.
    pub fn origin(&self) -> Result<String> {
        match self {
            Self::Stdin => Ok("-".to_string()),
            Self::Path(path) => Ok(absolute(path)?.to_string_lossy().into_owned()),
        }
    }
}

/// How inputs are read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Columns that the user set.
    pub columns: Columns,
    /// The format, where names do not tell.
    pub format: Option<Format>,
    /// What to leave out of folders, in gitignore's syntax.
    pub exclude: Vec<String>,
    /// How tables in text form are read.
    pub table: TableOptions,
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
    /// A file in a folder is of no known format and was left out.
    LeftOut {
        /// The file.
        path: String,
    },
}

impl Note {
    /// Of what it tells.
    pub fn kind(&self) -> NoteKind {
        match self {
            Self::Columns(_) => NoteKind::Columns,
            Self::Encoding { .. } => NoteKind::Encoding,
            Self::LeftOut { .. } => NoteKind::LeftOut,
        }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Columns(report) => report.fmt(f),
            Self::Encoding { path, encoding } => write!(f, "{path}: read as {encoding}"),
            Self::LeftOut { path } => write!(f, "{path}: left out, of no known format"),
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
}

/// Reads every article of the inputs into the sink, in a fixed order.
///
/// Files of a folder come sorted by path. Hidden files, and what `.nearwiseignore` files or
/// [`ReadOptions::exclude`] name, are left out.
///
/// # Errors
/// A file cannot be opened or read; or the sink's own errors.
pub fn read(inputs: &[Input], options: &ReadOptions, sink: &mut dyn Sink) -> Result<()> {
    for input in inputs {
        match input {
            Input::Stdin => {
                read_stream(std::io::stdin(), "-", options, sink)?;
            }
            Input::Path(path) if path.is_dir() => read_folder(path, options, sink)?,
            Input::Path(path) => {
                let root = absolute(path)?;
                let id = file_name(&root);
                read_one(path, &root, id, options, true, sink)?;
            }
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
    let mut context = Context::new(name, name, None, &options.columns, sink);
    context.table = options.table;
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

fn read_folder(folder: &Path, options: &ReadOptions, sink: &mut dyn Sink) -> Result<()> {
    let mut overrides = OverrideBuilder::new(folder);
    for pattern in &options.exclude {
        // In overrides a plain pattern includes; gitignore's sense is the opposite.
        let inverted = match pattern.strip_prefix('!') {
            Some(included) => included.to_string(),
            None => format!("!{pattern}"),
        };
        overrides
            .add(&inverted)
            .map_err(|e| Error::parameter("exclude", e.to_string()))?;
    }
    let overrides = overrides
        .build()
        .map_err(|e| Error::parameter("exclude", e.to_string()))?;
    let walk = WalkBuilder::new(folder)
        .standard_filters(false)
        .hidden(true)
        .add_custom_ignore_filename(IGNORE_FILE)
        .overrides(overrides)
        .sort_by_file_path(Ord::cmp)
        .build();
    let root = absolute(folder)?;
    let root_name = file_name(&root);
    let mut any = false;
    for entry in walk {
        let entry =
            entry.map_err(|e| Error::input(folder.to_string_lossy(), None, e.to_string()))?;
        if !entry.file_type().is_some_and(|t| t.is_file()) {
            continue;
        }
        let path = entry.path();
        let inside = path.strip_prefix(folder).unwrap_or(path);
        let id = Path::new(&root_name)
            .join(inside)
            .to_string_lossy()
            .replace('\\', "/");
        any |= read_one(path, &root.join(inside), id, options, false, sink)?;
    }
    if !any {
        return sink.bad(Error::input(
            folder.to_string_lossy(),
            None,
            "no file of a known format in this folder; formats are txt, md, html, jsonl, csv, tsv and parquet, each also .gz or .zst",
        ));
    }
    Ok(())
}

/// Reads one file; `false` if it was left out.
fn read_one(
    path: &Path,
    absolute: &Path,
    id: String,
    options: &ReadOptions,
    named: bool,
    sink: &mut dyn Sink,
) -> Result<bool> {
    let shown = path.to_string_lossy().into_owned();
    let origin = absolute.to_string_lossy().into_owned();
    let (by_name, compression) = Format::of(path);
    // In a folder, --format says what unknown names are; a file named outright is what it says.
    let format = if named {
        options.format.or(by_name)
    } else {
        by_name.or(options.format)
    };
    match format {
        Some(format) => {
            let mut context = Context::new(&shown, &origin, Some(id), &options.columns, sink);
            context.table = options.table;
            read_file(path, format, compression, &mut context)?;
        }
        None if named => {
            let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
            let mut context = Context::new(&shown, &origin, Some(id), &options.columns, sink);
            context.table = options.table;
            read_unnamed(file, None, &mut context)?;
        }
        None => {
            sink.note(Note::LeftOut { path: shown });
            return Ok(false);
        }
    }
    Ok(true)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|e| Error::io(path, e))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}
