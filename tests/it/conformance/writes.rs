//! Cases of each kind of write.

use copydesk::article::{ChangeKind, Digest, Lifecycle, Position};
use copydesk::proto::Article;
use copydesk::store::{Consistency, Merge, Outcome, Precondition, RequestKey, Transition, Update, Write, WriteError};

use super::engines::Engine;
use super::fixtures::{at, feed, get, id, ingest, merge, request, titled, transition, transition_if, update, write};

pub async fn requests_are_idempotent_by_id(Engine { store, .. }: Engine) {
    let first = write(&store, request("ferry", titled("Ferry sails"), "r-1", at(0))).await.unwrap();
    write(&store, update("ferry", titled("Ferry stays"), Precondition::None, at(1))).await.unwrap();
    let again = write(&store, request("ferry", titled("Ferry sails"), "r-1", at(2))).await.unwrap();
    assert_eq!((again.outcome, again.record.revision), (Outcome::Created, 1));
    assert_eq!(again.record.etag(), first.record.etag());
    assert_eq!(again.record.content(), first.record.content());
    let reused = write(&store, request("ferry", titled("Ferry sinks"), "r-1", at(3))).await;
    assert_eq!(reused.unwrap_err(), WriteError::RequestReused);
    assert_eq!(feed(&store).await.len(), 2);
    // A rejected write does not use up its request ID.
    write(&store, transition("ferry", ChangeKind::Withdrawn, at(4))).await.unwrap();
    let refused = write(&store, request("ferry", titled("Ferry sinks"), "r-2", at(5))).await;
    assert!(matches!(refused, Err(WriteError::WrongLifecycle { lifecycle: Lifecycle::Withdrawn, .. })));
    write(&store, transition("ferry", ChangeKind::Reinstated, at(6))).await.unwrap();
    let taken = write(&store, request("ferry", titled("Ferry sinks"), "r-2", at(7))).await.unwrap();
    assert_eq!(taken.outcome, Outcome::Revised);
}

pub async fn edits_are_idempotent_by_id(Engine { store, .. }: Engine) {
    let with = |write: Write, id: &str, text: &str| {
        let request = Some(RequestKey { id: id.into(), item: 0, digest: Digest::of_bytes(text.as_bytes()) });
        match write {
            Write::Update(update) => Write::Update(Box::new(Update { request, ..*update })),
            Write::Transition(transition) => Write::Transition(Transition { request, ..transition }),
            Write::Merge(merge) => Write::Merge(Box::new(Merge { request, ..*merge })),
            Write::Ingest(_) => unreachable!("not an edit"),
        }
    };
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    write(&store, ingest("twin", titled("3"), at(0))).await.unwrap();
    let edits = [
        with(update("ferry", titled("2"), Precondition::Revision(1), at(1)), "update", "2"),
        with(transition("ferry", ChangeKind::Withdrawn, at(2)), "withdraw", ""),
        with(transition("ferry", ChangeKind::Reinstated, at(3)), "reinstate", ""),
        with(transition("ferry", ChangeKind::Deleted, at(4)), "delete", ""),
        with(transition("ferry", ChangeKind::Undeleted, at(5)), "undelete", ""),
        with(merge("ferry", &["twin"], at(5)), "merge", ""),
    ];
    let mut first = Vec::new();
    for edit in &edits {
        first.push(write(&store, edit.clone()).await.unwrap());
    }
    // Whatever has happened since, alone and in one call, and in a dry run.
    for (edit, first) in edits.iter().zip(&first) {
        let again = write(&store, edit.clone()).await.unwrap();
        assert_eq!((again.outcome, again.record.etag()), (first.outcome, first.record.etag()));
        assert_eq!(again.record.content(), first.record.content());
    }
    for (again, first) in store.write(edits.to_vec()).await.into_iter().zip(&first) {
        assert_eq!(again.unwrap().record.etag(), first.record.etag());
    }
    let dry = store.dry_run(edits[3].clone()).await.unwrap();
    assert_eq!((dry.record.revision, dry.record.lifecycle), (5, Lifecycle::Deleted));
    assert_eq!(get(&store, "ferry").await.unwrap().revision, 6);
    // Another request under a used ID, and a failed one, which leaves its ID unused.
    let other = with(update("ferry", titled("3"), Precondition::None, at(6)), "update", "3");
    assert_eq!(write(&store, other).await.unwrap_err(), WriteError::RequestReused);
    let late = with(update("ferry", titled("3"), Precondition::Revision(1), at(6)), "late", "a");
    assert_eq!(write(&store, late).await.unwrap_err(), WriteError::Conflict(id("ferry")));
    let late = with(update("ferry", titled("3"), Precondition::Revision(6), at(6)), "late", "b");
    assert_eq!(write(&store, late).await.unwrap().record.revision, 7);
}

