//! Features of an article: all that clustering keeps of its text. They are computed once and stored.

use std::collections::HashMap;

use super::hash::key;
use super::names::{self, Evidence};
use super::numbers::for_each_number;
use super::skeleton::skeleton;
use super::words::{Word, beginning, primary, words};

/// Maximum number of terms.
pub const MAX_TERMS: usize = 64;
/// Maximum number of names.
pub const MAX_NAMES: usize = 24;
/// Maximum number of numbers.
pub const MAX_NUMBERS: usize = 16;
/// Version of the encoding, and of everything that is hashed.
const VERSION: u8 = 1;
/// Size of the encoding without keys and weights, in bytes.
const HEADER: usize = 8;

/// Occurrences that one in the headline counts as.
const IN_HEADLINE: u32 = 3;
/// Occurrences that one at the beginning of the body counts as.
const IN_LEAD: u32 = 2;
/// Length of the beginning of a body, in bytes.
const LEAD: usize = 400;
/// Maximum number of occurrences that are counted.
const MAX_COUNT: u32 = 63;
/// Mark of terms that are names, in their weight.
const NAME: u8 = 0x80;

/// Keys with weights, in ascending order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighted {
    pub(super) keys: Box<[u32]>,
    pub(super) weights: Box<[u8]>,
}

/// Features of an article: terms, names and numbers, as keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Key of the language.
    pub(super) language: u32,
    /// Stems. Their keys differ between languages.
    pub(super) terms: Weighted,
    /// Skeletons of names, which are the same in all languages.
    pub(super) names: Weighted,
    /// Numbers, which are the same in all languages; ascending.
    pub(super) numbers: Box<[u32]>,
}

/// Count of a key in a text.
struct Count {
    key: u32,
    count: u32,
    first: usize,
    mark: u8,
}

/// Counts of keys, in order of their first occurrence.
#[derive(Default)]
struct Counts {
    all: Vec<Count>,
    places: HashMap<u32, usize>,
}

impl Counts {
    fn add(&mut self, key: u32, count: u32, mark: u8) {
        let first = self.all.len();
        let place = *self.places.entry(key).or_insert(first);
        if place == first {
            self.all.push(Count { key, count: 0, first, mark: 0 });
        }
        let entry = &mut self.all[place];
        entry.count = entry.count.saturating_add(count);
        entry.mark |= mark;
    }

    /// Returns the keys with the highest counts, the marked and the earlier ones first among equals.
    fn into_weighted(mut self, max: usize) -> Weighted {
        self.all.sort_by_key(|count| {
            let boosted = count.count.saturating_mul(if count.mark == 0 { 1 } else { 2 });
            (std::cmp::Reverse(boosted), count.first)
        });
        self.all.truncate(max);
        self.all.sort_by_key(|count| count.key);
        let weight = |count: &Count| count.count.min(MAX_COUNT) as u8 | count.mark;
        Weighted {
            keys: self.all.iter().map(|count| count.key).collect(),
            weights: self.all.iter().map(weight).collect(),
        }
    }
}

impl Features {
    /// Returns the features of an article. Reads the first 16 KiB of the headline and of the body, at most 2,000 words.
    pub fn of(headline: &str, body: &str, language_code: &str) -> Self {
        let language = primary(language_code);
        let words = words(headline, body, language_code);
        let evidence = names::evidence(&words, &language);
        let (mut terms, mut names) = (Counts::default(), Counts::default());
        for (word, evidence) in words.iter().zip(evidence) {
            let count = match word {
                Word { is_in_headline: true, .. } => IN_HEADLINE,
                Word { offset, .. } if *offset < LEAD => IN_LEAD,
                _ => 1,
            };
            if !word.is_stop_word && !word.folded.bytes().all(|byte| byte.is_ascii_digit()) {
                terms.add(word.term, count, if evidence == Evidence::Strong { NAME } else { 0 });
            }
            if evidence != Evidence::None
                && let Some(name) = name_key(word, &language)
            {
                names.add(name, count, if evidence == Evidence::Strong { NAME } else { 0 });
            }
        }
        let mut numbers = Vec::new();
        for text in [headline, body] {
            for_each_number(beginning(text), |_, number| {
                if numbers.len() < MAX_NUMBERS && !numbers.contains(&number) {
                    numbers.push(number);
                }
            });
        }
        numbers.sort_unstable();
        Self {
            language: key(b'l', &language),
            terms: terms.into_weighted(MAX_TERMS),
            names: names.into_weighted(MAX_NAMES),
            numbers: numbers.into(),
        }
    }

