//! Languages whose words are reduced to stems: the Snowball stemmers, and light rules for Hebrew.

use frostem::{Algorithm, Stemmer};

use super::{armenian, hebrew};

/// Writing systems, by which the possible languages of a query are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Arabic,
    Armenian,
    Cyrillic,
    Devanagari,
    Greek,
    Hebrew,
    Latin,
    Tamil,
}

/// Stemming of a language.
#[derive(Clone, Copy)]
enum Stemming {
    Snowball(Algorithm),
    /// Snowball, which takes the end of some words for an ending (Ереван) and removes an ending of their other forms
    /// (Ереване). So the stem of one form is another form, or the stem of that.
    Uneven(Algorithm),
    Armenian,
    Hebrew,
}

/// Row of the table of languages.
struct Entry {
    /// ISO 639 codes.
    codes: &'static [&'static str],
    /// Code that whatlang uses, if it detects the language.
    detected: &'static str,
    scripts: &'static [Script],
    stemming: Stemming,
    /// True if stemming may change the first letter of a word.
    changes_start: bool,
}

const fn entry(
    codes: &'static [&'static str],
    detected: &'static str,
    scripts: &'static [Script],
    algorithm: Algorithm,
) -> Entry {
    Entry { codes, detected, scripts, stemming: Stemming::Snowball(algorithm), changes_start: false }
}

const fn entry_with_prefixes(
    codes: &'static [&'static str],
    detected: &'static str,
    scripts: &'static [Script],
    algorithm: Algorithm,
) -> Entry {
    Entry { codes, detected, scripts, stemming: Stemming::Snowball(algorithm), changes_start: true }
}

const fn uneven(
    codes: &'static [&'static str],
    detected: &'static str,
    scripts: &'static [Script],
    algorithm: Algorithm,
) -> Entry {
    Entry { codes, detected, scripts, stemming: Stemming::Uneven(algorithm), changes_start: false }
}

use Script::{Arabic, Armenian, Cyrillic, Devanagari, Greek, Hebrew, Latin, Tamil};

/// All languages with stems. The index of an entry is stored in search indexes: append only.
const LANGUAGES: &[Entry] = &[
    entry(&["en"], "eng", &[Latin], Algorithm::English),
    entry(&["de"], "deu", &[Latin], Algorithm::German),
    entry(&["fr"], "fra", &[Latin], Algorithm::French),
    entry(&["es"], "spa", &[Latin], Algorithm::Spanish),
    entry(&["it"], "ita", &[Latin], Algorithm::Italian),
    entry(&["pt"], "por", &[Latin], Algorithm::Portuguese),
    entry_with_prefixes(&["nl"], "nld", &[Latin], Algorithm::Dutch),
    entry(&["da"], "dan", &[Latin], Algorithm::Danish),
    entry(&["sv"], "swe", &[Latin], Algorithm::Swedish),
    entry(&["no", "nb", "nn"], "nob", &[Latin], Algorithm::Norwegian),
    entry(&["fi"], "fin", &[Latin], Algorithm::Finnish),
    entry(&["hu"], "hun", &[Latin], Algorithm::Hungarian),
    entry(&["ro"], "ron", &[Latin], Algorithm::Romanian),
    entry(&["tr"], "tur", &[Latin], Algorithm::Turkish),
    entry(&["pl"], "pol", &[Latin], Algorithm::Polish),
    entry(&["cs"], "ces", &[Latin], Algorithm::Czech),
    entry(&["et"], "est", &[Latin], Algorithm::Estonian),
    entry(&["lt"], "lit", &[Latin], Algorithm::Lithuanian),
    entry(&["ca"], "cat", &[Latin], Algorithm::Catalan),
    entry(&["eu"], "", &[Latin], Algorithm::Basque),
    entry_with_prefixes(&["ga"], "", &[Latin], Algorithm::Irish),
    entry_with_prefixes(&["id", "ms"], "ind", &[Latin], Algorithm::Indonesian),
    entry(&["sr", "hr", "bs", "sh"], "srp", &[Cyrillic, Latin], Algorithm::Serbian),
    uneven(&["ru"], "rus", &[Cyrillic], Algorithm::Russian),
    uneven(&["uk"], "ukr", &[Cyrillic], Algorithm::Ukrainian),
    entry(&["el"], "ell", &[Greek], Algorithm::Greek),
    Entry { codes: &["hy"], detected: "hye", scripts: &[Armenian], stemming: Stemming::Armenian, changes_start: false },
    entry_with_prefixes(&["ar"], "ara", &[Arabic], Algorithm::Arabic),
    entry_with_prefixes(&["fa"], "pes", &[Arabic], Algorithm::Persian),
    entry(&["hi"], "hin", &[Devanagari], Algorithm::Hindi),
    entry(&["ne"], "nep", &[Devanagari], Algorithm::Nepali),
    entry_with_prefixes(&["ta"], "tam", &[Tamil], Algorithm::Tamil),
    Entry {
        codes: &["he", "iw"],
        detected: "heb",
        scripts: &[Hebrew],
        stemming: Stemming::Hebrew,
        changes_start: true,
    },
    entry_with_prefixes(&["yi"], "yid", &[Hebrew], Algorithm::Yiddish),
];

