//! Authors and subjects.

use std::collections::HashSet;

use super::{NAME_CHARS, clean_optional_address, clean_short};
use crate::article::{Violations, clean_line, fold};
use crate::proto::{Article, Author, AuthorKind, Subject, SubjectKind};

const MAX_AUTHORS: usize = 64;
const MAX_SUBJECTS: usize = 128;

pub(super) fn clean(article: &mut Article, violations: &mut Violations) {
    clean_authors(&mut article.authors, violations);
    clean_subjects(&mut article.subjects, violations);
}

fn clean_authors(authors: &mut Vec<Author>, violations: &mut Violations) {
    // An entry without any value says nothing. A repeated name keeps its first entry.
    authors.retain(|author| *author != Author::default());
    let mut seen = HashSet::new();
    authors.retain(|author| author.name.is_empty() || seen.insert(fold(&author.name)));
    if authors.len() > MAX_AUTHORS {
        violations.add("authors", format!("must be at most {MAX_AUTHORS}"));
        return;
    }
    for (at, author) in authors.iter_mut().enumerate() {
        let path = |field: &str| format!("authors[{at}].{field}");
        author.name = clean_line(&author.name);
        if author.name.is_empty() {
            violations.add(path("name"), "is required");
        }
        clean_short(&path("name"), &mut author.name, NAME_CHARS, violations);
        if AuthorKind::try_from(author.kind).is_err() {
            violations.add(path("kind"), "must be one of the kinds of authors");
        }
        clean_optional_address(&path("uri"), &mut author.uri, violations);
        clean_short(&path("role"), &mut author.role, NAME_CHARS, violations);
        clean_short(&path("organization"), &mut author.organization, NAME_CHARS, violations);
    }
}

fn clean_subjects(subjects: &mut Vec<Subject>, violations: &mut Violations) {
    subjects.retain(|subject| *subject != Subject::default());
    if subjects.len() > MAX_SUBJECTS {
        violations.add("subjects", format!("must be at most {MAX_SUBJECTS}"));
        return;
    }
    for (at, subject) in subjects.iter_mut().enumerate() {
        let path = |field: &str| format!("subjects[{at}].{field}");
        if SubjectKind::try_from(subject.kind).is_err() {
            violations.add(path("kind"), "must be one of the kinds of subjects");
        }
        clean_short(&path("scheme"), &mut subject.scheme, NAME_CHARS, violations);
        clean_short(&path("code"), &mut subject.code, NAME_CHARS, violations);
        clean_short(&path("name"), &mut subject.name, NAME_CHARS, violations);
        if subject.name.is_empty() && subject.code.is_empty() {
            violations.add(path("name"), "is required without a code");
        }
    }
    let mut seen = HashSet::new();
    subjects.retain(|subject| seen.insert((subject.scheme.clone(), subject.code.clone(), fold(&subject.name))));
}
