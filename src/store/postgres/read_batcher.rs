//! Batching of concurrent reads of single articles: a statement, its round trip and its wake-ups cost more than the
//! article that it reads. So few statements run at a time, and reads that arrive meanwhile share the next one. No read
//! waits for a batch to fill: if a lane is free, it starts at once. Measured in docs/decisions/0021.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::error::means_lost;
use super::pool::{Pool, statement};
use super::rows::{self, ARTICLES};
use crate::article::ArticleId;
use crate::store::{Fetched, StoreError};

/// Maximum number of concurrent statements that are not slow.
const LANES: usize = 2;
/// Time after which a statement no longer occupies a lane. A slower one waits for a disk or reads something large;
/// there, concurrency helps.
const SLOW: Duration = Duration::from_millis(5);
/// Maximum number of articles per statement: each may be large, and the first result waits for the last.
const MAX_BATCH: usize = 16;

type Answer = Result<Fetched, StoreError>;

/// Batches reads of single articles. All reads have passed the gate, so there are never more statements than it has
/// permits.
pub(super) struct Gather(Arc<Shared>);

struct Shared {
    pool: Arc<Pool>,
    feed: Uuid,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Start times of the statements in progress.
    begun: Vec<Instant>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    id: ArticleId,
    answer: oneshot::Sender<Answer>,
}

impl Gather {
    pub(super) fn new(pool: Arc<Pool>, feed: Uuid) -> Self {
        Self(Arc::new(Shared { pool, feed, state: Mutex::default() }))
    }

    /// Reads one article, at least as fresh as this call: it never shares a statement that began before.
    pub(super) async fn get(&self, id: &ArticleId) -> Answer {
        let shared = &self.0;
        if let Some(lane) = shared.alone() {
            return lane.run(shared.ask_one(id)).await;
        }
        let part = statement(&ARTICLES);
        let (answer, answered) = oneshot::channel();
        shared.state().waiting.push_back(Waiting { id: id.clone(), answer });
        shared.start_queued();
        // The sender is dropped only after a panic, which is logged, or when the process ends.
        let answer = answered.await.unwrap_or(Err(StoreError::Internal));
        if let (Some(part), Err(_)) = (part, &answer) {
            part.fail();
        }
        answer
    }
}

impl State {
    /// Occupies a lane, if one is free.
    fn begin(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let quick = self.begun.iter().filter(|begun| now.duration_since(**begun) < SLOW).count();
        (quick < LANES).then(|| {
            self.begun.push(now);
            now
        })
    }

    fn end(&mut self, begun: Instant) {
        if let Some(at) = self.begun.iter().position(|other| *other == begun) {
            self.begun.swap_remove(at);
        }
    }

    /// Takes the reads that share the next statement, without cancelled ones.
    fn next_batch(&mut self) -> Vec<Waiting> {
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        let count = self.waiting.len().min(MAX_BATCH);
        self.waiting.drain(..count).collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a lane, if one is free and no read is queued.
    fn alone(self: &Arc<Self>) -> Option<Lane> {
        let mut state = self.state();
        let begun = if state.waiting.is_empty() { state.begin() } else { None }?;
        Some(Lane { shared: Arc::clone(self), begun })
    }

    /// Starts statements for queued reads while lanes are free.
    fn start_queued(self: &Arc<Self>) {
        // Without a runtime the process is ending.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        while let Some((batch, lane)) = self.next() {
            runtime.spawn(async move { lane.run(lane.shared.answer(batch)).await });
        }
    }

    fn next(self: &Arc<Self>) -> Option<(Vec<Waiting>, Lane)> {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return None;
        }
        let begun = state.begin()?;
        let batch = state.next_batch();
        if batch.is_empty() {
            state.end(begun);
            return None;
        }
        Some((batch, Lane { shared: Arc::clone(self), begun }))
    }

    async fn ask(&self, ids: &[ArticleId]) -> Result<Vec<Answer>, StoreError> {
        rows::fetch_each(&*self.pool, self.feed, ids).await
    }

    async fn ask_one(&self, id: &ArticleId) -> Answer {
        self.ask(std::slice::from_ref(id)).await?.pop().ok_or(StoreError::Internal)?
    }

    /// Reads a batch. If it fails, each article is read alone, so that one failure does not affect the others; the gate
    /// has a permit for each.
    async fn ask_all(&self, ids: &[ArticleId]) -> Vec<Answer> {
        match self.ask(ids).await {
            Ok(answers) => answers,
            Err(error) if means_lost(&error) => vec![Err(error); ids.len()],
            Err(_logged) => join_all(ids.iter().map(|id| self.ask_one(id))).await,
        }
    }

    async fn answer(&self, mut batch: Vec<Waiting>) {
        let ids: Vec<ArticleId> = batch.iter().map(|waiting| waiting.id.clone()).collect();
        let answers = tokio::select! {
            biased;
            // A statement without waiting reads is cancelled, so that statements never outnumber the gate's permits.
            () = all_cancelled(&mut batch) => return,
            answers = self.ask_all(&ids) => answers,
        };
        for (waiting, answer) in batch.into_iter().zip(answers) {
            // Fails if the read was cancelled meanwhile.
            let _cancelled = waiting.answer.send(answer);
        }
    }
}

async fn all_cancelled(batch: &mut [Waiting]) {
    for waiting in batch {
        waiting.answer.closed().await;
    }
}

/// Permit to run a statement. Dropping it, even by cancellation, starts queued reads.
struct Lane {
    shared: Arc<Shared>,
    begun: Instant,
}

impl Lane {
    /// Runs a statement. Once it is slow, queued reads are started without waiting for its end.
    async fn run<T>(&self, statement: impl Future<Output = T>) -> T {
        let mut statement = pin!(statement);
        if let Ok(done) = tokio::time::timeout(SLOW, &mut statement).await {
            return done;
        }
        self.shared.start_queued();
        statement.await
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.state().end(self.begun);
        self.shared.start_queued();
    }
}
