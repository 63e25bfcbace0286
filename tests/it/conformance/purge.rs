//! Purged articles, and what is left of them.

use std::sync::Arc;

use copydesk::article::{ArticleId, ChangeKind, CleanArticle, Key, Lifecycle};
use copydesk::proto::{Article, ArticleFilter, ArticleState, StringCondition};
use copydesk::store::{Consistency, OrderField, Outcome, Precondition, SnapshotQuery, Store, WriteError, verify};

use super::engines::Engine;
use super::fixtures::{
    at, feed, get, id, ingest, list, names, page, proto_at, request, titled, transition, transition_if, update, write,
};
use super::indexes::search;

const SOURCE: &str = "herald.example";

fn article(headline: &str) -> Article {
    Article {
        source: SOURCE.into(),
        url: format!("https://{SOURCE}/{}", headline.to_lowercase().replace(' ', "-")),
        external_id: "N-1".into(),
        body: "The crossing was calm.".into(),
        tags: vec!["quayside".into()],
        publish_time: proto_at(-100),
        expire_time: proto_at(9_000),
        ..titled(headline)
    }
}

/// Writes an article with three revisions, two of them with reasons, and purges it.
async fn purge(store: &Arc<dyn Store>) {
    write(store, ingest("a-1", article("Ferry sunk"), at(0))).await.unwrap();
    write(store, update("a-1", article("Ferry afloat"), Precondition::None, at(1))).await.unwrap();
    write(store, transition("a-1", ChangeKind::Deleted, at(2))).await.unwrap();
    let purged = write(store, transition("a-1", ChangeKind::Purged, at(3))).await.unwrap();
    assert_eq!((purged.outcome, purged.record.revision), (Outcome::Revised, 4));
}

