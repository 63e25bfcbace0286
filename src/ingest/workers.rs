//! The threads that extract: apart from those that serve, so that a heavy page delays no call, and with stacks that deep
//! pages need.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::{Semaphore, oneshot};

use super::IngestError;
use crate::burst::{Burst, STANDING};
use crate::priority::work_behind_connections;

/// Extraction crates recurse by the depth of a page, which [`crate::extract`] caps; measured, the caps need 8 MiB.
const STACK_BYTES: usize = 16 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads behind a bounded queue.
#[derive(Clone)]
pub struct Workers {
    jobs: mpsc::Sender<Job>,
    places: Arc<Semaphore>,
    /// Of these, what streams may have together: so many that no thread idles, and so few that a call finds room behind them, also in
    /// a queue that stands.
    streams: Arc<Semaphore>,
    threads: usize,
    queue: usize,
    burst: Arc<Burst>,
}

impl Workers {
    /// Starts `threads` threads; at most `queue` jobs wait or run at a time.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let (threads, queue) = (threads.max(1), queue.max(1));
        let (jobs, inbox) = mpsc::channel::<Job>();
        let inbox = Arc::new(Mutex::new(inbox));
        for number in 0..threads {
            let inbox = Arc::clone(&inbox);
            std::thread::Builder::new().name(format!("extract-{number}")).stack_size(STACK_BYTES).spawn(move || {
                work_behind_connections();
                loop {
                    // The lock is held while waiting: one waits for a job, the others for the lock.
                    let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match job {
                        Ok(job) => job(),
                        Err(mpsc::RecvError) => return,
                    }
                }
            })?;
        }
        let places = |count| Arc::new(Semaphore::new(count));
        let share = (threads + STANDING / 2).min(queue / 2).max(threads.min(queue - 1)).max(1);
        Ok(Self {
            jobs,
            places: places(queue),
            streams: places(share),
            threads,
            queue,
            burst: Arc::new(Burst::new(queue)),
        })
    }

    /// Whether what is refusable is refused now: no place is free, or too many wait in a queue that does not empty.
    pub fn is_full(&self) -> bool {
        let before = self.queue - self.places.available_permits();
        before == self.queue || before.saturating_sub(self.threads) >= self.burst.most()
    }

    /// Runs a job on one of the threads. A job whose caller has gone before it began is not run. Where there is no place, or too
    /// many wait in a queue that does not empty, what is `refusable` is refused at once, or at its turn if too many have come since;
    /// else it waits for a place as long as that takes: a stream is held back, where a call is refused.
    ///
    /// The job is given a function that returns true once nobody waits for its result.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        refusable: bool,
        job: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, IngestError> {
        if self.places.available_permits() == self.queue {
            self.burst.empty();
        }
        if refusable && self.is_full() {
            return Err(IngestError::Busy);
        }
        let places = Arc::clone(&self.places);
        let place = if refusable {
            // Not in line with streams for the next place that becomes free: calls would wait there without bound.
            (places.try_acquire_owned().map_err(|_none| IngestError::Busy)?, None)
        } else {
            let stream = Arc::clone(&self.streams).acquire_owned().await.map_err(|_closed| IngestError::Busy)?;
            (places.acquire_owned().await.map_err(|_closed| IngestError::Busy)?, Some(stream))
        };
        let (answer, answered) = oneshot::channel();
        let (burst, places) = (Arc::clone(&self.burst), Arc::clone(&self.places));
        let (queue, threads) = (self.queue, self.threads);
        let job = Box::new(move || {
            if answer.is_closed() {
                return;
            }
            let behind = queue.saturating_sub(places.available_permits() + threads);
            if refusable && burst.too_many(behind) {
                drop(place);
                drop(answer.send(Err(IngestError::Busy)));
                return;
            }
            burst.turn();
            let done = catch_unwind(AssertUnwindSafe(|| job(&|| answer.is_closed())));
            // Before the answer, so that whoever has it finds the place free.
            drop(place);
            match done {
                Ok(value) => drop(answer.send(Ok(value))),
                // The caller sees the dropped channel. The panic hook has logged where it arose.
                Err(_panic) => tracing::error!("a document made extraction panic"),
            }
        });
        self.jobs.send(job).map_err(|_gone| IngestError::Busy)?;
        answered.await.map_err(|_panicked| IngestError::Extraction)?
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_ends_no_thread() {
        let workers = Workers::start(1, 2).expect("threads");
        assert_eq!(workers.run(false, |_| -> u8 { panic!("on purpose") }).await, Err(IngestError::Extraction));
        assert_eq!(workers.run(false, |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_job_learns_that_its_caller_has_left() {
        let workers = Workers::start(1, 2).expect("threads");
        let (begun, begins) = oneshot::channel();
        let (ended, ends) = oneshot::channel();
        let running = workers.clone();
        let call = tokio::spawn(async move {
            let job = move |is_abandoned: &dyn Fn() -> bool| {
                begun.send(is_abandoned()).expect("the test waits");
                while !is_abandoned() {
                    std::thread::yield_now();
                }
                ended.send(()).expect("the test waits");
            };
            running.run(true, job).await
        });
        assert_eq!(begins.await, Ok(false));
        call.abort();
        assert_eq!(ends.await, Ok(()));
    }

    #[tokio::test]
    async fn where_the_queue_does_not_empty_few_calls_wait_in_it() {
        const QUEUE: usize = 60;
        let workers = Workers::start(1, QUEUE).expect("threads");
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let begun = Arc::new(AtomicUsize::new(0));
        let job = |refusable| {
            let (workers, gate, begun) = (workers.clone(), Arc::clone(&gate), Arc::clone(&begun));
            // Each waits to be let go on.
            tokio::spawn(async move {
                let wait = move |_: &dyn Fn() -> bool| {
                    begun.fetch_add(1, Ordering::Relaxed);
                    gate.lock().unwrap_or_else(PoisonError::into_inner).recv().expect("it is let go on");
                };
                workers.run(refusable, wait).await
            })
        };
        let queued = |count| {
            let workers = workers.clone();
            async move {
                while workers.places.available_permits() != QUEUE - count {
                    tokio::task::yield_now().await;
                }
            }
        };
        let burst: Vec<_> = (0..QUEUE).map(|_| job(true)).collect();
        queued(QUEUE).await;
        assert_eq!(job(true).await.expect("no panic"), Err(IngestError::Busy), "the queue is full, burst or not");
        // Streams come to their turns, until as many have come as it holds: from then on it is one that stands.
        const STREAMS: usize = 1 + STANDING / 2;
        let streams: Vec<_> = (0..QUEUE).map(|_| job(false)).collect();
        while workers.streams.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..QUEUE + 5 {
            go.send(()).expect("it is received");
        }
        for call in burst {
            assert_eq!(call.await.expect("no panic"), Ok(()), "a burst is served");
        }
        // One more has begun than could go on: from here on nothing changes by itself.
        while begun.load(Ordering::Relaxed) < QUEUE + 6 {
            tokio::task::yield_now().await;
        }
        queued(STREAMS).await;
        // Behind as many of theirs as may wait, calls find places; but no more than that.
        let calls: Vec<_> = (STREAMS..1 + STANDING).map(|_| job(true)).collect();
        queued(1 + STANDING).await;
        assert_eq!(job(true).await.expect("no panic"), Err(IngestError::Busy));
        for _ in 0..2 * QUEUE {
            go.send(()).expect("it is received");
        }
        for call in calls {
            assert_eq!(call.await.expect("no panic"), Ok(()), "streams leave room for calls");
        }
        for stream in streams {
            assert_eq!(stream.await.expect("no panic"), Ok(()), "a stream is held back, and not refused");
        }
        assert_eq!(job(true).await.expect("no panic"), Ok(()));
    }

    #[tokio::test]
    async fn of_a_queue_that_stands_who_has_waited_longest_is_refused() {
        const QUEUE: usize = 60;
        let workers = Workers::start(1, QUEUE).expect("threads");
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut calls = VecDeque::new();
        // No more than that: the turn that makes it a queue that stands may come at any moment after.
        for number in 0..2 * QUEUE - 2 {
            if number >= QUEUE {
                // One goes, and one comes.
                go.send(()).expect("it is received");
                let call: tokio::task::JoinHandle<_> = calls.pop_front().expect("one waits");
                assert_eq!(call.await.expect("no panic"), Ok(()), "a burst is served");
            }
            let (waiting, gate) = (workers.clone(), Arc::clone(&gate));
            calls.push_back(tokio::spawn(async move {
                let wait = move |_: &dyn Fn() -> bool| {
                    gate.lock().unwrap_or_else(PoisonError::into_inner).recv().expect("it is let go on")
                };
                waiting.run(true, wait).await
            }));
            while workers.places.available_permits() != QUEUE - calls.len() {
                tokio::task::yield_now().await;
            }
        }
        // The last two of as many as it holds; of those that are left, the last one in front of as many as may wait, and these.
        for _ in 0..QUEUE {
            go.send(()).expect("it is received");
        }
        for call in calls.drain(..2) {
            assert_eq!(call.await.expect("no panic"), Ok(()));
        }
        let mut answered = Vec::new();
        for call in calls {
            answered.push(call.await.expect("no panic"));
        }
        let refused = answered.iter().take_while(|answer| **answer == Err(IngestError::Busy)).count();
        assert_eq!(refused, QUEUE - 2 - 49);
        assert!(answered[refused..].iter().all(|answer| *answer == Ok(())), "{answered:?}");
    }
}
