//! Bylines: recognises them, and splits them into names. They are found by `authors` (pages), `formats::syndication`
//! (feeds) and `boilerplate::rules` (lines at the head of the text).

use super::agencies::agency;
use super::dates::{self, Locale};
use super::name_form::{CreditKind, NAME_CHARS, is_credential, is_katakana, shape, title_case, without_end};
use super::people::{
    button_end, button_start, byline_start, ends_name, has_role, is_conjunction, is_group, is_not_a_name,
    is_not_an_author, is_organization, is_role, is_unspaced, role_end, role_start,
};
use crate::article::{clean_line, fold};
use crate::extract::draft::Author;

/// Maximum length of a byline, in characters.
pub(crate) const MAX_CHARS: usize = 300;
/// Maximum number of authors.
const MAX_AUTHORS: usize = 20;

/// A name in a byline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credit {
    pub(crate) name: String,
    pub(crate) kind: CreditKind,
    pub(crate) role: String,
}

/// A byline, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Byline {
    pub(crate) credits: Vec<Credit>,
    /// True if it begins with words like `By`.
    pub(crate) is_marked: bool,
    /// Number of parts that are no names, roles or dates.
    pub(crate) unread: usize,
}

impl Byline {
    /// Adds a name. Returns true, for the caller to return.
    fn add(&mut self, name: String, kind: CreditKind, role: String) -> bool {
        if self.credits.len() < MAX_AUTHORS && !self.credits.iter().any(|known| fold(&known.name) == fold(&name)) {
            self.credits.push(Credit { name, kind, role });
        }
        true
    }

    /// Returns the names of persons.
    pub(crate) fn persons(&self) -> impl Iterator<Item = &Credit> {
        self.credits.iter().filter(|credit| credit.kind == CreditKind::Person)
    }
}

/// Reads a byline: `By Jane Doe and John Roe, Staff Writers`. Line breaks separate the texts of elements. `house` are
/// the publisher's own names.
pub(crate) fn parse(byline: &str, house: &[&str]) -> Byline {
    let mut found = Byline::default();
    let mut is_not_author = false;
    for line in joined_names(byline) {
        let line = without_others(&without_addresses(&line));
        let folded = fold(&line);
        if is_not_author && !folded.is_empty() {
            is_not_author = false;
            continue;
        }
        // `Photo: Nils Roe`, in one element or two.
        if is_not_an_author(&folded) {
            is_not_author = line.ends_with([':', '：']) || line.split(' ').count() <= 2 && folded.ends_with(" by");
            continue;
        }
        let rest = without_start(&line);
        found.is_marked |= rest.len() < line.len();
        // `Center for Drug Evaluation and Research` is one name.
        if is_organization(&fold(rest)) && rest.chars().count() <= NAME_CHARS {
            found.add(rest.trim().to_owned(), CreditKind::Group, String::new());
            continue;
        }
        let mut after_comma = !found.credits.is_empty();
        for part in rest.split([',', ';', '|', '/', '•', '、', '，', '；', '｜', '／']) {
            for part in split_dots(part).into_iter().flat_map(|part| split_conjunctions(&part)) {
                if read_part(&part, after_comma, house, &mut found) {
                    after_comma = true;
                }
            }
            after_comma = true;
        }
    }
    found
}

/// Returns the names of persons in a byline, without the publisher's own names.
pub(crate) fn split(byline: &str, not: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for credit in parse(byline, not).credits {
        // A single word is a handle, not a name, except in scripts that write names as one word.
        let is_name = credit.kind == CreditKind::Person || credit.kind == CreditKind::Handle && !credit.name.is_ascii();
        if is_name && names.len() < MAX_AUTHORS && !names.iter().any(|known| fold(known) == fold(&credit.name)) {
            names.push(credit.name);
        }
    }
    names
}

/// Adds an author unless present already.
pub(crate) fn push(authors: &mut Vec<Author>, author: impl Into<Author>) {
    let author = author.into();
    if authors.len() < MAX_AUTHORS && !authors.iter().any(|known| fold(&known.name) == fold(&author.name)) {
        authors.push(author);
    }
}

