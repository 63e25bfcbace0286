//! Copies and verification of stores.

use std::sync::Arc;

use copydesk::article::{ArticleId, ArticleKey, ChangeKind, CleanArticle, EditorFields, Key, Lifecycle};
use copydesk::proto::Article;
use copydesk::store::{
    Authority, Consistency, Missing, Precondition, Store, Transition, Verified, Write, WriteError, copy, verify,
};
use jiff::{SignedDuration, Timestamp};

use super::engines::{Engine, postgres, sqlite};
use super::fixtures::{at, get, id, ingest, merge, proto_at, titled, transition, update, update_of, write};

/// Fills a store with an article in each state, duplicates, and a correction.
async fn written(store: &Arc<dyn Store>) {
    for number in 0..450 {
        // Every tenth has the same text as the one before it.
        let title = format!("article {}", number - i32::from(number % 10 == 9));
        write(store, ingest(&format!("a-{number}"), titled(&title), at(i64::from(number)))).await.unwrap();
    }
    write(store, update("a-1", titled("corrected"), Precondition::None, at(500))).await.unwrap();
    write(store, transition("a-2", ChangeKind::Withdrawn, at(501))).await.unwrap();
    write(store, transition("a-3", ChangeKind::Deleted, at(502))).await.unwrap();
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    let mut held = titled("held back");
    held.embargo_time = Some(prost_types::Timestamp { seconds: later.as_second(), nanos: 0 });
    write(store, ingest("a-held", held.clone(), at(503))).await.unwrap();
    // An editor's embargo, and a clearing that is an editor's.
    let name = "a-editors";
    write(store, ingest(name, titled("editors'"), at(504))).await.unwrap();
    held.headline = "editors'".into();
    let both = EditorFields::EMBARGO_TIME.with(EditorFields::EXPIRE_TIME);
    write(store, update_of(both, Authority::Admin, name, held, Precondition::None, at(505))).await.unwrap();
    // An article with keys, and two that were withdrawn before they arrived, one of which was reinstated.
    let keyed = Article { url: URL.into(), external_id: "N-1".into(), ..titled("keyed") };
    write(store, ingest("a-keyed", keyed, at(506))).await.unwrap();
    for key in killed() {
        let article = CleanArticle::without_text(Article { source: "herald.example".into(), ..Article::default() });
        let missing =
            Missing { article: article.unwrap(), keys: vec![ArticleKey { key, is_certain: true }], digest: None };
        let id = ArticleId::of_key(&key);
        let Write::Transition(kill) = transition(id.as_str(), ChangeKind::Withdrawn, at(507)) else { unreachable!() };
        let kill = Transition { key: Some(key), missing: Some(Box::new(missing)), ..kill };
        write(store, Write::Transition(kill)).await.unwrap();
    }
    let reinstated = ArticleId::of_key(&killed()[1]);
    write(store, transition(reinstated.as_str(), ChangeKind::Reinstated, at(508))).await.unwrap();
    // A purged article that had two texts.
    for (headline, time) in [("erased first", 509), ("erased then", 510)] {
        let article = Article { url: ERASED.into(), source: "herald.example".into(), ..titled(headline) };
        write(store, ingest("a-erased", article, at(time))).await.unwrap();
    }
    write(store, transition("a-erased", ChangeKind::Purged, at(511))).await.unwrap();
}

const URL: &str = "https://herald.example/keyed";
const ERASED: &str = "https://herald.example/erased";
/// Number of articles that [`written`] writes.
const ARTICLES: u64 = 456;

/// Keys of the articles that were withdrawn before they arrived.
fn killed() -> [Key; 2] {
    ["1", "2"].map(|id| Key::external("herald.example", id))
}

async fn sound(store: &Arc<dyn Store>) -> Verified {
    let found = verify(&**store).await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    found
}

pub async fn a_written_store_passes_verification(Engine { store, .. }: Engine) {
    written(&store).await;
    let found = sound(&store).await;
    assert_eq!((found.articles, found.states, found.changes), (ARTICLES, [449, 2, 2, 1, 0, 1, 0, 1], 463));
    write(&store, update("a-5", titled("other"), Precondition::None, at(600))).await.unwrap();
    let other = sound(&store).await;
    assert_ne!((other.digest, other.readable), (found.digest, found.readable));
}

