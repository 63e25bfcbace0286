//! Datelines: the words before a report's first sentence with its place, date and agency. They have fields of their
//! own.

mod brackets;

use unicode_normalization::char::is_combining_mark;

use self::brackets::{chinese_wire, leading_bracket, reported};
use super::agencies::{AGENCIES, agency, occurrences};
use super::byline;
use super::dates::{self, Locale};
use super::people::{is_agency_verb, is_label, is_unspaced};
use crate::article::fold;
use crate::extract::draft::{Dateline, Draft};
use crate::extract::report::{CutReason, Report};

/// Maximum length of a dateline, in characters.
const MAX_CHARS: usize = 90;
/// Minimum length of the text behind a dateline, in characters; less in scripts without spaces.
const MIN_TEXT: usize = 40;
const MIN_UNSPACED_TEXT: usize = 15;
/// Maximum length of a word in capitals that is an acronym rather than a place, unless the dash of datelines follows.
const SHORT_PLACE: usize = 5;
/// Maximum length of a place before an agency that nothing else separates from the text, in bytes.
const MAX_PLACE: usize = 30;

/// Removes the dateline from the first paragraph. Returns the rest of the paragraph.
pub(crate) fn take(paragraph: &str, draft: &mut Draft, report: &mut Report) -> Option<String> {
    let found = find(paragraph, &draft.headline)?;
    let after = paragraph[found.end..].trim_start_matches(is_separator);
    let min = if after.chars().take(MIN_TEXT).any(is_unspaced) { MIN_UNSPACED_TEXT } else { MIN_TEXT };
    if after.chars().count() <= min {
        return None;
    }
    let before = paragraph[..found.end].trim_end_matches(is_separator).trim();
    report.cut(before, CutReason::Dateline, "dateline", 0.9);
    if let Some(agency) = found.agency
        && draft.agency.is_empty()
    {
        draft.agency = agency.to_owned();
    }
    if draft.authors.is_empty() {
        // Names of Chinese and Korean reporters stand side by side.
        let is_unspaced = found.byline.contains(is_unspaced);
        let names = if is_unspaced { found.byline.replace(' ', "\n") } else { found.byline.to_owned() };
        let names = byline::split(&names, &[]);
        names.into_iter().for_each(|name| byline::push(&mut draft.authors, name));
    }
    if let Some(publisher) = found.publisher {
        if draft.publisher.is_empty() {
            draft.publisher = publisher.to_owned();
        }
    } else {
        draft.dateline = Some(Dateline { place: found.place.to_owned(), text: before.to_owned() });
    }
    Some(after.to_owned())
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '–' | '—' | '_' | '=' | ':' | '：' | '\u{3000}' | '―' | '\u{640}')
}

#[derive(Default)]
struct Found<'a> {
    place: &'a str,
    agency: Option<&'a str>,
    publisher: Option<&'a str>,
    /// The reporter that the dateline names.
    byline: &'a str,
    /// End of the dateline in the paragraph.
    end: usize,
}

fn find<'a>(paragraph: &'a str, headline: &str) -> Option<Found<'a>> {
    let head_end = paragraph.char_indices().nth(MAX_CHARS).map_or(paragraph.len(), |(at, _)| at);
    let head = &paragraph[..head_end];
    leading_bracket(paragraph, head)
        .or_else(|| chinese_wire(head))
        .or_else(|| reported(head).filter(|found| !found.byline.is_empty() && paragraph[found.end..].starts_with(' ')))
        .or_else(|| between_stops(head))
        .or_else(|| agency_in_brackets(paragraph, head))
        .or_else(|| before_dash(paragraph, head, headline))
}

