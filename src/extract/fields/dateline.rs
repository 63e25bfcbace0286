//! Datelines: the words before a report's first sentence with its place, date and agency. They have fields of their
//! own.

use super::agencies::{AGENCIES, agency, occurrences};
use super::byline;
use super::dates::{self, Locale};
use super::people::{has_role, is_agency_verb, is_label, is_unspaced, role_end, role_start};
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
    matches!(c, ' ' | '-' | '–' | '—' | '_' | '=' | ':' | '：' | '\u{3000}' | '―')
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
        .or_else(|| agency_in_brackets(paragraph, head))
        .or_else(|| before_dash(paragraph, head, headline))
}

/// Reads `(ANSA) - PLACE, 02 NOV - …`, `(포트엘러리=연합뉴스) 김철수 기자 = …`, `【ポート・エラリー共同】…`.
fn leading_bracket<'a>(paragraph: &'a str, head: &'a str) -> Option<Found<'a>> {
    const BRACKETS: [(char, char); 6] =
        [('(', ')'), ('[', ']'), ('【', '】'), ('［', '］'), ('（', '）'), ('〔', '〕')];
    let (open, close) = BRACKETS.into_iter().find(|(open, _)| head.starts_with(*open))?;
    let close_at = head.find(close)?;
    let inside = head[open.len_utf8()..close_at].trim();
    let end = close_at + close.len_utf8();
    if let Some((place, name)) = inside.split_once(['=', '＝']) {
        let rest = &head[end..];
        // `김철수 기자 = `
        let (byline, length) = match rest.find('=').filter(|at| rest[..*at].chars().count() <= 40) {
            Some(at) => (rest[..at].trim(), at + 1),
            None => ("", 0),
        };
        return Some(Found {
            place: place.trim(),
            agency: agency_in(name),
            byline,
            end: end + length,
            publisher: None,
        });
    }
    if agency(inside).is_none() {
        // The agency ends the words in brackets.
        let agency = AGENCIES.iter().filter(|(name, _)| inside.ends_with(name)).max_by_key(|(name, _)| name.len());
        if let Some((name, standard)) =
            agency.filter(|(name, _)| name.chars().any(is_unspaced) || inside.ends_with(&format!(" {name}")))
        {
            let place = until_number(&inside[..inside.len() - name.len()]);
            return Some(Found { place, agency: Some(*standard), end, ..Found::default() });
        }
        if let Some(found) = chinese_wire(inside).filter(|found| found.end == inside.len()) {
            return Some(Found { end, ..found });
        }
        // `[엘러리신문 김철수 기자]`
        let words = inside.split(' ').count();
        if (2..=4).contains(&words) && inside.contains(is_unspaced) && role_end(&fold(inside)).is_some_and(|at| at > 0)
        {
            let name = inside.rsplit(' ').nth(1).unwrap_or_default();
            return Some(Found { byline: name, end, ..Found::default() });
        }
    }
    if let Some(agency) = agency_in(inside) {
        let alone = Found { agency: Some(agency), end, ..Found::default() };
        let after = &paragraph[end..];
        let text = after.trim_start_matches(is_separator);
        if text.len() == after.len() && !after.starts_with(['.', ':']) && open == '(' {
            return None;
        }
        // The place follows the agency.
        let start = end + after.len() - text.len();
        let second = [" - ", " – ", " — ", " -- "].iter().filter_map(|dash| head.get(start..)?.find(dash)).min();
        return Some(match second.map(|at| &head[start..start + at]) {
            Some(words) if is_capitals(place_of(words)) || is_dated(words) => {
                Found { place: place_of(words), end: start + words.len(), ..alone }
            }
            _ => alone,
        });
    }
    None
}

