//! Late copies of a withdrawn article that are held: stored as withdrawn, for editors.

use std::sync::Arc;

use copydesk::article::{ArticleKey, ChangeKind, CleanArticle, Key, Lifecycle, StatedKey, Trust};
use copydesk::proto::{Article, ArticleFilter, ArticleState};
use copydesk::store::{
    Consistency, Ingest, LateCopies, Missing, OrderField, Outcome, Store, Transition, Write, Written, copy, verify,
};

use super::copies::{assert_withheld, withdraw};
use super::engines::{Engine, postgres, sqlite};
use super::fixtures::{at, feed, get, ingest, list, names, page, request, transition, write};
use super::near_duplicates::{OTHER, STORY, edited, put, story};

/// Returns the write of a document as a server makes it that holds late copies.
pub(super) fn hold(write: Write) -> Write {
    match write {
        Write::Ingest(ingest) => Write::Ingest(Box::new(Ingest { late_copies: LateCopies::Hold, ..*ingest })),
        write => write,
    }
}

/// Asserts that an article is held because it is a copy of another one.
fn assert_held(written: &Written, copied: &str) {
    assert_eq!((written.outcome, written.record.lifecycle), (Outcome::Held, Lifecycle::Withdrawn), "{written:?}");
    assert_eq!(written.copy_of.as_ref().map(|id| id.as_str()), Some(copied));
}

/// Lists the articles in a state, or the readable ones.
async fn listed(store: &Arc<dyn Store>, state: Option<ArticleState>) -> Vec<String> {
    let filter = ArticleFilter { states: state.into_iter().map(i32::from).collect(), ..ArticleFilter::default() };
    let found = list(store, page(filter, OrderField::CreateTime, false, 100, at(100))).await;
    names(&found).into_iter().map(str::to_owned).collect()
}

pub async fn a_late_copy_is_held_until_it_is_reinstated(Engine { store, .. }: Engine) {
    write(&store, put("first", STORY, at(0))).await.unwrap();
    write(&store, withdraw("first", at(1))).await.unwrap();
    for (edit, body) in edited() {
        let tried = store.dry_run(hold(put("late", &body, at(2)))).await.unwrap();
        assert_eq!(tried.outcome, Outcome::Held, "{edit}");
        assert_held(&tried, "first");
    }
    assert!(get(&store, "late").await.is_none());
    let late = STORY.replace("chairwoman", "head");
    assert_withheld(write(&store, put("late", &late, at(2))).await, "first");
    assert_held(&write(&store, hold(put("late", &late, at(2)))).await.unwrap(), "first");
    assert_eq!(write(&store, hold(put("other", OTHER, at(2)))).await.unwrap().outcome, Outcome::Created);
    let stored = get(&store, "late").await.unwrap();
    assert_eq!((stored.lifecycle, stored.revision), (Lifecycle::Withdrawn, 1));
    assert!(stored.decode().unwrap().body.contains("the head of the board"));
    assert_eq!(listed(&store, None).await, ["other"]);
    assert_eq!(listed(&store, Some(ArticleState::Withdrawn)).await, ["first", "late"]);
    let changes = feed(&store).await;
    let change = changes.iter().find(|change| change.record.id.as_str() == "late").unwrap();
    assert_eq!((change.kind, change.announced), (ChangeKind::Withdrawn, false));
    let history = store.revisions(&"late".parse().unwrap(), None, 10, Consistency::Full).await.unwrap();
    assert_eq!(history[0].reason, "copy of articles/first, which is withdrawn with its copies");
    // As any withdrawn article.
    assert_withheld(write(&store, hold(put("late", &late, at(3)))).await, "late");
    // Reinstated, it stays so, whatever its source changes but for the killed text.
    let shown = write(&store, transition("late", ChangeKind::Reinstated, at(4))).await.unwrap();
    assert_eq!(shown.record.lifecycle, Lifecycle::Live);
    assert_eq!(write(&store, hold(put("late", &late, at(5)))).await.unwrap().outcome, Outcome::Unchanged);
    let tagged = Article { tags: vec!["harbour".into()], ..story("late", "Headline of late", &late) };
    for (number, revised) in [tagged, story("late", "Revised", &STORY.replace("300", "400"))].into_iter().enumerate() {
        let revised = write(&store, hold(ingest("late", revised, at(6 + number as i64)))).await.unwrap();
        assert_eq!((revised.outcome, revised.record.lifecycle), (Outcome::Revised, Lifecycle::Live));
    }
    assert_eq!(listed(&store, None).await, ["late", "other"]);
    // The first one still holds for others, and a withdrawal of all takes it again.
    assert_held(&write(&store, hold(put("later", STORY, at(9)))).await.unwrap(), "first");
    write(&store, withdraw("late", at(10))).await.unwrap();
    assert_eq!(listed(&store, None).await, ["other"]);
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
}