/// Reads `CITY, June 5 (Reuters) - …`, `CITY. /TASS/. …`, `City, Nov 2 (PTI) …`.
fn agency_in_brackets<'a>(paragraph: &'a str, head: &'a str) -> Option<Found<'a>> {
    let (open, close) = [('(', ')'), ('/', '/')]
        .into_iter()
        .filter_map(|(open, close)| {
            let at = head.find(open)?;
            let length = head[at + 1..].find(close)?;
            Some((at, at + 1 + length))
        })
        .min()?;
    let (before, name) = (head[..open].trim(), head[open + 1..close].trim());
    // `2 ноября, Минск /БЕЛТА/.`
    let dated_first = before.split_once(", ").filter(|_| before.starts_with(|c: char| c.is_ascii_digit()));
    let before = dated_first.map_or(before, |(_, place)| place);
    let behind = &paragraph[close + 1..];
    let after = behind.trim_start_matches('.');
    let text = after.trim_start_matches(is_separator);
    let is_slashed = head[open..].starts_with('/');
    let has_stop = behind.starts_with(['.', ':']);
    let is_separated = after.len() - text.len() > 1 && after.trim_start().len() > text.len()
        || after.starts_with(['—', ':'])
        || has_stop && after.len() > text.len();
    // `Port Ellery [Ellery], November 2 (ANI)`
    let place = before.split_once(" [").map_or_else(|| place_of(before), |(place, _)| place);
    if !is_place(place) || !starts_sentence(text) || agency(place).is_some() {
        return None;
    }
    let known = agency_in(name);
    // `Port Ellery (dpa) - `: the agency makes the place one. Without a dash, only a date or slashes do.
    let is_dated = before.contains(|c: char| c.is_ascii_digit()) || is_slashed;
    let found =
        Found { place, agency: known, end: close + 1 + paragraph[close + 1..].len() - after.len(), ..Found::default() };
    // `Port Ellery (KNA) Der Hafenrat …`: in capitals, and with nothing but the place before it.
    let is_wire = !name.chars().any(char::is_lowercase) && open <= MAX_PLACE;
    if known.is_some() && (is_separated || is_dated || is_wire) {
        return Some(found);
    }
    // Agencies outside the list stand here too, as do dates.
    let is_name = name.chars().next().is_some_and(char::is_uppercase) && !name.contains(|c: char| c.is_ascii_digit());
    let is_certain = is_separated && (is_capitals(place) || self::is_dated(before));
    let is_slashed = is_slashed && is_name && self::is_dated(before);
    let is_wire = (is_certain || is_slashed) && name.chars().count() < 40;
    is_wire.then_some(Found { agency: known.or(is_name.then_some(name)), ..found })
}

/// Reads `CITY - …`, `CITY, 5 June - Agency. …`, `Agency - …`, `Site.net - …`.
fn before_dash<'a>(paragraph: &'a str, head: &'a str, headline: &str) -> Option<Found<'a>> {
    let dashes = [" - ", " – ", " — ", " -- ", " _ ", " ـ ", " —", "— ", "–", ".- "];
    let at = dashes.iter().filter_map(|dash| head.find(dash)).min()?;
    let before = head[..at].trim_end_matches([' ', '-', '–', '—']).trim();
    // `Port Ellery.- `
    let is_stopped = head[at..].starts_with(".- ");
    let text = paragraph[at..].trim_start_matches('.').trim_start_matches(is_separator);
    if before.is_empty() || !starts_sentence(text) {
        return None;
    }
    let end = at + usize::from(is_stopped);
    // `Name.Net - …`: the publisher's own name.
    if is_site(before) {
        return Some(Found { publisher: Some(before), end, ..Found::default() });
    }
    if let Some(agency) = agency(before) {
        return Some(Found { agency: Some(agency), end, ..Found::default() });
    }
    // `TEMPO.CO, Jakarta - …`, `JAKARTA, KOMPAS.com - …`
    if let Some((one, other)) = before.split_once(", ")
        && is_site(one) != is_site(other)
    {
        let place = if is_site(one) { other } else { one };
        return is_place(place).then_some(Found { place, end, ..Found::default() });
    }
    let place = place_of(before);
    let has_date = is_dated(before);
    let is_dated = before.len() > place.len() && before.contains(|c: char| c.is_ascii_digit());
    // `ГОРОД, 2 ноя - РИА Новости. …`
    let is_uncased = !place.chars().any(|c| c.is_uppercase() || c.is_lowercase());
    if is_place(place)
        && (is_dated || is_capitals(place) || is_uncased)
        && let Some((agency, byline, length)) = agency_behind(text, is_dated && is_capitals(place))
    {
        let end = paragraph.len() - text.len() + length;
        return Some(Found { place, agency: Some(agency), byline, end, ..Found::default() });
    }
    let agency = before
        .split([',', '.', ' '])
        .map(str::trim)
        .find_map(agency)
        .or_else(|| before.rsplit(". ").next().and_then(agency));
    let is_mixed =
        has_date || agency.is_some() && is_dated || is_stopped && place.split(' ').count() <= 3 && !place.contains('.');
    if !is_place(place) || !is_capitals(place) && !is_mixed {
        return None;
    }
    // Without a date or an agency, words in capitals may be an acronym or a label.
    let is_certain = is_dated || agency.is_some();
    let is_short = place.chars().count() <= SHORT_PLACE && !head[at..].trim_start().starts_with(['—', '―']);
    let is_short = is_short && !head[at..].trim_start().starts_with("--");
    let is_word = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == place);
    let is_acronym =
        !place.contains(' ') && (is_word(text) || is_word(headline) && headline.chars().any(char::is_lowercase));
    let is_certain = is_certain || is_stopped && !is_capitals(place);
    if !is_certain && (is_label(place) || is_acronym || is_short || place.split(' ').count() > 4 || before != place) {
        return None;
    }
    Some(Found { place, agency: agency.filter(|_| before != place), end, ..Found::default() })
}

