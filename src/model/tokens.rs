//! A token as backends get it: the id in the vocabulary, and in its upper bits the type, which
//! tells a pair's second text from its first, and whether it is pooled.

/// Bits of the id.
const ID_BITS: u32 = 26;
/// Set in tokens that poolings leave out.
const UNPOOLED: u32 = 1 << 31;
/// The most types that there may be: what lies between.
pub(super) const TYPES: usize = 1 << 5;

/// A token of a type.
pub fn typed(id: u32, kind: u32) -> u32 {
    debug_assert!(id >> ID_BITS == 0 && (kind as usize) < TYPES);
    id | kind << ID_BITS
}

/// The token's id in the vocabulary.
pub fn id(token: u32) -> u32 {
    token & ((1 << ID_BITS) - 1)
}

/// The token's type; 0 for all of a single text.
pub fn kind(token: u32) -> u32 {
    (token & !UNPOOLED) >> ID_BITS
}

/// The token's id and type, without what is said of poolings.
pub fn plain(token: u32) -> u32 {
    token & !UNPOOLED
}

/// The row of each token of a text among those that are read of a table of positions. A token that
/// takes no place has the first of them, which there is then for it, and is not counted.
pub fn places(text: &[u32], padding: Option<u32>) -> impl Iterator<Item = usize> + '_ {
    let mut counted = 0;
    text.iter().enumerate().map(move |(position, &token)| {
        let Some(padding) = padding else {
            return position;
        };
        if id(token) == padding {
            return 0;
        }
        counted += 1;
        counted
    })
}

/// Leaves the first `count` tokens of a text out of poolings, but for its last token: something has
/// to be pooled.
pub fn leave_out(text: &mut [u32], count: usize) {
    let most = text.len().saturating_sub(1);
    for token in text.iter_mut().take(count.min(most)) {
        *token |= UNPOOLED;
    }
}

/// How many tokens at the beginning of a text poolings leave out; less than all of them.
pub fn left_out(text: &[u32]) -> usize {
    let marked = text.iter().take_while(|&&token| token & UNPOOLED != 0);
    marked.count().min(text.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_type_come_back() {
        for (i, k) in [(0, 0), (262_143, 1), (4_194_303, 31)] {
            assert_eq!((id(typed(i, k)), kind(typed(i, k))), (i, k));
        }
        assert_eq!(typed(77, 0), 77);
    }

    #[test]
    fn a_token_that_pads_takes_no_place() {
        let text = [0, 5, typed(1, 1), 1, 7, 2];
        let of = |padding| places(&text, padding).collect::<Vec<_>>();
        assert_eq!(of(None), [0, 1, 2, 3, 4, 5]);
        assert_eq!(of(Some(1)), [1, 2, 0, 0, 3, 4]);
    }

    #[test]
    fn tokens_left_out_are_the_same_tokens() {
        let all = [typed(5, 1), 7, 7, 9];
        for (count, expected) in [(0, 0), (2, 2), (4, 3), (90, 3)] {
            let mut text = all;
            leave_out(&mut text, count);
            assert_eq!(left_out(&text), expected);
            assert_eq!(text.map(plain), all);
            assert_eq!((id(text[0]), kind(text[0])), (5, 1));
        }
        assert_eq!(left_out(&[]), 0);
        leave_out(&mut [], 3);
        assert_eq!(left_out(&[UNPOOLED]), 0);
    }
}
