//! Which texts go through the model together.

/// Texts that are computed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Their indices, longest text first.
    pub texts: Vec<usize>,
    /// The length of the longest.
    pub longest: usize,
    /// Their tokens, padding included where there is any.
    pub tokens: usize,
}

/// Plans batches of texts of the given token counts: sorted by length, as many in a batch as
/// its budget of tokens holds. Where `padded`, all texts of a batch take as many tokens as the
/// longest. Each text is in exactly one batch; a text longer than the budget is in one of its
/// own.
pub fn plan(lengths: &[usize], budget: usize, padded: bool) -> Vec<Batch> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(lengths[i]), i));
    let mut out: Vec<Batch> = Vec::new();
    for i in order {
        if let Some(batch) = out.last_mut() {
            let more = if padded { batch.longest } else { lengths[i] };
            if batch.tokens + more <= budget {
                batch.texts.push(i);
                batch.tokens += more;
                continue;
            }
        }
        out.push(Batch {
            texts: vec![i],
            longest: lengths[i],
            tokens: lengths[i],
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_once_and_no_batch_over_budget(
            lengths in proptest::collection::vec(1usize..300, 0..100),
            budget in 1usize..2000,
            padded in proptest::bool::ANY,
        ) {
            let batches = plan(&lengths, budget, padded);
            let mut seen: Vec<usize> = batches.iter().flat_map(|b| b.texts.clone()).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let tokens = if padded {
                    batch.texts.len() * batch.longest
                } else {
                    batch.texts.iter().map(|&i| lengths[i]).sum()
                };
                prop_assert_eq!(batch.tokens, tokens);
                prop_assert!(batch.texts.len() == 1 || tokens <= budget);
                prop_assert!(batch.texts.iter().all(|&i| lengths[i] <= batch.longest));
            }
        }
    }
}
