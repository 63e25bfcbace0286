//! Advisories in the text of a wire that ask to withdraw an article.

use crate::extract::draft::Draft;
use crate::extract::line::Line;
use crate::extract::phrases;
use crate::extract::report::{Report, Warning, WarningCode};

/// Adds a warning if the text asks to withdraw another article. It names the slugline or ID that the advisory gives;
/// nothing is withdrawn by guess.
pub(crate) fn warn_of_kill(lines: &[Line], draft: &Draft, report: &mut Report) {
    let head = lines.iter().filter(|line| !line.is_object()).take(3).map(|line| line.text.as_str());
    let mut texts = [draft.headline.as_str(), draft.wire.slugline.as_str(), draft.wire.editor_note.as_str()]
        .into_iter()
        .chain(head)
        .filter(|text| !text.is_empty());
    if let Some(advisory) = texts.find(|text| phrases::is_kill_advisory(text)) {
        let article = match (&draft.wire.slugline, &draft.external_id) {
            (slugline, _) if !slugline.is_empty() => format!(" about {slugline:?}"),
            (_, Some(id)) => format!(" in item {id:?}"),
            _ => String::new(),
        };
        let advisory: String = advisory.chars().take(200).collect();
        let message = format!("an advisory{article} asks to withdraw an article; withdraw it by its ID: {advisory}");
        report.warnings.push(Warning::new(WarningCode::KillAdvisory, message));
    }
}
