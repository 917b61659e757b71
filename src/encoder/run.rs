//! Many texts through a backend, whatever is made of its values.

use super::pipeline::Pipeline;
use super::{Backend, Call, Queue, TextTokens, plan};
use crate::error::{Error, Result};
use crate::model::Tokens;
use std::ops::Range;

/// Texts that are tokenized between two looks at the job.
const TOKENIZED: usize = 1024;

/// What texts are computed with.
pub(super) struct Run<'a> {
    pub backend: &'a dyn Backend,
    /// Tokens of a batch.
    pub budget: usize,
    /// The values of a text.
    pub dim: usize,
    /// The most tokens of a text.
    pub max_tokens: usize,
    /// The model's id, for messages.
    pub model: &'a str,
    pub call: &'a Call,
}

impl Run<'_> {
    /// The values of `count` texts, which `tokenize` gives the tokens of, a range at a time.
    ///
    /// # Errors
    /// The tokenizer or the device fails, or computes a value that is no finite number; the job
    /// is cancelled.
    pub(super) fn texts(
        &self,
        count: usize,
        tokenize: impl Fn(Range<usize>) -> Result<Vec<Tokens>>,
    ) -> Result<(Vec<f32>, Vec<TextTokens>)> {
        // As many batches as there are texts for, roughly: a few texts are one batch.
        let batches = count * self.max_tokens / self.budget;
        if let Some(queue) = self.queue(batches) {
            return self.ahead(queue, count, tokenize);
        }
        let mut tokens = Vec::with_capacity(count);
        for start in (0..count).step_by(TOKENIZED) {
            self.call.job.check()?;
            tokens.extend(tokenize(start..count.min(start + TOKENIZED))?);
        }
        let ids: Vec<&[u32]> = tokens.iter().map(|t| t.ids.as_slice()).collect();
        let values = self.batches(&ids)?;
        Ok((values, tokens.iter().map(TextTokens::of).collect()))
    }

    /// The device's queue, for so many batches: what is one batch gains nothing from it.
    fn queue(&self, batches: usize) -> Option<&dyn Queue> {
        self.backend.queue().filter(|_| batches > 1)
    }

    /// Through the queue, so that the device has its next batches while it computes.
    fn ahead(
        &self,
        queue: &dyn Queue,
        count: usize,
        tokenize: impl Fn(Range<usize>) -> Result<Vec<Tokens>>,
    ) -> Result<(Vec<f32>, Vec<TextTokens>)> {
        let run = Pipeline {
            queue,
            budget: self.budget,
            dim: self.dim,
            call: self.call,
        };
        let (values, texts) = run.run(count, tokenize)?;
        self.check(&values, count)?;
        Ok((values, texts))
    }

    /// The values of texts that are tokens already.
    ///
    /// # Errors
    /// As [`Run::texts`].
    pub(super) fn ids(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let tokens: usize = texts.iter().map(|t| t.len()).sum();
        if let Some(queue) = self.queue(tokens.div_ceil(self.budget)) {
            let of = |text: &&[u32]| Tokens {
                ids: text.to_vec(),
                cut: 0,
            };
            let some = |range: Range<usize>| Ok(texts[range].iter().map(of).collect());
            return Ok(self.ahead(queue, texts.len(), some)?.0);
        }
        self.batches(texts)
    }

    /// The values of texts that are tokens already, a batch at a time.
    fn batches(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let mut values = vec![0.0; texts.len() * self.dim];
        let lengths: Vec<usize> = texts.iter().map(|t| t.len()).collect();
        for batch in plan(&lengths, self.budget, self.backend.pads()) {
            self.call.job.check()?;
            let ids: Vec<&[u32]> = batch.texts.iter().map(|&i| texts[i]).collect();
            let vectors = self.backend.forward(&ids, self.call)?;
            self.check(&vectors, ids.len())?;
            place(&batch.texts, &vectors, self.dim, &mut values);
        }
        Ok(values)
    }

    /// A value that is no number would be stored and would then win or lose every search.
    fn check(&self, vectors: &[f32], texts: usize) -> Result<()> {
        let message = if vectors.len() != texts * self.dim {
            format!("gave {} values for {texts} texts", vectors.len())
        } else if vectors.iter().any(|x| !x.is_finite()) {
            "computed a value that is no finite number; nothing of this batch is stored".to_string()
        } else {
            return Ok(());
        };
        Err(Error::device(
            self.backend.device(),
            format!("model {} {message}", self.model),
        ))
    }
}

/// Puts a batch's vectors where those of its texts belong.
pub(super) fn place(texts: &[usize], vectors: &[f32], dim: usize, values: &mut [f32]) {
    for (&i, vector) in texts.iter().zip(vectors.chunks_exact(dim)) {
        values[i * dim..(i + 1) * dim].copy_from_slice(vector);
    }
}
