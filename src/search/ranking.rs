//! Order of results: by score and recency, or by a time.

use std::time::Duration;

use super::view::Segment;

/// Influence of recency on a score: it is multiplied by 1 + weight × 2^(−age / half-life).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recency {
    /// Age at which the influence is half of that of a new article.
    pub half_life: Duration,
    /// Influence for a new article; 0 for none.
    pub weight: f32,
}

impl Default for Recency {
    fn default() -> Self {
        Self { half_life: Duration::from_secs(14 * 24 * 3_600), weight: 1.0 }
    }
}

/// Time by which results may be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeKey {
    /// Publication time, or else creation time.
    Publish,
    /// Creation time.
    Create,
    /// Time of the last change.
    Update,
}

/// Order of results. Articles with equal keys are in the order of their IDs: of the first 10 characters, then of a
/// hash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ranking {
    /// Best match first.
    Relevance(Recency),
    /// By a time.
    Time {
        /// Time.
        key: TimeKey,
        /// True for latest first.
        descending: bool,
    },
}

impl Ranking {
    pub(super) fn is_scored(self) -> bool {
        matches!(self, Self::Relevance(_))
    }

    /// Returns an upper bound of the rank of a document with this score before recency.
    pub(super) fn max_rank(self, score: f32) -> u64 {
        match self {
            // A step more, for rounding.
            Self::Relevance(recency) => u64::from((score.max(0.0) * (1.0 + recency.weight)).to_bits()) + 1,
            Self::Time { .. } => u64::MAX,
        }
    }

    /// Returns a number that is higher for better results, and the score.
    pub(super) fn rank(self, segment: &Segment, doc: u32, score: f32, now: i64) -> (u64, f32) {
        match self {
            Self::Relevance(recency) => {
                let score = match recency.weight > 0.0 {
                    true => recency.apply(score, segment.sort_times.get(doc as usize).copied().unwrap_or(0), now),
                    false => score,
                };
                // The bits of numbers that are not negative are in their order.
                (u64::from(score.max(0.0).to_bits()), score)
            }
            Self::Time { key, descending } => {
                let columns = &segment.columns;
                let time = match key {
                    TimeKey::Publish => columns.sort_time.first(doc),
                    TimeKey::Create => columns.create_time.first(doc),
                    TimeKey::Update => columns.update_time.first(doc),
                };
                let ascending = (time.unwrap_or(0) as u64) ^ (1 << 63);
                (if descending { ascending } else { !ascending }, 0.0)
            }
        }
    }
}

impl Recency {
    fn apply(self, score: f32, time: i64, now: i64) -> f32 {
        let age = now.saturating_sub(time).max(0) as f64 / 1e6;
        let half_lives = age / self.half_life.as_secs_f64().max(1e-6);
        (f64::from(score) * (1.0 + f64::from(self.weight) * halved(half_lives))) as f32
    }
}

/// Returns 2 to the power of a negative number, with an error below 1e-6. Unlike that of a system's library, it is the
/// same on every replica.
fn halved(times: f64) -> f64 {
    // Smaller results change no score.
    if times >= 60.0 {
        return 0.0;
    }
    let whole = (times + 0.5) as u64;
    let rest = -(times - whole as f64) * std::f64::consts::LN_2;
    let mut power = 1.0;
    for divisor in [6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        power = 1.0 + power * rest / divisor;
    }
    power / (1_u64 << whole) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recency_halves() {
        let recency = Recency { half_life: Duration::from_secs(10), weight: 1.0 };
        let score = |age: i64| recency.apply(2.0, -age * 1_000_000, 0);
        assert_eq!([score(0), score(10), score(20)], [4.0, 3.0, 2.5]);
        for times in (0..70_000).map(|step| f64::from(step) / 1_000.0) {
            assert!((halved(times) - (-times).exp2()).abs() < 1e-6, "{times}");
        }
        assert_eq!(score(-100), 4.0, "a time in the future is new");
        assert!(score(i64::MAX / 2_000_000) >= 2.0);
    }
}
