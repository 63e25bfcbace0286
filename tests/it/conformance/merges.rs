//! Merges of articles into one, which gets their keys.

use std::sync::Arc;

use copydesk::article::{ArticleId, ChangeKind, Key, Lifecycle, SourceVersion, StatedKey, Trust};
use copydesk::store::{
    Consistency, Ingest, LateCopies, Merge, Outcome, Precondition, Store, Write, WriteError, Written, last_successor,
    verify,
};
use futures::future::join_all;
use jiff::Timestamp;

use super::databases::replicas;
use super::engines::Engine;
use super::fixtures::{ADMIN, at, clean, feed, get, id, ingest, merge, titled, transition, write};
use crate::support::database::Cluster;

fn key(number: usize) -> Key {
    Key::external("herald.example", &format!("N-{number}"))
}

/// A document with one key, without a name.
fn document(number: usize, headline: &str, time: Timestamp) -> Write {
    let keys = vec![StatedKey { key: key(number), trust: Trust::Certain }];
    Write::Ingest(Box::new(Ingest {
        id: ArticleId::of_key(&keys[0].key),
        is_named: false,
        keys,
        article: clean(titled(headline)),
        version: SourceVersion::arrived(time),
        request: None,
        from: ADMIN,
        late_copies: LateCopies::Reject,
        original: None,
        note: String::new(),
        time,
    }))
}

async fn owner(store: &Arc<dyn Store>, number: usize) -> ArticleId {
    store.lookup(&[key(number)], Consistency::Full).await.unwrap().remove(0).expect("the key is known")
}

/// Articles with the keys 0 to `count`. Returns their IDs.
async fn articles(store: &Arc<dyn Store>, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let written = write(store, document(number, &format!("Story {number}"), at(0))).await.unwrap();
        ids.push(written.record.id.to_string());
    }
    ids
}

fn merged(id: &str, successor: &str) -> WriteError {
    WriteError::Merged { id: super::fixtures::id(id), successor: super::fixtures::id(successor) }
}

async fn sound(store: &Arc<dyn Store>) {
    assert_eq!(verify(&**store).await.unwrap().problems, Vec::<String>::new());
}

pub async fn keys_move_to_the_article_that_stays(Engine { store, .. }: Engine) {
    let ids = articles(&store, 3).await;
    let before = get(&store, &ids[0]).await.unwrap();
    let done: Written = write(&store, merge(&ids[0], &[&ids[1], &ids[2]], at(1))).await.unwrap();
    assert_eq!((done.outcome, done.record.etag()), (Outcome::Revised, before.etag()));
    assert_eq!(done.merged.iter().map(|source| source.id.as_str()).collect::<Vec<_>>(), ids[1..]);
    for (number, name) in ids.iter().enumerate() {
        assert_eq!(owner(&store, number).await.as_str(), ids[0]);
        let keys = store.keys_of(&[id(name)], Consistency::Full).await.unwrap();
        assert_eq!(keys[0].len(), if number == 0 { 3 } else { 0 });
    }
    // Seen at once, through every cache.
    for (name, source) in ids[1..].iter().zip(&done.merged) {
        let fetched = store.get(&[id(name)], Consistency::Bounded).await.unwrap().remove(0).record.unwrap();
        assert_eq!((fetched.lifecycle, fetched.etag()), (Lifecycle::Merged, source.etag()));
        assert_eq!(fetched.successor(), Some(id(&ids[0])));
        // Its past is as it was.
        let past = store.get_revision(&id(name), 1, Consistency::Full).await.unwrap().unwrap();
        assert_eq!((past.lifecycle, past.successor()), (Lifecycle::Live, None));
    }
    let kinds: Vec<ChangeKind> = feed(&store).await.iter().map(|change| change.kind).collect();
    assert_eq!(kinds[3..], [ChangeKind::Merged, ChangeKind::Merged]);
    // Later documents revise it, and a kill holds for every key.
    let later = write(&store, document(1, "Story 1, corrected", at(2))).await.unwrap();
    assert_eq!((later.outcome, later.record.id.as_str()), (Outcome::Revised, ids[0].as_str()));
    write(&store, transition(&ids[0], ChangeKind::Withdrawn, at(3))).await.unwrap();
    let killed = WriteError::WrongLifecycle { id: id(&ids[0]), lifecycle: Lifecycle::Withdrawn };
    for number in 0..3 {
        let again = write(&store, document(number, &format!("Again {number}"), at(4))).await;
        assert_eq!(again.unwrap_err(), killed);
    }
    sound(&store).await;
}

