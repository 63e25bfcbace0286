//! Runs of words, as hashes, to compare texts.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use crate::extract::line::is_spaceless;

/// Returns the hash of each word. In scripts without spaces, each character is a word.
pub(super) fn word_hashes(text: &str) -> Vec<u64> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        let is_word = c.is_alphanumeric();
        if (!is_word || is_spaceless(c))
            && let Some(start) = start.take()
        {
            words.push(xxh3_64(&text.as_bytes()[start..at]));
        }
        if is_word && is_spaceless(c) {
            words.push(xxh3_64(&text.as_bytes()[at..at + c.len_utf8()]));
        } else if is_word && start.is_none() {
            start = Some(at);
        }
    }
    words.extend(start.map(|start: usize| xxh3_64(&text.as_bytes()[start..])));
    words
}

/// Returns the hash of each run of words, from their hashes.
fn runs(words: &[u64], length: usize) -> impl ExactSizeIterator<Item = u64> {
    /// The golden ratio as a fraction of 2⁶⁴, which spreads bits well.
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let hash = |run: &[u64]| run.iter().fold(0_u64, |hash, word| (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR));
    words.windows(length.min(words.len()).max(1)).map(hash)
}

/// Returns the hashes of each run of words.
pub(super) fn shingles(text: &str, length: usize) -> Vec<u64> {
    runs(&word_hashes(text), length).collect()
}

/// Returns the share of the runs of words that are known.
pub(super) fn share_in(words: &[u64], length: usize, known: &HashSet<u64>) -> f32 {
    if known.is_empty() {
        return 0.0;
    }
    let found = runs(words, length);
    let all = found.len().max(1) as f32;
    found.filter(|hash| known.contains(hash)).count() as f32 / all
}