pub async fn a_repeated_request_without_changes_returns_the_same_response(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", titled("Ferry sails"), at(0))).await.unwrap();
    for time in [1, 3] {
        let answer = write(&store, request("ferry", titled("Ferry sails"), "r", at(time))).await.unwrap();
        assert_eq!((answer.outcome, answer.record.revision), (Outcome::Unchanged, 1));
        write(&store, update("ferry", titled("Ferry stays"), Precondition::None, at(2))).await.unwrap();
    }
}

pub async fn ingesting_the_same_page_keeps_a_correction(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", titled("Fery sails"), at(0))).await.unwrap();
    write(&store, update("ferry", titled("Ferry sails"), Precondition::None, at(1))).await.unwrap();
    let same = write(&store, ingest("ferry", titled("Fery sails"), at(2))).await.unwrap();
    assert_eq!(same.outcome, Outcome::Unchanged);
    assert_eq!(get(&store, "ferry").await.unwrap().decode().unwrap().headline, "Ferry sails");
    // A page that has really changed does replace it.
    let other = write(&store, ingest("ferry", titled("Fery sails late"), at(3))).await.unwrap();
    assert_eq!((other.outcome, other.record.revision), (Outcome::Revised, 3));
}

pub async fn a_copy_of_a_readable_article_is_a_duplicate(Engine { store, .. }: Engine) {
    // Of one source, a kill of the first would hold for the others.
    let copy = |name: &str| Article { source: format!("{name}.example"), ..titled("Ferry sails") };
    let first = write(&store, ingest("first", copy("first"), at(0))).await.unwrap();
    assert_eq!(first.outcome, Outcome::Created);
    let second = write(&store, ingest("second", copy("second"), at(1))).await.unwrap();
    assert_eq!(second.outcome, Outcome::Duplicate);
    // Unreadable articles have no copies that a writer may learn of.
    write(&store, transition("first", ChangeKind::Withdrawn, at(3))).await.unwrap();
    let third = write(&store, ingest("third", copy("third"), at(4))).await.unwrap();
    assert_eq!(third.outcome, Outcome::Duplicate, "of the second");
    for name in ["second", "third"] {
        write(&store, transition(name, ChangeKind::Deleted, at(5))).await.unwrap();
    }
    let fourth = write(&store, ingest("fourth", copy("fourth"), at(6))).await.unwrap();
    assert_eq!(fourth.outcome, Outcome::Created);
    let revised = write(&store, ingest("fourth", titled("Ferry stays"), at(7))).await.unwrap();
    assert_eq!(revised.outcome, Outcome::Revised);
}

pub async fn a_failed_precondition_writes_nothing(Engine { store, .. }: Engine) {
    let first = write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap().record;
    let second = Precondition::Etag(first.etag());
    let second = write(&store, update("ferry", titled("2"), second, at(1))).await.unwrap().record;
    assert_ne!(first.etag(), second.etag());
    for stale in [Precondition::Etag(first.etag()), Precondition::Revision(1), Precondition::Revision(3)] {
        let refused = write(&store, update("ferry", titled("3"), stale, at(2))).await;
        assert_eq!(refused.unwrap_err(), WriteError::Conflict(id("ferry")));
    }
    write(&store, update("ferry", titled("3"), Precondition::Revision(2), at(3))).await.unwrap();
    let missing = write(&store, update("nothing", titled("3"), Precondition::None, at(3))).await;
    assert_eq!(missing.unwrap_err(), WriteError::NotFound(id("nothing")));
    assert_eq!(feed(&store).await.len(), 3);
}

