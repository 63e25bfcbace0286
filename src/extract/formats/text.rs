//! Text dumps: a page's text with its furniture, without markup.

use crate::article::{clean_line, clean_text};
use crate::extract::boilerplate::rules::CleaningContext;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::Extracted;
use crate::extract::draft::{BlockKind, Draft};
use crate::extract::error::ExtractError;
use crate::extract::line::{Line, joined};
use crate::extract::pipeline;
use crate::extract::report::{CutReason, Report};

/// Maximum length of a headline, in characters.
const HEADLINE_CHARS: usize = 200;

/// Extracts an article from a text dump.
pub(crate) fn extract(
    text: &str,
    hints: &Hints<'_>,
    mut report: Report,
    budget: &Budget<'_>,
) -> Result<Extracted, ExtractError> {
    if text.trim().is_empty() {
        return Err(ExtractError::Empty);
    }
    report.method = "text";
    if report.charset.is_empty() {
        report.charset = "UTF-8".into();
    }
    report.cut_invisible(text);
    let mut lines = lines(text, budget)?;
    let source = joined(&lines);
    let mut draft = Draft { publish_time: hints.publish_time, ..Draft::default() };
    draft.headline = match hints.headline {
        Some(headline) => clean_line(headline),
        None => take_headline(&mut lines, &mut report),
    };
    let headline = draft.headline.clone();
    let context = CleaningContext { headline: &headline, subheadline: "", is_dump: true };
    let mut extracted = pipeline::finish(lines, &context, hints, "", draft, report, budget)?;
    extracted.report.order(&source, budget)?;
    Ok(extracted)
}

/// Returns the lines of a dump. Blank lines separate paragraphs. Other line breaks do too, unless the lines look
/// wrapped at a width.
pub(crate) fn lines(text: &str, budget: &Budget<'_>) -> Result<Vec<Line>, ExtractError> {
    // Every kind of line break ends a line.
    check_size(text.len(), text.bytes().filter(|byte| matches!(byte, b'\n' | b'\r')).count() / 2, budget)?;
    let mut out = Vec::new();
    let text = clean_text(text);
    check_size(text.len(), text.lines().count(), budget)?;
    for chunk in text.split("\n\n") {
        budget.read(chunk.len())?;
        let lines: Vec<&str> = chunk.lines().collect();
        if is_wrapped(&lines) {
            out.push(Line::new(clean_line(chunk), BlockKind::Paragraph));
        } else {
            out.extend(lines.into_iter().map(|line| Line::new(line.to_owned(), BlockKind::Paragraph)));
        }
    }
    out.retain(|line| !line.text.is_empty());
    Ok(out)
}

/// Rejects an article's text that is too long or has too many lines.
pub(crate) fn check_size(bytes: usize, lines: usize, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let (max_bytes, max_lines) = (budget.limits.max_text_bytes, budget.limits.max_lines);
    if bytes > max_bytes {
        return Err(ExtractError::TooComplex { limit: "bytes of text in one article", max: max_bytes as u64 });
    }
    if lines > max_lines {
        return Err(ExtractError::TooComplex { limit: "lines of text", max: max_lines as u64 });
    }
    Ok(())
}

/// Returns true if all lines except the last have about the same width and break within sentences.
fn is_wrapped(lines: &[&str]) -> bool {
    let Some((_, full)) = lines.split_last() else { return false };
    let widths: Vec<usize> = full.iter().map(|line| line.chars().count()).collect();
    let Some(widest) = widths.iter().max() else { return false };
    let broken = full.iter().filter(|line| !line.ends_with(['.', '!', '?', ':', '”', '"'])).count();
    *widest >= 40 && *widest <= 100 && widths.iter().all(|width| width * 10 >= widest * 7) && broken * 2 > full.len()
}

/// Takes the first line if it looks like a headline: short, and not ending like a sentence.
fn take_headline(lines: &mut Vec<Line>, report: &mut Report) -> String {
    let Some(first) = lines.first() else { return String::new() };
    let repeated = lines.get(1).is_some_and(|second| second.text == first.text);
    let short = first.chars() <= HEADLINE_CHARS && lines.len() > 1;
    let sentence = first.text.ends_with(['.', ',', ';', ':']) && !repeated;
    if !short || sentence {
        return String::new();
    }
    let headline = lines.remove(0).text;
    // The headline moves to its own field, which is no cut. Repetitions are cut.
    let again = lines.iter().take_while(|line| line.text == headline).count();
    for line in lines.drain(..again) {
        report.cut(&line.text, CutReason::RepeatedHeadline, "headline-repeated", 0.99);
    }
    headline
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    const DUMP: &str = "Harbour council to dredge channel – mayor

Harbour council to dredge channel – mayor

ElleryHerald.Net - The northern channel of Port Ellery will be dredged before the winter, whatever \
it costs, Mayor Ida Quill said.

“The harbour has been silting up for more than one year, and I do not see anything that could \
change that,” Quill told reporters.

“But this does not mean that we cannot agree on who pays. I think it is possible,” Quill said, Kyodo reported.

 Top stories
Authorities said a total of 19 boats were moored and 5 were moved during the works in the old basin.
In 2023, the harbour will raise its dues by more than 11 per cent, the second rise in two years.
The storm caused a temporary blackout, damaged many buildings and closed a number of coastal roads.
Partner news
---";

    fn extracted(text: &str) -> Extracted {
        extract(text, &Hints::default(), Report::default(), &Budget::unattended(&Limits::default())).unwrap()
    }

    #[test]
    fn a_dump_is_cleaned_and_says_what_was_cut() {
        let Extracted { draft, report } = extracted(DUMP);
        assert_eq!(draft.headline, "Harbour council to dredge channel – mayor");
        assert_eq!(
            (draft.publisher.as_str(), draft.agency.as_str(), draft.language.as_str()),
            ("ElleryHerald.Net", "Kyodo", "en")
        );
        let paragraphs: Vec<&str> = draft.body.split("\n\n").collect();
        assert_eq!(paragraphs.len(), 3);
        assert!(paragraphs[0].starts_with("The northern channel") && paragraphs[2].ends_with("Kyodo reported."));
        let cut = |reason| report.cuts.iter().filter(|cut| cut.reason == reason).count();
        assert_eq!((cut(CutReason::RepeatedHeadline), cut(CutReason::Teasers), cut(CutReason::Rule)), (1, 5, 1));
        assert_eq!(cut(CutReason::Dateline), 1);
    }

    #[test]
    fn wrapped_lines_are_one_paragraph() {
        let wrapped = "A headline about boats\n\nThe northern channel of Port Ellery will be dredged before\nthe \
            winter, whatever it costs, Mayor Ida Quill said, and the\nworks begin on Monday.";
        let Extracted { draft, .. } = extracted(wrapped);
        assert!(!draft.body.contains('\n'), "{}", draft.body);
    }
}
