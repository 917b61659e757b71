//! Word shingles and MinHash: which texts share most of their wording.
//!
//! Broder, "On the resemblance and containment of documents", 1997: the resemblance of two
//! texts is the Jaccard index of their sets of three-word sequences.

use crate::corpus::fold::{fold, words};

/// Words of a shingle.
const WORDS: usize = 3;
/// Bands and rows of the locality-sensitive hashing. Two texts of resemblance s become
/// candidates with probability 1 - (1 - s^ROWS)^BANDS: 0.9998 at 0.5, 0.83 at 0.3.
pub(super) const BANDS: usize = 64;
const ROWS: usize = 3;

/// The hashes of a text's shingles, sorted, without repeats. A text of fewer words than a
/// shingle is one shingle of them all.
pub(super) fn shingles(text: &str) -> Vec<u64> {
    let words: Vec<u64> = words(&fold(text))
        .map(|word| {
            let start = 0xcbf2_9ce4_8422_2325u64;
            word.chars().fold(start, |h, c| mix(h ^ u64::from(c)))
        })
        .collect();
    let combine = |window: &[u64]| window.iter().fold(0u64, |h, &w| mix(h.rotate_left(23) ^ w));
    let mut out: Vec<u64> = if words.is_empty() {
        Vec::new()
    } else if words.len() < WORDS {
        vec![combine(&words)]
    } else {
        words.windows(WORDS).map(combine).collect()
    };
    out.sort_unstable();
    out.dedup();
    out
}

/// The Jaccard index of two sorted sets; 0 where both are empty.
pub(super) fn jaccard(a: &[u64], b: &[u64]) -> f32 {
    let both = in_common(a, b);
    share(both, a.len() + b.len() - both)
}

/// The share of the smaller of two sorted sets that the other holds too; 0 where it is empty.
pub(super) fn contained(a: &[u64], b: &[u64]) -> f32 {
    share(in_common(a, b), a.len().min(b.len()))
}

fn share(part: usize, whole: usize) -> f32 {
    if whole == 0 {
        0.0
    } else {
        part as f32 / whole as f32
    }
}

fn in_common(a: &[u64], b: &[u64]) -> usize {
    let (mut i, mut j, mut both) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                both += 1;
                i += 1;
                j += 1;
            }
        }
    }
    both
}

/// Steele, Lea and Flood's finaliser of SplitMix64 (2014).
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The MinHash signature of a text, folded to one hash a band. Texts of another hash than theirs
/// may share 32 bits of it; candidates are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MinHash(pub [u32; BANDS]);

impl MinHash {
    /// The signature of a set of shingles.
    pub(super) fn of(shingles: &[u64]) -> Self {
        let mut lowest = [u64::MAX; BANDS * ROWS];
        for &shingle in shingles {
            // Multiply-shift with odd constants stands in for 192 independent permutations.
            let mut seed = 0u64;
            for low in &mut lowest {
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let hash = (shingle ^ seed).wrapping_mul(0xff51_afd7_ed55_8ccd);
                let hash = (hash ^ (hash >> 32)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
                *low = (*low).min(hash ^ (hash >> 29));
            }
        }
        let mut out = [0; BANDS];
        for (out, rows) in out.iter_mut().zip(lowest.chunks_exact(ROWS)) {
            *out = rows.iter().fold(0, |h, &r| mix(h ^ r)) as u32;
        }
        Self(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_and_punctuation_do_not_matter() {
        let a = shingles("The cat sat on the mat.");
        let b = shingles("the CAT, sat: on the mat");
        assert_eq!(jaccard(&a, &b), 1.0);
        assert_eq!(jaccard(&a, &shingles("something else entirely here")), 0.0);
        assert_eq!(jaccard(&[], &[]), 0.0);
        assert_eq!(
            contained(&a, &shingles("he said the cat sat on the mat")),
            1.0
        );
        assert_eq!(shingles("👍 👍 🎉"), shingles("👍👍🎉"));
    }

    proptest! {
        #[test]
        fn jaccard_equals_its_definition(
            a in proptest::collection::btree_set(0u64..40, 0..30),
            b in proptest::collection::btree_set(0u64..40, 0..30),
        ) {
            let union = a.union(&b).count();
            let expected = if union == 0 { 0.0 } else { a.intersection(&b).count() as f32 / union as f32 };
            let (a, b): (Vec<u64>, Vec<u64>) = (a.into_iter().collect(), b.into_iter().collect());
            prop_assert_eq!(jaccard(&a, &b), expected);
        }

        #[test]
        fn texts_that_share_most_of_their_wording_share_a_band(
            words in proptest::collection::vec("[a-z]{3,8}", 40..120),
            at in 0usize..40,
        ) {
            let mut other = words.clone();
            other[at] = "replaced".to_string();
            let (a, b) = (shingles(&words.join(" ")), shingles(&other.join(" ")));
            let (x, y) = (MinHash::of(&a), MinHash::of(&b));
            prop_assert!(x.0.iter().zip(&y.0).any(|(p, q)| p == q), "{}", jaccard(&a, &b));
        }
    }
}
