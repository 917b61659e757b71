//! Which texts go through the model together.

/// Texts that are computed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Their indices, longest text first.
    pub texts: Vec<usize>,
    /// The length of the longest.
    pub longest: usize,
}

/// Plans batches of texts of the given token counts: sorted by length so that padding is
/// little, as many in a batch as its budget of tokens, padding included, holds. Each text is
/// in exactly one batch; a text longer than the budget is in one of its own.
pub fn plan(lengths: &[usize], budget: usize) -> Vec<Batch> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(lengths[i]), i));
    let mut out: Vec<Batch> = Vec::new();
    for i in order {
        match out.last_mut() {
            Some(batch) if (batch.texts.len() + 1) * batch.longest <= budget => {
                batch.texts.push(i);
            }
            _ => out.push(Batch {
                texts: vec![i],
                longest: lengths[i],
            }),
        }
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
        ) {
            let batches = plan(&lengths, budget);
            let mut seen: Vec<usize> = batches.iter().flat_map(|b| b.texts.clone()).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                prop_assert!(batch.texts.len() == 1 || batch.texts.len() * batch.longest <= budget);
                prop_assert!(batch.texts.iter().all(|&i| lengths[i] <= batch.longest));
            }
        }
    }
}
