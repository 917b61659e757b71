//! Names of 16 bytes for things of any length.

use highway::{HighwayHash, HighwayHasher, Key};
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// A name that two things share only if they are the same; 16 bytes, however long they are. Another
/// process gives other names.
///
/// By HighwayHash (Alakuijala, Cox and Wassenberg, 2016), which reads several bytes in a cycle. Its key
/// is random, so that nobody can write two articles that pass for one.
pub(crate) fn fingerprint<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> u128 {
    let mut hasher = HighwayHasher::new(key());
    for part in parts {
        // With the lengths, so that no two lists of parts run together into one.
        hasher.append(&(part.len() as u64).to_le_bytes());
        hasher.append(part);
    }
    let [low, high] = hasher.finalize128();
    u128::from(high) << 64 | u128::from(low)
}

fn key() -> Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    *KEY.get_or_init(|| {
        // The standard library's source of random numbers.
        let random = RandomState::new();
        Key([0u8, 1, 2, 3].map(|n| random.hash_one(n)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_share_a_name_only_if_they_are_the_same() {
        let of = |parts: &[&str]| fingerprint(parts.iter().map(|p| p.as_bytes()));
        let long = "x".repeat(1000);
        let things: [&[&str]; 8] = [
            &[],
            &[""],
            &["", ""],
            &["ab", "c"],
            &["a", "bc"],
            &["abc"],
            &[&long],
            &[&long[1..]],
        ];
        for (i, one) in things.iter().enumerate() {
            for (j, other) in things.iter().enumerate() {
                assert_eq!(of(one) == of(other), i == j, "{i} {j}");
            }
        }
    }
}
