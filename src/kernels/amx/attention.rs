//! Self-attention of one head over one text by tiles: scores and results in the unit, the softmax
//! by vectors between them.

use super::super::attention::{Attention, AttentionScratch, pack_keys, pack_values, put, weigh};
use super::super::simd::{Dot, Simd};
use super::{ROWS, Sums, Tiles, WIDTH, WORDS, multiply, shape, store};

/// Words between rows of scores beside their own, so that not all fall on the same lines of a cache.
const SKEW: usize = WORDS;

/// [`attention`](super::super::attention::attention) by tiles.
///
/// # Safety
/// As there, and as [`Tiles`]; `D` is bf16 in pairs, which the unit multiplies.
#[inline(always)]
pub(super) unsafe fn attention<T: Tiles, S: Simd, D: Dot<S>, const NV: usize>(
    tiles: &mut T,
    a: &Attention,
    scratch: &mut AttentionScratch,
) {
    const { assert!(NV * S::LANES == WIDTH && D::GROUP == 2 && !D::QUANTISED) };
    // A query, and the tokens of a text, filled up to whole tiles.
    let words = (a.head_dim / 2).next_multiple_of(WORDS);
    let panels = a.tokens.div_ceil(WIDTH);
    let groups = panels * WORDS;
    let value_panels = a.head_dim.div_ceil(WIDTH);
    let stride = panels * WIDTH + SKEW;
    let apart = words != a.head_dim / 2;
    scratch.keys.reserve(panels * words * WIDTH);
    scratch.values.reserve(value_panels * groups * WIDTH);
    scratch.scores.reserve(2 * ROWS * stride);
    if apart {
        scratch.queries.reserve(2 * ROWS * words);
    }
    let scores = scratch.scores.as_mut_ptr();
    let mut sums = Sums::new();
    let sums = sums.0.as_mut_ptr();
    let mut shaped = 0;
    // SAFETY: the caller's; the scratch is as long as just asked for.
    unsafe {
        pack_keys::<S, D>(a, words, WIDTH, WIDTH, scratch.keys.as_mut_ptr());
        pack_values::<S, D>(a, groups, WIDTH, scratch.values.as_mut_ptr());
        for row in (0..a.tokens).step_by(2 * ROWS) {
            let count = (a.tokens - row).min(2 * ROWS);
            shape(tiles, &mut shaped, count);
            // Of the last query the end, of the first the beginning: both grow with the position.
            let start = a.keys(row).start / WIDTH;
            let end = a.keys(row + count - 1).end;
            let first_key = start * WIDTH;
            let mut queries = (a.qkv.add(row * a.stride + a.columns[0] / 2), a.stride);
            if apart {
                let to = scratch.queries.as_mut_ptr();
                for m in 0..count {
                    let to = to.add(m * words);
                    std::ptr::copy_nonoverlapping(queries.0.add(m * a.stride), to, a.head_dim / 2);
                    to.add(a.head_dim / 2)
                        .write_bytes(0, words - a.head_dim / 2);
                }
                queries = (to, words);
            }
            for panel in start..end.div_ceil(WIDTH) {
                let keys = scratch.keys.as_ptr().add(panel * words * WIDTH);
                multiply(tiles, count, queries, keys, words / WORDS, |_| ());
                store(tiles, count, scores.add((panel - start) * WIDTH), stride);
            }
            let n = end - first_key;
            let mut weights = [0.0; 2 * ROWS];
            let keys = first_key..end;
            weigh::<S, D>(a, row, keys, (scores, stride), &mut weights[..count]);
            for m in 0..count {
                let scores = scores.add(m * stride);
                // Up to the end of the last tile.
                for i in (n.next_multiple_of(S::LANES)..n.next_multiple_of(WIDTH)).step_by(S::LANES)
                {
                    D::put(scores, i, S::splat(0.0), 0);
                }
            }
            for panel in 0..value_panels {
                let values = scratch.values.as_ptr();
                let values = values.add((panel * groups + first_key / 2) * WIDTH);
                let whole = n.div_ceil(WIDTH);
                multiply(tiles, count, (scores, stride), values, whole, |_| ());
                store(tiles, count, sums, WIDTH);
                for m in 0..count {
                    for v in 0..NV {
                        let number = panel * WIDTH + v * S::LANES;
                        if number >= a.head_dim {
                            break;
                        }
                        let x = S::load(sums.add(m * WIDTH + v * S::LANES).cast());
                        let x = S::mul(x, S::splat(weights[m]));
                        put::<S>(a, row + m, number, x);
                    }
                }
            }
        }
        tiles.release();
    }
}
