//! Pool of extraction threads, separate from the threads that serve calls, so that a heavy page delays no call. Their
//! stacks are large enough for deeply nested pages.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::{Semaphore, oneshot};

use super::IngestError;
use crate::overload::codel::{CodelLimit, STANDING_QUEUE_LEN};
use crate::overload::thread_priority::lower_thread_priority;

/// Stack size of a thread, in bytes. Extraction crates recurse by the depth of a page, which [`crate::extract`] limits;
/// measured, the limits need 8 MiB.
const STACK_BYTES: usize = 16 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// Thread pool behind a bounded queue.
#[derive(Clone)]
pub struct Workers {
    jobs: mpsc::Sender<Job>,
    slots: Arc<Semaphore>,
    /// Slots that all streams may use together: enough that no thread idles, and few enough that a unary call finds a
    /// slot even in a standing queue.
    stream_slots: Arc<Semaphore>,
    threads: usize,
    queue: usize,
    codel: Arc<CodelLimit>,
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
                lower_thread_priority();
                loop {
                    // The lock is held while waiting: one thread waits for a job, the others for the lock.
                    let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match job {
                        Ok(job) => job(),
                        Err(mpsc::RecvError) => return,
                    }
                }
            })?;
        }
        let slots = |count| Arc::new(Semaphore::new(count));
        let stream_share = (threads + STANDING_QUEUE_LEN / 2).min(queue / 2).max(threads.min(queue - 1)).max(1);
        Ok(Self {
            jobs,
            slots: slots(queue),
            stream_slots: slots(stream_share),
            threads,
            queue,
            codel: Arc::new(CodelLimit::new(queue)),
        })
    }

    /// Returns true if a refusable job would be rejected now: no slot is free, or a standing queue is too long.
    pub fn is_full(&self) -> bool {
        let used = self.queue - self.slots.available_permits();
        used == self.queue || used.saturating_sub(self.threads) >= self.codel.max_len()
    }

    /// Runs a job on one of the threads. A job whose caller left before it started is not run. A `rejectable` job (of a
    /// unary call) is rejected at once if the pool is full, and when it is dequeued if a standing queue has become too
    /// long behind it. Other jobs (of a stream) wait for a slot without limit, which is the stream's backpressure.
    ///
    /// The job receives a function that returns true once its caller has left.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        rejectable: bool,
        job: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, IngestError> {
        if self.slots.available_permits() == self.queue {
            self.codel.on_empty();
        }
        if rejectable && self.is_full() {
            return Err(IngestError::Busy);
        }
        let slots = Arc::clone(&self.slots);
        let slot = if rejectable {
            // Unary calls do not queue with streams for the next free slot: their wait would be unbounded.
            (slots.try_acquire_owned().map_err(|_none| IngestError::Busy)?, None)
        } else {
            let stream = Arc::clone(&self.stream_slots).acquire_owned().await.map_err(|_closed| IngestError::Busy)?;
            (slots.acquire_owned().await.map_err(|_closed| IngestError::Busy)?, Some(stream))
        };
        let (sender, receiver) = oneshot::channel();
        let (codel, slots) = (Arc::clone(&self.codel), Arc::clone(&self.slots));
        let (queue, threads) = (self.queue, self.threads);
        let job = Box::new(move || {
            if sender.is_closed() {
                return;
            }
            let queued = queue.saturating_sub(slots.available_permits() + threads);
            if rejectable && codel.should_drop(queued) {
                drop(slot);
                drop(sender.send(Err(IngestError::Busy)));
                return;
            }
            codel.on_dequeue();
            let result = catch_unwind(AssertUnwindSafe(|| job(&|| sender.is_closed())));
            // Before the result is sent, so that its receiver finds the slot free.
            drop(slot);
            match result {
                Ok(value) => drop(sender.send(Ok(value))),
                // The caller sees the dropped channel. The panic hook has logged the location.
                Err(_panic) => tracing::error!("extraction of a document panicked"),
            }
        });
        self.jobs.send(job).map_err(|_closed| IngestError::Busy)?;
        receiver.await.map_err(|_panicked| IngestError::Extraction)?
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_ends_no_thread() {
        let workers = Workers::start(1, 2).expect("threads should start");
        assert_eq!(workers.run(false, |_| -> u8 { panic!("on purpose") }).await, Err(IngestError::Extraction));
        assert_eq!(workers.run(false, |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_job_learns_that_its_caller_has_left() {
        let workers = Workers::start(1, 2).expect("threads should start");
        let (started, starting) = oneshot::channel();
        let (ended, ends) = oneshot::channel();
        let running = workers.clone();
        let call = tokio::spawn(async move {
            let job = move |is_abandoned: &dyn Fn() -> bool| {
                started.send(is_abandoned()).expect("the test should be waiting");
                while !is_abandoned() {
                    std::thread::yield_now();
                }
                ended.send(()).expect("the test should be waiting");
            };
            running.run(true, job).await
        });
        assert_eq!(starting.await, Ok(false));
        call.abort();
        assert_eq!(ends.await, Ok(()));
    }

    #[tokio::test]
    async fn where_the_queue_does_not_empty_few_calls_wait_in_it() {
        const QUEUE: usize = 60;
        let workers = Workers::start(1, QUEUE).expect("threads should start");
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let started = Arc::new(AtomicUsize::new(0));
        let job = |rejectable| {
            let (workers, gate, started) = (workers.clone(), Arc::clone(&gate), Arc::clone(&started));
            // Each job blocks until it is released.
            tokio::spawn(async move {
                let wait = move |_: &dyn Fn() -> bool| {
                    started.fetch_add(1, Ordering::Relaxed);
                    gate.lock().unwrap_or_else(PoisonError::into_inner).recv().expect("the job should be released");
                };
                workers.run(rejectable, wait).await
            })
        };
        let queued = |count| {
            let workers = workers.clone();
            async move {
                while workers.slots.available_permits() != QUEUE - count {
                    tokio::task::yield_now().await;
                }
            }
        };
        let codel: Vec<_> = (0..QUEUE).map(|_| job(true)).collect();
        queued(QUEUE).await;
        assert_eq!(
            job(true).await.expect("no panic"),
            Err(IngestError::Busy),
            "a full queue should reject, even in a burst"
        );
        // The queue becomes a standing one once as many jobs as its capacity have been dequeued.
        const STREAMS: usize = 1 + STANDING_QUEUE_LEN / 2;
        let streams: Vec<_> = (0..QUEUE).map(|_| job(false)).collect();
        while workers.stream_slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..QUEUE + 5 {
            go.send(()).expect("a job should be waiting");
        }
        for call in codel {
            assert_eq!(call.await.expect("no panic"), Ok(()), "a burst should be served");
        }
        // One more job has started than was released: the state is stable from here on.
        while started.load(Ordering::Relaxed) < QUEUE + 6 {
            tokio::task::yield_now().await;
        }
        queued(STREAMS).await;
        // Behind the maximum number of stream jobs, unary calls still find slots, up to the limit of a standing queue.
        let calls: Vec<_> = (STREAMS..1 + STANDING_QUEUE_LEN).map(|_| job(true)).collect();
        queued(1 + STANDING_QUEUE_LEN).await;
        assert_eq!(job(true).await.expect("no panic"), Err(IngestError::Busy));
        for _ in 0..2 * QUEUE {
            go.send(()).expect("a job should be waiting");
        }
        for call in calls {
            assert_eq!(call.await.expect("no panic"), Ok(()), "streams should leave slots for unary calls");
        }
        for stream in streams {
            assert_eq!(stream.await.expect("no panic"), Ok(()), "a stream should be delayed, not rejected");
        }
        assert_eq!(job(true).await.expect("no panic"), Ok(()));
    }

    #[tokio::test]
    async fn of_a_queue_that_stands_who_has_waited_longest_is_refused() {
        const QUEUE: usize = 60;
        let workers = Workers::start(1, QUEUE).expect("threads should start");
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut calls = VecDeque::new();
        // Any later dequeue may turn it into a standing queue.
        for number in 0..2 * QUEUE - 2 {
            if number >= QUEUE {
                // One job leaves the queue, and one enters it.
                go.send(()).expect("a job should be waiting");
                let call: tokio::task::JoinHandle<_> = calls.pop_front().expect("a call should be queued");
                assert_eq!(call.await.expect("no panic"), Ok(()), "a burst should be served");
            }
            let (waiting, gate) = (workers.clone(), Arc::clone(&gate));
            calls.push_back(tokio::spawn(async move {
                let wait = move |_: &dyn Fn() -> bool| {
                    gate.lock().unwrap_or_else(PoisonError::into_inner).recv().expect("the job should be released")
                };
                waiting.run(true, wait).await
            }));
            while workers.slots.available_permits() != QUEUE - calls.len() {
                tokio::task::yield_now().await;
            }
        }
        // The first two complete the capacity. Of the others, the last 49 run: those in front of at most 48 others.
        for _ in 0..QUEUE {
            go.send(()).expect("a job should be waiting");
        }
        for call in calls.drain(..2) {
            assert_eq!(call.await.expect("no panic"), Ok(()));
        }
        let mut results = Vec::new();
        for call in calls {
            results.push(call.await.expect("no panic"));
        }
        let refused = results.iter().take_while(|answer| **answer == Err(IngestError::Busy)).count();
        assert_eq!(refused, QUEUE - 2 - 49);
        assert!(results[refused..].iter().all(|answer| *answer == Ok(())), "{results:?}");
    }
}
