//! Writer task of this process, with group commit: queued writes are committed together, and answered when they are
//! durable. Every replica has a writer; the database serializes them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresOptions;
use super::notify_listener::Wake;
use super::pool::Pool;
use super::rows::{article_id, position};
use super::transaction::{Failed, Transactions, WriteResults};
use crate::article::ArticleId;
use crate::store::{StoreError, Write, WriteError, Written};
use crate::telemetry::StoreMetrics;
use crate::telemetry::trace::{SpanGuard, SpanKind, TraceContext, current_context, with_context};

/// Maximum number of writes per commit, so that the first does not wait long for the last and statements stay bounded.
const MAX_GROUP: usize = 2_000;
/// Maximum size of text per commit, in bytes; the last call may exceed it.
const MAX_GROUP_BYTES: usize = 16 << 20;
/// Maximum number of queued commands.
const QUEUE: usize = 256;
/// Maximum number of due articles per run.
const MAX_DUE: i64 = 1_000;
/// Retention of request IDs.
const REQUEST_RETENTION: SignedDuration = SignedDuration::from_hours(24);
/// Interval of deletion of old request IDs.
const REQUEST_TRIM_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of request IDs per deletion.
const REQUEST_TRIM_BATCH: i64 = 10_000;

enum Command {
    Write(Call),
    DryRun(Box<Write>, oneshot::Sender<Result<Written, WriteError>>),
    ApplyDueTransitions(Timestamp, oneshot::Sender<Result<usize, StoreError>>),
}

/// Writes of a call.
struct Call {
    writes: Vec<Write>,
    answer: oneshot::Sender<WriteResults>,
    /// Trace context of the call, if it is traced.
    trace: Option<TraceContext>,
}

/// Handle of the writer task. After the handle is dropped, the task completes queued commands, as long as its runtime
/// lives.
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
}

impl Writer {
    /// Starts the writer task.
    pub(super) fn start(
        pool: Arc<Pool>,
        feed: Uuid,
        options: &PostgresOptions,
        wake: Wake,
        metrics: &StoreMetrics,
    ) -> Self {
        let (commands, inbox) = mpsc::channel(QUEUE);
        metrics.queue.read_from({
            // Weak, since the task ends with the last sender.
            let commands = commands.downgrade();
            move || commands.upgrade().map_or(0, |commands| (QUEUE - commands.capacity()) as u64)
        });
        let state = WriterTask {
            pool,
            feed,
            statement_timeout: options.statement_timeout,
            wake,
            metrics: metrics.clone(),
            trimmed: Instant::now(),
        };
        tokio::spawn(state.run(inbox));
        Self { commands }
    }

    /// Returns true if the task is running.
    pub(super) fn is_alive(&self) -> bool {
        !self.commands.is_closed()
    }

    pub(super) async fn write(&self, writes: Vec<Write>) -> WriteResults {
        let count = writes.len();
        match self.send(|answer| Command::Write(Call { writes, answer, trace: current_context() })).await {
            Ok(answers) => answers,
            Err(error) => failed(count, &error),
        }
    }

    pub(super) async fn dry_run(&self, write: Write) -> Result<Written, WriteError> {
        self.send(|answer| Command::DryRun(Box::new(write), answer)).await?
    }

    pub(super) async fn apply_due_transitions(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.send(|answer| Command::ApplyDueTransitions(now, answer)).await?
    }

    /// Sends a command to the task, which completes it even if its caller leaves.
    async fn send<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, StoreError> {
        const CLOSING: StoreError = StoreError::Unavailable("it is closing");
        let (answer, response) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_closed| CLOSING)?;
        response.await.map_err(|_dropped| StoreError::Internal)
    }
}

fn failed(count: usize, error: &StoreError) -> WriteResults {
    (0..count).map(|_| Err(error.clone().into())).collect()
}

struct WriterTask {
    pool: Arc<Pool>,
    feed: Uuid,
    statement_timeout: Duration,
    wake: Wake,
    metrics: StoreMetrics,
    trimmed: Instant,
}

