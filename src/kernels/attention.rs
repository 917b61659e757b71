//! Self-attention of one head over one text, without the scores of all pairs in memory at a
//! time; of a query that sees a part of the text, no others are computed than those beside it.

use super::math;
use super::pack::{Aligned, pair};
use super::simd::{Dot, Simd};
use std::ops::Range;
use std::slice;

/// One head of one text.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    /// Queries, keys and values: for each token a row of operand numbers, of which the queries are
    /// scaled so that a power of two of the scores makes the softmax.
    pub qkv: *const u32,
    /// Words from a row to the next.
    pub stride: usize,
    /// Tokens of the text.
    pub tokens: usize,
    /// Numbers of a head; even.
    pub head_dim: usize,
    /// The first number of the head's queries, keys and values in a row; even.
    pub columns: [usize; 3],
    /// How many tokens before itself a query sees; `usize::MAX` for all.
    pub before: usize,
    /// How many behind itself.
    pub behind: usize,
    /// Where the first number of the first token's result goes.
    pub out: *mut f32,
    /// Floats from a row of results to the next.
    pub out_stride: usize,
    /// What is added to the score of a query and a key, by the key's position less the
    /// query's, or null; points at the number for 0.
    pub bias: *const f32,
}

impl Attention {
    /// The keys that a query sees.
    pub(super) fn keys(&self, query: usize) -> Range<usize> {
        let end = query.saturating_add(self.behind).saturating_add(1);
        query.saturating_sub(self.before)..end.min(self.tokens)
    }
}

/// What the attention of one thread needs beside it.
#[derive(Debug, Default)]
pub(crate) struct AttentionScratch {
    pub(super) keys: Aligned,
    pub(super) values: Aligned,
    pub(super) scores: Aligned,
    /// Of queries that do not fill a tile's row.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub(super) queries: Aligned,
}

#[cfg(test)]
impl AttentionScratch {
    /// So many words each, all of one kind.
    pub(super) fn filled(words: usize, word: u32) -> Self {
        let filled = || {
            let mut aligned = Aligned::zeros(words);
            // SAFETY: it has that many words.
            unsafe { std::slice::from_raw_parts_mut(aligned.as_mut_ptr(), words) }.fill(word);
            aligned
        };
        Self {
            keys: filled(),
            values: filled(),
            scores: filled(),
            queries: filled(),
        }
    }
}

/// # Safety
/// The level's instructions are there; `a` is valid as it says; nothing else uses the head's
/// columns of `out` meanwhile.
#[inline(always)]
pub(super) unsafe fn attention<S: Simd, D: Dot<S>, const MR: usize, const NV: usize>(
    a: &Attention,
    scratch: &mut AttentionScratch,
) {
    let (width, wide) = (NV * S::LANES, 2 * S::LANES);
    let words = a.head_dim / D::GROUP;
    let key_panels = a.tokens.div_ceil(width);
    let value_panels = a.head_dim.div_ceil(wide);
    let groups = value_groups::<S, D>(a.tokens);
    let last = last_panel::<S, D, NV>(a.tokens);
    let padded = key_panels.saturating_sub(1) * width + last * S::LANES;
    scratch.keys.reserve(padded * words);
    scratch.values.reserve(value_panels * wide * groups);
    scratch.scores.reserve(MR * padded);
    // SAFETY: the caller's; the scratch is as long as just asked for.
    unsafe {
        pack_keys::<S, D>(a, words, width, last * S::LANES, scratch.keys.as_mut_ptr());
        pack_values::<S, D>(a, groups, wide, scratch.values.as_mut_ptr());
        if D::PAIRED {
            let keys = scratch.keys.as_mut_ptr();
            for panel in 0..key_panels {
                let panel = keys.add(panel * words * width);
                pair(slice::from_raw_parts_mut(panel, words * width), width);
            }
            // Of an even number of groups no panel ends with one that stands alone.
            let values = value_panels * groups * wide;
            let values = slice::from_raw_parts_mut(scratch.values.as_mut_ptr(), values);
            pair(values, wide);
        }
        let mut row = 0;
        while row + MR <= a.tokens {
            rows::<S, D, MR, NV>(a, row, words, groups, padded, scratch);
            row += MR;
        }
        if MR > 4 && row + 4 <= a.tokens {
            rows::<S, D, 4, NV>(a, row, words, groups, padded, scratch);
            row += 4;
        }
        if MR > 2 && row + 2 <= a.tokens {
            rows::<S, D, 2, NV>(a, row, words, groups, padded, scratch);
            row += 2;
        }
        while row < a.tokens {
            rows::<S, D, 1, NV>(a, row, words, groups, padded, scratch);
            row += 1;
        }
    }
}

