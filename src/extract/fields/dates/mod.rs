//! Dates as documents write them, in the languages that news is written in. Dates that no article can have are ignored.

mod calendar;
mod clock;
mod date_line;
mod labels;
mod names;
mod relative;
mod tokens;
mod written;
mod zones;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

pub(crate) use labels::{Label, of as label};
pub(crate) use relative::find_relative;
pub(crate) use written::find;

use crate::extract::stated_time::{Precision, StatedTime};

/// Plausible years. No newspaper is older; and a date in the far future is the placeholder of a content system.
const YEARS: std::ops::RangeInclusive<i16> = 1_600..=2_049;
/// Maximum length of a text that is read as one date, in bytes.
const MAX_BYTES: usize = 160;
/// Maximum length of a time before the present without a number, in characters.
const AGO_CHARS: usize = 24;
/// Maximum length of a line with nothing but dates, in characters.
const LINE_CHARS: usize = 90;

/// Conventions of a document for dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Locale<'a> {
    /// Language: an ISO 639 code, or empty.
    pub(crate) language: &'a str,
    /// True if 3/5 is the fifth of March.
    pub(crate) month_first: bool,
}

impl<'a> Locale<'a> {
    /// Returns the conventions of a language tag (`en-GB`) and of the country whose domain a host is under.
    pub(crate) fn new(tag: &'a str, host: &str) -> Self {
        let mut subtags = tag.split(['-', '_']);
        let language = match subtags.next().unwrap_or_default() {
            "no" | "nn" => "nb",
            "iw" => "he",
            "in" => "id",
            "tl" => "fil",
            language => language,
        };
        // English without a region is American, unless the domain is of a country.
        let domain = host.rsplit('.').next().unwrap_or_default();
        let region = subtags.next_back().filter(|region| region.len() == 2);
        let is_american = match region {
            Some(region) => ["US", "PH"].iter().any(|country| region.eq_ignore_ascii_case(country)),
            None => domain.len() != 2 || matches!(domain, "us" | "ph" | "io" | "ai" | "co" | "tv" | "me"),
        };
        let is_english = matches!(language, "" | "en" | "EN" | "fil");
        Self { language, month_first: is_english && is_american }
    }
}

/// Parses a text that is a date. Times without a zone are UTC.
pub(crate) fn parse(text: &str, locale: Locale<'_>) -> Option<StatedTime> {
    let text = text.trim();
    if text.len() < 6 || text.len() > MAX_BYTES {
        return None;
    }
    match epoch(text) {
        Some(time) => Some(time).filter(|stated| is_plausible(&stated.time)),
        None => find(text, locale).into_iter().next().map(|found| found.stated),
    }
}

/// Parses seconds or milliseconds since 1970, also as `/Date(1793634269000)/`, and `20261102154429`.
fn epoch(text: &str) -> Option<StatedTime> {
    let text = text.strip_prefix("/Date(").and_then(|text| text.strip_suffix(")/")).unwrap_or(text);
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let time = match text.len() {
        9 | 10 => Timestamp::from_second(text.parse().ok()?),
        13 => Timestamp::from_millisecond(text.parse().ok()?),
        12 | 14 => {
            let part = |from: usize| text.get(from..from + 2).and_then(|part| part.parse::<i8>().ok());
            let (hour, minute) = (part(8)?, part(10)?);
            let time = Time::new(hour, minute, part(12).unwrap_or_default(), 0).ok()?;
            return written::stated(date(text.get(..4)?, text.get(4..6)?, text.get(6..8)?)?, Some(time), None);
        }
        _ => return None,
    };
    Some(StatedTime { time: time.ok()?, precision: Precision::Second(None) })
}

/// Returns true for a date that an article may have. The start of 1970 is a field that nobody has set, as are those of
/// 1900 in databases and spreadsheets.
pub(crate) fn is_plausible(time: &Timestamp) -> bool {
    const DAY: i64 = 86_400;
    // 30 December 1899 to 1 January 1900.
    const SPREADSHEET: std::ops::Range<i64> = -25_569 * DAY..-25_566 * DAY;
    let seconds = time.as_second();
    let is_unset = seconds.abs() < 2 * DAY || SPREADSHEET.contains(&seconds);
    YEARS.contains(&Offset::UTC.to_datetime(*time).year()) && !is_unset
}

