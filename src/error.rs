//! The one error type of the library.

use std::path::{Path, PathBuf};

/// What can go wrong, in words that name the file, the row or the option concerned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An input file, or one row of it, cannot be used.
    #[error("{}: {message}", at(path, *row))]
    Input {
        /// The input file, `-` for standard input.
        path: String,
        /// The row, from 1: a line of a text format, a record of Parquet.
        row: Option<u64>,
        /// What is wrong and what to do.
        message: String,
    },
    /// An option or argument has a value that cannot be used.
    #[error("{option}: {message}")]
    Usage {
        /// The option as the user writes it.
        option: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A model, its files or its configuration cannot be used.
    #[error("model {model}: {message}")]
    Model {
        /// The model's id or folder.
        model: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A device cannot be used.
    #[error("device {device}: {message}")]
    Device {
        /// The device as the user names it.
        device: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A corpus file cannot be opened, read or written.
    #[error("corpus {}: {message}", path.display())]
    Corpus {
        /// The corpus file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// A filter expression does not parse or names an unknown field.
    #[error("--where: {message}, at character {position}: {snippet}")]
    Filter {
        /// What is wrong.
        message: String,
        /// Where, in characters from 1.
        position: usize,
        /// The expression from there on.
        snippet: String,
    },
    /// Nothing in the corpus has this id.
    #[error("no article has the id {0:?}; `nearwise search` and `nearwise export` show ids")]
    UnknownArticle(String),
    /// The user asked to stop. What was committed is kept.
    #[error(
        "stopped; everything committed so far is kept, and the same command goes on from there"
    )]
    Interrupted,
    /// The store failed in a way that has no better words.
    #[error("store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A tensor operation failed.
    #[error("tensor: {0}")]
    Candle(#[from] candle_core::Error),
    /// Clustering failed.
    #[error("topics: {0}")]
    Topics(String),
}

/// The library's result type.
pub type Result<T> = std::result::Result<T, Error>;

fn at(path: &str, row: Option<u64>) -> String {
    match row {
        Some(row) => format!("{path}:{row}"),
        None => path.to_string(),
    }
}

impl Error {
    /// An operating-system error at `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().to_path_buf(),
            source,
        }
    }

    /// An unusable input file or row.
    pub fn input(path: impl Into<String>, row: Option<u64>, message: impl Into<String>) -> Self {
        Self::Input {
            path: path.into(),
            row,
            message: message.into(),
        }
    }

    /// An unusable option value.
    pub fn usage(option: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Usage {
            option: option.into(),
            message: message.into(),
        }
    }

    /// A topic that is not there.
    pub fn unknown_topic(id: i64) -> Self {
        Self::usage(
            "TOPIC",
            format!("there is no topic {id}; see `nearwise topics`"),
        )
    }

    /// An unusable model.
    pub fn model(model: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Model {
            model: model.into(),
            message: message.into(),
        }
    }

    /// An unusable corpus file.
    pub fn corpus(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Corpus {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
        }
    }
}
