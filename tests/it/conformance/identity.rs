//! The article that a document belongs to, and the order of its documents.

use std::sync::Arc;

use copydesk::article::{
    ArticleId, ArticleKey, ChangeKind, Key, Lifecycle, SourceVersion, StatedKey, Trust, VersionPart,
};
use copydesk::proto::Article;
use copydesk::store::{Consistency, Ingest, KeyNote, LateCopies, Outcome, Store, Write, WriteError, Written};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::databases::replicas;
use super::engines::Engine;
use super::fixtures::{ADMIN, at, clean, feed, get, transition, write};
use crate::support::database::Cluster;

const CHANNEL: &str = "The harbour board agreed on Monday to dredge the northern channel before the winter.";
const LIGHTHOUSE: &str = "The lighthouse of Lowmouth will stay lit until the spring, the coast service said today.";

fn address(path: &str) -> Key {
    Key::address(&format!("https://herald.example/{path}")).unwrap()
}

/// A document with these keys, without a name.
fn document(keys: &[(Key, Trust)], headline: &str, body: &str, version: SourceVersion) -> Ingest {
    let article =
        Article { headline: headline.into(), body: body.into(), source: "herald.example".into(), ..Article::default() };
    let keys: Vec<StatedKey> = keys.iter().map(|(key, trust)| StatedKey { key: *key, trust: *trust }).collect();
    Ingest {
        id: ArticleId::of_key(&keys[0].key),
        is_named: false,
        keys,
        article: clean(article),
        version,
        request: None,
        from: ADMIN,
        late_copies: LateCopies::Reject,
        original: None,
        note: String::new(),
        time: at(0),
    }
}

fn arrived(keys: &[(Key, Trust)], headline: &str, body: &str) -> Ingest {
    document(keys, headline, body, SourceVersion::arrived(at(0)))
}

async fn put(store: &Arc<dyn Store>, ingest: Ingest) -> Result<Written, WriteError> {
    write(store, Write::Ingest(Box::new(ingest))).await
}

/// One article, whichever of its two documents is first: a feed's item and its page.
pub async fn concurrent_documents_with_a_common_key_end_as_one_article(Engine { store, .. }: Engine) {
    documents_end_as_one_article(&[store]).await;
}

#[tokio::test]
async fn replicas_that_ingest_an_item_and_its_page_at_once_end_with_one_article() {
    let database = Cluster::shared().database().await;
    documents_end_as_one_article(&replicas(&database, 3).await).await;
}

