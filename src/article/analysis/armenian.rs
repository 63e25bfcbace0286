//! Plural endings of Armenian, which the Snowball stemmer leaves in words with one syllable before them.

/// Endings of the plural in all cases.
const ENDINGS: [&str; 8] = ["ներում", "ներից", "ներով", "ներին", "ները", "ներն", "ների", "ներ"];
/// Minimum number of letters that are left.
const MIN_LETTERS: usize = 3;

/// Returns a word without the ending of the plural and of its case.
pub(super) fn singular(word: &str) -> &str {
    let shorter = ENDINGS.iter().filter_map(|ending| word.strip_suffix(ending));
    let mut shorter = shorter.filter(|rest| rest.chars().count() >= MIN_LETTERS);
    shorter.next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_dropped() {
        for (word, expected) in [("դպրոցներ", "դպրոց"), ("դպրոցներում", "դպրոց"), ("դպրոց", "դպրոց"), ("տներ", "տներ")]
        {
            assert_eq!(singular(word), expected);
        }
    }
}
