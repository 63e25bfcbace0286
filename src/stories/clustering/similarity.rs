//! Similarity of two reports: cosines of their terms, names and numbers, weighed by rarity.
//!
//! All arithmetic is in integers, so that every replica comes to the same decision.

use super::features::Weighted;
use super::report::Report;

/// Similarity of equal reports.
pub(super) const ONE: u32 = 10_000;
/// Bits of the fraction of logarithms.
const FRACTION: u32 = 8;
/// Factor of the weight of a term that is a name, in 256ths.
const NAME_FACTOR: u64 = 704;
/// Number of articles for which frequencies count at least, while the window has fewer.
const MIN_ARTICLES: u32 = 400;
/// Number of articles up to which all keys are equally rare.
const RARE: u32 = 4;
/// Minimum rarity, in 256ths: a text that fills the window is still equal to its copies.
const MIN_RARITY: u32 = 64;
/// Number of occurrences in an article above which more do not add to the weight of a key.
const MAX_COUNT: u8 = 8;
/// Number of occurrences from which a name is a major one. One in the headline or the lead is enough.
const MAJOR: u8 = 2;
/// Weight of equal numbers in reports of one language, in percent.
const SAME_NUMBERS: u32 = 20;
/// Weight of equal names in reports of two languages, in percent.
const OTHER_NAMES: u32 = 65;
/// Weight of equal numbers in reports of two languages, in percent.
const OTHER_NUMBERS: u32 = 15;
/// Factor for reports with different main names, in percent.
const CONFLICT: u64 = 75;
/// Factor for reports of one source with different main names, in percent: they may be of one template.
const CONFLICT_IN_SOURCE: u64 = 25;
/// Time after which similarity is lowest, in seconds.
const MAX_AGE: u64 = 4 * 86_400;
/// Loss of similarity at that time, in percent.
const DECAY: u64 = 45;

/// Number of articles in the window, in all and with a key.
pub(super) trait Frequencies {
    fn articles(&self) -> u32;
    fn with(&self, key: u32) -> u32;
}

/// Keys with weights, ascending by key.
#[derive(Clone, Debug, Default)]
struct Vector {
    entries: Vec<(u32, u32)>,
    norm: u64,
}

/// Features of a report, weighed by rarity.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub time: i64,
    language: u32,
    source: u64,
    /// Name with the highest weight.
    main_name: Option<u32>,
    /// Names that occur in the headline, in the lead, or more than once; ascending.
    major_names: Vec<u32>,
    terms: Vector,
    names: Vector,
    numbers: Vector,
}

/// Returns the binary logarithm of a positive number in 256ths, by linear interpolation between powers of 2.
fn log2(number: u32) -> u32 {
    let number = number.max(1);
    let whole = number.ilog2();
    let fraction = ((u64::from(number) << FRACTION) >> whole) as u32 - (1 << FRACTION);
    (whole << FRACTION) + fraction
}

/// Returns the rarity of a key: the binary logarithm of the number of articles to one with it, in 256ths.
pub(super) fn rarity(frequencies: &impl Frequencies, key: u32) -> u32 {
    let with = frequencies.with(key).max(RARE);
    log2(frequencies.articles().max(MIN_ARTICLES)).saturating_sub(log2(with)).max(MIN_RARITY)
}

impl Vector {
    fn of(weights: impl Iterator<Item = (u32, u32)>) -> Self {
        let entries: Vec<(u32, u32)> = weights.collect();
        let squares: u64 = entries.iter().map(|(_, weight)| u64::from(*weight).pow(2)).sum();
        Self { entries, norm: squares.isqrt() }
    }

    fn weighted(features: &Weighted, frequencies: &impl Frequencies) -> Self {
        Self::of(features.iter().map(|(key, count, is_name)| {
            let often = u64::from((1 << FRACTION) + log2(u32::from(count.min(MAX_COUNT))) / 2);
            let factor = if is_name { NAME_FACTOR } else { 1 << FRACTION };
            let weight = (often * u64::from(rarity(frequencies, key)) * factor) >> (2 * FRACTION);
            (key, weight as u32)
        }))
    }

    /// Returns the cosine of two vectors, from 0 to 10,000.
    fn cosine(&self, other: &Self) -> u32 {
        let norms = self.norm.saturating_mul(other.norm);
        if norms == 0 {
            return 0;
        }
        ((self.product(other) * u64::from(ONE)) / norms).min(u64::from(ONE)) as u32
    }

