//! The form of a name: how many words, which letters, which degrees behind it.

use super::dates::{self, Locale};
use super::people::{ends_name, is_unspaced};
use crate::article::fold;

/// The kinds of names in bylines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CreditKind {
    Person,
    /// One word: a first name or a handle, if the document says that it is a name.
    Handle,
    /// A group of people: `News Staff`.
    Group,
    /// The publisher itself.
    House,
    /// A news agency, with its standard name.
    Agency(&'static str),
}

/// Maximum length of a name, in characters.
pub(super) const NAME_CHARS: usize = 60;

/// Returns the kind of a name by its form. None if it is not one.
pub(super) fn shape(name: &str) -> Option<CreditKind> {
    let chars = name.chars().count();
    let words: Vec<&str> = name.split(' ').collect();
    if !(2..=NAME_CHARS).contains(&chars) || !name.chars().any(char::is_alphabetic) {
        return None;
    }
    let is_letter = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '.' | '_' | '\'' | '’' | '‘' | '`' | '-' | '–' | '‐' | '・' | '·' | '\u{200C}')
            // Vowel signs of scripts that write them as marks.
            || matches!(c, '\u{300}'..='\u{36F}' | '\u{900}'..='\u{DFF}' | '\u{E00}'..='\u{E7F}')
    };
    if !words.iter().all(|word| word.chars().all(is_letter)) {
        return None;
    }
    let is_cased = name.chars().any(|c| c.is_lowercase() || c.is_uppercase());
    if is_cased {
        // `al-Doe` is one, too.
        let is_capital = |word: &str| {
            let mut parts = word.split('-').filter_map(|part| part.chars().find(|c| c.is_alphabetic()));
            parts.any(char::is_uppercase)
        };
        return match words.as_slice() {
            [_] => (chars >= 3 && name.matches('.').count() < 2).then_some(CreditKind::Handle),
            [first, middle @ .., last] => {
                let is_particle = |word: &&str| is_capital(word) || word.chars().count() <= 5;
                let is_name = words.len() <= 6
                    && (is_capital(first) || first.chars().count() <= 3)
                    && (is_capital(last) || last.contains('\'') || last.contains('’'))
                    && middle.iter().all(is_particle)
                    && words.iter().filter(|word| !is_capital(word)).count() * 2 <= words.len()
                    && !name.chars().any(|c| c.is_ascii_digit());
                is_name.then_some(CreditKind::Person)
            }
            [] => None,
        };
    }
    if name.chars().any(|c| c.is_ascii_digit()) {
        return None;
    }
    match words.len() {
        // `王小明`, `김철수`, and foreign names in Katakana.
        1 if name.chars().all(|c| is_unspaced(c) || c == '·') => {
            let is_foreign = name.chars().all(|c| is_katakana(c) || c == '·') || name.contains('·');
            (chars <= if is_foreign { 24 } else { 5 }).then_some(CreditKind::Person)
        }
        1 => Some(CreditKind::Handle),
        2..=5 => Some(CreditKind::Person),
        _ => None,
    }
}

pub(super) fn title_case(name: &str) -> String {
    let mut start = true;
    name.chars()
        .flat_map(|c| {
            let letters: Vec<char> = if start { vec![c] } else { c.to_lowercase().collect() };
            start = !c.is_alphanumeric();
            letters
        })
        .collect()
}

/// Returns true for a character of Katakana, in which Japanese writes foreign names.
pub(super) fn is_katakana(c: char) -> bool {
    matches!(c, '\u{30A0}'..='\u{30FF}')
}

/// Cuts the words behind a name: `Jane Doe in London`, `Jane Doe 2 November`, `Jane Doe CPA`.
pub(super) fn without_end(name: &str) -> String {
    let words: Vec<&str> = name.split(' ').collect();
    let mut end = words.len();
    for at in 1..words.len() {
        let is_number = words[at].starts_with(|c: char| c.is_ascii_digit());
        let is_dash = matches!(words[at], "-" | "–" | "—" | "·" | ":");
        // `Jane Doe For Ellery Herald`
        let is_capital = at >= 2 && words.len() > at + 1 && words[at].chars().count() > 2;
        let is_end = ends_name(words[at]) || is_capital && ends_name(&fold(words[at]));
        if is_number || is_dash || is_end || words[at].ends_with("'s") {
            end = at;
            break;
        }
        // `Nov. 2, 2026`
        if words.get(at + 1).is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()))
            && begins_date(&words[at..])
        {
            end = at;
            break;
        }
    }
    while end > 2 && is_credential(words[end - 1]) && name.chars().any(char::is_lowercase) {
        end -= 1;
    }
    words[..end].join(" ").trim_end_matches([',', ':', '-']).to_owned()
}

/// Returns true if words are a date, with or without the year: a comma may have split it off.
pub(super) fn begins_date(words: &[&str]) -> bool {
    let date = words.join(" ");
    let parse = |date: &str| dates::parse(date, Locale::default());
    parse(&date).is_some() || parse(&format!("{date}, 2000")).is_some()
}

/// Returns true for degrees and certificates: `M.D.`, `PhD`, `CFP®`.
pub(super) fn is_credential(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|c| !matches!(c, '.' | '®' | '-' | '\u{2122}' | ' ')).collect();
    let capitals = letters.iter().filter(|c| c.is_ascii_uppercase()).count();
    // `JOHN ROE` is a name.
    (2..=7).contains(&letters.len())
        && (text.contains(['.', '®']) || !text.trim().contains(' '))
        && letters.iter().all(char::is_ascii_alphabetic)
        && capitals >= 2
        && capitals * 2 >= letters.len()
        && (capitals == letters.len() || letters.len() <= 4)
}
