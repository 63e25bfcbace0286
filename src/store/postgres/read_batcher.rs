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

use super::error::is_connection_lost;
use super::pool::{Pool, statement};
use super::rows::{self, ARTICLES};
use crate::article::ArticleId;
use crate::store::{Fetched, StoreError};

/// Maximum number of concurrent statements that are not slow.
const MAX_STATEMENTS: usize = 2;
/// Time after which a statement no longer occupies a lane. A slower one waits for a disk or reads something large;
/// there, concurrency helps.
const SLOW: Duration = Duration::from_millis(5);
/// Maximum number of articles per statement: each may be large, and the first result waits for the last.
const MAX_BATCH: usize = 16;

type FetchResult = Result<Fetched, StoreError>;

/// Batches reads of single articles. All reads have passed the gate, so there are never more statements than it has
/// permits.
pub(super) struct ReadBatcher(Arc<BatcherInner>);

struct BatcherInner {
    pool: Arc<Pool>,
    feed: Uuid,
    state: Mutex<BatcherState>,
}

#[derive(Default)]
struct BatcherState {
    /// Start times of the statements in progress.
    started: Vec<Instant>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    id: ArticleId,
    answer: oneshot::Sender<FetchResult>,
}

impl ReadBatcher {
    pub(super) fn new(pool: Arc<Pool>, feed: Uuid) -> Self {
        Self(Arc::new(BatcherInner { pool, feed, state: Mutex::default() }))
    }

    /// Reads one article, at least as fresh as this call: it never shares a statement that began before.
    pub(super) async fn get(&self, id: &ArticleId) -> FetchResult {
        let inner = &self.0;
        if let Some(permit) = inner.try_start() {
            return permit.run(inner.fetch_one(id)).await;
        }
        let span = statement(&ARTICLES);
        let (answer, response) = oneshot::channel();
        inner.state().waiting.push_back(Waiting { id: id.clone(), answer });
        inner.start_queued();
        // The sender is dropped only after a panic, which is logged, or when the process ends.
        let answer = response.await.unwrap_or(Err(StoreError::Internal));
        if let (Some(span), Err(_)) = (span, &answer) {
            span.fail();
        }
        answer
    }
}

impl BatcherState {
    /// Occupies a lane, if one is free.
    fn begin(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let quick = self.started.iter().filter(|started| now.duration_since(**started) < SLOW).count();
        (quick < MAX_STATEMENTS).then(|| {
            self.started.push(now);
            now
        })
    }

    fn end(&mut self, started: Instant) {
        if let Some(at) = self.started.iter().position(|other| *other == started) {
            self.started.swap_remove(at);
        }
    }

    /// Takes the reads that share the next statement, without cancelled ones.
    fn take_batch(&mut self) -> Vec<Waiting> {
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        let count = self.waiting.len().min(MAX_BATCH);
        self.waiting.drain(..count).collect()
    }
}

impl BatcherInner {
    fn state(&self) -> MutexGuard<'_, BatcherState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a lane, if one is free and no read is queued.
    fn try_start(self: &Arc<Self>) -> Option<StatementPermit> {
        let mut state = self.state();
        let started = if state.waiting.is_empty() { state.begin() } else { None }?;
        Some(StatementPermit { inner: Arc::clone(self), started })
    }

    /// Starts statements for queued reads while lanes are free.
    fn start_queued(self: &Arc<Self>) {
        // Without a runtime the process is ending.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        while let Some((batch, permit)) = self.next_statement() {
            runtime.spawn(async move { permit.run(permit.inner.run_batch(batch)).await });
        }
    }

    fn next_statement(self: &Arc<Self>) -> Option<(Vec<Waiting>, StatementPermit)> {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return None;
        }
        let started = state.begin()?;
        let batch = state.take_batch();
        if batch.is_empty() {
            state.end(started);
            return None;
        }
        Some((batch, StatementPermit { inner: Arc::clone(self), started }))
    }

    async fn fetch(&self, ids: &[ArticleId]) -> Result<Vec<FetchResult>, StoreError> {
        rows::fetch_each(&*self.pool, self.feed, ids).await
    }

    async fn fetch_one(&self, id: &ArticleId) -> FetchResult {
        self.fetch(std::slice::from_ref(id)).await?.pop().ok_or(StoreError::Internal)?
    }

    /// Reads a batch. If it fails, each article is read alone, so that one failure does not affect the others; the gate
    /// has a permit for each.
    async fn fetch_batch(&self, ids: &[ArticleId]) -> Vec<FetchResult> {
        match self.fetch(ids).await {
            Ok(answers) => answers,
            Err(error) if is_connection_lost(&error) => vec![Err(error); ids.len()],
            Err(_logged) => join_all(ids.iter().map(|id| self.fetch_one(id))).await,
        }
    }

    async fn run_batch(&self, mut batch: Vec<Waiting>) {
        let ids: Vec<ArticleId> = batch.iter().map(|waiting| waiting.id.clone()).collect();
        let answers = tokio::select! {
            biased;
            // A statement without waiting reads is cancelled, so that statements never outnumber the gate's permits.
            () = all_cancelled(&mut batch) => return,
            answers = self.fetch_batch(&ids) => answers,
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
struct StatementPermit {
    inner: Arc<BatcherInner>,
    started: Instant,
}

impl StatementPermit {
    /// Runs a statement. Once it is slow, queued reads are started without waiting for its end.
    async fn run<T>(&self, statement: impl Future<Output = T>) -> T {
        let mut statement = pin!(statement);
        if let Ok(done) = tokio::time::timeout(SLOW, &mut statement).await {
            return done;
        }
        self.inner.start_queued();
        statement.await
    }
}

impl Drop for StatementPermit {
    fn drop(&mut self) {
        self.inner.state().end(self.started);
        self.inner.start_queued();
    }
}