    fn product(&self, other: &Self) -> u64 {
        let (mut one, mut two) = (self.entries.iter().peekable(), other.entries.iter().peekable());
        let mut product = 0;
        while let (Some((key, weight)), Some((other_key, other_weight))) = (one.peek(), two.peek()) {
            if key == other_key {
                product += u64::from(*weight) * u64::from(*other_weight);
            }
            if key <= other_key {
                one.next();
            }
            if other_key <= key {
                two.next();
            }
        }
        product
    }
}

impl Profile {
    /// Weighs the features of a report. Names count between languages only, and are left out if there is one language.
    pub fn of(report: &Report, has_one_language: bool, frequencies: &impl Frequencies) -> Self {
        let features = &report.features;
        let names = || features.terms.iter().filter(|(.., is_name)| *is_name);
        let main_name = names().map(|(key, count, _)| (u32::from(count) * rarity(frequencies, key), key)).max();
        Self {
            time: report.time,
            language: features.language,
            source: report.source,
            main_name: main_name.map(|(_, key)| key),
            major_names: names().filter(|(_, count, _)| *count >= MAJOR).map(|(key, ..)| key).collect(),
            terms: Vector::weighted(&features.terms, frequencies),
            names: if has_one_language { Vector::default() } else { Vector::weighted(&features.names, frequencies) },
            numbers: Vector::of(features.numbers.iter().map(|number| (*number, rarity(frequencies, *number)))),
        }
    }

    /// Returns true if the main name of neither of two reports of one language is a major one of the other.
    fn conflicts_with(&self, other: &Self) -> bool {
        let lacks = |profile: &Self, name: Option<u32>| {
            name.is_some_and(|name| profile.major_names.binary_search(&name).is_err())
        };
        self.language == other.language && lacks(self, other.main_name) && lacks(other, self.main_name)
    }
}

/// Returns the similarity of two reports, from 0 to 10,000.
pub(super) fn similarity(one: &Profile, other: &Profile) -> u32 {
    let numbers = one.numbers.cosine(&other.numbers);
    let text = if one.language == other.language {
        let terms = one.terms.cosine(&other.terms);
        terms + (numbers * SAME_NUMBERS / 100).min(terms / 2)
    } else {
        (one.names.cosine(&other.names) * OTHER_NAMES + numbers * OTHER_NUMBERS) / 100
    };
    let agreement = match (one.conflicts_with(other), one.source == other.source) {
        (false, _) => 100,
        (true, false) => CONFLICT,
        (true, true) => CONFLICT_IN_SOURCE,
    };
    let age = one.time.abs_diff(other.time).min(MAX_AGE);
    (u64::from(text.min(ONE)) * agreement * (100 - age * DECAY / MAX_AGE) / 10_000) as u32
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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

    fn profile(text: &str, language: &str, source: u64) -> Profile {
        let features = Arc::new(Features::of("", text, language));
        Profile::of(&Report { time: 0, source, is_pinned: false, features }, false, &Flat)
    }

    #[test]
    fn logarithms_ascend() {
        assert_eq!([log2(0), log2(1), log2(2), log2(3), log2(4)], [0, 0, 256, 384, 512]);
        assert!((1..5_000).all(|number| log2(number) <= log2(number + 1)));
        assert!(log2(u32::MAX) < 32 * 256);
    }

    #[test]
    fn equal_reports_are_most_similar() {
        let one = profile("Ferry hits the pier at Port Ellery, 31 hurt", "en", 1);
        assert!(similarity(&one, &one) > 9_900);
        assert_eq!(similarity(&one, &profile("", "en", 1)), 0);
    }

    #[test]
    fn names_and_numbers_count_across_scripts() {
        let one = profile("Captain Marlow Quince of the Lady Corrigan said that 212 were aboard", "en", 1);
        let other = profile("Капитан парома «Леди Корриган» Марлоу Куинс: на борту 212 человек", "ru", 2);
        let unrelated = profile("Депутат Егор Савватеев заявил о 340 домах в Снегорецке", "ru", 2);
        assert!(similarity(&one, &other) > 2_000, "{}", similarity(&one, &other));
        assert!(similarity(&one, &unrelated) < 500);
    }

    #[test]
    fn conflicting_names_count_more_within_a_source() {
        let text =
            |town: &str| format!("The weather in {town} stays cold and windy, forecasters say. {town} has snow.");
        let (one, same, other) =
            (profile(&text("Tollmere"), "en", 1), profile(&text("Ostley"), "en", 1), profile(&text("Ostley"), "en", 2));
        assert!(similarity(&one, &same) * 2 < similarity(&one, &other));
    }
}
