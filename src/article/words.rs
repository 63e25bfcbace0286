//! The words of texts and queries: splitting, and folding of letters.
//!
//! A word is found by its other spellings: in capitals, without diacritics and vowel points, in full width, and with
//! letters that keyboards lack (`ß` as `ss`, `ł` as `l`). Words are stored in the search index and hashed in sketches
//! of bodies: a change here needs new versions of both.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Maximum length of a word, in characters. Longer runs, such as base64 dumps, are truncated.
const MAX_WORD_CHARS: usize = 64;

/// Returns the words of a text with their byte ranges: runs of letters and digits, folded. Scripts without spaces
/// between words are split into characters, so that a query for part of a sentence finds it.
pub fn tokens(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut token = String::new();
        next_token(text, &mut at, &mut token).map(|range| (range, token))
    })
}

/// Calls `each` with every word of [`tokens`], without an allocation for each.
pub(super) fn for_each_token(text: &str, mut each: impl FnMut(&str)) {
    let (mut at, mut token) = (0, String::new());
    while next_token(text, &mut at, &mut token).is_some() {
        each(&token);
        token.clear();
    }
}

/// Appends the next word after `at`, returns its byte range and moves `at` behind it.
pub(super) fn next_token(text: &str, at: &mut usize, token: &mut String) -> Option<Range<usize>> {
    // Fast path: most words are ASCII.
    let bytes = text.as_bytes();
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let is_ascii = |at: usize| bytes.get(at).is_none_or(u8::is_ascii);
    let mut start = *at;
    while start < bytes.len() && is_ascii(start) && !is_letter(start) {
        start += 1;
    }
    let mut end = start;
    while is_letter(end) {
        end += 1;
    }
    if end > start && is_ascii(end) {
        *at = end;
        let from = token.len();
        token.push_str(&text[start..end.min(start + MAX_WORD_CHARS)]);
        token[from..].make_ascii_lowercase();
        return Some(start..end);
    }
    let (range, next) = next_word(text, start, token)?;
    *at = next;
    Some(range)
}

/// Appends the next word in any script. Returns its byte range and the end of the search.
fn next_word(text: &str, from: usize, token: &mut String) -> Option<(Range<usize>, usize)> {
    let mut length = 0;
    let mut range = from..from;
    for (at, character) in text[from..].char_indices() {
        let at = from + at;
        let end = at + character.len_utf8();
        if stands_alone(character) {
            if length == 0 {
                let end = end + sound_mark(&text[end..]);
                token.extend(text[at..end].nfkc());
                return Some((at..end, end));
            }
            return Some((range, at));
        }
        if is_dropped(character) {
            // A mark that texts may omit belongs to the letter before it.
            if length > 0 {
                range.end = end;
            }
        } else if character.is_alphanumeric() || (length > 0 && is_combining_mark(character)) {
            if length == 0 {
                range.start = at;
            }
            range.end = end;
            if length < MAX_WORD_CHARS {
                push_folded(character, token);
            }
            length += 1;
        } else if length > 0 {
            return Some((range, at));
        }
    }
    (length > 0).then_some((range, text.len()))
}

/// Appends a letter or digit in its folded form.
fn push_folded(character: char, token: &mut String) {
    let mut is_split = false;
    decompose_compatible(character, |part| is_split |= !part.is_alphanumeric() && !is_combining_mark(part));
    if is_split {
        // A fraction or a letter in brackets is no sequence of digits or letters.
        token.extend(character.to_lowercase());
        return;
    }
    decompose_compatible(character, |part| {
        for lower in part.to_lowercase().filter(|lower| !is_dropped(*lower)) {
            match transcribed(lower) {
                Some(folded) => token.push_str(folded),
                None => token.push(lower),
            }
        }
    });
}

/// Returns the usual transcription of a letter without a decomposition; σ for a final sigma.
fn transcribed(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ς' => "σ",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ŧ' => "t",
        'ı' => "i",
        _ => return None,
    })
}

