//! Removal of lines, which the report lists.

use crate::extract::line::Line;
use crate::extract::report::{CutReason, Report};

/// Removes and reports the lines for which `judge` has a reason. `judge` gets the index of a line. Returns the removed
/// lines.
pub(super) fn cut(
    lines: &mut Vec<Line>,
    report: &mut Report,
    rule: &'static str,
    confidence: f32,
    judge: impl Fn(usize, &Line) -> Option<CutReason>,
) -> Vec<Line> {
    let mut at = 0;
    let removed = lines.extract_if(.., |line| {
        let reason = if line.is_object() { None } else { judge(at, line) };
        at += 1;
        if let Some(reason) = reason {
            report.cut(&line.text, reason, rule, confidence);
        }
        reason.is_some()
    });
    removed.collect()
}
