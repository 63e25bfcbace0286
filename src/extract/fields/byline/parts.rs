//! Parts of bylines that are not names: words before them, roles, brackets, agencies, the publisher.

use super::super::agencies::agency;
use super::super::dates;
use super::super::name_form::{begins_date, is_katakana};
use super::super::people::{
    button_end, button_start, byline_start, group_owner, is_not_an_author, is_role, is_unspaced, role_end, role_start,
};
use crate::article::fold;

/// An agency: the name as written, and the standard one.
pub(super) type NamedAgency = Option<(String, &'static str)>;

/// Cuts a name before a date: `Jane Doe Staff Writer Nov 2`.
pub(super) fn without_date(name: &str) -> String {
    let words: Vec<&str> = name.split(' ').collect();
    let is_number = |at: usize| words.get(at).is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let dated = |at: &usize| {
        // `Jeanne Dupont Publié le 2 novembre`
        let is_label = words[*at].chars().count() >= 5 && dates::label(words[*at]).is_some();
        (is_number(*at) || is_number(at + 1)) && begins_date(&words[*at..])
            || is_label && words[*at..].iter().any(|word| word.contains(|c: char| c.is_ascii_digit()))
    };
    match (2..words.len()).find(dated) {
        Some(at) => words[..at].join(" "),
        None => name.to_owned(),
    }
}

/// Splits off an agency behind a name of at least two words: `Jane Doe dpa`.
pub(super) fn without_agency(name: String) -> (String, NamedAgency) {
    let words: Vec<&str> = name.split(' ').collect();
    for at in 2..words.len() {
        let last = words[at..].join(" ");
        if let Some(standard) = agency(&last).filter(|_| last.chars().count() > 2) {
            return (words[..at].join(" "), Some((last, standard)));
        }
    }
    (name, None)
}

/// Removes URLs.
pub(super) fn without_addresses(line: &str) -> String {
    if !line.contains("://") && !line.contains("www.") {
        return line.to_owned();
    }
    let is_address = |word: &&str| word.contains("://") || word.starts_with("www.");
    line.split(' ').filter(|word| !is_address(word)).collect::<Vec<_>>().join(" ")
}

/// Cuts a line before the words that name others than the author: `Text: Jane Doe Photo: Nils Roe`.
pub(super) fn without_others(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let is_others = |at: &usize| {
        let rest = fold(&words[*at..].join(" "));
        let is_mark = words[*at].contains([':', '：']) || *at >= 2;
        is_mark && is_not_an_author(&rest)
    };
    match (1..words.len()).find(is_others) {
        Some(at) => words[..at].join(" "),
        None => line.to_owned(),
    }
}

/// Removes the words before the first name: `By `, `Written by `.
pub(super) fn without_start(line: &str) -> &str {
    let Some(chars) = byline_start(&fold(line)) else { return line };
    line.char_indices().nth(chars).map_or("", |(at, _)| &line[at..])
}

/// Splits off text in brackets: `Jane Doe (Editor)`.
pub(super) fn without_brackets(name: &str) -> (String, String) {
    let name = name.trim_matches(|c: char| matches!(c, '【' | '】' | ' '));
    match name.split_once(['(', '（', '<', '［']) {
        // `jane@herald.example (Jane Doe)`
        Some((before, inside)) if before.contains('@') && !before.trim().contains(' ') => {
            (inside.trim_end_matches([')', '）', '>', '］']).to_owned(), String::new())
        }
        Some((before, inside)) if before.trim().chars().count() > 1 => {
            // `Jane (Ann) Doe`
            if let Some((_, after)) =
                inside.split_once([')', '）']).filter(|(_, after)| after.trim().chars().count() > 1)
            {
                return (format!("{} {}", before.trim(), after.trim()), String::new());
            }
            (before.to_owned(), inside.trim_end_matches([')', '）', '>', '］', ' ', '.']).to_owned())
        }
        _ => (name.to_owned(), String::new()),
    }
}

/// Removes e-mail addresses and handles of other sites.
pub(super) fn without_mail(name: &str) -> String {
    name.split(' ').filter(|word| !word.contains('@')).collect::<Vec<_>>().join(" ")
}

/// Removes labels of buttons beside a name.
pub(super) fn without_buttons(name: &str) -> String {
    let mut name = name.to_owned();
    for _ in 0..3 {
        let folded = fold(&name);
        // Folding may change the length of a text.
        if folded.len() != name.len() {
            break;
        }
        if let Some(at) = button_end(&folded).filter(|at| name.is_char_boundary(*at)) {
            name.truncate(at);
        } else if let Some(end) = button_start(&folded).filter(|end| name.is_char_boundary(*end)) {
            name.drain(..end);
        } else {
            break;
        }
        name = name.trim_matches(|c: char| !c.is_alphanumeric() && c != '.').to_owned();
    }
    name
}

/// Splits off roles before and behind a name: `Staff Writer Jane Doe`, `김철수 기자`.
pub(super) fn without_role(name: &str) -> (String, String) {
    let mut name = name.to_owned();
    let mut roles: Vec<String> = Vec::new();
    for _ in 0..4 {
        let folded = fold(&name);
        if folded.len() != name.len() {
            break;
        }
        let is_cut = |at: usize| name.is_char_boundary(at);
        if let Some(at) = role_end(&folded).filter(|at| is_cut(*at)) {
            roles.insert(0, name.split_off(at));
        } else if let Some(end) = role_start(&folded).filter(|end| is_cut(*end)) {
            roles.push(name.drain(..end).collect());
        } else {
            break;
        }
        name = name.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '®')).to_owned();
    }
    // `Environment Correspondent Jane Doe`
    let words: Vec<&str> = name.split(' ').collect();
    let inner = words.iter().take(words.len().saturating_sub(2)).rposition(|word| is_role(&fold(word)));
    if let Some(at) = inner.filter(|at| *at > 0 && words.len() <= at + 8) {
        roles.push(words[..=at].join(" "));
        return (words[at + 1..].join(" "), roles.join(" "));
    }
    (name, roles.join(" ").trim().to_owned())
}

