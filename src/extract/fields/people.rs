//! Words around the names of authors, by language: `By`, `und`, `correspondent`, `Redaktion`.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::article::fold;
use crate::extract::data_file;

/// Data files of all languages.
const FILES: [&str; 33] = [
    include_str!("../phrases/people/ar.txt"),
    include_str!("../phrases/people/bg.txt"),
    include_str!("../phrases/people/cs.txt"),
    include_str!("../phrases/people/da.txt"),
    include_str!("../phrases/people/de.txt"),
    include_str!("../phrases/people/el.txt"),
    include_str!("../phrases/people/en.txt"),
    include_str!("../phrases/people/es.txt"),
    include_str!("../phrases/people/fa.txt"),
    include_str!("../phrases/people/fi.txt"),
    include_str!("../phrases/people/fr.txt"),
    include_str!("../phrases/people/he.txt"),
    include_str!("../phrases/people/hi.txt"),
    include_str!("../phrases/people/hu.txt"),
    include_str!("../phrases/people/hy.txt"),
    include_str!("../phrases/people/id.txt"),
    include_str!("../phrases/people/it.txt"),
    include_str!("../phrases/people/ja.txt"),
    include_str!("../phrases/people/ko.txt"),
    include_str!("../phrases/people/markup.txt"),
    include_str!("../phrases/people/nb.txt"),
    include_str!("../phrases/people/nl.txt"),
    include_str!("../phrases/people/pl.txt"),
    include_str!("../phrases/people/pt.txt"),
    include_str!("../phrases/people/ro.txt"),
    include_str!("../phrases/people/ru.txt"),
    include_str!("../phrases/people/sv.txt"),
    include_str!("../phrases/people/th.txt"),
    include_str!("../phrases/people/tr.txt"),
    include_str!("../phrases/people/uk.txt"),
    include_str!("../phrases/people/ur.txt"),
    include_str!("../phrases/people/vi.txt"),
    include_str!("../phrases/people/zh.txt"),
];

static WORDS: LazyLock<Words> = LazyLock::new(|| Words::parse(&FILES));

/// Words by their section of the data files.
#[derive(Default)]
struct Words {
    byline_start: Set,
    conjunction: Set,
    name_end: Set,
    role: Set,
    group: Set,
    institution: Set,
    not_a_name: Set,
    not_an_author: Set,
    button: Set,
    label: Set,
    wire_start: Set,
    wire_end: Set,
    author_path: Set,
    byline_class: Set,
    beside_class: Set,
    kicker_class: Set,
    other_class: Set,
    agency_verb: Set,
}

/// Phrases of one section. Their length is bounded, so that looking for one takes constant time.
#[derive(Default)]
struct Set {
    phrases: HashSet<&'static str>,
    longest: usize,
    /// First and last characters of the phrases: most texts begin and end with none of them.
    first: Characters,
    last: Characters,
}

/// A set of characters, fast for those of ASCII.
#[derive(Default)]
struct Characters {
    ascii: u128,
    others: HashSet<char>,
}

impl Characters {
    fn add(&mut self, c: Option<char>) {
        match c {
            Some(c) if c.is_ascii() => self.ascii |= 1 << u32::from(c),
            other => self.others.extend(other),
        }
    }

    fn contains(&self, c: Option<char>) -> bool {
        match c {
            Some(c) if c.is_ascii() => self.ascii & (1 << u32::from(c)) != 0,
            Some(c) => self.others.contains(&c),
            None => false,
        }
    }
}

impl Set {
    fn add(&mut self, phrase: &'static str) {
        self.longest = self.longest.max(phrase.len());
        self.first.add(phrase.chars().next());
        self.last.add(phrase.chars().next_back());
        self.phrases.insert(phrase);
    }

    fn contains(&self, text: &str) -> bool {
        // Hashing a text costs more than to look at its ends.
        text.len() <= self.longest
            && self.first.contains(text.chars().next())
            && self.last.contains(text.chars().next_back())
            && self.phrases.contains(text)
    }

