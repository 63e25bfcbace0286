//! Similarity of two reports: of one language by the agreement of their terms, of two by the cosines of their names and
//! numbers.

use super::features::Weighted;
use super::rarity::{FRACTION, Frequencies, log2, rarity};
use super::report::Report;
use super::terms::Terms;

/// Maximum similarity.
pub(super) const ONE: u32 = 10_000;
/// Similarity of reports of one language whose agreement is 0.
const EVEN: i64 = 1_650;
/// Similarity for 1,000 of agreement.
const FOR_AGREEMENT: i64 = 500;
/// Agreement that is lost for each day between two reports, up to the time after which similarity is lowest.
const FOR_DAY: i64 = 400;
/// Agreement that reports with different main names lose.
const CONFLICT: i64 = 830;
/// Agreement that reports of one source with different main names lose: they may be of one template.
const CONFLICT_IN_SOURCE: i64 = 9_470;
/// Number of occurrences in an article above which more do not add to the weight of a name.
const MAX_COUNT: u8 = 8;
/// Factor of the weight of names with strong evidence, in 256ths.
const NAME_FACTOR: u64 = 704;
/// Weight of equal names in reports of two languages, in percent.
const NAMES: u32 = 65;
/// Weight of equal numbers in reports of two languages, in percent.
const NUMBERS: u32 = 15;
/// Loss of similarity of reports of two languages after that time, in percent.
const DECAY: u64 = 45;
const DAY: u64 = 86_400;
/// Time after which similarity is lowest, in seconds.
const MAX_AGE: u64 = 4 * DAY;

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
    terms: Terms,
    names: Vector,
    numbers: Vector,
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
    /// Weighs the features of a report. Names and numbers count between languages only, and are left out if there is
    /// one language.
    pub fn of(report: &Report, has_one_language: bool, frequencies: &impl Frequencies) -> Self {
        let features = &report.features;
        let (mut names, mut numbers) = (Vector::default(), Vector::default());
        if !has_one_language {
            names = Vector::weighted(&features.names, frequencies);
            numbers = Vector::of(features.numbers.iter().map(|number| (*number, rarity(frequencies, *number))));
        }
        let terms = Terms::of(&features.terms, frequencies);
        Self { time: report.time, language: features.language, source: report.source, terms, names, numbers }
    }
}

/// Returns the similarity of two reports, from 0 to 10,000.
pub(super) fn similarity(one: &Profile, other: &Profile) -> u32 {
    let age = one.time.abs_diff(other.time).min(MAX_AGE);
    if one.language != other.language {
        let text = one.names.cosine(&other.names) * NAMES + one.numbers.cosine(&other.numbers) * NUMBERS;
        return (u64::from(text / 100) * (100 - age * DECAY / MAX_AGE) / 100) as u32;
    }
    let conflict = match (one.terms.conflict_with(&other.terms), one.source == other.source) {
        (false, _) => 0,
        (true, false) => CONFLICT,
        (true, true) => CONFLICT_IN_SOURCE,
    };
    let late = FOR_DAY * age as i64 / DAY as i64;
    let agreement = one.terms.agreement(&other.terms) - conflict - late;
    (EVEN + agreement * FOR_AGREEMENT / 1_000).clamp(0, i64::from(ONE)) as u32
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
    fn equal_reports_are_most_similar() {
        let one = profile("Ferry hits the pier at Port Ellery, 31 hurt", "en", 1);
        assert!(similarity(&one, &one) > 5_000, "{}", similarity(&one, &one));
        assert_eq!(similarity(&one, &profile("", "en", 1)), 0);
    }

    #[test]
    fn later_reports_are_less_similar() {
        let one = profile("Ferry hits the pier at Port Ellery, 31 hurt", "en", 1);
        let after = |days: u64| similarity(&one, &Profile { time: (days * DAY) as i64, ..one.clone() });
        assert!(after(0) > after(1) && after(1) > after(4));
        assert_eq!(after(4), after(9));
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
        assert!(similarity(&one, &same) + 1_000 < similarity(&one, &other));
    }
}
