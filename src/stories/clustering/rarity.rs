//! Rarity of keys in the window: the binary logarithm of the number of articles to one with the key.
//!
//! All arithmetic is in integers, so that every replica comes to the same decision.

/// Bits of the fraction of logarithms, roots and shares.
pub(super) const FRACTION: u32 = 8;
/// Number of articles for which frequencies count at least, while the window has fewer.
const MIN_ARTICLES: u32 = 400;
/// Number of articles up to which all keys are equally rare.
const RARE: u32 = 4;
/// Minimum rarity, in 256ths: a text that fills the window is still equal to its copies.
const MIN_RARITY: u32 = 64;

/// Number of articles in the window, in all and with a key.
pub(super) trait Frequencies {
    fn articles(&self) -> u32;
    fn with(&self, key: u32) -> u32;
}

/// Returns the binary logarithm of a positive number in 256ths, by linear interpolation between powers of 2.
pub(super) fn log2(number: u32) -> u32 {
    let number = number.max(1);
    let whole = number.ilog2();
    let fraction = ((u64::from(number) << FRACTION) >> whole) as u32 - (1 << FRACTION);
    (whole << FRACTION) + fraction
}

/// Returns the rarity of a key, in 256ths.
pub(super) fn rarity(frequencies: &impl Frequencies, key: u32) -> u32 {
    rarity_of(frequencies, frequencies.with(key))
}

/// Returns the rarity of the rarest keys, in 256ths.
pub(super) fn max_rarity(frequencies: &impl Frequencies) -> u32 {
    rarity_of(frequencies, 0)
}

fn rarity_of(frequencies: &impl Frequencies, with: u32) -> u32 {
    log2(frequencies.articles().max(MIN_ARTICLES)).saturating_sub(log2(with.max(RARE))).max(MIN_RARITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that are in as many articles of a thousand as their number.
    struct Counted;

    impl Frequencies for Counted {
        fn articles(&self) -> u32 {
            1_000
        }

        fn with(&self, key: u32) -> u32 {
            key
        }
    }

    #[test]
    fn logarithms_ascend() {
        assert_eq!([log2(0), log2(1), log2(2), log2(3), log2(4)], [0, 0, 256, 384, 512]);
        assert!((1..5_000).all(|number| log2(number) <= log2(number + 1)));
        assert!(log2(u32::MAX) < 32 * 256);
    }

    #[test]
    fn common_keys_are_less_rare() {
        assert_eq!(rarity(&Counted, RARE), max_rarity(&Counted));
        assert!((RARE..900).all(|key| rarity(&Counted, key) >= rarity(&Counted, key + 1)));
        assert_eq!(rarity(&Counted, 1_000), MIN_RARITY);
    }
}
