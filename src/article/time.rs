//! Conversion of the proto's timestamps. Copydesk keeps microseconds, as the stores do.

use jiff::Timestamp;

/// Range of valid times, from 1600-01-01 to the end of 9999, as seconds since 1970.
const SECONDS: std::ops::RangeInclusive<i64> = -11_676_096_000..=LAST;
/// The last second of a proto timestamp, 9999-12-31T23:59:59Z: people write it for "never".
const LAST: i64 = 253_402_300_799;

/// The last time here, 9999-12-30T22:00:00Z, as microseconds since 1970.
const MAX_MICROS: i64 = 253_402_207_200_000_000;

/// Converts a proto timestamp, truncated to microseconds. An error says what is required.
///
/// jiff's last time is 26 hours before the proto's. All times after it are that one, and [`to_proto`] returns it as
/// the proto's last second.
pub fn from_proto(time: &prost_types::Timestamp) -> Result<Timestamp, &'static str> {
    const EXPECTED: &str = "must lie between the years 1600 and 9999, with nanos from 0 to 999,999,999";
    if !SECONDS.contains(&time.seconds) || !(0..1_000_000_000).contains(&time.nanos) {
        return Err(EXPECTED);
    }
    let micros = time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000;
    Timestamp::from_microsecond(micros.min(MAX_MICROS)).map_err(|_| EXPECTED)
}

/// Converts a timestamp to the proto's.
pub fn to_proto(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_microsecond();
    if micros == MAX_MICROS {
        return prost_types::Timestamp { seconds: LAST, nanos: 0 };
    }
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        // Below a thousand million, so it fits.
        nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
    }
}

/// Converts a duration of the API; none if it is negative or invalid.
pub fn from_proto_duration(duration: &prost_types::Duration) -> Option<std::time::Duration> {
    let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(std::time::Duration::new(u64::try_from(duration.seconds).ok()?, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_of_a_proto_timestamp_is_kept() {
        for seconds in [LAST, LAST - 1, 0, -11_676_096_000] {
            let time = prost_types::Timestamp { seconds, nanos: 0 };
            let kept = to_proto(from_proto(&time).unwrap());
            assert_eq!(kept.seconds, if seconds == LAST - 1 { LAST } else { seconds });
        }
        assert!(from_proto(&prost_types::Timestamp { seconds: LAST + 1, nanos: 0 }).is_err());
    }
}
