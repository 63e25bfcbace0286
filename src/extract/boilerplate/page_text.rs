//! Reports the parts of a page outside its article: the crate that finds the main text does not report what it drops.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use dom_query::{Document, NodeRef};

use crate::article::clean_line;
use crate::extract::budget::Budget;
use crate::extract::draft::{BlockKind, Draft};
use crate::extract::error::ExtractError;
use crate::extract::fields::{byline, dates};
use crate::extract::line::Line;
use crate::extract::phrases::{Furniture, furniture, is_teaser_heading};
use crate::extract::report::{CutReason, Report};

/// Consecutive words shared with the article for which a line counts as kept: it was only split differently.
const SAME_WORDS: usize = 6;
/// Maximum size of adjacent lines reported as one cut, in bytes.
const GROUP_BYTES: usize = 2_000;

/// Elements that belong to no article, by the usual names: dialogs, cookie consent, subscription and donation
/// requests, teasers of other sites. Some have more running text than a short article, so they are removed before the
/// main text is searched for.
const BOXES: &str = "[role=dialog], [role=alertdialog], [class*=modal], [id*=modal], [class*=consent], [id*=consent], \
    [class*=cookie], [id*=cookie], [id^=onetrust], [id^=didomi], [class*=qc-cmp], [id*=gdpr], [class*=gdpr], \
    [id^=sp_message], [id^=truste], [class*=newsletter], [id*=newsletter], [class*=donat], [class*=taboola], \
    [id*=taboola], [class*=outbrain], [class*=recirc], [class*=author-bio], [class*=authorbio]";

/// A page's whole text, one line for each block, in reading order.
pub(crate) struct PageText {
    text: String,
    lines: Vec<Range<usize>>,
}

impl PageText {
    /// Reads a page before anything is cut.
    pub(crate) fn read(document: &Document, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let mut page = Self { text: String::new(), lines: Vec::new() };
        let mut line = String::new();
        if let Some(body) = document.body() {
            page.visit(&body, &mut line, budget)?;
        }
        page.flush(&mut line);
        Ok(page)
    }

    /// Returns the whole text, for sorting the cuts.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Removes the boxes of a page. A box that holds most of the page stays: sites mark the whole page as having such
    /// a box, or show their articles in one.
    pub(crate) fn cut_boxes(&self, document: &Document, budget: &Budget<'_>) -> Result<(), ExtractError> {
        for node in document.select(BOXES).nodes() {
            let bytes = node.text().len();
            budget.read(bytes)?;
            if bytes * 2 < self.text.len() {
                node.remove_from_parent();
            }
        }
        Ok(())
    }

    fn visit(&mut self, node: &NodeRef<'_>, line: &mut String, budget: &Budget<'_>) -> Result<(), ExtractError> {
        for child in node.children_it(false) {
            if child.is_text() {
                let text = child.text();
                budget.read(text.len())?;
                line.push_str(&text);
                continue;
            }
            budget.step()?;
            let Some(name) = child.node_name() else { continue };
            match &*name {
                "script" | "style" | "noscript" | "template" | "svg" | "iframe" | "object" | "select" | "textarea" => {}
                "br" => line.push(' '),
                "a" | "abbr" | "b" | "bdi" | "bdo" | "cite" | "code" | "em" | "font" | "i" | "label" | "mark" | "q"
                | "s" | "small" | "span" | "strong" | "sub" | "sup" | "time" | "u" | "wbr" => {
                    self.visit(&child, line, budget)?
                }
                _ => {
                    self.flush(line);
                    self.visit(&child, line, budget)?;
                    self.flush(line);
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, line: &mut String) {
        let text = clean_line(line);
        line.clear();
        if text.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(&text);
        self.lines.push(start..self.text.len());
        self.text.push('\n');
    }

    /// Reports every line that is neither in `kept` nor in a field.
    pub(crate) fn report(
        &self,
        kept: &[Line],
        draft: &Draft,
        report: &mut Report,
        budget: &Budget<'_>,
    ) -> Result<(), ExtractError> {
        budget.read(kept.iter().map(|line| line.text.len()).sum())?;
        let moved = |line: &str| line == draft.headline || line == draft.subheadline;
        let whole: HashSet<&str> = kept.iter().map(|line| line.text.as_str()).collect();
        let runs: HashSet<u64> = kept.iter().flat_map(|line| runs(&line.text)).collect();
        let is_kept = |line: &str| whole.contains(line) || self::runs(line).any(|run| runs.contains(&run));
        let mut group: Option<(CutReason, Range<usize>)> = None;
        for range in &self.lines {
            let line = &self.text[range.clone()];
            budget.read(line.len())?;
            if moved(line) || is_kept(line) {
                self.note(group.take(), report);
                continue;
            }
            let before = group.as_ref().map(|(reason, _)| *reason);
            let reason = reason(line, before, draft);
            match &mut group {
                Some((same, together)) if *same == reason && together.len() < GROUP_BYTES => together.end = range.end,
                _ => self.note(group.replace((reason, range.clone())), report),
            }
        }
        self.note(group, report);
        Ok(())
    }

    fn note(&self, group: Option<(CutReason, Range<usize>)>, report: &mut Report) {
        let Some((reason, range)) = group else { return };
        let text = &self.text[range];
        // Running text outside of the article is the likeliest mistake, so it gets a lower confidence.
        let prose = text.lines().any(|line| Line::new(line.to_owned(), BlockKind::Paragraph).is_prose());
        report.cut(text, reason, "outside-main-text", if prose { 0.6 } else { 0.9 });
    }
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

    #[test]
    fn boxes_go_and_pages_in_boxes_stay() {
        let text = "Running text of an article about boats. ".repeat(3);
        let page = |class: &str| {
            let page = format!(
                "<body><div class='{class}'><p>{text}</p></div><div class=cookie-list>We use cookies.</div></body>"
            );
            let document = Document::from(page);
            let limits = Limits::default();
            let budget = Budget::unattended(&limits);
            PageText::read(&document, &budget).unwrap().cut_boxes(&document, &budget).unwrap();
            document.text().to_string()
        };
        assert_eq!(page("story").trim(), text.trim());
        assert_eq!(page("modal-open").trim(), text.trim());
    }

    #[test]
    fn what_is_left_out_is_said_with_its_reason_and_what_is_kept_is_not() {
        let page = "<html><head><title>no</title></head><body><nav><li>Home</li><li>Sport</li></nav><h1>Head line</h1>\
            <p>By Ida Quill</p><article><p>The text of <b>the</b> article is kept.</p></article>\
            <aside><h2>Top stories</h2><ul><li>Boats sink</li><li>Boats rise</li></ul></aside><p>Share on X</p>\
            <script>code()</script></body></html>";
        let limits = Limits::default();
        let budget = Budget::unattended(&limits);
        let page = PageText::read(&Document::from(page), &budget).unwrap();
        let kept = [Line::new("The text of the article is kept.".into(), BlockKind::Paragraph)];
        let draft = Draft { headline: "Head line".into(), authors: vec!["Ida Quill".into()], ..Draft::default() };
        let mut report = Report::default();
        page.report(&kept, &draft, &mut report, &budget).unwrap();
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
