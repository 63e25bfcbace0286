//! Times of day and zones within the tokens of a text.

use jiff::civil::{Date, Time};

use super::names::{self, Half};
use super::tokens::{Placed, Token};
use super::zones;

/// Words between hours and minutes.
const HOURS: [&str; 14] = ["h", "hs", "hrs", "uhr", "u", "ч", "時", "时", "点", "點", "시", "giờ", "gio", "ώρα"];
/// Words behind minutes and seconds, and behind a whole time of day.
const ENDS: [&str; 13] = ["分", "秒", "분", "초", "min", "s", "h", "hs", "hrs", "uhr", "น", "ч", "uur"];

/// Tokens of a text, read by position.
#[derive(Clone, Copy)]
pub(super) struct Tokens<'a>(pub(super) &'a [Placed]);

impl<'a> Tokens<'a> {
    pub(super) fn number(self, at: usize) -> Option<(u64, usize)> {
        match &self.0.get(at)?.token {
            Token::Number { value, digits } => Some((*value, *digits)),
            _ => None,
        }
    }

    pub(super) fn word(self, at: usize) -> Option<&'a str> {
        match &self.0.get(at)?.token {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn mark(self, at: usize) -> Option<char> {
        match self.0.get(at)?.token {
            Token::Mark(mark) => Some(mark),
            _ => None,
        }
    }

    pub(super) fn is_joined(self, at: usize) -> bool {
        self.0.get(at).is_some_and(|placed| placed.is_joined)
    }

    /// Returns a number of one or two digits up to a maximum.
    pub(super) fn short(self, at: usize, max: i8) -> Option<i8> {
        let (value, digits) = self.number(at)?;
        i8::try_from(value).ok().filter(|value| digits <= 2 && *value <= max)
    }

    /// Returns a number of exactly two digits, joined to what is before it.
    fn two(self, at: usize, max: i8) -> Option<i8> {
        let (_, digits) = self.number(at)?;
        self.short(at, max).filter(|_| digits == 2 && self.is_joined(at))
    }

    /// Returns the time of day at a position, and the position behind it.
    pub(super) fn clock(self, at: usize) -> Option<(Time, usize)> {
        if let Some(half) = self.word(at).and_then(names::half)
            && let Some((time, end)) = self.hours(at + 1)
        {
            return Some((in_half(time, half)?, end));
        }
        let (time, end) = self.hours(at).or_else(|| self.compact(at))?;
        match self.half(end) {
            Some((half, end)) => Some((in_half(time, half)?, end)),
            None => Some((time, end)),
        }
    }

    /// Reads `10:30:00.5`, `18h05`, `18 Uhr`, `18.05`, or the hour before a half of the day.
    fn hours(self, at: usize) -> Option<(Time, usize)> {
        let hour = self.short(at, 23)?;
        let separator = self.mark(at + 1).filter(|_| self.is_joined(at + 1));
        if let (Some(mark @ (':' | '.' | '：')), Some(minute)) = (separator, self.two(at + 2, 59)) {
            return self.seconds(at + 3, hour, minute, mark);
        }
        if self.word(at + 1).is_some_and(|word| HOURS.contains(&word)) {
            let minute = self.short(at + 2, 59).filter(|_| self.number(at + 2).is_some_and(|(_, digits)| digits == 2));
            let minute = minute.or_else(|| self.short(at + 2, 59).filter(|_| self.is_end(at + 3)));
            return match minute {
                Some(minute) => self.seconds(at + 3, hour, minute, ':'),
                None => Some((Time::new(hour, 0, 0, 0).ok()?, at + 2)),
            };
        }
        self.half(at + 1).is_some().then_some((Time::new(hour, 0, 0, 0).ok()?, at + 1))
    }

    /// Reads seconds and their fraction, if there are any.
    fn seconds(self, at: usize, hour: i8, minute: i8, mark: char) -> Option<(Time, usize)> {
        let mut at = at;
        let (mut second, mut nanosecond) = (0, 0);
        let is_end = self.is_end(at);
        at += usize::from(is_end);
        let stated = if is_end {
            self.short(at, 60).filter(|_| self.is_end(at + 1)).map(|second| (second, at + 1))
        } else {
            let is_mark = self.mark(at) == Some(mark) && self.is_joined(at);
            self.two(at + 1, 60).filter(|_| is_mark).map(|second| (second, at + 2))
        };
        if let Some((stated, end)) = stated {
            // A leap second.
            second = stated.min(59);
            at = end;
            if let (Some('.' | ','), Some((value, digits @ 1..=9))) = (self.mark(at), self.number(at + 1))
                && self.is_joined(at)
                && self.is_joined(at + 1)
            {
                let scale = 10_u64.pow(9 - u32::try_from(digits).ok()?);
                nanosecond = i32::try_from(value * scale).ok()?;
                at += 2;
            }
        } else if mark == '.' && self.mark(at) == Some('.') && self.number(at + 1).is_some() {
            // A date: `18.05.2024`.
            return None;
        }
        at += usize::from(self.is_end(at));
        Some((Time::new(hour, minute, second, nanosecond).ok()?, at))
    }

    /// Reads `T154400` and `T1544`.
    fn compact(self, at: usize) -> Option<(Time, usize)> {
        let (value, digits) = self.number(at)?;
        if !matches!(digits, 4 | 6) || self.word(at.checked_sub(1)?) != Some("t") || !self.is_joined(at) {
            return None;
        }
        let value = if digits == 4 { value * 100 } else { value };
        let part = |of: u64| i8::try_from(of % 100).ok();
        Some((Time::new(part(value / 10_000)?, part(value / 100)?, part(value)?, 0).ok()?, at + 1))
    }

    fn is_end(self, at: usize) -> bool {
        self.word(at).is_some_and(|word| ENDS.contains(&word))
    }

    /// Returns the half of the day at a position: `pm`, `p m`, or `p` joined to the time.
    fn half(self, at: usize) -> Option<(Half, usize)> {
        let word = self.word(at)?;
        let half = names::half(word)?;
        if !matches!(word, "a" | "p") {
            return Some((half, at + 1));
        }
        if self.word(at + 1) == Some("m") {
            return Some((half, at + 2));
        }
        self.is_joined(at).then_some((half, at + 1))
    }

    /// Returns the offset from UTC in seconds that a zone behind a time of day states, and the position behind it.
    pub(super) fn zone(self, at: usize, date: Date) -> Option<(i32, usize)> {
        let at = at + usize::from(matches!(self.mark(at), Some('.' | '(' | ',' | '|')));
        if let Some(word) = self.word(at)
            && let Some(minutes) = zones::offset(word, date)
        {
            return Some(match self.signed(at + 1) {
                Some((seconds, end)) => (seconds, end),
                None => (minutes * 60, at + 1),
            });
        }
        self.signed(at)
    }

    /// Reads `+01:00`, `+0100`, `+01`, `-5:30`.
    fn signed(self, at: usize) -> Option<(i32, usize)> {
        let sign = match self.mark(at)? {
            '+' => 1,
            '-' | '−' => -1,
            _ => return None,
        };
        let (value, digits) = self.number(at + 1).filter(|_| self.is_joined(at + 1))?;
        let value = i32::try_from(value).ok()?;
        let (hours, minutes, end) = match digits {
            4 => (value / 100, value % 100, at + 2),
            1 | 2 => match self.two(at + 3, 59).filter(|_| self.mark(at + 2) == Some(':')) {
                Some(minutes) => (value, minutes.into(), at + 4),
                None => (value, 0, at + 2),
            },
            _ => return None,
        };
        // `10:24-2 November` has a dash.
        if digits == 1 && self.word(end).is_some_and(|word| names::month(word, "").is_some()) {
            return None;
        }
        (hours <= 14 && minutes < 60).then_some((sign * (hours * 3_600 + minutes * 60), end))
    }
}

fn in_half(time: Time, half: Half) -> Option<Time> {
    let hour = match (half, time.hour()) {
        (Half::Morning, 12) => 0,
        (Half::Afternoon, hour @ 1..=11) => hour + 12,
        (_, hour) => hour,
    };
    time.with().hour(hour).build().ok()
}
