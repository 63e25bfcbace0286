//! Lists, lookups and their pages.

use copydesk::article::{ArticleKey, ChangeKind, Key};
use copydesk::proto::{Article, ArticleFilter, ArticleState, StringCondition};
use copydesk::store::{Consistency, ListCursor, OrderField};

use super::engines::Engine;
use super::fixtures::{at, id, ingest, list, names, page, proto_at, titled, transition, write};

fn published(headline: &str, seconds: i64, tags: &[&str]) -> Article {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Article { publish_time: proto_at(seconds), tags, ..titled(headline) }
}

fn tagged(tags: &[&str]) -> ArticleFilter {
    ArticleFilter { tags: Some(StringCondition::any_of(tags.iter().copied())), ..ArticleFilter::default() }
}

pub async fn pagination_neither_skips_nor_repeats_during_writes(Engine { store, .. }: Engine) {
    for number in 0..10 {
        let name = format!("a-{number}");
        write(&store, ingest(&name, published(&name, number, &["sea"]), at(100))).await.unwrap();
    }
    let mut query = page(tagged(&["Sea"]), OrderField::PublishTime, true, 4, at(200));
    let mut listed = store.list(&query).await.unwrap().records;
    // Newer, older, and as old as the page's last: none may come twice or be skipped.
    for (name, seconds) in [("new", 50), ("old", -5), ("even", 6)] {
        write(&store, ingest(name, published(name, seconds, &["sea"]), at(101))).await.unwrap();
    }
    while let Some(last) = listed.last() {
        query.after = Some(ListCursor::of(last));
        let next = store.list(&query).await.unwrap().records;
        if next.is_empty() {
            break;
        }
        listed.extend(next);
    }
    assert_eq!(names(&listed), ["a-9", "a-8", "a-7", "a-6", "a-5", "a-4", "a-3", "a-2", "a-1", "a-0", "old"]);
}

pub async fn an_article_with_two_values_is_listed_once(Engine { store, .. }: Engine) {
    write(&store, ingest("both", published("1", 1, &["sea", "port"]), at(10))).await.unwrap();
    write(&store, ingest("one", published("2", 2, &["port"]), at(10))).await.unwrap();
    write(&store, ingest("none", published("3", 3, &["land"]), at(10))).await.unwrap();
    for limit in 1..4 {
        let query = page(tagged(&["sea", "PORT"]), OrderField::PublishTime, false, limit, at(20));
        assert_eq!(names(&list(&store, query).await), ["both", "one"]);
    }
    assert!(list(&store, page(tagged(&["air"]), OrderField::PublishTime, false, 9, at(20))).await.is_empty());
}

pub async fn a_cursor_is_valid_after_its_article_is_withdrawn(Engine { store, .. }: Engine) {
    for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        write(&store, ingest(name, published(name, number as i64, &[]), at(10))).await.unwrap();
    }
    for field in [OrderField::PublishTime, OrderField::CreateTime, OrderField::UpdateTime] {
        let mut query = page(ArticleFilter::default(), field, false, 2, at(20));
        let first = store.list(&query).await.unwrap().records;
        query.after = first.last().map(|last| ListCursor::of(last));
        let last = first.last().unwrap().id.clone();
        write(&store, transition(last.as_str(), ChangeKind::Withdrawn, at(11))).await.unwrap();
        let rest = store.list(&query).await.unwrap().records;
        assert_eq!(rest.len(), 2, "{field:?}");
        assert!(rest.iter().all(|record| record.id != last));
        write(&store, transition(last.as_str(), ChangeKind::Reinstated, at(12))).await.unwrap();
    }
}

