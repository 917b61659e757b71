//! Names of 16 bytes for things of any length.

/// A name that two things share only if they are the same; 16 bytes, however long they are.
pub(crate) fn fingerprint<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // With the lengths, so that no two lists of parts run together into one.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(out)
}