pub async fn a_merge_is_of_all_articles_or_none(Engine { store, .. }: Engine) {
    let ids = articles(&store, 5).await;
    write(&store, transition(&ids[2], ChangeKind::Withdrawn, at(1))).await.unwrap();
    write(&store, transition(&ids[3], ChangeKind::Deleted, at(1))).await.unwrap();
    let state = |number: usize, lifecycle| WriteError::WrongLifecycle { id: id(&ids[number]), lifecycle };
    for (to, sources, expected) in [
        (&ids[0], [&ids[1], &"none".to_owned()], WriteError::NotFound(id("none"))),
        (&"none".to_owned(), [&ids[0], &ids[1]], WriteError::NotFound(id("none"))),
        (&ids[0], [&ids[1], &ids[2]], state(2, Lifecycle::Withdrawn)),
        (&ids[0], [&ids[1], &ids[3]], state(3, Lifecycle::Deleted)),
        (&ids[2], [&ids[0], &ids[1]], state(2, Lifecycle::Withdrawn)),
        (&ids[3], [&ids[0], &ids[1]], state(3, Lifecycle::Deleted)),
    ] {
        let refused = write(&store, merge(to, &sources.map(String::as_str), at(2))).await;
        assert_eq!(refused.unwrap_err(), expected);
    }
    let stale = |precondition| {
        let Write::Merge(merge) = merge(&ids[0], &[&ids[1]], at(2)) else { unreachable!("a merge") };
        Write::Merge(Box::new(Merge { precondition, ..*merge }))
    };
    let refused = write(&store, stale(Precondition::Revision(2))).await;
    assert_eq!(refused.unwrap_err(), WriteError::Conflict(id(&ids[0])));
    assert_eq!(owner(&store, 1).await.as_str(), ids[1]);
    assert_eq!(get(&store, &ids[1]).await.unwrap().revision, 1);
    let dry = store.dry_run(stale(Precondition::Revision(1))).await.unwrap();
    assert_eq!((dry.outcome, dry.record.etag()), (Outcome::Revised, get(&store, &ids[0]).await.unwrap().etag()));
    assert_eq!(owner(&store, 1).await.as_str(), ids[1]);
    // Nothing is merged twice, or in a circle, or written in another way.
    write(&store, stale(Precondition::Revision(1))).await.unwrap();
    assert_eq!(write(&store, stale(Precondition::Revision(9))).await.unwrap().outcome, Outcome::Unchanged);
    for refused in [
        merge(&ids[1], &[&ids[0]], at(3)),
        merge(&ids[4], &[&ids[1]], at(3)),
        ingest(&ids[1], titled("by its name"), at(3)),
        transition(&ids[1], ChangeKind::Withdrawn, at(3)),
        transition(&ids[1], ChangeKind::Deleted, at(3)),
        transition(&ids[1], ChangeKind::Undeleted, at(3)),
        transition(&ids[1], ChangeKind::Reinstated, at(3)),
        super::fixtures::update(&ids[1], titled("corrected"), Precondition::None, at(3)),
    ] {
        assert_eq!(write(&store, refused.clone()).await.unwrap_err(), merged(&ids[1], &ids[0]), "{refused:?}");
    }
    sound(&store).await;
}

pub async fn merges_are_followed_to_the_last_article(Engine { store, .. }: Engine) {
    let ids = articles(&store, 4).await;
    for pair in ids.windows(2) {
        write(&store, merge(&pair[1], &[&pair[0]], at(1))).await.unwrap();
    }
    for (number, name) in ids[..3].iter().enumerate() {
        let record = get(&store, name).await.unwrap();
        assert_eq!(record.successor(), Some(id(&ids[number + 1])));
        let last = last_successor(&*store, &record, Consistency::Full).await.unwrap().unwrap();
        assert_eq!(last.id.as_str(), ids[3]);
        assert_eq!(owner(&store, number).await.as_str(), ids[3]);
    }
    let last = get(&store, &ids[3]).await.unwrap();
    assert!(last_successor(&*store, &last, Consistency::Full).await.unwrap().is_none());
    sound(&store).await;
}

