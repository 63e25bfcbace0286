//! Applies a new grouping of reports to the stories of the window, and keeps the names of stories where it can.

use std::collections::BTreeMap;

use super::window::Window;

/// Changes by a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Story of the new report.
    pub story: u64,
    /// Stories that ended, with the stories that have all their articles now. Apply them in order, then assignments.
    pub merges: Vec<(u64, u64)>,
    /// Articles with their new stories: the new one, and those that were moved one by one.
    pub assignments: Vec<(u64, u64)>,
}

/// Names of groups by their places, and the stories that end as a whole with the groups that have them now.
struct Naming {
    names: BTreeMap<usize, u64>,
    ended: Vec<(u64, usize)>,
}

/// Makes a story of each group of reports, given by their slots. `provisional` is the name of a story that has the new
/// report only.
///
/// A story keeps its name in the group that has most of its reports, and of equal ones in that with the earliest
/// article. A group that has most of several stories takes the smallest of their names. A group that has most of none
/// takes the number of its first article.
pub(super) fn regroup(window: &mut Window, groups: &[Vec<u32>], provisional: u64, step: &mut Step) {
    let naming = name(window, groups, provisional);
    for (name, group) in naming.ended {
        let Some(into) = naming.names.get(&group).filter(|into| **into != name) else { continue };
        if let (Some(one), Some(other)) = (window.story_named(name), window.story_named(*into)) {
            step.merges.push(window.merge(one, other));
        }
    }
    for (group, slots) in groups.iter().enumerate() {
        let name = naming.names.get(&group).copied().unwrap_or_else(|| {
            let articles = slots.iter().map(|slot| window.report(*slot).article);
            window.free_name(articles.min().unwrap_or_default())
        });
        let target = window.story_of_name(name);
        for slot in slots {
            if window.report(*slot).story != target {
                window.transfer(*slot, target);
                step.assignments.push((window.report(*slot).article, name));
            }
        }
    }
    step.assignments.sort_unstable();
}

fn name(window: &Window, groups: &[Vec<u32>], provisional: u64) -> Naming {
    // Reports of each story in each group, with the first article among them.
    let mut shares: BTreeMap<u64, BTreeMap<usize, (usize, u64)>> = BTreeMap::new();
    for (group, slots) in groups.iter().enumerate() {
        for slot in slots {
            let held = window.report(*slot);
            let share = shares.entry(window.story(held.story).name).or_default();
            let (reports, first) = share.entry(group).or_insert((0, held.article));
            (*reports, *first) = (*reports + 1, held.article.min(*first));
        }
    }
    let new = shares.remove_entry(&provisional);
    let mut naming = Naming { names: BTreeMap::new(), ended: Vec::new() };
    for (name, share) in shares.into_iter().chain(new) {
        let largest = share.iter().min_by_key(|(_, (reports, first))| (std::cmp::Reverse(*reports), *first));
        if let Some((group, _)) = largest {
            naming.names.entry(*group).or_insert(name);
            if share.len() == 1 && name != provisional {
                naming.ended.push((name, *group));
            }
        }
    }
    naming
}
