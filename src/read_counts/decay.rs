//! Reads weighed by their age, for the order of stories.

use std::collections::HashMap;

use jiff::Timestamp;

use super::hours::Hour;
use crate::article::ArticleId;

/// Age at which a read counts half, in hours.
pub const HALF_LIFE_HOURS: f64 = 6.0;
/// Age beyond which reads count nothing, in hours: they would count less than half a percent.
pub(super) const WINDOW_HOURS: i64 = 48;
/// Reads of the most read article below which all count as if it had this many: a few reads mean little.
pub const MIN_MOST: f64 = 100.0;

/// Reads of the most read recent articles, each weighed by its age.
#[derive(Debug, Default)]
pub struct DecayedReads {
    reads: HashMap<ArticleId, f64>,
    /// Those of the most read article.
    most: f64,
}

impl DecayedReads {
    /// Weighs the reads of some hours, and keeps the `limit` most read articles.
    pub(super) fn of(hours: &[(i64, Hour)], now: Timestamp, limit: usize) -> Self {
        let now = now.as_second() as f64 / 3_600.0;
        let mut reads: HashMap<&ArticleId, f64> = HashMap::new();
        for (hour, counts) in hours {
            // Of an hour that has passed, the age is that of its last read.
            let age = (now - (*hour + 1) as f64).max(0.0);
            let weight = (-age / HALF_LIFE_HOURS).exp2();
            for (id, count) in counts.iter() {
                *reads.entry(id).or_default() += *count as f64 * weight;
            }
        }
        let mut ranked: Vec<(&ArticleId, f64)> = reads.into_iter().collect();
        ranked.sort_unstable_by(|(one, more), (other, than)| than.total_cmp(more).then_with(|| one.cmp(other)));
        ranked.truncate(limit);
        let most = ranked.first().map_or(0.0, |(_, most)| *most);
        Self { reads: ranked.into_iter().map(|(id, reads)| (id.clone(), reads)).collect(), most }
    }

    /// Returns the articles with their weighed reads, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ArticleId, f64)> {
        self.reads.iter().map(|(id, reads)| (id, *reads))
    }

    /// Returns weighed reads as a share of those of the most read article, from 0 to 1.
    pub fn share(&self, reads: f64) -> f64 {
        (reads / self.most.max(MIN_MOST)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn reads_count_half_after_a_half_life() {
        let id = |text: &str| text.parse::<ArticleId>().unwrap();
        let hours = [
            (100, Arc::new(vec![(id("new"), 1_000), (id("few"), 1)])),
            (94, Arc::new(vec![(id("old"), 2_000), (id("new"), 10)])),
        ];
        // At the end of hour 100.
        let now = Timestamp::from_second(101 * 3_600).unwrap();
        let decayed = DecayedReads::of(&hours, now, 2);
        let found: HashMap<&str, f64> = decayed.iter().map(|(id, reads)| (id.as_str(), reads)).collect();
        assert_eq!(found, HashMap::from([("new", 1_005.0), ("old", 1_000.0)]));
        assert_eq!(decayed.share(1_005.0), 1.0);
        assert_eq!((decayed.share(0.0), decayed.share(1e9)), (0.0, 1.0));
        assert_eq!(DecayedReads::default().share(10.0), 0.1, "ten reads are not many");
        let before = DecayedReads::of(&hours, Timestamp::from_second(90 * 3_600).unwrap(), 2);
        assert!(before.iter().all(|(_, reads)| reads <= 2_000.0), "a time in the future is new");
    }
}
