//! Analysis of text for search: the terms of each word, and their positions.
//!
//! Indexing, queries, the filters of watches, and snippets all use this analysis, so they agree on what matches.
//!
//! - A word has its folded form (see [`words`](super::words)) and, in a language with stems, its stem at the same
//!   position. So phrases stay exact, and exact forms can rank higher.
//! - Scripts without spaces between words, and Korean, whose particles are written at the end of a word, are split into
//!   characters. Each has a pair with the next one at the same position: a query is a phrase of pairs.

mod armenian;
mod hebrew;
mod korean;
mod language;

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use super::words;

pub use language::Language;

/// Begins a term that is a stem. The mark of its language follows.
const STEM: char = '\u{1}';
/// Begins a term that is a pair of characters.
const PAIR: char = '\u{2}';

/// Word or character of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Position, from 0. Phrases compare positions.
    pub position: u32,
    /// Byte range in the text.
    pub range: Range<usize>,
    /// Folded form.
    pub exact: String,
    /// Stem, or pair with the next character; empty if there is none. Begins with a control character.
    pub alternate: String,
}

impl Token {
    /// Returns the word as it is written, and its term: the stem, if there is one. Of scripts that are split into
    /// characters, it is the pair with the next one. None for a single letter or character.
    pub fn as_word<'w>(&'w self, text: &'w str) -> Option<(&'w str, &'w str)> {
        if let Some(pair) = self.alternate.strip_prefix(PAIR) {
            return Some((pair, &self.alternate));
        }
        let is_word = self.exact.chars().nth(1).is_some();
        let term = if self.alternate.is_empty() { &self.exact } else { &self.alternate };
        is_word.then(|| (&text[self.range.clone()], term.as_str()))
    }

    /// Returns true if this is the term of the token, or its alternate.
    pub fn has(&self, term: &str) -> bool {
        self.exact == term || (!self.alternate.is_empty() && self.alternate == term)
    }
}

/// Returns true if a term is a stem or a pair, which no text shows.
pub fn is_alternate(term: &str) -> bool {
    term.starts_with([STEM, PAIR])
}

/// Word or character before its position and alternate are known.
#[derive(Default)]
struct Unit {
    range: Range<usize>,
    exact: String,
    /// True for a character of a script that is split into characters.
    is_character: bool,
    /// True for the first character of a Korean word.
    starts_word: bool,
}

/// Analysis of a text in progress.
pub struct Analysis<'t> {
    text: &'t str,
    /// End of the words that were read, in bytes.
    at: usize,
    /// Rest of a word with Korean syllables.
    rest: Range<usize>,
    language: Option<Language>,
    /// First letters of the words whose stems are of interest; of all words if absent.
    wanted: Option<&'t [char]>,
    next: Option<Unit>,
    spare: Unit,
    position: u32,
    token: Token,
}

impl<'t> Analysis<'t> {
    /// Starts the analysis of a text in a language with stems, or of none.
    pub fn new(text: &'t str, language: Option<Language>) -> Self {
        let mut analysis = Self {
            text,
            at: 0,
            rest: 0..0,
            language,
            wanted: None,
            next: None,
            spare: Unit::default(),
            position: 0,
            token: Token::default(),
        };
        let mut first = Unit::default();
        analysis.next = analysis.read(&mut first).then_some(first);
        analysis
    }

    /// Limits stemming to words that begin with one of these letters, where stems begin as their words do. Stemming is
    /// most of the cost of an analysis.
    pub fn stem_only(mut self, first_letters: &'t [char]) -> Self {
        let may_skip = self.language.is_some_and(|language| !language.changes_start());
        self.wanted = may_skip.then_some(first_letters);
        self
    }

    /// Moves to the next token.
    pub fn advance(&mut self) -> Option<&Token> {
        let mut unit = self.next.take()?;
        let mut following = std::mem::take(&mut self.spare);
        let has_next = self.read(&mut following);
        if unit.starts_word && self.position > 0 {
            // Words of Korean are apart, although their syllables are not.
            self.position += 1;
        }
        self.token.position = self.position;
        self.position += 1;
        self.token.alternate.clear();
        if unit.is_character {
            let is_pair = has_next && following.is_character && following.range.start == unit.range.end;
            if is_pair {
                self.token.alternate.push(PAIR);
                self.token.alternate.push_str(&unit.exact);
                self.token.alternate.push_str(&following.exact);
            }
        } else if let Some(language) = self.language {
            let is_wanted = self
                .wanted
                .is_none_or(|letters| unit.exact.chars().next().is_some_and(|first| letters.contains(&first)));
            if is_wanted {
                push_stem(language, &self.text[unit.range.clone()], &unit.exact, &mut self.token.alternate);
            }
        }
        std::mem::swap(&mut self.token.exact, &mut unit.exact);
        self.token.range = unit.range.clone();
        self.spare = unit;
        if has_next {
            self.next = Some(following);
        }
        Some(&self.token)
    }

