//! Parsing of dates as pages write them. Dates out of a plausible range are ignored.

use jiff::civil::{Date, DateTime};
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// Plausible years: not older than newspapers, not in the far future.
const YEARS: std::ops::RangeInclusive<i16> = 1_600..=2_100;

/// Parses a time in any of the usual formats. Times without a zone are UTC.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() < 6 || text.len() > 64 {
        return None;
    }
    iso(text)
        .or_else(|| rfc2822::parse(text).ok().map(|zoned: ZonedDateTime| zoned.timestamp()))
        .or_else(|| worded(text))
        .filter(sane)
}

fn sane(time: &Timestamp) -> bool {
    YEARS.contains(&time.to_zoned_datetime(TimeZone::UTC).year())
}

fn utc(date_time: DateTime) -> Option<Timestamp> {
    date_time.to_zoned_datetime(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn iso(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // `2024-05-01T10:00:00+0100`, `2024-05-01 10:00:00 +0100`.
    for format in ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%.f%z"] {
        if let Ok(time) = strtime::parse(format, text).and_then(|parsed| parsed.to_timestamp()) {
            return Some(time);
        }
    }
    let plain = text.trim_end_matches('Z').replace(' ', "T");
    if let Ok(date_time) = plain.parse::<DateTime>() {
        return utc(date_time);
    }
    for format in ["%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y%m%d", "%Y/%m/%d"] {
        if let Ok(date) = strtime::parse(format, text).and_then(|parsed| parsed.to_date()) {
            return utc(date.to_datetime(jiff::civil::Time::midnight()));
        }
    }
    text.get(..10)?.parse::<Date>().ok().and_then(|date| utc(date.at(0, 0, 0, 0)))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Parses a month's name, a day and a year in any order: `5 June 2024`, `June 5, 2024`, `Wed Jun 05 2024 …`.
fn worded(text: &str) -> Option<Timestamp> {
    let mut month = None;
    let mut day = None;
    let mut year = None;
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let folded = word.to_lowercase();
        if let Ok(number) = folded.trim_end_matches(|c: char| c.is_alphabetic()).parse::<i16>() {
            match number {
                1..=31 if day.is_none() => day = Some(number as i8),
                1_000..=9_999 if year.is_none() => year = Some(number),
                _ => {}
            }
        } else if month.is_none() && folded.len() >= 3 {
            month =
                MONTHS.iter().position(|name| name.starts_with(&folded) || (folded == "sept" && *name == "september"));
        }
    }
    let date = Date::new(year?, month? as i8 + 1, day?).ok()?;
    utc(date.at(0, 0, 0, 0))
}

/// Returns true if a whole line is a date or a time: `June 5, 2024 at 10:30 AM EDT`.
pub(crate) fn is_date_line(text: &str) -> bool {
    if text.chars().count() > 60 || parse_loose(text).is_none() {
        return false;
    }
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).all(|word| {
        let folded = word.to_lowercase();
        const WORDS: [&str; 32] = [
            "at",
            "on",
            "am",
            "pm",
            "a",
            "p",
            "m",
            "et",
            "est",
            "edt",
            "gmt",
            "utc",
            "bst",
            "ist",
            "pst",
            "pdt",
            "updated",
            "published",
            "posted",
            "last",
            "first",
            "mon",
            "tue",
            "wed",
            "thu",
            "fri",
            "sat",
            "sun",
            "cet",
            "date",
            "modified",
            "hrs",
        ];
        folded.chars().all(|c| c.is_ascii_digit())
            || (folded.starts_with(|c: char| c.is_ascii_digit()) && folded.len() <= 4)
            || WORDS.contains(&folded.as_str())
            || ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"].contains(&folded.as_str())
            || (folded.len() >= 3 && MONTHS.iter().any(|name| name.starts_with(&folded)))
            || folded == "sept"
    })
}

fn parse_loose(text: &str) -> Option<Timestamp> {
    parse(text).or_else(|| worded(text))
}

/// Returns the date in a URL: `/2024/06/05/`, `/2024-06-05-`.
pub(crate) fn in_url(url: &str) -> Option<Timestamp> {
    let bytes = url.as_bytes();
    for at in 1..bytes.len().saturating_sub(9) {
        let window = url.get(at..at + 10)?;
        let separator = bytes[at + 4];
        let apart = matches!(separator, b'/' | b'-') && bytes[at + 7] == separator;
        if apart
            && !bytes[at - 1].is_ascii_digit()
            && window.bytes().enumerate().all(|(i, b)| matches!(i, 4 | 7) || b.is_ascii_digit())
        {
            let date = window.replace('/', "-").parse::<Date>().ok();
            if let Some(time) = date.and_then(|date| utc(date.at(0, 0, 0, 0))).filter(sane) {
                return Some(time);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_pages_write_them() {
        for (text, expected) in [
            ("2024-06-05T10:30:00+01:00", "2024-06-05T09:30:00Z"),
            ("2024-06-05T10:30:00+0100", "2024-06-05T09:30:00Z"),
            ("2024-06-05T10:30:00", "2024-06-05T10:30:00Z"),
            ("2024-06-05", "2024-06-05T00:00:00Z"),
            ("Wed, 05 Jun 2024 10:30:00 GMT", "2024-06-05T10:30:00Z"),
            ("June 5, 2024", "2024-06-05T00:00:00Z"),
            ("5 June 2024", "2024-06-05T00:00:00Z"),
        ] {
            assert_eq!(parse(text).map(|t| t.to_string()).as_deref(), Some(expected), "{text}");
        }
        for bad in ["0000-01-01", "99999-01-01", "2024-13-45", "tomorrow", "", "12"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert!(in_url("https://herald.example/2024/06/05/ferry").is_some());
        assert_eq!(in_url("https://herald.example/123456789012"), None);
        assert!(
            is_date_line("Updated June 5, 2024 at 10:30 AM EDT") && !is_date_line("On June 5, 2024 the ferry sank.")
        );
    }
}
