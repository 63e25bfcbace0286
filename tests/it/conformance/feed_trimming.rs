//! Trimming of the feed, and its followers.

use std::sync::Arc;
use std::time::Duration;

use copydesk::article::{ChangeKind, Position, Record};
use copydesk::store::{Change, Consistency, Precondition, SnapshotQuery, StoreError, Visibility};
use jiff::{SignedDuration, Timestamp};

use super::databases::open;
use super::fixtures::{feed, get, id, ingest, titled, transition, update, write};
use crate::support::database::Cluster;

/// Of old changes, only those that later readers cannot need are removed.
#[tokio::test]
async fn a_trimmed_feed_is_complete_from_its_start() {
    let database = Cluster::shared().database().await;
    let store = open(database.options()).await;
    let now = Timestamp::now();
    let ago = |hours: i64| now - SignedDuration::from_hours(hours);
    // Positions 1 to 8; old up to 6.
    let all = [
        ingest("quiet", titled("Quiet"), ago(100)),
        ingest("corrected", titled("Fery"), ago(99)),
        update("corrected", titled("Ferry"), Precondition::None, ago(98)),
        ingest("revised", titled("One"), ago(97)),
        transition("quiet", ChangeKind::Withdrawn, ago(96)),
        transition("quiet", ChangeKind::Reinstated, ago(95)),
        update("revised", titled("Two"), Precondition::None, ago(1)),
        update("corrected", titled("Ferries"), Precondition::None, ago(1)),
    ];
    for change in all {
        write(&store, change).await.unwrap();
    }
    let whole = feed(&store).await;
    let at_six = store.snapshot(&SnapshotQuery::of_all(Position::of(6), None, 10)).await.unwrap();
    let mut options = database.options();
    options.keep = Some(Duration::from_secs(48 * 3_600));
    let trimming = open(options).await;
    let trimmed = async {
        while store.changes(Position::of(5), 10).await.err() != Some(StoreError::Trimmed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), trimmed).await.expect("the feed is trimmed");
    for before in [Position::START, Position::of(5)] {
        assert_eq!(store.changed_ids(before.into(), 10).await.err(), Some(StoreError::Trimmed));
        assert_eq!(store.snapshot(&SnapshotQuery::of_all(before, None, 10)).await.err(), Some(StoreError::Trimmed));
    }
    // Nothing is missing from there on: changes, their previous revisions, and states.
    let listed = |changes: &[Change]| {
        let tell = |change: &Change| {
            (change.record.etag(), change.kind, change.before.as_ref().map(|record| record.etag()), change.now)
        };
        changes.iter().map(tell).collect::<Vec<_>>()
    };
    assert_eq!(listed(&store.changes(Position::of(6), 10).await.unwrap()), listed(&whole[6..]));
    assert_eq!(store.changed_ids(Position::of(6).into(), 10).await.unwrap().articles.len(), 2);
    let etags = |snapshot: &[(Arc<Record>, Visibility)]| {
        snapshot.iter().map(|(record, standing)| (record.etag(), *standing)).collect::<Vec<_>>()
    };
    assert_eq!(
        etags(&store.snapshot(&SnapshotQuery::of_all(Position::of(6), None, 10)).await.unwrap()),
        etags(&at_six)
    );
    for (name, kept) in [("quiet", vec![3]), ("corrected", vec![3, 2]), ("revised", vec![2, 1])] {
        let revisions = store.revisions(&id(name), None, 10, Consistency::Full).await.unwrap();
        assert_eq!(revisions.iter().map(|revision| revision.record.revision).collect::<Vec<_>>(), kept, "{name}");
        assert_eq!(get(&store, name).await.unwrap().revision, kept[0]);
    }
    // The text that two states of the quiet article shared remains; the mistaken one does not.
    let client = database.client().await;
    assert_eq!(client.query_one("SELECT count(*) FROM copydesk.texts", &[]).await.unwrap().get::<_, i64>(0), 5);
    let written = write(&trimming, ingest("after", titled("3"), now)).await.unwrap();
    assert_eq!(written.record.token.position, Position::of(9));
}
