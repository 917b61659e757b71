//! From articles to a corpus with vectors: add, then embed, both resumable.
//!
//! Adding stores every article and marks what is new or changed as pending; embedding takes
//! the pending ones in order, a chunk at a time, each chunk one transaction. Whatever
//! interrupts a run, the next one resumes after the last transaction and ends with the same
//! corpus, row for row. Memory holds one chunk, however large the corpus.
//!
//! Articles come from any iterator ([`Writer::add`]) or from files ([`Writer::add_files`]), and
//! may bring vectors of their own ([`crate::store::NewArticle`]).

mod add;
mod ahead;
mod embed;
mod encoder;
mod prepare;
mod readable;
mod stages;

pub use embed::{Known, KnownVectors};
pub use prepare::{Prepared, article_vector, prepare};

use crate::corpus::{Input, ReadOptions};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::job::{Job, NoteKind};
use crate::store::Writer;

/// How files become articles of a corpus.
#[derive(Debug, Clone, Default)]
pub struct IndexOptions {
    /// How inputs are read.
    pub read: ReadOptions,
    /// Leave out files and rows that cannot be used, instead of stopping at the first.
    pub skip_bad: bool,
    /// Remove articles that came from these inputs and are no longer there. What could not be read,
    /// or held nothing, loses nothing.
    pub prune: bool,
    /// Prune also where that removes more than half of the articles known from these inputs;
    /// otherwise [`Report::not_pruned`] says how many there are.
    pub prune_most: bool,
    /// What is put in front of the ids that rows give, to tell inputs apart that number their
    /// articles alike.
    pub id_prefix: String,
    /// Let an article replace one of the same id that came from elsewhere; otherwise both are kept.
    pub replace: bool,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Report {
    /// Articles read.
    pub read: u64,
    /// Of these, new ones.
    pub new: u64,
    /// Those whose text, title or source changed.
    pub changed: u64,
    /// Those of which only the date, address or metadata changed.
    pub described: u64,
    /// Those that were as before.
    pub same: u64,
    /// Articles that got another id than their input gave, because one from elsewhere has it.
    pub renamed: u64,
    /// Articles removed by pruning.
    pub pruned: u64,
    /// Articles that pruning would have removed, but that are most of those known.
    pub not_pruned: u64,
    /// Files and rows that were left out.
    pub bad: u64,
    /// Articles embedded.
    pub embedded: u64,
    /// Passages embedded.
    pub passages: u64,
    /// Tokens computed.
    pub tokens: u64,
    /// Of the articles embedded, those that the model cannot read: most of their tokens are unknown
    /// to it, or their script is none of its languages'.
    pub unread: u64,
    /// Paragraphs that recur in a source and are kept out of the vectors of an article.
    pub recurring_paragraphs: u64,
    /// Seconds spent on reading and storing articles.
    pub reading_seconds: f64,
    /// Seconds spent on embedding, with storing vectors.
    pub embedding_seconds: f64,
}

impl Writer {
    /// Reads the inputs into the corpus and embeds what is new or changed: [`Writer::add_files`],
    /// then [`Writer::embed`].
    ///
    /// # Errors
    /// As those; the corpus belongs to another model, which is found before anything is read.
    /// Whatever was committed before stays.
    pub fn index(
        &mut self,
        encoder: &Encoder,
        inputs: &[Input],
        options: &IndexOptions,
        job: &Job,
    ) -> Result<Report> {
        self.check_encoder(encoder)?;
        let before = self.prompts()?;
        let mut report = self.add_files(inputs, options, job)?;
        let embedded = self.embed(encoder, job)?;
        report.embedded = embedded.embedded;
        report.passages = embedded.passages;
        report.tokens = embedded.tokens;
        report.unread = embedded.unread;
        report.recurring_paragraphs = embedded.recurring_paragraphs;
        report.embedding_seconds = embedded.embedding_seconds;
        if let (Some(before), Some(now)) = (before, self.prompts()?)
            && before.query != now.query
        {
            let text = format!(
                "queries of this corpus have {:?} in front of them from now on, in place of {:?}",
                now.query, before.query
            );
            job.note(NoteKind::Model, text);
        }
        Ok(report)
    }
}
