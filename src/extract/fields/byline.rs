//! Bylines: recognises them, and splits them into names. They are found by `meta` and `jsonld` (pages),
//! `formats::syndication` (feeds) and `boilerplate::rules` (lines at the head of the text).

use super::agencies::agency;
use crate::article::{clean_line, fold};
use crate::extract::phrases::{byline_start, is_not_a_name};

/// Returns the names in a byline: `By Jane Doe and John Roe, Staff Writers`. `not` are the publisher's own names,
/// which are excluded.
pub(crate) fn split(byline: &str, not: &[&str]) -> Vec<String> {
    let line = clean_line(byline);
    let rest = without_start(&line);
    let mut names = Vec::new();
    for part in rest.split([',', ';', '|', '/', '•', '·', '\n']) {
        for name in part
            .replace(" AND ", " and ")
            .split(" and ")
            .flat_map(|name| name.split(" & "))
            .flat_map(|name| name.split(" y "))
        {
            if let Some(name) = one(name, not) {
                push(&mut names, name);
            }
        }
    }
    names
}

/// Adds a name unless it is present already.
pub(crate) fn push(names: &mut Vec<String>, name: String) {
    if names.len() < 20 && !names.iter().any(|known| fold(known) == fold(&name)) {
        names.push(name);
    }
}

/// Returns the text if it is a single name.
pub(crate) fn one(name: &str, not: &[&str]) -> Option<String> {
    let name = clean_line(name);
    let mut name = name.trim_matches(|c: char| !c.is_alphanumeric() && c != '.').to_owned();
    name = without_start(&name).to_owned();
    for marker in [" for ", " in ", " at ", " on ", " - ", " – ", " (", " @", " | "] {
        if let Some(at) = name.find(marker) {
            name.truncate(at);
        }
    }
    let name = name.trim().to_owned();
    let folded = fold(&name);
    let words = folded.split(' ').count();
    let nobody = is_not_a_name(&folded);
    let ours = not.iter().any(|other| {
        !other.is_empty() && {
            let other = fold(other);
            folded == other || folded.contains(&other) || other == folded.replace(' ', "")
        }
    });
    let bad = folded.contains("http")
        || folded.contains("www.")
        || folded.contains('@')
        || folded.contains('_')
        || name.chars().any(|c| c.is_ascii_digit());
    if bad
        || nobody
        || ours
        || agency(&name).is_some()
        || !(1..=5).contains(&words)
        || !(3..=60).contains(&name.chars().count())
    {
        return None;
    }
    // A single word is a handle, not a name, except in scripts that write names as one word.
    if words == 1 && name.is_ascii() {
        return None;
    }
    Some(if name.chars().any(char::is_lowercase) { name } else { title_case(&name) })
}

/// Removes the words before the first name: `By `, `Written by `.
fn without_start(line: &str) -> &str {
    let Some(chars) = byline_start(&fold(line)) else { return line };
    line.char_indices().nth(chars).map_or("", |(at, _)| &line[at..])
}

fn title_case(name: &str) -> String {
    let mut start = true;
    name.chars()
        .flat_map(|c| {
            let letters: Vec<char> = if start { vec![c] } else { c.to_lowercase().collect() };
            start = !c.is_alphanumeric();
            letters
        })
        .collect()
}

/// Returns true if a line is a byline: it begins like one, or consists of known names.
pub(crate) fn is_byline(line: &str, authors: &[String]) -> bool {
    if line.chars().count() > 120 {
        return false;
    }
    let folded = fold(line);
    if byline_start(&folded).is_some() && !line.ends_with('.') && line.split(' ').count() <= 16 {
        return true;
    }
    authors.iter().any(|author| {
        folded == fold(author)
            || (folded.starts_with(&fold(author))
                && line.chars().count() <= author.chars().count() + 40
                && !line.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bylines_become_names() {
        assert_eq!(split("By Jane Doe and John P. Roe, Staff Writers", &[]), ["Jane Doe", "John P. Roe"]);
        assert_eq!(split("JANE DOE", &[]), ["Jane Doe"]);
        assert_eq!(split("By Jane Doe for The Ellery Herald | Reuters", &["Ellery Herald"]), ["Jane Doe"]);
        for nobody in ["Staff", "https://herald.example/jane", "Ellery Herald", "admin", "Reuters", "By Newsroom Staff"]
        {
            assert!(split(nobody, &["Ellery Herald"]).is_empty(), "{nobody}");
        }
    }
}
