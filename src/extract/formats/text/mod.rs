//! Text dumps: a page's text with its furniture, without markup.

mod features;
mod head;
mod headline;
mod lines;
mod main_text;
mod places;
mod script;
mod shape;
mod title_line;

pub(crate) use lines::check_size;

use super::kill_advisory;
use crate::article::clean_line;
use crate::extract::boilerplate::rules::CleaningContext;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::Draft;
use crate::extract::draft::Extracted;
use crate::extract::error::ExtractError;
use crate::extract::line::{Line, joined};
use crate::extract::pipeline;
use crate::extract::report::{Method, Report};
use headline::Headline;
use main_text::Judgement;

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
    report.method = Method::Text;
    if report.charset.is_empty() {
        report.charset = "UTF-8".into();
    }
    report.cut_invisible(text);
    let dump = lines::read(text, budget)?;
    let source = joined(&dump.lines);
    let judgement = Judgement::of(&dump, budget)?;
    let mut draft = Draft { publish_time: hints.stated_publish_time(), ..Draft::default() };
    let found = Headline::of(&dump.lines, &judgement, budget)?;
    draft.headline = hints.headline.map_or_else(|| found.text.clone(), clean_line);
    head::read(&dump.lines, &found, judgement.head_end(), &mut draft, budget)?;
    let lines = judgement.cut(dump.lines, (&found.text, found.at), found.from, &mut report);
    let headline = draft.headline.clone();
    kill_advisory::warn_of_kill(&lines, &draft, &mut report);
    let context =
        CleaningContext { headline: &headline, subheadline: "", is_dump: true, site: None, body_confidence: None };
    let mut extracted = pipeline::finish(lines, &context, hints, "", draft, report, budget)?;
    extracted.report.order(&source, budget)?;
    Ok(extracted)
}

/// Returns the lines of a text without boilerplate.
pub(crate) fn lines(text: &str, budget: &Budget<'_>) -> Result<Vec<Line>, ExtractError> {
    Ok(lines::read(text, budget)?.lines)
}

/// Returns the lines of a dump with their features, to train the line model.
pub fn line_features(text: &str) -> Vec<(String, Vec<f32>)> {
    let limits = crate::extract::document::Limits::default();
    let budget = Budget::unattended(&limits);
    budget.set_document_size(text.len());
    let Ok(dump) = lines::read(text, &budget) else { return Vec::new() };
    let Ok(features) = features::read(&dump, &budget) else { return Vec::new() };
    dump.lines.into_iter().zip(features).map(|(line, features)| (line.text, features.to_vec())).collect()
}

/// Returns the names of the features of a line.
pub fn line_feature_names() -> Vec<String> {
    features::names()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;
    use crate::extract::report::CutReason;

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
