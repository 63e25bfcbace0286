//! Datelines: the words before a report's first sentence with its place, date and agency. They have fields of their
//! own.

use super::agencies::{AGENCIES, agency};
use crate::extract::draft::{Dateline, Draft};
use crate::extract::report::{CutReason, Report};

/// Maximum length of a dateline, in characters.
const MAX_CHARS: usize = 90;

/// Removes the dateline from the first paragraph. Returns the rest of the paragraph.
pub(crate) fn take(paragraph: &str, draft: &mut Draft, report: &mut Report) -> Option<String> {
    let (before, after) = split(paragraph)?;
    let found = read(before)?;
    report.cut(before, CutReason::Dateline, "dateline", 0.9);
    if let Some(agency) = found.agency
        && draft.agency.is_empty()
    {
        draft.agency = agency.to_owned();
    }
    if let Some(publisher) = found.publisher {
        if draft.publisher.is_empty() {
            draft.publisher = publisher.to_owned();
        }
    } else if !before.is_empty() {
        draft.dateline = Some(Dateline { place: found.place.to_owned(), text: before.to_owned() });
    }
    Some(after.to_owned())
}

/// Splits a paragraph at the dash or other separator after its dateline.
fn split(paragraph: &str) -> Option<(&str, &str)> {
    let head_end = paragraph.char_indices().nth(MAX_CHARS).map_or(paragraph.len(), |(at, _)| at);
    let head = &paragraph[..head_end];
    let dash = [" - ", " – ", " — ", " -- ", ") -- ", ")-", " —", "— ", "–"]
        .iter()
        .filter_map(|dash| head.find(dash).map(|at| (at, dash)))
        .min_by_key(|(at, _)| *at);
    let slashes = head.strip_suffix('/').map_or_else(|| head.find("/. ").map(|at| (at + 2, "")), |_| None);
    let (at, length) = match (dash, slashes) {
        (_, Some((at, _))) => (at, 0),
        (Some((at, dash)), None) if dash.starts_with(')') => (at + 1, dash.len() - 1),
        (Some((at, dash)), None) => (at, dash.len()),
        (None, None) => return None,
    };
    let after = paragraph[at + length..].trim_start_matches([' ', '-', '–', '—']);
    let before = paragraph[..at].trim_end_matches([' ', '-', '–', '—']).trim();
    (!before.is_empty() && after.chars().count() > 40).then_some((before, after))
}

struct Found<'a> {
    place: &'a str,
    agency: Option<&'a str>,
    publisher: Option<&'a str>,
}

fn read(before: &str) -> Option<Found<'_>> {
    // `Name.Net - …`: the publisher's own name.
    if is_site(before) {
        return Some(Found { place: "", agency: None, publisher: Some(before) });
    }
    // `CITY, 5 June (Agency)`, `CITY. /TASS/`.
    let bracketed = [('(', ')'), ('/', '/')].into_iter().find_map(|(open, close)| {
        let start = before.find(open)?;
        let rest = &before[start + open.len_utf8()..];
        Some((before[..start].trim(), rest[..rest.find(close)?].trim()))
    });
    if let Some((head, name)) = bracketed {
        let context = agency(name).or_else(|| name.split([',', '/', ' ']).find_map(agency));
        let place = place_of(head);
        if context.is_some() || (is_place(place) && is_capitals(place) && name.chars().count() < 40) {
            // Agencies outside the list stand here too, as do dates.
            let named =
                name.chars().next().is_some_and(char::is_uppercase) && !name.contains(|c: char| c.is_ascii_digit());
            return Some(Found { place, agency: context.or(named.then_some(name)), publisher: None });
        }
    }
    // `Москва, 5 июня — РИА Новости` keeps the agency behind the first dash: left to the body's attribution.
    let place = place_of(before);
    if is_place(place) && is_capitals(place) {
        let agency = before.split([',', '.', ' ']).map(str::trim).find_map(agency);
        return Some(Found { place, agency: agency.filter(|_| before != place), publisher: None });
    }
    // `Reuters - …`.
    agency(before).map(|agency| Found { place: "", agency: Some(agency), publisher: None })
}

/// Returns the place: the text up to a date, a comma with a month or a day, or a full stop.
fn place_of(head: &str) -> &str {
    let cut = head.find(|c: char| c.is_ascii_digit()).unwrap_or(head.len());
    let head = head[..cut].trim_end_matches(|c: char| !c.is_alphanumeric());
    match head.rsplit_once(',') {
        Some((place, last)) if is_month(last.trim()) => place.trim(),
        _ => match head.rsplit_once(' ') {
            Some((place, last)) if is_month(last) => place.trim_end_matches([',', ' ']),
            _ => head.trim_end_matches(['.', ',']),
        },
    }
}

