//! Reconciler of one server: opens sessions, applies invalidations from the change feed, and renews the freshness
//! lease.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::RedisContext;
use super::options::Server;
use super::protocol::connection::RedisError;
use super::session::{Handoff, Session};
use crate::cache::follower::wait;
use crate::random::jittered;
use crate::store::{FeedCursor, Store, StoreError};

/// Maximum number of changes read per batch.
const BATCH: usize = 1_000;
/// Initial and maximum delay before Redis is retried.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));

/// Keeps the entries of one server fresh until the cache is dropped or the task is aborted. There is one task per
/// server, so only one probe at a time checks if it is back.
pub(super) async fn run(context: Weak<RedisContext>, server: Server) {
    let mut retry = RETRY.0;
    // Each outage is logged once, when it begins.
    let mut failing = false;
    let mut handoff = None;
    while let Some(context) = context.upgrade() {
        match open_session(&context, &server, handoff.as_ref()).await {
            Ok(session) => {
                let session = Arc::new(session);
                let registration = context.router.register(Arc::clone(&session));
                let mut cursor = session.marked;
                let trusted = follow(&context, &session, &mut cursor).await;
                drop(registration);
                // If the change feed does not continue from this position, the next session will detect that as well.
                handoff = Some(session.handoff(cursor));
                if trusted {
                    retry = RETRY.0;
                    failing = false;
                }
            }
            // The store logs its own outages.
            Err(None) => {}
            Err(Some(error)) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(redis = %server, %error, "Redis unreachable; reads fall back to the store");
            }
            Err(Some(_)) => {}
        }
        drop(context);
        tokio::time::sleep(jittered(retry)).await;
        retry = (retry * 2).min(RETRY.1);
    }
}

/// Opens a session. An error of `None` is an error of the store.
async fn open_session(
    context: &RedisContext,
    server: &Server,
    handoff: Option<&Handoff>,
) -> Result<Session, Option<RedisError>> {
    // Before the generation is opened: fills into a new one are read from the store after this.
    let head = context.store.head().await.map_err(|_| None)?;
    let end = context.store.changed_ids(head.into(), BATCH).await.map_err(|_| None)?.cursor;
    let options = &context.options;
    let address = options.find(server).await.map_err(Some)?;
    Session::open(options, address, context.store.feed_id(), end, handoff, context.metrics.clone()).await.map_err(Some)
}

/// Follows the change feed until the session ends. Returns true if the session became trusted.
async fn follow(context: &RedisContext, session: &Session, cursor: &mut FeedCursor) -> bool {
    let mut wake = context.store.subscribe();
    let mut trusted = false;
    while !session.has_ended() {
        let began = Instant::now();
        match replay(context.store.as_ref(), session, cursor).await {
            Ok(true) => {
                session.lease.renew(began, session.lease.position());
                if !std::mem::replace(&mut trusted, true) {
                    tracing::info!(redis = %session.address, "Redis enabled after replay of pending invalidations");
                }
            }
            // Redis did not accept the invalidations; the lease expires.
            Ok(false) => {}
            // After a failover, a restored backup or trimmed changes, any entry may be stale.
            Err(StoreError::UnknownPosition | StoreError::Trimmed) => {
                let redis = &session.address;
                tracing::warn!(%redis, "Redis entries discarded: the change feed does not continue from them");
                session.close().await;
            }
            // The store's own follower logs it.
            Err(_) => {}
        }
        tokio::select! {
            () = session.ended() => {}
            () = wait(&mut wake, context.options.poll) => {}
        }
    }
    trusted
}

/// Replays pending invalidations. Returns true if Redis has accepted all of them.
async fn replay(store: &dyn Store, session: &Session, cursor: &mut FeedCursor) -> Result<bool, StoreError> {
    loop {
        let changes = store.changed_ids(*cursor, BATCH).await?;
        let ended = changes.articles.len() < BATCH;
        // In feed order, so that the newest change of an article wins.
        let changed: BTreeMap<_, _> = changes.articles.into_iter().map(|(position, id)| (id, position)).collect();
        if !session.invalidate(&changed).await || !session.mark(changes.cursor).await {
            return Ok(false);
        }
        *cursor = changes.cursor;
        session.lease.advance(cursor.position);
        if ended {
            return Ok(true);
        }
    }
}
