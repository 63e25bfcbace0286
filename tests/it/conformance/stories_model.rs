//! Random steps of grouping, against an in-memory model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use copydesk::article::{ArticleId, Position, StoryId};
use copydesk::store::{GroupedUntil, GroupingStep, NumberedMember, Store, StoryMember};

use super::engines::Engine;
use super::fixtures::id;
use super::stories::{changed, cursor, of_story, purge, put};

/// Number of articles.
const ARTICLES: u64 = 8;
/// Number of articles that steps name. Some of them do not exist.
const NAMED: u64 = 10;
const STORIES: u64 = 6;
const STEPS: u64 = 60;

/// Model of the memberships, the merges and the state.
struct Model {
    members: BTreeMap<ArticleId, NumberedMember>,
    purged: BTreeSet<ArticleId>,
    heirs: BTreeMap<StoryId, StoryId>,
    state: GroupedUntil,
}

impl Model {
    fn apply(&mut self, step: &GroupingStep) -> Option<GroupedUntil> {
        let state = (self.state.number, self.state.cursor.position);
        if (step.from.number, step.from.cursor.position) != state {
            return None;
        }
        let before = self.members.clone();
        for (former, heir) in step.merges.iter().filter(|(former, heir)| former != heir) {
            self.heirs.remove(heir);
            self.heirs.values_mut().filter(|found| *found == former).for_each(|found| *found = *heir);
            self.heirs.insert(*former, *heir);
            let members = self.members.values_mut().map(|found| &mut found.member);
            members.filter(|member| member.story == *former).for_each(|member| member.story = *heir);
        }
        let mut number = self.state.number;
        let mut moved: Vec<&NumberedMember> = before.values().collect();
        moved.retain(|had| self.members[&had.member.article].member.story != had.member.story);
        moved.sort_by_key(|had| had.number);
        let renumbered = step.renumbered.iter().filter(|id| before.contains_key(*id));
        for id in moved.into_iter().map(|had| &had.member.article).chain(renumbered) {
            number += 1;
            self.members.get_mut(id).unwrap().number = number;
        }
        let all = number + step.members.len() as u64;
        for (member, number) in step.members.iter().zip(number + 1..) {
            if named(ARTICLES).contains(&member.article) {
                let mut member = member.clone();
                if self.purged.contains(&member.article) {
                    member.report.clear();
                }
                self.heirs.remove(&member.story);
                self.members.insert(member.article.clone(), NumberedMember { number, member });
            }
        }
        self.state = GroupedUntil { number: all, cursor: step.until };
        Some(self.state)
    }

    fn purge(&mut self, article: ArticleId) {
        if let Some(found) = self.members.get_mut(&article) {
            found.member.report.clear();
        }
        self.purged.insert(article);
    }

    /// Returns memberships in the order of their numbers.
    fn members(&self, is_among: impl Fn(&StoryMember) -> bool) -> Vec<NumberedMember> {
        let mut found: Vec<_> = self.members.values().filter(|found| is_among(&found.member)).cloned().collect();
        found.sort_by_key(|found| found.number);
        found
    }

    async fn compare(&self, store: &Arc<dyn Store>, limit: usize) {
        assert_eq!(store.grouped_until().await.unwrap(), self.state);
        assert_eq!(changed(store, limit, false).await, self.members(|_| true));
        assert_eq!(changed(store, limit, true).await, self.members(|member| !member.report.is_empty()));
        for story in stories() {
            assert_eq!(of_story(store, story, limit).await, self.members(|member| member.story == story));
            assert_eq!(store.merged_into(story).await.unwrap(), self.heirs.get(&story).copied());
        }
        let ids: Vec<ArticleId> = named(NAMED).into_iter().rev().collect();
        let expected: Vec<_> = ids.iter().map(|id| self.members.get(id).map(|found| found.member.story)).collect();
        assert_eq!(store.stories_of(&ids).await.unwrap(), expected);
    }
}

fn named(count: u64) -> Vec<ArticleId> {
    (0..count).map(|number| id(&format!("a-{number}"))).collect()
}

fn stories() -> Vec<StoryId> {
    named(STORIES).iter().map(|article| StoryId::founded_by(article, 0)).collect()
}

struct Random(u64);

impl Random {
    /// Returns a number below a limit.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn story(&mut self) -> StoryId {
        stories()[self.below(STORIES) as usize]
    }

    fn step(&mut self, state: GroupedUntil) -> GroupingStep {
        let mut from = state;
        match self.below(12) {
            0 => from.number += 1,
            1 => from.cursor = cursor(from.cursor.position.sequence + 1),
            _ => {}
        }
        let (mut members, mut renumbered) = (Vec::new(), Vec::new());
        for article in named(NAMED) {
            if self.below(4) == 0 {
                let report = vec![b'r'; self.below(40).saturating_sub(10) as usize];
                members.push(StoryMember { article, story: self.story(), by_editor: self.below(2) == 0, report });
            } else if self.below(6) == 0 {
                renumbered.insert(0, article);
            }
        }
        let merges = (0..self.below(5)).map(|_| (self.story(), self.story())).collect();
        let until = cursor(state.cursor.position.sequence + self.below(3));
        GroupingStep { from, until, members, renumbered, merges }
    }
}

pub async fn random_steps_equal_the_model(Engine { store, .. }: Engine) {
    let names: Vec<String> = named(ARTICLES).iter().map(ToString::to_string).collect();
    put(&store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let state = GroupedUntil { number: 0, cursor: Position::START.into() };
    let mut model = Model { members: BTreeMap::new(), purged: BTreeSet::new(), heirs: BTreeMap::new(), state };
    let mut random = Random(1);
    for number in 0..STEPS {
        if random.below(10) == 0 {
            let name = &names[random.below(ARTICLES) as usize];
            purge(&store, name).await;
            model.purge(id(name));
        }
        let step = random.step(model.state);
        let applied = store.apply_grouping(step.clone()).await.unwrap();
        assert_eq!(applied, model.apply(&step), "{number} {step:?}");
        model.compare(&store, 1 + random.below(5) as usize).await;
    }
}
