//! The one task of this process that writes, with group commit: what waits is committed together, and answered when it is
//! durable. Other replicas have theirs; the database makes them take turns.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresOptions;
use super::pool::Pool;
use super::rows::{article_id, position};
use super::transaction::{Answers, Failed, Transactions};
use super::wake::Wake;
use crate::article::ArticleId;
use crate::store::{StoreError, StoreStats, Write, WriteError, Written};
use crate::telemetry::trace::{Here, Kind, Part, here, within};

/// How many writes one commit holds at the most, and how many bytes of text: so that the first does not wait long for the
/// last, and no statement grows without bound.
const GROUP: usize = 2_000;
const GROUP_BYTES: usize = 16 << 20;
/// How many batches may wait.
const QUEUE: usize = 256;
/// How many articles one turn of the clock changes.
const TURN: i64 = 1_000;
/// How long requests are remembered, how often they are looked through, and how many are forgotten at a time.
const REQUESTS_KEPT: SignedDuration = SignedDuration::from_hours(24);
const REQUESTS_TRIMMED: Duration = Duration::from_secs(60);
const REQUESTS_AT_ONCE: i64 = 10_000;

enum Command {
    Write(Call),
    Rehearse(Box<Write>, oneshot::Sender<Result<Written, WriteError>>),
    TurnClock(Timestamp, oneshot::Sender<Result<usize, StoreError>>),
}

/// What a caller wants written.
struct Call {
    writes: Vec<Write>,
    answer: oneshot::Sender<Answers>,
    /// Where it waits, if it is traced.
    here: Option<Here>,
}

/// The way to the task. It finishes what waits when this is dropped, as long as its runtime lives.
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    writes: AtomicU64,
    commit_micros: AtomicU64,
}

impl Writer {
    /// Starts the task.
    pub(super) fn start(pool: Arc<Pool>, feed: Uuid, options: &PostgresOptions, wake: Wake) -> Self {
        let (commands, inbox) = mpsc::channel(QUEUE);
        let counters = Arc::<Counters>::default();
        let state = State {
            pool,
            feed,
            statement_timeout: options.statement_timeout,
            wake,
            counters: Arc::clone(&counters),
            trimmed: Instant::now(),
        };
        tokio::spawn(state.run(inbox));
        Self { commands, counters }
    }

    /// Whether the task is there.
    pub(super) fn is_alive(&self) -> bool {
        !self.commands.is_closed()
    }

    pub(super) fn stats(&self) -> StoreStats {
        StoreStats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            writes: self.counters.writes.load(Ordering::Relaxed),
            commit_time: Duration::from_micros(self.counters.commit_micros.load(Ordering::Relaxed)),
            queued: (QUEUE - self.commands.capacity()) as u64,
            ..StoreStats::default()
        }
    }

    pub(super) async fn write(&self, writes: Vec<Write>) -> Answers {
        let count = writes.len();
        match self.ask(|answer| Command::Write(Call { writes, answer, here: here() })).await {
            Ok(answers) => answers,
            Err(error) => failed(count, &error),
        }
    }

    pub(super) async fn rehearse(&self, write: Write) -> Result<Written, WriteError> {
        self.ask(|answer| Command::Rehearse(Box::new(write), answer)).await?
    }

    pub(super) async fn turn_clock(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.ask(|answer| Command::TurnClock(now, answer)).await?
    }

    /// Hands a command over. From then on it is done, whether or not anybody waits for the answer.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, StoreError> {
        const CLOSING: StoreError = StoreError::Unavailable("it is closing");
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_gone| CLOSING)?;
        answered.await.map_err(|_gone| StoreError::Internal)
    }
}

fn failed(count: usize, error: &StoreError) -> Answers {
    (0..count).map(|_| Err(error.clone().into())).collect()
}

struct State {
    pool: Arc<Pool>,
    feed: Uuid,
    statement_timeout: Duration,
    wake: Wake,
    counters: Arc<Counters>,
    trimmed: Instant,
}

