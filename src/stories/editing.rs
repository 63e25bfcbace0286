//! Memberships of articles that an editor has put into a story.

use super::facts::Facts;
use super::texts::Texts;
use crate::article::StoryId;
use crate::store::StoryMember;

/// Puts articles into a story on behalf of an editor. Returns their memberships: pinned, with the facts that they have
/// there, in the order in which the articles were grouped.
///
/// `present` are the memberships of the other articles of the story. `new_number` is the number by which grouping knows
/// the story if it does not know any of these: one that no article and no story has.
pub(super) fn place(
    articles: Vec<StoryMember>,
    story: StoryId,
    present: &[StoryMember],
    new_number: u64,
) -> Vec<StoryMember> {
    let mut known: Vec<Facts> = present.iter().filter_map(|member| Facts::decoded(&member.report)).collect();
    known.sort_by_key(|facts| facts.number);
    let number = known.first().map_or(new_number, |facts| facts.story);
    let mut texts = Texts::default();
    known.iter().for_each(|facts| texts.add(number, facts));
    let mut placed: Vec<(Option<Facts>, StoryMember)> =
        articles.into_iter().map(|member| (Facts::decoded(&member.report), member)).collect();
    placed.sort_by_key(|(facts, _)| facts.as_ref().map(|facts| facts.number));
    let placed = placed.into_iter().map(|(facts, member)| {
        // Without facts it is out of the window, or purged: it counts in nothing, and keeps its report as it is.
        let report = facts.map(|mut facts| {
            facts.story = number;
            facts.text = texts.text_of(number, &facts);
            texts.add(number, &facts);
            facts.encoded()
        });
        StoryMember { story, by_editor: true, report: report.unwrap_or(member.report), ..member }
    });
    placed.collect()
}

/// Pins articles where they are. Returns the memberships that this changes.
pub(super) fn pin<'m>(articles: impl Iterator<Item = &'m StoryMember>) -> Vec<StoryMember> {
    let free = articles.filter(|member| !member.by_editor);
    free.map(|member| StoryMember { by_editor: true, ..member.clone() }).collect()
}

#[cfg(test)]
#[path = "editing_tests.rs"]
mod tests;
