//! Parsers of values. Errors say what is expected.

use std::net::SocketAddr;
use std::time::Duration;

/// Parses a duration: `500ms`, `1s`, `2m`, `24h`, `30d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || "must be a number and a unit: 500ms, 1s, 2m, 24h or 30d".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs).ok_or_else(invalid);
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => Err(invalid()),
    }
}

/// Returns an error if a duration is below the minimum.
pub(super) fn at_least(value: Duration, min: Duration) -> Result<Duration, String> {
    if value < min { Err(format!("must be at least {min:?}")) } else { Ok(value) }
}

/// Parses a size: `65536`, `64KiB`, `64MiB`, `1GiB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let invalid = || "must be a number of bytes, optionally with KiB, MiB or GiB: 65536 or 64MiB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1_u64 << 30,
        _ => return Err(invalid()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(invalid)
}

/// Parses a size that fits into `usize`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    usize::try_from(bytes(text)?).map_err(|_| format!("must be at most {} bytes on this machine", usize::MAX))
}

/// Parses a whole number of at least 1.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("must be a whole number of at least 1".to_owned()),
    }
}

/// Parses `on` or `off`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

/// Parses a ratio from 0 to 1.
pub(super) fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("must be a number from 0 to 1: 0.01".to_owned()),
    }
}

/// Parses `name=value,name=value`. The error does not quote the input, since values may be secret.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=')?;
        (!name.trim().is_empty()).then(|| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(pair).collect::<Option<_>>().ok_or_else(|| "must be name=value,name=value".to_owned())
}

/// Parses an IP address with a port. `localhost` is 127.0.0.1; without a host, all of the machine's IPv4 addresses.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = "must be an IP address and a port: 127.0.0.1:50051, or localhost:50051, or :50051 for all addresses";
    let known = match text.rsplit_once(':') {
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        Some(("", port)) => format!("0.0.0.0:{port}"),
        _ => text.to_owned(),
    };
    known.parse().map_err(|_| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        for (text, expected) in [
            ("localhost:1", "127.0.0.1:1"),
            (":50051", "0.0.0.0:50051"),
            ("[::1]:2", "[::1]:2"),
            ("10.0.0.1:3", "10.0.0.1:3"),
        ] {
            assert_eq!(address(text), Ok(expected.parse().unwrap()), "{text}");
        }
        for bad in ["", "localhost", "50051", "desk.example:1", ":port", "::"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "s", "-1s", "1.5s", "99999999999999999999s", "1w"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(pairs("Api-Key = a=b, x=y,"), Ok(vec![("api-key".into(), "a=b".into()), ("x".into(), "y".into())]));
        assert!(pairs("secret").is_err_and(|error| !error.contains("secret")) && pairs("=x").is_err());
        assert_eq!(ratio("0.25"), Ok(0.25));
        for bad in ["", "2", "-0.1", "NaN", "1%"] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
        for bad in ["", "MiB", "64MB", "-1", "99999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
