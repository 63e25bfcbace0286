//! Memberships of articles in stories, merges of stories, and steps of replicas that group articles.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::article::{ChangeKind, Position, StoryId};
use copydesk::store::postgres::PostgresStore;
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{FeedCursor, GroupedUntil, GroupingStep, NumberedMember, Store, StoryMember, copy};
use futures::future::{join, join_all};

use super::databases::{hold, open, replicas, waiting};
use super::engines::Engine;
use super::fixtures::{at, id, ingest, titled, transition, write};
use crate::support::database::Cluster;

/// Maximum time until a purged report must be gone from files.
const DEADLINE: Duration = Duration::from_secs(60);

/// Returns the story that an article has founded.
pub fn story(article: &str) -> StoryId {
    StoryId::founded_by(&id(article), 0)
}

pub fn member(article: &str, of: &str, report: &str) -> StoryMember {
    StoryMember { article: id(article), story: story(of), by_editor: false, report: report.into() }
}

pub fn cursor(sequence: u64) -> FeedCursor {
    FeedCursor { position: Position::of(sequence), time: Some(at(sequence as i64)) }
}

/// Returns a step to the next position of the feed.
fn step(from: GroupedUntil, members: &[StoryMember], merges: &[(&str, &str)]) -> GroupingStep {
    let merges = merges.iter().map(|(former, heir)| (story(former), story(heir))).collect();
    let until = cursor(from.cursor.position.sequence + 1);
    GroupingStep { from, until, members: members.to_vec(), renumbered: Vec::new(), merges }
}

/// Applies a step to the present state.
pub async fn apply(store: &Arc<dyn Store>, members: &[StoryMember], merges: &[(&str, &str)]) -> GroupedUntil {
    let from = store.grouped_until().await.unwrap();
    store.apply_grouping(step(from, members, merges)).await.unwrap().expect("no other step is applied")
}

pub async fn put(store: &Arc<dyn Store>, names: &[&str]) {
    let writes = names.iter().map(|name| ingest(name, titled(name), at(0))).collect();
    assert!(store.write(writes).await.iter().all(Result::is_ok));
}

pub async fn purge(store: &Arc<dyn Store>, name: &str) {
    write(store, transition(name, ChangeKind::Purged, at(1))).await.unwrap();
}

/// Reads pages to the end.
async fn pages(limit: usize, read: impl AsyncFn(u64) -> Vec<NumberedMember>) -> Vec<NumberedMember> {
    let mut found: Vec<NumberedMember> = Vec::new();
    loop {
        let page = read(found.last().map_or(0, |last| last.number)).await;
        assert!(page.len() <= limit);
        let ended = page.len() < limit;
        found.extend(page);
        if ended {
            return found;
        }
    }
}

pub async fn changed(store: &Arc<dyn Store>, limit: usize, only_needed: bool) -> Vec<NumberedMember> {
    pages(limit, async |after| store.changed_members(after, limit, only_needed).await.unwrap()).await
}

pub async fn of_story(store: &Arc<dyn Store>, story: StoryId, limit: usize) -> Vec<NumberedMember> {
    pages(limit, async |after| store.story_members(story, after, limit).await.unwrap()).await
}

/// Returns articles and reports, without numbers.
fn reports(members: &[NumberedMember]) -> Vec<(&str, &str)> {
    let members = members.iter().map(|found| &found.member);
    members.map(|member| (member.article.as_str(), std::str::from_utf8(&member.report).unwrap())).collect()
}

pub async fn a_new_store_is_grouped_until_the_start(Engine { store, .. }: Engine) {
    put(&store, &["a-1"]).await;
    let start = GroupedUntil { number: 0, cursor: Position::START.into() };
    assert_eq!(store.grouped_until().await.unwrap(), start);
    assert_eq!(changed(&store, 10, false).await, []);
    assert_eq!(of_story(&store, story("a-1"), 10).await, []);
    assert_eq!(store.stories_of(&[id("a-1"), id("none")]).await.unwrap(), [None, None]);
    assert_eq!(store.stories_of(&[]).await.unwrap(), []);
    assert_eq!(store.merged_into(story("a-1")).await.unwrap(), None);
    // Nothing to be grouped.
    let state = GroupedUntil { number: 0, cursor: cursor(1) };
    assert_eq!(store.apply_grouping(step(start, &[], &[])).await.unwrap(), Some(state));
    assert_eq!(store.grouped_until().await.unwrap(), state);
}