    /// Returns the length of the longest phrase that a folded text begins with, in bytes. It ends at a word boundary,
    /// except in scripts without spaces.
    fn start(&self, text: &str) -> Option<usize> {
        if !self.first.contains(text.chars().next()) {
            return None;
        }
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= self.longest);
        ends.filter(|end| is_boundary(&text[..*end], &text[*end..]) && self.contains(&text[..*end])).last()
    }

    /// Returns the position of the longest phrase that a folded text ends with.
    fn end(&self, text: &str) -> Option<usize> {
        if !self.last.contains(text.chars().next_back()) {
            return None;
        }
        let first = text.len().saturating_sub(self.longest);
        let starts = text.char_indices().map(|(at, _)| at).filter(|at| *at >= first);
        let mut starts = starts.filter(|at| is_boundary(&text[..*at], &text[*at..]) && self.contains(&text[*at..]));
        starts.next()
    }
}

/// Returns true between two words.
fn is_boundary(before: &str, after: &str) -> bool {
    let (Some(before), Some(after)) = (before.chars().next_back(), after.chars().next()) else { return true };
    !before.is_alphanumeric() || !after.is_alphanumeric() || is_unspaced(before) || is_unspaced(after)
}

/// Returns true for characters of scripts that are written without spaces, and of Hangul, whose particles and titles
/// follow a name without one.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{E00}'..='\u{E7F}' | '\u{3040}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

impl Words {
    /// Parses data files. A unit test holds that every line of every file belongs to a known section.
    fn parse(files: &'static [&'static str]) -> Self {
        let mut words = Self::default();
        for (section, line) in data_file::lines(files) {
            if let Some(set) = words.section(section) {
                set.add(line);
            }
        }
        words
    }

    fn section(&mut self, name: &str) -> Option<&mut Set> {
        Some(match name {
            "byline-start" => &mut self.byline_start,
            "conjunction" => &mut self.conjunction,
            "name-end" => &mut self.name_end,
            "role" => &mut self.role,
            "group" => &mut self.group,
            "institution" => &mut self.institution,
            "not-a-name" => &mut self.not_a_name,
            "not-an-author" => &mut self.not_an_author,
            "button" => &mut self.button,
            "label" => &mut self.label,
            "wire-start" => &mut self.wire_start,
            "wire-end" => &mut self.wire_end,
            "byline-class" => &mut self.byline_class,
            "beside-class" => &mut self.beside_class,
            "kicker-class" => &mut self.kicker_class,
            "other-class" => &mut self.other_class,
            "author-path" => &mut self.author_path,
            "agency-verb" => &mut self.agency_verb,
            _ => return None,
        })
    }
}

/// Returns the length of the words before an author's name at the start of a folded line, in characters: `By `.
pub(crate) fn byline_start(folded: &str) -> Option<usize> {
    let end = WORDS.byline_start.start(folded)?;
    let spaces = folded[end..].chars().take_while(|c| *c == ' ' || *c == ':' || *c == '：').count();
    // In scripts without spaces, the name may follow at once.
    let follows = spaces > 0
        || folded[end..].is_empty()
        || folded[..end].ends_with(|c| is_unspaced(c) || matches!(c, ':' | '：' | '/' | '／' | '・'));
    follows.then(|| folded[..end].chars().count() + spaces)
}

/// Returns true if a text may begin with the words before an author's name. Cheaper than [`byline_start`].
pub(crate) fn may_start_byline(text: &str) -> bool {
    WORDS.byline_start.first.contains(text.chars().next().and_then(|first| first.to_lowercase().next()))
}

/// Returns true if a folded text is a word between two names: `and`.
pub(crate) fn is_conjunction(folded: &str) -> bool {
    WORDS.conjunction.contains(folded)
}

/// Returns true if a folded word ends a name: `Jane Doe in London`.
pub(crate) fn ends_name(folded: &str) -> bool {
    WORDS.name_end.contains(folded)
}

/// Returns the length of a role at the start of a folded text, in bytes.
pub(crate) fn role_start(folded: &str) -> Option<usize> {
    WORDS.role.start(folded)
}

/// Returns the position of a role at the end of a folded text.
pub(crate) fn role_end(folded: &str) -> Option<usize> {
    WORDS.role.end(folded)
}

/// Returns true if a folded word is a role.
pub(crate) fn is_role(folded: &str) -> bool {
    WORDS.role.contains(folded)
}

