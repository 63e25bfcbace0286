//! Random numbers that need not be unpredictable: jitter and sampling.

use std::time::Duration;

use uuid::Uuid;

/// Returns a random number from 0 to 1.
pub(crate) fn unit() -> f64 {
    // The last bits of a version 7 UUID are random.
    f64::from(Uuid::now_v7().as_u128() as u32) / f64::from(u32::MAX)
}

/// Varies a duration by ± 10 %, so that simultaneous events do not recur simultaneously.
pub(crate) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.9 + 0.2 * unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_at_most_ten_percent_and_varies() {
        let hour = Duration::from_secs(3_600);
        let varied: Vec<Duration> = (0..100).map(|_| jittered(hour)).collect();
        assert!(varied.iter().all(|one| *one >= hour.mul_f64(0.9) && *one <= hour.mul_f64(1.1)));
        assert!(varied.iter().any(|one| *one != varied[0]));
    }
}
