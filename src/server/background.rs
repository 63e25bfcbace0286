//! Background tasks of a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::health::Readiness;
use crate::access::Access;
use crate::store::Store;

/// Interval between checks for due transitions. Reads evaluate the clock themselves; this is the delay for watchers.
const TRANSITIONS: Duration = Duration::from_millis(200);
/// Interval between pings of the store, so that readiness follows it within a second.
const PING: Duration = Duration::from_millis(500);
/// Maximum time for the answer to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval between checks of the credentials' freshness, which ends by the clock, without an event.
const CREDENTIALS: Duration = Duration::from_millis(100);

/// Writes due transitions to the change feed: embargoes that end, articles that expire.
pub(super) async fn apply_due_transitions(store: Arc<dyn Store>, stopping: CancellationToken) {
    // An outage is logged once, at its start.
    let mut failing = false;
    while !stopping.is_cancelled() {
        match store.apply_due_transitions(Timestamp::now()).await {
            Ok(_) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "due embargoes and expiries could not be written to the change feed");
            }
            Err(_) => {}
        }
        tokio::time::sleep(TRANSITIONS).await;
    }
}

/// Updates readiness from pings of the store.
pub(super) async fn watch_store(
    store: Arc<dyn Store>,
    readiness: watch::Sender<Readiness>,
    stopping: CancellationToken,
) {
    while !stopping.is_cancelled() {
        let reachable = matches!(tokio::time::timeout(PING_TIMEOUT, store.ping()).await, Ok(Ok(())));
        readiness.send_if_modified(|readiness| {
            let changed = readiness.store != reachable;
            if changed {
                tracing::warn!(store.answers = reachable, "readiness changed");
            }
            readiness.store = reachable;
            changed
        });
        tokio::time::sleep(PING).await;
    }
}

/// Updates readiness from the freshness of credentials.
pub(super) async fn watch_credentials(
    access: Access,
    readiness: watch::Sender<Readiness>,
    stopping: CancellationToken,
) {
    while !stopping.is_cancelled() {
        let checked = access.can_check(Instant::now());
        readiness.send_if_modified(|readiness| {
            let changed = readiness.credentials != checked;
            if changed {
                tracing::warn!(credentials.checked = checked, "readiness changed");
            }
            readiness.credentials = checked;
            changed
        });
        tokio::time::sleep(CREDENTIALS).await;
    }
}
