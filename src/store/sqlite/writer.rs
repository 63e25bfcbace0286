//! The one thread that writes, with group commit: what waits is committed together, and answered when it is durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot, watch};
use uuid::Uuid;

use super::apply::{Applier, trim_requests};
use super::facets::FacetNames;
use super::{SqliteStats, rows};
use crate::article::{ChangeToken, Position, Record, RecordParts};
use crate::store::{StoreError, Write, WriteError, Written};

/// How many writes one commit holds at the most: so that the first does not wait long for the last.
const GROUP: usize = 2_000;
/// How many batches may wait.
const QUEUE: usize = 256;
/// How many articles one turn of the clock changes.
const TURN: usize = 1_000;
/// How long requests are remembered, and how often they are looked through.
const REQUESTS_KEPT: SignedDuration = SignedDuration::from_hours(24);
const REQUESTS_TRIMMED: Duration = Duration::from_secs(60);

type Answers = Vec<Result<Written, WriteError>>;

enum Command {
    Write(Vec<Write>, oneshot::Sender<Answers>),
    Rehearse(Box<Write>, oneshot::Sender<Result<Written, WriteError>>),
    TurnClock(Timestamp, oneshot::Sender<Result<usize, StoreError>>),
}

/// The way to the thread.
pub(super) struct Writer {
    commands: Option<mpsc::Sender<Command>>,
    places: Arc<Semaphore>,
    wake: watch::Receiver<Position>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    writes: AtomicU64,
    commit_micros: AtomicU64,
}

impl Writer {
    /// Starts the thread on a connection.
    pub(super) fn start(connection: Connection, feed: Uuid) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(64);
        let newest = connection.query_row("SELECT coalesce(max(position), 0) FROM changes", (), |row| row.get(0))?;
        let (announce, wake) = watch::channel(rows::position(newest));
        let (commands, inbox) = mpsc::channel();
        let counters = Arc::<Counters>::default();
        let applier = Applier { feed, facet_names: FacetNames::default() };
        let state = State { connection, applier, announce, counters: Arc::clone(&counters), trimmed: Instant::now() };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || state.run(&inbox))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let places = Arc::new(Semaphore::new(QUEUE));
        Ok(Self { commands: Some(commands), places, wake, counters, thread: Some(thread) })
    }

    pub(super) fn wake(&self) -> watch::Receiver<Position> {
        self.wake.clone()
    }

    pub(super) fn stats(&self) -> SqliteStats {
        SqliteStats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            writes: self.counters.writes.load(Ordering::Relaxed),
            commit_time: Duration::from_micros(self.counters.commit_micros.load(Ordering::Relaxed)),
            queued: (QUEUE - self.places.available_permits()) as u64,
            search_lag: Duration::ZERO,
        }
    }

    pub(super) async fn write(&self, writes: Vec<Write>) -> Answers {
        let count = writes.len();
        let failed = |error: StoreError| (0..count).map(|_| Err(error.clone().into())).collect();
        match self.ask(|answer| Command::Write(writes, answer)).await {
            Ok(answers) => answers,
            Err(error) => failed(error),
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
        let _place = self.places.acquire().await.map_err(|_closed| CLOSING)?;
        let (answer, answered) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(CLOSING)?;
        commands.send(command(answer)).map_err(|_gone| CLOSING)?;
        answered.await.map_err(|_gone| StoreError::Internal)
    }
}

impl Drop for Writer {
    /// Finishes what waits.
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

struct State {
    connection: Connection,
    applier: Applier,
    announce: watch::Sender<Position>,
    counters: Arc<Counters>,
    trimmed: Instant,
}

/// Answers that go out when the commit has succeeded.
enum Pending {
    Write(Answers, oneshot::Sender<Answers>),
    Turned(usize, oneshot::Sender<Result<usize, StoreError>>),
}

impl Pending {
    fn answer(self, committed: Result<(), &StoreError>) {
        // A caller that has gone does not need its answer.
        match (self, committed) {
            (Self::Write(answers, caller), Ok(())) => drop(caller.send(answers)),
            (Self::Write(answers, caller), Err(error)) => {
                let failed = answers.iter().map(|_| Err(error.clone().into())).collect();
                drop(caller.send(failed));
            }
            (Self::Turned(count, caller), Ok(())) => drop(caller.send(Ok(count))),
            (Self::Turned(_, caller), Err(error)) => drop(caller.send(Err(error.clone()))),
        }
    }
}

impl State {
    fn run(mut self, inbox: &mpsc::Receiver<Command>) {
        let mut next = inbox.recv().ok();
        while let Some(command) = next.take() {
            let began = Instant::now();
            let mut pending = Vec::new();
            let mut count = 0;
            let committed = self.group(command, inbox, &mut pending, &mut count);
            if let Err(error) = &committed {
                self.applier.facet_names.forget();
                tracing::error!(%error, writes = count, "a commit failed; nothing of it is kept");
            } else {
                self.record(began.elapsed(), count);
            }
            for waiting in pending {
                waiting.answer(committed.as_ref().copied());
            }
            next = inbox.recv().ok();
        }
        if let Err(error) = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
            tracing::warn!(cause = %error, "the last checkpoint failed; it is done at the next start");
        }
    }

