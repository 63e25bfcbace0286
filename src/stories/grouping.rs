//! Decisions about memberships: the changes of a step, from the records of changed articles.
//!
//! A decision depends on the stored memberships and on the record alone, so that a replica that takes over continues
//! as the one before it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::clustering::{Clusterer, Features, MAX_SPAN, Report, founder_of, round_of};
use super::facts::Facts;
use super::texts::Texts;
use crate::article::{ArticleId, StoryId};
use crate::store::StoryMember;

/// Time after which an article is too old to be compared with others, in microseconds.
const WINDOW: i64 = MAX_SPAN as i64 * 1_000_000;

/// Maximum number of articles that are forgotten for each that is added.
const FORGOTTEN: usize = 8;

/// Membership that grouping knows.
#[derive(Clone, Debug)]
struct Known {
    id: ArticleId,
    story: StoryId,
    by_editor: bool,
    facts: Facts,
}

/// Article with the facts and the features of its newest revision.
pub(super) struct Changed {
    pub(super) id: ArticleId,
    /// None if it has been purged.
    pub(super) facts: Option<Facts>,
    /// Features of its text, for an article that is readable.
    pub(super) features: Option<Arc<Features>>,
}

/// Changes of a step.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) members: BTreeMap<ArticleId, StoryMember>,
    /// Articles that are not known, and may have a membership.
    pub(super) renumbered: Vec<ArticleId>,
    pub(super) merges: Vec<(StoryId, StoryId)>,
    /// Number of articles that are new.
    added: u64,
}

/// Recent memberships, and the texts that new articles are compared with.
#[derive(Default)]
pub(super) struct Grouping {
    clusterer: Clusterer,
    /// By the number of the article.
    known: BTreeMap<u64, Known>,
    numbers: HashMap<ArticleId, u64>,
    /// Times of the articles, with their numbers.
    times: BTreeSet<(i64, u64)>,
    /// By the number of the story.
    stories: HashMap<u64, StoryId>,
    texts: Texts,
    /// Time of the latest article, in microseconds since 1970.
    latest: i64,
}

impl Grouping {
    /// Restores a stored membership.
    pub(super) fn restore(&mut self, member: StoryMember) {
        let Some(facts) = Facts::decoded(&member.report) else { return };
        self.latest = self.latest.max(facts.time);
        if let Some(features) = Features::decode(&facts.features).filter(|_| facts.is_readable) {
            let report = report(&facts, Arc::new(features), member.by_editor);
            self.clusterer.restore(facts.number, report, facts.story);
        }
        self.texts.add(facts.story, &facts);
        self.stories.insert(facts.story, member.story);
        self.numbers.insert(member.article.clone(), facts.number);
        self.times.insert((facts.time, facts.number));
        let known = Known { id: member.article, story: member.story, by_editor: member.by_editor, facts };
        if known.is_held() {
            self.clusterer.hold(known.facts.story);
        }
        self.known.insert(known.facts.number, known);
    }

    /// Takes a membership that an editor has changed. An article whose report is empty is not known any more.
    pub(super) fn replace(&mut self, member: StoryMember) {
        if let Some(number) = self.numbers.get(&member.article).copied() {
            self.remove(number);
        }
        self.restore(member);
    }

    /// Returns true if the text of an article that is readable has to be analyzed: it is not known as it is.
    pub(super) fn needs_features(&self, id: &ArticleId, facts: &Facts) -> bool {
        let known = self.numbers.get(id).and_then(|number| self.known.get(number));
        let is_known =
            known.is_some_and(|known| known.facts.digest == facts.digest && !known.facts.features.is_empty());
        facts.is_readable && !is_known && facts.time >= self.oldest()
    }

    /// Returns the time of the oldest articles that are compared.
    fn oldest(&self) -> i64 {
        self.latest.saturating_sub(WINDOW)
    }

    /// Decides about a changed article. New ones get the numbers after `last`: the number of the last change of a
    /// membership before the step, which grows by one at least for each.
    pub(super) fn apply(&mut self, changed: Changed, last: u64, changes: &mut Changes) {
        let known = self.numbers.get(&changed.id).copied();
        let Some(facts) = changed.facts else {
            match known {
                Some(number) => self.forget(number, changes),
                None => changes.renumbered.push(changed.id),
            }
            return;
        };
        match (known, changed.features) {
            (Some(number), None) => self.change_facts(number, facts, changes),
            (Some(number), Some(features)) => self.group(changed.id, number, facts, features, changes),
            (None, Some(features)) => {
                changes.added += 1;
                self.group(changed.id, last + changes.added, facts, features, changes);
            }
            // Not readable, or too old: it has no story, or one from when it was not.
            (None, None) => changes.renumbered.push(changed.id),
        }
    }

    /// Takes facts that leave the text as it is.
    fn change_facts(&mut self, number: u64, facts: Facts, changes: &mut Changes) {
        let Some(known) = self.known.get_mut(&number) else { return };
        self.times.remove(&(known.facts.time, number));
        self.times.insert((facts.time, number));
        let had = std::mem::take(&mut known.facts);
        known.facts = Facts {
            number,
            story: had.story,
            text: had.text,
            features: had.features.clone(),
            sketch: had.sketch.clone(),
            digest: had.digest.clone(),
            ..facts
        };
        if known.facts == had {
            return;
        }
        changes.members.insert(known.id.clone(), known.member());
        if known.by_editor && had.is_readable != known.facts.is_readable {
            match known.is_held() {
                true => self.clusterer.hold(had.story),
                false => self.clusterer.release(had.story),
            }
        }
        match (had.is_readable, known.facts.is_readable) {
            // It leaves the story's counts, and keeps its story.
            (true, false) => self.clusterer.remove(number),
            // It comes back, or its time or source has changed.
            (_, true) => {
                if let Some(features) = Features::decode(&known.facts.features) {
                    let report = report(&known.facts, Arc::new(features), known.by_editor);
                    self.clusterer.restore(number, report, known.facts.story);
                }
            }
            _ => {}
        }
    }

