//! Copies of a text by their kind, and withdrawals that hold for them.

use std::sync::Arc;

use copydesk::article::{BodySketch, ChangeKind, CopyKind, Lifecycle};
use copydesk::store::{
    Consistency, CopiesQuery, FoundCopy, Outcome, Store, Transition, Write, WriteError, Written, copy,
};
use futures::future::join_all;
use jiff::Timestamp;

use super::databases::replicas;
use super::engines::{Engine, postgres, sqlite};
use super::fixtures::{at, ingest, transition, write};
use super::held_copies::hold;
use super::near_duplicates::{OTHER, STORY, edited, put, story};
use crate::support::database::Cluster;

/// Withdraws an article with its copies.
pub(super) fn withdraw(name: &str, time: Timestamp) -> Write {
    match transition(name, ChangeKind::Withdrawn, time) {
        Write::Transition(transition) => Write::Transition(Transition { with_copies: true, ..transition }),
        write => write,
    }
}

/// Asserts that a write is rejected because of a withdrawn article.
pub(super) fn assert_withheld(result: Result<Written, WriteError>, by: &str) {
    match result {
        Err(WriteError::WrongLifecycle { id, lifecycle: Lifecycle::Withdrawn }) => assert_eq!(id.as_str(), by),
        other => panic!("{other:?}"),
    }
}

/// Reads all copies of a text in pages of `limit` examined articles.
async fn copies_of(store: &Arc<dyn Store>, body: &str, limit: usize) -> Vec<FoundCopy> {
    let sketch = BodySketch::of(body).unwrap();
    let mut query = CopiesQuery { sketch, after: 0, limit, consistency: Consistency::Full };
    let mut found = Vec::new();
    loop {
        let page = store.copies(&query).await.unwrap();
        assert!(page.copies.len() <= limit);
        found.extend(page.copies);
        match page.next {
            Some(next) => query.after = next,
            None => return found,
        }
    }
}

fn names(copies: &[FoundCopy]) -> Vec<&str> {
    copies.iter().map(|copy| copy.id.as_str()).collect()
}

pub async fn copies_have_their_kind(Engine { store, .. }: Engine) {
    let paragraphs: Vec<&str> = STORY.split("\n\n").collect();
    let texts = [
        ("exact", STORY.to_owned(), Some((CopyKind::Near, true))),
        ("word", STORY.replace("chairwoman", "head"), Some((CopyKind::Near, true))),
        ("cut", paragraphs[..3].join("\n\n"), Some((CopyKind::Contained, true))),
        ("long", format!("{STORY}\n\n{OTHER}"), Some((CopyKind::Contains, true))),
        ("other", OTHER.to_owned(), None),
    ];
    for (name, body, _) in &texts {
        write(&store, put(name, body, at(0))).await.unwrap();
    }
    let found = copies_of(&store, STORY, 100).await;
    for (name, _, expected) in &texts {
        let kind = found.iter().find(|copy| copy.id.as_str() == *name).map(|copy| (copy.kind, copy.is_whole));
        assert_eq!(kind, *expected, "{name}");
    }
    // Parts of less than half of the text: those that are found are parts.
    for (number, two) in paragraphs.windows(2).enumerate() {
        write(&store, put(&format!("part-{number}"), &two.join("\n\n"), at(0))).await.unwrap();
    }
    let parts = copies_of(&store, STORY, 100).await.into_iter().filter(|copy| copy.id.as_str().starts_with("part"));
    let kinds: Vec<_> = parts.map(|copy| copy.kind).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == CopyKind::Contained), "{kinds:?}");
    assert!(found.iter().all(|copy| (0.7..=1.0).contains(&copy.similarity)), "{found:?}");
    // As the longer one sees it.
    let found = copies_of(&store, &format!("{STORY}\n\n{OTHER}"), 100).await;
    let kind = |name: &str| found.iter().find(|copy| copy.id.as_str() == name).map(|copy| copy.kind);
    assert_eq!([kind("long"), kind("exact")], [Some(CopyKind::Near), Some(CopyKind::Contained)]);
}

pub async fn copies_are_paged_in_the_order_of_creation(Engine { store, .. }: Engine) {
    let expected: Vec<String> = (0..60).map(|number| format!("copy-{}", number * 37 % 60)).collect();
    for name in &expected {
        write(&store, put(name, &format!("{STORY} Sent as {name}."), at(0))).await.unwrap();
        write(&store, put(&format!("other-{name}"), &format!("{OTHER} Sent as {name}."), at(0))).await.unwrap();
    }
    for limit in [1, 7, 60, 100] {
        assert_eq!(names(&copies_of(&store, STORY, limit).await), expected, "{limit}");
    }
}

