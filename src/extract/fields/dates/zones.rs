//! Time zones by the names that articles use.

use jiff::civil::Date;

/// Rule for the change of the clocks.
#[derive(Clone, Copy)]
enum Summer {
    /// The name fixes the offset.
    Never,
    /// North America: the second Sunday of March to the first of November.
    American,
}

/// Names with their offset in minutes. A name that several countries use stands for the largest of them.
const ZONES: [(&str, i32, Summer); 62] = [
    ("utc", 0, Summer::Never),
    ("gmt", 0, Summer::Never),
    ("z", 0, Summer::Never),
    ("ut", 0, Summer::Never),
    ("wet", 0, Summer::Never),
    ("west", 60, Summer::Never),
    ("bst", 60, Summer::Never),
    ("cet", 60, Summer::Never),
    ("mez", 60, Summer::Never),
    ("wat", 60, Summer::Never),
    ("cest", 120, Summer::Never),
    ("mesz", 120, Summer::Never),
    ("eet", 120, Summer::Never),
    ("cat", 120, Summer::Never),
    ("sast", 120, Summer::Never),
    ("eest", 180, Summer::Never),
    ("eat", 180, Summer::Never),
    ("msk", 180, Summer::Never),
    ("мск", 180, Summer::Never),
    ("trt", 180, Summer::Never),
    ("irst", 210, Summer::Never),
    ("gst", 240, Summer::Never),
    ("amt", 240, Summer::Never),
    ("pkt", 300, Summer::Never),
    ("uzt", 300, Summer::Never),
    ("ist", 330, Summer::Never),
    ("npt", 345, Summer::Never),
    ("bdt", 360, Summer::Never),
    ("ict", 420, Summer::Never),
    ("wib", 420, Summer::Never),
    ("sgt", 480, Summer::Never),
    ("hkt", 480, Summer::Never),
    ("pht", 480, Summer::Never),
    ("myt", 480, Summer::Never),
    ("awst", 480, Summer::Never),
    ("wita", 480, Summer::Never),
    ("jst", 540, Summer::Never),
    ("kst", 540, Summer::Never),
    ("wit", 540, Summer::Never),
    ("acst", 570, Summer::Never),
    ("aest", 600, Summer::Never),
    ("acdt", 630, Summer::Never),
    ("aedt", 660, Summer::Never),
    ("nzst", 720, Summer::Never),
    ("nzdt", 780, Summer::Never),
    ("brt", -180, Summer::Never),
    ("art", -180, Summer::Never),
    ("nst", -210, Summer::Never),
    ("adt", -180, Summer::Never),
    ("ast", -240, Summer::Never),
    ("edt", -240, Summer::Never),
    ("est", -300, Summer::Never),
    ("cdt", -300, Summer::Never),
    ("cst", -360, Summer::Never),
    ("mdt", -360, Summer::Never),
    ("mst", -420, Summer::Never),
    ("pdt", -420, Summer::Never),
    ("pst", -480, Summer::Never),
    ("et", -300, Summer::American),
    ("ct", -360, Summer::American),
    ("mt", -420, Summer::American),
    ("pt", -480, Summer::American),
];

/// Returns the offset of a zone from UTC on a day, in minutes.
pub(super) fn offset(name: &str, date: Date) -> Option<i32> {
    let (_, minutes, summer) = ZONES.iter().find(|(known, ..)| *known == name)?;
    Some(match summer {
        Summer::American if is_american_summer(date) => minutes + 60,
        _ => *minutes,
    })
}

/// Returns true if a word names a time zone.
pub(super) fn is_zone(name: &str) -> bool {
    ZONES.iter().any(|(known, ..)| *known == name)
}

/// Returns true if the clocks of North America are one hour ahead on a day.
fn is_american_summer(date: Date) -> bool {
    let sunday = |month: i8, nth: i8| {
        let first = Date::new(date.year(), month, 1).ok()?;
        let days_to_sunday = (7 - first.weekday().to_sunday_zero_offset()) % 7;
        Some((month, 1 + days_to_sunday + 7 * (nth - 1)))
    };
    let day = (date.month(), date.day());
    sunday(3, 2).is_some_and(|start| day >= start) && sunday(11, 1).is_some_and(|end| day < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_offset_of_the_day() {
        for (name, day, minutes) in [
            ("cet", "2024-07-01", Some(60)),
            ("cest", "2024-07-01", Some(120)),
            ("et", "2024-03-09", Some(-300)),
            ("et", "2024-03-10", Some(-240)),
            ("pt", "2024-11-02", Some(-420)),
            ("pt", "2024-11-03", Some(-480)),
            ("ist", "2024-01-01", Some(330)),
            ("xyz", "2024-01-01", None),
        ] {
            assert_eq!(offset(name, day.parse().unwrap()), minutes, "{name} {day}");
        }
    }
}
