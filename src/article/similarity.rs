//! Similarity of texts, to tell versions of one article from two articles that share a key; and the shingles of texts,
//! by which similarity is measured here and in [`super::sketch`].

use std::collections::HashSet;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::words::for_each_token;
use super::{clean_line, fold};
use crate::proto::Article;

/// Words per shingle. Characters, in scripts that [`super::tokens`] splits into them.
const SHINGLE: usize = 3;
/// Maximum number of words compared, from the beginning of each text.
const MAX_WORDS: usize = 4_000;
/// Similarity from which two texts are versions of one. Of two reports of the same event by different authors, it is
/// far below.
const MIN_SIMILARITY: f64 = 0.3;

/// Returns true if two articles have the same headline, or bodies that are versions of one text: at least 0.3 of their
/// shingles are in both (Jaccard index).
pub fn are_versions(one: &Article, other: &Article) -> bool {
    let headline = |article: &Article| fold(&clean_line(&article.headline));
    let same_headline = !one.headline.is_empty() && headline(one) == headline(other);
    same_headline || similarity(&one.body, &other.body) >= MIN_SIMILARITY
}

/// Returns the Jaccard index of the shingles of two texts, from 0 to 1; 0 if one of them has none.
fn similarity(one: &str, other: &str) -> f64 {
    let (one, other) = (shingles(one), shingles(other));
    if one.is_empty() || other.is_empty() {
        return 0.0;
    }
    let common = one.intersection(&other).count();
    common as f64 / (one.len() + other.len() - common) as f64
}

fn shingles(text: &str) -> HashSet<u64> {
    let mut words = Vec::new();
    for_each_word(text, |_, hash| words.push(hash));
    words.truncate(MAX_WORDS);
    shingle_hashes(&words, SHINGLE.min(words.len().max(1))).collect()
}

/// Calls `each` with every word of a text and its hash. Hashes are stored, so they must be equal in every version.
pub(super) fn for_each_word(text: &str, mut each: impl FnMut(&str, u64)) {
    for_each_token(text, |word| each(word, xxh3_64(word.as_bytes())));
}

/// Returns the hash of each run of `size` consecutive words, which must be at least 1, given the hashes of the words.
/// They are stored too.
pub(super) fn shingle_hashes(words: &[u64], size: usize) -> impl Iterator<Item = u64> {
    let hash = |shingle: &[u64]| shingle.iter().fold(0, |hash, word| xxh3_64_with_seed(&word.to_le_bytes(), hash));
    words.windows(size).map(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The harbour board of Port Ellery agreed on Monday to dredge the northern channel before the \
                        winter, after two ferries ran aground within a week and a third was delayed by six hours.";

    fn article(headline: &str, body: &str) -> Article {
        Article { headline: headline.into(), body: body.into(), ..Article::default() }
    }

    #[test]
    fn versions_of_a_text_are_recognised() {
        let cut = &TEXT[..120];
        assert!(are_versions(&article("Channel", TEXT), &article("Dredging", cut)));
        assert!(are_versions(&article("Channel to be dredged", "A"), &article("channel  to be Dredged", "B")));
        let other = "The lighthouse of Lowmouth will stay lit until the spring, the coast service said on Tuesday.";
        assert!(!are_versions(&article("Channel", TEXT), &article("Lighthouse", other)));
        assert!(!are_versions(&article("", ""), &article("", "")), "nothing is no evidence");
        let (one, other) = ("港口委员会周一同意在冬季前疏浚北航道", "港口委员会周一同意在冬季前疏浚北航道。");
        assert!(are_versions(&article("一", one), &article("二", other)));
    }
}
