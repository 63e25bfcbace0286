//! Times before the present: `yesterday, 15:30`, `vor 3 Stunden`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::Locale;
use super::clock::Tokens;
use super::tokens::{Token, split};
use super::written::{Found, day, stated};
use crate::extract::stated_time::{Precision, StatedTime};

/// Maximum number of words around the statement. In more text, it is part of a sentence.
const MAX_OTHER_WORDS: usize = 4;
/// Maximum number of tokens between a day and its time of day.
const GAP: usize = 3;
/// Maximum count of a unit: nobody counts more hours than that.
const MAX_COUNT: u64 = 100;

static FORMS: LazyLock<BTreeMap<&'static str, Vec<Form>>> = LazyLock::new(|| parse(include_str!("relative.txt")));

/// Words for a time before the present.
struct Form {
    /// A number stands for any number.
    tokens: Vec<Token>,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    /// A day by its name: today, yesterday.
    Named(i64),
    Seconds(i64),
    Days(i64),
}

fn parse(file: &'static str) -> BTreeMap<&'static str, Vec<Form>> {
    let mut languages = BTreeMap::<&str, Vec<Form>>::new();
    let mut language = "";
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            language = section;
            continue;
        }
        let Some((unit, texts)) = line.split_once(' ') else { continue };
        let unit = match unit {
            "minute" => Unit::Seconds(60),
            "hour" => Unit::Seconds(3_600),
            "day" => Unit::Days(1),
            "week" => Unit::Days(7),
            days => Unit::Named(days.parse().unwrap_or_default()),
        };
        // Japanese is written with or without the space: `3 時間前`, `3時間前`.
        let spellings = texts.split('|').flat_map(|text| [words(text), words(&text.replace("0 ", "0"))]);
        languages.entry(language).or_default().extend(spellings.map(|tokens| Form { tokens, unit }));
    }
    // `the day before yesterday` has `yesterday` in it.
    languages.values_mut().for_each(|forms| forms.sort_by_key(|form| std::cmp::Reverse(form.tokens.len())));
    languages
}

/// Returns the tokens of a text without its full stops, which abbreviations have or lack.
fn words(text: &str) -> Vec<Token> {
    split(text).into_iter().map(|placed| placed.token).filter(|token| *token != Token::Mark('.')).collect()
}

/// Returns the time that a short text states as one before `now`: in the language of the page, else in any.
pub(crate) fn find_relative(text: &str, now: Timestamp, locale: Locale<'_>) -> Option<Found> {
    let mut placed = split(text);
    placed.retain(|placed| placed.token != Token::Mark('.'));
    let all = || {
        let mut forms: Vec<&Form> = FORMS.values().flatten().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.tokens.len()));
        forms
    };
    let forms: Vec<&Form> = FORMS.get(locale.language).map_or_else(all, |forms| forms.iter().collect());
    let (at, form) = forms.into_iter().find_map(|form| {
        let is_at = |at: &usize| {
            let tokens = placed[*at..].iter().map(|placed| &placed.token).zip(&form.tokens);
            tokens.clone().count() == form.tokens.len() && tokens.into_iter().all(|(one, other)| is_same(one, other))
        };
        (0..placed.len()).find(is_at).map(|at| (at, form))
    })?;
    let end = at + form.tokens.len();
    let tokens = Tokens(&placed);
    let others = (0..placed.len()).filter(|other| !(at..end).contains(other) && tokens.word(*other).is_some());
    if others.count() > MAX_OTHER_WORDS {
        return None;
    }
    let count = (at..end)
        .find_map(|at| tokens.number(at))
        .map_or(Some(1), |(count, _)| i64::try_from(count).ok().filter(|_| count <= MAX_COUNT))?;
    let date = |days: i64| Offset::UTC.to_datetime(now - SignedDuration::from_hours(24 * days)).date();
    let statement = match form.unit {
        Unit::Seconds(seconds) => {
            let time = now - SignedDuration::from_secs(seconds * count);
            Some(StatedTime { time, precision: Precision::Second(None) })
        }
        Unit::Days(days) => Some(day(date(days * count))),
        Unit::Named(days) => {
            let clocks = (end..end + GAP).chain(0..at).filter_map(|at| tokens.clock(at));
            let time = clocks.map(|(time, _)| time).next();
            // `today` alone is a heading, or a word of a sentence.
            if days == 0 && time.is_none() { None } else { stated(date(days), time, None) }
        }
    };
    let (start, end) = (placed[at].start, placed[end - 1].end);
    statement.map(|stated| Found { stated, start, end })
}

fn is_same(one: &Token, other: &Token) -> bool {
    matches!((one, other), (Token::Number { .. }, Token::Number { .. })) || one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_present_are_read_in_the_language_of_the_page() {
        let now: Timestamp = "2026-11-02T10:00:00Z".parse().unwrap();
        for (language, text, expected) in [
            ("en", "Yesterday 15:30", "2026-11-01T15:30:00Z"),
            ("en", "Updated 3 hours ago", "2026-11-02T07:00:00Z"),
            ("en", "2 days ago", "2026-10-31T00:00:00Z"),
            ("de", "vor 20 Minuten", "2026-11-02T09:40:00Z"),
            ("de", "Vorgestern um 8:05 Uhr", "2026-10-31T08:05:00Z"),
            ("fr", "Publié hier à 18h05", "2026-11-01T18:05:00Z"),
            ("es", "hace 3 horas", "2026-11-02T07:00:00Z"),
            ("ru", "вчера, 23:10", "2026-11-01T23:10:00Z"),
            ("ru", "5 часов назад", "2026-11-02T05:00:00Z"),
            ("hy", "երեկ 15:30", "2026-11-01T15:30:00Z"),
            ("ar", "قبل 3 ساعات", "2026-11-02T07:00:00Z"),
            ("zh", "昨天 15:30", "2026-11-01T15:30:00Z"),
            ("zh", "3小时前", "2026-11-02T07:00:00Z"),
            ("ja", "3時間前", "2026-11-02T07:00:00Z"),
            ("ko", "3시간 전", "2026-11-02T07:00:00Z"),
            ("", "hace 3 horas", "2026-11-02T07:00:00Z"),
        ] {
            let found = find_relative(text, now, Locale::new(language, "")).map(|found| found.stated.time.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{language} {text}");
        }
        for (language, text) in [
            ("en", "Today"),
            ("en", "The council said yesterday that the channel is to be dredged"),
            ("en", "3 hours"),
            ("en", "500000 weeks ago"),
            ("de", "yesterday"),
        ] {
            assert_eq!(find_relative(text, now, Locale::new(language, "")), None, "{text}");
        }
    }
}