/// Vectors of keys in the last panel, which may be narrower than the others.
#[inline(always)]
fn last_panel<S: Simd, D: Dot<S>, const NV: usize>(tokens: usize) -> usize {
    let left = tokens - tokens.saturating_sub(1) / (NV * S::LANES) * (NV * S::LANES);
    match left.div_ceil(S::LANES) {
        few @ (1 | 2) if few < NV && !D::PAIRED => few,
        _ => NV,
    }
}

/// Groups of so many values; behind the last there may be one of zeros.
#[inline(always)]
fn value_groups<S: Simd, D: Dot<S>>(tokens: usize) -> usize {
    // As many weights are written: whole vectors.
    const { assert!(!D::PAIRED || (S::LANES / D::GROUP).is_multiple_of(2)) };
    let groups = tokens.div_ceil(D::GROUP);
    if D::PAIRED {
        groups.next_multiple_of(2)
    } else {
        groups
    }
}

/// Keys to panels of `width` keys: (panels, `room`, width), whose words behind a key's are zero. The
/// last panel holds `last` keys.
#[inline(always)]
pub(super) unsafe fn pack_keys<S: Simd, D: Dot<S>>(
    a: &Attention,
    room: usize,
    width: usize,
    last: usize,
    to: *mut u32,
) {
    let (first, words) = (a.columns[1] / D::GROUP, a.head_dim / D::GROUP);
    // SAFETY: the caller's.
    unsafe {
        let from = a.qkv.add(first);
        let panels = a.tokens.div_ceil(width);
        for panel in 0..panels {
            let to = to.add(panel * room * width);
            let first_key = panel * width;
            let width = if panel + 1 < panels { width } else { last };
            for at in (0..width).step_by(S::LANES) {
                let key = first_key + at;
                let whole = key + S::LANES <= a.tokens;
                let mut word = 0;
                while whole && word + S::LANES <= words {
                    let from = from.add(key * a.stride + word);
                    S::transpose(from, a.stride, to.add(word * width + at), width);
                    word += S::LANES;
                }
                for word in word..words {
                    for lane in 0..S::LANES {
                        *to.add(word * width + at + lane) = if key + lane < a.tokens {
                            *from.add((key + lane) * a.stride + word)
                        } else {
                            0
                        };
                    }
                }
                for word in words..room {
                    S::store_words(to.add(word * width + at), S::splat_word(0));
                }
            }
        }
    }
}

/// Values to panels of `wide` numbers of the head: (panels, groups of tokens, wide), zero for groups
/// behind the last token.
#[inline(always)]
pub(super) unsafe fn pack_values<S: Simd, D: Dot<S>>(
    a: &Attention,
    groups: usize,
    wide: usize,
    to: *mut u32,
) {
    let first = a.columns[2];
    // A row of bf16 for the token behind the last.
    let nothing = [0u32; 16];
    // SAFETY: the caller's.
    unsafe {
        for panel in 0..a.head_dim.div_ceil(wide) {
            for v in 0..wide / S::LANES {
                let number = panel * wide + v * S::LANES;
                let left = a.head_dim.saturating_sub(number).min(S::LANES);
                for g in 0..groups {
                    let to = to.add((panel * groups + g) * wide + v * S::LANES);
                    let there = g * D::GROUP < a.tokens;
                    if left < S::LANES || !there {
                        S::store_words(to, S::splat_word(0));
                    }
                    if !there {
                        continue;
                    }
                    if D::GROUP == 1 {
                        let from = a.qkv.add(g * a.stride + first + number);
                        std::ptr::copy_nonoverlapping(from, to, left);
                        continue;
                    }
                    let low = a
                        .qkv
                        .add(2 * g * a.stride)
                        .cast::<u16>()
                        .add(first + number);
                    let high = if 2 * g + 1 < a.tokens {
                        low.add(2 * a.stride)
                    } else {
                        nothing.as_ptr().cast()
                    };
                    if left == S::LANES {
                        S::store_words(to, S::interleave(low, high));
                    } else {
                        for i in 0..left {
                            *to.add(i) = u32::from(*low.add(i)) | u32::from(*high.add(i)) << 16;
                        }
                    }
                }
            }
        }
    }
}

