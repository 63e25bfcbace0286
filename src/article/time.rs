//! Between the proto's timestamps and ours. Copydesk keeps microseconds, as the stores do.

use jiff::Timestamp;

/// The years that news can be from or held until, as seconds since 1970: 1600-01-01 to 9999-12-31.
const SECONDS: std::ops::RangeInclusive<i64> = -11_676_096_000..=253_402_207_200;

/// A proto timestamp, cut to microseconds. An error says what would be right.
pub fn from_proto(time: &prost_types::Timestamp) -> Result<Timestamp, &'static str> {
    const RIGHT: &str = "must lie between the years 1600 and 9999, with nanos from 0 to 999,999,999";
    if !SECONDS.contains(&time.seconds) || !(0..1_000_000_000).contains(&time.nanos) {
        return Err(RIGHT);
    }
    Timestamp::from_microsecond(time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000).map_err(|_| RIGHT)
}

/// A timestamp for the proto.
pub fn to_proto(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_microsecond();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        // Below a thousand million, so it fits.
        nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
    }
}
