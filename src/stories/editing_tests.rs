use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::article::ArticleId;
use crate::stories::clustering::Features;
use crate::stories::facts::VERSION;
use crate::stories::grouping::{Changed, Changes, Grouping};

/// Reports of one event.
const FERRY: [(&str, &str); 4] = [
    ("Ferry hits pier at Port Ellery", "The Lady Corrigan struck the pier of Port Ellery, and 212 were aboard."),
    ("Captain speaks in Port Ellery", "The captain of the Lady Corrigan said that the rudder failed at the pier."),
    ("Pier of Port Ellery closed", "The pier that the Lady Corrigan struck in Port Ellery is closed, with 212 ashore."),
    ("Port Ellery repairs its pier", "The pier of Port Ellery that the Lady Corrigan struck is being repaired."),
];

fn id(number: u64) -> ArticleId {
    format!("a-{number}").parse().unwrap()
}

fn story(founder: u64) -> StoryId {
    StoryId::founded_by(&id(founder), 0)
}

/// Returns the membership of an article with a text.
fn member(number: u64, of: u64, text: u64, digest: u8) -> StoryMember {
    let facts = Facts { version: VERSION, number, story: of, text, digest: vec![digest], ..Facts::default() };
    StoryMember { article: id(number), story: story(of), by_editor: false, report: facts.encoded() }
}

/// Returns article, story and text of memberships that editors have decided to be in a story.
fn numbers(placed: &[StoryMember], of: StoryId) -> Vec<(String, u64, u64)> {
    assert!(placed.iter().all(|member| member.by_editor && member.story == of), "{placed:?}");
    let known = placed.iter().filter_map(|member| Some((member.article.to_string(), Facts::decoded(&member.report)?)));
    known.map(|(article, facts)| (article, facts.story, facts.text)).collect()
}

#[test]
fn articles_have_the_number_of_the_story_and_its_texts() {
    let present = [member(2, 1, 1, 1), member(1, 1, 1, 1)];
    let empty = StoryMember { report: Vec::new(), ..member(7, 3, 7, 1) };
    let moved = vec![member(5, 3, 5, 1), member(6, 3, 4, 4), empty, member(4, 3, 4, 4)];
    let placed = place(moved.clone(), story(1), &present, 99);
    let of = |number: u64, story: u64, text: u64| (format!("a-{number}"), story, text);
    assert_eq!(numbers(&placed, story(1)), [of(4, 1, 4), of(5, 1, 1), of(6, 1, 4)]);
    assert_eq!(placed.iter().map(|member| member.report.is_empty()).collect::<Vec<_>>(), [true, false, false, false]);

    // A new story, and one whose articles are all out of the window.
    let old = StoryMember { report: Vec::new(), ..member(8, 1, 8, 1) };
    for present in [&[][..], &[old]] {
        let placed = place(moved.clone(), story(1), present, 99);
        assert_eq!(numbers(&placed, story(1)), [of(4, 99, 4), of(5, 99, 5), of(6, 99, 4)]);
    }
}

#[test]
fn a_text_does_not_get_the_number_of_one_that_it_was_before() {
    let present = [member(1, 1, 1, 1), member(3, 1, 4, 9)];
    let placed = place(vec![member(4, 2, 4, 4)], story(1), &present, 99);
    assert_eq!(numbers(&placed, story(1)), [("a-4".to_owned(), 1, 4 | 1 << 56)]);
}

#[test]
fn only_articles_that_are_free_are_pinned() {
    let pinned = StoryMember { by_editor: true, ..member(1, 1, 1, 1) };
    let changed = pin([pinned.clone(), member(2, 1, 2, 2)].iter());
    assert_eq!(changed, [StoryMember { by_editor: true, ..member(2, 1, 2, 2) }]);
    assert!(pin([pinned].iter()).is_empty());
}

/// Returns the facts about an article that is readable.
fn facts(number: u64) -> Facts {
    let (time, source) = ((number as i64) * 60_000_000, format!("site-{number}.example"));
    Facts { version: VERSION, time, is_readable: true, source, ..Facts::default() }
}

/// Memberships as a store has them.
#[derive(Default)]
struct Stored {
    members: BTreeMap<ArticleId, StoryMember>,
    number: u64,
}

impl Stored {
    fn of_story(&self, of: StoryId) -> Vec<StoryMember> {
        self.members.values().filter(|member| member.story == of).cloned().collect()
    }

    fn take(&mut self, changed: impl IntoIterator<Item = StoryMember>) {
        for member in changed {
            self.number += 1;
            self.members.insert(member.article.clone(), member);
        }
    }

    /// Returns a state that a replica reads when it takes over.
    fn restored(&self) -> Grouping {
        let mut members: Vec<StoryMember> = self.members.values().cloned().collect();
        members.sort_by_cached_key(|member| Facts::decoded(&member.report).map(|facts| facts.number));
        let mut grouping = Grouping::default();
        members.into_iter().for_each(|member| grouping.restore(member));
        grouping
    }