pub async fn steps_are_applied_in_order_once(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2"]).await;
    for round in 0..5 {
        let from = store.grouped_until().await.unwrap();
        let steps = ["a-1", "a-2"].map(|of| {
            let members = ["a-1", "a-2"].map(|name| member(name, of, &format!("{round}")));
            step(from, &members, &[])
        });
        let [one, other] = steps.clone().map(|step| store.apply_grouping(step));
        let (one, other) = join(one, other).await;
        let states = [one.unwrap(), other.unwrap()];
        let state = GroupedUntil { number: from.number + 2, cursor: cursor(from.cursor.position.sequence + 1) };
        let winner = states.iter().position(Option::is_some).expect("one should be applied");
        assert_eq!((states[winner], states[1 - winner]), (Some(state), None));
        assert_eq!(store.grouped_until().await.unwrap(), state);
        // A repeated step has no effect, nor has one from a state that never was.
        let never = GroupedUntil { cursor: from.cursor, ..state };
        let wrong = GroupingStep { from: never, ..steps[1 - winner].clone() };
        for late in steps.iter().chain([&wrong]) {
            assert_eq!(store.apply_grouping(late.clone()).await.unwrap(), None);
        }
        assert_eq!(store.grouped_until().await.unwrap(), state);
        let expected = steps[winner].members.iter().zip(from.number + 1..);
        let expected: Vec<_> =
            expected.map(|(member, number)| NumberedMember { number, member: member.clone() }).collect();
        assert_eq!(changed(&store, 10, false).await, expected);
    }
}

