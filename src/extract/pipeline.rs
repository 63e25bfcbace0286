//! Steps after reading that all formats share: cleaning, confidence and language.

use super::boilerplate::rules::{CleaningContext, clean};
use super::budget::Budget;
use super::document::Hints;
use super::draft::Draft;
use super::draft::Extracted;
use super::error::ExtractError;
use super::fields::{credits, dateline, language};
use super::line::{Line, fill};
use super::report::Report;

/// Cleans lines and fills the draft, for pages and dumps alike.
pub(super) fn finish(
    mut lines: Vec<Line>,
    context: &CleaningContext<'_>,
    hints: &Hints<'_>,
    said_language: &str,
    mut draft: Draft,
    mut report: Report,
    budget: &Budget<'_>,
) -> Result<Extracted, ExtractError> {
    let before: usize = lines.iter().map(Line::chars).sum();
    credits::take(&mut lines, &mut draft, &mut report);
    let lines = clean(lines, context, &mut draft, &mut report, budget)?;
    let prose: usize = lines.iter().filter(|line| line.is_prose()).map(Line::chars).sum();
    let after: usize = lines.iter().map(Line::chars).sum();
    if after == 0 || (prose == 0 && (!context.is_dump || draft.headline.is_empty())) {
        return Err(ExtractError::NoArticle);
    }
    if draft.agency.is_empty()
        && let Some(agency) = dateline::attributed(lines.iter().map(|line| line.text.as_str()))
    {
        draft.agency = agency.to_owned();
    }
    // Confidence: the share of running text, less the share that was cut.
    let share = prose as f32 / after as f32;
    let kept = after as f32 / before.max(1) as f32;
    let by_shape = (0.3 + 0.5 * share + 0.2 * kept).clamp(0.0, 1.0) * if prose < 400 { 0.7 } else { 1.0 };
    report.confidence = context.body_confidence.map_or(by_shape, |body| body.min(by_shape + 0.2));
    fill(&mut draft, lines);
    draft.language = language::of(hints.language.unwrap_or(said_language), &draft.body);
    Ok(Extracted { draft, report })
}