    /// Encodes features: at most 520 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.language.to_le_bytes());
        bytes.extend([self.terms.keys.len() as u8, self.names.keys.len() as u8, self.numbers.len() as u8]);
        for keys in [&self.terms.keys, &self.names.keys, &self.numbers] {
            bytes.extend(keys.iter().flat_map(|key| key.to_le_bytes()));
        }
        bytes.extend(&self.terms.weights);
        bytes.extend(&self.names.weights);
        bytes
    }

    /// Decodes features; none if the bytes are no features of this version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, mut rest) = bytes.split_at_checked(HEADER)?;
        let [VERSION, language @ .., terms, names, numbers] = header else { return None };
        let [terms, names, numbers] = [*terms, *names, *numbers].map(usize::from);
        if terms > MAX_TERMS || names > MAX_NAMES || numbers > MAX_NUMBERS {
            return None;
        }
        let terms_keys = take_keys(&mut rest, terms)?;
        let names_keys = take_keys(&mut rest, names)?;
        let numbers = take_keys(&mut rest, numbers)?;
        let (terms_weights, names_weights) = rest.split_at_checked(terms)?;
        (names_weights.len() == names).then(|| Self {
            language: u32::from_le_bytes(language.try_into().unwrap_or_default()),
            terms: Weighted { keys: terms_keys, weights: terms_weights.into() },
            names: Weighted { keys: names_keys, weights: names_weights.into() },
            numbers,
        })
    }
}

impl Weighted {
    /// Returns the keys with the number of their occurrences, and true for names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u8, bool)> {
        self.keys.iter().zip(&self.weights).map(|(key, weight)| (*key, weight & !NAME, weight & NAME != 0))
    }
}

/// Returns the key of a name: of an acronym or code as it is written, of others the skeleton.
fn name_key(word: &Word, language: &str) -> Option<u32> {
    if names::is_exact(word) {
        return Some(key(b'=', &word.folded));
    }
    skeleton(&word.folded, language).map(|skeleton| key(b'n', &skeleton))
}

/// Takes keys from the front of bytes; none if they are too few or out of order.
fn take_keys(bytes: &mut &[u8], count: usize) -> Option<Box<[u32]>> {
    let (taken, rest) = bytes.split_at_checked(count * size_of::<u32>())?;
    *bytes = rest;
    let keys: Box<[u32]> =
        taken.chunks_exact(4).map(|key| u32::from_le_bytes(key.try_into().unwrap_or_default())).collect();
    keys.is_sorted_by(|one, other| one < other).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "Captain Marlow Quince of the Lady Corrigan said the rudder failed. In Port Ellery 31 of 212 \
                        passengers were hurt, on the R14 as well.";

    #[test]
    fn features_are_decoded_as_they_were_encoded() {
        let features = Features::of("Ferry hits pier", BODY, "en-GB");
        let bytes = features.encode();
        assert_eq!(Features::decode(&bytes), Some(features));
        for end in 0..bytes.len() {
            assert_eq!(Features::decode(&bytes[..end]), None);
        }
        assert_eq!(Features::decode(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Features::decode(&[&[VERSION + 1], &bytes[1..]].concat()), None);
    }

    #[test]
    fn names_and_numbers_are_those_of_other_scripts() {
        let english = Features::of("", BODY, "en");
        let russian = Features::of("", "Капитан «Леди Корриган» Марлоу Куинс и 212 пассажиров в Порт-Эллери", "ru");
        let common = |one: &[u32], other: &[u32]| one.iter().filter(|key| other.contains(key)).count();
        assert!(common(&english.names.keys, &russian.names.keys) >= 3);
        assert_eq!(common(&english.numbers, &russian.numbers), 1);
        assert_eq!(common(&english.terms.keys, &russian.terms.keys), 0);
    }

    #[test]
    fn sizes_are_limited() {
        let words: String = (0..300_000).map(|word| format!("Xa{word}b Yb{}cd {word}. ", word % 977)).collect();
        let features = Features::of(&words, &words, "en");
        assert_eq!(features.terms.keys.len(), MAX_TERMS);
        assert_eq!((features.names.keys.len(), features.numbers.len()), (MAX_NAMES, MAX_NUMBERS));
        assert!(features.encode().len() <= 520);
    }

    proptest::proptest! {
        #[test]
        fn every_text_has_features(headline in "\\PC{0,60}", body in "\\PC{0,200}", language in "en|de|ru|el|ko|xx|") {
            let features = Features::of(&headline, &body, &language);
            assert_eq!(Features::decode(&features.encode()), Some(features));
        }

        #[test]
        fn every_input_is_decoded_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            if let Some(features) = Features::decode(&bytes) {
                assert_eq!(features.encode(), bytes);
            }
        }
    }
}
