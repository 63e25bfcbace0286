//! The keeper: opens sessions, repairs entries as the feed says, and so renews the trust in them.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Shared;
use super::options::Server;
use super::session::{Legacy, Session, jittered};
use super::wire::Trouble;
use crate::cache::follower::wait;
use crate::store::{Place, Store, StoreError};

/// How many changes one pass takes at a time.
const BATCH: usize = 1_000;
/// How long until Redis is tried again: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));

/// Keeps what the cache has in one server, until the cache is gone or the task is aborted. One task for a server, so that one
/// probe asks at a time whether it is back.
pub(super) async fn keep(shared: Weak<Shared>, server: Server) {
    let mut retry = RETRY.0;
    // An outage is logged when it begins.
    let mut failing = false;
    let mut legacy = None;
    while let Some(shared) = shared.upgrade() {
        match open(&shared, &server, legacy.as_ref()).await {
            Ok(session) => {
                let session = Arc::new(session);
                let held = shared.router.hold(Arc::clone(&session));
                let mut place = session.marked;
                let trusted = follow(&shared, &session, &mut place).await;
                drop(held);
                // If the feed has turned out not to go on from there, the next session will find that as well.
                legacy = Some(session.legacy(place));
                if trusted {
                    retry = RETRY.0;
                    failing = false;
                }
            }
            // Who reads the store says so.
            Err(None) => {}
            Err(Some(trouble)) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(redis = %server, %trouble, "Redis is away; reads go to the store");
            }
            Err(Some(_)) => {}
        }
        drop(shared);
        tokio::time::sleep(jittered(retry)).await;
        retry = (retry * 2).min(RETRY.1);
    }
}

/// An error that names no trouble is the store's.
async fn open(shared: &Shared, server: &Server, legacy: Option<&Legacy>) -> Result<Session, Option<Trouble>> {
    // Before the generation is found: what is filled in a new one has been read after this.
    let head = shared.store.head().await.map_err(|_| None)?;
    let end = shared.store.touched(head.into(), BATCH).await.map_err(|_| None)?.reached;
    let options = &shared.options;
    let address = options.find(server).await.map_err(Some)?;
    let counters = Arc::clone(&shared.counters);
    Session::open(options, address, shared.store.feed(), end, legacy, counters).await.map_err(Some)
}

/// Until the session ends. Answers whether Redis could be trusted in it.
async fn follow(shared: &Shared, session: &Session, place: &mut Place) -> bool {
    let mut wake = shared.store.wake();
    let mut trusted = false;
    while !session.has_ended() {
        let began = Instant::now();
        match pass(shared.store.as_ref(), session, place).await {
            Ok(true) => {
                session.lease.renew(began, session.lease.position());
                if !std::mem::replace(&mut trusted, true) {
                    tracing::info!(redis = %session.address, "Redis is repaired up to the feed's end, and used");
                }
            }
            // Redis did not take it; the lease runs out by itself.
            Ok(false) => {}
            // Behind a failover, a restored backup, or changes that have been forgotten: any entry may be out of date.
            Err(StoreError::Foreign | StoreError::Trimmed) => {
                tracing::warn!("the feed does not go on from where Redis was; its entries are given up");
                session.close().await;
            }
            // Its own follower logs it.
            Err(_) => {}
        }
        tokio::select! {
            () = session.ended() => {}
            () = wait(&mut wake, shared.options.poll) => {}
        }
    }
    trusted
}

/// Repairs what has changed. Answers whether Redis knows all of it.
async fn pass(store: &dyn Store, session: &Session, place: &mut Place) -> Result<bool, StoreError> {
    loop {
        let touched = store.touched(*place, BATCH).await?;
        let ended = touched.articles.len() < BATCH;
        // In the feed's order, so that of one article's changes the newest stays.
        let changed: BTreeMap<_, _> = touched.articles.into_iter().map(|(position, id)| (id, position)).collect();
        if !session.invalidate(&changed).await || !session.mark(touched.reached).await {
            return Ok(false);
        }
        *place = touched.reached;
        session.lease.advance(place.position);
        if ended {
            return Ok(true);
        }
    }
}