/// Reads `新华社埃勒里港11月2日电（记者王小明）…`.
fn chinese_wire(head: &str) -> Option<Found<'_>> {
    // `本报讯（记者 王小明）`
    if let Some((open, close)) = head.find('（').zip(head.find('）')).filter(|(open, close)| open < close)
        && head[..open].ends_with(['讯', '訊'])
        && head[..open].chars().count() <= 6
        && has_role(&fold(&head[open + '（'.len_utf8()..close]))
    {
        let byline = &head[open + '（'.len_utf8()..close];
        return Some(Found { byline, end: close + '）'.len_utf8(), ..Found::default() });
    }
    let (at, cable) = head.char_indices().take(40).find(|(_, c)| matches!(c, '电' | '電'))?;
    let before = &head[..at];
    let (agency, rest) =
        match AGENCIES.iter().filter(|(name, _)| before.starts_with(name)).max_by_key(|(name, _)| name.len()) {
            Some((name, standard)) => (Some(*standard), &before[name.len()..]),
            None => (None, before),
        };
    // `中央社記者王小明埃勒里港2日電`: names of three characters are the rule.
    let (named, rest) = match role_start(&fold(rest)).filter(|end| rest.is_char_boundary(*end)) {
        Some(end) => rest.split_at(rest[end..].char_indices().nth(3).map_or(rest.len(), |(at, _)| end + at)),
        None => ("", rest),
    };
    let place = until_number(rest);
    let is_dated = before.ends_with(['日', '讯', '訊']) && place.len() < rest.len();
    if !is_dated || place.chars().count() > 15 || place.contains(['，', '。', '、']) {
        return None;
    }
    let mut end = at + cable.len_utf8();
    let mut byline = named;
    let after = head[end..].trim_start();
    if let Some((open, close)) = [('（', '）'), ('(', ')')].into_iter().find(|(open, _)| after.starts_with(*open))
        && let Some(closed) = after.find(close)
    {
        byline = &after[open.len_utf8()..closed];
        end += head[end..].len() - after.len() + closed + close.len_utf8();
    }
    Some(Found { place, agency, byline, end, publisher: None })
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
    let after = paragraph[close + 1..].trim_start_matches('.');
    let text = after.trim_start_matches(is_separator);
    let is_slashed = head[open..].starts_with('/');
    let is_separated = after.len() - text.len() > 1 && after.trim_start().len() > text.len() || after.starts_with('—');
    let place = place_of(before);
    if !is_place(place) || !starts_sentence(text) {
        return None;
    }
    let known = agency_in(name);
    // `Port Ellery (dpa) - `: the agency makes the place one. Without a dash, only a date or slashes do.
    let is_dated = before.contains(|c: char| c.is_ascii_digit()) || is_slashed;
    let found =
        Found { place, agency: known, end: close + 1 + paragraph[close + 1..].len() - after.len(), ..Found::default() };
    if known.is_some() && (is_separated || is_dated) {
        return Some(found);
    }
    // Agencies outside the list stand here too, as do dates.
    let is_name = name.chars().next().is_some_and(char::is_uppercase) && !name.contains(|c: char| c.is_ascii_digit());
    let is_wire = is_separated && is_capitals(place) && name.chars().count() < 40;
    is_wire.then_some(Found { agency: known.or(is_name.then_some(name)), ..found })
}

/// Reads `CITY - …`, `CITY, 5 June - Agency. …`, `Agency - …`, `Site.net - …`.
fn before_dash<'a>(paragraph: &'a str, head: &'a str, headline: &str) -> Option<Found<'a>> {
    let dashes = [" - ", " – ", " — ", " -- ", " _ ", " —", "— ", "–"];
    let at = dashes.iter().filter_map(|dash| head.find(dash)).min()?;
    let before = head[..at].trim_end_matches([' ', '-', '–', '—']).trim();
    let text = paragraph[at..].trim_start_matches(is_separator);
    if before.is_empty() || !starts_sentence(text) {
        return None;
    }
    let end = at;
    // `Name.Net - …`: the publisher's own name.
    if is_site(before) {
        return Some(Found { publisher: Some(before), end, ..Found::default() });
    }
    if let Some(agency) = agency(before) {
        return Some(Found { agency: Some(agency), end, ..Found::default() });
    }
    let place = place_of(before);
    let has_date = is_dated(before);
    let is_dated = before.len() > place.len() && before.contains(|c: char| c.is_ascii_digit());
    // `ГОРОД, 2 ноя - РИА Новости. …`
    if is_place(place) && (is_dated || is_capitals(place)) {
        let named = AGENCIES.iter().filter(|(name, _)| {
            text.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ']) && is_sentence_end(rest))
        });
        if let Some((name, standard)) = named.max_by_key(|(name, _)| name.len()) {
            let end = paragraph.len() - text.len() + name.len() + 1;
            return Some(Found { place, agency: Some(*standard), end, ..Found::default() });
        }
    }
    let agency = before
        .split([',', '.', ' '])
        .map(str::trim)
        .find_map(agency)
        .or_else(|| before.rsplit(". ").next().and_then(agency));
    let is_mixed = has_date || agency.is_some() && is_dated;
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
    if !is_certain && (is_label(place) || is_acronym || is_short || place.split(' ').count() > 4 || before != place) {
        return None;
    }
    Some(Found { place, agency: agency.filter(|_| before != place), end, ..Found::default() })
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
    agency(name).or_else(|| name.split([',', '/', ' ', '=']).find_map(agency))
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
        let place = head.trim_end_matches([',', ' ']).trim_start_matches(['(', ' ']);
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
    place.trim_end_matches([',', ' ', '.'])
}

fn is_place(text: &str) -> bool {
    let words = text.split(' ').count();
    let is_letter =
        |c: char| c.is_alphabetic() || matches!(c, ' ' | ',' | '.' | '-' | '\'' | '’' | '/' | '\u{300}'..='\u{36F}');
    (1..=6).contains(&words)
        && text.chars().count() <= 50
        && text.chars().all(is_letter)
        && text.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase())
}

