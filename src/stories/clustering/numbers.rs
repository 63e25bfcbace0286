//! Numbers and times of day in a text, in a form that does not depend on the language.
//!
//! 30,000 and 30.000 and 30 000 are one number, and so are 46.50 and 46,5. Years and numbers below 10 are left out:
//! they tell nothing of an event.

use super::hash::key;

/// Maximum number of digits of a number. Longer ones are identifiers.
const MAX_DIGITS: usize = 12;
/// Years that are no numbers of an event.
const YEARS: std::ops::RangeInclusive<u64> = 1900..=2100;

/// Calls `each` with the key of every number of a text and its byte offset.
pub(super) fn for_each_number(text: &str, mut each: impl FnMut(usize, u32)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let is_word = text[..start].chars().next_back().is_some_and(char::is_alphabetic);
        let (normal, end) = read(text, start);
        at = end;
        let is_word = is_word || text[end..].chars().next().is_some_and(char::is_alphabetic);
        if !is_word && tells_of_event(&normal) {
            each(start, key(b'#', &normal));
        }
    }
}

/// Reads a number at a digit. Returns its normal form and its end.
fn read(text: &str, start: usize) -> (String, usize) {
    let bytes = text.as_bytes();
    let digits_at = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = start + digits_at(start);
    let mut normal = text[start..end].to_owned();
    let may_group = normal.len() <= 3;
    while let Some(mark) = text[end..].chars().next().filter(|mark| ".,:'’ \u{a0}\u{202f}".contains(*mark)) {
        let from = end + mark.len_utf8();
        let digits = digits_at(from);
        if mark == ':' {
            if digits == 2 && normal.len() <= 2 {
                normal.push(':');
                normal.push_str(&text[from..from + 2]);
                end = from + 2;
            }
            break;
        }
        if digits == 3 && may_group {
            normal.push_str(&text[from..from + 3]);
            end = from + 3;
            continue;
        }
        if matches!(mark, '.' | ',') && (1..=2).contains(&digits) {
            let decimals = text[from..from + digits].trim_end_matches('0');
            end = from + digits;
            if !decimals.is_empty() {
                normal.push('.');
                normal.push_str(decimals);
            }
        }
        break;
    }
    (normal, end)
}

fn tells_of_event(normal: &str) -> bool {
    if normal.len() > MAX_DIGITS {
        return false;
    }
    match normal.parse::<u64>() {
        Ok(number) => number >= 10 && !YEARS.contains(&number),
        // A decimal number or a time of day.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<u32> {
        let mut found = Vec::new();
        for_each_number(text, |_, number| found.push(number));
        found
    }

    #[test]
    fn spellings_of_a_number_are_one() {
        for (spellings, normal) in [
            (&["30,000 homes", "30.000 Häuser", "30 000 домов", "30\u{a0}000", "30000"][..], "30000"),
            (&["46.50 euros", "46,5 Euro", "46,50."], "46.5"),
            (&["at 3:52 a.m."], "3:52"),
            (&["1,234,567"], "1234567"),
            (&["12.", "12, and"], "12"),
        ] {
            for spelling in spellings {
                assert_eq!(numbers(spelling), [key(b'#', normal)], "{spelling}");
            }
        }
    }

    #[test]
    fn years_small_numbers_and_parts_of_words_are_left_out() {
        assert!(numbers("in 2026, 7 of them took the R14 to H5N1, No 1234567890123").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_read(text in "[0-9., :a-zé\u{a0}]{0,40}") {
            let mut last = None;
            for_each_number(&text, |at, _| {
                assert!(last.is_none_or(|last| last < at));
                last = Some(at);
            });
        }
    }
}
