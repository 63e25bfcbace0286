//! The replica that groups articles: it has the lease, follows the change feed, and stores its decisions step by step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::clustering::Features;
use super::facts::Facts;
use super::grouping::{Changed, Changes, Grouping};
use super::shared::Shared;
use crate::article::{Lifecycle, Position, Record};
use crate::overload::thread_priority::lower_thread_priority;
use crate::store::{Consistency, FeedCursor, Fetched, GroupedUntil, GroupingStep, Rush, Store, StoreError};

/// Task of the lease.
const TASK: &str = "stories";
/// Duration of the lease. If its holder stops, no replica groups articles for that time.
const LEASE: Duration = Duration::from_secs(9);
/// Interval at which the lease is extended, or asked for. The rest of a burst takes less than what is left of it then.
const EXTEND: Duration = Duration::from_secs(3);
/// Maximum number of changed articles in a step.
const BATCH: usize = 500;
/// Maximum number of memberships that are read at a time.
const PAGE: usize = 1_000;
/// Poll interval of the feed.
const POLL: Duration = Duration::from_millis(100);
/// Pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Groups articles while this replica has the lease, until the task is aborted.
pub(super) async fn group(store: Arc<dyn Store>, shared: Arc<Shared>) {
    let holder = Uuid::new_v4();
    let mut worker = Worker { wake: store.subscribe(), store, shared };
    let mut is_failing = false;
    loop {
        match worker.run(holder).await {
            Ok(()) => is_failing = false,
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "articles not grouped into stories: the store does not answer");
                }
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

struct Worker {
    store: Arc<dyn Store>,
    wake: watch::Receiver<Position>,
    shared: Arc<Shared>,
}

/// Memberships as they are stored.
struct State {
    grouping: Grouping,
    until: GroupedUntil,
}

impl Worker {
    /// Groups articles until the lease is lost, or another replica has done a step.
    async fn run(&mut self, holder: Uuid) -> Result<(), StoreError> {
        if !self.store.acquire_lease(TASK, holder, LEASE).await? {
            tokio::time::sleep(EXTEND).await;
            return Ok(());
        }
        let mut state = self.load(holder).await?;
        tracing::info!(articles = state.grouping.len(), "this replica groups articles into stories");
        let mut extended = Instant::now();
        let mut rush = Rush::default();
        loop {
            if extended.elapsed() >= EXTEND {
                if !self.store.acquire_lease(TASK, holder, LEASE).await? {
                    tracing::info!("another replica groups articles into stories");
                    return Ok(());
                }
                extended = Instant::now();
            }
            let Some((changes, records)) = self.read(&mut state).await? else {
                // The step to the end of the feed was not applied if another one came first.
                let Some(current) = self.catch_up(state).await? else { return Ok(()) };
                state = current;
                continue;
            };
            let is_caught_up = changes < BATCH;
            if changes == 0 {
                // A lost wake-up only delays the worker.
                let _woken = tokio::time::timeout(POLL, self.wake.changed()).await;
                continue;
            }
            rush.rest(&mut self.wake, &records.records, is_caught_up).await;
            let next = match self.catch_up(state).await? {
                Some(current) => self.step(current, records).await?,
                None => None,
            };
            match next {
                Some(next) => state = next,
                // The stories are read again without a pause.
                None => {
                    tracing::info!("another replica or an editor has changed stories since; the stories are read");
                    return Ok(());
                }
            }
        }
    }

    /// Reads all memberships that decisions depend on.
    async fn load(&self, holder: Uuid) -> Result<State, StoreError> {
        let until = self.store.grouped_until().await?;
        let (mut members, mut number) = (Vec::new(), 0);
        while number < until.number {
            let page = self.store.changed_members(number, PAGE, true).await?;
            let Some(last) = page.last() else { break };
            number = last.number;
            members.extend(page.into_iter().map(|numbered| numbered.member));
            // It may take longer than the lease lasts.
            self.store.acquire_lease(TASK, holder, LEASE).await?;
        }
        let grouping = blocking(move || {
            let mut grouping = Grouping::default();
            // Decisions must not depend on the order of moves, but on that of articles.
            members.sort_by_cached_key(|member| Facts::decoded(&member.report).map(|facts| facts.number));
            members.into_iter().for_each(|member| grouping.restore(member));
            grouping
        });
        Ok(State { grouping: grouping.await?, until })
    }

    /// Reads the articles that have changed since the last step, and their number with repetitions. None if the feed
    /// does not continue from there: then it goes on at its end.
    async fn read(&self, state: &mut State) -> Result<Option<(usize, Read)>, StoreError> {
        let changed = match self.store.changed_ids(state.until.cursor, BATCH).await {
            Ok(changed) => changed,
            Err(StoreError::UnknownPosition | StoreError::Trimmed) => {
                tracing::warn!(
                    "the change feed does not continue where stories were grouped: older articles are left out"
                );
                let step = GroupingStep {
                    from: state.until,
                    until: FeedCursor::from(self.store.head().await?),
                    members: Vec::new(),
                    renumbered: Vec::new(),
                    merges: Vec::new(),
                };
                state.until = self.store.apply_grouping(step).await?.unwrap_or(state.until);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let changes = changed.articles.len();
        // In the order of their last changes in the batch.
        let mut ids = Vec::with_capacity(changes);
        let mut seen = std::collections::HashSet::new();
        for (_, id) in changed.articles.into_iter().rev() {
            if seen.insert(id.clone()) {
                ids.push(id);
            }
        }
        ids.reverse();
        let records = match ids.is_empty() {
            true => Vec::new(),
            false => self.store.get_for_follower(&ids, Consistency::AtLeast(changed.cursor.position)).await?,
        };
        let records = records.into_iter().filter_map(|Fetched { record, .. }| record).collect();
        Ok(Some((changes, Read { records, cursor: changed.cursor })))
    }

    /// Takes the decisions of editors since the state was read: steps that leave the position in the change feed as it
    /// is. None if another replica has done a step since.
    async fn catch_up(&self, mut state: State) -> Result<Option<State>, StoreError> {
        loop {
            let until = self.store.grouped_until().await?;
            if until.cursor.position != state.until.cursor.position || until.number < state.until.number {
                return Ok(None);
            }
            if until.number == state.until.number {
                return Ok(Some(state));
            }
            let (mut members, mut number) = (Vec::new(), state.until.number);
            while number < until.number {
                let page = self.store.changed_members(number, PAGE, false).await?;
                let Some(last) = page.last() else { break };
                number = last.number;
                members.extend(page.into_iter().map(|numbered| numbered.member));
            }
            tracing::debug!(members = members.len(), "decisions of editors about stories taken");
            let mut grouping = state.grouping;
            let grouping = blocking(move || {
                members.into_iter().for_each(|member| grouping.replace(member));
                grouping
            });
            state = State { grouping: grouping.await?, until };
        }
    }

    /// Decides, and stores the decisions. None if another step was done since.
    async fn step(&self, state: State, read: Read) -> Result<Option<State>, StoreError> {
        let began = Instant::now();
        let State { mut grouping, until } = state;
        let articles = read.records.len();
        let (grouping, changes) = blocking(move || {
            let mut changes = Changes::default();
            let now = Timestamp::now();
            for record in &read.records {
                let changed = changed(&grouping, record, now);
                grouping.apply(changed, until.number, &mut changes);
            }
            (grouping, changes)
        })
        .await?;
        let members: Vec<_> = changes.members.into_values().collect();
        let count = members.len();
        let (renumbered, merges) = (changes.renumbered, changes.merges);
        let step = GroupingStep { from: until, until: read.cursor, members, renumbered, merges };
        let applied = self.store.apply_grouping(step).await?;
        self.shared.metrics.grouped(articles, began.elapsed());
        tracing::debug!(articles, members = count, "articles grouped into stories");
        self.shared.stepped.notify_one();
        Ok(applied.map(|until| State { grouping, until }))
    }
}

/// Articles that have changed, and the position up to which that is all.
struct Read {
    records: Vec<Arc<Record>>,
    cursor: FeedCursor,
}

/// Returns what grouping has to know of a record.
fn changed(grouping: &Grouping, record: &Record, now: Timestamp) -> Changed {
    let id = record.id.clone();
    if record.lifecycle == Lifecycle::Purged {
        return Changed { id, facts: None, features: None };
    }
    match record.decode() {
        Ok(article) => {
            let facts = Facts::of(record, &article, now);
            let features = grouping
                .needs_features(&id, &facts)
                .then(|| Arc::new(Features::of(&article.headline, &article.body, &article.language_code)));
            Changed { id, facts: Some(facts), features }
        }
        Err(error) => {
            tracing::error!(article = %record.id, %error, "undecodable article omitted from stories");
            Changed { id, facts: None, features: None }
        }
    }
}

/// Runs a step outside the I/O threads, after those that callers wait for.
async fn blocking<T: Send + 'static>(step: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    let task = tokio::task::spawn_blocking(move || {
        lower_thread_priority();
        step()
    });
    task.await.map_err(|error| {
        tracing::error!(%error, "a step of grouping did not finish");
        StoreError::Internal
    })
}
