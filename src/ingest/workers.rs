//! The threads that extract: apart from those that serve, so that a heavy page delays no call, and with stacks that deep
//! pages need.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use super::IngestError;
use crate::delay::ControlledDelay;

/// Extraction crates recurse by the depth of a page, which [`crate::extract`] caps; measured, the caps need 8 MiB.
const STACK_BYTES: usize = 16 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads behind a bounded queue.
#[derive(Clone)]
pub struct Workers {
    jobs: mpsc::Sender<Job>,
    places: Arc<Semaphore>,
    delay: Arc<ControlledDelay>,
}

/// In how short a time a job is begun that found no other before it.
const AT_ONCE: Duration = Duration::from_millis(1);

impl Workers {
    /// Starts `threads` threads; at most `queue` jobs wait or run at a time.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let inbox = Arc::new(Mutex::new(inbox));
        for number in 0..threads.max(1) {
            let inbox = Arc::clone(&inbox);
            std::thread::Builder::new().name(format!("extract-{number}")).stack_size(STACK_BYTES).spawn(move || {
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
        let queue = queue.max(1);
        Ok(Self { jobs, places: Arc::new(Semaphore::new(queue)), delay: Arc::new(ControlledDelay::new(queue)) })
    }

    /// Runs a job on one of the threads. A job whose caller has gone before it began is not run. With no patience set, it
    /// waits for a place as long as that takes: a stream is held back, where a call is refused, be it that no place was free or
    /// that it waited too long in a queue that does not empty.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        patience: Option<Duration>,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, IngestError> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = match patience {
            Some(patience) => tokio::time::timeout(patience, place).await.map_err(|_late| IngestError::Busy)?,
            None => place.await,
        };
        let place = place.map_err(|_closed| IngestError::Busy)?;
        let (answer, answered) = oneshot::channel();
        let delay = Arc::clone(&self.delay);
        let queued = Instant::now();
        let job = Box::new(move || {
            let _place = place;
            if answer.is_closed() {
                return;
            }
            let waited = queued.elapsed();
            if waited < AT_ONCE {
                delay.empty();
            }
            if patience.is_some() && !delay.serves(waited) {
                drop(answer.send(Err(IngestError::Busy)));
                return;
            }
            match catch_unwind(AssertUnwindSafe(job)) {
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
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_ends_no_thread() {
        let workers = Workers::start(1, 2).expect("threads");
        assert_eq!(workers.run(None, || -> u8 { panic!("on purpose") }).await, Err(IngestError::Extraction));
        assert_eq!(workers.run(None, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn calls_are_refused_where_the_queue_does_not_empty_and_streams_are_not() {
        let workers = Workers::start(1, 2).expect("threads");
        let slow = || std::thread::sleep(Duration::from_millis(50));
        let (mut done, mut refused) = (0, 0);
        for _ in 0..4 {
            let patience = Some(Duration::from_secs(600));
            let running = [None, patience, patience, patience].map(|patience| workers.run(patience, slow));
            let [streamed, calls @ ..] = <[_; 4]>::try_from(futures::future::join_all(running).await).expect("four");
            assert_eq!(streamed, Ok(()));
            for call in calls {
                match call {
                    Ok(()) => done += 1,
                    Err(error) => {
                        assert_eq!(error, IngestError::Busy);
                        refused += 1;
                    }
                }
            }
        }
        assert!(done >= 2 && refused > 0, "{done} done, {refused} refused");
    }
}