/// Returns true for marks that texts may omit: accents of alphabets, points of Hebrew, vowels and elongation of Arabic;
/// and for joiners and variation selectors. Vowel signs of Indic scripts are letters.
fn is_dropped(character: char) -> bool {
    matches!(
        character,
        '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5BD}' | '\u{5BF}' | '\u{5C1}'..='\u{5C2}'
        | '\u{5C4}'..='\u{5C5}' | '\u{5C7}' | '\u{610}'..='\u{61A}' | '\u{640}' | '\u{64B}'..='\u{65F}' | '\u{670}'
        | '\u{6D6}'..='\u{6DC}' | '\u{6DF}'..='\u{6E4}' | '\u{6E7}'..='\u{6E8}' | '\u{6EA}'..='\u{6ED}' | '\u{711}'
        | '\u{730}'..='\u{74A}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20F0}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{200C}' | '\u{200D}' | '\u{E0100}'..='\u{E01EF}'
    )
}

/// Returns true for a mark that texts may omit, and that stemmers do not expect: vowel points and elongation of Hebrew
/// and Arabic, joiners and variation selectors. Accents of alphabets are none of them.
pub(super) fn is_omitted(character: char) -> bool {
    is_dropped(character) && !('\u{300}'..='\u{36F}').contains(&character)
}

/// Appends a word in lower case in its folded form.
pub(super) fn push_folded_word(word: &str, token: &mut String) {
    for character in word.chars().filter(|character| !is_dropped(*character)) {
        push_folded(character, token);
    }
}

/// Returns true for Han, Kana, Thai, Lao, Khmer and Burmese letters.
pub(super) fn stands_alone(character: char) -> bool {
    matches!(
        character,
        '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FF9D}'
        | '\u{20000}'..='\u{3FFFF}'
    ) && character.is_alphanumeric()
}

/// Returns the size of the voiced or semi-voiced sound mark of Kana at the start of a text, in bytes: `ﾞ` in `ｶﾞ`.
fn sound_mark(text: &str) -> usize {
    text.chars().next().filter(|mark| "\u{3099}\u{309A}\u{FF9E}\u{FF9F}".contains(*mark)).map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        tokens(text).map(|(_, token)| token).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_know_where_they_stand() {
        let text = "L'été, 5x ｶﾞ";
        let found: Vec<_> = tokens(text).map(|(range, token)| (&text[range], token)).collect();
        assert_eq!(found, [("L", "l".into()), ("été", "ete".into()), ("5x", "5x".into()), ("ｶﾞ", "ガ".to_string())]);
    }

    #[test]
    fn spellings_of_a_word_are_one() {
        for (spellings, word) in [
            (&["ΠΡΩΘΥΠΟΥΡΓΟΣ", "πρωθυπουργός", "πρωθυπουργόσ"][..], "πρωθυπουργοσ"),
            (&["Straße", "STRASSE", "STRAẞE", "strasse"], "strasse"),
            (&["Łódź", "ŁÓDŹ", "lodz"], "lodz"),
            (&["Đorđe", "đorđe"], "dorde"),
            (&["Malmø", "MALMØ"], "malmo"),
            (&["Æther", "æther", "aether"], "aether"),
            (&["Diyarbakır", "DIYARBAKIR"], "diyarbakir"),
            (&["İzmir", "izmir", "IZMIR"], "izmir"),
            (&["ＮＨＫ", "nhk", "NHK"], "nhk"),
            (&["２０２５", "2025"], "2025"),
            (&["ニュース", "ﾆｭｰｽ"], "ニ ュ ー ス"),
            (&["ガス", "ｶﾞｽ", "カ\u{3099}ス"], "ガ ス"),
            (&["豈", "\u{F900}"], "豈"),
            (&["مُحَمَّد", "محـــمد", "محمد"], "محمد"),
            (&["أخبار", "اخبار"], "اخبار"),
            (&["שָׁלוֹם", "שלום"], "שלום"),
            (&["ёлка", "елка"], "елка"),
            (&["हिन्दी"], "हिन्दी"),
            (&["m²"], "m2"),
            (&["5½"], "5½"),
            (&["❤\u{FE0F}Paris", "♥ Paris"], "paris"),
            (&["1\u{FE0F}\u{20E3}"], "1"),
            (&["ที่25", "ท ี 25"], "ท ี 25"),
            (&["葛\u{E0100}城"], "葛 城"),
            (&["ŀ", "Ŀ"], "ŀ"),
        ] {
            for spelling in spellings {
                assert_eq!(folded(spelling), word, "{spelling}");
            }
        }
    }
}
