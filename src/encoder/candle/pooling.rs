//! Token vectors to one vector.

use crate::model::Pooling;
use candle_core::{Result, Tensor};

/// Pools hidden states (texts, tokens, dim) under a mask (texts, tokens) of ones and zeros to
/// (texts, dim), as sentence-transformers does:
/// <https://github.com/UKPLab/sentence-transformers/blob/master/sentence_transformers/models/Pooling.py>.
pub(super) fn pool(hidden: &Tensor, mask: &Tensor, pooling: Pooling) -> Result<Tensor> {
    let wide = mask.unsqueeze(2)?;
    match pooling {
        Pooling::Cls => hidden.narrow(1, 0, 1)?.squeeze(1),
        Pooling::Mean => {
            let sum = hidden.broadcast_mul(&wide)?.sum(1)?;
            sum.broadcast_div(&mask.sum_keepdim(1)?)
        }
        Pooling::MeanSqrtLen => {
            let sum = hidden.broadcast_mul(&wide)?.sum(1)?;
            sum.broadcast_div(&mask.sum_keepdim(1)?.sqrt()?)
        }
        Pooling::Max => {
            // Padding must lose against any value.
            let lowered = ((wide - 1.0)? * 1e9)?;
            hidden
                .broadcast_mul(&mask.unsqueeze(2)?)?
                .broadcast_add(&lowered)?
                .max(1)
        }
    }
}
