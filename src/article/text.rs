//! Text normalization.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Returns the text as one line in Unicode's form C: white space collapsed to single spaces, other invisible
/// characters removed.
pub fn clean_line(text: &str) -> String {
    if is_clean_ascii(text.as_bytes()) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len());
    if is_plain_ascii(text.as_bytes()) {
        for word in text.split_ascii_whitespace() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        return line;
    }
    let mut space = false;
    for character in text.chars().filter(|c| !is_dropped(*c)) {
        if is_space(character) {
            space = !line.is_empty();
        } else {
            if std::mem::take(&mut space) {
                line.push(' ');
            }
            line.push(character);
        }
    }
    compose(line)
}

/// Returns true for ASCII text without anything to clean, as most English text is. Bytes are faster to check than
/// characters, and without an early end, many are compared at once.
fn is_clean_ascii(text: &[u8]) -> bool {
    let printable = text.iter().fold(true, |is, byte| is & (b' '..=b'~').contains(byte));
    let pairs = text.iter().zip(text.get(1..).unwrap_or_default());
    let has_gap = pairs.fold(false, |has, (one, two)| has | ((*one == b' ') & (*two == b' ')));
    printable && !has_gap && !text.starts_with(b" ") && !text.ends_with(b" ")
}

/// Returns true for ASCII text with nothing to clean but white space.
fn is_plain_ascii(text: &[u8]) -> bool {
    text.iter().fold(true, |is, byte| is & ((b' '..=b'~').contains(byte) | matches!(*byte, b'\t' | b'\n' | b'\r')))
}

/// Returns paragraphs separated by one blank line. Line breaks within a paragraph stay; other white space is collapsed
/// to single spaces.
pub fn clean_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = true;
    for raw in text.lines() {
        // Some writers use a single carriage return as a line break.
        for part in raw.split(['\r', '\u{2028}', '\u{2029}', '\u{85}', '\u{0B}', '\u{0C}']) {
            let line = clean_line(part);
            if line.is_empty() {
                blank = true;
                continue;
            }
            if !out.is_empty() {
                out.push_str(if blank { "\n\n" } else { "\n" });
            }
            blank = false;
            out.push_str(&line);
        }
    }
    out
}

/// Cleans the parts of one line. The results, concatenated, are what [`clean_line`] returns for the concatenated parts.
/// None in the rare case that composing characters across two parts would change both.
pub fn clean_line_parts(parts: &[&str]) -> Option<Vec<String>> {
    let cleaned = collapse(parts, |_: &str| ' ');
    (cleaned.concat() == clean_line(&parts.concat())).then_some(cleaned)
}

/// Cleans the parts of one paragraph. The results, concatenated, are what [`clean_text`] returns for the concatenated
/// parts. None if composing characters across two parts would change both, or if the parts are several paragraphs.
pub fn clean_text_parts(parts: &[&str]) -> Option<Vec<String>> {
    let is_break =
        |character| matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{0B}' | '\u{0C}');
    let cleaned = collapse(parts, |space: &str| if space.contains(is_break) { '\n' } else { ' ' });
    (cleaned.concat() == clean_text(&parts.concat())).then_some(cleaned)
}

/// Replaces each run of white space by one character, in the part in which the run begins.
fn collapse(parts: &[&str], replacement: impl Fn(&str) -> char) -> Vec<String> {
    let mut cleaned = vec![String::new(); parts.len()];
    let mut space = String::new();
    let mut space_part = None;
    let mut is_start = true;
    for (at, part) in parts.iter().enumerate() {
        for character in part.chars().filter(|character| !is_dropped(*character)) {
            if is_space(character) {
                space_part = space_part.or((!is_start).then_some(at));
                space.push(character);
                continue;
            }
            if let Some(before) = space_part.take() {
                cleaned[before].push(replacement(&space));
            }
            space.clear();
            is_start = false;
            cleaned[at].push(character);
        }
    }
    cleaned.into_iter().map(compose).collect()
}

/// Folds text for comparison: without case and invisible characters.
pub fn fold(text: &str) -> String {
    clean_line(text).to_lowercase()
}

fn compose(text: String) -> String {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        _ => text.nfc().collect(),
    }
}

fn is_space(character: char) -> bool {
    character.is_whitespace()
}

/// Returns the characters that cleaning removes.
pub fn invisible(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|character| is_dropped(*character))
}

/// Control characters, bidirectional overrides and isolates, and zero-width characters. The joiners (U+200C, U+200D)
/// stay: scripts and emoji need them. U+FEFF is a byte order mark, U+FFFC a placeholder for an object.
fn is_dropped(character: char) -> bool {
    (character.is_control() && !character.is_whitespace())
        || matches!(
            character,
            '\u{AD}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFC}' | '\u{E0000}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_seen_is_gone() {
        assert_eq!(clean_line(" a\u{0}b\u{202E}c \t\u{A0} d\u{200B}\u{FEFF} "), "abc d");
        assert_eq!(clean_line("e\u{301}te\u{301}"), "été");
        assert_eq!(clean_text("\n a \r\n b\n\n\n\u{2029}c\r\rd\n"), "a\nb\n\nc\n\nd");
    }

    proptest! {
        #[test]
        fn parts_are_cleaned_like_the_whole(parts in prop::collection::vec("[ab \n\t\u{200B}é漢]{0,6}", 0..6)) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let cleaned = clean_line_parts(&parts).expect("nothing to compose");
            prop_assert_eq!(cleaned.concat(), clean_line(&parts.concat()));
            let whole = clean_text(&parts.concat());
            match clean_text_parts(&parts) {
                Some(cleaned) => prop_assert_eq!(cleaned.concat(), whole),
                None => prop_assert!(whole.contains("\n\n")),
            }
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in any::<String>()) {
            let once = clean_text(&text);
            prop_assert_eq!(clean_text(&once), once.clone());
            prop_assert!(!once.chars().any(|c| c.is_control() && c != '\n'));
            let line = clean_line(&text);
            prop_assert_eq!(clean_line(&line), line);
        }
    }
}
