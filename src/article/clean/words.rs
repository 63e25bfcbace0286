//! Headline, body and the other fields of plain text.

use super::{Limits, NAME_CHARS, check_chars, clean_short};
use crate::article::{Violations, clean_line, clean_text, fold};
use crate::proto::Article;

const BYLINE_CHARS: usize = 1_000;
const MAX_TAGS: usize = 64;

pub(super) fn clean(article: &mut Article, limits: &Limits, violations: &mut Violations) {
    let lines: [(&str, &mut String, usize); 6] = [
        ("headline", &mut article.headline, limits.headline_chars),
        ("subheadline", &mut article.subheadline, limits.subheadline_chars),
        ("byline", &mut article.byline, BYLINE_CHARS),
        ("agency", &mut article.agency, NAME_CHARS),
        ("publisher", &mut article.publisher, NAME_CHARS),
        ("section", &mut article.section, NAME_CHARS),
    ];
    for (field, text, max) in lines {
        clean_short(field, text, max, violations);
    }
    clean_tags(&mut article.tags, violations);
    if let Some(dateline) = &mut article.dateline {
        clean_short("dateline.place", &mut dateline.place, NAME_CHARS, violations);
        clean_short("dateline.text", &mut dateline.text, NAME_CHARS, violations);
        if dateline.place.is_empty() && dateline.text.is_empty() {
            article.dateline = None;
        }
    }
    if !article.language_code.is_empty() {
        match language_tag(&article.language_code) {
            Some(tag) => article.language_code = tag,
            None => violations.add("language_code", "must be a BCP 47 tag, such as en, pt-BR or zh-Hant"),
        }
    }
    article.body = clean_text(&article.body);
    if article.body.len() > limits.body_bytes {
        violations.add("body", format!("must be at most {} bytes long", limits.body_bytes));
    }
}

fn clean_tags(tags: &mut Vec<String>, violations: &mut Violations) {
    for tag in tags.iter_mut() {
        *tag = clean_line(tag);
    }
    let mut seen = std::collections::HashSet::new();
    tags.retain(|tag| !tag.is_empty() && seen.insert(fold(tag)));
    if tags.len() > MAX_TAGS {
        violations.add("tags", format!("must be at most {MAX_TAGS}"));
    }
    for (at, tag) in tags.iter().enumerate() {
        check_chars(&format!("tags[{at}]"), tag, NAME_CHARS, violations);
    }
}

/// Normalizes the case of a BCP 47 tag: `pt-br` becomes `pt-BR`, `zh_hant` becomes `zh-Hant`.
fn language_tag(tag: &str) -> Option<String> {
    let mut out = String::new();
    for (at, part) in tag.trim().split(['-', '_']).enumerate() {
        let alphanumeric = part.bytes().all(|b| b.is_ascii_alphanumeric());
        if !(1..=8).contains(&part.len()) || !alphanumeric || at > 7 {
            return None;
        }
        if at == 0 && !((2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())) {
            return None;
        }
        if at > 0 {
            out.push('-');
        }
        let part = part.to_ascii_lowercase();
        match (at, part.len()) {
            (1.., 2) => out.push_str(&part.to_ascii_uppercase()),
            (1.., 4) if part.as_bytes()[0].is_ascii_alphabetic() => {
                out.push_str(&part[..1].to_ascii_uppercase());
                out.push_str(&part[1..]);
            }
            _ => out.push_str(&part),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_written_as_usual() {
        for (given, usual) in [("EN", "en"), ("pt_br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("es-419", "es-419")] {
            assert_eq!(language_tag(given).as_deref(), Some(usual));
        }
    }
}