/// Reads the agency before a text, with its reporter: `РИА Новости. …`, `РИА Новости, Олег Лунин. …`, `ایرنا – …`.
/// One that is not known is in capitals: `ПРАЙМ. …`. Returns its name, the reporter, and the length of both.
fn agency_behind(text: &str, may_be_unknown: bool) -> Option<(&str, &str, usize)> {
    const CHARS: usize = 40;
    let named = AGENCIES.iter().filter(|(name, _)| {
        text.strip_prefix(name).is_some_and(|rest| {
            is_sentence_end(rest)
                || rest.starts_with([',', ':'])
                || rest.trim_start().starts_with(['-', '–', '—']) && rest.starts_with(' ')
        })
    });
    if let Some((name, standard)) = named.max_by_key(|(name, _)| name.len()) {
        let rest = &text[name.len()..];
        let Some(reporter) = rest.strip_prefix(", ") else { return Some((*standard, "", name.len() + 1)) };
        let (reporter, _) = reporter.split_once(". ").filter(|(reporter, _)| reporter.chars().count() <= CHARS)?;
        let is_name =
            reporter.split(' ').count() <= 3 && reporter.split(' ').all(|word| word.starts_with(char::is_uppercase));
        return is_name.then_some((*standard, reporter, name.len() + ", ".len() + reporter.len() + 1));
    }
    let (name, _) = text.split_once(". ").filter(|_| may_be_unknown)?;
    let is_name = (2..=20).contains(&name.chars().count()) && name.chars().all(|c| c.is_uppercase() || c == '-');
    is_name.then_some((name, "", name.len() + 1))
}

/// Reads `ГОРОД. 2 ноября. АГЕНТСТВО. …` and `ԵՐԵՎԱՆ, 2 ՆՈՅԵՄԲԵՐԻ, ԱՐՄԵՆՊՐԵՍ։ …`.
fn between_stops(head: &str) -> Option<Found<'_>> {
    let is_end = |text: &str, at: usize| text[at..].chars().nth(1) == Some(' ');
    let mut stops = head.match_indices(['.', ',', '։']).filter(|(at, _)| is_end(head, *at)).map(|(at, _)| at);
    let (first, second, third) = (stops.next()?, stops.next()?, stops.next()?);
    let place = head[..first].trim();
    let date = head[first + 1..second].trim();
    let stop = head[second..].chars().next()?.len_utf8();
    let name = head[second + stop..third].trim();
    let is_name = (2..=20).contains(&name.chars().count())
        && name.chars().all(|c| c.is_alphabetic() && !c.is_lowercase() || c == '-');
    let is_date = date.starts_with(|c: char| c.is_ascii_digit())
        && dates::parse(&format!("{date} 2000"), Locale::default()).is_some();
    if !is_place(place) || !is_capitals(place) || !is_date || !is_name || head[third..].starts_with(',') {
        return None;
    }
    let end = third + head[third..].chars().next()?.len_utf8();
    Some(Found { place, agency: Some(agency(name).unwrap_or(name)), end, ..Found::default() })
}

/// Returns true for a place with a date behind it: `City, Nov. 2`, `Город. 2 ноября`.
fn is_dated(head: &str) -> bool {
    let place = place_of(head);
    let date = head[place.len()..].trim_matches(|c: char| !c.is_alphanumeric());
    let parse = |date: &str| dates::parse(date, Locale::default()).is_some();
    is_place(place)
        && head[place.len()..].starts_with([',', '.'])
        && date.chars().count() <= 24
        && (parse(date) || parse(&format!("{date}, 2000")) || parse(&format!("{date} 2000")))
}

/// Returns true if the text begins like a sentence: `Reuters – which …` is one already.
fn starts_sentence(text: &str) -> bool {
    text.chars().find(|c| c.is_alphanumeric()).is_some_and(|c| !c.is_lowercase())
}

/// Returns true for a full stop that ends the name of an agency.
fn is_sentence_end(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(' '))
}

/// Returns the agency that a text names, alone or with others: `Reuters/AP`, `APA/dpa`.
fn agency_in(name: &str) -> Option<&'static str> {
    agency(name).or_else(|| name.split([',', '/', ' ', '=', '-']).find_map(agency))
}

