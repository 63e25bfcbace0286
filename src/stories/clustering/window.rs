//! Reports and stories in the window, without any decision.

use std::collections::{BTreeSet, HashMap};

use super::index::Index;
use super::report::Report;

/// Maximum number of the earliest reports of a story that stand for it.
const EARLIEST: usize = 4;
/// Maximum number of the latest reports of a story that stand for it.
const LATEST: usize = 8;

/// Number of bits of the number of an article in the name of the story that it founds. The rest is the round.
const ROUND_BITS: u32 = 56;

/// Returns the number of the article that founded a story.
pub fn founder_of(story: u64) -> u64 {
    story & ((1 << ROUND_BITS) - 1)
}

/// Returns how often the article had founded a story that existed when it founded this one.
pub fn round_of(story: u64) -> u8 {
    (story >> ROUND_BITS) as u8
}

/// Report in the window.
#[derive(Debug)]
pub(super) struct Held {
    pub article: u64,
    pub report: Report,
    pub story: u32,
}

/// Story in the window. It has at least one report.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub name: u64,
    /// Times and numbers of its articles, ascending, with their slots.
    members: Vec<(i64, u64, u32)>,
    pub pinned: u32,
}

/// Reports by article, stories by name, and their index.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub index: Index,
    reports: Slab<Held>,
    stories: Slab<Story>,
    by_article: HashMap<u64, u32>,
    by_name: HashMap<u64, u32>,
    by_time: BTreeSet<(i64, u64)>,
}

/// Values with numbers that are used again.
#[derive(Debug)]
struct Slab<T> {
    values: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.values[slot as usize] = Some(value);
            return slot;
        }
        self.values.push(Some(value));
        (self.values.len() - 1) as u32
    }

    fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.values.get_mut(slot as usize)?.take();
        if value.is_some() {
            self.free.push(slot);
        }
        value
    }

    fn get(&self, slot: u32) -> &T {
        self.values[slot as usize].as_ref().expect("a slot is known as long as it has a value")
    }

    fn get_mut(&mut self, slot: u32) -> &mut T {
        self.values[slot as usize].as_mut().expect("a slot is known as long as it has a value")
    }
}

impl Story {
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns the times of the earliest and the latest report.
    pub fn times(&self) -> (i64, i64) {
        let time = |member: Option<&(i64, u64, u32)>| member.map_or(0, |(time, ..)| *time);
        (time(self.members.first()), time(self.members.last()))
    }

    /// Returns the slots of the reports that stand for the story: the earliest and the latest ones.
    pub fn exemplars(&self) -> Vec<u32> {
        let latest = self.members.len().saturating_sub(LATEST).max(EARLIEST.min(self.members.len()));
        let chosen = self.members.iter().take(EARLIEST).chain(&self.members[latest..]);
        chosen.map(|(.., slot)| *slot).collect()
    }
}

impl Window {
    pub fn report(&self, slot: u32) -> &Held {
        self.reports.get(slot)
    }

    pub fn story(&self, story: u32) -> &Story {
        self.stories.get(story)
    }

    pub fn slot_of(&self, article: u64) -> Option<u32> {
        self.by_article.get(&article).copied()
    }

    pub fn story_named(&self, name: u64) -> Option<u32> {
        self.by_name.get(&name).copied()
    }

    /// Returns the name of a new story of an article: its number, unless that still is the name of a story that it has
    /// left. Then the highest byte is the first that is free: the round.
    pub fn free_name(&self, article: u64) -> u64 {
        (0..=u64::from(u8::MAX))
            .map(|round| article ^ (round << ROUND_BITS))
            .find(|name| self.story_named(*name).is_none())
            .unwrap_or(article)
    }

    pub fn len(&self) -> usize {
        self.by_article.len()
    }

    /// Returns the articles before a time, in order of time.
    pub fn before(&self, time: i64) -> Vec<u64> {
        self.by_time.range(..(time, 0)).map(|(_, article)| *article).collect()
    }

