//! Load shedding for reads of an engine: limits of concurrent and of queued reads. Excess reads are rejected at once:
//! while caches are cold or untrusted, all reads reach the store, and an unbounded queue would answer none in time. Nor
//! would a standing queue: see [`CodelLimit`](crate::overload::codel::CodelLimit). Callers share permits and queue
//! fairly: see [`queue`] and docs/decisions/0024-callers-share-the-store.md.
//!
//! Writes, health checks and the reads of followers of the feed (caches, search index) bypass the gate.

mod queue;

use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::telemetry::ReadMetrics;
use queue::{Request, Slot, WaitQueue};

/// Kind of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadKind {
    /// Read of a few rows.
    Short,
    /// Page of a list, search or history, with its weight in the fair queue, at least 1: a search weighs as much as it
    /// has words. Leaves one permit for short reads.
    Page(usize),
    /// Next chunk of a watch or an export. Leaves one permit for short reads. Never rejected: the number of streams is
    /// limited when they start, and a restart would cost more.
    Stream,
}

/// Admission control of an engine's reads.
pub(crate) struct Gate {
    all: WaitQueue,
    scans: WaitQueue,
    max_wait: Duration,
    metrics: ReadMetrics,
}

/// Error of a read that is rejected because of overload, or whose permit is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shed;

/// Permit to read, until it is dropped.
pub(crate) struct Permit {
    _slot: Slot,
    _scan_slot: Option<Slot>,
}

/// Signal that a permit is revoked.
pub(crate) struct Revocation<'a> {
    revoked: Option<oneshot::Receiver<()>>,
    metrics: &'a ReadMetrics,
}

impl Gate {
    /// Creates a gate for `size` concurrent reads. At most `queue` short reads and as many pages wait, each for at most
    /// `max_wait`.
    pub(crate) fn new(size: usize, queue: usize, max_wait: Duration, metrics: ReadMetrics) -> Self {
        let all = WaitQueue::new(size.max(1), queue);
        let scans = WaitQueue::new(size.saturating_sub(1).max(1), queue);
        let (taken, waiting) = (all.clone(), [all.clone(), scans.clone()]);
        metrics.in_flight.read_from(move || taken.taken() as u64);
        metrics.waiting.read_from(move || waiting.iter().map(WaitQueue::waiting).sum::<usize>() as u64);
        Self { all, scans, max_wait, metrics }
    }

    /// Waits for a permit for the current caller. Its read must stop when the permit is recalled.
    pub(crate) async fn enter(&self, kind: ReadKind) -> Result<(Permit, Revocation<'_>), Shed> {
        let entered = match kind {
            ReadKind::Stream => self.scan(Request { weight: 1, rejectable: false, revocable: false }).await,
            ReadKind::Short => {
                let acquiring = self.all.acquire(Request { weight: 1, rejectable: true, revocable: false });
                timeout(self.max_wait, acquiring).await.ok().flatten().map(|slot| (slot, None))
            }
            ReadKind::Page(weight) => self.page(weight).await,
        };
        let Some((slot, mut scan)) = entered else {
            self.metrics.shed.inc();
            return Err(Shed);
        };
        let revoked = scan.as_mut().and_then(|scan| scan.revoked.take());
        Ok((Permit { _slot: slot, _scan_slot: scan }, Revocation { revoked, metrics: &self.metrics }))
    }

    /// Waits for half of the time. Then it revokes a permit of a caller with more permits, if any, and waits for the
    /// rest.
    async fn page(&self, weight: usize) -> Option<(Slot, Option<Slot>)> {
        let mut scan = pin!(self.scan(Request { weight: weight.max(1) as u64, rejectable: true, revocable: true }));
        let half = self.max_wait / 2;
        match timeout(half, &mut scan).await {
            Ok(entered) => entered,
            Err(_elapsed) => {
                self.scans.revoke_newest();
                timeout(self.max_wait - half, scan).await.ok().flatten()
            }
        }
    }