pub async fn a_short_text_is_held_at_every_source(Engine { store, .. }: Engine) {
    let short = |name: &str, source: &str, time: i64| {
        let article = story(name, "Bridge closed", "It will open on Monday.");
        ingest(name, Article { source: source.into(), tags: vec![format!("at-{time}")], ..article }, at(time))
    };
    write(&store, short("first", "first.example", 0)).await.unwrap();
    write(&store, transition("first", ChangeKind::Withdrawn, at(1))).await.unwrap();
    // A withdrawal without copies rejects exactly the text of its source.
    assert_withheld(write(&store, hold(short("same", "first.example", 1))).await, "first");
    assert_eq!(store.dry_run(hold(short("late", "late.example", 1))).await.unwrap().outcome, Outcome::Created);
    write(&store, withdraw("first", at(2))).await.unwrap();
    assert_held(&write(&store, hold(short("late", "late.example", 2))).await.unwrap(), "first");
    // Of several withdrawn ones, one that holds for copies decides.
    write(&store, transition("late", ChangeKind::Reinstated, at(3))).await.unwrap();
    write(&store, transition("late", ChangeKind::Withdrawn, at(3))).await.unwrap();
    assert_held(&store.dry_run(hold(short("next", "late.example", 3))).await.unwrap(), "first");
    // Its source may revise it, although another article with its text is withdrawn.
    write(&store, transition("late", ChangeKind::Reinstated, at(4))).await.unwrap();
    let revised = write(&store, hold(short("late", "late.example", 5))).await.unwrap();
    assert_eq!((revised.outcome, revised.record.lifecycle), (Outcome::Revised, Lifecycle::Live));
}

pub async fn an_article_that_exists_is_not_held(Engine { store, .. }: Engine) {
    write(&store, put("first", STORY, at(0))).await.unwrap();
    write(&store, put("second", OTHER, at(0))).await.unwrap();
    write(&store, withdraw("first", at(1))).await.unwrap();
    // Exactly the killed text: it would be readable, and what it replaces would not be.
    let killed = story("second", "Headline of first", STORY);
    assert_withheld(write(&store, hold(ingest("second", killed, at(2)))).await, "first");
    let stored = get(&store, "second").await.unwrap();
    assert_eq!((stored.lifecycle, stored.revision), (Lifecycle::Live, 1));
}

pub async fn writes_of_one_call_are_held(Engine { store, .. }: Engine) {
    let foot = |name: &str| format!("{STORY}\n\nThis story was supplied by {name}.");
    let answers = store
        .write(vec![
            put("first", STORY, at(0)),
            withdraw("first", at(1)),
            hold(put("a", &foot("Northwire"), at(1))),
            hold(put("b", &foot("Tidewire"), at(1))),
            transition("first", ChangeKind::Reinstated, at(2)),
            hold(put("c", &foot("Windwire"), at(2))),
            transition("a", ChangeKind::Reinstated, at(3)),
            transition("b", ChangeKind::Reinstated, at(3)),
            transition("c", ChangeKind::Reinstated, at(3)),
            hold(put("d", &foot("Snowwire"), at(3))),
        ])
        .await;
    let outcomes: Vec<Outcome> = answers.into_iter().map(|answer| answer.unwrap().outcome).collect();
    use Outcome::{Created, Duplicate, Held, Revised};
    assert_eq!(outcomes, [Created, Revised, Held, Held, Revised, Held, Revised, Revised, Revised, Duplicate]);
    assert_eq!(listed(&store, None).await, ["first", "a", "b", "c", "d"]);
}