pub async fn members_are_numbered_by_their_changes(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2", "a-3"]).await;
    let long = "report ".repeat(585);
    assert!((4_000..=4_096).contains(&long.len()));
    apply(&store, &[member("a-1", "a-1", "1"), member("a-2", "a-1", &long), member("a-3", "a-3", "3")], &[]).await;
    // One moves, and the report of another one is not needed any more.
    let moved = StoryMember { by_editor: true, ..member("a-1", "a-3", "1") };
    let state = apply(&store, &[member("a-3", "a-3", ""), moved.clone()], &[]).await;
    assert_eq!(state.number, 5);
    for limit in [1, 2, 10] {
        let all = changed(&store, limit, false).await;
        assert_eq!(reports(&all), [("a-2", long.as_str()), ("a-3", ""), ("a-1", "1")]);
        assert_eq!(all.iter().map(|found| found.number).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!(all[2].member, moved);
        assert_eq!(reports(&changed(&store, limit, true).await), [("a-2", long.as_str()), ("a-1", "1")]);
        assert_eq!(reports(&of_story(&store, story("a-1"), limit).await), [("a-2", long.as_str())]);
        assert_eq!(of_story(&store, story("a-3"), limit).await, all[1..]);
    }
    assert_eq!(store.changed_members(4, 10, false).await.unwrap().len(), 1);
    assert_eq!(store.changed_members(u64::MAX, 10, false).await.unwrap(), []);
    let stories = store.stories_of(&["a-3", "a-2", "none", "a-1", "a-3"].map(id)).await.unwrap();
    assert_eq!(stories, ["a-3", "a-1", "", "a-3", "a-3"].map(|of| (!of.is_empty()).then(|| story(of))));
}

pub async fn merges_lead_to_the_last_heir(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2"]).await;
    let heirs = async |names: [&str; 5]| {
        let heirs = join_all(names.map(|name| store.merged_into(story(name)))).await;
        heirs.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let expected = |heirs: [&str; 5]| heirs.map(|heir| (!heir.is_empty()).then(|| story(heir))).to_vec();
    let names = ["a", "b", "c", "d", "e"];
    // A chain in several steps, and one within a step.
    apply(&store, &[], &[("a", "b")]).await;
    assert_eq!(heirs(names).await, expected(["b", "", "", "", ""]));
    apply(&store, &[], &[("b", "c"), ("c", "d"), ("e", "a")]).await;
    assert_eq!(heirs(names).await, expected(["", "d", "d", "", "a"]));
    // Back and forth: the last one counts, and no story leads to itself.
    apply(&store, &[], &[("d", "c"), ("a", "a")]).await;
    assert_eq!(heirs(names).await, expected(["", "c", "", "c", "a"]));
    apply(&store, &[], &[("a", "b"), ("b", "a"), ("c", "b"), ("b", "e"), ("e", "c")]).await;
    assert_eq!(heirs(names).await, expected(["", "c", "", "c", "c"]));
    // An article moves to a former story, which is no longer a part of the other one.
    apply(&store, &[member("a-1", "b", ""), member("none", "d", "")], &[]).await;
    assert_eq!(heirs(names).await, expected(["", "", "", "c", "c"]));
    // It moves away again, and the stories that were part of its story go with it.
    apply(&store, &[member("a-1", "e", "")], &[("b", "e"), ("c", "e")]).await;
    assert_eq!(heirs(names).await, expected(["", "e", "e", "e", ""]));
}

pub async fn merged_and_renumbered_members_get_new_numbers(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2", "a-3", "a-4"]).await;
    let members = ["a-1", "a-2", "a-3", "a-4"].map(|name| member(name, if name == "a-4" { "a-4" } else { "a-1" }, ""));
    apply(&store, &members, &[]).await;
    let numbers = async |after| {
        let members = store.changed_members(after, 10, false).await.unwrap();
        members.into_iter().map(|found| (found.number, found.member)).collect::<Vec<_>>()
    };
    // The members that move come first, in their order, then those that are named, then those that are stored.
    let renumbered = ["a-4", "none", "a-1"].map(id).to_vec();
    let from = store.grouped_until().await.unwrap();
    let of = GroupingStep { renumbered, ..step(from, &[member("a-2", "a-3", "2")], &[("a-1", "b"), ("b", "a-2")]) };
    let state = store.apply_grouping(of).await.unwrap().unwrap();
    assert_eq!(state.number, 10, "three that move, two that exist, and one that is stored");
    let expected =
        [(7, member("a-3", "a-2", "")), (8, member("a-4", "a-4", "")), (9, member("a-1", "a-2", ""))].to_vec();
    assert_eq!(numbers(4).await, [expected, vec![(10, member("a-2", "a-3", "2"))]].concat());
    assert_eq!(store.grouped_until().await.unwrap(), state);
    // Those that end where they were keep their numbers.
    let state = apply(&store, &[], &[("a-2", "b"), ("b", "a-2"), ("c", "a-4")]).await;
    assert_eq!((state.number, numbers(10).await), (10, vec![]));
}

pub async fn unknown_articles_are_left_out(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2"]).await;
    let members = [member("none", "a-1", "0"), member("a-1", "a-1", "1"), member("a-3", "a-1", "3")];
    apply(&store, &members, &[]).await;
    apply(&store, &[member("a-3", "a-1", "3")], &[]).await;
    put(&store, &["a-3"]).await;
    apply(&store, &[member("a-2", "a-1", "2"), member("none", "a-1", "0")], &[]).await;
    let all = changed(&store, 10, false).await;
    assert_eq!(reports(&all), [("a-1", "1"), ("a-2", "2")]);
    assert!(all.is_sorted_by(|one, other| one.number < other.number));
    assert!(all[1].number <= store.grouped_until().await.unwrap().number);
    assert_eq!(store.stories_of(&["a-1", "a-3"].map(id)).await.unwrap(), [Some(story("a-1")), None]);
}

pub async fn a_purge_empties_the_report(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2"]).await;
    apply(&store, &[member("a-1", "a-1", "1"), member("a-2", "a-1", "2")], &[]).await;
    let state = store.grouped_until().await.unwrap();
    purge(&store, "a-1").await;
    let all = changed(&store, 10, false).await;
    assert_eq!((reports(&all), all[0].number), (vec![("a-1", ""), ("a-2", "2")], 1));
    assert_eq!(reports(&changed(&store, 10, true).await), [("a-2", "2")]);
    assert_eq!(store.grouped_until().await.unwrap(), state);
    // A step that was prepared before.
    apply(&store, &[member("a-1", "a-2", "1")], &[]).await;
    let found = changed(&store, 10, false).await;
    assert_eq!(reports(&found), [("a-2", "2"), ("a-1", "")]);
    assert_eq!(store.stories_of(&[id("a-1")]).await.unwrap(), [Some(story("a-2"))]);
}

pub async fn a_copy_is_grouped_anew(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2"]).await;
    apply(&store, &[member("a-1", "a-1", "1")], &[("a-2", "a-1")]).await;
    let dir = tempfile::tempdir().unwrap();
    let other: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    assert_eq!(copy(&*store, &*other).await.unwrap().refused, Vec::<String>::new());
    let start = GroupedUntil { number: 0, cursor: Position::START.into() };
    assert_eq!(other.grouped_until().await.unwrap(), start);
    assert_eq!(changed(&other, 10, false).await, []);
    assert_eq!(other.merged_into(story("a-2")).await.unwrap(), None);
}

#[tokio::test]
async fn one_of_several_replicas_applies_a_step() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 3).await;
    put(&stores[0], &["a-1"]).await;
    for round in 1..=10 {
        let from = stores[0].grouped_until().await.unwrap();
        let names: Vec<String> = (0..stores.len()).map(|number| format!("s-{number}")).collect();
        let steps = stores
            .iter()
            .zip(&names)
            .map(|(store, of)| store.apply_grouping(step(from, &[member("a-1", of, "1")], &[("former", of)])));
        let states: Vec<_> = join_all(steps).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<usize> = (0..stores.len()).filter(|number| states[*number].is_some()).collect();
        let [winner] = winners[..] else { panic!("{states:?}") };
        for store in &stores {
            assert_eq!(store.grouped_until().await.unwrap().number, round);
            assert_eq!(store.stories_of(&[id("a-1")]).await.unwrap(), [Some(story(&names[winner]))]);
            assert_eq!(store.merged_into(story("former")).await.unwrap(), Some(story(&names[winner])));
        }
    }
}

