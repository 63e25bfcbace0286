//! How much a caller may do: so many calls and documents in a time, as a bucket that fills evenly and holds that many.
//!
//! Counted by each replica for itself: behind a balancer over three, a caller gets up to three times its rate.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many in a time: `100/s`, `6000/m`. As many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    /// In seconds.
    period: u32,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let right = || "must be a number from 1 up and a time: 100/s, 6000/m or 100000/h".to_owned();
        let (count, period) = text.split_once('/').ok_or_else(right)?;
        let period = match period {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(right()),
        };
        match count.parse() {
            Ok(count) if count > 0 => Ok(Self { count, period }),
            _ => Err(right()),
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

/// What is left of a rate. Kept as the moment at which the bucket will be full again (the generic cell rate algorithm): one
/// number, and no lock.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    began: Instant,
    /// In nanoseconds since it began.
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

    /// Takes one out, or says how long to wait for one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        match self.draw(now, false) {
            Duration::ZERO => Ok(()),
            wait => Err(wait),
        }
    }

    /// Takes one out that may not be there yet, and says how long to wait before it is used: for those who can be slowed down.
    pub(super) fn borrow(&self, now: Instant) -> Duration {
        self.draw(now, true)
    }

    fn draw(&self, now: Instant, borrowing: bool) -> Duration {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX);
        let one = self.period() / u64::from(self.rate.count);
        let mut wait = 0;
        // When it is refused nothing changes, and the wait is what is left of this.
        let _drawn = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let next = full_at.max(now).saturating_add(one);
            wait = next.saturating_sub(now.saturating_add(self.period()));
            (borrowing || wait == 0).then_some(next)
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
        for wrong in ["", "10", "0/s", "-1/s", "10/d", "1.5/s", "/s"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
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
        assert_eq!(bucket.take(began), Err(Duration::from_secs(1)), "who is refused takes nothing");
        let later = began + Duration::from_secs(1);
        assert_eq!(bucket.take(later), Ok(()));
        assert!(bucket.take(later).is_err());
        // A borrower waits its turn, and the next one longer.
        assert_eq!(bucket.borrow(later), Duration::from_secs(1));
        assert_eq!(bucket.borrow(later), Duration::from_secs(2));
        let much_later = later + Duration::from_secs(3_600);
        assert_eq!((0..100).filter(|_| bucket.take(much_later).is_ok()).count(), 60, "it holds no more");
    }
}
