//! Keys of terms, names and numbers: hashes that are stored.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Returns the key of a word of a kind. Keys of different kinds differ.
pub(super) fn key(kind: u8, word: &str) -> u32 {
    (xxh3_64_with_seed(word.as_bytes(), u64::from(kind)) >> 32) as u32
}
