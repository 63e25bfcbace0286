//! Light stemming of Hebrew: articles, prepositions and conjunctions that are written as prefixes, and plural endings.

/// Letters that are written before a word: and, that, the, in, as, to, from.
const PREFIXES: [char; 7] = ['ו', 'ש', 'ה', 'ב', 'כ', 'ל', 'מ'];
/// Plural endings.
const ENDINGS: [&str; 2] = ["ים", "ות"];
/// Minimum number of letters of a stem.
const MIN_LETTERS: usize = 3;
/// Maximum number of prefixes of a word.
const MAX_PREFIXES: usize = 2;

/// Returns the stem of a word.
pub(super) fn stem(word: &str) -> &str {
    let mut stem = word;
    let mut letters = word.chars().count();
    for ending in ENDINGS {
        if let Some(shorter) = stem.strip_suffix(ending)
            && letters >= MIN_LETTERS + 2
        {
            stem = shorter;
            letters -= 2;
            break;
        }
    }
    for _ in 0..MAX_PREFIXES {
        if let Some(shorter) = stem.strip_prefix(PREFIXES)
            && letters > MIN_LETTERS
        {
            stem = shorter;
            letters -= 1;
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_plurals_are_dropped() {
        for (word, expected) in
            [("הספינה", "ספינה"), ("ספינות", "ספינ"), ("ובספינה", "ספינה"), ("מלך", "מלך"), ("ים", "ים")]
        {
            assert_eq!(stem(word), expected);
        }
    }
}
