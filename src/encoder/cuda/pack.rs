//! Texts one behind another, without padding, as the kernels read them.

use crate::model::tokens;

/// Queries of a tile, which the attention's blocks take; `TILE` in `attention.cu`.
pub(super) const TILE: usize = 128;
/// Batches up to this size are padded to a few shapes, so that captured CUDA graphs can be
/// reused.
pub(super) const SMALL: usize = 2048;
/// The fewest rows that are computed with.
const LEAST: usize = 16;
/// Larger batches are filled up to a multiple of this: less than half a percent of a usual batch.
const STEP: usize = 128;
/// Text and tile counts of larger batches are filled up to a multiple of this.
const COUNTS: usize = 64;
/// The longest text of a short batch, whose attention has a kernel of its own; `attention.cu`.
pub(super) const SHORT: usize = 32;
/// 32-bit numbers of a tile.
const TILE_WORDS: usize = 4;

/// The sizes that a batch is computed with: its own, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BatchShape {
    /// Rows.
    pub tokens: usize,
    /// Vectors.
    pub texts: usize,
    /// Tiles of the attention.
    pub tiles: usize,
    /// Whether no text is longer than [`SHORT`].
    pub short: bool,
}

impl BatchShape {
    /// The shape that texts of these lengths are padded to.
    pub(super) fn of(lengths: impl Iterator<Item = usize> + Clone) -> Self {
        let tokens: usize = lengths.clone().sum();
        let tiles: usize = lengths.clone().map(|n| n.div_ceil(TILE)).sum();
        let short = lengths.clone().all(|n| n <= SHORT);
        let texts = lengths.count();
        if tokens <= SMALL {
            Self {
                tokens: tokens.next_power_of_two().max(LEAST),
                texts: texts.next_power_of_two(),
                tiles: tiles.next_power_of_two(),
                short,
            }
        } else {
            Self {
                tokens: tokens.next_multiple_of(STEP),
                texts: texts.next_multiple_of(COUNTS),
                tiles: tiles.next_multiple_of(COUNTS),
                short,
            }
        }
    }

    /// The 32-bit numbers of a batch's description.
    pub(super) fn words(&self) -> usize {
        self.tiles_at() + TILE_WORDS * self.tiles
    }

    /// Where each row's place in its text begins; tokens come before.
    pub(super) fn places_at(&self) -> usize {
        self.tokens
    }

    /// Where the texts' first rows begin.
    pub(super) fn starts_at(&self) -> usize {
        2 * self.tokens
    }

    /// Where the numbers of rows begin that poolings leave out of each text.
    pub(super) fn left_out_at(&self) -> usize {
        2 * self.tokens + self.texts + 1
    }

    /// Where the tiles begin.
    pub(super) fn tiles_at(&self) -> usize {
        self.left_out_at() + self.texts
    }

    /// Writes the description of `texts`, little-endian. Rows beyond the last are token 0,
    /// vectors beyond the last text have no rows, tiles beyond the last no tokens.
    pub(super) fn write(&self, texts: &[&[u32]], padding: Option<u32>, out: &mut [u8]) {
        let mut put = |at: usize, word: usize| {
            // Counts of one batch, far below 2^32.
            out[4 * at..4 * at + 4].copy_from_slice(&(word as u32).to_le_bytes());
        };
        let (mut row, mut tile) = (0, self.tiles_at());
        for (number, text) in texts.iter().enumerate() {
            put(self.starts_at() + number, row);
            put(self.left_out_at() + number, tokens::left_out(text));
            for query in (0..text.len()).step_by(TILE) {
                for (i, word) in [row, text.len(), query, 0].into_iter().enumerate() {
                    put(tile + i, word);
                }
                tile += TILE_WORDS;
            }
            for (&token, place) in text.iter().zip(tokens::places(text, padding)) {
                put(row, tokens::plain(token) as usize);
                put(self.places_at() + row, place);
                row += 1;
            }
        }
        for number in texts.len()..=self.texts {
            put(self.starts_at() + number, row);
        }
        for number in texts.len()..self.texts {
            put(self.left_out_at() + number, 0);
        }
        for spare in row..self.tokens {
            put(spare, 0);
            put(self.places_at() + spare, 0);
        }
        for word in tile..self.words() {
            put(word, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What the kernels rely on: every row is of one text and covered by one tile, in order.
        #[test]
        fn descriptions_cover_every_row_once(
            lengths in proptest::collection::vec(0usize..300, 1..40),
        ) {
            let texts: Vec<Vec<u32>> = lengths
                .iter()
                .enumerate()
                .map(|(t, &n)| (0..n).map(|i| (1000 * t + i) as u32).collect())
                .collect();
            let mut marked = texts.clone();
            for (number, text) in marked.iter_mut().enumerate() {
                tokens::leave_out(text, number % 7);
            }
            let marked: Vec<&[u32]> = marked.iter().map(Vec::as_slice).collect();
            let room = BatchShape::of(lengths.iter().copied());
            prop_assert!(room.tokens >= lengths.iter().sum::<usize>());
            prop_assert!(room.texts >= lengths.len());
            prop_assert_eq!(room.short, lengths.iter().max() <= Some(&SHORT));
            let mut bytes = vec![0xAB; 4 * room.words()];
            room.write(&marked, None, &mut bytes);
            let words: Vec<u32> = bytes
                .chunks_exact(4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            let starts = &words[room.starts_at()..room.left_out_at()];
            let left_out = &words[room.left_out_at()..room.tiles_at()];
            for (t, text) in texts.iter().enumerate() {
                let rows = starts[t] as usize..starts[t + 1] as usize;
                prop_assert_eq!(&words[rows.clone()], text.as_slice());
                prop_assert_eq!(left_out[t] as usize, (t % 7).min(text.len().saturating_sub(1)));
                let places: Vec<u32> = (0..text.len() as u32).collect();
                prop_assert_eq!(
                    &words[room.places_at() + rows.start..room.places_at() + rows.end],
                    places.as_slice()
                );
            }
            for t in texts.len()..room.texts {
                prop_assert_eq!(starts[t], starts[t + 1]);
                prop_assert_eq!(left_out[t], 0);
            }
            let mut covered = vec![0; room.tokens];
            for tile in words[room.tiles_at()..].chunks_exact(TILE_WORDS) {
                let (first, tokens, query) = (tile[0] as usize, tile[1] as usize, tile[2] as usize);
                for q in query..tokens.min(query + TILE) {
                    covered[first + q] += 1;
                }
            }
            let sum: usize = lengths.iter().sum();
            prop_assert!(covered[..sum].iter().all(|&c| c == 1));
            prop_assert!(covered[sum..].iter().all(|&c| c == 0));
            prop_assert!(words[sum..room.tokens].iter().all(|&id| id == 0));
        }
    }
}
