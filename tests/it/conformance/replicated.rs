//! Several replicas on one database: the feed, guarantees that hold across replicas, and transactions that stay open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use copydesk::article::{ChangeKind, Position};
use copydesk::store::{Consistency, Outcome, Precondition, StoreError, WriteError, Written};
use futures::future::join_all;

use super::databases::{follow, hold, open, replicas, waiting};
use super::fixtures::{at, feed, get, id, ingest, request, titled, update, write};
use super::indexes::{Index, found};
use crate::support::database::Cluster;

#[tokio::test]
async fn readers_do_not_skip_late_commits() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 3).await;
    write(&stores[2], ingest("before", titled("0"), at(0))).await.unwrap();
    // The first writer has its position in the feed, and is blocked before its commit.
    let held = hold(&database, "facets").await;
    let article = copydesk::proto::Article { tags: vec!["sea".into()], ..titled("1") };
    let first = tokio::spawn({
        let (store, late) = (Arc::clone(&stores[0]), ingest("late", article, at(1)));
        async move { write(&store, late).await }
    });
    waiting(&database, 1).await;
    // Later writes wait for it, so no reader sees a feed with a gap.
    let others: Vec<_> = (0..5)
        .map(|number| {
            let name = format!("other-{number}");
            let (store, other) = (Arc::clone(&stores[1]), ingest(&name, titled(&name), at(2)));
            tokio::spawn(async move { write(&store, other).await })
        })
        .collect();
    waiting(&database, 2).await;
    for store in &stores {
        assert_eq!(store.head().await.unwrap(), Position::of(1));
        assert_eq!(store.changes(Position::of(1), 10).await.unwrap().len(), 0);
        assert_eq!(store.changed_ids(Position::START.into(), 10).await.unwrap().articles.len(), 1);
    }
    held.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().record.token.position, Position::of(2));
    for other in others {
        assert!(other.await.unwrap().unwrap().record.token.position > Position::of(2));
    }
    let followed = follow(&stores[2], 7).await;
    assert_eq!(followed.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(followed[1].1, "late");
}

#[tokio::test]
async fn open_transactions_without_a_position_block_no_reader() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 2).await;
    // A foreign transaction that has written and stays open; and one of ours with a text and no position yet.
    let stranger = database.client().await;
    stranger.batch_execute("BEGIN; CREATE TABLE public.other (x int); SELECT pg_current_xact_id()").await.unwrap();
    let ours = database.client().await;
    ours.batch_execute("BEGIN; INSERT INTO copydesk.texts VALUES (gen_random_uuid(), '')").await.unwrap();
    for (number, store) in stores.iter().enumerate() {
        let written = write(store, ingest(&format!("a-{number}"), titled("1"), at(0))).await.unwrap();
        for other in &stores {
            assert_eq!(other.head().await.unwrap(), written.record.token.position);
            assert_eq!(feed(other).await.len(), number + 1);
        }
    }
}

#[tokio::test]
async fn the_feed_of_several_replicas_has_no_gap() {
    const WRITERS: usize = 12;
    const EACH: usize = 15;
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 3).await;
    let index = Index::of(&stores[0]).await;
    let writing = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&stores[writer % 3]);
        async move {
            let mut written = Vec::new();
            for number in 0..EACH {
                // Each writer has its own articles, and all of them correct one in common.
                let own = format!("a-{writer}-{number}");
                let shared = titled(&format!("{writer} {number}"));
                let writes = vec![ingest(&own, titled(&own), at(0)), ingest("shared", shared, at(0))];
                for answer in store.write(writes).await {
                    let record = answer.unwrap().record;
                    // A write that was answered is visible on every replica.
                    assert!(store.head().await.unwrap() >= record.token.position);
                    written.push((record.token.position.sequence, record.id.to_string()));
                }
            }
            written
        }
    });
    let total = WRITERS * EACH * 2;
    let (written, first, second) =
        futures::join!(join_all(writing), follow(&stores[0], total), follow(&stores[1], total));
    let mut written: Vec<_> = written.into_iter().flatten().collect();
    written.sort();
    assert_eq!(first, written, "each change once, in the order of its position");
    assert_eq!(second, written);
    assert!(written.iter().map(|(sequence, _)| *sequence).eq(1..=total as u64));
    let revisions = stores[2].revisions(&id("shared"), None, 1_000, Consistency::Full).await.unwrap();
    let numbers: Vec<i64> = revisions.iter().map(|revision| revision.record.revision).collect();
    assert!(numbers.iter().copied().eq((1..=(WRITERS * EACH) as i64).rev()));
    assert!(revisions.iter().all(|revision| revision.record.revision == 1 || revision.kind == ChangeKind::Revised));
    // The index has followed the feed, and is built from all articles by another replica.
    let built = Index::of(&stores[1]).await;
    index.catch_up().await;
    for index in [&index, &built] {
        assert_eq!(found(&index.search("\"a 3 7\"", at(1)).await), ["a-3-7"]);
        assert_eq!(index.search("a", at(1)).await.len(), WRITERS * EACH);
    }
}

