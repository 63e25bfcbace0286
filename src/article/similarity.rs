//! Similarity of texts, to tell versions of one article from two articles that share a key.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{clean_line, fold, tokens};
use crate::proto::Article;

/// Words per shingle. Characters, in scripts that [`tokens`] splits into them.
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
    let words: Vec<String> = tokens(text).map(|(_, word)| word).take(MAX_WORDS).collect();
    let hash = |shingle: &[String]| {
        let mut hasher = DefaultHasher::new();
        shingle.hash(&mut hasher);
        hasher.finish()
    };
    words.windows(SHINGLE.min(words.len().max(1))).map(hash).collect()
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
