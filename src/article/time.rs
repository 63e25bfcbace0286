//! Conversion of the proto's timestamps. Copydesk keeps microseconds, as the stores do.

use jiff::Timestamp;

/// Range of valid times, from 1600-01-01 to 9999-12-31, as seconds since 1970.
const SECONDS: std::ops::RangeInclusive<i64> = -11_676_096_000..=253_402_207_200;

/// Converts a proto timestamp, truncated to microseconds. An error says what is required.
pub fn from_proto(time: &prost_types::Timestamp) -> Result<Timestamp, &'static str> {
    const EXPECTED: &str = "must lie between the years 1600 and 9999, with nanos from 0 to 999,999,999";
    if !SECONDS.contains(&time.seconds) || !(0..1_000_000_000).contains(&time.nanos) {
        return Err(EXPECTED);
    }
    Timestamp::from_microsecond(time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000).map_err(|_| EXPECTED)
}

/// Converts a timestamp to the proto's.
pub fn to_proto(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_microsecond();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        // Below a thousand million, so it fits.
        nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
    }
}