/// Guarantees of one process hold across several: duplicates, request IDs, preconditions.
#[tokio::test]
async fn replicas_agree_on_the_first_write() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 4).await;
    let outcomes = |answers: &[Result<Written, WriteError>]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for answer in answers {
            let what = answer.as_ref().map_or_else(|_| "refused".into(), |written| format!("{:?}", written.outcome));
            *counts.entry(what).or_default() += 1;
        }
        counts.into_iter().collect::<Vec<_>>()
    };
    for round in 0..10 {
        let text = format!("wire {round}");
        let twins = stores
            .iter()
            .enumerate()
            .map(|(number, store)| write(store, ingest(&format!("twin-{round}-{number}"), titled(&text), at(0))));
        let answers = join_all(twins).await;
        assert_eq!(outcomes(&answers), [("Created".into(), 1), ("Duplicate".into(), 3)]);

        let (name, request_id) = (format!("asked-{round}"), format!("r-{round}"));
        let requests = stores.iter().map(|store| write(store, request(&name, titled("asked"), &request_id, at(0))));
        let answers = join_all(requests).await;
        let first = answers[0].as_ref().unwrap();
        assert!(matches!(first.outcome, Outcome::Created | Outcome::Duplicate));
        let etags: BTreeSet<_> = answers.iter().map(|answer| answer.as_ref().unwrap().record.etag()).collect();
        assert_eq!(etags.len(), 1, "a repeated request has one answer");

        let corrected = stores.iter().enumerate().map(|(number, store)| {
            write(store, update(&name, titled(&format!("{number}")), Precondition::Revision(1), at(1)))
        });
        assert_eq!(outcomes(&join_all(corrected).await), [("Revised".into(), 1), ("refused".into(), 3)]);
    }
}

#[tokio::test]
async fn writes_wake_watchers_on_other_replicas() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 2).await;
    let mut wake = stores[1].subscribe();
    // Listening begins shortly after opening; until then followers poll.
    for number in 1.. {
        let written = write(&stores[0], ingest("ferry", titled(&number.to_string()), at(number))).await.unwrap();
        let position = written.record.token.position;
        let woken = tokio::time::timeout(Duration::from_millis(500), wake.wait_for(|news| *news >= position)).await;
        if woken.is_ok() {
            break;
        }
        assert!(number < 20, "the follower is never notified");
    }
}

#[tokio::test]
async fn a_write_that_fails_in_the_database_fails_no_other() {
    let database = Cluster::shared().database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "CREATE FUNCTION copydesk.refuse() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN RAISE 'not this one'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON copydesk.articles FOR EACH ROW WHEN (NEW.id LIKE 'bad-%')
             EXECUTE FUNCTION copydesk.refuse()",
        )
        .await
        .unwrap();
    let store = open(database.options()).await;
    // The first is one group; the others wait for it, and then form another.
    let calls = (0..12).map(|number| {
        let name = format!("{}-{number}", if number % 4 == 3 { "bad" } else { "good" });
        let writes = vec![ingest(&name, titled(&name), at(0)), ingest(&format!("with-{number}"), titled("x"), at(0))];
        let store = &store;
        async move { (number, store.write(writes).await) }
    });
    for (number, answers) in join_all(calls).await {
        let stored = get(&store, &format!("with-{number}")).await.is_some();
        if number % 4 == 3 {
            assert!(
                answers.iter().all(|answer| answer.as_ref().err() == Some(&WriteError::Store(StoreError::Internal)))
            );
            assert!(!stored, "a call is atomic");
        } else {
            assert!(answers.iter().all(Result::is_ok) && stored);
        }
    }
    // Rejected writes have left no gap.
    let followed = follow(&store, 18).await;
    assert!(followed.iter().map(|(sequence, _)| *sequence).eq(1..=18));
}
