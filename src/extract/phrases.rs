//! Phrases that identify page furniture, in the most common languages. Compared without case with the start of a line
//! or the whole line, never within a sentence.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use unicode_normalization::char::decompose_canonical;

use super::data_file;
use crate::article::fold;

/// Data files of all languages.
const FILES: [&str; 44] = [
    include_str!("phrases/ar.txt"),
    include_str!("phrases/az.txt"),
    include_str!("phrases/be.txt"),
    include_str!("phrases/bg.txt"),
    include_str!("phrases/bn.txt"),
    include_str!("phrases/ca.txt"),
    include_str!("phrases/cs.txt"),
    include_str!("phrases/da.txt"),
    include_str!("phrases/de.txt"),
    include_str!("phrases/el.txt"),
    include_str!("phrases/en.txt"),
    include_str!("phrases/es.txt"),
    include_str!("phrases/et.txt"),
    include_str!("phrases/fa.txt"),
    include_str!("phrases/fi.txt"),
    include_str!("phrases/fr.txt"),
    include_str!("phrases/he.txt"),
    include_str!("phrases/hi.txt"),
    include_str!("phrases/hu.txt"),
    include_str!("phrases/hy.txt"),
    include_str!("phrases/id.txt"),
    include_str!("phrases/it.txt"),
    include_str!("phrases/ja.txt"),
    include_str!("phrases/ka.txt"),
    include_str!("phrases/kk.txt"),
    include_str!("phrases/ko.txt"),
    include_str!("phrases/lt.txt"),
    include_str!("phrases/lv.txt"),
    include_str!("phrases/ms.txt"),
    include_str!("phrases/nb.txt"),
    include_str!("phrases/nl.txt"),
    include_str!("phrases/pl.txt"),
    include_str!("phrases/pt.txt"),
    include_str!("phrases/ro.txt"),
    include_str!("phrases/ru.txt"),
    include_str!("phrases/sk.txt"),
    include_str!("phrases/sr.txt"),
    include_str!("phrases/sv.txt"),
    include_str!("phrases/th.txt"),
    include_str!("phrases/tr.txt"),
    include_str!("phrases/uk.txt"),
    include_str!("phrases/ur.txt"),
    include_str!("phrases/vi.txt"),
    include_str!("phrases/zh.txt"),
];

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| Phrases::parse(&FILES));

/// Phrases by their section of the data files.
#[derive(Default)]
struct Phrases {
    teaser_heading: PhraseSet,
    teaser_start: PhraseSet,
    share: PhraseSet,
    sign_up: PhraseSet,
    advertisement: PhraseSet,
    copyright: PhraseSet,
    comments: PhraseSet,
    editors_only: PhraseSet,
    editors_heading: PhraseSet,
    kill_advisory: PhraseSet,
    foot_credit: PhraseSet,
    photo_credit: PhraseSet,
    privacy: PhraseSet,
    /// First words of the phrases of [`find`] and [`is_teaser_heading`]: most lines begin with none of them.
    first_words: HashSet<String>,
}

impl Phrases {
    /// Parses data files. A unit test holds that every line of every file belongs to a known section.
    fn parse(files: &'static [&'static str]) -> Self {
        let mut phrases = Self::default();
        for (section, line) in data_file::lines(files) {
            if let Some(set) = phrases.section(section) {
                set.add(line);
            }
        }
        let of_lines = [
            &phrases.teaser_heading,
            &phrases.teaser_start,
            &phrases.share,
            &phrases.sign_up,
            &phrases.advertisement,
            &phrases.copyright,
            &phrases.comments,
        ];
        phrases.first_words =
            of_lines.iter().flat_map(|set| set.0.keys().cloned()).chain(NAMED_STARTS.map(str::to_owned)).collect();
        phrases
    }

    fn section(&mut self, name: &str) -> Option<&mut PhraseSet> {
        Some(match name {
            "teaser-heading" => &mut self.teaser_heading,
            "teaser-start" => &mut self.teaser_start,
            "share" => &mut self.share,
            "sign-up" => &mut self.sign_up,
            "advertisement" => &mut self.advertisement,
            "copyright" => &mut self.copyright,
            "comments" => &mut self.comments,
            "editors-only" => &mut self.editors_only,
            "editors-heading" => &mut self.editors_heading,
            "kill-advisory" => &mut self.kill_advisory,
            "foot-credit" => &mut self.foot_credit,
            "photo-credit" => &mut self.photo_credit,
            "privacy-word" => &mut self.privacy,
            _ => return None,
        })
    }
}

