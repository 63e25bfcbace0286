//! Lines of nothing but dates.

use super::Locale;
use super::clock::Tokens;
use super::labels::kinds;
use super::names::{half, is_weekday, month};
use super::tokens::{Placed, Token, split};
use super::written::find;
use super::zones::is_zone;

/// Returns true if the line consists of dates, times and the words that are printed around them.
pub(super) fn is_only_dates(text: &str) -> bool {
    let placed = split(text);
    let tokens = Tokens(&placed);
    let mut at = 0;
    let (mut times, mut numbers, mut units, mut is_ago) = (0, 0, 0, false);
    while let Some(Placed { token, .. }) = placed.get(at) {
        match token {
            Token::Mark(_) => {}
            Token::Number { .. } => {
                numbers += 1;
                if let Some((_, end)) = tokens.clock(at) {
                    times += 1;
                    at = end;
                    continue;
                }
            }
            Token::Word(word) => {
                let known = kinds(word);
                if known.is_some_and(|kinds| kinds.is_source)
                    && numbers >= 3
                    && !find(text, Locale::default()).is_empty()
                {
                    // A name follows.
                    return true;
                }
                let is_ordinal = tokens.is_joined(at) && at > 0 && tokens.number(at - 1).is_some();
                let is_known = known.is_some()
                    || is_weekday(word)
                    || month(word, "").is_some()
                    || half(word).is_some()
                    || is_zone(word)
                    || word.chars().nth(2).is_none()
                    || is_ordinal && word.chars().nth(3).is_none();
                if !is_known {
                    return false;
                }
                units += usize::from(known.is_some_and(|kinds| kinds.is_unit));
                is_ago |= known.is_some_and(|kinds| kinds.is_ago);
            }
        }
        at += 1;
    }
    // `an hour ago` has no number.
    let is_relative = units >= 2 && (numbers == 1 || numbers == 0 && is_ago);
    times >= 1 || is_relative || !find(text, Locale::default()).is_empty()
}
