//! Names in a text: capitalised words that do not owe their capital to the start of a sentence.

use std::collections::HashSet;

use super::words::Word;

/// German prepositions that a name follows without an article. Common nouns seldom do.
const GERMAN_PREPOSITIONS: [&str; 10] = ["in", "bei", "von", "aus", "nach", "gegen", "um", "fur", "mit", "ab"];
/// Endings of German nouns that are no names.
const GERMAN_NOUNS: [&str; 8] = ["ung", "ungen", "heit", "keit", "schaft", "tion", "tat", "ismus"];
/// Maximum length of an acronym, in letters. Longer words in capitals are emphasis or datelines.
const MAX_ACRONYM: usize = 6;

/// Evidence that a word is a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    None,
    /// Capitalised noun of a language that capitalises all nouns.
    Weak,
    Strong,
}

/// Returns the evidence for each word of an article.
pub(super) fn evidence(words: &[Word], language: &str) -> Vec<Evidence> {
    let is_german = language == "de" || language == "lb";
    let confirmed: HashSet<&str> = words
        .iter()
        .filter(|word| word.is_capitalised && !word.starts_sentence && !word.is_stop_word)
        .map(|word| word.folded.as_str())
        .collect();
    // A word that is also written small is a common noun at the start of a sentence.
    let small: HashSet<u32> = words.iter().filter(|word| !word.is_capitalised).map(|word| word.term).collect();
    (0..words.len())
        .map(|at| {
            let word = &words[at];
            if word.folded.bytes().any(|byte| byte.is_ascii_digit()) {
                return if is_code(word) { Evidence::Strong } else { Evidence::None };
            }
            if !word.is_capitalised || word.is_stop_word {
                return Evidence::None;
            }
            let is_name = |word: &Word| word.is_capitalised && !word.is_stop_word;
            let follows = at > 0 && word.follows_word && is_name(&words[at - 1]);
            let precedes = words.get(at + 1).is_some_and(|next| next.follows_word && is_name(next));
            if is_german {
                return german(words, at, follows || precedes, &confirmed);
            }
            let is_known = confirmed.contains(word.folded.as_str());
            let is_common = small.contains(&word.term) && !follows;
            match !word.starts_sentence || is_known || precedes {
                true if !is_common => Evidence::Strong,
                _ => Evidence::None,
            }
        })
        .collect()
}

fn german(words: &[Word], at: usize, is_in_sequence: bool, confirmed: &HashSet<&str>) -> Evidence {
    let word = &words[at];
    if word.is_acronym && word.folded.chars().count() <= MAX_ACRONYM {
        return Evidence::Strong;
    }
    if word.starts_sentence && !confirmed.contains(word.folded.as_str()) && !is_in_sequence {
        return Evidence::None;
    }
    let is_noun = GERMAN_NOUNS.iter().any(|ending| word.folded.ends_with(ending));
    let before = at.checked_sub(1).map(|before| &words[before]).filter(|_| word.follows_word);
    let follows_preposition = before.is_some_and(|before| GERMAN_PREPOSITIONS.contains(&before.folded.as_str()));
    match is_in_sequence || follows_preposition {
        true if !is_noun => Evidence::Strong,
        _ => Evidence::Weak,
    }
}

/// Returns true for a word of letters and digits, such as the number of a road or aircraft.
fn is_code(word: &Word) -> bool {
    word.folded.chars().next().is_some_and(char::is_alphabetic) && word.is_capitalised
}

/// Returns true for an acronym that is the same in all languages of its script.
pub(super) fn is_exact(word: &Word) -> bool {
    is_code(word) && word.folded.bytes().any(|byte| byte.is_ascii_digit())
        || word.is_acronym && word.folded.is_ascii() && word.folded.len() <= MAX_ACRONYM
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn names(body: &str, language: &str) -> Vec<String> {
        let words = words("", body, language);
        let evidence = evidence(&words, language);
        let strong = words.into_iter().zip(evidence).filter(|(_, evidence)| *evidence == Evidence::Strong);
        strong.map(|(word, _)| word.folded).collect()
    }

    #[test]
    fn a_capital_at_the_start_of_a_sentence_tells_nothing() {
        assert_eq!(names("Passengers wept. Officials in Ostley met. Ostley slept.", "en"), ["ostley", "ostley"]);
        assert_eq!(
            names("Marlow Quince left the R14. Trains stopped, and other trains.", "en"),
            ["marlow", "quince", "r14"]
        );
    }

    #[test]
    fn german_nouns_need_more_than_a_capital() {
        let found =
            names("Das Personal und die Gewerkschaft streiken in Lindhaven, sagte Katrin Osterbeck für die GLT.", "de");
        assert_eq!(found, ["lindhaven", "katrin", "osterbeck", "glt"]);
    }
}