/// Returns true for a group that names nobody but the publisher.
pub(super) fn is_own_group(folded: &str, house: &[&str]) -> bool {
    let owner = group_owner(folded);
    owner.is_empty() || is_of_house(owner, house)
}

/// Returns true if all words of a name, articles apart, are words of the publisher's names.
fn is_of_house(name: &str, house: &[&str]) -> bool {
    let words = |text: &str| -> Vec<String> {
        fold(text).split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let known: Vec<String> =
        house.iter().flat_map(|name| words(name)).filter(|word| word.chars().count() > 3).collect();
    let is_article = |word: &String| word.chars().count() <= 2 || matches!(word.as_str(), "the" | "los" | "les");
    let mut words = words(name);
    words.retain(|word| !is_article(word));
    !words.is_empty() && words.iter().all(|word| known.contains(word))
}

/// Returns true for one of the publisher's own names, or a name with it: `The Ellery Herald`.
pub(super) fn is_house(whole: &str, house: &[&str]) -> bool {
    let plain = |text: &str| -> String { fold(text).chars().filter(|c| c.is_alphanumeric()).collect() };
    let name = plain(whole);
    if is_of_house(whole, house) {
        return true;
    }
    !name.is_empty()
        && house
            .iter()
            .map(|house| plain(house))
            .any(|house| !house.is_empty() && (name == house || house.chars().count() >= 4 && name.contains(&house)))
}

/// Splits at middle dots, except within names written in Chinese and Katakana: `アイダ・クイル`.
pub(super) fn split_dots(part: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let characters: Vec<char> = part.chars().collect();
    for (at, c) in characters.iter().enumerate() {
        let near = |c: Option<&char>| c.copied().unwrap_or(' ');
        let (before, after) = (near(at.checked_sub(1).and_then(|at| characters.get(at))), near(characters.get(at + 1)));
        let is_split = match c {
            '・' => !(is_katakana(before) && is_katakana(after)),
            '·' => !(is_unspaced(before) && is_unspaced(after)) || is_hangul(before) && is_hangul(after),
            _ => false,
        };
        if is_split {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(*c);
        }
    }
    parts
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{AC00}'..='\u{D7AF}')
}