impl WriterTask {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut next = inbox.recv().await;
        while let Some(command) = next.take() {
            // After a panic the callers see the dropped channel. The panic hook has logged the location, and closing
            // the connection rolls the transaction back.
            let performed = AssertUnwindSafe(self.perform(command, &mut inbox)).catch_unwind().await;
            next = performed.unwrap_or_else(|_panic| {
                tracing::error!("store writer panicked");
                None
            });
            if next.is_none() {
                next = inbox.recv().await;
            }
        }
    }

    /// Performs a command, together with queued writes if it is a write: a group never waits for more writes. Returns a
    /// command that was taken from the queue and does not belong to the group.
    async fn perform(&mut self, command: Command, inbox: &mut mpsc::Receiver<Command>) -> Option<Command> {
        match command {
            Command::Write(call) => {
                let mut next = None;
                let (mut count, mut bytes) = size(&call.writes);
                let mut group = vec![call];
                while count < MAX_GROUP && bytes < MAX_GROUP_BYTES && next.is_none() {
                    match inbox.try_recv() {
                        Ok(Command::Write(call)) => {
                            let (more, larger) = size(&call.writes);
                            (count, bytes) = (count + more, bytes + larger);
                            group.push(call);
                        }
                        Ok(other) => next = Some(other),
                        Err(_empty) => break,
                    }
                }
                self.commit(group).await;
                next
            }
            Command::DryRun(write, caller) => {
                drop(caller.send(self.transactions().dry_run(&write).await));
                None
            }
            Command::ApplyDueTransitions(now, caller) => {
                drop(caller.send(self.apply_due_transitions(now).await));
                None
            }
        }
    }

    fn transactions(&self) -> Transactions<'_> {
        Transactions { pool: &self.pool, feed: self.feed, statement_timeout: self.statement_timeout }
    }

    /// Commits a group in one transaction. If a call in it causes a failure, each call gets its own transaction, so
    /// that one failing call does not affect the others.
    async fn commit(&self, mut group: Vec<Call>) {
        let failed_as_one = match self.transact(&group).await {
            Ok(answers) => {
                return group.into_iter().zip(answers).for_each(|(call, done)| drop(call.answer.send(done)));
            }
            Err(failed) => failed,
        };
        // Set when the remaining calls must fail: the group has one call, or the database itself fails.
        let mut fatal = (!failed_as_one.divisible || group.len() == 1).then_some(failed_as_one.error);
        for call in group.drain(..) {
            let done = match &fatal {
                Some(error) => Err(error.clone()),
                None => {
                    let done = self.transact(std::slice::from_ref(&call)).await;
                    done.map(|mut answers| answers.pop().unwrap_or_default()).map_err(|failed| failed.error)
                }
            };
            if let Err(error @ StoreError::Unavailable(_)) = &done {
                fatal = Some(error.clone());
            }
            drop(call.answer.send(done.unwrap_or_else(|error| failed(call.writes.len(), &error))));
        }
    }

    async fn transact(&self, group: &[Call]) -> Result<Vec<WriteResults>, Failed> {
        let began = Instant::now();
        let calls: Vec<&[Write]> = group.iter().map(|call| call.writes.as_slice()).collect();
        let count = calls.iter().map(|writes| writes.len()).sum();
        if count == 0 {
            return Ok(calls.iter().map(|_| Vec::new()).collect());
        }
        // Every traced call of the group gets a span; inner spans are recorded only in the first.
        let spans: Vec<SpanGuard> =
            group.iter().filter_map(|call| call.trace.as_ref()?.span(SpanKind::Internal, "store.commit")).collect();
        let writing = with_context(spans.first().map(SpanGuard::context), self.transactions().write(&calls)).await;
        if writing.is_err() {
            spans.iter().for_each(SpanGuard::fail);
        }
        drop(spans);
        let (answers, last) = writing?;
        self.record(began.elapsed(), count, last);
        Ok(answers)
    }

    async fn apply_due_transitions(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        if self.trimmed.elapsed() > REQUEST_TRIM_INTERVAL {
            self.trimmed = Instant::now();
            self.trim_requests(now - REQUEST_RETENTION).await?;
        }
        let due = "SELECT id FROM copydesk.articles WHERE due <= $1 ORDER BY due, key LIMIT $2";
        let due = self.pool.query(due, &[(&now.as_microsecond(), Type::INT8), (&MAX_DUE, Type::INT8)]).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let began = Instant::now();
        let ids: Vec<ArticleId> = due.iter().map(|row| article_id(row, 0)).collect::<Result<_, _>>()?;
        let (changed, last) =
            self.transactions().apply_due_transitions(&ids, now).await.map_err(|failed| failed.error)?;
        self.record(began.elapsed(), changed, last);
        Ok(changed)
    }

    /// Deletes old request IDs, except those that another replica is deleting.
    async fn trim_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        let sql = "DELETE FROM copydesk.requests WHERE (id, item) IN (
            SELECT id, item FROM copydesk.requests WHERE time < $1 ORDER BY time LIMIT $2 FOR UPDATE SKIP LOCKED)";
        self.pool.execute(sql, &[(&before.as_microsecond(), Type::INT8), (&REQUEST_TRIM_BATCH, Type::INT8)]).await?;
        Ok(())
    }

    fn record(&self, elapsed: Duration, writes: usize, last: Option<i64>) {
        if let Some(last) = last {
            self.wake.announce(position(last));
        }
        if writes > 0 {
            self.metrics.committed(writes, elapsed);
            tracing::debug!(writes, duration_ms = elapsed.as_secs_f64() * 1_000.0, "writes committed");
        }
    }
}

/// Returns the number of writes and the size of their text in bytes.
fn size(writes: &[Write]) -> (usize, usize) {
    let bytes = |write: &Write| match write {
        Write::Ingest(ingest) => ingest.article.content().len(),
        Write::Update(update) => update.article.content().len(),
        Write::Transition(_) | Write::Merge(_) => 0,
    };
    (writes.len(), writes.iter().map(bytes).sum())
}
