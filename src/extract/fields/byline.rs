//! Bylines: recognises them, and splits them into names. They are found by `authors` (pages), `formats::syndication`
//! (feeds) and `boilerplate::rules` (lines at the head of the text).

mod parts;

use self::parts::{
    is_house, is_own_group, split_dots, without_addresses, without_agency, without_brackets, without_buttons,
    without_date, without_mail, without_others, without_role, without_start,
};
use super::agencies::agency;
use super::dates::{self, Locale};
use super::name_form::{CreditKind, NAME_CHARS, is_credential, shape, title_case, without_end};
use super::people::{
    byline_start, ends_name, has_role, is_conjunction, is_group, is_not_a_name, is_not_an_author, is_organization,
    is_unspaced, role_end,
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
        // A template that was not filled in.
        if ["{{", "[[", "${", "<%"].iter().any(|mark| line.contains(mark)) {
            found.unread += 1;
            continue;
        }
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
        // Names of Chinese reporters stand side by side.
        let is_chinese = line[..line.len() - rest.len()].contains(['作', '记', '撰', '采']);
        let spaced = if is_chinese { rest.replace(' ', "、") } else { String::new() };
        let rest = if is_chinese { spaced.as_str() } else { rest };
        // `Center for Drug Evaluation and Research` is one name.
        if is_organization(&fold(rest)) && rest.chars().count() <= NAME_CHARS {
            found.add(rest.trim().to_owned(), CreditKind::Group, String::new());
            continue;
        }
        let mut after_comma = !found.credits.is_empty();
        let mut was_joined = false;
        for part in rest.split([',', ';', '|', '/', '•', '、', '，', '；', '｜', '／', '丨']) {
            // `Anna Berg und Paul Stein, Lowmouth`: the list of names has ended.
            let is_listed = std::mem::replace(&mut was_joined, joins_names(part));
            let is_other = agency(part.trim()).is_none() && !has_role(&fold(part));
            if is_listed && is_other && rest.matches(',').count() == 1 && part.split_whitespace().count() <= 4 {
                let name = part.trim().to_owned();
                found.add(name, CreditKind::Group, String::new());
                break;
            }
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

/// Returns true for two names with a word like `and` between them.
fn joins_names(part: &str) -> bool {
    let parts = split_conjunctions(part);
    parts.len() == 2 && parts.iter().all(|part| shape(without_start(part)) == Some(CreditKind::Person))
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
        let is_short = folded.chars().count() <= 2 && folded != "&" && !folded.contains(is_unspaced);
        // `Jeanne Dupont et AFP`
        let is_short = is_short && words.get(at + 1).and_then(|next| agency(next)).is_none();
        if !is_short || at >= from + 2 && words.len() >= at + 3 {
            parts.push(words[from..at].join(" "));
            from = at + 1;
        }
    }
    parts.push(words[from..].join(" "));
    parts.retain(|part| !part.is_empty());
    // Hebrew and Arabic write the word before the name without a space.
    if let ([first, second, third, fourth], [_]) = (words.as_slice(), parts.as_slice())
        && let Some(third) = third.strip_prefix(['ו', 'و']).filter(|name| name.chars().count() >= 4)
    {
        return vec![format!("{first} {second}"), format!("{third} {fourth}")];
    }
    parts
}

/// Reads one part of a byline. Returns true if it was a name.
fn read_part(part: &str, after_comma: bool, house: &[&str], found: &mut Byline) -> bool {
    let part = part.trim().trim_start_matches(|c: char| !c.is_alphanumeric() && c != '@');
    let rest = without_start(part);
    found.is_marked |= rest.len() < part.len();
    // `서울=김철수 기자`
    let rest = rest.split_once('=').filter(|(_, name)| name.contains(is_unspaced)).map_or(rest, |(_, name)| name);
    let (rest, bracketed) = without_brackets(rest);
    // `Nils Roe (Fotos)`
    if is_not_an_author(&format!("{}:", fold(&bracketed))) {
        return false;
    }
    let rest = without_mail(&rest);
    let mut name = rest.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '®' | '@')).to_owned();
    if name.is_empty() {
        return false;
    }
    // `Reuters`, `da Reuters`
    let bare = name.rsplit_once(' ').filter(|(before, _)| before.chars().count() <= 3).map_or(&*name, |(_, last)| last);
    let bare = if name.starts_with(char::is_lowercase) { bare } else { &name };
    if let Some(agency) = agency(bare) {
        let name = bare.to_owned();
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
    name = without_date(&without_buttons(&name));
    let (name, agency) = without_agency(name);
    if let Some((named, standard)) = agency {
        found.add(named, CreditKind::Agency(standard), String::new());
    }
    // `이영희 기자` is a name and its role, `chief editor` only a role.
    let is_named = name.contains(is_unspaced) && shape(&without_role(&name).0) == Some(CreditKind::Person);
    let is_role = has_role(&fold(&name)) && !is_group(&fold(&name)) && !is_named;
    if after_comma && is_role && !found.credits.is_empty() {
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
        // `Redaktion`, `Herald Staff`: the publisher's own people.
        if is_own_group(&fold(&whole), house) {
            return found.add(whole, CreditKind::House, role);
        }
        if let Some(agency) = self::agency(whole.split(' ').next().unwrap_or_default()) {
            return found.add(whole, CreditKind::Agency(agency), role);
        }
        let is_short = whole.split(' ').count() <= 6 && whole.chars().any(char::is_alphabetic);
        return is_short && found.add(whole, CreditKind::Group, role);
    }
    // `Dec 17` is no handle.
    let is_cut_at_number = whole.chars().any(|c| c.is_ascii_digit()) && whole != name;
    match shape(&name).filter(|kind| *kind != CreditKind::Handle || !is_cut_at_number) {
        // A newspaper.
        Some(CreditKind::Person) if name.starts_with("The ") => found.add(name, CreditKind::Group, role),
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

/// Returns true for nothing but the name of a reporter and the role behind it, as Korean papers print it: `김철수 기자`.
pub(crate) fn is_reporter(line: &str) -> bool {
    const CHARS: usize = 24;
    if line.chars().nth(CHARS).is_some() || role_end(&fold(line)).is_none_or(|at| at == 0) {
        return false;
    }
    let read = parse(line, &[]);
    let is_named = |credit: &Credit| {
        credit.kind == CreditKind::Person && !credit.role.is_empty() && credit.name.chars().all(is_unspaced)
    };
    read.unread == 0 && read.credits.len() == 1 && read.credits.iter().all(is_named)
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
    if is_reporter(line) {
        return true;
    }
    // `Posted on November 2, 2026 by Jane Doe`
    if line.chars().any(char::is_numeric)
        && let [date] = dates::find(line, Locale::default()).as_slice()
        && dates::is_date_line(&line[..date.end])
    {
        let rest = line[date.end..].trim_start_matches(|c: char| !c.is_alphanumeric());
        if rest.len() < line.len() && byline_start(&fold(rest)).is_some() && is_byline(rest, authors) {
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