async fn documents_end_as_one_article(stores: &[Arc<dyn Store>]) {
    const STORIES: usize = 12;
    let writes = (0..STORIES * 3).map(|number| {
        let (store, story) = (Arc::clone(&stores[number % stores.len()]), number / 3);
        let (page, guid) = (address(&format!("news/{story}")), Key::external("herald.example", &format!("h-{story}")));
        let (amp, headline) = (address(&format!("amp-of/{story}")), format!("Story {story}"));
        // The item knows the link and a GUID, the page its own address and that of its AMP edition, which knows it.
        let ingest = match number % 3 {
            0 => arrived(&[(page, Trust::UnlessOtherId), (guid, Trust::IfSimilar)], &headline, "Teaser."),
            1 => arrived(&[(page, Trust::Certain), (amp, Trust::IfSimilar)], &headline, CHANNEL),
            _ => arrived(&[(amp, Trust::Certain), (page, Trust::IfSimilar)], &headline, CHANNEL),
        };
        tokio::spawn(async move { put(&store, ingest).await.unwrap() })
    });
    join_all(writes.collect::<Vec<_>>()).await.into_iter().for_each(|done| drop(done.unwrap()));
    let created = feed(&stores[0]).await.into_iter().filter(|change| change.kind == ChangeKind::Created).count();
    assert_eq!(created, STORIES);
    for story in 0..STORIES {
        let mut ids = Vec::new();
        let keys = [
            address(&format!("news/{story}")),
            address(&format!("amp-of/{story}")),
            Key::external("herald.example", &format!("h-{story}")),
        ];
        for id in stores[0].lookup(&keys, Consistency::Full).await.unwrap() {
            ids.push(id.expect("the key should be known"));
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}

pub async fn a_shared_key_joins_no_different_texts(Engine { store, .. }: Engine) {
    let canonical = (address("section/dredging"), Trust::IfSimilar);
    let page = |path, headline, body| arrived(&[(address(path), Trust::Certain), canonical], headline, body);
    let longer = format!("{CHANNEL} It begins today.");
    let first = put(&store, page("1", "Channel to be dredged", CHANNEL)).await.unwrap();
    let same = put(&store, page("2", "Dredging agreed", &longer)).await.unwrap();
    let other = put(&store, page("3", "Lighthouse stays lit", LIGHTHOUSE)).await.unwrap();
    assert_eq!((same.outcome, &same.record.id), (Outcome::Revised, &first.record.id));
    assert_eq!((other.outcome, other.notes), (Outcome::Created, vec![KeyNote::Shared(first.record.id.clone())]));
    // The page at the address that was only claimed decides to whom it belongs.
    let owner = put(&store, page("section/dredging", "Lighthouse", LIGHTHOUSE)).await.unwrap();
    assert_eq!(owner.outcome, Outcome::Created);
    let keys = store.keys_of(std::slice::from_ref(&owner.record.id), Consistency::Full).await.unwrap();
    assert_eq!(keys, [[ArticleKey { key: canonical.0, is_certain: true }]]);
}

pub async fn a_kill_holds_for_every_key_and_the_exact_text(Engine { store, .. }: Engine) {
    let (page, canonical, guid) = (address("1"), address("channel"), Key::external("herald.example", "h-1"));
    let keys = [(page, Trust::Certain), (canonical, Trust::IfSimilar), (guid, Trust::IfSimilar)];
    let killed = put(&store, arrived(&keys, "Channel", CHANNEL)).await.unwrap().record.id.clone();
    write(&store, transition(killed.as_str(), ChangeKind::Withdrawn, at(1))).await.unwrap();
    let refused = WriteError::WrongLifecycle { id: killed.clone(), lifecycle: Lifecycle::Withdrawn };
    for (key, trust) in keys {
        let again = arrived(&[(address("2"), Trust::Certain), (key, trust)], "Channel", "It is as it was.");
        assert_eq!(put(&store, again).await.unwrap_err(), refused, "{key:?}");
    }
    let elsewhere = [(address("3"), Trust::Certain)];
    assert_eq!(put(&store, arrived(&elsewhere, "Channel", CHANNEL)).await.unwrap_err(), refused);
    // Another text that shares only a claimed key is another story.
    let other = arrived(&[(address("4"), Trust::Certain), (canonical, Trust::IfSimilar)], "Lighthouse", LIGHTHOUSE);
    assert_eq!(put(&store, other).await.unwrap().outcome, Outcome::Created);
    write(&store, transition(killed.as_str(), ChangeKind::Reinstated, at(2))).await.unwrap();
    assert_eq!(put(&store, arrived(&elsewhere, "Channel", CHANNEL)).await.unwrap().outcome, Outcome::Duplicate);
}

pub async fn a_stale_document_changes_nothing(Engine { store, .. }: Engine) {
    let version = |stated: i64, number, observed: Option<i64>| SourceVersion {
        stated: Some(at(stated)),
        number,
        observed: observed.map(at),
    };
    let page = |headline: &str, version| document(&[(address("1"), Trust::Certain)], headline, CHANNEL, version);
    let newest = put(&store, page("Newest", version(10, 2, Some(12)))).await.unwrap();
    let name = newest.record.id.to_string();
    for (older, part) in [
        (version(9, 9, Some(99)), VersionPart::Time),
        (version(10, 1, Some(99)), VersionPart::Number),
        (version(10, 2, Some(11)), VersionPart::Observed),
    ] {
        let stale = put(&store, page("Older", older)).await.unwrap();
        assert_eq!((stale.outcome, stale.stale_part), (Outcome::Stale, Some(part)));
        assert_eq!(stale.record.content(), newest.record.content());
    }
    assert_eq!(feed(&store).await.len(), 1, "nothing is written");
    // The same document with a later version moves the bar, and writes no revision.
    assert_eq!(put(&store, page("Newest", version(20, 0, None))).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(put(&store, page("Older", version(15, 0, None))).await.unwrap().outcome, Outcome::Stale);
    assert_eq!(get(&store, &name).await.unwrap().revision, 1);
}

/// Versions of a document, as an index of its text and the parts of its version. Equal versions differ in their text.
fn versions() -> impl Strategy<Value = Vec<(usize, SourceVersion)>> {
    let version = (0..4_i64, 0..2_i64, prop::option::of(0..3_i64)).prop_map(|(stated, number, observed)| {
        SourceVersion { stated: Some(at(stated)), number, observed: observed.map(at) }
    });
    prop::collection::vec(version, 2..7).prop_map(|versions| versions.into_iter().enumerate().collect())
}

pub async fn any_order_of_arrival_ends_with_the_newest(Engine { store, .. }: Engine) {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for case in 0..40 {
        let versions = versions().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()));
        let (one, other) = versions.new_tree(&mut runner).unwrap().current();
        let mut ends = Vec::new();
        for (order, versions) in [one, other].into_iter().enumerate() {
            let key = [(address(&format!("{case}/{order}")), Trust::Certain)];
            let writes = versions.iter().map(|(text, version)| {
                let ingest = document(&key, &format!("Version {text} of {case}"), CHANNEL, *version);
                Write::Ingest(Box::new(ingest))
            });
            // In one call, and each in its own.
            for write in store.write(writes.clone().take(2).collect()).await {
                write.unwrap();
            }
            for write in writes.skip(2) {
                super::fixtures::write(&store, write).await.unwrap();
            }
            let id = store.lookup(&[key[0].0], Consistency::Full).await.unwrap().remove(0).unwrap();
            ends.push(get(&store, id.as_str()).await.unwrap().decode().unwrap().headline);
            let newest = versions.iter().map(|(_, version)| (version.stated, version.number, version.observed)).max();
            let text: usize = ends[order].split(' ').nth(1).unwrap().parse().unwrap();
            let (_, ended) = versions.iter().find(|(number, _)| *number == text).unwrap();
            assert_eq!(Some((ended.stated, ended.number, ended.observed)), newest, "{versions:?}");
        }
        assert_eq!(ends[0], ends[1]);
    }
}
