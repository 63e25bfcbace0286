//! Helpers to open replicas, hold transactions open and follow the feed, for several processes that share a database.

use std::sync::Arc;
use std::time::Duration;

use copydesk::article::Position;
use copydesk::cache::LocalCacheOptions;
use copydesk::store::Store;
use copydesk::store::postgres::{PostgresOptions, PostgresStore};
use futures::future::join_all;
use tokio_postgres::Client;

use crate::support::database::Database;

pub async fn open(options: PostgresOptions) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(options).await.unwrap())
}

pub fn cache_options(bound_ms: u64) -> LocalCacheOptions {
    LocalCacheOptions {
        bytes: 1 << 20,
        staleness_bound: Duration::from_millis(bound_ms),
        negative_ttl: Duration::from_secs(5),
        poll: Duration::from_millis(10),
    }
}

/// Opens several replicas on one database.
pub async fn replicas(database: &Database, count: usize) -> Vec<Arc<dyn Store>> {
    join_all((0..count).map(|_| open(database.options()))).await
}

/// Opens a transaction that blocks writes to this table until it is dropped or ended.
pub async fn hold(database: &Database, table: &str) -> Client {
    let client = database.client().await;
    client.batch_execute(&format!("BEGIN; LOCK TABLE copydesk.{table} IN SHARE MODE")).await.unwrap();
    client
}

/// Waits until `count` transactions wait for a lock.
pub async fn waiting(database: &Database, count: i64) {
    until(database, |waiting| waiting >= count).await;
}

/// Waits until no transaction waits for a lock.
pub async fn nobody_waits(database: &Database) {
    until(database, |waiting| waiting == 0).await;
}

async fn until(database: &Database, enough: impl Fn(i64) -> bool) {
    let client = database.client().await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let reached = async {
        while !enough(client.query_one(waits, &[]).await.unwrap().get(0)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.expect("the expected number of waiting transactions");
}

/// Reads the feed as a follower does: in small batches, each from the end of the last.
pub async fn follow(store: &Arc<dyn Store>, until: usize) -> Vec<(u64, String)> {
    let mut after = Position::START;
    let mut followed = Vec::new();
    while followed.len() < until {
        for change in store.changes(after, 7).await.unwrap() {
            assert!(change.position > after, "positions increase");
            after = change.position;
            followed.push((change.position.sequence, change.record.id.to_string()));
        }
    }
    followed
}