/// Minimum length of a query whose language is detected from its letters' frequencies, in characters. Shorter ones are
/// stemmed in every language of their script.
const MIN_DETECTED_CHARS: usize = 40;

/// Language with stems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(u8);

impl Language {
    /// Returns the language of a code such as `en` or `en-GB`; none if it has no stemmer.
    pub fn of_code(code: &str) -> Option<Self> {
        let primary = code.split(['-', '_']).next().unwrap_or(code);
        let index =
            LANGUAGES.iter().position(|entry| entry.codes.iter().any(|known| known.eq_ignore_ascii_case(primary)))?;
        u8::try_from(index).ok().map(Self)
    }

    /// Returns the possible languages of a query: the detected one, or all that are written in its scripts.
    pub fn candidates(text: &str) -> Vec<Self> {
        let mut scripts: Vec<Script> = Vec::new();
        for script in text.chars().filter_map(script) {
            if !scripts.contains(&script) {
                scripts.push(script);
            }
        }
        let all = (0_u8..).zip(LANGUAGES).filter(|(_, entry)| entry.scripts.iter().any(|own| scripts.contains(own)));
        let all: Vec<(u8, &Entry)> = all.collect();
        let detected = detected(text);
        let only = all.iter().find(|(_, entry)| detected.is_some_and(|code| code == entry.detected));
        match only {
            Some((index, _)) => vec![Self(*index)],
            None => all.into_iter().map(|(index, _)| Self(index)).collect(),
        }
    }

    /// Returns the index in the table, less than 64.
    pub fn index(self) -> u8 {
        self.0
    }

    /// Returns the language with this index.
    pub fn of_index(index: u8) -> Option<Self> {
        (usize::from(index) < LANGUAGES.len()).then_some(Self(index))
    }

    /// Returns the letter that marks the stems of this language in the index.
    pub fn mark(self) -> char {
        char::from(b'0' + self.0)
    }

    /// Returns true if the first letter of a stem may be another than that of the word.
    pub fn changes_start(self) -> bool {
        self.entry().changes_start
    }

    /// Returns true if the stem of one form of a word may be another form, or the stem of that.
    pub(super) fn is_uneven(self) -> bool {
        matches!(self.entry().stemming, Stemming::Uneven(_))
    }

    /// Calls `each` with the stem of a word in lower case.
    pub(super) fn stem<T>(self, word: &str, each: impl FnOnce(&str) -> T) -> T {
        match self.entry().stemming {
            Stemming::Snowball(algorithm) | Stemming::Uneven(algorithm) => each(&Stemmer::new(algorithm).stem(word)),
            Stemming::Armenian => each(&Stemmer::new(Algorithm::Armenian).stem(armenian::singular(word))),
            Stemming::Hebrew => each(hebrew::stem(word)),
        }
    }

    fn entry(self) -> &'static Entry {
        &LANGUAGES[usize::from(self.0)]
    }
}

/// Returns whatlang's code of the language of a text, if the text is long enough to tell.
fn detected(text: &str) -> Option<&'static str> {
    if text.chars().count() < MIN_DETECTED_CHARS {
        return None;
    }
    whatlang::detect(text).filter(whatlang::Info::is_reliable).map(|info| info.lang().code())
}

fn script(character: char) -> Option<Script> {
    Some(match character {
        'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Latin,
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Greek,
        '\u{400}'..='\u{52F}' => Cyrillic,
        '\u{531}'..='\u{587}' => Armenian,
        '\u{5D0}'..='\u{5F2}' => Hebrew,
        '\u{600}'..='\u{6FF}' | '\u{750}'..='\u{77F}' => Arabic,
        '\u{900}'..='\u{97F}' => Devanagari,
        '\u{B80}'..='\u{BFF}' => Tamil,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_found_by_code_and_by_script() {
        assert_eq!(Language::of_code("en-GB"), Language::of_code("EN"));
        assert_eq!(Language::of_code("nb_NO"), Language::of_code("no"));
        assert_eq!(Language::of_code("tlh"), None);
        let hy = Language::of_code("hy").expect("Armenian has stems");
        assert_eq!(Language::candidates("Երևան"), [hy]);
        assert!(Language::candidates("fares").len() > 15, "a short query may be in any language of its script");
        assert!(Language::candidates("東京 2026").is_empty());
        assert!(LANGUAGES.len() < 64, "languages are kept in a set of 64 bits");
        let english = "The government announced that ferry fares will rise again next year";
        assert_eq!(Language::candidates(english), [Language::of_code("en").expect("English has stems")]);
    }

    #[test]
    fn every_stemmer_takes_every_word() {
        for index in 0..LANGUAGES.len() {
            let language = Language::of_index(index as u8).expect("the index is in the table");
            for word in ["", "a", "ss", "1", "ё", "אב", "에서", "ff", &"x".repeat(64)] {
                language.stem(word, |stem| assert!(stem.len() <= word.len() + 8, "{stem}"));
            }
        }
    }
}