/// `MR` queries against all keys that one of them sees, the softmax, and the values.
#[inline(always)]
unsafe fn rows<S: Simd, D: Dot<S>, const MR: usize, const NV: usize>(
    a: &Attention,
    row: usize,
    words: usize,
    groups: usize,
    padded: usize,
    scratch: &mut AttentionScratch,
) {
    let (width, wide) = (NV * S::LANES, 2 * S::LANES);
    let scores = scratch.scores.as_mut_ptr();
    // Of the last query the end, of the first the beginning: both grow with the position.
    let start = a.keys(row).start / width;
    let end = a.keys(row + MR - 1).end;
    let first_key = start * width;
    let (panels, last) = (a.tokens.div_ceil(width), last_panel::<S, D, NV>(a.tokens));
    // SAFETY: the caller's; keys of panels from the first to the last are within the packed ones.
    unsafe {
        let queries = a.qkv.add(row * a.stride + a.columns[0] / D::GROUP);
        for panel in start..end.div_ceil(width) {
            let keys = scratch.keys.as_ptr().add(panel * words * width);
            let to = scores.cast::<f32>().add((panel - start) * width);
            let (queries, to) = ((queries, a.stride), (to, padded));
            match last {
                1 if panel + 1 == panels => score::<S, D, MR, 1>(queries, keys, words, to),
                2 if panel + 1 == panels => score::<S, D, MR, 2>(queries, keys, words, to),
                _ => score::<S, D, MR, NV>(queries, keys, words, to),
            }
        }
        let mut weights = [0.0; MR];
        weigh::<S, D>(a, row, first_key..end, (scores, padded), &mut weights);
        let first_group = first_key / D::GROUP;
        let some = value_groups::<S, D>(end) - first_group;
        for panel in 0..a.head_dim.div_ceil(wide) {
            let mut acc = [[D::start(0, std::ptr::null()); 2]; MR];
            let at = (panel * groups + first_group) * wide;
            let values = scratch.values.as_ptr().add(at);
            D::tile(scores, padded, values, some, &mut acc);
            for m in 0..MR {
                for v in 0..2 {
                    let number = panel * wide + v * S::LANES;
                    if number >= a.head_dim {
                        break;
                    }
                    let x = D::finish(acc[m][v], 1.0, std::ptr::null());
                    let x = S::mul(x, S::splat(weights[m]));
                    put::<S>(a, row + m, number, x);
                }
            }
        }
    }
}

/// Scores of `MR` queries and `NV` vectors of keys; where each stand, and the numbers from a row to the next.
#[inline(always)]
unsafe fn score<S: Simd, D: Dot<S>, const MR: usize, const NV: usize>(
    (queries, stride): (*const u32, usize),
    keys: *const u32,
    words: usize,
    (to, to_stride): (*mut f32, usize),
) {
    // SAFETY: the caller's.
    unsafe {
        let mut acc = [[D::start(0, std::ptr::null()); NV]; MR];
        D::tile(queries, stride, keys, words, &mut acc);
        for m in 0..MR {
            for v in 0..NV {
                let x = D::finish(acc[m][v], 1.0, std::ptr::null());
                S::store(to.add(m * to_stride + v * S::LANES), x);
            }
        }
    }
}

/// The softmax of the scores that queries from one on have with some keys, as far as each sees them;
/// by what their results are multiplied.
#[inline(always)]
pub(super) unsafe fn weigh<S: Simd, D: Dot<S>>(
    a: &Attention,
    query: usize,
    keys: Range<usize>,
    (scores, stride): (*mut u32, usize),
    weights: &mut [f32],
) {
    // Several rows at once, for a row's operations wait for each other.
    const AT_ONCE: usize = 4;
    let (several, rest) = weights.as_chunks_mut::<AT_ONCE>();
    let first_left = query + AT_ONCE * several.len();
    // SAFETY: the caller's.
    unsafe {
        let at = |row: usize| scores.add((row - query) * stride);
        for (i, weights) in several.iter_mut().enumerate() {
            let row = query + AT_ONCE * i;
            *weights = weigh_some::<S, D, AT_ONCE>(a, row, keys.clone(), (at(row), stride));
        }
        for (row, weight) in (first_left..).zip(rest) {
            [*weight] = weigh_some::<S, D, 1>(a, row, keys.clone(), (at(row), stride));
        }
    }
}

