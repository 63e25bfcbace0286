//! Text without what does not belong in text.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// One line: every run of white space is one space, nothing else that is invisible stays. In Unicode's form C.
pub fn clean_line(text: &str) -> String {
    if is_clean_ascii(text.as_bytes()) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len());
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

/// Whether there is nothing to clean: true of most English text, and told faster by bytes than by letters.
fn is_clean_ascii(text: &[u8]) -> bool {
    let printable = text.iter().all(|byte| (b' '..=b'~').contains(byte));
    printable && !text.starts_with(b" ") && !text.ends_with(b" ") && !text.windows(2).any(|pair| pair == b"  ")
}

/// Paragraphs parted by one blank line. Line breaks within a paragraph stay; other runs of white space become one space.
pub fn clean_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = true;
    for raw in text.lines() {
        // A carriage return alone is a line break to those who write it.
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

/// For comparing: without the case of letters, and without the invisible.
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

/// The characters that cleaning takes out of a text.
pub fn invisible(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|character| is_dropped(*character))
}

/// Control characters, bidirectional overrides and isolates, and characters of no width. The joiners (U+200C, U+200D) stay:
/// scripts and emoji need them. U+FEFF is a byte order mark, U+FFFC stands for an object that is not there.
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
        fn cleaning_twice_changes_nothing(text in any::<String>()) {
            let once = clean_text(&text);
            prop_assert_eq!(clean_text(&once), once.clone());
            prop_assert!(!once.chars().any(|c| c.is_control() && c != '\n'));
            let line = clean_line(&text);
            prop_assert_eq!(clean_line(&line), line);
        }
    }
}
