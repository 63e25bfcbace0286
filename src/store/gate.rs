//! How many reads of an engine run at once, and how many may wait for that. What is more is refused at once: when caches are
//! cold or not to be trusted, everything falls upon the store, and a queue without end would answer nobody in time. Nor would one
//! that never empties: see [`Burst`].
//!
//! What caches follow, whether the store answers, and writes do not come through here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{StoreError, StoreStats};
use crate::burst::Burst;

/// What a read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of a few rows.
    Short,
    /// A page: of a list, a search, a history. Leaves a place for the short ones.
    Page,
    /// The next piece of a watch or an export. Leaves a place for the short ones as well, and is never refused: how many
    /// there are is bounded where they begin, and one that had to be begun anew would cost more.
    Stream,
}

/// The way to an engine's reads.
pub(super) struct Gate {
    all: Line,
    walks: Line,
    patience: Duration,
    shed: AtomicU64,
}

/// So many places, and who waits for one.
struct Line {
    size: usize,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    burst: Burst,
}

/// The right to read, until it is dropped.
pub(super) struct Permit {
    _place: OwnedSemaphorePermit,
    _walk: Option<OwnedSemaphorePermit>,
}

impl Gate {
    /// `size` reads at once; `queue` short ones and as many pages may wait, and no longer than `patience`.
    pub(super) fn new(size: usize, queue: usize, patience: Duration) -> Self {
        let all = Line::new(size.max(1), queue);
        let walks = Line::new(size.saturating_sub(1).max(1), queue);
        Self { all, walks, patience, shed: AtomicU64::new(0) }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self, kind: Kind) -> Result<Permit, StoreError> {
        let entered = match kind {
            Kind::Stream => self.walk(false).await,
            Kind::Short => {
                let passing = self.all.pass(true);
                self.in_time(async { Some(Permit { _place: passing.await?, _walk: None }) }).await
            }
            Kind::Page => self.in_time(self.walk(true)).await,
        };
        entered.ok_or_else(|| {
            self.shed.fetch_add(1, Ordering::Relaxed);
            StoreError::Busy
        })
    }

    /// Who has come past the first line is few, and is not refused at the second.
    async fn walk(&self, refusable: bool) -> Option<Permit> {
        let walk = self.walks.pass(refusable).await?;
        Some(Permit { _place: self.all.pass(false).await?, _walk: Some(walk) })
    }

    async fn in_time(&self, passing: impl Future<Output = Option<Permit>>) -> Option<Permit> {
        tokio::time::timeout(self.patience, passing).await.ok().flatten()
    }

    /// These counters beside others.
    pub(super) fn stats(&self, others: StoreStats) -> StoreStats {
        let waiting = self.all.waiting.load(Ordering::Relaxed) + self.walks.waiting.load(Ordering::Relaxed);
        StoreStats {
            reads: (self.all.size - self.all.places.available_permits()) as u64,
            reads_waiting: waiting as u64,
            reads_shed: self.shed.load(Ordering::Relaxed),
            ..others
        }
    }
}

impl Line {
    fn new(size: usize, queue: usize) -> Self {
        let places = Arc::new(Semaphore::new(size));
        Self { size, places, waiting: AtomicUsize::new(0), burst: Burst::new(queue) }
    }

    /// None when one may be refused, and as many wait already as may, or more behind it when its turn comes.
    async fn pass(&self, refusable: bool) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            self.burst.empty();
            return Some(place);
        }
        let most = if refusable { self.burst.most() } else { usize::MAX };
        let waiting = Waiting::one_more(&self.waiting, most)?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        drop(waiting);
        if refusable && self.burst.too_many(self.waiting.load(Ordering::Relaxed)) {
            return None;
        }
        self.burst.turn();
        Some(place.expect("the semaphore is never closed"))
    }
}

/// Counted among those who wait, until it is dropped: a caller may leave at any time.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn one_more(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn walks_leave_a_place_and_what_is_too_much_is_refused_at_once() {
        let gate = Gate::new(2, 1, Duration::from_secs(600));
        let page = gate.enter(Kind::Page).await.expect("a place");
        let mut second = Box::pin(gate.enter(Kind::Page));
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        assert_eq!(gate.enter(Kind::Page).now_or_never().expect("at once").err(), Some(StoreError::Busy));
        let mut stream = Box::pin(gate.enter(Kind::Stream));
        assert!(stream.as_mut().now_or_never().is_none(), "a stream waits, however many do");
        let short = gate.enter(Kind::Short).now_or_never().expect("at once").expect("a place");
        let mut third = Box::pin(gate.enter(Kind::Short));
        assert!(third.as_mut().now_or_never().is_none(), "it waits");
        assert_eq!(gate.enter(Kind::Short).now_or_never().expect("at once").err(), Some(StoreError::Busy));
        let stats = gate.stats(StoreStats::default());
        assert_eq!((stats.reads, stats.reads_waiting, stats.reads_shed), (2, 3, 2));
        // Who leaves makes room for others to wait.
        drop(third);
        let mut fourth = Box::pin(gate.enter(Kind::Short));
        assert!(fourth.as_mut().now_or_never().is_none(), "it waits");
        drop((page, short));
        drop(fourth.await.expect("a place"));
        drop(second.await.expect("a place"));
        drop(stream.await.expect("a place"));
        let stats = gate.stats(StoreStats::default());
        assert_eq!((stats.reads, stats.reads_waiting), (0, 0));
    }

    #[tokio::test]
    async fn of_a_queue_that_stands_who_has_waited_longest_is_refused() {
        const QUEUE: usize = 60;
        let gate = Gate::new(1, QUEUE, Duration::from_secs(600));
        let place = gate.enter(Kind::Short).await.expect("a place");
        let mut waiting = VecDeque::new();
        let wait = |waiting: &mut VecDeque<_>| {
            let mut one = Box::pin(tokio::task::unconstrained(gate.enter(Kind::Short)));
            assert!(one.as_mut().now_or_never().is_none(), "it waits");
            waiting.push_back(one);
        };
        (0..QUEUE).for_each(|_| wait(&mut waiting));
        drop(place);
        // As many as it holds come to their turn, while one comes for each that goes.
        for number in 1..=QUEUE {
            let place = waiting.pop_front().expect("one waits").await.expect("a burst is served");
            if number < QUEUE {
                wait(&mut waiting);
            }
            drop(place);
        }
        let mut refused = 0;
        while let Some(one) = waiting.pop_front() {
            match one.await {
                Ok(_place) => assert!(waiting.len() <= 48, "{}", waiting.len()),
                Err(error) => {
                    assert_eq!(error, StoreError::Busy);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, QUEUE - 1 - 49);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let gate = Gate::new(1, 10, Duration::from_millis(10));
        let _place = gate.enter(Kind::Short).await.expect("a place");
        assert_eq!(gate.enter(Kind::Short).await.err(), Some(StoreError::Busy));
    }
}