#[inline(always)]
unsafe fn weigh_some<S: Simd, D: Dot<S>, const R: usize>(
    a: &Attention,
    query: usize,
    keys: Range<usize>,
    (scores, stride): (*mut u32, usize),
) -> [f32; R] {
    // SAFETY: the caller's; the bias reaches from the first key to the last.
    unsafe {
        let rows = std::array::from_fn(|r| {
            let seen = a.keys(query + r);
            Row {
                scores: scores.add(r * stride),
                seen: seen.start - keys.start..seen.end - keys.start,
                bias: match a.bias.is_null() {
                    true => a.bias,
                    false => a.bias.sub(query + r).add(keys.start),
                },
            }
        });
        softmax::<S, D, R>(&rows, keys.len()).map(|sum| 1.0 / sum)
    }
}

/// Stores a vector of a query's results, from a number of the head on and no further than its last.
#[inline(always)]
pub(super) unsafe fn put<S: Simd>(a: &Attention, query: usize, number: usize, x: S::F) {
    // SAFETY: the caller's.
    unsafe {
        let to = a.out.add(query * a.out_stride + number);
        let left = a.head_dim - number;
        if left >= S::LANES {
            S::store(to, x);
        } else {
            S::store_first(to, x, left);
        }
    }
}

/// A score whose power of two is zero, and which is far from infinite.
const LEAST: f32 = -1e30;

/// Ones between zeros, to load a vector from that is one where a range begins or ends in it.
const EDGE: [f32; 48] = {
    let mut edge = [0.0; 48];
    let mut i = 16;
    while i < 32 {
        edge[i] = 1.0;
        i += 1;
    }
    edge
};

/// One for lanes `i..i + LANES` that are in `seen`, zero for the others.
#[inline(always)]
unsafe fn mask<S: Simd>(i: usize, seen: &Range<usize>) -> S::F {
    let before = seen.start.saturating_sub(i).min(S::LANES);
    let until = seen.end.saturating_sub(i).min(S::LANES);
    // SAFETY: the caller's; a vector has at most 16 lanes, so both loads end within 48.
    unsafe {
        let from = S::load(EDGE.as_ptr().add(16 - before));
        S::mul(from, S::load(EDGE.as_ptr().add(32 - until)))
    }
}

/// A row of scores.
struct Row {
    scores: *mut u32,
    /// Of the scores, those of keys that the query sees.
    seen: Range<usize>,
    /// What is added to them, or null.
    bias: *const f32,
}

/// Powers of two of rows' scores less a row's largest, of those that are seen, as operands in
/// their place, and zero for the others of the first `n`; returns their sums.
#[inline(always)]
unsafe fn softmax<S: Simd, D: Dot<S>, const R: usize>(rows: &[Row; R], n: usize) -> [f32; R] {
    // SAFETY: the caller's; the rows are filled up to a whole vector.
    unsafe {
        // From where to where all rows see all.
        let whole_from = rows.iter().fold(0, |from, row| from.max(row.seen.start));
        let whole_to = rows.iter().fold(n, |to, row| to.min(row.seen.end));
        let mut largest = [S::splat(LEAST); R];
        for i in (0..n).step_by(S::LANES) {
            let whole = i >= whole_from && i + S::LANES <= whole_to;
            for (row, largest) in rows.iter().zip(&mut largest) {
                let at = row.scores.cast::<f32>().add(i);
                let mut x = S::load(at);
                if !row.bias.is_null() {
                    let left = n - i;
                    let bias = if left >= S::LANES {
                        S::load(row.bias.add(i))
                    } else {
                        S::load_first(row.bias.add(i), left)
                    };
                    x = S::add(x, bias);
                }
                if !whole {
                    // What is behind the end of the text is any finite number.
                    let seen = mask::<S>(i, &row.seen);
                    x = S::fma(S::sub(S::splat(1.0), seen), S::splat(LEAST), x);
                }
                if !row.bias.is_null() || !whole {
                    S::store(at, x);
                }
                *largest = S::max(*largest, x);
            }
        }
        let largest = largest.map(|x| S::splat(S::largest(x)));
        let mut sums = [S::splat(0.0); R];
        for i in (0..n).step_by(S::LANES) {
            let whole = i >= whole_from && i + S::LANES <= whole_to;
            for ((row, largest), sum) in rows.iter().zip(largest).zip(&mut sums) {
                let x = S::sub(S::load(row.scores.cast::<f32>().add(i)), largest);
                let mut x = if D::ROUGH {
                    math::exp2::<S, true>(x)
                } else {
                    math::exp2::<S, false>(x)
                };
                if !whole {
                    x = S::mul(x, mask::<S>(i, &row.seen));
                }
                *sum = S::add(*sum, x);
                // What is written takes no more room than what was read, so it stays behind it.
                D::put(row.scores, i, x, 0);
            }
        }
        sums.map(|sum| S::sum(sum))
    }
}
