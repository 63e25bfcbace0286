//! Online clustering of reports into stories.
//!
//! A decision depends on the reports in the window, their stories, and the new report, and on nothing else: a replica
//! that restores the same reports decides as the one that wrote them.

use std::collections::HashMap;

use super::linkage::{Group, agglomerate, is_enough, linkage, nearness};
use super::rarity::rarity;
use super::regroup::{Step, regroup};
use super::report::Report;
use super::similarity::Profile;
use super::window::Window;

/// Maximum number of stories that a report is compared with.
const MAX_CANDIDATES: usize = 8;
/// Part of the best candidate's shared rarity that another candidate must have, as a divisor.
const MIN_PART: u64 = 5;
/// Minimum linkage of a report and a story by which the story is grouped again together with the report.
const MIN_RELATED: u32 = 400;
/// Maximum number of reports that are grouped again.
const MAX_REGROUPED: usize = 32;
/// Maximum number of reports of a story that is grouped again report by report. Larger stories stay whole.
const MAX_SMALL: usize = 12;

/// Stories of the reports in a window of time.
#[derive(Debug, Default)]
pub struct Clusterer {
    window: Window,
    /// Number of articles that editors have moved to a story and that have no report at present, by its name.
    held: HashMap<u64, u32>,
}

/// Story that a new report may belong to.
struct Candidate {
    story: u32,
    name: u64,
    linkage: u32,
    /// True if the report belongs to the story by its linkage.
    is_enough: bool,
    slots: Vec<u32>,
    profiles: Vec<Profile>,
}

impl Clusterer {
    /// Returns a clusterer without reports.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of reports in the window.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Returns true if the window has no reports.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the story of an article; none if it is not in the window.
    pub fn story_of(&self, article: u64) -> Option<u64> {
        let slot = self.window.slot_of(article)?;
        Some(self.window.story(self.window.report(slot).story).name)
    }

    /// Adds a report and decides on its story. Replaces the report of the same article.
    pub fn add(&mut self, article: u64, report: Report) -> Step {
        self.window.remove(article);
        self.window.index.count(&report.features);
        let profile = Profile::of(&report, false, &self.window.index);
        let mut related = self.related(&report, &profile);
        // A story that an editor has changed takes new reports, and is not grouped again.
        let is_pinned = |candidate: &Candidate| {
            self.window.story(candidate.story).pinned > 0 || self.held.contains_key(&candidate.name)
        };
        let joined = related.first().filter(|best| is_pinned(best) && best.is_enough).map(|best| best.story);
        related.retain(|candidate| !is_pinned(candidate));
        let provisional = self.window.free_name(article);
        let story = joined.unwrap_or_else(|| self.window.story_of_name(provisional));
        let slot = self.window.insert(article, report, story);
        let mut step = Step::default();
        if joined.is_none() && !related.is_empty() {
            let groups = self.groups(slot, profile, related);
            regroup(&mut self.window, &groups, provisional, &mut step);
        }
        step.story = self.window.story(self.window.report(slot).story).name;
        step.assignments.retain(|(moved, _)| *moved != article);
        step.assignments.insert(0, (article, step.story));
        step
    }

    /// Restores a report in its story, without a decision.
    pub fn restore(&mut self, article: u64, report: Report, story: u64) {
        self.window.remove(article);
        self.window.index.count(&report.features);
        let story = self.window.story_of_name(story);
        self.window.insert(article, report, story);
    }

    /// Removes the report of an article that was withdrawn or whose text has changed.
    pub fn remove(&mut self, article: u64) {
        self.window.remove(article);
    }

    /// Pins a story for an article that has no report at present: it is hidden.
    pub fn hold(&mut self, story: u64) {
        *self.held.entry(story).or_default() += 1;
    }