fn is_month(word: &str) -> bool {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let folded = word.trim_end_matches('.').to_lowercase();
    folded.len() <= 9 && MONTHS.iter().any(|month| folded.starts_with(month)) && folded.chars().all(char::is_alphabetic)
}

fn is_place(text: &str) -> bool {
    let words = text.split(' ').count();
    (1..=6).contains(&words) && text.chars().count() <= 50 && text.chars().next().is_some_and(char::is_uppercase)
}

/// Returns true if the first word is in capitals: `LONDON`, `NEW YORK`, `PORT ELLERY, Maine`.
fn is_capitals(place: &str) -> bool {
    let first = place.split([' ', ',', '/']).next().unwrap_or_default();
    first.chars().filter(|c| c.is_alphabetic()).count() >= 3 && !first.chars().any(char::is_lowercase)
}

/// Returns true for a site name: `Name.Net`, `example.com`.
fn is_site(text: &str) -> bool {
    const ENDINGS: [&str; 14] =
        [".net", ".com", ".org", ".info", ".am", ".ru", ".co.uk", ".news", ".de", ".fr", ".eu", ".ua", ".az", ".ge"];
    let folded = text.to_lowercase();
    !text.contains(' ')
        && text.chars().count() <= 40
        && ENDINGS.iter().any(|ending| folded.ends_with(ending) && folded.len() > ending.len() + 1)
}

/// Returns the agency that the text names as its source: `…, RIA Novosti reported.`, `(Reuters)`, `according to AFP`.
pub(crate) fn attributed<'a>(paragraphs: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    const VERBS: [&str; 7] = ["reported", "reports", "said", "says", "quoted", "informs", "news agency reported"];
    for paragraph in paragraphs {
        for (name, canonical) in AGENCIES {
            let mut from = 0;
            while let Some(at) = paragraph[from..].find(name) {
                let start = from + at;
                let end = start + name.len();
                from = end;
                let before = &paragraph[..start];
                let after = &paragraph[end..];
                if before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric) {
                    continue;
                }
                let followed = after.trim_start_matches([' ', ',']);
                let reported = VERBS[..2].iter().chain(&VERBS[5..]).any(|verb| followed.starts_with(verb));
                let according = before.ends_with("according to ")
                    || before.ends_with("told ") && name.len() > 3
                    || before.ends_with("reported by ");
                let bracketed = before.ends_with('(') && after.starts_with(')');
                if reported || according || bracketed {
                    return Some(canonical);
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(paragraph: &str) -> (Option<String>, Draft) {
        let mut draft = Draft::default();
        let rest = take(paragraph, &mut draft, &mut Report::default());
        (rest, draft)
    }

    const REPORT: &str = "The ferry company will cut its winter crossings by half, its owner told reporters on Monday.";

    #[test]
    fn datelines_of_many_houses() {
        for (dateline, place, agency) in [
            ("LONDON, June 5 (Reuters) - ", "LONDON", "Reuters"),
            ("PORT ELLERY, Maine (AP) — ", "PORT ELLERY, Maine", "AP"),
            ("MOSCOW, June 5. /TASS/. ", "MOSCOW", "TASS"),
            ("Paris (AFP) – ", "Paris", "AFP"),
            ("WASHINGTON -- ", "WASHINGTON", ""),
        ] {
            let (rest, draft) = taken(&format!("{dateline}{REPORT}"));
            assert_eq!(rest.as_deref(), Some(REPORT), "{dateline}");
            assert_eq!(
                (draft.dateline.unwrap_or_default().place.as_str(), draft.agency.as_str()),
                (place, agency),
                "{dateline}"
            );
        }
    }

    #[test]
    fn a_publisher_that_names_itself() {
        let (rest, draft) = taken(&format!("ElleryHerald.Net - {REPORT}"));
        assert_eq!((rest.as_deref(), draft.publisher.as_str()), (Some(REPORT), "ElleryHerald.Net"));
        assert_eq!(draft.dateline, None);
    }

    #[test]
    fn sentences_with_dashes_stay() {
        for sentence in [
            "The owner – who asked not to be named – said that the crossings of the winter would be cut \
             by half this year.",
            "Ellery Ferries - the larger of the two companies in the harbour - will cut its winter crossings by half.",
        ] {
            assert_eq!(taken(sentence).0, None, "{sentence}");
        }
    }
}
