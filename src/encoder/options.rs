//! How texts are embedded, and what comes out.

use super::backend::{Call, Priority};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::model::Tokens;
use crate::vectors::normalize;
use rayon::prelude::*;

/// What is put in front of a text; many models tell queries from documents by it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Prompt {
    /// The model's prompt for what is searched for.
    Query,
    /// The model's prompt for what is found: documents and passages of them.
    #[default]
    Document,
    /// The model's prompt of this name.
    Named(String),
    /// The model's prompt for texts of which nothing is said, which most models have not.
    Default,
    /// This text.
    Text(String),
    /// Nothing.
    None,
}

/// What is done with a text of more tokens than the model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TooLong {
    /// Its end is cut off, and [`Vectors::texts`] says so.
    #[default]
    Cut,
    /// The call fails, and names the text.
    Refuse,
}

/// How texts are embedded. Made from a [`Prompt`] where the rest is as usual.
#[derive(Debug, Clone)]
pub struct EncodeOptions {
    pub(super) prompt: Prompt,
    pub(super) normalize: bool,
    pub(super) dimensions: Option<usize>,
    pub(super) too_long: TooLong,
    pub(super) call: Call,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            prompt: Prompt::default(),
            normalize: true,
            dimensions: None,
            too_long: TooLong::default(),
            call: Call::default(),
        }
    }
}

impl From<Prompt> for EncodeOptions {
    fn from(prompt: Prompt) -> Self {
        Self {
            prompt,
            ..Self::default()
        }
    }
}

impl EncodeOptions {
    /// As a document, to unit length, cut where it is too long, before bulk work.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is put in front of each text.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = prompt;
        self
    }

    /// Whether vectors are scaled to unit length, as they are by default. Without, they are what
    /// the model's own modules make of them: of unit length before they are cut where the last of
    /// these scales them.
    #[must_use]
    pub fn normalize(mut self, yes: bool) -> Self {
        self.normalize = yes;
        self
    }

    /// Keeps only the first values of each vector, for models trained for that (Matryoshka), in
    /// place of what the encoder keeps by default; at most as many as the model gives.
    #[must_use]
    pub fn dimensions(mut self, dimensions: Option<usize>) -> Self {
        self.dimensions = dimensions;
        self
    }

    /// What is done with a text of more tokens than the model takes.
    #[must_use]
    pub fn too_long(mut self, what: TooLong) -> Self {
        self.too_long = what;
        self
    }

    /// Lets queries pass: for work that nobody waits for text by text.
    #[must_use]
    pub fn bulk(mut self) -> Self {
        self.call.priority = Priority::Bulk;
        self
    }

    /// Ends the call when the job is cancelled.
    #[must_use]
    pub fn job(mut self, job: &Job) -> Self {
        self.call.job = job.clone();
        self
    }

    /// The length of the vectors: of `full` values each before they are cut, of which `own` are
    /// kept by default.
    pub(super) fn length(&self, full: usize, own: usize) -> Result<usize> {
        match self.dimensions {
            None => Ok(own),
            Some(n) if (1..=full).contains(&n) => Ok(n),
            Some(n) => Err(Error::parameter(
                "dimensions",
                format!("{n} of vectors of {full} values; give 1 to {full}"),
            )),
        }
    }

    /// Cuts the vectors of `full` values, one behind another, to `length`, and scales them. What
    /// has unit length of its own has it before it is cut.
    pub(super) fn shape(
        &self,
        mut values: Vec<f32>,
        full: usize,
        length: usize,
        unit_length: bool,
    ) -> Vec<f32> {
        if unit_length && !self.normalize {
            normalize_all(&mut values, full);
        }
        if length < full {
            values = values
                .chunks_exact(full)
                .flat_map(|vector| &vector[..length])
                .copied()
                .collect();
        }
        if self.normalize {
            normalize_all(&mut values, length);
        }
        values
    }
}

/// Scales vectors of `dim` values each; many on all threads, as a device computes them faster than
/// one core scales them.
fn normalize_all(values: &mut [f32], dim: usize) {
    /// Values that one thread scales in some tenths of a millisecond.
    const PIECE: usize = 1 << 17;
    if values.len() <= PIECE {
        values.chunks_exact_mut(dim).for_each(normalize);
        return;
    }
    let piece = (PIECE / dim).max(1) * dim;
    values
        .par_chunks_mut(piece)
        .for_each(|some| some.chunks_exact_mut(dim).for_each(normalize));
}

/// What was computed of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct TextTokens {
    /// Tokens computed, special tokens and prompt included.
    pub tokens: usize,
    /// Tokens that were cut off because the model takes no more; 0 where none were.
    pub cut: usize,
}

impl TextTokens {
    pub(super) fn of(tokens: &Tokens) -> Self {
        Self {
            tokens: tokens.ids.len(),
            cut: tokens.cut,
        }
    }
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// The values, `dim` for each text, in the order of the texts.
    pub values: Vec<f32>,
    /// The length of a vector.
    pub dim: usize,
    /// What was computed of each text.
    pub texts: Vec<TextTokens>,
}

impl Vectors {
    /// The vectors, one for each text.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim)
    }

    /// Tokens computed for all texts.
    pub fn tokens(&self) -> usize {
        self.texts.iter().map(|t| t.tokens).sum()
    }

    /// How many texts were cut.
    pub fn cut(&self) -> usize {
        self.texts.iter().filter(|t| t.cut > 0).count()
    }
}
