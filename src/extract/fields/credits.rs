//! Lines at the foot of a report that name those who made it: `(Reporting by …; Editing by …)`, `Von …, dpa`.

use super::byline::{self, Byline};
use super::name_form::CreditKind;
use super::people::{byline_start, is_not_an_author, is_unspaced, is_wire_end, wire_start};
use crate::article::fold;
use crate::extract::draft::Draft;
use crate::extract::line::Line;
use crate::extract::report::{CutReason, Report};

/// Number of lines at the foot that are read.
const FOOT: usize = 8;
/// Maximum length of a line with a reporter and the reporter's address, in characters.
const MAX_REPORTER: usize = 40;
/// Maximum length of such a line, in characters.
const MAX_CHARS: usize = 240;

/// Cuts the lines, and fills authors and agency from them if nothing else has named any.
pub(crate) fn take(lines: &mut Vec<Line>, draft: &mut Draft, report: &mut Report) {
    let Some(prose) = lines.iter().position(Line::is_prose) else { return };
    let from = (prose + 1).max(lines.len().saturating_sub(FOOT));
    let mut at = 0;
    let mut found = Vec::new();
    lines.retain(|line| {
        at += 1;
        if at <= from || line.is_object() || line.is_heading() || line.is_table() {
            return true;
        }
        let Some(credit) = read(&line.text) else { return true };
        report.cut(&line.text, CutReason::Byline, "foot-byline", 0.85);
        found.push(credit);
        false
    });
    let has_authors = !draft.authors.is_empty();
    for credit in found.into_iter().flat_map(|byline| byline.credits) {
        match credit.kind {
            CreditKind::Person if !has_authors => byline::push(&mut draft.authors, credit.name),
            CreditKind::Agency(agency) if draft.agency.is_empty() => {
                draft.agency = agency.to_owned();
                draft.credited.push(credit.name);
            }
            _ => {}
        }
    }
}

/// Returns the names in a line that has nothing but credits. It may have none: an e-mail address, an editor.
fn read(line: &str) -> Option<Byline> {
    let bare =
        line.trim_matches(|c: char| matches!(c, '(' | ')' | '[' | ']' | '（' | '）' | '<' | '>' | ' ' | '*' | '_'));
    let (folded, chars) = (fold(bare), bare.chars().count());
    if chars == 0 || chars > MAX_CHARS {
        return None;
    }
    if let Some(end) = wire_start(&folded).filter(|end| bare.is_char_boundary(*end)) {
        let names = bare[end..].split([';', '|']).next().unwrap_or_default();
        return Some(byline::parse(names.trim_end_matches('.'), &[]));
    }
    if is_wire_end(&folded) && !byline::parse(bare, &[]).is_marked && chars <= 120 {
        return Some(Byline::default());
    }
    if !bare.contains(' ') && bare.contains('@') && bare.contains('.') {
        return Some(Byline::default());
    }
    if is_not_an_author(&folded) && bare.contains([':', '：']) && chars <= 60 && !bare.ends_with(['.', '。']) {
        return Some(Byline::default());
    }
    if chars > 100 || bare.ends_with(['.', '!', '?', '。']) {
        return None;
    }
    let read = byline::parse(bare, &[]);
    let is_named = |credit: &byline::Credit| matches!(credit.kind, CreditKind::Person | CreditKind::Agency(_));
    let is_agency = |credit: &byline::Credit| matches!(credit.kind, CreditKind::Agency(_));
    let is_byline = byline_start(&folded).is_some() && read.credits.iter().any(is_named);
    // `김철수 기자 kim@herald.example`, `【山田太郎】`
    let is_bracketed = line.starts_with(['【', '（', '(']) && line.ends_with(['】', '）', ')']);
    let is_unspaced_name = |credit: &byline::Credit| {
        credit.kind == CreditKind::Person
            && credit.name.chars().all(is_unspaced)
            && (is_bracketed || !credit.role.is_empty())
    };
    let is_reporter = chars <= MAX_REPORTER && read.credits.len() == 1 && read.credits.iter().all(is_unspaced_name);
    let is_byline = is_byline || is_reporter;
    let is_credit = read.unread == 0 && (is_byline || !read.credits.is_empty() && read.credits.iter().all(is_agency));
    is_credit.then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::line::LineKind;

    #[test]
    fn credits_leave_the_foot() {
        let prose = "The ferry company will cut its winter crossings by half, its owner told reporters on Monday.";
        for (foot, author, agency) in [
            ("(Reporting by Jane Doe in Port Ellery; Writing by Ann Poe; Editing by John Roe)", "Jane Doe", ""),
            ("Von Anna Berg, dpa", "Anna Berg", "dpa"),
            ("(AFP)", "", "AFP"),
            ("jane.doe@herald.example", "", ""),
            ("(责编：李华、张伟)", "", ""),
        ] {
            let line = |text: &str| Line::new(text.to_owned(), LineKind::Paragraph);
            let mut lines = vec![line(prose), line(foot)];
            let mut draft = Draft::default();
            take(&mut lines, &mut draft, &mut Report::default());
            assert_eq!(lines.len(), 1, "{foot}");
            let first = draft.authors.first().map(|author| author.name.as_str()).unwrap_or_default();
            assert_eq!((first, draft.agency.as_str()), (author, agency), "{foot}");
        }
    }

    #[test]
    fn sentences_stay() {
        for sentence in
            ["By the sea, patience runs out", "Von hier aus sieht man den Hafen", "The end", "Photo: the old pier."]
        {
            assert!(read(sentence).is_none(), "{sentence}");
        }
    }
}