/// From the embedded engine to the shared one, and back.
#[tokio::test]
async fn copies_between_engines_are_equal() {
    let stores = [sqlite().await, postgres().await, sqlite().await];
    written(&stores[0].store).await;
    let first = sound(&stores[0].store).await;
    for pair in stores.windows(2) {
        let copied = copy(&*pair[0].store, &*pair[1].store).await.unwrap();
        assert_eq!((copied.articles, copied.unchanged, copied.refused), (ARTICLES, 0, Vec::new()));
        let found = sound(&pair[1].store).await;
        assert_eq!((found.digest, found.readable, found.states), (first.digest, first.readable, first.states));
        // Every key leads to the same article.
        let keys = [Key::address(URL).unwrap(), Key::external("herald.example", "N-1")];
        for key in keys.into_iter().chain(killed()) {
            let found = pair[1].store.lookup(&[key], Consistency::Full).await.unwrap();
            assert_eq!(found, pair[0].store.lookup(&[key], Consistency::Full).await.unwrap(), "{key:?}");
            assert!(found[0].is_some(), "{key:?}");
        }
        // What was purged is accepted nowhere: neither its keys nor either of its texts.
        for (name, url, headline) in [
            ("a-again", ERASED, "another text"),
            ("a-first", "https://herald.example/first", "erased first"),
            ("a-then", "https://herald.example/then", "erased then"),
        ] {
            let article = Article { url: url.into(), source: "herald.example".into(), ..titled(headline) };
            let refused = pair[1].store.dry_run(ingest(name, article, at(700))).await.unwrap_err();
            assert_eq!(refused, WriteError::WrongLifecycle { id: id("a-erased"), lifecycle: Lifecycle::Purged });
        }
        // An interrupted copy resumes.
        let again = copy(&*pair[0].store, &*pair[1].store).await.unwrap();
        assert_eq!((again.articles, again.unchanged, again.refused), (ARTICLES, ARTICLES, Vec::new()));
        assert_eq!(sound(&pair[1].store).await.digest, first.digest);
        // Fields set by editors are marked as such in the copy.
        let before = get(&pair[1].store, "a-editors").await.unwrap();
        let mut lifted = titled("editors'");
        lifted.embargo_time = proto_at(0);
        let ignored = pair[1].store.dry_run(ingest("a-editors", lifted.clone(), at(700))).await.unwrap();
        assert_eq!(ignored.record.embargo_time, before.embargo_time);
        assert!(before.embargo_time.is_some());
        let changed = pair[1].store.dry_run(ingest("a-held", lifted, at(700))).await.unwrap();
        assert_eq!(changed.record.embargo_time, Some(at(0)));
    }
    // A field cleared by an editor is cleared in the copy, although the text is equal.
    let (from, to) = (&stores[0].store, &stores[1].store);
    let clear =
        |name| update_of(EditorFields::EMBARGO_TIME, Authority::Admin, name, titled(name), Precondition::None, at(800));
    for name in ["a-editors", "a-held"] {
        write(from, clear(name)).await.unwrap();
    }
    copy(&**from, &**to).await.unwrap();
    assert_eq!(sound(to).await.digest, sound(from).await.digest);
    // Fields set only by an editor of the copy are kept.
    let article = || Article { embargo_time: proto_at(900), ..titled("article 10") };
    let held = update_of(EditorFields::EMBARGO_TIME, Authority::Admin, "a-10", article(), Precondition::None, at(801));
    write(to, held).await.unwrap();
    copy(&**from, &**to).await.unwrap();
    assert_eq!(get(to, "a-10").await.unwrap().embargo_time, Some(at(900)));
}

/// A row that was changed by hand.
#[tokio::test]
async fn verification_names_a_tampered_text() {
    let database = crate::support::database::Cluster::shared().database().await;
    let store: Arc<dyn Store> =
        Arc::new(copydesk::store::postgres::PostgresStore::open(database.options()).await.unwrap());
    written(&store).await;
    let client = database.client().await;
    let swap = "UPDATE copydesk.changes c SET text = (SELECT text FROM copydesk.changes WHERE position = 8)
        WHERE c.position = 7";
    assert_eq!(client.execute(swap, &[]).await.unwrap(), 1);
    client.execute("UPDATE copydesk.changes SET revision = 5 WHERE position = 6", &[]).await.unwrap();
    let found = verify(&*store).await.unwrap();
    let problems = found.problems.join("\n");
    assert!(problems.contains("articles/a-6@1: text does not match its digest"), "{problems}");
    assert!(problems.contains("articles/a-5: revision is 5, must be 1"), "{problems}");
}

/// Merges, also into articles that are created later, merged in turn, or killed afterwards.
#[tokio::test]
async fn copies_carry_merges() {
    let stores = [sqlite().await, postgres().await, sqlite().await];
    let from = &stores[0].store;
    for number in 0..6 {
        let url = format!("https://herald.example/{number}");
        let article = Article { url, ..titled(&format!("article {number}")) };
        write(from, ingest(&format!("a-{number}"), article, at(number))).await.unwrap();
    }
    for (to, sources) in [("a-4", &["a-0", "a-1"][..]), ("a-5", &["a-4"]), ("a-2", &["a-3"])] {
        write(from, merge(to, sources, at(10))).await.unwrap();
    }
    write(from, transition("a-2", ChangeKind::Withdrawn, at(11))).await.unwrap();
    let first = sound(from).await;
    assert_eq!(first.states, [1, 0, 1, 0, 0, 0, 4, 0]);
    for pair in stores.windows(2) {
        for unchanged in [0, 6] {
            let copied = copy(&*pair[0].store, &*pair[1].store).await.unwrap();
            assert_eq!((copied.articles, copied.unchanged, copied.refused), (6, unchanged, Vec::new()));
            let found = sound(&pair[1].store).await;
            assert_eq!((found.digest, found.readable, found.states), (first.digest, first.readable, first.states));
            for (number, owner) in [(0, "a-5"), (1, "a-5"), (2, "a-2"), (3, "a-2"), (4, "a-5"), (5, "a-5")] {
                let key = Key::address(&format!("https://herald.example/{number}")).unwrap();
                let found = pair[1].store.lookup(&[key], Consistency::Full).await.unwrap();
                assert_eq!(found[0].as_ref().unwrap().as_str(), owner, "{number}");
            }
        }
    }
}
