//! Words of an article with the evidence by which names are found.

use std::collections::HashSet;

use super::hash::key;
use crate::article::{Analysis, Language};

/// Maximum number of bytes of a headline or body that are read.
const MAX_TEXT: usize = 16_384;
/// Maximum number of words of an article that are read.
const MAX_WORDS: usize = 2_000;
/// Minimum number of capitalised words, and their minimum share in percent, by which a headline is in title case.
const TITLE_CASE: (usize, usize) = (4, 70);
/// Characters after which a sentence starts.
const SENTENCE_ENDS: &str = ".!?…:;\n\"«»„“”‹›–—•|";

/// Word of an article.
pub(super) struct Word {
    /// Folded form.
    pub folded: String,
    /// Key of the stem, or of the folded form in a language without stems.
    pub term: u32,
    pub is_stop_word: bool,
    pub is_capitalised: bool,
    /// True for two or more capitals and nothing else, in a line that has small letters.
    pub is_acronym: bool,
    /// True if a capital tells nothing: at the start of a sentence, or in a headline in title case.
    pub starts_sentence: bool,
    /// True if only a space or hyphen separates it from the word before.
    pub follows_word: bool,
    /// Position in the headline or body, in bytes.
    pub offset: usize,
    pub is_in_headline: bool,
}

/// Returns the primary subtag of a language code in lower case: `en` for `en-GB`.
pub(super) fn primary(language_code: &str) -> String {
    language_code.split(['-', '_']).next().unwrap_or("").to_ascii_lowercase()
}

/// Returns the beginning of a text that is read: at most 16 KiB.
pub(super) fn beginning(text: &str) -> &str {
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// Returns the words of a headline and a body, in order: at most 2,000.
pub(super) fn words(headline: &str, body: &str, language_code: &str) -> Vec<Word> {
    let stop_words: HashSet<&str> = stop_words::lookup(primary(language_code)).unwrap_or(&[]).iter().copied().collect();
    let mut words = Vec::new();
    for (text, is_in_headline) in [(headline, true), (body, false)] {
        read(beginning(text), language_code, is_in_headline, &stop_words, &mut words);
        if is_in_headline && is_title_case(&words) {
            words.iter_mut().for_each(|word| word.starts_sentence = true);
        }
    }
    words
}

fn read(text: &str, language_code: &str, is_in_headline: bool, stop_words: &HashSet<&str>, words: &mut Vec<Word>) {
    let mut analysis = Analysis::new(text, Language::of_code(language_code));
    let mut end = 0;
    let mut is_first = true;
    while words.len() < MAX_WORDS
        && let Some(token) = analysis.advance()
    {
        let between = &text[end.min(token.range.start)..token.range.start];
        end = token.range.end;
        let starts_sentence = is_first || between.contains(|mark: char| SENTENCE_ENDS.contains(mark));
        let follows_word = !is_first && matches!(between, " " | "-" | "\u{a0}" | "‑");
        is_first = false;
        let Some((written, term)) = token.as_word(text) else { continue };
        let mut letters = written.chars();
        let is_capitalised = letters.next().is_some_and(char::is_uppercase);
        let is_acronym = is_capitalised && letters.all(char::is_uppercase);
        let lower = written.to_lowercase();
        words.push(Word {
            term: key(b't', term),
            is_stop_word: stop_words.contains(lower.as_str()),
            is_capitalised,
            is_acronym,
            starts_sentence,
            follows_word,
            offset: token.range.start,
            is_in_headline,
            folded: token.exact.clone(),
        });
    }
}

fn is_title_case(headline: &[Word]) -> bool {
    let words = headline.iter().filter(|word| !word.is_stop_word);
    let (capitalised, all) =
        words.fold((0, 0), |(capitalised, all), word| (capitalised + usize::from(word.is_capitalised), all + 1));
    capitalised >= TITLE_CASE.0 && capitalised * 100 >= all * TITLE_CASE.1
}
