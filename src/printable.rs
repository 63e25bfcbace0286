//! Text for messages, with terminal control characters escaped.

use std::path::Path;

/// Returns a path for messages: on one line, with control characters escaped.
pub fn path(path: &Path) -> String {
    escaped(&path.to_string_lossy(), |_| false)
}

/// Returns a message with its control characters escaped, except line breaks and tabs.
pub fn message(text: &str) -> String {
    escaped(text, |letter| matches!(letter, '\n' | '\t'))
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_control(letter) && !keep(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Returns true for C0, DEL, C1, line separators, and bidirectional controls, which reorder the text after them.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_escaped_and_letters_are_not() {
        assert_eq!(path(Path::new("a\u{1b}]0;x\u{7}\n\u{9b}b/é ñ.html")), "a\\u{1b}]0;x\\u{7}\\n\\u{9b}b/é ñ.html");
        assert_eq!(path(Path::new("photo\u{202e}gpj.exe")), "photo\\u{202e}gpj.exe");
        assert_eq!(message("one\n\ttwo\r\u{1b}[2J"), "one\n\ttwo\\r\\u{1b}[2J");
    }

    proptest! {
        #[test]
        fn nothing_printed_controls_a_terminal(text in any::<String>()) {
            prop_assert!(!path(Path::new(&text)).chars().any(is_control));
            prop_assert!(message(&text).chars().all(|letter| matches!(letter, '\n' | '\t') || !is_control(letter)));
            let plain: String = text.chars().filter(|letter| !is_control(*letter)).collect();
            prop_assert_eq!(message(&plain), plain);
        }
    }
}