    /// Reads the next word or character.
    fn read(&mut self, unit: &mut Unit) -> bool {
        unit.exact.clear();
        unit.is_character = false;
        unit.starts_word = false;
        if !self.rest.is_empty() {
            self.read_korean(unit);
            return true;
        }
        let Some(range) = words::next_token(self.text, &mut self.at, &mut unit.exact) else { return false };
        let written = &self.text[range.clone()];
        if !written.is_ascii() {
            if written.chars().any(is_korean) {
                self.rest = range;
                unit.exact.clear();
                self.read_korean(unit);
                unit.starts_word = unit.is_character;
                return true;
            }
            unit.is_character = written.chars().next().is_some_and(words::stands_alone);
        }
        unit.range = range;
        true
    }

    /// Reads a syllable, or the letters up to the next one, of a word with Korean syllables.
    fn read_korean(&mut self, unit: &mut Unit) {
        let rest = &self.text[self.rest.clone()];
        let first_is_korean = rest.chars().next().is_some_and(is_korean);
        let mut end = rest.len();
        for (at, character) in rest.char_indices().skip(1) {
            // Decomposed syllables are composed first.
            let is_same = match first_is_korean {
                true => ('\u{1160}'..='\u{11FF}').contains(&character),
                false => !is_korean(character),
            };
            if !is_same {
                end = at;
                break;
            }
        }
        let part = &rest[..end];
        if first_is_korean {
            unit.exact.extend(part.nfkc());
            unit.is_character = true;
        } else {
            let mut at = 0;
            if words::next_token(part, &mut at, &mut unit.exact).is_none() {
                unit.exact.push_str(part);
            }
        }
        unit.range = self.rest.start..self.rest.start + end;
        self.rest.start += end;
    }
}

/// Appends the marked stem of a word that is written with letters.
fn push_stem(language: Language, written: &str, folded: &str, out: &mut String) {
    if folded.bytes().all(|byte| byte.is_ascii_digit()) {
        return;
    }
    out.push(STEM);
    out.push(language.mark());
    if written.is_ascii() {
        language.stem(folded, |stem| out.push_str(stem));
        return;
    }
    // Stemmers know letters with their diacritics, and indexes without.
    let lower: String = written.nfkc().filter(|letter| !words::is_omitted(*letter)).collect::<String>().to_lowercase();
    language.stem(&lower, |stem| words::push_folded_word(stem, out));
}

fn is_korean(character: char) -> bool {
    korean::is_syllable(character) || ('\u{1100}'..='\u{115F}').contains(&character)
}

/// One way to write a word or phrase of a query: its terms, with their distances from the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Form {
    /// Terms with their offsets.
    pub terms: Vec<(u32, String)>,
    /// True for the words as they are written; false for stems.
    pub is_exact: bool,
    /// Language of the stems.
    pub language: Option<Language>,
}

impl Form {
    /// Returns the form of a text as it is written; none if it has no word.
    pub fn exact(text: &str) -> Option<Self> {
        Self::of(text, None, true)
    }

    /// Returns all forms of a text: as it is written, without a Korean particle, and by stems of each language.
    pub fn all(text: &str, languages: &[Language]) -> Vec<Self> {
        let Some(exact) = Self::exact(text) else { return Vec::new() };
        let stemmed = languages.iter().flat_map(|language| Self::stemmed(text, *language));
        let bare = korean::without_particle(text).and_then(|bare| Self::of(bare, None, false));
        let mut forms = vec![exact];
        for form in stemmed.chain(bare) {
            if !forms.iter().any(|known| known.terms == form.terms) {
                forms.push(form);
            }
        }
        forms
    }

    /// Returns the forms of a text by stems of a language.
    fn stemmed(text: &str, language: Language) -> Vec<Self> {
        let Some(stems) = Self::of(text, Some(language), false) else { return Vec::new() };
        if !language.is_uneven() {
            return vec![stems];
        }
        // The word may be the stem of another form, its stem may be another form, and that has a stem in turn.
        let mut forms = Vec::new();
        let mark = |term: &str| format!("{STEM}{}{term}", language.mark());
        let unmarked = |form: &Self, change: &dyn Fn(&str) -> String| Self {
            terms: form.terms.iter().map(|(offset, term)| (*offset, change(term))).collect(),
            ..form.clone()
        };
        let bare = |term: &str| term.chars().skip_while(|letter| *letter == STEM).skip(1).collect::<String>();
        forms.extend(Self::exact(text).map(|exact| Self {
            is_exact: false,
            language: Some(language),
            ..unmarked(&exact, &|term| if is_alternate(term) { term.to_owned() } else { mark(term) })
        }));
        if stems.terms.iter().all(|(_, term)| term.starts_with(STEM)) {
            forms.push(Self { language: None, ..unmarked(&stems, &bare) });
            forms.push(unmarked(&stems, &|term| {
                let mut again = String::new();
                push_stem(language, &bare(term), &bare(term), &mut again);
                if again.is_empty() { term.to_owned() } else { again }
            }));
        }
        forms.push(stems);
        forms
    }

