//! The one error type of the library: a kind that a program acts on, a sentence that a person
//! understands, and the error behind it.

use crate::line::cleaned;
use std::fmt;
use std::path::Path;

/// What went wrong, for a program: which status to answer, what to try.
///
/// More kinds may come; match with a wildcard arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file or folder could not be read or written.
    Io,
    /// The disk or a quota is full. What was committed is kept.
    DiskFull,
    /// Something cannot be written: a file, its folder, or its file system is read-only.
    ReadOnly,
    /// An input file, or one row of it, cannot be used.
    InvalidInput,
    /// A parameter has a value that cannot be used; the name is that of the option's field or of
    /// the function's argument.
    InvalidParameter(&'static str),
    /// A filter does not parse, or names a field that the corpus does not have.
    InvalidFilter {
        /// Where in its text, in characters from 1; 0 for a filter that was no text.
        position: usize,
    },
    /// Something that was asked for is not there.
    NotFound(Missing),
    /// A corpus was to be created where there is a file already.
    AlreadyExists,
    /// Another writer holds the corpus, in this process or another; try again later.
    Busy,
    /// Vectors of another model, or computed with another dtype, cannot be mixed with those of
    /// the corpus.
    WrongModel,
    /// A file is no corpus: it is of another program, or of a newer version of this one.
    NotACorpus,
    /// A file is damaged.
    Damaged,
    /// A model, its files or its configuration cannot be used.
    Model,
    /// A download failed or the network is not to be used.
    Network,
    /// A device cannot be used, or failed.
    Device,
    /// A computation has no result, such as a clustering that found no cluster.
    NoResult,
    /// The caller cancelled the job. What was committed is kept.
    Cancelled,
    /// Nearwise broke one of its own rules. Please report it.
    Internal,
}

/// What [`ErrorKind::NotFound`] did not find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// The corpus file.
    Corpus,
    /// An article with this id.
    Article,
    /// A topic with this number.
    Topic,
    /// Any topic: none were found in the corpus yet.
    Topics,
    /// Vectors: nothing in the corpus is embedded yet, or the article in question is not.
    Vectors,
    /// A model of this name.
    Model,
    /// An input file, or any article in the input.
    Input,
}

/// What can go wrong.
///
/// [`Error::kind`] is for programs, the text ([`std::fmt::Display`]) for people: one line that
/// names the file, the row or the parameter and what is wrong. It never names an option of the
/// command line.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// The file, row, parameter or device concerned.
    place: String,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The library's result type.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.place, self.message)
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

impl Error {
    /// An error of a kind, at a place (a file, a parameter, a device; may be empty), with a
    /// sentence that says what is wrong.
    pub fn new(kind: ErrorKind, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            place: one_line(place.into()),
            message: one_line(message.into()),
            source: None,
        }
    }

    /// Keeps the error behind this one.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong, for a program.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file, row, parameter, model or device concerned; empty where there is none.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the caller cancelled the job.
    pub fn is_cancelled(&self) -> bool {
        self.kind == ErrorKind::Cancelled
    }

    /// An error of the operating system at `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match source.kind() {
            Io::StorageFull | Io::QuotaExceeded => ErrorKind::DiskFull,
            Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            _ => ErrorKind::Io,
        };
        let place = path.as_ref().display().to_string();
        Self::new(kind, place, source.to_string()).with_source(source)
    }

    /// An input file or row that cannot be used. Rows count from 1.
    pub fn input(path: impl Into<String>, row: Option<u64>, message: impl Into<String>) -> Self {
        let path = path.into();
        let place = match row {
            Some(row) => format!("{path}:{row}"),
            None => path,
        };
        Self::new(ErrorKind::InvalidInput, place, message)
    }

    /// A parameter with a value that cannot be used.
    pub fn parameter(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameter(name), name, message)
    }

    /// No article has this id.
    pub fn unknown_article(id: &str) -> Self {
        Self::new(
            ErrorKind::NotFound(Missing::Article),
            "",
            format!("no article has the id {id:?}"),
        )
    }

    /// No topic has this number.
    pub fn unknown_topic(id: i64) -> Self {
        Self::new(
            ErrorKind::NotFound(Missing::Topic),
            "",
            format!("there is no topic {id}"),
        )
    }

    /// A model that cannot be used.
    pub fn model(model: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Model, format!("model {model}"), message)
    }

    /// A device that cannot be used.
    pub fn device(device: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Device, format!("device {device}"), message)
    }

    /// A corpus that cannot be opened, read or written.
    pub fn corpus(kind: ErrorKind, path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::new(kind, format!("corpus {}", path.as_ref().display()), message)
    }

    /// A computation without a result.
    pub fn no_result(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NoResult, "", message)
    }

    /// The caller cancelled the job.
    pub fn cancelled() -> Self {
        Self::new(
            ErrorKind::Cancelled,
            "",
            "stopped; everything committed so far is kept",
        )
    }

    /// A rule of our own that does not hold.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "internal error", message)
    }
}

/// Messages repeat what files say, such as names of columns; an error is one line all the same.
fn one_line(text: String) -> String {
    cleaned(text.into()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_line_a_kind_and_a_source() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::io("a.txt", full);
        assert_eq!(error.kind(), ErrorKind::DiskFull);
        assert!(error.to_string().starts_with("a.txt: "));
        assert!(error.source().is_some());
        let row = Error::input("a.csv", Some(3), "no text");
        assert_eq!(row.to_string(), "a.csv:3: no text");
        assert_eq!(Error::unknown_topic(4).to_string(), "there is no topic 4");
    }
}