    /// Reverts a call of [`Clusterer::hold`].
    pub fn release(&mut self, story: u64) {
        if let Some(count) = self.held.get_mut(&story) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&story);
            }
        }
    }

    /// Removes the reports before a time in seconds. Returns their number.
    pub fn forget_before(&mut self, time: i64) -> usize {
        let old = self.window.before(time);
        for article in &old {
            self.window.remove(*article);
        }
        old.len()
    }

    /// Moves an article to a story on behalf of an editor, and pins it there. The story need not exist. Returns false
    /// if the article is not in the window.
    pub fn move_to(&mut self, article: u64, story: u64) -> bool {
        let Some(slot) = self.window.slot_of(article) else { return false };
        let target = self.window.story_of_name(story);
        if target != self.window.report(slot).story {
            self.window.transfer(slot, target);
        }
        self.window.pin(slot);
        true
    }

    /// Returns the stories that are related to a report, the closest first.
    fn related(&self, report: &Report, profile: &Profile) -> Vec<Candidate> {
        let stories: Vec<(u32, Vec<u32>)> =
            self.candidates(report).into_iter().map(|story| (story, self.window.story(story).exemplars())).collect();
        let has_one_language = stories
            .iter()
            .flat_map(|(_, slots)| slots)
            .all(|slot| self.window.report(*slot).report.features.language == report.features.language);
        let profile_of =
            |slot: &u32| Profile::of(&self.window.report(*slot).report, has_one_language, &self.window.index);
        let mut related = Vec::new();
        for (story, slots) in stories {
            let mut profiles: Vec<Profile> = slots.iter().map(profile_of).collect();
            let own = profiles.len();
            profiles.push(profile.clone());
            let group = Group::of((0..own).collect(), &profiles);
            let linkage = linkage(&group, &Group::of(vec![own], &profiles), &profiles);
            if linkage >= MIN_RELATED {
                profiles.pop();
                let name = self.window.story(story).name;
                related.push(Candidate {
                    story,
                    name,
                    linkage,
                    is_enough: is_enough(linkage, own as u64),
                    slots,
                    profiles,
                });
            }
        }
        related.sort_by_key(|candidate| (std::cmp::Reverse(candidate.linkage), candidate.name));
        related
    }

    /// Returns the stories that share the rarest keys with a report and are close in time.
    fn candidates(&self, report: &Report) -> Vec<u32> {
        let index = &self.window.index;
        let mut shared = index.sharing(&report.features, |key| rarity(index, key));
        shared.sort_unstable();
        let mut stories: Vec<(u32, u64)> = shared
            .chunk_by(|one, other| one.0 == other.0)
            .map(|keys| {
                let weight = keys.iter().map(|(_, rarity)| u64::from(*rarity).pow(2)).sum();
                (self.window.report(keys[0].0).story, weight)
            })
            .collect();
        // The closest exemplar of a story counts.
        stories.sort_unstable_by_key(|(story, weight)| (*story, std::cmp::Reverse(*weight)));
        stories.dedup_by_key(|(story, _)| *story);
        let time = (report.time, report.time);
        stories.retain(|(story, _)| nearness(self.window.story(*story).times(), time) > 0);
        stories.sort_unstable_by_key(|(story, weight)| (std::cmp::Reverse(*weight), self.window.story(*story).name));
        let least = stories.first().map_or(0, |(_, weight)| weight / MIN_PART);
        let candidates = stories.into_iter().take_while(|(_, weight)| *weight >= least).take(MAX_CANDIDATES);
        candidates.map(|(story, _)| story).collect()
    }

    /// Groups a new report and the reports of related stories again, so that the order of arrival matters little.
    /// Returns the groups with the slots of their reports.
    fn groups(&self, slot: u32, profile: Profile, related: Vec<Candidate>) -> Vec<Vec<u32>> {
        let (mut slots, mut profiles) = (vec![slot], vec![profile]);
        let mut groups = vec![vec![0]];
        for candidate in related {
            let places = slots.len()..slots.len() + candidate.slots.len();
            if places.end > MAX_REGROUPED {
                break;
            }
            if self.window.story(candidate.story).len() > MAX_SMALL {
                groups.push(places.collect());
            } else {
                groups.extend(places.map(|place| vec![place]));
            }
            slots.extend(candidate.slots);
            profiles.extend(candidate.profiles);
        }
        groups.sort_by_key(|members| self.window.report(slots[members[0]]).article);
        let groups = groups.into_iter().map(|members| Group::of(members, &profiles)).collect();
        let groups = agglomerate(groups, &profiles).into_iter();
        groups.map(|group| group.members.into_iter().map(|place| slots[place]).collect()).collect()
    }
}

#[cfg(test)]
#[path = "clusterer_tests.rs"]
mod tests;
