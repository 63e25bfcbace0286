//! Reports the parts of a page outside its article, for those who check what extraction drops.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use crate::extract::body::Judgement;
use crate::extract::budget::Budget;
use crate::extract::draft::Draft;
use crate::extract::error::ExtractError;
use crate::extract::fields::{byline, dates};
use crate::extract::line::{Line, LineKind};
use crate::extract::phrases::{Furniture, furniture, is_teaser_heading};
use crate::extract::report::{CutReason, Method, Report};

/// Consecutive words shared with the article for which a line counts as kept: it was only split differently.
const SAME_WORDS: usize = 6;
/// Maximum size of adjacent lines reported as one cut, in bytes.
const GROUP_BYTES: usize = 2_000;

/// A page's whole text, one line for each block, in reading order.
pub(crate) struct PageText {
    text: String,
    lines: Vec<Range<usize>>,
}

impl PageText {
    /// Joins all lines of a page.
    pub(crate) fn new(lines: &[Line]) -> Self {
        let mut page = Self { text: String::new(), lines: Vec::with_capacity(lines.len()) };
        for line in lines {
            let start = page.text.len();
            page.text.push_str(&line.text);
            page.lines.push(start..page.text.len());
            page.text.push('\n');
        }
        page
    }

    /// Returns the whole text, for sorting the cuts.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Reports every line that is neither in `kept` nor in a field.
    pub(crate) fn report(
        &self,
        kept: &[Line],
        judgement: &Judgement,
        draft: &Draft,
        report: &mut Report,
        budget: &Budget<'_>,
    ) -> Result<(), ExtractError> {
        budget.read(kept.iter().map(|line| line.text.len()).sum())?;
        let moved = |line: &str| line == draft.headline || line == draft.subheadline;
        let mut whole: HashSet<&str> = kept.iter().map(|line| line.text.as_str()).collect();
        for line in kept {
            if let LineKind::Table(rows) = &line.kind {
                whole.extend(rows.iter().flat_map(|row| row.cells.iter().map(String::as_str)));
            }
        }
        // Text of the structured data is split differently from that of the page.
        let runs: HashSet<u64> = match report.method {
            Method::StructuredData => kept.iter().flat_map(|line| runs(&line.text)).collect(),
            _ => HashSet::new(),
        };
        let is_kept = |line: &str| whole.contains(line) || self::runs(line).any(|run| runs.contains(&run));
        let mut group: Option<Group> = None;
        for (at, range) in self.lines.iter().enumerate().filter(|(_, range)| !range.is_empty()) {
            let line = &self.text[range.clone()];
            budget.read(line.len())?;
            if moved(line) || judgement.is_kept(at) || is_kept(line) {
                self.note(group.take(), report);
                continue;
            }
            let reason = reason(line, group.as_ref().map(|group| group.reason), draft);
            let (doubt, rule) = (judgement.doubt(at), judgement.rule(at));
            match &mut group {
                Some(same) if same.reason == reason && same.range.len() < GROUP_BYTES => {
                    same.range.end = range.end;
                    same.confidence = same.confidence.min(doubt);
                    same.rule = same.rule.or(rule);
                }
                _ => {
                    self.note(group.replace(Group { reason, range: range.clone(), rule, confidence: doubt }), report);
                }
            }
        }
        self.note(group, report);
        Ok(())
    }

    fn note(&self, group: Option<Group>, report: &mut Report) {
        if let Some(Group { reason, range, rule, confidence }) = group {
            report.cut(&self.text[range], reason, rule.unwrap_or("outside-main-text"), confidence);
        }
    }
}

/// Adjacent lines that are reported as one cut.
struct Group {
    reason: CutReason,
    range: Range<usize>,
    /// Rule of the first line of running text.
    rule: Option<&'static str>,
    /// Confidence in the cut of the line that is most likely a mistake.
    confidence: f32,
}

/// Returns a hash of each run of [`SAME_WORDS`] consecutive words. Comparing each line with each other would take
/// quadratic time on a long page.
fn runs(line: &str) -> impl Iterator<Item = u64> {
    let words: Vec<&str> = line.split(' ').collect();
    (0..(words.len() + 1).saturating_sub(SAME_WORDS)).map(move |at| {
        let mut hasher = DefaultHasher::new();
        words[at..at + SAME_WORDS].hash(&mut hasher);
        hasher.finish()
    })
}

/// Returns the reason for a line outside of the article; below a teaser heading, a teaser.
fn reason(line: &str, before: Option<CutReason>, draft: &Draft) -> CutReason {
    if is_teaser_heading(line) {
        return CutReason::Teasers;
    }
    match furniture(line) {
        Some(Furniture::Teaser) => CutReason::Teasers,
        Some(Furniture::Share) => CutReason::Share,
        Some(Furniture::SignUp) => CutReason::SignUp,
        Some(Furniture::Advertisement) => CutReason::Advertisement,
        Some(Furniture::Copyright) => CutReason::Copyright,
        Some(Furniture::Comments) => CutReason::Comments,
        None if draft.media.iter().any(|media| media.caption == line) => CutReason::Caption,
        None if byline::is_byline(line, &draft.authors) || dates::is_date_line(line) => CutReason::Byline,
        None if before == Some(CutReason::Teasers) => CutReason::Teasers,
        None => CutReason::Furniture,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;
    use crate::extract::formats::page_lines;

    #[test]
    fn what_is_left_out_is_said_with_its_reason_and_what_is_kept_is_not() {
        let page = "<html><head><title>no</title></head><body><nav><li>Home</li><li>Sport</li></nav><h1>Head line</h1>\
            <p>By Ida Quill</p><article><p>The text of <b>the</b> article is kept.</p></article>\
            <aside><h2>Top stories</h2><ul><li>Boats sink</li><li>Boats rise</li></ul></aside><p>Share on X</p>\
            <script>code()</script></body></html>";
        let limits = Limits::default();
        let budget = Budget::unattended(&limits);
        let lines = page_lines(page, &budget);
        let page = PageText::new(&lines);
        let kept = [Line::new("The text of the article is kept.".into(), LineKind::Paragraph)];
        let draft = Draft { headline: "Head line".into(), authors: vec!["Ida Quill".into()], ..Draft::default() };
        let mut report = Report::default();
        page.report(&kept, &Judgement::default(), &draft, &mut report, &budget).unwrap();
        let cuts: Vec<(CutReason, &str)> = report.cuts.iter().map(|cut| (cut.reason, cut.text.as_str())).collect();
        assert_eq!(
            cuts,
            [
                (CutReason::Furniture, "Home\nSport"),
                (CutReason::Byline, "By Ida Quill"),
                (CutReason::Teasers, "Top stories\nBoats sink\nBoats rise"),
                (CutReason::Share, "Share on X"),
            ]
        );
    }
}