/// Otherwise the step stores the report after the purge has emptied those that it has seen.
#[tokio::test]
async fn a_purge_waits_for_a_step_in_progress() {
    let database = Cluster::shared().database().await;
    let store = open(database.options()).await;
    put(&store, &["a-1"]).await;
    let held = hold(&database, "story_merges").await;
    let stepping = tokio::spawn({
        let store = Arc::clone(&store);
        async move { apply(&store, &[member("a-1", "a-1", "1")], &[]).await }
    });
    waiting(&database, 1).await;
    let purging = tokio::spawn({
        let store = Arc::clone(&store);
        async move { purge(&store, "a-1").await }
    });
    waiting(&database, 2).await;
    held.batch_execute("ROLLBACK").await.unwrap();
    stepping.await.unwrap();
    purging.await.unwrap();
    assert_eq!(reports(&changed(&store, 10, false).await), [("a-1", "")]);
}

/// The versions of a report that a step has replaced, too.
#[tokio::test]
async fn no_file_keeps_the_report_of_a_purged_article() {
    let dir = tempfile::tempdir().unwrap();
    let folder: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let cluster = Cluster::start(false);
    let database = cluster.database_without_template().await;
    let shared: Arc<dyn Store> = Arc::new(PostgresStore::open(database.options()).await.unwrap());
    let client = database.client().await;
    let files = async || -> [Vec<PathBuf>; 2] {
        client.batch_execute("CHECKPOINT").await.unwrap();
        let sql = "SELECT pg_relation_filepath(oid), pg_relation_filepath(reltoastrelid) FROM pg_class
             WHERE oid = 'copydesk.story_members'::regclass";
        let row = client.query_one(sql, &[]).await.unwrap();
        let relations = [0, 1].map(|column| cluster.data().join(row.get::<_, String>(column)));
        let folder = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        [folder.collect(), relations.to_vec()]
    };
    // Short ones are in the table, and long ones outside of it.
    let needles = ["quokkashort", "quokkalong", "quokkaformer"];
    let found = async || {
        files().await.map(|files| {
            let files = files.iter().filter_map(|path| std::fs::read(path).ok());
            let texts: Vec<String> = files.map(|file| String::from_utf8_lossy(&file).into_owned()).collect();
            needles.map(|needle| texts.iter().any(|text| text.contains(needle)))
        })
    };
    for store in [&folder, &shared] {
        put(store, &["a-1", "a-2", "a-3"]).await;
        apply(store, &[member("a-1", "a-1", needles[2]), member("a-3", "a-1", "kept")], &[]).await;
        let long = needles[1].repeat(350);
        apply(store, &[member("a-1", "a-1", needles[0]), member("a-2", "a-1", &long)], &[]).await;
    }
    assert_eq!(found().await, [[true; 3]; 2], "not planted");
    for store in [&folder, &shared] {
        purge(store, "a-1").await;
        purge(store, "a-2").await;
    }
    let until = Instant::now() + DEADLINE;
    while found().await != [[false; 3]; 2] {
        assert!(Instant::now() < until, "still in files: {:?}", found().await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for store in [&folder, &shared] {
        assert_eq!(reports(&changed(store, 10, true).await), [("a-3", "kept")]);
    }
}
