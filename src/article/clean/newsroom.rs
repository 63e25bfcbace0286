//! The sender's information for editors: urgency, slugline, note and links to other items.

use super::{EXTERNAL_ID_BYTES, NAME_CHARS, check_chars, clean_short};
use crate::article::{Violations, clean_line, clean_text};
use crate::proto::{Article, ItemLink};

const NOTE_CHARS: usize = 4_000;
const MAX_LINKS: usize = 256;
const TITLE_CHARS: usize = 1_000;

pub(super) fn clean(article: &mut Article, violations: &mut Violations) {
    if !(0..=9).contains(&article.urgency) {
        violations.add("urgency", "must be from 1 to 9, or 0 if not stated");
    }
    clean_short("slugline", &mut article.slugline, NAME_CHARS, violations);
    article.editor_note = clean_text(&article.editor_note);
    check_chars("editor_note", &article.editor_note, NOTE_CHARS, violations);
    let links = &mut article.links;
    links.retain(|link| *link != ItemLink::default());
    if links.len() > MAX_LINKS {
        violations.add("links", format!("must be at most {MAX_LINKS}"));
        return;
    }
    for (at, link) in links.iter_mut().enumerate() {
        let path = |field: &str| format!("links[{at}].{field}");
        clean_short(&path("relation"), &mut link.relation, NAME_CHARS, violations);
        clean_short(&path("title"), &mut link.title, TITLE_CHARS, violations);
        link.external_id = clean_line(&link.external_id);
        if !(1..=EXTERNAL_ID_BYTES).contains(&link.external_id.len()) {
            violations.add(path("external_id"), format!("must be 1 to {EXTERNAL_ID_BYTES} bytes long"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::article::{CleanArticle, Limits};

    #[test]
    fn fields_beyond_their_limits_are_named() {
        let link = |external_id: &str| ItemLink { external_id: external_id.to_owned(), ..ItemLink::default() };
        let valid = Article {
            headline: "Channel to be dredged".to_owned(),
            urgency: 9,
            slugline: " HARBOUR \n DREDGING ".to_owned(),
            editor_note: "Corrects the costs.\r\n\r\nAdds a map.".to_owned(),
            links: vec![link(" urn:nw:2 "), ItemLink::default()],
            ..Article::default()
        };
        let clean = CleanArticle::new(valid.clone(), &Limits::default()).expect("valid");
        assert_eq!(clean.article().slugline, "HARBOUR DREDGING");
        assert_eq!(clean.article().editor_note, "Corrects the costs.\n\nAdds a map.");
        assert_eq!(clean.article().links, [link("urn:nw:2")]);
        let invalid = Article {
            urgency: 10,
            slugline: "s".repeat(NAME_CHARS + 1),
            editor_note: "n".repeat(NOTE_CHARS + 1),
            links: vec![ItemLink { title: "Map".to_owned(), ..ItemLink::default() }, link(&"x".repeat(513))],
            ..valid
        };
        let violations = CleanArticle::new(invalid, &Limits::default()).expect_err("invalid");
        let fields: Vec<_> = violations.0.into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["urgency", "slugline", "editor_note", "links[0].external_id", "links[1].external_id"]);
    }
}
