//! What a server does besides answering.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::health::Readiness;
use crate::access::Access;
use crate::store::Store;

/// How often the clock is turned. Reads go by the clock themselves; this is how soon watchers hear of it.
const TURN: Duration = Duration::from_millis(200);
/// How often the store is asked whether it answers: readiness follows it within a second.
const PING: Duration = Duration::from_millis(500);
/// How long its answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How often access is asked whether it can check credentials: that ends by the clock, without an event.
const CREDENTIALS: Duration = Duration::from_millis(100);

/// Puts into the feed what the clock changes: embargoes that end, articles that expire.
pub(super) async fn turn_clock(store: Arc<dyn Store>, stopping: CancellationToken) {
    // An outage is logged when it begins.
    let mut failing = false;
    while !stopping.is_cancelled() {
        match store.turn_clock(Timestamp::now()).await {
            Ok(_) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "embargoes and expiries could not be announced");
            }
            Err(_) => {}
        }
        tokio::time::sleep(TURN).await;
    }
}

/// Keeps readiness true of the store.
pub(super) async fn watch_store(
    store: Arc<dyn Store>,
    readiness: watch::Sender<Readiness>,
    stopping: CancellationToken,
) {
    while !stopping.is_cancelled() {
        let answered = matches!(tokio::time::timeout(ANSWER, store.ping()).await, Ok(Ok(())));
        readiness.send_if_modified(|readiness| {
            let changed = readiness.store != answered;
            if changed {
                tracing::warn!(store.answers = answered, "readiness changed");
            }
            readiness.store = answered;
            changed
        });
        tokio::time::sleep(PING).await;
    }
}

/// Keeps readiness true of the credentials.
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