/// Returns true if the first word is in capitals: `LONDON`, `NEW YORK`, `PORT ELLERY, Maine`.
fn is_capitals(place: &str) -> bool {
    let first = place.split([' ', ',', '/']).next().unwrap_or_default();
    first.chars().filter(|c| c.is_uppercase()).count() >= 3 && !first.chars().any(char::is_lowercase)
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
mod tests {
    use super::*;

    fn taken(paragraph: &str) -> (Option<String>, Draft) {
        let mut draft = Draft::default();
        let rest = take(paragraph, &mut draft, &mut Report::default());
        (rest, draft)
    }

    const REPORT: &str = "The ferry company will cut its winter crossings by half, its owner told reporters on Monday.";

    #[test]
    fn datelines_of_agencies() {
        for (dateline, place, agency) in [
            ("LONDON, June 5 (Reuters) - ", "LONDON", "Reuters"),
            ("PORT ELLERY, Maine (AP) — ", "PORT ELLERY, Maine", "AP"),
            ("PORT ELLERY, Pa. (AP) _ ", "PORT ELLERY, Pa.", "AP"),
            ("MOSCOW, June 5. /TASS/. ", "MOSCOW", "TASS"),
            ("Paris (AFP) – ", "Paris", "AFP"),
            ("WASHINGTON -- ", "WASHINGTON", ""),
            ("PORT ELLERY, Nov. 2 (Xinhua) -- ", "PORT ELLERY", "Xinhua"),
            ("Port Ellery (dpa/lno) - ", "Port Ellery", "dpa"),
            ("Port Ellery, 2 nov (EFE).- ", "Port Ellery", "EFE"),
            ("Port Ellery, Nov 2 (PTI) ", "Port Ellery", "PTI"),
            ("(ANSA) - PORT ELLERY, 02 NOV - ", "PORT ELLERY", "ANSA"),
            ("(Reuters) - ", "", "Reuters"),
            ("ПОРТ-ЭЛЛЕРИ, 2 ноя - РИА Новости. ", "ПОРТ-ЭЛЛЕРИ", "RIA Novosti"),
            ("Порт-Эллери. 2 ноября. ИНТЕРФАКС - ", "Порт-Эллери", "Interfax"),
            ("Port Ellery, Nov. 2 — ", "Port Ellery", ""),
            ("(AGI) - Port Ellery, 2 nov. - ", "Port Ellery", "AGI"),
            ("ПОРТ-ЭЛЛЕРИ. 2 ноября. ИНТЕРФАКС - ", "ПОРТ-ЭЛЛЕРИ", "Interfax"),
            ("ПОРТ-ЭЛЛЕРИ, 2 ноября. /Укринформ/. ", "ПОРТ-ЭЛЛЕРИ", "Ukrinform"),
            ("بورت إليري (رويترز) - ", "بورت إليري", "Reuters"),
            ("新华社埃勒里港11月2日电 ", "埃勒里港", "Xinhua"),
            ("【埃勒里港11月2日电】", "埃勒里港", ""),
            ("【ポート・エラリー共同】", "ポート・エラリー", "Kyodo"),
            ("［ポート・エラリー　２日　ロイター］ - ", "ポート・エラリー", "Reuters"),
            ("(포트엘러리=연합뉴스) 김철수 기자 = ", "포트엘러리", "Yonhap"),
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
    fn reporters_in_datelines_are_authors() {
        for (dateline, author) in [
            ("新华社埃勒里港11月2日电（记者王小明）", "王小明"),
            ("(포트엘러리=연합뉴스) 김철수 기자 = ", "김철수"),
            ("[포트엘러리=뉴시스] 김철수 기자 = ", "김철수"),
            ("[엘러리신문 김철수 기자] ", "김철수"),
            ("（中央社記者王小明埃勒里港2日電）", "王小明"),
            ("本报讯（记者 王小明）", "王小明"),
        ] {
            let (rest, draft) = taken(&format!("{dateline}{REPORT}"));
            assert_eq!(rest.as_deref(), Some(REPORT), "{dateline}");
            let names: Vec<&str> = draft.authors.iter().map(|author| author.name.as_str()).collect();
            assert_eq!(names, [author], "{dateline}");
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
            "The owner – who asked not to be named – said that the winter crossings would be cut by half this year.",
            "Ellery Ferries - the larger of the two companies in the harbour - will cut its winter crossings by half.",
            "NATO – which has a base nearby – has not said a word about the channel, the mayor told reporters.",
            "NATO – The alliance has a base nearby. Ships of NATO have not used the channel, the mayor told reporters.",
            "COVID-19 – the disease that closed the port in 2020 – is back on two ships, the mayor told reporters.",
            "COVID-19 – Two ships are in quarantine at the quay of Port Ellery, the mayor told reporters.",
            "OPINION – The harbour is ours, and the board forgets it whenever a ferry company asks for a favour.",
            "IDA QUILL – the mayor who dredged – is to step down in May, the harbour council said on Monday.",
            "Reuters – which first told of the plan – said the board had no comment on the winter crossings.",
            "Booking.com – the site that most visitors to the coast use – has removed forty hotels this week.",
            "The wire service (AP) said that the ferry company would cut its winter crossings by half this year.",
            "UN – the word was on every banner at the quay on Monday, and nobody could say who had painted it.",
        ] {
            assert_eq!(taken(sentence).0, None, "{sentence}");
        }
    }
}
