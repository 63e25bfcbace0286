//! Phrases that identify page furniture, in the most common languages. Compared without case with the start of a line
//! or the whole line, never within a sentence.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::article::fold;

/// Data files of all languages.
const FILES: [&str; 16] = [
    include_str!("phrases/ar.txt"),
    include_str!("phrases/da.txt"),
    include_str!("phrases/de.txt"),
    include_str!("phrases/en.txt"),
    include_str!("phrases/es.txt"),
    include_str!("phrases/fr.txt"),
    include_str!("phrases/id.txt"),
    include_str!("phrases/it.txt"),
    include_str!("phrases/ja.txt"),
    include_str!("phrases/nb.txt"),
    include_str!("phrases/nl.txt"),
    include_str!("phrases/pl.txt"),
    include_str!("phrases/pt.txt"),
    include_str!("phrases/ru.txt"),
    include_str!("phrases/sv.txt"),
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
    byline_start: PhraseSet,
    not_a_name: PhraseSet,
}

impl Phrases {
    /// Parses data files. A unit test holds that every line of every file belongs to a known section.
    fn parse(files: &[&'static str]) -> Self {
        let mut phrases = Self::default();
        for file in files {
            let mut section = "";
            for line in file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                    Some(name) => section = name,
                    None => {
                        if let Some(set) = phrases.section(section) {
                            set.add(line);
                        }
                    }
                }
            }
        }
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
            "byline-start" => &mut self.byline_start,
            "not-a-name" => &mut self.not_a_name,
            _ => return None,
        })
    }
}

/// Phrases by their first character: most lines begin like none of them.
#[derive(Default)]
struct PhraseSet(HashMap<char, Vec<&'static str>>);

impl PhraseSet {
    fn add(&mut self, phrase: &'static str) {
        if let Some(first) = phrase.chars().next() {
            self.0.entry(first).or_default().push(phrase);
        }
    }

    /// Returns the phrases that a text begins with, up to a word boundary.
    fn starts(&self, text: &str) -> impl Iterator<Item = &'static str> {
        let candidates = text.chars().next().and_then(|first| self.0.get(&first)).map_or(&[][..], Vec::as_slice);
        candidates.iter().copied().filter(move |phrase| begins_with(text, phrase))
    }

    fn contains(&self, text: &str) -> bool {
        self.starts(text).any(|phrase| phrase == text)
    }

    /// Returns true if a text begins with a phrase.
    fn begins(&self, text: &str) -> bool {
        self.starts(text).next().is_some()
    }

    /// Returns true if a text begins with a phrase and a space.
    fn starts_word(&self, text: &str) -> bool {
        self.starts(text).any(|phrase| text[phrase.len()..].starts_with(' '))
    }

    /// Returns true if a text is a phrase with at most 40 more characters.
    fn is_most_of(&self, text: &str) -> bool {
        self.starts(text).any(|phrase| text.chars().count() <= phrase.chars().count() + 40)
    }
}

/// Returns the length of the words before an author's name at the start of a folded line, in characters.
pub(crate) fn byline_start(folded: &str) -> Option<usize> {
    let starts = PHRASES.byline_start.starts(folded).filter(|phrase| folded[phrase.len()..].starts_with(' '));
    starts.map(|phrase| phrase.chars().count() + 1).max()
}

/// Returns true if a folded name contains words that no person is called.
pub(crate) fn is_not_a_name(folded: &str) -> bool {
    let mut rest = folded;
    // Each start at a word boundary: the whole name, or its last words.
    loop {
        if PHRASES.not_a_name.contains(rest) || (rest.len() == folded.len() && PHRASES.not_a_name.starts_word(rest)) {
            return true;
        }
        match rest.split_once(' ') {
            Some((_, later)) => rest = later,
            None => return false,
        }
    }
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

/// Returns true if the whole line is a heading over teasers.
pub(crate) fn is_teaser_heading(line: &str) -> bool {
    let folded = fold(line);
    let bare = folded.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’');
    if bare.chars().count() > 60 {
        return false;
    }
    PHRASES.teaser_heading.contains(bare)
        || (bare.starts_with("more from ") || bare.starts_with("latest from ") || bare.starts_with("read more from "))
        || (bare.starts_with("more ")
            && (bare.ends_with(" news") || bare.ends_with(" stories") || bare.ends_with(" coverage")))
        || (bare.starts_with("popular ") || bare.starts_with("trending ")) && bare.split(' ').count() <= 4
}

/// Returns the kind of furniture that a line begins with.
pub(crate) fn furniture(line: &str) -> Option<Furniture> {
    let folded = fold(line);
    let start =
        folded.trim_start_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '©' | '(' | '>' | '»' | '-' | '—'));
    let phrases = &*PHRASES;
    if phrases.teaser_start.begins(start) {
        Some(Furniture::Teaser)
    } else if phrases.sign_up.begins(start) {
        Some(Furniture::SignUp)
    } else if phrases.share.is_most_of(start) {
        Some(Furniture::Share)
    } else if phrases.advertisement.is_most_of(start) {
        Some(Furniture::Advertisement)
    } else if phrases.copyright.begins(start) {
        Some(Furniture::Copyright)
    } else if phrases.comments.begins(start) {
        Some(Furniture::Comments)
    } else {
        None
    }
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
        for file in FILES {
            let mut phrases = Phrases::default();
            let mut section = "";
            for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                    assert!(phrases.section(name).is_some(), "unknown section {name}");
                    section = name;
                } else {
                    assert!(!section.is_empty(), "{line:?} is before the first section");
                    assert_eq!(line, fold(line), "must be folded, without spaces around it");
                }
            }
        }
    }

    #[test]
    fn phrases_end_at_a_word_boundary() {
        assert_eq!(furniture("Share this article"), Some(Furniture::Share));
        assert_eq!(furniture("Shareholders met on Monday"), None);
        assert_eq!(furniture("© 2026 The Ellery Herald"), Some(Furniture::Copyright));
        assert!(is_teaser_heading("Читайте также:") && !is_teaser_heading("Related companies were not named"));
        assert_eq!((byline_start("by jane doe"), byline_start("bystanders saw it")), (Some(3), None));
        assert!(is_not_a_name("web desk") && is_not_a_name("senior editor") && !is_not_a_name("jane stafford"));
    }
}
