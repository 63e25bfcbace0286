//! Datelines in brackets and those of Chinese, Japanese and Korean reports.

use super::super::agencies::{AGENCIES, agency};
use super::super::people::{has_role, is_role, is_unspaced, role_end, role_start};
use super::{Found, agency_in, is_capitals, is_dated, is_separator, place_of, until_number};
use crate::article::fold;

/// Reads `(ANSA) - PLACE, 02 NOV - …`, `(포트엘러리=연합뉴스) 김철수 기자 = …`, `【ポート・エラリー共同】…`.
pub(super) fn leading_bracket<'a>(paragraph: &'a str, head: &'a str) -> Option<Found<'a>> {
    const BRACKETS: [(char, char); 7] =
        [('(', ')'), ('[', ']'), ('【', '】'), ('［', '］'), ('（', '）'), ('〔', '〕'), ('/', '/')];
    let (open, close) = BRACKETS.into_iter().find(|(open, _)| head.starts_with(*open))?;
    let close_at = open.len_utf8() + head[open.len_utf8()..].find(close)?;
    let inside = head[open.len_utf8()..close_at].trim();
    let end = close_at + close.len_utf8();
    if let Some(found) = reported(inside).filter(|found| found.end == inside.len()) {
        return Some(Found { end, ..found });
    }
    // `AFP＝時事`
    if let Some(agency) = inside.split(['=', '＝']).next().filter(|name| *name != inside).and_then(agency) {
        return Some(Found { agency: Some(agency), end, ..Found::default() });
    }
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
        // `環球網報道 記者 王小明`
        let words = inside.split(' ').count();
        let mut after_role = inside.split(' ').skip_while(|word| !is_role(word)).skip(1);
        if let Some(name) = after_role.next().filter(|_| words <= 4 && inside.contains(is_unspaced)) {
            return Some(Found { byline: name, end, ..Found::default() });
        }
        // `[엘러리신문 김철수 기자]`
        if (2..=4).contains(&words) && inside.contains(is_unspaced) && role_end(&fold(inside)).is_some_and(|at| at > 0)
        {
            let name = inside.rsplit(' ').nth(1).unwrap_or_default();
            return Some(Found { byline: name, end, ..Found::default() });
        }
    }
    if let Some(agency) = agency_in(inside) {
        // `/ТАСС/. `
        let stop = usize::from(open == '/' && paragraph[end..].starts_with(". "));
        let alone = Found { agency: Some(agency), end: end + stop, ..Found::default() };
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

/// Reads `記者王小明／埃勒里港報導`, `中央社埃勒里港2日綜合外電報導`, `埃勒里港2日讯`, `埃勒里港訊`.
pub(super) fn reported(text: &str) -> Option<Found<'_>> {
    const REPORTED: [&str; 4] = ["報導", "报道", "讯", "訊"];
    const CHARS: usize = 24;
    let (at, ending) = REPORTED.iter().filter_map(|ending| Some((text.find(ending)?, *ending))).min()?;
    let before = &text[..at];
    if before.chars().count() > CHARS || before.contains([' ', '，', '。', '、']) {
        return None;
    }
    let (agency, rest) =
        match AGENCIES.iter().filter(|(name, _)| before.starts_with(name)).max_by_key(|(name, _)| name.len()) {
            Some((name, standard)) => (Some(*standard), &before[name.len()..]),
            None => (None, before),
        };
    let (byline, rest) = match role_start(&fold(rest)).filter(|end| rest.is_char_boundary(*end)) {
        Some(end) => match rest[end..].split_once(['／', '/']) {
            Some((name, place)) => (name, place),
            // Names of three characters are the rule.
            None => rest[end..].split_at(rest[end..].char_indices().nth(3).map_or(rest.len() - end, |(at, _)| at)),
        },
        None => ("", rest),
    };
    let place = until_number(rest);
    // `快讯` and `資訊` are words.
    let is_dated = rest.contains('日') && place.len() < rest.len();
    let is_certain =
        agency.is_some() || !byline.is_empty() || is_dated || ending.chars().count() == 1 && place.chars().count() >= 3;
    let end = at + ending.len();
    (is_certain && place.chars().count() >= 2 && place.chars().all(is_unspaced)).then_some(Found {
        place: without_medium(place),
        agency,
        byline,
        end,
        publisher: None,
    })
}

/// Removes the name of a newspaper or a site before a place: `本报埃勒里港`.
fn without_medium(place: &str) -> &str {
    let mut media = place.char_indices().take(5).filter(|(_, c)| matches!(c, '报' | '報' | '网' | '網' | '社'));
    let place_after = media.next().map(|(at, c)| &place[at + c.len_utf8()..]);
    place_after.filter(|rest| rest.chars().count() >= 2).unwrap_or(place)
}

/// Reads `新华社埃勒里港11月2日电（记者王小明）…`.
pub(super) fn chinese_wire(head: &str) -> Option<Found<'_>> {
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
    Some(Found { place: without_medium(place), agency, byline, end, publisher: None })
}