    /// Decides about the story of a text.
    fn group(&mut self, id: ArticleId, number: u64, facts: Facts, features: Arc<Features>, changes: &mut Changes) {
        let before = self.known.get(&number);
        let by_editor = before.is_some_and(|known| known.by_editor);
        if let Some(known) = before {
            self.texts.remove(known.facts.story, &known.facts);
            self.times.remove(&(known.facts.time, number));
            if known.is_held() {
                // It is readable now.
                self.clusterer.release(known.facts.story);
            }
        }
        self.latest = self.latest.max(facts.time);
        self.times.insert((facts.time, number));
        let mut facts = Facts { number, features: features.encode(), ..facts };
        let report = report(&facts, features, by_editor);
        let step = match before.filter(|known| known.by_editor) {
            // An editor's decision holds for later revisions.
            Some(known) => {
                self.clusterer.restore(number, report, known.facts.story);
                super::clustering::Step { story: known.facts.story, ..Default::default() }
            }
            None => self.clusterer.add(number, report),
        };
        facts.story = step.story;
        let story = self.story_id(step.story, &id);
        self.numbers.insert(id.clone(), number);
        self.known.insert(number, Known { id, story, by_editor, facts });
        self.place(number, step.story, changes);
        for (from, into) in &step.merges {
            self.merge(*from, *into, changes);
        }
        for (article, story) in &step.assignments {
            self.place(*article, *story, changes);
        }
        self.forget_old(changes);
    }

    /// Moves all articles of a story to another one.
    fn merge(&mut self, from: u64, into: u64, changes: &mut Changes) {
        let moved: Vec<u64> =
            self.known.iter().filter(|(_, known)| known.facts.story == from).map(|(number, _)| *number).collect();
        for number in moved {
            self.place(number, into, changes);
        }
        if let (Some(former), Some(heir)) = (self.stories.get(&from), self.stories.get(&into)) {
            changes.merges.push((*former, *heir));
        }
    }

    /// Notes the story of an article, and which of the story's texts it has.
    fn place(&mut self, number: u64, story: u64, changes: &mut Changes) {
        let Some(known) = self.known.get(&number) else { return };
        let id = known.id.clone();
        let story_id = self.story_id(story, &id);
        let Some(known) = self.known.get_mut(&number) else { return };
        self.texts.remove(known.facts.story, &known.facts);
        known.facts.story = story;
        known.facts.text = self.texts.text_of(story, &known.facts);
        known.story = story_id;
        self.texts.add(story, &known.facts);
        changes.members.insert(id, known.member());
    }

    /// Returns the ID of a story. A new one is founded by the article whose number it has, which is `article` unless
    /// that is known.
    fn story_id(&mut self, story: u64, article: &ArticleId) -> StoryId {
        let known = &self.known;
        *self.stories.entry(story).or_insert_with(|| {
            let founder = known.get(&founder_of(story)).map_or(article, |known| &known.id);
            StoryId::founded_by(founder, round_of(story))
        })
    }

    /// Empties the report of an article, which keeps its story.
    fn forget(&mut self, number: u64, changes: &mut Changes) {
        let Some(known) = self.remove(number) else { return };
        changes.members.insert(known.id.clone(), StoryMember { report: Vec::new(), ..known.member() });
    }

    /// Removes an article that is known.
    fn remove(&mut self, number: u64) -> Option<Known> {
        let known = self.known.remove(&number)?;
        self.clusterer.remove(number);
        self.numbers.remove(&known.id);
        self.times.remove(&(known.facts.time, number));
        self.texts.remove(known.facts.story, &known.facts);
        if known.is_held() {
            self.clusterer.release(known.facts.story);
        }
        Some(known)
    }

    /// Empties the reports of some articles that are too old: when depends on the articles alone, not on a clock.
    fn forget_old(&mut self, changes: &mut Changes) {
        for _ in 0..FORGOTTEN {
            match self.times.first() {
                Some(&(time, number)) if time < self.oldest() => self.forget(number, changes),
                _ => break,
            }
        }
        if self.stories.len() > 2 * self.known.len() + 1_000 {
            let used: HashSet<u64> = self.known.values().map(|known| known.facts.story).collect();
            self.stories.retain(|story, _| used.contains(story));
        }
    }

    /// Returns the number of articles that are compared with new ones.
    pub(super) fn len(&self) -> usize {
        self.clusterer.len()
    }
}

impl Known {
    /// Returns true if an editor has decided its story, and it is hidden: it pins the story without a report.
    fn is_held(&self) -> bool {
        self.by_editor && !self.facts.is_readable
    }

    fn member(&self) -> StoryMember {
        StoryMember {
            article: self.id.clone(),
            story: self.story,
            by_editor: self.by_editor,
            report: self.facts.encoded(),
        }
    }
}

fn report(facts: &Facts, features: Arc<Features>, by_editor: bool) -> Report {
    Report {
        time: facts.time.div_euclid(1_000_000),
        source: xxhash_rust::xxh3::xxh3_64(facts.source.as_bytes()),
        is_pinned: by_editor,
        features,
    }
}
