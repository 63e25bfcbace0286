//! Lengths of text that are comparable between scripts.

/// Returns true for the characters of scripts that are written without spaces between words, and carry about a word in
/// two characters: Chinese and Japanese.
pub(super) fn is_dense(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// Returns true for Hangul, whose syllables carry about two letters.
fn is_hangul(c: char) -> bool {
    matches!(c, '\u{AC00}'..='\u{D7AF}')
}

/// Returns the length of a text in letters: a Chinese character counts as three, a Korean syllable as two.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| if is_dense(c) { 3 } else { 1 + usize::from(is_hangul(c)) }).sum()
}