/// Result of a transition.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Done,
    Unchanged,
    Refused,
    NotFound,
}

pub async fn every_transition_is_as_documented(Engine { store, .. }: Engine) {
    use ChangeKind::{Deleted, Reinstated, Undeleted, Withdrawn};
    use Expected::{Done, NotFound, Refused, Unchanged};
    let kinds = [Withdrawn, Reinstated, Deleted, Undeleted];
    let cases = [
        (None, [Done, Unchanged, Done, Unchanged]),
        (Some(Withdrawn), [Unchanged, Done, Refused, Refused]),
        (Some(Deleted), [Done, Refused, NotFound, Done]),
    ];
    for (before, answers) in cases {
        for (kind, expected) in kinds.into_iter().zip(answers) {
            let name = format!("from-{before:?}-{kind:?}").to_lowercase().replace(['(', ')'], "-");
            write(&store, ingest(&name, titled(&name), at(0))).await.unwrap();
            if let Some(before) = before {
                write(&store, transition(&name, before, at(1))).await.unwrap();
                let refused = write(&store, ingest(&name, titled("x"), at(1))).await;
                assert!(matches!(refused, Err(WriteError::WrongLifecycle { .. })), "{name}");
                let refused = write(&store, update(&name, titled("x"), Precondition::None, at(1))).await;
                assert!(matches!(refused, Err(WriteError::WrongLifecycle { .. })), "{name}");
            }
            let was = get(&store, &name).await.unwrap();
            let answer = write(&store, transition(&name, kind, at(2))).await;
            let state = WriteError::WrongLifecycle { id: id(&name), lifecycle: was.lifecycle };
            match expected {
                Refused => assert_eq!(answer.unwrap_err(), state),
                NotFound => assert_eq!(answer.unwrap_err(), WriteError::NotFound(id(&name))),
                Unchanged => {
                    let answer = answer.unwrap();
                    assert_eq!((answer.outcome, answer.record.revision), (Outcome::Unchanged, was.revision), "{name}");
                    // A retry after a lost response: with the previous etag.
                    let repeated = transition_if(&name, kind, Precondition::Etag("before".into()), at(3));
                    let answer = write(&store, repeated).await.unwrap();
                    assert_eq!((answer.outcome, answer.record.revision), (Outcome::Unchanged, was.revision), "{name}");
                }
                Done => {
                    let record = answer.unwrap().record;
                    let lifecycle = match kind {
                        Withdrawn => Lifecycle::Withdrawn,
                        Deleted => Lifecycle::Deleted,
                        _ => Lifecycle::Live,
                    };
                    assert_eq!((record.lifecycle, record.revision), (lifecycle, was.revision + 1), "{name}");
                    assert_eq!(record.delete_time, (kind == Deleted).then_some(at(2)));
                    assert_eq!(get(&store, &name).await.unwrap().etag(), record.etag());
                }
            }
        }
    }
    let missing = write(&store, transition("nothing", Withdrawn, at(0))).await;
    assert_eq!(missing.unwrap_err(), WriteError::NotFound(id("nothing")));
}

pub async fn writes_of_one_call_see_each_other(Engine { store, .. }: Engine) {
    let answers = store
        .write(vec![
            ingest("ferry", titled("1"), at(0)),
            update("ferry", titled("2"), Precondition::Revision(1), at(0)),
            ingest("twin", titled("2"), at(0)),
            transition("ferry", ChangeKind::Withdrawn, at(0)),
            ingest("ferry", titled("3"), at(0)),
        ])
        .await;
    let outcomes: Vec<_> = answers.iter().map(|answer| answer.as_ref().map(|written| written.outcome)).collect();
    use Outcome::{Created, Duplicate, Revised};
    let refused = WriteError::WrongLifecycle { id: id("ferry"), lifecycle: Lifecycle::Withdrawn };
    assert_eq!(outcomes, [Ok(Created), Ok(Revised), Ok(Duplicate), Ok(Revised), Err(&refused)]);
    let positions: Vec<_> = feed(&store).await.iter().map(|change| change.position).collect();
    assert_eq!(positions.len(), 4);
    assert!(positions.is_sorted());
    assert_eq!(store.head().await.unwrap(), positions[3]);
}

