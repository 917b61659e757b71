//! A token as backends get it: the id in the vocabulary, and in its upper bits the type, which
//! tells a pair's second text from its first.

/// Bits of the id.
const ID_BITS: u32 = 26;

/// A token of a type.
pub fn typed(id: u32, kind: u32) -> u32 {
    debug_assert!(id >> ID_BITS == 0);
    id | kind << ID_BITS
}

/// The token's id in the vocabulary.
pub fn id(token: u32) -> u32 {
    token & ((1 << ID_BITS) - 1)
}

/// The token's type; 0 for all of a single text.
pub fn kind(token: u32) -> u32 {
    token >> ID_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_type_come_back() {
        for (i, k) in [(0, 0), (262_143, 1), (4_194_303, 63)] {
            assert_eq!((id(typed(i, k)), kind(typed(i, k))), (i, k));
        }
        assert_eq!(typed(77, 0), 77);
    }
}