/// Phrases by their first word: most lines begin with none of them.
#[derive(Default)]
struct PhraseSet(HashMap<String, Vec<String>>);

impl PhraseSet {
    fn add(&mut self, phrase: &str) {
        let phrase = bare(phrase);
        self.0.entry(first_word(&phrase).to_owned()).or_default().push(phrase);
    }

    /// Returns the phrases that a text begins with, up to a word boundary.
    fn starts(&self, text: &str) -> impl Iterator<Item = &str> {
        let candidates = self.0.get(first_word(text)).map_or(&[][..], Vec::as_slice);
        candidates.iter().map(String::as_str).filter(move |phrase| begins_with(text, phrase))
    }

    fn contains(&self, text: &str) -> bool {
        self.starts(text).any(|phrase| phrase == text)
    }

    /// Returns the longest phrase that a text begins with.
    fn longest(&self, text: &str) -> Option<&str> {
        self.starts(text).max_by_key(|phrase| phrase.len())
    }

    /// Returns true if a text is a phrase with at most 40 more characters.
    fn is_most_of(&self, text: &str) -> bool {
        self.starts(text).any(|phrase| text.chars().count() <= phrase.chars().count() + 40)
    }
}

/// Returns true if a line of wire copy says that the text after it is not for publication.
pub(crate) fn is_editors_only(line: &str) -> bool {
    PHRASES.editors_only.starts(bare(line).trim_start_matches(|c: char| !c.is_alphanumeric())).next().is_some()
}

/// Returns true if a line of wire copy is the heading of a part for editors: `# Notebook`.
pub(crate) fn is_editors_heading(line: &str) -> bool {
    let heading = line.strip_prefix('#').map(bare).unwrap_or_default();
    heading.rsplit(' ').next().is_some_and(|last| PHRASES.editors_heading.contains(last))
}

/// Returns true if a line of wire copy asks to withdraw an article.
pub(crate) fn is_kill_advisory(line: &str) -> bool {
    // In capitals, the word alone is the name of the advisory.
    let last = line.rsplit([',', ' ', '-', '/']).next().unwrap_or_default();
    let word = line.trim_matches(|c: char| !c.is_alphanumeric());
    let named = line.len() < 120 && (last == "KILL" || word == "KILL" || line.starts_with("KILL:"));
    named
        || PHRASES.kill_advisory.starts(bare(line).trim_start_matches(|c: char| !c.is_alphanumeric())).next().is_some()
}

/// Kind of furniture that a line matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Furniture {
    Teaser,
    Share,
    SignUp,
    Advertisement,
    Copyright,
    Comments,
}

/// Phrase that a line begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Furniture,
    /// True if the line says nothing else: `Share`, `Comments (12)`.
    pub(crate) is_whole: bool,
    /// True for a phrase of several words, or with a mark at its end. A single word also begins true sentences.
    pub(crate) is_specific: bool,
    /// True if a colon, a capital, or a letter without case follows: the name of something, as after a label.
    pub(crate) is_label: bool,
}