    /// One transaction: a command, and what came while it was applied. Nothing waits for more to come.
    fn group(
        &mut self,
        first: Command,
        inbox: &mpsc::Receiver<Command>,
        pending: &mut Vec<Pending>,
        count: &mut usize,
    ) -> Result<(), StoreError> {
        let mut next = Some(first);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let mut transaction = match transaction {
            Ok(transaction) => transaction,
            Err(error) => {
                let error = StoreError::from(error);
                refuse(next, &error);
                return Err(error);
            }
        };
        while let Some(command) = next.take() {
            // A command that fails takes back what it did, and no more.
            let savepoint = transaction.savepoint()?;
            let mut broken = None;
            match command {
                Command::Write(writes, caller) => {
                    *count += writes.len();
                    let answers: rusqlite::Result<Answers> =
                        writes.iter().map(|write| self.applier.apply(&savepoint, write)).collect();
                    match answers {
                        Ok(answers) => pending.push(Pending::Write(answers, caller)),
                        Err(error) => {
                            let error = StoreError::from(error);
                            let failed = writes.iter().map(|_| Err(error.clone().into())).collect();
                            drop(caller.send(failed));
                            broken = Some(error);
                        }
                    }
                }
                Command::TurnClock(now, caller) => {
                    if self.trimmed.elapsed() > REQUESTS_TRIMMED {
                        self.trimmed = Instant::now();
                        trim_requests(&savepoint, now - REQUESTS_KEPT)?;
                    }
                    match self.applier.turn_clock(&savepoint, now, TURN) {
                        Ok(turned) => {
                            *count += turned;
                            pending.push(Pending::Turned(turned, caller));
                        }
                        Err(error) => {
                            let error = StoreError::from(error);
                            drop(caller.send(Err(error.clone())));
                            broken = Some(error);
                        }
                    }
                }
                Command::Rehearse(write, caller) => {
                    let answer = self.applier.apply(&savepoint, &write).map_err(StoreError::from);
                    let answer = answer.map_err(WriteError::Store).and_then(|answer| answer).map(unplaced);
                    drop(caller.send(answer));
                    broken = Some(StoreError::Internal);
                }
            }
            match broken {
                // A full or failing disk takes the whole transaction back, and what was applied before with it.
                Some(error) if savepoint.is_autocommit() => return Err(error),
                // Dropped, the savepoint is rolled back.
                Some(_) => {
                    self.applier.facet_names.forget();
                    drop(savepoint);
                }
                None => savepoint.commit()?,
            }
            if *count < GROUP {
                next = inbox.try_recv().ok();
            }
        }
        if pending.is_empty() { Ok(transaction.rollback()?) } else { Ok(transaction.commit()?) }
    }

    fn record(&self, took: Duration, writes: usize) {
        let newest = self.connection.prepare_cached("SELECT coalesce(max(position), 0) FROM changes");
        let newest = newest.and_then(|mut statement| statement.query_row((), |row| row.get(0)));
        if let Ok(newest) = newest {
            self.announce.send_if_modified(|position| {
                let newest = rows::position(newest);
                std::mem::replace(position, newest) != newest
            });
        }
        if writes > 0 {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
            self.counters.writes.fetch_add(writes as u64, Ordering::Relaxed);
            self.counters.commit_micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
            tracing::debug!(writes, duration_ms = took.as_secs_f64() * 1_000.0, "committed");
        }
    }
}

/// Answers a command that could not even begin.
fn refuse(command: Option<Command>, error: &StoreError) {
    match command {
        Some(Command::Write(writes, caller)) => {
            drop(caller.send(writes.iter().map(|_| Err(error.clone().into())).collect()));
        }
        Some(Command::Rehearse(_, caller)) => drop(caller.send(Err(error.clone().into()))),
        Some(Command::TurnClock(_, caller)) => drop(caller.send(Err(error.clone()))),
        None => {}
    }
}

/// What was only rehearsed has no place in the feed.
fn unplaced(written: Written) -> Written {
    let record = &written.record;
    if written.outcome == crate::store::Outcome::Unchanged {
        return written;
    }
    let token = ChangeToken { position: Position::START, ..record.token };
    let parts = RecordParts { token, ..RecordParts::clone(record) };
    Written { record: Arc::new(Record::new(parts, &record.content())), ..written }
}
