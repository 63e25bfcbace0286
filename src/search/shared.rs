//! State that the follower of the feed and searches share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::SearchOptions;
use super::schema::Fields;
use super::view::View;
use crate::article::Position;
use crate::telemetry::SearchMetrics;

/// State that the follower and searches share.
pub(super) struct Shared {
    pub(super) fields: Fields,
    pub(super) options: SearchOptions,
    pub(super) view: RwLock<Arc<View>>,
    pub(super) position: watch::Sender<Position>,
    /// True once all articles are in the index, as of some position.
    pub(super) is_built: AtomicBool,
    /// Time of the oldest change that is not in the index, in microseconds since 1970; 0 if there is none.
    pub(super) behind_since: AtomicI64,
    /// Time at which the follower last read the feed, in microseconds since 1970.
    pub(super) checked: AtomicI64,
    /// Open index, for snapshots of its files.
    pub(super) index: Mutex<Option<tantivy::Index>>,
    /// Signals that words of purged articles have been removed from the index.
    pub(super) erased: Notify,
    pub(super) metrics: SearchMetrics,
}

impl Shared {
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn show(&self, view: View) {
        let position = view.position;
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        self.is_built.store(true, Ordering::Relaxed);
        self.position.send_replace(position);
    }

    pub(super) fn clear(&self) {
        self.is_built.store(false, Ordering::Relaxed);
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(View::empty());
        self.position.send_replace(Position::START);
    }

    /// Returns the age of the oldest change that is not in the index.
    pub(super) fn lag(&self) -> Duration {
        match self.behind_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => age(since),
        }
    }
}

/// Returns the age of a time in microseconds since 1970.
pub(super) fn age(micros: i64) -> Duration {
    Duration::from_micros((Timestamp::now().as_microsecond() - micros).max(0).unsigned_abs())
}
