//! What the readers' own tests read into.

use super::Context;
use crate::corpus::inputs::ReadOptions;
use crate::corpus::{Article, ColumnReport, Note, Sink};
use crate::error::{Error, Result};

/// What reading gave.
#[derive(Default)]
pub(super) struct Seen {
    pub articles: Vec<Article>,
    pub bad: Vec<String>,
    pub notes: Vec<String>,
    pub columns: Option<ColumnReport>,
}

impl Sink for Seen {
    fn article(&mut self, article: Article) -> Result<()> {
        self.articles.push(article);
        Ok(())
    }

    fn bad(&mut self, problem: Error) -> Result<()> {
        self.bad.push(problem.to_string());
        Ok(())
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note.to_string());
        if let Note::Columns(report) = note {
            self.columns = Some(report);
        }
    }

    fn incomplete(&mut self, _: &str) {}
}

impl Seen {
    /// The texts, none of the rows being bad.
    pub(super) fn texts(&self) -> Vec<&str> {
        assert_eq!(self.bad, [""; 0]);
        self.articles.iter().map(|a| a.text.as_str()).collect()
    }

    /// Texts and rows, nothing being bad.
    pub(super) fn good(&self) -> Vec<(&str, u64)> {
        assert_eq!(self.bad, [""; 0]);
        self.pairs()
    }

    /// Texts and rows.
    pub(super) fn pairs(&self) -> Vec<(&str, u64)> {
        self.articles
            .iter()
            .map(|a| (a.text.as_str(), a.row.unwrap()))
            .collect()
    }

    pub(super) fn rows(&self) -> Vec<u64> {
        self.articles.iter().map(|a| a.row.unwrap()).collect()
    }
}

/// What a reader makes of an input of this name.
pub(super) fn seen(
    name: &str,
    options: &ReadOptions,
    read: impl FnOnce(&mut Context<'_>) -> Result<()>,
) -> Seen {
    let mut seen = Seen::default();
    let mut context = Context::new(name, name, Some(name.to_string()), options, &mut seen);
    let outcome = read(&mut context);
    drop(context);
    outcome.unwrap();
    seen
}
