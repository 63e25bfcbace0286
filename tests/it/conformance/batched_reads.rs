//! Concurrent reads of single articles on PostgreSQL, which share statements: each gets its own response.

use std::sync::Arc;
use std::time::Duration;

use copydesk::store::{Consistency, Fetched, Store, StoreError};
use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::databases::{nobody_waits, open, waiting};
use super::fixtures::{at, id, ingest, titled, write};
use crate::support::database::{Cluster, Database};

type Answer = Result<Vec<Fetched>, StoreError>;

/// Returns a store with `count` articles, and a transaction that blocks all reads until it ends.
async fn held(count: usize) -> (Database, Arc<dyn Store>, Client) {
    let database = Cluster::shared().database().await;
    let mut options = database.options();
    // Longer than any wait of these tests.
    (options.statement_timeout, options.connections) = (Duration::from_secs(60), 12);
    let store = open(options.clone()).await;
    let first = id(&name(0));
    let writes = (0..count).map(|number| ingest(&name(number), titled(&name(number)), at(0))).collect();
    assert!(store.write(writes).await.iter().all(Result::is_ok));
    // Opens all connections, so that statements start immediately and can be canceled.
    let revisions =
        join_all((0..options.connections).map(|_| store.get_revision(&first, 1, Consistency::Bounded))).await;
    assert!(revisions.into_iter().all(|revision| revision.unwrap().is_some()));
    let client = database.client().await;
    client.batch_execute("BEGIN; LOCK TABLE copydesk.texts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    (database, store, client)
}

fn name(number: usize) -> String {
    format!("a-{number}")
}

fn read(store: &Arc<dyn Store>, name: &str) -> JoinHandle<Answer> {
    let (store, id) = (Arc::clone(store), id(name));
    tokio::spawn(async move { store.get(&[id], Consistency::Bounded).await })
}

fn is_of(answer: &Answer, name: &str) -> bool {
    let Ok(answer) = answer else { return false };
    let records: Vec<_> = answer.iter().map(|fetched| fetched.record.as_ref()).collect();
    matches!(records[..], [Some(record)] if record.id == id(name))
}

#[tokio::test]
async fn each_read_gets_its_own_response() {
    let (database, store, held) = held(40).await;
    // Each existing article is requested three times, and each other one once.
    let names: Vec<String> = (0..160).map(|read| name(if read < 120 { read % 40 } else { read })).collect();
    let reads: Vec<_> = names.iter().map(|name| read(&store, name)).collect();
    waiting(&database, 2).await;
    held.batch_execute("ROLLBACK").await.unwrap();
    for (number, answer) in join_all(reads).await.into_iter().map(Result::unwrap).enumerate() {
        if number < 120 {
            assert!(is_of(&answer, &names[number]), "{}: {answer:?}", names[number]);
        } else {
            assert!(answer.unwrap()[0].record.is_none(), "{}", names[number]);
        }
    }
}

#[tokio::test]
async fn reads_include_earlier_writes() {
    let (database, store, held) = held(1).await;
    // These began before the article exists, and wait.
    let early: Vec<_> = (0..20).map(|_| read(&store, "late")).collect();
    waiting(&database, 2).await;
    held.batch_execute("ROLLBACK").await.unwrap();
    write(&store, ingest("late", titled("late"), at(1))).await.unwrap();
    let late: Vec<_> = (0..20).map(|_| read(&store, "late")).collect();
    assert!(join_all(early).await.into_iter().all(|answer| answer.unwrap().is_ok()));
    for answer in join_all(late).await {
        assert!(is_of(&answer.unwrap(), "late"));
    }
}

#[tokio::test]
async fn a_cancelled_read_cancels_no_other() {
    let (database, store, held) = held(60).await;
    let mut reads: Vec<_> = (0..60).map(|number| (number, read(&store, &name(number)))).collect();
    waiting(&database, 2).await;
    // Includes the first, whose statements are running.
    for (_, leaving) in reads.extract_if(.., |(number, _)| *number % 3 == 0) {
        leaving.abort();
        assert!(leaving.await.unwrap_err().is_cancelled());
    }
    held.batch_execute("ROLLBACK").await.unwrap();
    for (number, answer) in reads {
        assert!(is_of(&answer.await.unwrap(), &name(number)), "{number}");
    }
}

/// No other caller arrives that could take over the waiting reads.
#[tokio::test]
async fn slow_statements_block_no_other_read() {
    let (database, store, held) = held(12).await;
    let reads: Vec<_> = (0..12).map(|number| read(&store, &name(number))).collect();
    waiting(&database, 3).await;
    held.batch_execute("ROLLBACK").await.unwrap();
    for (number, answer) in join_all(reads).await.into_iter().enumerate() {
        assert!(is_of(&answer.unwrap(), &name(number)), "{number}");
    }
}

/// Otherwise later reads would wait for its connection.
#[tokio::test]
async fn a_statement_without_waiting_reads_is_cancelled() {
    let (database, store, held) = held(40).await;
    let reads: Vec<_> = (0..40).map(|number| read(&store, &name(number))).collect();
    waiting(&database, 2).await;
    reads.iter().for_each(JoinHandle::abort);
    assert!(join_all(reads).await.into_iter().all(|read| read.is_err()));
    nobody_waits(&database).await;
    held.batch_execute("ROLLBACK").await.unwrap();
    assert!(is_of(&read(&store, &name(1)).await.unwrap(), &name(1)));
}

/// A row that Copydesk cannot decode, and a row that fails the statement in the database.
#[tokio::test]
async fn a_failing_row_fails_only_its_own_read() {
    let damaged = "UPDATE copydesk.changes SET digest = '\\x00'
        WHERE position = (SELECT position FROM copydesk.articles WHERE id = 'a-7')";
    // Like a page of a text that the disk has lost.
    let failing = "ALTER TABLE copydesk.texts RENAME TO kept;
        CREATE FUNCTION copydesk.fetched(wanted uuid, content bytea) RETURNS bytea STABLE LANGUAGE plpgsql AS $$ BEGIN
            PERFORM FROM copydesk.changes c JOIN copydesk.articles a USING (position)
                WHERE a.id = 'a-7' AND c.text = wanted;
            IF FOUND THEN RAISE 'lost'; END IF;
            RETURN content;
        END $$;
        CREATE VIEW copydesk.texts AS SELECT text, copydesk.fetched(text, content) content FROM copydesk.kept";
    for (damage, expected) in [(damaged, StoreError::Damaged), (failing, StoreError::Internal)] {
        let (database, store, held) = held(40).await;
        held.batch_execute(damage).await.unwrap();
        let reads: Vec<_> = (0..40).map(|number| read(&store, &name(number))).collect();
        waiting(&database, 2).await;
        held.batch_execute("COMMIT").await.unwrap();
        for (number, answer) in join_all(reads).await.into_iter().map(Result::unwrap).enumerate() {
            match number {
                7 => assert_eq!(answer.unwrap_err(), expected),
                _ => assert!(is_of(&answer, &name(number)), "{number}: {answer:?}"),
            }
        }
    }
}