pub async fn writes_of_one_call_see_its_merges(Engine { store, .. }: Engine) {
    let name = |number: usize| ArticleId::of_key(&key(number)).to_string();
    let (a, b, c) = (name(0), name(1), name(2));
    let keyed = |number: usize, also: usize, headline: &str| {
        let Write::Ingest(ingest) = document(number, headline, at(0)) else { unreachable!("a document") };
        let keys = [number, also].map(|number| StatedKey { key: key(number), trust: Trust::Certain });
        Write::Ingest(Box::new(Ingest { keys: keys.to_vec(), ..*ingest }))
    };
    write(&store, document(0, "Stored", at(0))).await.unwrap();
    let answers = store
        .write(vec![
            keyed(0, 10, "Stored, with another key"),
            document(1, "New", at(0)),
            document(2, "Newer", at(0)),
            merge(&b, &[&a], at(1)),
            document(0, "For the second", at(2)),
            merge(&c, &[&b], at(3)),
            document(10, "For the third", at(4)),
            document(1, "For the third, too", at(5)),
            merge(&b, &[&c], at(6)),
        ])
        .await;
    let written: Vec<_> = answers.iter().map(|answer| answer.as_ref().map(|it| it.record.id.to_string())).collect();
    let circle = merged(&b, &c);
    let expected = [&a, &b, &c, &b, &b, &c, &c, &c].map(|id| Ok(id.clone()));
    assert_eq!(written, expected.into_iter().chain([Err(&circle)]).collect::<Vec<_>>());
    for number in [0, 1, 2, 10] {
        assert_eq!(owner(&store, number).await.to_string(), c, "{number}");
    }
    assert_eq!(get(&store, &c).await.unwrap().decode().unwrap().headline, "For the third, too");
    sound(&store).await;
}

/// Documents and merges of the same articles at once, from several replicas: every key ends at the last article, which
/// has the newest text, and no document is lost to a merged one.
#[tokio::test]
async fn concurrent_documents_and_merges_lose_no_key() {
    const STORIES: usize = 8;
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 3).await;
    let ids = articles(&stores[0], STORIES * 3).await;
    let writes = (0..STORIES * 12).map(|number| {
        let (store, story) = (Arc::clone(&stores[number % stores.len()]), number / 12);
        let of = |part: usize| ids[story * 3 + part].clone();
        let write = match number % 12 {
            3 => merge(&of(1), &[&of(0)], at(1)),
            7 => merge(&of(2), &[&of(1)], at(1)),
            part => document(story * 3 + part % 3, &format!("Document {number}"), at(1)),
        };
        tokio::spawn(async move { store.write(vec![write]).await.remove(0) })
    });
    for answer in join_all(writes.collect::<Vec<_>>()).await {
        match answer.unwrap() {
            Ok(written) => assert_ne!(written.record.lifecycle, Lifecycle::Merged),
            // The second merge came first, or twice.
            Err(error) => assert!(matches!(error, WriteError::Merged { .. }), "{error:?}"),
        }
    }
    for story in 0..STORIES {
        let of = |part: usize| ids[story * 3 + part].clone();
        // Those that were refused are repeated, into the article that stays.
        let first = get(&stores[0], &of(0)).await.unwrap();
        if first.successor().is_none() {
            write(&stores[1], merge(&of(2), &[&of(0)], at(2))).await.unwrap();
        }
        for part in 0..3 {
            assert_eq!(owner(&stores[2], story * 3 + part).await.to_string(), of(2));
        }
    }
    sound(&stores[0]).await;
    let live = stores[0].get(&ids.iter().map(|name| id(name)).collect::<Vec<_>>(), Consistency::Full).await.unwrap();
    let live = live.iter().flat_map(|fetched| &fetched.record).filter(|record| record.lifecycle == Lifecycle::Live);
    assert_eq!(live.count(), STORIES);
}