pub async fn lookup_by_key_finds_every_key(Engine { store, .. }: Engine) {
    let article = |number: u8| Article {
        url: format!("https://herald.example/{number}"),
        source: "herald.example".into(),
        external_id: "N-1".into(),
        ..titled("Ferry sails")
    };
    let address = |url: &str| Key::address(url).unwrap();
    let keys = [
        address("http://www.herald.example/1/"),
        address("https://m.herald.example/2"),
        Key::external("herald.example", "N-1"),
    ];
    write(&store, ingest("ferry", article(1), at(0))).await.unwrap();
    // The article moves. Its former address stays a key.
    write(&store, ingest("ferry", article(2), at(1))).await.unwrap();
    // Another one does not get its keys.
    write(&store, ingest("other", article(2), at(2))).await.unwrap();
    write(&store, transition("ferry", ChangeKind::Deleted, at(3))).await.unwrap();
    let unknown = [address("https://herald.example/3"), Key::external("other.example", "N-1")];
    let ferry = Some(id("ferry"));
    let requested = [keys[2], unknown[0], keys[0], keys[1], keys[2], unknown[1]];
    assert_eq!(
        store.lookup(&requested, Consistency::Bounded).await.unwrap(),
        [ferry.clone(), None, ferry.clone(), ferry.clone(), ferry, None]
    );
    assert_eq!(store.lookup(&[], Consistency::Bounded).await.unwrap(), []);
    let mut stored = keys.map(|key| ArticleKey { key, is_certain: true });
    stored.sort_by_key(|key| key.key);
    let found = store.keys_of(&[id("other"), id("ferry"), id("none")], Consistency::Bounded).await.unwrap();
    assert_eq!(found, [vec![], stored.to_vec(), vec![]]);
}

pub async fn states_select_articles(Engine { store, .. }: Engine) {
    let timed = |headline, embargo: Option<i64>, expire: Option<i64>| Article {
        embargo_time: embargo.and_then(proto_at),
        expire_time: expire.and_then(proto_at),
        tags: vec!["sea".into()],
        ..titled(headline)
    };
    for (name, embargo, expire) in [
        ("active", Some(5), Some(500)),
        ("embargoed", Some(500), None),
        ("withdrawn", None, None),
        ("deleted", Some(500), None),
        ("expired", None, Some(5)),
    ] {
        write(&store, ingest(name, timed(name, embargo, expire), at(0))).await.unwrap();
    }
    write(&store, transition("withdrawn", ChangeKind::Withdrawn, at(1))).await.unwrap();
    write(&store, transition("deleted", ChangeKind::Deleted, at(1))).await.unwrap();
    let states = [
        (ArticleState::Active, "active"),
        (ArticleState::Embargoed, "embargoed"),
        (ArticleState::Withdrawn, "withdrawn"),
        (ArticleState::Deleted, "deleted"),
        (ArticleState::Expired, "expired"),
    ];
    for field in [OrderField::PublishTime, OrderField::CreateTime, OrderField::UpdateTime] {
        for tags in [&[][..], &["sea"]] {
            let select = |states: &[ArticleState]| {
                let states = states.iter().map(|state| i32::from(*state)).collect();
                page(ArticleFilter { states, ..tagged(tags) }, field, false, 2, at(10))
            };
            for (state, name) in states {
                assert_eq!(names(&list(&store, select(&[state])).await), [name], "{field:?}");
            }
            let mut found = list(&store, select(&states.map(|(state, _)| state))).await;
            found.sort_by_key(|record| record.id.clone());
            assert_eq!(names(&found), ["active", "deleted", "embargoed", "expired", "withdrawn"]);
            assert_eq!(names(&list(&store, select(&[])).await), ["active"]);
        }
    }
}

pub async fn a_page_is_a_consistent_snapshot(Engine { store, .. }: Engine) {
    let ingest_all = |round: i64| {
        (0..30).map(move |number| ingest(&format!("a-{number}"), titled(&format!("{number} at {round}")), at(round)))
    };
    store.write(ingest_all(0).collect()).await;
    let writing = {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            for round in 1..12 {
                for revision in ingest_all(round) {
                    write(&store, revision).await.unwrap();
                }
            }
        })
    };
    while !writing.is_finished() {
        let query = page(ArticleFilter::default(), OrderField::UpdateTime, false, 30, at(100));
        let listed = store.list(&query).await.unwrap().records;
        assert_eq!(listed.len(), 30);
        assert!(listed.is_sorted_by_key(|record| record.token.position), "a consistent snapshot");
    }
    writing.await.unwrap();
}
