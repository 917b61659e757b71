//! Where the articles that are clustered are read from: memory, or a corpus.

use crate::corpus::boilerplate;
use crate::error::{Error, ErrorKind, Missing, Result};
use crate::store::Reader;

/// An article as [`super::find()`] takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Document<'a> {
    /// Its title; may be empty.
    pub title: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl<'a> From<&'a str> for Document<'a> {
    /// A text without a title.
    fn from(text: &'a str) -> Self {
        Self { title: "", text }
    }
}

impl<'a> From<(&'a str, &'a str)> for Document<'a> {
    /// A title and a text.
    fn from((title, text): (&'a str, &'a str)) -> Self {
        Self { title, text }
    }
}

/// Articles by the rows of their vectors. Texts are read one at a time when labels need them, so
/// that not all are held in memory.
pub(super) trait Articles {
    /// Whether there are texts to make labels of.
    fn have_texts(&self) -> bool;

    /// An article's title, and its text without boilerplate.
    fn read(&self, row: usize) -> Result<(String, String)>;

    /// Its title; the beginning of its text where it has none.
    fn heading(&self, row: usize) -> Result<String>;

    /// The row of the article that the user knows by `id`.
    fn row_of(&self, id: &str) -> Result<usize>;
}

/// Articles that the caller holds; none, or one for each row. Their ids are their rows.
pub(super) struct InMemory<'a, 'b> {
    pub documents: &'a [Document<'b>],
    pub rows: usize,
}

impl Articles for InMemory<'_, '_> {
    fn have_texts(&self) -> bool {
        !self.documents.is_empty()
    }

    fn read(&self, row: usize) -> Result<(String, String)> {
        let document = self.documents.get(row).copied().unwrap_or_default();
        Ok((document.title.to_string(), document.text.to_string()))
    }

    fn heading(&self, row: usize) -> Result<String> {
        /// As many as the store gives.
        const CHARACTERS: usize = 200;
        let document = self.documents.get(row).copied().unwrap_or_default();
        Ok(match document.title {
            "" => document.text.chars().take(CHARACTERS).collect(),
            title => title.to_string(),
        })
    }

    fn row_of(&self, id: &str) -> Result<usize> {
        let row = id.parse().ok().filter(|&row| row < self.rows);
        row.ok_or_else(|| Error::unknown_article(id))
    }
}

/// Articles of a corpus; `keys` are the store's rows, ascending.
pub(super) struct InCorpus<'a> {
    pub reader: &'a Reader,
    pub keys: &'a [i64],
}

impl Articles for InCorpus<'_> {
    fn have_texts(&self) -> bool {
        true
    }

    fn read(&self, row: usize) -> Result<(String, String)> {
        let article = self.reader.article_at(self.keys[row])?;
        let text = boilerplate::without(&article.text, &article.boilerplate);
        Ok((article.title, text))
    }

    fn heading(&self, row: usize) -> Result<String> {
        Ok(self.reader.described_at(self.keys[row])?.title)
    }

    fn row_of(&self, id: &str) -> Result<usize> {
        let key = self.reader.key_of(id)?;
        self.keys.binary_search(&key).map_err(|_| {
            Error::new(
                ErrorKind::NotFound(Missing::Vectors),
                "",
                format!("article {id:?} is not embedded yet"),
            )
        })
    }
}
