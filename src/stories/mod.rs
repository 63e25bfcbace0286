//! Stories: articles that report one event.
//!
//! One replica at a time groups articles (`worker`): it follows the change feed, decides about each changed article
//! (`grouping`, `clustering`), and stores the memberships. All replicas follow the memberships (`follower`), and have
//! the recent stories in memory (`view`), from which lists and top stories are computed. An article is checked when it
//! is read: stories decide nothing about access. Watches get the memberships from `membership_log`. Editors move
//! articles and merge stories (`editor`, `editing`): their decisions are steps like those of the replica that groups
//! articles, and hold against it.

pub mod clustering;
mod editing;
mod editor;
mod facts;
mod follower;
mod grouping;
mod membership_log;
mod rank;
mod shared;
mod summary;
mod texts;
mod view;
mod worker;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

pub use editor::{EditedStory, MAX_EDITED, StoryEdit, StoryEditError, StoryEditor};
pub use facts::Facts;
pub use membership_log::Membership;
pub use rank::{GROWTH_HOURS, GROWTH_WEIGHT, HALF_LIFE_HOURS, READ_WEIGHT, URGENCY_WEIGHT, score};
pub use shared::Ranked;
pub use summary::{Counted, Names, Summary};
pub use texts::Texts;
pub use view::{Rank, StoryFilter, StoryOrder, StoryView};

use crate::article::Position;
use crate::read_counts::DecayedReads;
use crate::store::{GroupedUntil, Store, StoreError};
use crate::telemetry::StoryMetrics;
use membership_log::MembershipLog;
use shared::Shared;

/// The recent stories, with the tasks that group articles and follow the memberships.
pub struct Stories {
    shared: Arc<Shared>,
    /// Permit of a computation: they take processor time, and the next one may find the result of this one.
    ranking: Semaphore,
    position: watch::Receiver<Position>,
    log: MembershipLog,
    tasks: Vec<JoinHandle<()>>,
}

impl Stories {
    /// Starts to group the articles of a store, if no other replica does, and to follow their memberships.
    pub fn start(store: Arc<dyn Store>, metrics: StoryMetrics) -> Self {
        let shared = Arc::new(Shared::new(metrics.clone()));
        metrics.lag.read_from_weak(&shared, |shared| shared.lag().as_secs_f64());
        metrics.articles.read_from_weak(&shared, |shared| shared.read(|view| view.article_count() as u64));
        metrics.stories.read_from_weak(&shared, |shared| shared.read(|view| view.story_count() as u64));
        let tasks = vec![
            tokio::spawn(worker::group(Arc::clone(&store), Arc::clone(&shared))),
            tokio::spawn(follower::follow(Arc::clone(&store), Arc::clone(&shared))),
        ];
        let (position, log) = (shared.position.subscribe(), MembershipLog::new(store));
        Self { position, shared, ranking: Semaphore::new(1), log, tasks }
    }

    /// Returns the position in the change feed up to which articles are grouped.
    pub fn position(&self) -> Position {
        *self.position.borrow()
    }

    /// Returns a channel that signals the state of grouping that this replica has read: number 0 at first.
    pub fn subscribe(&self) -> watch::Receiver<GroupedUntil> {
        self.shared.reached.subscribe()
    }

    /// Returns at most 1,000 memberships after a number and up to that of a state that was signalled, in order. If
    /// there are none, all numbers up to it have been replaced by later ones: each article has one membership.
    pub async fn memberships(&self, after: u64, until: GroupedUntil) -> Result<Arc<[Membership]>, StoreError> {
        self.log.read(after, until).await
    }

    /// Waits until the recent stories have been read, and articles up to a position are grouped. Returns false if that
    /// takes too long.
    pub async fn reach(&self, position: Position, timeout: Duration) -> bool {
        let mut reached = self.position.clone();
        let is_read = || self.shared.is_read.load(Ordering::Relaxed);
        let reaching = reached.wait_for(|reached| *reached >= position && is_read());
        tokio::time::timeout(timeout, reaching).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Makes the recent stories of this replica follow a step at once.
    fn wake(&self) {
        self.shared.stepped.notify_one();
    }

    /// Returns the recent stories that meet a filter, in an order, as of a position that has been reached. Reads may be
    /// up to a second older than given.
    ///
    /// # Errors
    /// Returns [`StoreError::Internal`] if the computation panics.
    pub async fn ranked(
        &self,
        filter: StoryFilter,
        order: StoryOrder,
        required: Position,
        reads: Arc<DecayedReads>,
    ) -> Result<Ranked, StoreError> {
        if let Some(ranked) = self.shared.kept(&filter, order, required) {
            return Ok(ranked);
        }
        let _permit = self.ranking.acquire().await.map_err(|_| StoreError::Internal)?;
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.ranked(&filter, order, required, &reads)).await.map_err(|error| {
            tracing::error!(%error, "stories not ranked");
            StoreError::Internal
        })
    }
}

impl Drop for Stories {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
