//! The feed, history and the clock.

use std::collections::BTreeMap;

use copydesk::article::{ChangeKind, Lifecycle, Position};
use copydesk::proto::Article;
use copydesk::store::{Consistency, Precondition, SnapshotQuery};

use super::engines::Engine;
use super::fixtures::{at, feed, get, ingest, proto_at, titled, transition, turn, update, write};

fn embargoed(headline: &str, until: i64) -> Article {
    Article { embargo_time: proto_at(until), ..titled(headline) }
}

fn expiring(headline: &str, from: i64) -> Article {
    Article { expire_time: proto_at(from), ..titled(headline) }
}

pub async fn corrections_carry_the_previous_state(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    write(&store, transition("ferry", ChangeKind::Withdrawn, at(1))).await.unwrap();
    write(&store, transition("ferry", ChangeKind::Reinstated, at(2))).await.unwrap();
    write(&store, update("ferry", titled("2"), Precondition::None, at(3))).await.unwrap();
    let feed = feed(&store).await;
    let headline = |record: &copydesk::article::Record| record.decode().unwrap().headline;
    let published: Vec<_> = feed
        .iter()
        .map(|change| (change.kind, headline(&change.record), change.before.as_ref().map(|b| headline(b))))
        .collect();
    assert_eq!(
        published,
        [
            (ChangeKind::Created, "1".into(), None),
            (ChangeKind::Withdrawn, "1".into(), None),
            (ChangeKind::Reinstated, "1".into(), None),
            (ChangeKind::Revised, "2".into(), Some("1".to_owned())),
        ]
    );
    assert!(feed.iter().all(|change| change.now.revision == 4 && change.now.lifecycle == Lifecycle::Live));
    let id = &feed[0].record.id;
    let newest = store.revisions(id, None, 2, Consistency::Bounded).await.unwrap();
    assert_eq!(newest.iter().map(|r| r.record.revision).collect::<Vec<_>>(), [4, 3]);
    assert_eq!(newest[0].reason, "the desk's correction");
    let older = store.revisions(id, Some(3), 10, Consistency::Bounded).await.unwrap();
    assert_eq!(older.iter().map(|r| r.before.as_ref().map(|b| b.revision)).collect::<Vec<_>>(), [Some(1), None]);
}

pub async fn changes_under_embargo_are_not_announced(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", embargoed("1", 100), at(0))).await.unwrap();
    write(&store, update("ferry", embargoed("2", 100), Precondition::None, at(1))).await.unwrap();
    write(&store, transition("ferry", ChangeKind::Withdrawn, at(2))).await.unwrap();
    write(&store, transition("ferry", ChangeKind::Reinstated, at(3))).await.unwrap();
    assert!(feed(&store).await.iter().all(|change| !change.announced));
    assert_eq!(turn(&store, at(99)).await, 0);
    assert_eq!(turn(&store, at(100)).await, 1);
    let feed = feed(&store).await;
    let opened = feed.last().unwrap();
    assert!(opened.announced && opened.kind == ChangeKind::Opened && opened.now.readable(at(100)));
}

pub async fn a_new_embargo_on_a_readable_article_is_announced(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    write(&store, update("ferry", embargoed("1", 100), Precondition::None, at(1))).await.unwrap();
    let feed = feed(&store).await;
    assert!(feed[1].announced && !feed[1].now.readable(at(1)));
}

pub async fn due_transitions_are_applied_once(Engine { store, .. }: Engine) {
    let article = Article { embargo_time: proto_at(10), ..expiring("1", 20) };
    write(&store, ingest("ferry", article.clone(), at(0))).await.unwrap();
    write(&store, ingest("past", Article { headline: "2".into(), ..article }, at(30))).await.unwrap();
    assert_eq!(turn(&store, at(10)).await, 1);
    assert_eq!(turn(&store, at(10)).await, 0);
    assert_eq!(turn(&store, at(19)).await, 0);
    assert_eq!(turn(&store, at(20)).await, 1);
    assert_eq!(turn(&store, at(1_000)).await, 0);
    let record = get(&store, "ferry").await.unwrap();
    assert_eq!((record.revision, record.update_time), (3, at(20)));
    // Both at once, if no transitions were applied in between.
    let article = Article { embargo_time: proto_at(1_100), ..expiring("late", 1_200) };
    write(&store, ingest("late", article, at(1_001))).await.unwrap();
    assert_eq!(turn(&store, at(2_000)).await, 2);
    let kinds: Vec<_> = feed(&store).await.iter().map(|change| (change.kind, change.announced)).collect();
    use ChangeKind::{Created, Expired, Opened};
    assert_eq!(kinds[..2], [(Created, false), (Created, false)]);
    assert_eq!(kinds[2..], [(Opened, true), (Expired, true), (Created, false), (Opened, true), (Expired, true)]);
}

/// A reader that was shown an article must learn that it is gone, whether the clock or another write comes first.
pub async fn an_expiry_is_announced_even_after_an_earlier_write(Engine { store, .. }: Engine) {
    write(&store, ingest("killed", expiring("1", 10), at(0))).await.unwrap();
    write(&store, ingest("revised", expiring("2", 10), at(0))).await.unwrap();
    write(&store, transition("killed", ChangeKind::Withdrawn, at(11))).await.unwrap();
    write(&store, update("revised", expiring("3", 10), Precondition::None, at(11))).await.unwrap();
    turn(&store, at(12)).await;
    for name in ["killed", "revised"] {
        let changes = feed(&store).await;
        let of_article = changes.iter().filter(|change| change.record.id.as_str() == name);
        let announced = of_article.filter(|change| change.announced).count();
        assert_eq!(announced, 2, "{name}: its publication and its expiry");
    }
}

pub async fn a_snapshot_plus_later_changes_is_the_current_state(Engine { store, .. }: Engine) {
    for number in 0..10 {
        let name = format!("a-{number}");
        write(&store, ingest(&name, titled(&name), at(number))).await.unwrap();
    }
    let position = store.head().await.unwrap();
    write(&store, update("a-3", titled("other"), Precondition::None, at(20))).await.unwrap();
    write(&store, transition("a-4", ChangeKind::Withdrawn, at(21))).await.unwrap();
    write(&store, ingest("b", titled("b"), at(22))).await.unwrap();
    let mut known = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.snapshot(&SnapshotQuery::of_all(position, after, 3)).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.id.clone());
        for (record, standing) in page {
            assert_eq!(record.revision, 1);
            assert_eq!(standing.readable(at(30)), record.id.as_str() != "a-4");
            known.insert(record.id.clone(), record.revision);
        }
    }
    assert_eq!(known.len(), 10);
    for change in store.changes(position, 100).await.unwrap() {
        known.insert(change.record.id.clone(), change.record.revision);
    }
    for (id, revision) in &known {
        assert_eq!(get(&store, id.as_str()).await.unwrap().revision, *revision);
    }
    assert_eq!(known.len(), 11);
    assert!(store.snapshot(&SnapshotQuery::of_all(Position::START, None, 10)).await.unwrap().is_empty());
}

pub async fn commits_wake_subscribers(Engine { store, .. }: Engine) {
    let mut wake = store.subscribe();
    let waiting =
        tokio::spawn(
            async move { wake.wait_for(|position| *position > Position::START).await.map(|position| *position) },
        );
    let written = write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let woken = waiting.await.unwrap().unwrap();
    assert_eq!(woken, written.record.token.position);
}