impl Found {
    fn new(kind: Furniture, phrase: &str, start: &str, line: &str) -> Self {
        let rest = &start[phrase.len()..];
        // Folding may change lengths, but rarely of what is compared here.
        let mut shown = line.chars().rev().take(rest.chars().count()).collect::<Vec<_>>().into_iter().rev();
        let next = shown.find(|c| c.is_alphanumeric());
        Self {
            kind,
            is_whole: !rest.contains(char::is_alphabetic),
            is_specific: is_specific(phrase),
            is_label: phrase.ends_with([':', '：', '՝'])
                || rest.trim_start().starts_with([':', '：', '|', '–', '—'])
                || next.is_none_or(|c| !c.is_lowercase()),
        }
    }
}

/// Returns true for a phrase of two words or more, or of four characters of a script without spaces, or with a mark.
fn is_specific(phrase: &str) -> bool {
    phrase.contains(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        || phrase.chars().filter(|c| *c > '\u{E00}').count() >= 4
}

/// First words of headings over teasers that name a section or the paper.
const NAMED_STARTS: [&str; 5] = ["more", "latest", "read", "popular", "trending"];

/// Returns false for a line whose first word begins no phrase. It costs far less than to fold the line.
fn may_begin(line: &str) -> bool {
    const MAX_BYTES: usize = 32;
    let end = line.bytes().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(line.len());
    // Other scripts and invisible characters take the long way.
    let is_word =
        (1..=MAX_BYTES).contains(&end) && line.as_bytes().get(end).is_none_or(|next| (b' '..=b'~').contains(next));
    !is_word || PHRASES.first_words.contains(line[..end].to_ascii_lowercase().as_str())
}

/// Returns true if the whole line is a heading over teasers.
pub(crate) fn is_teaser_heading(line: &str) -> bool {
    if !may_begin(line) {
        return false;
    }
    let folded = bare(line);
    let text = folded.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’');
    if text.chars().count() > 60 {
        return false;
    }
    // The name of a section or of the paper follows: `More from The Ellery Herald`.
    let named = |start: &str| {
        text.starts_with(start)
            && text.split(' ').count() <= 6
            && line
                .trim_start_matches(|c: char| !c.is_alphanumeric())
                .chars()
                .nth(start.len())
                .is_some_and(char::is_uppercase)
    };
    PHRASES.teaser_heading.contains(text)
        || named("more from ")
        || named("latest from ")
        || named("read more from ")
        || (text.starts_with("more ")
            && text.split(' ').count() <= 5
            && (text.ends_with(" news") || text.ends_with(" stories") || text.ends_with(" coverage")))
        || (text.starts_with("popular ") || text.starts_with("trending ")) && text.split(' ').count() <= 4
}

/// Returns the kind of furniture that a line begins with.
pub(crate) fn furniture(line: &str) -> Option<Furniture> {
    find(line).map(|found| found.kind)
}

/// Returns the longest phrase of furniture that a line begins with.
pub(crate) fn find(line: &str) -> Option<Found> {
    if !may_begin(line) {
        return None;
    }
    let folded = bare(line);
    let start = folded.trim_start_matches(|c: char| {
        !c.is_alphanumeric() && !matches!(c, '©' | 'ⓒ' | '(' | '（' | '[' | '>' | '»' | '-' | '—')
    });
    let phrases = &*PHRASES;
    let most = |set: &'static PhraseSet| set.longest(start).filter(|_| set.is_most_of(start));
    let sets = [
        (Furniture::Teaser, phrases.teaser_start.longest(start)),
        (Furniture::SignUp, phrases.sign_up.longest(start)),
        (Furniture::Share, most(&phrases.share)),
        (Furniture::Advertisement, phrases.advertisement.longest(start).filter(|phrase| phrase.split(' ').count() > 2)),
        (Furniture::Advertisement, most(&phrases.advertisement)),
        (Furniture::Copyright, phrases.copyright.longest(start)),
        (Furniture::Comments, phrases.comments.longest(start)),
    ];
    let (kind, phrase) = sets.into_iter().find_map(|(kind, phrase)| Some((kind, phrase?)))?;
    Some(Found::new(kind, phrase, start, line))
}

/// Returns true if a line begins with the words before the names of those who worked on a text, and a name follows:
/// `Reporting by Jane Doe`.
pub(crate) fn is_foot_credit(line: &str) -> bool {
    let folded = bare(line);
    let start = folded.trim_start_matches(|c: char| !c.is_alphanumeric());
    PHRASES.foot_credit.longest(start).is_some_and(|phrase| {
        let found = Found::new(Furniture::Copyright, phrase, start, line);
        found.is_label && !found.is_whole
    })
}

/// Returns the offset in characters of a picture's credit at the start or in the tail of a line: `Photo: J. Roe`,
/// `A ferry off the mole. (Photo: J. Roe)`.
pub(crate) fn photo_credit(line: &str) -> Option<usize> {
    let folded = bare(line);
    let credits = |at: usize| PHRASES.photo_credit.longest(&folded[at..]).is_some_and(is_specific);
    let starts = folded.char_indices().enumerate().filter(|(_, (at, _))| {
        let before = folded[..*at].trim_end();
        *at == 0 || before.ends_with(['.', '(', '[', '|', '/', '（', '。', '"', '”', '»', '!', '?'])
    });
    starts.filter(|(_, (at, _))| credits(*at)).map(|(chars, _)| chars).last()
}

/// Returns the number of words of privacy notices and sign-up boxes in a folded line.
pub(crate) fn privacy_words(folded: &str) -> usize {
    let folded = bare(folded);
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.filter(|word| PHRASES.privacy.contains(word)).count()
}

/// Folds a text and drops the accents of its letters, which capitals often lack, and spaces before colons.
fn bare(text: &str) -> String {
    let is_mark = |c: &char| ('\u{300}'..='\u{36F}').contains(c);
    fold(text).replace(" :", ":").chars().filter(|c| !is_mark(c)).map(base).collect()
}

/// Returns a Latin, Greek or Cyrillic letter without its accents.
fn base(c: char) -> char {
    match c {
        'ı' => 'i',
        '\u{C0}'..='\u{52F}' | '\u{1E00}'..='\u{1FFF}' => {
            let mut first = None;
            decompose_canonical(c, |part| {
                first.get_or_insert(part);
            });
            first.unwrap_or(c)
        }
        _ => c,
    }
}

/// Returns the word that a text begins with: nothing, if it begins with a mark. A text that begins with a phrase begins
/// with its first word, since phrases end at word boundaries.
fn first_word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len())]
}