    fn of(text: &str, language: Option<Language>, is_exact: bool) -> Option<Self> {
        let mut terms = Vec::new();
        let mut analysis = Analysis::new(text, language);
        let mut start = None;
        // End of a pair that already has the next character.
        let mut covered = None;
        while let Some(token) = analysis.advance() {
            let offset = token.position - *start.get_or_insert(token.position);
            let is_covered = covered == Some(token.range.start) && token.alternate.is_empty();
            covered = token.alternate.starts_with(PAIR).then_some(token.range.end);
            if !is_covered {
                let term = if token.alternate.is_empty() { &token.exact } else { &token.alternate };
                terms.push((offset, term.clone()));
            }
        }
        (!terms.is_empty()).then_some(Self { terms, is_exact, language })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, language: &str) -> Vec<(u32, String, String)> {
        let mut analysis = Analysis::new(text, Language::of_code(language));
        let mut all = Vec::new();
        while let Some(token) = analysis.advance() {
            let stem: String = token.alternate.chars().filter(|letter| !letter.is_control()).collect();
            all.push((token.position, token.exact.clone(), stem));
        }
        all
    }

    fn meet(one: &str, other: &str, language: &str) -> bool {
        let language = Language::of_code(language);
        let languages: Vec<Language> = language.into_iter().collect();
        let mut analysis = Analysis::new(other, language);
        let mut all = Vec::new();
        while let Some(token) = analysis.advance() {
            all.push(token.clone());
        }
        Form::all(one, &languages).iter().any(|form| {
            all.iter().any(|first| {
                form.terms.iter().all(|(offset, term)| {
                    all.iter().any(|token| token.position == first.position + offset && token.has(term))
                })
            })
        })
    }

    #[test]
    fn a_word_has_its_stem_at_its_position() {
        let own = |position, exact: &str, stem: &str| (position, exact.to_owned(), format!("0{stem}"));
        assert_eq!(
            tokens("Ferry fares rose", "en"),
            [own(0, "ferry", "ferri"), own(1, "fares", "fare"), own(2, "rose", "rose")]
        );
        assert_eq!(tokens("Fares 2026", "xx"), [(0, "fares".into(), String::new()), (1, "2026".into(), String::new())]);
    }

    #[test]
    fn characters_have_pairs_within_their_run() {
        let pair = |position, exact: &str, pair: &str| (position, exact.to_owned(), pair.to_owned());
        assert_eq!(tokens("东京，a", ""), [pair(0, "东", "东京"), pair(1, "京", ""), pair(2, "a", "")]);
        assert_eq!(
            tokens("KBS뉴스 서울", "ko"),
            [pair(0, "kbs", ""), pair(1, "뉴", "뉴스"), pair(2, "스", ""), pair(4, "서", "서울"), pair(5, "울", "")]
        );
    }

    #[test]
    fn forms_of_a_word_meet() {
        for (query, text, language) in [
            ("fare", "fares", "en"),
            ("fares", "the fare", "en"),
            ("Ереван", "Ереване", "ru"),
            ("Ереване", "Ереван", "ru"),
            ("Ереване", "Еревана", "ru"),
            ("паромы", "Паромов", "ru"),
            ("паром", "парома", "ru"),
            ("паромов", "паром", "ru"),
            ("Киеве", "Киев", "ru"),
            ("Երևան", "Երևանում", "hy"),
            ("դպրոցներ", "դպրոցում", "hy"),
            ("서울", "서울에서", "ko"),
            ("서울에서", "서울의", "ko"),
            ("Häuser", "Haus", "de"),
            ("grève", "Grèves", "fr"),
            ("πρωθυπουργός", "ΠΡΩΘΥΠΟΥΡΓΟΥ", "el"),
            ("ספינה", "הספינה", "he"),
            ("东京", "在东京举行", "zh"),
            ("東", "東京", "ja"),
        ] {
            assert!(meet(query, text, language), "{query} should find {text}");
        }
        for (query, text, language) in
            [("京东", "在东京举行", "zh"), ("fare", "farewell", "en"), ("서울", "대서 울산", "ko")]
        {
            assert!(!meet(query, text, language), "{query} should not find {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_found_by_itself(
            text in "[a-zéА-я서울에 东京กุ\u{1100}\u{1161}, ]{1,40}",
            language in "en|ru|ko|he|xx",
        ) {
            let languages: Vec<Language> = Language::of_code(&language).into_iter().collect();
            let found = Form::all(&text, &languages).is_empty() || meet(&text, &text, &language);
            proptest::prop_assert!(found);
            let mut analysis = Analysis::new(&text, None);
            let mut last = None;
            while let Some(token) = analysis.advance() {
                proptest::prop_assert!(last.is_none_or(|last| token.position > last));
                proptest::prop_assert!(!token.exact.is_empty() && text.get(token.range.clone()).is_some());
                last = Some(token.position);
            }
        }
    }
}
