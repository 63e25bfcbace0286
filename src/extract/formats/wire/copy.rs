//! Text of wire copy: what is cut from it, and what it says of itself.

use super::MAX_LINE;
use crate::article::{clean_line, fold};
use crate::extract::draft::{Dateline, Draft};
use crate::extract::fields::dateline;
use crate::extract::line::Line;
use crate::extract::phrases;
use crate::extract::report::{CutReason, Report};

/// Cuts the headline and the byline, which many bodies repeat at their head.
pub(super) fn cut_fields(lines: &mut Vec<Line>, draft: &Draft, report: &mut Report) {
    const HEAD: usize = 4;
    let (headline, byline) = (fold(&draft.headline), fold(&draft.byline));
    let mut at = 0;
    lines.retain(|line| {
        at += 1;
        if at > HEAD || line.is_object() || line.is_table() || line.chars() > MAX_LINE {
            return true;
        }
        let folded = fold(&line.text);
        let reason = if folded == headline {
            CutReason::RepeatedHeadline
        } else if folded == byline {
            CutReason::Byline
        } else {
            return true;
        };
        report.cut(&line.text, reason, "wire-field-repeated", 0.99);
        false
    });
}

/// Cuts the part at the foot that the sender marks as not for publication, with its heading.
pub(super) fn cut_editors_part(lines: &mut Vec<Line>, report: &mut Report) {
    let Some(mark) = lines.iter().position(|line| line.chars() < 200 && phrases::is_editors_only(&line.text)) else {
        return;
    };
    let is_rule = |line: &Line| !line.is_object() && !line.text.chars().any(char::is_alphanumeric);
    let start = lines[..mark].iter().position(|line| phrases::is_editors_heading(&line.text)).unwrap_or(mark);
    let start = start - usize::from(start > 0 && is_rule(&lines[start - 1]));
    for line in lines.drain(start..) {
        report.cut(&line.text, CutReason::EditorsOnly, "not-for-publication", 0.95);
    }
}

/// Moves the dateline of the first paragraph to its field. A dateline that the item states comes first.
pub(super) fn take_dateline(lines: &mut [Line], draft: &mut Draft, located: &str, report: &mut Report) {
    let stated = draft.dateline.take();
    let first = lines.iter_mut().find(|line| !line.is_object() && !line.is_heading() && !line.is_table());
    if let Some(first) = first
        && let Some(rest) = dateline::take(&first.text, draft, report)
    {
        first.text = rest;
    }
    if let Some(mut stated) = stated {
        if stated.place.is_empty() {
            stated.place = draft.dateline.take().map(|found| found.place).unwrap_or_default();
        }
        draft.dateline = Some(stated);
    } else if draft.dateline.is_none() && !located.is_empty() {
        draft.dateline = Some(Dateline { place: located.to_owned(), text: String::new() });
    }
}

/// Sets the dateline from its text as printed: `PORT ELLERY, Nov 2 (Northwire) -`.
pub(crate) fn dateline_of(text: &str) -> Option<Dateline> {
    let text = clean_line(text);
    let text = text.trim_end_matches(['-', '–', '—', ' ']);
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some(Dateline { place: dateline::place(text).to_owned(), text: text.to_owned() })
}