/// Returns true if a text begins with a phrase that ends at a word boundary.
fn begins_with(text: &str, phrase: &str) -> bool {
    text.strip_prefix(phrase).is_some_and(|rest| {
        let last = phrase.chars().next_back();
        last.is_some_and(|c| !c.is_alphanumeric()) || !rest.starts_with(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_files_is_a_folded_phrase_of_a_known_section() {
        let mut phrases = Phrases::default();
        for (section, line) in data_file::lines(&FILES) {
            assert!(phrases.section(section).is_some(), "{line:?} is in the unknown section {section:?}");
            assert_eq!(line, fold(line), "must be folded");
        }
    }

    #[test]
    fn phrases_end_at_a_word_boundary() {
        assert_eq!(furniture("Share this article"), Some(Furniture::Share));
        assert_eq!(furniture("Shareholders met on Monday"), None);
        assert_eq!(furniture("© 2026 The Ellery Herald"), Some(Furniture::Copyright));
        assert!(is_teaser_heading("Читайте также:") && !is_teaser_heading("Related companies were not named"));
        for advisory in ["MANDATORY KILL", "Mandatory kill: Harbour story", "BC-Harbour, KILL", "EDITORS: Please kill"]
        {
            assert!(is_kill_advisory(advisory), "{advisory}");
        }
        for news in ["Kill switch for ferries", "Storms kill three", "Two kill"] {
            assert!(!is_kill_advisory(news), "{news}");
        }
        assert!(is_editors_heading("# Northwire NOTEBOOK") && !is_editors_heading("A new notebook"));
    }
}