    /// Returns the story of a name, without reports if it is new. A report has to be put into it.
    pub fn story_of_name(&mut self, name: u64) -> u32 {
        if let Some(story) = self.story_named(name) {
            return story;
        }
        let story = self.stories.insert(Story { name, ..Story::default() });
        self.by_name.insert(name, story);
        story
    }

    /// Puts a new report into a story. The keys of its features have been counted already.
    pub fn insert(&mut self, article: u64, report: Report, story: u32) -> u32 {
        self.by_time.insert((report.time, article));
        let slot = self.reports.insert(Held { article, report, story });
        self.by_article.insert(article, slot);
        self.attach(slot, story);
        slot
    }

    /// Removes a report, and its story if that has no other.
    pub fn remove(&mut self, article: u64) -> Option<Held> {
        let slot = self.by_article.remove(&article)?;
        self.detach(slot);
        let held = self.reports.remove(slot)?;
        self.by_time.remove(&(held.report.time, article));
        self.index.discount(&held.report.features);
        Some(held)
    }

    /// Moves a report to another story. Removes its former story if that has no other report.
    pub fn transfer(&mut self, slot: u32, story: u32) {
        self.detach(slot);
        self.attach(slot, story);
    }

    pub fn pin(&mut self, slot: u32) {
        let held = self.reports.get_mut(slot);
        if !std::mem::replace(&mut held.report.is_pinned, true) {
            let story = held.story;
            self.stories.get_mut(story).pinned += 1;
        }
    }

    /// Merges two stories. Returns the names: the one that ends, and the smaller one, which remains.
    pub fn merge(&mut self, one: u32, other: u32) -> (u64, u64) {
        let names = [self.story(one).name, self.story(other).name];
        let (into, from) = if self.story(one).len() >= self.story(other).len() { (one, other) } else { (other, one) };
        self.change(into, |window| {
            let former = window.stories.get(from).exemplars();
            for slot in former {
                window.index.remove_exemplar(slot, &window.reports.get(slot).report.features);
            }
            let Some(story) = window.stories.remove(from) else { return };
            for (.., slot) in &story.members {
                window.reports.get_mut(*slot).story = into;
            }
            let merged = window.stories.get_mut(into);
            merged.members.extend(story.members);
            // Two sorted runs.
            merged.members.sort();
            merged.pinned += story.pinned;
        });
        let (name, ended) = (names[0].min(names[1]), names[0].max(names[1]));
        self.by_name.remove(&ended);
        self.by_name.insert(name, into);
        self.stories.get_mut(into).name = name;
        (ended, name)
    }

    fn attach(&mut self, slot: u32, story: u32) {
        self.change(story, |window| {
            let held = window.reports.get_mut(slot);
            held.story = story;
            let member = (held.report.time, held.article, slot);
            let is_pinned = held.report.is_pinned;
            let story = window.stories.get_mut(story);
            let place = story.members.partition_point(|other| *other < member);
            story.members.insert(place, member);
            story.pinned += u32::from(is_pinned);
        });
    }

    fn detach(&mut self, slot: u32) {
        let story = self.reports.get(slot).story;
        self.change(story, |window| {
            let held = window.reports.get(slot);
            let member = (held.report.time, held.article, slot);
            let story = window.stories.get_mut(story);
            story.pinned -= u32::from(held.report.is_pinned);
            if let Ok(place) = story.members.binary_search(&member) {
                story.members.remove(place);
            }
        });
        if self.stories.get(story).members.is_empty()
            && let Some(story) = self.stories.remove(story)
        {
            self.by_name.remove(&story.name);
        }
    }

    /// Changes the members of a story, and the index by what that changes in its exemplars.
    fn change(&mut self, story: u32, change: impl FnOnce(&mut Self)) {
        let before = self.stories.get(story).exemplars();
        change(self);
        let after = self.stories.get(story).exemplars();
        for slot in before.iter().filter(|slot| !after.contains(slot)) {
            self.index.remove_exemplar(*slot, &self.reports.get(*slot).report.features);
        }
        for slot in after.iter().filter(|slot| !before.contains(slot)) {
            self.index.insert_exemplar(*slot, &self.reports.get(*slot).report.features);
        }
    }
}
