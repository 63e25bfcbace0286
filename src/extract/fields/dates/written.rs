//! Dates within text, in any usual order, language and calendar.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use super::calendar::to_gregorian;
use super::clock::Tokens;
use super::tokens;
use super::{Locale, is_plausible, labels, names};
use crate::extract::stated_time::{Precision, StatedTime};

/// Maximum number of tokens between a date and its time of day.
const GAP: usize = 6;
/// Maximum length of a word within a date that is not a month: `de`, `of`, `gada`.
const CONNECTIVE: usize = 4;

/// Eras of Japan and of Taiwan, with the year before their first.
const ERAS: [(&str, i16); 5] = [("令和", 2_018), ("平成", 1_988), ("昭和", 1_925), ("民國", 1_911), ("民国", 1_911)];

/// A date in a text, and its place there in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) stated: StatedTime,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Returns the dates in a text, with their times of day.
pub(crate) fn find(text: &str, locale: Locale<'_>) -> Vec<Found> {
    let placed = tokens::split(text);
    let reader = Reader { tokens: Tokens(&placed), locale };
    let mut found = Vec::new();
    let mut clock_before = None;
    let mut at = 0;
    while at < placed.len() {
        if let Some(written) = reader.date(at) {
            let (stated, end) = reader.with_clock(written, at, clock_before.take());
            if is_plausible(&stated.time) {
                found.push(Found { stated, start: placed[at].start, end: placed[end - 1].end });
            }
            at = end;
        } else if let Some((time, end)) = reader.tokens.clock(at).filter(|_| !reader.is_day(at + 1)) {
            clock_before = Some((time, end));
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// A date as read: with the time of day if that stands within it (`Mar 05 10:00:00 CET 2024`).
struct Written {
    date: Date,
    within: Option<(Time, Option<i32>)>,
    end: usize,
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    locale: Locale<'a>,
}

impl Reader<'_> {
    /// Returns true if a date begins behind a word: Swedish has `em` for the afternoon, Portuguese `em 2 de novembro`.
    fn is_day(&self, at: usize) -> bool {
        self.tokens.word(at - 1).is_some() && self.date(at).is_some()
    }

    /// Returns the date that begins at a position.
    fn date(&self, at: usize) -> Option<Written> {
        let written = |(date, end)| Written { date, within: None, end };
        match self.tokens.number(at) {
            Some((value, 8)) => {
                let (year, month, day) = (value / 10_000, value / 100 % 100, value % 100);
                let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
                Some(written((date.ok()?, at + 1)))
            }
            Some((_, 4)) => self.year_first(at).map(written),
            Some((_, 1 | 2)) => {
                let numeric = self.numeric(at).or_else(|| self.vietnamese(at));
                numeric.map(written).or_else(|| self.day_and_month(at))
            }
            Some(_) => None,
            None => self.era(at).map(written).or_else(|| self.month_and_day(at)),
        }
    }

    /// Reads `令和8年11月2日`, `民國115年11月2日`: years are counted from the start of an era.
    fn era(&self, at: usize) -> Option<(Date, usize)> {
        let t = self.tokens;
        let (_, start) = ERAS.iter().find(|(name, _)| t.word(at) == Some(*name))?;
        let year = t.number(at + 1).filter(|(_, digits)| *digits <= 3)?.0;
        let (Some("年"), Some(month), Some("月"), Some(day)) =
            (t.word(at + 2), t.short(at + 3, 12), t.word(at + 4), t.short(at + 5, 31))
        else {
            return None;
        };
        let year = start.checked_add(i16::try_from(year).ok()?)?;
        Some((Date::new(year, month, day).ok()?, at + 6 + usize::from(t.word(at + 6) == Some("日"))))
    }

    /// Reads `2024-03-05`, `2024/3/5`, `2024. 3. 5.`, `2024年3月5日`, `2024. március 5.`
    fn year_first(&self, at: usize) -> Option<(Date, usize)> {
        let t = self.tokens;
        let year = i16::try_from(t.number(at)?.0).ok()?;
        if let Some(mark @ ('-' | '/' | '.')) = t.mark(at + 1)
            && let (Some(month), Some(day)) = (t.short(at + 2, 12), t.short(at + 4, 31))
            && t.mark(at + 3) == Some(mark)
        {
            return Some((to_gregorian(year, month, day)?, at + 5));
        }
        if matches!(t.word(at + 1), Some("年" | "년"))
            && let (Some(month), Some("月" | "월"), Some(day)) =
                (t.short(at + 2, 12), t.word(at + 3), t.short(at + 4, 31))
        {
            let unit = matches!(t.word(at + 5), Some("日" | "号" | "號" | "일"));
            return Some((to_gregorian(year, month, day)?, at + 5 + usize::from(unit)));
        }
        let next = self.skip(at + 1)?;
        if let Some(month) = self.month(next) {
            let day = self.skip(next + 1)?;
            return Some((to_gregorian(year, month, t.short(day, 31)?)?, day + 1));
        }
        let day = t.short(next, 31)?;
        let month = self.skip(next + 1)?;
        Some((to_gregorian(year, self.month(month)?, day)?, month + 1))
    }

    /// Reads `05.03.2024`, `5/3/24`, `03-05-2024`. A full stop is between a day and its month in every country.
    fn numeric(&self, at: usize) -> Option<(Date, usize)> {
        let t = self.tokens;
        let mark = t.mark(at + 1).filter(|mark| matches!(mark, '.' | '/' | '-'))?;
        let (one, other) = (t.short(at, 31)?, t.short(at + 2, 31)?);
        if t.mark(at + 3) != Some(mark) {
            return None;
        }
        let year = self.year(at + 4, true)?;
        // A telephone number or a version: `2.11.2026.1`.
        let is_longer = t.mark(at + 5) == Some(mark) && t.is_joined(at + 5) && t.is_joined(at + 6);
        if is_longer && t.number(at + 6).is_some() && t.clock(at + 6).is_none() {
            return None;
        }
        let day_first = || to_gregorian(year, other, one);
        let month_first = || to_gregorian(year, one, other);
        // Americans write slashes.
        let date = if self.locale.month_first && mark == '/' {
            month_first().or_else(day_first)
        } else {
            day_first().or_else(month_first)
        };
        Some((date?, at + 5))
    }

    /// Reads `5 tháng 3 năm 2024`: Vietnamese months are numbers.
    fn vietnamese(&self, at: usize) -> Option<(Date, usize)> {
        let t = self.tokens;
        let day = t.short(at, 31)?;
        let word = at + 1 + usize::from(matches!(t.mark(at + 1), Some('-' | ',')));
        if t.word(word) != Some("thang") {
            return None;
        }
        let month = t.short(word + 1, 12)?;
        let year = self.skip(word + 2)?;
        Some((to_gregorian(self.year(year, false)?, month, day)?, year + 1))
    }

    /// Reads `5 March 2024`, `5. März 2024`, `5 de marzo de 2024`, `05-Mar-24`.
    fn day_and_month(&self, at: usize) -> Option<Written> {
        let day = self.tokens.short(at, 31)?;
        let month = self.skip(at + 1)?;
        self.with_year(self.month(month)?, day, month + 1)
    }

    /// Reads `March 5, 2024`, `Mar 05 10:00:00 CET 2024`.
    fn month_and_day(&self, at: usize) -> Option<Written> {
        let month = self.month(at)?;
        let day = self.skip(at + 1)?;
        self.with_year(month, self.tokens.short(day, 31)?, day + 1)
    }

    /// Reads the year of a date behind its day and month, possibly with the time of day in between.
    fn with_year(&self, month: i8, day: i8, at: usize) -> Option<Written> {
        let t = self.tokens;
        if let Some((time, end)) = t.clock(at) {
            let dated = |at: usize| {
                let year = self.skip(at)?;
                Some((to_gregorian(self.year(year, false)?, month, day)?, year + 1))
            };
            // The day of any year tells how long the zone is.
            let zone = t.zone(end, Date::constant(2_000, month, 1));
            let with_zone = zone.and_then(|(_, zone_end)| dated(zone_end));
            let (date, year_end) = with_zone.or_else(|| dated(end))?;
            let offset = with_zone.and_then(|_| t.zone(end, date)).map(|(offset, _)| offset);
            return Some(Written { date, within: Some((time, offset)), end: year_end });
        }
        let mut year = self.skip(at)?;
        // The same month by its other name: `مارس/آذار`.
        if self.month(year) == Some(month) {
            year = self.skip(year + 1)?;
        }
        let is_short = matches!(t.mark(year.checked_sub(1)?), Some('-' | '\'' | '’'));
        // `02 Nov 26 10:24`, and nothing but a date: `10:24, 02 Nov 26`.
        let may_be_short = is_short || t.clock(year + 1).is_some() || t.0.len() == year + 1 && year <= GAP + 2;
        let date = to_gregorian(self.year(year, may_be_short)?, month, day)?;
        Some(Written { date, within: None, end: year + 1 })
    }

    /// Returns the year at a position: of four digits, or of two.
    fn year(&self, at: usize, may_be_short: bool) -> Option<i16> {
        let (value, digits) = self.tokens.number(at)?;
        // `24:00` and `18h05` are times of day.
        let is_clock = self.tokens.mark(at + 1) == Some(':') && self.tokens.is_joined(at + 1);
        let value = i16::try_from(value).ok().filter(|_| !is_clock)?;
        match digits {
            4 => Some(value),
            2 if may_be_short => Some(if value < 70 { 2_000 + value } else { 1_900 + value }),
            _ => None,
        }
    }

    fn month(&self, at: usize) -> Option<i8> {
        names::month(self.tokens.word(at)?, self.locale.language)
    }

    /// Skips marks and up to two connectives. Returns the position of the next number or month.
    fn skip(&self, at: usize) -> Option<usize> {
        let mut words = 0;
        for at in at..at + GAP {
            if self.tokens.number(at).is_some() || self.month(at).is_some() {
                return Some(at);
            }
            match (self.tokens.word(at), self.tokens.mark(at)) {
                (Some(word), _) if words < 2 && (word.chars().count() <= CONNECTIVE || names::is_weekday(word)) => {
                    words += 1;
                }
                (_, Some('.' | ',' | '،' | '-' | '–' | '/' | '\'' | '’' | '°' | '(' | ')')) => {}
                _ => return None,
            }
        }
        None
    }

    /// Adds the time of day behind a date, else the one before it.
    fn with_clock(&self, written: Written, start: usize, before: Option<(Time, usize)>) -> (StatedTime, usize) {
        let Written { date, within, end } = written;
        let (time, offset, end) = if let Some((time, offset)) = within {
            (Some(time), offset.or_else(|| self.tokens.zone(end, date).map(|(offset, _)| offset)), end)
        } else if let Some((time, clock_end)) = self.clock_behind(end) {
            match self.tokens.zone(clock_end, date) {
                Some((offset, zone_end)) => (Some(time), Some(offset), zone_end),
                None => (Some(time), None, clock_end),
            }
        } else {
            match before.filter(|(_, clock_end)| start - clock_end <= GAP) {
                Some((time, clock_end)) => {
                    (Some(time), self.tokens.zone(clock_end, date).map(|(offset, _)| offset), end)
                }
                None => (None, None, end),
            }
        };
        (stated(date, time, offset).unwrap_or_else(|| day(date)), end)
    }

    fn clock_behind(&self, at: usize) -> Option<(Time, usize)> {
        for at in at..at + GAP {
            let clock = self.tokens.clock(at);
            if clock.is_some() {
                // Numbers of a second date look like a time of day: `18.05.2024`.
                return clock.filter(|_| self.date(at).is_none());
            }
            let word = self.tokens.word(at).unwrap_or_default();
            if self.tokens.number(at).is_some() || self.month(at).is_some() || labels::kind(word).is_some() {
                return None;
            }
        }
        None
    }
}

/// Returns a time of day on a date: in a zone, else without one and taken as UTC; or the date alone.
pub(super) fn stated(date: Date, time: Option<Time>, offset: Option<i32>) -> Option<StatedTime> {
    let Some(time) = time else { return Some(day(date)) };
    let zone = Offset::from_seconds(offset.unwrap_or_default()).ok()?;
    let time = zone.to_timestamp(date.to_datetime(time)).ok()?;
    let precision = offset.map_or(Precision::ZoneAssumed, |offset| Precision::Second(Some(offset)));
    Some(StatedTime { time, precision })
}

/// Returns a date alone.
pub(super) fn day(date: Date) -> StatedTime {
    // A date near the ends of time has no midnight; it is not plausible either.
    let time = Offset::UTC.to_timestamp(date.to_datetime(Time::midnight())).unwrap_or_default();
    StatedTime { time, precision: Precision::Day }
}