impl State {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut next = inbox.recv().await;
        while let Some(command) = next.take() {
            // Its callers see that it is gone without an answer. The panic hook has logged where it arose, and what was begun
            // ends with its connection, which is closed.
            let performed = AssertUnwindSafe(self.perform(command, &mut inbox)).catch_unwind().await;
            next = performed.unwrap_or_else(|_panic| {
                tracing::error!("a commit made the store's writer panic");
                None
            });
            if next.is_none() {
                next = inbox.recv().await;
            }
        }
    }

    /// Performs a command, and with a write what waits behind it: nothing waits for more to come. Answers with what was taken
    /// from the queue and is none of the group.
    async fn perform(&mut self, command: Command, inbox: &mut mpsc::Receiver<Command>) -> Option<Command> {
        match command {
            Command::Write(call) => {
                let mut next = None;
                let (mut count, mut bytes) = size(&call.writes);
                let mut group = vec![call];
                while count < GROUP && bytes < GROUP_BYTES && next.is_none() {
                    match inbox.try_recv() {
                        Ok(Command::Write(call)) => {
                            let (more, larger) = size(&call.writes);
                            (count, bytes) = (count + more, bytes + larger);
                            group.push(call);
                        }
                        Ok(other) => next = Some(other),
                        Err(_none) => break,
                    }
                }
                self.commit(group).await;
                next
            }
            Command::Rehearse(write, caller) => {
                drop(caller.send(self.transactions().rehearse(&write).await));
                None
            }
            Command::TurnClock(now, caller) => {
                drop(caller.send(self.turn_clock(now).await));
                None
            }
        }
    }

    fn transactions(&self) -> Transactions<'_> {
        Transactions { pool: &self.pool, feed: self.feed, statement_timeout: self.statement_timeout }
    }

    /// One transaction for all. If something within it was the cause that it failed, one for each, so that a call that
    /// cannot be done harms no other.
    async fn commit(&self, mut group: Vec<Call>) {
        let failed_as_one = match self.transact(&group).await {
            Ok(answers) => {
                return group.into_iter().zip(answers).for_each(|(call, done)| drop(call.answer.send(done)));
            }
            Err(failed) => failed,
        };
        // What ends the trying: there was only one, or it is the database that fails after all.
        let mut over = (!failed_as_one.divisible || group.len() == 1).then_some(failed_as_one.error);
        for call in group.drain(..) {
            let done = match &over {
                Some(error) => Err(error.clone()),
                None => {
                    let done = self.transact(std::slice::from_ref(&call)).await;
                    done.map(|mut answers| answers.pop().unwrap_or_default()).map_err(|failed| failed.error)
                }
            };
            if let Err(error @ StoreError::Unavailable(_)) = &done {
                over = Some(error.clone());
            }
            drop(call.answer.send(done.unwrap_or_else(|error| failed(call.writes.len(), &error))));
        }
    }

    async fn transact(&self, group: &[Call]) -> Result<Vec<Answers>, Failed> {
        let began = Instant::now();
        let calls: Vec<&[Write]> = group.iter().map(|call| call.writes.as_slice()).collect();
        let count = calls.iter().map(|writes| writes.len()).sum();
        if count == 0 {
            return Ok(calls.iter().map(|_| Vec::new()).collect());
        }
        // Of every traced call in the group it is a part; what is within it is told once.
        let parts: Vec<Part> =
            group.iter().filter_map(|call| call.here.as_ref()?.span(Kind::Internal, "store.commit")).collect();
        let writing = within(parts.first().map(Part::here), self.transactions().write(&calls)).await;
        if writing.is_err() {
            parts.iter().for_each(Part::fail);
        }
        drop(parts);
        let (answers, last) = writing?;
        self.record(began.elapsed(), count, last);
        Ok(answers)
    }

    async fn turn_clock(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        if self.trimmed.elapsed() > REQUESTS_TRIMMED {
            self.trimmed = Instant::now();
            self.trim_requests(now - REQUESTS_KEPT).await?;
        }
        let due = "SELECT id FROM copydesk.articles WHERE due <= $1 ORDER BY due, key LIMIT $2";
        let due = self.pool.query(due, &[(&now.as_microsecond(), Type::INT8), (&TURN, Type::INT8)]).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let began = Instant::now();
        let ids: Vec<ArticleId> = due.iter().map(|row| article_id(row, 0)).collect::<Result<_, _>>()?;
        let (turned, last) = self.transactions().turn_clock(&ids, now).await.map_err(|failed| failed.error)?;
        self.record(began.elapsed(), turned, last);
        Ok(turned)
    }

    /// Forgets old requests. Those that somebody else is at are left to them.
    async fn trim_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        let sql = "DELETE FROM copydesk.requests WHERE (id, item) IN (
            SELECT id, item FROM copydesk.requests WHERE time < $1 ORDER BY time LIMIT $2 FOR UPDATE SKIP LOCKED)";
        self.pool.execute(sql, &[(&before.as_microsecond(), Type::INT8), (&REQUESTS_AT_ONCE, Type::INT8)]).await?;
        Ok(())
    }

    fn record(&self, took: Duration, writes: usize, last: Option<i64>) {
        if let Some(last) = last {
            self.wake.announce(position(last));
        }
        if writes > 0 {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
            self.counters.writes.fetch_add(writes as u64, Ordering::Relaxed);
            self.counters.commit_micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
            tracing::debug!(writes, duration_ms = took.as_secs_f64() * 1_000.0, "committed");
        }
    }
}

/// How many writes, and how many bytes of text.
fn size(writes: &[Write]) -> (usize, usize) {
    let bytes = |write: &Write| match write {
        Write::Ingest(ingest) => ingest.article.content().len(),
        Write::Update(update) => update.article.content().len(),
        Write::Transition(_) => 0,
    };
    (writes.len(), writes.iter().map(bytes).sum())
}
