//! Names of months, weekdays and the halves of a day, in the languages that CLDR has and news is written in.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::tokens::fold;

/// Half of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Morning,
    Afternoon,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::parse(include_str!("names.txt")));

/// Halves of the day that Chinese, Japanese and Korean write before the hour, and English abbreviations that CLDR
/// does not have.
const HALVES: [(&str, Half); 12] = [
    ("上午", Half::Morning),
    ("下午", Half::Afternoon),
    ("晚上", Half::Afternoon),
    ("早上", Half::Morning),
    ("午前", Half::Morning),
    ("午後", Half::Afternoon),
    ("오전", Half::Morning),
    ("오후", Half::Afternoon),
    ("a", Half::Morning),
    ("p", Half::Afternoon),
    ("am", Half::Morning),
    ("pm", Half::Afternoon),
];

/// Names that CLDR does not have: of Levantine months, which are two words and are joined here, and abbreviations.
const MORE: [(&str, &str, i8); 13] = [
    ("ar", "کانونالثانی", 1),
    ("ar", "تشرینالاول", 10),
    ("ar", "تشرینالثانی", 11),
    ("ar", "کانونالاول", 12),
    ("he", "ינו", 1),
    ("he", "פבר", 2),
    ("he", "אפר", 4),
    ("he", "אוג", 8),
    ("he", "ספט", 9),
    ("he", "אוק", 10),
    ("he", "נוב", 11),
    ("he", "דצמ", 12),
    ("ro", "noi", 11),
];

#[derive(Default)]
struct Names {
    /// Months by name, each with its language.
    months: HashMap<String, Vec<(&'static str, i8)>>,
    weekdays: HashSet<String>,
    halves: HashMap<String, Half>,
}

impl Names {
    fn parse(file: &'static str) -> Self {
        let mut names = Self::default();
        let mut language = "";
        for line in file.lines().filter(|line| !line.starts_with('#')) {
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                language = section;
                continue;
            }
            // The year tells the calendars apart.
            let line = line.strip_prefix("persian ").unwrap_or(line);
            let mut words = line.split(' ');
            let key = words.next().unwrap_or_default();
            for word in words {
                let word = fold(word).replace('.', "");
                match (key, key.parse()) {
                    (_, Ok(number)) => names.months.entry(word).or_default().push((language, number)),
                    ("day", _) => drop(names.weekdays.insert(word)),
                    ("am", _) => drop(names.halves.entry(word).or_insert(Half::Morning)),
                    ("pm", _) => drop(names.halves.entry(word).or_insert(Half::Afternoon)),
                    _ => {}
                }
            }
        }
        for (language, word, month) in MORE {
            names.months.entry(word.to_owned()).or_default().push((language, month));
        }
        names.halves.extend(HALVES.map(|(word, half)| (word.to_owned(), half)));
        names
    }
}

/// Returns the month that a word names: in the language, else in English, else in all other languages that have it.
pub(super) fn month(word: &str, language: &str) -> Option<i8> {
    let found = NAMES.months.get(word).or_else(|| {
        // Hebrew writes the preposition `in` before the name without a space.
        NAMES.months.get(word.strip_prefix('ב')?)
    })?;
    let of = |language: &str| found.iter().find(|(spoken, _)| *spoken == language).map(|(_, month)| *month);
    let first = found.first()?.1;
    let all = || found.iter().all(|(_, month)| *month == first).then_some(first);
    of(language).or_else(|| of("en")).or_else(all)
}

/// Returns true if a word names a weekday.
pub(super) fn is_weekday(word: &str) -> bool {
    NAMES.weekdays.contains(word)
}

/// Returns the half of the day that a word names.
pub(super) fn half(word: &str) -> Option<Half> {
    NAMES.halves.get(word).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_known_in_every_language() {
        for (language, word, number) in [
            ("ar", "مارس", 3),
            ("ar", "آذار", 3),
            ("bn", "মার্চ", 3),
            ("bg", "март", 3),
            ("cs", "března", 3),
            ("da", "marts", 3),
            ("de", "März", 3),
            ("de", "Jänner", 1),
            ("el", "Μαρτίου", 3),
            ("en", "Sept", 9),
            ("es", "marzo", 3),
            ("et", "märts", 3),
            ("fa", "مارس", 3),
            ("fi", "maaliskuuta", 3),
            ("fr", "mars", 3),
            ("he", "במרץ", 3),
            ("hi", "मार्च", 3),
            ("hr", "ožujka", 3),
            ("hu", "március", 3),
            ("hy", "մարտի", 3),
            ("id", "Maret", 3),
            ("it", "marzo", 3),
            ("ka", "მარტი", 3),
            ("lt", "kovo", 3),
            ("lv", "marts", 3),
            ("ms", "Mac", 3),
            ("nb", "mars", 3),
            ("nl", "maart", 3),
            ("pl", "marca", 3),
            ("pt", "março", 3),
            ("ro", "martie", 3),
            ("ru", "марта", 3),
            ("sk", "marca", 3),
            ("sl", "marec", 3),
            ("sr", "март", 3),
            ("sv", "mars", 3),
            ("ta", "மார்ச்", 3),
            ("th", "มีนาคม", 3),
            ("tr", "Mart", 3),
            ("uk", "березня", 3),
            ("ur", "مارچ", 3),
        ] {
            assert_eq!(month(&fold(word), language), Some(number), "{language} {word}");
        }
        assert_eq!(month("listopad", "cs"), Some(11));
        assert_eq!(month("listopada", "hr"), Some(10));
        assert_eq!(month("listopada", ""), None, "October or November");
        assert_eq!(month(&fold("آبان"), ""), Some(8));
    }
}
