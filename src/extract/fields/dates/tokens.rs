//! Splits text into the numbers, words and marks that dates consist of.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Maximum number of tokens of one text that are read.
const MAX_TOKENS: usize = 400;
/// Maximum length of a part of an abbreviation that is joined over a full stop: `a.m.`, `มี.ค.`
const MAX_PART: usize = 3;

/// Units behind numbers in Chinese, Japanese and Korean: words of their own, though no space follows.
const UNITS: [char; 18] =
    ['年', '月', '日', '号', '號', '時', '时', '点', '點', '分', '秒', '년', '월', '일', '시', '분', '초', '주'];

/// Part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A number and its count of digits.
    Number { value: u64, digits: usize },
    /// A word in lower case, without accents and full stops.
    Word(String),
    /// Any other character except white space.
    Mark(char),
}

/// A token and its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) token: Token,
    /// True if the token follows the one before it without white space.
    pub(super) is_joined: bool,
    /// Offset of the first byte.
    pub(super) start: usize,
    /// Offset behind the last byte.
    pub(super) end: usize,
}

impl Placed {
    fn is_number(&self) -> bool {
        matches!(self.token, Token::Number { .. })
    }
}

/// Splits a text.
pub(super) fn split(text: &str) -> Vec<Placed> {
    let mut tokens: Vec<Placed> = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if first.is_whitespace() {
            continue;
        }
        if tokens.len() == MAX_TOKENS {
            break;
        }
        let is_joined = tokens.last().is_some_and(|last| last.end == start);
        let mut end = start + first.len_utf8();
        let token = if let Some(digit) = digit(first) {
            let (mut value, mut digits) = (digit, 1);
            while let Some((at, next)) = chars.next_if(|(_, next)| self::digit(*next).is_some()) {
                value = value.saturating_mul(10).saturating_add(self::digit(next).unwrap_or_default());
                digits += 1;
                end = at + next.len_utf8();
            }
            Token::Number { value, digits }
        } else if is_joined && UNITS.contains(&first) && tokens.last().is_some_and(Placed::is_number) {
            Token::Word(first.to_string())
        } else if is_letter(first) {
            while let Some((at, next)) = chars.next_if(|(at, next)| is_letter(*next) || joins(first, &text[*at..])) {
                end = at + next.len_utf8();
            }
            Token::Word(fold(&text[start..end]))
        } else {
            Token::Mark(first)
        };
        tokens.push(Placed { token, is_joined, start, end });
    }
    join_months(join_abbreviations(tokens))
}

/// Joins the names of Levantine months that are two words: `تشرين الثاني`.
fn join_months(tokens: Vec<Placed>) -> Vec<Placed> {
    let mut joined: Vec<Placed> = Vec::with_capacity(tokens.len());
    for placed in tokens {
        if let Token::Word(second) = &placed.token
            && matches!(second.as_str(), "الاول" | "الثانی")
            && let Some(Placed { token: Token::Word(first), end, .. }) = joined.last_mut()
            && matches!(first.as_str(), "تشرین" | "کانون")
        {
            first.push_str(second);
            *end = placed.end;
            continue;
        }
        joined.push(placed);
    }
    joined
}

/// Joins the parts of an abbreviation: `p`, `.`, `m` become `pm`.
fn join_abbreviations(tokens: Vec<Placed>) -> Vec<Placed> {
    let mut joined: Vec<Placed> = Vec::with_capacity(tokens.len());
    for placed in tokens {
        if let Token::Word(part) = &placed.token
            && placed.is_joined
            && is_part(part)
            && let [.., Placed { token: Token::Word(before), .. }, stop] = joined.as_slice()
            && stop.token == Token::Mark('.')
            && stop.is_joined
            && is_part(before)
        {
            joined.pop();
            if let Some(Placed { token: Token::Word(before), end, .. }) = joined.last_mut() {
                before.push_str(part);
                *end = placed.end;
            }
            continue;
        }
        joined.push(placed);
    }
    joined
}

/// Returns true for an apostrophe between letters of a Cyrillic word, where it stands for a sound: `п'ятниця`.
fn joins(first: char, rest: &str) -> bool {
    let mut chars = rest.chars();
    matches!(first, '\u{400}'..='\u{4FF}')
        && matches!(chars.next(), Some('\'' | '’'))
        && chars.next().is_some_and(char::is_alphabetic)
}

fn is_part(word: &str) -> bool {
    word.chars().nth(MAX_PART).is_none()
}

/// Returns a word in lower case without accents, so that capitals without accents equal it, and with one form of the
/// letters that Arabic and Persian keyboards write differently.
pub(super) fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    // Accents, vowel signs of Arabic, joiners, and apostrophes.
    let is_accent = |c: &char| {
        matches!(c, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}' | '\u{200c}' | '\u{640}')
            || matches!(c, '\'' | '’' | '\u{2bc}')
    };
    let lower = word.to_lowercase();
    let plain = lower.nfd().filter(|c| !is_accent(c)).map(|c| match c {
        'ي' | 'ى' => 'ی',
        'ك' => 'ک',
        'ı' => 'i',
        c => c,
    });
    plain.nfc().collect()
}

/// Returns the value of a decimal digit in the scripts that news is written in.
fn digit(c: char) -> Option<u64> {
    const ZEROS: [u32; 13] =
        [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xbe6, 0xe50, 0xed0, 0x1040, 0x17e0, 0xff10];
    let code = u32::from(c);
    ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10)).map(u64::from)
}

/// Returns true for letters, for the vowel and tone signs that belong to them, and for the joiners within words.
fn is_letter(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    // Ordinal signs count as letters: `1º`.
    c.is_alphabetic() || is_combining_mark(c) || matches!(c, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_numbers_words_and_marks() {
        let shown = |text: &str| -> Vec<String> {
            let token = |placed: Placed| match placed.token {
                Token::Number { value, digits } => format!("{value}/{digits}"),
                Token::Word(word) => word,
                Token::Mark(mark) => mark.to_string(),
            };
            split(text).into_iter().map(token).collect()
        };
        for (text, expected) in [
            ("05 Mar, 7:20 p.m.", vec!["5/2", "mar", ",", "7/1", ":", "20/2", "pm", "."]),
            ("18h05", vec!["18/2", "h", "5/2"]),
            ("MÄRZ Μαρτίου ΜΑΡΤΙΟΥ", vec!["marz", "μαρτιου", "μαρτιου"]),
            ("۱۴۰۵/۰۸", vec!["1405/4", "/", "8/2"]),
            ("27 ต.ค. 2569", vec!["27/2", "ตค", ".", "2569/4"]),
            ("2024年3月5日星期二", vec!["2024/4", "年", "3/1", "月", "5/1", "日", "星期二"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