/// More than those that are compared.
pub async fn hundreds_of_copies_are_held(Engine { store, .. }: Engine) {
    write(&store, put("first", STORY, at(0))).await.unwrap();
    write(&store, withdraw("first", at(1))).await.unwrap();
    let copies = |numbers: std::ops::Range<usize>| {
        numbers.map(|number| hold(put(&format!("copy-{number}"), &format!("{STORY} Sent as {number}."), at(2))))
    };
    for answer in store.write(copies(0..150).collect()).await {
        assert_eq!(answer.unwrap().outcome, Outcome::Held);
    }
    for copy in copies(150..160) {
        assert_eq!(write(&store, copy).await.unwrap().outcome, Outcome::Held);
    }
}

pub async fn an_article_that_was_withdrawn_before_it_arrived_is_held(Engine { store, .. }: Engine) {
    write(&store, put("first", STORY, at(0))).await.unwrap();
    write(&store, withdraw("first", at(1))).await.unwrap();
    let key = Key::external("late.example", "L-1");
    let article = CleanArticle::without_text(Article { source: "late.example".into(), ..Article::default() }).unwrap();
    let missing = Missing { article, keys: vec![ArticleKey { key, is_certain: true }], digest: None };
    let Write::Transition(kill) = transition("late", ChangeKind::Withdrawn, at(2)) else { unreachable!() };
    let kill = Transition { key: Some(key), missing: Some(Box::new(missing)), ..kill };
    write(&store, Write::Transition(kill)).await.unwrap();
    write(&store, transition("late", ChangeKind::Reinstated, at(3))).await.unwrap();
    let Write::Ingest(document) = hold(put("late", STORY, at(4))) else { unreachable!() };
    let keys = vec![StatedKey { key, trust: Trust::Certain }];
    let arrived = write(&store, Write::Ingest(Box::new(Ingest { keys, ..*document }))).await.unwrap();
    assert_held(&arrived, "first");
    assert_eq!(arrived.record.revision, 3);
    let shown = write(&store, transition("late", ChangeKind::Reinstated, at(5))).await.unwrap();
    assert_eq!(shown.record.lifecycle, Lifecycle::Live);
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
}

pub async fn a_repeated_request_is_answered_as_held(Engine { store, .. }: Engine) {
    write(&store, put("first", STORY, at(0))).await.unwrap();
    write(&store, withdraw("first", at(1))).await.unwrap();
    let late = hold(request("late", story("late", "Late", STORY), "r-1", at(2)));
    let first = write(&store, late.clone()).await.unwrap();
    assert_held(&first, "first");
    write(&store, transition("late", ChangeKind::Reinstated, at(3))).await.unwrap();
    let again = write(&store, late).await.unwrap();
    assert_eq!((again.outcome, again.record.etag()), (Outcome::Held, first.record.etag()));
}

#[tokio::test]
async fn copies_of_stores_keep_held_articles() {
    let stores = [sqlite().await, postgres().await, sqlite().await];
    write(&stores[0].store, put("first", STORY, at(0))).await.unwrap();
    write(&stores[0].store, withdraw("first", at(1))).await.unwrap();
    write(&stores[0].store, hold(put("late", STORY, at(2)))).await.unwrap();
    for pair in stores.windows(2) {
        copy(&*pair[0].store, &*pair[1].store).await.unwrap();
        let copied = get(&pair[1].store, "late").await.unwrap();
        assert_eq!(copied.lifecycle, Lifecycle::Withdrawn);
        assert!(copied.decode().unwrap().body.starts_with("The harbour board"));
        // Also without the first one, it holds for the next.
        write(&pair[1].store, transition("first", ChangeKind::Reinstated, at(3))).await.unwrap();
        assert_withheld(pair[1].store.dry_run(put("next", STORY, at(4))).await, "late");
        write(&pair[1].store, withdraw("first", at(5))).await.unwrap();
    }
}