pub async fn everything_of_a_purged_article_is_erased(Engine { store, .. }: Engine) {
    write(&store, ingest("a-2", article("Another ferry"), at(0))).await.unwrap();
    purge(&store).await;
    let left = CleanArticle::erased(SOURCE, None);
    let before = CleanArticle::new(article("Ferry afloat"), &Default::default()).unwrap();
    let record = get(&store, "a-1").await.unwrap();
    assert_eq!((record.lifecycle, record.digest), (Lifecycle::Purged, before.digest()));
    assert_eq!((record.publish_time, record.expire_time, record.delete_time), (None, None, None));
    assert_eq!(&record.content()[..], left.content());
    // History and feed.
    let history = store.revisions(&id("a-1"), None, 10, Consistency::Full).await.unwrap();
    let reasons: Vec<_> = history.iter().map(|revision| (revision.kind, revision.reason.as_str())).collect();
    let (created, revised) = ((ChangeKind::Created, ""), (ChangeKind::Revised, ""));
    assert_eq!(reasons, [(ChangeKind::Purged, "the desk's decision"), (ChangeKind::Deleted, ""), revised, created]);
    for number in 1..=4 {
        let revision = store.get_revision(&id("a-1"), number, Consistency::Full).await.unwrap().unwrap();
        assert_eq!(&revision.content()[..], left.content(), "revision {number}");
    }
    let changes = feed(&store).await;
    for change in changes.iter().filter(|change| change.record.id == id("a-1")) {
        assert_eq!(change.now.lifecycle, Lifecycle::Purged);
        let records = [Some(&change.record), change.before.as_ref()];
        assert!(records.into_iter().flatten().all(|record| record.content()[..] == *left.content()), "{change:?}");
    }
    for (record, now) in store.snapshot(&SnapshotQuery::of_all(changes[2].position, None, 10)).await.unwrap() {
        let is_purged = record.id == id("a-1");
        assert_eq!(is_purged, now.lifecycle == Lifecycle::Purged);
        assert_eq!(is_purged, record.content()[..] == *left.content());
    }
    // Search and lists. Only editors see what is left.
    assert_eq!(search(&store, "ferry calm", at(5)).await.len(), 1);
    let listed = |filter| list(&store, page(filter, OrderField::PublishTime, true, 5, at(5)));
    let by_tag = ArticleFilter { tags: Some(StringCondition::any_of(["quayside"])), ..ArticleFilter::default() };
    assert_eq!(names(&listed(by_tag).await), ["a-2"]);
    let state = |state: ArticleState| ArticleFilter { states: vec![state.into()], ..ArticleFilter::default() };
    assert_eq!(names(&listed(state(ArticleState::Purged)).await), ["a-1"]);
    assert_eq!(names(&listed(state(ArticleState::Active)).await), ["a-2"]);
    let by_source = ArticleFilter { sources: Some(StringCondition::any_of([SOURCE])), ..state(ArticleState::Purged) };
    assert_eq!(names(&listed(by_source).await), ["a-1"]);
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
    // Purging twice changes nothing, whatever is demanded.
    let again = transition_if("a-1", ChangeKind::Purged, Precondition::Revision(1), at(6));
    assert_eq!(write(&store, again).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(write(&store, transition("none", ChangeKind::Purged, at(6))).await.unwrap_err(), not_found());
}

fn not_found() -> WriteError {
    WriteError::NotFound(id("none"))
}

pub async fn a_purged_article_is_never_accepted_again(Engine { store, .. }: Engine) {
    let sent = request("a-0", article("Sent with an ID"), "r-1", at(0));
    write(&store, sent.clone()).await.unwrap();
    write(&store, transition("a-0", ChangeKind::Purged, at(1))).await.unwrap();
    let refused = |name| WriteError::WrongLifecycle { id: id(name), lifecycle: Lifecycle::Purged };
    assert_eq!(write(&store, sent).await.unwrap_err(), refused("a-0"), "the response would have its text");
    // In one call, a purge holds for the writes after it.
    let other_id = |headline: &str| Article { external_id: "N-2".into(), ..article(headline) };
    let calls = vec![
        ingest("a-1", other_id("Ferry sunk"), at(2)),
        update("a-1", other_id("Ferry afloat"), Precondition::None, at(2)),
        transition("a-1", ChangeKind::Purged, at(2)),
        ingest("a-2", Article { external_id: String::new(), url: String::new(), ..article("Ferry sunk") }, at(2)),
    ];
    let mut answers = store.write(calls).await;
    assert_eq!(answers.pop().unwrap().unwrap_err(), refused("a-1"));
    assert!(answers.iter().all(Result::is_ok));
    let unkeyed = |headline| Article { external_id: String::new(), url: String::new(), ..article(headline) };
    for (name, again) in [
        ("by-name", ingest("a-1", unkeyed("Another text"), at(3))),
        ("by URL", ingest("b-1", Article { url: other_id("Ferry sunk").url, ..unkeyed("Another text") }, at(3))),
        ("by external ID", ingest("b-2", Article { external_id: "N-2".into(), ..unkeyed("Another text") }, at(3))),
        ("by its last text", ingest("b-3", unkeyed("Ferry afloat"), at(3))),
        ("by an earlier text", ingest("b-4", unkeyed("Ferry sunk"), at(3))),
        ("a correction", update("a-1", unkeyed("Ferry afloat"), Precondition::None, at(3))),
        ("a withdrawal", transition("a-1", ChangeKind::Withdrawn, at(3))),
        ("a reinstatement", transition("a-1", ChangeKind::Reinstated, at(3))),
        ("a deletion", transition("a-1", ChangeKind::Deleted, at(3))),
        ("an undeletion", transition("a-1", ChangeKind::Undeleted, at(3))),
    ] {
        assert_eq!(store.dry_run(again.clone()).await.unwrap_err(), refused("a-1"), "{name}");
        assert_eq!(write(&store, again).await.unwrap_err(), refused("a-1"), "{name}");
    }
    // Other publishers may have the text, and the keys are kept.
    let elsewhere = Article { source: "coast.example".into(), ..unkeyed("Ferry sunk") };
    assert_eq!(write(&store, ingest("c-1", elsewhere, at(3))).await.unwrap().outcome, Outcome::Created);
    let key = Key::external(SOURCE, "N-2");
    assert_eq!(store.lookup(&[key], Consistency::Full).await.unwrap(), [Some(id("a-1"))]);
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
}

pub async fn a_purge_under_embargo_is_not_announced(Engine { store, .. }: Engine) {
    let held = Article { embargo_time: proto_at(100), ..article("Held back") };
    write(&store, ingest("a-1", held, at(0))).await.unwrap();
    let purged = write(&store, transition("a-1", ChangeKind::Purged, at(1))).await.unwrap().record;
    assert_eq!((purged.lifecycle, purged.embargo_time), (Lifecycle::Purged, Some(at(100))));
    assert!(feed(&store).await.iter().all(|change| !change.announced));
    // An embargo that has ended hides nothing.
    let ended = Article { embargo_time: proto_at(100), external_id: "N-2".into(), ..article("Held until now") };
    write(&store, ingest("a-2", ended, at(0))).await.unwrap();
    let purged = write(&store, transition("a-2", ChangeKind::Purged, at(101))).await.unwrap().record;
    assert_eq!((purged.lifecycle, purged.embargo_time), (Lifecycle::Purged, None));
    assert!(feed(&store).await.last().unwrap().announced);
}

pub async fn deleted_articles_are_found_by_age(Engine { store, .. }: Engine) {
    for (number, kinds) in [
        (1, &[ChangeKind::Deleted][..]),
        (2, &[ChangeKind::Deleted, ChangeKind::Undeleted]),
        (3, &[ChangeKind::Withdrawn]),
        (4, &[ChangeKind::Deleted, ChangeKind::Undeleted, ChangeKind::Deleted]),
        (5, &[ChangeKind::Deleted, ChangeKind::Purged]),
        (6, &[ChangeKind::Deleted]),
    ] {
        let name = format!("a-{number}");
        write(&store, ingest(&name, titled(&name), at(0))).await.unwrap();
        for kind in kinds {
            write(&store, transition(&name, *kind, at(10 * number))).await.unwrap();
        }
    }
    let before = async |seconds, limit| store.deleted_before(at(seconds), limit).await.unwrap();
    let (first, second, third): ((ArticleId, i64), _, _) = ((id("a-1"), 2), (id("a-4"), 4), (id("a-6"), 2));
    assert_eq!(before(10, 9).await, []);
    assert_eq!(before(41, 9).await, [first.clone(), second.clone()]);
    assert_eq!(before(99, 9).await, [first.clone(), second, third]);
    assert_eq!(before(99, 1).await, [first]);
}
