//! Terms of a report, and the agreement of two reports of one language by their terms.
//!
//! The agreement is a linear combination of five measures. Logistic regression chose the weights, on pairs of reports
//! of one event and of different ones ([quality](../../../docs/stories.md#quality)). Reports of one event have the main
//! terms of each other, and share rare names. Reports of one topic share words, above all those that both repeat.

use std::cmp::Ordering;

use super::features::Weighted;
use super::rarity::{FRACTION, Frequencies, log2, max_rarity, rarity};

/// Number of occurrences from which a term is a major one. One in the headline or the lead is enough.
const MAJOR: u8 = 2;
/// Number of occurrences in an article above which more do not add to the weight of a term.
const MAX_COUNT: u8 = 8;
/// Number of shared terms of the highest rarity above which more do not count.
const MAX_SHARED: u64 = 6;

/// Agreement of reports that share nothing, in thousandths.
const NOTHING: i64 = -9_770;
/// Weight of the root of the number of shared names, each counted by its rarity.
const NAMES: i64 = 910;
/// Weight of the root of the number of other shared terms.
const WORDS: i64 = 1_600;
/// Weight of the root of the number of those that are major terms of both reports.
const TOPIC: i64 = -2_460;
/// Weight of the root of the lower share of the major terms of a report that the other one has.
const LOWER_SHARE: i64 = 6_380;
/// Weight of the root of the higher share.
const HIGHER_SHARE: i64 = 14_140;

/// Term of a report.
#[derive(Clone, Debug)]
struct Term {
    key: u32,
    /// Rarity, in 256ths of the highest one.
    rarity: u32,
    /// Square of the weight: by rarity and occurrences.
    square: u64,
    is_name: bool,
    is_major: bool,
}

/// Terms of a report, ascending by key.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    terms: Vec<Term>,
    /// Sum of the squares of the major terms.
    major: u64,
    /// Name with the highest weight.
    main_name: Option<u32>,
}

/// Shared terms of two reports: sums of rarities in 256ths, and of the squares of shared major terms of each report.
#[derive(Default)]
struct Shared {
    names: u64,
    words: u64,
    topic: u64,
    squares: [u64; 2],
}

impl Terms {
    /// Weighs terms by their rarity.
    pub fn of(terms: &Weighted, frequencies: &impl Frequencies) -> Self {
        let max = max_rarity(frequencies);
        let main_name = terms.iter().filter(|(.., is_name)| *is_name);
        let main_name = main_name.map(|(key, count, _)| (u32::from(count) * rarity(frequencies, key), key)).max();
        let term = |(key, count, is_name): (u32, u8, bool)| {
            let rarity = rarity(frequencies, key);
            let often = (1 << FRACTION) + log2(u32::from(count.min(MAX_COUNT))) / 2;
            let square = u64::from((often * rarity) >> FRACTION).pow(2);
            Term { key, rarity: (rarity << FRACTION) / max, square, is_name, is_major: count >= MAJOR }
        };
        let terms: Vec<Term> = terms.iter().map(term).collect();
        let major = terms.iter().filter(|term| term.is_major).map(|term| term.square).sum();
        Self { terms, major, main_name: main_name.map(|(_, key)| key) }
    }

    /// Returns true if the main name of neither of two reports is a major one of the other.
    pub fn conflict_with(&self, other: &Self) -> bool {
        let lacks = |terms: &Self, name: Option<u32>| name.is_some_and(|name| !terms.has_major_name(name));
        lacks(self, other.main_name) && lacks(other, self.main_name)
    }

    /// Returns the agreement with the terms of a report of the same language, in thousandths. Reports of one event have
    /// a positive one most often, others have about -5,000.
    pub fn agreement(&self, other: &Self) -> i64 {
        let shared = self.shared(other);
        let share = |squares: u64, all: u64| (squares << FRACTION) / all.max(1);
        let (one, two) = (share(shared.squares[0], self.major), share(shared.squares[1], other.major));
        let sum = NAMES * root(shared.names.min(MAX_SHARED << FRACTION))
            + WORDS * root(shared.words.min(MAX_SHARED << FRACTION))
            + TOPIC * root(shared.topic.min(MAX_SHARED << FRACTION))
            + LOWER_SHARE * root(one.min(two))
            + HIGHER_SHARE * root(one.max(two));
        NOTHING + (sum >> FRACTION)
    }

    fn shared(&self, other: &Self) -> Shared {
        let mut shared = Shared::default();
        let (mut one, mut two) = (self.terms.as_slice(), other.terms.as_slice());
        while let ([first, ones @ ..], [second, twos @ ..]) = (one, two) {
            let order = first.key.cmp(&second.key);
            if order == Ordering::Equal {
                shared.add(first, second);
            }
            one = if order == Ordering::Greater { one } else { ones };
            two = if order == Ordering::Less { two } else { twos };
        }
        shared
    }

    fn has_major_name(&self, key: u32) -> bool {
        let place = self.terms.binary_search_by_key(&key, |term| term.key);
        place.is_ok_and(|place| self.terms[place].is_name && self.terms[place].is_major)
    }
}

impl Shared {
    fn add(&mut self, one: &Term, other: &Term) {
        let rarity = u64::from(one.rarity);
        if one.is_name && other.is_name {
            self.names += rarity;
        } else {
            self.words += rarity;
            self.topic += if one.is_major && other.is_major { rarity } else { 0 };
        }
        for (square, term) in self.squares.iter_mut().zip([one, other]) {
            *square += if term.is_major { term.square } else { 0 };
        }
    }
}

/// Returns the square root of a number in 256ths, in 256ths.
fn root(number: u64) -> i64 {
    (number << FRACTION).isqrt() as i64
}

#[cfg(test)]
mod tests {
    use super::super::features::Features;
    use super::*;

    /// Every key is in one article of a thousand.
    struct Flat;

    impl Frequencies for Flat {
        fn articles(&self) -> u32 {
            1_000
        }

        fn with(&self, _: u32) -> u32 {
            1
        }
    }

    fn terms(headline: &str, body: &str) -> Terms {
        Terms::of(&Features::of(headline, body, "en").terms, &Flat)
    }

    #[test]
    fn roots_are_in_256ths() {
        assert_eq!([0, 64, 256, 1_024].map(root), [0, 128, 256, 512]);
    }

    #[test]
    fn names_say_more_of_an_event_than_repeated_words() {
        let fire =
            terms("Fire at Tarrant Mill", "A fire destroyed the roof of Tarrant Mill in Brackenholt, crews said.");
        let same = terms("Mill burns in Brackenholt", "Flames broke through the roof of Tarrant Mill on Monday.");
        let other = terms("Fire at a school", "A fire destroyed the roof of the school in Ostley, crews said.");
        assert!(fire.agreement(&same) > fire.agreement(&other));
        assert_eq!(fire.agreement(&same), same.agreement(&fire));
        assert_eq!(fire.agreement(&terms("", "")), NOTHING);
    }

    #[test]
    fn main_names_that_the_other_report_lacks_are_a_conflict() {
        let (one, other) = (terms("Rain in Tollmere", "Tollmere is wet."), terms("Rain in Ostley", "Ostley is wet."));
        assert!(one.conflict_with(&other));
        assert!(!one.conflict_with(&one) && !one.conflict_with(&terms("Rain", "It is wet.")));
    }
}
