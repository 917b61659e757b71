//! Judgements before any activation.

use super::{RerankOptions, Reranker, Scores};
use crate::error::Result;

impl Reranker {
    /// As [`Reranker::scores`], without the activation that the model's files ask for: what the
    /// last layer gives (logits).
    ///
    /// # Errors
    /// As [`Reranker::scores`].
    pub fn raw_scores<A, B>(&self, pairs: &[(A, B)], options: &RerankOptions) -> Result<Scores>
    where
        A: AsRef<str> + Sync,
        B: AsRef<str> + Sync,
    {
        let (values, pairs) = self.logits(pairs, &options.call)?;
        Ok(Scores {
            values,
            labels: self.labels().to_vec(),
            pairs,
        })
    }
}
