//! Years and dates of the calendars that news is dated in: Gregorian, Thai (Buddhist) and Persian (Solar Hijri).

use jiff::ToSpan;
use jiff::civil::{Date, date};

/// Years of the Buddhist calendar are ahead of the Gregorian by this.
const BUDDHIST: i16 = 543;
/// Positions of the leap years in the cycle of 33 years that the Persian calendar follows from 1800 to 2256.
const PERSIAN_LEAPS: [i32; 8] = [1, 5, 9, 13, 17, 22, 26, 30];

/// Returns the Gregorian date. The calendar is recognized by the year: no article is of the 14th or the 26th century.
pub(super) fn to_gregorian(year: i16, month: i8, day: i8) -> Option<Date> {
    match year {
        1_300..=1_499 => persian(year.into(), month.into(), day.into()),
        2_400..=2_699 => Date::new(year - BUDDHIST, month, day).ok(),
        _ => Date::new(year, month, day).ok(),
    }
}

fn persian(year: i32, month: i32, day: i32) -> Option<Date> {
    let leaps_before = |year: i32| {
        let in_cycle = PERSIAN_LEAPS.iter().filter(|leap| **leap < year % 33).count();
        8 * (year / 33) + i32::try_from(in_cycle).unwrap_or_default()
    };
    let days_of_month = if month <= 6 { 31 } else { 30 };
    if !(1..=12).contains(&month) || !(1..=days_of_month).contains(&day) {
        return None;
    }
    // The first day of 1403 was 20 March 2024.
    let years = 365 * (year - 1_403) + leaps_before(year) - leaps_before(1_403);
    let months = 31 * (month - 1).min(6) + 30 * (month - 7).max(0);
    date(2024, 3, 20).checked_add((years + months + day - 1).days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_other_calendars_become_gregorian() {
        for (year, month, day, expected) in [
            (1405, 8, 5, "2026-10-27"),
            (1403, 1, 1, "2024-03-20"),
            (1403, 12, 30, "2025-03-20"),
            (1404, 1, 1, "2025-03-21"),
            (1399, 10, 11, "2020-12-31"),
            (2569, 10, 27, "2026-10-27"),
            (2026, 10, 27, "2026-10-27"),
        ] {
            assert_eq!(to_gregorian(year, month, day), expected.parse().ok(), "{year}-{month}-{day}");
        }
        assert_eq!(to_gregorian(1405, 7, 31), None);
    }
}