/// Returns true if a whole line is a date or a time: `June 5, 2024 at 10:30 AM EDT`, `vor 3 Stunden`.
pub(crate) fn is_date_line(text: &str) -> bool {
    // Without a number only `an hour ago`: most lines are not worth the search.
    let may_be = text.chars().any(char::is_numeric) || text.chars().nth(AGO_CHARS).is_none();
    may_be && text.chars().nth(LINE_CHARS).is_none() && date_line::is_only_dates(text)
}

/// Returns the date in a URL: `/2024/06/05/`, `/2024-06-05-`, `/20240605/`, `/2024/0605/`, `/2024-06/05/`.
pub(crate) fn in_url(url: &str) -> Option<StatedTime> {
    let path = url.split(['?', '#']).next()?;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let mut ahead = parts.clone();
        let spread = [Some(part), ahead.next(), ahead.next()];
        let spread = match spread {
            [Some(year), Some(month), Some(day)] => date(year, month, day).or_else(|| in_two(year, month)),
            [Some(one), Some(other), None] => in_two(one, other),
            _ => None,
        };
        if let Some(date) = spread.or_else(|| in_segment(part)) {
            return Some(written::day(date)).filter(|stated| is_plausible(&stated.time));
        }
    }
    None
}

/// Returns the date in two segments of a path: `2024/0605`, `202406/05`, `2024-06/05`.
fn in_two(one: &str, other: &str) -> Option<Date> {
    match (one.len(), other.len()) {
        (4, 4) => date(one, other.get(..2)?, other.get(2..)?),
        (6, 2) => date(one.get(..4)?, one.get(4..)?, other),
        (7, 2) => one.split_once(['-', '_']).and_then(|(year, month)| date(year, month, other)),
        _ => None,
    }
}

/// Returns the date at the start or the end of a segment of a path.
fn in_segment(segment: &str) -> Option<Date> {
    let stem = segment.split('.').next()?;
    let numbers: Vec<&str> = stem.split(['-', '_']).collect();
    let dashed = numbers.windows(3).find_map(|three| date(three[0], three[1], three[2]));
    let compact = |text: &&str| {
        // `t20240605_1234`
        let text = text.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(text);
        date(text.get(..4)?, text.get(4..6)?, text.get(6..)?)
    };
    dashed.or_else(|| numbers.first().and_then(compact)).or_else(|| numbers.last().and_then(compact))
}

fn date(year: &str, month: &str, day: &str) -> Option<Date> {
    let number = |text: &str, lengths: std::ops::RangeInclusive<usize>| -> Option<i16> {
        let is_number = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse().ok() } else { None }
    };
    let month = number(month, 1..=2).and_then(|month| i8::try_from(month).ok()).or_else(|| month_name(month))?;
    let year = number(year, 4..=4).filter(|year| (1_900..=2_049).contains(year))?;
    Date::new(year, month, i8::try_from(number(day, 1..=2)?).ok()?).ok()
}

fn month_name(text: &str) -> Option<i8> {
    names::month(&tokens::fold(text), "en")
}

/// Returns the offset from UTC, of at most 14 hours and by the quarter of an hour, that makes an instant a local time.
pub(crate) fn offset_between(instant: Timestamp, local_as_utc: Timestamp) -> Option<Offset> {
    let seconds = local_as_utc.as_second() - instant.as_second();
    let rounded = (seconds + seconds.signum() * 450) / 900 * 900;
    let is_near = (seconds - rounded).abs() <= 120;
    i32::try_from(rounded)
        .ok()
        .filter(|offset| is_near && offset.abs() <= 14 * 3_600)
        .and_then(|offset| Offset::from_seconds(offset).ok())
}

#[cfg(test)]
mod tests;