    /// Applies a changed text to states that must decide the same.
    fn change(&mut self, states: &mut [Grouping], number: u64, (headline, body): (&str, &str)) -> StoryId {
        let features = Some(Arc::new(Features::of(headline, body, "en")));
        let facts = Facts { digest: headline.as_bytes().to_vec(), ..facts(number) };
        self.apply(states, number, facts, features);
        self.members[&id(number)].story
    }

    /// Hides an article.
    fn hide(&mut self, states: &mut [Grouping], number: u64) {
        self.apply(states, number, Facts { is_readable: false, ..facts(number) }, None);
    }

    fn apply(&mut self, states: &mut [Grouping], number: u64, facts: Facts, features: Option<Arc<Features>>) {
        let mut decided: Option<Changes> = None;
        for grouping in states {
            let (mut changes, features) = (Changes::default(), features.clone());
            let changed = Changed { id: id(number), facts: Some(facts.clone()), features };
            grouping.apply(changed, self.number, &mut changes);
            if let Some(before) = &decided {
                assert_eq!((&before.members, &before.merges), (&changes.members, &changes.merges));
            }
            decided = Some(changes);
        }
        self.take(decided.unwrap().members.into_values());
    }

    /// Puts articles into a story, as an editor does.
    fn edit(&mut self, states: &mut [Grouping], articles: &[u64], to: StoryId) {
        let moved = articles.iter().map(|number| self.members[&id(*number)].clone()).collect();
        let placed = place(moved, to, &self.of_story(to), self.number + 1);
        states.iter_mut().for_each(|grouping| placed.iter().for_each(|member| grouping.replace(member.clone())));
        self.take(placed);
    }
}

#[test]
fn a_decision_holds_for_later_revisions_and_for_articles_that_resemble_it() {
    let (mut stored, mut states) = (Stored::default(), vec![Grouping::default()]);
    for (number, text) in (1..).zip(FERRY).take(3) {
        assert_eq!(stored.change(&mut states, number, text), story(1));
    }
    let divided = StoryId::divided_from(story(1), &BTreeSet::from([id(3)]));
    stored.edit(&mut states, &[3], divided);
    states.push(stored.restored());
    // Exactly as the story that it was in.
    let revised = ("Ferry hits pier at Port Ellery, 212 aboard", FERRY[0].1);
    assert_eq!(stored.change(&mut states, 3, revised), divided);
    assert!(stored.members[&id(3)].by_editor);
    // The other articles are grouped as before, and new ones join either of the two stories.
    assert_eq!(stored.change(&mut states, 2, FERRY[3]), story(1));
    let joined = stored.change(&mut states, 4, ("Ferry hits pier, 212 aboard", FERRY[0].1));
    assert!([story(1), divided].contains(&joined), "{joined}");
    assert_eq!(stored.members[&id(3)].story, divided);

    // Together again: a merge, after which grouping does not divide them.
    let all: Vec<u64> = (1..=4).filter(|number| stored.members[&id(*number)].story == divided).collect();
    stored.edit(&mut states, &all, story(1));
    states.push(stored.restored());
    let other =
        ("Halvorne Bank profit", "The Halvorne Bank in Orlsund had a profit in the quarter, and buys back shares.");
    assert_eq!(stored.change(&mut states, 3, other), story(1));
    assert_eq!(stored.change(&mut states, 5, FERRY[2]), story(1));
    assert_eq!(stored.change(&mut states, 6, ("Orlsund council meets", "The council of Orlsund meets.")), story(6));
}

#[test]
fn a_decision_holds_while_the_article_is_hidden() {
    let (mut stored, mut states) = (Stored::default(), vec![Grouping::default()]);
    for (number, text) in (1..).zip(FERRY).take(3) {
        stored.change(&mut states, number, text);
    }
    let divided = StoryId::divided_from(story(1), &BTreeSet::from([id(3)]));
    stored.edit(&mut states, &[3], divided);
    assert_eq!(stored.change(&mut states, 4, FERRY[2]), divided, "a copy");
    stored.hide(&mut states, 3);
    states.push(stored.restored());
    // One that resembles all of them: without the decision they were one story.
    stored.change(&mut states, 5, FERRY[3]);
    for (number, expected) in [(1, story(1)), (2, story(1)), (3, divided), (4, divided)] {
        assert_eq!(stored.members[&id(number)].story, expected, "{number}");
    }
    assert_eq!(stored.change(&mut states, 3, FERRY[1]), divided, "readable again, with another text");
}

#[test]
fn an_article_that_was_purged_is_not_known_any_more() {
    let (mut stored, mut states) = (Stored::default(), vec![Grouping::default()]);
    stored.change(&mut states, 1, FERRY[0]);
    stored.change(&mut states, 2, FERRY[1]);
    for member in stored.members.values_mut() {
        member.report.clear();
    }
    let to = StoryId::divided_from(story(1), &BTreeSet::from([id(1)]));
    stored.edit(&mut states, &[1], to);
    let mut changes = Changes::default();
    states[0].apply(Changed { id: id(1), facts: None, features: None }, stored.number, &mut changes);
    assert!(changes.members.is_empty(), "its story would be the former one: {:?}", changes.members);
}