pub async fn a_rejected_write_stops_no_other_write(Engine { store, .. }: Engine) {
    let missing = || update("nothing", titled("x"), Precondition::None, at(0));
    let answers =
        store.write(vec![missing(), ingest("a", titled("a"), at(0)), missing(), ingest("b", titled("b"), at(0))]).await;
    let done: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(done, [false, true, false, true]);
    assert!(get(&store, "a").await.is_some() && get(&store, "b").await.is_some());
    assert!(store.write(Vec::new()).await.is_empty());
}

pub async fn a_dry_run_writes_nothing(Engine { store, .. }: Engine) {
    let new = store.dry_run(request("ferry", titled("1"), "r", at(0))).await.unwrap();
    assert_eq!((new.outcome, new.record.token.position), (Outcome::Created, Position::START));
    assert!(get(&store, "ferry").await.is_none());
    assert_eq!(store.head().await.unwrap(), Position::START);
    let written = write(&store, request("ferry", titled("1"), "r", at(0))).await.unwrap();
    assert_eq!(written.outcome, Outcome::Created);
    let revised = store.dry_run(update("ferry", titled("2"), Precondition::Revision(1), at(1))).await.unwrap();
    assert_eq!((revised.outcome, revised.record.revision), (Outcome::Revised, 2));
    let stale = store.dry_run(update("ferry", titled("2"), Precondition::Revision(2), at(1))).await;
    assert_eq!(stale.unwrap_err(), WriteError::Conflict(id("ferry")));
    assert_eq!(get(&store, "ferry").await.unwrap().etag(), written.record.etag());
    assert_eq!(feed(&store).await.len(), 1);
}

pub async fn a_write_of_a_disconnected_caller_completes(Engine { store, .. }: Engine) {
    // Polled once, so that it is submitted, and dropped.
    let mut left =
        Box::pin(store.write(vec![ingest("left", titled("left"), at(0)), ingest("two", titled("2"), at(0))]));
    assert!(futures::poll!(&mut left).is_pending());
    drop(left);
    // Commits are in the order of calls, so this one comes after it.
    write(&store, ingest("after", titled("after"), at(1))).await.unwrap();
    let feed: Vec<String> = feed(&store).await.iter().map(|change| change.record.id.to_string()).collect();
    assert_eq!(feed, ["left", "two", "after"]);
}

pub async fn concurrent_writes_are_all_kept(Engine { store, .. }: Engine) {
    let callers = (0..8).map(|caller| {
        let store = &store;
        async move {
            for number in 0..10 {
                let name = format!("a-{caller}-{number}");
                let written = write(store, ingest(&name, titled(&name), at(number))).await.unwrap();
                assert!(store.head().await.unwrap() >= written.record.token.position);
                assert_eq!(get(store, &name).await.unwrap().etag(), written.record.etag());
            }
        }
    });
    futures::future::join_all(callers).await;
    let touched = store.changed_ids(Position::START.into(), 1_000).await.unwrap().articles;
    assert_eq!(touched.len(), 80);
    let ids: Vec<_> = touched.into_iter().map(|(_, id)| id).collect();
    let fetched = store.get(&ids, Consistency::Full).await.unwrap();
    assert!(ids.iter().zip(&fetched).all(|(id, fetched)| fetched.record.as_ref().is_some_and(|r| r.id == *id)));
}

pub async fn update_time_never_decreases_when_the_clock_steps_back(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", titled("1"), at(100))).await.unwrap();
    let later = write(&store, ingest("ferry", titled("2"), at(50))).await.unwrap();
    assert_eq!((later.record.create_time, later.record.update_time), (at(100), at(100)));
}
