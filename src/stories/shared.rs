//! State that the tasks of stories and their readers share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::summary::Summary;
use super::view::{Rank, StoryFilter, StoryOrder, StoryView};
use crate::article::Position;
use crate::read_counts::DecayedReads;
use crate::store::GroupedUntil;
use crate::telemetry::StoryMetrics;

/// Number of orders that are kept.
const KEPT: usize = 4;
/// Time for which an order is kept while stories change.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Stories in an order.
pub type Ranked = Arc<Vec<(Rank, Summary)>>;

/// Order that was computed.
struct Kept {
    filter: StoryFilter,
    order: StoryOrder,
    /// Number of changes of the view.
    version: u64,
    /// Position that the view had reached.
    position: Position,
    time: Timestamp,
    ranked: Ranked,
}

pub(super) struct Shared {
    view: RwLock<StoryView>,
    version: AtomicU64,
    kept: Mutex<VecDeque<Kept>>,
    /// True once all recent memberships have been read.
    pub(super) is_read: AtomicBool,
    /// Position in the change feed up to which articles are grouped, and the stories read.
    pub(super) position: watch::Sender<Position>,
    /// State of grouping that the follower has read: what has a lower number is stored.
    pub(super) reached: watch::Sender<GroupedUntil>,
    /// Time since which there are changes that are not grouped, in microseconds since 1970; 0 if there are none.
    pub(super) behind_since: AtomicI64,
    /// Signals a step of this replica, or of an editor at it.
    pub(super) stepped: Notify,
    pub(super) metrics: StoryMetrics,
}

impl Shared {
    pub(super) fn new(metrics: StoryMetrics) -> Self {
        Self {
            view: RwLock::default(),
            version: AtomicU64::new(0),
            kept: Mutex::default(),
            is_read: AtomicBool::new(false),
            position: watch::channel(Position::START).0,
            reached: watch::channel(GroupedUntil { number: 0, cursor: Position::START.into() }).0,
            behind_since: AtomicI64::new(0),
            stepped: Notify::new(),
            metrics,
        }
    }

    /// Changes the view.
    pub(super) fn change(&self, change: impl FnOnce(&mut StoryView)) {
        change(&mut self.view.write().unwrap_or_else(PoisonError::into_inner));
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.is_read.store(false, Ordering::Relaxed);
        self.change(|view| *view = StoryView::default());
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&StoryView) -> T) -> T {
        read(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the stories in an order, with all articles up to a position that the view has reached, if they have not
    /// changed since they were ordered, or were ordered within the last second.
    pub(super) fn kept(&self, filter: &StoryFilter, order: StoryOrder, required: Position) -> Option<Ranked> {
        let now = Timestamp::now();
        let version = self.version.load(Ordering::Relaxed);
        let is_same = |kept: &&Kept| {
            let is_young = now.duration_since(kept.time).unsigned_abs() < KEPT_FOR;
            let is_new = kept.version == version || (is_young && kept.position >= required);
            is_new && kept.order == order && kept.filter == *filter
        };
        self.lock_kept().iter().find(is_same).map(|kept| Arc::clone(&kept.ranked))
    }

    /// Returns the stories in an order, with all articles up to a position that the view has reached.
    pub(super) fn ranked(
        &self,
        filter: &StoryFilter,
        order: StoryOrder,
        required: Position,
        reads: &DecayedReads,
    ) -> Ranked {
        if let Some(ranked) = self.kept(filter, order, required) {
            return ranked;
        }
        let (version, position) = (self.version.load(Ordering::Relaxed), *self.position.borrow());
        let ranked = Arc::new(self.read(|view| view.ranked(filter, order, reads)));
        let mut kept = self.lock_kept();
        kept.retain(|kept| kept.order != order || kept.filter != *filter);
        kept.truncate(KEPT - 1);
        kept.push_front(Kept {
            filter: filter.clone(),
            order,
            version,
            position,
            time: Timestamp::now(),
            ranked: Arc::clone(&ranked),
        });
        ranked
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time since which there are changes that are not grouped.
    pub(super) fn lag(&self) -> Duration {
        match self.behind_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_micros((Timestamp::now().as_microsecond() - since).max(0).unsigned_abs()),
        }
    }
}