/// Returns the lines of a byline, with first and last names that are in elements of their own joined.
fn joined_names(byline: &str) -> Vec<String> {
    let is_word = |line: &str| {
        line.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '’' | '\''))
            && line.chars().next().is_some_and(char::is_uppercase)
            && byline_start(&fold(line)).is_none()
            && !is_conjunction(&fold(line))
            && !has_role(&fold(line))
    };
    let mut lines: Vec<String> = Vec::new();
    let mut was_word = false;
    for line in byline.chars().take(MAX_CHARS * 2).collect::<String>().split('\n') {
        let line = clean_line(line);
        if line.is_empty() {
            continue;
        }
        let word = is_word(&line);
        match lines.last_mut() {
            Some(last) if word && was_word => {
                last.push(' ');
                last.push_str(&line);
                was_word = false;
            }
            _ => {
                was_word = word;
                lines.push(line);
            }
        }
    }
    lines
}

/// Splits at middle dots, except within names written in Chinese and Katakana: `アイダ・クイル`.
fn split_dots(part: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let characters: Vec<char> = part.chars().collect();
    for (at, c) in characters.iter().enumerate() {
        let near = |c: Option<&char>| c.copied().unwrap_or(' ');
        let (before, after) = (near(at.checked_sub(1).and_then(|at| characters.get(at))), near(characters.get(at + 1)));
        let is_split = match c {
            '・' => !(is_katakana(before) && is_katakana(after)),
            '·' => !(is_unspaced(before) && is_unspaced(after)),
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

/// Splits at words like `and`. Those of one or two letters are part of a name if there is only one word on a side:
/// `Ortega y Gasset`.
fn split_conjunctions(part: &str) -> Vec<String> {
    let words: Vec<&str> = part.split(' ').filter(|word| !word.is_empty()).collect();
    let mut parts = Vec::new();
    let mut from = 0;
    for at in 0..words.len() {
        let folded = fold(words[at]);
        if !is_conjunction(&folded) {
            continue;
        }
        let is_short = folded.chars().count() <= 2 && folded != "&";
        if !is_short || at >= from + 2 && words.len() >= at + 3 {
            parts.push(words[from..at].join(" "));
            from = at + 1;
        }
    }
    parts.push(words[from..].join(" "));
    parts.retain(|part| !part.is_empty());
    parts
}

/// Reads one part of a byline. Returns true if it was a name.
fn read_part(part: &str, after_comma: bool, house: &[&str], found: &mut Byline) -> bool {
    let part = part.trim().trim_start_matches(|c: char| !c.is_alphanumeric() && c != '@');
    let rest = without_start(part);
    found.is_marked |= rest.len() < part.len();
    let (rest, bracketed) = without_brackets(rest);
    let rest = without_mail(&rest);
    let mut name = rest.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '®' | '@')).to_owned();
    if name.is_empty() {
        return false;
    }
    if let Some(agency) = agency(&name) {
        return found.add(name, CreditKind::Agency(agency), String::new());
    }
    if is_credential(&name) && !found.credits.is_empty() {
        return false;
    }
    if matches!(fold(&name).trim_end_matches('.'), "jr" | "sr" | "ii" | "iii")
        && let Some(last) = found.credits.last_mut()
    {
        last.name.push(' ');
        last.name.push_str(&name);
        return false;
    }
    if is_house(&without_end(&name), house) {
        return found.add(name, CreditKind::House, String::new());
    }
    if name.contains(['{', '[', '<', '=']) || name.contains('_') && name.contains(' ') {
        found.unread += 1;
        return false;
    }
    name = without_buttons(&name);
    if after_comma && has_role(&fold(&name)) && !found.credits.is_empty() && !is_group(&fold(&name)) {
        if let Some(last) = found.credits.last_mut().filter(|last| last.role.is_empty()) {
            last.role = name;
        }
        return false;
    }
    let (mut name, mut role) = without_role(&name);
    if role.is_empty() && has_role(&fold(&bracketed)) {
        role = bracketed;
    }
    if name.is_empty() {
        if let Some(last) = found.credits.last_mut().filter(|last| last.role.is_empty()) {
            last.role = role;
        }
        return false;
    }
    let folded = fold(&name);
    let is_short_group = is_group(&folded) && name.split(' ').count() <= 3;
    if is_not_a_name(&folded) && !is_short_group || is_not_an_author(&folded) {
        found.unread += usize::from(!dates::is_date_line(&name));
        return false;
    }
    // `Head of Harbour Research`
    let first = folded.split(' ').next().unwrap_or_default();
    if ends_name(first) {
        if let Some(last) = found.credits.last_mut().filter(|last| last.role.is_empty() && !role.is_empty()) {
            last.role = format!("{role} {name}");
        }
        return false;
    }
    let whole = name.clone();
    name = without_end(&name);
    // The publisher may follow the name: `Jane Doe Ellery Herald`.
    if is_group(&fold(&whole)) {
        let is_short = whole.split(' ').count() <= 6 && whole.chars().any(char::is_alphabetic);
        return is_short && found.add(whole, CreditKind::Group, role);
    }
    // `Dec 17` is no handle.
    let is_cut_at_number = whole.chars().any(|c| c.is_ascii_digit()) && whole != name;
    match shape(&name).filter(|kind| *kind != CreditKind::Handle || !is_cut_at_number) {
        Some(kind) => {
            if !name.chars().any(char::is_lowercase) && kind == CreditKind::Person {
                name = title_case(&name);
            }
            found.add(name, kind, role)
        }
        None => {
            found.unread += usize::from(
                whole.chars().any(char::is_alphabetic) && dates::parse(&whole, Locale::default()).is_none(),
            );
            false
        }
    }
}

/// Removes URLs.
fn without_addresses(line: &str) -> String {
    if !line.contains("://") && !line.contains("www.") {
        return line.to_owned();
    }
    let is_address = |word: &&str| word.contains("://") || word.starts_with("www.");
    line.split(' ').filter(|word| !is_address(word)).collect::<Vec<_>>().join(" ")
}

/// Cuts a line before the words that name others than the author: `Text: Jane Doe Photo: Nils Roe`.
fn without_others(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let is_others = |at: &usize| {
        words[*at].ends_with([':', '：']) && is_not_an_author(&fold(words[*at]))
            || words[*at].contains('：') && is_not_an_author(&fold(words[*at]))
    };
    match (1..words.len()).find(is_others) {
        Some(at) => words[..at].join(" "),
        None => line.to_owned(),
    }
}

/// Removes the words before the first name: `By `, `Written by `.
fn without_start(line: &str) -> &str {
    let Some(chars) = byline_start(&fold(line)) else { return line };
    line.char_indices().nth(chars).map_or("", |(at, _)| &line[at..])
}

/// Splits off text in brackets: `Jane Doe (Editor)`.
fn without_brackets(name: &str) -> (String, String) {
    match name.split_once(['(', '（', '<', '［']) {
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
fn without_mail(name: &str) -> String {
    name.split(' ').filter(|word| !word.contains('@')).collect::<Vec<_>>().join(" ")
}

/// Removes labels of buttons beside a name.
fn without_buttons(name: &str) -> String {
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
fn without_role(name: &str) -> (String, String) {
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

/// Returns true for one of the publisher's own names, or a name with it: `The Ellery Herald`.
fn is_house(name: &str, house: &[&str]) -> bool {
    let plain = |text: &str| -> String { fold(text).chars().filter(|c| c.is_alphanumeric()).collect() };
    let name = plain(name);
    !name.is_empty()
        && house
            .iter()
            .map(|house| plain(house))
            .any(|house| !house.is_empty() && (name == house || house.chars().count() >= 4 && name.contains(&house)))
}

/// Returns true if a line is a byline: it begins like one and names somebody, or consists of known names.
pub(crate) fn is_byline(line: &str, authors: &[Author]) -> bool {
    let chars = line.chars().count();
    if chars > 120 {
        return false;
    }
    let folded = fold(line);
    if byline_start(&folded).is_some() && !line.ends_with(['.', '?', '!', '。']) {
        let read = parse(line, &[]);
        let is_short = line.split(' ').count() <= 3;
        let is_named = |credit: &Credit| {
            credit.kind != CreditKind::Handle || is_short && credit.name.starts_with(char::is_uppercase)
        };
        if read.unread == 0 && read.credits.iter().any(is_named) {
            return true;
        }
    }
    authors.iter().any(|author| {
        folded == fold(&author.name)
            || (folded.starts_with(&fold(&author.name))
                && chars <= author.name.chars().count() + 40
                && !line.ends_with('.'))
    })
}

#[cfg(test)]
mod tests;