    /// Passes both queues. The first one limits the number of requests, so the second one does not reject them.
    async fn scan(&self, request: Request) -> Option<(Slot, Option<Slot>)> {
        let scan = self.scans.acquire(request).await?;
        let slot = self.all.acquire(Request { weight: 1, rejectable: false, revocable: false }).await?;
        Some((slot, Some(scan)))
    }
}

impl Revocation<'_> {
    /// Runs a read. Drops it and fails with [`Shed`] if its permit is recalled.
    pub(crate) async fn run_unless_revoked<T, E: From<Shed>>(
        self,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(revoked) = self.revoked else { return read.await };
        tokio::select! {
            biased;
            answer = read => answer,
            Ok(()) = revoked => {
                self.metrics.shed.inc();
                Err(Shed.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn walks_leave_a_place_and_what_is_too_much_is_refused_at_once() {
        let gate = Gate::new(2, 1, Duration::from_secs(600), ReadMetrics::default());
        let page = gate.enter(ReadKind::Page(1)).await.expect("a slot");
        let mut second = Box::pin(gate.enter(ReadKind::Page(1)));
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        assert_eq!(gate.enter(ReadKind::Page(1)).now_or_never().expect("at once").err(), Some(Shed));
        let mut stream = Box::pin(gate.enter(ReadKind::Stream));
        assert!(stream.as_mut().now_or_never().is_none(), "a stream waits regardless of the queue's length");
        let short = gate.enter(ReadKind::Short).now_or_never().expect("at once").expect("a slot");
        let mut third = Box::pin(gate.enter(ReadKind::Short));
        assert!(third.as_mut().now_or_never().is_none(), "it waits");
        assert_eq!(gate.enter(ReadKind::Short).now_or_never().expect("at once").err(), Some(Shed));
        let metrics = &gate.metrics;
        assert_eq!((metrics.in_flight.get(), metrics.waiting.get(), metrics.shed.get()), (2, 3, 2));
        // A cancelled request frees its slot in the queue.
        drop(third);
        let mut fourth = Box::pin(gate.enter(ReadKind::Short));
        assert!(fourth.as_mut().now_or_never().is_none(), "it waits");
        drop((page, short));
        drop(fourth.await.expect("a slot"));
        drop(second.await.expect("a slot"));
        drop(stream.await.expect("a slot"));
        assert_eq!((metrics.in_flight.get(), metrics.waiting.get()), (0, 0));
    }

    #[tokio::test]
    async fn of_a_queue_that_stands_who_has_waited_longest_is_refused() {
        const QUEUE: usize = 60;
        let gate = Gate::new(1, QUEUE, Duration::from_secs(600), ReadMetrics::default());
        let slot = gate.enter(ReadKind::Short).await.expect("a slot");
        let mut waiting = VecDeque::new();
        let wait = |waiting: &mut VecDeque<_>| {
            let mut one = Box::pin(tokio::task::unconstrained(gate.enter(ReadKind::Short)));
            assert!(one.as_mut().now_or_never().is_none(), "it waits");
            waiting.push_back(one);
        };
        (0..QUEUE).for_each(|_| wait(&mut waiting));
        drop(slot);
        // A whole capacity is dequeued while a new request arrives for each that leaves, so the queue never empties.
        for number in 1..=QUEUE {
            let slot = waiting.pop_front().expect("one waits").await.expect("a burst is served");
            if number < QUEUE {
                wait(&mut waiting);
            }
            drop(slot);
        }
        let mut refused = 0;
        while let Some(one) = waiting.pop_front() {
            match one.await {
                Ok(_slot) => assert!(waiting.len() <= 48, "{}", waiting.len()),
                Err(error) => {
                    assert_eq!(error, Shed);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, QUEUE - 1 - 49);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let gate = Gate::new(1, 10, Duration::from_millis(10), ReadMetrics::default());
        let _slot = gate.enter(ReadKind::Short).await.expect("a slot");
        assert_eq!(gate.enter(ReadKind::Short).await.err(), Some(Shed));
    }
}
