//! Rate limits of callers: a number of calls and documents in a period, as a bucket that fills evenly and holds that
//! many.
//!
//! Each replica counts separately: behind a balancer over three, a caller gets up to three times its rate.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Rate limit such as `100/s` or `6000/m`. The count is also the burst size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    /// Seconds.
    period: u32,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "must be a number of at least 1 and a unit of time: 100/s, 6000/m or 100000/h".to_owned();
        let (count, period) = text.split_once('/').ok_or_else(expected)?;
        let period = match period {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(expected()),
        };
        match count.parse() {
            Ok(count) if count > 0 => Ok(Self { count, period }),
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.period {
            1 => 's',
            60 => 'm',
            _ => 'h',
        };
        write!(f, "{}/{unit}", self.count)
    }
}

/// Bucket of a rate limit, kept as the time at which it will be full again (generic cell rate algorithm): one number,
/// no lock.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    began: Instant,
    /// Nanoseconds since `began`.
    full_at: AtomicU64,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, began: Instant::now(), full_at: AtomicU64::new(0) }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    fn period(&self) -> u64 {
        u64::from(self.rate.period) * 1_000_000_000
    }

    /// Takes one, or returns the time to wait for one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        match self.acquire(now, 1, 1, false) {
            Duration::ZERO => Ok(()),
            wait => Err(wait),
        }
    }

    /// Takes `more` for something that one was taken for already, or returns the time to wait before retrying all of
    /// it. More than the bucket holds is granted if the bucket is full except for that one; the rest is owed, and later
    /// callers wait until it has flowed in.
    pub(super) fn take_additional(&self, now: Instant, more: usize) -> Result<(), Duration> {
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        match self.acquire(now, more, more.min(self.rate.count - 1), false) {
            Duration::ZERO => Ok(()),
            // Includes the one that the retry takes first.
            wait => Err(wait + Duration::from_nanos(self.emission_interval())),
        }
    }

    /// Takes one in advance and returns the time to wait before using it. For streams, which can be slowed down.
    pub(super) fn reserve(&self, now: Instant) -> Duration {
        self.reserve_additional(now, 1)
    }

    /// Takes `more` in advance, like `borrow`.
    pub(super) fn reserve_additional(&self, now: Instant, more: usize) -> Duration {
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        self.acquire(now, more, more, true)
    }

    /// Time in which one flows in, in nanoseconds.
    fn emission_interval(&self) -> u64 {
        self.period() / u64::from(self.rate.count)
    }

    /// Takes `count` if `needed` are available or if `reserving`. Returns the time until the needed ones are available.
    fn acquire(&self, now: Instant, count: u32, needed: u32, reserving: bool) -> Duration {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX);
        let flow = |count: u32| self.emission_interval().saturating_mul(u64::from(count));
        let mut wait = 0;
        // A refusal changes nothing; only `wait` is used then.
        let _updated = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let full_at = full_at.max(now);
            wait = full_at.saturating_add(flow(needed)).saturating_sub(now.saturating_add(self.period()));
            (reserving || wait == 0).then_some(full_at.saturating_add(flow(count)))
        });
        Duration::from_nanos(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for text in ["1/s", "6000/m", "100000/h"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for invalid in ["", "10", "0/s", "-1/s", "10/d", "1.5/s", "/s"] {
            assert!(invalid.parse::<Rate>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_what_flows_in() {
        let bucket = Bucket::new("60/m".parse().unwrap());
        let began = bucket.began;
        for _ in 0..60 {
            assert_eq!(bucket.take(began), Ok(()));
        }
        assert_eq!(bucket.take(began), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(began), Err(Duration::from_secs(1)), "a refusal takes nothing");
        let later = began + Duration::from_secs(1);
        assert_eq!(bucket.take(later), Ok(()));
        assert!(bucket.take(later).is_err());
        // Each borrower waits longer than the one before.
        assert_eq!(bucket.reserve(later), Duration::from_secs(1));
        assert_eq!(bucket.reserve(later), Duration::from_secs(2));
        let much_later = later + Duration::from_secs(3_600);
        assert_eq!(
            (0..100).filter(|_| bucket.take(much_later).is_ok()).count(),
            60,
            "the bucket holds no more than its count"
        );
    }

    #[test]
    fn something_large_takes_as_many_as_it_has() {
        let bucket = Bucket::new("60/m".parse().unwrap());
        let began = bucket.began;
        assert_eq!(bucket.take(began), Ok(()));
        assert_eq!(bucket.take_additional(began, 40), Ok(()));
        assert_eq!(bucket.take(began), Ok(()));
        // 18 are left: 2 are missing, and the retry needs one more.
        assert_eq!(bucket.take_additional(began, 20), Err(Duration::from_secs(3)));
        let later = began + Duration::from_secs(3);
        assert_eq!(bucket.take(later), Ok(()));
        assert_eq!(bucket.take_additional(later, 20), Ok(()));
        assert_eq!(bucket.reserve_additional(later, 10), Duration::from_secs(10));
        assert_eq!(bucket.take(later), Err(Duration::from_secs(11)));
    }

    #[test]
    fn more_than_it_holds_is_let_in_when_it_is_full_and_owed() {
        for text in ["1/s", "5/s", "60/m"] {
            let bucket = Bucket::new(text.parse().unwrap());
            let count = bucket.rate.count;
            let one = Duration::from_nanos(bucket.emission_interval());
            let began = bucket.began;
            assert_eq!(bucket.take(began), Ok(()));
            assert_eq!(bucket.take_additional(began, 1_000), Ok(()), "{text}");
            // Refused until the debt has flowed in, and granted after exactly the returned wait.
            let wait = bucket.take(began).expect_err("the bucket is in debt");
            assert_eq!(wait, one * (1_001 + 1 - count), "{text}");
            let again = began + wait;
            assert_eq!(bucket.take(again), Ok(()), "{text}");
            if let Err(wait) = bucket.take_additional(again, 1_000) {
                let again = again + wait;
                assert_eq!((bucket.take(again), bucket.take_additional(again, 1_000)), (Ok(()), Ok(())), "{text}");
            }
        }
    }
}