/// Returns the text before its first number.
fn until_number(text: &str) -> &str {
    let end = text.find(|c: char| c.is_numeric()).unwrap_or(text.len());
    text[..end].trim_matches(|c: char| !c.is_alphanumeric())
}

/// Returns the place of a dateline as printed: of `PORT ELLERY, Nov 2 (AP)`, `PORT ELLERY`.
pub(crate) fn place(dateline: &str) -> &str {
    place_of(dateline.split(['(', '/']).next().unwrap_or_default().trim())
}

/// Returns the place: the text up to a date, a comma before a month, or a full stop before a day.
fn place_of(head: &str) -> &str {
    let Some(number) = head.find(|c: char| c.is_ascii_digit()) else {
        let place = head.trim_end_matches([',', ' ', '-']).trim_start_matches(['(', ' ']);
        // `PORT ELLERY, Pa.`
        let is_abbreviated = place.rsplit_once(", ").is_some_and(|(_, last)| last.chars().count() <= 6);
        return if is_abbreviated { place } else { place.trim_end_matches('.') };
    };
    let before = &head[..number];
    // `COVID-19` is a word.
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '-') {
        return "";
    }
    let before = before.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '.');
    let before = before.trim_end_matches(' ');
    // `CITY, Nov. 2` and `CITY Nov 2`; `CITY. 2 ноября`.
    let is_month = |word: &str| {
        let word = word.trim_end_matches('.');
        word.chars().count() <= 10
            && word.chars().all(char::is_alphabetic)
            && word.chars().skip(1).any(char::is_lowercase)
    };
    let place = match before.rsplit_once([',', ' ']) {
        Some((place, last)) if is_month(last.trim()) && is_capitals(place) => place,
        Some((place, _)) if before.rsplit_once(", ").is_some_and(|(_, last)| is_month(last.trim())) => {
            place.rsplit_once(',').map_or(place, |(place, _)| place)
        }
        _ => before,
    };
    let place = place.trim_end_matches([',', ' ', '.']);
    // `بورت إليري في 2 نوفمبر`: a preposition before the date, in scripts without case.
    let is_uncased = !place.chars().any(|c| c.is_uppercase() || c.is_lowercase());
    match place.rsplit_once(' ') {
        Some((place, last)) if is_uncased && last.chars().count() <= 2 => place,
        _ => place,
    }
}

fn is_place(text: &str) -> bool {
    let words = text.split(' ').count();
    let is_letter =
        |c: char| c.is_alphabetic() || is_combining_mark(c) || matches!(c, ' ' | ',' | '.' | '-' | '\'' | '’' | '/');
    (1..=6).contains(&words)
        && text.chars().count() <= 50
        && text.chars().all(is_letter)
        && text.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase())
}

/// Returns true if the first word is in capitals: `LONDON`, `NEW YORK`, `PORT ELLERY, Maine`.
fn is_capitals(place: &str) -> bool {
    let first = place.split([' ', ',', '/']).next().unwrap_or_default();
    let is_upper =
        |text: &str| text.chars().filter(|c| c.is_uppercase()).count() >= 3 && !text.chars().any(char::is_lowercase);
    // `ST. JOHN’S, N.L.`
    is_upper(first) || is_upper(place.split([',', '/']).next().unwrap_or_default())
}

/// Returns true for a site name: `Name.Net`, `example.com`.
fn is_site(text: &str) -> bool {
    const ENDINGS: [&str; 17] = [
        ".net", ".com", ".org", ".info", ".am", ".ru", ".co.uk", ".news", ".de", ".fr", ".eu", ".ua", ".az", ".ge",
        ".id", ".co", ".tv",
    ];
    let folded = text.to_lowercase();
    !text.contains(' ')
        && text.chars().count() <= 40
        && ENDINGS.iter().any(|ending| folded.ends_with(ending) && folded.len() > ending.len() + 1)
}

/// Returns the agency that the text names as its source: `…, RIA Novosti reported.`, `(Reuters)`, `according to AFP`.
pub(crate) fn attributed<'a>(paragraphs: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    for paragraph in paragraphs {
        for (start, (name, standard)) in occurrences(paragraph) {
            // Two letters are too common.
            if name.len() < 3 && name != "AP" {
                continue;
            }
            let (before, after) = (&paragraph[..start], &paragraph[start + name.len()..]);
            let followed: String = after.trim_start_matches([' ', ',']).chars().take(30).collect();
            let reported = is_agency_verb(&fold(&followed));
            let according = before.ends_with("according to ")
                || before.ends_with("told ") && name.len() > 3
                || before.ends_with("reported by ");
            let bracketed = before.ends_with('(') && after.starts_with(')');
            if reported || according || bracketed {
                return Some(standard);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