pub async fn a_withdrawal_with_copies_holds_for_later_ones(Engine { store, .. }: Engine) {
    write(&store, put("first", STORY, at(0))).await.unwrap();
    write(&store, put("second", STORY, at(0))).await.unwrap();
    // One without holds for none.
    write(&store, transition("first", ChangeKind::Withdrawn, at(1))).await.unwrap();
    assert_eq!(store.dry_run(put("late", STORY, at(2))).await.unwrap().outcome, Outcome::Duplicate);
    // With copies, although it is withdrawn already.
    assert_eq!(write(&store, withdraw("first", at(3))).await.unwrap().outcome, Outcome::Unchanged);
    for (edit, body) in edited() {
        assert_withheld(store.dry_run(put("late", &body, at(4))).await, "first");
        assert_withheld(write(&store, put("late", &body, at(4))).await, "first");
        assert!(store.dry_run(put("late", OTHER, at(4))).await.is_ok(), "{edit}");
    }
    // An article that was there before can be revised.
    let revised = story("second", "Another headline", &STORY.replace("chairwoman", "head"));
    assert_eq!(write(&store, ingest("second", revised, at(5))).await.unwrap().outcome, Outcome::Revised);
    write(&store, transition("first", ChangeKind::Reinstated, at(6))).await.unwrap();
    assert_eq!(write(&store, put("late", STORY, at(7))).await.unwrap().outcome, Outcome::Duplicate);
    // The next withdrawal is one without copies.
    write(&store, transition("first", ChangeKind::Withdrawn, at(8))).await.unwrap();
    assert_eq!(store.dry_run(put("later", STORY, at(9))).await.unwrap().outcome, Outcome::Duplicate);
}

pub async fn a_withdrawal_with_copies_holds_for_a_short_text_at_every_source(Engine { store, .. }: Engine) {
    let short = |name: &str| ingest(name, story(name, "Bridge closed", "It will open on Monday."), at(0));
    write(&store, short("first")).await.unwrap();
    write(&store, transition("first", ChangeKind::Withdrawn, at(1))).await.unwrap();
    assert_eq!(store.dry_run(short("late")).await.unwrap().outcome, Outcome::Created);
    write(&store, withdraw("first", at(2))).await.unwrap();
    assert_withheld(write(&store, short("late")).await, "first");
    write(&store, transition("first", ChangeKind::Reinstated, at(3))).await.unwrap();
    assert_eq!(write(&store, short("late")).await.unwrap().outcome, Outcome::Duplicate);
}

pub async fn writes_of_one_call_see_a_withdrawal_with_copies(Engine { store, .. }: Engine) {
    let foot = format!("{STORY}\n\nThis story was supplied by Northwire.");
    let mut answers = store
        .write(vec![
            put("first", STORY, at(0)),
            put("before", &foot, at(0)),
            withdraw("first", at(1)),
            put("after", &foot, at(1)),
            put("other", OTHER, at(1)),
            transition("first", ChangeKind::Reinstated, at(2)),
            put("again", &foot, at(2)),
        ])
        .await;
    assert_withheld(answers.remove(3), "first");
    let outcomes: Vec<Outcome> = answers.into_iter().map(|answer| answer.unwrap().outcome).collect();
    use Outcome::{Created, Duplicate, Revised};
    assert_eq!(outcomes, [Created, Duplicate, Revised, Created, Revised, Duplicate]);
}

/// Every copy is rejected, held, or found after the withdrawal, on whatever replica it arrives meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_copy_escapes_a_withdrawal_on_another_replica() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 3).await;
    let (mut found, mut rejected, mut held) = (0, 0, 0);
    for round in 0..24 {
        let text = |name: &str| {
            let words: String = (0..60).map(|word| format!("round{round}word{word} ")).collect();
            format!("{words}\n\nSent as {name}.")
        };
        let first = format!("first-{round}");
        write(&stores[0], put(&first, &text(&first), at(0))).await.unwrap();
        let arriving = (0..24).map(|number| {
            let (store, name) = (Arc::clone(&stores[number % 3]), format!("copy-{round}-{number}"));
            let (body, holds) = (text(&name), round % 2 == 1);
            tokio::spawn(async move {
                for _ in 0..number % 8 {
                    tokio::task::yield_now().await;
                }
                let copy = put(&name, &body, at(1));
                write(&store, if holds { hold(copy) } else { copy }).await
            })
        });
        let arriving: Vec<_> = arriving.collect();
        write(&stores[round % 3], withdraw(&first, at(2))).await.unwrap();
        let copies = copies_of(&stores[round % 3], &text(&first), 10).await;
        for arrived in join_all(arriving).await {
            match arrived.unwrap() {
                Ok(written) if written.outcome == Outcome::Held => {
                    let id = std::slice::from_ref(&written.record.id);
                    let stored = stores[round % 3].get(id, Consistency::Full).await.unwrap().remove(0).record.unwrap();
                    assert_eq!(stored.lifecycle, Lifecycle::Withdrawn, "{stored:?}");
                    held += 1;
                }
                Ok(written) => {
                    assert!(names(&copies).contains(&written.record.id.as_str()), "{written:?} escaped");
                    found += 1;
                }
                Err(WriteError::WrongLifecycle { .. }) => rejected += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert!(found > 0 && rejected > 0 && held > 0, "{found} were found, {rejected} rejected, {held} held");
}

#[tokio::test]
async fn copies_of_stores_keep_withdrawals_with_copies() {
    let stores = [sqlite().await, postgres().await, sqlite().await];
    write(&stores[0].store, put("first", STORY, at(0))).await.unwrap();
    write(&stores[0].store, withdraw("first", at(1))).await.unwrap();
    for pair in stores.windows(2) {
        copy(&*pair[0].store, &*pair[1].store).await.unwrap();
        assert_withheld(pair[1].store.dry_run(put("late", STORY, at(2))).await, "first");
    }
}