/// Returns true if one of the words is a role.
pub(crate) fn has_role(folded: &str) -> bool {
    WORDS.role.contains(folded)
        || folded.split([' ', '/', '-', '.', '&']).any(|word| WORDS.role.contains(word))
        || role_end(folded).is_some()
}

/// Returns the words of a folded name of a group that say who they are: of `herald staff`, `herald`.
pub(crate) fn group_owner(folded: &str) -> &str {
    let folded = WORDS.group.start(folded).filter(|end| *end < folded.len()).map_or(folded, |end| &folded[end..]);
    let end = WORDS.group.end(folded).unwrap_or(folded.len());
    folded[..end].trim()
}

/// Returns true if a folded name is of a group of people: `Herald staff`, `Redaktion`.
pub(crate) fn is_group(folded: &str) -> bool {
    WORDS.group.end(folded).is_some()
        || WORDS.group.start(folded).is_some_and(|end| folded[end..].starts_with(' '))
        || is_organization(folded)
}

/// Returns true if a folded name begins like that of an institution: `Center for Boat Science`.
pub(crate) fn is_organization(folded: &str) -> bool {
    WORDS.institution.start(folded).is_some()
}

/// Returns true if a folded text is furniture, not a name: the whole text, or its first words.
pub(crate) fn is_not_a_name(folded: &str) -> bool {
    WORDS.not_a_name.start(folded).is_some()
}

/// Returns true if the folded text names somebody who is not the author: a photographer, an editor.
pub(crate) fn is_not_an_author(folded: &str) -> bool {
    WORDS.not_an_author.start(folded).is_some()
}

/// Returns the position of a button's label at the end of a folded text: `Follow`.
pub(crate) fn button_end(folded: &str) -> Option<usize> {
    WORDS.button.end(folded)
}

/// Returns the length of a button's label at the start of a folded text, in bytes.
pub(crate) fn button_start(folded: &str) -> Option<usize> {
    WORDS.button.start(folded)
}

/// Returns true for the label of a kind of article: `OPINION`.
pub(crate) fn is_label(text: &str) -> bool {
    WORDS.label.contains(&fold(text))
}

/// Returns the length of the words before the reporters in the last line of a wire report, in bytes.
pub(crate) fn wire_start(folded: &str) -> Option<usize> {
    WORDS.wire_start.start(folded)
}

/// Returns true if a folded text begins with the words before people who did not report.
pub(crate) fn is_wire_end(folded: &str) -> bool {
    WORDS.wire_end.start(folded).is_some()
}

/// Returns true for the folder of authors' pages in an address: `/author/`.
pub(crate) fn is_author_path(segment: &str) -> bool {
    WORDS.author_path.contains(segment)
}

/// Meaning of a class name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Byline,
    /// A part of an author box that is not the name.
    BesideName,
    /// A label above a headline.
    Kicker,
    /// Comments, teasers, captions: names in them are not of the author.
    Other,
}

/// Returns true if a word of a class name has this meaning.
pub(crate) fn is_class(class: Class, word: &str) -> bool {
    let words = match class {
        Class::Byline => &WORDS.byline_class,
        Class::BesideName => &WORDS.beside_class,
        Class::Kicker => &WORDS.kicker_class,
        Class::Other => &WORDS.other_class,
    };
    words.contains(word)
}

/// Returns true if a folded text begins with a verb of reporting: `reported`.
pub(crate) fn is_agency_verb(folded: &str) -> bool {
    WORDS.agency_verb.start(folded).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_files_is_a_folded_phrase_of_a_known_section() {
        let mut words = Words::default();
        for (section, line) in data_file::lines(&FILES) {
            assert!(words.section(section).is_some(), "{line:?} is in the unknown section {section:?}");
            assert_eq!(line, fold(line), "must be folded");
        }
    }

    #[test]
    fn phrases_end_at_a_word_boundary() {
        assert_eq!((byline_start("by jane doe"), byline_start("bystanders saw it")), (Some(3), None));
        assert_eq!((byline_start("记者王小明"), byline_start("von: anna berg")), (Some(2), Some(5)));
        assert!(is_group("herald staff") && is_group("online-redaktion") && !is_group("jane stafford"));
        assert!(is_not_a_name("read more") && !is_not_a_name("reade morris"));
        assert_eq!(role_end("김철수 기자"), Some("김철수 ".len()));
    }
}
